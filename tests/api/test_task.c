/*
 * weft/task.h, sentence by sentence: spawn and its errors, handles, yield, what a task is told
 * about itself. Each test would catch the sentence above it becoming untrue. Join and await:
 * test_task_join.c. Scopes that are full: test_task_room.c.
 */
#include "task.h"

/* -- spawning ------------------------------------------------------------------------------- */

/* "The child first runs when the caller next suspends." */
static int child_runs_later_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, add_one, NULL, 0, NULL), 0);
        ck_assert_int_eq(count, 0);
        ck_assert_int_eq(weft_yield(), 0);
        ck_assert_int_eq(count, 1);
    }
    return 7;
}
TEST(child_runs_later)
{
    ck_assert_int_eq(run(child_runs_later_main), 7);
}

struct big {
    unsigned char bytes[WEFT_ARG_SIZE_MAX];
};
static int check_big(void *arg)
{
    struct big *big = arg;

    ck_assert_uint_eq((uintptr_t)arg % 16, 0);
    weft_yield(); /* the caller's copy is scribbled over meanwhile */
    for (size_t i = 0; i < sizeof big->bytes; i++)
        ck_assert_uint_eq(big->bytes[i], (unsigned char)(i * 7));
    count++;
    return 0;
}
static int same_pointer(void *arg)
{
    ck_assert_ptr_eq(arg, &count);
    count++;
    return 0;
}
static int argument_main(void *arg)
{
    static const size_t sizes[] = {1, 15, 16, 17, 33, 1023, 1024};
    struct big big;

    (void)arg;
    WEFT_SCOPE(s) {
        for (size_t i = 0; i < sizeof big.bytes; i++)
            big.bytes[i] = (unsigned char)(i * 7);
        ck_assert_int_eq(weft_spawn(&s, check_big, &big, sizeof big, NULL), 0);
        memset(&big, 0xee, sizeof big);
        ck_assert_int_eq(weft_spawn(&s, same_pointer, &count, 0, NULL), 0);
    }
    ck_assert_int_eq(count, 2);
    WEFT_SCOPE(t) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            char bytes[WEFT_ARG_SIZE_MAX] = {0};
            int value = (int)i;
            memcpy(bytes, &value, sizes[i] < sizeof value ? sizes[i] : sizeof value);
            weft_task task;
            int result = -1;
            ck_assert_int_eq(
                weft_spawn(&t, sizes[i] < sizeof value ? add_one : give_back, bytes, sizes[i],
                           &(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt),
                                                    .task = &task}),
                0);
            ck_assert_int_eq(weft_join(task, &result), 0);
            ck_assert_int_eq(result, sizes[i] < sizeof value ? 0 : value);
        }
    }
    return 0;
}
TEST(arguments_are_copied)
{
    ck_assert_int_eq(run(argument_main), 0);
}

static weft_scope *foreign_scope;
static int spawn_errors_main(void *arg)
{
    char bytes[WEFT_ARG_SIZE_MAX + 1] = {0};
    weft_scope closed = {{0}};

    (void)arg;
    WEFT_SCOPE(s, .max_tasks = 1) {
        ck_assert_int_eq(weft_spawn(NULL, add_one, NULL, 0, NULL), -EINVAL);
        ck_assert_int_eq(weft_spawn(&s, NULL, NULL, 0, NULL), -EINVAL);
        ck_assert_int_eq(weft_spawn(&s, add_one, NULL, 8, NULL), -EINVAL);
        ck_assert_int_eq(weft_spawn(&s, add_one, NULL, 0, &(struct weft_spawn_opt){0}), -EINVAL);
        ck_assert_int_eq(weft_spawn(&closed, add_one, NULL, 0, NULL), -EINVAL);
        ck_assert_int_eq(weft_spawn(&s, add_one, bytes, sizeof bytes, NULL), -E2BIG);
        ck_assert_int_eq(weft_spawn(&s, add_one, NULL, 0, OPT(.stack_size = 2u << 20)), -E2BIG);
        ck_assert_int_eq(weft_spawn(&s, add_one, NULL, 0,
                                    OPT(.stack_size = 2u << 20, .reactor = WEFT_ON(0))),
                         -E2BIG);
        ck_assert_int_eq(weft_spawn(&s, add_one, NULL, 0, OPT(.reactor = WEFT_ON(1))), -ERANGE);
        ck_assert_int_eq(weft_spawn(&s, add_one, NULL, 0, OPT(.reactor = -7)), -ERANGE);
        ck_assert_uint_eq(weft_scope_tasks(&s), 0);
        ck_assert_int_eq(weft_spawn_nowait(&s, add_one, NULL, 0, NULL), 0);
        ck_assert_int_eq(weft_spawn_nowait(&s, add_one, NULL, 0, NULL), -EAGAIN);
        ck_assert_int_eq(weft_scope_cancel(&s), 1);
        ck_assert_int_eq(weft_spawn(&s, add_one, NULL, 0, NULL), -ECANCELED);
        ck_assert_int_eq(weft_spawn_nowait(&s, add_one, NULL, 0, NULL), -ECANCELED);
    }
    ck_assert_int_eq(count, 1);
    return 0;
}
TEST(spawn_errors)
{
    ck_assert_int_eq(weft_spawn(foreign_scope, add_one, NULL, 0, NULL), -EINVAL);
    ck_assert_int_eq(weft_spawn((weft_scope *)&count, add_one, NULL, 0, NULL), -EPERM);
    ck_assert_int_eq(weft_create_task(add_one, NULL, 0, NULL), -EPERM);
    ck_assert_int_eq(run(spawn_errors_main), 0);
}

