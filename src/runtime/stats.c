/*
 * runtime/stats.c - what a reactor has done, its tasks, its trace.
 */
#include <errno.h>
#include <string.h>
#include <weft/stats.h>

#include "base/memory.h"
#include "reactor/reactor.h"
#include "task/task.h"

/* Word by word, each read whole. */
static int copy_stats(const struct weft__reactor *reactor, struct weft_stats *stats, size_t size)
{
    const uint64_t *from = (const uint64_t *)&reactor->stats;
    uint64_t *to = (uint64_t *)stats;

    if (!stats || size % sizeof(uint64_t) || size > sizeof *stats)
        return weft__misuse(-EINVAL, "no memory, or not of that size");
    for (size_t i = 0; i < size / sizeof(uint64_t); i++)
        to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
    if (size > offsetof(struct weft_stats, allocations))
        stats->allocations = weft__alloc_count();
    return 0;
}

int weft_stats(struct weft_stats *stats, size_t size)
{
    if (!weft__self)
        return weft__outside();
    weft__reactor_count(weft__self);
    return copy_stats(weft__self, stats, size);
}

int weft_stats_read(weft_inbox *inbox, struct weft_stats *stats, size_t size)
{
    int error;

    if (!inbox)
        return weft__misuse(-EINVAL, "no inbox");
    if (!weft__inbox_visit(inbox))
        return weft__pass_on(-ESHUTDOWN);
    error = copy_stats(inbox->reactor, stats, size);
    weft__inbox_visit_end(inbox);
    return error;
}

struct each {
    int (*fn)(const struct weft_task_info *info, void *context);
    void *context;
};

static int each_task(struct weft__task *task, void *context)
{
    struct each *each = context;
    struct weft_task_info info;

    if (task->ended)
        return 0;
    weft__task_describe(task, &info);
    weft__call_site_forget(); /* what fn calls is not where this call is made */
    return each->fn(&info, each->context);
}

int weft_tasks_each(int (*fn)(const struct weft_task_info *info, void *context), void *context)
{
    struct each each = {fn, context};

    if (!fn)
        return weft__misuse(-EINVAL, "no function");
    if (!weft__self || !weft__self->tasks)
        return weft__outside();
    return weft__scope_each(weft__root(weft__self), each_task, &each);
}

int weft_trace(uint32_t count)
{
    struct weft__reactor *reactor = weft__self;
    struct weft_trace_event *events = NULL;

    if (!reactor)
        return weft__outside();
    if (count & (count - 1))
        return weft__misuse(-EINVAL, "a number that is no power of two");
    if (count && !(events = weft__calloc(count, sizeof *events)))
        return -ENOMEM;
    weft__free(reactor->trace);
    reactor->trace = events;
    reactor->trace_mask = count - 1;
    reactor->observed =
        (uint8_t)((reactor->observed & ~WEFT__OBSERVE_TRACE) | (events ? WEFT__OBSERVE_TRACE : 0));
    reactor->trace_count = 0;
    return 0;
}

int weft_trace_read(struct weft_trace_event *events, uint32_t count_max)
{
    struct weft__reactor *reactor = weft__self;
    uint64_t count;

    if (!reactor)
        return weft__outside();
    if (!events || !reactor->trace)
        return weft__misuse(-EINVAL, "no memory, or no trace was begun");
    count = reactor->trace_count;
    if (count > (uint64_t)reactor->trace_mask + 1)
        count = (uint64_t)reactor->trace_mask + 1;
    if (count > count_max)
        count = count_max;
    for (uint64_t i = 0; i < count; i++)
        events[i] = reactor->trace[(reactor->trace_count - count + i) & reactor->trace_mask];
    return (int)count;
}
