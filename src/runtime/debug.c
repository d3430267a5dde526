/*
 * runtime/debug.c - debug mode: turning it on, and what is said of a slice that was too long.
 */
#include <weft/debug.h>

#include "base/option.h"
#include "runtime/runtime.h"

int weft_set_debug(const struct weft_debug_opt *opt)
{
    struct weft_debug_opt own;
    int error = opt ? weft__option_copy(&own, sizeof own, opt) : 0;

    if (error == 0 && opt)
        error = weft__debug_check(&own);
    if (error < 0)
        return error;
    (void)weft__debug_set(opt ? &own : NULL);
    if (weft__self)
        weft__observe_refresh(weft__self);
    return 0;
}

static void put_task(struct weft__line *line, const struct weft__slice *slice,
                     struct weft_report *report)
{
    const struct weft__task *task = (const struct weft__task *)slice->fiber;

    report->task = weft__task_handle(task);
    report->name = task->name;
    report->code = (const void *)(uintptr_t)task->fn;
    weft__report_place(report, slice->ended ? (struct weft_call_site){NULL, NULL, 0} : slice->to);
    weft__task_put(line, task);
}

static void put_call(struct weft__line *line, const struct weft__slice *slice,
                     struct weft_report *report)
{
    report->code = slice->code;
    weft__report_place(report, slice->from);
    weft__line_put(line, "a callback");
}

/* Where it ran, as far as that is known. */
static void put_way(struct weft__line *line, const struct weft__slice *slice, const void *code)
{
    if (!slice->from.file && !slice->to.file) {
        weft__line_put(line, ", function ");
        weft__line_put_address(line, code);
        return;
    }
    if (!slice->fiber) {
        weft__line_put(line, ", asked for at ");
        weft__line_put_place(line, slice->from.file, slice->from.line, slice->from.function, "");
        return;
    }
    weft__line_put(line, ", from ");
    weft__line_put_place(line, slice->from.file, slice->from.line, slice->from.function,
                         "its begin");
    weft__line_put(line, " to ");
    weft__line_put_place(line, slice->ended ? NULL : slice->to.file, slice->to.line,
                         slice->to.function, slice->ended ? "its end" : "a place not noted");
}

void weft__tell_slow(struct weft__reactor *reactor, const struct weft__slice *slice,
                     int64_t span_ns)
{
    struct weft_report report = {.kind = WEFT_REPORT_SLOW, .span_ns = span_ns};
    struct weft__line line;

    weft__line_begin(&line);
    weft__line_put(&line, "weft: slow: ");
    (slice->fiber ? put_task : put_call)(&line, slice, &report);
    weft__line_put(&line, " kept reactor ");
    weft__line_put_number(&line, reactor->index);
    weft__line_put(&line, " for ");
    weft__line_put_span(&line, span_ns);
    put_way(&line, slice, report.code);
    weft__report(&report, &line);
}
