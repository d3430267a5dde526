/*
 * The aarch64 switch under branch target identification, enforced: a program without a C library,
 * whose ELF note makes the loader (here the emulator) map its code guarded. Prints nothing. Exit
 * codes: 0 all switches landed; 1 a value was wrong. With an argument it branches to a place that
 * is no target and must die by SIGILL: so the check above is known to be one.
 *
 * Would catch a landing pad missing from the trampoline, prepare or the switch, and a switch that
 * goes back by a branch the hardware checks.
 */
#include <stdint.h>

#include "arch/arch.h"

static void *main_sp, *task_sp;
static long count;
static char stack[16384] __attribute__((aligned(64)));

/* exit_group(2); also the only way out, there is nothing to return to. */
static _Noreturn void leave(long code)
{
    register long x0 __asm__("x0") = code;
    register long x8 __asm__("x8") = 94;

    __asm__ volatile("svc #0" : : "r"(x0), "r"(x8) : "memory");
    __builtin_unreachable();
}

static void count_forever(void *arg)
{
    for (;;) {
        *(long *)arg += 1;
        weft__arch_switch(&task_sp, main_sp);
    }
}

/* Called through a pointer, as code in another library calls them: with a checked branch. */
static void (*volatile do_switch)(void **, void *) = weft__arch_switch;
static void *(*volatile do_prepare)(void *, void (*)(void *), void *) = weft__arch_prepare;

__attribute__((used)) static _Noreturn void run(const long *args)
{
    if (args[0] > 1)
        __asm__ volatile("adr x9, 1f\n\tbr x9\n1:\tnop" : : : "x9");
    task_sp = do_prepare(stack + sizeof stack, count_forever, &count);
    for (int i = 0; i < 1000; i++)
        do_switch(&main_sp, task_sp);
    leave(count != 1000);
}

__asm__(".globl _start\n_start:\n\thint #34\n\tmov x0, sp\n\tb run");
