/*
 * weft/poll.h - waiting for a descriptor to be ready, for who then reads and writes it himself.
 *
 * Any descriptor that poll(2) knows: sockets, pipes, eventfds, timerfds, devices, the descriptor of
 * an epoll set or of another loop. For libraries that have sockets of their own and ask to be told
 * (libcurl, libpq, c-ares, D-Bus), and for what weft has no call for. Who reads by weft_recv or
 * weft_read needs none of this.
 *
 * Looking changes nothing, so any number of tasks may wait for one descriptor, in either direction,
 * beside a task that reads it and one that writes it. But where a stream or weft_accept takes what
 * comes, there is nothing to be seen: -EBUSY. Ready does not mean that the next read or write finds
 * it so, and may be said too often: a descriptor that is read or written directly should have
 * O_NONBLOCK.
 *
 * A descriptor that is nobody's belongs to the reactor as long as something here waits for it, and
 * is nobody's again afterwards: so a library may close its own by close(2), once it has had the
 * waiting ended, and another reactor may then have the number. One that weft made, or that was used
 * before, stays its reactor's (weft/net.h).
 *
 * Every call here may also answer: -EPERM outside of a reactor, -EBADF, -EXDEV another reactor's,
 * -EBUSY (above), -ENOTCONN a connect on it failed, -EINVAL events that it does not know, -ENOMEM.
 */
#ifndef WEFT_POLL_H
#define WEFT_POLL_H

#include <poll.h>
#include <sys/socket.h>
#include <weft/base.h>

WEFT_BEGIN_DECLS

/*
 * poll(2) of one descriptor, and so without its arguments: a descriptor and its events stand where
 * the array and its length do, and the result is the events, not how many are ready. Who waits for
 * several has a task for each, or weft_select (weft/select_io.h); a limit of time is a deadline, as
 * everywhere.
 *
 * Suspends until one of `events` holds: any of POLLIN, POLLPRI, POLLOUT and POLLRDHUP, and
 * WEFT_IDLE (weft/net.h) for a wait that a drain may end. POLLERR and POLLHUP always count. One
 * that is ready already answers at once; a regular file always is. The _until form answers
 * -ETIMEDOUT once `deadline` has passed.
 *
 * Returns those of them that hold, and POLLRDHUP with them if that does; -ECANCELED, also when
 * weft_close ended the wait; -ESHUTDOWN.
 */
WEFT_API int weft_poll(int fd, int events) WEFT_SUSPENDS;
WEFT_API int weft_poll_until(int fd, int events, int64_t deadline) WEFT_SUSPENDS;

/* Called on the loop, where nothing may suspend (weft/callback.h). events: those that hold; or a
   negative errno, and then it is the last call: the reader or writer is removed. */
typedef void weft_ready_fn(int fd, int events, void *arg);

/*
 * Has fn(fd, events, arg) called as long as `fd` is readable, or writable: again and again, once a
 * turn at most, until it is removed. The first call comes after everything that is ready now. One
 * reader and one writer a descriptor: adding another puts it in the earlier one's place. Keeps no
 * reactor alive; removed when it stops, and by weft_close.
 *
 * On the descriptor's reactor, in a task or in a callback. Does not suspend. Returns 0; -ESHUTDOWN
 * the reactor stops.
 */
WEFT_API WEFT_NODISCARD int weft_add_reader(int fd, weft_ready_fn *fn, void *arg);
WEFT_API WEFT_NODISCARD int weft_add_writer(int fd, weft_ready_fn *fn, void *arg);

/*
 * Removes it: once this returns fn is not called any more. It may be called from within fn. Does
 * not suspend; what the kernel was asked for ends by itself soon after, until when weft_fd_move
 * answers -EBUSY and weft_close waits.
 *
 * Returns 1; 0 when there was none.
 */
WEFT_API int weft_remove_reader(int fd);
WEFT_API int weft_remove_writer(int fd);

/*
 * Calls that answer at once, for who is told by those above, also in callbacks: none of them
 * suspends. A descriptor of weft's that is to be read and written so, on either kernel.
 *
 * weft_socket_nowait is weft_socket, with SOCK_NONBLOCK. weft_connect_nowait begins, on such a
 * socket: 0 when it is connected already, -EINPROGRESS: it is, or has failed, when it is ready to
 * be written, and the next send or receive says why. The others are recvfrom(2) and sendto(2) with
 * MSG_DONTWAIT and MSG_NOSIGNAL; address, length: as there, NULL allowed. flags: MSG_PEEK,
 * MSG_TRUNC; MSG_MORE.
 *
 * They return what the call does, or a negative errno: -EAGAIN not now; -EBUSY another call, or a
 * stream, has that side; -EINVAL flags not said here, or a connect of a socket that would wait;
 * -ENOTSOCK, -ECONNREFUSED, -EPIPE, -ENOBUFS, -EMFILE, ...
 */
WEFT_API int weft_socket_nowait(int domain, int type, int protocol);
WEFT_API int weft_connect_nowait(int fd, const struct sockaddr *address, socklen_t length);
WEFT_API ssize_t weft_recvfrom_nowait(int fd, void *buffer, size_t size, int flags,
                                      struct sockaddr *address, socklen_t *length);
WEFT_API ssize_t weft_sendto_nowait(int fd, const void *buffer, size_t size, int flags,
                                    const struct sockaddr *address, socklen_t length);

/*
 * weft_close for who cannot wait, in a callback or in a task: removes readers and writers, and
 * closes the descriptor now, or as soon as what they had asked the kernel for has ended. Until then
 * the number is nobody's, and is given to nobody. Unlike weft_close it ends no other call.
 *
 * Returns 0; -EBUSY a call, a stream, a file object or weft_accept uses it; -EALREADY it is being
 * closed.
 */
WEFT_API int weft_close_nowait(int fd);

WEFT_END_DECLS

#endif
