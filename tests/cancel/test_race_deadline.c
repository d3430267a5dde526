/*
 * Races between deadlines and what they are to end, or outer deadlines and cancellations. The
 * numbers are those of the list; race.h says how they are run.
 */
#include "race.h"

#define HOUR INT64_C(3600000000000)

static int sends_at(void *arg)
{
    struct {
        int fd;
        int64_t at;
    } *when = arg;

    race_is(weft_sleep_until(when->at), 0);
    race_is(weft_send(when->fd, "x", 1, 0), 1);
    return 0;
}

/* 22: a deadline and the completion at the same time: the result wins, and who was refused finds
   the byte still there. Would catch a timeout that eats a byte, and a deadline left armed. */
static int body_22(void *arg)
{
    char byte = 0;
    int fds[2];
    ssize_t n;

    (void)arg;
    race_pair(fds);
    WEFT_SCOPE(s) {
        int64_t due = weft_after_us(200 + race_pick(4));
        struct {
            int fd;
            int64_t at;
        } when = {fds[1], due - race_pick(5) * 1000};
        race_is(weft_spawn(&s, sends_at, &when, sizeof when, NULL), 0);
        if (race_pick(2)) {
            n = weft_recv_until(fds[0], &byte, 1, 0, due);
            ck_assert(n == 1 || n == -ETIMEDOUT);
            if (n < 0)
                race_is(weft_cause(), WEFT_CAUSE_DEADLINE);
        } else {
            weft_scope inner;
            race_is(weft_scope_open(&inner, RACE_SCOPE(.deadline = due)), 0);
            n = weft_recv(fds[0], &byte, 1, 0);
            ck_assert(n == 1 || n == -ECANCELED);
            race_is(weft_scope_close(&inner), n == 1 ? 0 : -ETIMEDOUT);
        }
        race_is(weft_cancelled(), 0);
        race_saw(n == 1);
        if (n != 1)
            race_is(weft_recv(fds[0], &byte, 1, 0), 1);
        race_is(byte, 'x');
    }
    race_is(weft_close(fds[0]), 0);
    race_is(weft_close(fds[1]), 0);
    return 0;
}
TEST(race_22)
{
    race_each(.body = body_22, .outcomes = 2, .plan = "net.lost=0 net.latency=0..20us");
}

/* 23: deadlines at once, in the past, none and never. Would catch an overflow, and a past deadline
   that sleeps. */
static int body_23(void *arg)
{
    static const int64_t past[] = {1, -1, INT64_MIN, -HOUR};
    char byte;
    int fds[2];

    (void)arg;
    race_pair(fds);
    for (int i = 0; i < 4; i++) {
        race_is(weft_recv_until(fds[0], &byte, 1, 0, past[i]), -ETIMEDOUT);
        race_is(weft_sleep_until(past[i]), 0);
    }
    race_is(weft_sleep(INT64_MIN), 0);
    for (int i = 0; i < 2; i++) {
        weft_scope s;
        race_is(weft_scope_open(&s, RACE_SCOPE(.deadline = i ? WEFT_NEVER : 0)), 0);
        race_is(weft_sleep(1000), 0);
        race_is(weft_send(fds[1], "x", 1, 0), 1);
        race_is(weft_recv_until(fds[0], &byte, 1, 0, WEFT_NEVER), 1);
        race_is(weft_scope_close(&s), 0);
    }
    race_is(weft_close(fds[0]), 0);
    race_is(weft_close(fds[1]), 0);
    return 0;
}
TEST(race_23)
{
    race_each(.body = body_23, .part = 4);
}

/* 24, for joining: the task has ended already: its result, no suspension, and an earlier cancel is
   still pending afterwards. Would catch a settled wait that eats a cancellation. */
static int joins_24(void *arg)
{
    weft_task ended = *(weft_task *)arg;
    int result = 0;

    race_is(weft_await(ended, &result), 0);
    race_is(result, 7);
    race_is(weft_yield(), -ECANCELED);
    return 0;
}
static int body_24(void *arg)
{
    int seven = 7;
    weft_task ended, waiter;

    (void)arg;
    WEFT_SCOPE(s) {
        race_is(weft_spawn(&s, race_yields_then, &seven, sizeof seven, RACE_OPT(.task = &ended)),
                0);
        ck_assert(!race_until(ended, "nothing")); /* until it is over */
        race_is(weft_spawn(&s, joins_24, &ended, sizeof ended, RACE_OPT(.task = &waiter)), 0);
        race_is(weft_cancel(waiter), 1);
        race_is(weft_cancel(ended), 0);
        race_is(weft_join(waiter, &seven), 0);
        race_is(seven, 0);
        race_is(weft_join(ended, NULL), 0);
        race_is(weft_cancel(ended), -ESTALE);
    }
    return 0;
}
TEST(race_24)
{
    race_each(.body = body_24, .orders = true, .part = 4);
}

