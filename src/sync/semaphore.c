/*
 * sync/semaphore.c - the semaphore. Its value is the permits to be had, its limit the most there
 * may be; who waits finds none.
 */
#include "sync/select.h"

_Static_assert(sizeof(struct weft__object) <= sizeof(struct weft_semaphore), "reserved room");

static struct weft__object *inside(const weft_semaphore *semaphore)
{
    return (struct weft__object *)(uintptr_t)semaphore;
}

static int no_semaphore(void)
{
    return weft__misuse(-EINVAL, "no semaphore");
}

/* Nobody waits: takes a permit (-1), or gives one (1), if that can be. */
static bool swap_by(struct weft__object *object, int by)
{
    uint32_t permits = weft__object_value(object);

    return permits != (by < 0 ? 0 : object->limit) &&
           weft__object_swap(object, permits, permits + (uint32_t)by);
}

/* For who has entered: takes a permit if there is one. */
static bool take_one(struct weft__object *object)
{
    uint32_t permits = weft__object_value(object);

    if (permits == 0)
        return false;
    weft__object_value_set(object, permits - 1);
    return true;
}

/* Apart, and never inlined: who need not wait has no use for so large a frame. */
static __attribute__((noinline)) int acquire_slowly(struct weft__object *object,
                                                    struct weft__task *self)
{
    struct weft__entry entry;
    bool taken;
    int error = weft__object_enter(object);

    if (error < 0)
        return error;
    taken = take_one(object);
    if (!taken)
        weft__entry_enqueue(&entry, self, "semaphore", object, &object->row);
    weft__object_exit(object);
    return taken ? 0 : weft__entry_wait(&entry, true);
}

int weft_semaphore_acquire(weft_semaphore *semaphore)
{
    struct weft__task *self;
    int error;

    if (!semaphore)
        return no_semaphore();
    error = weft__sync_begin(&self);
    if (error < 0 || __builtin_expect(swap_by(inside(semaphore), -1), 1))
        return error;
    return acquire_slowly(inside(semaphore), self);
}

int weft_semaphore_acquire_nowait(weft_semaphore *semaphore)
{
    struct weft__object *object = inside(semaphore);
    bool taken;
    int error;

    if (!semaphore)
        return no_semaphore();
    if (swap_by(object, -1))
        return 0;
    error = weft__object_enter(object);
    if (error < 0)
        return error;
    taken = take_one(object);
    weft__object_exit(object);
    return taken ? 0 : -EAGAIN;
}

int weft__semaphore_link(weft_semaphore *semaphore, struct weft__entry *entry)
{
    struct weft__object *object = inside(semaphore);
    int result = weft__object_enter(object);

    if (result < 0)
        return result;
    entry->result = 0;
    if (weft__object_value(object) == 0) {
        weft__entry_link(entry, object, &object->row);
    } else {
        result = weft__waiter_claim(&entry->waiter);
        if (result)
            take_one(object);
    }
    weft__object_exit(object);
    return result;
}

int weft_semaphore_acquire_until(weft_semaphore *semaphore, int64_t deadline)
{
    WEFT__UNTIL(deadline, weft_semaphore_acquire(semaphore));
}

static __attribute__((noinline)) int release_slowly(struct weft__object *object)
{
    struct weft__woken woken = {0};
    struct weft__entry *next;
    int error = weft__object_enter(object);

    if (error < 0)
        return error;
    next = weft__row_claim(&object->row);
    if (next)
        weft__entry_grant(next, 0, &woken);
    else if (weft__object_value(object) < object->limit)
        weft__object_value_set(object, weft__object_value(object) + 1);
    else
        error = -EINVAL; /* no mistake for sure: a bound may be there to be met */
    weft__object_leave(object, &woken);
    return error;
}

int weft_semaphore_release(weft_semaphore *semaphore)
{
    if (!semaphore)
        return no_semaphore();
    if (__builtin_expect(swap_by(inside(semaphore), 1), 1))
        return 0;
    return release_slowly(inside(semaphore));
}

uint32_t weft_semaphore_value(const weft_semaphore *semaphore)
{
    return semaphore ? weft__object_value(inside(semaphore)) : 0;
}
