/* journey.h: one walk through every instruction of a port, for those who step along.
 *
 * t_switch.c steps with the trap flag and unwinds in the signal handler; walk.c is stepped by a
 * debugger (unwind-steps). Both write a backtrace as a word, innermost first, one letter a frame:
 *   s context_switch   r switch_with_registers   T journey_body   E context_entry
 *   v context_visit    f journey_visitor         M journey and all that called it
 * and compare it with the words that are right on the stack they are on. In a frame r that
 * called the switch, the registers must be those of its side.
 */
#ifndef ARCH_JOURNEY_H
#define ARCH_JOURNEY_H

#include "registers.h"

#define JOURNEY_MAIN_WORDS "M", "rM", "srM", "vM"
#define JOURNEY_TASK_WORDS "E", "sE", "vE", "fvE", "TE", "rTE", "srTE", "vrTE", "fvrTE"

#ifdef REGISTERS

static struct context journey_main, journey_task;
static uint64_t journey_main_registers[REGISTERS], journey_task_registers[REGISTERS];
static uint64_t journey_registers_after[REGISTERS];
static volatile int journey_visits;
/* Frames that the unwinder must not reach: return addresses into a real function. */
static struct {
    _Alignas(64) unsigned char stack[64 * 1024];
    uintptr_t bait[16];
} journey_room;

ITSELF static void journey_visitor(void *arg)
{
    *(volatile int *)arg += 1;
}

ITSELF static void journey_body(void *arg)
{
    for (;;)
        switch_with_registers(&journey_task, &journey_main, arg, journey_registers_after);
}

ITSELF static void journey_prepare(void)
{
    for (int i = 0; i < REGISTERS; i++) {
        journey_main_registers[i] = 0x1111000011110000u + (uint64_t)i;
        journey_task_registers[i] = 0x2222000022220000u + (uint64_t)i;
    }
    for (size_t i = 0; i < sizeof journey_room.bait / sizeof journey_room.bait[0]; i++)
        journey_room.bait[i] = (uintptr_t)journey_prepare + 8;
    context_prepare(&journey_task, journey_room.stack,
                    journey_room.stack + sizeof journey_room.stack, journey_body,
                    journey_task_registers);
}

ITSELF static int journey(void)
{
    int failed = context_visit(&journey_task, journey_visitor, (void *)&journey_visits);

    switch_with_registers(&journey_main, &journey_task, journey_main_registers,
                          journey_registers_after);
    failed |= context_visit(&journey_task, journey_visitor, (void *)&journey_visits);
    switch_with_registers(&journey_main, &journey_task, journey_main_registers,
                          journey_registers_after);
    return failed;
}

#endif
#endif
