/*
 * task/join.c - waiting for the end of a task, on its own reactor.
 */
#include <errno.h>

#include "task/task.h"
#include "task/wait.h"

void weft__joiner_link(struct weft__task *task, struct weft__joiner *joiner)
{
    joiner->next = task->joiners;
    joiner->link = &task->joiners;
    if (joiner->next)
        joiner->next->link = &joiner->next;
    task->joiners = joiner;
}

void weft__joiner_unlink(struct weft__joiner *joiner)
{
    *joiner->link = joiner->next;
    if (joiner->next)
        joiner->next->link = joiner->link;
}

static int join(weft_task handle, int *result, bool consumes)
{
    struct weft__task *self = weft__task_self(), *task;
    struct weft__joiner joiner = {.wait = {.what = "join", .fd = -1}, .consumes = consumes};
    int error;

    if (!self)
        return weft__outside();
    weft__give_way(self);
    task = weft__task_find(self->reactor, handle, &error);
    if (!task)
        return weft__task_not_found(handle, error, consumes);
    if (!task->ended) {
        error = weft__admit(self);
        if (error < 0)
            return error;
        if (weft__task_would_deadlock(self, task))
            return weft__task_deadlock(self, task);
        weft__joiner_link(task, &joiner);
        self->joins = task;
        error = weft__wait_for_done(self, &joiner.wait, &joiner.done);
        self->joins = NULL;
        if (!joiner.done) {
            weft__joiner_unlink(&joiner);
            return error;
        }
    } else {
        joiner.result = task->result;
        task->heard = true;
        if (consumes)
            weft__task_release(task);
        weft__spend(self);
    }
    if (result)
        *result = joiner.result;
    return 0;
}

/* With a limit. What has ended is answered at once, and so is what is wrong. */
static int join_until(weft_task handle, int *result, bool consumes, int64_t deadline)
{
    struct weft__until until;
    const struct weft__task *task;
    int error;

    if (!weft__task_self())
        return weft__outside();
    task = weft__task_find(weft__self, handle, &error);
    if (!task || task->ended)
        return join(handle, result, consumes);
    error = weft__until_open(&until, deadline);
    if (error < 0)
        return error;
    return (int)weft__until_close(&until, join(handle, result, consumes));
}

int weft_join_until(weft_task task, int *result, int64_t deadline)
{
    return join_until(task, result, true, deadline);
}

int weft_await_until(weft_task task, int *result, int64_t deadline)
{
    return join_until(task, result, false, deadline);
}

int weft_join(weft_task task, int *result)
{
    return join(task, result, true);
}

int weft_await(weft_task task, int *result)
{
    return join(task, result, false);
}
