/*
 * What a task costs: spawned and joined on a pooled stack, and parked.
 *
 *   spawn_join            weft_spawn with a handle, weft_join: the task runs in between
 *   spawn_scope           64 tasks into a scope, then its close; time is per task
 *   parked                100,000 tasks in weft_sleep; the counter rss_bytes is memory per task
 *   pthread               the same as spawn_join with a thread, for scale
 *
 * bench_stack has the bare stack and context (take_make_run_give) to set beside spawn_join.
 */
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <pthread.h>
#include <unistd.h>

#include <weft/weft.h>

#include "coro/context.h"

namespace
{

enum { BATCH = 64, PARKED = 100000 };

void must(bool holds)
{
    if (!holds)
        std::abort();
}

int nothing(void *)
{
    return 0;
}

int join_each(void *arg)
{
    benchmark::State &state = **static_cast<benchmark::State **>(arg);
    weft_task task;
    weft_spawn_opt opt = {};

    opt.size = sizeof opt;
    opt.task = &task;
    for (auto _ : state) {
        must(weft_create_task(nothing, nullptr, 0, &opt) == 0);
        must(weft_join(task, nullptr) == 0);
    }
    state.SetItemsProcessed(state.iterations());
    return 0;
}

int close_scopes(void *arg)
{
    benchmark::State &state = **static_cast<benchmark::State **>(arg);

    for (auto _ : state) {
        weft::scope scope;
        for (int i = 0; i < BATCH; i++)
            must(weft_spawn(&scope, nothing, nullptr, 0, nullptr) == 0);
        must(scope.close() == 0);
    }
    state.SetItemsProcessed(state.iterations() * BATCH);
    return 0;
}

int sleeper(void *)
{
    return weft_sleep_until(weft_after_ms(3600000)) == -ECANCELED ? 0 : -EINVAL;
}

double resident_bytes()
{
    long pages = 0, resident = 0;
    FILE *file = std::fopen("/proc/self/statm", "r");

    must(file && std::fscanf(file, "%ld %ld", &pages, &resident) == 2);
    std::fclose(file);
    return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

int park_many(void *arg)
{
    benchmark::State &state = **static_cast<benchmark::State **>(arg);
    double before = resident_bytes();
    int parked = 0;

    for (auto _ : state) {
        weft::scope scope;
        parked = 0; /* fewer where guards are dear: sanitizers, old kernels */
        while (parked < PARKED && weft_spawn(&scope, sleeper, nullptr, 0, nullptr) == 0)
            parked++;
        must(weft_yield() == 0); /* all have come to their sleep */
        state.counters["rss_bytes"] = (resident_bytes() - before) / parked;
        weft_scope_cancel(&scope);
        scope.close();
    }
    state.SetItemsProcessed(state.iterations() * parked);
    return 0;
}

void run(benchmark::State &state, weft_task_fn fn)
{
    benchmark::State *pointer = &state;
    bool had = weft__context_has_cxx;

    weft__context_has_cxx = false; /* as in a C program */
    if (weft_run(fn, &pointer, sizeof pointer, nullptr) < 0)
        state.SkipWithError("weft_run");
    weft__context_has_cxx = had;
}

void spawn_join(benchmark::State &state)
{
    run(state, join_each);
}
void spawn_scope(benchmark::State &state)
{
    run(state, close_scopes);
}
void parked(benchmark::State &state)
{
    run(state, park_many);
}

void pthread(benchmark::State &state)
{
    for (auto _ : state) {
        pthread_t thread;
        must(pthread_create(
                 &thread, nullptr, [](void *) -> void * { return nullptr; }, nullptr) == 0);
        pthread_join(thread, nullptr);
    }
    state.SetItemsProcessed(state.iterations());
}

BENCHMARK(spawn_join);
BENCHMARK(spawn_scope);
BENCHMARK(parked)->Iterations(1);
BENCHMARK(pthread);

} // namespace

BENCHMARK_MAIN();
