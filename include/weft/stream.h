/*
 * weft/stream.h - a connected byte pipe with buffers.
 *
 * One multishot receive stays armed per stream and fills buffers that the kernel picks from the
 * reactor's pool, so an idle stream holds none; data already there is answered without a system
 * call. A reader that lags pauses the receive at `held_max` bytes and resumes it as it consumes.
 * The size of the buffers follows the traffic (4, 16, 64 KiB).
 *
 * A stream belongs to the reactor that opened it (-EXDEV elsewhere). One task reads and one writes
 * at a time (-EBUSY). While it is being closed other tasks get -EBADF, those inside a call
 * -ECANCELED. One that is still open when the run ends is aborted and freed.
 *
 * Every call here may also answer -EPERM outside a task and -EINVAL (NULL for the stream, flags it
 * does not know); those that take memory -EFAULT when it is NULL and its size is not 0.
 */
#ifndef WEFT_STREAM_H
#define WEFT_STREAM_H

#include <sys/socket.h>
#include <sys/uio.h>
#include <weft/base.h>
#include <weft/net.h>

WEFT_BEGIN_DECLS

typedef struct weft_stream weft_stream;

struct weft_stream_opt {
    size_t size;       /* sizeof(struct weft_stream_opt) */
    uint32_t held_max; /* bytes of buffers held for a reader that lags, beyond which the receive is
                          paused (what the kernel fills until then is kept); 0: 256 KiB */
    uint32_t buffer_size; /* fixes the size of receive buffers, rounded up to 4, 16 or 64 KiB; 0: it
                             follows the traffic; more than 64 KiB: -EINVAL */
};

/*
 * Makes a stream of the connected stream socket `fd`, or of the end of a pipe, or a terminal, which
 * it then owns: close the stream, not the descriptor. On error the descriptor stays the caller's.
 * The way that a pipe does not go answers -EBADF.
 * Returns 0 and *stream; -EINVAL (no stream: a file, datagrams; bad options), -ENOMEM, -EBADF,
 * -EBUSY (something is in flight on fd, a poll too; or a reader, a writer or a stream has it),
 * -ENOTCONN (its connect failed), -EXDEV.
 */
WEFT_API WEFT_NODISCARD int weft_stream_open(int fd, const struct weft_stream_opt *opt,
                                             weft_stream **stream);

/* The descriptor, for options and addresses; not for reading, writing or closing. -1: a pipe that
   was shut down. */
WEFT_API int weft_stream_fd(const weft_stream *stream);

enum weft_stream_kind { WEFT_STREAM_TCP = 1, WEFT_STREAM_UNIX, WEFT_STREAM_PIPE };

struct weft_stream_info {
    int fd;
    int kind;            /* enum weft_stream_kind */
    socklen_t peer_size; /* of the addresses, in bytes; 0: it has none, or none any more */
    socklen_t local_size;
    struct sockaddr_storage peer;
    struct sockaddr_storage local;
};

/* Who is at the other end, and where this one is. info_size: sizeof *info. Never suspends. Returns
   0; -EINVAL; -EBADF it is being closed. */
WEFT_API int weft_stream_get_extra_info(const weft_stream *stream, struct weft_stream_info *info,
                                        size_t info_size);

/*
 * Up to `size` bytes, at least one unless the end came: 0. flags: 0 or WEFT_IDLE.
 * Returns the count; -ECONNRESET, ... after what came before it was read; -ECANCELED.
 */
WEFT_API ssize_t weft_stream_read(weft_stream *stream, void *buffer, size_t size,
                                  int flags) WEFT_SUSPENDS;
WEFT_API ssize_t weft_stream_read_until_time(weft_stream *stream, void *buffer, size_t size,
                                             int flags, int64_t deadline) WEFT_SUSPENDS;

/* Exactly `size` bytes or a negative errno, -ENODATA at the end; *done (NULL allowed) how many. */
WEFT_API ssize_t weft_stream_read_exactly(weft_stream *stream, void *buffer, size_t size,
                                          size_t *done) WEFT_SUSPENDS;

/*
 * Up to and with the first `delimiter` (delimiter_size bytes, at least one), at most `size` bytes.
 * All or nothing: on any error the stream is as it was, and what has come can be read otherwise.
 * flags: 0 or WEFT_IDLE, which holds until the first byte is there: a drain does not cut a message
 * in two. What is held may exceed held_max meanwhile, up to twice `size`.
 * Returns the count, the delimiter's bytes included; -EMSGSIZE the delimiter does not end within
 * `size` bytes; -ENODATA the end of the stream came before it, whether or not bytes are left;
 * -ECONNRESET, ...; -ENOMEM; -ECANCELED.
 */
