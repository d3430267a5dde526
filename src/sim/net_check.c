/*
 * sim/net_check.c - whether the network's structures are as their headers say. For tests.
 */
#include "sim/net_unix.h"

static bool way_is_right(const struct weft__net_way *way)
{
    uint64_t read = way->written - way->bytes.count;

    return read <= way->arrived && way->arrived <= way->sent && way->sent <= way->written &&
           way->acked <= way->arrived && way->edge <= way->edge_told &&
           (way->dead || way->sent <= way->edge) && way->fin_arrived <= way->fin_sent &&
           way->fin_acked <= way->fin_arrived && way->fin_sent <= way->fin;
}

static bool wire_is_right(const struct weft__net_wire *wire)
{
    for (int side = 0; side < 2; side++) {
        const struct weft__net_end *end = wire->ends[side];
        if (end && (end->wire != wire || end->side != side))
            return false;
        if (!way_is_right(&wire->ways[side]))
            return false;
    }
    return (wire->ends[0] || wire->ends[1]) && !(wire->silent && wire->packets);
}

static bool queue_is_right(const struct weft__net_end *listener)
{
    const struct weft__net_end *end;
    uint32_t waiting = 0;

    for (end = listener->queue; end; end = end->queue_next, waiting++)
        if (end->listener != listener || end->file)
            return false;
    return waiting <= listener->queued;
}

static bool end_is_right(const struct weft__net_end *end)
{
    switch ((enum weft__net_state)end->state) {
    case WEFT__NET_CLOSED: /* for nobody's sake it would be gone */
        return end->file || end->listener;
    case WEFT__NET_LISTENING:
        return end->file && end->same_port_link && queue_is_right(end);
    case WEFT__NET_CONNECTING:
        return end->file && end->wire && weft__sim_queued(&end->timer);
    case WEFT__NET_ARRIVING:
        return end->listener && end->wire;
    case WEFT__NET_OPEN:
        return end->wire && end->same_port_link && !end->error;
    }
    return false;
}

static bool ports_are_right(const struct weft__sim_net *net)
{
    for (uint32_t port = 0; net->ports && port <= UINT16_MAX; port++) {
        bool listeners = true;
        for (const struct weft__net_end *end = net->ports[port]; end; end = end->same_port) {
            bool listens = end->state == WEFT__NET_LISTENING;
            if (end->local.port != port || *end->same_port_link != end || (listens && !listeners))
                return false;
            listeners = listens;
        }
    }
    return true;
}

static bool local_is_right(const struct weft__net_local *local)
{
    if (local->other && local->other->other != local)
        return false;
    if (local->path && local->path->owner != local)
        return false;
    return local->file || local->listener;
}

bool weft__net_check(const struct weft__sim_net *net)
{
    for (const struct weft__net_end *end = net->ends; end; end = end->next)
        if (*end->link != end || !end_is_right(end))
            return false;
    for (const struct weft__net_wire *wire = net->wires; wire; wire = wire->next)
        if (*wire->link != wire || !wire_is_right(wire))
            return false;
    for (const struct weft__net_local *local = net->locals; local; local = local->next)
        if (*local->link != local || !local_is_right(local))
            return false;
    return ports_are_right(net);
}
