/*
 * Calls that are answered at once: a task that makes nothing but those must not keep the others
 * from running, whether it is cancelled or not, and none of them may switch away in a region where
 * nothing may suspend. Would catch an answer that costs nothing of the turn's budget, and one that
 * gives way where the caller was promised that nobody runs.
 */
#include "support/test.h"

#include <errno.h>
#include <weft/weft.h>

static weft_task ended;
static weft_future *settled;
static bool others_ran;

static int await_task(void)
{
    return weft_await(ended, NULL);
}

static int await_task_until(void)
{
    return weft_await_until(ended, NULL, WEFT_NEVER);
}

static int await_future(void)
{
    return weft_future_await(settled, NULL);
}

static int await_future_until(void)
{
    return weft_future_await_until(settled, NULL, WEFT_NEVER);
}

static int gather(void)
{
    return weft_gather((weft_awaitable[]){weft_of_future(settled)}, 1, NULL, 0);
}

static int race(void)
{
    return weft_race((weft_awaitable[]){weft_of_future(settled)}, 1, NULL);
}

static int wait_one(void)
{
    return weft_wait((weft_awaitable[]){weft_of_future(settled)}, 1, NULL, WEFT_FIRST_COMPLETED,
                     WEFT_NEVER) == 1
               ? 0
               : -EIO;
}

static int wait_for(void)
{
    return weft_wait_for(weft_of_task(ended), NULL, WEFT_NEVER);
}

static int as_completed(void)
{
    weft_completed *each;
    int result = weft_as_completed(&each, (weft_awaitable[]){weft_of_future(settled)}, 1);

    if (result < 0)
        return result;
    result = weft_completed_next(each, NULL, NULL, WEFT_NEVER);
    ck_assert_int_eq(weft_completed_close(each), 0);
    return result == 1 ? 0 : result;
}

static int empty_scope(void)
{
    weft_scope scope;
    int error = weft_scope_open(&scope, NULL);

    return error < 0 ? error : weft_scope_close(&scope);
}

/* Those of the first half are answered under a cancellation as well. */
static int (*const calls[])(void) = {await_task,   await_future,
                                     wait_for,     empty_scope,
                                     race,         gather,
                                     wait_one,     await_task_until,
                                     as_completed, await_future_until};
enum { CALLS = sizeof calls / sizeof *calls, EVEN_CANCELLED = 4, ENOUGH = 100000 };

static int answer(void *arg)
{
    (void)arg;
    return 7;
}

static int other(void *arg)
{
    (void)arg;
    others_ran = true;
    return 0;
}

static void prepare(void)
{
    int result;

    ck_assert_int_eq(weft_create_task(answer, NULL, 0,
                                      &(struct weft_spawn_opt){.size =
                                                                   sizeof(struct weft_spawn_opt),
                                                               .task = &ended}),
                     0);
    ck_assert_int_eq(weft_await(ended, &result), 0);
    ck_assert_int_eq(result, 7);
    ck_assert_int_eq(weft_future_create(&settled, NULL), 0);
    ck_assert_int_eq(weft_future_set_result(settled, 7), 0);
}

static void let_go(void)
{
    ck_assert_int_eq(weft_join(ended, NULL), 0);
    weft_future_put(settled);
}

/* How often it was called until others ran; ENOUGH: they never did. */
static int calls_until_others_ran(int (*call)(void))
{
    int n = 0;

    others_ran = false;
    ck_assert_int_eq(weft_spawn_nowait(weft_root(), other, NULL, 0, NULL), 0);
    for (; n < ENOUGH && !others_ran; n++)
        ck_assert_int_ge(call(), 0);
    return n;
}

static int spins(void *arg)
{
    (void)arg;
    prepare();
    for (unsigned i = 0; i < CALLS; i++)
        ck_assert_msg(calls_until_others_ran(calls[i]) < ENOUGH, "call %u starves the others", i);
    let_go();
    return 0;
}
TEST(answers_spend_the_budget)
{
    ck_assert_int_eq(weft_run(spins, NULL, 0, NULL), 0);
}

static int spins_cancelled(void *arg)
{
    (void)arg;
    prepare();
    ck_assert_int_eq(weft_cancel(weft_current_task()), 1);
    for (unsigned i = 0; i < EVEN_CANCELLED; i++) {
        others_ran = false;
        ck_assert_int_eq(weft_uncancel(), 0);
        ck_assert_int_eq(weft_spawn_nowait(weft_root(), other, NULL, 0, NULL), 0);
        ck_assert_int_eq(weft_cancel(weft_current_task()), 1);
        for (int n = 0; !others_ran; n++) {
            ck_assert_msg(n < ENOUGH, "call %u of a cancelled task starves the others", i);
            ck_assert_int_ge(calls[i](), 0);
        }
    }
    weft_uncancel();
    let_go();
    return 0;
}
TEST(answers_to_the_cancelled_do_too)
{
    ck_assert_int_eq(weft_run(spins_cancelled, NULL, 0, NULL), 0);
}

static int spawns(void *arg)
{
    weft_scope scope;

    (void)arg;
    prepare();
    ck_assert_int_eq(weft_scope_open(&scope, NULL), 0);
    others_ran = false;
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(weft_spawn(&scope, other, NULL, 0, NULL), 0);
        ck_assert_msg(!others_ran, "a child runs before its parent suspends");
    }
    ck_assert_int_eq(await_task(), 0);
    ck_assert_msg(others_ran, "a thousand children were started for nothing");
    ck_assert_int_eq(weft_scope_close(&scope), 0);
    let_go();
    return 0;
}
TEST(spawning_spends_and_stays)
{
    ck_assert_int_eq(weft_run(spawns, NULL, 0, NULL), 0);
}

static int stays(void *arg)
{
    (void)arg;
    prepare();
    others_ran = false;
    ck_assert_int_eq(weft_spawn_nowait(weft_root(), other, NULL, 0, NULL), 0);
    WEFT_NO_SUSPEND
        for (int n = 0; n < 1000; n++)
            ck_assert_int_eq(await_future(), 0);
    ck_assert(!others_ran);
    let_go();
    return 0;
}
TEST(nobody_runs_where_nothing_may_suspend)
{
    ck_assert_int_eq(weft_run(stays, NULL, 0, NULL), 0);
}

TEST_MAIN("fairness", 30, answers_spend_the_budget, answers_to_the_cancelled_do_too,
          spawning_spends_and_stays, nobody_runs_where_nothing_may_suspend)
