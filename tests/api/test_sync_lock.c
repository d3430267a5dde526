/*
 * The lock of weft/sync.h, sentence by sentence, in both kinds. Each test would catch the sentence
 * above it becoming untrue.
 */
#include "sync.h"

static weft_lock lock;
static int order[16], ran;

static void begin(void)
{
    lock = KIND(weft_lock, WEFT_LOCK_INIT, WEFT_LOCK_SHARED_INIT);
    ran = 0;
    memset(order, 0, sizeof order);
}

static int takes_notes_releases(void *arg)
{
    int result = weft_lock_acquire(&lock);

    if (result < 0)
        return result;
    order[ran++] = *(int *)arg;
    return weft_lock_release(&lock);
}

/* -- taking --------------------------------------------------------------------------------- */

/* "Held by one task at a time", also while the holder suspends; served in the order of coming; and
   who comes when it has just been handed over is not served before those who wait. */
static int inside, most;
static int stays_inside(void *arg)
{
    for (int i = 0; i < 5; i++) {
        is(weft_lock_acquire(&lock), 0);
        ck_assert(weft_lock_held(&lock));
        if (++inside > most)
            most = inside;
        order[*(int *)arg]++;
        is(weft_yield(), 0);
        inside--;
        is(weft_lock_release(&lock), 0);
        for (int other = 0; other < 4; other++) /* nobody gets ahead by more than a round */
            ck_assert_int_ge(order[other] + 1, order[*(int *)arg]);
    }
    return 0;
}
static int one_at_a_time_main(void *arg)
{
    (void)arg;
    begin();
    inside = most = 0;
    ck_assert(!weft_lock_held(&lock));
    WEFT_SCOPE(s)
        for (int i = 0; i < 4; i++)
            sync_start(&s, stays_inside, i);
    is(most, 1);
    ck_assert(!weft_lock_held(&lock));
    return 0;
}
SYNC_TEST(one_at_a_time)

static int in_order_main(void *arg)
{
    (void)arg;
    begin();
    WEFT_SCOPE(s) {
        is(weft_lock_acquire(&lock), 0);
        for (int i = 0; i < 4; i++)
            sync_start_until(&s, takes_notes_releases, i, "lock");
        is(weft_lock_release(&lock), 0);
        is(weft_lock_acquire_nowait(&lock), -EAGAIN); /* it is handed over, not free */
        is(weft_lock_acquire(&lock), 0);              /* behind all of them */
        is(ran, 4);
        for (int i = 0; i < 4; i++)
            is(order[i], i);
        is(weft_lock_release(&lock), 0);
    }
    return 0;
}
TEST(in_the_order_of_coming)
{
    sync_run(in_order_main);
}

/* -EAGAIN, -EDEADLK, -EPERM, -EINVAL: and nothing is changed by any of them. */
static int takes_and_sleeps(void *arg)
{
    (void)arg;
    is(weft_lock_acquire_nowait(&lock), 0);
    is(weft_sleep(HOUR), -ECANCELED);
    return weft_lock_release(&lock);
}
static int errors_main(void *arg)
{
    weft_task holder;

    (void)arg;
    begin();
    ck_misuse(weft_lock_acquire(NULL), -EINVAL, "weft_lock_acquire", "no lock");
    ck_misuse(weft_lock_acquire_nowait(NULL), -EINVAL, "weft_lock_acquire_nowait", "no lock");
    is(weft_lock_acquire_until(NULL, WEFT_NEVER), -EINVAL);
    ck_misuse(weft_lock_release(NULL), -EINVAL, "weft_lock_release", "no lock");
    ck_assert(!weft_lock_held(NULL));
    ck_misuse(weft_lock_release(&lock), -EINVAL, "weft_lock_release", "nobody holds");
    is(weft_lock_acquire(&lock), 0);
    ck_misuse(weft_lock_acquire(&lock), -EDEADLK, "weft_lock_acquire", "holds the lock already");
    ck_misuse(weft_lock_acquire_nowait(&lock), -EDEADLK, "weft_lock_acquire_nowait", "already");
    is(weft_lock_release(&lock), 0);
    ck_misuse(weft_lock_release(&lock), -EINVAL, "weft_lock_release", "nobody holds");
    WEFT_SCOPE(s) {
        holder = sync_start_until(&s, takes_and_sleeps, 0, "sleep");
        ck_no_misuse(weft_lock_acquire_nowait(&lock), -EAGAIN);
        ck_misuse(weft_lock_release(&lock), -EPERM, "weft_lock_release", "another task");
        ck_assert(weft_lock_held(&lock));
        is(weft_cancel(holder), 1);
    }
    ck_assert(!weft_lock_held(&lock));
    WEFT_NO_SUSPEND {
        ck_misuse(weft_lock_acquire(&lock), -EPERM, "weft_lock_acquire", "nothing may");
        is(weft_lock_acquire_nowait(&lock), 0);
        is(weft_lock_release(&lock), 0);
    }
    return 0;
}
TEST(errors)
{
    weft_lock untouched = WEFT_LOCK_INIT;

    ck_misuse(weft_lock_acquire(&untouched), -EPERM, "weft_lock_acquire", "outside of a task");
    ck_misuse(weft_lock_acquire_nowait(&untouched), -EPERM, "weft_lock_acquire_nowait", "outside");
    ck_misuse(weft_lock_release(&untouched), -EPERM, "weft_lock_release", "outside of a task");
    sync_run(errors_main);
}

