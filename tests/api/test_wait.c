/*
 * wait, as_completed, wait_for, timeouts and coroutines as values. Catches a wait that cancels, or
 * says -ETIMEDOUT; results out of the order of coming; a timeout told before the inner work has
 * ended, or in place of its result; a cancellation that a timeout eats.
 */
#include "work.h"

static struct work swallows = {.ns = LONG_NS, .result = 9, .instead = 4},
                   breaks = {.ns = LONG_NS, .result = 9, .instead = -EPIPE};

static weft_awaitable task_of(weft_scope *scope, const struct work *work)
{
    weft_task task;

    ok(weft_spawn(scope, works, work, sizeof *work, OPT(.task = &task)));
    return weft_of_task(task);
}

/* -- wait ---------------------------------------------------------------------------------------
 */

static weft_future *gate;
static int waits_at_the_gate(void *arg)
{
    (void)arg;
    return weft_future_await(gate, NULL);
}
static int ends_behind_the_gate(void *arg)
{
    ok(waits_at_the_gate(arg));
    ended++;
    return 5;
}
static int main_wait(void *arg)
{
    bool done[3] = {true, false, true};
    weft_future *future;
    weft_task waiter;

    (void)arg;
    ok(weft_future_create(&future, NULL));
    ok(weft_future_create(&gate, NULL));
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        ok(weft_spawn(&s, waits_at_the_gate, NULL, 0, OPT(.task = &waiter)));
        weft_awaitable list[3] = {weft_of_task(waiter), task_of(&s, &two), weft_of_future(future)};
        ck_assert_int_eq(weft_wait(list, 3, done, WEFT_ALL, 1), 0); /* a look */
        ck_assert(!done[0] && !done[1] && !done[2]);
        ck_assert_int_eq(weft_wait(list, 3, done, WEFT_FIRST_COMPLETED, WEFT_NEVER), 1);
        ck_assert(!done[0] && done[1] && !done[2]);
        ck_assert_int_eq(weft_wait(list, 3, done, WEFT_FIRST_COMPLETED, WEFT_NEVER), 1); /* again */
        ok(weft_future_set_result(gate, 0));
        ok(weft_await(waiter, NULL));
        ck_assert_int_eq(weft_wait(list, 3, done, WEFT_ALL, weft_after_ms(1)), 2);
        ck_assert(done[0] && done[1] && !done[2]);
        ck_assert_int_eq(weft_cancelled(), 0);
        ck_assert_int_eq(weft_wait(list, 2, NULL, WEFT_ALL, WEFT_NEVER), 2);
        ok(weft_future_set_error(future, -EIO));
        ck_assert_int_eq(weft_wait(list, 3, NULL, WEFT_ALL, 1), 3);
        ck_assert_int_eq(cut, 0); /* none was cancelled */
        list[0] = task_of(&s, &never);
        list[1] = task_of(&s, &fails);
        list[2] = list[0];
        ck_assert_int_eq(weft_wait(list, 3, done, WEFT_FIRST_ERROR, WEFT_NEVER), 1);
        ck_assert(!done[0] && done[1] && !done[2]);
        list[0] = task_of(&s, &one);
        list[1] = task_of(&s, &two);
        ck_assert_int_eq(weft_wait(list, 2, done, WEFT_FIRST_ERROR, WEFT_NEVER), 2);
        ok(weft_scope_cancel(&s));
    }
    weft_future_put(future);
    weft_future_put(gate);
    return 0;
}
TEST(wait_for_some)
{
    net_run(main_wait);
}

