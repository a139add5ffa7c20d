/* t_time.c: sleeping: in order, never early, as many as there are tasks; yields; sums that stop. */
#include "tap.h"

#include "stack/stack.h"
#include "virtual.h"

static long slept;
static rv_time last_woken;

static int sleep_one(void *arg)
{
    rv_time when = *(rv_time *)arg;

    CHECK_EQ(rv_sleep_until(when), 0);
    CHECK(rv_now() >= when);
    CHECK(when >= last_woken);
    last_woken = when;
    slept++;
    return 0;
}

static int sleep_all(void *arg)
{
    long number = *(long *)arg;
    uint64_t seed = 88172645463325252;
    rv_time start = rv_now();
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    for (long i = 0; i < number; i++) {
        rv_time when;

        seed = seed * 6364136223846793005 + 1442695040888963407;
        when = start + RV_S + (rv_time)(seed >> 35);
        rv_go_copy(&g, sleep_one, &when, sizeof when);
    }
    return rv_group_close(&g, 0);
}

TEST(sleepers_by_the_thousand_wake_in_order_and_none_early)
{
    struct stack_arena probe;
    bool cheap = stack_arena_init(&probe, 64, STACK_GUARD_MADVISE, false) == 0; /* Linux 6.13 */
    long number = SCALED(cheap ? 100000 : 25000, 1000);

    CHECK_EQ(run_virtual(sleep_all, &number), 0);
    CHECK_EQ(slept, number);
}

static int sleep_shortly(void *arg)
{
    static const rv_time spans[] = {1, 999, RV_US, 50 * RV_US, RV_MS, 3 * RV_MS};

    (void)arg;
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        rv_time start = rv_now();

        CHECK_EQ(rv_sleep(spans[i]), 0);
        CHECK(rv_now() - start >= spans[i]);
        start = rv_now();
        CHECK_EQ(rv_sleep_until(start + spans[i]), 0);
        CHECK(rv_now() - start >= spans[i]);
        CHECK(rv_now() - start < 5 * RV_S);
    }
    return 0;
}

TEST(by_the_real_clock_a_sleep_is_never_too_short)
{
    CHECK_EQ(rv_run(sleep_shortly, NULL, NULL), 0);
}

/* ---- yields ---- */

static char turns[64];

static int take_turns(void *arg)
{
    static const rv_time nothing[] = {0, -1, -RV_S, INT64_MIN};

    for (int i = 0; i < 4; i++) {
        strncat(turns, arg, 1);
        CHECK_EQ(i % 2 ? rv_sleep(nothing[i]) : rv_sleep_until(nothing[i]), 0);
    }
    return 0;
}

static int two_take_turns(void *arg)
{
    rv_time start = rv_now();
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, take_turns, "b");
    rv_go(&g, take_turns, "a");
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(rv_now(), start);
    return 0;
}

TEST(a_sleep_of_nothing_or_less_is_a_yield)
{
    CHECK_EQ(run_virtual(two_take_turns, NULL), 0);
    CHECK(strcmp(turns, "abababab") == 0);
}

static int yield_alone(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100000; i++)
        if (rv_yield() != 0)
            return -EIO;
    return 0;
}

TEST(a_yield_of_a_task_that_is_alone_comes_back)
{
    CHECK_EQ(rv_run(yield_alone, NULL, NULL), 0);
}

/* ---- sums ---- */

static int sums(void *arg)
{
    (void)arg;
    CHECK_EQ(rv_after(RV_NEVER), RV_NEVER);
    CHECK_EQ(rv_after(RV_NEVER - 1), RV_NEVER);
    CHECK_EQ(rv_after(RV_NEVER - rv_now() + RV_S), RV_NEVER);
    CHECK(rv_after(INT64_MIN) < 0);
    CHECK(rv_after(-RV_S) < rv_now());
    CHECK(rv_after(0) <= rv_now());
    CHECK(rv_after(RV_S) > rv_now());
    return 0;
}

TEST(hazard_42_rv_after_stops_at_never_and_works_outside_of_a_runtime_too)
{
    sums(NULL);
    CHECK_EQ(rv_run(sums, NULL, NULL), 0);
    CHECK_EQ(run_virtual(sums, NULL), 0);
}

static int sleep_for_ages(void *arg)
{
    rv_scope s;

    rv_scope_open(&s, rv_after(RV_MS));
    CHECK_EQ(rv_sleep(*(rv_time *)arg), -ECANCELED);
    CHECK_EQ(rv_sleep_until(*(rv_time *)arg), -ECANCELED);
    return rv_scope_close(&s, -ECANCELED);
}

TEST(hazard_42_a_sleep_for_ages_is_long_and_can_be_cancelled)
{
    static rv_time ages[] = {RV_NEVER, RV_NEVER - 1, RV_NEVER / 2, RV_NEVER - 2 * RV_S};

    for (size_t i = 0; i < sizeof ages / sizeof ages[0]; i++)
        CHECK_EQ(rv_run(sleep_for_ages, &ages[i], NULL), -ETIMEDOUT);
}

/* ---- the lazy timer ---- */

static int deadlines_move(void *arg)
{
    unsigned steps = virtual_steps;
    rv_scope s;

    (void)arg;
    for (int i = 0; i < 10000; i++) { /* as a recv with a time-out in a loop */
        rv_scope_open(&s, rv_after(RV_S));
        CHECK_EQ(rv_sleep(RV_US), 0);
        CHECK_EQ(rv_scope_close(&s, 0), 0);
    }
    steps = virtual_steps - steps;
    CHECK(steps < 10000 + 100); /* no step that only finds out that a deadline has moved on */
    CHECK_EQ(rv_sleep(2 * RV_S), 0);
    return 0;
}

TEST(a_deadline_that_moves_on_costs_no_wake_up)
{
    CHECK_EQ(run_virtual(deadlines_move, NULL), 0);
}

static int earlier_and_later(void *arg)
{
    rv_scope s;
    rv_time start = rv_now();

    (void)arg;
    rv_scope_open(&s, rv_after(10 * RV_MS));
    CHECK_EQ(rv_sleep(RV_MS), 0); /* armed for the sleep, which is earlier */
    CHECK_EQ(rv_sleep(RV_S), -ECANCELED);
    CHECK_EQ(rv_now() - start, 10 * RV_MS);
    CHECK_EQ(rv_scope_close(&s, -ECANCELED), -ETIMEDOUT);
    rv_scope_open(&s, rv_after(10 * RV_MS));
    CHECK_EQ(rv_yield(), 0);
    CHECK_EQ(rv_scope_close(&s, 0), 0);
    CHECK_EQ(rv_sleep(50 * RV_MS), 0); /* the earlier deadline is not ours any more */
    CHECK_EQ(rv_now() - start, 60 * RV_MS);
    return 0;
}

TEST(a_wait_ends_at_the_nearest_of_its_own_time_and_the_deadlines_around_it)
{
    CHECK_EQ(run_virtual(earlier_and_later, NULL), 0);
}
