/*
 * weft/loop.h: runs one after another, stopping, leftovers, several loops on one thread and on two,
 * steps, and what is refused.
 */
#include "support/test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

#define CALL_OPT(...) (&(struct weft_call_opt){.size = sizeof(struct weft_call_opt), __VA_ARGS__})
#define RUN_OPT(...) (&(struct weft_run_opt){.size = sizeof(struct weft_run_opt), __VA_ARGS__})
#define MS INT64_C(1000000)

static weft_loop *new_loop(const struct weft_run_opt *opt)
{
    weft_loop *loop = NULL;

    ck_assert_int_eq(weft_loop_new(&loop, opt), 0);
    ck_assert_ptr_nonnull(loop);
    return loop;
}

/* What happened, in order. */
static char said[256];
static void say(const char *what)
{
    strncat(said, what, sizeof said - strlen(said) - 1);
    strncat(said, " ", sizeof said - strlen(said) - 1);
}

/* Is the signal left to what it does by default? */
static bool does_nothing_about(int number)
{
    struct sigaction now;

    ck_assert_int_eq(sigaction(number, NULL, &now), 0);
    return !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL;
}

/* -- callbacks --------------------------------------------------------------------------------- */

struct handler {
    weft_loop *loop;
    bool stop;
};
static void handle(void *arg)
{
    struct handler *handler = arg;

    say("handler");
    ck_assert_ptr_eq(weft_loop_current(), handler->loop);
    ck_assert(weft_loop_running(handler->loop));
    if (handler->stop)
        ck_assert_int_eq(weft_loop_stop(handler->loop), 0);
}
/* The event handlers of the asyncio tutorials. */
TEST(started_handled_stopped_closed)
{
    weft_loop *loop = new_loop(NULL);
    struct handler first = {loop, false}, last = {loop, true};

    said[0] = 0;
    ck_assert_int_eq(weft_loop_call_soon(loop, handle, &first, NULL), 0);
    say("started");
    ck_assert_int_eq(weft_loop_call_soon(loop, handle, &last, NULL), 0);
    ck_assert(!weft_loop_running(loop));
    ck_assert_int_eq(weft_loop_run_forever(loop), 0);
    say("stopped");
    ck_assert(!weft_loop_running(loop));
    ck_assert_int_eq(weft_loop_close(loop), 0);
    say("closed");
    ck_assert_str_eq(said, "started handler handler stopped closed ");
}

static void say_it(void *arg)
{
    say(arg);
}
static void drop_it(void *arg)
{
    say("drop");
    say(arg);
}
static void stops_and_asks(void *arg)
{
    weft_loop *loop = arg;

    say("a");
    ck_assert_int_eq(weft_loop_stop(loop), 0);
    ck_assert_int_eq(weft_loop_stop(loop), 0); /* again is no error */
    ck_assert_int_eq(weft_call_soon(say_it, "c", NULL), 0);
}
/* Catches: a stop that cuts off what was ready, or lets through what was asked for after it. */
TEST(stop_ends_after_what_is_ready)
{
    weft_loop *loop = new_loop(NULL);

    said[0] = 0;
    ck_assert_int_eq(weft_loop_call_soon(loop, stops_and_asks, loop, NULL), 0);
    ck_assert_int_eq(weft_loop_call_soon(loop, say_it, "b", NULL), 0);
    ck_assert_int_eq(weft_loop_run_forever(loop), 0);
    ck_assert_str_eq(said, "a b ");
    ck_assert_int_eq(weft_loop_stop(loop), 0); /* between two runs: one pass */
    ck_assert_int_eq(weft_loop_call_soon(loop, say_it, "d", CALL_OPT(.drop = drop_it)), 0);
    ck_assert_int_eq(weft_loop_run_forever(loop), 0);
    ck_assert_str_eq(said, "a b c ");
    ck_assert_int_eq(weft_loop_call_later(loop, 60000 * MS, say_it, "e", CALL_OPT(.drop = drop_it)),
                     0);
    ck_assert_int_eq(weft_loop_call_at(loop, WEFT_NEVER, say_it, "f", CALL_OPT(.drop = drop_it)),
                     0);
    ck_assert_int_eq(weft_loop_close(loop), 0);
    ck_assert_str_eq(said, "a b c drop f drop e drop d ");
}

