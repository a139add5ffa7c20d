/* t_branch_cancel.c: cancels, deadlines and shields of groups with tasks on several workers: each
 * reaches what is inside, whatever that waits for, and nothing else; once, and never too late.
 */
#include "tests/workers.h"

enum { SLEEPERS = 5 * WORKERS };

static rv_group *shared;
static rv_scope *scope;
static int started;

static void spawn_sleepers(rv_group *g)
{
    asleep = cancelled = 0;
    for (unsigned i = 0; i < SLEEPERS; i++)
        rv_go_on(g, i % WORKERS, sleep_for_ever, NULL);
}

static int all_sleep(void)
{
    return UNTIL(GET(asleep) == SLEEPERS);
}

/* ---- who cancels ---- */

TEST_WORKERS(a_cancelled_group_ends_with_0_whatever_workers_its_tasks_are_on)
{
    rv_group g;

    rv_spread_open(&g, RV_NEVER);
    spawn_sleepers(&g);
    CHECK_EQ(all_sleep(), 0);
    rv_group_cancel(&g);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(cancelled, SLEEPERS);
    check_no_branches();
    return 0;
}

static int cancel_the_group(void *unused)
{
    (void)unused;
    CHECK_EQ(all_sleep(), 0);
    rv_group_cancel(shared);
    CHECK(rv_cancelled());
    return rv_sleep(RV_NEVER);
}

TEST_WORKERS(a_task_on_another_worker_cancels_its_group_and_is_cancelled_itself_at_once)
{
    rv_group g;

    SET(shared, &g);
    for (unsigned i = 0; i < WORKERS; i++) {
        rv_spread_open(&g, RV_NEVER);
        spawn_sleepers(&g);
        rv_go_on(&g, i, cancel_the_group, NULL);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        CHECK_EQ(cancelled, SLEEPERS);
    }
    return 0;
}

static int cancel_the_scope(void *unused)
{
    (void)unused;
    CHECK_EQ(all_sleep(), 0);
    rv_cancel(scope);
    CHECK(rv_cancelled());
    return rv_sleep(RV_NEVER);
}

TEST_WORKERS(so_does_one_that_cancels_a_scope_around_its_group)
{
    rv_scope s;
    rv_group g;

    SET(scope, &s);
    rv_scope_open(&s, RV_NEVER);
    rv_spread_open(&g, RV_NEVER);
    spawn_sleepers(&g);
    rv_go_on(&g, 3, cancel_the_scope, NULL);
    CHECK_EQ(rv_group_close(&g, 0), -ECANCELED);
    CHECK_EQ(rv_scope_close(&s, -ECANCELED), 0);
    CHECK_EQ(cancelled, SLEEPERS);
    return 0;
}

static int wait_in_a_scope(void *unused)
{
    rv_scope s;
    int err;

    (void)unused;
    rv_scope_open(&s, RV_NEVER);
    SET(scope, &s);
    err = rv_sleep(RV_NEVER);
    CHECK_EQ(err, -ECANCELED);
    CHECK_EQ(rv_scope_close(&s, err), 0);
    return rv_sleep(RV_US); /* nothing around it is cancelled */
}

static int cancel_a_strangers_scope(void *unused)
{
    (void)unused;
    CHECK_EQ(UNTIL(GET(scope)), 0);
    rv_cancel(scope);
    CHECK(!rv_cancelled());
    return rv_sleep(RV_US);
}

TEST_WORKERS(a_task_cancels_a_scope_of_another_worker_and_nothing_else)
{
    for (unsigned i = 0; i < 100; i++) {
        rv_group g;

        scope = NULL;
        rv_spread_open(&g, rv_after(LONG));
        rv_go_on(&g, i % WORKERS, wait_in_a_scope, NULL);
        rv_go_on(&g, (i + 1) % WORKERS, cancel_a_strangers_scope, NULL);
        CHECK_EQ(rv_group_close(&g, 0), 0);
    }
    return 0;
}

static int start_cancelled(void *unused)
{
    int err = rv_sleep(RV_US);

    (void)unused;
    ADD(started);
    if (err == -ECANCELED)
        ADD(cancelled);
    return err;
}

