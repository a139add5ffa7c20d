/* watchdog.h: names the task that keeps its worker: rv_options.watchdog_ms.
 *
 * A thread that looks at all workers a few times in that span. A worker gets round: each pass
 * counts a beat. One that is awake and has not counted for the whole span is kept by the task that
 * runs there: a computation without rv_yield(), or a call that blocks its thread. It is told once,
 * and again when it is over. Within a pass each resume takes of the worker's credit: where that has
 * changed, it is not one task, but many that run long, and it is told so, a span later. Time for
 * which the kernel had no CPU for it does not count, nor what it takes a worker to start and end:
 * outside its loop its beat is 0.
 *
 * What it reads belongs to others, who do not wait for it: it copies, looks whether the same
 * task still runs in the same pass, and only then believes what it copied. Nothing is sent to the
 * worker: a signal would cut its system calls short.
 *
 * Nothing ticks when nothing runs: when it has found all workers asleep, the watchdog sleeps until
 * one wakes up. It says so in `dozing`, then looks once more; a worker that wakes says that first,
 * and then looks at `dozing`. Both are sequentially consistent, so that one sees the other.
 */
#ifndef SCHED_WATCHDOG_H
#define SCHED_WATCHDOG_H

#include "sched/runtime.h"

/* 0 or -errno and a line on stderr. Nothing to do where it is not wanted. */
int watchdog_start(struct rv_runtime *rt);
void watchdog_stop(struct rv_runtime *rt);
void watchdog_free(struct rv_runtime *rt); /* all workers have ended */

/* A worker was asleep, and is not any more. */
void watchdog_wake(struct watchdog *d);

#endif
