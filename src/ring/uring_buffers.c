/*
 * ring/uring_buffers.c - registering buffer rings with the kernel.
 *
 * Owner and only caller: the ring's thread. What always holds: the array is memory of ours (letting
 * the kernel allocate it was a way to use-after-free in 6.4 to 6.6), in a mapping of its own that
 * no forked child inherits.
 */
#include "ring/uring.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BUFFERS_MAX = 1 << 15 }; /* the kernel's own limit */

static size_t mapping_size(uint32_t count)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (count * sizeof(struct weft__buffer_slot) + page - 1) & ~(page - 1);
}

int weft__buffer_ring_open(struct weft__ring *ring, struct weft__buffer_ring *buffers,
                           uint16_t group, uint32_t count)
{
    if (count == 0 || count > BUFFERS_MAX || (count & (count - 1)) != 0)
        return -EINVAL;
    size_t size = mapping_size(count);
    void *entries = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (entries == MAP_FAILED)
        return -ENOMEM;
    madvise(entries, size, MADV_DONTFORK);

    struct io_uring_buf_reg registration = {.ring_addr = (uint64_t)(uintptr_t)entries,
                                            .ring_entries = count,
                                            .bgid = group};
    int error = io_uring_register_buf_ring(&weft__uring_of(ring)->uring, &registration, 0);
    if (error < 0) {
        munmap(entries, size);
        return error;
    }
    *buffers = (struct weft__buffer_ring){.entries = entries, .mask = count - 1, .group = group};
    return 0;
}

void weft__buffer_ring_close(struct weft__ring *ring, struct weft__buffer_ring *buffers)
{
    if (!buffers->entries)
        return;
    io_uring_unregister_buf_ring(&weft__uring_of(ring)->uring, buffers->group);
    munmap(buffers->entries, mapping_size(buffers->mask + 1));
    buffers->entries = NULL;
}
