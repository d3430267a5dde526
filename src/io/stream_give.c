/*
 * io/stream_give.c - a view given away: sent from where it lies, by nobody's leave.
 *
 *      weft_stream_give: the buffer has one user more, the reader has consumed the bytes
 *          |
 *          v
 *      in flight --completion, some sent--> in flight, from where it stopped
 *          |
 *          +--completion, all sent, or an error (kept in write_error)--> one user less,
 *                                                                       the giver woken
 *
 * A stream has one such send at a time; who gives or writes next waits for it, so the bytes leave
 * in order and a peer that does not read holds one buffer. The task that gave is switched to once
 * less a message than one that writes.
 *
 * What was written without waiting (stream_queue.c) follows when it has been sent.
 *
 * What always holds: while `given` stands the buffer is the send's too, and nothing but the send's
 * final completion (or, when there was no request to be had, the end of the stream) lets it go.
 */
#include "io/stream.h"
#include "task/wait.h"

static struct weft_stream *stream_of(struct weft__op *op)
{
    return (struct weft_stream *)((char *)op - offsetof(struct weft_stream, give));
}

static inline void send_given(struct weft_stream *stream)
{
    struct weft__sqe *sqe = weft__op_begin(stream->io->reactor, &stream->give);

    if (__builtin_expect(!sqe, 0)) {
        weft__stream_retry_soon(stream);
        return;
    }
    weft__stream_fill_send(sqe, stream, stream->given->data + stream->given_offset,
                           stream->given_length, 0);
    sqe->user_data = stream->give.id;
}

void weft__stream_retry_give(struct weft_stream *stream)
{
    if (stream->given && !weft__op_in_flight(&stream->give))
        send_given(stream);
}

void weft__stream_send_buffer(struct weft_stream *stream, struct weft__buffer *buffer)
{
    stream->given = buffer;
    stream->given_offset = buffer->offset;
    stream->given_length = buffer->length;
    stream->giving = true;
    send_given(stream);
}

/* What was written behind it comes next, unless nothing can be sent any more. */
void weft__stream_go_on(struct weft_stream *stream)
{
    struct weft__buffer *next = NULL;

    if (stream->closing || stream->write_error < 0)
        weft__stream_drop_queued(stream);
    else if (!stream->moving)
        next = weft__stream_next_queued(stream);
    if (next)
        weft__stream_send_buffer(stream, next);
}

static void let_go(struct weft_stream *stream)
{
    struct weft__buffer *buffer = stream->given;

    stream->given = NULL;
    stream->giving = stream->write_error < 0;
    weft__buffers_give(stream->io->buffers, buffer);
    if (__builtin_expect(stream->outbox != NULL, 0))
        weft__stream_go_on(stream);
    if (stream->give.waiter &&
        (!stream->outbox || weft__stream_pending(stream) <= stream->outbox->level))
        weft__wake_now(stream->io->reactor, stream->give.waiter);
    if (__builtin_expect(stream->owned, 0))
        weft__stream_sent(stream);
}

/* The send has ended because the stream moves: the rest of what was given goes along. */
static bool goes_along(const struct weft_stream *stream, int32_t result)
{
    return stream->moving && stream->given_length > 0 &&
           (result > 0 || weft__result_is_cancel(result));
}

static void sent(struct weft__op *op, int32_t result, uint32_t flags)
{
    struct weft_stream *stream = stream_of(op);
    uint32_t count = result > 0 ? (uint32_t)result : 0;

    (void)flags;
    WEFT__COUNT_BY(stream->io->reactor, bytes_sent, count);
    if (__builtin_expect(stream->owned, 0))
        weft__stream_charge(stream, count);
    stream->given_offset += count;
    stream->given_length -= count;
    if (__builtin_expect(goes_along(stream, result), 0)) {
        weft__fd_wake_closer(stream->io, stream->record);
        return;
    }
    if (__builtin_expect(count > 0 && stream->given_length > 0 && !stream->closing, 0)) {
        send_given(stream);
        return;
    }
    if (__builtin_expect(count == 0, 0))
        stream->write_error =
            weft__result_is_cancel(result) ? -ECANCELED : (result < 0 ? result : -EPIPE);
    let_go(stream);
    if (__builtin_expect(stream->stopping, 0))
        weft__stream_stopped(stream);
    else if (__builtin_expect(stream->closing | stream->moving, 0))
        weft__fd_wake_closer(stream->io, stream->record);
}

void weft__stream_init_give(struct weft_stream *stream)
{
    stream->give.complete = sent;
}

