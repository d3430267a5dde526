/*
 * sim/net_wire.c - what goes between two ends: packets with their latency, and the bytes.
 *
 *      written --pump--> sent (a packet, cut to a segment) --latency--> arrived --> read
 *                  ^                                              |
 *                  +------------- acked, edge <-----latency-------+
 *
 * The sender may have as many bytes between acked and written as its buffer holds, and may send up
 * to `edge`, which is what the receiver has room for. A lost packet comes late instead of never:
 * it was sent again, and those behind it wait for it.
 *
 * What always holds: packets of one side arrive in the order in which they were posted; nothing is
 * posted on a wire that is silent.
 */
#include <assert.h>
#include <errno.h>

#include "sim/net.h"

#define SECOND_NS INT64_C(1000000000)

struct weft__net_packet {
    struct weft__sim_event event;
    struct weft__net_wire *wire;
    struct weft__net_packet *next, **link;
    uint64_t position, edge;
    uint8_t side; /* the sender's */
    uint8_t kind; /* enum weft__net_packet_kind */
    bool fin;
};

/* -- the wire -------------------------------------------------------------------------------- */

static uint64_t position_of(struct weft__net_wire *wire, const struct weft__sim_dice *dice,
                            enum weft__sim_knob whether, enum weft__sim_knob where)
{
    struct weft__sim *sim = wire->net->sim;

    return weft__sim_chance(sim, dice, whether) ? (uint64_t)weft__sim_span(sim, dice, where)
                                                : UINT64_MAX;
}

static void draw_luck(struct weft__net_wire *wire)
{
    struct weft__sim *sim = wire->net->sim;
    struct weft__sim_dice dice = weft__sim_dice(WEFT__SIM_WHO_NET, wire->serial);

    wire->rate = weft__sim_span(sim, &dice, WEFT__SIM_NET_RATE);
    if (weft__sim_chance(sim, &dice, WEFT__SIM_NET_DRIP))
        wire->drip = (uint64_t)weft__sim_span(sim, &dice, WEFT__SIM_NET_DRIP_SIZE);
    wire->break_at = position_of(wire, &dice, WEFT__SIM_NET_BREAK, WEFT__SIM_NET_BREAK_AT);
    wire->silence_at = position_of(wire, &dice, WEFT__SIM_NET_SILENCE, WEFT__SIM_NET_SILENCE_AT);
    wire->unanswered = weft__sim_chance(sim, &dice, WEFT__SIM_NET_UNANSWERED);
    wire->dice = dice;
    for (int side = 0; side < 2; side++) {
        uint64_t serial = weft__sim_serial(sim, WEFT__SIM_WHO_NET);
        wire->ways[side].dice = weft__sim_dice(WEFT__SIM_WHO_NET, serial);
    }
}

struct weft__net_wire *weft__net_wire_new(struct weft__net_end *from)
{
    struct weft__net_wire *wire = weft__sim_alloc(sizeof *wire);

    wire->net = from->net;
    wire->serial = weft__sim_serial(from->net->sim, WEFT__SIM_WHO_NET);
    wire->next = from->net->wires;
    wire->link = &from->net->wires;
    if (wire->next)
        wire->next->link = &wire->next;
    from->net->wires = wire;
    wire->ends[0] = from;
    from->wire = wire;
    from->side = 0;
    draw_luck(wire);
    return wire;
}

static void packet_free(struct weft__net_packet *packet)
{
    weft__sim_take_back(packet->wire->net->sim, &packet->event);
    *packet->link = packet->next;
    if (packet->next)
        packet->next->link = packet->link;
    weft__sim_free(packet);
}

void weft__net_drop_packets(struct weft__net_wire *wire)
{
    while (wire->packets)
        packet_free(wire->packets);
}

void weft__net_wire_free(struct weft__net_wire *wire)
{
    weft__net_drop_packets(wire);
    weft__net_bytes_free(&wire->ways[0].bytes);
    weft__net_bytes_free(&wire->ways[1].bytes);
    *wire->link = wire->next;
    if (wire->next)
        wire->next->link = wire->link;
    weft__sim_free(wire);
}

void weft__net_silence(struct weft__net_wire *wire)
{
    if (wire->silent)
        return;
    wire->silent = true;
    weft__sim_note(wire->net->sim, WEFT__SIM_NOTE_NET_SILENT, wire->serial,
                   (int64_t)(wire->ways[0].arrived + wire->ways[1].arrived));
    weft__net_drop_packets(wire);
    for (int side = 0; side < 2; side++)
        if (wire->ends[side])
            weft__net_doubt(wire->ends[side]);
}

/* -- posting --------------------------------------------------------------------------------- */

static void arrive(struct weft__sim *sim, struct weft__sim_event *event);

