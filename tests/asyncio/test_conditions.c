/*
 * The cases of CPython's test_locks.py on Condition. Catches a notification lost to a waiter that
 * is cancelled, a waiter that returns without the lock, and one that wakes for nothing.
 */
#include "cases.h"

static weft_lock lock = WEFT_LOCK_INIT;
static weft_condition condition = WEFT_CONDITION_INIT;

/* Waits, leaves its mark; releases at once, or (a digit) keeps the lock until it may go. */
static weft_event may_go = WEFT_EVENT_INIT;
static int waits(void *arg)
{
    char mark = *(char *)arg;

    is(weft_lock_acquire(&lock), 0);
    int error = weft_condition_wait(&condition, &lock);
    yes(weft_lock_held(&lock));
    if (error == 0)
        leave(mark);
    if (mark <= '9')
        is(weft_event_wait(&may_go), 0);
    is(weft_lock_release(&lock), 0);
    return error;
}
static weft_task waiter(weft_scope *scope, char mark)
{
    return start(scope, waits, &mark, 1);
}
static void notify(uint32_t count, int woken)
{
    is(weft_lock_acquire(&lock), 0);
    is(weft_condition_notify(&condition, count), woken);
    is(weft_lock_release(&lock), 0);
}

CASE(wait)
{
    WEFT_SCOPE(s) {
        for (char mark = '1'; mark <= '3'; mark++)
            waiter(&s, mark);
        turns(1);
        is_trail("");
        no(weft_lock_held(&lock));
        is(weft_lock_acquire(&lock), 0);
        is(weft_condition_notify(&condition, 1), 1);
        turns(2);
        is_trail(""); /* not while the lock is held */
        is(weft_lock_release(&lock), 0);
        turns(2);
        is_trail("1");
        yes(weft_lock_held(&lock)); /* by the first */
        is(weft_condition_notify(&condition, 2), 2);
        turns(2);
        is_trail("1");
        is(weft_event_set(&may_go), 1);
    }
    is_trail("123");
}

CASE(wait_cancel)
{
    WEFT_SCOPE(s) {
        weft_task task = waiter(&s, 'A');
        turns(1);
        is(weft_call_soon(cancels, &task, NULL), 0);
        is(result_of(task), -ECANCELED); /* it asserts that it holds the lock */
    }
    no(weft_lock_held(&lock));
    notify(1, 0);
}

static void releases(void *arg)
{
    (void)arg;
    is(weft_event_set(&may_go), 1);
}
static int notifies_and_holds(void *arg)
{
    (void)arg;
    is(weft_lock_acquire(&lock), 0);
    is(weft_condition_notify(&condition, 1), 1);
    is(weft_event_wait(&may_go), 0);
    return weft_lock_release(&lock);
}
CASE(wait_cancel_contested)
{
    WEFT_SCOPE(s) {
        weft_task task = waiter(&s, 'A');
        turns(1);
        start(&s, notifies_and_holds, NULL, 0);
        turns(1);
        is(weft_call_soon(cancels, &task, NULL), 0);
        is(weft_call_soon(releases, NULL, NULL), 0);
        is(result_of(task), 0); /* it was notified first; it had only to come by the lock again */
    }
    is_trail("A");
}

/* Stronger: notified, then cancelled: the notification counts, the cancellation shows later. */
static int waits_and_sleeps(void *arg)
{
    (void)arg;
    is(weft_lock_acquire(&lock), 0);
    is(weft_condition_wait(&condition, &lock), 0);
    leave('A');
    int error = weft_sleep(MS);
    is(weft_lock_release(&lock), 0);
    return error;
}
CASE(wait_cancel_after_notify)
{
    WEFT_SCOPE(s) {
        weft_task task = start(&s, waits_and_sleeps, NULL, 0);
        turns(1);
        is(weft_lock_acquire(&lock), 0);
        is(weft_condition_notify(&condition, 1), 1);
        turns(1);
        is(weft_cancel(task), 1);
        turns(1);
        is(weft_lock_release(&lock), 0);
        is(result_of(task), -ECANCELED);
    }
    is_trail("A");
}

CASE(wait_unacquired)
{
    ck_misuse(weft_condition_wait(&condition, &lock), -EPERM, "weft_condition_wait", "hold");
}

static bool is_so;
static bool predicate(void *arg)
{
    (void)arg;
    return is_so;
}
static int waits_for(void *arg)
{
    (void)arg;
    is(weft_lock_acquire(&lock), 0);
    int error = weft_condition_wait_for(&condition, &lock, predicate, NULL);
    if (error == 0)
        leave('1');
    is(weft_lock_release(&lock), 0);
    return error;
}
CASE(wait_for)
{
    WEFT_SCOPE(s) {
        weft_task task = start(&s, waits_for, NULL, 0);
        turns(1);
        is_trail("");
        notify(1, 1);
        turns(2);
        is_trail("");
        is_so = true;
        notify(1, 1);
        is(result_of(task), 0);
        is_trail("1");
    }
}

/* Stronger: a predicate that is true is no excuse for not holding the lock. */
CASE(wait_for_unacquired)
{
    is_so = true;
    is(weft_condition_wait_for(&condition, &lock, predicate, NULL), -EPERM);
    is_so = false;
    is(weft_condition_wait_for(&condition, &lock, predicate, NULL), -EPERM);
}

