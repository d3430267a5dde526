/*
 * weft/fd.h - reading and writing whatever a descriptor stands for: files, pipes, sockets, devices.
 *
 * The twins of read(2), write(2) and their kin, through the ring: plain ints, arguments in the
 * order of the call replaced, results >= 0 or a negative errno, closed by weft_close (weft/net.h).
 * Buffers are borrowed: the caller's until the call returns, which is never before the kernel has
 * let go of them, cancelled or not. The first reactor to use a descriptor owns it; from another one
 * calls answer -EXDEV.
 *
 * weft_read and its kin go on at the file's own position: one task may do so at a time, and one
 * weft_write; a second gets -EBUSY. On a file both move the same position, and nothing orders the
 * two. Calls that name an offset may be made by any number of tasks at once.
 *
 * O_NONBLOCK changes nothing in calls on pipes and sockets, which wait in the ring. A write to a
 * pipe or socket that nobody reads from is -EPIPE; for SIGPIPE see no_sigpipe in weft/runtime.h.
 *
 * Every call here may also answer: -EPERM outside a task, -EBADF, -EINVAL, -EFAULT (NULL for memory
 * that is needed), -ECANCELED when the caller is cancelled, -ENOMEM when no request can be kept,
 * and what the file's own system says: -EIO, -EAGAIN, -ENOSPC, -EDQUOT, -EFBIG, ... A cancelled
 * call that moved bytes all the same says how many. What a disk has been handed cannot be taken
 * back: such a call returns, cancelled or not, when the disk has answered.
 */
#ifndef WEFT_FD_H
#define WEFT_FD_H

#include <sys/uio.h>
#include <weft/base.h>

WEFT_BEGIN_DECLS

/* Some bytes, as many as there are and fit; 0 is the end of the file, or of what its writers had to
   say. */
WEFT_API ssize_t weft_read(int fd, void *buffer, size_t size) WEFT_SUSPENDS;
WEFT_API ssize_t weft_readv(int fd, const struct iovec *vectors, int count) WEFT_SUSPENDS;

/* Writes some of it: fewer bytes than asked, as when a disk or a pipe is full. */
WEFT_API ssize_t weft_write(int fd, const void *buffer, size_t size) WEFT_SUSPENDS;
WEFT_API ssize_t weft_writev(int fd, const struct iovec *vectors, int count) WEFT_SUSPENDS;

/* weft_read, weft_write and their kin at an offset, which moves no position. -ESPIPE on what has
   none. With O_APPEND a write goes to the end whatever the offset says, as on Linux. */
WEFT_API ssize_t weft_pread(int fd, void *buffer, size_t size, off_t offset) WEFT_SUSPENDS;
WEFT_API ssize_t weft_pwrite(int fd, const void *buffer, size_t size, off_t offset) WEFT_SUSPENDS;
WEFT_API ssize_t weft_preadv(int fd, const struct iovec *vectors, int count,
                             off_t offset) WEFT_SUSPENDS;
WEFT_API ssize_t weft_pwritev(int fd, const struct iovec *vectors, int count,
                              off_t offset) WEFT_SUSPENDS;

/*
 * All of it, or a negative errno, never a short count: -ENODATA when the file ends before. *done
 * (NULL allowed) says how many bytes were moved. In several requests where one does not do; each
 * descriptor's side is held from the first to the last. An interruption by a signal of the kernel's
 * own (-EINTR) is tried again.
 */
WEFT_API ssize_t weft_read_exactly(int fd, void *buffer, size_t size, size_t *done) WEFT_SUSPENDS;
WEFT_API ssize_t weft_write_all(int fd, const void *buffer, size_t size,
                                size_t *done) WEFT_SUSPENDS;
WEFT_API ssize_t weft_pread_exactly(int fd, void *buffer, size_t size, off_t offset,
                                    size_t *done) WEFT_SUSPENDS;
WEFT_API ssize_t weft_pwrite_all(int fd, const void *buffer, size_t size, off_t offset,
                                 size_t *done) WEFT_SUSPENDS;
WEFT_API ssize_t weft_readv_exactly(int fd, const struct iovec *vectors, int count,
                                    size_t *done) WEFT_SUSPENDS;
WEFT_API ssize_t weft_writev_all(int fd, const struct iovec *vectors, int count,
                                 size_t *done) WEFT_SUSPENDS;
WEFT_API ssize_t weft_preadv_exactly(int fd, const struct iovec *vectors, int count, off_t offset,
                                     size_t *done) WEFT_SUSPENDS;
WEFT_API ssize_t weft_pwritev_all(int fd, const struct iovec *vectors, int count, off_t offset,
                                  size_t *done) WEFT_SUSPENDS;

/* pipe2(2), CLOEXEC and never 0, 1 or 2: fds[0] to read from, fds[1] to write to, both the calling
   reactor's. flags: O_NONBLOCK (for who is handed an end), O_DIRECT. Does not suspend. Returns 0;
   -EMFILE, -ENFILE. */
WEFT_API int weft_pipe(int fds[2], int flags);

WEFT_END_DECLS

#endif
