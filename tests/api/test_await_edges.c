/*
 * Edges of waiting for things: results that nobody wants, things that have ended already, callers
 * that were cancelled before, calls in the wrong place. Would catch a NULL that is written to, a
 * cancellation that takes something along, and a refusal that does not come.
 */
#include "sync.h"
#include "work.h"

#include <limits.h>

/* Lets the task run until it waits. */
static void until_it_waits(weft_task task)
{
    while (strcmp(sync_waits_for(task), "ready") == 0)
        ok(weft_yield());
}

/* -- results that nobody wants ------------------------------------------------------------------
 */

static weft_future *settled(int64_t value)
{
    weft_future *future;

    ok(weft_future_create(&future, NULL));
    ok(value < 0 ? weft_future_set_error(future, (int)value)
                 : weft_future_set_result(future, value));
    return future;
}

static int main_unwanted(void *arg)
{
    weft_future *future = settled(7);
    weft_completed *each;
    weft_awaitable three[3] = {CORO(two), CORO(two), weft_of_future(future)};
    weft_task task;

    (void)arg;
    ck_assert_ptr_null(weft_future_retain(NULL));
    ok(weft_future_await(future, NULL));
    ok(weft_await_any(weft_of_future(future), NULL));
    ok(weft_wait_for(weft_of_future(future), NULL, WEFT_NEVER));
    ok(weft_await_any(CORO(two), NULL));
    ok(weft_wait_for(CORO(two), NULL, WEFT_NEVER));
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, works, &two, sizeof two, OPT(.task = &task)));
        ok(weft_wait_for(weft_of_task(task), NULL, WEFT_NEVER));
        ok(weft_await_any(weft_of_task(task), NULL)); /* it has ended, and is there still */
        ok(weft_wait_for(weft_of_task(task), NULL, WEFT_NEVER));
        ck_assert_int_eq(weft_all_tasks(NULL, 0), 1);
        ok(weft_join(task, NULL));
    }
    ok(weft_as_completed(&each, three, 3));
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(weft_completed_next(each, NULL, NULL, WEFT_NEVER), 1);
    ck_assert_int_eq(weft_completed_next(each, NULL, NULL, WEFT_NEVER), 0);
    ok(weft_completed_close(each));
    weft_future_put(future);
    return 0;
}
TEST(results_that_nobody_wants)
{
    net_run(main_unwanted);
}

/* -- a coroutine with a limit -------------------------------------------------------------------
 */

static int fails_at_once(void *arg)
{
    return *(int *)arg;
}

/* Its child fails, which cancels it; or nothing does, and it says so all the same. */
static int has_a_child_that_fails(void *arg)
{
    ok(weft_create_task(fails_at_once, arg, sizeof(int), NULL));
    return weft_sleep(LONG_NS);
}

static int main_edge(void *arg)
{
    int64_t result = 0;
    int error = -EPIPE, cancelled = -ECANCELED;

    (void)arg;
    ok(weft_wait_for(weft_coro(has_a_child_that_fails, &error, sizeof error), &result,
                     weft_after_ms(100000)));
    ck_assert_int_eq(result, -EPIPE);
    ok(weft_wait_for(weft_coro(fails_at_once, &cancelled, sizeof cancelled), &result,
                     weft_after_ms(100000)));
    ck_assert_int_eq(result, -ECANCELED);
    return 0;
}
TEST(what_the_edge_says_of_a_coroutine)
{
    net_run(main_edge);
}

/* -- cancelled before ---------------------------------------------------------------------------
 */

static weft_queue queue = {.item_size = sizeof(int), .max = 1};

