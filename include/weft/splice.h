/*
 * weft/splice.h - moving bytes between descriptors inside the kernel, without a copy of one's own.
 *
 * The twins of splice(2), tee(2) and sendfile(2), arguments in the same order. As with reading and
 * writing, one task may read from a descriptor and one may write to it at a time: -EBUSY; a file
 * that is named with an offset may be used by any number. A socket is made non-blocking
 * (O_NONBLOCK), which changes nothing in weft's calls.
 *
 * Between pipes and sockets the bytes are moved at once, by a direct call that does not wait; what
 * has to wait does so in the ring. Files are read and written by the kernel's workers, in the ring;
 * so are terminals and other devices, which nobody can ask not to wait: a worker waits there until
 * the device is ready or the caller is cancelled, whatever SPLICE_F_NONBLOCK says.
 *
 * Every call here may also answer: -EPERM outside a task, -EBADF, -EXDEV another reactor's
 * descriptor, -EINVAL (flags, or files that cannot be spliced), -EFAULT, -ECANCELED when the caller
 * is cancelled (a call that moved bytes says how many), -ENOMEM, -EPIPE nobody reads what is
 * written (for SIGPIPE see no_sigpipe in weft/runtime.h), and what the file's system says.
 */
#ifndef WEFT_SPLICE_H
#define WEFT_SPLICE_H

#include <fcntl.h>
#include <weft/base.h>

WEFT_BEGIN_DECLS

/*
 * Moves up to `size` bytes; one end is a pipe. off_in and off_out: NULL; or, of a file, where to
 * read or write, moved on by what was moved. flags: SPLICE_F_MOVE, SPLICE_F_MORE, and
 * SPLICE_F_NONBLOCK: -EAGAIN rather than waiting for bytes or for room.
 *
 * Returns how many bytes; 0 at the end of what there is; -ESPIPE an offset of what has none.
 */
WEFT_API ssize_t weft_splice(int fd_in, off_t *off_in, int fd_out, off_t *off_out, size_t size,
                             unsigned flags) WEFT_SUSPENDS;

/* From pipe to pipe, without taking them out of the first. Returns how many bytes; 0 at the end. */
WEFT_API ssize_t weft_tee(int fd_in, int fd_out, size_t size, unsigned flags) WEFT_SUSPENDS;

/*
 * Sends `size` bytes of a file, from *offset on, to a socket or a pipe; *offset moves on by what
 * was sent. Goes on until all was sent or the file ends; through a pipe of its own, two descriptors
 * for the time of the call.
 *
 * Returns how many bytes: fewer than asked at the end of the file, or when there was trouble after
 * some; what it was shows in the next call. -ESPIPE not a file; -EINVAL to what is neither a
 * socket nor a pipe; -EMFILE.
 */
WEFT_API ssize_t weft_sendfile(int fd_out, int fd_in, off_t *offset, size_t size) WEFT_SUSPENDS;

WEFT_END_DECLS

#endif
