/*
 * sync/wait_queue.c - the rows in which tasks wait, written once for all objects.
 */
#include "sync/wait_queue.h"

/* -- entering ------------------------------------------------------------------------------- */

/* A local object that another reactor used last, or nobody. */
static int claim(struct weft__object *object, const struct weft__reactor *reactor)
{
    uint64_t home = atomic_load_explicit(&object->home, memory_order_relaxed);

    if (home && weft__roll_call(home))
        return weft__misuse(-EPERM, "the object is another reactor's");
    atomic_store_explicit(&object->home, weft__tasks_of(reactor)->id, memory_order_relaxed);
    return 0;
}

int weft__object_enter_slowly(struct weft__object *object)
{
    const struct weft__reactor *reactor = weft__self;

    if (!reactor)
        return weft__misuse(-EPERM, "called on a thread that runs no reactor");
    if (!weft__object_shared(object))
        return claim(object, reactor);
    (void)weft__word_lock(&object->word);
    return 0;
}

/* -- the row -------------------------------------------------------------------------------- */

static bool take_out(struct weft__entry *entry)
{
    if (!weft__waiters_leave(&entry->row->waiters, &entry->waiter))
        return false;
    entry->row->count--;
    return true;
}

void weft__entry_grant(struct weft__entry *entry, int32_t result, struct weft__woken *woken)
{
    take_out(entry);
    entry->fate = WEFT__GRANTED;
    entry->result = result;
    entry->waiter.next = NULL;
    if (woken->last)
        woken->last->next = &entry->waiter;
    else
        woken->first = &entry->waiter;
    woken->last = &entry->waiter;
}

struct weft__entry *weft__row_claim_slowly(struct weft__row *row)
{
    struct weft__entry *entry;

    while ((entry = weft__row_first(row)) && !weft__waiter_claim(&entry->waiter))
        take_out(entry);
    return entry;
}

uint64_t weft__row_grant(struct weft__row *row, uint64_t count_max, int32_t result,
                         struct weft__woken *woken)
{
    struct weft__entry *entry;
    uint64_t count = 0;

    for (; count < count_max && (entry = weft__row_claim(row)); count++)
        weft__entry_grant(entry, result, woken);
    return count;
}

/* -- waiting -------------------------------------------------------------------------------- */

/* A cancellation reaches one that waits: it leaves the row. One that was granted something goes on:
   what wakes it is on its way. */
static void interrupted(struct weft__wait *wait)
{
    struct weft__entry *entry =
        (struct weft__entry *)((char *)wait - offsetof(struct weft__entry, wait));
    struct weft__object *object = entry->object;
    bool leaves;

    if (weft__object_shared(object))
        (void)weft__word_lock(&object->word);
    leaves = take_out(entry);
    if (leaves)
        entry->fate = WEFT__GONE;
    weft__object_exit(object);
    if (leaves)
        weft__wake_now(weft__self, wait);
}

void weft__entry_link(struct weft__entry *entry, struct weft__object *object, struct weft__row *row)
{
    entry->object = object;
    entry->row = row;
    entry->fate = WEFT__QUEUED;
    weft__waiters_put(&row->waiters, &entry->waiter);
    row->count++;
}

void weft__entry_leave(struct weft__entry *entry)
{
    struct weft__object *object = entry->object;

    if (weft__object_shared(object))
        (void)weft__word_lock(&object->word);
    take_out(entry);
    weft__object_exit(object);
}

void weft__entry_enqueue(struct weft__entry *entry, struct weft__task *self, const char *what,
                         struct weft__object *object, struct weft__row *row)
{
    entry->wait = (struct weft__wait){.what = what, .fd = -1};
    entry->task = self;
    weft__waiter_init(&entry->waiter, &entry->wait);
    weft__entry_link(entry, object, row);
}

int weft__entry_wait(struct weft__entry *entry, bool interruptible)
{
    entry->wait.interrupt = interruptible ? interrupted : NULL;
    if (!entry->waiter.arrived)
        weft__fiber_park(entry->task->reactor, &entry->wait);
    if (entry->fate == WEFT__GRANTED)
        return entry->result < 0 ? weft__task_pass_on(entry->task, entry->result) : entry->result;
    return entry->task->visible ? weft__task_refuse(entry->task)
                                : weft__task_refuse_idle(entry->task);
}
