/*
 * sim/net_port.c - who has which port, and who may have it besides.
 *
 * What always holds: an end is in the list of its port exactly while it has one; among those of one
 * port the listeners stand first, oldest first.
 */
#include <errno.h>
#include <string.h>

#include "sim/net.h"

enum { PORTS = 65536, CHOSEN_FIRST = 32768, CHOSEN_LAST = 60999 };
#define LINGER_NS INT64_C(60000000000)
#define REUSABLE_NS INT64_C(1000000000)

void weft__net_port_take(struct weft__net_end *end, uint16_t port)
{
    struct weft__net_end **link;

    if (!end->net->ports)
        end->net->ports = weft__sim_alloc(PORTS * sizeof *end->net->ports);
    link = &end->net->ports[port];
    while (*link && (*link)->state == WEFT__NET_LISTENING)
        link = &(*link)->same_port;
    end->local.port = port;
    end->same_port = *link;
    end->same_port_link = link;
    if (*link)
        (*link)->same_port_link = &end->same_port;
    *link = end;
}

void weft__net_port_let_go(struct weft__net_end *end)
{
    if (!end->same_port_link)
        return;
    *end->same_port_link = end->same_port;
    if (end->same_port)
        end->same_port->same_port_link = end->same_port_link;
    end->same_port = NULL;
    end->same_port_link = NULL;
}

static struct weft__net_end *first_of(const struct weft__sim_net *net, uint16_t port)
{
    return net->ports ? net->ports[port] : NULL;
}

/* -- binding --------------------------------------------------------------------------------- */

/* Would who is bound to `any` get what is meant for `host`? */
static bool covers(const struct weft__net_name *any, bool v6_only,
                   const struct weft__net_name *host)
{
    if (weft__net_host_same(any, host))
        return true;
    if (!weft__net_host_is_any(any))
        return false;
    if (weft__net_host_is_v4(any))
        return weft__net_host_is_v4(host);
    return !v6_only || !weft__net_host_is_v4(host);
}

static bool overlap(const struct weft__net_end *one, const struct weft__net_end *other)
{
    return covers(&one->local, one->options.v6_only, &other->local) ||
           covers(&other->local, other->options.v6_only, &one->local);
}

static bool share(const struct weft__net_end *one, const struct weft__net_end *other, bool listens)
{
    if (one->options.reuse_port && other->options.reuse_port)
        return true;
    return one->options.reuse_address && other->options.reuse_address && !listens;
}

static bool lingers_against(const struct weft__net_end *end, uint16_t port)
{
    int64_t now_ns = weft__sim_now(end->net->sim);

    for (struct weft__net_lingering *old = end->net->lingering; old; old = old->next) {
        if (old->local.port != port || old->until_ns <= now_ns ||
            (end->options.reuse_address && old->reuse_address) ||
            (end->options.reuse_port && old->reuse_port))
            continue;
        if (covers(&end->local, end->options.v6_only, &old->local))
            return true;
    }
    return false;
}

static bool in_use(const struct weft__net_end *end, uint16_t port)
{
    const struct weft__net_end *other = first_of(end->net, port);

    for (; other; other = other->same_port)
        if (other != end && overlap(end, other) &&
            !share(end, other, other->state == WEFT__NET_LISTENING))
            return true;
    return lingers_against(end, port);
}

/* A port that nobody asked for by number, and for which `wrong` says no; 0: there is none. */
static uint16_t choose(struct weft__net_end *end,
                       bool (*wrong)(const struct weft__net_end *end, uint16_t port))
{
    const uint32_t count = CHOSEN_LAST - CHOSEN_FIRST + 1;
    struct weft__sim_net *net = end->net;
    uint32_t first;

    weft__sim_step(&net->dice);
    first = (uint32_t)weft__sim_pick(net->sim, &net->dice, WEFT__SIM_NET_PORT, count);
    for (uint32_t i = 0; i < count; i++) {
        uint16_t port = (uint16_t)(CHOSEN_FIRST + (first + i) % count);
        if (!wrong(end, port))
            return port;
    }
    return 0;
}

static bool any_in_use(const struct weft__net_end *end, uint16_t port)
{
    return first_of(end->net, port) != NULL || in_use(end, port);
}

static int bind_port(struct weft__net_end *end, uint16_t port)
{
    struct weft__sim_net *net = end->net;

    weft__sim_step(&net->dice);
    if (port != 0 && weft__sim_chance(net->sim, &net->dice, WEFT__SIM_NET_BIND))
        return -EADDRINUSE;
    if (port != 0 && in_use(end, port))
        return -EADDRINUSE;
    if (port == 0)
        port = choose(end, any_in_use);
    if (port == 0)
        return -EADDRINUSE;
    weft__net_port_take(end, port);
    return 0;
}

