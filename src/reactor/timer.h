/*
 * reactor/timer.h - timers by the million: a hierarchical wheel in user space.
 *
 * Nine levels of 64 lists; the lists of level k span 64^k ticks of 1,024 ns. A timer lies on the
 * level of the highest group of six bits in which its tick differs from the wheel's present tick,
 * so within a level a list never lies behind the present and the lowest set bit of the level's map
 * is the next one. Arming and cancelling are O(1) and allocate nothing; a timer moves down at most
 * eight times.
 *
 * A timer fires when its whole tick has passed: never early, at most 1,024 ns late by this
 * structure. Timers due together fire in the order of their due times, equal ones in the order
 * armed. One wheel per reactor, touched by that reactor alone.
 */
#ifndef WEFT_REACTOR_TIMER_H
#define WEFT_REACTOR_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WEFT__TIMER_TICK_SHIFT = 10, /* a tick is 2^10 ns */
    WEFT__TIMER_LEVELS = 9,
    WEFT__TIMER_SLOTS = 64,
};

/* Embedded in what it belongs to. */
struct weft__timer {
    struct weft__timer *next;
    struct weft__timer **link; /* what points at this one; NULL while not armed */
    int64_t due_ns;
    uint64_t order; /* counts arm calls: breaks ties */
    void (*fire)(struct weft__timer *timer);
};

struct weft__timers {
    uint64_t tick; /* everything before it has been moved to `due` */
    uint64_t order;
    uint64_t alive;
    int64_t next_ns;         /* what weft__timers_next found, until a list changes; 0: not known */
    struct weft__timer *due; /* sorted, being fired */
    struct weft__timer **due_tail;
    uint64_t maps[WEFT__TIMER_LEVELS]; /* which lists are not empty */
    struct weft__timer *lists[WEFT__TIMER_LEVELS][WEFT__TIMER_SLOTS];
};

void weft__timers_open(struct weft__timers *timers, int64_t now_ns);

/* Arms `timer`, which is not armed, for the absolute time `due_ns`; `fire` is set already. */
void weft__timer_arm(struct weft__timers *timers, struct weft__timer *timer, int64_t due_ns);
/* Disarms; does nothing when it is not armed. */
void weft__timer_disarm(struct weft__timers *timers, struct weft__timer *timer);
static inline bool weft__timer_armed(const struct weft__timer *timer)
{
    return timer->link != NULL;
}

/* Fires what is due at `now_ns`, at most `count_max` of them; how many. A timer is disarmed before
   it fires; `fire` may arm and disarm any timer. */
uint32_t weft__timers_run(struct weft__timers *timers, int64_t now_ns, uint32_t count_max);

/* When to look again: never later than needed; INT64_MAX when nothing is armed. */
int64_t weft__timers_next(struct weft__timers *timers);

/* Walks everything and aborts on a broken invariant. For tests. */
void weft__timers_check(const struct weft__timers *timers);

#endif
