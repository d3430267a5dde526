/*
 * ring/host_process.c - what belongs to the process: signals and fork. The simulated kernel uses
 * this file as it is.
 *
 * Any thread may call these. What always holds: results are >= 0 or a negative errno.
 */
#include "ring/host.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

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

int64_t weft__host_pid(void)
{
    return getpid();
}

bool weft__host_forked(void)
{
    return atomic_load_explicit(&forked, memory_order_relaxed);
}
