/*
 * The cases of CPython's test_queues.py, for queues of each order where it has them for each.
 * Catches an item lost to a cancelled getter, put though the put was cancelled, given out of order,
 * and a join or a shutdown that leaves somebody waiting.
 */
#include "cases.h"

static weft_queue queue;

#define EACH_ORDER for (int which = WEFT_QUEUE_FIFO; which <= WEFT_QUEUE_PRIORITY; which++)

static int by_value(const void *item, const void *other)
{
    return *(const int *)item - *(const int *)other;
}
static void begin(enum weft_queue_order which, uint32_t max)
{
    queue = (weft_queue){.item_size = sizeof(int), .max = max, .order = which, .compare = by_value};
}
static void end(void)
{
    is(weft_queue_destroy(&queue) >= 0, 1);
}

static int put(int item)
{
    return weft_queue_put(&queue, &item);
}
static int put_nowait(int item)
{
    return weft_queue_put_nowait(&queue, &item);
}
/* The item, or the error. Items are above 0. */
static int get(void)
{
    int item = 0, error = weft_queue_get(&queue, &item);

    return error < 0 ? error : item;
}
static int get_nowait(void)
{
    int item = 0, error = weft_queue_get_nowait(&queue, &item);

    return error < 0 ? error : item;
}

static int getter(void *arg)
{
    (void)arg;
    return get();
}
static int putter(void *arg)
{
    return put(*(int *)arg);
}
static weft_task start_get(weft_scope *scope)
{
    return start(scope, getter, NULL, 0);
}
static weft_task start_put(weft_scope *scope, int item)
{
    return start(scope, putter, &item, sizeof item);
}

CASE(empty)
{
    begin(WEFT_QUEUE_FIFO, 0);
    is(weft_queue_count(&queue), 0);
    is(put(1), 0);
    is(weft_queue_count(&queue), 1);
    is(get(), 1);
    is(weft_queue_count(&queue), 0);
    end();
}

CASE(full)
{
    begin(WEFT_QUEUE_FIFO, 1);
    is(put(1), 0);
    is(put_nowait(2), -EAGAIN);
    end();
}

static void in_order(enum weft_queue_order which, int first, int second, int third)
{
    begin(which, 0);
    is(put(1), 0);
    is(put(3), 0);
    is(put(2), 0);
    is(get(), first);
    is(get(), second);
    is(get(), third);
    end();
}
CASE(order)
{
    in_order(WEFT_QUEUE_FIFO, 1, 3, 2);
}
CASE(lifo_order)
{
    in_order(WEFT_QUEUE_LIFO, 2, 3, 1);
}
CASE(priority_order)
{
    in_order(WEFT_QUEUE_PRIORITY, 1, 2, 3);
}

static int puts_three(void *arg)
{
    (void)arg;
    for (int i = 1; i <= 3; i++) {
        is(put(i), 0);
        leave((char)('0' + i));
    }
    return 0;
}
CASE(maxsize)
{
    begin(WEFT_QUEUE_FIFO, 2);
    WEFT_SCOPE(s) {
        start(&s, puts_three, NULL, 0);
        turns(2);
        is_trail("12");
        is(get(), 1);
        turns(1);
        is_trail("123");
        is(get(), 2);
        is(get(), 3);
    }
    end();
}

/* -- get ------------------------------------------------------------------------------------ */

CASE(blocking_get)
{
    begin(WEFT_QUEUE_FIFO, 0);
    is(put_nowait(1), 0);
    is(get(), 1);
    end();
}

CASE(get_with_putters)
{
    begin(WEFT_QUEUE_FIFO, 1);
    is(put(1), 0);
    WEFT_SCOPE(s) {
        weft_task task = start_put(&s, 2);
        turns(1);
        is(get(), 1);
        is(result_of(task), 0);
        is(get(), 2);
    }
    end();
}

static void puts_one(void *arg)
{
    (void)arg;
    is(put_nowait(1), 0);
}
CASE(blocking_get_wait)
{
    begin(WEFT_QUEUE_FIFO, 0);
    WEFT_SCOPE(s) {
        weft_task task = start_get(&s);
        turns(1);
        no(done(task));
        is(weft_call_later(10 * MS, puts_one, NULL, NULL), 0);
        is(result_of(task), 1);
    }
    end();
}

