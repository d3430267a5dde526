/*
 * A ring of the simulated kernel, asked directly: what each drawn trouble looks like when it comes.
 *
 * Each case sets one knob and looks for what it stands for; without it (calm) the same must not be
 * seen. Would catch: a knob that does nothing, a completion lost or doubled under any of them.
 * Memory that a ring has been lent: test_ring_lent.c.
 */
#include "ring.h"

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

TEST_MAIN("sim/ring", 60, enter_refuses, enter_takes_part, the_submission_queue_is_full,
          a_sleep_is_interrupted, an_overflow_loses_nothing_and_ends_a_multishot,
          a_multishot_ends_for_no_reason, a_completion_is_lost, transfers_are_short,
          errors_without_an_effect, the_third_receive_is_reset, one_hangs_and_one_fails_by_order,
          every_pair_of_a_cancel_and_an_end)