/* Every class of stack really has that much room, and says so. */
static int use_stack(void *arg)
{
    size_t size = *(size_t *)arg;
    size_t left = weft_stack_remaining();
    volatile char *frame;

    ck_assert_uint_gt(left, size - size / 2);
    ck_assert_uint_le(left, size);
    frame = __builtin_alloca(left - 6000);
    frame[0] = 1;
    ck_assert_uint_lt(weft_stack_remaining(), 6500);
    count++;
    return frame[0] - 1;
}
static int stack_sizes_main(void *arg)
{
    static const size_t sizes[] = {16384, 65536, 262144, 1048576};

    (void)arg;
    WEFT_SCOPE(s)
        for (int i = 0; i < 4; i++)
            ck_assert_int_eq(weft_spawn(&s, use_stack, &sizes[i], sizeof sizes[i],
                                        OPT(.stack_size = sizes[i])),
                             0);
    ck_assert_int_eq(count, 4);
    return 0;
}
TEST(stack_sizes)
{
    ck_assert_uint_eq(weft_stack_remaining(), 0);
    ck_assert_int_eq(run(stack_sizes_main), 0);
}

/* -- handles --------------------------------------------------------------------------------- */

static int handles_main(void *arg)
{
    weft_task task, other, none = {0, 0}, wild = {UINT64_MAX, UINT64_MAX};
    int result = 0, value = 5;

    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, give_back, &value, sizeof value, OPT(.task = &task)), 0);
        ck_assert_int_eq(weft_await(task, &result), 0);
        ck_assert_int_eq(result, 5);
        ck_assert_int_eq(weft_await(task, NULL), 0); /* awaiting does not consume */
        ck_assert_int_eq(weft_cancel(task), 0);      /* it has ended */
        ck_assert_int_eq(weft_join(task, NULL), 0);
        ck_assert_int_eq(weft_join(task, NULL), -ESTALE);
        ck_assert_int_eq(weft_await(task, NULL), -ESTALE);
        ck_assert_int_eq(weft_cancel(task), -ESTALE);
        ck_assert_int_eq(weft_spawn(&s, give_back, &value, sizeof value, OPT(.task = &other)), 0);
        ck_assert_int_eq(weft_join(task, NULL), -ESTALE); /* never another task */
        ck_assert_int_eq(weft_cancel(none), -ESTALE);
        ck_assert_int_eq(weft_join(none, NULL), -ESTALE);
        ck_assert_int_lt(weft_cancel(wild), 0);
        task.slot += UINT64_C(1) << 32; /* reactor 1 */
        ck_assert_int_eq(weft_cancel(task), -EXDEV);
        ck_assert_int_eq(weft_join(task, NULL), -EXDEV);
    }
    ck_assert_int_eq(weft_join(other, NULL), -ESTALE); /* its scope has closed */
    task = weft_current_task();
    ck_assert_int_eq(weft_join(task, NULL), -EDEADLK);
    ck_assert_int_eq(weft_await(task, NULL), -EDEADLK);
    return 0;
}
TEST(handles)
{
    weft_task none = weft_current_task();

    ck_assert_uint_eq(none.slot, 0);
    ck_assert_uint_eq(none.generation, 0);
    ck_assert_int_eq(weft_join(none, NULL), -EPERM);
    ck_assert_int_eq(weft_cancel(none), -EPERM);
    ck_assert_int_eq(run(handles_main), 0);
}

