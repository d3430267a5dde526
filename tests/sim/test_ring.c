/*
 * A ring of the simulated kernel, asked directly: what each drawn trouble looks like when it comes.
 *
 * Each case sets one knob and looks for what it stands for; without it (calm) the same must not be
 * seen. Would catch: a knob that does nothing, a completion lost or doubled under any of them,
 * memory that is let go too early going unnoticed.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>

#include "ring/host.h"
#include "ring/request.h"
#include "sim/world.h"
#include "simulate.h"

#define SECOND_NS INT64_C(1000000000)
enum { SEEDS = 40 };

/* -- a ring and a pair of sockets ---------------------------------------------------------------
 */

struct bench {
    struct weft__ring ring;
    int here, there;
};

struct told { /* what a completion said; result LOST when none came */
    int32_t result;
    uint32_t flags;
    uint32_t order; /* among all completions read */
};
enum { IDS = 1024, KEPT = 16, LOST = INT32_MIN };

/* Completions read so far and not yet asked for, by user_data. */
static struct {
    uint32_t first, end;
    struct told told[KEPT];
} kept[IDS];

static uint32_t read_so_far;

static void reap(struct weft__ring *ring)
{
    uint32_t head;

    for (uint32_t ready = weft__ring_ready(ring, &head); ready > 0; ready--, head++) {
        const struct weft__cqe *cqe = &ring->cqes[head & ring->cq_mask];
        ck_assert_uint_lt(cqe->user_data, IDS);
        if (kept[cqe->user_data].first == kept[cqe->user_data].end)
            kept[cqe->user_data].first = kept[cqe->user_data].end = 0;
        ck_assert_uint_lt(kept[cqe->user_data].end, KEPT);
        kept[cqe->user_data].told[kept[cqe->user_data].end++] =
            (struct told){cqe->result, cqe->flags, ++read_so_far};
    }
    weft__ring_seen(ring, head);
}

/* The next completion with this user_data, or LOST after a second without one. */
static struct told told(struct weft__ring *ring, uint64_t user_data)
{
    int64_t deadline_ns = weft__host_now() + SECOND_NS;

    for (;;) {
        reap(ring);
        if (kept[user_data].first < kept[user_data].end)
            return kept[user_data].told[kept[user_data].first++];
        if (weft__host_now() >= deadline_ns)
            return (struct told){LOST, 0, 0};
        (void)weft__ring_enter(ring, 1, deadline_ns);
    }
}

static struct weft__sqe *take(struct weft__ring *ring)
{
    struct weft__sqe *sqe;

    for (int i = 0; i < 1000; i++) {
        sqe = weft__ring_take(ring);
        if (sqe)
            return sqe;
        (void)weft__ring_enter(ring, 0, 0);
    }
    ck_abort_msg("no request to be had");
}

static void ask_recv(struct bench *bench, void *memory, uint32_t size, uint32_t flags,
                     uint64_t user_data)
{
    struct weft__sqe *sqe = take(&bench->ring);

    weft__request_recv(sqe, bench->there, memory, size, flags, 0);
    sqe->user_data = user_data;
}

static void ask_cancel(struct bench *bench, uint64_t target, uint64_t user_data)
{
    struct weft__sqe *sqe = take(&bench->ring);

    weft__request_cancel(sqe, target);
    sqe->flags = 0; /* success is to be seen */
    sqe->user_data = user_data;
}

static void ask_send(struct bench *bench, const char *text, uint32_t size)
{
    struct weft__sqe *sqe = take(&bench->ring);

    weft__request_send(sqe, bench->here, text, size, MSG_NOSIGNAL | MSG_WAITALL);
    sqe->user_data = 900;
}

static int32_t send_all(struct bench *bench, const char *text, uint32_t size)
{
    ask_send(bench, text, size);
    return told(&bench->ring, 900).result;
}

