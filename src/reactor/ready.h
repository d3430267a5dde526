/*
 * reactor/ready.h - the ready queue: one FIFO of fibers and callbacks.
 *
 * A circular array rather than a list, so that the stacks of those who come next can be prefetched.
 * Room is reserved when a task is spawned or a callback made, never when it becomes ready: waking,
 * and with it cancelling, allocates nothing and cannot fail.
 */
#ifndef WEFT_REACTOR_READY_H
#define WEFT_REACTOR_READY_H

#include <stdint.h>

#include "base/rare.h"
#include "reactor/fiber.h"

struct weft__ready {
    uintptr_t *entries; /* a fiber; or a callback with its lowest bit set, or that bit alone */
    uint32_t mask;
    uint32_t head; /* runs over; the difference is the count */
    uint32_t tail;
    uint32_t reserved; /* entries that may have to stand here at one time */
    struct weft__rare_dice dice;
};

enum { WEFT__READY_CALLBACK = 1 };

int weft__ready_open(struct weft__ready *ready);
void weft__ready_close(struct weft__ready *ready);
int weft__ready_grow(struct weft__ready *ready);

/* Makes sure that one more entry will find room. 0 or -ENOMEM. */
static inline int weft__ready_reserve(struct weft__ready *ready)
{
    if (__builtin_expect(ready->reserved > ready->mask, 0)) {
        int error = weft__ready_grow(ready);
        if (error < 0)
            return error;
    }
    ready->reserved++;
    return 0;
}
static inline void weft__ready_release(struct weft__ready *ready)
{
    ready->reserved--;
}

static inline uint32_t weft__ready_count(const struct weft__ready *ready)
{
    return ready->tail - ready->head;
}
/* In builds for it: what has come last changes places with any one, so that the order is random. */
static inline void weft__ready_shuffle(struct weft__ready *ready)
{
    uint32_t other = ready->head + weft__rare_below(&ready->dice, weft__ready_count(ready));
    uintptr_t *last = &ready->entries[(ready->tail - 1) & ready->mask];
    uintptr_t entry = *last;

    *last = ready->entries[other & ready->mask];
    ready->entries[other & ready->mask] = entry;
}
static inline void weft__ready_push(struct weft__ready *ready, struct weft__fiber *fiber)
{
    ready->entries[ready->tail++ & ready->mask] = (uintptr_t)fiber;
    if (weft__rare(WEFT__RARE_ORDER))
        weft__ready_shuffle(ready);
}
static inline void weft__ready_push_callback(struct weft__ready *ready,
                                             struct weft__callback *callback)
{
    ready->entries[ready->tail++ & ready->mask] = (uintptr_t)callback | WEFT__READY_CALLBACK;
    if (weft__rare(WEFT__RARE_ORDER))
        weft__ready_shuffle(ready);
}

/* Leaves an empty place where `callback` stands, which was pushed when the tail was `place`. The
   place goes when it comes to the head. Where the order is drawn it may stand anywhere; looked for
   from the head, since behind it are those that have run. */
static inline void weft__ready_forget(struct weft__ready *ready, uint32_t place,
                                      const struct weft__callback *callback)
{
    if (weft__rare(WEFT__RARE_ORDER))
        place = ready->head;
    while (weft__rare(WEFT__RARE_ORDER) &&
           ready->entries[place & ready->mask] != ((uintptr_t)callback | WEFT__READY_CALLBACK))
        place++;
    ready->entries[place & ready->mask] = WEFT__READY_CALLBACK;
}

/* The queue is not empty. Fetches ahead of the one returned: a record three places on, and the top
   of the stack of the one two places on, whose record an earlier call has fetched. */
static inline uintptr_t weft__ready_pop(struct weft__ready *ready)
{
    uint32_t head = ready->head++;
    if (ready->tail - head > 3) {
        uintptr_t second = ready->entries[(head + 2) & ready->mask];
        __builtin_prefetch((void *)ready->entries[(head + 3) & ready->mask], 1);
        if (!(second & WEFT__READY_CALLBACK))
            __builtin_prefetch(((struct weft__fiber *)second)->context.sp, 1);
    }
    return ready->entries[head & ready->mask];
}
static inline uintptr_t weft__ready_peek(const struct weft__ready *ready)
{
    return ready->entries[ready->head & ready->mask];
}

#endif
