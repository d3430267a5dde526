/*
 * task/self.c - what a task does with itself alone: gives way, asks who it is and how much stack
 * there is, and calls on another one.
 */
#include "task/task.h"

#include <errno.h>

int weft_yield(void)
{
    struct weft__task *self;
    int error = weft__enter(&self);

    if (error == 0)
        weft__fiber_yield(self->reactor);
    return error;
}

struct weft_no_suspend weft_no_suspend_enter_(void)
{
    struct weft__task *self = weft__task_self();

    if (!self || self->stays == UINT8_MAX)
        return (struct weft_no_suspend){NULL, false};
    self->stays++;
    return (struct weft_no_suspend){self, false};
}

void weft_no_suspend_leave_(struct weft_no_suspend *region)
{
    struct weft__task *self = region->task;

    if (self && self == weft__task_self())
        self->stays--;
}

weft_task weft_current_task(void)
{
    struct weft__task *self = weft__task_self();

    return self ? weft__task_handle(self) : (weft_task){0, 0};
}

size_t weft_stack_remaining(void)
{
    struct weft__task *self = weft__task_self();

    if (!self)
        return 0;
    return (size_t)((char *)__builtin_frame_address(0) -
                    weft__stack_low(&self->reactor->stacks, self->fiber.slot));
}

int weft_call_on_big_stack(int (*fn)(void *), void *arg)
{
    struct weft__task *self = weft__task_self();
    struct weft__errand errand = {.fn = fn, .arg = arg};

    if (!self)
        return weft__outside();
    if (!fn)
        return weft__misuse(-EINVAL, "no function");
    weft__fiber_errand(self->reactor, &errand);
    return errand.result;
}