CASE(nonblocking_get)
{
    begin(WEFT_QUEUE_FIFO, 0);
    is(put_nowait(1), 0);
    is(get_nowait(), 1);
    end();
}
CASE(nonblocking_get_exception)
{
    begin(WEFT_QUEUE_FIFO, 0);
    is(get_nowait(), -EAGAIN);
}

CASE(get_cancelled_race)
{
    begin(WEFT_QUEUE_FIFO, 0);
    WEFT_SCOPE(s) {
        weft_task first = start_get(&s), second = start_get(&s);
        turns(1);
        is(weft_cancel(first), 1);
        turns(1);
        yes(done(first));
        is(put(7), 0);
        is(result_of(second), 7);
    }
    end();
}

CASE(get_with_waiting_putters)
{
    begin(WEFT_QUEUE_FIFO, 1);
    WEFT_SCOPE(s) {
        start_put(&s, 1);
        start_put(&s, 2);
        is(get(), 1);
        is(get(), 2);
    }
    end();
}

static int consumes_five(void *arg)
{
    (void)arg;
    for (int i = 1; i <= 5; i++)
        is(get(), i);
    return 0;
}
static int produces_five(void *arg)
{
    (void)arg;
    for (int i = 1; i <= 5; i++)
        is(put(i), 0);
    return 0;
}
CASE(why_are_getters_waiting)
{
    begin(WEFT_QUEUE_FIFO, 1);
    WEFT_SCOPE(s) {
        start(&s, produces_five, NULL, 0);
        start(&s, consumes_five, NULL, 0);
    }
    end();
}

CASE(cancelled_getters_not_being_held_in_self_getters)
{
    begin(WEFT_QUEUE_FIFO, 5);
    is(weft_wait_for(weft_coro(getter, NULL, 0), NULL, weft_after_ms(20)), -ETIMEDOUT);
    is(weft_queue_destroy(&queue), 0); /* -EBUSY if it were still in the row */
}

/* -- put ------------------------------------------------------------------------------------ */

CASE(blocking_put)
{
    begin(WEFT_QUEUE_FIFO, 0);
    is(put(1), 0);
    is(get(), 1);
    end();
}

static void gets_one(void *arg)
{
    (void)arg;
    is(get_nowait(), 1);
}
CASE(blocking_put_wait)
{
    begin(WEFT_QUEUE_FIFO, 1);
    is(weft_call_later(10 * MS, gets_one, NULL, NULL), 0);
    is(put(1), 0);
    is(put_nowait(2), -EAGAIN);
    is(put(2), 0);
    end();
}

CASE(nonblocking_put)
{
    begin(WEFT_QUEUE_FIFO, 0);
    is(put_nowait(1), 0);
    is(get_nowait(), 1);
    end();
}

/* Stronger: the reader was given the item before it was cancelled, and returns it. */
CASE(get_cancel_drop_one_pending_reader)
{
    begin(WEFT_QUEUE_FIFO, 0);
    WEFT_SCOPE(s) {
        weft_task reader = start_get(&s);
        turns(1);
        is(put_nowait(1), 0);
        is(put_nowait(2), 0);
        is(weft_cancel(reader), 1);
        is(result_of(reader), 1);
        is(get(), 2);
    }
    end();
}
CASE(get_cancel_drop_many_pending_readers)
{
    begin(WEFT_QUEUE_FIFO, 0);
    WEFT_SCOPE(s) {
        weft_task first = start_get(&s), second = start_get(&s), third = start_get(&s);
        turns(1);
        is(put_nowait(1), 0);
        is(put_nowait(2), 0);
        is(weft_cancel(first), 1);
        is(result_of(first), 1);
        is(result_of(second), 2);
        is(weft_cancel(third), 1);
        is(result_of(third), -ECANCELED);
    }
    end();
}

