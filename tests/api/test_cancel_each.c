/*
 * Every wait of a task for others, and for time, cancelled at each moment: cancel_each.h. Would
 * catch a wait that forgets what it was given or that it was cancelled, or that leaves something of
 * itself behind.
 *
 * Not here, since nothing cancels them: closing a scope, a generator, a queue, a lookout; releasing
 * a lock; the re-lock inside a condition's wait. weft_future_wait is for threads, which are not
 * cancelled. A call's and a spawn's way to another reactor is tests/api/test_remote.c's.
 */
#include <time.h>

#include "cancel_each.h"

static weft_lock lock;
static weft_rwlock rwlock;
static weft_event event, shared_event;
static weft_semaphore semaphore;
static weft_condition condition;
static weft_barrier barrier;
static weft_queue queue;
static weft_future *future;
static weft_generator *generator;
static weft_scope inner;
static weft_task target;
static int released;
static bool target_ended;

/* -- time ------------------------------------------------------------------------------------ */

static int wait_sleep(void)
{
    return weft_sleep(HOUR);
}
static int wait_until(void)
{
    return weft_sleep_until(weft_after_ns(HOUR));
}

/* -- locks and their like -------------------------------------------------------------------- */

static void up_lock(void)
{
    lock = KIND(weft_lock, WEFT_LOCK_INIT, WEFT_LOCK_SHARED_INIT);
    is(weft_lock_acquire_nowait(&lock), 0);
}
static int then_release(int result)
{
    return result == 0 ? weft_lock_release(&lock) : result;
}
static int wait_lock(void)
{
    return then_release(weft_lock_acquire(&lock));
}
static int wait_lock_until(void)
{
    return then_release(weft_lock_acquire_until(&lock, weft_after_ns(HOUR)));
}
static void complete_lock(void)
{
    is(weft_lock_release(&lock), 0);
}
static void end_lock(void)
{
    if (weft_lock_held(&lock))
        is(weft_lock_release(&lock), 0);
}

static void up_rwlock(void)
{
    rwlock = KIND(weft_rwlock, WEFT_RWLOCK_INIT, WEFT_RWLOCK_SHARED_INIT);
    is(weft_rwlock_write_nowait(&rwlock), 0);
    released = 0;
}
static int wait_read(void)
{
    int result = weft_rwlock_read(&rwlock);

    return result == 0 ? weft_rwlock_read_release(&rwlock) : result;
}
static int wait_write(void)
{
    int result = weft_rwlock_write(&rwlock);

    return result == 0 ? weft_rwlock_write_release(&rwlock) : result;
}
static int wait_read_until(void)
{
    int result = weft_rwlock_read_until(&rwlock, weft_after_ns(HOUR));

    return result == 0 ? weft_rwlock_read_release(&rwlock) : result;
}
static int wait_write_until(void)
{
    int result = weft_rwlock_write_until(&rwlock, weft_after_ns(HOUR));

    return result == 0 ? weft_rwlock_write_release(&rwlock) : result;
}
static void complete_rwlock(void)
{
    is(weft_rwlock_write_release(&rwlock), 0);
    released = 1;
}
static void end_rwlock(void)
{
    if (!released)
        complete_rwlock();
}

static void up_event(void)
{
    event = KIND(weft_event, WEFT_EVENT_INIT, WEFT_EVENT_SHARED_INIT);
}
static int wait_event(void)
{
    return weft_event_wait(&event);
}
static int wait_event_until(void)
{
    return weft_event_wait_until(&event, weft_after_ns(HOUR));
}
static void complete_event(void)
{
    weft_event_set(&event);
}

static void up_semaphore(void)
{
    semaphore = KIND(weft_semaphore, WEFT_SEMAPHORE_INIT(0), WEFT_SEMAPHORE_SHARED_INIT(0));
}
static int wait_semaphore(void)
{
    return weft_semaphore_acquire(&semaphore);
}
static int wait_semaphore_until(void)
{
    return weft_semaphore_acquire_until(&semaphore, weft_after_ns(HOUR));
}
static void complete_semaphore(void)
{
    is(weft_semaphore_release(&semaphore), 0);
}
static void end_semaphore(void)
{
    is(weft_semaphore_value(&semaphore), 0); /* none made, none lost */
}

