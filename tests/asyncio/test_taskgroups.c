/*
 * The cases of CPython's test_taskgroups.py on scopes. Catches a child that outlives its scope, an
 * error that is lost or named twice, siblings that go on, and a cancellation from outside that the
 * scope takes for its own.
 */
#include "cases.h"

static struct work quick = {.ns = 10 * MS, .result = 42}, slower = {.ns = 20 * MS, .result = 11},
                   endless = {.ns = EVER}, endless2 = {.ns = EVER};

static int crashes(void *arg)
{
    int64_t ns = *(int64_t *)arg;
    int error = weft_sleep(ns);

    return error < 0 ? error : -EDOM;
}
static weft_task crash_after(weft_scope *scope, int64_t ns)
{
    return start(scope, crashes, &ns, sizeof ns);
}
/* Counts that it was cut, and ends with `instead` then, if that is not 0. */
static int cut;
static int sleeps_and_counts(void *arg)
{
    int instead = *(int *)arg, error = weft_sleep(EVER);

    cut += error == -ECANCELED;
    return error < 0 && instead ? instead : error;
}
static void five(weft_scope *scope, int instead)
{
    for (int i = 0; i < 5; i++)
        start(scope, sleeps_and_counts, &instead, sizeof instead);
}
static int cancelled(weft_task_fn fn)
{
    int result = 0;

    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        weft_task task = start(&s, fn, NULL, 0);
        is(weft_sleep(5 * MS), 0);
        no(done(task));
        is(weft_cancel(task), 1);
        result = result_of(task);
    }
    return result;
}

CASE(taskgroup_01)
{
    weft_task t1, t2;

    WEFT_SCOPE(g) {
        t1 = start_work(&g, &quick);
        t2 = start_work(&g, &slower);
        is(result_of(t1), 42);
        is(result_of(t2), 11);
    }
    yes(quick.ended && slower.ended);
}

CASE(taskgroup_02)
{
    WEFT_SCOPE(g) {
        start_work(&g, &quick);
        is(weft_sleep(15 * MS), 0);
        start_work(&g, &slower);
    }
    yes(quick.ended && slower.ended);
}

CASE(taskgroup_03)
{
    WEFT_SCOPE(g) {
        weft_task t1 = start_work(&g, &endless);
        is(weft_sleep(MS), 0);
        is(weft_cancel(t1), 1);
        weft_task t2 = start_work(&g, &slower);
        is(result_of(t1), -ECANCELED);
        is(result_of(t2), 11);
        is(weft_scope_close(&g), 0); /* a child that was cancelled has not failed */
    }
}

CASE(taskgroup_04)
{
    WEFT_SCOPE(g) {
        crash_after(&g, 10 * MS);
        start_work(&g, &endless);
        is(weft_scope_close(&g), -EDOM);
    }
    yes(endless.cut && endless.ended);
}

CASE(cancel_children_on_child_error)
{
    WEFT_SCOPE(g) {
        for (int i = 0; i < 3; i++)
            crash_after(&g, 10 * MS);
        start_work(&g, &endless);
        is(weft_sleep(10 * SECONDS), -ECANCELED); /* the body, too */
        is(weft_cause(), WEFT_CAUSE_SIBLING);
        is(weft_scope_close(&g), -EDOM);
    }
    yes(endless.cut);
}

static int with_five(void *arg)
{
    (void)arg;
    int error = 0;

    WEFT_SCOPE(g) {
        five(&g, 0);
        error = weft_scope_close(&g);
    }
    return error;
}
CASE(cancellation)
{
    is(cancelled(with_five), -ECANCELED);
    is(cut, 5);
}

static int with_five_and_a_body(void *arg)
{
    (void)arg;
    int error = 0;

    WEFT_SCOPE(g) {
        five(&g, 0);
        error = weft_sleep(10 * SECONDS);
        cut += error == -ECANCELED ? 10 : 0;
    }
    return error;
}
CASE(taskgroup_07)
{
    is(cancelled(with_five_and_a_body), -ECANCELED);
    is(cut, 15);
}

