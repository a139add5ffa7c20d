/* frame.h: what a switched-out context leaves at its stack pointer, x86-64 System V.
 *
 * Offsets in bytes from context.sp. sp is 8 below a multiple of 16, as the return address
 * is: a visit counts on it. rbp lies right below the return address, so that the two make a
 * frame record that a walk along frame pointers can start from. Constants only.
 */
#ifndef ARCH_FRAME_H
#define ARCH_FRAME_H

#define CONTEXT_SP 0
#define CONTEXT_VALUE 8

#define FRAME_R15 0
#define FRAME_R14 8
#define FRAME_R13 16
#define FRAME_R12 24
#define FRAME_RBX 32
#define FRAME_RBP 40
#define FRAME_RIP 48
#define FRAME_BYTES 56

/* Where context_prepare() puts what the first run needs. */
#define FRAME_ENTRY FRAME_RBX
#define FRAME_ARG FRAME_R12
#define FRAME_CHAIN FRAME_RBP
#define FRAME_RESUME FRAME_RIP
#define ENTRY_AT 1 /* context_entry begins with one byte that is never run */

#define FENV_MXCSR 0
#define FENV_X87 4
#define FENV_BYTES 8

#endif
