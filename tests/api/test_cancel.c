/*
 * The cancellation table of the design, row by row, and weft_cancel, weft_uncancel, weft_cancelled,
 * weft_cause: requests counted, sticky, downwards, never eaten.
 */
#include "scope.h"

static int dropped;

static void drop(void *arg)
{
    ck_assert_int_eq(*(int *)arg, 17);
    dropped++;
}
static weft_task spawn_kept(weft_scope *scope, weft_task_fn fn, void *arg)
{
    weft_task task;

    ck_assert_int_eq(weft_spawn(scope, fn, arg, 0, OPT(.task = &task)), 0);
    return task;
}
static int join(weft_task task)
{
    int result = 0;

    ck_assert_int_eq(weft_join(task, &result), 0);
    return result;
}

/* -- cancelled before it first ran (race 1) --------------------------------------------------- */

static int first_call(void *arg)
{
    ck_assert_int_eq(*(int *)arg, 17);
    ck_assert_int_eq(weft_cancelled(), WEFT_CAUSE_CANCEL);
    ck_assert_int_eq(weft_yield(), -ECANCELED);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_CANCEL);
    count++;
    return -ECANCELED;
}
static int before_first_main(void *arg)
{
    int value = 17;
    weft_task a, b;

    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, first_call, &value, sizeof value, OPT(.task = &a)), 0);
        ck_assert_int_eq(weft_spawn(&s, first_call, &value, sizeof value,
                                    OPT(.task = &b, .drop = drop)),
                         0);
        ck_assert_int_eq(weft_cancel(a), 1);
        ck_assert_int_eq(weft_cancel(b), 1);
        ck_assert_int_eq(join(a), -ECANCELED);
        ck_assert_int_eq(join(b), -ECANCELED);
        ck_assert_int_eq(count, 1);
        ck_assert_int_eq(dropped, 1);
        ck_assert_int_eq(weft_scope_error(&s), 0);
    }
    return 0;
}
TEST(before_it_first_ran)
{
    ck_assert_int_eq(run(before_first_main), 0);
}

/* -- downwards ------------------------------------------------------------------------------- */

static int deep(void *arg)
{
    int level = *(int *)arg;

    WEFT_SCOPE(s) {
        for (int i = 0; i < 3 && level > 0; i++) {
            int below = level - 1;
            ck_assert_int_eq(weft_spawn(&s, deep, &below, sizeof below, NULL), 0);
        }
        ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
        count++;
    }
    return -ECANCELED;
}
static int downwards_main(void *arg)
{
    int level = 5;
    weft_task task;

    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, deep, &level, sizeof level, OPT(.task = &task)), 0);
        ck_assert_int_eq(weft_sleep(2000000), 0);
        ck_assert_int_eq(weft_cancel(task), 1);
        ck_assert_int_eq(join(task), -ECANCELED);
        ck_assert_int_eq(count, 1 + 3 + 9 + 27 + 81 + 243);
        ck_assert_int_eq(weft_cancelled(), 0); /* and not upwards */
    }
    return 0;
}
TEST(reaches_all_below)
{
    ck_assert_int_eq(run(downwards_main), 0);
}

/* "uncancel does not revive them" */
static int uncancels(void *arg)
{
    weft_task child;

    (void)arg;
    WEFT_SCOPE(s) {
        child = spawn_kept(&s, sleeper, NULL);
        ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
        ck_assert_int_eq(weft_yield(), -ECANCELED); /* a level, not an edge */
        ck_assert_int_eq(weft_uncancel(), 1);       /* two requests were made */
        ck_assert_int_eq(weft_yield(), -ECANCELED);
        ck_assert_int_eq(weft_uncancel(), 0);
        ck_assert_int_eq(weft_cancelled(), 0);
        ck_assert_int_eq(weft_yield(), 0);
        ck_assert_int_eq(weft_uncancel(), -EINVAL);
        ck_assert_int_eq(join(child), -ECANCELED);
        ck_assert_int_eq(weft_sleep(1000), 0);
    }
    return 23;
}
static int uncancel_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        weft_task task = spawn_kept(&s, uncancels, NULL);
        weft_yield();
        weft_yield();
        ck_assert_int_eq(weft_cancel(task), 1);
        ck_assert_int_eq(weft_cancel(task), 1);
        ck_assert_int_eq(join(task), 23);
    }
    return 0;
}
TEST(uncancel)
{
    ck_assert_int_eq(weft_uncancel(), -EPERM);
    ck_assert_int_eq(weft_cancelled(), 0);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_NONE);
    ck_assert_int_eq(run(uncancel_main), 0);
}

