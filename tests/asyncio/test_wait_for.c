/*
 * The cases of CPython's test_waitfor.py. Catches a wait_for that returns before the inner work has
 * ended, loses its result, eats or invents a cancellation, or starts what has no time left.
 */
#include "cases.h"

static struct work works_of[4];

/* A task that waits for works_of[0], at most so many nanoseconds. */
static int waits_for(void *arg)
{
    struct work *work = &works_of[0];

    return weft_wait_for(CORO(work), NULL, weft_after_ns(*(int64_t *)arg));
}

CASE(asyncio_wait_for_cancelled)
{
    struct work *slow = &works_of[0];
    int64_t limit = 400 * MS;

    *slow = (struct work){.ns = 200 * MS, .cleanup = 20 * MS};
    WEFT_SCOPE(s) {
        weft_task waiting = start(&s, waits_for, &limit, sizeof limit);
        turns(1);
        is(weft_cancel(waiting), 1);
        is(result_of(waiting), -ECANCELED);
        yes(slow->ended);
    }
}

CASE(asyncio_wait_for_timeout)
{
    struct work work = {.ns = 200 * MS, .cleanup = 20 * MS}, *slow = &work;

    do /* again, where its time was over before it had begun */
        is(weft_wait_for(CORO(slow), NULL, weft_after_ms(10)), -ETIMEDOUT);
    while (!work.begun);
    yes(work.ended);
}

CASE(wait_for_timeout_less_then_0_or_0_future_done)
{
    int64_t result = 0;
    weft_future *future;

    is(weft_future_create(&future, NULL), 0);
    is(weft_future_set_result(future, 7), 0);
    is(weft_wait_for(weft_of_future(future), &result, 0), 0);
    is(result, 7);
    yes(weft_future_done(future));
    weft_future_put(future);
}

static bool foo_started;
static int foo(void *arg)
{
    (void)arg;
    foo_started = true;
    return weft_sleep(MS); /* refused: it had no time when it was called */
}
CASE(wait_for_timeout_less_then_0_or_0_coroutine_do_not_started)
{
    is(weft_wait_for(weft_coro(foo, NULL, 0), NULL, 0), -ETIMEDOUT);
    no(foo_started);
}

static void timed_out(int64_t deadline)
{
    struct work work = {.ns = 10 * SECONDS, .result = 7};

    WEFT_SCOPE(s) {
        weft_task task = start_work(&s, &work);
        turns(1);
        yes(work.running);
        is(weft_wait_for(weft_of_task(task), NULL, deadline), -ETIMEDOUT);
        yes(done(task));
        yes(work.cut);
        no(work.running);
        is(result_of(task), -ECANCELED);
    }
}
CASE(wait_for_timeout_less_then_0_or_0)
{
    timed_out(weft_after_ns(0));
    timed_out(weft_after_ns(-SECONDS));
    timed_out(0);
    timed_out(-1);
}

CASE(wait_for)
{
    timed_out(weft_after_ms(100));
}

CASE(wait_for_blocking)
{
    struct work work = {.result = 7}, *pointer = &work;
    int64_t result = 0;

    is(weft_wait_for(CORO(pointer), &result, WEFT_NEVER), 0);
    is(result, 7);
}

static void sets(void *arg)
{
    is(weft_future_set_result(arg, 5), 0);
}
CASE(wait_for_race_condition)
{
    int64_t result = 0;
    weft_future *future;

    is(weft_future_create(&future, NULL), 0);
    is(weft_call_soon(sets, future, NULL), 0);
    is(weft_wait_for(weft_of_future(future), &result, weft_after_ms(60000)), 0);
    is(result, 5);
    weft_future_put(future);
}

CASE(wait_for_cancellation_race_condition)
{
    struct work work = {.ns = SECONDS, .instead = 1}, *inner = &work;
    int64_t result = 0;

    int error;

    do /* again, where its time was over before it had begun */
        error = weft_wait_for(CORO(inner), &result, weft_after_ms(10));
    while (!work.begun);
    is(error, 0);
    is(result, 1);
    yes(work.cut);
}

static void waits_for_cancellation(int64_t span)
{
    struct work work = {.ns = 10 * SECONDS, .cleanup = 10 * MS};

    WEFT_SCOPE(s) {
        weft_task inner = start_work(&s, &work);
        turns(1);
        is(weft_wait_for(weft_of_task(inner), NULL, weft_after_ns(span)), -ETIMEDOUT);
        is(weft_cause(), WEFT_CAUSE_DEADLINE);
        yes(work.ended);
        is(result_of(inner), -ECANCELED);
    }
}
CASE(wait_for_waits_for_task_cancellation)
{
    waits_for_cancellation(100000);
}
CASE(wait_for_waits_for_task_cancellation_w_timeout_0)
{
    waits_for_cancellation(0);
}

