/*
 * weft/scope.h, sentence by sentence: opening, closing and what the edge says, deadlines, errors,
 * drain, shields, clean-up actions, limits of misuse.
 */
#include "support/test.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <weft/weft.h>

#define OPT(...) (&(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt), __VA_ARGS__})
#define SCOPE_OPT(...)                                                                             \
    (&(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt), __VA_ARGS__})

static int run(weft_task_fn fn)
{
    return weft_run(fn, NULL, 0, NULL);
}

static int count;

static int sleeper(void *arg)
{
    int result = weft_sleep_until(WEFT_NEVER);

    (void)arg;
    count++;
    return result;
}
static int give_back(void *arg)
{
    return *(int *)arg;
}
static int fail_later(void *arg)
{
    for (int i = 0; i < 3; i++)
        if (weft_yield() < 0)
            return -ECANCELED;
    return *(int *)arg;
}
static void spawn_value(weft_scope *scope, weft_task_fn fn, int value)
{
    ck_assert_int_eq(weft_spawn(scope, fn, &value, sizeof value, NULL), 0);
}

/* -- opening and closing -------------------------------------------------------------------- */

static int open_main(void *arg)
{
    weft_scope a, b;

    (void)arg;
    ck_assert_int_eq(weft_scope_open(NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_scope_open(&a, &(struct weft_scope_opt){0}), -EINVAL);
    ck_assert_int_eq(weft_scope_open(&a, SCOPE_OPT(.deadline = -1)), -EINVAL);
    ck_assert_int_eq(weft_scope_open(&a, SCOPE_OPT(.on_error = (enum weft_on_error)2)), -EINVAL);
    ck_assert_int_eq(weft_scope_open(&a, NULL), 0);
    ck_assert_int_eq(weft_scope_open(&b, NULL), 0);
    ck_assert_int_eq(weft_scope_close(&a), -EPERM); /* not the innermost */
    ck_assert_int_eq(weft_scope_close(NULL), -EINVAL);
    ck_assert_int_eq(weft_scope_close(&b), 0);
    ck_assert_int_eq(weft_scope_close(&b), 0); /* closed already */
    ck_assert_int_eq(weft_scope_close(weft_root()), -EPERM);
    ck_assert_int_eq(weft_scope_close(&a), 0);
    ck_assert_int_eq(weft_scope_error(&a), -EINVAL);
    ck_assert_uint_eq(weft_scope_errors(&a, NULL, 0), 0);
    ck_assert_uint_eq(weft_scope_tasks(&a), 0);
    ck_assert_int_eq(weft_scope_cancel(&a), -EINVAL);
    ck_assert_int_eq(weft_scope_reschedule(&a, 1), -EINVAL);
    ck_assert_int_eq(weft_scope_drain(&a, 1, 1), -EINVAL);
    ck_assert_int_eq(weft_scope_defer(&a, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_shield_open(NULL, 1), -EINVAL);
    ck_assert_int_eq(weft_shield_open(&a, 0), -EINVAL);
    ck_assert_int_eq(weft_shield_open(&a, -1), -EINVAL);
    ck_assert_int_eq(weft_shield_open(&a, WEFT_NEVER), -EINVAL);
    return 0;
}
TEST(opening_and_closing)
{
    weft_scope scope;

    memset(&scope, 0, sizeof scope);
    ck_assert_int_eq(weft_scope_open(&scope, NULL), -EPERM);
    ck_assert_int_eq(weft_shield_open(&scope, 1), -EPERM);
    ck_assert_ptr_null(weft_root());
    ck_assert_int_eq(run(open_main), 0);
}

/* "Falling off the end joins; leaving early by return, goto or break cancels and joins." */
static int leave_by(int how)
{
    WEFT_SCOPE(s) {
        WEFT_SCOPE(inner) {
            spawn_value(&s, sleeper, 0);
            spawn_value(&inner, sleeper, 0);
            weft_yield();
            if (how == 0)
                return 5;
            if (how == 1)
                goto out;
        }
    }
    return -1;
out:
    return 6;
}
static int leave_main(void *arg)
{
    (void)arg;
    ck_assert_int_eq(leave_by(0), 5);
    ck_assert_int_eq(count, 2);
    ck_assert_int_eq(leave_by(1), 6);
    ck_assert_int_eq(count, 4);
    WEFT_SCOPE(s) {
        spawn_value(&s, sleeper, 0);
        weft_yield();
        break;
    }
    ck_assert_int_eq(count, 5);
    ck_assert_int_eq(weft_cancelled(), 0);
    return 0;
}
TEST(leaving_early)
{
    ck_assert_int_eq(run(leave_main), 0);
}

/* A task that ends with scopes open: they are cancelled and joined. */
static weft_scope forgotten;
static int forget(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_scope_open(&forgotten, NULL), 0);
    spawn_value(&forgotten, sleeper, 0);
    return 9;
}
TEST(forgotten_scope)
{
    ck_assert_int_eq(run(forget), 9);
    ck_assert_int_eq(count, 1);
}

/* -- errors --------------------------------------------------------------------------------- */

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
static int parent_of_sleeper(void *arg)
{
    weft_scope s;

    (void)arg;
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    spawn_value(&s, sleeper, 0);
    return weft_scope_close(&s);
}
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

/* -- deadlines ------------------------------------------------------------------------------ */

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
    ck_assert_int_eq(weft_scope_open(&s, SCOPE_OPT(.deadline = weft_after_ms(2))), 0);
    spawn_value(&s, sleeper, 0);
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

/* Race 51: shortened, extended, taken away and set again. */
static int reschedule_main(void *arg)
{
    weft_scope s;

    (void)arg;
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    ck_assert_int_eq(weft_scope_reschedule(&s, 0), -EINVAL);
    ck_assert_int_eq(weft_scope_reschedule(&s, weft_after_ms(60000)), 0);
    ck_assert_int_eq(weft_scope_reschedule(&s, weft_after_ms(2)), 0);
    ck_assert_int_eq(weft_scope_reschedule(&s, WEFT_NEVER), 0);
    ck_assert_int_eq(weft_sleep(4000000), 0);
    ck_assert_int_eq(weft_scope_reschedule(&s, weft_after_ms(2)), 0);
    ck_assert_int_eq(weft_scope_reschedule(&s, weft_after_ms(60000)), 0);
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

/* -- drain ---------------------------------------------------------------------------------- */

static int finish_by_itself(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_sleep(2000000), 0);
    ck_assert(weft_draining());
    count++;
    return 0;
}
static int drain_inside(void *arg)
{
    (void)arg;
    while (!weft_draining())
        ck_assert_int_eq(weft_yield(), 0);
    WEFT_SCOPE(own) /* what is under way may still spawn */
        spawn_value(&own, give_back, 1);
    return 0;
}
static int hold_shielded(void *arg)
{
    (void)arg;
    WEFT_SHIELD(weft_after_ms(60000)) {
        if (weft_sleep_until(WEFT_NEVER) < 0)
            count++;
        ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DRAIN);
    }
    return 0;
}
static int drain_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        spawn_value(&s, finish_by_itself, 0);
        spawn_value(&s, drain_inside, 0);
        weft_yield();
        ck_assert_int_eq(weft_scope_drain(&s, WEFT_NEVER, WEFT_NEVER), 0);
        ck_assert_int_eq(count, 1);
        ck_assert_int_eq(weft_spawn(&s, give_back, &count, sizeof count, NULL), -ESHUTDOWN);
        ck_assert(weft_draining());
    }
    ck_assert(!weft_draining());
    count = 0;
    WEFT_SCOPE(t) {
        for (int i = 0; i < 10; i++)
            spawn_value(&t, sleeper, 0);
        spawn_value(&t, hold_shielded, 0);
        weft_yield();
        ck_assert_int_eq(weft_scope_drain(&t, weft_after_ms(3), weft_after_ms(6)), 11);
        ck_assert_int_eq(count, 11);
        ck_assert_uint_eq(weft_scope_errors(&t, NULL, 0), 0);
    }
    WEFT_SCOPE(u)
        ck_assert_int_eq(weft_scope_drain(&u, 1, 1), 0);
    ck_assert_int_eq(weft_scope_drain(weft_root(), 1, 1), -EPERM);
    return 0;
}
TEST(draining)
{
    ck_assert(!weft_draining());
    ck_assert_int_eq(run(drain_main), 0);
}