bool weft__stream_end_give(struct weft_stream *stream)
{
    weft__op_cancel(stream->io->reactor, &stream->give);
    if (stream->give.waiter)
        weft__wake_now(stream->io->reactor, stream->give.waiter);
    if (stream->given && !weft__op_in_flight(&stream->give))
        let_go(stream);
    return !stream->given;
}

static int wait_given(struct weft__task *self, struct weft_stream *stream, struct weft__wait *wait,
                      uint32_t level)
{
    int error = 0;

    stream->give.waiter = wait;
    if (stream->outbox)
        stream->outbox->level = level;
    if (weft__stream_pending(stream) > level && !stream->closing)
        error = weft__wait_for_wake(self, wait, true);
    stream->give.waiter = NULL;
    if (stream->closing)
        return -ECANCELED;
    if (error == 0 && stream->write_error < 0)
        self->cause = WEFT_CAUSE_NONE;
    return error < 0 ? error : stream->write_error;
}

int weft__stream_wait_given(struct weft__task *self, struct weft_stream *stream, uint32_t level)
{
    struct weft__wait wait = {.what = "write", .fd = stream->fd};

    return wait_given(self, stream, &wait, level);
}

/* -- the calls ------------------------------------------------------------------------------ */

/* 0 when `from` has lent a view of at least `size` bytes to a task here. */
static inline int check_view(const struct weft__task *self, const struct weft_stream *from,
                             size_t size)
{
    if (__builtin_expect(!from, 0))
        return weft__misuse(-EINVAL, "no stream");
    if (__builtin_expect(from->io->reactor != self->reactor, 0))
        return weft__misuse(-EXDEV, "the stream is another reactor's");
    if (__builtin_expect(from->closing | from->flushing, 0))
        return -EBADF;
    if (__builtin_expect(!from->viewing || size > from->lent, 0))
        return weft__misuse(-EINVAL, "no view, or not so long");
    return from->head->users < UINT16_MAX ? 0 : -ENOBUFS;
}

/* As the writer of `to` and as the reader of `from`, since whoever closes that one must wake us and
   wait until we have left it; what arrives there meanwhile wakes us too, and means nothing. */
static __attribute__((noinline)) int wait_turn(struct weft__task *self, struct weft_stream *to,
                                               struct weft_stream *from, size_t size)
{
    struct weft__wait wait = {.what = "write", .fd = to->fd};
    struct weft__op op;
    int error = weft__stream_begin_write(to, &op);

    if (error < 0)
        return error;
    from->reading = true;
    from->receive.waiter = &wait;
    do
        error = wait_given(self, to, &wait, 0);
    while (error == 0 && to->given && !from->closing);
    from->receive.waiter = NULL;
    from->reading = false;
    weft__stream_end_write(to);
    if (from->closing)
        weft__fd_wake_closer(from->io, from->record);
    return error < 0 ? error : check_view(self, from, size);
}

ssize_t weft_stream_give(weft_stream *to, weft_stream *from, size_t size)
{
    struct weft__task *self;
    int error = weft__stream_enter(to, 0, &self);

    if (__builtin_expect(error == 0, 1))
        error = check_view(self, from, size);
    if (__builtin_expect(error == 0 && to->giving, 0))
        error = wait_turn(self, to, from, size);
    if (__builtin_expect(error == 0 && to->writer, 0))
        error = weft__misuse(-EBUSY, "another task writes");
    if (__builtin_expect(error == 0 && to->owned && !weft__stream_affords(to, size), 0))
        error = -EDQUOT;
    if (__builtin_expect(error < 0, 0))
        return error;
    from->viewing = false;
    from->lent = 0;
    if (__builtin_expect(size == 0, 0))
        return 0;
    weft__stream_count_write(to);
    to->given = from->head;
    to->given_offset = from->head->offset;
    to->given_length = (uint32_t)size;
    to->giving = true;
    from->head->users++;
    send_given(to);
    weft__stream_take(from, size);
    weft__reactor_spend(self->reactor);
    return (ssize_t)size;
}

int weft_stream_drain(weft_stream *stream)
{
    struct weft__task *self;
    struct weft__op op;
    int error = weft__stream_enter(stream, 0, &self);

    if (error == 0)
        error = weft__stream_begin_write(stream, &op);
    if (error < 0)
        return error;
    if (stream->outbox && weft__stream_pending(stream) <= stream->outbox->high)
        error = stream->write_error;
    else
        error = weft__stream_wait_given(self, stream, stream->outbox ? stream->outbox->low : 0);
    weft__stream_end_write(stream);
    weft__reactor_spend(self->reactor);
    return error;
}
