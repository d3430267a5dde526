/*
 * Debug mode sees system calls by a signal, SIGSYS, of which nothing suffers. Would catch a result,
 * an errno, a signal mask or a frame that does, and a SIGSYS that does not come to whom it is for.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "blocking.h"

static atomic_int handled;

static void handler(int number)
{
    (void)number;
    (void)syscall(SYS_getpid);
    atomic_fetch_add(&handled, 1);
}

/* What is told on a signal is written in the task's place, and is not the task's. The signal comes
   while the task computes, most likely. */
static long computes(void)
{
    const struct itimerval soon = {.it_value = {.tv_usec = 1000}};

    atomic_store(&handled, 0);
    (void)syscall(SYS_setitimer, ITIMER_REAL, &soon, NULL);
    while (atomic_load(&handled) == 0)
        ;
    return 0;
}
static int dumped_main(void *arg)
{
    TOLD(computes(), 0);
    TOLD(weft_sleep(1), 0); /* and the tree, in the loop */
    ck_assert_int_gt((int)lseek(*(int *)arg, 0, SEEK_CUR), 0);
    return 0;
}
TEST(a_dump)
{
    struct sigaction action = {.sa_handler = handler};
    struct weft_run_opt opt = {.size = sizeof opt, .debug = &debug, .dump_signal = SIGALRM};
    int file = memfd_create("dump", MFD_CLOEXEC), result;

    ok(file);
    opt.dump_fd = file;
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    result = weft_run(dumped_main, &file, sizeof file, &opt);
    ck_assert(result == 0 || result == -ENOSYS);
    ok(close(file));
}

static int suffers_main(void *arg)
{
    sigset_t set, before, now;
    int status;
    pid_t child;

    (void)arg;
    /* a mask that is changed stays changed */
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &set, &before), 0);
    ck_assert_int_eq(sigismember(&before, SIGUSR2), 0);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
    ck_assert_int_eq(sigismember(&now, SIGUSR2), 1);
    ck_assert_int_eq(raise(SIGUSR2), 0);
    ck_assert_int_eq(atomic_load(&handled), 0);
    ck_assert_int_eq(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    ck_assert_int_eq(sigismember(&now, SIGUSR2), 0);
    ck_assert_int_eq(atomic_load(&handled), 1);
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    ck_assert_int_eq((int)syscall(SYS_rt_sigprocmask, 99, &set, NULL, 8), -1);
    ck_assert_int_eq(errno, EINVAL);
    /* a handler that interrupts, and returns */
    ck_assert_int_eq(raise(SIGUSR2), 0);
    ck_assert_int_eq(atomic_load(&handled), 2);
    ok(weft_yield());
    /* a child, which is seen no more */
    child = fork();
    ok(child);
    if (child == 0)
        _exit(syscall(SYS_getpid) > 0 ? 7 : 1);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(WEXITSTATUS(status), 7);
    ok(weft_sleep(1));
    TOLD(sleep_call(), 1); /* and after all that they are seen again */
    return 0;
}
TEST(nothing_suffers)
{
    struct sigaction action = {.sa_handler = handler};

    ck_assert_int_eq(sigaction(SIGUSR2, &action, NULL), 0);
    run(suffers_main, 1);
}

/* One that somebody has put on top of ours, and that calls ours for what it does not know. It stays
   there after the run: then it is called by the next one's, and calls it. */
static struct sigaction beneath;
static atomic_int passed_on;

static void passes_on(int number, siginfo_t *info, void *frame)
{
    if (info->si_code == SI_TKILL)
        atomic_fetch_add(&passed_on, 1);
    if (beneath.sa_flags & SA_SIGINFO)
        beneath.sa_sigaction(number, info, frame);
    else if (beneath.sa_handler != SIG_DFL)
        beneath.sa_handler(number);
}
static int chain_main(void *arg)
{
    struct sigaction action = {.sa_sigaction = passes_on, .sa_flags = SA_SIGINFO | SA_NODEFER};

    if (arg) /* what it makes is to be seen by ours alone */
        ck_assert_int_eq(sigaction(SIGSYS, &action, &beneath), 0);
    ck_assert_int_eq(raise(SIGSYS), 0);
    return 0;
}
TEST(a_chain_of_handlers)
{
    struct weft_run_opt opt = {.size = sizeof opt, .debug = &debug};
    struct sigaction action = {.sa_handler = handler}, now;
    int result;

    ck_assert_int_eq(sigaction(SIGSYS, &action, NULL), 0);
    result = weft_run(chain_main, &opt, 0, &opt);
    if (result == -ENOSYS)
        return;
    ck_assert_int_eq(result, 0);
    for (int i = 1; i < 4; i++) {
        ck_assert_int_eq(atomic_load(&passed_on), i); /* once for each, and then the first one */
        ck_assert_int_eq(atomic_load(&handled), i);
        run(chain_main, 1);
    }
    ck_assert_int_eq(sigaction(SIGSYS, NULL, &now), 0);
    ck_assert_ptr_eq((void *)(uintptr_t)now.sa_sigaction, (void *)(uintptr_t)passes_on);
    ck_assert_int_eq(sigaction(SIGSYS, &beneath, NULL), 0); /* ours, between two runs */
    run(chain_main, 1);
    ck_assert_int_eq(atomic_load(&passed_on), 4);
    ck_assert_int_eq(atomic_load(&handled), 5);
}

static int sigsys_main(void *arg)
{
    (void)arg;
    ck_assert_int_eq(raise(SIGSYS), 0);
    ck_assert_int_eq(atomic_load(&handled), 1);
    return 0;
}
TEST(whose_sigsys)
{
    struct sigaction action = {.sa_handler = handler}, now;

    ck_assert_int_eq(sigaction(SIGSYS, &action, NULL), 0);
    run(sigsys_main, 2);
    ck_assert_int_eq(sigaction(SIGSYS, NULL, &now), 0);
    ck_assert_ptr_eq((void *)(uintptr_t)now.sa_handler, (void *)(uintptr_t)handler);
}

/* All signals blocked, as the C library does where it starts a thread, and calls meanwhile: a
   SIGSYS that is blocked would kill. */
static int masked_main(void *arg)
{
    sigset_t all, before, now;

    (void)arg;
    sigfillset(&all);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &all, &before), 0);
    TOLD(sleep_call(), 1);
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &all, &now), 0);
    ck_assert_int_eq(sigismember(&now, SIGUSR2), 1);
    TOLD(sleep_call(), 1);
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    return 0;
}
TEST(all_blocked)
{
    run(masked_main, 1);
}

/* The thread had SIGSYS blocked before, and has it afterwards. */
static int blocked_main(void *arg)
{
    (void)arg;
    TOLD(sleep_call(), 1);
    return 0;
}
TEST(sigsys_blocked_before)
{
    sigset_t set, now;

    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    run(blocked_main, 1);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
    ck_assert_int_eq(sigismember(&now, SIGSYS), 1);
    ck_assert_int_eq(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
}

TEST_MAIN("blocking_signals", 30, a_dump, a_chain_of_handlers, nothing_suffers, whose_sigsys,
          all_blocked, sigsys_blocked_before)
