/*
 * The cases of CPython's test_locks.py on Semaphore and BoundedSemaphore. Catches a permit lost to
 * a cancelled waiter, one too many, and a newcomer who is served before those who wait.
 */
#include "cases.h"

static weft_semaphore semaphore;
static void begin(uint32_t permits)
{
    semaphore = (weft_semaphore)WEFT_SEMAPHORE_INIT(permits);
}

static int takes(void *arg)
{
    int error = weft_semaphore_acquire(&semaphore);

    if (error == 0)
        leave(*(char *)arg);
    return error;
}
static weft_task taker(weft_scope *scope, char mark)
{
    return start(scope, takes, &mark, 1);
}

CASE(initial_value_zero)
{
    begin(0);
    is(weft_semaphore_value(&semaphore), 0);
    is(weft_semaphore_acquire_nowait(&semaphore), -EAGAIN);
}

CASE(one)
{
    begin(1);
    is(weft_semaphore_value(&semaphore), 1);
}

CASE(acquire)
{
    begin(3);
    is(weft_semaphore_acquire(&semaphore), 0);
    is(weft_semaphore_acquire(&semaphore), 0);
    is(weft_semaphore_value(&semaphore), 1);
    WEFT_SCOPE(s) {
        for (char mark = '1'; mark <= '3'; mark++)
            taker(&s, mark);
        turns(1);
        is_trail("1");
        is(weft_semaphore_value(&semaphore), 0);
        weft_task fourth = taker(&s, '4');
        is(weft_semaphore_release(&semaphore), 0);
        is(weft_semaphore_release(&semaphore), 0);
        is(weft_semaphore_value(&semaphore), 0);
        turns(1);
        is_trail("123");
        no(done(fourth));
        is(weft_semaphore_release(&semaphore), 0);
    }
    is_trail("1234");
}

CASE(acquire_cancel)
{
    begin(1);
    is(weft_semaphore_acquire(&semaphore), 0);
    WEFT_SCOPE(s) {
        weft_task task = taker(&s, '1');
        is(weft_call_soon(cancels, &task, NULL), 0);
        is(result_of(task), -ECANCELED);
    }
    is(weft_semaphore_release(&semaphore), 0);
    is(weft_semaphore_value(&semaphore), 1);
}

CASE(acquire_cancel_before_awoken)
{
    weft_task tasks[4];

    begin(0);
    WEFT_SCOPE(s) {
        for (int i = 0; i < 4; i++)
            tasks[i] = taker(&s, (char)('1' + i));
        turns(1);
        is(weft_cancel(tasks[0]), 1);
        is(weft_cancel(tasks[1]), 1);
        is(weft_semaphore_release(&semaphore), 0);
        turns(2);
        yes(done(tasks[2]));
        no(done(tasks[3]));
        is_trail("3");
        is(weft_cancel(tasks[3]), 1);
    }
}

CASE(acquire_hang)
{
    begin(0);
    WEFT_SCOPE(s) {
        weft_task first = taker(&s, '1'), second = taker(&s, '2');
        turns(1);
        is(weft_cancel(first), 1);
        is(weft_semaphore_release(&semaphore), 0);
        turns(2);
        is(weft_semaphore_value(&semaphore), 0);
        yes(done(second));
    }
    is_trail("2");
}

static weft_task second;
static int cancels_the_second(void *arg)
{
    (void)arg;
    is(weft_semaphore_acquire(&semaphore), 0);
    int error = weft_yield();
    is(weft_semaphore_release(&semaphore), 0); /* to the second: it has it now */
    is(weft_cancel(second), 1);
    return error;
}
static int takes_and_releases(void *arg)
{
    (void)arg;
    int error = weft_semaphore_acquire(&semaphore);
    if (error < 0)
        return error;
    error = weft_yield(); /* here the cancellation shows */
    is(weft_semaphore_release(&semaphore), 0);
    return error;
}
CASE(acquire_no_hang)
{
    begin(1);
    WEFT_SCOPE(s) {
        weft_task first = start(&s, cancels_the_second, NULL, 0);
        second = start(&s, takes_and_releases, NULL, 0);
        is(result_of(first), 0);
        is(result_of(second), -ECANCELED);
    }
    is(weft_semaphore_acquire_until(&semaphore, weft_after_ms(60000)), 0);
}

