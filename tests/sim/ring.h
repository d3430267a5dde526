/*
 * What the tests of a ring of the simulated kernel share: a ring and a connection, asked directly,
 * and runs over seeds that look for what a knob stands for.
 */
#ifndef WEFT_TESTS_SIM_RING_H
#define WEFT_TESTS_SIM_RING_H

#include <netinet/in.h>

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

static inline void reap(struct weft__ring *ring)
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
static inline struct told told(struct weft__ring *ring, uint64_t user_data)
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

static inline struct weft__sqe *take(struct weft__ring *ring)
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

static inline void ask_recv(struct bench *bench, void *memory, uint32_t size, uint32_t flags,
                            uint64_t user_data)
{
    struct weft__sqe *sqe = take(&bench->ring);

    weft__request_recv(sqe, bench->there, memory, size, flags, 0);
    sqe->user_data = user_data;
}

static inline void ask_cancel(struct bench *bench, uint64_t target, uint64_t user_data)
{
    struct weft__sqe *sqe = take(&bench->ring);

    weft__request_cancel(sqe, target);
    sqe->flags = 0; /* success is to be seen */
    sqe->user_data = user_data;
}

static inline void ask_send(struct bench *bench, const char *text, uint32_t size)
{
    struct weft__sqe *sqe = take(&bench->ring);

    weft__request_send(sqe, bench->here, text, size, MSG_NOSIGNAL | MSG_WAITALL);
    sqe->user_data = 900;
}

static inline int32_t send_all(struct bench *bench, const char *text, uint32_t size)
{
    ask_send(bench, text, size);
    return told(&bench->ring, 900).result;
}

static inline int32_t ask_accept(struct weft__ring *ring, int listener)
{
    struct weft__sqe *sqe = take(ring);

    weft__request_accept(sqe, listener, 0, false);
    sqe->user_data = 901;
    return told(ring, 901).result;
}

static inline void connect_pair(struct bench *bench)
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

static inline void bench_open(struct bench *bench)
{
    const struct weft__ring_opt opt = {.sq_entries = 64, .cq_entries = 256};

    memset(kept, 0, sizeof kept);
    ok(weft__ring_open(&bench->ring, &opt));
    connect_pair(bench);
}

static inline int bench_close(struct bench *bench)
{
    ok(weft__host_close(bench->here));
    ok(weft__host_close(bench->there));
    weft__ring_close(&bench->ring);
    return 0;
}

/* -- runs over seeds ----------------------------------------------------------------------------
 */

static inline void run(uint64_t seed, const char *plan, int (*fn)(void *arg), void *arg)
{
    struct world world = {.seed = seed, .plan = plan};

    ck_assert_int_eq(world_run_fn(&world, fn, arg), 0);
}

/* fn adds to *seen what it saw: some under the plan, nothing under a calm one. */
static inline void seen_under(const char *plan, int (*fn)(void *arg))
{
    int seen = 0;

    run(1, "calm", fn, &seen);
    ck_assert_msg(seen == 0, "seen %d times with nothing drawn", seen);
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run(seed, plan, fn, &seen);
    ck_assert_msg(seen > 0, "%s: never seen", plan);
}

#endif
