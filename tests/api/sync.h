/*
 * What the tests of weft/sync.h and weft/queue.h share: every case runs with objects of the local
 * kind and with shared ones, in which nothing may differ as long as one reactor is all there is.
 */
#ifndef WEFT_TESTS_API_SYNC_H
#define WEFT_TESTS_API_SYNC_H

#include <errno.h>
#include <string.h>
#include <weft/weft.h>

#include "support/misuse.h"
#include "support/test.h"

#define HOUR INT64_C(3600000000000)
#define is(expression, value) ck_assert_int_eq((expression), (value))

/* Of the kind that the present run is about: `local` or `shared`, initialisers of one type. */
static bool of_shared_kind;
#define KIND(type, local, shared) (of_shared_kind ? (type)shared : (type)local)

/* Runs `fn` as the main task of one reactor, once for each kind; its result must be 0. */
static inline void sync_run(weft_task_fn fn)
{
    for (int kind = 0; kind < 2; kind++) {
        of_shared_kind = kind != 0;
        is(weft_run(fn, NULL, 0, NULL), 0);
    }
}

/* A case that is NAME_main, run so. */
#define SYNC_TEST(name)                                                                            \
    TEST(name)                                                                                     \
    {                                                                                              \
        sync_run(name##_main);                                                                     \
    }

/* Starts fn(arg) in `scope`, the argument being `number`. */
static inline weft_task sync_start(weft_scope *scope, weft_task_fn fn, int number)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    is(weft_spawn(scope, fn, &number, sizeof number, &opt), 0);
    return task;
}

struct sync_state {
    weft_task task;
    const char *waits_for; /* NULL: it has ended */
};
static inline int sync_look(const struct weft_task_info *info, void *context)
{
    struct sync_state *state = context;

    if (info->task.slot != state->task.slot || info->task.generation != state->task.generation)
        return 0;
    state->waits_for = info->waits_for;
    return 1;
}
/* What the task waits for: "lock", "ready", ... */
static inline const char *sync_waits_for(weft_task task)
{
    struct sync_state state = {task, NULL};

    weft_tasks_each(sync_look, &state);
    return state.waits_for ? state.waits_for : "nothing";
}

/* Lets the others run until `task` waits for `what`. Never returns if it does not come to that. */
static inline void sync_until(weft_task task, const char *what)
{
    while (strcmp(sync_waits_for(task), what) != 0)
        is(weft_yield(), 0);
}

/* The same as sync_start, and it waits for `what` by now. */
static inline weft_task sync_start_until(weft_scope *scope, weft_task_fn fn, int number,
                                         const char *what)
{
    weft_task task = sync_start(scope, fn, number);

    sync_until(task, what);
    return task;
}

/* Waits for the end of the task and gives its result. */
static inline int sync_result(weft_task task)
{
    int result = 0;

    is(weft_join(task, &result), 0);
    return result;
}

#endif
