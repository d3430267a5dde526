/*
 * Remote children (weft/task.h) and weft_call (weft/runtime.h): what goes on in the scope at home
 * is seen on the other reactor as a local child would see it. Drains alone are in
 * test_scope_drain.c.
 */
#include "support/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <weft/weft.h>

#define OPT(...) (&(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt), __VA_ARGS__})

static int run(weft_task_fn fn)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    return weft_run(fn, NULL, 0, &opt);
}

static int there; /* far tasks that have begun, or have come to a certain point */
static void wait_for_there(int value)
{
    while (__atomic_load_n(&there, __ATOMIC_ACQUIRE) < value)
        ck_assert_int_eq(weft_sleep(100000), 0);
    __atomic_store_n(&there, 0, __ATOMIC_RELAXED);
}
static void is_there(void)
{
    ck_assert_uint_eq(weft_reactor_index(), 1);
    __atomic_add_fetch(&there, 1, __ATOMIC_RELEASE);
}

/* -- the cause, and what the edge at home says --------------------------------------------------
 */

struct expected {
    enum weft_cause cause;
    bool below; /* refused is a child of the far task, not that itself */
    int result;
};
static int refused_below(void *arg)
{
    struct expected *expected = *(struct expected **)arg;

    is_there();
    ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    ck_assert_int_eq(weft_cause(), expected->cause);
    ck_assert_int_eq(weft_uncancel(), -EINVAL);
    return 0;
}
static int refused_there(void *arg)
{
    struct expected *expected = arg;

    if (!expected->below) {
        refused_below(&expected);
        return expected->result;
    }
    WEFT_SCOPE(s)
        ck_assert_int_eq(weft_spawn(&s, refused_below, &expected, sizeof expected, NULL), 0);
    return expected->result;
}
static int fails(void *arg)
{
    (void)arg;
    return -EIO;
}
/* The scope's time is up once the far end is there. */
static int rings(void *arg)
{
    wait_for_there(1);
    return weft_scope_reschedule(*(weft_scope **)arg, 1);
}
static int causes_main(void *arg)
{
    static const int results[] = {-ECANCELED, 0, 5};

    (void)arg;
    for (int i = 0; i < 6; i++) {
        struct expected expected = {.below = i % 2, .result = results[i / 2]};
        weft_scope s, *scope = &s;

        expected.cause = WEFT_CAUSE_DEADLINE;
        ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
        ck_assert_int_eq(weft_spawn(&s, refused_there, &expected, sizeof expected,
                                    OPT(.reactor = WEFT_ON(1))),
                         0);
        wait_for_there(1);
        ck_assert_int_eq(weft_scope_reschedule(&s, 1), 0);
        /* cut, whatever the child made of it */
        ck_assert_int_eq(weft_scope_close(&s), -ETIMEDOUT);
        ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DEADLINE);

        ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
        ck_assert_int_eq(weft_spawn(&s, rings, &scope, sizeof scope, NULL), 0);
        ck_assert_int_eq(weft_call(1, refused_there, &expected, sizeof expected), expected.result);
        ck_assert_int_eq(weft_scope_close(&s), -ETIMEDOUT);

        expected.cause = WEFT_CAUSE_SIBLING;
        ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
        ck_assert_int_eq(weft_spawn(&s, refused_there, &expected, sizeof expected,
                                    OPT(.reactor = WEFT_ON(1))),
                         0);
        wait_for_there(1);
        ck_assert_int_eq(weft_spawn(&s, fails, NULL, 0, NULL), 0);
        ck_assert_int_eq(weft_scope_close(&s), -EIO);

        expected.cause = WEFT_CAUSE_CANCEL;
        ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
        ck_assert_int_eq(weft_spawn(&s, refused_there, &expected, sizeof expected,
                                    OPT(.reactor = WEFT_ON(1))),
                         0);
        wait_for_there(1);
        ck_assert_int_eq(weft_scope_cancel(&s), 1);
        ck_assert_int_eq(weft_scope_close(&s), 0);
    }
    return 0;
}
TEST(the_cause_is_the_one_at_home)
{
    ck_assert_int_eq(run(causes_main), 0);
}

