/*
 * weft/context.h: who sees which value, across spawns, reactors and resets.
 */
#include "support/test.h"

#include <errno.h>
#include <stdlib.h>
#include <weft/weft.h>

#define OPT(...) (&(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt), __VA_ARGS__})
#define RUN_OPT(...) (&(struct weft_run_opt){.size = sizeof(struct weft_run_opt), __VA_ARGS__})

static char fallback[] = "fallback", a[] = "a", b[] = "b", c[] = "c";
static const weft_context_var user = WEFT_CONTEXT_VAR("user", fallback);
static const weft_context_var id = WEFT_CONTEXT_VAR("id", NULL);

static void set(const weft_context_var *var, void *value)
{
    ck_assert_int_eq(weft_context_set(var, value, NULL), 0);
}
#define HAS(var, value) ck_assert_ptr_eq(weft_context_get(&(var)), (value))

static int run(weft_task_fn fn, uint32_t reactors)
{
    return weft_run(fn, NULL, 0, RUN_OPT(.reactors = reactors));
}

/* -- inheriting -------------------------------------------------------------------------------- */

static int grandchild(void *arg)
{
    (void)arg;
    HAS(user, b);
    HAS(id, c);
    return 0;
}
static int child(void *arg)
{
    (void)arg;
    HAS(user, a);
    HAS(id, NULL);
    ck_assert_int_eq(weft_yield(), 0); /* the spawner sets it to something else meanwhile */
    HAS(user, a);
    set(&user, b);
    set(&id, c);
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, grandchild, NULL, 0, NULL), 0);
    }
    HAS(user, b);
    return 0;
}
static int inherit_main(void *arg)
{
    (void)arg;
    HAS(user, fallback);
    set(&user, a);
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, child, NULL, 0, NULL), 0);
        ck_assert_int_eq(weft_yield(), 0);
        set(&user, c);
        set(&id, a);
    }
    HAS(user, c); /* what the child set is its own */
    HAS(id, a);
    return 0;
}
/* Catches: a value seen by a parent, a sibling, or by a child spawned before. */
TEST(children_inherit)
{
    HAS(user, fallback); /* outside of tasks */
    ck_assert_int_eq(run(inherit_main, 1), 0);
    HAS(user, fallback);
}

static int there(void *arg)
{
    HAS(user, a);
    HAS(id, b);
    set(&user, *(void **)arg);
    ck_assert_int_eq(weft_sleep(1000), 0);
    HAS(user, *(void **)arg);
    HAS(id, b);
    return 0;
}
static int remote_main(void *arg)
{
    void *value = c;

    (void)arg;
    set(&user, a);
    set(&id, b);
    WEFT_SCOPE(s) {
        for (int i = 0; i < 30; i++)
            ck_assert_int_eq(weft_spawn(&s, there, &value, sizeof value,
                                        OPT(.reactor = WEFT_ON(i % 3))),
                             0);
    }
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_int_eq(weft_call(i, there, &value, sizeof value), 0);
    HAS(user, a);
    return 0;
}
/* Under the thread sanitizer as well: bindings are shared between threads. */
TEST(children_on_other_reactors_inherit)
{
    ck_assert_int_eq(run(remote_main, 3), 0);
}

static int outlives(void *arg)
{
    (void)arg;
    HAS(user, a);
    ck_assert_int_eq(weft_sleep(1000000), 0);
    HAS(user, a);
    return 0;
}
static int ends_first(void *arg)
{
    (void)arg;
    set(&user, a);
    return weft_spawn(weft_root(), outlives, NULL, 0, NULL);
}
static int outlive_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, ends_first, NULL, 0, NULL), 0);
    }
    return weft_sleep(2000000);
}
/* Catches: bindings that go with the task that made them. */
TEST(bindings_outlive_their_maker)
{
    ck_assert_int_eq(run(outlive_main, 1), 0);
}

/* -- setting back ------------------------------------------------------------------------------ */

