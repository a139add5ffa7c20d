/* t_branch.c: groups with tasks on several workers: joins and errors are as on one; and a
 * task spawns into whatever it is inside of, wherever that was opened. Cancels: t_branch_cancel.c.
 */
#include "tests/workers.h"

static rv_group *shared;
static int ended;

/* ---- joins ---- */

static int end_late(void *arg)
{
    for (intptr_t i = (intptr_t)arg; i; i--)
        CHECK_EQ(rv_yield(), 0);
    CHECK_EQ(rv_sleep(RV_US), 0);
    ADD(ended);
    return 0;
}

static int spawn_some_and_end(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < WORKERS; i++)
        rv_go_on(shared, i, end_late, (void *)(intptr_t)(10 * i));
    rv_go(shared, end_late, (void *)1);
    ADD(ended);
    return 0;
}

TEST_WORKERS(a_close_waits_for_the_tasks_on_all_workers)
{
    for (int i = 1; i <= 50; i++) {
        rv_group g;

        SET(shared, &g);
        rv_spread_open(&g, RV_NEVER);
        GO_ON_EACH(&g, spawn_some_and_end, NULL);
        CHECK_EQ(rv_group_close(&g, 7), 7);
        CHECK_EQ(GET(ended), i * WORKERS * (WORKERS + 2));
        check_no_branches();
    }
    return 0;
}

/* ---- errors ---- */

enum { SLEEPERS = 5 * WORKERS };

static void spawn_sleepers(rv_group *g)
{
    asleep = cancelled = 0;
    for (unsigned i = 0; i < SLEEPERS; i++)
        rv_go_on(g, i % WORKERS, sleep_for_ever, NULL);
}

static int fail_when_all_sleep(void *arg)
{
    CHECK_EQ(UNTIL(GET(asleep) == SLEEPERS), 0);
    return -(int)(intptr_t)arg;
}

TEST_WORKERS(the_first_error_cancels_tasks_of_all_workers_and_is_what_the_close_says)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        rv_group g;

        rv_spread_open(&g, RV_NEVER);
        spawn_sleepers(&g);
        rv_go_on(&g, i, fail_when_all_sleep, (void *)EPIPE);
        CHECK_EQ(rv_group_close(&g, 0), -EPIPE);
        CHECK_EQ(cancelled, SLEEPERS);
        check_no_branches();
    }
    return 0;
}

static int fail(void *arg)
{
    return -(int)(intptr_t)arg;
}

/* Which of them is the first is open, but one of them is. */
TEST_WORKERS(of_errors_on_all_workers_one_is_the_result)
{
    for (int i = 0; i < 100; i++) {
        rv_group g;
        int err;

        rv_spread_open(&g, RV_NEVER);
        for (unsigned on = 0; on < WORKERS; on++)
            rv_go_on(&g, on, fail, (void *)(intptr_t)(10 + on));
        err = rv_group_close(&g, 0);
        CHECK(err <= -10 && err > -10 - WORKERS);
    }
    return 0;
}

TEST_WORKERS(an_error_of_the_body_cancels_tasks_of_all_workers)
{
    rv_group g;

    rv_spread_open(&g, RV_NEVER);
    spawn_sleepers(&g);
    CHECK_EQ(UNTIL(GET(asleep) == SLEEPERS), 0);
    CHECK_EQ(rv_group_close(&g, -EIO), -EIO);
    CHECK_EQ(cancelled, SLEEPERS);
    return 0;
}

static int cancel_a_scope_of_its_own(void *unused)
{
    rv_scope s;

    (void)unused;
    rv_scope_open(&s, RV_NEVER);
    rv_cancel(&s);
    CHECK_EQ(rv_sleep(RV_S), -ECANCELED);
    CHECK_EQ(rv_scope_close(&s, 0), 0);
    return -ECANCELED;
}

TEST_WORKERS(ecanceled_of_a_task_elsewhere_is_an_error_where_nothing_was_cancelled)
{
    rv_group g;

    asleep = SLEEPERS - 1;
    rv_spread_open(&g, RV_NEVER);
    rv_go_on(&g, 2, sleep_for_ever, NULL);
    CHECK_EQ(UNTIL(GET(asleep) == SLEEPERS), 0);
    rv_go_on(&g, 3, cancel_a_scope_of_its_own, NULL);
    CHECK_EQ(rv_group_close(&g, 0), -ECANCELED);
    CHECK_EQ(cancelled, 1);
    return 0;
}

