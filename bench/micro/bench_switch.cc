/*
 * What a switch costs: time is per switch. Beside it, in the same run, a bare one in inline
 * assembly that keeps no control words and no registers, and swapcontext.
 *
 * A process with a C++ runtime keeps the exceptions of contexts apart and pays for it; this is one,
 * so what a C program pays is measured by switching that off.
 */
#include <benchmark/benchmark.h>

#include <ucontext.h>

#include <array>
#include <cstdlib>

#include "coro/context.h"
#include "coro/stack.h"

namespace
{

weft__stack_pool pool;

/* One task that goes straight back: two switches a turn, from two places. */
struct pair {
    weft__context home, task;
};

void go_back(void *arg)
{
    pair *p = static_cast<pair *>(arg);

    for (;;)
        weft__context_switch(&p->task, &p->home);
}

weft__stack take()
{
    weft__stack stack;

    if (weft__stack_take(&pool, 0, &stack) < 0)
        std::abort();
    return stack;
}

void per_switch(benchmark::State &state, int64_t switches)
{
    using benchmark::Counter;

    state.counters["ns"] =
        Counter(static_cast<double>(switches) * 1e-9, Counter::kIsRate | Counter::kInvert);
}

void there_and_back(benchmark::State &state)
{
    weft__stack stack = take();
    pair p;

    weft__context_has_cxx = state.range(0) != 0;
    weft__context_adopt(&p.home);
    weft__context_make(&p.task, stack.low, stack.top, go_back, &p);
    for (auto _ : state)
        weft__context_switch(&p.home, &p.task);
    per_switch(state, 2 * state.iterations());
    weft__context_drop(&p.task);
    weft__stack_give(&pool, stack.slot);
}
BENCHMARK(there_and_back)->ArgName("cxx")->Arg(0)->Arg(1);

/* Tasks three calls deep that park in one function, each going to the next: as in a scheduler. */
enum { RING_MAX = 1024 };

std::array<weft__context, RING_MAX> ring;
weft__context ring_home;
int ring_size, ring_at;
int64_t ring_left;

__attribute__((noinline)) void park()
{
    weft__context *self = &ring[static_cast<size_t>(ring_at)];

    ring_at = ring_at + 1 == ring_size ? 0 : ring_at + 1;
    weft__context_switch(self, --ring_left > 0 ? &ring[static_cast<size_t>(ring_at)] : &ring_home);
}

template <int Depth>
__attribute__((noinline)) int descend(int n)
{
    if constexpr (Depth == 0)
        park();
    else
        n = descend<Depth - 1>(n + 1);
    benchmark::DoNotOptimize(n);
    return n;
}

void walk(void *)
{
    for (;;)
        benchmark::DoNotOptimize(descend<2>(0));
}

void around_a_ring(benchmark::State &state)
{
    enum { TURNS = 4096 };
    std::array<uint32_t, RING_MAX> slots{};

    weft__context_has_cxx = false;
    weft__context_adopt(&ring_home);
    ring_size = static_cast<int>(state.range(0));
    ring_at = 0;
    for (size_t i = 0; i < static_cast<size_t>(ring_size); i++) {
        weft__stack stack = take();
        slots[i] = stack.slot;
        weft__context_make(&ring[i], stack.low, stack.top, walk, nullptr);
    }
    for (auto _ : state) {
        ring_left = TURNS;
        weft__context_switch(&ring_home, &ring[static_cast<size_t>(ring_at)]);
    }
    per_switch(state, TURNS * state.iterations());
    for (size_t i = 0; i < static_cast<size_t>(ring_size); i++) {
        weft__context_drop(&ring[i]);
        weft__stack_give(&pool, slots[i]);
    }
}
BENCHMARK(around_a_ring)->ArgName("tasks")->Arg(2)->Arg(64)->Arg(1024);

#if defined(__x86_64__)

/* The least a switch can be: the stack pointer, the place, and everything else the compiler's. */
void *bare_home, *bare_task;

inline __attribute__((always_inline)) void bare_switch(void **save, void *to)
{
    __asm__ volatile("push %%rbp\n\t"
                     "lea 1f(%%rip), %%rax\n\t"
                     "push %%rax\n\t"
                     "mov %%rsp, (%0)\n\t"
                     "mov %1, %%rsp\n\t"
                     "pop %%rax\n\t"
                     "jmp *%%rax\n"
                     "1:\n\t"
                     "endbr64\n\t"
                     "pop %%rbp"
                     : "+D"(save), "+S"(to)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                       "r15", "memory", "cc");
}

__attribute__((noinline, noreturn)) void bare_loop()
{
    for (;;)
        bare_switch(&bare_task, bare_home);
}

/* Not inlined and without a red zone in use: bare_switch pushes. */
__attribute__((noinline)) void bare_round_trip()
{
    bare_switch(&bare_home, bare_task);
}

void bare_inline(benchmark::State &state)
{
    weft__stack stack = take();
    void **top = reinterpret_cast<void **>(stack.top);

    top[-3] = reinterpret_cast<void *>(bare_loop);
    bare_task = top - 3;
    for (auto _ : state)
        bare_round_trip();
    per_switch(state, 2 * state.iterations());
    weft__stack_give(&pool, stack.slot);
}
BENCHMARK(bare_inline);

#endif

ucontext_t uc_home, uc_task;

void uc_go_back()
{
    for (;;)
        swapcontext(&uc_task, &uc_home);
}

void bare_swapcontext(benchmark::State &state)
{
    weft__stack stack = take();

    getcontext(&uc_task);
    uc_task.uc_stack.ss_sp = stack.low;
    uc_task.uc_stack.ss_size = static_cast<size_t>(stack.top - stack.low);
    makecontext(&uc_task, uc_go_back, 0);
    for (auto _ : state)
        swapcontext(&uc_home, &uc_task);
    per_switch(state, 2 * state.iterations());
    weft__stack_give(&pool, stack.slot);
}
BENCHMARK(bare_swapcontext);

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
