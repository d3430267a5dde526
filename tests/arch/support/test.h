/*
 * The harness of tests/support, in miniature, for programs that run under emulation, where neither
 * the Check library nor processes of one's own can be counted on. A case that fails ends the
 * program with exit code 1; there is no time limit but that of the test run.
 */
#ifndef WEFT_TESTS_ARCH_SUPPORT_TEST_H
#define WEFT_TESTS_ARCH_SUPPORT_TEST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test_case {
    const char *name;
    void (*body)(void);
};

#define TEST(name)                                                                                 \
    static void name##_body(void);                                                                 \
    static const struct test_case name = {#name, name##_body};                                     \
    static void name##_body(void)

#define TEST_MAIN(suite, timeout_s, ...)                                                           \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct test_case cases[] = {__VA_ARGS__};                                            \
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {                              \
            printf("%s: %s\n", suite, cases[i].name);                                              \
            fflush(stdout);                                                                        \
            cases[i].body();                                                                       \
        }                                                                                          \
        return 0;                                                                                  \
    }

#define ck_assert(what)                                                                            \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            printf("%s:%d: failed: %s\n", __FILE__, __LINE__, #what);                              \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define ck_assert_int_eq(a, b) ck_assert((intmax_t)(a) == (intmax_t)(b))
#define ck_assert_int_le(a, b) ck_assert((intmax_t)(a) <= (intmax_t)(b))
#define ck_assert_uint_eq(a, b) ck_assert((uintmax_t)(a) == (uintmax_t)(b))
#define ck_assert_ptr_eq(a, b) ck_assert((const void *)(a) == (const void *)(b))
#define ck_assert_ptr_null(a) ck_assert(!(a))

#endif
