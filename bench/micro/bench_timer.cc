/*
 * Timers: a random one of a million armed is cancelled and armed anew, at a random time within a
 * minute; time is per pair. The clock advances as it would, and what comes due is armed again.
 *
 *   wheel                 ours
 *   heap                  the obvious other structure, a heap with four children to a node
 */
#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

extern "C" {
#include "reactor/timer.h"
}

namespace
{

constexpr uint32_t CHOICES = 1 << 20;
constexpr int64_t SPAN_NS = 60000000000, PAIR_NS = 40;
constexpr uint32_t RUN_EVERY = 256;

/* Chosen beforehand: the generator must not be what is measured. */
struct choices {
    std::vector<uint32_t> which;
    std::vector<uint32_t> span;

    explicit choices(uint32_t count)
    {
        uint64_t x = 88172645463325252u;
        for (uint32_t i = 0; i < CHOICES; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            which.push_back(static_cast<uint32_t>((x >> 32) * count >> 32));
            span.push_back(static_cast<uint32_t>(x));
        }
    }
    int64_t span_ns(uint64_t i) const
    {
        return static_cast<int64_t>(span[i % CHOICES] * static_cast<uint64_t>(SPAN_NS) >> 32);
    }
};

struct armed {
    weft__timer timer; /* first */
    struct wheel_state *all;
};

struct wheel_state {
    weft__timers timers;
    std::vector<armed> armed_ones;
    choices random;
    int64_t now_ns = 1000000000;
    uint64_t fired = 0;

    explicit wheel_state(uint32_t count) : armed_ones(count), random(count)
    {
        weft__timers_open(&timers, now_ns);
        for (uint32_t i = 0; i < count; i++) {
            armed_ones[i] = armed{};
            armed_ones[i].all = this;
            armed_ones[i].timer.fire = fire;
            weft__timer_arm(&timers, &armed_ones[i].timer, now_ns + random.span_ns(i));
        }
    }
    static void fire(weft__timer *timer)
    {
        wheel_state *all = reinterpret_cast<armed *>(timer)->all;
        weft__timer_arm(&all->timers, timer, all->now_ns + all->random.span_ns(all->fired++));
    }
};

void wheel(benchmark::State &state)
{
    wheel_state w(static_cast<uint32_t>(state.range(0)));
    uint64_t i = 0;

    for (auto _ : state) {
        weft__timer *timer = &w.armed_ones[w.random.which[i % CHOICES]].timer;
        weft__timer_disarm(&w.timers, timer);
        w.now_ns += PAIR_NS;
        weft__timer_arm(&w.timers, timer, w.now_ns + w.random.span_ns(i));
        if (++i % RUN_EVERY == 0)
            weft__timers_run(&w.timers, w.now_ns, UINT32_MAX);
    }
    state.SetItemsProcessed(state.iterations());
}

/* Nodes know their place, so that any of them can be taken out. */
class heap4
{
  public:
    struct node {
        int64_t due_ns;
        uint32_t place;
    };

    void arm(node *n)
    {
        places_.push_back(n);
        up(static_cast<uint32_t>(places_.size()) - 1, n);
    }
    void disarm(node *n)
    {
        uint32_t place = n->place;
        node *last = places_.back();
        places_.pop_back();
        if (last == n)
            return;
        if (place > 0 && places_[(place - 1) / 4]->due_ns > last->due_ns)
            up(place, last);
        else
            down(place, last);
    }
    node *first() const
    {
        return places_[0];
    }

  private:
    void put(uint32_t place, node *n)
    {
        places_[place] = n;
        n->place = place;
    }
    void up(uint32_t place, node *n)
    {
        while (place > 0 && places_[(place - 1) / 4]->due_ns > n->due_ns) {
            put(place, places_[(place - 1) / 4]);
            place = (place - 1) / 4;
        }
        put(place, n);
    }
    void down(uint32_t place, node *n)
    {
        const uint32_t size = static_cast<uint32_t>(places_.size());
        for (;;) {
            uint32_t child = 4 * place + 1, least = child;
            if (child >= size)
                break;
            for (uint32_t c = child + 1; c < child + 4 && c < size; c++)
                if (places_[c]->due_ns < places_[least]->due_ns)
                    least = c;
            if (places_[least]->due_ns >= n->due_ns)
                break;
            put(place, places_[least]);
            place = least;
        }
        put(place, n);
    }

    std::vector<node *> places_;
};

void heap(benchmark::State &state)
{
    const uint32_t count = static_cast<uint32_t>(state.range(0));
    choices random(count);
    std::vector<heap4::node> nodes(count);
    heap4 all;
    int64_t now_ns = 1000000000;
    uint64_t i = 0;

    for (uint32_t k = 0; k < count; k++) {
        nodes[k].due_ns = now_ns + random.span_ns(k);
        all.arm(&nodes[k]);
    }
    for (auto _ : state) {
        heap4::node *n = &nodes[random.which[i % CHOICES]];
        all.disarm(n);
        now_ns += PAIR_NS;
        n->due_ns = now_ns + random.span_ns(i);
        all.arm(n);
        if (++i % RUN_EVERY != 0)
            continue;
        while (all.first()->due_ns <= now_ns) {
            heap4::node *due = all.first();
            all.disarm(due);
            due->due_ns = now_ns + random.span_ns(i);
            all.arm(due);
        }
    }
    state.SetItemsProcessed(state.iterations());
}

BENCHMARK(wheel)->Arg(1000)->Arg(1000000);
BENCHMARK(heap)->Arg(1000)->Arg(1000000);

} // namespace

BENCHMARK_MAIN();
