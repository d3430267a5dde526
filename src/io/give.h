/*
 * io/give.h - memory given to be sent, until the kernel has let go of it.
 *
 * A record on the heap for each send that is made without a copy. It stands in the reactor's list
 * from the request to its last completion, however the task, the call and the descriptor end:
 *
 *      the call that gives: it holds the record     -- it returns -------------------+
 *          |                                                                        |
 *          v                                                                        v
 *      in flight --first completion: the call goes on, the memory does not--> ... nobody holds it:
 *          |                                                                  released, once, freed
 *          +--completion without MORE (the notification)-----------------------------^
 *
 * A descriptor that is closed meanwhile is shut down and closed as ever; a copy of it stays until
 * the notification is in, because only who has one can reset the connection of a peer that reads no
 * more, and so have the kernel let go. A reactor that stops does that after a while. One of what a
 * connection was given has the copy, and leaves it to another; after a minute it is closed, so that
 * nobody keeps a connection for ever by not reading: the kernel gives up those that nobody has.
 *
 * The reactor's own; on a task or on its loop.
 */
#ifndef WEFT_IO_GIVE_H
#define WEFT_IO_GIVE_H

#include <weft/net.h>

#include "io/fd.h"
#include "task/operation.h"

struct weft__give {
    struct weft__operation operation; /* the request; parked on until its first completion */
    struct weft__give *next, **link;  /* among the io layer's, while it is in flight */
    struct weft__io *io;
    weft_release_fn release;
    void *arg;
    struct weft__fd *record; /* of the descriptor, */
    uint32_t claim;          /* if it is still claimed so */
    int fd;
    int copy;                 /* of the descriptor, which was closed; -1: another has it, or none */
    struct weft__timer limit; /* for how long it is kept */
    uint8_t users;            /* the call, and the request */
    bool sent;                /* the first completion is in */
};

/* Where it is to be sent. */
struct weft__given {
    const char *what; /* the call does, for who looks */
    int fd;
    struct weft__fd *record;
    uint64_t word;          /* of it, when the call began */
    struct weft__op **side; /* where who closes looks for what writes; the request's meanwhile */
};

/* What a call was given; on its stack, and gone with it. */
struct weft__gift {
    const void *memory;
    size_t size;
    weft_release_fn release;
    void *arg;
    size_t *done;            /* where the caller is told of `sent`; may be NULL */
    size_t sent;             /* bytes that have left */
    struct weft__give *give; /* NULL, or: the memory may be in use beyond the call */
};

/* 0; or there is nobody to be told, and the memory stays the caller's. */
int weft__gift_begin(const struct weft__gift *gift);
/*
 * On a task that has the writer's side: sends what it can from where it lies, if that pays. 0: what
 * is not sent by then is to be sent otherwise; else a negative errno.
 */
int weft__give_send(struct weft__task *self, const struct weft__given *given,
                    struct weft__gift *gift);
/* The call returns, with this result: the memory is released, now or with the notification. */
ssize_t weft__gift_end(struct weft__gift *gift, ssize_t result);

/* `least` as weft_run_opt.zero_copy_min says. */
void weft__gives_open(struct weft__io *io, uint32_t least);

/* The descriptor is about to be closed: see above. A connection that is to be reset is left to it.
 */
void weft__gives_outlive(struct weft__io *io, int fd, const struct weft__fd *record);

/* The io layer stops: connections that are closed, and hold something given, are reset before the
   reactor gives up waiting for them. */
void weft__gives_stop(struct weft__io *io);

#endif