static weft_context_token others;
static int resets_others(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_context_reset(&others), -EPERM);
    return 0;
}
static int reset_main(void *arg)
{
    weft_context_token first, second, untouched = {0};

    (void)arg;
    ck_assert_int_eq(weft_context_set(&user, a, &first), 0);
    ck_assert_int_eq(weft_context_set(&user, b, &second), 0);
    HAS(user, b);
    ck_assert_int_eq(weft_context_reset(&second), 0);
    HAS(user, a);
    ck_assert_int_eq(weft_context_reset(&second), -EINVAL); /* used */
    ck_assert_int_eq(weft_context_reset(&first), 0);
    HAS(user, fallback);
    set(&id, NULL); /* NULL is a value */
    ck_assert_int_eq(weft_context_set(&id, a, &others), 0);
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, resets_others, NULL, 0, NULL), 0);
    }
    ck_assert_int_eq(weft_context_reset(&others), 0);
    HAS(id, NULL);
    ck_assert_int_eq(weft_context_reset(NULL), -EINVAL);
    ck_assert_int_eq(weft_context_set(NULL, a, &untouched), -EINVAL);
    ck_assert_ptr_null(untouched.var);
    return 0;
}
TEST(reset_brings_back)
{
    weft_context_token none = {0};

    ck_assert_int_eq(run(reset_main, 1), 0);
    ck_assert_int_eq(weft_context_set(&user, a, NULL), -EPERM);
    ck_assert_int_eq(weft_context_reset(&none), -EPERM);
}

static int sets_and_sleeps(void *arg)
{
    HAS(user, a);
    set(&user, b);
    set(&id, c);
    ck_assert_int_eq(weft_sleep(1000), 0);
    HAS(user, b);
    return *(int *)arg;
}
static int nothing(void *arg)
{
    (void)arg;
    return 3;
}
static int run_main(void *arg)
{
    int value = 17;

    (void)arg;
    ck_assert_int_eq(weft_context_run(nothing, NULL), 3);
    set(&user, a);
    ck_assert_int_eq(weft_context_run(sets_and_sleeps, &value), 17);
    HAS(user, a);
    HAS(id, NULL);
    ck_assert_int_eq(weft_context_run(NULL, NULL), -EINVAL);
    return 0;
}
TEST(run_in_a_copy)
{
    ck_assert_int_eq(run(run_main, 1), 0);
    ck_assert_int_eq(weft_context_run(nothing, NULL), -EPERM);
}

/* -- memory ------------------------------------------------------------------------------------ */

static int often_main(void *arg)
{
    struct weft_stats before, after;

    (void)arg;
    set(&user, a);
    set(&id, a);
    ck_assert_int_eq(weft_stats(&before, sizeof before), 0);
    for (int i = 0; i < 1000; i++) {
        weft_context_token token;
        ck_assert_int_eq(weft_context_set(&user, b, &token), 0);
        set(&id, c);
        ck_assert_int_eq(weft_context_reset(&token), 0);
    }
    ck_assert_int_eq(weft_stats(&after, sizeof after), 0);
    ck_assert_uint_eq(after.allocations, before.allocations);
    return 0;
}
/* Catches: a list that grows with each set. */
TEST(setting_often_takes_no_memory)
{
    ck_assert_int_eq(run(often_main, 1), 0);
}

static bool refuse;
static void *refusing_alloc(size_t size, void *context)
{
    (void)context;
    return refuse ? NULL : malloc(size);
}
static void *refusing_realloc(void *memory, size_t size, void *context)
{
    (void)context;
    return refuse ? NULL : realloc(memory, size);
}
static void plain_free(void *memory, void *context)
{
    (void)context;
    free(memory);
}
static int no_memory_main(void *arg)
{
    weft_context_token token = {0};

    (void)arg;
    refuse = true;
    ck_assert_int_eq(weft_context_set(&user, a, &token), -ENOMEM);
    ck_assert_ptr_null(token.var);
    HAS(user, fallback);
    refuse = false;
    set(&user, a);
    refuse = true;
    set(&user, b); /* its own already */
    HAS(user, b);
    refuse = false;
    return 0;
}
TEST(no_memory)
{
    const struct weft_allocator allocator = {refusing_alloc, refusing_realloc, plain_free, NULL};

    ck_assert_int_eq(weft_run(no_memory_main, NULL, 0, RUN_OPT(.allocator = &allocator)), 0);
}

TEST_MAIN("api.context_var", 30, children_inherit, children_on_other_reactors_inherit,
          bindings_outlive_their_maker, reset_brings_back, run_in_a_copy,
          setting_often_takes_no_memory, no_memory)
