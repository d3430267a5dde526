/*
 * weft/queue.h, sentence by sentence, in both kinds. Each test would catch the sentence above it
 * becoming untrue.
 */
#include "sync.h"

static weft_queue queue;
static int order[64], ran, dropped;

static void drop(void *item)
{
    ck_assert_int_ge(*(int *)item, 0);
    dropped++;
}

static void begin(uint32_t max)
{
    queue =
        (weft_queue){.shared = of_shared_kind, .item_size = sizeof(int), .max = max, .drop = drop};
    ran = dropped = 0;
}

static int puts_item(void *arg)
{
    int item = *(int *)arg, result = weft_queue_put(&queue, &item);

    item = -1; /* a copy was taken */
    return result;
}
static int gets_item(void *arg)
{
    int item = -1, result = weft_queue_get(&queue, &item);

    (void)arg;
    if (result == 0)
        order[ran++] = item;
    else
        is(item, -1);
    return result == 0 ? item : result;
}
/* The next item. */
static int take(void)
{
    int item = -1;

    is(weft_queue_get_nowait(&queue, &item), 0);
    return item;
}

/* -- orders ---------------------------------------------------------------------------------- */

/* First in first out, across growing and wrapping; no limit. */
static int fifo_main(void *arg)
{
    int next_in = 0, next_out = 0;

    (void)arg;
    begin(0);
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 7; i++, next_in++)
            is(weft_queue_put(&queue, &next_in), 0);
        for (int i = 0; i < 5; i++, next_out++)
            is(take(), next_out);
    }
    is(weft_queue_count(&queue), next_in - next_out);
    is(weft_queue_destroy(&queue), next_in - next_out);
    is(dropped, next_in - next_out);
    is(weft_queue_count(&queue), 0);
    is(weft_queue_put_nowait(&queue, &next_in), 0); /* as it was at first */
    is(weft_queue_destroy(&queue), 1);
    return 0;
}
TEST(first_in_first_out)
{
    sync_run(fifo_main);
}

static int lifo_main(void *arg)
{
    (void)arg;
    begin(0);
    queue.order = WEFT_QUEUE_LIFO;
    for (int i = 0; i < 20; i++)
        is(weft_queue_put(&queue, &i), 0);
    for (int i = 20; i-- > 0;)
        is(take(), i);
    is(weft_queue_destroy(&queue), 0);
    return 0;
}
TEST(last_in_first_out)
{
    sync_run(lifo_main);
}

static int by_tens(const void *a, const void *b)
{
    return *(const int *)a / 10 - *(const int *)b / 10;
}
/* "The least first; equals in the order put." */
static int priority_main(void *arg)
{
    static const int in[] = {31, 12, 55, 10, 33, 11, 30, 54, 19, 5};
    static const int out[] = {5, 12, 10, 11, 19, 31, 33, 30, 55, 54};

    (void)arg;
    begin(0);
    queue.order = WEFT_QUEUE_PRIORITY;
    queue.compare = by_tens;
    for (int i = 0; i < 10; i++)
        is(weft_queue_put(&queue, &in[i]), 0);
    for (int i = 0; i < 10; i++)
        is(take(), out[i]);
    is(weft_queue_destroy(&queue), 0);
    return 0;
}
TEST(by_priority)
{
    sync_run(priority_main);
}

/* -- waiting --------------------------------------------------------------------------------- */

/* Getters are served in the order of coming, and nobody who comes later before them; what is handed
   to one that waits takes no memory. */
