/*
 * sim/events.c - what will happen, in a heap ordered by time and then by the order queued.
 *
 * What always holds: every event knows its place, counted from 1, so that it can be moved and taken
 * back in logarithmic time; two events never compare equal, so the order is one.
 */
#include "sim/world.h"

static bool before(const struct weft__sim_event *a, const struct weft__sim_event *b)
{
    return a->when_ns != b->when_ns ? a->when_ns < b->when_ns : a->serial < b->serial;
}

static void put(struct weft__sim *sim, uint32_t place, struct weft__sim_event *event)
{
    sim->queue[place - 1] = event;
    event->place = place;
}

static void rise(struct weft__sim *sim, uint32_t place, struct weft__sim_event *event)
{
    for (; place > 1 && before(event, sim->queue[place / 2 - 1]); place /= 2)
        put(sim, place, sim->queue[place / 2 - 1]);
    put(sim, place, event);
}

static void sink(struct weft__sim *sim, uint32_t place, struct weft__sim_event *event)
{
    for (uint32_t child; (child = place * 2) <= sim->queue_count; place = child) {
        if (child < sim->queue_count && before(sim->queue[child], sim->queue[child - 1]))
            child++;
        if (before(event, sim->queue[child - 1]))
            break;
        put(sim, place, sim->queue[child - 1]);
    }
    put(sim, place, event);
}

void weft__sim_take_back(struct weft__sim *sim, struct weft__sim_event *event)
{
    struct weft__sim_event *last;
    uint32_t place = event->place;

    if (!place)
        return;
    event->place = 0;
    last = sim->queue[--sim->queue_count];
    if (last == event)
        return;
    if (place > 1 && before(last, sim->queue[place / 2 - 1]))
        rise(sim, place, last);
    else
        sink(sim, place, last);
}

void weft__sim_at(struct weft__sim *sim, int64_t when_ns, struct weft__sim_event *event)
{
    weft__sim_take_back(sim, event);
    if (sim->queue_count == sim->queue_room) {
        uint32_t room = sim->queue_room ? sim->queue_room * 2 : 64;
        sim->queue = weft__sim_grow(sim->queue, sim->queue_room * sizeof *sim->queue,
                                    room * sizeof *sim->queue);
        sim->queue_room = room;
    }
    event->when_ns = when_ns < sim->now_ns ? sim->now_ns : when_ns;
    event->serial = ++sim->event_serial;
    rise(sim, ++sim->queue_count, event);
}
