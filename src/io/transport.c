/*
 * io/transport.c - the life of a transport, and what its protocol is told; transport.h draws it.
 */
#include "io/transport.h"

#include <string.h>

#include "base/memory.h"
#include "io/server.h"
#include "io/socket.h"
#include "ring/host.h"

enum {
    BUFFERS_AT_ONCE = 16, /* told of in one go, so that one connection does not keep the others */
    HIGH_DEFAULT = 64 * 1024,
    LOW_DEFAULT = 16 * 1024,
};

static void run(struct weft__callback *callback);
static void dropped(struct weft__callback *callback);

static struct weft__reactor *reactor_of(const struct weft_transport *transport)
{
    return transport->stream.io->reactor;
}

static struct weft_transport *transport_at(struct weft__callback *callback)
{
    return (struct weft_transport *)((char *)callback - offsetof(struct weft_transport, callback));
}

void weft__transport_stir(struct weft_transport *transport)
{
    if (transport->scheduled || transport->lost || !transport->reserved)
        return;
    transport->scheduled = true;
    weft__ready_push_callback(&reactor_of(transport)->ready, &transport->callback);
}

void weft__transport_cut(struct weft_transport *transport, int32_t error, uint8_t fate)
{
    if (transport->aborted)
        return;
    transport->aborted = true;
    transport->error = error;
    transport->fate = fate;
    weft__transport_stir(transport);
}

bool weft__transport_affords(struct weft_transport *transport, uint64_t bytes)
{
    if (!transport->limited || bytes <= weft__transport_limits(transport)->left)
        return true;
    weft__transport_cut(transport, -EDQUOT, WEFT__SERVER_OVER_BYTES);
    return false;
}

void weft__transport_charge(struct weft_transport *transport, uint64_t bytes)
{
    uint64_t *left = &weft__transport_limits(transport)->left;

    if (!transport->limited || *left == UINT64_MAX)
        return;
    (void)weft__transport_affords(transport, bytes);
    *left -= bytes < *left ? bytes : *left;
}

void weft__stream_stirred(struct weft_stream *stream)
{
    if (stream->owned == WEFT__OWNED_BY_TRANSPORT &&
        (stream->head || stream->ended || stream->error < 0))
        weft__transport_stir(weft__transport_of(stream));
}

void weft__stream_sent(struct weft_stream *stream)
{
    struct weft_transport *transport = weft__transport_of(stream);

    if (stream->owned == WEFT__OWNED_BY_TRANSPORT &&
        (transport->writing_paused || transport->closing || transport->eof_asked ||
         stream->write_error < 0))
        weft__transport_stir(transport);
}

/* -- the end ----------------------------------------------------------------------------------- */

static void let_go(struct weft_transport *transport)
{
    if (transport->without_stream && !transport->scheduled)
        weft__free(transport);
}

void weft__transport_without_stream(struct weft_transport *transport)
{
    transport->without_stream = true;
    let_go(transport);
}

/* Tells it, and ends the stream, which frees itself, and all of it, with its last completion. */
static void lose(struct weft_transport *transport, int error)
{
    struct weft_stream *stream = &transport->stream;

    transport->lost = true;
    if (transport->made && transport->protocol->connection_lost)
        transport->protocol->connection_lost(transport, error, weft__transport_state(transport));
    if (transport->aborted)
        weft__stream_reset_on_close(stream);
    if (transport->stream.owner)
        weft__gate_left(transport, error);
    if (!transport->scheduled && transport->reserved)
        weft__ready_release(&stream->io->reactor->ready);
    stream->owned = 0;
    weft__stream_end_alone(stream);
}

void weft__transport_stop(struct weft_transport *transport)
{
    if (!transport->aborted)
        transport->error = -ECANCELED;
    transport->aborted = true;
    lose(transport, transport->error);
}

