/* t_scope.c: cancellation is a level, shields hold, results win, and whoever caused a cancellation
 * translates it: each combination of causes in a table.
 */
#include "tap.h"

#include "virtual.h"

/* ---- levels ---- */

static int stays_over(void *arg)
{
    rv_scope s;
    rv_group g;

    (void)arg;
    rv_scope_open(&s, rv_after(RV_MS));
    CHECK(!rv_cancelled());
    CHECK_EQ(rv_sleep(RV_S), -ECANCELED);
    CHECK(rv_cancelled());
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(rv_sleep(RV_S), -ECANCELED);
        CHECK_EQ(rv_sleep(0), -ECANCELED);
        CHECK_EQ(rv_sleep_until(0), -ECANCELED);
        CHECK_EQ(rv_yield(), -ECANCELED);
        CHECK_EQ(rv_poll(0, 0), -ECANCELED);
    }
    rv_group_open(&g, RV_NEVER); /* what is opened inside is over too */
    CHECK_EQ(rv_yield(), -ECANCELED);
    CHECK_EQ(rv_group_close(&g, -ECANCELED), -ECANCELED);
    CHECK_EQ(rv_scope_close(&s, -ECANCELED), -ETIMEDOUT);
    CHECK(!rv_cancelled());
    return rv_yield();
}

TEST(in_a_scope_that_is_over_every_wait_fails_until_it_closes)
{
    CHECK_EQ(run_virtual(stays_over, NULL), 0);
}

static int results_pass(void *arg)
{
    static const int results[] = {0, 1, INT32_MAX, -1, -EIO, -ETIMEDOUT, INT32_MIN};

    (void)arg;
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        rv_scope s;

        rv_scope_open(&s, RV_NEVER);
        CHECK_EQ(rv_scope_close(&s, results[i]), results[i]);
        rv_scope_open(&s, 1);
        CHECK_EQ(rv_scope_close(&s, results[i]), results[i]); /* over, but the result wins */
        rv_scope_open(&s, RV_NEVER);
        rv_cancel(&s);
        CHECK_EQ(rv_scope_close(&s, results[i]), results[i]);
        rv_shield_open(&s, 1);
        CHECK_EQ(rv_scope_close(&s, results[i]), results[i]);
    }
    return 0;
}

TEST(a_result_that_is_no_cancellation_passes_through_unchanged)
{
    CHECK_EQ(run_virtual(results_pass, NULL), 0);
}

static int not_ours(void *arg)
{
    rv_scope s;

    (void)arg;
    rv_scope_open(&s, RV_NEVER);
    return rv_scope_close(&s, -ECANCELED);
}

TEST(a_cancellation_that_the_scope_did_not_cause_passes_through)
{
    CHECK_EQ(rv_run(not_ours, NULL, NULL), -ECANCELED);
}

/* ---- who translates ---- */

enum { SOON = 1, LATER = 2 }; /* instants; 0: never */

/* When the deadline and the cancel of the outer and of the inner scope come, and what each
 * close then makes of a body that sleeps until it is cancelled. */
static const struct causes {
    int outer_due, outer_cancel, inner_due, inner_cancel;
    int inner_says, outer_says;
} causes[] = {
    {0, 0, SOON, 0, -ETIMEDOUT, 0},
    {0, 0, 0, SOON, 0, 0},
    {SOON, 0, 0, 0, -ECANCELED, -ETIMEDOUT},
    {0, SOON, 0, 0, -ECANCELED, 0},
    {0, 0, SOON, LATER, -ETIMEDOUT, 0},
    {0, 0, LATER, SOON, 0, 0},
    {LATER, 0, SOON, 0, -ETIMEDOUT, 0},
    {SOON, 0, LATER, 0, -ECANCELED, -ETIMEDOUT},
    {SOON, 0, SOON, 0, -ECANCELED, -ETIMEDOUT}, /* both: the outer one, once */
    {0, LATER, SOON, 0, -ETIMEDOUT, 0},
    {0, SOON, LATER, 0, -ECANCELED, 0},
    {LATER, 0, 0, SOON, 0, 0},
    {SOON, 0, 0, LATER, -ECANCELED, -ETIMEDOUT},
    {0, LATER, 0, SOON, 0, 0},
    {0, SOON, 0, LATER, -ECANCELED, 0},
    {0, SOON, 0, SOON, -ECANCELED, 0},
    {LATER, SOON, 0, 0, -ECANCELED, 0},
    {SOON, LATER, 0, 0, -ECANCELED, -ETIMEDOUT},
    {SOON, LATER, LATER, LATER, -ECANCELED, -ETIMEDOUT},
    {LATER, LATER, LATER, SOON, 0, 0},
    {LATER, LATER, SOON, LATER, -ETIMEDOUT, 0},
};

