/*
 * sim/driver.c - who runs next, and what happens meanwhile; sim.h draws it.
 *
 * There is no context of the driver: it is the last part of going to sleep. It runs on the stack of
 * whoever parks or gives way, fires the events that are due, and switches straight to the thread
 * drawn; when that is the one that parked, it returns without a switch. With nobody runnable the
 * clock jumps to the next event.
 *
 * What always holds: a thread that others wait for in a loop (weft__host_relax) gives way each
 * time, to the one that has waited longest unless it is drawn otherwise, so nobody is left out.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "coro/sanitize.h"
#include "ring/host.h"
#include "sim/world.h"

enum { EVENTS_PER_STEP = 64, CALLS_PER_STEP = 64, GUARD = 65536 };
#define STACK_SIZE ((size_t)8 << 20)

__thread struct weft__reactor *weft__self __attribute__((tls_model("initial-exec")));

/* -- threads -------------------------------------------------------------------------------- */

static void make_runnable(struct weft__sim *sim, struct weft__sim_thread *thread)
{
    if (sim->runnable_count == sim->runnable_room) {
        uint32_t room = sim->runnable_room ? sim->runnable_room * 2 : 16;
        sim->runnable = weft__sim_grow(sim->runnable, sim->runnable_room * sizeof *sim->runnable,
                                       room * sizeof *sim->runnable);
        sim->runnable_room = room;
    }
    thread->state = WEFT__SIM_RUNNABLE;
    sim->runnable[sim->runnable_count++] = thread;
}

static struct weft__sim_thread *take_runnable(struct weft__sim *sim, uint32_t index)
{
    struct weft__sim_thread *thread = sim->runnable[index];

    memmove(&sim->runnable[index], &sim->runnable[index + 1],
            (--sim->runnable_count - index) * sizeof *sim->runnable);
    return thread;
}

/* The alarm of a thread: its sleep has lasted long enough, or it stood still long enough. */
static void alarm_fires(struct weft__sim *sim, struct weft__sim_event *event)
{
    struct weft__sim_thread *thread =
        (struct weft__sim_thread *)((char *)event - offsetof(struct weft__sim_thread, alarm));

    if (thread->left_to_stand) {
        thread->left_to_stand = false;
        make_runnable(sim, thread);
    } else {
        weft__sim_wake(sim, thread);
    }
}

static struct weft__sim_thread *thread_begin(struct weft__sim *sim, const char *name)
{
    struct weft__sim_thread *thread = weft__sim_alloc(sizeof *thread);

    thread->sim = sim;
    thread->serial = weft__sim_serial(sim, WEFT__SIM_WHO_THREAD);
    thread->dice = weft__sim_dice(WEFT__SIM_WHO_THREAD, thread->serial);
    thread->cpu = -1;
    thread->alarm.fire = alarm_fires;
    thread->next = sim->threads;
    sim->threads = thread;
    snprintf(thread->name, sizeof thread->name, "%s", name ? name : "thread");
    return thread;
}

void weft__sim_thread_adopt(struct weft__sim *sim)
{
    sim->running = thread_begin(sim, "main");
}

static void go(struct weft__sim *sim);

static void thread_entry(void *arg)
{
    struct weft__sim_thread *thread = arg;
    struct weft__sim *sim = thread->sim;

    weft__self = NULL;
    errno = 0;
    thread->fn(thread->arg);
    /* A signal stack that came and went with what ran here may have been another thread's before.
     */
    sigaltstack(&thread->signal_stack, NULL);
    thread->state = WEFT__SIM_ENDED;
    if (thread->joiner)
        weft__sim_wake(sim, thread->joiner);
    go(sim);
    __builtin_unreachable();
}

struct weft__sim_thread *weft__sim_thread_new(struct weft__sim *sim, void *(*fn)(void *), void *arg,
                                              const char *name)
{
    char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    struct weft__sim_thread *thread;

    if (stack == MAP_FAILED)
        return NULL;
    mprotect(stack, GUARD, PROT_NONE);
    thread = thread_begin(sim, name);
    thread->fn = fn;
    thread->arg = arg;
    thread->stack = stack;
    thread->stack_size = STACK_SIZE;
    sigaltstack(NULL, &thread->signal_stack);
    weft__context_make(&thread->context, stack + GUARD, stack + STACK_SIZE, thread_entry, thread);
    make_runnable(sim, thread);
    return thread;
}

void weft__sim_thread_free(struct weft__sim *sim, struct weft__sim_thread *thread)
{
    struct weft__sim_thread **link = &sim->threads;

    while (*link != thread)
        link = &(*link)->next;
    *link = thread->next;
    weft__sim_take_back(sim, &thread->alarm);
    weft__context_drop(&thread->context);
    if (thread->stack) {
        /* its last frames never returned; who is mapped here next is not to find their marks */
        weft__san_unpoison(thread->stack, thread->stack_size);
        munmap(thread->stack, thread->stack_size);
    }
    weft__sim_free(thread);
}

/* -- the driver ----------------------------------------------------------------------------- */

void weft__sim_count_steps(struct weft__sim *sim, uint64_t count)
{
    sim->steps += count;
    if (sim->steps > sim->steps_max && !sim->ended)
        weft__sim_end(sim, -ETIMEDOUT, "the run took more steps than it may (steps_max)");
}

