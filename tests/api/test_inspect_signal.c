/*
 * What a server does right now, asked by a signal. Would catch a signal that finds one reactor
 * only, or is not answered while a task computes, and a handler that was there before, comes on top
 * or stands in a forked child, and is forgotten, called twice, or left in place.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "inspect.h"

static _Atomic(int) old_calls;

static void old_handler(int number)
{
    (void)number;
    atomic_fetch_add(&old_calls, 1);
}

static int signal_main(void *arg)
{
    char expected[PRINTED_SIZE], line[256];
    int sleep_at;

    (void)arg;
    WEFT_SCOPE(s, .name = "three") {
        (void)begin_three(&s);
        ck_assert_int_eq(raise(SIGUSR1), 0);
        sleep_at = __LINE__ + 1;
        ok(weft_sleep(20000000)); /* the loop's turn: it tells */
        expect_three(expected, "reactor 0 runs task 1 \"main\", in turn N\n",
                     "sleep, for another S, since turn N",
                     at(line, 6, __FILE__, sleep_at, "weft_sleep"));
        weft_lock_release(&lock);
        weft_scope_cancel(&s);
    }
    {
        char text[PRINTED_SIZE], *span;
        printed_read(fd_out, text);
        ck_assert_ptr_nonnull(strstr(text, "\n  #0 0x")); /* where it ran */
        normalize(text);
        span = strstr(text, "another ") + 8;
        memmove(span + 1, strchr(span, ','), strlen(strchr(span, ',')) + 1);
        *span = 'S';
        ck_assert_str_eq(text, expected);
    }
    ck_assert_int_eq(atomic_load(&old_calls), 1);
    return 0;
}
TEST(a_signal)
{
    struct sigaction action = {.sa_handler = old_handler};
    struct weft_run_opt opt = {.size = sizeof opt, .dump_signal = SIGUSR1};

    opt.dump_fd = fd_out = printed_new();
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    ok(weft_run(signal_main, NULL, 0, &opt));
    ok(close(fd_out));
}

/* Between two runs of a loop it waits for the next one; afterwards the signal is whose it was. */
static int turn_main(void *arg)
{
    (void)arg;
    return weft_sleep(1000000);
}
TEST(a_signal_between_two_runs)
{
    struct sigaction action = {.sa_handler = old_handler};
    struct weft_run_opt opt = {.size = sizeof opt, .dump_signal = SIGUSR1};
    char text[PRINTED_SIZE];
    weft_loop *loop;

    opt.dump_fd = fd_out = printed_new();
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    ok(weft_loop_new(&loop, &opt));
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ck_assert_int_eq(raise(SIGUSR1), 0); /* answered together */
    printed_read(fd_out, text);
    ck_assert_str_eq(text, "");
    ok(weft_loop_run(loop, turn_main, NULL, 0));
    printed_read(fd_out, text);
    ck_assert_ptr_nonnull(strstr(text, "reactor 0, in turn "));
    ck_assert_ptr_null(strstr(strstr(text, "reactor 0, in turn ") + 1, "reactor 0, in turn "));
    ok(weft_loop_close(loop));
    ck_assert_int_eq(atomic_load(&old_calls), 2);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ck_assert_int_eq(atomic_load(&old_calls), 3);
    ck_assert_int_eq(sigaction(SIGUSR1, NULL, &action), 0);
    ck_assert_ptr_eq((void *)(uintptr_t)action.sa_handler, (void *)(uintptr_t)old_handler);
    ok(close(fd_out));
}

/* A task that computes and gives way to nobody, on another thread than the one the signal finds. */
static atomic_bool spins, enough;

