/*
 * Awaiting: results and errors that pass up at any depth, through frames that are not ours; tasks
 * beside calls; limits; cycles of tasks that wait for one another. Each test would catch what the
 * sentence above it says becoming untrue.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "support/misuse.h"
#include "support/test.h"

#define HOUR INT64_C(3600000000000)
#define SECOND INT64_C(1000000000)
#define is(expression, value) ck_assert_int_eq((expression), (value))

static void run(weft_task_fn fn)
{
    is(weft_run(fn, NULL, 0, NULL), 0);
}

static weft_task start(weft_scope *scope, weft_task_fn fn, const void *arg, size_t size)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    is(weft_spawn(scope, fn, arg, size, &opt), 0);
    return task;
}

/* -- passing up ------------------------------------------------------------------------------ */

static int nested(void *arg)
{
    int error = weft_sleep(1000);

    (void)arg;
    return error < 0 ? error : 42;
}
static int link_two(void *arg)
{
    int64_t result = 0;
    int error = weft_await_any(weft_coro(nested, arg, 0), &result);

    return error < 0 ? error : (int)result + 1;
}
static int link_three(void *arg)
{
    weft_task task = start((weft_scope *)arg, link_two, NULL, 0);
    int result = 0, error = weft_join(task, &result);

    return error < 0 ? error : result + 1;
}
/* "Prints 42", and a chain of three: a call in a coroutine in a task. */
static int chain_main(void *arg)
{
    int64_t result = 0;

    (void)arg;
    is(weft_await_any(weft_coro(nested, NULL, 0), &result), 0);
    is(result, 42);
    WEFT_SCOPE(s) {
        is(weft_await_any(weft_coro(link_three, &s, 0), &result), 0);
        is(result, 44);
    }
    return 0;
}
TEST(chained)
{
    run(chain_main);
}

static int comparisons, trouble;
static int compares(const void *a, const void *b)
{
    int one = *(const int *)a, two = *(const int *)b;
    int error = weft_yield();

    comparisons++;
    if (error < 0)
        trouble = error;
    return (one > two) - (one < two);
}
static int sorts(void *arg)
{
    int *numbers = arg;

    qsort(numbers, 50, sizeof *numbers, compares);
    return trouble;
}
static int counts(void *arg)
{
    int *turns = arg;

    while (weft_yield() == 0)
        ++*turns;
    return 0;
}
/* Through the C library's qsort, whose callback suspends in the middle of it: others run meanwhile,
   the order is right, and an error comes out at the other end. */
static int foreign_main(void *arg)
{
    int numbers[50], turns = 0, result = 0;

    (void)arg;
    for (int i = 0; i < 50; i++)
        numbers[i] = i * 37 % 50;
    WEFT_SCOPE(s) {
        weft_task sorting, counting = start(&s, counts, &turns, 0);
        sorting = start(&s, sorts, numbers, 0);
        is(weft_join(sorting, &result), 0);
        is(result, 0);
        ck_assert_int_gt(turns, 10);
        for (int i = 0; i < 50; i++)
            is(numbers[i], i);
        sorting = start(&s, sorts, numbers, 0);
        is(weft_cancel(sorting), 1);
        is(weft_join(sorting, &result), 0);
        is(result, -ECANCELED);
        is(weft_cancel(counting), 1);
    }
    ck_assert_int_gt(comparisons, 100);
    return 0;
}
TEST(through_foreign_frames)
{
    run(foreign_main);
}

/* -- tasks beside calls ---------------------------------------------------------------------- */

static int said;
static int say_after(void *arg)
{
    int64_t *ns = arg;
    int error = weft_sleep(*ns);

    said++;
    return error;
}
/* Two awaits take the sum of their times, two tasks the longer one. Never early; to the point where
   time is simulated. */
