/*
 * runtime/callback.c - call_soon, call_later, call_at; callback.h draws the life of a callback.
 */
#include "runtime/callback.h"

#include <errno.h>

#include "base/memory.h"
#include "base/option.h"
#include "runtime/runtime.h"
#include "task/task.h"

/* -- the end of one -------------------------------------------------------------------------- */

static void unlist(struct weft__handle *handle)
{
    *handle->link = handle->next;
    if (handle->next)
        handle->next->link = handle->link;
}

/* Where it was asked for; a debug build knows. Not which of the three calls it was: no room. */
static void note_site(struct weft__handle *handle)
{
    WEFT__NOTE_SHORT(handle->site_file, handle->site_line);
    (void)handle;
}

/* The last thing that touches it: what is called may use the handle again. */
static void finish(struct weft__handle *handle, void (*fn)(void *arg))
{
    void *arg = handle->arg;

    handle->state = WEFT__HANDLE_IDLE;
    if (handle->allocated)
        weft__free(handle);
    if (fn)
        fn(arg);
}

/* Somebody looks on. */
static __attribute__((cold)) void run_observed(struct weft__handle *handle)
{
    struct weft__reactor *reactor = handle->reactor;
    struct weft_call_site site = {handle->site_file, "weft_call_soon, _later or _at",
                                  handle->site_line};

    weft__slice_call(reactor, (const void *)(uintptr_t)handle->fn, &site);
    finish(handle, handle->fn);
    weft__slice_over(reactor);
}

static void callback_run(struct weft__callback *callback)
{
    struct weft__handle *handle = (struct weft__handle *)callback;

    if (__builtin_expect(handle->reactor->observed, 0))
        run_observed(handle);
    else
        finish(handle, handle->fn);
}

static void callback_drop(struct weft__callback *callback)
{
    struct weft__handle *handle = (struct weft__handle *)callback;

    finish(handle, handle->drop);
}

/* -- asking for one -------------------------------------------------------------------------- */

static void make_ready(struct weft__handle *handle)
{
    struct weft__ready *ready = &handle->reactor->ready;

    handle->state = WEFT__HANDLE_READY;
    handle->place = ready->tail;
    weft__ready_push_callback(ready, &handle->callback);
}

static void time_has_come(struct weft__timer *timer)
{
    struct weft__handle *handle =
        (struct weft__handle *)((char *)timer - offsetof(struct weft__handle, timer));

    unlist(handle);
    make_ready(handle);
}

static void arm(struct weft__handle *handle, int64_t deadline)
{
    struct weft__handle **head = &weft__member_of(handle->reactor)->armed;

    handle->state = WEFT__HANDLE_ARMED;
    handle->next = *head;
    handle->link = head;
    if (handle->next)
        handle->next->link = &handle->next;
    *head = handle;
    WEFT__COUNT(handle->reactor, timers_armed);
    weft__timer_arm(&handle->reactor->timers, &handle->timer, deadline);
}

static void disarm(struct weft__handle *handle)
{
    unlist(handle);
    weft__timer_disarm(&handle->reactor->timers, &handle->timer);
    weft__ready_release(&handle->reactor->ready);
}

/* An idle handle for a callback of the calling reactor, with room in the ready queue. */
static int begin(void (*fn)(void *arg), const struct weft_call_opt *opt,
                 struct weft__handle **handle)
{
    struct weft__reactor *reactor = weft__self;
    bool own = opt->handle != NULL;

    if (!fn)
        return weft__misuse(-EINVAL, "no function");
    if (!reactor)
        return weft__outside();
    if (weft__inbox_winds(reactor->inbox) || weft__inbox_closed(reactor->inbox))
        return -ESHUTDOWN;
    *handle = own ? (struct weft__handle *)opt->handle : weft__calloc(1, sizeof **handle);
    if (!*handle)
        return -ENOMEM;
    if ((*handle)->state != WEFT__HANDLE_IDLE)
        return -EBUSY;
    if (weft__ready_reserve(&reactor->ready) < 0) {
        if (!own)
            weft__free(*handle);
        return -ENOMEM;
    }
    (*handle)->allocated = !own;
    (*handle)->reactor = reactor;
    return 0;
}

static int call_at(int64_t deadline, void (*fn)(void *arg), void *arg,
                   const struct weft_call_opt *opt)
{
    struct weft_call_opt own;
    struct weft__handle *handle;
    int error = weft__option_copy(&own, sizeof own, opt);

    if (error == 0)
        error = begin(fn, &own, &handle);
    if (error < 0)
        return error;
    handle->callback = (struct weft__callback){.run = callback_run, .drop = callback_drop};
    handle->timer = (struct weft__timer){.fire = time_has_come};
    handle->fn = fn;
    handle->drop = own.drop;
    handle->arg = arg;
    handle->cancelled = false;
    note_site(handle);
    if (deadline > 0)
        arm(handle, deadline);
    else
        make_ready(handle);
    return 0;
}

int weft_call_soon(void (*fn)(void *arg), void *arg, const struct weft_call_opt *opt)
{
    return call_at(0, fn, arg, opt);
}

int weft_call_at(int64_t deadline, void (*fn)(void *arg), void *arg,
                 const struct weft_call_opt *opt)
{
    return call_at(deadline, fn, arg, opt);
}

int weft_call_later(int64_t ns, void (*fn)(void *arg), void *arg, const struct weft_call_opt *opt)
{
    return call_at(ns > 0 ? weft_after_ns(ns) : 0, fn, arg, opt);
}

int weft_call_soon_threadsafe(weft_inbox *inbox, void (*fn)(void *arg), void *arg,
                              void (*drop)(void *arg))
{
    return weft_post(inbox, fn, arg, drop);
}

/* -- taking it back -------------------------------------------------------------------------- */

int weft_handle_cancel(weft_handle *public_handle)
{
    struct weft__handle *handle = (struct weft__handle *)public_handle;

    if (!handle)
        return weft__misuse(-EINVAL, "no handle");
    if (!weft__self)
        return weft__outside();
    if (handle->state == WEFT__HANDLE_IDLE)
        return 0;
    if (handle->reactor != weft__self)
        return weft__misuse(-EPERM, "the callback is another reactor's");
    if (handle->state == WEFT__HANDLE_ARMED) {
        disarm(handle);
    } else {
        weft__ready_forget(&handle->reactor->ready, handle->place, &handle->callback);
    }
    handle->cancelled = true;
    finish(handle, handle->drop);
    return 1;
}

bool weft_handle_cancelled(const weft_handle *handle)
{
    return handle && ((const struct weft__handle *)handle)->cancelled;
}

int64_t weft_handle_when(const weft_handle *public_handle)
{
    const struct weft__handle *handle = (const struct weft__handle *)public_handle;

    return handle && handle->state == WEFT__HANDLE_ARMED ? handle->timer.due_ns : 0;
}

void weft__callbacks_drop(struct weft__member *member)
{
    struct weft__reactor *reactor = &member->reactor;

    while (member->armed) { /* what is called may cancel others */
        struct weft__handle *handle = member->armed;
        disarm(handle);
        WEFT__COUNT(reactor, posts_dropped);
        finish(handle, handle->drop);
    }
}
