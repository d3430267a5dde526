/*
 * sim/net_name.c - names of TCP. Pure functions.
 */
#include "sim/net_name.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { V6_LENGTH_MIN = 24, PREFIX = 12 }; /* RFC 2133 knew no scope */

static const uint8_t v4_prefix[PREFIX] = {[10] = 0xff, [11] = 0xff};
static const uint8_t v6_loopback[16] = {[15] = 1};
static const uint8_t v4_outside[4] = {192, 0, 2, 1};
static const uint8_t v6_outside[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
static const uint8_t nobody[16];

static int read_v4(struct weft__net_name *name, const struct sockaddr *address, socklen_t length)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;

    if (length < sizeof *v4)
        return -EINVAL;
    if (v4->sin_family != AF_INET)
        return -EAFNOSUPPORT;
    memcpy(name->host, v4_prefix, PREFIX);
    memcpy(name->host + PREFIX, &v4->sin_addr, 4);
    name->port = ntohs(v4->sin_port);
    return 0;
}

static int read_v6(struct weft__net_name *name, const struct sockaddr *address, socklen_t length)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;

    if (length < V6_LENGTH_MIN)
        return -EINVAL;
    if (v6->sin6_family != AF_INET6)
        return -EAFNOSUPPORT;
    memcpy(name->host, &v6->sin6_addr, 16);
    name->port = ntohs(v6->sin6_port);
    return 0;
}

int weft__net_name_read(struct weft__net_name *name, sa_family_t family,
                        const struct sockaddr *address, socklen_t length)
{
    return family == AF_INET ? read_v4(name, address, length) : read_v6(name, address, length);
}

void weft__net_copy_out(const void *from, socklen_t size, void *to, socklen_t *length)
{
    memcpy(to, from, *length < size ? *length : size);
    *length = size;
}

void weft__net_name_write(const struct weft__net_name *name, sa_family_t family,
                          struct sockaddr *address, socklen_t *length)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(name->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(name->port)};

    memcpy(&v4.sin_addr, name->host + PREFIX, 4);
    memcpy(&v6.sin6_addr, name->host, 16);
    if (family == AF_INET)
        weft__net_copy_out(&v4, sizeof v4, address, length);
    else
        weft__net_copy_out(&v6, sizeof v6, address, length);
}

bool weft__net_host_same(const struct weft__net_name *one, const struct weft__net_name *other)
{
    return memcmp(one->host, other->host, 16) == 0;
}

bool weft__net_host_is_v4(const struct weft__net_name *name)
{
    return memcmp(name->host, v4_prefix, PREFIX) == 0;
}

bool weft__net_host_is_any(const struct weft__net_name *name)
{
    return memcmp(name->host + PREFIX, nobody, 4) == 0 &&
           (weft__net_host_is_v4(name) || memcmp(name->host, nobody, PREFIX) == 0);
}

bool weft__net_host_is_loopback(const struct weft__net_name *name)
{
    return weft__net_host_is_v4(name) ? name->host[PREFIX] == 127
                                      : memcmp(name->host, v6_loopback, 16) == 0;
}

bool weft__net_host_is_here(const struct weft__net_name *name)
{
    if (weft__net_host_is_any(name) || weft__net_host_is_loopback(name))
        return true;
    return weft__net_host_is_v4(name) ? memcmp(name->host + PREFIX, v4_outside, 4) == 0
                                      : memcmp(name->host, v6_outside, 16) == 0;
}

static void set_loopback(struct weft__net_name *name, bool v4)
{
    static const uint8_t v4_loopback[4] = {127, 0, 0, 1};

    if (v4) {
        memcpy(name->host, v4_prefix, PREFIX);
        memcpy(name->host + PREFIX, v4_loopback, 4);
    } else {
        memcpy(name->host, v6_loopback, 16);
    }
}

void weft__net_host_of_destination(struct weft__net_name *name)
{
    if (weft__net_host_is_any(name))
        set_loopback(name, weft__net_host_is_v4(name));
}

void weft__net_host_of_source(struct weft__net_name *source, const struct weft__net_name *to)
{
    bool v4 = weft__net_host_is_v4(to);

    set_loopback(source, v4);
    if (weft__net_host_is_loopback(to))
        return;
    if (v4)
        memcpy(source->host + PREFIX, v4_outside, 4);
    else
        memcpy(source->host, v6_outside, 16);
}

static uint64_t mix(uint64_t hash, const struct weft__net_name *name)
{
    for (int i = 0; i < 16; i++)
        hash = (hash ^ name->host[i]) * UINT64_C(0x100000001b3);
    hash = (hash ^ name->port) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 31;
}

uint64_t weft__net_name_hash(const struct weft__net_name *one, const struct weft__net_name *other)
{
    return mix(mix(UINT64_C(0xcbf29ce484222325), one), other);
}

void weft__net_name_text(const struct weft__net_name *name, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "";
    bool v4 = weft__net_host_is_v4(name);

    inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? name->host + PREFIX : name->host, host, sizeof host);
    snprintf(text, size, v4 ? "%s:%u" : "[%s]:%u", host, (unsigned)name->port);
}
