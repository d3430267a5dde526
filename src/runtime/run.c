/*
 * runtime/run.c - weft_run: runtime.h draws the phases.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/option.h"
#include "io/io.h"
#include "ring/host.h"
#include "runtime/callback.h"
#include "runtime/runtime.h"
#include "runtime/waits.h"
#include "task/wait.h"

#define DRAIN_NS INT64_C(5000000000)
#define CANCEL_NS INT64_C(5000000000)
#define END_NS INT64_C(2000000000)
#define MEMBER_OF(message, field)                                                                  \
    ((struct weft__member *)((char *)(message)-offsetof(struct weft__member, field)))

static struct weft__member *leader_of(const struct weft__runtime *runtime)
{
    return runtime->members[0];
}

static void tell(struct weft__member *from, struct weft__member *to, struct weft__message *message)
{
    (void)weft__reactor_send(&from->reactor, to->reactor.inbox, message);
}

/* -- winding, on each member ---------------------------------------------------------------- */

static int name_leftover(struct weft__task *task, void *context)
{
    struct weft__runtime *runtime = context;
    struct weft_task_info info;

    if (task->ended)
        return 0;
    weft__task_describe(task, &info);
    runtime->opt.on_leftover(&info, weft__member_of(task->reactor)->gave_up, runtime->opt.context);
    return 0;
}

static void name_leftovers(struct weft__member *member)
{
    if (member->runtime->opt.on_leftover)
        weft__scope_each(weft__root(&member->reactor), name_leftover, member->runtime);
}

static void all_wound(struct weft__runtime *runtime);
static void main_ended(struct weft__runtime *runtime);

static void wound_run(struct weft__message *message, struct weft__reactor *reactor)
{
    struct weft__runtime *runtime = MEMBER_OF(message, wound)->runtime;

    (void)reactor;
    if (++runtime->answers == runtime->count)
        all_wound(runtime);
}

static void tell_wound(struct weft__member *member)
{
    if (member->wound_sent)
        return;
    member->wound_sent = true;
    atomic_store_explicit(&member->reactor.inbox->winding, true, memory_order_relaxed);
    weft__timer_disarm(&member->reactor.timers, &member->limit);
    tell(member, leader_of(member->runtime), &member->wound);
}

static void arm_limit(struct weft__member *member, int64_t deadline_ns,
                      void (*fire)(struct weft__timer *timer))
{
    weft__timer_disarm(&member->reactor.timers, &member->limit);
    member->limit.fire = fire;
    weft__timer_arm(&member->reactor.timers, &member->limit, deadline_ns);
}

static void limit_hard(struct weft__timer *timer)
{
    struct weft__member *member = MEMBER_OF(timer, limit);

    member->gave_up = true;
    member->reactor.frozen = true; /* what holds is never switched to again */
    name_leftovers(member);
    tell_wound(member);
    if (member == leader_of(member->runtime))
        main_ended(member->runtime); /* it may be what holds: the others are not to wait for it */
}

static void limit_shields(struct weft__timer *timer)
{
    struct weft__member *member = MEMBER_OF(timer, limit);

    weft__scope_cancel(weft__root(&member->reactor), WEFT_CAUSE_STOP, true);
    arm_limit(member, member->hard_ns, limit_hard);
}

/* A root that is to end is empty. */
static void all_ended(struct weft__member *member)
{
    if (member->main_over)
        tell_wound(member);
    else if (member->runtime->loop)
        member->reactor.done = true; /* weft_stop in a loop: its run is over, the loop is not */
}

/* Cancels what is left: shields hold for the first half of the span. */
static void cancel_rest(struct weft__member *member)
{
    int64_t now_ns = weft__host_now();

    if (member->winding)
        return;
    member->winding = true;
    member->hard_ns =
        now_ns + (member->runtime->opt.cancel_ns ? member->runtime->opt.cancel_ns : CANCEL_NS);
    name_leftovers(member);
    weft__scope_cancel(weft__root(&member->reactor), WEFT_CAUSE_STOP, false);
    if (weft__root(&member->reactor)->alive == 0) {
        all_ended(member);
        return;
    }
    arm_limit(member, now_ns + (member->hard_ns - now_ns) / 2, limit_shields);
}

