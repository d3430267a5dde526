/*
 * The real ring through its boundary: requests go out in order and none is lost, whatever queue is
 * full. Would catch a wrong tail, a lost completion, a deadline that fires early, and workers of
 * the kernel's without a bound.
 */
#include "support/test.h"

#include "ring/host.h"
#include "ring/request.h"
#include "ring/ring.h"
#include "ring/uring.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct weft__ring ring;

static void open_ring(uint32_t sq_entries, uint32_t cq_entries)
{
    char text[300];
    struct weft__ring_opt opt = {.sq_entries = sq_entries,
                                 .cq_entries = cq_entries,
                                 .error_text = text,
                                 .error_text_size = sizeof text};
    int error = weft__ring_open(&ring, &opt);
    ck_assert_msg(error == 0, "%d: %s", error, text);
    ck_assert_str_eq(text, "");
}

static struct weft__sqe *take(void)
{
    struct weft__sqe *sqe = weft__ring_take(&ring);
    ck_assert_ptr_nonnull(sqe);
    return sqe;
}

static void nop(uint64_t user_data)
{
    struct weft__sqe *sqe = take();
    weft__request_nop(sqe);
    sqe->user_data = user_data;
}

/* Copies out at most `most` completions and frees their slots; how many there were. */
static uint32_t reap(struct weft__cqe *cqes, uint32_t most)
{
    uint32_t head, count = 0;
    for (uint32_t ready = weft__ring_ready(&ring, &head); ready > 0 && count < most;
         ready--, head++)
        cqes[count++] = ring.cqes[head & ring.cq_mask];
    weft__ring_seen(&ring, head);
    return count;
}

/* Waits for one completion and gives it. */
static struct weft__cqe next(void)
{
    struct weft__cqe cqe;
    while (reap(&cqe, 1) == 0)
        ck_assert_int_eq(weft__ring_enter(&ring, 1, INT64_MAX), 0);
    return cqe;
}

/* True when no completion comes within a few milliseconds. */
static int nothing_comes(void)
{
    struct weft__cqe cqe;
    ck_assert_int_eq(weft__ring_enter(&ring, 1, weft__host_now() + 5000000), 0);
    return reap(&cqe, 1) == 0;
}

TEST(batches_of_nops_come_back_in_order)
{
    struct weft__cqe cqes[64];
    open_ring(64, 0);
    for (uint64_t round = 0; round < 1000; round++) {
        uint32_t count = 1 + round % 64;
        for (uint32_t i = 0; i < count; i++)
            nop(round << 8 | i);
        ck_assert_uint_eq(weft__ring_queued(&ring), count);
        ck_assert_int_eq(weft__ring_enter(&ring, count, INT64_MAX), 0);
        ck_assert_uint_eq(weft__ring_queued(&ring), 0);
        ck_assert_uint_eq(reap(cqes, 64), count);
        for (uint32_t i = 0; i < count; i++) {
            ck_assert_uint_eq(cqes[i].user_data, round << 8 | i);
            ck_assert_int_eq(cqes[i].result, 0);
        }
    }
    ck_assert_uint_eq(ring.counts.enters, 1000); /* one system call a batch */
    weft__ring_close(&ring);
}

TEST(an_idle_enter_makes_no_call)
{
    open_ring(8, 0);
    uint64_t before = ring.counts.enters;
    ck_assert_int_eq(weft__ring_enter(&ring, 0, INT64_MAX), 0);
    ck_assert_uint_eq(ring.counts.enters, before);
    weft__ring_close(&ring);
}

TEST(a_full_queue_submits_itself)
{
    struct weft__cqe cqes[100];
    open_ring(8, 256);
    for (uint64_t i = 0; i < 100; i++)
        nop(i);
    ck_assert_uint_eq(ring.counts.sq_full, 12);
    ck_assert_int_eq(weft__ring_enter(&ring, 100, INT64_MAX), 0);
    ck_assert_uint_eq(reap(cqes, 100), 100);
    for (uint64_t i = 0; i < 100; i++)
        ck_assert_uint_eq(cqes[i].user_data, i);
    ck_assert_uint_eq(ring.counts.sqes, 100);
    weft__ring_close(&ring);
}

/* A request the kernel rejects stands in the middle: those behind it are submitted all the same. */
TEST(a_bad_request_stops_nothing)
{
    struct weft__cqe cqes[3];
    open_ring(8, 0);
    nop(1);
    struct weft__sqe *bad = take();
    weft__request_nop(bad);
    bad->opcode = 250;
    bad->user_data = 2;
    nop(3);
    ck_assert_int_eq(weft__ring_enter(&ring, 3, INT64_MAX), 0);
    ck_assert_uint_eq(ring.counts.enters, 1); /* and need no second call */
    ck_assert_uint_eq(reap(cqes, 3), 3);
    unsigned seen = 0; /* in any order: 6.1 reports what it rejects first */
    for (int i = 0; i < 3; i++) {
        seen |= 1u << cqes[i].user_data;
        ck_assert_int_eq(cqes[i].result, cqes[i].user_data == 2 ? -EINVAL : 0);
    }
    ck_assert_uint_eq(seen, 0xe);
    weft__ring_close(&ring);
}

