/*
 * x86_64/dispatch.S: the stretch of code whose system calls the kernel never dispatches: dispatch.c
 * says why. "System V ABI, AMD64 Architecture Processor Supplement", A.2.1.
 */
        .text

        .globl  weft__dispatch_low
        .hidden weft__dispatch_low
        .p2align 4
weft__dispatch_low:

/* long weft__dispatch_call(long number [rdi], const uintptr_t arguments[6] [rsi]) */
        .globl  weft__dispatch_call
        .hidden weft__dispatch_call
        .type   weft__dispatch_call, @function
weft__dispatch_call:
        .cfi_startproc
        endbr64
        movq    %rdi, %rax
        movq    %rsi, %r11
        movq    0(%r11), %rdi
        movq    8(%r11), %rsi
        movq    16(%r11), %rdx
        movq    24(%r11), %r10
        movq    32(%r11), %r8
        movq    40(%r11), %r9
        syscall
        ret
        .cfi_endproc
        .size   weft__dispatch_call, . - weft__dispatch_call

/* Where the signal handler returns to: rt_sigreturn(2), in the form that debuggers know. */
        .globl  weft__dispatch_restore
        .hidden weft__dispatch_restore
        .type   weft__dispatch_restore, @function
        .p2align 4
        nop
weft__dispatch_restore:
        movq    $15, %rax
        syscall
        ud2 /* the kernel compares where a call would go on: that is to lie inside, too */
        .size   weft__dispatch_restore, . - weft__dispatch_restore

        .globl  weft__dispatch_high
        .hidden weft__dispatch_high
weft__dispatch_high:
        nop

#include "arch/x86_64/notes.inc"
