/*
 * io/stream_write.c - the writer's side of a stream. One task at a time; what it writes is sent
 * from its own memory, by one request as a rule.
 */
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include "io/give.h"
#include "io/stream.h"
#include "io/transfer.h"
#include "ring/host.h"
#include "task/operation.h"

/* Why nothing more is sent: it closes, or is lost. Nobody else gives while a task writes. */
static bool is_over(const struct weft_stream *stream)
{
    return stream->closing | stream->giving;
}

static int why_over(struct weft__task *self, const struct weft_stream *stream)
{
    return weft__task_pass_on(self, stream->closing ? -ECANCELED : stream->write_error);
}

/* Inlined, as all is between a public call and the switch: see weft__fiber_switch_away. One
   request. Between taking it and here the stream may have begun to close: then it does nothing.
 */
static inline __attribute__((always_inline)) int32_t send_once(struct weft__task *self,
                                                               struct weft_stream *stream,
                                                               struct weft__operation *operation,
                                                               const char *buffer, size_t size,
                                                               uint32_t more)
{
    struct weft__sqe *sqe = weft__operation_begin(self, operation, "write", stream->fd);
    int32_t result;

    if (!sqe)
        return weft__operation_error(self);
    if (__builtin_expect(is_over(stream), 0)) {
        weft__request_nop(sqe);
        weft__operation_hold(operation);
    } else {
        weft__stream_fill_send(sqe, stream, buffer, weft__size_once(size), more);
    }
    result = weft__operation_wait(self, operation, sqe);
    if (__builtin_expect(is_over(stream) && result <= 0, 0))
        return result < 0 && stream->closing ? -ECANCELED : why_over(self, stream);
    WEFT__COUNT_BY(self->reactor, bytes_sent, result > 0 ? result : 0);
    if (__builtin_expect(stream->owned && result > 0, 0))
        weft__stream_charge(stream, (uint32_t)result);
    return result;
}

static inline __attribute__((always_inline)) ssize_t send_all(struct weft__task *self,
                                                              struct weft_stream *stream,
                                                              struct weft__operation *operation,
                                                              const char *buffer, size_t size,
                                                              uint32_t more, size_t *done)
{
    if (__builtin_expect(stream->owned && !weft__stream_affords(stream, size), 0))
        return -EDQUOT;
    while (*done < size) {
        int32_t n;
        if (__builtin_expect(self->visible && *done > 0, 0))
            return weft__task_refuse(self);
        if (__builtin_expect(is_over(stream), 0))
            return why_over(self, stream);
        n = send_once(self, stream, operation, buffer + *done, size - *done, more);
        if (n < 0)
            return n;
        *done += (size_t)n;
    }
    return (ssize_t)size;
}

int weft__stream_begin_write(struct weft_stream *stream, struct weft__op *op)
{
    if (__builtin_expect(stream->writer != NULL, 0))
        return weft__misuse(-EBUSY, "another task writes");
    op->id = 0;
    stream->writer = op;
    return 0;
}

void weft__stream_end_write(struct weft_stream *stream)
{
    stream->writer = NULL;
    if (__builtin_expect(stream->closing, 0))
        weft__stream_wake_closer(stream);
}

/* Takes the writer's side, its turn come: what was given before has been sent. */
static int begin(struct weft_stream *stream, struct weft__op *op, struct weft__task **self)
{
    int error = weft__stream_enter(stream, 0, self);

    if (__builtin_expect(error == 0, 1))
        error = weft__stream_begin_write(stream, op);
    if (__builtin_expect(error < 0 || !stream->giving, 1))
        return error;
    error = weft__stream_wait_given(*self, stream, 0);
    if (error == 0)
        error = weft__admit(*self); /* cancelled meanwhile, and more to wait for */
    if (error < 0)
        weft__stream_end_write(stream);
    return error;
}

ssize_t weft_stream_write(weft_stream *stream, const void *buffer, size_t size, size_t *done)
{
    struct weft__operation operation;
    struct weft__task *self;
    size_t sent = 0;
    ssize_t result;

    if (done)
        *done = 0;
    if (__builtin_expect(!buffer && size > 0, 0))
        return weft__misuse(-EFAULT, "NULL for memory that is needed");
    result = begin(stream, &operation.op, &self);
    if (__builtin_expect(result < 0, 0))
        return result;
    weft__stream_count_write(stream);
    result = send_all(self, stream, &operation, buffer, size, 0, &sent);
    weft__stream_end_write(stream);
    if (done)
        *done = sent;
    return result;
}

/* -- of memory that is given ------------------------------------------------------------------ */

/* From where it lies, as far as that goes; then as ever. */
static ssize_t send_given(struct weft__task *self, struct weft_stream *stream,
                          struct weft__operation *operation, struct weft__gift *gift)
{
    struct weft__fd *record = weft__stream_record(stream);
    const struct weft__given given = {"write", stream->fd, record, weft__fd_word_of(record),
                                      &stream->writer};
    const char *memory = gift->memory;
    size_t more = 0;
    ssize_t result = 0;