/* -- one change after the other ------------------------------------------------------------------
 */

/* Not idle, so a drain does not end it; then the cancellation comes, with its cause; a shield holds
   until the hard deadline. */
static int stages(void *arg)
{
    (void)arg;
    is_there();
    while (!weft_draining())
        (void)weft_sleep(100000); /* on a slow machine the soft deadline may come as soon */
    ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DRAIN);
    ck_assert_int_eq(weft_cancel(weft_current_task()), 1); /* the shield hides that to the end */
    WEFT_SHIELD(weft_after_ms(3600000)) {
        ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
        ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DRAIN);
    }
    return 0;
}
static int stages_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++)
        WEFT_SCOPE(s) {
            ck_assert_int_eq(weft_spawn(&s, stages, NULL, 0, OPT(.reactor = WEFT_ON(1))), 0);
            ck_assert_int_eq(weft_spawn(&s, stages, NULL, 0, OPT(.reactor = WEFT_ON(1))), 0);
            wait_for_there(2);
            ck_assert_int_eq(weft_scope_drain(&s, weft_after_ms(2), weft_after_ms(4 + i)), 2);
        }
    return 0;
}
TEST(drain_then_cancel_then_hard)
{
    ck_assert_int_eq(run(stages_main), 0);
}

/* A drain ends an idle wait there at once, and ending for that reason is no failure. */
static int idles(void *arg)
{
    int ends[2];
    ssize_t result;
    char byte;

    (void)arg;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    is_there();
    result = weft_recv(ends[0], &byte, 1, WEFT_IDLE);
    ck_assert_int_eq(weft_close(ends[0]), 0);
    ck_assert_int_eq(weft_close(ends[1]), 0);
    return (int)result;
}
/* Who calls it is told the same, and why. */
static int calls_what_idles(void *arg)
{
    int result = weft_call(1, idles, NULL, 0);

    (void)arg;
    ck_assert_int_eq(result, -ESHUTDOWN);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DRAIN);
    return result;
}
static int shut_down(void *arg)
{
    (void)arg;
    is_there();
    while (!weft_draining())
        ck_assert_int_eq(weft_sleep(100000), 0);
    return -ESHUTDOWN; /* its own idea: nobody told it */
}
static int idle_main(void *arg)
{
    weft_scope s;
    int error;

    (void)arg;
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    ck_assert_int_eq(weft_spawn(&s, idles, NULL, 0, OPT(.reactor = WEFT_ON(1))), 0);
    ck_assert_int_eq(weft_spawn(&s, calls_what_idles, NULL, 0, NULL), 0);
    wait_for_there(2);
    ck_assert_int_eq(weft_scope_drain(&s, WEFT_NEVER, WEFT_NEVER), 0);
    ck_assert_uint_eq(weft_scope_errors(&s, &error, 1), 0);
    ck_assert_int_eq(weft_scope_close(&s), 0);
    ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
    ck_assert_int_eq(weft_spawn(&s, shut_down, NULL, 0, OPT(.reactor = WEFT_ON(1))), 0);
    wait_for_there(1);
    ck_assert_int_eq(weft_scope_drain(&s, WEFT_NEVER, WEFT_NEVER), 0);
    ck_assert_int_eq(weft_scope_close(&s), -ESHUTDOWN);
    return 0;
}
TEST(an_idle_wait_drains)
{
    ck_assert_int_eq(run(idle_main), 0);
}

/* -- requests --------------------------------------------------------------------------------- */

