/*
 * The cases of CPython's test_tasks.py on tasks: awaiting, cancelling, uncancelling, sleeping,
 * names and contexts. Catches a cancellation that is lost, delivered twice or to another, and one
 * that undoes what has taken effect.
 */
#include "cases.h"

static weft_future *futures[3];
static void make_futures(void)
{
    for (int i = 0; i < 3; i++)
        is(weft_future_create(&futures[i], NULL), 0);
}
static void put_futures(void)
{
    for (int i = 0; i < 3; i++)
        weft_future_put(futures[i]);
}

static int sleeps(void *arg)
{
    int error = weft_sleep(*(int64_t *)arg);

    return error < 0 ? error : 12;
}
static weft_task sleeper(weft_scope *scope)
{
    int64_t ns = 10 * SECONDS;

    return start(scope, sleeps, &ns, sizeof ns);
}

/* -- awaiting ------------------------------------------------------------------------------- */

static weft_task itself;
static int awaits_itself(void *arg)
{
    (void)arg;
    ck_misuse(weft_await(itself, NULL), -EDEADLK, "weft_await", "itself");
    ck_misuse(weft_join(itself, NULL), -EDEADLK, "weft_join", "itself");
    return 0;
}
CASE(task_awaits_on_itself)
{
    WEFT_SCOPE(s)
        itself = start(&s, awaits_itself, NULL, 0);
}

static int forty_two(void *arg)
{
    (void)arg;
    return 42;
}
static int thousand(void *arg)
{
    (void)arg;
    return 1000;
}
static int both(void *arg)
{
    int64_t a = 0, b = 0;

    (void)arg;
    is(weft_await_any(weft_coro(forty_two, NULL, 0), &a), 0);
    is(weft_await_any(weft_coro(thousand, NULL, 0), &b), 0);
    return (int)(a + b);
}
CASE(task_basics)
{
    WEFT_SCOPE(s)
        is(result_of(start(&s, both, NULL, 0)), 1042);
}

CASE(ensure_future_coroutine)
{
    weft_awaitable it = weft_coro(forty_two, NULL, 0);
    int64_t result = 0;

    is(weft_ensure_future(&it), 0);
    yes(weft_is_task(it));
    is(weft_await_any(it, &result), 0);
    is(result, 42);
}
CASE(ensure_future_future)
{
    make_futures();
    weft_awaitable it = weft_of_future(futures[0]);
    is(weft_ensure_future(&it), 0);
    yes(weft_is_future(it) && it.future == futures[0]);
    put_futures();
}
CASE(ensure_future_task)
{
    WEFT_SCOPE(s) {
        weft_task task = sleeper(&s);
        weft_awaitable it = weft_of_task(task);

        is(weft_ensure_future(&it), 0);
        yes(weft_is_task(it) && it.task.slot == task.slot);
        is(weft_cancel(task), 1);
    }
}
CASE(ensure_future_neither)
{
    weft_awaitable nothing = {0};

    ck_misuse(weft_ensure_future(&nothing), -EINVAL, "weft_ensure_future", "");
}

CASE(create_task_with_noncoroutine)
{
    ck_misuse(weft_create_task(NULL, NULL, 0, NULL), -EINVAL, "weft_create_task", "");
}
CASE(bare_create_task)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    is(weft_create_task(forty_two, NULL, 0, &opt), 0);
    is(result_of(task), 42);
}
CASE(bare_create_named_task)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task, .name = "test_bare"};

    is(weft_create_task(forty_two, NULL, 0, &opt), 0);
    ck_assert_str_eq(weft_task_name(task), "test_bare");
    is(weft_task_set_name(task, "another"), 0);
    ck_assert_str_eq(weft_task_name(task), "another");
    is(result_of(task), 42);
}

CASE(iscoroutinefunction)
{
    yes(weft_is_coroutine(weft_coro(forty_two, NULL, 0)) && forty_two(NULL) == 42);
    weft_awaitable used = weft_coro(forty_two, NULL, 0);
    is(weft_await_any(used, NULL), 0);
    no(weft_is_coroutine(weft_of_task(weft_current_task())));
}

