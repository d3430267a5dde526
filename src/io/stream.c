/*
 * io/stream.c - opening, closing and abandoning streams; stream.h shows the inside of one.
 */
#include "io/stream.h"

#include <fcntl.h>

#include "base/memory.h"
#include "base/option.h"
#include "io/accept.h"
#include "io/close.h"
#include "io/socket.h"
#include "io/transport.h"
#include "ring/host.h"
#include "task/wait.h"

/* -- opening -------------------------------------------------------------------------------- */

/* How a descriptor goes: O_RDONLY, O_WRONLY or O_RDWR, with SOCKET if it is one; -EINVAL: what has
   messages, or a position, is no stream. */
enum { SOCKET = 1 << 8 };
static int ways_of(int fd)
{
    int type = 0, flags;
    socklen_t length = sizeof type;
    int error = weft__host_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length);

    if (error == 0)
        return type == SOCK_STREAM ? O_RDWR | SOCKET : -EINVAL;
    if (error == -EBADF)
        return error;
    flags = weft__host_fcntl(fd, F_GETFL, 0);
    if (flags < 0 || flags & O_PATH || weft__host_seeks(fd) == 0)
        return flags == -EBADF ? -EBADF : -EINVAL;
    return flags & O_ACCMODE;
}

/* The way that a pipe does not go answers as read(2) and write(2) do. */
static void set_ways(struct weft_stream *stream, int ways)
{
    stream->plain = !(ways & SOCKET);
    stream->one_way = (ways & O_ACCMODE) != O_RDWR;
    if ((ways & O_ACCMODE) == O_WRONLY)
        stream->error = -EBADF;
    if ((ways & O_ACCMODE) == O_RDONLY) {
        stream->write_error = -EBADF;
        stream->giving = true;
    }
}

/* The smallest class that holds `size` bytes. */
static uint32_t class_for(uint32_t size)
{
    uint32_t class = 0;

    while (class < WEFT__BUFFER_TOP && weft__buffer_size(class) < size)
        class ++;
    return class;
}

static int check_options(const struct weft_stream_opt *opt)
{
    if (opt->buffer_size > weft__buffer_size(WEFT__BUFFER_TOP))
        return weft__misuse(-EINVAL, "options out of range");
    return 0;
}

void weft__stream_enlist(struct weft_stream *stream, struct weft__io *io, struct weft__fd *record)
{
    stream->io = io;
    stream->record = record;
    stream->next = io->streams;
    stream->link = &io->streams;
    if (stream->next)
        stream->next->link = &stream->next;
    io->streams = stream;
    record->stream = stream;
    record->sides[WEFT__READER] = record->sides[WEFT__WRITER] = &stream->receive;
}

static struct weft_stream *create(struct weft__io *io, int fd, struct weft__fd *record,
                                  const struct weft_stream_opt *opt)
{
    struct weft_stream *stream;

    if (!io->buffers)
        io->buffers = weft__buffers_new(io->reactor);
    stream = io->buffers ? weft__alloc_aligned(64, sizeof *stream) : NULL;
    if (!stream)
        return NULL;
    memset(stream, 0, sizeof *stream);
    weft__stream_init_receive(stream);
    weft__stream_init_give(stream);
    stream->fd = fd;
    stream->held_max = opt->held_max ? opt->held_max : WEFT__HELD_MAX_DEFAULT;
    stream->fixed = opt->buffer_size != 0;
    stream->class = (uint8_t)class_for(opt->buffer_size);
    weft__stream_enlist(stream, io, record);
    stream->error = weft__fd_take_trouble(record); /* said once: the kernel knows of no more */
    if (stream->error == -ENOMEM)
        stream->error = 0; /* there was no request to be had: the connection has nothing */
    return stream;
}

/* The record; *ways, or the error. */
static int find(struct weft__io *io, int fd, struct weft__fd **record, int *ways)
{
    int error = weft__fd_find(io, fd, record);

    if (error < 0)
        return error;
    if ((*record)->sides[WEFT__READER] || (*record)->sides[WEFT__WRITER])
        return weft__fd_refuse(*record);
    if (weft__fd_used(io, fd, *record))
        return weft__misuse(-EBUSY, "another call, or a watcher, uses the descriptor");
    *ways = ways_of(fd);
    if (*ways == -EBADF)
        weft__fd_forget(io, *record);
    return *ways < 0 ? *ways : 0;
}

int weft_stream_open(int fd, const struct weft_stream_opt *opt, weft_stream **result)
{
    struct weft__task *self = weft__task_self();
    struct weft_stream *stream;
    struct weft_stream_opt own;
    struct weft__fd *record;
    int error, ways = 0;

    if (!self)
        return weft__outside();
    error = weft__option_copy(&own, sizeof own, opt);
    if (error == 0)
        error = result ? check_options(&own) : weft__misuse(-EINVAL, "nowhere to put the stream");
    if (error == 0)
        error = find(weft__io_of(self->reactor), fd, &record, &ways);
    if (error < 0)
        return error;
    stream = create(weft__io_of(self->reactor), fd, record, &own);
    if (!stream)
        return -ENOMEM;
    set_ways(stream, ways);
    weft__stream_arm(stream); /* if that cannot be now, it is tried again in a moment */
    *result = stream;
    return 0;
}

int weft_stream_fd(const weft_stream *stream)
{
    return stream ? stream->fd : weft__misuse(-EINVAL, "no stream");
}

/* -- the file, held by the ring --------------------------------------------------------------- */