CASE(wait_for_reraises_exception_during_cancellation)
{
    struct work work = {.ns = SECONDS, .instead = -EPIPE};
    int64_t result = 0;

    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        weft_task inner = start_work(&s, &work);
        turns(1);
        is(weft_wait_for(weft_of_task(inner), &result, weft_after_us(100)), 0);
        is(result, -EPIPE);
        is(result_of(inner), -EPIPE);
    }
}

static weft_task blocked;
static int waits_for_the_blocked(void *arg)
{
    return weft_wait_for(weft_of_task(blocked), NULL, *(int64_t *)arg);
}
static void cancel_wait_for_until(int64_t deadline)
{
    struct work work = {.ns = EVER};

    WEFT_SCOPE(s) {
        blocked = start_work(&s, &work);
        weft_task wait = start(&s, waits_for_the_blocked, &deadline, sizeof deadline);
        is(weft_call_soon(cancels, &wait, NULL), 0);
        is(result_of(wait), -ECANCELED);
        yes(done(blocked)); /* cancelling the wait has cancelled the task, too */
        is(result_of(blocked), -ECANCELED);
    }
}
CASE(cancel_blocking_wait_for)
{
    cancel_wait_for_until(WEFT_NEVER);
}
CASE(cancel_wait_for)
{
    cancel_wait_for_until(weft_after_ms(60000));
}

CASE(wait_for_cancel_suppressed)
{
    struct work work = {.ns = 10 * SECONDS, .instead = 42}, *inner = &work;
    int64_t result = 0;

    int error;

    do
        error = weft_wait_for(CORO(inner), &result, weft_after_ms(100));
    while (!work.begun);
    is(error, 0);
    is(result, 42);
}

static bool reached_end;
static weft_task inner_of_86296;
static int wait_for_coro(void *arg)
{
    (void)arg;
    int64_t result;
    int error = weft_wait_for(weft_of_task(inner_of_86296), &result, weft_after_ms(100000));

    is(error, 0); /* it had ended before the cancellation came */
    is(result, 7);
    error = weft_sleep(SECONDS);
    reached_end = error == 0;
    return error;
}
static int is_seven(void *arg)
{
    (void)arg;
    return 7;
}
CASE(wait_for_issue86296)
{
    WEFT_SCOPE(s) {
        inner_of_86296 = start(&s, is_seven, NULL, 0);
        weft_task task = start(&s, wait_for_coro, NULL, 0);
        no(done(task));
        turns(1);
        is(weft_cancel(task), 1);
        is(result_of(task), -ECANCELED);
        is(result_of(inner_of_86296), 7);
        no(reached_end);
    }
}

static void shielded(int64_t deadline, int expected)
{
    struct work work = {.ns = 10 * MS, .result = 7};

    WEFT_SCOPE(s) {
        weft_task task = start_work(&s, &work);
        is(weft_wait_for(weft_shield(weft_of_task(task)), NULL, deadline), expected);
        is(done(task), expected == 0);
        is(result_of(task), 7);
        no(work.cut);
    }
}
CASE(zero_timeout)
{
    shielded(0, -ETIMEDOUT);
}
CASE(none_timeout)
{
    shielded(WEFT_NEVER, 0);
}
CASE(shielded_timeout)
{
    shielded(weft_after_us(100), -ETIMEDOUT);
}

TEST_MAIN("asyncio.wait_for", 60, asyncio_wait_for_cancelled, asyncio_wait_for_timeout,
          wait_for_timeout_less_then_0_or_0_future_done,
          wait_for_timeout_less_then_0_or_0_coroutine_do_not_started,
          wait_for_timeout_less_then_0_or_0, wait_for, wait_for_blocking, wait_for_race_condition,
          wait_for_cancellation_race_condition, wait_for_waits_for_task_cancellation,
          wait_for_waits_for_task_cancellation_w_timeout_0,
          wait_for_reraises_exception_during_cancellation, cancel_blocking_wait_for,
          cancel_wait_for, wait_for_cancel_suppressed, wait_for_issue86296, zero_timeout,
          none_timeout, shielded_timeout)
