/*
 * runtime/loop.c - the loop as an object: weft_run's phases, one at a time and at the user's pace.
 */
#include "runtime/loop.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/option.h"
#include "ring/host.h"
#include "runtime/callback.h"

/* What every call begins with, and ends with by leave: the loop's reactor is the thread's. */
static int enter(weft_loop *loop)
{
    if (!loop)
        return weft__misuse(-EINVAL, "no loop");
    if (weft__host_forked())
        return -ENOTSUP;
    if (weft__self)
        return weft__misuse(-EDEADLK, "called from within a run");
    if (loop->thread != weft__host_thread_self())
        return weft__misuse(-EPERM, "the loop is another thread's");
    weft__self = weft__loop_reactor(loop);
    if (loop->asleep)
        (void)weft__inbox_wake(weft__self->inbox);
    loop->asleep = false;
    return 0;
}

static void leave(void)
{
    weft__self = NULL;
}

/* -- making one ------------------------------------------------------------------------------ */

static void stop_run(struct weft__callback *callback)
{
    struct weft_loop *loop =
        (struct weft_loop *)((char *)callback - offsetof(struct weft_loop, stop));
    struct weft__reactor *reactor = weft__loop_reactor(loop);

    loop->stops = false;
    (void)weft__ready_reserve(&reactor->ready); /* the place that this call has just left */
    reactor->done = true;
    reactor->budget = 0; /* what is ready behind it waits for the next run */
}

static void stop_drop(struct weft__callback *callback)
{
    (void)callback;
}

static int open_runtime(struct weft__runtime *runtime, char *error_text, size_t error_text_size)
{
    struct weft__member *member = runtime->members[0];
    int error = weft__process_enter(&runtime->opt);

    if (error < 0)
        return error;
    error = weft__member_open(member, 0);
    if (error == 0) {
        error = weft__ready_reserve(&member->reactor.ready); /* for the stop */
        if (error < 0)
            weft__member_close(member);
    }
    weft__self = NULL;
    if (error < 0) {
        if (error_text && error_text_size)
            (void)snprintf(error_text, error_text_size, "%s", member->error_text);
        weft__process_leave(&runtime->opt);
    }
    return error;
}

static int check_new(weft_loop **loop, const struct weft_run_opt *opt)
{
    if (!loop)
        return weft__misuse(-EINVAL, "no place for the loop");
    if (opt->reactors > 1)
        return weft__misuse(-EINVAL, "a loop is one reactor");
    if (opt->main_stack_size > WEFT__STACK_SIZE_3)
        return weft__misuse(-E2BIG, "a stack larger than there are");
    if (weft__host_forked())
        return -ENOTSUP;
    if (weft__self)
        return weft__misuse(-EDEADLK, "called from within a run");
    return 0;
}

int weft_loop_new(weft_loop **loop, const struct weft_run_opt *opt)
{
    struct weft_run_opt own;
    struct weft_loop *made;
    int error = weft__option_copy(&own, sizeof own, opt);

    if (error == 0)
        error = check_new(loop, &own);
    if (error < 0)
        return error;
    made = weft__calloc(1, sizeof *made);
    if (!made)
        return -ENOMEM;
    made->thread = weft__host_thread_self();
    made->stop = (struct weft__callback){.run = stop_run, .drop = stop_drop};
    made->runtime = weft__runtime_new(1);
    error = made->runtime ? 0 : -ENOMEM;
    if (error == 0) {
        made->runtime->opt = own;
        made->runtime->loop = made;
        error = open_runtime(made->runtime, own.error_text, own.error_text_size);
        if (error < 0)
            weft__runtime_free(made->runtime);
    }
    if (error < 0)
        weft__free(made);
    else
        *loop = made;
    return error;
}

/* -- running --------------------------------------------------------------------------------- */

/* Was weft_stop called, and has all ended, or can't? */
static bool is_over(struct weft_loop *loop)
{
    struct weft__member *member = loop->runtime->members[0];

    return member->gave_up || (member->draining && weft__root(&member->reactor)->alive == 0);
}

