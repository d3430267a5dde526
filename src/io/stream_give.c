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
 * final completion (or, when there was no request to be had, the end of the stream) lets it go. A
 * stream has its `sending` exactly while something is given or queued.
 */
#include "base/memory.h"
#include "io/stream.h"
#include "task/wait.h"

enum { ASIDE_MAX = 1024 }; /* of those that have sent: what a turn may want again at once */

static void sent(struct weft__op *op, int32_t result, uint32_t flags);

/* -- what a stream has while it sends -------------------------------------------------------- */

int weft__stream_begin_sending(struct weft_stream *stream)
{
    struct weft__io *io = stream->io;
    struct weft__sending *sending = io->sendings;

    if (__builtin_expect(sending != NULL, 1)) {
        io->sendings = sending->next;
        io->sendings_count--;
    } else {
        sending = weft__calloc(1, sizeof *sending);
        if (!sending)
            return -ENOMEM;
        sending->op.complete = sent;
    }
    sending->stream = stream;
    stream->sending = sending;
    return 0;
}

/* Nothing is left of it: it is as one that was never used. */
static inline void put_aside(struct weft_stream *stream)
{
    struct weft__sending *sending = stream->sending;
    struct weft__io *io = stream->io;

    stream->sending = NULL;
    sending->op.waiter = NULL;
    if (__builtin_expect(io->sendings_count == ASIDE_MAX, 0)) {
        weft__free(sending);
        return;
    }
    sending->next = io->sendings;
    io->sendings = sending;
    io->sendings_count++;
}

void weft__stream_free_sending(struct weft_stream *stream)
{
    if (!stream->sending)
        return;
    if (stream->sending->given)
        weft__buffers_give(stream->io->buffers, stream->sending->given);
    weft__stream_drop_queued(stream);
    weft__free(stream->sending);
    stream->sending = NULL;
}

void weft__sendings_free(struct weft__io *io)
{
    struct weft__sending *sending;

    while ((sending = io->sendings) != NULL) {
        io->sendings = sending->next;
        weft__free(sending);
    }
}

/* -- sending --------------------------------------------------------------------------------- */

static inline void send_given(struct weft_stream *stream)
{
    struct weft__sending *sending = stream->sending;
    struct weft__sqe *sqe = weft__op_begin(stream->io->reactor, &sending->op);

    if (__builtin_expect(!sqe, 0)) {
        weft__stream_retry_soon(stream);
        return;
    }
    weft__stream_fill_send(sqe, stream, sending->given->data + sending->offset, sending->length, 0);
    sqe->user_data = sending->op.id;
}

void weft__stream_retry_give(struct weft_stream *stream)
{
    if (weft__stream_gives(stream) && !weft__stream_send_in_flight(stream))
        send_given(stream);
}

void weft__stream_send_buffer(struct weft_stream *stream, struct weft__buffer *buffer,
                              uint32_t length)
{
    stream->sending->given = buffer;
    stream->sending->offset = buffer->offset;
    stream->sending->length = length;
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
        next = weft__stream_next_queued(stream->sending);
    if (next)
        weft__stream_send_buffer(stream, next, next->length);
    else if (!stream->sending->head)
        put_aside(stream);
}

static void let_go(struct weft_stream *stream)
{
    struct weft__sending *sending = stream->sending;
    struct weft__buffer *buffer = sending->given;
    struct weft__wait *waiter = sending->op.waiter;
    uint32_t level = sending->level;

    sending->given = NULL;
    sending->length = 0;
    stream->giving = stream->write_error < 0;
    weft__buffers_give(stream->io->buffers, buffer);
    if (__builtin_expect(sending->head != NULL, 0))
        weft__stream_go_on(stream);
    else
        put_aside(stream);
    if (waiter && weft__stream_pending(stream) <= level)
        weft__wake_now(stream->io->reactor, waiter);
    if (__builtin_expect(stream->owned, 0))
        weft__stream_sent(stream);
}

/* The send has ended because the stream moves: the rest of what was given goes along. */
static bool goes_along(const struct weft_stream *stream, int32_t result)
{
    return stream->moving && stream->sending->length > 0 &&
           (result > 0 || weft__result_is_cancel(result));
}