/* ---- spawning into what one is deep inside of ---- */

enum { DEPTH = 6 };

static int leaf(void *arg)
{
    CHECK_EQ(rv_worker(), (intptr_t)arg);
    CHECK_EQ(rv_yield(), 0);
    ADD(ended);
    return 0;
}

/* Each is on the next worker, in a group of the one before. */
static int descend(void *arg)
{
    intptr_t depth = (intptr_t)arg;
    rv_group g;

    rv_go(shared, end_late, (void *)depth);
    for (unsigned i = 0; i < WORKERS; i++)
        rv_go_on(shared, i, leaf, (void *)(intptr_t)i);
    if (depth == 0)
        return 0;
    rv_spread_open(&g, RV_NEVER);
    rv_go_on(&g, (rv_worker() + 1) % WORKERS, descend, (void *)(depth - 1));
    return rv_group_close(&g, 0);
}

TEST_WORKERS(a_task_spawns_into_the_outermost_group_from_workers_and_groups_away)
{
    for (int i = 1; i <= SCALED(100, 20); i++) {
        rv_group g;

        SET(shared, &g);
        rv_spread_open(&g, RV_NEVER);
        GO_ON_EACH(&g, descend, (void *)DEPTH);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        CHECK_EQ(GET(ended), i * WORKERS * (DEPTH + 1) * (WORKERS + 1));
        check_no_branches();
    }
    return 0;
}

static int end_copied(void *arg)
{
    CHECK_EQ(*(unsigned *)arg, 17);
    ADD(ended);
    return 0;
}

static int spawn_copies(void *arg)
{
    const unsigned number = 17;
    rv_group g;

    if (arg == NULL) {
        rv_go_copy(shared, end_copied, &number, sizeof number);
        CHECK_EQ(rv_try_go(shared, leaf, (void *)(intptr_t)rv_worker()), 0);
        CHECK_EQ(rv_try_go_copy(shared, end_copied, &number, sizeof number), 0);
        return 0;
    }
    rv_group_open(&g, RV_NEVER);
    rv_go_on(&g, (rv_worker() + 1) % WORKERS, spawn_copies, (void *)((uintptr_t)arg - 1));
    return rv_group_close(&g, 0);
}

TEST_WORKERS(so_it_does_with_copies_and_tries)
{
    rv_group g;

    SET(shared, &g);
    rv_group_open(&g, RV_NEVER); /* not spread: they stay where they were spawned */
    for (uintptr_t depth = 0; depth < DEPTH; depth++)
        rv_go(&g, spawn_copies, (void *)depth);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(ended, 3 * DEPTH);
    check_no_branches();
    return 0;
}

static int fail_the_outermost(void *arg)
{
    rv_group g;

    if (arg == NULL) {
        rv_go(shared, fail, (void *)EPROTO);
        return rv_sleep(RV_NEVER);
    }
    rv_spread_open(&g, RV_NEVER);
    rv_go_on(&g, (rv_worker() + 1) % WORKERS, fail_the_outermost, (void *)((uintptr_t)arg - 1));
    return rv_group_close(&g, 0);
}

TEST_WORKERS(what_was_spawned_there_from_afar_fails_the_outermost_group_and_is_cancelled_with_it)
{
    for (uintptr_t depth = 0; depth < DEPTH; depth++) {
        rv_group g;

        SET(shared, &g);
        rv_spread_open(&g, rv_after(LONG));
        rv_go(&g, fail_the_outermost, (void *)depth);
        CHECK_EQ(rv_group_close(&g, 0), -EPROTO);
        check_no_branches();
    }
    return 0;
}

static int spawn_around(void *unused)
{
    const unsigned number = 17;

    (void)unused;
    rv_go(shared, end_late, (void *)1);
    rv_go_copy(shared, end_copied, &number, sizeof number);
    return 0;
}