/* Waits idly on a socket of its own until the drain ends that; in a child too, which sees the same.
 */
static int idle_there(void *arg)
{
    int ends[2], depth = *(int *)arg - 1;
    char byte;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    WEFT_SCOPE(own) {
        if (depth > 0)
            spawn_value(&own, idle_there, depth);
        __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
        ck_assert_int_eq(weft_recv(ends[0], &byte, 1, WEFT_IDLE), -ESHUTDOWN);
        ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DRAIN);
        ck_assert(weft_draining());
        ck_assert_int_eq(weft_sleep(1000000), 0); /* what is under way goes on */
        spawn_value(&own, give_back, 1);          /* and may still spawn */
    }
    ck_assert_int_eq(weft_close(ends[0]), 0);
    ck_assert_int_eq(weft_close(ends[1]), 0);
    __atomic_sub_fetch(&count, 1, __ATOMIC_RELAXED);
    return 0;
}
static int calls_idle_there(void *arg)
{
    return weft_call(2, idle_there, arg, sizeof(int));
}
static int calls_when_draining(void *arg)
{
    int one = 1;

    (void)arg;
    while (!weft_draining())
        ck_assert_int_eq(weft_yield(), 0);
    return weft_call(1, idle_there, &one, sizeof one);
}
static int stays_there(void *arg)
{
    __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
    ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    ck_assert_int_eq(weft_draining(), *(int *)arg);
    __atomic_sub_fetch(&count, 1, __ATOMIC_RELAXED);
    return 0;
}
static void spawn_on(weft_scope *scope, int reactor, weft_task_fn fn, int value)
{
    ck_assert_int_eq(weft_spawn(scope, fn, &value, sizeof value, OPT(.reactor = WEFT_ON(reactor))),
                     0);
}
static void wait_for_count(int value)
{
    while (__atomic_load_n(&count, __ATOMIC_RELAXED) != value)
        ck_assert_int_eq(weft_sleep(100000), 0);
}
static int drain_reactors_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        for (int reactor = 0; reactor < 3; reactor++)
            spawn_on(&s, reactor, idle_there, 3);
        spawn_value(&s, calls_idle_there, 2);
        spawn_value(&s, calls_when_draining, 0);
        wait_for_count(11);
        ck_assert_int_eq(weft_scope_drain(&s, WEFT_NEVER, WEFT_NEVER), 0);
        ck_assert_int_eq(count, 0);
    }
    WEFT_SCOPE(t) { /* a cancellation still follows where the drain was of no use */
        for (int reactor = 0; reactor < 3; reactor++)
            spawn_on(&t, reactor, stays_there, 1);
        wait_for_count(3);
        ck_assert_int_eq(weft_scope_drain(&t, weft_after_ms(3), WEFT_NEVER), 3);
        ck_assert_int_eq(count, 0);
    }
    WEFT_SCOPE(u) { /* who was not drained does not take the cancellation for a drain */
        spawn_on(&u, 1, stays_there, 0);
        wait_for_count(1);
        ck_assert_int_eq(weft_scope_cancel(&u), 1);
    }
    return 0;
}
TEST(draining_across_reactors)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 3};

    ck_assert_int_eq(weft_run(drain_reactors_main, NULL, 0, &opt), 0);
}

