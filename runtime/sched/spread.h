/* spread.h: records of rv_spread_open() groups: which worker starts them.
 *
 * A worker keeps the newest few (worker.spread: its own, unlocked), and puts the others on its
 * shelf (base/shelf.h), where anybody may take from the old end: of a tree of spawns those are the
 * biggest subtrees, so that few have to be taken. It starts its newest itself, and when it has none
 * left it takes the newest back.
 *
 * Who is idle takes: half of what lies on a shelf, STEAL_MOST at most. And who has much gives: a
 * worker with well more tasks that wait for the world (descriptors, operations) than the one that
 * has the fewest, by an eighth and DEAL_SLACK, sends it records instead of starting them. Otherwise
 * a server whose connections come one by one would keep them all: it is idle itself when one
 * comes, and a started task does not move. Computations, and who waits for those, do not count.
 * Who is awake and has not got round for KEPT_NS is passed over: a task keeps it, and it has few
 * because it takes none.
 *
 * With somebody asleep nothing is kept: all that a worker does not start at once goes to the shelf,
 * at the spawn. With everybody busy, PRIVATE_MOST are out of the others' reach for as long as a
 * task keeps this worker.
 *
 * With one worker a spread group is a plain one, and nothing here is called.
 */
#ifndef SCHED_SPREAD_H
#define SCHED_SPREAD_H

#include "sched/record.h"

enum {
    PRIVATE_MOST = 16,
    PRIVATE_BATCH = 8,
    STEAL_MOST = 32,
    DEAL_SLACK = 4,
    KEPT_NS = 2 * 1000 * 1000,
};

#define DEAL_UNKNOWN UINT32_MAX /* worker.deal_left: nobody asked yet in this pass */

int spread_open(struct worker *w); /* 0 or -ENOMEM */
void spread_close(struct worker *w);

/* At the beginning of a pass: is there a record on the shelf that nobody else starts? And how many
 * tasks are here, for whoever deals. */
void spread_look(struct worker *w);

/* Takes from others: true, there is something to start. */
bool spread_steal(struct worker *w);

/* The worker's own shelf: true, some of it is its own again. */
bool spread_fetch(struct worker *w);

/* Is there something to take on anybody's shelf? */
bool spread_anywhere(const struct worker *w);

/* It will take what it is sent soon: it sleeps, or its pass is not old. */
bool spread_gets_round(const struct worker *w, int64_t now);

/* r, which is in no list, is to start on `to`, which may be this worker. */
void spread_send(struct worker *to, struct record *r);

/* What was taken from other workers and is over goes home. */
void spread_return(struct worker *w, struct record *r);
void spread_return_all(struct worker *w);

#endif
