/*
 * io/block.c - a reactor's pool of blocks that files are read into; block.h says what they are.
 */
#include "io/block.h"

#include "base/memory.h"
#include "io/arena.h"

static void destroy(struct weft__io *io, struct weft__block *block)
{
    if (block->of_arena)
        (void)weft__arena_put(io, block->data);
    else
        weft__free(block->data);
    weft__free(block);
}

static struct weft__block *create(struct weft__io *io, uint32_t size, bool of_arena)
{
    struct weft__block *block = weft__calloc(1, sizeof *block);

    if (!block)
        return NULL;
    block->size = size;
    block->of_arena = of_arena;
    block->data =
        of_arena ? weft__arena_take(io, size) : weft__alloc_aligned(WEFT__BLOCK_ALIGNMENT, size);
    if (block->data)
        return block;
    weft__free(block);
    return NULL;
}

struct weft__block *weft__block_take(struct weft__io *io, uint32_t size, bool of_arena)
{
    for (struct weft__block **link = &io->blocks; *link; link = &(*link)->next) {
        struct weft__block *block = *link;
        if (block->size != size || block->of_arena != of_arena)
            continue;
        *link = block->next;
        io->blocks_bytes -= size;
        *block = (struct weft__block){.data = block->data, .size = size, .of_arena = of_arena};
        return block;
    }
    return create(io, size, of_arena);
}

void weft__block_put(struct weft__io *io, struct weft__block *block)
{
    if (io->blocks_bytes + block->size > WEFT__BLOCKS_SPARE) {
        destroy(io, block);
        return;
    }
    io->blocks_bytes += block->size;
    block->next = io->blocks;
    io->blocks = block;
}

void weft__blocks_free(struct weft__io *io)
{
    while (io->blocks) {
        struct weft__block *block = io->blocks;
        io->blocks = block->next;
        destroy(io, block);
    }
    io->blocks_bytes = 0;
}
