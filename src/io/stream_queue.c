/*
 * io/stream_queue.c - writing without waiting: bytes are copied, and follow what is being sent.
 *
 *      write_nowait --> nothing being sent: a block of its size, in flight at once
 *                   \-> else the outbox: small pieces behind one another in a block, until the
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

int weft__stream_outbox(struct weft_stream *stream)
{
    if (!stream->outbox)
        stream->outbox = weft__calloc(1, sizeof *stream->outbox);
    return stream->outbox ? 0 : -ENOMEM;
}

struct weft__buffer *weft__stream_next_queued(struct weft_stream *stream)
{
    struct weft__outbox *outbox = stream->outbox;
    struct weft__buffer *buffer = outbox->head;

    if (!buffer)
        return NULL;
    outbox->head = buffer->next;
    outbox->queued -= buffer->length;
    return buffer;
}

void weft__stream_drop_queued(struct weft_stream *stream)
{
    struct weft__buffer *buffer;

    while ((buffer = weft__stream_next_queued(stream)) != NULL)
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
    struct weft__outbox *outbox;
    struct weft__buffer *buffer;

    if (weft__stream_outbox(stream) < 0)
        return -ENOMEM;
    outbox = stream->outbox;
    buffer = outbox->head ? outbox->tail : NULL;
    if (!buffer || buffer->size - buffer->length < size) {
        buffer = weft__buffers_heap(size < BLOCK_SIZE ? BLOCK_SIZE : size);
        if (!buffer)
            return -ENOMEM;
        buffer->next = NULL;
        if (outbox->head)
            outbox->tail->next = buffer;
        else
            outbox->head = buffer;
        outbox->tail = buffer;
    }
    append(buffer, bytes, size);
    outbox->queued += size;
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
    if (stream->given)
        return enqueue(stream, bytes, (uint32_t)size);
    buffer = weft__buffers_heap((uint32_t)size);
    if (!buffer)
        return -ENOMEM;
    append(buffer, bytes, (uint32_t)size);
    weft__stream_count_write(stream);
    weft__stream_send_buffer(stream, buffer);
    return 0;
}

/* -- the calls ------------------------------------------------------------------------------ */

/* 0 when the caller is on the stream's reactor, and the stream open. */
static int check(const struct weft_stream *stream)
{
    if (!stream)
        return weft__misuse(-EINVAL, "no stream");
    if (!weft__self)
        return weft__outside();
    if (stream->io->reactor != weft__self)
        return weft__misuse(-EXDEV, "the stream is another reactor's");
    return stream->closing || stream->flushing ? -EBADF : 0;
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
    error = weft__stream_outbox(stream);
    if (error < 0)
        return error;
    stream->outbox->high = high;
    stream->outbox->low = low;
    return 0;
}
