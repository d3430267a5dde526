/*
 * runtime/executor.c - pools of threads for calls that block: weft/executor.h.
 */
#include <errno.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/option.h"
#include "ring/host.h"
#include "runtime/runtime.h"
#include "task/offload.h"

enum { THREADS_BESIDES = 4, THREADS_DEFAULT_MAX = 32, NAME_SIZE = 16 };

struct weft_executor {
    struct weft__pool *pool;
    _Atomic(uint32_t) calls; /* under way */
    char name[NAME_SIZE];
};

static uint32_t threads_default(void)
{
    uint32_t threads = weft__host_cpus() + THREADS_BESIDES;

    return threads < THREADS_DEFAULT_MAX ? threads : THREADS_DEFAULT_MAX;
}

int weft_executor_create(weft_executor **executor, const struct weft_executor_opt *opt)
{
    struct weft_executor_opt own;
    struct weft_executor *made;
    int error = weft__option_copy(&own, sizeof own, opt);

    if (error == 0 && !executor)
        error = weft__misuse(-EINVAL, "no place for the executor");
    if (error < 0)
        return error;
    made = weft__calloc(1, sizeof *made);
    if (!made)
        return -ENOMEM;
    (void)snprintf(made->name, sizeof made->name, "%s", own.name ? own.name : "weft-pool");
    error = weft__pool_open(&made->pool, made->name,
                            own.threads_max ? own.threads_max : threads_default());
    if (error < 0)
        weft__free(made);
    else
        *executor = made;
    return error;
}

int weft_executor_close(weft_executor *executor)
{
    if (!executor)
        return 0;
    /* acquire: what the last call did with it has been seen */
    if (atomic_load_explicit(&executor->calls, memory_order_acquire) > 0)
        return weft__misuse(-EBUSY, "calls are under way");
    weft__pool_close(executor->pool);
    weft__free(executor);
    return 0;
}

/* The runtime's own. Two reactors may both make one: the second is not needed. NULL: no memory. */
static struct weft_executor *default_executor(struct weft__runtime *runtime)
{
    /* acquire: its fields, as the reactor that made it has written them */
    struct weft_executor *made = NULL,
                         *found = atomic_load_explicit(&runtime->executor, memory_order_acquire);

    if (found || weft_executor_create(&made, NULL) < 0)
        return found;
    if (atomic_compare_exchange_strong_explicit(&runtime->executor, &found, made,
                                                memory_order_acq_rel, memory_order_acquire))
        return made;
    (void)weft_executor_close(made);
    return found;
}

struct call {
    int (*fn)(void *arg);
    void *arg;
};

static int64_t call(void *arg)
{
    const struct call *of = arg;

    return of->fn(of->arg);
}

int weft_run_in_executor(weft_executor *executor, int (*fn)(void *arg), void *arg)
{
    struct call of = {.fn = fn, .arg = arg};
    struct weft__offload offload = {
        .what = "a thread's call", .fd = -1, .may_withdraw = true, .fn = call, .arg = &of};
    struct weft__task *self;
    int64_t result;
    int error = weft__enter(&self);

    if (error < 0)
        return error;
    if (!fn)
        return weft__misuse(-EINVAL, "no function");
    if (!executor)
        executor = default_executor(weft__member_of(self->reactor)->runtime);
    if (!executor)
        return -ENOMEM;
    offload.pool = executor->pool;
    atomic_fetch_add_explicit(&executor->calls, 1, memory_order_relaxed);
    result = weft__offload_wait(self, &offload);
    /* release: pairs with the load in the close */
    atomic_fetch_sub_explicit(&executor->calls, 1, memory_order_release);
    return (int)result;
}

int weft_to_thread(int (*fn)(void *arg), void *arg)
{
    return weft_run_in_executor(NULL, fn, arg);
}
