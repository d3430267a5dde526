/*
 * Futures: settled once, from tasks, callbacks, other reactors and foreign threads; awaited by
 * many. Catches a result that is lost, doubled or eaten by a cancellation, a value that nobody
 * destroys or two do, a waiter that stays in the queue, and a callback that comes too early, twice
 * or not.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <weft/weft.h>

#include "support/misuse.h"
#include "support/net.h"

#define RUN_OPT(...) (&(struct weft_run_opt){.size = sizeof(struct weft_run_opt), __VA_ARGS__})
#define OPT(...) (&(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt), __VA_ARGS__})
#define FUTURE_OPT(...)                                                                            \
    (&(struct weft_future_opt){.size = sizeof(struct weft_future_opt), __VA_ARGS__})

static int run_one(weft_task_fn fn)
{
    return weft_run(fn, NULL, 0, RUN_OPT(.reactors = 1));
}

/* -- settling once ------------------------------------------------------------------------------
 */

static int dropped;
static int64_t last_dropped;
static void drop_value(int64_t value)
{
    __atomic_add_fetch(&dropped, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&last_dropped, value, __ATOMIC_RELAXED);
}

/* Outside of any runtime: all that does not wait works there. */
TEST(settled_once)
{
    weft_future *future;
    int64_t result = 7;

    ck_assert_int_eq(weft_future_create(&future, NULL), 0);
    ck_assert(!weft_future_done(future));
    ck_assert_int_eq(weft_future_result(future, &result), -EAGAIN);
    ck_assert_int_eq(result, 7);
    ck_assert_ptr_null(weft_future_pointer(future));
    ck_assert_int_eq(weft_future_take(future, &result), -EAGAIN);
    ck_assert_int_eq(weft_future_reset(future), -EBUSY);
    ck_assert_int_eq(weft_future_set_result(future, INT64_MAX), 0);
    ck_assert(weft_future_done(future));
    ck_no_misuse(weft_future_set_result(future, 2), -EINVAL); /* two may race to settle it */
    ck_no_misuse(weft_future_set_error(future, -EIO), -EINVAL);
    ck_assert_int_eq(weft_future_cancel(future), 0);
    ck_assert_int_eq(weft_future_result(future, &result), 0);
    ck_assert_int_eq(result, INT64_MAX);
    ck_assert_int_eq(weft_future_result(future, NULL), 0);
    ck_assert_int_eq(weft_future_reset(future), 0);
    ck_assert_int_eq(weft_future_set_error(future, -EIO), 0);
    ck_assert_int_eq(weft_future_take(future, &result), -EIO);
    ck_assert_int_eq(weft_future_result(future, &result), 0);
    ck_assert_int_eq(result, -EIO);
    ck_assert_ptr_eq(weft_future_retain(future), future);
    ck_assert_int_eq(weft_future_reset(future), -EBUSY);
    weft_future_put(future);
    ck_assert_int_eq(weft_future_reset(future), 0);
    ck_assert_int_eq(weft_future_cancel(future), 1);
    ck_assert_int_eq(weft_future_result(future, &result), 0);
    ck_assert_int_eq(result, -ECANCELED);
    weft_future_put(future);
    weft_future_put(NULL);
}

/* What nobody took is destroyed, once; what was refused is still its owner's. */
TEST(values_are_destroyed_by_type)
{
    weft_future *future;
    int64_t value;
    int there = 3;

    ck_assert_int_eq(weft_future_create(&future, FUTURE_OPT(.drop = drop_value)), 0);
    ck_assert_int_eq(weft_future_set_result(future, 5), 0);
    ck_assert_int_eq(weft_future_set_result(future, 6), -EINVAL);
    ck_assert_int_eq(weft_future_take(future, &value), 0);
    ck_assert_int_eq(value, 5);
    ck_assert_int_eq(weft_future_take(future, &value), -EALREADY);
    ck_assert_int_eq(weft_future_reset(future), 0);
    ck_assert_int_eq(dropped, 0); /* taken */
    ck_assert_int_eq(weft_future_set_pointer(future, &there), 0);
    ck_assert_ptr_eq(weft_future_pointer(future), &there);
    ck_assert_int_eq(weft_future_reset(future), 0);
    ck_assert_int_eq(dropped, 1);
    ck_assert(last_dropped == (int64_t)(intptr_t)&there);
    ck_assert_int_eq(weft_future_set_error(future, -EPERM), 0);
    ck_assert_int_eq(weft_future_reset(future), 0);
    ck_assert_int_eq(dropped, 1); /* an error is nothing to destroy */
    ck_assert_int_eq(weft_future_set_result(future, 0), 0);
    weft_future_put(future);
    ck_assert_int_eq(dropped, 2);
    ck_assert_int_eq(last_dropped, 0);
    ck_assert_int_eq(weft_future_create(&future, FUTURE_OPT(.drop = drop_value)), 0);
    weft_future_put(future); /* never settled */
    ck_assert_int_eq(dropped, 2);
}

