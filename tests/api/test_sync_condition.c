/*
 * The condition of weft/sync.h, sentence by sentence, in both kinds. Each test would catch the
 * sentence above it becoming untrue.
 */
#include "sync.h"

static weft_lock lock;
static weft_condition condition;
static int value, order[16], ran;

static void begin(void)
{
    lock = KIND(weft_lock, WEFT_LOCK_INIT, WEFT_LOCK_SHARED_INIT);
    condition = KIND(weft_condition, WEFT_CONDITION_INIT, WEFT_CONDITION_SHARED_INIT);
    value = ran = 0;
}

/* Waits once and notes that it was notified. */
static int waits(void *arg)
{
    int result;

    is(weft_lock_acquire(&lock), 0);
    result = weft_condition_wait(&condition, &lock);
    is(weft_lock_acquire(&lock), weft_cancelled() ? -ECANCELED : -EDEADLK); /* it is held */
    if (result == 0)
        order[ran++] = *(int *)arg;
    is(weft_lock_release(&lock), 0);
    return result;
}

/* "Wakes the `count` that wait longest; all. Returns how many." The lock is given up meanwhile, and
   held again afterwards; who is notified waits for the lock in turn. */
static int notify_main(void *arg)
{
    (void)arg;
    begin();
    is(weft_condition_notify(&condition, 3), 0);
    is(weft_condition_notify_all(&condition), 0);
    WEFT_SCOPE(s) {
        weft_task tasks[6];
        for (int i = 0; i < 6; i++)
            tasks[i] = sync_start_until(&s, waits, i, "condition");
        ck_assert(!weft_lock_held(&lock));
        is(weft_lock_acquire(&lock), 0);
        is(weft_condition_notify(&condition, 0), 0);
        is(weft_condition_notify(&condition, 2), 2);
        sync_until(tasks[1], "lock"); /* notified, and the lock is ours */
        ck_assert_str_eq(sync_waits_for(tasks[2]), "condition");
        is(ran, 0);
        is(weft_lock_release(&lock), 0);
        is(sync_result(tasks[0]), 0);
        is(sync_result(tasks[1]), 0);
        is(ran, 2);
        is(weft_condition_notify(&condition, 1), 1); /* without holding the lock */
        is(sync_result(tasks[2]), 0);
        is(weft_condition_notify_all(&condition), 3);
        is(weft_condition_notify_all(&condition), 0);
    }
    is(ran, 6);
    for (int i = 0; i < 6; i++)
        is(order[i], i);
    ck_assert(!weft_lock_held(&lock));
    return 0;
}
SYNC_TEST(notify)

/* Cancelled while it waits: the notification is for the next one. The lock is taken again all the
   same, and the caller waits for it, cancelled as it is. */
static int cancelled_main(void *arg)
{
    (void)arg;
    begin();
    WEFT_SCOPE(s) {
        weft_task one, two;
        one = sync_start_until(&s, waits, 1, "condition");
        two = sync_start_until(&s, waits, 2, "condition");
        is(weft_lock_acquire(&lock), 0);
        is(weft_cancel(one), 1);
        is(weft_condition_notify(&condition, 1), 1);
        sync_until(one, "lock");
        is(weft_cancel(one), 1); /* nothing ends the wait for the lock */
        is(weft_yield(), 0);
        ck_assert_str_eq(sync_waits_for(one), "lock");
        is(weft_lock_release(&lock), 0);
        is(sync_result(one), -ECANCELED);
        is(sync_result(two), 0);
    }
    is(ran, 1);
    is(order[0], 2);
    ck_assert(!weft_lock_held(&lock));
    return 0;
}
TEST(cancelled_while_waiting)
{
    sync_run(cancelled_main);
}

/* Cancelled when just notified, or when it waits for the lock: it was notified. */
static int notified_then_cancelled_main(void *arg)
{
    (void)arg;
    for (int later = 0; later < 2; later++) {
        begin();
        WEFT_SCOPE(s) {
            weft_task one, two;
            one = sync_start_until(&s, waits, 1, "condition");
            two = sync_start_until(&s, waits, 2, "condition");
            is(weft_lock_acquire(&lock), 0);
            is(weft_condition_notify(&condition, 1), 1);
            if (later)
                sync_until(one, "lock");
            is(weft_cancel(one), 1);
            is(weft_lock_release(&lock), 0);
            is(sync_result(one), 0);
            ck_assert_str_eq(sync_waits_for(two), "condition");
            is(weft_condition_notify(&condition, 1), 1);
            is(sync_result(two), 0);
        }
        is(ran, 2);
    }
    return 0;
}
SYNC_TEST(notified_then_cancelled)

/* -- predicates and deadlines ----------------------------------------------------------------- */

static bool is_three(void *arg)
{
    ran++;
    ck_assert(weft_lock_held(&lock));
    return *(int *)arg == 3;
}
static int waits_for_three(void *arg)
{
    (void)arg;
    is(weft_lock_acquire(&lock), 0);
    is(weft_condition_wait_for(&condition, &lock, is_three, &value), 0);
    is(value, 3);
    is(weft_condition_wait_for(&condition, &lock, is_three, &value), 0); /* no waiting */
    is(weft_cancel(weft_current_task()), 1);
    is(weft_condition_wait_for(&condition, &lock, is_three, &value), -ECANCELED);
    is(weft_uncancel(), 0);
    value = 4;
    is(weft_condition_wait_for_until(&condition, &lock, is_three, &value, weft_after_us(100)),
       -ETIMEDOUT);
    is(weft_condition_wait_until(&condition, &lock, weft_after_us(100)), -ETIMEDOUT);
    return weft_lock_release(&lock);
}
static int predicate_main(void *arg)
{
    (void)arg;
    begin();
    WEFT_SCOPE(s) {
        weft_task task = sync_start_until(&s, waits_for_three, 0, "condition");
        is(ran, 1);
        for (value = 1; value <= 3; value++) {
            is(weft_lock_acquire(&lock), 0);
            is(weft_condition_notify(&condition, 1), 1);
            is(weft_lock_release(&lock), 0);
            is(ran, value);
            if (value == 3)
                break;
            is(weft_yield(), 0);
            sync_until(task, "condition");
        }
        is(sync_result(task), 0);
    }
    ck_assert(!weft_lock_held(&lock));
    return 0;
}
TEST(predicate_and_deadline)
{
    sync_run(predicate_main);
}

