/*
 * Misused calls in C++17: named with their scope, taken the address of, made inside a template and
 * inside the class weft::scope. Would catch macros that C++ cannot digest.
 */
#include <cerrno>
#include <thread>
#include <type_traits>

/* As another's header: -Wshadow minds a struct and a function of one name. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include <weft/weft.h>
#pragma GCC diagnostic pop

#include "support/misuse.h"
#include "support/test.h"

template <int (*fn)(void)>
static int called()
{
    return fn();
}
template <typename... Arguments>
static int passed_on(Arguments... arguments)
{
    return weft_post(arguments...);
}

static_assert(std::is_same<decltype(weft_recv(0, nullptr, 0, 0)), ssize_t>::value, "as declared");
static_assert(std::is_same<decltype(&weft_yield), int (*)(void)>::value, "as declared");

TEST(it_is_known_where)
{
    ck_misuse(weft_yield(), -EPERM, "weft_yield", "outside");
    ck_misuse(::weft_yield(), -EPERM, "weft_yield", "outside");
    ck_misuse(::weft_sleep(1), -EPERM, "weft_sleep", "outside");
    ck_misuse([] { return weft_close(0); }(), -EPERM, "weft_close", "outside");
    std::thread([] {
        ck_misuse(weft_stop_post(nullptr), -EINVAL, "weft_stop_post", "no inb");
    }).join();
}

/* There the line is the header's or the template's; what counts is the error. */
TEST(it_works_everywhere_else)
{
    weft::scope scope;

    ck_assert(!scope);
    ck_assert_int_eq(called<weft_yield>(), -EPERM);
    ck_assert_int_eq(called<&::weft_yield>(), -EPERM);
    ck_assert_int_eq(passed_on(nullptr, nullptr, nullptr, nullptr), -EINVAL);
    ck_assert_uint_eq(test_misuses(), test_misuse_debug() ? 4 : 0);
}

TEST_MAIN("misuse_cc", 10, it_is_known_where, it_works_everywhere_else)
