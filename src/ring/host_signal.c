/*
 * ring/host_signal.c - claims of signals: blocked on the claimant's thread, read by signalfd(2).
 *
 * Threads that weft started block everything. One of the program's own does not, and the kernel may
 * choose it: so a claimed signal has a handler that sends it on to the claimant's thread, with who
 * sent it. What always holds: the handler makes one system call and touches nothing else.
 */
#include "ring/host_signal.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "ring/host.h"

enum { SIGNALS = 65, RECORDS = 16 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct claim {
    _Atomic(int) thread;     /* the claimant's; 0: not claimed. Read by the handler */
    struct sigaction action; /* as it was */
    bool was_blocked;        /* on that thread */
} claims[SIGNALS];

/* Queued by ourselves it may say who sent it, but not that kill(2) did. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    int thread = atomic_load_explicit(&claims[number].thread, memory_order_relaxed);
    int saved_errno = errno;

    if (thread == (int)syscall(SYS_gettid)) /* it has unblocked it: then not for long */
        sigaddset(&((ucontext_t *)context)->uc_sigmask, number);
    info->si_code = SI_QUEUE;
    if (thread > 0)
        (void)syscall(SYS_rt_tgsigqueueinfo, getpid(), thread, number, info);
    errno = saved_errno;
}

static int check(const sigset_t *set)
{
    for (int number = 1; number < SIGNALS; number++)
        if (sigismember(set, number) == 1 && atomic_load(&claims[number].thread) != 0)
            return -EBUSY;
    return 0;
}

/* Blocked before it has the handler, and the thread known before either. */
static void claim_one(int number)
{
    struct sigaction action = {.sa_sigaction = pass_on,
                               .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    struct claim *claim = &claims[number];
    sigset_t one, old;

    atomic_store(&claim->thread, (int)syscall(SYS_gettid));
    sigemptyset(&one);
    sigaddset(&one, number);
    pthread_sigmask(SIG_BLOCK, &one, &old);
    claim->was_blocked = sigismember(&old, number) == 1;
    sigfillset(&action.sa_mask);
    sigdelset(&action.sa_mask, SIGSYS); /* debug mode's: the handler's own call may come as one */
    (void)sigaction(number, &action, &claim->action);
}

static void release_one(int number)
{
    struct claim *claim = &claims[number];
    sigset_t one;

    (void)sigaction(number, &claim->action, NULL);
    sigemptyset(&one);
    sigaddset(&one, number);
    if (!claim->was_blocked)
        pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    atomic_store(&claim->thread, 0);
}

int weft__host_signal_claim(const sigset_t *set, int fd)
{
    int error;

    pthread_mutex_lock(&lock);
    error = check(set);
    if (error == 0) {
        fd = signalfd(fd, set, SFD_NONBLOCK | SFD_CLOEXEC);
        error = fd < 0 ? -errno : weft__host_fd_lift(fd);
    }
    for (int number = 1; number < SIGNALS && error >= 0; number++)
        if (sigismember(set, number) == 1)
            claim_one(number);
    pthread_mutex_unlock(&lock);
    return error;
}

/* Drops those that wait for the claimant's thread. */
static void drop(const sigset_t *set, int fd)
{
    static const struct timespec at_once;
    struct weft__signal_record records[RECORDS];

    int count;

    do
        count = fd < 0 ? -EBADF : weft__host_signal_read(fd, records, RECORDS);
    while (count > 0);
    while (count < 0 && (sigtimedwait(set, NULL, &at_once) > 0 || errno == EINTR))
        ;
}

void weft__host_signal_release(const sigset_t *set, int fd)
{
    sigset_t none;

    drop(set, fd);
    pthread_mutex_lock(&lock);
    for (int number = 1; number < SIGNALS; number++)
        if (sigismember(set, number) == 1)
            release_one(number);
    pthread_mutex_unlock(&lock);
    sigemptyset(&none);
    if (fd >= 0) /* without one it would make one */
        (void)signalfd(fd, &none, SFD_NONBLOCK | SFD_CLOEXEC);
}

int weft__host_signal_read(int fd, struct weft__signal_record *records, int count)
{
    struct signalfd_siginfo infos[RECORDS];
    ssize_t size;

    count = count < RECORDS ? count : RECORDS;
    do
        size = read(fd, infos, (size_t)count * sizeof infos[0]);
    while (size < 0 && errno == EINTR);
    if (size < 0)
        return errno == EBADF ? -EBADF : 0;
    count = (int)((size_t)size / sizeof infos[0]);
    for (int i = 0; i < count; i++)
        records[i] = (struct weft__signal_record){
            .number = (int)infos[i].ssi_signo,
            .pid = (int)infos[i].ssi_pid,
            .uid = (int)infos[i].ssi_uid,
            .value = infos[i].ssi_int,
        };
    return count;
}
