/*
 * sync/queue.c - queues. weft/queue.h says what they promise.
 *
 * What always holds, for who has entered: a task waits to get only while the store is empty, and to
 * put only while it is full; so an item put while somebody waits goes straight into that one's
 * memory, and room that a get leaves goes straight to the putter that has waited longest. Growing
 * happens outside: room is made, then one enters again and looks whether it is still needed.
 */
#include <string.h>

#include "base/memory.h"
#include "sync/select.h"
#include "sync/store.h"
#include "sync/wait_queue.h"

enum { CAPACITY_FIRST = 8, CAPACITY_MAX = 1 << 30 };

struct queue {
    struct weft__object object; /* its row: those who wait to get; its kind: weft_queue.shared */
    struct weft__row putters;
    struct weft__row joiners;
    struct weft__store store;
    uint64_t unfinished; /* items put and not yet said to be dealt with */
    bool shut;
};
_Static_assert(sizeof(struct queue) <= offsetof(struct weft_queue, item_size), "reserved room");
_Static_assert(offsetof(struct weft__object, kind) == offsetof(struct weft_queue, shared) &&
                   WEFT__OBJECT_SHARED == 1,
               "the kind is set by the user");

static struct queue *inside(weft_queue *queue)
{
    return (struct queue *)queue;
}

/* -- entering ------------------------------------------------------------------------------- */

int weft__queue_check(const weft_queue *queue, const void *item)
{
    if (!queue || !item)
        return weft__misuse(-EINVAL, "no queue, or no item");
    if (queue->shared > 1 || queue->item_size == 0 || queue->max > CAPACITY_MAX ||
        (unsigned)queue->order > WEFT_QUEUE_PRIORITY ||
        (queue->order == WEFT_QUEUE_PRIORITY && !queue->compare))
        return weft__misuse(-EINVAL, "a queue whose fields are out of range");
    return 0;
}

static int begin(weft_queue *queue, const void *item, bool wait, struct weft__task **self)
{
    int error = weft__queue_check(queue, item);

    return error == 0 && wait ? weft__sync_begin(self) : error;
}

static int enter(weft_queue *queue)
{
    return queue ? weft__object_enter(&inside(queue)->object) : weft__misuse(-EINVAL, "no queue");
}

/* -- putting -------------------------------------------------------------------------------- */

/* Not entered: makes room for more items. 0 or -ENOMEM. */
static int grow(weft_queue *queue, uint32_t capacity_before)
{
    struct queue *q = inside(queue);
    uint64_t capacity = capacity_before ? 2 * (uint64_t)capacity_before : CAPACITY_FIRST;
    size_t bytes;
    char *block;

    if (queue->max && capacity > queue->max)
        capacity = queue->max;
    if (capacity > CAPACITY_MAX ||
        __builtin_mul_overflow((size_t)capacity, weft__store_stride(queue), &bytes))
        return -ENOMEM;
    block = weft__alloc(bytes);
    if (!block)
        return -ENOMEM;
    (void)enter(queue); /* it was entered a moment ago, so it may be */
    if (q->store.capacity == capacity_before)
        block = weft__store_replace(&q->store, queue, block, (uint32_t)capacity);
    weft__object_exit(&q->object);
    weft__free(block);
    return 0;
}

/* The queue's own word: nobody has refused the caller. */
static __attribute__((cold, noinline)) int is_shut(void)
{
    return weft__pass_on(-ESHUTDOWN);
}

enum { NEEDS_ROOM = 1 };

/* For who has entered. 0; -ESHUTDOWN; -EAGAIN: full; NEEDS_ROOM: the store must grow first. */
static int put_now(weft_queue *queue, const void *item, struct weft__woken *woken)
{
    struct queue *q = inside(queue);
    struct weft__entry *getter;

    if (q->shut)
        return is_shut();
    getter = weft__row_claim(&q->object.row);
    if (getter) {
        memcpy(getter->item, item, queue->item_size);
        weft__entry_grant(getter, 0, woken);
    } else if (queue->max && q->store.count >= queue->max) {
        return -EAGAIN;
    } else if (q->store.count == q->store.capacity) {
        return NEEDS_ROOM;
    } else {
        weft__store_push(&q->store, queue, item);
    }
    q->unfinished++;
    return 0;
}

