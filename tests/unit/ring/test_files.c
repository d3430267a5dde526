/*
 * Files the ring holds by itself: requests name them by the number of their descriptor, they stay
 * open until let go, and a peer sees the end the moment the descriptor is closed after that. Would
 * catch a file let go too late (the peer waits), and one that is not held at all.
 */
#include "support/test.h"

#include "ring/request.h"
#include "ring/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct weft__ring ring;
static int pair[2];

static void set_up(void)
{
    struct weft__ring_opt opt = {.sq_entries = 8};
    ck_assert_int_eq(weft__ring_open(&ring, &opt), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
}

static void tear_down(void)
{
    close(pair[1]);
    weft__ring_close(&ring);
}

/* One send of one byte on `fd`, marked as held or not; its result. */
static int32_t send_byte(int fd, uint8_t flags)
{
    uint32_t head;
    struct weft__sqe *sqe = weft__ring_take(&ring);
    weft__request_send(sqe, fd, "x", 1, MSG_NOSIGNAL);
    sqe->flags = flags;
    sqe->user_data = 1;
    while (weft__ring_ready(&ring, &head) == 0)
        ck_assert_int_eq(weft__ring_enter(&ring, 1, INT64_MAX), 0);
    int32_t result = ring.cqes[head & ring.cq_mask].result;
    weft__ring_seen(&ring, head + 1);
    return result;
}

TEST(a_held_file_is_used_and_its_end_is_seen)
{
    char byte;
    set_up();
    if (!(ring.features & WEFT__FEATURE_FIXED_FILES)) { /* an older kernel: refused, nothing else */
        ck_assert_int_eq(weft__ring_file_hold(&ring, pair[0]), -ENOTSUP);
        close(pair[0]);
        tear_down();
        return;
    }
    ck_assert_int_eq(send_byte(pair[0], WEFT__SQE_FIXED_FILE), -EBADF); /* not held yet */
    ck_assert_int_eq(weft__ring_file_hold(&ring, pair[0]), 0);
    ck_assert_int_eq(send_byte(pair[0], WEFT__SQE_FIXED_FILE), 1);
    ck_assert_int_eq(send_byte(pair[0], 0), 1);
    ck_assert_int_eq(read(pair[1], &byte, 1), 1);
    ck_assert_int_eq(read(pair[1], &byte, 1), 1);
    weft__ring_file_let_go(&ring, pair[0]);
    close(pair[0]);
    ck_assert_int_eq(read(pair[1], &byte, 1), 0); /* the end, at once: not EAGAIN */
    tear_down();
}

TEST(closing_is_not_enough_while_it_is_held)
{
    char byte;
    set_up();
    if (ring.features & WEFT__FEATURE_FIXED_FILES) {
        ck_assert_int_eq(weft__ring_file_hold(&ring, pair[0]), 0);
        close(pair[0]);
        ck_assert_int_eq(read(pair[1], &byte, 1), -1);
        ck_assert_int_eq(errno, EAGAIN);
        weft__ring_file_let_go(&ring, pair[0]);
        ck_assert_int_eq(read(pair[1], &byte, 1), 0);
    } else {
        close(pair[0]);
    }
    tear_down();
}

TEST(masked_off_it_is_refused)
{
    ck_assert_int_eq(setenv("WEFT_RING_MASK", "fixed_files", 1), 0);
    set_up();
    ck_assert_int_eq(weft__ring_file_hold(&ring, pair[0]), -ENOTSUP);
    ck_assert_int_eq(send_byte(pair[0], 0), 1);
    close(pair[0]);
    tear_down();
}

TEST(what_is_not_open_cannot_be_held)
{
    set_up();
    ck_assert_int_lt(weft__ring_file_hold(&ring, 19999), 0);
    ck_assert_int_lt(weft__ring_file_hold(&ring, 1 << 30), 0);
    close(pair[0]);
    tear_down();
}

TEST_MAIN("ring/files", 20, a_held_file_is_used_and_its_end_is_seen,
          closing_is_not_enough_while_it_is_held, masked_off_it_is_refused,
          what_is_not_open_cannot_be_held)
