/*
 * What the ring layer adds to a bare ring, and what a bell costs.
 *
 *   nop_layer / nop_bare     a batch of N NOPs through our boundary, and through raw system calls
 * on a ring set up alike: the difference is what the layer costs bell_eventfd             a write
 * to the eventfd of a ring whose thread is awake: the poster's cost bell_message/N           N
 * MSG_RING requests that ride along with one enter: the same, per bell round_trip_*             two
 * threads, each asleep in its ring, wake each other in turn
 */
#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <liburing.h>
#include <pthread.h>
#include <thread>
#include <unistd.h>

extern "C" {
#include "ring/host.h"
#include "ring/ring.h"
}

namespace
{

constexpr uint64_t BELL = 1, SENT = 2;

void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "bench_ring: %s\n", what);
        abort();
    }
}

void open_ring(weft__ring *ring)
{
    char text[300];
    weft__ring_opt opt = {256, 1024, text, sizeof text, {}};
    must(weft__ring_open(ring, &opt) == 0, text);
}

uint32_t drop_all(weft__ring *ring)
{
    uint32_t head, ready = weft__ring_ready(ring, &head);
    weft__ring_seen(ring, head + ready);
    return ready;
}

void nop_layer(benchmark::State &state)
{
    const uint32_t batch = (uint32_t)state.range(0);
    weft__ring ring;
    open_ring(&ring);
    uint64_t sum = 0;
    for (auto _ : state) {
        for (uint32_t i = 0; i < batch; i++) {
            weft__sqe *sqe = weft__ring_take(&ring);
            memset(sqe, 0, sizeof *sqe); /* what request.h does: all 64 bytes, opcode 0 is a NOP */
            sqe->fd = -1;
            sqe->user_data = i;
        }
        weft__ring_enter(&ring, batch, INT64_MAX);
        uint32_t head;
        for (uint32_t ready = weft__ring_ready(&ring, &head); ready > 0; ready--, head++)
            sum += ring.cqes[head & ring.cq_mask].user_data;
        weft__ring_seen(&ring, head);
    }
    benchmark::DoNotOptimize(sum);
    state.SetItemsProcessed(state.iterations() * batch);
    weft__ring_close(&ring);
}

/* The best a program could write for itself: the same flags, raw calls, registered descriptor. */
void nop_bare(benchmark::State &state)
{
    const uint32_t batch = (uint32_t)state.range(0);
    constexpr unsigned NO_SQARRAY = 1u << 16, FLAGS = IORING_SETUP_SINGLE_ISSUER |
                                                      IORING_SETUP_DEFER_TASKRUN |
                                                      IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
    io_uring_params params = {};
    io_uring ring;
    params.flags = FLAGS | NO_SQARRAY;
    params.cq_entries = 1024;
    int fd = io_uring_setup(256, &params);
    if (fd == -EINVAL) {
        params = {};
        params.flags = FLAGS;
        params.cq_entries = 1024;
        fd = io_uring_setup(256, &params);
    }
    must(fd >= 0 && io_uring_queue_mmap(fd, &params, &ring) == 0, "io_uring_setup");
    must(io_uring_register_ring_fd(&ring) == 1, "register_ring_fd");
    if (!(params.flags & NO_SQARRAY))
        for (unsigned i = 0; i < 256; i++)
            ring.sq.array[i] = i;
    unsigned tail = 0, head = 0;
    uint64_t sum = 0;
    for (auto _ : state) {
        for (uint32_t i = 0; i < batch; i++) {
            io_uring_sqe *sqe = &ring.sq.sqes[tail++ & 255];
            memset(sqe, 0, sizeof *sqe);
            sqe->fd = -1;
            sqe->user_data = i;
        }
        __atomic_store_n(ring.sq.ktail, tail, __ATOMIC_RELEASE);
        io_uring_enter2(ring.enter_ring_fd, batch, batch,
                        IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING, nullptr, 0);
        unsigned end = __atomic_load_n(ring.cq.ktail, __ATOMIC_ACQUIRE);
        for (; head != end; head++)
            sum += ring.cq.cqes[head & 1023].user_data;
        __atomic_store_n(ring.cq.khead, head, __ATOMIC_RELEASE);
    }
    benchmark::DoNotOptimize(sum);
    state.SetItemsProcessed(state.iterations() * batch);
    io_uring_queue_exit(&ring);
}

