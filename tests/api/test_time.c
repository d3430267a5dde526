/*
 * weft/time.h: absolute times, saturation, sleeping: never early, in order, refused when cancelled.
 */
#include "support/test.h"

#include <errno.h>
#include <time.h>
#include <weft/weft.h>

static int run(weft_task_fn fn)
{
    return weft_run(fn, NULL, 0, NULL);
}

TEST(times)
{
    struct timespec ts;
    int64_t before, now;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    before = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
    now = weft_now();
    clock_gettime(CLOCK_MONOTONIC, &ts);
    ck_assert_int_ge(now, before);
    ck_assert_int_le(now, (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec);
    ck_assert_int_ge(weft_after_ns(0), now);
    ck_assert_int_ge(weft_after_ms(1000), now + 1000000000);
    ck_assert_int_ge(weft_after_us(1000), now + 1000000);
    ck_assert_int_lt(weft_after_ms(-1000), now);
    ck_assert_int_lt(weft_after_us(-1), weft_now());
    ck_assert_int_eq(weft_after_ns(INT64_MAX), WEFT_NEVER);
    ck_assert_int_eq(weft_after_us(INT64_MAX), WEFT_NEVER);
    ck_assert_int_eq(weft_after_us(INT64_MAX / 1000), WEFT_NEVER);
    ck_assert_int_eq(weft_after_ms(INT64_MAX), WEFT_NEVER);
    ck_assert_int_eq(weft_after_ms(INT64_MAX / 1000000), WEFT_NEVER);
    ck_assert_int_lt(weft_after_ns(INT64_MIN), 0);
    ck_assert_int_lt(weft_after_us(INT64_MIN), 0);
    ck_assert_int_lt(weft_after_ms(INT64_MIN), 0);
    ck_assert_int_lt(weft_after_ms(INT64_MIN / 1000000), 0);
    ck_assert_int_eq(weft_sleep(1), -EPERM);
    ck_assert_int_eq(weft_sleep_until(1), -EPERM);
}

static int ran;
static int runs(void *arg)
{
    (void)arg;
    ran++;
    return 0;
}
static int sleep_main(void *arg)
{
    static const int64_t past[] = {INT64_MIN, -1, 0, 1};

    (void)arg;
    for (int64_t ns = 1; ns < 8000000; ns = ns * 5 / 2 + 1) {
        int64_t due = weft_now() + ns;
        ck_assert_int_eq(weft_sleep(ns), 0);
        ck_assert_int_ge(weft_now(), due);
        due = weft_now() + ns;
        ck_assert_int_eq(weft_sleep_until(due), 0);
        ck_assert_int_ge(weft_now(), due);
    }
    WEFT_SCOPE(s)
        for (int i = 0; i < 8; i++) { /* lets others run once */
            ck_assert_int_eq(weft_spawn(&s, runs, NULL, 0, NULL), 0);
            ck_assert_int_eq(i < 4 ? weft_sleep_until(past[i])
                                   : weft_sleep(i < 7 ? past[i - 4] : 0),
                             0);
            ck_assert_int_eq(ran, i + 1);
        }
    WEFT_SCOPE(t) {
        weft_scope_cancel(&t);
        ck_assert_int_eq(weft_sleep(0), -ECANCELED);
        ck_assert_int_eq(weft_sleep_until(1), -ECANCELED); /* the past too: checked on entry */
        ck_assert_int_eq(weft_sleep(INT64_MAX), -ECANCELED);
    }
    return 0;
}
TEST(sleeping)
{
    ck_assert_int_eq(run(sleep_main), 0);
}

/* Timers fire by due time, equal ones by the order armed. */
enum { SLEEPERS = 300 };
static int woken[SLEEPERS], woken_count;
static int64_t base;
static int sleeps(void *arg)
{
    int i = *(int *)arg, error = weft_sleep_until(base + (int64_t)(i % 7) * 300);

    woken[woken_count++] = i;
    return error;
}
static int order_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        base = weft_after_ms(20);
        for (int i = 0; i < SLEEPERS; i++)
            ck_assert_int_eq(weft_spawn(&s, sleeps, &i, sizeof i, NULL), 0);
        weft_yield();
        if (weft_now() >= base)
            return 1; /* the machine stalled: they did not all sleep at once; try again */
        while (weft_now() < base + 100000) /* all of them are due when the loop next looks */
            continue;
    }
    ck_assert_int_eq(woken_count, SLEEPERS);
    for (int i = 1; i < SLEEPERS; i++) {
        int a = woken[i - 1], b = woken[i];
        ck_assert(a % 7 < b % 7 || (a % 7 == b % 7 && a < b));
    }
    return 0;
}
TEST(order)
{
    while (run(order_main) == 1)
        woken_count = 0;
}

TEST_MAIN("api.time", 30, times, sleeping, order)
