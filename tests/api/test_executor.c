/*
 * weft/executor.h: calls made by other threads: many at once, the reactor going on meanwhile,
 * cancelled at each moment, shared by reactors, and what is refused.
 */
#include "support/test.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <weft/weft.h>

#define OPT(...) (&(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt), __VA_ARGS__})
#define RUN_OPT(...) (&(struct weft_run_opt){.size = sizeof(struct weft_run_opt), __VA_ARGS__})
#define POOL_OPT(...)                                                                              \
    (&(struct weft_executor_opt){.size = sizeof(struct weft_executor_opt), __VA_ARGS__})
#define MS INT64_C(1000000)

/* On a worker's thread: a blocking nap. */
static void nap(void)
{
    const struct timespec a_millisecond = {.tv_nsec = 1000000};

    nanosleep(&a_millisecond, NULL);
}
static int run(weft_task_fn fn)
{
    return weft_run(fn, NULL, 0, NULL);
}

/* -- at once ----------------------------------------------------------------------------------- */

static atomic_int inside;
static int meets(void *arg)
{
    atomic_fetch_add(&inside, 1);
    for (int i = 0; atomic_load(&inside) < 4; i++) {
        if (i == 10000)
            return -ETIMEDOUT;
        nap();
    }
    return *(int *)arg;
}
static int in_a_thread(void *arg)
{
    return weft_to_thread(meets, arg);
}
static int four_main(void *arg)
{
    weft_task tasks[4];
    int result;

    (void)arg;
    WEFT_SCOPE(s) {
        for (int i = 0; i < 4; i++)
            ck_assert_int_eq(weft_spawn(&s, in_a_thread, &i, sizeof i, OPT(.task = &tasks[i])), 0);
        for (int i = 0; i < 4; i++) {
            ck_assert_int_eq(weft_join(tasks[i], &result), 0);
            ck_assert_int_eq(result, i);
        }
    }
    return 0;
}
/* Catches: calls made one after another. None of the four ends before all have begun. */
TEST(four_at_once)
{
    atomic_store(&inside, 0);
    ck_assert_int_eq(run(four_main), 0);
}

static atomic_int ticks;
static int waits_for_ticks(void *arg)
{
    (void)arg;
    for (int i = 0; atomic_load(&ticks) < 5; i++) {
        if (i == 10000)
            return -ETIMEDOUT;
        nap();
    }
    return 5;
}
static int tick(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(weft_sleep(MS), 0);
        atomic_fetch_add(&ticks, 1);
    }
    return 0;
}
static int goes_on_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, tick, NULL, 0, NULL), 0);
        ck_assert_int_eq(weft_to_thread(waits_for_ticks, NULL), 5);
    }
    return 0;
}
/* Catches: a call that holds up the reactor. */
TEST(the_reactor_goes_on)
{
    atomic_store(&ticks, 0);
    ck_assert_int_eq(run(goes_on_main), 0);
}

/* -- cancelled --------------------------------------------------------------------------------- */

static weft_executor *one_thread;
static atomic_int begun, may_end;
static int holds(void *arg)
{
    (void)arg;
    atomic_fetch_add(&begun, 1);
    for (int i = 0; !atomic_load(&may_end); i++) {
        if (i == 10000)
            return -ETIMEDOUT;
        nap();
    }
    return 7;
}
static int gets_its_result(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_run_in_executor(one_thread, holds, NULL), 7);
    ck_assert_int_eq(weft_yield(), -ECANCELED); /* pending since then */
    return 1;
}
static int is_taken_back(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_run_in_executor(one_thread, holds, NULL), -ECANCELED);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_CANCEL);
    return 2;
}
static int cancel_main(void *arg)
{
    weft_task first, second;
    int result;

    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, gets_its_result, NULL, 0, OPT(.task = &first)), 0);
        while (atomic_load(&begun) == 0)
            ck_assert_int_eq(weft_sleep(MS), 0);
        ck_assert_int_eq(weft_spawn(&s, is_taken_back, NULL, 0, OPT(.task = &second)), 0);
        ck_assert_int_eq(weft_sleep(MS), 0);
        ck_assert_int_eq(weft_executor_close(one_thread), -EBUSY);
        ck_assert_int_eq(weft_cancel(first), 1);
        ck_assert_int_eq(weft_cancel(second), 1);
        ck_assert_int_eq(weft_join(second, &result), 0); /* while the first one still runs */
        ck_assert_int_eq(result, 2);
        ck_assert_int_eq(atomic_load(&begun), 1);
        atomic_store(&may_end, 1);
        ck_assert_int_eq(weft_join(first, &result), 0);
        ck_assert_int_eq(result, 1);
    }
    ck_assert_int_eq(atomic_load(&begun), 1);
    /* the line behind the one that was taken back goes on */
    ck_assert_int_eq(weft_run_in_executor(one_thread, holds, NULL), 7);
    return weft_executor_close(one_thread);
}
/* Catches: a running call whose result is lost, or whose frame is left; a waiting one that is
   called after all, or waited for. */
