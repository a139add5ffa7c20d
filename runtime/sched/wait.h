/* wait.h: the doorway. Everything that waits passes through wait_park().
 *
 * A wait has a kind (its name in dumps, and how to end it early) and the object it is on. It ends
 * exactly once, by wait_wake(), which takes the task from parked to ready and hands over the
 * value that its call returns. Who may wake: the object itself (the completion came), the wait's
 * own time, or a cancellation. A cancellation asks the kind's abort():
 *   - true: the wait is off its object now; the doorway wakes with -ECANCELED (a sleep, a queue);
 *   - false: the owner was asked, and will wake when it is done with the waiter's memory (a
 *     kernel operation: its own completion decides, and a result that came first wins).
 * A kind without abort is not a cancel point: a group's join, a close.
 *
 * Deadlines: a task has one timer. wait_park() arms it for the nearest time that matters, unless
 * it is armed for an earlier one already, and nobody disarms it: if it fires and the time has
 * moved on, it is armed again. A deadline around each recv() thus costs two stores.
 *
 * No wait ends before its time. The loop may sleep on past the time that is due first by a 1,024th
 * of that wait's length, 1 ms at most, so that neighbours in time wake together: a halted core
 * costs 20 us to wake. A short wait beside a long one may thus be late by the long one's slack.
 *
 * All of this is on the waiter's own worker. Where others may end a wait, its kind is `shared`, and
 * waiter.h says how.
 *
 * Parked for ever, nothing pending: the worker's loop sees that and reports a deadlock.
 */
#ifndef SCHED_WAIT_H
#define SCHED_WAIT_H

#include "sched/scope.h"
#include "sched/worker.h"

struct wait_kind {
    const char *name; /* unique: which call waits, and in which of its waits */
    bool (*abort)(struct task *t, void *on);
    int (*fd)(const void *on); /* the descriptor that the wait is on, for the dump; NULL: none */
    bool shared;               /* its own time, too, asks abort() before it ends the wait */
};

/* err, from a call that fails before it waits: a point where others may run all the same, or a loop
 * that tries again would keep the worker for ever. */
int wait_refuse(struct task *me, int err) __attribute__((cold));

void wait_cancel(struct task *t);         /* its scope was cancelled or is due; parked or not */
void wait_timer(struct task *t);          /* its timer fired */
int64_t wait_slack(const struct task *t); /* how much later than armed it may fire */

static inline void wait_wake(struct task *t, int value)
{
    t->asked = false;
    t->ctx.value = value;
    worker_ready(t->worker, t);
}

/* Arms the task's timer for an earlier time. */
static inline void wait_arm(struct task *t, int64_t when)
{
    timers_set(&t->worker->timers, t->seat, when);
    t->armed = when;
}

/* When something is to be done about this wait: its own time, or its scope's if it heeds that. */
static inline int64_t wait_nearest(const struct task *t, const struct wait_kind *kind,
                                   int64_t until)
{
    return kind->abort && t->scope->due < until ? t->scope->due : until;
}

/* Tail-call it if you can: comes back with the wake's value. `until`: the wait's own time, when it
 * ends with 0. */
static inline int wait_park(struct task *me, const struct wait_kind *kind, void *on, int64_t until)
{
    struct worker *w = me->worker;
    int64_t when = wait_nearest(me, kind, until);

    me->wait = kind;
    me->wait_on = on;
    me->wait_until = until;
    me->wait_since = w->now;
    if (me->seat == 0)
        scope_take_seat(me);
    if (when < me->armed)
        wait_arm(me, when);
    task_move(me, TASK_PARKED);
    return worker_switch(w, me, worker_next(w));
}

#endif
