/*
 * The cases of CPython's test_futures.py, test_runners.py and test_threads.py that mean something
 * here. Catches a future settled twice, a callback called out of order, twice or after it was taken
 * back, and a run that leaves tasks or its loop behind.
 */
#include "cases.h"

static weft_future *future;
static void begin(void)
{
    is(weft_future_create(&future, NULL), 0);
}
static void end(void)
{
    weft_future_put(future);
}
static int64_t result(void)
{
    int64_t value = 0;
    int error = weft_future_result(future, &value);

    return error < 0 ? error : value;
}

CASE(isfuture)
{
    begin();
    yes(weft_is_future(weft_of_future(future)));
    no(weft_is_future(weft_of_task(weft_current_task())));
    end();
}

CASE(initial_state)
{
    begin();
    no(weft_future_done(future));
    is(result(), -EAGAIN);
    is(weft_future_cancel(future), 1);
    yes(weft_future_done(future));
    end();
}

/* A future belongs to no loop: it can be made, settled and asked anywhere. */
TEST(constructor_without_loop)
{
    begin();
    is(weft_future_set_result(future, 42), 0);
    is(result(), 42);
    end();
}

CASE(future_cancel)
{
    begin();
    is(weft_future_cancel(future), 1);
    is(result(), -ECANCELED);
    is(weft_future_cancel(future), 0);
    is(weft_future_set_result(future, 1), -EINVAL);
    end();
}

CASE(future_result)
{
    begin();
    is(weft_future_set_result(future, 42), 0);
    yes(weft_future_done(future));
    is(result(), 42);
    is(result(), 42);
    is(weft_future_set_result(future, 43), -EINVAL);
    is(weft_future_set_error(future, -EDOM), -EINVAL);
    is(result(), 42);
    is(weft_future_cancel(future), 0);
    end();
}

CASE(future_exception)
{
    begin();
    is(weft_future_set_error(future, -EDOM), 0);
    is(result(), -EDOM);
    end();
}

CASE(exception_class)
{
    begin();
    ck_misuse(weft_future_set_error(future, 5), -EINVAL, "weft_future_set_error", "");
    ck_misuse(weft_future_set_result(future, -5), -EINVAL, "weft_future_set_result", "");
    no(weft_future_done(future));
    end();
}

CASE(set_result_unless_cancelled)
{
    begin();
    is(weft_future_cancel(future), 1);
    is(weft_future_set_result(future, 2), -EINVAL);
    is(result(), -ECANCELED);
    end();
}

/* -- callbacks ------------------------------------------------------------------------------ */

static void marks(weft_future *which, void *arg)
{
    ck_assert_ptr_eq(which, future);
    leave(*(char *)arg);
}
static char A = 'A', B = 'B', C = 'C';
static void add(char *mark)
{
    is(weft_future_add_done(future, marks, mark), 0);
}
static int take_back(char *mark)
{
    return weft_future_remove_done(future, marks, mark);
}
static void settle(void)
{
    is(weft_future_set_result(future, 1), 0);
    turns(2);
}

CASE(callbacks_invoked_on_set_result)
{
    begin();
    add(&A);
    add(&B);
    is_trail("");
    settle();
    is_trail("AB");
    end();
}
CASE(callbacks_invoked_on_set_exception)
{
    begin();
    add(&A);
    is(weft_future_set_error(future, -EDOM), 0);
    is_trail(""); /* not from within the call that settles */
    turns(2);
    is_trail("A");
    end();
}
CASE(callbacks_remove_first_callback)
{
    begin();
    add(&A);
    add(&B);
    add(&C);
    is(take_back(&A), 1);
    settle();
    is_trail("BC");
    end();
}
CASE(callbacks_remove_first_and_second_callback)
{
    begin();
    add(&A);
    add(&B);
    add(&C);
    is(take_back(&A), 1);
    is(take_back(&B), 1);
    settle();
    is_trail("C");
    end();
}
CASE(callbacks_remove_third_callback)
{
    begin();
    add(&A);
    add(&B);
    add(&C);
    is(take_back(&C), 1);
    settle();
    is_trail("AB");
    end();
}
CASE(remove_done_callback)
{
    begin();
    add(&A);
    add(&A);
    add(&B);
    is(take_back(&A), 2);
    is(take_back(&A), 0);
    settle();
    is_trail("B");
    end();
}

