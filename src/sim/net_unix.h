/*
 * sim/net_unix.h - Unix sockets: what net_unix.c and net_path.c share.
 *
 * Nothing lies between the two ends: what one sends is there for the other at once, and is kept in
 * the receiver. What always holds: `other` points both ways or neither.
 */
#ifndef WEFT_SIM_NET_UNIX_H
#define WEFT_SIM_NET_UNIX_H

#include <sys/un.h>

#include "sim/net.h"
#include "sim/net_message.h"

struct weft__net_local_name {
    struct sockaddr_un address;
    socklen_t length; /* as getsockname tells it; sizeof(sa_family_t): no name */
};

struct weft__net_local {
    struct weft__sim_net *net;
    struct weft__net_local *next, **link; /* all of them */
    uint64_t serial;
    struct weft__sim_file *file; /* NULL: not accepted yet */
    struct weft__net_options options;
    struct weft__net_local_name name, peer_name;
    struct weft__net_path *path; /* where it can be found; NULL: nowhere */
    struct weft__net_local *other;
    uint64_t aimed; /* of datagrams: the serial number of who gets them; 0: not connected */
    struct weft__net_bytes in;
    struct weft__net_marks marks; /* of what is in it */
    uint8_t state;                /* WEFT__NET_CLOSED: not connected, _LISTENING, or _OPEN */
    uint8_t shut;                 /* WEFT__NET_SHUT_* */
    int error;                    /* positive, told once */
    /* of a listener: those that may be accepted; of one of them: its listener */
    struct weft__net_local *queue, **queue_tail, *queue_next, *listener;
    uint32_t queued, backlog;
};

struct weft__net_path { /* a name that is taken */
    struct weft__net_path *next, **link;
    struct weft__net_local_name name;
    struct weft__net_local *owner; /* NULL: a file left behind */
    uint32_t mode;
};

/* 0, or -EINVAL, as bind(2) and connect(2) have it. */
int weft__net_local_read(struct weft__net_local_name *name, const struct sockaddr *address,
                         socklen_t length);
bool weft__net_local_is_file(const struct weft__net_local_name *name);
struct weft__net_path *weft__net_path_find(struct weft__sim_net *net,
                                           const struct weft__net_local_name *name);
int weft__net_local_bind(struct weft__net_local *local, const struct sockaddr *address,
                         socklen_t length);
/* The owner is gone: a file stays, another name is free again. */
void weft__net_path_leave(struct weft__net_local *local);

#endif
