/*
 * The laws of bytes: two ways of a connection, each a log of what was sent, in order.
 *
 * What a task sends itself is a pattern of the way and the place, so a second try at the same place
 * offers the same bytes; a view given away is copied into the log.
 */
#include "fuzz.h"

static unsigned char logs[ENDS_MAX][WAY_MAX];

unsigned char *way_bytes(const struct end *end)
{
    return logs[end - model.ends];
}

static int index_of(const struct end *end)
{
    return (int)(end - model.ends);
}

static unsigned char pattern(int way, uint64_t place)
{
    return (unsigned char)(place * 31 + place / 251 + (uint64_t)way * 97);
}

int end_new(int fd, bool tcp, bool accepted, uint32_t name)
{
    int index = model.end_count++;
    struct end *end = &model.ends[index];

    *end = (struct end){.used = true,
                        .tcp = tcp,
                        .accepted = accepted,
                        .name = name,
                        .peer = NOBODY,
                        .fd = fd,
                        .reactor = (int)weft_reactor_index()};
    return index;
}

/* The two sides of a connection find each other by the name of the one that connected. */
void ends_match(int index)
{
    struct end *end = &model.ends[index];

    for (int i = 0; i < model.end_count && end->name && end->peer == NOBODY; i++) {
        struct end *other = &model.ends[i];
        if (other->name == end->name && other->tcp == end->tcp &&
            other->accepted != end->accepted && other->peer == NOBODY) {
            other->peer = index;
            end->peer = i;
        }
    }
}

/* -- sending --------------------------------------------------------------------------------- */

/* Writes the next bytes into the log, as many as there is room for. */
size_t way_offer(struct end *end, size_t size)
{
    unsigned char *log = way_bytes(end);
    uint64_t from = end->out.sent;

    if (size > WAY_MAX - from)
        size = WAY_MAX - from;
    for (uint64_t i = from; i < from + size; i++)
        log[i] = pattern(index_of(end), i);
    return size;
}

/* A call that sends has come back and says that `count` of `size` bytes went. Some: then an error
   may have stopped it that the kernel tells nobody (io_send with MSG_WAITALL gives the count
   instead), and what is read next looks like the end of the stream. */
void way_moved(struct end *end, size_t count, size_t size)
{
    const struct end *peer = end->peer == NOBODY ? NULL : &model.ends[end->peer];

    end->failed |= count > 0 && count < size;
    end->out.sent += count;
    if (end->writers == 0)
        end->out.offering = 0;
    if (peer && peer->received > end->out.sent + end->out.offering)
        broke("end %d sent %llu bytes, as far as it was told, and end %d has received %llu",
              index_of(end), (unsigned long long)end->out.sent, end->peer,
              (unsigned long long)peer->received);
}

/* -- receiving ------------------------------------------------------------------------------- */

/* Are these the next bytes for the end? */
void end_verify(const struct end *end, const void *data, size_t size)
{
    const unsigned char *bytes = data, *log;
    const struct end *peer;

    if (end->peer == NOBODY)
        broke("end %d received %zu bytes from nobody", index_of(end), size);
    peer = &model.ends[end->peer];
    log = way_bytes(peer) + end->received;
    if (end->received + size > peer->out.sent + peer->out.offering)
        broke("end %d received %llu bytes; end %d sent %llu", index_of(end),
              (unsigned long long)(end->received + size), end->peer,
              (unsigned long long)peer->out.sent);
    if (memcmp(bytes, log, size) == 0)
        return;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != log[i])
            broke("end %d: byte %llu is %#x, and was sent as %#x", index_of(end),
                  (unsigned long long)(end->received + i), bytes[i], log[i]);
}

void end_given(struct end *end)
{
    if (end->giving == 0)
        return;
    end->received += end->giving;
    end->giving = 0;
    end->viewed = false;
}

void end_received(struct end *end, const void *data, size_t size)
{
    if (size == 0)
        return;
    end_given(end);
    if (end->ended && !end->shut_in)
        broke("end %d receives behind the end of the stream", index_of(end));
    end_verify(end, data, size);
    end->received += size;
}

/* The end of the stream was read: then the peer has ended it, and all has come. */
void end_of_stream(struct end *end)
{
    const struct end *peer = end->peer == NOBODY ? NULL : &model.ends[end->peer];

    end_given(end);
    end->ended = true;
    if (end->shut_in || end->failed || end->writers > 0 || end->out.unsure > 0 || !peer)
        return; /* no end of the peer's, or an error was told before, or is about to be */
    if (peer->state == END_OPEN && !peer->shut_out && !model.main_over)
        broke("end %d reads the end of the stream, and end %d has not ended it", index_of(end),
              end->peer);
    if (peer->writers > 0)
        return; /* cut off, and what went will be said in a moment */
    if (end->received < peer->out.sent - peer->out.unsure)
        broke("end %d reads the end of the stream after %llu bytes; end %d sent %llu",
              index_of(end), (unsigned long long)end->received, end->peer,
              (unsigned long long)peer->out.sent);
}

/* -- errors ---------------------------------------------------------------------------------- */

static bool peer_is_gone(const struct end *end)
{
    return end->peer == NOBODY || model.ends[end->peer].state != END_OPEN || model.main_over;
}

/* Is there a reason for it in a world where nothing fails? */
static bool has_reason(const struct end *end, int64_t error, bool writes)
{
    switch (error) {
    case -EBUSY:
        return (writes ? end->writers + end->flushers : end->readers) > 0 || end->viewed;
    case -EXDEV:
        return end->reactor != NOBODY && end->reactor != (int)weft_reactor_index();
    case -EBADF:
        return end->state != END_OPEN;
    case -ECONNRESET:
        return end->shut_in || peer_is_gone(end) || model.ends[end->peer].shut_in;
    case -EPIPE:
        return end->shut_out || peer_is_gone(end) || model.ends[end->peer].shut_in;
    case -ENOTCONN:
        return end->failed || end->shut_out || peer_is_gone(end);
    default:
        return false;
    }
}

static bool leaves_no_trace(int64_t error)
{
    return error == -ENOMEM || error == -ENOBUFS || error == -EINTR || error == -EAGAIN;
}

void end_error(struct end *end, int64_t error, bool writes)
{
    if (error == -ECANCELED || error == -ESHUTDOWN)
        return; /* call_end has seen to it */
    if (!has_reason(end, error, writes) && !program.faults)
        broke("end %d: %s, and nothing is wrong with it", index_of(end), strerror((int)-error));
    if (error == -EBUSY || error == -EXDEV || error == -EBADF)
        return;
    end->failed |= end->stream || !leaves_no_trace(error);
}
