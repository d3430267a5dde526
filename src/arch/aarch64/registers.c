/*
 * aarch64/registers.c - "DWARF for the Arm 64-bit Architecture", 4.1.
 */
#include "arch/registers.h"

#include <string.h>
#include <ucontext.h>

enum { X19 = 19, X29 = 29, X30 = 30, SP = 31 };

static void name(struct weft__registers *registers)
{
    memset(registers, 0, sizeof *registers);
    registers->sp = SP;
    registers->fp = X29;
    registers->ra = X30;
}

/* switch.S draws the frame: d8 to d15, then x19 to x30. */
void weft__registers_parked(struct weft__registers *registers, const void *sp)
{
    const uintptr_t *frame = (const uintptr_t *)sp;

    name(registers);
    for (uint32_t i = X19; i <= X30; i++)
        registers->value[i] = frame[8 + i - X19];
    registers->pc = weft__registers_code(registers->value[X30]);
    registers->value[SP] = (uintptr_t)(frame + 22);
}

void weft__registers_interrupted(struct weft__registers *registers, const void *frame)
{
    const ucontext_t *context = (const ucontext_t *)frame;

    name(registers);
    for (uint32_t i = 0; i <= X30; i++)
        registers->value[i] = (uintptr_t)context->uc_mcontext.regs[i];
    registers->value[SP] = (uintptr_t)context->uc_mcontext.sp;
    registers->pc = (uintptr_t)context->uc_mcontext.pc;
}

/* xpaclri: takes the signature off x30, and is nothing on machines without any. */
uintptr_t weft__registers_code(uintptr_t address)
{
    register uintptr_t x30 __asm__("x30") = address;

    __asm__("hint #7" : "+r"(x30));
    return x30;
}
