/*
 * sim/world.c - a world begins and ends; its clock, its serial numbers, its record.
 */
#include "sim/world.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/sim.h>

#include "sim/disk.h"
#include "sim/process.h"

__thread struct weft__sim *weft__sim_world __attribute__((tls_model("initial-exec")));

enum { STEPS_MAX = 100000000, CPUS = 4, FDS_MAX = 16384 };

void weft__sim_world_open(struct weft__sim *sim, uint64_t seed, const struct weft__sim_plan *plan)
{
    *sim = (struct weft__sim){.plan = *plan,
                              .now_ns = WEFT__SIM_EPOCH_NS,
                              .hash = seed,
                              .steps_max = STEPS_MAX,
                              .cpus = CPUS,
                              .fds_max = FDS_MAX};
    weft__sim_plan_seed(&sim->plan, seed);
    sim->dice = weft__sim_dice(WEFT__SIM_WHO_WORLD, 0);
    weft__sim_net_open(sim, &sim->net);
    weft__sim_disk_open(sim, &sim->disk);
}

static void close_descriptors(struct weft__sim *sim)
{
    for (uint32_t fd = 0; fd < sim->fds_room; fd++)
        if (sim->fds[fd])
            weft__sim_fd_close(sim, (int)fd);
}

/* Threads that were left behind keep their stacks: what is on them may be pointed at. */
void weft__sim_world_close(struct weft__sim *sim)
{
    weft__sim_rings_end(sim);
    weft__sim_bells_end(sim);
    close_descriptors(sim);
    weft__sim_processes_end(sim);
    weft__sim_net_close(sim, sim->net);
    weft__sim_disk_close(sim->disk);
    while (sim->threads) {
        if (sim->threads->state != WEFT__SIM_ENDED)
            sim->threads->stack = NULL;
        weft__sim_thread_free(sim, sim->threads);
    }
    weft__sim_futexes_end(sim);
    weft__sim_free(sim->fds);
    weft__sim_free(sim->queue);
    weft__sim_free(sim->runnable);
    weft__sim_free(sim->report);
}

/* Kept in sight when their threads have ended, so that nobody takes them for leaked. */
static _Atomic(struct weft__sim *) never_closed;

static void keep(struct weft__sim *sim)
{
    sim->next = atomic_load_explicit(&never_closed, memory_order_relaxed);
    /* release: who walks the list sees the link */
    while (!atomic_compare_exchange_weak_explicit(&never_closed, &sim->next, sim,
                                                  memory_order_release, memory_order_relaxed))
        ;
}

/* A program that calls weft_run without weft_sim_run is simulated too. Its world is never closed:
   there is no moment at which it is over. */
static struct weft__sim *begin_here(void)
{
    const char *seed = secure_getenv("WEFT_SIM_SEED"), *text = secure_getenv("WEFT_SIM_PLAN");
    struct weft__sim *sim = weft__sim_alloc(sizeof *sim);
    struct weft__sim_plan plan;

    if (weft__sim_plan_parse(&plan, text) < 0) {
        fprintf(stderr, "weft-sim: WEFT_SIM_PLAN is not understood: %s\n", text);
        abort();
    }
    weft__sim_world = sim;
    weft__sim_world_open(sim, seed ? strtoull(seed, NULL, 0) : 1, &plan);
    keep(sim);
    weft__sim_thread_adopt(sim);
    return sim;
}

struct weft__sim *weft__sim_here(void)
{
    struct weft__sim *sim = weft__sim_world;

    return __builtin_expect(sim != NULL, 1) ? sim : begin_here();
}

int64_t weft__sim_now(const struct weft__sim *sim)
{
    return sim->now_ns;
}

uint64_t weft__sim_serial(struct weft__sim *sim, enum weft__sim_who who)
{
    return ++sim->serials[who];
}

struct weft__sim_net *weft__sim_net(const struct weft__sim *sim)
{
    return sim->net;
}

static uint64_t fold(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    return hash ^ hash >> 29;
}

void weft__sim_note(struct weft__sim *sim, enum weft__sim_note note, uint64_t who, int64_t value)
{
    sim->hash =
        fold(fold(fold(fold(sim->hash, (uint64_t)sim->now_ns), note), who), (uint64_t)value);
    if (__builtin_expect(sim->trace != NULL, 0)) {
        const struct weft_sim_event event = {
            .step = sim->steps,
            .time_ns = sim->now_ns - WEFT__SIM_EPOCH_NS,
            .thread = sim->running ? (uint32_t)sim->running->serial : 0,
            .what = weft__sim_note_name(note),
            .who = who,
            .value = value,
        };
        sim->trace(&event, sim->trace_context);
    }
}