/* The same task's, opened before: it closes later, so it is there. */
TEST_WORKERS(a_task_spawns_into_a_group_around_its_own_though_it_is_no_child_of_that)
{
    rv_group g, inner;

    SET(shared, &g);
    for (int i = 1; i <= SCALED(200, 40); i++) {
        rv_spread_open(&g, RV_NEVER);
        rv_spread_open(&inner, RV_NEVER);
        GO_ON_EACH(&inner, spawn_around, NULL);
        CHECK_EQ(rv_group_close(&inner, 0), 0);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        CHECK_EQ(GET(ended), i * 2 * WORKERS);
        check_no_branches();
    }
    return 0;
}

/* ---- what is refused in words ---- */

static int open_and_wait(void *unused)
{
    rv_group g;

    (void)unused;
    rv_spread_open(&g, RV_NEVER);
    SET(shared, &g);
    return rv_group_close(&g, rv_sleep(RV_NEVER));
}

/* The other one's group is not around this task. */
static int with_a_group_elsewhere(rv_fn *fn)
{
    rv_group g;

    rv_spread_open(&g, RV_NEVER);
    rv_go_on(&g, 1, open_and_wait, NULL);
    rv_go_on(&g, 2, fn, NULL);
    return rv_group_close(&g, 0);
}

static int spawn_there(void *unused)
{
    (void)unused;
    (void)UNTIL(GET(shared));
    rv_go(shared, fail, NULL);
    return 0;
}

TEST_WORKERS_DIES(
    who_is_not_inside_of_a_group_of_another_worker_cannot_spawn_into_it,
    "rv_go: the group was opened on another worker, and this task is not inside of it")
{
    return with_a_group_elsewhere(spawn_there);
}

static int spawn_copy_there(void *unused)
{
    (void)unused;
    (void)UNTIL(GET(shared));
    return rv_try_go_copy(shared, fail, "x", 1);
}

TEST_WORKERS_DIES(nor_can_it_try, "rv_try_go_copy: the group was opened on another worker")
{
    return with_a_group_elsewhere(spawn_copy_there);
}

static int spawn_on_there(void *unused)
{
    (void)unused;
    (void)UNTIL(GET(shared));
    rv_go_on(shared, 1, fail, NULL);
    return 0;
}

TEST_WORKERS_DIES(nor_by_rv_go_on_not_even_to_where_it_is,
                  "rv_go_on: the group was opened on another")
{
    return with_a_group_elsewhere(spawn_on_there);
}

#define DIES_FROM_AFAR(sentence, text, call)   \
    static int sentence##_there(void *group)   \
    {                                          \
        rv_group *g = group;                   \
                                               \
        call;                                  \
        return 0;                              \
    }                                          \
    TEST_WORKERS_DIES(sentence, text)          \
    {                                          \
        rv_group g;                            \
                                               \
        rv_spread_open(&g, RV_NEVER);          \
        rv_go_on(&g, 1, sentence##_there, &g); \
        return rv_group_close(&g, 0);          \
    }

DIES_FROM_AFAR(a_task_of_another_worker_cannot_close_a_group,
               "rv_group_close: the group was opened on another worker",
               return rv_group_close(g, 0))
DIES_FROM_AFAR(nor_limit_it, "rv_group_limit: the group was opened on another worker",
               rv_group_limit(g, 3))
DIES_FROM_AFAR(nor_say_its_stack_size, "rv_group_stack: the group was opened on another worker",
               rv_group_stack(g, 4096))
DIES_FROM_AFAR(nor_its_floating_point_environment,
               "rv_group_fenv: the group was opened on another worker", rv_group_fenv(g))
DIES_FROM_AFAR(nor_close_its_scope, "rv_scope_close: another task opened it",
               return rv_scope_close(&g->scope, 0))

static int cancel_first_thing(void *arg)
{
    rv_group_cancel(arg);
    CHECK(rv_cancelled());
    return rv_sleep(RV_NEVER);
}

/* Home has not been told yet that there is anybody on that worker. */
TEST_WORKERS(a_task_whose_first_act_is_to_cancel_its_group_is_cancelled_when_that_returns)
{
    rv_group g;

    for (unsigned i = 0; i < WORKERS; i++) {
        rv_spread_open(&g, RV_NEVER);
        rv_go_on(&g, i, cancel_first_thing, &g);
        CHECK_EQ(rv_group_close(&g, 0), 0);
    }
    return 0;
}