/* -EOWNERDEAD: the lock that is taken again may have lost its holder. */
static int takes_and_ends(void *arg)
{
    (void)arg;
    is(weft_lock_acquire(&lock), 0);
    is(weft_condition_notify_all(&condition), 2);
    is(weft_sleep(HOUR), -ECANCELED);
    return 0;
}
static int finds_dead(void *arg)
{
    (void)arg;
    is(weft_lock_acquire(&lock), 0);
    int result = weft_condition_wait(&condition, &lock);
    is(result, ran++ == 0 ? -EOWNERDEAD : 0);
    return weft_lock_release(&lock);
}
static int owner_ends_main(void *arg)
{
    (void)arg;
    begin();
    WEFT_SCOPE(s) {
        weft_task holder;
        for (int i = 0; i < 2; i++)
            sync_start_until(&s, finds_dead, i, "condition");
        holder = sync_start_until(&s, takes_and_ends, 0, "sleep");
        is(weft_yield(), 0);
        is(weft_cancel(holder), 1);
    }
    ck_assert(!weft_lock_held(&lock));
    return 0;
}
SYNC_TEST(owner_ends)

static bool never(void *arg)
{
    (void)arg;
    return false;
}
static int holds(void *arg)
{
    (void)arg;
    is(weft_lock_acquire(&lock), 0);
    is(weft_sleep(HOUR), -ECANCELED);
    return weft_lock_release(&lock);
}
/* "-EPERM the caller does not hold the lock; -EINVAL": nothing was released or waited for. */
static int errors_main(void *arg)
{
    const char *const name = "weft_condition_wait_for";

    (void)arg;
    begin();
    ck_misuse(weft_condition_wait(NULL, &lock), -EINVAL, "weft_condition_wait", "no condition");
    ck_misuse(weft_condition_wait(&condition, NULL), -EINVAL, "weft_condition_wait", "no lock");
    ck_misuse(weft_condition_wait_for(&condition, &lock, NULL, NULL), -EINVAL, name, "predicate");
    ck_misuse(weft_condition_notify(NULL, 1), -EINVAL, "weft_condition_notify", "no condition");
    ck_misuse(weft_condition_notify_all(NULL), -EINVAL, "weft_condition_notify_all", "no cond");
    ck_misuse(weft_condition_wait(&condition, &lock), -EPERM, "weft_condition_wait", "not hold");
    is(weft_condition_wait_for(&condition, &lock, never, NULL), -EPERM);
    is(weft_condition_wait_until(&condition, &lock, WEFT_NEVER), -EPERM);
    is(weft_condition_wait_for_until(NULL, &lock, never, NULL, WEFT_NEVER), -EINVAL);
    WEFT_SCOPE(s) {
        weft_task holder = sync_start_until(&s, holds, 0, "sleep");
        is(weft_condition_wait(&condition, &lock), -EPERM);
        ck_assert(weft_lock_held(&lock));
        is(weft_cancel(holder), 1);
    }
    is(weft_lock_acquire(&lock), 0);
    WEFT_NO_SUSPEND
        is(weft_condition_wait(&condition, &lock), -EPERM);
    is(weft_cancel(weft_current_task()), 1);
    is(weft_condition_wait(&condition, &lock), -ECANCELED);
    is(weft_uncancel(), 0);
    is(weft_lock_release(&lock), 0); /* held all the time */
    return 0;
}
TEST(errors)
{
    weft_condition untouched = WEFT_CONDITION_INIT;
    weft_lock unused = WEFT_LOCK_INIT;

    is(weft_condition_notify_all(&untouched), -EPERM);
    is(weft_condition_wait(&untouched, &unused), -EPERM);
    sync_run(errors_main);
}

/* Both sides on reactors of their own, a great many times: would catch a notification that gets in
   between the row and the lock. */
static int turn;
static int plays(void *arg)
{
    int me = *(int *)arg;

    for (int i = 0; i < 200; i++) {
        is(weft_lock_acquire(&lock), 0);
        while (turn != me)
            is(weft_condition_wait(&condition, &lock), 0);
        turn = 1 - me;
        is(weft_condition_notify(&condition, 1) >= 0, 1);
        is(weft_lock_release(&lock), 0);
    }
    return 0;
}
static int across_main(void *arg)
{
    (void)arg;
    of_shared_kind = true;
    begin();
    turn = 0;
    WEFT_SCOPE(s)
        for (int i = 0; i < 2; i++)
            is(weft_spawn(&s, plays, &i, sizeof i,
                          &(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt),
                                                   .reactor = WEFT_ON(i)}),
               0);
    return 0;
}
TEST(across_reactors)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    is(weft_run(across_main, NULL, 0, &opt), 0);
}

TEST_MAIN("sync: condition", 30, notify, cancelled_while_waiting, notified_then_cancelled,
          predicate_and_deadline, owner_ends, errors, across_reactors)
