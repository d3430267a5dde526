/*
 * The event and the semaphore of weft/sync.h, sentence by sentence, in both kinds. Each test would
 * catch the sentence above it becoming untrue.
 */
#include "sync.h"

static weft_event event;
static weft_semaphore semaphore;
static int order[16], ran;

static void begin(int permits)
{
    event = KIND(weft_event, WEFT_EVENT_INIT, WEFT_EVENT_SHARED_INIT);
    semaphore =
        KIND(weft_semaphore, WEFT_SEMAPHORE_INIT(permits), WEFT_SEMAPHORE_SHARED_INIT(permits));
    ran = 0;
}

static int waits(void *arg)
{
    int result = weft_event_wait(&event);

    if (result == 0)
        order[ran++] = *(int *)arg;
    return result;
}

/* -- event ----------------------------------------------------------------------------------- */

/* "Setting it wakes all who wait, even if it is cleared again before they run"; who comes after the
   clearing waits. */
static int set_and_cleared_main(void *arg)
{
    (void)arg;
    begin(0);
    WEFT_SCOPE(s) {
        weft_task tasks[3], late;
        for (int i = 0; i < 3; i++)
            tasks[i] = sync_start_until(&s, waits, i, "event");
        is(weft_event_set(&event), 1);
        ck_assert(weft_event_is_set(&event));
        is(weft_event_set(&event), 0);
        is(weft_event_clear(&event), 1);
        is(weft_event_clear(&event), 0);
        ck_assert(!weft_event_is_set(&event));
        late = sync_start_until(&s, waits, 9, "event");
        for (int i = 0; i < 3; i++) {
            is(sync_result(tasks[i]), 0);
            is(order[i], i);
        }
        is(ran, 3);
        is(weft_event_set(&event), 1);
        is(weft_event_wait(&event), 0); /* set: no waiting */
        is(sync_result(late), 0);
    }
    return 0;
}
SYNC_TEST(set_and_cleared)

/* Cancelled before it waits, while it waits, when it was just woken; a deadline. */
static int woken_though_cancelled(void *arg)
{
    (void)arg;
    is(weft_event_wait(&event), 0);
    is(weft_event_wait(&event), -ECANCELED); /* though it is set */
    return 0;
}
static int event_cancelled_main(void *arg)
{
    (void)arg;
    begin(0);
    WEFT_SCOPE(s) {
        weft_task one, two, three;
        one = sync_start_until(&s, waits, 1, "event");
        two = sync_start_until(&s, woken_though_cancelled, 2, "event");
        three = sync_start_until(&s, waits, 3, "event");
        is(weft_cancel(one), 1);
        is(weft_event_wait_until(&event, weft_after_us(100)), -ETIMEDOUT);
        is(weft_event_set(&event), 1);
        is(weft_cancel(two), 1);
        is(sync_result(one), -ECANCELED);
        is(sync_result(two), 0);
        is(sync_result(three), 0);
        is(weft_event_wait_until(&event, WEFT_NEVER), 0);
        is(weft_event_wait_until(&event, 1), -ETIMEDOUT); /* refused on entry */
    }
    return 0;
}
SYNC_TEST(event_cancelled)

/* -- semaphore ------------------------------------------------------------------------------- */

static int most, inside;
static int takes(void *arg)
{
    int result = weft_semaphore_acquire(&semaphore);

    if (result < 0)
        return result;
    order[ran++] = *(int *)arg;
    if (++inside > most)
        most = inside;
    is(weft_yield(), 0);
    inside--;
    return weft_semaphore_release(&semaphore);
}
/* So many as there are permits, in the order of coming, and nobody before them. */
static int permits_main(void *arg)
{
    (void)arg;
    begin(3);
    most = inside = 0;
    is(weft_semaphore_value(&semaphore), 3);
    WEFT_SCOPE(s)
        for (int i = 0; i < 12; i++)
            sync_start(&s, takes, i);
    is(most, 3);
    is(ran, 12);
    for (int i = 0; i < 12; i++)
        is(order[i], i);
    is(weft_semaphore_value(&semaphore), 3);
    for (int i = 0; i < 3; i++)
        is(weft_semaphore_acquire_nowait(&semaphore), 0);
    is(weft_semaphore_value(&semaphore), 0);
    ck_no_misuse(weft_semaphore_acquire_nowait(&semaphore), -EAGAIN);
    ran = 0;
    WEFT_SCOPE(t) {
        sync_start_until(&t, takes, 1, "semaphore");
        is(weft_semaphore_release(&semaphore), 0);
        is(weft_semaphore_acquire_nowait(&semaphore), -EAGAIN); /* it is the waiter's */
    }
    is(ran, 1);
    is(weft_semaphore_value(&semaphore), 1);
    return 0;
}
SYNC_TEST(permits)

