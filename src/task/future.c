/*
 * task/future.c - futures; task/future.h says what each word means and what orders it.
 */
#include "task/future.h"

#include <errno.h>

#include "base/memory.h"
#include "base/option.h"

/* -- references ----------------------------------------------------------------------------- */

int weft_future_create(weft_future **future, const struct weft_future_opt *opt)
{
    struct weft_future_opt own;
    struct weft_future *made;

    if (!future || weft__option_copy(&own, sizeof own, opt) < 0)
        return weft__misuse(-EINVAL, "no place for the future, or bad options");
    made = weft__alloc(sizeof *made);
    if (!made)
        return -ENOMEM;
    atomic_init(&made->word, 0);
    atomic_init(&made->references, 1);
    made->waiters = (struct weft__waiters){NULL, NULL};
    made->result = 0;
    made->drop = own.drop;
    made->name = own.name ? own.name : "future";
    WEFT__NOTE(made->made_at);
    *future = made;
    return 0;
}

weft_future *weft_future_retain(weft_future *future)
{
    if (future)
        atomic_fetch_add_explicit(&future->references, 1, memory_order_relaxed);
    return future;
}

void weft__future_hear(struct weft_future *future)
{
    uint64_t word;

    /* relaxed: those who come later only read, so that they do not fight over the line */
    if (atomic_load_explicit(&future->word, memory_order_relaxed) & WEFT__FUTURE_HEARD)
        return;
    word = weft__word_lock(&future->word);
    weft__word_unlock(&future->word, word | WEFT__FUTURE_HEARD);
}

/* The value goes, if it is there and nobody's; so does an error that nobody was told. */
static void drop_value(struct weft_future *future)
{
    uint64_t word = atomic_load_explicit(&future->word, memory_order_relaxed);

    if (word != WEFT__FUTURE_SETTLED)
        return;
    if (future->result < 0)
        weft__future_unheard(future);
    else if (future->drop)
        future->drop(future->result);
}

static void abandon_callbacks(struct weft_future *future);

void weft_future_put(weft_future *future)
{
    /* release: our use of it comes before its end; acquire: so does everyone else's */
    if (!future || atomic_fetch_sub_explicit(&future->references, 1, memory_order_acq_rel) != 1)
        return;
    abandon_callbacks(future);
    drop_value(future);
    weft__free(future);
}

int weft_future_reset(weft_future *future)
{
    if (!future)
        return weft__misuse(-EINVAL, "no future");
    /* acquire: pairs with the release in weft_future_put; those who let go are done with it */
    if (atomic_load_explicit(&future->references, memory_order_acquire) != 1 ||
        !weft_future_done(future))
        return -EBUSY;
    drop_value(future);
    atomic_store_explicit(&future->word, 0, memory_order_relaxed); /* nobody else looks */
    return 0;
}

/* -- callbacks ------------------------------------------------------------------------------ */

/* Waits in the future as a task does; then in its reactor's ready queue, where a place was reserved
   for it when it was made. Keeps its reactor's inbox, and, once it is taken out, the future. */
struct done_callback {
    struct weft__waiter waiter; /* first */
    struct weft__callback ready;
    struct weft_future *future; /* NULL: it is no more, and nothing is to be called */
    weft_future_fn *fn;
    void *arg;
};
#define CALLBACK_OF(pointer)                                                                       \
    ((struct done_callback *)((char *)(pointer)-offsetof(struct done_callback, ready)))

static void callback_free(struct done_callback *callback)
{
    weft__inbox_release(callback->waiter.home);
    weft__free(callback);
}

static void callback_run(struct weft__callback *ready)
{
    struct done_callback *callback = CALLBACK_OF(ready);
    struct weft__reactor *reactor = weft__self;

    weft__slice_call(reactor, (const void *)(uintptr_t)callback->fn, NULL);
    callback->fn(callback->future, callback->arg);
    weft__slice_over(reactor);
    weft_future_put(callback->future);
    callback_free(callback);
}

/* The reactor stops. Any thread: this may be who settles, and was refused. */
static void callback_dropped(struct done_callback *callback)
{
    weft_future_put(callback->future);
    callback_free(callback);
}
static void ready_dropped(struct weft__callback *ready)
{
    callback_dropped(CALLBACK_OF(ready));
}
static void message_dropped(struct weft__message *message)
{
    callback_dropped((struct done_callback *)message);
}

/* On its own reactor: the future is settled, or gone. */
static void callback_arrived(struct weft__message *message, struct weft__reactor *reactor)
{
    struct done_callback *callback = (struct done_callback *)message;

    if (callback->future) {
        weft__ready_push_callback(&reactor->ready, &callback->ready);
        return;
    }
    weft__ready_release(&reactor->ready);
    callback_free(callback);
}

/* No task waits with it. */
static bool is_callback(const struct weft__waiter *waiter)
{
    return !waiter->wait;
}

/* Nobody can settle the future any more; and no task waits, as those hold it. */
static void abandon_callbacks(struct weft_future *future)
{
    struct weft__waiter *chain = weft__waiters_take_all(&future->waiters);

    for (struct weft__waiter *waiter = chain; waiter; waiter = waiter->next)
        ((struct done_callback *)waiter)->future = NULL;
    weft__waiters_wake(chain);
}

