/*
 * Something for steps.py to walk through: two stacks that switch to each other a few times, each
 * from a function with a caller of its own, with other values in all registers each time.
 */
#include "registers.h"

enum { ABOVE = 256 }; /* what lies above the task's stack: an unwinder may take it for a frame */

static void *main_sp, *task_sp;
static char stack[65536] __attribute__((aligned(64)));
static volatile long turns;
static uint64_t state = 1;

__attribute__((noinline)) void task_inner(void);
__attribute__((noinline)) void task_outer(void *arg);
__attribute__((noinline)) void main_inner(void);

static void fill_and_switch(void **save, void *to)
{
    struct test_registers in, out;

    test_registers_fill(&in, &state);
    test_switch_filled(save, to, &in, &out);
    turns++;
}

void task_inner(void)
{
    turns++;
    fill_and_switch(&task_sp, main_sp);
}

void task_outer(void *arg)
{
    (void)arg;
    for (;;)
        task_inner();
}

/* From two places, since the switch ends in two ways. */
void main_inner(void)
{
    if (turns++ % 8 < 4)
        weft__arch_switch(&main_sp, task_sp);
    else
        fill_and_switch(&main_sp, task_sp);
}

int main(void)
{
    char *top = stack + sizeof stack - ABOVE;

    for (int i = 0; i < ABOVE; i += (int)sizeof(void *))
        *(void **)(top + i) = (void *)main;
    task_sp = weft__arch_prepare(top, task_outer, 0);
    for (int i = 0; i < 4; i++)
        main_inner();
    return turns < 4;
}
