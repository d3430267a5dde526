/*
 * What a task can wait for other than the kernel, as a table: how each is set up, waited for, given
 * and looked at afterwards. For the races that all of them have, test_race_each.c.
 *
 * What holds after each race: who was given something has it, and who was not has left it there,
 * which `check` sees as the next one who asks.
 */
#ifndef WEFT_TESTS_CANCEL_RACE_EACH_H
#define WEFT_TESTS_CANCEL_RACE_EACH_H

#include "race.h"

#define HOUR INT64_C(3600000000000)

enum {
    KEEPS = 1,   /* what was given before anybody waits stays */
    SETTLED = 2, /* once it is there it is answered unchecked for cancellation */
    OWNS = 4,    /* who waits cancels what it waits for */
    LOCAL = 8,   /* of one reactor */
    MANY = 16,   /* given once, it is there for all who wait */
};

struct primitive {
    const char *name;
    void (*set_up)(void);
    int (*wait)(const int64_t *deadline); /* NULL: no limit. >= 0: it has it */
    void (*give)(void);                   /* once, what it waits for */
    void (*check)(bool had);              /* after that; and takes it all down */
    int traits;
};

static bool of_shared, remote;
#define OF_KIND(type, name, ...)                                                                   \
    (of_shared ? (type)name##_SHARED_INIT __VA_ARGS__ : (type)name##_INIT __VA_ARGS__)

static weft_lock lock;
static weft_rwlock rwlock;
static weft_event event, gate;
static weft_semaphore semaphore;
static weft_condition condition;
static weft_barrier barrier;
static weft_queue queue;
static weft_future *future;
static weft_generator *generator;
static weft_scope *around; /* of this run's children */
static weft_task target, helper;
static int notified;

/* What has no form with a limit, inside of one. */
static int limited(int (*fn)(void), const int64_t *deadline)
{
    weft_scope scope;
    int result, edge;

    if (!deadline)
        return fn();
    race_is(weft_timeout_at(&scope, *deadline), 0);
    result = fn();
    edge = weft_scope_close(&scope);
    return result < 0 && edge < 0 ? edge : result;
}

/* -- locks and their like --------------------------------------------------------------------- */

static weft_task holder;
static int holds(void *arg)
{
    int result = arg ? weft_rwlock_write(&rwlock) : weft_lock_acquire(&lock);

    race_is(result, 0);
    WEFT_SHIELD(weft_after_ns(HOUR))
        race_is(weft_event_wait(&gate), 0);
    return arg ? weft_rwlock_write_release(&rwlock) : weft_lock_release(&lock);
}
/* By a task of its own, so that main can ask, too. */
static void hold(void *which)
{
    gate = (weft_event)WEFT_EVENT_INIT;
    race_is(weft_spawn(around, holds, which, 0, RACE_OPT(.task = &holder)), 0);
    race_until(holder, "event");
}
static void let_go(void)
{
    weft_event_set(&gate);
    WEFT_SHIELD(weft_after_ns(HOUR))
        race_is(weft_join(holder, NULL), 0);
}
static void up_lock(void)
{
    lock = OF_KIND(weft_lock, WEFT_LOCK);
    hold(NULL);
}
/* In the lock, alone: others run meanwhile. */
static int inside;
static void in_there(void)
{
    race_is(__atomic_add_fetch(&inside, 1, __ATOMIC_RELAXED), 1);
    (void)!weft_yield();
    __atomic_sub_fetch(&inside, 1, __ATOMIC_RELAXED);
}
static int wait_lock(const int64_t *deadline)
{
    int result = deadline ? weft_lock_acquire_until(&lock, *deadline) : weft_lock_acquire(&lock);

    if (result < 0)
        return result;
    in_there();
    return weft_lock_release(&lock);
}
static void check_lock(bool had)
{
    (void)had;
    race_is(weft_lock_acquire_nowait(&lock), 0);
    race_is(weft_lock_release(&lock), 0);
}

static void up_rwlock(void)
{
    rwlock = OF_KIND(weft_rwlock, WEFT_RWLOCK);
    hold(&rwlock);
}
static int wait_read(const int64_t *deadline)
{
    int result = deadline ? weft_rwlock_read_until(&rwlock, *deadline) : weft_rwlock_read(&rwlock);

    return result == 0 ? weft_rwlock_read_release(&rwlock) : result;
}
static int wait_write(const int64_t *deadline)
{
    int result =
        deadline ? weft_rwlock_write_until(&rwlock, *deadline) : weft_rwlock_write(&rwlock);

    if (result < 0)
        return result;
    in_there();
    return weft_rwlock_write_release(&rwlock);
}
static void check_rwlock(bool had)
{
    (void)had;
    race_is(weft_rwlock_write_nowait(&rwlock), 0);
    race_is(weft_rwlock_write_release(&rwlock), 0);
}

static void up_event(void)
{
    event = OF_KIND(weft_event, WEFT_EVENT);
}
static int wait_event(const int64_t *deadline)
{
    return deadline ? weft_event_wait_until(&event, *deadline) : weft_event_wait(&event);
}
static void give_event(void)
{
    race_is(weft_event_set(&event), 1);
}
static void check_event(bool had)
{
    (void)had;
    ck_assert(weft_event_is_set(&event));
}

static void up_semaphore(void)
{
    semaphore = OF_KIND(weft_semaphore, WEFT_SEMAPHORE, (0));
}
static int wait_semaphore(const int64_t *deadline)
{
    return deadline ? weft_semaphore_acquire_until(&semaphore, *deadline)
                    : weft_semaphore_acquire(&semaphore);
}
static void give_semaphore(void)
{
    race_is(weft_semaphore_release(&semaphore), 0);
}
static void check_semaphore(bool had)
{
    race_is(weft_semaphore_value(&semaphore), !had);
}

static void up_condition(void)
{
    lock = OF_KIND(weft_lock, WEFT_LOCK);
    condition = OF_KIND(weft_condition, WEFT_CONDITION);
}
static int wait_condition(const int64_t *deadline)
{
    int result = weft_lock_acquire(&lock);

    if (result < 0)
        return result;
    result = deadline ? weft_condition_wait_until(&condition, &lock, *deadline)
                      : weft_condition_wait(&condition, &lock);
    race_is(weft_lock_release(&lock), 0); /* held in any case */
    return result;
}
/* Whoever leaves the row meanwhile, notified or cancelled, has to wait for the lock. */
static void give_condition(void)
{
    race_is(weft_lock_acquire(&lock), 0);
    notified = weft_condition_notify(&condition, 1);
    race_is(weft_yield(), 0);
    race_is(weft_lock_release(&lock), 0);
}
static void check_condition(bool had)
{
    race_is(notified, had);
    check_lock(had);
}

static int meets(void *arg)
{
    (void)arg;
    WEFT_SHIELD(weft_after_ns(HOUR))
        race_ok(weft_barrier_wait(&barrier));
    return 0;
}
static void up_barrier(void)
{
    barrier = OF_KIND(weft_barrier, WEFT_BARRIER, (2));
}
static int wait_barrier(const int64_t *deadline)
{
    return deadline ? weft_barrier_wait_until(&barrier, *deadline) : weft_barrier_wait(&barrier);
}
static void give_barrier(void)
{
    race_is(weft_spawn_nowait(around, meets, NULL, 0, RACE_OPT(.task = &helper)), 0);
}
/* Who was left alone at it still waits for somebody. */
static void check_barrier(bool had)
{
    if (!had)
        race_ok(weft_barrier_wait(&barrier));
    race_is(weft_join(helper, NULL), 0);
    race_is(weft_barrier_waiting(&barrier), 0);
}

/* -- queues ----------------------------------------------------------------------------------- */

static void up_get(void)
{
    queue = (weft_queue){.shared = of_shared, .item_size = sizeof(int), .max = 1};
}
static int wait_get(const int64_t *deadline)
{
    int item = 0, result = deadline ? weft_queue_get_until(&queue, &item, *deadline)
                                    : weft_queue_get(&queue, &item);

    race_is(item, result == 0 ? 6 : 0);
    return result;
}
static int select_get(void)
{
    int item = 0, won;
    weft_case cases[] = {weft_case_until(WEFT_NEVER), weft_case_get(&queue, &item)};

    won = weft_select(cases, 2, 0);
    race_is(item, won == 1 ? 6 : 0);
    return won;
}
static int wait_select(const int64_t *deadline)
{
    return limited(select_get, deadline);
}
static void give_item(void)
{
    int item = 6;

    race_is(weft_queue_put_nowait(&queue, &item), 0);
}
static void check_get(bool had)
{
    int item = 0;

    race_is(weft_queue_get_nowait(&queue, &item), had ? -EAGAIN : 0);
    race_is(weft_queue_destroy(&queue), 0);
}
static void up_put(void)
{
    int first = 1;

    up_get();
    race_is(weft_queue_put_nowait(&queue, &first), 0);
}
static int wait_put(const int64_t *deadline)
{
    int item = 6;

    return deadline ? weft_queue_put_until(&queue, &item, *deadline)
                    : weft_queue_put(&queue, &item);
}
static void give_room(void)
{
    int item = 0;

    race_is(weft_queue_get_nowait(&queue, &item), 0);
    race_is(item, 1);
}
static void check_put(bool had)
{
    int item = 0;

    race_is(weft_queue_get_nowait(&queue, &item), had ? 0 : -EAGAIN);
    race_is(item, had ? 6 : 0);
    race_is(weft_queue_destroy(&queue), 0);
}
static void up_unfinished(void)
{
    up_put();
    give_room();
}
static int wait_finished(const int64_t *deadline)
{
    return deadline ? weft_queue_join_until(&queue, *deadline) : weft_queue_join(&queue);
}
static void give_finished(void)
{
    race_is(weft_queue_task_done(&queue), 0);
}
static void check_finished(bool had)
{
    (void)had;
    race_is(weft_queue_join(&queue), 0);
    race_is(weft_queue_destroy(&queue), 0);
}

/* -- tasks and futures ------------------------------------------------------------------------ */

static int ends_with_8(void *arg)
{
    (void)arg;
    WEFT_SHIELD(weft_after_ns(HOUR))
        race_is(weft_event_wait(&gate), 0);
    return 8;
}
static void up_target(void)
{
    gate = (weft_event)WEFT_EVENT_INIT;
    race_is(weft_spawn(around, ends_with_8, NULL, 0, RACE_OPT(.task = &target)), 0);
}
static int told_8(int error, int result)
{
    race_is(result, error == 0 ? 8 : 0);
    return error;
}
static int wait_await(const int64_t *deadline)
{
    int result = 0, error = deadline ? weft_await_until(target, &result, *deadline)
                                     : weft_await(target, &result);

    return told_8(error, result);
}
static int wait_join(const int64_t *deadline)
{
    int result = 0,
        error = deadline ? weft_join_until(target, &result, *deadline) : weft_join(target, &result);

    return told_8(error, result);
}
static void give_gate(void)
{
    race_is(weft_event_set(&gate), 1);
}
static void check_await(bool had)
{
    (void)had;
    race_is(wait_join(NULL), 0);
}
static void check_join(bool had)
{
    race_is(wait_join(NULL), had ? -ESTALE : 0);
}

static void up_future(void)
{
    race_is(weft_future_create(&future, NULL), 0);
}
static int told_9(int error, int64_t result)
{
    if (error >= 0)
        race_is(result, 9);
    return error;
}
static int wait_future(const int64_t *deadline)
{
    int64_t result = 0;
    int error = deadline ? weft_future_await_until(future, &result, *deadline)
                         : weft_future_await(future, &result);

    return told_9(error, result);
}
static int gather_it(void)
{
    int64_t result = 0;
    int error = weft_gather(WEFT_LIST(weft_of_future(future)), &result, 0);

    return told_9(error, result);
}
static int wait_gather(const int64_t *deadline)
{
    return limited(gather_it, deadline);
}
static int race_it(void)
{
    int64_t result = 0;
    int won = weft_race(WEFT_LIST(weft_of_future(future)), &result);

    return told_9(won, result);
}
static int wait_race(const int64_t *deadline)
{
    return limited(race_it, deadline);
}
static int wait_wait(const int64_t *deadline)
{
    int result = weft_wait(WEFT_LIST(weft_of_future(future)), NULL, WEFT_ALL,
                           deadline ? *deadline : WEFT_NEVER);

    return result == 0 ? -ETIMEDOUT : result; /* how many are done */
}
static int wait_wait_for(const int64_t *deadline)
{
    int64_t result = 0;
    int error = weft_wait_for(weft_of_future(future), &result, deadline ? *deadline : WEFT_NEVER);

    return told_9(error, result);
}
static int wait_shielded(const int64_t *deadline)
{
    int64_t result = 0;
    int error = weft_wait_for(weft_shield(weft_of_future(future)), &result,
                              deadline ? *deadline : WEFT_NEVER);

    return told_9(error, result);
}
static int wait_completed(const int64_t *deadline)
{
    weft_completed *each;
    int64_t result = 0;
    int error = weft_as_completed(&each, WEFT_LIST(weft_of_future(future)));

    if (error < 0)
        return error;
    error = weft_completed_next(each, NULL, &result, deadline ? *deadline : WEFT_NEVER);
    race_is(weft_completed_close(each), 0);
    return told_9(error, result);
}
/* Cancelled by who owned it, it is settled already. */
static void give_result(void)
{
    int error = weft_future_set_result(future, 9);

    ck_assert(error == 0 || error == -EINVAL);
}
static void check_owned(bool had)
{
    int64_t result = 0;

    race_is(weft_future_result(future, &result), 0);
    ck_assert(result == 9 || (!had && result == -ECANCELED));
    weft_future_put(future);
}
static void check_future(bool had)
{
    int64_t result = 0;

    (void)had;
    race_is(weft_future_await(future, &result), 0);
    race_is(result, 9);
    weft_future_put(future);
}

static int yields_4(weft_generator *self, void *arg)
{
    int item = 4, error = weft_event_wait(&gate);

    (void)arg;
    while (error == 0)
        error = weft_generator_produce(self, &item);
    return error;
}
static void up_generator(void)
{
    gate = (weft_event)WEFT_EVENT_INIT;
    race_is(weft_generator_open(&generator, sizeof(int), yields_4, NULL, 0, NULL), 0);
}
static int next_it(void)
{
    int item = 0, result = weft_generator_next(generator, &item);

    if (result >= 0)
        race_is(item, 4);
    return result;
}
static int wait_next(const int64_t *deadline)
{
    return limited(next_it, deadline);
}
static void check_next(bool had)
{
    (void)had;
    race_is(next_it(), 1);
    race_is(weft_generator_close(generator), 0);
}

/* -- the table -------------------------------------------------------------------------------- */

/* clang-format off */
static const struct primitive primitives[] = {
    {"lock", up_lock, wait_lock, let_go, check_lock, KEEPS | MANY},
    {"read", up_rwlock, wait_read, let_go, check_rwlock, KEEPS | MANY},
    {"write", up_rwlock, wait_write, let_go, check_rwlock, KEEPS | MANY},
    {"event", up_event, wait_event, give_event, check_event, KEEPS | MANY},
    {"semaphore", up_semaphore, wait_semaphore, give_semaphore, check_semaphore, KEEPS},
    {"condition", up_condition, wait_condition, give_condition, check_condition, 0},
    {"barrier", up_barrier, wait_barrier, give_barrier, check_barrier, KEEPS},
    {"get", up_get, wait_get, give_item, check_get, KEEPS},
    {"put", up_put, wait_put, give_room, check_put, KEEPS},
    {"queue_join", up_unfinished, wait_finished, give_finished, check_finished, KEEPS | MANY},
    {"select", up_get, wait_select, give_item, check_get, KEEPS},
    {"future", up_future, wait_future, give_result, check_future, KEEPS | MANY | SETTLED},
    {"gather", up_future, wait_gather, give_result, check_owned, KEEPS | SETTLED | OWNS},
    {"race", up_future, wait_race, give_result, check_owned, KEEPS | SETTLED | OWNS},
    {"wait", up_future, wait_wait, give_result, check_future, KEEPS | MANY | SETTLED},
    {"wait_for", up_future, wait_wait_for, give_result, check_owned, KEEPS | SETTLED | OWNS},
    {"shield", up_future, wait_shielded, give_result, check_future, KEEPS | MANY | SETTLED},
    {"as_completed", up_future, wait_completed, give_result, check_future, KEEPS | MANY},
    {"await", up_target, wait_await, give_gate, check_await, KEEPS | MANY | SETTLED | LOCAL},
    {"join", up_target, wait_join, give_gate, check_join, KEEPS | SETTLED | LOCAL},
    {"generator", up_generator, wait_next, give_gate, check_next, KEEPS | LOCAL},
};
/* clang-format on */
enum { PRIMITIVES = sizeof primitives / sizeof primitives[0] };

static inline const struct primitive *primitive_of(int (*wait)(const int64_t *deadline))
{
    const struct primitive *one = primitives;

    while (one->wait != wait)
        one++;
    return one;
}

/* Does `race` with each, in a scope of its own. */
static int each(void (*race)(const struct primitive *one))
{
    for (int i = 0; i < PRIMITIVES; i++) {
        const struct primitive *one = &primitives[i];
        remote = !(one->traits & LOCAL) && weft_reactors() > 1 && race_pick(2);
        of_shared = weft_reactors() > 1 || race_pick(2);
        WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
            around = &s;
            one->set_up();
            race(one);
        }
    }
    return 0;
}

#endif