TEST(current_task_no_running_loop)
{
    weft_task nobody = weft_current_task();

    yes(nobody.slot == 0 && nobody.generation == 0);
}

static bool same(weft_task a, weft_task b)
{
    return a.slot == b.slot && a.generation == b.generation;
}
static weft_task seen[2];
static int looks(void *arg)
{
    int which = *(int *)arg;
    weft_task before = weft_current_task();

    seen[which] = before;
    for (int i = 0; i < 3; i++) {
        is(weft_yield(), 0);
        yes(same(before, weft_current_task()));
    }
    return 0;
}
CASE(current_task_with_interleaving_tasks)
{
    WEFT_SCOPE(s) {
        int first = 0, second = 1;
        weft_task a = start(&s, looks, &first, sizeof first);
        weft_task b = start(&s, looks, &second, sizeof second);

        turns(1);
        yes(same(a, seen[0]) && same(b, seen[1]) && !same(a, b));
        no(same(a, weft_current_task()));
    }
}

/* -- cancelling ----------------------------------------------------------------------------- */

CASE(cancelling)
{
    WEFT_SCOPE(s) {
        weft_task task = sleeper(&s);
        is(weft_cancel(task), 1);
        is(weft_cancel(task), 1); /* requests are counted */
        is(result_of(task), -ECANCELED);
    }
}

static int sleeps_again(void *arg)
{
    (void)arg;
    is(weft_sleep(10 * SECONDS), -ECANCELED);
    is(weft_uncancel(), 0);
    leave('u');
    return weft_sleep(10 * SECONDS);
}
CASE(uncancel_basic)
{
    WEFT_SCOPE(s) {
        weft_task task = start(&s, sleeps_again, NULL, 0);
        turns(1);
        is(weft_cancel(task), 1);
        turns(2);
        is_trail("u");
        no(done(task));
        is(weft_cancel(task), 1);
        is(result_of(task), -ECANCELED);
    }
    ck_no_misuse(weft_uncancel(), -EINVAL); /* of nobody else: there is none of this task */
}

/* A timeout made of cancel and uncancel, as one made it before there were scopes. */
static bool timed_out;
static void on_timeout(void *arg)
{
    timed_out = true;
    is(weft_cancel(*(weft_task *)arg), 1);
}
static void structured(int64_t sleep, int64_t timeout, bool expected)
{
    weft_task self = weft_current_task();
    weft_handle handle = WEFT_HANDLE_INIT;
    struct weft_call_opt opt = {.size = sizeof opt, .handle = &handle};

    timed_out = false;
    is(weft_call_later(timeout, on_timeout, &self, &opt), 0);
    int error = weft_sleep(sleep);
    is(weft_handle_cancel(&handle), !expected);
    is(timed_out, expected);
    if (timed_out)
        is(weft_uncancel(), 0);
    is(error, expected ? -ECANCELED : 0);
    is(weft_yield(), 0); /* what comes after is not affected */
    is(weft_cancelled(), 0);
}
CASE(uncancel_structured_blocks)
{
    structured(10 * SECONDS, 10 * MS, true);
    structured(0, 10 * SECONDS, false);
}

static int awaits_first(void *arg)
{
    (void)arg;
    int error = weft_future_await(futures[0], NULL);

    return error < 0 ? error : 42;
}
/* The result was there first; the request is taken back before it showed. */
static int awaits_and_uncancels(void *arg)
{
    int result = awaits_first(arg);

    is(weft_uncancel(), 0);
    is(weft_yield(), 0);
    return result;
}
CASE(uncancel_resets_must_cancel)
{
    make_futures();
    WEFT_SCOPE(s) {
        weft_task task = start(&s, awaits_and_uncancels, NULL, 0);
        turns(1);
        is(weft_future_set_result(futures[0], 0), 0);
        is(weft_cancel(task), 1);
        is(result_of(task), 42);
    }
    put_futures();
}

CASE(cancel)
{
    WEFT_SCOPE(s) {
        weft_task task = sleeper(&s);
        is(weft_call_soon(cancels, &task, NULL), 0);
        is(weft_await(task, NULL), 0);
        is(weft_cancel(task), 0); /* it has ended */
        is(result_of(task), -ECANCELED);
    }
}

