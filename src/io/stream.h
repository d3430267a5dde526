/*
 * io/stream.h - inside a stream: the receive that stays armed, and the buffers held for the reader.
 *
 *                arm                 completion: append to the held list, wake the reader
 *      idle ------------> armed -----------------------------------------------------------> armed
 *       ^                   |
 *       |   final completion (and the op is idle):
 *       |      the end, or an error        -> over: said after what is held has been read
 *       |      held_max reached            -> paused: armed again when half of it has been read
 *       |      no buffers (-ENOBUFS)       -> starved: armed again when one is given back
 *       |      another size is wanted      -> armed again at once, from another group
 *       +--    the reader takes large ones -> direct: the reader receives into its own memory
 *
 * What is no socket moves bytes by reads and writes: a pipe, which goes one way, or a terminal. The
 * way that a pipe does not go is over from the first. A pipe that is written to and shut down has
 * no descriptor any more (fd -1, no record), and nothing is in flight on it.
 *
 * A stream that has nothing to do is kept small, for there may be a million: what sends is beside
 * it, and only while something is unsent (struct weft__sending); what it may wait for it waits for
 * in one place, and there is one timer for all; where its record is, the table of descriptors
 * knows.
 *
 * Which streams a reactor has does not hang on that table: a number may be closed behind the stream
 * by close(2), and be another's then, on this reactor or another. Each stands in one list, of those
 * that wait for the same or of those that wait for nothing, until it closes or is detached. One
 * whose number is another's by now is lost (weft__stream_lose, where that is noticed), and touches
 * neither that record nor that descriptor (weft__stream_owns) when it closes.
 *
 * A server's stream, while the handler runs, and a process's have an owner. Closing one closes it
 * for good, but its memory stays until the owner has done with it, who frees it: a handler may
 * close early, and whoever still has the pointer is told -EBADF.
 *
 * Belongs to the reactor that opened it. Whoever gets the last completion in hand (a task that
 * closes, or the loop once the io layer stops) frees it; while a request is in flight it stays.
 */
#ifndef WEFT_IO_STREAM_H
#define WEFT_IO_STREAM_H

#include <sys/socket.h>
#include <weft/stream.h>

#include "io/buffers.h"
#include "io/fd.h"
#include "reactor/timer.h"
#include "task/task.h"
#include "task/wait.h"

enum weft__owned { WEFT__OWNED_BY_BUDGET = 1, WEFT__OWNED_BY_TRANSPORT };

/* In what list it stands by its `place`. */
enum weft__standing {
    WEFT__STANDS_NOWHERE, /* it closes, or is nobody's */
    WEFT__STANDS_STARVED, /* the pool's: waits for a buffer */
    WEFT__STANDS_RETRY, /* the io layer's: there was no request to be had; tries both ways again */
    WEFT__STANDS_BY,    /* the io layer's: waits for nothing of the kind */
};

enum { WEFT__HELD_MAX_DEFAULT = 256 * 1024 };

