/*
 * task/offload.c - waiting for a worker; offload.h says what for.
 *
 * What always holds: the frame that the job lies in is not left before the worker has let go of it,
 * which its message says, or the pool, when it gives the job back.
 */
#include "task/offload.h"

#include <errno.h>
#include <stddef.h>

#include "reactor/inbox.h"
#include "ring/host.h"
#include "task/wait.h"

struct errand {
    struct weft__pool_job job;
    struct weft__message back; /* from the worker, when it has done it */
    struct weft__wait wait;
    const struct weft__offload *offload;
    struct weft_inbox *home; /* with a reference */
    int64_t result;          /* the message orders it before the task goes on */
    bool withdrawn;
};
#define ERRAND_OF(pointer, member)                                                                 \
    ((struct errand *)((char *)(pointer)-offsetof(struct errand, member)))

static void work(struct weft__pool_job *job)
{
    struct errand *errand = ERRAND_OF(job, job);

    errand->result = errand->offload->fn(errand->offload->arg);
}

/* On the worker. Once the message is sent the frame may be gone; and where it is refused the
   reactor has given up, and nobody waits. */
static void done(struct weft__pool_job *job)
{
    struct errand *errand = ERRAND_OF(job, job);
    struct weft_inbox *home = errand->home;

    (void)weft__inbox_send(home, &errand->back);
    weft__inbox_release(home);
}

static void back_run(struct weft__message *message, struct weft__reactor *reactor)
{
    weft__wake_now(reactor, &ERRAND_OF(message, back)->wait);
}

/* Cancelled: taken back if it has not begun, else it goes on, or is asked to return, and its result
   counts. */
static void interrupt(struct weft__wait *wait)
{
    struct errand *errand = ERRAND_OF(wait, wait);

    if (!weft__pool_withdraw(errand->offload->pool, &errand->job)) {
        if (errand->offload->stop)
            errand->offload->stop(errand->offload->arg);
        return;
    }
    errand->withdrawn = true;
    weft__inbox_release(errand->home);
    weft__fiber_wake(weft__self, wait);
}

int64_t weft__offload_wait(struct weft__task *self, const struct weft__offload *offload)
{
    struct errand errand = {
        .job = {.work = work, .done = done},
        .back = {.run = back_run},
        .wait = {.what = offload->what, .fd = offload->fd},
        .offload = offload,
        .home = self->reactor->inbox,
        .result = 0,
    };

    if (offload->may_withdraw)
        errand.wait.interrupt = interrupt;
    weft__inbox_retain(errand.home);
    if (!offload->at_once) {
        weft__pool_submit(offload->pool, &errand.job);
    } else if (!weft__pool_submit_at_once(offload->pool, &errand.job)) {
        weft__inbox_release(errand.home);
        return -ENOMEM;
    }
    weft__fiber_park(self->reactor, &errand.wait);
    return errand.withdrawn ? weft__task_refuse(self) : errand.result;
}