/* -- waiting ------------------------------------------------------------------------------------
 */

static weft_future *shared;
static int ran;
static int waits(void *arg)
{
    int64_t result = -1;
    int error = weft_future_await(shared, &result);

    (void)arg;
    ran++;
    return error < 0 ? error : (int)result;
}

/* Any number wait; each is woken with the result; one that leaves leaves the others in place. */
static int main_many(void *arg)
{
    enum { COUNT = 5 };
    weft_task tasks[COUNT];
    int result;

    (void)arg;
    ok(weft_future_create(&shared, FUTURE_OPT(.name = "the word")));
    WEFT_SCOPE(s) {
        for (int i = 0; i < COUNT; i++)
            ok(weft_spawn(&s, waits, NULL, 0, OPT(.task = &tasks[i])));
        ok(weft_yield());
        ok(weft_cancel(tasks[0]));
        ok(weft_cancel(tasks[3]));
        ok(weft_yield());
        ck_assert_int_eq(ran, 2);
        ok(weft_future_set_result(shared, 42));
        for (int i = 0; i < COUNT; i++) {
            ok(weft_join(tasks[i], &result));
            ck_assert_int_eq(result, i == 0 || i == 3 ? -ECANCELED : 42);
        }
    }
    weft_future_put(shared);
    return 0;
}
TEST(awaited_by_many)
{
    ck_assert_int_eq(run_one(main_many), 0);
}

/* Settled and cancelled before the waiter could run, in either order: it has its result, and the
   cancellation is pending. Settled beforehand: not even asked. */
static int waits_and_looks(void *arg)
{
    int64_t result = -1;

    ck_assert_int_eq(weft_future_await(shared, &result), 0);
    ck_assert_int_eq(result, 42);
    ck_assert_int_eq(weft_cancelled(), *(int *)arg ? WEFT_CAUSE_CANCEL : 0);
    ck_assert_int_eq(weft_yield(), *(int *)arg ? -ECANCELED : 0);
    return 0;
}
static int main_both(void *arg)
{
    weft_task task;
    int result, yes = 1;

    (void)arg;
    for (int how = 0; how < 3; how++)
        WEFT_SCOPE(s) {
            ok(weft_future_create(&shared, NULL));
            if (how == 2)
                ok(weft_future_set_result(shared, 42));
            ok(weft_spawn(&s, waits_and_looks, &yes, sizeof yes, OPT(.task = &task)));
            if (how < 2)
                ok(weft_yield());
            if (how == 0)
                ok(weft_future_set_result(shared, 42));
            ok(weft_cancel(task));
            if (how == 1)
                ok(weft_future_set_result(shared, 42));
            if (how < 2)
                weft_future_put(shared); /* who waits holds it */
            ok(weft_join(task, &result));
            ck_assert_int_eq(result, 0);
            if (how == 2)
                weft_future_put(shared);
        }
    return 0;
}
TEST(result_wins_and_the_cancellation_stays)
{
    ck_assert_int_eq(run_one(main_both), 0);
}

/* A pending one is refused on entry. Outside a task, and without a future. */
static int main_refused(void *arg)
{
    weft_future *future;
    int64_t result = 7;

    (void)arg;
    ok(weft_future_create(&future, NULL));
    ck_assert_int_eq(weft_cancel(weft_current_task()), 1);
    ck_assert_int_eq(weft_future_await(future, &result), -ECANCELED);
    ck_assert_int_eq(weft_future_await_until(future, &result, 1), -ECANCELED);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_CANCEL);
    ck_assert_int_eq(weft_uncancel(), 0);
    ck_assert_int_eq(result, 7);
    weft_future_put(future);
    return 0;
}
TEST(refused_on_entry)
{
    ck_assert_int_eq(run_one(main_refused), 0);
}

/* -- until --------------------------------------------------------------------------------------
 */

static int settles_later(void *arg)
{
    ok(weft_sleep(*(int64_t *)arg));
    ck_assert_int_eq(weft_future_set_error(shared, -ENOENT), 0);
    return 0;
}
static int main_until(void *arg)
{
    int64_t result = 7, soon = 1000000;

    (void)arg;
    ok(weft_future_create(&shared, NULL));
    static const int64_t past[] = {1, 0, -1, INT64_MIN};
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(weft_future_await_until(shared, &result, past[i]), -ETIMEDOUT);
        ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DEADLINE);
    }
    ck_assert_int_eq(weft_future_await_until(shared, &result, weft_after_ms(1)), -ETIMEDOUT);
    ck_assert_int_eq(result, 7);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, settles_later, &soon, sizeof soon, NULL));
        ok(weft_future_await_until(shared, &result, WEFT_NEVER));
    }
    ck_assert_int_eq(result, -ENOENT);
    ok(weft_future_await_until(shared, &result, 1)); /* settled: unchecked */
    ck_assert_int_eq(weft_cancelled(), 0);
    weft_future_put(shared);
    return 0;
}
TEST(until)
{
    ck_assert_int_eq(run_one(main_until), 0);
}

