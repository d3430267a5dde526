/*
 * aarch64/clone.S: arch/clone.h for 64-bit Arm. The kernel's arch/arm64/kernel/entry.S: a system
 * call, its number in x8, keeps every register but x0. x30 is not signed: it goes nowhere.
 */

#define CLONE3 435
#define BTI_C hint #34 /* `bti c`, in the words of assemblers that do not know it */

        .text

/* long weft__arch_clone(const void *arguments [x0], size_t size [x1], int (*fn)(void *) [x2],
   void *arg [x3]) */
        .globl  weft__arch_clone
        .hidden weft__arch_clone
        .type   weft__arch_clone, %function
        .p2align 4
weft__arch_clone:
        .cfi_startproc
        BTI_C
        mov     x8, #CLONE3
        svc     #0
        cbz     x0, .Lchild
        ret
.Lchild:
        .cfi_undefined x30
        mov     x29, xzr
        mov     x0, x3
        blr     x2
        brk     #1
        .cfi_endproc
        .size   weft__arch_clone, . - weft__arch_clone

/* long weft__arch_call(long number [x0], a [x1], b [x2], c [x3], d [x4]) */
        .globl  weft__arch_call
        .hidden weft__arch_call
        .type   weft__arch_call, %function
        .p2align 4
weft__arch_call:
        .cfi_startproc
        BTI_C
        mov     x8, x0
        mov     x0, x1
        mov     x1, x2
        mov     x2, x3
        mov     x3, x4
        svc     #0
        ret
        .cfi_endproc
        .size   weft__arch_call, . - weft__arch_call

#include "arch/aarch64/notes.inc"
