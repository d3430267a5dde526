/*
 * reactor/reactor.h - one per core: the loop, and what it turns.
 *
 * A reactor belongs to one thread. It holds mechanism only: fibers that are ready, requests in
 * flight, timers, the inbox. Policy (scopes, cancellation, results) is the task layer's, which
 * hangs itself in through `hooks`. reactor.c holds the loop itself, one screen; fiber.h, op.h,
 * timer.h and inbox.h the things it calls.
 */
#ifndef WEFT_REACTOR_REACTOR_H
#define WEFT_REACTOR_REACTOR_H

#include <errno.h>
#include <weft/stats.h>

#include "arch/dispatch.h"
#include "base/misuse.h"
#include "coro/overflow.h"
#include "coro/stack.h"
#include "reactor/fiber.h"
#include "reactor/inbox.h"
#include "reactor/look.h"
#include "reactor/observe.h"
#include "reactor/op.h"
#include "reactor/ready.h"
#include "reactor/timer.h"
#include "reactor/trim.h"
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
    uint8_t observed; /* WEFT__OBSERVE_*: somebody looks on; 0: nobody */
    int *errno_place; /* the thread's errno */
    struct weft__ready ready;
    struct weft__context loop; /* the thread's own stack */
    struct weft__ops ops;
    uint64_t turn;
    uint32_t fetches; /* turns that only fetched, in a row */
    struct weft_inbox *inbox;
    struct weft__timers timers;
    struct weft__ring ring;
    struct weft__look look;
    struct weft__trim trim;
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
    /* A slice was too long; NULL: nobody wants to know. The slice's task, if any, is still there.
     */
    void (*on_slow)(struct weft__reactor *reactor, const struct weft__slice *slice,
                    int64_t span_ns);
    /* A system call is about to be made in a slice; in a signal handler. NULL: likewise. */
    void (*on_call)(struct weft__reactor *reactor, const struct weft__trap *trap);
    struct weft__slice slice;
    struct weft__overflow_thread overflow_thread;
    struct weft__overflow_watch overflow_watch;
    bool bell_unarmed;              /* the bell has to be armed again, when there is room */
    struct weft_trace_event *trace; /* NULL unless asked for */
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
        if (__builtin_expect((reactor)->observed, 0))                                              \
            weft__observe(reactor, kind, slot, value);                                             \
    } while (0)

struct weft__reactor_opt {
    uint32_t index;
    weft__overflow_describe
        *describe; /* names the task that overflowed its stack; arg: the reactor */
    void (*describe_waits)(void *reactor, struct weft__describer *to); /* of its tasks; or NULL */
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
/* Drops the callbacks that stand in the ready queue, and counts them; fibers stay. */
void weft__reactor_drop_callbacks(struct weft__reactor *reactor);
/* Copies the ring's counters into the statistics. */
void weft__reactor_count(struct weft__reactor *reactor);
/* The same when that cannot be had: stacks, operations and ring stay with the kernel, leaked. */
void weft__reactor_abandon(struct weft__reactor *reactor);

enum {
    WEFT__SWITCHES_PER_GLANCE = 16,
    WEFT__FETCHES_MAX = 4, /* turns in a row that only fetch completions */
};

/* The next ready fiber, if this turn may still run one and no callback is due before it. Now and
   then a glance at the inbox: a message does not wait for the end of a long turn. */
static inline struct weft__fiber *weft__reactor_next(struct weft__reactor *reactor)
{
    struct weft__ready *ready = &reactor->ready;

    if (--reactor->budget <= 0 || ready->head == ready->tail ||
        (weft__ready_peek(ready) & WEFT__READY_CALLBACK))
        return NULL;
    if (__builtin_expect(reactor->budget % WEFT__SWITCHES_PER_GLANCE == 0, 0) &&
        weft__inbox_any(reactor->inbox)) {
        reactor->budget = 0;
        return NULL;
    }
    return (struct weft__fiber *)weft__ready_pop(ready);
}

/* Whoever switches to a fiber says so first: it becomes current, and errno its own. */
static inline void weft__reactor_resumes(struct weft__reactor *reactor, struct weft__fiber *fiber)
{
    reactor->current = fiber;
    *reactor->errno_place = fiber->saved_errno;
    WEFT__COUNT(reactor, switches);
    WEFT__TRACE(reactor, WEFT_TRACE_RUN, fiber->slot, 0);
}

/* Around a callback of the user's, on the loop's stack. site: where it was asked for; NULL: not
   known. */
static inline void weft__slice_call(struct weft__reactor *reactor, const void *code,
                                    const struct weft_call_site *site)
{
    if (__builtin_expect(reactor->observed & WEFT__OBSERVE_SLICES, 0))
        weft__slice_begin_call(reactor, code, site);
}
static inline void weft__slice_over(struct weft__reactor *reactor)
{
    if (__builtin_expect(reactor->observed & WEFT__OBSERVE_SLICES, 0))
        weft__slice_end(reactor);
}

/*
 * Gives way to whoever is next and returns when this fiber, the current one, is run again. The
 * caller has put it where somebody will wake it. Inlined, like all on the way from a public call to
 * the switch: each frame in between would be a return that is mispredicted, since the processor
 * remembers the calls of the fiber that ran before, and a line of the stack to be fetched.
 */
static inline __attribute__((always_inline)) void weft__fiber_switch_away(
    struct weft__reactor *reactor, struct weft__fiber *self)
{
    struct weft__fiber *next = weft__reactor_next(reactor);
    struct weft__context *to = &reactor->loop;