static bool ran;
static int notes_and_sleeps(void *arg)
{
    (void)arg;
    ran = true;
    return weft_sleep(10 * SECONDS);
}
CASE(cancel_before_starting_task)
{
    WEFT_SCOPE(s) {
        weft_task task = start(&s, notes_and_sleeps, NULL, 0);
        is(weft_cancel(task), 1);
        is(result_of(task), -ECANCELED);
        yes(ran); /* it runs, so that it can release what its argument owns */
    }
}

static int yields_twice(void *arg)
{
    (void)arg;
    int error = weft_yield();

    if (error == 0)
        error = weft_yield();
    return error < 0 ? error : 12;
}
CASE(cancel_yield)
{
    WEFT_SCOPE(s) {
        weft_task task = start(&s, yields_twice, NULL, 0);
        turns(1);
        is(weft_cancel(task), 1);
        is(result_of(task), -ECANCELED);
    }
}

static int64_t settled_with;
static int awaits_and_tells(void *arg)
{
    (void)arg;
    int error = weft_future_await(futures[0], &settled_with);

    return error < 0 ? error : (int)settled_with;
}
CASE(cancel_inner_future)
{
    make_futures();
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        weft_task task = start(&s, awaits_and_tells, NULL, 0);
        turns(1);
        is(weft_future_cancel(futures[0]), 1);
        is(result_of(task), -ECANCELED);
        is(settled_with, -ECANCELED);
    }
    put_futures();
}
CASE(cancel_both_task_and_inner_future)
{
    make_futures();
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        weft_task task = start(&s, awaits_and_tells, NULL, 0);
        turns(1);
        is(weft_future_cancel(futures[0]), 1);
        is(weft_cancel(task), 1);
        is(result_of(task), -ECANCELED);
    }
    put_futures();
}

/* A task that was cancelled goes on only when it takes the request back. */
static int catches(void *arg)
{
    bool goes_on = *(bool *)arg;

    is(weft_future_await(futures[0], NULL), 0);
    is(weft_future_await(futures[1], NULL), -ECANCELED);
    if (!goes_on)
        return 42;
    is(weft_uncancel(), 0);
    int64_t result = 0;
    is(weft_future_await(futures[2], &result), 0);
    return (int)result;
}
static void cancel_catching(bool goes_on, int expected)
{
    make_futures();
    WEFT_SCOPE(s) {
        weft_task task = start(&s, catches, &goes_on, sizeof goes_on);
        turns(1);
        is(weft_future_set_result(futures[0], 0), 0);
        turns(1);
        is(weft_cancel(task), 1);
        no(weft_future_done(futures[1])); /* waiting does not own */
        turns(1);
        is(weft_future_set_result(futures[2], 7), 0);
        is(result_of(task), expected);
    }
    put_futures();
}
CASE(cancel_task_catching)
{
    cancel_catching(false, 42);
}
CASE(cancel_task_ignoring)
{
    cancel_catching(true, 7);
}

static int cancels_itself(void *arg)
{
    (void)arg;
    is(weft_cancel(weft_current_task()), 1);
    int error = weft_sleep(100 * SECONDS);

    return error < 0 ? error : 12;
}
CASE(cancel_current_task)
{
    WEFT_SCOPE(s)
        is(result_of(start(&s, cancels_itself, NULL, 0)), -ECANCELED);
}

/* Stronger: the work was done and its result stands; asyncio makes a cancelled task of it. */
static int cancels_itself_at_the_end(void *arg)
{
    (void)arg;
    is(weft_cancel(weft_current_task()), 1);
    return 12;
}
CASE(cancel_at_end)
{
    WEFT_SCOPE(s)
        is(result_of(start(&s, cancels_itself_at_the_end, NULL, 0)), 12);
}

