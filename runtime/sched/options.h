/* options.h: what a runtime is told, by its program or by REEVE_ variables.
 *
 * The program's own field wins, then the variable, then the default. A value that makes no sense
 * is refused with a line that names it; a variable REEVE_… that nobody knows is pointed out, for
 * it is most likely a slip.
 */
#ifndef SCHED_OPTIONS_H
#define SCHED_OPTIONS_H

#include "kernel/kernel.h"
#include "reeve.h"
#include "stack/stack.h"

struct settings {
    struct kernel_config kernel;
    enum stack_guard guard;
    size_t stack_bytes;
    size_t tasks_max;
    bool wipe_stacks;
};

/* 0, or -EINVAL and a line on stderr. given may be NULL. */
int options_read(struct settings *out, const rv_options *given);

#endif
