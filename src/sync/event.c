/*
 * sync/event.c - the event. Its value is 1 while it is set, else 0; who waits finds it clear.
 */
#include "sync/select.h"

_Static_assert(sizeof(struct weft__object) <= sizeof(struct weft_event), "reserved room");

static struct weft__object *inside(const weft_event *event)
{
    return (struct weft__object *)(uintptr_t)event;
}

static int no_event(void)
{
    return weft__misuse(-EINVAL, "no event");
}

int weft_event_wait(weft_event *event)
{
    struct weft__object *object = inside(event);
    struct weft__entry entry;
    struct weft__task *self;
    bool waits;
    int error;

    if (!event)
        return no_event();
    error = weft__sync_begin(&self);
    if (error == 0 && weft__object_shared(object) && weft__object_value(object))
        return 0;
    if (error == 0)
        error = weft__object_enter(object);
    if (error < 0)
        return error;
    waits = !weft__object_value(object);
    if (waits)
        weft__entry_enqueue(&entry, self, "event", object, &object->row);
    weft__object_exit(object);
    return waits ? weft__entry_wait(&entry, true) : 0;
}

int weft_event_wait_until(weft_event *event, int64_t deadline)
{
    WEFT__UNTIL(deadline, weft_event_wait(event));
}

int weft__event_try(weft_event *event)
{
    int result = weft__object_enter(inside(event));

    if (result < 0)
        return result;
    result = weft__object_value(inside(event)) != 0;
    weft__object_exit(inside(event));
    return result;
}

int weft__event_link(weft_event *event, struct weft__entry *entry)
{
    struct weft__object *object = inside(event);
    int result = weft__object_enter(object);

    if (result < 0)
        return result;
    entry->result = 0;
    if (weft__object_value(object))
        result = weft__waiter_claim(&entry->waiter);
    else
        weft__entry_link(entry, object, &object->row);
    weft__object_exit(object);
    return result;
}

static int change(weft_event *event, uint32_t value)
{
    struct weft__object *object = inside(event);
    struct weft__woken woken = {0};
    uint32_t before;
    int error;

    if (!event)
        return no_event();
    before = weft__object_value(object);
    if (weft__object_swap(object, before, value))
        return before != value;
    error = weft__object_enter(object);
    if (error < 0)
        return error;
    before = weft__object_value(object);
    weft__object_value_set(object, value);
    if (value)
        weft__row_grant(&object->row, UINT64_MAX, 0, &woken);
    weft__object_leave(object, &woken);
    return before != value;
}

int weft_event_set(weft_event *event)
{
    return change(event, 1);
}

int weft_event_clear(weft_event *event)
{
    return change(event, 0);
}

bool weft_event_is_set(const weft_event *event)
{
    return event && weft__object_value(inside(event));
}
