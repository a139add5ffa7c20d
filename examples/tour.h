/* tour.h: what the parts of the tour have in common.
 *
 *   tour.c           the chapters, and main(): begin here
 *   tour-serve.c     the chapter of the server
 *   tour-clients.c   its clients, a process of their own
 *   tour-screen.c    the line that moves, and the table
 */
#ifndef TOUR_H
#define TOUR_H

#include <netinet/in.h>

#include "reeve.h"

struct scale {
    long leaves, tasks, connections, rounds, blocks, readers, reads;
    rv_time bedtime; /* for all tasks to start and fall asleep */
    rv_time spread;  /* the server's quiet hour: one message after the other */
};

extern struct scale scale;

/* ---- tour.c ---- */

long memory_now(void);                            /* bytes resident, and their page tables */
int run(const char *name, rv_fn *chapter);        /* in a runtime of its own: its result */
int all(rv_fn *fn, long count, size_t at_a_time); /* a task for each of 0 ... count-1: joined */

/* ---- tour-serve.c, tour-clients.c ---- */

int serve_other_process(void);

enum order { CONNECT = 'c', FLOOD = 'f', PACED = 'p' }; /* the server's, to the clients */

struct answer {
    int err;
    rv_time half, most; /* 50 % and 99 % of the replies took no longer */
};

int clients_main(int control, struct sockaddr_in server); /* the process's exit status */

/* ---- tour-screen.c ---- */

#define FORMAT(fmt, args) __attribute__((format(printf, fmt, args)))

struct text {
    char is[32];
};

struct text number(long n);      /* "1,234,567" */
struct text duration(double ns); /* "12.3 ms" */

struct text megabytes(long bytes); /* "12.3 MB" */
static const struct text nothing;

void screen_open(void);
void screen_chapter(const char *name);
int screen_progress(void *arg); /* a task: shows how far it is until it is cancelled */
void progress(const char *what, const long *done, long of);

void tell(const char *fmt, ...) FORMAT(1, 2); /* what a chapter did */
/* A check: what should hold, and the words for when it does not. */
void expect(bool holds, const char *fmt, ...) FORMAT(2, 3);
/* A line of the table; the format makes its last column. */
void row(const char *what, long count, rv_time time, struct text memory, const char *fmt, ...)
    FORMAT(5, 6);

int screen_close(void); /* prints the table; how many checks did not hold */

#endif