/* A handle of an earlier run names nobody in a later one. */
static weft_task kept_over;
static int keep_main(void *arg)
{
    (void)arg;
    kept_over = weft_current_task();
    return 0;
}
static int use_kept_main(void *arg)
{
    (void)arg;
    return weft_cancel(kept_over);
}
TEST(handles_of_earlier_runs)
{
    ck_assert_int_eq(run(keep_main), 0);
    ck_assert_int_eq(run(use_kept_main), -ESTALE);
}

/* -- small things ---------------------------------------------------------------------------- */

static char order[64];
static int say(void *arg)
{
    for (int i = 0; i < 3; i++) {
        strncat(order, arg, 1);
        weft_yield();
    }
    return 0;
}
static int yield_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, say, "a", 2, NULL), 0);
        ck_assert_int_eq(weft_spawn(&s, say, "b", 2, NULL), 0);
        ck_assert_int_eq(weft_spawn(&s, say, "c", 2, NULL), 0);
    }
    ck_assert_str_eq(order, "abcabcabc");
    return 0;
}
TEST(yield_is_fair)
{
    ck_assert_int_eq(weft_yield(), -EPERM);
    ck_assert_int_eq(run(yield_main), 0);
    memset(order, 0, sizeof order);
    ck_assert_int_eq(weft_run(yield_main, NULL, 0,
                              &(struct weft_run_opt){.size = sizeof(struct weft_run_opt),
                                                     .budget = 1}),
                     0);
}

static int keep_errno(void *arg)
{
    int mine = *(int *)arg;

    errno = mine;
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(i % 10 ? weft_yield() : weft_sleep(1000), 0);
        ck_assert_int_eq(errno, mine);
    }
    return 0;
}
static int errno_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s)
        for (int i = 0; i < 10; i++)
            ck_assert_int_eq(weft_spawn(&s, keep_errno, &i, sizeof i, NULL), 0);
    return 0;
}
TEST(errno_is_the_tasks_own)
{
    ck_assert_int_eq(run(errno_main), 0);
}

static int inside_big(void *arg)
{
    volatile char frame[200 * 1024];
    weft_task none = weft_current_task();

    frame[0] = frame[sizeof frame - 1] = 1;
    ck_assert_uint_eq(none.slot, 0);
    ck_assert_int_eq(weft_yield(), -EPERM);
    ck_assert_int_eq(weft_sleep(1), -EPERM);
    ck_assert_int_eq(weft_call_on_big_stack(inside_big, NULL), -EPERM);
    errno = 99;
    return *(int *)arg + frame[0];
}
static int big_main(void *arg)
{
    int value = 41;

    (void)arg;
    errno = 5;
    ck_assert_int_eq(weft_call_on_big_stack(inside_big, &value), 42);
    ck_assert_int_eq(weft_call_on_big_stack(NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_yield(), 0);
    return 0;
}
TEST(big_stack)
{
    ck_assert_int_eq(weft_call_on_big_stack(inside_big, NULL), -EPERM);
    ck_assert_int_eq(run(big_main), 0);
}

static int outside_main(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_create_task(add_one, NULL, 0, NULL), 0); /* into the root */
    ck_assert_uint_eq(weft_scope_tasks(weft_root()), 2);
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_create_task(add_one, NULL, 0, NULL), 0);
        ck_assert_uint_eq(weft_scope_tasks(&s), 1);
    }
    ck_assert_int_eq(count, 2);
    return 0;
}
TEST(create_task_goes_into_the_innermost_scope)
{
    ck_assert_int_eq(run(outside_main), 0);
}

TEST_MAIN("api.task", 30, child_runs_later, arguments_are_copied, spawn_errors, stack_sizes,
          handles, handles_of_earlier_runs, yield_is_fair, errno_is_the_tasks_own, big_stack,
          create_task_goes_into_the_innermost_scope)