/* -- callbacks ----------------------------------------------------------------------------------
 */

static char log_text[64];
static void notes(weft_future *future, void *arg)
{
    int64_t result = -1;

    ck_assert_int_eq(weft_future_result(future, &result), 0);
    strcat(log_text, arg);
    strcat(log_text, result == 3 ? "3" : "?");
}
static void notes_too(weft_future *future, void *arg)
{
    notes(future, arg);
    ck_assert_int_eq(weft_future_await(future, NULL), -EPERM); /* in a callback */
}

static int main_callbacks(void *arg)
{
    weft_future *future;

    (void)arg;
    ok(weft_future_create(&future, NULL));
    ok(weft_future_add_done(future, notes, "a"));
    ok(weft_future_add_done(future, notes, "b"));
    ok(weft_future_add_done(future, notes, "b"));
    ok(weft_future_add_done(future, notes, "c"));
    ck_assert_int_eq(weft_future_remove_done(future, notes, "b"), 2);
    ck_assert_int_eq(weft_future_remove_done(future, notes, "b"), 0);
    ok(weft_future_set_result(future, 3));
    ck_assert_str_eq(log_text, "");                                   /* not from within */
    ck_assert_int_eq(weft_future_remove_done(future, notes, "a"), 0); /* on its way */
    ok(weft_future_add_done(future, notes, "d"));
    weft_future_put(future); /* the callbacks keep it */
    while (strlen(log_text) < 6)
        ok(weft_yield());
    ck_assert_str_eq(log_text, "a3c3d3");
    ok(weft_future_create(&future, NULL));
    ok(weft_future_add_done(future, notes, "never"));
    weft_future_put(future); /* never settled: never called */
    ok(weft_yield());
    ck_assert_str_eq(log_text, "a3c3d3");
    return 0;
}
TEST(callbacks)
{
    ck_assert_int_eq(run_one(main_callbacks), 0);
}

static int main_callback_misuse(void *arg)
{
    weft_future *future;

    (void)arg;
    ok(weft_future_create(&future, NULL));
    ok(weft_future_add_done(future, notes_too, "x"));
    ok(weft_future_set_result(future, 3));
    while (!log_text[0])
        ok(weft_yield());
    weft_future_put(future);
    return 0;
}
TEST(callbacks_do_not_wait)
{
    ck_assert_int_eq(run_one(main_callback_misuse), 0);
}