struct weft_stream {
    /* what a message touches stands in the first two lines */
    struct weft__op receive; /* first; also holds both sides of the descriptor's record. Its waiter
                                is the reader, parked until something is held, or it is over */
    struct weft__io *io;
    struct weft__buffer *head; /* held, oldest first */
    struct weft__buffer *tail;
    struct weft__op *writer;       /* the writer's send, or NULL */
    struct weft__sending *sending; /* NULL: all that was given and written is sent */
    int fd;
    int16_t error;       /* over: said once nothing is held */
    int16_t write_error; /* why what was given could not be sent; stays */
    uint32_t held;       /* bytes of the buffers held, whole buffers counted */
    uint32_t held_max;
    union {
        uint32_t lent;     /* bytes of the view */
        uint32_t identity; /* while it is detached, and lends none: which file it was */
    };
    uint32_t hunted;      /* so many bytes more the reader wants held, whatever held_max says */
    uint32_t high;        /* more than this unsent: a drain waits, or a transport is paused ... */
    uint32_t low;         /* ... until then */
    uint8_t full;         /* buffers filled to the brim, in a row */
    uint8_t large;        /* large pieces in a row */
    uint8_t small;        /* small pieces in a row */
    uint8_t writes;       /* so far, up to those after which the ring holds the file */
    uint8_t owned : 2;    /* enum weft__owned: what `owner` is, who is told of what it moves */
    uint8_t standing : 2; /* enum weft__standing */
    uint8_t class : 2;    /* of the buffers wanted */
    uint8_t armed_class : 2; /* of the group the armed receive takes from */
    bool in_transport : 1;   /* its memory is the transport's */
    bool held_file : 1;      /* the ring holds its file */
    bool fixed : 1;          /* the user chose the size */
    bool plain : 1;          /* no socket: moves bytes by reads and writes */
    bool one_way : 1;        /* a pipe: the other way is refused */
    bool hangs_up : 1;       /* a terminal: the end of the program behind it reads as -EIO */
    bool dry : 1;            /* the latest splice took all there was in the socket */
    bool first_due : 1;      /* nothing was read yet, and until then no wait is idle */
    bool ended : 1;          /* the peer has */
    bool paused : 1;         /* held_max was reached */
    bool to_memory : 1;      /* the reader receives by itself: nothing is to be armed */
    bool desperate : 1;      /* starved, and the pool can give no more */
    bool was_armed : 1;
    bool viewing : 1;
    bool reading : 1;  /* a task is in weft_stream_read or its kin */
    bool moving : 1;   /* between two reactors, or about to be: nothing is armed, nothing sent */
    bool giving : 1;   /* something given is not sent yet, or could not be */
    bool flushing : 1; /* a task that closes waits for what was given */
    bool closing : 1;
    bool closed : 1;   /* nothing is left of it but its memory, which is its owner's to free */
    bool stopping : 1; /* frees itself with the last completion */

    struct weft__op *direct;      /* the reader's own receive or poll, or NULL */
    struct weft__buffer *filling; /* what a receive without a pool fills, or NULL */
    union {
        struct weft__starved place;
        struct weft__wait *closer; /* it closes or is being detached, and stands nowhere: who waits
                                      until all have left it */
    };
    void *owner; /* struct weft__budget or, of a transport, struct weft__gate (server.h), or, with
                  * `owned` 0, the process whose end it is: it may not move, and who closes it
                  * leaves the memory to its owner
                  */
};
_Static_assert(offsetof(struct weft_stream, direct) <= 128, "what a message touches");
_Static_assert(sizeof(struct weft_stream) <= 168, "what an idle connection costs");

/*
 * What is being sent by nobody who waits, and what waits behind it: bytes given (stream_give.c),
 * or written without waiting (stream_queue.c). A stream has one from the first of them until the
 * last is sent; then it is put aside for the next stream that sends, whose line it warms.
 */
struct weft__sending {
    struct weft__op op; /* first. Idle while no request can be had, and between two reactors. Its
                           waiter: the writer, until no more than `level` is pending */
    union {
        struct weft_stream *stream;
        struct weft__sending *next; /* put aside */
    };
    struct weft__buffer *given; /* what it sends from; NULL: the stream moves, and it is the
                                   queue's turn */
    uint32_t offset;            /* in the buffer: what has not been sent yet */
    uint32_t length;
    struct weft__buffer *head; /* queued behind it: on the heap, oldest first */
    struct weft__buffer *tail;
    uint32_t queued; /* bytes in them */
    uint32_t level;
};

static inline struct weft_stream *weft__stream_at(struct weft__starved *place)
{
    return (struct weft_stream *)((char *)place - offsetof(struct weft_stream, place));
}
/* The stream of this reactor's that has the descriptor, or NULL. */
static inline struct weft_stream *weft__stream_on(const struct weft__io *io, uint32_t fd)
{
    struct weft__fd *record = &io->fds[fd];
    /* relaxed: of a record that is not ours nothing else is looked at */
    uint64_t word = atomic_load_explicit(&record->owner, memory_order_relaxed);

    return (uint32_t)(word & ~WEFT__FD_CLOSING) == io->id ? record->stream : NULL;
}
static inline struct weft__fd *weft__stream_record(const struct weft_stream *stream)
{
    return &stream->io->fds[stream->fd];
}
/* Is the record its own? Not of one that is shut or nobody's; nor once the number was closed behind
   it, and given to another. */