/* -- shields -------------------------------------------------------------------------------- */

static int shield_main(void *arg)
{
    int64_t until;

    (void)arg;
    WEFT_SCOPE(s) {
        weft_scope_cancel(&s);
        ck_assert_int_eq(weft_yield(), -ECANCELED);
        until = weft_after_ms(20);
        WEFT_SHIELD(until) {
            ck_assert_int_eq(weft_cancelled(), 0);
            ck_assert_int_eq(weft_sleep(1000), 0);
            WEFT_SCOPE(inner)
                spawn_value(&inner, give_back, 0);                      /* a scope within spawns */
            ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED); /* its deadline */
            ck_assert_int_ge(weft_now(), until);
        }
        ck_assert_int_eq(weft_yield(), -ECANCELED);
    }
    /* left early */
    WEFT_SHIELD(weft_after_ms(60000))
        break;
    ck_assert_int_eq(weft_yield(), 0);
    return 0;
}
TEST(shields)
{
    ck_assert_int_eq(run(shield_main), 0);
}

/* What a shield hid reaches those inside, children too, when it ends. */
static int shield_around_children(void *arg)
{
    WEFT_SHIELD(weft_after_ms(10))
        WEFT_SCOPE(s) {
            if (arg)
                (void)weft_sleep(2000000);
            spawn_value(&s, sleeper, 0);
            spawn_value(&s, parent_of_sleeper, 0);
        }
    return 0;
}
static int shield_ends_main(void *arg)
{
    weft_task task;

    (void)arg;
    for (int later = 0; later < 2; later++)
        WEFT_SCOPE(s) {
            ck_assert_int_eq(weft_spawn(&s, shield_around_children, later ? &task : NULL, 0,
                                        OPT(.task = &task)),
                             0);
            ck_assert_int_eq(weft_sleep(1000000), 0);
            ck_assert_int_eq(weft_cancel(task), 1);
            ck_assert_int_eq(weft_join(task, NULL), 0);
        }
    ck_assert_int_eq(count, 4);
    return 0;
}
TEST(shield_ends_over_children)
{
    ck_assert_int_eq(run(shield_ends_main), 0);
}

