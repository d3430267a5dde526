/*
 * io/transport_call.c - what may be asked of a transport, and transports of new connections.
 *
 * Nothing of the user's is called from here but pause_writing: whatever a call brings about is told
 * when the transport's entry in the ready queue is run.
 */
#include "io/server.h"
#include "io/transport.h"

/* 0: the caller is on its reactor, and it is not lost. */
static int check(const struct weft_transport *transport)
{
    if (!transport)
        return weft__misuse(-EINVAL, "no transport");
    if (!weft__self)
        return weft__outside();
    if (transport->lost)
        return -EBADF;
    return transport->stream.io->reactor == weft__self
               ? 0
               : weft__misuse(-EXDEV, "the transport is another reactor's");
}

static void pause_if_full(struct weft_transport *transport)
{
    if (transport->writing_paused ||
        weft__stream_pending(&transport->stream) <= transport->stream.high)
        return;
    transport->writing_paused = true;
    if (transport->protocol->pause_writing)
        transport->protocol->pause_writing(transport, weft__transport_state(transport));
}

ssize_t weft_transport_write(weft_transport *transport, const void *data, size_t size)
{
    int error = check(transport);

    if (error == 0 && !data && size > 0)
        error = weft__misuse(-EFAULT, "NULL for memory that is needed");
    if (error == 0 && (transport->closing || transport->aborted || transport->eof_asked))
        error = -EPIPE;
    if (error == 0)
        error = weft__stream_queue(&transport->stream, data, size);
    if (error < 0)
        return error;
    pause_if_full(transport);
    return (ssize_t)size;
}

int weft_transport_write_eof(weft_transport *transport)
{
    int error = check(transport);

    if (error < 0)
        return error;
    transport->eof_asked = true;
    weft__transport_stir(transport);
    return 0;
}

int weft_transport_set_write_limits(weft_transport *transport, uint32_t high, uint32_t low)
{
    int error = check(transport);

    if (error < 0)
        return error;
    if (low > high)
        return weft__misuse(-EINVAL, "the low limit is above the high one");
    transport->stream.high = high;
    transport->stream.low = low;
    weft__transport_stir(transport); /* who is paused may go on */
    return 0;
}

ssize_t weft_transport_write_pending(const weft_transport *transport)
{
    int error = check(transport);

    return error < 0 ? error : (ssize_t)weft__stream_pending(&transport->stream);
}

int weft_transport_pause_reading(weft_transport *transport)
{
    int error = check(transport);

    if (error == 0)
        transport->reading_paused = true;
    return error;
}

int weft_transport_resume_reading(weft_transport *transport)
{
    int error = check(transport);

    if (error < 0)
        return error;
    transport->reading_paused = false;
    weft__transport_stir(transport);
    return 0;
}

int weft_transport_close(weft_transport *transport)
{
    int error = check(transport);

    if (error < 0)
        return error;
    transport->closing = true;
    weft__transport_stir(transport);
    return 0;
}

int weft_transport_abort(weft_transport *transport)
{
    int error = check(transport);

    if (error == 0)
        weft__transport_cut(transport, -ECONNABORTED, transport->fate);
    return error;
}

int weft_transport_is_closing(const weft_transport *transport)
{
    int error = check(transport);

    return error < 0 ? error : transport->closing || transport->aborted;
}

int weft_transport_get_extra_info(const weft_transport *transport, struct weft_stream_info *info,
                                  size_t info_size)
{
    if (!transport)
        return weft__misuse(-EINVAL, "no transport");
    return weft_stream_get_extra_info(&transport->stream, info, info_size);
}

void *weft_transport_state(weft_transport *transport)
{
    return transport ? weft__transport_state(transport) : NULL;
}

void *weft_transport_arg(const weft_transport *transport)
{
    return transport ? transport->arg : NULL;
}

int weft_transport_set_protocol(weft_transport *transport, const struct weft_protocol *protocol)
{
    int error = check(transport);

    if (error == 0)
        error = weft__protocol_check(protocol);
    if (error == 0 && protocol->state_size > transport->protocol->state_size)
        error = weft__misuse(-EINVAL, "the protocol needs more state than there is");
    if (error == 0)
        transport->protocol = protocol;
    return error;
}

const struct weft_protocol *weft_transport_protocol(const weft_transport *transport)
{
    return transport ? transport->protocol : NULL;
}

/* -- of a new connection ----------------------------------------------------------------------- */

int weft_create_connection(const char *address, const struct weft_protocol *protocol, void *arg,
                           const struct weft_connection_opt *opt, weft_transport **transport)
{
    struct weft_connection_opt own;
    int fd = weft__connection_open(address, opt, &own), error;

    if (fd < 0)
        return fd;
    error = weft_transport_open(fd, protocol, arg, own.stream, transport);
    if (error < 0)
        weft_close(fd);
    return error;
}

int weft_create_unix_connection(const char *path, const struct weft_protocol *protocol, void *arg,
                                const struct weft_connection_opt *opt, weft_transport **transport)
{
    char text[WEFT__ADDRESS_TEXT_SIZE];
    int error = weft__unix_address(text, path);

    return error < 0 ? error : weft_create_connection(text, protocol, arg, opt, transport);
}
