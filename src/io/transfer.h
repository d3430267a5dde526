/*
 * io/transfer.h - one request each to receive and to send, for callers that hold the side.
 *
 * On the calling task; the descriptor's side is held by `operation` (weft__fd_enter).
 */
#ifndef WEFT_IO_TRANSFER_H
#define WEFT_IO_TRANSFER_H

#include <sys/types.h>

#include "task/operation.h"

struct weft__fd;

/* The kernel's result; -ECANCELED also when the descriptor is being closed. flags: MSG_*,
 * WEFT_IDLE. */
int32_t weft__receive_once(struct weft__task *self, struct weft__operation *operation, int fd,
                           struct weft__fd *record, void *buffer, size_t size, int flags);
int32_t weft__send_once(struct weft__task *self, struct weft__operation *operation, int fd,
                        struct weft__fd *record, const void *buffer, size_t size, int flags);

/* All of it, or a negative errno; *done grows by what was sent. Refuses when cancelled in between.
 */
ssize_t weft__send_pieces(struct weft__task *self, struct weft__operation *operation, int fd,
                          struct weft__fd *record, const char *buffer, size_t size, size_t *done);

#endif
