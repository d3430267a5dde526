/*
 * Races between cancellations and the beginnings and ends of tasks, and of those that wait for
 * them. The numbers are those of the list; race.h says how they are run.
 */
#include "race.h"

#define HOUR INT64_C(3600000000000)

/* What became of a task that was spawned. */
struct fate {
    int ran, dropped, first;
};
static struct fate fate;

static int lives(void *arg)
{
    (void)arg;
    fate.ran++;
    fate.first = weft_sleep(1000);
    return fate.first;
}
static void drops(void *arg)
{
    (void)arg;
    fate.dropped++;
}

/* 1: cancelled before it first ran: the body meets -ECANCELED at its first suspension, or the drop
   function gets the argument. Would catch an argument that nobody releases, or two do. */
static int body_01(void *arg)
{
    bool remote = weft_reactors() > 1 && race_pick(2), with_drop = race_pick(2);
    weft_task task;
    int result;

    (void)arg;
    fate = (struct fate){0};
    WEFT_SCOPE(s) {
        race_is(weft_spawn(&s, lives, NULL, 0,
                           RACE_OPT(.task = &task, .drop = with_drop ? drops : NULL,
                                    .reactor = remote ? WEFT_ON(1) : 0)),
                0);
        if (remote)
            race_yields(3);
        race_ok(race_pick(2) ? weft_cancel(task) : weft_scope_cancel(&s));
        WEFT_SHIELD(weft_after_ms(3600000))
            race_is(weft_join(task, &result), 0);
        ck_assert(result == -ECANCELED || (remote && result == 0));
    }
    race_is(fate.ran + fate.dropped, 1);
    if (!with_drop)
        race_is(fate.dropped, 0);
    else if (!remote)
        race_is(fate.ran, 0);
    race_saw(fate.ran != 0);
    return 0;
}
TEST(race_01)
{
    race_each(.body = body_01, .orders = true, .outcomes = 2);
}
TEST(race_01_remote)
{
    race_each(.body = body_01, .reactors = 2, .outcomes = 2);
}

/* 49: spawning into a scope as it is cancelled: refused, and nothing taken; or the child meets its
   cancellation. Would catch an argument that is taken and never released. */
static int body_49(void *arg)
{
    weft_scope s;
    weft_task task;
    int error;

    (void)arg;
    fate = (struct fate){0};
    race_is(weft_scope_open(&s, RACE_SCOPE(.max_tasks = 1 + race_pick(2))), 0);
    if (race_pick(2))
        race_is(weft_scope_cancel(&s), 1);
    error = weft_spawn(&s, lives, NULL, 0, RACE_OPT(.task = &task, .drop = drops));
    ck_assert(error == 0 || error == -ECANCELED);
    race_saw(error == 0);
    if (error == 0) {
        race_yields(2);
        race_ok(weft_scope_cancel(&s));
        race_is(weft_spawn_nowait(&s, lives, NULL, 0, NULL), -ECANCELED);
    }
    race_is(weft_scope_close(&s), 0);
    race_is(fate.ran + fate.dropped, error == 0);
    return 0;
}
TEST(race_49)
{
    race_each(.body = body_49, .orders = true, .outcomes = 2, .part = 4);
}

/* -- tasks that wait for tasks ---------------------------------------------------------------- */

static int cancels_it(void *arg)
{
    weft_task task = *(weft_task *)arg;

    race_yields(2);
    race_ok(weft_cancel(task));
    return weft_yield() < 0 ? -ECANCELED : 1;
}
static int has_child_that_cancels_it(void *arg)
{
    weft_task self = weft_current_task();
    int result = 0;

    (void)arg;
    WEFT_SCOPE(s) {
        race_is(weft_spawn(&s, cancels_it, &self, sizeof self, NULL), 0);
        if (race_pick(2))
            result = weft_sleep(HOUR);
    } /* or while it closes */
    race_is(weft_yield(), -ECANCELED);
    return result;
}

/* 33, for scopes: a child cancels its parent, which waits or closes. Would catch a close that never
   ends, and a request that is lost in it. */
static int body_33(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        weft_task task;
        int result;
        race_is(weft_spawn(&s, has_child_that_cancels_it, NULL, 0, RACE_OPT(.task = &task)), 0);
        race_is(weft_join(task, &result), 0);
        ck_assert(result == 0 || result == -ECANCELED);
        race_saw(result == 0);
    }
    return 0;
}
TEST(race_33)
{
    race_each(.body = body_33, .orders = true, .outcomes = 2, .part = 4);
}

static int awaits(void *arg)
{
    int result = 0, error = weft_await(*(weft_task *)arg, &result);

    return error < 0 ? error : result;
}

/* 41: two wait for one task, one of them is cancelled as it ends: the other has its result. */
static int body_41(void *arg)
{
    int nine = 9, results[2];
    weft_task target, waiters[2];

    (void)arg;
    WEFT_SCOPE(s) {
        race_is(weft_spawn(&s, race_yields_then, &nine, sizeof nine, RACE_OPT(.task = &target)), 0);
        for (int i = 0; i < 2; i++)
            race_is(weft_spawn(&s, awaits, &target, sizeof target, RACE_OPT(.task = &waiters[i])),
                    0);
        race_yields(4);
        race_ok(weft_cancel(waiters[0]));
        for (int i = 0; i < 2; i++)
            race_is(weft_join(waiters[i], &results[i]), 0);
        race_is(results[1], 9);
        ck_assert(results[0] == 9 || results[0] == -ECANCELED);
        race_saw(results[0] == 9);
        race_is(weft_join(target, &nine), 0);
        race_is(nine, 9);
    }
    return 0;
}
TEST(race_41)
{
    race_each(.body = body_41, .orders = true, .outcomes = 2, .part = 4);
}

