/*
 * One program in a world of its own, from the main task to the last check.
 */
#include "futures.h"
#include "steps.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <weft/sim.h>

#include "base/memory.h"
#include "sim/world.h"

enum {
    STEPS_OF_A_WORLD_MAX = 3000000,
    TRIES = 50 /* a world where things fail may refuse a run */
};
#define MAIN_DEADLINE_MS 5000

struct program program;
uint64_t steps_run, world_steps;

static struct {
    const uint8_t *bytes;
    size_t size;
} now;

_Noreturn void broke(const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "\nA LAW IS BROKEN: ");
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    for (int i = 0; i < model.task_count; i++) {
        const struct task *task = &model.tasks[i];
        if (task->used)
            fprintf(stderr, "  task %d: body %d, reactor %d, home %d, scope %d, step %d, %s\n", i,
                    task->body, task->reactor, task->home, task->scope, task->at,
                    task->returned  ? "returned"
                    : task->dropped ? "dropped"
                    : task->began   ? "began"
                                    : "taken");
    }
    fprintf(stderr, "  at %lld ns of its world\n", (long long)weft_sim_time());
    program_print(now.bytes, now.size);
    fprintf(stderr, "  to see it again: fuzz.tasks replay ");
    for (size_t i = 0; i < now.size; i++)
        fprintf(stderr, "%02x", now.bytes[i]);
    fprintf(stderr, "\n");
    abort();
}

/* -- in the world ---------------------------------------------------------------------------- */

/* Connections made before the first step, so that few steps lead to bytes. */
void prologue(struct task *task)
{
    for (int i = 0; i < program.pairs; i++) {
        if (model.listener_count == 0 && listener_new(task, !program.unix_pairs) < 0)
            return;
        if (connect_to(task, 0, 0) >= 0)
            (void)accept_from(task, &model.listeners[0]);
    }
}

/* The main task: everything in it is over, by its own deadline, at some time. */
int run_main(void *arg)
{
    struct task *task = &model.tasks[0];
    struct weft_scope_opt opt = {.size = sizeof opt,
                                 .on_error = WEFT_KEEP_GOING,
                                 .deadline = weft_after_ms(MAIN_DEADLINE_MS)};
    bool left = false;
    struct scope *scope;
    int result;

    (void)arg;
    task->began = true;
    task->self = weft_current_task();
    model.scopes[0].scope = weft_root();
    scope = &model.scopes[scope_new(task, false, false, opt.deadline, 0)];
    if (weft_scope_open(scope->scope, &opt) < 0)
        broke("the outermost scope cannot be opened");
    locks_claim();
    gates_claim();
    queues_claim();
    prologue(task);
    result = run_steps(task, program.body[0].first, program.body[0].count, &left);
    for (int s = task->scope; s != NOBODY; s = model.scopes[s].outer) {
        model.scopes[s].may |= CAUSE(CANCEL);
        model.scopes[s].closing = true;
    }
    model.main_over_at = weft_now();
    model.main_over = true;
    task_ended(task, result, false);
    return result;
}

/* What a run leaves open stays open; the next one closes it. */
void close_what_is_left(void)
{
    for (int i = 0; i < model.listener_count; i++)
        if (model.listeners[i].used && model.listeners[i].state == END_OPEN)
            (void)weft_close(model.listeners[i].fd);
    for (int i = 0; i < model.end_count; i++) {
        const struct end *end = &model.ends[i];
        if (end->used && !end->stream && end->state == END_OPEN)
            (void)weft_close(end->fd);
    }
}

static int closing_main(void *arg)
{
    (void)arg;
    close_what_is_left();
    return 0;
}

static int in_world(void *arg)
{
    const struct weft_run_opt opt = {.size = sizeof opt,
                                     .reactors = (uint32_t)program.reactors,
                                     .budget = program.budget_of_one ? 1 : 0,
                                     .drain_ns = program.drain_ns,
                                     .cancel_ns = program.cancel_ns};
    struct task *main;

    (void)arg;
    model_reset();
    locks_reset();
    gates_reset();
    queues_reset();
    futures_reset();
    callbacks_reset();
    main = task_new(0);
    main->asked = false;
    main->used = true;
    main->home = 0;
    model.scopes[0].spawned = 1;
    model.run_result = weft_run(run_main, NULL, 0, &opt);
    model.returned = true;
    queues_check_end();
    futures_check_end();
    callbacks_check_end();
    for (int tries = 0; tries < TRIES; tries++)
        if (weft_run(closing_main, NULL, 0, NULL) == 0)
            return 0;
    return -EIO;
}

static void check_result(void)
{
    const struct task *main = &model.tasks[0];

    if (!main->began && program.faults)
        return; /* it could not be started */
    if (!main->began || !task_may_result(main, model.run_result))
        broke("the run came to %d, and its main task to %d", model.run_result, main->value);
}

static int opened_and_shut(void *arg)
{
    int result = in_world(arg);

    if (weft__sim_world->fds_open > 0)
        broke("%u descriptors are left", weft__sim_world->fds_open);
    return result;
}

void run_program(const uint8_t *bytes, size_t size)
{
    struct weft_sim_result world = {.size = sizeof world};
    struct weft_sim_opt opt = {.size = sizeof opt, .steps_max = STEPS_OF_A_WORLD_MAX};
    size_t alive = weft__alloc_live();
    int result;

    now.bytes = bytes;
    now.size = size;
    program_decode(&program, bytes, size);
    opt.plan = program.plan;
    opt.seed = program.seed;
    result = weft_sim_run(&opt, opened_and_shut, NULL, &world);
    world_steps += world.steps;
    if (result != 0)
        broke("the world ended with %s", strerror(-result));
    check_result();
    if (model.tasks[0].began)
        model_check_end();
    if (weft__alloc_live() != alive)
        broke("%zu blocks of memory are left", weft__alloc_live() - alive);
}