/* Ten times more completions than fit, none read meanwhile: the kernel keeps them, and each comes.
 */
TEST(overflow_loses_nothing)
{
    enum { TOTAL = 640 };
    bool seen[TOTAL] = {false};
    struct weft__cqe cqes[64];
    open_ring(16, 64);
    for (uint64_t i = 0; i < TOTAL; i++) {
        nop(i);
        if (weft__ring_queued(&ring) == 16) {
            struct weft__sqe *sqe = weft__ring_take(&ring); /* submits without reaping */
            ck_assert_ptr_nonnull(sqe);
            ring.sq_tail--; /* only the submission was wanted */
        }
    }
    ck_assert_uint_eq(weft__ring_queued(&ring), 0);
    ck_assert(weft__ring_pending(&ring));
    uint32_t count = 0;
    for (int turn = 0; turn < 100 && count < TOTAL; turn++) {
        ck_assert_int_eq(weft__ring_enter(&ring, 0, INT64_MAX), 0);
        uint32_t got = reap(cqes, 64);
        for (uint32_t i = 0; i < got; i++) {
            ck_assert(!seen[cqes[i].user_data]);
            seen[cqes[i].user_data] = true;
        }
        count += got;
    }
    ck_assert_uint_eq(count, TOTAL);
    ck_assert_uint_gt(ring.counts.overflows, 0);
    ck_assert(!weft__ring_pending(&ring));
    weft__ring_close(&ring);
}

/* While kept completions still find no room, queued requests stay queued: the enter says so. */
TEST(overflow_refuses_more_work)
{
    struct weft__cqe cqes[16];
    open_ring(16, 16);
    for (uint64_t i = 0; i < 60; i++) {
        nop(i);
        if (weft__ring_queued(&ring) == 16 && weft__ring_take(&ring))
            ring.sq_tail--;
    }
    ck_assert_int_eq(weft__ring_enter(&ring, 0, INT64_MAX), -EBUSY);
    ck_assert_uint_eq(weft__ring_queued(&ring), 12);
    uint32_t count = 0;
    for (int turn = 0; turn < 100 && count < 60; turn++) {
        count += reap(cqes, 16);
        int error = weft__ring_enter(&ring, 0, INT64_MAX);
        ck_assert(error == 0 || error == -EBUSY);
    }
    ck_assert_uint_eq(count, 60);
    weft__ring_close(&ring);
}

TEST(a_deadline_is_never_early)
{
    open_ring(8, 0);
    for (int i = 0; i < 200; i++) {
        int64_t deadline = weft__host_now() + i * 10007;
        ck_assert_int_eq(weft__ring_enter(&ring, 1, deadline), 0);
        ck_assert_int_ge(weft__host_now(), deadline);
    }
    /* long past, the smallest, and below zero: back at once, with requests submitted */
    const int64_t past[] = {1, 0, -1, INT64_MIN};
    for (size_t i = 0; i < sizeof past / sizeof past[0]; i++) {
        nop(i);
        nop(i);
        ck_assert_int_eq(weft__ring_enter(&ring, 3, past[i]), 0);
        ck_assert_uint_eq(next().user_data, i);
        ck_assert_uint_eq(next().user_data, i);
    }
    weft__ring_close(&ring);
}

static void on_signal(int number)
{
    (void)number;
}

static atomic_bool interrupted_enough;

static void *interrupt(void *main_thread)
{
    while (!atomic_load(&interrupted_enough)) {
        usleep(2000);
        pthread_kill(*(pthread_t *)main_thread, SIGUSR1);
    }
    return NULL;
}

/* A signal ends the sleep without an error, long before its deadline; the loop above looks again.
 */
TEST(a_signal_is_no_error)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    pthread_t self = pthread_self(), other;
    open_ring(8, 0);
    ck_assert_int_eq(weft__host_signal_action(SIGUSR1, &action, NULL), 0);
    ck_assert_int_eq(pthread_create(&other, NULL, interrupt, &self), 0);
    int64_t deadline = weft__host_now() + INT64_C(3600000000000);
    for (int i = 0; i < 5; i++) /* without the signals: an hour, and the case's time limit */
        ck_assert_int_eq(weft__ring_enter(&ring, 1, deadline), 0);
    atomic_store(&interrupted_enough, true);
    pthread_join(other, NULL);
    weft__ring_close(&ring);
}

