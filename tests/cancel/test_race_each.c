/*
 * The races that every primitive has, over a table of primitives: locks, events and their like,
 * queues, tasks, futures and what waits for several, generators, selects. Each race goes through
 * the whole table in each run. The numbers are those of the list; race.h says how they are run, and
 * docs/verification.md which race has its test where.
 *
 * What holds after each: who was given something has it, and who was not has left it there, which
 * `check` sees as the next one who asks.
 */
#include "race.h"

#define HOUR INT64_C(3600000000000)

enum {
    KEEPS = 1,   /* what was given before anybody waits stays */
    SETTLED = 2, /* once it is there it is answered unchecked for cancellation */
    OWNS = 4,    /* who waits cancels what it waits for */
    LOCAL = 8,   /* of one reactor */
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
static int wait_lock(const int64_t *deadline)
{
    int result = deadline ? weft_lock_acquire_until(&lock, *deadline) : weft_lock_acquire(&lock);

    return result == 0 ? weft_lock_release(&lock) : result;
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

    return result == 0 ? weft_rwlock_write_release(&rwlock) : result;
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
static void give_condition(void)
{
    notified = weft_condition_notify(&condition, 1);
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
    {"lock", up_lock, wait_lock, let_go, check_lock, KEEPS},
    {"read", up_rwlock, wait_read, let_go, check_rwlock, KEEPS},
    {"write", up_rwlock, wait_write, let_go, check_rwlock, KEEPS},
    {"event", up_event, wait_event, give_event, check_event, KEEPS},
    {"semaphore", up_semaphore, wait_semaphore, give_semaphore, check_semaphore, KEEPS},
    {"condition", up_condition, wait_condition, give_condition, check_condition, 0},
    {"barrier", up_barrier, wait_barrier, give_barrier, check_barrier, KEEPS},
    {"get", up_get, wait_get, give_item, check_get, KEEPS},
    {"put", up_put, wait_put, give_room, check_put, KEEPS},
    {"queue_join", up_unfinished, wait_finished, give_finished, check_finished, KEEPS},
    {"select", up_get, wait_select, give_item, check_get, KEEPS},
    {"future", up_future, wait_future, give_result, check_future, KEEPS | SETTLED},
    {"gather", up_future, wait_gather, give_result, check_owned, KEEPS | SETTLED | OWNS},
    {"race", up_future, wait_race, give_result, check_owned, KEEPS | SETTLED | OWNS},
    {"wait", up_future, wait_wait, give_result, check_future, KEEPS | SETTLED},
    {"wait_for", up_future, wait_wait_for, give_result, check_owned, KEEPS | SETTLED | OWNS},
    {"shield", up_future, wait_shielded, give_result, check_future, KEEPS | SETTLED},
    {"as_completed", up_future, wait_completed, give_result, check_future, KEEPS},
    {"await", up_target, wait_await, give_gate, check_await, KEEPS | SETTLED | LOCAL},
    {"join", up_target, wait_join, give_gate, check_join, KEEPS | SETTLED | LOCAL},
    {"generator", up_generator, wait_next, give_gate, check_next, KEEPS | LOCAL},
};
/* clang-format on */
enum { PRIMITIVES = sizeof primitives / sizeof primitives[0] };

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

/* -- a task that waits ------------------------------------------------------------------------ */

struct waiting {
    const struct primitive *one;
    int64_t deadline; /* 0: none */
    bool shielded;    /* in a shield */
    bool cancelled;   /* by itself, before */
    int result;
};
static struct waiting it;

static int waits(void *arg)
{
    const int64_t *deadline = it.deadline ? &it.deadline : NULL;

    (void)arg;
    if (it.cancelled)
        race_ok(weft_cancel(weft_current_task()));
    if (it.shielded)
        WEFT_SHIELD(weft_after_ns(HOUR))
            it.result = it.one->wait(deadline);
    else
        it.result = it.one->wait(deadline);
    return 0;
}
static weft_task start(void)
{
    weft_task task;

    race_is(weft_spawn(around, waits, NULL, 0,
                       RACE_OPT(.task = &task, .reactor = remote ? WEFT_ON(1) : 0)),
            0);
    return task;
}
static void cancel(weft_task task)
{
    for (uint32_t n = 1 + race_pick(2); n > 0; n--)
        race_ok(weft_cancel(task));
}
static int result_of(weft_task task)
{
    WEFT_SHIELD(weft_after_ns(HOUR))
        race_is(weft_join(task, NULL), 0);
    return it.result;
}

/* -- the races -------------------------------------------------------------------------------- */

static void given_and_cancelled(const struct primitive *one)
{
    bool cancel_first = race_pick(2);
    weft_task task;
    int result;

    it = (struct waiting){.one = one};
    task = start();
    race_yields(3);
    if (cancel_first)
        cancel(task);
    race_yields(1);
    one->give();
    race_yields(1);
    if (!cancel_first)
        cancel(task);
    result = result_of(task);
    if (result < 0 && result != -ECANCELED)
        ck_abort_msg("%s gave %d", one->name, result);
    race_saw(2 * (uint32_t)(one - primitives) + (result >= 0));
    one->check(result >= 0);
}
static int body_given(void *arg)
{
    (void)arg;
    return each(given_and_cancelled);
}
/* 3, 10, 35 to 41: given what it waits for and cancelled, once or twice, in either order. Would
   catch a thing that nobody has and nobody gets, and one that two have. */
TEST(race_35_41_each)
{
    race_each(.body = body_given, .outcomes = 2 * PRIMITIVES, .part = 2);
}
/* 46: the same with the waiter on another reactor. */
TEST(race_46_each)
{
    race_each(.body = body_given, .reactors = 2, .part = 10);
}

static int gives_at(void *arg)
{
    race_is(weft_sleep_until(*(int64_t *)arg), 0);
    it.one->give();
    return 0;
}
static void given_at_the_deadline(const struct primitive *one)
{
    int64_t due = weft_after_us(50), at = due + (int64_t)race_pick(5) * 1000 - 2000;
    weft_task giver;
    int result;

    it = (struct waiting){.one = one};
    race_is(weft_spawn(around, gives_at, &at, sizeof at, RACE_OPT(.task = &giver)), 0);
    result = one->wait(&due);
    if (result < 0 && result != -ETIMEDOUT)
        ck_abort_msg("%s gave %d", one->name, result);
    race_is(weft_cancelled(), 0);
    race_is(weft_join(giver, NULL), 0);
    race_saw(result >= 0);
    one->check(result >= 0);
}
static int body_22(void *arg)
{
    (void)arg;
    return each(given_at_the_deadline);
}
/* 22: a deadline and the thing itself at the same time: it is had, or it is there. */
TEST(race_22_each)
{
    race_each(.body = body_22, .outcomes = 2, .part = 10);
}

static void limits(const struct primitive *one)
{
    static const int64_t past[] = {0, 1, -1, INT64_MIN};
    int64_t never = INT64_MAX;
    bool had = false;

    for (int i = 0; i < (one->traits & OWNS ? 1 : 4); i++)
        race_is(one->wait(&past[i]), -ETIMEDOUT);
    race_is(weft_cancelled(), 0);
    one->give();
    if (one->traits & KEEPS && !(one->traits & OWNS)) {
        race_ok(one->wait(&never));
        had = true;
    }
    one->check(had);
}
static int body_23(void *arg)
{
    (void)arg;
    return each(limits);
}
/* 23: limits at once, in the past, and never. */
TEST(race_23_each)
{
    race_each(.body = body_23, .part = 50);
}

static void there_and_cancelled(const struct primitive *one)
{
    weft_task task;
    int result;

    it = (struct waiting){.one = one, .cancelled = race_pick(2)};
    one->give();
    for (int i = 0; i < 10; i++)
        race_is(weft_yield(), 0);
    task = start();
    if (!it.cancelled && !remote)
        race_ok(weft_cancel(task));
    result = result_of(task);
    if (remote && !it.cancelled)
        race_ok(result < 0 && one->traits & KEEPS ? result : 0);
    else if (one->traits & SETTLED ? result < 0 : result != -ECANCELED)
        ck_abort_msg("%s gave %d", one->name, result);
    one->check(result >= 0);
}
static void there_if_it_keeps(const struct primitive *one)
{
    if (one->traits & KEEPS) {
        there_and_cancelled(one);
        return;
    }
    one->give();
    one->check(false);
}
static int body_24(void *arg)
{
    (void)arg;
    return each(there_if_it_keeps);
}
/* 24, 42: cancelled, by another or by itself, before it asks for what is there: what is settled is
   told all the same, and nothing else is taken. */
TEST(race_24_42_each)
{
    race_each(.body = body_24, .part = 20);
}

static int waits_26(void *arg)
{
    (void)waits(arg);
    while (weft_sleep(1000) == 0) /* it comes, or is here already: it is not eaten */
        ;
    return 0;
}
static void cancelled_at_the_deadline(const struct primitive *one)
{
    int64_t due = weft_after_us(50), at = due + (int64_t)race_pick(5) * 1000 - 2000;
    weft_task task;
    int result;

    it = (struct waiting){.one = one, .deadline = due};
    race_is(weft_spawn(around, waits_26, NULL, 0, RACE_OPT(.task = &task)), 0);
    race_is(weft_sleep_until(at), 0);
    race_ok(weft_cancel(task));
    result = result_of(task);
    if (result != -ETIMEDOUT && result != -ECANCELED)
        ck_abort_msg("%s gave %d", one->name, result);
    race_saw(result == -ETIMEDOUT);
    one->give();
    one->check(false);
}
static int body_26(void *arg)
{
    (void)arg;
    return each(cancelled_at_the_deadline);
}
/* 26: cancelled from outside at the moment of the limit: the cancellation is not eaten. */
TEST(race_26_each)
{
    race_each(.body = body_26, .outcomes = 2, .part = 10);
}

static void two_limits(const struct primitive *one)
{
    int64_t due = weft_after_us(20);
    weft_scope outer;
    int result, edge;

    race_is(weft_timeout_at(&outer, due), 0);
    result = one->wait(&due);
    ck_assert(result == -ETIMEDOUT || result == -ECANCELED);
    edge = weft_scope_close(&outer);
    ck_assert(edge == -ETIMEDOUT || (edge == 0 && result == -ETIMEDOUT));
    race_is(weft_cancelled(), 0);
    one->give();
    one->check(false);
}
static int body_27(void *arg)
{
    (void)arg;
    return each(two_limits);
}
/* 27: a limit within a limit, both at the same time. */
TEST(race_27_each)
{
    race_each(.body = body_27, .part = 20);
}

static void in_a_clean_up(const struct primitive *one)
{
    weft_task task;

    it = (struct waiting){.one = one, .shielded = true, .cancelled = race_pick(2)};
    task = start();
    if (!it.cancelled)
        race_ok(weft_cancel(task));
    if (one->traits & KEEPS)
        race_yields(2);
    else
        race_until(task, one->name);
    one->give();
    race_ok(result_of(task));
    one->check(true);
}
static int body_44(void *arg)
{
    (void)arg;
    return each(in_a_clean_up);
}
/* 44: a clean-up, cancelled, waits in a shield for as long as it takes. */
TEST(race_44_each)
{
    race_each(.body = body_44, .part = 10);
}

static void without_memory(const struct primitive *one)
{
    weft_task task;
    int result;

    it = (struct waiting){.one = one};
    task = start();
    race_until(task, NULL);
    race_no_memory = true;
    race_ok(weft_cancel(task));
    result = result_of(task);
    race_no_memory = false;
    race_is(result, -ECANCELED);
    one->give();
    one->check(false);
}
static int body_56(void *arg)
{
    (void)arg;
    return each(without_memory);
}
/* 56: cancelled when there is no memory. */
TEST(race_56_each)
{
    race_each(.body = body_56, .part = 20);
}

/* 47: stopped with somebody at each. */
static const struct primitive *stopped_at;
static void check_after_stop(const struct primitive *one)
{
    if (one->give == give_barrier) { /* nobody can be sent to it any more */
        race_is(weft_barrier_waiting(&barrier), 0);
    } else if (one->check == check_next) { /* it has been stopped itself */
        race_is(next_it(), -ECANCELED);
        race_is(weft_generator_close(generator), 0);
    } else {
        one->give();
        one->check(false);
    }
}
static int stopped_main(void *arg)
{
    int result = 1;

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        weft_task task;
        around = &s;
        remote = false;
        of_shared = race_pick(2);
        stopped_at->set_up();
        it = (struct waiting){.one = stopped_at};
        task = start();
        race_yields(3);
        race_is(weft_stop(), 0);
        result = result_of(task);
        race_is(result, -ECANCELED);
        WEFT_SHIELD(weft_after_ns(HOUR))
            check_after_stop(stopped_at);
    }
    return result == -ECANCELED ? 4 : 5;
}
static int run_47(void)
{
    struct weft_run_opt opt = {.size = sizeof opt, .drain_ns = 1000, .cancel_ns = HOUR};

    for (int i = 0; i < PRIMITIVES; i++) {
        stopped_at = &primitives[i];
        race_is(weft_run(stopped_main, NULL, 0, &opt), 4);
    }
    return 0;
}
TEST(race_47_each)
{
    race_each(.run = run_47, .part = 50);
}

TEST_MAIN("race_each", 3600, race_35_41_each, race_46_each, race_22_each, race_23_each,
          race_24_42_each, race_26_each, race_27_each, race_44_each, race_56_each, race_47_each)
