/* scope.c: scopes, and how a cancel spreads. See scope.h. */
#include "sched/scope.h"

#include <errno.h>

#include "base/plant.h"
#include "sched/branch.h"
#include "sched/runtime.h"

void scope_take_seat(struct task *me)
{
    struct worker *w = me->worker;
    uint32_t seat = timers_new(&w->timers, me), first = me->group->seated;
    struct sibling *ring = w->siblings;

    me->seat = seat;
    me->armed = RV_NEVER;
    ring[seat] = (struct sibling){seat, seat};
    if (first) {
        ring[seat] = (struct sibling){first, ring[first].prev};
        ring[ring[first].prev].next = seat;
        ring[first].prev = seat;
    }
    me->group->seated = seat;
}

void scope_leave_seat(struct task *me)
{
    struct worker *w = me->worker;
    struct sibling mine = w->siblings[me->seat];

    if (me->group->seated == me->seat)
        me->group->seated = mine.next == me->seat ? 0 : mine.next;
    w->siblings[mine.prev].next = mine.next;
    w->siblings[mine.next].prev = mine.prev;
    timers_free(&w->timers, me->seat);
    me->seat = 0;
}

void rv_scope_open(rv_scope *s, rv_time deadline)
{
    struct task *me = task_self("rv_scope_open");

    USAGE(s != NULL, "rv_scope_open: the scope is NULL");
    scope_open(me, s, deadline, false, false);
}

void rv_shield_open(rv_scope *s, rv_time deadline)
{
    struct task *me = task_self("rv_shield_open");

    USAGE(s != NULL, "rv_shield_open: the scope is NULL");
    scope_open(me, s, deadline, true, false);
}

void scope_check_close(const char *call, const rv_scope *s, const struct task *me)
{
    USAGE(s->owner != NULL, "%s: it is not open, or was closed before", call);
    USAGE(s->owner == me, "%s: another task opened it, and only that one may close it", call);
    USAGE(me->scope == s,
          "%s: scopes must close in reverse order: one that was opened later is still open", call);
}

int rv_scope_close(rv_scope *s, int result)
{
    struct task *me = task_self("rv_scope_close");

    USAGE(s != NULL, "rv_scope_close: the scope is NULL");
    if (__builtin_expect(me->scope != s || s->owner != me, 0))
        scope_check_close("rv_scope_close", s, me);
    USAGE(!s->in_group, "rv_scope_close: this is a group's; rv_group_close closes it");
    me->scope = s->outer;
    s->owner = NULL;
    return scope_settle(s, result, me->worker->now);
}

int scope_settle(const rv_scope *s, int result, int64_t now)
{
    bool around = s->outer && !s->shield && scope_over(s->outer, now);

    if (result != -ECANCELED || (around && !PLANTED(WRONG_SCOPE)))
        return result;
    if (s->called)
        return 0;
    return s->deadline <= now ? -ETIMEDOUT : result;
}

int scope_cause(const struct task *me)
{
    int64_t now = me->worker->now;
    const rv_scope *cause = me->scope;

    while (!cause->shield && cause->outer && scope_over(cause->outer, now))
        cause = cause->outer;
    return !cause->called && cause->deadline <= now ? -ETIMEDOUT : -ECANCELED;
}

/* Asks the clock: a task that computes for long is asking because nothing else moves the time of
 * its pass; and the close that follows must see the same time. And it takes the worker's messages:
 * nobody runs for them, but what they do is done. */
bool rv_cancelled(void)
{
    struct task *me = task_self("rv_cancelled");

    if (worker_reachable(me->worker)) { /* a cancel may have come from another worker */
        branch_say_new(me->worker);     /* if that one knows whom to tell */
        if (me->worker->kernel->turn)
            me->worker->kernel->turn(me->worker->kernel, TURN_SHALL);
        worker_take_messages(me->worker);
    }
    if (me->scope->due != RV_NEVER && !task_over(me))
        me->worker->now = rv_now();
    return task_over(me);
}

