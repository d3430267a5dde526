/*
 * Names without c-ares: getaddrinfo(3), called by a thread of the runtime's executor. Catches an
 * answer lost between the two, a reactor that waits in the call, a frame that a cancelled task
 * leaves to it, a question that is asked though it was called off, and options that would be
 * ignored.
 *
 * The program has a getaddrinfo of its own in front (--wrap), which counts, waits to be let go of
 * where a name is slow, and fails as it is told.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
#include <weft/names.h>
#include <weft/weft.h>

#include "support/test.h"

#define is(expression, value) ck_assert_int_eq((expression), (value))

/* -- getaddrinfo ------------------------------------------------------------------------------- */

static atomic_int calls, under_way;
static sem_t may_go;
static pid_t the_reactor;

static const struct {
    const char *name;
    int code, error;
} failures[] = {{"again.test", EAI_AGAIN, -EAGAIN},    {"memory.test", EAI_MEMORY, -ENOMEM},
                {"none.test", EAI_NONAME, -ENOENT},    {"text.test", EAI_NODATA, -ENOENT},
                {"six.test", EAI_ADDRFAMILY, -ENOENT}, {"broken.test", EAI_FAIL, -EBADMSG}};
enum { FAILURES = sizeof failures / sizeof failures[0] };

int __real_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **found);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **found);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **found)
{
    calls++;
    ck_assert_int_ne(gettid(), the_reactor);
    for (int i = 0; i < FAILURES; i++)
        if (strcmp(host, failures[i].name) == 0)
            return failures[i].code;
    if (strcmp(host, "slow.test") == 0) {
        under_way++;
        while (sem_wait(&may_go) < 0)
            continue;
        under_way--;
        host = "127.0.0.1";
    }
    return __real_getaddrinfo(host, service, hints, found);
}

/* -- who asks ---------------------------------------------------------------------------------- */

static weft_resolver *resolver;

static int in_weft(void *arg)
{
    void (*fn)(void) = *(void (**)(void))arg;

    the_reactor = gettid();
    is(sem_init(&may_go, 0, 0), 0);
    is(weft_resolver_open(&resolver, NULL), 0);
    fn();
    is(weft_resolver_close(resolver), 0);
    is(sem_destroy(&may_go), 0);
    return 0;
}
#define CASE(name)                                                                                 \
    static void name##_in_weft(void);                                                              \
    TEST(name)                                                                                     \
    {                                                                                              \
        struct weft_run_opt opt = {.size = sizeof opt, .reactors = 1};                             \
        void (*fn)(void) = name##_in_weft;                                                         \
        is(weft_run(in_weft, &fn, sizeof fn, &opt), 0);                                            \
    }                                                                                              \
    static void name##_in_weft(void)

struct asking {
    int result, cancelled, cause;
    bool done;
};

static int asks_slowly(void *arg)
{
    struct asking *asking = arg;

    asking->result = weft_resolve(resolver, "slow.test", AF_INET, NULL, 0);
    asking->cause = weft_cause();
    asking->cancelled = weft_cancelled();
    asking->done = true;
    return 0;
}

static weft_task ask_slowly(weft_scope *scope, struct asking *asking)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    is(weft_spawn(scope, asks_slowly, asking, 0, &opt), 0);
    return task;
}

static void wait_until_under_way(int count)
{
    while (under_way < count)
        is(weft_sleep(1000000), 0);
}

/* -- answers ----------------------------------------------------------------------------------- */

CASE(by_another_thread)
{
    struct weft_resolver_opt opt = {.size = sizeof opt, .servers = "127.0.0.1"};
    struct weft_name_address list[2];
    weft_resolver *other;

    ck_assert_str_eq(weft_resolver_kind(), "getaddrinfo");
    is(weft_resolver_open(&other, &opt), -ENOTSUP);
    is(weft_resolve(resolver, "127.0.0.1", AF_INET, list, 2), 1);
    is(((struct sockaddr_in *)&list[0].address)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    is(list[0].length, sizeof(struct sockaddr_in));
    is(list[0].ttl_s, 0);
    is(weft_resolve(resolver, "::1", AF_INET, list, 2), -ENOENT);
    is(weft_resolve(resolver, "::1", AF_UNSPEC, list, 2), 1);
    is(weft_connect_name(resolver, "127.0.0.1", 1, NULL), -ECONNREFUSED);
    is(calls, 4); /* of which none is remembered */
}

static bool is_loopback(const struct weft_name_address *one)
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&one->address;
    const struct sockaddr_in *four = (const struct sockaddr_in *)&one->address;

    return one->address.ss_family == AF_INET6 ? IN6_IS_ADDR_LOOPBACK(&six->sin6_addr)
                                              : ntohl(four->sin_addr.s_addr) >> 24 == 127;
}

/* It stands in the file of hosts. */
CASE(a_name_of_this_machine)
{
    struct weft_name_address list[8];
    int n = weft_resolve(resolver, "localhost", AF_UNSPEC, list, 8), listener, fd;

    ck_assert_int_ge(n, 1);
    for (int i = 0; i < n && i < 8; i++)
        ck_assert(is_loopback(&list[i]));
    listener = weft_listen_tcp("127.0.0.1:0", NULL);
    fd = weft_connect_name(resolver, "localhost", (uint16_t)weft_local_port(listener), NULL);
    ck_assert_int_ge(fd, 0);
    is(weft_close(fd), 0);
    is(weft_close(listener), 0);
}

