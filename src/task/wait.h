/*
 * task/wait.h - the other things a task waits for: a flag that somebody on this reactor sets, and a
 * time. Everything that parks a task is built of these and of task/operation.h.
 */
#ifndef WEFT_TASK_WAIT_H
#define WEFT_TASK_WAIT_H

#include "task/task.h"

/* A sleep, for who looks at it. */
struct weft__sleep {
    struct weft__wait wait; /* its `what` is weft__waits_sleep */
    int64_t deadline_ns;
};

/* `what` of waits that are more than their names, and told by these addresses (runtime/waits.c). */
extern const char weft__waits_sleep[], weft__waits_room[], weft__waits_closing[];

/* How these waits are interrupted: there is nothing in the kernel to ask, so at once. */
void weft__wait_interrupt(struct weft__wait *wait);

/*
 * Parks the task until weft__wake_now is called on `wait` (zeroed, with .what and .fd set).
 * interruptible: a cancellation (idle: or a drain) ends it too; one that came since the call began,
 * while it waited for something else, keeps it from parking.
 * Returns 0 when woken, -ECANCELED or -ESHUTDOWN when interrupted; then nobody will wake it again,
 * and it is for the caller to unlink what pointed at it.
 */
static inline __attribute__((always_inline)) int weft__wait_for_wake(struct weft__task *self,
                                                                     struct weft__wait *wait,
                                                                     bool interruptible)
{
    wait->interrupt = interruptible ? weft__wait_interrupt : NULL;
    if (__builtin_expect(interruptible && (self->visible || (wait->idle && self->draining)), 0)) {
        wait->fiber = &self->fiber; /* others find the wait already, and look there */
        return weft__admit_again(self, wait->idle);
    }
    weft__fiber_park(self->reactor, wait);
    if (__builtin_expect(!wait->interrupted, 1))
        return 0;
    return self->visible ? weft__task_refuse(self) : weft__task_refuse_idle(self);
}

/* The same, always interruptible, for a wait that hands something over: once *done, it was, and 0
   is returned even though a cancellation came as well, which stays pending and was not delivered.
 */
int weft__wait_for_done(struct weft__task *self, struct weft__wait *wait, const bool *done);

/* Wakes who is parked on `wait`, on its own reactor. Does nothing when it is not parked any more.
 */
static inline void weft__wake_now(struct weft__reactor *reactor, struct weft__wait *wait)
{
    if (wait->fiber && wait->fiber->wait == wait)
        weft__fiber_wake(reactor, wait);
}

/* The same, with a limit of its own: -ETIME when `deadline_ns` came first (not a cancellation). */
int weft__wait_for_wake_until(struct weft__task *self, struct weft__wait *wait, bool interruptible,
                              int64_t deadline_ns);

/* An `_until` twin: what runs between open and close is cancelled at the deadline. close returns
   what the inner call returned, with -ECANCELED made -ETIMEDOUT when this deadline caused it. */
struct weft__until {
    struct weft_scope scope;
};
int weft__until_open(struct weft__until *until, int64_t deadline_ns);
/* The same for a task that was admitted already; gives way to nobody. */
int weft__until_begin(struct weft__until *until, int64_t deadline_ns);
int64_t weft__until_close(struct weft__until *until, int64_t result);

#endif
