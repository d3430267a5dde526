/*
 * sync/lock.h - the lock inside, for the objects that take one for their caller.
 *
 * A lock's value is FREE, HELD, or DEAD: free, and its last holder ended holding it. It is handed
 * over held: while anybody waits it is never free. `owner` is written by who holds the lock or
 * hands it over; a task may compare it with itself at any time, since nobody else makes it that.
 */
#ifndef WEFT_SYNC_LOCK_H
#define WEFT_SYNC_LOCK_H

#include "sync/wait_queue.h"

enum { WEFT__LOCK_FREE, WEFT__LOCK_HELD, WEFT__LOCK_DEAD };

struct weft__lock {
    struct weft__object object;
    _Atomic(struct weft__task *) owner; /* relaxed: see above */
    struct weft__hold hold;             /* among the owner's, once it runs */
};
_Static_assert(sizeof(struct weft__lock) <= sizeof(struct weft_lock), "reserved room");

static inline bool weft__lock_is_mine(const struct weft__lock *lock, const struct weft__task *self)
{
    return atomic_load_explicit(&lock->owner, memory_order_relaxed) == self;
}

/* Takes it for a task that does not hold it. 0, -EOWNERDEAD, -ECANCELED, -EPERM; never cancelled
   unless `interruptible`. */
int weft__lock_take(struct weft__lock *lock, struct weft__task *self, bool interruptible);

/* Gives up what the calling task holds. dead: the next owner is told so. */
void weft__lock_give(struct weft__lock *lock, bool dead);

/* `what` of who waits for a lock; and who holds it, NULL: nobody just now. For reports, when
   nothing runs any more; live: other threads do, and a lock that they may hold is nobody's. */
extern const char weft__waits_lock[];
const struct weft__task *weft__lock_holder(const struct weft__wait *wait, bool live);

#endif
