/*
 * io/stream_splice.c - from stream to stream in the kernel, by way of a pipe.
 *
 *      held bytes? --yes--> given as a view would be (stream_give.c)
 *          | no
 *      the armed receive is ended, and not armed again: what comes stays in the socket
 *          |
 *      socket --> pipe --> socket, by direct calls that do not wait; a poll in the ring where one
 *          |               of them could do nothing
 *          | says that it is the end, or, though it was ready, that there is nothing
 *          v
 *      a receive, which knows: what it brings is held, and given as above
 *
 * The kernel's splice reads up to a byte that was sent out of band and never beyond it, whatever
 * comes behind. An ordinary receive leaves that byte out and goes on.
 *
 * A call is the reader of the one stream and the writer of the other from its beginning to its end,
 * so neither can go away meanwhile; one operation stands for both, and closing either ends it.
 *
 * Pipes are a reactor's, and lent for as long as there is something in them: whoever waits for
 * bytes has none. What always holds: a spare pipe is empty.
 */
#include <weft/poll.h>
#include <weft/splice.h>

#include "io/lookout.h"
#include "io/stream.h"
#include "ring/host.h"
#include "task/wait.h"

enum {
    PIPE_SIZE = 1 << 18, /* more, and a user without privileges soon has as much as he may */
    FLAGS = SPLICE_F_MOVE | SPLICE_F_NONBLOCK,
    LOOK_SIZE = 4096, /* bytes, of the receive that tells whether there are any */
};

struct move {
    struct weft__lookout lookout;
    struct weft__task *self;
    struct weft_stream *to, *from;
    int flags;
    int pipe[2];
};

/* -- pipes ------------------------------------------------------------------------------------- */

static int get_pipe(struct weft__io *io, int pipe[2])
{
    int error;

    if (io->pipe_count > 0) {
        io->pipe_count--;
        pipe[0] = io->pipes[io->pipe_count][0];
        pipe[1] = io->pipes[io->pipe_count][1];
        return 0;
    }
    error = weft__host_pipe(pipe, O_NONBLOCK);
    if (error == 0) /* it is as large as it may be */
        (void)weft__host_fcntl(pipe[1], F_SETPIPE_SZ, PIPE_SIZE);
    return error;
}

static void close_pipe(const int pipe[2])
{
    weft__host_close(pipe[0]);
    weft__host_close(pipe[1]);
}

/* It is empty. */
static void put_pipe(struct weft__io *io, const int pipe[2])
{
    if (io->pipe_count == WEFT__PIPES_SPARE) {
        close_pipe(pipe);
        return;
    }
    io->pipes[io->pipe_count][0] = pipe[0];
    io->pipes[io->pipe_count][1] = pipe[1];
    io->pipe_count++;
}

void weft__pipes_close(struct weft__io *io)
{
    while (io->pipe_count > 0)
        close_pipe(io->pipes[--io->pipe_count]);
}

/* -- waiting ----------------------------------------------------------------------------------- */

static bool closing(const struct move *move)
{
    return move->from->closing || move->to->closing;
}

/* Has the number of either become another's? */
static bool lost(const struct move *move)
{
    return !weft__stream_owns(move->from) || !weft__stream_owns(move->to);
}

static int wait_for(struct move *move, struct weft_stream *stream, int events)
{
    struct weft_stream *other = stream == move->from ? move->to : move->from;
    struct weft__fd *record = weft__stream_record(stream);
    int32_t result = weft__admit_again(move->self, (events & WEFT_IDLE) != 0);

    if (result < 0)
        return result;
    if (lost(move))
        return weft__task_pass_on(move->self, -EBADF);
    move->lookout.operation.word = weft__fd_word_of(record);
    move->lookout.other = weft__stream_record(other);
    move->lookout.other_word = weft__fd_word_of(move->lookout.other);
    result = weft__lookout_wait(move->self, &move->lookout, stream->fd, record, events);
    if (closing(move))
        return result == -ECANCELED ? result : weft__task_pass_on(move->self, -ECANCELED);
    if (lost(move))
        return weft__task_pass_on(move->self, -EBADF);
    if (result == POLLERR) /* an error is told by the next try; what stays is none */
        move->lookout.no_errors = true;
    return result < 0 ? result : 0;
}

