/*
 * io/waitid.c - waiting for children that nobody here has started; <weft/process.h> is the
 * reference.
 *
 * On the calling task. What always holds: what the kernel tells is written to memory of the call's
 * own, which the caller gets once it is over.
 */
#include <weft/process.h>

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "ring/host.h"
#include "ring/host_child.h"
#include "task/operation.h"
#include "task/wait.h"

enum { PAUSE_MIN_NS = 1000000, PAUSE_MAX_NS = 50000000 };

static int by_ring(struct weft__task *self, int type, int id, siginfo_t *info, int options)
{
    struct weft__operation operation;
    struct weft__sqe *sqe = weft__operation_begin(self, &operation, "waitid", -1);

    if (!sqe)
        return weft__operation_error(self);
    weft__request_waitid_of(sqe, (uint32_t)type, id, info, (uint32_t)options);
    return weft__operation_wait(self, &operation, sqe);
}

/* Where the ring has no request for it. */
static int by_asking(struct weft__task *self, int type, int id, siginfo_t *info, int options)
{
    for (int64_t pause_ns = PAUSE_MIN_NS;; pause_ns *= 2) {
        struct weft__wait wait = {.what = "waitid", .fd = -1};
        int result = weft__host_waitid(type, id, info, options | WNOHANG);

        if (result < 0 || info->si_pid != 0 || options & WNOHANG)
            return result;
        if (pause_ns > PAUSE_MAX_NS)
            pause_ns = PAUSE_MAX_NS;
        result = weft__wait_for_wake_until(self, &wait, true, weft__host_now() + pause_ns);
        if (result != -ETIME)
            return result;
    }
}

int weft_waitid(int type, int id, void *info, int options)
{
    struct weft__task *self;
    siginfo_t own;
    int result = weft__enter(&self);

    if (result < 0)
        return result;
    do {
        memset(&own, 0, sizeof own); /* the kernel writes some of it */
        result = self->reactor->ring.features & WEFT__FEATURE_WAITID
                     ? by_ring(self, type, id, &own, options)
                     : by_asking(self, type, id, &own, options);
    } while (result == -EINTR && !self->visible);
    if (result == 0 && info)
        memcpy(info, &own, sizeof own);
    return result;
}
