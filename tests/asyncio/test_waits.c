/*
 * The cases of CPython's test_tasks.py on wait, as_completed and shield. Catches a wait that
 * cancels, one that ends too early or too late, results out of the order of coming, and a shield
 * that lets a cancellation through or loses what it shields.
 */
#include "cases.h"

static struct work a, b;
static weft_awaitable list[3];
static bool over[3];
static void begin(weft_scope *scope, int64_t a_ns, int a_result, int64_t b_ns, int b_result)
{
    a = (struct work){.ns = a_ns, .result = a_result};
    b = (struct work){.ns = b_ns, .result = b_result};
    list[0] = weft_of_task(start_work(scope, &a));
    list[1] = weft_of_task(start_work(scope, &b));
}
static void end(weft_scope *scope)
{
    is(weft_scope_cancel(scope), 1);
}

CASE(wait)
{
    WEFT_SCOPE(s) {
        begin(&s, 2 * MS, 1, 3 * MS, 2);
        is(weft_wait(list, 2, over, WEFT_ALL, WEFT_NEVER), 2);
        yes(over[0] && over[1] && a.ended && b.ended);
    }
}

/* Coroutines must be made tasks of first: wait does not own what it waits for. */
CASE(wait_duplicate_coroutines)
{
    struct work *pointer = &a;

    list[0] = CORO(pointer);
    ck_misuse(weft_wait(list, 1, over, WEFT_ALL, WEFT_NEVER), -EINVAL, "weft_wait", "");
    is(weft_await_any(list[0], NULL), 0);
    WEFT_SCOPE(s) {
        list[0] = list[1] = weft_of_task(start_work(&s, &b));
        is(weft_wait(list, 2, over, WEFT_ALL, WEFT_NEVER), 2);
    }
}

CASE(wait_errors)
{
    ck_misuse(weft_wait(list, 0, over, WEFT_ALL, WEFT_NEVER), -EINVAL, "weft_wait", "");
    enum weft_wait_until none = (enum weft_wait_until)7;
    ck_misuse(weft_wait(list, 1, over, none, WEFT_NEVER), -EINVAL, "weft_wait", "");
}

CASE(wait_first_completed)
{
    WEFT_SCOPE(s) {
        begin(&s, 10 * SECONDS, 1, MS, 2);
        is(weft_wait(list, 2, over, WEFT_FIRST_COMPLETED, WEFT_NEVER), 1);
        yes(!over[0] && over[1]);
        no(a.cut);
        end(&s);
    }
}

CASE(wait_really_done)
{
    WEFT_SCOPE(s) { /* both are ready in the same turn; wait may see one or both */
        begin(&s, 0, 1, 0, 2);
        int n = weft_wait(list, 2, over, WEFT_FIRST_COMPLETED, WEFT_NEVER);
        is(n, over[0] + over[1]);
        is(weft_wait(list, 2, over, WEFT_ALL, WEFT_NEVER), 2);
    }
}

CASE(wait_first_exception)
{
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        begin(&s, 10 * SECONDS, 1, 0, -EDOM);
        is(weft_wait(list, 2, over, WEFT_FIRST_ERROR, WEFT_NEVER), 1);
        yes(!over[0] && over[1]);
        end(&s);
    }
}
CASE(wait_first_exception_in_wait)
{
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        begin(&s, 10 * SECONDS, 1, 10 * MS, -EDOM);
        is(weft_wait(list, 2, over, WEFT_FIRST_ERROR, WEFT_NEVER), 1);
        yes(!over[0] && over[1]);
        end(&s);
    }
}

CASE(wait_with_exception)
{
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        begin(&s, MS, 1, 2 * MS, -EDOM);
        is(weft_wait(list, 2, over, WEFT_ALL, WEFT_NEVER), 2);
        is(result_of(list[0].task), 1);
        is(result_of(list[1].task), -EDOM);
    }
}

CASE(wait_with_timeout)
{
    WEFT_SCOPE(s) {
        begin(&s, MS, 1, 10 * SECONDS, 2);
        while (!a.ended)
            is(weft_sleep(5 * MS), 0);
        is(weft_wait(list, 2, over, WEFT_ALL, weft_after_ms(5)), 1); /* never -ETIMEDOUT */
        yes(over[0] && !over[1]);
        no(b.cut);
        end(&s);
    }
}

CASE(wait_concurrent_complete)
{
    WEFT_SCOPE(s) {
        begin(&s, 5 * MS, 1, 10 * SECONDS, 2);
        int n = weft_wait(list, 2, over, WEFT_ALL, weft_after_ms(5)); /* both at about one time */
        yes(n == over[0] && !over[1]);
        end(&s);
    }
}