/* Of two receives with values of their own, the one named ends and the other lives on. */
TEST(cancel_finds_the_one_it_names)
{
    int pair[2][2];
    char byte[2];
    open_ring(8, 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair[i]), 0);
        struct weft__sqe *sqe = take();
        weft__request_recv(sqe, pair[i][0], &byte[i], 1, 0, 0);
        sqe->user_data = 100 + (uint64_t)i;
    }
    ck_assert(nothing_comes());

    weft__request_cancel(take(), 100);
    ring.sqes[(ring.sq_tail - 1) & ring.sq_mask].user_data = 7;
    struct weft__cqe cqe = next(); /* a cancel that succeeded is silent */
    ck_assert_uint_eq(cqe.user_data, 100);
    ck_assert_int_eq(cqe.result, -ECANCELED);
    ck_assert(nothing_comes());

    weft__request_cancel(take(), 100);
    ring.sqes[(ring.sq_tail - 1) & ring.sq_mask].user_data = 8;
    cqe = next();
    ck_assert_uint_eq(cqe.user_data, 8);
    ck_assert_int_eq(cqe.result, -ENOENT);

    ck_assert_int_eq(write(pair[1][1], "x", 1), 1);
    cqe = next();
    ck_assert_uint_eq(cqe.user_data, 101);
    ck_assert_int_eq(cqe.result, 1);
    for (int i = 0; i < 4; i++)
        close(pair[i / 2][i % 2]);
    weft__ring_close(&ring);
}

/* Why user_data must be unique: of two requests that share one, a cancel ends only one, either. The
   generation in user_data is there so that this never happens. */
TEST(a_shared_user_data_hits_one_of_two)
{
    int pair[2][2];
    char byte[2];
    open_ring(8, 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair[i]), 0);
        struct weft__sqe *sqe = take();
        weft__request_recv(sqe, pair[i][0], &byte[i], 1, 0, 0);
        sqe->user_data = 100;
    }
    ck_assert(nothing_comes());
    weft__request_cancel(take(), 100);
    ring.sqes[(ring.sq_tail - 1) & ring.sq_mask].user_data = 7;
    struct weft__cqe cqe = next();
    ck_assert_uint_eq(cqe.user_data, 100);
    ck_assert_int_eq(cqe.result, -ECANCELED);
    ck_assert(nothing_comes());
    weft__request_cancel(take(), 100);
    ring.sqes[(ring.sq_tail - 1) & ring.sq_mask].user_data = 8;
    ck_assert_int_eq(next().result, -ECANCELED);
    for (int i = 0; i < 4; i++)
        close(pair[i / 2][i % 2]);
    weft__ring_close(&ring);
}

/* Completions wait in the kernel until fetched; the flag tells, and the fetch brings them. */
TEST(pending_tells_of_what_waits)
{
    int pair[2];
    char byte;
    open_ring(8, 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct weft__sqe *sqe = take();
    weft__request_recv(sqe, pair[0], &byte, 1, 0, 0);
    sqe->user_data = 5;
    ck_assert_int_eq(weft__ring_enter(&ring, 0, INT64_MAX), 0);
    ck_assert(!weft__ring_pending(&ring));
    ck_assert_int_eq(write(pair[1], "x", 1), 1);
    ck_assert(weft__ring_pending(&ring));
    ck_assert_int_eq(weft__ring_enter(&ring, 0, INT64_MAX), 0);
    ck_assert_uint_eq(next().user_data, 5);
    ck_assert(!weft__ring_pending(&ring));
    close(pair[0]);
    close(pair[1]);
    weft__ring_close(&ring);
}

/* What the kernel's own threads for a ring may be at most: of those that files wait for, and of the
   others. Nothing of it shows until a disk hangs. */
TEST(workers_are_bounded)
{
    unsigned most[2] = {0, 0}; /* changes nothing, and tells */

    open_ring(8, 0);
    ck_assert_int_eq(io_uring_register_iowq_max_workers(&weft__uring_of(&ring)->uring, most), 0);
    ck_assert_uint_eq(most[0], 8);
    ck_assert_uint_eq(most[1], 64);
    weft__ring_close(&ring);
}

TEST_MAIN("ring", 20, batches_of_nops_come_back_in_order, an_idle_enter_makes_no_call,
          a_full_queue_submits_itself, a_bad_request_stops_nothing, overflow_loses_nothing,
          overflow_refuses_more_work, a_deadline_is_never_early, a_signal_is_no_error,
          cancel_finds_the_one_it_names, a_shared_user_data_hits_one_of_two,
          pending_tells_of_what_waits, workers_are_bounded)
