/*
 * What the benches that stand beside plain code share: slices that take turns, so that a slow
 * moment of the machine hits both, and what is told of them.
 *
 *   ours_ns, plain_ns   per round
 *   ratio               ours to plain
 */
#ifndef WEFT_BENCH_MICRO_BESIDE_H
#define WEFT_BENCH_MICRO_BESIDE_H

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdlib>

#include <weft/weft.h>

namespace beside
{

constexpr int slice = 1000;

inline void must(bool fine)
{
    if (!fine)
        std::abort();
}

/* A function of its own, so that callgrind tells what it takes (docs/performance.md). */
template <typename Work>
__attribute__((noinline)) void run_slice(Work &work)
{
    for (int i = 0; i < slice; i++)
        work();
}

/* A slice of `work`, how long it took. */
template <typename Work>
double nanoseconds(Work work)
{
    auto begin = std::chrono::steady_clock::now();
    run_slice(work);
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin)
        .count();
}

inline void tell(benchmark::State &state, double ours_ns, double plain_ns)
{
    double rounds = static_cast<double>(state.iterations()) * slice;

    state.counters["ours_ns"] = ours_ns / rounds;
    state.counters["plain_ns"] = plain_ns / rounds;
    state.counters["ratio"] = ours_ns / plain_ns;
}

/* Runs `body` as the main task of one reactor. */
template <typename Body>
void in_task(Body body)
{
    auto main = [](void *arg) {
        (*static_cast<Body *>(arg))();
        return 0;
    };
    must(weft_run(main, &body, 0, nullptr) == 0);
}

} // namespace beside

#endif