CASE(release_not_acquired)
{
    weft_semaphore bounded = WEFT_SEMAPHORE_BOUNDED_INIT(1);

    is(weft_semaphore_release(&bounded), -EINVAL);
    is(weft_semaphore_value(&bounded), 1);
}

CASE(release_no_waiters)
{
    begin(1);
    is(weft_semaphore_acquire(&semaphore), 0);
    is(weft_semaphore_value(&semaphore), 0);
    is(weft_semaphore_release(&semaphore), 0);
    is(weft_semaphore_value(&semaphore), 1);
}

static int takes_twice(void *arg)
{
    char mark = *(char *)arg;

    for (int i = 0; i < 2; i++) {
        is(weft_semaphore_acquire(&semaphore), 0);
        leave(mark);
        is(weft_sleep(MS), 0);
        is(weft_semaphore_release(&semaphore), 0);
    }
    return 0;
}
CASE(acquire_fifo_order)
{
    begin(1);
    WEFT_SCOPE(s)
        for (char mark = '1'; mark <= '3'; mark++)
            start(&s, takes_twice, &mark, 1);
    is_trail("123123");
}

/* Stronger: a release hands its permit over at once. So the third has one before the second asks
   again, and need not have run for that. */
static int takes_releases_takes(void *arg)
{
    (void)arg;
    is(weft_semaphore_acquire(&semaphore), 0);
    leave('2');
    is(weft_semaphore_release(&semaphore), 0);
    is(weft_semaphore_acquire(&semaphore), 0);
    leave('4');
    return 0;
}
CASE(acquire_fifo_order_2)
{
    begin(1);
    WEFT_SCOPE(s) {
        taker(&s, '1');
        start(&s, takes_releases_takes, NULL, 0);
        taker(&s, '3');
        turns(1);
        is(weft_semaphore_release(&semaphore), 0);
        is(weft_semaphore_release(&semaphore), 0);
        is(weft_semaphore_value(&semaphore), 0); /* both are given, to the second and the third */
    }
    is_trail("1243");
}

CASE(acquire_fifo_order_3)
{
    begin(0);
    WEFT_SCOPE(s) {
        weft_task first = taker(&s, '1');
        taker(&s, '2');
        taker(&s, '3');
        turns(1);
        is(weft_cancel(first), 1);
        turns(1);
        is(weft_semaphore_release(&semaphore), 0);
        is(weft_semaphore_release(&semaphore), 0);
    }
    is_trail("23");
}

/* One release after another wakes all who wait, in order, and a permit given is not there twice. */
static weft_scope *all;
static int takes_and_starts_another(void *arg)
{
    static char four = '4';

    (void)arg;
    is(weft_semaphore_acquire(&semaphore), 0);
    start(all, takes, &four, 1);
    leave('1');
    return 0;
}
static int releases_three_and_takes(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        is(weft_semaphore_release(&semaphore), 0);
    is(weft_semaphore_value(&semaphore), 2); /* the first was given one */
    is(weft_semaphore_acquire(&semaphore), 0);
    leave('2');
    return 0;
}
CASE(acquire_fifo_order_4)
{
    begin(0);
    WEFT_SCOPE(s) {
        all = &s;
        start(&s, takes_and_starts_another, NULL, 0);
        start(&s, releases_three_and_takes, NULL, 0);
        taker(&s, '3');
        turns(3);
        is(count_of('4'), 0); /* three permits, three takers */
        is(weft_semaphore_release(&semaphore), 0);
    }
    is(count_of('1') + count_of('2') + count_of('3') + count_of('4'), 4);
}

TEST_MAIN("asyncio.semaphores", 60, initial_value_zero, one, acquire, acquire_cancel,
          acquire_cancel_before_awoken, acquire_hang, acquire_no_hang, release_not_acquired,
          release_no_waiters, acquire_fifo_order, acquire_fifo_order_2, acquire_fifo_order_3,
          acquire_fifo_order_4)
