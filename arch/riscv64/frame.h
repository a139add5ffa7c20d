/* frame.h: what a switched-out context leaves at its stack pointer, RISC-V (psABI, lp64d).
 *
 * Offsets in bytes from context.sp, which is a multiple of 16. s0 and ra come first: they make a
 * frame record that a walk along frame pointers can start from, though on this CPU a frame pointer
 * points behind its record, by FRAME_POINTER. Constants only.
 */
#ifndef ARCH_FRAME_H
#define ARCH_FRAME_H

#define CONTEXT_SP 0
#define CONTEXT_VALUE 8

#define FRAME_S0 0
#define FRAME_RA 8
#define FRAME_S1 16   /* up to s11, 8 bytes each */
#define FRAME_FS0 104 /* up to fs11, likewise; 8 bytes are left over behind it */
#define FRAME_BYTES 208
#define FRAME_POINTER (FRAME_S0 + 16) /* where one points whose record is here */

/* Where context_prepare() puts what the first run needs. */
#define FRAME_ENTRY FRAME_S1
#define FRAME_ARG (FRAME_S1 + 8) /* s2 */
#define FRAME_CHAIN FRAME_S0
#define FRAME_RESUME FRAME_RA
#define ENTRY_AT 4 /* context_entry begins with one instruction that is never run */

#define FENV_BYTES 8 /* fcsr */

#endif
