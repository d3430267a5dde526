/*
 * sim/pipe.c - pipes: bytes in order, room for so many, and what an end sees when the other is
 * gone.
 *
 * What always holds: a write of at most PIPE_BUF bytes is whole or not at all; a longer one takes
 * what room there is. Room is told of by whole pages, as the kernel has it.
 */
#include "sim/pipe.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "sim/disk.h"
#include "sim/net_bytes.h"

struct end;

struct pipe {
    struct weft__net_bytes bytes;
    int64_t room;        /* for so many bytes in all */
    struct end *ends[2]; /* reader, writer; NULL: gone */
};

struct end {
    struct weft__sim_file file; /* first */
    struct pipe *pipe;
};

static struct pipe *pipe_of(const struct weft__sim_file *file)
{
    return ((const struct end *)file)->pipe;
}

static void tell(struct weft__sim *sim, struct pipe *pipe, int which, uint32_t events)
{
    if (pipe->ends[which])
        weft__sim_file_changed(sim, &pipe->ends[which]->file, events);
}

static int64_t room_left(const struct pipe *pipe)
{
    return pipe->room - (int64_t)pipe->bytes.count;
}

static int32_t pipe_read(struct weft__sim *sim, struct weft__sim_file *file,
                         struct weft__sim_transfer *transfer)
{
    struct pipe *pipe = pipe_of(file);
    size_t size = transfer->length < pipe->bytes.count ? transfer->length : pipe->bytes.count;

    if (transfer->length == 0)
        return 0;
    if (size == 0)
        return pipe->ends[1] ? -EAGAIN : 0;
    weft__net_bytes_look(&pipe->bytes, 0, transfer->memory, size);
    weft__net_bytes_drop(&pipe->bytes, size);
    if (room_left(pipe) >= PIPE_BUF)
        tell(sim, pipe, 1, POLLOUT);
    return (int32_t)size;
}

static int32_t pipe_write(struct weft__sim *sim, struct weft__sim_file *file,
                          struct weft__sim_transfer *transfer)
{
    struct pipe *pipe = pipe_of(file);
    int64_t room = room_left(pipe);
    uint32_t size = transfer->length;

    if (size == 0)
        return 0;
    if (!pipe->ends[0])
        return -EPIPE;
    if (room == 0 || (size <= PIPE_BUF && room < size))
        return -EAGAIN;
    size = size < room ? size : (uint32_t)room;
    weft__net_bytes_push(&pipe->bytes, transfer->memory, size);
    tell(sim, pipe, 0, POLLIN);
    return (int32_t)size;
}

/* The other end's call. */
static int32_t wrong_end(struct weft__sim *sim, struct weft__sim_file *file,
                         struct weft__sim_transfer *transfer)
{
    (void)sim, (void)file, (void)transfer;
    return -EBADF;
}

static uint32_t reader_poll(struct weft__sim *sim, struct weft__sim_file *file)
{
    const struct pipe *pipe = pipe_of(file);

    (void)sim;
    return (pipe->bytes.count > 0 ? POLLIN : 0u) | (pipe->ends[1] ? 0u : POLLHUP);
}

static uint32_t writer_poll(struct weft__sim *sim, struct weft__sim_file *file)
{
    const struct pipe *pipe = pipe_of(file);

    (void)sim;
    return (room_left(pipe) >= PIPE_BUF ? POLLOUT : 0u) | (pipe->ends[0] ? 0u : POLLERR);
}

static void pipe_describe(struct weft__sim *sim, const struct weft__sim_file *file, char *text,
                          size_t size)
{
    const struct pipe *pipe = pipe_of(file);

    (void)sim;
    snprintf(text, size, "%zu bytes, %s", (size_t)pipe->bytes.count,
             pipe->ends[0] && pipe->ends[1] ? "both ends open" : "the other end closed");
}

static void pipe_release(struct weft__sim *sim, struct weft__sim_file *file)
{
    struct pipe *pipe = pipe_of(file);
    int which = pipe->ends[0] == (struct end *)file ? 0 : 1;

    pipe->ends[which] = NULL;
    weft__sim_free(file);
    tell(sim, pipe, !which, which ? POLLHUP : POLLERR);
    if (pipe->ends[!which])
        return;
    weft__net_bytes_free(&pipe->bytes);
    weft__sim_free(pipe);
}

static const struct weft__sim_file_ops reader = {
    .kind = "pipe",
    .one_way = POLLIN,
    .read = pipe_read,
    .write = wrong_end,
    .poll = reader_poll,
    .describe = pipe_describe,
    .release = pipe_release,
};

static const struct weft__sim_file_ops writer = {
    .kind = "pipe",
    .one_way = POLLOUT,
    .whole = true, /* cut short by its room alone */
    .read = wrong_end,
    .write = pipe_write,
    .poll = writer_poll,
    .describe = pipe_describe,
    .release = pipe_release,
};

