/*
 * weft/scope.h, what a scope says at its edge: failures of children, an implicit close, deadlines
 * and their changes.
 */
#include "scope.h"
#include "sync.h"

/* -- errors ----------------------------------------------------------------------------------- */

static int fail_fast_main(void *arg)
{
    weft_scope s;
    int errors[4] = {0};

    (void)arg;
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    spawn_value(&s, sleeper, 0);
    spawn_value(&s, fail_later, -EIO);
    spawn_value(&s, fail_later, -ENOSPC); /* cancelled in time? no: it fails in the same turn */
    ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED); /* the body too, like a sibling */
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_SIBLING);
    ck_assert_int_eq(weft_scope_error(&s), -EIO);
    ck_assert_int_eq(weft_scope_close(&s), -EIO);
    ck_assert_int_eq(weft_yield(), 0);
    ck_assert_int_eq(count, 1);

    ck_assert_int_eq(weft_scope_open(&s, SCOPE_OPT(.on_error = WEFT_KEEP_GOING)), 0);
    for (int i = 1; i <= 6; i++)
        spawn_value(&s, give_back, -i);
    spawn_value(&s, fail_later, 0);
    while (weft_scope_tasks(&s) > 0)
        ck_assert_int_eq(weft_yield(), 0);
    ck_assert_uint_eq(weft_scope_errors(&s, errors, 4), 6);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(errors[i], i - 6); /* newest first */
    ck_assert_uint_eq(weft_scope_errors(&s, NULL, 0), 6);
    ck_assert_int_eq(weft_scope_error(&s), -1);
    ck_assert_int_eq(weft_scope_close(&s), 0);
    return 0;
}
TEST(errors)
{
    ck_assert_int_eq(run(fail_fast_main), 0);
}

/* "An implicit close with an unread failure becomes the result of the enclosing task if that would
   have been >= 0." */
static int implicit_main(void *arg)
{
    int how = *(int *)arg;

    WEFT_SCOPE(s) {
        spawn_value(&s, give_back, -EIO);
        if (how == 1)
            while (weft_scope_error(&s) == 0)
                (void)weft_yield();
    }
    return how == 2 ? -EAGAIN : 3;
}
TEST(implicit_close)
{
    for (int how = 0; how < 3; how++)
        ck_assert_int_eq(weft_run(implicit_main, &how, sizeof how, NULL), how == 0   ? -EIO
                                                                          : how == 1 ? 3
                                                                                     : -EAGAIN);
}

/* The same of a deadline: cut something, unread; asked for; did not cut anything; a cancellation
   instead. */
static int implicit_deadline_main(void *arg)
{
    int how = *(int *)arg;

    WEFT_SCOPE(s, .deadline = how == 3 ? WEFT_NEVER : 1) {
        if (how == 3)
            ck_assert_int_eq(weft_scope_cancel(&s), 1);
        if (how != 2)
            ck_assert_int_eq(weft_yield(), -ECANCELED);
        if (how == 1)
            ck_assert_int_eq(weft_scope_error(&s), 0);
    }
    return 3;
}
TEST(implicit_close_of_a_deadline)
{
    for (int how = 0; how < 4; how++)
        ck_assert_int_eq(weft_run(implicit_deadline_main, &how, sizeof how, NULL),
                         how == 0 ? -ETIMEDOUT : 3);
}

/* A child ended by weft_cancel, or by its scope, is no failure; nor is one whose own children were
   the ones that were told. A child that invents -ECANCELED has failed. */
