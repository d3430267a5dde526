/*
 * io/stream_queue.c - writing without waiting: bytes are copied, and follow what is being sent.
 *
 *      write_nowait --> nothing being sent: a block of its size, in flight at once
 *                   \-> else behind that: small pieces behind one another in a block, until the
 *                       send before them ends (stream_give.c)
 *
 * On the stream's reactor; no task is inside a call that writes. What always holds: something is
 * queued only while something is being sent, so nothing waits for a push.
 */
#include <limits.h>
#include <string.h>

#include "base/memory.h"
#include "io/stream.h"

enum {
    BLOCK_SIZE = 4096, /* at least so much is asked for what is queued */
    QUEUED_MAX = 1 << 30,
};

struct weft__buffer *weft__stream_next_queued(struct weft__sending *sending)
{
    struct weft__buffer *buffer = sending->head;

    if (!buffer)
        return NULL;
    sending->head = buffer->next;
    sending->queued -= buffer->length;
    return buffer;
}

void weft__stream_drop_queued(struct weft_stream *stream)
{
    struct weft__buffer *buffer;

    while ((buffer = weft__stream_next_queued(stream->sending)) != NULL)
        weft__buffers_give(stream->io->buffers, buffer);
}

static void append(struct weft__buffer *buffer, const void *bytes, uint32_t size)
{
    weft__buffer_filled(buffer, size);
    memcpy(buffer->data + buffer->length, bytes, size);
    buffer->length += size;
}

/* Behind what is queued already. */
static int enqueue(struct weft_stream *stream, const void *bytes, uint32_t size)
{
    struct weft__sending *sending = stream->sending;
    struct weft__buffer *buffer = sending->head ? sending->tail : NULL;

    if (!buffer || buffer->size - buffer->length < size) {
        buffer = weft__buffers_heap(size < BLOCK_SIZE ? BLOCK_SIZE : size);
        if (!buffer)
            return -ENOMEM;
        buffer->next = NULL;
        if (sending->head)
            sending->tail->next = buffer;
        else
            sending->head = buffer;
        sending->tail = buffer;
    }
    append(buffer, bytes, size);
    sending->queued += size;
    return 0;
}

int weft__stream_queue(struct weft_stream *stream, const void *bytes, size_t size)
{
    struct weft__buffer *buffer;

    if (stream->write_error < 0)
        return stream->write_error;
    if (stream->owned && !weft__stream_affords(stream, size))
        return -EDQUOT;
    if (size > QUEUED_MAX || weft__stream_pending(stream) > QUEUED_MAX - size)
        return -ENOBUFS;
    if (size == 0)
        return 0;
    if (stream->sending)
        return enqueue(stream, bytes, (uint32_t)size);
    buffer = weft__buffers_heap((uint32_t)size);
    if (!buffer || weft__stream_begin_sending(stream) < 0) {
        weft__buffer_free(buffer);
        return -ENOMEM;
    }
    append(buffer, bytes, (uint32_t)size);
    weft__stream_count_write(stream);
    weft__stream_send_buffer(stream, buffer, (uint32_t)size);
    return 0;
}

/* -- the calls ------------------------------------------------------------------------------ */

/* 0 when the caller is on the stream's reactor, and the stream open. */
static int check(const struct weft_stream *stream)
{
    int error = weft__stream_here(stream);

    return error == 0 && (stream->closing || stream->flushing) ? -EBADF : error;
}

ssize_t weft_stream_write_nowait(weft_stream *stream, const void *buffer, size_t size)
{
    int error;

    if (!buffer && size > 0)
        return weft__misuse(-EFAULT, "NULL for memory that is needed");
    error = check(stream);
    if (error == 0 && stream->writer)
        error = weft__misuse(-EBUSY, "another task writes");
    if (error == 0)
        error = weft__stream_queue(stream, buffer, size);
    return error < 0 ? error : (ssize_t)size;
}

ssize_t weft_stream_write_pending(const weft_stream *stream)
{
    int error = check(stream);

    return error < 0 ? error : (ssize_t)weft__stream_pending(stream);
}

int weft_stream_set_write_limits(weft_stream *stream, uint32_t high, uint32_t low)
{
    int error = check(stream);

    if (error < 0)
        return error;
    if (low > high)
        return weft__misuse(-EINVAL, "the low limit is above the high one");
    stream->high = high;
    stream->low = low;
    return 0;
}
