/*
 * io/stream_receive.c - the armed receive of a stream; stream.h draws its states.
 *
 * What always holds: a buffer that a completion names is held or given back, whatever the result;
 * the receive is armed again on nothing but the end of the one before.
 */
#include "io/stream.h"

#include <string.h>

#include "base/memory.h"
#include "ring/host.h"
#include "task/wait.h"

enum {
    FULL_TO_GROW = 3,     /* full buffers in a row: the next size */
    SMALL_TO_SHRINK = 64, /* pieces in a row that an eighth of the buffer would have held */
    LARGE_TO_DIRECT = 8,  /* large pieces in a row, at the largest size */
    LARGE_SIZE = 32768,
    COPY_SIZE_MAX = 1024, /* smaller pieces are copied behind what is held already */
    PLAIN_SIZE = 16384,   /* of the buffer where there is no pool */
    RETRY_NS = 1000000,
};

static struct weft__reactor *reactor_of(const struct weft_stream *stream)
{
    return stream->io->reactor;
}

static bool over(const struct weft_stream *stream)
{
    return stream->ended || stream->error < 0 || stream->closing || stream->moving;
}

/* -- the buffers held ----------------------------------------------------------------------- */

static void hold(struct weft_stream *stream, struct weft__buffer *buffer, uint32_t length)
{
    buffer->next = NULL;
    buffer->offset = 0;
    buffer->length = length;
    if (stream->head)
        stream->tail->next = buffer;
    else
        stream->head = buffer;
    stream->tail = buffer;
    stream->held += buffer->size;
}

void weft__stream_hold(struct weft_stream *stream, struct weft__buffer *buffer, uint32_t length)
{
    weft__buffer_filled(buffer, length);
    hold(stream, buffer, length);
}

static uint32_t room_behind(const struct weft__buffer *tail)
{
    return tail->size - tail->offset - tail->length;
}

/* Puts the bytes where they cost less than a buffer of the pool. False: that is not possible. */
static bool put_elsewhere(struct weft_stream *stream, const struct weft__buffer *buffer,
                          uint32_t length)
{
    struct weft__buffer *tail = stream->head ? stream->tail : NULL;
    struct weft__buffer *copy;

    if (tail && (length <= COPY_SIZE_MAX || stream->hunted > 0) && length <= room_behind(tail)) {
        weft__buffer_filled(tail, length);
        memcpy(tail->data + tail->offset + tail->length, buffer->data, length);
        tail->length += length;
        return true;
    }
    if (stream->receive.waiter || buffer->class == WEFT__BUFFER_HEAP ||
        !weft__buffers_scarce(stream->io->buffers, buffer->class))
        return false;
    copy = weft__buffers_heap(length);
    if (!copy)
        return false;
    weft__buffer_filled(copy, length);
    memcpy(copy->data, buffer->data, length);
    hold(stream, copy, length);
    return true;
}

static void give(struct weft_stream *stream, struct weft__buffer *buffer)
{
    if (buffer->class == WEFT__BUFFER_HEAP && !stream->filling && buffer->size == PLAIN_SIZE &&
        buffer->users == 1) {
        buffer->offset = buffer->length = 0;
        stream->filling = buffer;
    } else {
        weft__buffers_give(stream->io->buffers, buffer);
    }
}

void weft__stream_take(struct weft_stream *stream, size_t count)
{
    stream->first_due = false;
    while (count > 0) {
        struct weft__buffer *buffer = stream->head;
        uint32_t part = count < buffer->length ? (uint32_t)count : buffer->length;

        buffer->offset += part;
        buffer->length -= part;
        count -= part;
        weft__buffer_read(buffer);
        if (buffer->length == 0) {
            stream->head = buffer->next;
            stream->held -= buffer->size;
            give(stream, buffer);
        }
    }
    if (__builtin_expect(!weft__op_in_flight(&stream->receive), 0))
        weft__stream_arm(stream);
}

/* -- the size of the buffers ----------------------------------------------------------------- */

/* Takes effect with the next arming, which is brought about by ending the present one. */
static void change_class(struct weft_stream *stream, int by)
{
    stream->class = (uint8_t)(stream->class + by);
    stream->full = stream->small = stream->large = 0;
    weft__op_cancel(reactor_of(stream), &stream->receive);
}

