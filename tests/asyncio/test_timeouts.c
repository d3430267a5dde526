/*
 * The cases of CPython's test_timeouts.py. Catches an edge that says -ETIMEDOUT for somebody else's
 * cancellation, or in place of an error, or before what is inside has ended.
 */
#include "cases.h"

/* A timeout of `span`, or at `deadline` if that is not 0, around a sleep. What the edge said. */
static struct {
    int inside, edge, expired;
    enum weft_cause cause;
    int64_t when;
} saw;
static int around(int64_t span, int64_t deadline, int64_t sleep)
{
    weft_scope s;

    is(deadline ? weft_timeout_at(&s, deadline) : weft_timeout(&s, span), 0);
    saw.inside = weft_sleep(sleep);
    saw.expired = weft_timeout_expired(&s);
    saw.when = weft_timeout_when(&s);
    saw.edge = weft_scope_close(&s);
    saw.cause = weft_cause();
    return saw.edge;
}

CASE(timeout_basic)
{
    is(around(10 * MS, 0, 10 * SECONDS), -ETIMEDOUT);
    is(saw.inside, -ECANCELED);
    is(saw.expired, 1);
}

CASE(timeout_at_basic)
{
    int64_t deadline = weft_after_ms(10);

    is(around(0, deadline, 10 * SECONDS), -ETIMEDOUT);
    is(saw.expired, 1);
    ck_assert_int_eq(saw.when, deadline);
}

/* Both are due at once: stronger than asyncio, where the inner edge is told of a cancellation. */
CASE(nested_timeouts)
{
    int64_t deadline = weft_after_ms(10);
    weft_scope outer;

    is(weft_timeout_at(&outer, deadline), 0);
    is(around(0, deadline, 10 * SECONDS), -ETIMEDOUT);
    is(saw.expired, 1);
    is(weft_timeout_expired(&outer), 1);
    is(weft_sleep(MS), -ECANCELED);
    is(weft_scope_close(&outer), -ETIMEDOUT);
}

CASE(waiter_cancelled)
{
    is(around(10 * MS, 0, 10 * SECONDS), -ETIMEDOUT);
    is(saw.inside, -ECANCELED);
    is(weft_sleep(MS), 0); /* nothing of it is left outside */
}

CASE(timeout_not_called)
{
    is(around(10 * SECONDS, 0, 10 * MS), 0);
    is(saw.inside, 0);
    is(saw.expired, 0);
    yes(saw.when > weft_now());
}

CASE(timeout_disabled)
{
    is(around(WEFT_NEVER, 0, 10 * MS), 0);
    is(saw.expired, 0);
    yes(saw.when == WEFT_NEVER);
}

CASE(timeout_at_disabled)
{
    is(around(0, WEFT_NEVER, 10 * MS), 0);
    is(saw.expired, 0);
    yes(saw.when == WEFT_NEVER);
}

CASE(timeout_zero)
{
    is(around(0, 0, 10 * SECONDS), -ETIMEDOUT);
    is(saw.expired, 1);
    yes(saw.when <= weft_now());
}

CASE(timeout_zero_sleep_zero)
{
    is(around(0, 0, 0), -ETIMEDOUT);
    is(saw.expired, 1);
}

CASE(timeout_in_the_past_sleep_zero)
{
    is(around(-11 * SECONDS, 0, 0), -ETIMEDOUT);
    is(saw.expired, 1);
    yes(saw.when <= weft_now());
}

/* An error is a value that the body has; the edge adds nothing when it cut nothing. */
static int body_fails(void *arg)
{
    weft_scope s;

    (void)arg;
    is(weft_timeout(&s, 10 * SECONDS), 0);
    int error = -ENOENT;
    int edge = weft_scope_close(&s);
    return edge < 0 ? edge : error;
}
CASE(foreign_exception_passed)
{
    is(body_fails(NULL), -ENOENT);
}

