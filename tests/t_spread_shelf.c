/* t_spread_shelf.c: records of spread groups that have not started: others take them from a worker
 * that is kept by a task, the oldest is not passed over for ever, and the memory of each goes back
 * to the worker that spawned it.
 */
#include "tests/workers.h"

#include "sched/record.h"
#include "sched/spread.h"

static int ran, elsewhere;

static int count_run(void *unused)
{
    (void)unused;
    if (rv_worker() != 0)
        ADD(elsewhere);
    ADD(ran);
    return 0;
}

/* ---- who keeps its worker does not keep what it spawned ---- */

static uint32_t sleepers(void)
{
    return GET(worker_self->rt->idlers.count);
}

/* Spins, and so does what a task must not: false: it took too long. */
#define SPIN_UNTIL(cond)                        \
    ({                                          \
        rv_time spin_end_ = rv_after(LONG);     \
        while (!(cond) && rv_now() < spin_end_) \
            sched_yield();                      \
        (cond);                                 \
    })

TEST_WORKERS(what_a_task_spawns_while_others_sleep_they_start_though_it_keeps_its_worker)
{
    rv_group g;

    NOT_IN_SIM("a task that keeps its core while others work");
    rv_spread_open(&g, RV_NEVER);
    for (int i = 1; i <= 20 && tap_failures == 0; i++) {
        CHECK(SPIN_UNTIL(sleepers() == WORKERS - 1));
        rv_go(&g, count_run, NULL);
        rv_go(&g, count_run, NULL);
        CHECK(SPIN_UNTIL(GET(ran) == 2 * i));
    }
    CHECK_EQ(GET(elsewhere), 2 * 20);
    return rv_group_close(&g, 0);
}

static int busy, released;

static int keep_worker(void *unused)
{
    (void)unused;
    ADD(busy);
    CHECK(SPIN_UNTIL(GET(released)));
    return 0;
}

/* With everybody busy it keeps the newest to itself, and they start when it waits. */
TEST_WORKERS(what_a_task_spawns_while_others_are_busy_they_start_later_though_it_keeps_its_worker)
{
    enum { SPAWNED = 500 };
    rv_group g;

    NOT_IN_SIM("a task that keeps its core while others work");
    rv_spread_open(&g, RV_NEVER);
    for (unsigned i = 1; i < WORKERS; i++)
        rv_go_on(&g, i, keep_worker, NULL);
    CHECK(SPIN_UNTIL(GET(busy) == WORKERS - 1));
    for (int i = 0; i < SPAWNED; i++)
        rv_go(&g, count_run, NULL);
    CHECK_EQ(GET(ran), 0);
    SET(released, 1);
    CHECK(SPIN_UNTIL(GET(elsewhere) >= SPAWNED - PRIVATE_MOST));
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(ran, SPAWNED);
    return 0;
}

static int spawn_and_keep(void *group)
{
    for (int i = 0; i < 100; i++)
        rv_go(group, count_run, NULL);
    CHECK(SPIN_UNTIL(GET(ran) >= 100 - PRIVATE_MOST));
    return 0;
}

TEST_WORKERS(what_a_task_spawned_into_a_group_of_another_worker_leaves_it_as_well)
{
    rv_group g;

    NOT_IN_SIM("a task that keeps its core while others work");
    rv_spread_open(&g, RV_NEVER);
    rv_go_on(&g, 2, spawn_and_keep, &g);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(ran, 100);
    return 0;
}

/* ---- old and new ---- */

static rv_group *shared;
static int done;

static int be_oldest(void *unused)
{
    (void)unused;
    SET(done, 1);
    return 0;
}

static int nothing(void *unused)
{
    (void)unused;
    return 0;
}

static int spawn_for_ever(void *unused)
{
    int err = 0;

    (void)unused;
    for (uint32_t i = 0; !GET(done) && err == 0; i++) {
        rv_go(shared, nothing, NULL);
        err = rv_yield();
    }
    return err;
}

/* Each is the newest, where it was spawned. */
static int chain(void *unused)
{
    (void)unused;
    if (!GET(done))
        rv_go(shared, chain, NULL);
    return 0;
}

static int behind(rv_fn *fn)
{
    rv_group g;

    SET(shared, &g);
    rv_spread_open(&g, rv_after(LONG));
    rv_go(&g, be_oldest, NULL);
    for (int i = 0; i < 5; i++)
        GO_ON_EACH(&g, fn, NULL);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK(done);
    return 0;
}

TEST_WORKERS(hazard_52_the_oldest_record_starts_behind_spawners_on_all_workers)
{
    return behind(spawn_for_ever);
}

TEST_WORKERS(hazard_52_the_oldest_record_starts_behind_chains_of_spawns_on_all_workers)
{
    return behind(chain);
}

/* The shelf's oldest, on the worker that it lies on: the others are kept, and take nothing. */
TEST_WORKERS(hazard_52_the_oldest_record_on_a_shelf_starts_though_nobody_takes_it)
{
    rv_group g, others;

    NOT_IN_SIM("a task that keeps its core while others work");
    SET(shared, &g);
    rv_spread_open(&others, RV_NEVER);
    for (unsigned i = 1; i < WORKERS; i++)
        rv_go_on(&others, i, keep_worker, NULL);
    CHECK(SPIN_UNTIL(GET(busy) == WORKERS - 1));
    rv_spread_open(&g, rv_after(LONG / 2));
    rv_go(&g, be_oldest, NULL);
    for (int i = 0; i < 40; i++)
        rv_go(&g, chain, NULL);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK(done);
    SET(released, 1);
    return rv_group_close(&others, 0);
}

/* ---- memory ---- */

enum { ROUNDS = SCALED(1000, 50), PER_ROUND = 1000 };

static int count_chunks(void *unused)
{
    int count = 0;

    (void)unused;
    for (void *chunk = worker_self->record_slab.chunks; chunk; chunk = *(void **)chunk)
        count++;
    for (void *chunk = worker_self->record_copy_slab.chunks; chunk; chunk = *(void **)chunk)
        count++;
    return count;
}

/* What one round holds, and what others have not given back, is a few chunks. */
static void check_chunks(void)
{
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK(rv_on(i, count_chunks, NULL) <= 8);
}

TEST_WORKERS(records_that_ran_on_other_workers_are_used_again_where_they_were_spawned)
{
    for (int round = 0; round < ROUNDS; round++) {
        rv_group g;

        rv_spread_open(&g, RV_NEVER);
        for (unsigned i = 0; i < PER_ROUND; i++)
            rv_go_on(&g, 1 + i % (WORKERS - 1), count_run, NULL);
        CHECK_EQ(rv_group_close(&g, 0), 0);
    }
    CHECK_EQ(elsewhere, ROUNDS * PER_ROUND);
    check_chunks();
    return 0;
}

static int take_copy(void *copy)
{
    CHECK_EQ(*(long *)copy, 17);
    return count_run(NULL);
}

TEST_WORKERS(so_are_those_that_others_took_by_themselves)
{
    const long small = 17;

    for (int round = 0; round < ROUNDS; round++) {
        rv_group g;

        rv_spread_open(&g, RV_NEVER);
        for (unsigned i = 0; i < PER_ROUND / 2; i++) {
            rv_go(&g, count_run, NULL);
            rv_go_copy(&g, take_copy, &small, sizeof small);
        }
        CHECK_EQ(rv_group_close(&g, 0), 0);
    }
    CHECK_EQ(ran, ROUNDS * PER_ROUND);
    check_chunks();
    return 0;
}
