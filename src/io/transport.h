/*
 * io/transport.h - inside a transport: a stream whose reader is a callback.
 *
 *      stirred (bytes, the end, an error, room to write, a call) --> one entry in the ready queue
 *           --> run: what has happened is told, in order --> nothing more to tell: idle
 *                                                       \--> lost: told, the stream ends by itself
 *
 * On its reactor. What always holds: room for its entry in the ready queue is reserved while it
 * lives, so that it can always be stirred; it is freed by who takes it out of that queue, or at
 * once when it does not stand there; after connection_lost nothing of the user's is called.
 */
#ifndef WEFT_IO_TRANSPORT_H
#define WEFT_IO_TRANSPORT_H

#include <stdalign.h>
#include <weft/transport.h>

#include "io/stream.h"

struct weft__gate;

struct weft_transport {
    struct weft__callback callback; /* first: the ready queue's pointer is ours */
    struct weft_stream *stream;     /* NULL: lost, and waits to be freed */
    const struct weft_protocol *protocol;
    void *arg;
    struct weft__gate *gate;             /* the listener that brought it, or NULL */
    struct weft_transport *next, **link; /* among its, oldest first */
    int64_t until_ns;                    /* when it is over its time */
    uint64_t left;                       /* bytes it may still move; UINT64_MAX: any number */
    uint32_t high, low;
    int32_t error; /* why it was aborted */
    uint8_t fate;  /* enum weft__server_count, if that is not said by the error alone */
    bool scheduled;
    bool reserved; /* room in the ready queue is */
    bool made;
    bool drained; /* it is to be told of a drain */
    bool reading_paused;
    bool writing_paused;
    bool eof_told;
    bool eof_asked; /* the writing side is to end */
    bool eof_sent;
    bool closing;
    bool aborted;
    bool lost;
    alignas(16) unsigned char state[];
};

/* In the queue, unless it is. */
void weft__transport_stir(struct weft_transport *transport);
/* It is to end, with that error. Not lost. */
void weft__transport_cut(struct weft_transport *transport, int32_t error, uint8_t fate);
/* The io layer stops: told, and gone. */
void weft__transport_stop(struct weft_transport *transport);
/* 0, or what is wrong with it. */
int weft__protocol_check(const struct weft_protocol *protocol);
void weft__transport_charge(struct weft_transport *transport, uint64_t bytes);
/* May it send so many? If not it is cut. */
bool weft__transport_affords(struct weft_transport *transport, uint64_t bytes);

#endif
