/*
 * Tasks begun by other threads, when something comes in between: the reactor has stopped, or the
 * future is settled in the moment in which the task ends. Would catch a job that is left behind,
 * freed twice, or asked for a task that is no more.
 */
#include <errno.h>
#include <weft/weft.h>

#include "reactor/inbox.h"
#include "support/test.h"
#include "task/task.h"

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* It stops after it was asked whether it does: nothing is begun, and there is no future. */
static int main_stopped(void *arg)
{
    weft_inbox *inbox = weft__inbox_new(weft__self, 1, NULL);
    weft_future *future = (weft_future *)inbox; /* anything but NULL */

    (void)arg;
    ck_assert_ptr_nonnull(inbox);
    weft__inbox_close(inbox);
    ck_assert(!weft__inbox_winds(inbox));
    ck_assert_int_eq(weft_run_coroutine_threadsafe(inbox, nothing, NULL, 0, &future), -ESHUTDOWN);
    ck_assert_ptr_null(future);
    weft__inbox_release(inbox);
    return 0;
}

TEST(a_reactor_that_has_stopped)
{
    ck_assert_int_eq(weft_run(main_stopped, NULL, 0, NULL), 0);
}

/* The task gives way to nobody until the future is settled, so word of that finds it gone. */
static int runs, settled; /* the latest of them */

static int wait_for_the_end(void *arg)
{
    int number = *(int *)arg;

    __atomic_store_n(&runs, number, __ATOMIC_RELEASE);
    while (__atomic_load_n(&settled, __ATOMIC_ACQUIRE) < number)
        ;
    return 5;
}

static int main_settled(void *arg)
{
    weft_inbox *inbox = weft_inbox_get(1);
    weft_future *future;
    int64_t result = 0;

    (void)arg;
    for (int i = 1; i <= 5; i++) {
        ck_assert_int_eq(weft_run_coroutine_threadsafe(inbox, wait_for_the_end, &i, sizeof i,
                                                       &future),
                         0);
        while (__atomic_load_n(&runs, __ATOMIC_ACQUIRE) < i)
            ck_assert_int_eq(weft_sleep(100000), 0);
        ck_assert_int_eq(weft_future_set_result(future, 9), 0);
        __atomic_store_n(&settled, i, __ATOMIC_RELEASE);
        ck_assert_int_eq(weft_future_await(future, &result), 0);
        ck_assert_int_eq(result, 9);
        weft_future_put(future);
    }
    weft_inbox_put(inbox);
    return 0;
}

TEST(settled_when_the_task_has_ended)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    ck_assert_int_eq(weft_run(main_settled, NULL, 0, &opt), 0);
}

TEST_MAIN("runtime.threadsafe", 30, a_reactor_that_has_stopped, settled_when_the_task_has_ended)
