/*
 * weft/task.h, join and await, sentence by sentence: two who wait for one task, cycles, who is
 * cancelled as the task ends, and records that nobody joined. Would catch a joiner left behind with
 * one that is cancelled, a cycle that hangs, an error and a result of one wait, a cancellation that
 * the scope's edge tells and no call did, and a record that outlives its scope.
 */
#include "task.h"

/* Race 41: two wait for one task, one of them is cancelled. Race 43: cycles. */
static weft_task joined;
static int joiner(void *arg)
{
    int result = 0, error;

    (void)arg;
    error = weft_await(joined, &result);
    return error < 0 ? error : result;
}
static int end_when_told(void *arg)
{
    while (!*(int **)arg || !**(int **)arg)
        if (weft_yield() < 0)
            return -ECANCELED;
    return 11;
}
static int two_joiners_main(void *arg)
{
    static int told;
    int *place = &told, result = 0;
    weft_task a, b;

    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, end_when_told, &place, sizeof place, OPT(.task = &joined)),
                         0);
        ck_assert_int_eq(weft_spawn(&s, joiner, NULL, 0, OPT(.task = &a)), 0);
        ck_assert_int_eq(weft_spawn(&s, joiner, NULL, 0, OPT(.task = &b)), 0);
        weft_yield();
        ck_assert_int_eq(weft_cancel(a), 1);
        ck_assert_int_eq(weft_join(a, &result), 0);
        ck_assert_int_eq(result, -ECANCELED);
        told = 1;
        ck_assert_int_eq(weft_join(b, &result), 0);
        ck_assert_int_eq(result, 11);
        ck_assert_int_eq(weft_join(joined, &result), 0); /* still ours to consume */
        ck_assert_int_eq(result, 11);
    }
    return 0;
}
TEST(two_joiners)
{
    ck_assert_int_eq(run(two_joiners_main), 0);
}

static weft_task ring_of_three[3];
static int in_ring(void *arg)
{
    int i = *(int *)arg;

    return weft_await(ring_of_three[(i + 1) % 3], NULL);
}
static int join_parent(void *arg)
{
    return weft_await(*(weft_task *)arg, NULL);
}
static int cycles_main(void *arg)
{
    weft_task self = weft_current_task(), child;
    int result, deadlocks = 0;

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(weft_spawn(&s, in_ring, &i, sizeof i, OPT(.task = &ring_of_three[i])),
                             0);
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(weft_await(ring_of_three[i], &result), 0);
            deadlocks += result == -EDEADLK;
        }
        ck_assert_int_eq(deadlocks, 1);
        ck_assert_int_eq(weft_spawn(&s, join_parent, &self, sizeof self, OPT(.task = &child)), 0);
        ck_assert_int_eq(weft_join(child, &result), 0);
        ck_assert_int_eq(result, -EDEADLK);
    }
    return 0;
}
TEST(cycles_of_joins)
{
    ck_assert_int_eq(run(cycles_main), 0);
}

/* "A task that has ended is answered at once, unchecked for cancellation." */
static int join_settled_main(void *arg)
{
    weft_task task;
    int result, value = 3;

    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, give_back, &value, sizeof value, OPT(.task = &task)), 0);
        weft_yield();
        weft_scope_cancel(&s);
        ck_assert_int_eq(weft_yield(), -ECANCELED);
        ck_assert_int_eq(weft_await(task, &result), 0);
        ck_assert_int_eq(weft_join(task, &result), 0);
        ck_assert_int_eq(result, 3);
    }
    return 0;
}
TEST(settled_join_is_unchecked)
{
    ck_assert_int_eq(run(join_settled_main), 0);
}

/* The joiner is cancelled and the task ends before it runs: the result wins, nothing was delivered,
   so the scope's edge says nothing of a cancellation; and a deadline in its place is no timeout. */
