/*
 * sim/memory.c - the simulated kernel's own memory.
 *
 * What always holds: it is malloc's and nobody else's, so that what the library allocates can be
 * counted and made to fail without the kernel under it failing too.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/sim.h"

void *weft__sim_alloc(size_t size)
{
    void *memory = calloc(1, size ? size : 1);

    if (!memory)
        abort(); /* a kernel out of memory is not what is being tested */
    return memory;
}

void *weft__sim_grow(void *memory, size_t size_before, size_t size)
{
    char *grown = realloc(memory, size);

    if (!grown)
        abort();
    if (size > size_before)
        memset(grown + size_before, 0, size - size_before);
    return grown;
}

void weft__sim_free(void *memory)
{
    free(memory);
}
