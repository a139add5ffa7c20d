/* ready.c: rv_poll(): what it says is there, is there; and it is told when there is something.
 *
 * One reader and one writer, who never wait but in rv_poll(): they try with MSG_DONTWAIT. Being the
 * only ones at their ends, after a poll that promised something the try must not say -EAGAIN.
 */
#include <poll.h>

#include "tests/sim/scenario.h"

enum { BUFFER = 3000, BYTES_MOST = 30000 };

static int fds[2];
static uint64_t bytes, sent, got;
static bool broken;

/* The bits, or 0: not yet, by the deadline that some have. */
static int wait_for(int fd, short events)
{
    rv_time deadline = one_in(3) ? rv_after((rv_time)below(300 * RV_US)) : RV_NEVER;
    long now = UNTIL(deadline, rv_poll(fd, events));

    if (by_the_world(now) || (now == -ETIMEDOUT && deadline != RV_NEVER))
        return 0;
    PROMISE(now > 0, "poll: %ld", now);
    PROMISE((now & ~(events | POLLERR | POLLHUP)) == 0, "events that nobody asked for: %lx", now);
    return (int)now;
}

static int writer(void *unused)
{
    char buf[BUFFER];

    (void)unused;
    while (sent < bytes) {
        size_t len = from_to(1, sizeof buf);
        ssize_t n;
        int now = wait_for(fds[1], POLLOUT);

        if (now == 0)
            continue;
        len = len < bytes - sent ? len : (size_t)(bytes - sent);
        fill(buf, len, 3, sent);
        n = rv_send(fds[1], buf, len, MSG_DONTWAIT);
        PROMISE(n != -EAGAIN, "it is said to be writable (%x), and is not", now);
        if (by_the_world(n))
            continue;
        if (broke(n)) {
            broken = true;
            break;
        }
        PROMISE(n > 0, "send: %s", strerror((int)-n));
        sent += (uint64_t)n;
    }
    close_fd(fds[1]);
    return 0;
}

static int reader(void *unused)
{
    char buf[BUFFER];
    ssize_t n = 1;

    (void)unused;
    while (n != 0) {
        int now = wait_for(fds[0], one_in(2) ? POLLIN : POLLIN | POLLRDHUP);

        if (now == 0)
            continue;
        if (one_in(4))
            PROMISE(rv_sleep((rv_time)below(100 * RV_US)) == 0, "cancelled?");
        n = rv_recv(fds[0], buf, from_to(1, sizeof buf), MSG_DONTWAIT);
        PROMISE(n != -EAGAIN, "it is said to be readable (%x), and is not", now);
        if (broke(n)) {
            broken = true;
            continue;
        }
        PROMISE(n >= 0, "recv: %s", strerror((int)-n));
        check_bytes(buf, (size_t)n, 3, got);
        got += (uint64_t)n;
    }
    PROMISE(broken || got == bytes, "the end came after %llu bytes of %llu",
            (unsigned long long)got, (unsigned long long)bytes);
    return 0;
}

/* Asks for nothing, and hears of the end all the same: when both directions are shut. */
static int watcher(void *unused)
{
    long now = INSIST(rv_poll(fds[0], 0));

    (void)unused;
    PROMISE(now == -EBADF || (now > 0 && (now & (POLLHUP | POLLERR)) == now), "poll: %ld", now);
    seen(now == -EBADF ? "ready: the watcher heard of the close" : "ready: it heard of the end");
    return 0;
}

SCENARIO(ready, "what rv_poll() says is there, is there")
{
    rv_group all, g;

    bytes = below(BYTES_MOST);
    sent = got = 0;
    broken = false;
    open_way(one_in(2) ? WAY_UNIX : WAY_TCP, fds);
    rv_group_open(&all, RV_NEVER);
    rv_go(&all, watcher, NULL);
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, writer, NULL);
    rv_go(&g, reader, NULL);
    PROMISE(rv_group_close(&g, 0) == 0, "tasks");
    if (one_in(2))
        PROMISE(rv_sleep((rv_time)below(RV_MS)) == 0, "cancelled?");
    close_fd(fds[0]);
    return rv_group_close(&all, 0);
}
