/*
 * io/accept.h - a listener: connections the kernel has accepted, kept until a task takes them.
 *
 *            arm                    connection: queue, or hand to the taker
 *     idle -------> armed ------------------------------------------------> armed
 *      ^  ^           |  final completion: not full -> arm again
 *      |  |           |  full (64 wait) -> paused, until 32 wait
 *      |  |           |  no descriptors left -> backing off, or watching
 *      |  +-- timer, or a descriptor was closed --+
 *
 * With a descriptor in reserve (turn_away in the listener's options) there is no backing off:
 *
 *     watching --somebody waits: the reserve is closed, one accept armed--> accepted
 *      ^    ^                                                                |    |
 *      |    +-- the reserve cannot be opened: the connection is closed, -----+    |
 *      |        then it can                                                       |
 *      +-- out of descriptors again --- armed <-- it can: the connection is kept -+
 *
 * Watching needs no descriptor, so the number in reserve is anybody's for a moment only; and the
 * next connection finds out whether there is room again. One reserve for each listener: nothing has
 * to be shared out.
 *
 * Armed for many connections at once while none waits, for one at a time while some do: so what the
 * kernel may accept beyond the limit is one burst at most, and none of that burst is lost.
 *
 * A listener that was closed by close(2) goes on as long as what is armed: the kernel has the file.
 * Nothing more is asked of its number, which may be another's: who waits gets -EBADF then. Once
 * weft has given the number to another, and nobody waits, it ends, and so do the connections it
 * has.
 *
 * Belongs to the descriptor's record and to its reactor's loop. It exists from the first
 * weft_accept to weft_close, or until the io layer stops.
 */
#ifndef WEFT_IO_ACCEPT_H
#define WEFT_IO_ACCEPT_H

#include "io/fd.h"
#include "reactor/timer.h"
#include "task/task.h"

enum {
    WEFT__ACCEPT_WAITING_MAX = 64,
    WEFT__ACCEPT_BACKOFF_MIN_MS = 10,
    WEFT__ACCEPT_BACKOFF_MAX_MS = 500,
};

struct weft__acceptor {
    struct weft__op op;       /* the armed accept, or the watch for somebody who waits */
    struct weft__timer timer; /* ends a back-off */
    struct weft__io *io;
    struct weft__fd *record;
    struct weft__acceptor *next; /* among the reactor's */
    struct weft__acceptor **link;
    struct weft__wait *taker;  /* weft_accept, waiting */
    struct weft__wait *closer; /* waits for the end of what is armed, and of the taker */
    int *queue;                /* accepted, not taken: a circle of capacity mask + 1 */
    uint32_t mask;
    uint32_t head;
    uint32_t tail;
    int fd;
    uint64_t owner;      /* the record's word: another, and the number is another file's */
    int32_t error;       /* not 0: it is over, nothing is armed any more */
    uint32_t backoff_ms; /* the next pause */
    uint32_t failures;   /* in a row */
    int32_t reserve;     /* a descriptor, or a negative errno: none is kept, or could be */
    bool turns_away;     /* keeps one */
    bool starved;        /* the latest refusal was for want of descriptors */
    bool stopping;       /* frees itself with the final completion */
};

/* The acceptor of a listener that keeps a descriptor in reserve. 0; -ENOMEM, -EMFILE, -ENFILE. */
int weft__acceptor_with_reserve(struct weft__io *io, int fd);

/* weft_close: ends what is armed, waits for that, closes the connections that wait, frees it. */
void weft__acceptor_close(struct weft__task *self, struct weft__acceptor *acceptor);
/* Ends what is armed on the listener, waits for that, and takes the next of the connections that
   are left. Never cancelled. The descriptor; -EAGAIN there are none. */
int weft__accept_rest(struct weft__task *self, int fd);
/* Its number has been given to another. */
void weft__acceptor_lose(struct weft__acceptor *acceptor);
/* The io layer stops: the same without waiting; it is freed at once or with its last completion. */
void weft__acceptor_stop(struct weft__acceptor *acceptor);

/* Listeners that pause for want of descriptors try again. */
void weft__accept_again(struct weft__io *io);

/* A descriptor was closed. */
static inline void weft__accept_freed(struct weft__io *io)
{
    if (__builtin_expect(io->accepts_starved > 0, 0))
        weft__accept_again(io);
}

/* Accepted and not taken. */
static inline uint32_t weft__acceptor_waiting(const struct weft__acceptor *acceptor)
{
    return acceptor->tail - acceptor->head;
}

#endif
