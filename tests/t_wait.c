/* t_wait.c: the doorway: each wait ends exactly once, by its object, its time or a cancel, and
 * none is forgotten: there is no timer in the background that would find it later. Kernel
 * operations are replaced by ones that the test completes when it likes.
 */
#include "tap.h"

#include "sched/wait.h"
#include "virtual.h"

/* ---- an object to wait on ---- */

static long parked, opened, taken_off; /* each wait on a gate ends by one of the latter two */

struct gate {
    struct task *waiting;
    bool slow; /* its abort asks the owner, who wakes later: as a kernel operation */
    int aborts;
};

static bool gate_abort(struct task *t, void *on)
{
    struct gate *gate = on;

    CHECK(gate->waiting == t);
    gate->aborts++;
    if (gate->slow)
        return false;
    gate->waiting = NULL;
    taken_off++;
    return true;
}

static const struct wait_kind gate_kind = {.name = "gate", .abort = gate_abort};

static int gate_wait(struct gate *gate)
{
    struct task *me = worker_self->task;

    if (task_over(me))
        return -ECANCELED;
    CHECK(gate->waiting == NULL);
    gate->waiting = me;
    parked++;
    return wait_park(me, &gate_kind, gate, RV_NEVER);
}

static bool gate_open(struct gate *gate, int value)
{
    struct task *t = gate->waiting;

    if (t == NULL)
        return false;
    gate->waiting = NULL;
    opened++;
    wait_wake(t, value);
    return true;
}

/* ---- every wait ends once ---- */

enum { WAITERS = 40, MOST_WAITS = 400 };

static struct gate gates[WAITERS];
static long begun, ended, woken, cancelled_waits, asked;
static int busy;
static uint64_t seed;

static uint64_t rnd(void)
{
    seed = seed * 6364136223846793005 + 1442695040888963407;
    return seed >> 33;
}

static int one_wait(struct gate *gate)
{
    int result;

    begun++;
    switch (rnd() % 4) {
    case 0:
        result = rv_yield();
        break;
    case 1:
        result = rv_sleep((rv_time)(rnd() % 5) * RV_MS);
        break;
    default:
        result = gate_wait(gate);
        woken += result > 0;
    }
    ended++;
    CHECK(result >= 0 || result == -ECANCELED);
    cancelled_waits += result < 0;
    return result;
}

static int waiter(void *arg)
{
    struct gate *gate = arg;

    for (int i = 0; i < MOST_WAITS; i++) {
        rv_scope s;
        bool shield = rnd() % 16 == 0;
        rv_time due = rnd() % 3 ? RV_NEVER : rv_after((rv_time)(rnd() % 4) * RV_MS);
        int result;

        if (shield)
            rv_shield_open(&s, rv_after((rv_time)(rnd() % 4) * RV_MS));
        else
            rv_scope_open(&s, due);
        result = one_wait(gate);
        if (rnd() % 8 == 0)
            result = one_wait(gate);
        result = rv_scope_close(&s, result);
        CHECK(result >= 0 || result == -ETIMEDOUT || result == -ECANCELED);
        if (result == -ECANCELED)
            break; /* the group's */
    }
    busy--;
    return 0;
}

/* Opens gates at random until all waiters are gone; and those that are slow to be aborted. */
static int opener(void *arg)
{
    (void)arg;
    while (busy) {
        struct gate *gate = &gates[rnd() % WAITERS];

        if (rnd() % 2 || gate->aborts)
            (void)gate_open(gate, rnd() % 3 ? 1 : 0);
        if (gate->waiting == NULL) {
            asked += gate->slow ? gate->aborts : 0;
            gate->aborts = 0;
        }
        CHECK_EQ(rnd() % 4 ? rv_yield() : rv_sleep((rv_time)(rnd() % 300) * RV_US), 0);
    }
    return 0;
}

