/*
 * Races between results, deadlines and cancellations where several things are waited for: futures,
 * wait_for, gather, race, wait. The numbers are those of the list; race.h says how they are run.
 */
#include "race.h"

#define HOUR INT64_C(3600000000000)

static weft_future *future;

static int settles_at(void *arg)
{
    int64_t at = *(int64_t *)arg;
    int result;

    WEFT_SHIELD(at + HOUR)
        race_is(weft_sleep_until(at), 0);
    result = weft_future_set_result(future, 5);
    ck_assert(result == 0 || result == -EINVAL);
    return 0;
}

/* 22, for wait_for: the result and the deadline at the same time: one of the two, and the future
   says the same. Would catch a result that is settled and not told. */
static int body_22(void *arg)
{
    int64_t due = weft_after_us(50), at = due + (int64_t)race_pick(5) * 1000 - 2000, result = 0,
            inside = 0;
    int returned = 1;

    (void)arg;
    race_is(weft_future_create(&future, NULL), 0);
    WEFT_SCOPE(s) {
        race_is(weft_spawn(&s, settles_at, &at, sizeof at, NULL), 0);
        returned = weft_wait_for(weft_of_future(future), &result, due);
    }
    race_is(weft_future_result(future, &inside), 0);
    if (returned == 0)
        ck_assert(result == 5 && inside == 5);
    else
        ck_assert(returned == -ETIMEDOUT && inside == -ECANCELED);
    race_is(weft_cancelled(), 0);
    race_saw(returned == 0);
    weft_future_put(future);
    return 0;
}
TEST(race_22)
{
    race_each(.body = body_22, .outcomes = 2);
}

static int waits_24(void *arg)
{
    weft_task task = *(weft_task *)arg;
    int64_t result = 0;

    race_is(weft_wait_for(weft_of_task(task), &result, race_pick(2) ? 0 : WEFT_NEVER), 0);
    race_is(result, 3);
    race_is(weft_cancelled(), WEFT_CAUSE_CANCEL);
    race_is(weft_yield(), -ECANCELED);
    return 0;
}
static int gives(void *arg)
{
    race_yields(2);
    return *(int *)arg;
}

/* 24, for wait_for: the task has ended: its result, no suspension, an earlier cancellation is still
   there. Would catch one that is eaten, and an ended task that is cancelled. */
static int body_24(void *arg)
{
    weft_task task, waiter;
    int three = 3, result;

    (void)arg;
    WEFT_SCOPE(s) {
        race_is(weft_spawn(&s, gives, &three, sizeof three, RACE_OPT(.task = &task)), 0);
        ck_assert(!race_until(task, "nothing"));
        race_is(weft_spawn(&s, waits_24, &task, sizeof task, RACE_OPT(.task = &waiter)), 0);
        race_is(weft_cancel(waiter), 1);
        race_is(weft_join(waiter, &result), 0);
        race_is(result, 0);
    }
    return 0;
}
TEST(race_24)
{
    race_each(.body = body_24, .orders = true, .part = 4);
}

/* What stays with its work whatever comes, and ends as it was told to. */
struct stays {
    int64_t until;
    int result;
};
static bool begun, over;
static int stays(void *arg)
{
    struct stays *stay = arg;

    begun = true;
    WEFT_SHIELD(stay->until + HOUR)
        race_is(weft_sleep_until(stay->until), 0);
    over = true;
    return stay->result == -ECANCELED ? weft_yield() : stay->result;
}

/* 25: the inner work ignores the cancel: wait_for waits for it, and then says what came of it. A
   coroutine whose time is over before it is called, as on a busy machine, is not called. Would
   catch a timeout that leaves the work running, and a value thrown away. */