static int say_main(void *arg)
{
    static const int64_t one = SECOND / 50, two = SECOND / 25;
    int64_t begin = weft_now(), by_awaits, by_tasks;

    (void)arg;
    is(weft_await_any(weft_coro(say_after, &one, 0), NULL), 0);
    is(weft_await_any(weft_coro(say_after, &two, 0), NULL), 0);
    by_awaits = weft_now() - begin;
    begin = weft_now();
    WEFT_SCOPE(s) {
        weft_task first, second;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &first, .name = "first"};
        is(weft_create_task(say_after, &one, 0, &opt), 0);
        opt.task = &second;
        opt.name = NULL;
        is(weft_create_task(say_after, &two, 0, &opt), 0);
        is(weft_scope_tasks(&s), 2); /* in the innermost open scope */
        ck_assert_str_eq(weft_task_name(first), "first");
        is(weft_task_set_name(second, "second"), 0);
        ck_assert_str_eq(weft_task_name(second), "second");
        is(weft_all_tasks(NULL, 0), 3);
        is(weft_join(first, NULL), 0);
        is(weft_join(second, NULL), 0);
        is(weft_all_tasks(NULL, 0), 1);
    }
    by_tasks = weft_now() - begin;
    is(said, 4);
    ck_assert_int_ge(by_awaits, one + two);
    ck_assert_int_ge(by_tasks, two);
    return 0;
}
TEST(say_after_twice)
{
    run(say_main);
}

/* -- coroutines ------------------------------------------------------------------------------ */

static int never_main(void *arg)
{
    weft_awaitable coroutine = weft_coro(nested, NULL, 0);
    weft_awaitable future_of_it = coroutine;

    (void)arg;
    ck_assert(weft_is_coroutine(coroutine));
    ck_assert(!weft_is_task(coroutine) && !weft_is_future(coroutine));
    is(weft_yield(), 0); /* it does nothing until it is awaited or spawned */
    is(weft_all_tasks(NULL, 0), 1);
    WEFT_SCOPE(s) {
        int64_t result = 0;
        is(weft_ensure_future(&future_of_it), 0);
        ck_assert(weft_is_task(future_of_it));
        is(weft_scope_tasks(&s), 1);
        is(weft_await_any(future_of_it, &result), 0);
        is(result, 42);
    }
    return 0;
}
TEST(coroutine_object)
{
    run(never_main);
}

/* -- limits ---------------------------------------------------------------------------------- */

static int answers(void *arg)
{
    int error = weft_sleep(*(int64_t *)arg);

    return error < 0 ? error : 11;
}
/* "-ETIMEDOUT, and the task goes on, its handle valid." What has ended is answered, whatever the
   time, and to one who is cancelled. */
static int limits_main(void *arg)
{
    int64_t soon = 200000;
    int result = 0;

    (void)arg;
    WEFT_SCOPE(s) {
        weft_task task = start(&s, answers, &soon, sizeof soon);
        is(weft_join_until(task, &result, 1), -ETIMEDOUT);
        is(weft_await_until(task, &result, weft_after_us(1)), -ETIMEDOUT);
        is(weft_cause(), WEFT_CAUSE_DEADLINE);
        is(weft_await_until(task, &result, WEFT_NEVER), 0);
        is(result, 11);
        is(weft_cancel(weft_current_task()), 1);
        is(weft_await_until(task, NULL, 1), 0);
        is(weft_join_until(task, &result, 1), 0);
        is(weft_join_until(task, &result, 1), -ESTALE);
        is(weft_uncancel(), 0);
        task = start(&s, answers, &soon, sizeof soon);
        is(weft_cancel(weft_current_task()), 1);
        is(weft_join_until(task, &result, WEFT_NEVER), -ECANCELED);
        is(weft_uncancel(), 0);
        is(weft_join(task, &result), 0);
        is(result, -ECANCELED); /* as a child of ours, not because it was waited for */
        task = weft_current_task();
        ck_misuse(weft_await_until(task, NULL, WEFT_NEVER), -EDEADLK, "weft_await_until", "itself");
    }
    return 0;
}
TEST(limits)
{
    weft_task none = {0, 0};

    is(weft_join_until(none, NULL, 1), -EPERM);
    run(limits_main);
}

/* -- cycles ---------------------------------------------------------------------------------- */

static weft_task ring[4];
static bool ring_is_there;
enum how { BY_JOIN, BY_GATHER, BY_KEEPING, BY_WAIT, BY_COMPLETED, HOWS };

