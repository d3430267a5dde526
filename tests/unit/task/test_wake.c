/*
 * Waiters that are woken from other reactors and from foreign threads, on an object made for it: a
 * heap of permits under a locked word. Catches a permit that is lost or doubled when a cancellation
 * meets a wake-up, a frame left while its message is under way, a queue with an end in the air, a
 * cancellation that is eaten, and a hand-over that allocates.
 */
#include "task/wake.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/memory.h"
#include "support/net.h"

#define RUN_OPT(...) (&(struct weft_run_opt){.size = sizeof(struct weft_run_opt), __VA_ARGS__})
#define OPT(...) (&(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt), __VA_ARGS__})
enum { TAKERS = 24, ROUNDS = 200 };

struct heap {
    _Atomic(uint64_t) word; /* the lock, and above it how many permits lie here */
    struct weft__waiters waiters;
};
static struct heap heap;
static _Atomic(uint32_t) taken, refused, at_work;

static void give(struct heap *to)
{
    uint64_t value = weft__word_lock(&to->word);
    struct weft__waiter *waiter = weft__waiters_take(&to->waiters);

    weft__word_unlock(&to->word, waiter ? value : value + 2);
    if (waiter)
        weft__waiter_wake(waiter);
}

static bool leave(void *object, struct weft__waiter *waiter)
{
    struct heap *from = object;
    uint64_t value = weft__word_lock(&from->word);
    bool left = weft__waiters_leave(&from->waiters, waiter);

    weft__word_unlock(&from->word, value);
    return left;
}

static int take(struct heap *from)
{
    struct weft__wait wait = {.what = "permit", .fd = -1};
    struct weft__waiter waiter;
    struct weft__task *self;
    uint64_t value;
    int error = weft__enter(&self);

    if (error < 0)
        return error;
    weft__waiter_init(&waiter, &wait);
    value = weft__word_lock(&from->word);
    if (value > 0) {
        weft__word_unlock(&from->word, value - 2);
        return 0;
    }
    weft__waiters_put(&from->waiters, &waiter);
    weft__word_unlock(&from->word, value);
    return weft__waiter_wait(self, &waiter, leave, from);
}

/* -- on one reactor ----------------------------------------------------------------------------
 */

static int order[4], ordered;
static int takes_in_turn(void *arg)
{
    int number = *(int *)arg, result = take(&heap);

    order[ordered++] = result < 0 ? result : number;
    return result < 0 ? result : weft_cancelled();
}

/* First come, first served; who leaves from the middle or an end leaves no gap. */
static int main_order(void *arg)
{
    weft_task tasks[4];

    (void)arg;
    WEFT_SCOPE(s) {
        for (int i = 0; i < 4; i++)
            ok(weft_spawn(&s, takes_in_turn, &i, sizeof i, OPT(.task = &tasks[i])));
        ok(weft_yield());
        ok(weft_cancel(tasks[1]));
        ok(weft_yield());
        ok(weft_cancel(tasks[3]));
        ok(weft_yield());
        ck_assert_int_eq(ordered, 2);
        give(&heap);
        give(&heap);
        ok(weft_yield());
    }
    ck_assert_int_eq(ordered, 4);
    ck_assert_int_eq(order[0], -ECANCELED);
    ck_assert_int_eq(order[1], -ECANCELED);
    ck_assert_int_eq(order[2], 0);
    ck_assert_int_eq(order[3], 2);
    ck_assert_ptr_null(heap.waiters.first);
    ck_assert_ptr_null(heap.waiters.last);
    return 0;
}
TEST(first_come_first_served)
{
    ck_assert_int_eq(weft_run(main_order, NULL, 0, RUN_OPT(.reactors = 1)), 0);
}