static int body_25(void *arg)
{
    static const int ends[] = {4, -EIO, -ECANCELED};
    struct stays stay = {.result = ends[race_pick(3)]};
    int64_t due = weft_after_us(50), result = 0;
    bool coroutine = race_pick(2);
    int returned = 1;

    (void)arg;
    begun = over = false;
    stay.until = due + (int64_t)race_pick(3) * 20000 - 1000;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        weft_awaitable it = weft_coro(stays, &stay, sizeof stay);
        if (!coroutine)
            race_is(weft_ensure_future(&it), 0);
        returned = weft_wait_for(it, &result, due);
        ck_assert(over == begun);
        ck_assert(begun || (coroutine && weft_now() >= due));
    }
    if (!begun)
        race_is(returned, -ETIMEDOUT);
    else if (stay.result == -ECANCELED)
        ck_assert(returned == -ETIMEDOUT || (returned == 0 && result == 0));
    else
        ck_assert(returned == 0 && result == stay.result);
    race_is(weft_cancelled(), 0);
    race_saw(returned == 0);
    return 0;
}
TEST(race_25)
{
    race_each(.body = body_25, .outcomes = 2);
}

static weft_task target;
static int cancels_at(void *arg)
{
    race_is(weft_sleep_until(*(int64_t *)arg), 0);
    (void)weft_cancel(target);
    return 0;
}
static int for_ever(void *arg)
{
    (void)arg;
    return weft_sleep_until(WEFT_NEVER);
}
static int waits_26(void *arg)
{
    weft_awaitable it = weft_coro(for_ever, NULL, 0);
    int returned;

    if (race_pick(2))
        race_is(weft_ensure_future(&it), 0);
    returned = weft_wait_for(it, NULL, *(int64_t *)arg);
    ck_assert(returned == -ETIMEDOUT || returned == -ECANCELED);
    race_saw(returned == -ETIMEDOUT);
    race_is(weft_sleep_until(WEFT_NEVER), -ECANCELED); /* the outer one is not lost */
    return 0;
}

/* 26: cancelled from outside at the moment of the timeout: one is told, and the cancellation
   survives. Would catch it being eaten. */
static int body_26(void *arg)
{
    int64_t due = weft_after_us(50), at = due + (int64_t)race_pick(5) * 1000 - 2000;

    (void)arg;
    WEFT_SCOPE(s) {
        race_is(weft_spawn(&s, waits_26, &due, sizeof due, RACE_OPT(.task = &target)), 0);
        race_is(weft_spawn(&s, cancels_at, &at, sizeof at, NULL), 0);
    }
    return 0;
}
TEST(race_26)
{
    race_each(.body = body_26, .outcomes = 2);
}

static int waits_27(void *arg)
{
    int64_t due = *(int64_t *)arg;
    int returned = weft_wait_for(weft_coro(for_ever, NULL, 0), NULL, due);

    ck_assert(returned == -ETIMEDOUT || returned == -ECANCELED); /* it was due before this began */
    return returned;
}

/* 27: nested, at one time: the inner says so once; the outer then has its error for a result, or
   says so itself. Would catch a timeout that passes as a cancellation. */
static int body_27(void *arg)
{
    int64_t due = weft_after_us(50), result = 0;
    int returned;

    (void)arg;
    returned = weft_wait_for(weft_coro(waits_27, &due, 0), &result, due);
    ck_assert(returned == -ETIMEDOUT || (returned == 0 && result == -ETIMEDOUT));
    race_is(weft_cancelled(), 0);
    return 0;
}
TEST(race_27)
{
    race_each(.body = body_27, .part = 2);
}

/* 28: the waiter behind a shield is cancelled, and the task fails later: its scope hears of it,
   once. 29: the task behind the shield is cancelled itself: the waiter has that for a result, and
   is not cancelled. Would catch an error that is lost or told twice. */
static weft_task inner;
static int waits_shielded(void *arg)
{
    int64_t result = 0;
    int returned = weft_wait_for(weft_shield(weft_of_task(inner)), &result, WEFT_NEVER);

    (void)arg;
    if (returned == 0) {
        ck_assert(result == -EIO || result == -ECANCELED);
        return 1;
    }
    race_is(returned, -ECANCELED);
    return returned;
}
static int fails_later(void *arg)
{
    int error;

    (void)arg;
    race_yields(1);
    error = weft_yield();
    return error < 0 ? error : -EIO;
}
static int body_28(void *arg)
{
    bool directly = race_pick(2);
    weft_task waiter;
    int result;

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        race_is(weft_spawn(&s, fails_later, NULL, 0, RACE_OPT(.task = &inner)), 0);
        race_is(weft_spawn(&s, waits_shielded, NULL, 0, RACE_OPT(.task = &waiter)), 0);
        race_yields(3);
        race_ok(weft_cancel(directly ? inner : waiter));
        race_is(weft_join(waiter, &result), 0);
        if (directly)
            race_is(result, 1);
        else
            ck_assert(result == 1 || result == -ECANCELED);
        race_saw((uint32_t)(directly + 2 * (result == 1)));
        race_is(weft_join(inner, &result), 0);
        ck_assert(result == -EIO || (directly && result == -ECANCELED));
        race_is(weft_scope_errors(&s, NULL, 0), result == -EIO);
    }
    return 0;
}
TEST(race_28_29)
{
    race_each(.body = body_28, .orders = true);
}

