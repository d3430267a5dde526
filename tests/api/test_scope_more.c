/*
 * weft/scope.h, what is easily lost: room in a full scope for several who wait, what is handed to
 * who was cancelled, whose failure an implicit close reports, and what the edge of a shield says.
 */
#include "scope.h"

static int take_five(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(weft_yield(), 0);
    return 0;
}

/* Several wait for room in one scope: each place that becomes free is for one of them. */
static int crowded_spawner(void *arg)
{
    weft_scope *scope = *(weft_scope **)arg;

    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(weft_spawn(scope, take_five, NULL, 0, NULL), 0);
        ck_assert_uint_le(weft_scope_tasks(scope), 2);
        count++;
    }
    return 0;
}
static int crowded_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(full, .max_tasks = 2) {
        weft_scope *place = &full;
        WEFT_SCOPE(spawners)
            for (int i = 0; i < 6; i++)
                ck_assert_int_eq(weft_spawn(&spawners, crowded_spawner, &place, sizeof place, NULL),
                                 0);
    }
    ck_assert_int_eq(count, 60);
    return 0;
}
TEST(many_wait_for_room)
{
    ck_assert_int_eq(run(crowded_main), 0);
}

/* A place that becomes free wakes one of those who wait, not all of them. */
static int spawn_once(void *arg)
{
    return weft_spawn(*(weft_scope **)arg, take_five, NULL, 0, NULL);
}
static int herd_main(void *arg)
{
    enum { WAITING = 200 };
    struct weft_stats before, after;

    (void)arg;
    ck_assert_int_eq(weft_stats(&before, sizeof before), 0);
    WEFT_SCOPE(full, .max_tasks = 1) {
        weft_scope *place = &full;
        WEFT_SCOPE(spawners)
            for (int i = 0; i < WAITING; i++)
                ck_assert_int_eq(weft_spawn(&spawners, spawn_once, &place, sizeof place, NULL), 0);
    }
    ck_assert_int_eq(weft_stats(&after, sizeof after), 0);
    ck_assert_uint_le(after.switches - before.switches, WAITING * (2 + 6) + 50);
    return 0;
}
TEST(no_herd_waits_for_room)
{
    ck_assert_int_eq(run(herd_main), 0);
}

/* Room that somebody was given and can make no use of is the next one's. */
static int asks_too_much(void *arg)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .stack_size = SIZE_MAX / 2};

    ck_assert_int_eq(weft_spawn(*(weft_scope **)arg, take_five, NULL, 0, &opt), -E2BIG);
    count++;
    return 0;
}
static int passed_on_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(full, .max_tasks = 1) {
        weft_scope *place = &full;
        WEFT_SCOPE(spawners) {
            ck_assert_int_eq(weft_spawn(&full, take_five, NULL, 0, NULL), 0);
            ck_assert_int_eq(weft_spawn(&spawners, asks_too_much, &place, sizeof place, NULL), 0);
            ck_assert_int_eq(weft_spawn(&spawners, asks_too_much, &place, sizeof place, NULL), 0);
            ck_assert_int_eq(weft_spawn(&spawners, spawn_once, &place, sizeof place, NULL), 0);
        }
    }
    ck_assert_int_eq(count, 2);
    return 0;
}
TEST(room_is_passed_on)
{
    ck_assert_int_eq(run(passed_on_main), 0);
}

/* Cancelled, and then what it waited for comes before it has run: it has that, and its next call is
   refused. */
struct waiter {
    weft_scope *full;
    weft_task who, whom; /* waits, and is waited for */
};