static int cancelled_children_main(void *arg)
{
    weft_scope s;
    weft_task task;
    int result = 0;

    (void)arg;
    for (int how = 0; how < 4; how++) {
        weft_task_fn fn = how % 2 ? parent_of_sleeper : sleeper;
        ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
        ck_assert_int_eq(weft_spawn(&s, fn, NULL, 0, OPT(.task = &task)), 0);
        weft_yield();
        weft_yield();
        ck_assert_int_eq(how < 2 ? weft_cancel(task) : weft_scope_cancel(&s), 1);
        ck_assert_int_eq(weft_scope_cancel(&s), how < 2 ? 1 : 0);
        while (weft_scope_tasks(&s) > 0)
            (void)weft_yield();
        ck_assert_int_eq(weft_join(task, &result), 0);
        ck_assert_int_eq(result, -ECANCELED);
        ck_assert_uint_eq(weft_scope_errors(&s, NULL, 0), 0);
        ck_assert_int_eq(weft_scope_close(&s), 0);
    }
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    spawn_value(&s, give_back, -ECANCELED);
    ck_assert_int_eq(weft_scope_close(&s), -ECANCELED);
    return 0;
}
TEST(cancelled_children_have_not_failed)
{
    ck_assert_int_eq(run(cancelled_children_main), 0);
}

/* -- deadlines -------------------------------------------------------------------------------- */

static int deadline_main(void *arg)
{
    weft_scope s, inner;
    int64_t due;

    (void)arg;
    /* passed, delivered: -ETIMEDOUT at the edge only */
    due = weft_after_ms(5);
    ck_assert_int_eq(weft_scope_open(&s, SCOPE_OPT(.deadline = due)), 0);
    ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    ck_assert_int_ge(weft_now(), due);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DEADLINE);
    ck_assert_int_eq(weft_cancelled(), WEFT_CAUSE_DEADLINE);
    ck_assert_int_eq(weft_uncancel(), -EINVAL); /* never a deadline's */
    ck_assert_int_eq(weft_scope_reschedule(&s, weft_after_ms(1000)), -EALREADY);
    ck_assert_int_eq(weft_scope_close(&s), -ETIMEDOUT);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DEADLINE);
    ck_assert_int_eq(weft_yield(), 0);
    /* passed, nothing was refused: no timeout */
    ck_assert_int_eq(weft_scope_open(&s, SCOPE_OPT(.deadline = 1)), 0);
    ck_assert_int_eq(weft_cancelled(), WEFT_CAUSE_DEADLINE);
    ck_assert_int_eq(weft_scope_close(&s), 0);
    /* delivered to a child only */
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    spawn_value(&s, sleeper, 0);
    ck_assert_int_eq(weft_scope_reschedule(&s, weft_after_ms(2)), 0);
    ck_assert_int_eq(weft_scope_close(&s), -ETIMEDOUT);
    /* nested, the same deadline: both edges say so */
    for (int past = 0; past < 2; past++) {
        due = past ? 1 : weft_after_ms(3);
        ck_assert_int_eq(weft_scope_open(&s, SCOPE_OPT(.deadline = due)), 0);
        ck_assert_int_eq(weft_scope_open(&inner, SCOPE_OPT(.deadline = due)), 0);
        ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
        ck_assert_int_eq(weft_scope_close(&inner), -ETIMEDOUT);
        ck_assert_int_eq(weft_scope_close(&s), -ETIMEDOUT);
    }
    /* the same, and it has passed when the inner one is opened, in one turn with the outer one */
    due = weft_after_ms(2);
    ck_assert_int_eq(weft_scope_open(&s, SCOPE_OPT(.deadline = due)), 0);
    while (weft_now() < due)
        ;
    ck_assert_int_eq(weft_scope_open(&inner, SCOPE_OPT(.deadline = due)), 0);
    ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    ck_assert_int_eq(weft_scope_close(&inner), -ETIMEDOUT);
    ck_assert_int_eq(weft_scope_close(&s), -ETIMEDOUT);
    /* only the outer: the inner edge says -ECANCELED, never -ETIMEDOUT */
    ck_assert_int_eq(weft_scope_open(&s, SCOPE_OPT(.deadline = weft_after_ms(2))), 0);
    ck_assert_int_eq(weft_scope_open(&inner, SCOPE_OPT(.deadline = weft_after_ms(60000))), 0);
    ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    ck_assert_int_eq(weft_scope_close(&inner), -ECANCELED);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DEADLINE);
    ck_assert_int_eq(weft_yield(), -ECANCELED); /* an outer cancellation is never eaten */
    ck_assert_int_eq(weft_scope_close(&s), -ETIMEDOUT);
    /* only the inner: the outer goes on */
    ck_assert_int_eq(weft_scope_open(&s, SCOPE_OPT(.deadline = weft_after_ms(60000))), 0);
    ck_assert_int_eq(weft_scope_open(&inner, SCOPE_OPT(.deadline = weft_after_ms(2))), 0);
    ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    ck_assert_int_eq(weft_scope_close(&inner), -ETIMEDOUT);
    ck_assert_int_eq(weft_yield(), 0);
    ck_assert_int_eq(weft_scope_close(&s), 0);
    return 0;
}
TEST(deadlines)
{
    ck_assert_int_eq(run(deadline_main), 0);
}

