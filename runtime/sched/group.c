/* group.c: opening, spawning into and joining groups. See group.h. */
#include "sched/group.h"

#include <errno.h>

#include "sched/branch.h"
#include "sched/room.h"
#include "sched/runtime.h"
#include "sched/spread.h"

/* ---- groups of other workers ---- */

/* That a spawn failed which had to ask. */
struct far_failure {
    struct message message;
    rv_group *group;
    struct task *task;
    int err;
};

static const struct wait_kind far_failure_kind = {.name = "rv_go, to tell another worker"};

static void failure_told(struct message *m)
{
    wait_wake(CONTAINER(m, struct far_failure, message)->task, 0);
}

static void tell_failure(struct message *m)
{
    struct far_failure *f = CONTAINER(m, struct far_failure, message);

    f->group->live++;
    group_child_done(f->group, f->err);
    m->deliver = failure_told;
    worker_post(f->task->worker, m);
}

static void fail_from_afar(struct task *me, rv_group *g, int err)
{
    struct far_failure f = {.message.deliver = tell_failure, .group = g, .task = me, .err = err};

    worker_post(((struct task *)g->scope.owner)->worker, &f.message);
    (void)wait_park(me, &far_failure_kind, &f, RV_NEVER);
}

static bool has_limit(const rv_group *g)
{
    return __atomic_load_n(&g->live_max, __ATOMIC_RELAXED) != SIZE_MAX;
}

/* What was said of g by now; a stack's size has the same index on all workers. */
static void group_like(struct worker *w, rv_group *here, const rv_group *g)
{
    here->fenv = __atomic_load_n(&g->fenv, __ATOMIC_RELAXED);
    here->stacks = __atomic_load_n(&g->stacks, __ATOMIC_RELAXED);
    (void)stack_pool_of_class(&w->stacks, here->stacks);
}

/* What this worker has of g; NULL: it gets nothing of it, since g has a limit, or for want of
 * memory. */
static __attribute__((cold, noinline)) rv_group *group_from_afar(const char *call, rv_group *g,
                                                                 struct task *me)
{
    rv_group *here;

    USAGE(branch_is_around(me, g),
          "%s: the group was opened on another worker, and this task is not inside of it", call);
    here = has_limit(g) ? NULL : branch_of_root(me, g);
    if (here)
        group_like(me->worker, here, g);
    return here;
}

/* ---- opening ---- */

static inline __attribute__((always_inline)) void group_open(const char *call, rv_group *g,
                                                             rv_time deadline, bool spread)
{
    struct task *me = task_self(call);
    uint8_t kind = spread && me->worker->rt->count > 1 ? GROUP_PLAIN | GROUP_SPREAD : GROUP_PLAIN;

    USAGE(g != NULL, "%s: the group is NULL", call);
    scope_open(me, &g->scope, deadline, false, kind);
    g->room_first = NULL;
    g->room_last = NULL;
    g->away = NULL;
    g->live = 0;
    g->live_max = SIZE_MAX;
    g->error = 0;
    g->seated = 0;
    g->closing = g->lost = g->fenv = 0;
    g->stacks = me->worker->default_stacks;
}

void rv_group_open(rv_group *g, rv_time deadline)
{
    group_open("rv_group_open", g, deadline, false);
}

void rv_spread_open(rv_group *g, rv_time deadline)
{
    group_open("rv_spread_open", g, deadline, true);
}

/* The group is open: for calls that change it. */
static inline __attribute__((always_inline)) struct task *group_self(const char *call, rv_group *g)
{
    struct task *me = task_self(call), *owner;

    USAGE(g != NULL, "%s: the group is NULL", call);
    owner = g->scope.owner;
    USAGE(owner != NULL, "%s: the group is not open", call);
    USAGE(owner == me || owner->worker == me->worker,
          "%s: the group was opened on another worker (%u; this is %u): only there", call,
          owner->worker->index, me->worker->index);
    return me;
}