static NOINLINE int spinner(void *arg)
{
    (void)arg;
    atomic_store(&spins, true);
    while (!atomic_load(&enough))
        ;
    return 0;
}
static int stuck_main(void *arg)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = "spinner", .reactor = WEFT_ON(1)};
    char text[PRINTED_SIZE];

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, spinner, NULL, 0, &opt));
        while (!atomic_load(&spins))
            ok(weft_yield());
        ck_assert_int_eq(raise(SIGUSR1), 0);
        do {
            ok(weft_sleep(1000000));
            printed_read(fd_out, text);
        } while (!strstr(text, "reactor 1 runs task ") || !strstr(text, "reactor 0, in turn "));
        ck_assert_ptr_null(strstr(text, "reactor 1, in turn "));
        atomic_store(&enough, true);
    }
    do {
        ok(weft_sleep(1000000));
        printed_read(fd_out, text);
    } while (!strstr(text, "reactor 1, in turn "));
    ck_assert_ptr_nonnull(strstr(text, "\"spinner\", in turn "));
    return 0;
}
TEST(a_reactor_that_is_stuck)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2, .dump_signal = SIGUSR1};

    opt.dump_fd = fd_out = printed_new();
    ok(weft_run(stuck_main, NULL, 0, &opt));
    ok(close(fd_out));
}

/* -- whose the signal is --------------------------------------------------------------------- */

static void check_is_old(void)
{
    struct sigaction now;

    ck_assert_int_eq(sigaction(SIGUSR1, NULL, &now), 0);
    ck_assert_ptr_eq((void *)(uintptr_t)now.sa_handler, (void *)(uintptr_t)old_handler);
}

static void unheard(const struct weft_signal *signal, void *arg)
{
    (void)signal;
    (void)arg;
}
static int claims_main(void *arg)
{
    (void)arg;
    return weft_add_signal_handler(SIGUSR1, unheard, NULL);
}
/* Claimed on top of the dump, until the end: last in, first out, or the dump's handler stays. */
TEST(a_signal_that_is_claimed_as_well)
{
    struct sigaction action = {.sa_handler = old_handler};
    struct weft_run_opt opt = {.size = sizeof opt, .dump_signal = SIGUSR1};

    opt.dump_fd = fd_out = printed_new();
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    for (int i = 0; i < 2; i++) {
        ok(weft_run(claims_main, NULL, 0, &opt));
        check_is_old();
    }
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ck_assert_int_eq(atomic_load(&old_calls), 1);
    ok(close(fd_out));
}

static struct sigaction below;
static int chained;

static void chain(int number, siginfo_t *info, void *frame)
{
    chained++;
    below.sa_sigaction(number, info, frame);
}
static int chain_main(void *arg)
{
    struct sigaction action = {.sa_sigaction = chain, .sa_flags = SA_SIGINFO};
    char text[PRINTED_SIZE];

    (void)arg;
    if (!chained)
        ck_assert_int_eq(sigaction(SIGUSR1, &action, &below), 0);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    printed_read(fd_out, text);
    ck_assert_ptr_nonnull(strstr(text, "reactor 0 runs task 1 \"main\""));
    return 0;
}
/* Somebody's own handler, put in place during a run, that calls ours: both stay, and the next run
   does not call itself without end. */
TEST(a_handler_on_top)
{
    struct sigaction action = {.sa_handler = old_handler}, now;
    struct weft_run_opt opt = {.size = sizeof opt, .dump_signal = SIGUSR1};

    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    for (int i = 0; i < 2; i++) {
        opt.dump_fd = fd_out = printed_new();
        ok(weft_run(chain_main, NULL, 0, &opt));
        ck_assert_int_eq(sigaction(SIGUSR1, NULL, &now), 0);
        ck_assert_ptr_eq((void *)(uintptr_t)now.sa_sigaction, (void *)(uintptr_t)chain);
        ck_assert_int_eq(raise(SIGUSR1), 0); /* nobody listens: to the one below ours */
        ck_assert_int_eq(chained, 2 * i + 2);
        ck_assert_int_eq(atomic_load(&old_calls), 2 * i + 2);
        ok(close(fd_out));
    }
    /* taken away again, ours is found as it was left */
    ck_assert_int_eq(sigaction(SIGUSR1, &below, NULL), 0);
    opt.dump_fd = fd_out = printed_new();
    ok(weft_run(claims_main, NULL, 0, &opt));
    check_is_old();
    ok(close(fd_out));
}