/* Turns until somebody ends the run. */
static int turn_until_done(struct weft_loop *loop)
{
    if (!is_over(loop)) {
        loop->running = true;
        weft__loop_run(loop->runtime);
        loop->running = false;
    }
    return is_over(loop) ? -ESHUTDOWN : 0;
}

/* The function that a run waits for. Freed by whoever of the two is later. */
struct errand {
    struct weft_loop *loop; /* NULL: nobody waits for it any more */
    weft_task_fn fn;
    const void *arg;
    int result;
    bool ended;
    bool copied;
    _Alignas(16) unsigned char copy[];
};

static int errand_main(void *arg)
{
    struct errand *errand = arg;
    void *user_arg = errand->copied ? errand->copy : (void *)(uintptr_t)errand->arg;
    int result = weft__task_body(weft__task_self(), errand->fn, user_arg);

    errand->ended = true;
    errand->result = result;
    if (errand->loop)
        (void)weft_loop_stop(errand->loop);
    else
        weft__free(errand);
    return 0;
}

static struct errand *errand_new(struct weft_loop *loop, weft_task_fn fn, const void *arg,
                                 size_t size)
{
    struct errand *errand = weft__calloc(1, sizeof *errand + size);

    if (!errand)
        return NULL;
    errand->loop = loop;
    errand->fn = fn;
    errand->arg = arg;
    errand->copied = size > 0;
    if (size)
        memcpy(errand->copy, arg, size);
    return errand;
}

static int run_errand(struct weft_loop *loop, struct errand *errand)
{
    struct weft_spawn_opt opt = {.size = sizeof opt,
                                 .name = "main",
                                 .stack_size = loop->runtime->opt.main_stack_size};
    int result = weft_spawn_nowait(weft_root(), errand_main, errand, 0, &opt);

    if (result < 0) {
        weft__free(errand);
        return result;
    }
    result = turn_until_done(loop);
    if (errand->ended) {
        result = errand->result;
        weft__free(errand);
    } else {
        errand->loop = NULL;
        result = result == 0 ? -EINTR : result;
    }
    return result;
}

int weft_loop_run(weft_loop *loop, weft_task_fn fn, const void *arg, size_t arg_size)
{
    struct errand *errand;
    int result;

    if (!fn || (arg_size && !arg))
        return weft__misuse(-EINVAL, "no function, or no argument of that size");
    if (arg_size > WEFT_ARG_SIZE_MAX)
        return weft__misuse(-E2BIG, "an argument of more than WEFT_ARG_SIZE_MAX bytes");
    result = enter(loop);
    if (result < 0)
        return result;
    result = is_over(loop) ? -ESHUTDOWN : 0;
    errand = result == 0 ? errand_new(loop, fn, arg, arg_size) : NULL;
    if (result == 0)
        result = errand ? run_errand(loop, errand) : -ENOMEM;
    leave();
    return result;
}

int weft_loop_run_forever(weft_loop *loop)
{
    int result = enter(loop);

    if (result == 0) {
        result = turn_until_done(loop);
        leave();
    }
    return result;
}

int weft_loop_stop(weft_loop *loop)
{
    struct weft__reactor *reactor;

    if (!loop)
        return weft__misuse(-EINVAL, "no loop");
    reactor = weft__loop_reactor(loop);
    if (loop->thread != weft__host_thread_self() || (weft__self && weft__self != reactor))
        return weft__misuse(-EPERM, "called from outside of the loop");
    if (!loop->stops)
        weft__ready_push_callback(&reactor->ready, &loop->stop);
    loop->stops = true;
    return 0;
}

/* After a turn: nothing is left to be done before something happens? Who sleeps in the loop's place
   is woken by what happens from then on. */
