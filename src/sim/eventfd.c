/*
 * sim/eventfd.c - eventfds; see eventfd(2).
 *
 * What always holds: a write tells those who wait for POLLIN, also when the counter was above zero
 * before: that is what an edge is.
 */
#include "sim/eventfd.h"

#include <errno.h>
#include <string.h>

#define COUNT_MAX (UINT64_MAX - 1)

struct eventfd {
    struct weft__sim_file file; /* first */
    uint64_t count;
};

int weft__sim_eventfd_add(struct weft__sim *sim, struct weft__sim_file *file, uint64_t count)
{
    struct eventfd *self = (struct eventfd *)file;

    if (count > COUNT_MAX - self->count)
        return -EAGAIN;
    self->count += count;
    weft__sim_file_changed(sim, file, POLLIN);
    return 0;
}

uint64_t weft__sim_eventfd_take(struct weft__sim *sim, struct weft__sim_file *file)
{
    struct eventfd *self = (struct eventfd *)file;
    uint64_t count = self->count;

    self->count = 0;
    if (count)
        weft__sim_file_changed(sim, file, POLLOUT);
    return count;
}

static int32_t eventfd_read(struct weft__sim *sim, struct weft__sim_file *file,
                            struct weft__sim_transfer *transfer)
{
    struct eventfd *self = (struct eventfd *)file;
    uint64_t count;

    if (transfer->length < sizeof count)
        return -EINVAL;
    if (self->count == 0)
        return -EAGAIN;
    count = weft__sim_eventfd_take(sim, file);
    memcpy(transfer->memory, &count, sizeof count);
    return sizeof count;
}

static int32_t eventfd_write(struct weft__sim *sim, struct weft__sim_file *file,
                             struct weft__sim_transfer *transfer)
{
    uint64_t count;
    int error;

    if (transfer->length < sizeof count)
        return -EINVAL;
    memcpy(&count, transfer->memory, sizeof count);
    if (count == UINT64_MAX)
        return -EINVAL;
    error = weft__sim_eventfd_add(sim, file, count);
    return error < 0 ? error : (int32_t)sizeof count;
}

static uint32_t eventfd_poll(struct weft__sim *sim, struct weft__sim_file *file)
{
    const struct eventfd *self = (struct eventfd *)file;

    (void)sim;
    return (self->count > 0 ? POLLIN : 0u) | (self->count < COUNT_MAX ? POLLOUT : 0u);
}

static void eventfd_release(struct weft__sim *sim, struct weft__sim_file *file)
{
    (void)sim;
    weft__sim_free(file);
}

static const struct weft__sim_file_ops ops = {
    .kind = "eventfd",
    .whole = true,
    .read = eventfd_read,
    .write = eventfd_write,
    .poll = eventfd_poll,
    .release = eventfd_release,
};

struct weft__sim_file *weft__sim_eventfd(struct weft__sim *sim, uint32_t flags)
{
    struct eventfd *self = weft__sim_alloc(sizeof *self);

    weft__sim_file_begin(sim, &self->file, &ops);
    self->file.flags = flags;
    return &self->file;
}