/* For calls that spawn: *here is the group itself, or what this worker has of it, or NULL: it must
 * be asked. */
static inline __attribute__((always_inline)) struct task *group_of(const char *call, rv_group *g,
                                                                   rv_group **here)
{
    struct task *me = task_self(call), *owner;

    USAGE(g != NULL, "%s: the group is NULL", call);
    owner = g->scope.owner;
    USAGE(owner != NULL, "%s: the group is not open", call);
    *here = g;
    if (__builtin_expect(owner != me && owner->worker != me->worker, 0))
        *here = group_from_afar(call, g, me);
    return me;
}

void rv_group_limit(rv_group *g, size_t live_max)
{
    group_self("rv_group_limit", g);
    USAGE(live_max > 0, "rv_group_limit: a limit of 0 would let nothing run");
    __atomic_store_n(&g->live_max, live_max, __ATOMIC_RELAXED); /* room.c */
    branch_limit_all(g);
    room_look(g);
}

void rv_group_stack(rv_group *g, size_t bytes)
{
    struct task *me = group_self("rv_group_stack", g);
    struct stack_pool *p = stack_pool_for(&me->worker->stacks, bytes);

    USAGE(p != NULL, "rv_group_stack: %zu bytes is more than a stack can have", bytes);
    __atomic_store_n(&g->stacks, (unsigned char)(p - me->worker->stacks.pools), __ATOMIC_RELAXED);
}

void rv_group_fenv(rv_group *g)
{
    group_self("rv_group_fenv", g);
    __atomic_store_n(&g->fenv, true, __ATOMIC_RELAXED);
}

/* ---- spawning ---- */

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

static inline bool full(const rv_group *g)
{
    return __builtin_expect(g->live >= g->live_max, 0);
}

/* A place in g, which is this worker's: 0, or why the spawn fails. */
static inline int make_room(struct task *me, rv_group *g)
{
    return full(g) ? room_wait(me, g) : 0;
}

/* The record was made in g, or err says why not: it is spawned, or has failed. */
static inline void launch(struct task *me, rv_group *g, struct record *r, int err,
                          struct worker *to)
{
    if (__builtin_expect(err < 0, 0))
        spawn_failed(me, g, err);
    else if (to)
        spread_send(to, r);
    else
        record_queue(me->worker, g, r);
}

/* The record was made for a group of another worker, and is counted nowhere: it is to get its place
 * there. */
static void ask_for_place(struct task *me, rv_group *root, struct record *r, int err,
                          struct worker *to)
{
    if (err == 0) {
        err = room_send(me, root, r, to);
        if (err == 0)
            return;
        record_release(me->worker, r);
        record_ended(me->worker);
    }
    if (err == -ECANCELED && __atomic_load_n(&root->scope.due, __ATOMIC_RELAXED) > me->worker->now)
        err = scope_cause(me);
    fail_from_afar(me, root, err);
}

static void check_spawn(const char *call, rv_fn *fn, const void *arg, size_t len)
{
    USAGE(fn != NULL, "%s: the function is NULL", call);
    USAGE(arg != NULL || len == 0, "%s: the argument is NULL, and %zu bytes of it are wanted", call,
          len);
}

static __attribute__((cold, noinline)) void go_afar(struct task *me, rv_group *root, rv_fn *fn,
                                                    void *arg, const char *site, struct worker *to)
{
    rv_group like = {.live = 0};
    struct record *r = NULL;
    int err;

    group_like(me->worker, &like, root);
    err = record_make(me->worker, &like, fn, arg, site, &r);
    ask_for_place(me, root, r, err, to);
}

static void go_copy_afar(struct task *me, rv_group *root, rv_fn *fn, const void *arg, size_t len,
                         const char *site)
{
    rv_group like = {.live = 0};
    struct record *r = NULL;
    int err;

    group_like(me->worker, &like, root);
    err = record_make_copied(me->worker, &like, fn, arg, len, site, &r);
    ask_for_place(me, root, r, err, NULL);
}

