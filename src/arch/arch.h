/*
 * arch.h: the contract of the only assembly in the library.
 *
 * Two functions per machine, in <machine>/switch.S. They know nothing of tasks, pools or
 * sanitizers; src/coro/context.h is their only caller. Any thread may call them. What always
 * holds: a stack pointer produced by weft__arch_prepare or saved by weft__arch_switch is switched
 * to at most once, by the thread that owns that stack.
 *
 * What a switch keeps, and what it does not:
 *   x86-64   rbx rbp r12-r15, the control bits of MXCSR and the x87 control word.
 *   aarch64  x19-x30, d8-d15 and the control bits of FPCR.
 * Control words belong to the task: one that changes its rounding mode keeps it over a switch and
 * does not pass it on. The sticky exception flags (MXCSR bits 0-5, x87 status word, FPSR) are
 * nobody's, as over any function call in both ABIs: do not ask fetestexcept across a switch.
 * Not kept: errno (the task layer does), the signal mask, DF (clear by ABI), AMX/SVE/SME state
 * (caller-saved or off by ABI at a call).
 */
#ifndef WEFT_ARCH_ARCH_H
#define WEFT_ARCH_ARCH_H

#include <stddef.h>

/*
 * How far apart the probes of -fstack-clash-protection may be: a guard of at least this size cannot
 * be stepped over. GCC and clang probe each page on x86-64 and each 64 KiB on aarch64
 * (--param stack-clash-protection-guard-size).
 */
#if defined(__x86_64__)
#define WEFT__ARCH_GUARD_SIZE ((size_t)4 << 10)
#elif defined(__aarch64__)
#define WEFT__ARCH_GUARD_SIZE ((size_t)64 << 10)
#else
#error "weft knows how to switch stacks on x86-64 and aarch64"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Saves the caller's callee-saved state on its own stack, stores the resulting stack pointer in
 * *save, loads `to`, restores the state found there and goes on where that state was saved.
 * Returns when somebody switches to *save.
 *
 * Cheapest when all contexts are left from one place: keep the call in one function that is not
 * inlined, and let everything that parks go through it. See "How it ends" in x86_64/switch.S.
 */
void weft__arch_switch(void **save, void *to);

/*
 * Builds the first frame of a new stack below `top` (16-aligned) and returns what to switch to.
 * The switch calls entry(arg), with the control words in force where prepare was called. entry
 * either never returns, or is in truth a `void **(*)(void *)`: what it returns is where the stack
 * pointer stands that weft__arch_switch saved of the one who goes on. The stack it ran on is left
 * for good by then.
 */
void *weft__arch_prepare(void *top, void (*entry)(void *), void *arg);

#ifdef __cplusplus
}
#endif

#endif