/* uncancel takes back only what weft_cancel asked for. */
static int both_causes(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    ck_assert_int_eq(weft_uncancel(), 0);
    ck_assert_int_eq(weft_cancelled(), WEFT_CAUSE_CANCEL); /* the scope's */
    ck_assert_int_eq(weft_yield(), -ECANCELED);
    count++;
    return 0;
}
static int both_causes_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        weft_task task = spawn_kept(&s, both_causes, NULL);
        weft_yield();
        ck_assert_int_eq(weft_cancel(task), 1);
        ck_assert_int_eq(weft_scope_cancel(&s), 1);
        ck_assert_int_eq(weft_scope_cancel(&s), 0);
        ck_assert_int_eq(weft_join(task, NULL), -ECANCELED); /* we are in it too; the brace joins */
    }
    return 0;
}
TEST(uncancel_takes_back_requests_only)
{
    ck_assert_int_eq(run(both_causes_main), 0);
    ck_assert_int_eq(count, 1);
}

/* -- the waiter and what it awaits ------------------------------------------------------------ */

static weft_task awaited;
static int waits(void *arg)
{
    (void)arg;
    return weft_await(awaited, NULL);
}
static int waiter_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        awaited = spawn_kept(&s, sleeper, NULL);
        weft_task waiter = spawn_kept(&s, waits, NULL);
        weft_yield();
        ck_assert_int_eq(weft_cancel(waiter), 1);
        ck_assert_int_eq(join(waiter), -ECANCELED);
        ck_assert_int_eq(count, 0); /* not cancelled with it */
        ck_assert_int_eq(weft_cancel(awaited), 1);
        ck_assert_int_eq(join(awaited), -ECANCELED);
        ck_assert_int_eq(count, 1);
    }
    return 0;
}
TEST(cancelling_a_waiter)
{
    ck_assert_int_eq(run(waiter_main), 0);
}

/* -- oneself, one's canceller, one's parent (races 42, 33) ------------------------------------ */

static weft_task canceller;
static int cancels_itself(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_cancel(weft_current_task()), 1);
    ck_assert_int_eq(weft_yield(), -ECANCELED);
    ck_assert_int_eq(weft_sleep(1), -ECANCELED);
    ck_assert_int_eq(weft_uncancel(), 0);
    ck_assert_int_eq(weft_yield(), 0);
    return 4;
}
static int cancels_back(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    ck_assert_int_eq(weft_cancel(canceller), 1);
    return 0;
}
static int oneself_main(void *arg)
{
    (void)arg;
    canceller = weft_current_task();
    WEFT_SCOPE(s) {
        ck_assert_int_eq(join(spawn_kept(&s, cancels_itself, NULL)), 4);
        weft_task back = spawn_kept(&s, cancels_back, NULL);
        weft_yield();
        ck_assert_int_eq(weft_cancel(back), 1);
        ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
        ck_assert_int_eq(weft_cause(), WEFT_CAUSE_CANCEL);
        ck_assert_int_eq(weft_uncancel(), 0);
    }
    return 0;
}
TEST(oneself_and_ones_canceller)
{
    ck_assert_int_eq(run(oneself_main), 0);
}

/* -- a task that ignores cancellation starves nobody ------------------------------------------ */

static int ignores(void *arg)
{
    int *told = *(int **)arg;

    while (!*told)
        (void)weft_yield();
    return 0;
}
static int tells(void *arg)
{
    ck_assert_int_eq(weft_sleep(1000000), 0);
    **(int **)arg = 1;
    return 0;
}
static int spinning_main(void *arg)
{
    static int told;
    int *place = &told;

    (void)arg;
    WEFT_SCOPE(s) {
        weft_task task;
        ck_assert_int_eq(weft_spawn(&s, ignores, &place, sizeof place, OPT(.task = &task)), 0);
        ck_assert_int_eq(weft_spawn(&s, tells, &place, sizeof place, NULL), 0);
        ck_assert_int_eq(weft_cancel(task), 1);
        ck_assert_int_eq(join(task), 0);
    }
    return 0;
}
TEST(ignoring_it_starves_nobody)
{
    ck_assert_int_eq(run(spinning_main), 0);
}

/* -- what was refused, and why ----------------------------------------------------------------- */

static int fails(void *arg)
{
    return *(int *)arg;
}
static int causes_main(void *arg)
{
    int value = -EIO;
    weft_scope s;

    (void)arg;
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_NONE);
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    ck_assert_int_eq(weft_scope_cancel(&s), 1);
    ck_assert_int_eq(weft_yield(), -ECANCELED);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_CANCEL);
    ck_assert_int_eq(weft_scope_close(&s), 0); /* its own cancelling is not news */
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    ck_assert_int_eq(weft_spawn(&s, fails, &value, sizeof value, NULL), 0);
    ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_SIBLING);
    ck_assert_int_eq(weft_scope_close(&s), -EIO);
    return 0;
}
TEST(causes)
{
    ck_assert_int_eq(run(causes_main), 0);
}

/* -- clean-up under cancellation (race 44) ---------------------------------------------------- */

