/*
 * sim/net_end.c - how connections end: in order, by a reset, by silence, by the owner's going.
 *
 * What always holds: an end is told of its error once; the bytes that had arrived before it can be
 * read; who has nobody any more (no file, no queue) is freed when it is CLOSED.
 */
#include <errno.h>

#include "sim/net.h"

enum { ALL_EVENTS = POLLIN | POLLOUT | POLLRDHUP | POLLHUP | POLLERR };
#define PATIENCE_NS INT64_C(924600000000) /* net.ipv4.tcp_retries2 = 15 */

static bool is_anybodys(const struct weft__net_end *end)
{
    return end->file || end->listener;
}

/* The port goes back, unless its owner had asked for it and is still there. */
static void let_port_go(struct weft__net_end *end)
{
    if (!end->port_asked || !end->file)
        weft__net_port_let_go(end);
}

static void no_more_from(struct weft__net_end *end)
{
    struct weft__net_way *out = weft__net_out(end);
    uint64_t kept = out->sent - (out->written - out->bytes.count);

    out->dead = true;
    out->written = out->sent;
    weft__net_bytes_cut(&out->bytes, (size_t)kept);
}

static void over(struct weft__net_end *end)
{
    weft__sim_take_back(end->net->sim, &end->timer);
    end->state = WEFT__NET_CLOSED;
    end->shut = WEFT__NET_SHUT_BOTH;
    let_port_go(end);
}

void weft__net_fail(struct weft__net_end *end, int error)
{
    if (end->state == WEFT__NET_OPEN)
        no_more_from(end);
    over(end);
    end->error = error;
    if (is_anybodys(end))
        weft__net_changed(end, ALL_EVENTS);
    else
        weft__net_end_free(end);
}

void weft__net_rst_arrived(struct weft__net_end *end)
{
    switch ((enum weft__net_state)end->state) {
    case WEFT__NET_CLOSED:
    case WEFT__NET_LISTENING:
        return;
    case WEFT__NET_CONNECTING:
        weft__net_fail(end, ECONNREFUSED);
        return;
    case WEFT__NET_ARRIVING:
        weft__net_end_free(end);
        return;
    case WEFT__NET_OPEN:
        weft__net_fail(end, weft__net_in(end)->fin_arrived ? EPIPE : ECONNRESET);
        return;
    }
}

void weft__net_break(struct weft__net_wire *wire, int error)
{
    struct weft__net_end *ends[2] = {wire->ends[0], wire->ends[1]};

    weft__sim_note(wire->net->sim, WEFT__SIM_NOTE_NET_BROKEN, wire->serial, error);
    weft__net_drop_packets(wire);
    for (int side = 0; side < 2; side++)
        if (ends[side] && ends[side]->state == WEFT__NET_OPEN)
            weft__net_fail(ends[side], error);
}

void weft__net_abort(struct weft__net_end *end)
{
    weft__net_post(end->wire, end->side, WEFT__NET_RST);
    if (end->state == WEFT__NET_OPEN)
        no_more_from(end);
    over(end);
}

void weft__net_settle(struct weft__net_end *end)
{
    if (end->state != WEFT__NET_OPEN || !weft__net_out(end)->fin_acked ||
        !weft__net_in(end)->fin_arrived)
        return;
    if (end->closed_first)
        weft__net_linger(end);
    over(end);
    if (is_anybodys(end))
        weft__net_changed(end, ALL_EVENTS & ~POLLERR);
    else
        weft__net_end_free(end);
}

/* -- giving up on silence --------------------------------------------------------------------- */

static void give_up(struct weft__sim *sim, struct weft__sim_event *event)
{
    (void)sim;
    weft__net_fail((struct weft__net_end *)(void *)((char *)event -
                                                    offsetof(struct weft__net_end, timer)),
                   ETIMEDOUT);
}

/* How long it waits for an answer; 0: for ever. Where the peer does answer, if only that it has no
   room, it is waited for; unless the owner has set a limit to that too. */