/* "A bounded one is never given more than it began with"; not more than the most either. */
static int bounds_main(void *arg)
{
    weft_semaphore bounded =
        KIND(weft_semaphore, WEFT_SEMAPHORE_BOUNDED_INIT(2), WEFT_SEMAPHORE_BOUNDED_SHARED_INIT(2));
    weft_semaphore large = KIND(weft_semaphore, WEFT_SEMAPHORE_INIT(WEFT_SEMAPHORE_MAX),
                                WEFT_SEMAPHORE_SHARED_INIT(WEFT_SEMAPHORE_MAX));

    (void)arg;
    ck_no_misuse(weft_semaphore_release(&bounded), -EINVAL);
    is(weft_semaphore_value(&bounded), 2);
    is(weft_semaphore_acquire(&bounded), 0);
    is(weft_semaphore_release(&bounded), 0);
    is(weft_semaphore_release(&bounded), -EINVAL);
    is(weft_semaphore_value(&bounded), 2);
    is(weft_semaphore_release(&large), -EINVAL);
    is(weft_semaphore_value(&large), WEFT_SEMAPHORE_MAX);
    begin(0);
    for (int i = 0; i < 5; i++)
        is(weft_semaphore_release(&semaphore), 0);
    is(weft_semaphore_value(&semaphore), 5);
    return 0;
}
SYNC_TEST(bounds)

/* Of those who wait one is cancelled, when another was just given a permit: the permit is not lost,
   the row goes on. The one cancelled after the grant keeps the permit and gives it back. */
static int keeps_though_cancelled(void *arg)
{
    (void)arg;
    is(weft_semaphore_acquire(&semaphore), 0);
    is(weft_yield(), -ECANCELED);
    return weft_semaphore_release(&semaphore);
}
static int not_lost_main(void *arg)
{
    (void)arg;
    begin(0);
    WEFT_SCOPE(s) {
        weft_task first, second, third;
        first = sync_start_until(&s, keeps_though_cancelled, 1, "semaphore");
        second = sync_start_until(&s, takes, 2, "semaphore");
        third = sync_start_until(&s, takes, 3, "semaphore");
        is(weft_semaphore_release(&semaphore), 0);
        is(weft_cancel(first), 1);
        is(weft_cancel(second), 1);
        is(sync_result(first), 0);
        is(sync_result(second), -ECANCELED);
        is(sync_result(third), 0);
        is(ran, 1);
        is(order[0], 3);
        is(weft_semaphore_value(&semaphore), 1);
        is(weft_semaphore_acquire_until(&semaphore, WEFT_NEVER), 0);
        is(weft_semaphore_acquire_until(&semaphore, weft_after_us(100)), -ETIMEDOUT);
        is(weft_semaphore_release(&semaphore), 0);
        is(weft_semaphore_value(&semaphore), 1);
        is(weft_cancel(weft_current_task()), 1);
        is(weft_semaphore_acquire(&semaphore), -ECANCELED); /* though there is one */
        is(weft_semaphore_value(&semaphore), 1);
        is(weft_uncancel(), 0);
    }
    return 0;
}
TEST(permit_not_lost)
{
    sync_run(not_lost_main);
}

/* -- errors, callbacks, other reactors -------------------------------------------------------- */

static int errors_main(void *arg)
{
    (void)arg;
    begin(1);
    ck_misuse(weft_event_wait(NULL), -EINVAL, "weft_event_wait", "no event");
    ck_misuse(weft_event_set(NULL), -EINVAL, "weft_event_set", "no event");
    ck_misuse(weft_event_clear(NULL), -EINVAL, "weft_event_clear", "no event");
    is(weft_event_wait_until(NULL, WEFT_NEVER), -EINVAL);
    ck_assert(!weft_event_is_set(NULL));
    ck_misuse(weft_semaphore_acquire(NULL), -EINVAL, "weft_semaphore_acquire", "no semaphore");
    ck_misuse(weft_semaphore_acquire_nowait(NULL), -EINVAL, "weft_semaphore_acquire_nowait", "no");
    ck_misuse(weft_semaphore_release(NULL), -EINVAL, "weft_semaphore_release", "no semaphore");
    is(weft_semaphore_acquire_until(NULL, WEFT_NEVER), -EINVAL);
    is(weft_semaphore_value(NULL), 0);
    WEFT_NO_SUSPEND {
        is(weft_event_set(&event), 1);
        ck_misuse(weft_event_wait(&event), -EPERM, "weft_event_wait", "nothing may");
        is(weft_semaphore_acquire(&semaphore), -EPERM);
        is(weft_semaphore_release(&semaphore), 0);
    }
    return 0;
}
TEST(errors)
{
    begin(1);
    for (int kind = 0; kind < 2; kind++) {
        of_shared_kind = kind != 0;
        begin(1);
        ck_misuse(weft_event_set(&event), -EPERM, "weft_event_set", "no reactor");
        ck_misuse(weft_event_wait(&event), -EPERM, "weft_event_wait", "outside");
        ck_misuse(weft_semaphore_release(&semaphore), -EPERM, "weft_semaphore_release", "no");
        is(weft_semaphore_acquire_nowait(&semaphore), -EPERM);
        is(weft_semaphore_value(&semaphore), 1);
        ck_assert(!weft_event_is_set(&event));
    }
    sync_run(errors_main);
}

