/*
 * ring/uring_memory.c - memory that the ring holds by itself.
 *
 * The ring's own thread. What always holds: the table has WEFT__PIECES slots, all empty at first,
 * and is made when the first piece is to be held; without a table nothing is held.
 */
#include "ring/uring.h"

#include <errno.h>
#include <sys/uio.h>

/* Once refused, always refused: nobody will ask again. */
static int make_table(struct weft__ring *ring, struct weft__uring *state)
{
    int error = io_uring_register_buffers_sparse(&state->uring, WEFT__PIECES);
    if (error < 0)
        ring->features &= ~(uint32_t)WEFT__FEATURE_FIXED_BUFFERS;
    state->holds_memory = error >= 0;
    return error;
}

int weft__ring_memory_hold(struct weft__ring *ring, uint32_t index, void *memory, size_t size)
{
    struct weft__uring *state = weft__uring_of(ring);
    struct iovec piece = {memory, size};
    if (!(ring->features & WEFT__FEATURE_FIXED_BUFFERS))
        return -ENOTSUP;
    int error = state->holds_memory ? 0 : make_table(ring, state);
    if (error < 0)
        return error;
    error = io_uring_register_buffers_update_tag(&state->uring, index, &piece, NULL, 1);
    return error < 0 ? error : 0;
}

void weft__ring_memory_let_go(struct weft__ring *ring)
{
    struct weft__uring *state = weft__uring_of(ring);
    if (state->holds_memory)
        io_uring_unregister_buffers(&state->uring);
    state->holds_memory = false;
}
