/* time.c: the clock, sleeping, yielding. */
#include <errno.h>

#include "sched/record.h"
#include "sched/wait.h"

rv_time rv_now(void)
{
    struct worker *w = worker_self;

    return w ? w->kernel->room->now(w->kernel) : clock_now();
}

rv_time rv_after(rv_time span)
{
    return span == RV_NEVER ? RV_NEVER : clock_sum(rv_now(), span);
}

/* The pass is over, or records wait: let one of them start if a ready task ran since the last one
 * did, so that spawners that only yield do not pile them up; at the end of a pass too, or one
 * would be left over each pass. */
static __attribute__((noinline)) int yield_slow(struct worker *w, struct task *me)
{
    struct task *next = NULL;
    bool alone = runq_empty(&w->ready);

    me->ctx.value = 0;
    worker_ready(w, me);
    if (w->unstarted && (alone || w->bypassed > 0))
        next = record_start(w, true);
    if (next == NULL && w->credit <= 0)
        next = &w->loop;
    if (next == NULL) {
        w->bypassed++;
        next = worker_pop(w);
    }
    if (next == me) {
        task_move(me, TASK_RUNNING);
        return 0;
    }
    return worker_switch(w, me, next);
}

int rv_yield(void)
{
    struct worker *w = worker_self;
    struct task *me;

    if (__builtin_expect(w == NULL, 0))
        return worker_missing("rv_yield");
    me = w->task;
    if (__builtin_expect(scope_over(me->scope, w->now), 0))
        return wait_refuse(me, -ECANCELED);
    if (__builtin_expect(--w->credit <= 0 || w->unstarted != 0, 0))
        return yield_slow(w, me);
    if (runq_empty(&w->ready))
        return 0;
    me->ctx.value = 0;
    worker_ready(w, me);
    return worker_switch(w, me, worker_pop(w));
}

static bool sleep_abort(struct task *t, void *on)
{
    (void)t;
    (void)on;
    return true; /* the doorway's own timer is all there is */
}

static const struct wait_kind sleep_kind = {.name = "rv_sleep", .abort = sleep_abort};

int rv_sleep_until(rv_time when)
{
    struct task *me = task_self("rv_sleep_until");

    if (task_over(me))
        return wait_refuse(me, -ECANCELED);
    if (when != RV_NEVER && when <= rv_now())
        return rv_yield();
    return wait_park(me, &sleep_kind, NULL, when);
}

int rv_sleep(rv_time span)
{
    struct task *me = task_self("rv_sleep");

    if (task_over(me))
        return wait_refuse(me, -ECANCELED);
    if (span <= 0)
        return rv_yield();
    return wait_park(me, &sleep_kind, NULL, rv_after(span));
}
