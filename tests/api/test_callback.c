/*
 * weft/callback.h: order, times, cancelling in every state, handles used again, what is refused,
 * and what becomes of callbacks that never come to run.
 */
#include "support/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <weft/weft.h>

#define CALL_OPT(...) (&(struct weft_call_opt){.size = sizeof(struct weft_call_opt), __VA_ARGS__})
#define MS INT64_C(1000000)

/* What was called, in order: positive numbers are run, negative ones dropped. */
static int calls[64], called;
static void note(int value)
{
    ck_assert_int_lt(called, 64);
    calls[called++] = value;
}
static void note_run(void *arg)
{
    note(*(int *)arg);
}
static void note_drop(void *arg)
{
    note(-*(int *)arg);
}
static void expect(const int *wanted, int count)
{
    ck_assert_int_eq(called, count);
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(calls[i], wanted[i]);
    called = 0;
}
#define EXPECT(...)                                                                                \
    expect((const int[]){__VA_ARGS__}, (int)(sizeof((const int[]){__VA_ARGS__}) / sizeof(int)))

static int numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
static int soon(int i, weft_handle *handle)
{
    return weft_call_soon(note_run, &numbers[i], CALL_OPT(.handle = handle, .drop = note_drop));
}
static int later(int64_t ns, int i, weft_handle *handle)
{
    return weft_call_later(ns, note_run, &numbers[i],
                           CALL_OPT(.handle = handle, .drop = note_drop));
}
static int at(int64_t when, int i, weft_handle *handle)
{
    return weft_call_at(when, note_run, &numbers[i], CALL_OPT(.handle = handle, .drop = note_drop));
}
static int run(weft_task_fn fn)
{
    called = 0;
    return weft_run(fn, NULL, 0, NULL);
}

/* -- order and time ---------------------------------------------------------------------------- */

static int noting_task(void *arg)
{
    note(*(int *)arg);
    return 0;
}
static void asks_again(void *arg)
{
    note(*(int *)arg);
    ck_assert_int_eq(soon(9, NULL), 0);
}
static int order_main(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_call_soon(asks_again, &numbers[1], NULL), 0);
    ck_assert_int_eq(weft_create_task(noting_task, &numbers[2], sizeof(int), NULL), 0);
    ck_assert_int_eq(soon(3, NULL), 0);
    ck_assert_int_eq(called, 0); /* never at once */
    ck_assert_int_eq(weft_yield(), 0);
    ck_assert_int_eq(weft_yield(), 0);
    EXPECT(1, 2, 3, 9);
    return 0;
}
/* Catches: a callback run at once, or out of order with tasks and other callbacks. */
TEST(in_the_order_asked)
{
    ck_assert_int_eq(run(order_main), 0);
}

static void count_one(void *arg)
{
    ++*(int *)arg;
}
static int many_main(void *arg)
{
    enum { COUNT = 10000 };
    weft_handle *handles = calloc(COUNT, sizeof *handles);
    int ran = 0;

    (void)arg;
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(weft_call_soon(count_one, &ran, CALL_OPT(.handle = &handles[i])), 0);
    for (int i = 0; i < COUNT; i += 2)
        ck_assert_int_eq(weft_handle_cancel(&handles[i]), 1);
    while (ran < COUNT / 2)
        ck_assert_int_eq(weft_yield(), 0);
    ck_assert_int_eq(weft_sleep(MS), 0);
    ck_assert_int_eq(ran, COUNT / 2);
    free(handles);
    return 0;
}
/* Catches: places in the ready queue lost when it grows; a cancelled callback that runs after all.
 */
TEST(thousands_ready_half_of_them_cancelled)
{
    ck_assert_int_eq(run(many_main), 0);
}

static int64_t came_ns;
static void note_time(void *arg)
{
    came_ns = weft_now();
    note(*(int *)arg);
}
static int times_main(void *arg)
{
    int64_t start_ns = weft_now();
    weft_handle handle = WEFT_HANDLE_INIT;

    (void)arg;
    ck_assert_int_eq(at(start_ns + 30 * MS, 5, NULL), 0);
    ck_assert_int_eq(at(start_ns + 10 * MS, 2, NULL), 0);
    ck_assert_int_eq(at(start_ns + 10 * MS, 3, NULL), 0); /* equal: as asked */
    ck_assert_int_eq(at(start_ns + 20 * MS, 4, &handle), 0);
    ck_assert_int_eq(weft_handle_when(&handle), start_ns + 20 * MS);
    ck_assert_int_eq(later(-5, 1, NULL), 0); /* the past: now */
    while (called < 5)
        ck_assert_int_eq(weft_sleep(MS), 0);
    EXPECT(1, 2, 3, 4, 5);
    ck_assert_int_eq(weft_handle_when(&handle), 0);
    start_ns = weft_now();
    ck_assert_int_eq(weft_call_later(7 * MS, note_time, &numbers[6], NULL), 0);
    while (called == 0)
        ck_assert_int_eq(weft_sleep(MS), 0);
    ck_assert_int_ge(came_ns, start_ns + 7 * MS); /* never early */
    return 0;
}
TEST(at_their_times)
{
    ck_assert_int_eq(run(times_main), 0);
}

