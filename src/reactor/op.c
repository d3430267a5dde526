/*
 * reactor/op.c - the life of an operation; op.h draws it.
 */
#include "reactor/op.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "reactor/reactor.h"

enum { FIRST_CAPACITY = 1024 };
#define NONE UINT32_MAX

_Static_assert(ECANCELED == 125 && EINTR == 4, "spelled out in op.h");

int weft__ops_open(struct weft__ops *ops)
{
    memset(ops, 0, sizeof *ops);
    ops->free = NONE;
    ops->cancels_tail = &ops->cancels;
    return weft__ops_grow(ops);
}

void weft__ops_close(struct weft__ops *ops)
{
    weft__free(ops->slots);
    ops->slots = NULL;
}

int weft__ops_grow(struct weft__ops *ops)
{
    uint32_t capacity = ops->capacity ? ops->capacity * 2 : FIRST_CAPACITY;
    struct weft__op_slot *slots;

    if (capacity < ops->capacity)
        return -ENOMEM;
    slots = weft__realloc(ops->slots, capacity * sizeof *slots);
    if (!slots)
        return -ENOMEM;
    for (uint32_t i = capacity; i-- > ops->capacity;) {
        slots[i] = (struct weft__op_slot){.generation = 1, .next_free = ops->free};
        ops->free = i;
    }
    ops->slots = slots;
    ops->capacity = capacity;
    return 0;
}

static uint64_t slot_take(struct weft__ops *ops, struct weft__op *op)
{
    uint32_t index = ops->free;
    struct weft__op_slot *slot = &ops->slots[index];

    ops->free = slot->next_free;
    slot->op = op;
    ops->in_flight++;
    return (uint64_t)slot->generation << 32 | index;
}

static void slot_give(struct weft__ops *ops, uint32_t index)
{
    struct weft__op_slot *slot = &ops->slots[index];

    slot->op = NULL;
    if (++slot->generation == 0)
        slot->generation = 1;
    slot->next_free = ops->free;
    ops->free = index;
    ops->in_flight--;
}

struct weft__sqe *weft__op_begin(struct weft__reactor *reactor, struct weft__op *op)
{
    struct weft__ops *ops = &reactor->ops;
    struct weft__sqe *sqe;

    if (__builtin_expect(ops->free == NONE, 0) && weft__ops_grow(ops) < 0)
        return NULL;
    sqe = weft__ring_take(&reactor->ring);
    if (!sqe)
        return NULL;
    op->id = slot_take(ops, op);
    op->cancel_asked = false;
    op->cancel_link = NULL;
    return sqe;
}

static void cancel_unlink(struct weft__ops *ops, struct weft__op *op)
{
    if (!op->cancel_link)
        return;
    *op->cancel_link = op->cancel_next;
    if (op->cancel_next)
        op->cancel_next->cancel_link = op->cancel_link;
    else
        ops->cancels_tail = op->cancel_link;
    op->cancel_link = NULL;
}

void weft__op_cancel(struct weft__reactor *reactor, struct weft__op *op)
{
    struct weft__ops *ops = &reactor->ops;

    if (op->id == 0 || op->cancel_asked)
        return;
    op->cancel_asked = true;
    op->cancel_next = NULL;
    op->cancel_link = ops->cancels_tail;
    *ops->cancels_tail = op;
    ops->cancels_tail = &op->cancel_next;
}

void weft__ops_flush_cancels(struct weft__reactor *reactor)
{
    struct weft__ops *ops = &reactor->ops;

    while (ops->cancels) {
        struct weft__sqe *sqe = weft__ring_take(&reactor->ring);
        if (!sqe)
            return; /* next turn: reaping makes room */
        weft__request_cancel(sqe, ops->cancels->id);
        sqe->user_data = WEFT__TOKEN_CANCEL;
        cancel_unlink(ops, ops->cancels);
        WEFT__COUNT(reactor, cancels_sent);
    }
}

bool weft__op_complete(struct weft__reactor *reactor, const struct weft__cqe *cqe)
{
    struct weft__ops *ops = &reactor->ops;
    uint32_t index = (uint32_t)cqe->user_data;
    struct weft__op_slot *slot = &ops->slots[index];
    struct weft__op *op;

    if (index >= ops->capacity || slot->generation != cqe->user_data >> 32 || !slot->op)
        return false;
    op = slot->op;
    if (!(cqe->flags & WEFT__CQE_MORE)) {
        slot_give(ops, index);
        cancel_unlink(ops, op);
        op->id = 0;
    }
    op->complete(op, cqe->result, cqe->flags);
    return true;
}
