/*
 * sync/select.h - what an object does for a select: has one of its cases wait in a row.
 *
 * The cases of a select share a claim (task/wake.h). Each of the calls below looks at its object
 * once more, under the object's lock:
 *
 *      it can be had now  --- claimed ---> taken, entry->result says what the call would return: 1
 *            |                  `--------> another case was quicker: 0, and not in the row
 *            '--- it cannot --> put into the row: 0. Whoever makes it ready claims it and grants
 *                               it; or finds the claim taken, and leaves it out
 *
 * A negative errno: a mistake, and nothing was done. entry->waiter, task and item are set.
 */
#ifndef WEFT_SYNC_SELECT_H
#define WEFT_SYNC_SELECT_H

#include <weft/queue.h>

#include "sync/wait_queue.h"

int weft__queue_check(const weft_queue *queue, const void *item);
int weft__queue_link_get(weft_queue *queue, struct weft__entry *entry);
int weft__queue_link_put(weft_queue *queue, struct weft__entry *entry);
int weft__event_link(weft_event *event, struct weft__entry *entry);
int weft__semaphore_link(weft_semaphore *semaphore, struct weft__entry *entry);
int weft__lock_link(weft_lock *lock, struct weft__entry *entry);
/* The lock was granted to a case: the task has it from now on. entry->result. */
int weft__lock_linked(weft_lock *lock, struct weft__entry *entry);

/* Without waiting: 1, 0, or -EPERM. */
int weft__event_try(weft_event *event);

#endif
