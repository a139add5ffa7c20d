/* t_group_limit.c: a group with a limit makes rv_go wait for room: in order, cancellably, and
 * holding the group open meanwhile, whoever spawns.
 */
#include "tap.h"

#include "virtual.h"

enum { SPAWNERS = 20 };

static rv_group *shared;
static int live, live_most, runs;
static int order[4 * SPAWNERS];

static int work(void *arg)
{
    int result;

    if (++live > live_most)
        live_most = live;
    order[runs++] = (int)(intptr_t)arg;
    result = rv_sleep(RV_MS);
    live--;
    return result;
}

/* ---- the limit ---- */

static int spawn_with_limit(void *arg)
{
    size_t limit = *(size_t *)arg;
    rv_time start = rv_now();
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    rv_group_limit(&g, limit);
    for (intptr_t i = 0; i < 12; i++)
        rv_go(&g, work, (void *)i);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(rv_now() - start, (rv_time)(12 / limit) * RV_MS);
    return 0;
}

TEST(no_more_tasks_than_the_limit_live_at_once_and_no_fewer)
{
    for (size_t limit = 1; limit <= 4; limit++) {
        live_most = runs = 0;
        CHECK_EQ(run_virtual(spawn_with_limit, &limit), 0);
        CHECK_EQ(live_most, limit);
        CHECK_EQ(runs, 12);
    }
}

static int try_with_limit(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_group_limit(&g, 2);
    CHECK_EQ(rv_try_go(&g, work, NULL), 0);
    CHECK_EQ(rv_try_go_copy(&g, work, &g, 8), 0);
    CHECK_EQ(rv_try_go(&g, work, NULL), -EAGAIN);
    CHECK_EQ(rv_try_go_copy(&g, work, &g, 8), -EAGAIN);
    CHECK_EQ(rv_sleep(2 * RV_MS), 0);
    CHECK_EQ(rv_try_go(&g, work, NULL), 0);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(runs, 3);
    return 0;
}

TEST(try_go_says_eagain_at_the_limit_and_does_not_fail_the_group)
{
    CHECK_EQ(run_virtual(try_with_limit, NULL), 0);
}

/* ---- first come, first served ---- */

static int spawn_three(void *arg)
{
    for (int i = 0; i < 3; i++)
        rv_go(shared, work, arg);
    return 0;
}

static int compete(void *arg)
{
    rv_group g, spawners;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_group_limit(&g, 1);
    shared = &g;
    rv_go(&g, work, (void *)-1);
    rv_group_open(&spawners, RV_NEVER);
    for (intptr_t i = 0; i < SPAWNERS; i++)
        rv_go(&spawners, spawn_three, (void *)i);
    CHECK_EQ(rv_group_close(&spawners, 0), 0);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(runs, 1 + 3 * SPAWNERS);
    for (int i = 1 + SPAWNERS; i < runs; i++) /* each round in the order of the first one */
        CHECK_EQ(order[i], order[i - SPAWNERS]);
    return 0;
}

TEST(who_waits_for_room_is_served_in_order)
{
    CHECK_EQ(run_virtual(compete, NULL), 0);
}

static int spawn_one(void *arg)
{
    rv_go(shared, work, arg);
    return 0;
}

static int barge(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(rv_try_go(shared, work, (void *)-2), -EAGAIN);
        CHECK_EQ(i % 2 ? rv_yield() : rv_sleep(RV_MS / 5), 0);
    }
    return 0;
}

/* Room that became free belongs to who was woken for it, though others run before it does. */
static int wait_and_barge(void *arg)
{
    rv_group g, spawners;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_group_limit(&g, 1);
    shared = &g;
    rv_go(&g, work, (void *)-1);
    rv_group_open(&spawners, RV_NEVER);
    for (intptr_t i = 0; i < 6; i++)
        rv_go(&spawners, spawn_one, (void *)i);
    CHECK_EQ(rv_yield(), 0);
    for (int i = 0; i < 5; i++)
        rv_go(&spawners, barge, NULL);
    CHECK_EQ(rv_group_close(&spawners, 0), 0);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(runs, 7);
    return 0;
}

