/*
 * What the cases that asyncio is tested with need: each is the main task of a run of its own, under
 * the name that CPython's test has, without "test_". docs/asyncio.md lists them all.
 */
#ifndef WEFT_TESTS_ASYNCIO_CASES_H
#define WEFT_TESTS_ASYNCIO_CASES_H

#include <errno.h>
#include <string.h>
#include <weft/weft.h>

#include "support/misuse.h"
#include "support/test.h"

#define is(expression, value) ck_assert_int_eq((expression), (value))
#define yes(expression) ck_assert(expression)
#define no(expression) ck_assert(!(expression))
#define MS INT64_C(1000000)
#define SECONDS (1000 * MS)
#define EVER (3600 * SECONDS)

#define CASE(name)                                                                                 \
    static void name##_steps(void);                                                                \
    static int name##_main(void *arg)                                                              \
    {                                                                                              \
        (void)arg;                                                                                 \
        name##_steps();                                                                            \
        return 0;                                                                                  \
    }                                                                                              \
    TEST(name)                                                                                     \
    {                                                                                              \
        is(weft_run(name##_main, NULL, 0, NULL), 0);                                               \
    }                                                                                              \
    static void name##_steps(void)

/* A coroutine that sleeps, and what became of it. It ends with its result, or with what cut it, or
   with `instead` of that; `cleanup` nanoseconds later, which nobody can cut. */
struct work {
    int64_t ns;
    int result;
    int instead;
    int64_t cleanup;
    bool begun, running, cut, ended;
};
static inline int works(void *arg)
{
    struct work *work = *(struct work **)arg;

    work->begun = work->running = true;
    int error = weft_sleep(work->ns);
    work->cut = error < 0;
    if (error < 0 && work->cleanup > 0)
        WEFT_SHIELD(weft_after_ns(EVER))
            is(weft_sleep(work->cleanup), 0);
    work->running = false;
    work->ended = true;
    return error == 0 ? work->result : work->instead ? work->instead : error;
}
/* weft_cancel of the task at `arg`, as a callback. */
static inline void cancels(void *arg)
{
    is(weft_cancel(*(weft_task *)arg), 1);
}

/* It as a coroutine, and as a task in `scope`. The pointer must be a variable. */
#define CORO(pointer) weft_coro(works, &(pointer), sizeof(pointer))
static inline weft_task start(weft_scope *scope, weft_task_fn fn, const void *arg, size_t arg_size)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    is(weft_spawn(scope, fn, arg, arg_size, &opt), 0);
    return task;
}
static inline weft_task start_work(weft_scope *scope, struct work *work)
{
    return start(scope, works, &work, sizeof work);
}

static inline int result_of(weft_task task)
{
    int result = 0;

    is(weft_join(task, &result), 0);
    return result;
}
/* Has it ended? */
static inline bool done(weft_task task)
{
    weft_awaitable it = weft_of_task(task);

    return weft_wait(&it, 1, NULL, WEFT_ALL, 1) == 1;
}

/* What the tasks of a case have done, in order: a letter or a digit each. */
static char trail[64];
static inline void leave(char mark)
{
    size_t length = strlen(trail);

    ck_assert_uint_lt(length, sizeof trail - 1);
    trail[length] = mark;
    trail[length + 1] = 0;
}
#define is_trail(text) ck_assert_str_eq(trail, text)
static inline int count_of(char mark)
{
    int count = 0;

    for (const char *at = trail; *at; at++)
        count += *at == mark;
    return count;
}

static inline void turns(int count)
{
    while (count-- > 0)
        is(weft_yield(), 0);
}

#endif
