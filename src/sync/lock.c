/*
 * sync/lock.c - the lock. weft/sync.h says what it promises, lock.h how it is kept.
 */
#include "sync/lock.h"

#include "sync/select.h"

static struct weft__lock *inside(const weft_lock *lock)
{
    return (struct weft__lock *)(uintptr_t)lock;
}

/* -- holding -------------------------------------------------------------------------------- */

static void abandoned(struct weft__hold *hold)
{
    struct weft__lock *lock =
        (struct weft__lock *)((char *)hold - offsetof(struct weft__lock, hold));

    weft__lock_give(lock, true);
}

/* The caller has it: 0, or -EOWNERDEAD. */
static int held(struct weft__lock *lock, struct weft__task *self, int result)
{
    atomic_store_explicit(&lock->owner, self, memory_order_relaxed);
    lock->hold.abandon = abandoned;
    weft__hold_begin(self, &lock->hold);
    return result;
}

/* For who has entered: takes it if it is free. 0, -EOWNERDEAD, or -EAGAIN. */
static int take_free(struct weft__lock *lock, struct weft__task *self)
{
    uint32_t value = weft__object_value(&lock->object);

    if (value == WEFT__LOCK_HELD)
        return -EAGAIN;
    weft__object_value_set(&lock->object, WEFT__LOCK_HELD);
    return held(lock, self, value == WEFT__LOCK_DEAD ? -EOWNERDEAD : 0);
}

/* Apart, and never inlined: who need not wait has no use for so large a frame. */
static __attribute__((noinline)) int take_slowly(struct weft__lock *lock, struct weft__task *self,
                                                 bool interruptible)
{
    struct weft__entry entry;
    int result = weft__object_enter(&lock->object);

    if (result < 0)
        return result;
    result = take_free(lock, self);
    if (result == -EAGAIN)
        weft__entry_enqueue(&entry, self, weft__waits_lock, &lock->object, &lock->object.row);
    weft__object_exit(&lock->object);
    if (result != -EAGAIN)
        return result;
    result = weft__entry_wait(&entry, interruptible);
    return entry.fate == WEFT__GRANTED ? held(lock, self, result) : result;
}

inline int weft__lock_take(struct weft__lock *lock, struct weft__task *self, bool interruptible)
{
    if (__builtin_expect(weft__object_swap(&lock->object, WEFT__LOCK_FREE, WEFT__LOCK_HELD), 1))
        return held(lock, self, 0);
    return take_slowly(lock, self, interruptible);
}

static __attribute__((noinline)) void give_slowly(struct weft__lock *lock, bool dead)
{
    struct weft__woken woken = {0};
    struct weft__entry *next;

    if (weft__object_enter(&lock->object) < 0)
        return; /* cannot be: its reactor is the holder's */
    next = weft__row_claim(&lock->object.row);
    if (next) {
        atomic_store_explicit(&lock->owner, next->task, memory_order_relaxed);
        weft__entry_grant(next, dead ? -EOWNERDEAD : 0, &woken);
    } else {
        weft__object_value_set(&lock->object, dead ? WEFT__LOCK_DEAD : WEFT__LOCK_FREE);
    }
    weft__object_leave(&lock->object, &woken);
}

inline void weft__lock_give(struct weft__lock *lock, bool dead)
{
    atomic_store_explicit(&lock->owner, NULL, memory_order_relaxed);
    if (__builtin_expect(!weft__object_swap(&lock->object, WEFT__LOCK_HELD,
                                            dead ? WEFT__LOCK_DEAD : WEFT__LOCK_FREE),
                         0))
        give_slowly(lock, dead);
}

const char weft__waits_lock[] = "lock";

const struct weft__task *weft__lock_holder(const struct weft__wait *wait, bool live)
{
    const struct weft__entry *entry =
        (const struct weft__entry *)((const char *)wait - offsetof(struct weft__entry, wait));
    const struct weft__lock *lock =
        (const struct weft__lock *)((const char *)entry->object -
                                    offsetof(struct weft__lock, object));

    if (live && weft__object_shared(&lock->object))
        return NULL;
    return atomic_load_explicit(&lock->owner, memory_order_relaxed);
}