TEST(mistakes)
{
    weft_future *future;
    int64_t result;

    ck_assert_int_eq(weft_future_create(NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_future_create(&future, &(struct weft_future_opt){.size = 1}), -EINVAL);
    ck_assert_int_eq(weft_future_create(&future, NULL), 0);
    ck_assert_int_eq(weft_future_set_result(future, -1), -EINVAL);
    ck_assert_int_eq(weft_future_set_error(future, 0), -EINVAL);
    ck_assert_int_eq(weft_future_set_result(NULL, 1), -EINVAL);
    ck_assert_int_eq(weft_future_set_error(NULL, -1), -EINVAL);
    ck_assert_int_eq(weft_future_cancel(NULL), -EINVAL);
    ck_assert_int_eq(weft_future_result(NULL, &result), -EINVAL);
    ck_assert_int_eq(weft_future_take(NULL, &result), -EINVAL);
    ck_assert_int_eq(weft_future_take(future, NULL), -EINVAL);
    ck_assert_int_eq(weft_future_reset(NULL), -EINVAL);
    ck_assert_int_eq(weft_future_await(future, &result), -EPERM);
    ck_assert_int_eq(weft_future_await_until(future, &result, 1), -EPERM);
    ck_assert_int_eq(weft_future_add_done(future, notes, NULL), -EPERM);
    ck_assert_int_eq(weft_future_add_done(future, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_future_remove_done(future, notes, NULL), -EPERM);
    ck_assert_int_eq(weft_future_remove_done(NULL, notes, NULL), -EINVAL);
    ck_assert(!weft_future_done(NULL));
    ck_assert(!weft_future_done(future));
    weft_future_put(future);
}

/* -- from elsewhere -----------------------------------------------------------------------------
 */

enum { REACTORS = 3, WAITERS = 4 };
static void calls_back(weft_future *future, void *arg)
{
    int64_t result = -1;

    ck_assert_int_eq(weft_future_result(future, &result), 0);
    ck_assert_int_eq(result, 9);
    ck_assert_uint_eq(weft_reactor_index(),
                      (uint32_t)(uintptr_t)arg); /* on the loop that added it */
    __atomic_add_fetch(&dropped, 1, __ATOMIC_RELAXED);
}
static int waits_there(void *arg)
{
    weft_future *future = *(weft_future **)arg;
    int64_t result = -1;

    ok(weft_future_add_done(future, calls_back, (void *)(uintptr_t)weft_reactor_index()));
    __atomic_add_fetch(&ran, 1, __ATOMIC_RELAXED);
    ok(weft_future_await(future, &result));
    ck_assert_int_eq(result, 9);
    return 0;
}
static void *settles_outside(void *arg)
{
    ck_assert_int_eq(weft_future_set_result(arg, 9), 0);
    weft_future_put(arg);
    return NULL;
}

/* Settled by a foreign thread or by a reactor, awaited and called back on three reactors. */
static int main_elsewhere(void *arg)
{
    weft_future *future;
    pthread_t thread;

    (void)arg;
    for (int round = 0; round < 40; round++) {
        __atomic_store_n(&ran, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&dropped, 0, __ATOMIC_RELAXED);
        ok(weft_future_create(&future, NULL));
        WEFT_SCOPE(s) {
            for (int i = 0; i < REACTORS * WAITERS; i++)
                ok(weft_spawn(&s, waits_there, &future, sizeof future,
                              OPT(.reactor = WEFT_ON(i % REACTORS))));
            while (__atomic_load_n(&ran, __ATOMIC_RELAXED) < round % (REACTORS * WAITERS + 1))
                ok(weft_yield());
            if (round % 2) {
                ok(weft_future_set_result(future, 9));
            } else {
                ck_assert_int_eq(pthread_create(&thread, NULL, settles_outside,
                                                weft_future_retain(future)),
                                 0);
                ck_assert_int_eq(pthread_join(thread, NULL), 0);
            }
        }
        weft_future_put(future);
        while (__atomic_load_n(&dropped, __ATOMIC_RELAXED) < REACTORS * WAITERS)
            ok(weft_yield());
    }
    return 0;
}
TEST(settled_and_awaited_elsewhere)
{
    ck_assert_int_eq(weft_run(main_elsewhere, NULL, 0, RUN_OPT(.reactors = REACTORS)), 0);
}

/* A callback whose reactor is gone when the future is settled. */
static int main_leaves_a_callback(void *arg)
{
    (void)arg;
    return weft_future_add_done(shared, notes, "too late");
}
TEST(callback_of_a_reactor_that_stopped)
{
    ck_assert_int_eq(weft_future_create(&shared, NULL), 0);
    ck_assert_int_eq(run_one(main_leaves_a_callback), 0);
    ck_assert_int_eq(weft_future_set_result(shared, 3), 0);
    weft_future_put(shared);
    ck_assert_str_eq(log_text, "");
    ck_assert_int_eq(weft_future_create(&shared, NULL), 0);
    ck_assert_int_eq(run_one(main_leaves_a_callback), 0);
    weft_future_put(shared);
    ck_assert_str_eq(log_text, "");
}

/* Many settle, one has: race 46's plain half. */
static int settled;
static void *settles_if_first(void *arg)
{
    int64_t number = (int64_t)(intptr_t)arg;

    if (weft_future_set_result(shared, number) == 0)
        __atomic_add_fetch(&settled, 1, __ATOMIC_RELAXED);
    return NULL;
}
static int main_many_settle(void *arg)
{
    enum { THREADS = 3 };
    pthread_t threads[THREADS];
    int64_t result;

    (void)arg;
    for (int round = 0; round < 20; round++) {
        __atomic_store_n(&settled, 0, __ATOMIC_RELAXED);
        ok(weft_future_create(&shared, NULL));
        for (intptr_t i = 0; i < THREADS; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, settles_if_first, (void *)(i + 1)),
                             0);
        ok(weft_future_await(shared, &result));
        for (int i = 0; i < THREADS; i++)
            ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_eq(__atomic_load_n(&settled, __ATOMIC_RELAXED), 1);
        ck_assert(result >= 1 && result <= THREADS);
        ck_assert_int_eq(weft_future_result(shared, &result), 0);
        weft_future_put(shared);
    }
    return 0;
}
TEST(one_of_many_settles)
{
    ck_assert_int_eq(run_one(main_many_settle), 0);
}

TEST_MAIN("future", 60, settled_once, values_are_destroyed_by_type, awaited_by_many,
          result_wins_and_the_cancellation_stays, refused_on_entry, until, callbacks,
          callbacks_do_not_wait, mistakes, settled_and_awaited_elsewhere,
          callback_of_a_reactor_that_stopped, one_of_many_settles)
