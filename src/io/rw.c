/*
 * io/rw.c - reading and writing, at the file's position or at an offset; <weft/fd.h> is the
 * reference.
 *
 * At its position a file has one reader and one writer at a time, which hold their side of the
 * descriptor from the first request to the last; at offsets any number use it at once (io/use.h).
 * What always holds: a task that is cancelled is refused before a request is made, and between two
 * pieces; a request made is waited for, and its result reported.
 */
#include <weft/fd.h>

#include "io/file_object.h"
#include "io/use.h"
#include "ring/host.h"

enum { VECTORS_MAX = 1024, WINDOW = 16 };

/* Of a call that is a mistake of the program. */
static const char no_memory[] = "NULL for memory that is needed";
static const char bad_vectors[] = "vectors fewer than none, or more than 1024";
static const char bad_offset[] = "a negative offset";

/* Who moves bytes, and where. */
struct mover {
    struct weft__task *self;
    struct weft__operation *operation;
    struct weft__fd *record;
    const char *what;
    int fd;
    bool writes;
    uint64_t offset; /* of the next byte, or WEFT__OFFSET_CURRENT */
    uint64_t claim;  /* of the file object whose descriptor it is: by what the ring holds; or 0 */
};

static inline __attribute__((always_inline)) void fill(struct weft__sqe *sqe,
                                                       const struct mover *mover,
                                                       const struct iovec *vectors, int count)
{
    if (count == 1 && mover->writes)
        weft__request_write(sqe, mover->fd, vectors->iov_base, weft__size_once(vectors->iov_len),
                            mover->offset);
    else if (count == 1)
        weft__request_read(sqe, mover->fd, vectors->iov_base, weft__size_once(vectors->iov_len),
                           mover->offset);
    else if (mover->writes)
        weft__request_writev(sqe, mover->fd, vectors, (uint32_t)count, mover->offset);
    else
        weft__request_readv(sqe, mover->fd, vectors, (uint32_t)count, mover->offset);
}

/* One request. Vectors are not looked at after it was submitted. of_file: the mover's, a constant
   where nothing is to be left of it. */
static inline __attribute__((always_inline)) int32_t move_once(const struct mover *mover,
                                                               const struct iovec *vectors,
                                                               int count, bool of_file)
{
    int32_t error;
    struct weft__sqe *sqe = weft__begin_once(mover->self, mover->operation, mover->what, mover->fd,
                                             mover->record, &error);

    if (!sqe)
        return error;
    fill(sqe, mover, vectors, count);
    if (of_file)
        weft__file_mark(weft__io_of(mover->self->reactor), mover->record, sqe);
    return weft__await(mover->self, mover->operation, sqe, mover->record);
}

/* On a socket by the requests of sockets: a send can be told to raise no signal. */
static __attribute__((noinline)) int32_t move_on_socket(const struct mover *mover,
                                                        const struct iovec *vectors, int count)
{
    if (count != 1)
        return move_once(mover, vectors, count, false);
    if (mover->writes)
        return weft__send_once(mover->self, mover->operation, mover->fd, mover->record,
                               vectors->iov_base, vectors->iov_len, 0);
    return weft__receive_once(mover->self, mover->operation, mover->fd, mover->record,
                              vectors->iov_base, vectors->iov_len, 0);
}

static inline __attribute__((always_inline)) int32_t move(const struct mover *mover,
                                                          const struct iovec *vectors, int count,
                                                          bool of_file)
{
    return weft__fd_is(mover->fd, mover->record, WEFT__FD_SOCKET)
               ? move_on_socket(mover, vectors, count)
               : move_once(mover, vectors, count, of_file);
}

/* -- all of it ------------------------------------------------------------------------------ */

/* Vectors of which the first `skip` bytes have been moved. */
struct rest {
    const struct iovec *vectors;
    int count;
    size_t skip;
};

/* Passes over vectors that are done; false: nothing is left. */
static bool any_left(struct rest *rest)
{
    while (rest->count > 0 && rest->skip >= rest->vectors->iov_len) {
        rest->skip -= rest->vectors->iov_len;
        rest->vectors++;
        rest->count--;
    }
    return rest->count > 0;
}

/* The next of them as they are now; how many. */
static int window_of(const struct rest *rest, struct iovec window[WINDOW])
{
    int count = rest->count < WINDOW ? rest->count : WINDOW;

    for (int i = 0; i < count; i++)
        window[i] = rest->vectors[i];
    window[0].iov_base = (char *)window[0].iov_base + rest->skip;
    window[0].iov_len -= rest->skip;
    return count;
}

