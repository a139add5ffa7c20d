/* room.h: rv_group_limit: spawns that wait until their group has room, in order.
 *
 * A wait is on the group's own worker, on a list from g->room_first. Once it no longer waits, woken
 * or cancelled, it is counted in live as if its task were there: the place that it was woken for is
 * nobody else's, and the group cannot be closed under it.
 *
 * From another worker the record itself goes to the group's, and waits there: it is a child like
 * those that were spawned there from then on. Its spawner waits for the answer. A cancel of that
 * wait is a second message, and the spawner goes on when both are back:
 *     asking -> (queued) -> answered          withdraw: none -> under way -> back
 */
#ifndef SCHED_ROOM_H
#define SCHED_ROOM_H

#include "sched/record.h"
#include "sched/wait.h"

/* Waits, on the group's worker: 0, or -ECANCELED. */
int room_wait(struct task *me, rv_group *g);

/* Sends r, which nobody counts, to `root`, a group of another worker that me is inside of, to start
 * on `to` (NULL: as its others do): 0; or -ECANCELED, and r is the caller's still. */
int room_send(struct task *me, rv_group *root, struct record *r, struct worker *to);

/* There may be room now. */
void room_look(rv_group *g);

#endif