static int waits(void *arg)
{
    (void)arg;
    return weft_wait(list, 1, NULL, WEFT_ALL, WEFT_NEVER);
}
/* Who waits is cancelled; what is waited for is not. */
CASE(yield_wait_does_not_shield_cancel)
{
    WEFT_SCOPE(s) {
        begin(&s, 10 * SECONDS, 1, 0, 2);
        weft_task task = start(&s, waits, NULL, 0);
        turns(1);
        is(weft_cancel(task), 1);
        is(result_of(task), -ECANCELED);
        no(a.cut);
        end(&s);
    }
}

/* -- as_completed --------------------------------------------------------------------------- */

static weft_completed *each;
static uint32_t which;
static int64_t result;
static int next(int64_t deadline)
{
    return weft_completed_next(each, &which, &result, deadline);
}

/* Sleeps would not do: what begins later may end later, however short it is. */
static weft_event doors[3] = {WEFT_EVENT_INIT, WEFT_EVENT_INIT, WEFT_EVENT_INIT};
static int goes_through(void *arg)
{
    int door = *(int *)arg;

    is(weft_event_wait(&doors[door]), 0);
    return door + 1;
}
CASE(as_completed)
{
    static const int numbers[3] = {0, 1, 2}, order[3] = {2, 0, 1};

    for (int i = 0; i < 3; i++)
        list[i] = weft_coro(goes_through, &numbers[i], sizeof numbers[i]);
    is(weft_as_completed(&each, list, 3), 0);
    for (int i = 0; i < 3; i++) {
        is(weft_event_set(&doors[order[i]]), 1);
        is(next(WEFT_NEVER), 1);
        yes(which == (uint32_t)order[i] && result == order[i] + 1);
    }
    is(next(WEFT_NEVER), 0);
    is(weft_completed_close(each), 0);
}

CASE(as_completed_same_tasks_in_as_out)
{
    WEFT_SCOPE(s) {
        begin(&s, 2 * MS, 1, 0, 2);
        is(weft_as_completed(&each, list, 2), 0);
        is(next(WEFT_NEVER), 1);
        is(which, 1);
        is(next(WEFT_NEVER), 1);
        is(which, 0);
        is(weft_completed_close(each), 0);
        is(result_of(list[0].task), 1); /* the handles are as good as before */
        is(result_of(list[1].task), 2);
    }
}

CASE(as_completed_with_timeout)
{
    WEFT_SCOPE(s) {
        begin(&s, MS, 1, 10 * SECONDS, 2);
        is(weft_as_completed(&each, list, 2), 0);
        is(next(weft_after_ms(60000)), 1);
        is(which, 0);
        is(next(weft_after_ms(2)), -ETIMEDOUT);
        is(weft_completed_close(each), 0);
        no(b.cut); /* what is left goes on */
        end(&s);
    }
}

CASE(as_completed_with_unused_timeout)
{
    WEFT_SCOPE(s) {
        begin(&s, 0, 1, 0, 2);
        is(weft_as_completed(&each, list, 2), 0);
        is(next(weft_after_ms(60000)), 1);
        is(next(weft_after_ms(60000)), 1);
        is(weft_completed_close(each), 0);
    }
}

CASE(as_completed_resume_iterator)
{
    WEFT_SCOPE(s) {
        begin(&s, MS, 1, 3600 * SECONDS, 2);
        is(weft_as_completed(&each, list, 2), 0);
        is(next(WEFT_NEVER), 1);
        is(next(1), -ETIMEDOUT); /* a look; and one may go on */
        is(weft_cancel(list[1].task), 1);
        is(next(WEFT_NEVER), 1);
        is(which, 1);
        is(weft_completed_close(each), 0);
    }
}

CASE(as_completed_concurrent)
{
    WEFT_SCOPE(s) {
        begin(&s, MS, 1, MS, 2);
        is(weft_as_completed(&each, list, 2), 0);
        is(next(WEFT_NEVER), 1);
        uint32_t first = which;
        is(next(WEFT_NEVER), 1);
        is(which, 1 - first);
        is(next(WEFT_NEVER), 0);
        is(weft_completed_close(each), 0);
    }
}

CASE(as_completed_duplicate_coroutines)
{
    struct work *pointer = &a;
    weft_awaitable coro = CORO(pointer);

    a = (struct work){.ns = MS, .result = 1};
    is(weft_as_completed(&each, WEFT_LIST(coro, coro)), 0);
    is(next(WEFT_NEVER), 1); /* run twice, told twice */
    is(next(WEFT_NEVER), 1);
    is(next(WEFT_NEVER), 0);
    is(weft_completed_close(each), 0);
}

CASE(as_completed_invalid_args)
{
    weft_awaitable nothing = {0};

    ck_misuse(weft_as_completed(&each, &nothing, 1), -EINVAL, "weft_as_completed", "");
}

/* -- shield --------------------------------------------------------------------------------- */

static weft_future *inside;
static int64_t got;
static int awaits_shielded(void *arg)
{
    weft_awaitable it = weft_shield(weft_of_future(inside));

    return weft_wait_for(it, &got, *(int64_t *)arg);
}
static weft_task shielded(weft_scope *scope)
{
    int64_t never = WEFT_NEVER;

    is(weft_future_create(&inside, NULL), 0);
    weft_task task = start(scope, awaits_shielded, &never, sizeof never);
    turns(1);
    return task;
}

