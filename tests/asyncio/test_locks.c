/*
 * The cases of CPython's test_locks.py on Lock and Event. Catches a waiter that is served out of
 * order, stays in the row when it was cancelled, or takes the turn of another one with it.
 */
#include "cases.h"

static weft_lock lock = WEFT_LOCK_INIT;

/* Takes the lock and leaves its mark; 'A', 'B', ... release it as well, digits keep it a while. */
static int takes(void *arg)
{
    char mark = *(char *)arg;
    int error = weft_lock_acquire(&lock);

    if (error < 0)
        return error;
    leave(mark);
    if (mark >= 'A')
        is(weft_lock_release(&lock), 0);
    return 0;
}
static weft_task taker(weft_scope *scope, char mark)
{
    return start(scope, takes, &mark, 1);
}

CASE(acquire)
{
    is(weft_lock_acquire(&lock), 0);
    WEFT_SCOPE(s) {
        taker(&s, 'A');
        taker(&s, 'B');
        turns(1);
        is_trail("");
        is(weft_lock_release(&lock), 0);
        turns(2);
        is_trail("AB");
        taker(&s, 'C');
        turns(1);
        is_trail("ABC");
    }
}

static int takes_and_releases(void *arg)
{
    (void)arg;
    int error = weft_lock_acquire(&lock);

    return error < 0 ? error : weft_lock_release(&lock);
}
CASE(acquire_cancel)
{
    is(weft_lock_acquire(&lock), 0);
    WEFT_SCOPE(s) {
        weft_task task = start(&s, takes_and_releases, NULL, 0);
        is(weft_call_soon(cancels, &task, NULL), 0);
        is(result_of(task), -ECANCELED);
    }
    is(weft_lock_release(&lock), 0);
    no(weft_lock_held(&lock)); /* and nobody was left in the row to be given it */
}

static weft_future *held_until;
static int holds(void *arg)
{
    (void)arg;
    is(weft_lock_acquire(&lock), 0);
    is(weft_future_await(held_until, NULL), 0);
    return weft_lock_release(&lock);
}
CASE(cancel_race)
{
    is(weft_future_create(&held_until, NULL), 0);
    WEFT_SCOPE(s) {
        weft_task a = start(&s, holds, NULL, 0);
        turns(1);
        yes(weft_lock_held(&lock));
        weft_task b = taker(&s, 'B');
        turns(1);
        weft_task c = taker(&s, 'C');
        turns(1);
        is(weft_future_set_result(held_until, 0), 0);
        is(weft_cancel(b), 1);
        is(result_of(a), 0);
        is(result_of(b), -ECANCELED);
        is(result_of(c), 0);
        no(weft_lock_held(&lock));
        is_trail("C");
    }
    weft_future_put(held_until);
}

static weft_task tasks[5];
static int held, called;
static int holds_for_long(void *arg)
{
    (void)arg;
    called++;
    int error = weft_lock_acquire(&lock);
    if (error == 0) {
        held++;
        error = weft_sleep(EVER);
        is(weft_lock_release(&lock), 0);
    }
    return error;
}
static void cancels_first(void *arg)
{
    (void)arg;
    is(weft_cancel(tasks[0]), 1);
}
CASE(cancel_release_race)
{
    is(weft_lock_acquire(&lock), 0);
    WEFT_SCOPE(s) {
        for (int i = 0; i < 3; i++)
            tasks[i] = start(&s, holds_for_long, NULL, 0);
        turns(1);
        is(weft_call_soon(cancels_first, NULL, NULL), 0);
        is(weft_lock_release(&lock), 0); /* to the first: it was given before it was cancelled */
        turns(3);
        is(called, 3);
        is(held, 2); /* stronger: it has it, and passes it on itself; one at a time all the same */
        is(result_of(tasks[0]), -ECANCELED);
        no(done(tasks[2]));
        is(weft_cancel(tasks[1]), 1);
        is(weft_cancel(tasks[2]), 1);
    }
    no(weft_lock_held(&lock));
}

CASE(finished_waiter_cancelled)
{
    is(weft_lock_acquire(&lock), 0);
    WEFT_SCOPE(s) {
        weft_task b = taker(&s, 'B');
        turns(1);
        weft_task c = taker(&s, 'C');
        is(weft_cancel(b), 1);
        is(weft_lock_release(&lock), 0);
        is(result_of(b), -ECANCELED);
        is(result_of(c), 0); /* it was woken in place of the other one */
    }
    is_trail("C");
}

CASE(release_not_acquired)
{
    ck_misuse(weft_lock_release(&lock), -EINVAL, "weft_lock_release", "nobody holds");
}

CASE(release_no_waiters)
{
    is(weft_lock_acquire(&lock), 0);
    yes(weft_lock_held(&lock));
    is(weft_lock_release(&lock), 0);
    no(weft_lock_held(&lock));
}

CASE(context_manager)
{
    no(weft_lock_held(&lock));
    WEFT_LOCKED(&lock)
    yes(weft_lock_held(&lock));
    no(weft_lock_held(&lock));
}

/* -- Event ---------------------------------------------------------------------------------- */

static weft_event event = WEFT_EVENT_INIT;

static int waits(void *arg)
{
    int error = weft_event_wait(&event);

    if (error == 0)
        leave(*(char *)arg);
    return error;
}
static weft_task waiter(weft_scope *scope, char mark)
{
    return start(scope, waits, &mark, 1);
}

CASE(event_wait)
{
    no(weft_event_is_set(&event));
    WEFT_SCOPE(s) {
        waiter(&s, '1');
        waiter(&s, '2');
        turns(1);
        is_trail("");
        weft_task third = waiter(&s, '3');
        is(weft_event_set(&event), 1);
        is(result_of(third), 0);
    }
    is(count_of('1') + count_of('2') + count_of('3'), 3);
}

CASE(event_wait_on_set)
{
    is(weft_event_set(&event), 1);
    is(weft_event_wait(&event), 0);
}

CASE(event_wait_cancel)
{
    WEFT_SCOPE(s) {
        weft_task task = waiter(&s, '1');
        is(weft_call_soon(cancels, &task, NULL), 0);
        is(result_of(task), -ECANCELED);
    }
    is_trail("");
}

CASE(event_clear)
{
    no(weft_event_is_set(&event));
    is(weft_event_set(&event), 1);
    yes(weft_event_is_set(&event));
    is(weft_event_clear(&event), 1);
    no(weft_event_is_set(&event));
}

CASE(event_clear_with_waiters)
{
    WEFT_SCOPE(s) {
        weft_task task = waiter(&s, '1');
        turns(1);
        is(weft_event_set(&event), 1);
        is(weft_event_clear(&event), 1);
        no(weft_event_is_set(&event));
        is(weft_event_set(&event), 1);
        is(weft_event_set(&event), 0);
        turns(1);
        is_trail("1");
        is(result_of(task), 0);
    }
}

TEST_MAIN("asyncio.locks", 60, acquire, acquire_cancel, cancel_race, cancel_release_race,
          finished_waiter_cancelled, release_not_acquired, release_no_waiters, context_manager,
          event_wait, event_wait_on_set, event_wait_cancel, event_clear, event_clear_with_waiters)