TEST(room_that_someone_was_woken_for_is_not_given_to_another)
{
    CHECK_EQ(run_virtual(wait_and_barge, NULL), 0);
}

static int raise_limit(void *arg)
{
    rv_group g, spawners;
    rv_time start;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_group_limit(&g, 1);
    shared = &g;
    rv_go(&g, work, (void *)-1);
    rv_group_open(&spawners, RV_NEVER);
    for (intptr_t i = 0; i < 6; i++)
        rv_go(&spawners, spawn_one, (void *)i);
    CHECK_EQ(rv_sleep(RV_MS / 2), 0);
    CHECK_EQ(live, 1);
    start = rv_now();
    rv_group_limit(&g, 4);
    CHECK_EQ(rv_sleep(RV_US), 0);
    CHECK_EQ(live, 4);
    rv_group_limit(&g, 100);
    CHECK_EQ(rv_group_close(&spawners, 0), 0);
    CHECK_EQ(rv_now() - start, RV_US);
    return rv_group_close(&g, 0);
}

TEST(raising_the_limit_lets_those_who_wait_in_at_once)
{
    CHECK_EQ(run_virtual(raise_limit, NULL), 0);
    CHECK_EQ(runs, 7);
}

/* ---- cancelled meanwhile ---- */

static int spawn_until_late(void *arg)
{
    rv_time start = rv_now();
    rv_group g;

    (void)arg;
    rv_group_open(&g, rv_after(RV_MS / 2));
    rv_group_limit(&g, 1);
    rv_go(&g, work, NULL);
    rv_go(&g, work, NULL); /* never finds room */
    CHECK(rv_cancelled());
    rv_go(&g, work, NULL);
    CHECK_EQ(rv_group_close(&g, 0), -ETIMEDOUT);
    CHECK_EQ(rv_now() - start, RV_MS / 2);
    CHECK(runs >= 1 && runs <= 2);
    return 0;
}

TEST(waiting_for_room_ends_with_the_group_s_deadline)
{
    CHECK_EQ(run_virtual(spawn_until_late, NULL), 0);
}

static int cancel_one_of(void *arg)
{
    intptr_t victim = (intptr_t)arg;
    rv_group g, spawners[5];

    rv_group_open(&g, RV_NEVER);
    rv_group_limit(&g, 1);
    shared = &g;
    rv_go(&g, work, (void *)-1);
    for (intptr_t i = 0; i < 5; i++) {
        rv_group_open(&spawners[i], RV_NEVER);
        rv_go(&spawners[i], spawn_one, (void *)i);
        CHECK_EQ(rv_yield(), 0);
    }
    rv_group_cancel(&spawners[victim]); /* and those inside it: the younger ones */
    for (intptr_t i = 4; i >= 0; i--)
        CHECK_EQ(rv_group_close(&spawners[i], 0), 0);
    return rv_group_close(&g, 0);
}

/* Who is cancelled while it waits failed to start a task, so the group that it was for fails. */
TEST(a_spawner_that_is_cancelled_while_it_waits_fails_the_group_whatever_its_place)
{
    for (intptr_t victim = 0; victim < 5; victim++) {
        live = runs = 0;
        CHECK_EQ(run_virtual(cancel_one_of, (void *)victim), -ECANCELED);
        CHECK(runs >= 1);
    }
}

/* ---- the group stays open ---- */

static int own_and_close(void *arg)
{
    volatile char frame[2048];
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_group_limit(&g, 1);
    shared = &g;
    rv_go(&g, work, (void *)-1);
    CHECK_EQ(rv_sleep(RV_MS / 2), 0); /* others come to spawn */
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(live, 0);
    memset((char *)frame, 0xee, sizeof frame);
    memset(&g, 0xee, sizeof g);
    return 0;
}

