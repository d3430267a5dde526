/*
 * runtime/wind.c - how a run ends: the stop that somebody asks for, the winding of each member, and
 * what the leader hears and tells; runtime.h draws the phases.
 *
 * A member's part runs on its reactor, the leader's on the leader's; weft_stop_post may be called
 * from anywhere, a signal handler too. What always holds: each member answers once while winding
 * and once while flushing, whatever holds on it, and none closes before all have.
 */
#include "ring/host.h"
#include "runtime/runtime.h"
#include "task/wait.h"

#define DRAIN_NS INT64_C(5000000000)
#define CANCEL_NS INT64_C(5000000000)

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

static void wound_run(struct weft__message *message, struct weft__reactor *reactor)
{
    struct weft__runtime *runtime = WEFT__MEMBER_OF(message, wound)->runtime;

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
    tell(member, weft__leader_of(member->runtime), &member->wound);
}

void weft__member_limit(struct weft__member *member, int64_t deadline_ns,
                        void (*fire)(struct weft__timer *timer))
{
    weft__timer_disarm(&member->reactor.timers, &member->limit);
    member->limit.fire = fire;
    weft__timer_arm(&member->reactor.timers, &member->limit, deadline_ns);
}

static void limit_hard(struct weft__timer *timer)
{
    struct weft__member *member = WEFT__MEMBER_OF(timer, limit);

    member->gave_up = true;
    member->reactor.frozen = true; /* what holds is never switched to again */
    name_leftovers(member);
    tell_wound(member);
    /* main may be what holds: the others are not to wait for it */
    if (member == weft__leader_of(member->runtime))
        weft__main_ended(member->runtime);
}

static void limit_shields(struct weft__timer *timer)
{
    struct weft__member *member = WEFT__MEMBER_OF(timer, limit);

    weft__scope_cancel(weft__root(&member->reactor), WEFT_CAUSE_STOP, true);
    weft__member_limit(member, member->hard_ns, limit_hard);
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
    weft__member_limit(member, now_ns + (member->hard_ns - now_ns) / 2, limit_shields);
}

static void limit_soft(struct weft__timer *timer)
{
    cancel_rest(WEFT__MEMBER_OF(timer, limit));
}

static void drain_run(struct weft__message *message, struct weft__reactor *reactor)
{
    struct weft__member *member = WEFT__MEMBER_OF(message, drain);
    int64_t span_ns = member->runtime->opt.drain_ns ? member->runtime->opt.drain_ns : DRAIN_NS;

    if (member->winding)
        return;
    member->draining = true;
    member->soft_ns = weft__host_now() + span_ns;
    weft__scope_drain_begin(weft__root(reactor));
    weft__member_limit(member, member->soft_ns, limit_soft);
    if (weft__root(reactor)->alive == 0)
        all_ended(member);
}

/* Main has ended: a member that drains goes on until its soft deadline, others cancel now. */
static void wind_run(struct weft__message *message, struct weft__reactor *reactor)
{
    struct weft__member *member = WEFT__MEMBER_OF(message, wind);

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
    struct weft__member *member = WEFT__MEMBER_OF(message, flush);

    (void)reactor;
    (void)weft__inbox_send(weft__leader_of(member->runtime)->reactor.inbox, &member->wound);
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
        tell(weft__leader_of(runtime), runtime->members[i], &runtime->members[i]->drain);
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
    tell(member, weft__leader_of(member->runtime), &member->ask);
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

void weft__main_ended(struct weft__runtime *runtime)
{
    if (runtime->ended)
        return;
    runtime->ended = true;
    for (uint32_t i = 0; i < runtime->count; i++)
        tell(weft__leader_of(runtime), runtime->members[i], &runtime->members[i]->wind);
}

/* -- who is told ---------------------------------------------------------------------------- */

void weft__wind_init(struct weft__member *member)
{
    member->drain.run = drain_run;
    member->ask.run = ask_run;
    member->wind.run = wind_run;
    member->wound.run = wound_run;
    member->flush.run = flush_run;
    member->finish.run = finish_run;
}

void weft__wind_attend(struct weft__member *member)
{
    member->reactor.inbox->stop.run = stop_run;
    weft__tasks_of(&member->reactor)->on_root_empty = root_empty;
}
