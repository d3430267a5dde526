/*
 * runtime/member.c - one reactor of a runtime: opened, run and closed on its own thread, and the
 * threads of those that do not lead.
 *
 * What always holds: a member that opened closes, unless something holds in it and it is abandoned;
 * the others have ended, or given up, before the leader closes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/give.h"
#include "io/io.h"
#include "ring/host.h"
#include "runtime/callback.h"
#include "runtime/runtime.h"
#include "runtime/waits.h"

#define END_NS INT64_C(2000000000)

/* -- opening and closing a member ----------------------------------------------------------- */

static void describe_overflow(void *arg, struct weft__overflow_report *report)
{
    struct weft__reactor *reactor = arg;
    struct weft__task *task = (struct weft__task *)reactor->current;

    if (!task || task->fiber.slot != report->slot)
        return;
    report->name = task->name;
    report->id = task->generation;
    report->function = (void *)(uintptr_t)task->fn;
}

static void fatal(struct weft__reactor *reactor, const char *what)
{
    struct weft__runtime *runtime = weft__member_of(reactor)->runtime;

    if (runtime->opt.on_fatal)
        runtime->opt.on_fatal(what, runtime->opt.context);
    abort();
}

static void pin(struct weft__member *member)
{
    uint32_t index = member->reactor.index;

    if (!member->runtime->opt.no_pinning && member->runtime->count > 1)
        (void)weft__host_pin(weft__host_cpu_number(index % weft__host_cpus()));
}

/* Its descriptors, and what reports of it; or nothing of both. */
static int open_io(struct weft__member *member)
{
    struct weft__reactor *reactor = &member->reactor;
    int error = weft__io_open(reactor);

    if (error < 0)
        return error;
    weft__gives_open(weft__io_of(reactor), member->runtime->opt.zero_copy_min);
    error = weft__dump_begin(member);
    if (error < 0)
        weft__io_close(reactor);
    return error;
}

/* Its tasks, and what they are to find; or nothing. */
static int open_tasks(struct weft__member *member)
{
    struct weft__reactor *reactor = &member->reactor;
    const struct weft__runtime *runtime = member->runtime;
    int error =
        weft__tasks_open(reactor, runtime->serial << WEFT__SERIAL_BITS, runtime->opt.tasks_max);

    if (error < 0)
        return error;
    weft__wind_attend(member);
    error = open_io(member);
    if (error < 0)
        weft__tasks_close(reactor);
    return error;
}

static int open_reactor(struct weft__member *member, uint32_t index)
{
    const struct weft_run_opt *opt = &member->runtime->opt;
    struct weft__reactor *reactor = &member->reactor;
    struct weft__reactor_opt reactor_opt = {
        .index = index,
        .describe = describe_overflow,
        .describe_waits = weft__describe_waits,
        .sq_entries = opt->ring_entries,
        .cq_entries = opt->completion_entries,
        .budget = opt->budget,
        .tasks_max = opt->tasks_max,
        .look =
            !opt->no_look && member->runtime->count <= weft__host_cpus() && weft__host_cpus() > 1,
        .runtime = member->runtime,
        .error_text = member->error_text,
        .error_text_size = sizeof member->error_text,
    };
    int error = weft__reactor_open(reactor, &reactor_opt);

    if (error < 0)
        return error;
    reactor->on_fatal = fatal;
    reactor->on_slow = weft__tell_slow;
    reactor->on_call = weft__tell_blocking;
    return 0;
}

int weft__member_open(struct weft__member *member, uint32_t index)
{
    int error;

    member->reactor.index = index;
    pin(member); /* first: memory is placed where it is first touched */
    error = open_reactor(member, index);
    if (error < 0)
        return error;
    error = open_tasks(member);
    if (error < 0)
        weft__reactor_close(&member->reactor);
    else
        member->open = true;
    return error;
}

static void end_limit(struct weft__timer *timer)
{
    WEFT__MEMBER_OF(timer, limit)->gave_up = true;
}

/* Ends what is armed without a task behind it, and closes; or, if something holds, leaves it all.
 */
