/*
 * io/file_object.c - opening, writing and closing file objects; file_object.h shows the inside of
 * one, <weft/file_object.h> is the reference.
 */
#include "io/file_object.h"

#include <stdio.h>
#include <sys/stat.h>
#include <weft/fd.h>
#include <weft/file.h>
#include <weft/net.h>

#include "base/memory.h"
#include "base/option.h"
#include "ring/host.h"
#include "task/wait.h"

enum {
    BLOCK_SIZE_DEFAULT = 128 * 1024,
    BLOCK_SIZE_MAX = 4 << 20,
    AHEAD_DEFAULT = 2,
    AHEAD_MAX = 64,
};

/* Of a call that is a mistake of the program. */
static const char no_file[] = "no file";
static const char elsewhere[] = "the file is another reactor's";
static const char nowhere[] = "nowhere to put the file";
static const char bad_options[] = "options out of range";
static const char no_memory[] = "NULL for memory that is needed";
static const char gone[] = "the file's descriptor was closed, but not by weft_file_close";
static const char bad_seek[] = "to before the beginning, or from nowhere that is known";

/* -- opening -------------------------------------------------------------------------------- */

static int copy_options(struct weft_file_opt *own, const struct weft_file_opt *opt)
{
    int error = weft__option_copy(own, sizeof *own, opt);

    if (error < 0)
        return error;
    if (own->block_size == 0)
        own->block_size = BLOCK_SIZE_DEFAULT;
    if (own->block_size < WEFT__BLOCK_ALIGNMENT || own->block_size > BLOCK_SIZE_MAX ||
        own->block_size & (own->block_size - 1) || own->ahead > AHEAD_MAX)
        return weft__misuse(-EINVAL, bad_options);
    if (own->ahead == 0)
        own->ahead = AHEAD_DEFAULT;
    if (own->no_ahead)
        own->ahead = 0;
    return 0;
}

/* What the file's descriptor was opened with, or why there can be no file object of it. */
static int look_at(struct weft__io *io, int fd)
{
    struct weft__fd *record;
    int error = weft__fd_find(io, fd, &record);

    if (error == 0)
        error = weft__fd_refuse_file(record);
    if (error < 0)
        return error;
    if (record->stream)
        return weft__misuse(-EBUSY, "a stream has the descriptor");
    if (!weft__fd_is(fd, record, WEFT__FD_SEEKS)) {
        error = weft__host_seeks(fd);
        if (error == -EBADF)
            weft__fd_forget(io, record);
        return error < 0 ? error : -ESPIPE;
    }
    return weft__host_fcntl(fd, F_GETFL, 0);
}

static struct weft_file *create(struct weft__io *io, int fd, int flags,
                                const struct weft_file_opt *opt)
{
    struct weft_file *file = weft__calloc(1, sizeof *file);

    if (!file)
        return NULL;
    file->io = io;
    file->fd = fd;
    file->record = &io->fds[fd];
    file->record->flags = (file->record->flags & ~(uint32_t)WEFT__FD_LENT) | WEFT__FD_FILE;
    file->owner = atomic_load_explicit(&file->record->owner, memory_order_relaxed);
    file->tail = &file->head;
    file->block_size = opt->block_size;
    file->ahead = opt->ahead;
    file->appends = flags & O_APPEND;
    file->direct = flags & O_DIRECT;
    file->next = io->files;
    file->link = &io->files;
    if (file->next)
        file->next->link = &file->next;
    io->files = file;
    return file;
}

static int make_of(struct weft__task *self, int fd, const struct weft_file_opt *opt,
                   weft_file **result)
{
    struct weft__io *io = weft__io_of(self->reactor);
    int flags = look_at(io, fd);
    struct weft_file *file;

    if (flags < 0)
        return flags;
    file = create(io, fd, flags, opt);
    if (!file)
        return -ENOMEM;
    *result = file;
    return 0;
}

int weft_file_from_fd(int fd, const struct weft_file_opt *opt, weft_file **file)
{
    struct weft__task *self = weft__task_self();
    struct weft_file_opt own;
    int error;

    if (!self)
        return weft__outside();
    error = copy_options(&own, opt);
    if (error < 0)
        return error;
    return file ? make_of(self, fd, &own, file) : weft__misuse(-EINVAL, nowhere);
}

int weft_file_open(const char *path, int flags, mode_t mode, const struct weft_file_opt *opt,
                   weft_file **file)
{
    struct weft_file_opt own;
    int fd, error;

    if (!weft__task_self())
        return weft__outside();
    error = copy_options(&own, opt);
    if (error < 0)
        return error;
    if (!file)
        return weft__misuse(-EINVAL, nowhere);
    fd = weft_open(path, flags, mode);
    if (fd < 0)
        return fd;
    error = make_of(weft__task_self(), fd, &own, file);
    if (error < 0)
        (void)weft_close(fd); /* nothing was written */
    return error;
}

