/*
 * io/file.c - files and their names; <weft/file.h> is the reference.
 *
 * A call here is one request, made and waited for. What always holds: a task that is cancelled is
 * refused before the request is made; a request made is waited for, and its result reported.
 */
#include <weft/file.h>

#include <string.h>

#include "io/offload.h"
#include "io/use.h"
#include "ring/host.h"

/* Of a call that is a mistake of the program. */
static const char no_path[] = "NULL for a path";
static const char no_memory[] = "NULL for memory that is needed";

enum {
    /* What open(2) lets pass and openat2(2) does not is taken away, as open(2) does. */
    OPEN_FLAGS = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK |
                 O_SYNC | O_ASYNC | O_DIRECT | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC |
                 O_PATH | O_TMPFILE,
    PATH_FLAGS = O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC,
    MODE_BITS = 07777,
};

/* -- opening -------------------------------------------------------------------------------- */

static struct weft__open_how how_of(int flags, mode_t mode)
{
    uint64_t known = (uint64_t)(flags & (flags & O_PATH ? PATH_FLAGS : OPEN_FLAGS));
    bool makes = !(flags & O_PATH) && (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE);

    return (struct weft__open_how){.flags = known | O_CLOEXEC,
                                   .mode = makes ? mode & MODE_BITS : 0};
}

/* The descriptor is the caller's, cancelled or not. */
static int adopt(struct weft__task *self, int fd)
{
    int error;

    if (fd < 0)
        return fd;
    fd = weft__host_fd_lift(fd);
    if (fd < 0)
        return fd;
    error = weft__fd_adopt(weft__io_of(self->reactor), fd);
    return error < 0 ? error : fd;
}

/* A path from the root needs no directory; but where that one is to be the root, it does. */
static int open_file(int dirfd, const char *path, const struct weft__open_how *how)
{
    bool absolute = path[0] == '/' && !(how->resolve & WEFT__RESOLVE_IN_ROOT);
    struct weft__use use;
    struct weft__sqe *sqe;
    int error = weft__use_begin(&use, absolute ? AT_FDCWD : dirfd, "open", &sqe);

    if (error < 0)
        return error;
    weft__request_openat2(sqe, dirfd, path, how);
    return adopt(use.self, weft__use_end(&use, sqe));
}

int weft_openat(int dirfd, const char *path, int flags, mode_t mode)
{
    struct weft__open_how how = how_of(flags, mode);

    return path ? open_file(dirfd, path, &how) : weft__misuse(-EFAULT, no_path);
}

/* As the kernel reads a structure that may be of another age than it is. */
static int copy_how(struct weft__open_how *copy, const struct open_how *how, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)how;

    if (size < sizeof *copy)
        return -EINVAL;
    for (size_t i = sizeof *copy; i < size; i++)
        if (bytes[i])
            return -E2BIG;
    memcpy(copy, how, sizeof *copy);
    copy->flags |= O_CLOEXEC;
    return 0;
}

int weft_openat2(int dirfd, const char *path, const struct open_how *how, size_t size)
{
    struct weft__open_how copy;
    int error;

    if (!path)
        return weft__misuse(-EFAULT, no_path);
    if (!how)
        return weft__misuse(-EFAULT, no_memory);
    error = copy_how(&copy, how, size);
    return error < 0 ? error : open_file(dirfd, path, &copy);
}

int weft_open(const char *path, int flags, mode_t mode)
{
    return weft_openat(AT_FDCWD, path, flags, mode);
}

/* -- the file as a whole -------------------------------------------------------------------- */

static int sync_file(int fd, const char *what, uint32_t flags)
{
    struct weft__use use;
    struct weft__sqe *sqe;
    int error = weft__use_begin(&use, fd, what, &sqe);

    if (error < 0)
        return error;
    weft__request_fsync(sqe, fd, flags);
    return weft__use_end(&use, sqe);
}

int weft_fsync(int fd)
{
    return sync_file(fd, "fsync", 0);
}

int weft_fdatasync(int fd)
{
    return sync_file(fd, "fdatasync", WEFT__FSYNC_DATA);
}

struct truncation {
    int fd;
    int64_t size;
};

static int64_t truncate_there(void *arg)
{
    const struct truncation *truncation = arg;

    return weft__host_ftruncate(truncation->fd, truncation->size);
}

/* Where the ring has no request for it (before 6.9). */
static int truncate_elsewhere(int fd, int64_t size)
{
    struct truncation truncation = {fd, size};
    struct weft__use use;
    int error = weft__use_enter(&use, fd);

    if (error < 0)
        return error;
    error = (int)weft__offload_run(use.self, "ftruncate", fd, truncate_there, &truncation);
    weft__use_close(&use, error);
    return error;
}

int weft_ftruncate(int fd, off_t size)
{
    struct weft__use use;
    struct weft__sqe *sqe;
    int error;

    if (weft__self && !(weft__self->ring.features & WEFT__FEATURE_FTRUNCATE))
        return truncate_elsewhere(fd, size);
    error = weft__use_begin(&use, fd, "ftruncate", &sqe);
    if (error < 0)
        return error;
    weft__request_ftruncate(sqe, fd, (uint64_t)size);
    return weft__use_end(&use, sqe);
}

int weft_fallocate(int fd, int mode, off_t offset, off_t size)
{
    struct weft__use use;
    struct weft__sqe *sqe;
    int error = weft__use_begin(&use, fd, "fallocate", &sqe);

    if (error < 0)
        return error;
    weft__request_fallocate(sqe, fd, (uint32_t)mode, (uint64_t)offset, (uint64_t)size);
    return weft__use_end(&use, sqe);
}

