/*
 * x86_64/registers.c - "System V ABI, AMD64 Architecture Processor Supplement", figure 3.36.
 */
#include "arch/registers.h"

#include <string.h>
#include <ucontext.h>

enum { RBX = 3, RBP = 6, RSP = 7, R12 = 12, R13, R14, R15, RA };

static void name(struct weft__registers *registers)
{
    memset(registers, 0, sizeof *registers);
    registers->sp = RSP;
    registers->fp = RBP;
    registers->ra = RA;
}

/* switch.S draws the frame. */
void weft__registers_parked(struct weft__registers *registers, const void *sp)
{
    const uintptr_t *frame = (const uintptr_t *)sp;

    name(registers);
    registers->value[R15] = frame[1];
    registers->value[R14] = frame[2];
    registers->value[R13] = frame[3];
    registers->value[R12] = frame[4];
    registers->value[RBX] = frame[5];
    registers->value[RBP] = frame[6];
    registers->pc = frame[7];
    registers->value[RSP] = (uintptr_t)(frame + 8);
}

void weft__registers_interrupted(struct weft__registers *registers, const void *frame)
{
    static const uint8_t order[16] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                                      REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                      REG_R12, REG_R13, REG_R14, REG_R15};
    const ucontext_t *context = (const ucontext_t *)frame;

    name(registers);
    for (uint32_t i = 0; i < 16; i++)
        registers->value[i] = (uintptr_t)context->uc_mcontext.gregs[order[i]];
    registers->pc = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
}

uintptr_t weft__registers_code(uintptr_t address)
{
    return address;
}
