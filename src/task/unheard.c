/*
 * task/unheard.c - failures that nobody was told: the end of a task, or of a future, in debug mode.
 *
 * A task's failure is heard when somebody joins or awaits it, or when its scope fails with it. What
 * remains are tasks of a scope that keeps going: those with a handle that nobody used, and those
 * without one in the root, whose errors nobody asks for. A future's error is heard by whoever waits
 * for it or looks at the result. Being cancelled is no failure. Any thread may let go of a future.
 */
#include <errno.h>
#include <weft/debug.h>

#include "task/future.h"
#include "task/task.h"

static void tell(struct weft_report *report, struct weft__line *line, const char *made)
{
    weft__line_put_error(line, report->error);
    weft__line_put(line, ", and nobody asked: ");
    weft__line_put(line, made);
    weft__line_put_place(line, report->file, report->line, report->function,
                         "at a place not noted");
    weft__report(report, line);
}

static bool can_be_asked_for(const struct weft__task *task)
{
    const struct weft__scope *home = task->home;

    return home->on_error == WEFT_FAIL_FAST || home->error_read || (home->owner && !task->kept);
}

void weft__task_unheard(const struct weft__task *task)
{
    struct weft_report report = {.kind = WEFT_REPORT_UNHEARD,
                                 .task = weft__task_handle(task),
                                 .name = task->name,
                                 .code = (const void *)(uintptr_t)task->fn,
                                 .error = task->result};
    struct weft__line line;

    if (!weft__debug_wants(WEFT_REPORT_UNHEARD) || can_be_asked_for(task) ||
        !weft__task_failed(task))
        return;
    weft__report_place(&report, WEFT__NOTE_OF(task->made_at));
    weft__line_begin(&line);
    weft__line_put(&line, "weft: unheard: ");
    weft__task_put(&line, task);
    weft__line_put(&line, " ended with ");
    tell(&report, &line, "spawned ");
}

void weft__future_unheard(const struct weft_future *future)
{
    struct weft_report report = {.kind = WEFT_REPORT_UNHEARD,
                                 .name = future->name,
                                 .error = (int)future->result};
    struct weft__line line;

    if (!weft__debug_wants(WEFT_REPORT_UNHEARD) || future->result == -ECANCELED)
        return;
    weft__report_place(&report, WEFT__NOTE_OF(future->made_at));
    weft__line_begin(&line);
    weft__line_put(&line, "weft: unheard: future \"");
    weft__line_put(&line, future->name);
    weft__line_put(&line, "\" failed with ");
    tell(&report, &line, "made ");
}

void weft__task_put(struct weft__line *line, const struct weft__task *task)
{
    weft__line_put(line, "task ");
    weft__line_put_number(line, (int64_t)weft__task_number(task));
    weft__line_put(line, " \"");
    weft__line_put(line, task->name);
    weft__line_put(line, "\"");
}
