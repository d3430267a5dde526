/*
 * io/signal.c - taking signals; signal.h says how.
 *
 * On the first reactor of a runtime, by its tasks and callbacks. What always holds: a signal read
 * from the descriptor is told, to who waits or to the handler: between the two nothing suspends.
 */
#include "io/signal.h"

#include <errno.h>
#include <weft/net.h>
#include <weft/poll.h>
#include <weft/runtime.h>

#include "base/memory.h"
#include "io/lookout.h"
#include "io/watcher.h"
#include "ring/host.h"
#include "ring/host_signal.h"
#include "task/task.h"
#include "task/wait.h"

enum { NUMBER_MAX = 64, BATCH = 16 };

/* -- taking and letting go --------------------------------------------------------------------- */

static int check_place(void)
{
    if (!weft__self)
        return weft__outside();
    return weft_reactor_index() == 0
               ? 0
               : weft__misuse(-EXDEV, "signals are taken on the first reactor of a runtime");
}

bool weft__signal_may_be_taken(int number)
{
    static const int never[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    sigset_t set;

    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        if (number == never[i])
            return false;
    sigemptyset(&set); /* the C library keeps some for itself */
    return number > 0 && number <= NUMBER_MAX && sigaddset(&set, number) == 0;
}

/* The set of them. False: one may not be taken, or there are none. */
static bool may_be_taken(const int numbers[], size_t count, sigset_t *set)
{
    bool may = numbers && count > 0;

    sigemptyset(set);
    for (size_t i = 0; i < count && may; i++) {
        may = weft__signal_may_be_taken(numbers[i]);
        (void)sigaddset(set, numbers[i]); /* it does nothing with a number that is none */
    }
    return may;
}

static struct weft_signals *create(struct weft__io *io, int number)
{
    struct weft_signals *signals = weft__calloc(1, sizeof *signals);

    if (!signals)
        return NULL;
    signals->io = io;
    signals->fd = -1;
    signals->number = number;
    signals->next = io->signals;
    signals->link = &io->signals;
    if (signals->next)
        signals->next->link = &signals->next;
    io->signals = signals;
    return signals;
}

static void destroy(struct weft_signals *signals)
{
    *signals->link = signals->next;
    if (signals->next)
        signals->next->link = signals->link;
    weft__free(signals);
}

/* False: its descriptor was closed behind it, and the number may be another's by now. */
static bool is_open(const struct weft_signals *signals)
{
    return signals->fd >= 0 && !signals->lost &&
           weft__fd_word(signals->io, signals->fd) == signals->owner;
}

static int gone(void)
{
    return weft__misuse(-EBADF, "the signals' descriptor was closed, but not by weft");
}

/* Of foreign code, if it has the number, no record tells: from here on that is not touched. */
static int see_lost(struct weft_signals *signals)
{
    signals->lost = true;
    weft__fd_end_claimed(signals->io, signals->fd, signals->owner);
    return gone();
}

bool weft__signals_have(const struct weft__io *io, int fd)
{
    const struct weft_signals *signals = io->signals;

    while (signals && !(signals->fd == fd && is_open(signals)))
        signals = signals->next;
    return signals != NULL;
}

static int take(struct weft_signals *signals, const sigset_t *set)
{
    int fd = weft__host_signal_claim(set, signals->fd), error = 0;

    if (fd < 0)
        return fd;
    if (signals->fd < 0)
        error = weft__fd_adopt(signals->io, fd);
    if (error < 0) { /* the descriptor is closed: its number is beyond the table */
        weft__host_signal_release(set, fd);
        return error;
    }
    signals->fd = fd;
    signals->owner = weft__fd_word(signals->io, fd);
    signals->set = *set;
    signals->lost = false;
    signals->taken = true;
    return 0;
}

static void let_go(struct weft_signals *signals)
{
    if (signals->taken)
        weft__host_signal_release(&signals->set, is_open(signals) ? signals->fd : -1);
    signals->taken = false;
}

void weft__signals_stop(struct weft__io *io)
{
    while (io->signals) {
        let_go(io->signals);
        if (is_open(io->signals))
            weft__host_close(io->signals->fd);
        destroy(io->signals);
    }
}

static void tell(struct weft_signal *signal, const struct weft__signal_record *record)
{
    *signal = (struct weft_signal){.number = record->number,
                                   .pid = record->pid,
                                   .uid = record->uid,
                                   .value = record->value};
}

/* -- awaited ----------------------------------------------------------------------------------- */

int weft_signals_open(const int numbers[], size_t count, weft_signals **result)
{
    int error = check_place();
    struct weft_signals *signals;
    sigset_t set;

    if (error < 0)
        return error;
    if (!result || !may_be_taken(numbers, count, &set))
        return weft__misuse(-EINVAL, "no signals, or such as cannot be taken");
    signals = create(weft__io_of(weft__self), 0);
    if (!signals)
        return -ENOMEM;
    error = take(signals, &set);
    if (error < 0)
        destroy(signals);
    else
        *result = signals;
    return error;
}

/* The poll has ended by an error: called off, closed, or lost. */
static int poll_ended(struct weft__task *self, const struct weft_signals *signals, int error)
{
    if (error == -ECANCELED && weft_cause() != WEFT_CAUSE_NONE)
        return error;
    if (signals->closing)
        return weft__task_pass_on(self, -ECANCELED);
    return is_open(signals) ? error : gone();
}

/* One that has come, or the wait for it. */
static int next(struct weft__task *self, struct weft_signals *signals, struct weft_signal *signal)
{
    struct weft__signal_record record;

    for (;;) {
        int came;

        if (signals->closing)
            return weft__task_pass_on(self, -ECANCELED);
        if (!is_open(signals))
            return gone();
        came = weft__host_signal_read(signals->fd, &record, 1);
        if (came < 0)
            return see_lost(signals);
        if (came > 0) {
            if (signal)
                tell(signal, &record);
            return record.number;
        }
        came = weft__poll_claimed(signals->fd, POLLIN, signals->owner);
        if (came < 0 && came != -EINTR && came != -ENOMEM)
            return poll_ended(self, signals, came);
        if (came == -ENOMEM) /* the kernel has none just now */
            (void)weft_yield();
    }
}

/* A user before anything that may suspend, so that who closes them meanwhile waits for us. */
int weft_signals_wait(weft_signals *signals, struct weft_signal *signal)
{
    struct weft__task *self = weft__task_self();
    int result;

    if (!self)
        return weft__outside();
    if (!signals)
        return weft__misuse(-EINVAL, "no signals");
    if (signals->io->reactor != self->reactor)
        return weft__misuse(-EXDEV, "the signals are another reactor's");
    signals->users++;
    result = weft__enter(&self);
    if (result == 0)
        result = next(self, signals, signal);
    if (--signals->users == 0 && signals->closer)
        weft__wake_now(self->reactor, signals->closer);
    return result;
}

/* Ends the polls. */
static int close_descriptor(struct weft_signals *signals)
{
    if (is_open(signals))
        return weft_close(signals->fd) == -EBADF ? -EBADF : 0;
    weft__fd_end_claimed(signals->io, signals->fd, signals->owner);
    return gone();
}

int weft_signals_close(weft_signals *signals)
{
    struct weft__wait wait = {.what = "close", .fd = -1};
    struct weft__task *self = weft__task_self();
    int result;

    if (!self)
        return weft__outside();
    if (!signals)
        return 0;
    if (signals->io->reactor != self->reactor)
        return weft__misuse(-EXDEV, "the signals are another reactor's");
    if (signals->closing)
        return -EALREADY;
    weft__enter_release(self);
    signals->closing = true;
    let_go(signals);
    result = close_descriptor(signals);
    signals->closer = &wait;
    while (signals->users > 0)
        (void)weft__wait_for_wake(self, &wait, false);
    if (signals->lost)
        weft__fd_forget_lost(signals->io, signals->fd, signals->owner);
    destroy(signals);
    return result;
}

int weft_signal_wait(int number, struct weft_signal *signal)
{
    weft_signals *signals;
    int error = weft_signals_open(&number, 1, &signals);

    if (error < 0)
        return error;
    error = weft_signals_wait(signals, signal);
    (void)weft_signals_close(signals);
    return error;
}

/* -- handlers ---------------------------------------------------------------------------------- */

static struct weft_signals *find_handler(struct weft__io *io, int number)
{
    struct weft_signals *signals = io->signals;

    while (signals && signals->number != number)
        signals = signals->next;
    return signals;
}

/* Closed behind it: no more is told by that, and the next claim is read from another. */
static void lose(struct weft_signals *signals)
{
    weft__fd_end_claimed(signals->io, signals->fd, signals->owner);
    let_go(signals);
    signals->fd = -1;
}

/* One at a time: the handler may remove itself, and then no more is for it. */
static void readable(int fd, int events, void *arg)
{
    struct weft_signals *signals = arg;
    struct weft__signal_record record;
    struct weft_signal signal;

    (void)events;
    if (!is_open(signals)) /* it has been lost to another reactor */
        weft__fd_end_claimed(signals->io, fd, signals->owner);
    for (int i = 0; i < BATCH && signals->taken && is_open(signals); i++) {
        if (weft__host_signal_read(signals->fd, &record, 1) <= 0)
            return;
        tell(&signal, &record);
        signals->fn(&signal, signals->arg);
    }
}

int weft_add_signal_handler(int number, void (*fn)(const struct weft_signal *signal, void *arg),
                            void *arg)
{
    int error = check_place();
    struct weft_signals *signals, *made = NULL;
    sigset_t set;

    if (error < 0)
        return error;
    if (!fn || !may_be_taken(&number, 1, &set))
        return weft__misuse(-EINVAL, "no handler, or a signal that cannot be taken");
    signals = find_handler(weft__io_of(weft__self), number);
    if (!signals)
        signals = made = create(weft__io_of(weft__self), number);
    if (!signals)
        return -ENOMEM;
    signals->fn = fn;
    signals->arg = arg;
    if (signals->fd >= 0 && !is_open(signals))
        lose(signals);
    if (signals->taken)
        return 0;
    error = take(signals, &set);
    if (signals->fd >= 0 && (error == -EBADF || error == -EINVAL)) {
        lose(signals); /* the descriptor that was kept was closed meanwhile */
        error = take(signals, &set);
    }
    if (error == 0)
        error = weft_add_reader(signals->fd, readable, signals);
    if (error == 0)
        weft__watcher_claimed(signals->io, signals->fd);
    if (error < 0) {
        let_go(signals);
        if (made && made->fd < 0) /* else it may be its handler that adds it */
            destroy(made);
    }
    return error;
}

int weft_remove_signal_handler(int number)
{
    int error = check_place();
    struct weft_signals *signals;

    if (error < 0)
        return error;
    signals = number > 0 ? find_handler(weft__io_of(weft__self), number) : NULL;
    if (!signals || !signals->taken)
        return 0;
    if (is_open(signals)) {
        (void)weft_remove_reader(signals->fd);
        let_go(signals);
    } else {
        lose(signals);
    }
    return 1;
}