static int waits_for(weft_task task, int how)
{
    weft_awaitable list[] = {weft_of_task(task), weft_of_task(ring[3])};
    weft_completed *each;
    int error;

    switch (how) {
    case BY_JOIN:
        return weft_await(task, NULL);
    case BY_GATHER:
        return weft_gather(list, 2, NULL, 0);
    case BY_KEEPING:
        return weft_gather(list, 2, NULL, WEFT_GATHER_KEEP);
    case BY_WAIT:
        return weft_wait(list, 2, NULL, WEFT_ALL, WEFT_NEVER);
    default:
        error = weft_as_completed(&each, list, 1);
        if (error < 0)
            return error;
        error = weft_completed_next(each, NULL, NULL, WEFT_NEVER);
        weft_completed_close(each);
        return error;
    }
}
static int hows[3];
static int waits_in_a_ring(void *arg)
{
    int me = *(int *)arg, error;

    while (!ring_is_there)
        is(weft_yield(), 0);
    error = waits_for(ring[(me + 1) % 3], hows[me]);
    return error == -ECANCELED || error == -EDEADLK ? error : 0;
}
static int waits_long(void *arg)
{
    return weft_sleep(*(int64_t *)arg);
}
/* Three tasks that wait for one another in a ring, in each way of waiting for all: the one that
   would close it is refused, and the others then end. */
static int cycle_main(void *arg)
{
    int64_t hour = HOUR;

    (void)arg;
    for (int kind = 0; kind < HOWS * HOWS * HOWS; kind++) {
        weft_scope scope;
        struct weft_scope_opt opt = {.size = sizeof opt, .on_error = WEFT_KEEP_GOING};
        int refused = 0;
        is(weft_scope_open(&scope, &opt), 0);
        hows[0] = kind % HOWS;
        hows[1] = kind / HOWS % HOWS;
        hows[2] = kind / HOWS / HOWS;
        ring_is_there = false;
        ring[3] = start(&scope, waits_long, &hour, sizeof hour);
        for (int i = 0; i < 3; i++)
            ring[i] = start(&scope, waits_in_a_ring, &i, sizeof i);
        ring_is_there = true;
        for (int i = 0; i < 30; i++)
            is(weft_yield(), 0);
        ck_assert_int_ge(weft_cancel(ring[3]), 0); /* a gather that was refused has done it */
        for (int i = 0; i < 3; i++) {
            int result = 0;
            is(weft_join_until(ring[i], &result, weft_after_ns(HOUR / 2)), 0);
            refused += result == -EDEADLK;
        }
        ck_assert_int_ge(refused, 1); /* and gathers pass it on */
        is(weft_scope_close(&scope), 0);
    }
    return 0;
}
TEST(cycles_are_refused)
{
    run(cycle_main);
}

static int awaits_main_task(void *arg)
{
    (void)arg;
    for (int i = 0; i < 30; i++) /* until that one waits */
        is(weft_yield(), 0);
    return weft_await(ring[0], NULL);
}
static int races(void *arg)
{
    weft_awaitable list[] = {weft_of_task(ring[1]), weft_of_task(ring[2])};

    (void)arg;
    while (!ring_is_there)
        is(weft_yield(), 0);
    list[0] = weft_of_task(ring[1]);
    return weft_race(list, 2, NULL);
}
/* Who waits for the first of several is in no cycle as long as another of them goes on: that is not
   refused. */
static int race_main(void *arg)
{
    int64_t soon = 100000;
    int result = 0;

    (void)arg;
    WEFT_SCOPE(s) {
        ring[2] = start(&s, answers, &soon, sizeof soon);
        ring[0] = start(&s, races, NULL, 0);
        ring[1] = start(&s, awaits_main_task, NULL, 0);
        ring_is_there = true;
        is(weft_join(ring[0], &result), 0);
        is(result, 1);
    }
    return 0;
}
TEST(a_race_is_no_cycle)
{
    run(race_main);
}

TEST_MAIN("await", 30, chained, through_foreign_frames, say_after_twice, coroutine_object, limits,
          cycles_are_refused, a_race_is_no_cycle)