/* A label of 64 letters: no such name can be, so nobody is asked. */
CASE(a_name_that_cannot_be)
{
    char name[80] = {0};

    memset(name, 'a', 64);
    is(weft_resolve(resolver, name, AF_UNSPEC, NULL, 0), -ENOENT);
    is(weft_connect_name(resolver, name, 80, NULL), -ENOENT);
    is(weft_cause(), WEFT_CAUSE_NONE);
}

CASE(what_its_errors_mean)
{
    for (int i = 0; i < FAILURES; i++) {
        is(weft_resolve(resolver, failures[i].name, AF_UNSPEC, NULL, 0), failures[i].error);
        is(weft_connect_name(resolver, failures[i].name, 80, NULL), failures[i].error);
    }
}

/* -- called off, and late ---------------------------------------------------------------------- */

CASE(called_off_before)
{
    weft_scope scope;

    is(weft_scope_open(&scope, NULL), 0);
    is(weft_scope_cancel(&scope), 1);
    is(weft_resolve(resolver, "127.0.0.1", AF_INET, NULL, 0), -ECANCELED);
    is(weft_cause(), WEFT_CAUSE_CANCEL);
    is(weft_scope_close(&scope), 0);
    is(weft_timeout_at(&scope, 1), 0);
    is(weft_resolve(resolver, "127.0.0.1", AF_INET, NULL, 0), -ECANCELED);
    is(weft_cause(), WEFT_CAUSE_DEADLINE);
    is(weft_scope_close(&scope), -ETIMEDOUT);
    is(calls, 0);
}

/* The call goes on, in the caller's memory, so the caller waits, and has its answer. */
CASE(called_off_during)
{
    struct asking asking = {0};

    WEFT_SCOPE(s) {
        weft_task task = ask_slowly(&s, &asking);
        wait_until_under_way(1);
        is(weft_resolver_close(resolver), -EBUSY);
        is(weft_cancel(task), 1);
        for (int i = 0; i < 10; i++)
            is(weft_sleep(1000000), 0);
        ck_assert(!asking.done);
        is(sem_post(&may_go), 0);
    }
    is(asking.result, 1);
    is(asking.cancelled, WEFT_CAUSE_CANCEL); /* which is still to be told */
}

/* The time is up while the call is under way. */
static weft_scope *limited;
static int makes_it_late(void *arg)
{
    (void)arg;
    wait_until_under_way(1);
    is(weft_scope_reschedule(limited, 1), 0);
    for (int i = 0; i < 10; i++)
        is(weft_sleep(1000000), 0);
    is(sem_post(&may_go), 0);
    return 0;
}

CASE(late_during)
{
    WEFT_SCOPE(s) {
        weft_scope scope;
        limited = &scope;
        is(weft_spawn(&s, makes_it_late, NULL, 0, NULL), 0);
        is(weft_timeout_at(&scope, weft_after_ms(3600 * 1000)), 0);
        is(weft_resolve(resolver, "slow.test", AF_INET, NULL, 0), 1);
        is(weft_cancelled(), WEFT_CAUSE_DEADLINE);
        is(weft_sleep(1), -ECANCELED);
        is(weft_scope_close(&scope), -ETIMEDOUT);
    }
}

static int asks_with_a_deadline(void *arg)
{
    weft_scope scope;

    is(weft_timeout_at(&scope, weft_after_ms(5)), 0);
    is(asks_slowly(arg), 0);
    is(weft_scope_close(&scope), -ETIMEDOUT);
    return 0;
}

/* Behind more calls than an executor has threads: taken back, and never made. */
enum { THREADS_MAX = 32 };
CASE(called_off_while_it_waits_for_a_thread)
{
    struct asking before[THREADS_MAX] = {{0}}, cancelled = {0}, late = {0};

    WEFT_SCOPE(s) {
        weft_task last;
        for (int i = 0; i < THREADS_MAX; i++)
            (void)ask_slowly(&s, &before[i]);
        wait_until_under_way(1);
        last = ask_slowly(&s, &cancelled);
        is(weft_spawn(&s, asks_with_a_deadline, &late, 0, NULL), 0);
        is(weft_yield(), 0);
        is(weft_cancel(last), 1);
        while (!cancelled.done || !late.done)
            is(weft_sleep(1000000), 0);
        for (int i = 0; i < THREADS_MAX; i++)
            is(sem_post(&may_go), 0);
    }
    is(cancelled.result, -ECANCELED);
    is(cancelled.cause, WEFT_CAUSE_CANCEL);
    is(late.result, -ECANCELED);
    is(late.cause, WEFT_CAUSE_DEADLINE);
    is(calls, THREADS_MAX);
    for (int i = 0; i < THREADS_MAX; i++)
        is(before[i].result, 1);
}

TEST_MAIN("names.plain", 60, by_another_thread, a_name_of_this_machine, a_name_that_cannot_be,
          what_its_errors_mean, called_off_before, called_off_during, late_during,
          called_off_while_it_waits_for_a_thread)
