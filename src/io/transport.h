/*
 * io/transport.h - inside a transport: a stream whose reader is a callback. They are one block.
 *
 *      stirred (bytes, the end, an error, room to write, a call) --> one entry in the ready queue
 *           --> run: what has happened is told, in order --> nothing more to tell: idle
 *                                                       \--> lost: told, the stream ends by itself
 *
 * On its reactor. What always holds: room for its entry in the ready queue is reserved while it
 * lives, so that it can always be stirred; it is freed with its stream, or by who takes it out of
 * that queue, whichever is later; after connection_lost nothing of the user's is called.
 */
#ifndef WEFT_IO_TRANSPORT_H
#define WEFT_IO_TRANSPORT_H

#include <stdalign.h>
#include <weft/transport.h>

#include "io/stream.h"

struct weft__gate;

/* Where a server limits its connections. */
struct weft__transport_limits {
    int64_t until_ns;                    /* when it is over its time */
    uint64_t left;                       /* bytes it may still move; UINT64_MAX: any number */
    struct weft_transport *next, **link; /* among the gate's that have limits, oldest first */
};

struct weft_transport {
    struct weft_stream stream; /* first. Its `owner` is the gate of the listener that
 brought it, or NULL */
    struct weft__callback callback;
    const struct weft_protocol *protocol;
    void *arg;
    int16_t error;           /* why it was aborted */
    uint8_t fate;            /* enum weft__server_count, if that is not said by the error alone */
    bool limited : 1;        /* its limits stand before the state */
    bool scheduled : 1;      /* in the ready queue */
    bool reserved : 1;       /* room in the ready queue is */
    bool without_stream : 1; /* that has ended: freed when it is not scheduled */
    bool made : 1;
    bool drained : 1; /* it is to be told of a drain */
    bool reading_paused : 1;
    bool writing_paused : 1;
    bool eof_told : 1;
    bool eof_asked : 1; /* the writing side is to end */
    bool eof_sent : 1;
    bool closing : 1;
    bool aborted : 1;
    bool lost : 1;
    alignas(16) unsigned char room[]; /* the limits, if there are any, and the state */
};
_Static_assert(sizeof(struct weft_transport) <= 208, "what an idle connection costs");
_Static_assert(sizeof(struct weft__transport_limits) % 16 == 0, "the state follows");

static inline struct weft_transport *weft__transport_of(struct weft_stream *stream)
{
    _Static_assert(offsetof(struct weft_transport, stream) == 0, "cast");
    return (struct weft_transport *)stream;
}

/* Of one that is limited. */
static inline struct weft__transport_limits *weft__transport_limits(
    struct weft_transport *transport)
{
    return (struct weft__transport_limits *)transport->room;
}

static inline void *weft__transport_state(struct weft_transport *transport)
{
    return transport->room + (transport->limited ? sizeof(struct weft__transport_limits) : 0);
}

/* weft_transport_open, for a listener, or with NULL for the user. */
int weft__transport_open(int fd, const struct weft_protocol *protocol, void *arg,
                         struct weft__gate *gate, const struct weft_stream_opt *opt,
                         struct weft_transport **transport);
/* In the queue, unless it is. */
void weft__transport_stir(struct weft_transport *transport);
/* It is to end, with that error. Not lost. */
void weft__transport_cut(struct weft_transport *transport, int32_t error, uint8_t fate);
/* Its stream has ended. */
void weft__transport_without_stream(struct weft_transport *transport);
/* The io layer stops: told, and gone. */
void weft__transport_stop(struct weft_transport *transport);
/* 0, or what is wrong with it. */
int weft__protocol_check(const struct weft_protocol *protocol);
void weft__transport_charge(struct weft_transport *transport, uint64_t bytes);
/* May it send so many? If not it is cut. */
bool weft__transport_affords(struct weft_transport *transport, uint64_t bytes);

#endif
