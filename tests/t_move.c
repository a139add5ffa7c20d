/* t_move.c: moving by hand: rv_on runs a function on a certain worker and gives back its result;
 * rv_go_on spawns there. Cancels and deadlines reach what runs there.
 */
#include "tests/workers.h"

static int started;

/* ---- rv_on ---- */

static int check_worker(void *arg)
{
    unsigned should = (unsigned)(intptr_t)arg;

    CHECK_EQ(rv_worker(), should);
    CHECK_EQ(rv_yield(), 0);
    CHECK_EQ(rv_sleep(RV_US), 0);
    CHECK_EQ(rv_worker(), should);
    return (int)should + 10;
}

TEST_WORKERS(rv_on_runs_there_and_the_caller_goes_on_where_it_was)
{
    CHECK_EQ(rv_workers(), WORKERS);
    for (unsigned i = 0; i < 20 * WORKERS; i++) {
        CHECK_EQ(rv_on(i % WORKERS, check_worker, (void *)(intptr_t)(i % WORKERS)),
                 i % WORKERS + 10);
        CHECK_EQ(rv_worker(), 0);
    }
    check_no_branches();
    return 0;
}

static int give_back(void *arg)
{
    return *(int *)arg;
}

TEST_WORKERS(rv_on_returns_what_its_function_does)
{
    int results[] = {0, 1, 17, INT32_MAX, -EPIPE, -ECANCELED, -ETIMEDOUT, -1, INT32_MIN};

    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
        for (unsigned w = 0; w < WORKERS; w++)
            CHECK_EQ(rv_on(w, give_back, &results[i]), results[i]);
    return 0;
}

/* From worker to worker, as a call goes from function to function. */
static int go_round(void *arg)
{
    intptr_t left = (intptr_t)arg;
    unsigned here = rv_worker();
    int below;

    if (left == 0)
        return 0;
    below = rv_on((here + 1) % WORKERS, go_round, (void *)(left - 1));
    CHECK_EQ(rv_worker(), here);
    return below + 1;
}

TEST_WORKERS(rv_on_within_rv_on_comes_back_the_same_way)
{
    CHECK_EQ(go_round((void *)50), 50);
    return 0;
}

static int cross(void *arg)
{
    unsigned other = (unsigned)(intptr_t)arg;

    for (int i = 0; i < SCALED(500, 50); i++)
        CHECK_EQ(rv_on(other, check_worker, (void *)(intptr_t)other), (int)other + 10);
    return 0;
}

TEST_WORKERS(calls_in_both_directions_at_once_do_not_hold_each_other)
{
    rv_group g;

    rv_spread_open(&g, rv_after(LONG));
    for (unsigned from = 0; from < WORKERS; from++)
        for (unsigned to = 0; to < WORKERS; to++)
            rv_go_on(&g, from, cross, (void *)(intptr_t)to);
    return rv_group_close(&g, 0);
}

/* Each worker sleeps but for one, and that is another one all the time. */
TEST_WORKERS(workers_that_wait_for_each_others_messages_alone_are_no_deadlock)
{
    for (int i = 0; i < SCALED(20000, 2000); i++)
        CHECK_EQ(go_round((void *)(intptr_t)(1 + i % 7)), 1 + i % 7);
    return 0;
}

TEST_WORKERS(a_deadline_passes_through_rv_on)
{
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK_EQ(WITHIN(5 * RV_MS, rv_on(i, sleep_for_ever, NULL)), -ETIMEDOUT);
    CHECK_EQ(cancelled, WORKERS);
    return 0;
}

static int call_a_sleeper(void *arg)
{
    CHECK_EQ(rv_on((unsigned)(intptr_t)arg, sleep_for_ever, NULL), -ECANCELED);
    CHECK(rv_cancelled());
    return -ECANCELED;
}

TEST_WORKERS(a_cancel_passes_through_rv_on)
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    for (intptr_t i = 0; i < WORKERS; i++)
        rv_go(&g, call_a_sleeper, (void *)i);
    CHECK_EQ(UNTIL(GET(asleep) == WORKERS), 0);
    rv_group_cancel(&g);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(cancelled, WORKERS);
    return 0;
}

static int finish_all_the_same(void *unused)
{
    rv_scope shield;

    (void)unused;
    rv_shield_open(&shield, RV_NEVER);
    ADD(asleep);
    CHECK_EQ(UNTIL(GET(started)), 0);
    return rv_scope_close(&shield, 17);
}

