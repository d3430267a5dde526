/*
 * Races between cancellations and the hand-over of locks, permits, notifications and items: on one
 * reactor, with objects of either kind, and with waiters on another one. The numbers are those of
 * the list; race.h says how they are run.
 */
#include "race.h"

static bool remote; /* this run's waiters are on reactor 1 */

/* Of either kind, or shared if there are two reactors. */
static bool shared_kind(void)
{
    remote = weft_reactors() > 1 && race_pick(2);
    return weft_reactors() > 1 || race_pick(2);
}
#define OF_KIND(shared, type, name, ...)                                                           \
    (shared ? (type)name##_SHARED_INIT __VA_ARGS__ : (type)name##_INIT __VA_ARGS__)

static weft_task start(weft_scope *scope, weft_task_fn fn, int number)
{
    weft_task task;

    race_is(weft_spawn(scope, fn, &number, sizeof number,
                       RACE_OPT(.task = &task, .reactor = remote ? WEFT_ON(1) : 0)),
            0);
    return task;
}
static int result_of(weft_task task)
{
    int result = 0;

    WEFT_SHIELD(weft_after_ms(3600000))
        race_is(weft_join(task, &result), 0);
    return result;
}
static int add(int *counter, int by)
{
    return __atomic_add_fetch(counter, by, __ATOMIC_RELAXED);
}

/* Gives something and cancels who may be given it, in either order. */
static int give_and_cancel(int (*give)(void), weft_task task)
{
    bool cancel_first = race_pick(2);
    int given;

    if (cancel_first) {
        race_ok(weft_cancel(task));
        race_yields(1);
    }
    given = give();
    if (!cancel_first) {
        race_yields(1);
        race_ok(weft_cancel(task));
    }
    return given;
}

/* Two ends of a call that may have been cancelled: it has succeeded, or nothing came of it. */
static int saw_either(weft_task task)
{
    int result = result_of(task);

    ck_assert(result == 1 || result == -ECANCELED);
    race_saw(result == 1);
    return result;
}

/* A case on one reactor, and on two. */
#define RACE_BOTH(number)                                                                          \
    TEST(race_##number)                                                                            \
    {                                                                                              \
        race_each(.body = body_##number, .outcomes = 2, .part = 4);                                \
    }                                                                                              \
    TEST(race_##number##_remote)                                                                   \
    {                                                                                              \
        race_each(.body = body_##number, .reactors = 2, .outcomes = 2, .part = 4);                 \
    }

/* -- 35: lock -------------------------------------------------------------------------------- */

static weft_lock lock;
static int inside;

static int locks(void *arg)
{
    int result = weft_lock_acquire(&lock);

    if (result < 0)
        return result;
    race_is(add(&inside, 1), 1);
    race_yields(*(int *)arg);
    add(&inside, -1);
    race_is(weft_lock_release(&lock), 0);
    return 1;
}

static int release(void)
{
    return weft_lock_release(&lock);
}

/* 35: a waiter cancelled when just granted holds the lock; cancelled just before, it is out of the
   row, and the next one gets it. Would catch a lock that nobody holds and nobody gets. */
static int body_35(void *arg)
{
    int more = (int)race_pick(2);
    weft_task waiters[2];

    (void)arg;
    lock = OF_KIND(shared_kind(), weft_lock, WEFT_LOCK);
    inside = 0;
    WEFT_SCOPE(s) {
        race_is(weft_lock_acquire(&lock), 0);
        for (int i = 0; i < 2; i++)
            waiters[i] = start(&s, locks, more);
        race_yields(3);
        race_is(give_and_cancel(release, waiters[0]), 0);
        (void)saw_either(waiters[0]);
        race_is(result_of(waiters[1]), 1);
    }
    race_is(weft_lock_acquire_nowait(&lock), 0);
    race_is(weft_lock_release(&lock), 0);
    return 0;
}
RACE_BOTH(35)

static int ends_with_it(void *arg)
{
    int result = weft_lock_acquire(&lock);

    (void)arg;
    if (result == 0)
        race_yields(1);
    return result;
}
static int takes_dead(void *arg)
{
    int result = weft_lock_acquire(&lock);

    (void)arg;
    ck_assert(result == 0 || result == -EOWNERDEAD);
    race_is(weft_lock_release(&lock), 0);
    return result == 0 ? 1 : 2;
}

/* 35, and the holder ends with the lock: the next one is told, whoever was cancelled meanwhile.
   Would catch a lock that stays with a task that is no more, and a mark that gets lost. */
static int body_35_dead(void *arg)
{
    weft_task dies, waits, takes;
    int deaths, told;

    (void)arg;
    lock = OF_KIND(shared_kind(), weft_lock, WEFT_LOCK);
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        race_is(weft_lock_acquire(&lock), 0);
        dies = start(&s, ends_with_it, 0);
        waits = start(&s, ends_with_it, 1);
        takes = start(&s, takes_dead, 2);
        race_yields(2);
        race_is(weft_lock_release(&lock), 0);
        race_yields(2);
        race_ok(weft_cancel(waits));
        deaths = result_of(dies) != -ECANCELED;
        deaths += result_of(waits) != -ECANCELED;
        told = result_of(takes) == 2;
        race_saw((uint32_t)deaths - 1);
        told += weft_lock_acquire(&lock) == -EOWNERDEAD;
        race_is(weft_lock_release(&lock), 0);
        ck_assert(told >= 1 && told <= deaths);
    }
    return 0;
}
TEST(race_35_owner_dead)
{
    race_each(.body = body_35_dead, .outcomes = 2, .part = 4);
}

/* -- 36: semaphore --------------------------------------------------------------------------- */

static weft_semaphore semaphore;

static int takes_permit(void *arg)
{
    int result = weft_semaphore_acquire(&semaphore);

    (void)arg;
    if (result < 0)
        return result;
    race_yields(1);
    race_is(weft_semaphore_release(&semaphore), 0);
    return 1;
}

/* 36: of three who wait one is given a permit, and one or two are cancelled: the others come to
   their turn, and no permit is lost or made. Would catch what CPython's #90155 was: a row in which
   everybody waits though there is a permit. */
static int body_36(void *arg)
{
    weft_task waiters[3];
    uint32_t which;

    (void)arg;
    semaphore = OF_KIND(shared_kind(), weft_semaphore, WEFT_SEMAPHORE, (0));
    WEFT_SCOPE(s) {
        for (int i = 0; i < 3; i++)
            waiters[i] = start(&s, takes_permit, i);
        race_yields(2);
        which = race_pick(3);
        if (race_pick(2))
            race_ok(weft_cancel(waiters[which]));
        race_is(weft_semaphore_release(&semaphore), 0);
        race_yields(1);
        race_ok(weft_cancel(waiters[which]));
        for (uint32_t i = 0; i < 3; i++) {
            int result = result_of(waiters[i]);
            ck_assert(result == 1 || (result == -ECANCELED && i == which));
            if (i == which)
                race_saw(result == 1);
        }
    }
    race_is((int)weft_semaphore_value(&semaphore), 1);
    return 0;
}
RACE_BOTH(36)

/* -- 37: condition --------------------------------------------------------------------------- */

static weft_condition condition;
static int notified;

static int waits_for_notice(void *arg)
{
    int result = weft_lock_acquire(&lock);

    (void)arg;
    if (result < 0)
        return result;
    result = weft_condition_wait(&condition, &lock);
    race_is(add(&inside, 1), 1); /* the lock is held, cancelled or not */
    add(&notified, result == 0);
    add(&inside, -1);
    race_is(weft_lock_release(&lock), 0);
    return result;
}

static int notify_one(void)
{
    return weft_condition_notify(&condition, 1);
}

/* 37: a notification and a cancel: who was notified returns so, or another one is notified; never
   neither, and the lock is held in any case. */
static int body_37(void *arg)
{
    bool shared = shared_kind();
    int told = 0;
    weft_task first;

    (void)arg;
    lock = OF_KIND(shared, weft_lock, WEFT_LOCK);
    condition = OF_KIND(shared, weft_condition, WEFT_CONDITION);
    inside = notified = 0;
    WEFT_SCOPE(s) {
        first = start(&s, waits_for_notice, 0);
        (void)start(&s, waits_for_notice, 1);
        race_yields(2);
        told += give_and_cancel(notify_one, first);
        race_saw(result_of(first) == 0);
        while (weft_scope_tasks(&s) > 0) {
            told += weft_condition_notify_all(&condition);
            race_is(weft_sleep(1000), 0);
        }
    }
    race_is(notified, told);
    race_is(weft_lock_acquire_nowait(&lock), 0);
    race_is(weft_lock_release(&lock), 0);
    return 0;
}
TEST(race_37)
{
    race_each(.body = body_37, .outcomes = 2, .part = 8);
}
TEST(race_37_remote)
{
    race_each(.body = body_37, .reactors = 2, .part = 8);
}

/* -- 38, 39: queue --------------------------------------------------------------------------- */

static weft_queue queue;
static int sum, latest;

static void queue_begin(uint32_t max)
{
    queue = (weft_queue){.shared = shared_kind(), .item_size = sizeof(int), .max = max};
    sum = latest = 0;
}
static weft_event event;
static bool by_select; /* the getters of this run wait for other things, too */
static int get(int *item)
{
    weft_case cases[] = {weft_case_until(WEFT_NEVER), weft_case_get(&queue, item),
                         weft_case_event(&event)};
    int won;

    if (!by_select)
        return weft_queue_get(&queue, item);
    won = weft_select(cases, 3, 0);
    return won < 0 ? won : (int)cases[won].result;
}
static int gets(void *arg)
{
    int item, result = get(&item);

    (void)arg;
    if (result == 0)
        add(&sum, item);
    return result == 0 ? item : result;
}

/* 38: a get cancelled when an item has just been put: the item is its or still there for the next,
   once, and the order is kept. */
static int body_38(void *arg)
{
    weft_task getters[2];
    int first, second, item, rest = 0;

    (void)arg;
    queue_begin(0);
    WEFT_SCOPE(s) {
        for (int i = 0; i < 2; i++)
            getters[i] = start(&s, gets, i);
        race_yields(2);
        if (race_pick(2))
            race_ok(weft_cancel(getters[0]));
        for (item = 1; item <= 3; item++) {
            race_is(weft_queue_put(&queue, &item), 0);
            race_yields(item == 1);
            if (item == 1)
                race_ok(weft_cancel(getters[0]));
        }
        first = result_of(getters[0]);
        second = result_of(getters[1]);
        ck_assert(first == -ECANCELED || first > 0);
        ck_assert_int_gt(second, 0);
        race_saw(first > 0);
        while (weft_queue_get_nowait(&queue, &item) == 0) {
            ck_assert_int_gt(item, rest);
            rest = item;
            add(&sum, item);
        }
        race_is(rest, 3);
        race_is(sum, 6);
    }
    race_is(weft_queue_destroy(&queue), 0);
    return 0;
}
RACE_BOTH(38)

/* The same with getters that are selects: claimed by one case, and cancelled at that moment. */
static int body_38_select(void *arg)
{
    int result;

    event = (weft_event)WEFT_EVENT_SHARED_INIT;
    by_select = true;
    result = body_38(arg);
    by_select = false;
    return result;
}
RACE_BOTH(38_select)

static int puts_one(void *arg)
{
    int result = weft_queue_put(&queue, arg);

    return result == 0 ? 1 : result;
}

/* 39: a put cancelled when the queue was full and room has just come: it has put, or nothing of it
   is there. */
static int body_39(void *arg)
{
    weft_task putters[2];
    int first, item = 1;

    (void)arg;
    queue_begin(1);
    WEFT_SCOPE(s) {
        race_is(weft_queue_put(&queue, &item), 0);
        putters[0] = start(&s, puts_one, 10);
        putters[1] = start(&s, puts_one, 100);
        race_yields(2);
        if (race_pick(2))
            race_ok(weft_cancel(putters[0]));
        race_is(weft_queue_get(&queue, &item), 0);
        race_is(item, 1);
        race_yields(1);
        race_ok(weft_cancel(putters[0]));
        while (sum < 100 || weft_scope_tasks(&s) > 0)
            if (weft_queue_get_nowait(&queue, &item) == 0)
                sum += item;
            else
                race_is(weft_sleep(1000), 0);
        while (weft_queue_get_nowait(&queue, &item) == 0)
            sum += item;
        first = saw_either(putters[0]);
        race_is(result_of(putters[1]), 1);
        race_is(sum, first == 1 ? 110 : 100);
    }
    race_is(weft_queue_destroy(&queue), 0);
    return 0;
}
RACE_BOTH(39)

/* -- 40: event ------------------------------------------------------------------------------- */

static int waits_for_event(void *arg)
{
    int result = weft_event_wait(&event);

    (void)arg;
    return result == 0 ? 1 : result;
}

/* 40: an event is set as one of those who wait is cancelled, and cleared at once: the other one
   wakes, and the first has been woken or cancelled. */
static int body_40(void *arg)
{
    weft_task waiters[2];
    bool clear;

    (void)arg;
    event = OF_KIND(shared_kind(), weft_event, WEFT_EVENT);
    WEFT_SCOPE(s) {
        for (int i = 0; i < 2; i++)
            waiters[i] = start(&s, waits_for_event, i);
        race_yields(3);
        clear = !remote && race_state(waiters[1]) && !strcmp(race_state(waiters[1]), "event");
        if (race_pick(2))
            race_ok(weft_cancel(waiters[0]));
        race_is(weft_event_set(&event), 1);
        if (clear)
            race_is(weft_event_clear(&event), 1);
        race_yields(1);
        race_ok(weft_cancel(waiters[0]));
        (void)saw_either(waiters[0]);
        race_is(result_of(waiters[1]), 1);
    }
    return 0;
}
TEST(race_40)
{
    race_each(.body = body_40, .orders = true, .outcomes = 2, .part = 4);
}
TEST(race_40_remote)
{
    race_each(.body = body_40, .reactors = 2, .outcomes = 2, .part = 4);
}

TEST_MAIN("races: sync", 300, race_35, race_35_remote, race_35_owner_dead, race_36, race_36_remote,
          race_37, race_37_remote, race_38, race_38_remote, race_38_select, race_38_select_remote,
          race_39, race_39_remote, race_40, race_40_remote)
