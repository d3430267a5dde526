/*
 * sim/net_path.c - names of Unix sockets: files that stay until they are unlinked, and abstract
 * names, which go with their owner. Every folder exists.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "sim/net_unix.h"

enum { NO_NAME = sizeof(sa_family_t), DIGITS = 5, MODE = 0755, OWNER_WRITES = 0200 };

int weft__net_local_read(struct weft__net_local_name *name, const struct sockaddr *address,
                         socklen_t length)
{
    *name = (struct weft__net_local_name){.length = length};
    if (length <= NO_NAME || length > sizeof name->address)
        return -EINVAL;
    memcpy(&name->address, address, length);
    if (name->address.sun_family != AF_UNIX)
        return -EINVAL;
    if (name->address.sun_path[0])
        name->length =
            (socklen_t)(NO_NAME + strnlen(name->address.sun_path, sizeof name->address.sun_path) +
                        1);
    return 0;
}

bool weft__net_local_is_file(const struct weft__net_local_name *name)
{
    return name->length > NO_NAME && name->address.sun_path[0] != '\0';
}

struct weft__net_path *weft__net_path_find(struct weft__sim_net *net,
                                           const struct weft__net_local_name *name)
{
    for (struct weft__net_path *path = net->paths; path; path = path->next)
        if (path->name.length == name->length &&
            memcmp(path->name.address.sun_path, name->address.sun_path,
                   (size_t)name->length - NO_NAME - weft__net_local_is_file(name)) == 0)
            return path;
    return NULL;
}

static void take(struct weft__net_local *local, const struct weft__net_local_name *name)
{
    struct weft__net_path *path = weft__sim_alloc(sizeof *path);
    struct weft__sim_net *net = local->net;

    path->name = local->name = *name;
    path->owner = local;
    path->mode = MODE;
    path->next = net->paths;
    path->link = &net->paths;
    if (path->next)
        path->next->link = &path->next;
    net->paths = path;
    local->path = path;
}

static void forget(struct weft__net_path *path)
{
    if (path->owner)
        path->owner->path = NULL;
    *path->link = path->next;
    if (path->next)
        path->next->link = path->link;
    weft__sim_free(path);
}

void weft__net_path_leave(struct weft__net_local *local)
{
    struct weft__net_path *path = local->path;

    if (!path)
        return;
    if (!weft__net_local_is_file(&path->name)) {
        forget(path);
        return;
    }
    path->owner = NULL;
    local->path = NULL;
}

void weft__net_paths_free(struct weft__sim_net *net)
{
    while (net->paths)
        forget(net->paths);
}

/* -- binding --------------------------------------------------------------------------------- */

/* A name nobody chose: abstract, of five digits. */
static int bind_somewhere(struct weft__net_local *local)
{
    struct weft__net_local_name name = {.length = NO_NAME + 1 + DIGITS};
    struct weft__sim_net *net = local->net;
    char digits[DIGITS + 1];
    unsigned number;

    if (local->name.length > NO_NAME)
        return 0;
    name.address.sun_family = AF_UNIX;
    weft__sim_step(&net->dice);
    number = (unsigned)weft__sim_pick(net->sim, &net->dice, WEFT__SIM_NET_PORT, 1u << 4 * DIGITS);
    do {
        number = (number + 1) & ((1u << 4 * DIGITS) - 1);
        snprintf(digits, sizeof digits, "%05x", number);
        memcpy(name.address.sun_path + 1, digits, DIGITS);
    } while (weft__net_path_find(net, &name));
    take(local, &name);
    return 0;
}

int weft__net_local_bind(struct weft__net_local *local, const struct sockaddr *address,
                         socklen_t length)
{
    struct weft__net_local_name name;
    bool taken, bound = local->name.length > NO_NAME;
    int error;

    if (length == NO_NAME && address->sa_family == AF_UNIX)
        return bind_somewhere(local);
    error = weft__net_local_read(&name, address, length);
    if (error < 0)
        return error;
    taken = weft__net_path_find(local->net, &name) != NULL;
    if (weft__net_local_is_file(&name) ? taken : taken && !bound)
        return -EADDRINUSE;
    if (bound)
        return -EINVAL;
    take(local, &name);
    return 0;
}

/* -- files ----------------------------------------------------------------------------------- */

static struct weft__net_path *file_at(struct weft__sim *sim, const char *text)
{
    struct weft__net_local_name name = {.address = {.sun_family = AF_UNIX}};
    size_t length = strlen(text);

    if (length == 0 || length >= sizeof name.address.sun_path)
        return NULL;
    memcpy(name.address.sun_path, text, length);
    name.length = (socklen_t)(NO_NAME + length + 1);
    return weft__net_path_find(weft__sim_net(sim), &name);
}

int weft__sim_net_unlink(struct weft__sim *sim, const char *text)
{
    struct weft__net_path *path = file_at(sim, text);

    if (!path)
        return -ENOENT;
    forget(path);
    return 0;
}

int weft__sim_net_is_socket_file(struct weft__sim *sim, const char *text)
{
    return file_at(sim, text) ? 1 : -ENOENT;
}

int weft__sim_net_chmod(struct weft__sim *sim, const char *text, uint32_t mode)
{
    struct weft__net_path *path = file_at(sim, text);

    if (!path)
        return -ENOENT;
    path->mode = mode;
    return 0;
}