    if (stream->owned && !weft__stream_affords(stream, gift->size))
        return -EDQUOT;
    if (!stream->plain)
        result = weft__give_send(self, &given, gift);
    if (stream->owned && gift->sent > 0)
        weft__stream_charge(stream, gift->sent);
    if (result == 0 && gift->sent < gift->size) {
        if (gift->sent > 0 && self->visible)
            return weft__task_refuse(self);
        result = send_all(self, stream, operation, memory + gift->sent, gift->size - gift->sent, 0,
                          &more);
        gift->sent += more;
    }
    return result < 0 ? result : (ssize_t)gift->size;
}

static ssize_t write_given(weft_stream *stream, struct weft__gift *gift)
{
    struct weft__operation operation;
    struct weft__task *self;
    ssize_t result;

    if (!gift->memory && gift->size > 0)
        return weft__misuse(-EFAULT, "NULL for memory that is needed");
    result = begin(stream, &operation.op, &self);
    if (result < 0)
        return result;
    weft__stream_count_write(stream);
    result = send_given(self, stream, &operation, gift);
    weft__stream_end_write(stream);
    return result;
}

ssize_t weft_stream_write_give(weft_stream *stream, const void *memory, size_t size, size_t *done,
                               weft_release_fn release, void *arg)
{
    struct weft__gift gift = {memory, size, release, arg, .done = done};
    int error = weft__gift_begin(&gift);

    return error < 0 ? error : weft__gift_end(&gift, write_given(stream, &gift));
}

/* -- in pieces ------------------------------------------------------------------------------ */

enum { GATHER_SIZE = 1024 }; /* smaller ones are put together, on the stack */

struct pieces {
    const struct iovec *next, *end;
    char together[GATHER_SIZE];
};

/* What is sent next: one large piece where it lies, or small ones copied together. */
static struct iovec next_piece(struct pieces *pieces)
{
    struct iovec piece = {.iov_base = pieces->together};

    if (pieces->next->iov_len >= GATHER_SIZE)
        return *pieces->next++;
    for (; pieces->next < pieces->end; pieces->next++) {
        size_t size = pieces->next->iov_len;
        if (size > GATHER_SIZE - piece.iov_len)
            break;
        if (size > 0)
            memcpy(pieces->together + piece.iov_len, pieces->next->iov_base, size);
        piece.iov_len += size;
    }
    return piece;
}

static __attribute__((noinline)) ssize_t send_pieces(struct weft__task *self,
                                                     struct weft_stream *stream,
                                                     struct weft__operation *operation,
                                                     const struct iovec *vectors, int count,
                                                     size_t *done)
{
    struct pieces pieces = {.next = vectors, .end = vectors + count};
    ssize_t result = 0;

    /* behind the last byte nothing is announced, which would keep it from leaving */
    while (pieces.end > vectors && pieces.end[-1].iov_len == 0)
        pieces.end--;
    while (pieces.next < pieces.end && result >= 0) {
        struct iovec piece = next_piece(&pieces);
        uint32_t more = pieces.next < pieces.end ? MSG_MORE : 0;
        size_t sent = 0;
        if (self->visible && *done > 0)
            return weft__task_refuse(self);
        result = send_all(self, stream, operation, piece.iov_base, piece.iov_len, more, &sent);
        *done += sent;
    }
    return result < 0 ? result : (ssize_t)*done;
}

/* 0; or what is wrong with them. */
static int check_vectors(const struct iovec *vectors, int count)
{
    size_t total = 0;

    if (count < 0 || count > IOV_MAX)
        return weft__misuse(-EINVAL, "so many pieces there cannot be");
    if (!vectors && count > 0)
        return weft__misuse(-EFAULT, "NULL for memory that is needed");
    for (int i = 0; i < count; i++) {
        if (!vectors[i].iov_base && vectors[i].iov_len > 0)
            return weft__misuse(-EFAULT, "NULL for memory that is needed");
        if (vectors[i].iov_len > SSIZE_MAX - total)
            return weft__misuse(-EINVAL, "more bytes than a result can say");
        total += vectors[i].iov_len;
    }
    return 0;
}

ssize_t weft_stream_writev(weft_stream *stream, const struct iovec *vectors, int count,
                           size_t *done)
{
    struct weft__operation operation;
    struct weft__task *self;
    size_t sent = 0;
    ssize_t result = check_vectors(vectors, count);

    if (done)
        *done = 0;
    if (result == 0)
        result = begin(stream, &operation.op, &self);
    if (result < 0)
        return result;
    weft__stream_count_write(stream);
    result = send_pieces(self, stream, &operation, vectors, count, &sent);
    weft__stream_end_write(stream);
    if (done)
        *done = sent;
    return result;
}

int weft_stream_shutdown(weft_stream *stream)
{
    struct weft__task *self;
    struct weft__op op;
    int error = begin(stream, &op, &self);

    if (error < 0)
        return error;
    if (!weft__stream_owns(stream))
        error = weft__stream_is_gone();
    else if (!stream->plain)
        error = weft__host_shutdown(stream->fd, SHUT_WR);
    else if (stream->one_way)
        weft__stream_close_early(stream);
    else
        error = -ENOTSOCK; /* a terminal goes both ways or none */
    weft__stream_end_write(stream);
    weft__reactor_spend(self->reactor);
    return error;
}
