/*
 * weft/signal.h - signals, awaited by tasks or told to callbacks.
 *
 * Signals so taken are blocked on the thread of the runtime's first reactor and read from a
 * descriptor, as signalfd(2) has it; other threads pass on what comes to them. So no code of yours
 * runs in a signal handler, and no system call of yours is interrupted. As ever with POSIX, several
 * of one standard signal that come before one was taken are one; real-time signals are queued.
 *
 * A signal is taken by one taker at a time in the whole program (-EBUSY). While it is, other
 * handlers of it rest, that of stop_on_sigterm among them; what they were, and what was blocked, is
 * put back afterwards. Takers still there when the run ends are closed.
 *
 * On the first reactor of a runtime, whose thread it is that called weft_run, or on a loop: -EXDEV
 * elsewhere (weft_call(0, ...) goes there). Every call may also answer -EPERM outside of a reactor.
 *
 * If the descriptor was closed by close(2), and weft saw that or has the number again, those who
 * wait get -EBADF, weft_signals_close too, which then closes nothing; a handler is told no more
 * until it is added again.
 */
#ifndef WEFT_SIGNAL_H
#define WEFT_SIGNAL_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

typedef struct weft_signals weft_signals;

/* One that came. */
struct weft_signal {
    int number;
    int pid;   /* of the sender, where one is known; of SIGCHLD, the child */
    int uid;   /* the sender's */
    int value; /* that sigqueue(3) gave */
};

/*
 * Takes `count` signals, from now on: what comes is kept until it is waited for.
 * Returns 0 and *signals, to be closed by weft_signals_close; -EINVAL NULL, none, no such signal,
 * or SIGKILL, SIGSTOP, SIGSYS or the signal of a fault among them; -EBUSY one is taken already;
 * -EMFILE, -ENFILE, -ENOMEM. Does not suspend.
 */
WEFT_API WEFT_NODISCARD int weft_signals_open(const int numbers[], size_t count,
                                              weft_signals **signals);

/*
 * Waits for the next of them; any number of tasks may. Returns its number, and *signal (NULL
 * allowed); -ECANCELED, and then none was taken, also when another task closes them; -EINVAL;
 * -EBADF.
 */
WEFT_API int weft_signals_wait(weft_signals *signals, struct weft_signal *signal) WEFT_SUSPENDS;

/* Takes them no more; what came and was not waited for is dropped. NULL does nothing. 0;
   -EALREADY another task closes them; -EBADF, and only they are gone. */
WEFT_API int weft_signals_close(weft_signals *signals) WEFT_SUSPENDS;

/* weft_signals_open, _wait and _close for one signal: what came before the call does not count. */
WEFT_API int weft_signal_wait(int number, struct weft_signal *signal) WEFT_SUSPENDS;

/*
 * Has fn(&signal, arg) called for each, on the loop, where nothing may suspend (weft/callback.h);
 * it may remove itself. Adding another handler puts it in the earlier one's place. Keeps no reactor
 * alive. Returns 0; as weft_signals_open; -ESHUTDOWN the reactor stops.
 */
WEFT_API WEFT_NODISCARD int weft_add_signal_handler(
    int number, void (*fn)(const struct weft_signal *signal, void *arg), void *arg);
/* Returns 1; 0 when there was none. */
WEFT_API int weft_remove_signal_handler(int number);

WEFT_END_DECLS

#endif