static int32_t ask_accept(struct weft__ring *ring, int listener)
{
    struct weft__sqe *sqe = take(ring);

    weft__request_accept(sqe, listener, 0, false);
    sqe->user_data = 901;
    return told(ring, 901).result;
}

static void connect_pair(struct bench *bench)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    struct weft__sqe *sqe;
    int listener = weft__host_socket(AF_INET, SOCK_STREAM, 0);

    ok(weft__host_bind(listener, (struct sockaddr *)&address, length));
    ok(weft__host_listen(listener, 8));
    ok(weft__host_getsockname(listener, (struct sockaddr *)&address, &length));
    bench->here = weft__host_socket(AF_INET, SOCK_STREAM, 0);
    sqe = take(&bench->ring);
    weft__request_connect(sqe, bench->here, &address, sizeof address);
    sqe->user_data = 902;
    ck_assert_int_eq(told(&bench->ring, 902).result, 0);
    bench->there = ask_accept(&bench->ring, listener);
    ok(bench->there);
    ok(weft__host_close(listener));
}

static void bench_open(struct bench *bench)
{
    const struct weft__ring_opt opt = {.sq_entries = 64, .cq_entries = 256};

    memset(kept, 0, sizeof kept);
    ok(weft__ring_open(&bench->ring, &opt));
    connect_pair(bench);
}

static int bench_close(struct bench *bench)
{
    ok(weft__host_close(bench->here));
    ok(weft__host_close(bench->there));
    weft__ring_close(&bench->ring);
    return 0;
}

/* -- runs over seeds ----------------------------------------------------------------------------
 */

static void run(uint64_t seed, const char *plan, int (*fn)(void *arg), void *arg)
{
    struct world world = {.seed = seed, .plan = plan};

    ck_assert_int_eq(world_run_fn(&world, fn, arg), 0);
}

/* fn adds to *seen what it saw: some under the plan, nothing under a calm one. */
static void seen_under(const char *plan, int (*fn)(void *arg))
{
    int seen = 0;

    run(1, "calm", fn, &seen);
    ck_assert_msg(seen == 0, "seen %d times with nothing drawn", seen);
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run(seed, plan, fn, &seen);
    ck_assert_msg(seen > 0, "%s: never seen", plan);
}

/* -- enter --------------------------------------------------------------------------------------
 */

static int sees_refusals(void *arg)
{
    struct bench bench;

    bench_open(&bench);
    for (uint64_t i = 1; i <= 50; i++) {
        struct weft__sqe *sqe = take(&bench.ring);
        weft__request_nop(sqe);
        sqe->user_data = i;
        int error = weft__ring_enter(&bench.ring, 0, 0);
        if (error < 0) {
            ck_assert(error == -EAGAIN || error == -EBUSY);
            ck_assert_uint_gt(weft__ring_queued(&bench.ring), 0); /* it is still there */
            ++*(int *)arg;
        }
        ck_assert_int_eq(told(&bench.ring, i).result, 0);
    }
    return bench_close(&bench);
}

TEST(enter_refuses)
{
    seen_under("calm enter.again=1/4", sees_refusals);
}

static int sees_part(void *arg)
{
    struct bench bench;

    bench_open(&bench);
    for (uint64_t i = 1; i <= 8; i++) {
        struct weft__sqe *sqe = take(&bench.ring);
        weft__request_nop(sqe);
        sqe->user_data = i;
    }
    if (weft__ring_enter(&bench.ring, 0, 0) == -EAGAIN) {
        ck_assert_uint_lt(weft__ring_queued(&bench.ring), 8);
        ck_assert_uint_gt(weft__ring_queued(&bench.ring), 0);
        ++*(int *)arg;
    }
    for (uint64_t i = 1; i <= 8; i++)
        ck_assert_int_eq(told(&bench.ring, i).result, 0);
    return bench_close(&bench);
}

TEST(enter_takes_part)
{
    seen_under("calm enter.short=1/2", sees_part);
}

