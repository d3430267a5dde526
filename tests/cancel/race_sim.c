/*
 * Races on the simulated kernel: a world for each run. First the enumerated ones, then the drawn.
 */
#include <stdio.h>
#include <stdlib.h>
#include <weft/sim.h>

#include "race.h"
#include "sim/world.h"

enum { ORDERS_MAX = 20000, STEPS_MAX = 50000000 };

/* Check notes in a file where each assertion that holds stands, in case that the process dies
   there. Of a hundred thousand runs that would be gigabytes, and how to repeat the run is told
   anyway. */
void __wrap__mark_point(const char *file, int line);
void __wrap__mark_point(const char *file, int line)
{
    (void)file, (void)line;
}

bool race_simulated(void)
{
    return true;
}

static int in_world(void *arg)
{
    const struct race *race = arg;
    struct weft_run_opt opt;
    int result;

    race_options(race, &opt);
    result = race->run ? race->run() : weft_run(race_main, &race->body, sizeof race->body, &opt);
    ck_assert_uint_eq(weft__sim_world->fds_open, 0);
    return result;
}

/* WEFT_RACE_TRACE=1, together with the command of a failure. */
static void print_event(const struct weft_sim_event *event, void *context)
{
    (void)context;
    fprintf(stderr, "%9lld ns thread %u %-12s %llx %lld\n", (long long)event->time_ns,
            event->thread, event->what, (unsigned long long)event->who, (long long)event->value);
}

static void run_once(const struct race *race, uint64_t seed, const char *plan)
{
    const struct weft_sim_opt opt = {.size = sizeof opt,
                                     .seed = seed,
                                     .plan = plan,
                                     .steps_max = STEPS_MAX,
                                     .trace = getenv("WEFT_RACE_TRACE") ? print_event : NULL};
    size_t allocations = test_live_allocations(), mapped = test_mapped_bytes();

    race_begins(seed, plan);
    race_is(weft_sim_run(&opt, in_world, (void *)(uintptr_t)race, NULL), 0);
    ck_assert_uint_eq(test_live_allocations(), allocations);
    ck_assert_uint_eq(test_mapped_bytes(), mapped);
}

/*
 * Every way in which a cancel and what it is aimed at can meet: twelve pairs of answer and end,
 * both orders of the two, the end at once or after a while; and operations that are done when they
 * are submitted or when the kernel is next visited, told at once or later.
 */
static void run_orders(const struct race *race)
{
    uint64_t runs = 0;
    char plan[512];

    for (int way = 0; way < 12 * 2 * 2 * 2 * 2; way++) {
        int other = way / 12;

        snprintf(plan, sizeof plan,
                 "calm cancel.case=%d cancel.answer_first=%s cancel.time=%s op.inline=%s "
                 "op.held=%s%s %s",
                 way % 12, other & 1 ? "always" : "never", other & 2 ? "20us" : "0",
                 other & 4 ? "always" : "never", other & 8 ? "always" : "never",
                 other & 8 ? " op.later_time=15us" : "", race->plan ? race->plan : "");
        for (bool more = race_enumerate(true); more; more = race_enumerate(false)) {
            run_once(race, 0, plan);
            ck_assert_msg(++runs < ORDERS_MAX, "too many orders to enumerate");
        }
    }
}

void race_runs(const struct race *race)
{
    static const char *const plans[] = {
        "rough",
        "rough cancel.time=0 op.later_time=0..200 op.wake_time=0..200 net.latency=0..2us",
        "calm cancel.case=0..11 cancel.answer_first=1/2 op.inline=1/2 op.held=1/2",
        "rough net.latency=0 cancel.time=0..2ms op.held=1/2",
    };
    uint64_t count = race_count(race);
    const char *seed = getenv("WEFT_SIM_SEED");
    char plan[512];

    if (seed) {
        race_picks_given();
        run_once(race, strtoull(seed, NULL, 0),
                 getenv("WEFT_SIM_PLAN") ? getenv("WEFT_SIM_PLAN") : "rough");
        return;
    }
    if (race->orders && !getenv("WEFT_RACE_SAMPLE"))
        run_orders(race);
    race_picks_given(); /* none: they are drawn from here on */
    for (uint64_t i = 1; i <= count; i++) {
        snprintf(plan, sizeof plan, "%s %s", plans[i % 4], race->plan ? race->plan : "");
        run_once(race, i, plan);
    }
}
