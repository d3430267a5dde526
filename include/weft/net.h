/*
 * weft/net.h - sockets at the level of the system calls they replace, through the ring.
 *
 * Descriptors are plain ints, arguments stand in the order of the call replaced, results are >= 0
 * or a negative errno. The first reactor to use a descriptor owns it; from another one calls answer
 * -EXDEV. One task may read from a descriptor and one may write to it at a time: a second gets
 * -EBUSY. Buffers are borrowed: the caller's until the call returns, safe even on the stack.
 *
 * Every call here may also answer: -EPERM outside a task, -EBADF, -EINVAL (flags or options that it
 * does not know), -EFAULT (NULL for memory that is needed), and (marked WEFT_SUSPENDS) -ECANCELED
 * when the caller is cancelled before any effect, -ENOMEM when no request can be kept.
 *
 * A descriptor still open when a run ends stays open, and a later run may use it; connections that
 * its listener had accepted and nobody taken are closed.
 */
#ifndef WEFT_NET_H
#define WEFT_NET_H

#include <sys/socket.h>
#include <weft/base.h>
#include <weft/time.h>

WEFT_BEGIN_DECLS

/*
 * Options of a socket by name. A zero leaves an option as it is, but for `nagle`. What a socket of
 * its kind does not have is passed over: TCP's on others, those of IP on Unix sockets, `v6_only` on
 * any but IPv6. They are set in the order of the fields, up to the first that the kernel refuses:
 * its error is the call's, and *refused (NULL allowed, told only then) its name as Linux writes it,
 * a constant.
 *
 * SO_LINGER with more than 0 seconds is not among them: the close would wait for the peer inside
 * the kernel, and the reactor with it. To wait for the peer, weft_shutdown, and receive until the
 * end.
 */
struct weft_socket_opt {
    size_t size;               /* sizeof(struct weft_socket_opt) */
    bool nagle;                /* leave Nagle's algorithm on (default: TCP_NODELAY) */
    bool keepalive;            /* SO_KEEPALIVE */
    bool reset_on_close;       /* SO_LINGER with 0 seconds; more is not offered, see above */
    int receive_buffer_size;   /* SO_RCVBUF, bytes; Linux shows twice as many */
    int send_buffer_size;      /* SO_SNDBUF, the same */
    uint32_t user_timeout_ms;  /* TCP_USER_TIMEOUT */
    bool reuse_address;        /* SO_REUSEADDR; listeners have it anyway */
    bool reuse_port;           /* SO_REUSEPORT */
    bool v6_only;              /* IPV6_V6ONLY; not once bound: -EINVAL */
    uint8_t traffic_class;     /* IP_TOS and IPV6_TCLASS: DSCP in the upper six bits, and no ECN */
    int priority;              /* SO_PRIORITY; not within 0 to 6, and no CAP_NET_ADMIN: -EPERM */
    uint32_t keepalive_idle_s; /* TCP_KEEPIDLE, until the first probe, at most 32767 */
    uint32_t keepalive_interval_s; /* TCP_KEEPINTVL, between probes, at most 32767 */
    uint32_t keepalive_count;      /* TCP_KEEPCNT, probes without an answer, at most 127 */
    uint32_t fast_open;            /* TCP_FASTOPEN, of a listener: so many connections may bring
                                      bytes before they are known to be there (RFC 7413) */
    const char **refused;          /* receives the name of the option that was refused; see above */
    bool join_datagrams; /* UDP_GRO: datagrams of one sender and one size may come as one message;
                            weft_recv_segments tells how long each was */
};

struct weft_listen_opt {
    size_t size;     /* sizeof(struct weft_listen_opt) */
    int backlog;     /* 0: 4096 */
    bool reuse_port; /* SO_REUSEPORT: one listener per reactor on the same address */
    bool v6_only;    /* IPV6_V6ONLY */
    bool turn_away;  /* out of descriptors: close who comes, rather than let them wait */
    uint32_t mode;   /* of a Unix socket's file; 0: as umask says */
    const struct weft_socket_opt *socket; /* set before it is bound, and its connections inherit
                                             them; NULL: the defaults */
};

/*
 * Opens a listening stream socket on `address`: "127.0.0.1:7000", "[::1]:7000", ":7000" (every
 * IPv4 and IPv6 address), "unix:/path" or "unix:@abstract". Numeric addresses only. A stale Unix
 * socket file, to which nobody listens, is replaced. Retries -EADDRINUSE for up to a second,
 * because the kernel tears rings down late. A path is bound as weft_bind does it, by a thread that
 * no cancellation interrupts; the descriptor is returned then. Closed by weft_close, which leaves
 * the file of a path; where this fails there is none left.
 *
 * turn_away keeps one descriptor in reserve, until the listener is closed: out of descriptors it is
 * given up for a moment, in which a connection that waits is accepted and closed, so that its peer
 * sees an end and may go elsewhere. Such a listener stays on its reactor: weft_fd_move answers
 * -EBUSY.
 *
 * Returns the descriptor; -EINVAL not such an address; -EADDRINUSE, -EACCES (privileged port),
 * -EADDRNOTAVAIL, -ENOENT, -ENOTDIR, -EMFILE, -ENFILE, -ENAMETOOLONG; what weft_socket_set says.
 */