/* Cancels who waits for it and ends, in one go. */
static int cancels_and_ends(void *arg)
{
    struct waiter *waiter = *(struct waiter **)arg;

    ck_assert_int_eq(weft_yield(), 0);
    ck_assert_int_eq(weft_yield(), 0);
    ck_assert_int_eq(weft_cancel(waiter->who), 1);
    return 7;
}
static int nothing(void *arg)
{
    (void)arg;
    return 0;
}
static int has_its_result(void *arg)
{
    struct waiter *waiter = *(struct waiter **)arg;
    int result = 0;

    ck_assert_int_eq(weft_join(waiter->whom, &result), 0);
    ck_assert_int_eq(result, 7);
    ck_assert_int_eq(weft_yield(), -ECANCELED);
    count++;
    return 0;
}
static int has_its_room(void *arg)
{
    struct waiter *waiter = *(struct waiter **)arg;

    ck_assert_int_eq(weft_spawn(waiter->full, nothing, NULL, 0, NULL), 0);
    ck_assert_int_eq(weft_yield(), -ECANCELED);
    count++;
    return 0;
}
static int handed_over_main(void *arg)
{
    weft_task_fn const fns[] = {has_its_result, has_its_room};

    (void)arg;
    for (int i = 0; i < 2; i++)
        WEFT_SCOPE(s)
            WEFT_SCOPE(full, .max_tasks = 1) {
                struct waiter waiter = {.full = &full}, *place = &waiter;
                ck_assert_int_eq(weft_spawn(&s, fns[i], &place, sizeof place,
                                            &(struct weft_spawn_opt){.size = sizeof(
                                                                         struct weft_spawn_opt),
                                                                     .task = &waiter.who}),
                                 0);
                ck_assert_int_eq(weft_spawn(&full, cancels_and_ends, &place, sizeof place,
                                            &(struct weft_spawn_opt){.size = sizeof(
                                                                         struct weft_spawn_opt),
                                                                     .task = &waiter.whom}),
                                 0);
                ck_assert_int_eq(weft_join(waiter.who, NULL), 0);
            }
    ck_assert_int_eq(count, 2);
    return 0;
}
TEST(what_was_handed_over_counts)
{
    ck_assert_int_eq(run(handed_over_main), 0);
}

/* Two scopes fail and nobody asks: the first failure is the result. */
static int fails_twice(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s)
        spawn_value(&s, give_back, -5);
    WEFT_SCOPE(t)
        spawn_value(&t, give_back, -7);
    return 0;
}
TEST(the_first_unread_failure)
{
    ck_assert_int_eq(run(fails_twice), -5);
}

/* Told to end by a drain, and ending for that reason: no failure, in a scope that would fail fast.
 */
static int accept_once(void *arg)
{
    int fd = weft_accept(*(int *)arg, NULL, NULL, 0);

    count++;
    return fd;
}
static int drained_main(void *arg)
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL);
    weft_scope s;

    (void)arg;
    ck_assert_int_ge(listener, 0);
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    ck_assert_int_eq(weft_spawn(&s, accept_once, &listener, sizeof listener, NULL), 0);
    ck_assert_int_eq(weft_yield(), 0);
    ck_assert_int_eq(weft_scope_drain(&s, weft_after_ms(60000), weft_after_ms(60000)), 0);
    ck_assert_int_eq(count, 1);
    ck_assert_uint_eq(weft_scope_errors(&s, NULL, 0), 0);
    ck_assert_int_eq(weft_scope_close(&s), 0);
    return weft_close(listener);
}
TEST(drained_children_have_not_failed)
{
    ck_assert_int_eq(run(drained_main), 0);
}

/* Left early with a scope open inside that has no end of its own: both are closed by then. */
static int leave_with_one_open(void)
{
    weft_scope inner; /* lives longer than s */

    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, sleeper, NULL, 0, NULL), 0);
        ck_assert_int_eq(weft_scope_open(&inner, NULL), 0);
        ck_assert_int_eq(weft_spawn(&inner, sleeper, NULL, 0, NULL), 0);
        ck_assert_int_eq(weft_yield(), 0);
        return 1;
    }
    return 2;
}
static int leaves_main(void *arg)
{
    (void)arg;
    ck_assert_int_eq(leave_with_one_open(), 1);
    ck_assert_int_eq(count, 2);
    return weft_yield();
}
TEST(left_with_one_open_inside)
{
    ck_assert_int_eq(run(leaves_main), 0);
}

/* A shield whose time is up is a scope like others: what came from further out cut its inside. One
   that a hard drain went through says nothing at its edge, and the next call does. */