/* Given first and cancelled then, or the other way round, before the task could run. */
static int main_both(void *arg)
{
    int zero = 0, result;
    uint64_t allocations;
    weft_task task;

    (void)arg;
    for (int given_first = 0; given_first < 2; given_first++) {
        ordered = 0;
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, takes_in_turn, &zero, sizeof zero, OPT(.task = &task)));
            ok(weft_yield());
            allocations = weft__alloc_count();
            if (given_first)
                give(&heap);
            ok(weft_cancel(task));
            if (!given_first)
                give(&heap);
            ok(weft_join(task, &result));
            ck_assert_int_eq(order[0], 0); /* it was still queued: given all the same */
            ck_assert_int_eq(result, WEFT_CAUSE_CANCEL);
            ck_assert_uint_eq(weft__alloc_count(), allocations);
        }
    }
    return 0;
}
TEST(given_and_cancelled)
{
    ck_assert_int_eq(weft_run(main_both, NULL, 0, RUN_OPT(.reactors = 1)), 0);
}

/* Cancelled when it was given a permit of which the message is still under way: that lies in its
   frame, so it stays there. */
static int main_under_way(void *arg)
{
    struct weft__waiter *waiter;
    int zero = 0, result;
    weft_task task;

    (void)arg;
    ordered = 0;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, takes_in_turn, &zero, sizeof zero, OPT(.task = &task)));
        ok(weft_yield());
        waiter = weft__waiters_take(&heap.waiters);
        ok(weft_cancel(task));
        for (int i = 0; i < 3; i++)
            ok(weft_yield());
        ck_assert_int_eq(ordered, 0);
        weft__waiter_wake(waiter);
        ok(weft_join(task, &result));
        ck_assert_int_eq(order[0], 0);
        ck_assert_int_eq(result, WEFT_CAUSE_CANCEL);
    }
    return 0;
}
TEST(cancelled_while_it_is_under_way)
{
    ck_assert_int_eq(weft_run(main_under_way, NULL, 0, RUN_OPT(.reactors = 1)), 0);
}

/* The row by itself: who was taken out, alone or with all, stands in it no more, and cannot leave a
   second time. */
TEST(taken_out_is_out)
{
    struct weft__waiters row = {NULL, NULL};
    struct weft__waiter waiters[4] = {{.value = 0}};
    struct weft__waiter *chain;

    for (int i = 0; i < 4; i++)
        weft__waiters_put(&row, &waiters[i]);
    ck_assert_ptr_eq(weft__waiters_take(&row), &waiters[0]);
    ck_assert(!weft__waiters_leave(&row, &waiters[0]));
    ck_assert(weft__waiters_leave(&row, &waiters[2]));
    ck_assert(!weft__waiters_leave(&row, &waiters[2]));
    chain = weft__waiters_take_all(&row);
    ck_assert_ptr_eq(chain, &waiters[1]);
    ck_assert_ptr_eq(chain->next, &waiters[3]);
    ck_assert_ptr_null(chain->next->next);
    ck_assert(!weft__waiters_leave(&row, &waiters[1]));
    ck_assert(!weft__waiters_leave(&row, &waiters[3]));
    ck_assert_ptr_null(weft__waiters_take(&row));
    ck_assert_ptr_null(weft__waiters_take_all(&row));
}

/* -- across reactors and threads ----------------------------------------------------------------
 */

static int takes_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        int result = take(&heap);
        atomic_fetch_add(result == 0 ? &taken : &refused, 1);
        ck_assert(result == 0 || result == -ECANCELED);
        while (result < 0 && weft_uncancel() > 0)
            ;
        while (weft_cancelled() && weft_uncancel() > 0) /* came with a permit */
            ;
        if (i % 16 == 0 && weft_yield() < 0)
            i--;
    }
    atomic_fetch_sub(&at_work, 1);
    return 0;
}

static int gives_often(void *arg)
{
    (void)arg;
    for (int i = 0; atomic_load(&at_work) > 0; i++) {
        if (i % 3 == 0 && atomic_load_explicit(&heap.word, memory_order_relaxed) < 8)
            give(&heap);
        if (weft_yield() < 0)
            return -ECANCELED;
    }
    return 0;
}