    if (next == self)
        return;
    self->saved_errno = *reactor->errno_place;
    WEFT__NOTE(self->left_at);
    weft__call_site_forget();
    reactor->current = NULL;
    if (next) {
        weft__reactor_resumes(reactor, next);
        to = &next->context;
    }
    weft__context_switch(&self->context, to);
}

/* Parks the current fiber on `wait` until weft__fiber_wake. */
static inline __attribute__((always_inline)) void weft__fiber_park(struct weft__reactor *reactor,
                                                                   struct weft__wait *wait)
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
    if (weft__rare(WEFT__RARE_INBOX))
        weft__detour_take(reactor, wait->fiber);
    else
        weft__ready_push(&reactor->ready, wait->fiber);
}

/* To the tail of the ready queue. */
static inline __attribute__((always_inline)) void weft__fiber_yield(struct weft__reactor *reactor)
{
    weft__ready_push(&reactor->ready, reactor->current);
    weft__fiber_switch_away(reactor, reactor->current);
}
/* The same, called: for places that hardly ever do. */
void weft__fiber_yield_rarely(struct weft__reactor *reactor);

/* The last thing a fiber does: whom its body returns to weft__context_start. Its stack may be
   reused as soon as somebody else runs. */
struct weft__context *weft__fiber_end(struct weft__reactor *reactor);

/* Runs the errand and returns; the fiber is not parked meanwhile, nothing else runs. */
void weft__fiber_errand(struct weft__reactor *reactor, struct weft__errand *errand);

/* Spends the turn's budget for an answer given without suspending; gives way when it is used up. */
static inline void weft__reactor_spend(struct weft__reactor *reactor)
{
    if (__builtin_expect(--reactor->budget <= 0, 0))
        weft__fiber_yield_rarely(reactor);
}

/* -- operations: op.h says what these promise --------------------------------------------- */

static inline __attribute__((always_inline)) struct weft__sqe *weft__op_begin(
    struct weft__reactor *reactor, struct weft__op *op)
{
    struct weft__ops *ops = &reactor->ops;
    struct weft__op_slot *slot;
    struct weft__sqe *sqe;

    if (__builtin_expect(ops->free == UINT32_MAX, 0) && weft__ops_grow(ops) < 0)
        return NULL;
    sqe = weft__ring_take(&reactor->ring);
    if (__builtin_expect(!sqe, 0))
        return NULL;
    slot = &ops->slots[ops->free];
    op->id = (uint64_t)slot->generation << 32 | ops->free;
    op->cancel_asked = false;
    op->cancel_link = NULL;
    ops->free = slot->next_free;
    ops->in_flight++;
    slot->op = op;
    return sqe;
}

/* The final completion: the slot is free, and its generation never comes again. */
static inline void weft__op_ends(struct weft__ops *ops, struct weft__op *op, uint32_t index)
{
    struct weft__op_slot *slot = &ops->slots[index];

    slot->op = NULL;
    if (++slot->generation > WEFT__GENERATION_MAX)
        slot->generation = 1;
    slot->next_free = ops->free;
    ops->free = index;
    ops->in_flight--;
    op->id = 0;
    if (__builtin_expect(op->cancel_link != NULL, 0))
        weft__op_cancel_unlink(ops, op);
}

static inline bool weft__op_complete(struct weft__reactor *reactor, const struct weft__cqe *cqe)
{
    struct weft__ops *ops = &reactor->ops;
    uint32_t index = (uint32_t)cqe->user_data;
    struct weft__op_slot *slot = &ops->slots[index];
    struct weft__op *op;

    if (index >= ops->capacity || slot->generation != cqe->user_data >> 32 || !slot->op)
        return false;
    op = slot->op;
    if (!(cqe->flags & WEFT__CQE_MORE))
        weft__op_ends(ops, op, index);
    op->complete(op, cqe->result, cqe->flags);
    return true;
}

/* Sends to another reactor. When this one is about to visit the kernel anyway the bell rings along
   with its requests, which brings the other awake sooner than a system call of its own; when it has
   more to run first, by system call. From a reactor's thread. 0 or -ESHUTDOWN. */
int weft__reactor_send(struct weft__reactor *reactor, struct weft_inbox *to,
                       struct weft__message *message);
/* A bell rung that way was not reached: rings it by system call. */
void weft__reactor_ring_again(struct weft__reactor *reactor, const struct weft__cqe *cqe);

#endif
