/*
 * test_switch_filled for aarch64: see registers.h. Offsets of struct test_registers: integer 0,
 * vector 96, control 160. Its own frame: out (0), caller's FPCR (8), x19-x30 (16), d8-d15 (112).
 */
        .text
        .globl  test_switch_filled
        .type   test_switch_filled, %function
test_switch_filled:
        .cfi_startproc
        hint    #34
        sub     sp, sp, #176
        .cfi_def_cfa_offset 176
        stp     x19, x20, [sp, #16]
        stp     x21, x22, [sp, #32]
        stp     x23, x24, [sp, #48]
        stp     x25, x26, [sp, #64]
        stp     x27, x28, [sp, #80]
        stp     x29, x30, [sp, #96]
        .cfi_rel_offset x29, 96
        .cfi_rel_offset x30, 104
        stp     d8, d9, [sp, #112]
        stp     d10, d11, [sp, #128]
        stp     d12, d13, [sp, #144]
        stp     d14, d15, [sp, #160]
        mrs     x9, fpcr
        stp     x3, x9, [sp]
        ldp     x19, x20, [x2, #0]
        ldp     x21, x22, [x2, #16]
        ldp     x23, x24, [x2, #32]
        ldp     x25, x26, [x2, #48]
        ldp     x27, x28, [x2, #64]
        ldr     x29, [x2, #80]
        ldp     d8, d9, [x2, #96]
        ldp     d10, d11, [x2, #112]
        ldp     d12, d13, [x2, #128]
        ldp     d14, d15, [x2, #144]
        ldr     x9, [x2, #160]
        msr     fpcr, x9
        bl      weft__arch_switch
        ldp     x3, x10, [sp]
        mrs     x9, fpcr
        stp     x19, x20, [x3, #0]
        stp     x21, x22, [x3, #16]
        stp     x23, x24, [x3, #32]
        stp     x25, x26, [x3, #48]
        stp     x27, x28, [x3, #64]
        str     x29, [x3, #80]
        stp     d8, d9, [x3, #96]
        stp     d10, d11, [x3, #112]
        stp     d12, d13, [x3, #128]
        stp     d14, d15, [x3, #144]
        str     x9, [x3, #160]
        msr     fpcr, x10
        ldp     x19, x20, [sp, #16]
        ldp     x21, x22, [sp, #32]
        ldp     x23, x24, [sp, #48]
        ldp     x25, x26, [sp, #64]
        ldp     x27, x28, [sp, #80]
        ldp     x29, x30, [sp, #96]
        ldp     d8, d9, [sp, #112]
        ldp     d10, d11, [sp, #128]
        ldp     d12, d13, [sp, #144]
        ldp     d14, d15, [sp, #160]
        add     sp, sp, #176
        .cfi_def_cfa_offset 0
        ret
        .cfi_endproc
        .size   test_switch_filled, . - test_switch_filled
        .section .note.GNU-stack, "", %progbits