TEST(cancelled_before_and_while_it_runs)
{
    ck_assert_int_eq(weft_executor_create(&one_thread, POOL_OPT(.threads_max = 1)), 0);
    ck_assert_int_eq(run(cancel_main), 0);
}

static int refused_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        weft_scope_cancel(&s);
        ck_assert_int_eq(weft_to_thread(holds, NULL), -ECANCELED);
    }
    ck_assert_int_eq(atomic_load(&begun), 0);
    return 0;
}
TEST(cancelled_at_the_door)
{
    atomic_store(&begun, 0);
    ck_assert_int_eq(run(refused_main), 0);
}

/* -- shared ------------------------------------------------------------------------------------ */

static int adds_one(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}
struct work {
    weft_executor *executor;
    atomic_int *count;
};
static int works(void *arg)
{
    const struct work *work = arg;

    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(weft_run_in_executor(work->executor, adds_one, work->count), 0);
    return 0;
}
static int shared_main(void *arg)
{
    WEFT_SCOPE(s) {
        for (int i = 0; i < 12; i++)
            ck_assert_int_eq(weft_spawn(&s, works, arg, sizeof(struct work),
                                        OPT(.reactor = WEFT_ON(i % 3))),
                             0);
    }
    return 0;
}
/* Catches: a result brought to a wrong reactor; two default pools, of which one is lost. */
TEST(by_tasks_of_several_reactors)
{
    atomic_int count = 0;
    struct work work = {NULL, &count};

    ck_assert_int_eq(weft_run(shared_main, &work, sizeof work, RUN_OPT(.reactors = 3)), 0);
    ck_assert_int_eq(atomic_load(&count), 600);
    ck_assert_int_eq(weft_executor_create(&work.executor,
                                          POOL_OPT(.name = "hashing", .threads_max = 2)),
                     0);
    ck_assert_int_eq(weft_run(shared_main, &work, sizeof work, RUN_OPT(.reactors = 3)), 0);
    ck_assert_int_eq(weft_executor_close(work.executor), 0);
    ck_assert_int_eq(atomic_load(&count), 1200);
}

/* -- misuse ------------------------------------------------------------------------------------ */

static int calls_weft(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_sleep(1), -EPERM);
    ck_assert_int_eq(weft_to_thread(calls_weft, NULL), -EPERM);
    ck_assert_uint_eq(weft_stack_remaining(), 0);
    return -EIO;
}
static int misuse_main(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_to_thread(calls_weft, NULL), -EIO);
    ck_assert_int_eq(weft_to_thread(NULL, NULL), -EINVAL);
    return 0;
}
TEST(misuse)
{
    struct weft_executor_opt unset = {0};
    weft_executor *executor = NULL;

    ck_assert_int_eq(weft_to_thread(calls_weft, NULL), -EPERM);
    ck_assert_int_eq(weft_executor_create(NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_executor_create(&executor, &unset), -EINVAL);
    ck_assert_ptr_null(executor);
    ck_assert_int_eq(weft_executor_close(NULL), 0);
    ck_assert_int_eq(run(misuse_main), 0);
}

TEST_MAIN("api.executor", 30, four_at_once, the_reactor_goes_on, cancelled_before_and_while_it_runs,
          cancelled_at_the_door, by_tasks_of_several_reactors, misuse)
