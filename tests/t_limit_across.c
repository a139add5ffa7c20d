/* t_limit_across.c: rv_group_limit of a group with tasks on several workers: never more than so
 * many at once, whoever spawns; who waits for room is served, or cancelled, and answered once.
 */
#include "tests/workers.h"

static rv_group *shared;
static int live, live_most, ran, spawns, refused;

static int work(void *arg)
{
    int err = 0;

    raise_to(&live_most, ADD(live));
    for (intptr_t i = (intptr_t)arg; i && err == 0; i--)
        err = rv_yield();
    ADD(ran);
    SUB(live);
    return err;
}

/* ---- how many ---- */

enum { LIMIT = 5, SPAWNERS = 3 * WORKERS, EACH = SCALED(200, 40) };

static int spawn_work(void *unused)
{
    (void)unused;
    for (intptr_t i = 0; i < EACH; i++) {
        if (i % 3 == 0)
            rv_go_on(shared, (unsigned)i % WORKERS, work, (void *)(i % 7));
        else
            rv_go(shared, work, (void *)(i % 5));
    }
    return 0;
}

/* The spawners are in a group inside of it, since they would take its places. */
static int spawn_into(rv_group *g, rv_fn *spawner)
{
    rv_group spawners;

    SET(shared, g);
    rv_spread_open(&spawners, RV_NEVER);
    for (unsigned i = 0; i < SPAWNERS; i++)
        rv_go_on(&spawners, i % WORKERS, spawner, NULL);
    return rv_group_close(&spawners, 0);
}

TEST_WORKERS(no_more_tasks_than_the_limit_live_at_once_though_all_workers_spawn)
{
    rv_group g;

    rv_spread_open(&g, rv_after(LONG));
    rv_group_limit(&g, LIMIT);
    CHECK_EQ(spawn_into(&g, spawn_work), 0);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(ran, SPAWNERS * EACH);
    CHECK(live_most <= LIMIT);
    check_no_branches();
    return 0;
}

static int work_copied(void *unused)
{
    (void)unused;
    return work((void *)2);
}

static int spawn_copied_work(void *unused)
{
    char bytes[200] = "";

    (void)unused;
    for (int i = 0; i < EACH; i++)
        rv_go_copy(shared, work_copied, bytes, i % 2 ? sizeof bytes : 8);
    return 0;
}

TEST_WORKERS(so_it_is_of_one_and_of_copied_arguments)
{
    rv_group g;

    rv_spread_open(&g, rv_after(LONG));
    rv_group_limit(&g, 1);
    CHECK_EQ(spawn_into(&g, spawn_copied_work), 0);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(ran, SPAWNERS * EACH);
    CHECK_EQ(live_most, 1);
    return 0;
}

/* ---- children that spawn their like, as far as there are places ---- */

static int spawn_one_more(void *depth)
{
    raise_to(&live_most, ADD(live));
    ADD(ran);
    if (depth)
        rv_go_on(shared, (rv_worker() + 1) % WORKERS, spawn_one_more,
                 (void *)((uintptr_t)depth - 1));
    SUB(live);
    return 0;
}

TEST_WORKERS(a_task_of_a_limited_group_spawns_the_next_on_another_worker)
{
    for (int i = 1; i <= 20; i++) {
        rv_group g;

        SET(shared, &g);
        rv_spread_open(&g, rv_after(LONG));
        rv_group_limit(&g, 3);
        rv_go(&g, spawn_one_more, (void *)(uintptr_t)20);
        rv_go_on(&g, 2, spawn_one_more, (void *)(uintptr_t)20);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        CHECK_EQ(ran, i * 2 * 21);
        CHECK(live_most <= 3);
        check_no_branches();
    }
    return 0;
}

/* ---- from deep inside, where the worker has nothing of the group yet ---- */

struct deep {
    int depth;
    rv_fn *fn;
};

