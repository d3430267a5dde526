/*
 * What the tests of tasks and scopes share: one run on one reactor, and children that do next to
 * nothing.
 */
#ifndef WEFT_TESTS_API_TASK_H
#define WEFT_TESTS_API_TASK_H

#include <errno.h>
#include <string.h>
#include <weft/weft.h>

#include "support/test.h"

#define OPT(...) (&(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt), __VA_ARGS__})

static inline int run(weft_task_fn fn)
{
    return weft_run(fn, NULL, 0, NULL);
}

static int count; /* of the children that came to their end, and of whatever else a case counts */

static inline int add_one(void *arg)
{
    (void)arg;
    count++;
    return 0;
}

static inline int give_back(void *arg)
{
    return *(int *)arg;
}

#endif