/* The reactor is closed before it came to it. */
static void dropped(struct weft__callback *callback)
{
    struct weft_transport *transport = transport_at(callback);

    transport->scheduled = transport->reserved = false;
    let_go(transport);
}

/* -- what is told ------------------------------------------------------------------------------ */

static bool is_readable(const struct weft_transport *transport)
{
    return transport->stream.head && !transport->reading_paused && !transport->closing &&
           !transport->aborted;
}

/* Into memory of the protocol's. How many bytes that were; 0: it had none. */
static size_t fill(struct weft_transport *transport, const char *data, size_t size)
{
    const struct weft_protocol *protocol = transport->protocol;
    size_t room = 0;
    void *memory = protocol->get_buffer(transport, size, &room, weft__transport_state(transport));

    if (!memory || room == 0) {
        weft__transport_cut(transport, -ENOBUFS, WEFT__SERVER_FAILED);
        return 0;
    }
    size = size < room ? size : room;
    memcpy(memory, data, size);
    protocol->buffer_updated(transport, size, weft__transport_state(transport));
    return size;
}

/* What is at the head of the stream. Nothing is received meanwhile: that is for the loop. */
static void tell_data(struct weft_transport *transport)
{
    const struct weft__buffer *head = transport->stream.head;
    const char *data = head->data + head->offset;
    size_t size = head->length;

    if (transport->protocol->get_buffer)
        size = fill(transport, data, size);
    else if (transport->protocol->data_received)
        transport->protocol->data_received(transport, data, size, weft__transport_state(transport));
    weft__stream_take(&transport->stream, size);
}

static void tell_eof(struct weft_transport *transport)
{
    const struct weft_protocol *protocol = transport->protocol;

    transport->eof_told = true;
    if (!protocol->eof_received ||
        !protocol->eof_received(transport, weft__transport_state(transport)))
        transport->closing = true;
}

static void tell_drain(struct weft_transport *transport)
{
    transport->drained = false;
    if (transport->protocol->draining)
        transport->protocol->draining(transport, weft__transport_state(transport));
    else
        transport->closing = true;
}

/* Not before the first bytes, where those are to be served; or there are to be none. */
static void tell_drain_if_due(struct weft_transport *transport)
{
    const struct weft_stream *stream = &transport->stream;

    if (transport->drained && !transport->aborted && (!stream->first_due || stream->ended))
        tell_drain(transport);
}

static void tell_room(struct weft_transport *transport)
{
    transport->writing_paused = false;
    if (transport->protocol->resume_writing)
        transport->protocol->resume_writing(transport, weft__transport_state(transport));
}

static void tell(struct weft_transport *transport)
{
    const struct weft_stream *stream = &transport->stream;

    if (!transport->made) {
        transport->made = true;
        if (transport->protocol->connection_made)
            transport->protocol->connection_made(transport, weft__transport_state(transport));
    }
    tell_drain_if_due(transport);
    for (int i = 0; i < BUFFERS_AT_ONCE && is_readable(transport); i++)
        tell_data(transport);
    tell_drain_if_due(transport);
    if (is_readable(transport))
        weft__transport_stir(transport);
    else if (stream->ended && !stream->head && !transport->eof_told && !transport->closing &&
             !transport->aborted && !transport->reading_paused)
        tell_eof(transport);
    if (transport->writing_paused && !transport->aborted && stream->write_error == 0 &&
        weft__stream_pending(stream) <= stream->low)
        tell_room(transport);
}

/* Is it over? Then why: 0, or a negative errno. */
static bool is_over(const struct weft_transport *transport, int *error)
{
    const struct weft_stream *stream = &transport->stream;

    *error = 0;
    if (transport->aborted)
        *error = transport->error;
    else if (stream->write_error < 0)
        *error = stream->write_error;
    else if (stream->error < 0 && (!stream->head || transport->closing))
        *error = stream->error;
    return *error < 0 || (transport->closing && weft__stream_pending(stream) == 0);
}

