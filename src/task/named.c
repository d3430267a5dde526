/*
 * task/named.c - things of asyncio that other things here are, by their names: timeouts, which are
 * scopes; the list of tasks, and what they are called.
 */
#include <errno.h>
#include <weft/await.h>

#include "task/task.h"

int weft_timeout_at(weft_scope *scope, int64_t deadline)
{
    struct weft_scope_opt opt = {.size = sizeof opt,
                                 .deadline = weft_timeout_clamp_(deadline),
                                 .name = "timeout"};

    return weft_scope_open(scope, &opt);
}

int weft_timeout(weft_scope *scope, int64_t ns)
{
    return weft_timeout_at(scope, weft_after_ns(ns));
}

int weft_timeout_reschedule(weft_scope *scope, int64_t deadline)
{
    return weft_scope_reschedule(scope, weft_timeout_clamp_(deadline));
}

/* 0, or why the scope cannot be asked. */
static int scope_check(const struct weft__scope *scope)
{
    if (!scope || scope->state != WEFT__SCOPE_OPEN)
        return weft__misuse(-EINVAL, "the scope is NULL, or not open");
    if (scope->reactor != weft__self)
        return weft__misuse(-EPERM, "the scope is another reactor's");
    return 0;
}

int64_t weft_timeout_when(const weft_scope *public_scope)
{
    const struct weft__scope *scope = (const struct weft__scope *)public_scope;
    int error = scope_check(scope);

    return error < 0 ? error : scope->deadline_ns;
}

int weft_timeout_expired(const weft_scope *public_scope)
{
    const struct weft__scope *scope = (const struct weft__scope *)public_scope;
    int error = scope_check(scope);

    return error < 0 ? error : scope->deadline_fired;
}

/* -- tasks ---------------------------------------------------------------------------------- */

struct list {
    weft_task *tasks;
    uint32_t count_max;
    uint32_t count;
};

static int list_one(struct weft__task *task, void *context)
{
    struct list *list = context;

    if (task->ended)
        return 0;
    if (list->count < list->count_max)
        list->tasks[list->count] = weft__task_handle(task);
    list->count++;
    return 0;
}

int weft_all_tasks(weft_task *tasks, uint32_t count_max)
{
    struct list list = {.tasks = tasks, .count_max = tasks ? count_max : 0};

    if (!weft__self)
        return weft__outside();
    weft__scope_each(weft__root(weft__self), list_one, &list);
    return (int)list.count;
}

const char *weft_task_name(weft_task handle)
{
    int error;
    struct weft__task *task = weft__task_find(weft__self, handle, &error);

    return task ? task->name : NULL;
}

int weft_task_set_name(weft_task handle, const char *name)
{
    int error;
    struct weft__task *task = weft__task_find(weft__self, handle, &error);

    if (!task)
        return weft__task_not_found(handle, error, false);
    if (!name)
        return weft__misuse(-EINVAL, "no name");
    task->name = name;
    return 0;
}
