/*
 * io/close.h - the last step of closing, for descriptors and streams.
 */
#ifndef WEFT_IO_CLOSE_H
#define WEFT_IO_CLOSE_H

struct weft__io;
struct weft__task;

/* Closes through the ring and waits for it, not interruptible; directly where no request can be
 * had. */
int weft__close_request(struct weft__task *self, int fd);
/* What is said of a number for which there is no record to be had, or nothing open. */
int weft__close_refuse(struct weft__io *io, int fd, int error);

#endif