static void limit_soft(struct weft__timer *timer)
{
    cancel_rest(MEMBER_OF(timer, limit));
}

static void drain_run(struct weft__message *message, struct weft__reactor *reactor)
{
    struct weft__member *member = MEMBER_OF(message, drain);
    int64_t span_ns = member->runtime->opt.drain_ns ? member->runtime->opt.drain_ns : DRAIN_NS;

    if (member->winding)
        return;
    member->draining = true;
    member->soft_ns = weft__host_now() + span_ns;
    weft__scope_drain_begin(weft__root(reactor));
    arm_limit(member, member->soft_ns, limit_soft);
    if (weft__root(reactor)->alive == 0)
        all_ended(member);
}

/* Main has ended: a member that drains goes on until its soft deadline, others cancel now. */
static void wind_run(struct weft__message *message, struct weft__reactor *reactor)
{
    struct weft__member *member = MEMBER_OF(message, wind);

    member->main_over = true;
    if (!member->draining)
        cancel_rest(member);
    weft__root(reactor)->draining = true; /* nothing new from here on */
    if (weft__root(reactor)->alive == 0)
        tell_wound(member);
}

/* The last task of a root has ended. Until main has, there may be new ones. */
static void root_empty(struct weft__reactor *reactor)
{
    struct weft__member *member = weft__member_of(reactor);

    if (member->winding || member->draining)
        all_ended(member);
}

/* -- the leader ----------------------------------------------------------------------------- */

static void finish_run(struct weft__message *message, struct weft__reactor *reactor)
{
    (void)message;
    reactor->done = true;
}

/* A turn begins with a visit to the kernel: the bells that this member had queued for others are
   rung by now, and those that were refused rung again. */
static void flush_run(struct weft__message *message, struct weft__reactor *reactor)
{
    struct weft__member *member = MEMBER_OF(message, flush);

    (void)reactor;
    (void)weft__inbox_send(leader_of(member->runtime)->reactor.inbox, &member->wound);
}

/* Twice: a bell still on its way to somebody must not find his closed. By system call: who is told
   to finish closes his door, and counts the bells that were rung at it. */
static void all_wound(struct weft__runtime *runtime)
{
    bool flushed = runtime->flushed;

    runtime->answers = 0;
    runtime->flushed = true;
    for (uint32_t i = 0; i < runtime->count; i++) {
        struct weft__member *member = runtime->members[i];
        (void)weft__inbox_send(member->reactor.inbox, flushed ? &member->finish : &member->flush);
    }
}

/* A stop: every root drains. On the leader. */
static void begin_drain(struct weft__runtime *runtime)
{
    if (runtime->stopping)
        return;
    runtime->stopping = true;
    for (uint32_t i = 0; i < runtime->count; i++)
        tell(leader_of(runtime), runtime->members[i], &runtime->members[i]->drain);
}

static void ask_run(struct weft__message *message, struct weft__reactor *reactor)
{
    (void)message;
    begin_drain(weft__member_of(reactor)->runtime);
}

/* A stop was asked for through the inbox of some member; the leader is to know. */
static void stop_run(struct weft__message *message, struct weft__reactor *reactor)
{
    struct weft__member *member = weft__member_of(reactor);

    (void)message;
    tell(member, leader_of(member->runtime), &member->ask);
}

