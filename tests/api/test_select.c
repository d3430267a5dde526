/*
 * weft/select.h, sentence by sentence, with objects of both kinds: what is ready at once, what
 * comes while a select waits, and mistakes. Each test would catch the sentence above it becoming
 * untrue; most would catch a thing that is lost: an item taken and not told, a lock that nobody
 * holds and nobody gets. Who is cancelled: test_select_cancel.c. More reactors than one:
 * test_select_across.c.
 */
#include "select.h"

/* -- ready at once --------------------------------------------------------------------------- */

static int holds_lock(void *arg)
{
    (void)arg;
    close_all(&lock);
    return weft_event_wait(&event); /* for ever, but for the end */
}

/* What is ready wins without waiting, whatever it is; and the other cases have no effect. */
static int at_once_main(void *arg)
{
    (void)arg;
    for (int which = 0; which < KINDS; which++) {
        weft_case cases[KINDS];
        int item = -1;
        begin();
        WEFT_SCOPE(s) {
            weft_task holder;
            if (which == LOCK)
                put(&second, 5);
            else
                holder = sync_start_until(&s, holds_lock, 0, "event");
            one_of_each(cases, &item, which == TIME ? 1 : WEFT_NEVER);
            is(weft_select_nowait(cases, KINDS, 0), which == TIME   ? TIME
                                                    : which == LOCK ? LOCK
                                                                    : -EAGAIN);
            if (which == LOCK)
                is(weft_lock_release(&lock), 0);
            else if (which != TIME)
                make_ready(which);
            is(weft_select(cases, KINDS, 0), which);
            check_won(cases, which, item);
            if (which == LOCK)
                is(weft_lock_release(&lock), 0);
            else
                ck_assert(weft_cancel(holder) >= 0);
        }
        end();
    }
    return 0;
}
TEST(ready_at_once)
{
    sync_run(at_once_main);
}

/* -- waiting --------------------------------------------------------------------------------- */

static int selects(void *arg)
{
    int which = *(int *)arg, item = -1;
    weft_case cases[KINDS];

    one_of_each(cases, &item, which == TIME ? weft_after_us(500) : WEFT_NEVER);
    is(weft_select(cases, KINDS, 0), which);
    check_won(cases, which, item);
    if (which == LOCK)
        is(weft_lock_release(&lock), 0);
    ran++;
    return 0;
}

/* A select that waits is woken by whatever becomes ready, and has left everything else: what comes
   there later goes to others, or stays. */
static int waiting_main(void *arg)
{
    (void)arg;
    for (int which = 0; which < KINDS; which++) {
        begin();
        close_all(&lock);
        WEFT_SCOPE(s) {
            weft_task task = sync_start(&s, selects, which);
            if (which != TIME) /* which may be over before it waits */
                sync_until(task, "select");
            make_ready(which);
            if (which != TIME) /* others that come too late, or would */
                for (int late = GET; late <= SEMAPHORE; late++)
                    if (late != which)
                        make_ready(late);
            if (which == TIME) {
                is(sync_result(task), 0);
                is(weft_lock_release(&lock), 0);
            } else {
                /* what the losers did not take is there for who comes next */
                if (which != GET)
                    is(take(&queue), 17);
                if (which != PUT)
                    put(&second, 5);
                if (which != SEMAPHORE)
                    is(weft_semaphore_acquire_nowait(&semaphore), 0);
                is(sync_result(task), 0);
                is(weft_lock_acquire_nowait(&lock), 0);
                is(weft_lock_release(&lock), 0);
            }
            is(ran, 1);
        }
        end();
    }
    return 0;
}
TEST(waits_for_each)
{
    sync_run(waiting_main);
}

/* "Up to 8 cases need no memory." */
static int no_memory_main(void *arg)
{
    struct weft_stats before, after;

    (void)arg;
    begin();
    close_all(&lock);
    for (int round = 0; round < 3; round++) {
        WEFT_SCOPE(s) {
            weft_task task = sync_start(&s, selects, FUTURE);
            is(weft_stats(&before, sizeof before), 0);
            sync_until(task, "select");
            is(weft_future_set_result(future, 33), 0);
            is(sync_result(task), 0);
            is(weft_stats(&after, sizeof after), 0);
        }
        ck_assert_uint_eq(after.allocations, before.allocations);
        is(weft_future_reset(future), 0);
    }
    is(weft_lock_release(&lock), 0);
    end();
    return 0;
}
TEST(needs_no_memory)
{
    sync_run(no_memory_main);
}

static int gets(void *arg)
{
    int item = -1;

    (void)arg;
    is(weft_queue_get(&second, &item), 0);
    return item;
}
static int selects_two(void *arg)
{
    int one = -1, two = -1;
    weft_case cases[] = {weft_case_get(&queue, &one), weft_case_get(&second, &two)};
    int won = weft_select(cases, 2, 0);

    (void)arg;
    if (won < 0)
        return won;
    is(cases[!won].result, -ECANCELED);
    is(won ? one : two, -1);
    return won ? 100 + two : one;
}
/* Two things become ready before the select runs: it takes the first; the second goes to who waits
   behind it, in the same step. */
