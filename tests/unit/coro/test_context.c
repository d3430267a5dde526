/*
 * Contexts on stacks of the pool. What these cases would catch: an argument or value lost over a
 * switch, a sanitizer or valgrind that was not told (it reports, or dies), a context that leaks its
 * fiber, a stack unusable after a context ended in the middle of it, state shared between threads.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coro/context.h"
#include "coro/stack.h"
#include "support/test.h"

struct task {
    struct weft__context context;
    struct weft__context *home;
    struct weft__stack stack;
    long count, sum;
};

/* An emulator walks through all address space that is reserved. */
static const struct weft__stack_pool_opt few = {.count_max = {64, 1024, 64, 64}};

/* Fewer where each switch costs a hundred times as much. */
static long scaled(long count)
{
    return weft__san_is_cramped() ? count / 50 : count;
}

static void task_make(struct weft__stack_pool *pool, struct task *task, struct weft__context *home,
                      void (*entry)(void *))
{
    memset(task, 0, sizeof *task);
    task->home = home;
    ck_assert_int_eq(weft__stack_take(pool, 0, &task->stack), 0);
    weft__context_make(&task->context, task->stack.low, task->stack.top, entry, task);
}

static void task_drop(struct weft__stack_pool *pool, struct task *task)
{
    weft__context_drop(&task->context);
    weft__stack_give(pool, task->stack.slot);
}

static void count_forever(void *arg)
{
    struct task *task = arg;

    for (;;) {
        task->count++;
        task->sum += !weft__san_is_current(&task->context.san);
        weft__context_switch(&task->context, task->home);
    }
}

TEST(a_context_goes_on_where_it_left)
{
    struct weft__stack_pool pool;
    struct weft__context home;
    struct task tasks[3];
    long rounds = scaled(1000000);

    ck_assert_int_eq(weft__stack_pool_open(&pool, &few), 0);
    weft__context_adopt(&home);
    for (int i = 0; i < 3; i++)
        task_make(&pool, &tasks[i], &home, count_forever);
    for (long i = 0; i < rounds; i++)
        weft__context_switch(&home, &tasks[i % 3].context);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(tasks[i].count, (rounds - i + 2) / 3);
        ck_assert_int_eq(tasks[i].sum, 0);
        task_drop(&pool, &tasks[i]);
    }
    ck_assert_uint_eq(weft__stack_live(&pool), 0);
    weft__context_drop(&home);
    weft__stack_pool_close(&pool);
}

/* Ends deep in its stack, with 30 frames and buffers still open: nothing of that is ever unwound.
 */
static __attribute__((noinline)) void dig(struct task *task, int depth)
{
    volatile char buffer[200];

    memset((char *)buffer, depth, sizeof buffer);
    if (depth > 0)
        dig(task, depth - 1);
    task->sum += buffer[depth];
    if (depth == 10)
        weft__context_exit_to(&task->context, task->home);
}

static void end_deep(void *arg)
{
    struct task *task = arg;

    dig(task, 40);
    abort();
}

TEST(a_stack_is_as_new_after_a_context_ended_deep_in_it)
{
    struct weft__stack_pool pool;
    struct weft__context home;
    struct task task;
    long rounds = scaled(250000); /* 5,000 fibers under the thread sanitizer */

    ck_assert_int_eq(weft__stack_pool_open(&pool, &few), 0);
    weft__context_adopt(&home);
    for (long i = 0; i < rounds; i++) {
        task_make(&pool, &task, &home, end_deep);
        weft__context_switch(&home, &task.context);
        ck_assert_int_eq(task.sum, 55);
        task_drop(&pool, &task);
    }
    weft__stack_pool_close(&pool);
}

/* A ring in which each hands on to the next without going home. */
enum { RING = 64 };

static struct task ring[RING];
static long ring_left;

static void hand_on(void *arg)
{
    struct task *task = arg;
    struct task *next = &ring[(task - ring + 1) % RING];

    for (;;) {
        char text[64];

        snprintf(text, sizeof text, "%ld", task->count++);
        task->sum += atol(text);
        if (--ring_left > 0)
            weft__context_switch(&task->context, &next->context);
        else
            weft__context_switch(&task->context, task->home);
    }
}

TEST(contexts_hand_on_to_each_other)
{
    struct weft__stack_pool pool;
    struct weft__context home;
    long rounds = scaled(10000);

    ck_assert_int_eq(weft__stack_pool_open(&pool, &few), 0);
    weft__context_adopt(&home);
    for (int i = 0; i < RING; i++)
        task_make(&pool, &ring[i], &home, hand_on);
    ring_left = rounds * RING;
    weft__context_switch(&home, &ring[0].context);
    for (int i = 0; i < RING; i++) {
        ck_assert_int_eq(ring[i].count, rounds);
        ck_assert_int_eq(ring[i].sum, rounds * (rounds - 1) / 2);
        task_drop(&pool, &ring[i]);
    }
    weft__stack_pool_close(&pool);
}