static int getters_main(void *arg)
{
    struct weft_stats before, after;

    (void)arg;
    begin(0);
    WEFT_SCOPE(s) {
        weft_task tasks[4];
        int item;
        for (int i = 0; i < 4; i++)
            tasks[i] = sync_start_until(&s, gets_item, i, "get");
        is(weft_stats(&before, sizeof before), 0);
        for (int i = 0; i < 4; i++) {
            item = 10 + i;
            is(weft_queue_put_nowait(&queue, &item), 0);
        }
        is(weft_stats(&after, sizeof after), 0);
        ck_assert_uint_eq(after.allocations, before.allocations);
        ck_no_misuse(weft_queue_get_nowait(&queue, &item), -EAGAIN); /* they are the waiters' */
        is(weft_queue_count(&queue), 0);
        for (int i = 0; i < 4; i++)
            is(sync_result(tasks[i]), 10 + i);
    }
    is(weft_queue_destroy(&queue), 0);
    return 0;
}
TEST(getters_in_order)
{
    sync_run(getters_main);
}

/* Never more than `max`; putters get room in the order of coming. */
static int putters_main(void *arg)
{
    (void)arg;
    begin(3);
    WEFT_SCOPE(s) {
        int item = 0;
        for (; item < 3; item++)
            is(weft_queue_put(&queue, &item), 0);
        ck_no_misuse(weft_queue_put_nowait(&queue, &item), -EAGAIN);
        for (; item < 6; item++)
            sync_start_until(&s, puts_item, item, "put");
        is(weft_queue_count(&queue), 3);
        for (int i = 0; i < 6; i++) {
            is(take(), i);
            is(weft_queue_count(&queue), i < 3 ? 3 : 5 - i);
            if (i < 3) /* the room is the putters' already */
                is(weft_queue_put_nowait(&queue, &item), -EAGAIN);
        }
    }
    is(weft_queue_destroy(&queue), 0);
    return 0;
}
TEST(putters_in_order)
{
    sync_run(putters_main);
}

/* A get cancelled while it waits took nothing: the next one has the item. One that was handed an
   item returns it. Cancelled before: refused, though there are items. */
static int gets_then_refused(void *arg)
{
    int item = -1;

    (void)arg;
    is(weft_queue_get(&queue, &item), 0);
    is(weft_yield(), -ECANCELED);
    return item;
}
static int get_cancelled_main(void *arg)
{
    (void)arg;
    begin(0);
    WEFT_SCOPE(s) {
        weft_task one, two, three;
        int item = 1;
        one = sync_start_until(&s, gets_item, 0, "get");
        two = sync_start_until(&s, gets_then_refused, 0, "get");
        three = sync_start_until(&s, gets_item, 0, "get");
        is(weft_cancel(one), 1);
        is(weft_queue_put(&queue, &item), 0);
        is(weft_cancel(two), 1);
        item = 2;
        is(weft_queue_put(&queue, &item), 0);
        is(sync_result(one), -ECANCELED);
        is(sync_result(two), 1);
        is(sync_result(three), 2);
        is(weft_queue_put(&queue, &item), 0);
        is(weft_cancel(weft_current_task()), 1);
        is(weft_queue_get(&queue, &item), -ECANCELED);
        is(weft_queue_put(&queue, &item), -ECANCELED);
        is(weft_queue_count(&queue), 1);
        is(take(), 2); /* nothing that suspends */
        is(weft_uncancel(), 0);
        is(weft_queue_get_until(&queue, &item, weft_after_us(100)), -ETIMEDOUT);
        item = 3;
        is(weft_queue_put_until(&queue, &item, WEFT_NEVER), 0);
        is(weft_queue_get_until(&queue, &item, WEFT_NEVER), 0);
        is(item, 3);
    }
    is(weft_queue_destroy(&queue), 0);
    return 0;
}
SYNC_TEST(get_cancelled)

