/*
 * The words of socket activation. Catches a number that runs over, a process that takes what is
 * another's, names that are shared out wrongly, and one that is longer than its place.
 */
#include "io/activation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

static void counts(const char *pid, const char *fds, int expected)
{
    ck_assert_int_eq(weft__activation_count(pid, fds, 77, false), expected);
}

TEST(counting)
{
    counts("77", "3", 3);
    counts("077", "03", 3);
    counts("78", "3", 0);
    counts("78", "nonsense", 0); /* another's, whatever it is */
    counts("77", "0", 0);
    counts("77", NULL, 0);
    counts(NULL, "3", 0);
    counts(NULL, NULL, 0);
    counts("77", "2147483647", 2147483647);
    counts("77", "2147483648", -EINVAL);
    counts("77", "99999999999999999999999", -EINVAL);
    counts("77", "", -EINVAL);
    counts("77", "-1", -EINVAL);
    counts("77", "+1", -EINVAL);
    counts("77", " 1", -EINVAL);
    counts("77", "1 ", -EINVAL);
    counts("77", "0x1", -EINVAL);
    counts("", "1", -EINVAL);
    counts("0", "1", -EINVAL);
    counts("-77", "1", -EINVAL);
    counts("4294967373", "1", -EINVAL); /* 77 in its lower half */
    ck_assert_int_eq(weft__activation_count(NULL, "2", 77, true), 2);
    ck_assert_int_eq(weft__activation_count("78", "2", 77, true), 0);
}

static void named(const char *names, uint32_t count, int expected)
{
    ck_assert_int_eq(weft__activation_check(names, count), expected);
}

TEST(names_that_are_right)
{
    char name[WEFT__ACTIVATION_NAME_SIZE], longest[600];

    named(NULL, 5, 0);
    named("", 1, 0); /* one, and empty */
    named("web", 1, 0);
    named("web:admin", 2, 0);
    named("web:admin", 1, -EINVAL);
    named("web:admin", 3, -EINVAL);
    named(":", 2, 0);
    named("a\nb", 1, -EINVAL);
    named("\xc3\xa4", 1, -EINVAL);
    named("a\x7f", 1, -EINVAL);
    memset(longest, 'x', sizeof longest);
    longest[255] = '\0';
    named(longest, 1, 0);
    weft__activation_name(longest, 0, name);
    ck_assert_uint_eq(strlen(name), 255);
    longest[255] = 'x';
    longest[256] = ':';
    longest[300] = '\0';
    named(longest, 2, -EINVAL);
}

TEST(names_are_shared_out)
{
    char name[WEFT__ACTIVATION_NAME_SIZE];

    weft__activation_name("web::admin", 0, name);
    ck_assert_str_eq(name, "web");
    weft__activation_name("web::admin", 1, name);
    ck_assert_str_eq(name, "");
    weft__activation_name("web::admin", 2, name);
    ck_assert_str_eq(name, "admin");
    weft__activation_name(NULL, 7, name);
    ck_assert_str_eq(name, "unknown");
}

TEST_MAIN("unit.io.activation", 10, counting, names_that_are_right, names_are_shared_out)
