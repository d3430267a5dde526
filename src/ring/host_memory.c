/*
 * ring/host_memory.c - address space reserved without memory behind it. The simulated kernel uses
 * this file as it is.
 *
 * Any thread may call these. What always holds: what is reserved reads as zero, takes memory page
 * by page as it is written, and is not counted against an overcommit limit before that.
 */
#include "ring/host.h"

#include <sys/mman.h>

void *weft__host_reserve(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

void weft__host_unreserve(void *memory, size_t size)
{
    if (memory)
        munmap(memory, size);
}