TEST_WORKERS(tasks_of_a_group_that_was_cancelled_before_they_started_start_cancelled)
{
    enum { SPAWNED = 40 };

    for (int i = 1; i <= SCALED(200, 40); i++) {
        rv_group g;

        rv_spread_open(&g, RV_NEVER);
        rv_group_cancel(&g);
        for (unsigned j = 0; j < SPAWNED; j++)
            rv_go_on(&g, j % WORKERS, start_cancelled, NULL);
        for (unsigned j = 0; j < SPAWNED; j++)
            rv_go(&g, start_cancelled, NULL);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        CHECK_EQ(started, i * 2 * SPAWNED);
        CHECK_EQ(cancelled, i * 2 * SPAWNED);
    }
    return 0;
}

/* The records are on their way, or on a shelf, when it comes. */
TEST_WORKERS(a_cancel_that_overtakes_tasks_on_their_way_reaches_each_of_them)
{
    enum { SPAWNED = 40 };

    for (int i = 1; i <= SCALED(200, 40); i++) {
        rv_group g;

        rv_spread_open(&g, RV_NEVER);
        for (unsigned j = 0; j < SPAWNED; j++)
            rv_go_on(&g, j % WORKERS, sleep_for_ever, NULL);
        for (unsigned j = 0; j < SPAWNED; j++)
            rv_go(&g, sleep_for_ever, NULL);
        for (int j = i % 4; j; j--)
            CHECK_EQ(rv_yield(), 0);
        rv_group_cancel(&g);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        CHECK_EQ(asleep, i * 2 * SPAWNED);
        CHECK_EQ(cancelled, i * 2 * SPAWNED);
    }
    return 0;
}

/* ---- deadlines ---- */

TEST_WORKERS(the_deadline_of_a_group_reaches_its_tasks_on_all_workers)
{
    rv_group g;

    rv_spread_open(&g, rv_after(A_MOMENT));
    spawn_sleepers(&g);
    CHECK_EQ(rv_group_close(&g, 0), -ETIMEDOUT);
    CHECK_EQ(cancelled, SLEEPERS);
    check_no_branches();
    return 0;
}

TEST_WORKERS(so_does_that_of_a_scope_around_it)
{
    rv_scope s;
    rv_group g;

    rv_scope_open(&s, rv_after(A_MOMENT));
    rv_spread_open(&g, RV_NEVER);
    spawn_sleepers(&g);
    CHECK_EQ(rv_group_close(&g, 0), -ECANCELED);
    CHECK_EQ(rv_scope_close(&s, -ECANCELED), -ETIMEDOUT);
    CHECK_EQ(cancelled, SLEEPERS);
    return 0;
}

TEST_WORKERS(a_deadline_that_was_over_at_the_opening_is_over_on_all_workers)
{
    rv_group g;

    rv_spread_open(&g, rv_now() - 1);
    spawn_sleepers(&g);
    CHECK_EQ(rv_group_close(&g, 0), -ETIMEDOUT);
    CHECK_EQ(cancelled, SLEEPERS);
    return 0;
}

/* A worker's time stands still for a pass. Here it is late by a moment each time. */
static struct kernel_room real_room, late_room;

static int64_t late_now(struct kernel *k)
{
    int64_t now = real_room.now(k);

    while (real_room.now(k) < now + RV_MS)
        sched_yield();
    return now;
}

static int keep_passing(void *unused)
{
    (void)unused;
    return UNTIL(0);
}

static int with_a_late_clock(void *unused)
{
    struct kernel *k = worker_self->kernel;

    (void)unused;
    late_room = real_room = *k->room;
    late_room.now = late_now;
    k->room = &late_room;
    for (int i = 0; i < 10; i++) {
        rv_group others, g;

        rv_group_open(&others, RV_NEVER);
        rv_go(&others, keep_passing, NULL);
        rv_spread_open(&g, rv_after(3 * RV_MS));
        rv_go_on(&g, 1, sleep_for_ever, NULL);
        CHECK_EQ(rv_group_close(&g, 0), -ETIMEDOUT);
        CHECK_EQ(WITHIN(3 * RV_MS, rv_on(2, sleep_for_ever, NULL)), -ETIMEDOUT);
        rv_group_cancel(&others);
        CHECK_EQ(rv_group_close(&others, 0), 0);
    }
    k->room = &real_room;
    return 0;
}