/* A put cancelled while it waits put nothing; one that was given room has put. */
static int puts_then_refused(void *arg)
{
    is(weft_queue_put(&queue, arg), 0);
    is(weft_yield(), -ECANCELED);
    return 0;
}
static int put_cancelled_main(void *arg)
{
    (void)arg;
    begin(1);
    WEFT_SCOPE(s) {
        weft_task one, two;
        int item = 0;
        is(weft_queue_put(&queue, &item), 0);
        one = sync_start_until(&s, puts_item, 1, "put");
        two = sync_start_until(&s, puts_then_refused, 2, "put");
        is(weft_cancel(one), 1);
        is(take(), 0);
        is(weft_cancel(two), 1);
        is(sync_result(one), -ECANCELED);
        is(sync_result(two), 0);
        is(weft_queue_put_until(&queue, &item, weft_after_us(100)), -ETIMEDOUT);
        is(take(), 2);
        is(weft_queue_count(&queue), 0);
    }
    is(weft_queue_destroy(&queue), 0);
    return 0;
}
SYNC_TEST(put_cancelled)

/* -- join and task_done ------------------------------------------------------------------------ */

static int works(void *arg)
{
    int item;

    (void)arg;
    while (weft_queue_get(&queue, &item) == 0) {
        is(weft_yield(), 0);
        ran++;
        ck_assert(weft_queue_task_done(&queue) >= 0);
    }
    is(weft_cause(), WEFT_CAUSE_NONE);
    return 0;
}
static int joins(void *arg)
{
    (void)arg;
    is(weft_queue_join(&queue), 0);
    is(ran, 12);
    return 0;
}
/* Joining waits for all that was put, not only for what is left in the queue. */
static int join_main(void *arg)
{
    (void)arg;
    begin(2);
    is(weft_queue_join(&queue), 0);
    ck_misuse(weft_queue_task_done(&queue), -EINVAL, "weft_queue_task_done", "more done");
    WEFT_SCOPE(s) {
        int item = 0;
        for (int i = 0; i < 3; i++)
            sync_start(&s, works, i);
        for (; item < 12; item++)
            is(weft_queue_put(&queue, &item), 0);
        is(weft_queue_join_until(&queue, 1), -ETIMEDOUT);
        sync_start(&s, joins, 0);
        is(weft_queue_join_until(&queue, WEFT_NEVER), 0);
        is(ran, 12);
        is(weft_queue_shutdown(&queue, false), 0);
    }
    is(weft_queue_destroy(&queue), 0);
    begin(0);
    is(weft_queue_put(&queue, &ran), 0);
    is(weft_queue_put(&queue, &ran), 0);
    is(take(), 0);
    is(weft_queue_task_done(&queue), 1);
    is(weft_queue_join_until(&queue, weft_after_us(100)), -ETIMEDOUT);
    is(take(), 0);
    is(weft_queue_task_done(&queue), 0);
    is(weft_queue_join(&queue), 0);
    is(weft_queue_destroy(&queue), 0);
    return 0;
}
TEST(joining)
{
    sync_run(join_main);
}

/* -- the end ----------------------------------------------------------------------------------- */

static int is_shut_out(void *arg)
{
    int item = *(int *)arg;
    bool puts = item >= 0;

    is(puts ? weft_queue_put(&queue, &item) : weft_queue_get(&queue, &item), -ESHUTDOWN);
    return 0;
}
static int joins_only(void *arg)
{
    (void)arg;
    return weft_queue_join(&queue);
}
/* "Puts are refused from now on, those that wait too; gets take what is left, then are refused.
   immediate: what is left is dropped, and counts as dealt with." */