static int put(weft_queue *queue, const void *item, bool wait)
{
    struct queue *q = inside(queue);
    struct weft__woken woken = {0};
    struct weft__entry entry;
    struct weft__task *self = NULL;
    uint32_t capacity;
    int result = begin(queue, item, wait, &self);

    if (result < 0)
        return result;
    for (;;) {
        result = enter(queue);
        if (result < 0)
            return result;
        capacity = q->store.capacity;
        result = put_now(queue, item, &woken);
        if (result == -EAGAIN && wait) {
            entry.item = (void *)(uintptr_t)item;
            weft__entry_enqueue(&entry, self, "put", &q->object, &q->putters);
        }
        weft__object_leave(&q->object, &woken);
        if (result != NEEDS_ROOM)
            break;
        result = grow(queue, capacity);
        if (result < 0)
            return result;
    }
    return result == -EAGAIN && wait ? weft__entry_wait(&entry, true) : result;
}

/* Once it has claimed its turn a put must not find that there is no memory: room is made before,
   unless a getter that waits for nothing else is there to take the item. */
int weft__queue_link_put(weft_queue *queue, struct weft__entry *entry)
{
    struct queue *q = inside(queue);
    const struct weft__entry *getter;
    struct weft__woken woken = {0};
    uint32_t capacity;
    int result = enter(queue);

    while (result == 0) {
        getter = weft__row_first(&q->object.row);
        capacity = q->store.capacity;
        if (!q->shut && queue->max && q->store.count >= queue->max) {
            weft__entry_link(entry, &q->object, &q->putters);
            break;
        }
        if (q->shut || q->store.count < capacity || (getter && !getter->waiter.claim)) {
            result = weft__waiter_claim(&entry->waiter);
            if (result)
                entry->result = put_now(queue, entry->item, &woken);
            break;
        }
        weft__object_exit(&q->object);
        entry->result = grow(queue, capacity);
        if (entry->result < 0)
            return weft__waiter_claim(&entry->waiter);
        result = enter(queue);
    }
    if (result >= 0)
        weft__object_leave(&q->object, &woken);
    return result;
}

int weft_queue_put(weft_queue *queue, const void *item)
{
    return put(queue, item, true);
}

int weft_queue_put_nowait(weft_queue *queue, const void *item)
{
    return put(queue, item, false);
}

int weft_queue_put_until(weft_queue *queue, const void *item, int64_t deadline)
{
    WEFT__UNTIL(deadline, weft_queue_put(queue, item));
}

/* -- getting -------------------------------------------------------------------------------- */

/* For who has entered. 0; -EAGAIN: empty; -ESHUTDOWN. */
static int get_now(weft_queue *queue, void *item, struct weft__woken *woken)
{
    struct queue *q = inside(queue);
    struct weft__entry *putter;

    if (q->store.count == 0)
        return q->shut ? is_shut() : -EAGAIN;
    weft__store_pop(&q->store, queue, item);
    putter = weft__row_claim(&q->putters);
    if (putter) {
        weft__store_push(&q->store, queue, putter->item);
        q->unfinished++;
        weft__entry_grant(putter, 0, woken);
    }
    return 0;
}

/* idle: a drain ends the wait. */
static int get(weft_queue *queue, void *item, bool wait, bool idle)
{
    struct queue *q = inside(queue);
    struct weft__woken woken = {0};
    struct weft__entry entry;
    struct weft__task *self = NULL;
    int result = begin(queue, item, wait, &self);

    if (result == 0 && idle && self->draining)
        return weft__task_refuse_idle(self);
    if (result == 0)
        result = enter(queue);
    if (result < 0)
        return result;
    result = get_now(queue, item, &woken);
    if (result == -EAGAIN && wait) {
        entry.item = item;
        weft__entry_enqueue(&entry, self, "get", &q->object, &q->object.row);
        entry.wait.idle = idle;
    }
    weft__object_leave(&q->object, &woken);
    return result == -EAGAIN && wait ? weft__entry_wait(&entry, true) : result;
}

