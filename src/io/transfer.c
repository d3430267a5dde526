/*
 * io/transfer.c - receiving and sending on a descriptor, the twins of recv(2) and send(2).
 *
 * Each call holds its side of the descriptor from its first request to its last, so the pieces of
 * one message never interleave with another task's. What always holds: a task that is cancelled is
 * refused before a request is made; a request made is waited for, and its result reported.
 */
#include <weft/net.h>

#include <limits.h>

#include "io/fd.h"
#include "io/transfer.h"
#include "ring/host.h"
#include "task/operation.h"
#include "task/wait.h"

enum {
    RECV_FLAGS = MSG_PEEK | MSG_WAITALL | MSG_OOB | MSG_TRUNC | MSG_DONTWAIT | MSG_NOSIGNAL |
                 MSG_CMSG_CLOEXEC,
    /* borrowed memory, so neither MSG_ZEROCOPY nor MSG_FASTOPEN, which needs an address */
    SEND_FLAGS = MSG_MORE | MSG_OOB | MSG_DONTWAIT | MSG_NOSIGNAL | MSG_DONTROUTE | MSG_EOR |
                 MSG_CONFIRM | MSG_WAITALL,
};

/* Of a call that is a mistake of the program. */
static const char unknown_flags[] = "flags that the call does not know";
static const char no_memory[] = "NULL for memory that is needed";

int32_t weft__leave_undone(struct weft__task *self, struct weft__operation *operation,
                           struct weft__sqe *sqe, int error)
{
    weft__request_nop(sqe);
    weft__operation_hold(operation);
    weft__operation_wait(self, operation, sqe);
    return weft__task_pass_on(self, error);
}

/* What was in flight when weft_close came is told that, whatever the kernel says. Of one that was
   lost since, it may say that a signal came. */
int32_t weft__error_of_gone(const struct weft__fd *record, uint64_t word, int32_t error)
{
    if (weft__fd_is_still(record, word))
        return error;
    return weft__fd_why_not(record, word) == -ECANCELED || error == -EINTR ? -ECANCELED : error;
}

/* -- receiving ------------------------------------------------------------------------------ */

/* Looking first is wasted when nothing is there, as after a receive that emptied the socket: then
   the kernel is told to wait before it looks. Where a wait is not wanted it must look; and at what
   may be no socket, or one that listens: there it would wait for what is not to be received. */
static uint16_t receive_hint(const struct weft__fd *record, int flags)
{
    bool look = (record->flags & (WEFT__FD_EXPECT | WEFT__FD_SOCKET)) != WEFT__FD_SOCKET ||
                flags & (MSG_DONTWAIT | MSG_OOB);

    return look ? 0 : WEFT__RECV_POLL_FIRST;
}

static void note_received(struct weft__fd *record, uint32_t asked, int flags, int32_t result,
                          uint32_t completion_flags)
{
    bool more =
        completion_flags & WEFT__CQE_SOCK_NONEMPTY || (uint32_t)result == asked || flags & MSG_PEEK;

    record->flags = (record->flags & ~WEFT__FD_EXPECT) | (more ? WEFT__FD_EXPECT : 0);
    weft__fd_note_connected(record);
}

/* What cannot be waited for must be looked at, to learn why: it is no socket. */
static __attribute__((noinline)) int32_t look(struct weft__task *self,
                                              struct weft__operation *operation, int fd,
                                              struct weft__fd *record, void *buffer, size_t size,
                                              int flags)
{
    int error = weft__admit_again(self, (flags & WEFT_IDLE) != 0);

    if (error < 0)
        return error;
    if (weft__fd_is_still(record, operation->word))
        record->flags |= WEFT__FD_EXPECT;
    return weft__receive_once(self, operation, fd, record, buffer, size, flags);
}

static inline __attribute__((always_inline)) int32_t receive_once(struct weft__task *self,
                                                                  struct weft__operation *operation,
                                                                  int fd, struct weft__fd *record,
                                                                  void *buffer, size_t size,
                                                                  int flags)
{
    uint32_t asked = weft__size_once(size);
    int32_t result;
    struct weft__sqe *sqe = weft__begin_once(self, operation, "recv", fd, record, &result);
    uint16_t hint;
    bool still; /* else nothing is noted of who has the number by then */

    if (!sqe)
        return result;
    if (flags & WEFT_IDLE)
        weft__operation_idle(operation);
    hint = receive_hint(record, flags);
    weft__request_recv(sqe, fd, buffer, asked, (uint32_t)(flags & RECV_FLAGS), hint);
    result = weft__await(self, operation, sqe, record);
    still = weft__fd_is_still(record, operation->word);
    if (__builtin_expect(result > 0, 1)) {
        if (__builtin_expect(still, 1))
            note_received(record, asked, flags, result, operation->flags);
        WEFT__COUNT_BY(self->reactor, bytes_received, result);
        return result;
    }
    if (still && result != -ENOTCONN && result != -EINVAL)
        record->flags &= ~WEFT__FD_EXPECT;
    return result == -EAGAIN && hint ? look(self, operation, fd, record, buffer, size, flags)
                                     : result;
}