static inline bool weft__stream_owns(const struct weft_stream *stream)
{
    return (uint32_t)stream->fd < stream->io->fd_count &&
           weft__stream_on(stream->io, (uint32_t)stream->fd) == stream;
}
/* Its descriptor is closed: it was a pipe, and shut down. */
static inline bool weft__stream_shut(const struct weft_stream *stream)
{
    return stream->fd < 0;
}

/* The owner has done with it, here or by the end of who closes it meanwhile: true: it was closed
   already, and is freed. False: it is without an owner, and to be closed by somebody. */
bool weft__stream_disown(struct weft_stream *stream);

/* The next buffer to be sent, its bytes no longer queued; NULL: none. */
struct weft__buffer *weft__stream_next_queued(struct weft__sending *sending);
void weft__stream_drop_queued(struct weft_stream *stream);
/* Copies the bytes and has them sent. 0 or a negative errno. No task is writing. */
int weft__stream_queue(struct weft_stream *stream, const void *bytes, size_t size);

/* stream_give.c */
/* Sees to it that something can be sent: nothing is being. 0 or -ENOMEM. */
int weft__stream_begin_sending(struct weft_stream *stream);
/* Sends so much of the buffer, a user of which is the sending, which has begun. */
void weft__stream_send_buffer(struct weft_stream *stream, struct weft__buffer *buffer,
                              uint32_t length);
/* Bytes given, or queued, that the kernel has not taken yet. */
static inline size_t weft__stream_pending(const struct weft_stream *stream)
{
    return stream->sending ? (size_t)stream->sending->length + stream->sending->queued : 0;
}
static inline bool weft__stream_gives(const struct weft_stream *stream)
{
    return stream->sending && stream->sending->given;
}
static inline bool weft__stream_send_in_flight(const struct weft_stream *stream)
{
    return stream->sending && weft__op_in_flight(&stream->sending->op);
}
/* Waits, as the writer, until no more than `level` bytes of what was given are pending. 0, why they
   could not be sent, -ECANCELED. */
int weft__stream_wait_given(struct weft__task *self, struct weft_stream *stream, uint32_t level);
/* The same as the writer of `to` and as the reader of `from`, since whoever closes that one must
   wake us and wait until we have left it; what arrives there wakes us too, and means nothing. */
int weft__stream_await_turn(struct weft__task *self, struct weft_stream *to,
                            struct weft_stream *from);
/* Sends the first `size` bytes that `from` holds in one buffer, from where they lie: at least one,
   nothing is being sent, and `to` can afford them. `size`, -ENOBUFS or -ENOMEM. */
ssize_t weft__stream_give_head(struct weft_stream *to, struct weft_stream *from, uint32_t size);
/* Tries again to send what was given, if no request could be had for it. */
void weft__stream_retry_give(struct weft_stream *stream);
/* Asks for the end of it; true when nothing of it is in flight. */
bool weft__stream_end_give(struct weft_stream *stream);
/* The stream goes, and nothing is in flight: so does what it did not send. */
void weft__stream_free_sending(struct weft_stream *stream);
/* The io layer closes: those put aside. */
void weft__sendings_free(struct weft__io *io);

/* stream_receive.c: on the loop or on a task of the reactor */
void weft__stream_init_receive(struct weft_stream *stream);
/* Whom the pool calls for those that wait for its buffers. */
void weft__stream_resume(struct weft__starved *place);
void weft__stream_despair(struct weft__starved *place);
/* In that list of the io layer's, and in no other. */
void weft__stream_stand(struct weft_stream *stream, enum weft__standing standing,
                        struct weft__starved **list);
