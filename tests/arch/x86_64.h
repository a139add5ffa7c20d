/* x86_64.h: what tests of the switch must say in assembly, for x86-64. See registers.h. */

#define REGISTERS 6
#define REGISTER_NAMES                           \
    {                                            \
        "rbx", "rbp", "r12", "r13", "r14", "r15" \
    }
#define REGISTERS_DWARF      \
    {                        \
        3, 6, 12, 13, 14, 15 \
    }

__asm__(".text\n"
        ".globl switch_with_registers\n"
        ".hidden switch_with_registers\n"
        ".type switch_with_registers, @function\n"
        "switch_with_registers:\n"
        "    .cfi_startproc\n"
        "    pushq %rbp\n    .cfi_adjust_cfa_offset 8\n    .cfi_rel_offset %rbp, 0\n"
        "    pushq %rbx\n    .cfi_adjust_cfa_offset 8\n    .cfi_rel_offset %rbx, 0\n"
        "    pushq %r12\n    .cfi_adjust_cfa_offset 8\n    .cfi_rel_offset %r12, 0\n"
        "    pushq %r13\n    .cfi_adjust_cfa_offset 8\n    .cfi_rel_offset %r13, 0\n"
        "    pushq %r14\n    .cfi_adjust_cfa_offset 8\n    .cfi_rel_offset %r14, 0\n"
        "    pushq %r15\n    .cfi_adjust_cfa_offset 8\n    .cfi_rel_offset %r15, 0\n"
        "    pushq %rcx\n    .cfi_adjust_cfa_offset 8\n"
        "    movq 0(%rdx), %rbx\n"
        "    movq 8(%rdx), %rbp\n"
        "    movq 16(%rdx), %r12\n"
        "    movq 24(%rdx), %r13\n"
        "    movq 32(%rdx), %r14\n"
        "    movq 40(%rdx), %r15\n"
        "    call context_switch\n"
        "    popq %rcx\n    .cfi_adjust_cfa_offset -8\n"
        "    movq %rbx, 0(%rcx)\n"
        "    movq %rbp, 8(%rcx)\n"
        "    movq %r12, 16(%rcx)\n"
        "    movq %r13, 24(%rcx)\n"
        "    movq %r14, 32(%rcx)\n"
        "    movq %r15, 40(%rcx)\n"
        "    popq %r15\n    .cfi_adjust_cfa_offset -8\n    .cfi_restore %r15\n"
        "    popq %r14\n    .cfi_adjust_cfa_offset -8\n    .cfi_restore %r14\n"
        "    popq %r13\n    .cfi_adjust_cfa_offset -8\n    .cfi_restore %r13\n"
        "    popq %r12\n    .cfi_adjust_cfa_offset -8\n    .cfi_restore %r12\n"
        "    popq %rbx\n    .cfi_adjust_cfa_offset -8\n    .cfi_restore %rbx\n"
        "    popq %rbp\n    .cfi_adjust_cfa_offset -8\n    .cfi_restore %rbp\n"
        "    ret\n"
        "    .cfi_endproc\n"
        "    .size switch_with_registers, . - switch_with_registers\n");

/* The frame pointer points to the caller's, with the return address above it. */
#define FRAME_RECORD(frame_pointer) (frame_pointer)

/* Faults on a stack that is not aligned as the psABI wants. */
#define USE_ALIGNED(place) __asm__ volatile("movaps %%xmm0, %0" : "=m"(*(place)))

#define LANDING_PAD "\xf3\x0f\x1e\xfa" /* endbr64 */

/* The trap flag, set and cleared in what the handler of SIGTRAP returns to: doing it in line
 * would move the stack pointer behind the compiler's CFI. */
#define STEP_TOGGLE() __asm__ volatile("int3" ::: "memory")
#define STEP_TOGGLED(info) ((info)->si_code == SI_KERNEL)
#define STEP_SET(context, on)                                \
    ((on) ? ((context)->uc_mcontext.gregs[REG_EFL] |= 0x100) \
          : ((context)->uc_mcontext.gregs[REG_EFL] &= ~0x100))

/* In a signal handler: where it struck, and the red zone, which the handler's frame skips. */
#define INTERRUPTED_AT(context) ((char *)(context)->uc_mcontext.gregs[REG_RIP])
#define BELOW_BYTES 128
#define BELOW_STACK(context) ((char *)(context)->uc_mcontext.gregs[REG_RSP] - BELOW_BYTES)