static int shielded_sleeper(void *arg)
{
    weft_scope shield;

    (void)arg;
    ck_assert_int_eq(weft_shield_open(&shield, weft_after_ms(60000)), 0);
    ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    ck_assert_int_eq(weft_scope_close(&shield), 0);
    ck_assert_int_eq(weft_yield(), -ECANCELED);
    count++;
    return 0;
}
static int shields_end_main(void *arg)
{
    weft_scope shield;

    (void)arg;
    WEFT_SCOPE(s) {
        weft_scope_cancel(&s);
        ck_assert_int_eq(weft_shield_open(&shield, weft_after_ms(5)), 0);
        ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
        ck_assert_int_eq(weft_scope_close(&shield), -ECANCELED);
        ck_assert_int_eq(weft_yield(), -ECANCELED);
    }
    WEFT_SCOPE(t) {
        ck_assert_int_eq(weft_spawn(&t, shielded_sleeper, NULL, 0, NULL), 0);
        ck_assert_int_eq(weft_yield(), 0);
        ck_assert_int_eq(weft_scope_drain(&t, 1, 1), 1);
    }
    ck_assert_int_eq(count, 1);
    return 0;
}
TEST(the_edge_of_a_shield)
{
    ck_assert_int_eq(run(shields_end_main), 0);
}

/* Who waits for room in a scope that is cancelled is turned away, though nobody has left it yet;
   and who is shielded in it learns of the first cause, whatever comes through the shield later. */
static int told, seen;

static int stay(void *arg)
{
    (void)arg;
    WEFT_SHIELD(weft_after_ms(3600000))
        ck_assert_int_eq(weft_sleep(INT64_C(600000000000)), -ECANCELED);
    seen = (int)weft_cause();
    return 0;
}
static int wait_for_room(void *arg)
{
    told = weft_spawn(*(weft_scope **)arg, take_five, NULL, 0, NULL);
    count = (int)weft_scope_tasks(*(weft_scope **)arg);
    return 0;
}
static int turned_away_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(around, .on_error = WEFT_KEEP_GOING)
        WEFT_SCOPE(full, .max_tasks = 1) {
            weft_scope *place = &full;
            ck_assert_int_eq(weft_spawn(&full, stay, NULL, 0, NULL), 0);
            ck_assert_int_eq(weft_spawn(&around, wait_for_room, &place, sizeof place, NULL), 0);
            ck_assert_int_eq(weft_yield(), 0);
            ck_assert_int_eq(weft_yield(), 0);
            weft_scope_cancel(&full);
            while (told == 0) {
                WEFT_SHIELD(weft_after_ms(60000))
                    ck_assert_int_eq(weft_yield(), 0);
            }
            ck_assert_int_lt(told, 0);
            ck_assert_int_eq(count, 1); /* who stays was there still */
            (void)weft_scope_drain(&full, 1, 1);
        }
    ck_assert_int_eq(seen, WEFT_CAUSE_CANCEL);
    return 0;
}
TEST(turned_away_before_there_is_room)
{
    ck_assert_int_eq(run(turned_away_main), 0);
}

/* Catches: two edges with one deadline that disagree when more is due in that turn than it has room
   for, so that the outer one's timer fires and the inner one's not yet. */
enum { DUE_IN_A_TURN = 1024 };
static int sleep_until(void *arg)
{
    return weft_sleep_until(*(int64_t *)arg);
}
static int crowd_main(void *arg)
{
    weft_scope outer, inner;
    int64_t due = weft_after_ms(30);

    (void)arg;
    WEFT_SCOPE(crowd) {
        for (int i = 0; i < DUE_IN_A_TURN - 1; i++)
            ck_assert_int_eq(weft_spawn(&crowd, sleep_until, &due, sizeof due, NULL), 0);
        ck_assert_int_eq(weft_yield(), 0);
        ck_assert_int_eq(
            weft_scope_open(&outer, &(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt),
                                                             .deadline = due}),
            0);
        ck_assert_int_eq(
            weft_scope_open(&inner, &(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt),
                                                             .deadline = due}),
            0);
        ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
        ck_assert_int_eq(weft_scope_close(&inner), -ETIMEDOUT);
        ck_assert_int_eq(weft_scope_close(&outer), -ETIMEDOUT);
    }
    return 0;
}
TEST(one_deadline_in_a_crowd)
{
    /* all that are woken in a turn run in it, too */
    const struct weft_run_opt opt = {.size = sizeof opt, .budget = 4 * DUE_IN_A_TURN};

    ck_assert_int_eq(weft_run(crowd_main, NULL, 0, &opt), 0);
}

TEST_MAIN("api.scope_more", 30, many_wait_for_room, no_herd_waits_for_room, room_is_passed_on,
          what_was_handed_over_counts, the_first_unread_failure, drained_children_have_not_failed,
          left_with_one_open_inside, the_edge_of_a_shield, turned_away_before_there_is_room,
          one_deadline_in_a_crowd)
