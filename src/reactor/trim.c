/*
 * reactor/trim.c - see trim.h.
 */
#include "reactor/trim.h"

#include "reactor/reactor.h"

static struct weft__reactor *reactor_of(struct weft__timer *timer)
{
    return (struct weft__reactor *)((char *)timer - offsetof(struct weft__reactor, trim.timer));
}

static void fire(struct weft__timer *timer)
{
    struct weft__reactor *reactor = reactor_of(timer);
    struct weft__trim *trim = &reactor->trim;
    int64_t again_ns = weft__host_now();

    if (trim->ended != reactor->stats.tasks_ended) {
        trim->ended = reactor->stats.tasks_ended;
        again_ns += WEFT__TRIM_AFTER_NS;
    } else if (weft__stack_pool_trim(&reactor->stacks, WEFT__TRIM_AT_ONCE) < WEFT__TRIM_AT_ONCE) {
        trim->done = true;
        return;
    }
    weft__timer_arm(&reactor->timers, timer, again_ns);
}

void weft__trim_before_sleep(struct weft__reactor *reactor)
{
    struct weft__trim *trim = &reactor->trim;

    if (weft__timer_armed(&trim->timer) ||
        (trim->done && trim->ended == reactor->stats.tasks_ended))
        return;
    trim->done = true;
    trim->ended = reactor->stats.tasks_ended;
    if (weft__stack_hot_bytes(&reactor->stacks) < WEFT__TRIM_BYTES_MIN)
        return;
    trim->done = false;
    trim->timer.fire = fire;
    weft__timer_arm(&reactor->timers, &trim->timer, weft__host_now() + WEFT__TRIM_AFTER_NS);
}
