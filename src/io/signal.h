/*
 * io/signal.h - signals taken by tasks and callbacks of this reactor; <weft/signal.h> is the
 * reference.
 *
 *            claim                      release
 *      ------------> TAKEN, readable ------------> idle, the descriptor kept for the next of them
 *
 * The waiting is a poll of the ring; what has come is then read directly, which does not wait.
 */
#ifndef WEFT_IO_SIGNAL_H
#define WEFT_IO_SIGNAL_H

#include <signal.h>
#include <weft/signal.h>

#include "io/io.h"

struct weft_signals {
    struct weft__io *io;
    struct weft_signals *next, **link; /* among the reactor's */
    sigset_t set;
    int fd;
    uint64_t owner; /* the word of its record, for as long as the descriptor is its own */
    int number;     /* of a handler; 0: awaited */
    bool lost;      /* it is not, which nothing but a read has told */
    bool taken;
    bool closing;
    uint32_t users;            /* tasks inside weft_signals_wait */
    struct weft__wait *closer; /* waits for them */
    void (*fn)(const struct weft_signal *signal, void *arg);
    void *arg;
};

/* Not those of faults, SIGSYS, those that cannot be caught, and numbers that are none. */
bool weft__signal_may_be_taken(int number);
/* Is it the descriptor of some of them? */
bool weft__signals_have(const struct weft__io *io, int fd);
/* Nothing is in flight any more: closes and frees them all. */
void weft__signals_stop(struct weft__io *io);

#endif
