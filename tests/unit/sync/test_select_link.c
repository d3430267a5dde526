/*
 * A case of a select that finds its object ready when it is about to wait for it: another reactor
 * has made it so since it was looked at, which tests of the interface cannot bring about at will.
 * Would catch a case that has won and waits all the same, one that takes although another case was
 * quicker, and a put that claims its turn and then finds no memory.
 */
#include "sync/select.h"

#include <errno.h>
#include <weft/weft.h>

#include "base/memory.h"
#include "support/test.h"
#include "task/task.h"

#define ok(expression) ck_assert_int_ge((expression), 0)

static weft_event event;
static weft_lock lock;
static weft_semaphore semaphore = WEFT_SEMAPHORE_INIT(1);
static weft_queue queue = {.item_size = sizeof(int)};
static weft_queue bounded = {.item_size = sizeof(int), .max = 2};
static int item;

/* -- one attempt ----------------------------------------------------------------------------------
 */

static struct attempt {
    struct weft__claim claim;
    struct weft__wait wait;
    struct weft__entry entry;
} attempt;

/* As a select makes it; `late`: another of its cases has won already. */
static struct weft__entry *begin(bool late)
{
    attempt = (struct attempt){.wait = {.what = "select", .fd = -1}};
    attempt.entry.task = weft__task_self();
    attempt.entry.item = &item;
    weft__waiter_init(&attempt.entry.waiter, &attempt.wait);
    attempt.entry.waiter.claim = &attempt.claim;
    if (late)
        ck_assert(weft__claim_take(&attempt.claim, &item));
    return &attempt.entry;
}

/* It was not put into a row: it has claimed and got this result, or came too late. */
static void check(int linked, bool late, int result)
{
    ck_assert_int_eq(linked, !late);
    ck_assert_ptr_null(attempt.entry.object);
    ck_assert_ptr_eq(weft__claim_taken(&attempt.claim),
                     late ? (const void *)&item : (const void *)&attempt.entry.waiter);
    if (!late)
        ck_assert_int_eq(attempt.entry.result, result);
}

/* -- what is ready --------------------------------------------------------------------------------
 */

static int main_ready(void *arg)
{
    int one = 1;

    (void)arg;
    for (int late = 1; late >= 0; late--) {
        ok(weft_event_set(&event));
        check(weft__event_link(&event, begin(late)), late, 0);
        ck_assert_int_eq(weft_event_is_set(&event), 1);

        check(weft__semaphore_link(&semaphore, begin(late)), late, 0);
        ck_assert_int_eq(weft_semaphore_acquire_nowait(&semaphore), late ? 0 : -EAGAIN);
        ok(weft_semaphore_release(&semaphore));

        check(weft__lock_link(&lock, begin(late)), late, 0);
        ck_assert_int_eq(weft_lock_acquire_nowait(&lock), late ? 0 : -EDEADLK); /* has it already */
        ok(weft_lock_release(&lock));

        ok(weft_queue_put_nowait(&queue, &one));
        item = 7;
        check(weft__queue_link_get(&queue, begin(late)), late, 0);
        ck_assert_int_eq(item, late ? 7 : 1);
        ck_assert_int_eq(weft_queue_count(&queue), late);
        if (late)
            ok(weft_queue_get_nowait(&queue, &item));

        check(weft__queue_link_put(&queue, begin(late)), late, 0);
        ck_assert_int_eq(weft_queue_count(&queue), !late);
    }
    return weft_queue_destroy(&queue) - 1;
}

TEST(ready_before_it_waits)
{
    ck_assert_int_eq(weft_run(main_ready, NULL, 0, NULL), 0);
}

/* -- a put needs room -----------------------------------------------------------------------------
 */

static int gets(void *arg)
{
    int got = 0;

    (void)arg;
    ok(weft_queue_get(&queue, &got));
    return got;
}

static int main_put(void *arg)
{
    struct weft_spawn_opt opt = {.size = sizeof opt};
    weft_task task;
    int got;

    (void)arg;
    item = 5;
    weft__alloc_fail_after(1);
    check(weft__queue_link_put(&queue, begin(false)), false, -ENOMEM);
    weft__alloc_fail_after(1);
    check(weft__queue_link_put(&queue, begin(true)), true, 0);
    weft__alloc_fail_after(0);
    opt.task = &task;
    ok(weft_create_task(gets, NULL, 0, &opt));
    ok(weft_yield());
    check(weft__queue_link_put(&queue, begin(false)), false, 0); /* to who waits: no room needed */
    ok(weft_join(task, &got));
    ck_assert_int_eq(got, 5);
    check(weft__queue_link_put(&queue, begin(false)), false, 0); /* into room that is made */
    ck_assert_int_eq(weft_queue_count(&queue), 1);
    ok(weft_queue_shutdown(&queue, 0));
    check(weft__queue_link_put(&queue, begin(false)), false, -ESHUTDOWN);
    check(weft__queue_link_get(&queue, begin(false)), false, 0); /* what is there may be had */
    check(weft__queue_link_get(&queue, begin(false)), false, -ESHUTDOWN);
    return weft_queue_destroy(&queue);
}