/* -- tasks ------------------------------------------------------------------------------------- */

static int doubles(void *arg)
{
    int value = *(int *)arg;

    if (weft_sleep(MS) < 0)
        return -ECANCELED;
    return 2 * value;
}
static int points(void *arg)
{
    *(int *)arg += 1;
    return 7;
}
TEST(runs_to_an_end_again_and_again)
{
    weft_loop *loop = new_loop(NULL);
    int value = 0;

    for (int i = 1; i <= 5; i++)
        ck_assert_int_eq(weft_loop_run(loop, doubles, &i, sizeof i), 2 * i);
    ck_assert_int_eq(weft_loop_run(loop, points, &value, 0), 7); /* the pointer itself */
    ck_assert_int_eq(value, 1);
    ck_assert_int_eq(weft_loop_close(loop), 0);
}

static int ended;
static int goes_on(void *arg)
{
    int error = weft_sleep(*(int64_t *)arg);

    ended++;
    return error;
}
static int stops_the_loop(void *arg)
{
    int error;

    ck_assert_int_eq(weft_loop_stop(*(weft_loop **)arg), 0);
    error = weft_sleep(MS);
    ended++;
    return error;
}
/* Catches: tasks lost between two runs; a run that is stopped and writes into the next one. */
TEST(tasks_go_on_in_the_next_run)
{
    weft_loop *loop = new_loop(NULL);
    int64_t span = 2 * MS;
    int value = 21;

    ended = 0;
    ck_assert_int_eq(weft_loop_create_task(loop, goes_on, &span, sizeof span, NULL), 0);
    ck_assert_int_eq(weft_loop_run(loop, stops_the_loop, &loop, sizeof loop), -EINTR);
    ck_assert_int_eq(ended, 0);
    while (ended < 2)
        ck_assert_int_eq(weft_loop_run(loop, doubles, &value, sizeof value), 42);
    ck_assert_int_eq(weft_loop_close(loop), 0);
}

static int named;
static char names[64];
static void name_leftover(const struct weft_task_info *info, bool held, void *context)
{
    (void)context;
    named += held ? 100 : 1;
    strncat(names, info->name, sizeof names - strlen(names) - 1);
}
static int forgets(void *arg)
{
    static const char *const called[] = {"a", "b", "c"};
    int64_t span = 3600000 * MS;

    (void)arg;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(weft_spawn(weft_root(), goes_on, &span, sizeof span,
                                    &(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt),
                                                             .name = called[i]}),
                         0);
    return weft_yield();
}
/* Catches: forgotten tasks that are neither named, nor cancelled, nor joined. */
TEST(leftovers_are_named_and_joined)
{
    weft_loop *loop = new_loop(RUN_OPT(.on_leftover = name_leftover));

    named = ended = 0;
    names[0] = 0;
    ck_assert_int_eq(weft_loop_run(loop, forgets, NULL, 0), 0);
    ck_assert_int_eq(ended, 0);
    ck_assert_int_eq(weft_loop_close(loop), 0);
    ck_assert_int_eq(named, 3);
    ck_assert_str_eq(names, "abc");
    ck_assert_int_eq(ended, 3);
}

static int stubborn(void *arg)
{
    (void)arg;
    while (weft_sleep(MS) <= 0)
        ;
    return 0;
}
TEST(held_at_the_close)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) { /* what it held is leaked on purpose: not here */
        weft_loop *loop = new_loop(
            RUN_OPT(.on_leftover = name_leftover, .cancel_ns = 20 * MS, .dump_signal = SIGUSR1));

        ck_assert_int_eq(weft_loop_create_task(loop, stubborn, NULL, 0, NULL), 0);
        int result = weft_loop_close(loop);
        test_save_coverage();
        _exit(result == -ETIMEDOUT && does_nothing_about(SIGUSR1) ? named : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 101); /* once when cancelled, once when given up */
}

