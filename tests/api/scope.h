/*
 * What the tests of weft/scope.h share besides task.h: children that sleep, fail, and have
 * children.
 */
#ifndef WEFT_TESTS_API_SCOPE_H
#define WEFT_TESTS_API_SCOPE_H

#include "task.h"

#define SCOPE_OPT(...)                                                                             \
    (&(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt), __VA_ARGS__})

static inline int sleeper(void *arg)
{
    int result = weft_sleep_until(WEFT_NEVER);

    (void)arg;
    count++;
    return result;
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
