/*
 * weft/task.h, spawning into a scope that is full: who spawns waits for room. Would catch more
 * children alive than there may be, room that comes free and that nobody gets, and a wait that
 * nothing could end: in the scope's only child, or in a scope that is cancelled or drains.
 */
#include "task.h"

static weft_scope *full;
static int sleeper(void *arg)
{
    (void)arg;
    return weft_sleep_until(WEFT_NEVER);
}
static int alive_now, alive_most;
static int limited(void *arg)
{
    (void)arg;
    if (++alive_now > alive_most)
        alive_most = alive_now;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(weft_yield(), 0);
    alive_now--;
    count++;
    return 0;
}
static int limited_spawner(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(weft_spawn(full, limited, NULL, 0, NULL), 0);
    return 0;
}
static int room_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(outer) {
        WEFT_SCOPE(s, .max_tasks = 3) {
            full = &s;
            for (int i = 0; i < 7; i++)
                ck_assert_int_eq(weft_spawn(&outer, limited_spawner, NULL, 0, NULL), 0);
            weft_yield();
        } /* closes while they still wait for room: they are let in */
        ck_assert_int_eq(count, 350);
    }
    ck_assert_int_eq(alive_most, 3);
    return 0;
}
TEST(full_scope_waits)
{
    ck_assert_int_eq(run(room_main), 0);
}

static int only_child(void *arg)
{
    (void)arg;
    return weft_spawn(full, add_one, NULL, 0, NULL);
}
static int room_deadlock_main(void *arg)
{
    int error = 0;

    (void)arg;
    WEFT_SCOPE(s, .max_tasks = 1, .on_error = WEFT_KEEP_GOING) {
        full = &s;
        ck_assert_int_eq(weft_spawn(&s, only_child, NULL, 0, NULL), 0);
        while (weft_scope_tasks(&s))
            weft_yield();
        weft_scope_errors(&s, &error, 1);
    }
    ck_assert_int_eq(error, -EDEADLK);
    return 0;
}
TEST(only_child_waits_for_room)
{
    ck_assert_int_eq(run(room_deadlock_main), 0);
}

/* One waiter is cancelled, and the room comes free, in either order and at once: the next gets it.
 */
static int room_waiter(void *arg)
{
    int result = weft_spawn(full, add_one, NULL, 0, NULL);

    return result < 0 ? result : *(int *)arg;
}
static int room_passed_on_main(void *arg)
{
    (void)arg;
    for (int order = 0; order < 3; order++) {
        weft_task child, first, second;
        int one = 1, two = 2, result = 0;
        count = 0;
        WEFT_SCOPE(outer) {
            WEFT_SCOPE(s, .max_tasks = 1) {
                full = &s;
                ck_assert_int_eq(weft_spawn(&s, sleeper, NULL, 0, OPT(.task = &child)), 0);
                ck_assert_int_eq(weft_spawn(&outer, room_waiter, &one, sizeof one,
                                            OPT(.task = &first)),
                                 0);
                ck_assert_int_eq(weft_spawn(&outer, room_waiter, &two, sizeof two,
                                            OPT(.task = &second)),
                                 0);
                weft_yield();
                if (order == 0)
                    ck_assert_int_eq(weft_cancel(first), 1);
                ck_assert_int_eq(weft_cancel(child), 1);
                if (order == 2) {
                    ck_assert_int_eq(weft_yield(), 0); /* the child has ended, `first` is served */
                    ck_assert_int_eq(weft_cancel(first), 1);
                } else if (order == 1) {
                    ck_assert_int_eq(weft_cancel(first), 1);
                }
                ck_assert_int_eq(weft_join(second, &result), 0);
                ck_assert_int_eq(result, 2);
                ck_assert_int_eq(weft_join(first, &result), 0);
                ck_assert(result == -ECANCELED ||
                          (order > 0 && result == 1)); /* served first: that wins */
            }
        }
        ck_assert_int_eq(count, result == 1 ? 2 : 1);
    }
    return 0;
}
TEST(room_is_passed_on)
{
    ck_assert_int_eq(run(room_passed_on_main), 0);
}

/* Waiting for room in a scope that is cancelled or drains meanwhile. */
static int room_refused_main(void *arg)
{
    (void)arg;
    for (int drain = 0; drain < 2; drain++) {
        weft_task first, second;
        int one = 1;
        WEFT_SCOPE(outer, .on_error = WEFT_KEEP_GOING) {
            WEFT_SCOPE(s, .max_tasks = 1) {
                full = &s;
                ck_assert_int_eq(weft_spawn(&s, sleeper, NULL, 0, NULL), 0);
                ck_assert_int_eq(weft_spawn(&outer, room_waiter, &one, sizeof one,
                                            OPT(.task = &first)),
                                 0);
                ck_assert_int_eq(weft_spawn(&outer, room_waiter, &one, sizeof one,
                                            OPT(.task = &second)),
                                 0);
                weft_yield();
                if (drain)
                    ck_assert_int_eq(weft_scope_drain(&s, weft_after_ms(1), WEFT_NEVER), 1);
                else
                    weft_scope_cancel(&s);
            }
            ck_assert_int_eq(weft_scope_error(&outer), drain ? -ESHUTDOWN : -ECANCELED);
        }
    }
    return 0;
}
TEST(room_is_refused)
{
    /* the error above was read, so it is not main's */
    ck_assert_int_eq(run(room_refused_main), 0);
}

TEST_MAIN("api.task_room", 30, full_scope_waits, only_child_waits_for_room, room_is_passed_on,
          room_is_refused)