static int go_deep(void *arg)
{
    struct deep *d = arg, below = {.depth = d->depth - 1, .fn = d->fn};
    rv_group g;

    if (d->depth == 0)
        return d->fn(NULL);
    rv_group_open(&g, RV_NEVER);
    rv_go_on(&g, (rv_worker() + 1) % WORKERS, go_deep, &below);
    return rv_group_close(&g, 0);
}

/* fn, of another group, where its worker, any but the first, has no other task of g. */
static void from_deep_inside(rv_group *g, rv_fn *fn)
{
    SET(shared, g);
    for (int depth = 1; depth < 2 * WORKERS; depth += 1 + (depth % WORKERS == WORKERS - 1)) {
        struct deep d = {.depth = depth, .fn = fn};

        CHECK_EQ(go_deep(&d), 0);
    }
}

static int spawn_a_few(void *unused)
{
    (void)unused;
    for (intptr_t i = 0; i < 4; i++)
        rv_go(shared, work, (void *)i);
    ADD(spawns);
    return 0;
}

TEST_WORKERS(a_limited_group_ends_though_others_spawned_from_deep_inside)
{
    rv_group g;

    rv_spread_open(&g, rv_after(LONG));
    rv_group_limit(&g, 2);
    from_deep_inside(&g, spawn_a_few);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(ran, 4 * spawns);
    CHECK(live_most <= 2);
    check_no_branches();
    return 0;
}

static int try_a_few(void *unused)
{
    char byte = 0;

    (void)unused;
    CHECK_EQ(rv_try_go(shared, work, NULL), -EAGAIN);
    CHECK_EQ(rv_try_go_copy(shared, work, &byte, 1), -EAGAIN);
    ADD(refused);
    return 0;
}

TEST_WORKERS(try_go_from_another_worker_says_eagain_and_the_group_ends_all_the_same)
{
    rv_group g;

    rv_spread_open(&g, rv_after(LONG));
    rv_group_limit(&g, 2);
    from_deep_inside(&g, try_a_few);
    CHECK(refused > 0);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    check_no_branches();
    return 0;
}

static int try_too_large(void *unused)
{
    static const char large[256 << 10];

    (void)unused;
    CHECK_EQ(rv_try_go_copy(shared, work, large, sizeof large), -E2BIG);
    ADD(refused);
    return 0;
}

TEST_WORKERS(so_it_does_where_an_argument_was_too_large)
{
    rv_group g;

    rv_spread_open(&g, rv_after(LONG));
    from_deep_inside(&g, try_too_large);
    CHECK(refused > 0);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    check_no_branches();
    return 0;
}

/* ---- waits that end early ---- */

static int hold(void *unused)
{
    (void)unused;
    ADD(live);
    return UNTIL(GET(refused));
}

static int served, given_up;

/* Each spawn either has its task run, or ends as the scope says. */
static int count_served(void *unused)
{
    (void)unused;
    ADD(served);
    return 0;
}

static int spawn_until_late(void *unused)
{
    rv_scope s;
    int err;

    (void)unused;
    rv_scope_open(&s, rv_after(RV_MS));
    rv_go(shared, count_served, NULL);
    if (!rv_cancelled()) /* another one had failed the group, and its task had left its place */
        return rv_scope_close(&s, 0);
    err = rv_scope_close(&s, -ECANCELED);
    CHECK(err == -ETIMEDOUT || err == -ECANCELED); /* another one had failed the group before */
    ADD(given_up);
    return 0;
}

/* A place is never free. */
TEST_WORKERS(a_spawn_from_another_worker_gives_up_when_its_scope_ends_and_fails_the_group)
{
    rv_group g;
    int err;

    rv_spread_open(&g, rv_after(LONG));
    rv_group_limit(&g, 1);
    rv_go(&g, hold, NULL);
    CHECK_EQ(UNTIL(GET(live)), 0);
    err = spawn_into(&g, spawn_until_late);
    SET(refused, 1);
    CHECK(err == 0 || err == -ECANCELED);
    CHECK_EQ(rv_group_close(&g, 0), -ETIMEDOUT);
    CHECK(given_up > 0);
    CHECK(served < SPAWNERS); /* when it had failed, there was room */
    check_no_branches();
    return 0;
}

