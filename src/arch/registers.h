/*
 * arch/registers.h - the registers that a walk over a stack begins with.
 *
 * By the numbers that the debug information of the machine gives them (its psABI's DWARF chapter).
 * A parked context has those that a function call keeps; an interrupted one all. Functions per
 * machine, in <machine>/registers.c; any thread, and signal handlers.
 */
#ifndef WEFT_ARCH_REGISTERS_H
#define WEFT_ARCH_REGISTERS_H

#include <stdint.h>

enum { WEFT__REGISTERS = 33 };

struct weft__registers {
    uintptr_t value[WEFT__REGISTERS];
    uintptr_t pc;
    uint32_t sp; /* which of them is the stack pointer, */
    uint32_t fp; /* the frame pointer, */
    uint32_t ra; /* and stands for the return address */
};

/* Of a context that was left by weft__arch_switch, with its stack pointer as it was saved. */
void weft__registers_parked(struct weft__registers *registers, const void *sp);
/* Of what a signal handler interrupted: its third argument. */
void weft__registers_interrupted(struct weft__registers *registers, const void *frame);
/* A return address as it stands in memory, without what the machine may have signed it with. */
uintptr_t weft__registers_code(uintptr_t address);

#endif
