/*
 * weft_run_coroutine_threadsafe and weft_future_wait: tasks begun by other threads and reactors,
 * and their results awaited there. Each test would catch a result that is lost, a thread that is
 * not woken, or a cancellation that does not arrive.
 */
#include <errno.h>
#include <pthread.h>
#include <weft/weft.h>

#include "support/misuse.h"
#include "support/test.h"

#define HOUR INT64_C(3600000000000)
#define is(expression, value) ck_assert_int_eq((expression), (value))

static weft_inbox *inboxes[2];
static int ran, finished;

static int add(int *counter, int by)
{
    return __atomic_add_fetch(counter, by, __ATOMIC_RELAXED);
}

struct sum {
    int a, b;
};
static int adds(void *arg)
{
    const struct sum *sum = arg;
    int error = weft_sleep(10000);

    ck_assert_uint_eq((uintptr_t)arg % 16, 0);
    add(&ran, 1);
    return error < 0 ? error : sum->a + sum->b;
}
static int fails(void *arg)
{
    (void)arg;
    return -EIO;
}
static int sleeps(void *arg)
{
    (void)arg;
    return weft_sleep(HOUR);
}

static int64_t wait_for_it(weft_future *future)
{
    int64_t result = 0;

    is(weft_future_wait(future, &result, WEFT_NEVER), 0);
    weft_future_put(future);
    return result;
}

/* -- from a thread --------------------------------------------------------------------------- */

/* As in asyncio's documentation: the thread submits a coroutine, waits for its result, with a
   limit, and cancels it. */
static void *foreign(void *arg)
{
    weft_inbox *inbox = inboxes[*(int *)arg];
    weft_future *future;
    int64_t result = 7;

    for (int i = 0; i < 20; i++) {
        struct sum sum = {i, 100};
        is(weft_run_coroutine_threadsafe(inbox, adds, &sum, sizeof sum, &future), 0);
        sum.a = 0; /* it was copied */
        is(wait_for_it(future), i + 100);
    }
    is(weft_run_coroutine_threadsafe(inbox, fails, NULL, 0, &future), 0);
    is(weft_future_wait(future, NULL, WEFT_NEVER), 0);
    is(weft_future_wait(future, &result, 1), 0); /* settled already */
    is(result, -EIO);
    weft_future_put(future);
    is(weft_run_coroutine_threadsafe(inbox, sleeps, NULL, 0, &future), 0);
    is(weft_future_wait(future, &result, weft_after_us(200)), -ETIMEDOUT);
    is(weft_future_wait(future, &result, -5), -ETIMEDOUT);
    is(weft_future_cancel(future), 1);
    is(wait_for_it(future), -ECANCELED);
    add(&finished, 1);
    return NULL;
}
static int threads_main(void *arg)
{
    static int indexes[2] = {0, 1};
    pthread_t threads[2];

    (void)arg;
    for (int i = 0; i < 2; i++)
        inboxes[i] = weft_inbox_get((uint32_t)i);
    for (int i = 0; i < 2; i++)
        is(pthread_create(&threads[i], NULL, foreign, &indexes[i]), 0);
    while (add(&finished, 0) < 2) /* not in pthread_join: they need this reactor */
        is(weft_sleep(100000), 0);
    for (int i = 0; i < 2; i++)
        is(pthread_join(threads[i], NULL), 0);
    is(add(&ran, 0), 2 * 20);
    for (int i = 0; i < 2; i++)
        weft_inbox_put(inboxes[i]);
    return 0;
}
TEST(from_threads)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    is(weft_run(threads_main, NULL, 0, &opt), 0);
}

/* -- from a reactor -------------------------------------------------------------------------- */

static int twice(void *arg)
{
    return 2 * *(int *)arg;
}
/* There and back: a task on one reactor begins one on the other and awaits it; and weft_call, which
   is both in one. */
static int round_trip_main(void *arg)
{
    weft_inbox *there = weft_inbox_get(1), *here = weft_inbox_here();
    weft_future *future;
    int64_t result;

    (void)arg;
    for (int i = 0; i < 50; i++) {
        is(weft_run_coroutine_threadsafe(i % 5 ? there : here, twice, &i, sizeof i, &future), 0);
        is(weft_future_await(future, &result), 0);
        is(result, 2 * i);
        weft_future_put(future);
        is(weft_call(1, twice, &i, sizeof i), 2 * i);
    }
    is(weft_run_coroutine_threadsafe(there, twice, &ran, sizeof ran, &future), 0);
    ck_misuse(weft_future_wait(future, &result, WEFT_NEVER), -EPERM, "weft_future_wait", "reactor");
    is(weft_future_await(future, NULL), 0);
    weft_future_put(future);
    weft_inbox_put(here);
    weft_inbox_put(there);
    return 0;
}
TEST(from_another_reactor)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    is(weft_run(round_trip_main, NULL, 0, &opt), 0);
}

