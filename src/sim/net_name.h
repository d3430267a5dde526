/*
 * sim/net_name.h - names of TCP: a host and a port. An IPv4 host is kept as the IPv6 address that
 * stands for it (::ffff:a.b.c.d), so one comparison serves both families.
 */
#ifndef WEFT_SIM_NET_NAME_H
#define WEFT_SIM_NET_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct weft__net_name {
    uint8_t host[16];
    uint16_t port; /* in the order of the machine */
};

/* 0, -EINVAL, -EAFNOSUPPORT, as bind(2) and connect(2) have it for a socket of that family. */
int weft__net_name_read(struct weft__net_name *name, sa_family_t family,
                        const struct sockaddr *address, socklen_t length);
/* As the system calls: *length is the room, then the true length. */
void weft__net_name_write(const struct weft__net_name *name, sa_family_t family,
                          struct sockaddr *address, socklen_t *length);
void weft__net_copy_out(const void *from, socklen_t size, void *to, socklen_t *length);

bool weft__net_host_same(const struct weft__net_name *one, const struct weft__net_name *other);
bool weft__net_host_is_v4(const struct weft__net_name *name);
bool weft__net_host_is_any(const struct weft__net_name *name);
/* One of this machine's: a loopback address, the addresses below, or any. */
bool weft__net_host_is_here(const struct weft__net_name *name);
bool weft__net_host_is_loopback(const struct weft__net_name *name);
/* Who is meant by "any" as a destination, and who speaks when the socket is bound to none:
   127.0.0.1, ::1; to hosts elsewhere 192.0.2.1, 2001:db8::1. */
void weft__net_host_of_destination(struct weft__net_name *name);
void weft__net_host_of_source(struct weft__net_name *source, const struct weft__net_name *to);
/* Everything about both, in one word that is the same on every machine. */
uint64_t weft__net_name_hash(const struct weft__net_name *one, const struct weft__net_name *other);
/* "127.0.0.1:80", "[::1]:80" */
void weft__net_name_text(const struct weft__net_name *name, char *text, size_t size);

#endif
