/*
 * io/futex.c - tasks that wait for a word of memory; <weft/futex.h> is the reference.
 *
 * Where the ring has no request for it (before 6.7) a thread waits in the task's place, for the
 * word and for one of its own by which it is told to stop: so it can be interrupted, and no wake-up
 * is taken from anybody by that. A thread each: those who wait must not wait for one another. Where
 * no thread is to be had the call says so, and waits for none to become free.
 */
#include <weft/futex.h>

#include <errno.h>
#include <stdatomic.h>

#include "io/futex.h"
#include "io/io.h"
#include "ring/host.h"
#include "task/offload.h"
#include "task/operation.h"
#include "task/wait.h"

enum { SLEEPERS_MAX = 1024, PRIVATE = 128 }; /* FUTEX_PRIVATE_FLAG */

static int check(const void *word, int flags)
{
    if (!word)
        return weft__misuse(-EFAULT, "NULL for a word");
    if ((uintptr_t)word % sizeof(uint32_t))
        return weft__misuse(-EINVAL, "a word that is not aligned");
    return flags & ~PRIVATE ? weft__misuse(-EINVAL, "flags that the call does not know") : 0;
}

/* -- by a thread ------------------------------------------------------------------------------ */

struct sleeper {
    const void *word;
    uint32_t value;
    bool own; /* of this process alone */
    /* 1: it is to stop. Pairs with the kernel's own look at it, before it sleeps */
    _Atomic(uint32_t) stop;
};

/* On a worker. */
static int64_t sleep_there(void *arg)
{
    const struct sleeper *sleeper = arg;

    return weft__host_futex_wait(sleeper->word, sleeper->value, sleeper->own, &sleeper->stop);
}

static void stop(void *arg)
{
    struct sleeper *sleeper = arg;

    atomic_store_explicit(&sleeper->stop, 1, memory_order_release);
    (void)weft__host_futex_wake(&sleeper->stop, 1, true);
}

static int wait_elsewhere(struct weft__task *self, const void *word, uint32_t value, bool own)
{
    struct weft__io *io = weft__io_of(self->reactor);
    struct sleeper sleeper = {.word = word, .value = value, .own = own};
    struct weft__offload offload = {.what = "futex",
                                    .fd = -1,
                                    .at_once = true,
                                    .may_withdraw = true,
                                    .fn = sleep_there,
                                    .stop = stop,
                                    .arg = &sleeper};
    int result;

    if (io->asleep == SLEEPERS_MAX ||
        (!io->sleepers && weft__pool_open(&io->sleepers, "weft-futex", SLEEPERS_MAX) < 0))
        return -ENOMEM;
    offload.pool = io->sleepers;
    io->asleep++;
    result = (int)weft__offload_wait(self, &offload);
    io->asleep--;
    return result == -ECANCELED && self->visible ? weft__task_refuse(self) : result;
}

void weft__futex_close(struct weft__io *io)
{
    if (io->asleep == 0)
        weft__pool_close(io->sleepers);
}

/* -- calls ------------------------------------------------------------------------------------ */

int weft_futex_wait(const void *word, uint32_t value, int flags)
{
    struct weft__operation operation;
    struct weft__task *self;
    struct weft__sqe *sqe;
    int error = weft__enter(&self);

    if (error == 0)
        error = check(word, flags);
    if (error < 0)
        return error;
    if (!(self->reactor->ring.features & WEFT__FEATURE_FUTEX))
        return wait_elsewhere(self, word, value, flags & PRIVATE);
    sqe = weft__operation_begin(self, &operation, "futex", -1);
    if (!sqe)
        return weft__operation_error(self);
    weft__request_futex_wait(sqe, word, value, flags & PRIVATE);
    return weft__operation_wait(self, &operation, sqe);
}

int weft_futex_wait_until(const void *word, uint32_t value, int flags, int64_t deadline)
{
    struct weft__until until;
    int error = weft__until_open(&until, deadline);

    if (error < 0)
        return error;
    return (int)weft__until_close(&until, weft_futex_wait(word, value, flags));
}

int weft_futex_wake(const void *word, int count, int flags)
{
    int error = check(word, flags);

    if (error < 0)
        return error;
    if (count < 0)
        return weft__misuse(-EINVAL, "a negative count");
    return count == 0 ? 0 : weft__host_futex_wake(word, count, flags & PRIVATE);
}
