/*
 * task/wake.h - a waiter that others may wake, once, from any reactor or thread, without memory.
 *
 * Who waits on an object that threads share (a future, a shared lock or queue) brings a waiter in
 * its own frame and puts it into the object's queue, under the object's lock. From then on:
 *
 *                 put in                      taken out                    weft__waiter_wake
 *      (fresh) -----------> queued, by its own  ---------> taken, by another  ----------------.
 *                             | reactor             (that one, and no other,                  |
 *                             |                      must wake it)                            v
 *                             |                                                  the message is
 * under | taken out by its own reactor:                    way, or on its own v it was cancelled
 * reactor runs at once (left)                                                            | arrived
 * <----------------------------'
 *
 * Taking out decides, and it happens under the object's lock: there are never two who wake, and
 * nobody wakes who has left. A waiter that was taken has been given what it waited for: a
 * cancellation that comes now stays pending, and its task stays until the message has come home,
 * since the message lies in its frame. That is all there is to a hand-over, and why none is lost.
 *
 * Any thread may take out and wake. `arrived`, and what the task waits on, belong to the waiter's
 * own reactor. What was written before weft__waiter_wake is seen after the arrival: the inbox
 * orders it (release in weft__inbox_push, acquire where it is emptied).
 *
 * A reactor that has given up refuses messages: then nothing runs, as its tasks never will again;
 * their frames, and the inbox they name, are leaked on purpose.
 */
#ifndef WEFT_TASK_WAKE_H
#define WEFT_TASK_WAKE_H

#include <stdatomic.h>

#include "task/wait.h"

/* -- the lock under an object -------------------------------------------------------------- */

/*
 * The lowest bit of a word of the object; the other bits are the object's. It is held for a dozen
 * instructions, by who puts a waiter in or takes one out: never across a call that sends, wakes,
 * allocates or suspends. So whoever finds it held looks again; a thread that loses its processor
 * just there holds the others up for that long, and that is the price for a queue that can be left
 * in one step by a waiter that is cancelled (decision 32). Not for signal handlers.
 */
#define WEFT__WORD_LOCKED UINT64_C(1)

/* Called when the lock was found held. */
uint64_t weft__word_wait(_Atomic(uint64_t) *word);

/* Locks; gives the word without its lock bit. */
static inline uint64_t weft__word_lock(_Atomic(uint64_t) *word)
{
    uint64_t old = atomic_load_explicit(word, memory_order_relaxed) & ~WEFT__WORD_LOCKED;

    /* acquire: pairs with the release in weft__word_unlock; what was done under it is seen */
    while (
        __builtin_expect(!atomic_compare_exchange_weak_explicit(word, &old, old | WEFT__WORD_LOCKED,
                                                                memory_order_acquire,
                                                                memory_order_relaxed),
                         0))
        if (old & WEFT__WORD_LOCKED)
            old = weft__word_wait(word);
    return old;
}

/* Unlocks; `value` is what the object's bits become. */
static inline void weft__word_unlock(_Atomic(uint64_t) *word, uint64_t value)
{
    /* release: pairs with the acquire in weft__word_lock, and with whatever reads the word without
       the lock on the strength of what it says */
    atomic_store_explicit(word, value, memory_order_release);
}

/* -- waiters ------------------------------------------------------------------------------- */

/*
 * What several waiters of one task have in common when only one of them is to be given what it
 * waits for: whoever would give it something claims it first, and leaves the waiter out when
 * somebody else was quicker. Never NULL again once it is claimed. It lies in the waiting task's
 * frame and is there as long as one of its waiters is queued.
 */
struct weft__claim {
    _Atomic(const void *) by; /* the waiter that claimed; or what the task has put there itself */
};

static inline bool weft__claim_take(struct weft__claim *claim, const void *by)
{
    const void *nobody = NULL;

    /* relaxed: it decides and orders nothing. What the winner wrote is seen after its arrival, and
       who comes second reads nothing */
    return atomic_compare_exchange_strong_explicit(&claim->by, &nobody, by, memory_order_relaxed,
                                                   memory_order_relaxed);
}
static inline const void *weft__claim_taken(const struct weft__claim *claim)
{
    return atomic_load_explicit(&claim->by, memory_order_relaxed);
}

struct weft__waiter {
    struct weft__message message; /* first; its `run` is what arriving means */
    struct weft__waiter *next;    /* in the queue; or in a chain that was taken out */
    struct weft__waiter *before;
    bool queued;               /* under the object's lock */
    struct weft_inbox *home;   /* whom to tell; set by who waits, read by who wakes. NULL: a thread
                                  without a reactor, whose `run` is called where it is woken */
    struct weft__wait *wait;   /* its task parks on it; may serve several waiters. NULL: no task */
    struct weft__claim *claim; /* NULL: it waits for this alone */
    int64_t value; /* what it is given: the object's, before it wakes; then the waiter's */
    bool arrived;  /* its own reactor's; not in one word with `queued` */
};

/* First come, first served. Zeroed it is empty. Touched under the object's lock. */
struct weft__waiters {
    struct weft__waiter *first;
    struct weft__waiter *last;
};

/* Is it to have what it waits for? Asked once, by who has entered the object, and is then bound to
   take it out and wake it. */
static inline bool weft__waiter_claim(struct weft__waiter *waiter)
{
    return __builtin_expect(!waiter->claim, 1) || weft__claim_take(waiter->claim, waiter);
}

/* A waiter of the calling task, which will park on `wait`. */
void weft__waiter_init(struct weft__waiter *waiter, struct weft__wait *wait);
/* One that no task waits with: `run` is called on the calling reactor when it is woken, on the
   loop's stack or on that of a task that wakes it; `drop` instead when the reactor has stopped. */
void weft__waiter_init_call(struct weft__waiter *waiter,
                            void (*run)(struct weft__message *, struct weft__reactor *),
                            void (*drop)(struct weft__message *));

void weft__waiters_put(struct weft__waiters *waiters, struct weft__waiter *waiter);
/* The one that has waited longest, taken out; NULL: there is none. */
struct weft__waiter *weft__waiters_take(struct weft__waiters *waiters);
/* All of them, taken out, as a chain by `next` in the order they came. */
struct weft__waiter *weft__waiters_take_all(struct weft__waiters *waiters);
/* Takes this one out. False: somebody else has, and wakes it. */
bool weft__waiters_leave(struct weft__waiters *waiters, struct weft__waiter *waiter);

/*
 * Wakes a waiter that the caller has taken out, once. Any thread, the object not locked. Neither
 * allocates nor suspends. Afterwards the waiter may be gone, and the object too if the waiter kept
 * it.
 */
void weft__waiter_wake(struct weft__waiter *waiter);
/* The same for each of a chain. */
void weft__waiters_wake(struct weft__waiter *chain);

/*
 * Parks the calling task, whose waiter is queued, until the waiter has arrived: 0. When the task is
 * cancelled (wait->idle: or told to drain) first, `leave` takes the waiter out under the object's
 * lock: -ECANCELED or -ESHUTDOWN; if that fails it was given what it waits for: 0 once it has
 * arrived, the cancellation pending and not delivered.
 */
int weft__waiter_wait(struct weft__task *self, struct weft__waiter *waiter,
                      bool (*leave)(void *object, struct weft__waiter *waiter), void *object);

/* Parks, whatever happens, until a waiter that somebody else has taken out has arrived. */
void weft__waiter_await_arrival(struct weft__task *self, struct weft__waiter *waiter);

#endif
