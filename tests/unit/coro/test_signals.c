/*
 * Signals while contexts are made, run and dropped. What the case would catch: a handler that is
 * never called, because the signal came in the middle of a switch, or because the thread sanitizer
 * kept it with a context that was dropped.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "coro/context.h"
#include "coro/stack.h"
#include "support/test.h"

enum { SIGNALS = 300, PATIENCE_MS = 20000 };

struct task {
    struct weft__context context, *home;
};

static _Atomic(int) handled;
static _Atomic(bool) over;

static void handler(int number)
{
    (void)number;
    atomic_fetch_add(&handled, 1);
}

static void pause_ns(long ns)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

/* One after the other: two that are pending at once are told as one. */
static void *sender(void *arg)
{
    for (int i = 0; i < SIGNALS; i++) {
        ck_assert_int_eq(pthread_kill(*(pthread_t *)arg, SIGUSR1), 0);
        for (int ms = 0; ms < PATIENCE_MS && atomic_load(&handled) <= i; ms++)
            pause_ns(1000000);
        if (atomic_load(&handled) != i + 1)
            break;
        pause_ns(i * 1000);
    }
    atomic_store(&over, true);
    return NULL;
}

static void come_and_go(void *arg)
{
    struct task *task = arg;

    for (;;)
        weft__context_switch(&task->context, task->home);
}

TEST(no_signal_is_lost_with_a_context)
{
    const struct weft__stack_pool_opt few = {.count_max = {64, 64, 64, 64}};
    struct sigaction action = {.sa_handler = handler}, before;
    struct weft__stack_pool pool;
    struct weft__context home;
    struct weft__stack stack;
    pthread_t self = pthread_self(), thread;
    struct task task = {.home = &home};

    ck_assert_int_eq(sigaction(SIGUSR1, &action, &before), 0);
    ck_assert_int_eq(weft__stack_pool_open(&pool, &few), 0);
    ck_assert_int_eq(weft__stack_take(&pool, 0, &stack), 0);
    weft__context_adopt(&home);
    ck_assert_int_eq(pthread_create(&thread, NULL, sender, &self), 0);
    while (!atomic_load(&over)) {
        weft__context_make(&task.context, stack.low, stack.top, come_and_go, &task);
        for (int i = 0; i < 3; i++)
            weft__context_switch(&home, &task.context);
        weft__context_drop(&task.context);
    }
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(atomic_load(&handled), SIGNALS);
    weft__stack_give(&pool, stack.slot);
    weft__stack_pool_close(&pool);
    weft__context_drop(&home);
    ck_assert_int_eq(sigaction(SIGUSR1, &before, NULL), 0);
}

TEST_MAIN("coro/signals", 180, no_signal_is_lost_with_a_context)