/* What a piece came to: goes on (0), or ends it all. */
static int32_t ends_with(const struct mover *mover, int32_t n)
{
    if (n > 0)
        return 0;
    if (n == -EINTR && !mover->self->visible)
        return 0; /* by a signal of the kernel's own: nothing was moved */
    if (n < 0)
        return n;
    return mover->writes ? -EIO : -ENODATA; /* a file that takes nothing and says no error */
}

static ssize_t move_all(struct mover *mover, const struct iovec *vectors, int count, size_t *done)
{
    struct rest rest = {vectors, count, 0};
    struct iovec window[WINDOW];

    while (any_left(&rest)) {
        int32_t n, end;
        if (__builtin_expect(mover->self->visible && *done > 0, 0))
            return weft__task_refuse(mover->self);
        n = move(mover, window, window_of(&rest, window), mover->claim != 0);
        end = ends_with(mover, n);
        if (end < 0)
            return end;
        if (n > 0) {
            rest.skip += (size_t)n;
            *done += (size_t)n;
            mover->offset += mover->offset == WEFT__OFFSET_CURRENT ? 0 : (uint64_t)n;
        }
    }
    return (ssize_t)*done;
}

/* -- calls ---------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) int check(const struct iovec *vectors, int count)
{
    if (__builtin_expect(count < 0 || count > VECTORS_MAX, 0))
        return weft__misuse(-EINVAL, bad_vectors);
    if (count > 1)
        return vectors ? 0 : weft__misuse(-EFAULT, no_memory);
    if (count == 1 && __builtin_expect(!vectors || (!vectors->iov_base && vectors->iov_len), 0))
        return weft__misuse(-EFAULT, no_memory);
    return 0;
}

/* At the file's own position. done NULL: one request. */
static inline __attribute__((always_inline)) ssize_t here(int fd, const char *what, bool writes,
                                                          const struct iovec *vectors, int count,
                                                          size_t *done)
{
    enum weft__side side = writes ? WEFT__WRITER : WEFT__READER;
    struct weft__operation operation;
    struct mover mover = {.operation = &operation,
                          .what = what,
                          .fd = fd,
                          .writes = writes,
                          .offset = WEFT__OFFSET_CURRENT};
    struct weft__io *io;
    ssize_t result = weft__enter(&mover.self);

    if (result == 0)
        result = check(vectors, count);
    if (__builtin_expect(result < 0, 0))
        return result;
    io = weft__io_of(mover.self->reactor);
    result = weft__hold_side(io, fd, side, &operation, &mover.record);
    if (__builtin_expect(result < 0, 0))
        return result;
    if (__builtin_expect(mover.record->trouble != 0 && !writes, 0)) {
        mover.self->cause = WEFT_CAUSE_NONE;
        result = weft__fd_take_trouble(mover.record);
    } else {
        result =
            done ? move_all(&mover, vectors, count, done) : move(&mover, vectors, count, false);
    }
    weft__fd_leave(io, mover.record, side, &operation.op);
    if (__builtin_expect(result == -EBADF, 0))
        weft__fd_forget_closed(io, fd, mover.record);
    return result;
}

static inline __attribute__((always_inline)) ssize_t at(int fd, const char *what, bool writes,
                                                        const struct iovec *vectors, int count,
                                                        off_t offset, size_t *done, uint64_t claim)
{
    struct weft__use use;
    struct mover mover = {.operation = &use.operation,
                          .what = what,
                          .fd = fd,
                          .writes = writes,
                          .offset = (uint64_t)offset,
                          .claim = claim};
    ssize_t result;

    if (__builtin_expect(offset < 0, 0))
        return weft__misuse(-EINVAL, bad_offset);
    result = check(vectors, count);
    if (result == 0)
        result = weft__use_enter(&use, fd);
    if (__builtin_expect(result < 0, 0))
        return result;
    mover.self = use.self;
    mover.record = use.record;
    if (__builtin_expect(!mover.record, 0)) /* AT_FDCWD */
        return -EBADF;
    if (claim && atomic_load_explicit(&mover.record->owner, memory_order_relaxed) != claim) {
        weft__use_close(&use, 0); /* closed while the call gave way, and another's by now */
        return -EBADF;
    }
    if (__builtin_expect(!weft__fd_is(fd, mover.record, WEFT__FD_SEEKS), 0)) {
        result = weft__host_seeks(fd); /* -ESPIPE, or it is open no more */
        result = result < 0 ? result : -ESPIPE;
    } else if (done) {
        result = move_all(&mover, vectors, count, done);
    } else {
        result = move_once(&mover, vectors, count, claim != 0);
    }
    weft__use_close(&use, (int32_t)result);
    return result;
}