static void sent(struct weft__op *op, int32_t result, uint32_t flags)
{
    struct weft__sending *sending = (struct weft__sending *)op;
    struct weft_stream *stream = sending->stream;
    uint32_t count = result > 0 ? (uint32_t)result : 0;

    _Static_assert(offsetof(struct weft__sending, op) == 0, "cast above");
    (void)flags;
    WEFT__COUNT_BY(stream->io->reactor, bytes_sent, count);
    if (__builtin_expect(stream->owned, 0))
        weft__stream_charge(stream, count);
    sending->offset += count;
    sending->length -= count;
    if (__builtin_expect(goes_along(stream, result), 0)) {
        weft__stream_wake_closer(stream);
        return;
    }
    if (__builtin_expect(count > 0 && sending->length > 0 && !stream->closing, 0) &&
        stream->write_error == 0) {
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
        weft__stream_wake_closer(stream);
}

bool weft__stream_end_give(struct weft_stream *stream)
{
    struct weft__sending *sending = stream->sending;

    if (!sending)
        return true;
    weft__op_cancel(stream->io->reactor, &sending->op);
    if (sending->op.waiter)
        weft__wake_now(stream->io->reactor, sending->op.waiter);
    if (sending->given && !weft__op_in_flight(&sending->op))
        let_go(stream);
    return !weft__stream_gives(stream);
}

static int wait_given(struct weft__task *self, struct weft_stream *stream, struct weft__wait *wait,
                      uint32_t level)
{
    int error = 0;

    if (weft__stream_pending(stream) > level && !stream->closing) {
        stream->sending->op.waiter = wait;
        stream->sending->level = level;
        error = weft__wait_for_wake(self, wait, true);
        if (stream->sending) /* no other: there is one writer */
            stream->sending->op.waiter = NULL;
    }
    if (stream->closing)
        return error < 0 ? error : weft__task_pass_on(self, -ECANCELED);
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

int weft__stream_await_turn(struct weft__task *self, struct weft_stream *to,
                            struct weft_stream *from)
{
    struct weft__wait wait = {.what = "write", .fd = to->fd};
    int error;

    from->receive.waiter = &wait;
    do
        error = wait_given(self, to, &wait, 0);
    while (error == 0 && weft__stream_gives(to) && !from->closing);
    from->receive.waiter = NULL;
    return error;
}

static __attribute__((noinline)) int wait_turn(struct weft__task *self, struct weft_stream *to,
                                               struct weft_stream *from, size_t size)
{
    struct weft__op op;
    int error = weft__stream_begin_write(to, &op);

    if (error < 0)
        return error;
    from->reading = true;
    error = weft__stream_await_turn(self, to, from);
    from->reading = false;
    weft__stream_end_write(to);
    if (from->closing)
        weft__stream_wake_closer(from);
    return error < 0 ? error : check_view(self, from, size);
}

/* The sending has begun. */
static inline void give_head(struct weft_stream *to, struct weft_stream *from, uint32_t size)
{
    weft__stream_count_write(to);
    from->head->users++;
    weft__stream_send_buffer(to, from->head, size);
    weft__stream_take(from, size);
}

ssize_t weft__stream_give_head(struct weft_stream *to, struct weft_stream *from, uint32_t size)
{
    if (from->head->users == UINT16_MAX)
        return -ENOBUFS;
    if (weft__stream_begin_sending(to) < 0)
        return -ENOMEM;
    give_head(to, from, size);
    return (ssize_t)size;
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
    if (__builtin_expect(error == 0 && size > 0, 1))
        error = weft__stream_begin_sending(to);
    if (__builtin_expect(error < 0, 0))
        return error;
    from->viewing = false;
    from->lent = 0;
    self->fiber.beside = to; /* who gives to it will do so again */
    if (__builtin_expect(size == 0, 0))
        return 0;
    give_head(to, from, (uint32_t)size);
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
    if (weft__stream_pending(stream) <= stream->high)
        error = stream->write_error;
    else
        error = weft__stream_wait_given(self, stream, stream->low);
    weft__stream_end_write(stream);
    weft__reactor_spend(self->reactor);
    return error;
}
