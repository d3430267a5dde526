/*
 * reactor/ready.c - room for the ready queue.
 */
#include "reactor/ready.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"

enum { FIRST_CAPACITY = 256 };

int weft__ready_open(struct weft__ready *ready)
{
    uint32_t capacity = weft__rare_size(FIRST_CAPACITY, 1);

    memset(ready, 0, sizeof *ready);
    ready->entries = weft__alloc(capacity * sizeof *ready->entries);
    if (!ready->entries)
        return -ENOMEM;
    ready->mask = capacity - 1;
    return 0;
}

void weft__ready_close(struct weft__ready *ready)
{
    weft__free(ready->entries);
    ready->entries = NULL;
}

/* Doubles the room. Head and tail stay what they are, and so does the place of every entry. */
int weft__ready_grow(struct weft__ready *ready)
{
    size_t capacity = ((size_t)ready->mask + 1) * 2;
    uintptr_t *entries;

    if (capacity > UINT32_MAX / 2)
        return -ENOMEM;
    entries = weft__alloc(capacity * sizeof *entries);
    if (!entries)
        return -ENOMEM;
    for (uint32_t i = ready->head; i != ready->tail; i++)
        entries[i & (capacity - 1)] = ready->entries[i & ready->mask];
    weft__free(ready->entries);
    ready->entries = entries;
    ready->mask = (uint32_t)capacity - 1;
    return 0;
}