int weft__queue_link_get(weft_queue *queue, struct weft__entry *entry)
{
    struct queue *q = inside(queue);
    struct weft__woken woken = {0};
    int result = enter(queue);

    if (result < 0)
        return result;
    if (q->store.count == 0 && !q->shut) {
        weft__entry_link(entry, &q->object, &q->object.row);
    } else {
        result = weft__waiter_claim(&entry->waiter);
        if (result)
            entry->result = get_now(queue, entry->item, &woken);
    }
    weft__object_leave(&q->object, &woken);
    return result;
}

int weft_queue_get(weft_queue *queue, void *item)
{
    return get(queue, item, true, false);
}

int weft_queue_get_idle(weft_queue *queue, void *item)
{
    return get(queue, item, true, true);
}

int weft_queue_get_nowait(weft_queue *queue, void *item)
{
    return get(queue, item, false, false);
}

int weft_queue_get_until(weft_queue *queue, void *item, int64_t deadline)
{
    WEFT__UNTIL(deadline, weft_queue_get(queue, item));
}

int weft_queue_count(weft_queue *queue)
{
    int result = enter(queue);

    if (result < 0)
        return result;
    result = (int)inside(queue)->store.count;
    weft__object_exit(&inside(queue)->object);
    return result;
}

/* -- dealt with ----------------------------------------------------------------------------- */

/* For who has entered. */
static void finish(struct queue *q, uint64_t count, struct weft__woken *woken)
{
    q->unfinished -= count;
    if (q->unfinished == 0)
        weft__row_grant(&q->joiners, UINT64_MAX, 0, woken);
}

int64_t weft_queue_task_done(weft_queue *queue)
{
    struct queue *q = inside(queue);
    struct weft__woken woken = {0};
    int64_t result = enter(queue);

    if (result < 0)
        return result;
    if (q->unfinished > 0) {
        finish(q, 1, &woken);
        result = (int64_t)q->unfinished;
    } else {
        result = -EINVAL;
    }
    weft__object_leave(&q->object, &woken);
    return result < 0 ? weft__misuse((int)result, "more done than was put") : result;
}

int weft_queue_join(weft_queue *queue)
{
    struct queue *q = inside(queue);
    struct weft__entry entry;
    struct weft__task *self;
    bool waits;
    int error = begin(queue, queue, true, &self);

    if (error == 0)
        error = enter(queue);
    if (error < 0)
        return error;
    waits = q->unfinished > 0;
    if (waits)
        weft__entry_enqueue(&entry, self, "queue", &q->object, &q->joiners);
    weft__object_exit(&q->object);
    return waits ? weft__entry_wait(&entry, true) : 0;
}

int weft_queue_join_until(weft_queue *queue, int64_t deadline)
{
    WEFT__UNTIL(deadline, weft_queue_join(queue));
}

/* -- the end -------------------------------------------------------------------------------- */

int weft_queue_shutdown(weft_queue *queue, bool immediate)
{
    struct queue *q = inside(queue);
    struct weft__woken woken = {0};
    struct weft__store left = {0};
    int error = enter(queue);

    if (error < 0)
        return error;
    q->shut = true;
    weft__row_grant(&q->putters, UINT64_MAX, -ESHUTDOWN, &woken);
    weft__row_grant(&q->object.row, UINT64_MAX, -ESHUTDOWN, &woken);
    if (immediate) {
        left = q->store;
        q->store = (struct weft__store){0};
        /* some of them may have been said to be dealt with before they were taken */
        finish(q, left.count < q->unfinished ? left.count : q->unfinished, &woken);
    }
    weft__object_leave(&q->object, &woken);
    return (int)weft__store_clear(&left, queue);
}

int weft_queue_destroy(weft_queue *queue)
{
    struct queue *q = inside(queue);
    uint64_t shared;
    int count;

    if (!queue)
        return weft__misuse(-EINVAL, "no queue");
    if (q->object.row.count || q->putters.count || q->joiners.count)
        return weft__misuse(-EBUSY, "a task waits in the queue");
    count = (int)weft__store_clear(&q->store, queue);
    shared = queue->shared;
    memset(q, 0, sizeof *q);
    queue->shared = shared;
    return count;
}
