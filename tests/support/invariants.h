/*
 * The invariants of a reactor: checked at each visit to the kernel (invariants.c). A program that
 * leads those visits elsewhere itself calls this.
 */
#ifndef WEFT_TESTS_SUPPORT_INVARIANTS_H
#define WEFT_TESTS_SUPPORT_INVARIANTS_H

/* Of the calling thread's reactor; nothing where there is none. Aborts. */
void test_invariants(void);

#endif