static int storm(void *arg)
{
    rv_group g, openers;

    (void)arg;
    rv_group_open(&openers, RV_NEVER);
    rv_go(&openers, opener, NULL);
    rv_group_open(&g, rnd() % 2 ? RV_NEVER : rv_after((rv_time)(rnd() % 500) * RV_MS));
    for (int i = 0; i < WAITERS; i++) {
        gates[i] = (struct gate){.slow = i % 2};
        busy++;
        rv_go(&g, waiter, &gates[i]);
    }
    CHECK(rv_group_close(&g, 0) <= 0);
    for (int i = 0; i < WAITERS; i++)
        CHECK(gates[i].waiting == NULL);
    return rv_group_close(&openers, 0);
}

TEST(hazard_39_every_wait_ends_exactly_once_whoever_ends_it)
{
    for (int round = 0; round < SCALED(100, 20); round++) {
        seed = (uint64_t)round * 0x9e3779b97f4a7c15 + 1;
        CHECK_EQ(run_virtual(storm, NULL), 0);
        CHECK_EQ(begun, ended);
        CHECK_EQ(parked, opened + taken_off);
        CHECK_EQ(busy, 0);
        if (tap_failures) {
            fprintf(stderr, "in round %d\n", round);
            return;
        }
    }
    CHECK(woken > SCALED(1000, 200) && cancelled_waits > SCALED(1000, 200));
    CHECK(taken_off > SCALED(1000, 200) && asked > SCALED(100, 20));
}

/* ---- a cancel asks, the object answers ---- */

static struct gate slow = {.slow = true};
static rv_scope inner;
static int answer;

static int wait_slow(void *arg)
{
    (void)arg;
    rv_scope_open(&inner, RV_NEVER);
    answer = gate_wait(&slow);
    (void)rv_scope_close(&inner, answer);
    CHECK_EQ(rv_yield(), -ECANCELED);
    return -ECANCELED;
}

static int ask_and_answer(void *arg)
{
    int with = *(int *)arg;
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    rv_go(&g, wait_slow, NULL);
    CHECK_EQ(rv_yield(), 0);
    CHECK(slow.waiting != NULL);
    rv_cancel(&inner);
    rv_group_cancel(&g);
    CHECK_EQ(slow.aborts, 1); /* asked once, though it is told of twice */
    CHECK(slow.waiting != NULL && slow.waiting->state == TASK_PARKED);
    CHECK(gate_open(&slow, with));
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(answer, with); /* the result wins */
    return 0;
}

TEST(a_result_that_comes_after_a_cancel_was_asked_for_is_the_wait_s_result)
{
    static int with[] = {7, 0, -ECANCELED, -EPIPE};

    for (size_t i = 0; i < sizeof with / sizeof with[0]; i++) {
        slow.aborts = 0;
        CHECK_EQ(run_virtual(ask_and_answer, &with[i]), 0);
    }
}

static int wait_when_over(void *arg)
{
    struct gate gate = {0};
    rv_scope s;

    (void)arg;
    rv_scope_open(&s, RV_NEVER);
    rv_cancel(&s);
    gate.waiting = worker_self->task; /* its owner did not look, as a second wait of one call */
    CHECK_EQ(wait_park(worker_self->task, &gate_kind, &gate, RV_NEVER), -ECANCELED);
    CHECK_EQ(gate.aborts, 1);
    return rv_scope_close(&s, -ECANCELED);
}

TEST(a_wait_that_begins_in_a_scope_that_is_over_ends_in_the_next_pass)
{
    CHECK_EQ(run_virtual(wait_when_over, NULL), 0);
}

/* ---- a kernel that does not answer ---- */

static char *said_after(int err, off_t from)
{
    static char text[4096];
    ssize_t n = pread(err, text, sizeof text - 1, from);

    text[n < 0 ? 0 : n] = 0;
    return text;
}