static void up_condition(void)
{
    lock = KIND(weft_lock, WEFT_LOCK_INIT, WEFT_LOCK_SHARED_INIT);
    condition = KIND(weft_condition, WEFT_CONDITION_INIT, WEFT_CONDITION_SHARED_INIT);
}
static int wait_condition(void)
{
    int result = weft_lock_acquire(&lock);

    if (result < 0)
        return result;
    result = weft_condition_wait(&condition, &lock);
    is(weft_lock_release(&lock), 0); /* held in any case */
    return result;
}
static void complete_condition(void)
{
    is(weft_condition_notify(&condition, 1), 1);
}
static int wait_condition_until(void)
{
    int result = weft_lock_acquire(&lock);

    if (result < 0)
        return result;
    result = weft_condition_wait_until(&condition, &lock, weft_after_ns(HOUR));
    is(weft_lock_release(&lock), 0);
    return result;
}
static bool is_released(void *arg)
{
    (void)arg;
    return released != 0;
}
static void up_predicate(void)
{
    up_condition();
    released = 0;
}
static int wait_predicate(void)
{
    int result = weft_lock_acquire(&lock);

    if (result < 0)
        return result;
    result = weft_condition_wait_for(&condition, &lock, is_released, NULL);
    is(weft_lock_release(&lock), 0);
    return result;
}
static void complete_predicate(void)
{
    released = 1;
    complete_condition();
}
static int wait_predicate_until(void)
{
    int result = weft_lock_acquire(&lock);

    if (result < 0)
        return result;
    result =
        weft_condition_wait_for_until(&condition, &lock, is_released, NULL, weft_after_ns(HOUR));
    is(weft_lock_release(&lock), 0);
    return result;
}

static void up_barrier(void)
{
    barrier = KIND(weft_barrier, WEFT_BARRIER_INIT(2), WEFT_BARRIER_SHARED_INIT(2));
}
static int wait_barrier(void)
{
    return weft_barrier_wait(&barrier);
}
static int wait_barrier_until(void)
{
    return weft_barrier_wait_until(&barrier, weft_after_ns(HOUR));
}
static void complete_barrier(void)
{
    is(weft_barrier_wait(&barrier), 1);
}

/* -- queues ---------------------------------------------------------------------------------- */

static void up_get(void)
{
    queue = (weft_queue){.shared = of_shared_kind, .item_size = sizeof(int), .max = 1};
}
static int wait_get(void)
{
    int item = 0, result = weft_queue_get(&queue, &item);

    is(item, result == 0 ? 6 : 0);
    return result == 0 ? weft_queue_task_done(&queue) == 0 ? 0 : -EIO : result;
}
static int wait_select(void)
{
    int item = 0;
    weft_case cases[] = {weft_case_until(WEFT_NEVER), weft_case_get(&queue, &item)};
    int result = weft_select(cases, 2, 0);

    is(item, result == 1 ? 6 : 0);
    return result;
}
static int got(int result, int item)
{
    is(item, result == 0 ? 6 : 0);
    return result;
}
static int wait_get_until(void)
{
    int item = 0, result = weft_queue_get_until(&queue, &item, weft_after_ns(HOUR));

    return got(result, item);
}
static int wait_get_idle(void)
{
    int item = 0, result = weft_queue_get_idle(&queue, &item);

    return got(result, item);
}
static void complete_get(void)
{
    int item = 6;

    is(weft_queue_put_nowait(&queue, &item), 0);
}
static void up_put(void)
{
    up_get();
    complete_get();
}
static int wait_put(void)
{
    int item = 6;

    return weft_queue_put(&queue, &item);
}
static int wait_put_until(void)
{
    int item = 6;

    return weft_queue_put_until(&queue, &item, weft_after_ns(HOUR));
}
static void complete_put(void)
{
    int item;

    is(weft_queue_get_nowait(&queue, &item), 0);
}
static int wait_queue_join(void)
{
    return weft_queue_join(&queue);
}
static int wait_queue_join_until(void)
{
    return weft_queue_join_until(&queue, weft_after_ns(HOUR));
}
static void complete_queue_join(void)
{
    complete_put();
    is(weft_queue_task_done(&queue), 0);
}
static void end_queue(void)
{
    ck_assert(weft_queue_destroy(&queue) >= 0);
}

/* -- tasks and futures ----------------------------------------------------------------------- */