static int shutdown_main(void *arg)
{
    int item = 4;

    (void)arg;
    begin(2);
    WEFT_SCOPE(s) {
        for (int i = 0; i < 2; i++)
            is(weft_queue_put(&queue, &i), 0);
        sync_start_until(&s, is_shut_out, 7, "put");
        is(weft_queue_shutdown(&queue, false), 0);
        ck_no_misuse(weft_queue_put(&queue, &item), -ESHUTDOWN);
        ck_no_misuse(weft_queue_put_nowait(&queue, &item), -ESHUTDOWN);
        is(take(), 0);
        is(take(), 1);
        ck_no_misuse(weft_queue_get(&queue, &item), -ESHUTDOWN);
        ck_no_misuse(weft_queue_get_nowait(&queue, &item), -ESHUTDOWN);
        is(weft_queue_shutdown(&queue, true), 0);
    }
    is(dropped, 0);
    is(weft_queue_destroy(&queue), 0);
    WEFT_SCOPE(t) {
        sync_start_until(&t, is_shut_out, -1, "get");
        sync_start_until(&t, is_shut_out, -1, "get");
        is(weft_queue_shutdown(&queue, false), 0);
    }
    begin(0);
    WEFT_SCOPE(u) {
        weft_task joiner;
        for (int i = 0; i < 5; i++)
            is(weft_queue_put(&queue, &i), 0);
        joiner = sync_start_until(&u, joins_only, 0, "queue");
        is(take(), 0);
        is(weft_queue_shutdown(&queue, true), 4);
        is(dropped, 4);
        ck_assert_str_eq(sync_waits_for(joiner), "queue"); /* one was taken and is not done */
        is(weft_queue_task_done(&queue), 0);
        is(sync_result(joiner), 0);
        is(weft_queue_get(&queue, &item), -ESHUTDOWN);
    }
    is(weft_queue_destroy(&queue), 0);
    return 0;
}
TEST(shutting_down)
{
    sync_run(shutdown_main);
}

static int gets_idly(void *arg)
{
    int item = -1;

    (void)arg;
    is(weft_queue_get_idle(&queue, &item), 0);
    is(item, 1);
    is(weft_queue_get_idle(&queue, &item), -ESHUTDOWN);
    is(weft_cause(), WEFT_CAUSE_DRAIN);
    is(weft_queue_put(&queue, &item), 0);               /* what is under way goes on */
    is(weft_queue_get_idle(&queue, &item), -ESHUTDOWN); /* nothing new */
    is(weft_queue_get(&queue, &item), 0);
    return 0;
}
static int gets_idly_cancelled(void *arg)
{
    int item;

    (void)arg;
    return weft_queue_get_idle(&queue, &item);
}
/* A drain ends the wait of one who is idle, and of nobody else. */
static int idle_main(void *arg)
{
    int item = 1;

    (void)arg;
    begin(0);
    WEFT_SCOPE(s) {
        sync_start_until(&s, gets_idly, 0, "get");
        is(weft_queue_put(&queue, &item), 0);
        is(weft_yield(), 0);
        is(weft_scope_drain(&s, weft_after_ns(HOUR), WEFT_NEVER), 0);
    }
    WEFT_SCOPE(t) {
        weft_task task = sync_start_until(&t, gets_idly_cancelled, 0, "get");
        is(weft_cancel(task), 1);
        is(weft_queue_put(&queue, &item), 0); /* it has left the row */
        is(weft_queue_count(&queue), 1);
        is(take(), 1);
        is(sync_result(task), -ECANCELED);
    }
    is(weft_queue_destroy(&queue), 0);
    return 0;
}
TEST(idle)
{
    sync_run(idle_main);
}