/* A request aimed at a remote child is its own, to be taken back there; as often as it is made. */
static int takes_back(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        is_there();
        ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
        ck_assert_int_eq(weft_cause(), WEFT_CAUSE_CANCEL);
        ck_assert_int_eq(weft_uncancel(), 0);
        ck_assert_int_eq(weft_uncancel(), -EINVAL);
        ck_assert_int_eq(weft_yield(), 0);
    }
    return 9;
}
static int requests_main(void *arg)
{
    weft_task task;
    int result = 0;

    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, takes_back, NULL, 0,
                                    OPT(.task = &task, .reactor = WEFT_ON(1))),
                         0);
        for (int i = 0; i < 3; i++) {
            wait_for_there(1);
            ck_assert_int_eq(weft_cancel(task), 1);
        }
        ck_assert_int_eq(weft_join(task, &result), 0);
        ck_assert_int_eq(result, 9);
    }
    return 0;
}
TEST(requests_are_the_far_tasks_own)
{
    ck_assert_int_eq(run(requests_main), 0);
}

/* Two in one turn here: the second is told when word has come that the first was heard. */
static int takes_two_back(void *arg)
{
    (void)arg;
    is_there();
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
        ck_assert_int_ge(weft_uncancel(), 0);
    }
    return 9;
}
static int two_requests_main(void *arg)
{
    weft_task task;
    int result = 0;

    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, takes_two_back, NULL, 0,
                                    OPT(.task = &task, .reactor = WEFT_ON(1))),
                         0);
        wait_for_there(1);
        ck_assert_int_eq(weft_cancel(task), 1);
        ck_assert_int_eq(weft_cancel(task), 1);
        ck_assert_int_eq(weft_join(task, &result), 0);
        ck_assert_int_eq(result, 9);
    }
    return 0;
}
TEST(two_requests_in_one_turn)
{
    ck_assert_int_eq(run(two_requests_main), 0);
}

/* -- in a hurry ------------------------------------------------------------------------------- */

/* Everything at any moment: before the far task began, while it ends, while news are under way. */
static int hurried(void *arg)
{
    int result = 0;

    for (int i = 0; i < *(int *)arg && result == 0; i++)
        result = weft_sleep(20000);
    return result < 0 && weft_cause() == WEFT_CAUSE_NONE ? -EIO : result;
}
static int hurry_main(void *arg)
{
    unsigned seed = 7;

    (void)arg;
    for (int round = 0; round < 200; round++) {
        weft_scope s;
        weft_task tasks[8];
        struct weft_scope_opt opt = {.size = sizeof opt, .on_error = WEFT_KEEP_GOING};

        opt.deadline = weft_after_us(rand_r(&seed) % 2000 + 1);
        ck_assert_int_eq(weft_scope_open(&s, &opt), 0);
        for (int i = 0; i < 8; i++) {
            int length = rand_r(&seed) % 40;
            int error = weft_spawn(&s, hurried, &length, sizeof length,
                                   OPT(.task = &tasks[i], .reactor = WEFT_ON(i % 3 != 0)));
            ck_assert(error == 0 || error == -ECANCELED);
            if (error < 0)
                break;
            if (rand_r(&seed) % 4 == 0)
                (void)weft_cancel(tasks[rand_r(&seed) % (i + 1)]);
            if (rand_r(&seed) % 4 == 0)
                (void)weft_sleep(rand_r(&seed) % 100000);
        }
        if (rand_r(&seed) % 2)
            (void)weft_scope_drain(&s, weft_after_us(rand_r(&seed) % 300),
                                   weft_after_us(rand_r(&seed) % 600));
        ck_assert_uint_eq(weft_scope_errors(&s, NULL, 0), 0);
        (void)weft_scope_close(&s);
    }
    return 0;
}
TEST(in_a_hurry)
{
    ck_assert_int_eq(run(hurry_main), 0);
}

/* -- the least loaded ----------------------------------------------------------------------------
 */

static int per_reactor[3];
static int settles(void *arg)
{
    (void)arg;
    __atomic_add_fetch(&per_reactor[weft_reactor_index()], 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&there, 1, __ATOMIC_RELEASE);
    return weft_sleep_until(WEFT_NEVER);
}
static void burst(weft_scope *scope, int count, int reactor)
{
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(weft_spawn(scope, settles, NULL, 0, OPT(.reactor = reactor)), 0);
}
/* A burst within one turn, in which nobody can publish anything, is spread; and it fills up what
   was uneven before. One away: main is here, and a peer may be seen one turn late. */
