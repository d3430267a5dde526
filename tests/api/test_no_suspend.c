/*
 * WEFT_NO_SUSPEND: in the region no call that may suspend is let through, releases are, and after
 * it all is as before, however it was left. Catches a region that does not end, a call that slips
 * by, a descriptor that cannot be closed any more.
 */
#include "support/misuse.h"
#include "support/net.h"

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Whoever leaves by return leaves all the regions it is in. */
static int leaves_by_return(void)
{
    WEFT_NO_SUSPEND {
        WEFT_NO_SUSPEND {
            return weft_yield();
        }
    }
    return 1;
}

static int main_calls(void *arg)
{
    int rounds = 0, fd, there, done = 0;
    weft_task task, ended;
    struct weft_spawn_opt handle = {.size = sizeof handle, .task = &task},
                          early = {.size = sizeof early, .task = &ended};
    char byte = 'x';

    (void)arg;
    net_pair(&fd, &there);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, nothing, NULL, 0, &early));
        ok(weft_yield());
        ok(weft_spawn(&s, nothing, NULL, 0, &handle));
        WEFT_NO_SUSPEND {
            done++;
            ck_assert_int_eq(weft_yield(), -EPERM);
            ck_assert_int_eq(weft_sleep(1), -EPERM);
            ck_assert_int_eq(weft_send(fd, &byte, 1, 0), -EPERM); /* though it would not wait */
            ck_assert_int_eq(weft_recv(there, &byte, 1, 0), -EPERM);
            ck_assert_int_eq(weft_spawn(&s, nothing, NULL, 0, NULL), -EPERM);
            ck_assert_int_eq(weft_join(task, NULL), -EPERM);
            ck_assert_int_eq(weft_join(ended, NULL), 0); /* settled: never waits */
            ok(weft_spawn_nowait(&s, nothing, NULL, 0, NULL));
            ok(weft_cancelled());
        }
        ck_assert_int_eq(done, 1);
        ok(weft_join(task, NULL));
    }
    ck_assert_int_eq(leaves_by_return(), -EPERM);
    WEFT_NO_SUSPEND {
        break;
    }
    for (int i = 0; i < 3; i++)
        WEFT_NO_SUSPEND {
            rounds++;
            continue;
        }
    ck_assert_int_eq(rounds, 3);
    ok(weft_yield());

    WEFT_NO_SUSPEND {
        ok(weft_close(fd)); /* reported, and done */
    }
    ck_assert_int_eq(weft_recv(there, &byte, 1, 0), 0);
    return weft_close(there);
}

TEST(calls)
{
    net_run(main_calls);
}

/* It is the task's own: another one that runs meanwhile would not be held. */
static int suspends(void *arg)
{
    *(int *)arg = weft_yield();
    return 0;
}

static int main_others(void *arg)
{
    int result = -1;

    (void)arg;
    WEFT_SCOPE(s) {
        WEFT_NO_SUSPEND {
            ok(weft_spawn_nowait(&s, suspends, &result, 0, NULL));
        }
    }
    ck_assert_int_eq(result, 0);
    return 0;
}

TEST(one_task_only)
{
    net_run(main_others);
}

/* A race that is won already still has to see its losers out, and waits for that: it answers only
   if there are none. The loser is not cancelled. */
static int waits_for(void *arg)
{
    return weft_event_wait(arg);
}

static int main_race(void *arg)
{
    weft_event go = WEFT_EVENT_INIT;
    weft_event *event = &go;
    weft_task first, second;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &first};
    int result = -1;

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, nothing, NULL, 0, &opt));
        opt.task = &second;
        ok(weft_spawn(&s, waits_for, event, 0, &opt));
        ok(weft_await(first, NULL));
        weft_awaitable list[] = {weft_of_task(second), weft_of_task(first)};
        WEFT_NO_SUSPEND {
            ck_assert_int_eq(weft_race(list, 2, NULL), -EPERM);
        }
        ck_assert_int_eq(weft_event_set(&go), 1);
        ok(weft_await(second, &result));
        ck_assert_int_eq(result, 0);
        WEFT_NO_SUSPEND {
            ck_assert_int_eq(weft_race(list, 2, NULL), 0); /* in the order of the list */
        }
    }
    return 0;
}

TEST(race_with_losers)
{
    net_run(main_race);
}

TEST(outside_of_a_task)
{
    int done = 0;

    WEFT_NO_SUSPEND {
        done = 1;
    }
    ck_assert_int_eq(done, 1);
}

/* A debug build hears of both: what was refused and what was not. Releases on one line each. */
static int main_hook(void *arg)
{
    weft_stream *first, *second;
    int fd, there, pair[2];
    weft_scope outer, inner;

    (void)arg;
    net_pair(&fd, &there);
    net_pair(&pair[0], &pair[1]);
    ck_assert_int_eq(weft_stream_open(there, NULL, &first), 0);
    ck_assert_int_eq(weft_stream_open(pair[1], NULL, &second), 0);
    ok(weft_scope_open(&outer, NULL));
    ok(weft_scope_open(&inner, NULL));
    WEFT_NO_SUSPEND {
        ck_misuse(weft_yield(), -EPERM, "weft_yield", "region");
        unsigned before = test_misuses();
        ck_assert_int_eq(weft_close(fd), 0);
        test_misuse_check(before, __FILE__, __LINE__ - 1, "weft_close", -EPERM, "region");
        before = test_misuses();
        ck_assert_int_eq(weft_stream_close(first), 0);
        test_misuse_check(before, __FILE__, __LINE__ - 1, "weft_stream_close", -EPERM, "region");
        before = test_misuses();
        ck_assert_int_eq(weft_stream_abort(second), 0);
        test_misuse_check(before, __FILE__, __LINE__ - 1, "weft_stream_abort", -EPERM, "region");
        before = test_misuses();
        ck_assert_int_eq(weft_scope_drain(&inner, WEFT_NEVER, WEFT_NEVER), 0);
        test_misuse_check(before, __FILE__, __LINE__ - 1, "weft_scope_drain", -EPERM, "region");
        before = test_misuses();
        ck_assert_int_eq(weft_scope_close(&inner), 0);
        test_misuse_check(before, __FILE__, __LINE__ - 1, "weft_scope_close", -EPERM, "region");
    }
    ok(weft_scope_close(&outer));
    return weft_close(pair[0]);
}

TEST(hook)
{
    net_run(main_hook);
}

TEST_MAIN("no_suspend", 20, calls, one_task_only, race_with_losers, outside_of_a_task, hook)