CASE(put_cancel_drop)
{
    begin(WEFT_QUEUE_FIFO, 1);
    is(put_nowait(1), 0);
    WEFT_SCOPE(s) {
        weft_task writer = start_put(&s, 2);
        turns(1);
        is(get_nowait(), 1);
        is(weft_cancel(writer), 1);
        is(result_of(writer), 0); /* there was room before it was cancelled: it has put */
        is(get_nowait(), 2);
        is(weft_queue_count(&queue), 0);
    }
    end();
}

CASE(nonblocking_put_exception)
{
    begin(WEFT_QUEUE_FIFO, 1);
    is(put_nowait(1), 0);
    is(put_nowait(2), -EAGAIN);
    end();
}

CASE(put_cancelled)
{
    begin(WEFT_QUEUE_FIFO, 0);
    WEFT_SCOPE(s) {
        weft_task task = start_put(&s, 1);
        is(get(), 1);
        yes(done(task));
        is(result_of(task), 0);
    }
    end();
}

CASE(put_cancelled_race)
{
    begin(WEFT_QUEUE_FIFO, 1);
    WEFT_SCOPE(s) {
        weft_task a = start_put(&s, 1), b = start_put(&s, 2), c = start_put(&s, 9);
        turns(1);
        yes(done(a));
        no(done(b));
        is(weft_cancel(c), 1);
        turns(1);
        yes(done(c));
        is(get_nowait(), 1);
        turns(1);
        is(get_nowait(), 2);
        is(result_of(b), 0);
        is(get_nowait(), -EAGAIN);
    }
    end();
}

CASE(put_with_waiting_getters)
{
    begin(WEFT_QUEUE_FIFO, 0);
    WEFT_SCOPE(s) {
        weft_task task = start_get(&s);
        turns(1);
        is(put(7), 0);
        is(result_of(task), 7);
    }
    end();
}

static int empties(void *arg)
{
    (void)arg;
    turns(1);
    for (int left = weft_queue_count(&queue); left > 0; left--)
        is(get_nowait() > 0, 1);
    return 0;
}
CASE(why_are_putters_waiting)
{
    begin(WEFT_QUEUE_FIFO, 2);
    WEFT_SCOPE(s) {
        start(&s, empties, NULL, 0);
        for (int i = 1; i <= 4; i++)
            start_put(&s, i);
    }
    end();
}

CASE(cancelled_puts_not_being_held_in_self_putters)
{
    begin(WEFT_QUEUE_FIFO, 1);
    is(put_nowait(1), 0);
    WEFT_SCOPE(s) {
        weft_task task = start_put(&s, 2);
        turns(1);
        is(weft_cancel(task), 1);
        is(result_of(task), -ECANCELED);
    }
    is(weft_queue_destroy(&queue), 1);
}

/* Stronger: the room was given to the put before it was cancelled, so it has put. */
CASE(cancelled_put_silence_value_error_exception)
{
    begin(WEFT_QUEUE_FIFO, 1);
    is(put_nowait(1), 0);
    WEFT_SCOPE(s) {
        weft_task task = start_put(&s, 2);
        turns(1);
        is(get_nowait(), 1);
        is(weft_cancel(task), 1);
        is(result_of(task), 0);
    }
    is(weft_queue_destroy(&queue), 1);
}

/* -- join, of each order -------------------------------------------------------------------- */

CASE(task_done_underflow)
{
    EACH_ORDER
    {
        begin(which, 0);
        ck_misuse(weft_queue_task_done(&queue), -EINVAL, "weft_queue_task_done", "");
    }
}

static int sum;
static bool running;
static int adds(void *arg)
{
    (void)arg;
    while (running) {
        int item = get();

        is(item > 0, 1);
        sum += item;
        is(weft_queue_task_done(&queue) >= 0, 1);
    }
    return 0;
}
CASE(task_done)
{
    EACH_ORDER
    {
        begin(which, 0);
        sum = 0;
        running = true;
        for (int i = 1; i <= 100; i++)
            is(put_nowait(i), 0);
        WEFT_SCOPE(s) {
            start(&s, adds, NULL, 0);
            start(&s, adds, NULL, 0);
            is(weft_queue_join(&queue), 0);
            is(sum, 5050);
            running = false;
            is(put_nowait(1), 0);
            is(put_nowait(1), 0);
        }
        end();
    }
}

