/*
 * What is told as slow, where time is the simulated kernel's and nobody is slow by himself.
 *
 * Would catch a callback that is held to go on when it has returned: the sleep of the reactor
 * behind it is then told as its work.
 */
#include "simulate.h"

static unsigned told;

static void hears(const struct weft_report *report)
{
    (void)report;
    told++;
}

static void called(void *arg)
{
    ++*(int *)arg;
}

static void done(weft_future *future, void *arg)
{
    (void)future;
    called(arg);
}

/* Each of them is the last that runs before the reactor sleeps for a second. */
static int main_quick(void *arg)
{
    weft_inbox *inbox = weft_inbox_here();
    weft_future *future;
    int calls = 0;

    (void)arg;
    ok(weft_call_soon(called, &calls, NULL));
    ok(weft_sleep(1000000000));
    ok(weft_post(inbox, called, &calls, NULL));
    ok(weft_sleep(1000000000));
    ok(weft_future_create(&future, NULL));
    ok(weft_future_add_done(future, done, &calls));
    ok(weft_future_set_result(future, 0));
    ok(weft_sleep(1000000000));
    weft_future_put(future);
    weft_inbox_put(inbox);
    ck_assert_int_eq(calls, 3);
    return 0;
}

TEST(a_sleep_is_nobodys_work)
{
    const struct weft_debug_opt debug = {.size = sizeof debug,
                                         .kinds = WEFT_REPORT_SLOW,
                                         .slow_ns = 500000000,
                                         .hook = hears};
    struct world world = {.plan = "calm", .task = main_quick, .run = {.debug = &debug}};

    ck_assert_int_eq(world_run(&world), 0);
    ck_assert_uint_eq(told, 0);
}

TEST_MAIN("sim/slow", 30, a_sleep_is_nobodys_work)
