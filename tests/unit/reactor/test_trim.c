/*
 * The memory of free stacks goes back once a reactor has had nothing to start for a second, and
 * then no timer is left. Would catch a reactor that keeps a burst's memory for good, and one that
 * wakes for ever to look.
 */
#include "support/test.h"

#include <weft/weft.h>

#include "coro/stack.h"
#include "reactor/reactor.h"

enum { TASKS = 2000 };

static int touch(void *arg)
{
    volatile char frame[2048] = {0};

    (void)arg;
    frame[0] = 1;
    return weft_yield() + frame[1];
}

static int burst_and_rest(void *arg)
{
    struct weft__reactor *reactor = weft__self;

    (void)arg;
    WEFT_SCOPE(s) {
        for (int i = 0; i < TASKS; i++)
            ck_assert_int_eq(weft_spawn(&s, touch, NULL, 0, NULL), 0);
    }
    ck_assert_int_eq(weft_sleep(1000), 0);
    ck_assert_uint_gt(weft__stack_hot_bytes(&reactor->stacks), WEFT__TRIM_BYTES_MIN);
    ck_assert_uint_eq(reactor->timers.alive, 1); /* the trim's: it waits for a quiet second */
    for (int i = 0; i < 100 && weft__stack_hot_bytes(&reactor->stacks) > 0; i++)
        ck_assert_int_eq(weft_sleep(200000000), 0);
    ck_assert_uint_eq(weft__stack_hot_bytes(&reactor->stacks), 0);
    ck_assert_int_eq(weft_sleep(1000), 0);
    ck_assert_uint_eq(reactor->timers.alive, 0);
    return 0;
}

TEST(an_idle_reactor_gives_its_stacks_memory_back)
{
    ck_assert_int_eq(weft_run(burst_and_rest, NULL, 0, NULL), 0);
}

TEST_MAIN("reactor/trim", 60, an_idle_reactor_gives_its_stacks_memory_back)
