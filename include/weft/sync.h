/*
 * weft/sync.h - what tasks wait for one another with: lock, event, condition, semaphore, barrier,
 * read-write lock. Queues are in weft/queue.h.
 *
 *     static weft_lock lock = WEFT_LOCK_INIT;
 *
 *     WEFT_LOCKED(&lock) {
 *         ...                            // may suspend: others wait for the lock, nobody else
 *     }
 *
 * All are caller-allocated, need no clean-up and live in memory that must stay where it is while
 * they are used. Each comes in two kinds, chosen by the initialiser:
 *
 *   local     WEFT_..._INIT, all zero for most. Plain memory, for the tasks of one reactor: the one
 *             that used it first. From another reactor, while that one runs, -EPERM.
 *   shared    WEFT_..._SHARED_INIT. For the tasks of any reactors of any runtimes. Settled by one
 *             atomic instruction when nobody has to wait; who waits parks and is woken through the
 *             inbox of its reactor. No thread is ever put to sleep, and no system call made but the
 *             bell of a reactor that sleeps.
 *
 * What holds for all:
 *   - Who waits is served in the order of coming, and nobody who comes later is served before. Each
 *     call that waits has a form that does not (_nowait: -EAGAIN) and one that gives up at an
 *     absolute time (_until: -ETIMEDOUT).
 *   - Whoever was given what it waits for has it: a cancellation that comes after that shows at its
 *     next call. One that comes before takes the waiter out of the row, as if it had never come.
 *   - Calls that suspend are for tasks. The others, save those that hold or release a lock, may be
 *     made in callbacks too. -EPERM from anywhere else, such as a foreign thread.
 *   - Mistakes that a debug build tells its hook (weft/misuse.h): -EPERM, -EDEADLK, and -EINVAL but
 *     for a semaphore released too often.
 *
 * Where asyncio differs: there a lock or a semaphore may be taken by a newcomer before those who
 * wait; a cancelled waiter that was just woken passes its turn on, here it keeps what it was given.
 */
#ifndef WEFT_SYNC_H
#define WEFT_SYNC_H

#include <weft/base.h>
#include <weft/time.h>

#define WEFT_SYNC_SHARED_ 1 /* the initialisers' own */

WEFT_BEGIN_DECLS

/* -- lock ----------------------------------------------------------------------------------- */

/*
 * Held by one task at a time, which alone may release it. When that task ends without releasing
 * it, the next one to take it gets -EOWNERDEAD, once: it holds the lock, and may find what the lock
 * guards half changed.
 */
typedef struct weft_lock {
    uint64_t opaque[12];
} weft_lock;
/* clang-format off */
#define WEFT_LOCK_INIT {{0}}
#define WEFT_LOCK_SHARED_INIT {{WEFT_SYNC_SHARED_}}
/* clang-format on */

/*
 * Takes the lock, waiting until it is free. Returns 0, or -EOWNERDEAD (taken all the same:
 * its last holder ended without releasing it). Else it was not taken: -ECANCELED; -EAGAIN
 * (_nowait); -ETIMEDOUT (_until); -EDEADLK the caller holds it; -EINVAL NULL; -EPERM.
 */
WEFT_API WEFT_NODISCARD int weft_lock_acquire(weft_lock *lock) WEFT_SUSPENDS;
WEFT_API WEFT_NODISCARD int weft_lock_acquire_nowait(weft_lock *lock);
WEFT_API WEFT_NODISCARD int weft_lock_acquire_until(weft_lock *lock,
                                                    int64_t deadline) WEFT_SUSPENDS;

/*
 * Releases it, to whoever waits longest. Never suspends, and is never cancelled. Returns 0; -EPERM
 * another task holds it, or not in a task; -EINVAL nobody holds it, or NULL.
 */
WEFT_API int weft_lock_release(weft_lock *lock);

/* Does somebody hold it? Any thread that may touch it; of a shared one the answer may be old. */
WEFT_API bool weft_lock_held(const weft_lock *lock);

/*
 * WEFT_LOCKED(&lock) { } takes the lock, runs the block, and releases the lock however the block
 * is left. If it cannot be taken the block does not run, and the error (-ECANCELED, say) becomes
 * the result of the task if that would have been >= 0. -EOWNERDEAD counts as such an error: the
 * mark stays on the lock until somebody takes it by weft_lock_acquire and puts things right.
 * `break` and `continue` leave the block. In C++: weft::locked here(&lock); if (here) { ... }
 */
WEFT_API weft_lock *weft_locked_enter_(weft_lock *lock) WEFT_SUSPENDS;
WEFT_API void weft_locked_leave_(weft_lock **lock);

