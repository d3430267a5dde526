/*
 * Addresses as text: what is one, what is not, and that a refusal leaves the output untouched.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "io/address.h"
#include "support/test.h"

static int family_of(const char *text)
{
    struct weft__address address;

    ck_assert_msg(weft__address_parse(&address, text) == 0, "%s", text);
    return address.any.sa_family;
}

TEST(what_is_an_address)
{
    struct weft__address address;
    char text[64];

    ck_assert_int_eq(weft__address_parse(&address, "127.0.0.1:7000"), 0);
    ck_assert_int_eq(address.v4.sin_family, AF_INET);
    ck_assert_uint_eq(address.length, sizeof address.v4);
    ck_assert_str_eq(inet_ntop(AF_INET, &address.v4.sin_addr, text, sizeof text), "127.0.0.1");
    ck_assert_int_eq(weft__address_port(&address), 7000);
    ck_assert(!address.wildcard);

    ck_assert_int_eq(weft__address_parse(&address, "[fe80::1%3]:65535"), 0);
    ck_assert_int_eq(address.v6.sin6_family, AF_INET6);
    ck_assert_str_eq(inet_ntop(AF_INET6, &address.v6.sin6_addr, text, sizeof text), "fe80::1");
    ck_assert_uint_eq(address.v6.sin6_scope_id, 3);
    ck_assert_int_eq(weft__address_port(&address), 65535);

    ck_assert_int_eq(weft__address_parse(&address, ":0"), 0);
    ck_assert_int_eq(address.v6.sin6_family, AF_INET6);
    ck_assert(IN6_IS_ADDR_UNSPECIFIED(&address.v6.sin6_addr));
    ck_assert(address.wildcard);

    ck_assert_int_eq(family_of("[::]:1"), AF_INET6);
    ck_assert_int_eq(family_of("[::ffff:1.2.3.4]:1"), AF_INET6);
    ck_assert_int_eq(family_of("0.0.0.0:00080"), AF_INET);
}

TEST(unix_addresses)
{
    struct weft__address address;
    char longest[5 + 108 + 1] = "unix:";

    ck_assert_int_eq(weft__address_parse(&address, "unix:/tmp/x"), 0);
    ck_assert_int_eq(address.local.sun_family, AF_UNIX);
    ck_assert_str_eq(address.local.sun_path, "/tmp/x");
    ck_assert_uint_eq(address.length, offsetof(struct sockaddr_un, sun_path) + 7);
    ck_assert_int_eq(weft__address_port(&address), -EAFNOSUPPORT);

    ck_assert_int_eq(weft__address_parse(&address, "unix:@x"), 0);
    ck_assert_mem_eq(address.local.sun_path, "\0x", 2);
    ck_assert_uint_eq(address.length, offsetof(struct sockaddr_un, sun_path) + 2);

    memset(longest + 5, 'a', 108);
    ck_assert_int_eq(weft__address_parse(&address, longest), -ENAMETOOLONG);
    longest[5] = '@'; /* an abstract name needs no zero byte at its end */
    ck_assert_int_eq(weft__address_parse(&address, longest), 0);
    longest[5] = 'a';
    longest[5 + 107] = '\0';
    ck_assert_int_eq(weft__address_parse(&address, longest), 0);
    ck_assert_uint_eq(address.length, sizeof address.local);
}

TEST(what_is_none)
{
    static const char *const bad[] = {
        "",
        ":",
        "7000",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1: 1",
        "127.0.0.1:1 ",
        "127.0.0.1:7x",
        "127.0.0.1:0x10",
        "127.0.0.1:99999999999999999999",
        "localhost:7000",
        "127.1:7000",
        "1.2.3.4.5:1",
        "256.0.0.1:1",
        "::1:7000",
        "[::1]",
        "[::1]7000",
        "[::1:7000",
        "::1]:7000",
        "[]:7000",
        "[127.0.0.1]:7000",
        "[::1%]:1",
        "[::1%eth0]:1",
        "[::1%4294967296]:1",
        "[[::1]]:1",
        "unix:",
        "unix:@",
        "*:7000",
        "[0000000000000000000000000000000000000000000000000000000000000000000000000000::1]:1"};
    struct weft__address address, before;

    memset(&address, 0x5a, sizeof address);
    before = address;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(weft__address_parse(&address, bad[i]) == -EINVAL, "\"%s\"", bad[i]);
    ck_assert_int_eq(weft__address_parse(&address, NULL), -EINVAL);
    ck_assert_mem_eq(&address, &before, sizeof address);
}

TEST_MAIN("address", 10, what_is_an_address, unix_addresses, what_is_none)
