/*
 * What a yield through the scheduler costs: time is per switch, from one task through the public
 * call and the ready queue to the next, the loop's own turns included.
 *
 *   yields/2, /10000      that many tasks of one function take turns, as the conversations of a
 * server do; ten thousand no longer fit into the caches yields_apart          two tasks of
 * different functions: what the processor remembers of the calls of one is wrong for the other, so
 * each return is mispredicted yields_cxx            as a process with a C++ runtime pays it, which
 * keeps exceptions apart yields_traced         with the trace of scheduling events on count the
 * counter alone that every switch increments
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
    bool apart;
    bool over;
};

/* One of those who take turns. */
int take_turns(void *arg)
{
    plan *p = static_cast<plan *>(arg);

    while (!p->over)
        weft_yield();
    return 0;
}

/* Keeps the time: sleeping, while others take turns; or, apart, as one of the two. */
int lead(void *arg)
{
    plan *p = static_cast<plan *>(arg);
    weft::scope others;
    int64_t count = p->state->range(0) - p->apart;

    for (int64_t i = 0; i < count; i++)
        if (weft_spawn(&others, take_turns, p, 0, nullptr) < 0)
            std::abort();
    for (int i = 0; i < 10; i++) /* every stack has been touched */
        weft_yield();
    if (p->traced && weft_trace(4096) < 0)
        std::abort();
    if (p->apart) {
        for (auto _ : *p->state)
            weft_yield();
    } else {
        struct weft_stats before, after;
        uint64_t switches = 0;
        for (auto _ : *p->state) { /* asleep meanwhile, and so out of the way */
            weft_stats(&before, sizeof before);
            int64_t begin = weft_now();
            weft_sleep(1000000);
            int64_t end = weft_now();
            weft_stats(&after, sizeof after);
            switches += after.switches - before.switches;
            p->state->SetIterationTime(static_cast<double>(end - begin) / 1e9);
        }
        p->state->SetItemsProcessed(static_cast<int64_t>(switches));
    }
    weft_trace(0);
    p->over = true;
    return others.close();
}

void run(benchmark::State &state, bool cxx, bool traced, bool apart)
{
    plan p = {&state, traced, apart, false};
    bool had = weft__context_has_cxx;

    weft__context_has_cxx = cxx;
    if (weft_run(lead, &p, 0, nullptr) < 0)
        state.SkipWithError("weft_run");
    weft__context_has_cxx = had;
    if (apart)
        state.SetItemsProcessed(state.iterations() * state.range(0));
}

void yields(benchmark::State &state)
{
    run(state, false, false, false);
}
void yields_cxx(benchmark::State &state)
{
    run(state, true, false, false);
}
void yields_traced(benchmark::State &state)
{
    run(state, false, true, false);
}
void yields_apart(benchmark::State &state)
{
    run(state, false, false, true);
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

BENCHMARK(yields)->Arg(2)->Arg(100)->Arg(10000)->UseManualTime();
BENCHMARK(yields_cxx)->Arg(2)->UseManualTime();
BENCHMARK(yields_traced)->Arg(2)->UseManualTime();
BENCHMARK(yields_apart)->Arg(2);
BENCHMARK(count);

} // namespace

BENCHMARK_MAIN();