/* And when the task has ended, and the waiter stands in the ready queue with its result: it has
   that, and its next call is refused. Would catch a result that is handed over and then thrown
   away. */
static int awaits_and_yields(void *arg)
{
    int result = awaits(arg);

    race_is(weft_yield(), -ECANCELED);
    return result;
}
static bool told_41;
static int ends_when_told(void *arg)
{
    (void)arg;
    while (!told_41)
        race_is(weft_yield(), 0);
    return 9;
}
static int body_41_handed_over(void *arg)
{
    int result;
    weft_task target, waiter;

    (void)arg;
    WEFT_SCOPE(s) {
        told_41 = false;
        race_is(weft_spawn(&s, ends_when_told, NULL, 0, RACE_OPT(.task = &target)), 0);
        race_is(weft_spawn(&s, awaits_and_yields, &target, sizeof target,
                           RACE_OPT(.task = &waiter)),
                0);
        ck_assert(race_until(waiter, "join"));
        told_41 = true;
        ck_assert(race_until(waiter, "ready"));
        race_is(weft_cancel(waiter), 1);
        race_is(weft_join(waiter, &result), 0);
        race_is(result, 9);
    }
    return 0;
}
TEST(race_41_handed_over)
{
    race_each(.body = body_41_handed_over, .orders = true, .part = 4);
}

static weft_task pair_42[2];
static int cancels_its_canceller(void *arg)
{
    int self = *(int *)arg, result = 0;

    race_yields(2);
    if (race_pick(2)) {
        race_is(weft_cancel(weft_current_task()), 1);
        race_is(weft_yield(), -ECANCELED);
        ck_assert(weft_uncancel() >= 0);
    }
    race_ok(weft_cancel(pair_42[1 - self]));
    for (int i = 0; i < 3 && result == 0; i++)
        result = weft_yield();
    return result;
}

/* 42: a task cancels itself, and two cancel each other. Would catch a walk that meets itself. */
static int body_42(void *arg)
{
    int which[2] = {0, 1}, results[2];

    (void)arg;
    WEFT_SCOPE(s) {
        for (int i = 0; i < 2; i++)
            race_is(weft_spawn(&s, cancels_its_canceller, &which[i], sizeof which[i],
                               RACE_OPT(.task = &pair_42[i])),
                    0);
        for (int i = 0; i < 2; i++) {
            race_is(weft_join(pair_42[i], &results[i]), 0);
            ck_assert(results[i] == 0 || results[i] == -ECANCELED);
        }
    }
    return 0;
}
TEST(race_42)
{
    race_each(.body = body_42, .orders = true, .part = 4);
}

static weft_task ring_43[3];
static int awaits_next(void *arg)
{
    int next = (*(int *)arg + 1) % 3, error;

    race_yields(1);
    error = weft_await(ring_43[next], NULL);
    return error;
}

/* 43: a cycle of waits, and a cancel: nobody hangs. */
static int body_43(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        int refused = 0, result;
        for (int i = 0; i < 3; i++)
            race_is(weft_spawn(&s, awaits_next, &i, sizeof i, RACE_OPT(.task = &ring_43[i])), 0);
        race_yields(3);
        if (race_pick(2))
            race_ok(weft_cancel(ring_43[race_pick(3)]));
        for (int i = 0; i < 3; i++) {
            race_is(weft_join(ring_43[i], &result), 0);
            ck_assert(result == 0 || result == -EDEADLK || result == -ECANCELED ||
                      result == -ESTALE);
            refused += result == -EDEADLK;
        }
        ck_assert_int_le(refused, 1);
        race_saw(refused != 0);
    }
    return 0;
}
TEST(race_43)
{
    race_each(.body = body_43, .outcomes = 2);
}

/* 44: a second cancel during clean-up; the clean-up is shielded and ends. */
static int cleaned;
static void cleans(void *arg)
{
    (void)arg;
    race_is(weft_sleep(20000), 0);
    WEFT_SHIELD(weft_after_ms(3600000))
        race_is(weft_sleep(20000), 0);
    cleaned++;
}
static int has_clean_up(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        race_is(weft_scope_defer(&s, cleans, NULL), 0);
        race_is(weft_scope_defer(&s, cleans, NULL), 0);
        race_is(weft_sleep(HOUR), -ECANCELED);
    }
    race_is(weft_yield(), -ECANCELED);
    return 0;
}
static int body_44(void *arg)
{
    weft_task task;

    (void)arg;
    cleaned = 0;
    WEFT_SCOPE(s) {
        race_is(weft_spawn(&s, has_clean_up, NULL, 0, RACE_OPT(.task = &task)), 0);
        race_is(weft_yield(), 0);
        for (int i = 0; i < 3; i++) {
            race_is(weft_cancel(task), 1);
            if (race_pick(2))
                race_is(weft_sleep(1 + race_pick(3) * 5000), 0);
        }
        race_ok(weft_scope_cancel(&s));
    }
    race_is(cleaned, 2);
    return 0;
}
TEST(race_44)
{
    race_each(.body = body_44, .part = 2);
}

TEST_MAIN("race_task", 3600, race_01, race_01_remote, race_49, race_33, race_41,
          race_41_handed_over, race_42, race_43, race_44)