static int target_main(void *arg)
{
    (void)arg;
    is(weft_event_wait(&event), 0);
    target_ended = true;
    return 8;
}
static void up_target(void)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &target};

    up_event();
    target_ended = false;
    is(weft_create_task(target_main, NULL, 0, &opt), 0);
}
static int wait_await(void)
{
    int result = 0, error = weft_await(target, &result);

    return error < 0 ? error : result;
}
static int wait_await_until(void)
{
    int result = 0, error = weft_await_until(target, &result, weft_after_ns(HOUR));

    return error < 0 ? error : result;
}
static int wait_join(void)
{
    int result = 0, error = weft_join(target, &result);

    return error < 0 ? error : result;
}
static int wait_join_until(void)
{
    int result = 0, error = weft_join_until(target, &result, weft_after_ns(HOUR));

    return error < 0 ? error : result;
}
static int wait_any(void)
{
    int64_t result = 0;
    int error = weft_await_any(weft_of_task(target), &result);

    return error < 0 ? error : (int)result;
}
static void complete_target(void)
{
    complete_event();
    while (!target_ended)
        is(weft_yield(), 0);
}

static void up_future(void)
{
    is(weft_future_create(&future, NULL), 0);
}
static int told(int error, int64_t result)
{
    return error < 0 ? error : (int)result;
}
static int wait_future(void)
{
    int64_t result = 0;
    int error = weft_future_await(future, &result);

    return told(error, result);
}
static int wait_future_until(void)
{
    int64_t result = 0;
    int error = weft_future_await_until(future, &result, weft_after_ns(HOUR));

    return told(error, result);
}
static int wait_gather(void)
{
    int64_t result = 0;
    int error = weft_gather(WEFT_LIST(weft_of_future(future)), &result, 0);

    return told(error, result);
}
static int wait_race(void)
{
    return weft_race(WEFT_LIST(weft_of_future(future), weft_of_future(future)), NULL);
}
static int wait_wait(void)
{
    return weft_wait(WEFT_LIST(weft_of_future(future)), NULL, WEFT_ALL, WEFT_NEVER);
}
static int wait_wait_for(void)
{
    int64_t result = 0;
    weft_awaitable shielded = weft_shield(weft_of_future(future));
    int error = weft_wait_for(shielded, &result, WEFT_NEVER);

    return told(error, result);
}
static int wait_completed(void)
{
    weft_completed *each;
    int64_t result = 0;
    int error = weft_as_completed(&each, WEFT_LIST(weft_of_future(future)));

    if (error < 0)
        return error;
    error = weft_completed_next(each, NULL, &result, WEFT_NEVER);
    is(weft_completed_close(each), 0);
    return error < 0 ? error : (int)result;
}
static void complete_future(void)
{
    is(weft_future_set_result(future, 9), 0);
}
static void end_future(void)
{
    weft_future_put(future);
}

static int yields_one(weft_generator *self, void *arg)
{
    int item = 4, error = weft_event_wait(&event);

    (void)arg;
    while (error == 0)
        error = weft_generator_produce(self, &item);
    return error;
}
static void up_generator(void)
{
    up_event();
    is(weft_generator_open(&generator, sizeof(int), yields_one, NULL, 0, NULL), 0);
}
static int wait_generator(void)
{
    int item = 0, result = weft_generator_next(generator, &item);

    return result == 1 ? item : result;
}
static int wait_generator_until(void)
{
    int item = 0, result = weft_generator_next_until(generator, &item, weft_after_ns(HOUR));

    return result == 1 ? item : result;
}
static void end_generator(void)
{
    is(weft_generator_close(generator), 0);
}

static int quick(void *arg)
{
    (void)arg;
    return 0;
}
static void up_room(void)
{
    struct weft_scope_opt opt = {.size = sizeof opt, .max_tasks = 1};

    is(weft_scope_open(&inner, &opt), 0);
    up_target();
}
static int wait_room(void)
{
    return weft_spawn(&inner, quick, NULL, 0, NULL);
}
static void end_room(void)
{
    complete_event();
    is(weft_scope_close(&inner), 0);
}

/* -- elsewhere ------------------------------------------------------------------------------- */

static void up_call(void)
{
    shared_event = (weft_event)WEFT_EVENT_SHARED_INIT;
}
static int remote(void *arg)
{
    int error = weft_event_wait(&shared_event);

    (void)arg;
    return error < 0 ? error : 7;
}
static int wait_call(void)
{
    return weft_call(1, remote, NULL, 0);
}
static void complete_call(void)
{
    weft_event_set(&shared_event);
}

static void up_thread(void)
{
    __atomic_store_n(&released, 0, __ATOMIC_RELAXED);
}
static int blocks(void *arg)
{
    static const struct timespec pause = {.tv_nsec = 100000};

    (void)arg;
    while (!__atomic_load_n(&released, __ATOMIC_RELAXED))
        nanosleep(&pause, NULL);
    return 3;
}
static int wait_thread(void)
{
    return weft_to_thread(blocks, NULL);
}
static void complete_thread(void)
{
    __atomic_store_n(&released, 1, __ATOMIC_RELAXED);
}

