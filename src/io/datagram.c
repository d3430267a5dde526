/*
 * io/datagram.c - sockets for datagrams, by text, and the direct calls on names of sockets.
 */
#include <weft/message.h>

#include "base/option.h"
#include "io/address.h"
#include "io/bind.h"
#include "io/fd.h"
#include "io/socket.h"
#include "ring/host.h"
#include "task/task.h"

int weft_listen(int fd, int backlog)
{
    return weft__task_self() ? weft__host_listen(fd, backlog) : weft__outside();
}

int weft_getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
    if (!address || !length)
        return weft__misuse(-EFAULT, "no address");
    return weft__task_self() ? weft__host_getsockname(fd, address, length) : weft__outside();
}

int weft_getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
    if (!address || !length)
        return weft__misuse(-EFAULT, "no address");
    return weft__task_self() ? weft__host_getpeername(fd, address, length) : weft__outside();
}

/* -- by text ----------------------------------------------------------------------------------- */

struct pair {
    struct weft__address local, remote;
    bool bound, connected; /* which of them was given */
};

static int parse(struct pair *pair, const char *local, const char *remote)
{
    int error = local ? weft__address_parse(&pair->local, local) : 0;

    pair->bound = local != NULL;
    pair->connected = remote != NULL;
    if (error == 0 && remote)
        error = weft__address_parse(&pair->remote, remote);
    if (error < 0)
        return error;
    if (!local && !remote)
        return weft__misuse(-EINVAL, "neither of the addresses is given");
    if (remote && pair->remote.wildcard)
        return -EINVAL;
    return local && remote && pair->local.any.sa_family != pair->remote.any.sa_family ? -EINVAL : 0;
}

static int set_up(struct weft__task *self, int fd, const struct pair *pair,
                  const struct weft_socket_opt *opt)
{
    const struct weft__binding binding = {.fd = fd,
                                          .length = pair->local.length,
                                          .address = &pair->local.any};
    int error = weft__socket_set(fd, opt);

    if (error == 0 && pair->bound)
        error = weft__bind(self, &binding);
    if (error < 0 || !pair->connected)
        return error;
    error = weft_connect(fd, &pair->remote.any, pair->remote.length);
    if (error < 0 && pair->bound)
        weft__bind_undo(self, &binding);
    return error;
}

int weft_datagram_socket(const char *local, const char *remote, const struct weft_socket_opt *opt)
{
    struct weft_socket_opt own;
    struct weft__task *self;
    struct pair pair = {.bound = false};
    int fd, error = weft__enter(&self);

    if (error == 0)
        error = weft__option_copy(&own, sizeof own, opt);
    if (error == 0)
        error = parse(&pair, local, remote);
    if (error < 0)
        return error;
    fd = weft__socket_open(weft__io_of(self->reactor),
                           pair.bound ? pair.local.any.sa_family : pair.remote.any.sa_family,
                           SOCK_DGRAM, 0);
    if (fd < 0)
        return fd;
    error = set_up(self, fd, &pair, &own);
    if (error == 0)
        return fd;
    weft_close(fd);
    return error;
}