/* 30: one fails while another completes, and a third is slow: all have ended, the first error is
   kept, each result is its own. Would catch a sibling left behind. */
static int running;
static int counted(void *arg)
{
    int result = *(int *)arg;

    running++;
    for (uint32_t i = race_pick(3); i > 0 && result != 9; i--)
        if (weft_yield() < 0)
            break;
    if (result == 9)
        result = weft_sleep_until(WEFT_NEVER);
    running--;
    return result;
}
static int body_30(void *arg)
{
    static const int ends[] = {-EIO, 2, -ENOENT, 9};
    weft_awaitable list[4];
    int64_t r[4];
    int returned;

    (void)arg;
    running = 0;
    for (int i = 0; i < 4; i++)
        list[i] = weft_coro(counted, &ends[i], sizeof ends[i]);
    returned = weft_gather(list, 4, r, 0);
    race_is(running, 0);
    ck_assert(returned == -EIO || returned == -ENOENT);
    ck_assert(r[0] == -EIO && r[1] == 2 && r[2] == -ENOENT && r[3] == -ECANCELED);
    race_saw(returned == -EIO);
    return 0;
}
TEST(race_30)
{
    race_each(.body = body_30, .orders = true, .outcomes = 2);
}

/* 31: cancelled when all children have ended and the gather has not run yet, or a little before:
   values win, the cancellation stays. 33: it is a child that cancels. */
static bool from_inside;
static int two_then(void *arg)
{
    (void)arg;
    if (from_inside)
        race_ok(weft_cancel(target));
    race_yields(1);
    return 2;
}
static int gathers_31(void *arg)
{
    int64_t r[2] = {0, 0};
    int two = 2, returned;

    (void)arg;
    returned =
        weft_gather(WEFT_LIST(weft_coro(gives, &two, sizeof two), weft_coro(two_then, NULL, 0)), r,
                    0);
    if (returned == 0)
        ck_assert(r[0] == 2 && r[1] == 2);
    else
        race_is(returned, -ECANCELED);
    while (weft_yield() == 0) /* it stays, or is on its way */
        ;
    race_saw(returned == 0);
    return 0;
}
static int body_31(void *arg)
{
    weft_task task;

    (void)arg;
    from_inside = race_pick(2);
    WEFT_SCOPE(s) {
        race_is(weft_spawn(&s, gathers_31, NULL, 0, RACE_OPT(.task = &task)), 0);
        target = task;
        if (!from_inside) {
            for (uint32_t i = 1 + race_pick(4); i > 0; i--)
                race_is(weft_yield(), 0);
            race_is(weft_cancel(task), 1);
        }
        race_is(weft_join(task, NULL), 0);
    }
    return 0;
}
TEST(race_31_33)
{
    race_each(.body = body_31, .orders = true);
}

/* 32: the same task twice, and none at all. 34: two complete in one batch: both are told. */
static int body_32(void *arg)
{
    int seven = 7, ended;
    int64_t r[2];
    bool done[2];
    weft_task a, b;

    (void)arg;
    race_is(weft_gather(NULL, 0, NULL, 0), 0);
    WEFT_SCOPE(s) {
        race_is(weft_spawn(&s, gives, &seven, sizeof seven, RACE_OPT(.task = &a)), 0);
        race_is(weft_spawn(&s, gives, &seven, sizeof seven, RACE_OPT(.task = &b)), 0);
        race_is(weft_gather(WEFT_LIST(weft_of_task(a), weft_of_task(a)), r, 0), 0);
        ck_assert(r[0] == 7 && r[1] == 7);
        ended = weft_wait(WEFT_LIST(weft_of_task(b), weft_of_task(a)), done, WEFT_FIRST_COMPLETED,
                          WEFT_NEVER);
        ck_assert(ended == 1 || ended == 2);
        ck_assert(done[1] && done[0] == (ended == 2));
        race_saw(ended == 2);
    }
    return 0;
}
TEST(race_32_34)
{
    race_each(.body = body_32, .orders = true, .outcomes = 2);
}