static __attribute__((noinline, noreturn)) void throw_to(jmp_buf *where, int depth)
{
    volatile char buffer[64];

    buffer[depth] = 1;
    if (depth > 0)
        throw_to(where, depth - buffer[depth]);
    longjmp(*where, 7);
}

static void jump_around(void *arg)
{
    struct task *task = arg;
    jmp_buf where;

    for (;;) {
        int rc = setjmp(where);

        if (rc == 0)
            throw_to(&where, 10);
        task->sum += rc;
        weft__context_switch(&task->context, task->home);
    }
}

TEST(longjmp_stays_within_a_stack)
{
    struct weft__stack_pool pool;
    struct weft__context home;
    struct task task;

    ck_assert_int_eq(weft__stack_pool_open(&pool, &few), 0);
    weft__context_adopt(&home);
    task_make(&pool, &task, &home, jump_around);
    for (int i = 1; i <= 100; i++) {
        weft__context_switch(&home, &task.context);
        ck_assert_int_eq(task.sum, 7 * i);
    }
    task_drop(&pool, &task);
    weft__stack_pool_close(&pool);
}

TEST(a_context_that_never_ran_can_be_dropped)
{
    struct weft__stack_pool pool;
    struct weft__context home;
    struct task task;

    ck_assert_int_eq(weft__stack_pool_open(&pool, &few), 0);
    weft__context_adopt(&home);
    task_make(&pool, &task, &home, count_forever);
    task_drop(&pool, &task);
    ck_assert_int_eq(task.count, 0);
    weft__stack_pool_close(&pool);
}

enum { THREADS = 4 };

static void *run_thread(void *arg)
{
    struct weft__stack_pool pool;
    struct weft__context home;
    struct task a, b;
    long rounds = scaled(200000);

    if (weft__stack_pool_open(&pool, &few) < 0)
        return "no pool";
    weft__context_adopt(&home);
    task_make(&pool, &a, &home, count_forever);
    task_make(&pool, &b, &home, count_forever);
    for (long i = 0; i < rounds; i++) {
        weft__context_switch(&home, &a.context);
        weft__context_switch(&home, &b.context);
    }
    *(long *)arg = a.count + b.count - 2 * rounds;
    task_drop(&pool, &a);
    task_drop(&pool, &b);
    weft__stack_pool_close(&pool);
    return NULL;
}

TEST(threads_have_contexts_of_their_own)
{
    pthread_t threads[THREADS];
    long off[THREADS];

    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_thread, &off[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        void *trouble;

        ck_assert_int_eq(pthread_join(threads[i], &trouble), 0);
        ck_assert_ptr_null(trouble);
        ck_assert_int_eq(off[i], 0);
    }
}

/* A body that returns: the context it names goes on, with its own control words, and the stack can
   be used again at once. */
struct returning {
    struct weft__context context;
    struct weft__context *home;
    int runs;
};

static struct weft__context *body_that_returns(void *arg)
{
    struct returning *self = arg;

    self->runs++;
    return self->home;
}

static struct weft__context *body_that_goes_away_first(void *arg)
{
    struct returning *self = arg;

    weft__context_switch(&self->context, self->home);
    self->runs++;
    return self->home;
}

TEST(a_body_that_returns_names_who_goes_on)
{
    static _Alignas(64) char stack[256 * 1024];
    struct weft__context home;
    struct returning returning = {.home = &home};

    weft__context_adopt(&home);
    for (int i = 0; i < 1000; i++) {
        weft__context_start(&returning.context, stack, stack + sizeof stack, body_that_returns,
                            &returning);
        weft__context_switch(&home, &returning.context);
        ck_assert_int_eq(returning.runs, i + 1);
        weft__context_drop(&returning.context);
    }
    weft__context_start(&returning.context, stack, stack + sizeof stack, body_that_goes_away_first,
                        &returning);
    weft__context_switch(&home, &returning.context);
    ck_assert_int_eq(returning.runs, 1000);
    weft__context_switch(&home, &returning.context);
    ck_assert_int_eq(returning.runs, 1001);
    weft__context_drop(&returning.context);
    weft__context_drop(&home);
}

TEST_MAIN("coro/context", 60, a_context_goes_on_where_it_left,
          a_stack_is_as_new_after_a_context_ended_deep_in_it, contexts_hand_on_to_each_other,
          longjmp_stays_within_a_stack, a_context_that_never_ran_can_be_dropped,
          threads_have_contexts_of_their_own, a_body_that_returns_names_who_goes_on)
