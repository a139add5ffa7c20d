/* switch.S: the switch for x86-64 System V. The contract is in arch/switch.h.
 *
 * Callee-saved are rbx, rbp, r12-r15 (psABI 3.2.1); no SIMD register is. The x87 and SSE
 * control words are too, and are left alone on purpose: fenv_save/fenv_load.
 *
 * The switch ends with an indirect jump, not ret: the return stack holds the address of the
 * last call, which is the side we leave, so a ret mispredicts every time (Zen 5: 8.6 ns a
 * switch against 2.5), while the indirect predictor learns who follows whom. notrack, since
 * the address is one behind a call and no endbr64 stands there.
 *
 * The property note says IBT and not SHSTK: a shadow stack would have to be switched too,
 * and one object without the mark makes the linker drop it for the whole program.
 */
#include "frame.h"

/* A frame lies at rsp + above: its CFA is the stack pointer behind the return address, and
 * each register is where it was saved. Holds on either stack, for both have this shape. */
.macro frame_at above
    .cfi_def_cfa %rsp, \above + FRAME_BYTES
    .cfi_offset %rbx, FRAME_RBX - FRAME_BYTES
    .cfi_offset %rbp, FRAME_RBP - FRAME_BYTES
    .cfi_offset %r12, FRAME_R12 - FRAME_BYTES
    .cfi_offset %r13, FRAME_R13 - FRAME_BYTES
    .cfi_offset %r14, FRAME_R14 - FRAME_BYTES
    .cfi_offset %r15, FRAME_R15 - FRAME_BYTES
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

/* int context_switch(struct context *from: rdi, struct context *to: rsi) */
function context_switch
    endbr64
    subq $FRAME_RIP, %rsp
    .cfi_adjust_cfa_offset FRAME_RIP
    movq %rbp, FRAME_RBP(%rsp)
    movq %rbx, FRAME_RBX(%rsp)
    movq %r12, FRAME_R12(%rsp)
    movq %r13, FRAME_R13(%rsp)
    movq %r14, FRAME_R14(%rsp)
    movq %r15, FRAME_R15(%rsp)
    frame_at 0
    movq %rsp, CONTEXT_SP(%rdi)
    movq CONTEXT_SP(%rsi), %rsp
    /* Now on the other stack: from here a backtrace is that of `to`. */
    movq FRAME_RIP(%rsp), %rcx
    movl CONTEXT_VALUE(%rsi), %eax
    movq FRAME_RBP(%rsp), %rbp
    movq FRAME_RBX(%rsp), %rbx
    movq FRAME_R12(%rsp), %r12
    movq FRAME_R13(%rsp), %r13
    movq FRAME_R14(%rsp), %r14
    movq FRAME_R15(%rsp), %r15
    addq $FRAME_BYTES, %rsp
    .cfi_def_cfa_offset 0
    .cfi_restore %rbx
    .cfi_restore %rbp
    .cfi_restore %r12
    .cfi_restore %r13
    .cfi_restore %r14
    .cfi_restore %r15
    .cfi_register %rip, %rcx
    notrack jmp *%rcx
end_function context_switch

/* Where a prepared context starts, ENTRY_AT bytes in, with the stack pointer a multiple of
 * 16: the call leaves entry the alignment of psABI 3.2.2. The return address is undefined,
 * which is how an unwinder is told that there is no caller; rbp is 0. The nop is never run:
 * unwinders look for a caller at its return address minus one, and while the context has not
 * started that address is the instruction behind the nop. */
function context_entry
    .cfi_undefined %rip
    nop
    .if . - context_entry - ENTRY_AT
    .error "ENTRY_AT is not what frame.h says"
    .endif
    endbr64
    movq %r12, %rdi
    call *%rbx
    ud2
end_function context_entry

/* int context_visit(struct context *ctx: rdi, void (*fn)(void *): rsi, void *arg: rdx)
 * The way back lies on the visited stack, below its frame, where nothing else lives. fn keeps
 * the callee-saved registers for us; we change only rbp, so that frame pointers, too, lead
 * from fn to the suspended code. */
function context_visit
    endbr64
    pushq %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    movq CONTEXT_SP(%rdi), %rax
    movq %rdx, %rdi
    movq %rsp, -8(%rax)
    leaq FRAME_RBP(%rax), %rbp
    .cfi_remember_state
    leaq -8(%rax), %rsp
    /* Now on the visited stack, aligned for a call. */
    frame_at 8
    call *%rsi
    popq %rsp
    .cfi_restore_state
    popq %rbp
    .cfi_def_cfa_offset 8 /* said in full: LLVM 14 loses count over a restored state */
    .cfi_restore %rbp
    xorl %eax, %eax
    ret
end_function context_visit

/* void fenv_save(struct fenv *env: rdi) */
function fenv_save
    endbr64
    stmxcsr FENV_MXCSR(%rdi)
    fnstcw FENV_X87(%rdi)
    ret
end_function fenv_save

/* void fenv_load(const struct fenv *env: rdi) */
function fenv_load
    endbr64
    ldmxcsr FENV_MXCSR(%rdi)
    fldcw FENV_X87(%rdi)
    ret
end_function fenv_load

/* The stack need not be executable. */
    .section .note.GNU-stack, "", @progbits

/* NT_GNU_PROPERTY_TYPE_0: GNU_PROPERTY_X86_FEATURE_1_AND = IBT. */
    .section .note.gnu.property, "a"
    .balign 8
    .long 4, 16, 5
    .asciz "GNU"
    .long 0xc0000002, 4, 1, 0