static _Atomic(bool) stop_giving;
static _Atomic(uint32_t) given_outside;
static void *gives_from_outside(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop_giving)) {
        if (atomic_load_explicit(&heap.word, memory_order_relaxed) < 8) {
            give(&heap);
            atomic_fetch_add(&given_outside, 1);
        }
        sched_yield();
    }
    return NULL;
}

/* Tasks of one reactor take and are cancelled all the time, by one of their own. */
static int takers(void *arg)
{
    weft_task tasks[TAKERS / 2];

    (void)arg;
    WEFT_SCOPE(s) {
        for (int i = 0; i < TAKERS / 2; i++)
            ok(weft_spawn(&s, takes_often, NULL, 0, OPT(.task = &tasks[i])));
        for (int i = 0; atomic_load(&at_work) > 0; i++) {
            (void)weft_cancel(tasks[i % (TAKERS / 2)]);
            ok(weft_yield());
        }
    }
    return 0;
}

static int main_crowd(void *arg)
{
    pthread_t thread;

    (void)arg;
    atomic_store(&at_work, TAKERS);
    ck_assert_int_eq(pthread_create(&thread, NULL, gives_from_outside, NULL), 0);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, takers, NULL, 0, NULL));
        ok(weft_spawn(&s, takers, NULL, 0, OPT(.reactor = WEFT_ON(1))));
        ok(weft_spawn(&s, gives_often, NULL, 0, NULL));
        ok(weft_spawn(&s, gives_often, NULL, 0, OPT(.reactor = WEFT_ON(1))));
    }
    atomic_store(&stop_giving, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(atomic_load(&taken) + atomic_load(&refused), TAKERS * ROUNDS);
    ck_assert_uint_gt(atomic_load(&taken), 0);
    ck_assert_ptr_null(heap.waiters.first);
    ck_assert_uint_eq(atomic_load(&heap.word) & WEFT__WORD_LOCKED, 0);
    return 0;
}
TEST(crowd)
{
    ck_assert_int_eq(weft_run(main_crowd, NULL, 0, RUN_OPT(.reactors = 2)), 0);
}

/* -- nobody is lost ----------------------------------------------------------------------------
 */

/* So many permits, so many takers that are cancelled now and then: every permit is in the heap or
   in a hand, counted exactly. */
static int takes_until_closed(void *arg)
{
    int result;

    (void)arg;
    while ((result = take(&heap)) == 0 || weft_uncancel() >= 0) {
        if (result < 0) {
            atomic_fetch_add(&refused, 1);
            continue;
        }
        atomic_fetch_add(&taken, 1);
        give(&heap);
        if (atomic_load(&taken) > ROUNDS * 8)
            break;
        if (weft_yield() < 0 && weft_uncancel() < 0)
            break;
    }
    atomic_fetch_sub(&at_work, 1);
    return 0;
}
static int holders(void *arg)
{
    weft_task tasks[8];

    (void)arg;
    WEFT_SCOPE(s) {
        for (int i = 0; i < 8; i++)
            ok(weft_spawn(&s, takes_until_closed, NULL, 0, OPT(.task = &tasks[i])));
        for (int i = 0; atomic_load(&at_work) > 0; i++) {
            (void)weft_cancel(tasks[i % 8]);
            ok(weft_yield());
        }
    }
    return 0;
}
static int main_conserved(void *arg)
{
    (void)arg;
    atomic_store(&at_work, 16);
    for (int i = 0; i < 3; i++)
        give(&heap);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, holders, NULL, 0, NULL));
        ok(weft_spawn(&s, holders, NULL, 0, OPT(.reactor = WEFT_ON(1))));
    }
    ck_assert_ptr_null(heap.waiters.first);
    ck_assert_uint_eq(atomic_load(&heap.word), 3 * 2);
    return 0;
}
TEST(no_permit_is_lost)
{
    ck_assert_int_eq(weft_run(main_conserved, NULL, 0, RUN_OPT(.reactors = 2)), 0);
}

TEST_MAIN("wake", 60, first_come_first_served, given_and_cancelled, cancelled_while_it_is_under_way,
          taken_out_is_out, crowd, no_permit_is_lost)