/* The shield hides its inside only: the children of scopes outside of it are cancelled. */
static int shield_within(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        spawn_value(&s, sleeper, 0);
        WEFT_SHIELD(weft_after_ms(60000)) {
            WEFT_SCOPE(inner) {
                spawn_value(&inner, give_back, 0);
                while (weft_scope_tasks(&s) > 0)
                    ck_assert_int_eq(weft_yield(), 0);
                spawn_value(&inner, fail_later, 0);
            }
        }
        ck_assert_int_eq(weft_yield(), -ECANCELED);
    }
    return 0;
}
static int shield_within_main(void *arg)
{
    weft_task task;

    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, shield_within, NULL, 0, OPT(.task = &task)), 0);
        weft_yield();
        ck_assert_int_eq(weft_cancel(task), 1);
    }
    ck_assert_int_eq(count, 1);
    return 0;
}
TEST(shield_hides_its_inside_only)
{
    ck_assert_int_eq(run(shield_within_main), 0);
}

/* -- clean-up actions ------------------------------------------------------------------------ */

static char order[64];
static weft_scope *deferring;
static void note(void *arg)
{
    ck_assert_int_eq(weft_cancelled(), 0);
    ck_assert_int_eq(weft_yield(), 0);
    ck_assert_int_eq(weft_sleep(1000), 0);
    strncat(order, arg, 1);
}
static int note_task(void *arg)
{
    int result = weft_sleep(1000000);

    strncat(order, arg, 1);
    return result < 0 ? result : 0;
}
static void spawn_in_cleanup(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_spawn(deferring, note_task, "z", 2, NULL), 0);
    ck_assert_int_eq(weft_scope_defer(deferring, note, "y"), 0);
}
static int defer_main(void *arg)
{
    weft_scope s;

    (void)arg;
    ck_assert_int_eq(weft_scope_defer(weft_root(), note, "r"), -EPERM);
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    ck_assert_int_eq(weft_scope_defer(&s, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_scope_defer(&s, note, "a"), 0);
    ck_assert_int_eq(weft_scope_defer(&s, note, "b"), 0);
    ck_assert_int_eq(weft_scope_defer(&s, note, "c"), 0);
    ck_assert_int_eq(weft_spawn(&s, note_task, "x", 2, NULL), 0);
    ck_assert_int_eq(weft_scope_close(&s), 0);
    ck_assert_str_eq(order, "xcba"); /* after the last child; last in, first out */
    memset(order, 0, sizeof order);
    /* shielded, though the scope was cancelled */
    WEFT_SCOPE(t) {
        ck_assert_int_eq(weft_scope_defer(&t, note, "d"), 0);
        weft_scope_cancel(&t);
        ck_assert_int_eq(weft_yield(), -ECANCELED);
    }
    ck_assert_str_eq(order, "d");
    memset(order, 0, sizeof order);
    /* one that spawns into the scope that closes, and adds to its list: all is joined and run */
    deferring = &s;
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    ck_assert_int_eq(weft_scope_defer(&s, spawn_in_cleanup, NULL), 0);
    ck_assert_int_eq(weft_scope_close(&s), 0);
    ck_assert_str_eq(order, "yz");
    return 0;
}
TEST(cleanup_actions)
{
    ck_assert_int_eq(run(defer_main), 0);
}

/* -- scopes of others ------------------------------------------------------------------------ */

/* A scope inside a cancelled one takes nobody, not even from outside of that. */
static weft_scope *others;
static int open_nested(void *arg)
{
    WEFT_SHIELD(weft_after_ms(60000)) {
        weft_scope s;
        ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
        others = &s;
        while (!*(bool *)(*(void **)arg))
            ck_assert_int_eq(weft_yield(), 0);
        ck_assert_int_eq(weft_scope_close(&s), 0);
    }
    WEFT_SCOPE(t) {
        others = &t;
        *(bool *)(*(void **)arg) = false;
        ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
        WEFT_SHIELD(weft_after_ms(60000))
            while (!*(bool *)(*(void **)arg))
                ck_assert_int_eq(weft_yield(), 0);
    }
    return 0;
}
static int nested_main(void *arg)
{
    bool done = false, *place = &done;
    int value = 0;

    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, open_nested, &place, sizeof place, NULL), 0);
        weft_yield();
        ck_assert_int_eq(weft_spawn(others, give_back, &value, sizeof value, NULL), 0);
        ck_assert_int_eq(weft_spawn_nowait(others, give_back, &value, sizeof value, NULL), 0);
        ck_assert_int_eq(weft_scope_close(others), -EPERM);
        ck_assert_int_eq(weft_scope_drain(others, 1, 1), -EPERM);
        ck_assert_int_eq(weft_scope_defer(others, note, NULL), -EPERM);
        done = true;
        while (done)
            weft_yield();
        weft_scope_cancel(&s);
        WEFT_SHIELD(weft_after_ms(60000)) { /* we see nothing of it, the scope is cancelled */
            ck_assert_int_eq(weft_spawn(others, give_back, &value, sizeof value, NULL), -ECANCELED);
            done = true;
        }
    }
    return 0;
}
TEST(scopes_of_others)
{
    ck_assert_int_eq(run(nested_main), 0);
}

TEST_MAIN("api.scope", 30, opening_and_closing, leaving_early, forgotten_scope, errors,
          implicit_close, implicit_close_of_a_deadline, cancelled_children_have_not_failed,
          deadlines, rescheduling, what_the_edge_says, draining, draining_across_reactors, shields,
          shield_ends_over_children, shield_hides_its_inside_only, cleanup_actions,
          scopes_of_others)
