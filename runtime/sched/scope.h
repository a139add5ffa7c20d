/* scope.h: deadlines and cancellation, here and nowhere else.
 *
 * Scopes form a tree: a task's scopes are a stack, the outermost one's `outer` is its group's
 * scope, which stands on the group's owner's stack of scopes, and so on up to the root.
 *
 * Cancellation is a level. A scope is over when a cancel reaches it (reached) or its time has come
 * (due): each wait inside fails with -ECANCELED until it closes. `due` is the nearest deadline of
 * the scope and all around it, worked out once, at opening, so that a task knows its deadline
 * from its innermost scope alone. `reached` is spread at once by rv_cancel(), downwards, past
 * open scopes and through groups into their children, and stops at shields.
 *
 * To be found by a cancel, a task is linked into its group when it first parks or opens a scope;
 * a task that never does either runs to its end anyway, and is spared the links.
 *
 * Who translates: the scope that caused it. scope_settle() turns -ECANCELED into -ETIMEDOUT or 0
 * if nothing around the scope is over as well; otherwise the outer one will.
 */
#ifndef SCHED_SCOPE_H
#define SCHED_SCOPE_H

#include "sched/worker.h"

static inline bool scope_over(const rv_scope *s, int64_t now)
{
    return s->reached || s->due <= now;
}

/* A cancel point: the check that each waiting call makes on entry. */
static inline bool task_over(const struct task *me)
{
    return __builtin_expect(scope_over(me->scope, me->worker->now), 0);
}

void scope_link(struct task *me); /* into its group, for cancels to find */
void scope_unlink(struct task *me);
void scope_open(struct task *me, rv_scope *s, int64_t deadline, bool shield, bool in_group);
void scope_cancel(rv_scope *s);
int scope_settle(const rv_scope *s, int result, int64_t now);

#endif
