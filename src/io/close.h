/*
 * io/close.h - the last step of closing, for descriptors and streams.
 */
#ifndef WEFT_IO_CLOSE_H
#define WEFT_IO_CLOSE_H

struct weft__task;

/* Closes through the ring and waits for it, not interruptible; directly where no request can be
 * had. */
int weft__close_request(struct weft__task *self, int fd);

#endif
