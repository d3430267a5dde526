/*
 * io/bind.h - giving a socket its address.
 *
 * A Unix socket's address may be a path: then binding makes a file, which waits for the disk that
 * it is to be on. No request of the ring does that anywhere but on the thread that submits it, so a
 * worker of the pool makes the call (io/offload.h), with what goes before and after it; all other
 * addresses are bound directly.
 *
 * What always holds: a worker's bind is not interrupted. It has ended when these return, and so the
 * descriptor and the memory are the caller's to let go of.
 */
#ifndef WEFT_IO_BIND_H
#define WEFT_IO_BIND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct weft__task;

struct weft__binding {
    int fd;
    socklen_t length;
    const struct sockaddr *address;
    /* Of an address that is a path, and ends in a zero byte: */
    uint32_t mode; /* of its file; 0: as umask says */
    bool replace;  /* a socket file there, to which nobody listens */
};

/* For a task that has been admitted (weft__enter); does not look for a cancellation. 0, or what
   bind(2) says, or chmod(2), and then there is no file left; -ENOMEM: there is no worker. */
int weft__bind(struct weft__task *self, const struct weft__binding *binding);

/* Removes the file of one that was bound and is not to be used: it is closed next. Not for one that
   others may know of. */
void weft__bind_undo(struct weft__task *self, const struct weft__binding *binding);

#endif
