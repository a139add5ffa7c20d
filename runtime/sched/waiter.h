/* waiter.h: the doorway's other half: a wait that tasks of other workers, or threads, may end.
 *
 * A waiter lies on the stack of who waits, and on some object's queue, under that object's lock.
 * One word, `taken`, decides who ends the wait; there is exactly one who took it:
 *
 *     who                              on which thread      then
 *     the object (a send, an unlock)   any                  waiter_wake() with the result
 *     the wait's own time              the waiter's         wakes with 0
 *     a cancel, a deadline             the waiter's         wakes with -ECANCELED
 *
 * Who took it may use the waiter's memory (copy an item to its stack) until waiter_wake(), for who
 * waits cannot go on before: an abort that comes too late finds it taken, says "the owner was
 * asked", and the wake that is on its way ends the wait; so the result wins. The wake is a message
 * to the waiter's worker, and the message is in the waiter. On its own worker it is wait_wake().
 *
 * An object's wait kind is `shared`, and its abort() is: take the object's lock, waiter_take(), off
 * the queue. A plain thread that waits has no task; it sleeps on a futex (waiter_block).
 *
 * Ordering: `taken` is acquired and released by the exchange; what the one who ends the wait wrote
 * is seen by who waited through the inbox, or the futex's word.
 */
#ifndef SCHED_WAITER_H
#define SCHED_WAITER_H

#include "base/inbox.h"
#include "sched/wait.h"

struct waiter {
    struct message message;
    struct task *task; /* NULL: a thread */
    int value;
    uint32_t taken; /* atomic */
    uint32_t woken; /* atomic, of a thread: a futex */
};

static inline void waiter_init(struct waiter *w, struct task *task)
{
    w->task = task;
    w->taken = w->woken = 0;
}

/* True: the caller, and nobody else, ends this wait. */
static inline bool waiter_take(struct waiter *w)
{
    return __atomic_exchange_n(&w->taken, 1, __ATOMIC_ACQ_REL) == 0;
}

/* By who took it, from any thread. The waiter may be gone when this returns. */
void waiter_wake(struct waiter *w, int value);

/* Of a thread that runs no tasks: until it is woken. */
int waiter_block(struct waiter *w);

#endif