/* *done is told in any case, and ours where the caller wants none. */
#define ALL(call)                                                                                  \
    do {                                                                                           \
        size_t own = 0;                                                                            \
        ssize_t result = call;                                                                     \
        if (done)                                                                                  \
            *done = own;                                                                           \
        return result;                                                                             \
    } while (0)

#define ONE(buffer, size) (&(struct iovec){(void *)(uintptr_t)(buffer), size}), 1

ssize_t weft_read(int fd, void *buffer, size_t size)
{
    return here(fd, "read", false, ONE(buffer, size), NULL);
}

ssize_t weft_write(int fd, const void *buffer, size_t size)
{
    return here(fd, "write", true, ONE(buffer, size), NULL);
}

ssize_t weft_readv(int fd, const struct iovec *vectors, int count)
{
    return here(fd, "read", false, vectors, count, NULL);
}

ssize_t weft_writev(int fd, const struct iovec *vectors, int count)
{
    return here(fd, "write", true, vectors, count, NULL);
}

ssize_t weft_pread(int fd, void *buffer, size_t size, off_t offset)
{
    return at(fd, "pread", false, ONE(buffer, size), offset, NULL, 0);
}

ssize_t weft_pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    return at(fd, "pwrite", true, ONE(buffer, size), offset, NULL, 0);
}

ssize_t weft_preadv(int fd, const struct iovec *vectors, int count, off_t offset)
{
    return at(fd, "pread", false, vectors, count, offset, NULL, 0);
}

ssize_t weft_pwritev(int fd, const struct iovec *vectors, int count, off_t offset)
{
    return at(fd, "pwrite", true, vectors, count, offset, NULL, 0);
}

ssize_t weft_read_exactly(int fd, void *buffer, size_t size, size_t *done)
{
    ALL(here(fd, "read", false, ONE(buffer, size), &own));
}

ssize_t weft_write_all(int fd, const void *buffer, size_t size, size_t *done)
{
    ALL(here(fd, "write", true, ONE(buffer, size), &own));
}

ssize_t weft_readv_exactly(int fd, const struct iovec *vectors, int count, size_t *done)
{
    ALL(here(fd, "read", false, vectors, count, &own));
}

ssize_t weft_writev_all(int fd, const struct iovec *vectors, int count, size_t *done)
{
    ALL(here(fd, "write", true, vectors, count, &own));
}

ssize_t weft_pread_exactly(int fd, void *buffer, size_t size, off_t offset, size_t *done)
{
    ALL(at(fd, "pread", false, ONE(buffer, size), offset, &own, 0));
}

ssize_t weft_pwrite_all(int fd, const void *buffer, size_t size, off_t offset, size_t *done)
{
    ALL(at(fd, "pwrite", true, ONE(buffer, size), offset, &own, 0));
}

ssize_t weft_preadv_exactly(int fd, const struct iovec *vectors, int count, off_t offset,
                            size_t *done)
{
    ALL(at(fd, "pread", false, vectors, count, offset, &own, 0));
}

ssize_t weft_pwritev_all(int fd, const struct iovec *vectors, int count, off_t offset, size_t *done)
{
    ALL(at(fd, "pwrite", true, vectors, count, offset, &own, 0));
}

ssize_t weft__file_pread(const struct weft_file *file, void *buffer, size_t size, off_t offset)
{
    return at(file->fd, "pread", false, ONE(buffer, size), offset, NULL, file->owner);
}

ssize_t weft__file_pwrite_all(const struct weft_file *file, const void *buffer, size_t size,
                              off_t offset, size_t *done)
{
    return at(file->fd, "pwrite", true, ONE(buffer, size), offset, done, file->owner);
}

/* -- pipes ---------------------------------------------------------------------------------- */

int weft_pipe(int fds[2], int flags)
{
    struct weft__task *self = weft__task_self();
    int both[2], error;

    if (!self)
        return weft__outside();
    if (!fds)
        return weft__misuse(-EFAULT, no_memory);
    error = weft__host_pipe(both, flags & ~O_CLOEXEC);
    if (error < 0)
        return error;
    for (int i = 0; i < 2; i++) {
        error = weft__fd_adopt(weft__io_of(self->reactor), both[i]);
        if (error < 0) { /* that one is closed */
            weft__fd_discard(weft__io_of(self->reactor), both[!i]);
            return error;
        }
    }
    fds[0] = both[0];
    fds[1] = both[1];
    return 0;
}