static int call_a_finisher(void *arg)
{
    CHECK_EQ(rv_on((unsigned)(intptr_t)arg, finish_all_the_same, NULL), 17);
    return 0;
}

TEST_WORKERS(the_result_wins_over_a_cancel_that_rv_on_was_in)
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    for (intptr_t i = 0; i < WORKERS; i++)
        rv_go(&g, call_a_finisher, (void *)i);
    CHECK_EQ(UNTIL(GET(asleep) == WORKERS), 0);
    rv_group_cancel(&g);
    SET(started, 1);
    return rv_group_close(&g, 0);
}

TEST_WORKERS(in_a_cancelled_scope_rv_on_runs_nothing)
{
    rv_scope s;

    rv_scope_open(&s, RV_NEVER);
    rv_cancel(&s);
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK_EQ(rv_on(i, sleep_for_ever, NULL), -ECANCELED);
    CHECK_EQ(asleep, 0);
    return rv_scope_close(&s, 0);
}

/* ---- rv_go_on ---- */

static int count_there(void *arg)
{
    (void)check_worker(arg);
    ADD(started);
    return 0;
}

TEST_WORKERS(rv_go_on_starts_its_task_there_in_a_group_of_any_kind)
{
    for (int i = 1; i <= 100; i++) {
        rv_group g;

        if (i % 2)
            rv_group_open(&g, RV_NEVER);
        else
            rv_spread_open(&g, RV_NEVER);
        for (intptr_t j = 0; j < WORKERS; j++)
            rv_go_on(&g, (unsigned)j, count_there, (void *)j);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        CHECK_EQ(started, i * WORKERS);
    }
    return 0;
}

/* ---- on one worker, and refused ---- */

static int with_one(void *unused)
{
    (void)unused;
    CHECK_EQ(rv_workers(), 1);
    CHECK_EQ(rv_worker(), 0);
    CHECK_EQ(rv_on(0, check_worker, (void *)0), 10);
    CHECK_EQ(WITHIN(RV_MS, rv_on(0, sleep_for_ever, NULL)), -ETIMEDOUT);
    return 0;
}

TEST(with_one_worker_rv_on_is_a_task_like_others)
{
    const rv_options one = {.workers = 1};

    CHECK_EQ(rv_run(with_one, NULL, &one), 0);
}

TEST_WORKERS_DIES(rv_on_of_a_worker_that_is_not_there_is_named,
                  "rv_on: there is no worker 4: there are 4, from 0 on")
{
    return rv_on(WORKERS, check_worker, NULL);
}

TEST_WORKERS_DIES(and_rv_go_on_of_one, "rv_go_on: there is no worker 7: there are 4, from 0 on")
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    rv_go_on(&g, 7, check_worker, NULL);
    return rv_group_close(&g, 0);
}

TEST_WORKERS_DIES(rv_on_of_no_function_is_named, "rv_on: the function is NULL")
{
    return rv_on(1, NULL, NULL);
}

TEST_WORKERS_DIES(and_rv_go_on_of_none, "rv_go_on: the function is NULL")
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    rv_go_on(&g, 1, NULL, NULL);
    return rv_group_close(&g, 0);
}

TEST_DIES(rv_on_without_a_runtime_is_named, "rv_on: called outside a task")
{
    (void)!rv_on(0, check_worker, NULL);
}

TEST_DIES(and_rv_worker_without_one, "rv_worker: called outside a task")
{
    (void)rv_worker();
}

/* ---- who computes and asks ---- */

static int compute_until_cancelled(void *begun)
{
    SET(*(long *)begun, 1);
    while (!rv_cancelled())
        ;
    return -ECANCELED;
}

static int fail_when_it_runs(void *begun)
{
    int err = 0;

    while (GET(*(long *)begun) == 0 && err == 0)
        err = rv_sleep(RV_MS);
    return err < 0 ? err : -EIO;
}

TEST_WORKERS(a_computation_that_asks_hears_of_a_cancel_from_another_worker)
{
    long begun = 0;
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    rv_go_on(&g, 1, compute_until_cancelled, &begun);
    rv_go_on(&g, 2, fail_when_it_runs, &begun);
    CHECK_EQ(rv_group_close(&g, 0), -EIO);
    return 0;
}