WEFT_API int weft_listen_tcp(const char *address, const struct weft_listen_opt *opt) WEFT_SUSPENDS;

/* The port that a bound socket got ("...:0" asks for any); -EAFNOSUPPORT on a Unix socket. */
WEFT_API int weft_local_port(int fd);

/*
 * Takes the next connection. Behind it one request stays armed and at most 64 connections wait
 * accepted (a burst that the kernel accepts in one go may exceed that once, and is kept); closing
 * the listener closes those. Always an idle wait: a drain ends it with -ESHUTDOWN once no
 * connection is waiting. Out of descriptors it pauses until this reactor closes one, for 0.5 s at
 * most, and tries again; or (turn_away) closes those who come. Errors of a single connection
 * (ECONNABORTED and its like) are counted and passed over.
 *
 * address, length: as accept(2), NULL allowed. flags: 0 or SOCK_NONBLOCK. New descriptors are
 * CLOEXEC, TCP_NODELAY is set on TCP (unless the listener's options say `nagle`). Returns the
 * descriptor, -EINVAL not listening, -ESHUTDOWN.
 */
WEFT_API int weft_accept(int fd, struct sockaddr *address, socklen_t *length,
                         int flags) WEFT_SUSPENDS;
/* The same until the absolute time `deadline`: -ETIMEDOUT. */
WEFT_API int weft_accept_until(int fd, struct sockaddr *address, socklen_t *length, int flags,
                               int64_t deadline) WEFT_SUSPENDS;

/* socket(2), CLOEXEC and never 0, 1 or 2. Does not suspend. SOCK_NONBLOCK changes nothing in the
   calls here, which wait for the ring and not in the kernel's call, but for connecting to a Unix
   listener whose queue is full: -EAGAIN, as Linux has it. MSG_DONTWAIT does. */
WEFT_API int weft_socket(int domain, int type, int protocol);

/*
 * connect(2). After a failure or a cancellation the descriptor is of no use any more but for
 * weft_close: receiving, sending, accepting, another connect, a stream and weft_fd_move answer
 * -ENOTCONN.
 * Returns 0; -EISCONN; -ECONNREFUSED, -ENETUNREACH, -ETIMEDOUT (from the network; weft_cause() is
 * NONE), ...; -EBUSY something is in flight on the descriptor. The _until form answers -ETIMEDOUT
 * with the cause DEADLINE once `deadline` has passed.
 */
WEFT_API int weft_connect(int fd, const struct sockaddr *address, socklen_t length) WEFT_SUSPENDS;
WEFT_API int weft_connect_until(int fd, const struct sockaddr *address, socklen_t length,
                                int64_t deadline) WEFT_SUSPENDS;

/* A socket connected to `address` (as for weft_listen_tcp, host given), the options set before it
   connects. */
WEFT_API int weft_connect_tcp(const char *address, const struct weft_socket_opt *opt) WEFT_SUSPENDS;

/*
 * recv(2): suspends until some bytes are there; 0 is the end of the stream. flags: MSG_PEEK,
 * MSG_WAITALL, MSG_OOB, MSG_TRUNC, WEFT_IDLE. With MSG_DONTWAIT -EAGAIN instead of waiting.
 * Returns the count if any byte moved, even when cancelled meanwhile; -ECONNRESET, -ETIMEDOUT, ...;
 * -ENOTSOCK, of a pipe perhaps only when something is there to read (weft_read is for those).
 * The _until form answers -ETIMEDOUT once `deadline` has passed and leaves nothing pending.
 */
WEFT_API ssize_t weft_recv(int fd, void *buffer, size_t size, int flags) WEFT_SUSPENDS;
WEFT_API ssize_t weft_recv_until(int fd, void *buffer, size_t size, int flags,
                                 int64_t deadline) WEFT_SUSPENDS;

/* Exactly `size` bytes, or a negative errno: -ENODATA at the end of the stream. *done (NULL
   allowed) says how many came. */
WEFT_API ssize_t weft_recv_exactly(int fd, void *buffer, size_t size, size_t *done) WEFT_SUSPENDS;

/*
 * send(2) with MSG_NOSIGNAL: may send fewer bytes than asked; the count if any byte moved.
 * -EPIPE or -ECONNRESET when the peer is gone. A cancelled send may have moved nothing.
 * Of several pieces (MSG_WAITALL, the _all forms) a reset behind the first is told as -EPIPE, and
 * Linux tells it no more to who receives: that one reads the end of the stream.
 */
