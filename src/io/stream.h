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

enum weft__owned { WEFT__OWNED_BY_BUDGET = 1, WEFT__OWNED_BY_TRANSPORT };

enum { WEFT__HELD_MAX_DEFAULT = 256 * 1024 };

struct weft_stream {
    /* what a message touches stands in the first two lines */
    struct weft__op receive; /* first; also holds both sides of the descriptor's record. Its waiter
                                is the reader, parked until something is held, or it is over */
    struct weft__io *io;
    struct weft__buffer *head; /* held, oldest first */
    struct weft__buffer *tail;
    struct weft__op *writer; /* the writer's send, or NULL */
    int fd;
    int32_t error; /* over: said once nothing is held */
    uint32_t held; /* bytes of the buffers held, whole buffers counted */
    uint32_t held_max;
    union {
        uint32_t lent;     /* bytes of the view */
        uint32_t identity; /* while it is detached, and lends none: which file it was */
    };
    int32_t write_error; /* why what was given could not be sent; stays */
    uint32_t hunted;     /* so many bytes more the reader wants held, whatever held_max says */
    uint8_t class;       /* of the buffers wanted */
    uint8_t armed_class; /* of the group the armed receive takes from */
    uint8_t full;        /* buffers filled to the brim, in a row */
    uint8_t large;       /* large pieces in a row */
    uint8_t small;       /* small pieces in a row */
    uint8_t writes;      /* so far, up to those after which the ring holds the file */
    bool held_file;      /* the ring does */
    bool fixed : 1;      /* the user chose the size */
    bool plain : 1;      /* no socket: moves bytes by reads and writes */
    bool one_way : 1;    /* a pipe: the other way is refused */
    bool hangs_up : 1;   /* a terminal: the end of the program behind it reads as -EIO */
    bool moving : 1;     /* between two reactors, or about to be: nothing is armed, nothing sent */
    bool first_due : 1;  /* nothing was read yet, and until then no wait is idle */
    bool viewing;
    bool reading;   /* a task is in weft_stream_read or its kin */
    bool ended;     /* the peer has */
    bool paused;    /* held_max was reached */
    bool to_memory; /* the reader receives by itself: nothing is to be armed */
    bool desperate; /* starved, and the pool can give no more */
    bool was_armed;
    bool giving;   /* something given is not sent yet, or could not be */
    bool flushing; /* a task that closes waits for what was given */
    bool closing;
    bool stopping; /* frees itself with the last completion */
    uint8_t owned; /* enum weft__owned: what `owner` is, who is told of what it moves */

    /* and, when a view is given away, the third */
    struct weft__op give;       /* the send of what was given; idle while no request can be had.
                                   Its waiter: the writer, until nothing given is left */
    struct weft__buffer *given; /* what it sends from, or NULL */
    uint32_t given_offset;      /* in the buffer: what has not been sent yet */
    uint32_t given_length;

    struct weft__fd *record;
    struct weft_stream *next; /* among the reactor's */
    struct weft_stream **link;
    struct weft__op *direct;      /* the reader's own receive, or NULL */
    struct weft__buffer *filling; /* what a receive without a pool fills, or NULL */
    struct weft__starved starved;
    struct weft__timer retry; /* when no request could be had */
    void *owner; /* struct weft__budget (server.h), struct weft_transport (transport.h), or, with
                    `owned` 0, the process whose end it is: it may not move */
    struct weft__outbox *outbox; /* NULL until something is written behind what is not sent yet */
};
_Static_assert(offsetof(struct weft_stream, give) <= 128, "two lines");
_Static_assert(sizeof(struct weft_stream) <= 320, "what an idle connection costs");
_Static_assert(offsetof(struct weft_stream, record) <= 192, "three");

/* What waits behind what is being sent, written by who did not wait: stream_queue.c. */
struct weft__outbox {
    struct weft__buffer *head; /* on the heap, oldest first */
    struct weft__buffer *tail;
    uint32_t queued; /* bytes in them */
    uint32_t level;  /* the writer waits until no more than this is pending */
    uint32_t high;   /* more than this pending: a drain waits */
    uint32_t low;    /* until then */
};

/* Makes the outbox if there is none. 0 or -ENOMEM. */
int weft__stream_outbox(struct weft_stream *stream);
/* Of an outbox that is there: the next buffer to be sent, its bytes no longer queued; NULL: none.
 */
struct weft__buffer *weft__stream_next_queued(struct weft_stream *stream);
void weft__stream_drop_queued(struct weft_stream *stream);
/* Copies the bytes and has them sent. 0 or a negative errno. No task is writing. */
int weft__stream_queue(struct weft_stream *stream, const void *bytes, size_t size);

/* stream_give.c */
void weft__stream_init_give(struct weft_stream *stream);
/* Sends the buffer, a user of which is the sending. Nothing is being sent. */
void weft__stream_send_buffer(struct weft_stream *stream, struct weft__buffer *buffer);
/* Bytes given, or queued, that the kernel has not taken yet. */
static inline size_t weft__stream_pending(const struct weft_stream *stream)
{
    return (stream->given ? stream->given_length : 0) +
           (stream->outbox ? (size_t)stream->outbox->queued : 0);
}
/* Waits, as the writer, until no more than `level` bytes of what was given are pending. 0, why they
   could not be sent, -ECANCELED. */
int weft__stream_wait_given(struct weft__task *self, struct weft_stream *stream, uint32_t level);
/* Tries again to send what was given, if no request could be had for it. */
void weft__stream_retry_give(struct weft_stream *stream);
/* Asks for the end of it; true when nothing of it is in flight. */
bool weft__stream_end_give(struct weft_stream *stream);

/* stream_receive.c: on the loop or on a task of the reactor */
void weft__stream_init_receive(struct weft_stream *stream);
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

/* stream.c */
/* The stream is used often enough for the ring to hold its file, or not to be asked again. */
void weft__stream_hold_file(struct weft_stream *stream);
/* Is what the reader waits for what a drain may cut off? */
static inline __attribute__((always_inline)) bool weft__stream_idle(
    const struct weft_stream *stream, int flags)
{
    return flags & WEFT_IDLE && !(stream && stream->first_due);
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
void weft__stream_leave_record(struct weft_stream *stream, struct weft__fd *record);
/* Makes it one of this reactor's: of the io layer's list, and of the record. */
void weft__stream_enlist(struct weft_stream *stream, struct weft__io *io, struct weft__fd *record);
/* stream_give.c: what is queued and was not sent, since the stream moved. */
void weft__stream_go_on(struct weft_stream *stream);
/* stream_move.c */
bool weft__stream_detached(const struct weft_stream *stream);
/* As weft_stream_attach, for who closes it: needs no memory. 0; -EXDEV, -EBUSY; -EBADF: there is
   nothing left to close, and the stream is freed. */
int weft__stream_attach_to_close(struct weft__task *self, struct weft_stream *stream);
/* Frees it and closes nothing. Nothing is in flight. */
void weft__stream_destroy(struct weft_stream *stream);
/* The same, and closes the descriptor, not through the ring. */
void weft__stream_close_now(struct weft_stream *stream);
/* The io layer stops: ends it without waiting. */
void weft__stream_stop(struct weft_stream *stream);

#endif