static int with_five_that_crash(void *arg)
{
    (void)arg;
    int error = 0;

    WEFT_SCOPE(g) {
        five(&g, -EDOM);
        is(weft_sleep(10 * SECONDS), -ECANCELED);
        error = weft_scope_close(&g);
    }
    return error;
}
CASE(taskgroup_08)
{
    is(cancelled(with_five_that_crash), -EDOM);
}

static int body_fails(int64_t after)
{
    WEFT_SCOPE(g) {
        start_work(&g, &endless);
        start_work(&g, &endless2);
        is(weft_sleep(after), 0);
        return -EDOM; /* leaving early cancels and joins */
    }
    return 0;
}
CASE(taskgroup_09)
{
    is(body_fails(10 * MS), -EDOM);
    yes(endless.cut && endless2.cut);
}
CASE(taskgroup_10)
{
    is(body_fails(0), -EDOM);
    yes(endless.ended && endless2.ended);
}

static int nested_with_five_that_crash(void *arg)
{
    (void)arg;
    int inner = 0, outer = 0;

    WEFT_SCOPE(g1) {
        WEFT_SCOPE(g2) {
            five(&g2, -EDOM);
            is(weft_sleep(10 * SECONDS), -ECANCELED);
            inner = weft_scope_close(&g2);
        }
        outer = weft_scope_close(&g1);
    }
    is(outer, -ECANCELED); /* the error is the inner one's; the outer was cancelled */
    return inner;
}
CASE(taskgroup_11)
{
    is(cancelled(nested_with_five_that_crash), -EDOM);
    is(cut, 5);
}

static int nested_with_a_child_of_the_outer(void *arg)
{
    (void)arg;
    int inner = 0;

    WEFT_SCOPE(g1) {
        start_work(&g1, &endless);
        WEFT_SCOPE(g2) {
            five(&g2, -EDOM);
            is(weft_sleep(10 * SECONDS), -ECANCELED);
            inner = weft_scope_close(&g2);
        }
    }
    return inner;
}
CASE(taskgroup_12)
{
    is(cancelled(nested_with_a_child_of_the_outer), -EDOM);
    yes(endless.cut);
}

CASE(taskgroup_13)
{
    WEFT_SCOPE(g1) {
        crash_after(&g1, 10 * MS);
        WEFT_SCOPE(g2) {
            crash_after(&g2, EVER);
            is(weft_scope_close(&g2), -ECANCELED);
        }
        is(weft_scope_close(&g1), -EDOM);
    }
}

CASE(taskgroup_14)
{
    WEFT_SCOPE(g1) {
        crash_after(&g1, EVER);
        WEFT_SCOPE(g2) {
            crash_after(&g2, 10 * MS);
            is(weft_scope_close(&g2), -EDOM);
        }
        is(weft_scope_cancel(&g1), 1); /* the body decides what an inner error means */
        is(weft_scope_close(&g1), 0);
    }
}

/* Cancelled from outside, and while it cleans up a child fails: the error is told. */
static int cleans_up_while_a_child_fails(void *arg)
{
    (void)arg;
    int error = 0;

    WEFT_SCOPE(g) {
        struct work *crash = &endless;

        endless.instead = -EDOM;
        start_work(&g, crash);
        is(weft_sleep(10 * SECONDS), -ECANCELED);
        WEFT_SHIELD(weft_after_ms(60000))
            is(weft_sleep(20 * MS), 0);
        error = weft_scope_close(&g);
    }
    return error;
}
CASE(taskgroup_15)
{
    is(cancelled(cleans_up_while_a_child_fails), -EDOM);
}

static int awaits_the_one_that_cleans_up(void *arg)
{
    (void)arg;
    int64_t result = 0;
    int error =
        weft_wait_for(weft_coro(cleans_up_while_a_child_fails, NULL, 0), &result, WEFT_NEVER);

    return error < 0 ? error : (int)result;
}
CASE(taskgroup_16)
{
    is(cancelled(awaits_the_one_that_cleans_up), -EDOM);
}

