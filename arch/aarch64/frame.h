/* frame.h: what a switched-out context leaves at its stack pointer, AArch64 (AAPCS64).
 *
 * Offsets in bytes from context.sp, which is a multiple of 16. x29 and x30 come first: they
 * make a frame record that a walk along frame pointers can start from. Constants only.
 */
#ifndef ARCH_FRAME_H
#define ARCH_FRAME_H

#define CONTEXT_SP 0
#define CONTEXT_VALUE 8

#define FRAME_X29 0 /* each pair is stored at once: the odd one is 8 further */
#define FRAME_X19 16
#define FRAME_X21 32
#define FRAME_X23 48
#define FRAME_X25 64
#define FRAME_X27 80
#define FRAME_D8 96
#define FRAME_D10 112
#define FRAME_D12 128
#define FRAME_D14 144
#define FRAME_BYTES 160

/* Where context_prepare() puts what the first run needs. */
#define FRAME_ENTRY FRAME_X19
#define FRAME_ARG (FRAME_X19 + 8)
#define FRAME_CHAIN FRAME_X29
#define FRAME_RESUME (FRAME_X29 + 8)
#define ENTRY_AT 4 /* context_entry begins with one instruction that is never run */

#define FENV_BYTES 8 /* fpcr */

#endif
