/*
 * io/arena.h - a reactor's memory for files: whole pages, which the ring holds where it may.
 *
 *      | region 0 | region 1 | region 2 | ...      one range of addresses
 *       ####..##.. ###....... not opened
 *
 * Pieces are runs of pages within a region. A region is opened, and offered to the ring, when those
 * before it have no room; whether or not the ring takes it, it is memory. So what an address is
 * tells whether the ring holds it, and whoever reads into it need not know. A piece that is larger
 * than a region, or finds no room, is of the allocator: loose.
 *
 * Regions stay until the io layer closes, and with them what was never put back. Touched on its
 * reactor only.
 */
#ifndef WEFT_IO_ARENA_H
#define WEFT_IO_ARENA_H

#include <stdint.h>

#include "io/io.h"
#include "ring/ring.h"

enum {
    WEFT__ARENA_PAGE = 4096,
    WEFT__REGION_PAGES = 256,
    WEFT__REGION_SIZE = WEFT__REGION_PAGES * WEFT__ARENA_PAGE,
    WEFT__ARENA_SIZE = WEFT__PIECES * WEFT__REGION_SIZE,
};

struct weft__loose {
    struct weft__loose *next;
    void *memory;
};

struct weft__arena {
    char *memory;    /* WEFT__ARENA_SIZE of addresses */
    uint32_t opened; /* regions */
    uint32_t held;   /* a bit for each that the ring holds */
    bool refused;    /* it did not take one: none is offered again */
    uint16_t pages[WEFT__PIECES * WEFT__REGION_PAGES]; /* of the piece that begins there; 0: none */
    struct weft__loose *loose;
};

/* `size` bytes, rounded up to pages, on a boundary of those. NULL: no memory. */
void *weft__arena_take(struct weft__io *io, size_t size);
/* 0; -EINVAL: it was not taken here. Nothing of it may be in flight. */
int weft__arena_put(struct weft__io *io, void *memory);
void weft__arena_close(struct weft__io *io);

/* The ring's piece that those bytes lie in, or -1: it does not hold them. */
static inline int32_t weft__arena_piece(const struct weft__arena *arena, uint64_t address,
                                        uint32_t size)
{
    uint64_t at;

    if (!arena)
        return -1;
    at = address - (uint64_t)(uintptr_t)arena->memory;
    if (at >= WEFT__ARENA_SIZE || !(arena->held >> at / WEFT__REGION_SIZE & 1) ||
        at % WEFT__REGION_SIZE + size > WEFT__REGION_SIZE)
        return -1;
    return (int32_t)(at / WEFT__REGION_SIZE);
}

#endif
