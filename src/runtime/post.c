/*
 * runtime/post.c - the public side of the inbox.
 */
#include <errno.h>
#include <weft/post.h>

#include "base/memory.h"
#include "base/rare.h"
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
    WEFT__NOTED(made_at)
};

/* On the loop of the reactor that was posted to. */
static void call_back(struct weft__reactor *reactor, void (*fn)(void *arg), void *arg,
                      const struct weft_call_site *site)
{
    weft__slice_call(reactor, (const void *)(uintptr_t)fn, site);
    fn(arg);
    weft__slice_over(reactor);
}

/* reactor: that runs it; NULL: it is dropped. */
static void finish(struct post *post, struct weft__reactor *reactor)
{
    void (*fn)(void *) = reactor ? post->fn : post->dropped;
    void *arg = post->arg;
    struct weft_call_site site = WEFT__NOTE_OF(post->made_at);

    weft__free(post); /* first: fn may not come back to us, and may post again */
    if (reactor)
        call_back(reactor, fn, arg, &site);
    else if (fn)
        fn(arg);
}

static void message_run(struct weft__message *message, struct weft__reactor *reactor)
{
    WEFT__COUNT(reactor, callbacks);
    finish((struct post *)message, reactor);
}

static void message_drop(struct weft__message *message)
{
    finish((struct post *)message, NULL);
}

static void callback_run(struct weft__callback *callback)
{
    finish((struct post *)callback, weft__self);
}

static void callback_drop(struct weft__callback *callback)
{
    finish((struct post *)callback, NULL);
}

/* From the reactor's own thread: into the ready queue, after what is ready already. Not from a drop
   function of a reactor that closes: its inbox winds by then. */
static int post_here(struct weft__reactor *reactor, struct weft__callback *callback)
{
    int error = weft__ready_reserve(&reactor->ready);

    if (error == 0)
        weft__ready_push_callback(&reactor->ready, callback);
    return error;
}

/* Is the caller on the inbox's own reactor, and may go by the ready queue? */
static bool is_here(const weft_inbox *inbox)
{
    return weft__self && weft__self->inbox == inbox && !weft__rare(WEFT__RARE_INBOX);
}

static int post(weft_inbox *inbox, void (*fn)(void *), void *arg, void (*drop)(void *))
{
    struct post *post;
    int error;

    if (!inbox || !fn)
        return weft__misuse(-EINVAL, "no inbox, or no function");
    if (weft__host_forked())
        return -ENOTSUP;
    if (weft__inbox_winds(inbox))
        return -ESHUTDOWN;
    post = weft__alloc(sizeof *post);
    if (!post)
        return -ENOMEM;
    *post = (struct post){.fn = fn, .dropped = drop, .arg = arg};
    WEFT__NOTE(post->made_at);
    if (is_here(inbox)) {
        post->callback = (struct weft__callback){.run = callback_run, .drop = callback_drop};
        error = post_here(weft__self, &post->callback);
    } else {
        post->message = (struct weft__message){.run = message_run, .drop = message_drop};
        error = weft__inbox_send(inbox, &post->message);
    }
    if (error < 0)
        weft__free(post);
    return error;
}

int weft_post(weft_inbox *inbox, void (*fn)(void *), void *arg, void (*drop)(void *))
{
    return weft__pass_on(post(inbox, fn, arg, drop));
}

int weft_post_try(weft_inbox *inbox, void (*fn)(void *), void *arg, void (*drop)(void *))
{
    if (!inbox || !fn)
        return weft__misuse(-EINVAL, "no inbox, or no function");
    if (weft__inbox_waiting(inbox) >= UINT16_MAX)
        return -EAGAIN;
    return weft_post(inbox, fn, arg, drop);
}

/* -- slots that the caller brings ------------------------------------------------------------ */

/* What a slot is inside, in the place of its opaque words. */
struct slot {
    union {
        struct weft__message message;   /* from another thread, or a signal handler */
        struct weft__callback callback; /* from the reactor's own */
    };
    void (*fn)(void *arg);
    void (*drop)(void *arg);
    void *arg;
    uint32_t busy;
};
_Static_assert(offsetof(struct slot, fn) == offsetof(struct weft_post_slot, fn) &&
                   offsetof(struct slot, busy) == offsetof(struct weft_post_slot, busy),
               "the same struct seen from inside");

static void slot_finish(struct slot *slot, struct weft__reactor *reactor)
{
    void (*fn)(void *) = reactor ? slot->fn : slot->drop;
    void *arg = slot->arg;

    /* release: whoever finds it idle may write it again, after we have read it */
    __atomic_store_n(&slot->busy, 0, __ATOMIC_RELEASE);
    if (reactor)
        call_back(reactor, fn, arg, NULL);
    else if (fn)
        fn(arg);
}

static void slot_message_run(struct weft__message *message, struct weft__reactor *reactor)
{
    WEFT__COUNT(reactor, callbacks);
    slot_finish((struct slot *)message, reactor);
}

static void slot_message_drop(struct weft__message *message)
{
    slot_finish((struct slot *)message, NULL);
}

static void slot_callback_run(struct weft__callback *callback)
{
    slot_finish((struct slot *)callback, weft__self);
}

static void slot_callback_drop(struct weft__callback *callback)
{
    slot_finish((struct slot *)callback, NULL);
}

static int post_slot(weft_inbox *inbox, struct slot *slot, bool here)
{
    int error;

    if (!inbox || !slot || !slot->fn)
        return weft__misuse(-EINVAL, "no inbox, no slot, or no function in it");
    if (weft__host_forked())
        return -ENOTSUP;
    if (weft__inbox_winds(inbox))
        return -ESHUTDOWN;
    if (__atomic_exchange_n(&slot->busy, 1, __ATOMIC_ACQUIRE))
        return -EBUSY;
    if (here) {
        slot->callback =
            (struct weft__callback){.run = slot_callback_run, .drop = slot_callback_drop};
        error = post_here(weft__self, &slot->callback);
    } else {
        slot->message = (struct weft__message){.run = slot_message_run, .drop = slot_message_drop};
        error = weft__inbox_send(inbox, &slot->message);
    }
    if (error < 0)
        __atomic_store_n(&slot->busy, 0, __ATOMIC_RELEASE);
    return error;
}

int weft_post_slot(weft_inbox *inbox, struct weft_post_slot *slot)
{
    return weft__pass_on(post_slot(inbox, (struct slot *)slot, is_here(inbox)));
}

/* By the inbox from everywhere: what it interrupts may be in the middle of the ready queue. */
int weft_post_signal(weft_inbox *inbox, struct weft_post_slot *slot)
{
    return post_slot(inbox, (struct slot *)slot, false);
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
        return weft__misuse(-EINVAL, "no inbox");
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
