/*
 * Steps on streams: open, read, look at, put back, give away, write, wait for what was given.
 */
#include "steps.h"

#include <stdlib.h>

int step_stream(struct task *task, const struct step *step)
{
    static const uint32_t held[] = {0, 1, 4096, 20000};
    static const uint32_t sizes[] = {0, 4096, 16384, 65536};
    struct weft_stream_opt opt = {.size = sizeof opt,
                                  .held_max = held[step->b % 4],
                                  .buffer_size = sizes[step->c % 4]};
    struct end *end = pick_end(step->a, FD_END);
    weft_stream *stream;
    int result;

    (void)task;
    if (!end)
        return 0;
    result = weft_stream_open(end->fd, &opt, &stream);
    if (result < 0) {
        if (result == -EBUSY && end->readers + end->writers + end->flushers > 0)
            return result;
        end_error(end, result, false);
        return result;
    }
    if (end->reactor != NOBODY && end->reactor != (int)weft_reactor_index())
        broke("a stream was made of another reactor's descriptor");
    end->reactor = (int)weft_reactor_index();
    end->stream = stream;
    return 0;
}

/* -- reading --------------------------------------------------------------------------------- */

enum { READ, READ_UNTIL, READ_EXACTLY, READ_WAYS };

static ssize_t read_as(const struct step *step, weft_stream *stream, void *buffer, size_t size,
                       int flags, int64_t deadline, size_t *done)
{
    ssize_t n;

    if (step->c % READ_WAYS == READ_EXACTLY)
        return weft_stream_read_exactly(stream, buffer, size, done);
    n = step->c % READ_WAYS == READ
            ? weft_stream_read(stream, buffer, size, flags)
            : weft_stream_read_until_time(stream, buffer, size, flags, deadline);
    *done = n > 0 ? (size_t)n : 0;
    return n;
}

int step_read(struct task *task, const struct step *step)
{
    struct end *end = pick_reader(step->a, STREAM_END);
    size_t size = size_of(step->b), done = 0;
    int flags = step->c % READ_WAYS != READ_EXACTLY && step->c & 0x40 ? WEFT_IDLE : 0;
    int64_t deadline = weft_after_ns(span_of(step->b ^ step->c));
    struct call call;
    void *buffer;
    ssize_t n;

    if (!end)
        return 0;
    buffer = malloc(size);
    call = call_begin(task);
    end->readers++;
    n = read_as(step, end->stream, buffer, size, flags, deadline, &done);
    end->readers--;
    call_end(&call, n, end_flags(end) | (flags ? IDLE : 0));
    end_received(end, buffer, done);
    free(buffer);
    if (n == 0 || n == -ENODATA)
        end_of_stream(end);
    else if (n < 0 && !(n == -ETIMEDOUT && weft_now() >= deadline))
        end_error(end, n, false);
    return (int)n;
}

/* -- writing --------------------------------------------------------------------------------- */

/* The log of a way learns of bytes that are not its own. */
static size_t copy_to_log(struct end *to, const void *data, size_t size)
{
    if (size > WAY_MAX - to->out.sent)
        size = WAY_MAX - to->out.sent;
    memcpy(way_bytes(to) + to->out.sent, data, size);
    return size;
}

/* Writes what stands in the log behind what was sent, or memory that holds the same. */
static ssize_t write_logged(struct task *task, struct end *end, const void *data, size_t size)
{
    struct call call = call_begin(task);
    size_t done = 0;
    ssize_t n;

    end->writers++;
    end->out.offering = size;
    n = weft_stream_write(end->stream, data, size, &done);
    end->writers--;
    call_end(&call, n, end_flags(end));
    if (n >= 0 && ((size_t)n != size || done != size))
        broke("a short count, %zd of %zu", n, size);
    if (done > 0)
        end->out.unsure = 0; /* what was given before it has gone */
    way_moved(end, done, size);
    if (n < 0)
        end_error(end, n, true);
    return n;
}

int step_write(struct task *task, const struct step *step)
{
    struct end *end = pick_end(step->a, STREAM_END);
    size_t size = end && end->writers == 0 ? way_offer(end, size_of(step->b)) : 0;

    return size ? (int)write_logged(task, end, way_bytes(end) + end->out.sent, size) : 0;
}

