/*
 * sim/buffers.c - rings of buffers, from which receives pick.
 *
 * What always holds: a buffer is the kernel's from the moment it was published until a completion
 * names it, and poisoned as long. What was published is looked at in calls of the owner only.
 */
#include <errno.h>

#include "coro/sanitize.h"
#include "sim/ring_core.h"

enum { BUFFERS_MAX = 1 << 15 };

static struct weft__sim_group *group_of(struct weft__sim_ring *ring, uint16_t id)
{
    struct weft__sim_group *group = ring->groups;

    while (group && group->id != id)
        group = group->next;
    return group;
}

static uint16_t published(const struct weft__sim_group *group)
{
    return __atomic_load_n(&group->slots[0].tail, __ATOMIC_ACQUIRE);
}

static unsigned char *memory_of(const struct weft__buffer_slot *slot)
{
    return (unsigned char *)(uintptr_t)slot->address;
}

static void look(struct weft__sim_group *group)
{
    for (; group->seen != published(group); group->seen++) {
        const struct weft__buffer_slot *slot = &group->slots[group->seen & group->mask];
        weft__san_poison(memory_of(slot), slot->length);
    }
}

void weft__sim_buffers_look(struct weft__sim_ring *ring)
{
    for (struct weft__sim_group *group = ring->groups; group; group = group->next)
        look(group);
}

bool weft__sim_buffer_peek(struct weft__sim_ring *ring, uint16_t id, unsigned char **memory,
                           uint32_t *length, uint16_t *buffer_id)
{
    struct weft__sim_group *group = group_of(ring, id);
    const struct weft__buffer_slot *slot;

    if (!group)
        return false;
    look(group);
    if (group->head == group->seen)
        return false;
    slot = &group->slots[group->head & group->mask];
    *memory = memory_of(slot);
    *length = slot->length;
    *buffer_id = slot->id;
    return true;
}

void weft__sim_buffer_take(struct weft__sim_ring *ring, uint16_t id)
{
    struct weft__sim_group *group = group_of(ring, id);
    const struct weft__buffer_slot *slot = &group->slots[group->head++ & group->mask];

    weft__san_unpoison(memory_of(slot), slot->length);
}

int weft__buffer_ring_open(struct weft__ring *shown, struct weft__buffer_ring *buffers, uint16_t id,
                           uint32_t count)
{
    struct weft__sim_ring *ring = weft__sim_ring_of(shown);
    struct weft__sim_group *group;

    if (count == 0 || count > BUFFERS_MAX || (count & (count - 1)) != 0)
        return -EINVAL;
    if (group_of(ring, id))
        return -EEXIST;
    weft__sim_step(&ring->dice);
    if (weft__sim_chance(ring->sim, &ring->dice, WEFT__SIM_BUFFERS_OPEN))
        return -ENOMEM;
    group = weft__sim_alloc(sizeof *group);
    group->slots = weft__sim_alloc(count * sizeof *group->slots);
    group->mask = count - 1;
    group->id = id;
    group->next = ring->groups;
    ring->groups = group;
    *buffers =
        (struct weft__buffer_ring){.entries = group->slots, .mask = group->mask, .group = id};
    return 0;
}

/* What is still offered is the owner's again. */
static void end_group(struct weft__sim_group *group)
{
    for (; group->head != group->seen; group->head++) {
        const struct weft__buffer_slot *slot = &group->slots[group->head & group->mask];
        weft__san_unpoison(memory_of(slot), slot->length);
    }
    weft__sim_free(group->slots);
    weft__sim_free(group);
}

void weft__buffer_ring_close(struct weft__ring *shown, struct weft__buffer_ring *buffers)
{
    struct weft__sim_ring *ring = weft__sim_ring_of(shown);
    struct weft__sim_group *group, **link = &ring->groups;

    if (!buffers->entries)
        return;
    while (*link && (*link)->id != buffers->group)
        link = &(*link)->next;
    group = *link;
    if (group) {
        *link = group->next;
        end_group(group);
    }
    buffers->entries = NULL;
}

void weft__sim_buffers_end(struct weft__sim_ring *ring)
{
    while (ring->groups) {
        struct weft__sim_group *group = ring->groups;
        ring->groups = group->next;
        end_group(group);
    }
}