/* -- cancelling ------------------------------------------------------------------------------ */

static int begun, ended, slept;
static int sleeps_long(void *arg)
{
    (void)arg;
    add(&begun, 1);
    if (weft_sleep(10000000000) == 0)
        add(&slept, 1);
    add(&ended, 1);
    return 5;
}
/* Whoever settles the future ends the task: before it has begun, while it runs, after it has ended;
   here and elsewhere. */
static int cancel_main(void *arg)
{
    weft_inbox *inbox = weft_inbox_get(*(uint32_t *)arg);

    for (int turns = 0; turns < 12; turns++) {
        weft_future *future;
        int64_t result = 0;
        is(weft_run_coroutine_threadsafe(inbox, sleeps_long, NULL, 0, &future), 0);
        for (int i = 0; i < turns; i++)
            is(weft_yield(), 0);
        if (turns % 2)
            is(weft_future_cancel(future), 1);
        else
            is(weft_future_set_result(future, 44), 0);
        is(weft_future_await(future, &result), 0);
        is(result, turns % 2 ? -ECANCELED : 44);
        weft_future_put(future);
    }
    while (add(&ended, 0) < add(&begun, 0))
        is(weft_sleep(1000000), 0);
    is(add(&slept, 0), 0); /* none to its end */
    weft_inbox_put(inbox);
    return 0;
}
TEST(cancelled_by_its_future)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    for (uint32_t there = 0; there < 2; there++)
        is(weft_run(cancel_main, &there, sizeof there, &opt), 0);
}

/* -- the end of the reactor ------------------------------------------------------------------ */

static weft_future *left;
static int begins_and_ends(void *arg)
{
    inboxes[0] = weft_inbox_here();
    if (*(int *)arg)
        is(weft_run_coroutine_threadsafe(inboxes[0], sleeps, NULL, 0, &left), 0);
    else
        left = NULL;
    return 0;
}
/* What was begun is cancelled by the stop, and its future says so; afterwards it is refused. */
TEST(after_the_end)
{
    for (int some = 0; some < 2; some++) {
        weft_future *future = NULL;
        int64_t result = 0;
        is(weft_run(begins_and_ends, &some, sizeof some, NULL), 0);
        is(weft_run_coroutine_threadsafe(inboxes[0], sleeps, NULL, 0, &future), -ESHUTDOWN);
        ck_assert(future == NULL);
        weft_inbox_put(inboxes[0]);
        if (!some)
            continue;
        is(weft_future_wait(left, &result, WEFT_NEVER), 0);
        ck_assert(result == -ECANCELED || result == -ESHUTDOWN);
        weft_future_put(left);
    }
}

/* A macro: the line is what is looked at. */
#define begin_fails(inbox, future) weft_run_coroutine_threadsafe(inbox, fails, NULL, 0, future)
static int mistakes_main(void *arg)
{
    weft_inbox *inbox = weft_inbox_here();
    weft_future *future;

    (void)arg;
    ck_misuse(begin_fails(NULL, &future), -EINVAL, "weft_run_coroutine_threadsafe", "no inbox");
    is(weft_run_coroutine_threadsafe(inbox, NULL, NULL, 0, &future), -EINVAL);
    is(weft_run_coroutine_threadsafe(inbox, fails, NULL, 4, &future), -EINVAL);
    is(weft_run_coroutine_threadsafe(inbox, fails, NULL, 0, NULL), -EINVAL);
    is(weft_run_coroutine_threadsafe(inbox, fails, &ran, 2000, &future), -E2BIG);
    is(weft_future_wait(NULL, NULL, 0), -EINVAL);
    weft_inbox_put(inbox);
    return 0;
}
TEST(mistakes)
{
    is(weft_run(mistakes_main, NULL, 0, NULL), 0);
}

TEST_MAIN("threadsafe", 30, from_threads, from_another_reactor, cancelled_by_its_future,
          after_the_end, mistakes)
