/*
 * names/connect.c - connecting to a name: its addresses are tried side by side, each a little after
 * the one before.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "names/resolver.h"

#define STAGGER_NS INT64_C(250000000) /* RFC 8305, section 5 */

struct attempts {
    struct weft_name_address list[WEFT__NAME_ADDRESSES];
    uint32_t count, next; /* addresses, and the one to be tried next */
    uint32_t alive;       /* attempts under way */
    uint16_t port;
    const struct weft_socket_opt *opt;
    weft_event changed; /* one has ended */
    int fd;             /* the connection; -1: none yet */
    int error;          /* of the last that failed */
};

struct attempt {
    struct attempts *of;
    uint32_t index;
};

static int try_one(struct attempts *all, const struct weft_name_address *one)
{
    char text[INET6_ADDRSTRLEN], address[INET6_ADDRSTRLEN + 16];
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&one->address;
    const struct sockaddr_in *four = (const struct sockaddr_in *)&one->address;
    bool is_six = one->address.ss_family == AF_INET6;
    const void *number = is_six ? (const void *)&six->sin6_addr : (const void *)&four->sin_addr;

    if (!inet_ntop(one->address.ss_family, number, text, sizeof text))
        return -EAFNOSUPPORT;
    snprintf(address, sizeof address, is_six ? "[%s]:%u" : "%s:%u", text, all->port);
    return weft_connect_tcp(address, all->opt);
}

/* The first connection is kept, any other closed, also one that came after all was called off. */
static int attempt(void *arg)
{
    const struct attempt *self = arg;
    struct attempts *all = self->of;
    int fd = try_one(all, &all->list[self->index]);

    if (fd < 0)
        all->error = fd;
    else if (all->fd < 0)
        all->fd = fd;
    else
        weft_close(fd);
    all->alive--;
    weft_event_set(&all->changed);
    return 0;
}

static int start_next(struct attempts *all, weft_scope *scope)
{
    struct attempt next = {all, all->next};
    int error = weft_spawn(scope, attempt, &next, sizeof next, NULL);

    all->next++;
    all->alive += error == 0;
    return error;
}

/* Families by turns, beginning with that of the first, the order of each being kept. */
static void interleave(struct attempts *all)
{
    struct weft_name_address sorted[WEFT__NAME_ADDRESSES];
    uint32_t place[2] = {0, 0};
    sa_family_t first = all->list[0].address.ss_family;

    for (uint32_t i = 0; i < all->count; i++) {
        bool other = i % 2 == 1;

        for (int tries = 0; tries < 2; tries++, other = !other) {
            uint32_t *at = &place[other];
            while (*at < all->count && (all->list[*at].address.ss_family != first) != other)
                ++*at;
            if (*at < all->count) {
                sorted[i] = all->list[(*at)++];
                break;
            }
        }
    }
    memcpy(all->list, sorted, all->count * sizeof sorted[0]);
}

static int race(struct attempts *all, weft_scope *scope)
{
    int error = 0;

    while (error == 0 && all->fd < 0 && (all->next < all->count || all->alive > 0)) {
        int64_t until = WEFT_NEVER;

        weft_event_clear(&all->changed);
        if (all->next < all->count) {
            error = start_next(all, scope);
            until = all->next < all->count ? weft_after_ns(STAGGER_NS) : WEFT_NEVER;
        }
        if (error == 0)
            error = weft_event_wait_until(&all->changed, until);
        if (error == -ETIMEDOUT)
            error = 0;
    }
    return error;
}

int weft_connect_name(weft_resolver *resolver, const char *host, uint16_t port,
                      const struct weft_socket_opt *opt)
{
    struct attempts all = {.port = port, .opt = opt, .changed = WEFT_EVENT_INIT, .fd = -1};
    int error = weft_resolve(resolver, host, AF_UNSPEC, all.list, WEFT__NAME_ADDRESSES);

    if (error < 0)
        return error;
    all.count = (uint32_t)error;
    interleave(&all);
    WEFT_SCOPE(scope, .on_error = WEFT_KEEP_GOING, .name = "connect") {
        error = race(&all, &scope);
        weft_scope_cancel(&scope);
    }
    if (all.fd >= 0)
        return all.fd;
    return error < 0 ? error : weft__names_told(all.error);
}
