/*
 * Deadlines by the hundred thousand through the public API: armed, moved, cancelled, all in one
 * tick; none fires early, and none is lost.
 */
#include "support/test.h"

#include <errno.h>
#include <weft/weft.h>

static uint64_t woken;
static int64_t same_due;

static int sleeps(void *arg)
{
    int64_t due = *(int64_t *)arg;
    int error = weft_sleep_until(due);

    if (error < 0)
        return error;
    if (weft_now() < due)
        ck_abort_msg("woken early");
    woken++;
    return 0;
}

static int many_main(void *arg)
{
    int count = *(int *)arg;
    uint64_t seed = 1;

    WEFT_SCOPE(s) {
        same_due = weft_after_ms(50);
        for (int i = 0; i < count; i++) {
            int64_t due = same_due;
            seed = seed * 6364136223846793005u + 1;
            if (i % 2)
                due = weft_after_ns((int64_t)(seed >> 38)); /* within 67 ms */
            ck_assert_int_eq(weft_spawn(&s, sleeps, &due, sizeof due, NULL), 0);
        }
    }
    ck_assert_uint_eq(woken, (uint64_t)count);
    return 0;
}
TEST(many_sleepers)
{
    int count = test_long() ? 1000000 : 5000;

    ck_assert_int_eq(weft_run(many_main, &count, sizeof count, NULL), 0);
}

/* A scope's deadline moved a million times and then passing: fires once, and others were served. */
static int others;
static int tick(void *arg)
{
    (void)arg;
    while (weft_sleep(100000) == 0)
        others++;
    return -ECANCELED;
}
static int churn_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        weft_scope moving;
        ck_assert_int_eq(weft_spawn(&s, tick, NULL, 0, NULL), 0);
        ck_assert_int_eq(weft_scope_open(&moving, NULL), 0);
        for (int i = 0; i < 300000; i++) {
            if (weft_scope_reschedule(&moving, weft_after_ms(10000 + i % 5000)) != 0)
                ck_abort_msg("it fired");
            if (i % 100 == 0)
                ck_assert_int_eq(weft_yield(), 0);
        }
        ck_assert_int_eq(weft_scope_reschedule(&moving, weft_after_ms(1)), 0);
        ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
        ck_assert_int_eq(weft_scope_close(&moving), -ETIMEDOUT);
        ck_assert_int_gt(others, 0);
        weft_scope_cancel(&s);
    }
    return 0;
}
TEST(deadline_moved_often)
{
    ck_assert_int_eq(weft_run(churn_main, NULL, 0, NULL), 0);
}

TEST_MAIN("stress.timers", 120, many_sleepers, deadline_moved_often)
