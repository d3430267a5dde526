/*
 * io/file_advice.c - parts of files and of memory: written soon, wanted soon, not wanted any more;
 * <weft/file.h> is the reference.
 *
 * As in io/file.c a call is one request. The ring's has 32 bits for how long the part is (those of
 * madvise and fadvise have had more since 6.10 only): for a longer one a worker makes the call.
 */
#include <weft/file.h>

#include "io/offload.h"
#include "io/use.h"
#include "ring/host.h"

struct part {
    int fd; /* AT_FDCWD: a part of memory */
    int64_t offset;
    int64_t size;
    void *address;
    int how; /* the flags, or the advice */
};

typedef void request_of_part(struct weft__sqe *sqe, const struct part *part);

static int by_worker(const struct part *part, const char *what, int64_t (*fn)(void *arg))
{
    struct part copy = *part;
    struct weft__use use;
    int error = weft__use_enter(&use, part->fd);

    if (error < 0)
        return error;
    error = (int)weft__offload_run(use.self, what, part->fd, fn, &copy);
    weft__use_close(&use, error);
    return error;
}

static int ask(const struct part *part, const char *what, request_of_part *fill,
               int64_t (*fn)(void *arg))
{
    struct weft__use use;
    struct weft__sqe *sqe;
    int error;

    if (part->size < 0 || part->size > UINT32_MAX)
        return by_worker(part, what, fn);
    error = weft__use_begin(&use, part->fd, what, &sqe);
    if (error < 0)
        return error;
    fill(sqe, part);
    return weft__use_end(&use, sqe);
}

static void fill_sync(struct weft__sqe *sqe, const struct part *part)
{
    weft__request_sync_range(sqe, part->fd, (uint64_t)part->offset, (uint32_t)part->size,
                             (uint32_t)part->how);
}

static int64_t sync_there(void *arg)
{
    const struct part *part = arg;

    return weft__host_sync_range(part->fd, part->offset, part->size, (unsigned)part->how);
}

int weft_sync_file_range(int fd, off_t offset, off_t size, unsigned flags)
{
    const struct part part = {.fd = fd, .offset = offset, .size = size, .how = (int)flags};

    return ask(&part, "sync_file_range", fill_sync, sync_there);
}

static void fill_fadvise(struct weft__sqe *sqe, const struct part *part)
{
    weft__request_fadvise(sqe, part->fd, (uint64_t)part->offset, (uint32_t)part->size,
                          (uint32_t)part->how);
}

static int64_t fadvise_there(void *arg)
{
    const struct part *part = arg;

    return weft__host_fadvise(part->fd, part->offset, part->size, part->how);
}

int weft_fadvise(int fd, off_t offset, off_t size, int advice)
{
    const struct part part = {.fd = fd, .offset = offset, .size = size, .how = advice};

    return ask(&part, "fadvise", fill_fadvise, fadvise_there);
}

static void fill_madvise(struct weft__sqe *sqe, const struct part *part)
{
    weft__request_madvise(sqe, part->address, (uint32_t)part->size, (uint32_t)part->how);
}

static int64_t madvise_there(void *arg)
{
    const struct part *part = arg;

    return weft__host_madvise(part->address, (size_t)part->size, part->how);
}

int weft_madvise(void *address, size_t size, int advice)
{
    const struct part part = {.fd = AT_FDCWD,
                              .address = address,
                              .size = (int64_t)size,
                              .how = advice};

    return ask(&part, "madvise", fill_madvise, madvise_there);
}