int32_t weft__receive_once(struct weft__task *self, struct weft__operation *operation, int fd,
                           struct weft__fd *record, void *buffer, size_t size, int flags)
{
    return receive_once(self, operation, fd, record, buffer, size, flags);
}

int32_t weft__read_once(struct weft__task *self, struct weft__operation *operation, int fd,
                        struct weft__fd *record, void *buffer, size_t size, int flags)
{
    int32_t error;
    struct weft__sqe *sqe = weft__begin_once(self, operation, "read", fd, record, &error);

    if (!sqe)
        return error;
    if (flags & WEFT_IDLE)
        weft__operation_idle(operation);
    weft__request_read(sqe, fd, buffer, weft__size_once(size), WEFT__OFFSET_CURRENT);
    return weft__await(self, operation, sqe, record);
}

static int begin_receive(struct weft__task **self, int flags, const void *buffer, size_t size)
{
    int error = flags & WEFT_IDLE ? weft__enter_idle(self) : weft__enter(self);

    if (error < 0)
        return error;
    if (flags & ~(RECV_FLAGS | WEFT_IDLE))
        return weft__misuse(-EINVAL, unknown_flags);
    return !buffer && size > 0 ? weft__misuse(-EFAULT, no_memory) : 0;
}

/* The end of a call: the side is let go, and a number that the kernel does not know is forgotten.
 */
static inline __attribute__((always_inline)) void end(struct weft__io *io, struct weft__fd *record,
                                                      enum weft__side side, struct weft__op *op,
                                                      ssize_t result)
{
    weft__fd_leave(io, record, side, op);
    if (__builtin_expect(result == -EBADF, 0))
        weft__fd_forget_closed(io, (int)(record - io->fds), record);
}

/* MSG_WAITALL, and the exact forms. In pieces of our own, because the kernel's way of waiting for
   all loses an error that follows the first bytes: a reset would look like the end of the stream.
   Stops at the end, at an error, and when cancelled in between; *done grows. The last result. */
static ssize_t receive_all(struct weft__task *self, struct weft__operation *operation, int fd,
                           struct weft__fd *record, char *buffer, size_t size, int flags,
                           size_t *done)
{
    while (*done < size) {
        int32_t n;
        if (__builtin_expect(self->visible && *done > 0, 0))
            return weft__task_refuse(self);
        n = weft__receive_once(self, operation, fd, record, buffer + *done, size - *done, flags);
        if (n <= 0)
            return n;
        *done += (size_t)n;
    }
    return (ssize_t)size;
}

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t length = sizeof type;

    return weft__host_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
           type == SOCK_STREAM;
}

/* The count if any byte came; what ended it is for the next call. */
static __attribute__((noinline)) ssize_t receive_waitall(struct weft__task *self,
                                                         struct weft__operation *operation, int fd,
                                                         struct weft__fd *record, void *buffer,
                                                         size_t size, int flags)
{
    size_t done = 0;
    ssize_t result;

    /* not by the kernel: its second look, behind the first, would find the same bytes again */
    if (flags & (MSG_PEEK | MSG_DONTWAIT | MSG_OOB) || !is_stream(fd))
        return weft__receive_once(self, operation, fd, record, buffer, size, flags & ~MSG_WAITALL);
    result = receive_all(self, operation, fd, record, buffer, size, flags & ~MSG_WAITALL, &done);
    if (done == 0)
        return result;
    if (result < 0 && result != -ECANCELED && result != -ESHUTDOWN &&
        weft__fd_is_still(record, operation->word))
        record->trouble = (int32_t)result;
    return (ssize_t)done;
}

static int take_trouble(struct weft__task *self, struct weft__fd *record)
{
    self->cause = WEFT_CAUSE_NONE;
    return weft__fd_take_trouble(record);
}

ssize_t weft_recv(int fd, void *buffer, size_t size, int flags)
{
    struct weft__operation operation;
    struct weft__fd *record;
    struct weft__task *self;
    struct weft__io *io;
    ssize_t result = begin_receive(&self, flags, buffer, size);

    if (__builtin_expect(result < 0, 0))
        return result;
    io = weft__io_of(self->reactor);
    result = weft__hold_side(io, fd, WEFT__READER, &operation, &record);
    if (__builtin_expect(result < 0, 0))
        return result;
    if (__builtin_expect(record->trouble != 0, 0))
        result = take_trouble(self, record);
    else if (flags & MSG_WAITALL)
        result = receive_waitall(self, &operation, fd, record, buffer, size, flags);
    else
        result = receive_once(self, &operation, fd, record, buffer, size, flags);
    end(io, record, WEFT__READER, &operation.op, result);
    return result;
}

