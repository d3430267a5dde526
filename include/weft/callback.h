/*
 * weft/callback.h - functions called later, by the loop itself.
 *
 * A callback runs on the loop's stack, between tasks. It must not call anything marked
 * WEFT_SUSPENDS (-EPERM); it may spawn with weft_spawn_nowait into weft_root(), wake whoever waits,
 * and ask for further callbacks. What is asked for here is asked on the calling reactor, from a
 * task or from another callback, and none of it suspends; other threads use
 * weft_call_soon_threadsafe.
 *
 * Of every callback that was accepted exactly one thing comes true: fn(arg) is called, or it was
 * cancelled or the reactor stopped first, and drop(arg) is called, where one was given.
 */
#ifndef WEFT_CALLBACK_H
#define WEFT_CALLBACK_H

#include <weft/base.h>
#include <weft/post.h>

WEFT_BEGIN_DECLS

/*
 * Names a callback that is yet to run, so that it can be cancelled, and is the memory it waits in,
 * so that asking for it allocates nothing. Caller-allocated; begins as WEFT_HANDLE_INIT, and stays
 * where it is until fn or drop is called or weft_handle_cancel has returned. From within fn it may
 * be used again.
 */
typedef struct weft_handle {
    uint64_t opaque[16];
} weft_handle;
#define WEFT_HANDLE_INIT                                                                           \
    {                                                                                              \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

struct weft_call_opt {
    size_t size;             /* sizeof(struct weft_call_opt) */
    weft_handle *handle;     /* if not NULL: the callback waits in it; else in memory allocated */
    void (*drop)(void *arg); /* called instead of fn when it is cancelled or never comes to run */
};

/*
 * Calls fn(arg) after everything that is ready now, in the order asked. opt may be NULL.
 *
 * Returns 0. On any error neither fn nor drop will be called: -EINVAL no function, or bad options;
 * -EPERM outside of a reactor's tasks and callbacks; -EBUSY the handle's callback is yet to run;
 * -ENOMEM; -ESHUTDOWN the reactor has stopped, or is about to and its last task has ended.
 */
WEFT_API WEFT_NODISCARD int weft_call_soon(void (*fn)(void *arg), void *arg,
                                           const struct weft_call_opt *opt);

/*
 * weft_call_soon, but not before `ns` nanoseconds from now, or the absolute time `deadline`, have
 * come; then after everything that is ready at that time. Never early. Those of one time are called
 * in the order asked. A time in the past is the present; WEFT_NEVER is never: such a callback waits
 * to be cancelled or dropped. A reactor does not go on living for callbacks whose time has not
 * come.
 */
WEFT_API WEFT_NODISCARD int weft_call_later(int64_t ns, void (*fn)(void *arg), void *arg,
                                            const struct weft_call_opt *opt);
WEFT_API WEFT_NODISCARD int weft_call_at(int64_t deadline, void (*fn)(void *arg), void *arg,
                                         const struct weft_call_opt *opt);

/* weft_post (weft/post.h) under asyncio's name: from any thread, to the reactor behind `inbox`. */
WEFT_API WEFT_NODISCARD int weft_call_soon_threadsafe(weft_inbox *inbox, void (*fn)(void *arg),
                                                      void *arg, void (*drop)(void *arg));

/*
 * Takes back a callback; drop(arg) is called before this returns, and the handle is free again. On
 * the reactor where it was asked for.
 *
 * Returns 1; 0 when there is nothing to take back: never asked for, has run or is running, was
 * cancelled before; -EINVAL NULL; -EPERM on another reactor, or outside of any.
 */
WEFT_API int weft_handle_cancel(weft_handle *handle);

/* True when the latest callback that waited in the handle was cancelled. False for NULL. */
WEFT_API bool weft_handle_cancelled(const weft_handle *handle);

/* The absolute time for which a callback waits in the handle; 0 when none does, or for no time. */
WEFT_API int64_t weft_handle_when(const weft_handle *handle);

WEFT_END_DECLS

#endif
