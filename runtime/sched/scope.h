/* scope.h: deadlines and cancellation, here and nowhere else.
 *
 * Scopes form a tree: a task's scopes are a stack, the outermost one's `outer` is its group's
 * scope, which stands on the group's owner's stack of scopes, and so on up to the root.
 *
 * Cancellation is a level. A scope is over when its `due` has come: each wait inside fails with
 * -ECANCELED until it closes. `due` is the nearest deadline of the scope and of all around it,
 * worked out once, at opening, so that a task knows all its deadlines from its innermost scope
 * alone. rv_cancel() moves it to the beginning of time, here and at once in all that is inside,
 * past open scopes and through groups into their children; shields stop it.
 *
 * To be found by a cancel, a task takes a seat when it first parks or opens a scope; one that does
 * neither runs to its end anyway, and is spared it. A seat is a number, for two dense tables of
 * the worker: its timer, and its place in the ring of its group's seated children. Not links
 * through the task structs: with a million tasks each neighbour is a miss of cache and TLB.
 *
 * A scope is its worker's own. A cancel from another worker is a message to it (scope.c), and what
 * other workers have of a group hears by message too (branch.h).
 *
 * Who translates: the scope that caused it. scope_settle() turns -ECANCELED into -ETIMEDOUT or 0
 * if nothing around the scope is over as well; otherwise the outer one will.
 */
#ifndef SCHED_SCOPE_H
#define SCHED_SCOPE_H

#include "sched/worker.h"

#define SCOPE_CANCELLED INT64_MIN /* a due */

static inline bool scope_over(const rv_scope *s, int64_t now)
{
    return s->due <= now;
}

/* A cancel point: the check that each waiting call makes on entry. */
static inline bool task_over(const struct task *me)
{
    return __builtin_expect(scope_over(me->scope, me->worker->now), 0);
}

void scope_take_seat(struct task *me);
void scope_leave_seat(struct task *me);

static inline void scope_open(struct task *me, rv_scope *s, int64_t deadline, bool shield,
                              uint8_t in_group)
{
    rv_scope *outer = me->scope;

    USAGE(s != outer, "a scope or group that is open is opened again");
    if (me->seat == 0)
        scope_take_seat(me);
    s->outer = outer;
    s->owner = me;
    s->deadline = deadline;
    s->due = shield || deadline < outer->due ? deadline : outer->due;
    s->called = false;
    s->shield = shield;
    s->in_group = in_group;
    me->scope = s;
}

void scope_cancel(rv_scope *s); /* on the worker of whoever opened it */
/* What -ECANCELED in this task will have become when it leaves the scope that caused it. */
int scope_cause(const struct task *me);
/* Dies in words unless s is what the task may close now. */
void scope_check_close(const char *call, const rv_scope *s, const struct task *me);
int scope_settle(const rv_scope *s, int result, int64_t now);

#endif
