/*
 * io/close.c - shutting down and closing: cancel, wait for the end, then let go of the number.
 *
 * What always holds: when the kernel is asked to close a descriptor, nothing of ours is in flight
 * on it any more, and from the first step on nobody else may begin anything.
 */
#include "io/close.h"

#include <weft/net.h>

#include "io/accept.h"
#include "io/fd.h"
#include "io/give.h"
#include "io/transfer.h"
#include "io/watcher.h"
#include "ring/host.h"
#include "task/operation.h"
#include "task/wait.h"

/* An acceptor has the reader's side. */
static bool is_used(const struct weft__fd *record)
{
    return record->sides[WEFT__READER] || record->sides[WEFT__WRITER] || record->uses;
}

static void cancel_users(struct weft__io *io, int fd, const struct weft__fd *record)
{
    for (int side = WEFT__READER; side <= WEFT__WRITER; side++)
        if (record->sides[side])
            weft__op_cancel(io->reactor, record->sides[side]);
    weft__fd_uses_cancel(io, fd, record);
}

/* Has all who hold a side, or use it beside one another, let go of it. Between two requests there
   is nothing to cancel: then they see for themselves that the descriptor is closing, as soon as
   they run. False: the number became another's meanwhile. */
static bool end_users(struct weft__task *self, int fd, struct weft__fd *record)
{
    struct weft__io *io = weft__io_of(self->reactor);
    struct weft__closer closer = {.wait = {.what = "close", .fd = fd}};
    bool lost;

    weft__fd_closer_begin(io, record, &closer);
    if (record->acceptor)
        weft__acceptor_close(self, record->acceptor);
    while (!(lost = weft__fd_closer_lost(record, &closer)) && is_used(record)) {
        cancel_users(io, fd, record);
        weft__wait_for_wake(self, &closer.wait, false);
    }
    weft__fd_closer_end(record, &closer);
    return !lost;
}

int weft__close_request(struct weft__task *self, int fd, const struct weft__fd *record,
                        uint64_t word)
{
    struct weft__operation operation;
    struct weft__sqe *sqe = weft__operation_begin(self, &operation, "close", fd);
    int result;

    if (!weft__fd_is_still(record, word)) {
        if (sqe)
            (void)weft__leave_undone(self, &operation, sqe, -EBADF);
        return -EBADF;
    }
    if (sqe) {
        weft__operation_hold(&operation);
        weft__request_close(sqe, fd);
        result = weft__operation_wait(self, &operation, sqe);
    } else {
        result = weft__host_close(fd); /* it must succeed all the same */
    }
    weft__accept_freed(weft__io_of(self->reactor));
    return result;
}

static int close_record(struct weft__task *self, int fd, struct weft__fd *record)
{
    struct weft__io *io = weft__io_of(self->reactor);
    uint64_t word = weft__fd_close_begin(record);
    int result;

    weft__watchers_close(io, fd);
    if (__builtin_expect(is_used(record), 0) && !end_users(self, fd, record))
        return weft__misuse(-EBADF, "the descriptor was closed meanwhile, but not by weft_close");
    if (__builtin_expect(io->gives != NULL, 0))
        weft__gives_outlive(io, fd, record);
    weft__fd_let_go(io, fd, record);
    weft__fd_close_publish(record, word);
    result = weft__close_request(self, fd, record, word);
    weft__fd_close_end(record, word);
    return result;
}

/* A number that is closed already is a mistake even if two tasks raced for it: the third time it is
   somebody else's. A negative one is what clean-up code has when nothing was opened. */
int weft__close_refuse(struct weft__io *io, int fd, int error)
{
    if (error != -EBADF || fd < 0)
        return error;
    if (weft__fd_closes_here(io, fd))
        return -EALREADY;
    if ((uint32_t)fd < io->fd_count && io->fds[fd].identity)
        return error; /* weft__fd_verify has said so */
    return weft__misuse(error, "nothing is open under this number: closed twice?");
}

int weft_close(int fd)
{
    struct weft__task *self = weft__task_self();
    struct weft__fd *record;
    int error;

    if (!self)
        return weft__outside();
    weft__enter_release(self);
    error = fd < 0 ? -EBADF : weft__fd_find(weft__io_of(self->reactor), fd, &record);
    if (error < 0)
        return weft__close_refuse(weft__io_of(self->reactor), fd, error);
    if (record->stream)
        return weft__misuse(-EBUSY, "a stream has the descriptor: close the stream");
    error = weft__fd_refuse_file(record);
    return error < 0 ? error : close_record(self, fd, record);
}

int weft_shutdown(int fd, int how)
{
    struct weft__fd *record;
    struct weft__task *self;
    int error = weft__enter(&self);

    if (error < 0)
        return error;
    error = weft__fd_find(weft__io_of(self->reactor), fd, &record);
    if (error < 0)
        return error;
    error = weft__host_shutdown(fd, how);
    if (error == -EBADF)
        weft__fd_forget(weft__io_of(self->reactor), record);
    weft__reactor_spend(self->reactor);
    return error;
}