static int errors_main(void *arg)
{
    weft_queue wrong;
    int item = 1;

    (void)arg;
    begin(1);
    ck_misuse(weft_queue_put(NULL, &item), -EINVAL, "weft_queue_put", "no queue");
    ck_misuse(weft_queue_put(&queue, NULL), -EINVAL, "weft_queue_put", "no item");
    ck_misuse(weft_queue_put_nowait(NULL, &item), -EINVAL, "weft_queue_put_nowait", "no queue");
    ck_misuse(weft_queue_get(NULL, &item), -EINVAL, "weft_queue_get", "no queue");
    ck_misuse(weft_queue_get(&queue, NULL), -EINVAL, "weft_queue_get", "no item");
    ck_misuse(weft_queue_get_nowait(NULL, &item), -EINVAL, "weft_queue_get_nowait", "no queue");
    ck_misuse(weft_queue_count(NULL), -EINVAL, "weft_queue_count", "no queue");
    ck_misuse(weft_queue_task_done(NULL), -EINVAL, "weft_queue_task_done", "no queue");
    ck_misuse(weft_queue_join(NULL), -EINVAL, "weft_queue_join", "no queue");
    ck_misuse(weft_queue_shutdown(NULL, true), -EINVAL, "weft_queue_shutdown", "no queue");
    ck_misuse(weft_queue_destroy(NULL), -EINVAL, "weft_queue_destroy", "no queue");
    is(weft_queue_put_until(NULL, &item, WEFT_NEVER), -EINVAL);
    is(weft_queue_get_until(NULL, &item, WEFT_NEVER), -EINVAL);
    is(weft_queue_join_until(NULL, WEFT_NEVER), -EINVAL);
    wrong = (weft_queue){.item_size = 0};
    ck_misuse(weft_queue_put(&wrong, &item), -EINVAL, "weft_queue_put", "out of range");
    wrong = (weft_queue){.item_size = 4, .order = WEFT_QUEUE_PRIORITY};
    is(weft_queue_put(&wrong, &item), -EINVAL);
    wrong = (weft_queue){.item_size = 4, .order = (enum weft_queue_order)3};
    is(weft_queue_put(&wrong, &item), -EINVAL);
    wrong = (weft_queue){.item_size = 4, .shared = 2};
    is(weft_queue_get(&wrong, &item), -EINVAL);
    wrong = (weft_queue){.item_size = 4, .max = UINT32_MAX};
    is(weft_queue_get(&wrong, &item), -EINVAL);
    WEFT_SCOPE(s) {
        weft_task waiter = sync_start_until(&s, gets_item, 0, "get");
        ck_misuse(weft_queue_destroy(&queue), -EBUSY, "weft_queue_destroy", "waits");
        is(weft_cancel(waiter), 1);
    }
    WEFT_NO_SUSPEND {
        is(weft_queue_put(&queue, &item), -EPERM);
        is(weft_queue_put_nowait(&queue, &item), 0);
        is(weft_queue_get(&queue, &item), -EPERM);
        is(weft_queue_get_nowait(&queue, &item), 0);
        is(weft_queue_join(&queue), -EPERM);
    }
    is(weft_queue_destroy(&queue), 0);
    return 0;
}
TEST(errors)
{
    int item = 1;

    for (int kind = 0; kind < 2; kind++) {
        of_shared_kind = kind != 0;
        begin(0);
        is(weft_queue_put(&queue, &item), -EPERM);
        is(weft_queue_put_nowait(&queue, &item), -EPERM);
        is(weft_queue_get_nowait(&queue, &item), -EPERM);
        is(weft_queue_count(&queue), -EPERM);
        is(weft_queue_shutdown(&queue, false), -EPERM);
        is(weft_queue_destroy(&queue), 0);
    }
    sync_run(errors_main);
}

/* The forms that do not wait may be called in callbacks. */
static void puts_in_callback(void *arg)
{
    is(weft_queue_put(&queue, arg), -EPERM);
    is(weft_queue_put_nowait(&queue, arg), 0);
}
static int callback_main(void *arg)
{
    static int item = 17;
    weft_inbox *here = weft_inbox_here();
    int got;

    (void)arg;
    begin(0);
    is(weft_post(here, puts_in_callback, &item, NULL), 0);
    weft_inbox_put(here);
    is(weft_queue_get(&queue, &got), 0);
    is(got, 17);
    is(weft_queue_destroy(&queue), 0);
    return 0;
}
TEST(in_callbacks)
{
    sync_run(callback_main);
}

/* -- across reactors --------------------------------------------------------------------------- */

