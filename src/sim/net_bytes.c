/*
 * sim/net_bytes.c - bytes that wait. What always holds: the bytes lie in at most two pieces.
 */
#include "sim/net_bytes.h"

#include <string.h>

#include "sim/sim.h"

enum { FIRST_CAPACITY = 4096 };

/* How many of `size` bytes at position `at` lie before the end of the memory. */
static size_t before_end(const struct weft__net_bytes *bytes, size_t at, size_t size)
{
    size_t room = bytes->capacity - (at & (bytes->capacity - 1));

    return size < room ? size : room;
}

static void grow(struct weft__net_bytes *bytes, size_t least)
{
    size_t capacity = bytes->capacity ? bytes->capacity : FIRST_CAPACITY;
    uint8_t *memory;

    while (capacity < least)
        capacity *= 2;
    memory = weft__sim_alloc(capacity);
    if (bytes->count > 0)
        weft__net_bytes_look(bytes, 0, memory, bytes->count);
    weft__sim_free(bytes->memory);
    bytes->memory = memory;
    bytes->capacity = capacity;
    bytes->head = 0;
}

void weft__net_bytes_push(struct weft__net_bytes *bytes, const void *memory, size_t size)
{
    size_t at, part;

    if (size == 0)
        return;
    if (bytes->count + size > bytes->capacity)
        grow(bytes, bytes->count + size);
    at = bytes->head + bytes->count;
    part = before_end(bytes, at, size);
    memcpy(bytes->memory + (at & (bytes->capacity - 1)), memory, part);
    memcpy(bytes->memory, (const uint8_t *)memory + part, size - part);
    bytes->count += size;
}

void weft__net_bytes_look(const struct weft__net_bytes *bytes, size_t offset, void *memory,
                          size_t size)
{
    size_t at = bytes->head + offset, part;

    if (size == 0 || !memory)
        return;
    part = before_end(bytes, at, size);
    memcpy(memory, bytes->memory + (at & (bytes->capacity - 1)), part);
    memcpy((uint8_t *)memory + part, bytes->memory, size - part);
}

void weft__net_bytes_drop(struct weft__net_bytes *bytes, size_t size)
{
    bytes->head += size;
    bytes->count -= size;
    if (bytes->count == 0)
        weft__net_bytes_free(bytes);
}

void weft__net_bytes_cut(struct weft__net_bytes *bytes, size_t size)
{
    bytes->count = size;
    if (size == 0)
        weft__net_bytes_free(bytes);
}

void weft__net_bytes_free(struct weft__net_bytes *bytes)
{
    weft__sim_free(bytes->memory);
    *bytes = (struct weft__net_bytes){.memory = NULL};
}