static int drains(void *arg)
{
    (void)arg;
    while (!weft_draining())
        ck_assert_int_eq(weft_sleep(MS), 0);
    ended++;
    return 0;
}
static int stops_all(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_create_task(drains, NULL, 0, NULL), 0);
    return weft_stop();
}
TEST(stop_of_everything)
{
    for (int empty = 0; empty < 2; empty++) {
        weft_loop *loop = new_loop(NULL);

        ended = 0;
        if (empty) {
            weft_inbox *inbox = weft_loop_inbox(loop);
            ck_assert_int_eq(weft_stop_post(inbox), 0);
            weft_inbox_put(inbox);
        } else {
            ck_assert_int_eq(weft_loop_create_task(loop, stops_all, NULL, 0, NULL), 0);
        }
        ck_assert_int_eq(weft_loop_run_forever(loop), -ESHUTDOWN);
        ck_assert_int_eq(ended, empty ? 0 : 1);
        ck_assert_int_eq(weft_loop_run_forever(loop), -ESHUTDOWN);
        ck_assert_int_eq(weft_loop_run(loop, drains, NULL, 0), -ESHUTDOWN);
        ck_assert_int_eq(weft_loop_create_task(loop, drains, NULL, 0, NULL), -ESHUTDOWN);
        ck_assert_int_eq(weft_loop_close(loop), 0);
    }
}

/* -- several ----------------------------------------------------------------------------------- */

static int knows_its_loop(void *arg)
{
    weft_loop *loop = *(weft_loop **)arg;

    for (int i = 0; i < 10; i++) {
        ck_assert_ptr_eq(weft_loop_current(), loop);
        ck_assert_int_eq(weft_sleep(MS / 10), 0);
    }
    return 1;
}
/* Closed in the order made: neither leaves a signal stack that is no more. */
TEST(two_closed_in_the_order_made)
{
    weft_loop *first, *second;
    stack_t before, after;

    ck_assert_int_eq(sigaltstack(NULL, &before), 0);
    first = new_loop(NULL);
    second = new_loop(NULL);
    ck_assert_int_eq(weft_loop_close(first), 0);
    ck_assert_int_eq(weft_loop_run(second, knows_its_loop, &second, sizeof second), 1);
    ck_assert_int_eq(weft_loop_close(second), 0);
    ck_assert_int_eq(sigaltstack(NULL, &after), 0);
    ck_assert_int_eq(after.ss_flags, before.ss_flags);
    if (!(after.ss_flags & SS_DISABLE)) /* else it is what it was last, for valgrind */
        ck_assert_ptr_eq(after.ss_sp, before.ss_sp);
}

/* Catches: a loop that takes its neighbour's tasks for its own. */
TEST(two_on_one_thread)
{
    weft_loop *a = new_loop(NULL), *b = new_loop(NULL);
    int64_t span = MS;

    ended = 0;
    ck_assert_int_eq(weft_loop_create_task(a, goes_on, &span, sizeof span, NULL), 0);
    ck_assert_int_eq(weft_loop_run(b, knows_its_loop, &b, sizeof b), 1);
    ck_assert_int_eq(ended, 0); /* a does not turn meanwhile */
    while (ended == 0)
        ck_assert_int_eq(weft_loop_run(a, knows_its_loop, &a, sizeof a), 1);
    ck_assert_int_eq(weft_loop_close(a), 0);
    ck_assert_int_eq(weft_loop_run(b, knows_its_loop, &b, sizeof b), 1);
    ck_assert_int_eq(weft_loop_close(b), 0);
}

static void *thread_of_its_own(void *arg)
{
    weft_loop *loop = new_loop(NULL);

    (void)arg;
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(weft_loop_run(loop, knows_its_loop, &loop, sizeof loop), 1);
    ck_assert_int_eq(weft_loop_close(loop), 0);
    return NULL;
}
TEST(two_threads_two_loops)
{
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, thread_of_its_own, NULL), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}

/* The last thing that a loop does wakes a runtime on another thread, asleep by then; the loop does
   not turn again before that one has ended. */
static weft_event last_word = WEFT_EVENT_SHARED_INIT;
static int waits_for_it(void *arg)
{
    (void)arg;
    return weft_event_wait(&last_word);
}
static void *another_runtime(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_run(waits_for_it, NULL, 0, RUN_OPT(.reactors = 1)), 0);
    return NULL;
}
static int says_it(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_sleep(20 * MS), 0); /* the other one has gone to sleep */
    return weft_event_set(&last_word);
}
TEST(wakes_another_runtime)
{
    weft_loop *loop = new_loop(NULL);
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, another_runtime, NULL), 0);
    ck_assert_int_eq(weft_loop_run(loop, says_it, NULL, 0), 1);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(weft_loop_close(loop), 0);
}