/* Two in one batch; and the caller is cancelled: nobody else is. */
static int two_at_once(void *arg)
{
    weft_future **futures = arg;
    bool done[3];
    weft_awaitable list[3] = {weft_of_future(futures[0]), weft_of_future(futures[1]),
                              weft_of_future(futures[2])};

    ck_assert_int_eq(weft_wait(list, 3, done, WEFT_FIRST_COMPLETED, WEFT_NEVER), 2);
    ck_assert(done[0] && !done[1] && done[2]);
    ck_assert_int_eq(weft_wait(list, 3, done, WEFT_ALL, WEFT_NEVER), -ECANCELED);
    ck_assert_int_eq(weft_wait(list, 3, done, WEFT_FIRST_COMPLETED, WEFT_NEVER), 2); /* unchecked */
    return weft_wait(list, 3, done, WEFT_ALL, 1);
}
static int main_wait_cancelled(void *arg)
{
    weft_future *futures[3];
    weft_task task;
    int result;

    (void)arg;
    for (int i = 0; i < 3; i++)
        ok(weft_future_create(&futures[i], NULL));
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, two_at_once, futures, 0, OPT(.task = &task)));
        ok(weft_yield());
        ok(weft_future_set_result(futures[2], 1));
        ok(weft_future_set_result(futures[0], 1));
        ok(weft_yield());
        ok(weft_yield());
        ok(weft_cancel(task));
        ok(weft_join(task, &result));
        ck_assert_int_eq(result, -ECANCELED);
        ck_assert(!weft_future_done(futures[1]));
    }
    for (int i = 0; i < 3; i++)
        weft_future_put(futures[i]);
    return 0;
}
TEST(wait_cancels_none)
{
    net_run(main_wait_cancelled);
}

/* -- in the order of coming ---------------------------------------------------------------------
 */

static int main_completed(void *arg)
{
    uint32_t index[4];
    int64_t result[4];
    weft_completed *each;
    weft_future *future;
    weft_task last;

    (void)arg;
    ok(weft_future_create(&future, NULL));
    ok(weft_future_create(&gate, NULL));
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, ends_behind_the_gate, NULL, 0, OPT(.task = &last)));
        weft_awaitable task = weft_of_task(last);
        ok(weft_as_completed(&each,
                             WEFT_LIST(CORO(never), CORO(two), weft_of_future(future), task)));
        ck_assert_int_eq(weft_completed_next(each, index, result, 1), -ETIMEDOUT);
        ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DEADLINE);
        ck_assert_int_eq(weft_completed_next(each, &index[0], &result[0], WEFT_NEVER), 1);
        ok(weft_future_set_result(gate, 0));
        ck_assert_int_eq(weft_completed_next(each, &index[1], &result[1], WEFT_NEVER), 1);
        ok(weft_future_set_result(future, 8));
        ck_assert_int_eq(weft_completed_next(each, &index[2], &result[2], 1), 1);
        ck_assert_int_eq(weft_completed_next(each, NULL, NULL, weft_after_ms(1)), -ETIMEDOUT);
        ck_assert_int_eq(ended, 2);
        ok(weft_completed_close(each)); /* and the one that never ends */
        ck_assert_int_eq(ended, 3);
        ck_assert_int_eq(cut, 1);
    }
    ck_assert_int_eq(index[0], 1);
    ck_assert_int_eq(result[0], 2);
    ck_assert_int_eq(index[1], 3);
    ck_assert_int_eq(result[1], 5);
    ck_assert_int_eq(index[2], 2);
    ck_assert_int_eq(result[2], 8);
    ok(weft_as_completed(&each, NULL, 0));
    ck_assert_int_eq(weft_completed_next(each, NULL, NULL, WEFT_NEVER), 0);
    ok(weft_completed_close(each));
    WEFT_SCOPE(s) { /* let go of, not cancelled */
        weft_awaitable task = task_of(&s, &one);
        ok(weft_as_completed(&each, &task, 1));
        ok(weft_completed_close(each));
    }
    ck_assert_int_eq(cut, 1);
    weft_future_put(future);
    weft_future_put(gate);
    return 0;
}
TEST(in_the_order_of_coming)
{
    net_run(main_completed);
}

/* -- wait_for: the table ------------------------------------------------------------------------
 */

