/*
 * weft/post.h - work handed to a reactor by other threads.
 *
 * An inbox is a reactor's door. A reference to one stays usable after its reactor stopped: posting
 * then answers -ESHUTDOWN. Everything here may be called from any thread and never blocks.
 * Callbacks run on the loop's stack, in the order in which each thread posted them; they must not
 * call anything marked WEFT_SUSPENDS, but may spawn with weft_spawn_nowait into weft_root().
 * A post from the reactor's own thread joins its ready queue: it runs after all that is ready by
 * then. Only what weft_post_signal posts takes the way of other threads' posts in any case.
 */
#ifndef WEFT_POST_H
#define WEFT_POST_H

#include <weft/base.h>
#include <weft/future.h>
#include <weft/task.h>

WEFT_BEGIN_DECLS

typedef struct weft_inbox weft_inbox;

/*
 * The inbox of the calling reactor, or of reactor `index` of the same runtime, with a reference for
 * the caller to put back. NULL outside a task and its callbacks, or when there is no such reactor.
 */
WEFT_API weft_inbox *weft_inbox_get(uint32_t index);
WEFT_API weft_inbox *weft_inbox_here(void);
WEFT_API weft_inbox *weft_inbox_retain(weft_inbox *inbox);
WEFT_API void weft_inbox_put(weft_inbox *inbox);

/*
 * Has the reactor call fn(arg) on its next turn. If it stops first, drop(arg) is called instead
 * (NULL: nothing). weft_post_try refuses with -EAGAIN while 65,535 posts or more of other threads
 * are waiting.
 *
 * Returns 0. On any error neither fn nor drop will be called: -ESHUTDOWN after a stop, or near its
 * end, when the last task has ended; -ENOMEM; -EINVAL (no inbox, no fn); -ENOTSUP in a child of
 * fork; -EAGAIN (weft_post_try).
 */
WEFT_API int weft_post(weft_inbox *inbox, void (*fn)(void *), void *arg, void (*drop)(void *));
WEFT_API int weft_post_try(weft_inbox *inbox, void (*fn)(void *), void *arg, void (*drop)(void *));

/*
 * A post whose memory the caller brings: nothing is allocated, but that the ready queue may have to
 * grow when the post is the reactor's own. Busy until fn or drop is called, who may post it again;
 * posting it before that gives -EBUSY (and the one already under way will run).
 * Returns as weft_post: 0, -ESHUTDOWN, -EINVAL, -ENOTSUP, -ENOMEM (of the ready queue); -EBUSY.
 */
struct weft_post_slot {
    void *opaque[3];
    void (*fn)(void *arg);
    void (*drop)(void *arg);
    void *arg;
    uint32_t busy;
    uint32_t reserved;
};
#define WEFT_POST_SLOT_INIT(fn, arg)                                                               \
    {                                                                                              \
        {NULL, NULL, NULL}, (fn), NULL, (arg), 0, 0                                                \
    }
WEFT_API int weft_post_slot(weft_inbox *inbox, struct weft_post_slot *slot);

/* weft_post for use in a signal handler: async-signal-safe, allocates nothing, never -ENOMEM. */
WEFT_API int weft_post_signal(weft_inbox *inbox, struct weft_post_slot *slot);

/*
 * Has the reactor run fn(arg) as a task, in its root scope; arg and arg_size as for weft_spawn. Any
 * thread, reactors' and others; never blocks and never suspends. What fn returns settles a future,
 * of which *future is one reference, the caller's: a task awaits it, another thread has
 * weft_future_wait. weft_future_cancel (anybody's) cancels the task. A task that cannot be begun
 * settles it with the reason: -ESHUTDOWN the reactor stops or drains, -EAGAIN, -ENOMEM.
 *
 * Returns 0. On any error nothing was taken, and there is no future: -ESHUTDOWN, -ENOMEM, -EINVAL,
 * -E2BIG, -ENOTSUP in a child of fork. For a task that just wants to have something done on another
 * reactor: weft_call, which passes its cancellation on.
 */
WEFT_API WEFT_NODISCARD int weft_run_coroutine_threadsafe(weft_inbox *inbox, weft_task_fn fn,
                                                          const void *arg, size_t arg_size,
                                                          weft_future **future);

/* weft_cancel from another thread: a message. Returns as weft_post; what weft_cancel answers is not
   told. */
WEFT_API int weft_cancel_post(weft_inbox *inbox, weft_task task);

/* weft_stop from another thread. Returns 0, -ESHUTDOWN (already over), -EINVAL, -ENOTSUP in a child
   of fork. Safe in a signal handler. */
WEFT_API int weft_stop_post(weft_inbox *inbox);

WEFT_END_DECLS

#endif
