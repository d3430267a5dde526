/* A bare io_uring: set up, mapped and entered by hand.
 *
 * liburing is used for its request-filling inlines only. Its 2.3 flush writes the SQ index array,
 * which does not exist under IORING_SETUP_NO_SQARRAY, so submission is done here.
 *
 * Owner: the thread that called bare_ring_open, which is the only one that may touch it.
 * Always holds: queued requests are those between the kernel's SQ tail and `sq_tail`.
 */
#ifndef BENCH_LOAD_BARE_RING_H
#define BENCH_LOAD_BARE_RING_H

#include <stdbool.h>
#include <stdint.h>

#include <liburing.h>

struct bare_ring {
    int fd;
    int enter_fd;         /* the registered index when enter_flags say so, else fd */
    unsigned enter_flags; /* added to each enter */
    unsigned setup_flags; /* what the kernel granted */
    unsigned sq_entries, sq_mask, cq_mask, cq_entries;
    unsigned sq_tail; /* ours, ahead of the kernel's by what is queued */
    unsigned *sq_khead;
    unsigned *sq_ktail;
    unsigned *cq_khead;
    unsigned *cq_ktail;
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
    void *map;
    size_t map_size, sqes_size;
    uint64_t enters; /* io_uring_enter calls made */
};

/* What to ask for; anything the kernel refuses is dropped, the newest first. */
struct bare_ring_options {
    unsigned sq_entries;
    unsigned cq_entries;
    bool defer;      /* SINGLE_ISSUER | DEFER_TASKRUN */
    bool no_sqarray; /* 6.6 */
    bool registered; /* enter by registered index */
};

int bare_ring_open(struct bare_ring *ring, const struct bare_ring_options *options);
void bare_ring_close(struct bare_ring *ring);

/* Submits what is queued and waits until `wait` completions are there or timeout_ns have passed
 * (0: no limit). Returns 0 or a negative errno; -ETIME and -EINTR are the caller's to expect. */
int bare_ring_enter(struct bare_ring *ring, unsigned wait, uint64_t timeout_ns);

static inline unsigned bare_ring_queued(const struct bare_ring *ring)
{
    return ring->sq_tail - __atomic_load_n(ring->sq_khead, __ATOMIC_ACQUIRE);
}

/* A request to be filled by an io_uring_prep_ function (which clears it) and user_data. Never
 * fails: a full queue is submitted first. */
struct io_uring_sqe *bare_ring_request(struct bare_ring *ring);

#endif
