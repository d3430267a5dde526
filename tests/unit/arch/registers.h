/*
 * registers.h: every register a switch must keep, filled and read back around one switch.
 *
 * Shared by the unit test and by the program that runs under emulation. The layout is known to
 * test_switch.<machine>.S.
 */
#ifndef WEFT_TESTS_UNIT_ARCH_REGISTERS_H
#define WEFT_TESTS_UNIT_ARCH_REGISTERS_H

#include <stdint.h>
#include <string.h>

#include "arch/arch.h"

enum { TEST_INTEGERS = 12, TEST_VECTORS = 8 };

struct test_registers {
    uint64_t integer[TEST_INTEGERS]; /* x86-64: rbx rbp r12-r15; aarch64: x19-x29 */
    uint64_t vector[TEST_VECTORS];   /* aarch64: d8-d15 */
    uint64_t control[2];             /* x86-64: MXCSR, x87 control word; aarch64: FPCR */
};

/* Fills the registers from `in`, calls weft__arch_switch(save, to), and puts what they hold
 * afterwards into `out`. Its caller's own registers come back unharmed. */
void test_switch_filled(void **save, void *to, const struct test_registers *in,
                        struct test_registers *out);

/* xorshift64*: a pattern that never repeats within a test. */
static inline uint64_t test_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1Du;
}

static inline void test_registers_fill(struct test_registers *r, uint64_t *state)
{
    memset(r, 0, sizeof *r);
#if defined(__x86_64__)
    for (int i = 0; i < 6; i++)
        r->integer[i] = test_next(state);
    uint64_t bits = test_next(state);
    /* All exceptions masked; rounding, flush-to-zero, denormals-are-zero and x87 precision vary. */
    r->control[0] = 0x1f80 | (bits & 0xe040);
    r->control[1] = 0x007f | (bits >> 16 & 0x0c00) | (bits >> 32 & 1 ? 0x0300 : 0x0200);
#else
    for (int i = 0; i < 11; i++)
        r->integer[i] = test_next(state);
    for (int i = 0; i < 8; i++)
        r->vector[i] = test_next(state);
    r->control[0] = test_next(state) & 0x03c00000; /* rounding, flush-to-zero, default NaN off */
    r->control[0] &= ~(uint64_t)0x02000000;
#endif
}

/* The switch may leave the sticky flags of MXCSR as it likes. */
static inline int test_registers_equal(const struct test_registers *a, struct test_registers *b)
{
#if defined(__x86_64__)
    b->control[0] &= 0xffc0;
#endif
    return memcmp(a, b, sizeof *a) == 0;
}

#endif