static int least_loaded_main(void *arg)
{
    (void)arg;
    for (int uneven = 0; uneven < 3; uneven++) {
        memset(per_reactor, 0, sizeof per_reactor);
        WEFT_SCOPE(s) {
            burst(&s, 30, WEFT_ON(uneven));
            wait_for_there(30);
            burst(&s, 270, WEFT_LEAST_LOADED);
            wait_for_there(270);
            for (int i = 0; i < 3; i++) {
                ck_assert_int_ge(per_reactor[i], 98);
                ck_assert_int_le(per_reactor[i], 102);
            }
            weft_scope_cancel(&s);
        }
    }
    return 0;
}
TEST(least_loaded)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 3};

    ck_assert_int_eq(weft_run(least_loaded_main, NULL, 0, &opt), 0);
}

/* -- joined where it runs ------------------------------------------------------------------------
 */

/* Touched on reactor 1 alone. */
static weft_task far_task;
static bool far_joined;

static int fails_there(void *arg)
{
    (void)arg;
    far_task = weft_current_task();
    while (!far_joined)
        ck_assert_int_eq(weft_yield(), 0);
    return -EPROTO;
}
static int joins_there(void *arg)
{
    int result = 0;

    (void)arg;
    while (!far_task.generation)
        ck_assert_int_eq(weft_yield(), 0);
    far_joined = true;
    ck_assert_int_eq(weft_await(far_task, &result), 0);
    ck_assert_int_eq(result, -EPROTO);
    ck_assert_uint_eq(weft_scope_errors(weft_root(), NULL, 0), 0); /* it fails at home */
    return 0;
}
static int joined_there_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        ck_assert_int_eq(weft_spawn(&s, fails_there, NULL, 0, OPT(.reactor = WEFT_ON(1))), 0);
        ck_assert_int_eq(weft_call(1, joins_there, NULL, 0), 0);
        while (weft_scope_tasks(&s) > 0)
            ck_assert_int_eq(weft_sleep(100000), 0);
        ck_assert_uint_eq(weft_scope_errors(&s, NULL, 0), 1);
    }
    return 0;
}
TEST(joined_where_it_runs)
{
    ck_assert_int_eq(run(joined_there_main), 0);
}

/* -- a shield at home, and a stop there ---------------------------------------------------------
 */

static int stop_seen, worked_on;
static int sees_the_stop(void *arg)
{
    (void)arg;
    is_there();
    ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_STOP);
    __atomic_store_n(&stop_seen, 1, __ATOMIC_RELEASE);
    return 0;
}
static int plant(void *arg)
{
    (void)arg;
    return weft_create_task(sees_the_stop, NULL, 0, NULL); /* in the root there */
}
static int below_a_far_task(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_cancelled(), 0);
    return weft_yield();
}
static int works_on(void *arg)
{
    (void)arg;
    is_there();
    while (!__atomic_load_n(&stop_seen, __ATOMIC_ACQUIRE))
        ck_assert_int_eq(weft_sleep(100000), 0);
    ck_assert_int_eq(weft_cancelled(), 0);
    ck_assert(weft_draining()); /* which a shield does not hide */
    WEFT_SCOPE(s)
        ck_assert_int_eq(weft_spawn(&s, below_a_far_task, NULL, 0, NULL), 0);
    __atomic_store_n(&worked_on, 1, __ATOMIC_RELEASE);
    return 5;
}
static int shield_at_home_main(void *arg)
{
    weft_scope shield;
    weft_task task;
    int result;

    (void)arg;
    ck_assert_int_eq(weft_call(1, plant, NULL, 0), 0);
    ck_assert_int_eq(weft_shield_open(&shield, weft_after_ms(60000)), 0);
    ck_assert_int_eq(weft_spawn(&shield, works_on, NULL, 0,
                                OPT(.reactor = WEFT_ON(1), .task = &task)),
                     0);
    wait_for_there(2);
    ck_assert_int_eq(weft_stop(), 0);
    ck_assert_int_eq(weft_join(task, &result), 0);
    ck_assert_int_eq(result, 5);
    ck_assert_int_eq(weft_scope_close(&shield), 0);
    return 0;
}
/* The hard half of what is left to a stop is a minute away. */
TEST(a_shield_at_home_hides_the_root_there)
{
    struct weft_run_opt opt = {.size = sizeof opt,
                               .reactors = 2,
                               .drain_ns = 1000000,
                               .cancel_ns = 120000000000};

    ck_assert_int_eq(weft_run(shield_at_home_main, NULL, 0, &opt), 0);
    ck_assert_int_eq(worked_on, 1);
}

