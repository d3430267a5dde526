/*
 * Signals: awaited, told to callbacks, many of them, and everything put back afterwards. Catches
 * one that is lost, told twice or told to who took it no more, a mask or a handler that stays, and
 * a signal taken twice.
 */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#include <weft/sim.h>
#include <weft/weft.h>

#include "support/misuse.h"
#include "support/test.h"

#define same(a, b) ck_assert_int_eq((a), (b))

/* Where weft-sim is linked, and nowhere else. */
extern __typeof__(weft_sim_signal) weft_sim_signal __attribute__((weak));

static void raise_here(int number, int value)
{
    if (weft_sim_signal)
        same(weft_sim_signal(number, value), 0);
    else if (value)
        same(sigqueue(getpid(), number, (union sigval){.sival_int = value}), 0);
    else
        same(kill(getpid(), number), 0);
}

static bool is_blocked(int number)
{
    sigset_t set;

    pthread_sigmask(SIG_BLOCK, NULL, &set);
    return sigismember(&set, number) == 1;
}

static bool is_default(int number)
{
    struct sigaction action;

    same(sigaction(number, NULL, &action), 0);
    return action.sa_handler == SIG_DFL;
}

static void run(weft_task_fn fn)
{
    same(weft_run(fn, NULL, 0, NULL), 0);
    for (int number = SIGUSR1; number <= SIGUSR2; number += SIGUSR2 - SIGUSR1) {
        ck_assert(!is_blocked(number));
        ck_assert(is_default(number));
    }
    ck_assert(!is_blocked(SIGRTMIN));
}

static weft_signals *take(int first, int second)
{
    const int numbers[] = {first, second};
    weft_signals *signals = NULL;

    same(weft_signals_open(numbers, second ? 2 : 1, &signals), 0);
    return signals;
}

/* -- awaited ------------------------------------------------------------------------------------
 */

static int sends_later(void *arg)
{
    same(weft_sleep(1000000), 0);
    raise_here(*(int *)arg, 0);
    return 0;
}

static int main_awaited(void *arg)
{
    weft_signals *signals = take(SIGUSR1, SIGUSR2);
    struct weft_signal signal = {.number = 0};
    int number = SIGUSR2;

    (void)arg;
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, sends_later, &number, sizeof number, NULL), 0);
        same(weft_signals_wait(signals, &signal), SIGUSR2);
        same(signal.number, SIGUSR2);
        ck_assert_int_gt(signal.pid, 0);
    }
    raise_here(SIGUSR1, 0); /* before anybody waits: kept; many are one */
    raise_here(SIGUSR1, 0);
    raise_here(SIGUSR2, 0);
    same(weft_signals_wait(signals, NULL), SIGUSR1);
    same(weft_signals_wait(signals, NULL), SIGUSR2);
    raise_here(SIGUSR1, 0); /* dropped */
    same(weft_signals_close(signals), 0);

    WEFT_SCOPE(s) {
        number = SIGUSR1;
        same(weft_spawn(&s, sends_later, &number, sizeof number, NULL), 0);
        same(weft_signal_wait(SIGUSR1, NULL), SIGUSR1);
    }
    return 0;
}

TEST(awaited)
{
    run(main_awaited);
}

/* Real-time ones are queued, in order, with their values. */
static int main_queued(void *arg)
{
    weft_signals *signals = take(SIGRTMIN, SIGRTMIN + 1);
    struct weft_signal signal;

    (void)arg;
    for (int value = 1; value <= 100; value++)
        raise_here(SIGRTMIN, value);
    raise_here(SIGRTMIN + 1, 7);
    for (int value = 1; value <= 100; value++) {
        same(weft_signals_wait(signals, &signal), SIGRTMIN);
        same(signal.value, value);
    }
    same(weft_signals_wait(signals, &signal), SIGRTMIN + 1);
    same(signal.value, 7);
    return weft_signals_close(signals);
}

TEST(queued)
{
    run(main_queued);
}

static int waits(void *arg)
{
    return weft_signals_wait(*(weft_signals **)arg, NULL);
}

static int main_cancelled(void *arg)
{
    weft_signals *signals = take(SIGUSR1, 0);
    struct weft_spawn_opt opt = {.size = sizeof opt};
    weft_task tasks[2];
    int result = 0;

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        opt.task = &tasks[0];
        same(weft_spawn(&s, waits, &signals, sizeof signals, &opt), 0);
        same(weft_yield(), 0);
        same(weft_cancel(tasks[0]), 1);
        same(weft_join(tasks[0], &result), 0);
        same(result, -ECANCELED);
        raise_here(SIGUSR1, 0);
        same(weft_signals_wait(signals, NULL), SIGUSR1); /* the cancelled one has not taken it */
        for (int i = 0; i < 2; i++) {
            opt.task = &tasks[i];
            same(weft_spawn(&s, waits, &signals, sizeof signals, &opt), 0);
        }
        same(weft_yield(), 0);
        same(weft_signals_close(signals), 0); /* they are told, and gone */
        for (int i = 0; i < 2; i++) {
            same(weft_join(tasks[i], &result), 0);
            ck_assert(result == -ECANCELED || result == -EBADF);
        }
    }
    return 0;
}