/* Opens a scope with that deadline, which has passed in the turn in which this one began to run. */
static int late_child(void *arg)
{
    int64_t due = *(int64_t *)arg;
    weft_scope s;

    while (weft_now() < due)
        ;
    ck_assert_int_eq(weft_scope_open(&s, SCOPE_OPT(.deadline = due)), 0);
    ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    ck_assert_int_eq(weft_scope_close(&s), -ETIMEDOUT);
    return 0;
}

/* The inner scope is a child's: both edges say so all the same. */
static int child_of_one_time_main(void *arg)
{
    int64_t due = weft_after_ms(2);
    weft_scope s;

    (void)arg;
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    ck_assert_int_eq(weft_spawn(&s, late_child, &due, sizeof due, NULL), 0);
    ck_assert_int_eq(weft_scope_reschedule(&s, due), 0);
    ck_assert_int_eq(weft_scope_close(&s), -ETIMEDOUT);
    return 0;
}

enum { IN_BETWEEN = 1024 }; /* timers: as many as a turn has room for */

static void nothing(void *arg)
{
    (void)arg;
}

/* The inner one was due first of what was asked for that time, and the outer one last: no turn has
   room for both. */
static int armed_the_other_way_round_main(void *arg)
{
    int64_t due = weft_after_ms(20);
    weft_scope s, inner;

    (void)arg;
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    ck_assert_int_eq(weft_scope_open(&inner, SCOPE_OPT(.deadline = due)), 0);
    for (int i = 0; i < IN_BETWEEN; i++)
        ck_assert_int_eq(weft_call_at(due, nothing, NULL, NULL), 0);
    ck_assert_int_eq(weft_scope_reschedule(&s, due), 0);
    ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    ck_assert_int_eq(weft_scope_close(&inner), -ETIMEDOUT);
    ck_assert_int_eq(weft_scope_close(&s), -ETIMEDOUT);
    return 0;
}

TEST(deadlines_of_one_time)
{
    ck_assert_int_eq(run(child_of_one_time_main), 0);
    ck_assert_int_eq(run(armed_the_other_way_round_main), 0);
}

/* Shortened to that, and extended again before it has passed: if the machine lets it. */
static int shorten_and_extend(weft_scope *scope, int64_t to)
{
    ck_assert_int_eq(weft_scope_reschedule(scope, weft_after_ms(60000)), 0);
    ck_assert_int_eq(weft_scope_reschedule(scope, weft_after_ms(2)), 0);
    return weft_scope_reschedule(scope, to);
}