/* 25, for scopes: what is inside ignores the deadline: the close waits for it, then reports. Would
   catch an edge that returns with a child still running. */
static int64_t ended_25;
static int ignores(void *arg)
{
    int64_t until = *(int64_t *)arg;

    WEFT_SHIELD(until + HOUR)
        race_is(weft_sleep_until(until), 0);
    ended_25 = weft_now();
    return race_pick(2) ? 5 : weft_yield();
}
static int body_25(void *arg)
{
    int64_t due = weft_after_us(50), until = due + race_pick(3) * 20000 - 1000;
    weft_scope s;
    int edge, error;

    (void)arg;
    ended_25 = 0;
    race_is(weft_scope_open(&s, RACE_SCOPE(.deadline = due)), 0);
    error = weft_spawn(&s, ignores, &until, sizeof until, NULL);
    ck_assert(error == 0 || error == -ECANCELED); /* a slow machine: it was due before */
    edge = weft_scope_close(&s);
    if (error == 0)
        ck_assert(ended_25 >= until);
    ck_assert(edge == 0 || edge == -ETIMEDOUT || edge == -ECANCELED);
    race_saw(edge != 0);
    return 0;
}
TEST(race_25)
{
    race_each(.body = body_25, .outcomes = 2);
}

/* 26, for scopes: cancelled from further out at the moment its deadline passes: one of the two is
   the edge's, and the outer cancellation is still there. Would catch it being eaten. */
static weft_scope *outer_26;
static int cancels_at(void *arg)
{
    race_is(weft_sleep_until(*(int64_t *)arg), 0);
    race_ok(weft_scope_cancel(outer_26));
    return 0;
}
static int body_26(void *arg)
{
    int64_t due = weft_after_us(50), at = due + (int64_t)race_pick(5) * 1000 - 2000;
    weft_scope aside, outer, inner;
    int edge;

    (void)arg;
    race_is(weft_scope_open(&aside, NULL), 0);
    race_is(weft_spawn(&aside, cancels_at, &at, sizeof at, NULL), 0);
    race_is(weft_scope_open(&outer, NULL), 0);
    outer_26 = &outer;
    race_is(weft_scope_open(&inner, RACE_SCOPE(.deadline = due)), 0);
    race_is(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    edge = weft_scope_close(&inner);
    ck_assert(edge == -ETIMEDOUT || edge == -ECANCELED);
    race_saw(edge == -ETIMEDOUT);
    race_is(weft_sleep_until(WEFT_NEVER), -ECANCELED); /* the outer one is not lost */
    race_is(weft_scope_close(&outer), 0);
    race_is(weft_scope_close(&aside), 0);
    return 0;
}
TEST(race_26)
{
    race_each(.body = body_26, .outcomes = 2);
}

/* 27: nested deadlines at the same time: both edges say so, in whatever order they fired; a later
   outer one is not met by the inner edge. Would catch one deadline eating the other. */
static int body_27(void *arg)
{
    int64_t due = weft_after_us(50), gap = (int64_t)race_pick(3) * 1000 - 1000;
    weft_scope outer, inner;
    int edge;

    (void)arg;
    race_is(weft_scope_open(&outer, RACE_SCOPE(.deadline = due)), 0);
    race_is(weft_scope_open(&inner, RACE_SCOPE(.deadline = due + gap)), 0);
    race_is(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    edge = weft_scope_close(&inner);
    if (gap <= 0)
        race_is(edge, -ETIMEDOUT);
    else
        ck_assert(edge == -ETIMEDOUT || edge == -ECANCELED);
    race_saw(edge == -ETIMEDOUT);
    race_is(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    race_is(weft_scope_close(&outer), -ETIMEDOUT);
    return 0;
}
TEST(race_27)
{
    race_each(.body = body_27, .outcomes = 2);
}

/* 51: a deadline is moved while it fires: it is moved, or it has fired, and then it counts. */
static int body_51(void *arg)
{
    weft_scope s;
    int moved = 0, result = 0;

    (void)arg;
    race_is(weft_scope_open(&s, RACE_SCOPE(.deadline = weft_after_us(race_pick(20)))), 0);
    while (moved == 0 && result == 0) {
        result = weft_sleep(race_pick(4000));
        moved = weft_scope_reschedule(&s, race_pick(4) ? weft_after_us(race_pick(10)) : 1);
    }
    ck_assert(moved == 0 || moved == -EALREADY);
    if (result == 0)
        result = weft_sleep_until(WEFT_NEVER);
    race_is(result, -ECANCELED);
    race_is(weft_scope_close(&s), -ETIMEDOUT);
    return 0;
}
TEST(race_51)
{
    race_each(.body = body_51);
}

TEST_MAIN("race_deadline", 3600, race_22, race_23, race_24, race_25, race_26, race_27, race_51)
