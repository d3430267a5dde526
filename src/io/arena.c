/*
 * io/arena.c - a reactor's memory for files; arena.h draws it, <weft/file_object.h> is the
 * reference.
 */
#include "io/arena.h"

#include <errno.h>
#include <weft/file_object.h>

#include "base/memory.h"
#include "coro/sanitize.h"
#include "ring/host.h"
#include "task/task.h"

/* -- regions -------------------------------------------------------------------------------- */

static char *region_of(const struct weft__arena *arena, uint32_t index)
{
    return arena->memory + (size_t)index * WEFT__REGION_SIZE;
}

static void offer(struct weft__io *io, uint32_t index)
{
    struct weft__arena *arena = io->arena;
    int error;

    if (arena->refused)
        return;
    error = weft__ring_memory_hold(&io->reactor->ring, index, region_of(arena, index),
                                   WEFT__REGION_SIZE);
    if (error == 0) {
        arena->held |= UINT32_C(1) << index;
        WEFT__COUNT_BY(io->reactor, memory_held, WEFT__REGION_SIZE);
        return;
    }
    arena->refused = true;
    if (error != -ENOTSUP)
        WEFT__COUNT(io->reactor, holds_refused);
}

/* One more region. False: there are all. */
static bool open_next(struct weft__io *io)
{
    struct weft__arena *arena = io->arena;

    if (arena->opened == WEFT__PIECES)
        return false;
    offer(io, arena->opened);
    weft__san_poison(region_of(arena, arena->opened), WEFT__REGION_SIZE);
    arena->opened++;
    return true;
}

static struct weft__arena *open_arena(void)
{
    struct weft__arena *arena = weft__calloc(1, sizeof *arena);

    if (!arena)
        return NULL;
    arena->memory = weft__host_reserve(WEFT__ARENA_SIZE);
    if (arena->memory)
        return arena;
    weft__free(arena);
    return NULL;
}

/* -- pieces --------------------------------------------------------------------------------- */

/* The first of `count` free pages in a row, or -1. */
static int32_t find_room(const uint16_t *pages, uint32_t count)
{
    uint32_t page = 0, row = 0;

    while (page < WEFT__REGION_PAGES) {
        row = pages[page] ? 0 : row + 1;
        page += pages[page] ? pages[page] : 1;
        if (row == count)
            return (int32_t)(page - count);
    }
    return -1;
}

static void *take_pages(struct weft__io *io, uint32_t count)
{
    struct weft__arena *arena = io->arena;

    for (uint32_t region = 0; region < arena->opened || open_next(io); region++) {
        uint16_t *pages = &arena->pages[region * WEFT__REGION_PAGES];
        int32_t at = find_room(pages, count);
        char *memory;

        if (at < 0)
            continue;
        pages[at] = (uint16_t)count;
        memory = region_of(arena, region) + (size_t)at * WEFT__ARENA_PAGE;
        weft__san_unpoison(memory, (size_t)count * WEFT__ARENA_PAGE);
        return memory;
    }
    return NULL;
}

static void *take_loose(struct weft__io *io, size_t size)
{
    struct weft__loose *loose = weft__calloc(1, sizeof *loose);

    if (!loose)
        return NULL;
    loose->memory = weft__alloc_aligned(WEFT__ARENA_PAGE, size);
    if (!loose->memory) {
        weft__free(loose);
        return NULL;
    }
    loose->next = io->arena->loose;
    io->arena->loose = loose;
    return loose->memory;
}

void *weft__arena_take(struct weft__io *io, size_t size)
{
    void *memory = NULL;

    if (size > SIZE_MAX - WEFT__ARENA_PAGE)
        return NULL;
    size = (size + WEFT__ARENA_PAGE - 1) & ~(size_t)(WEFT__ARENA_PAGE - 1);
    if (!io->arena)
        io->arena = open_arena();
    if (!io->arena)
        return NULL;
    if (size <= WEFT__REGION_SIZE)
        memory = take_pages(io, (uint32_t)(size / WEFT__ARENA_PAGE));
    return memory ? memory : take_loose(io, size);
}

static int put_loose(struct weft__arena *arena, const void *memory)
{
    for (struct weft__loose **link = &arena->loose; *link; link = &(*link)->next) {
        struct weft__loose *loose = *link;
        if (loose->memory != memory)
            continue;
        *link = loose->next;
        weft__free(loose->memory);
        weft__free(loose);
        return 0;
    }
    return -EINVAL;
}

int weft__arena_put(struct weft__io *io, void *memory)
{
    struct weft__arena *arena = io->arena;
    uint16_t *pages;
    size_t at;

    if (!arena)
        return -EINVAL;
    at = (size_t)((uintptr_t)memory - (uintptr_t)arena->memory);
    if (at >= WEFT__ARENA_SIZE)
        return put_loose(arena, memory);
    pages = &arena->pages[at / WEFT__ARENA_PAGE];
    if (at % WEFT__ARENA_PAGE || !*pages)
        return -EINVAL;
    weft__san_poison(memory, (size_t)*pages * WEFT__ARENA_PAGE);
    *pages = 0;
    return 0;
}

void weft__arena_close(struct weft__io *io)
{
    struct weft__arena *arena = io->arena;

    if (!arena)
        return;
    while (arena->loose)
        (void)put_loose(arena, arena->loose->memory);
    if (arena->held)
        weft__ring_memory_let_go(&io->reactor->ring);
    weft__san_unpoison(arena->memory, (size_t)arena->opened * WEFT__REGION_SIZE);
    weft__host_unreserve(arena->memory, WEFT__ARENA_SIZE);
    weft__free(arena);
    io->arena = NULL;
}

/* -- calls ---------------------------------------------------------------------------------- */

int weft_file_memory_take(size_t size, void **memory)
{
    struct weft__task *self = weft__task_self();
    void *taken;

    if (!self)
        return weft__outside();
    if (!memory || size == 0)
        return weft__misuse(-EINVAL, "no size, or nowhere to put the memory");
    taken = weft__arena_take(weft__io_of(self->reactor), size);
    if (!taken)
        return -ENOMEM;
    *memory = taken;
    return 0;
}

int weft_file_memory_put(void *memory)
{
    struct weft__task *self = weft__task_self();
    int error;

    if (!self)
        return weft__outside();
    if (!memory)
        return 0;
    error = weft__arena_put(weft__io_of(self->reactor), memory);
    return error < 0 ? weft__misuse(error, "no memory that was taken on this reactor") : 0;
}