/* A handle used again from its own callback, as a clock does. */
static weft_handle tick_handle;
static void tick(void *arg)
{
    if (++*(int *)arg < 5)
        ck_assert_int_eq(weft_call_later(MS, tick, arg, CALL_OPT(.handle = &tick_handle)), 0);
}
static int tick_main(void *arg)
{
    int ticks = 0;

    (void)arg;
    ck_assert_int_eq(weft_call_soon(tick, &ticks, CALL_OPT(.handle = &tick_handle)), 0);
    while (ticks < 5)
        ck_assert_int_eq(weft_sleep(MS), 0);
    ck_assert_int_eq(weft_sleep(3 * MS), 0);
    ck_assert_int_eq(ticks, 5);
    return 0;
}
TEST(again_from_within)
{
    ck_assert_int_eq(run(tick_main), 0);
}

/* -- cancelling -------------------------------------------------------------------------------- */

static weft_handle first = WEFT_HANDLE_INIT, second = WEFT_HANDLE_INIT;
static void cancels_both(void *arg)
{
    note(*(int *)arg);
    ck_assert_int_eq(weft_handle_cancel(&first), 0); /* it is the one that runs */
    ck_assert_int_eq(weft_handle_cancel(&second), 1);
}
static int cancel_main(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_handle_cancel(&first), 0); /* never asked for */
    ck_assert(!weft_handle_cancelled(&first));
    ck_assert_int_eq(soon(1, &first), 0);
    ck_assert_int_eq(soon(2, &second), 0);
    ck_assert_int_eq(soon(3, &second), -EBUSY);
    ck_assert_int_eq(weft_handle_cancel(&first), 1); /* ready */
    EXPECT(-1);
    ck_assert(weft_handle_cancelled(&first));
    ck_assert_int_eq(weft_handle_cancel(&first), 0);
    ck_assert_int_eq(weft_yield(), 0);
    EXPECT(2);
    ck_assert(!weft_handle_cancelled(&second));
    ck_assert_int_eq(later(60000 * MS, 4, &first), 0); /* armed */
    ck_assert(!weft_handle_cancelled(&first));
    ck_assert_int_eq(later(MS, 5, &second), 0);
    ck_assert_int_eq(weft_handle_cancel(&first), 1);
    EXPECT(-4);
    ck_assert_int_eq(weft_sleep(2 * MS), 0);
    EXPECT(5);
    /* one cancels itself and the next, which stands behind it in the ready queue */
    ck_assert_int_eq(weft_call_soon(cancels_both, &numbers[6], CALL_OPT(.handle = &first)), 0);
    ck_assert_int_eq(soon(7, &second), 0);
    ck_assert_int_eq(weft_yield(), 0);
    EXPECT(6, -7);
    ck_assert(weft_handle_cancelled(&second));
    ck_assert_int_eq(weft_call_later(WEFT_NEVER, note_run, &numbers[8], CALL_OPT(.handle = &first)),
                     0);
    ck_assert_int_eq(weft_handle_when(&first), WEFT_NEVER);
    ck_assert_int_eq(weft_handle_cancel(&first), 1); /* without a drop function */
    ck_assert_int_eq(called, 0);
    return 0;
}
/* Catches: a cancelled callback that runs, one dropped twice, a neighbour lost with it. */
TEST(cancelled_in_every_state)
{
    ck_assert_int_eq(run(cancel_main), 0);
}

/* -- never run --------------------------------------------------------------------------------- */

static int refused;
static void asks_at_the_end(void *arg)
{
    note_drop(arg);
    refused = soon(9, NULL);
    ck_assert_int_eq(weft_handle_cancel(&first), 1); /* of the same list */
}
static int leave_main(void *arg)
{
    (void)arg;
    ck_assert_int_eq(later(60000 * MS, 1, &first), 0);
    ck_assert_int_eq(weft_call_later(60000 * MS, note_run, &numbers[2],
                                     CALL_OPT(.drop = asks_at_the_end)),
                     0);
    ck_assert_int_eq(soon(3, NULL), 0);
    return 0;
}
/* Catches: a run that waits for callbacks to come, or forgets what they own; a drop function that
   changes the list it is dropped from. */
