/*
 * runtime/threadsafe.c - tasks begun by other threads: weft_run_coroutine_threadsafe.
 *
 * A job is a message, then what its task runs, and meanwhile a waiter in the future, so that
 * whoever settles that (cancels it) cancels the task. From its arrival on it is its reactor's:
 *
 *      sent --> begun: the task runs, the waiter is queued
 *        |        |  `-- the future is settled by another: taken --> arrives: cancels the task
 *        |        `-- the task ends: the waiter left, the future is settled
 *        '-- dropped, or not begun: the future is settled with the reason
 *
 * The task holds it, and so does the waiter; the last one frees it, which may be on the thread that
 * settles the future when the reactor is no more.
 */
#include <errno.h>
#include <stdalign.h>
#include <string.h>
#include <weft/post.h>

#include "base/memory.h"
#include "ring/host.h"
#include "task/future.h"
#include "task/task.h"

struct job {
    struct weft__message message; /* first */
    struct weft__waiter waiter;   /* in the future */
    struct weft__wait none;       /* the waiter is no callback of the user's */
    _Atomic(uint32_t) holders;
    weft_future *future;     /* held */
    struct weft__task *task; /* while it runs; its reactor's only */
    weft_task_fn fn;
    void *arg;
    bool begun; /* `waiter` keeps an inbox */
    alignas(16) char copy[];
};

#define JOB_OF(pointer, member) ((struct job *)((char *)(pointer)-offsetof(struct job, member)))

static void job_put(struct job *job)
{
    /* release: our use of it comes before its end; acquire: so does everyone else's */
    if (atomic_fetch_sub_explicit(&job->holders, 1, memory_order_acq_rel) != 1)
        return;
    if (job->begun)
        weft__inbox_release(job->waiter.home);
    weft_future_put(job->future);
    weft__free(job);
}

/* There will be no task. */
static void job_refused(struct job *job, int error)
{
    (void)weft__future_settle(job->future, error); /* unless it was cancelled */
    job_put(job);
}

static void job_dropped(struct weft__message *message)
{
    job_refused((struct job *)message, -ESHUTDOWN);
}

/* The future was settled by another; on the job's reactor. */
static void settled(struct weft__message *message, struct weft__reactor *reactor)
{
    struct job *job = JOB_OF(message, waiter);

    (void)reactor;
    if (job->task)
        (void)weft__task_cancel(job->task);
    job_put(job);
}

/* The same, and the reactor is no more. */
static void settled_too_late(struct weft__message *message)
{
    job_put(JOB_OF(message, waiter));
}

static int job_main(void *arg)
{
    struct job *job = arg;
    struct weft__task *self = weft__task_self();
    int result = weft__task_body(self, job->fn, job->arg);

    self->unread_failure = 0; /* it is in the result, and that is the future's */
    job->task = NULL;
    if (weft__future_leave(job->future, &job->waiter)) {
        (void)weft__future_settle(job->future, result);
        job_put(job); /* for the waiter */
    }
    job_put(job);
    return 0;
}

/* On the reactor, in a callback. */
static void job_begin(struct weft__message *message, struct weft__reactor *reactor)
{
    struct job *job = (struct job *)message;
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = "threadsafe"};
    int error = weft_future_done(job->future) ? -ECANCELED : 0; /* before it began */

    WEFT__COUNT(reactor, callbacks);
    if (error == 0)
        error = weft_spawn_nowait(weft_root(), job_main, job, 0, &opt);
    if (error < 0) {
        job_refused(job, error);
        return;
    }
    job->task = weft__tasks_of(reactor)->newest;
    weft__waiter_init_call(&job->waiter, settled, settled_too_late);
    job->waiter.wait = &job->none;
    weft__inbox_retain(job->waiter.home);
    job->begun = true;
    atomic_store_explicit(&job->holders, 2, memory_order_relaxed); /* nobody else knows it yet */
    if (!weft__future_enter(job->future, &job->waiter))
        settled(&job->waiter.message, reactor);
}

int weft_run_coroutine_threadsafe(weft_inbox *inbox, weft_task_fn fn, const void *arg,
                                  size_t arg_size, weft_future **future)
{
    struct job *job;
    int error;

    if (!inbox || !fn || !future || (arg_size && !arg))
        return weft__misuse(-EINVAL, "no inbox, no function, no argument, or no place");
    if (arg_size > WEFT_ARG_SIZE_MAX)
        return weft__misuse(-E2BIG, "an argument of more than WEFT_ARG_SIZE_MAX bytes");
    if (weft__host_forked())
        return -ENOTSUP;
    if (weft__inbox_winds(inbox))
        return weft__pass_on(-ESHUTDOWN);
    job = weft__calloc(1, sizeof *job + arg_size);
    error = job ? weft_future_create(&job->future, NULL) : -ENOMEM;
    if (error < 0) {
        weft__free(job);
        return error;
    }
    job->message = (struct weft__message){.run = job_begin, .drop = job_dropped};
    job->fn = fn;
    job->arg = (void *)(uintptr_t)arg;
    if (arg_size)
        job->arg = memcpy(job->copy, arg, arg_size);
    atomic_init(&job->holders, 1);
    *future = weft_future_retain(job->future); /* before it is sent: it may be gone then */
    error = weft__inbox_send(inbox, &job->message);
    if (error < 0) {
        weft_future_put(*future);
        job_put(job);
        *future = NULL;
    }
    return weft__pass_on(error);
}