CASE(notify_some)
{
    WEFT_SCOPE(s) {
        for (char mark = 'A'; mark <= 'C'; mark++)
            waiter(&s, mark);
        turns(1);
        is_trail("");
        notify(1, 1);
        turns(2);
        is_trail("A");
        is(weft_lock_acquire(&lock), 0);
        is(weft_condition_notify(&condition, 1), 1);
        is(weft_condition_notify(&condition, 2048), 1);
        is(weft_lock_release(&lock), 0);
    }
    is_trail("ABC");
}

CASE(notify_all)
{
    WEFT_SCOPE(s) {
        waiter(&s, 'A');
        waiter(&s, 'B');
        turns(1);
        is(weft_lock_acquire(&lock), 0);
        is(weft_condition_notify_all(&condition), 2);
        is(weft_lock_release(&lock), 0);
    }
    is_trail("AB");
}

/* It need not hold the lock, as with POSIX threads. */
CASE(notify_unacquired)
{
    is(weft_condition_notify(&condition, 1), 0);
    WEFT_SCOPE(s) {
        waiter(&s, 'A');
        turns(1);
        is(weft_condition_notify(&condition, 1), 1);
    }
    is_trail("A");
}
CASE(notify_all_unacquired)
{
    is(weft_condition_notify_all(&condition), 0);
}

CASE(context_manager)
{
    WEFT_LOCKED(&lock)
    {
        yes(weft_lock_held(&lock));
        is(weft_condition_wait_until(&condition, &lock, 1), -ETIMEDOUT);
        yes(weft_lock_held(&lock));
    }
    no(weft_lock_held(&lock));
}

/* Any lock goes with any condition. */
CASE(explicit_lock)
{
    static weft_condition another = WEFT_CONDITION_INIT;

    WEFT_LOCKED(&lock)
    {
        is(weft_condition_wait_until(&another, &lock, 1), -ETIMEDOUT);
        is(weft_condition_wait_until(&condition, &lock, 1), -ETIMEDOUT);
    }
    no(weft_lock_held(&lock));
}

static int waits_holding(void *arg)
{
    (void)arg;
    return weft_condition_wait(&condition, &lock);
}
CASE(timeout_in_block)
{
    WEFT_LOCKED(&lock)
    {
        is(weft_wait_for(weft_coro(waits_holding, NULL, 0), NULL, weft_after_ms(50)), -ETIMEDOUT);
        yes(weft_lock_held(&lock));
    }
}

static enum weft_cause cause;
static int waits_and_says_why(void *arg)
{
    (void)arg;
    int error;

    is(weft_lock_acquire(&lock), 0);
    error = weft_condition_wait_for(&condition, &lock, predicate, NULL);
    cause = weft_cause();
    is(weft_lock_release(&lock), 0);
    return error;
}
CASE(cancelled_error_wakeup)
{
    WEFT_SCOPE(s) {
        weft_task task = start(&s, waits_and_says_why, NULL, 0);
        turns(1);
        is(weft_cancel(task), 1);
        is(result_of(task), -ECANCELED);
        is(cause, WEFT_CAUSE_CANCEL);
    }
}

/* Stronger: it was notified, and what it waited for is so; the cancellation comes later. */
CASE(cancelled_error_re_aquire)
{
    WEFT_SCOPE(s) {
        weft_task task = start(&s, waits_and_says_why, NULL, 0);
        turns(1);
        is(weft_lock_acquire(&lock), 0);
        is_so = true;
        is(weft_condition_notify(&condition, 1), 1);
        turns(1);
        is(weft_cancel(task), 1);
        is(weft_lock_release(&lock), 0);
        is(result_of(task), 0);
    }
}

/* An item for one of two consumers, one of which is cancelled as it wakes. */
static int state;
static bool has_item(void *arg)
{
    (void)arg;
    return state != 0;
}
static bool has_none(void *arg)
{
    (void)arg;
    return state == 0;
}
static int consumes(void *arg)
{
    int error;

    (void)arg;
    is(weft_lock_acquire(&lock), 0);
    while ((error = weft_condition_wait_for(&condition, &lock, has_item, NULL)) == 0 && state > 0) {
        state--;
        is(weft_condition_notify_all(&condition) >= 0, 1);
    }
    is(weft_lock_release(&lock), 0);
    return error;
}
static void consumer_cancelled(int turns_before)
{
    WEFT_SCOPE(s) {
        weft_task first = start(&s, consumes, NULL, 0), second = start(&s, consumes, NULL, 0);
        turns(1);
        is(weft_lock_acquire(&lock), 0);
        state = 1;
        is(weft_condition_notify(&condition, 1), 1);
        turns(turns_before);
        is(weft_cancel(first), 1);
        is(weft_condition_wait_for_until(&condition, &lock, has_none, NULL, weft_after_ms(60000)),
           0);
        state = -1;
        is(weft_condition_notify_all(&condition) >= 1, 1);
        is(weft_lock_release(&lock), 0);
        is(result_of(first), -ECANCELED);
        is(result_of(second), 0);
    }
}
CASE(cancelled_wakeup)
{
    consumer_cancelled(0);
}
CASE(cancelled_wakeup_relock)
{
    consumer_cancelled(1);
}

TEST_MAIN("asyncio.conditions", 60, wait, wait_cancel, wait_cancel_contested,
          wait_cancel_after_notify, wait_unacquired, wait_for, wait_for_unacquired, notify_some,
          notify_all, notify_unacquired, notify_all_unacquired, context_manager, explicit_lock,
          timeout_in_block, cancelled_error_wakeup, cancelled_error_re_aquire, cancelled_wakeup,
          cancelled_wakeup_relock)
