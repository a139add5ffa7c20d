/* t_cancel.c: a script of waits, openings and closings, cancelled at every point: before the start,
 * during each wait, between any two. Wherever it lands, each later wait fails, clean-up under
 * shields is done, everything is closed, and the cause is translated once.
 */
#include "tap.h"

#include "virtual.h"

enum { STEP_NS = RV_MS, STEPS_MOST = 40, NOBODY = -1 };

struct script {
    int cancel_at; /* in half steps of time from the start; NOBODY */
    bool by_deadline;
    int waits, failed; /* of the body, outside of shields */
    int cleaned;
    bool over_seen;
    rv_group *group;
};

/* A wait of the script: once one has failed, none may succeed. */
static int note(struct script *s, int result)
{
    CHECK(result == 0 || result == -ECANCELED);
    CHECK(!(s->over_seen && result == 0));
    s->waits++;
    if (result < 0) {
        s->over_seen = true;
        s->failed++;
    }
    return result;
}

static int child(void *arg)
{
    struct script *s = arg;

    return note(s, rv_sleep(STEP_NS)) < 0 ? -ECANCELED : note(s, rv_sleep(STEP_NS));
}

static void clean(struct script *s)
{
    rv_scope shield;

    rv_shield_open(&shield, RV_NEVER);
    CHECK_EQ(rv_sleep(STEP_NS), 0);
    CHECK_EQ(rv_yield(), 0);
    CHECK_EQ(rv_scope_close(&shield, 0), 0);
    s->cleaned++;
}

static int body(struct script *s)
{
    rv_scope inner;
    rv_group g;
    int result = note(s, rv_sleep(STEP_NS));

    rv_scope_open(&inner, RV_NEVER);
    result = note(s, rv_sleep(STEP_NS));
    result = rv_scope_close(&inner, result);
    rv_group_open(&g, RV_NEVER);
    rv_group_limit(&g, 1);
    rv_go(&g, child, s);
    rv_go(&g, child, s); /* waits for room */
    result = rv_group_close(&g, result);
    clean(s);
    rv_scope_open(&inner, rv_after(STEP_NS / 4)); /* a time-out of its own */
    result = rv_sleep(STEP_NS);
    CHECK_EQ(result, -ECANCELED);
    result = rv_scope_close(&inner, result);
    CHECK(result == -ETIMEDOUT || result == -ECANCELED);
    if (result == -ETIMEDOUT)
        result = 0;
    note(s, result);
    clean(s);
    return note(s, rv_yield()) < 0 ? -ECANCELED : 11;
}

static int scripted(void *arg)
{
    struct script *s = arg;

    return body(s);
}

static int play(void *arg)
{
    struct script *s = arg;
    rv_time at = rv_now() + s->cancel_at * (STEP_NS / 2) + STEP_NS / 8;
    rv_group g;
    int result;

    if (s->cancel_at == NOBODY)
        at = RV_NEVER;
    rv_group_open(&g, s->by_deadline ? at : RV_NEVER);
    if (s->by_deadline) {
        result = scripted(s);
        return rv_group_close(&g, result);
    }
    rv_go(&g, scripted, s);
    if (at != RV_NEVER) {
        CHECK_EQ(rv_sleep_until(at), 0);
        rv_group_cancel(&g);
    }
    return rv_group_close(&g, 11);
}

static void check_play(int cancel_at, bool by_deadline)
{
    struct script s = {.cancel_at = cancel_at, .by_deadline = by_deadline};
    int result = run_virtual(play, &s);
    int before = tap_failures;

    CHECK_EQ(s.cleaned, 2);
    if (s.failed == 0)
        CHECK_EQ(result, 11);
    else
        CHECK_EQ(result, by_deadline ? -ETIMEDOUT : 0);
    if (cancel_at == NOBODY) {
        CHECK_EQ(s.failed, 0);
        CHECK_EQ(s.waits, 8);
    }
    if (tap_failures > before)
        fprintf(stderr, "cancelled at half step %d, %s\n", cancel_at,
                by_deadline ? "by deadline" : "by call");
}

TEST(hazard_43_a_cancel_may_come_at_any_point_of_a_task)
{
    for (int at = NOBODY; at < STEPS_MOST; at++)
        check_play(at, false);
}

TEST(hazard_43_a_deadline_may_come_at_any_point_of_a_task)
{
    for (int at = NOBODY; at < STEPS_MOST; at++)
        check_play(at, true);
}

/* ---- between the wake and the resume ---- */

static int result_of_sleep;

static int sleeper(void *arg)
{
    result_of_sleep = rv_sleep_until(*(rv_time *)arg);
    return rv_yield();
}

static int canceller(void *arg)
{
    rv_group *g = arg;

    CHECK_EQ(rv_sleep(RV_MS), 0);
    rv_group_cancel(g);
    return 0;
}

/* The sleeper's time and the cancel come in the same pass, in either order: the sleeper that was
 * woken already has its result, and notices the cancel at the next wait. */
static int same_instant(void *arg)
{
    rv_time at;
    rv_group victims, killers;

    for (int first = 0; first < 2; first++) {
        at = rv_after(RV_MS);
        rv_group_open(&killers, RV_NEVER);
        rv_group_open(&victims, RV_NEVER);
        rv_go(first ? &victims : &killers, first ? sleeper : canceller,
              first ? (void *)&at : (void *)&victims);
        CHECK_EQ(rv_yield(), 0);
        rv_go(first ? &killers : &victims, first ? canceller : sleeper,
              first ? (void *)&victims : (void *)&at);
        CHECK_EQ(rv_group_close(&victims, 0), 0);
        CHECK(result_of_sleep == 0 || result_of_sleep == -ECANCELED);
        CHECK_EQ(rv_group_close(&killers, 0), 0);
    }
    return *(int *)arg;
}

TEST(hazard_39_a_wake_and_a_cancel_at_the_same_instant_are_one_end)
{
    int result = 0;

    CHECK_EQ(run_virtual(same_instant, &result), 0);
}

static int cancel_own(void *arg)
{
    rv_scope s;

    rv_scope_open(&s, RV_NEVER);
    rv_cancel(&s);
    CHECK(rv_cancelled());
    CHECK_EQ(rv_sleep(RV_S), -ECANCELED);
    CHECK_EQ(rv_scope_close(&s, -ECANCELED), 0);
    return *(int *)arg;
}

TEST(a_task_may_cancel_its_own_scope)
{
    int result = 4;

    CHECK_EQ(run_virtual(cancel_own, &result), 4);
}