/* How each kind of inner work ends at a deadline. */
static int main_table(void *arg)
{
    struct row {
        struct work *work;
        int64_t after_ns;
        int returned;
        int64_t result;
    } rows[] = {
        {&two, LONG_NS, 0, 2},         /* in time */
        {&fails, LONG_NS, 0, -ENOENT}, /* with an error of its own */
        {&never, MS, -ETIMEDOUT, -7},  /* not in time */
        {&stubborn, MS, 0, 5},         /* not to be cancelled: its value wins */
        {&swallows, MS, 0, 4},         /* it swallowed the cancellation: its value wins */
        {&breaks, MS, 0, -EPIPE},      /* another error passes */
        {&never, 0, -ETIMEDOUT, -7},   /* at once */
        {&never, -LONG_NS, -ETIMEDOUT, -7},
    };

    (void)arg;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int coroutine = 0; coroutine < 2; coroutine++)
            WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
                int64_t result;
                int returned;
                do { /* again, where its time was over before the work had begun */
                    weft_awaitable it = coroutine ? CORO(*rows[i].work) : task_of(&s, rows[i].work);
                    result = -7;
                    begun = ended = 0;
                    returned = weft_wait_for(it, &result, weft_after_ns(rows[i].after_ns));
                } while (begun == 0 && rows[i].after_ns > 0);
                ck_assert_msg(returned == rows[i].returned && result == rows[i].result,
                              "row %d, %d: %d, %d", (int)i, coroutine, returned, (int)result);
                ck_assert_int_eq(ended, begun);
                if (returned < 0)
                    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DEADLINE);
                ck_assert_int_eq(weft_cancelled(), 0);
                ok(weft_yield());
                ck_assert_int_eq(ended, begun); /* nothing is left */
            }
    return 0;
}
TEST(wait_for_table)
{
    net_run(main_table);
}

/* Settled: its result, although the deadline is past and a cancellation pending, without a switch.
 */
static int main_settled(void *arg)
{
    struct weft_stats before, after;
    weft_future *future;
    int64_t result;

    (void)arg;
    ok(weft_future_create(&future, NULL));
    ok(weft_future_set_result(future, 6));
    ok(weft_cancel(weft_current_task()));
    ok(weft_stats(&before, sizeof before));
    ok(weft_wait_for(weft_of_future(future), &result, 0));
    ok(weft_wait_for(weft_of_future(future), &result, WEFT_NEVER));
    ok(weft_stats(&after, sizeof after));
    ck_assert_int_eq(result, 6);
    ck_assert_uint_eq(after.switches, before.switches);
    ck_assert_int_eq(weft_cancelled(), WEFT_CAUSE_CANCEL);
    ck_assert_int_eq(weft_uncancel(), 0);
    weft_future_put(future);
    return 0;
}
TEST(wait_for_what_is_settled)
{
    net_run(main_settled);
}

/* A future is owned, and cancelled, unless it is shielded. The caller is cancelled: not eaten. */
static weft_future *pending;
static weft_awaitable owned;
static int64_t limit;
static int waits_for(void *arg)
{
    int64_t result = -7;
    int returned = weft_wait_for(owned, &result, limit);

    (void)arg;
    ck_assert(returned < 0 || result == 5);
    ck_assert_int_eq(weft_yield(), -ECANCELED);
    return returned;
}
static int main_owned(void *arg)
{
    weft_task task;
    int result;

    (void)arg;
    for (int shielded = 0; shielded < 2; shielded++) {
        ok(weft_future_create(&pending, NULL));
        owned = weft_of_future(pending);
        if (shielded)
            owned = weft_shield(owned);
        ck_assert_int_eq(weft_wait_for(owned, NULL, weft_after_ms(1)), -ETIMEDOUT);
        ck_assert_int_eq(weft_future_done(pending), !shielded);
        weft_future_put(pending);
    }
    for (int how = 0; how < 3; how++) /* cancelled; in time with a value; and the deadline too */
        WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
            begun = 0;
            owned = task_of(&s, how == 1 ? &stubborn : &never);
            limit = how == 2 ? weft_after_ms(2) : WEFT_NEVER;
            ok(weft_spawn(&s, waits_for, NULL, 0, OPT(.task = &task)));
            while (begun < 1)
                ok(weft_yield());
            if (how == 2)
                ok(weft_sleep_until(limit));
            ok(weft_cancel(task));
            ok(weft_join(task, &result));
            if (how == 2)
                ck_assert(result == -ETIMEDOUT || result == -ECANCELED);
            else
                ck_assert_int_eq(result, how == 1 ? 0 : -ECANCELED);
        }
    return 0;
}
TEST(wait_for_owns)
{
    net_run(main_owned);
}