static int asked;

static int spawn_once(void *unused)
{
    (void)unused;
    ADD(asked);
    rv_go(shared, count_served, NULL);
    return 0;
}

/* The cancel crosses the places that become free: all are answered, and the books balance, or the
 * group would not end. */
static void race_room_with_cancel(int round)
{
    rv_group g;
    int err;

    asked = live = refused = served = 0;
    rv_spread_open(&g, rv_after(LONG));
    rv_group_limit(&g, 1);
    rv_go(&g, hold, NULL);
    CHECK_EQ(UNTIL(GET(live)), 0);
    {
        rv_group spawners;

        SET(shared, &g);
        rv_spread_open(&spawners, RV_NEVER);
        for (unsigned i = 0; i < SPAWNERS; i++)
            rv_go_on(&spawners, i % WORKERS, spawn_once, NULL);
        CHECK_EQ(UNTIL(GET(asked) == SPAWNERS), 0);
        SET(refused, 1);
        for (int i = round % 8; i; i--)
            CHECK_EQ(rv_yield(), 0);
        rv_group_cancel(&spawners);
        CHECK_EQ(rv_group_close(&spawners, 0), 0);
    }
    err = rv_group_close(&g, 0);
    CHECK(err == -ECANCELED || (err == 0 && served == SPAWNERS));
    CHECK(served <= SPAWNERS);
    check_no_branches();
}

TEST_WORKERS(places_that_become_free_and_a_cancel_cross_and_each_spawn_has_one_answer)
{
    for (int i = 0; i < SCALED(500, 100); i++)
        race_room_with_cancel(i);
    return 0;
}

/* ---- a limit that changes ---- */

static int work_until_raised(void *unused)
{
    int err;

    (void)unused;
    raise_to(&live_most, ADD(live));
    err = UNTIL(GET(live) >= 8);
    ADD(ran);
    return err;
}

static int spawn_until_raised(void *unused)
{
    (void)unused;
    ADD(spawns);
    rv_go(shared, work_until_raised, NULL);
    return 0;
}

TEST_WORKERS(a_limit_that_is_raised_lets_those_in_who_wait_on_other_workers)
{
    rv_group g, spawners;

    SET(shared, &g);
    rv_spread_open(&g, rv_after(LONG));
    rv_group_limit(&g, 2);
    rv_spread_open(&spawners, RV_NEVER);
    for (unsigned i = 0; i < SPAWNERS; i++)
        rv_go_on(&spawners, i % WORKERS, spawn_until_raised, NULL);
    CHECK_EQ(UNTIL(GET(spawns) == SPAWNERS && GET(live) == 2), 0);
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(rv_yield(), 0);
    CHECK_EQ(live_most, 2);
    rv_group_limit(&g, 8);
    CHECK_EQ(rv_group_close(&spawners, 0), 0);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(ran, SPAWNERS);
    return 0;
}

/* What is there already counts; a worker that has some of it hears of the limit. */
TEST_WORKERS(a_limit_that_is_said_late_counts_tasks_that_others_have_already)
{
    rv_group g;

    SET(shared, &g);
    rv_spread_open(&g, rv_after(LONG));
    for (int i = 0; i < 3; i++)
        GO_ON_EACH(&g, work, (void *)(intptr_t)50);
    CHECK_EQ(UNTIL(GET(live) > 0), 0);
    rv_group_limit(&g, LIMIT);
    for (int i = 0; i < EACH; i++)
        rv_go(&g, work, (void *)1);
    SET(live_most, 0);
    for (int i = 0; i < EACH; i++)
        rv_go(&g, work, (void *)1);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(ran, 3 * WORKERS + 2 * EACH);
    CHECK(live_most <= LIMIT);
    return 0;
}
