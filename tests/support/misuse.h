/*
 * What the library says of misused calls in a debug build, kept for a test to look at. The harness
 * sets the hook that keeps it before the first case, so that a case may misuse on purpose and go
 * on; a case that wants the hook by default sets it to NULL.
 *
 * Kept for each thread by itself. In a release build nothing is ever said, and the macros here
 * expect that.
 */
#ifndef WEFT_TESTS_SUPPORT_MISUSE_H
#define WEFT_TESTS_SUPPORT_MISUSE_H

#include <stdbool.h>
#include <weft/misuse.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Has the present process keep what is said. Called by test_run. */
void test_misuse_record(void);

/* Is this a build in which anything is said? */
bool test_misuse_debug(void);

/* How many misuses the calling thread has made, and the latest of them. */
unsigned test_misuses(void);
struct weft_misuse test_misuse_latest(void);

/* One more than `before`, there, with this error, and with `words` in what is said of it. A file of
   NULL: no place. In a release build: still `before`. */
void test_misuse_check(unsigned before, const char *file, int line, const char *function, int error,
                       const char *words);

/* The call answers `error`, and this very line is named for it, once. On one line, or compilers
   differ in which they name. */
#define ck_misuse(call, error, function, words)                                                    \
    do {                                                                                           \
        unsigned misuses_before = test_misuses();                                                  \
        ck_assert_int_eq((int)(call), (error));                                                    \
        test_misuse_check(misuses_before, __FILE__, __LINE__, function, error, words);             \
    } while (0)

/* The call answers `error`, and that is no mistake of the program. */
#define ck_no_misuse(call, error)                                                                  \
    do {                                                                                           \
        unsigned misuses_before = test_misuses();                                                  \
        ck_assert_int_eq((int)(call), (error));                                                    \
        ck_assert_uint_eq(test_misuses(), misuses_before);                                         \
    } while (0)

#ifdef __cplusplus
}
#endif

#endif
