/* registers.h: the few things that tests of the switch cannot say in C, per CPU.
 *
 * A CPU's header may define, and a test says SKIP where it does not:
 *   REGISTERS              how many callee-saved registers there are, 64 bits each
 *   REGISTER_NAMES         their names, as a debugger knows them
 *   REGISTERS_DWARF        the DWARF numbers of those that the unwinder can be asked for; a
 *                          prefix of the same order
 *   switch_with_registers  below, in assembly, with CFI
 *   FRAME_RECORD(fp)       where a frame pointer's {caller's frame pointer, return address} lies
 *   USE_ALIGNED(place)     an access that faults unless place, 16 bytes, is aligned
 *   LANDING_PAD            the instruction that an indirect call must land on
 *   GUARD_PROTECTION       the mprotect bit that enforces it, and in assembly guard_call(a, b, fn)
 *                          (up to guard_call_end), which calls fn(a, b) to return to guard_return
 *   STEP_TOGGLE()          raises a SIGTRAP whose siginfo is STEP_TOGGLED()
 *   STEP_SET(context, on)  in its handler: a SIGTRAP after each instruction from now on, or no more
 *   BELOW_STACK(context)   in a handler: BELOW_BYTES below the interrupted stack pointer that its
 *                          own frame leaves alone, with INTERRUPTED_AT(context), the instruction
 */
#ifndef ARCH_REGISTERS_H
#define ARCH_REGISTERS_H

#include "switch.h"

#if defined(__x86_64__)
#include "x86_64.h"
#elif defined(__aarch64__)
#include "aarch64.h"
#elif defined(__riscv) && __riscv_xlen == 64
#include "riscv64.h"
#endif

#ifdef REGISTERS
/* Fills the callee-saved registers from `in`, switches, and stores into `out` what they hold
 * afterwards. Returns what the switch returned. */
__attribute__((visibility("hidden"))) long
switch_with_registers(struct context *from, struct context *to, const uint64_t *in, uint64_t *out);
#endif

/* A function that must stay one, and be found under its own name in a backtrace. */
#ifdef __clang__
#define ITSELF __attribute__((noinline, used))
#else
#define ITSELF __attribute__((noipa, used))
#endif

#endif
