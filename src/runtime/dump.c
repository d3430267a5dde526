/*
 * runtime/dump.c - the handler behind weft_run_opt.dump_signal. dump.h says who tells what.
 *
 * Everything from put_stack to on_signal runs in a signal handler.
 */
#define _GNU_SOURCE

#include "runtime/dump.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include <weft/inspect.h>

#include "arch/dispatch.h"
#include "coro/walk.h"
#include "io/signal.h"
#include "runtime/print.h"
#include "runtime/runtime.h"

enum { TARGETS_MAX = 1024, SIGNALS = 65, FRAMES_MAX = 32, PASSED_WAIT = 1 << 20 };

/* Who listens: written under the lock, read by the handler. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(struct weft__member *) targets[TARGETS_MAX];
static _Atomic(uint32_t) handlers_running;
static struct {
    uint32_t users;
    struct sigaction old; /* written before ours is in place */
    bool left_behind;     /* somebody put theirs on top, who may call ours: a chain to us and back
                             would never end */
} signals[SIGNALS];

/* Those that another thread's handler has sent on to this one. Of the thread, since that is what a
   signal comes to, however many loops it has; a bit for each. */
static __thread _Atomic(uint64_t) passed_here __attribute__((tls_model("initial-exec")));

static uint64_t bit_of(int number)
{
    return UINT64_C(1) << (number - 1);
}

static int signal_of(const struct weft__member *member)
{
    return member->runtime->opt.dump_signal;
}
static int fd_of(const struct weft__member *member)
{
    int fd = member->runtime->opt.dump_fd;

    return fd ? fd : STDERR_FILENO;
}

/* -- the loop's part ------------------------------------------------------------------------- */

static void dump_run(struct weft__message *message, struct weft__reactor *reactor)
{
    struct weft__member *member = weft__member_of(reactor);

    (void)message;
    /* release: whoever finds it false may send the message again */
    atomic_store_explicit(&member->dump.asked, false, memory_order_release);
    (void)weft__print_reactor(reactor, NULL, fd_of(member), WEFT_PRINT_STACKS);
}

static void dump_drop(struct weft__message *message)
{
    (void)message; /* the reactor ends: nobody asks it again */
}

/* -- the handler's part ---------------------------------------------------------------------- */

static void put_stack(const struct weft__member *member, const void *frame)
{
    const struct weft__reactor *reactor = &member->reactor;
    uint32_t slot = reactor->current->slot;
    struct weft__registers registers;
    const void *frames[FRAMES_MAX];
    struct weft__line line;
    size_t count;

    weft__registers_interrupted(&registers, frame);
    count = weft__walk(&registers, true, weft__stack_low(&reactor->stacks, slot),
                       weft__stack_top(&reactor->stacks, slot), frames, FRAMES_MAX);
    for (size_t i = 0; i < count; i++) {
        weft__line_begin(&line);
        weft__line_put(&line, "  ");
        weft__put_frame(&line, i, frames[i]);
        weft__line_write(&line, fd_of(member));
    }
}

/* The thread was interrupted here: what it runs, if that is a task. */
static void say_who_runs(const struct weft__member *member, const void *frame)
{
    const struct weft__task *task = (const struct weft__task *)member->reactor.current;
    struct weft__line line;

    if (!task)
        return;
    weft__line_begin(&line);
    weft__line_put(&line, "reactor ");
    weft__line_put_number(&line, member->reactor.index);
    weft__line_put(&line, " runs ");
    weft__task_put(&line, task);
    weft__line_put(&line, ", in turn ");
    weft__line_put_number(&line, (int64_t)member->reactor.turn);
    weft__line_write(&line, fd_of(member));
    put_stack(member, frame);
}

static void ask(struct weft__member *member)
{
    /* acquire: pairs with the release in dump_run; the message has arrived */
    if (!atomic_exchange_explicit(&member->dump.asked, true, memory_order_acquire))
        (void)weft__inbox_send(member->reactor.inbox, &member->dump.message);
}

/* To all who listen: those on this very thread need no signal, and the others get one for each
   thread, unless it came from a handler as well. */
static void tell_all(int number, bool pass_on)
{
    for (uint32_t i = 0; i < TARGETS_MAX; i++) {
        struct weft__member *member = atomic_load(&targets[i]);

        if (!member || signal_of(member) != number)
            continue;
        if (pthread_equal(member->dump.thread, pthread_self()))
            ask(member);
        else if (pass_on &&
                 !(atomic_fetch_or(member->dump.passed, bit_of(number)) & bit_of(number)))
            (void)pthread_kill(member->dump.thread, number);
    }
}

