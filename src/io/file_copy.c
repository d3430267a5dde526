/*
 * io/file_copy.c - a part of a file copied into another; <weft/file.h> is the reference.
 *
 * On the calling task. No kernel has a request for it, so workers make the calls, a piece each: a
 * copy that takes long keeps no worker from others, and meets a cancellation between two pieces.
 * What always holds: while a worker is about it both descriptors are in use, and weft_close waits;
 * the offsets say what was copied, however it ends.
 */
#include <weft/file.h>

#include "io/offload.h"
#include "io/use.h"
#include "ring/host.h"

enum { PIECE = 1 << 20 };

struct end {
    int fd;
    enum weft__side side;
    off_t *offset; /* NULL: at its position, and then it holds its side */
    struct weft__fd *record;
    uint64_t word; /* of it, when the call began */
    struct weft__fd_use use;
};

struct copy {
    struct weft__task *self;
    struct weft__io *io;
    struct weft__op op; /* stands for both ends, and is never in flight */
    struct end in, out;
    size_t size; /* that is left; less, if it is within one file that ends earlier */
    bool measured;
};

/* -- the two descriptors ----------------------------------------------------------------------- */

static void let_go(struct copy *copy, struct end *end)
{
    if (end->offset)
        weft__fd_use_end(copy->io, end->record, &end->use);
    else
        weft__fd_leave(copy->io, end->record, end->side, &copy->op);
}

static int take_hold(struct copy *copy, struct end *end)
{
    int error = end->offset ? weft__fd_find(copy->io, end->fd, &end->record)
                            : weft__fd_enter(copy->io, end->fd, end->side, &copy->op, &end->record);

    if (error < 0)
        return error;
    end->word = weft__fd_word_of(end->record);
    if (end->offset)
        weft__fd_use_begin(copy->io, end->record, end->fd, &end->use, &copy->op);
    return 0;
}

static int begin(struct copy *copy)
{
    int error;

    copy->io = weft__io_of(copy->self->reactor);
    error = take_hold(copy, &copy->in);
    if (error < 0)
        return error;
    error = take_hold(copy, &copy->out);
    if (error < 0)
        let_go(copy, &copy->in);
    return error;
}

static ssize_t finish(struct copy *copy, ssize_t result)
{
    let_go(copy, &copy->in);
    let_go(copy, &copy->out);
    if (result == -EBADF) { /* or one that is not open for this */
        weft__fd_forget_closed(copy->io, copy->in.fd, copy->in.record);
        weft__fd_forget_closed(copy->io, copy->out.fd, copy->out.record);
    }
    return result;
}

/* -- pieces ------------------------------------------------------------------------------------ */

static int64_t place_of(const struct end *end)
{
    return end->offset ? *end->offset : -1;
}

/* On a worker. Of several pieces within one file the second would copy what the first has made,
   and an end that moves on would never come: so the whole is measured before. However little was
   asked for, there are two where the file ends before. Parts that overlap are the kernel's to
   refuse, as a whole: it may have more against them. */
static int64_t copy_there(void *arg)
{
    struct copy *copy = arg;
    int64_t in = place_of(&copy->in), out = place_of(&copy->out);

    if (!copy->measured) {
        int64_t size = weft__host_copy_size(copy->in.fd, in, copy->out.fd, out, copy->size);
        if (size == -EINVAL)
            return weft__host_copy_file_range(copy->in.fd, in, copy->out.fd, out, copy->size);
        if (size < 0)
            return size;
        copy->size = (size_t)size;
    }
    copy->measured = true;
    return weft__host_copy_file_range(copy->in.fd, in, copy->out.fd, out,
                                      copy->size < PIECE ? copy->size : PIECE);
}

static void go_on_by(struct end *end, int64_t count)
{
    if (end->offset)
        *end->offset += count;
}

static bool is_called_off(const struct copy *copy)
{
    return copy->self->visible || !weft__fd_is_still(copy->in.record, copy->in.word) ||
           !weft__fd_is_still(copy->out.record, copy->out.word);
}

static ssize_t copy_pieces(struct copy *copy)
{
    int64_t count, copied = 0;

    do {
        count = weft__offload_run(copy->self, "copy_file_range", copy->in.fd, copy_there, copy);
        if (count <= 0)
            return (ssize_t)(copied > 0 ? copied : count);
        go_on_by(&copy->in, count);
        go_on_by(&copy->out, count);
        copy->size -= (size_t)count;
        copied += count;
    } while (copy->size > 0 && !is_called_off(copy));
    return (ssize_t)copied;
}

static bool is_negative(const off_t *offset)
{
    return offset && *offset < 0;
}

ssize_t weft_copy_file_range(int fd_in, off_t *off_in, int fd_out, off_t *off_out, size_t size,
                             unsigned flags)
{
    struct copy copy = {.in = {.fd = fd_in, .side = WEFT__READER, .offset = off_in},
                        .out = {.fd = fd_out, .side = WEFT__WRITER, .offset = off_out},
                        .size = size};
    int error = weft__enter(&copy.self);

    if (error < 0)
        return error;
    if (flags)
        return weft__misuse(-EINVAL, "flags that the call does not know");
    if (is_negative(off_in) || is_negative(off_out))
        return weft__misuse(-EINVAL, "a negative offset");
    error = begin(&copy);
    return error < 0 ? error : finish(&copy, copy_pieces(&copy));
}
