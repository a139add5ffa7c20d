/* many.h: echo servers of several workers, as a process of their own, for b_accept.c and b_hog.c.
 *
 * The server and who measures it share a page: which worker has how many connections, and how many
 * requests it has served. Each worker's figures are on a cache line of their own, and written by
 * that worker alone.
 */
#ifndef MANY_H
#define MANY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { MANY_MOST = 64 };

enum many_accept {
    MANY_SPREAD,   /* one task accepts, on worker 0, and spawns into a spread group */
    MANY_REUSEPORT /* each worker has a listener of its own, and the kernel chooses */
};

struct many_seat {
    _Alignas(64) uint64_t served, connections; /* atomic; connections: that are open */
};

struct many_server {
    pid_t pid;
    struct sockaddr_in at;
    unsigned workers;
    int hog;                /* an eventfd: so many ms are computed, on the last worker */
    struct many_seat *seat; /* shared with it */
};

void many_start(struct many_server *s, enum many_accept how, unsigned workers);
void many_stop(struct many_server *s);

/* Computes for ms on the last worker, without a pause, from about now. */
void many_hog(struct many_server *s, uint64_t ms);

/* How alike the workers' parts are, of what they have, or served since `before`. */
double many_jain_connections(const struct many_server *s);
double many_jain_served(const struct many_server *s, const uint64_t *before);
void many_served(const struct many_server *s, uint64_t *out);

/* As many descriptors as this process is allowed. */
unsigned long many_open_files(void);

#endif
