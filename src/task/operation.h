/*
 * task/operation.h - a task that waits for one request to the kernel.
 *
 * Lives in the frame of the call:
 *
 *     struct weft__operation operation;
 *     struct weft__sqe *sqe = weft__operation_begin(self, &operation, "recv", fd);
 *     if (!sqe)
 *         return weft__operation_error(self);
 *     weft__request_recv(sqe, fd, buffer, size, 0, 0);
 *     return weft__operation_wait(self, &operation, sqe);
 *
 * The wait ends with the final completion and with nothing else. Cancelling the task asks the
 * kernel to end the request; whatever the completion then says is the result, so an effect that
 * happened is reported, and only a completion that says "cancelled" becomes -ECANCELED.
 */
#ifndef WEFT_TASK_OPERATION_H
#define WEFT_TASK_OPERATION_H

#include "task/task.h"

struct weft__operation {
    struct weft__op op;
    struct weft__wait wait;
    int32_t result;
    uint32_t flags; /* of the completion */
    uint64_t word;  /* the io layer's: whose the descriptor was when the call began */
};

void weft__operation_completed(struct weft__op *op, int32_t result, uint32_t flags);
void weft__operation_interrupt(struct weft__wait *wait);
struct weft__sqe *weft__operation_retry(struct weft__task *self, struct weft__operation *operation);

/*
 * Puts `operation` in flight with the request returned, which the caller fills; user_data is set by
 * weft__operation_wait. While the kernel takes no requests the task gives way and tries again.
 * NULL: weft__operation_error says why (-ENOMEM, or -ECANCELED meanwhile).
 */
static inline __attribute__((always_inline)) struct weft__sqe *weft__operation_begin(
    struct weft__task *self, struct weft__operation *operation, const char *what, int fd)
{
    struct weft__sqe *sqe;

    operation->op.complete = weft__operation_completed;
    operation->op.waiter = NULL;
    operation->wait.what = what;
    operation->wait.interrupt = weft__operation_interrupt;
    operation->wait.fd = fd;
    operation->wait.idle = false;
    sqe = weft__op_begin(self->reactor, &operation->op);
    return __builtin_expect(sqe != NULL, 1) ? sqe : weft__operation_retry(self, operation);
}
int weft__operation_error(struct weft__task *self);

/* Between begin and wait: this wait is idle (a drain may end it), or may not be interrupted at all.
 */
static inline void weft__operation_idle(struct weft__operation *operation)
{
    operation->wait.idle = true;
}
static inline void weft__operation_hold(struct weft__operation *operation)
{
    operation->wait.interrupt = NULL;
}

int32_t weft__result_negative(struct weft__task *self, const struct weft__wait *wait,
                              int32_t result);

/* Maps the kernel's several words for "cancelled", as weft__operation_wait does. */
static inline int32_t weft__result_for(struct weft__task *self, const struct weft__wait *wait,
                                       int32_t result)
{
    return __builtin_expect(result >= 0, 1) ? result : weft__result_negative(self, wait, result);
}

/* Parks until the final completion. The completion's result; when the kernel says the request was
   cancelled: -ECANCELED, or -ESHUTDOWN when a drain ended an idle wait. operation->flags is set. */
static inline __attribute__((always_inline)) int32_t weft__operation_wait(
    struct weft__task *self, struct weft__operation *operation, struct weft__sqe *sqe)
{
    sqe->user_data = operation->op.id;
    operation->op.waiter = &operation->wait;
    weft__fiber_park(self->reactor, &operation->wait);
    return weft__result_for(self, &operation->wait, operation->result);
}

#endif