/* A static lock serves one run after another. */
static weft_lock lasting = WEFT_LOCK_INIT, lasting_shared = WEFT_LOCK_SHARED_INIT;
static int uses_lasting(void *arg)
{
    (void)arg;
    is(weft_lock_acquire(&lasting), 0);
    is(weft_lock_release(&lasting), 0);
    is(weft_lock_acquire(&lasting_shared), 0);
    is(weft_lock_release(&lasting_shared), 0);
    return 0;
}
TEST(run_after_run)
{
    for (int i = 0; i < 3; i++)
        is(weft_run(uses_lasting, NULL, 0, NULL), 0);
}

/* "From another reactor, while that one runs, -EPERM." And a shared one is everybody's. */
static int elsewhere(void *arg)
{
    (void)arg;
    ck_misuse(weft_lock_acquire(&lasting), -EPERM, "weft_lock_acquire", "another reactor's");
    ck_misuse(weft_lock_acquire_nowait(&lasting), -EPERM, "weft_lock_acquire_nowait", "another");
    is(weft_lock_acquire_nowait(&lasting_shared), -EAGAIN);
    return 0;
}
static int two_reactors_main(void *arg)
{
    (void)arg;
    is(uses_lasting(NULL), 0);
    is(weft_lock_acquire(&lasting_shared), 0);
    is(weft_call(1, elsewhere, NULL, 0), 0);
    is(weft_lock_release(&lasting_shared), 0);
    is(weft_lock_acquire(&lasting), 0);
    is(weft_lock_release(&lasting), 0);
    return 0;
}
TEST(another_reactor)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    is(weft_run(two_reactors_main, NULL, 0, &opt), 0);
}

/* -- cancellation and deadlines -------------------------------------------------------------- */

/* Before it waits: refused, even when the lock is free. */
static int cancelled_before_main(void *arg)
{
    (void)arg;
    begin();
    is(weft_cancel(weft_current_task()), 1);
    is(weft_lock_acquire(&lock), -ECANCELED);
    ck_assert(!weft_lock_held(&lock));
    is(weft_lock_acquire_nowait(&lock), 0); /* that is no suspending call */
    is(weft_lock_release(&lock), 0);        /* never cancelled */
    is(weft_uncancel(), 0);
    return 0;
}
SYNC_TEST(cancelled_before)

/* While it waits: out of the row at once; the next one gets the lock. */
static int while_waiting_main(void *arg)
{
    (void)arg;
    begin();
    WEFT_SCOPE(s) {
        weft_task tasks[3];
        is(weft_lock_acquire(&lock), 0);
        for (int i = 0; i < 3; i++)
            tasks[i] = sync_start_until(&s, takes_notes_releases, i, "lock");
        is(weft_cancel(tasks[0]), 1); /* it has not run since when the lock is released */
        is(weft_lock_release(&lock), 0);
        is(sync_result(tasks[0]), -ECANCELED);
        is(sync_result(tasks[1]), 0);
        is(sync_result(tasks[2]), 0);
        is(ran, 2);
        is(order[0], 1);
        is(order[1], 2);
    }
    ck_assert(!weft_lock_held(&lock));
    return 0;
}
TEST(cancelled_while_waiting)
{
    sync_run(while_waiting_main);
}

