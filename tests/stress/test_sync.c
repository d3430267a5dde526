/*
 * Shared objects under two reactors: tasks on both take a lock, permits and a read-write lock, wait
 * on a condition, and pass items through queues, some of them with deadlines and cancellations:
 * 10^5 operations, 10^7 with WEFT_LONG. Nothing is held twice, no permit, notification or item is
 * lost or made, and nothing hangs.
 */
#include "support/test.h"

#include <errno.h>
#include <weft/weft.h>

#include "base/annotate.h"

#ifdef WEFT__TSAN
enum { OPERATIONS = 20000 };
#else
enum { OPERATIONS = 100000 };
#endif
enum { WORKERS = 4 }; /* on each reactor */

#define is(expression, value) ck_assert_int_eq((expression), (value))

static weft_lock lock;
static weft_semaphore semaphore;
static weft_rwlock rwlock;
static weft_queue there, back;
static uint64_t counter;  /* under the lock */
static uint64_t written;  /* under the read-write lock */
static int permits_taken; /* atomically */
static uint64_t rounds;

static uint64_t operations(void)
{
    return test_long() ? 100 * (uint64_t)OPERATIONS : OPERATIONS;
}

static void permit(bool wait)
{
    int result = wait ? weft_semaphore_acquire(&semaphore)
                      : weft_semaphore_acquire_until(&semaphore, weft_after_us(20));

    if (result == -ETIMEDOUT)
        return;
    is(result, 0);
    ck_assert_int_le(__atomic_add_fetch(&permits_taken, 1, __ATOMIC_RELAXED), 3);
    if (wait)
        is(weft_yield(), 0);
    __atomic_sub_fetch(&permits_taken, 1, __ATOMIC_RELAXED);
    is(weft_semaphore_release(&semaphore), 0);
}

/* Each round is some ten operations. */
static int works(void *arg)
{
    unsigned self = *(unsigned *)arg;

    for (uint64_t i = 0; i < rounds; i++) {
        is(weft_lock_acquire(&lock), 0);
        counter++;
        if ((i + self) % 16 == 0)
            is(weft_yield(), 0);
        is(weft_lock_release(&lock), 0);
        permit(i % 64 != self);
        is(weft_rwlock_read(&rwlock), 0);
        uint64_t seen = written;
        if (i % 8 == 0)
            is(weft_yield(), 0);
        ck_assert_uint_eq(seen, written);
        is(weft_rwlock_read_release(&rwlock), 0);
        if (i % 4 == self % 4) {
            is(weft_rwlock_write(&rwlock), 0);
            written++;
            is(weft_rwlock_write_release(&rwlock), 0);
        }
    }
    return 0;
}

static int start_workers(weft_scope *scope)
{
    for (unsigned i = 0; i < 2 * WORKERS; i++)
        is(weft_spawn(scope, works, &i, sizeof i,
                      &(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt),
                                               .reactor = WEFT_ON((int)(i % 2))}),
           0);
    return 0;
}

static int holders_main(void *arg)
{
    uint64_t writes = 0;

    (void)arg;
    lock = (weft_lock)WEFT_LOCK_SHARED_INIT;
    semaphore = (weft_semaphore)WEFT_SEMAPHORE_SHARED_INIT(3);
    rwlock = (weft_rwlock)WEFT_RWLOCK_SHARED_INIT;
    rounds = operations() / 10 / (2 * WORKERS) / 2;
    WEFT_SCOPE(s)
        start_workers(&s);
    ck_assert_uint_eq(counter, rounds * 2 * WORKERS);
    for (unsigned self = 0; self < 2 * WORKERS; self++)
        for (uint64_t i = 0; i < rounds; i++)
            writes += i % 4 == self % 4;
    ck_assert_uint_eq(written, writes);
    is((int)weft_semaphore_value(&semaphore), 3);
    is(permits_taken, 0);
    return 0;
}
TEST(holders)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    is(weft_run(holders_main, NULL, 0, &opt), 0);
}

/* -- items ----------------------------------------------------------------------------------- */

static uint64_t sent, answered; /* sums, atomically */

