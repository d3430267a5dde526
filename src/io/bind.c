/*
 * io/bind.c - binding addresses, those that are paths by a worker; bind.h says why.
 */
#include "io/bind.h"

#include <weft/message.h>

#include <stddef.h>
#include <sys/un.h>

#include "io/offload.h"
#include "io/use.h"
#include "ring/host.h"

/* Not one of a name that is no file: abstract, or none. */
static const char *path_of(const struct weft__binding *binding)
{
    const struct sockaddr_un *local = (const struct sockaddr_un *)binding->address;

    return binding->length > offsetof(struct sockaddr_un, sun_path) &&
                   local->sun_family == AF_UNIX && local->sun_path[0]
               ? local->sun_path
               : NULL;
}

/* -- by a worker -------------------------------------------------------------------------------
 */

/* A socket file that nobody listens on is the leaving of a process that died. Anything else stays.
 */
static bool remove_stale(const struct weft__binding *binding, const char *path)
{
    return weft__host_is_socket_file(path) == 1 &&
           weft__host_connect_probe(binding->address, binding->length) == 0 &&
           weft__host_unlink(path) == 0;
}

static int64_t bind_there(void *arg)
{
    const struct weft__binding *binding = arg;
    const char *path = path_of(binding);
    int error = weft__host_bind(binding->fd, binding->address, binding->length);

    if (error == -EADDRINUSE && binding->replace && remove_stale(binding, path))
        error = weft__host_bind(binding->fd, binding->address, binding->length);
    if (error < 0 || binding->mode == 0)
        return error;
    error = weft__host_chmod(path, binding->mode);
    if (error < 0)
        (void)weft__host_unlink(path);
    return error;
}

static int64_t unlink_there(void *arg)
{
    return weft__host_unlink(arg);
}

/* ---------------------------------------------------------------------------------------------- */

int weft__bind(struct weft__task *self, const struct weft__binding *binding)
{
    struct weft__binding there = *binding;

    if (!path_of(binding))
        return weft__host_bind(binding->fd, binding->address, binding->length);
    return (int)weft__offload_run(self, "bind", binding->fd, bind_there, &there);
}

void weft__bind_undo(struct weft__task *self, const struct weft__binding *binding)
{
    const char *path = path_of(binding);

    if (path)
        (void)weft__offload_run(self, "unlink", binding->fd, unlink_there, (void *)path);
}

int weft_bind(int fd, const struct sockaddr *address, socklen_t length)
{
    const struct weft__binding binding = {.fd = fd, .length = length, .address = address};
    struct weft__use use;
    int error;

    if (!address)
        return weft__misuse(-EFAULT, "no address");
    error = weft__enter(&use.self);
    if (error == 0 && !path_of(&binding))
        return weft__bind(use.self, &binding);
    if (error == 0)
        error = weft__use_open(&use, fd); /* who closes it meanwhile waits for the worker */
    if (error < 0)
        return error;
    error = weft__bind(use.self, &binding);
    weft__use_close(&use, error);
    return error;
}
