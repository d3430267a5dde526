/*
 * weft/transport.h - connections without tasks: a protocol is told what happens, and a transport is
 * written to.
 *
 *     static void received(weft_transport *transport, const void *data, size_t size, void *self)
 *     {
 *         weft_transport_write(transport, data, size);
 *     }
 *     static const struct weft_protocol echo = {.size = sizeof echo, .data_received = received};
 *
 *     weft_server *server;
 *     int error = weft_create_server(&server, "127.0.0.1:7000", &echo, NULL, NULL);
 *
 * A transport costs some hundreds of bytes and no stack, so a million idle ones fit. It stands on
 * the same receive, buffers and sends as a stream.
 *
 * The functions of a protocol are callbacks (weft/callback.h): they run on the loop's stack,
 * between tasks, and must not call anything marked WEFT_SUSPENDS (-EPERM). They may spawn, wake,
 * write, and end any transport. None of them is called from inside a call made here, but for
 * pause_writing.
 *
 *      connection_made --> data_received | get_buffer, buffer_updated | pause_, resume_writing |
 *           |                  eof_received  ... in any number
 *           `--> connection_lost, exactly once; the transport is gone when it returns
 *
 * Calls here are made on the transport's reactor (-EXDEV), in a task or in a callback. They may
 * answer -EINVAL (NULL), -EPERM outside of a reactor, and, from connection_lost on, -EBADF.
 */
#ifndef WEFT_TRANSPORT_H
#define WEFT_TRANSPORT_H

#include <weft/base.h>
#include <weft/server.h>
#include <weft/stream.h>

WEFT_BEGIN_DECLS

typedef struct weft_transport weft_transport;

/*
 * What a connection does with what happens to it; each may be NULL. `self` points at state_size
 * bytes of its own, zero at first, aligned to 16, gone with the transport. The struct is not copied
 * and must outlive its transports.
 */
struct weft_protocol {
    size_t size; /* sizeof(struct weft_protocol) */
    size_t state_size;
    void (*connection_made)(weft_transport *transport, void *self);
    /* `size` bytes, at least one, which are good until it returns. NULL: they are thrown away. */
    void (*data_received)(weft_transport *transport, const void *data, size_t size, void *self);
    /* Instead of data_received: where to put what comes, and how much of it there is room for (at
       least one byte; NULL ends the connection with -ENOBUFS); then how much was put there. hint:
       bytes that are there now. Both or neither. */
    void *(*get_buffer)(weft_transport *transport, size_t hint, size_t *size, void *self);
    void (*buffer_updated)(weft_transport *transport, size_t size, void *self);
    /* The peer has ended; nothing more will be received. true: writing goes on, until
       weft_transport_close. false, and NULL: it is closed. */
    bool (*eof_received)(weft_transport *transport, void *self);
    /* 0: it was closed, here or by the peer. -ECONNABORTED: weft_transport_abort. -ECANCELED: its
       server or its reactor ended. -ETIMEDOUT, -EDQUOT: a server's connection_ns, connection_bytes.
       Else what went wrong: -ECONNRESET, ... */
    void (*connection_lost)(weft_transport *transport, int error, void *self);
    /* More than the high mark is pending: write less; and no more than the low one. By turns. */
    void (*pause_writing)(weft_transport *transport, void *self);
    void (*resume_writing)(weft_transport *transport, void *self);
    /* The server drains: finish what is under way, and close. NULL: it is closed. */
    void (*draining)(weft_transport *transport, void *self);
};

/*
 * Makes a transport of a connected stream socket, which it then owns, as weft_stream_open does, and
 * answers as that does. connection_made is called after this returns. arg: see weft_transport_arg.
 * In a task. transport: NULL allowed.
 */
WEFT_API WEFT_NODISCARD int weft_transport_open(int fd, const struct weft_protocol *protocol,
                                                void *arg, const struct weft_stream_opt *opt,
                                                weft_transport **transport);

/* weft_transport_open of a new connection; as weft_open_connection. */
WEFT_API WEFT_NODISCARD int weft_create_connection(const char *address,
                                                   const struct weft_protocol *protocol, void *arg,
                                                   const struct weft_connection_opt *opt,
                                                   weft_transport **transport) WEFT_SUSPENDS;
WEFT_API WEFT_NODISCARD int weft_create_unix_connection(const char *path,
                                                        const struct weft_protocol *protocol,
                                                        void *arg,
                                                        const struct weft_connection_opt *opt,
                                                        weft_transport **transport) WEFT_SUSPENDS;

/*
 * A server whose connections are transports. As weft_start_server, but that no task is made for
 * them: stack_size and name mean nothing, and a drain has no use for `hard`.
 */
WEFT_API WEFT_NODISCARD int weft_create_server(weft_server **server, const char *address,
                                               const struct weft_protocol *protocol, void *arg,
                                               const struct weft_server_opt *opt) WEFT_SUSPENDS;
WEFT_API WEFT_NODISCARD int weft_create_unix_server(
    weft_server **server, const char *path, const struct weft_protocol *protocol, void *arg,
    const struct weft_server_opt *opt) WEFT_SUSPENDS;

/*
 * Copies the bytes and has them sent in order. Calls pause_writing, once, when more than the high
 * mark is pending then. Returns `size`; -EPIPE after weft_transport_write_eof or _close; the error
 * that connection_lost will tell, -EDQUOT when it is this that exceeds the limit; -ENOBUFS, -ENOMEM
 * as weft_stream_write_nowait.
 */
WEFT_API ssize_t weft_transport_write(weft_transport *transport, const void *data, size_t size);

/* Ends the writing side when all that was written has been sent; receiving goes on. 0. */
WEFT_API int weft_transport_write_eof(weft_transport *transport);

/* 64 KiB and 16 KiB at first. Bytes. Returns 0; -EINVAL low > high. */
WEFT_API int weft_transport_set_write_limits(weft_transport *transport, uint32_t high,
                                             uint32_t low);
/* How many bytes have not been handed to the kernel yet. */
WEFT_API ssize_t weft_transport_write_pending(const weft_transport *transport);

/* No data_received until it is resumed; what comes meanwhile is held up to held_max, then stays
   with the peer. Returns 0, also when it was so already. */
WEFT_API int weft_transport_pause_reading(weft_transport *transport);
WEFT_API int weft_transport_resume_reading(weft_transport *transport);

/* Receives nothing more, sends what is pending, closes. connection_lost(0) follows. 0. */
WEFT_API int weft_transport_close(weft_transport *transport);
/* Resets the connection. connection_lost(-ECONNABORTED) follows. 0. */
WEFT_API int weft_transport_abort(weft_transport *transport);
/* 1 after either of them, or once the peer has ended and it was not kept; else 0. */
WEFT_API int weft_transport_is_closing(const weft_transport *transport);

/* As weft_stream_get_extra_info. Good inside connection_lost, too. */
WEFT_API int weft_transport_get_extra_info(const weft_transport *transport,
                                           struct weft_stream_info *info, size_t info_size);

/* `self`, and what was passed as `arg` to who made it. NULL for NULL. Anywhere on its reactor. */
WEFT_API void *weft_transport_state(weft_transport *transport);
WEFT_API void *weft_transport_arg(const weft_transport *transport);

/* Another protocol from now on, with the same `self`. connection_made is not called. Returns 0;
   -EINVAL its state_size is larger. */
WEFT_API int weft_transport_set_protocol(weft_transport *transport,
                                         const struct weft_protocol *protocol);
WEFT_API const struct weft_protocol *weft_transport_protocol(const weft_transport *transport);

WEFT_END_DECLS

#endif
