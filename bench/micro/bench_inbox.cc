/*
 * Work handed to a reactor by others.
 *
 *   post_slot, post       a foreign thread posts to a busy reactor, with memory of its own or not;
 *                         time is per post, until the reactor has run them all
 *   bare_queue            the same through a bare queue of Vyukov's kind, linked, many to one
 *   round_trip_sleeping   weft_call to a reactor that sleeps, from one that sleeps until the answer
 *   round_trip_idle       both look before they sleep, once they have found out that it pays
 *   round_trip_busy       both have a task that never sleeps
 *
 * bench_ring has the round trip by bare bells to set beside the last three.
 */
#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdlib>
#include <sched.h>
#include <thread>
#include <vector>

#include <weft/weft.h>

#include "coro/context.h"

namespace
{

constexpr uint32_t SLOTS = 32768;

void must(bool holds)
{
    if (!holds)
        std::abort();
}

/* To the first or second CPU that we may use; nothing where there is only one. */
void pin(int index)
{
    static const cpu_set_t usable = [] {
        cpu_set_t set;
        sched_getaffinity(0, sizeof set, &set);
        return set;
    }();
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &usable) && index-- == 0)
            CPU_SET(cpu, &one);
    if (CPU_COUNT(&one) == 1)
        sched_setaffinity(0, sizeof one, &one);
}

void unpin()
{
    cpu_set_t all;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        CPU_SET(cpu, &all);
    sched_setaffinity(0, sizeof all, &all);
}

/* -- posts ------------------------------------------------------------------------------------ */

/* A reactor on a thread of its own, kept awake by a task that yields. */
class busy_reactor
{
  public:
    busy_reactor() : thread_([this] { run(); })
    {
        while (!inbox_)
            std::this_thread::yield();
    }
    ~busy_reactor()
    {
        over_ = true;
        thread_.join();
    }
    weft_inbox *inbox()
    {
        return inbox_;
    }

  private:
    void run()
    {
        weft_run_opt opt = {};
        busy_reactor *self = this;
        pin(1);
        opt.size = sizeof opt;
        must(weft_run(
                 [](void *arg) -> int {
                     busy_reactor *reactor = *static_cast<busy_reactor **>(arg);
                     weft_inbox *here = weft_inbox_here();
                     reactor->inbox_ = here;
                     while (!reactor->over_)
                         weft_yield();
                     weft_inbox_put(here);
                     return 0;
                 },
                 &self, sizeof self, &opt) == 0);
    }

    std::atomic<bool> over_{false};
    std::atomic<weft_inbox *> inbox_{nullptr};
    std::thread thread_;
};

/* Apart from what the producer writes. */
alignas(128) std::atomic<uint64_t> ran;

