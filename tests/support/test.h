/*
 * The harness: the Check library, with every case in a process of its own.
 *
 *     #include "support/test.h"
 *
 *     TEST(it_adds)
 *     {
 *         ck_assert_int_eq(1 + 1, 2);
 *     }
 *
 *     TEST_MAIN("arithmetic", 10, it_adds)
 *
 * The number is the time limit of each case in seconds. A TEST that TEST_MAIN does not list is an
 * unused variable to the compiler, and so an error.
 *
 * What always holds: a case runs in a child process, so a failed assertion ends that process with
 * _exit and never longjmps; it may therefore stand on any task's stack and in any thread.
 * CK_FORK=no would undo this and is refused. Around each case open descriptors, threads and (where
 * the program is linked with the static library) live library allocations and mapped memory are
 * counted; a case that ends with others than it began with has failed, and so has one that leaves
 * by exit(0). A program that ran no case at all has failed as well. tests/unit/support proves this.
 */
#ifndef WEFT_TESTS_SUPPORT_TEST_H
#define WEFT_TESTS_SUPPORT_TEST_H

#include <check.h>
#include <stddef.h>

/* Exit codes of a program, and of a case's process that called exit. */
enum {
    TEST_EXIT_PASSED = 0,
    TEST_EXIT_FAILED = 1,
    TEST_EXIT_NO_FORK = 64,     /* CK_FORK=no was set */
    TEST_EXIT_NOTHING_RAN = 65, /* no case ran, as with a CK_RUN_CASE that names none */
    TEST_EXIT_EARLY = 67,       /* a case called exit; 66 is the thread sanitizer's */
};

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What Check's assertions call when they hold. Check itself would send the place to the parent each
 * time, who reads them all and takes longer than the test where a loop asserts something; here it
 * does so the first time a line is reached. A crash is reported after the last line that was new.
 */
#define _mark_point(file, line) test_mark(file, line)
void test_mark(const char *file, int line);

/* Runs the cases and gives the exit code. Called by TEST_MAIN. */
int test_run(const char *suite, double timeout_s, const TTest *const *cases, size_t count);

/* True when WEFT_LONG is set to something but 0: the test may take its time. */
int test_long(void);

/*
 * Open descriptors of this process. Reading the list opens one itself; that one is not counted.
 */
int test_descriptors(void);

/* Writes down what the process has executed so far, where that is counted (tools/coverage): for one
   that is about to die, or to leave by _exit. Does nothing in other builds. */
void test_save_coverage(void);

/* Threads of this process, without the kernel's own workers of a ring (iou-*). */
int test_threads(void);

/* Live allocations of the library, 0 where they cannot be seen (see account_api.c). */
size_t test_live_allocations(void);

/* Address space mapped by the library and the test, in bytes; 0 where it cannot be seen. */
size_t test_mapped_bytes(void);

/* Makes the n-th mapping from now fail, 1 being the next, with ENOMEM; 0: none. No effect where
   they cannot be seen. */
void test_map_fail_after(unsigned n);

/*
 * For tests that make random steps and compare what came of them with a plain model of the same:
 * fails where the two differ. Apart from ck_assert, so that one sees which of the two noticed.
 */
#define ck_model(condition)                                                                        \
    ((condition) ? (void)0 : test_model_differs(__FILE__, __LINE__, #condition))
void test_model_differs(const char *file, int line, const char *what) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif

#define TEST(name)                                                                                 \
    static void name##_body(int);                                                                  \
    static const TTest name##_case = {"" #name, name##_body, __FILE__, __LINE__};                  \
    static const TTest *const name = &name##_case;                                                 \
    static void name##_body(int test_index_ __attribute__((unused)))

#define TEST_MAIN(suite, timeout_s, ...)                                                           \
    int main(void)                                                                                 \
    {                                                                                              \
        const TTest *const cases[] = {__VA_ARGS__};                                                \
        return test_run(suite, timeout_s, cases, sizeof cases / sizeof cases[0]);                  \
    }

#endif
