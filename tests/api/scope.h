/*
 * What the tests of weft/scope.h share: one run on one reactor, and children that do little.
 */
#ifndef WEFT_TESTS_API_SCOPE_H
#define WEFT_TESTS_API_SCOPE_H

#include "support/test.h"

#include <errno.h>
#include <weft/weft.h>

#define OPT(...) (&(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt), __VA_ARGS__})
#define SCOPE_OPT(...)                                                                             \
    (&(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt), __VA_ARGS__})

static inline int run(weft_task_fn fn)
{
    return weft_run(fn, NULL, 0, NULL);
}

static int count; /* of the children that came to their end, and of whatever else a case counts */

static inline int sleeper(void *arg)
{
    int result = weft_sleep_until(WEFT_NEVER);

    (void)arg;
    count++;
    return result;
}

static inline int give_back(void *arg)
{
    return *(int *)arg;
}

static inline int fail_later(void *arg)
{
    for (int i = 0; i < 3; i++)
        if (weft_yield() < 0)
            return -ECANCELED;
    return *(int *)arg;
}

static inline void spawn_value(weft_scope *scope, weft_task_fn fn, int value)
{
    ck_assert_int_eq(weft_spawn(scope, fn, &value, sizeof value, NULL), 0);
}

static inline int parent_of_sleeper(void *arg)
{
    weft_scope s;

    (void)arg;
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    spawn_value(&s, sleeper, 0);
    return weft_scope_close(&s);
}

#endif
