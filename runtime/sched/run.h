/* run.h: a runtime's life, for whoever begins one: rv_run() and rv_sim_run(). */
#ifndef SCHED_RUN_H
#define SCHED_RUN_H

#include "sched/options.h"

/* `call` is the public one, for what it says of the caller's mistakes. */
int run_as(const char *call, const struct settings *settings, rv_fn *fn, void *arg);

#endif
