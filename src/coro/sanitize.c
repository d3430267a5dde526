/*
 * sanitize.c: the cold half of sanitize.h: fibers made and destroyed. Empty in a plain build.
 */
#include "coro/sanitize.h"

#ifdef WEFT__SAN

__thread struct weft__san *weft__san_from;
#ifdef WEFT__SAN_THREAD
__thread sigset_t weft__san_signals;
#endif

void weft__san_make(struct weft__san *san, void *stack_low, void *top)
{
    san->fake = NULL;
    san->bottom = stack_low;
    san->size = (size_t)((char *)top - (char *)stack_low);
    san->fiber = NULL;
    san->fiber_owned = false;
#ifdef WEFT__SAN_THREAD
    weft__san_signals_block();
    san->fiber = __tsan_create_fiber(0);
    weft__san_signals_restore();
    san->fiber_owned = true;
#endif
}

/* The bounds of a thread's own stack are learned when it is left for the first time. */
void weft__san_adopt(struct weft__san *san)
{
    san->entry = NULL;
    san->arg = NULL;
    san->fake = NULL;
    san->bottom = NULL;
    san->size = 0;
    san->fiber = NULL;
    san->fiber_owned = false;
#ifdef WEFT__SAN_THREAD
    san->fiber = __tsan_get_current_fiber();
#endif
}

void weft__san_drop(struct weft__san *san)
{
#ifdef WEFT__SAN_THREAD
    if (san->fiber_owned) {
        weft__san_signals_block();
        __tsan_destroy_fiber(san->fiber);
        weft__san_signals_restore();
    }
#endif
    san->fiber = NULL;
    san->fiber_owned = false;
}

#endif
