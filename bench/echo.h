/* echo.h: the servers that b_echo.c compares, and the load that it puts on them.
 *
 * A server gets a listening socket (non-blocking, TCP_NODELAY, which accepted sockets inherit)
 * and echoes whatever each connection sends until it is killed. All have the same backlog, read
 * with the same buffer size and accept as their design wants to. None returns.
 */
#ifndef ECHO_H
#define ECHO_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum { ECHO_BACKLOG = 4096, ECHO_BUFFER = 4096 };

void echo_reeve_serve(int listener);
void echo_reeve_on_epoll_serve(int listener); /* whatever else there is */
void raw_epoll_serve(int listener);
void raw_uring_poll_serve(int listener);   /* multishot POLL, then plain recv() and send() */
void raw_uring_ops_serve(int listener);    /* recv and send as submissions, one shot each */
void raw_uring_stream_serve(int listener); /* direct fds, multishot recv, incremental buffers */

/* ---- the load: closed loop, each connection has `depth` messages under way ---- */

struct load_spec {
    struct sockaddr_in server;
    clockid_t server_cpu; /* the server's process CPU clock */
    unsigned connections;
    unsigned bytes; /* of a message */
    unsigned depth;
};

struct load_window {
    uint64_t messages, wall_ns, server_ns;
    double p50_us, p99_us, p999_us;
    double jain; /* of the connections' shares: 1, all were served alike */
};

struct load;

/* Connects all, and checks on each that what comes back is what was sent. NULL: it did not. */
struct load *load_open(const struct load_spec *spec);
void load_close(struct load *load);

/* From silence to silence: the first messages go out, replies are answered with new messages for
 * measure_ns, then what is under way comes home. Latencies are taken after warm_ns. False: a
 * connection failed or the server stopped answering. */
bool load_run(struct load *load, uint64_t warm_ns, uint64_t measure_ns, struct load_window *out);

#endif