/* The same for each of the spawns, which differ in their names alone. */
static inline __attribute__((always_inline)) void go(const char *call, rv_group *root, rv_fn *fn,
                                                     void *arg, const char *site, struct worker *to)
{
    struct record *r = NULL;
    rv_group *g;
    struct task *me = group_of(call, root, &g);
    int err;

    if (__builtin_expect(g == NULL, 0)) {
        go_afar(me, root, fn, arg, site, to);
        return;
    }
    err = make_room(me, g);
    if (__builtin_expect(err == 0, 1))
        err = record_make(me->worker, g, fn, arg, site, &r);
    launch(me, g, r, err, to);
}

void rv_go_at(rv_group *g, rv_fn *fn, void *arg, const char *site)
{
    USAGE(fn != NULL, "rv_go: the function is NULL");
    go("rv_go", g, fn, arg, site, NULL);
}

void group_go_on(const char *call, rv_group *g, rv_fn *fn, void *arg, const char *site,
                 struct worker *to)
{
    USAGE(fn != NULL, "%s: the function is NULL", call);
    go(call, g, fn, arg, site, to);
}

void rv_go_copy_at(rv_group *root, rv_fn *fn, const void *arg, size_t len, const char *site)
{
    struct record *r = NULL;
    struct task *me;
    rv_group *g;
    int err;

    check_spawn("rv_go_copy", fn, arg, len);
    me = group_of("rv_go_copy", root, &g);
    if (g == NULL) {
        go_copy_afar(me, root, fn, arg, len, site);
        return;
    }
    err = make_room(me, g);
    if (err == 0)
        err = record_make_copied(me->worker, g, fn, arg, len, site, &r);
    launch(me, g, r, err, NULL);
}

/* Of a group with a limit that is another worker's it cannot be known at once whether it has
 * room. */
static int cannot_try(const rv_group *root)
{
    return has_limit(root) ? -EAGAIN : -ENOMEM;
}

static int tried(rv_group *here, int err)
{
    if (__builtin_expect(err < 0, 0) && here->scope.in_group & GROUP_BRANCH)
        branch_unused(here);
    return err;
}

int rv_try_go_at(rv_group *root, rv_fn *fn, void *arg, const char *site)
{
    rv_group *g;
    struct task *me;

    USAGE(fn != NULL, "rv_try_go: the function is NULL");
    me = group_of("rv_try_go", root, &g);
    if (g == NULL)
        return cannot_try(root);
    return full(g) ? -EAGAIN : tried(g, record_new(me->worker, g, fn, arg, site));
}

int rv_try_go_copy_at(rv_group *root, rv_fn *fn, const void *arg, size_t len, const char *site)
{
    struct record *r;
    rv_group *g;
    struct task *me;
    int err;

    check_spawn("rv_try_go_copy", fn, arg, len);
    me = group_of("rv_try_go_copy", root, &g);
    if (g == NULL)
        return cannot_try(root);
    if (full(g))
        return -EAGAIN;
    err = record_make_copied(me->worker, g, fn, arg, len, site, &r);
    if (err == 0)
        record_queue(me->worker, g, r);
    return tried(g, err);
}

/* ---- ending ---- */

void group_made_room(rv_group *g, size_t count)
{
    if (g->scope.in_group & GROUP_BRANCH)
        branch_ended(g, count);
    else
        room_look(g);
}

void group_children_done(rv_group *g, size_t count)
{
    ASSERT(g->live >= count);
    g->live -= count - 1; /* the last one as any other */
    if (g->room_first && count > 1)
        group_made_room(g, count - 1);
    group_child_done(g, 0);
}

void group_child_failed(rv_group *g, int err)
{
    if (err == -ECANCELED && scope_over(&g->scope, worker_self->now)) {
        g->lost = true;
        return;
    }
    if (g->error == 0)
        g->error = err;
    scope_cancel(&g->scope);
    if (g->scope.in_group & GROUP_BRANCH)
        branch_failed(g);
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
