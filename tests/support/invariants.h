/*
 * The invariants of a reactor: checked at each visit to the kernel (invariants.c). A program that
 * leads those visits elsewhere itself calls this.
 */
#ifndef WEFT_TESTS_SUPPORT_INVARIANTS_H
#define WEFT_TESTS_SUPPORT_INVARIANTS_H

struct weft__reactor;

/* Of the calling thread's reactor; nothing where there is none. Aborts. */
void test_invariants(void);

/* What does not hold of it is printed, and the process aborts. */
_Noreturn void broken(const struct weft__reactor *reactor, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
