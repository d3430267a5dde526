/*
 * runtime/process.c - what weft_run changes about the process, and puts back.
 *
 * Counted under a lock, because any number of runtimes may start and end on any threads: the first
 * changes, the last puts back.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/memory.h"
#include "base/report.h"
#include "coro/overflow.h"
#include "ring/host.h"
#include "ring/host_child.h"
#include "runtime/runtime.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    uint32_t runtimes;
    uint32_t ignoring_sigpipe;
    struct sigaction old_sigpipe;
    uint32_t stopping_on_sigterm;
    struct sigaction old_sigterm;
    struct sigaction old_sigint;
    uint32_t debugging; /* runs that brought settings of their own */
    struct weft_debug_opt old_debug;
} process;

struct weft__runtime *weft__runtimes;

void weft__process_list(struct weft__runtime *runtime)
{
    pthread_mutex_lock(&lock);
    runtime->next = weft__runtimes;
    runtime->link = &weft__runtimes;
    if (runtime->next)
        runtime->next->link = &runtime->next;
    weft__runtimes = runtime;
    pthread_mutex_unlock(&lock);
}

void weft__process_unlist(struct weft__runtime *runtime)
{
    pthread_mutex_lock(&lock);
    if (runtime->link) { /* else it was never listed */
        *runtime->link = runtime->next;
        if (runtime->next)
            runtime->next->link = runtime->link;
    }
    pthread_mutex_unlock(&lock);
}

/* Where SIGTERM goes: written under the lock, read by the handler. */
enum { STOP_TARGETS_MAX = 256 };
static _Atomic(struct weft_inbox *) stop_targets[STOP_TARGETS_MAX];
static _Atomic(uint32_t) handlers_running;

static void on_sigterm(int number)
{
    (void)number;
    atomic_fetch_add(&handlers_running, 1);
    for (uint32_t i = 0; i < STOP_TARGETS_MAX; i++) {
        struct weft_inbox *inbox = atomic_load(&stop_targets[i]);
        if (inbox)
            (void)weft_stop_post(inbox);
    }
    atomic_fetch_sub(&handlers_running, 1);
}

void weft__process_stop_target(struct weft_inbox *inbox, bool add)
{
    struct weft_inbox *from = add ? NULL : inbox, *to = add ? inbox : NULL;
    uint32_t i = 0;

    pthread_mutex_lock(&lock);
    while (i < STOP_TARGETS_MAX && atomic_load(&stop_targets[i]) != from)
        i++;
    if (i < STOP_TARGETS_MAX)
        atomic_store(&stop_targets[i], to);
    pthread_mutex_unlock(&lock);
    while (!add && atomic_load(&handlers_running) > 0) /* in another thread, and soon over */
        weft__host_relax();
}

/* In the child of a fork nothing works: the ring and the threads are the parent's. */
static void after_fork(void)
{
    weft__self = NULL;
}

static void watch_forks(void)
{
    weft__host_fork_watch();
    (void)pthread_atfork(NULL, NULL, after_fork);
    weft__debug_from_environment();
}

static void ignore_sigpipe(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    if (process.ignoring_sigpipe++ == 0)
        (void)weft__host_signal_action(SIGPIPE, &ignore, &process.old_sigpipe);
}

static void catch_sigterm(void)
{
    struct sigaction action = {.sa_handler = on_sigterm, .sa_flags = SA_ONSTACK};

    if (process.stopping_on_sigterm++ > 0)
        return;
    (void)weft__host_signal_action(SIGTERM, &action, &process.old_sigterm);
    (void)weft__host_signal_action(SIGINT, &action, &process.old_sigint);
}

/* The first run that asks changes what was, the last puts it back. */
static void begin_debug(const struct weft_debug_opt *opt)
{
    struct weft_debug_opt before = weft__debug_set(opt);

    if (process.debugging++ == 0)
        process.old_debug = before;
}
static void end_debug(void)
{
    if (--process.debugging == 0)
        (void)weft__debug_set(process.old_debug.kinds ? &process.old_debug : NULL);
}

int weft__process_enter(const struct weft_run_opt *opt)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct weft_debug_opt debug;
    int error = opt->debug ? weft__debug_take(&debug, opt->debug) : 0;

    if (error < 0)
        return error;
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&lock);
    if (opt->allocator) /* that of the runtimes alive, or none are */
        error = weft__allocator_set(opt->allocator);
    if (error == 0 && process.runtimes == 0) {
        error = weft__overflow_install();
        if (error < 0)
            (void)weft__allocator_set(NULL);
    }
    if (error == 0) {
        if (process.runtimes == 0)
            weft__host_child_note_signals();
        process.runtimes++;
        if (!opt->no_sigpipe)
            ignore_sigpipe();
        if (opt->stop_on_sigterm)
            catch_sigterm();
        if (opt->debug)
            begin_debug(&debug);
    }
    pthread_mutex_unlock(&lock);
    return error == -EINVAL && opt->allocator ? weft__misuse(error, "an allocator lacks a function")
                                              : error;
}

void weft__process_leave(const struct weft_run_opt *opt)
{
    pthread_mutex_lock(&lock);
    if (opt->stop_on_sigterm && --process.stopping_on_sigterm == 0) {
        (void)weft__host_signal_action(SIGTERM, &process.old_sigterm, NULL);
        (void)weft__host_signal_action(SIGINT, &process.old_sigint, NULL);
    }
    if (!opt->no_sigpipe && --process.ignoring_sigpipe == 0)
        (void)weft__host_signal_action(SIGPIPE, &process.old_sigpipe, NULL);
    if (opt->debug)
        end_debug();
    if (--process.runtimes == 0) {
        weft__overflow_remove();
        (void)weft__allocator_set(NULL); /* not while somebody holds an inbox or tasks were left */
    }
    pthread_mutex_unlock(&lock);
}