/* How many times in a row, this time included. */
static uint8_t in_a_row(uint8_t before, bool again)
{
    if (!again)
        return 0;
    return before < UINT8_MAX ? (uint8_t)(before + 1) : before;
}

static void follow_traffic(struct weft_stream *stream, uint32_t size, uint32_t length)
{
    stream->full = in_a_row(stream->full, length == size);
    stream->small = in_a_row(stream->small, length <= size / 8);
    stream->large = in_a_row(stream->large, length >= LARGE_SIZE);
    if (stream->full >= FULL_TO_GROW && stream->class < WEFT__BUFFER_TOP &&
        weft__buffer_size(stream->class + 1u) <= stream->held_max)
        change_class(stream, 1);
    else if (stream->small >= SMALL_TO_SHRINK && stream->class > 0)
        change_class(stream, -1);
}

void weft__stream_note_direct(struct weft_stream *stream, uint32_t count)
{
    stream->small = in_a_row(stream->small, count < LARGE_SIZE / 4);
    if (stream->small < LARGE_TO_DIRECT)
        return;
    stream->to_memory = false;
    stream->class = 0;
    stream->full = stream->small = stream->large = 0;
}

/* -- completions ---------------------------------------------------------------------------- */

static void append(struct weft_stream *stream, struct weft__buffer *buffer, uint32_t length)
{
    WEFT__COUNT_BY(reactor_of(stream), bytes_received, length);
    if (__builtin_expect(stream->owned, 0))
        weft__stream_charge(stream, length);
    if (!stream->fixed && buffer->class == stream->class)
        follow_traffic(stream, buffer->size, length);
    if (put_elsewhere(stream, buffer, length))
        give(stream, buffer);
    else
        hold(stream, buffer, length);
    stream->hunted -= length < stream->hunted ? length : stream->hunted;
}

static struct weft__buffer *buffer_of(struct weft_stream *stream, uint32_t flags)
{
    struct weft__buffer *buffer = stream->filling;

    if (stream->armed_class != WEFT__BUFFER_HEAP)
        return flags & WEFT__CQE_BUFFER
                   ? weft__buffers_take(stream->io->buffers, stream->armed_class, flags)
                   : NULL;
    stream->filling = NULL;
    return buffer;
}

static void received(struct weft_stream *stream, int32_t result, uint32_t flags)
{
    struct weft__buffer *buffer = buffer_of(stream, flags);

    if (result > 0 && buffer && !stream->closing) {
        weft__buffer_filled(buffer, (uint32_t)result);
        append(stream, buffer, (uint32_t)result);
        return;
    }
    if (buffer)
        give(stream, buffer);
    if (result == 0 || (result == -EIO && stream->hangs_up))
        stream->ended = true;
    else if (result < 0 && result != -ENOBUFS && result != -EAGAIN &&
             !weft__result_is_cancel(result))
        stream->error = result;
}

static void starve(struct weft_stream *stream)
{
    if (weft__buffers_refill(stream->io->buffers, stream->armed_class)) {
        weft__stream_arm(stream);
        return;
    }
    WEFT__COUNT(reactor_of(stream), recv_pauses);
    if (stream->standing == WEFT__STANDS_RETRY)
        return; /* tried again soon, as it is */
    weft__stream_stand_nowhere(stream);
    stream->standing = WEFT__STANDS_STARVED;
    weft__buffers_wait(stream->io->buffers, stream->armed_class, &stream->place);
}

/* The receive has ended: what next? */
static void settle(struct weft_stream *stream, int32_t result)
{
    if (stream->stopping) {
        weft__stream_stopped(stream);
    } else if (stream->closing || stream->moving) {
        weft__stream_wake_closer(stream);
    } else if (over(stream)) {
        return;
    } else if (result == -ENOBUFS && stream->armed_class != WEFT__BUFFER_HEAP) {
        starve(stream);
    } else {
        weft__stream_arm(stream);
    }
}