static int main_cancelled(void *arg)
{
    weft_future *future;
    weft_completed *each;
    weft_awaitable pending;
    int64_t result = 77, late = weft_after_ms(100000);
    uint32_t index = 77;
    int item = 5;

    (void)arg;
    ok(weft_future_create(&future, NULL));
    pending = weft_of_future(future);
    ok(weft_as_completed(&each, &pending, 1));
    ck_assert_int_eq(weft_cancel(weft_current_task()), 1);
    ck_assert_int_eq(weft_queue_put_until(&queue, &item, late), -ECANCELED);
    ck_assert_int_eq(weft_queue_get_until(&queue, &item, late), -ECANCELED);
    ck_assert_int_eq(weft_queue_join_until(&queue, late), -ECANCELED);
    ck_assert_int_eq(weft_future_await_until(future, &result, late), -ECANCELED);
    ck_assert_int_eq(weft_wait_for(pending, &result, late), -ECANCELED);
    ck_assert_int_eq(weft_wait_for(CORO(two), &result, late), -ECANCELED);
    ck_assert_int_eq(weft_completed_next(each, &index, &result, late), -ECANCELED);
    ck_assert_int_eq(weft_wait(&pending, 1, NULL, WEFT_ALL, late), -ECANCELED);
    ck_assert_int_eq(weft_uncancel(), 0);
    ck_assert_int_eq(begun, 0);
    ck_assert_int_eq(result, 77);
    ck_assert_uint_eq(index, 77);
    ck_assert_uint_eq(weft_queue_count(&queue), 0);
    ck_assert(!weft_future_done(future));
    ok(weft_completed_close(each));
    weft_future_put(future);
    return 0;
}
TEST(cancelled_before)
{
    net_run(main_cancelled);
}

/* What it waits for fails, and it is cancelled, before it runs: that is what it is told. */
static int gathers(void *arg)
{
    weft_awaitable it = weft_of_future(*(weft_future **)arg);

    return weft_gather(&it, 1, NULL, 0);
}
static int main_both_at_once(void *arg)
{
    (void)arg;
    for (int fails_too = 0; fails_too < 2; fails_too++) {
        weft_future *future;
        weft_task task;
        int result;
        ok(weft_future_create(&future, NULL));
        WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
            ok(weft_spawn(&s, gathers, &future, sizeof future, OPT(.task = &task)));
            until_it_waits(task);
            ok(fails_too ? weft_future_set_error(future, -EIO) : weft_future_set_result(future, 3));
            ck_assert_int_eq(weft_cancel(task), 1);
            ok(weft_join(task, &result));
        }
        ck_assert_int_eq(result, fails_too ? -ECANCELED : 0);
        weft_future_put(future);
    }
    return 0;
}
TEST(cancelled_when_it_fails)
{
    net_run(main_both_at_once);
}

/* -- wrong places -------------------------------------------------------------------------------
 */

static void no_callback(weft_future *future, void *arg)
{
    (void)future;
    (void)arg;
}

/* clang-format off: each on one line, which is the one that is named */
static int of_another_task(void *arg)
{
    weft_completed *each = *(weft_completed **)arg;

    ck_misuse(weft_completed_next(each, NULL, NULL, 1), -EINVAL, "weft_completed_next", "another");
    ck_misuse(weft_completed_close(each), -EINVAL, "weft_completed_close", "another task");
    return 0;
}
static weft_semaphore semaphore = WEFT_SEMAPHORE_INIT(0);
static int of_another_reactor(void *arg)
{
    weft_scope *scope = *(weft_scope **)arg;

    ck_misuse(weft_timeout_when(scope), -EPERM, "weft_timeout_when", "another reactor");
    ck_misuse(weft_timeout_expired(scope), -EPERM, "weft_timeout_expired", "another reactor");
    ck_misuse(weft_semaphore_acquire(&semaphore), -EPERM, "weft_semaphore_acquire", "reactor");
    return 0;
}
static int main_places(void *arg)
{
    weft_future *future = settled(1);
    weft_awaitable it = weft_of_future(future);
    weft_completed *each;
    weft_scope *scope;
    int64_t late = weft_after_ms(100000);

    (void)arg;
    ok(weft_as_completed(&each, &it, 1));
    WEFT_SCOPE(s) {
        scope = &s;
        ck_assert_int_eq(weft_semaphore_acquire_nowait(&semaphore), -EAGAIN);
        ok(weft_spawn(&s, of_another_task, &each, sizeof each, NULL));
        ok(weft_call(1, of_another_reactor, &scope, sizeof scope));
    }
    ok(weft_completed_close(each));
    ck_misuse(weft_race(&it, UINT32_MAX, NULL), -EINVAL, "weft_race", "nobody");
    ck_misuse(weft_wait(&it, UINT32_MAX, NULL, WEFT_ALL, 1), -EINVAL, "weft_wait", "nothing");
    ck_misuse(weft_future_await(NULL, NULL), -EINVAL, "weft_future_await", "no future");
    ck_misuse(weft_future_await_until(NULL, NULL, late), -EINVAL, "weft_future_await_until", "");
    ck_misuse(weft_future_remove_done(future, NULL, NULL), -EINVAL, "weft_future_remove_done", "");
    ck_assert_int_eq(weft_future_remove_done(future, no_callback, NULL), 0);
    ck_assert_int_eq(weft_coro(works, NULL, 1).kind, WEFT_AWAITABLE_NONE);
    weft_future_put(future);
    return 0;
}
/* clang-format on */
TEST(wrong_places)
{
    static char large[WEFT_ARG_SIZE_MAX + 1];
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    ck_assert_int_eq(weft_run(main_places, NULL, 0, &opt), 0);
    ck_assert_int_eq(weft_coro(works, large, sizeof large).kind, WEFT_AWAITABLE_NONE);
    ck_assert(weft_is_coroutine(weft_coro(works, &two, sizeof two))); /* nobody's, nobody asks */
}

