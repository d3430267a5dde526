/*
 * runtime/post.c - the public side of the inbox.
 */
#include <errno.h>
#include <weft/post.h>

#include "base/memory.h"
#include "reactor/reactor.h"
#include "task/task.h"

/* A post that brings no memory of its own. */
struct post {
    union {
        struct weft__message message;   /* from another thread */
        struct weft__callback callback; /* from the reactor's own */
    };
    void (*fn)(void *arg);
    void (*dropped)(void *arg);
    void *arg;
};

static void finish(struct post *post, bool run)
{
    void (*fn)(void *) = run ? post->fn : post->dropped;
    void *arg = post->arg;

    weft__free(post); /* first: fn may not come back to us, and may post again */
    if (fn)
        fn(arg);
}

static void message_run(struct weft__message *message, struct weft__reactor *reactor)
{
    WEFT__COUNT(reactor, callbacks);
    finish((struct post *)message, true);
}

static void message_drop(struct weft__message *message)
{
    finish((struct post *)message, false);
}

static void callback_run(struct weft__callback *callback)
{
    finish((struct post *)callback, true);
}

static void callback_drop(struct weft__callback *callback)
{
    finish((struct post *)callback, false);
}

/* From the reactor's own thread: into the ready queue, after what is ready already. */
static int post_here(struct weft__reactor *reactor, struct post *post)
{
    int error = weft__inbox_closed(reactor->inbox) ? -ESHUTDOWN : 0; /* asked by a drop function */

    if (error == 0)
        error = weft__ready_reserve(&reactor->ready);
    if (error < 0)
        return error;
    post->callback = (struct weft__callback){.run = callback_run, .drop = callback_drop};
    weft__ready_push_callback(&reactor->ready, &post->callback);
    return 0;
}

int weft_post(weft_inbox *inbox, void (*fn)(void *), void *arg, void (*drop)(void *))
{
    struct post *post;
    int error;

    if (!inbox || !fn)
        return -EINVAL;
    if (weft__host_forked())
        return -ENOTSUP;
    if (weft__inbox_winds(inbox))
        return -ESHUTDOWN;
    post = weft__alloc(sizeof *post);
    if (!post)
        return -ENOMEM;
    *post = (struct post){.fn = fn, .dropped = drop, .arg = arg};
    if (weft__self && weft__self->inbox == inbox) {
        error = post_here(weft__self, post);
    } else {
        post->message = (struct weft__message){.run = message_run, .drop = message_drop};
        error = weft__inbox_send(inbox, &post->message);
    }
    if (error < 0)
        weft__free(post);
    return error;
}

int weft_post_try(weft_inbox *inbox, void (*fn)(void *), void *arg, void (*drop)(void *))
{
    if (!inbox || !fn)
        return -EINVAL;
    if (weft__inbox_waiting(inbox) >= UINT16_MAX)
        return -EAGAIN;
    return weft_post(inbox, fn, arg, drop);
}

/* -- slots that the caller brings ------------------------------------------------------------ */

/* The message of a slot, over its opaque words and the three that follow. */
struct slot {
    struct weft__message *next;
    void (*run)(struct weft__message *message, struct weft__reactor *reactor);
    void (*drop_message)(struct weft__message *message);
    void (*fn)(void *arg);
    void (*drop)(void *arg);
    void *arg;
    uint32_t busy;
};
_Static_assert(sizeof(struct weft__message) <= sizeof(((struct weft_post_slot *)0)->opaque),
               "the message fits the opaque words");
_Static_assert(offsetof(struct slot, fn) == offsetof(struct weft_post_slot, fn) &&
                   offsetof(struct slot, busy) == offsetof(struct weft_post_slot, busy),
               "the same struct seen from inside");

static void slot_finish(struct weft__message *message, bool run)
{
    struct slot *slot = (struct slot *)message;
    void (*fn)(void *) = run ? slot->fn : slot->drop;
    void *arg = slot->arg;

    /* release: whoever finds it idle may write it again, after we have read it */
    __atomic_store_n(&slot->busy, 0, __ATOMIC_RELEASE);
    if (fn)
        fn(arg);
}

static void slot_run(struct weft__message *message, struct weft__reactor *reactor)
{
    WEFT__COUNT(reactor, callbacks);
    slot_finish(message, true);
}

static void slot_drop(struct weft__message *message)
{
    slot_finish(message, false);
}

int weft_post_slot(weft_inbox *inbox, struct weft_post_slot *public_slot)
{
    struct slot *slot = (struct slot *)public_slot;
    int error;

    if (!inbox || !slot || !slot->fn)
        return -EINVAL;
    if (weft__host_forked())
        return -ENOTSUP;
    if (weft__inbox_winds(inbox))
        return -ESHUTDOWN;
    if (__atomic_exchange_n(&slot->busy, 1, __ATOMIC_ACQUIRE))
        return -EBUSY;
    slot->run = slot_run;
    slot->drop_message = slot_drop;
    error = weft__inbox_send(inbox, (struct weft__message *)slot);
    if (error < 0)
        __atomic_store_n(&slot->busy, 0, __ATOMIC_RELEASE);
    return error;
}

int weft_post_signal(weft_inbox *inbox, struct weft_post_slot *slot)
{
    return weft_post_slot(inbox, slot);
}

/* -- cancelling from elsewhere --------------------------------------------------------------- */

struct cancel {
    weft_task task;
};

static void cancel_run(void *arg)
{
    struct cancel *cancel = arg;

    (void)weft_cancel(cancel->task);
    weft__free(cancel);
}

static void cancel_drop(void *arg)
{
    weft__free(arg);
}

int weft_cancel_post(weft_inbox *inbox, weft_task task)
{
    struct cancel *cancel;
    int error;

    if (!inbox)
        return -EINVAL;
    cancel = weft__alloc(sizeof *cancel);
    if (!cancel)
        return -ENOMEM;
    cancel->task = task;
    error = weft_post(inbox, cancel_run, cancel, cancel_drop);
    if (error < 0)
        weft__free(cancel);
    return error;
}

/* -- references ------------------------------------------------------------------------------ */

weft_inbox *weft_inbox_get(uint32_t index)
{
    struct weft__reactor *reactor = weft__self;

    if (!reactor || !reactor->peers || index >= reactor->peers->count)
        return NULL;
    return weft_inbox_retain(reactor->peers->inboxes[index]);
}

weft_inbox *weft_inbox_here(void)
{
    return weft__self ? weft_inbox_retain(weft__self->inbox) : NULL;
}

weft_inbox *weft_inbox_retain(weft_inbox *inbox)
{
    if (inbox)
        weft__inbox_retain(inbox);
    return inbox;
}

void weft_inbox_put(weft_inbox *inbox)
{
    if (inbox)
        weft__inbox_release(inbox);
}
