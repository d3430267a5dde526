/*
 * io/stream.c - opening, closing and abandoning streams; stream.h shows the inside of one.
 */
#include "io/stream.h"

#include <fcntl.h>

#include "base/memory.h"
#include "base/option.h"
#include "io/accept.h"
#include "io/close.h"
#include "io/give.h"
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

int weft__stream_prepare_pool(struct weft__io *io)
{
    if (!io->buffers)
        io->buffers = weft__buffers_new(io->reactor, weft__stream_resume, weft__stream_despair);
    return io->buffers ? 0 : -ENOMEM;
}

void weft__stream_enlist(struct weft_stream *stream, struct weft__io *io, struct weft__fd *record)
{
    stream->io = io;
    weft__stream_stand_by(stream);
    record->stream = stream;
    record->sides[WEFT__READER] = record->sides[WEFT__WRITER] = &stream->receive;
}

static void init(struct weft_stream *stream, struct weft__io *io, int fd, struct weft__fd *record,
                 const struct weft_stream_opt *opt)
{
    weft__stream_init_receive(stream);
    stream->fd = fd;
    stream->held_max = opt->held_max ? opt->held_max : WEFT__HELD_MAX_DEFAULT;
    stream->fixed = opt->buffer_size != 0;
    stream->class = (uint8_t)class_for(opt->buffer_size);
    weft__stream_enlist(stream, io, record);
    stream->error = weft__fd_take_trouble(record); /* said once: the kernel knows of no more */
    if (stream->error == -ENOMEM)
        stream->error = 0; /* there was no request to be had: the connection has nothing */
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

int weft__stream_check(int fd, const struct weft_stream_opt *opt, struct weft__opening *opening)
{
    struct weft__io *io = weft__io_of(weft__self);
    int error = weft__option_copy(&opening->opt, sizeof opening->opt, opt);

    if (error == 0)
        error = check_options(&opening->opt);
    if (error == 0)
        error = find(io, fd, &opening->record, &opening->ways);
    return error < 0 ? error : weft__stream_prepare_pool(io);
}

void weft__stream_open(int fd, const struct weft__opening *opening, struct weft_stream *stream)
{
    init(stream, weft__io_of(weft__self), fd, opening->record, &opening->opt);
    set_ways(stream, opening->ways);
    weft__stream_arm(stream); /* if that cannot be now, it is tried again in a moment */
}

int weft_stream_open(int fd, const struct weft_stream_opt *opt, weft_stream **result)
{
    struct weft__opening opening;
    struct weft_stream *stream;
    int error;

    if (!weft__task_self())
        return weft__outside();
    if (!result)
        return weft__misuse(-EINVAL, "nowhere to put the stream");
    error = weft__stream_check(fd, opt, &opening);
    if (error < 0)
        return error;
    stream = weft__calloc(1, sizeof *stream);
    if (!stream)
        return -ENOMEM;
    weft__stream_open(fd, &opening, stream);
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
    if (!stream->held_file)
        return;
    stream->held_file = false;
    if (weft__stream_owns(stream))
        weft__ring_file_let_go(&stream->io->reactor->ring, stream->fd);
    else
        weft__fd_let_go_of_lost(stream->io, stream->fd);
}

/* -- a number that is another's ---------------------------------------------------------------- */

int weft__stream_is_gone(void)
{
    return weft__misuse(-EBADF, "the stream's descriptor was closed, but not by weft_stream_close");
}

/* Told to whoever reads or writes; a transport comes to its end by it. Who closes or detaches it
   already has all of it under way. */
void weft__stream_lose(struct weft_stream *stream)
{
    weft__stream_let_go_of_file(stream); /* before anybody else holds his there */
    if (stream->closing)
        return;
    stream->error = stream->write_error = -EBADF;
    stream->giving = true;
    if (stream->moving)
        return;
    weft__stream_stand_by(stream);
    weft__op_cancel(stream->io->reactor, &stream->receive);
    if (stream->direct)
        weft__op_cancel(stream->io->reactor, stream->direct);
    if (stream->writer)
        weft__op_cancel(stream->io->reactor, stream->writer);
    (void)weft__stream_end_give(stream);
    if (stream->receive.waiter)
        weft__wake_now(stream->io->reactor, stream->receive.waiter);
    weft__stream_sent(stream);
}

void weft__stream_reset_on_close(struct weft_stream *stream)
{
    if (weft__stream_owns(stream))
        (void)weft__socket_reset_on_close(stream->fd); /* no reset, then, but a close anyway */
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
    stream->filling = NULL;
}

void weft__stream_leave_record(struct weft__fd *record)
{
    record->stream = NULL;
    record->sides[WEFT__READER] = record->sides[WEFT__WRITER] = NULL;
}

/* What is left of it for its owner: no descriptor, and all calls are refused. */
static void keep_for_owner(struct weft_stream *stream)
{
    stream->fd = -1;
    stream->owned = 0;
    stream->viewing = false;
    stream->closing = stream->closed = true;
}

bool weft__stream_disown(struct weft_stream *stream)
{
    bool closed = stream->closed;

    stream->owned = 0;
    stream->owner = NULL;
    if (closed)
        weft__free(stream);
    return closed;
}

void weft__stream_destroy(struct weft_stream *stream)
{
    weft__stream_let_go_of_file(stream);
    give_all(stream);
    weft__stream_free_sending(stream);
    weft__stream_stand_nowhere(stream);
    if (weft__stream_owns(stream))
        weft__stream_leave_record(weft__stream_record(stream));
    if (stream->in_transport)
        weft__transport_without_stream(weft__transport_of(stream));
    else if (stream->owner)
        keep_for_owner(stream);
    else
        weft__free(stream);
}

void weft__stream_close_early(struct weft_stream *stream)
{
    struct weft__fd *record = weft__stream_record(stream);
    uint64_t word = weft__fd_close_begin(record);

    weft__stream_let_go_of_file(stream);
    weft__stream_leave_record(record);
    weft__fd_close_publish(record, word);
    weft__host_close(stream->fd);
    weft__fd_close_end(record, word);
    weft__accept_freed(stream->io);
    stream->fd = -1;
    stream->write_error = -EPIPE;
    stream->giving = true;
}

/* Cancels what is in flight and waits until every task has left the stream. */
static void end(struct weft__task *self, struct weft_stream *stream)
{
    struct weft__wait wait = {.what = "close", .fd = stream->fd};

    weft__stream_stand_nowhere(stream);
    stream->closer = &wait;
    if (stream->receive.waiter)
        weft__wake_now(self->reactor, stream->receive.waiter);
    while (!weft__stream_end(stream))
        weft__wait_for_wake(self, &wait, false);
    stream->closer = NULL;
}

/* What was given is sent before the end, unless another task is writing, who loses its own too. */
static void flush(struct weft__task *self, struct weft_stream *stream)
{
    struct weft__op op;

    if (self->visible || stream->writer)
        return;
    (void)weft__stream_begin_write(stream, &op);
    stream->flushing = true;
    (void)weft__stream_wait_given(self, stream, 0); /* closing it says no more of that */
    weft__stream_end_write(stream);
}

/* The descriptor, and the record, are not its own any more: nothing happens to either. */
static int close_lost(struct weft__task *self, struct weft_stream *stream)
{
    end(self, stream);
    weft__stream_destroy(stream);
    return weft__stream_is_gone();
}

/* Those that have one. */
static int close_descriptor(struct weft__task *self, struct weft_stream *stream)
{
    struct weft__fd *record = weft__stream_record(stream);
    int fd = stream->fd, result;
    uint64_t word = weft__fd_close_begin(record);

    end(self, stream);
    if (__builtin_expect(!weft__stream_owns(stream), 0)) /* since then */
        return close_lost(self, stream);
    if (__builtin_expect(stream->io->gives != NULL, 0))
        weft__gives_outlive(stream->io, fd, record);
    weft__stream_destroy(stream);
    weft__fd_close_publish(record, word);
    result = weft__close_request(self, fd, record, word);
    weft__fd_close_end(record, word);
    return result;
}

static int close_stream(struct weft_stream *stream, bool abort)
{
    struct weft__task *self = weft__task_self();
    int result;

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
    if (stream->closed)
        return -EBADF;
    if (stream->closing || (stream->flushing && !stream->moving))
        return -EALREADY;
    weft__enter_release(self);
    result = stream->moving ? weft__stream_call_off_detach(self, stream) : 0;
    if (result < 0)
        return result;
    if (stream->giving && !abort)
        flush(self, stream);
    if (weft__stream_shut(stream)) {
        weft__stream_destroy(stream);
        return 0;
    }
    if (__builtin_expect(!weft__stream_owns(stream), 0))
        return close_lost(self, stream);
    if (abort)
        weft__stream_reset_on_close(stream);
    return close_descriptor(self, stream);
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
    struct weft__io *io = stream->io;
    struct weft__fd *record;
    int fd = stream->fd;
    uint64_t word;

    if (!weft__stream_owns(stream)) { /* it is shut, or the number is another's */
        weft__stream_destroy(stream);
        return;
    }
    record = weft__stream_record(stream);
    word = weft__fd_close_begin(record);
    if (__builtin_expect(io->gives != NULL, 0))
        weft__gives_outlive(io, fd, record);
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
    if (!weft__op_in_flight(&stream->receive) && !weft__stream_send_in_flight(stream))
        weft__stream_close_now(stream);
}

static void stop(struct weft_stream *stream)
{
    if (stream->owned == WEFT__OWNED_BY_TRANSPORT) {
        weft__transport_stop(weft__transport_of(stream));
        return;
    }
    weft__stream_reset_on_close(stream);
    weft__stream_end_alone(stream);
}

struct weft__starved **weft__streams_list(struct weft__io *io, uint32_t index)
{
    if (index == 0)
        return &io->streams;
    return index == 1 ? &io->retries : &io->buffers->groups[index - 2].starved;
}

/* The buffer that another waits for may be given back by one that ends: that one stands by then. */
static struct weft_stream *first_of_all(struct weft__io *io)
{
    for (uint32_t i = WEFT__STREAMS_LISTS; io->buffers && i > 0; i--) {
        struct weft__starved **list = weft__streams_list(io, i - 1);
        if (*list)
            return weft__stream_at(*list);
    }
    return NULL;
}

void weft__streams_stop(struct weft__io *io)
{
    struct weft_stream *stream;

    while ((stream = first_of_all(io)) != NULL)
        stop(stream);
    weft__timer_disarm(&io->reactor->timers, &io->retry);
}