static int sees_no_request(void *arg)
{
    struct bench bench;
    uint32_t taken = 0;

    bench_open(&bench);
    for (uint32_t i = 0; i < 200; i++) {
        struct weft__sqe *sqe = weft__ring_take(&bench.ring);
        if (!sqe) {
            ++*(int *)arg;
            continue;
        }
        weft__request_nop(sqe);
        sqe->user_data = 1 + taken++;
    }
    for (uint32_t i = 1; i <= taken; i++)
        ck_assert_int_eq(told(&bench.ring, i).result, 0);
    return bench_close(&bench);
}

TEST(the_submission_queue_is_full)
{
    seen_under("calm sq.full=1/2", sees_no_request);
    seen_under("calm sq.size=2 sq.full=1/4", sees_no_request);
}

static int sees_early_wakes(void *arg)
{
    struct bench bench;

    bench_open(&bench);
    for (int i = 0; i < 20; i++) {
        int64_t deadline_ns = weft__host_now() + 1000000;
        ck_assert_int_eq(weft__ring_enter(&bench.ring, 1, deadline_ns), 0);
        *(int *)arg += weft__host_now() < deadline_ns;
    }
    return bench_close(&bench);
}

TEST(a_sleep_is_interrupted)
{
    seen_under("calm enter.eintr=1/4", sees_early_wakes);
}

/* -- the completion queue -----------------------------------------------------------------------
 */

/* Armed accepts meet a full queue: all connections are told of, and the last says that it ended. */
static int overflows(void *arg)
{
    struct bench bench;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    struct weft__sqe *sqe;
    struct told accepted = {0, 0, 0};
    int listener, ends = 0;

    bench_open(&bench);
    listener = weft__host_socket(AF_INET, SOCK_STREAM, 0);
    ok(weft__host_bind(listener, (struct sockaddr *)&address, length));
    ok(weft__host_listen(listener, 64));
    ok(weft__host_getsockname(listener, (struct sockaddr *)&address, &length));
    int fds[12];
    for (int i = 0; i < 12; i++) {
        fds[i] = weft__host_socket(AF_INET, SOCK_STREAM, 0);
        sqe = take(&bench.ring);
        weft__request_connect(sqe, fds[i], &address, sizeof address);
        sqe->user_data = 100 + (uint64_t)i;
        ck_assert_int_eq(told(&bench.ring, 100 + (uint64_t)i).result, 0);
    }
    for (int i = 0; i < 12; i++) {
        if (i == 0 || !(accepted.flags & WEFT__CQE_MORE)) { /* armed on nothing else */
            ends += i > 0;
            sqe = take(&bench.ring);
            weft__request_accept(sqe, listener, 0, true);
            sqe->user_data = 1;
        }
        accepted = told(&bench.ring, 1);
        ok(accepted.result);
        ok(weft__host_close(accepted.result));
    }
    *(int *)arg += bench.ring.counts.overflows > 0 && ends > 0;
    ask_cancel(&bench, 1, 2);
    (void)told(&bench.ring, 2);
    for (int i = 0; i < 12; i++)
        ok(weft__host_close(fds[i]));
    ok(weft__host_close(listener));
    return bench_close(&bench);
}

TEST(an_overflow_loses_nothing_and_ends_a_multishot)
{
    seen_under("calm cq.full=1/3", overflows);
}

TEST(a_multishot_ends_for_no_reason)
{
    int seen = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run(seed, "calm multishot.end=1/3", overflows, &seen); /* it is armed again, each time */
    ck_assert_int_eq(seen, 0);                                 /* and nothing overflowed */
}

