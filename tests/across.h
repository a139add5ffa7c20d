/* across.h: what the tests of descriptors on several workers share.
 *
 * Who means to read a certain file must be inside of the call when that is closed: between two
 * calls the number may come to mean another, as with threads. So these tests ask the worker itself
 * whether its reader waits (until_waiting).
 */
#ifndef ACROSS_H
#define ACROSS_H

#include "tests/net.h"

#include "kernel/fds.h"
#include "sched/worker.h"

enum { WORKERS = 4 };

#define TEST_ACROSS(sentence)                                                          \
    static int sentence##_task(void *unused);                                          \
    TEST(sentence)                                                                     \
    {                                                                                  \
        NOT_IN_SIM("several workers");                                                 \
        CHECK_EQ(rv_run(sentence##_task, NULL, &(rv_options){.workers = WORKERS}), 0); \
    }                                                                                  \
    static int sentence##_task(void *unused __attribute__((unused)))

enum how { READ, RECV, POLL, WRITE, ACCEPT, HOWS };

struct waiter {
    int fd;
    enum how how;
    long result;
};

static inline int wait_on(void *arg)
{
    static const char big[64 * 1024];
    struct waiter *w = arg;
    char byte;

    switch (w->how) {
    case READ:
        w->result = rv_read(w->fd, &byte, 1);
        break;
    case RECV:
        w->result = rv_recv(w->fd, &byte, 1, MSG_WAITALL);
        break;
    case POLL:
        w->result = rv_poll(w->fd, POLLIN);
        break;
    case WRITE:
        do
            w->result = rv_write(w->fd, big, sizeof big);
        while (w->result > 0);
        break;
    default:
        w->result = rv_accept(w->fd, NULL, NULL);
    }
    return 0;
}

/* How many wait here for that number, or have an operation under way on it. */
static inline int count_waits(void *arg)
{
    struct fd_entry *e;
    int count = 0;

    if (fds_get(worker_self->kernel, *(int *)arg, &e) < 0)
        return 0;
    for (struct link *l = e->waits.next; l != &e->waits; l = l->next)
        count++;
    for (struct link *l = e->ops.next; l != &e->ops; l = l->next)
        count++;
    return count;
}

static inline void until_waiting(unsigned worker, int fd, int least)
{
    int count;

    while ((count = rv_on(worker, count_waits, &fd)) >= 0 && count < least)
        CHECK_EQ(rv_sleep(RV_MS / 10), 0);
    CHECK(count >= least);
}

struct closing {
    int fd;
    int result;
};

static inline int close_it(void *arg)
{
    struct closing *c = arg;

    c->result = rv_close(c->fd);
    return 0;
}

static inline int close_on(unsigned worker, int fd)
{
    struct closing c = {fd, 1};

    CHECK_EQ(rv_on(worker, close_it, &c), 0);
    return c.result;
}

#endif