int weft_file_fd(const weft_file *file)
{
    return file ? file->fd : weft__misuse(-EINVAL, no_file);
}

/* -- calls ---------------------------------------------------------------------------------- */

static int check(const struct weft_file *file, const struct weft__task *self)
{
    if (!self)
        return weft__outside();
    if (!file)
        return weft__misuse(-EINVAL, no_file);
    if (file->io->reactor != self->reactor)
        return weft__misuse(-EXDEV, elsewhere);
    if (file->closing)
        return -EBADF;
    if (!weft__file_is_open(file))
        return weft__misuse(-EBADF, gone);
    return 0;
}

int weft__file_enter(struct weft_file *file, const struct weft__task *self)
{
    int error = check(file, self);

    if (error == 0)
        file->inside++;
    return error;
}

int weft__file_enter_moving(struct weft_file *file, const struct weft__task *self)
{
    int error = weft__file_enter(file, self);

    if (error < 0)
        return error;
    if (file->moving || file->viewing) {
        weft__file_leave(file);
        return weft__misuse(-EBUSY, "another task reads or writes, or a view was not put back");
    }
    file->moving = true;
    return 0;
}

void weft__file_leave(struct weft_file *file)
{
    file->inside--;
    if (file->closer)
        weft__wake_now(file->io->reactor, file->closer);
}

void weft__file_leave_moving(struct weft_file *file)
{
    file->moving = false;
    weft__file_leave(file);
}

/* -- what the ring holds -------------------------------------------------------------------- */

/* One more at an offset. Two calls of the system are worth it only for who makes many. */
static inline void note_request(struct weft_file *file)
{
    if (__builtin_expect(file->requests < WEFT__FILE_OFTEN, 0) &&
        ++file->requests == WEFT__FILE_OFTEN)
        weft__fd_hold(file->io, file->fd, file->record);
}

/* Its descriptor was closed behind it: the ring may still hold the file. */
static void let_go_of_lost(struct weft_file *file)
{
    if (file->requests == WEFT__FILE_OFTEN)
        weft__fd_let_go_of_lost(file->io, file->fd);
}

/* -- writing -------------------------------------------------------------------------------- */

/* What was written shows to who reads from now on; of what was not, nobody knows. */
static ssize_t write_at(struct weft_file *file, const void *buffer, size_t size, off_t offset,
                        size_t *done)
{
    bool plain = !file->direct || offset < 0 || (!buffer && size > 0);
    ssize_t result = plain ? weft__file_pwrite_all(file, buffer, size, offset, done)
                           : weft__file_write_direct(file, buffer, size, (uint64_t)offset, done);

    if (offset >= 0)
        weft__file_changed(file, (uint64_t)offset, file->appends ? 0 : size);
    return result;
}

ssize_t weft_file_write(weft_file *file, const void *buffer, size_t size, size_t *done)
{
    size_t own = 0;
    ssize_t result;

    if (done)
        *done = 0;
    if (!buffer && size > 0)
        return weft__misuse(-EFAULT, no_memory);
    result = weft__file_enter_moving(file, weft__task_self());
    if (result < 0)
        return result;
    result = write_at(file, buffer, size, (off_t)file->position, &own);
    if (!file->appends)
        weft__file_move(file, file->position + own);
    weft__file_leave_moving(file);
    if (done)
        *done = own;
    return result;
}

ssize_t weft_file_pwrite(weft_file *file, const void *buffer, size_t size, off_t offset,
                         size_t *done)
{
    size_t own = 0;
    ssize_t result;

    if (done)
        *done = 0;
    result = weft__file_enter(file, weft__task_self());
    if (result < 0)
        return result;
    note_request(file);
    result = write_at(file, buffer, size, offset, &own);
    weft__file_leave(file);
    if (done)
        *done = own;
    return result;
}

static ssize_t read_direct(struct weft_file *file, void *buffer, size_t size, off_t offset)
{
    ssize_t result;

    file->inside++;
    result = weft__file_read_direct(file, buffer, size, (uint64_t)offset);
    weft__file_leave(file);
    return result;
}

/* What goes straight is not counted as inside: it is found by its descriptor, and does not touch
   the file any more once it has waited. */
ssize_t weft_file_pread(weft_file *file, void *buffer, size_t size, off_t offset)
{
    int error = check(file, weft__task_self());

    if (__builtin_expect(error < 0, 0))
        return error;
    note_request(file);
    if (file->direct && offset >= 0 && (buffer || size == 0) &&
        !weft__file_is_whole(file, buffer, size, (uint64_t)offset))
        return read_direct(file, buffer, size, offset);
    return weft__file_pread(file, buffer, size, offset);
}

