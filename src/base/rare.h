/*
 * base/rare.h - what is rare, made the rule, in builds that test it.
 *
 * Compiled with WEFT_RARE defined, the library asks in a few places whether it is to take the rare
 * way, and takes it every time. Which ways, the environment says once, when the library is loaded:
 * WEFT_RARE=yield,queue (all: every one of them). In the library as it is shipped each question is
 * the constant false, and nothing is left of it.
 *
 *      yield   every suspending call gives way before it does anything, and after an answer given
 *              without suspending; a task that parks always goes through the loop
 *      queue   whatever is bounded or grows begins at the smallest size that is legal: the ring's
 *              two queues, the ready queue, operations, batches, the accept queue, buffers
 *      stack   each task gets a stack that was never used; one given back can no more be written
 *      inbox   who is woken, and what is posted from the reactor's own thread, goes through the
 *              inbox first
 *      order   the ready queue is in random order, by a seed that the host gives
 *
 * Read by any thread; written before there is one. docs/verification.md says what is tested so.
 */
#ifndef WEFT_BASE_RARE_H
#define WEFT_BASE_RARE_H

#include <stdbool.h>
#include <stdint.h>

enum weft__rare_way {
    WEFT__RARE_YIELD = 1,
    WEFT__RARE_QUEUE = 2,
    WEFT__RARE_STACK = 4,
    WEFT__RARE_INBOX = 8,
    WEFT__RARE_ORDER = 16,
};

#ifdef WEFT_RARE

#ifdef __cplusplus
extern "C" {
#endif

extern unsigned weft__rare_ways __attribute__((visibility("hidden")));

#ifdef __cplusplus
}
#endif

static inline bool weft__rare(enum weft__rare_way way)
{
    return (weft__rare_ways & (unsigned)way) != 0;
}

/* A stream of numbers; any state but 0 will do to begin with. */
struct weft__rare_dice {
    uint64_t state;
};

static inline uint32_t weft__rare_below(struct weft__rare_dice *dice, uint32_t end)
{
    dice->state ^= dice->state << 13;
    dice->state ^= dice->state >> 7;
    dice->state ^= dice->state << 17;
    return (uint32_t)((dice->state >> 32) * end >> 32);
}

static inline void weft__rare_seed(struct weft__rare_dice *dice, uint64_t seed)
{
    dice->state = seed | 1;
}

#else

/* A constant to every compiler, at every level: nothing is compiled of what it asks for. */
#define weft__rare(way) ((void)(way), false)

struct weft__rare_dice {
};

static inline uint32_t weft__rare_below(struct weft__rare_dice *dice, uint32_t end)
{
    (void)dice;
    return end - 1;
}

static inline void weft__rare_seed(struct weft__rare_dice *dice, uint64_t seed)
{
    (void)dice, (void)seed;
}

#endif

/* A size that is `usual`, or the least there may be. */
static inline uint32_t weft__rare_size(uint32_t usual, uint32_t least)
{
    return weft__rare(WEFT__RARE_QUEUE) ? least : usual;
}

#endif