static int join_wins_main(void *arg)
{
    static int told;
    int *place = &told, result = 0, edge;
    weft_task task;
    weft_scope s, inner;

    (void)arg;
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    ck_assert_int_eq(weft_spawn(&s, end_when_told, &place, sizeof place, OPT(.task = &task)), 0);
    ck_assert_int_eq(weft_scope_open(&inner, NULL), 0);
    ck_assert_int_eq(weft_cancel(weft_current_task()),
                     1); /* refused on entry: that is a delivery */
    ck_assert_int_eq(weft_join(task, &result), -ECANCELED);
    ck_assert_int_eq(weft_uncancel(), 0);
    edge = weft_scope_close(&inner);
    ck_assert_int_eq(edge, -ECANCELED);
    told = 1;
    ck_assert_int_eq(weft_join(task, &result), 0);
    ck_assert_int_eq(weft_scope_close(&s), -ECANCELED);
    return 0;
}
static int time_out_then_end(void *arg)
{
    ck_assert_int_eq(weft_scope_reschedule(arg, 1), 0); /* fires at once */
    return 11;
}
static int join_wins_main_2(void *arg)
{
    weft_task task;
    weft_scope s, inner;
    int result = 0;

    (void)arg;
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    ck_assert_int_eq(weft_scope_open(&inner, NULL), 0);
    ck_assert_int_eq(weft_spawn(&s, time_out_then_end, &inner, 0, OPT(.task = &task)), 0);
    ck_assert_int_eq(weft_join(task, &result), 0);
    ck_assert_int_eq(result, 11);
    ck_assert_int_eq(weft_cancelled(), WEFT_CAUSE_DEADLINE); /* pending all the same */
    ck_assert_int_eq(weft_scope_close(&inner), 0);
    ck_assert_int_eq(weft_yield(), 0);
    ck_assert_int_eq(weft_scope_close(&s), 0);
    return 0;
}

/* The joiner is refused; that the task ends while the refused one would give way, with a budget of
   one switch, does not undo it. Either it was refused, and the edge says so, or it was not. */
static int told_to_end;
static int ends_late(void *arg)
{
    (void)arg;
    while (!told_to_end)
        ck_assert_int_eq(weft_yield(), 0);
    return 11;
}
static int joins_in_a_scope(void *arg)
{
    int result = 0, error;
    weft_scope s;

    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    error = weft_await(*(weft_task *)arg, &result);
    ck_assert_int_eq(weft_scope_close(&s), error);
    ck_assert_int_eq(error, -ECANCELED);
    return error;
}
static int refused_join_main(void *arg)
{
    weft_task task, waiter;
    int result = 0;

    (void)arg;
    told_to_end = 0;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, ends_late, NULL, 0, OPT(.task = &task)), 0);
        ck_assert_int_eq(weft_spawn(&s, joins_in_a_scope, &task, sizeof task, OPT(.task = &waiter)),
                         0);
        ck_assert_int_eq(weft_yield(), 0);
        ck_assert_int_eq(weft_cancel(waiter), 1);
        ck_assert_int_eq(weft_yield(), 0);
        told_to_end = 1;
        ck_assert_int_eq(weft_join(waiter, &result), 0);
        ck_assert_int_eq(result, -ECANCELED);
        ck_assert_int_eq(weft_join(task, &result), 0);
        ck_assert_int_eq(result, 11);
    }
    return 0;
}
TEST(a_refused_join_stays_refused)
{
    struct weft_run_opt opt = {.size = sizeof opt, .budget = 1};

    ck_assert_int_eq(weft_run(refused_join_main, NULL, 0, &opt), 0);
    ck_assert_int_eq(run(refused_join_main), 0);
}

/* The main task is one like any other to whoever waits for it. */
static int joined_main_gave;
static int waits_for_main(void *arg)
{
    return weft_await(*(weft_task *)arg, &joined_main_gave);
}
static int main_that_is_joined(void *arg)
{
    weft_task self = weft_current_task();

    (void)arg;
    ck_assert_int_eq(weft_spawn(weft_root(), waits_for_main, &self, sizeof self, NULL), 0);
    ck_assert_int_eq(weft_yield(), 0);
    return -EPROTO;
}
TEST(main_is_joined)
{
    ck_assert_int_eq(run(main_that_is_joined), -EPROTO);
    ck_assert_int_eq(joined_main_gave, -EPROTO);
}

TEST(join_result_wins)
{
    ck_assert_int_eq(run(join_wins_main), 0);
    ck_assert_int_eq(run(join_wins_main_2), 0);
}

/* Kept records that nobody joined go with the scope, those alive when it closes too. */
static int kept_main(void *arg)
{
    weft_task tasks[100];
    int value = 1;

    (void)arg;
    for (int round = 0; round < 100; round++)
        WEFT_SCOPE(s)
            for (int i = 0; i < 100; i++)
                ck_assert_int_eq(weft_spawn(&s, i % 2 ? give_back : add_one, &value, sizeof value,
                                            OPT(.task = &tasks[i])),
                                 0);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(weft_await(tasks[i], NULL), -ESTALE);
    return 0;
}
TEST(kept_records_end_with_the_scope)
{
    ck_assert_int_eq(run(kept_main), 0);
}

TEST_MAIN("api.task_join", 30, two_joiners, cycles_of_joins, settled_join_is_unchecked,
          join_result_wins, a_refused_join_stays_refused, main_is_joined,
          kept_records_end_with_the_scope)
