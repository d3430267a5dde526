/*
 * task/wake.c - waiters woken from anywhere; wake.h draws their life.
 */
#include "task/wake.h"

#include "ring/host.h"

uint64_t weft__word_wait(_Atomic(uint64_t) *word)
{
    uint64_t value;

    do {
        weft__host_relax();
        value = atomic_load_explicit(word, memory_order_relaxed);
    } while (value & WEFT__WORD_LOCKED);
    return value;
}

/* On the waiter's reactor. Its task may have been woken by a cancellation and not have run yet:
   then it will see that this has arrived. */
static void arrive(struct weft__message *message, struct weft__reactor *reactor)
{
    struct weft__waiter *waiter = (struct weft__waiter *)message;

    waiter->arrived = true;
    weft__wake_now(reactor, waiter->wait);
}

void weft__waiter_init(struct weft__waiter *waiter, struct weft__wait *wait)
{
    *waiter =
        (struct weft__waiter){.message = {.run = arrive}, .home = weft__self->inbox, .wait = wait};
}

void weft__waiter_init_call(struct weft__waiter *waiter,
                            void (*run)(struct weft__message *, struct weft__reactor *),
                            void (*drop)(struct weft__message *))
{
    *waiter =
        (struct weft__waiter){.message = {.run = run, .drop = drop}, .home = weft__self->inbox};
}

/* -- the queue ------------------------------------------------------------------------------ */

void weft__waiters_put(struct weft__waiters *waiters, struct weft__waiter *waiter)
{
    waiter->queued = true;
    waiter->next = NULL;
    waiter->before = waiters->last;
    if (waiters->last)
        waiters->last->next = waiter;
    else
        waiters->first = waiter;
    waiters->last = waiter;
}

bool weft__waiters_leave(struct weft__waiters *waiters, struct weft__waiter *waiter)
{
    if (!waiter->queued)
        return false;
    waiter->queued = false;
    if (waiter->before)
        waiter->before->next = waiter->next;
    else
        waiters->first = waiter->next;
    if (waiter->next)
        waiter->next->before = waiter->before;
    else
        waiters->last = waiter->before;
    return true;
}

struct weft__waiter *weft__waiters_take(struct weft__waiters *waiters)
{
    struct weft__waiter *waiter = waiters->first;

    if (waiter)
        weft__waiters_leave(waiters, waiter);
    return waiter;
}

struct weft__waiter *weft__waiters_take_all(struct weft__waiters *waiters)
{
    struct weft__waiter *chain = waiters->first;

    for (struct weft__waiter *waiter = chain; waiter; waiter = waiter->next)
        waiter->queued = false;
    waiters->first = waiters->last = NULL;
    return chain;
}

/* -- waking --------------------------------------------------------------------------------- */

void weft__waiter_wake(struct weft__waiter *waiter)
{
    struct weft__reactor *here = weft__self;
    struct weft_inbox *home = waiter->home;
    int error;

    if (!home || (here && here->inbox == home)) {
        waiter->message.run(&waiter->message, here);
        return;
    }
    error = here ? weft__reactor_send(here, home, &waiter->message)
                 : weft__inbox_send(home, &waiter->message);
    if (error < 0 && waiter->message.drop)
        waiter->message.drop(&waiter->message);
}

void weft__waiters_wake(struct weft__waiter *chain)
{
    struct weft__waiter *next;

    for (; chain; chain = next) {
        next = chain->next; /* first: once woken it may be gone */
        weft__waiter_wake(chain);
    }
}

/* -- waiting -------------------------------------------------------------------------------- */

void weft__waiter_await_arrival(struct weft__task *self, struct weft__waiter *waiter)
{
    waiter->wait->interrupt = NULL;
    while (!waiter->arrived)
        weft__fiber_park(self->reactor, waiter->wait);
}

int weft__waiter_wait(struct weft__task *self, struct weft__waiter *waiter,
                      bool (*leave)(void *object, struct weft__waiter *waiter), void *object)
{
    waiter->wait->interrupt = weft__wait_interrupt;
    if (!waiter->arrived)
        weft__fiber_park(self->reactor, waiter->wait);
    if (__builtin_expect(waiter->arrived, 1))
        return 0;
    if (leave(object, waiter))
        return self->visible ? weft__task_refuse(self) : weft__task_refuse_idle(self);
    weft__waiter_await_arrival(self, waiter);
    return 0;
}