int weft_stop_post(weft_inbox *inbox)
{
    uint32_t unsent = 0;

    if (!inbox)
        return weft__misuse(-EINVAL, "no inbox");
    if (weft__host_forked())
        return -ENOTSUP;
    /* relaxed: it only picks who pushes, and the push orders the rest */
    if (!atomic_compare_exchange_strong_explicit(&inbox->stop_sent, &unsent, 1,
                                                 memory_order_relaxed, memory_order_relaxed))
        return weft__inbox_closed(inbox) ? -ESHUTDOWN : 0;
    return weft__inbox_send(inbox, &inbox->stop);
}

int weft_stop(void)
{
    return weft__task_self() ? weft_stop_post(weft__self->inbox) : weft__outside();
}

static void main_ended(struct weft__runtime *runtime)
{
    if (runtime->ended)
        return;
    runtime->ended = true;
    for (uint32_t i = 0; i < runtime->count; i++)
        tell(leader_of(runtime), runtime->members[i], &runtime->members[i]->wind);
}

/* The main task, around the user's function. Its argument was copied by the spawn. */
static int main_task(void *arg)
{
    struct weft__runtime *runtime = weft__member_of(weft__self)->runtime;
    struct weft__task *self = weft__task_self();
    void *user_arg = runtime->arg_size ? arg : (void *)(uintptr_t)runtime->arg;

    runtime->result = weft__task_body(self, runtime->fn, user_arg);
    self->heard = true; /* by who called weft_run */
    main_ended(runtime);
    return runtime->result; /* for whoever joins it */
}

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

int weft__member_open(struct weft__member *member, uint32_t index)
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
    int error;

    member->reactor.index = index;
    pin(member); /* first: memory is placed where it is first touched */
    error = weft__reactor_open(reactor, &reactor_opt);
    if (error < 0)
        return error;
    reactor->on_fatal = fatal;
    reactor->on_slow = weft__tell_slow;
    reactor->on_call = weft__tell_blocking;
    reactor->inbox->stop.run = stop_run;
    error = weft__tasks_open(reactor, member->runtime->serial << WEFT__SERIAL_BITS, opt->tasks_max);
    if (error == 0) {
        weft__tasks_of(reactor)->on_root_empty = root_empty;
        error = weft__io_open(reactor);
        if (error == 0) {
            error = weft__dump_begin(member);
            if (error == 0) {
                member->open = true;
                return 0;
            }
            weft__io_close(reactor);
        }
        weft__tasks_close(reactor);
    }
    weft__reactor_close(reactor);
    return error;
}

