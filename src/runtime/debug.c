/*
 * runtime/debug.c - debug mode: turning it on, and what is said of slices that were too long and of
 * system calls that wait.
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <sys/auxv.h>
#include <weft/debug.h>

#include "base/option.h"
#include "coro/blocking.h"
#include "coro/walk.h"
#include "runtime/print.h"
#include "runtime/runtime.h"

int weft__debug_take(struct weft_debug_opt *own, const struct weft_debug_opt *opt)
{
    int error = weft__option_copy(own, sizeof *own, opt);

    if (error == 0)
        error = weft__debug_check(own);
    if (error == 0 && own->kinds & WEFT_REPORT_BLOCKING)
        error = weft__blocking_probe();
    return error;
}

int weft_set_debug(const struct weft_debug_opt *opt)
{
    struct weft_debug_opt own;
    int error = opt ? weft__debug_take(&own, opt) : 0;

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

/* -- calls that wait; in a signal handler ---------------------------------------------------- */

enum { FRAMES_MAX = 32 };

static const void *object_of(const void *code)
{
    struct dl_find_object object;

    return _dl_find_object((void *)(uintptr_t)code, &object) == 0 ? object.dlfo_link_map : NULL;
}

/* Who called the function that makes the call: the first outside of the library that this is in, or
   the instruction itself when it is in the program. */
static const void *caller_of(const struct weft__reactor *reactor, const struct weft__trap *trap)
{
    const void *frames[FRAMES_MAX], *object = object_of(trap->address);
    struct weft__registers registers;
    uint32_t slot;
    size_t count, i = 0;

    if (!reactor->current)
        return NULL; /* on the loop's stack, whose bounds nobody knows */
    slot = reactor->current->slot;
    weft__registers_interrupted(&registers, trap->frame);
    count = weft__walk(&registers, true, weft__stack_low(&reactor->stacks, slot),
                       weft__stack_top(&reactor->stacks, slot), frames, FRAMES_MAX);
    if (object == object_of((const void *)getauxval(AT_ENTRY)))
        return trap->address; /* in the program itself */
    while (i < count && object_of(frames[i]) == object)
        i++;
    return i < count ? frames[i] : NULL;
}

/* The library calls the kernel, too, and where it may wait it was told to. */
static bool is_ours(const void *caller)
{
    const void *object = object_of((const void *)(uintptr_t)is_ours);

    return object != object_of((const void *)getauxval(AT_ENTRY)) && object == object_of(caller);
}

static void put_caller(struct weft__line *line, const struct weft__trap *trap, const void *caller)
{
    weft__line_put(line, " (");
    weft__line_put_number(line, trap->number);
    weft__line_put(line, ") at ");
    weft__put_code(line, trap->address);
    if (caller && caller != trap->address) {
        weft__line_put(line, ", from ");
        weft__put_code(line, caller);
    }
}

void weft__tell_blocking(struct weft__reactor *reactor, const struct weft__trap *trap)
{
    const struct weft__slice *slice = &reactor->slice;
    const char *name = weft__blocking_name(trap);
    struct weft_report report = {.kind = WEFT_REPORT_BLOCKING,
                                 .address = trap->address,
                                 .call = trap->number};
    struct weft__line line;

    if (!name)
        return;
    report.caller = caller_of(reactor, trap);
    if (report.caller && is_ours(report.caller))
        return;
    weft__line_begin(&line);
    weft__line_put(&line, "weft: blocking: ");
    (slice->fiber ? put_task : put_call)(&line, slice, &report);
    weft__report_place(&report, slice->from);
    weft__line_put(&line, " calls ");
    weft__line_put(&line, name);
    put_caller(&line, trap, report.caller);
    if (report.file) {
        weft__line_put(&line, slice->fiber ? ", after " : ", asked for at ");
        weft__line_put_place(&line, report.file, report.line, report.function, "");
    }
    weft__report(&report, &line);
}