TEST(cancelled_and_closed)
{
    run(main_cancelled);
}

struct beginner {
    weft_signals *signals;
    weft_event *begun;
};

static int begins_to_wait(void *arg)
{
    struct beginner *beginner = arg;

    (void)weft_event_set(beginner->begun);
    return weft_signals_wait(beginner->signals, NULL);
}

/* Closed by who was told that somebody is about to wait, where a wait may give way first. */
static int main_begun(void *arg)
{
    weft_event begun = WEFT_EVENT_INIT;
    struct beginner beginner = {take(SIGUSR1, 0), &begun};
    struct weft_spawn_opt opt = {.size = sizeof opt};
    int result = 0;
    weft_task task;

    (void)arg;
    opt.task = &task;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        same(weft_spawn(&s, begins_to_wait, &beginner, sizeof beginner, &opt), 0);
        same(weft_event_wait(&begun), 0);
        same(weft_signals_close(beginner.signals), 0);
        same(weft_join(task, &result), 0);
        ck_assert(result == -ECANCELED || result == -EBADF);
    }
    return 0;
}

TEST(closed_as_a_wait_begins)
{
    run(main_begun);
}

static int closes(void *arg)
{
    return weft_signals_close(*(weft_signals **)arg);
}

/* Closed while that is under way: the kernel has yet to end what somebody waits by. */
static int main_closed_twice(void *arg)
{
    weft_signals *signals = take(SIGUSR1, 0);

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        same(weft_spawn(&s, waits, &signals, sizeof signals, NULL), 0);
        same(weft_yield(), 0);
        same(weft_spawn(&s, closes, &signals, sizeof signals, NULL), 0);
        same(weft_yield(), 0);
        same(weft_signals_close(signals), -EALREADY);
    }
    return 0;
}

TEST(closed_twice)
{
    run(main_closed_twice);
}

/* -- handlers -----------------------------------------------------------------------------------
 */

static int told, told_sum;

static void counts(const struct weft_signal *signal, void *arg)
{
    same(signal->number, *(int *)arg);
    same(weft_sleep(1), -EPERM); /* a callback */
    told++;
    told_sum += signal->value;
}

static void removes(const struct weft_signal *signal, void *arg)
{
    (void)arg;
    told += 100;
    same(weft_remove_signal_handler(signal->number), 1);
}

static int main_handlers(void *arg)
{
    static int number = SIGUSR1, other = SIGUSR2;

    (void)arg;
    told = 0;
    same(weft_add_signal_handler(SIGUSR1, counts, &number), 0);
    same(weft_add_signal_handler(SIGUSR2, counts, &other), 0);
    for (int i = 1; i <= 5; i++) {
        raise_here(SIGUSR1, 0);
        raise_here(SIGUSR2, 0);
        while (told < 2 * i)
            same(weft_sleep(100000), 0);
    }
    same(told, 10);
    same(weft_add_signal_handler(SIGUSR1, removes, NULL), 0); /* in its place */
    raise_here(SIGUSR1, 0);
    while (told < 110)
        same(weft_sleep(100000), 0);
    same(weft_remove_signal_handler(SIGUSR1), 0);
    same(weft_remove_signal_handler(SIGUSR2), 1);
    same(weft_remove_signal_handler(SIGUSR2), 0);
    ck_assert(!is_blocked(SIGUSR1));
    ck_assert(is_default(SIGUSR2));
    same(weft_add_signal_handler(SIGUSR1, counts, &number), 0); /* once more */
    raise_here(SIGUSR1, 0);
    while (told < 111)
        same(weft_sleep(100000), 0);
    return 0; /* left to the run */
}

TEST(handlers)
{
    run(main_handlers);
}

/* Ten thousand: each is told, once. */
static int main_storm(void *arg)
{
    static int number;

    (void)arg;
    number = SIGRTMIN + 2;
    told = told_sum = 0;
    same(weft_add_signal_handler(number, counts, &number), 0);
    for (int i = 1; i <= 10000; i++) {
        raise_here(number, i);
        if (i % 500 == 0)
            same(weft_yield(), 0);
    }
    while (told < 10000)
        same(weft_sleep(100000), 0);
    same(told_sum, 10000 * 10001 / 2);
    return 0;
}

TEST(storm)
{
    run(main_storm);
}

/* -- whose they are -----------------------------------------------------------------------------
 */

static int elsewhere(void *arg)
{
    const int number = SIGUSR2;
    weft_signals *signals = *(weft_signals **)arg, *own;

    same(weft_signals_open(&number, 1, &own), -EXDEV);
    same(weft_signals_wait(signals, NULL), -EXDEV);
    same(weft_signals_close(signals), -EXDEV);
    same(weft_add_signal_handler(SIGUSR2, counts, NULL), -EXDEV);
    same(weft_remove_signal_handler(SIGUSR2), -EXDEV);
    return 0;
}

