/* group.h: a scope and the tasks in it. It always joins.
 *
 *     open -> (closing: the owner waits for the last child) -> closed
 *
 * live counts the children, started or not; the last one to end settles the result of
 * rv_group_close() and wakes the owner, so that the close needs no code after its wait. The first
 * error cancels the rest and is the result; a child that ends with -ECANCELED because the group
 * was cancelled is no error (`lost` remembers it, for the scope to translate).
 *
 * A child is found by a cancel through `parked`, a ring of those that have waited (scope.h).
 */
#ifndef SCHED_GROUP_H
#define SCHED_GROUP_H

#include "sched/worker.h"

/* A child ended with this result, or could not start. May wake the owner. */
void group_child_done(rv_group *g, int result);

#endif