static void completed(struct weft__op *op, int32_t result, uint32_t flags)
{
    struct weft_stream *stream = (struct weft_stream *)op;

    _Static_assert(offsetof(struct weft_stream, receive) == 0, "cast above");
    received(stream, result, flags);
    /* a reader who waits for the end of the armed receive, in order to receive by itself, too */
    if (stream->receive.waiter && (stream->head || over(stream) || stream->to_memory))
        weft__wake_now(reactor_of(stream), stream->receive.waiter);
    if (__builtin_expect(stream->owned, 0))
        weft__stream_stirred(stream);
    if (!(flags & WEFT__CQE_MORE))
        settle(stream, result);
    else if (stream->held >= stream->held_max && stream->hunted == 0)
        weft__op_cancel(reactor_of(stream), op);
}

/* -- arming --------------------------------------------------------------------------------- */

/* Where there is no pool: one buffer, filled again only when it has been read. */
static int arm_plain(struct weft_stream *stream)
{
    struct weft__sqe *sqe;

    if (!stream->filling)
        stream->filling = weft__buffers_heap(PLAIN_SIZE);
    if (!stream->filling)
        return -ENOMEM;
    sqe = weft__op_begin(reactor_of(stream), &stream->receive);
    if (!sqe)
        return -ENOMEM;
    stream->armed_class = WEFT__BUFFER_HEAP;
    if (stream->plain)
        weft__request_read(sqe, stream->fd, stream->filling->data, stream->filling->size,
                           WEFT__OFFSET_CURRENT);
    else
        weft__request_recv(sqe, stream->fd, stream->filling->data, stream->filling->size, 0,
                           WEFT__RECV_POLL_FIRST);
    sqe->user_data = stream->receive.id;
    return 0;
}

static int arm_from_pool(struct weft_stream *stream)
{
    struct weft__reactor *reactor = reactor_of(stream);
    uint16_t group = weft__buffers_group(stream->class);
    struct weft__sqe *sqe = weft__op_begin(reactor, &stream->receive);

    if (!sqe)
        return -ENOMEM;
    weft__buffer_free(stream->filling);
    stream->filling = NULL;
    stream->armed_class = stream->class;
    if (stream->plain)
        weft__request_read_select(sqe, stream->fd, group, weft__buffer_size(stream->class));
    else if (reactor->ring.features & WEFT__FEATURE_RECV_MULTISHOT)
        weft__request_recv_multishot(sqe, stream->fd, group, 0); /* looks first: decision 64 */
    else
        weft__request_recv_select(sqe, stream->fd, group, weft__buffer_size(stream->class),
                                  WEFT__RECV_POLL_FIRST);
    sqe->user_data = stream->receive.id;
    return 0;
}

/* A stream that lags is armed again when half of what it may hold has been read, or its reader
   wants more before it reads any. */
static bool should_pause(struct weft_stream *stream)
{
    uint32_t limit = stream->paused ? stream->held_max / 2 : stream->held_max - 1;
    bool was_paused = stream->paused;

    stream->paused = stream->held > limit && stream->hunted == 0;
    if (stream->paused && !was_paused)
        WEFT__COUNT(reactor_of(stream), recv_pauses);
    return stream->paused;
}

/* -- waiting to be tried again ---------------------------------------------------------------- */

void weft__stream_stand(struct weft_stream *stream, enum weft__standing standing,
                        struct weft__starved **list)
{
    struct weft__starved *place = &stream->place;

    weft__stream_stand_nowhere(stream);
    stream->standing = standing;
    place->next = *list;
    place->link = list;
    if (place->next)
        place->next->link = &place->next;
    *list = place;
}

void weft__stream_stand_nowhere(struct weft_stream *stream)
{
    struct weft__starved *place = &stream->place;

    if (stream->standing == WEFT__STANDS_STARVED) {
        weft__buffers_wait_no_more(stream->io->buffers, stream->armed_class, place);
    } else if (stream->standing != WEFT__STANDS_NOWHERE) {
        *place->link = place->next;
        if (place->next)
            place->next->link = place->link;
    }
    stream->standing = WEFT__STANDS_NOWHERE;
    stream->closer = NULL;
}