static int awaits_task(void *arg)
{
    int result, error = weft_await(*(weft_task *)arg, &result);

    return error < 0 ? error : result;
}
CASE(cancel_awaited_task)
{
    make_futures();
    WEFT_SCOPE(s) {
        weft_task inner = start(&s, awaits_first, NULL, 0);
        weft_task outer = start(&s, awaits_task, &inner, sizeof inner);
        turns(2);
        is(weft_cancel(inner), 1);
        is(result_of(inner), -ECANCELED);
        is(result_of(outer), -ECANCELED); /* the result it was given; nobody has cancelled it */
    }
    put_futures();
}

/* Stronger: cancelling who waits for a future leaves the future as it is. */
CASE(yield_future_passes_cancel)
{
    make_futures();
    WEFT_SCOPE(s) {
        weft_task task = start(&s, awaits_first, NULL, 0);
        turns(1);
        is(weft_cancel(task), 1);
        is(result_of(task), -ECANCELED);
        no(weft_future_done(futures[0]));
    }
    put_futures();
}

/* -- sleeping ------------------------------------------------------------------------------- */

CASE(sleep)
{
    int64_t before = weft_now();

    is(weft_sleep(5 * MS), 0);
    yes(weft_now() - before >= 5 * MS);
}
CASE(sleep_cancel)
{
    WEFT_SCOPE(s) {
        weft_task task = sleeper(&s);
        turns(1);
        is(weft_cancel(task), 1);
        is(result_of(task), -ECANCELED);
    }
}
static int cancels_a_sleeper(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        weft_task task = sleeper(&s);
        is(weft_call_soon(cancels, &task, NULL), 0);
        is(result_of(task), -ECANCELED);
    }
    return 3;
}
CASE(task_cancel_sleeping_task)
{
    is(cancels_a_sleeper(NULL), 3);
}
CASE(task_cancel_waiter_future)
{
    make_futures();
    WEFT_SCOPE(s) {
        weft_task task = start(&s, awaits_first, NULL, 0);
        turns(1);
        is(weft_cancel(task), 1);
        is(result_of(task), -ECANCELED);
        is(weft_future_set_result(futures[0], 1), 0); /* nobody is in its row any more */
    }
    put_futures();
}

static int yields_once(void *arg)
{
    (void)arg;
    is(weft_sleep(0), 0);
    leave('y');
    return 0;
}
CASE(sleep_zero)
{
    WEFT_SCOPE(s) {
        start(&s, yields_once, NULL, 0);
        is_trail("");
        turns(1);
        is_trail(""); /* it has begun, and gave way */
        turns(1);
        is_trail("y");
    }
}

/* -- contexts ------------------------------------------------------------------------------- */

static const weft_context_var var = WEFT_CONTEXT_VAR("var", NULL);
static int one = 1, two = 2, three = 3;
static int *has(void)
{
    return weft_context_get(&var);
}
static int sets_two(void *arg)
{
    (void)arg;
    yes(has() == &one); /* inherited */
    is(weft_context_set(&var, &two, NULL), 0);
    is(weft_yield(), 0);
    yes(has() == &two); /* and its own, across a wait */
    return 0;
}
CASE(context_1)
{
    is(weft_context_set(&var, &one, NULL), 0);
    WEFT_SCOPE(s) {
        weft_task task = start(&s, sets_two, NULL, 0);
        is(weft_context_set(&var, &three, NULL), 0); /* after it was started */
        is(result_of(task), 0);
        yes(has() == &three);
    }
}

TEST_MAIN("asyncio.tasks", 60, task_awaits_on_itself, task_basics, ensure_future_coroutine,
          ensure_future_future, ensure_future_task, ensure_future_neither,
          create_task_with_noncoroutine, bare_create_task, bare_create_named_task,
          iscoroutinefunction, current_task_no_running_loop, current_task_with_interleaving_tasks,
          cancelling, uncancel_basic, uncancel_structured_blocks, uncancel_resets_must_cancel,
          cancel, cancel_before_starting_task, cancel_yield, cancel_inner_future,
          cancel_both_task_and_inner_future, cancel_task_catching, cancel_task_ignoring,
          cancel_current_task, cancel_at_end, cancel_awaited_task, yield_future_passes_cancel,
          sleep, sleep_cancel, task_cancel_sleeping_task, task_cancel_waiter_future, sleep_zero,
          context_1)