/* When it has just been given the lock: it holds it, and its next call is refused. */
static int holds_though_cancelled(void *arg)
{
    (void)arg;
    is(weft_lock_acquire(&lock), 0);
    is(weft_yield(), -ECANCELED);
    order[ran++] = 7;
    return weft_lock_release(&lock);
}
static int when_granted_main(void *arg)
{
    (void)arg;
    begin();
    WEFT_SCOPE(s) {
        weft_task first, second;
        is(weft_lock_acquire(&lock), 0);
        first = sync_start_until(&s, holds_though_cancelled, 0, "lock");
        second = sync_start_until(&s, takes_notes_releases, 8, "lock");
        is(weft_lock_release(&lock), 0);
        is(weft_cancel(first), 1);
        is(sync_result(first), 0);
        is(sync_result(second), 0);
        is(order[0], 7);
        is(order[1], 8);
    }
    return 0;
}
TEST(cancelled_when_granted)
{
    sync_run(when_granted_main);
}

/* "-ETIMEDOUT", and then it is not in the row any more. */
static int takes_by_deadline(void *arg)
{
    (void)arg;
    is(weft_lock_acquire_until(&lock, weft_after_us(200)), -ETIMEDOUT);
    is(weft_cause(), WEFT_CAUSE_DEADLINE);
    is(weft_cancelled(), 0);
    return 0;
}
static int deadline_main(void *arg)
{
    (void)arg;
    begin();
    WEFT_SCOPE(s) {
        weft_task task;
        is(weft_lock_acquire_until(&lock, WEFT_NEVER), 0);
        is(weft_lock_acquire_until(&lock, WEFT_NEVER), -EDEADLK);
        task = sync_start(&s, takes_by_deadline, 0);
        is(sync_result(task), 0);
        is(weft_lock_release(&lock), 0);
        ck_assert(!weft_lock_held(&lock));
        is(weft_lock_acquire_until(&lock, weft_now() + HOUR), 0);
        is(weft_lock_release(&lock), 0);
    }
    return 0;
}
SYNC_TEST(deadline)

/* -- holders that end ------------------------------------------------------------------------ */

static int takes_and_ends(void *arg)
{
    is(weft_lock_acquire(&lock), 0);
    if (*(int *)arg)
        is(weft_sleep(HOUR), -ECANCELED);
    return 0;
}
static int takes_after_death(void *arg)
{
    (void)arg;
    is(weft_lock_acquire(&lock), -EOWNERDEAD);
    ck_assert(weft_lock_held(&lock));
    return weft_lock_release(&lock);
}
/* "The next one to take it gets -EOWNERDEAD, once: it holds the lock." */
static int owner_ends_main(void *arg)
{
    (void)arg;
    begin();
    WEFT_SCOPE(s) {
        is(sync_result(sync_start(&s, takes_and_ends, 0)), 0);
        ck_assert(!weft_lock_held(&lock));
        is(weft_lock_acquire(&lock), -EOWNERDEAD);
        is(weft_lock_acquire(&lock), -EDEADLK);
        is(weft_lock_release(&lock), 0);
        is(weft_lock_acquire(&lock), 0);
        is(weft_lock_release(&lock), 0);
        is(sync_result(sync_start(&s, takes_and_ends, 0)), 0);
        is(weft_lock_acquire_nowait(&lock), -EOWNERDEAD);
        is(weft_lock_release(&lock), 0);
    }
    WEFT_SCOPE(t) { /* and while somebody waits */
        weft_task holder = sync_start_until(&t, takes_and_ends, 1, "sleep");
        weft_task waiter = sync_start_until(&t, takes_after_death, 0, "lock");
        weft_task later = sync_start_until(&t, takes_notes_releases, 1, "lock");
        is(weft_cancel(holder), 1);
        is(sync_result(holder), 0);
        is(sync_result(waiter), 0);
        is(sync_result(later), 0);
        is(ran, 1);
    }
    return 0;
}
SYNC_TEST(owner_ends)