/* Race 51: shortened, extended, taken away and set again. */
static int reschedule_main(void *arg)
{
    weft_scope s;

    (void)arg;
    for (;;) {
        int error;

        ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
        ck_assert_int_eq(weft_scope_reschedule(&s, 0), -EINVAL);
        error = shorten_and_extend(&s, WEFT_NEVER);
        if (error == 0) {
            ck_assert_int_eq(weft_sleep(4000000), 0);
            error = shorten_and_extend(&s, weft_after_ms(3600000));
        }
        if (error == 0)
            break;
        ck_assert_int_eq(error, -EALREADY);
        (void)weft_scope_close(&s);
    }
    ck_assert_int_eq(weft_sleep(4000000), 0);
    ck_assert_int_eq(weft_scope_reschedule(&s, 1), 0); /* in the past: fires at once */
    ck_assert_int_eq(weft_yield(), -ECANCELED);
    ck_assert_int_eq(weft_scope_reschedule(&s, weft_after_ms(30)), -EALREADY);
    ck_assert_int_eq(weft_scope_close(&s), -ETIMEDOUT);
    /* a shield that has ended does not come back, and does not turn into a deadline */
    ck_assert_int_eq(weft_shield_open(&s, weft_after_ms(60000)), 0);
    ck_assert_int_eq(weft_scope_reschedule(&s, WEFT_NEVER), -EINVAL);
    ck_assert_int_eq(weft_scope_reschedule(&s, 1), 0);
    ck_assert_int_eq(weft_scope_reschedule(&s, 2), -EALREADY);
    ck_assert_int_eq(weft_yield(), 0);
    ck_assert_int_eq(weft_scope_close(&s), 0);
    return 0;
}
TEST(rescheduling)
{
    ck_assert_int_eq(run(reschedule_main), 0);
}

/* A later failure of a child beats the timeout; a value does not hide it. */
static int edge_order_main(void *arg)
{
    weft_scope s;

    (void)arg;
    ck_assert_int_eq(weft_scope_open(&s, SCOPE_OPT(.deadline = weft_after_ms(1))), 0);
    ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    ck_assert_int_eq(weft_scope_error(&s), 0);
    ck_assert_int_eq(weft_scope_close(&s), -ETIMEDOUT);
    ck_assert_int_eq(weft_scope_open(&s, SCOPE_OPT(.deadline = weft_after_ms(60000))), 0);
    spawn_value(&s, give_back, -EBADMSG);
    ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    ck_assert_int_eq(weft_scope_reschedule(&s, 1), 0);
    ck_assert_int_eq(weft_scope_close(&s), -EBADMSG);
    return 0;
}
TEST(what_the_edge_says)
{
    ck_assert_int_eq(run(edge_order_main), 0);
}

/* -- spawning from outside -------------------------------------------------------------------- */

/* In the root, which nothing has cancelled: refused for the scope's sake, and told why. */
static int spawns_into_them(void *arg)
{
    weft_scope **scopes = arg, own;

    ck_assert_int_eq(weft_scope_open(&own, SCOPE_OPT(.deadline = 1)), 0);
    ck_assert_int_eq(weft_yield(), -ECANCELED);
    ck_assert_int_eq(weft_scope_close(&own), -ETIMEDOUT);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DEADLINE);
    ck_assert_int_eq(weft_spawn(scopes[0], give_back, arg, 0, NULL), -ECANCELED);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_CANCEL);
    ck_assert_int_eq(weft_spawn(scopes[1], give_back, arg, 0, NULL), -ECANCELED);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_SIBLING);
    ck_assert_int_eq(weft_spawn_nowait(scopes[2], give_back, arg, 0, NULL), -ESHUTDOWN);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DRAIN);
    ck_assert_int_eq(weft_cancelled(), 0);
    return 7;
}
static int from_outside_main(void *arg)
{
    weft_scope cancelled, failed, drained, shield, *scopes[3] = {&cancelled, &failed, &drained};
    weft_task task;
    int result;

    (void)arg;
    ck_assert_int_eq(weft_scope_open(&drained, NULL), 0);
    ck_assert_int_eq(weft_scope_drain(&drained, 0, 0), 0);
    ck_assert_int_eq(weft_scope_open(&failed, NULL), 0);
    spawn_value(&failed, give_back, -EIO);
    while (weft_scope_error(&failed) == 0)
        (void)weft_yield();
    ck_assert_int_eq(weft_scope_error(&failed), -EIO);
    ck_assert_int_eq(weft_scope_open(&cancelled, NULL), 0);
    ck_assert_int_eq(weft_scope_cancel(&cancelled), 1);
    ck_assert_int_eq(weft_shield_open(&shield, weft_after_ms(60000)), 0);
    ck_assert_int_eq(weft_spawn(weft_root(), spawns_into_them, scopes, sizeof scopes,
                                OPT(.task = &task)),
                     0);
    ck_assert_int_eq(weft_join(task, &result), 0);
    ck_assert_int_eq(result, 7);
    ck_assert_int_eq(weft_scope_close(&shield), 0);
    (void)weft_scope_close(&cancelled);
    ck_assert_int_eq(weft_scope_close(&failed), -EIO);
    (void)weft_scope_close(&drained);
    return 0;
}
TEST(causes_of_refused_spawns)
{
    ck_assert_int_eq(run(from_outside_main), 0);
}

