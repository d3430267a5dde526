/*
 * A file that is compiled without WEFT_DEBUG, whatever the library is: there the calls are the
 * library's own functions, and a debug build of it says what is wrong but not where. Would catch
 * macros that are there uncalled for, and a place that some other file left behind.
 */
#undef WEFT_DEBUG
#include <errno.h>
#include <weft/weft.h>

#include "support/misuse.h"
#include "support/test.h"

#ifdef weft_yield
#error "<weft/weft.h> made a macro of weft_yield without WEFT_DEBUG"
#endif

TEST(no_place_is_known)
{
    unsigned before = test_misuses();

    ck_assert_int_eq(weft_yield(), -EPERM);
    test_misuse_check(before, NULL, 0, NULL, -EPERM, "outside of a task");
}

TEST_MAIN("misuse_plain", 10, no_place_is_known)
