/*
 * sim/held.c - memory that a ring holds; ring/ring.h is what it stands for.
 *
 * What always holds: a request names a piece and memory that lies in it, or it comes to -EFAULT.
 */
#include <errno.h>

#include "sim/ring_core.h"

int weft__ring_memory_hold(struct weft__ring *shown, uint32_t index, void *memory, size_t size)
{
    struct weft__sim_ring *ring = weft__sim_ring_of(shown);

    if (!(shown->features & WEFT__FEATURE_FIXED_BUFFERS))
        return -ENOTSUP;
    if (index >= WEFT__PIECES)
        return -EINVAL;
    if (!weft__sim_is_there(memory, size, true))
        return -EFAULT;
    weft__sim_step(&ring->dice);
    if (weft__sim_chance(ring->sim, &ring->dice, WEFT__SIM_MEMORY_HOLD))
        return -ENOMEM;
    ring->pieces[index] = (struct weft__sim_held){memory, size};
    return 0;
}

void weft__ring_memory_let_go(struct weft__ring *shown)
{
    struct weft__sim_ring *ring = weft__sim_ring_of(shown);

    for (uint32_t i = 0; i < WEFT__PIECES; i++)
        ring->pieces[i] = (struct weft__sim_held){NULL, 0};
}

int weft__sim_find_held(const struct weft__sim_ring *ring, struct weft__sqe *sqe)
{
    const struct weft__sim_held *piece;
    uint64_t from;

    if (sqe->opcode != WEFT__OP_READ_FIXED && sqe->opcode != WEFT__OP_WRITE_FIXED)
        return 0;
    sqe->opcode = sqe->opcode == WEFT__OP_READ_FIXED ? WEFT__OP_READ : WEFT__OP_WRITE;
    if (sqe->buffer_group >= WEFT__PIECES)
        return -EFAULT;
    piece = &ring->pieces[sqe->buffer_group];
    from = sqe->address - (uint64_t)(uintptr_t)piece->memory;
    return from < piece->size && sqe->length <= piece->size - from ? 0 : -EFAULT;
}