static int64_t patience_ns(const struct weft__net_end *end)
{
    const struct weft__net_options *options = &end->options;
    const struct weft__net_way *out = weft__net_out(end);
    bool asked = out->acked < out->written || (out->fin && !out->fin_acked);

    if (asked && options->user_timeout_ms > 0)
        return (int64_t)options->user_timeout_ms * 1000000;
    if (!end->wire->silent)
        return 0;
    if (asked)
        return PATIENCE_NS;
    if (!options->keepalive)
        return 0;
    return ((int64_t)options->keepidle_s + (int64_t)options->keepintvl_s * options->keepcnt) *
           1000000000;
}

void weft__net_doubt(struct weft__net_end *end)
{
    struct weft__sim *sim = end->net->sim;
    int64_t limit_ns;

    if (end->state != WEFT__NET_OPEN || weft__sim_queued(&end->timer))
        return;
    limit_ns = patience_ns(end);
    end->timer.fire = give_up;
    if (limit_ns > 0)
        weft__sim_at(sim, weft__sim_now(sim) + limit_ns, &end->timer);
}

/* -- the owner's doing ------------------------------------------------------------------------ */

/* The kernel puts them in order anew when a listener closes; here all its connections end. */
static void close_listener(struct weft__net_end *listener)
{
    struct weft__net_end *next;

    for (struct weft__net_end *end = listener->net->ends; end; end = next) {
        next = end->next;
        if (end->listener != listener)
            continue;
        if (end->state != WEFT__NET_CLOSED)
            weft__net_abort(end);
        weft__net_end_free(end);
    }
}

static void end_way(struct weft__net_end *end)
{
    weft__net_out(end)->fin = true;
    end->closed_first = !weft__net_in(end)->fin_arrived;
    weft__net_pump(end->wire, end->side);
}

static int shutdown_open(struct weft__net_end *end, uint8_t which)
{
    bool writing = which & ~end->shut & WEFT__NET_SHUT_WRITE;

    end->shut |= which;
    if (writing)
        end_way(end);
    weft__net_changed(end, end->shut == WEFT__NET_SHUT_BOTH ? ALL_EVENTS & ~POLLERR
                                                            : ALL_EVENTS & ~(POLLERR | POLLHUP));
    return 0;
}

int weft__net_shutdown(struct weft__net_end *end, int how)
{
    if (how < SHUT_RD || how > SHUT_RDWR)
        return -EINVAL;
    switch ((enum weft__net_state)end->state) {
    case WEFT__NET_CLOSED:
        return -ENOTCONN;
    case WEFT__NET_LISTENING:
        if (how == SHUT_WR)
            return 0;
        close_listener(end);
        weft__net_disconnect(end);
        weft__net_changed(end, ALL_EVENTS);
        return 0;
    case WEFT__NET_CONNECTING:
        weft__net_disconnect(end);
        weft__net_changed(end, ALL_EVENTS);
        return 0;
    case WEFT__NET_ARRIVING:
    case WEFT__NET_OPEN:
        break;
    }
    return shutdown_open(end, (uint8_t)(how + 1));
}

static void close_open(struct weft__net_end *end)
{
    bool reset = weft__net_unread(end) > 0 ||
                 (end->options.linger.l_onoff && end->options.linger.l_linger == 0);

    if (reset) {
        weft__net_abort(end);
        weft__net_end_free(end);
        return;
    }
    end->shut |= WEFT__NET_SHUT_READ;
    if (!(end->shut & WEFT__NET_SHUT_WRITE)) {
        end->shut |= WEFT__NET_SHUT_WRITE;
        end_way(end);
    }
    weft__net_settle(end);
}

void weft__net_close(struct weft__net_end *end)
{
    end->file = NULL;
    if (end->state == WEFT__NET_LISTENING)
        close_listener(end);
    if (end->state == WEFT__NET_OPEN)
        close_open(end);
    else
        weft__net_end_free(end);
}
