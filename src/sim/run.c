/*
 * sim/run.c - weft_sim_run: a world from its beginning to its end; <weft/sim.h> is its reference.
 *
 * The calling thread waits outside, on its own stack, while the simulated ones run on theirs. So a
 * world that comes to no good end can be left: its stacks are never returned to.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/sim.h>

#include "base/option.h"
#include "ring/host.h"
#include "sim/world.h"

struct errand {
    int (*fn)(void *arg);
    void *arg;
    int result;
    bool finished;
};

/* The first thread. When it has ended, so has the world. */
static void *first_thread(void *arg)
{
    struct errand *errand = arg;
    struct weft__sim *sim = weft__sim_world;

    errand->result = errand->fn(errand->arg);
    errand->finished = true;
    weft__context_exit_to(&sim->running->context, &sim->outside);
}

static int set_up(struct weft__sim *sim, const struct weft_sim_opt *opt)
{
    const char *seed = secure_getenv("WEFT_SIM_SEED"), *text = secure_getenv("WEFT_SIM_PLAN");
    struct weft__sim_plan plan;
    int error = weft__sim_plan_parse(&plan, text ? text : opt->plan);

    if (error < 0)
        return error;
    weft__sim_world_open(sim, seed ? strtoull(seed, NULL, 0) : opt->seed, &plan);
    sim->steps_max = opt->steps_max ? opt->steps_max : sim->steps_max;
    sim->cpus = opt->cpus ? opt->cpus : sim->cpus;
    sim->fds_max = opt->fds_max ? opt->fds_max : sim->fds_max;
    sim->trace = opt->trace;
    sim->trace_context = opt->context;
    return 0;
}

static void report(const struct weft__sim *sim, const struct weft_sim_opt *opt)
{
    if (opt->report && opt->report_size)
        snprintf(opt->report, opt->report_size, "%s", sim->report);
    if (!opt->quiet)
        fputs(sim->report, stderr);
}

static int tell(struct weft__sim *sim, const struct weft_sim_opt *opt, const struct errand *errand,
                struct weft_sim_result *result)
{
    int value = errand->finished ? errand->result : sim->result;

    if (result) {
        const struct weft_sim_result whole = {
            .size = sizeof whole,
            .hash = sim->hash,
            .steps = sim->steps,
            .time_ns = weft_sim_time(),
            .faults = sim->faults,
        };
        memcpy(result, &whole, result->size < sizeof whole ? result->size : sizeof whole);
    }
    if (errand->finished && value < 0)
        weft__sim_describe(sim, strerror(-value));
    if (value < 0)
        report(sim, opt);
    return value;
}

int weft_sim_run(const struct weft_sim_opt *opt, int (*fn)(void *arg), void *arg,
                 struct weft_sim_result *result)
{
    struct errand errand = {.fn = fn, .arg = arg};
    struct weft_sim_opt own;
    struct weft__sim *sim;
    int value = weft__option_copy(&own, sizeof own, opt);

    if (value < 0 || !fn || (result && result->size < sizeof result->size))
        return -EINVAL;
    if (weft__sim_world)
        return -EBUSY;
    sim = weft__sim_alloc(sizeof *sim);
    weft__sim_world = sim;
    value = set_up(sim, &own);
    if (value == 0) {
        if (weft__sim_thread_new(sim, first_thread, &errand, "main"))
            weft__sim_run_from_outside(sim);
        else
            sim->result = -ENOMEM;
        value = tell(sim, &own, &errand, result);
        if (errand.finished)
            sim->running->state = WEFT__SIM_ENDED;
        weft__sim_world_close(sim);
    }
    weft__sim_free(sim);
    weft__sim_world = NULL;
    return value;
}

uint64_t weft_sim_seed(void)
{
    return weft__sim_world ? weft__sim_world->plan.seed : 0;
}

int64_t weft_sim_time(void)
{
    return weft__sim_world ? weft__sim_world->now_ns - WEFT__SIM_EPOCH_NS : 0;
}

int weft_sim_plan_text(const char *plan, char *text, size_t size)
{
    struct weft__sim_plan parsed;
    int error = weft__sim_plan_parse(&parsed, plan);

    return error < 0 ? error : weft__sim_plan_print(&parsed, text, size);
}
