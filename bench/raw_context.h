/* raw_context.h: a context on a stack of its own, for the rows that measure the bare switch. */
#ifndef RAW_CONTEXT_H
#define RAW_CONTEXT_H

#include "switch.h"

struct raw_stack {
    void *low;
};

struct raw_stack raw_context_open(struct context *ctx, void (*entry)(void *arg));
void raw_context_close(struct raw_stack stack);

#endif