static weft_queue answers, local_queue;
static int squares(void *arg)
{
    int item, error;

    (void)arg;
    ck_misuse(weft_queue_count(&local_queue), -EPERM, "weft_queue_count", "another reactor's");
    while ((error = weft_queue_get(&queue, &item)) == 0) {
        item *= item;
        is(weft_queue_put(&answers, &item), 0);
        ck_assert(weft_queue_task_done(&queue) >= 0);
    }
    is(error, -ESHUTDOWN);
    return 0;
}
static int across_main(void *arg)
{
    enum { ITEMS = 200 };
    int64_t sum = 0, expected = 0;

    (void)arg;
    of_shared_kind = true;
    begin(3);
    answers = (weft_queue){.shared = 1, .item_size = sizeof(int), .max = 2};
    local_queue = (weft_queue){.item_size = 1};
    is(weft_queue_count(&local_queue), 0);
    WEFT_SCOPE(s) {
        struct weft_spawn_opt opt = {.size = sizeof opt, .reactor = WEFT_ON(1)};
        int item;
        for (int i = 0; i < 3; i++)
            is(weft_spawn(&s, squares, NULL, 0, &opt), 0);
        for (int put = 0, got = 0; got < ITEMS;) {
            expected += put < ITEMS ? put * put : 0;
            if (put < ITEMS) {
                is(weft_queue_put(&queue, &put), 0);
                put++;
            }
            if (put == ITEMS || put % 2) {
                is(weft_queue_get(&answers, &item), 0);
                sum += item;
                got++;
            } else if (weft_queue_get_nowait(&answers, &item) == 0) {
                sum += item;
                got++;
            }
        }
        is(weft_queue_join(&queue), 0);
        is(weft_queue_shutdown(&queue, false), 0);
    }
    ck_assert_int_eq(sum, expected);
    is(weft_queue_destroy(&queue), 0);
    is(weft_queue_destroy(&answers), 0);
    return 0;
}
TEST(across_reactors)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    is(weft_run(across_main, NULL, 0, &opt), 0);
}

/* Nobody waits, and there is room: no allocation, no request. */
static int costs_main(void *arg)
{
    struct weft_stats before, after;
    int item = 0;

    (void)arg;
    begin(4);
    is(weft_queue_put(&queue, &item), 0);
    is(weft_queue_get(&queue, &item), 0);
    is(weft_yield(), 0);
    is(weft_stats(&before, sizeof before), 0);
    for (int i = 0; i < 100; i++) {
        is(weft_queue_put(&queue, &item), 0);
        is(weft_queue_get(&queue, &item), 0);
    }
    is(weft_stats(&after, sizeof after), 0);
    ck_assert_uint_eq(after.allocations, before.allocations);
    ck_assert_uint_le(after.enters - before.enters, 1);
    ck_assert_uint_eq(after.sqes, before.sqes);
    is(weft_queue_destroy(&queue), 0);
    return 0;
}
SYNC_TEST(costs)

/* An item may be said to be dealt with before it is taken; thrown away, it does not count twice. */
static int done_early_main(void *arg)
{
    int item = 1;

    (void)arg;
    begin(0);
    is(weft_queue_put(&queue, &item), 0);
    is(weft_queue_put(&queue, &item), 0);
    is(weft_queue_task_done(&queue), 1);
    is(weft_queue_task_done(&queue), 0);
    is(weft_queue_shutdown(&queue, true), 2);
    is(weft_queue_join_until(&queue, weft_after_ms(60000)), 0);
    ck_misuse(weft_queue_task_done(&queue), -EINVAL, "weft_queue_task_done", "more done");
    is(weft_queue_destroy(&queue), 0);
    return 0;
}
SYNC_TEST(done_early)

TEST_MAIN("queue", 30, first_in_first_out, last_in_first_out, by_priority, getters_in_order,
          putters_in_order, get_cancelled, put_cancelled, joining, shutting_down, idle, errors,
          in_callbacks, across_reactors, costs, done_early)
