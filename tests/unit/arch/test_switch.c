/*
 * The switch itself, below contexts. What these cases would catch: a register or control word lost
 * or given to the wrong stack, a misaligned entry, an argument lost on the way to the entry, an
 * unwinder that runs past the entry into whatever lies above.
 */
#include <fenv.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unwind.h>

#include "arch/arch.h"
#include "coro/sanitize.h"
#include "registers.h"
#include "support/test.h"

enum { TASKS = 3, STACK_SIZE = 256 << 10 };

#ifdef WEFT__SAN
enum { SWITCHES = 1000000 };
#else
enum { SWITCHES = 10000000 };
#endif

static void *main_sp, *task_sp[TASKS];
static char stacks[TASKS][STACK_SIZE] __attribute__((aligned(64)));
static void *seen_arg;

static void *top_of(int task)
{
    return stacks[task] + STACK_SIZE;
}

/* ---- registers ---------------------------------------------------------------------------- */

static long switches_left, mismatches;
static int current;

/* Round robin over the tasks, everything different each time, on each of them. */
static void fill_and_switch(void *arg)
{
    int self = (int)(intptr_t)arg;
    uint64_t state = 0x9E3779B97F4A7C15u * (unsigned)(self + 1);

    for (;;) {
        struct test_registers in, out = {0};
        void *to;

        test_registers_fill(&in, &state);
        current = (self + 1) % TASKS;
        to = --switches_left > 0 ? task_sp[current] : main_sp;
        test_switch_filled(&task_sp[self], to, &in, &out);
        mismatches += !test_registers_equal(&in, &out);
    }
}

TEST(every_register_survives)
{
    for (int i = 0; i < TASKS; i++)
        task_sp[i] = weft__arch_prepare(top_of(i), fill_and_switch, (void *)(intptr_t)i);
    switches_left = SWITCHES;
    weft__arch_switch(&main_sp, task_sp[0]);
    ck_assert_int_eq(switches_left, 0);
    ck_assert_int_eq(mismatches, 0);
}

/* ---- control words ------------------------------------------------------------------------ */

static int task_rounding[2];
static double task_quotient[2];
static volatile double one = 1, three = 3, ten = 10;

/* Both units are asked: fegetround looks at one of x87 and SSE, a division uses the other. */
static void round_downward(void *arg)
{
    (void)arg;
    task_rounding[0] = fegetround();
    task_quotient[0] = one / three;
    fesetround(FE_DOWNWARD);
    weft__arch_switch(&task_sp[0], main_sp);
    task_rounding[1] = fegetround();
    task_quotient[1] = one / ten;
    weft__arch_switch(&task_sp[0], main_sp);
    abort();
}

TEST(control_words_belong_to_the_task)
{
    fesetround(FE_UPWARD);
    task_sp[0] = weft__arch_prepare(top_of(0), round_downward, NULL);
    fesetround(FE_TOWARDZERO);
    weft__arch_switch(&main_sp, task_sp[0]);
    ck_assert_int_eq(task_rounding[0], FE_UPWARD); /* as where prepare was called, not the switch */
    ck_assert_int_eq(fegetround(), FE_TOWARDZERO);
    fesetround(FE_TONEAREST);
    weft__arch_switch(&main_sp, task_sp[0]);
    ck_assert_int_eq(task_rounding[1], FE_DOWNWARD);
    ck_assert_int_eq(fegetround(), FE_TONEAREST);
    ck_assert(task_quotient[0] > one / three); /* to the nearest is down here */
    ck_assert(task_quotient[1] < one / ten);   /* and up here */
}

#if defined(__x86_64__)

static void divide_with_traps(void *arg)
{
    uint16_t traps = 0x037b; /* division by zero is not masked */
    double result = 0;

    (void)arg;
    __asm__ volatile("fldcw %0" : : "m"(traps));
    weft__arch_switch(&task_sp[0], main_sp);
    __asm__ volatile("fld1; fld1; faddp; fstpl %0" : "=m"(result));
    seen_arg = result == 2 ? top_of(0) : NULL;
    weft__arch_switch(&task_sp[0], main_sp);
    abort();
}

TEST(a_stale_x87_flag_does_not_trap_in_another_task)
{
    double result;

    task_sp[0] = weft__arch_prepare(top_of(0), divide_with_traps, NULL);
    weft__arch_switch(&main_sp, task_sp[0]);
    __asm__ volatile("fld1; fldz; fdivrp; fstpl %0" : "=m"(result)); /* masked here: infinity */
    weft__arch_switch(&main_sp, task_sp[0]);
    ck_assert_ptr_eq(seen_arg, top_of(0));
}

#else

TEST(a_stale_x87_flag_does_not_trap_in_another_task)
{
    ck_assert_int_eq(sizeof(void *), 8); /* no x87 here, and Arm's traps are not raised late */
}

#endif

/* ---- the entry ---------------------------------------------------------------------------- */

static uintptr_t entry_frame;

static void note_entry(void *arg)
{
    entry_frame = (uintptr_t)__builtin_frame_address(0);
    seen_arg = arg;
    weft__arch_switch(&task_sp[0], main_sp);
    abort();
}

TEST(the_entry_gets_an_aligned_stack_and_its_argument)
{
    for (int i = 0; i < 16; i++) { /* each stagger a pool can give */
        char *top = (char *)top_of(0) - i * 64;

        task_sp[0] = weft__arch_prepare(top, note_entry, &seen_arg);
        weft__arch_switch(&main_sp, task_sp[0]);
        ck_assert_uint_eq(entry_frame % 16, 0);
        ck_assert(entry_frame < (uintptr_t)top && entry_frame > (uintptr_t)top - 4096);
        ck_assert_ptr_eq(seen_arg, &seen_arg);
    }
}

/* ---- unwinding ---------------------------------------------------------------------------- */

struct walk {
    int frames;
    bool saw_inner, saw_outer, left_the_stack;
};

static struct walk walk;
static void *inner_start, *outer_start;

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *arg)
{
    void *function = _Unwind_FindEnclosingFunction((void *)_Unwind_GetIP(context));
    uintptr_t cfa = _Unwind_GetCFA(context);

    (void)arg;
    walk.frames++;
    walk.saw_inner |= function == inner_start;
    walk.saw_outer |= function == outer_start;
    walk.left_the_stack |= cfa < (uintptr_t)stacks[0] || cfa > (uintptr_t)top_of(0);
    return walk.frames < 100 ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static __attribute__((noinline)) void unwind_inner(void)
{
    _Unwind_Backtrace(note_frame, NULL);
    __asm__ volatile("");
}

static __attribute__((noinline)) void unwind_outer(void *arg)
{
    (void)arg;
    unwind_inner();
    weft__arch_switch(&task_sp[0], main_sp);
    abort();
}

TEST(a_backtrace_ends_at_the_entry)
{
    inner_start = (void *)unwind_inner;
    outer_start = (void *)unwind_outer;
    task_sp[0] = weft__arch_prepare(top_of(0), unwind_outer, NULL);
    weft__arch_switch(&main_sp, task_sp[0]);
    ck_assert(walk.saw_inner);
    ck_assert(walk.saw_outer);
    ck_assert(!walk.left_the_stack);
    ck_assert_int_le(walk.frames, 4); /* the two above, the trampoline, and the unwinder's start */
}

TEST_MAIN("arch/switch", 120, every_register_survives, control_words_belong_to_the_task,
          a_stale_x87_flag_does_not_trap_in_another_task,
          the_entry_gets_an_aligned_stack_and_its_argument, a_backtrace_ends_at_the_entry)
