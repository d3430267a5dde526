/*
 * Errors that the headers promise of the calls by which tasks wait for one another, and that no
 * other test asks for: above all of the _until forms, which are calls of their own. Would catch an
 * _until form that checks less than the plain one, or turns its errors into -ETIMEDOUT.
 */
#include "sync.h"

static int64_t soon(void)
{
    return weft_after_ms(1);
}

/* -- from another reactor -----------------------------------------------------------------------
 */

struct objects {
    weft_event event;
    weft_barrier barrier;
    weft_semaphore semaphore;
    weft_queue queue;
    weft_task task; /* of the first reactor */
};

static int uses_strangers(void *arg)
{
    struct objects *objects = *(struct objects **)arg;
    weft_case one = weft_case_await(weft_of_task(objects->task));
    int item = 0;

    is(weft_event_clear(&objects->event), -EPERM);
    is(weft_barrier_reset(&objects->barrier), -EPERM);
    is(weft_semaphore_acquire_until(&objects->semaphore, weft_after_ns(HOUR)), -EPERM);
    is(weft_queue_get_until(&objects->queue, &item, weft_after_ns(HOUR)), -EPERM);
    is(weft_queue_put_until(&objects->queue, &item, weft_after_ns(HOUR)), -EPERM);
    is(weft_queue_join_until(&objects->queue, weft_after_ns(HOUR)), -EPERM);
    is(weft_task_set_name(objects->task, "stranger"), -EXDEV);
    is(weft_await_any(weft_of_task(objects->task), NULL), -EXDEV);
    is(weft_select(&one, 1, 0), -EXDEV);
    return 0;
}

static int sleeps(void *arg)
{
    (void)arg;
    return weft_sleep(WEFT_NEVER);
}

static int strangers_main(void *arg)
{
    struct objects objects = {.event = WEFT_EVENT_INIT,
                              .barrier = WEFT_BARRIER_INIT(2),
                              .semaphore = WEFT_SEMAPHORE_INIT(1),
                              .queue = {.item_size = sizeof(int)}};
    struct objects *pointer = &objects;
    int item = 0;

    (void)arg;
    is(weft_event_set(&objects.event), 1); /* each is this reactor's now */
    is(weft_barrier_reset(&objects.barrier), 0);
    is(weft_semaphore_acquire(&objects.semaphore), 0);
    is(weft_queue_put(&objects.queue, &item), 0);
    WEFT_SCOPE(s) {
        objects.task = sync_start(&s, sleeps, 0);
        is(weft_call(1, uses_strangers, &pointer, sizeof pointer), 0);
        is(weft_cancel(objects.task), 1);
        is(sync_result(objects.task), -ECANCELED);
    }
    is(weft_queue_destroy(&objects.queue), 1); /* was still in it */
    return 0;
}
TEST(strangers)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    is(weft_run(strangers_main, NULL, 0, &opt), 0);
}

/* -- the _until forms ----------------------------------------------------------------------------
 */

static weft_lock lock;
static weft_rwlock rwlock;
static weft_condition condition;
static weft_barrier barrier;
static weft_semaphore semaphore;
static weft_queue queue;

static int waits_for_lock(void *arg)
{
    (void)arg;
    return weft_lock_acquire_until(&lock, weft_after_ns(HOUR));
}
static int waits_for_condition(void *arg)
{
    int result;

    (void)arg;
    is(weft_lock_acquire(&lock), 0);
    result = weft_condition_wait_until(&condition, &lock, weft_after_ns(HOUR));
    is(weft_lock_release(&lock), 0); /* it has it again */
    return result;
}
static int waits_at_barrier(void *arg)
{
    (void)arg;
    return weft_barrier_wait_until(&barrier, weft_after_ns(HOUR));
}
static int waits_to_read(void *arg)
{
    (void)arg;
    return weft_rwlock_read_until(&rwlock, weft_after_ns(HOUR));
}
static int waits_for_permit(void *arg)
{
    (void)arg;
    return weft_semaphore_acquire_until(&semaphore, weft_after_ns(HOUR));
}
static int waits_for_item(void *arg)
{
    int item;

    (void)arg;
    return weft_queue_get_until(&queue, &item, weft_after_ns(HOUR));
}

static void cancel_one(weft_task_fn fn)
{
    WEFT_SCOPE(s) {
        weft_task task = sync_start(&s, fn, 0);
        for (int i = 0; i < 5; i++) /* it waits by then */
            is(weft_yield(), 0);
        is(weft_cancel(task), 1);
        is(sync_result(task), -ECANCELED);
    }
}

