/*
 * io/watcher.h - a reader or a writer of a descriptor: a callback as long as it is ready.
 *
 *       add            completion            popped           fn has returned
 *      -----> ARMED ----------------> READY ---------> CALLS ------------------> ARMED, or
 *             |                       ^  |             |                         READY: try again
 *             | remove                `--' could not   | remove from within,
 *             v                           be armed     v an error
 *           LEAVES ----------------> gone <--------- LEAVES
 *                     completion     ^
 *                           READY ---' remove
 *
 * One poll that completes once, armed again after each call: so what is left unread is told again,
 * and a callback that is slow is not told twice (decision 46). A poll completes for POLLRDHUP
 * whether or not that was asked for: where nothing else has come, one is armed that completes at
 * each change and is cancelled when the change is one that was asked for. It lies in memory of its
 * own, which the kernel names until the poll has completed. ARMED, READY, CALLS: it stands in its
 * reactor's table, by descriptor. It uses the descriptor (io/fd.h) all the time. Room in the ready
 * queue is reserved all the time, so that becoming ready cannot fail. Touched on its reactor only.
 */
#ifndef WEFT_IO_WATCHER_H
#define WEFT_IO_WATCHER_H

#include <weft/poll.h>

#include "io/fd.h"

enum weft__watcher_state {
    WEFT__WATCHER_ARMED,
    WEFT__WATCHER_READY,
    WEFT__WATCHER_CALLS,
    WEFT__WATCHER_LEAVES,
};

struct weft__watcher {
    struct weft__callback callback; /* first: the ready queue's pointer is ours */
    struct weft__op op;
    struct weft__fd_use use;
    struct weft__io *io;
    struct weft__fd *record;
    weft_ready_fn *fn;
    void *arg;
    uint32_t place; /* READY: in the ready queue */
    int32_t came;   /* what is to be told; 0: nothing, yet */
    uint8_t side;   /* enum weft__side */
    uint8_t state;  /* enum weft__watcher_state */
};

struct weft__watched {
    struct weft__watcher *sides[2];
};

/* Does the completion of a poll say something of what is wanted (POLLERR and POLLHUP among it)? */
static inline bool weft__polled(int32_t result, int32_t wanted)
{
    return result > 0 && (result & wanted) != 0;
}

/* weft_close: from here on none of the descriptor's is called. Their polls end as its other uses
   do. */
void weft__watchers_close(struct weft__io *io, int fd);
/* Is it the use of one that may be called yet? */
bool weft__watcher_uses(const struct weft__io *io, const struct weft__fd_use *use);
/* The reader of a descriptor's is that of who has it for himself: see weft__fd_end_claimed. */
void weft__watcher_claimed(struct weft__io *io, int fd);
/* Removes the one whose use this is; false: it is none's that may be called yet. */
bool weft__watcher_end(struct weft__io *io, const struct weft__fd_use *use);
/* The reactor stops. */
void weft__watchers_stop(struct weft__io *io);

#endif
