/*
 * reactor/inbox.h - the door of a reactor: a lock-free channel from any thread, and the bell.
 *
 * The wake-up promise: a message pushed is run by the reactor without anyone pushing another. It
 * rests on one word. `head` holds the newest message, or one of three marks: EMPTY, SLEEPING or
 * CLOSED. The reactor goes to sleep only by changing EMPTY to SLEEPING in one step, which fails
 * when anything has been pushed; a producer whose push replaces SLEEPING, and no other, rings the
 * bell. As both are read-modify-writes of the same word there is no order of events in which the
 * reactor sleeps and nobody rings, no fence is needed to see that, and there is at most one bell
 * per sleep.
 *
 * Messages are pushed as a stack and taken all at once; the taker reverses them, so each thread's
 * messages run in the order pushed. The upper 16 bits of the word count what waits there.
 *
 * After CLOSED pushes are refused and nothing is touched any more but the word itself: the struct
 * is counted and outlives its reactor while anyone holds a reference.
 */
#ifndef WEFT_REACTOR_INBOX_H
#define WEFT_REACTOR_INBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ring/ring.h"

struct weft__reactor;

/* Embedded in what is sent. Whoever pushes it keeps it alive until run or drop is called. */
struct weft__message {
    struct weft__message *next;
    void (*run)(struct weft__message *message, struct weft__reactor *reactor);
    void (*drop)(struct weft__message *message); /* instead of run: the reactor has stopped */
};

enum { WEFT__LINE = 128 }; /* two lines: the neighbour is fetched too */

struct weft_inbox {
    _Alignas(WEFT__LINE) _Atomic(uint64_t) head; /* written by every producer */
    _Alignas(WEFT__LINE) struct weft__bell bell; /* read-only once open */
    struct weft__reactor *reactor;               /* read-only; meaningful until CLOSED */
    void *runtime;                               /* read-only; meaningful until CLOSED */
    uint32_t index;
    _Atomic(uint32_t) references;
    _Atomic(bool) winding; /* set once, when the last task has ended: users' posts are refused */
    _Atomic(uint32_t) visitors;   /* threads that look at the reactor itself just now */
    _Atomic(uint64_t) rung_along; /* bells rung by other reactors' own rings, not by system call */
    _Atomic(uint32_t) stop_sent;  /* `stop` has been pushed: once in its life */
    struct weft__message stop;    /* asks the runtime to stop; the runtime layer sets run */
    /* the reactor's own side */
    _Alignas(WEFT__LINE) struct weft__message *batch; /* taken and not yet run, oldest first */
    uint64_t sleeps;
    uint64_t bells_owed; /* sleeps that a producer ended: each rings, or has rung, the bell */
};
_Static_assert(offsetof(struct weft_inbox, bell) >= WEFT__LINE, "producers' line stands alone");
_Static_assert(offsetof(struct weft_inbox, batch) % WEFT__LINE == 0, "the reader's side too");

struct weft_inbox *weft__inbox_new(struct weft__reactor *reactor, uint32_t index, void *runtime);
void weft__inbox_retain(struct weft_inbox *inbox);
void weft__inbox_release(struct weft_inbox *inbox); /* frees with the last reference */

/*
 * Any thread. Pushes; 0, or -ESHUTDOWN (the message is the caller's again, its `next` overwritten).
 * *wake says whether the bell must now be rung, by weft__bell_ring or a request of the caller's own
 * ring.
 */
int weft__inbox_push(struct weft_inbox *inbox, struct weft__message *message, bool *wake);

/* The same, ringing by system call. */
int weft__inbox_send(struct weft_inbox *inbox, struct weft__message *message);

/* How many messages wait, up to 65,535. Any thread; a hint. */
uint32_t weft__inbox_waiting(struct weft_inbox *inbox);

/* Any thread: does a stop keep users from posting? What the runtime sends itself goes on, and would
   otherwise wait its turn behind posts that come faster than they can be run. */
static inline bool weft__inbox_winds(struct weft_inbox *inbox)
{
    return atomic_load_explicit(&inbox->winding, memory_order_relaxed);
}
/* Any thread: has the reactor stopped? */
bool weft__inbox_closed(struct weft_inbox *inbox);

/* Any thread: keeps the reactor in memory, for a look at it, until _visit_end. False: it has
 * stopped. */
bool weft__inbox_visit(struct weft_inbox *inbox);
void weft__inbox_visit_end(struct weft_inbox *inbox);

/* The reactor only: anything pushed or left over? */
bool weft__inbox_any(struct weft_inbox *inbox);

/* The reactor only: runs at most `count_max` messages, in order; how many. */
uint32_t weft__inbox_run(struct weft_inbox *inbox, struct weft__reactor *reactor,
                         uint32_t count_max);

/* The reactor only: announces that it sleeps. False when something is there: then it must not. */
bool weft__inbox_sleep(struct weft_inbox *inbox);
/* The reactor only: it is awake again. True when a producer ended the sleep, and so rings. */
bool weft__inbox_wake(struct weft_inbox *inbox);

/* The reactor only: refuses from now on, drops what waited, and returns how many that were. */
uint32_t weft__inbox_close(struct weft_inbox *inbox);

#endif
