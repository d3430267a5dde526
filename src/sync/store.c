/*
 * sync/store.c - the slots of a queue.
 */
#include "sync/store.h"

#include <string.h>

#include "base/memory.h"

size_t weft__store_stride(const weft_queue *queue)
{
    if (queue->order != WEFT_QUEUE_PRIORITY)
        return queue->item_size;
    return ((queue->item_size + 7) & ~(size_t)7) + sizeof(uint64_t);
}

static char *slot(const struct weft__store *store, const weft_queue *queue, uint32_t index)
{
    return store->slots + index * weft__store_stride(queue);
}

/* -- the heap ------------------------------------------------------------------------------- */

/* Does the item, put as number `serial`, go before the one in the slot? */
static bool goes_before(const weft_queue *queue, const void *item, uint64_t serial,
                        const char *other)
{
    int order = queue->compare(item, other);
    uint64_t other_serial;

    memcpy(&other_serial, other + weft__store_stride(queue) - sizeof other_serial,
           sizeof other_serial);
    return order < 0 || (order == 0 && serial < other_serial);
}

static void heap_set(struct weft__store *store, const weft_queue *queue, uint32_t index,
                     const void *item, uint64_t serial)
{
    char *to = slot(store, queue, index);

    memcpy(to, item, queue->item_size);
    memcpy(to + weft__store_stride(queue) - sizeof serial, &serial, sizeof serial);
}

static void heap_push(struct weft__store *store, const weft_queue *queue, const void *item)
{
    uint64_t serial = ++store->serial;
    uint32_t hole = store->count++;

    while (hole > 0 && goes_before(queue, item, serial, slot(store, queue, (hole - 1) / 2))) {
        memcpy(slot(store, queue, hole), slot(store, queue, (hole - 1) / 2),
               weft__store_stride(queue));
        hole = (hole - 1) / 2;
    }
    heap_set(store, queue, hole, item, serial);
}

/* The child of `hole` that goes first; `count` if it has none. */
static uint32_t first_child(const struct weft__store *store, const weft_queue *queue, uint32_t hole)
{
    uint64_t left = 2 * (uint64_t)hole + 1, serial;
    const char *right;

    if (left >= store->count)
        return store->count;
    if (left + 1 == store->count)
        return (uint32_t)left;
    right = slot(store, queue, (uint32_t)left + 1);
    memcpy(&serial, right + weft__store_stride(queue) - sizeof serial, sizeof serial);
    return (uint32_t)left + goes_before(queue, right, serial, slot(store, queue, (uint32_t)left));
}

static void heap_pop(struct weft__store *store, const weft_queue *queue, void *item)
{
    uint32_t hole = 0, child;
    const char *last;
    uint64_t serial;

    memcpy(item, slot(store, queue, 0), queue->item_size);
    last = slot(store, queue, --store->count);
    memcpy(&serial, last + weft__store_stride(queue) - sizeof serial, sizeof serial);
    while ((child = first_child(store, queue, hole)) < store->count &&
           !goes_before(queue, last, serial, slot(store, queue, child))) {
        memcpy(slot(store, queue, hole), slot(store, queue, child), weft__store_stride(queue));
        hole = child;
    }
    if (hole != store->count)
        memcpy(slot(store, queue, hole), last, weft__store_stride(queue));
}

/* -- all ------------------------------------------------------------------------------------ */

static uint32_t ring_index(const struct weft__store *store, uint32_t place)
{
    uint64_t index = (uint64_t)store->first + place;

    return (uint32_t)(index < store->capacity ? index : index - store->capacity);
}

void weft__store_push(struct weft__store *store, const weft_queue *queue, const void *item)
{
    if (queue->order == WEFT_QUEUE_PRIORITY)
        heap_push(store, queue, item);
    else
        memcpy(slot(store, queue, ring_index(store, store->count++)), item, queue->item_size);
}

void weft__store_pop(struct weft__store *store, const weft_queue *queue, void *item)
{
    if (queue->order == WEFT_QUEUE_PRIORITY) {
        heap_pop(store, queue, item);
    } else if (queue->order == WEFT_QUEUE_LIFO) {
        memcpy(item, slot(store, queue, --store->count), queue->item_size);
    } else {
        memcpy(item, slot(store, queue, store->first), queue->item_size);
        store->first = ring_index(store, 1);
        store->count--;
    }
}

char *weft__store_replace(struct weft__store *store, const weft_queue *queue, char *slots,
                          uint32_t capacity)
{
    size_t stride = weft__store_stride(queue);
    uint32_t to_end = store->capacity - store->first;
    char *old = store->slots;

    if (to_end > store->count)
        to_end = store->count;
    if (to_end)
        memcpy(slots, slot(store, queue, store->first), to_end * stride);
    if (store->count > to_end)
        memcpy(slots + to_end * stride, old, (store->count - to_end) * stride);
    store->slots = slots;
    store->capacity = capacity;
    store->first = 0;
    return old;
}

uint32_t weft__store_clear(struct weft__store *store, const weft_queue *queue)
{
    uint32_t count = store->count;

    for (uint32_t i = 0; queue->drop && i < count; i++)
        queue->drop(slot(store, queue, ring_index(store, i)));
    weft__free(store->slots);
    *store = (struct weft__store){0};
    return count;
}