int weft_future_add_done(weft_future *future, weft_future_fn *fn, void *arg)
{
    struct weft__reactor *reactor = weft__self;
    struct done_callback *callback;
    int error;

    if (!future || !fn)
        return weft__misuse(-EINVAL, "no future, or no function");
    if (!reactor)
        return weft__outside();
    callback = weft__alloc(sizeof *callback);
    error = callback ? weft__ready_reserve(&reactor->ready) : -ENOMEM;
    if (error < 0) {
        weft__free(callback);
        return error;
    }
    weft__waiter_init_call(&callback->waiter, callback_arrived, message_dropped);
    weft__inbox_retain(callback->waiter.home);
    callback->ready = (struct weft__callback){.run = callback_run, .drop = ready_dropped};
    callback->future = future;
    callback->fn = fn;
    callback->arg = arg;
    if (!weft__future_enter(future, &callback->waiter)) {
        weft_future_retain(future);
        weft__ready_push_callback(&reactor->ready, &callback->ready);
    }
    return 0;
}

static bool is_that(const struct weft__waiter *waiter, weft_future_fn *fn, void *arg)
{
    const struct done_callback *callback = (const struct done_callback *)waiter;

    return is_callback(waiter) && waiter->home == weft__self->inbox && callback->fn == fn &&
           callback->arg == arg;
}

int weft_future_remove_done(weft_future *future, weft_future_fn *fn, void *arg)
{
    struct weft__waiter *removed = NULL, *next;
    uint64_t value;
    int count = 0;

    if (!future || !fn)
        return weft__misuse(-EINVAL, "no future, or no function");
    if (!weft__self)
        return weft__outside();
    value = weft__word_lock(&future->word);
    for (struct weft__waiter *waiter = future->waiters.first; waiter; waiter = next) {
        next = waiter->next;
        if (is_that(waiter, fn, arg)) {
            weft__waiters_leave(&future->waiters, waiter);
            waiter->next = removed;
            removed = waiter;
        }
    }
    weft__word_unlock(&future->word, value);
    for (; removed; removed = next, count++) {
        next = removed->next;
        weft__ready_release(&weft__self->ready);
        callback_free((struct done_callback *)removed);
    }
    return count;
}

/* -- settling ------------------------------------------------------------------------------- */

/* WEFT__FUTURE_HEARD when a task is among those who wait: callbacks have yet to look. */
static __attribute__((cold)) uint64_t heard_by(const struct weft__waiter *chain)
{
    while (chain && is_callback(chain))
        chain = chain->next;
    return chain ? WEFT__FUTURE_HEARD : 0;
}

int weft__future_settle(struct weft_future *future, int64_t result)
{
    uint64_t value = weft__word_lock(&future->word);
    struct weft__waiter *chain;

    if (value & WEFT__FUTURE_SETTLED) {
        weft__word_unlock(&future->word, value);
        return -EINVAL;
    }
    future->result = result;
    chain = weft__waiters_take_all(&future->waiters);
    for (struct weft__waiter *waiter = chain; waiter; waiter = waiter->next) {
        waiter->value = result;
        (void)weft__waiter_claim(waiter); /* lost or won, it is told */
        if (is_callback(waiter)) /* now, as the caller's own reference may be the only one */
            weft_future_retain(future);
    }
    value = WEFT__FUTURE_SETTLED;
    if (__builtin_expect(result < 0, 0))
        value |= heard_by(chain);
    weft__word_unlock(&future->word, value);
    weft__waiters_wake(chain); /* from here on the future may be gone */
    return 0;
}

int weft_future_set_result(weft_future *future, int64_t value)
{
    if (!future || value < 0)
        return weft__misuse(-EINVAL, "no future, or a value that is negative");
    return weft__future_settle(future, value);
}

int weft_future_set_error(weft_future *future, int error)
{
    if (!future || error >= 0)
        return weft__misuse(-EINVAL, "no future, or an error that is not negative");
    return weft__future_settle(future, error);
}

int weft_future_cancel(weft_future *future)
{
    if (!future)
        return weft__misuse(-EINVAL, "no future");
    return weft__future_settle(future, -ECANCELED) == 0;
}

/* -- asking --------------------------------------------------------------------------------- */

bool weft_future_done(const weft_future *future)
{
    int64_t result;

    return future && weft__future_peek(future, &result);
}

int weft_future_result(const weft_future *future, int64_t *result)
{
    int64_t found;

    if (!future)
        return weft__misuse(-EINVAL, "no future");
    /* not const: that somebody has looked is no part of the result */
    if (!weft__future_look((struct weft_future *)(uintptr_t)future, &found))
        return -EAGAIN;
    if (result)
        *result = found;
    return 0;
}

