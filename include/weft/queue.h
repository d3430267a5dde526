/*
 * weft/queue.h - queues of items between tasks: first in first out, last in first out, by priority.
 *
 *     static weft_queue jobs = {.item_size = sizeof(struct job), .max = 100};
 *
 *     weft_queue_put(&jobs, &job);       // one task; waits while it is full
 *     weft_queue_get(&jobs, &job);       // another one; waits while it is empty
 *     weft_queue_task_done(&jobs);       // when it is done with it, for those in weft_queue_join
 *
 * Items are copied bytewise, in and out; whoever gets one owns what it refers to. Local and shared
 * kinds, fairness, cancellation, the _nowait and _until forms, and who may call what: as in
 * weft/sync.h. A get that is cancelled before it was given an item took none, one that was given an
 * item returns it; a put that is cancelled put nothing.
 *
 * Where asyncio differs: there a get that is cancelled when an item has come leaves it to another.
 */
#ifndef WEFT_QUEUE_H
#define WEFT_QUEUE_H

#include <weft/base.h>
#include <weft/time.h>

WEFT_BEGIN_DECLS

enum weft_queue_order {
    WEFT_QUEUE_FIFO = 0,
    WEFT_QUEUE_LIFO,
    WEFT_QUEUE_PRIORITY /* the least by `compare` first; equals in the order put */
};

/*
 * Caller-allocated. All zero but for the fields to be set, which must not change once it is used.
 * Memory for items is taken as they come: none for an item that is handed to a task that waits for
 * it. weft_queue_destroy gives it back.
 */
typedef struct weft_queue {
    uint64_t shared; /* 0: for the tasks of one reactor; 1: for those of any */
    uint64_t opaque[20];
    size_t item_size;            /* bytes; > 0 */
    uint32_t max;                /* items at one time; 0: no limit */
    enum weft_queue_order order; /* default WEFT_QUEUE_FIFO */
    /* Below, equal or above 0, as of qsort; for WEFT_QUEUE_PRIORITY. Calls nothing of weft's. */
    int (*compare)(const void *item, const void *other);
    void (*drop)(void *item); /* called with each item that nobody will take; NULL: nothing */
} weft_queue;

/*
 * Puts a copy of the item, waiting while the queue is full. Returns 0. Else nothing was put:
 * -ESHUTDOWN; -EAGAIN full (_nowait); -ECANCELED; -ETIMEDOUT (_until); -ENOMEM; -EINVAL (NULL, or
 * fields out of range); -EPERM.
 */
WEFT_API WEFT_NODISCARD int weft_queue_put(weft_queue *queue, const void *item) WEFT_SUSPENDS;
WEFT_API WEFT_NODISCARD int weft_queue_put_nowait(weft_queue *queue, const void *item);
WEFT_API WEFT_NODISCARD int weft_queue_put_until(weft_queue *queue, const void *item,
                                                 int64_t deadline) WEFT_SUSPENDS;

/*
 * Takes the next item into *item, waiting while there is none. Returns 0. Else nothing was taken:
 * -ESHUTDOWN it is empty and shut down; -EAGAIN empty (_nowait); -ECANCELED; -ETIMEDOUT (_until);
 * -EINVAL; -EPERM.
 */
WEFT_API WEFT_NODISCARD int weft_queue_get(weft_queue *queue, void *item) WEFT_SUSPENDS;
WEFT_API WEFT_NODISCARD int weft_queue_get_nowait(weft_queue *queue, void *item);
WEFT_API WEFT_NODISCARD int weft_queue_get_until(weft_queue *queue, void *item,
                                                 int64_t deadline) WEFT_SUSPENDS;

/* weft_queue_get by one who has nothing under way: a drain of a scope around the caller ends the
   wait, or refuses it, with -ESHUTDOWN, and weft_cause() is WEFT_CAUSE_DRAIN. */
WEFT_API WEFT_NODISCARD int weft_queue_get_idle(weft_queue *queue, void *item) WEFT_SUSPENDS;

/* How many items are in it. -EINVAL, -EPERM. Of a shared one the answer may be old. */
WEFT_API int weft_queue_count(weft_queue *queue);

/*
 * Says that an item that was taken has been dealt with. Never suspends. Returns how many are left
 * that were put and have not been; -EINVAL called more often than items were put, or NULL; -EPERM.
 */
WEFT_API int64_t weft_queue_task_done(weft_queue *queue);
/* Waits until weft_queue_task_done has been called for every item put. 0; -ECANCELED; -ETIMEDOUT
   (_until); -EINVAL; -EPERM. */
WEFT_API WEFT_NODISCARD int weft_queue_join(weft_queue *queue) WEFT_SUSPENDS;
WEFT_API WEFT_NODISCARD int weft_queue_join_until(weft_queue *queue,
                                                  int64_t deadline) WEFT_SUSPENDS;

/*
 * Shuts the queue down for good: puts are refused from now on, those that wait too; gets take what
 * is left, then are refused. immediate: what is left is dropped, and counts as dealt with. Never
 * suspends. Returns how many items were dropped; -EINVAL, -EPERM.
 */
WEFT_API int weft_queue_shutdown(weft_queue *queue, bool immediate);

/*
 * Drops what is left, frees the memory, and makes it as it was at first; for when nobody uses it
 * any more, from any thread. Returns how many items were dropped; -EBUSY a task waits in it;
 * -EINVAL NULL.
 */
WEFT_API int weft_queue_destroy(weft_queue *queue);

WEFT_END_DECLS

#endif