int weft__net_bind(struct weft__net_end *end, const struct weft__net_name *name)
{
    struct weft__net_name before = end->local;
    int error;

    if (!end->elsewhere && !weft__net_host_is_here(name))
        return -EADDRNOTAVAIL;
    if (end->options.v6_only && weft__net_host_is_v4(name))
        return -EINVAL;
    if (!end->elsewhere && name->port != 0 &&
        name->port <= weft__sim_most(end->net->sim, WEFT__SIM_NET_PRIVILEGED))
        return -EACCES;
    if (end->state != WEFT__NET_CLOSED || end->same_port_link)
        return -EINVAL;
    memcpy(end->local.host, name->host, sizeof end->local.host);
    error = bind_port(end, name->port);
    if (error < 0)
        end->local = before;
    else
        end->port_asked = true;
    return error;
}

int weft__net_may_listen(const struct weft__net_end *end)
{
    const struct weft__net_end *other = first_of(end->net, end->local.port);

    for (; other; other = other->same_port)
        if (other != end && other->state == WEFT__NET_LISTENING && overlap(end, other) &&
            !share(end, other, true))
            return -EADDRINUSE;
    return 0;
}

/* -- connecting ------------------------------------------------------------------------------ */

static bool tuple_in_use(const struct weft__net_end *end, uint16_t port)
{
    int64_t now_ns = weft__sim_now(end->net->sim);

    if (port == end->remote.port && weft__net_host_same(&end->local, &end->remote))
        return true; /* it would connect to itself */
    for (const struct weft__net_end *other = first_of(end->net, port); other;
         other = other->same_port) {
        bool bound = other->port_asked || other->state == WEFT__NET_LISTENING;
        if (overlap(end, other) && (bound || (other->remote.port == end->remote.port &&
                                              weft__net_host_same(&other->remote, &end->remote))))
            return true;
    }
    for (const struct weft__net_lingering *old = end->net->lingering; old; old = old->next)
        if (old->local.port == port && old->reusable_ns > now_ns &&
            old->remote.port == end->remote.port &&
            weft__net_host_same(&old->remote, &end->remote) &&
            weft__net_host_same(&old->local, &end->local))
            return true;
    return false;
}

int weft__net_bind_to_connect(struct weft__net_end *end)
{
    uint16_t port = choose(end, tuple_in_use);

    if (port == 0)
        return -EADDRNOTAVAIL;
    weft__net_port_take(end, port);
    return 0;
}

/* -- listeners ------------------------------------------------------------------------------- */

/* How well it fits: its very host, its family's any, any at all. 0: not meant. */
static int fit(const struct weft__net_end *end, const struct weft__net_name *to)
{
    if (!covers(&end->local, end->options.v6_only, to))
        return 0;
    if (!weft__net_host_is_any(&end->local))
        return 3;
    return weft__net_host_is_v4(&end->local) == weft__net_host_is_v4(to) ? 2 : 1;
}

struct weft__net_end *weft__net_listener(struct weft__sim_net *net, const struct weft__net_name *to,
                                         const struct weft__net_name *from)
{
    struct weft__net_end *group[64], *end = first_of(net, to->port);
    uint32_t count = 0;
    int best = 0;

    for (; end && end->state == WEFT__NET_LISTENING; end = end->same_port) {
        int fits = fit(end, to);
        if (fits > best)
            count = 0;
        if (fits == 0 || fits < best || count == sizeof group / sizeof group[0])
            continue;
        best = fits;
        group[count++] = end;
    }
    return count == 0 ? NULL : group[weft__net_name_hash(from, to) % count];
}

/* -- ports that connections leave behind ------------------------------------------------------ */

static void forget_the_old(struct weft__sim_net *net, int64_t now_ns)
{
    while (net->lingering && net->lingering->until_ns <= now_ns) {
        struct weft__net_lingering *old = net->lingering;
        net->lingering = old->next;
        weft__sim_free(old);
    }
    if (!net->lingering)
        net->lingering_tail = &net->lingering;
}

void weft__net_linger(const struct weft__net_end *end)
{
    struct weft__sim_net *net = end->net;
    struct weft__net_lingering *lingering = weft__sim_alloc(sizeof *lingering);
    int64_t now_ns = weft__sim_now(net->sim);

    forget_the_old(net, now_ns);
    lingering->local = end->local;
    lingering->remote = end->remote;
    lingering->reuse_address = end->options.reuse_address;
    lingering->reuse_port = end->options.reuse_port;
    lingering->until_ns = now_ns + LINGER_NS;
    lingering->reusable_ns = now_ns + REUSABLE_NS;
    *net->lingering_tail = lingering;
    net->lingering_tail = &lingering->next;
}
