/*
 * sync/condition.c - the condition. It has no value: there are those who wait, and that is all.
 *
 * Who waits stands in the row before it gives up the lock, so a notification by the next holder
 * finds it. Whatever ends the wait, the lock is taken again before the call returns, by a wait that
 * nothing interrupts.
 */
#include "sync/lock.h"

_Static_assert(sizeof(struct weft__object) <= sizeof(struct weft_condition), "reserved room");

static struct weft__object *inside(weft_condition *condition)
{
    return (struct weft__object *)condition;
}

static int begin(weft_condition *condition, weft_lock *lock, struct weft__task **self)
{
    int error;

    if (!condition || !lock)
        return weft__misuse(-EINVAL, "no condition, or no lock");
    error = weft__sync_begin(self);
    if (error == 0 && !weft__lock_is_mine((struct weft__lock *)lock, *self))
        return weft__misuse(-EPERM, "the task does not hold the lock");
    return error;
}

/* 0, -ECANCELED, -EOWNERDEAD: and the lock is held. -EPERM: nothing was done. */
static int wait_once(struct weft__object *object, struct weft__lock *lock, struct weft__task *self)
{
    struct weft__entry entry;
    int result = weft__object_enter(object), retaken;

    if (result < 0)
        return result;
    weft__entry_enqueue(&entry, self, "condition", object, &object->row);
    weft__object_exit(object);
    weft__hold_end(&lock->hold);
    weft__lock_give(lock, false);
    result = weft__entry_wait(&entry, true);
    retaken = weft__lock_take(lock, self, false);
    return retaken < 0 ? retaken : result;
}

int weft_condition_wait(weft_condition *condition, weft_lock *lock)
{
    struct weft__task *self;
    int error = begin(condition, lock, &self);

    return error < 0 ? error : wait_once(inside(condition), (struct weft__lock *)lock, self);
}

int weft_condition_wait_for(weft_condition *condition, weft_lock *lock,
                            bool (*predicate)(void *arg), void *arg)
{
    struct weft__task *self;
    int error;

    if (!predicate)
        return weft__misuse(-EINVAL, "no predicate");
    error = begin(condition, lock, &self);
    while (error == 0 && !predicate(arg)) {
        error = weft__enter(&self); /* what the predicate did may have let a cancellation in */
        if (error == 0)
            error = wait_once(inside(condition), (struct weft__lock *)lock, self);
    }
    return error;
}

int weft_condition_wait_until(weft_condition *condition, weft_lock *lock, int64_t deadline)
{
    WEFT__UNTIL(deadline, weft_condition_wait(condition, lock));
}

int weft_condition_wait_for_until(weft_condition *condition, weft_lock *lock,
                                  bool (*predicate)(void *arg), void *arg, int64_t deadline)
{
    WEFT__UNTIL(deadline, weft_condition_wait_for(condition, lock, predicate, arg));
}

int weft_condition_notify(weft_condition *condition, uint32_t count)
{
    struct weft__woken woken = {0};
    struct weft__object *object = inside(condition);
    int error;

    if (!condition)
        return weft__misuse(-EINVAL, "no condition");
    if (weft__object_swap(object, 0, 0))
        return 0;
    error = weft__object_enter(object);
    if (error < 0)
        return error;
    count = (uint32_t)weft__row_grant(&object->row, count, 0, &woken);
    weft__object_leave(object, &woken);
    return (int)count;
}

int weft_condition_notify_all(weft_condition *condition)
{
    return weft_condition_notify(condition, INT32_MAX);
}