static int runs_a_loop(void *arg)
{
    weft_loop *loop = NULL;

    ck_assert_int_eq(weft_loop_new(&loop, NULL), -EDEADLK);
    ck_assert_ptr_null(loop);
    ck_assert_ptr_null(weft_loop_current()); /* weft_run's is no loop */
    loop = *(weft_loop **)arg;
    ck_assert_int_eq(weft_loop_run(loop, points, NULL, 0), -EDEADLK);
    ck_assert_int_eq(weft_loop_run_forever(loop), -EDEADLK);
    ck_assert_int_eq(weft_loop_step(loop, false), -EDEADLK);
    ck_assert_int_eq(weft_loop_close(loop), -EDEADLK);
    ck_assert_int_eq(weft_loop_create_task(loop, points, NULL, 0, NULL), -EDEADLK);
    ck_assert_int_eq(weft_loop_call_soon(loop, say_it, "", NULL), -EDEADLK);
    return weft_loop_stop(loop); /* another one's */
}
static int closes_its_own(void *arg)
{
    weft_loop *loop = *(weft_loop **)arg;

    return weft_loop_close(loop);
}
TEST(refused_inside)
{
    weft_loop *loop = new_loop(NULL);

    ck_assert_int_eq(weft_run(runs_a_loop, &loop, sizeof loop, NULL), -EPERM);
    ck_assert_int_eq(weft_loop_run(loop, closes_its_own, &loop, sizeof loop), -EDEADLK);
    ck_assert_int_eq(weft_loop_close(loop), 0);
}

static void *from_elsewhere(void *arg)
{
    weft_loop *loop = arg;

    ck_assert_int_eq(weft_loop_run_forever(loop), -EPERM);
    ck_assert_int_eq(weft_loop_stop(loop), -EPERM);
    ck_assert_int_eq(weft_loop_close(loop), -EPERM);
    return NULL;
}
TEST(another_threads)
{
    weft_loop *loop = new_loop(NULL);
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, from_elsewhere, loop), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(weft_loop_close(loop), 0);
}

TEST(bad_arguments)
{
    weft_loop *loop = new_loop(NULL), *none = NULL;
    char large[WEFT_ARG_SIZE_MAX + 1] = "";

    ck_assert_int_eq(weft_loop_new(NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_loop_new(&none, RUN_OPT(.reactors = 2)), -EINVAL);
    ck_assert_ptr_null(none);
    ck_assert_int_eq(weft_loop_run(NULL, points, NULL, 0), -EINVAL);
    ck_assert_int_eq(weft_loop_run(loop, NULL, NULL, 0), -EINVAL);
    ck_assert_int_eq(weft_loop_run(loop, points, NULL, 4), -EINVAL);
    ck_assert_int_eq(weft_loop_run(loop, points, large, sizeof large), -E2BIG);
    ck_assert_int_eq(weft_loop_run_forever(NULL), -EINVAL);
    ck_assert_int_eq(weft_loop_stop(NULL), -EINVAL);
    ck_assert_int_eq(weft_loop_step(NULL, false), -EINVAL);
    ck_assert_int_eq(weft_loop_fd(NULL), -EINVAL);
    ck_assert_int_eq(weft_loop_create_task(loop, NULL, NULL, 0, NULL), -EINVAL);
    ck_assert_int_eq(weft_loop_call_at(loop, 0, NULL, NULL, NULL), -EINVAL);
    ck_assert(!weft_loop_running(NULL));
    ck_assert_ptr_null(weft_loop_current());
    ck_assert_ptr_null(weft_loop_inbox(NULL));
    ck_assert_int_eq(weft_loop_close(NULL), 0);
    ck_assert_int_eq(weft_loop_close(loop), 0);
}

/* Catches: what a loop has changed of the process left as it is, whether it came to be or not. */
TEST(no_descriptors_left)
{
    struct rlimit limit, none_left = {3, 0};
    weft_loop *loop = NULL;
    char text[128] = "";

    signal(SIGPIPE, SIG_DFL); /* ignored while there is a loop */
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none_left.rlim_max = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none_left), 0);
    ck_assert_int_eq(weft_loop_new(&loop,
                                   RUN_OPT(.error_text = text, .error_text_size = sizeof text)),
                     -EMFILE);
    ck_assert_ptr_null(loop);
    ck_assert_uint_gt(strlen(text), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert(does_nothing_about(SIGPIPE));
    loop = new_loop(RUN_OPT(.dump_signal = SIGUSR1)); /* nothing of the failed one is in the way */
    ck_assert(!does_nothing_about(SIGPIPE) && !does_nothing_about(SIGUSR1));
    ck_assert_int_eq(weft_loop_close(loop), 0);
    ck_assert(does_nothing_about(SIGPIPE) && does_nothing_about(SIGUSR1));
}