TEST(a_put_has_room_before_it_claims)
{
    ck_assert_int_eq(weft_run(main_put, NULL, 0, NULL), 0);
    queue = (weft_queue){.shared = 1, .item_size = sizeof item};
    ck_assert_int_eq(weft_run(main_put, NULL, 0, NULL), 0);
}

static int selects(void *arg)
{
    int got = 0;
    weft_case one = weft_case_get(&queue, &got);

    (void)arg;
    ck_assert_int_eq(weft_select(&one, 1, 0), 0);
    return got;
}

/* Who waits for it may be won by something else meanwhile: then there must be room all the same. */
static int main_put_to_select(void *arg)
{
    struct weft_spawn_opt opt = {.size = sizeof opt};
    weft_task task;
    int got;

    (void)arg;
    item = 5;
    opt.task = &task;
    ok(weft_create_task(selects, NULL, 0, &opt));
    ok(weft_yield());
    weft__alloc_fail_after(1);
    check(weft__queue_link_put(&queue, begin(false)), false, -ENOMEM);
    weft__alloc_fail_after(0);
    check(weft__queue_link_put(&queue, begin(false)), false, 0);
    ok(weft_join(task, &got));
    ck_assert_int_eq(got, 5);
    for (int i = 0; i < 2; i++) /* in a queue with bounds, as long as there is room */
        check(weft__queue_link_put(&bounded, begin(false)), false, 0);
    ck_assert_int_eq(weft_queue_count(&bounded), 2);
    return weft_queue_destroy(&queue) + weft_queue_destroy(&bounded) - 2;
}

TEST(a_put_for_who_selects)
{
    ck_assert_int_eq(weft_run(main_put_to_select, NULL, 0, NULL), 0);
}

/* -- another reactor's ----------------------------------------------------------------------------
 */

static int elsewhere(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft__event_link(&event, begin(false)), -EPERM);
    ck_assert_int_eq(weft__semaphore_link(&semaphore, begin(false)), -EPERM);
    ck_assert_int_eq(weft__lock_link(&lock, begin(false)), -EPERM);
    ck_assert_int_eq(weft__queue_link_get(&queue, begin(false)), -EPERM);
    ck_assert_int_eq(weft__queue_link_put(&queue, begin(false)), -EPERM);
    ck_assert_ptr_null(weft__claim_taken(&attempt.claim));
    return 0;
}

static int main_elsewhere(void *arg)
{
    (void)arg;
    ok(weft_event_set(&event));
    ok(weft_lock_acquire(&lock));
    ok(weft_semaphore_acquire(&semaphore));
    item = 1;
    ok(weft_queue_put_nowait(&queue, &item));
    ok(weft_call(1, elsewhere, NULL, 0));
    ok(weft_lock_release(&lock));
    return weft_queue_destroy(&queue) - 1;
}

TEST(objects_of_another_reactor)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    ck_assert_int_eq(weft_run(main_elsewhere, NULL, 0, &opt), 0);
}

/* -- cancelled too late ---------------------------------------------------------------------------
 */

static weft_event shared = WEFT_EVENT_SHARED_INIT;
static int waits, is_set;

static int sets(void *arg)
{
    (void)arg;
    while (!__atomic_load_n(&waits, __ATOMIC_ACQUIRE))
        ok(weft_sleep(100000));
    ok(weft_event_set(&shared));
    __atomic_store_n(&is_set, 1, __ATOMIC_RELEASE);
    return 0;
}
static int selects_shared(void *arg)
{
    int got = 0;
    weft_case cases[] = {weft_case_get(&queue, &got), weft_case_event(&shared)};

    (void)arg;
    ck_assert_int_eq(weft_select(cases, 2, 0), 1);
    ck_assert_int_eq(cases[1].result, 0);
    ck_assert_int_eq(weft_yield(), -ECANCELED);
    return 3;
}

/* The event is set on the other reactor, and word of that has not come when the task is cancelled:
   it has won, and is told so; the cancellation shows at the next call. */
static int main_too_late(void *arg)
{
    struct weft_spawn_opt opt = {.size = sizeof opt};
    weft_task task;
    int result = 0;

    (void)arg;
    WEFT_SCOPE(s) {
        opt.reactor = WEFT_ON(1);
        ok(weft_spawn(&s, sets, NULL, 0, &opt));
        opt = (struct weft_spawn_opt){.size = sizeof opt, .task = &task};
        ok(weft_spawn(&s, selects_shared, NULL, 0, &opt));
        ok(weft_yield());
        __atomic_store_n(&waits, 1, __ATOMIC_RELEASE);
        while (!__atomic_load_n(&is_set, __ATOMIC_ACQUIRE))
            ; /* without giving way */
        ck_assert_int_eq(weft_cancel(task), 1);
        ok(weft_join(task, &result));
        ck_assert_int_eq(result, 3);
    }
    return weft_queue_destroy(&queue);
}

TEST(cancelled_when_it_has_won)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    ck_assert_int_eq(weft_run(main_too_late, NULL, 0, &opt), 0);
}

TEST_MAIN("sync: select", 20, ready_before_it_waits, a_put_has_room_before_it_claims,
          a_put_for_who_selects, objects_of_another_reactor, cancelled_when_it_has_won)
