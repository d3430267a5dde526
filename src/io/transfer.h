/*
 * io/transfer.h - one request each to receive and to send, for callers that hold the side.
 *
 * On the calling task; the descriptor's side is held by `operation` (weft__fd_enter).
 */
#ifndef WEFT_IO_TRANSFER_H
#define WEFT_IO_TRANSFER_H

#include <limits.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "io/fd.h"
#include "io/packet.h"
#include "task/operation.h"

/* What comes beside a message when SO_PASSPIDFD asks for it (6.5): one descriptor, of the process
   that has sent it. */
enum { WEFT__SCM_PIDFD = 4 };

/* The kernel's result; -ECANCELED also when the descriptor is being closed. flags: MSG_*,
 * WEFT_IDLE. */
int32_t weft__receive_once(struct weft__task *self, struct weft__operation *operation, int fd,
                           struct weft__fd *record, void *buffer, size_t size, int flags);

/* The same by a read, of what is no socket. flags: WEFT_IDLE. */
int32_t weft__read_once(struct weft__task *self, struct weft__operation *operation, int fd,
                        struct weft__fd *record, void *buffer, size_t size, int flags);

/* A request that was taken and has lost its sense: it does nothing, and is waited for. `error`. */
int32_t weft__leave_undone(struct weft__task *self, struct weft__operation *operation,
                           struct weft__sqe *sqe, int error);
/* What is said of an error of a request that was in flight, if the descriptor is closing, or is
   another's by now. */
int32_t weft__error_of_gone(const struct weft__fd *record, uint64_t word, int32_t error);

/* -- inlined, as all is between a public call and the switch: see weft__fiber_switch_away ------ */

enum { WEFT__SIZE_MAX_ONCE = INT_MAX & ~4095 }; /* what the kernel moves at once */

static inline uint32_t weft__size_once(size_t size)
{
    return size < WEFT__SIZE_MAX_ONCE ? (uint32_t)size : WEFT__SIZE_MAX_ONCE;
}

/* Finds the record and takes one side of it for a call: what weft__begin_once looks at from the
   first request to the last. 0; -EBADF, -EXDEV, -EBUSY. */
static inline __attribute__((always_inline)) int weft__hold_side(struct weft__io *io, int fd,
                                                                 enum weft__side side,
                                                                 struct weft__operation *operation,
                                                                 struct weft__fd **record)
{
    int error = weft__fd_enter(io, fd, side, &operation->op, record);

    if (__builtin_expect(error == 0, 1))
        operation->word = weft__fd_word_of(*record);
    return error;
}

/* NULL: why not is *error. While there was no room, or since the call's last request, weft_close
   may have come, or the number may have become another's. */
static inline __attribute__((always_inline)) struct weft__sqe *weft__begin_once(
    struct weft__task *self, struct weft__operation *operation, const char *what, int fd,
    const struct weft__fd *record, int32_t *error)
{
    struct weft__sqe *sqe = weft__operation_begin(self, operation, what, fd);

    if (!sqe) {
        *error = weft__operation_error(self);
    } else if (__builtin_expect(!weft__fd_is_still(record, operation->word), 0)) {
        *error =
            weft__leave_undone(self, operation, sqe, weft__fd_why_not(record, operation->word));
        sqe = NULL;
    }
    return sqe;
}

/* Waits for the request. */
static inline __attribute__((always_inline)) int32_t weft__await(struct weft__task *self,
                                                                 struct weft__operation *operation,
                                                                 struct weft__sqe *sqe,
                                                                 const struct weft__fd *record)
{
    int32_t result = weft__operation_wait(self, operation, sqe);

    return result < 0 ? weft__error_of_gone(record, operation->word, result) : result;
}

/* One request. */
static inline __attribute__((always_inline)) int32_t weft__send_request(
    struct weft__task *self, struct weft__operation *operation, int fd,
    const struct weft__fd *record, const void *buffer, size_t size, int flags)
{
    int32_t result;
    struct weft__sqe *sqe = weft__begin_once(self, operation, "send", fd, record, &result);

    if (!sqe)
        return result;
    weft__request_send(sqe, fd, buffer, weft__size_once(size), (uint32_t)flags | MSG_NOSIGNAL);
    result = weft__await(self, operation, sqe, record);
    if (result > 0)
        WEFT__COUNT_BY(self->reactor, bytes_sent, result);
    return result;
}

/* The same through a Unix socket that keeps messages apart. */
int32_t weft__send_packet(struct weft__task *self, struct weft__operation *operation, int fd,
                          struct weft__fd *record, const void *buffer, size_t size, int flags);

static inline __attribute__((always_inline)) int32_t weft__send_once(
    struct weft__task *self, struct weft__operation *operation, int fd, struct weft__fd *record,
    const void *buffer, size_t size, int flags)
{
    if (__builtin_expect(weft__fd_sends_packets(fd, record), 0))
        return weft__send_packet(self, operation, fd, record, buffer, size, flags);
    return weft__send_request(self, operation, fd, record, buffer, size, flags);
}

/* All of it, or a negative errno; *done grows by what was sent. Refuses when cancelled in between.
 */
/* With MSG_WAITALL the kernel goes on by itself after a short write: one request, as a rule. */
static inline __attribute__((always_inline)) ssize_t weft__send_pieces(
    struct weft__task *self, struct weft__operation *operation, int fd, struct weft__fd *record,
    const char *buffer, size_t size, size_t *done)
{
    while (*done < size) {
        int32_t n;
        if (__builtin_expect(self->visible, 0))
            return weft__task_refuse(self);
        n = weft__send_once(self, operation, fd, record, buffer + *done, size - *done, MSG_WAITALL);
        if (n < 0)
            return n;
        *done += (size_t)n;
    }
    return (ssize_t)size;
}

#endif