static int raises_main(void *arg)
{
    (void)arg;
    return raise(SIGUSR1);
}
static void *raises_there(void *arg)
{
    const struct weft_run_opt *opt = arg;

    ok(weft_run(raises_main, NULL, 0, opt));
    return NULL;
}
static void expect_told(int fd, bool told)
{
    char text[PRINTED_SIZE];

    printed_read(fd, text);
    ck_assert(!strstr(text, "reactor 0, in turn ") == !told);
}
/* Two loops of one thread get what another thread's handler sends on as one: the old handler is
   called once, for each signal that somebody sent, and every loop tells. */
TEST(two_loops_on_a_thread)
{
    struct sigaction action = {.sa_handler = old_handler};
    struct weft_run_opt opt = {.size = sizeof opt, .dump_signal = SIGUSR1};
    weft_loop *loops[2];
    pthread_t thread;
    int fds[3];

    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    for (int i = 0; i < 3; i++)
        fds[i] = printed_new();
    for (int i = 0; i < 2; i++) {
        opt.dump_fd = fds[i];
        ok(weft_loop_new(&loops[i], &opt));
    }
    opt.dump_fd = fds[2];
    ck_assert_int_eq(pthread_create(&thread, NULL, raises_there, &opt), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(atomic_load(&old_calls), 1);
    for (int i = 0; i < 2; i++) {
        expect_told(fds[i], false);
        ok(weft_loop_run(loops[i], turn_main, NULL, 0));
        expect_told(fds[i], true);
        ok(ftruncate(fds[i], 0));
        ok((int)lseek(fds[i], 0, SEEK_SET));
    }
    ok(weft_loop_run(loops[0], raises_main, NULL, 0)); /* a new one is taken for a new one */
    ck_assert_int_eq(atomic_load(&old_calls), 2);
    ok(weft_loop_run(loops[1], turn_main, NULL, 0));
    expect_told(fds[1], true);
    for (int i = 0; i < 2; i++)
        ok(weft_loop_close(loops[i]));
    check_is_old();
    for (int i = 0; i < 3; i++)
        ok(close(fds[i]));
}

static void raise_in_a_child(void)
{
    int status;
    pid_t child = fork();

    ok(child);
    if (child == 0) {
        (void)raise(SIGUSR1);
        _exit(atomic_load(&old_calls));
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(WEXITSTATUS(status), 1);
}
static int forks_main(void *arg)
{
    (void)arg;
    raise_in_a_child();
    ok(weft_sleep(1000000));
    expect_told(fd_out, false);
    return 0;
}
/* In a child of fork nobody listens any more: it must not write, nor ring its parent's bells. */
TEST(a_signal_in_a_forked_child)
{
    struct sigaction action = {.sa_handler = old_handler};
    struct weft_run_opt opt = {.size = sizeof opt, .dump_signal = SIGUSR1};
    struct pollfd waits = {.events = POLLIN};
    weft_loop *loop;

    opt.dump_fd = fd_out = printed_new();
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    ok(weft_loop_new(&loop, &opt));
    ok(weft_loop_run(loop, forks_main, NULL, 0));
    waits.fd = weft_loop_fd(loop); /* none in a simulated world */
    ck_assert_int_gt(weft_loop_step(loop, false), 0);
    ck_assert_int_eq(poll(&waits, 1, 0), 0);
    raise_in_a_child();
    ck_assert_int_eq(poll(&waits, 1, 0), 0);
    ok(weft_loop_close(loop));
    ok(close(fd_out));
}

TEST_MAIN("inspect_signal", 30, a_signal, a_signal_between_two_runs, a_reactor_that_is_stuck,
          a_signal_that_is_claimed_as_well, a_handler_on_top, two_loops_on_a_thread,
          a_signal_in_a_forked_child)
