/*
 * The cases of CPython's test_tasks.py on gather, by default and with WEFT_GATHER_KEEP, which is
 * asyncio's way. Catches results out of order, an error that is lost, a sibling that outlives the
 * call, and one that is cancelled though it was asked to be kept.
 */
#include "cases.h"

static weft_future *futures[5];
static weft_awaitable list[5];
static int64_t results[5];
static void make_futures(void)
{
    for (int i = 0; i < 5; i++) {
        is(weft_future_create(&futures[i], NULL), 0);
        list[i] = weft_of_future(futures[i]);
    }
}
static void put_futures(void)
{
    for (int i = 0; i < 5; i++)
        weft_future_put(futures[i]);
}

/* A task that gathers the first `count`. */
struct gathering {
    uint32_t count, flags;
};
static int gathers(void *arg)
{
    struct gathering *g = arg;

    return weft_gather(list, g->count, results, g->flags);
}
static weft_task start_gather(weft_scope *scope, uint32_t count, uint32_t flags)
{
    struct gathering g = {count, flags};
    weft_task task = start(scope, gathers, &g, sizeof g);

    turns(1);
    return task;
}
static void set(int which, int64_t value)
{
    is(weft_future_set_result(futures[which], value), 0);
}
static void break_with(int which, int error)
{
    is(weft_future_set_error(futures[which], error), 0);
}

static void succeeds(uint32_t flags)
{
    make_futures();
    WEFT_SCOPE(s) {
        weft_task task = start_gather(&s, 3, flags);
        set(1, 2);
        set(0, 1);
        turns(2);
        no(done(task));
        set(2, 3);
        is(result_of(task), 0);
        yes(results[0] == 1 && results[1] == 2 && results[2] == 3);
    }
    put_futures();
}
CASE(success)
{
    succeeds(0);
}
CASE(result_exception_success)
{
    succeeds(WEFT_GATHER_KEEP);
}

/* Stronger: the others are cancelled, and what came of each is told. */
CASE(one_exception)
{
    make_futures();
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        weft_task task = start_gather(&s, 5, 0);
        set(0, 1);
        break_with(1, -EDOM);
        is(result_of(task), -EDOM);
        yes(results[0] == 1 && results[1] == -EDOM);
        yes(results[2] == -ECANCELED && results[3] == -ECANCELED && results[4] == -ECANCELED);
        yes(weft_future_done(futures[4]));
    }
    put_futures();
}

CASE(return_exceptions)
{
    make_futures();
    WEFT_SCOPE(s) {
        weft_task task = start_gather(&s, 4, WEFT_GATHER_KEEP);
        set(1, 2);
        break_with(2, -ENOENT);
        turns(2);
        no(done(task));
        set(0, 1);
        break_with(3, -EDOM);
        is(result_of(task), 2);
        yes(results[0] == 1 && results[1] == 2 && results[2] == -ENOENT && results[3] == -EDOM);
    }
    put_futures();
}

CASE(constructor_empty_sequence)
{
    is(weft_gather(list, 0, results, 0), 0);
    is(weft_gather(NULL, 0, NULL, WEFT_GATHER_KEEP), 0);
}

static int elsewhere(void *arg)
{
    (void)arg;
    is(weft_sleep(EVER), -ECANCELED);
    return -ECANCELED;
}
static int in_another(void *arg)
{
    weft_awaitable other = weft_of_task(*(weft_task *)arg);

    is(weft_gather(&other, 1, NULL, 0), -EXDEV);
    return 0;
}
static int two_reactors(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        weft_task here = start(&s, elsewhere, NULL, 0), there;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &there, .reactor = WEFT_ON(1)};

        is(weft_spawn(&s, in_another, &here, sizeof here, &opt), 0);
        is(result_of(there), 0);
        is(weft_cancel(here), 1);
    }
    return 0;
}
TEST(constructor_heterogenous_futures)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    is(weft_run(two_reactors, NULL, 0, &opt), 0);
}

