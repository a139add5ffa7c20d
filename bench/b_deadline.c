/* b_deadline.c: what a deadline that does not fire adds to a recv that had to wait.
 *
 * deadline_cost      ns a recv: rv_scope_open(rv_after(10 s)) before it, rv_scope_close after
 * deadline_percent   the same as percent of the recv without
 *
 * Two tasks of one worker send 64 bytes to and fro through a pair of sockets. A recv's buffer is
 * larger than what comes, so each recv finds nothing at first and parks. Short blocks with and
 * without deadlines take turns, and the cost is the median of the differences of neighbours: the
 * machine drifts by more in a second than a deadline costs.
 *
 * The recv is what is left of half a round trip when a send is taken away, a send being measured
 * alone: dividing by the whole would flatter the percentage. The pair of sockets is AF_UNIX,
 * cheaper than TCP, for the same reason. Both tasks and both modes are code of their own, so each
 * switch meets another call site than the last.
 */
#include <errno.h>
#include <reeve.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

enum { MESSAGE = 64, BUFFER = 4096, TRIPS = 1000, PAIRS = 100, SENDS = 100 };

enum mode { PLAIN, TIMED, SEND_ONLY, MODES };

static char text[MESSAGE];

/* ---- the four loops ---- */

#define LOOPS(task, site, first, second)                                          \
    static BENCH_NOINLINE int task##_plain(int fd, char *buf)                     \
    {                                                                             \
        ssize_t n = 0;                                                            \
        for (int i = 0; i < TRIPS && n >= 0; i++) {                               \
            first(n = rv_recv(fd, buf, BUFFER, 0));                               \
            BENCH_DISTINCT(site);                                                 \
            if (n >= 0)                                                           \
                n = rv_send(fd, text, MESSAGE, 0);                                \
            second(n = rv_recv(fd, buf, BUFFER, 0));                              \
        }                                                                         \
        return (int)n;                                                            \
    }                                                                             \
    static BENCH_NOINLINE int task##_timed(int fd, char *buf)                     \
    {                                                                             \
        rv_scope scope;                                                           \
        ssize_t n = 0;                                                            \
        for (int i = 0; i < TRIPS && n >= 0; i++) {                               \
            first(rv_scope_open(&scope, rv_after(10 * RV_S));                     \
                  n = rv_scope_close(&scope, (int)rv_recv(fd, buf, BUFFER, 0)));  \
            BENCH_DISTINCT(-site);                                                \
            if (n >= 0)                                                           \
                n = rv_send(fd, text, MESSAGE, 0);                                \
            second(rv_scope_open(&scope, rv_after(10 * RV_S));                    \
                   n = rv_scope_close(&scope, (int)rv_recv(fd, buf, BUFFER, 0))); \
        }                                                                         \
        return (int)n;                                                            \
    }

#define DO(...) __VA_ARGS__
#define SKIP(...) (void)0

LOOPS(ping, 1, SKIP, DO) /* send, then recv */
LOOPS(pong, 2, DO, SKIP) /* recv, then send */

/* ---- one measurement ---- */

struct pair {
    int near, far;
    double leg_ns[PAIRS], cost_ns[PAIRS], send_ns[PAIRS];
};

static int pong(void *arg)
{
    int fd = ((struct pair *)arg)->far, err = 0;
    char buf[BUFFER];

    for (int i = 0; i < 2 * (PAIRS + 1) && err >= 0; i++)
        err = i % 2 ? pong_timed(fd, buf) : pong_plain(fd, buf);
    return err;
}

/* A send alone: nobody waits for it, and what it sent is taken out untimed. */
static double send_ns(const int fd[2])
{
    char buf[BUFFER];
    double ns;

    bench_begin();
    for (int i = 0; i < SENDS; i++)
        if (rv_send(fd[0], text, MESSAGE, 0) != MESSAGE)
            bench_die("rv_send: no room");
    ns = bench_end_ns() / SENDS;
    for (ssize_t left = SENDS * MESSAGE, n; left > 0; left -= n)
        if ((n = recv(fd[1], buf, sizeof buf, 0)) <= 0)
            bench_die("recv: %s", strerror(errno));
    return ns;
}

static int ping(struct pair *pair, const int spare[2])
{
    char buf[BUFFER];
    int err = 0;

    for (int i = -1; i < PAIRS && err >= 0; i++) { /* -1: a pair to warm up */
        double ns[MODES];
        for (enum mode mode = PLAIN; mode <= TIMED && err >= 0; mode++) {
            bench_begin();
            err = mode == TIMED ? ping_timed(pair->near, buf) : ping_plain(pair->near, buf);
            ns[mode] = bench_end_ns() / (2.0 * TRIPS);
        }
        ns[SEND_ONLY] = send_ns(spare);
        if (i < 0)
            continue;
        pair->leg_ns[i] = ns[PLAIN];
        pair->cost_ns[i] = ns[TIMED] - ns[PLAIN];
        pair->send_ns[i] = ns[SEND_ONLY];
    }
    return err;
}

static int measure(void *arg)
{
    struct pair *pair = arg;
    int fd[2], spare[2], err;
    rv_group group;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, spare) < 0)
        bench_die("socketpair: %s", strerror(errno));
    pair->near = fd[0];
    pair->far = fd[1];
    rv_group_open(&group, RV_NEVER);
    rv_go(&group, pong, pair);
    err = rv_group_close(&group, ping(pair, spare));
    for (int i = 0; i < 2; i++) {
        rv_close(fd[i]);
        rv_close(spare[i]);
    }
    return err;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *value)
{
    qsort(value, PAIRS, sizeof *value, by_size);
    return (value[PAIRS / 2 - 1] + value[PAIRS / 2]) / 2;
}

int main(int argc, char **argv)
{
    struct bench_row cost, percent;
    unsigned runs;

    bench_init(argc, argv);
    runs = bench_runs(9);
    bench_row_open(&cost, "ns", "deadline_cost");
    bench_row_open(&percent, "%", "deadline_percent");
    for (unsigned round = 0; round <= runs; round++) {
        static struct pair pair;
        double added, leg, sending;
        bench_must(rv_run(measure, &pair, NULL), "rv_run");
        added = median(pair.cost_ns);
        leg = median(pair.leg_ns);
        sending = median(pair.send_ns);
        if (round == 0) {
            bench_note("a parked recv and the send that ends it: %.0f ns, of which the send %.0f",
                       leg, sending);
            continue;
        }
        bench_row_add(&cost, added);
        bench_row_add(&percent, 100 * added / (leg - sending));
    }
    bench_row_print(&cost);
    bench_row_print(&percent);
    return 0;
}