static int stuck(void *arg)
{
    rv_group g;
    rv_scope s;
    off_t from;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, wait_slow, NULL);
    CHECK_EQ(rv_yield(), 0);
    rv_shield_open(&s, RV_NEVER);
    rv_group_cancel(&g);
    from = lseek(2, 0, SEEK_END);
    CHECK_EQ(rv_sleep(4 * RV_S), 0);
    CHECK_EQ(lseek(2, 0, SEEK_END), from);
    CHECK_EQ(rv_sleep(2 * RV_S), 0);
    CHECK(strstr(said_after(2, from), "\"wait_slow\", spawned at tests/t_wait.c"));
    CHECK(strstr(said_after(2, from), "was cancelled in gate"));
    CHECK(gate_open(&slow, -ECANCELED));
    CHECK_EQ(rv_scope_close(&s, 0), 0);
    return rv_group_close(&g, 0);
}

TEST(a_cancelled_wait_that_does_not_end_is_reported_after_five_seconds)
{
    CHECK_EQ(run_virtual(stuck, NULL), 0);
}

static int wait_slow_later(void *arg)
{
    rv_scope s;

    rv_scope_open(&s, rv_after(RV_S)); /* leaves the timer armed, for a time that means nothing */
    CHECK_EQ(gate_wait(&slow), 1);
    CHECK_EQ(rv_scope_close(&s, 0), 0);
    return wait_slow(arg);
}

static int stuck_with_old_timer(void *arg)
{
    rv_group g;
    rv_scope s;
    off_t from = lseek(2, 0, SEEK_END);

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, wait_slow_later, NULL);
    CHECK_EQ(rv_yield(), 0);
    CHECK(gate_open(&slow, 1));
    CHECK_EQ(rv_yield(), 0);
    CHECK(slow.waiting != NULL);
    rv_shield_open(&s, RV_NEVER);
    rv_group_cancel(&g);
    CHECK_EQ(rv_sleep(4 * RV_S), 0);
    CHECK_EQ(lseek(2, 0, SEEK_END), from);
    CHECK_EQ(rv_sleep(2 * RV_S), 0);
    CHECK(strstr(said_after(2, from), "was cancelled in gate"));
    CHECK(gate_open(&slow, -ECANCELED));
    CHECK_EQ(rv_scope_close(&s, 0), 0);
    return rv_group_close(&g, 0);
}

TEST(and_not_earlier_because_of_a_timer_that_was_left_armed)
{
    CHECK_EQ(run_virtual(stuck_with_old_timer, NULL), 0);
}

/* ---- slack ---- */

static int late_sleepers(void *arg)
{
    static const rv_time spans[] = {RV_US, 100 * RV_US, RV_MS, 20 * RV_MS, RV_S, 10 * RV_S};

    (void)arg;
    virtual_late = true;
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        rv_time start = rv_now(), late;

        CHECK_EQ(rv_sleep(spans[i]), 0);
        late = rv_now() - start - spans[i];
        CHECK(late >= 0 && late <= spans[i] / 1024 && late <= RV_MS);
    }
    return 0;
}

TEST(a_sleep_may_be_late_by_a_1024th_of_its_length_and_a_millisecond_at_most)
{
    CHECK_EQ(run_virtual(late_sleepers, NULL), 0);
}

static int long_sleeper(void *arg)
{
    return rv_sleep_until(*(rv_time *)arg);
}

static int short_beside_long(void *arg)
{
    rv_time when = rv_after(10 * RV_S);
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, long_sleeper, &when);
    CHECK_EQ(rv_sleep_until(when - 100 * RV_US), 0);
    virtual_late = true;
    CHECK_EQ(rv_sleep_until(when + RV_US), 0); /* a short one, due right after the long one */
    CHECK(rv_now() <= when + RV_MS);
    return rv_group_close(&g, 0);
}

TEST(nor_by_more_than_a_millisecond_because_a_neighbour_in_time_may_be)
{
    CHECK_EQ(run_virtual(short_beside_long, NULL), 0);
}
