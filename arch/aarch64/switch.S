/* switch.S: the switch for AArch64. The contract is in arch/switch.h.
 *
 * Callee-saved are x19-x28, the frame record x29/x30, sp, and the low halves of v8-v15
 * (AAPCS64 6.1). x18 is the platform's and is not touched. FPCR is left alone on purpose:
 * fenv_save/fenv_load.
 *
 * The switch ends with ret, unlike x86-64's: an indirect br may land on a `bti` only, and the
 * instruction behind a call is none, so in a BTI program br would fault; ret is exempt. The
 * return address is stored as it is: signing it (paciasp) would need every prepared frame
 * signed too. A pac-ret program thus has one unsigned return address in each parked context.
 */
#include "frame.h"

/* A frame lies at sp + above: its CFA is the stack pointer of the code that switched, and
 * each register is where it was saved. Holds on either stack, for both have this shape. */
.macro frame_at above
    .cfi_def_cfa sp, \above + FRAME_BYTES
    pair_at x29, x30, FRAME_X29
    pair_at x19, x20, FRAME_X19
    pair_at x21, x22, FRAME_X21
    pair_at x23, x24, FRAME_X23
    pair_at x25, x26, FRAME_X25
    pair_at x27, x28, FRAME_X27
    pair_at d8, d9, FRAME_D8
    pair_at d10, d11, FRAME_D10
    pair_at d12, d13, FRAME_D12
    pair_at d14, d15, FRAME_D14
.endm

.macro pair_at even, odd, place
    .cfi_offset \even, \place - FRAME_BYTES
    .cfi_offset \odd, \place + 8 - FRAME_BYTES
.endm

.macro forget registers:vararg
    .irp register, \registers
    .cfi_restore \register
    .endr
.endm

.macro function name
    .globl \name
    .hidden \name
    .type \name, %function
    .balign 16
\name:
    .cfi_startproc
.endm

.macro end_function name
    .cfi_endproc
    .size \name, . - \name
.endm

    .text

/* int context_switch(struct context *from: x0, struct context *to: x1) */
function context_switch
    hint #34 /* bti c, in the spelling that any assembler takes */
    sub sp, sp, #FRAME_BYTES
    .cfi_adjust_cfa_offset FRAME_BYTES
    stp x29, x30, [sp, #FRAME_X29]
    stp x19, x20, [sp, #FRAME_X19]
    stp x21, x22, [sp, #FRAME_X21]
    stp x23, x24, [sp, #FRAME_X23]
    stp x25, x26, [sp, #FRAME_X25]
    stp x27, x28, [sp, #FRAME_X27]
    stp d8, d9, [sp, #FRAME_D8]
    stp d10, d11, [sp, #FRAME_D10]
    stp d12, d13, [sp, #FRAME_D12]
    stp d14, d15, [sp, #FRAME_D14]
    frame_at 0
    mov x9, sp
    str x9, [x0, #CONTEXT_SP]
    ldr x9, [x1, #CONTEXT_SP]
    mov sp, x9
    /* Now on the other stack: from here a backtrace is that of `to`. */
    ldr w0, [x1, #CONTEXT_VALUE]
    ldp x29, x30, [sp, #FRAME_X29]
    ldp x19, x20, [sp, #FRAME_X19]
    ldp x21, x22, [sp, #FRAME_X21]
    ldp x23, x24, [sp, #FRAME_X23]
    ldp x25, x26, [sp, #FRAME_X25]
    ldp x27, x28, [sp, #FRAME_X27]
    ldp d8, d9, [sp, #FRAME_D8]
    ldp d10, d11, [sp, #FRAME_D10]
    ldp d12, d13, [sp, #FRAME_D12]
    ldp d14, d15, [sp, #FRAME_D14]
    add sp, sp, #FRAME_BYTES
    .cfi_def_cfa_offset 0
    forget x29, x30, x19, x20, x21, x22, x23, x24, x25, x26, x27, x28
    forget d8, d9, d10, d11, d12, d13, d14, d15
    ret
end_function context_switch

/* Where a prepared context starts, ENTRY_AT bytes in. The return address is undefined, which
 * is how an unwinder is told that there is no caller; x29 is 0. The nop is never run:
 * unwinders look for a caller at its return address minus one, and while the context has not
 * started that address is the instruction behind the nop. */
function context_entry
    .cfi_undefined x30
    nop
    .if . - context_entry - ENTRY_AT
    .error "ENTRY_AT is not what frame.h says"
    .endif
    hint #34 /* bti c */
    mov x0, x20
    blr x19
    udf #0
end_function context_entry

/* int context_visit(struct context *ctx: x0, void (*fn)(void *): x1, void *arg: x2)
 * The way back lies on the visited stack, below its frame, where nothing else lives. fn keeps
 * the callee-saved registers for us; we change only the frame record, so that frame pointers,
 * too, lead from fn to the suspended code. */
function context_visit
    hint #34 /* bti c */
    stp x29, x30, [sp, #-16]!
    .cfi_def_cfa_offset 16
    .cfi_offset x29, -16
    .cfi_offset x30, -8
    ldr x9, [x0, #CONTEXT_SP]
    mov x0, x2
    mov x10, sp
    str x10, [x9, #-16]
    add x29, x9, #FRAME_X29
    .cfi_remember_state
    sub sp, x9, #16
    /* Now on the visited stack. */
    frame_at 16
    blr x1
    ldr x9, [sp]
    mov sp, x9
    .cfi_restore_state
    ldp x29, x30, [sp], #16
    .cfi_def_cfa_offset 0 /* said in full: LLVM 14 loses count over a restored state */
    .cfi_restore x29
    .cfi_restore x30
    mov w0, #0
    ret
end_function context_visit

/* void fenv_save(struct fenv *env: x0) */
function fenv_save
    hint #34 /* bti c */
    mrs x1, fpcr
    str x1, [x0]
    ret
end_function fenv_save

/* void fenv_load(const struct fenv *env: x0) */
function fenv_load
    hint #34 /* bti c */
    ldr x1, [x0]
    msr fpcr, x1
    ret
end_function fenv_load

/* The stack need not be executable. */
    .section .note.GNU-stack, "", %progbits

/* NT_GNU_PROPERTY_TYPE_0: GNU_PROPERTY_AARCH64_FEATURE_1_AND = BTI. */
    .section .note.gnu.property, "a"
    .balign 8
    .long 4, 16, 5
    .asciz "GNU"
    .long 0xc0000000, 4, 1, 0