/* -- cycles and refusals ------------------------------------------------------------------------
 */

static weft_task pair[2];

static int awaits_the_first(void *arg)
{
    int result = 0;

    (void)arg;
    ok(weft_await(pair[0], &result));
    return result;
}
/* The other may be waited for when the list is made, and waits for us by the time we would. */
static int takes_from_the_second(void *arg)
{
    weft_future *future = settled(7), *pending;
    weft_completed *each;

    (void)arg;
    ok(weft_future_create(&pending, NULL));
    for (int cycle = 1; cycle >= 0; cycle--) {
        weft_awaitable list[] = {weft_of_future(future),
                                 cycle ? weft_of_task(pair[1]) : weft_of_future(pending)};
        ok(weft_as_completed(&each, list, 2));
        until_it_waits(pair[1]);
        ck_assert_int_eq(weft_completed_next(each, NULL, NULL, WEFT_NEVER), 1);
        if (cycle)
            ck_assert_int_eq(weft_completed_next(each, NULL, NULL, WEFT_NEVER), -EDEADLK);
        else
            ck_assert_int_eq(weft_completed_next(each, NULL, NULL, 1), -ETIMEDOUT);
        ok(weft_completed_close(each));
    }
    weft_future_put(pending);
    weft_future_put(future);
    return 6;
}
static int main_cycle(void *arg)
{
    int result = 0;

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, takes_from_the_second, NULL, 0, OPT(.task = &pair[0])));
        ok(weft_spawn(&s, awaits_the_first, NULL, 0, OPT(.task = &pair[1])));
        ok(weft_join(pair[1], &result));
        ck_assert_int_eq(result, 6);
    }
    return 0;
}

/* One of several waits for us by then: what has ended behind it, and will end, is had all the same.
 */
