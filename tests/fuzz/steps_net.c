/*
 * Steps on connected sockets: receive, send, shut down, close, hand over.
 */
#include "steps.h"

#include <stdlib.h>

enum { HERE_ONCE_IN = 16 };

/* Is there something to read, as far as is known? */
static bool expects(const struct end *end)
{
    const struct end *peer = end->peer == NOBODY ? NULL : &model.ends[end->peer];

    return peer && !end->ended &&
           (peer->out.sent > end->received || peer->shut_out || peer->state != END_OPEN);
}

static bool may_pick(const struct end *end, enum end_kind kind, bool any)
{
    if (!end->used || end->state != END_OPEN || (kind == FD_END && end->stream) ||
        (kind == STREAM_END && !end->stream))
        return false;
    return any || end->reactor == reactor_here() || (end->reactor == NOBODY && !end->stream);
}

/* The end picked by a number: one of this reactor's, but now and then whosever. */
struct end *pick_end(uint8_t choice, enum end_kind kind)
{
    bool any = choice >= 256 - 256 / HERE_ONCE_IN;

    for (int i = 0; i < model.end_count; i++) {
        struct end *end = &model.ends[(choice + i) % model.end_count];
        if (may_pick(end, kind, any))
            return end;
    }
    return NULL;
}

/* Every other time one where something waits to be read, if there is one. */
struct end *pick_reader(uint8_t choice, enum end_kind kind)
{
    for (int i = 0; i < model.end_count && choice % 2; i++) {
        struct end *end = &model.ends[(choice + i) % model.end_count];
        if (may_pick(end, kind, false) && expects(end))
            return end;
    }
    return pick_end(choice, kind);
}

/* The first to use a descriptor owns it; who is refused has not used it. */
void end_claim(struct end *end, const struct call *call, bool idle)
{
    if (end->reactor == NOBODY && !call->before && !(idle && call->drained))
        end->reactor = reactor_here();
}

int end_flags(const struct end *end)
{
    return end->state == END_OPEN ? PLAIN : UNDER;
}

int64_t until_of(uint8_t choice)
{
    return weft_after_ns(span_of(choice));
}

/* An _until twin may say so once its own deadline has passed, and not before. */
bool is_late(int64_t result, int64_t deadline)
{
    return result == -ETIMEDOUT && weft_cause() == WEFT_CAUSE_DEADLINE && weft_now() >= deadline;
}

/* -- receiving ------------------------------------------------------------------------------- */

enum { RECV, RECV_UNTIL, RECV_EXACTLY, RECV_WAYS };

/* One with a deadline that has passed already claims no descriptor: those are for claimed ones. */
static int recv_way(const struct step *step, const struct end *end)
{
    int way = step->c % RECV_WAYS;

    return way == RECV_UNTIL && end->reactor == NOBODY ? RECV : way;
}

static ssize_t receive(int way, int fd, void *buffer, size_t size, int flags, int64_t deadline,
                       size_t *done)
{
    ssize_t n;

    if (way == RECV_EXACTLY)
        return weft_recv_exactly(fd, buffer, size, done);
    n = way == RECV ? weft_recv(fd, buffer, size, flags)
                    : weft_recv_until(fd, buffer, size, flags, deadline);
    *done = n > 0 ? (size_t)n : 0;
    return n;
}

static int recv_flags(const struct step *step)
{
    static const int flags[] = {0,        WEFT_IDLE, MSG_WAITALL, MSG_DONTWAIT,
                                MSG_PEEK, 0,         WEFT_IDLE,   WEFT_IDLE};

    return step->c % RECV_WAYS == RECV_EXACTLY ? 0 : flags[step->c / RECV_WAYS % 8];
}

static int receive_into(struct task *task, const struct step *step, struct end *end, void *buffer)
{
    size_t size = size_of(step->b), done = 0;
    int flags = recv_flags(step), way = recv_way(step, end);
    int64_t deadline = until_of(step->b ^ step->c);
    struct call call = call_begin(task);
    ssize_t n;

    end_claim(end, &call, flags & WEFT_IDLE);
    end->readers++;
    n = receive(way, end->fd, buffer, size, flags, deadline, &done);
    end->readers--;
    call_end(&call, n, end_flags(end) | (flags & WEFT_IDLE ? IDLE : 0));
    if (done > 0 && flags & MSG_PEEK)
        end_verify(end, buffer, done);
    else if (done > 0)
        end_received(end, buffer, done);
    if (flags & MSG_WAITALL && n > 0 && (size_t)n < size)
        call_cut(task);
    if (n == 0 || n == -ENODATA)
        end_of_stream(end);
    else if (n < 0 && !(n == -EAGAIN && flags & MSG_DONTWAIT) && !is_late(n, deadline))
        end_error(end, n, false);
    if (flags & WEFT_IDLE && call.drained && !call.before && n != -ESHUTDOWN &&
        !is_late(n, deadline))
        broke("task %d began an idle wait in a drain: %zd", task_index(task), n);
    return (int)n;
}

static __attribute__((noinline)) int receive_on_the_stack(struct task *task,
                                                          const struct step *step, struct end *end)
{
    unsigned char buffer[2048];

    return receive_into(task, step, end, buffer);
}

int step_recv(struct task *task, const struct step *step)
{
    struct end *end = pick_reader(step->a, FD_END);
    void *buffer;
    int result;

    if (!end)
        return 0;
    if (size_of(step->b) <= 2048)
        return receive_on_the_stack(task, step, end);
    buffer = malloc(size_of(step->b));
    result = receive_into(task, step, end, buffer);
    free(buffer);
    return result;
}

