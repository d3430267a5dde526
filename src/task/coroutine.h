/*
 * task/coroutine.h - coroutines that were made and not used.
 *
 * In a debug build each has a ticket, which its use takes; what is left when the task that made it
 * ends is told to the hook. In a release build all of this is nothing at all. Tickets are the
 * making task's, on its own reactor.
 */
#ifndef WEFT_TASK_COROUTINE_H
#define WEFT_TASK_COROUTINE_H

#include <weft/await.h>

struct weft__task;

#ifdef WEFT_DEBUG
uint32_t weft__coroutine_made(const struct weft__task *maker);
void weft__coroutine_used(const weft_awaitable *awaitable);
/* The task ends: tells of those it has made and nobody used. */
void weft__coroutines_end(const struct weft__task *maker);
#else
static inline uint32_t weft__coroutine_made(const struct weft__task *maker)
{
    (void)maker;
    return 0;
}
static inline void weft__coroutine_used(const weft_awaitable *awaitable)
{
    (void)awaitable;
}
static inline void weft__coroutines_end(const struct weft__task *maker)
{
    (void)maker;
}
#endif

#endif
