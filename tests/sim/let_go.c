/* let_go.c: a descriptor that tasks of several workers use, and one of them closes; its number goes
 * on, to others who are there at the same time.
 *
 * Who reads there ends with -EBADF, once it is closed; who writes at the other end hears that
 * nobody reads any more; and who gets the number next is not disturbed.
 */
#include "tests/sim/scenario.h"

enum { READERS_MOST = 5, BYSTANDERS_MOST = 3 };

static int fds[2];
static bool closed;

static int read_on(void *unused)
{
    char buf[64];
    long n;

    (void)unused;
    if (closed) /* the number may be another one's */
        return 0;
    do
        n = rv_read(fds[0], buf, sizeof buf);
    while ((n > 0 && !closed) || (by_the_world(n) && !closed));
    PROMISE(closed || n == -EBADF, "nobody has closed it, and a read says %ld", n);
    PROMISE(n >= 0 || n == -EBADF || broke(n), "a read says %ld", n);
    if (n == -EBADF)
        seen("let_go: woken by a close");
    return 0;
}

static int write_on(void *unused)
{
    long n;

    (void)unused;
    do {
        n = rv_write(fds[1], "some bytes", 10);
        if ((n > 0 || by_the_world(n)) && one_in(2))
            PROMISE(rv_sleep((rv_time)below(100 * RV_US)) == 0, "cancelled?");
    } while (n > 0 || by_the_world(n));
    PROMISE(n == -EPIPE || n == -ECONNRESET, "nobody reads any more, and a write says %ld", n);
    PROMISE(closed || !in_peace, "nobody has closed it");
    close_fd(fds[1]);
    return 0;
}

static int close_it(void *unused)
{
    (void)unused;
    PROMISE(rv_sleep((rv_time)below(RV_MS)) == 0, "cancelled?");
    closed = true; /* from here on it may be */
    close_fd(fds[0]);
    return 0;
}

/* One end of a pipe of its own after the other, whatever numbers these get. */
static int stand_by(void *unused)
{
    (void)unused;
    for (uint64_t i = below(20); i > 0; i--) {
        int own[2];
        char byte = 0;
        long n;

        PROMISE(INSIST(rv_pipe(own, 0)) == 0, "pipe");
        n = INSIST(rv_write(own[1], "x", 1));
        PROMISE(n == 1, "a write to a pipe of one's own says %ld", n);
        n = INSIST(rv_read(own[0], &byte, 1));
        PROMISE(n == 1 && byte == 'x', "a read of a pipe of one's own says %ld", n);
        close_fd(own[0]);
        close_fd(own[1]);
        PROMISE(rv_sleep((rv_time)below(100 * RV_US)) == 0, "cancelled?");
    }
    return 0;
}

SCENARIO(let_go, "a close reaches who uses the descriptor on other workers, and nobody else",
         .runtime.workers = RV_WORKERS_AUTO)
{
    enum way way = one_in(2) ? WAY_PIPE : WAY_UNIX;
    rv_group g;

    closed = false;
    open_way(way, fds);
    rv_spread_open(&g, RV_NEVER);
    for (uint64_t i = from_to(1, READERS_MOST); i > 0; i--)
        rv_go(&g, read_on, NULL);
    rv_go(&g, write_on, NULL);
    for (uint64_t i = below(BYSTANDERS_MOST + 1); i > 0; i--)
        rv_go(&g, stand_by, NULL);
    rv_go(&g, close_it, NULL);
    return rv_group_close(&g, 0);
}
