/*
 * sim/net_knobs.h - the part of knobs.h that belongs to sim/net*.c: same form, same rules.
 */
#ifndef WEFT_SIM_NET_KNOBS_H
#define WEFT_SIM_NET_KNOBS_H

#define WEFT__SIM_NET_KNOBS(CHANCE, SPAN, FAULT)                                                   \
    SPAN(NET_LATENCY, "net.latency", 10000, 10000, 1000, 5000000) /* one way, per segment */

#define WEFT__SIM_NET_NOTES(NOTE) NOTE(NET_RESET, "net.reset") /* who: the file; value: error */

#endif
