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

/* -- inlined, as all is between a public call and the switch: see weft__fiber_switch_away ------ */

enum { WEFT__SIZE_MAX_ONCE = INT_MAX & ~4095 }; /* what the kernel moves at once */

static inline uint32_t weft__size_once(size_t size)
{
    return size < WEFT__SIZE_MAX_ONCE ? (uint32_t)size : WEFT__SIZE_MAX_ONCE;
}

/* NULL: why not is *error. While there was no room the number may have become another's. */
static inline __attribute__((always_inline)) struct weft__sqe *weft__begin_once(
    struct weft__task *self, struct weft__operation *operation, const char *what, int fd,
    const struct weft__fd *record, int32_t *error)
{
    uint32_t claim = weft__fd_claim(record);
    struct weft__sqe *sqe = weft__operation_begin(self, operation, what, fd);

    if (!sqe) {
        *error = weft__operation_error(self);
    } else if (__builtin_expect(weft__fd_claim(record) != claim, 0)) {
        *error = weft__leave_undone(self, operation, sqe, -EBADF);
        sqe = NULL;
    }
    return sqe;
}

/* Waits for the request, unless weft_close came between taking it and here: then it does nothing.
 */
static inline __attribute__((always_inline)) int32_t weft__await(struct weft__task *self,
                                                                 struct weft__operation *operation,
                                                                 struct weft__sqe *sqe,
                                                                 const struct weft__fd *record)
{
    int32_t result;

    if (__builtin_expect(weft__fd_closing(record), 0))
        return weft__leave_undone(self, operation, sqe, -ECANCELED);
    result = weft__operation_wait(self, operation, sqe);
    return result < 0 && weft__fd_closing(record) ? -ECANCELED : result;
}

/* One request. */
static inline __attribute__((always_inline)) int32_t weft__send_request(
    struct weft__task *self, struct weft__operation *operation, int fd,
    const struct weft__fd *record, const void *buffer, size_t size, int flags)
{
    struct weft__sqe *sqe = weft__operation_begin(self, operation, "send", fd);
    int32_t result;

    if (!sqe)
        return weft__operation_error(self);
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
        if (weft__fd_closing(record))
            return weft__task_pass_on(self, -ECANCELED);
        n = weft__send_once(self, operation, fd, record, buffer + *done, size - *done, MSG_WAITALL);
        if (n < 0)
            return n;
        *done += (size_t)n;
    }
    return (ssize_t)size;
}

#endif
