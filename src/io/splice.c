/*
 * io/splice.c - splice, tee and sendfile.
 *
 * On the calling task. What always holds: the direct calls here do not block, since a pipe is asked
 * with SPLICE_F_NONBLOCK and a socket is O_NONBLOCK, and nothing else is asked directly; whoever
 * has to wait polls in the ring, or a worker of the kernel's waits, in a file or a device. One
 * operation stands for both descriptors, so that closing either ends what is in flight.
 */
#include <weft/poll.h>
#include <weft/splice.h>

#include "io/lookout.h"
#include "ring/host.h"
#include "task/wait.h"

enum { FLAGS = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE };

struct end {
    int fd;
    enum weft__side side;
    bool beside;    /* others: at an offset; else it holds its side */
    bool no_errors; /* to be waited for: see io/lookout.h */
    struct weft__fd *record;
    uint64_t word; /* of it, when the call began */
    struct weft__fd_use use;
};

struct ends {
    struct weft__lookout lookout;
    struct weft__task *self;
    struct weft__io *io;
    struct end in, out;
};

/* -- the two descriptors ----------------------------------------------------------------------- */

int weft__dont_block(int fd, struct weft__fd *record)
{
    int flags;

    if (record->flags & WEFT__FD_NONBLOCK || !weft__fd_is(fd, record, WEFT__FD_SOCKET))
        return 0;
    flags = weft__host_fcntl(fd, F_GETFL, 0);
    if (flags >= 0 && !(flags & O_NONBLOCK))
        flags = weft__host_fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    if (flags >= 0)
        record->flags |= WEFT__FD_NONBLOCK;
    return flags < 0 ? flags : 0;
}

static int dont_block(struct end *end)
{
    return weft__dont_block(end->fd, end->record);
}

static void let_go(struct ends *ends, struct end *end)
{
    if (end->beside)
        weft__fd_use_end(ends->io, end->record, &end->use);
    else
        weft__fd_leave(ends->io, end->record, end->side, &ends->lookout.operation.op);
}

static int take_hold(struct ends *ends, struct end *end)
{
    struct weft__op *op = &ends->lookout.operation.op;
    int error = end->beside ? weft__fd_find(ends->io, end->fd, &end->record)
                            : weft__fd_enter(ends->io, end->fd, end->side, op, &end->record);

    if (error < 0)
        return error;
    end->word = weft__fd_word_of(end->record);
    if (end->beside)
        weft__fd_use_begin(ends->io, end->record, end->fd, &end->use, op);
    return 0;
}

static int begin(struct ends *ends, int fd_in, bool in_beside, int fd_out, bool out_beside)
{
    int error;

    ends->io = weft__io_of(ends->self->reactor);
    ends->in = (struct end){.fd = fd_in, .side = WEFT__READER, .beside = in_beside};
    ends->out = (struct end){.fd = fd_out, .side = WEFT__WRITER, .beside = out_beside};
    error = take_hold(ends, &ends->in);
    if (error < 0)
        return error;
    error = take_hold(ends, &ends->out);
    if (error < 0)
        let_go(ends, &ends->in);
    return error;
}

static ssize_t finish(struct ends *ends, ssize_t result)
{
    let_go(ends, &ends->in);
    let_go(ends, &ends->out);
    if (result == -EBADF) {
        weft__fd_forget_closed(ends->io, ends->in.fd, ends->in.record);
        weft__fd_forget_closed(ends->io, ends->out.fd, ends->out.record);
    }
    weft__reactor_spend(ends->self->reactor);
    return result;
}

/* Is one of the two being closed, or another's by now? Then why nothing more is moved; else 0. */
static int why_over(const struct ends *ends)
{
    const struct end *end =
        weft__fd_is_still(ends->out.record, ends->out.word) ? &ends->in : &ends->out;

    return weft__fd_is_still(end->record, end->word) ? 0 : weft__fd_why_not(end->record, end->word);
}

/* Whichever of the two was closed meanwhile: the request's own words for that are several. */
static int32_t or_over(const struct ends *ends, int32_t result)
{
    if (result >= 0)
        return result;
    result = weft__error_of_gone(ends->in.record, ends->in.word, result);
    return weft__error_of_gone(ends->out.record, ends->out.word, result);
}

/* -- moving ------------------------------------------------------------------------------------ */

static int wait_for(struct ends *ends, struct end *end, int events)
{
    const struct end *other = end == &ends->in ? &ends->out : &ends->in;
    int32_t result = weft__admit_again(ends->self, false);

    if (result < 0)
        return result;
    ends->lookout.operation.word = end->word;
    ends->lookout.other = other->record;
    ends->lookout.other_word = other->word;
    ends->lookout.no_errors = end->no_errors;
    result = weft__lookout_wait(ends->self, &ends->lookout, end->fd, end->record, events);
    end->no_errors |= result == POLLERR; /* one is told by the next try; what stays is none */
    if (result < 0)
        return or_over(ends, result);
    return weft__task_pass_on(ends->self, why_over(ends)); /* nothing is asked of another's */
}