static void end_limit(struct weft__timer *timer)
{
    MEMBER_OF(timer, limit)->gave_up = true;
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
        arm_limit(member, weft__host_now() + END_NS, end_limit);
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

static void run_until_done(struct weft__reactor *reactor)
{
    weft__reactor_run(reactor);
    reactor->done = false;
}

static void opened_run(struct weft__message *message, struct weft__reactor *reactor)
{
    struct weft__runtime *runtime = MEMBER_OF(message, opened)->runtime;

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
    (void)weft__inbox_send(leader_of(runtime)->reactor.inbox, &member->opened);
    if (member->error < 0)
        return NULL;
    run_until_done(&member->reactor);
    weft__member_close(member);
    (void)weft__host_unpin();
    return NULL;
}

/* -- weft_run ------------------------------------------------------------------------------- */

static void messages_init(struct weft__member *member)
{
    member->opened.run = opened_run;
    member->drain.run = drain_run;
    member->ask.run = ask_run;
    member->wind.run = wind_run;
    member->wound.run = wound_run;
    member->flush.run = flush_run;
    member->finish.run = finish_run;
}

void weft__runtime_free(struct weft__runtime *runtime)
{
    weft__process_unlist(runtime);
    (void)weft_executor_close(atomic_load(&runtime->executor)); /* no task is left to use it */
    for (uint32_t i = 0; runtime->peers && i < runtime->peers->count; i++)
        weft_inbox_put(runtime->peers->inboxes[i]);
    for (uint32_t i = 0; i < runtime->count; i++)
        weft__free(runtime->members[i]);
    weft__free(runtime->peers);
    weft__free(runtime);
}

struct weft__runtime *weft__runtime_new(uint32_t count)
{
    static _Atomic(uint64_t) serial = 1;
    struct weft__runtime *runtime = weft__calloc(1, sizeof *runtime + count * sizeof(void *));

    if (!runtime)
        return NULL;
    runtime->serial = atomic_fetch_add(&serial, 1);
    runtime->peers = weft__calloc(1, sizeof *runtime->peers + count * sizeof(void *));
    for (; runtime->count < count; runtime->count++) {
        struct weft__member *member = weft__alloc_aligned(WEFT__LINE, sizeof *member);
        if (!member)
            break;
        memset(member, 0, sizeof *member);
        member->runtime = runtime;
        member->reactor.index = runtime->count;
        messages_init(member);
        runtime->members[runtime->count] = member;
    }
    if (runtime->count == count && runtime->peers) {
        weft__process_list(runtime);
        return runtime;
    }
    weft__runtime_free(runtime);
    return NULL;
}

/* Starts the other members and waits until each has opened or failed. The first error. */
static int start_members(struct weft__runtime *runtime)
{
    struct weft__reactor *leader = &leader_of(runtime)->reactor;
    int error = 0;

    runtime->answers = 1;
    for (uint32_t i = 1; i < runtime->count; i++) {
        struct weft__member *member = runtime->members[i];
        char name[16];
        snprintf(name, sizeof name, "weft-%u", i);
        int started = weft__host_thread_start(&member->thread, member_main, member, name);
        if (started < 0) { /* else `error` is the thread's to write */
            member->error = started;
            snprintf(member->error_text, sizeof member->error_text, "no thread for reactor %u: %s",
                     i, "check RLIMIT_NPROC and the cgroup's pids.max");
            runtime->answers++;
        }
    }
    if (runtime->answers < runtime->count)
        run_until_done(leader);
    runtime->answers = 0;
    for (uint32_t i = 0; i < runtime->count; i++) {
        struct weft__member *member = runtime->members[i];
        if (member->error < 0 && error == 0) {
            error = member->error;
            memcpy(leader_of(runtime)->error_text, member->error_text, sizeof member->error_text);
        }
        if (member->open) {
            /* with a reference: a member may close while another still has words for it */
            runtime->peers->inboxes[i] = weft_inbox_retain(member->reactor.inbox);
            member->reactor.peers = runtime->peers;
        }
    }
    runtime->peers->count = runtime->count;
    return error;
}

static void join_members(struct weft__runtime *runtime)
{
    for (uint32_t i = 1; i < runtime->count; i++)
        if (runtime->members[i]->thread)
            (void)weft__host_thread_join(runtime->members[i]->thread);
}

/* Some could not open: the others end without having run anything. */
static void call_off(struct weft__runtime *runtime)
{
    for (uint32_t i = 1; i < runtime->count; i++)
        if (runtime->members[i]->open)
            (void)weft__inbox_send(runtime->members[i]->reactor.inbox,
                                   &runtime->members[i]->finish);
}

static int run_opened(struct weft__runtime *runtime)
{
    struct weft__member *leader = leader_of(runtime);
    struct weft_spawn_opt main_opt = {.size = sizeof main_opt, .name = "main"};
    int error = start_members(runtime);

    if (error == 0) {
        error = weft__task_start(&leader->reactor, weft__root(&leader->reactor), main_task,
                                 runtime->arg, runtime->arg_size, &main_opt);
    }
    if (error < 0) {
        call_off(runtime);
    } else {
        if (runtime->opt.stop_on_sigterm)
            weft__process_stop_target(leader->reactor.inbox, true);
        run_until_done(&leader->reactor);
        if (runtime->opt.stop_on_sigterm)
            weft__process_stop_target(leader->reactor.inbox, false);
    }
    if (weft__host_forked())
        return -ENOTSUP; /* a task forked, and its child came back to us: all of this is the
                            parent's */
    join_members(runtime);
    weft__member_close(leader);
    return error < 0 ? error : runtime->result;
}

static void tell_why(const struct weft__runtime *runtime, const struct weft_run_opt *opt, int error)
{
    if (error < 0 && opt->error_text && opt->error_text_size)
        snprintf(opt->error_text, opt->error_text_size, "%s", leader_of(runtime)->error_text);
}

static int run(const struct weft_run_opt *opt, uint32_t count, weft_task_fn fn, const void *arg,
               size_t arg_size)
{
    struct weft__runtime *runtime = weft__runtime_new(count);
    bool gave_up = false;
    int result;

    if (!runtime)
        return -ENOMEM;
    runtime->opt = *opt;
    runtime->fn = fn;
    runtime->arg = arg;
    runtime->arg_size = arg_size;
    result = weft__member_open(leader_of(runtime), 0);
    if (result == 0)
        result = run_opened(runtime);
    if (weft__host_forked())
        return -ENOTSUP;
    (void)weft__host_unpin();
    tell_why(runtime, opt, result);
    for (uint32_t i = 0; i < count; i++)
        gave_up |= runtime->members[i]->gave_up;
    if (gave_up)
        return -ETIMEDOUT; /* its memory is the kernel's, or that of tasks that never came back */
    weft__runtime_free(runtime);
    return result;
}

static int check_arguments(weft_task_fn fn, const void *arg, size_t arg_size,
                           const struct weft_run_opt *opt, uint32_t *count)
{
    if (!fn || (arg_size && !arg))
        return weft__misuse(-EINVAL, "no function, or no argument of that size");
    if (arg_size > WEFT_ARG_SIZE_MAX)
        return weft__misuse(-E2BIG, "an argument of more than WEFT_ARG_SIZE_MAX bytes");
    if (weft__host_forked())
        return -ENOTSUP;
    if (weft__self)
        return weft__misuse(-EDEADLK, "a run inside a run");
    *count = opt->reactors == 0 ? 1 : opt->reactors;
    if (*count == WEFT_REACTORS_ALL)
        *count = weft__host_cpus();
    if (*count > WEFT_REACTORS_MAX)
        return weft__misuse(-EINVAL, "more than WEFT_REACTORS_MAX reactors");
    return 0;
}

int weft_run(weft_task_fn fn, const void *arg, size_t arg_size, const struct weft_run_opt *opt)
{
    struct weft_run_opt own;
    uint32_t count;
    int result = weft__option_copy(&own, sizeof own, opt);

    if (result == 0)
        result = check_arguments(fn, arg, arg_size, &own, &count);
    if (result == 0)
        result = weft__process_enter(&own);
    if (result < 0)
        return result;
    result = run(&own, count, fn, arg, arg_size);
    weft__process_leave(&own);
    return result;
}

/* -- a loop's runtime ----------------------------------------------------------------------- */

void weft__loop_run(struct weft__runtime *runtime)
{
    if (runtime->opt.stop_on_sigterm)
        weft__process_stop_target(leader_of(runtime)->reactor.inbox, true);
    run_until_done(&leader_of(runtime)->reactor);
    if (runtime->opt.stop_on_sigterm)
        weft__process_stop_target(leader_of(runtime)->reactor.inbox, false);
}

void weft__loop_wind(struct weft__runtime *runtime)
{
    if (runtime->ended)
        return; /* it gave up before */
    main_ended(runtime);
    run_until_done(&leader_of(runtime)->reactor);
}

uint32_t weft_reactors(void)
{
    return weft__self ? weft__member_of(weft__self)->runtime->count : 0;
}

uint32_t weft_reactor_index(void)
{
    return weft__self ? weft__self->index : 0;
}

int weft_features(char *text, size_t text_size)
{
    if (!weft__self)
        return weft__outside();
    return weft__ring_features(&weft__self->ring, text, text_size);
}