static int takes_what_ends(void *arg)
{
    weft_future *futures[2];
    weft_completed *each;
    uint32_t index;

    (void)arg;
    ok(weft_future_create(&futures[0], NULL));
    ok(weft_future_create(&futures[1], NULL));
    ok(weft_as_completed(&each, WEFT_LIST(weft_of_task(pair[1]), weft_of_future(futures[0]),
                                          weft_of_future(futures[1]))));
    until_it_waits(pair[1]);
    ok(weft_future_set_result(futures[0], 7));
    ck_assert_int_eq(weft_completed_next(each, &index, NULL, WEFT_NEVER), 1);
    ck_assert_uint_eq(index, 1);
    ck_assert_int_eq(weft_completed_next(each, NULL, NULL, 1), -ETIMEDOUT);
    ok(weft_future_set_result(futures[1], 8));
    ck_assert_int_eq(weft_completed_next(each, &index, NULL, WEFT_NEVER), 1);
    ck_assert_uint_eq(index, 2);
    ck_assert_int_eq(weft_completed_next(each, NULL, NULL, WEFT_NEVER), -EDEADLK);
    ok(weft_completed_close(each));
    weft_future_put(futures[0]);
    weft_future_put(futures[1]);
    return 6;
}
static int main_one_of_several(void *arg)
{
    int result = 0;

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, takes_what_ends, NULL, 0, OPT(.task = &pair[0])));
        ok(weft_spawn(&s, awaits_the_first, NULL, 0, OPT(.task = &pair[1])));
        ok(weft_join(pair[1], &result));
        ck_assert_int_eq(result, 6);
    }
    return 0;
}
TEST(one_of_several_waits_for_us)
{
    net_run(main_one_of_several);
}
TEST(cycles_that_come_later)
{
    net_run(main_cycle);
}

static int main_full(void *arg)
{
    weft_awaitable coroutine = CORO(never);
    int64_t result = 0;

    (void)arg;
    WEFT_SCOPE(s) {
        while (weft_spawn(&s, works, &never, sizeof never, NULL) == 0)
            continue;
        ck_assert_int_eq(weft_ensure_future(&coroutine), -EAGAIN);
        ck_assert(weft_is_coroutine(coroutine)); /* and used up */
        weft_scope_cancel(&s);
    }
    coroutine = CORO(two);
    ok(weft_ensure_future(&coroutine));
    ok(weft_await_any(coroutine, &result));
    ck_assert_int_eq(result, 2);
    return 0;
}
/* No room for a task: the coroutine is none yet, and nothing is left of it. */
TEST(no_room_for_a_coroutine)
{
    struct weft_run_opt opt = {.size = sizeof opt, .tasks_max = 4};

    ck_assert_int_eq(weft_run(main_full, NULL, 0, &opt), 0);
}

/* A failure that was awaited is there to the end, and nobody is told of it again. */
static int main_heard(void *arg)
{
    weft_task task;
    int error = -EPIPE, result = 0;

    (void)arg;
    ok(weft_spawn_nowait(weft_root(), fails_at_once, &error, sizeof error, OPT(.task = &task)));
    ok(weft_await(task, &result));
    ck_assert_int_eq(result, -EPIPE);
    return 0;
}
TEST(a_failure_that_was_heard)
{
    net_run(main_heard);
}

/* -- a queue that is in use ---------------------------------------------------------------------
 */

static int gets(void *arg)
{
    int item;

    return weft_queue_get(*(weft_queue **)arg, &item);
}
static int puts_one_more(void *arg)
{
    int item = 1;

    return weft_queue_put(*(weft_queue **)arg, &item);
}
static int joins(void *arg)
{
    return weft_queue_join(*(weft_queue **)arg);
}
static int main_destroy(void *arg)
{
    static const weft_task_fn waits[] = {gets, puts_one_more, joins};
    weft_queue *to = &queue;
    int item = 4;

    (void)arg;
    for (int i = 0; i < 3; i++) {
        weft_task task;
        if (i > 0)
            ok(weft_queue_put(&queue, &item));
        WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
            ok(weft_spawn(&s, waits[i], &to, sizeof to, OPT(.task = &task)));
            until_it_waits(task);
            ck_assert_int_eq(weft_queue_destroy(&queue), -EBUSY);
            ck_assert_int_eq(weft_queue_count(&queue), i > 0);
            ok(weft_cancel(task));
        }
        ck_assert_int_eq(weft_queue_destroy(&queue), i > 0);
    }
    return 0;
}
TEST(a_queue_that_is_waited_in)
{
    net_run(main_destroy);
}

TEST_MAIN("await_edges", 30, results_that_nobody_wants, what_the_edge_says_of_a_coroutine,
          cancelled_before, cancelled_when_it_fails, wrong_places, cycles_that_come_later,
          one_of_several_waits_for_us, no_room_for_a_coroutine, a_failure_that_was_heard,
          a_queue_that_is_waited_in)
