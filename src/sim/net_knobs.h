/*
 * sim/net_knobs.h - the part of knobs.h that belongs to sim/net*.c: same form, same rules.
 *
 * Those of a connection are drawn once, when it is begun, by the connection's own dice; those of a
 * packet for each, by the dice of its direction. Sizes and positions are in bytes, a position
 * counts what has arrived in both directions.
 */
#ifndef WEFT_SIM_NET_KNOBS_H
#define WEFT_SIM_NET_KNOBS_H

#define WEFT__SIM_NET_KNOBS(CHANCE, SPAN, FAULT)                                                   \
    /* a packet */                                                                                 \
    SPAN(NET_LATENCY, "net.latency", 0, 0, 1000, 5000000) /* one way, besides what comes before */ \
    SPAN(NET_SEGMENT, "net.segment", 65536, 65536, 1, 65536) /* bytes at most */                   \
    FAULT(NET_LOST, "net.lost", 2000)                        /* and so sent again */               \
    SPAN(NET_LOST_NS, "net.lost_time", 200000000, 200000000, 1000000, 400000000)                   \
    /* a datagram of UDP, which keeps no order */                                                  \
    FAULT(NET_DATAGRAM_LOST, "net.datagram_lost", 10000)                                           \
    FAULT(NET_DATAGRAM_TWICE, "net.datagram_twice", 10000)                                         \
    /* a connection */                                                                             \
    SPAN(NET_RATE, "net.rate", 10000000000, 10000000000, 1000000, 10000000000) /* bytes/s */       \
    SPAN(NET_SEND_BUFFER, "net.send_buffer", 2621440, 2621440, 16384, 2621440)                     \
    SPAN(NET_RECEIVE_BUFFER, "net.receive_buffer", 131072, 131072, 65536, 131072)                  \
    SPAN(NET_UNIX_BUFFER, "net.unix_buffer", 212992, 212992, 65536, 212992)                        \
    CHANCE(NET_DRIP, "net.drip", 0, 20000) /* the first bytes come one by one */                   \
    SPAN(NET_DRIP_SIZE, "net.drip_size", 100, 100, 1, 500)                                         \
    FAULT(NET_SYN_LOST, "net.syn_lost", 2000) /* a second is lost with it */                       \
    FAULT(NET_REFUSED, "net.refused", 1000)   /* nobody listens, it is said */                     \
    FAULT(NET_UNREACHABLE, "net.unreachable", 500)                                                 \
    FAULT(NET_UNANSWERED, "net.unanswered", 0) /* the connect times out, two minutes later */      \
    FAULT(NET_BREAK, "net.break", 2000)        /* both ends are told of a reset */                 \
    SPAN(NET_BREAK_AT, "net.break_at", 0, 65536, 0, 65536)                                         \
    FAULT(NET_SILENCE, "net.silence", 0) /* nothing gets through any more, nobody is told */       \
    SPAN(NET_SILENCE_AT, "net.silence_at", 0, 65536, 0, 65536)                                     \
    /* names */                                                                                    \
    CHANCE(NET_PORT, "net.port", 0, 0) /* where the search for a free one begins; no odds */       \
    SPAN(NET_PRIVILEGED, "net.privileged", 1023, 1023, 1023, 1023) /* ports up to this one are */  \
    FAULT(NET_BIND, "net.bind", 0) /* -EADDRINUSE: somebody else's, for now */

#define WEFT__SIM_NET_NOTES(NOTE)                                                                  \
    NOTE(NET_BEGIN, "net.begin")   /* who: the connection; value: the port it goes to */           \
    NOTE(NET_ARRIVE, "net.arrive") /* who: the connection; value: bytes, those of the side that    \
                                      accepted as a negative number */                             \
    NOTE(NET_PACKET, "net.packet") /* another: value: which, see enum weft__net_packet_kind */     \
    NOTE(NET_LOSE, "net.lose")     /* who: the connection; value: nanoseconds late */              \
    NOTE(NET_BROKEN, "net.broken") /* who: the connection; value: the error both ends see */       \
    NOTE(NET_SILENT, "net.silent") /* who: the connection; value: the position */                  \
    NOTE(NET_UNIX, "net.unix")     /* who: the file or connection; value: bytes moved at once */   \
    NOTE(NET_PEER, "net.peer")     /* who: the scripted peer; value: the step it begins */

#endif
