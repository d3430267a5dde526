/*
 * task/watch.h - waiting for several things at once.
 *
 * A watch is one place of a list: a joiner of a task, or a waiter in a future. All of them lead to
 * the one wait that the task parks on, and are chained in the order in which they ended.
 *
 *      (idle) -- begin --> WATCHING -- the task ends, the future is settled --> DONE
 *                             |                                                  ^
 *                             '-- leave: taken out, unless it is being woken ----'
 *                                 (result -ECANCELED)
 *
 * Lives in the frame, or in memory, of the task that waits, which leaves only when every watch is
 * DONE. Its own reactor's only; what crosses reactors is task/wake.h's.
 */
#ifndef WEFT_TASK_WATCH_H
#define WEFT_TASK_WATCH_H

#include <weft/await.h>

#include "task/future.h"
#include "task/task.h"
#include "task/wake.h"

struct weft__watches;

enum weft__watch_state { WEFT__WATCH_IDLE, WEFT__WATCH_ON, WEFT__WATCH_DONE };

struct weft__watch {
    union {
        struct weft__joiner joiner;
        struct weft__waiter waiter;
    };
    struct weft__watches *all;
    struct weft__watch *next_done; /* the one that ended after it */
    struct weft_future *future;    /* held; NULL: a task */
    struct weft__task *task;       /* good while ON */
    int64_t result;                /* once DONE */
    uint8_t state;
    bool shielded; /* not ours to cancel */
    bool spawned;  /* a coroutine: a child of `scope` below */
};

enum { WEFT__WATCHES_IN_FRAME = 8 };

struct weft__watches {
    struct weft__wait wait;
    struct weft__watch *watch; /* in the order of the list */
    uint32_t count;
    uint32_t done;
    uint32_t past;             /* so many from the front are done, and were seen to be */
    uint32_t wanted;           /* so many done are enough */
    bool error_is_enough;      /* and so is one error */
    bool scoped;               /* `scope` is open */
    int64_t first_error;       /* the first in time; 0: none */
    struct weft__claim *claim; /* of a select, some of whose cases these are; or NULL */
    void (*on_done)(struct weft__watches *all, struct weft__watch *watch); /* likewise */
    struct weft__watch *first_done;
    struct weft__watch **done_tail;
    struct weft_scope scope; /* of the coroutines */
    struct weft__watch in_frame[WEFT__WATCHES_IN_FRAME];
};

/* Is the list good? 0, or what weft/await.h says of lists. Changes nothing. */
int weft__list_check(struct weft__task *self, const weft_awaitable *list, uint32_t count,
                     bool coroutines);
/* Its result, if it is there. The list is good. */
bool weft__awaitable_peek(struct weft__task *self, const weft_awaitable *awaitable,
                          int64_t *result);
/* How many of them are settled. */
uint32_t weft__list_settled(struct weft__task *self, const weft_awaitable *list, uint32_t count);

/* Prepares to watch `count` things, coroutines among them if `scoped`. 0, or -ENOMEM, and nothing
   is to be undone. Then each is added, as one of a good list. */
int weft__watches_open(struct weft__watches *all, uint32_t count, bool scoped, const char *what);
void weft__watches_add(struct weft__watches *all, uint32_t index, struct weft__task *self,
                       const weft_awaitable *awaitable);
/* Begins to watch a good list; spawns its coroutines into a scope of their own. 0, or -ENOMEM, and
   nothing is to be undone. What cannot be spawned is done, with the error. */
int weft__watches_begin(struct weft__watches *all, struct weft__task *self,
                        const weft_awaitable *list, uint32_t count, const char *what);
static inline bool weft__watches_enough(const struct weft__watches *all)
{
    return all->done >= all->wanted || (all->error_is_enough && all->first_error < 0);
}
/* -EDEADLK if so many of them wait for the caller meanwhile that too few are left; else 0. To be
   asked just before the next. */
int weft__watches_check(struct weft__watches *all, struct weft__task *self);
/* One of those for which that is so, or NULL (cycle.c). */
struct weft__task *weft__watches_deadlock(struct weft__watches *all, struct weft__task *self);
/* Parks until enough are done: true. False: interrupted, which has not been delivered. */
bool weft__watches_wait(struct weft__watches *all, struct weft__task *self, bool interruptible);
/* Cancels those not done, but lets go of the shielded, and parks until all are. */
void weft__watches_cancel(struct weft__watches *all, struct weft__task *self,
                          enum weft_cause cause);
/* Lets go of those not done. */
void weft__watches_leave(struct weft__watches *all, struct weft__task *self);
/* All are done. Closes the scope, which waits for children that were let go, and frees. */
void weft__watches_end(struct weft__watches *all);

#endif
