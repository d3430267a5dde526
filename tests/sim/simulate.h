/*
 * What the tests of the simulated kernel share: a run of one server in a world of its own.
 */
#ifndef WEFT_TESTS_SIM_SIMULATE_H
#define WEFT_TESTS_SIM_SIMULATE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/sim.h>
#include <weft/weft.h>

#include "support/test.h"

#define ok(expression) ck_assert_int_ge((expression), 0)

/* Each test says in what worlds it runs; the environment's plan is for programs that do not. Its
   seed is taken, to repeat one of many. */
static __attribute__((constructor)) void forget_plan(void)
{
    unsetenv("WEFT_SIM_PLAN");
}

struct world {
    uint64_t seed;
    const char *plan;
    uint64_t steps_max;
    weft_task_fn task;
    struct weft_run_opt run; /* of weft_run */
    bool fails;              /* it is meant to: be quiet about it */
    struct weft_sim_result result;
    char report[65536];
    void (*trace)(const struct weft_sim_event *event, void *context);
    void *context;
};

static inline int world_main(void *arg)
{
    struct world *world = arg;

    world->run.size = sizeof world->run;
    return weft_run(world->task, NULL, 0, &world->run);
}

/* Runs world->task as the main task of a runtime; the result of weft_sim_run. */
static inline int world_run_fn(struct world *world, int (*fn)(void *arg), void *arg)
{
    const struct weft_sim_opt opt = {
        .size = sizeof opt,
        .seed = world->seed,
        .plan = world->plan,
        .steps_max = world->steps_max,
        .report = world->report,
        .report_size = sizeof world->report,
        .quiet = world->fails,
        .trace = world->trace,
        .context = world->context,
    };

    world->result.size = sizeof world->result;
    return weft_sim_run(&opt, fn, arg, &world->result);
}

static inline int world_run(struct world *world)
{
    return world_run_fn(world, world_main, world);
}

/*
 * The same in a process of its own, for runs that are meant to be left: what they had open is
 * leaked, which the harness would count.
 */
static inline int world_run_fn_apart(struct world *world, int (*fn)(void *arg), void *arg)
{
    struct shared {
        struct world world;
        int result;
    } *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status, result;
    pid_t child;

    ck_assert(shared != MAP_FAILED);
    shared->world = *world;
    child = fork();
    if (child == 0) {
        shared->result = world_run_fn(&shared->world, fn, arg ? arg : &shared->world);
        test_save_coverage();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    *world = shared->world;
    result = shared->result;
    munmap(shared, sizeof *shared);
    return result;
}

static inline int world_run_apart(struct world *world)
{
    return world_run_fn_apart(world, world_main, NULL);
}

#endif