struct cancelling {
    rv_scope *scope;
    rv_time at;
};

static int cancel_at(void *arg)
{
    struct cancelling *c = arg;

    if (rv_sleep_until(c->at) == 0)
        rv_cancel(c->scope);
    return 0;
}

static rv_time instant(rv_time start, int which)
{
    return which ? start + which * RV_MS : RV_NEVER;
}

/* Cancels fall half a millisecond after the deadlines of the same name. */
static void go_cancel(rv_group *g, rv_scope *s, rv_time start, int which)
{
    struct cancelling c = {s, start + which * RV_MS + RV_MS / 2};

    if (which)
        rv_go_copy(g, cancel_at, &c, sizeof c);
}

static void play_causes(const struct causes *row)
{
    rv_time start = rv_now();
    rv_scope outer, inner;
    rv_group cancellers;
    int inner_says, outer_says;

    rv_group_open(&cancellers, RV_NEVER);
    rv_scope_open(&outer, instant(start, row->outer_due));
    go_cancel(&cancellers, &outer, start, row->outer_cancel);
    rv_scope_open(&inner, instant(start, row->inner_due));
    go_cancel(&cancellers, &inner, start, row->inner_cancel);
    CHECK_EQ(rv_sleep(RV_S), -ECANCELED);
    inner_says = rv_scope_close(&inner, -ECANCELED);
    outer_says = rv_scope_close(&outer, inner_says == -ECANCELED ? inner_says : 0);
    if (inner_says != row->inner_says || outer_says != row->outer_says)
        fprintf(stderr, "row %td: %d and %d\n", row - causes, inner_says, outer_says);
    CHECK_EQ(inner_says, row->inner_says);
    CHECK_EQ(outer_says, row->outer_says);
    rv_group_cancel(&cancellers);
    CHECK_EQ(rv_group_close(&cancellers, 0), 0);
}

static int all_causes(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++)
        play_causes(&causes[i]);
    return 0;
}

TEST(whoever_caused_a_cancellation_translates_it)
{
    CHECK_EQ(run_virtual(all_causes, NULL), 0);
}

static int slow_to_close(void *arg)
{
    rv_scope outer, inner;

    (void)arg;
    rv_scope_open(&outer, rv_after(2 * RV_MS));
    rv_scope_open(&inner, rv_after(RV_MS));
    CHECK_EQ(rv_sleep(RV_S), -ECANCELED);
    virtual_pass(5 * RV_MS); /* a long clean-up: now both are over, and the outer one answers */
    CHECK_EQ(rv_scope_close(&inner, -ECANCELED), -ECANCELED);
    CHECK_EQ(rv_scope_close(&outer, -ECANCELED), -ETIMEDOUT);
    rv_scope_open(&outer, rv_after(RV_MS));
    CHECK_EQ(rv_sleep(RV_S), -ECANCELED);
    rv_cancel(&outer); /* too late to be the cause */
    CHECK_EQ(rv_scope_close(&outer, -ECANCELED), -ETIMEDOUT);
    return 0;
}

TEST(what_came_first_is_the_cause)
{
    CHECK_EQ(run_virtual(slow_to_close, NULL), 0);
}

/* ---- shields ---- */

static int clean_up(void *arg)
{
    rv_scope s, shield, inside;

    (void)arg;
    rv_scope_open(&s, RV_NEVER);
    rv_cancel(&s);
    CHECK_EQ(rv_yield(), -ECANCELED);
    rv_shield_open(&shield, rv_after(RV_MS));
    CHECK(!rv_cancelled());
    CHECK_EQ(rv_yield(), 0);
    CHECK_EQ(rv_sleep(RV_MS / 2), 0);
    rv_scope_open(&inside, rv_after(RV_MS / 4)); /* a scope in a shield is as any other */
    CHECK_EQ(rv_sleep(RV_S), -ECANCELED);
    CHECK_EQ(rv_scope_close(&inside, -ECANCELED), -ETIMEDOUT);
    CHECK_EQ(rv_sleep(RV_S), -ECANCELED);
    CHECK_EQ(rv_scope_close(&shield, -ECANCELED), -ETIMEDOUT);
    rv_shield_open(&shield, RV_NEVER);
    rv_cancel(&shield); /* its own cancel it does hear */
    CHECK_EQ(rv_yield(), -ECANCELED);
    CHECK_EQ(rv_scope_close(&shield, -ECANCELED), 0);
    CHECK_EQ(rv_yield(), -ECANCELED);
    return rv_scope_close(&s, -ECANCELED);
}