static bool listens(const struct weft__member *member)
{
    for (uint32_t i = 0; i < TARGETS_MAX; i++)
        if (atomic_load(&targets[i]) == member)
            return true;
    return false;
}

static void call_old(int number, siginfo_t *info, void *frame)
{
    const struct sigaction *old = &signals[number].old;

    if (old->sa_flags & SA_SIGINFO)
        old->sa_sigaction(number, info, frame);
    else if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN)
        old->sa_handler(number);
}

/* Was it another thread's handler that sent it? */
static bool tell(int number, const void *frame)
{
    const struct weft__member *mine = weft__self ? weft__member_of(weft__self) : NULL;
    bool passed = atomic_fetch_and(&passed_here, ~bit_of(number)) & bit_of(number);

    atomic_fetch_add(&handlers_running, 1);
    if (mine && listens(mine) && signal_of(mine) == number)
        say_who_runs(mine, frame);
    tell_all(number, !passed);
    atomic_fetch_sub(&handlers_running, 1);
    return passed;
}

static void on_signal(int number, siginfo_t *info, void *frame)
{
    char selector = weft__dispatch_selector;
    int saved_errno = errno;
    bool passed;

    weft__dispatch_select(false); /* what is written here is none of the task's calls */
    /* in a child of fork nobody listens: threads and bells are the parent's */
    passed = !weft__host_forked() && tell(number, frame);
    weft__dispatch_select(selector);
    if (!passed)
        call_old(number, info, frame);
    errno = saved_errno;
}

/* -- listening ------------------------------------------------------------------------------- */

static bool is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == on_signal;
}

static int put_in_place(int number)
{
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    struct sigaction now;
    int error = 0;

    if (signals[number].users == 0) {
        error = weft__host_signal_action(number, NULL, &now);
        if (error == 0 && !is_ours(&now) && !signals[number].left_behind) {
            signals[number].old = now;
            error = weft__host_signal_action(number, &action, NULL);
        }
    }
    if (error == 0)
        signals[number].users++;
    return error;
}

static void take_away(int number)
{
    struct sigaction now;

    if (--signals[number].users > 0 || weft__host_signal_action(number, NULL, &now) < 0)
        return;
    signals[number].left_behind = !is_ours(&now);
    if (!signals[number].left_behind)
        (void)weft__host_signal_action(number, &signals[number].old, NULL);
}

/* Lets the signal through on the calling thread, or not. Was it blocked? */
static bool let_through(int number, bool through)
{
    sigset_t set, before;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, number);
    (void)pthread_sigmask(through ? SIG_UNBLOCK : SIG_BLOCK, &set, &before);
    return sigismember(&before, number) == 1;
}

/* Puts `to` where `from` stands. */
static bool replace(struct weft__member *from, struct weft__member *to)
{
    for (uint32_t i = 0; i < TARGETS_MAX; i++)
        if (atomic_load(&targets[i]) == from) {
            atomic_store(&targets[i], to);
            return true;
        }
    return false;
}

int weft__dump_begin(struct weft__member *member)
{
    int number = signal_of(member), error;

    if (!number)
        return 0;
    if (!weft__signal_may_be_taken(number) || member->runtime->opt.dump_fd < 0)
        return weft__misuse(-EINVAL, "a dump on no signal, or to no descriptor");
    member->dump.message = (struct weft__message){.run = dump_run, .drop = dump_drop};
    member->dump.thread = pthread_self();
    member->dump.passed = &passed_here;
    pthread_mutex_lock(&lock);
    error = put_in_place(number);
    if (error == 0 && !replace(NULL, member)) {
        take_away(number);
        error = -EAGAIN;
    }
    pthread_mutex_unlock(&lock);
    if (error == 0)
        member->dump.blocked = let_through(number, true);
    return error;
}

void weft__dump_end(struct weft__member *member)
{
    bool listened;

    if (!signal_of(member))
        return;
    pthread_mutex_lock(&lock);
    listened = replace(member, NULL);
    pthread_mutex_unlock(&lock);
    if (!listened)
        return;
    while (atomic_load(&handlers_running) > 0) /* in other threads, and soon over */
        weft__host_relax();
    /* one that was passed on to us must not find what was there before us; unless it is blocked */
    for (int i = 0; i < PASSED_WAIT && atomic_load(&passed_here) & bit_of(signal_of(member)); i++)
        weft__host_relax();
    atomic_fetch_and(&passed_here, ~bit_of(signal_of(member)));
    if (member->dump.blocked)
        (void)let_through(signal_of(member), false);
    pthread_mutex_lock(&lock);
    take_away(signal_of(member));
    pthread_mutex_unlock(&lock);
}