static int sleeps_on(void *arg)
{
    (void)arg;
    return weft_sleep(INT64_C(3600) * 1000 * MS);
}

/* Catches: memory of a call that could not begin. */
TEST(no_room_for_the_call)
{
    weft_loop *loop = new_loop(RUN_OPT(.tasks_max = 1));

    ck_assert_int_eq(weft_loop_create_task(loop, sleeps_on, NULL, 0, NULL), 0);
    ck_assert_int_eq(weft_loop_run(loop, points, NULL, 0), -EAGAIN);
    ck_assert_int_eq(weft_loop_close(loop), 0);
}

static int asks_too_late(void *arg)
{
    weft_inbox *inbox = weft_inbox_here();

    ck_assert_int_eq(weft_loop_stop(*(weft_loop **)arg), 0);
    ck_assert_int_eq(weft_cancel_post(inbox, (weft_task){0, 0}), 0); /* behind the stop */
    weft_inbox_put(inbox);
    return 0;
}

/* Catches: memory of a cancellation that nobody will carry out; the place of a stop that is given
   back though the stop stands in it. */
TEST(closed_before_it_came_to_it)
{
    weft_loop *loop = new_loop(NULL);

    ck_assert_int_eq(weft_loop_create_task(loop, asks_too_late, &loop, sizeof loop, NULL), 0);
    ck_assert_int_eq(weft_loop_run_forever(loop), 0);
    ck_assert_int_eq(weft_loop_stop(loop), 0);
    ck_assert_int_eq(weft_loop_close(loop), 0);
}

/* -- steps ------------------------------------------------------------------------------------- */

TEST(turned_by_hand)
{
    weft_loop *loop = new_loop(NULL);
    weft_handle late = WEFT_HANDLE_INIT;
    int64_t span = 2 * MS, next = 1, when;

    ended = 0;
    said[0] = 0;
    ck_assert_int_eq(weft_loop_create_task(loop, goes_on, &span, sizeof span, NULL), 0);
    while (next == 1) /* until it sleeps */
        next = weft_loop_step(loop, false);
    ck_assert_int_gt(next, weft_now() - 60000 * MS);
    ck_assert_int_ne(next, WEFT_NEVER);
    while (ended == 0)
        ck_assert_int_ge(weft_loop_step(loop, true), 0);
    while ((next = weft_loop_step(loop, false)) == 1)
        ;
    ck_assert_int_eq(next, WEFT_NEVER);
    when = weft_after_ms(60000);
    ck_assert_int_eq(weft_loop_call_at(loop, when, say_it, "late", CALL_OPT(.handle = &late)), 0);
    next = weft_loop_step(loop, false);
    ck_assert_int_gt(next,
                     weft_now()); /* a look in between is no harm; later than it is would be */
    ck_assert_int_le(next, when + MS);
    ck_assert_int_eq(weft_loop_call_soon(loop, say_it, "soon", NULL), 0);
    ck_assert_int_ge(weft_loop_step(loop, false), 0);
    ck_assert_str_eq(said, "soon ");
    ck_assert_int_eq(weft_loop_close(loop), 0);
    ck_assert(!weft_handle_cancelled(&late)); /* dropped, not cancelled */
}

/* -- in a loop of another kind -------------------------------------------------------------------
 */

