/* t_deadlock.c: when all tasks sleep and nothing can wake one, the runtime says who waits for
 * what, cancels them all, and rv_run() returns -EDEADLK; and an ordinary stop, from anywhere.
 */
#include "child.h"
#include "reeve.h"

static int sleep_for_ever(void *arg)
{
    (void)arg;
    rv_name("%s", "sleeper");
    return rv_sleep(RV_NEVER);
}

static int all_asleep(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 3; i++)
        rv_go(&g, sleep_for_ever, NULL);
    return rv_group_close(&g, 0);
}

static int run_all_asleep(void *arg)
{
    return rv_run(all_asleep, arg, NULL) == -EDEADLK ? 0 : 1;
}

TEST(hazard_48_a_deadlock_is_reported_with_who_waits_for_what_and_ended)
{
    struct child o = child_result(run_all_asleep, NULL);
    int sleepers = 0;

    CHECK(o.signal == 0 && o.code == 0);
    check_says(&o, "reeve: deadlock: all tasks asleep, nothing pending", "a deadlock");
    check_says(&o, "task 1 \"main\", spawned at rv_run: waits in rv_group_close", "a deadlock");
    check_says(&o, "4 tasks started, 0 not yet", "a deadlock");
    for (char *at = o.words; (at = strstr(at, "\"sleeper\", spawned at tests/t_deadlock.c:")); at++)
        sleepers += strstr(at, "waits in rv_sleep for") != NULL;
    CHECK_EQ(sleepers, 3);
    CHECK(strstr(strstr(o.words, "deadlock: ") + 1, "deadlock: ") == NULL); /* once */
}

static int recover(void *arg)
{
    (void)arg;
    CHECK_EQ(rv_sleep(RV_NEVER), -ECANCELED);
    return 12;
}

TEST(hazard_48_who_ends_well_after_a_deadlock_was_broken_keeps_its_result)
{
    CHECK_EQ(rv_run(recover, NULL, NULL), 12);
}

static rv_group *full;

static int wait_for_room(void *arg)
{
    (void)arg;
    rv_go(full, sleep_for_ever, NULL); /* room that this task itself takes up */
    return 0;
}

static int own_way(void *arg)
{
    rv_group g;

    (void)arg;
    full = &g;
    rv_group_open(&g, RV_NEVER);
    rv_group_limit(&g, 1);
    rv_go(&g, wait_for_room, NULL);
    return rv_group_close(&g, 0);
}

TEST(hazard_48_a_task_that_waits_for_its_own_room_is_a_deadlock)
{
    CHECK_EQ(rv_run(own_way, NULL, NULL), -EDEADLK);
}

static int shielded_for_ever(void *arg)
{
    rv_scope s;

    (void)arg;
    rv_shield_open(&s, RV_NEVER);
    return rv_scope_close(&s, rv_sleep(RV_NEVER));
}

static int run_shielded(void *arg)
{
    return rv_run(shielded_for_ever, arg, NULL);
}

TEST(hazard_48_a_deadlock_that_cannot_be_broken_dies_in_words)
{
    check_dies(run_shielded, NULL, "what waits cannot be cancelled", "sleeping under a shield");
}

static int asleep_with_deadline(void *arg)
{
    rv_scope s;

    (void)arg;
    rv_scope_open(&s, rv_after(10 * RV_MS));
    return rv_scope_close(&s, rv_sleep(RV_NEVER));
}

TEST(a_deadline_that_is_still_to_come_is_no_deadlock)
{
    CHECK_EQ(rv_run(asleep_with_deadline, NULL, NULL), -ETIMEDOUT);
}

static int two_deadlocks(void *arg)
{
    rv_scope s;

    (void)arg;
    CHECK_EQ(rv_sleep(RV_NEVER), -ECANCELED);
    rv_shield_open(&s, rv_after(RV_MS)); /* clean-up works after a broken deadlock too */
    CHECK_EQ(rv_sleep(RV_NEVER), -ECANCELED);
    CHECK_EQ(rv_scope_close(&s, -ECANCELED), -ETIMEDOUT);
    return -EIO;
}

TEST(hazard_48_clean_up_has_its_time_after_a_deadlock_was_broken)
{
    CHECK_EQ(rv_run(two_deadlocks, NULL, NULL), -EDEADLK);
}

/* ---- stopping ---- */

enum { STEPS = 30 };

static long started, ended;

static int busy(void *arg)
{
    intptr_t kind = (intptr_t)arg;
    int result = 0;

    started++;
    while (result == 0)
        switch (kind % 4) {
        case 0:
            result = rv_yield();
            break;
        case 1:
            result = rv_sleep(RV_US);
            break;
        case 2:
            result = rv_sleep(RV_NEVER);
            break;
        case 3:
            result = rv_poll(0, 0) < 0 ? -ECANCELED : rv_yield();
        }
    ended++;
    return result;
}

/* Stops after `steps` turns, in whatever state the others are by then. */
static int stop_after(void *arg)
{
    int steps = *(int *)arg;
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    for (intptr_t i = 0; i < 3; i++)
        rv_go(&g, busy, (void *)i);
    for (int i = 0; i < steps; i++)
        CHECK_EQ(i % 7 ? rv_yield() : rv_sleep(RV_US), 0);
    return rv_group_close(&g, -EINTR);
}

TEST(hazard_54_a_stop_at_any_step_cancels_joins_and_leaves_nothing)
{
    for (int steps = 0; steps < STEPS; steps++) {
        started = ended = 0;
        CHECK_EQ(rv_run(stop_after, &steps, NULL), -EINTR);
        CHECK_EQ(started, 3);
        CHECK_EQ(ended, 3);
    }
}
