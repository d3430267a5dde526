/*
 * io/listen.c - opening a listening socket, and the troubles of binding an address.
 */
#include <weft/net.h>

#include "base/option.h"
#include "io/accept.h"
#include "io/address.h"
#include "io/bind.h"
#include "io/fd.h"
#include "io/socket.h"
#include "ring/host.h"
#include "task/task.h"

enum { BACKLOG_DEFAULT = 4096 };
#define BIND_RETRY_NS INT64_C(1000000000)
#define BIND_PAUSE_NS INT64_C(10000000)

/* The kernel tears down the ring of a process that died, and with it the listener, a little late:
   an address in use may be free in a moment. A Unix listener that answers is alive. */
static int bind_patiently(struct weft__task *self, struct weft__binding *binding)
{
    int64_t give_up_ns = weft__host_now() + BIND_RETRY_NS;
    int error = weft__bind(self, binding);

    binding->replace = false; /* who is alive is asked once */
    while (error == -EADDRINUSE && weft__host_now() < give_up_ns) {
        error = weft_sleep(BIND_PAUSE_NS);
        if (error < 0)
            return error;
        error = weft__bind(self, binding);
    }
    return error;
}

/* Connections inherit most of them, TCP_NODELAY too, which whoever accepts would set otherwise. */
static int set_options(struct weft__io *io, int fd, const struct weft__address *address,
                       const struct weft_listen_opt *opt)
{
    struct weft_socket_opt socket;
    struct weft__fd *record;
    int error = weft__option_copy(&socket, sizeof socket, opt->socket);

    socket.reuse_port |= opt->reuse_port;
    socket.v6_only |= opt->v6_only;
    if (error == 0)
        error = weft__socket_set(fd, &socket);
    if (error < 0 || address->any.sa_family == AF_UNIX)
        return error;
    error = weft__socket_set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (error == 0 && address->any.sa_family == AF_INET6) /* whatever net.ipv6.bindv6only says */
        error = weft__socket_set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, socket.v6_only);
    if (error == 0)
        error = weft__fd_find(io, fd, &record);
    if (error == 0 && socket.nagle)
        record->flags |= WEFT__FD_NAGLE;
    return error;
}

static int start_listening(struct weft__io *io, int fd, const struct weft_listen_opt *opt)
{
    int error = weft__host_listen(fd, opt->backlog > 0 ? opt->backlog : BACKLOG_DEFAULT);

    return error == 0 && opt->turn_away ? weft__acceptor_with_reserve(io, fd) : error;
}

static int prepare(struct weft__task *self, int fd, const struct weft__address *address,
                   const struct weft_listen_opt *opt)
{
    struct weft__io *io = weft__io_of(self->reactor);
    struct weft__binding binding = {.fd = fd,
                                    .length = address->length,
                                    .address = &address->any,
                                    .mode = opt->mode,
                                    .replace = true};
    int error = set_options(io, fd, address, opt);

    if (error == 0)
        error = bind_patiently(self, &binding);
    if (error < 0)
        return error;
    error = start_listening(io, fd, opt);
    if (error < 0)
        weft__bind_undo(self, &binding);
    return error;
}

static int open_socket(struct weft__io *io, struct weft__address *address)
{
    int fd = weft__socket_open(io, address->any.sa_family, SOCK_STREAM, 0);

    if (fd == -EAFNOSUPPORT && address->wildcard) { /* a system without IPv6 */
        in_port_t port = address->v6.sin6_port;
        *address = (struct weft__address){.v4 = {.sin_family = AF_INET, .sin_port = port},
                                          .length = sizeof address->v4};
        fd = weft__socket_open(io, AF_INET, SOCK_STREAM, 0);
    }
    return fd;
}

int weft_listen_tcp(const char *text, const struct weft_listen_opt *opt)
{
    struct weft_listen_opt own;
    struct weft__address address;
    struct weft__task *self;
    int fd, error = weft__enter(&self);

    if (error == 0)
        error = weft__option_copy(&own, sizeof own, opt);
    if (error == 0)
        error = weft__address_parse(&address, text);
    if (error < 0)
        return error;
    if (own.backlog < 0 || own.mode > 07777)
        return weft__misuse(-EINVAL, "options out of range");
    fd = open_socket(weft__io_of(self->reactor), &address);
    if (fd < 0)
        return fd;
    error = prepare(self, fd, &address, &own);
    if (error == 0)
        return fd;
    weft_close(fd);
    return error;
}
