/*
 * scheduler.c - threads as contexts, and every execution in turn.
 *
 * A choice is made wherever more than one thing may happen: which thread goes on, which store a
 * load sees. The choices taken so far are a path; the next execution changes the last of them that
 * has something left to offer, and begins with its first possibility from there on. The first
 * possibility is always the plain one: the running thread goes on, a load sees the newest store.
 *
 * To leave a thread that could go on is a preemption, and only so many are made in one execution.
 * To go on with another when one waits or has ended costs nothing.
 */
#include "explore.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "coro/context.h"

enum { STACK_SIZE = 64 * 1024, STEPS_MAX = 4000 };

enum state { UNUSED, RUNNABLE, WAITING, ENDED };
struct thread {
    struct weft__context context;
    enum state state;
    bool (*ready)(void *arg);
    void *arg;
    const char *for_what;
};

static struct thread threads[EXPLORE_THREADS_MAX];
static _Alignas(4096) unsigned char stacks[EXPLORE_THREADS_MAX][STACK_SIZE];
static struct weft__context outside; /* the enumeration */
static const struct explore_scenario *scenario;
static const struct explore_bounds *bounds;
static uint32_t thread_count;
static bool others_started;
static bool just_came; /* the running thread has done nothing yet since others ran */

static struct {
    uint8_t taken[EXPLORE_CHOICES_MAX];
    uint8_t of[EXPLORE_CHOICES_MAX];
    uint32_t length; /* chosen already by earlier executions */
    uint32_t at;
} path;

static struct {
    bool failed;
    char text[256];
    uint32_t steps, preemptions, stale, spurious;
} execution;

uint32_t explore_running;
bool explore_tracing;

static const char *name_of(uint32_t thread)
{
    return thread == 0 ? "(begin and end)" : scenario->threads[thread - 1].name;
}

void explore_trace(const char *format, ...)
{
    va_list args;

    if (!explore_tracing)
        return;
    printf("  %-16s", name_of(explore_running));
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

_Noreturn void explore_fail(const char *format, ...)
{
    va_list args;
    int length = snprintf(execution.text, sizeof execution.text, "%s: ", name_of(explore_running));

    va_start(args, format);
    vsnprintf(execution.text + length, sizeof execution.text - (size_t)length, format, args);
    va_end(args);
    execution.failed = true;
    explore_trace("FAILS: %s", execution.text);
    weft__context_exit_to(&threads[explore_running].context, &outside);
}

/* -- choices ---------------------------------------------------------------------------------- */

uint32_t explore_choose(uint32_t count)
{
    uint32_t taken = 0;

    if (count <= 1)
        return 0;
    if (path.at == EXPLORE_CHOICES_MAX)
        explore_fail("too many choices");
    if (path.at < path.length)
        taken = path.taken[path.at];
    if (taken >= count)
        taken = 0; /* only of a list given by hand */
    path.taken[path.at] = (uint8_t)taken;
    path.of[path.at++] = (uint8_t)count;
    return taken;
}

/* The next path; false when there is none. */
static bool path_next(void)
{
    while (path.at > 0) {
        path.at--;
        if (path.taken[path.at] + 1 < path.of[path.at]) {
            path.taken[path.at]++;
            path.length = path.at + 1;
            return true;
        }
    }
    return false;
}

bool explore_may_be_stale(void)
{
    return execution.stale < bounds->stale;
}

bool explore_may_be_spurious(void)
{
    return execution.spurious < bounds->spurious;
}

void explore_was_stale(void)
{
    execution.stale++;
}

void explore_was_spurious(void)
{
    execution.spurious++;
}

/* -- who goes on ------------------------------------------------------------------------------ */

static bool can_run(struct thread *thread)
{
    if (thread->state == WAITING && thread->ready(thread->arg))
        thread->state = RUNNABLE;
    return thread->state == RUNNABLE;
}

static uint32_t others(uint32_t *found)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < thread_count; i++)
        if (i != explore_running && can_run(&threads[i]))
            found[count++] = i;
    return count;
}

static void go_on_with(uint32_t thread)
{
    struct thread *from = &threads[explore_running];

    if (thread == explore_running)
        return;
    explore_running = thread;
    just_came = true;
    weft__context_switch(&from->context, &threads[thread].context);
}

static void count_step(void)
{
    if (++execution.steps > STEPS_MAX)
        explore_fail("it does not come to an end");
}

void explore_step(const char *what)
{
    uint32_t found[EXPLORE_THREADS_MAX], pick;

    if (!others_started)
        return;
    count_step();
    /* to come and go at once is to go at once */
    if (!just_came && execution.preemptions < bounds->preemptions) {
        pick = explore_choose(1 + others(found));
        if (pick > 0) {
            execution.preemptions++;
            explore_trace("-- may go on, and does not, before: %s", what);
            go_on_with(found[pick - 1]);
        }
    }
    just_came = false;
}