/* A lost completion is not to be lived with: the ring says so for ever. */
static int loses(void *arg)
{
    struct bench bench;
    struct weft__sqe *sqe;

    (void)arg;
    bench_open(&bench);
    weft__sim_here()->plan.knobs[WEFT__SIM_ENTER_LOST].low = WEFT__SIM_ODDS;
    sqe = take(&bench.ring);
    weft__request_nop(sqe);
    sqe->user_data = 1;
    ck_assert_int_eq(weft__ring_enter(&bench.ring, 0, 0), -EBADR);
    ck_assert_int_eq(told(&bench.ring, 1).result, LOST);
    return bench_close(&bench);
}

TEST(a_completion_is_lost)
{
    run(1, "calm", loses, NULL);
}

/* -- receives -----------------------------------------------------------------------------------
 */

static int sees_short_counts(void *arg)
{
    struct bench bench;
    char bytes[100], text[100];

    memset(text, 'x', sizeof text);
    bench_open(&bench);
    ck_assert_int_eq(send_all(&bench, text, sizeof text), sizeof text);
    for (size_t got = 0; got < sizeof bytes;) {
        ask_recv(&bench, bytes + got, (uint32_t)(sizeof bytes - got), 0, 1);
        int32_t n = told(&bench.ring, 1).result;
        ck_assert_int_gt(n, 0);
        got += (size_t)n;
        *(int *)arg += got < sizeof bytes;
    }
    ck_assert_mem_eq(bytes, text, sizeof text);
    return bench_close(&bench);
}

TEST(transfers_are_short)
{
    seen_under("calm net.latency=0 op.short=1/2", sees_short_counts);
}

static int sees_errors(void *arg)
{
    struct bench bench;
    char byte;

    bench_open(&bench);
    ck_assert_int_eq(send_all(&bench, "0123456789", 10), 10);
    weft__sim_here()->plan.knobs[WEFT__SIM_ERRNO].low = *(int *)arg >= 0 ? WEFT__SIM_ODDS / 2 : 0;
    for (int got = 0; got < 10;) {
        int32_t n;
        ask_recv(&bench, &byte, 1, 0, 1);
        n = told(&bench.ring, 1).result;
        if (n == 1)
            ck_assert_int_eq(byte, '0' + got++); /* an error has cost no byte */
        else
            ck_assert(n == -ENOMEM || n == -EINTR);
        *(int *)arg += n < 0;
    }
    return bench_close(&bench);
}

TEST(errors_without_an_effect)
{
    int seen = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run(seed, "calm net.latency=0", sees_errors, &seen);
    ck_assert_int_gt(seen, SEEDS);
}

/* By order: the third receive on the accepted side meets a reset, and so does the peer. */
static int reset_by_order(void *arg)
{
    struct bench bench;
    char byte;

    (void)arg;
    bench_open(&bench);
    ck_assert_int_eq(send_all(&bench, "01", 2), 2);
    for (uint64_t i = 1; i <= 2; i++) {
        ask_recv(&bench, &byte, 1, 0, i);
        ck_assert_int_eq(told(&bench.ring, i).result, 1);
    }
    ask_recv(&bench, &byte, 1, 0, 3);
    ck_assert_int_eq(told(&bench.ring, 3).result, -ECONNRESET);
    ck_assert_int_lt(send_all(&bench, "x", 1), 0);
    return bench_close(&bench);
}

TEST(the_third_receive_is_reset)
{
    run(1, "calm recv#3=reset", reset_by_order, NULL);
    run(1, "calm recv#3@tcp=reset", reset_by_order, NULL);
    run(2, "rough op.spurious=never recv#3=reset send#1=late", reset_by_order, NULL);
}

static int hangs_by_order(void *arg)
{
    struct bench bench;
    char byte;

    (void)arg;
    bench_open(&bench);
    ck_assert_int_eq(send_all(&bench, "01", 2), 2);
    ask_recv(&bench, &byte, 1, 0, 1);
    ck_assert_int_eq(told(&bench.ring, 1).result, LOST);
    ask_cancel(&bench, 1, 2);
    ck_assert_int_eq(told(&bench.ring, 2).result, 0);
    ck_assert_int_eq(told(&bench.ring, 1).result, -ECANCELED);
    ask_recv(&bench, &byte, 1, 0, 3);
    ck_assert_int_eq(told(&bench.ring, 3).result, -ENOMEM);
    ask_recv(&bench, &byte, 1, 0, 4);
    ck_assert_int_eq(told(&bench.ring, 4).result, 1);
    ck_assert_int_eq(byte, '0');
    return bench_close(&bench);
}