static int behind_main(void *arg)
{
    (void)arg;
    begin();
    WEFT_SCOPE(s) {
        weft_task task = sync_start_until(&s, selects_two, 0, "select");
        weft_task behind = sync_start_until(&s, gets, 0, "get");
        put(&queue, 1);
        put(&second, 2);
        is(weft_queue_count(&second), 0);
        put(&second, 3); /* and one that nobody waits for */
        is(weft_queue_count(&second), 1);
        is(sync_result(task), 1);
        is(sync_result(behind), 2);
        is(take(&second), 3);
        task = sync_start_until(&s, selects_two, 0, "select");
        put(&second, 4);
        put(&queue, 5);
        is(sync_result(task), 104);
        is(take(&queue), 5);
    }
    end();
    return 0;
}
TEST(second_goes_to_the_next)
{
    sync_run(behind_main);
}

/* The first that is ready, not the first in the list: a future settled before an item is put. It is
   left alone when it loses. A task that has ended counts likewise. */
static int futures_main(void *arg)
{
    (void)arg;
    begin();
    WEFT_SCOPE(s) {
        weft_task task = sync_start_until(&s, selects_future, 0, "select");
        is(weft_future_set_result(future, 7), 0);
        put(&queue, 1);
        is(sync_result(task), 1);
        is(take(&queue), 1);
        is(weft_future_reset(future), 0);
        task = sync_start_until(&s, selects_future, 0, "select");
        put(&queue, 1);
        is(weft_future_set_result(future, 7), 0);
        is(sync_result(task), 0);
        is(weft_future_reset(future), 0);
        task = sync_start_until(&s, selects_future, 0, "select");
        put(&queue, 1);
        is(sync_result(task), 0);
        ck_assert(!weft_future_done(future));
    }
    WEFT_SCOPE(t) {
        weft_task other = sync_start(&t, gets, 0);
        weft_case cases[] = {weft_case_await(weft_of_task(other)), weft_case_event(&event)};
        put(&second, 41);
        is(weft_select(cases, 2, 0), 0);
        is(cases[0].result, 41);
        is(sync_result(other), 41);
        other = sync_start(&t, gets, 0);
        cases[0] = weft_case_await(weft_of_task(other));
        is(weft_event_set(&event), 1);
        is(weft_select(cases, 2, 0), 1);
        put(&second, 42);
        is(sync_result(other), 42); /* it went on */
    }
    end();
    return 0;
}
TEST(futures_and_tasks)
{
    sync_run(futures_main);
}

/* A queue that is shut down is ready, with that; to get and to put, at once and later. */
static int selects_shut(void *arg)
{
    bool puts = *(int *)arg;
    int item = 1;
    weft_case cases[] = {weft_case_event(&event),
                         puts ? weft_case_put(&queue, &item) : weft_case_get(&queue, &item)};

    is(weft_select(cases, 2, 0), 1);
    is(cases[1].result, -ESHUTDOWN);
    ck_assert(weft_case_happened(&cases[1]));
    return 0;
}
static int shut_main(void *arg)
{
    int no = 0, yes = 1;

    (void)arg;
    for (int puts = 0; puts < 2; puts++) {
        begin();
        if (puts)
            put(&queue, 1);
        WEFT_SCOPE(s) {
            sync_start_until(&s, selects_shut, puts, "select");
            is(weft_queue_shutdown(&queue, true), puts);
        }
        is(selects_shut(&no), 0);
        is(selects_shut(&yes), 0);
        end();
    }
    return 0;
}
TEST(shut_down)
{
    sync_run(shut_main);
}

/* A case that is switched off is never ready; of an empty list nothing is. More cases than fit in a
   frame. */
static int many_main(void *arg)
{
    enum { MANY = 40 };
    weft_queue queues[MANY];
    weft_case cases[MANY + 1];
    int items[MANY];

    (void)arg;
    for (int i = 0; i < MANY; i++) {
        queues[i] = queue_of(0);
        cases[i] = weft_case_get(&queues[i], &items[i]);
    }
    cases[MANY] = weft_case_until(1);
    cases[13] = weft_case_never();
    put(&queues[13], 5);
    is(weft_select(cases, MANY + 1, 0), MANY);
    cases[MANY] = weft_case_until(weft_after_us(200));
    is(weft_select(cases, MANY + 1, 0), MANY);
    put(&queues[31], 8);
    is(weft_select(cases, MANY + 1, 0), 31);
    is(items[31], 8);
    for (int i = 0; i < MANY; i++)
        is(weft_queue_destroy(&queues[i]), i == 13);
    return 0;
}
TEST(many_cases)
{
    sync_run(many_main);
}

