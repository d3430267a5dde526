/*
 * sync/rwlock.c - the read-write lock. Its value is the number of readers, and two marks: WRITER,
 * it is held for writing; DEAD, a writer ended holding it, and no other has held it since. Readers
 * and writers stand in one row.
 */
#include "sync/lock.h"

#define WRITER (UINT32_C(1) << 31)
#define DEAD (UINT32_C(1) << 30)
#define READERS (DEAD - 1)

enum { TO_READ, TO_WRITE };

struct rwlock {
    struct weft__object object;
    _Atomic(struct weft__task *) writer; /* as the owner of a lock */
    struct weft__hold hold;              /* among the writer's */
};
_Static_assert(sizeof(struct rwlock) <= sizeof(struct weft_rwlock), "reserved room");

static struct rwlock *inside(weft_rwlock *lock)
{
    return (struct rwlock *)lock;
}

static bool is_mine(const struct rwlock *lock, const struct weft__task *self)
{
    return atomic_load_explicit(&lock->writer, memory_order_relaxed) == self;
}

/* -- inside --------------------------------------------------------------------------------- */

/* The value once it is held so too; false: it cannot be. */
static bool admitted(uint32_t *value, uint32_t mode)
{
    if (mode == TO_WRITE ? *value & (WRITER | READERS) : *value & WRITER)
        return false;
    *value = mode == TO_WRITE ? WRITER : *value + 1;
    return true;
}

/* What those are told who get it while it has that value. */
static int told(uint32_t value)
{
    return value & DEAD ? -EOWNERDEAD : 0;
}

/* For who has entered: lets in whom the value allows, in the order of coming. */
static void let_in(struct rwlock *lock, struct weft__woken *woken)
{
    struct weft__object *object = &lock->object;
    struct weft__entry *next;

    while ((next = weft__row_first(&object->row))) {
        uint32_t value = weft__object_value(object);
        int result = told(value);
        if (!admitted(&value, next->mode))
            return;
        weft__object_value_set(object, value);
        if (next->mode == TO_WRITE)
            atomic_store_explicit(&lock->writer, next->task, memory_order_relaxed);
        weft__entry_grant(next, result, woken);
    }
}

static void give(struct rwlock *lock, uint32_t mode, bool dead)
{
    struct weft__object *object = &lock->object;
    struct weft__woken woken = {0};
    uint32_t value;

    if (mode == TO_WRITE)
        atomic_store_explicit(&lock->writer, NULL, memory_order_relaxed);
    value = weft__object_value(object);
    if (weft__object_swap(object, value, mode == TO_WRITE ? (dead ? DEAD : 0) : value - 1) ||
        weft__object_enter(object) < 0)
        return; /* the latter cannot be: its reactor is the holder's */
    value = weft__object_value(object);
    weft__object_value_set(object, mode == TO_WRITE ? (dead ? DEAD : 0) : value - 1);
    let_in(lock, &woken);
    weft__object_leave(object, &woken);
}

static void abandoned(struct weft__hold *hold)
{
    give((struct rwlock *)((char *)hold - offsetof(struct rwlock, hold)), TO_WRITE, true);
}

/* The caller has it. */
static int held(struct rwlock *lock, struct weft__task *self, uint32_t mode, int result)
{
    if (mode == TO_READ)
        return result;
    atomic_store_explicit(&lock->writer, self, memory_order_relaxed);
    lock->hold.abandon = abandoned;
    weft__hold_begin(self, &lock->hold);
    return result;
}

/* One who waited is gone: those behind it may not have to wait any more. */
static void let_in_others(struct rwlock *lock)
{
    struct weft__woken woken = {0};

    if (weft__object_enter(&lock->object) < 0)
        return;
    let_in(lock, &woken);
    weft__object_leave(&lock->object, &woken);
}

static int take(struct rwlock *lock, struct weft__task *self, uint32_t mode, bool wait)
{
    struct weft__object *object = &lock->object;
    uint32_t before = weft__object_value(object), value = before;
    struct weft__entry entry;
    bool waits;
    int result;

    if (admitted(&value, mode) && weft__object_swap(object, before, value))
        return held(lock, self, mode, told(before));
    result = weft__object_enter(object);
    if (result < 0)
        return result;
    before = value = weft__object_value(object);
    waits = object->row.count || !admitted(&value, mode);
    if (!waits) {
        weft__object_value_set(object, value);
    } else if (wait) {
        entry.mode = mode;
        weft__entry_enqueue(&entry, self, mode == TO_WRITE ? "write lock" : "read lock", object,
                            &object->row);
    }
    weft__object_exit(object);
    if (!waits)
        return held(lock, self, mode, told(before));
    if (!wait)
        return -EAGAIN;
    result = weft__entry_wait(&entry, true);
    if (entry.fate == WEFT__GRANTED)
        return held(lock, self, mode, result);
    let_in_others(lock);
    return result;
}

/* -- calls ---------------------------------------------------------------------------------- */

static int acquire(weft_rwlock *public_lock, uint32_t mode, bool wait)
{
    struct rwlock *lock = inside(public_lock);
    struct weft__task *self = weft__task_self();
    int error = 0;

    if (!lock)
        return weft__misuse(-EINVAL, "no lock");
    if (!self)
        return weft__outside();
    if (wait)
        error = weft__sync_begin(&self);
    if (error < 0)
        return error;
    if (is_mine(lock, self))
        return weft__misuse(-EDEADLK, "the task holds the lock for writing");
    return take(lock, self, mode, wait);
}

int weft_rwlock_read(weft_rwlock *lock)
{
    return acquire(lock, TO_READ, true);
}

int weft_rwlock_read_nowait(weft_rwlock *lock)
{
    return acquire(lock, TO_READ, false);
}

int weft_rwlock_read_until(weft_rwlock *lock, int64_t deadline)
{
    WEFT__UNTIL(deadline, weft_rwlock_read(lock));
}

int weft_rwlock_write(weft_rwlock *lock)
{
    return acquire(lock, TO_WRITE, true);
}

int weft_rwlock_write_nowait(weft_rwlock *lock)
{
    return acquire(lock, TO_WRITE, false);
}

int weft_rwlock_write_until(weft_rwlock *lock, int64_t deadline)
{
    WEFT__UNTIL(deadline, weft_rwlock_write(lock));
}

static int releasable(struct rwlock *lock, uint32_t mode)
{
    const struct weft__task *self = weft__task_self();
    uint32_t value;

    if (!lock)
        return weft__misuse(-EINVAL, "no lock");
    if (!self)
        return weft__outside();
    value = weft__object_value(&lock->object);
    if (!(value & (mode == TO_WRITE ? WRITER : READERS)))
        return weft__misuse(-EINVAL, "nobody holds the lock so");
    if (mode == TO_WRITE && !is_mine(lock, self))
        return weft__misuse(-EPERM, "another task holds the lock");
    return 0;
}

int weft_rwlock_read_release(weft_rwlock *lock)
{
    int error = releasable(inside(lock), TO_READ);

    if (error == 0)
        give(inside(lock), TO_READ, false);
    return error;
}

int weft_rwlock_write_release(weft_rwlock *lock)
{
    int error = releasable(inside(lock), TO_WRITE);

    if (error < 0)
        return error;
    weft__hold_end(&inside(lock)->hold);
    give(inside(lock), TO_WRITE, false);
    return 0;
}
