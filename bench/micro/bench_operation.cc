/*
 * What an operation through a task costs beside a bare ring: requests that do nothing, N in flight;
 * time is per request. The difference is what tasks, slots and the loop add.
 *
 *   nop_task/N            N tasks, each waiting for its own request again and again
 *   nop_bare/N            N requests filled, entered once, N completions read
 */
#include <benchmark/benchmark.h>

#include <cstdlib>

#include <weft/weft.h>

#include "bench_operation.h"
#include "coro/context.h"

namespace
{

struct plan {
    benchmark::State *state;
    uint64_t done;
    bool over;
};

void must(bool holds)
{
    if (!holds)
        std::abort();
}

int go_on(void *arg)
{
    plan *p = static_cast<plan *>(arg);

    for (; !p->over; p->done++)
        must(bench_nop() == 0);
    return 0;
}

int lead(void *arg)
{
    plan *p = static_cast<plan *>(arg);
    weft::scope others;

    for (int64_t i = 1; i < p->state->range(0); i++)
        must(weft_spawn(&others, go_on, p, 0, nullptr) == 0);
    for (int i = 0; i < 100; i++)
        must(bench_nop() == 0);
    p->done = 0;
    for (auto _ : *p->state) {
        must(bench_nop() == 0);
        p->done++;
    }
    p->state->SetItemsProcessed(static_cast<int64_t>(p->done));
    p->over = true;
    return others.close();
}

void nop_task(benchmark::State &state)
{
    plan p = {&state, 0, false};
    bool had = weft__context_has_cxx;

    weft__context_has_cxx = false; /* as in a C program */
    if (weft_run(lead, &p, 0, nullptr) < 0)
        state.SkipWithError("weft_run");
    weft__context_has_cxx = had;
}

void nop_bare(benchmark::State &state)
{
    bench_bare *bare = bench_bare_open();

    must(bare);
    for (auto _ : state)
        must(bench_bare_nops(bare, static_cast<unsigned>(state.range(0))) == 0);
    bench_bare_close(bare);
    state.SetItemsProcessed(state.iterations() * state.range(0));
}

BENCHMARK(nop_task)->Arg(1)->Arg(32);
BENCHMARK(nop_bare)->Arg(1)->Arg(32);

} // namespace

BENCHMARK_MAIN();