TEST(hazard_43_clean_up_under_a_shield_works_and_its_deadline_holds)
{
    CHECK_EQ(run_virtual(clean_up, NULL), 0);
}

static int shield_before(void *arg)
{
    rv_scope s, shield;
    rv_group g;
    struct cancelling c = {&s, rv_after(RV_MS)};
    rv_time start = rv_now();

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_scope_open(&s, rv_after(2 * RV_MS));
    rv_go(&g, cancel_at, &c);
    rv_shield_open(&shield, RV_NEVER);
    CHECK_EQ(rv_sleep(5 * RV_MS), 0); /* the cancel and the deadline wait outside */
    CHECK_EQ(rv_now() - start, 5 * RV_MS);
    CHECK_EQ(rv_scope_close(&shield, 3), 3);
    CHECK_EQ(rv_sleep(RV_S), -ECANCELED);
    CHECK_EQ(rv_scope_close(&s, -ECANCELED), 0);
    return rv_group_close(&g, 0);
}

TEST(a_cancel_that_comes_during_a_shield_is_noticed_after_it)
{
    CHECK_EQ(run_virtual(shield_before, NULL), 0);
}

/* ---- edges of time ---- */

static int edges(void *arg)
{
    static const rv_time past[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1};
    static const rv_time far[] = {RV_NEVER, RV_NEVER - 1, RV_NEVER - RV_S};
    rv_scope s;

    (void)arg;
    for (size_t i = 0; i < sizeof past / sizeof past[0]; i++) {
        rv_scope_open(&s, past[i]);
        CHECK(rv_cancelled());
        CHECK_EQ(rv_yield(), -ECANCELED);
        rv_cancel(&s);
        CHECK_EQ(rv_sleep(RV_S), -ECANCELED);
        CHECK_EQ(rv_scope_close(&s, -ECANCELED), -ETIMEDOUT);
    }
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
        rv_scope_open(&s, far[i]);
        CHECK(!rv_cancelled());
        CHECK_EQ(rv_sleep(RV_MS), 0);
        CHECK_EQ(rv_sleep_until(rv_now() + RV_MS), 0);
        CHECK_EQ(rv_scope_close(&s, 0), 0);
    }
    return 0;
}

TEST(hazard_42_deadlines_at_the_ends_of_time_are_past_or_far_and_never_wrap)
{
    CHECK_EQ(run_virtual(edges, NULL), 0);
}

static int compute(void *arg)
{
    rv_time start = rv_now();
    rv_scope s;

    (void)arg;
    rv_scope_open(&s, rv_after(5 * RV_MS));
    while (!rv_cancelled())
        if (rv_now() - start > 10 * RV_S)
            return -EIO;
    return rv_scope_close(&s, -ECANCELED);
}

TEST(a_task_that_only_computes_learns_of_its_deadline_by_asking)
{
    CHECK_EQ(rv_run(compute, NULL, NULL), -ETIMEDOUT);
}

static int move_deadlines(void *arg)
{
    int fired = 0;

    (void)arg;
    for (int i = 0; i < 1000;
         i++) { /* each scope's timer is left armed, and must not hit the next */
        rv_scope s;
        int result;

        rv_scope_open(&s, rv_after((i % 7 + 1) * RV_MS));
        result = rv_sleep((i % 5 + 1) * RV_MS);
        CHECK_EQ(result, i % 7 < i % 5 ? -ECANCELED : 0);
        CHECK_EQ(rv_scope_close(&s, result), result ? -ETIMEDOUT : 0);
        fired += result != 0;
    }
    CHECK(fired > 100);
    return 0;
}

TEST(a_timer_that_is_left_armed_ends_nobody_else_s_wait)
{
    CHECK_EQ(run_virtual(move_deadlines, NULL), 0);
}