void weft__stream_stand_nowhere(struct weft_stream *stream);
/* Holds what was received otherwise: `length` bytes in a buffer from weft__buffers_heap. */
void weft__stream_hold(struct weft_stream *stream, struct weft__buffer *buffer, uint32_t length);
/* Among those that wait for nothing. */
void weft__stream_stand_by(struct weft_stream *stream);
/* Who closes or detaches it looks again. */
static inline void weft__stream_wake_closer(struct weft_stream *stream)
{
    if (stream->standing == WEFT__STANDS_NOWHERE && stream->closer)
        weft__wake_now(stream->io->reactor, stream->closer);
}
/* Arms the receive if it should be armed and is not. 0, or a negative errno for the reader. */
int weft__stream_arm(struct weft_stream *stream);
/* It waits no more: the reader, who does, receives by itself. */
void weft__stream_feed(struct weft_stream *stream);
/* The same, into a buffer of its own. 0 or -ENOMEM. */
int weft__stream_arm_plain(struct weft_stream *stream);
/* The reader took `count` bytes from the head. */
void weft__stream_take(struct weft_stream *stream, size_t count);
/* When a request could not be had: another try in a moment. */
void weft__stream_retry_soon(struct weft_stream *stream);
/* Whoever had the last completion of a stream that stops frees it. */
void weft__stream_stopped(struct weft_stream *stream);
/* Asks for the end of everything; returns true when nothing is in flight. */
bool weft__stream_end(struct weft_stream *stream);
/* Has the peer been sending large pieces, at the largest size of buffers? */
bool weft__stream_is_large(const struct weft_stream *stream);
/* Decides by the size of a direct receive whether to go on so. */
void weft__stream_note_direct(struct weft_stream *stream, uint32_t count);

/* stream_read.c: the reader's side, for who reads otherwise. */
int weft__stream_begin_read(struct weft_stream *stream, int flags, struct weft__task **self);
void weft__stream_end_read(struct weft_stream *stream);
/* Waits for the end of the armed receive, which may bring bytes yet; none is armed until a reader
   waits for one. 0 or a negative errno. */
int weft__stream_end_armed(struct weft__task *self, struct weft_stream *stream, int flags);
/* Waits until more is held than was, up to `room` bytes beyond held_max. 1; 0 at the end of the
   stream; a negative errno. */
int weft__stream_wait_more(struct weft__task *self, struct weft_stream *stream, size_t room,
                           int flags);
/* Copies `size` bytes that are held, and takes them. */
void weft__stream_copy(struct weft_stream *stream, void *buffer, size_t size);

/* server_serve.c: it has an owner, and has moved so many bytes. */
void weft__stream_charge(struct weft_stream *stream, uint64_t bytes);
/* It has an owner, and is to send so many: may it? If not it is over its limit from here on, since
   a peer that does not read would keep a send that has begun from ever being charged. */
bool weft__stream_affords(struct weft_stream *stream, uint64_t bytes);
/* transport.c: it has an owner, and something was received, or it is over; something was sent, or
   could not be. */
void weft__stream_stirred(struct weft_stream *stream);
void weft__stream_sent(struct weft_stream *stream);
/* Ends it without a task that waits: it frees itself with the last completion. */
void weft__stream_end_alone(struct weft_stream *stream);

/* stream_write.c: takes the writer's side with an idle operation, and lets it go. */
int weft__stream_begin_write(struct weft_stream *stream, struct weft__op *op);
void weft__stream_end_write(struct weft_stream *stream);

/* The request that sends these bytes. A socket goes on by itself after a short count. */
static inline __attribute__((always_inline)) void weft__stream_fill_send(
    struct weft__sqe *sqe, const struct weft_stream *stream, const void *buffer, uint32_t size,
    uint32_t more)
{
    if (__builtin_expect(stream->plain, 0))
        weft__request_write(sqe, stream->fd, buffer, size, WEFT__OFFSET_CURRENT);
    else
        weft__request_send(sqe, stream->fd, buffer, size, MSG_NOSIGNAL | MSG_WAITALL | more);
    if (stream->held_file)
        sqe->flags |= WEFT__SQE_FIXED_FILE;
}

/* stream_splice.c */
void weft__pipes_close(struct weft__io *io);

/* stream.c */
/* weft_stream_open in two halves: whether it can be, and then, of zeroed memory, that it is.
   Nothing may come between them but finding the memory. */
struct weft__opening {
    struct weft_stream_opt opt;
    struct weft__fd *record;
    int ways; /* that the descriptor can be used */
};
int weft__stream_check(int fd, const struct weft_stream_opt *opt, struct weft__opening *opening);
void weft__stream_open(int fd, const struct weft__opening *opening, struct weft_stream *stream);
/* The reactor's pool of buffers. 0 or -ENOMEM. */
int weft__stream_prepare_pool(struct weft__io *io);
/* The stream is used often enough for the ring to hold its file, or not to be asked again. */
void weft__stream_hold_file(struct weft_stream *stream);
/* Is what the reader waits for what a drain may cut off? */
static inline __attribute__((always_inline)) bool weft__stream_idle(
    const struct weft_stream *stream, int flags)
{
    return flags & WEFT_IDLE && !(stream && stream->first_due);
}

