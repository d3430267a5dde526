/*
 * gather and race. Catches results out of place, a sibling that runs on after an error, a return
 * before all have ended, an error or a cancellation that is lost, a result that is thrown away
 * because a cancellation came too, and waiters left behind in tasks and futures.
 */
#include "work.h"

static void run(weft_task_fn fn)
{
    net_run(fn);
}

/* -- gather -------------------------------------------------------------------------------------
 */

/* Whatever ends first: each result stands in its own place. All kinds; duplicates; none. */
static int main_in_order(void *arg)
{
    static const int64_t expected[] = {1, 1, 2, 77, 1, 77};
    int64_t r[6] = {-1, -1, -1, -1, -1, -1};
    weft_future *future;
    weft_task task;

    (void)arg;
    ok(weft_future_create(&future, NULL));
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, works, &one, sizeof one, OPT(.task = &task)));
        ok(weft_future_set_result(future, 77));
        ck_assert_int_eq(weft_gather(WEFT_LIST(CORO(one), weft_of_task(task), CORO(two),
                                               weft_of_future(future), weft_of_task(task),
                                               weft_of_future(future)),
                                     r, 0),
                         0);
    }
    weft_future_put(future);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(r[i], expected[i]);
    ck_assert_int_eq(begun, 3);
    ck_assert_int_eq(weft_gather(NULL, 0, NULL, 0), 0);
    ck_assert_int_eq(weft_gather(NULL, 0, NULL, WEFT_GATHER_KEEP), 0);
    ck_assert_int_eq(weft_gather(WEFT_LIST(CORO(two)), NULL, 0), 0);
    return 0;
}
TEST(results_in_order)
{
    run(main_in_order);
}

/* The first error cancels the others; they have ended when it is returned. Later errors do not
   replace it. */
static int main_first_error(void *arg)
{
    int64_t r[4];
    int64_t start = weft_now();
    weft_future *future;

    (void)arg;
    ok(weft_future_create(&future, NULL));
    ck_assert_int_eq(weft_gather(WEFT_LIST(CORO(never), CORO(fails), weft_of_future(future),
                                           CORO(stubborn)),
                                 r, 0),
                     -ENOENT);
    ck_assert_int_eq(ended, 3);
    ck_assert_int_eq(r[0], -ECANCELED);
    ck_assert_int_eq(r[1], -ENOENT);
    ck_assert_int_eq(r[2], -ECANCELED);
    ck_assert_int_eq(r[3], 5); /* took effect all the same */
    ck_assert(weft_future_done(future));
    ck_assert(weft_now() - start >= 4 * MS);
    ck_assert_int_eq(weft_cancelled(), 0);
    ok(weft_yield());
    weft_future_put(future);
    return 0;
}
TEST(first_error_cancels_and_joins)
{
    run(main_first_error);
}

/* Keeping: all go on, and the number of failures is told. */
static int main_keep(void *arg)
{
    enum { COUNT = 20 }; /* more than fit into a frame */
    weft_awaitable list[COUNT];
    int64_t r[COUNT];

    (void)arg;
    for (int i = 0; i < COUNT; i++)
        list[i] = i % 4 ? CORO(one) : CORO(fails);
    ck_assert_int_eq(weft_gather(list, COUNT, r, WEFT_GATHER_KEEP), COUNT / 4);
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(r[i], i % 4 ? 1 : -ENOENT);
    ck_assert_int_eq(cut, 0);
    return 0;
}
TEST(keeping_counts_failures)
{
    run(main_keep);
}

/* A child ended by weft_cancel is no failure of its scope, but an error here. */
static weft_task victim;
static int cancels_victim(void *arg)
{
    ok(weft_sleep(*(int64_t *)arg));
    return weft_cancel(victim) < 0;
}
static int main_child_cancelled(void *arg)
{
    int64_t r[2], soon = MS;
    weft_scope late;

    (void)arg;
    ok(weft_scope_open(&late, &(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt),
                                                       .deadline = 1}));
    ck_assert_int_eq(weft_yield(), -ECANCELED);
    ck_assert_int_eq(weft_scope_close(&late), -ETIMEDOUT);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, works, &never, sizeof never, OPT(.task = &victim)));
        ck_assert_int_eq(weft_gather(WEFT_LIST(weft_of_task(victim),
                                               weft_coro(cancels_victim, &soon, sizeof soon)),
                                     r, 0),
                         -ECANCELED);
        ck_assert_int_eq(weft_cancelled(), 0);
        ck_assert_int_eq(weft_cause(), WEFT_CAUSE_NONE); /* that of the deadline is an older one */
    }
    ck_assert_int_eq(r[0], -ECANCELED);
    return 0;
}
TEST(child_ended_by_cancel)
{
    run(main_child_cancelled);
}

/* -- a gather that is cancelled -----------------------------------------------------------------
 */

