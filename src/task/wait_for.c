/*
 * task/wait_for.c - waiting for any one thing, with a limit or without; and for some of many.
 */
#include <errno.h>

#include "task/coroutine.h"
#include "task/watch.h"

/* -- any kind ------------------------------------------------------------------------------- */

static int call(const weft_awaitable *coroutine)
{
    weft__coroutine_used(coroutine);
    return coroutine->fn((void *)(uintptr_t)coroutine->arg);
}

int weft_await_any(weft_awaitable awaitable, int64_t *result)
{
    struct weft__task *self = weft__task_self();
    int64_t found = 0;
    int error, ended = 0;

    if (!self)
        return weft__outside();
    error = weft__list_check(self, &awaitable, 1, true);
    if (error < 0)
        return error;
    switch (awaitable.kind) {
    case WEFT_AWAITABLE_TASK:
        error = weft_await(awaitable.task, &ended);
        found = ended;
        break;
    case WEFT_AWAITABLE_FUTURE:
        error = weft_future_await(awaitable.future, &found);
        break;
    default:
        found = call(&awaitable);
        break;
    }
    if (error == 0 && result)
        *result = found;
    return error;
}

int weft_ensure_future(weft_awaitable *awaitable)
{
    struct weft__task *self = weft__task_self();
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = "coroutine", .task = &task};
    int error;

    if (!self)
        return weft__outside();
    error = weft__list_check(self, awaitable, 1, true);
    if (error < 0 || awaitable->kind != WEFT_AWAITABLE_COROUTINE)
        return error;
    error = weft_create_task(awaitable->fn, awaitable->arg, awaitable->arg_size, &opt);
    weft__coroutine_used(awaitable);
    if (error == 0)
        *awaitable = weft_of_task(task);
    return error;
}

/* -- wait_for ------------------------------------------------------------------------------- */

/* What the edge makes of how the inner work ended: a value wins, so does an error of its own;
   -ECANCELED is the edge's to explain. */
static int at_the_edge(int inner, int edge, int64_t *result)
{
    if (inner == -ECANCELED && (edge == -ETIMEDOUT || edge == -ECANCELED))
        return edge;
    if (result)
        *result = inner == -ECANCELED && edge < 0 ? edge : inner;
    return 0;
}

/* One whose time is over before it has begun is not called. */
static int call_until(struct weft__task *self, const weft_awaitable *coroutine, int64_t *result,
                      int64_t deadline)
{
    weft_scope scope;
    int error = weft_timeout_at(&scope, deadline), inner;

    if (error < 0)
        return error;
    inner = weft__admit(self);
    if (inner < 0)
        weft__coroutine_used(coroutine);
    else
        inner = call(coroutine);
    return at_the_edge(inner, weft_scope_close(&scope), result);
}

/* Cancelled at the deadline, or when the caller is; it has ended in any case. -ECANCELED: it was,
   and that is what came of it; the edge will say why. */
static int await_owned(struct weft__task *self, const weft_awaitable *awaitable, int64_t *result)
{
    struct weft__watches all;
    int error = weft__watches_begin(&all, self, awaitable, 1, "wait_for");

    if (error < 0)
        return error;
    if (!weft__watches_wait(&all, self, true)) {
        weft__watches_cancel(&all, self, WEFT_CAUSE_CANCEL);
        if (all.watch[0].result == -ECANCELED)
            error = weft__task_refuse(self);
    }
    if (error == 0 && result)
        *result = all.watch[0].result;
    weft__watches_end(&all);
    return error;
}

int weft_wait_for(weft_awaitable awaitable, int64_t *result, int64_t deadline)
{
    struct weft__task *self = weft__task_self();
    struct weft__until until;
    int64_t found;
    int error;

    if (!self)
        return weft__outside();
    weft__give_way(self); /* before it is looked at: a task may be gone afterwards */
    error = weft__list_check(self, &awaitable, 1, true);
    if (error < 0)
        return error;
    if (weft__awaitable_peek(self, &awaitable, &found)) {
        if (result)
            *result = found;
        weft__spend(self);
        return 0;
    }
    error = weft__admit(self);
    if (error < 0) {
        weft__coroutine_used(&awaitable);
        return error;
    }
    if (awaitable.kind == WEFT_AWAITABLE_COROUTINE)
        return call_until(self, &awaitable, result, deadline);
    error = weft__until_begin(&until, deadline); /* giving way to nobody: it is there still */
    if (error < 0)
        return error;
    error = await_owned(self, &awaitable, result);
    return (int)weft__until_close(&until, error);
}

/* -- wait ----------------------------------------------------------------------------------- */

/* Parks until enough are done, at most until the deadline. -ECANCELED: the caller was cancelled. */
static int wait_until(struct weft__watches *all, struct weft__task *self, int64_t deadline)
{
    struct weft__until until;
    int error = weft__enter(&self);

    if (error == 0)
        error = weft__until_open(&until, deadline);
    if (error < 0)
        return error;
    error = weft__watches_check(all, self); /* again: it may have given way */
    if (error == 0)
        (void)weft__watches_wait(all, self, true);
    (void)weft__until_close(&until, 0);
    if (error < 0)
        return error;
    return weft__watches_enough(all) || !self->visible ? 0 : weft__task_refuse(self);
}

int weft_wait(const weft_awaitable *list, uint32_t count, bool *done, enum weft_wait_until until,
              int64_t deadline)
{
    struct weft__task *self = weft__task_self();
    struct weft__watches all;
    int result;

    if (!self)
        return weft__outside();
    if (count == 0 || count > INT32_MAX || (unsigned)until > WEFT_FIRST_ERROR)
        return weft__misuse(-EINVAL, "nothing to wait for, or no such way of waiting");
    result = weft__list_check(self, list, count, false);
    if (result == 0)
        result = weft__watches_begin(&all, self, list, count, "wait");
    if (result < 0)
        return result;
    all.wanted = until == WEFT_FIRST_COMPLETED ? 1 : count;
    all.error_is_enough = until == WEFT_FIRST_ERROR;
    if (!weft__watches_enough(&all))
        result = wait_until(&all, self, deadline);
    for (uint32_t i = 0; result == 0 && done && i < count; i++)
        done[i] = all.watch[i].state == WEFT__WATCH_DONE;
    if (result == 0)
        result = (int)all.done;
    weft__watches_leave(&all, self);
    weft__watches_end(&all);
    weft__spend(self);
    return result;
}
