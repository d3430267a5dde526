/*
 * Buffer rings and multishot receives: bytes arrive whole and in order, the last completion is the
 * one without MORE, an empty ring pauses and a refilled one goes on. Would catch a buffer offered
 * twice or not at all, and a tail published before its slots.
 */
#include "support/test.h"

#include "ring/request.h"
#include "ring/ring.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { COUNT = 8, SIZE = 64, GROUP = 3, TOKEN = 77 };

static struct weft__ring ring;
static struct weft__buffer_ring buffers;
static unsigned char memory[COUNT][SIZE];
static int pair[2];

static void offer(uint16_t id)
{
    weft__buffer_ring_add(&buffers, memory[id], SIZE, id);
    weft__buffer_ring_publish(&buffers);
}

static void arm(void)
{
    struct weft__sqe *sqe = weft__ring_take(&ring);
    ck_assert_ptr_nonnull(sqe);
    weft__request_recv_multishot(sqe, pair[0], GROUP, 0);
    sqe->user_data = TOKEN;
}

static void set_up(void)
{
    struct weft__ring_opt opt = {.sq_entries = 8};
    ck_assert_int_eq(weft__ring_open(&ring, &opt), 0);
    ck_assert_uint_ne(ring.features & WEFT__FEATURE_BUFFER_RING, 0);
    ck_assert_uint_ne(ring.features & WEFT__FEATURE_RECV_MULTISHOT, 0);
    ck_assert_int_eq(weft__buffer_ring_open(&ring, &buffers, GROUP, COUNT), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
}

static void tear_down(void)
{
    close(pair[0]);
    close(pair[1]);
    weft__buffer_ring_close(&ring, &buffers);
    weft__ring_close(&ring);
}

static struct weft__cqe next(void)
{
    uint32_t head;
    while (weft__ring_ready(&ring, &head) == 0)
        ck_assert_int_eq(weft__ring_enter(&ring, 1, INT64_MAX), 0);
    struct weft__cqe cqe = ring.cqes[head & ring.cq_mask];
    weft__ring_seen(&ring, head + 1);
    ck_assert_uint_eq(cqe.user_data, TOKEN);
    return cqe;
}

static uint16_t buffer_of(struct weft__cqe cqe)
{
    ck_assert_uint_ne(cqe.flags & WEFT__CQE_BUFFER, 0);
    ck_assert_uint_lt(cqe.flags >> 16, COUNT);
    return (uint16_t)(cqe.flags >> 16);
}

/* 100 kB in odd pieces, every byte known: each completion names the buffer that holds the next
 * ones. */
TEST(bytes_arrive_in_order_through_recycled_buffers)
{
    enum { TOTAL = 100000 };
    unsigned char piece[211];
    size_t sent = 0, received = 0;
    set_up();
    for (uint16_t id = 0; id < COUNT; id++)
        offer(id);
    arm();
    while (received < TOTAL) {
        if (sent - received < sizeof piece && sent < TOTAL) {
            size_t n = TOTAL - sent < sizeof piece ? TOTAL - sent : sizeof piece;
            for (size_t i = 0; i < n; i++)
                piece[i] = (unsigned char)((sent + i) * 7);
            ck_assert_int_eq(write(pair[1], piece, n), (ssize_t)n);
            sent += n;
        }
        struct weft__cqe cqe = next();
        ck_assert_int_gt(cqe.result, 0);
        uint16_t id = buffer_of(cqe);
        for (int i = 0; i < cqe.result; i++)
            ck_assert_uint_eq(memory[id][i], (unsigned char)((received + (size_t)i) * 7));
        received += (size_t)cqe.result;
        offer(id);
        if (!(cqe.flags & WEFT__CQE_MORE))
            arm();
    }
    tear_down();
}

/* The end of the stream: 0, no buffer, no MORE. */
TEST(the_end_comes_once_without_more)
{
    set_up();
    offer(0);
    offer(1);
    arm();
    ck_assert_int_eq(write(pair[1], "abc", 3), 3);
    struct weft__cqe cqe = next();
    ck_assert_int_eq(cqe.result, 3);
    ck_assert_uint_ne(cqe.flags & WEFT__CQE_MORE, 0);
    ck_assert_mem_eq(memory[buffer_of(cqe)], "abc", 3);
    shutdown(pair[1], SHUT_WR);
    cqe = next();
    ck_assert_int_eq(cqe.result, 0);
    ck_assert_uint_eq(cqe.flags & (WEFT__CQE_MORE | WEFT__CQE_BUFFER), 0);
    tear_down();
}

/* Out of buffers the receive ends with ENOBUFS and the data stays; with a buffer it can go on. */
TEST(no_buffers_is_a_pause)
{
    set_up();
    offer(5);
    arm();
    ck_assert_int_eq(weft__ring_enter(&ring, 0, INT64_MAX), 0);
    ck_assert_int_eq(write(pair[1], "one", 3), 3);
    struct weft__cqe cqe = next();
    ck_assert_int_eq(cqe.result, 3);
    ck_assert_uint_eq(buffer_of(cqe), 5);
    if (cqe.flags & WEFT__CQE_MORE) {
        ck_assert_int_eq(write(pair[1], "two", 3), 3);
        cqe = next();
        ck_assert_int_eq(cqe.result, -ENOBUFS);
        ck_assert_uint_eq(cqe.flags & WEFT__CQE_MORE, 0);
    } else {
        ck_assert_int_eq(write(pair[1], "two", 3), 3);
    }
    offer(6);
    arm();
    cqe = next();
    ck_assert_int_eq(cqe.result, 3);
    ck_assert_mem_eq(memory[buffer_of(cqe)], "two", 3);
    tear_down();
}

/* Cancelled: its own last completion says so, after everything that came before. */
TEST(cancelling_ends_it_with_a_last_completion)
{
    set_up();
    offer(0);
    offer(1);
    arm();
    ck_assert_int_eq(write(pair[1], "x", 1), 1);
    ck_assert_int_eq(next().result, 1);
    struct weft__sqe *sqe = weft__ring_take(&ring);
    weft__request_cancel(sqe, TOKEN);
    sqe->user_data = 1; /* never seen: success is silent */
    struct weft__cqe cqe = next();
    ck_assert_int_eq(cqe.result, -ECANCELED);
    ck_assert_uint_eq(cqe.flags & WEFT__CQE_MORE, 0);
    tear_down();
}

TEST(a_single_receive_takes_a_buffer_too)
{
    set_up();
    offer(2);
    struct weft__sqe *sqe = weft__ring_take(&ring);
    weft__request_recv_select(sqe, pair[0], GROUP, SIZE, 0);
    sqe->user_data = TOKEN;
    ck_assert_int_eq(write(pair[1], "hello", 5), 5);
    struct weft__cqe cqe = next();
    ck_assert_int_eq(cqe.result, 5);
    ck_assert_uint_eq(cqe.flags & WEFT__CQE_MORE, 0);
    ck_assert_mem_eq(memory[buffer_of(cqe)], "hello", 5);
    tear_down();
}

TEST(sizes_out_of_range_are_refused)
{
    struct weft__buffer_ring other;
    set_up();
    ck_assert_int_eq(weft__buffer_ring_open(&ring, &other, 9, 0), -EINVAL);
    ck_assert_int_eq(weft__buffer_ring_open(&ring, &other, 9, 3), -EINVAL);
    ck_assert_int_eq(weft__buffer_ring_open(&ring, &other, 9, 1 << 16), -EINVAL);
    ck_assert_int_eq(weft__buffer_ring_open(&ring, &other, GROUP, 8), -EEXIST);
    ck_assert_int_eq(weft__buffer_ring_open(&ring, &other, 9, 1 << 15), 0);
    weft__buffer_ring_close(&ring, &other);
    tear_down();
}

TEST_MAIN("buffers", 20, bytes_arrive_in_order_through_recycled_buffers,
          the_end_comes_once_without_more, no_buffers_is_a_pause,
          cancelling_ends_it_with_a_last_completion, a_single_receive_takes_a_buffer_too,
          sizes_out_of_range_are_refused)
