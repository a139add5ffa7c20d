/* run.h: a runtime's life, for whoever begins one: rv_run() and rv_sim_run(). */
#ifndef SCHED_RUN_H
#define SCHED_RUN_H

#include <pthread.h>

#include "sched/options.h"

/* `call` is the public one, for what it says of the caller's mistakes. */
int run_as(const char *call, const struct settings *settings, rv_fn *fn, void *arg);

/* A thread of the library's: no signal handler of the program runs there. 0 or -errno. */
int run_thread(pthread_t *out_thread, void *(*fn)(void *), void *arg);

#endif
