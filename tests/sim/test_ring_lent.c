/*
 * Memory that a ring of the simulated kernel has been lent: rings of buffers that run empty, and
 * what is being sent or received. Would catch: a knob of those that does nothing, bytes lost where
 * there was no buffer, and memory that is let go too early going unnoticed.
 */
#include <fcntl.h>

#include "ring.h"

/* -- rings of buffers ---------------------------------------------------------------------------
 */

static char memory[4][16];

static int uses_buffers(void *arg)
{
    struct bench bench;
    struct weft__buffer_ring buffers;
    struct weft__sqe *sqe;
    struct told end;
    int full = 0;

    bench_open(&bench);
    ok(weft__buffer_ring_open(&bench.ring, &buffers, 7, 4));
    for (uint16_t i = 0; i < 4; i++)
        weft__buffer_ring_add(&buffers, memory[i], sizeof memory[i], i);
    weft__buffer_ring_publish(&buffers);
    sqe = take(&bench.ring);
    weft__request_recv_multishot(sqe, bench.there, 7, 0);
    sqe->user_data = 1;
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(send_all(&bench, "sixteen bytes...", 16), 16);
    do {
        end = told(&bench.ring, 1);
        if (end.result > 0) {
            ck_assert_uint_ne(end.flags & WEFT__CQE_BUFFER, 0);
            ck_assert_uint_eq(end.flags >> WEFT__CQE_BUFFER_SHIFT, full);
            full++;
        }
    } while (end.flags & WEFT__CQE_MORE);
    /* four buffers, and what comes then finds none: it ends, and nothing is lost */
    if (end.result == -ENOBUFS && full < 4)
        ++*(int *)arg; /* none was found though some were there */
    else
        ck_assert_int_eq(end.result, -ENOBUFS);
    weft__buffer_ring_close(&bench.ring, &buffers);
    return bench_close(&bench);
}

/* An empty ring is told of when data comes, or, as drawn, before. */
static int arms_without_buffers(void *arg)
{
    struct bench bench;
    struct weft__buffer_ring buffers;
    struct weft__sqe *sqe;
    struct told early;

    bench_open(&bench);
    ok(weft__buffer_ring_open(&bench.ring, &buffers, 7, 4));
    sqe = take(&bench.ring);
    weft__request_recv_multishot(sqe, bench.there, 7, 0);
    sqe->user_data = 1;
    early = told(&bench.ring, 1);
    if (early.result == LOST) {
        ck_assert_int_eq(send_all(&bench, "late", 4), 4);
        ck_assert_int_eq(told(&bench.ring, 1).result, -ENOBUFS);
    } else {
        ck_assert_int_eq(early.result, -ENOBUFS);
        ck_assert_uint_eq(early.flags & WEFT__CQE_MORE, 0);
        ++*(int *)arg;
    }
    weft__buffer_ring_close(&bench.ring, &buffers);
    return bench_close(&bench);
}

/* Armed to wait first, with bytes and a reset there: as drawn, the bytes are all that is told. */
static int overlooks_an_end(void *arg)
{
    struct bench bench;
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    struct weft__buffer_ring buffers;
    struct weft__sqe *sqe;
    struct told end;

    bench_open(&bench);
    ok(weft__buffer_ring_open(&bench.ring, &buffers, 7, 4));
    for (uint16_t i = 0; i < 4; i++)
        weft__buffer_ring_add(&buffers, memory[i], sizeof memory[i], i);
    weft__buffer_ring_publish(&buffers);
    ck_assert_int_eq(send_all(&bench, "last", 4), 4);
    ok(weft__host_setsockopt(bench.here, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    ok(weft__host_close(bench.here));
    sqe = take(&bench.ring);
    weft__request_recv_multishot(sqe, bench.there, 7, WEFT__RECV_POLL_FIRST);
    sqe->user_data = 1;
    ck_assert_int_eq(told(&bench.ring, 1).result, 4);
    end = told(&bench.ring, 1);
    if (end.result == LOST)
        ++*(int *)arg;
    else
        ck_assert_int_eq(end.result, -ECONNRESET);
    weft__buffer_ring_close(&bench.ring, &buffers);
    ok(weft__host_close(bench.there));
    weft__ring_close(&bench.ring);
    return 0;
}

TEST(an_end_is_overlooked)
{
    seen_under("calm net.latency=0 recv.end_unseen=1/2", overlooks_an_end);
}

TEST(a_ring_of_buffers_runs_empty)
{
    seen_under("calm net.latency=0 buffers.early=1/2", arms_without_buffers);
    seen_under("calm net.latency=0 buffers.none=1/6", uses_buffers);
}

/* -- what is lent -------------------------------------------------------------------------------
 */

static int changes_what_it_sends(void *arg)
{
    struct bench bench;
    struct weft__sqe *sqe;
    char text[] = "0123456789";

    bench_open(&bench);
    sqe = take(&bench.ring);
    weft__request_send(sqe, bench.here, text, 10, MSG_NOSIGNAL);
    sqe->user_data = 1;
    (void)weft__ring_enter(&bench.ring, 0, 0);
    text[4] = 'x'; /* too early: it is the kernel's */
    (void)told(&bench.ring, 1);
    (void)arg;
    return bench_close(&bench);
}

TEST(memory_that_is_changed_while_lent_is_noticed)
{
    struct world world = {.seed = 1,
                          .plan = "calm op.inline=never op.later_time=1ms",
                          .fails = true};

    ck_assert_int_eq(world_run_fn_apart(&world, changes_what_it_sends, NULL), -EFAULT);
    ck_assert_ptr_nonnull(strstr(world.report, "memory lent to the kernel was changed"));
}

/* Under the address sanitizer the frame that ends takes the mark with it, or leaves it behind for
   whoever uses the stack next: either way somebody stumbles over it. */
static __attribute__((noinline)) void ask_in_a_frame(struct bench *bench)
{
    char bytes[64];

    ask_recv(bench, bytes, sizeof bytes, 0, 1);
    (void)weft__ring_enter(&bench->ring, 0, 0);
}

static __attribute__((noinline)) void use_the_stack_again(void)
{
    volatile char bytes[256];

    memset((char *)bytes, 1, sizeof bytes);
}

static int leaves_its_frame(void *arg)
{
    struct bench bench;

    (void)arg;
    bench_open(&bench);
    ask_in_a_frame(&bench);
    use_the_stack_again();
    ask_cancel(&bench, 1, 2);
    (void)told(&bench.ring, 1);
    return bench_close(&bench);
}

#ifdef WEFT__SAN_ADDRESS
enum { NOTICED = 42 }; /* by the simulated kernel; the sanitizer ends the process by itself */
#else
enum { NOTICED = 0 }; /* nothing tells, without the sanitizer */
#endif

TEST(a_frame_that_ends_before_the_completion_is_noticed)
{
    struct world world = {.seed = 1, .plan = "calm", .fails = true};
    int status;
    pid_t child = fork();

    if (child == 0) {
        if (NOTICED)
            dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        _exit(world_run_fn(&world, leaves_its_frame, NULL) == -EFAULT ? 42 : 0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(NOTICED ? status != 0 : status == 0);
}

TEST_MAIN("sim/ring_lent", 60, a_ring_of_buffers_runs_empty, an_end_is_overlooked,
          memory_that_is_changed_while_lent_is_noticed,
          a_frame_that_ends_before_the_completion_is_noticed)