TEST(a_deadline_that_a_task_elsewhere_has_seen_its_group_has_seen_when_it_hears_of_that)
{
    NOT_IN_SIM("clocks that are read at different times");
    CHECK_EQ(run_workers(with_a_late_clock, NULL), 0);
}

/* ---- shields ---- */

static int finish_behind_a_shield(void *unused)
{
    rv_scope s;

    (void)unused;
    rv_shield_open(&s, rv_after(LONG));
    ADD(asleep);
    CHECK_EQ(UNTIL(GET(started)), 0); /* set when all are cancelled */
    CHECK_EQ(rv_sleep(RV_US), 0);
    CHECK_EQ(rv_on((rv_worker() + 1) % WORKERS, start_cancelled, NULL), 0);
    CHECK_EQ(rv_scope_close(&s, 0), 0);
    CHECK(rv_cancelled());
    CHECK_EQ(rv_sleep(RV_US), -ECANCELED);
    ADD(cancelled);
    return -ECANCELED;
}

TEST_WORKERS(a_shield_holds_a_cancel_from_another_worker_off_until_it_closes)
{
    rv_group g;

    rv_spread_open(&g, RV_NEVER);
    for (int i = 0; i < 5; i++)
        GO_ON_EACH(&g, finish_behind_a_shield, NULL);
    CHECK_EQ(all_sleep(), 0);
    rv_group_cancel(&g);
    SET(started, 1);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(cancelled, SLEEPERS);
    return 0;
}

/* ---- what is in the kernel, too ---- */

static int read_nothing(void *fd)
{
    char byte;
    long got;

    ADD(asleep);
    got = rv_read((int)(intptr_t)fd, &byte, 1);
    CHECK_EQ(got, -ECANCELED);
    ADD(cancelled);
    return (int)got;
}

static int accept_nobody(void *fd)
{
    int got;

    ADD(asleep);
    got = rv_accept((int)(intptr_t)fd, NULL, NULL);
    CHECK_EQ(got, -ECANCELED);
    ADD(cancelled);
    return got;
}

TEST_WORKERS(hazard_53_a_cancel_from_another_worker_ends_waits_for_sockets_and_pipes)
{
    for (int i = 0; i < SCALED(50, 10); i++) {
        int sockets[2], pipe[2], listener;
        struct address at;
        rv_group g;

        tcp_pair(sockets);
        MUST(rv_pipe(pipe, 0));
        listener = listening(AF_INET, &at);
        asleep = cancelled = 0;
        rv_spread_open(&g, RV_NEVER);
        GO_ON_EACH(&g, read_nothing, (void *)(intptr_t)sockets[0]);
        GO_ON_EACH(&g, read_nothing, (void *)(intptr_t)pipe[0]);
        GO_ON_EACH(&g, accept_nobody, (void *)(intptr_t)listener);
        CHECK_EQ(UNTIL(GET(asleep) == 3 * WORKERS), 0);
        if (i % 2)
            CHECK_EQ(rv_sleep(RV_MS), 0); /* they are armed */
        rv_group_cancel(&g);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        CHECK_EQ(cancelled, 3 * WORKERS);
        close_both(sockets);
        close_both(pipe);
        CHECK_EQ(rv_close(listener), 0);
    }
    return 0;
}

static int ends[2], bytes_read;

static int read_on(void *unused)
{
    char byte;
    ssize_t got;

    (void)unused;
    ADD(asleep);
    while ((got = rv_read(ends[0], &byte, 1)) == 1)
        bytes_read++;
    return (int)got;
}

static int write_two(void *yields)
{
    CHECK_EQ(UNTIL(GET(asleep)), 0);
    for (intptr_t i = (intptr_t)yields; i; i--)
        CHECK_EQ(rv_yield(), 0);
    CHECK_EQ(rv_write(ends[1], "ab", 2), 2);
    return 0;
}

