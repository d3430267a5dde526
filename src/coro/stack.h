/*
 * stack.h: the stacks of one reactor, in one reserved piece of address space.
 *
 * The slab is cut into classes, a class into slots. A slot is a guard and, above it, the stack:
 *
 *      low address                                                   high address
 *      | guard | . . . . . . . untouched . . . . . . | used | stagger |  next slot
 *              ^ low                                        ^ top     ^ low + size
 *
 * Slots are numbered through over all classes, each class a contiguous range, so that others can
 * keep arrays of their own beside the pool. The step from slot to slot is the size plus the guard
 * (plus a page where that would be a power of two): the tops of neighbours fall on different sets
 * of the TLB, and the stagger spreads them over sets of the cache within their page.
 *
 * Address space is reserved without access and opened in pieces of about 2 MiB when a class first
 * grows into them. So nothing is charged before use where overcommit is forbidden, and mlockall
 * does not pull 150 GiB into memory.
 *
 * The slab is inherited by fork, unlike other memory of a runtime: a task that forks returns from
 * it in the child too, and there stands on this memory.
 *
 * A pool belongs to one thread; only weft__stack_slot_of may be called from a signal handler of
 * that thread. What always holds: a slot that was ever handed out has its guard; of the free slots
 * the oldest come first in their class's array, and of these `cold_count` hold no memory.
 */
#ifndef WEFT_CORO_STACK_H
#define WEFT_CORO_STACK_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rare.h"
#include "coro/sanitize.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    WEFT__STACK_CLASSES = 4,
    WEFT__STACK_STAGGER_STEP = 64, /* a cache line */
    WEFT__STACK_STAGGER_COUNT = 16,
};

/* Nominal sizes: up to 1 KiB of one goes into the stagger. */
#define WEFT__STACK_SIZE_0 ((size_t)16 << 10)
#define WEFT__STACK_SIZE_1 ((size_t)64 << 10)
#define WEFT__STACK_SIZE_2 ((size_t)256 << 10)
#define WEFT__STACK_SIZE_3 ((size_t)1 << 20)
#define WEFT__STACK_SIZE_DEFAULT WEFT__STACK_SIZE_1

struct weft__stack {
    char *low;     /* first usable byte, just above the guard */
    char *top;     /* one past the last usable byte, 64-aligned */
    uint32_t slot; /* its name, given back with weft__stack_give */
    uint32_t size; /* nominal size of its class */
};

struct weft__stack_pool_opt {
    uint32_t count_max[WEFT__STACK_CLASSES]; /* slots per class, 0: the default */
    size_t hot_bytes_max;                    /* memory free stacks may hold on to; 0: 16 MiB */
    bool mask_guard_install;                 /* behave as a kernel without MADV_GUARD_INSTALL */
};

struct weft__stack_class {
    uint32_t *free; /* free slots, the oldest first; taken from the end */
    uint32_t free_count;
    uint32_t free_hot_max; /* a give that reaches this count has work to do */
    uint32_t cold_count;   /* free[0..cold_count) hold no memory */
    uint32_t slot_first;
    char *low_bias;      /* low edge of slot s is low_bias + s * stride */
    size_t stride;       /* bytes from slot to slot */
    uint32_t size;       /* nominal size in bytes */
    uint32_t slot_fresh; /* slots from here on were never handed out, or not since a start over */
    uint32_t slot_ready; /* slots below have been opened and have their guards */
    uint32_t slot_end;   /* one past the last slot */
    uint32_t touched_bytes; /* what a used stack of this class holds, a moving estimate */
    uint32_t sample_in;     /* gives until the estimate is refreshed */
};

struct weft__stack_pool {
    struct weft__stack_class class_of[WEFT__STACK_CLASSES];
    uint32_t slot_count; /* one past the highest slot number */
    size_t guard_size;
    size_t hot_bytes_max;
    uint32_t guard_count; /* guards made by mprotect, counted against a process-wide budget */
    bool guard_install;   /* guards are made by MADV_GUARD_INSTALL */
    char *slab;
    size_t slab_size;
    uint32_t *free_arrays; /* one mapping behind all the free arrays */
    size_t free_arrays_size;
    unsigned *valgrind_ids; /* by slot; NULL unless running under valgrind */
};

/* Opens a pool in `pool`; opt may be NULL. 0, or -ENOMEM, -EAGAIN (RLIMIT_MEMLOCK with mlockall)
 * with nothing held. Where the address space is limited the classes are halved until they fit. */
int weft__stack_pool_open(struct weft__stack_pool *pool, const struct weft__stack_pool_opt *opt);

/* Unmaps everything, stacks handed out included. */
void weft__stack_pool_close(struct weft__stack_pool *pool);

/* A stack of the smallest class whose nominal size is at least size_min (0: 64 KiB).
 * 0; -ENOMEM: no slot or no memory; -EAGAIN: no more guards may be made; -E2BIG: over 1 MiB. */
static inline int weft__stack_take(struct weft__stack_pool *pool, size_t size_min,
                                   struct weft__stack *out);

/* Takes a slot back. Nothing on it may be read again. */
static inline void weft__stack_give(struct weft__stack_pool *pool, uint32_t slot);

/* Gives back the memory of up to count_max free stacks, the longest unused first, whatever
 * hot_bytes_max says. For a reactor with nothing to do. Returns how many. */
