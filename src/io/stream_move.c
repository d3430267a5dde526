/*
 * io/stream_move.c - a stream on its way from one reactor to another.
 *
 *      its reactor's --detach: receive and send ended, buffers of the pool copied--> nobody's
 *           ^                                                                           |
 *           +--------------------- attach, on any reactor: armed, sent on --------------+
 *
 * What always holds of a stream that is nobody's: nothing is in flight on it, no timer is armed, it
 * is in no list, and all its memory is the heap's. So it is a value like any other, and whoever
 * passes it on sees to the order, as a spawn or a queue does.
 */
#include <string.h>

#include "io/stream.h"
#include "task/wait.h"

/* Whose a stream is meanwhile: no reactor is this one. Never written. */
static struct weft__io nowhere;

bool weft__stream_detached(const struct weft_stream *stream)
{
    return stream->io == &nowhere;
}

/* -- detaching ----------------------------------------------------------------------------------
 */

/* What has been received, or is to be sent, of a buffer of the pool's or of another stream's. */
static struct weft__buffer *copy_of(const struct weft__buffer *buffer, uint32_t offset,
                                    uint32_t length)
{
    struct weft__buffer *copy = weft__buffers_heap(length);

    if (!copy)
        return NULL;
    weft__buffer_filled(copy, length);
    memcpy(copy->data, buffer->data + offset, length);
    copy->length = length;
    copy->next = NULL;
    return copy;
}

/* A copy of what is given and not sent. Its giver has done with it, so it may be hidden. */
static struct weft__buffer *copy_of_given(const struct weft_stream *stream)
{
    const struct weft__sending *sending = stream->sending;
    const struct weft__buffer *given = sending->given;
    struct weft__buffer *copy;

    weft__san_unpoison(given->data + sending->offset, sending->length);
    copy = copy_of(given, sending->offset, sending->length);
    if (given->users > 1)
        weft__buffer_read(given);
    return copy;
}

static void free_all(struct weft__buffer *list)
{
    while (list) {
        struct weft__buffer *next = list->next;
        weft__buffer_free(list);
        list = next;
    }
}

/* Copies of all that are held. False: no memory, and nothing is left of it. */
static bool copy_held(const struct weft_stream *stream, struct weft__buffer **list)
{
    struct weft__buffer **end = list;

    *list = NULL;
    for (const struct weft__buffer *held = stream->head; held; held = held->next) {
        *end = copy_of(held, held->offset, held->length);
        if (!*end) {
            free_all(*list);
            return false;
        }
        end = &(*end)->next;
    }
    return true;
}

static void replace_held(struct weft_stream *stream, struct weft__buffer *list)
{
    while (stream->head) {
        struct weft__buffer *buffer = stream->head;
        stream->head = buffer->next;
        weft__buffers_give(stream->io->buffers, buffer);
    }
    stream->head = list;
    stream->held = 0;
    for (; list; list = list->next) {
        stream->tail = list;
        stream->held += list->size;
    }
}

static void replace_given(struct weft_stream *stream, struct weft__buffer *rest)
{
    if (!rest)
        return;
    weft__buffers_give(stream->io->buffers, stream->sending->given);
    stream->sending->given = rest;
    stream->sending->offset = 0;
}

/* Everything is the heap's afterwards, or nothing has changed: -ENOMEM. */
static int pack(struct weft_stream *stream)
{
    struct weft__buffer *list, *rest = NULL;
    bool gives = weft__stream_gives(stream);

    if (!copy_held(stream, &list))
        return -ENOMEM;
    if (gives)
        rest = copy_of_given(stream);
    if (gives && !rest) {
        free_all(list);
        return -ENOMEM;
    }
    replace_held(stream, list);
    replace_given(stream, rest);
    return 0;
}

/* Is something in flight that ends by itself, or has been told to? */
static bool is_ending(const struct weft_stream *stream)
{
    const struct weft__fd *record = weft__stream_record(stream);

    return weft__op_in_flight(&stream->receive) || weft__stream_send_in_flight(stream) ||
           (weft__stream_owns(stream) && record->uses > 0 &&
            !weft__fd_used(stream->io, stream->fd, record));
}

/* What the stream's `closer` is while it is being detached. */
struct halting {
    struct weft__closer self;  /* first: who detaches it; he waits for other users, too */
    struct weft__wait *closer; /* of who is to close it, and so calls that off; NULL: nobody */
};

/* Ends what is in flight. No task is inside a call, so the waits are the kernel's and short. */
static void halt(struct weft__task *self, struct weft_stream *stream, struct halting *halting)
{
    struct weft__fd *record = weft__stream_record(stream);

    stream->moving = true;
    stream->flushing = true; /* and every other call is refused */
    weft__stream_feed(stream);
    weft__stream_stand_nowhere(stream);
    stream->closer = &halting->self.wait;
    weft__op_cancel(self->reactor, &stream->receive);
    if (stream->sending)
        weft__op_cancel(self->reactor, &stream->sending->op);
    weft__fd_closer_begin(stream->io, record, &halting->self);
    while (is_ending(stream))
        weft__wait_for_wake(self, &halting->self.wait, false);
    weft__fd_closer_end(record, &halting->self);
    stream->closer = NULL;
}

