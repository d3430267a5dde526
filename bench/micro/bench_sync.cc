/*
 * What locks, permits, events and queues cost when nobody waits, each beside the plainest code that
 * does the same for one thread and knows of no others: a flag, a counter, a ring. Measured in
 * slices that take turns, so that a slow moment of the machine hits both.
 *
 *   ours_ns, plain_ns   per pair of calls (take and give; put and get)
 *   ratio               ours to plain
 *
 * handed_over is a pair of semaphores between two tasks, beside two that only yield: what is added
 * to a switch by waiting for something.
 */
#include "beside.h"

#include <cstring>

namespace
{

using namespace beside;

/* -- the plain ones ------------------------------------------------------------------------- */

struct plain_lock {
    void *owner;
    bool take(void *self)
    {
        if (owner)
            return false;
        owner = self;
        return true;
    }
    bool give(void *self)
    {
        if (owner != self)
            return false;
        owner = nullptr;
        return true;
    }
};
struct plain_semaphore {
    unsigned permits, most;
    bool take()
    {
        return permits > 0 && permits-- > 0;
    }
    bool give()
    {
        return permits < most && ++permits > 0;
    }
};
struct plain_queue {
    uint64_t items[16];
    unsigned first, count;
    bool put(uint64_t item)
    {
        if (count == 16)
            return false;
        items[(first + count++) % 16] = item;
        return true;
    }
    bool get(uint64_t *item)
    {
        if (count == 0)
            return false;
        *item = items[first];
        first = (first + 1) % 16;
        count--;
        return true;
    }
};

/* The compiler has to take it that others see and change what is there. */
void escape(void *object)
{
    benchmark::DoNotOptimize(object);
}

/* -- measuring ------------------------------------------------------------------------------ */

template <typename Ours, typename Plain>
void side_by_side(benchmark::State &state, Ours ours, Plain plain)
{
    double ours_ns = 0, plain_ns = 0;

    for (auto _ : state) {
        ours_ns += nanoseconds(ours);
        plain_ns += nanoseconds(plain);
    }
    tell(state, ours_ns, plain_ns);
}

bool is_shared(const benchmark::State &state)
{
    return state.range(0) != 0;
}

void lock(benchmark::State &state)
{
    in_task([&state] {
        weft_lock local = WEFT_LOCK_INIT, shared = WEFT_LOCK_SHARED_INIT;
        weft_lock *ours = is_shared(state) ? &shared : &local;
        plain_lock plain = {nullptr};
        escape(&plain);
        side_by_side(
            state, [ours] { must(weft_lock_acquire(ours) == 0 && weft_lock_release(ours) == 0); },
            [&plain] {
                benchmark::ClobberMemory();
                must(plain.take(&plain));
                benchmark::ClobberMemory();
                must(plain.give(&plain));
            });
    });
}
BENCHMARK(lock)->ArgName("shared")->Arg(0)->Arg(1);

void semaphore(benchmark::State &state)
{
    in_task([&state] {
        weft_semaphore local = WEFT_SEMAPHORE_INIT(1), shared = WEFT_SEMAPHORE_SHARED_INIT(1);
        weft_semaphore *ours = is_shared(state) ? &shared : &local;
        plain_semaphore plain = {1, 1};
        escape(&plain);
        side_by_side(
            state,
            [ours] {
                must(weft_semaphore_acquire(ours) == 0 && weft_semaphore_release(ours) == 0);
            },
            [&plain] {
                benchmark::ClobberMemory();
                must(plain.take());
                benchmark::ClobberMemory();
                must(plain.give());
            });
    });
}
BENCHMARK(semaphore)->ArgName("shared")->Arg(0)->Arg(1);

void event(benchmark::State &state)
{
    in_task([&state] {
        weft_event local = WEFT_EVENT_INIT, shared = WEFT_EVENT_SHARED_INIT;
        weft_event *ours = is_shared(state) ? &shared : &local;
        bool plain = false;
        escape(&plain);
        must(weft_event_set(ours) == 1);
        side_by_side(
            state, [ours] { must(weft_event_wait(ours) == 0 && weft_event_set(ours) == 0); },
            [&plain] {
                plain = true;
                benchmark::ClobberMemory();
                must(plain);
            });
    });
}
BENCHMARK(event)->ArgName("shared")->Arg(0)->Arg(1);

void queue(benchmark::State &state)
{
    in_task([&state] {
        weft_queue ours;
        plain_queue plain = {{0}, 0, 0};
        escape(&plain);
        uint64_t item = 1;
        std::memset(&ours, 0, sizeof ours);
        ours.shared = is_shared(state);
        ours.item_size = sizeof item;
        ours.max = 16;
        side_by_side(
            state,
            [&ours, &item] {
                must(weft_queue_put(&ours, &item) == 0 && weft_queue_get(&ours, &item) == 0);
            },
            [&plain, &item] {
                benchmark::ClobberMemory();
                must(plain.put(item));
                benchmark::ClobberMemory();
                must(plain.get(&item));
            });
        weft_queue_destroy(&ours);
    });
}
BENCHMARK(queue)->ArgName("shared")->Arg(0)->Arg(1);

/* -- handed over ---------------------------------------------------------------------------- */

struct pair {
    weft_semaphore there, back;
    bool over;
};

int answers(void *arg)
{
    pair *both = static_cast<pair *>(arg);

    while (weft_semaphore_acquire(&both->there) == 0 && !both->over)
        weft_semaphore_release(&both->back);
    return 0;
}
int yields(void *arg)
{
    while (!*static_cast<bool *>(arg))
        must(weft_yield() == 0);
    return 0;
}

/* The same number of switches between two tasks that only take turns. */
double turns_ns()
{
    bool over = false;
    weft::scope others;

    must(weft_spawn(&others, yields, &over, 0, nullptr) == 0);
    must(weft_yield() == 0);
    double ns = nanoseconds([] { must(weft_yield() == 0); });
    over = true;
    must(others.close() == 0);
    return ns;
}

void handed_over(benchmark::State &state)
{
    in_task([&state] {
        pair both = {WEFT_SEMAPHORE_INIT(0), WEFT_SEMAPHORE_INIT(0), false};
        if (is_shared(state))
            both = {WEFT_SEMAPHORE_SHARED_INIT(0), WEFT_SEMAPHORE_SHARED_INIT(0), false};
        weft::scope others;
        double ours_ns = 0, plain_ns = 0;

        must(weft_spawn(&others, answers, &both, 0, nullptr) == 0);
        for (auto _ : state) {
            ours_ns += nanoseconds([&both] {
                must(weft_semaphore_release(&both.there) == 0);
                must(weft_semaphore_acquire(&both.back) == 0);
            });
            plain_ns += turns_ns();
        }
        tell(state, ours_ns, plain_ns);
        both.over = true;
        must(weft_semaphore_release(&both.there) == 0);
        must(others.close() == 0);
    });
}
BENCHMARK(handed_over)->ArgName("shared")->Arg(0)->Arg(1);

} // namespace

BENCHMARK_MAIN();
