/*
 * io/fd.h - what is known of each descriptor: who owns it, and who reads and writes it now.
 *
 * One table for the process, indexed by descriptor, a cache line each. The word `owner` is atomic
 * and says which reactor the rest of the line belongs to; everything else is touched by that
 * reactor alone.
 *
 *      owner == 0        nobody's: the first reactor to use it claims it by one compare-and-swap
 *      owner == id       the reactor's whose io layer has this id
 *      owner == id | CLOSING   being closed: refused to everybody
 *
 * Its upper half counts the claims. weft_close gives a record back after the kernel has closed the
 * descriptor, when another reactor may already have been given the same number: the exchange by the
 * whole word then fails, as it should.
 */
#ifndef WEFT_IO_FD_H
#define WEFT_IO_FD_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "io/io.h"
#include "reactor/op.h"

struct weft__acceptor;
struct weft__wait;
struct weft_stream;

enum weft__side { WEFT__READER, WEFT__WRITER };

enum {
    WEFT__FD_EXPECT = 1 << 0,   /* the last receive left something behind: the next will find it */
    WEFT__FD_POISONED = 1 << 1, /* a connect failed or was cancelled: only close */
    WEFT__FD_KNOWN = 1 << 2,    /* of what kind it is has been asked: the two that follow,
                                 and PIPE */
    WEFT__FD_SEEKS = 1 << 3,    /* it has a position: can be read at an offset */
    WEFT__FD_SOCKET = 1 << 4,
    WEFT__FD_MOVED = 1 << 5, /* handed over: whoever claims it next is told of the trouble */
    WEFT__FD_LENT = 1 << 6, /* claimed by who waits for it to be ready: nobody's again afterwards */
    WEFT__FD_NONBLOCK = 1 << 7, /* a socket that was made so */
    WEFT__FD_NAGLE = 1 << 8,    /* a listener whose connections are to have Nagle's algorithm */
    WEFT__FD_PIPE = 1 << 9,     /* as SEEKS and SOCKET: one of the three at most */
    WEFT__FD_TYPED = 1 << 10,   /* has been asked whether ... */
    WEFT__FD_PACKETS = 1 << 11, /* ... it is a Unix socket that keeps messages apart: io/packet.h */
    WEFT__FD_FILE = 1 << 12,    /* a file object has it, and closes it */
    WEFT__FD_COPIES = 1 << 13,  /* what is given to it is copied on its way all the same */
    WEFT__FD_HELD = 1 << 14,    /* the ring holds its file: see weft__fd_hold */
    WEFT__FD_PASSED = 1 << 15,  /* another process may have the open file, too */
};

/* The rest of the flags: the number of the hand-over that was heard here last, or 0. */
#define WEFT__FD_GREETED_SHIFT 16
#define WEFT__FD_GREETED UINT32_C(0xffff0000)

/* A request on a descriptor beside any number of others: at an offset, of the file as a whole, or
   of a name below a directory. Who closes the descriptor finds those in flight by this. */
struct weft__fd_use {
    struct weft__fd_use *next, **link; /* among those of the io layer */
    struct weft__op *op;
    int fd;
    uint32_t claim; /* of the record, as it was */
    bool given_up;  /* its end is on the way, and nobody waits for it but who closes */
    bool claimed;   /* by who has the descriptor for himself: ends when the number is another's */
};

/* A task that waits for those who have a descriptor to let go of it. The record leads to it; and
   once the number is another's, and so the record, the list of its io layer does: those whom it
   waits for end all the same. */
struct weft__closer {
    struct weft__wait wait; /* first; its fd says of which */
    struct weft__closer *next, **link;
    uint32_t claim; /* of the record, as it was */
};