/* -- the table ------------------------------------------------------------------------------- */

/* clang-format off */
static const struct kind kinds[] = {
    {"sleep", nothing, wait_sleep, NULL, nothing, 0, 0},
    {"sleep_until", nothing, wait_until, NULL, nothing, 0, 0},
    {"lock", up_lock, wait_lock, complete_lock, end_lock, 0, 0},
    {"lock_until", up_lock, wait_lock_until, complete_lock, end_lock, 0, 0},
    {"read", up_rwlock, wait_read, complete_rwlock, end_rwlock, 0, 0},
    {"write", up_rwlock, wait_write, complete_rwlock, end_rwlock, 0, 0},
    {"read_until", up_rwlock, wait_read_until, complete_rwlock, end_rwlock, 0, 0},
    {"write_until", up_rwlock, wait_write_until, complete_rwlock, end_rwlock, 0, 0},
    {"event", up_event, wait_event, complete_event, nothing, 0, 0},
    {"event_until", up_event, wait_event_until, complete_event, nothing, 0, 0},
    {"semaphore", up_semaphore, wait_semaphore, complete_semaphore, end_semaphore, 0, 0},
    {"semaphore_until", up_semaphore, wait_semaphore_until, complete_semaphore,
     end_semaphore, 0, 0},
    {"condition", up_condition, wait_condition, complete_condition, nothing, 0, 0},
    {"condition_until", up_condition, wait_condition_until, complete_condition, nothing, 0, 0},
    {"predicate", up_predicate, wait_predicate, complete_predicate, nothing, 0, 0},
    {"predicate_until", up_predicate, wait_predicate_until, complete_predicate, nothing, 0, 0},
    {"barrier", up_barrier, wait_barrier, complete_barrier, nothing, 0, 0},
    {"barrier_until", up_barrier, wait_barrier_until, complete_barrier, nothing, 0, 0},
    {"get", up_get, wait_get, complete_get, end_queue, 0, 0},
    {"get_until", up_get, wait_get_until, complete_get, end_queue, 0, 0},
    {"get_idle", up_get, wait_get_idle, complete_get, end_queue, 0, 0},
    {"put", up_put, wait_put, complete_put, end_queue, 0, 0},
    {"put_until", up_put, wait_put_until, complete_put, end_queue, 0, 0},
    {"queue_join", up_put, wait_queue_join, complete_queue_join, end_queue, 0, 0},
    {"queue_join_until", up_put, wait_queue_join_until, complete_queue_join, end_queue, 0, 0},
    {"select", up_get, wait_select, complete_get, end_queue, 1, 0},
    {"await", up_target, wait_await, complete_target, complete_event, 8, 0},
    {"await_until", up_target, wait_await_until, complete_target, complete_event, 8, 0},
    {"await_any", up_target, wait_any, complete_target, complete_event, 8, 0},
    {"join", up_target, wait_join, complete_target, complete_event, 8, 0},
    {"join_until", up_target, wait_join_until, complete_target, complete_event, 8, 0},
    {"future", up_future, wait_future, complete_future, end_future, 9, 0},
    {"future_until", up_future, wait_future_until, complete_future, end_future, 9, 0},
    {"gather", up_future, wait_gather, complete_future, end_future, 9, OWNS},
    {"race", up_future, wait_race, complete_future, end_future, 0, OWNS},
    {"wait", up_future, wait_wait, complete_future, end_future, 1, 0},
    {"wait_for", up_future, wait_wait_for, complete_future, end_future, 9, 0},
    {"as_completed", up_future, wait_completed, complete_future, end_future, 9, 0},
    {"generator", up_generator, wait_generator, complete_event, end_generator, 4, LATE},
    {"generator_until", up_generator, wait_generator_until, complete_event, end_generator, 4, LATE},
    {"room", up_room, wait_room, complete_target, end_room, 0, 0},
    {"call", up_call, wait_call, complete_call, nothing, 7, LATE},
    {"to_thread", up_thread, wait_thread, complete_thread, nothing, 3, LATE | RUNS},
};
/* clang-format on */
AT_EACH_MOMENT(kinds, 2)

TEST_MAIN("cancel_each", 60, before, in_flight, completed_and_not_seen, from_another_core, too_late,
          timed_out)
