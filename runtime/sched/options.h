/* options.h: what a runtime is told, by its program or by REEVE_ variables.
 *
 * The program's own field wins, then the variable, then the default. A value that makes no sense
 * is refused with a line that names it; a variable REEVE_… that nobody knows is pointed out, for
 * it is most likely a slip.
 */
#ifndef SCHED_OPTIONS_H
#define SCHED_OPTIONS_H

#include "kernel/sim/sim.h"
#include "reeve.h"
#include "stack/stack.h"

enum { WORKERS_MAX = 256, WORKERS_AUTO_SIM = 4 };

struct settings {
    struct kernel_config kernel;
    struct sim_config sim; /* what kernel.sim leads to: a calm world, unless said otherwise */
    enum stack_guard guard;
    size_t stack_bytes;
    size_t tasks_max;
    unsigned workers; /* 1 to WORKERS_MAX */
    bool pin_workers;
    int64_t watchdog_ns; /* a task that keeps its worker so long is named; 0: none is */
    bool wipe_stacks;
    bool log;
};

/* 0, or -EINVAL and a line on stderr. given may be NULL. */
int options_read(struct settings *out, const rv_options *given);

/* REEVE_SEED, REEVE_SEEDS: 1, and *out is set; 0, it is not there; -EINVAL, and a line. */
int options_seed(uint64_t *out);
int options_seeds(uint64_t *out);

#endif