/* "The others may be made in callbacks too." */
static void sets_and_gives(void *arg)
{
    (void)arg;
    is(weft_event_wait(&event), -EPERM);
    is(weft_semaphore_acquire(&semaphore), -EPERM);
    is(weft_event_set(&event), 1);
    is(weft_semaphore_release(&semaphore), 0);
}
static int callback_main(void *arg)
{
    weft_inbox *here = weft_inbox_here();

    (void)arg;
    begin(0);
    is(weft_post(here, sets_and_gives, NULL, NULL), 0);
    weft_inbox_put(here);
    is(weft_event_wait(&event), 0);
    is(weft_semaphore_acquire(&semaphore), 0);
    return 0;
}
TEST(in_callbacks)
{
    sync_run(callback_main);
}

/* Who waits on one reactor is woken from another, and -EPERM for the local kind. */
static weft_event go, local_event;
static int answers(void *arg)
{
    (void)arg;
    ck_misuse(weft_event_set(&local_event), -EPERM, "weft_event_set", "another reactor's");
    is(weft_event_wait(&go), 0);
    return weft_semaphore_release(&semaphore);
}
static int across_main(void *arg)
{
    (void)arg;
    of_shared_kind = true;
    begin(0);
    go = (weft_event)WEFT_EVENT_SHARED_INIT;
    is(weft_event_clear(&local_event), 0);
    WEFT_SCOPE(s) {
        struct weft_spawn_opt opt = {.size = sizeof opt, .reactor = WEFT_ON(1)};
        for (int i = 0; i < 3; i++)
            is(weft_spawn(&s, answers, NULL, 0, &opt), 0);
        is(weft_yield(), 0);
        is(weft_event_set(&go), 1);
        for (int i = 0; i < 3; i++)
            is(weft_semaphore_acquire(&semaphore), 0);
    }
    is(weft_semaphore_value(&semaphore), 0);
    is(weft_event_set(&local_event), 1);
    return 0;
}
TEST(across_reactors)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    is(weft_run(across_main, NULL, 0, &opt), 0);
}

/* -- many ------------------------------------------------------------------------------------ */

/* A hundred thousand wait and are woken by one call; each leaves the row in one step when they are
   all cancelled. Would catch a search in the row: that would take minutes. */
enum { MANY = 100000 };
static int is_one_of_many(void *arg)
{
    int result = weft_event_wait(arg);

    ran += result == 0;
    return result;
}
static int many_main(void *arg)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .stack_size = 16384};

    (void)arg;
    for (int cancelled = 0; cancelled < 2; cancelled++) {
        int n = test_long() ? MANY : MANY / 10, given = 0;
        begin(0);
        WEFT_SCOPE(s) {
            struct weft_stats before, after;
            for (int i = 0; i < n && given == i; i++)
                given += weft_spawn(&s, is_one_of_many, &event, 0, &opt) == 0;
            ck_assert_int_ge(given, 1000); /* sanitizers have room for fewer */
            is(weft_yield(), 0);
            is(weft_stats(&before, sizeof before), 0);
            if (cancelled)
                is(weft_scope_cancel(&s), 1);
            else
                is(weft_event_set(&event), 1);
            is(weft_stats(&after, sizeof after), 0);
            ck_assert_uint_eq(after.allocations, before.allocations);
        }
        is(ran, cancelled ? 0 : given);
    }
    return 0;
}
TEST(a_hundred_thousand)
{
    sync_run(many_main);
}

/* Nobody waits: no allocation, no request, no visit to the kernel of its own. */
static int costs_main(void *arg)
{
    struct weft_stats before, after;

    (void)arg;
    begin(1);
    is(weft_yield(), 0);
    is(weft_stats(&before, sizeof before), 0);
    for (int i = 0; i < 50; i++) {
        is(weft_semaphore_acquire(&semaphore), 0);
        is(weft_semaphore_release(&semaphore), 0);
        is(weft_event_set(&event), 1);
        is(weft_event_wait(&event), 0);
        is(weft_event_clear(&event), 1);
    }
    is(weft_stats(&after, sizeof after), 0);
    ck_assert_uint_eq(after.allocations, before.allocations);
    ck_assert_uint_le(after.enters - before.enters, 1);
    ck_assert_uint_eq(after.sqes, before.sqes);
    return 0;
}
SYNC_TEST(costs)

TEST_MAIN("sync: event and semaphore", 60, set_and_cleared, event_cancelled, permits, bounds,
          permit_not_lost, errors, in_callbacks, across_reactors, a_hundred_thousand, costs)