/* A future that is cancelled has failed: by default that ends the gather. */
CASE(one_cancellation)
{
    make_futures();
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        weft_task task = start_gather(&s, 5, 0);
        set(0, 1);
        is(weft_future_cancel(futures[1]), 1);
        is(result_of(task), -ECANCELED);
        is(results[1], -ECANCELED);
        yes(weft_future_done(futures[2]));
    }
    put_futures();
}
CASE(result_exception_one_cancellation)
{
    make_futures();
    WEFT_SCOPE(s) {
        weft_task task = start_gather(&s, 5, WEFT_GATHER_KEEP);
        set(0, 1);
        is(weft_future_cancel(futures[1]), 1);
        set(2, 3);
        turns(2);
        no(done(task));
        break_with(3, -EDOM);
        is(weft_future_cancel(futures[4]), 1);
        is(result_of(task), 3);
        yes(results[0] == 1 && results[1] == -ECANCELED && results[2] == 3);
        yes(results[3] == -EDOM && results[4] == -ECANCELED);
    }
    put_futures();
}

/* -- coroutines ----------------------------------------------------------------------------- */

static int calls;
static int counts(void *arg)
{
    (void)arg;
    return ++calls;
}
/* Stronger: a coroutine is a value; one that stands there twice is run twice. The same task or
   future twice has one result, told twice. */
CASE(duplicate_coroutines)
{
    weft_awaitable coro = weft_coro(counts, NULL, 0);

    list[0] = list[1] = coro;
    is(weft_gather(list, 2, results, 0), 0);
    yes(results[0] == 1 && results[1] == 2);
    WEFT_SCOPE(s) {
        list[0] = list[1] = list[2] = weft_of_task(start(&s, counts, NULL, 0));
        is(weft_gather(list, 3, results, 0), 0);
        yes(results[0] == 3 && results[1] == 3 && results[2] == 3);
    }
}

/* Cancelling who gathers cancels what is gathered, and waits for its end. */
static struct work first = {.ns = EVER, .cleanup = MS}, second = {.ns = EVER};
static int gathers_two(void *arg)
{
    struct work *a = &first, *b = &second;
    int error = weft_gather(WEFT_LIST(CORO(a), CORO(b)), results, *(uint32_t *)arg);

    yes(first.ended && second.ended);
    return error;
}
static void cancel_gathering(uint32_t flags)
{
    WEFT_SCOPE(s) {
        weft_task task = start(&s, gathers_two, &flags, sizeof flags);
        turns(2);
        yes(first.running && second.running);
        is(weft_cancel(task), 1);
        is(result_of(task), -ECANCELED);
        yes(first.cut && second.cut);
    }
}
CASE(cancellation_broadcast)
{
    cancel_gathering(0);
}
/* A gather that keeps the others going after an error is cancelled as a whole all the same. */
CASE(cancel_gather_2)
{
    cancel_gathering(WEFT_GATHER_KEEP);
}

/* All were done when the cancellation came: the results stand. */
static int gathers_and_tells(void *arg)
{
    (void)arg;
    int error = weft_gather(list, 2, results, 0);

    is(error, 0);
    return weft_sleep(MS);
}
CASE(cancel_gather_1)
{
    make_futures();
    WEFT_SCOPE(s) {
        weft_task task = start(&s, gathers_and_tells, NULL, 0);
        turns(1);
        set(0, 1);
        set(1, 2);
        is(weft_cancel(task), 1);
        is(result_of(task), -ECANCELED); /* of the sleep after it */
        yes(results[0] == 1 && results[1] == 2);
    }
    put_futures();
}

static struct work inner = {.ns = MS, .result = 1}, bad = {.ns = 2 * MS, .result = -EDOM};
/* Only the error that came first ends it, and it is told whose it was. */
CASE(exception_marking)
{
    struct work *a = &inner, *b = &bad, *c = &first;

    is(weft_gather(WEFT_LIST(CORO(a), CORO(b), CORO(c)), results, 0), -EDOM);
    yes(results[0] == 1 && results[1] == -EDOM && results[2] == -ECANCELED);
}

/* One that was cancelled right after it was started, gathered with others. */
CASE(issue46672)
{
    WEFT_SCOPE(s) {
        list[0] = weft_of_task(start_work(&s, &first));
        list[1] = weft_of_task(start_work(&s, &inner));
        is(weft_cancel(list[0].task), 1);
        is(weft_gather(list, 2, results, WEFT_GATHER_KEEP), 1);
        yes(results[0] == -ECANCELED && results[1] == 1);
    }
}

TEST_MAIN("asyncio.gather", 60, success, result_exception_success, one_exception, return_exceptions,
          constructor_empty_sequence, constructor_heterogenous_futures, one_cancellation,
          result_exception_one_cancellation, duplicate_coroutines, cancellation_broadcast,
          cancel_gather_2, cancel_gather_1, exception_marking, issue46672)
