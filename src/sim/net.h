/*
 * sim/net.h - the simulated network: what its files share.
 *
 *      descriptor ------> file --> end --+        +-- end <-- file <------ descriptor
 *                                        |        |
 *                                       wire: two ways, packets on their way
 *                                        |        |
 *      peer, a script --> file --> end --+        +-- end, still in a listener's queue
 *
 * An end is what the kernel calls a socket underneath: it outlives the file (bytes on their way, a
 * close in order) and comes before it (a connection nobody accepted yet). A wire joins two ends,
 * and holds the bytes of both ways; whatever goes along it is a packet, which has a latency, keeps
 * its order, and may be lost and sent again.
 *
 *      CLOSED --listen--> LISTENING
 *      CLOSED --connect--> CONNECTING --answered--> OPEN --both ways ended, or reset--> CLOSED
 *                               |         ARRIVING --known to both--^
 *                               +--refused, out of time--> CLOSED
 *
 * An end is OPEN until both ways have ended and both ends know it; `shut` and the ways' `fin_*`
 * tell how far that is. Unix sockets know no packets: net_unix.c has ends of its own.
 *
 * What always holds: an end whose file is gone is freed as soon as it is CLOSED; a wire
 * is freed with its second end. All of it runs in the driver's thread. Who finds what: net_port.c
 * (names of TCP), net_path.c (names of Unix sockets), net_wire.c (packets and bytes), net_connect.c
 * (beginnings), net_end.c (ends of ends), net_tcp.c and net_unix.c (the calls), net_option.c,
 * net_peer.c (scripts).
 */
#ifndef WEFT_SIM_NET_H
#define WEFT_SIM_NET_H

#include "sim/net_bytes.h"
#include "sim/net_name.h"
#include "sim/net_option.h"
#include "sim/object.h"

enum weft__net_state {
    WEFT__NET_CLOSED,
    WEFT__NET_LISTENING,
    WEFT__NET_CONNECTING,
    WEFT__NET_ARRIVING, /* the answer is on its way to who connects */
    WEFT__NET_OPEN,
};

enum { WEFT__NET_SHUT_READ = 1, WEFT__NET_SHUT_WRITE = 2, WEFT__NET_SHUT_BOTH = 3 };

struct weft__net_end {
    struct weft__sim_net *net;
    struct weft__net_end *next, **link; /* all ends; by age */
    uint64_t serial;

    struct weft__sim_file *file; /* NULL: not accepted yet, or closed */
    struct weft__net_options options;

    struct weft__net_name local, remote;
    struct weft__net_end *same_port, **same_port_link; /* those with our port; NULL: no port */
    bool port_asked;    /* bound by its owner, who keeps it until the close */
    bool elsewhere;     /* a script's: its host is none of this machine */
    sa_family_t family; /* how names are shown */

    uint8_t state;       /* enum weft__net_state */
    uint8_t shut;        /* WEFT__NET_SHUT_*; reading also by the peer's end */
    bool connect_untold; /* how connecting ended was not told yet */
    bool closed_first;   /* ended its way before the peer had: keeps the port */
    int error;           /* positive; told once */

    struct weft__net_wire *wire;
    uint8_t side; /* of the wire: 0 connected, 1 accepted */

    /* of a listener: those that may be accepted, oldest first. Of one of them: its listener. */
    struct weft__net_end *queue, **queue_tail, *queue_next;
    uint32_t queued; /* in the queue, or arriving */
    uint32_t backlog;
    struct weft__net_end *listener;

    struct weft__sim_event timer; /* trying to connect; giving up on who is silent */
    uint32_t tries;
};

/* One way of a wire. Positions count bytes since the beginning:
 *
 *      read (the first that is kept) <= arrived <= sent <= written
 *
 * and acked <= arrived is what the sender knows of it. */
