/*
 * The cases of CPython's test_locks.py on Barrier. Catches a party let through too early or not at
 * all, one that counts though it was cancelled, and a broken barrier that lets somebody wait.
 */
#include "cases.h"

enum { PARTIES = 5 };

static weft_barrier barrier = WEFT_BARRIER_INIT(PARTIES);

static void together(weft_task_fn fn)
{
    WEFT_SCOPE(s)
        for (int i = 0; i < PARTIES; i++)
            start(&s, fn, NULL, 0);
}
static void nobody_waits(void)
{
    is(weft_barrier_waiting(&barrier), 0); /* and it is not broken */
}

/* Waits, and leaves its place as a digit, or 'b' for broken. */
static int waits(void *arg)
{
    (void)arg;
    int place = weft_barrier_wait(&barrier);

    if (place >= 0 || place == -EPIPE)
        leave(place < 0 ? 'b' : (char)('0' + place));
    return place == -EPIPE ? 0 : place;
}
static weft_task party(weft_scope *scope)
{
    return start(scope, waits, NULL, 0);
}

CASE(barrier_parties)
{
    weft_barrier none = WEFT_BARRIER_INIT(0);

    ck_misuse(weft_barrier_wait(&none), -EINVAL, "weft_barrier_wait", "parties");
    nobody_waits();
}

CASE(context_manager)
{
    barrier = (weft_barrier)WEFT_BARRIER_INIT(3);
    WEFT_SCOPE(s)
        for (int i = 0; i < 3; i++)
            party(&s);
    yes(count_of('0') == 1 && count_of('1') == 1 && count_of('2') == 1);
    nobody_waits();
}

CASE(filling_one_task)
{
    barrier = (weft_barrier)WEFT_BARRIER_INIT(1);
    is(weft_barrier_wait(&barrier), 0);
    nobody_waits();
}

CASE(filling_one_task_twice)
{
    barrier = (weft_barrier)WEFT_BARRIER_INIT(1);
    WEFT_SCOPE(s) {
        weft_task first = party(&s);
        turns(1);
        nobody_waits();
        weft_task again = party(&s);
        turns(1);
        yes(done(first) && done(again));
    }
    is_trail("00");
}

CASE(filling_task_by_task)
{
    barrier = (weft_barrier)WEFT_BARRIER_INIT(3);
    WEFT_SCOPE(s) {
        party(&s);
        turns(1);
        is(weft_barrier_waiting(&barrier), 1);
        party(&s);
        turns(1);
        is(weft_barrier_waiting(&barrier), 2);
        party(&s);
    }
    nobody_waits();
}

static int waits_twice(void *arg)
{
    (void)arg;
    is(weft_barrier_wait(&barrier) >= 0, 1);
    leave('1');
    int place = weft_barrier_wait(&barrier);
    leave('2');
    return place;
}
CASE(filling_tasks_wait_twice)
{
    together(waits_twice);
    is_trail("1111122222");
    nobody_waits();
}

CASE(filling_tasks_check_return_value)
{
    int places = 0;

    WEFT_SCOPE(s) {
        weft_task tasks[PARTIES];

        for (int i = 0; i < PARTIES; i++)
            tasks[i] = start(&s, waits_twice, NULL, 0);
        for (int i = 0; i < PARTIES; i++)
            places |= 1 << result_of(tasks[i]);
    }
    is(places, 0x1f);
    nobody_waits();
}

static weft_barrier others = WEFT_BARRIER_INIT(3);
static int again;
static int waits_again_or_elsewhere(void *arg)
{
    (void)arg;
    is(weft_barrier_wait(&barrier) >= 0, 1);
    if (again < 2) {
        again++;
        is(weft_barrier_wait(&barrier) >= 0, 1);
    } else {
        is(weft_barrier_wait(&others) >= 0, 1);
        is(weft_barrier_wait(&barrier) >= 0, 1);
    }
    return 0;
}
CASE(blocking_tasks_while_draining)
{
    together(waits_again_or_elsewhere);
    nobody_waits();
}

CASE(filling_tasks_cancel_one)
{
    barrier = (weft_barrier)WEFT_BARRIER_INIT(3);
    WEFT_SCOPE(s) {
        weft_task first = party(&s);
        turns(1);
        party(&s);
        turns(1);
        is(weft_barrier_waiting(&barrier), 2);
        is(weft_cancel(first), 1);
        turns(1);
        is(weft_barrier_waiting(&barrier), 1);
        is(result_of(first), -ECANCELED);
        party(&s);
        turns(1);
        is(weft_barrier_waiting(&barrier), 2);
        party(&s);
    }
    is(strlen(trail), 3);
    nobody_waits();
}

CASE(reset_barrier)
{
    is(weft_barrier_reset(&barrier), 0);
    nobody_waits();
}

CASE(reset_barrier_while_tasks_waiting)
{
    WEFT_SCOPE(s) {
        for (int i = 1; i < PARTIES; i++)
            party(&s);
        turns(1);
        is(weft_barrier_reset(&barrier), PARTIES - 1);
    }
    is_trail("bbbb");
    nobody_waits();
}