/* The running thread waits or has ended. */
static void give_way(void)
{
    uint32_t found[EXPLORE_THREADS_MAX], count = others(found);

    if (threads[explore_running].state == WAITING && can_run(&threads[explore_running]))
        found[count++] = explore_running;
    if (count == 0) {
        for (uint32_t i = thread_count; i-- > 1;)
            if (threads[i].state == WAITING) {
                explore_running = i;
                explore_fail("waits for %s, for ever", threads[i].for_what);
            }
        explore_fail("nobody can go on");
    }
    go_on_with(found[explore_choose(count)]);
}

void explore_wait(bool (*ready)(void *arg), void *arg, const char *for_what)
{
    struct thread *thread = &threads[explore_running];

    count_step();
    if (ready(arg))
        return;
    explore_trace("waits for %s", for_what);
    thread->ready = ready;
    thread->arg = arg;
    thread->for_what = for_what;
    thread->state = WAITING;
    give_way();
}

static bool something_newer(void *arg)
{
    return memory_newer((uint32_t)((struct thread *)arg - threads));
}

void explore_relax(void)
{
    memory_must_be_newer();
    explore_wait(something_newer, &threads[explore_running], "a newer value in a loop");
}

/* -- one execution ---------------------------------------------------------------------------- */

static bool all_ended(void *arg)
{
    (void)arg;
    for (uint32_t i = 1; i < thread_count; i++)
        if (threads[i].state != ENDED)
            return false;
    return true;
}

/* The first thread: what comes before the others, and what must hold after them. */
static void run_first(void)
{
    const char *left;

    scenario->set_up();
    for (uint32_t i = 1; i < thread_count; i++) {
        memory_start(i);
        threads[i].state = RUNNABLE;
    }
    others_started = true;
    explore_wait(all_ended, NULL, "the others");
    others_started = false;
    for (uint32_t i = 1; i < thread_count; i++)
        memory_join(i);
    if (scenario->check)
        scenario->check();
    left = memory_left();
    if (left)
        explore_fail("%s", left);
}

static void run_thread(void *arg)
{
    struct thread *thread = arg;

    if (thread == threads) {
        run_first();
        weft__context_exit_to(&thread->context, &outside);
    }
    scenario->threads[thread - threads - 1].run();
    explore_trace("ends");
    thread->state = ENDED;
    give_way();
    __builtin_unreachable();
}

static struct {
    struct weft__context caller, context;
    void (*run)(void);
} apart;

static void run_apart(void *arg)
{
    (void)arg;
    apart.run();
    weft__context_exit_to(&apart.context, &apart.caller);
}

void explore_in_watched_frames(void (*run)(void))
{
    enum { SIZE = 16384 };
    char *low = explore_alloc(SIZE);

    apart.run = run;
    weft__context_make(&apart.context, low, low + SIZE, run_apart, NULL);
    weft__context_switch(&apart.caller, &apart.context);
    explore_free(low);
}

static void execute(void)
{
    memset(&execution, 0, sizeof execution);
    memory_reset();
    path.at = 0;
    others_started = false;
    explore_running = 0;
    thread_count = 1;
    while (thread_count < EXPLORE_THREADS_MAX && scenario->threads[thread_count - 1].name)
        thread_count++;
    for (uint32_t i = 0; i < thread_count; i++) {
        threads[i].state = i == 0 ? RUNNABLE : UNUSED;
        weft__context_make(&threads[i].context, stacks[i], stacks[i] + STACK_SIZE, run_thread,
                           &threads[i]);
    }
    weft__context_switch(&outside, &threads[0].context);
}

/* -- all of them ------------------------------------------------------------------------------ */

static void note_failure(struct explore_result *result)
{
    result->failed = true;
    result->number = result->executions;
    result->steps = execution.steps;
    result->preemptions = execution.preemptions;
    memcpy(result->text, execution.text, sizeof result->text);
    result->schedule.length = path.at;
    memcpy(result->schedule.taken, path.taken, path.at);
    while (result->schedule.length > 0 && path.taken[result->schedule.length - 1] == 0)
        result->schedule.length--;
}

void explore_all(const struct explore_scenario *which, const struct explore_bounds *within,
                 bool shortest, struct explore_result *result)
{
    enum { AFTER_THE_FIRST = 20000 };
    uint64_t last = within->executions_max;

    memset(result, 0, sizeof *result);
    weft__context_adopt(&outside);
    scenario = which;
    bounds = within;
    path.length = 0;
    do {
        execute();
        result->executions++;
        if (!execution.failed)
            continue;
        if (!result->failed && result->executions + AFTER_THE_FIRST < last)
            last = result->executions + AFTER_THE_FIRST;
        if (!result->failed || execution.steps < result->steps)
            note_failure(result);
        if (!shortest)
            return;
    } while (result->executions < last && path_next());
    result->complete = path.at == 0;
}

void explore_replay(const struct explore_scenario *which, const struct explore_bounds *within,
                    const struct explore_schedule *schedule, struct explore_result *result)
{
    path.length = schedule->length; /* it may stand in the result */
    memcpy(path.taken, schedule->taken, schedule->length);
    memset(result, 0, sizeof *result);
    weft__context_adopt(&outside);
    scenario = which;
    bounds = within;
    execute();
    result->executions = 1;
    if (execution.failed)
        note_failure(result);
}
