/* wait.c: ends of waits. See wait.h. */
#include "sched/wait.h"

#include <errno.h>

#include "base/plant.h"

/* How long a cancelled kernel operation may keep its task before that is worth a line. */
#define STUCK_AFTER_NS (5 * RV_S)

int wait_refuse(struct task *me, int err)
{
    worker_charge(me->worker);
    return err;
}

void wait_cancel(struct task *t)
{
    int64_t later;

    if (t->state != TASK_PARKED || t->asked || t->wait->abort == NULL)
        return;
    t->asked = true;
    if (t->wait->abort(t, t->wait_on)) {
        wait_wake(t, -ECANCELED);
        return;
    }
    if (t->state != TASK_PARKED)
        return;
    later = clock_sum(t->worker->now, STUCK_AFTER_NS);
    t->wait_until = later; /* no longer when it ends, but when it is reported */
    if (later < t->armed)
        wait_arm(t, later);
}

int64_t wait_slack(const struct task *t)
{
    int64_t slack;

    if (t->armed <= t->wait_since) /* over before it began, perhaps since the beginning of time */
        return 0;
    slack = (t->armed - t->wait_since) / 1024;
    return slack > RV_MS ? RV_MS : slack;
}

static void report_stuck(struct task *t)
{
    char who[256];

    task_describe(t, who, sizeof who);
    report("%s was cancelled in %s 5 s ago and must wait on: the kernel still holds its buffers",
           who, t->wait->name);
}

void wait_timer(struct task *t)
{
    int64_t now = t->worker->now, next;

    t->armed = RV_NEVER;
    if (t->state != TASK_PARKED)
        return;
    if (t->wait_until <= now) {
        if (t->asked)
            report_stuck(t);
        else if (!t->wait->shared || t->wait->abort(t, t->wait_on))
            wait_wake(t, 0);
        else
            t->asked = true; /* somebody else ends it: the word of that is under way */
        return;
    }
    if (!t->asked && t->wait->abort && t->scope->due <= now) {
        wait_cancel(t);
        return;
    }
    next = t->asked ? t->wait_until : wait_nearest(t, t->wait, t->wait_until);
    if (next != RV_NEVER && !PLANTED(LATE_TIMER))
        wait_arm(t, next);
}