/* Errors of the socket that come of it are told by the next receive or send. */
static void end_writing(struct weft_transport *transport)
{
    if (!transport->eof_asked || transport->eof_sent ||
        weft__stream_pending(&transport->stream) > 0)
        return;
    transport->eof_sent = true;
    if (weft__stream_owns(&transport->stream))
        (void)weft__host_shutdown(transport->stream.fd, SHUT_WR);
}

static void run(struct weft__callback *callback)
{
    struct weft_transport *transport = transport_at(callback);
    struct weft__reactor *reactor = weft__self;
    int error;

    transport->scheduled = false;
    if (transport->lost) {
        let_go(transport);
        return;
    }
    (void)weft__ready_reserve(&reactor->ready); /* the room it has just left */
    weft__slice_call(reactor, transport->protocol, NULL);
    tell(transport);
    end_writing(transport);
    if (is_over(transport, &error))
        lose(transport, error);
    weft__slice_over(reactor);
}

/* -- making one -------------------------------------------------------------------------------- */

int weft__protocol_check(const struct weft_protocol *protocol)
{
    if (!protocol || protocol->size != sizeof *protocol || protocol->state_size > UINT32_MAX)
        return weft__misuse(-EINVAL, "no protocol, or its size was not set");
    if (!protocol->get_buffer != !protocol->buffer_updated)
        return weft__misuse(-EINVAL, "get_buffer and buffer_updated go together");
    return 0;
}

static struct weft_transport *create(struct weft__reactor *reactor,
                                     const struct weft_protocol *protocol, bool limited)
{
    size_t limits = limited ? sizeof(struct weft__transport_limits) : 0;
    struct weft_transport *transport;

    if (weft__ready_reserve(&reactor->ready) < 0)
        return NULL;
    transport = weft__calloc(1, sizeof *transport + limits + protocol->state_size);
    if (!transport) {
        weft__ready_release(&reactor->ready);
        return NULL;
    }
    transport->callback = (struct weft__callback){.run = run, .drop = dropped};
    transport->protocol = protocol;
    transport->limited = limited;
    transport->reserved = true;
    transport->stream.in_transport = true;
    transport->stream.high = HIGH_DEFAULT;
    transport->stream.low = LOW_DEFAULT;
    transport->fate = WEFT__SERVER_COUNTS;
    return transport;
}

/* A stream may be made of a pipe, whose ends are other than a connection's. */
static bool is_no_socket(int fd)
{
    int type = 0;
    socklen_t length = sizeof type;

    return weft__host_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == -ENOTSOCK;
}

int weft__transport_open(int fd, const struct weft_protocol *protocol, void *arg,
                         struct weft__gate *gate, const struct weft_stream_opt *opt,
                         weft_transport **result)
{
    struct weft_transport *transport;
    struct weft__opening opening;
    int error = weft__stream_check(fd, opt, &opening);

    if (error < 0)
        return error;
    transport = create(weft__self, protocol, gate && weft__gate_limits(gate));
    if (!transport)
        return -ENOMEM;
    weft__stream_open(fd, &opening, &transport->stream);
    transport->arg = arg;
    transport->stream.owner = gate;
    transport->stream.owned = WEFT__OWNED_BY_TRANSPORT;
    weft__transport_stir(transport);
    *result = transport;
    return 0;
}

int weft_transport_open(int fd, const struct weft_protocol *protocol, void *arg,
                        const struct weft_stream_opt *opt, weft_transport **result)
{
    weft_transport *transport;
    int error = weft__protocol_check(protocol);

    if (error < 0)
        return error;
    if (!weft__task_self())
        return weft__outside();
    if (is_no_socket(fd))
        return weft__misuse(-EINVAL, "only a socket can be made a transport");
    error = weft__transport_open(fd, protocol, arg, NULL, opt, &transport);
    if (error == 0 && result)
        *result = transport;
    return error;
}