static bool rests(struct weft_loop *loop)
{
    struct weft__reactor *reactor = weft__self;
    uint32_t head;

    weft__ops_flush_cancels(reactor);
    if (weft__ring_queued(&reactor->ring) > 0)
        (void)weft__ring_enter(&reactor->ring, 0, 0);
    if (weft__ready_count(&reactor->ready) > 0 || weft__ring_ready(&reactor->ring, &head) > 0 ||
        weft__ring_queued(&reactor->ring) > 0 || weft__ring_pending(&reactor->ring) ||
        reactor->bell_unarmed || weft__inbox_any(reactor->inbox))
        return false;
    loop->asleep = loop->signals && weft__inbox_sleep(reactor->inbox);
    return loop->asleep || !loop->signals;
}

int64_t weft_loop_step(weft_loop *loop, bool wait)
{
    int64_t next = enter(loop);
    struct weft__reactor *reactor;

    if (next < 0)
        return next;
    reactor = weft__self;
    weft__bell_signal_seen(&reactor->inbox->bell);
    loop->running = true;
    weft__reactor_turn(reactor, wait);
    loop->running = false;
    reactor->done = false;
    next = rests(loop) ? weft__timers_next(&reactor->timers) : 1;
    leave();
    return next;
}

int weft_loop_fd(weft_loop *loop)
{
    int fd = enter(loop);

    if (fd < 0)
        return fd;
    fd = weft__bell_signal(&weft__self->inbox->bell, &weft__self->ring);
    loop->signals = fd >= 0;
    leave();
    return fd;
}

bool weft_loop_running(const weft_loop *loop)
{
    return loop && loop->running;
}

weft_loop *weft_loop_current(void)
{
    return weft__self ? weft__member_of(weft__self)->runtime->loop : NULL;
}

/* -- between two runs ------------------------------------------------------------------------ */

int weft_loop_create_task(weft_loop *loop, weft_task_fn fn, const void *arg, size_t arg_size,
                          const struct weft_spawn_opt *opt)
{
    int result = enter(loop);

    if (result == 0) {
        result = weft_spawn_nowait(weft_root(), fn, arg, arg_size, opt);
        leave();
    }
    return result;
}

int weft_loop_call_at(weft_loop *loop, int64_t deadline, void (*fn)(void *arg), void *arg,
                      const struct weft_call_opt *opt)
{
    int result = enter(loop);

    if (result == 0) {
        result = weft_call_at(deadline, fn, arg, opt);
        leave();
    }
    return result;
}

int weft_loop_call_soon(weft_loop *loop, void (*fn)(void *arg), void *arg,
                        const struct weft_call_opt *opt)
{
    return weft_loop_call_at(loop, 0, fn, arg, opt);
}

int weft_loop_call_later(weft_loop *loop, int64_t ns, void (*fn)(void *arg), void *arg,
                         const struct weft_call_opt *opt)
{
    return weft_loop_call_at(loop, ns > 0 ? weft_after_ns(ns) : 0, fn, arg, opt);
}

weft_inbox *weft_loop_inbox(const weft_loop *loop)
{
    return loop ? weft_inbox_retain(weft__loop_reactor(loop)->inbox) : NULL;
}

/* -- the end --------------------------------------------------------------------------------- */

int weft_loop_close(weft_loop *loop)
{
    struct weft__runtime *runtime;
    struct weft_run_opt opt;
    bool gave_up;
    int error = loop ? enter(loop) : 0;

    if (error < 0 || !loop)
        return error;
    runtime = loop->runtime;
    opt = runtime->opt;
    weft__callbacks_drop(runtime->members[0]);
    weft__reactor_drop_callbacks(weft__self);
    weft__loop_wind(runtime);
    if (!loop->stops)
        weft__ready_release(&weft__self->ready); /* reserved for the stop */
    weft__member_close(runtime->members[0]);
    gave_up = runtime->members[0]->gave_up;
    weft__process_leave(&opt);
    leave();
    weft__free(loop);
    if (gave_up)
        return -ETIMEDOUT; /* its memory is the kernel's, or that of tasks that never came back */
    weft__runtime_free(runtime);
    return 0;
}
