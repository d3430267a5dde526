/*
 * Selects, generators, executors and tasks begun from elsewhere, run again and again with the k-th
 * allocation failing, for every k: each call says -ENOMEM or does what it is for, and nothing is
 * left behind. Would catch memory that leaks, and a row that an unfinished select is left in.
 */
#include "support/test.h"

#include <errno.h>
#include <weft/weft.h>

#include "base/memory.h"

enum { MANY = 12 };

static int failures;

/* Absent memory is all that may be wrong. */
static bool fine(int result)
{
    failures += result == -ENOMEM;
    ck_assert_msg(result >= 0 || result == -ENOMEM, "%d", result);
    return result >= 0;
}

static int sleeps(void *arg)
{
    (void)arg;
    return weft_sleep(INT64_C(3600000000000));
}

/* More cases than a frame holds: places in rows, and things that are watched. */
static void select_many(weft_future *future)
{
    weft_queue queues[MANY];
    weft_case cases[MANY + 1];
    int items[MANY];

    for (int i = 0; i < MANY; i++) {
        queues[i] = (weft_queue){.shared = 1, .item_size = sizeof(int)};
        cases[i] = weft_case_get(&queues[i], &items[i]);
    }
    cases[MANY] = weft_case_until(weft_after_us(10));
    if (fine(weft_select(cases, MANY + 1, 0)))
        ck_assert_int_eq(cases[MANY].result, 0);
    for (int i = 0; i < MANY; i++) {
        cases[i] = weft_case_await(weft_of_future(future));
        ck_assert_int_eq(weft_queue_get_nowait(&queues[i], &items[i]), -EAGAIN);
        ck_assert_int_eq(weft_queue_destroy(&queues[i]), 0); /* nobody waits in it */
    }
    cases[MANY - 1] = weft_case_await(weft_coro(sleeps, NULL, 0));
    cases[MANY] = weft_case_until(weft_after_us(10));
    (void)fine(weft_select(cases, MANY + 1, 0));
    ck_assert(!weft_future_done(future));
}

/* Room for an item: that there is none is what the case answers. */
static int puts_one(void *arg)
{
    int item = 3;
    weft_case cases[] = {weft_case_put(arg, &item), weft_case_put(arg, &item)};
    int won = weft_select(cases, 2, 0);

    if (fine(won))
        (void)fine((int)cases[won].result);
    return 0;
}

static int count(weft_generator *self, void *arg)
{
    int error = 0;

    for (int i = 0; i < *(int *)arg && error == 0; i++)
        error = weft_generator_produce(self, &i);
    return error;
}
static void generate(void)
{
    weft_generator *generator;
    int three = 3, item, result;

    if (!fine(weft_generator_open(&generator, sizeof item, count, &three, sizeof three, NULL)))
        return;
    do
        result = weft_generator_next(generator, &item);
    while (fine(result) && result > 0);
    ck_assert_int_eq(weft_generator_close(generator), 0);
}

static int answers(void *arg)
{
    return *(int *)arg;
}
static void begin_elsewhere(weft_inbox *inbox)
{
    weft_future *future;
    int five = 5;
    int64_t result = 0;

    if (!fine(weft_run_coroutine_threadsafe(inbox, answers, &five, sizeof five, &future)))
        return;
    ck_assert_int_eq(weft_future_await(future, &result), 0);
    if (fine((int)result))
        ck_assert_int_eq(result, 5);
    weft_future_put(future);
}

/* Threads of its own, which the first call would start. */
static void make_executor(void)
{
    weft_executor *executor;

    if (fine(weft_executor_create(&executor, NULL)))
        ck_assert_int_eq(weft_executor_close(executor), 0);
}

static int program(void *arg)
{
    weft_queue queue = {.item_size = sizeof(int)};
    weft_queue shared = {.shared = 1, .item_size = sizeof(int)};
    weft_inbox *inbox = weft_inbox_get(1);
    weft_future *future;

    (void)arg;
    if (fine(weft_future_create(&future, NULL))) {
        select_many(future);
        weft_future_put(future);
    }
    ck_assert_int_eq(puts_one(&queue), 0);
    ck_assert_int_ge(weft_queue_destroy(&queue), 0);
    ck_assert_int_eq(puts_one(&shared), 0);
    ck_assert_int_ge(weft_queue_destroy(&shared), 0);
    generate();
    begin_elsewhere(inbox);
    make_executor();
    weft_inbox_put(inbox);
    return 0;
}

TEST(every_allocation_fails_once)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};
    uint64_t before = weft__alloc_count(), needed, live = weft__alloc_live();

    ck_assert_int_eq(weft_run(program, NULL, 0, &opt), 0);
    needed = weft__alloc_count() - before;
    for (uint64_t k = 1; k <= needed + 2; k++) {
        int result;
        weft__alloc_fail_after(k);
        result = weft_run(program, NULL, 0, &opt);
        weft__alloc_fail_after(0);
        ck_assert_msg(result == 0 || result == -ENOMEM, "allocation %d failing gave %d", (int)k,
                      result);
        ck_assert_uint_eq(weft__alloc_live(), live);
    }
    ck_assert_int_ge(failures, 7);
}

TEST_MAIN("sync.faults", 60, every_allocation_fails_once)
