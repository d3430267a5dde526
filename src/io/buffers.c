/*
 * io/buffers.c - the pool of receive buffers; buffers.h draws the life of one.
 */
#include "io/buffers.h"

#include <errno.h>

#include "base/memory.h"
#include "base/rare.h"
#include "io/io.h"
#include "ring/host.h"

enum {
    EPOCH = 4096, /* buffers taken between two looks at the depth */
    WATCH_NS = 2000,
};

/* How many there are at first, which is also the least depth; how many are offered at most while
   they come back in time, so that they stay in a second-level cache; and how many there may ever
   be. */
static const struct {
    uint16_t first, hot, most;
} counts[WEFT__BUFFER_CLASSES] = {{64, 512, 4096}, {16, 64, 512}, {8, 8, 256}};

static uint32_t first_count(uint32_t class)
{
    return weft__rare_size(counts[class].first, 1);
}

static uint32_t hot_count(uint32_t class)
{
    return weft__rare_size(counts[class].hot, 1);
}

struct weft__buffers *weft__buffers_new(struct weft__reactor *reactor, weft__starved_fn resume,
                                        weft__starved_fn despair)
{
    struct weft__buffers *buffers = weft__calloc(1, sizeof *buffers);

    if (!buffers)
        return NULL;
    buffers->reactor = reactor;
    buffers->resume = resume;
    buffers->despair = despair;
    return buffers;
}

static void unreserve(struct weft__buffer_group *group, uint32_t class)
{
    weft__san_unpoison(group->memory, (size_t)group->opened * weft__buffer_size(class));
    weft__host_unreserve(group->memory, (size_t)group->count_max * weft__buffer_size(class));
    weft__host_unreserve(group->records, group->count_max * sizeof *group->records);
    group->memory = NULL;
    group->records = NULL;
}

void weft__buffers_free(struct weft__buffers *buffers)
{
    if (!buffers)
        return;
    for (uint32_t class = 0; class < WEFT__BUFFER_CLASSES; class ++)
        if (buffers->groups[class].opened) {
            weft__timer_disarm(&buffers->reactor->timers, &buffers->groups[class].watch);
            weft__buffer_ring_close(&buffers->reactor->ring, &buffers->groups[class].ring);
            unreserve(&buffers->groups[class], class);
        }
    weft__free(buffers);
}

static void offer(struct weft__buffer_group *group, struct weft__buffer *buffer)
{
    uint16_t id = (uint16_t)(buffer - group->records);

    weft__buffer_ring_add(&group->ring, buffer->data, buffer->size, id);
    group->offered++;
}

/* Opens more buffers, onto the stack. */
static void open_more(struct weft__buffer_group *group, uint32_t class, uint32_t count)
{
    for (; count > 0 && group->opened < group->count_max; count--) {
        uint32_t id = group->opened++;
        struct weft__buffer *buffer = &group->records[id];
        *buffer =
            (struct weft__buffer){.next = group->spare,
                                  .data = group->memory + (size_t)id * weft__buffer_size(class),
                                  .size = weft__buffer_size(class),
                                  .class = (uint16_t) class};
        weft__buffer_hide(buffer);
        group->spare = buffer;
    }
}

/* Offers spare buffers up to the depth. How many that were. */
static uint32_t top_up(struct weft__buffer_group *group)
{
    uint32_t count = 0;

    for (; group->spare && group->offered < group->depth; count++) {
        struct weft__buffer *buffer = group->spare;
        group->spare = buffer->next;
        offer(group, buffer);
    }
    if (count > 0)
        weft__buffer_ring_publish(&group->ring);
    return count;
}

static struct weft__starved *first_starved(struct weft__buffer_group *group)
{
    struct weft__starved *starved = group->starved;

    weft__buffers_wait_no_more(group->buffers, (uint32_t)(group - group->buffers->groups), starved);
    return starved;
}

static void resume_one(struct weft__buffer_group *group)
{
    group->buffers->resume(first_starved(group));
}

/* Those who hold the buffers lag. More are opened; or else those who wait are told. */
static void relieve(struct weft__buffer_group *group, uint32_t class)
{
    uint32_t before = group->opened;

    open_more(group, class, before);
    group->depth = group->depth * 2 < group->opened ? group->depth * 2 : group->opened;
    for (uint32_t count = top_up(group); count > 0 && group->starved; count--)
        resume_one(group);
    if (group->opened > before)
        return;
    for (struct weft__starved *starved = group->starved, *next; starved; starved = next) {
        next = starved->next;
        group->buffers->despair(starved);
    }
}

/* Once there is nothing left to open there is nothing left to watch for. */
static void watch(struct weft__timer *timer)
{
    struct weft__buffer_group *group =
        (struct weft__buffer_group *)((char *)timer - offsetof(struct weft__buffer_group, watch));
    struct weft__reactor *reactor = group->buffers->reactor;
    bool lag = reactor->turn > group->watch_turn + 1 + WEFT__FETCHES_MAX;

    if (group->starved && lag)
        relieve(group, (uint32_t)(group - group->buffers->groups));
    if (group->starved && !(lag && group->opened == group->count_max))
        weft__timer_arm(&reactor->timers, timer, weft__host_now() + WATCH_NS);
}

