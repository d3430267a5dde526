/*
 * io/offload.c - calls that have no request, done by a pool; offload.h says how.
 *
 * What always holds: the frame that the job lies in is not left before the worker has let go of it,
 * which its message says.
 */
#include "io/offload.h"

#include <errno.h>
#include <stddef.h>

#include "io/io.h"
#include "reactor/inbox.h"
#include "ring/host.h"
#include "task/wait.h"

enum { THREADS_MAX = 4 };

struct offload {
    struct weft__pool_job job;
    struct weft__message back; /* from the worker, when it has done it */
    struct weft__wait wait;
    struct weft_inbox *home; /* with a reference */
    int64_t (*fn)(void *arg);
    void *arg;
    int64_t result; /* the message orders it before the task goes on */
};
#define OFFLOAD_OF(pointer, member)                                                                \
    ((struct offload *)((char *)(pointer)-offsetof(struct offload, member)))

static void work(struct weft__pool_job *job)
{
    struct offload *offload = OFFLOAD_OF(job, job);

    offload->result = offload->fn(offload->arg);
}

/* On the worker. Once the message is sent the frame may be gone; and where it is refused the
   reactor has given up, and nobody waits. */
static void done(struct weft__pool_job *job)
{
    struct offload *offload = OFFLOAD_OF(job, job);
    struct weft_inbox *home = offload->home;

    (void)weft__inbox_send(home, &offload->back);
    weft__inbox_release(home);
}

static void back_run(struct weft__message *message, struct weft__reactor *reactor)
{
    weft__io_of(reactor)->offloaded--;
    weft__wake_now(reactor, &OFFLOAD_OF(message, back)->wait);
}

static void back_drop(struct weft__message *message)
{
    (void)message;
}

int64_t weft__offload_run(struct weft__task *self, const char *what, int fd,
                          int64_t (*fn)(void *arg), void *arg)
{
    struct weft__io *io = weft__io_of(self->reactor);
    struct offload offload = {
        .job = {.work = work, .done = done},
        .back = {.run = back_run, .drop = back_drop},
        .wait = {.what = what, .fd = fd},
        .home = self->reactor->inbox,
        .fn = fn,
        .arg = arg,
    };

    if (!io->pool && weft__pool_open(&io->pool, THREADS_MAX) < 0)
        return -ENOMEM;
    weft__inbox_retain(offload.home);
    io->offloaded++;
    weft__pool_submit(io->pool, &offload.job);
    weft__wait_for_wake(self, &offload.wait, false);
    return offload.result;
}

void weft__offload_close(struct weft__io *io)
{
    if (io->offloaded == 0)
        weft__pool_close(io->pool);
}
