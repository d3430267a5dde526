/*
 * As much of the Check library as the tests use, for a processor for which Debian has none without
 * a second architecture: the same names, so that neither a test nor the harness knows. check.c runs
 * the cases, each in a process of its own and within its time.
 *
 * What always holds: a failed assertion says so on standard error and ends the process with _exit;
 * it may stand on any stack and in any thread.
 */
#ifndef WEFT_TESTS_CROSS_CHECK_H
#define WEFT_TESTS_CROSS_CHECK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct TTest {
    const char *name;
    void (*fn)(int);
    const char *file;
    int line;
} TTest;

typedef struct Suite Suite;
typedef struct TCase TCase;
typedef struct SRunner SRunner;
typedef void (*SFun)(void);
typedef const void *check_pointer;

enum fork_status { CK_FORK };
enum print_output { CK_ENV };

Suite *suite_create(const char *name);
TCase *tcase_create(const char *name);
void tcase_set_timeout(TCase *tcase, double seconds);
void tcase_add_checked_fixture(TCase *tcase, SFun setup, SFun teardown);
void tcase_add_test(TCase *tcase, const TTest *test);
void suite_add_tcase(Suite *suite, TCase *tcase);
SRunner *srunner_create(Suite *suite);
void srunner_set_fork_status(SRunner *runner, enum fork_status status);
void srunner_run_all(SRunner *runner, enum print_output output);
int srunner_ntests_run(SRunner *runner);
int srunner_ntests_failed(SRunner *runner);
void srunner_free(SRunner *runner);

_Noreturn void check_failed(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Where a test has come to: nobody asks. */
static inline void _mark_point(const char *file, int line)
{
    (void)file, (void)line;
}

#define ck_abort_msg(...) check_failed(__FILE__, __LINE__, __VA_ARGS__)
#define ck_assert_msg(condition, ...)                                                              \
    ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, __VA_ARGS__))
#define ck_assert(condition) ck_assert_msg(condition, "%s", #condition)

#define CHECK_COMPARE(type, format, x, relation, y)                                                \
    do {                                                                                           \
        type check_x = (x), check_y = (y);                                                         \
        ck_assert_msg(check_x relation check_y, "%s: " format ", " format,                         \
                      #x " " #relation " " #y, check_x, check_y);                                  \
    } while (0)

#define ck_assert_int_eq(x, y) CHECK_COMPARE(intmax_t, "%jd", x, ==, y)
#define ck_assert_int_ne(x, y) CHECK_COMPARE(intmax_t, "%jd", x, !=, y)
#define ck_assert_int_lt(x, y) CHECK_COMPARE(intmax_t, "%jd", x, <, y)
#define ck_assert_int_le(x, y) CHECK_COMPARE(intmax_t, "%jd", x, <=, y)
#define ck_assert_int_gt(x, y) CHECK_COMPARE(intmax_t, "%jd", x, >, y)
#define ck_assert_int_ge(x, y) CHECK_COMPARE(intmax_t, "%jd", x, >=, y)
#define ck_assert_uint_eq(x, y) CHECK_COMPARE(uintmax_t, "%ju", x, ==, y)
#define ck_assert_uint_ne(x, y) CHECK_COMPARE(uintmax_t, "%ju", x, !=, y)
#define ck_assert_uint_lt(x, y) CHECK_COMPARE(uintmax_t, "%ju", x, <, y)
#define ck_assert_uint_le(x, y) CHECK_COMPARE(uintmax_t, "%ju", x, <=, y)
#define ck_assert_uint_gt(x, y) CHECK_COMPARE(uintmax_t, "%ju", x, >, y)
#define ck_assert_uint_ge(x, y) CHECK_COMPARE(uintmax_t, "%ju", x, >=, y)
#define ck_assert_ptr_eq(x, y) CHECK_COMPARE(check_pointer, "%p", x, ==, y)
#define ck_assert_ptr_ne(x, y) CHECK_COMPARE(check_pointer, "%p", x, !=, y)
#define ck_assert_ptr_null(x) ck_assert_ptr_eq(x, NULL)
#define ck_assert_ptr_nonnull(x) ck_assert_ptr_ne(x, NULL)
#define ck_assert_str_eq(x, y)                                                                     \
    do {                                                                                           \
        const char *check_x = (x), *check_y = (y);                                                 \
        ck_assert_msg(check_x &&check_y &&strcmp(check_x, check_y) == 0, "%s: \"%s\", \"%s\"",     \
                      #x " == " #y, check_x ? check_x : "(null)", check_y ? check_y : "(null)");   \
    } while (0)
#define ck_assert_mem_eq(x, y, size)                                                               \
    ck_assert_msg(memcmp(x, y, size) == 0, "%s", #x " == " #y " in memory")

#endif
