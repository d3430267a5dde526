/*
 * io/stream_write.c - the writer's side of a stream. One task at a time; what it writes is sent
 * from its own memory, by one request as a rule.
 */
#include <sys/socket.h>

#include "io/stream.h"
#include "io/transfer.h"
#include "ring/host.h"
#include "task/operation.h"

static int begin(struct weft_stream *stream, struct weft__op *op, struct weft__task **self)
{
    int error = weft__stream_enter(stream, 0, self);

    if (__builtin_expect(error < 0, 0))
        return error;
    if (__builtin_expect(stream->writer != NULL, 0))
        return -EBUSY;
    op->id = 0;
    stream->writer = op;
    return 0;
}

ssize_t weft_stream_write(weft_stream *stream, const void *buffer, size_t size, size_t *done)
{
    struct weft__operation operation;
    struct weft__task *self;
    size_t sent = 0;
    ssize_t result;

    if (done)
        *done = 0;
    if (__builtin_expect(!buffer && size > 0, 0))
        return -EFAULT;
    result = begin(stream, &operation.op, &self);
    if (__builtin_expect(result < 0, 0))
        return result;
    result = weft__send_pieces(self, &operation, stream->fd, stream->record, buffer, size, &sent);
    stream->writer = NULL;
    if (__builtin_expect(stream->closing, 0))
        weft__fd_wake_closer(stream->io, stream->record);
    if (done)
        *done = sent;
    return result;
}

int weft_stream_shutdown(weft_stream *stream)
{
    struct weft__task *self;
    int error = weft__stream_enter(stream, 0, &self);

    if (error < 0)
        return error;
    if (stream->writer)
        return -EBUSY;
    error = weft__host_shutdown(stream->fd, SHUT_WR);
    weft__reactor_spend(self->reactor);
    return error;
}