void weft__sim_fire_due(struct weft__sim *sim)
{
    struct weft__sim_event *event;

    weft__sim_hear_bells(sim);
    while ((event = weft__sim_first_event(sim)) && event->when_ns <= sim->now_ns) {
        weft__sim_take_back(sim, event);
        if (++sim->events_fired / EVENTS_PER_STEP > sim->steps_max)
            weft__sim_end(sim, -ETIMEDOUT, "more events fired than a run of steps_max may have");
        event->fire(sim, event);
        weft__sim_hear_bells(sim);
    }
}

/* Who is first, or anybody; NULL when the one drawn is left to stand. */
static struct weft__sim_thread *draw_runnable(struct weft__sim *sim)
{
    struct weft__sim_thread *thread;
    uint32_t index = 0;

    weft__sim_step(&sim->dice);
    if (sim->runnable_count > 1 && weft__sim_chance(sim, &sim->dice, WEFT__SIM_SCHEDULE))
        index = (uint32_t)weft__sim_pick(sim, &sim->dice, WEFT__SIM_SCHEDULE, sim->runnable_count);
    thread = take_runnable(sim, index);
    if (!weft__sim_chance(sim, &sim->dice, WEFT__SIM_STARVE))
        return thread;
    thread->left_to_stand = true;
    weft__sim_at(sim, sim->now_ns + weft__sim_span(sim, &sim->dice, WEFT__SIM_STARVE_NS),
                 &thread->alarm);
    return NULL;
}

static struct weft__sim_thread *next_thread(struct weft__sim *sim)
{
    for (;;) {
        struct weft__sim_thread *thread;

        weft__sim_fire_due(sim);
        if (sim->runnable_count > 0) {
            thread = draw_runnable(sim);
            if (thread)
                return thread;
        } else if (weft__sim_first_event(sim)) {
            sim->now_ns = weft__sim_first_event(sim)->when_ns;
        } else {
            weft__sim_end(sim, -EDEADLK, "a deadlock: nothing can run, and nothing is due");
        }
    }
}

/* Leaves the running thread, which is on whatever list it belongs to, for the next. */
static void go(struct weft__sim *sim)
{
    struct weft__sim_thread *from = sim->running, *to = next_thread(sim);

    if (to == from)
        return;
    weft__sim_count_steps(sim, 1);
    weft__sim_note(sim, WEFT__SIM_NOTE_RUN, to->serial, 0);
    from->reactor = weft__self;
    from->saved_errno = errno;
    sim->running = to;
    if (from->state == WEFT__SIM_ENDED)
        weft__context_exit_to(&from->context, &to->context);
    /* The boundary is called from stacks of tasks too: where it stands is learned each time. */
    weft__context_adopt(&from->context);
    weft__context_switch(&from->context, &to->context);
    weft__self = from->reactor;
    errno = from->saved_errno;
}

void weft__sim_park(struct weft__sim *sim, const char *why, uint64_t on)
{
    struct weft__sim_thread *thread = sim->running;

    thread->state = WEFT__SIM_PARKED;
    thread->why = why;
    thread->on = on;
    thread->since_ns = sim->now_ns;
    go(sim);
    thread->why = NULL;
}

void weft__sim_park_until(struct weft__sim *sim, const char *why, uint64_t on, int64_t deadline_ns)
{
    struct weft__sim_thread *thread = sim->running;

    if (deadline_ns != INT64_MAX)
        weft__sim_at(sim, deadline_ns, &thread->alarm);
    weft__sim_park(sim, why, on);
    weft__sim_take_back(sim, &thread->alarm);
}

void weft__sim_wake(struct weft__sim *sim, struct weft__sim_thread *thread)
{
    if (thread->state == WEFT__SIM_PARKED)
        make_runnable(sim, thread);
}

void weft__sim_give_way(struct weft__sim *sim)
{
    make_runnable(sim, sim->running);
    go(sim);
}

struct weft__sim_thread *weft__sim_running(struct weft__sim *sim)
{
    return sim->running;
}

void weft__sim_charge(struct weft__sim *sim)
{
    struct weft__sim_dice *dice = &sim->running->dice;

    if (sim->running->ring)
        weft__sim_count_switches(sim->running->ring);
    if (++sim->calls / CALLS_PER_STEP > sim->steps_max && !sim->ended)
        weft__sim_end(sim, -ETIMEDOUT, "more calls were made than a run of steps_max may make");
    weft__sim_step(dice);
    sim->now_ns += weft__sim_span(sim, dice, WEFT__SIM_CALL_NS);
    if (weft__sim_chance(sim, dice, WEFT__SIM_CLOCK_JUMP)) {
        int64_t jump_ns = weft__sim_span(sim, dice, WEFT__SIM_CLOCK_JUMP_NS);
        sim->now_ns += jump_ns;
        weft__sim_note(sim, WEFT__SIM_NOTE_CLOCK, 0, jump_ns);
    }
}

/* -- from outside, and back there ------------------------------------------------------------ */

void weft__sim_run_from_outside(struct weft__sim *sim)
{
    int saved_errno = errno;
    struct weft__reactor *self = weft__self;

    sim->has_outside = true;
    weft__context_adopt(&sim->outside);
    sim->running = take_runnable(sim, 0);
    weft__sim_note(sim, WEFT__SIM_NOTE_RUN, sim->running->serial, 0);
    weft__context_switch(&sim->outside, &sim->running->context);
    weft__self = self;
    errno = saved_errno;
}

_Noreturn void weft__sim_end(struct weft__sim *sim, int result, const char *what)
{
    struct weft__context here;

    sim->ended = true;
    sim->result = result;
    weft__sim_describe(sim, what);
    if (!sim->has_outside) {
        fputs(sim->report, stderr);
        abort();
    }
    weft__context_adopt(&here);
    weft__context_exit_to(&here, &sim->outside);
}
