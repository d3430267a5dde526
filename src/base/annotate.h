/*
 * base/annotate.h - living with the thread sanitizer: telling it of orderings it cannot see.
 *
 * The kernel orders a request before its completion, but the sanitizer sees neither. Whoever hands
 * memory over by such a way says so at both ends: release before, acquire after, on one address
 * that both know. Any thread may call them. What always holds: in a build without the thread
 * sanitizer they are nothing at all, so they never stand in for a real barrier.
 */
#ifndef WEFT_BASE_ANNOTATE_H
#define WEFT_BASE_ANNOTATE_H

#if defined(__SANITIZE_THREAD__)
#define WEFT__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEFT__TSAN 1
#endif
#endif

#ifdef WEFT__TSAN

#include <sanitizer/tsan_interface.h>

/* What this thread did so far happened before whatever follows an acquire of the same address. */
static inline void weft__tsan_release(const void *address)
{
    __tsan_release((void *)address);
}

static inline void weft__tsan_acquire(const void *address)
{
    __tsan_acquire((void *)address);
}

/* The sanitizer keeps a handler of a signal back until the thread calls a function that it knows,
   and sleeping in the ring is none: so no sleep lasts longer than this, and the clock is read. */
enum { WEFT__SLEEP_MAX_NS = 1000000000 };

#else

enum { WEFT__SLEEP_MAX_NS = 0 }; /* no limit */

static inline void weft__tsan_release(const void *address)
{
    (void)address;
}

static inline void weft__tsan_acquire(const void *address)
{
    (void)address;
}

#endif

#endif