static int empty_group(void *arg)
{
    (void)arg;
    int error = 0;

    WEFT_SCOPE(g) {
        error = weft_sleep(10 * SECONDS);
        cut += error == -ECANCELED ? 10 : 0;
    }
    return error;
}
CASE(taskgroup_17)
{
    is(cancelled(empty_group), -ECANCELED);
    is(cut, 10);
}

static int empty_group_own_error(void *arg)
{
    return empty_group(arg) == -ECANCELED ? -EDOM : 0;
}
CASE(taskgroup_18)
{
    is(cancelled(empty_group_own_error), -EDOM);
    is(cut, 10);
}

/* A child and the body fail: the child's error is the scope's, the body returns its own. */
CASE(taskgroup_19)
{
    int body = 0, error = 0;

    WEFT_SCOPE(g) {
        crash_after(&g, 10 * MS);
        body = weft_sleep(10 * SECONDS) == -ECANCELED ? -EPIPE : 0;
        error = weft_scope_close(&g);
    }
    is(body, -EPIPE);
    is(error, -EDOM);
}

static int with_two(void *arg)
{
    (void)arg;
    int error = 0;

    WEFT_SCOPE(g) {
        start_work(&g, &endless);
        start_work(&g, &endless2);
        error = weft_scope_close(&g);
    }
    return error;
}
CASE(taskgroup_22)
{
    is(cancelled(with_two), -ECANCELED);
    yes(endless.cut && endless2.cut);
}

static int does_a_job(void *arg)
{
    (void)arg;
    return weft_sleep(3 * MS);
}
CASE(taskgroup_23)
{
    WEFT_SCOPE(g) {
        for (int i = 0; i < 10; i++) {
            is(weft_sleep(MS), 0);
            is(weft_spawn(&g, does_a_job, NULL, 0, NULL), 0);
        }
        while (weft_scope_tasks(&g) > 0)
            is(weft_sleep(MS), 0);
    }
}

static weft_scope *group;
static int job(void *arg)
{
    (void)arg;
    leave('j');
    return weft_sleep(MS);
}
static int starts_two(void *arg)
{
    (void)arg;
    is(weft_sleep(MS), 0);
    is(weft_spawn(group, job, NULL, 0, NULL), 0);
    is(weft_spawn(group, job, NULL, 0, NULL), 0);
    return 0;
}
CASE(taskgroup_24)
{
    WEFT_SCOPE(g) {
        group = &g;
        start(&g, starts_two, NULL, 0);
    }
    is_trail("jj");
}

static int hydras;
static int hydra(void *arg)
{
    (void)arg;
    hydras++;
    int error = weft_sleep(MS);
    for (int i = 0; i < 2 && error == 0; i++)
        error = weft_spawn(group, hydra, NULL, 0, NULL);
    return error == -ECANCELED ? 0 : error;
}
static int hercules(void *arg)
{
    (void)arg;
    while (hydras < 10)
        is(weft_sleep(MS), 0);
    return -EDOM;
}
CASE(taskgroup_25)
{
    WEFT_SCOPE(g) {
        group = &g;
        start(&g, hydra, NULL, 0);
        start(&g, hercules, NULL, 0);
        is(weft_scope_close(&g), -EDOM);
    }
    yes(hydras >= 10);
}

CASE(taskgroup_task_name)
{
    WEFT_SCOPE(g) {
        weft_task task;
        struct weft_spawn_opt opt = {.size = sizeof opt, .name = "yolo", .task = &task};

        is(weft_spawn(&g, does_a_job, NULL, 0, &opt), 0);
        ck_assert_str_eq(weft_task_name(task), "yolo");
    }
}

static int spawns_when_cut(void *arg)
{
    (void)arg;
    is(weft_sleep(EVER), -ECANCELED);
    is(weft_spawn(group, does_a_job, NULL, 0, NULL), -ECANCELED);
    cut++;
    return 0;
}
CASE(taskgroup_no_create_task_after_failure)
{
    WEFT_SCOPE(g) {
        group = &g;
        crash_after(&g, MS);
        start(&g, spawns_when_cut, NULL, 0);
        is(weft_scope_close(&g), -EDOM);
    }
    is(cut, 1);
}

