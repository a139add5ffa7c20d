/* life.h: a worker's beginning and end, on its own thread. */
#ifndef SCHED_LIFE_H
#define SCHED_LIFE_H

#include <signal.h>

#include "sched/runtime.h"

/* Memory for a worker that is nothing yet; NULL: there is none. */
struct worker *worker_new(struct rv_runtime *rt, unsigned index);

/* It owns what it needs from here on, and is this thread's: 0; or -errno, it owns nothing, and a
 * line on stderr says what was missing. */
int worker_start(struct worker *w);
void worker_stop(struct worker *w); /* no task is left, and nobody calls it any more */
/* When all workers have stopped: they have records of each other's. */
void worker_free(struct worker *w);

/* Counts forks, in the child: a runtime with another number is the parent's. */
extern unsigned life_process;

/* The fork handlers, and what names a task when the process dies; once is enough. */
void life_prepare_process(void);

/* SIGPIPE is blocked on threads that run tasks (hazard 36: a ring write to a broken pipe raises it
 * whatever flags are given); one that arrived is taken before the mask is put back. */
void life_block_sigpipe(sigset_t *before);
void life_unblock_sigpipe(const sigset_t *before);

#endif