TEST(one_hangs_and_one_fails_by_order)
{
    run(1, "calm recv#1=hang recv#2=ENOMEM", hangs_by_order, NULL);
}

/* -- cancelling ---------------------------------------------------------------------------------
 */

enum { CANCEL_ANSWERS = 3, ENDS = 5 };
static int pairs[CANCEL_ANSWERS][ENDS], answer_first, end_first;

static int answer_index(int32_t answer)
{
    ck_assert(answer == 0 || answer == -ENOENT || answer == -EALREADY);
    return answer == 0 ? 0 : answer == -ENOENT ? 1 : 2;
}

static int end_index(int32_t end)
{
    ck_assert(end > 0 || end == -ECANCELED || end == -EINTR || end == -512);
    return end == 10 ? 0 : end > 0 ? 1 : end == -ECANCELED ? 2 : end == -EINTR ? 3 : 4;
}

/* A receive of ten bytes meets none, four, or ten of them, and a cancel. */
static int cancels(void *arg)
{
    struct bench bench;
    char bytes[10];
    uint32_t sent = (uint32_t) * (int *)arg;
    struct told answer, end;

    bench_open(&bench);
    ask_recv(&bench, bytes, sizeof bytes, MSG_WAITALL, 1);
    (void)weft__ring_enter(&bench.ring, 0, 0);
    if (sent > 0 && weft_sim_seed() % 2)
        ck_assert_int_eq(send_all(&bench, "0123456789", sent), (int)sent);
    else if (sent > 0)
        ask_send(&bench, "0123456789", sent); /* along with the cancel */
    ask_cancel(&bench, 1, 2);
    answer = told(&bench.ring, 2);
    end = told(&bench.ring, 1);
    answer_first += answer.order < end.order;
    end_first += answer.order > end.order;
    if (sent > 0 && weft_sim_seed() % 2 == 0)
        ck_assert_int_eq(told(&bench.ring, 900).result, (int)sent);
    pairs[answer_index(answer.result)][end_index(end.result)]++;
    return bench_close(&bench);
}

TEST(every_pair_of_a_cancel_and_an_end)
{
    int sent[] = {0, 4, 10};

    for (uint64_t seed = 1; seed <= 200; seed++)
        for (int i = 0; i < 3; i++)
            run(seed, "rough net.latency=0..100us cancel.time=0..20ms", cancels, &sent[i]);
    for (int answer = 0; answer < CANCEL_ANSWERS; answer++)
        for (int end = 0; end < ENDS; end++)
            /* 0 and -ENOENT are told of those that were not begun: no signal hits them */
            if (answer == 2 || end <= 2)
                ck_assert_msg(pairs[answer][end] > 0, "answer %d with end %d never came", answer,
                              end);
    ck_assert_int_gt(answer_first, 0);
    ck_assert_int_gt(end_first, 0);
}

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

TEST_MAIN("sim/ring", 60, enter_refuses, enter_takes_part, the_submission_queue_is_full,
          a_sleep_is_interrupted, an_overflow_loses_nothing_and_ends_a_multishot,
          a_multishot_ends_for_no_reason, a_completion_is_lost, transfers_are_short,
          errors_without_an_effect, the_third_receive_is_reset, one_hangs_and_one_fails_by_order,
          every_pair_of_a_cancel_and_an_end, a_ring_of_buffers_runs_empty, an_end_is_overlooked,
          memory_that_is_changed_while_lent_is_noticed,
          a_frame_that_ends_before_the_completion_is_noticed)
