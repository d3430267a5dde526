/*
 * io/nowait.c - sockets for who waits by himself: calls that answer at once, in tasks and
 * callbacks.
 *
 * On the descriptor's reactor. They go to the kernel directly, as what cannot block may, and spend
 * none of the turn's budget: who makes them is a callback, or called by one.
 */
#include <weft/poll.h>

#include <fcntl.h>

#include "io/accept.h"
#include "io/close.h"
#include "io/fd.h"
#include "io/give.h"
#include "io/socket.h"
#include "io/watcher.h"
#include "ring/host.h"

int weft_socket_nowait(int domain, int type, int protocol)
{
    if (!weft__self)
        return weft__outside();
    return weft__socket_open(weft__io_of(weft__self), domain, type | SOCK_NONBLOCK, protocol);
}

/* The record of a descriptor, one side of which nobody has. 0; -EPERM, -EBADF, -EXDEV, -EBUSY,
   -ENOTCONN. */
static int begin(int fd, enum weft__side side, struct weft__fd **record)
{
    int error;

    if (!weft__self)
        return weft__outside();
    error = weft__fd_find(weft__io_of(weft__self), fd, record);
    if (error < 0)
        return error;
    return (*record)->sides[side] ? weft__fd_refuse(*record) : 0;
}

/* What the kernel said: of a number that it does not know the record is given back. */
static ssize_t said(struct weft__fd *record, ssize_t result)
{
    if (result == -EBADF)
        weft__fd_forget(weft__io_of(weft__self), record);
    return result;
}

int weft_connect_nowait(int fd, const struct sockaddr *address, socklen_t length)
{
    struct weft__fd *record;
    int flags, error = begin(fd, WEFT__WRITER, &record);

    if (error < 0)
        return error;
    if (!address)
        return weft__misuse(-EFAULT, "no address");
    flags = weft__host_fcntl(fd, F_GETFL, 0);
    if (flags >= 0 && !(flags & O_NONBLOCK))
        return weft__misuse(-EINVAL, "the socket would wait: it was made without SOCK_NONBLOCK");
    return (int)said(record, flags < 0 ? flags : weft__host_connect(fd, address, length));
}

ssize_t weft_recvfrom_nowait(int fd, void *buffer, size_t size, int flags, struct sockaddr *address,
                             socklen_t *length)
{
    struct weft__fd *record;
    int error = begin(fd, WEFT__READER, &record);

    if (error < 0)
        return error;
    if ((size > 0 && !buffer) || (address && !length))
        return weft__misuse(-EFAULT, "no memory");
    if (flags & ~(MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT))
        return weft__misuse(-EINVAL, "flags that the call does not know");
    error = weft__fd_take_trouble(record);
    if (error < 0)
        return error;
    return said(record, weft__host_recvfrom(fd, buffer, size, flags, address, length));
}

ssize_t weft_sendto_nowait(int fd, const void *buffer, size_t size, int flags,
                           const struct sockaddr *address, socklen_t length)
{
    struct weft__fd *record;
    int error = begin(fd, WEFT__WRITER, &record);

    if (error < 0)
        return error;
    if (size > 0 && !buffer)
        return weft__misuse(-EFAULT, "no memory");
    if (flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE))
        return weft__misuse(-EINVAL, "flags that the call does not know");
    length = address ? length : 0;
    return said(record, weft__host_sendto(fd, buffer, size, flags, address, length));
}

/* Is it used by anybody but readers and writers, who are removed? */
static bool used_by_call(const struct weft__io *io, int fd, const struct weft__fd *record)
{
    uint32_t claim = weft__fd_claim(record);

    for (const struct weft__fd_use *use = io->uses; record->uses > 0 && use; use = use->next)
        if (use->fd == fd && use->claim == claim && !use->given_up && !weft__watcher_uses(io, use))
            return true;
    return false;
}

/* Who reads it, writes it or waits for it in a call of his own is not sent away by this. Nothing is
   changed. */
static int may_close(const struct weft__io *io, int fd, const struct weft__fd *record)
{
    int error = weft__fd_refuse_file(record);

    if (error < 0)
        return error;
    if (weft__fd_held_by_call(record))
        return weft__misuse(-EBUSY, "another call, or a stream, has the descriptor");
    return used_by_call(io, fd, record) ? -EBUSY : 0;
}

int weft_close_nowait(int fd)
{
    struct weft__fd *record;
    struct weft__io *io;
    int error;

    if (!weft__self)
        return weft__outside();
    io = weft__io_of(weft__self);
    error = fd < 0 ? -EBADF : weft__fd_find(io, fd, &record);
    if (error < 0)
        return weft__close_refuse(io, fd, error);
    if (weft__host_fcntl(fd, F_GETFD, 0) == -EBADF) {
        weft__fd_forget(io, record);
        return weft__close_refuse(io, fd, -EBADF);
    }
    error = may_close(io, fd, record);
    if (error < 0)
        return error;
    (void)weft__fd_close_begin(record);
    if (io->gives)
        weft__gives_outlive(io, fd, record);
    weft__watchers_close(io, fd);
    weft__fd_close_later(io, record);
    return 0;
}
