/*
 * runtime/run.c - weft_run and the runtime it makes; runtime.h draws the phases, wind.c ends them.
 *
 * On the thread that called weft_run, or made the loop: the leader's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/option.h"
#include "ring/host.h"
#include "runtime/runtime.h"
#include "task/wait.h"

/* -- its memory ----------------------------------------------------------------------------- */

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
        weft__wind_init(member);
        runtime->members[runtime->count] = member;
    }
    if (runtime->count == count && runtime->peers) {
        weft__process_list(runtime);
        return runtime;
    }
    weft__runtime_free(runtime);
    return NULL;
}

/* -- weft_run ------------------------------------------------------------------------------- */

/* The main task, around the user's function. Its argument was copied by the spawn. */
static int main_task(void *arg)
{
    struct weft__runtime *runtime = weft__member_of(weft__self)->runtime;
    struct weft__task *self = weft__task_self();
    void *user_arg = runtime->arg_size ? arg : (void *)(uintptr_t)runtime->arg;

    runtime->result = weft__task_body(self, runtime->fn, user_arg);
    self->heard = true; /* by who called weft_run */
    weft__main_ended(runtime);
    return runtime->result; /* for whoever joins it */
}

static int run_opened(struct weft__runtime *runtime)
{
    struct weft__member *leader = weft__leader_of(runtime);
    struct weft_spawn_opt main_opt = {.size = sizeof main_opt,
                                      .name = "main",
                                      .stack_size = runtime->opt.main_stack_size};
    int error = weft__members_start(runtime);

    if (error == 0) {
        error = weft__task_start(&leader->reactor, weft__root(&leader->reactor), main_task,
                                 runtime->arg, runtime->arg_size, &main_opt);
    }
    if (error < 0) {
        weft__members_call_off(runtime);
    } else {
        if (runtime->opt.stop_on_sigterm)
            weft__process_stop_target(leader->reactor.inbox, true);
        weft__member_run(&leader->reactor);
        if (runtime->opt.stop_on_sigterm)
            weft__process_stop_target(leader->reactor.inbox, false);
    }
    if (weft__host_forked())
        return -ENOTSUP; /* a task forked, and its child came back to us: all of this is the
                            parent's */
    weft__members_join(runtime);
    weft__member_close(leader);
    return error < 0 ? error : runtime->result;
}

static void tell_why(const struct weft__runtime *runtime, const struct weft_run_opt *opt, int error)
{
    if (error < 0 && opt->error_text && opt->error_text_size)
        snprintf(opt->error_text, opt->error_text_size, "%s", weft__leader_of(runtime)->error_text);
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
    result = weft__member_open(weft__leader_of(runtime), 0);
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
    if (opt->main_stack_size > WEFT__STACK_SIZE_3)
        return weft__misuse(-E2BIG, "a stack larger than there are");
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
        weft__process_stop_target(weft__leader_of(runtime)->reactor.inbox, true);
    weft__member_run(&weft__leader_of(runtime)->reactor);
    if (runtime->opt.stop_on_sigterm)
        weft__process_stop_target(weft__leader_of(runtime)->reactor.inbox, false);
}

void weft__loop_wind(struct weft__runtime *runtime)
{
    if (runtime->ended)
        return; /* it gave up before */
    weft__main_ended(runtime);
    weft__member_run(&weft__leader_of(runtime)->reactor);
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