static bool begun;
static int crashes_when_cut(void *arg)
{
    (void)arg;
    begun = true;
    return weft_sleep(SECONDS) < 0 ? -EDOM : 0;
}
CASE(foreign_exception_on_timeout)
{
    int64_t result = 0;
    int error;

    do /* again, where its time was over before it had begun */
        error = weft_wait_for(weft_coro(crashes_when_cut, NULL, 0), &result, weft_after_ms(10));
    while (!begun);
    is(error, 0);
    is(result, -EDOM);
    WEFT_SCOPE(s) { /* and of a child: its error is the scope's, not the time */
        start(&s, crashes_when_cut, NULL, 0);
        is(weft_scope_reschedule(&s, weft_after_ms(10)), 0);
        is(weft_sleep(10 * SECONDS), -ECANCELED);
        is(weft_scope_close(&s), -EDOM);
    }
}

static weft_task self;
CASE(foreign_cancel_doesnt_timeout_if_not_expired)
{
    self = weft_current_task();
    weft_scope s;

    is(weft_timeout(&s, 10 * SECONDS), 0);
    is(weft_cancel(self), 1);
    is(weft_sleep(10 * SECONDS), -ECANCELED);
    is(weft_timeout_expired(&s), 0);
    is(weft_scope_close(&s), -ECANCELED);
    is(weft_cause(), WEFT_CAUSE_CANCEL);
    is(weft_uncancel(), 0);
}

static int outer(void *arg)
{
    (void)arg;
    is(around(MS, 0, 10 * SECONDS), -ETIMEDOUT);
    return weft_cancelled() ? -1 : 5;
}
CASE(outer_task_is_not_cancelled)
{
    WEFT_SCOPE(s)
        is(result_of(start(&s, outer, NULL, 0)), 5);
}

/* The outer limit is the shorter one, and passes while the loop is busy. */
CASE(nested_timeouts_concurrent)
{
    weft_scope wide;

    is(weft_timeout(&wide, 2 * MS), 0);
    while (weft_now() < weft_timeout_when(&wide)) /* crunches some numbers */
        ;
    is(around(EVER, 0, SECONDS), -ECANCELED); /* of the two, not the inner one's */
    is(weft_scope_close(&wide), -ETIMEDOUT);
}

CASE(nested_timeouts_loop_busy)
{
    weft_scope wide, narrow;

    is(weft_timeout(&wide, 100 * MS), 0);
    is(weft_timeout(&narrow, 10 * MS), 0);
    while (weft_now() < weft_timeout_when(&narrow) + 10 * MS)
        ;
    is(weft_sleep(SECONDS), -ECANCELED);
    int edge = weft_scope_close(&narrow); /* as late as the machine is, the other may be due, too */
    yes(edge == -ETIMEDOUT || edge == -ECANCELED);
    is(weft_sleep(10 * SECONDS), -ECANCELED);
    is(weft_scope_close(&wide), -ETIMEDOUT);
}

static weft_scope limit;
static int64_t deadline1, deadline2;
static int has_a_limit(void *arg)
{
    (void)arg;
    is(weft_timeout_at(&limit, deadline1), 0);
    is(weft_sleep(50 * SECONDS), -ECANCELED);
    is(weft_timeout_expired(&limit), 0);
    return weft_scope_close(&limit);
}
CASE(reschedule)
{
    deadline1 = weft_after_ms(10000);
    deadline2 = deadline1 + 20 * SECONDS;
    WEFT_SCOPE(s) {
        weft_task task = start(&s, has_a_limit, NULL, 0);
        turns(1);
        yes(weft_timeout_when(&limit) == deadline1);
        is(weft_timeout_reschedule(&limit, deadline2), 0);
        yes(weft_timeout_when(&limit) == deadline2);
        is(weft_timeout_reschedule(&limit, WEFT_NEVER), 0);
        yes(weft_timeout_when(&limit) == WEFT_NEVER);
        is(weft_cancel(task), 1);
        is(result_of(task), -ECANCELED);
    }
}

