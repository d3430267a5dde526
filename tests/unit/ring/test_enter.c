/*
 * Entering the kernel when it takes less than it is offered, or nothing. It seldom does, so here
 * another io_uring_enter stands before it, which passes on no more than the test lets it. Would
 * catch requests left in the queue, requests made twice, and a wait that begins too early.
 */
#include "support/test.h"

#include "ring/host.h"
#include "ring/request.h"
#include "ring/ring.h"

#include <errno.h>
#include <signal.h>

enum { REQUESTS = 10 };

static struct weft__ring ring;
static unsigned most;    /* requests taken by one call; 0: no limit */
static int refusal;      /* what a call says that takes none; 0: none does */
static unsigned waiting; /* calls that wanted to wait */

int __real_io_uring_enter2(unsigned fd, unsigned submit, unsigned wait, unsigned flags,
                           sigset_t *set, size_t size);
int __wrap_io_uring_enter2(unsigned fd, unsigned submit, unsigned wait, unsigned flags,
                           sigset_t *set, size_t size);
int __wrap_io_uring_enter2(unsigned fd, unsigned submit, unsigned wait, unsigned flags,
                           sigset_t *set, size_t size)
{
    if (refusal)
        return refusal;
    if (most && submit > most) { /* the kernel does not wait then */
        submit = most;
        wait = 0;
    }
    waiting += wait > 0;
    return __real_io_uring_enter2(fd, submit, wait, flags, set, size);
}

static void open_with_requests(void)
{
    struct weft__ring_opt opt = {.sq_entries = 16};

    ck_assert_int_eq(weft__ring_open(&ring, &opt), 0);
    for (uint64_t i = 0; i < REQUESTS; i++) {
        struct weft__sqe *sqe = weft__ring_take(&ring);
        ck_assert_ptr_nonnull(sqe);
        weft__request_nop(sqe);
        sqe->user_data = 100 + i;
    }
    waiting = 0;
}

static void expect_each_once(void)
{
    uint32_t head;

    ck_assert_uint_eq(weft__ring_queued(&ring), 0);
    ck_assert_uint_eq(weft__ring_ready(&ring, &head), REQUESTS);
    for (uint32_t i = 0; i < REQUESTS; i++)
        ck_assert_uint_eq(ring.cqes[(head + i) & ring.cq_mask].user_data, 100 + i);
    weft__ring_seen(&ring, head + REQUESTS);
    ck_assert_uint_eq(ring.counts.sqes, REQUESTS);
}

TEST(taken_in_pieces)
{
    open_with_requests();
    ring.counts.enters = ring.counts.sqes = 0;
    most = 3;
    ck_assert_int_eq(weft__ring_enter(&ring, REQUESTS, INT64_MAX), 0);
    ck_assert_uint_eq(ring.counts.enters, 4); /* 3 + 3 + 3 + 1 */
    ck_assert_uint_eq(waiting, 1);            /* the last one */
    expect_each_once();
    weft__ring_close(&ring);
}

/* What was not taken stays queued, and goes with the next visit. */
TEST(not_taken)
{
    static const int refusals[] = {-EAGAIN, -EBUSY};

    open_with_requests();
    ring.counts.sqes = 0;
    for (int i = 0; i < 2; i++) {
        refusal = refusals[i];
        ck_assert_int_eq(weft__ring_enter(&ring, 1, INT64_MAX), refusal);
        ck_assert_uint_eq(weft__ring_queued(&ring), REQUESTS);
    }
    refusal = 0;
    ck_assert_int_eq(weft__ring_enter(&ring, REQUESTS, INT64_MAX), 0);
    expect_each_once();
    weft__ring_close(&ring);
}

TEST_MAIN("ring.enter", 20, taken_in_pieces, not_taken)
