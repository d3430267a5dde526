/*
 * A resolver from inside: whose it is, cancelled questions, and what is left of them. Catches an
 * answer that comes to a frame that is gone, a resolver that is closed under a waiting task,
 * memory, descriptors and watched sockets left behind.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <weft/names.h>
#include <weft/weft.h>

#include "support/test.h"

#define is(expression, value) ck_assert_int_eq((expression), (value))

/* A server of names that never says anything. */
static int silent;
static char servers[64];
static void begin(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    silent = weft_socket(AF_INET, SOCK_DGRAM, 0);
    is(silent >= 0, 1);
    is(weft_bind(silent, (struct sockaddr *)&address, sizeof address), 0);
    snprintf(servers, sizeof servers, "127.0.0.1:%d", weft_local_port(silent));
}

static weft_resolver *resolver;
static void open_resolver(int64_t try_ns)
{
    struct weft_resolver_opt opt = {.size = sizeof opt, .servers = servers, .try_ns = try_ns};

    opt.tries = 1;
    is(weft_resolver_open(&resolver, &opt), 0);
}

static int asks(void *arg)
{
    (void)arg;
    return weft_resolve(resolver, "nobody.test", AF_INET, NULL, 0);
}
static weft_task ask(weft_scope *scope)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    is(weft_spawn(scope, asks, NULL, 0, &opt), 0);
    is(weft_yield(), 0);
    return task;
}
static int result_of(weft_task task)
{
    int result = 0;

    is(weft_join(task, &result), 0);
    return result;
}

/* Given up: the answer comes later, to nobody, or never; closing frees what is left either way. */
static int cancelled(void *arg)
{
    int64_t linger = *(int64_t *)arg;

    begin();
    open_resolver(INT64_C(50000000));
    WEFT_SCOPE(s) {
        weft_task first = ask(&s), second = ask(&s);
        is(weft_resolver_close(resolver), -EBUSY);
        is(weft_cancel(first), 1);
        is(result_of(first), -ECANCELED);
        is(weft_cancel(second), 1);
        is(result_of(second), -ECANCELED);
        is(weft_sleep(linger), 0);
    }
    is(weft_resolver_close(resolver), 0);
    return weft_close(silent);
}
static void run(weft_task_fn fn, const void *arg, size_t size)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 1};

    is(weft_run(fn, arg, size, &opt), 0);
}
TEST(cancelled_and_closed)
{
    int64_t linger = 0;

    run(cancelled, &linger, sizeof linger);
}
TEST(cancelled_and_answered)
{
    int64_t linger = INT64_C(200000000);

    run(cancelled, &linger, sizeof linger);
}

static int times_out(void *arg)
{
    (void)arg;
    begin();
    open_resolver(INT64_C(10000000));
    is(weft_poll_until(silent, POLLIN, 1), -ETIMEDOUT);
    is(weft_cause(), WEFT_CAUSE_DEADLINE);
    is(asks(NULL), -ETIMEDOUT);
    is(weft_cause(), WEFT_CAUSE_NONE); /* the server's silence, and no deadline of this task */
    is(weft_cancelled(), 0);
    is(weft_resolver_close(resolver), 0);
    return weft_close(silent);
}
TEST(nobody_answers)
{
    run(times_out, NULL, 0);
}

/* Called off before it begins: nobody is asked, and what is at hand is not told either. */
static void called_off(enum weft_cause cause)
{
    static const char *const hosts[] = {"nobody.test", "127.0.0.1"};

    for (int i = 0; i < 2; i++) {
        is(weft_resolve(resolver, hosts[i], AF_INET, NULL, 0), -ECANCELED);
        is(weft_cause(), cause);
        is(weft_connect_name(resolver, hosts[i], 1, NULL), -ECANCELED);
        is(weft_cause(), cause);
    }
}
static int refused(void *arg)
{
    weft_scope scope;
    char byte;

    (void)arg;
    begin();
    open_resolver(INT64_C(10000000));
    is(weft_scope_open(&scope, NULL), 0);
    is(weft_scope_cancel(&scope), 1);
    called_off(WEFT_CAUSE_CANCEL);
    is(weft_scope_close(&scope), 0);
    is(weft_timeout_at(&scope, 1), 0);
    called_off(WEFT_CAUSE_DEADLINE);
    is(weft_scope_close(&scope), -ETIMEDOUT);
    is(weft_recv(silent, &byte, 1, MSG_DONTWAIT), -EAGAIN);
    is(weft_resolver_close(resolver), 0);
    return weft_close(silent);
}
TEST(called_off_before)
{
    run(refused, NULL, 0);
}