/* Nested, with one time: both say so. Only the outer: the inner edge does not call it its own. */
static int waits_inside(void *arg)
{
    int64_t deadline = *(int64_t *)arg, result;
    int returned = weft_wait_for(CORO(never), &result, deadline);

    ck_assert_int_eq(weft_cancelled() != 0, true);
    return returned;
}
static int main_nested(void *arg)
{
    int64_t at = weft_after_ms(2), later = WEFT_NEVER, result = 0;

    (void)arg;
    if (weft_wait_for(weft_coro(waits_inside, &at, 0), &result, at) == 0)
        ck_assert_int_eq(result, -ETIMEDOUT);
    else /* it was due before the inner one had begun */
        ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DEADLINE);
    at = weft_after_ms(2);
    ck_assert_int_eq(weft_wait_for(weft_coro(waits_inside, &later, 0), &result, at), -ETIMEDOUT);
    ck_assert_int_eq(weft_cancelled(), 0);
    return 0;
}
TEST(wait_for_nested)
{
    net_run(main_nested);
}

/* A cycle through wait_for. */
static weft_task first, second;
static int waits_for_the_other(void *arg)
{
    int64_t result;
    weft_task other = *(weft_task **)arg == &first ? first : second;
    int returned;

    returned = weft_wait_for(weft_shield(weft_of_task(other)), &result, weft_after_ms(60000));
    return returned == -EDEADLK ? 7 : 8;
}
static int main_cycle(void *arg)
{
    weft_task *to_second = &second, *to_first = &first;
    int a, b;

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, waits_for_the_other, &to_second, sizeof to_second, OPT(.task = &first)));
        ok(weft_spawn(&s, waits_for_the_other, &to_first, sizeof to_first, OPT(.task = &second)));
        ok(weft_join(first, &a));
        ok(weft_join(second, &b));
    }
    ck_assert_int_eq(a, 8); /* the other one has ended */
    ck_assert_int_eq(b, 7);
    return 0;
}
TEST(cycle)
{
    net_run(main_cycle);
}

/* -- timeouts -----------------------------------------------------------------------------------
 */

static int main_timeouts(void *arg)
{
    weft_scope scope;
    int64_t at = weft_after_ms(3600000);

    (void)arg;
    ok(weft_timeout(&scope, MS));
    ck_assert_int_eq(weft_sleep(LONG_NS), -ECANCELED);
    ck_assert_int_eq(weft_timeout_expired(&scope), 1);
    ck_assert_int_eq(weft_timeout_reschedule(&scope, at), -EALREADY);
    ck_assert_int_eq(weft_scope_close(&scope), -ETIMEDOUT);
    ok(weft_timeout_at(&scope, at));
    ck_assert(weft_timeout_when(&scope) == at);
    ck_assert_int_eq(weft_timeout_expired(&scope), 0);
    ok(weft_timeout_reschedule(&scope, WEFT_NEVER));
    ck_assert(weft_timeout_when(&scope) == WEFT_NEVER);
    ok(weft_timeout_reschedule(&scope, 0)); /* at once */
    ck_assert_int_eq(weft_yield(), -ECANCELED);
    ck_assert_int_eq(weft_scope_close(&scope), -ETIMEDOUT);
    ck_misuse(weft_timeout_when(&scope), -EINVAL, "weft_timeout_when", "not open");
    ck_misuse(weft_timeout_expired(NULL), -EINVAL, "weft_timeout_expired", "not open");
    ok(weft_timeout(&scope, -1));
    ck_assert_int_eq(weft_yield(), -ECANCELED);
    ck_assert_int_eq(weft_scope_close(&scope), -ETIMEDOUT);
    ok(weft_timeout_at(&scope, INT64_MIN)); /* nothing inside is cut: no timeout */
    ck_assert_int_eq(weft_scope_close(&scope), 0);
    WEFT_TIMEOUT(s, 2 * MS)
    {
        ck_assert_int_eq(weft_sleep(LONG_NS), -ECANCELED);
    }
    WEFT_TIMEOUT_AT(s, -5)
    {
        ck_assert_int_eq(weft_sleep(LONG_NS), -ECANCELED);
    }
    return 0; /* the macros' edges make it -ETIMEDOUT */
}
TEST(timeouts)
{
    ck_assert_int_eq(weft_run(main_timeouts, NULL, 0, NULL), -ETIMEDOUT);
}