/* -- moving ------------------------------------------------------------------------------------ */

/* What is held, or part of it. */
static ssize_t pass_held(struct move *move, size_t size)
{
    struct weft_stream *to = move->to, *from = move->from;

    size = size < from->head->length ? size : from->head->length;
    if (to->owned && !weft__stream_affords(to, size))
        return -EDQUOT;
    return weft__stream_give_head(to, from, (uint32_t)size);
}

static void received(struct weft_stream *from, size_t count)
{
    from->first_due = false;
    WEFT__COUNT_BY(from->io->reactor, bytes_received, count);
    if (from->owned)
        weft__stream_charge(from, count);
}

/* Kept, if it is of the connection and not of now. */
static ssize_t note_trouble(struct weft_stream *from, int64_t error)
{
    if (error < 0 && error != -EAGAIN && error != -ENOMEM && error != -ENOBUFS)
        from->error = (int16_t)error;
    return (ssize_t)error;
}

/* From the socket into a pipe. How many bytes; otherwise there is no pipe. */
static ssize_t fill(struct move *move, size_t size)
{
    struct weft_stream *from = move->from;
    int64_t n = get_pipe(from->io, move->pipe);

    if (n < 0)
        return n;
    n = weft__host_splice(from->fd, move->pipe[1], size, FLAGS);
    from->dry = n > 0 && (size_t)n < size;
    if (n > 0) {
        received(from, (size_t)n);
        return n;
    }
    put_pipe(from->io, move->pipe);
    return note_trouble(from, n);
}

/* Holds what there is, received directly: nobody closes either stream, or has the number given to
   another, between two steps. How many bytes; 0 at the end; -EAGAIN there is nothing. */
static ssize_t look(struct move *move)
{
    struct weft_stream *from = move->from;
    struct weft__buffer *buffer;
    ssize_t n = weft__admit_again(move->self, false);

    if (n < 0)
        return n;
    buffer = weft__buffers_heap(LOOK_SIZE);
    if (!buffer)
        return -ENOMEM;
    weft__buffer_filled(buffer, LOOK_SIZE); /* for a call that a sanitizer sees */
    n = weft__host_recvfrom(from->fd, buffer->data, LOOK_SIZE, MSG_DONTWAIT, NULL, NULL);
    weft__buffer_hide(buffer);
    if (n > 0) {
        weft__stream_hold(from, buffer, (uint32_t)n);
        received(from, (size_t)n);
        return n;
    }
    weft__buffer_free(buffer);
    from->ended |= n == 0;
    return note_trouble(from, n);
}

/* Into a pipe, or to be held, once there is something. After all there was, a look would find
   nothing. */
static ssize_t take(struct move *move, size_t size)
{
    struct weft_stream *from = move->from;
    int idle = weft__stream_idle(from, move->flags) ? WEFT_IDLE : 0;
    bool ready = false;

    for (;;) {
        ssize_t n = from->dry ? -EAGAIN : fill(move, size);
        int error;

        if (n == 0 || (n == -EAGAIN && ready))
            n = look(move);
        if (n != -EAGAIN)
            return n;
        error = wait_for(move, from, POLLIN | idle);
        from->dry = false;
        if (error < 0)
            return error;
        ready = true;
    }
}