/* It goes on where it is now; lost meanwhile, it asks nothing of a number that is another's. */
static void go_on(struct weft_stream *stream)
{
    stream->moving = false;
    stream->flushing = false;
    if (weft__stream_owns(stream)) {
        weft__stream_stand_by(stream);
        weft__stream_arm(stream);
    } else {
        weft__stream_lose(stream);
    }
    if (weft__stream_gives(stream))
        weft__stream_retry_give(stream);
    else if (stream->sending)
        weft__stream_go_on(stream);
}

/* It stays. Who is to close it has it from here on. */
static int give_up(struct weft_stream *stream, const struct halting *halting, int error)
{
    go_on(stream);
    if (halting->closer) {
        stream->flushing = true;
        weft__wake_now(stream->io->reactor, halting->closer);
    }
    return error;
}

int weft__stream_call_off_detach(struct weft__task *self, struct weft_stream *stream)
{
    struct halting *halting = (struct halting *)stream->closer;
    struct weft__wait wait = {.what = "close", .fd = stream->fd};

    _Static_assert(offsetof(struct halting, self.wait) == 0, "cast above");
    if (halting->closer)
        return -EALREADY;
    halting->closer = &wait;
    while (stream->moving)
        weft__wait_for_wake(self, &wait, false);
    return 0;
}

static int check(const struct weft_stream *stream)
{
    if (stream->reading || stream->viewing || stream->writer || stream->owned || stream->owner)
        return weft__misuse(-EBUSY,
                            "a call, a view, a server, a transport or a process has the stream");
    return weft__stream_shut(stream) ? -ENOTCONN : 0;
}

int weft_stream_detach(weft_stream *stream)
{
    struct halting halting = {.closer = NULL};
    struct weft__fd *record;
    struct weft__task *self;
    int error = weft__stream_enter(stream, 0, &self);

    if (error == 0)
        error = check(stream);
    if (error == 0 && !weft__stream_owns(stream))
        error = weft__stream_is_gone();
    if (error < 0)
        return error;
    halting.self.wait = (struct weft__wait){.what = "detach", .fd = stream->fd};
    halt(self, stream, &halting);
    record = weft__stream_record(stream);
    if (halting.closer)
        error = weft__task_pass_on(self, -ECANCELED);
    else if (!weft__stream_owns(stream))
        error = weft__stream_is_gone();
    else if (record->uses > 0)
        error = weft__misuse(-EBUSY, "another call uses the descriptor");
    else
        error = pack(stream);
    if (error < 0)
        return give_up(stream, &halting, error);
    weft__stream_let_go_of_file(stream);
    weft__stream_leave_record(record);
    stream->identity = weft__fd_identity(stream->fd);
    weft__fd_hand_over(stream->io, record);
    stream->io = &nowhere;
    return 0;
}

/* -- attaching ----------------------------------------------------------------------------------
 */

/* Makes it this reactor's. 0; -EXDEV, -EBUSY; -EBADF: the descriptor was closed meanwhile, and may
   be somebody else's by now. */
static int claim(struct weft__io *io, struct weft_stream *stream)
{
    uint32_t identity = weft__fd_identity(stream->fd);
    struct weft__fd *record;
    int error;

    if (identity == 0 || /* it was none before, either */
        identity != stream->identity)
        return -EBADF;
    error = weft__fd_find(io, stream->fd, &record); /* kept: nothing fails after it */
    if (error < 0)
        return error;
    if (record->sides[WEFT__READER] || record->sides[WEFT__WRITER])
        return weft__fd_refuse(record);
    weft__stream_enlist(stream, io, record);
    stream->lent = 0;
    stream->writes = 0; /* the ring here holds no file of it yet */
    stream->paused = stream->to_memory = false;
    return 0;
}

int weft_stream_attach(weft_stream *stream)
{
    struct weft__task *self = weft__task_self();
    struct weft__io *io;
    int error;

    if (!self)
        return weft__outside();
    if (!stream || !weft__stream_detached(stream))
        return weft__misuse(-EINVAL, "no stream, or one that is not detached");
    io = weft__io_of(self->reactor);
    error = weft__stream_prepare_pool(io);
    if (error == 0)
        error = claim(io, stream);
    if (error == 0)
        go_on(stream);
    return error;
}

/* There may be no pool of buffers here, and no memory for one: so nothing is received any more. */
int weft__stream_attach_to_close(struct weft__task *self, struct weft_stream *stream)
{
    int error = claim(weft__io_of(self->reactor), stream);

    if (error == -EBADF)
        weft__stream_destroy(stream);
    if (error < 0)
        return error;
    stream->to_memory = true;
    go_on(stream);
    return 0;
}