enum { ROUNDS = 200, POSTS = 2000 };
static int rounds_done, timers_done, posts_done;

static int echoes(void *arg)
{
    int listener = *(int *)arg, fd = weft_accept(listener, NULL, NULL, 0);
    char byte;

    ck_assert_int_ge(fd, 0);
    while (weft_recv(fd, &byte, 1, 0) == 1)
        ck_assert_int_eq(weft_send(fd, &byte, 1, 0), 1);
    ck_assert_int_eq(weft_close(fd), 0);
    return weft_close(listener);
}
static int talks(void *arg)
{
    char address[64];
    int listener = weft_listen_tcp("127.0.0.1:0", NULL), fd;

    (void)arg;
    snprintf(address, sizeof address, "127.0.0.1:%d", weft_local_port(listener));
    ck_assert_int_eq(weft_create_task(echoes, &listener, sizeof listener, NULL), 0);
    fd = weft_connect_tcp(address, NULL);
    for (; rounds_done < ROUNDS; rounds_done++) {
        char byte = (char)rounds_done, back = 0;
        ck_assert_int_eq(weft_send(fd, &byte, 1, 0), 1);
        ck_assert_int_eq(weft_recv(fd, &back, 1, 0), 1);
        ck_assert_int_eq(back, byte);
    }
    return weft_close(fd);
}
static void count_timer(void *arg)
{
    if (++timers_done < 10)
        ck_assert_int_eq(weft_call_later(MS, count_timer, arg, NULL), 0);
}
static void count_post(void *arg)
{
    (void)arg;
    posts_done++;
}
static void *posts_from_outside(void *arg)
{
    for (int i = 0; i < POSTS; i++) {
        ck_assert_int_eq(weft_post(arg, count_post, NULL, NULL), 0);
        if (i % 100 == 0)
            usleep(500); /* so that the loop falls asleep in between */
    }
    return NULL;
}
/* How long epoll may sleep: forever means that only the descriptor can wake it. */
static int timeout_ms(int64_t next)
{
    int64_t left = next == WEFT_NEVER ? 10000 * MS : next - weft_now();

    return left <= 0 ? 0 : (int)(left / MS) + 1;
}
/* Catches: a completion, a post or a timer that the foreign loop is not woken for; requests that
   wait for a further step. */
TEST(in_an_epoll_loop)
{
    weft_loop *loop = new_loop(NULL);
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC), fd = weft_loop_fd(loop);
    weft_inbox *inbox = weft_loop_inbox(loop);
    struct epoll_event event = {.events = EPOLLIN};
    pthread_t thread;
    int64_t next = 1;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(weft_loop_fd(loop), fd);
    ck_assert_int_eq(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event), 0);
    ck_assert_int_eq(weft_loop_create_task(loop, talks, NULL, 0, NULL), 0);
    ck_assert_int_eq(weft_loop_call_later(loop, MS, count_timer, NULL, NULL), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, posts_from_outside, inbox), 0);
    while (rounds_done < ROUNDS || timers_done < 10 || posts_done < POSTS) {
        int count = epoll_wait(epoll_fd, &event, 1, timeout_ms(next));
        ck_assert_msg(count > 0 || next != WEFT_NEVER,
                      "nothing came in ten seconds: %d rounds, %d timers, %d posts", rounds_done,
                      timers_done, posts_done);
        next = weft_loop_step(loop, false);
        ck_assert_int_gt(next, 0);
    }
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    weft_inbox_put(inbox);
    ck_assert_int_eq(weft_loop_close(loop), 0);
    ck_assert_int_eq(close(epoll_fd), 0);
}

TEST_MAIN("api.loop", 30, started_handled_stopped_closed, stop_ends_after_what_is_ready,
          runs_to_an_end_again_and_again, tasks_go_on_in_the_next_run,
          leftovers_are_named_and_joined, held_at_the_close, stop_of_everything, two_on_one_thread,
          two_closed_in_the_order_made, two_threads_two_loops, wakes_another_runtime,
          refused_inside, another_threads, bad_arguments, no_descriptors_left, no_room_for_the_call,
          closed_before_it_came_to_it, in_an_epoll_loop, turned_by_hand)