/* The cancel comes from the first worker, the bytes from the third, to the second. */
static int race_bytes_with_a_cancel(int round)
{
    rv_group reader, writer;
    char byte;

    asleep = bytes_read = 0;
    if (round % 2)
        tcp_pair(ends);
    else
        MUST(rv_pipe(ends, 0));
    rv_spread_open(&writer, RV_NEVER);
    rv_go_on(&writer, 2, write_two, (void *)(intptr_t)(round % 5));
    rv_spread_open(&reader, RV_NEVER);
    rv_go_on(&reader, 1, read_on, NULL);
    CHECK_EQ(UNTIL(GET(asleep)), 0);
    for (int i = round % 7; i; i--)
        CHECK_EQ(rv_yield(), 0);
    rv_group_cancel(&reader);
    CHECK_EQ(rv_group_close(&reader, 0), 0);
    CHECK_EQ(rv_group_close(&writer, 0), 0);
    CHECK(bytes_read <= 2);
    while (bytes_read < 2 && WITHIN(LONG, rv_read(ends[0], &byte, 1)) == 1)
        bytes_read++;
    CHECK_EQ(bytes_read, 2);
    close_both(ends);
    return tap_failures;
}

TEST_WORKERS(hazard_53_what_was_read_when_the_cancel_came_is_not_lost)
{
    for (int i = 0; i < SCALED(300, 50) && race_bytes_with_a_cancel(i) == 0; i++)
        ;
    return 0;
}

/* ---- storms ---- */

enum { STORMS = SCALED(1000, 200), AT_ONCE = 20, CHILDREN = 3, STORM_DEPTH = 3 };

struct storm {
    uint32_t dice;
    int depth;
    rv_group *around; /* the outermost */
};

static int storm_began, storm_ended;

static bool expected_of_a_storm(int err)
{
    return err == 0 || err == -ECANCELED || err == -EPIPE || err == -ETIMEDOUT;
}

static int storm_body(struct storm *s, rv_group *mine)
{
    switch (next_random(&s->dice) % 12) {
    case 0:
        rv_group_cancel(mine);
        return 0;
    case 1:
        rv_group_cancel(s->around);
        return 0;
    case 2:
        return -EPIPE;
    case 3:
        return rv_sleep(RV_US * (next_random(&s->dice) % 300));
    case 4:
        return UNTIL(next_random(&s->dice) % 20 == 0);
    default:
        return 0;
    }
}

static int storm(void *arg)
{
    struct storm *s = arg, below = {.depth = s->depth - 1};
    rv_group g;
    int err;

    ADD(storm_began);
    rv_spread_open(&g, next_random(&s->dice) % 8 ? RV_NEVER : rv_after(RV_US * 200));
    below.around = s->around ? s->around : &g;
    s->around = below.around;
    for (int i = 0; i < CHILDREN && s->depth; i++) {
        below.dice = next_random(&s->dice) | 1;
        rv_go_copy(&g, storm, &below, sizeof below);
    }
    err = storm_body(s, &g);
    if (s->depth == 0 && next_random(&s->dice) % 4 == 0)
        err = rv_on(next_random(&s->dice) % WORKERS, start_cancelled, NULL);
    err = rv_group_close(&g, err);
    CHECK(expected_of_a_storm(err));
    ADD(storm_ended);
    return s->depth == STORM_DEPTH - 1 ? 0 : err;
}

TEST_WORKERS(a_thousand_trees_of_groups_end_however_they_are_cancelled)
{
    rv_group g;

    rv_spread_open(&g, RV_NEVER);
    rv_group_limit(&g, AT_ONCE);
    for (uint32_t i = 0; i < STORMS; i++) {
        struct storm s = {.dice = 2654435761u * (i + 1), .depth = STORM_DEPTH - 1};

        rv_go_copy(&g, storm, &s, sizeof s);
    }
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(storm_began, storm_ended);
    CHECK_EQ(storm_began, STORMS * (1 + CHILDREN + CHILDREN * CHILDREN));
    check_no_branches();
    return 0;
}