int weft_future_take(weft_future *future, int64_t *value)
{
    uint64_t word;
    int result = 0;

    if (!future || !value)
        return weft__misuse(-EINVAL, "no future, or no place for the value");
    word = weft__word_lock(&future->word);
    if (!(word & WEFT__FUTURE_SETTLED))
        result = -EAGAIN;
    else if (future->result < 0)
        result = (int)future->result, word |= WEFT__FUTURE_HEARD;
    else if (word & WEFT__FUTURE_TAKEN)
        result = -EALREADY;
    else
        word |= WEFT__FUTURE_TAKEN;
    if (result == 0)
        *value = future->result;
    weft__word_unlock(&future->word, word);
    return result;
}

/* -- waiting -------------------------------------------------------------------------------- */

bool weft__future_enter(struct weft_future *future, struct weft__waiter *waiter)
{
    uint64_t value = weft__word_lock(&future->word);
    bool pending = !(value & WEFT__FUTURE_SETTLED);

    if (pending)
        weft__waiters_put(&future->waiters, waiter);
    else if (future->result < 0 && !is_callback(waiter))
        value |= WEFT__FUTURE_HEARD;
    weft__word_unlock(&future->word, value);
    return pending;
}

bool weft__future_leave(void *object, struct weft__waiter *waiter)
{
    struct weft_future *future = object;
    uint64_t value = weft__word_lock(&future->word);
    bool left = weft__waiters_leave(&future->waiters, waiter);

    weft__word_unlock(&future->word, value);
    return left;
}

static int await_pending(struct weft__task *self, struct weft_future *future, int64_t *result)
{
    struct weft__wait wait = {.what = future->name, .fd = -1};
    struct weft__waiter waiter;
    int error = 0;

    weft__waiter_init(&waiter, &wait);
    weft_future_retain(future); /* it may be wanted for leaving */
    if (weft__future_enter(future, &waiter))
        error = weft__waiter_wait(self, &waiter, weft__future_leave, future);
    else
        waiter.value = future->result;
    weft_future_put(future);
    if (error == 0 && result)
        *result = waiter.value;
    return error;
}

/* 1 when it was settled; else as weft__enter. */
static int begin_await(struct weft__task **self, struct weft_future *future, int64_t *result)
{
    int64_t found;

    *self = weft__task_self();
    if (!*self)
        return weft__outside();
    if (!future)
        return weft__misuse(-EINVAL, "no future");
    if (!weft__future_look(future, &found))
        return weft__enter(self);
    if (result)
        *result = found;
    weft__spend(*self);
    return 1;
}

int weft_future_await(weft_future *future, int64_t *result)
{
    struct weft__task *self;
    int state = begin_await(&self, future, result);

    if (state != 0)
        return state < 0 ? state : 0;
    return await_pending(self, future, result);
}

int weft_future_await_until(weft_future *future, int64_t *result, int64_t deadline)
{
    struct weft__until until;
    struct weft__task *self;
    int state = begin_await(&self, future, result), error;

    if (state != 0)
        return state < 0 ? state : 0;
    error = weft__until_open(&until, deadline);
    if (error < 0)
        return error;
    error = weft__enter(&self);
    if (error == 0)
        error = await_pending(self, future, result);
    return (int)weft__until_close(&until, error);
}

/* -- waiting on a thread of its own --------------------------------------------------------- */

/* In the frame of the thread that waits, which leaves when it is woken or out of the queue. */
struct sleeper {
    struct weft__waiter waiter; /* first */
    struct weft__wait none;     /* no callback: see is_callback */
    _Atomic(uint32_t) woken;
};

static void sleeper_woken(struct weft__message *message, struct weft__reactor *reactor)
{
    struct sleeper *sleeper = (struct sleeper *)message;
    _Atomic(uint32_t) *word = &sleeper->woken;

    (void)reactor;
    /* release: pairs with the acquire in sleep_until: the value is seen. After it the frame may be
       gone, and the word is but an address */
    atomic_store_explicit(word, 1, memory_order_release);
    weft__host_unblock(word);
}

/* Is it woken by then? */
static bool sleep_until(struct sleeper *sleeper, int64_t deadline)
{
    while (!atomic_load_explicit(&sleeper->woken, memory_order_acquire)) {
        if (deadline != WEFT_NEVER && weft__host_now() >= deadline)
            return false;
        weft__host_block(&sleeper->woken, 0, deadline);
    }
    return true;
}

int weft_future_wait(weft_future *future, int64_t *result, int64_t deadline)
{
    struct sleeper sleeper = {.waiter = {.message = {.run = sleeper_woken}}};

    if (!future)
        return weft__misuse(-EINVAL, "no future");
    if (weft__self)
        return weft__misuse(-EPERM, "would stop the reactor: a task awaits");
    sleeper.waiter.wait = &sleeper.none;
    if (!weft__future_enter(future, &sleeper.waiter))
        return weft_future_result(future, result);
    if (!sleep_until(&sleeper, deadline)) {
        if (weft__future_leave(future, &sleeper.waiter))
            return -ETIMEDOUT;
        (void)sleep_until(&sleeper, WEFT_NEVER); /* it is being woken just now */
    }
    if (result)
        *result = sleeper.waiter.value;
    return 0;
}