struct weft__fd {
    _Atomic(uint64_t) owner;
    struct weft__op *sides[2];       /* who holds the side: an operation, an acceptor, a stream */
    struct weft__acceptor *acceptor; /* NULL unless connections are taken from it */
    struct weft_stream *stream;      /* NULL unless a stream owns it */
    struct weft__wait *closer;       /* that of a weft__closer; or nobody, who closes with the last
                                        use */
    uint32_t flags;
    uint32_t identity; /* debug builds: device and inode at the claim, mixed */
    int32_t trouble;   /* met by a receive that had bytes to report: for the next one */
    uint32_t uses;     /* struct weft__fd_use of this descriptor */
};
_Static_assert(sizeof(struct weft__fd) == 64, "a cache line each");

#define WEFT__FD_CLOSING UINT64_C(0x80000000)

/* The process's table, for as long as the caller does not put it back. 0 or -ENOMEM. */
int weft__fd_table_get(struct weft__fd **records, uint32_t *count);
void weft__fd_table_put(void);

/* What weft__fd_find does when the record is not simply ours. */
int weft__fd_find_slow(struct weft__io *io, int fd, struct weft__fd *record);
/* What is said of a side that is held: -EBUSY, or -ENOTCONN of a poisoned one. */
int weft__fd_held(const struct weft__fd *record);
/* The same where it is a mistake to ask: there may be one reader and one writer. */
int weft__fd_refuse(const struct weft__fd *record);

/* Which file it is: device and inode, mixed; 0 when it is not open. A system call. */
uint32_t weft__fd_identity(int fd);

#ifdef WEFT_DEBUG
/* Is this still the file that was claimed? 0, or -EBADF: it was closed behind our back. */
int weft__fd_verify(struct weft__io *io, int fd, struct weft__fd *record);
#else
static inline int weft__fd_verify(struct weft__io *io, int fd, struct weft__fd *record)
{
    (void)io, (void)fd, (void)record;
    return 0;
}
#endif

/* A number that is beyond the table. */
static inline int weft__fd_no_such(int fd)
{
    if (fd < 0)
        (void)weft__misuse(-EBADF, "a negative descriptor, as a call that failed gave");
    return -EBADF;
}

/* The record of `fd`, claimed for this reactor if it was nobody's. 0; -EBADF, -EXDEV. */
static inline int weft__fd_find(struct weft__io *io, int fd, struct weft__fd **record)
{
    struct weft__fd *found;

    if (__builtin_expect((uint32_t)fd >= io->fd_count, 0))
        return weft__fd_no_such(fd);
    found = &io->fds[fd];
    *record = found;
    /* relaxed: when it is ours, only we have written the rest of the line */
    uint64_t owner = atomic_load_explicit(&found->owner, memory_order_relaxed);
    if (__builtin_expect((uint32_t)owner == io->id, 1))
        return weft__fd_verify(io, fd, found);
    return weft__fd_find_slow(io, fd, found);
}

/* Finds the record and takes one side of it for `op`, idle so far. 0; -EBADF, -EXDEV, -EBUSY. */
static inline int weft__fd_enter(struct weft__io *io, int fd, enum weft__side side,
                                 struct weft__op *op, struct weft__fd **record)
{
    int error = weft__fd_find(io, fd, record);

    if (__builtin_expect(error < 0, 0))
        return error;
    if (__builtin_expect((*record)->sides[side] != NULL, 0))
        return weft__fd_refuse(*record);
    op->id = 0;
    (*record)->sides[side] = op;
    return 0;
}

void weft__fd_wake_closer(struct weft__io *io, struct weft__fd *record);
/* The same by one that had a number which is another's by now. */
void weft__fd_wake_closers_of_lost(struct weft__io *io, int fd);

/* What is left of weft__fd_leave when it is being closed, or was reset. */
void weft__fd_leave_slow(struct weft__io *io, struct weft__fd *record, enum weft__side side,
                         struct weft__op *op);

/* Lets go of a side. */
static inline void weft__fd_leave(struct weft__io *io, struct weft__fd *record,
                                  enum weft__side side, struct weft__op *op)
{
    /* relaxed: when it is ours, only we have written the rest of the line */
    uint64_t owner = atomic_load_explicit(&record->owner, memory_order_relaxed);