void weft__stream_stand_by(struct weft_stream *stream)
{
    weft__stream_stand(stream, WEFT__STANDS_BY, &stream->io->streams);
}

/* All of them, once: those that have no luck wait anew. */
static void retry(struct weft__timer *timer)
{
    struct weft__io *io = (struct weft__io *)((char *)timer - offsetof(struct weft__io, retry));
    struct weft__starved *list = io->retries;

    io->retries = NULL;
    if (list)
        list->link = &list;
    while (list) {
        struct weft_stream *stream = weft__stream_at(list);
        weft__stream_stand_by(stream);
        stream->desperate = false; /* it may have been starved, too, and is armed now */
        weft__stream_arm(stream);
        weft__stream_retry_give(stream);
    }
}

bool weft__stream_is_large(const struct weft_stream *stream)
{
    return stream->large >= LARGE_TO_DIRECT;
}

void weft__stream_retry_soon(struct weft_stream *stream)
{
    struct weft__io *io = stream->io;

    if (stream->standing == WEFT__STANDS_RETRY || stream->closing || stream->moving)
        return;
    weft__stream_stand(stream, WEFT__STANDS_RETRY, &io->retries);
    if (weft__timer_armed(&io->retry))
        return;
    io->retry.fire = retry;
    weft__timer_arm(&io->reactor->timers, &io->retry, weft__host_now() + RETRY_NS);
}

int weft__stream_arm(struct weft_stream *stream)
{
    struct weft__reactor *reactor = reactor_of(stream);
    int error;

    if (weft__op_in_flight(&stream->receive) || stream->standing == WEFT__STANDS_STARVED ||
        over(stream) || stream->to_memory || should_pause(stream))
        return 0;
    if (reactor->ring.features & WEFT__FEATURE_BUFFER_RING &&
        weft__buffers_prepare(stream->io->buffers, stream->class) == 0)
        error = arm_from_pool(stream);
    else if (stream->head && stream->hunted == 0)
        return 0;
    else
        error = arm_plain(stream);
    if (error < 0) {
        weft__stream_retry_soon(stream);
        return error;
    }
    if (stream->was_armed)
        WEFT__COUNT(reactor, recv_rearms);
    stream->was_armed = true;
    return 0;
}

void weft__stream_feed(struct weft_stream *stream)
{
    stream->desperate = false;
    if (stream->standing == WEFT__STANDS_STARVED)
        weft__stream_stand_by(stream);
}

int weft__stream_arm_plain(struct weft_stream *stream)
{
    int error;

    weft__stream_feed(stream);
    error = arm_plain(stream);
    if (error < 0) /* nobody else may come to try again */
        weft__stream_retry_soon(stream);
    return error;
}

void weft__stream_resume(struct weft__starved *place)
{
    struct weft_stream *stream = weft__stream_at(place);

    stream->standing = WEFT__STANDS_NOWHERE; /* the pool has taken it out */
    weft__stream_stand_by(stream);
    stream->desperate = false;
    weft__stream_arm(stream);
}

/* The reader, if it waits now or when it comes, is to help itself. */
void weft__stream_despair(struct weft__starved *place)
{
    struct weft_stream *stream = weft__stream_at(place);

    stream->desperate = true;
    if (stream->owned == WEFT__OWNED_BY_TRANSPORT) /* which has no reader to do so */
        weft__stream_arm_plain(stream);
    if (stream->receive.waiter)
        weft__wake_now(reactor_of(stream), stream->receive.waiter);
}

void weft__stream_init_receive(struct weft_stream *stream)
{
    stream->receive.complete = completed;
}

bool weft__stream_end(struct weft_stream *stream)
{
    struct weft__reactor *reactor = reactor_of(stream);

    stream->closing = true;
    if (stream->standing != WEFT__STANDS_NOWHERE)
        weft__stream_stand_nowhere(stream);
    weft__op_cancel(reactor, &stream->receive);
    if (stream->direct)
        weft__op_cancel(reactor, stream->direct);
    if (stream->writer)
        weft__op_cancel(reactor, stream->writer);
    return weft__stream_end_give(stream) && !weft__op_in_flight(&stream->receive) &&
           !stream->reading && !stream->writer;
}
