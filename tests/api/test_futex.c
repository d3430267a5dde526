/*
 * Words of memory that tasks wait for, and others change: through the ring, and by threads where
 * the ring has no request for it. Catches a wake-up that is lost between a cancellation and a
 * waiter, one that wakes more than it was to, and a wait that a deadline does not end.
 */
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "api/wrong.h"

#define same(a, b) ck_assert_int_eq((a), (b))

static _Alignas(8) _Atomic(uint32_t) words[2];
#define word (&words[0])

static int wait_here(uint32_t value)
{
    return weft_futex_wait(word, value, FUTEX_PRIVATE_FLAG);
}

static int wake_here(int count)
{
    return weft_futex_wake(word, count, FUTEX_PRIVATE_FLAG);
}

/* Wakes so many, all of whom are on their way to wait. */
static void wake_all(int count)
{
    while (count > 0) {
        int woken = wake_here(count);
        ok(woken);
        ck_assert_int_le(woken, count);
        count -= woken;
        if (count > 0)
            ok(weft_sleep(100000));
    }
}

/* With the ring's help, and without. */
static void run_both(weft_task_fn fn)
{
    same(weft_run(fn, NULL, 0, NULL), 0);
    same(setenv("WEFT_RING_MASK", "futex", 1), 0);
    atomic_store(word, 0);
    same(weft_run(fn, NULL, 0, NULL), 0);
    same(unsetenv("WEFT_RING_MASK"), 0);
}

/* -- woken ---------------------------------------------------------------------------------- */

struct waiter {
    weft_task task;
    int result;
    bool ended;
};

static int waits(void *arg)
{
    struct waiter *waiter = *(struct waiter **)arg;

    waiter->result = wait_here(atomic_load(word));
    waiter->ended = true;
    return 0;
}

static void begin(weft_scope *scope, struct waiter *waiter)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &waiter->task};

    *waiter = (struct waiter){.result = 1};
    same(weft_spawn(scope, waits, &waiter, sizeof waiter, &opt), 0);
}

static int ended(const struct waiter *waiters, int count)
{
    int all = 0;

    for (int i = 0; i < count; i++)
        all += waiters[i].ended;
    return all;
}

static int main_woken(void *arg)
{
    struct waiter waiters[3];

    (void)arg;
    WEFT_SCOPE(s) {
        for (int i = 0; i < 3; i++)
            begin(&s, &waiters[i]);
        wake_all(2);
        while (ended(waiters, 3) < 2)
            ok(weft_sleep(100000));
        for (int i = 0; i < 5; i++)
            ok(weft_yield());
        same(ended(waiters, 3), 2);
        wake_all(1);
    }
    for (int i = 0; i < 3; i++)
        same(waiters[i].result, 0);
    same(wake_here(1), 0); /* nobody is left */
    same(wake_here(0), 0);
    return 0;
}

TEST(so_many_are_woken)
{
    run_both(main_woken);
}

/* By a thread that runs no reactor: it changes the word, and wakes who sees the old value. */
static int changes(void *arg)
{
    (void)arg;
    atomic_store(word, 1);
    ok(wake_here(INT32_MAX));
    return 0;
}

static int changes_elsewhere(void *arg)
{
    (void)arg;
    return weft_to_thread(changes, NULL);
}

static int main_foreign(void *arg)
{
    int result;

    (void)arg;
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, changes_elsewhere, NULL, 0, NULL), 0);
        while (atomic_load(word) == 0) {
            result = wait_here(0);
            ck_assert(result == 0 || result == -EAGAIN);
        }
    }
    same(wait_here(0), -EAGAIN);
    atomic_store(word, 0);
    return 0;
}

TEST(by_a_thread)
{
    run_both(main_foreign);
}

/* -- cut short ------------------------------------------------------------------------------ */

