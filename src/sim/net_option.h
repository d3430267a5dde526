/*
 * sim/net_option.h - the options of a socket that the simulated kernel knows.
 */
#ifndef WEFT_SIM_NET_OPTION_H
#define WEFT_SIM_NET_OPTION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* Zeroed but for the buffers: as a new socket has them. An accepted one has its listener's. */
struct weft__net_options {
    int type, protocol, domain;
    int reuse_address, reuse_port, v6_only;
    int keepalive, keepidle_s, keepintvl_s, keepcnt;
    int nodelay, cork, quickack, user_timeout_ms, defer_accept_s, fast_open;
    int tos, tclass, priority;
    int segment, join, no_check; /* of UDP */
    struct linger linger;
    int send_buffer, receive_buffer; /* as shown */
    bool send_asked, receive_asked;  /* by its owner, and not drawn */
    int64_t send_room, receive_room; /* bytes that fit */
};

/* 0, -EINVAL, -EFAULT, -ENOPROTOOPT. SO_ERROR, SO_ACCEPTCONN are for the caller to answer. */
int weft__net_option_set(struct weft__net_options *options, bool bound, int level, int option,
                         const void *value, socklen_t length);
int weft__net_option_get(const struct weft__net_options *options, int level, int option,
                         void *value, socklen_t *length);
/* As an accepted socket has them from its listener; room that nobody asked for stays as drawn. */
void weft__net_option_inherit(struct weft__net_options *options,
                              const struct weft__net_options *listener);

#endif