WEFT_API ssize_t weft_stream_read_until(weft_stream *stream, const void *delimiter,
                                        size_t delimiter_size, void *buffer, size_t size,
                                        int flags) WEFT_SUSPENDS;

/*
 * weft_stream_read_until for a line: up to and with '\n', and a '\0' behind it; so a line has at
 * most size - 1 bytes. Returns its length, the '\n' counted; errors as weft_stream_read_until. A
 * last line that does not end is none: -ENODATA, and weft_stream_read gives it.
 */
WEFT_API ssize_t weft_stream_read_line(weft_stream *stream, char *line, size_t size,
                                       int flags) WEFT_SUSPENDS;

/* 1 when the peer has ended and everything was read, else 0. Never suspends. */
WEFT_API int weft_stream_at_eof(const weft_stream *stream);

/*
 * Lends the bytes at the head of the stream: *data points at *size contiguous bytes (at least one)
 * in the pool. Put them back with weft_stream_consume, some or all; one view at a time per stream
 * (-EBUSY). They may be sent from: weft_stream_write(stream, *data, ...) before consuming.
 * Returns 1, 0 at the end of the stream, or a negative errno. flags: 0 or WEFT_IDLE.
 */
WEFT_API int weft_stream_peek(weft_stream *stream, const void **data, size_t *size,
                              int flags) WEFT_SUSPENDS;

/* Ends the view: its first `size` bytes are taken, the rest stays. -EINVAL: no view, or too many.
 */
WEFT_API int weft_stream_consume(weft_stream *stream, size_t size);

/* All bytes or a negative errno; *done (NULL allowed) how many were handed to the kernel. -EDQUOT:
   in a server's handler, more than its connection_bytes leaves: nothing of it is sent, by whichever
   call, and the handler's task is cancelled. */
WEFT_API ssize_t weft_stream_write(weft_stream *stream, const void *buffer, size_t size,
                                   size_t *done) WEFT_SUSPENDS;
WEFT_API ssize_t weft_stream_writev(weft_stream *stream, const struct iovec *vectors, int count,
                                    size_t *done) WEFT_SUSPENDS;

/*
 * Writes memory that is given away: weft_stream_write, with the memory released as weft_send_give
 * (net.h) does it: by one call of `release` with `arg`, whatever became of this one, when the
 * kernel has let go of what it took from where it lay, else with this call. So it is for closing,
 * cancelling and aborting, and for moving the stream: that memory is released on the reactor that
 * wrote it, which cannot hasten it by a reset once the stream is another's.
 * Returns as weft_stream_write; -EINVAL also when `release` is NULL, which is then not called.
 */
WEFT_API ssize_t weft_stream_write_give(weft_stream *stream, const void *memory, size_t size,
                                        size_t *done, weft_release_fn release,
                                        void *arg) WEFT_SUSPENDS;

/*
 * Copies the bytes and has them sent behind what was given and written before, as far as the peer
 * takes them; does not wait for that, and may be called in callbacks, too. What the peer has not
 * taken stays in memory: whoever writes so calls weft_stream_drain, or looks at
 * weft_stream_write_pending. That they could not be sent is said by the next call that writes.
 * Returns `size`; -EPIPE, -ECONNRESET, ... of what was written before; -ENOBUFS more than 1 GiB
 * would wait; -ENOMEM; -EBUSY a task is inside a call that writes; -EDQUOT; -EBADF.
 */
WEFT_API ssize_t weft_stream_write_nowait(weft_stream *stream, const void *buffer, size_t size);

/* How many bytes given or written without waiting have not been handed to the kernel yet. */
WEFT_API ssize_t weft_stream_write_pending(const weft_stream *stream);

/*
 * When weft_stream_drain waits: with more than `high` bytes pending, until no more than `low` are.
 * 0 and 0, as at first: with any, until all have been handed to the kernel.
 * Returns 0; -EINVAL low > high.
 */
WEFT_API int weft_stream_set_write_limits(weft_stream *stream, uint32_t high, uint32_t low);

/*
 * Gives the first `size` bytes of the view lent by `from` away, to be sent to `to` from where they
 * lie; the view ends, as if they had been consumed. `from` and `to` may be one stream, as in an
 * echo, or two, as in a proxy. Does not wait until they are sent: the buffer goes back to the pool
 * when the kernel is done with it. What was given earlier is sent first, and waited for when it has
 * not been yet, so that a stream holds one buffer given to it and no more. Whoever then waits for
 * the peer alone is not told that it could not be sent: the next call of the writing side is.
 * Returns `size`. On an error nothing was taken and the view is still lent: -EINVAL (no view, or
 * not so long), -EBUSY (another task is writing), -EXDEV, -EPIPE, -ECONNRESET, ... when what was
 * given before could not be sent, -ECANCELED, -EBADF, -EDQUOT, -ENOMEM, -ENOBUFS (65,534 streams
 * send from the same buffer).
 */
