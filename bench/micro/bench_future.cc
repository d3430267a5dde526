/*
 * What a future costs beside the plainest code that does the same for one thread and knows of no
 * others: a cell with a flag. Measured in slices that take turns, so that a slow moment of the
 * machine hits both. One future serves all rounds, so nothing is allocated.
 *
 *   settled       settle, await, make it pending again; nobody has to wait
 *   handed_over   one task waits, another settles: beside two tasks that only take turns
 *
 *   ours_ns, plain_ns   per round
 *   ratio               ours to plain
 */
#include "beside.h"

namespace
{

using namespace beside;

struct plain_future {
    bool done;
    int64_t result;
    bool settle(int64_t with)
    {
        if (done)
            return false;
        result = with;
        done = true;
        return true;
    }
    bool get(int64_t *to) const
    {
        if (done)
            *to = result;
        return done;
    }
    void reset()
    {
        done = false;
    }
};

void settled(benchmark::State &state)
{
    in_task([&state] {
        weft_future *ours;
        plain_future plain = {false, 0};
        double ours_ns = 0, plain_ns = 0;
        int64_t result = 0;

        benchmark::DoNotOptimize(&plain);
        must(weft_future_create(&ours, nullptr) == 0);
        for (auto _ : state) {
            ours_ns += nanoseconds([&] {
                must(weft_future_set_result(ours, 7) == 0);
                must(weft_future_await(ours, &result) == 0);
                must(weft_future_reset(ours) == 0);
            });
            plain_ns += nanoseconds([&] {
                must(plain.settle(7));
                benchmark::ClobberMemory();
                must(plain.get(&result));
                plain.reset();
                benchmark::ClobberMemory();
            });
        }
        weft_future_put(ours);
        tell(state, ours_ns, plain_ns);
    });
}
BENCHMARK(settled);

/* -- handed over ---------------------------------------------------------------------------- */

struct shared {
    weft_future *future;
    bool over;
};

/* Settles whatever is pending when its turn comes. */
int settles(void *arg)
{
    shared *with = static_cast<shared *>(arg);

    while (!with->over) {
        must(weft_future_set_result(with->future, 1) == 0);
        must(weft_yield() == 0);
    }
    return 0;
}
int yields(void *arg)
{
    while (!*static_cast<bool *>(arg))
        must(weft_yield() == 0);
    return 0;
}

double handed_over_ns(shared *with)
{
    weft::scope others;

    must(weft_spawn(&others, settles, with, 0, nullptr) == 0);
    double ns = nanoseconds([with] {
        must(weft_future_await(with->future, nullptr) == 0);
        must(weft_future_reset(with->future) == 0);
    });
    with->over = true;
    must(others.close() == 0);
    with->over = false;
    return ns;
}

double turns_ns()
{
    bool over = false;
    weft::scope others;

    must(weft_spawn(&others, yields, &over, 0, nullptr) == 0);
    double ns = nanoseconds([] { must(weft_yield() == 0); });
    over = true;
    must(others.close() == 0);
    return ns;
}

void handed_over(benchmark::State &state)
{
    in_task([&state] {
        shared with = {nullptr, false};
        double ours_ns = 0, plain_ns = 0;

        must(weft_future_create(&with.future, nullptr) == 0);
        for (auto _ : state) {
            ours_ns += handed_over_ns(&with);
            plain_ns += turns_ns();
        }
        weft_future_put(with.future);
        tell(state, ours_ns, plain_ns);
    });
}
BENCHMARK(handed_over);

} // namespace

BENCHMARK_MAIN();
