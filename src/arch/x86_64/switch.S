/*
 * x86_64/switch.S: the context switch for x86-64, System V ABI.
 *
 * The frame a switched-away context leaves at its stack pointer:
 *
 *      offset  size  what
 *        0      4    MXCSR
 *        4      2    x87 control word
 *        6      2    unused
 *        8      8    r15
 *       16      8    r14
 *       24      8    r13
 *       32      8    r12         (first frame: the argument)
 *       40      8    rbx         (first frame: the entry function)
 *       48      8    rbp         (first frame: 0, the end of the frame pointer chain)
 *       56      8    return address (first frame: the trampoline below)
 *       64           the caller's stack, as before its call
 *
 * "System V Application Binary Interface, AMD64 Architecture Processor Supplement", 3.2.1 and
 * figure 3.4: rbx, rbp and r12 to r15 are the callee's to keep; so are the control bits of MXCSR
 * and the x87 control word, while the status bits of both are not; DF is clear at every call.
 *
 * How it ends. A return is predicted to go where the last call came from. When both contexts were
 * left from the same place, as when every task parks in one function, that is right: `ret`, and the
 * returns after it, into the callers of that function, are predicted too. Otherwise `ret` would
 * miss each time and an indirect jump does not. Measured on Zen 5, tasks of three calls' depth
 * parking in one function, ns a switch: always jmp 33, always ret 5.2, this 5.4; two different
 * places: always jmp 2.8, always ret 8.7, this 2.9 (all without control words).
 * The jump is `notrack`, since the place after a call carries no endbr64 and would fault under
 * indirect branch tracking. The shadow stack note is not set: a shadow stack is not switched here.
 *
 * The control words, same machine, ns more per switch: reading both 1.7 (MXCSR; fnstcw nothing);
 * loading MXCSR always 0.1, comparing it first 2.0, since the value just stored must be read back;
 * loading the x87 word always 0.4, comparing it first nothing. Hence one is loaded always, the
 * other when it differs. So a task keeps its own sticky SSE exception flags, which the ABI does
 * not ask for.
 */

#define FRAME_MXCSR 0
#define FRAME_X87 4
#define FRAME_R15 8
#define FRAME_R14 16
#define FRAME_R13 24
#define FRAME_R12 32
#define FRAME_RBX 40
#define FRAME_RBP 48
#define FRAME_RETURN 56
#define FRAME_SIZE 64

        .text

/* void weft__arch_switch(void **save [rdi], void *to [rsi]) */
        .globl  weft__arch_switch
        .hidden weft__arch_switch
        .type   weft__arch_switch, @function
        .p2align 6
weft__arch_switch:
        .cfi_startproc
        endbr64
        movq    (%rsp), %r8
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r15, 0
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        stmxcsr FRAME_MXCSR(%rsp)
        fnstcw  FRAME_X87(%rsp)
        movzwl  FRAME_X87(%rsp), %edx

        /* The other stack holds a frame of the same shape at its top, so the rules above go on
         * being true, and from the next instruction on describe the one switched to. */
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp

.Larrive:
        ldmxcsr FRAME_MXCSR(%rsp)
        cmpw    FRAME_X87(%rsp), %dx
        jne     .Lload_x87
.Lrestore:
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbp
        cmpq    (%rsp), %r8
        jne     .Lelsewhere
        ret
.Lelsewhere:
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register %rip, %rcx
        notrack jmp *%rcx

        .cfi_restore %rip
        .cfi_def_cfa_offset FRAME_SIZE
        .cfi_offset %rbp, -16
        .cfi_offset %rbx, -24
        .cfi_offset %r12, -32
        .cfi_offset %r13, -40
        .cfi_offset %r14, -48
        .cfi_offset %r15, -56
.Lload_x87:
        /* An exception flag left over from the other task would fire at once if this one unmasks
         * it; the flags are nobody's across a call, so they go. */
        fnclex
        fldcw   FRAME_X87(%rsp)
        jmp     .Lrestore
        .cfi_endproc
        .size   weft__arch_switch, . - weft__arch_switch

/*
 * Where the first switch to a context arrives: rbx the entry function, r12 its argument, rsp
 * 16-aligned, as it must be before a call. The unwinder stops here, since the return address is
 * declared unknown. It looks up the address before the one it returns to, hence the nop.
 */
        .type   trampoline, @function
        .p2align 4
trampoline:
        .cfi_startproc
        .cfi_undefined %rip
        .cfi_def_cfa_offset 0
        nop
.Ltrampoline_entry:
        endbr64
        movq    %r12, %rdi
        call    *%rbx
        /* The entry came back: the context at rax goes on. Calls and returns have been balanced since
         * somebody switched here, so if the task ran through, that somebody's call is the one the
         * processor remembers, and if he is who goes on, a plain `ret` is right: r8 makes it so. */
        subq    $8, %rsp
        fnstcw  (%rsp)
        movzwl  (%rsp), %edx
        movq    (%rax), %rsp
        movq    FRAME_RETURN(%rsp), %r8
        jmp     .Larrive
        .cfi_endproc
        .size   trampoline, . - trampoline

/* void *weft__arch_prepare(void *top [rdi], void (*entry)(void *) [rsi], void *arg [rdx]) */
        .globl  weft__arch_prepare
        .hidden weft__arch_prepare
        .type   weft__arch_prepare, @function
        .p2align 4
weft__arch_prepare:
        .cfi_startproc
        endbr64
        leaq    -FRAME_SIZE(%rdi), %rax
        leaq    .Ltrampoline_entry(%rip), %rcx
        xorl    %r8d, %r8d
        stmxcsr FRAME_MXCSR(%rax)
        fnstcw  FRAME_X87(%rax)
        movq    %r8, FRAME_R15(%rax)
        movq    %r8, FRAME_R14(%rax)
        movq    %r8, FRAME_R13(%rax)
        movq    %rdx, FRAME_R12(%rax)
        movq    %rsi, FRAME_RBX(%rax)
        movq    %r8, FRAME_RBP(%rax)
        movq    %rcx, FRAME_RETURN(%rax)
        ret
        .cfi_endproc
        .size   weft__arch_prepare, . - weft__arch_prepare

#include "arch/x86_64/notes.inc"
