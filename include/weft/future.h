/*
 * weft/future.h - futures: results that are not there yet.
 *
 * A future is a cell that is settled once, from any thread, and awaited by any number of tasks on
 * any reactor. It is counted: whoever uses it holds a reference.
 *
 *     pending --- set_result(value >= 0) ---> has a value --- take ---> taken
 *        |  ^                                     |                       |
 *        |  `------------- reset <----------------+-----------------------+
 *        |                   ^                                            (only reference)
 *        '--- set_error, cancel ---> has failed (-errno)
 *
 * A result is one int64_t, as everywhere: >= 0 a value, a descriptor, or a pointer (see
 * weft_future_pointer); negative an errno. A value with a destructor (weft_future_opt.drop) belongs
 * to the future: those who await it look at it, as long as they hold a reference; one may take it;
 * what nobody took is destroyed with the future.
 *
 * Settling makes no allocation and no system call but the bell of a reactor that sleeps. Each task
 * that waits is woken through its own reactor. A task that was woken has its result: a cancellation
 * that comes after that stays pending. Waiting does not own: a waiter that is cancelled leaves the
 * future as it is; weft_gather, weft_race and weft_wait_for (weft/await.h) do own, and cancel.
 */
#ifndef WEFT_FUTURE_H
#define WEFT_FUTURE_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

typedef struct weft_future weft_future;

/* A done callback (asyncio: add_done_callback). */
typedef void weft_future_fn(weft_future *future, void *arg);

struct weft_future_opt {
    size_t size;                 /* sizeof(struct weft_future_opt) */
    void (*drop)(int64_t value); /* destroys a value that nobody took; on the thread that lets go
                                    of it last. Must not suspend */
    const char *name;            /* what a task that waits is said to wait for; must outlive it */
};

/*
 * Makes a pending future with one reference, the caller's. opt may be NULL. Any thread.
 * Returns 0, -ENOMEM, -EINVAL.
 */
WEFT_API WEFT_NODISCARD int weft_future_create(weft_future **future,
                                               const struct weft_future_opt *opt);

/* One more reference, and one less; the last frees. NULL is allowed. Any thread. Who waits holds
   one meanwhile. */
WEFT_API weft_future *weft_future_retain(weft_future *future);
WEFT_API void weft_future_put(weft_future *future);

/*
 * Settles: with a value >= 0, or with a negative errno. Any thread. Never suspends.
 * Returns 0; -EINVAL when it was settled before, or the number has the wrong sign: nothing has
 * changed, and the value is still the caller's.
 */
WEFT_API int weft_future_set_result(weft_future *future, int64_t value);
WEFT_API int weft_future_set_error(weft_future *future, int error);

/* Settles with -ECANCELED. Returns 1; 0 when it was settled before; -EINVAL (NULL). Any thread. */
WEFT_API int weft_future_cancel(weft_future *future);

/* Is it settled? Any thread. */
WEFT_API bool weft_future_done(const weft_future *future);

/* What it was settled with, a value or a negative errno, in *result (NULL allowed). Any thread.
   Returns 0; -EAGAIN when it is pending; -EINVAL. */
WEFT_API int weft_future_result(const weft_future *future, int64_t *result);

/*
 * Waits until it is settled; *result (NULL allowed) says with what. A settled one answers at once,
 * unchecked for cancellation. The _until twin gives up at the absolute time `deadline`.
 *
 * Returns 0, whatever it was settled with; -ECANCELED the caller was cancelled first; -ETIMEDOUT;
 * -EPERM outside a task; -EINVAL.
 */
WEFT_API WEFT_NODISCARD int weft_future_await(weft_future *future, int64_t *result) WEFT_SUSPENDS;
WEFT_API WEFT_NODISCARD int weft_future_await_until(weft_future *future, int64_t *result,
                                                    int64_t deadline) WEFT_SUSPENDS;

/*
 * weft_future_await for a thread that runs no reactor, such as a worker of a pool: the thread
 * sleeps. Returns 0; -ETIMEDOUT; -EPERM on a reactor's thread, which would stand still; -EINVAL.
 */
WEFT_API WEFT_NODISCARD int weft_future_wait(weft_future *future, int64_t *result,
                                             int64_t deadline);

/*
 * Takes the value: it is the caller's now, and drop will not be called. Any thread.
 * Returns 0; -EAGAIN pending; -EALREADY taken before; what it has failed with; -EINVAL.
 */
WEFT_API int weft_future_take(weft_future *future, int64_t *value);

/* A future that is settled, and that nobody else holds, is pending again; a value that nobody took
   is destroyed. So a loop needs one future. Returns 0, -EBUSY (others hold it, or it is pending),
   -EINVAL. */
WEFT_API int weft_future_reset(weft_future *future);

/*
 * Has fn(future, arg) called on the loop of the calling reactor once the future is settled, after
 * everything that is ready then. fn must not suspend. It is not called when the last reference goes
 * first, or the reactor stops. In a task or a callback.
 *
 * Returns 0; -ENOMEM; -EPERM outside of a reactor; -EINVAL.
 */
WEFT_API WEFT_NODISCARD int weft_future_add_done(weft_future *future, weft_future_fn *fn,
                                                 void *arg);

/* Takes back every callback with that fn and arg that the calling reactor added; how many. Those of
   a future that is settled are on their way, and run. -EPERM outside of a reactor; -EINVAL. */
WEFT_API int weft_future_remove_done(weft_future *future, weft_future_fn *fn, void *arg);

/* Results that are pointers. */
static inline int weft_future_set_pointer(weft_future *future, void *value)
{
    return weft_future_set_result(future, (int64_t)(intptr_t)value);
}
/* NULL unless the future has a value. */
static inline void *weft_future_pointer(const weft_future *future)
{
    int64_t result = -1;

    return weft_future_result(future, &result) == 0 && result > 0 ? (void *)(intptr_t)result : NULL;
}

WEFT_END_DECLS

#endif
