/* virtual.h: the workers of a simulated world: several of them on one thread. See virtual.c. */
#ifndef SCHED_VIRTUAL_H
#define SCHED_VIRTUAL_H

#include "sched/runtime.h"

/* Worker w, one of those from 1 on, by worker 0: 0, or -errno and a line on stderr. */
int virtual_start(struct worker *w);

/* Worker 0 is out of its loop, those before `end` are about to leave theirs: they do, and stop. */
void virtual_join(struct rv_runtime *rt, unsigned end);

#endif