WEFT_API ssize_t weft_send(int fd, const void *buffer, size_t size, int flags) WEFT_SUSPENDS;
WEFT_API ssize_t weft_send_until(int fd, const void *buffer, size_t size, int flags,
                                 int64_t deadline) WEFT_SUSPENDS;

/* All `size` bytes, or a negative errno, never a short count. *done (NULL allowed) says how many
   went. */
WEFT_API ssize_t weft_send_all(int fd, const void *buffer, size_t size, size_t *done) WEFT_SUSPENDS;
WEFT_API ssize_t weft_send_all_until(int fd, const void *buffer, size_t size, size_t *done,
                                     int64_t deadline) WEFT_SUSPENDS;

/*
 * Sends all of `memory`, `size` bytes, which is given away: it must not change, nor be freed, until
 * `release` is called with `arg`, once, whatever became of the call: before it returns, or later,
 * on the loop of the reactor (where it may not suspend). When the bytes are enough
 * (weft_run_opt.zero_copy_min) and the way to the peer allows it, the kernel sends them from where
 * they lie, and the memory is released when it has let go of it: when the peer has acknowledged the
 * last byte, or the connection has ended. Else they are copied, and it is released with the call.
 *
 * The call waits as weft_send_all does, and no longer: a result says that the kernel has taken the
 * bytes, not that it has done with the memory. Cancelling, a deadline and closing do not hasten the
 * release. A connection that is closed before is kept, as one descriptor, for 60 s at the most; the
 * kernel then gives it up as any that is closed, some minutes after its peer took the last byte. It
 * is shut down when it is closed so, for other descriptors of it, too: who has one by dup(2) or by
 * fork(2) closes the first of them after the release. One that its reactor has passed to another
 * process, in a message or at its start, is closed and nothing else; so long as it was that
 * reactor's by then, that is, some call of weft's had used it there.
 * A reactor that stops waits for the release; connections that are kept are reset after 1 s of
 * that. What is not released then (the descriptor is still open, or was passed) is as a task
 * that holds: it is never released, and the run says -ETIMEDOUT.
 * Returns as weft_send_all; -EINVAL also when `release` is NULL, which is then not called.
 */
typedef void (*weft_release_fn)(void *arg);
WEFT_API ssize_t weft_send_give(int fd, const void *memory, size_t size, size_t *done,
                                weft_release_fn release, void *arg) WEFT_SUSPENDS;
WEFT_API ssize_t weft_send_give_until(int fd, const void *memory, size_t size, size_t *done,
                                      weft_release_fn release, void *arg,
                                      int64_t deadline) WEFT_SUSPENDS;

/* shutdown(2). Returns 0, -ENOTCONN, -EINVAL. */
WEFT_API int weft_shutdown(int fd, int how) WEFT_SUSPENDS;

/*
 * Cancels what is in flight on the descriptor, waits for its end, and closes. Always finishes and
 * is never cancelled; tasks that waited on it get -ECANCELED. Works on any descriptor. Returns 0;
 * -EBADF; -EXDEV another reactor owns it; -EALREADY another task is closing it; -EBUSY a stream
 * or a file object owns it; -EIO, -EINTR, -ENOSPC, -EDQUOT of its last bytes: it is closed.
 */
WEFT_API int weft_close(int fd) WEFT_SUSPENDS;

/* Direct calls, for the options that struct weft_socket_opt does not know. They do not suspend. */
WEFT_API int weft_setsockopt(int fd, int level, int option, const void *value, socklen_t length);
WEFT_API int weft_getsockopt(int fd, int level, int option, void *value, socklen_t *length);

/*
 * Sets the options, as struct weft_socket_opt says. Returns 0; -EINVAL out of range for the kernel;
 * -EPERM (priority), -ENOPROTOOPT the kernel does not know it, -EBADF, -ENOTSOCK, -ENOMEM.
 */
WEFT_API int weft_socket_set(int fd, const struct weft_socket_opt *opt);

/*
 * Reads them back into *opt, as far as opt->size goes, which the caller has set; `refused` is left
 * alone, and what a socket of its kind does not have is 0. Buffers are told as large as they are
 * shown. Returns 0; -EINVAL (the size), -EBADF, -ENOTSOCK.
 */
WEFT_API int weft_socket_get(int fd, struct weft_socket_opt *opt);

/*
 * Lets another reactor use the descriptor: the next one to use it owns it. -EBUSY while something
 * is in flight on it, or when a file object owns it. What a receive with MSG_WAITALL has to say
 * with the next call goes along.
 */
WEFT_API int weft_fd_move(int fd);

WEFT_END_DECLS

#endif
