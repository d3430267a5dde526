/*
 * task/operation.c - a task that waits for one request; operation.h shows the use.
 */
#include "task/operation.h"

#include <errno.h>

#define OPERATION_OF(pointer, member)                                                              \
    ((struct weft__operation *)((char *)(pointer)-offsetof(struct weft__operation, member)))

void weft__operation_completed(struct weft__op *op, int32_t result, uint32_t flags)
{
    struct weft__operation *operation = OPERATION_OF(op, op);

    operation->result = result;
    operation->flags = flags;
    if (!(flags & WEFT__CQE_MORE))
        weft__fiber_wake(weft__self, &operation->wait);
}

/* The wait goes on: the kernel owns what the request points at until it says otherwise. */
void weft__operation_interrupt(struct weft__wait *wait)
{
    weft__op_cancel(weft__self, &OPERATION_OF(wait, wait)->op);
}

struct weft__sqe *weft__operation_retry(struct weft__task *self, struct weft__operation *operation)
{
    struct weft__reactor *reactor = self->reactor;
    struct weft__sqe *sqe;

    do {
        if (reactor->ops.free == UINT32_MAX)
            return NULL;            /* no memory for a slot */
        weft__fiber_yield(reactor); /* the loop reaps, which makes room */
        if (self->visible)
            return NULL;
        sqe = weft__op_begin(reactor, &operation->op);
    } while (!sqe);
    return sqe;
}

int weft__operation_error(struct weft__task *self)
{
    return self->visible ? weft__task_refuse(self) : -ENOMEM;
}

int32_t weft__result_negative(struct weft__task *self, const struct weft__wait *wait,
                              int32_t result)
{
    if (!weft__result_is_cancel(result)) {
        self->cause = WEFT_CAUSE_NONE;
        return result;
    }
    if (wait->interrupted && self->visible)
        return weft__task_refuse(self);
    if (wait->interrupted && self->draining)
        return weft__task_refuse_idle(self);
    self->cause = WEFT_CAUSE_NONE;
    return result == -EINTR ? -EINTR : -ECANCELED;
}