/* ---- how a cancel spreads ---- */

static void reach(rv_scope *s, rv_group **to_visit)
{
    if (s->due == SCOPE_CANCELLED)
        return;
    /* atomic, since another worker may be about to open a branch of the group: branch.c */
    __atomic_store_n(&s->due, SCOPE_CANCELLED, __ATOMIC_RELAXED);
    if (s->in_group) {
        rv_group *g = CONTAINER(s, rv_group, scope);

        g->next = *to_visit;
        *to_visit = g;
    }
}

/* Reaches the scopes that t has open inside `base`, from the innermost out, except what the
 * shield nearest to base covers; wakes t if its innermost is among them. */
static void reach_inside(struct task *t, const rv_scope *base, rv_group **to_visit)
{
    rv_scope *shield = NULL;

    for (rv_scope *s = t->scope; s != base; s = s->outer)
        if (s->shield && !PLANTED(OPEN_SHIELD))
            shield = s;
    for (rv_scope *s = shield ? shield->outer : t->scope; s != base; s = s->outer)
        reach(s, to_visit);
    if (!shield)
        wait_cancel(t);
}

static void visit_children(rv_group *g, rv_group **to_visit)
{
    struct worker *w = worker_self;
    uint32_t seat = g->seated;

    if (__builtin_expect(g->away != NULL, 0))
        branch_cancel_all(g);
    if (seat == 0)
        return;
    do {
        reach_inside(w->timers.owners[seat], &g->scope, to_visit);
        seat = w->siblings[seat].next;
    } while (seat != g->seated);
}

/* Groups are visited from a list and not by recursion: trees of tasks may be deep, and a
 * canceller's stack is small. */
void scope_cancel(rv_scope *s)
{
    struct task *owner = s->owner;
    rv_group *to_visit = NULL;

    if (s->due == SCOPE_CANCELLED)
        return;
    reach(s, &to_visit);
    if (!(s->in_group & GROUP_BRANCH)) /* whose owner is inside of nothing here */
        reach_inside(owner, s, &to_visit);
    while (to_visit) {
        rv_group *g = to_visit;

        to_visit = g->next;
        visit_children(g, &to_visit);
    }
}

/* The caller's cancel, which the scope will translate: unless its deadline came first. */
static void cancel_called(rv_scope *s)
{
    if (s->deadline > worker_self->now)
        s->called = true;
    scope_cancel(s);
}

/* A cancel of another worker's scope goes there and comes back; on the canceller's stack. */
struct far_cancel {
    struct message message;
    rv_scope *scope;
    struct task *from;
};

static const struct wait_kind far_kind = {.name = "rv_cancel, on another worker"};

static void far_done(struct message *m)
{
    wait_wake(CONTAINER(m, struct far_cancel, message)->from, 0);
}

static void far_cancel(struct message *m)
{
    struct far_cancel *f = CONTAINER(m, struct far_cancel, message);

    cancel_called(f->scope);
    m->deliver = far_done;
    worker_post(f->from->worker, m);
}

static void called(const char *call, rv_scope *s)
{
    struct task *me = task_self(call), *owner;
    struct far_cancel far = {.message.deliver = far_cancel, .scope = s, .from = me};

    USAGE(s != NULL, "%s: it is NULL", call);
    owner = s->owner;
    USAGE(owner != NULL, "%s: the scope is closed", call);
    if (owner->worker == me->worker) {
        cancel_called(s);
        return;
    }
    branch_say_new(me->worker); /* the caller's own may be one, and is to be cancelled, too */
    worker_post(owner->worker, &far.message);
    (void)wait_park(me, &far_kind, &far, RV_NEVER);
}

void rv_cancel(rv_scope *s)
{
    called("rv_cancel", s);
}

void rv_group_cancel(rv_group *g)
{
    called("rv_group_cancel", g ? &g->scope : NULL);
}