WEFT_API ssize_t weft_stream_give(weft_stream *to, weft_stream *from, size_t size) WEFT_SUSPENDS;

/*
 * Moves what comes from the peer of `from` to the peer of `to` in the kernel, by way of a pipe of
 * the reactor's: up to `size` bytes (256 KiB at a time), at least one, none of which is brought
 * here. For what comes in pieces of 16 KiB and more; smaller ones cost less when they are peeked at
 * and given. What is held already is given first, as weft_stream_give does, and what was given
 * before is waited for. The call reads `from` and writes to `to` until it returns: another task's
 * call gets -EBUSY. `from` and `to` may be one stream. The sockets do not block afterwards
 * (O_NONBLOCK), which matters to none of weft's calls. flags: 0 or WEFT_IDLE, for the wait until
 * something comes.
 * Returns how many bytes were moved; 0 at the end of the stream; -EPIPE, -ECONNRESET, ...; -EMFILE,
 * -ENFILE no pipe could be had, and nothing was taken; -EINVAL (`size` 0, or one is a pipe or a
 * terminal), -EDQUOT, -EXDEV, -EBADF, -ENOBUFS (as in weft_stream_give), -ENOMEM; -ECANCELED,
 * -ESHUTDOWN. An error while `to` was waited for leaves bytes taken that were not sent: further
 * calls that write to `to` answer with it.
 */
WEFT_API ssize_t weft_stream_splice(weft_stream *to, weft_stream *from, size_t size,
                                    int flags) WEFT_SUSPENDS;

/*
 * Waits until what was given to the stream, or written without waiting, has been handed to the
 * kernel, or as far as weft_stream_set_write_limits says. Writing, shutting down and closing wait
 * for all of it by themselves.
 * Returns 0; -EPIPE, -ECONNRESET, ... when it could not be sent; -EBUSY another task is writing;
 * -ECANCELED.
 */
WEFT_API int weft_stream_drain(weft_stream *stream) WEFT_SUSPENDS;

/* Ends the writing side: the peer reads the end of the stream. Of a pipe the descriptor is closed
   by that; -ENOTSOCK of a terminal. */
WEFT_API int weft_stream_shutdown(weft_stream *stream) WEFT_SUSPENDS;

/*
 * Moves a stream to another reactor: detached from the one it belongs to, passed along as a pointer
 * (to a task spawned there, by a queue or a post), and attached where it is to go on. What has been
 * received and not read, what was given or written without waiting and is not sent, the mark of the
 * end, errors not told yet and the options go along; the peer notices nothing.
 *
 * Ends what is in flight and waits for that, no longer. Afterwards calls on it answer -EXDEV, but
 * for _attach and those that close it, which do it where they are called. A stream that nobody
 * attaches or closes is lost, with its descriptor.
 *
 * Returns 0; -EBUSY a task is inside a call on it or on its descriptor, a view is lent, or a
 * server, transport or process has it; -ENOTCONN a pipe that was shut down; -ENOMEM, and then it
 * goes on as before; -ECANCELED (also: another task closes it meanwhile), -EBADF, -EXDEV.
 */
WEFT_API WEFT_NODISCARD int weft_stream_detach(weft_stream *stream) WEFT_SUSPENDS;
/*
 * Makes a detached stream the calling task's reactor's. Never suspends. Returns 0; -EINVAL it is
 * not detached; -EXDEV, -EBUSY another uses the descriptor; -EBADF it was closed meanwhile, and its
 * number may be another file's by now: told by device and inode; -ENOMEM. After an error it is as
 * it was.
 */
WEFT_API WEFT_NODISCARD int weft_stream_attach(weft_stream *stream);

/*
 * Ends what is in flight, returns every buffer, closes the descriptor, frees the stream. Always
 * finishes. Before that _close waits until what was given has been sent, as a write would have
 * waited: a cancellation or a deadline ends that wait. _abort does not wait, and resets the
 * connection. NULL is allowed and does nothing. A stream that is a server's (in its handler) or a
 * process's may be closed, too; its memory goes with the handler or the process, and until then
 * calls on it answer -EBADF, these as well.
 * Returns 0, or what close(2) said; -EBADF: the descriptor was closed, but not by these, and weft
 * has given its number to another, or it was closed while the stream was detached: only the stream
 * is gone; -EALREADY another task is closing it; -EXDEV, -EBUSY (of a detached one), -EPERM, and
 * then the stream is as it was.
 */
WEFT_API int weft_stream_close(weft_stream *stream) WEFT_SUSPENDS;
WEFT_API int weft_stream_abort(weft_stream *stream) WEFT_SUSPENDS;

WEFT_END_DECLS

#endif
