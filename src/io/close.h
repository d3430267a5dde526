/*
 * io/close.h - the last step of closing, for descriptors and streams.
 */
#ifndef WEFT_IO_CLOSE_H
#define WEFT_IO_CLOSE_H

#include <stdint.h>

struct weft__fd;
struct weft__io;
struct weft__task;

/* Closes through the ring and waits for it, not interruptible; directly where no request can be
 * had. Not if the record's word is another by then: -EBADF, the number is another's. */
int weft__close_request(struct weft__task *self, int fd, const struct weft__fd *record,
                        uint64_t word);
/* What is said of a number for which there is no record to be had, or nothing open. */
int weft__close_refuse(struct weft__io *io, int fd, int error);

#endif