    if (__builtin_expect((uint32_t)owner == io->id && record->sides[side] == op, 1))
        record->sides[side] = NULL;
    else
        weft__fd_leave_slow(io, record, side, op);
}

/* What an earlier receive had met besides its bytes: it is said once. */
static inline int weft__fd_take_trouble(struct weft__fd *record)
{
    int error = record->trouble;

    record->trouble = 0;
    return error;
}

/* The count of its claims: another one, and the number is somebody else's by now. */
static inline uint32_t weft__fd_claim(const struct weft__fd *record)
{
    return (uint32_t)(atomic_load_explicit(&record->owner, memory_order_relaxed) >> 32);
}

/* The word of a record that is ours, to be compared later: by then it may be closing, or another's.
 */
static inline uint64_t weft__fd_word_of(const struct weft__fd *record)
{
    return atomic_load_explicit(&record->owner, memory_order_relaxed) & ~WEFT__FD_CLOSING;
}
static inline bool weft__fd_is_still(const struct weft__fd *record, uint64_t word)
{
    /* relaxed: when it is, only we have written the rest of the line */
    return atomic_load_explicit(&record->owner, memory_order_relaxed) == word;
}
/* It is not: -ECANCELED, it is being closed; -EBADF, it was closed behind us, and is another's. */
int weft__fd_why_not(const struct weft__fd *record, uint64_t word);

/* The record is found: the use of it begins, with an operation that is idle so far. */
static inline void weft__fd_use_begin(struct weft__io *io, struct weft__fd *record, int fd,
                                      struct weft__fd_use *use, struct weft__op *op)
{
    op->id = 0;
    use->op = op;
    use->fd = fd;
    use->given_up = use->claimed = false;
    use->claim = weft__fd_claim(record);
    use->next = io->uses;
    use->link = &io->uses;
    if (use->next)
        use->next->link = &use->next;
    io->uses = use;
    record->uses++;
}

/* False: the number is another's by now, and so is the record. */
static inline bool weft__fd_use_end(struct weft__io *io, struct weft__fd *record,
                                    struct weft__fd_use *use)
{
    *use->link = use->next;
    if (use->next)
        use->next->link = use->link;
    if (__builtin_expect(weft__fd_claim(record) != use->claim, 0)) {
        weft__fd_wake_closers_of_lost(io, use->fd);
        return false;
    }
    record->uses--;
    if (__builtin_expect(record->closer != NULL, 0))
        weft__fd_wake_closer(io, record);
    return true;
}

/* Does anybody use it beside who has its sides? Not those whose use is given up. */
bool weft__fd_used(const struct weft__io *io, int fd, const struct weft__fd *record);
/* Asks for the end of all that are in flight on `fd`, but not of those on a file that had the
   number before. */
void weft__fd_uses_cancel(struct weft__io *io, int fd, const struct weft__fd *record);

/* Waits for those who have the descriptor begin, and end; .wait.what and .wait.fd are set. */
void weft__fd_closer_begin(struct weft__io *io, struct weft__fd *record,
                           struct weft__closer *closer);
void weft__fd_closer_end(struct weft__fd *record, struct weft__closer *closer);
/* Was the number closed behind it, and is another's by now? Then so is the record. */
static inline bool weft__fd_closer_lost(const struct weft__fd *record,
                                        const struct weft__closer *closer)
{
    return weft__fd_claim(record) != closer->claim;
}

/* The word of a record, which who has the descriptor for himself keeps: it is his for as long as
   the record has it. Not once the number was closed behind him, and weft has seen that, or has
   given it to another. */
static inline uint64_t weft__fd_word(const struct weft__io *io, int fd)
{
    /* relaxed: only who closes it, and who is given the number again, changes the word */
    return atomic_load_explicit(&io->fds[fd].owner, memory_order_relaxed);
}
/* It is not: asks for the end of what he himself has in flight by it, of nobody else's. */
void weft__fd_end_claimed(struct weft__io *io, int fd, uint64_t word);