/* -- clean-up ---------------------------------------------------------------------------------- */

static weft_scope *closing, *around;
static weft_event go;

static int waits_to_go(void *arg)
{
    (void)arg;
    return weft_event_wait(&go);
}
/* There is no room, until the task that waits to go has ended. */
static int spawns_one_more(void *arg)
{
    ck_assert_int_eq(weft_spawn(closing, give_back, arg, sizeof(int), NULL), 0);
    count++;
    return 0;
}
static void makes_room(void *arg)
{
    weft_task task, other;
    int result = -1, zero = 0;

    (void)arg;
    ck_assert_int_eq(weft_spawn(closing, waits_to_go, NULL, 0, OPT(.task = &task)), 0);
    ck_assert_int_eq(weft_spawn(around, spawns_one_more, &zero, sizeof zero, OPT(.task = &other)),
                     0);
    sync_until(other, "room in scope");
    ck_assert_int_eq(weft_event_set(&go), 1);
    ck_assert_int_eq(weft_join(task, &result), 0);
    ck_assert_int_eq(result, 0);
}
/* The last clean-up action returns when nobody is in the scope, and somebody has been given room:
   the scope waits for him. */
static int room_main(void *arg)
{
    weft_scope outer, inner;

    (void)arg;
    around = &outer;
    closing = &inner;
    ck_assert_int_eq(weft_scope_open(&outer, NULL), 0);
    ck_assert_int_eq(weft_scope_open(&inner, SCOPE_OPT(.max_tasks = 1)), 0);
    ck_assert_int_eq(weft_scope_defer(&inner, makes_room, NULL), 0);
    ck_assert_int_eq(weft_scope_close(&inner), 0);
    ck_assert_int_eq(count, 1);
    ck_assert_int_eq(weft_scope_close(&outer), 0);
    return 0;
}
TEST(room_that_is_given_in_the_clean_up)
{
    go = (weft_event)WEFT_EVENT_INIT;
    ck_assert_int_eq(run(room_main), 0);
}

/* A deadline has refused the caller once. What a child ends with after that is the child's, though
   it reads alike. */
static int somebody_elses_main(void *arg)
{
    static const int results[] = {-ETIMEDOUT, -ECANCELED, -ESHUTDOWN, -EIO};
    weft_scope s;

    (void)arg;
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(weft_scope_open(&s, SCOPE_OPT(.deadline = 1)), 0);
        ck_assert_int_eq(weft_yield(), -ECANCELED);
        ck_assert_int_eq(weft_scope_close(&s), -ETIMEDOUT);
        ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DEADLINE);
        ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
        spawn_value(&s, give_back, results[i]);
        ck_assert_int_eq(weft_scope_close(&s), results[i]);
        ck_assert_int_eq(weft_cause(), i < 3 ? WEFT_CAUSE_NONE : WEFT_CAUSE_DEADLINE);
    }
    return 0;
}
TEST(the_cause_of_somebody_elses_result)
{
    ck_assert_int_eq(run(somebody_elses_main), 0);
}

TEST_MAIN("api.scope_edge", 30, errors, implicit_close, implicit_close_of_a_deadline,
          cancelled_children_have_not_failed, deadlines, deadlines_of_one_time, rescheduling,
          what_the_edge_says, causes_of_refused_spawns, room_that_is_given_in_the_clean_up,
          the_cause_of_somebody_elses_result)