/* Which of the two was not ready is not told. */
static int wait_for_both(struct ends *ends)
{
    int error = wait_for(ends, &ends->in, POLLIN);

    return error < 0 ? error : wait_for(ends, &ends->out, POLLOUT);
}

/* The request, to be filled. NULL: why not is *error; either may be over before there is room. */
static struct weft__sqe *begin_request(struct ends *ends, const char *what, int fd, int32_t *error)
{
    struct weft__operation *operation = &ends->lookout.operation;
    struct weft__sqe *sqe = weft__operation_begin(ends->self, operation, what, fd);

    *error = sqe ? why_over(ends) : weft__operation_error(ends->self);
    if (!sqe || *error == 0)
        return sqe;
    *error = weft__leave_undone(ends->self, operation, sqe, *error);
    return NULL;
}

static int32_t await(struct ends *ends, struct weft__sqe *sqe)
{
    return or_over(ends, weft__operation_wait(ends->self, &ends->lookout.operation, sqe));
}

static bool is_stream(int fd)
{
    int type = 0; /* of what is no socket */
    socklen_t length = sizeof type;

    (void)weft__host_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length);
    return type == SOCK_STREAM;
}

/* From a socket into a pipe that has room: a byte, by a receive. The kernel's splice reads up to a
   byte that was sent out of band and never beyond it, whatever comes behind; a receive of one byte
   goes beyond it. It is taken when there is a request that puts it into the pipe, and room there,
   and from then on no cancellation comes between. 1; 0 at the end; -EAGAIN there is nothing, or no
   room. */
static ssize_t move_byte(struct ends *ends)
{
    int32_t result = weft__admit_again(ends->self, false);
    struct weft__sqe *sqe;
    ssize_t n = -EAGAIN;
    char byte;

    if (result < 0)
        return result;
    sqe = begin_request(ends, "splice", ends->out.fd, &result);
    if (!sqe)
        return result;
    weft__operation_hold(&ends->lookout.operation);
    /* others write to the pipe, too, and it may be full since this had to wait for the request */
    if (weft__host_is_writable(ends->out.fd))
        n = weft__host_recvfrom(ends->in.fd, &byte, 1, MSG_DONTWAIT, NULL, NULL);
    if (n > 0)
        weft__request_write(sqe, ends->out.fd, &byte, 1, WEFT__OFFSET_CURRENT);
    else
        weft__request_nop(sqe);
    result = await(ends, sqe);
    return n > 0 || result < 0 ? result : n;
}

/* Though nothing was moved. A pipe is looked at, too: others may write to it, and a byte that was
   received must find room. */
static bool are_ready(const struct ends *ends)
{
    return weft__host_is_readable(ends->in.fd) && weft__host_is_writable(ends->out.fd);
}

static ssize_t move_directly(struct ends *ends, size_t size, unsigned flags, bool copy)
{
    bool ready = false;
    int error = dont_block(&ends->in);

    if (error == 0)
        error = dont_block(&ends->out);
    for (size = weft__size_once(size); error == 0; error = wait_for_both(ends)) {
        int64_t n = (copy ? weft__host_tee : weft__host_splice)(ends->in.fd, ends->out.fd, size,
                                                                flags | SPLICE_F_NONBLOCK);
        if (n == -EAGAIN && (ready || flags & SPLICE_F_NONBLOCK))
            ready = are_ready(ends);
        if (size > 0 && (n == 0 || (n == -EAGAIN && ready)) && is_stream(ends->in.fd))
            n = move_byte(ends);
        if (n != -EAGAIN || flags & SPLICE_F_NONBLOCK)
            return (ssize_t)n;
        ready = true;
    }
    return error;
}

static int32_t ask(struct ends *ends, uint64_t offset_in, uint64_t offset_out, size_t size,
                   unsigned flags)
{
    int32_t error;
    struct weft__sqe *sqe = begin_request(ends, "splice", ends->in.fd, &error);

    if (!sqe)
        return error;
    weft__request_splice(sqe, ends->in.fd, offset_in, ends->out.fd, offset_out,
                         weft__size_once(size), flags | SPLICE_F_NONBLOCK);
    return await(ends, sqe);
}

/* With a file or a device: by a worker of the kernel, who waits for the disk, or for the terminal
   until the request is cancelled. */
static ssize_t move_slowly(struct ends *ends, const off_t *off_in, const off_t *off_out,
                           size_t size, unsigned flags)
{
    int error = dont_block(&ends->in);

    if (error == 0)
        error = dont_block(&ends->out);
    for (; error == 0; error = wait_for_both(ends)) {
        int32_t n = ask(ends, off_in ? (uint64_t)*off_in : WEFT__OFFSET_CURRENT,
                        off_out ? (uint64_t)*off_out : WEFT__OFFSET_CURRENT, size, flags);
        if (n != -EAGAIN || flags & SPLICE_F_NONBLOCK)
            return n;
    }
    return error;
}

static bool is_file(struct end *end)
{
    return weft__fd_is(end->fd, end->record, WEFT__FD_SEEKS);
}

/* Files, and devices such as terminals, which have flags of their own or none. */
static bool may_block(struct end *end)
{
    return !weft__fd_is(end->fd, end->record, WEFT__FD_SOCKET | WEFT__FD_PIPE);
}