/* -- coroutines, tasks --------------------------------------------------------------------------
 */

static int calls;
static int fib(void *arg)
{
    int n = *(int *)arg, a = n - 1, b = n - 2;
    int64_t x = 0, y = 0;

    calls++;
    if (n < 2)
        return n;
    ok(weft_await_any(weft_coro(fib, &a, sizeof a), &x));
    ok(weft_await_any(weft_coro(fib, &b, sizeof b), &y));
    return (int)(x + y);
}
static int main_values(void *arg)
{
    weft_awaitable it;
    weft_future *future;
    int64_t result = 0;
    int ten = 10;

    (void)arg;
    it = weft_coro(fib, &ten, sizeof ten);
    ck_assert(weft_is_coroutine(it) && !weft_is_task(it) && !weft_is_future(it));
    ck_assert_int_eq(calls, 0); /* nothing until it is awaited */
    ok(weft_await_any(it, &result));
    ck_assert_int_eq(result, 55);
    ck_assert_int_eq(calls, 177);
    WEFT_SCOPE(s) {
        it = CORO(two);
        ok(weft_ensure_future(&it));
        ck_assert(weft_is_task(it));
        ok(weft_ensure_future(&it));
        ck_assert_int_eq(weft_scope_tasks(&s), 1);
        ok(weft_await_any(it, &result));
        ck_assert_int_eq(result, 2);
    }
    ok(weft_future_create(&future, NULL));
    ok(weft_future_set_error(future, -EIO));
    it = weft_of_future(future);
    ck_assert(weft_is_future(it));
    ok(weft_ensure_future(&it));
    ok(weft_await_any(it, &result));
    ck_assert_int_eq(result, -EIO);
    weft_future_put(future);
    return 0;
}
TEST(coroutines_are_values)
{
    net_run(main_values);
}

static unsigned before_it;
static int coroutine_line;
static int forgets(void *arg)
{
    (void)arg;
    before_it = test_misuses();
    coroutine_line = __LINE__ + 1;
    (void)weft_coro(fib, NULL, 0);
    return 0;
}
static int main_forgotten(void *arg)
{
    weft_task task;

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, forgets, NULL, 0, OPT(.task = &task)));
        ok(weft_join(task, NULL));
    }
    test_misuse_check(before_it, __FILE__, coroutine_line, "weft_coro", -EINVAL, "never awaited");
    before_it = test_misuses();
    coroutine_line = __LINE__ + 1;
    ck_assert_int_eq(weft_coro(NULL, NULL, 0).kind, WEFT_AWAITABLE_NONE);
    test_misuse_check(before_it, __FILE__, coroutine_line, "weft_coro", -EINVAL, "no function");
    return 0;
}
TEST(coroutine_forgotten)
{
    net_run(main_forgotten);
}

