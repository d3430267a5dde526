/*
 * reactor/fiber.h - the lower half of a task: what the reactor needs in order to run and park it.
 *
 * A fiber is current, ready (it stands in the ready queue), or parked: then `wait` points at the
 * one thing it waits for, which lives in the frame of the function that parked it. Whoever ends
 * that wait clears `wait` by weft__fiber_wake, exactly once. Only the fiber's own reactor touches
 * any of this.
 */
#ifndef WEFT_REACTOR_FIBER_H
#define WEFT_REACTOR_FIBER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/misuse.h"
#include "coro/context.h"
#include "reactor/detour.h"

struct weft__fiber;

/* The one thing a parked fiber waits for. */
struct weft__wait {
    const char *what; /* for the list of tasks: "recv", "sleep", ... */
    /* Asked to end the wait early; leads to a wake, now or later. At most once, unless it clears
       `interrupted`. NULL: never. */
    void (*interrupt)(struct weft__wait *wait);
    struct weft__fiber *fiber;
    int fd;           /* the descriptor waited on, or -1 */
    bool idle;        /* nothing is under way: a drain may end it */
    bool interrupted; /* interrupt has been called */
};

struct weft__fiber {
    struct weft__context context;
    struct weft__wait *wait; /* NULL unless parked */
    const void *beside;      /* what it is likely to touch besides its stack when it runs next, or
                                NULL: to be fetched ahead, and nothing else, for it may be gone */
    int saved_errno;         /* guest code's errno, kept across switches */
    uint32_t slot;           /* of its stack */
    uint64_t since_turn;     /* the loop turn in which it parked */
    struct weft__detour detour;
    WEFT__NOTED(left_at) /* the call in which it last gave way */
};

/* A callback: runs on the loop's own stack, where suspending calls are refused. */
struct weft__callback {
    void (*run)(struct weft__callback *callback);
    void (*drop)(
        struct weft__callback *callback); /* instead of run, when the reactor stops first */
};

#endif