/* Of what kind the descriptor is, in the record's flags; asked once. */
void weft__fd_ask_kind(int fd, struct weft__fd *record);
static inline bool weft__fd_is(int fd, struct weft__fd *record, uint32_t kind)
{
    if (__builtin_expect(!(record->flags & WEFT__FD_KNOWN), 0))
        weft__fd_ask_kind(fd, record);
    return record->flags & kind;
}

/* A socket that something can come from: to whoever connected it so, that need not be asked. */
static inline void weft__fd_note_connected(struct weft__fd *record)
{
    record->flags |= WEFT__FD_KNOWN | WEFT__FD_SOCKET;
}

static inline bool weft__fd_closing(const struct weft__fd *record)
{
    return atomic_load_explicit(&record->owner, memory_order_relaxed) & WEFT__FD_CLOSING;
}

/* Has the ring hold the file, if it will: from then on requests may be marked so. Who ends the
   claim of a descriptor that weft owns lets go of it. */
void weft__fd_hold(struct weft__io *io, int fd, struct weft__fd *record);
void weft__fd_let_go(struct weft__io *io, int fd, struct weft__fd *record);

/* The same for one that was lost: unless somebody here holds the file that has the number now. */
void weft__fd_let_go_of_lost(struct weft__io *io, int fd);

/* A descriptor that weft made: its record begins anew, whatever an old number left there. 0 or
   -EMFILE (beyond the table; the descriptor is then closed). */
int weft__fd_adopt(struct weft__io *io, int fd);
/* Closes one that was never adopted: nobody will have it. */
void weft__fd_discard(struct weft__io *io, int fd);

/* Has a file object the descriptor? Then -EBUSY, a mistake; else 0. */
int weft__fd_refuse_file(const struct weft__fd *record);

/* It is about to be passed to another process: of what is ours that is noted. */
void weft__fd_note_passed(struct weft__io *io, int fd);

/* Nothing may be in flight from here on. */
void weft__fd_poison(struct weft__fd *record);
/* Whoever uses the number next claims it: the kernel does not know it (of an object's that is
   asked), or ... */
void weft__fd_forget(struct weft__io *io, struct weft__fd *record);
/* The same after an -EBADF that may have meant another descriptor: asks first. */
void weft__fd_forget_closed(struct weft__io *io, int fd, struct weft__fd *record);
/* The same by who has closed what he had for himself, and had lost: unless it is another's claim.
 */
void weft__fd_forget_lost(struct weft__io *io, int fd, uint64_t word);
/* ... it is handed over; the kernel says some things once, and those go along. */
void weft__fd_hand_over(struct weft__io *io, struct weft__fd *record);

/* Finds the record of a descriptor that is to be waited for, and not used: lent, if it was
   nobody's. 0; -EBADF, -EXDEV, -EBUSY, -ENOTCONN. */
int weft__fd_watch(struct weft__io *io, int fd, struct weft__fd **record);
/* Nobody waits any more in a way that its owner knows of: he may close the number behind our back
   and have it given out again, though requests on it have yet to end. */
void weft__fd_unwatched(struct weft__fd *record);
/* One that waited has ended. */
void weft__fd_watch_end(struct weft__io *io, struct weft__fd *record);

/* Is this reactor closing it already? */
bool weft__fd_closes_here(const struct weft__io *io, int fd);

/* weft_close: marks the record; returns the word to give back with. */
uint64_t weft__fd_close_begin(struct weft__fd *record);
/* Makes the record's state visible to who gets the number next. Before the request to close. */
void weft__fd_close_publish(struct weft__fd *record, uint64_t word);
void weft__fd_close_end(struct weft__fd *record, uint64_t word);

/* Has a call one of its sides, or a stream, or who accepts? Not a connect that failed. */
bool weft__fd_held_by_call(const struct weft__fd *record);
/* weft_close_nowait, of a record that is marked: closes it as soon as those who use it, and were
   given up, have ended; with the last of them, or now. */
void weft__fd_close_later(struct weft__io *io, struct weft__fd *record);

/* Gives back every record of this io layer: its reactor stops. */
void weft__fd_release_all(struct weft__io *io);

#endif