CASE(nested_timeout_in_finally)
{
    weft_scope s;

    is(weft_timeout(&s, 10 * MS), 0);
    is(weft_sleep(SECONDS), -ECANCELED);
    WEFT_SHIELD(weft_after_ms(100000)) /* cancellation stays: cleaning up takes a shield */
        is(around(10 * MS, 0, 10 * SECONDS), -ETIMEDOUT);
    is(weft_scope_close(&s), -ETIMEDOUT);
}

CASE(timeout_after_cancellation)
{
    is(weft_cancel(weft_current_task()), 1);
    is(weft_sleep(SECONDS), -ECANCELED);
    WEFT_SHIELD(weft_after_ms(100000))
        is(around(0, 0, SECONDS), -ETIMEDOUT);
    is(weft_uncancel(), 0);
}

CASE(cancel_in_timeout_after_cancellation)
{
    is(weft_cancel(weft_current_task()), 1);
    is(weft_sleep(SECONDS), -ECANCELED);
    is(weft_cancel(weft_current_task()), 1);
    is(around(SECONDS, 0, 2 * SECONDS), -ECANCELED);
    is(saw.expired, 0);
    is(weft_uncancel(), 1);
    is(weft_uncancel(), 0);
}

CASE(timeout_finished)
{
    weft_scope s;

    is(weft_timeout(&s, 10 * SECONDS), 0);
    is(weft_scope_close(&s), 0);
    int64_t at = weft_after_ms(20);
    ck_misuse(weft_timeout_reschedule(&s, at), -EINVAL, "weft_timeout_reschedule", "not open");
}

CASE(timeout_expired)
{
    weft_scope s;

    is(weft_timeout(&s, 10 * MS), 0);
    is(weft_sleep(SECONDS), -ECANCELED);
    is(weft_scope_close(&s), -ETIMEDOUT);
    int64_t at = weft_after_ms(20);
    ck_misuse(weft_timeout_reschedule(&s, at), -EINVAL, "weft_timeout_reschedule", "not open");
}

CASE(timeout_expiring)
{
    weft_scope s;

    is(weft_timeout(&s, 10 * MS), 0);
    is(weft_sleep(SECONDS), -ECANCELED);
    is(weft_timeout_reschedule(&s, weft_after_ms(20)), -EALREADY);
    is(weft_scope_close(&s), -ETIMEDOUT);
}

TEST(timeout_without_task)
{
    weft_scope s = {{0}};

    is(weft_timeout(&s, 10 * MS), -EPERM);
    is(weft_timeout_reschedule(&s, weft_after_ms(20)), -EINVAL);
}

CASE(timeout_taskgroup)
{
    weft_scope s;

    is(weft_timeout(&s, EVER), 0);
    WEFT_SCOPE(group) {
        start(&group, crashes_when_cut, NULL, 0);
        is(weft_timeout_reschedule(&s, weft_after_ms(10)), 0);
        is(weft_sleep(SECONDS), -ECANCELED);
        is(weft_scope_close(&group), -EDOM);
    }
    is(weft_scope_close(&s), -ETIMEDOUT);
}

TEST_MAIN("asyncio.timeouts", 60, timeout_basic, timeout_at_basic, nested_timeouts,
          waiter_cancelled, timeout_not_called, timeout_disabled, timeout_at_disabled, timeout_zero,
          timeout_zero_sleep_zero, timeout_in_the_past_sleep_zero, foreign_exception_passed,
          foreign_exception_on_timeout, foreign_cancel_doesnt_timeout_if_not_expired,
          outer_task_is_not_cancelled, nested_timeouts_concurrent, nested_timeouts_loop_busy,
          reschedule, nested_timeout_in_finally, timeout_after_cancellation,
          cancel_in_timeout_after_cancellation, timeout_finished, timeout_expired, timeout_expiring,
          timeout_without_task, timeout_taskgroup)