static int cancelled_main(void *arg)
{
    (void)arg;
    lock = KIND(weft_lock, WEFT_LOCK_INIT, WEFT_LOCK_SHARED_INIT);
    rwlock = KIND(weft_rwlock, WEFT_RWLOCK_INIT, WEFT_RWLOCK_SHARED_INIT);
    condition = KIND(weft_condition, WEFT_CONDITION_INIT, WEFT_CONDITION_SHARED_INIT);
    barrier = KIND(weft_barrier, WEFT_BARRIER_INIT(2), WEFT_BARRIER_SHARED_INIT(2));
    semaphore = KIND(weft_semaphore, WEFT_SEMAPHORE_INIT(0), WEFT_SEMAPHORE_SHARED_INIT(0));
    queue = (weft_queue){.item_size = sizeof(int), .shared = of_shared_kind};
    cancel_one(waits_for_condition);
    is(weft_lock_acquire(&lock), 0);
    cancel_one(waits_for_lock);
    is(weft_lock_acquire_until(&lock, weft_after_ns(HOUR)), -EDEADLK);
    is(weft_lock_release(&lock), 0);
    is(weft_rwlock_write(&rwlock), 0);
    cancel_one(waits_to_read);
    is(weft_rwlock_read_until(&rwlock, weft_after_ns(HOUR)), -EDEADLK);
    is(weft_rwlock_write_until(&rwlock, weft_after_ns(HOUR)), -EDEADLK);
    is(weft_rwlock_write_release(&rwlock), 0);
    cancel_one(waits_at_barrier);
    is(weft_barrier_abort(&barrier), 0);
    is(weft_barrier_wait_until(&barrier, weft_after_ns(HOUR)), -EPIPE);
    cancel_one(waits_for_permit);
    cancel_one(waits_for_item);
    return weft_queue_destroy(&queue);
}
SYNC_TEST(cancelled)

static int takes_and_ends(void *arg)
{
    (void)arg;
    return weft_lock_acquire(&lock);
}
static int ended_main(void *arg)
{
    (void)arg;
    lock = KIND(weft_lock, WEFT_LOCK_INIT, WEFT_LOCK_SHARED_INIT);
    WEFT_SCOPE(s) {
        is(sync_result(sync_start(&s, takes_and_ends, 0)), 0);
        is(weft_lock_acquire_until(&lock, weft_after_ns(HOUR)), -EOWNERDEAD);
        is(weft_lock_release(&lock), 0);
    }
    return 0;
}
/* "-EOWNERDEAD: its last holder ended", and with a deadline, too. */
SYNC_TEST(ended)

static int shut_down_main(void *arg)
{
    int item = 3;

    (void)arg;
    queue = (weft_queue){.item_size = sizeof(int), .max = 1, .shared = of_shared_kind};
    is(weft_queue_put_until(&queue, &item, weft_after_ns(HOUR)), 0);
    is(weft_queue_put_until(&queue, &item, soon()), -ETIMEDOUT);
    is(weft_queue_shutdown(&queue, false), 0);
    is(weft_queue_put_until(&queue, &item, weft_after_ns(HOUR)), -ESHUTDOWN);
    is(weft_queue_get_until(&queue, &item, weft_after_ns(HOUR)), 0);
    is(weft_queue_get_until(&queue, &item, weft_after_ns(HOUR)), -ESHUTDOWN);
    is(weft_queue_get_until(&queue, NULL, weft_after_ns(HOUR)), -EINVAL);
    return weft_queue_destroy(&queue);
}
SYNC_TEST(shut_down)

/* -- what is awaited ----------------------------------------------------------------------------
 */

static int awaits_self(void *arg)
{
    int64_t result;

    (void)arg;
    return weft_await_any(weft_of_task(weft_current_task()), &result);
}

static int awaits_for_ever(void *arg)
{
    return weft_await_any(weft_of_task(*(weft_task *)arg), NULL);
}

static int awaited_main(void *arg)
{
    weft_task other, waiter;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &waiter};
    weft_case one;

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        is(sync_result(sync_start(&s, awaits_self, 0)), -EDEADLK);
        other = sync_start(&s, sleeps, 0);
        is(weft_spawn(&s, awaits_for_ever, &other, sizeof other, &opt), 0);
        for (int i = 0; i < 5; i++)
            is(weft_yield(), 0);
        is(weft_cancel(waiter), 1);
        is(sync_result(waiter), -ECANCELED); /* whom it waited for goes on */
        is(weft_cancel(other), 1);
        is(sync_result(other), -ECANCELED);
        one = weft_case_await(weft_of_task(other)); /* used up by that */
        is(weft_select(&one, 1, 0), -ESTALE);
        is(weft_await_any(weft_of_task(other), NULL), -ESTALE);
    }
    return 0;
}
TEST(awaited)
{
    is(weft_run(awaited_main, NULL, 0, NULL), 0);
    is(weft_task_set_name((weft_task){0, 0}, "nobody"), -EPERM); /* outside */
}

TEST_MAIN("errors_sync", 60, strangers, cancelled, ended, shut_down, awaited)
