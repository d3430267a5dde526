/*
 * io/stream_read.c - the reader's side of a stream: reading, peeking, consuming.
 *
 * One task at a time. What is held is answered without a request; who finds nothing waits for the
 * armed receive or, when large pieces come to a reader with large memory, receives by itself. What
 * lies between a public call and the switch is inlined (see weft__fiber_switch_away), the rare is
 * not.
 */
#include <string.h>
#include <sys/socket.h>

#include "io/stream.h"
#include "io/transfer.h"
#include "task/operation.h"
#include "task/wait.h"

enum { DIRECT_SIZE_MIN = 16384 }; /* memory worth receiving into without a buffer between */

/* Why nothing more will come: the error, or 0 for the end of the stream. */
static int why_over(struct weft__task *self, const struct weft_stream *stream)
{
    self->cause = WEFT_CAUSE_NONE;
    return stream->error;
}

static inline __attribute__((always_inline)) int park(struct weft__task *self,
                                                      struct weft_stream *stream, int flags)
{
    struct weft__wait wait = {.what = "read",
                              .fd = stream->fd,
                              .idle = weft__stream_idle(stream, flags)};
    int error;

    stream->receive.waiter = &wait;
    error = weft__wait_for_wake(self, &wait, true);
    stream->receive.waiter = NULL;
    return error;
}

/* 1 when bytes are held, 0 at the end, or a negative errno; -ENOBUFS when the pool has no buffer.
 */
static inline __attribute__((always_inline)) int wait_for_bytes(struct weft__task *self,
                                                                struct weft_stream *stream,
                                                                int flags)
{
    while (!stream->head) {
        int error;

        if (stream->closing)
            return weft__task_pass_on(self, -ECANCELED);
        if (stream->error < 0 || stream->ended)
            return why_over(self, stream);
        if (stream->desperate)
            return -ENOBUFS;
        stream->to_memory = false;
        weft__stream_arm(stream);
        error = park(self, stream, flags);
        if (error < 0)
            return error;
    }
    return 1;
}

/* -- receiving into the reader's own memory --------------------------------------------------- */

static bool wants_direct(const struct weft_stream *stream, size_t size)
{
    return size >= DIRECT_SIZE_MIN && !stream->head && stream->error == 0 && !stream->ended &&
           !stream->fixed && (stream->to_memory || weft__stream_is_large(stream));
}

__attribute__((noinline)) int weft__stream_end_armed(struct weft__task *self,
                                                     struct weft_stream *stream, int flags)
{
    int error = 0;

    stream->to_memory = true;
    weft__op_cancel(self->reactor, &stream->receive);
    while (error == 0 && weft__op_in_flight(&stream->receive) && !stream->head)
        error = park(self, stream, flags);
    return error;
}

static __attribute__((noinline)) ssize_t read_direct(struct weft__task *self,
                                                     struct weft_stream *stream, void *buffer,
                                                     size_t size, int flags)
{
    struct weft__fd *record = weft__stream_record(stream);
    struct weft__operation operation = {.word = weft__fd_word_of(record)};
    int32_t result;

    stream->direct = &operation.op;
    if (stream->plain)
        result = weft__read_once(self, &operation, stream->fd, record, buffer, size, flags);
    else
        result = weft__receive_once(self, &operation, stream->fd, record, buffer, size, flags);
    if (result == -EIO && stream->hangs_up)
        result = 0;
    stream->direct = NULL;
    if (result > 0)
        stream->first_due = false;
    if (result > 0 && stream->owned)
        weft__stream_charge(stream, (uint32_t)result);
    if (result > 0)
        weft__stream_note_direct(stream, (uint32_t)result);
    else if (result == 0)
        stream->ended = true;
    else if (stream->error < 0) /* lost meanwhile */
        result = stream->closing ? result : weft__task_pass_on(self, stream->error);
    else if (!weft__result_is_cancel(result) && result != -ESHUTDOWN && result != -ENOMEM)
        stream->error = result;
    return result;
}