/* Out of the pipe into the socket: all of it, or a negative errno. */
static int empty(struct move *move, size_t size)
{
    struct weft_stream *to = move->to;

    if (to->owned && !weft__stream_affords(to, size))
        return -EDQUOT;
    while (size > 0) {
        int64_t n = weft__host_splice(move->pipe[0], to->fd, size, FLAGS);
        int error = n == -EAGAIN ? wait_for(move, to, POLLOUT) : 0;

        if (error < 0 || (n <= 0 && n != -EAGAIN))
            return error < 0 ? error : n < 0 ? (int)n : -EPIPE;
        if (n < 0)
            continue;
        size -= (size_t)n;
        WEFT__COUNT_BY(to->io->reactor, bytes_sent, n);
        if (to->owned)
            weft__stream_charge(to, (uint64_t)n);
    }
    return 0;
}

/* After a wait: 0, or why nothing goes to where it was to go. */
static int look_again(struct move *move)
{
    if (closing(move))
        return weft__task_pass_on(move->self, -ECANCELED);
    return weft__stream_owns(move->to) ? 0 : weft__task_pass_on(move->self, -EBADF);
}

static ssize_t move_piece(struct move *move, size_t size)
{
    ssize_t n;
    int error = weft__stream_owns(move->from) ? 0 : -EBADF;

    if (error == 0)
        error = weft__dont_block(move->from->fd, weft__stream_record(move->from));
    if (error == 0)
        error = weft__dont_block(move->to->fd, weft__stream_record(move->to));
    n = error < 0 ? error : take(move, size < PIPE_SIZE ? size : PIPE_SIZE);
    if (n <= 0)
        return n;
    if (move->from->head)
        return pass_held(move, size);
    error = empty(move, (size_t)n);
    if (error == 0) {
        put_pipe(move->from->io, move->pipe);
        return n;
    }
    close_pipe(move->pipe); /* with what is missing where it was to go: nothing may follow it */
    move->to->write_error = (int16_t)error;
    move->to->giving = true;
    return error;
}

/* Nothing is received but by this call. Bytes may come until that is so. */
static int end_armed(struct move *move)
{
    struct weft_stream *from = move->from;

    if (from->to_memory && !weft__op_in_flight(&from->receive))
        return 0;
    weft__stream_feed(from);
    return weft__stream_end_armed(move->self, from, move->flags);
}

static ssize_t move_some(struct move *move, size_t size)
{
    struct weft_stream *from = move->from;
    int error = 0;

    if (move->to->giving) {
        error = weft__stream_await_turn(move->self, move->to, from);
        if (error == 0)
            error = weft__admit_again(move->self, false); /* and there is more to wait for */
    }
    if (error == 0 && !closing(move) && !from->head)
        error = end_armed(move);
    if (error == 0)
        error = look_again(move);
    if (error < 0)
        return error;
    if (from->head)
        return pass_held(move, size);
    if (from->ended || from->error < 0) {
        move->self->cause = WEFT_CAUSE_NONE;
        return from->error;
    }
    return move_piece(move, size);
}

/* -- the call ---------------------------------------------------------------------------------- */

/* The reader's side of `from` is held. */
static int check(const struct move *move, size_t size)
{
    const struct weft_stream *to = move->to;

    if (!to || size == 0)
        return weft__misuse(-EINVAL, "no stream, or nothing to move");
    if (to->io->reactor != move->self->reactor)
        return weft__misuse(-EXDEV, "the stream is another reactor's");
    if (to->closing | to->flushing)
        return -EBADF;
    if (to->plain | move->from->plain)
        return weft__misuse(-EINVAL, "a pipe, or a terminal");
    return 0;
}

ssize_t weft_stream_splice(weft_stream *to, weft_stream *from, size_t size, int flags)
{
    struct move move = {.to = to, .from = from, .flags = flags};
    ssize_t result = weft__stream_begin_read(from, flags, &move.self);

    if (result < 0)
        return result;
    result = check(&move, size);
    if (result == 0)
        result = weft__stream_begin_write(to, &move.lookout.operation.op);
    if (result == 0) {
        from->direct = &move.lookout.operation.op;
        result = move_some(&move, size);
        from->direct = NULL;
        weft__stream_end_write(to);
    }
    weft__stream_end_read(from);
    weft__reactor_spend(move.self->reactor);
    return result;
}
