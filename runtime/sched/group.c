/* group.c: opening, spawning into and joining groups. See group.h. */
#include "sched/group.h"

#include <errno.h>

#include "base/plant.h"
#include "sched/record.h"

/* One rv_go() that waits for room; on its stack. Once it no longer waits, woken or cancelled, it
 * is counted in live as if its task were there: the place that it was woken for is nobody else's,
 * and the group cannot be closed under it. */
struct room_wait {
    struct task *task;
    struct room_wait *next;
};

void rv_group_open(rv_group *g, rv_time deadline)
{
    struct task *me = task_self("rv_group_open");

    USAGE(g != NULL, "rv_group_open: the group is NULL");
    scope_open(me, &g->scope, deadline, false, true);
    g->room_first = NULL;
    g->room_last = NULL;
    g->live = 0;
    g->live_max = SIZE_MAX;
    g->error = 0;
    g->seated = 0;
    g->closing = g->lost = g->fenv = 0;
    g->stacks = me->worker->default_stacks;
}

/* The group is open: for calls that change it. */
static inline __attribute__((always_inline)) struct task *group_self(const char *call, rv_group *g)
{
    struct task *me = task_self(call);

    USAGE(g != NULL, "%s: the group is NULL", call);
    USAGE(g->scope.owner != NULL, "%s: the group is not open", call);
    return me;
}

void rv_group_limit(rv_group *g, size_t live_max)
{
    group_self("rv_group_limit", g);
    USAGE(live_max > 0, "rv_group_limit: a limit of 0 would let nothing run");
    g->live_max = live_max;
    group_wake_for_room(g);
}

void rv_group_stack(rv_group *g, size_t bytes)
{
    struct task *me = group_self("rv_group_stack", g);
    struct stack_pool *p = stack_pool_for(&me->worker->stacks, bytes);

    USAGE(p != NULL, "rv_group_stack: %zu bytes is more than a stack can have", bytes);
    g->stacks = (unsigned char)(p - me->worker->stacks.pools);
}

void rv_group_fenv(rv_group *g)
{
    group_self("rv_group_fenv", g);
    g->fenv = true;
}

/* ---- spawning ---- */

static bool room_abort(struct task *t, void *on)
{
    rv_group *g = on;
    struct room_wait *before = NULL, *w = g->room_first;

    for (; w->task != t; w = w->next)
        before = w;
    if (before)
        before->next = w->next;
    else
        g->room_first = w->next;
    if (g->room_last == w)
        g->room_last = before;
    g->live++;
    return true;
}

static const struct wait_kind room_kind = {.name = "rv_go, until its group has room",
                                           .abort = room_abort};

void group_wake_for_room(rv_group *g)
{
    struct room_wait *w;

    while ((w = g->room_first) && g->live < g->live_max) {
        g->room_first = w->next;
        if (w->next == NULL)
            g->room_last = NULL;
        g->live++;
        wait_wake(w->task, 0);
    }
}

static int wait_for_room(struct task *me, rv_group *g)
{
    struct room_wait here = {.task = me};
    int err;

    if (task_over(me))
        return -ECANCELED;
    if (g->room_last)
        ((struct room_wait *)g->room_last)->next = &here;
    else
        g->room_first = &here;
    g->room_last = &here;
    err = wait_park(me, &room_kind, g, RV_NEVER);
    if (!PLANTED(KEPT_ROOM) || err == 0)
        g->live--; /* the task itself, or the failure, is counted from here on */
    return err;
}

/* A task that never started: the group hears of it as of a child that failed. Where a scope around
 * the spawner alone is over, it hears what that scope would say: its own cannot translate it. */
static void spawn_failed(struct task *me, rv_group *g, int err)
{
    if (err == -ECANCELED && !scope_over(&g->scope, me->worker->now))
        err = scope_cause(me);
    g->live++;
    group_child_done(g, err);
    (void)wait_refuse(me, err);
}

/* Until the group has room: 0, or why the spawn must fail. */
static inline int make_room(struct task *me, rv_group *g)
{
    int err = 0;

    if (__builtin_expect(g->live >= g->live_max, 0))
        err = wait_for_room(me, g);
    return err;
}

static inline struct task *spawner(const char *call, rv_group *g, rv_fn *fn)
{
    USAGE(fn != NULL, "%s: the function is NULL", call);
    return group_self(call, g);
}

static inline struct task *copying_spawner(const char *call, rv_group *g, rv_fn *fn,
                                           const void *arg, size_t len)
{
    USAGE(arg != NULL || len == 0, "%s: the argument is NULL, and %zu bytes of it are wanted", call,
          len);
    return spawner(call, g, fn);
}

void rv_go_at(rv_group *g, rv_fn *fn, void *arg, const char *site)
{
    struct task *me = spawner("rv_go", g, fn);
    int err = make_room(me, g);

    if (__builtin_expect(err == 0, 1))
        err = record_new(me->worker, g, fn, arg, site);
    if (__builtin_expect(err < 0, 0))
        spawn_failed(me, g, err);
}

void rv_go_copy_at(rv_group *g, rv_fn *fn, const void *arg, size_t len, const char *site)
{
    struct task *me = copying_spawner("rv_go_copy", g, fn, arg, len);
    int err = make_room(me, g);

    if (err == 0)
        err = record_new_copied(me->worker, g, fn, arg, len, site);
    if (err < 0)
        spawn_failed(me, g, err);
}

int rv_try_go_at(rv_group *g, rv_fn *fn, void *arg, const char *site)
{
    struct task *me = spawner("rv_try_go", g, fn);

    return g->live >= g->live_max ? -EAGAIN : record_new(me->worker, g, fn, arg, site);
}

int rv_try_go_copy_at(rv_group *g, rv_fn *fn, const void *arg, size_t len, const char *site)
{
    struct task *me = copying_spawner("rv_try_go_copy", g, fn, arg, len);

    return g->live >= g->live_max ? -EAGAIN : record_new_copied(me->worker, g, fn, arg, len, site);
}

/* ---- ending ---- */

void group_child_failed(rv_group *g, int err)
{
    struct task *owner = g->scope.owner;

    if (err == -ECANCELED && scope_over(&g->scope, owner->worker->now)) {
        g->lost = true;
        return;
    }
    if (g->error == 0)
        g->error = err;
    scope_cancel(&g->scope);
}

int group_settle_slowly(rv_group *g)
{
    return g->error ? g->error : scope_settle(&g->scope, -ECANCELED, worker_self->now);
}

static const struct wait_kind join_kind = {.name = "rv_group_close, until its tasks end"};

int rv_group_close(rv_group *g, int result)
{
    struct task *me = group_self("rv_group_close", g);

    if (__builtin_expect(me->scope != &g->scope || g->scope.owner != me, 0))
        scope_check_close("rv_group_close", &g->scope, me);
    g->result = result;
    if (__builtin_expect(result < 0, 0))
        group_child_failed(g, result);
    if (g->live == 0)
        return group_settle(g, me);
    g->closing = true;
    return wait_park(me, &join_kind, g, RV_NEVER);
}