/* One of two is cancelled while one is woken: each wake-up is somebody's. */
static void wake_and_cancel(int yields, bool wake_first)
{
    struct waiter waiters[2];
    int woken = 0;

    WEFT_SCOPE(s) {
        begin(&s, &waiters[0]);
        begin(&s, &waiters[1]);
        for (int i = 0; i < yields; i++)
            ok(weft_yield());
        if (wake_first)
            woken = wake_here(1);
        ok(weft_cancel(waiters[0].task));
        if (!wake_first)
            woken = wake_here(1);
        ok(weft_join(waiters[0].task, NULL));
        if (waiters[0].result == 0)
            same(woken, 1);
        else
            same(waiters[0].result, -ECANCELED);
        if (woken == 0 || waiters[0].result == 0)
            wake_all(1); /* the other still waits */
    }
    same(waiters[1].result, 0);
}

static int main_cancelled(void *arg)
{
    (void)arg;
    for (int yields = 0; yields < 6; yields++) {
        wake_and_cancel(yields, true);
        wake_and_cancel(yields, false);
    }
    return 0;
}

TEST(cancelled_or_woken)
{
    run_both(main_cancelled);
}

static int cancelled_before(void *arg)
{
    (void)arg;
    same(weft_cancel(weft_current_task()), 1);
    same(wait_here(0), -ECANCELED);
    same(wait_here(1), -ECANCELED);
    same(weft_cause(), WEFT_CAUSE_CANCEL);
    return 0;
}

static int main_before(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s)
        same(weft_spawn(&s, cancelled_before, NULL, 0, NULL), 0);
    return 0;
}

TEST(cancelled_before_it)
{
    run_both(main_before);
}

static int main_late(void *arg)
{
    (void)arg;
    same(weft_futex_wait_until(word, 0, 0, 1), -ETIMEDOUT);
    same(weft_futex_wait_until(word, 0, FUTEX_PRIVATE_FLAG, weft_after_ms(2)), -ETIMEDOUT);
    same(weft_futex_wait_until(word, 0, 0, weft_after_ms(2)), -ETIMEDOUT);
    same(weft_futex_wait_until(word, 1, 0, WEFT_NEVER), -EAGAIN);
    same(wake_here(1), 0); /* nothing is left behind */
    return 0;
}

TEST(a_deadline)
{
    run_both(main_late);
}

/* A run that is stopped ends its waits. */
static int waits_for_ever(void *arg)
{
    (void)arg;
    same(wait_here(0), -ECANCELED);
    return 0;
}

static int main_left(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        same(weft_spawn(weft_root(), waits_for_ever, NULL, 0, NULL), 0);
    return weft_sleep(1000000);
}

TEST(left_at_the_end)
{
    run_both(main_left);
}

/* -- refused -------------------------------------------------------------------------------- */

static int main_wrong(void *arg)
{
    const char *bytes = (const char *)words;

    (void)arg;
    WRONG(weft_futex_wait(NULL, 0, 0), -EFAULT, "weft_futex_wait", "NULL for a word");
    WRONG(weft_futex_wait(bytes + 2, 0, 0), -EINVAL, "weft_futex_wait", "not aligned");
    WRONG(weft_futex_wait(word, 0, 1), -EINVAL, "weft_futex_wait", "flags");
    WRONG(weft_futex_wake(NULL, 1, 0), -EFAULT, "weft_futex_wake", "NULL for a word");
    WRONG(weft_futex_wake(word, -1, 0), -EINVAL, "weft_futex_wake", "a negative count");
    same(weft_futex_wait((const void *)8, 0, 0), -EFAULT);
    same(weft_futex_wait((const void *)8, 0, FUTEX_PRIVATE_FLAG), -EFAULT);
    same(weft_futex_wake((const void *)8, 1, 0), -EFAULT);
    return 0;
}

TEST(refused)
{
    ck_misuse(weft_futex_wait(word, 0, 0), -EPERM, "weft_futex_wait", "outside of a task");
    same(weft_futex_wake(word, 1, 0), 0); /* by anybody */
    run_both(main_wrong);
}

TEST_MAIN("futex", 20, so_many_are_woken, by_a_thread, cancelled_or_woken, cancelled_before_it,
          a_deadline, left_at_the_end, refused)
