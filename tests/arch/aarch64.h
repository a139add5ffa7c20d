/* aarch64.h: what tests of the switch must say in assembly, for AArch64. See registers.h. */

#define REGISTERS 19
#define REGISTER_NAMES                                                                           \
    {                                                                                            \
        "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "d8", "d9", \
            "d10", "d11", "d12", "d13", "d14", "d15"                                             \
    }
#define REGISTERS_DWARF                            \
    {                                              \
        19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29 \
    }

__asm__(".text\n"
        ".globl switch_with_registers\n"
        ".hidden switch_with_registers\n"
        ".type switch_with_registers, %function\n"
        ".balign 4\n"
        "switch_with_registers:\n"
        "    .cfi_startproc\n"
        "    hint #34\n"
        "    .cfi_remember_state\n"
        "    sub sp, sp, #176\n"
        "    .cfi_adjust_cfa_offset 176\n"
        "    stp x29, x30, [sp, #0]\n    .cfi_rel_offset x29, 0\n    .cfi_rel_offset x30, 8\n"
        "    stp x19, x20, [sp, #16]\n   .cfi_rel_offset x19, 16\n   .cfi_rel_offset x20, 24\n"
        "    stp x21, x22, [sp, #32]\n   .cfi_rel_offset x21, 32\n   .cfi_rel_offset x22, 40\n"
        "    stp x23, x24, [sp, #48]\n   .cfi_rel_offset x23, 48\n   .cfi_rel_offset x24, 56\n"
        "    stp x25, x26, [sp, #64]\n   .cfi_rel_offset x25, 64\n   .cfi_rel_offset x26, 72\n"
        "    stp x27, x28, [sp, #80]\n   .cfi_rel_offset x27, 80\n   .cfi_rel_offset x28, 88\n"
        "    stp d8, d9, [sp, #96]\n     .cfi_rel_offset d8, 96\n    .cfi_rel_offset d9, 104\n"
        "    stp d10, d11, [sp, #112]\n  .cfi_rel_offset d10, 112\n  .cfi_rel_offset d11, 120\n"
        "    stp d12, d13, [sp, #128]\n  .cfi_rel_offset d12, 128\n  .cfi_rel_offset d13, 136\n"
        "    stp d14, d15, [sp, #144]\n  .cfi_rel_offset d14, 144\n  .cfi_rel_offset d15, 152\n"
        "    str x3, [sp, #160]\n"
        "    ldp x19, x20, [x2, #0]\n"
        "    ldp x21, x22, [x2, #16]\n"
        "    ldp x23, x24, [x2, #32]\n"
        "    ldp x25, x26, [x2, #48]\n"
        "    ldp x27, x28, [x2, #64]\n"
        "    ldr x29, [x2, #80]\n"
        "    ldp d8, d9, [x2, #88]\n"
        "    ldp d10, d11, [x2, #104]\n"
        "    ldp d12, d13, [x2, #120]\n"
        "    ldp d14, d15, [x2, #136]\n"
        "    bl context_switch\n"
        "    ldr x3, [sp, #160]\n"
        "    stp x19, x20, [x3, #0]\n"
        "    stp x21, x22, [x3, #16]\n"
        "    stp x23, x24, [x3, #32]\n"
        "    stp x25, x26, [x3, #48]\n"
        "    stp x27, x28, [x3, #64]\n"
        "    str x29, [x3, #80]\n"
        "    stp d8, d9, [x3, #88]\n"
        "    stp d10, d11, [x3, #104]\n"
        "    stp d12, d13, [x3, #120]\n"
        "    stp d14, d15, [x3, #136]\n"
        "    ldp x29, x30, [sp, #0]\n"
        "    ldp x19, x20, [sp, #16]\n"
        "    ldp x21, x22, [sp, #32]\n"
        "    ldp x23, x24, [sp, #48]\n"
        "    ldp x25, x26, [sp, #64]\n"
        "    ldp x27, x28, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #176\n"
        "    .cfi_restore_state\n"
        "    ret\n"
        "    .cfi_endproc\n"
        "    .size switch_with_registers, . - switch_with_registers\n");

/* The frame pointer points to the caller's, with the return address above it. */
#define FRAME_RECORD(frame_pointer) (frame_pointer)

#define LANDING_PAD "\x5f\x24\x03\xd5" /* bti c */

/* An indirect branch into a page with this protection (PROT_BTI) lands on a pad, or faults. */
#define GUARD_PROTECTION 0x10

/* To be copied into such a page: calls fn(a, b) and is returned to. */
__asm__(".text\n"
        ".balign 4\n"
        ".globl guard_call, guard_return, guard_call_end\n"
        ".hidden guard_call, guard_return, guard_call_end\n"
        "guard_call:\n"
        "    hint #34\n"
        "    str x30, [sp, #-16]!\n"
        "    blr x2\n"
        "guard_return:\n"
        "    ldr x30, [sp], #16\n"
        "    ret\n"
        "guard_call_end:\n");