static int meets_the_hard_stop(void *arg)
{
    (void)arg;
    is_there();
    ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_STOP);
    return 0;
}
static int hard_stop_main(void *arg)
{
    weft_scope shield;

    (void)arg;
    ck_assert_int_eq(weft_shield_open(&shield, weft_after_ms(60000)), 0);
    ck_assert_int_eq(weft_spawn(&shield, meets_the_hard_stop, NULL, 0, OPT(.reactor = WEFT_ON(1))),
                     0);
    wait_for_there(1);
    ck_assert_int_eq(weft_stop(), 0);
    (void)weft_scope_close(&shield);
    return 0;
}
TEST(the_hard_stop_ignores_a_shield_at_home)
{
    struct weft_run_opt opt = {.size = sizeof opt,
                               .reactors = 2,
                               .drain_ns = 1000000,
                               .cancel_ns = 6000000000}; /* half of it to end in */

    ck_assert_int_eq(weft_run(hard_stop_main, NULL, 0, &opt), 0);
}

/* -- a result that only looks like being cut ----------------------------------------------------
 */

static int says_canceled(void *arg)
{
    (void)arg;
    return -ECANCELED; /* refused nothing */
}

/* The scope around is cancelled, but nobody in here met that: it is a failure, as of a near child.
 */
static int says_canceled_main(void *arg)
{
    weft_scope outer, inner;

    (void)arg;
    for (int reactor = 0; reactor < 2; reactor++) {
        ck_assert_int_eq(weft_scope_open(&outer, NULL), 0);
        ck_assert_int_eq(
            weft_scope_open(&inner, &(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt),
                                                             .on_error = WEFT_KEEP_GOING}),
            0);
        ck_assert_int_eq(weft_spawn(&inner, says_canceled, NULL, 0,
                                    OPT(.reactor = WEFT_ON(reactor))),
                         0);
        ck_assert_int_eq(weft_scope_cancel(&outer), 1);
        ck_assert_int_eq(weft_scope_close(&inner), 0);
        ck_assert_int_eq(weft_scope_close(&outer), 0);
    }
    return 0;
}
TEST(canceled_by_its_own_word)
{
    ck_assert_int_eq(run(says_canceled_main), 0);
}

/* What a called function returns has no cause, whatever the caller was told before. */
static int cause_of_a_call_main(void *arg)
{
    weft_scope s;

    (void)arg;
    ck_assert_int_eq(weft_scope_open(&s,
                                     &(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt),
                                                              .deadline = 1}),
                     0);
    ck_assert_int_eq(weft_yield(), -ECANCELED);
    ck_assert_int_eq(weft_scope_close(&s), -ETIMEDOUT);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DEADLINE);
    ck_assert_int_eq(weft_call(1, says_canceled, NULL, 0), -ECANCELED);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_NONE);
    return 0;
}
TEST(cause_of_a_call)
{
    ck_assert_int_eq(run(cause_of_a_call_main), 0);
}

TEST_MAIN("api.remote", 60, the_cause_is_the_one_at_home, drain_then_cancel_then_hard,
          an_idle_wait_drains, requests_are_the_far_tasks_own, two_requests_in_one_turn, in_a_hurry,
          least_loaded, joined_where_it_runs, canceled_by_its_own_word, cause_of_a_call,
          a_shield_at_home_hides_the_root_there, the_hard_stop_ignores_a_shield_at_home)
