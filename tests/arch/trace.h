/* trace.h: backtraces as tests see them: the functions, innermost first, each by the address
 * at which its CFI begins. Safe in a signal handler. */
#ifndef ARCH_TRACE_H
#define ARCH_TRACE_H

#include <stdbool.h>
#include <string.h>
#include <unwind.h>

#include "registers.h"

enum { TRACE_MAX = 64 };

struct trace {
    int depth;
    bool ended;      /* at a frame that has no caller, not at one that the unwinder cannot read */
    int interrupted; /* the frame that a signal stopped; 0 if there is none */
    void *function[TRACE_MAX];
    /* Given: what a frame that called the switch through switch_with_registers() must have in
     * its registers, or NULL. Found: the first register that differs, and what it held. */
    const uint64_t *registers;
    int wrong_register; /* -1: none */
    uint64_t wrong_value;
};

static inline void trace_registers(struct trace *trace, struct _Unwind_Context *frame)
{
#ifdef REGISTERS
    static const int dwarf[] = REGISTERS_DWARF;

    for (int i = 0; i < (int)(sizeof dwarf / sizeof dwarf[0]); i++) {
        uint64_t value = _Unwind_GetGR(frame, dwarf[i]);
        if (value != trace->registers[i] && trace->wrong_register < 0) {
            trace->wrong_register = i;
            trace->wrong_value = value;
        }
    }
#else
    (void)trace, (void)frame;
#endif
}

static inline _Unwind_Reason_Code trace_frame(struct _Unwind_Context *frame, void *arg)
{
    struct trace *trace = arg;
    int stopped_here = 0;

    if (trace->depth == TRACE_MAX)
        return _URC_END_OF_STACK;
    uintptr_t at = _Unwind_GetIPInfo(frame, &stopped_here);
    if (at == 0) {
        trace->ended = true;
        return _URC_END_OF_STACK;
    }
    if (stopped_here && !trace->interrupted)
        trace->interrupted = trace->depth;
    /* It looks one before what it is given, as for a return address. */
    void *function = _Unwind_FindEnclosingFunction((void *)(at + (uintptr_t)stopped_here));
#ifdef REGISTERS
    if (trace->registers && !stopped_here && function == (void *)switch_with_registers)
        trace_registers(trace, frame);
#endif
    trace->function[trace->depth++] = function;
    return _URC_NO_REASON;
}

/* function[0] is this one, function[1] its caller. */
ITSELF static void trace_take(struct trace *trace, const uint64_t *registers)
{
    trace->depth = 0;
    trace->ended = false;
    trace->interrupted = 0;
    trace->registers = registers;
    trace->wrong_register = -1;
    _Unwind_Backtrace(trace_frame, trace);
    __asm__ volatile("" ::: "memory"); /* not a tail call */
}

#endif