/* One that adds another: that one is called as well, later. */
static void adds_another(weft_future *which, void *arg)
{
    leave('1');
    is(weft_future_add_done(which, marks, arg), 0);
}
CASE(schedule_callbacks_list_mutation_1)
{
    begin();
    is(weft_future_add_done(future, adds_another, &A), 0);
    add(&B);
    settle();
    is_trail("1BA");
    end();
}

/* -- runs ----------------------------------------------------------------------------------- */

static int returns_42(void *arg)
{
    (void)arg;
    return 42;
}
static int fails(void *arg)
{
    (void)arg;
    return -EDOM;
}
TEST(asyncio_run_return)
{
    is(weft_run(returns_42, NULL, 0, NULL), 42);
}
TEST(asyncio_run_raises)
{
    is(weft_run(fails, NULL, 0, NULL), -EDOM);
}
TEST(asyncio_run_only_coro)
{
    is(weft_run(NULL, NULL, 0, NULL), -EINVAL);
}
CASE(asyncio_run_from_running_loop)
{
    ck_misuse(weft_run(returns_42, NULL, 0, NULL), -EDEADLK, "weft_run", "");
}

static struct work left = {.ns = EVER}, left_and_fails = {.ns = EVER, .instead = -EDOM};
static int leaves_tasks(void *arg)
{
    struct work *a = &left, *b = &left_and_fails;

    (void)arg;
    is(weft_create_task(works, &a, sizeof a, NULL), 0);
    is(weft_create_task(works, &b, sizeof b, NULL), 0);
    turns(1);
    return 7;
}
TEST(asyncio_run_cancels_hanging_tasks)
{
    is(weft_run(leaves_tasks, NULL, 0, NULL), 7);
    yes(left.cut && left.ended && left_and_fails.cut && left_and_fails.ended);
}

TEST(runner_run)
{
    weft_loop *loop;

    is(weft_loop_new(&loop, NULL), 0);
    is(weft_loop_run(loop, returns_42, NULL, 0), 42);
    is(weft_loop_run(loop, fails, NULL, 0), -EDOM);
    is(weft_loop_run(loop, returns_42, NULL, 0), 42);
    is(weft_loop_run(loop, NULL, NULL, 0), -EINVAL);
    is(weft_loop_close(loop), 0);
}

static weft_loop *outer;
static int runs_again(void *arg)
{
    (void)arg;
    ck_misuse(weft_loop_run(outer, returns_42, NULL, 0), -EDEADLK, "weft_loop_run", "");
    return 0;
}
TEST(recursive_run)
{
    is(weft_loop_new(&outer, NULL), 0);
    is(weft_loop_run(outer, runs_again, NULL, 0), 0);
    is(weft_loop_close(outer), 0);
}

/* -- threads -------------------------------------------------------------------------------- */

static int adds_up(void *arg)
{
    int *numbers = arg;

    return numbers[0] + numbers[1];
}
CASE(to_thread)
{
    int numbers[2] = {40, 2};

    is(weft_to_thread(adds_up, numbers), 42);
}
static int fails_there(void *arg)
{
    (void)arg;
    return -EDOM;
}
CASE(to_thread_exception)
{
    is(weft_to_thread(fails_there, NULL), -EDOM);
}
static int in_a_thread(void *arg)
{
    return weft_to_thread(adds_up, *(int **)arg);
}
CASE(to_thread_concurrent)
{
    static int numbers[10][2];
    int sum = 0;

    WEFT_SCOPE(s) {
        weft_task tasks[10];

        for (int i = 0; i < 10; i++) {
            int *pair = numbers[i];

            pair[0] = pair[1] = i;
            tasks[i] = start(&s, in_a_thread, &pair, sizeof pair);
        }
        for (int i = 0; i < 10; i++)
            sum += result_of(tasks[i]);
    }
    is(sum, 90);
}

TEST_MAIN("asyncio.futures", 60, isfuture, initial_state, constructor_without_loop, future_cancel,
          future_result, future_exception, exception_class, set_result_unless_cancelled,
          callbacks_invoked_on_set_result, callbacks_invoked_on_set_exception,
          callbacks_remove_first_callback, callbacks_remove_first_and_second_callback,
          callbacks_remove_third_callback, remove_done_callback, schedule_callbacks_list_mutation_1,
          asyncio_run_return, asyncio_run_raises, asyncio_run_only_coro,
          asyncio_run_from_running_loop, asyncio_run_cancels_hanging_tasks, runner_run,
          recursive_run, to_thread, to_thread_exception, to_thread_concurrent)