/* -- reading -------------------------------------------------------------------------------- */

/* Copies what is held, up to `size` bytes. Most often that is part of one buffer. */
static size_t copy_held(struct weft_stream *stream, char *buffer, size_t size)
{
    size_t copied = 0;

    while (copied < size && stream->head) {
        const struct weft__buffer *held = stream->head;
        size_t part = size - copied < held->length ? size - copied : held->length;
        memcpy(buffer + copied, held->data + held->offset, part);
        copied += part;
        weft__stream_take(stream, part);
    }
    return copied;
}

/* After a wait of the same call: a cancellation, or a drain, may have come meanwhile. */
static ssize_t read_admitted(struct weft__task *self, struct weft_stream *stream, void *buffer,
                             size_t size, int flags)
{
    int error = weft__admit_again(self, weft__stream_idle(stream, flags));

    if (!weft__stream_idle(stream, flags))
        flags &= ~WEFT_IDLE;
    return error < 0 ? error : read_direct(self, stream, buffer, size, flags);
}

/* The pool is empty, and those who hold its buffers may not read for a long time. */
static __attribute__((noinline)) ssize_t read_starved(struct weft__task *self,
                                                      struct weft_stream *stream, void *buffer,
                                                      size_t size, int flags)
{
    ssize_t result;

    weft__stream_feed(stream);
    stream->to_memory = true; /* nothing is to be armed beside it */
    result = read_admitted(self, stream, buffer, size, flags);
    stream->to_memory = false;
    return result;
}

static inline __attribute__((always_inline)) ssize_t read_some(struct weft__task *self,
                                                               struct weft_stream *stream,
                                                               void *buffer, size_t size, int flags)
{
    int result;

    if (__builtin_expect(wants_direct(stream, size), 0)) {
        result = weft__stream_end_armed(self, stream, flags);
        if (result < 0)
            return result;
        if (wants_direct(stream, size) && !weft__op_in_flight(&stream->receive) && !stream->closing)
            return read_admitted(self, stream, buffer, size, flags);
    }
    if (stream->head)
        weft__reactor_spend(self->reactor);
    result = wait_for_bytes(self, stream, flags);
    if (__builtin_expect(result == -ENOBUFS, 0))
        return read_starved(self, stream, buffer, size, flags);
    return result <= 0 ? result : (ssize_t)copy_held(stream, buffer, size);
}

/* Takes the reader's side. */
static inline __attribute__((always_inline)) int begin(struct weft_stream *stream, int flags,
                                                       struct weft__task **self)
{
    int error = weft__stream_enter(stream, flags, self);

    if (__builtin_expect(error < 0, 0))
        return error;
    if (__builtin_expect(stream->reading || stream->viewing, 0))
        return weft__misuse(-EBUSY, "another task reads, or a view was not put back");
    stream->reading = true;
    return 0;
}

static void end(struct weft_stream *stream)
{
    stream->reading = false;
    if (__builtin_expect(stream->closing, 0))
        weft__stream_wake_closer(stream);
}

ssize_t weft_stream_read(weft_stream *stream, void *buffer, size_t size, int flags)
{
    struct weft__task *self;
    ssize_t result;

    if (__builtin_expect(!buffer && size > 0, 0))
        return weft__misuse(-EFAULT, "NULL for memory that is needed");
    result = begin(stream, flags, &self);
    if (__builtin_expect(result < 0, 0))
        return result;
    if (size > 0)
        result = read_some(self, stream, buffer, size, flags);
    end(stream);
    return result;
}

ssize_t weft_stream_read_until_time(weft_stream *stream, void *buffer, size_t size, int flags,
                                    int64_t deadline)
{
    struct weft__until until;
    int error = weft__until_open(&until, deadline);

    if (error < 0)
        return error;
    return (ssize_t)weft__until_close(&until, weft_stream_read(stream, buffer, size, flags));
}