/* -- names ---------------------------------------------------------------------------------- */

static int begin_at(struct weft__use *use, int dirfd, const char *path, const char *what,
                    struct weft__sqe **sqe)
{
    if (!path)
        return weft__misuse(-EFAULT, no_path);
    return weft__use_begin(use, path[0] == '/' ? AT_FDCWD : dirfd, what, sqe);
}

int weft_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *status)
{
    struct weft__use use;
    struct weft__sqe *sqe;
    int error;

    if (!status)
        return weft__misuse(-EFAULT, no_memory);
    error = begin_at(&use, dirfd, path, "statx", &sqe);
    if (error < 0)
        return error;
    weft__request_statx(sqe, dirfd, path, (uint32_t)flags, mask, status);
    return weft__use_end(&use, sqe);
}

int weft_unlinkat(int dirfd, const char *path, int flags)
{
    struct weft__use use;
    struct weft__sqe *sqe;
    int error = begin_at(&use, dirfd, path, "unlink", &sqe);

    if (error < 0)
        return error;
    weft__request_unlinkat(sqe, dirfd, path, (uint32_t)flags);
    return weft__use_end(&use, sqe);
}

int weft_mkdirat(int dirfd, const char *path, mode_t mode)
{
    struct weft__use use;
    struct weft__sqe *sqe;
    int error = begin_at(&use, dirfd, path, "mkdir", &sqe);

    if (error < 0)
        return error;
    weft__request_mkdirat(sqe, dirfd, path, mode);
    return weft__use_end(&use, sqe);
}

int weft_symlinkat(const char *target, int dirfd, const char *path)
{
    struct weft__use use;
    struct weft__sqe *sqe;
    int error;

    if (!target)
        return weft__misuse(-EFAULT, no_path);
    error = begin_at(&use, dirfd, path, "symlink", &sqe);
    if (error < 0)
        return error;
    weft__request_symlinkat(sqe, target, dirfd, path);
    return weft__use_end(&use, sqe);
}

/* -- two names ------------------------------------------------------------------------------ */

typedef void request_of_two(struct weft__sqe *sqe, int dirfd, const char *path, int new_dirfd,
                            const char *new_path, uint32_t flags);

/* Both directories are used by the one request: closing either ends it. */
static int with_both(struct weft__use *use, struct weft__use *other, const char *what,
                     request_of_two *fill, int dirfd, const char *path, int new_dirfd,
                     const char *new_path, uint32_t flags)
{
    struct weft__sqe *sqe;
    int error = weft__use_begin_once(use, dirfd, what, &sqe);
    int32_t result;

    if (error < 0)
        return error;
    if (other->record && !weft__fd_is_still(other->record, other->operation.word))
        return weft__leave_undone(use->self, &use->operation, sqe,
                                  weft__fd_why_not(other->record, other->operation.word));
    fill(sqe, dirfd, path, new_dirfd, new_path, flags);
    result = weft__use_wait(use, sqe);
    if (result < 0 && other->record)
        return weft__error_of_gone(other->record, other->operation.word, result);
    return result;
}

static int at_two(const char *what, request_of_two *fill, int dirfd, const char *path,
                  int new_dirfd, const char *new_path, uint32_t flags)
{
    struct weft__use use, other;
    int error;

    if (!path || !new_path)
        return weft__misuse(-EFAULT, no_path);
    error = weft__use_enter(&use, path[0] == '/' ? AT_FDCWD : dirfd);
    if (error < 0)
        return error;
    other.self = use.self;
    error = weft__use_open(&other, new_path[0] == '/' ? AT_FDCWD : new_dirfd);
    if (error == 0) {
        other.of.op = &use.operation.op;
        error = with_both(&use, &other, what, fill, dirfd, path, new_dirfd, new_path, flags);
        weft__use_close(&other, 0);
    }
    weft__use_close(&use, 0); /* -EBADF may be of either: whoever uses it next is told again */
    return error;
}

int weft_renameat2(int dirfd, const char *path, int new_dirfd, const char *new_path, unsigned flags)
{
    return at_two("rename", weft__request_renameat, dirfd, path, new_dirfd, new_path, flags);
}

int weft_renameat(int dirfd, const char *path, int new_dirfd, const char *new_path)
{
    return weft_renameat2(dirfd, path, new_dirfd, new_path, 0);
}

int weft_linkat(int dirfd, const char *path, int new_dirfd, const char *new_path, int flags)
{
    return at_two("link", weft__request_linkat, dirfd, path, new_dirfd, new_path, (uint32_t)flags);
}

/* -- directories ---------------------------------------------------------------------------- */

struct listing {
    int fd;
    void *buffer;
    size_t size;
};

static int64_t list_there(void *arg)
{
    const struct listing *listing = arg;

    return weft__host_getdents(listing->fd, listing->buffer, listing->size);
}

ssize_t weft_getdents64(int fd, void *buffer, size_t size)
{
    struct listing listing = {fd, buffer, size};
    struct weft__op side; /* holds the descriptor's position, and is never in flight */
    struct weft__fd *record;
    struct weft__task *self;
    struct weft__io *io;
    ssize_t result;
    int error = weft__enter(&self);

    if (error < 0)
        return error;
    if (!buffer)
        return weft__misuse(-EFAULT, no_memory);
    io = weft__io_of(self->reactor);
    error = weft__fd_enter(io, fd, WEFT__READER, &side, &record);
    if (error < 0)
        return error;
    result = (ssize_t)weft__offload_run(self, "getdents", fd, list_there, &listing);
    weft__fd_leave(io, record, WEFT__READER, &side);
    if (result == -EBADF)
        weft__fd_forget(io, record);
    return result;
}
