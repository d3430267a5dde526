/*
 * weft/select.h, sentence by sentence, with objects of both kinds. Each test would catch the
 * sentence above it becoming untrue; most would catch a thing that is lost: an item taken and not
 * told, a lock that nobody holds and nobody gets.
 */
#include "sync.h"

#include "support/net.h"

static weft_queue queue, second;
static weft_event event;
static weft_lock lock;
static weft_semaphore semaphore;
static weft_future *future;
static int ran;

static weft_queue queue_of(uint32_t max)
{
    return (weft_queue){.shared = of_shared_kind, .item_size = sizeof(int), .max = max};
}

static void begin(void)
{
    queue = queue_of(1);
    second = queue_of(1);
    event = KIND(weft_event, WEFT_EVENT_INIT, WEFT_EVENT_SHARED_INIT);
    lock = KIND(weft_lock, WEFT_LOCK_INIT, WEFT_LOCK_SHARED_INIT);
    semaphore = KIND(weft_semaphore, WEFT_SEMAPHORE_INIT(0), WEFT_SEMAPHORE_SHARED_INIT(0));
    is(weft_future_create(&future, NULL), 0);
    ran = 0;
}
static void end(void)
{
    ck_assert(weft_queue_destroy(&queue) >= 0);
    ck_assert(weft_queue_destroy(&second) >= 0);
    weft_future_put(future);
}

static void put(weft_queue *into, int item)
{
    is(weft_queue_put_nowait(into, &item), 0);
}
static int take(weft_queue *from)
{
    int item = -1;

    is(weft_queue_get_nowait(from, &item), 0);
    return item;
}

/* -- ready at once --------------------------------------------------------------------------- */

enum { GET, PUT, EVENT, LOCK, SEMAPHORE, FUTURE, TIME, KINDS };

/* One case of each kind; what is put is 71, what is got lands in *item. */
static void one_of_each(weft_case *cases, int *item, int64_t deadline)
{
    static const int more = 71;

    cases[GET] = weft_case_get(&queue, item);
    cases[PUT] = weft_case_put(&second, &more);
    cases[EVENT] = weft_case_event(&event);
    cases[LOCK] = weft_case_lock(&lock);
    cases[SEMAPHORE] = weft_case_semaphore(&semaphore);
    cases[FUTURE] = weft_case_await(weft_of_future(future));
    cases[TIME] = weft_case_until(deadline);
}

/* Nothing is ready then but what is made so. */
static void close_all(weft_lock *held)
{
    put(&second, 5);
    is(weft_lock_acquire(held), 0);
}

static void make_ready(int which)
{
    switch (which) {
    case GET:
        put(&queue, 17);
        break;
    case PUT:
        is(take(&second), 5);
        break;
    case EVENT:
        is(weft_event_set(&event), 1);
        break;
    case LOCK:
        is(weft_lock_release(&lock), 0);
        break;
    case SEMAPHORE:
        is(weft_semaphore_release(&semaphore), 0);
        break;
    case FUTURE:
        is(weft_future_set_result(future, 33), 0);
        break;
    default:
        break;
    }
}

/* The effect of the winner, and that no other case had any. */
static void check_won(const weft_case *cases, int which, int item)
{
    int lock_is = which == LOCK ? -EDEADLK : 0;

    for (int i = 0; i < KINDS; i++)
        is(cases[i].result, i != which ? -ECANCELED : which == FUTURE ? 33 : 0);
    for (int i = 0; i < KINDS; i++)
        is(weft_case_happened(&cases[i]), i == which);
    is(item, which == GET ? 17 : -1);
    is(weft_queue_count(&queue), 0);
    if (which == PUT)
        is(take(&second), 71);
    else
        is(weft_queue_count(&second), 1);
    if (which == LOCK)
        is(weft_lock_acquire_nowait(&lock), lock_is);
    is(weft_semaphore_value(&semaphore), 0);
}

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
            weft_task task = sync_start_until(&s, selects, which, "select");
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