/* What cleans up fails as well: both errors are there, and no cancellation is left over. */
CASE(taskgroup_context_manager_exit_raises)
{
    int body = 0;

    WEFT_SCOPE(g) {
        crash_after(&g, 0);
        is(weft_sleep(SECONDS), -ECANCELED);
        body = -EPIPE;
        is(weft_scope_close(&g), -EDOM);
    }
    is(body, -EPIPE);
    is(weft_cancelled(), 0);
}

CASE(taskgroup_finished)
{
    weft_scope g;

    is(weft_scope_open(&g, NULL), 0);
    is(weft_scope_close(&g), 0);
    ck_misuse(weft_spawn(&g, does_a_job, NULL, 0, NULL), -EINVAL, "weft_spawn", "not open");
}

CASE(taskgroup_not_entered)
{
    weft_scope g = {{0}};

    ck_misuse(weft_spawn(&g, does_a_job, NULL, 0, NULL), -EINVAL, "weft_spawn", "not open");
}

TEST(taskgroup_without_parent_task)
{
    weft_scope g = {{0}};

    is(weft_scope_open(&g, NULL), -EPERM);
    is(weft_spawn(&g, does_a_job, NULL, 0, NULL), -EPERM);
}

CASE(cancelling_level_preserved)
{
    WEFT_SCOPE(g) {
        crash_after(&g, 0);
        is(weft_scope_close(&g), -EDOM);
    }
    is(weft_cancelled(), 0);
    is(weft_sleep(MS), 0);
}

CASE(nested_groups_both_cancelled)
{
    WEFT_SCOPE(outer) {
        WEFT_SCOPE(inner) {
            crash_after(&inner, 0);
            crash_after(&outer, 0);
            is(weft_sleep(SECONDS), -ECANCELED);
            is(weft_scope_close(&inner), -EDOM);
        }
        is(weft_sleep(SECONDS), -ECANCELED); /* the outer one's, still */
        is(weft_scope_close(&outer), -EDOM);
    }
    is(weft_cancelled(), 0);
}

/* Cancelled from outside while a child fails: the group's error is told, the cancellation stays. */
static weft_event begun = WEFT_EVENT_INIT;
static int says_and_fails(void *arg)
{
    (void)arg;
    is(weft_event_set(&begun), 1);
    weft_yield();
    return -EDOM;
}
static int with_an_error(void *arg)
{
    (void)arg;
    WEFT_SCOPE(g) {
        start(&g, says_and_fails, NULL, 0);
        is(weft_sleep(SECONDS), -ECANCELED);
        is(weft_scope_close(&g), -EDOM);
    }
    is(weft_cancelled(), WEFT_CAUSE_CANCEL);
    return weft_sleep(SECONDS);
}
CASE(error_and_cancel)
{
    WEFT_SCOPE(s) {
        weft_task task = start(&s, with_an_error, NULL, 0);
        is(weft_event_wait(&begun), 0);
        is(weft_cancel(task), 1);
        is(result_of(task), -ECANCELED);
    }
}

TEST_MAIN("asyncio.taskgroups", 60, taskgroup_01, taskgroup_02, taskgroup_03, taskgroup_04,
          cancel_children_on_child_error, cancellation, taskgroup_07, taskgroup_08, taskgroup_09,
          taskgroup_10, taskgroup_11, taskgroup_12, taskgroup_13, taskgroup_14, taskgroup_15,
          taskgroup_16, taskgroup_17, taskgroup_18, taskgroup_19, taskgroup_22, taskgroup_23,
          taskgroup_24, taskgroup_25, taskgroup_task_name, taskgroup_no_create_task_after_failure,
          taskgroup_context_manager_exit_raises, taskgroup_finished, taskgroup_not_entered,
          taskgroup_without_parent_task, cancelling_level_preserved, nested_groups_both_cancelled,
          error_and_cancel)
