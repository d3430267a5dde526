/*
 * ring/host.c - the small things asked of the system: clock, entropy, signals, fork.
 *
 * Any thread may call these. What always holds: results are >= 0 or a negative errno, errno is not
 * a channel, and EINTR is never seen above.
 */
#include "ring/host.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <time.h>

int64_t weft__host_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with this clock */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int weft__host_entropy(void *memory, size_t size)
{
    unsigned char *at = memory;
    while (size > 0) {
        ssize_t n = getrandom(at, size, 0);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            at += n;
            size -= (size_t)n;
        }
    }
    return 0;
}

int weft__host_signal_block(const sigset_t *set, sigset_t *old)
{
    return -pthread_sigmask(SIG_BLOCK, set, old);
}

int weft__host_signal_restore(const sigset_t *old)
{
    return -pthread_sigmask(SIG_SETMASK, old, NULL);
}

int weft__host_signal_action(int number, const struct sigaction *action, struct sigaction *old)
{
    return sigaction(number, action, old) < 0 ? -errno : 0;
}

/* Relaxed is enough: it is written while the child has one thread, before anything else runs there.
 */
static atomic_bool forked;

static void note_fork(void)
{
    atomic_store_explicit(&forked, true, memory_order_relaxed);
}

static void watch(void)
{
    pthread_atfork(NULL, NULL, note_fork);
}

void weft__host_fork_watch(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch);
}

bool weft__host_forked(void)
{
    return atomic_load_explicit(&forked, memory_order_relaxed);
}