uint32_t weft__stack_pool_trim(struct weft__stack_pool *pool, uint32_t count_max);

/* Whether `addr` lies in the pool and in a slot that has its guard; which one, and whether in the
 * guard. Async-signal-safe. */
bool weft__stack_slot_of(const struct weft__stack_pool *pool, const void *addr, uint32_t *slot,
                         bool *in_guard);

/* Bytes of memory free stacks hold on to, estimated. */
size_t weft__stack_hot_bytes(const struct weft__stack_pool *pool);

/* For the inline functions below: a slot never used before; a give with work to do. */
int weft__stack_take_fresh(struct weft__stack_pool *pool, unsigned index, uint32_t *slot);
void weft__stack_give_slow(struct weft__stack_pool *pool, unsigned index);
/* In builds in which no stack is used twice (base/rare.h): the slot given back last holds no memory
 * from here on, and nobody can write there. */
#ifdef WEFT_RARE
void weft__stack_retire(struct weft__stack_pool *pool, unsigned index);
#else
static inline void weft__stack_retire(struct weft__stack_pool *pool, unsigned index)
{
    (void)pool, (void)index;
}
#endif

/* Slots handed out now. Counted when asked, not when taken: two more updates of memory are a third
 * of what a take and a give cost. */
static inline uint32_t weft__stack_live(const struct weft__stack_pool *pool)
{
    uint32_t count = 0;

    for (unsigned i = 0; i < WEFT__STACK_CLASSES; i++) {
        const struct weft__stack_class *c = &pool->class_of[i];

        count += c->slot_fresh - c->slot_first - c->free_count;
    }
    return count;
}

static inline uint32_t weft__stack_slots(const struct weft__stack_pool *pool)
{
    return pool->slot_count;
}

/* Class of a slot, and class for a size: sums of comparisons, no branches. */
static inline unsigned weft__stack_class_index(const struct weft__stack_pool *pool, uint32_t slot)
{
    return (unsigned)(slot >= pool->class_of[1].slot_first) +
           (unsigned)(slot >= pool->class_of[2].slot_first) +
           (unsigned)(slot >= pool->class_of[3].slot_first);
}

static inline unsigned weft__stack_size_index(size_t size)
{
    return (unsigned)(size > WEFT__STACK_SIZE_0) + (unsigned)(size > WEFT__STACK_SIZE_1) +
           (unsigned)(size > WEFT__STACK_SIZE_2);
}

/* Multiplicative hash of the slot into 16 steps: neighbours in a walk over slots differ. */
static inline size_t weft__stack_stagger(uint32_t slot)
{
    return (size_t)((slot * 0x9E3779B1u) >> 28) * WEFT__STACK_STAGGER_STEP;
}

static inline char *weft__stack_class_low(const struct weft__stack_pool *pool,
                                          const struct weft__stack_class *c, uint32_t slot)
{
    return c->low_bias + slot * c->stride + pool->guard_size;
}

static inline char *weft__stack_low(const struct weft__stack_pool *pool, uint32_t slot)
{
    return weft__stack_class_low(pool, &pool->class_of[weft__stack_class_index(pool, slot)], slot);
}

static inline uint32_t weft__stack_size(const struct weft__stack_pool *pool, uint32_t slot)
{
    return pool->class_of[weft__stack_class_index(pool, slot)].size;
}

static inline char *weft__stack_top(const struct weft__stack_pool *pool, uint32_t slot)
{
    const struct weft__stack_class *c = &pool->class_of[weft__stack_class_index(pool, slot)];

    return weft__stack_class_low(pool, c, slot) + c->size - weft__stack_stagger(slot);
}

static inline int weft__stack_take(struct weft__stack_pool *pool, size_t size_min,
                                   struct weft__stack *out)
{
    unsigned index = weft__stack_size_index(size_min ? size_min : WEFT__STACK_SIZE_DEFAULT);
    struct weft__stack_class *c = &pool->class_of[index];
    uint32_t slot;

    if (__builtin_expect(size_min > WEFT__STACK_SIZE_3, 0))
        return -E2BIG;
    if (__builtin_expect(c->free_count > c->cold_count, 1)) {
        slot = c->free[--c->free_count];
    } else {
        int rc = weft__stack_take_fresh(pool, index, &slot);
        if (rc < 0)
            return rc;
    }
    out->low = weft__stack_class_low(pool, c, slot);
    out->top = out->low + c->size - weft__stack_stagger(slot);
    out->slot = slot;
    out->size = c->size;
    weft__san_unpoison(out->low, c->size);
    return 0;
}

static inline void weft__stack_give(struct weft__stack_pool *pool, uint32_t slot)
{
    unsigned index = weft__stack_class_index(pool, slot);
    struct weft__stack_class *c = &pool->class_of[index];

    weft__san_poison(weft__stack_class_low(pool, c, slot), c->size);
    c->free[c->free_count++] = slot;
    if (weft__rare(WEFT__RARE_STACK))
        weft__stack_retire(pool, index);
    if (__builtin_expect(--c->sample_in == 0 || c->free_count >= c->free_hot_max, 0))
        weft__stack_give_slow(pool, index);
}

#ifdef __cplusplus
}
#endif

#endif