/* What stands at the beginning of a call that never suspends, on a task or not: 0, or why not. */
static inline int weft__stream_here(const struct weft_stream *stream)
{
    if (__builtin_expect(!stream, 0))
        return weft__misuse(-EINVAL, "no stream");
    if (__builtin_expect(!weft__self, 0))
        return weft__outside();
    if (__builtin_expect(stream->io->reactor != weft__self, 0))
        return weft__misuse(-EXDEV, "the stream is another reactor's");
    return 0;
}

/* What stands at the beginning of every call that may suspend: 0, or why not. */
static inline __attribute__((always_inline)) int weft__stream_enter(struct weft_stream *stream,
                                                                    int flags,
                                                                    struct weft__task **self)
{
    int error = weft__stream_idle(stream, flags) ? weft__enter_idle(self) : weft__enter(self);

    if (__builtin_expect(error < 0, 0))
        return error;
    if (__builtin_expect(!stream || flags & ~WEFT_IDLE, 0))
        return weft__misuse(-EINVAL, "no stream, or flags that the call does not know");
    if (__builtin_expect(stream->io->reactor != (*self)->reactor, 0))
        return weft__misuse(-EXDEV, "the stream is another reactor's");
    return __builtin_expect(stream->closing | stream->flushing, 0) ? -EBADF : 0;
}
/* holding the file costs two system calls, and saves 40 ns a send */
enum { WEFT__WRITES_TO_HOLD = 16 };
static inline void weft__stream_count_write(struct weft_stream *stream)
{
    if (__builtin_expect(stream->writes < WEFT__WRITES_TO_HOLD, 0) &&
        ++stream->writes == WEFT__WRITES_TO_HOLD)
        weft__stream_hold_file(stream);
}
/* A pipe that is written to: closes the descriptor, so that its reader sees the end. As the writer,
   with nothing given left. */
void weft__stream_close_early(struct weft_stream *stream);
/* Before the descriptor is closed, or the peer would not see it; or before it moves. Nothing is in
   flight. */
void weft__stream_let_go_of_file(struct weft_stream *stream);
void weft__stream_leave_record(struct weft__fd *record);
/* Makes it one of this reactor's, and of the record. */
void weft__stream_enlist(struct weft_stream *stream, struct weft__io *io, struct weft__fd *record);
/* stream_give.c: what is queued and was not sent, since the stream moved. */
void weft__stream_go_on(struct weft_stream *stream);
/* stream_move.c */
bool weft__stream_detached(const struct weft_stream *stream);
/* As weft_stream_attach, for who closes it: needs no memory. 0; -EXDEV, -EBUSY; -EBADF: there is
   nothing left to close, and the stream is freed. */
int weft__stream_attach_to_close(struct weft__task *self, struct weft_stream *stream);
/* A task detaches it, and is told -ECANCELED: who closes it has it from here on. 0; -EALREADY:
   another closes it. */
int weft__stream_call_off_detach(struct weft__task *self, struct weft_stream *stream);
/* Its number has become another's, whose record is not begun yet: it has no connection any more. */
void weft__stream_lose(struct weft_stream *stream);
/* What is said of that: -EBADF, a mistake. */
int weft__stream_is_gone(void);
/* Closing it resets the connection; nothing happens to another's. */
void weft__stream_reset_on_close(struct weft_stream *stream);
/* Frees it, unless it has an owner, and closes nothing. Nothing is in flight. */
void weft__stream_destroy(struct weft_stream *stream);
/* The same, and closes the descriptor, not through the ring. */
void weft__stream_close_now(struct weft_stream *stream);
/* In one of these stands each stream of the reactor's that does not close. None before there is a
   pool of buffers. */
enum { WEFT__STREAMS_LISTS = 2 + WEFT__BUFFER_CLASSES };
struct weft__starved **weft__streams_list(struct weft__io *io, uint32_t index);
/* The io layer stops: ends all of its streams without waiting. */
void weft__streams_stop(struct weft__io *io);

#endif
