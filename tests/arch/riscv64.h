/* riscv64.h: what tests of the switch must say in assembly, for RISC-V. See registers.h. */

#define REGISTERS 24
#define REGISTER_NAMES                                                                          \
    {                                                                                           \
        "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "fs0", "fs1", \
            "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11"              \
    }
#define REGISTERS_DWARF                                                                           \
    {                                                                                             \
        8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 40, 41, 50, 51, 52, 53, 54, 55, 56, 57, 58, \
            59                                                                                    \
    }

__asm__(".text\n"
        ".globl switch_with_registers\n"
        ".hidden switch_with_registers\n"
        ".type switch_with_registers, @function\n"
        ".balign 4\n"
        "switch_with_registers:\n"
        "    .cfi_startproc\n"
        "    .cfi_remember_state\n"
        "    addi sp, sp, -224\n"
        "    .cfi_def_cfa_offset 224\n"
        "    sd ra, 0(sp)\n    .cfi_rel_offset ra, 0\n"
        "    sd s0, 8(sp)\n    .cfi_rel_offset s0, 8\n"
        "    sd s1, 16(sp)\n    .cfi_rel_offset s1, 16\n"
        "    sd s2, 24(sp)\n    .cfi_rel_offset s2, 24\n"
        "    sd s3, 32(sp)\n    .cfi_rel_offset s3, 32\n"
        "    sd s4, 40(sp)\n    .cfi_rel_offset s4, 40\n"
        "    sd s5, 48(sp)\n    .cfi_rel_offset s5, 48\n"
        "    sd s6, 56(sp)\n    .cfi_rel_offset s6, 56\n"
        "    sd s7, 64(sp)\n    .cfi_rel_offset s7, 64\n"
        "    sd s8, 72(sp)\n    .cfi_rel_offset s8, 72\n"
        "    sd s9, 80(sp)\n    .cfi_rel_offset s9, 80\n"
        "    sd s10, 88(sp)\n    .cfi_rel_offset s10, 88\n"
        "    sd s11, 96(sp)\n    .cfi_rel_offset s11, 96\n"
        "    fsd fs0, 104(sp)\n    .cfi_rel_offset fs0, 104\n"
        "    fsd fs1, 112(sp)\n    .cfi_rel_offset fs1, 112\n"
        "    fsd fs2, 120(sp)\n    .cfi_rel_offset fs2, 120\n"
        "    fsd fs3, 128(sp)\n    .cfi_rel_offset fs3, 128\n"
        "    fsd fs4, 136(sp)\n    .cfi_rel_offset fs4, 136\n"
        "    fsd fs5, 144(sp)\n    .cfi_rel_offset fs5, 144\n"
        "    fsd fs6, 152(sp)\n    .cfi_rel_offset fs6, 152\n"
        "    fsd fs7, 160(sp)\n    .cfi_rel_offset fs7, 160\n"
        "    fsd fs8, 168(sp)\n    .cfi_rel_offset fs8, 168\n"
        "    fsd fs9, 176(sp)\n    .cfi_rel_offset fs9, 176\n"
        "    fsd fs10, 184(sp)\n    .cfi_rel_offset fs10, 184\n"
        "    fsd fs11, 192(sp)\n    .cfi_rel_offset fs11, 192\n"
        "    sd a3, 200(sp)\n"
        "    ld s0, 0(a2)\n    ld s1, 8(a2)\n"
        "    ld s2, 16(a2)\n    ld s3, 24(a2)\n"
        "    ld s4, 32(a2)\n    ld s5, 40(a2)\n"
        "    ld s6, 48(a2)\n    ld s7, 56(a2)\n"
        "    ld s8, 64(a2)\n    ld s9, 72(a2)\n"
        "    ld s10, 80(a2)\n    ld s11, 88(a2)\n"
        "    fld fs0, 96(a2)\n    fld fs1, 104(a2)\n"
        "    fld fs2, 112(a2)\n    fld fs3, 120(a2)\n"
        "    fld fs4, 128(a2)\n    fld fs5, 136(a2)\n"
        "    fld fs6, 144(a2)\n    fld fs7, 152(a2)\n"
        "    fld fs8, 160(a2)\n    fld fs9, 168(a2)\n"
        "    fld fs10, 176(a2)\n    fld fs11, 184(a2)\n"
        "    call context_switch\n"
        "    ld a3, 200(sp)\n"
        "    sd s0, 0(a3)\n    sd s1, 8(a3)\n"
        "    sd s2, 16(a3)\n    sd s3, 24(a3)\n"
        "    sd s4, 32(a3)\n    sd s5, 40(a3)\n"
        "    sd s6, 48(a3)\n    sd s7, 56(a3)\n"
        "    sd s8, 64(a3)\n    sd s9, 72(a3)\n"
        "    sd s10, 80(a3)\n    sd s11, 88(a3)\n"
        "    fsd fs0, 96(a3)\n    fsd fs1, 104(a3)\n"
        "    fsd fs2, 112(a3)\n    fsd fs3, 120(a3)\n"
        "    fsd fs4, 128(a3)\n    fsd fs5, 136(a3)\n"
        "    fsd fs6, 144(a3)\n    fsd fs7, 152(a3)\n"
        "    fsd fs8, 160(a3)\n    fsd fs9, 168(a3)\n"
        "    fsd fs10, 176(a3)\n    fsd fs11, 184(a3)\n"
        "    ld ra, 0(sp)\n"
        "    ld s0, 8(sp)\n    ld s1, 16(sp)\n"
        "    ld s2, 24(sp)\n    ld s3, 32(sp)\n"
        "    ld s4, 40(sp)\n    ld s5, 48(sp)\n"
        "    ld s6, 56(sp)\n    ld s7, 64(sp)\n"
        "    ld s8, 72(sp)\n    ld s9, 80(sp)\n"
        "    ld s10, 88(sp)\n    ld s11, 96(sp)\n"
        "    fld fs0, 104(sp)\n    fld fs1, 112(sp)\n"
        "    fld fs2, 120(sp)\n    fld fs3, 128(sp)\n"
        "    fld fs4, 136(sp)\n    fld fs5, 144(sp)\n"
        "    fld fs6, 152(sp)\n    fld fs7, 160(sp)\n"
        "    fld fs8, 168(sp)\n    fld fs9, 176(sp)\n"
        "    fld fs10, 184(sp)\n    fld fs11, 192(sp)\n"
        "    addi sp, sp, 224\n"
        "    .cfi_restore_state\n"
        "    .cfi_def_cfa_offset 0\n" /* gdb 13 restores the registers, but not this */
        "    ret\n"
        "    .cfi_endproc\n"
        "    .size switch_with_registers, . - switch_with_registers\n");

/* The frame pointer points behind the record. */
#define FRAME_RECORD(frame_pointer) ((frame_pointer)-2)

#define LANDING_PAD "\x17\x00\x00\x00" /* lpad 0 */
