/*
 * task/roll.c - which reactors there are in the process, by their ids.
 *
 * An object in plain memory remembers the id of the reactor that it belongs to. One that belongs to
 * a reactor that is no more is free for the taking, so a static lock serves one run after another;
 * one that belongs to a living reactor is not. Called when a reactor opens or closes, and when an
 * object is used by another reactor than before: never on a path that matters. Any thread.
 */
#include "task/task.h"

static struct weft__tasks *present;
static atomic_flag busy = ATOMIC_FLAG_INIT; /* guards the list; never held in a call */

static void begin(void)
{
    /* acquire: pairs with the release in end(): the list is seen as it was left */
    while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire))
        weft__host_relax();
}

static void end(void)
{
    atomic_flag_clear_explicit(&busy, memory_order_release);
}

void weft__roll_enter(struct weft__tasks *tasks)
{
    begin();
    tasks->next = present;
    present = tasks;
    end();
}

void weft__roll_leave(struct weft__tasks *tasks)
{
    begin();
    for (struct weft__tasks **link = &present; *link; link = &(*link)->next)
        if (*link == tasks) {
            *link = tasks->next;
            break;
        }
    end();
}

bool weft__roll_call(uint64_t id)
{
    bool found = false;

    begin();
    for (const struct weft__tasks *tasks = present; tasks && !found; tasks = tasks->next)
        found = tasks->id == id;
    end();
    return found;
}
