/* close.c: descriptors are closed while others wait on them, and their numbers are given out again
 * at once (hazards 23 and 49).
 *
 * Each time that a number is given out is a generation of it. Who began to wait in one hears of its
 * close (-EBADF) and nothing of the next: bytes say of which generation they are.
 */
#include <poll.h>

#include "tests/sim/scenario.h"

enum { WAITERS_MOST = 4, ROUNDS_MOST = 8, BUFFER = 512 };

static int fds[2];
static enum way way;
static uint64_t generation; /* of fds[0] */
static bool is_open;        /* fds[0] */
static unsigned waiting, peers;

/* ---- those who wait ---- */

static void check_gone(long n, uint64_t mine, enum way my_way, bool began_open)
{
    PROMISE(n != -ECONNRESET || (my_way == WAY_TCP && !in_peace), "an error of another generation");
    if (n == -EBADF) {
        PROMISE(mine != generation || !is_open || !began_open, "-EBADF, and it is open");
        seen("close: a waiter heard of it");
    } else if (n < 0) {
        PROMISE(broke(n) || n == -ETIMEDOUT, "a waiter: %s", strerror((int)-n));
    }
}

static long wait_somehow(int fd, enum way my_way, char *buf, bool *read_something)
{
    switch (below(my_way == WAY_PIPE ? 3 : 4)) {
    case 0:
        return UNTIL(one_in(2) ? rv_after((rv_time)below(RV_MS)) : RV_NEVER, rv_poll(fd, POLLIN));
    case 1:
        *read_something = true;
        return UNTIL(one_in(2) ? rv_after((rv_time)below(RV_MS)) : RV_NEVER,
                     rv_read(fd, buf, BUFFER));
    case 2:
        *read_something = true;
        return rv_read_full(fd, buf, BUFFER);
    default:
        *read_something = true;
        return rv_recv(fd, buf, BUFFER, MSG_WAITALL);
    }
}

static int waiter(void *unused)
{
    char buf[BUFFER];
    uint64_t mine = generation;
    enum way my_way = way;
    int fd = fds[0];
    long n = 1;

    (void)unused;
    waiting++;
    while (n > 0 || n == -ETIMEDOUT) {
        bool began_open = is_open && mine == generation, bytes = false;

        if (!began_open)
            break; /* a new call would be for whoever has the number now */
        n = wait_somehow(fd, my_way, buf, &bytes);
        check_gone(n, mine, my_way, began_open);
        for (long i = 0; bytes && i < n; i++)
            PROMISE((unsigned char)buf[i] == mine, "a byte of generation %u, to one of %llu",
                    (unsigned char)buf[i], (unsigned long long)mine);
        if (n > 0 && one_in(2))
            PROMISE(rv_sleep((rv_time)below(20 * RV_US)) == 0, "cancelled?");
        if (n > 0 && one_in(4))
            break; /* an error behind these bytes is for nobody now */
    }
    waiting--;
    return 0;
}

/* ---- the other end ---- */

static int peer(void *unused)
{
    char buf[BUFFER];
    enum way my_way = way;
    int fd = fds[1];
    long n = 0;

    (void)unused;
    memset(buf, (int)generation, sizeof buf);
    peers++;
    for (uint64_t i = below(20); i > 0 && n >= 0; i--) {
        n = rv_write(fd, buf, from_to(1, sizeof buf));
        PROMISE(n > 0 || broke(n), "write: %s", strerror((int)-n));
        if (one_in(2))
            PROMISE(rv_sleep((rv_time)below(30 * RV_US)) == 0, "cancelled?");
    }
    if (one_in(2) && my_way != WAY_PIPE) { /* it hears of the close, too */
        while ((n = rv_read(fd, buf, sizeof buf)) > 0)
            ;
        PROMISE(n == 0 || broke(n), "read: %s", strerror((int)-n));
    }
    close_fd(fd);
    peers--;
    return 0;
}

/* Several at once: one of them closes it. */
static int closer(void *closed)
{
    int err = rv_close(fds[0]);

    PROMISE(err == 0 || err == -EBADF, "close: %s", strerror(-err));
    *(unsigned *)closed += err == 0;
    return 0;
}

static void close_it(void)
{
    uint64_t closers = one_in(3) ? 2 : 1;
    unsigned closed = 0;
    rv_group g;

    is_open = false;
    rv_group_open(&g, RV_NEVER);
    while (closers-- > 0) /* the second one begins while the first is at it, or finds it closed */
        rv_go(&g, closer, &closed);
    PROMISE(rv_group_close(&g, 0) == 0, "closers");
    PROMISE(closed == 1, "%u closed it", closed);
}

static void one_round(rv_group *g)
{
    int spare = -1;

    generation++;
    way = (enum way)below(WAY_SEQPACKET);
    if (one_in(2)) /* else a way's first number would always be the same one */
        spare = (int)INSIST(rv_socket(AF_UNIX, SOCK_STREAM, 0));
    open_way(way, fds);
    if (spare >= 0)
        close_fd(spare);
    is_open = true;
    for (uint64_t i = from_to(1, WAITERS_MOST); i > 0; i--)
        rv_go(g, waiter, NULL);
    rv_go(g, peer, NULL);
    PROMISE(rv_yield() == 0, "cancelled?");
    PROMISE(rv_sleep((rv_time)below(300 * RV_US)) == 0, "cancelled?");
    close_it();
    if (one_in(2)) { /* all hear of it by and by; or the next generation begins before they do */
        PROMISE(rv_sleep(300 * RV_S) == 0, "cancelled?");
        PROMISE(waiting == 0, "%u wait on a closed descriptor still", waiting);
        PROMISE(peers == 0, "%u have not heard of the close", peers);
    }
}

SCENARIO(close, "who waits on a descriptor hears of its close, and of nothing behind it")
{
    rv_group g;

    generation = 0;
    waiting = peers = 0;
    rv_group_open(&g, RV_NEVER);
    for (uint64_t i = from_to(1, ROUNDS_MOST); i > 0; i--)
        one_round(&g);
    return rv_group_close(&g, 0);
}
