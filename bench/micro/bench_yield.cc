/*
 * What a yield through the scheduler costs: time is per switch, from one task through the public
 * call and the ready queue to the next, the loop's own turns included.
 *
 *   yields/2, /10000      that many tasks take turns; the latter no longer fit into the caches
 *   yields_cxx            as a process with a C++ runtime pays it, which keeps exceptions apart
 *   yields_traced         with the trace of scheduling events on
 *   count                 the counter alone that every switch increments
 *
 * bench_switch has the bare switch to set beside it.
 */
#include <benchmark/benchmark.h>

#include <cstdlib>

#include <weft/weft.h>

#include "coro/context.h"

namespace
{

struct plan {
    benchmark::State *state;
    bool traced;
    bool over;
};

int take_turns(void *arg)
{
    plan *p = static_cast<plan *>(arg);

    while (!p->over)
        weft_yield();
    return 0;
}

int lead(void *arg)
{
    plan *p = static_cast<plan *>(arg);
    weft::scope others;

    for (int64_t i = 1; i < p->state->range(0); i++)
        if (weft_spawn(&others, take_turns, p, 0, nullptr) < 0)
            std::abort();
    for (int i = 0; i < 10; i++) /* every stack has been touched */
        weft_yield();
    if (p->traced && weft_trace(4096) < 0)
        std::abort();
    for (auto _ : *p->state)
        weft_yield();
    weft_trace(0);
    p->over = true;
    return others.close();
}

void run(benchmark::State &state, bool cxx, bool traced)
{
    plan p = {&state, traced, false};
    bool had = weft__context_has_cxx;

    weft__context_has_cxx = cxx;
    if (weft_run(lead, &p, 0, nullptr) < 0)
        state.SkipWithError("weft_run");
    weft__context_has_cxx = had;
    state.SetItemsProcessed(state.iterations() * state.range(0));
}

void yields(benchmark::State &state)
{
    run(state, false, false);
}
void yields_cxx(benchmark::State &state)
{
    run(state, true, false);
}
void yields_traced(benchmark::State &state)
{
    run(state, false, true);
}

/* As reactor.h counts: a plain load, an addition, a whole store. */
void count(benchmark::State &state)
{
    uint64_t counter = 0;

    for (auto _ : state) {
        __atomic_store_n(&counter, counter + 1, __ATOMIC_RELAXED);
        benchmark::ClobberMemory();
    }
    benchmark::DoNotOptimize(counter);
    state.SetItemsProcessed(state.iterations());
}

BENCHMARK(yields)->Arg(2)->Arg(100)->Arg(10000);
BENCHMARK(yields_cxx)->Arg(2);
BENCHMARK(yields_traced)->Arg(2);
BENCHMARK(count);

} // namespace

BENCHMARK_MAIN();
