/* t_deadline_io.c: deadlines of calls that wait for the world: never early, never lost, whatever
 * else goes on.
 */
#include "tests/net.h"

#include <sys/eventfd.h>
#include <sys/time.h>

/* Late is what a loaded machine may be; lost is not. */
#define LATE_AT_MOST (5 * RV_S)

enum call { SLEEP, RECV, POLL, ACCEPT, RING_READ, CALLS };

struct timed {
    int fds[CALLS]; /* none of which will ever have anything */
    uint32_t dice;
    int rounds;
    rv_time latest;
};

static long call_once(const struct timed *t, enum call which)
{
    char byte;

    switch (which) {
    case SLEEP:
        return rv_sleep(RV_NEVER);
    case RECV:
        return rv_recv(t->fds[RECV], &byte, 1, 0);
    case POLL:
        return rv_poll(t->fds[POLL], POLLIN);
    case ACCEPT:
        return rv_accept(t->fds[ACCEPT], NULL, NULL);
    default:
        return rv_read(t->fds[RING_READ], &byte, 1);
    }
}

/* Scopes in scopes, of which the nearest deadline counts. */
static int keep_deadlines(void *arg)
{
    struct timed *t = arg;

    for (int i = 0; i < t->rounds; i++) {
        enum call which = next_random(&t->dice) % CALLS;
        rv_time now = rv_now(), outer = now + next_random(&t->dice) % 2000 * RV_US;
        rv_time inner = now + next_random(&t->dice) % 2000 * RV_US;
        rv_time nearest = inner < outer ? inner : outer, late;
        rv_scope o, s;
        long n;

        rv_scope_open(&o, outer);
        rv_scope_open(&s, inner);
        n = call_once(t, which);
        late = rv_now() - nearest;
        CHECK_EQ(n, -ECANCELED);
        CHECK(late >= 0);
        if (late > t->latest)
            t->latest = late;
        n = rv_scope_close(&o, rv_scope_close(&s, (int)n));
        CHECK_EQ(n, -ETIMEDOUT);
    }
    return 0;
}

static void open_silence(struct timed *t)
{
    static struct address at;
    int fds[2];

    tcp_pair(fds);
    t->fds[RECV] = fds[0];
    tcp_pair(fds);
    t->fds[POLL] = fds[0];
    t->fds[ACCEPT] = listening(AF_INET, &at);
    if (in_sim()) /* where nothing is read that way */
        MUST(rv_pipe(fds, 0));
    else
        fds[0] = MUST(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    t->fds[RING_READ] = fds[0];
}

static void keep_many(int tasks, int rounds)
{
    struct timed all[64] = {0};
    rv_group g;

    open_silence(&all[0]);
    rv_group_open(&g, rv_after(3 * LONG));
    for (int i = 0; i < tasks; i++) {
        all[i] = all[0];
        all[i].dice = 1000u + (uint32_t)i;
        all[i].rounds = rounds;
        rv_go(&g, keep_deadlines, &all[i]);
    }
    CHECK_EQ(rv_group_close(&g, 0), 0);
    for (int i = 0; i < tasks; i++)
        CHECK(all[i].latest < LATE_AT_MOST);
}

TEST_TASK(hazard_37_a_deadline_ends_its_call_never_early_and_never_not)
{
    keep_many(64, SCALED(60, 15));
    return 0;
}

/* One task alone, so that the enter itself waits until the deadline: were it to wait twice as
 * long after each submission, this would tell. */
TEST_TASK(hazard_37_a_wait_that_was_submitted_with_others_is_not_doubled)
{
    struct timed t = {0};
    rv_time start, fastest = RV_NEVER;

    open_silence(&t);
    for (int i = 0; i < 5; i++) {
        start = rv_now();
        CHECK_EQ(WITHIN(50 * RV_MS, rv_accept(t.fds[ACCEPT], NULL, NULL)), -ETIMEDOUT);
        if (rv_now() - start < fastest)
            fastest = rv_now() - start;
    }
    CHECK(fastest >= 50 * RV_MS);
    CHECK(fastest < 95 * RV_MS);
    return 0;
}

static volatile sig_atomic_t alarms;

static void count_alarm(int number)
{
    (void)number;
    alarms++;
}

TEST_TASK(hazard_28_deadlines_hold_in_a_storm_of_signals)
{
    const struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    struct sigaction action = {.sa_handler = count_alarm, .sa_flags = SA_RESTART};
    struct timed alone = {.dice = 3, .rounds = SCALED(60, 20)};

    NOT_IN_SIM("real signals");
    open_silence(&alone);
    sigaction(SIGVTALRM, &action, NULL);
    sigaction(SIGPROF, &action, NULL);
    signal(SIGALRM, count_alarm);
    setitimer(ITIMER_REAL, &often, NULL);
    CHECK_EQ(keep_deadlines(&alone), 0);
    CHECK(alone.latest < LATE_AT_MOST);
    keep_many(16, SCALED(40, 10));
    CHECK_EQ(rv_sleep(50 * RV_MS), 0);
    setitimer(ITIMER_REAL, &never, NULL);
    CHECK(alarms > 10);
    return 0;
}

/* ---- hazard 21 ---- */

struct many {
    const struct timed *on;
    int returned;
    rv_time deadline;
};

static int time_out(void *arg)
{
    struct many *m = arg;
    rv_scope s;
    long n;

    rv_scope_open(&s, m->deadline);
    n = call_once(m->on, rv_id() % (CALLS - 1) + 1);
    CHECK_EQ(n, -ECANCELED);
    m->returned++;
    return rv_scope_close(&s, (int)n) == -ETIMEDOUT ? 0 : -EIO;
}

static int time_out_all(void *unused)
{
    const int tasks = SCALED(10000, 1500);
    struct timed t = {0};
    struct many m = {.on = &t};
    rv_group g;

    (void)unused;
    open_silence(&t);
    m.deadline = rv_after(200 * RV_MS);
    rv_group_open(&g, rv_after(3 * LONG));
    for (int i = 0; i < tasks; i++)
        rv_go(&g, time_out, &m);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(m.returned, tasks);
    return 0;
}

TEST(hazard_21_ten_thousand_deadlines_at_once_fit_through_a_ring_of_eight)
{
    const rv_options tiny = {.ring_entries = 8, .cq_entries = 8};
    const rv_options small = {.ring_entries = 8};

    CHECK_EQ(rv_run(time_out_all, NULL, &tiny), 0);
    CHECK_EQ(rv_run(time_out_all, NULL, &small), 0);
}

/* Cancelled before the kernel has ever heard of them. */
static int cancel_at_once(void *unused)
{
    struct timed t = {0};
    struct many m = {.on = &t, .deadline = RV_NEVER};
    rv_group g;

    (void)unused;
    open_silence(&t);
    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 200; i++)
        rv_go(&g, time_out, &m);
    CHECK_EQ(rv_yield(), 0);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(rv_yield(), 0);
    rv_group_cancel(&g);
    CHECK_EQ(rv_group_close(&g, 0), -EIO); /* time_out()'s word for a cancel from outside */
    CHECK_EQ(m.returned, 200);
    return 0;
}

TEST(operations_that_are_still_queued_can_be_cancelled)
{
    const rv_options tiny = {.ring_entries = 8};

    CHECK_EQ(rv_run(cancel_at_once, NULL, &tiny), 0);
}
