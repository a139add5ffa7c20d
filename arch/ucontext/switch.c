/* switch.c: the switch for any CPU that libc knows, by <ucontext.h>. The contract is in
 * arch/switch.h.
 *
 * context.sp points to a ucontext_t on the context's own stack: in the frame of the
 * context_switch() that left it, or, before the first run, at the stack's top. So a context
 * needs no memory beside its stack and its two words, here as elsewhere.
 *
 * It is slow (two system calls a switch, for a signal mask that nobody asked for) and is the
 * way to run at all on a CPU that has no port yet, and the yardstick for those that have.
 */
#include <stdlib.h>
#include <ucontext.h>

#include "switch.h"

/* Lies at the top of a prepared stack. */
struct start {
    ucontext_t context; /* first: context.sp of a prepared context points to it */
    void (*entry)(void *arg);
    void *arg;
};

/* makecontext() passes ints only: a pointer travels as two halves. */
static void start_run(unsigned high, unsigned low)
{
    struct start *start = (struct start *)(uintptr_t)((uint64_t)high << 32 | low);

    start->entry(start->arg);
    abort();
}

int context_switch(struct context *from, struct context *to)
{
    ucontext_t here;

    from->sp = &here;
    if (swapcontext(&here, to->sp) < 0)
        abort(); /* only for a bad address */
    return from->value;
}

void context_prepare(struct context *ctx, void *low, void *top, void (*entry)(void *arg), void *arg)
{
    uintptr_t at = ((uintptr_t)top - sizeof(struct start)) & ~(uintptr_t)63;
    struct start *start = (struct start *)at;

    if (getcontext(&start->context) < 0)
        abort();
    start->entry = entry;
    start->arg = arg;
    start->context.uc_link = NULL;
    start->context.uc_stack.ss_sp = low;
    start->context.uc_stack.ss_size = at - (uintptr_t)low;
    makecontext(&start->context, (void (*)(void))start_run, 2, (unsigned)((uint64_t)at >> 32),
                (unsigned)at);
    ctx->sp = &start->context;
}

/* Nothing in <ucontext.h> can call a function on top of a saved context. */
int context_visit(struct context *ctx, void (*fn)(void *arg), void *arg)
{
    (void)ctx, (void)fn, (void)arg;
    return -1;
}

void fenv_save(struct fenv *env)
{
    fegetenv((fenv_t *)env->bytes);
}

void fenv_load(const struct fenv *env)
{
    fesetenv((const fenv_t *)env->bytes);
}