static int64_t arrival(struct weft__net_wire *wire, struct weft__net_way *way, uint64_t size)
{
    struct weft__sim *sim = wire->net->sim;
    int64_t when_ns = weft__sim_now(sim);

    weft__sim_step(&way->dice);
    if (way->free_ns > when_ns)
        when_ns = way->free_ns;
    way->free_ns = when_ns + (int64_t)(size * (uint64_t)SECOND_NS / (uint64_t)wire->rate);
    when_ns = way->free_ns + weft__sim_span(sim, &way->dice, WEFT__SIM_NET_LATENCY);
    if (weft__sim_chance(sim, &way->dice, WEFT__SIM_NET_LOST)) {
        int64_t late_ns = weft__sim_span(sim, &way->dice, WEFT__SIM_NET_LOST_NS);
        weft__sim_note(sim, WEFT__SIM_NOTE_NET_LOSE, wire->serial, late_ns);
        when_ns += late_ns;
    }
    if (when_ns < way->last_ns)
        when_ns = way->last_ns;
    way->last_ns = when_ns;
    return when_ns;
}

static void post(struct weft__net_wire *wire, int side, struct weft__net_packet packet,
                 uint64_t size)
{
    struct weft__net_packet *made;

    if (wire->silent)
        return;
    made = weft__sim_alloc(sizeof *made);
    *made = packet;
    made->event.fire = arrive;
    made->wire = wire;
    made->side = (uint8_t)side;
    made->next = wire->packets;
    made->link = &wire->packets;
    if (made->next)
        made->next->link = &made->next;
    wire->packets = made;
    weft__sim_at(wire->net->sim, arrival(wire, &wire->ways[side], size), &made->event);
}

void weft__net_post(struct weft__net_wire *wire, int side, enum weft__net_packet_kind kind)
{
    post(wire, side, (struct weft__net_packet){.kind = (uint8_t)kind}, 0);
}

/* -- room ------------------------------------------------------------------------------------ */

static uint64_t read_of(const struct weft__net_way *way)
{
    return way->written - way->bytes.count;
}

/* Tells the sender of the way from `side` how much has arrived, and how much may yet come. */
static void acknowledge(struct weft__net_wire *wire, int side)
{
    struct weft__net_way *way = &wire->ways[side];
    const struct weft__net_end *reader = wire->ends[!side];
    uint64_t edge = read_of(way) + (reader ? (uint64_t)reader->options.receive_room : 0);

    if (edge > way->edge_told)
        way->edge_told = edge;
    post(wire, !side,
         (struct weft__net_packet){.kind = WEFT__NET_ACK,
                                   .position = way->arrived,
                                   .edge = way->edge_told,
                                   .fin = way->fin_arrived},
         0);
}

void weft__net_answer(struct weft__net_wire *wire)
{
    struct weft__net_way *there = &wire->ways[0];

    if (wire->ends[1])
        there->edge = there->edge_told = (uint64_t)wire->ends[1]->options.receive_room;
    acknowledge(wire, 1);
}

/* As the kernel does it, the news is not worth a packet before it is half the room: else a sender
   would follow a slow reader byte by byte. */
void weft__net_room_made(struct weft__net_wire *wire, int side)
{
    const struct weft__net_way *way = &wire->ways[side];
    const struct weft__net_end *reader = wire->ends[!side];
    uint64_t room = (uint64_t)reader->options.receive_room, edge = read_of(way) + room;

    if (edge > way->edge_told && 2 * (edge - way->edge_told) >= room)
        acknowledge(wire, side);
}

/* -- sending --------------------------------------------------------------------------------- */

static uint64_t segment(struct weft__net_wire *wire, struct weft__net_way *way, uint64_t size)
{
    uint64_t most = way->sent < wire->drip ? 1
                                           : (uint64_t)weft__sim_span(wire->net->sim, &way->dice,
                                                                      WEFT__SIM_NET_SEGMENT);

    if (most == 0)
        most = 1;
    return size < most ? size : most;
}

static void send_bytes(struct weft__net_wire *wire, int side, uint64_t size)
{
    struct weft__net_way *way = &wire->ways[side];

    way->sent += size;
    way->fin_sent = way->fin && way->sent == way->written;
    post(wire, side,
         (struct weft__net_packet){.kind = WEFT__NET_DATA,
                                   .position = way->sent,
                                   .fin = way->fin_sent},
         size);
}

void weft__net_pump(struct weft__net_wire *wire, int side)
{
    struct weft__net_way *way = &wire->ways[side];
    uint64_t until = way->written < way->edge ? way->written : way->edge;

    if (way->dead)
        return;
    while (way->sent < until)
        send_bytes(wire, side, segment(wire, way, until - way->sent));
    if (way->fin && !way->fin_sent && way->sent == way->written)
        send_bytes(wire, side, 0);
    if (wire->ends[side])
        weft__net_doubt(wire->ends[side]);
}