CASE(shield_result)
{
    WEFT_SCOPE(s) {
        weft_task task = shielded(&s);
        is(weft_future_set_result(inside, 42), 0);
        is(result_of(task), 0);
        is(got, 42);
    }
    weft_future_put(inside);
}
CASE(shield_exception)
{
    WEFT_SCOPE(s) {
        weft_task task = shielded(&s);
        is(weft_future_set_error(inside, -EDOM), 0);
        is(result_of(task), 0);
        is(got, -EDOM);
    }
    weft_future_put(inside);
}
CASE(shield_cancel_inner)
{
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        weft_task task = shielded(&s);
        is(weft_future_cancel(inside), 1);
        is(weft_await(task, NULL), 0);
        is(weft_cancelled(), 0);
    }
    weft_future_put(inside);
}
CASE(shield_cancel_outer)
{
    WEFT_SCOPE(s) {
        weft_task task = shielded(&s);
        is(weft_cancel(task), 1);
        is(result_of(task), -ECANCELED);
        no(weft_future_done(inside));
        is(weft_future_set_result(inside, 1), 0);
    }
    weft_future_put(inside);
}
CASE(shield_shortcut)
{
    is(weft_future_create(&inside, NULL), 0);
    is(weft_future_set_result(inside, 42), 0);
    is(weft_wait_for(weft_shield(weft_of_future(inside)), &got, 0), 0);
    is(got, 42);
    weft_future_put(inside);
}

/* The work goes on to its end although the one who asked for it is gone. */
CASE(shield_effect)
{
    WEFT_SCOPE(s) {
        begin(&s, 5 * MS, 1, 0, 2);
        is(weft_wait_for(weft_shield(list[0]), NULL, weft_after_ms(1)), -ETIMEDOUT);
        is(result_of(list[0].task), 1);
        no(a.cut);
    }
}

static int64_t results[3];
static int gathers_shielded(void *arg)
{
    (void)arg;
    list[0] = weft_shield(list[0]);
    list[1] = weft_shield(list[1]);
    return weft_gather(list, 2, results, 0);
}
/* A gather of shielded ones that is cancelled: they go on. */
CASE(gather_shield)
{
    WEFT_SCOPE(s) {
        begin(&s, 10 * MS, 1, 10 * MS, 2);
        weft_task task = start(&s, gathers_shielded, NULL, 0);
        turns(1);
        is(weft_cancel(task), 1);
        is(result_of(task), -ECANCELED);
        is(result_of(list[0].task), 1);
        is(result_of(list[1].task), 2);
        no(a.cut || b.cut);
    }
}

static int gathers_both(void *arg)
{
    (void)arg;
    return weft_gather(list, 2, results, 0);
}
static weft_task gathering;
static int awaits_gathering(void *arg)
{
    (void)arg;
    return weft_wait_for(weft_shield(weft_of_task(gathering)), NULL, WEFT_NEVER);
}
/* A shield around a gather: cancelling who waits leaves the gather going. */
CASE(shield_gather)
{
    WEFT_SCOPE(s) {
        begin(&s, 10 * MS, 1, 10 * MS, 2);
        gathering = start(&s, gathers_both, NULL, 0);
        weft_task task = start(&s, awaits_gathering, NULL, 0);
        turns(1);
        is(weft_cancel(task), 1);
        is(result_of(task), -ECANCELED);
        is(result_of(gathering), 0);
        yes(results[0] == 1 && results[1] == 2);
    }
}

/* A coroutine has nowhere to go on: it is to be made a task of first. */
CASE(shield_coroutine)
{
    struct work *pointer = &a;
    weft_awaitable coro = CORO(pointer);

    is(weft_wait_for(weft_shield(coro), NULL, WEFT_NEVER), -EINVAL);
    is(weft_ensure_future(&coro), 0);
    is(weft_wait_for(weft_shield(coro), NULL, WEFT_NEVER), 0);
    yes(a.ended);
}

TEST_MAIN("asyncio.waits", 60, wait, wait_duplicate_coroutines, wait_errors, wait_first_completed,
          wait_really_done, wait_first_exception, wait_first_exception_in_wait, wait_with_exception,
          wait_with_timeout, wait_concurrent_complete, yield_wait_does_not_shield_cancel,
          as_completed, as_completed_same_tasks_in_as_out, as_completed_with_timeout,
          as_completed_with_unused_timeout, as_completed_resume_iterator, as_completed_concurrent,
          as_completed_duplicate_coroutines, as_completed_invalid_args, shield_result,
          shield_exception, shield_cancel_inner, shield_cancel_outer, shield_shortcut,
          shield_effect, gather_shield, shield_gather, shield_coroutine)
