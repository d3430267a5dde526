/*
 * sim/host.c - clock, entropy, processors and threads of the simulated machine.
 *
 * What always holds: time is the world's; a thread is a context that the driver runs. Handlers of
 * signals, fork and address space are the real ones: ring/host_process.c and ring/host_memory.c are
 * part of this kernel too.
 */
#include "ring/host.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world.h"

/* A handle is the thread itself. */
struct weft__thread {
    struct weft__sim_thread thread;
};

/* Looking takes a moment, so a loop that looks until it is late comes to an end. */
int64_t weft__host_now(void)
{
    struct weft__sim *sim = weft__sim_here();

    weft__sim_charge(sim);
    return sim->now_ns;
}

int weft__host_entropy(void *memory, size_t size)
{
    struct weft__sim *sim = weft__sim_here();
    unsigned char *bytes = memory;

    for (size_t i = 0; i < size; i++) {
        weft__sim_step(&sim->dice);
        bytes[i] = (unsigned char)(weft__sim_draw(sim, &sim->dice, WEFT__SIM_SCHEDULE) >> 56);
    }
    return 0;
}

/* -- processors ---------------------------------------------------------------------------------
 */

uint32_t weft__host_cpus(void)
{
    return weft__sim_here()->cpus;
}

int weft__host_cpu_number(uint32_t index)
{
    return index < weft__sim_here()->cpus ? (int)index : -ERANGE;
}

int weft__host_pin(int cpu)
{
    struct weft__sim *sim = weft__sim_here();

    if (cpu < 0 || (uint32_t)cpu >= sim->cpus)
        return -EINVAL;
    sim->running->cpu = cpu;
    return 0;
}

int weft__host_unpin(void)
{
    weft__sim_here()->running->cpu = -1;
    return 0;
}

int weft__host_cpu_here(void)
{
    struct weft__sim *sim = weft__sim_here();
    struct weft__sim_thread *thread = sim->running;

    return thread->cpu >= 0 ? thread->cpu : (int)(thread->serial % sim->cpus);
}

/* Whoever spins waits for another: that one is to run. */
void weft__host_relax(void)
{
    struct weft__sim *sim = weft__sim_here();

    weft__sim_charge(sim);
    weft__sim_give_way(sim);
}

/* -- threads ------------------------------------------------------------------------------------
 */

void weft__host_block(const void *word, uint32_t value, int64_t deadline_ns)
{
    const _Atomic(uint32_t) *atomic = word;
    struct weft__sim *sim = weft__sim_here();

    weft__sim_charge(sim);
    weft__sim_give_way(sim);
    if (atomic_load_explicit(atomic, memory_order_relaxed) != value || deadline_ns <= sim->now_ns)
        return;
    sim->running->word = word;
    weft__sim_park_until(sim, "a word", 0, deadline_ns);
    sim->running->word = NULL;
}

void weft__host_unblock(const void *word)
{
    struct weft__sim *sim = weft__sim_here();

    for (struct weft__sim_thread *thread = sim->threads; thread; thread = thread->next)
        if (thread->word == word)
            weft__sim_wake(sim, thread);
    weft__sim_charge(sim);
    weft__sim_give_way(sim);
}

int weft__host_thread_start(struct weft__thread **thread, void *(*fn)(void *), void *arg,
                            const char *name)
{
    struct weft__sim *sim = weft__sim_here();
    struct weft__sim_thread *made;

    weft__sim_charge(sim);
    if (weft__sim_chance(sim, &sim->running->dice, WEFT__SIM_THREAD_NONE))
        return -EAGAIN;
    made = weft__sim_thread_new(sim, fn, arg, name);
    if (!made)
        return -EAGAIN;
    *thread = (struct weft__thread *)made;
    weft__sim_give_way(sim);
    return 0;
}

const void *weft__host_thread_self(void)
{
    return weft__sim_running(weft__sim_here());
}

int weft__host_thread_join(struct weft__thread *thread)
{
    struct weft__sim *sim = weft__sim_here();
    struct weft__sim_thread *other = &thread->thread;

    if (other == sim->running)
        return -EDEADLK;
    other->joiner = sim->running;
    while (other->state != WEFT__SIM_ENDED)
        weft__sim_park(sim, "the end of a thread", other->serial);
    weft__sim_thread_free(sim, other);
    return 0;
}