/* -- arriving -------------------------------------------------------------------------------- */

/* How much of what comes gets through before the connection meets its end. */
static uint64_t cut(const struct weft__net_wire *wire, const struct weft__net_way *way,
                    uint64_t position)
{
    uint64_t before = wire->ways[0].arrived + wire->ways[1].arrived;
    uint64_t limit = wire->break_at < wire->silence_at ? wire->break_at : wire->silence_at;

    if (before + (position - way->arrived) <= limit)
        return position;
    return way->arrived + (limit > before ? limit - before : 0);
}

static void bytes_came(struct weft__net_end *end, struct weft__net_way *way, uint64_t position)
{
    int64_t size = (int64_t)(position - way->arrived);

    way->arrived = position;
    weft__sim_note(end->net->sim, WEFT__SIM_NOTE_NET_ARRIVE, end->wire->serial,
                   end->side == 0 ? -size : size);
    weft__net_changed(end, POLLIN);
}

static void fin_came(struct weft__net_end *end, struct weft__net_way *way)
{
    way->fin_arrived = true;
    end->shut |= WEFT__NET_SHUT_READ;
    weft__net_changed(end, end->shut == WEFT__NET_SHUT_BOTH ? POLLIN | POLLRDHUP | POLLHUP
                                                            : POLLIN | POLLRDHUP);
}

/* The owner has closed it, or will never read: what still comes is refused. */
static bool unwanted(const struct weft__net_end *end, const struct weft__net_way *way,
                     uint64_t position)
{
    return end->shut & WEFT__NET_SHUT_READ && weft__net_out(end)->fin && position > way->arrived;
}

static void data_arrived(struct weft__net_wire *wire, const struct weft__net_packet *packet)
{
    struct weft__net_end *end = wire->ends[!packet->side];
    struct weft__net_way *way = &wire->ways[packet->side];
    uint64_t position;

    if (!end || end->state != WEFT__NET_OPEN) {
        weft__net_post(wire, !packet->side, WEFT__NET_RST);
        return;
    }
    position = cut(wire, way, packet->position);
    if (unwanted(end, way, position)) {
        weft__net_abort(end);
        weft__net_fail(end, ECONNRESET);
        return;
    }
    if (position > way->arrived)
        bytes_came(end, way, position);
    if (position < packet->position) {
        if (wire->break_at <= wire->silence_at)
            weft__net_break(wire, ECONNRESET);
        else
            weft__net_silence(wire);
        return;
    }
    if (packet->fin)
        fin_came(end, way);
    acknowledge(wire, packet->side);
    if (packet->fin)
        weft__net_settle(end);
}

static void ack_arrived(struct weft__net_wire *wire, const struct weft__net_packet *packet)
{
    struct weft__net_end *end = wire->ends[!packet->side];
    struct weft__net_way *way = &wire->ways[!packet->side];
    bool news = packet->position > way->acked || packet->edge > way->edge || packet->fin;

    way->acked = packet->position;
    way->edge = packet->edge;
    way->fin_acked = packet->fin;
    if (!end)
        return;
    if (end->state == WEFT__NET_ARRIVING) {
        weft__net_known_to_both(end);
        return;
    }
    if (news)
        weft__sim_take_back(end->net->sim, &end->timer);
    weft__net_pump(wire, !packet->side);
    if (weft__net_poll(end) & POLLOUT)
        weft__net_changed(end, POLLOUT);
    weft__net_settle(end);
}

static void deliver(struct weft__net_wire *wire, const struct weft__net_packet *packet)
{
    struct weft__net_end *end = wire->ends[!packet->side];

    switch ((enum weft__net_packet_kind)packet->kind) {
    case WEFT__NET_SYN:
        weft__net_syn_arrived(wire);
        return;
    case WEFT__NET_SYN_ACK:
        if (end)
            weft__net_syn_ack_arrived(end);
        else
            weft__net_post(wire, !packet->side, WEFT__NET_RST);
        return;
    case WEFT__NET_DATA:
        data_arrived(wire, packet);
        return;
    case WEFT__NET_ACK:
        ack_arrived(wire, packet);
        return;
    case WEFT__NET_RST:
        if (end)
            weft__net_rst_arrived(end);
        return;
    }
}

static void arrive(struct weft__sim *sim, struct weft__sim_event *event)
{
    struct weft__net_packet *packet = (struct weft__net_packet *)event, copy = *packet;

    static_assert(offsetof(struct weft__net_packet, event) == 0, "cast above");
    packet_free(packet);
    if (copy.kind != WEFT__NET_DATA)
        weft__sim_note(sim, WEFT__SIM_NOTE_NET_PACKET, copy.wire->serial, copy.kind);
    deliver(copy.wire, &copy);
}