TEST(dropped_at_the_end)
{
    ck_assert_int_eq(run(leave_main), 0);
    ck_assert_int_eq(refused, -ESHUTDOWN);
    EXPECT(3, -2, -1);
    ck_assert(weft_handle_cancelled(&first));
}

/* -- misuse ------------------------------------------------------------------------------------ */

static int answers[4];
static void suspends(void *arg)
{
    (void)arg;
    answers[0] = weft_sleep(1);
    answers[1] = weft_yield();
    answers[2] = weft_spawn_nowait(weft_root(), noting_task, &numbers[1], sizeof(int), NULL);
}
static int cancels_there(void *arg)
{
    return weft_handle_cancel(*(weft_handle **)arg);
}
static int misuse_main(void *arg)
{
    struct weft_call_opt unset = {0};
    weft_handle *handle = &first;

    (void)arg;
    ck_assert_int_eq(weft_call_soon(NULL, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_call_later(1, NULL, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_call_at(1, NULL, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_call_soon(note_run, NULL, &unset), -EINVAL);
    ck_assert_int_eq(weft_handle_cancel(NULL), -EINVAL);
    ck_assert(!weft_handle_cancelled(NULL));
    ck_assert_int_eq(weft_handle_when(NULL), 0);
    ck_assert_int_eq(weft_call_soon(suspends, NULL, NULL), 0);
    ck_assert_int_eq(weft_sleep(MS), 0);
    ck_assert_int_eq(answers[0], -EPERM);
    ck_assert_int_eq(answers[1], -EPERM);
    ck_assert_int_eq(answers[2], 0);
    EXPECT(1);
    ck_assert_int_eq(later(60000 * MS, 2, &first), 0);
    ck_assert_int_eq(weft_call(1, cancels_there, &handle, sizeof handle), -EPERM);
    ck_assert_int_eq(weft_handle_cancel(&first), 1);
    return 0;
}
TEST(misuse)
{
    ck_assert_int_eq(weft_call_soon(note_run, &numbers[1], NULL), -EPERM);
    ck_assert_int_eq(weft_call_later(1, note_run, &numbers[1], NULL), -EPERM);
    ck_assert_int_eq(weft_handle_cancel(&second), -EPERM);
    called = 0;
    ck_assert_int_eq(weft_run(misuse_main, NULL, 0,
                              &(struct weft_run_opt){.size = sizeof(struct weft_run_opt),
                                                     .reactors = 2}),
                     0);
}

/* -- from other threads ------------------------------------------------------------------------ */

enum { THREADS = 4, PER_THREAD = 25000 };
struct thread {
    pthread_t thread;
    weft_inbox *inbox;
    int expected; /* the next one's number; the reactor's */
    struct one {
        struct thread *thread;
        int number;
    } ones[PER_THREAD];
};
static void in_order(void *arg)
{
    struct one *one = arg;

    ck_assert_int_eq(one->number, one->thread->expected);
    one->thread->expected++;
}
static void *calls_soon(void *arg)
{
    struct thread *thread = arg;

    for (int i = 0; i < PER_THREAD; i++) {
        thread->ones[i] = (struct one){thread, i};
        ck_assert_int_eq(weft_call_soon_threadsafe(thread->inbox, in_order, &thread->ones[i], NULL),
                         0);
    }
    return NULL;
}
static int threads_main(void *arg)
{
    struct thread *threads = arg;

    for (int i = 0; i < THREADS; i++) {
        threads[i].inbox = weft_inbox_here();
        ck_assert_int_eq(pthread_create(&threads[i].thread, NULL, calls_soon, &threads[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        while (threads[i].expected < PER_THREAD)
            ck_assert_int_eq(weft_sleep(MS), 0);
        ck_assert_int_eq(pthread_join(threads[i].thread, NULL), 0);
        weft_inbox_put(threads[i].inbox);
    }
    return 0;
}
/* 10^5 callbacks from 4 threads, each thread's in its order. */
TEST(threadsafe)
{
    struct thread *threads = calloc(THREADS, sizeof *threads);

    ck_assert_int_eq(weft_run(threads_main, threads, 0, NULL), 0);
    free(threads);
}

TEST_MAIN("api.callback", 30, in_the_order_asked, thousands_ready_half_of_them_cancelled,
          at_their_times, again_from_within, cancelled_in_every_state, dropped_at_the_end, misuse,
          threadsafe)
