/* The C half of bench_operation.cc: an operation in a task, and the same on the bare ring that the
 * comparison servers use (bench/load/bare_ring.c, compiled in here). */
#include "bench_operation.h"

#include <errno.h>
#include <stdlib.h>

#include "load/bare_ring.c" /* a program of one other file needs no library */
#include "task/operation.h"

int bench_nop(void)
{
    struct weft__operation operation;
    struct weft__task *self;
    struct weft__sqe *sqe;
    int error = weft__enter(&self);

    if (error < 0)
        return error;
    sqe = weft__operation_begin(self, &operation, "nop", -1);
    if (!sqe)
        return weft__operation_error(self);
    weft__request_nop(sqe);
    return weft__operation_wait(self, &operation, sqe);
}

struct bench_bare {
    struct bare_ring ring;
    uint64_t sum; /* so that completions are read */
};

struct bench_bare *bench_bare_open(void)
{
    static const struct bare_ring_options best = {.sq_entries = 256,
                                                  .cq_entries = 1024,
                                                  .defer = true,
                                                  .no_sqarray = true,
                                                  .registered = true};
    struct bench_bare *bare = calloc(1, sizeof *bare);

    if (bare && bare_ring_open(&bare->ring, &best) == 0)
        return bare;
    free(bare);
    return NULL;
}

int bench_bare_nops(struct bench_bare *bare, unsigned batch)
{
    struct bare_ring *ring = &bare->ring;
    unsigned head = *ring->cq_khead, tail;
    int error;

    for (unsigned i = 0; i < batch; i++) {
        struct io_uring_sqe *sqe = bare_ring_request(ring);
        io_uring_prep_nop(sqe);
        sqe->user_data = i;
    }
    error = bare_ring_enter(ring, batch, 0);
    tail = __atomic_load_n(ring->cq_ktail, __ATOMIC_ACQUIRE);
    for (; head != tail; head++)
        bare->sum += ring->cqes[head & ring->cq_mask].user_data;
    __atomic_store_n(ring->cq_khead, head, __ATOMIC_RELEASE);
    return error;
}

void bench_bare_close(struct bench_bare *bare)
{
    bare_ring_close(&bare->ring);
    free(bare);
}