/* No task asks. */
static int said;
static void asks_in_a_callback(void *arg)
{
    said = weft_resolve(arg, "127.0.0.1", AF_INET, NULL, 0);
}
static int by_nobody(void *arg)
{
    (void)arg;
    is(weft_resolver_open(&resolver, NULL), 0);
    is(weft_call_soon(asks_in_a_callback, resolver, NULL), 0);
    while (!said)
        is(weft_yield(), 0);
    is(said, -EPERM);
    return weft_resolver_close(resolver);
}
TEST(asked_by_no_task)
{
    run(by_nobody, NULL, 0);
}

static int by_numbers(void *arg)
{
    struct weft_name_address list[2];

    (void)arg;
    is(weft_resolver_open(&resolver, NULL), 0);
    is(weft_resolve(resolver, "127.0.0.1", AF_UNSPEC, list, 2), 1);
    is(list[0].address.ss_family, AF_INET);
    is(list[0].length, sizeof(struct sockaddr_in));
    is(weft_resolve(resolver, "::1", AF_INET6, list, 2), 1);
    is(list[0].address.ss_family, AF_INET6);
    is(weft_resolve(resolver, "", AF_INET, list, 2), -EINVAL);
    is(weft_resolve(resolver, NULL, AF_INET, list, 2), -EINVAL);
    is(weft_resolve(resolver, "127.0.0.1", 77, list, 2), -EINVAL);
    is(weft_resolve(resolver, "127.0.0.1", AF_INET, NULL, 2), -EINVAL);
    is(weft_resolve(NULL, "127.0.0.1", AF_INET, list, 2), -EINVAL);
    is(weft_resolver_open(NULL, NULL), -EINVAL);
    is(weft_resolver_open(&resolver, &(struct weft_resolver_opt){.size = 1}), -EINVAL);
    is(weft_connect_name(resolver, "127.0.0.1", 1, NULL), -ECONNREFUSED);
    return weft_resolver_close(resolver);
}
TEST(numbers_and_mistakes)
{
    run(by_numbers, NULL, 0);
    is(weft_resolver_open(&resolver, NULL), -EPERM);
    is(weft_resolver_close(NULL), 0);
}

/* Options of a program that is older than the library, and of a younger one. */
static int by_age(void *arg)
{
    struct {
        struct weft_resolver_opt known;
        char more[64];
    } opt = {.known = {.tries = -1}};
    size_t sizes[] = {sizeof(size_t), offsetof(struct weft_resolver_opt, tries), sizeof opt};

    (void)arg;
    begin();
    for (int i = 0; i < 3; i++) {
        opt.known.size = sizes[i];
        opt.known.servers = i > 0 ? servers : "no address"; /* is too young to be looked at */
        is(weft_resolver_open(&resolver, &opt.known), i < 2 ? 0 : -EINVAL);
        if (i < 2)
            is(weft_resolver_close(resolver), 0);
    }
    opt.known.tries = 1;
    is(weft_resolver_open(&resolver, &opt.known), 0);
    is(weft_resolver_close(resolver), 0);
    opt.more[63] = 1; /* something that nobody here knows */
    is(weft_resolver_open(&resolver, &opt.known), -EINVAL);
    opt.known.size = sizeof(size_t) - 1;
    is(weft_resolver_open(&resolver, &opt.known), -EINVAL);
    opt.known.size = 4097;
    is(weft_resolver_open(&resolver, &opt.known), -EINVAL);
    return weft_close(silent);
}
TEST(options_of_any_age)
{
    run(by_age, NULL, 0);
}

