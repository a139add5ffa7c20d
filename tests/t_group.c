/* t_group.c: a group always joins, its first error wins and cancels the rest, and cancellation
 * that it caused ends in it. Limits are in t_group_limit.c.
 */
#include "tap.h"

#include "virtual.h"

enum { BIG_TREE = 10000 };

static int ended;

static int give(void *arg)
{
    ended++;
    return (int)(intptr_t)arg;
}

static int give_later(void *arg)
{
    CHECK_EQ(rv_yield(), 0);
    return give(arg);
}

static int sleep_on(void *arg)
{
    int result = rv_sleep(RV_S);

    (void)arg;
    ended++;
    return result;
}

static int must_be_cancelled(void *arg)
{
    CHECK_EQ(sleep_on(arg), -ECANCELED);
    return -ECANCELED;
}

#define GIVE(n) ((void *)(intptr_t)(n))

/* ---- joining ---- */

static int outcomes(void *arg)
{
    static const struct {
        int body, a, b, result;
    } rows[] = {
        {0, 0, 0, 0},
        {7, 0, 0, 7},
        {7, 1, 2, 7}, /* children's positive results are theirs */
        {0, -EPIPE, 0, -EPIPE},
        {7, 0, -EPIPE, -EPIPE},
        {-EIO, 0, 0, -EIO},
        {-EIO, -EPIPE, -EPERM, -EIO},   /* the body was first */
        {0, -ECANCELED, 0, -ECANCELED}, /* nobody cancelled: it is an error as any other */
        {-ECANCELED, 0, 0, -ECANCELED},
    };

    (void)arg;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rv_group g;

        ended = 0;
        rv_group_open(&g, RV_NEVER);
        rv_go(&g, give, GIVE(rows[i].a));
        rv_go(&g, give, GIVE(rows[i].b));
        CHECK_EQ(rv_group_close(&g, rows[i].body), rows[i].result);
        CHECK_EQ(ended, 2); /* a spawned function always runs */
    }
    return 0;
}

TEST(a_group_returns_the_body_s_result_or_the_first_error)
{
    CHECK_EQ(rv_run(outcomes, NULL, NULL), 0);
}

static int empty_groups(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    CHECK_EQ(rv_group_close(&g, 5), 5);
    rv_group_open(&g, RV_NEVER);
    CHECK_EQ(rv_group_close(&g, -5), -5);
    rv_group_open(&g, 1); /* long ago, and nobody noticed */
    CHECK_EQ(rv_group_close(&g, 5), 5);
    rv_group_open(&g, RV_NEVER);
    rv_group_cancel(&g);
    CHECK_EQ(rv_group_close(&g, -ECANCELED), 0);
    return 0;
}

TEST(a_group_without_tasks_passes_the_result_through)
{
    CHECK_EQ(rv_run(empty_groups, NULL, NULL), 0);
}

static int join_sleepers(void *arg)
{
    rv_group g;
    rv_time start = rv_now();

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 10; i++)
        rv_go(&g, sleep_on, NULL);
    CHECK_EQ(rv_group_close(&g, 1), 1);
    CHECK_EQ(ended, 10);
    CHECK_EQ(rv_now() - start, RV_S);
    return 0;
}

TEST(a_close_waits_for_the_last_task)
{
    CHECK_EQ(run_virtual(join_sleepers, NULL), 0);
}

struct failure {
    rv_time after;
    int err;
};

static int fail_later(void *arg)
{
    struct failure *f = arg;

    CHECK_EQ(rv_sleep(f->after), 0);
    return f->err;
}

static int fail_at_the_end(void *arg)
{
    (void)arg;
    CHECK_EQ(rv_sleep(RV_S), -ECANCELED);
    return -EIO; /* its own, later error */
}

static int first_error(void *arg)
{
    struct failure first = {RV_MS, -EPIPE};
    rv_time start = rv_now();
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, fail_at_the_end, NULL);
    for (int i = 0; i < 5; i++)
        rv_go(&g, must_be_cancelled, NULL);
    rv_go(&g, fail_later, &first);
    rv_go(&g, fail_at_the_end, NULL);
    CHECK_EQ(rv_group_close(&g, 0), -EPIPE);
    CHECK_EQ(rv_now() - start, RV_MS);
    return 0;
}

TEST(the_first_error_cancels_the_rest_and_is_the_result)
{
    CHECK_EQ(run_virtual(first_error, NULL), 0);
    CHECK_EQ(ended, 5);
}

static int body_fails(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 5; i++)
        rv_go(&g, must_be_cancelled, NULL);
    return rv_group_close(&g, -EIO);
}

TEST(a_body_that_fails_cancels_its_tasks_started_or_not)
{
    CHECK_EQ(run_virtual(body_fails, NULL), -EIO);
    CHECK_EQ(ended, 5);
}