/* -- sending --------------------------------------------------------------------------------- */

enum { SEND, SEND_ALL, SEND_UNTIL, SEND_ALL_UNTIL, SEND_WAYS };

static ssize_t send_as(int way, int fd, const void *bytes, size_t size, int flags, int64_t deadline,
                       size_t *done)
{
    ssize_t n;

    switch (way) {
    case SEND_ALL:
        return weft_send_all(fd, bytes, size, done);
    case SEND_ALL_UNTIL:
        return weft_send_all_until(fd, bytes, size, done, deadline);
    case SEND_UNTIL:
        n = weft_send_until(fd, bytes, size, flags, deadline);
        break;
    default:
        n = weft_send(fd, bytes, size, flags);
        break;
    }
    *done = n > 0 ? (size_t)n : 0;
    return n;
}

int step_send(struct task *task, const struct step *step)
{
    struct end *end = pick_end(step->a, FD_END);
    int way = step->c % SEND_WAYS, flags = step->c & 0x80 ? MSG_DONTWAIT : 0;
    int64_t deadline = until_of(step->b ^ step->c);
    size_t size = end ? way_offer(end, size_of(step->b)) : 0, done = 0;
    struct call call;
    uint64_t from;
    ssize_t n;

    if (size == 0)
        return 0;
    call = call_begin(task);
    if (end->reactor == NOBODY)
        way %= SEND_UNTIL; /* see recv_way */
    end_claim(end, &call, false);
    from = end->out.sent;
    end->writers++;
    if (end->out.offering < size)
        end->out.offering = size;
    n = send_as(way, end->fd, way_bytes(end) + from, size, flags, deadline, &done);
    end->writers--;
    call_end(&call, n, end_flags(end));
    if (done > 0 && end->out.sent != from)
        broke("two tasks have sent to end %d at once", (int)(end - model.ends));
    if (n > 0 && way % 2 == 1 && (size_t)n != size)
        broke("a short count, %zd of %zu", n, size);
    way_moved(end, done, way % 2 == 1 ? size : done); /* the _all forms */
    if (n < 0 && !(n == -EAGAIN && step->c & 0x80) && !is_late(n, deadline))
        end_error(end, n, true);
    return (int)n;
}

int step_shutdown(struct task *task, const struct step *step)
{
    static const int how[] = {SHUT_WR, SHUT_WR, SHUT_WR, SHUT_RDWR, SHUT_RD};
    struct end *end = pick_end(step->a, ANY_END);
    int which = end && end->stream ? SHUT_WR : how[step->b % 5], result;
    struct call call;
    uint64_t sent;

    if (!end)
        return 0;
    sent = end->out.sent;
    call = call_begin(task);
    end_claim(end, &call, false);
    end->shut_out |= !call.before && which != SHUT_RD; /* or it may have been, in the end */
    end->shut_in |= !call.before && which != SHUT_WR;
    end->flushers++;
    result = end->stream ? weft_stream_shutdown(end->stream) : weft_shutdown(end->fd, which);
    end->flushers--;
    call_end(&call, result, end_flags(end));
    if (result == 0 && end->stream && end->writers == 0 && end->out.sent == sent)
        end->out.unsure = 0; /* nothing was given meanwhile */
    if (result < 0)
        end_error(end, result, true);
    return result;
}

/* -- the end of an end ----------------------------------------------------------------------- */

static int close_as(struct end *end, bool abort)
{
    if (!end->stream)
        return weft_close(end->fd);
    return abort ? weft_stream_abort(end->stream) : weft_stream_close(end->stream);
}

int end_close(struct task *task, struct end *end, bool abort)
{
    bool other = end->reactor != NOBODY && end->reactor != reactor_here(),
         was = end->stream != NULL;
    int result;

    if (!other)
        end->state = END_CLOSING;
    errno_mark(task);
    result = close_as(end, abort);
    errno_check(task);
    if (other) {
        if (result != -EXDEV)
            broke("another reactor's descriptor was closed: %d", result);
        return result;
    }
    if (result < 0 && !program.faults)
        broke("end %d is not closed: %d", (int)(end - model.ends), result);
    end->state = END_CLOSED;
    if (was && weft_cancelled())
        call_cut(task); /* while it waited for what was given */
    if (was && !abort && !program.faults && end->writers == 0 && !weft_cancelled() &&
        !end->shut_out)
        end->out.unsure = 0;
    return result;
}

int step_close(struct task *task, const struct step *step)
{
    struct end *end = pick_end(step->a, ANY_END);

    return end ? end_close(task, end, step->b % 4 == 0) : 0;
}

int step_move(struct task *task, const struct step *step)
{
    struct end *end = pick_end(step->a, ANY_END);
    int result;

    (void)task;
    if (!end)
        return 0;
    result = weft_fd_move(end->fd);
    if (result == 0 && (end->reactor != NOBODY && end->reactor != reactor_here()))
        broke("another reactor's descriptor was given away");
    if (result == 0 && end->stream)
        broke("a stream's descriptor was given away");
    if (result == 0)
        end->reactor = NOBODY;
    else if (result == -EBUSY) {
        if (end->reactor == NOBODY)
            end->reactor = reactor_here();
        if (end->readers + end->writers + end->flushers == 0 && !end->stream)
            broke("end %d is busy, and nobody works on it", (int)(end - model.ends));
    } else
        end_error(end, result, false);
    return result;
}
