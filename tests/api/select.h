/*
 * What the tests of weft/select.h share: an object of each kind that a case may be about, each made
 * ready by itself, and what a select has done to all of them.
 */
#ifndef WEFT_TESTS_API_SELECT_H
#define WEFT_TESTS_API_SELECT_H

#include "sync.h"

static weft_queue queue, second;
static weft_event event;
static weft_lock lock;
static weft_semaphore semaphore;
static weft_future *future;
static int ran;

static inline weft_queue queue_of(uint32_t max)
{
    return (weft_queue){.shared = of_shared_kind, .item_size = sizeof(int), .max = max};
}

static inline void begin(void)
{
    queue = queue_of(1);
    second = queue_of(1);
    event = KIND(weft_event, WEFT_EVENT_INIT, WEFT_EVENT_SHARED_INIT);
    lock = KIND(weft_lock, WEFT_LOCK_INIT, WEFT_LOCK_SHARED_INIT);
    semaphore = KIND(weft_semaphore, WEFT_SEMAPHORE_INIT(0), WEFT_SEMAPHORE_SHARED_INIT(0));
    is(weft_future_create(&future, NULL), 0);
    ran = 0;
}
static inline void end(void)
{
    ck_assert(weft_queue_destroy(&queue) >= 0);
    ck_assert(weft_queue_destroy(&second) >= 0);
    weft_future_put(future);
}

static inline void put(weft_queue *into, int item)
{
    is(weft_queue_put_nowait(into, &item), 0);
}
static inline int take(weft_queue *from)
{
    int item = -1;

    is(weft_queue_get_nowait(from, &item), 0);
    return item;
}

enum { GET, PUT, EVENT, LOCK, SEMAPHORE, FUTURE, TIME, KINDS };

/* One case of each kind; what is put is 71, what is got lands in *item. */
static inline void one_of_each(weft_case *cases, int *item, int64_t deadline)
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
static inline void close_all(weft_lock *held)
{
    put(&second, 5);
    is(weft_lock_acquire(held), 0);
}

static inline void make_ready(int which)
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
static inline void check_won(const weft_case *cases, int which, int item)
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

/* Waits for an item, for the future, or an hour. */
static inline int selects_future(void *arg)
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

#endif
