/* group.h: a scope and the tasks in it. It always joins.
 *
 *     open -> (closing: the owner waits for the last child) -> closed
 *
 * live counts the children, started or not; the last one to end settles the result of
 * rv_group_close() and wakes the owner, so that the close needs no code after its wait. The first
 * error cancels the rest and is the result; a child that ends with -ECANCELED because the group
 * was cancelled is no error (`lost` remembers it, for the scope to translate).
 *
 * Children of other workers are counted in live, too, and come back as those of a branch: branch.h.
 *
 * A child is found by a cancel through `seated`, a ring of those that have waited or opened a
 * scope (scope.h).
 */
#ifndef SCHED_GROUP_H
#define SCHED_GROUP_H

#include "sched/wait.h"

/* What is rare at a child's end: an error, someone who waits for room, a cancellation. */
void group_child_failed(rv_group *g, int result);
void group_made_room(rv_group *g, size_t count);
int group_settle_slowly(rv_group *g);
void branch_empty(rv_group *g);
/* Of a branch of g: so many, their errors have been told. */
void group_children_done(rv_group *g, size_t count);

/* rv_go(), to start on `to`. */
void group_go_on(const char *call, rv_group *g, rv_fn *fn, void *arg, const char *site,
                 struct worker *to);

/* The group is empty and its owner closes it: what the close returns. */
static inline int group_settle(rv_group *g, struct task *owner)
{
    owner->scope = g->scope.outer;
    g->scope.owner = NULL;
    if (__builtin_expect(g->error | g->lost, 0))
        return group_settle_slowly(g);
    return g->result;
}

/* A child ended with this result, or could not start. May wake the owner. */
static inline void group_child_done(rv_group *g, int result)
{
    struct task *owner = g->scope.owner;

    if (__builtin_expect(result < 0, 0))
        group_child_failed(g, result);
    g->live--;
    if (__builtin_expect(g->room_first != NULL, 0))
        group_made_room(g, 1);
    if (g->live == 0 && g->closing) {
        if (__builtin_expect(g->scope.in_group & GROUP_BRANCH, 0))
            branch_empty(g);
        else
            wait_wake(owner, group_settle(g, owner));
    }
}

#endif