struct weft__net_way {
    struct weft__net_bytes bytes; /* from read to written */
    uint64_t written, sent, arrived, acked;
    uint64_t edge;                              /* how far the sender may go, as it knows */
    uint64_t edge_told;                         /* the same, what is on its way to it included */
    bool fin, fin_sent, fin_arrived, fin_acked; /* the end of the way, after its last byte */
    bool dead;                                  /* its sender was reset: nothing more */
    struct weft__sim_dice dice;
    int64_t free_ns; /* when the line has let through what was sent */
    int64_t last_ns; /* nothing arrives before this: order is kept */
};

struct weft__net_wire {
    struct weft__sim_net *net;
    struct weft__net_wire *next, **link;
    uint64_t serial;
    struct weft__net_end *ends[2]; /* NULL: freed */
    struct weft__net_way ways[2];  /* by the sender's side */
    struct weft__net_packet *packets;
    struct weft__sim_dice dice;
    int64_t rate;                  /* bytes per second */
    uint64_t drip;                 /* the first so many bytes of a way come one by one */
    uint64_t break_at, silence_at; /* positions; UINT64_MAX: never */
    bool silent;
    bool unanswered; /* connecting is to time out */
};

enum weft__net_packet_kind {
    WEFT__NET_SYN = 1,
    WEFT__NET_SYN_ACK,
    WEFT__NET_DATA, /* bytes up to `position`, and the end behind them if `fin` */
    WEFT__NET_ACK,  /* arrived up to `position`, room up to `edge` */
    WEFT__NET_RST,
};

/* -- the network ----------------------------------------------------------------------------- */

struct weft__net_lingering { /* a port kept for a minute by a connection that is over */
    struct weft__net_lingering *next;
    struct weft__net_name local, remote;
    bool reuse_address, reuse_port;
    int64_t until_ns, reusable_ns;
};

struct weft__sim_net {
    struct weft__sim *sim;
    struct weft__net_end *ends;
    struct weft__net_wire *wires;
    struct weft__net_end **ports; /* by port: those that have it, listeners first */
    struct weft__net_lingering *lingering, **lingering_tail; /* oldest first */
    struct weft__net_path *paths;                            /* names of Unix sockets */
    struct weft__net_local *locals;                          /* Unix sockets */
    struct weft__net_peer *peers;
    struct weft__net_udp *udps;           /* sockets of UDP */
    struct weft__net_datagram *datagrams; /* on their way */
    struct weft__sim_dice dice;
};

/* A socket of TCP, as a file. */
struct weft__net_socket {
    struct weft__sim_file file;
    struct weft__net_end *end;
};

struct weft__net_end *weft__net_end_new(struct weft__sim_net *net, sa_family_t family);
void weft__net_end_free(struct weft__net_end *end);
/* Back to a socket that never was connected. */
void weft__net_disconnect(struct weft__net_end *end);
/* Gives it a file with one reference. */
struct weft__sim_file *weft__net_socket_new(struct weft__sim *sim, struct weft__net_end *end);
/* Tells whoever has the end. */
void weft__net_changed(struct weft__net_end *end, uint32_t events);

/* -- names (net_port.c) ---------------------------------------------------------------------- */

int weft__net_bind(struct weft__net_end *end, const struct weft__net_name *name);
/* A port for an end that is to connect; 0, -EADDRNOTAVAIL. */
int weft__net_bind_to_connect(struct weft__net_end *end);
/* May it listen beside those that do? 0 or -EADDRINUSE. */
int weft__net_may_listen(const struct weft__net_end *end);
void weft__net_port_take(struct weft__net_end *end, uint16_t port);
void weft__net_port_let_go(struct weft__net_end *end);
/* Who listens for `to`; `from` chooses among several. NULL: nobody. */
struct weft__net_end *weft__net_listener(struct weft__sim_net *net, const struct weft__net_name *to,
                                         const struct weft__net_name *from);
void weft__net_linger(const struct weft__net_end *end);

/* -- packets (net_wire.c) --------------------------------------------------------------------- */

