/* Names without c-ares: getaddrinfo on another thread. Catches an answer lost between the two, and
   options that would be ignored. */
#include <errno.h>
#include <netinet/in.h>
#include <weft/names.h>
#include <weft/weft.h>

#include "support/test.h"

#define is(expression, value) ck_assert_int_eq((expression), (value))

static int asks(void *arg)
{
    struct weft_resolver_opt opt = {.size = sizeof opt, .servers = "127.0.0.1"};
    struct weft_name_address list[2];
    weft_resolver *resolver;

    (void)arg;
    ck_assert_str_eq(weft_resolver_kind(), "getaddrinfo");
    is(weft_resolver_open(&resolver, &opt), -ENOTSUP);
    is(weft_resolver_open(&resolver, NULL), 0);
    is(weft_resolve(resolver, "127.0.0.1", AF_INET, list, 2), 1);
    is(((struct sockaddr_in *)&list[0].address)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    is(weft_resolve(resolver, "::1", AF_INET, list, 2), -ENOENT);
    is(weft_resolve(resolver, "::1", AF_UNSPEC, list, 2), 1);
    is(weft_connect_name(resolver, "127.0.0.1", 1, NULL), -ECONNREFUSED);
    return weft_resolver_close(resolver);
}

TEST(by_another_thread)
{
    is(weft_run(asks, NULL, 0, NULL), 0);
}

TEST_MAIN("names.plain", 60, by_another_thread)
