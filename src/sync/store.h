/*
 * sync/store.h - where a queue keeps its items: a ring, a stack or a heap of equal slots in one
 * block. Knows nothing of tasks. Not locked: it is the queue's, and touched by who has entered
 * that.
 *
 *      FIFO      slots[first .. first + count), around the end
 *      LIFO      slots[0 .. count)
 *      PRIORITY  slots[0 .. count), a binary heap; behind each item stands its serial number, so
 *                that equals leave in the order they came
 *
 * Memory comes and goes by weft__store_replace, and by nothing else: whoever has entered a queue
 * does not allocate.
 */
#ifndef WEFT_SYNC_STORE_H
#define WEFT_SYNC_STORE_H

#include <weft/queue.h>

/* All zero: empty, without memory. */
struct weft__store {
    char *slots;
    uint64_t serial; /* of the latest item */
    uint32_t capacity;
    uint32_t first;
    uint32_t count;
};

/* Bytes of a slot of this queue. */
size_t weft__store_stride(const weft_queue *queue);
/* There is room (count < capacity). */
void weft__store_push(struct weft__store *store, const weft_queue *queue, const void *item);
/* It is not empty. */
void weft__store_pop(struct weft__store *store, const weft_queue *queue, void *item);
/* Moves into a block of more slots, and returns the old block, for the caller to free. */
char *weft__store_replace(struct weft__store *store, const weft_queue *queue, char *slots,
                          uint32_t capacity);
/* Drops what is in it and frees its memory; how many items that were. */
uint32_t weft__store_clear(struct weft__store *store, const weft_queue *queue);

#endif