CASE(join_empty_queue)
{
    EACH_ORDER
    {
        begin(which, 0);
        is(weft_queue_join(&queue), 0);
        is(weft_queue_join(&queue), 0);
    }
}

/* -- shutdown, of each order ---------------------------------------------------------------- */

static int joins(void *arg)
{
    (void)arg;
    return weft_queue_join(&queue);
}
static void all_refused(void)
{
    is(put(1), -ESHUTDOWN);
    is(put_nowait(1), -ESHUTDOWN);
    is(get(), -ESHUTDOWN);
    is(get_nowait(), -ESHUTDOWN);
}
static void none_unfinished(void)
{
    ck_misuse(weft_queue_task_done(&queue), -EINVAL, "weft_queue_task_done", "");
}

CASE(shutdown_empty)
{
    EACH_ORDER
    {
        begin(which, 0);
        WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
            weft_task task = start_get(&s);
            turns(1);
            is(weft_queue_shutdown(&queue, false), 0);
            is(weft_queue_count(&queue), 0);
            is(weft_queue_join(&queue), 0);
            is(result_of(task), -ESHUTDOWN);
            all_refused();
        }
        end();
    }
}

CASE(shutdown_nonempty)
{
    EACH_ORDER
    {
        begin(which, 1);
        is(put_nowait(5), 0);
        WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
            weft_task joining = start(&s, joins, NULL, 0), putting = start_put(&s, 6);
            turns(1);
            no(done(putting));
            is(weft_queue_shutdown(&queue, false), 0);
            is(weft_queue_count(&queue), 1);
            turns(1);
            is(result_of(putting), -ESHUTDOWN);
            is(get(), 5);
            turns(1);
            no(done(joining));
            all_refused();
            is(weft_queue_task_done(&queue), 0);
            turns(1);
            is(result_of(joining), 0);
            none_unfinished();
        }
        end();
    }
}

CASE(shutdown_immediate)
{
    EACH_ORDER
    {
        begin(which, 0);
        is(put_nowait(5), 0);
        WEFT_SCOPE(s) {
            weft_task joining = start(&s, joins, NULL, 0);
            is(weft_queue_shutdown(&queue, true), 1);
            is(weft_queue_count(&queue), 0);
            turns(1);
            is(result_of(joining), 0);
            all_refused();
            none_unfinished();
        }
        end();
    }
}

CASE(shutdown_immediate_with_unfinished)
{
    EACH_ORDER
    {
        begin(which, 0);
        is(put_nowait(5), 0);
        is(put_nowait(5), 0);
        WEFT_SCOPE(s) {
            weft_task joining = start(&s, joins, NULL, 0);
            is(get(), 5);
            is(weft_queue_shutdown(&queue, true), 1);
            turns(1);
            no(done(joining));
            all_refused();
            is(weft_queue_task_done(&queue), 0);
            none_unfinished();
            turns(1);
            is(result_of(joining), 0);
        }
        end();
    }
}

TEST_MAIN("asyncio.queues", 60, empty, full, order, lifo_order, priority_order, maxsize,
          blocking_get, get_with_putters, blocking_get_wait, nonblocking_get,
          nonblocking_get_exception, get_cancelled_race, get_with_waiting_putters,
          why_are_getters_waiting, cancelled_getters_not_being_held_in_self_getters, blocking_put,
          blocking_put_wait, nonblocking_put, get_cancel_drop_one_pending_reader,
          get_cancel_drop_many_pending_readers, put_cancel_drop, nonblocking_put_exception,
          put_cancelled, put_cancelled_race, put_with_waiting_getters, why_are_putters_waiting,
          cancelled_puts_not_being_held_in_self_putters,
          cancelled_put_silence_value_error_exception, task_done_underflow, task_done,
          join_empty_queue, shutdown_empty, shutdown_nonempty, shutdown_immediate,
          shutdown_immediate_with_unfinished)
