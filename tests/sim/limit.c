/* limit.c: rv_group_limit(): spawners that wait for room, limits that change, cancels that end the
 * waiting.
 *
 * Never more live tasks than allowed at the time of the spawn. Each spawn that did not fail runs. A
 * wait for room that was cancelled fails the group.
 */
#include "tests/sim/scenario.h"

enum { SPAWNERS_MOST = 4, SPAWNS_MOST = 20 };

static size_t limit, waiting, live, live_most, limit_most;
static unsigned spawned, ran, refused;
static rv_group limited;

static int worker(void *unused)
{
    int err;

    (void)unused;
    ran++;
    err = one_in(2) ? rv_sleep((rv_time)below(100 * RV_US)) : rv_yield();
    live--;
    PROMISE(err == 0 || rv_cancelled(), "a task of a group that nobody cancelled");
    return err;
}

/* It is counted where the room is taken: when the spawn is through. */
static void spawn(void)
{
    if (one_in(4)) {
        int err = rv_try_go(&limited, worker, NULL);

        PROMISE(err == 0 || err == -EAGAIN, "try_go: %d", err);
        PROMISE(err == 0 || live + waiting >= limit, "full, with %zu of %zu", live, limit);
        refused += err < 0;
        spawned += err == 0;
        live += err == 0;
    } else {
        waiting++; /* one that was woken has its room already */
        rv_go(&limited, worker, NULL);
        waiting--;
        spawned++;
        live++;
    }
    PROMISE(live <= limit_most, "%zu live, and %zu are allowed", live, limit_most);
    live_most = live > live_most ? live : live_most;
}

static int spawner(void *unused)
{
    (void)unused;
    for (uint64_t i = from_to(1, SPAWNS_MOST); i > 0; i--) {
        spawn();
        if (one_in(8)) {
            limit = from_to(1, 5);
            limit_most = limit > limit_most ? limit : limit_most;
            rv_group_limit(&limited, limit);
        }
        if (one_in(4))
            PROMISE(rv_sleep((rv_time)below(50 * RV_US)) == 0, "cancelled?");
    }
    return 0;
}

SCENARIO(limit, "a group has no more tasks than its limit allows, and all of them run")
{
    rv_group g;

    waiting = live = live_most = 0;
    spawned = ran = refused = 0;
    limit = limit_most = from_to(1, 4);
    rv_group_open(&limited, RV_NEVER);
    rv_group_limit(&limited, limit);
    rv_group_open(&g, RV_NEVER);
    for (uint64_t i = from_to(1, SPAWNERS_MOST); i > 0; i--)
        rv_go(&g, spawner, NULL);
    PROMISE(rv_group_close(&g, 0) == 0, "spawners");
    PROMISE(rv_group_close(&limited, 0) == 0, "the limited group");
    PROMISE(ran == spawned, "%u ran, of %u", ran, spawned);
    PROMISE(live == 0, "%zu live on", live);
    if (refused)
        seen("limit: a try was refused");
    return 0;
}

/* ---- the wait for room ends early ---- */

static unsigned began, ended;

static int slow(void *unused)
{
    int err;

    (void)unused;
    began++;
    err = rv_sleep((rv_time)below(RV_MS));
    ended++;
    return err;
}

/* Spawns into a group of its own until its scope is over. */
static int impatient(void *unused)
{
    rv_time deadline = rv_after((rv_time)below(2 * RV_MS));
    unsigned mine = 0;
    bool in_scope = one_in(2);
    rv_scope scope;
    rv_group g;
    int err;

    (void)unused;
    rv_group_open(&g, in_scope ? RV_NEVER : deadline);
    rv_group_limit(&g, from_to(1, 3));
    if (in_scope)
        rv_scope_open(&scope, deadline);
    while (!rv_cancelled() && mine++ < SPAWNS_MOST)
        rv_go(&g, slow, NULL);
    if (in_scope)
        PROMISE(rv_scope_close(&scope, 0) == 0, "a result that no cancel is");
    err = rv_group_close(&g, 0);
    PROMISE(err == 0 || err == -ETIMEDOUT, "the group says %s", strerror(-err));
    PROMISE(err == 0 || rv_now() >= deadline, "timed out too early");
    if (err == -ETIMEDOUT)
        seen(in_scope ? "limit: the spawner's scope ended its wait" : "limit: the group's did");
    return 0;
}

SCENARIO(room, "who waits for room can be cancelled, and the group is told")
{
    rv_group g;

    began = ended = 0;
    rv_group_open(&g, RV_NEVER);
    for (uint64_t i = from_to(1, 6); i > 0; i--)
        rv_go(&g, impatient, NULL);
    PROMISE(rv_group_close(&g, 0) == 0, "spawners");
    PROMISE(began == ended, "%u began, %u ended", began, ended);
    return 0;
}

/* ---- the limit is raised ---- */

static unsigned wanted;

/* Ends only when all of them have begun: the first alone would wait for ever. */
static int wait_for_the_others(void *unused)
{
    (void)unused;
    began++;
    for (int tries = 0; began < wanted; tries++) {
        PROMISE(tries < 5000, "the limit was raised, and %u of %u have begun", began, wanted);
        PROMISE(rv_sleep(10 * RV_US) == 0, "cancelled?");
    }
    return 0;
}

static int spawn_one(void *unused)
{
    (void)unused;
    rv_go(&limited, wait_for_the_others, NULL);
    return 0;
}

SCENARIO(raise, "who waits for room goes on when the limit is raised")
{
    rv_group g;

    began = 0;
    wanted = (unsigned)from_to(2, 6);
    rv_group_open(&limited, RV_NEVER);
    rv_group_limit(&limited, 1);
    rv_group_open(&g, RV_NEVER);
    for (unsigned i = 0; i < wanted; i++)
        rv_go(&g, spawn_one, NULL);
    PROMISE(rv_sleep((rv_time)below(100 * RV_US)) == 0, "cancelled?");
    for (size_t room = 2; room <= wanted; room += from_to(1, 3))
        rv_group_limit(&limited, room);
    rv_group_limit(&limited, wanted);
    PROMISE(rv_group_close(&g, 0) == 0, "spawners");
    return rv_group_close(&limited, 0);
}