/* -- the position --------------------------------------------------------------------------- */

/* Where an offset counts from, or a negative errno. */
static off_t base_of(const struct weft_file *file, int whence)
{
    struct statx status;
    int error;

    if (whence == SEEK_SET)
        return 0;
    if (whence == SEEK_CUR)
        return (off_t)file->position;
    if (whence != SEEK_END)
        return weft__misuse(-EINVAL, bad_seek);
    error = weft_statx(file->fd, "", AT_EMPTY_PATH, STATX_SIZE, &status);
    return error < 0 ? error : (off_t)status.stx_size;
}

off_t weft_file_seek(weft_file *file, off_t offset, int whence)
{
    off_t base, position;
    int error = weft__file_enter_moving(file, weft__task_self());

    if (error < 0)
        return error;
    base = base_of(file, whence);
    if (base < 0)
        position = base;
    else if (__builtin_add_overflow(base, offset, &position) || position < 0)
        position = weft__misuse(-EINVAL, bad_seek);
    else if (file->closing)
        position = weft__task_pass_on(weft__task_self(), -ECANCELED);
    else
        weft__file_move(file, (uint64_t)position);
    weft__file_leave_moving(file);
    return position;
}

off_t weft_file_tell(const weft_file *file)
{
    if (!file)
        return weft__misuse(-EINVAL, no_file);
    if (!weft__self)
        return weft__outside();
    if (file->io->reactor != weft__self)
        return weft__misuse(-EXDEV, elsewhere);
    return (off_t)file->position;
}

int weft_file_discard(weft_file *file)
{
    int error = weft__file_enter(file, weft__task_self());

    if (error < 0)
        return error;
    file->changes++; /* an end that was found is none */
    weft__file_forget(file);
    weft__file_leave(file);
    return 0;
}

/* -- the end -------------------------------------------------------------------------------- */

static void destroy(struct weft_file *file)
{
    *file->link = file->next;
    if (file->next)
        file->next->link = file->link;
    weft__free(file);
}

/* The view ends, and with it the last block. Nobody is inside: who is may be writing from it. */
static void end_view(struct weft_file *file)
{
    file->viewing = false;
    weft__file_forget(file);
}

/* Ends, and waits for, all that is in flight on it. */
static int close_descriptor(struct weft_file *file)
{
    if (!weft__file_is_open(file)) {
        let_go_of_lost(file);
        return weft__misuse(-EBADF, gone);
    }
    file->record->flags &= ~(uint32_t)WEFT__FD_FILE;
    return weft_close(file->fd);
}

int weft_file_close(weft_file *file)
{
    struct weft__task *self = weft__task_self();
    struct weft__wait wait = {.what = "close"};
    int result;

    if (!self)
        return weft__outside();
    if (!file)
        return 0;
    if (file->io->reactor != self->reactor)
        return weft__misuse(-EXDEV, elsewhere);
    if (file->closing)
        return -EALREADY;
    file->closing = true; /* whoever is inside is told, and nothing new is begun */
    weft__file_forget(file);
    wait.fd = file->fd;
    result = close_descriptor(file);
    file->closer = &wait;
    while (file->inside > 0)
        weft__wait_for_wake(self, &wait, false);
    end_view(file);
    while (file->blocks > 0)
        weft__wait_for_wake(self, &wait, false);
    destroy(file);
    return result;
}

/* Nobody is inside any more, and no task is there to wait. */
static void close_now(struct weft_file *file)
{
    struct weft__fd *record = weft__file_is_open(file) ? file->record : NULL;
    struct weft__io *io = file->io;
    int fd = file->fd;
    uint64_t word;

    if (!record)
        let_go_of_lost(file);
    destroy(file);
    if (!record)
        return;
    record->flags &= ~(uint32_t)WEFT__FD_FILE;
    weft__fd_let_go(io, fd, record);
    word = weft__fd_close_begin(record);
    weft__fd_close_publish(record, word);
    weft__host_close(fd);
    weft__fd_close_end(record, word);
}

void weft__file_block_ended(struct weft_file *file)
{
    if (file->closer)
        weft__wake_now(file->io->reactor, file->closer);
    else if (file->stopping && file->blocks == 0)
        close_now(file);
}

void weft__files_stop(struct weft__io *io)
{
    for (struct weft_file *file = io->files, *next; file; file = next) {
        next = file->next;
        file->closing = true;
        end_view(file);
        file->stopping = true;
        if (file->blocks == 0)
            close_now(file);
    }
}
