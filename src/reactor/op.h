/*
 * reactor/op.h - an operation: one request to the kernel and the single place its result lands.
 *
 *               weft__op_begin          final completion
 *      idle ------------------> in flight --------------> idle, complete() called
 *                                  |  ^
 *                  weft__op_cancel |  | completions with MORE: complete() called, still in flight
 *                                  v  |
 *                             cancel queued --(flush, once a turn)--> cancel sent
 *                                  ^                                      |
 *                                  |             answered with an error, and still in flight
 *                                  |                                      v
 *                                  +---(10 ms, doubled up to 1 s)---- to be asked again
 *
 * An operation ends by its own final completion and by nothing else: cancelling it sends a request
 * and changes no ownership, whatever the answer to that request says. The memory it stands in, and
 * what it points the kernel at, must live until then.
 *
 * A cancel that fails says that the operation was not found where cancels look (-ENOENT) or runs on
 * a worker thread, which was sent a signal (-EALREADY). Mostly its completion is on the way. But a
 * signal can come too early or be taken by something else, so as long as it is not there the
 * operation is asked again, more and more rarely. Those to be asked again wait in a few lists, one
 * for each delay, with one timer a list: an operation carries no timer, and nothing is armed while
 * none waits. One that joins a list under way is asked a little early, once for each delay.
 *
 * user_data is the index of a slot and that slot's generation, so it is never shared by two
 * operations in flight, and a stale or invented one leads nowhere. The same with the top bit is
 * that of the operation's cancel.
 */
#ifndef WEFT_REACTOR_OP_H
#define WEFT_REACTOR_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "reactor/timer.h"
#include "ring/request.h"
#include "ring/ring.h"

struct weft__reactor;

struct weft__op {
    /* Called on the loop for each completion; `flags` has WEFT__CQE_MORE when more will follow.
       After the final one the operation is idle again and may be submitted anew from within. */
    void (*complete)(struct weft__op *op, int32_t result, uint32_t flags);
    uint64_t id;               /* user_data while in flight; 0 while idle */
    struct weft__wait *waiter; /* parked on it, or NULL: so that the loop can fetch it ahead */
    struct weft__op *cancel_next;
    struct weft__op **cancel_link; /* not NULL while its cancel is queued, or to be queued again */
    bool cancel_asked;
    bool cancel_waits;    /* to be asked again: in the list of cancel_level */
    uint8_t cancel_level; /* how long it waits the next time */
};

struct weft__op_slot {
    struct weft__op *op;
    uint32_t generation; /* 1 to WEFT__GENERATION_MAX; moves on when the slot is freed */
    uint32_t next_free;
};
#define WEFT__GENERATION_MAX INT32_MAX
#define WEFT__CANCEL_MARK (UINT64_C(1) << 63) /* on the user_data of an operation's cancel */

enum {
    WEFT__CANCEL_AGAIN_NS = 10000000,       /* the least delay; each level doubles it, */
    WEFT__CANCEL_AGAIN_MAX_NS = 1000000000, /* up to this */
    WEFT__CANCEL_LEVELS = 8,
};

struct weft__cancel_again {
    struct weft__op *first;
    struct weft__timer timer; /* armed while there is one */
    struct weft__ops *ops;
};

struct weft__ops {
    struct weft__op_slot *slots;
    uint32_t room;     /* for so many there is address space: doubled, */
    uint32_t capacity; /* so many there are: memory follows slowly */
    uint32_t free;     /* index of the first free slot, or UINT32_MAX */
    uint32_t in_flight;
    struct weft__op *cancels; /* whose cancel is queued */
    struct weft__op **cancels_tail;
    struct weft__timers *timers;
    struct weft__cancel_again again[WEFT__CANCEL_LEVELS];
};

/* user_data without a generation, below 2^32, is not an operation's. */
enum {
    WEFT__TOKEN_BELL = 1,   /* our bell was rung */
    WEFT__TOKEN_NONE = 2,   /* a request that was given up: of no interest */
    WEFT__TOKEN_RANG = 3,   /* in the upper half: a bell we rang through our ring was not reached */
    WEFT__TOKEN_SHIFT = 16, /* the lower half then says whose */
};

/* 0 or -ENOMEM. */
int weft__ops_open(struct weft__ops *ops, struct weft__timers *timers);
void weft__ops_close(struct weft__ops *ops);
int weft__ops_grow(struct weft__ops *ops);

/*
 * Puts the operation in flight with a request that the caller fills next:
 *
 *     sqe = weft__op_begin(reactor, &op);
 *     if (!sqe) return -ENOMEM;                     // nothing happened
 *     weft__request_recv(sqe, ...);
 *     sqe->user_data = op.id;
 *
 * NULL: no memory for a slot, or the kernel takes no requests now.
 */
static inline struct weft__sqe *weft__op_begin(struct weft__reactor *reactor, struct weft__op *op);

/* (weft__op_begin and weft__op_complete are at the end of reactor.h, which knows where things are.)
   Asks for its end; once is enough. Allocates nothing. Does nothing when it is idle. */
void weft__op_cancel(struct weft__reactor *reactor, struct weft__op *op);

static inline bool weft__op_in_flight(const struct weft__op *op)
{
    return op->id != 0;
}

/* Hands one completion to its operation. False: it belongs to none. */
static inline bool weft__op_complete(struct weft__reactor *reactor, const struct weft__cqe *cqe);

/* Takes the operation out of those whose cancel is queued or to be queued again. */
void weft__op_cancel_unlink(struct weft__ops *ops, struct weft__op *op);

/* The completion of a cancel that failed. False: it is none. */
bool weft__op_cancel_answered(struct weft__ops *ops, const struct weft__cqe *cqe);

/* Sends the cancels that are queued, as far as there is room. */
void weft__ops_flush_cancels(struct weft__reactor *reactor);

/* What the kernel reports when a request was ended by a cancel, in its several spellings
   (-ECANCELED, -EINTR, and -ERESTARTSYS and its kin, which leak out of io-wq). */
static inline bool weft__result_is_cancel(int32_t result)
{
    return result == -125 /* ECANCELED */ || result == -4 /* EINTR */ ||
           (result <= -512 && result >= -516);
}

#endif