void weft__sim_pipe(struct weft__sim *sim, uint32_t flags, struct weft__sim_file *ends[2])
{
    struct pipe *pipe = weft__sim_alloc(sizeof *pipe);

    for (int which = 0; which < 2; which++) {
        struct end *end = weft__sim_alloc(sizeof *end);
        weft__sim_file_begin(sim, &end->file, which ? &writer : &reader);
        end->file.flags = flags;
        end->pipe = pipe;
        pipe->ends[which] = end;
        ends[which] = &end->file;
    }
    pipe->room = weft__sim_span(sim, &ends[0]->dice, WEFT__SIM_PIPE_SIZE);
}

/* -- moving bytes between a pipe and something else ---------------------------------------------
 */

enum { SPLICE_MAX = 65536 };

static bool is_pipe(const struct weft__sim_file *file)
{
    return file->ops == &reader || file->ops == &writer;
}

int weft__sim_pipe_size(const struct weft__sim_file *file)
{
    return is_pipe(file) ? (int)pipe_of(file)->room : -EBADF;
}

int weft__sim_pipe_allocate(const struct weft__sim_file *file)
{
    if (!is_pipe(file))
        return -ENODEV;
    return file->ops == &writer ? -ESPIPE : -EBADF;
}

static int32_t take(struct weft__sim *sim, struct weft__sim_file *in, uint64_t offset, void *memory,
                    uint32_t length, bool copy)
{
    struct weft__sim_transfer transfer = {.memory = memory,
                                          .length = length,
                                          .offset = (int64_t)offset};
    struct pipe *pipe = is_pipe(in) ? pipe_of(in) : NULL;

    if (pipe && copy && pipe->bytes.count > 0) {
        length = length < pipe->bytes.count ? length : (uint32_t)pipe->bytes.count;
        weft__net_bytes_look(&pipe->bytes, 0, memory, length);
        return (int32_t)length;
    }
    if (in->ops->receive)
        return in->ops->receive(sim, in, &transfer);
    return in->ops->read ? in->ops->read(sim, in, &transfer) : -EINVAL;
}

static int32_t put(struct weft__sim *sim, struct weft__sim_file *out, uint64_t offset, void *memory,
                   uint32_t length)
{
    struct weft__sim_transfer transfer = {.memory = memory,
                                          .length = length,
                                          .offset = (int64_t)offset};

    if (out->ops->send)
        return out->ops->send(sim, out, &transfer);
    return out->ops->write ? out->ops->write(sim, out, &transfer) : -EINVAL;
}

/* What is put first fits for sure: a pipe says how much room it has. */
static int32_t into_pipe(struct weft__sim *sim, struct weft__sim_file *in, uint64_t offset_in,
                         struct weft__sim_file *out, void *memory, uint32_t length, bool copy)
{
    struct pipe *pipe = pipe_of(out);
    int64_t room = room_left(pipe);
    int32_t n;

    if (!pipe->ends[0])
        return -EPIPE;
    if (room <= 0)
        return -EAGAIN;
    n = take(sim, in, offset_in, memory, length < room ? length : (uint32_t)room, copy);
    return n > 0 ? put(sim, out, UINT64_MAX, memory, (uint32_t)n) : n;
}

/* What was taken by the other end leaves the pipe. */
static int32_t out_of_pipe(struct weft__sim *sim, struct weft__sim_file *in,
                           struct weft__sim_file *out, uint64_t offset_out, void *memory,
                           uint32_t length)
{
    int32_t n = take(sim, in, UINT64_MAX, memory, length, true);
    int32_t result = n > 0 ? put(sim, out, offset_out, memory, (uint32_t)n) : n;

    if (n > 0 && result > 0)
        (void)take(sim, in, UINT64_MAX, memory, (uint32_t)result, false);
    return result;
}

int32_t weft__sim_splice(struct weft__sim *sim, struct weft__sim_file *in, uint64_t offset_in,
                         struct weft__sim_file *out, uint64_t offset_out, uint32_t length,
                         bool copy)
{
    void *memory;
    int32_t result;

    if (in->ops == &writer || out->ops == &reader || !weft__sim_file_may(in, false) ||
        !weft__sim_file_may(out, true))
        return -EBADF;
    if ((!is_pipe(in) && !is_pipe(out)) || (copy && !(is_pipe(in) && is_pipe(out))) ||
        (is_pipe(in) && is_pipe(out) && pipe_of(in) == pipe_of(out)))
        return -EINVAL;
    if (length == 0)
        return 0;
    length = length < SPLICE_MAX ? length : SPLICE_MAX;
    memory = weft__sim_alloc(length);
    result = is_pipe(out) ? into_pipe(sim, in, offset_in, out, memory, length, copy)
                          : out_of_pipe(sim, in, out, offset_out, memory, length);
    weft__sim_free(memory);
    return result;
}