static weft_future *pending, *gate;
static int waits_at_the_gate(void *arg)
{
    int64_t result = 0;
    int error = weft_future_await(gate, &result);

    (void)arg;
    return error < 0 ? error : (int)result;
}
static int64_t results[4];
static weft_task outside, shielded_one;
static int gathers(void *arg)
{
    int result = weft_gather(WEFT_LIST(CORO(never), weft_of_task(outside), weft_of_future(pending),
                                       weft_shield(weft_of_task(shielded_one))),
                             results, 0);

    (void)arg;
    ck_assert_int_eq(result, -ECANCELED);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_CANCEL);
    ck_assert_int_eq(weft_yield(), -ECANCELED); /* it stays */
    return result;
}

/* What it owns is cancelled, wherever it lives, and has ended; what is shielded goes on. */
static int main_cancelled(void *arg)
{
    weft_task task;
    int result;

    (void)arg;
    ok(weft_future_create(&pending, NULL));
    ok(weft_future_create(&gate, NULL));
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, works, &never, sizeof never, OPT(.task = &outside)));
        ok(weft_spawn(&s, waits_at_the_gate, NULL, 0, OPT(.task = &shielded_one)));
        ok(weft_spawn(&s, gathers, NULL, 0, OPT(.task = &task)));
        while (begun < 2)
            ok(weft_yield());
        ok(weft_cancel(task));
        ok(weft_join(task, &result));
        ck_assert_int_eq(ended, 2);
        ck_assert_int_eq(cut, 2);
        for (int i = 0; i < 4; i++)
            ck_assert_int_eq(results[i], -ECANCELED);
        ck_assert(weft_future_done(pending));
        ok(weft_future_set_result(gate, 1));
        ok(weft_join(shielded_one, &result));
        ck_assert_int_eq(result, 1);
    }
    weft_future_put(pending);
    weft_future_put(gate);
    return 0;
}
TEST(cancelled_with_all_it_owns)
{
    run(main_cancelled);
}

/* Cut by a deadline around it: that is the cause, for the children as for the caller, and the edge
   is the one that says -ETIMEDOUT. */
static int child_cause;
static int looks_at_cause(void *arg)
{
    int error = weft_sleep(LONG_NS);

    (void)arg;
    child_cause = (int)weft_cause();
    return error;
}
static int main_deadline(void *arg)
{
    weft_awaitable list[2];
    weft_scope scope;

    (void)arg;
    for (int racing = 0; racing < 2; racing++) {
        child_cause = 0;
        ok(weft_timeout(&scope, MS));
        list[0] = weft_coro(looks_at_cause, NULL, 0);
        list[1] = weft_coro(looks_at_cause, NULL, 0);
        ck_assert_int_eq(racing ? weft_race(list, 2, NULL) : weft_gather(list, 2, NULL, 0),
                         -ECANCELED);
        ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DEADLINE);
        ck_assert(child_cause == 0 ||
                  child_cause == WEFT_CAUSE_DEADLINE); /* 0: due before it ran */
        ck_assert_int_eq(weft_scope_close(&scope), -ETIMEDOUT);
        ck_assert_int_eq(weft_cancelled(), 0);
    }
    return 0;
}
TEST(cut_by_a_deadline)
{
    run(main_deadline);
}

/* Cancelled, but all have ended with values: they win, and the cancellation is still there. */
static int gathers_stubborn(void *arg)
{
    int64_t r[2];

    if (*(int *)arg)
        ck_assert_int_eq(weft_race(WEFT_LIST(CORO(stubborn), CORO(never)), r), 0);
    else
        ck_assert_int_eq(weft_gather(WEFT_LIST(CORO(stubborn), CORO(stubborn)), r, 0), 0);
    ck_assert_int_eq(r[0], 5);
    ck_assert_int_eq(r[1], *(int *)arg ? -ECANCELED : 5);
    return weft_yield();
}
static int main_results_win(void *arg)
{
    weft_task task;
    int result;

    (void)arg;
    for (int racing = 0; racing < 2; racing++)
        WEFT_SCOPE(s) {
            begun = 0;
            ok(weft_spawn(&s, gathers_stubborn, &racing, sizeof racing, OPT(.task = &task)));
            while (begun < 2)
                ok(weft_yield());
            ok(weft_cancel(task));
            ok(weft_join(task, &result));
            ck_assert_int_eq(result, -ECANCELED);
        }
    return 0;
}
TEST(values_win_over_a_cancellation)
{
    run(main_results_win);
}

/* What is settled is answered although a cancellation is pending; what is not, is refused, and
   nothing was begun. */
static int main_settled(void *arg)
{
    weft_future *future;
    int64_t r[2];

    (void)arg;
    ok(weft_future_create(&future, NULL));
    ok(weft_future_set_result(future, 3));
    ok(weft_cancel(weft_current_task()));
    ck_assert_int_eq(weft_gather(WEFT_LIST(weft_of_future(future), weft_of_future(future)), r, 0),
                     0);
    ck_assert_int_eq(weft_race(WEFT_LIST(weft_of_future(future)), r), 0);
    ck_assert_int_eq(r[0] + r[1], 6);
    ck_assert_int_eq(weft_gather(WEFT_LIST(weft_of_future(future), CORO(one)), r, 0), -ECANCELED);
    ck_assert_int_eq(begun, 0);
    ck_assert_int_eq(weft_uncancel(), 0);
    weft_future_put(future);
    return 0;
}
TEST(settled_is_unchecked)
{
    run(main_settled);
}