/* Putting into a queue that grows; room is made before the turn is claimed. */
static int growing_main(void *arg)
{
    int item;

    (void)arg;
    begin();
    queue = queue_of(0);
    for (item = 0; item < 100; item++) {
        weft_case cases[] = {weft_case_event(&event), weft_case_put(&queue, &item)};
        is(weft_select(cases, 2, 0), 1);
    }
    for (item = 0; item < 100; item++)
        is(take(&queue), item);
    end();
    return 0;
}
TEST(puts_into_a_queue_that_grows)
{
    sync_run(growing_main);
}

/* Of several that are ready the first in the list, each time; FAIR: each has its turn. */
static int fairness_main(void *arg)
{
    int won[3] = {0, 0, 0};

    (void)arg;
    begin();
    is(weft_event_set(&event), 1);
    for (int i = 0; i < 300; i++) {
        weft_case cases[] = {weft_case_event(&event), weft_case_until(1), weft_case_event(&event)};
        int fair = weft_select(cases, 3, WEFT_SELECT_FAIR);
        ck_assert_int_ge(fair, 0);
        won[fair]++;
        fair = weft_select_nowait(cases, 3, WEFT_SELECT_FAIR);
        ck_assert_int_ge(fair, 0);
        won[fair]++;
        is(weft_select(cases, 3, 0), 0);
        is(weft_select_nowait(cases, 3, 0), 0);
    }
    for (int i = 0; i < 3; i++)
        ck_assert_int_gt(won[i], 100);
    end();
    return 0;
}
TEST(fairness)
{
    sync_run(fairness_main);
}

/* -- mistakes -------------------------------------------------------------------------------- */

static int mistakes_main(void *arg)
{
    int item = 9;
    weft_case good[1], cases[2];

    (void)arg;
    begin();
    good[0] = weft_case_put(&queue, &item);
    ck_misuse(weft_select(NULL, 1, 0), -EINVAL, "weft_select", "no cases");
    ck_misuse(weft_select(good, 0, 0), -EINVAL, "weft_select", "no cases");
    ck_misuse(weft_select(good, 1, 8), -EINVAL, "weft_select", "flags");
    ck_misuse(weft_select_nowait(good, 1, WEFT_IDLE), -EINVAL, "weft_select_nowait", "flags");
    cases[0] = good[0]; /* would be ready, but the list is looked at first */
    cases[1] = weft_case_get(NULL, &item);
    ck_misuse(weft_select(cases, 2, 0), -EINVAL, "weft_select", "no queue");
    cases[1] = weft_case_get(&queue, NULL);
    is(weft_select(cases, 2, 0), -EINVAL);
    cases[1] = weft_case_event(NULL);
    ck_misuse(weft_select(cases, 2, 0), -EINVAL, "weft_select", "without its object");
    cases[1] = weft_case_lock(NULL);
    is(weft_select(cases, 2, 0), -EINVAL);
    cases[1].kind = 77;
    ck_misuse(weft_select(cases, 2, 0), -EINVAL, "weft_select", "of no kind");
    cases[1] = weft_case_await(weft_of_future(NULL));
    is(weft_select(cases, 2, 0), -EINVAL);
    cases[1] = weft_case_await(weft_of_task(weft_current_task()));
    ck_misuse(weft_select(cases, 2, 0), -EDEADLK, "weft_select", "itself");
    cases[1] = weft_case_recv(0, &item, 1, 0);
    ck_misuse(weft_select_nowait(cases, 2, 0), -EINVAL, "weft_select_nowait", "tried");
    cases[1].awaitable.fn = NULL;
    is(weft_select(cases, 2, 0), -EINVAL);
    is(weft_lock_acquire(&lock), 0);
    cases[1] = weft_case_lock(&lock);
    ck_misuse(weft_select(cases, 2, 0), -EDEADLK, "weft_select", "holds the lock");
    is(weft_lock_release(&lock), 0);
    is(weft_queue_count(&queue), 0);
    WEFT_NO_SUSPEND {
        is(weft_select(good, 1, 0), -EPERM);
        is(weft_select_nowait(good, 1, 0), 0);
        is(take(&queue), 9);
    }
    end();
    return 0;
}
TEST(mistakes)
{
    weft_event plain = WEFT_EVENT_INIT;
    weft_case one = weft_case_event(&plain);

    is(weft_select(&one, 1, 0), -EPERM);
    is(weft_select_nowait(&one, 1, 0), -EPERM);
    sync_run(mistakes_main);
}

TEST_MAIN("select", 30, ready_at_once, waits_for_each, needs_no_memory, second_goes_to_the_next,
          futures_and_tasks, shut_down, many_cases, puts_into_a_queue_that_grows, fairness,
          mistakes)