static bool is_closed(const struct end *end)
{
    return weft__host_fcntl(end->fd, F_GETFD, 0) == -EBADF;
}

/* An offset was given. */
static int check_file(struct end *end)
{
    if (is_file(end))
        return 0;
    return is_closed(end) ? -EBADF : -ESPIPE;
}

/* -- the calls --------------------------------------------------------------------------------- */

static int check_offset(const off_t *offset)
{
    return offset && *offset < 0 ? weft__misuse(-EINVAL, "a negative offset") : 0;
}

ssize_t weft_splice(int fd_in, off_t *off_in, int fd_out, off_t *off_out, size_t size,
                    unsigned flags)
{
    struct ends ends;
    ssize_t n = weft__enter(&ends.self);

    if (n < 0)
        return n;
    if (flags & ~(unsigned)FLAGS)
        return weft__misuse(-EINVAL, "flags that the call does not know");
    if (check_offset(off_in) < 0 || check_offset(off_out) < 0)
        return -EINVAL;
    n = begin(&ends, fd_in, off_in != NULL, fd_out, off_out != NULL);
    if (n < 0)
        return n;
    if (off_in)
        n = check_file(&ends.in);
    if (n == 0 && off_out)
        n = check_file(&ends.out);
    if (n < 0)
        return finish(&ends, n);
    if (may_block(&ends.in) || may_block(&ends.out))
        n = move_slowly(&ends, off_in, off_out, size, flags);
    else
        n = move_directly(&ends, size, flags, false);
    if (n > 0 && off_in)
        *off_in += n;
    if (n > 0 && off_out)
        *off_out += n;
    return finish(&ends, n);
}

ssize_t weft_tee(int fd_in, int fd_out, size_t size, unsigned flags)
{
    struct ends ends;
    ssize_t n = weft__enter(&ends.self);

    if (n < 0)
        return n;
    if (flags & ~(unsigned)FLAGS)
        return weft__misuse(-EINVAL, "flags that the call does not know");
    n = begin(&ends, fd_in, false, fd_out, false);
    return n < 0 ? n : finish(&ends, move_directly(&ends, size, flags, true));
}

/* What the pipe holds goes on to where it is sent; *sent grows. */
static int empty_pipe(struct ends *ends, int pipe_out, size_t size, size_t *sent)
{
    int over = why_over(ends);

    if (over < 0)
        return weft__task_pass_on(ends->self, over);
    while (size > 0) {
        int64_t n =
            weft__host_splice(pipe_out, ends->out.fd, size, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
        int error = n == -EAGAIN ? wait_for(ends, &ends->out, POLLOUT) : 0;

        if (error < 0 || (n <= 0 && n != -EAGAIN))
            return error < 0 ? error : n < 0 ? (int)n : -EPIPE;
        if (n > 0) {
            size -= (size_t)n;
            *sent += (size_t)n;
        }
    }
    return 0;
}

/* From the file into the pipe, which is empty. How many bytes; 0 at the end. */
static int32_t fill_pipe(struct ends *ends, int pipe_in, off_t offset, size_t size)
{
    struct weft__sqe *sqe;
    int32_t error = weft__admit_again(ends->self, false);

    if (error < 0)
        return error;
    sqe = begin_request(ends, "sendfile", ends->in.fd, &error);
    if (!sqe)
        return error;
    weft__request_splice(sqe, ends->in.fd, (uint64_t)offset, pipe_in, WEFT__OFFSET_CURRENT,
                         weft__size_once(size), SPLICE_F_NONBLOCK);
    return await(ends, sqe);
}

static int send_file(struct ends *ends, off_t offset, size_t size, size_t *sent)
{
    int fds[2], error = weft__host_pipe(fds, O_NONBLOCK);
    int32_t n = 1;

    if (error < 0)
        return error;
    while (error == 0 && n > 0 && *sent < size) {
        n = fill_pipe(ends, fds[1], offset + (off_t)*sent, size - *sent);
        error = n < 0 ? n : empty_pipe(ends, fds[0], (size_t)n, sent);
    }
    weft__host_close(fds[0]); /* with what has not been sent */
    weft__host_close(fds[1]);
    return error;
}

ssize_t weft_sendfile(int fd_out, int fd_in, off_t *offset, size_t size)
{
    struct ends ends;
    size_t sent = 0;
    int error = weft__enter(&ends.self);

    if (error < 0)
        return error;
    if (!offset)
        return weft__misuse(-EFAULT, "no offset");
    if (check_offset(offset) < 0)
        return -EINVAL;
    error = begin(&ends, fd_in, true, fd_out, false);
    if (error < 0)
        return error;
    error = check_file(&ends.in);
    if (error == 0)
        error = dont_block(&ends.out);
    if (error == 0 && may_block(&ends.out))
        error = is_closed(&ends.out) ? -EBADF : -EINVAL;
    if (error == 0)
        error = send_file(&ends, *offset, size, &sent);
    *offset += (off_t)sent;
    return finish(&ends, sent > 0 ? (ssize_t)sent : error);
}
