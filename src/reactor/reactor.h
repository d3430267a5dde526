/*
 * reactor/reactor.h - one per core: the loop, and what it turns.
 *
 * A reactor belongs to one thread. It holds mechanism only: fibers that are ready, requests in
 * flight, timers, the inbox. Policy (scopes, cancellation, results) is the task layer's, which hangs
 * itself in through `hooks`. reactor.c holds the loop itself, one screen; fiber.h, op.h, timer.h and
 * inbox.h the things it calls.
 */
#ifndef WEFT_REACTOR_REACTOR_H
#define WEFT_REACTOR_REACTOR_H

#include <errno.h>
#include <weft/stats.h>

#include "coro/overflow.h"
#include "coro/stack.h"
#include "reactor/fiber.h"
#include "reactor/inbox.h"
#include "reactor/look.h"
#include "reactor/op.h"
#include "reactor/ready.h"
#include "reactor/timer.h"
#include "ring/host.h"
#include "ring/ring.h"

/* The reactors of one runtime, by index. */
struct weft__peers {
    uint32_t count;
    struct weft_inbox *inboxes[];
};

/* A call that a fiber has the loop make for it, on the thread's own large stack. */
struct weft__errand {
    int (*fn)(void *arg);
    void *arg;
    int result;
    struct weft__fiber *fiber;
};

struct weft__reactor {
    struct weft__fiber *current; /* running now; NULL on the loop's stack */
    int32_t budget;              /* switches and unsuspended answers left in this turn */
    uint32_t budget_max;
    int *errno_place; /* the thread's errno */
    struct weft__ready ready;
    struct weft__context loop; /* the thread's own stack */
    struct weft__ops ops;
    uint64_t turn;
    struct weft_inbox *inbox;
    struct weft__timers timers;
    struct weft__ring ring;
    struct weft__look look;
    struct weft__stack_pool stacks;
    struct weft__errand *errand; /* to be run on the loop's stack for a fiber that waits for it */
    bool done;                   /* set from within: leave the loop after this turn */
    bool frozen;                 /* set for good: no fiber is switched to any more */
    uint32_t index;
    void *runtime;             /* the runtime layer's */
    struct weft__peers *peers; /* every reactor's inbox; NULL while there are none */
    void *tasks;               /* the task layer's state on this reactor */
    void *io;                  /* the io layer's */
    void (*on_fatal)(struct weft__reactor *reactor, const char *what);
    struct weft__overflow_thread overflow_thread;
    struct weft__overflow_watch overflow_watch;
    bool bell_unarmed;              /* the bell has to be armed again, when there is room */
    struct weft_trace_event *trace; /* NULL unless somebody looks */
    uint32_t trace_mask;
    uint64_t trace_count;
    struct weft_stats stats;
};

/* Counters: written by the reactor alone, read whole by anyone. Not an atomic addition. */
#define WEFT__COUNT_BY(reactor, field, n)                                                          \
    __atomic_store_n(&(reactor)->stats.field, (reactor)->stats.field + (uint64_t)(n),              \
                     __ATOMIC_RELAXED)
#define WEFT__COUNT(reactor, field) WEFT__COUNT_BY(reactor, field, 1)

#define WEFT__TRACE(reactor, kind, slot, value)                                                    \
    do {                                                                                           \
        if (__builtin_expect((reactor)->trace != NULL, 0))                                         \
            weft__trace_add(reactor, kind, slot, value);                                           \
    } while (0)
void weft__trace_add(struct weft__reactor *reactor, enum weft_trace_kind kind, uint64_t slot,
                     int32_t value);

struct weft__reactor_opt {
    uint32_t index;
    weft__overflow_describe
        *describe; /* names the task that overflowed its stack; arg: the reactor */
    uint32_t sq_entries;
    uint32_t cq_entries;
    uint32_t budget;
    uint32_t tasks_max;
    bool look; /* may look before sleeping */
    void *runtime;
    char *error_text;
    size_t error_text_size;
};

