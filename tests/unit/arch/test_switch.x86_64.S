/*
 * test_switch_filled for x86-64: see registers.h. Offsets of struct test_registers: integer 0,
 * vector 96, control 160. Its own frame, from rsp up: out (8), caller's MXCSR (4), x87 control word
 * (4), 8 unused, then the six registers pushed; 16-aligned at the call.
 */
        .text
        .globl  test_switch_filled
        .type   test_switch_filled, @function
test_switch_filled:
        .cfi_startproc
        endbr64
        pushq   %rbp
        pushq   %rbx
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        subq    $24, %rsp
        .cfi_def_cfa_offset 80
        .cfi_offset %rbp, -16
        .cfi_offset %rbx, -24
        .cfi_offset %r12, -32
        .cfi_offset %r13, -40
        .cfi_offset %r14, -48
        .cfi_offset %r15, -56
        movq    %rcx, (%rsp)
        stmxcsr 8(%rsp)
        fnstcw  12(%rsp)
        movq    0(%rdx), %rbx
        movq    8(%rdx), %rbp
        movq    16(%rdx), %r12
        movq    24(%rdx), %r13
        movq    32(%rdx), %r14
        movq    40(%rdx), %r15
        ldmxcsr 160(%rdx)
        fldcw   168(%rdx)
        call    weft__arch_switch
        movq    (%rsp), %rax
        movq    %rbx, 0(%rax)
        movq    %rbp, 8(%rax)
        movq    %r12, 16(%rax)
        movq    %r13, 24(%rax)
        movq    %r14, 32(%rax)
        movq    %r15, 40(%rax)
        stmxcsr 160(%rax)
        fnstcw  168(%rax)
        ldmxcsr 8(%rsp)
        fldcw   12(%rsp)
        addq    $24, %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbx
        popq    %rbp
        .cfi_def_cfa_offset 8
        ret
        .cfi_endproc
        .size   test_switch_filled, . - test_switch_filled
        .section .note.GNU-stack, "", @progbits