#ifndef __cplusplus
#define WEFT_LOCKED(lock) WEFT_LOCKED_1_(lock, __COUNTER__)
#define WEFT_LOCKED_1_(lock, n) WEFT_LOCKED_2_(lock, n)
#define WEFT_LOCKED_2_(lock, n)                                                                    \
    for (weft_lock * weft_locked_##n                                                               \
             __attribute__((cleanup(weft_locked_leave_))) = weft_locked_enter_(lock);              \
         weft_locked_##n; weft_locked_leave_(&weft_locked_##n))
#endif

/* -- event ---------------------------------------------------------------------------------- */

/*
 * A flag that tasks wait for. Setting it wakes all who wait, even if it is cleared again before
 * they run.
 */
typedef struct weft_event {
    uint64_t opaque[8];
} weft_event;
/* clang-format off */
#define WEFT_EVENT_INIT {{0}}
#define WEFT_EVENT_SHARED_INIT {{WEFT_SYNC_SHARED_}}
/* clang-format on */

/* Waits until it is set. 0; -ECANCELED; -ETIMEDOUT (_until); -EINVAL NULL; -EPERM. */
WEFT_API WEFT_NODISCARD int weft_event_wait(weft_event *event) WEFT_SUSPENDS;
WEFT_API WEFT_NODISCARD int weft_event_wait_until(weft_event *event,
                                                  int64_t deadline) WEFT_SUSPENDS;
/* Set it, clear it. 1 if that changed something, else 0; -EINVAL, -EPERM. Never suspend. */
WEFT_API int weft_event_set(weft_event *event);
WEFT_API int weft_event_clear(weft_event *event);
/* Is it set? What was written before it was set is seen by who finds it so. Any thread that may
   touch it. */
WEFT_API bool weft_event_is_set(const weft_event *event);

/* -- semaphore ------------------------------------------------------------------------------ */

/*
 * A number of permits. A bounded one is never given more than it began with, which finds a release
 * too many.
 */
typedef struct weft_semaphore {
    uint64_t opaque[8];
} weft_semaphore;
#define WEFT_SEMAPHORE_MAX 0x3fffffff
/* clang-format off */
#define WEFT_SEMAPHORE_INIT(permits) {{0, 0, (uint64_t)(permits) << 32, WEFT_SEMAPHORE_MAX}}
#define WEFT_SEMAPHORE_BOUNDED_INIT(permits) {{0, 0, (uint64_t)(permits) << 32, (permits)}}
#define WEFT_SEMAPHORE_SHARED_INIT(permits) \
    {{WEFT_SYNC_SHARED_, 0, (uint64_t)(permits) << 32, WEFT_SEMAPHORE_MAX}}
#define WEFT_SEMAPHORE_BOUNDED_SHARED_INIT(permits) \
    {{WEFT_SYNC_SHARED_, 0, (uint64_t)(permits) << 32, (permits)}}
/* clang-format on */

/*
 * Takes a permit, waiting for one. 0; -ECANCELED; -EAGAIN (_nowait); -ETIMEDOUT (_until); -EINVAL
 * NULL; -EPERM.
 */
WEFT_API WEFT_NODISCARD int weft_semaphore_acquire(weft_semaphore *semaphore) WEFT_SUSPENDS;
WEFT_API WEFT_NODISCARD int weft_semaphore_acquire_nowait(weft_semaphore *semaphore);
WEFT_API WEFT_NODISCARD int weft_semaphore_acquire_until(weft_semaphore *semaphore,
                                                         int64_t deadline) WEFT_SUSPENDS;
/*
 * Gives a permit, to whoever waits longest; not only by who took one. Never suspends. 0; -EINVAL
 * more than the bound, or than WEFT_SEMAPHORE_MAX, and nothing was given, or NULL; -EPERM.
 */
WEFT_API int weft_semaphore_release(weft_semaphore *semaphore);
/* Permits to be had now. Any thread that may touch it; of a shared one the answer may be old. */
WEFT_API uint32_t weft_semaphore_value(const weft_semaphore *semaphore);

/* -- condition ------------------------------------------------------------------------------ */

/*
 * Where tasks wait for something about what a lock guards to change. Who waits gives the lock up
 * meanwhile. Who changed something tells one or some or all; it need not hold the lock.
 */
typedef struct weft_condition {
    uint64_t opaque[8];
} weft_condition;
/* clang-format off */
#define WEFT_CONDITION_INIT {{0}}
#define WEFT_CONDITION_SHARED_INIT {{WEFT_SYNC_SHARED_}}
/* clang-format on */

/*
 * Releases `lock`, which the caller holds, waits to be notified, and takes it again: that is never
 * cancelled, so the caller holds the lock in any case but -EPERM and -EINVAL. A notification that
 * came before the cancellation counts, and is never lost.
 *
 * Returns 0 notified; -ECANCELED; -ETIMEDOUT (_until); -EOWNERDEAD as weft_lock_acquire, whether
 * notified or not; -EPERM the caller does not hold the lock, or as everywhere; -EINVAL NULL.
 */
WEFT_API WEFT_NODISCARD int weft_condition_wait(weft_condition *condition,
                                                weft_lock *lock) WEFT_SUSPENDS;
WEFT_API WEFT_NODISCARD int weft_condition_wait_until(weft_condition *condition, weft_lock *lock,
                                                      int64_t deadline) WEFT_SUSPENDS;
/*
 * The same until predicate(arg), which is called with the lock held, is true: 0 then. Before the
 * first wait too, but a caller that is cancelled is refused first.
 */
WEFT_API WEFT_NODISCARD int weft_condition_wait_for(weft_condition *condition, weft_lock *lock,
                                                    bool (*predicate)(void *arg),
                                                    void *arg) WEFT_SUSPENDS;
WEFT_API WEFT_NODISCARD int weft_condition_wait_for_until(weft_condition *condition,
                                                          weft_lock *lock,
                                                          bool (*predicate)(void *arg), void *arg,
                                                          int64_t deadline) WEFT_SUSPENDS;
/* Wakes the `count` that wait longest; all. Returns how many; -EINVAL, -EPERM. Never suspend. */
WEFT_API int weft_condition_notify(weft_condition *condition, uint32_t count);
WEFT_API int weft_condition_notify_all(weft_condition *condition);

/* -- barrier -------------------------------------------------------------------------------- */

/*
 * Lets tasks through when so many have come as the barrier has parties, again and again. One that
 * is cancelled while it waits has not come.
 */
typedef struct weft_barrier {
    uint64_t opaque[8];
} weft_barrier;
/* clang-format off */
#define WEFT_BARRIER_INIT(parties) {{0, 0, 0, (parties)}}
#define WEFT_BARRIER_SHARED_INIT(parties) {{WEFT_SYNC_SHARED_, 0, 0, (parties)}}
/* clang-format on */

/*
 * Waits until all have come. Returns the caller's place among them, from 0 in the order of coming;
 * -EPIPE the barrier is broken; -ECANCELED; -ETIMEDOUT (_until); -EINVAL NULL, or no parties;
 * -EPERM.
 */
WEFT_API WEFT_NODISCARD int weft_barrier_wait(weft_barrier *barrier) WEFT_SUSPENDS;
WEFT_API WEFT_NODISCARD int weft_barrier_wait_until(weft_barrier *barrier,
                                                    int64_t deadline) WEFT_SUSPENDS;
/*
 * Breaks it: who waits and who comes gets -EPIPE, until a reset. A reset sends away who waits, with
 * -EPIPE, and begins anew. Returns how many that were; -EINVAL, -EPERM. Never suspend.
 */
WEFT_API int weft_barrier_abort(weft_barrier *barrier);
WEFT_API int weft_barrier_reset(weft_barrier *barrier);
/* How many wait. Returns that; -EPIPE it is broken; -EINVAL, -EPERM. */
WEFT_API int weft_barrier_waiting(weft_barrier *barrier);

/* -- read-write lock ------------------------------------------------------------------------ */

/*
 * Held by any number of readers, or by one writer. Served in the order of coming, so a reader that
 * comes after a waiting writer waits: taking it twice for reading may therefore never end. Who
 * writes is known, who reads is counted only: a task that ends while reading leaves it held. When a
 * writer ends without releasing it, everybody gets -EOWNERDEAD with the lock up to and including
 * the next writer.
 */
typedef struct weft_rwlock {
    uint64_t opaque[12];
} weft_rwlock;
/* clang-format off */
#define WEFT_RWLOCK_INIT {{0}}
#define WEFT_RWLOCK_SHARED_INIT {{WEFT_SYNC_SHARED_}}
/* clang-format on */

/* Take it for reading, or for writing. Returns as weft_lock_acquire; -EDEADLK: the caller writes.
 */
WEFT_API WEFT_NODISCARD int weft_rwlock_read(weft_rwlock *lock) WEFT_SUSPENDS;
WEFT_API WEFT_NODISCARD int weft_rwlock_read_nowait(weft_rwlock *lock);
WEFT_API WEFT_NODISCARD int weft_rwlock_read_until(weft_rwlock *lock,
                                                   int64_t deadline) WEFT_SUSPENDS;
WEFT_API WEFT_NODISCARD int weft_rwlock_write(weft_rwlock *lock) WEFT_SUSPENDS;
WEFT_API WEFT_NODISCARD int weft_rwlock_write_nowait(weft_rwlock *lock);
WEFT_API WEFT_NODISCARD int weft_rwlock_write_until(weft_rwlock *lock,
                                                    int64_t deadline) WEFT_SUSPENDS;
/*
 * Release it. 0; -EINVAL nobody reads (writes), or NULL; -EPERM another task writes, or not in a
 * task. Never suspend, and are never cancelled.
 */
WEFT_API int weft_rwlock_read_release(weft_rwlock *lock);
WEFT_API int weft_rwlock_write_release(weft_rwlock *lock);

WEFT_END_DECLS

#ifdef __cplusplus
namespace weft
{
/* WEFT_LOCKED as an object: holds the lock to the end of the block, if it is true. */
class locked
{
  public:
    explicit locked(weft_lock *lock) : lock_(weft_locked_enter_(lock))
    {
    }
    ~locked()
    {
        weft_locked_leave_(&lock_);
    }
    locked(const locked &) = delete;
    locked &operator=(const locked &) = delete;
    explicit operator bool() const
    {
        return lock_ != nullptr;
    }

  private:
    weft_lock *lock_;
};
} // namespace weft
#endif

#endif
