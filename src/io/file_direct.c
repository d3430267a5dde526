/*
 * io/file_direct.c - file objects opened with O_DIRECT; decision 84 says why so.
 *
 * The device takes whole units, at offsets and from memory that are multiples of them. What a
 * caller has in memory of its own goes straight; what does not lie so goes through a block of the
 * pool; and a part of a unit, as at the end of a file, is written with O_DIRECT taken away from the
 * open file for as long as that lasts.
 */
#include "io/file_object.h"

#include <string.h>
#include <sys/stat.h>
#include <weft/fd.h>
#include <weft/file.h>

#include "ring/host.h"

enum { SECTOR = 512 }; /* no device takes less */

/* What the kernel says, from 6.1 on and where the file system knows. */
#ifdef STATX_DIOALIGN
static uint32_t unit_of(const struct statx *status)
{
    uint32_t memory = status->stx_dio_mem_align, offset = status->stx_dio_offset_align;

    if (!(status->stx_mask & STATX_DIOALIGN))
        return 0;
    return memory > offset ? memory : offset;
}
#else
enum { STATX_DIOALIGN = 0 };
static uint32_t unit_of(const struct statx *status)
{
    (void)status;
    return 0;
}
#endif

int weft__file_ask_unit(struct weft_file *file)
{
    struct statx status = {.stx_mask = 0};
    int error = weft_statx(file->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status);
    uint32_t unit = error < 0 ? 0 : unit_of(&status);

    if (error == -ECANCELED)
        return error;
    if (unit > 0 && unit <= WEFT__BLOCK_ALIGNMENT) {
        file->unit = file->step = unit;
    } else { /* whatever the device takes, a page is a multiple of */
        file->unit = WEFT__BLOCK_ALIGNMENT;
        file->step = SECTOR;
    }
    return 0;
}

/* -- reading at an offset -------------------------------------------------------------------- */

/* A block is filled from `offset` on, until there is a byte behind the first `before`. How many
   bytes; fewer than that, and the file ended; or a negative errno. A read may be short in the
   middle of a file, too. */
static ssize_t fill(const struct weft_file *file, const struct weft__block *block, size_t before,
                    uint64_t offset)
{
    size_t filled = 0;

    while (filled <= before) {
        uint32_t left = block->size - (uint32_t)filled;
        ssize_t n = weft__file_pread(file, block->data + filled,
                                     weft__file_span(file, offset + filled, left),
                                     (off_t)(offset + filled));

        if (n < 0 && !weft__file_is_end(file, filled, (int32_t)n))
            return n;
        if (n > 0)
            filled += (size_t)n;
        if (n <= 0 || filled & (file->step - 1))
            break;
        if (filled <= before && file->closing)
            return weft__task_pass_on(weft__task_self(), -ECANCELED);
    }
    return (ssize_t)filled;
}

/* Through a block, which begins at a unit and is longer than one. */
static ssize_t read_by_block(struct weft_file *file, void *buffer, size_t size, uint64_t offset)
{
    struct weft__block *block = weft__block_take(file->io, file->block_size, true);
    size_t before = (size_t)(offset & (file->unit - 1)), count;
    ssize_t n;

    if (!block)
        return -ENOMEM;
    n = fill(file, block, before, offset - before);
    if (n > 0) {
        count = (size_t)n > before ? (size_t)n - before : 0;
        count = count < size ? count : size;
        memcpy(buffer, block->data + before, count);
        n = (ssize_t)count;
    }
    weft__block_put(file->io, block);
    return n;
}

ssize_t weft__file_read_direct(struct weft_file *file, void *buffer, size_t size, uint64_t offset)
{
    int error = file->unit ? 0 : weft__file_ask_unit(file);

    if (error < 0)
        return error;
    if (size == 0 || weft__file_is_whole(file, buffer, size, offset))
        return weft__file_pread(file, buffer, size, (off_t)offset);
    return read_by_block(file, buffer, size, offset);
}

/* -- writing -------------------------------------------------------------------------------- */

/* Any number at once: the first takes the flag away, the last puts it back, unless the descriptor
   was closed meanwhile: then the number may be another file's. */
static void set_direct(struct weft_file *file, bool direct)
{
    int flags;

    if (direct ? --file->indirect > 0 : file->indirect++ > 0)
        return;
    if (!weft__file_is_open(file))
        return;
    flags = weft__host_fcntl(file->fd, F_GETFL, 0);
    if (flags >= 0)
        (void)weft__host_fcntl(file->fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT);
}

static ssize_t write_part(struct weft_file *file, const char *bytes, size_t size, uint64_t offset,
                          size_t *done)
{
    ssize_t result;

    set_direct(file, false);
    result = weft__file_pwrite_all(file, bytes, size, (off_t)offset, done);
    set_direct(file, true);
    return result;
}

static ssize_t write_by_block(struct weft_file *file, const char *bytes, size_t size,
                              uint64_t offset, size_t *done)
{
    struct weft__block *block = weft__block_take(file->io, file->block_size, true);
    ssize_t result;

    if (!block)
        return -ENOMEM;
    memcpy(block->data, bytes, size);
    result = weft__file_pwrite_all(file, block->data, size, (off_t)offset, done);
    weft__block_put(file->io, block);
    return result;
}

/* One piece: up to the next unit, whole units, or what is left behind the last. */
static ssize_t write_piece(struct weft_file *file, const char *bytes, size_t size, uint64_t offset,
                           size_t *done)
{
    size_t before = (size_t)(offset & (file->unit - 1));
    size_t whole = size & ~(size_t)(file->unit - 1);

    if (before > 0)
        return write_part(file, bytes, size < file->unit - before ? size : file->unit - before,
                          offset, done);
    if (whole == 0)
        return write_part(file, bytes, size, offset, done);
    if (weft__file_is_whole(file, bytes, whole, offset))
        return weft__file_pwrite_all(file, bytes, whole, (off_t)offset, done);
    return write_by_block(file, bytes, whole < file->block_size ? whole : file->block_size, offset,
                          done);
}

ssize_t weft__file_write_direct(struct weft_file *file, const char *bytes, size_t size,
                                uint64_t offset, size_t *done)
{
    ssize_t result = file->unit ? 0 : weft__file_ask_unit(file);

    if (result < 0)
        return result;
    if (file->appends || size == 0) /* where the end is nobody knows beforehand */
        return write_part(file, bytes, size, offset, done);
    while (*done < size) {
        size_t moved = 0;

        if (file->closing)
            return weft__task_pass_on(weft__task_self(), -ECANCELED);
        result = write_piece(file, bytes + *done, size - *done, offset + *done, &moved);
        *done += moved;
        if (result < 0)
            return result;
    }
    return (ssize_t)*done;
}
