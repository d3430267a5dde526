/*
 * weft/post.h on order: "in the order in which each thread posted them", by whichever of the calls.
 * It would fail if slots and plain posts of the reactor's own thread took different ways.
 */
#include "support/test.h"

#include <errno.h>
#include <signal.h>
#include <weft/weft.h>

enum { POSTS = 600 }; /* more than the ready queue holds at first */

static int next;
static struct weft_post_slot slots[POSTS];
static int numbers[POSTS];
static void check_next(void *arg)
{
    ck_assert_int_eq(*(int *)arg, next);
    next++;
}
static int task_between(void *arg)
{
    check_next(arg);
    return 0;
}

static int order_main(void *arg)
{
    weft_inbox *inbox = weft_inbox_here();

    (void)arg;
    WEFT_SCOPE(s) {
        for (int i = 0; i < POSTS; i++) {
            numbers[i] = i;
            slots[i] = (struct weft_post_slot)WEFT_POST_SLOT_INIT(check_next, &numbers[i]);
            if (i % 3 == 0)
                ck_assert_int_eq(weft_post_slot(inbox, &slots[i]), 0);
            else if (i % 3 == 1)
                ck_assert_int_eq(weft_post(inbox, check_next, &numbers[i], NULL), 0);
            else
                ck_assert_int_eq(weft_spawn(&s, task_between, &numbers[i], 0, NULL), 0);
        }
        ck_assert_int_eq(weft_post_slot(inbox, &slots[0]), -EBUSY);
        ck_assert_int_eq(next, 0);
    }
    ck_assert_int_eq(next, POSTS);
    weft_inbox_put(inbox);
    return 0;
}
TEST(own_posts_and_tasks_in_order)
{
    ck_assert_int_eq(weft_run(order_main, NULL, 0, NULL), 0);
}

/* A slot posted again by its own callback, from the reactor's thread, and once more at the end:
   then it is dropped and idle. Tasks are not starved meanwhile. */
static weft_inbox *here;
static int ran, dropped;
static void again(void *arg)
{
    ran++;
    (void)weft_post_slot(here, arg);
}
static void drop_it(void *arg)
{
    struct weft_post_slot *slot = arg;

    dropped++;
    ck_assert_int_eq(weft_post_slot(here, slot), -ESHUTDOWN);
}
static int again_main(void *arg)
{
    static struct weft_post_slot slot = {.fn = again, .drop = drop_it, .arg = &slot};

    (void)arg;
    here = weft_inbox_here();
    ck_assert_int_eq(weft_post_slot(here, &slot), 0);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(weft_yield(), 0);
    while (ran < 100)
        ck_assert_int_eq(weft_sleep(100000), 0);
    return 0;
}
TEST(a_slot_that_posts_itself)
{
    ck_assert_int_eq(weft_run(again_main, NULL, 0, NULL), 0);
    ck_assert_int_le(dropped, 1);
    weft_inbox_put(here);
}

/* A handler that interrupts the reactor's own thread, while that posts. */
static struct weft_post_slot signal_slots[8];
static int signalled, taken;
static void count_signal(void *arg)
{
    (void)arg;
    signalled++;
}
static void on_signal(int number)
{
    (void)number;
    taken += weft_post_signal(here, &signal_slots[taken % 8]) == 0;
}
static int signal_main(void *arg)
{
    (void)arg;
    here = weft_inbox_here();
    for (int i = 0; i < 8; i++)
        signal_slots[i] = (struct weft_post_slot)WEFT_POST_SLOT_INIT(count_signal, NULL);
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(raise(SIGUSR1), 0);
        ck_assert_int_eq(weft_post(here, count_signal, NULL, NULL), 0);
    }
    ck_assert_int_eq(weft_sleep(1000000), 0);
    ck_assert_int_eq(taken, 8);
    ck_assert_int_eq(signalled, 16);
    return 0;
}
TEST(from_a_handler)
{
    signal(SIGUSR1, on_signal);
    ck_assert_int_eq(weft_run(signal_main, NULL, 0, NULL), 0);
    weft_inbox_put(here);
}

TEST_MAIN("api.post_order", 20, own_posts_and_tasks_in_order, a_slot_that_posts_itself,
          from_a_handler)