static int spawn_into_closing(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, own_and_close, NULL);
    CHECK_EQ(rv_sleep(RV_MS / 4), 0);
    for (intptr_t i = 0; i < 3; i++)
        rv_go(&g, spawn_one, (void *)i);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(runs, 4);
    return 0;
}

TEST(a_group_is_not_closed_while_a_spawn_waits_for_room_in_it)
{
    CHECK_EQ(run_virtual(spawn_into_closing, NULL), 0);
}

static int own_and_close_cancelled(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_group_limit(&g, 1);
    shared = &g;
    rv_go(&g, work, (void *)-1);
    CHECK_EQ(rv_sleep(RV_MS / 2), 0);
    CHECK_EQ(rv_group_close(&g, 0), -ECANCELED);
    memset(&g, 0xee, sizeof g);
    return 0;
}

static int cancel_spawner_at_the_end(void *arg)
{
    rv_group owner, spawner;

    (void)arg;
    rv_group_open(&owner, RV_NEVER);
    rv_go(&owner, own_and_close_cancelled, NULL);
    CHECK_EQ(rv_sleep(RV_MS / 4), 0);
    rv_group_open(&spawner, RV_NEVER);
    rv_go(&spawner, spawn_one, NULL);
    CHECK_EQ(rv_sleep_until(rv_now() + RV_MS * 3 / 4), 0); /* the same instant as work's end */
    rv_group_cancel(&spawner);
    CHECK_EQ(rv_group_close(&spawner, 0), 0);
    return rv_group_close(&owner, 0);
}

TEST(nor_while_a_spawn_that_was_cancelled_has_yet_to_say_so)
{
    CHECK_EQ(run_virtual(cancel_spawner_at_the_end, NULL), 0);
    CHECK_EQ(runs, 1);
}

static int out_of_time(void *arg)
{
    const bool called = *(bool *)arg;
    rv_group g;
    rv_scope s;

    rv_group_open(&g, RV_NEVER);
    rv_group_limit(&g, 1);
    rv_go(&g, work, NULL);
    rv_scope_open(&s, called ? RV_NEVER : rv_after(RV_MS / 2));
    if (called)
        rv_cancel(&s);
    rv_go(&g, work, NULL);
    CHECK_EQ(rv_scope_close(&s, 0), 0);
    return rv_group_close(&g, 0);
}

TEST(a_spawn_whose_time_for_room_is_up_fails_its_group_with_what_its_scope_would_say)
{
    CHECK_EQ(run_virtual(out_of_time, &(bool){false}), -ETIMEDOUT);
    CHECK_EQ(run_virtual(out_of_time, &(bool){true}), -ECANCELED);
}

static bool child_may_end;

static int yield_until_told(void *arg)
{
    (void)arg;
    while (!child_may_end)
        CHECK_EQ(rv_yield(), 0);
    return 0;
}

static int own_and_close_full(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_group_limit(&g, 1);
    shared = &g;
    rv_go(&g, yield_until_told, NULL);
    CHECK_EQ(rv_group_close(&g, 0), -ECANCELED);
    memset(&g, 0xee, sizeof g);
    return 0;
}

/* The spawn is refused at once, but that is where others run, and the group's last task ends. */
static int spawn_when_cancelled(void *arg)
{
    rv_group owner;
    rv_scope s;

    (void)arg;
    rv_group_open(&owner, RV_NEVER);
    rv_go(&owner, own_and_close_full, NULL);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(rv_yield(), 0);
    rv_scope_open(&s, RV_NEVER);
    rv_cancel(&s);
    child_may_end = true;
    worker_self->credit = 1;
    rv_go(shared, work, NULL);
    CHECK_EQ(rv_scope_close(&s, 0), 0);
    CHECK_EQ(runs, 0);
    return rv_group_close(&owner, 0);
}

TEST(nor_while_a_spawn_that_was_refused_lets_others_run)
{
    CHECK_EQ(run_virtual(spawn_when_cancelled, NULL), 0);
}
