/*
 * The recording hook behind misuse.h. What always holds: the texts kept are the library's own
 * constants, so they outlive the call they tell of.
 */
#include "support/misuse.h"

#include <check.h>
#include <string.h>

#ifdef WEFT_DEBUG
enum { DEBUG_BUILD = 1 };
#else
enum { DEBUG_BUILD = 0 };
#endif

static _Thread_local struct weft_misuse latest;
static _Thread_local unsigned count;

static void record(const struct weft_misuse *misuse)
{
    latest = *misuse;
    count++;
}

void test_misuse_record(void)
{
    weft_misuse_hook_set(record);
}

bool test_misuse_debug(void)
{
    return DEBUG_BUILD;
}

unsigned test_misuses(void)
{
    return count;
}

struct weft_misuse test_misuse_latest(void)
{
    return latest;
}

static void check_place(const char *file, int line, const char *function)
{
    if (!file) {
        ck_assert_ptr_null(latest.file);
        ck_assert_ptr_null(latest.function);
        ck_assert_int_eq(latest.line, 0);
        return;
    }
    ck_assert_msg(latest.file != NULL, "line %d: no place is named", line);
    ck_assert_str_eq(latest.file, file);
    ck_assert_int_eq(latest.line, line);
    ck_assert_str_eq(latest.function, function);
}

void test_misuse_check(unsigned before, const char *file, int line, const char *function, int error,
                       const char *words)
{
    ck_assert_msg(count == before + DEBUG_BUILD, "line %d: the hook was called %u times", line,
                  count - before);
    if (!DEBUG_BUILD)
        return;
    check_place(file, line, function);
    ck_assert_msg(latest.error == error, "line %d: the hook was told %d", line, latest.error);
    ck_assert_msg(strstr(latest.what, words) != NULL, "line %d: said is \"%s\"", line, latest.what);
}
