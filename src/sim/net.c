/*
 * sim/net.c - the network begins and ends; ends are made and freed.
 */
#include "sim/net.h"

#include <errno.h>
#include <netinet/in.h>

enum { SHOWN_SEND = 16384, SHOWN_RECEIVE = 131072, KEEPIDLE = 7200, KEEPINTVL = 75, KEEPCNT = 9 };
enum { TYPES = 10, DOMAINS = 46, PROTOCOLS = 256 }; /* beyond these a number is nonsense */

void weft__sim_net_open(struct weft__sim *sim, struct weft__sim_net **net)
{
    struct weft__sim_net *made = weft__sim_alloc(sizeof *made);

    made->sim = sim;
    made->lingering_tail = &made->lingering;
    made->dice = weft__sim_dice(WEFT__SIM_WHO_NET, 0);
    *net = made;
}

void weft__sim_net_close(struct weft__sim *sim, struct weft__sim_net *net)
{
    (void)sim;
    weft__net_peers_free(net);
    while (net->ends)
        weft__net_end_free(net->ends);
    while (net->wires)
        weft__net_wire_free(net->wires);
    while (net->lingering) {
        struct weft__net_lingering *old = net->lingering;
        net->lingering = old->next;
        weft__sim_free(old);
    }
    weft__net_unix_close_all(net);
    weft__net_udp_close_all(net);
    weft__net_paths_free(net);
    weft__sim_free(net->ports);
    weft__sim_free(net);
}

/* -- ends ------------------------------------------------------------------------------------ */

static void options_begin(struct weft__net_end *end)
{
    struct weft__sim *sim = end->net->sim;
    struct weft__sim_dice dice = weft__sim_dice(WEFT__SIM_WHO_NET, end->serial);

    end->options = (struct weft__net_options){
        .type = SOCK_STREAM,
        .protocol = IPPROTO_TCP,
        .domain = end->family,
        .keepidle_s = KEEPIDLE,
        .keepintvl_s = KEEPINTVL,
        .keepcnt = KEEPCNT,
        .quickack = 1,
        .send_buffer = SHOWN_SEND,
        .receive_buffer = SHOWN_RECEIVE,
        .send_room = weft__sim_span(sim, &dice, WEFT__SIM_NET_SEND_BUFFER),
        .receive_room = weft__sim_span(sim, &dice, WEFT__SIM_NET_RECEIVE_BUFFER),
    };
}

struct weft__net_end *weft__net_end_new(struct weft__sim_net *net, sa_family_t family)
{
    struct weft__net_end *end = weft__sim_alloc(sizeof *end);

    end->net = net;
    end->serial = weft__sim_serial(net->sim, WEFT__SIM_WHO_NET);
    end->family = family;
    if (family == AF_INET) /* bound to nothing: 0.0.0.0 */
        end->local.host[10] = end->local.host[11] = 0xff;
    end->queue_tail = &end->queue;
    end->next = net->ends;
    end->link = &net->ends;
    if (end->next)
        end->next->link = &end->next;
    net->ends = end;
    options_begin(end);
    return end;
}

static void leave_wire(struct weft__net_end *end)
{
    struct weft__net_wire *wire = end->wire;

    if (!wire)
        return;
    end->wire = NULL;
    wire->ends[end->side] = NULL;
    if (!wire->ends[!end->side])
        weft__net_wire_free(wire);
}

void weft__net_end_free(struct weft__net_end *end)
{
    weft__sim_take_back(end->net->sim, &end->timer);
    weft__net_leave_queue(end);
    weft__net_port_let_go(end);
    leave_wire(end);
    *end->link = end->next;
    if (end->next)
        end->next->link = end->link;
    weft__sim_free(end);
}

void weft__net_disconnect(struct weft__net_end *end)
{
    uint16_t port = end->local.port;

    leave_wire(end);
    weft__sim_take_back(end->net->sim, &end->timer);
    weft__net_port_let_go(end);
    end->state = WEFT__NET_CLOSED;
    end->shut = 0;
    end->error = 0;
    end->closed_first = end->connect_untold = false;
    end->remote = (struct weft__net_name){.port = 0};
    end->local.port = 0;
    if (end->port_asked)
        weft__net_port_take(end, port); /* no longer among the listeners */
}

/* -- sockets --------------------------------------------------------------------------------- */

static int tcp_socket(struct weft__sim_net *net, sa_family_t family, int type, int protocol,
                      struct weft__sim_file **file)
{
    if (type == SOCK_DGRAM && (protocol == 0 || protocol == IPPROTO_UDP)) {
        *file = weft__net_udp_new(net, family);
        return 0;
    }
    if (type != SOCK_STREAM)
        return type == SOCK_DGRAM ? -EPROTONOSUPPORT : -ESOCKTNOSUPPORT;
    if (protocol != 0 && protocol != IPPROTO_TCP)
        return -EPROTONOSUPPORT;
    *file = weft__net_socket_new(net->sim, weft__net_end_new(net, family));
    return 0;
}

static int unix_socket(struct weft__sim_net *net, int type, int protocol,
                       struct weft__sim_file **file)
{
    if (protocol != 0 && protocol != AF_UNIX)
        return -EPROTONOSUPPORT;
    if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET)
        return -ESOCKTNOSUPPORT;
    *file = weft__net_unix_new(net, type);
    return 0;
}

int weft__sim_net_socket(struct weft__sim *sim, int domain, int type, int protocol,
                         struct weft__sim_file **file)
{
    struct weft__sim_net *net = weft__sim_net(sim);

    if (domain < 0 || domain >= DOMAINS)
        return -EAFNOSUPPORT;
    if (type < 0 || type > TYPES)
        return -EINVAL;
    if (domain == AF_UNIX)
        return unix_socket(net, type, protocol, file);
    if (domain != AF_INET && domain != AF_INET6)
        return -EAFNOSUPPORT;
    if (protocol < 0 || protocol >= PROTOCOLS)
        return -EINVAL;
    return tcp_socket(net, (sa_family_t)domain, type, protocol, file);
}