static ssize_t read_all(struct weft__task *self, struct weft_stream *stream, char *buffer,
                        size_t size, size_t *done)
{
    while (*done < size) {
        ssize_t n;
        if (self->visible)
            return weft__task_refuse(self);
        n = read_some(self, stream, buffer + *done, size - *done, 0);
        if (n <= 0)
            return n < 0 ? n : -ENODATA;
        *done += (size_t)n;
    }
    return (ssize_t)size;
}

ssize_t weft_stream_read_exactly(weft_stream *stream, void *buffer, size_t size, size_t *done)
{
    struct weft__task *self;
    size_t received = 0;
    ssize_t result;

    if (done)
        *done = 0;
    if (!buffer && size > 0)
        return weft__misuse(-EFAULT, "NULL for memory that is needed");
    result = begin(stream, 0, &self);
    if (result < 0)
        return result;
    result = read_all(self, stream, buffer, size, &received);
    end(stream);
    if (done)
        *done = received;
    return result;
}

/* -- for those who want more before they take any (stream_until.c) --------------------------- */

int weft__stream_begin_read(struct weft_stream *stream, int flags, struct weft__task **self)
{
    return begin(stream, flags, self);
}

void weft__stream_end_read(struct weft_stream *stream)
{
    stream->hunted = 0;
    end(stream);
}

void weft__stream_copy(struct weft_stream *stream, void *buffer, size_t size)
{
    (void)copy_held(stream, buffer, size);
}

/* Nobody but the reader takes from the list: more has come when its tail is another, or longer. */
int weft__stream_wait_more(struct weft__task *self, struct weft_stream *stream, size_t room,
                           int flags)
{
    const struct weft__buffer *tail = stream->head ? stream->tail : NULL;
    uint32_t length = tail ? tail->length : 0;
    int error = 0;

    while (!stream->head || (stream->tail == tail && tail->length == length)) {
        if (stream->closing)
            return weft__task_pass_on(self, -ECANCELED);
        if (stream->error < 0 || stream->ended)
            return why_over(self, stream);
        stream->to_memory = false;
        stream->hunted = room < UINT32_MAX ? (uint32_t)room : UINT32_MAX;
        if (!stream->desperate)
            weft__stream_arm(stream);
        else if (weft__stream_arm_plain(stream) < 0 && !stream->filling)
            return -ENOMEM;
        error = park(self, stream, flags);
        if (error < 0)
            return error;
    }
    return 1;
}

/* -- views ---------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) int wait_for_view(struct weft__task *self,
                                                               struct weft_stream *stream,
                                                               int flags)
{
    int result;

    /* a ring that has no room just now is no want of memory: waiting arms, and goes on trying */
    while ((result = wait_for_bytes(self, stream, flags)) == -ENOBUFS)
        if (weft__stream_arm_plain(stream) < 0 && !stream->filling)
            return -ENOMEM;
    return result;
}

int weft_stream_peek(weft_stream *stream, const void **data, size_t *size, int flags)
{
    struct weft__task *self;
    int result;

    if (!data || !size)
        return weft__misuse(-EINVAL, "nowhere to put the view");
    result = begin(stream, flags, &self);
    if (__builtin_expect(result < 0, 0))
        return result;
    if (stream->head)
        weft__reactor_spend(self->reactor);
    result = wait_for_view(self, stream, flags);
    if (__builtin_expect(result > 0 && stream->closing, 0)) /* since it was woken */
        result = weft__task_pass_on(self, -ECANCELED);
    if (result > 0) {
        stream->viewing = true;
        stream->lent = stream->head->length;
        *data = stream->head->data + stream->head->offset;
        *size = stream->lent;
    }
    end(stream);
    return result;
}

int weft_stream_consume(weft_stream *stream, size_t size)
{
    int error = weft__stream_here(stream);

    if (error < 0)
        return error;
    if (stream->closed)
        return -EBADF;
    if (!stream->viewing || size > stream->lent)
        return weft__misuse(-EINVAL, "no view, or not so long");
    stream->viewing = false;
    stream->lent = 0;
    weft__stream_take(stream, size);
    return 0;
}