int weft__buffers_prepare(struct weft__buffers *buffers, uint32_t class)
{
    struct weft__buffer_group *group = &buffers->groups[class];
    int error;

    if (group->opened)
        return 0;
    group->count_max = weft__rare_size(counts[class].most, 1);
    group->memory = weft__host_reserve((size_t)group->count_max * weft__buffer_size(class));
    group->records = weft__host_reserve(group->count_max * sizeof *group->records);
    error = -ENOMEM;
    if (group->memory && group->records)
        error = weft__buffer_ring_open(&buffers->reactor->ring, &group->ring,
                                       weft__buffers_group(class), group->count_max);
    if (error < 0) {
        unreserve(group, class);
        return error;
    }
    group->buffers = buffers;
    group->watch.fire = watch;
    group->starved_tail = &group->starved;
    group->depth = group->lowest = first_count(class);
    open_more(group, class, first_count(class));
    top_up(group);
    return 0;
}

/* Was the depth more than twice what was needed? */
static void look_at_depth(struct weft__buffer_group *group, uint32_t class)
{
    if (group->lowest > group->depth / 2 && group->depth / 2 >= first_count(class))
        group->depth /= 2;
    group->lowest = group->depth;
    group->taken_since = 0;
}

struct weft__buffer *weft__buffers_take(struct weft__buffers *buffers, uint32_t class,
                                        uint32_t completion_flags)
{
    struct weft__buffer_group *group = &buffers->groups[class];
    struct weft__buffer *buffer = &group->records[completion_flags >> WEFT__CQE_BUFFER_SHIFT];

    buffers->held++;
    if (--group->offered < group->lowest)
        group->lowest = group->offered;
    if (++group->taken_since == EPOCH)
        look_at_depth(group, class);
    buffer->next = NULL;
    buffer->offset = buffer->length = 0;
    buffer->users = 1;
    return buffer;
}

void weft__buffers_give(struct weft__buffers *buffers, struct weft__buffer *buffer)
{
    struct weft__buffer_group *group;

    if (--buffer->users > 0)
        return;
    if (buffer->class == WEFT__BUFFER_HEAP) {
        weft__buffer_free(buffer);
        return;
    }
    weft__buffer_hide(buffer);
    group = &buffers->groups[buffer->class];
    buffers->held--;
    if (group->offered < group->depth) {
        offer(group, buffer);
        weft__buffer_ring_publish(&group->ring);
    } else {
        buffer->next = group->spare;
        group->spare = buffer;
    }
    if (__builtin_expect(group->starved != NULL, 0)) {
        group->watch_turn = buffers->reactor->turn;
        resume_one(group);
    }
}

bool weft__buffers_scarce(const struct weft__buffers *buffers, uint32_t class)
{
    const struct weft__buffer_group *group = &buffers->groups[class];

    return group->opened == group->count_max && !group->spare &&
           group->offered < group->count_max / 4;
}

struct weft__buffer *weft__buffers_heap(uint32_t size)
{
    struct weft__buffer *buffer = weft__alloc(sizeof *buffer + size);

    if (!buffer)
        return NULL;
    *buffer = (struct weft__buffer){.data = (char *)(buffer + 1),
                                    .size = size,
                                    .users = 1,
                                    .class = WEFT__BUFFER_HEAP};
    weft__buffer_hide(buffer);
    return buffer;
}

/* The allocator may be the user's, and write to what it has back. */
void weft__buffer_free(struct weft__buffer *buffer)
{
    if (buffer)
        weft__san_unpoison(buffer->data, buffer->size);
    weft__free(buffer);
}

bool weft__buffers_refill(struct weft__buffers *buffers, uint32_t class)
{
    struct weft__buffer_group *group = &buffers->groups[class];

    if (group->offered * 2 > group->depth) /* others have asked in this same batch */
        return true;
    if (group->depth * 2 <= hot_count(class)) {
        group->depth *= 2;
        if (group->depth > group->opened)
            open_more(group, class, group->depth - group->opened);
    }
    return top_up(group) > 0;
}

void weft__buffers_wait(struct weft__buffers *buffers, uint32_t class,
                        struct weft__starved *starved)
{
    struct weft__buffer_group *group = &buffers->groups[class];

    starved->next = NULL;
    starved->link = group->starved_tail;
    *group->starved_tail = starved;
    group->starved_tail = &starved->next;
    if (weft__timer_armed(&group->watch))
        return;
    group->watch_turn = buffers->reactor->turn;
    weft__timer_arm(&buffers->reactor->timers, &group->watch, weft__host_now() + WATCH_NS);
}

void weft__buffers_wait_no_more(struct weft__buffers *buffers, uint32_t class,
                                struct weft__starved *starved)
{
    if (!starved->link)
        return;
    *starved->link = starved->next;
    if (starved->next)
        starved->next->link = starved->link;
    else
        buffers->groups[class].starved_tail = starved->link;
    starved->link = NULL;
}

uint32_t weft__buffers_held(const struct weft__reactor *reactor)
{
    const struct weft__io *io = weft__io_of(reactor);

    return io && io->buffers ? io->buffers->held : 0;
}
