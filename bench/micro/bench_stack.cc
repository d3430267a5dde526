/*
 * What a stack from the pool costs: warm, in a burst that stays under the memory the pool may keep,
 * in one that does not, and with the context that goes onto it. Beside it, in the same run, what
 * the bare system asks for the same.
 */
#include <benchmark/benchmark.h>

#include <sys/mman.h>

#include <cstdlib>
#include <vector>

#include "coro/context.h"
#include "coro/stack.h"

namespace
{

weft__stack_pool pool;

inline __attribute__((always_inline)) weft__stack take()
{
    weft__stack stack;

    if (weft__stack_take(&pool, 0, &stack) < 0)
        std::abort();
    return stack;
}

void take_and_give(benchmark::State &state)
{
    for (auto _ : state) {
        weft__stack stack = take();
        benchmark::DoNotOptimize(stack.top);
        benchmark::ClobberMemory();
        weft__stack_give(&pool, stack.slot);
    }
}
BENCHMARK(take_and_give);

/* So many at once, each touched as a task would: time is per stack. */
void burst(benchmark::State &state)
{
    std::vector<uint32_t> slots(static_cast<size_t>(state.range(0)));

    for (auto _ : state) {
        for (uint32_t &slot : slots) {
            weft__stack stack = take();
            stack.top[-8] = 1;
            slot = stack.slot;
        }
        for (uint32_t slot : slots)
            weft__stack_give(&pool, slot);
    }
    state.counters["ns"] =
        benchmark::Counter(static_cast<double>(state.iterations() * state.range(0)) * 1e-9,
                           benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
    weft__stack_pool_trim(&pool, UINT32_MAX);
}
BENCHMARK(burst)->Arg(1000)->Arg(4000)->Arg(20000);

struct task {
    weft__context context;
    weft__context *home;
};

void end_at_once(void *arg)
{
    task *t = static_cast<task *>(arg);

    weft__context_exit_to(&t->context, t->home);
}

/* The life of a context: a stack, made, run, ended, given back. */
void take_make_run_give(benchmark::State &state)
{
    weft__context home;
    task t;

    weft__context_has_cxx = false;
    weft__context_adopt(&home);
    t.home = &home;
    for (auto _ : state) {
        weft__stack stack = take();
        weft__context_make(&t.context, stack.low, stack.top, end_at_once, &t);
        weft__context_switch(&home, &t.context);
        weft__context_drop(&t.context);
        weft__stack_give(&pool, stack.slot);
    }
}
BENCHMARK(take_make_run_give);

void bare_malloc_free(benchmark::State &state)
{
    for (auto _ : state) {
        void *p = std::malloc(64 << 10);
        benchmark::DoNotOptimize(p);
        std::free(p);
    }
}
BENCHMARK(bare_malloc_free);

void bare_mmap_touch_munmap(benchmark::State &state)
{
    for (auto _ : state) {
        char *p = static_cast<char *>(
            mmap(nullptr, 64 << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        p[(64 << 10) - 8] = 1;
        munmap(p, 64 << 10);
    }
}
BENCHMARK(bare_mmap_touch_munmap);

} // namespace

int main(int argc, char **argv)
{
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv) ||
        weft__stack_pool_open(&pool, nullptr) < 0)
        return 1;
    benchmark::RunSpecifiedBenchmarks();
    weft__stack_pool_close(&pool);
    return 0;
}