/* Gets with a deadline now and then: what was not taken then is taken later, or by another. */
static int relays(void *arg)
{
    uint64_t item, n = 0;
    int result;

    (void)arg;
    for (;;) {
        result = ++n % 32 ? weft_queue_get(&there, &item)
                          : weft_queue_get_until(&there, &item, weft_after_us(10));
        if (result == -ETIMEDOUT)
            continue;
        if (result < 0)
            break;
        is(weft_queue_put(&back, &item), 0);
        ck_assert(weft_queue_task_done(&there) >= 0);
    }
    is(result, -ESHUTDOWN);
    return 0;
}
static int collects(void *arg)
{
    uint64_t item;

    (void)arg;
    while (weft_queue_get(&back, &item) == 0)
        __atomic_add_fetch(&answered, item, __ATOMIC_RELAXED);
    return 0;
}
static int sends(void *arg)
{
    uint64_t first = *(unsigned *)arg;

    for (uint64_t i = first; i < rounds; i += 2) {
        uint64_t item = i + 1;
        int result = i % 32 ? weft_queue_put(&there, &item)
                            : weft_queue_put_until(&there, &item, weft_after_us(10));
        if (result == -ETIMEDOUT)
            continue;
        is(result, 0);
        __atomic_add_fetch(&sent, item, __ATOMIC_RELAXED);
    }
    return 0;
}
static void start(weft_scope *scope, weft_task_fn fn, unsigned number, unsigned reactor)
{
    is(weft_spawn(scope, fn, &number, sizeof number,
                  &(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt),
                                           .reactor = WEFT_ON((int)reactor)}),
       0);
}
/* Tasks that only get, and are cancelled while items come: what one was handed counts. */
static int gets_until_cancelled(void *arg)
{
    uint64_t item;

    (void)arg;
    while (weft_queue_get(&back, &item) == 0)
        __atomic_add_fetch(&answered, item, __ATOMIC_RELAXED);
    return 0;
}
static int items_main(void *arg)
{
    (void)arg;
    there = (weft_queue){.shared = 1, .item_size = sizeof(uint64_t), .max = 7};
    back = (weft_queue){.shared = 1, .item_size = sizeof(uint64_t), .max = 3};
    rounds = operations() / 5 / 2;
    WEFT_SCOPE(outer) {
        for (unsigned i = 0; i < 2; i++)
            start(&outer, collects, i, i);
        WEFT_SCOPE(middle) {
            for (unsigned i = 0; i < 4; i++)
                start(&middle, relays, i, i % 2);
            WEFT_SCOPE(s) {
                for (unsigned i = 0; i < 2; i++)
                    start(&s, sends, i, i);
                while (weft_scope_tasks(&s) > 0)
                    WEFT_SCOPE(passing) {
                        for (unsigned i = 0; i < 4; i++)
                            start(&passing, gets_until_cancelled, i, i % 2);
                        is(weft_sleep(50000), 0);
                        is(weft_scope_cancel(&passing), 1);
                    }
            }
            is(weft_queue_join(&there), 0);
            is(weft_queue_shutdown(&there, false), 0);
        }
        is(weft_queue_shutdown(&back, false), 0);
    }
    ck_assert_uint_eq(answered, sent);
    is(weft_queue_destroy(&there), 0);
    is(weft_queue_destroy(&back), 0);
    return 0;
}
TEST(items)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    is(weft_run(items_main, NULL, 0, &opt), 0);
}

/* -- a condition ----------------------------------------------------------------------------- */

static weft_condition condition;
static uint64_t turn;

/* Each in its turn: a notification that is lost is a turn that never comes. */
static int takes_turns(void *arg)
{
    unsigned self = *(unsigned *)arg;

    for (uint64_t i = 0; i < rounds; i++) {
        is(weft_lock_acquire(&lock), 0);
        while (turn % 4 != self) {
            int result = i % 32 ? weft_condition_wait(&condition, &lock)
                                : weft_condition_wait_until(&condition, &lock, weft_after_us(10));
            ck_assert(result == 0 || result == -ETIMEDOUT);
        }
        turn++;
        ck_assert(weft_condition_notify_all(&condition) >= 0);
        is(weft_lock_release(&lock), 0);
    }
    return 0;
}
static int turns_main(void *arg)
{
    (void)arg;
    lock = (weft_lock)WEFT_LOCK_SHARED_INIT;
    condition = (weft_condition)WEFT_CONDITION_SHARED_INIT;
    rounds = operations() / 100;
    WEFT_SCOPE(s)
        for (unsigned i = 0; i < 4; i++)
            start(&s, takes_turns, i, i % 2);
    ck_assert_uint_eq(turn, 4 * rounds);
    return 0;
}
TEST(turns)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    is(weft_run(turns_main, NULL, 0, &opt), 0);
}

TEST_MAIN("stress: sync", 600, holders, items, turns)