static int main_tasks(void *arg)
{
    weft_task tasks[4], mine = weft_current_task(), other;

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, works, &never, sizeof never, OPT(.name = "sleeper", .task = &other)));
        ck_assert_int_eq(weft_all_tasks(tasks, 4), 2);
        ck_assert(tasks[0].generation == mine.generation);
        ck_assert(tasks[1].generation == other.generation);
        ck_assert_int_eq(weft_all_tasks(NULL, 0), 2);
        ck_assert_str_eq(weft_task_name(other), "sleeper");
        ok(weft_task_set_name(other, "renamed"));
        ck_assert_str_eq(weft_task_name(other), "renamed");
        ck_misuse(weft_task_set_name(other, NULL), -EINVAL, "weft_task_set_name", "no name");
        ok(weft_cancel(other));
        ok(weft_join(other, NULL));
        ck_assert_ptr_null(weft_task_name(other));
        ck_assert_int_eq(weft_task_set_name(other, "late"), -ESTALE);
    }
    return 0;
}
TEST(tasks_and_names)
{
    net_run(main_tasks);
}

/* -- mistakes -----------------------------------------------------------------------------------
 */

/* clang-format off: each on one line, which is the one that is named */
static int main_mistakes(void *arg)
{
    weft_awaitable it = weft_of_future(NULL), coroutine = CORO(two);
    weft_completed *each;

    (void)arg;
    ck_misuse(weft_wait(&it, 0, NULL, WEFT_ALL, WEFT_NEVER), -EINVAL, "weft_wait", "nothing");
    ck_misuse(weft_wait(&it, 1, NULL, 7, WEFT_NEVER), -EINVAL, "weft_wait", "no such way");
    ck_misuse(weft_wait(&coroutine, 1, NULL, WEFT_ALL, 1), -EINVAL, "weft_wait", "coroutine");
    ck_misuse(weft_wait_for(it, NULL, 1), -EINVAL, "weft_wait_for", "no future");
    ck_misuse(weft_await_any(it, NULL), -EINVAL, "weft_await_any", "no future");
    ck_misuse(weft_ensure_future(&it), -EINVAL, "weft_ensure_future", "no future");
    ck_misuse(weft_as_completed(NULL, &it, 1), -EINVAL, "weft_as_completed", "no place");
    ck_misuse(weft_as_completed(&each, &it, 1), -EINVAL, "weft_as_completed", "no future");
    ck_misuse(weft_completed_next(NULL, NULL, NULL, 1), -EINVAL, "weft_completed_next", "nothing");
    ck_misuse(weft_completed_close(NULL), -EINVAL, "weft_completed_close", "nothing");
    ok(weft_as_completed(&each, &coroutine, 1));
    WEFT_SCOPE(s)
        ck_misuse(weft_completed_close(each), -EPERM, "weft_completed_close", "still open");
    ok(weft_completed_close(each));
    return 0;
}
/* clang-format on */
TEST(mistakes)
{
    weft_awaitable it = {0};
    int64_t result;

    net_run(main_mistakes);
    ck_assert_int_eq(weft_wait(&it, 1, NULL, WEFT_ALL, 1), -EPERM);
    ck_assert_int_eq(weft_wait_for(it, &result, 1), -EPERM);
    ck_assert_int_eq(weft_await_any(it, &result), -EPERM);
    ck_assert_int_eq(weft_ensure_future(&it), -EPERM);
    ck_assert_int_eq(weft_as_completed(NULL, &it, 1), -EPERM);
    ck_assert_int_eq(weft_completed_next(NULL, NULL, NULL, 1), -EPERM);
    ck_assert_int_eq(weft_completed_close(NULL), -EPERM);
    ck_assert_int_eq(weft_all_tasks(NULL, 0), -EPERM);
}

TEST_MAIN("wait", 60, wait_for_some, wait_cancels_none, in_the_order_of_coming, wait_for_table,
          wait_for_what_is_settled, wait_for_owns, wait_for_nested, cycle, timeouts,
          coroutines_are_values, coroutine_forgotten, tasks_and_names, mistakes)
