/*
 * weft/post.h - work handed to a reactor by other threads.
 *
 * An inbox is a reactor's door. A reference to one stays usable after its reactor stopped: posting
 * then answers -ESHUTDOWN. Everything here may be called from any thread and never blocks.
 * Callbacks run on the loop's stack, in the order in which each thread posted them; they must not
 * call anything marked WEFT_SUSPENDS, but may spawn with weft_spawn_nowait into weft_root().
 */
#ifndef WEFT_POST_H
#define WEFT_POST_H

#include <weft/base.h>
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
 * (NULL: nothing). weft_post_try refuses with -EAGAIN while more than 65,536 posts are waiting.
 *
 * Returns 0; -ESHUTDOWN after a stop, -ENOMEM, -EINVAL: neither fn nor drop will be called.
 */
WEFT_API int weft_post(weft_inbox *inbox, void (*fn)(void *), void *arg, void (*drop)(void *));
WEFT_API int weft_post_try(weft_inbox *inbox, void (*fn)(void *), void *arg, void (*drop)(void *));

/*
 * A post whose memory the caller brings: nothing is allocated. Busy until fn or drop is called;
 * posting it again before that gives -EBUSY (and the one already under way will run).
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

/* The same, for use in a signal handler: async-signal-safe. */
WEFT_API int weft_post_signal(weft_inbox *inbox, struct weft_post_slot *slot);

/* weft_cancel from another thread: a message. Returns 0, -ESHUTDOWN, -ENOMEM. */
WEFT_API int weft_cancel_post(weft_inbox *inbox, weft_task task);

/* weft_stop from another thread. Returns 0, -ESHUTDOWN (already over). Safe in a signal handler. */
WEFT_API int weft_stop_post(weft_inbox *inbox);

WEFT_END_DECLS

#endif