/* -- race ---------------------------------------------------------------------------------------
 */

static int main_race(void *arg)
{
    int64_t r[3];

    (void)arg;
    ck_assert_int_eq(weft_race(WEFT_LIST(CORO(never), CORO(two), CORO(stubborn)), r), 1);
    ck_assert_int_eq(ended, 3);
    ck_assert_int_eq(r[0], -ECANCELED);
    ck_assert_int_eq(r[1], 2);
    ck_assert_int_eq(r[2], 5); /* a loser that took effect */
    ck_assert_int_eq(weft_race(WEFT_LIST(CORO(fails), CORO(never)), r), 0); /* an error wins too */
    ck_assert_int_eq(r[0], -ENOENT);
    ck_assert_int_eq(r[1], -ECANCELED);
    return 0;
}
TEST(race_has_one_winner)
{
    run(main_race);
}

static int races(void *arg)
{
    (void)arg;
    return weft_race(WEFT_LIST(CORO(never), CORO(never)), NULL);
}
static int main_race_cancelled(void *arg)
{
    weft_task task;
    int result;

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, races, NULL, 0, OPT(.task = &task)));
        while (begun < 2)
            ok(weft_yield());
        ok(weft_cancel(task));
        ok(weft_join(task, &result));
    }
    ck_assert_int_eq(result, -ECANCELED);
    ck_assert_int_eq(ended, 2);
    return 0;
}
TEST(race_cancelled)
{
    run(main_race_cancelled);
}

/* -- mistakes -----------------------------------------------------------------------------------
 */

/* clang-format off: each on one line, which is the one that is named */
static int main_mistakes(void *arg)
{
    weft_awaitable none = {0}, self = weft_of_task(weft_current_task()),
                   both[2] = {CORO(one), none};
    weft_task stale;

    (void)arg;
    ck_misuse(weft_gather(NULL, 1, NULL, 0), -EINVAL, "weft_gather", "no list");
    ck_misuse(weft_gather(&none, 1, NULL, 0), -EINVAL, "weft_gather", "none");
    ck_misuse(weft_gather(&self, 1, NULL, 0), -EDEADLK, "weft_gather", "itself");
    ck_misuse(weft_gather(&self, 1, NULL, 8), -EINVAL, "weft_gather", "flags");
    ck_misuse(weft_gather(both, 2, NULL, 0), -EINVAL, "weft_gather", "none");
    ck_misuse(weft_race(NULL, 0, NULL), -EINVAL, "weft_race", "nobody");
    both[0] = weft_shield(both[0]);
    ck_misuse(weft_race(both, 1, NULL), -EINVAL, "weft_race", "coroutine");
    both[0] = weft_of_future(NULL);
    ck_misuse(weft_race(both, 1, NULL), -EINVAL, "weft_race", "no future");
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, works, &two, sizeof two, OPT(.task = &stale)));
        ok(weft_join(stale, NULL));
    }
    both[0] = weft_of_task(stale);
    ck_misuse(weft_gather(both, 1, NULL, 0), -ESTALE, "weft_gather", "used up");
    ck_assert_int_eq(begun, 1);
    both[0] = CORO(two); /* the one above is to be used up as well */
    ok(weft_gather(both, 1, NULL, 0));
    return 0;
}
/* clang-format on */
TEST(mistakes)
{
    ck_assert_int_eq(weft_gather(NULL, 0, NULL, 0), -EPERM);
    ck_assert_int_eq(weft_race(NULL, 0, NULL), -EPERM);
    run(main_mistakes);
}

/* No room for another task: that is the coroutine's result. */
static int main_no_room(void *arg)
{
    int64_t r[3];

    (void)arg;
    ck_assert_int_eq(weft_gather(WEFT_LIST(CORO(one), CORO(one), CORO(one)), r, WEFT_GATHER_KEEP),
                     1);
    ck_assert_int_eq(r[0], 1);
    ck_assert_int_eq(r[1], 1);
    ck_assert_int_eq(r[2], -EAGAIN);
    return 0;
}
TEST(no_room_for_a_coroutine)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 1, .tasks_max = 3};

    ck_assert_int_eq(weft_run(main_no_room, NULL, 0, &opt), 0);
}

TEST_MAIN("gather", 60, results_in_order, first_error_cancels_and_joins, keeping_counts_failures,
          child_ended_by_cancel, cancelled_with_all_it_owns, cut_by_a_deadline,
          values_win_over_a_cancellation, settled_is_unchecked, race_has_one_winner, race_cancelled,
          mistakes, no_room_for_a_coroutine)
