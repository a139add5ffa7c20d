/* switch.h: the contract between the runtime and a CPU.
 *
 * A port is a folder arch/<cpu>/ with two files: frame.h, the layout of what a switched-out
 * context leaves on its stack (constants only: assembly and C both include it), and switch.S,
 * the functions below except context_prepare(), which is C here and the same for all: it knows
 * the layout from frame.h. arch/ucontext/ is the port that needs no assembly (switch.c instead,
 * and no layout to know). docs/porting.md brings up a new CPU with these alone;
 * tests/t_switch.c proves it with nothing else linked.
 *
 * A context is two words. `sp` is written by the switch that leaves it; `value` by whoever
 * wakes it, and comes out of its context_switch() as the return value. Results travel this
 * way, not through returns, so that a caller may tail-call context_switch() and the resumed
 * code continues at its own caller: each frame that must return costs a mispredicted ret.
 *
 * What a switch preserves: the callee-saved integer and SIMD registers of the ABI, and the
 * stack pointer. Not the floating-point control words: a task that changes them says so at
 * spawn, and fenv_save()/fenv_load() are then called around its switches (2 ns that the
 * others need not pay). Not the signal mask, as with any thread library that is quick.
 * (swapcontext() carries both along and cannot be told not to: nobody may count on either.)
 *
 * Unwinding: the CFI is exact at each instruction of switch.S, and ends at the entry frame.
 */
#ifndef ARCH_SWITCH_H
#define ARCH_SWITCH_H

#include <stddef.h>
#include <stdint.h>

#include "frame.h" /* arch/<cpu>/frame.h: CONTEXT_SP, CONTEXT_VALUE, FENV_BYTES, FRAME_... */

#pragma GCC visibility push(hidden)

struct context {
    void *sp;  /* the saved frame, while switched out */
    int value; /* what its context_switch() will return */
};

_Static_assert(offsetof(struct context, sp) == CONTEXT_SP, "frame.h and struct context agree");
_Static_assert(offsetof(struct context, value) == CONTEXT_VALUE, "and here");

/* Leaves `from`, continues `to` where it left. Returns from->value when someone switches back. */
int context_switch(struct context *from, struct context *to);

/* Calls fn(arg) on the stack of the switched-out context ctx, below what it saved, as if the
 * code that is suspended there had called it: a backtrace taken in fn shows that code. Returns
 * when fn does; ctx is as before. fn must not switch. The caller has seen to it that the stack
 * has room. Returns 0, or -1 where a port cannot (ucontext). */
int context_visit(struct context *ctx, void (*fn)(void *arg), void *arg);

/* The floating-point environment that the ABI lets a function change for good: rounding modes,
 * exception masks, flush-to-zero. */
struct fenv {
    _Alignas(8) unsigned char bytes[FENV_BYTES];
};
void fenv_save(struct fenv *env);
void fenv_load(const struct fenv *env);

/* context_prepare: makes ctx start with entry(arg) on the stack that ends (exclusively) at `top`
 * (any alignment) when it is first switched to; low is the stack's lowest usable address (only
 * ucontext asks). entry never returns. The stack is aligned as the ABI wants at a function's
 * entry, and the unwinder stops there. ctx->value is not touched: nobody receives it. */
#ifdef FRAME_BYTES

/* Not for C: the resume address of a context that has not started is ENTRY_AT bytes into it. */
void context_entry(void);

/* Builds the frame that context_entry() expects to have been restored: five stores, inline, for
 * this is on the path of every spawn. The other saved registers start as whatever lay there. */
static inline void context_prepare(struct context *ctx, void *low, void *top,
                                   void (*entry)(void *arg), void *arg)
{
    uintptr_t end = (uintptr_t)top & ~(uintptr_t)15;
    uintptr_t *frame = (uintptr_t *)(end - FRAME_BYTES);

    (void)low;
    frame[FRAME_ENTRY / sizeof *frame] = (uintptr_t)entry;
    frame[FRAME_ARG / sizeof *frame] = (uintptr_t)arg;
    frame[FRAME_CHAIN / sizeof *frame] = 0; /* the end, for those who follow frame pointers */
    frame[FRAME_RESUME / sizeof *frame] = (uintptr_t)context_entry + ENTRY_AT;
    ctx->sp = frame;
}

#else

void context_prepare(struct context *ctx, void *low, void *top, void (*entry)(void *arg),
                     void *arg);

#endif

#pragma GCC visibility pop

#endif
