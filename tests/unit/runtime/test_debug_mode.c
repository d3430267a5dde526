/*
 * Debug mode as several runs at once ask for it. Would catch a run that ends and turns it off under
 * another one, and a last one that does not put back what the program had set.
 */
#include <errno.h>
#include <weft/weft.h>

#include "support/test.h"

static void one_after_the_other(bool before)
{
    struct weft_debug_opt debug = {.size = sizeof debug};
    struct weft_run_opt opt = {.size = sizeof opt, .debug = &debug};
    weft_loop *first, *second;

    ck_assert_int_eq(weft_loop_new(&first, &opt), 0);
    ck_assert_int_eq(weft_loop_new(&second, &opt), 0);
    ck_assert(weft_get_debug());
    ck_assert_int_eq(weft_loop_close(first), 0);
    ck_assert(weft_get_debug());
    ck_assert_int_eq(weft_loop_close(second), 0);
    ck_assert_int_eq(weft_get_debug(), before);
}

TEST(two_loops)
{
    struct weft_debug_opt debug = {.size = sizeof debug, .kinds = WEFT_REPORT_SLOW};

    one_after_the_other(false);
    ck_assert_int_eq(weft_set_debug(&debug), 0);
    one_after_the_other(true);
    ck_assert_int_eq(weft_set_debug(NULL), 0);
}

TEST(options_that_are_none)
{
    struct weft_debug_opt debug = {.size = 0};
    struct weft_run_opt opt = {.size = sizeof opt, .debug = &debug};
    weft_loop *loop;

    ck_assert_int_eq(weft_loop_new(&loop, &opt), -EINVAL);
    ck_assert(!weft_get_debug());
}

TEST_MAIN("runtime: debug mode", 10, two_loops, options_that_are_none)
