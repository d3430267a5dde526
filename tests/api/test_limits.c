/*
 * weft/runtime.h on limits: tasks_max bounds the tasks alive on a reactor, whatever their stacks;
 * and a run that finds no descriptors says so.
 */
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <weft/weft.h>

#define OPT(...) (&(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt), __VA_ARGS__})
#define RUN_OPT(...) (&(struct weft_run_opt){.size = sizeof(struct weft_run_opt), __VA_ARGS__})

static int sleeper(void *arg)
{
    (void)arg;
    return weft_sleep_until(WEFT_NEVER);
}

/* Fails where only one class of stacks is bounded, or where ended tasks go on being counted. */
static int tasks_main(void *arg)
{
    static const size_t sizes[] = {16384, 65536, 262144, 1048576};
    weft_task tasks[9];
    weft_scope s;

    (void)arg;
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    for (int i = 0; i < 9; i++) /* and this one makes ten */
        ck_assert_int_eq(weft_spawn(&s, sleeper, NULL, 0,
                                    OPT(.stack_size = sizes[i % 4], .task = &tasks[i])),
                         0);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(weft_spawn(&s, sleeper, NULL, 0, OPT(.stack_size = sizes[i])), -EAGAIN);
        ck_assert_int_eq(weft_spawn_nowait(&s, sleeper, NULL, 0, OPT(.stack_size = sizes[i])),
                         -EAGAIN);
    }
    ck_assert_uint_eq(weft_scope_tasks(&s), 9); /* nothing was taken */
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(weft_cancel(tasks[0]), 1);
        ck_assert_int_eq(weft_join(tasks[0], NULL), 0);
        ck_assert_int_eq(weft_spawn(&s, sleeper, NULL, 0, OPT(.task = &tasks[0])), 0);
        ck_assert_int_eq(weft_spawn(&s, sleeper, NULL, 0, NULL), -EAGAIN);
    }
    ck_assert_int_eq(weft_scope_cancel(&s), 1);
    return weft_scope_close(&s);
}
TEST(tasks_max)
{
    ck_assert_int_eq(weft_run(tasks_main, NULL, 0, RUN_OPT(.tasks_max = 10)), 0);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}
/* A reactor that is full refuses what comes from others too, and serves them again later. */
static int full, enough;
static int filler(void *arg)
{
    int count = 0, error;

    (void)arg;
    WEFT_SCOPE(s) {
        while ((error = weft_spawn(&s, sleeper, NULL, 0, NULL)) == 0)
            count++;
        ck_assert_int_eq(error, -EAGAIN);
        __atomic_store_n(&full, 1, __ATOMIC_RELAXED);
        while (!__atomic_load_n(&enough, __ATOMIC_RELAXED))
            ck_assert_int_eq(weft_sleep(100000), 0);
        weft_scope_cancel(&s);
    }
    return count;
}
static int full_there_main(void *arg)
{
    weft_task task;
    int result = 0;

    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, filler, NULL, 0, OPT(.task = &task, .reactor = WEFT_ON(1))),
                         0);
        while (!__atomic_load_n(&full, __ATOMIC_RELAXED))
            ck_assert_int_eq(weft_sleep(100000), 0);
        ck_assert_int_eq(weft_call(1, nothing, NULL, 0), -EAGAIN);
        __atomic_store_n(&enough, 1, __ATOMIC_RELAXED);
        ck_assert_int_eq(weft_join(task, &result), 0);
        ck_assert_int_eq(result, 3);
        ck_assert_int_eq(weft_call(1, nothing, NULL, 0), 0);
    }
    return 0;
}
TEST(tasks_max_elsewhere)
{
    ck_assert_int_eq(weft_run(full_there_main, NULL, 0, RUN_OPT(.reactors = 2, .tasks_max = 4)), 0);
}

TEST(no_descriptors_left)
{
    struct rlimit limit = {8, 8};
    char text[256] = "";
    int fds[8], count = 0;

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while (count < 8 && (fds[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        count++;
    for (uint32_t reactors = 1; reactors <= 2; reactors++) {
        ck_assert_int_eq(weft_run(nothing, NULL, 0,
                                  RUN_OPT(.reactors = reactors, .error_text = text,
                                          .error_text_size = sizeof text)),
                         -EMFILE);
        ck_assert_uint_gt(strlen(text), 0);
    }
    while (count > 0)
        close(fds[--count]);
}

TEST_MAIN("api.limits", 20, tasks_max, tasks_max_elsewhere, no_descriptors_left)
