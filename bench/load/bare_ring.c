/* A bare io_uring; see bare_ring.h. */
#include "bare_ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1U << 16)
#endif

static int setup(unsigned entries, struct io_uring_params *params, unsigned flags, unsigned cq)
{
    memset(params, 0, sizeof *params);
    params->flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL;
    params->cq_entries = cq;
    int fd = (int)syscall(__NR_io_uring_setup, entries, params);
    return fd < 0 ? -errno : fd;
}

/* The ladder: everything asked for, then without the 6.6 flag. */
static int setup_best(const struct bare_ring_options *options, struct io_uring_params *params)
{
    unsigned flags = options->defer ? IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN : 0;
    int fd = -EINVAL;
    if (options->no_sqarray)
        fd = setup(options->sq_entries, params, flags | IORING_SETUP_NO_SQARRAY,
                   options->cq_entries);
    if (fd == -EINVAL)
        fd = setup(options->sq_entries, params, flags, options->cq_entries);
    return fd;
}

static void *map(int fd, size_t size, uint64_t offset)
{
    void *at =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)offset);
    return at == MAP_FAILED ? NULL : at;
}

static int map_ring(struct bare_ring *ring, const struct io_uring_params *p)
{
    size_t sq_size = p->sq_off.array + p->sq_entries * sizeof(unsigned);
    size_t cq_size = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
    ring->map_size = sq_size > cq_size ? sq_size : cq_size;
    ring->sqes_size = p->sq_entries * sizeof(struct io_uring_sqe);
    ring->map = map(ring->fd, ring->map_size, IORING_OFF_SQ_RING);
    ring->sqes = map(ring->fd, ring->sqes_size, IORING_OFF_SQES);
    if (!ring->map || !ring->sqes)
        return -ENOMEM;

    char *base = ring->map;
    ring->sq_khead = (unsigned *)(base + p->sq_off.head);
    ring->sq_ktail = (unsigned *)(base + p->sq_off.tail);
    ring->cq_khead = (unsigned *)(base + p->cq_off.head);
    ring->cq_ktail = (unsigned *)(base + p->cq_off.tail);
    ring->cqes = (struct io_uring_cqe *)(base + p->cq_off.cqes);
    ring->sq_entries = p->sq_entries;
    ring->cq_entries = p->cq_entries;
    ring->sq_mask = p->sq_entries - 1;
    ring->cq_mask = p->cq_entries - 1;
    ring->setup_flags = p->flags;
    if (!(p->flags & IORING_SETUP_NO_SQARRAY))
        for (unsigned i = 0; i < p->sq_entries; i++)
            ((unsigned *)(base + p->sq_off.array))[i] = i;
    return 0;
}

static void register_index(struct bare_ring *ring)
{
    struct io_uring_rsrc_update update = {.offset = -1U, .data = (uint64_t)ring->fd};
    if (syscall(__NR_io_uring_register, ring->fd, IORING_REGISTER_RING_FDS, &update, 1) != 1)
        return;
    ring->enter_fd = (int)update.offset;
    ring->enter_flags = IORING_ENTER_REGISTERED_RING;
}

int bare_ring_open(struct bare_ring *ring, const struct bare_ring_options *options)
{
    struct io_uring_params params;
    memset(ring, 0, sizeof *ring);
    ring->fd = ring->enter_fd = setup_best(options, &params);
    if (ring->fd < 0)
        return ring->fd;
    int error = map_ring(ring, &params);
    if (error) {
        bare_ring_close(ring);
        return error;
    }
    if (options->registered)
        register_index(ring);
    return 0;
}

void bare_ring_close(struct bare_ring *ring)
{
    if (ring->sqes)
        munmap(ring->sqes, ring->sqes_size);
    if (ring->map)
        munmap(ring->map, ring->map_size);
    if (ring->enter_flags) {
        struct io_uring_rsrc_update update = {.offset = (unsigned)ring->enter_fd};
        syscall(__NR_io_uring_register, ring->fd, IORING_UNREGISTER_RING_FDS, &update, 1);
    }
    if (ring->fd >= 0)
        close(ring->fd);
    ring->fd = -1;
}

int bare_ring_enter(struct bare_ring *ring, unsigned wait, uint64_t timeout_ns)
{
    /* Release: the kernel must see the filled requests once it sees the tail. */
    __atomic_store_n(ring->sq_ktail, ring->sq_tail, __ATOMIC_RELEASE);
    struct __kernel_timespec limit = {.tv_sec = (int64_t)(timeout_ns / 1000000000u),
                                      .tv_nsec = (long long)(timeout_ns % 1000000000u)};
    struct io_uring_getevents_arg argument = {.ts = (uint64_t)(uintptr_t)&limit};
    unsigned flags = ring->enter_flags;
    if (wait)
        flags |= IORING_ENTER_GETEVENTS;
    if (timeout_ns)
        flags |= IORING_ENTER_EXT_ARG;
    ring->enters++;
    long result = syscall(__NR_io_uring_enter, ring->enter_fd, bare_ring_queued(ring), wait, flags,
                          timeout_ns ? (void *)&argument : NULL,
                          timeout_ns ? sizeof argument : 8 /* sizeof the kernel's sigset_t */);
    return result < 0 ? -errno : 0;
}

struct io_uring_sqe *bare_ring_request(struct bare_ring *ring)
{
    /* SUBMIT_ALL is on, so one enter empties the queue unless the kernel is out of memory. */
    while (bare_ring_queued(ring) == ring->sq_entries)
        bare_ring_enter(ring, 0, 0);
    return &ring->sqes[ring->sq_tail++ & ring->sq_mask];
}