ssize_t weft_recv_until(int fd, void *buffer, size_t size, int flags, int64_t deadline)
{
    struct weft__until until;
    int error = weft__until_open(&until, deadline);

    if (error < 0)
        return error;
    return (ssize_t)weft__until_close(&until, weft_recv(fd, buffer, size, flags));
}

ssize_t weft_recv_exactly(int fd, void *buffer, size_t size, size_t *done)
{
    struct weft__operation operation;
    struct weft__fd *record;
    struct weft__task *self;
    struct weft__io *io;
    size_t received = 0;
    ssize_t result = begin_receive(&self, 0, buffer, size);

    if (done)
        *done = 0;
    if (result < 0)
        return result;
    io = weft__io_of(self->reactor);
    result = weft__hold_side(io, fd, WEFT__READER, &operation, &record);
    if (result < 0)
        return result;
    if (record->trouble != 0 && size > 0)
        result = take_trouble(self, record);
    else
        result = receive_all(self, &operation, fd, record, buffer, size, 0, &received);
    if (result == 0 && size > 0)
        result = -ENODATA;
    end(io, record, WEFT__READER, &operation.op, result);
    if (done)
        *done = received;
    return result;
}

/* -- sending -------------------------------------------------------------------------------- */

int32_t weft__send_packet(struct weft__task *self, struct weft__operation *operation, int fd,
                          struct weft__fd *record, const void *buffer, size_t size, int flags)
{
    struct weft__packet_wait wait = {self, operation, record, fd, false, 0};
    int asked = (flags & ~MSG_WAITALL) | MSG_DONTWAIT;
    int32_t result;

    do
        result = weft__send_request(self, operation, fd, record, buffer, size, asked);
    while (result == -EAGAIN && !(flags & MSG_DONTWAIT) &&
           (result = weft__packet_wait(&wait)) == 0);
    return result;
}

static int begin_send(struct weft__task **self, int flags, const void *buffer, size_t size)
{
    int error = weft__enter(self);

    if (error < 0)
        return error;
    if (flags & ~SEND_FLAGS)
        return weft__misuse(-EINVAL, unknown_flags);
    return !buffer && size > 0 ? weft__misuse(-EFAULT, no_memory) : 0;
}

ssize_t weft_send(int fd, const void *buffer, size_t size, int flags)
{
    struct weft__operation operation;
    struct weft__fd *record;
    struct weft__task *self;
    struct weft__io *io;
    ssize_t result = begin_send(&self, flags, buffer, size);

    if (__builtin_expect(result < 0, 0))
        return result;
    io = weft__io_of(self->reactor);
    result = weft__hold_side(io, fd, WEFT__WRITER, &operation, &record);
    if (__builtin_expect(result < 0, 0))
        return result;
    result = weft__send_once(self, &operation, fd, record, buffer, size, flags);
    end(io, record, WEFT__WRITER, &operation.op, result);
    return result;
}

ssize_t weft_send_until(int fd, const void *buffer, size_t size, int flags, int64_t deadline)
{
    struct weft__until until;
    int error = weft__until_open(&until, deadline);

    if (error < 0)
        return error;
    return (ssize_t)weft__until_close(&until, weft_send(fd, buffer, size, flags));
}

ssize_t weft_send_all(int fd, const void *buffer, size_t size, size_t *done)
{
    struct weft__operation operation;
    struct weft__fd *record;
    struct weft__task *self;
    struct weft__io *io;
    size_t sent = 0;
    ssize_t result = begin_send(&self, 0, buffer, size);

    if (done)
        *done = 0;
    if (__builtin_expect(result < 0, 0))
        return result;
    io = weft__io_of(self->reactor);
    result = weft__hold_side(io, fd, WEFT__WRITER, &operation, &record);
    if (__builtin_expect(result < 0, 0))
        return result;
    result = weft__send_pieces(self, &operation, fd, record, buffer, size, &sent);
    end(io, record, WEFT__WRITER, &operation.op, result);
    if (done)
        *done = sent;
    return result;
}

ssize_t weft_send_all_until(int fd, const void *buffer, size_t size, size_t *done, int64_t deadline)
{
    struct weft__until until;
    int error = weft__until_open(&until, deadline);

    if (done)
        *done = 0;
    if (error < 0)
        return error;
    return (ssize_t)weft__until_close(&until, weft_send_all(fd, buffer, size, done));
}