static int elsewhere(void *arg)
{
    (void)arg;
    is(weft_resolve(resolver, "127.0.0.1", AF_INET, NULL, 0), -EXDEV);
    is(weft_resolver_close(resolver), -EXDEV);
    return 0;
}
static int two_reactors(void *arg)
{
    (void)arg;
    is(weft_resolver_open(&resolver, NULL), 0);
    is(weft_call(1, elsewhere, NULL, 0), 0);
    return weft_resolver_close(resolver);
}
TEST(another_reactors)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    is(weft_run(two_reactors, NULL, 0, &opt), 0);
}

/* Answers whatever is asked with an address that may be remembered for so many seconds. */
static int asked;
static int answers(void *arg)
{
    static const unsigned char counts[] = {0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0};
    uint32_t ttl = htonl(*(uint32_t *)arg);
    unsigned char packet[600], record[16] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1};
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    ssize_t n;

    memcpy(record + 6, &ttl, sizeof ttl);
    while ((n = weft_recvfrom(silent, packet, 500, 0, (struct sockaddr *)&from, &length)) > 12) {
        size_t end = 12;
        while (packet[end])
            end += packet[end] + 1u;
        end += 5;
        memcpy(packet + 2, counts, sizeof counts);
        memcpy(packet + end, record, sizeof record);
        asked++;
        n = weft_sendto(silent, packet, end + sizeof record, 0, (struct sockaddr *)&from, length);
        if (n < 0)
            return (int)n;
        length = sizeof from;
    }
    return (int)n;
}

/* Remembered as long as was said, and then asked again. */
static int remembers(void *arg)
{
    uint32_t ttl = *(uint32_t *)arg;
    struct weft_name_address one;

    asked = 0;
    begin();
    open_resolver(INT64_C(5000000000));
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        is(weft_spawn(&s, answers, &ttl, sizeof ttl, NULL), 0);
        is(weft_resolve(resolver, "some.test", AF_INET, &one, 1), 1);
        is(one.ttl_s, ttl);
        for (int i = 0; asked < 2 && i < (ttl == 1 ? 50 : 5); i++) {
            is(weft_sleep(INT64_C(100000000)), 0);
            is(weft_resolve(resolver, "SOME.test", AF_INET, &one, 1), 1);
        }
        is(asked, ttl == 1 ? 2 : 1);
        weft_scope_cancel(&s);
    }
    is(weft_resolver_close(resolver), 0);
    return weft_close(silent);
}
TEST(remembered_for_a_second)
{
    uint32_t ttl = 1;

    run(remembers, &ttl, sizeof ttl);
}
TEST(remembered_for_an_hour)
{
    uint32_t ttl = 3600;

    run(remembers, &ttl, sizeof ttl);
}
/* A time of 0: for nobody but who has asked. */
static int asks_twice(void *arg)
{
    uint32_t ttl = 0;

    (void)arg;
    asked = 0;
    begin();
    open_resolver(INT64_C(5000000000));
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        is(weft_spawn(&s, answers, &ttl, sizeof ttl, NULL), 0);
        for (int i = 1; i <= 2; i++) {
            is(weft_resolve(resolver, "some.test", AF_INET, NULL, 0), 1);
            ck_assert_int_ge(asked, i);
        }
        weft_scope_cancel(&s);
    }
    is(weft_resolver_close(resolver), 0);
    return weft_close(silent);
}
TEST(not_remembered)
{
    run(asks_twice, NULL, 0);
}

TEST_MAIN("names", 60, remembered_for_a_second, remembered_for_an_hour, not_remembered,
          cancelled_and_closed, cancelled_and_answered, called_off_before, nobody_answers,
          asked_by_no_task, numbers_and_mistakes, options_of_any_age, another_reactors)
