/*
 * io/buffers.h - a reactor's pool of receive buffers, from which the kernel picks.
 *
 * Three groups, 4 KiB, 16 KiB and 64 KiB, each opened when first needed. A buffer is in one of
 * three places:
 *
 *      spare (a stack)  --offer-->  ring (the kernel takes from its head)  --completion-->  held
 *          ^                                                                                  |
 *          +---------------------------------- give back ------------------------------------+
 *
 * The ring is a queue, and a long queue walks memory that has gone cold, so only as many buffers
 * are offered as a turn has been seen to need (`depth`), and not more than fit the cache; the rest
 * wait on the stack, the latest returned on top.
 *
 * When the kernel finds the ring empty there are two cases. Most often the buffers are with readers
 * that are about to run: then whoever found none waits for the first to come back. If none comes
 * back within a turn they are with readers that lag: then more are opened, up to the group's limit.
 * At the limit it is for the waiting to help themselves.
 *
 * To the address sanitizer a buffer is hidden, as memory that nobody may touch, but for the bytes
 * that have been received and not yet read: whoever reads what the kernel may be filling, what it
 * did not fill, or a view that was put back, is reported.
 *
 * Touched on its reactor only.
 */
#ifndef WEFT_IO_BUFFERS_H
#define WEFT_IO_BUFFERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coro/sanitize.h"
#include "reactor/timer.h"
#include "ring/ring.h"

struct weft__reactor;

enum {
    WEFT__BUFFER_CLASSES = 3,
    WEFT__BUFFER_TOP = WEFT__BUFFER_CLASSES - 1,
    WEFT__BUFFER_HEAP = WEFT__BUFFER_CLASSES, /* not of the pool: a block of its own */
};

/* What a class's buffers hold, in bytes. */
static inline uint32_t weft__buffer_size(uint32_t class)
{
    return 4096u << (2 * class);
}

struct weft__buffer {
    struct weft__buffer *next; /* on the stack, or in a stream's list */
    char *data;
    uint32_t offset; /* what has not been read of it: `length` bytes from here */
    uint32_t length;
    uint32_t size;
    uint16_t users; /* the stream that holds it, and each send of a part of it given away */
    uint16_t class;
};

/* Somebody who waits for a buffer. Embedded in a stream. */
struct weft__starved {
    struct weft__starved *next;
    struct weft__starved **link; /* NULL: does not wait */
};
typedef void (*weft__starved_fn)(struct weft__starved *starved);

struct weft__buffer_group {
    struct weft__buffer_ring ring;
    struct weft__buffer *records;
    char *memory;
    struct weft__buffer *spare;
    struct weft__starved *starved;
    struct weft__starved **starved_tail;
    uint32_t count_max;
    uint32_t opened;      /* buffers that exist */
    uint32_t offered;     /* of them, in the ring, as far as completions have told */
    uint32_t depth;       /* how many to have there */
    uint32_t lowest;      /* of `offered`, since the last look at `depth` */
    uint32_t taken_since; /* that look */
    struct weft__buffers *buffers;
    struct weft__timer watch; /* looks whether any came back, while somebody waits */
    uint64_t watch_turn;      /* the loop turn in which one was last given back */
};

struct weft__buffers {
    struct weft__reactor *reactor;
    weft__starved_fn resume;  /* one that waited: there is a buffer */
    weft__starved_fn despair; /* none came back, and no more may be opened */
    uint32_t held;            /* taken by the kernel, told by a completion, not given back */
    struct weft__buffer_group groups[WEFT__BUFFER_CLASSES];
};

struct weft__buffers *weft__buffers_new(struct weft__reactor *reactor, weft__starved_fn resume,
                                        weft__starved_fn despair);
/* Nothing is armed and nothing held. NULL is allowed. */
void weft__buffers_free(struct weft__buffers *buffers);

/* Makes the class ready for use. 0, or a negative errno: do without. */
int weft__buffers_prepare(struct weft__buffers *buffers, uint32_t class);

/* The group's number in requests. */
static inline uint16_t weft__buffers_group(uint32_t class)
{
    return (uint16_t)(class + 1);
}

/* The buffer that a completion with WEFT__CQE_BUFFER names, now held. */
struct weft__buffer *weft__buffers_take(struct weft__buffers *buffers, uint32_t class,
                                        uint32_t completion_flags);
/* One user less; the last gives it back, to the pool or the heap. May resume who waits for one. */
void weft__buffers_give(struct weft__buffers *buffers, struct weft__buffer *buffer);

/* Less than a quarter of all there may ever be is left: what is held should be copied out. */
bool weft__buffers_scarce(const struct weft__buffers *buffers, uint32_t class);
/* A buffer on the heap, for that. NULL: no memory. */
struct weft__buffer *weft__buffers_heap(uint32_t size);
/* Frees it. NULL is allowed. */
void weft__buffer_free(struct weft__buffer *buffer);

/* -- what the address sanitizer is told; nothing without it ------------------------------------ */

/* Nobody's, or the kernel's. */
static inline void weft__buffer_hide(const struct weft__buffer *buffer)
{
    weft__san_poison(buffer->data, buffer->size);
}

/* `count` bytes more have been received, or are about to be copied, behind what is in it. */
static inline void weft__buffer_filled(const struct weft__buffer *buffer, uint32_t count)
{
    weft__san_unpoison(buffer->data + buffer->offset + buffer->length, count);
}

/* The reader has read, or put back, all before `offset`. */
static inline void weft__buffer_read(const struct weft__buffer *buffer)
{
    weft__san_poison(buffer->data, buffer->offset);
}

/* The kernel found the ring empty. True: more have been offered, try again; false: wait for one. */
bool weft__buffers_refill(struct weft__buffers *buffers, uint32_t class);
/* Queues for one that is given back. */
void weft__buffers_wait(struct weft__buffers *buffers, uint32_t class,
                        struct weft__starved *starved);
void weft__buffers_wait_no_more(struct weft__buffers *buffers, uint32_t class,
                                struct weft__starved *starved);

/* For tests: how many buffers of the reactor's pool are held. */
uint32_t weft__buffers_held(const struct weft__reactor *reactor);

#endif
