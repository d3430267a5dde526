/*
 * reactor/ahead.c - fetching ahead; ahead.h says why.
 */
#include "reactor/ahead.h"

#include "reactor/reactor.h"

enum { LINE = 64, STACK_LINES = 8 };

static struct weft__op *op_of(const struct weft__ops *ops, uint64_t user_data)
{
    uint32_t index = (uint32_t)user_data;

    if (index >= ops->capacity || ops->slots[index].generation != user_data >> 32)
        return NULL;
    return ops->slots[index].op;
}

/* The frames, up to the record, which stands above them on the same stack. Inlined, or gcc would
   find that a function that only prefetches does nothing, and not call it. */
static inline __attribute__((always_inline)) void ahead_of_run(const struct weft__fiber *fiber)
{
    const char *at = fiber->context.sp;
    const char *end = (uintptr_t)fiber - (uintptr_t)at < STACK_LINES * LINE
                          ? (const char *)fiber
                          : at + STACK_LINES * LINE;

    __builtin_prefetch(fiber->beside, 1);
    __builtin_prefetch((const void *)((uintptr_t)fiber->beside + LINE), 1); /* NULL has none */
    for (; at < end; at += LINE)
        __builtin_prefetch(at, 1);
}

void weft__ahead(struct weft__reactor *reactor, uint32_t head, uint32_t count)
{
    const struct weft__ring *ring = &reactor->ring;
    struct weft__wait *waits[WEFT__AHEAD_BATCH];
    struct weft__op *ops[WEFT__AHEAD_BATCH];
    uint32_t n = 0, parked = 0;

    for (uint32_t i = 0; i < count; i++) {
        struct weft__op *op =
            op_of(&reactor->ops, ring->cqes[(head + i) & ring->cq_mask].user_data);
        if (!op)
            continue;
        __builtin_prefetch(op, 1);
        __builtin_prefetch((char *)op + LINE, 1);
        __builtin_prefetch((char *)op + 2 * LINE, 1);
        ops[n++] = op;
    }
    for (uint32_t i = 0; i < n; i++)
        if (ops[i]->waiter) {
            __builtin_prefetch(ops[i]->waiter, 1);
            waits[parked++] = ops[i]->waiter;
        }
    for (uint32_t i = 0; i < parked; i++)
        __builtin_prefetch(waits[i]->fiber, 1);
    for (uint32_t i = 0; i < parked; i++)
        ahead_of_run(waits[i]->fiber);
}
