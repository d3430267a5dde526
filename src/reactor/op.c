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

void weft__op_cancel_unlink(struct weft__ops *ops, struct weft__op *op)
{
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
        weft__op_cancel_unlink(ops, ops->cancels);
        WEFT__COUNT(reactor, cancels_sent);
    }
}