static int selects_future(void *arg)
{
    int item = -1;
    weft_case cases[] = {weft_case_get(&queue, &item), weft_case_await(weft_of_future(future)),
                         weft_case_until(weft_after_ns(HOUR))};
    int won = weft_select(cases, 3, 0);

    (void)arg;
    if (won == 1)
        is(item, -1);
    return won;
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

/* -- cancelled ------------------------------------------------------------------------------- */

static int selects_cancelled(void *arg)
{
    int item = -1;
    weft_case cases[KINDS];
    int won;

    one_of_each(cases, &item, WEFT_NEVER);
    won = weft_select(cases, *(int *)arg ? FUTURE : KINDS, 0);
    if (won >= 0)
        is(weft_yield(), -ECANCELED);
    return won;
}
/* Cancelled before it was given anything it has nothing, and is out of every row; cancelled after
   that it has what it was given, and the cancellation shows at the next call. */
static int cancelled_main(void *arg)
{
    (void)arg;
    for (int plain = 0; plain < 2; plain++) {
        begin();
        close_all(&lock);
        WEFT_SCOPE(s) {
            weft_task task = sync_start_until(&s, selects_cancelled, plain, "select");
            is(weft_cancel(task), 1);
            for (int i = GET; i <= SEMAPHORE; i++)
                make_ready(i);
            is(sync_result(task), -ECANCELED);
            is(take(&queue), 17);
            put(&second, 5);
            is(weft_semaphore_acquire_nowait(&semaphore), 0);
            is(weft_lock_acquire_nowait(&lock), 0);
            is(weft_event_clear(&event), 1);
            task = sync_start_until(&s, selects_cancelled, plain, "select");
            is(weft_lock_release(&lock), 0);
            is(weft_cancel(task), 1);
            put(&queue, 17);
            is(sync_result(task), LOCK);
            is(weft_queue_count(&queue), 1);
            is(weft_lock_acquire_nowait(&lock), -EOWNERDEAD); /* it held the lock */
            is(weft_lock_release(&lock), 0);
        }
        WEFT_SCOPE(t) {
            weft_case cases[] = {weft_case_event(&event), weft_case_get(&queue, &ran)};
            is(weft_cancel(weft_current_task()), 1);
            is(weft_select(cases, 2, 0), -ECANCELED); /* before any case is looked at */
            is(weft_queue_count(&queue), 1);
            is(weft_select_nowait(cases, 2, 0), 1);
            is(weft_uncancel(), 0);
        }
        end();
    }
    return 0;
}
TEST(cancelled)
{
    sync_run(cancelled_main);
}

static int selects_idly(void *arg)
{
    weft_case cases[] = {weft_case_event(&event), weft_case_lock(&lock)};
    int result;

    is(weft_select(cases, 1, WEFT_IDLE), -ESHUTDOWN);
    is(weft_cause(), WEFT_CAUSE_DRAIN);
    is(weft_select(cases, 2, WEFT_IDLE), -ESHUTDOWN); /* nor anything new */
    result = weft_select(cases, 2, 0);
    is(weft_lock_release(&lock), 0);
    (void)arg;
    return result;
}
/* "WEFT_IDLE: a drain ends it, with -ESHUTDOWN." */
static int idle_main(void *arg)
{
    (void)arg;
    begin();
    WEFT_SCOPE(s) {
        weft_task task = sync_start_until(&s, selects_idly, 0, "select");
        is(weft_scope_drain(&s, weft_after_ns(HOUR), weft_after_ns(HOUR)), 0);
        is(sync_result(task), 1);
    }
    end();
    return 0;
}
TEST(drained)
{
    sync_run(idle_main);
}

/* -- operations and coroutines --------------------------------------------------------------- */

static int sends_late(void *arg)
{
    is(weft_sleep(2000000), 0);
    is(weft_send(*(int *)arg, "l", 1, 0), 1);
    return 0;
}
/* An operation that wins; and one that loses, after which the descriptor is as it was. */
static int operations_main(void *arg)
{
    int here, there, accepted, port, listener = net_listen(&port);
    char bytes[8] = "";

    (void)arg;
    begin();
    net_pair(&here, &there);
    WEFT_SCOPE(s) {
        weft_case cases[] = {weft_case_recv(there, bytes, sizeof bytes, 0),
                             weft_case_event(&event)};
        is(weft_spawn(&s, sends_late, &here, sizeof here, NULL), 0);
        is(weft_select(cases, 2, 0), 0);
        is(cases[0].result, 1);
        ck_assert_str_eq(bytes, "l");
        is(weft_event_set(&event), 1);
        is(weft_select(cases, 2, 0), 1); /* not begun */
        is(cases[0].result, -ECANCELED);
        cases[1] = weft_case_until(weft_after_us(300));
        is(weft_select(cases, 2, 0), 1); /* begun, cancelled, and the descriptor is free again */
        is(cases[0].result, -ECANCELED);
        is(weft_send_all(here, "more", 4, NULL), 4);
        is(weft_recv_exactly(there, bytes, 4, NULL), 4);
        ck_assert_str_eq(bytes, "more");
        cases[0] = weft_case_recv(-1, bytes, 1, 0);
        cases[1] = weft_case_event(&event);
        is(weft_event_clear(&event), 1);
        is(weft_select(cases, 2, 0), 0); /* an error is a result */
        is(cases[0].result, -EBADF);
    }
    is(weft_close(here), 0);
    is(weft_close(there), 0);
    WEFT_SCOPE(t) {
        weft_case cases[] = {weft_case_event(&event), weft_case_accept(listener, 0)};
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        here = weft_socket(AF_INET, SOCK_STREAM, 0);
        is(weft_connect(here, (struct sockaddr *)&address, sizeof address), 0);
        is(weft_select(cases, 2, 0), 1);
        accepted = (int)cases[1].result;
        is(weft_close(accepted), 0);
    }
    is(weft_close(here), 0);
    is(weft_accept_until(listener, NULL, NULL, 0, weft_after_us(100)), -ETIMEDOUT);
    is(weft_accept_until(listener, NULL, NULL, 99, WEFT_NEVER), -EINVAL);
    is(weft_close(listener), 0);
    end();
    return 0;
}
TEST(operations)
{
    sync_run(operations_main);
}

/* Bytes that come while the select ends for another reason are told, or are still there. */
static int sends_and_sets(void *arg)
{
    is(weft_send(*(int *)arg, "x", 1, 0), 1);
    is(weft_event_set(&event), 1);
    return 0;
}
static int both_main(void *arg)
{
    int here, there;

    (void)arg;
    begin();
    net_pair(&here, &there);
    for (int round = 0; round < 20; round++) {
        char byte = 0;
        WEFT_SCOPE(s) {
            weft_case cases[] = {weft_case_event(&event), weft_case_recv(there, &byte, 1, 0)};
            int won;
            is(weft_spawn(&s, sends_and_sets, &here, sizeof here, NULL), 0);
            won = weft_select(cases, 2, 0);
            ck_assert_int_ge(won, 0);
            ck_assert(weft_case_happened(&cases[won]));
            if (!weft_case_happened(&cases[1]))
                is(weft_recv(there, &byte, 1, 0), 1);
        }
        is(byte, 'x');
        is(weft_event_clear(&event), 1);
    }
    is(weft_close(here), 0);
    is(weft_close(there), 0);
    end();
    return 0;
}
TEST(bytes_are_told_or_there)
{
    sync_run(both_main);
}

static int stubborn(void *arg)
{
    ran++;
    is(weft_event_wait(&event), -ECANCELED);
    ran++;
    return *(int *)arg;
}
static int selects_stubborn(void *arg)
{
    weft_case cases[] = {weft_case_get(&queue, &ran), weft_case_await(weft_coro(stubborn, arg, 0))};
    int won = weft_select(cases, 2, 0);

    is(weft_yield(), -ECANCELED);
    is(cases[1].result, 50);
    return won;
}
/* "Losers are cancelled and waited for; one that took effect all the same says so." Cancelled
   itself, it is that one that wins. */
static int coroutines_main(void *arg)
{
    int value = 40, item = 0;

    (void)arg;
    begin();
    WEFT_SCOPE(s) {
        weft_task task;
        weft_case cases[] = {weft_case_until(weft_after_us(200)),
                             weft_case_await(weft_coro(stubborn, &value, sizeof value)),
                             weft_case_await(weft_coro(stubborn, &value, 0))};
        is(weft_select(cases, 3, 0), 0);
        is(ran, 4); /* they have ended */
        is(cases[1].result, 40);
        is(cases[2].result, 40);
        ck_assert(weft_case_happened(&cases[1]));
        value = 50;
        task = sync_start(&s, selects_stubborn, 50);
        sync_until(task, "select");
        is(weft_cancel(task), 1);
        is(sync_result(task), 1);
        put(&queue, 1);
        cases[0] = weft_case_get(&queue, &item);
        cases[1] = weft_case_await(weft_coro(stubborn, &value, 0));
        ran = 0;
        is(weft_select(cases, 2, 0), 0);
        is(ran, 0); /* not begun: another case was ready */
        is(cases[1].result, -ECANCELED);
    }
    end();
    return 0;
}
TEST(coroutines)
{
    sync_run(coroutines_main);
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

/* -- across reactors ------------------------------------------------------------------------- */

enum { ITEMS = 400, QUEUES = 3, SELECTORS = 4 };
static weft_queue lanes[QUEUES], back;
static weft_event over;
static weft_event of_another;

static int feeds(void *arg)
{
    weft_queue *lane = &lanes[*(int *)arg];

    for (int i = 1; i <= ITEMS; i++)
        is(weft_queue_put(lane, &i), 0);
    return 0;
}
/* Takes from whichever has something, and passes it on to whichever has room. */
static int passes_on(void *arg)
{
    weft_case foreign = weft_case_event(&of_another);
    int item[QUEUES];

    is(weft_select(&foreign, 1, 0), *(int *)arg ? -EPERM : 0);
    for (;;) {
        weft_case cases[QUEUES + 1];
        int won;
        for (int i = 0; i < QUEUES; i++)
            cases[i] = weft_case_get(&lanes[i], &item[i]);
        cases[QUEUES] = weft_case_event(&over);
        won = weft_select(cases, QUEUES + 1, WEFT_SELECT_FAIR);
        ck_assert_int_ge(won, 0);
        for (int i = 0; i <= QUEUES; i++)
            is(cases[i].result, i == won ? 0 : -ECANCELED);
        if (won == QUEUES)
            return 0;
        cases[0] = weft_case_put(&back, &item[won]);
        cases[1] = weft_case_event(&over);
        is(weft_select(cases, 2, 0), 0);
    }
}
static int across_main(void *arg)
{
    int64_t sum = 0;

    (void)arg;
    of_shared_kind = true;
    for (int i = 0; i < QUEUES; i++)
        lanes[i] = queue_of(2);
    back = queue_of(2);
    over = (weft_event)WEFT_EVENT_SHARED_INIT;
    of_another = (weft_event)WEFT_EVENT_INIT;
    is(weft_event_set(&of_another), 1);
    WEFT_SCOPE(s) {
        struct weft_spawn_opt opt = {.size = sizeof opt};
        for (int i = 0; i < QUEUES; i++) {
            opt.reactor = WEFT_ON(i % 2);
            is(weft_spawn(&s, feeds, &i, sizeof i, &opt), 0);
        }
        for (int i = 0; i < SELECTORS; i++) {
            int elsewhere = i % 2;
            opt.reactor = WEFT_ON(elsewhere);
            is(weft_spawn(&s, passes_on, &elsewhere, sizeof elsewhere, &opt), 0);
        }
        for (int i = 0; i < QUEUES * ITEMS; i++) {
            int item = 0;
            is(weft_queue_get(&back, &item), 0);
            sum += item;
        }
        is(weft_event_set(&over), 1);
    }
    is(sum, (int64_t)QUEUES * ITEMS * (ITEMS + 1) / 2);
    for (int i = 0; i < QUEUES; i++)
        is(weft_queue_destroy(&lanes[i]), 0);
    is(weft_queue_destroy(&back), 0);
    return 0;
}
/* Nothing is lost and nothing taken twice, on two reactors that reach for the same queues. */
TEST(across_reactors)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    is(weft_run(across_main, NULL, 0, &opt), 0);
}

/* Settles the future and puts an item, one after the other. */
static int readies_both(void *arg)
{
    int item = 1;

    if (*(int *)arg)
        is(weft_queue_put_nowait(&queue, &item), 0);
    is(weft_future_set_result(future, 7), 0);
    if (!*(int *)arg)
        is(weft_queue_put_nowait(&queue, &item), 0);
    return 0;
}
static int first_across_main(void *arg)
{
    (void)arg;
    of_shared_kind = true;
    begin();
    for (int round = 0; round < 40; round++) {
        int item_first = round % 2;
        WEFT_SCOPE(s) {
            struct weft_spawn_opt opt = {.size = sizeof opt, .reactor = WEFT_ON(1)};
            weft_task task = sync_start_until(&s, selects_future, 0, "select");
            is(weft_spawn(&s, readies_both, &item_first, sizeof item_first, &opt), 0);
            is(sync_result(task), !item_first);
        }
        is(weft_queue_count(&queue), !item_first);
        if (!item_first)
            is(take(&queue), 1);
        is(weft_future_reset(future), 0);
    }
    end();
    return 0;
}
/* The first that is ready wins, also when both are made so on another reactor, before word of the
   first has come. */
TEST(first_across_reactors)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    is(weft_run(first_across_main, NULL, 0, &opt), 0);
}

TEST_MAIN("select", 30, ready_at_once, waits_for_each, needs_no_memory, second_goes_to_the_next,
          futures_and_tasks, shut_down, many_cases, puts_into_a_queue_that_grows, fairness,
          cancelled, drained, operations, bytes_are_told_or_there, coroutines, mistakes,
          across_reactors, first_across_reactors)
