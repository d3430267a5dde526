/*
 * ring/host_thread.c - threads, and where they may run.
 *
 * Any thread may call these. What always holds: a thread started here has every signal blocked that
 * is not its own fault, and may run wherever its creator could before that one was pinned.
 */
#include "base/memory.h"
#include "ring/host.h"
#include "ring/host_cpus.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

__thread struct weft__reactor *weft__self __attribute__((tls_model("initial-exec")));

#if defined(__x86_64__)
#define RELAX "pause"
#else
#define RELAX "yield"
#endif

enum { NAME_SIZE = 16 }; /* the kernel's limit */

struct weft__thread {
    pthread_t id;
    void *(*fn)(void *);
    void *arg;
    struct weft__cpu_mask cpus; /* what it may use, or empty: as inherited */
    char name[NAME_SIZE];
};

static void *thread_main(void *argument)
{
    struct weft__thread *thread = argument;
    pthread_setname_np(pthread_self(), thread->name);
    if (thread->cpus.set)
        weft__cpu_mask_apply(&thread->cpus);
    void *value = thread->fn(thread->arg);
    weft__host_unpin();
    return value;
}

/* Faults of the thread itself stay open: blocked, they would kill the process with no handler run,
   and the report of a stack overflow is one. */
static void block_all(sigset_t *old)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigset_t all;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_BLOCK, &all, old);
}

int weft__host_thread_start(struct weft__thread **thread, void *(*fn)(void *), void *arg,
                            const char *name)
{
    struct weft__thread *made = weft__calloc(1, sizeof *made);
    if (!made)
        return -ENOMEM;
    made->fn = fn;
    made->arg = arg;
    snprintf(made->name, sizeof made->name, "%s", name ? name : "weft");
    int error = weft__cpu_mask_if_pinned(&made->cpus);
    if (error == 0) {
        sigset_t old;
        block_all(&old);
        error = -pthread_create(&made->id, NULL, thread_main, made);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
    }
    if (error < 0) {
        weft__cpu_mask_free(&made->cpus);
        weft__free(made);
        return error;
    }
    *thread = made;
    return 0;
}

/* No system call, and none of pthread_t's liberties: each thread has an errno of its own. */
const void *weft__host_thread_self(void)
{
    return &errno;
}

int weft__host_thread_join(struct weft__thread *thread)
{
    int error = -pthread_join(thread->id, NULL);
    if (error < 0)
        return error;
    weft__cpu_mask_free(&thread->cpus);
    weft__free(thread);
    return 0;
}

int weft__host_cpu_here(void)
{
    int cpu = sched_getcpu();
    return cpu < 0 ? -errno : cpu;
}

void weft__host_block(const void *word, uint32_t value, int64_t deadline_ns)
{
    struct timespec until = {.tv_sec = deadline_ns / 1000000000,
                             .tv_nsec = deadline_ns % 1000000000};

    if (deadline_ns < 0)
        return;
    (void)syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value,
                  deadline_ns == INT64_MAX ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
}

void weft__host_unblock(const void *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

/* Of several that were woken the kernel names the last: so the word that matters comes last. */
int weft__host_futex_wait(const void *word, uint32_t value, bool own, const void *stop)
{
    struct futex_waitv words[2] = {
        {.uaddr = (uintptr_t)stop, .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG},
        {.val = value,
         .uaddr = (uintptr_t)word,
         .flags = own ? FUTEX_32 | FUTEX_PRIVATE_FLAG : FUTEX_32},
    };
    long woken;

    do
        woken = syscall(SYS_futex_waitv, words, 2, 0, NULL, 0);
    while (woken < 0 && errno == EINTR);
    if (woken == 0 ||
        (woken < 0 && errno == EAGAIN && __atomic_load_n((const uint32_t *)stop, __ATOMIC_ACQUIRE)))
        return -ECANCELED;
    return woken < 0 ? -errno : 0;
}

int weft__host_futex_wake(const void *word, int count, bool own)
{
    long woken =
        syscall(SYS_futex, word, own ? FUTEX_WAKE_PRIVATE : FUTEX_WAKE, count, NULL, NULL, 0);

    return woken < 0 ? -errno : (int)woken;
}

void weft__host_relax(void)
{
    __asm__ volatile(RELAX ::: "memory");
}