/* Stronger: who was let through is through, whatever becomes of the barrier before it runs. */
static int through;
static int resets_third(void *arg)
{
    (void)arg;
    is(weft_barrier_wait(&barrier) >= 0, 1);
    if (++through == 3)
        is(weft_barrier_reset(&barrier), 0);
    return 0;
}
CASE(reset_barrier_when_tasks_half_draining)
{
    together(resets_third);
    is(through, PARTIES);
    nobody_waits();
}

static int half_wait_again(void *arg)
{
    (void)arg;
    is(weft_barrier_wait(&barrier) >= 0, 1);
    if (++through <= 2) {
        is(weft_barrier_wait(&barrier), -EPIPE);
        leave('b');
    } else if (through == 3) {
        is(weft_barrier_reset(&barrier), 2);
    }
    return 0;
}
CASE(reset_barrier_when_tasks_half_draining_half_blocking)
{
    together(half_wait_again);
    is_trail("bb");
    nobody_waits();
}

static int waits_and_again_when_broken(void *arg)
{
    int place = weft_barrier_wait(&barrier);

    (void)arg;
    if (place == -EPIPE) {
        leave('b');
        place = weft_barrier_wait(&barrier);
    }
    leave(place >= 0 ? '+' : '-');
    return 0;
}
CASE(reset_barrier_while_tasks_waiting_and_waiting_again)
{
    WEFT_SCOPE(s) {
        for (int i = 1; i < PARTIES; i++)
            start(&s, waits_and_again_when_broken, NULL, 0);
        turns(1);
        is(weft_barrier_reset(&barrier), PARTIES - 1);
        turns(1);
        start(&s, waits_and_again_when_broken, NULL, 0);
    }
    is_trail("bbbb+++++");
    nobody_waits();
}

static int resets_last(void *arg)
{
    (void)arg;
    is(weft_barrier_wait(&barrier) >= 0, 1);
    if (++through == PARTIES)
        is(weft_barrier_reset(&barrier), PARTIES - 1); /* those who wait again already */
    else
        is(weft_barrier_wait(&barrier), -EPIPE);
    return weft_barrier_wait(&barrier);
}
CASE(reset_barrier_while_tasks_draining)
{
    together(resets_last);
    nobody_waits();
}

CASE(abort_barrier)
{
    is(weft_barrier_abort(&barrier), 0);
    is(weft_barrier_waiting(&barrier), -EPIPE);
    is(weft_barrier_wait(&barrier), -EPIPE);
}

static int half_wait_and_one_aborts(void *arg)
{
    (void)arg;
    is(weft_barrier_wait(&barrier) >= 0, 1);
    if (++through > 2)
        is(weft_barrier_abort(&barrier) >= 0, 1);
    else if (weft_barrier_wait(&barrier) == -EPIPE)
        leave('b');
    return 0;
}
CASE(abort_barrier_when_tasks_half_draining_half_blocking)
{
    together(half_wait_and_one_aborts);
    is_trail("bb");
    is(weft_barrier_waiting(&barrier), -EPIPE);
}

/* One fails between two rounds and breaks the barrier for those who have come to the second. */
static int one_aborts(void *arg)
{
    int place = weft_barrier_wait(&barrier);

    (void)arg;
    is(place >= 0, 1);
    if (place == PARTIES / 2)
        return weft_barrier_abort(&barrier) >= 0 ? 0 : -1;
    if (weft_barrier_wait(&barrier) == -EPIPE)
        leave('b');
    return 0;
}
CASE(abort_barrier_when_exception)
{
    together(one_aborts);
    is_trail("bbbb");
    is(weft_barrier_waiting(&barrier), -EPIPE);
}

static weft_barrier second = WEFT_BARRIER_INIT(PARTIES);
static int one_aborts_one_resets(void *arg)
{
    is(one_aborts(arg), 0);
    int place = weft_barrier_wait(&second);

    is(place >= 0, 1);
    if (place == PARTIES / 2)
        is(weft_barrier_reset(&barrier), 0);
    is(weft_barrier_wait(&second) >= 0, 1);
    is(weft_barrier_wait(&barrier) >= 0, 1);
    leave('+');
    return 0;
}
CASE(abort_barrier_when_exception_then_resetting)
{
    together(one_aborts_one_resets);
    is_trail("bbbb+++++");
    nobody_waits();
}

TEST_MAIN("asyncio.barriers", 60, barrier_parties, context_manager, filling_one_task,
          filling_one_task_twice, filling_task_by_task, filling_tasks_wait_twice,
          filling_tasks_check_return_value, blocking_tasks_while_draining, filling_tasks_cancel_one,
          reset_barrier, reset_barrier_while_tasks_waiting, reset_barrier_when_tasks_half_draining,
          reset_barrier_when_tasks_half_draining_half_blocking,
          reset_barrier_while_tasks_waiting_and_waiting_again, reset_barrier_while_tasks_draining,
          abort_barrier, abort_barrier_when_tasks_half_draining_half_blocking,
          abort_barrier_when_exception, abort_barrier_when_exception_then_resetting)
