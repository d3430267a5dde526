/*
 * Everything at once (mix.h), in one world after another, for as many steps as are asked for.
 *
 * Would catch: a byte lost, doubled or out of order; a task, timer, operation, buffer, descriptor,
 * allocation or mapping that is left; a time limit that comes early; a world that never ends. What
 * needs an unlikely order of many things comes up here or nowhere.
 *
 * WEFT_STEPS is how many steps are made (a million; a hundred million under WEFT_LONG), half of
 * them in rough worlds, where nothing may fail, half in broken ones, where anything may. A world
 * that fails is named by its seed; WEFT_STEPS_SEED runs it alone.
 */
#include <stdlib.h>
#include <time.h>

#include "mix.h"

enum { STEPS = 1000000, STEPS_LONG = 100000000 };

/* The steps it took. */
static uint64_t run_world(uint64_t seed, bool broken)
{
    static const char *const plans[2][4] = {
        {"rough", "rough net.latency=0..50us", "rough sq.size=3..9 cq.size=5..14 op.held=1/4",
         "rough op.inline=never sched.other=1/2 net.segment=1..2000"},
        {"broken", "broken op.errno=1/100", "broken net.latency=0..50us fd.none=1/100",
         "broken op.reset=1/200 sq.size=3..9 cq.size=5..14"},
    };
    struct world world = {.seed = seed, .plan = plans[broken][seed / 3 % 4]};

    mix_run(&world, broken);
    return world.result.steps;
}

static uint64_t steps_wanted(void)
{
    const char *text = getenv("WEFT_STEPS");

    return text ? strtoull(text, NULL, 10) : test_long() ? STEPS_LONG : STEPS;
}

static double cpu_seconds(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void run_worlds(const char *name, bool broken)
{
    const char *only = getenv("WEFT_STEPS_SEED");
    uint64_t steps = 0, seed = only ? strtoull(only, NULL, 10) : 1, worlds = 0, bytes = 0;
    double began = cpu_seconds(), took;

    do {
        steps += run_world(seed++, broken);
        bytes += mix.echoed;
        worlds++;
    } while (!only && steps < steps_wanted() / 2);
    took = cpu_seconds() - began;
    printf("%s: %llu steps in %llu worlds, %llu bytes echoed, %.2f s of CPU: %.2f million steps a "
           "second\n",
           name, (unsigned long long)steps, (unsigned long long)worlds, (unsigned long long)bytes,
           took, (double)steps / took / 1e6);
    fflush(stdout);
}

TEST(rough_worlds)
{
    run_worlds("rough", false);
}

TEST(broken_worlds)
{
    run_worlds("broken", true);
}

TEST_MAIN("sim/steps", 3600, rough_worlds, broken_worlds)
