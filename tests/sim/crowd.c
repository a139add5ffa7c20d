/* crowd.c: a spread group with a limit, and spawners on all workers, who wait for room there, or
 * give up waiting.
 *
 * Never more tasks run than the limit allowed at any time. A spawn that did not fail runs; a wait
 * for room that was given up fails the group, with what the spawner's scope says, and the group is
 * cancelled then.
 */
#include "tests/sim/scenario.h"

enum { SPAWNERS_MOST = 5, SPAWNS_MOST = 12 };

static rv_group crowd;
static size_t limit_most, running;
static unsigned sure, unsure, ran, gave_up;

static int guest(void *arg)
{
    int err;

    PROMISE(*(unsigned *)arg == 4711, "a copied argument");
    ran++;
    running++;
    PROMISE(running <= limit_most, "%zu run, and %zu are allowed", running, limit_most);
    err = one_in(2) ? rv_sleep((rv_time)below(200 * RV_US)) : rv_yield();
    running--;
    PROMISE(err == 0 || (err == -ECANCELED && gave_up), "a task that nobody cancelled says %d",
            err);
    return err;
}

static void spawn_one(bool hurries)
{
    const unsigned word = 4711;
    rv_scope scope;

    rv_scope_open(&scope, hurries ? rv_after((rv_time)below(300 * RV_US)) : RV_NEVER);
    unsure++; /* it may run before this goes on */
    gave_up += hurries;
    rv_go_copy(&crowd, guest, &word, sizeof word);
    if (!rv_cancelled()) {
        unsure--;
        sure++;
        gave_up -= hurries;
    }
    PROMISE(rv_scope_close(&scope, 0) == 0, "a result that no cancel is");
}

/* Inside of the crowd's scope, and none of its tasks. */
static int spawner(void *unused)
{
    bool impatient = one_in(4);

    (void)unused;
    for (uint64_t i = from_to(1, SPAWNS_MOST); i > 0 && !gave_up; i--) {
        if (one_in(6)) {
            const unsigned word = 4711;
            int err = rv_try_go_copy(&crowd, guest, &word, sizeof word);

            PROMISE(err == 0 || err == -EAGAIN, "try_go: %d", err);
            sure += err == 0;
        }
        spawn_one(impatient && one_in(3));
        if (one_in(4) && rv_sleep((rv_time)below(100 * RV_US)) < 0)
            PROMISE(gave_up, "cancelled?");
    }
    return 0;
}

static void change_limit(void)
{
    size_t limit = from_to(1, 6);

    limit_most = limit > limit_most ? limit : limit_most;
    rv_group_limit(&crowd, limit);
    (void)!rv_sleep((rv_time)below(200 * RV_US));
}

SCENARIO(crowd, "a limit holds over all workers, and who waits for room there can give up",
         .runtime.workers = RV_WORKERS_AUTO)
{
    rv_group g;
    int err;

    sure = unsure = ran = gave_up = 0;
    limit_most = running = 0;
    rv_spread_open(&crowd, RV_NEVER);
    change_limit();
    rv_spread_open(&g, RV_NEVER);
    for (uint64_t i = from_to(1, SPAWNERS_MOST); i > 0; i--)
        rv_go(&g, spawner, NULL);
    for (uint64_t i = below(4); i > 0; i--)
        change_limit();
    err = rv_group_close(&g, 0);
    PROMISE(err == 0 || gave_up, "spawners: %d", err);
    err = rv_group_close(&crowd, 0);
    PROMISE(err == 0 || (gave_up && (err == -ETIMEDOUT || err == -ECANCELED)), "the crowd says %d",
            err);
    PROMISE(ran >= sure && ran <= sure + unsure, "%u ran, of %u or %u", ran, sure, sure + unsure);
    PROMISE(running == 0, "%zu run on", running);
    if (err)
        seen("crowd: somebody gave up waiting");
    return 0;
}
