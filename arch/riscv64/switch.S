/* switch.S: the switch for RISC-V, 64 bits. The contract is in arch/switch.h.
 *
 * Callee-saved are sp, s0-s11 (psABI, "Integer Register Convention") and fs0-fs11, as doubles
 * ("Floating-point Register Convention": only as wide as the ABI's own arguments; hence lp64d and
 * no other, asserted below). No vector register is ("Vector Register Convention"). gp and tp are
 * the platform's and are not touched. The stack is aligned to 16 ("Integer Calling Convention").
 * fcsr belongs to the thread, and frm in it is left alone on purpose: fenv_save/fenv_load.
 *
 * The switch ends with a jump through t2. A return would take its prediction from the side that was
 * left; and where landing pads are enforced (Zicfilp), an indirect jump must land on one, which the
 * instruction behind a call is not, except through ra, t0 and t2, of which t2 alone is no return.
 *
 * Nothing is compressed: ENTRY_AT is a fixed distance, and a pad must lie on a multiple of 4.
 */
#include "frame.h"

#if __riscv_xlen != 64 || !defined(__riscv_float_abi_double) || defined(__riscv_32e)
#error "this port is for lp64d alone; PORT=ucontext runs on the others"
#endif

    .option norvc

/* `lpad 0`, in the spelling that any assembler takes; elsewhere it is auipc without a result. */
.macro landing_pad
    .4byte 0x00000017
.endm

/* Does one thing to each register that is saved, at its place in the frame: `wide` is for integer
 * registers, `real` for the others. */
.macro each_saved wide, real
    \wide s0, FRAME_S0
    .irp number, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    \wide s\number, FRAME_S1 + 8 * \number - 8
    .endr
    .irp number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    \real fs\number, FRAME_FS0 + 8 * \number
    .endr
.endm

.macro store register, place:vararg
    sd \register, (\place)(sp)
.endm

.macro store_real register, place:vararg
    fsd \register, (\place)(sp)
.endm

.macro load register, place:vararg
    ld \register, (\place)(sp)
.endm

.macro load_real register, place:vararg
    fld \register, (\place)(sp)
.endm

.macro lies register, place:vararg
    .cfi_offset \register, \place - FRAME_BYTES
.endm

.macro forget register, place:vararg
    .cfi_restore \register
.endm

/* A frame lies at sp + above: its CFA is the stack pointer of the code that switched, and
 * each register is where it was saved. Holds on either stack, for both have this shape. */
.macro frame_at above
    .cfi_def_cfa sp, \above + FRAME_BYTES
    lies ra, FRAME_RA
    each_saved lies, lies
.endm

.macro function name
    .globl \name
    .hidden \name
    .type \name, @function
    .balign 16
\name:
    .cfi_startproc
.endm

.macro end_function name
    .cfi_endproc
    .size \name, . - \name
.endm

    .text

/* int context_switch(struct context *from: a0, struct context *to: a1) */
function context_switch
    landing_pad
    addi sp, sp, -FRAME_BYTES
    .cfi_def_cfa_offset FRAME_BYTES
    store ra, FRAME_RA
    each_saved store, store_real
    frame_at 0
    sd sp, CONTEXT_SP(a0)
    ld sp, CONTEXT_SP(a1)
    /* Now on the other stack: from here a backtrace is that of `to`. */
    lw a0, CONTEXT_VALUE(a1)
    load t2, FRAME_RA
    each_saved load, load_real
    addi sp, sp, FRAME_BYTES
    .cfi_def_cfa_offset 0
    .cfi_register ra, t2
    each_saved forget, forget
    jr t2
end_function context_switch

/* Where a prepared context starts, ENTRY_AT bytes in. The return address is undefined, which
 * is how an unwinder is told that there is no caller; s0 is 0. The nop is never run:
 * unwinders look for a caller at its return address minus one, and while the context has not
 * started that address is the instruction behind the nop. */
function context_entry
    .cfi_undefined ra
    nop
    .if . - context_entry - ENTRY_AT
    .error "ENTRY_AT is not what frame.h says"
    .endif
    landing_pad
    mv a0, s2
    jalr s1
    unimp
end_function context_entry

/* int context_visit(struct context *ctx: a0, void (*fn)(void *): a1, void *arg: a2)
 * The way back lies on the visited stack, below its frame, where nothing else lives. fn keeps
 * the callee-saved registers for us; we change only the frame record, so that frame pointers,
 * too, lead from fn to the suspended code. */
function context_visit
    landing_pad
    addi sp, sp, -16
    .cfi_def_cfa_offset 16
    sd s0, 0(sp)
    sd ra, 8(sp)
    .cfi_offset s0, -16
    .cfi_offset ra, -8
    ld t0, CONTEXT_SP(a0)
    mv a0, a2
    sd sp, -16(t0)
    addi s0, t0, FRAME_POINTER
    .cfi_remember_state
    addi sp, t0, -16
    /* Now on the visited stack. */
    frame_at 16
    jalr a1
    ld sp, 0(sp)
    .cfi_restore_state
    ld s0, 0(sp)
    ld ra, 8(sp)
    addi sp, sp, 16
    .cfi_def_cfa_offset 0 /* said in full: LLVM 14 loses count over a restored state */
    .cfi_restore s0
    .cfi_restore ra
    li a0, 0
    ret
end_function context_visit

/* void fenv_save(struct fenv *env: a0) */
function fenv_save
    landing_pad
    frcsr a1
    sd a1, 0(a0)
    ret
end_function fenv_save

/* void fenv_load(const struct fenv *env: a0) */
function fenv_load
    landing_pad
    ld a1, 0(a0)
    fscsr a1
    ret
end_function fenv_load

/* The stack need not be executable. */
    .section .note.GNU-stack, "", @progbits

/* NT_GNU_PROPERTY_TYPE_0: GNU_PROPERTY_RISCV_FEATURE_1_AND = CFI_LP_UNLABELED. Only for who asks
 * for it: a linker that does not know the property (binutils 2.40) warns of it at each link. */
#ifdef __riscv_landing_pad_unlabeled
    .section .note.gnu.property, "a"
    .balign 8
    .long 4, 16, 5
    .asciz "GNU"
    .long 0xc0000000, 4, 1, 0
#endif