int step_flush(struct task *task, const struct step *step)
{
    struct end *end = pick_end(step->a, STREAM_END);
    struct call call;
    uint64_t sent;
    int result;

    if (!end)
        return 0;
    sent = end->out.sent;
    call = call_begin(task);
    end->flushers++;
    result = weft_stream_drain(end->stream);
    end->flushers--;
    call_end(&call, result, end_flags(end));
    if (result == 0 && end->writers == 0 && end->out.sent == sent)
        end->out.unsure = 0;
    if (result < 0)
        end_error(end, result, true);
    return result;
}

/* -- views ----------------------------------------------------------------------------------- */

enum { CONSUME, CONSUME_SOME, GIVE, GIVE_SOME, WRITE_FROM, NOTHING, VIEW_WAYS };

static void consume(struct end *end, size_t size)
{
    int result;

    end->viewed = false;
    if (end->state != END_OPEN)
        return;
    result = weft_stream_consume(end->stream, size);
    if (result < 0)
        broke("a view of end %d cannot be put back: %d", (int)(end - model.ends), result);
    end->received += size;
}

static int give(struct task *task, struct end *from, struct end *to, const void *data, size_t size)
{
    struct call call;
    ssize_t n;
    bool mine;

    size = copy_to_log(to, data, size);
    call = call_begin(task);
    to->writers++;
    to->out.offering = size;
    from->giving = size;
    from->giver = task_index(task);
    n = weft_stream_give(to->stream, from->stream, size);
    to->writers--;
    call_end(&call, n, end_flags(to) | end_flags(from));
    if (n >= 0 && (size_t)n != size)
        broke("%zd bytes given of %zu", n, size);
    mine = from->giving > 0 && from->giver == task_index(task);
    if (n > 0) {
        to->out.unsure = (uint64_t)n;
        if (mine) /* else somebody who read has seen to it: see end_given */
            end_given(from);
    } else {
        from->giving = mine ? 0 : from->giving;
        consume(from, 0);
    }
    way_moved(to, n > 0 ? (size_t)n : 0, 0);
    if (n == -EBADF && from->state != END_OPEN)
        return (int)n;
    if (n < 0)
        end_error(to, n, true);
    return (int)n;
}

/* Does something else first: the view stays as it is. */
static void hold_view(struct task *task, const struct step *step, const struct end *end,
                      const void *data, size_t size)
{
    struct call call;
    int result;

    if (step->b % 4 != 0)
        return;
    call = call_begin(task);
    result = step->b & 4 ? weft_yield() : weft_sleep(span_of(step->b));
    call_end(&call, result, PLAIN);
    if (end->state == END_OPEN)
        end_verify(end, data, size);
}

static int use_view(struct task *task, const struct step *step, struct end *end, const void *data,
                    size_t size)
{
    int way = step->c % VIEW_WAYS;
    bool some = way == CONSUME_SOME || way == GIVE_SOME, can_write;
    size_t part = some ? (size + 1) / 2 : size;
    struct end *to;

    hold_view(task, step, end, data, size);
    if (end->state != END_OPEN)
        return consume(end, 0), 0;
    to = pick_end((uint8_t)(step->c / VIEW_WAYS % 16), STREAM_END);
    can_write = to && to->reactor == end->reactor && to->writers == 0;
    if ((way == GIVE || way == GIVE_SOME) && can_write && to->out.sent < WAY_MAX)
        return give(task, end, to, data, part);
    if (way == WRITE_FROM && can_write && to->out.sent < WAY_MAX) {
        part = copy_to_log(to, data, size);
        (void)write_logged(task, to, data, part);
    }
    consume(end, way == NOTHING ? 0 : part);
    return 0;
}

int step_peek(struct task *task, const struct step *step)
{
    struct end *end = pick_reader(step->a, STREAM_END);
    int flags = step->b & 0x40 ? WEFT_IDLE : 0, n;
    const void *data;
    struct call call;
    size_t size;

    if (!end)
        return 0;
    call = call_begin(task);
    end->readers++;
    n = weft_stream_peek(end->stream, &data, &size, flags);
    end->readers--;
    call_end(&call, n, end_flags(end) | (flags ? IDLE : 0));
    if (n > 0 && end->state == END_OPEN) {
        end_given(end);
        if (end->viewed)
            broke("two views of end %d", (int)(end - model.ends));
        end->viewed = true;
        end_verify(end, data, size);
        return use_view(task, step, end, data, size);
    }
    if (n == 0)
        end_of_stream(end);
    else if (n < 0)
        end_error(end, n, false);
    return n;
}
