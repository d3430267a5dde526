/*
 * x86_64/clone.S: arch/clone.h for x86-64. "System V Application Binary Interface, AMD64
 * Architecture Processor Supplement", A.2.1: a system call takes rcx and r11 and keeps the rest.
 */

#define CLONE3 435

        .text

/* long weft__arch_clone(const void *arguments [rdi], size_t size [rsi], int (*fn)(void *) [rdx],
   void *arg [rcx]) */
        .globl  weft__arch_clone
        .hidden weft__arch_clone
        .type   weft__arch_clone, @function
        .p2align 4
weft__arch_clone:
        .cfi_startproc
        endbr64
        movq    %rcx, %r8
        movl    $CLONE3, %eax
        syscall
        testq   %rax, %rax
        jz      .Lchild
        ret
.Lchild:
        .cfi_undefined rip
        xorl    %ebp, %ebp
        movq    %r8, %rdi
        callq   *%rdx
        ud2
        .cfi_endproc
        .size   weft__arch_clone, . - weft__arch_clone

/* long weft__arch_call(long number [rdi], a [rsi], b [rdx], c [rcx], d [r8]) */
        .globl  weft__arch_call
        .hidden weft__arch_call
        .type   weft__arch_call, @function
        .p2align 4
weft__arch_call:
        .cfi_startproc
        endbr64
        movq    %rdi, %rax
        movq    %rsi, %rdi
        movq    %rdx, %rsi
        movq    %rcx, %rdx
        movq    %r8, %r10
        syscall
        ret
        .cfi_endproc
        .size   weft__arch_call, . - weft__arch_call

#include "arch/x86_64/notes.inc"
