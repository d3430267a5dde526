/*
 * weft/message.h - messages: datagrams of UDP and of Unix sockets, packets in order
 * (SOCK_SEQPACKET), and what travels beside bytes.
 *
 * The twins of sendto(2), recvfrom(2), sendmsg(2) and recvmsg(2), through the ring, on any socket;
 * what weft/net.h says of its calls holds here. A message is sent and received whole or not at all;
 * one that is longer than the memory given loses its rest.
 *
 * Descriptors that come with a message (SCM_RIGHTS, SCM_PIDFD) are the receiving reactor's,
 * CLOEXEC, never 0, 1 or 2, and the caller's to close; those there was no room for are closed.
 */
#ifndef WEFT_MESSAGE_H
#define WEFT_MESSAGE_H

#include <sys/socket.h>
#include <weft/base.h>
#include <weft/net.h>

WEFT_BEGIN_DECLS

/*
 * A socket for datagrams, bound to `local` and connected to `remote`, each as weft_listen_tcp takes
 * addresses, or NULL for neither (at least one is given). Of Unix sockets, too: "unix:/path",
 * "unix:@name". A port of 0 asks for any: weft_local_port. Closed by weft_close, which leaves the
 * file of a path; where this fails there is none left. A path is bound as weft_bind does it.
 * Returns the descriptor; -EINVAL, -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -ENOENT, -ENOTDIR,
 * -ECONNREFUSED (nobody has the Unix name), -EMFILE, -ENFILE, -ENAMETOOLONG.
 */
WEFT_API int weft_datagram_socket(const char *local, const char *remote,
                                  const struct weft_socket_opt *opt) WEFT_SUSPENDS;

/*
 * bind(2). Where `address` is the path of a Unix socket a thread makes the call, since its file
 * waits for the disk that it is to be on, and the task waits for that: a cancellation meanwhile
 * does not interrupt it, and its result is told. Any other address is bound at once.
 * Returns 0; -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -ENOENT, -ENOTDIR, -EINVAL it is bound already,
 * ...
 */
WEFT_API int weft_bind(int fd, const struct sockaddr *address, socklen_t length) WEFT_SUSPENDS;
/* listen(2). Does not suspend. */
WEFT_API int weft_listen(int fd, int backlog);
/* getsockname(2), getpeername(2). They do not suspend. */
WEFT_API int weft_getsockname(int fd, struct sockaddr *address, socklen_t *length);
WEFT_API int weft_getpeername(int fd, struct sockaddr *address, socklen_t *length);

/*
 * sendto(2), with MSG_NOSIGNAL. address NULL: where the socket is connected to.
 * Returns the count; -EMSGSIZE more than a message can be; -EDESTADDRREQ, -ENOTCONN nowhere to send
 * it; -ECONNREFUSED, -ENETUNREACH, ...
 */
WEFT_API ssize_t weft_sendto(int fd, const void *buffer, size_t size, int flags,
                             const struct sockaddr *address, socklen_t length) WEFT_SUSPENDS;
/*
 * sendmsg(2), with MSG_NOSIGNAL. What `message` points at is borrowed, and not changed.
 * Returns as weft_sendto; -EBADF a descriptor that is to be passed is none; -ETOOMANYREFS more of
 * this user's are on their way than a process may have open.
 */
WEFT_API ssize_t weft_sendmsg(int fd, const struct msghdr *message, int flags) WEFT_SUSPENDS;

/*
 * recvfrom(2) and recvmsg(2). flags: MSG_PEEK, MSG_TRUNC (the message's whole length is returned),
 * MSG_DONTWAIT, WEFT_IDLE. address, length: as recvfrom(2), NULL allowed. message->msg_flags tells
 * what was cut: MSG_TRUNC, MSG_CTRUNC.
 * Returns the count, which may be 0 of a message that has none, and is of SOCK_SEQPACKET and
 * streams at the end; -ECONNREFUSED an earlier datagram found nobody; -ECONNRESET, ...
 */
WEFT_API ssize_t weft_recvfrom(int fd, void *buffer, size_t size, int flags,
                               struct sockaddr *address, socklen_t *length) WEFT_SUSPENDS;
WEFT_API ssize_t weft_recvmsg(int fd, struct msghdr *message, int flags) WEFT_SUSPENDS;

/*
 * Sends `size` bytes as datagrams of `segment` bytes each, the last one shorter if they do not come
 * out even: of UDP up to 64 of them by one request, which the kernel or the network card cuts up
 * (UDP_SEGMENT); one by one where that is not to be had: on Unix sockets, on a path that does not
 * take it, and where a segment does not fit a packet of the path. address NULL: where the socket is
 * connected to.
 * Returns `size`; or a negative errno as weft_sendto. *done (NULL allowed) how many bytes went, in
 * whole datagrams. -EINVAL segment is 0.
 */
WEFT_API ssize_t weft_send_segments(int fd, const void *buffer, size_t size, uint16_t segment,
                                    const struct sockaddr *address, socklen_t length,
                                    size_t *done) WEFT_SUSPENDS;
/*
 * One datagram, or, where weft_socket_opt.join_datagrams has been set, several of one sender, one
 * behind the other: *segment is how long each of them was, but for the last, which may be shorter.
 * There should be room for 65,535 bytes: what there is no room for is lost. Descriptors that come
 * with it are closed. flags, address, length: as weft_recvfrom.
 * Returns the count of bytes, as weft_recvfrom; *segment is that count when it is one datagram.
 */
WEFT_API ssize_t weft_recv_segments(int fd, void *buffer, size_t size, uint32_t *segment, int flags,
                                    struct sockaddr *address, socklen_t *length) WEFT_SUSPENDS;

/* At most this many descriptors with one message. */
enum { WEFT_FDS_MAX = 253 };

/*
 * Passes descriptors over a Unix socket, with `size` bytes (at least one on a stream). They stay
 * open here. Returns the count of bytes; -EINVAL count is 0 or more than WEFT_FDS_MAX; as
 * weft_sendmsg.
 */
WEFT_API ssize_t weft_send_fds(int fd, const void *buffer, size_t size, const int *fds,
                               uint32_t count) WEFT_SUSPENDS;
/*
 * The next bytes, up to `size`, and the descriptors that came with them, for which there is room in
 * fds[*count]; *count is set to how many there are. All or none: with either of the errors here
 * those that came are closed, *count is 0, and the bytes are gone. -EMFILE the process may have no
 * more descriptors; -EMSGSIZE more came than there is room for. What options of the socket bring
 * besides (SO_PASSCRED, SO_PASSSEC, SO_TIMESTAMP, ...) takes no room from them and is dropped, what
 * SO_PASSPIDFD does closed: weft_recvmsg hands it out.
 * Returns the count of bytes; 0 at the end; as weft_recvmsg.
 */
WEFT_API ssize_t weft_recv_fds(int fd, void *buffer, size_t size, int *fds,
                               uint32_t *count) WEFT_SUSPENDS;

WEFT_END_DECLS

#endif