/* A task that ends may hold several, and have released some. */
static weft_lock several[5];
static int takes_several(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++)
        is(weft_lock_acquire(&several[i]), 0);
    for (int i = 0; i < 5; i += 2)
        is(weft_lock_release(&several[i]), 0);
    return 0;
}
static int several_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++)
        several[i] = KIND(weft_lock, WEFT_LOCK_INIT, WEFT_LOCK_SHARED_INIT);
    WEFT_SCOPE(s)
        is(sync_result(sync_start(&s, takes_several, 0)), 0);
    for (int i = 0; i < 5; i++) {
        is(weft_lock_acquire(&several[i]), i % 2 ? -EOWNERDEAD : 0);
        is(weft_lock_release(&several[i]), 0);
    }
    return 0;
}
TEST(owner_of_several_ends)
{
    sync_run(several_main);
}

/* -- WEFT_LOCKED ----------------------------------------------------------------------------- */

static int leaves_by(void *arg)
{
    int way = *(int *)arg;

    WEFT_LOCKED(&lock)
    {
        ck_assert(weft_lock_held(&lock));
        is(weft_lock_acquire(&lock), -EDEADLK);
        if (way == 1)
            return 11;
        if (way == 2)
            break;
        if (way == 3)
            continue;
        if (way == 4)
            goto out;
        WEFT_LOCKED(&several[0])
        ran++;
    }
    return 10;
out:
    return 14;
}
/* Released however the block is left. */
static int block_main(void *arg)
{
    (void)arg;
    begin();
    several[0] = lock;
    for (int way = 0; way < 5; way++) {
        is(leaves_by(&way), way == 1 ? 11 : way == 4 ? 14 : 10);
        ck_assert(!weft_lock_held(&lock));
        ck_assert(!weft_lock_held(&several[0]));
    }
    is(ran, 1);
    return 0;
}
SYNC_TEST(block)

static int enters_block(void *arg)
{
    (void)arg;
    WEFT_LOCKED(&lock)
    ran++;
    return 5;
}
static int enters_block_and_stays(void *arg)
{
    (void)enters_block(arg);
    is(weft_sleep(HOUR), -ECANCELED);
    return 0;
}
/* "If it cannot be taken the block does not run, and the error becomes the result"; -EOWNERDEAD
   stays on the lock. */
static int block_refused_main(void *arg)
{
    weft_task task;

    (void)arg;
    begin();
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        is(weft_lock_acquire(&lock), 0);
        task = sync_start_until(&s, enters_block, 0, "lock");
        is(weft_cancel(task), 1);
        is(sync_result(task), -ECANCELED);
        is(weft_lock_release(&lock), 0);
        is(sync_result(sync_start(&s, takes_and_ends, 0)), 0);
        for (int i = 0; i < 2; i++)
            is(sync_result(sync_start(&s, enters_block, 0)), -EOWNERDEAD);
        is(ran, 0);
        task = sync_start_until(&s, enters_block_and_stays, 0, "sleep");
        is(weft_lock_acquire(&lock), -EOWNERDEAD);
        is(weft_cancel(task), 1);
        is(sync_result(task), -EOWNERDEAD);
        ck_assert(
            weft_lock_held(&lock)); /* by us: who was refused has nothing to lose at its end */
        is(weft_lock_release(&lock), 0);
        is(sync_result(sync_start(&s, enters_block, 0)), 5);
        is(ran, 1);
    }
    return 0;
}
SYNC_TEST(block_refused)

/* -- what it costs --------------------------------------------------------------------------- */

/* Nobody waits: no allocation, no visit to the kernel, no switch but those of the turn's budget. */
static int costs_main(void *arg)
{
    struct weft_stats before, after;
    enum { ROUNDS = 100 };

    (void)arg;
    begin();
    is(weft_yield(), 0); /* a turn's budget to spend */
    is(weft_stats(&before, sizeof before), 0);
    for (int i = 0; i < ROUNDS; i++) {
        is(weft_lock_acquire(&lock), 0);
        is(weft_lock_release(&lock), 0);
    }
    is(weft_stats(&after, sizeof after), 0);
    ck_assert_uint_eq(after.allocations, before.allocations);
    ck_assert_uint_le(after.enters - before.enters, 1);
    ck_assert_uint_le(after.turns - before.turns, 1);
    ck_assert_uint_eq(after.sqes, before.sqes);
    return 0;
}
SYNC_TEST(costs)

TEST_MAIN("sync: lock", 20, one_at_a_time, in_the_order_of_coming, errors, run_after_run,
          another_reactor, cancelled_before, cancelled_while_waiting, cancelled_when_granted,
          deadline, owner_ends, owner_of_several_ends, block, block_refused, costs)
