/*
 * weft/endpoint.h - datagrams told to callbacks: what weft/transport.h is for connections.
 *
 * An endpoint is a socket for datagrams with a protocol. It is a child of the innermost scope that
 * its maker has open, and ends with that at the latest. Its functions are callbacks
 * (weft/callback.h): they run on the loop's stack and must not call anything marked WEFT_SUSPENDS
 * (-EPERM). None of them is called from inside a call made here.
 *
 *      connection_made --> datagram_received | error_received ... in any number --> connection_lost
 *
 * connection_lost is told exactly once, and the endpoint is gone when it returns. Calls here are
 * made on the endpoint's reactor (-EXDEV), in a task or in a callback.
 */
#ifndef WEFT_ENDPOINT_H
#define WEFT_ENDPOINT_H

#include <weft/base.h>
#include <weft/message.h>

WEFT_BEGIN_DECLS

typedef struct weft_endpoint weft_endpoint;

/* Each may be NULL. `self` points at state_size bytes of its own, zero at first. The struct is not
   copied and must outlive its endpoints. */
struct weft_datagram_protocol {
    size_t size; /* sizeof(struct weft_datagram_protocol) */
    size_t state_size;
    void (*connection_made)(weft_endpoint *endpoint, void *self);
    /* One datagram and who sent it, both good until it returns. flags: MSG_TRUNC, its rest was
       lost (which only those of more than 64 KiB, of Unix sockets, can be). */
    void (*datagram_received)(weft_endpoint *endpoint, const void *data, size_t size, int flags,
                              const struct sockaddr *from, socklen_t from_length, void *self);
    /* One that was sent went wrong: -ECONNREFUSED, ...; -EAGAIN a Unix peer among several has no
       room for it: it is lost, and the others do not wait for that peer. The endpoint goes on. */
    void (*error_received)(weft_endpoint *endpoint, int error, void *self);
    /* 0: it was closed, or the scope around it drains; -ECANCELED: that was cancelled; or why it
       can receive nothing any more. */
    void (*connection_lost)(weft_endpoint *endpoint, int error, void *self);
};

/*
 * Makes an endpoint of a socket as weft_datagram_socket makes it. connection_made is called after
 * this returns.
 * Returns 0 and *endpoint (NULL allowed); what weft_datagram_socket and weft_spawn say; -EINVAL.
 */
WEFT_API WEFT_NODISCARD int weft_create_datagram_endpoint(
    weft_endpoint **endpoint, const char *local, const char *remote,
    const struct weft_datagram_protocol *protocol, void *arg,
    const struct weft_socket_opt *opt) WEFT_SUSPENDS;

/*
 * Copies the datagram and has it sent, behind those before it; to `address`, or (NULL) to where the
 * endpoint is connected. What goes wrong is told to error_received. A Unix peer that does not read
 * makes those behind wait when it was named by connecting to it; by `address`, it loses what it has
 * no room for, told as -EAGAIN.
 * Returns `size`; -EMSGSIZE more than 64 KiB; -ENOBUFS more than 1 MiB would wait, some 160 bytes
 * of each counted beside its own; -ENOMEM; -EPIPE it is closing; -EINVAL.
 */
WEFT_API ssize_t weft_endpoint_sendto(weft_endpoint *endpoint, const void *data, size_t size,
                                      const struct sockaddr *address, socklen_t length);

/* Receives nothing more, sends what waits to be sent, closes. connection_lost(0) follows. 0. */
WEFT_API int weft_endpoint_close(weft_endpoint *endpoint);

/* Its descriptor, for names and options, on any thread while the endpoint is there; `self`; what
   was passed as `arg`. */
WEFT_API int weft_endpoint_fd(const weft_endpoint *endpoint);
WEFT_API void *weft_endpoint_state(weft_endpoint *endpoint);
WEFT_API void *weft_endpoint_arg(const weft_endpoint *endpoint);

WEFT_END_DECLS

#endif
