/*
 * sync/barrier.c - the barrier. Its limit is the parties, its value 1 while it is broken; those who
 * have come are those in the row. Always entered: there is nothing that one alone could settle.
 */
#include "sync/wait_queue.h"

_Static_assert(sizeof(struct weft__object) <= sizeof(struct weft_barrier), "reserved room");

static struct weft__object *inside(weft_barrier *barrier)
{
    return (struct weft__object *)barrier;
}

/* Everybody has come: each is told its place. */
static void let_through(struct weft__object *object, struct weft__woken *woken)
{
    for (int32_t place = 0; weft__row_first(&object->row); place++)
        weft__entry_grant(weft__row_first(&object->row), place, woken);
}

static int no_barrier(void)
{
    return weft__misuse(-EINVAL, "no barrier, or one without parties");
}

int weft_barrier_wait(weft_barrier *barrier)
{
    struct weft__object *object = inside(barrier);
    struct weft__woken woken = {0};
    struct weft__entry entry;
    struct weft__task *self;
    bool waits = false;
    int result;

    if (!barrier || object->limit == 0)
        return no_barrier();
    result = weft__sync_begin(&self);
    if (result == 0)
        result = weft__object_enter(object);
    if (result < 0)
        return result;
    if (weft__object_value(object)) {
        result = -EPIPE;
    } else if (object->row.count + 1 == object->limit) {
        result = (int)object->row.count;
        let_through(object, &woken);
    } else {
        waits = true;
        weft__entry_enqueue(&entry, self, "barrier", object, &object->row);
    }
    weft__object_leave(object, &woken);
    return waits ? weft__entry_wait(&entry, true) : result;
}

int weft_barrier_wait_until(weft_barrier *barrier, int64_t deadline)
{
    WEFT__UNTIL(deadline, weft_barrier_wait(barrier));
}

/* Sends away who waits; broken from then on, or not. */
static int send_away(weft_barrier *barrier, uint32_t broken)
{
    struct weft__object *object = inside(barrier);
    struct weft__woken woken = {0};
    uint64_t count;
    int error;

    if (!barrier)
        return no_barrier();
    error = weft__object_enter(object);
    if (error < 0)
        return error;
    count = weft__row_grant(&object->row, UINT64_MAX, -EPIPE, &woken);
    weft__object_value_set(object, broken);
    weft__object_leave(object, &woken);
    return (int)count;
}

int weft_barrier_abort(weft_barrier *barrier)
{
    return send_away(barrier, 1);
}

int weft_barrier_reset(weft_barrier *barrier)
{
    return send_away(barrier, 0);
}

int weft_barrier_waiting(weft_barrier *barrier)
{
    struct weft__object *object = inside(barrier);
    int result;

    if (!barrier)
        return no_barrier();
    result = weft__object_enter(object);
    if (result < 0)
        return result;
    result = weft__object_value(object) ? -EPIPE : (int)object->row.count;
    weft__object_exit(object);
    return result;
}