void weft__member_close(struct weft__member *member)
{
    struct weft__reactor *reactor = &member->reactor;

    weft__callbacks_drop(member);
    if (weft__root(reactor)->alive > 0)
        member->gave_up = true; /* a call that came late, from a task that held */
    if (!member->gave_up) {
        weft__member_limit(member, weft__host_now() + END_NS, end_limit);
        weft__io_stop(reactor);
        while (reactor->ops.in_flight > 0 && !member->gave_up)
            weft__reactor_turn(reactor, true);
        weft__timer_disarm(&reactor->timers, &member->limit);
    }
    if (member->gave_up) {
        weft__dump_end(member);
        weft__reactor_abandon(reactor);
        return;
    }
    weft__io_close(reactor);
    weft__dump_end(member); /* after claims of signals, which were made on top of it */
    weft__tasks_close(reactor);
    weft__reactor_close(reactor);
}

void weft__member_run(struct weft__reactor *reactor)
{
    weft__reactor_run(reactor);
    reactor->done = false;
}

/* -- the threads --------------------------------------------------------------------------- */

static void opened_run(struct weft__message *message, struct weft__reactor *reactor)
{
    struct weft__runtime *runtime = WEFT__MEMBER_OF(message, opened)->runtime;

    if (++runtime->answers == runtime->count)
        reactor->done = true;
}

/* The thread of a member that does not lead. */
static void *member_main(void *arg)
{
    struct weft__member *member = arg;
    struct weft__runtime *runtime = member->runtime;

    member->error = weft__member_open(member, member->reactor.index);
    /* the leader reads `error` when it gets the message, which orders the two */
    (void)weft__inbox_send(weft__leader_of(runtime)->reactor.inbox, &member->opened);
    if (member->error < 0)
        return NULL;
    weft__member_run(&member->reactor);
    weft__member_close(member);
    (void)weft__host_unpin();
    return NULL;
}

/* True: it will say when it has opened, or failed, and `error` is the thread's to write. */
static bool start(struct weft__member *member)
{
    uint32_t index = member->reactor.index;
    char name[16];
    int error;

    member->opened.run = opened_run;
    snprintf(name, sizeof name, "weft-%u", index);
    error = weft__host_thread_start(&member->thread, member_main, member, name);
    if (error >= 0)
        return true;
    member->error = error;
    snprintf(member->error_text, sizeof member->error_text, "no thread for reactor %u: %s", index,
             "check RLIMIT_NPROC and the cgroup's pids.max");
    return false;
}

/* Each has opened or failed then. The leader has, before. */
static void start_others(struct weft__runtime *runtime)
{
    runtime->answers = 1;
    for (uint32_t i = 1; i < runtime->count; i++)
        if (!start(runtime->members[i]))
            runtime->answers++;
    if (runtime->answers < runtime->count)
        weft__member_run(&weft__leader_of(runtime)->reactor);
    runtime->answers = 0;
}

/* Those that are open get to know one another. */
static void introduce(struct weft__runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->count; i++) {
        struct weft__member *member = runtime->members[i];
        if (!member->open)
            continue;
        /* with a reference: a member may close while another still has words for it */
        runtime->peers->inboxes[i] = weft_inbox_retain(member->reactor.inbox);
        member->reactor.peers = runtime->peers;
    }
    runtime->peers->count = runtime->count;
}

/* 0, or why the first of those that could not open did not; the leader has its words. */
static int first_error(struct weft__runtime *runtime)
{
    struct weft__member *leader = weft__leader_of(runtime);

    for (uint32_t i = 1; i < runtime->count; i++) {
        const struct weft__member *member = runtime->members[i];
        if (member->error < 0) {
            memcpy(leader->error_text, member->error_text, sizeof member->error_text);
            return member->error;
        }
    }
    return 0;
}

int weft__members_start(struct weft__runtime *runtime)
{
    start_others(runtime);
    introduce(runtime);
    return first_error(runtime);
}

void weft__members_join(struct weft__runtime *runtime)
{
    for (uint32_t i = 1; i < runtime->count; i++)
        if (runtime->members[i]->thread)
            (void)weft__host_thread_join(runtime->members[i]->thread);
}

void weft__members_call_off(struct weft__runtime *runtime)
{
    for (uint32_t i = 1; i < runtime->count; i++)
        if (runtime->members[i]->open)
            (void)weft__inbox_send(runtime->members[i]->reactor.inbox,
                                   &runtime->members[i]->finish);
}