static int main_busy(void *arg)
{
    const int both[] = {SIGUSR2, SIGUSR1}, bad[] = {SIGUSR2, SIGKILL}, none[] = {SIGUSR2, 65};
    weft_signals *signals = take(SIGUSR1, 0), *other = NULL;

    (void)arg;
    same(weft_signals_open(both, 2, &other), -EBUSY);
    same(weft_add_signal_handler(SIGUSR1, counts, NULL), -EBUSY);
    same(weft_signal_wait(SIGUSR1, NULL), -EBUSY);
    same(weft_signals_open(bad, 2, &other), -EINVAL);
    same(weft_signals_open(none, 2, &other), -EINVAL);
    same(weft_signals_open(NULL, 1, &other), -EINVAL);
    same(weft_signals_open(both, 0, &other), -EINVAL);
    same(weft_signals_open(both, 2, NULL), -EINVAL);
    same(weft_signals_wait(NULL, NULL), -EINVAL);
    same(weft_signals_close(NULL), 0);
    same(weft_add_signal_handler(SIGUSR2, NULL, NULL), -EINVAL);
    same(weft_add_signal_handler(SIGSEGV, counts, NULL), -EINVAL);
    same(weft_add_signal_handler(SIGSYS, counts, NULL), -EINVAL); /* a call may come as one */
    same(weft_add_signal_handler(-1, counts, NULL), -EINVAL);
    same(weft_signal_wait(65, NULL), -EINVAL);
    same(weft_signal_wait(32, NULL), -EINVAL); /* the C library's own */
    same(weft_remove_signal_handler(-1), 0);
    ck_assert(!is_blocked(SIGUSR2)); /* what was refused has changed nothing */
    same(weft_call(1, elsewhere, &signals, sizeof signals), 0);
    return weft_signals_close(signals);
}

TEST(busy)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    same(weft_signals_open(NULL, 0, NULL), -EPERM);
    same(weft_signals_wait((weft_signals *)&opt, NULL), -EPERM);
    same(weft_signals_close(NULL), -EPERM);
    same(weft_add_signal_handler(SIGUSR1, counts, NULL), -EPERM);
    same(weft_remove_signal_handler(SIGUSR1), -EPERM);
    same(weft_run(main_busy, NULL, 0, &opt), 0);
    ck_assert(!is_blocked(SIGUSR1));
}

/* -- with threads and handlers of the program's own ---------------------------------------------
 */

static void *gets_a_signal(void *arg)
{
    for (int i = 1; i <= 20; i++) { /* to itself, who blocks nothing */
        union sigval value = {.sival_int = i};
        same(pthread_sigqueue(pthread_self(), SIGRTMIN, value), 0);
    }
    ck_assert(!is_blocked(SIGRTMIN)); /* and it stays so */
    return arg;
}

static sigset_t without_any;

/* A thread of the program's that lets everything through: it is made before the mask changes. */
static void *unblocked(void *arg)
{
    pthread_sigmask(SIG_SETMASK, &without_any, NULL);
    return gets_a_signal(arg);
}

static int main_unblocked(void *arg)
{
    weft_signals *signals = take(SIGRTMIN, 0);
    struct weft_signal signal;
    pthread_t thread;

    (void)arg;
    same(pthread_create(&thread, NULL, unblocked, NULL), 0);
    pthread_join(thread, NULL);
    for (int i = 1; i <= 20; i++) {
        same(weft_signals_wait(signals, &signal), SIGRTMIN);
        same(signal.value, i);
        same(signal.pid, (int)getpid());
    }
    return weft_signals_close(signals);
}

TEST(another_thread)
{
    sigemptyset(&without_any);
    run(main_unblocked);
}

static int main_term(void *arg)
{
    weft_signals *signals = take(SIGTERM, 0);

    (void)arg;
    raise_here(SIGTERM, 0);
    same(weft_signals_wait(signals, NULL), SIGTERM);
    same(weft_yield(), 0);
    ck_assert(!weft_draining()); /* it was ours, and no stop */
    same(weft_signals_close(signals), 0);
    raise_here(SIGTERM, 0); /* and now it is that again */
    same(weft_sleep(10000000000), -ECANCELED);
    same(weft_cause(), WEFT_CAUSE_STOP);
    return 0;
}

TEST(beside_stop_on_sigterm)
{
    struct weft_run_opt opt = {.size = sizeof opt, .stop_on_sigterm = true, .drain_ns = 1000000};
    struct sigaction before, after;

    same(sigaction(SIGTERM, NULL, &before), 0); /* the harness has one, too */
    same(weft_run(main_term, NULL, 0, &opt), 0);
    same(sigaction(SIGTERM, NULL, &after), 0);
    ck_assert_ptr_eq(before.sa_handler, after.sa_handler);
    ck_assert(!is_blocked(SIGTERM));
}

TEST_MAIN("signal", 60, awaited, queued, cancelled_and_closed, closed_as_a_wait_begins,
          closed_twice, handlers, storm, busy, another_thread, beside_stop_on_sigterm)
