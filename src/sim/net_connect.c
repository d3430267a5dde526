/*
 * sim/net_connect.c - how connections begin.
 *
 *      who connects                        who listens
 *      CONNECTING --- SYN ---------------> an end, ARRIVING, counted against the backlog
 *      OPEN <-------- SYN_ACK ------------
 *           --------- ACK ---------------> OPEN, in the queue: may be accepted
 *
 * Nobody listens: RST. The backlog is full: silence, and the SYN is sent again, at the times at
 * which Linux does it, until the connect has run out of time.
 */
#include <errno.h>
#include <string.h>

#include "sim/net.h"

enum { BACKLOG_MAX = 4096, TRIES_EVEN = 4, TRIES = 10 }; /* net.core.somaxconn, tcp_syn_* */
#define TRY_NS INT64_C(1000000000)

/* -- connecting ------------------------------------------------------------------------------ */

static void try_again(struct weft__sim *sim, struct weft__sim_event *event);

static void send_syn(struct weft__net_end *end)
{
    struct weft__sim *sim = end->net->sim;
    uint32_t doubled = end->tries > TRIES_EVEN ? end->tries - TRIES_EVEN : 0;
    int64_t pause_ns = TRY_NS << doubled;
    struct weft__sim_dice dice = end->wire->dice;

    dice.step = end->tries;
    if (!weft__sim_chance(sim, &dice, WEFT__SIM_NET_SYN_LOST))
        weft__net_post(end->wire, 0, WEFT__NET_SYN);
    end->tries++;
    end->timer.fire = try_again;
    weft__sim_at(sim, weft__sim_now(sim) + pause_ns, &end->timer);
}

static void try_again(struct weft__sim *sim, struct weft__sim_event *event)
{
    struct weft__net_end *end =
        (struct weft__net_end *)(void *)((char *)event - offsetof(struct weft__net_end, timer));

    (void)sim;
    if (end->tries > TRIES)
        weft__net_fail(end, ETIMEDOUT);
    else
        send_syn(end);
}

static int find_source(struct weft__net_end *end)
{
    if (weft__net_host_is_any(&end->local))
        weft__net_host_of_source(&end->local, &end->remote);
    if (end->same_port_link)
        return 0;
    return weft__net_bind_to_connect(end);
}

static int begin(struct weft__net_end *end, const struct weft__net_name *to)
{
    struct weft__net_name before = end->local;
    int error;

    end->remote = *to;
    weft__net_host_of_destination(&end->remote);
    if (!weft__net_host_is_here(&end->remote) &&
        !weft__net_listener(end->net, &end->remote, &end->local))
        return -ENETUNREACH;
    if (end->options.v6_only && weft__net_host_is_v4(&end->remote))
        return -ENETUNREACH;
    error = find_source(end);
    if (error < 0) {
        end->local = before;
        return error;
    }
    end->state = WEFT__NET_CONNECTING;
    end->connect_untold = true;
    end->tries = 0;
    weft__net_wire_new(end);
    weft__sim_note(end->net->sim, WEFT__SIM_NOTE_NET_BEGIN, end->wire->serial, end->remote.port);
    send_syn(end);
    return -EINPROGRESS;
}

int weft__net_connected(struct weft__net_end *end)
{
    int error;

    if (end->state == WEFT__NET_CONNECTING)
        return -EAGAIN;
    end->connect_untold = false;
    if (end->state == WEFT__NET_OPEN)
        return weft__net_take_error(end);
    error = weft__net_take_error(end);
    weft__net_disconnect(end);
    return error < 0 ? error : -ECONNABORTED;
}

int weft__net_connect(struct weft__net_end *end, const struct weft__net_name *to)
{
    if (end->state == WEFT__NET_CONNECTING)
        return -EALREADY;
    if (end->connect_untold)
        return weft__net_connected(end);
    if (end->state != WEFT__NET_CLOSED || end->wire)
        return -EISCONN;
    return begin(end, to);
}