static int cleans_up(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    WEFT_SHIELD(weft_after_ms(60000)) {
        ck_assert_int_eq(weft_sleep(1000000), 0); /* cancelled again meanwhile */
        WEFT_SCOPE(s)
            ck_assert_int_eq(weft_spawn(&s, fails, &count, sizeof count, NULL), 0);
        count++;
    }
    ck_assert_int_eq(weft_yield(), -ECANCELED);
    ck_assert_int_eq(weft_uncancel(), 1);
    return -ECANCELED;
}
static int cleanup_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        weft_task task = spawn_kept(&s, cleans_up, NULL);
        weft_yield();
        ck_assert_int_eq(weft_cancel(task), 1);
        weft_yield();
        ck_assert_int_eq(weft_cancel(task), 1);
        ck_assert_int_eq(join(task), -ECANCELED);
    }
    ck_assert_int_eq(count, 1);
    return 0;
}
TEST(cleaning_up_under_a_shield)
{
    ck_assert_int_eq(run(cleanup_main), 0);
}

/* -- on another reactor ------------------------------------------------------------------------ */

static int remote_sleeper(void *arg)
{
    int result = weft_sleep_until(WEFT_NEVER);

    ck_assert_uint_eq(weft_reactor_index(), 1);
    __atomic_add_fetch(*(int **)arg, 1, __ATOMIC_RELAXED);
    return result;
}
static int remote_refused(void *arg)
{
    (void)arg;
    ck_assert_uint_eq(weft_reactor_index(), 1);
    ck_assert_int_eq(weft_yield(), -ECANCELED);
    return -ECANCELED;
}
static int remote_main(void *arg)
{
    static int ended;
    int *place = &ended, value = 17;
    weft_task task;
    weft_scope s;

    (void)arg;
    /* the deadline of a scope reaches what it calls */
    do { /* again, where it had passed before the first one was sent */
        ck_assert_int_eq(weft_timeout(&s, 2000000), 0);
        ck_assert_int_eq(weft_call(1, remote_sleeper, &place, sizeof place), -ECANCELED);
        ck_assert_int_eq(weft_call(1, remote_sleeper, &place, sizeof place), -ECANCELED);
        ck_assert_int_eq(weft_scope_close(&s), -ETIMEDOUT);
    } while (ended == 0);
    ck_assert_int_eq(ended, 1);
    /* children elsewhere: before they first ran, with and without a drop function; and asleep */
    WEFT_SCOPE(t) {
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(weft_spawn(&t, remote_sleeper, &place, sizeof place,
                                        OPT(.reactor = WEFT_ON(1))),
                             0);
        ck_assert_int_eq(weft_spawn(&t, remote_refused, NULL, 0,
                                    OPT(.reactor = WEFT_ON(1), .task = &task)),
                         0);
        ck_assert_int_eq(weft_cancel(task), 1);
        ck_assert_int_eq(weft_spawn(&t, remote_refused, &value, sizeof value,
                                    OPT(.reactor = WEFT_ON(1), .drop = drop, .task = &task)),
                         0);
        ck_assert_int_eq(weft_cancel(task), 1);
        ck_assert_int_eq(join(task), -ECANCELED);
        ck_assert_int_eq(weft_sleep(2000000), 0);
        weft_scope_cancel(&t);
    }
    ck_assert_int_eq(ended, 4);
    ck_assert_int_eq(dropped, 1);
    return 0;
}
TEST(on_another_reactor)
{
    ck_assert_int_eq(weft_run(remote_main, NULL, 0,
                              &(struct weft_run_opt){.size = sizeof(struct weft_run_opt),
                                                     .reactors = 2}),
                     0);
}

/* -- cancelled, and late besides --------------------------------------------------------------- */

/* A loop that polls with a deadline of "now" must hear of its cancellation, and not of time only.
 */
static int polls(void *arg)
{
    int fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    char byte;

    (void)arg;
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    for (int64_t deadline = 0; deadline < 2; deadline++) {
        ck_assert_int_eq(weft_recv_until(fd, &byte, 1, 0, deadline), -ECANCELED);
        ck_assert_int_eq(weft_cause(), WEFT_CAUSE_CANCEL);
        ck_assert_int_eq(weft_send_all_until(fd, &byte, 1, NULL, deadline), -ECANCELED);
        ck_assert_int_eq(weft_cause(), WEFT_CAUSE_CANCEL);
    }
    return weft_close(fd);
}

static int late_main(void *arg)
{
    weft_scope s;
    weft_task task;

    (void)arg;
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    task = spawn_kept(&s, polls, NULL);
    ck_assert_int_eq(weft_yield(), 0);
    ck_assert_int_eq(weft_cancel(task), 1);
    ck_assert_int_eq(join(task), 0);
    return weft_scope_close(&s);
}

TEST(a_deadline_that_passed_hides_nothing)
{
    ck_assert_int_eq(run(late_main), 0);
}

TEST_MAIN("api.cancel", 30, before_it_first_ran, reaches_all_below, uncancel,
          uncancel_takes_back_requests_only, cancelling_a_waiter, oneself_and_ones_canceller,
          ignoring_it_starves_nobody, causes, cleaning_up_under_a_shield, on_another_reactor,
          a_deadline_that_passed_hides_nothing)
