/*
 * Locks and queues in C++17: the initialisers as constant ones, and the object that holds a lock.
 * Would catch an initialiser that C++ refuses, and a lock that stays held when a block is left.
 */
#include <cerrno>
#include <initializer_list>

/* As another's header: -Wshadow minds a struct and a function of one name. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include <weft/weft.h>
#pragma GCC diagnostic pop

#include "support/test.h"

namespace
{

weft_lock local_lock = WEFT_LOCK_INIT;
weft_lock shared_lock = WEFT_LOCK_SHARED_INIT;
weft_event event = WEFT_EVENT_INIT, shared_event = WEFT_EVENT_SHARED_INIT;
weft_semaphore semaphore = WEFT_SEMAPHORE_INIT(2), bounded = WEFT_SEMAPHORE_BOUNDED_INIT(2),
               shared_semaphore = WEFT_SEMAPHORE_SHARED_INIT(2),
               shared_bounded = WEFT_SEMAPHORE_BOUNDED_SHARED_INIT(2);
weft_condition condition = WEFT_CONDITION_INIT, shared_condition = WEFT_CONDITION_SHARED_INIT;
weft_barrier barrier = WEFT_BARRIER_INIT(1), shared_barrier = WEFT_BARRIER_SHARED_INIT(1);
weft_rwlock rwlock = WEFT_RWLOCK_INIT, shared_rwlock = WEFT_RWLOCK_SHARED_INIT;

int holds_in_block(weft_lock *lock, bool leaves)
{
    weft::locked here(lock);

    ck_assert(here);
    ck_assert(weft_lock_held(lock));
    if (leaves)
        return 1;
    weft::locked again(lock); /* -EDEADLK: not held by this one */
    ck_assert(!again);
    return 0;
}

int objects_main(void *)
{
    weft_event *events[] = {&event, &shared_event};
    weft_semaphore *semaphores[] = {&semaphore, &bounded, &shared_semaphore, &shared_bounded};
    weft_condition *conditions[] = {&condition, &shared_condition};
    weft_barrier *barriers[] = {&barrier, &shared_barrier};
    weft_rwlock *rwlocks[] = {&rwlock, &shared_rwlock};

    for (weft_lock *lock : {&local_lock, &shared_lock}) {
        ck_assert_int_eq(holds_in_block(lock, true), 1);
        ck_assert(!weft_lock_held(lock));
        ck_assert_int_eq(holds_in_block(lock, false), 0);
        ck_assert(!weft_lock_held(lock));
    }
    for (weft_event *each : events)
        ck_assert(weft_event_set(each) == 1 && weft_event_wait(each) == 0);
    for (weft_semaphore *each : semaphores)
        ck_assert(weft_semaphore_value(each) == 2 && weft_semaphore_acquire(each) == 0);
    for (weft_condition *each : conditions)
        ck_assert_int_eq(weft_condition_notify_all(each), 0);
    for (weft_barrier *each : barriers)
        ck_assert_int_eq(weft_barrier_wait(each), 0);
    for (weft_rwlock *each : rwlocks)
        ck_assert(weft_rwlock_read(each) == 0 && weft_rwlock_read_release(each) == 0);
    return 1; /* unless what was refused above took its place, being unread */
}
TEST(objects)
{
    ck_assert_int_eq(weft_run(objects_main, nullptr, 0, nullptr), -EDEADLK);
}

int queue_main(void *)
{
    weft_queue queue{};
    double item = 1.5;

    queue.item_size = sizeof item;
    queue.order = WEFT_QUEUE_LIFO;
    ck_assert_int_eq(weft_queue_put(&queue, &item), 0);
    item = 2.5;
    ck_assert_int_eq(weft_queue_put(&queue, &item), 0);
    ck_assert_int_eq(weft_queue_get(&queue, &item), 0);
    ck_assert(item == 2.5);
    ck_assert_int_eq(weft_queue_destroy(&queue), 1);
    return 0;
}
TEST(queue)
{
    ck_assert_int_eq(weft_run(queue_main, nullptr, 0, nullptr), 0);
}

} // namespace

TEST_MAIN("sync: C++", 10, objects, queue)