/* Opens the reactor on the calling thread, whose weft__self it becomes. 0 or a negative errno. */
int weft__reactor_open(struct weft__reactor *reactor, const struct weft__reactor_opt *opt);
/* Turns until `done`. */
void weft__reactor_run(struct weft__reactor *reactor);
/* One turn; waits for work only if `wait`. For loops embedded in others. */
void weft__reactor_turn(struct weft__reactor *reactor, bool wait);
/* Closes it: nothing is in flight and no fiber is alive. Messages that still wait are dropped. */
void weft__reactor_close(struct weft__reactor *reactor);
/* Copies the ring's counters into the statistics. */
void weft__reactor_count(struct weft__reactor *reactor);
/* The same when that cannot be had: stacks, operations and ring stay with the kernel, leaked. */
void weft__reactor_abandon(struct weft__reactor *reactor);

/* The next ready fiber, if this turn may still run one and no callback is due before it. */
static inline struct weft__fiber *weft__reactor_next(struct weft__reactor *reactor)
{
    struct weft__ready *ready = &reactor->ready;

    if (--reactor->budget <= 0 || ready->head == ready->tail ||
        (weft__ready_peek(ready) & WEFT__READY_CALLBACK))
        return NULL;
    return (struct weft__fiber *)weft__ready_pop(ready);
}

static inline void weft__reactor_resumes(struct weft__reactor *reactor, struct weft__fiber *fiber)
{
    reactor->current = fiber;
    WEFT__COUNT(reactor, switches);
    WEFT__TRACE(reactor, WEFT_TRACE_RUN, fiber->slot, 0);
}

/* Gives way to whoever is next and returns when this fiber, the current one, is run again. The caller
   has put it where somebody will wake it. One function with one switch in it, never inlined: every
   fiber is left and resumed at the same place, so that the returns that follow are predicted. */
void weft__fiber_switch_away(struct weft__reactor *reactor, struct weft__fiber *self);

/* Parks the current fiber on `wait` until weft__fiber_wake. */
static inline void weft__fiber_park(struct weft__reactor *reactor, struct weft__wait *wait)
{
    struct weft__fiber *self = reactor->current;

    wait->fiber = self;
    wait->interrupted = false;
    self->wait = wait;
    self->since_turn = reactor->turn;
    WEFT__TRACE(reactor, WEFT_TRACE_PARK, self->slot, wait->fd);
    weft__fiber_switch_away(reactor, self);
}

/* Ends a wait: the fiber joins the ready queue. */
static inline void weft__fiber_wake(struct weft__reactor *reactor, struct weft__wait *wait)
{
    wait->fiber->wait = NULL;
    weft__ready_push(&reactor->ready, wait->fiber);
}

/* To the tail of the ready queue. */
static inline void weft__fiber_yield(struct weft__reactor *reactor)
{
    weft__ready_push(&reactor->ready, reactor->current);
    weft__fiber_switch_away(reactor, reactor->current);
}

/* The last thing a fiber does. Its stack may be reused as soon as somebody else runs. */
void weft__fiber_exit(struct weft__reactor *reactor, struct weft__fiber *self)
    __attribute__((noreturn));

/* Runs the errand and returns; the fiber is not parked meanwhile, nothing else runs. */
void weft__fiber_errand(struct weft__reactor *reactor, struct weft__errand *errand);

/* Spends the turn's budget for an answer given without suspending; gives way when it is used up. */
static inline void weft__reactor_spend(struct weft__reactor *reactor)
{
    if (__builtin_expect(--reactor->budget <= 0, 0))
        weft__fiber_yield(reactor);
}

/* Sends to another reactor, ringing through our own ring where that is better. From a reactor's
   thread. 0 or -ESHUTDOWN. */
int weft__reactor_send(struct weft__reactor *reactor, struct weft_inbox *to,
                       struct weft__message *message);
/* A bell rung that way was not reached: rings it by system call. */
void weft__reactor_ring_again(struct weft__reactor *reactor, const struct weft__cqe *cqe);

#endif