/* Two different CPUs where there are two. A thread of the standard library starts with the pin of
   its creator, so the numbers are asked for once, before anybody is pinned. */
const int cpus[2] = {weft__host_cpu_number(0), weft__host_cpu_number(1)};

void pin(int index)
{
    if (cpus[1] >= 0)
        weft__host_pin(cpus[index]);
}

void ring_bell(weft__bell *bell, weft__ring *from, bool by_message)
{
    if (!by_message) {
        weft__bell_ring(bell);
        return;
    }
    weft__sqe *sqe = weft__ring_take(from);
    must(sqe && weft__bell_prepare(bell, from, sqe), "no MSG_RING here");
    sqe->user_data = SENT;
}

/* A reactor that is rung at and does nothing else: asleep, or looking without pause. */
struct sleeper {
    weft__ring ring;
    weft__bell bell;
    weft__bell *answer = nullptr; /* the bell of whoever rings, for round trips */
    bool by_message = false, spin = false;
    std::atomic<bool> ready{false}, stop{false};
    std::thread thread;

    void run()
    {
        pin(1);
        open_ring(&ring);
        must(weft__bell_open(&bell, &ring, BELL) == 0, "bell");
        weft__ring_enter(&ring, 0, INT64_MAX);
        ready = true;
        while (!stop) {
            weft__ring_enter(&ring, spin ? 0 : 1, INT64_MAX);
            if (drop_all(&ring) > 0 && answer && !stop)
                ring_bell(answer, &ring, by_message);
        }
        weft__ring_close(&ring);
        weft__host_unpin();
    }
    void start()
    {
        thread = std::thread([this] { run(); });
        while (!ready)
            std::this_thread::yield();
    }
    ~sleeper()
    {
        stop = true;
        weft__bell_ring(&bell);
        thread.join();
        weft__bell_close(&bell);
    }
};

/* The poster's cost while the other end is awake. */
void post(benchmark::State &state, bool by_message)
{
    const uint32_t batch = (uint32_t)state.range(0);
    pin(0);
    sleeper other;
    other.spin = true;
    other.start();
    weft__ring mine;
    open_ring(&mine);
    for (auto _ : state) {
        for (uint32_t i = 0; i < batch; i++)
            ring_bell(&other.bell, &mine, by_message);
        if (by_message)
            weft__ring_enter(&mine, 0, INT64_MAX);
        drop_all(&mine);
    }
    state.SetItemsProcessed(state.iterations() * batch);
    weft__ring_close(&mine);
    weft__host_unpin();
}
void bell_eventfd(benchmark::State &state)
{
    post(state, false);
}
void bell_message(benchmark::State &state)
{
    post(state, true);
}

void round_trip(benchmark::State &state, bool by_message)
{
    pin(0);
    weft__ring mine;
    weft__bell bell;
    open_ring(&mine);
    must(weft__bell_open(&bell, &mine, BELL) == 0, "bell");
    weft__ring_enter(&mine, 0, INT64_MAX);
    {
        sleeper other;
        other.answer = &bell;
        other.by_message = by_message;
        other.start();
        for (auto _ : state) {
            ring_bell(&other.bell, &mine, by_message);
            do
                weft__ring_enter(&mine, 1, INT64_MAX);
            while (drop_all(&mine) == 0);
        }
    }
    weft__ring_close(&mine);
    weft__bell_close(&bell);
    weft__host_unpin();
}
void round_trip_eventfd(benchmark::State &state)
{
    round_trip(state, false);
}
void round_trip_message(benchmark::State &state)
{
    round_trip(state, true);
}

BENCHMARK(nop_layer)->Arg(1)->Arg(32);
BENCHMARK(nop_bare)->Arg(1)->Arg(32);
BENCHMARK(bell_eventfd)->Arg(1);
BENCHMARK(bell_message)->Arg(1)->Arg(32);
BENCHMARK(round_trip_eventfd)->UseRealTime();
BENCHMARK(round_trip_message)->UseRealTime();

} // namespace

BENCHMARK_MAIN();
