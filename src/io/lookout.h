/*
 * io/lookout.h - a task waits until a descriptor is ready: for weft_poll, and for calls that try
 * first.
 *
 * Lives in the frame of the call, which holds a side of the descriptor, or uses it, by
 * `operation.op`. On the calling task. What always holds: nothing is in flight when it returns.
 */
#ifndef WEFT_IO_LOOKOUT_H
#define WEFT_IO_LOOKOUT_H

#include "io/transfer.h"

struct weft__lookout {
    struct weft__operation operation;
    int32_t wanted;               /* POLL*, with those that always count */
    int32_t came;                 /* of them; 0: none so far */
    const struct weft__fd *other; /* when it is closed the wait ends, too; NULL: there is none */
    uint64_t other_word;          /* as the operation's: of that */
    bool no_errors; /* POLLERR alone ends no wait: messages of errors may lie there for
                       good, and no call but the user's takes them */
};

/* The operation's word is set. events: POLL* and WEFT_IDLE. Those that hold, one of them asked for
 * at least; or an error. */
int32_t weft__lookout_wait(struct weft__task *self, struct weft__lookout *lookout, int fd,
                           struct weft__fd *record, int events);

/* weft_poll for who has the descriptor for himself, whose word it is: -EBADF, and nothing is asked
   of it, once it is another's. Who loses it while he waits is told by -ECANCELED, if it is lost to
   one of this reactor. */
int weft__poll_claimed(int fd, int events, uint64_t word);

/* Of a socket: has a direct call answer -EAGAIN rather than wait (splice.c). 0 or a negative errno.
 */
int weft__dont_block(int fd, struct weft__fd *record);

#endif