static int error_reaches_the_body(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, give_later, GIVE(-EPIPE));
    CHECK_EQ(rv_sleep(RV_S), -ECANCELED);
    CHECK_EQ(rv_yield(), -ECANCELED); /* and each wait from now on */
    CHECK(rv_cancelled());
    CHECK_EQ(rv_group_close(&g, -ECANCELED), -EPIPE);
    CHECK(!rv_cancelled());
    return rv_yield();
}

TEST(a_task_s_error_cancels_the_body_too)
{
    CHECK_EQ(run_virtual(error_reaches_the_body, NULL), 0);
}

/* ---- who translates ---- */

static int cancelled_group(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 5; i++)
        rv_go(&g, must_be_cancelled, NULL);
    CHECK_EQ(rv_yield(), 0);
    rv_group_cancel(&g);
    rv_group_cancel(&g); /* twice is once */
    CHECK_EQ(rv_yield(), -ECANCELED);
    return rv_group_close(&g, 0);
}

TEST(a_group_that_was_cancelled_by_call_closes_with_0)
{
    CHECK_EQ(run_virtual(cancelled_group, NULL), 0);
    CHECK_EQ(ended, 5);
}

static int late_group(void *arg)
{
    rv_time start = rv_now();
    rv_group g;

    (void)arg;
    rv_group_open(&g, rv_after(20 * RV_MS));
    for (int i = 0; i < 5; i++)
        rv_go(&g, must_be_cancelled, NULL);
    CHECK_EQ(rv_group_close(&g, 0), -ETIMEDOUT);
    CHECK_EQ(rv_now() - start, 20 * RV_MS);
    return 0;
}

TEST(a_group_s_deadline_cancels_its_tasks_and_becomes_timedout)
{
    CHECK_EQ(run_virtual(late_group, NULL), 0);
    CHECK_EQ(ended, 5);
}

static int outer_cancel(void *arg)
{
    rv_scope outer;
    rv_group g;

    (void)arg;
    rv_scope_open(&outer, rv_after(20 * RV_MS));
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, must_be_cancelled, NULL);
    CHECK_EQ(rv_group_close(&g, 0), -ECANCELED);
    CHECK_EQ(rv_scope_close(&outer, -ECANCELED), -ETIMEDOUT);
    rv_scope_open(&outer, RV_NEVER);
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, must_be_cancelled, NULL);
    rv_cancel(&outer);
    CHECK_EQ(rv_group_close(&g, 0), -ECANCELED);
    CHECK_EQ(rv_scope_close(&outer, -ECANCELED), 0);
    return 0;
}

TEST(a_cancel_from_outside_passes_through_a_group_to_the_scope_that_caused_it)
{
    CHECK_EQ(run_virtual(outer_cancel, NULL), 0);
    CHECK_EQ(ended, 2);
}

static int result_wins(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, rv_after(RV_MS));
    rv_go(&g, give_later, GIVE(1));
    CHECK_EQ(rv_sleep_until(g.scope.deadline - 1), 0);
    virtual_pass(RV_MS);
    CHECK_EQ(rv_group_close(&g, 9), 9); /* late, but nobody was kept from anything */
    rv_group_open(&g, rv_after(RV_MS));
    rv_go(&g, must_be_cancelled, NULL);
    CHECK_EQ(rv_group_close(&g, -EIO), -EIO); /* an error is no cancellation */
    return 0;
}

TEST(a_result_wins_over_a_deadline_that_cancelled_nothing)
{
    CHECK_EQ(run_virtual(result_wins, NULL), 0);
}

/* ---- spawning from elsewhere ---- */

static int spawn_into(void *arg)
{
    rv_group *g = arg;

    CHECK_EQ(rv_yield(), 0);
    for (int i = 0; i < 3; i++)
        rv_go(g, give_later, GIVE(0));
    CHECK_EQ(rv_try_go(g, give, GIVE(0)), 0);
    return 0;
}

static int spawn_from_elsewhere(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, spawn_into, &g); /* a child may spawn siblings, also while the owner joins */
    rv_go(&g, spawn_into, &g);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(ended, 8);
    return 0;
}

TEST(a_task_may_spawn_into_a_group_that_is_being_joined)
{
    CHECK_EQ(run_virtual(spawn_from_elsewhere, NULL), 0);
}

static int spawn_when_over(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_group_cancel(&g);
    rv_go(&g, must_be_cancelled, NULL);
    CHECK_EQ(rv_try_go(&g, must_be_cancelled, NULL), 0);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(ended, 2);
    return 0;
}

TEST(hazard_43_a_function_spawned_into_a_cancelled_group_runs_and_finds_out)
{
    CHECK_EQ(run_virtual(spawn_when_over, NULL), 0);
}