/* 41, for futures: two wait, one is cancelled, in any order with the result. Would catch a waiter
   that is woken after it left, and one that is not. */
static int waits_41(void *arg)
{
    int64_t result = 0;
    int error = weft_future_await(future, &result);

    (void)arg;
    if (error == 0)
        race_is(result, 6);
    return error;
}
static int body_41(void *arg)
{
    weft_task a, b;
    int result_a, result_b;
    bool settle_first = race_pick(2);

    (void)arg;
    race_is(weft_future_create(&future, NULL), 0);
    WEFT_SCOPE(s) {
        race_is(weft_spawn(&s, waits_41, NULL, 0, RACE_OPT(.task = &a)), 0);
        race_is(weft_spawn(&s, waits_41, NULL, 0, RACE_OPT(.task = &b)), 0);
        race_yields(2);
        if (settle_first)
            race_is(weft_future_set_result(future, 6), 0);
        race_ok(weft_cancel(a));
        if (!settle_first) {
            if (race_pick(2))
                race_is(weft_yield(), 0);
            race_is(weft_future_set_result(future, 6), 0);
        }
        race_is(weft_join(a, &result_a), 0);
        race_is(weft_join(b, &result_b), 0);
    }
    race_is(result_b, 0);
    ck_assert(result_a == 0 || (!settle_first && result_a == -ECANCELED));
    race_saw(result_a == 0);
    weft_future_put(future);
    return 0;
}
TEST(race_41)
{
    race_each(.body = body_41, .orders = true, .outcomes = 2);
}

/* 46: a future is settled by another reactor, or a foreign thread, and its waiter cancelled, at
   once: it has the result or it left, never neither; the future is settled either way. Would catch
   a message that finds its frame gone. */
static void *settles_outside(void *arg)
{
    for (uintptr_t i = (uintptr_t)arg; i > 0; i--)
        race_pause();
    ck_assert_int_eq(weft_future_set_result(future, 6), 0);
    weft_future_put(future);
    return NULL;
}
static int settles_there(void *arg)
{
    (void)arg;
    race_yields(2);
    ck_assert_int_eq(weft_future_set_result(future, 6), 0);
    return 0;
}
static int body_46(void *arg)
{
    struct race_thread *thread = NULL;
    bool outside = race_pick(2);
    weft_task waiter;
    int result;

    (void)arg;
    race_is(weft_future_create(&future, NULL), 0);
    WEFT_SCOPE(s) {
        race_is(weft_spawn(&s, waits_41, NULL, 0, RACE_OPT(.task = &waiter)), 0);
        race_is(weft_yield(), 0);
        if (outside) {
            weft_future_retain(future);
            thread = race_thread_start(settles_outside, (void *)(uintptr_t)race_pick(3));
        } else {
            race_is(weft_spawn(&s, settles_there, NULL, 0, RACE_OPT(.reactor = WEFT_ON(1))), 0);
        }
        race_yields(4);
        race_ok(weft_cancel(waiter));
        race_is(weft_join(waiter, &result), 0);
        ck_assert(result == 0 || result == -ECANCELED);
        race_saw(result == 0);
    }
    if (outside)
        race_thread_join(thread);
    ck_assert(weft_future_done(future));
    weft_future_put(future);
    return 0;
}
TEST(race_46)
{
    race_each(.body = body_46, .reactors = 2, .outcomes = 2);
}

TEST_MAIN("race_future", 3600, race_22, race_24, race_25, race_26, race_27, race_28_29, race_30,
          race_31_33, race_32_34, race_41, race_46)