void count_one(void *)
{
    ran.store(ran.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

void wait_for(uint64_t posted)
{
    while (ran.load(std::memory_order_acquire) < posted)
        std::this_thread::yield();
}

void post_slot(benchmark::State &state)
{
    std::vector<struct weft_post_slot> slots(SLOTS);
    uint64_t posted = 0;

    for (auto &slot : slots)
        slot = (struct weft_post_slot)WEFT_POST_SLOT_INIT(count_one, nullptr);
    pin(0);
    ran = 0;
    {
        busy_reactor reactor;
        for (auto _ : state) {
            while (weft_post_slot(reactor.inbox(), &slots[posted % SLOTS]) == -EBUSY)
                ;
            posted++;
        }
        wait_for(posted);
    }
    unpin();
    state.SetItemsProcessed(static_cast<int64_t>(posted));
}

void post(benchmark::State &state)
{
    uint64_t posted = 0;

    pin(0);
    ran = 0;
    {
        busy_reactor reactor;
        for (auto _ : state) {
            while (weft_post_try(reactor.inbox(), count_one, nullptr, nullptr) == -EAGAIN)
                ;
            posted++;
        }
        wait_for(posted);
    }
    unpin();
    state.SetItemsProcessed(static_cast<int64_t>(posted));
}

/* D. Vyukov's intrusive queue, non-blocking for producers. */
class bare_mpsc
{
  public:
    struct node {
        std::atomic<node *> next{nullptr};
        std::atomic<bool> busy{false};
    };

    void push(node *n)
    {
        n->next.store(nullptr, std::memory_order_relaxed);
        node *before = tail_.exchange(n, std::memory_order_acq_rel);
        before->next.store(n, std::memory_order_release);
    }
    /* The head is a node that was taken already: the caller gets that one back to reuse. */
    node *pop()
    {
        node *next = head_->next.load(std::memory_order_acquire);
        if (!next)
            return nullptr;
        node *free = head_;
        head_ = next;
        return free;
    }

  private:
    node stub_;
    node *head_ = &stub_;
    alignas(128) std::atomic<node *> tail_{&stub_};
};

void bare_queue(benchmark::State &state)
{
    std::vector<bare_mpsc::node> nodes(SLOTS);
    std::atomic<bool> over{false};
    bare_mpsc queue;
    uint64_t posted = 0;

    pin(0);
    ran = 0;
    {
        std::thread consumer([&] {
            pin(1);
            while (!over)
                while (bare_mpsc::node *n = queue.pop()) {
                    n->busy.store(false, std::memory_order_release);
                    count_one(nullptr);
                }
        });
        for (auto _ : state) {
            bare_mpsc::node *n = &nodes[posted % SLOTS];
            while (n->busy.load(std::memory_order_acquire))
                ;
            n->busy.store(true, std::memory_order_relaxed);
            queue.push(n);
            posted++;
        }
        wait_for(posted);
        over = true;
        consumer.join();
    }
    unpin();
    state.SetItemsProcessed(static_cast<int64_t>(posted));
}

/* -- round trips ------------------------------------------------------------------------------ */

struct trips {
    benchmark::State *state;
    bool busy;
    std::atomic<bool> over;
};

int nothing(void *)
{
    return 0;
}

int never_sleep(void *arg)
{
    trips *t = static_cast<trips *>(arg);

    while (!t->over)
        weft_yield();
    return 0;
}

/* Until the two have found out that looking pays, if they are going to: a hundred calls in a row in
   less time than four sleeps take. */
void warm_up()
{
    for (int i = 0; i < 400; i++) {
        int64_t begin = weft_now();
        for (int k = 0; k < 100; k++)
            must(weft_call(1, nothing, nullptr, 0) == 0);
        if (weft_now() - begin < 160000)
            return;
    }
}

int call_back_and_forth(void *arg)
{
    trips *t = static_cast<trips *>(arg);
    weft::scope scope;

    for (int i = 0; i < 2 && t->busy; i++) {
        weft_spawn_opt there = {};
        there.size = sizeof there;
        there.reactor = WEFT_ON(i);
        must(weft_spawn(&scope, never_sleep, t, 0, &there) == 0);
    }
    warm_up();
    for (auto _ : *t->state)
        must(weft_call(1, nothing, nullptr, 0) == 0);
    t->over = true;
    return scope.close();
}

void round_trip(benchmark::State &state, bool look, bool busy)
{
    trips t = {&state, busy, {false}};
    weft_run_opt opt = {};
    bool had = weft__context_has_cxx;

    opt.size = sizeof opt;
    opt.reactors = 2;
    opt.no_look = !look;
    weft__context_has_cxx = false; /* as in a C program */
    if (weft_run(call_back_and_forth, &t, 0, &opt) < 0)
        state.SkipWithError("weft_run");
    weft__context_has_cxx = had;
    state.SetItemsProcessed(state.iterations());
}

void round_trip_sleeping(benchmark::State &state)
{
    round_trip(state, false, false);
}
void round_trip_idle(benchmark::State &state)
{
    round_trip(state, true, false);
}
void round_trip_busy(benchmark::State &state)
{
    round_trip(state, true, true);
}

BENCHMARK(post_slot)->UseRealTime();
BENCHMARK(post)->UseRealTime();
BENCHMARK(bare_queue)->UseRealTime();
BENCHMARK(round_trip_sleeping)->UseRealTime();
BENCHMARK(round_trip_idle)->UseRealTime();
BENCHMARK(round_trip_busy)->UseRealTime();

} // namespace

BENCHMARK_MAIN();
