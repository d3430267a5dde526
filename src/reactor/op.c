/*
 * reactor/op.c - the life of an operation; op.h draws it.
 */
#include "reactor/op.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "base/rare.h"
#include "reactor/reactor.h"
#include "ring/host.h"

enum { AT_ONCE = 1024 }; /* slots made of what room there is */
#define NONE UINT32_MAX

_Static_assert(ECANCELED == 125 && EINTR == 4, "spelled out in op.h");

static void ask_again(struct weft__timer *timer);

int weft__ops_open(struct weft__ops *ops, struct weft__timers *timers)
{
    memset(ops, 0, sizeof *ops);
    ops->free = NONE;
    ops->cancels_tail = &ops->cancels;
    ops->timers = timers;
    for (uint32_t level = 0; level < WEFT__CANCEL_LEVELS; level++) {
        ops->again[level].timer.fire = ask_again;
        ops->again[level].ops = ops;
    }
    return weft__ops_grow(ops);
}

void weft__ops_close(struct weft__ops *ops)
{
    weft__free(ops->slots);
    ops->slots = NULL;
}

static int make_room(struct weft__ops *ops, uint32_t room)
{
    struct weft__op_slot *slots = NULL;

    if (room > ops->room)
        slots = weft__realloc(ops->slots, room * sizeof *slots);
    if (!slots)
        return -ENOMEM;
    ops->slots = slots;
    ops->room = room;
    return 0;
}

/* A slot that was never touched costs nothing where memory is had by the page. The room is a
   multiple of what is made at once. */
int weft__ops_grow(struct weft__ops *ops)
{
    uint32_t more = weft__rare_size(AT_ONCE, 1);

    if (ops->capacity == ops->room && make_room(ops, ops->room ? ops->room * 2 : more) < 0)
        return -ENOMEM;
    ops->capacity += more;
    for (uint32_t i = ops->capacity; more > 0; more--) {
        ops->slots[--i] = (struct weft__op_slot){.generation = 1, .next_free = ops->free};
        ops->free = i;
    }
    return 0;
}

/* -- cancels -------------------------------------------------------------------------------- */

void weft__op_cancel_unlink(struct weft__ops *ops, struct weft__op *op)
{
    *op->cancel_link = op->cancel_next;
    if (op->cancel_next)
        op->cancel_next->cancel_link = op->cancel_link;
    else if (!op->cancel_waits)
        ops->cancels_tail = op->cancel_link;
    else if (!ops->again[op->cancel_level].first)
        weft__timer_disarm(ops->timers, &ops->again[op->cancel_level].timer);
    op->cancel_link = NULL;
    op->cancel_waits = false;
}

static void queue(struct weft__ops *ops, struct weft__op *op)
{
    op->cancel_next = NULL;
    op->cancel_link = ops->cancels_tail;
    *ops->cancels_tail = op;
    ops->cancels_tail = &op->cancel_next;
}

void weft__op_cancel(struct weft__reactor *reactor, struct weft__op *op)
{
    if (op->id == 0 || op->cancel_asked)
        return;
    op->cancel_asked = true;
    op->cancel_waits = false;
    op->cancel_level = 0;
    queue(&reactor->ops, op);
}

static int64_t delay_ns(uint32_t level)
{
    int64_t delay = (int64_t)WEFT__CANCEL_AGAIN_NS << level;

    return delay < WEFT__CANCEL_AGAIN_MAX_NS ? delay : WEFT__CANCEL_AGAIN_MAX_NS;
}

/* Puts the operation among those to be asked again. */
static void wait_to_ask(struct weft__ops *ops, struct weft__op *op)
{
    struct weft__cancel_again *again = &ops->again[op->cancel_level];

    op->cancel_waits = true;
    op->cancel_next = again->first;
    op->cancel_link = &again->first;
    if (again->first)
        again->first->cancel_link = &op->cancel_next;
    else
        weft__timer_arm(ops->timers, &again->timer, weft__host_now() + delay_ns(op->cancel_level));
    again->first = op;
}

static void ask_again(struct weft__timer *timer)
{
    struct weft__cancel_again *again =
        (struct weft__cancel_again *)((char *)timer - offsetof(struct weft__cancel_again, timer));

    while (again->first) {
        struct weft__op *op = again->first;
        weft__op_cancel_unlink(again->ops, op);
        if (op->cancel_level < WEFT__CANCEL_LEVELS - 1)
            op->cancel_level++;
        queue(again->ops, op);
    }
}

bool weft__op_cancel_answered(struct weft__ops *ops, const struct weft__cqe *cqe)
{
    uint32_t index = (uint32_t)cqe->user_data;
    uint64_t id = cqe->user_data & ~WEFT__CANCEL_MARK;
    struct weft__op *op;

    if (id == cqe->user_data || index >= ops->capacity)
        return false;
    op = ops->slots[index].op;
    if (cqe->result < 0 && op && op->id == id && !op->cancel_link)
        wait_to_ask(ops, op);
    return true;
}

void weft__ops_flush_cancels(struct weft__reactor *reactor)
{
    struct weft__ops *ops = &reactor->ops;

    while (ops->cancels) {
        struct weft__sqe *sqe = weft__ring_take(&reactor->ring);
        if (!sqe)
            return; /* next turn: reaping makes room */
        weft__request_cancel(sqe, ops->cancels->id);
        sqe->user_data = ops->cancels->id | WEFT__CANCEL_MARK;
        weft__op_cancel_unlink(ops, ops->cancels);
        WEFT__COUNT(reactor, cancels_sent);
    }
}