/* -- calls ---------------------------------------------------------------------------------- */

static int no_lock(void)
{
    return weft__misuse(-EINVAL, "no lock");
}

static int not_twice(void)
{
    return weft__misuse(-EDEADLK, "the task holds the lock already");
}

int weft_lock_acquire(weft_lock *public_lock)
{
    struct weft__lock *lock = inside(public_lock);
    struct weft__task *self;
    int error;

    if (!lock)
        return no_lock();
    error = weft__sync_begin(&self);
    if (error < 0)
        return error;
    if (weft__lock_is_mine(lock, self))
        return not_twice();
    return weft__lock_take(lock, self, true);
}

int weft_lock_acquire_nowait(weft_lock *public_lock)
{
    struct weft__lock *lock = inside(public_lock);
    struct weft__task *self = weft__task_self();
    int result;

    if (!lock)
        return no_lock();
    if (!self)
        return weft__outside();
    if (weft__lock_is_mine(lock, self))
        return not_twice();
    if (weft__object_swap(&lock->object, WEFT__LOCK_FREE, WEFT__LOCK_HELD))
        return held(lock, self, 0);
    result = weft__object_enter(&lock->object);
    if (result < 0)
        return result;
    result = take_free(lock, self);
    weft__object_exit(&lock->object);
    return result;
}

int weft__lock_link(weft_lock *public_lock, struct weft__entry *entry)
{
    struct weft__lock *lock = inside(public_lock);
    int result = weft__object_enter(&lock->object);

    if (result < 0)
        return result;
    if (weft__object_value(&lock->object) == WEFT__LOCK_HELD) {
        weft__entry_link(entry, &lock->object, &lock->object.row);
    } else {
        result = weft__waiter_claim(&entry->waiter);
        if (result)
            entry->result = take_free(lock, entry->task);
    }
    weft__object_exit(&lock->object);
    return result;
}

int weft__lock_linked(weft_lock *lock, struct weft__entry *entry)
{
    return held(inside(lock), entry->task, entry->result);
}

int weft_lock_acquire_until(weft_lock *lock, int64_t deadline)
{
    WEFT__UNTIL(deadline, weft_lock_acquire(lock));
}

/* The caller's, or why not. */
static int releasable(const struct weft__lock *lock, const struct weft__task *self)
{
    if (!lock)
        return no_lock();
    if (!self)
        return weft__outside();
    if (weft__lock_is_mine(lock, self))
        return 0;
    if (weft__object_value(&lock->object) == WEFT__LOCK_HELD)
        return weft__misuse(-EPERM, "another task holds the lock");
    return weft__misuse(-EINVAL, "nobody holds the lock");
}

int weft_lock_release(weft_lock *public_lock)
{
    struct weft__lock *lock = inside(public_lock);
    int error = releasable(lock, weft__task_self());

    if (error < 0)
        return error;
    weft__hold_end(&lock->hold);
    weft__lock_give(lock, false);
    return 0;
}

bool weft_lock_held(const weft_lock *lock)
{
    return lock && weft__object_value(&inside(lock)->object) == WEFT__LOCK_HELD;
}

/* -- WEFT_LOCKED ---------------------------------------------------------------------------- */

weft_lock *weft_locked_enter_(weft_lock *lock)
{
    int error = weft_lock_acquire(lock);

    if (error == 0)
        return lock;
    if (error == -EOWNERDEAD) {
        weft__hold_end(&inside(lock)->hold);
        weft__lock_give(inside(lock), true);
    }
    if (weft__task_self() && !weft__task_self()->unread_failure)
        weft__task_self()->unread_failure = error;
    return NULL;
}

void weft_locked_leave_(weft_lock **lock)
{
    if (*lock)
        weft_lock_release(*lock);
    *lock = NULL;
}