void weft__stream_hold_file(struct weft_stream *stream)
{
    stream->held_file = weft__ring_file_hold(&stream->io->reactor->ring, stream->fd) == 0;
}

void weft__stream_let_go_of_file(struct weft_stream *stream)
{
    if (stream->held_file)
        weft__ring_file_let_go(&stream->io->reactor->ring, stream->fd);
    stream->held_file = false;
}

/* -- the end -------------------------------------------------------------------------------- */

static void give_all(struct weft_stream *stream)
{
    while (stream->head) {
        struct weft__buffer *buffer = stream->head;
        stream->head = buffer->next;
        weft__buffers_give(stream->io->buffers, buffer);
    }
    weft__buffer_free(stream->filling);
}

void weft__stream_leave_record(struct weft_stream *stream, struct weft__fd *record)
{
    if (!record || record->stream != stream)
        return;
    record->stream = NULL;
    record->sides[WEFT__READER] = record->sides[WEFT__WRITER] = NULL;
}

void weft__stream_destroy(struct weft_stream *stream)
{
    struct weft__fd *record = stream->record;

    weft__stream_let_go_of_file(stream);
    give_all(stream);
    *stream->link = stream->next;
    if (stream->next)
        stream->next->link = stream->link;
    weft__stream_leave_record(stream, record);
    weft__free(stream->outbox);
    weft__free(stream);
}

void weft__stream_close_early(struct weft_stream *stream)
{
    struct weft__fd *record = stream->record;
    uint64_t word = weft__fd_close_begin(record);

    weft__stream_let_go_of_file(stream);
    weft__stream_leave_record(stream, record);
    weft__fd_close_publish(record, word);
    weft__host_close(stream->fd);
    weft__fd_close_end(record, word);
    weft__accept_freed(stream->io);
    stream->fd = -1;
    stream->record = NULL;
    stream->write_error = -EPIPE;
    stream->giving = true;
}

/* Cancels what is in flight and waits until every task has left the stream. */
static void end(struct weft__task *self, struct weft_stream *stream)
{
    struct weft__wait wait = {.what = "close", .fd = stream->fd};

    stream->record->closer = &wait;
    if (stream->receive.waiter)
        weft__wake_now(self->reactor, stream->receive.waiter);
    while (!weft__stream_end(stream))
        weft__wait_for_wake(self, &wait, false);
    stream->record->closer = NULL;
}

/* What was given is sent before the end, unless another task is writing, who loses its own too. */
static void flush(struct weft__task *self, struct weft_stream *stream)
{
    struct weft__op op;

    if (self->visible || weft__stream_begin_write(stream, &op) < 0)
        return;
    stream->flushing = true;
    (void)weft__stream_wait_given(self, stream, 0); /* closing it says no more of that */
    weft__stream_end_write(stream);
}

static int close_stream(struct weft_stream *stream, bool abort)
{
    struct weft__task *self = weft__task_self();
    struct weft__fd *record;
    uint64_t word;
    int fd, result;

    if (!self)
        return weft__outside();
    if (!stream)
        return 0;
    if (weft__stream_detached(stream)) {
        result = weft__stream_attach_to_close(self, stream);
        if (result < 0)
            return result;
    }
    if (stream->io->reactor != self->reactor)
        return weft__misuse(-EXDEV, "the stream is another reactor's");
    if (stream->closing || stream->flushing)
        return -EALREADY;
    weft__enter_release(self);
    if (stream->giving && !abort)
        flush(self, stream);
    record = stream->record;
    fd = stream->fd;
    if (!record) { /* shut down, so closed already */
        weft__stream_destroy(stream);
        return 0;
    }
    if (abort)
        (void)weft__socket_reset_on_close(fd); /* no reset, then, but a close in any case */
    word = weft__fd_close_begin(record);
    end(self, stream);
    weft__stream_destroy(stream);
    weft__fd_close_publish(record, word);
    result = weft__close_request(self, fd);
    weft__fd_close_end(record, word);
    return result;
}

int weft_stream_close(weft_stream *stream)
{
    return close_stream(stream, false);
}

int weft_stream_abort(weft_stream *stream)
{
    return close_stream(stream, true);
}

void weft__stream_close_now(struct weft_stream *stream)
{
    struct weft__fd *record = stream->record;
    struct weft__io *io = stream->io;
    int fd = stream->fd;
    uint64_t word;

    if (!record) { /* shut down, so closed already */
        weft__stream_destroy(stream);
        return;
    }
    word = weft__fd_close_begin(record);
    weft__stream_destroy(stream);
    weft__fd_close_publish(record, word);
    weft__host_close(fd);
    weft__fd_close_end(record, word);
    weft__accept_freed(io);
}

void weft__stream_end_alone(struct weft_stream *stream)
{
    stream->stopping = true;
    if (weft__stream_end(stream))
        weft__stream_close_now(stream);
}

void weft__stream_stopped(struct weft_stream *stream)
{
    if (!weft__op_in_flight(&stream->receive) && !weft__op_in_flight(&stream->give))
        weft__stream_close_now(stream);
}

void weft__stream_stop(struct weft_stream *stream)
{
    if (stream->owned == WEFT__OWNED_BY_TRANSPORT) {
        weft__transport_stop(stream->owner);
        return;
    }
    if (!stream->stopping) /* else it was closed, and what was sent is to arrive */
        (void)weft__socket_reset_on_close(stream->fd);
    weft__stream_end_alone(stream);
}