struct weft__net_wire *weft__net_wire_new(struct weft__net_end *from);
void weft__net_wire_free(struct weft__net_wire *wire);
/* Puts a packet on its way; without position and room for those that have none. */
void weft__net_post(struct weft__net_wire *wire, int side, enum weft__net_packet_kind kind);
/* Sends what may be sent of that side's way. */
void weft__net_pump(struct weft__net_wire *wire, int side);
/* The reader of the way from `side` has read, or made more room: its sender may have to know. */
void weft__net_room_made(struct weft__net_wire *wire, int side);
/* Who connected has the answer: the rooms are known, the other side is told. */
void weft__net_answer(struct weft__net_wire *wire);
void weft__net_drop_packets(struct weft__net_wire *wire);
/* From now on nothing gets through. */
void weft__net_silence(struct weft__net_wire *wire);
static inline struct weft__net_way *weft__net_in(const struct weft__net_end *end)
{
    return &end->wire->ways[!end->side];
}
static inline struct weft__net_way *weft__net_out(const struct weft__net_end *end)
{
    return &end->wire->ways[end->side];
}
static inline uint64_t weft__net_unread(const struct weft__net_end *end)
{
    const struct weft__net_way *in = end->wire ? weft__net_in(end) : NULL;

    return in ? in->arrived - (in->written - in->bytes.count) : 0;
}

/* -- beginnings (net_connect.c) ---------------------------------------------------------------- */

int weft__net_connect(struct weft__net_end *end, const struct weft__net_name *to);
int weft__net_connected(struct weft__net_end *end);
int weft__net_listen(struct weft__net_end *end, int backlog);
/* The oldest of the queue, or NULL. */
struct weft__net_end *weft__net_accept(struct weft__net_end *listener);
void weft__net_syn_arrived(struct weft__net_wire *wire);
void weft__net_syn_ack_arrived(struct weft__net_end *end);
void weft__net_known_to_both(struct weft__net_end *end);
void weft__net_leave_queue(struct weft__net_end *end);

/* -- calls on an open end (net_tcp.c), and ends of ends (net_end.c) --------------------------- */

int32_t weft__net_receive(struct weft__net_end *end, struct weft__sim_transfer *transfer);
int32_t weft__net_send(struct weft__net_end *end, const struct weft__sim_transfer *transfer);
uint32_t weft__net_poll(const struct weft__net_end *end);
int weft__net_take_error(struct weft__net_end *end); /* negative, or 0 */
int weft__net_shutdown(struct weft__net_end *end, int how);
/* The owner is gone; what is under way goes on. */
void weft__net_close(struct weft__net_end *end);
/* Resets the connection. The end stays. */
void weft__net_abort(struct weft__net_end *end);
/* The end is over, with this error (positive; 0: none). Frees it when nobody has it. */
void weft__net_fail(struct weft__net_end *end, int error);
void weft__net_rst_arrived(struct weft__net_end *end);
/* Both ways may have ended: then the end is over. */
void weft__net_settle(struct weft__net_end *end);
/* Gives up in time on a peer that does not answer. */
void weft__net_doubt(struct weft__net_end *end);
/* Both ends are told that the connection broke. */
void weft__net_break(struct weft__net_wire *wire, int error);

/* -- Unix sockets (net_unix.c, net_path.c), scripts (net_peer.c) --------------------------------
 */

struct weft__sim_file *weft__net_unix_new(struct weft__sim_net *net, int type);
void weft__net_unix_close_all(struct weft__sim_net *net);
/* UDP (net_udp.c) */
struct weft__sim_file *weft__net_udp_new(struct weft__sim_net *net, sa_family_t family);
void weft__net_udp_close_all(struct weft__sim_net *net);
void weft__net_paths_free(struct weft__sim_net *net);
void weft__net_peers_free(struct weft__sim_net *net);
/* The wire of a TCP socket; NULL: it has none, or is none. */
struct weft__net_wire *weft__net_wire_of(const struct weft__sim_file *file);
/* May be bound to hosts that are not this machine's. */
void weft__net_is_elsewhere(struct weft__sim_file *file);
/* Is everything as said here? net_check.c */
bool weft__net_check(const struct weft__sim_net *net);

#endif
