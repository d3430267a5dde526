/*
 * One program of tasks, scopes, deadlines and calls, run again and again: with the k-th allocation
 * failing, for every k, and with its main task cancelled at the k-th suspension, for every k. Each
 * time it ends with an error that belongs there, and leaves nothing behind (the harness counts live
 * allocations, descriptors and threads; here they are compared after each run).
 */
#include "support/test.h"

#include <errno.h>
#include <weft/weft.h>

#include "base/memory.h"

#define OPT(...) (&(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt), __VA_ARGS__})

static int posted;                        /* callbacks of posts, run or dropped */
static int suspensions_left, suspensions; /* of the main task; 0: never cancelled */
static void suspends(void)
{
    suspensions++;
    if (suspensions_left > 0 && --suspensions_left == 0)
        (void)weft_cancel(weft_current_task());
}

static int dropped, owned;
static void drop(void *arg)
{
    owned -= *(int *)arg;
    dropped++;
}
static int child(void *arg)
{
    int error = weft_yield();

    owned -= *(int *)arg;
    return error < 0 ? error : weft_sleep(1000);
}
static int far_end(void *arg)
{
    int error = weft_yield();

    return error < 0 ? error : *(int *)arg + 1;
}
static void cleanup(void *arg)
{
    ++*(int *)arg;
}

/* Only what returns an error may be absent afterwards. */
static int allowed(int error)
{
    return error == -ENOMEM || error == -ECANCELED || error == -EAGAIN;
}
static int own_one(weft_scope *scope, const struct weft_spawn_opt *opt)
{
    int one = 1, error;

    suspends();
    error = weft_spawn(scope, child, &one, sizeof one, opt);
    if (error == 0)
        owned += one;
    return error;
}
static int program(void *arg)
{
    weft_task task;
    weft_scope s, inner;
    weft_inbox *inbox;
    int error, result, cleaned = 0, deferred = 0;

    (void)arg;
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    error = own_one(&s, OPT(.task = &task));
    if (error == 0) {
        suspends();
        error = weft_join(task, &result);
    }
    if (error == 0) {
        deferred = weft_scope_defer(&s, cleanup, &cleaned) == 0;
        error = deferred ? 0 : -ENOMEM;
    }
    for (int i = 0; i < 300 && error == 0; i++) /* the ready queue grows */
        error = own_one(&s, OPT(.drop = drop));
    if (error == 0) {
        ck_assert_int_eq(
            weft_scope_open(&inner, &(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt),
                                                             .max_tasks = 2,
                                                             .deadline = weft_after_ms(60000)}),
            0);
        for (int i = 0; i < 5 && error == 0; i++)
            error = own_one(&inner, OPT(.drop = drop, .stack_size = 16384));
        suspends();
        result = weft_scope_close(&inner);
        if (error == 0)
            error = result;
    }
    if (error == 0) {
        int value = 4;
        suspends();
        error = weft_call(1, far_end, &value, sizeof value);
        ck_assert(error == 5 || allowed(error));
        error = error > 0 ? 0 : error;
    }
    if (error == 0) {
        suspends();
        error = weft_sleep(1000);
    }
    inbox = weft_inbox_here();
    if (error == 0)
        error = weft_post(inbox, cleanup, &posted, cleanup); /* outlives this frame */
    if (error == 0) {
        suspends();
        error = weft_yield();
    }
    weft_inbox_put(inbox);
    result = weft_scope_close(&s);
    ck_assert(result == 0 || result == -ECANCELED || allowed(result));
    ck_assert_int_eq(cleaned, deferred);
    ck_assert_int_eq(owned, 0); /* each argument was taken by a body or by drop, once */
    return error < 0 ? error : 9;
}

static int run_program(void)
{
    size_t live = weft__alloc_live();
    int descriptors = test_descriptors(), result;
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    owned = 0;
    result = weft_run(program, NULL, 0, &opt);
    weft__alloc_fail_after(0);
    ck_assert_uint_eq(weft__alloc_live(), live);
    ck_assert_int_eq(test_descriptors(), descriptors);
    return result;
}

TEST(every_allocation_fails_once)
{
    uint64_t before = weft__alloc_count(), needed;
    int failed = 0;

    ck_assert_int_eq(run_program(), 9);
    needed = weft__alloc_count() - before;
    ck_assert_uint_gt(needed, 20);
    for (uint64_t k = 1; k <= needed + 3; k++) {
        int result;
        weft__alloc_fail_after(k);
        result = run_program();
        ck_assert_msg(result == 9 || result == -ENOMEM, "allocation %d failing gave %d", (int)k,
                      result);
        failed += result == -ENOMEM;
    }
    ck_assert_int_gt(failed, 15);
    ck_assert_int_eq(run_program(), 9);
}

TEST(cancelled_at_every_suspension)
{
    int needed;

    ck_assert_int_eq(run_program(), 9);
    needed = suspensions;
    ck_assert_int_gt(needed, 300);
    for (int k = 1; k <= needed; k++) {
        int result;
        if (k > 20 && k < needed - 20 && k % 37) /* in the middle of the 300 equal ones */
            continue;
        suspensions_left = k;
        result = run_program();
        ck_assert_msg(result == -ECANCELED, "cancelled at %d gave %d", k, result);
    }
    suspensions_left = 0;
    ck_assert_int_eq(run_program(), 9);
}

TEST_MAIN("task.faults", 120, every_allocation_fails_once, cancelled_at_every_suspension)