void weft__net_syn_ack_arrived(struct weft__net_end *end)
{
    struct weft__net_wire *wire = end->wire;

    if (end->state != WEFT__NET_CONNECTING) {
        weft__net_post(wire, end->side, WEFT__NET_RST);
        return;
    }
    weft__sim_take_back(end->net->sim, &end->timer);
    end->state = WEFT__NET_OPEN;
    weft__net_answer(wire);
    weft__net_changed(end, POLLOUT);
}

/* -- arriving -------------------------------------------------------------------------------- */

static struct weft__net_end *arriving(struct weft__net_end *listener, struct weft__net_wire *wire)
{
    const struct weft__net_end *from = wire->ends[0];
    struct weft__net_end *end = weft__net_end_new(listener->net, listener->family);

    weft__net_option_inherit(&end->options, &listener->options);
    memcpy(end->local.host, from->remote.host, sizeof end->local.host);
    end->remote = from->local;
    weft__net_port_take(end, from->remote.port);
    end->state = WEFT__NET_ARRIVING;
    end->wire = wire;
    end->side = 1;
    end->listener = listener;
    listener->queued++;
    wire->ends[1] = end;
    return end;
}

static bool is_refused(struct weft__net_wire *wire)
{
    return weft__sim_chance(wire->net->sim, &wire->dice, WEFT__SIM_NET_REFUSED);
}

void weft__net_syn_arrived(struct weft__net_wire *wire)
{
    struct weft__net_end *from = wire->ends[0], *listener;

    if (wire->ends[1] || wire->unanswered || from->state != WEFT__NET_CONNECTING)
        return;
    if (weft__sim_chance(wire->net->sim, &wire->dice, WEFT__SIM_NET_UNREACHABLE)) {
        weft__net_fail(from, EHOSTUNREACH);
        return;
    }
    listener = weft__net_listener(wire->net, &from->remote, &from->local);
    if (!listener || is_refused(wire)) {
        weft__net_post(wire, 1, WEFT__NET_RST);
        return;
    }
    if (listener->queued > listener->backlog)
        return;
    arriving(listener, wire);
    weft__net_post(wire, 1, WEFT__NET_SYN_ACK);
}

void weft__net_known_to_both(struct weft__net_end *end)
{
    struct weft__net_end *listener = end->listener;

    end->state = WEFT__NET_OPEN;
    *listener->queue_tail = end;
    listener->queue_tail = &end->queue_next;
    weft__net_changed(listener, POLLIN);
}

/* -- listening ------------------------------------------------------------------------------- */

int weft__net_listen(struct weft__net_end *end, int backlog)
{
    struct weft__net_name any = end->local;
    uint16_t port;
    int error = 0;

    if (end->state != WEFT__NET_LISTENING) {
        if (end->state != WEFT__NET_CLOSED || end->wire)
            return -EINVAL;
        if (!end->same_port_link)
            error = weft__net_bind(end, &any);
        if (error == 0)
            error = weft__net_may_listen(end);
        if (error < 0)
            return error;
        port = end->local.port;
        weft__net_port_let_go(end);
        end->state = WEFT__NET_LISTENING;
        weft__net_port_take(end, port); /* among the listeners */
    }
    end->backlog = backlog < 0 || backlog > BACKLOG_MAX ? BACKLOG_MAX : (uint32_t)backlog;
    return 0;
}

struct weft__net_end *weft__net_accept(struct weft__net_end *listener)
{
    struct weft__net_end *end = listener->queue;

    if (end)
        weft__net_leave_queue(end);
    return end;
}

void weft__net_leave_queue(struct weft__net_end *end)
{
    struct weft__net_end *listener = end->listener, **link;

    if (!listener)
        return;
    end->listener = NULL;
    listener->queued--;
    for (link = &listener->queue; *link; link = &(*link)->queue_next) {
        if (*link != end)
            continue;
        *link = end->queue_next;
        if (!*link)
            listener->queue_tail = link;
        end->queue_next = NULL;
        return;
    }
}
