/*
 * reactor/detour.h - a wake that goes through the reactor's own inbox: in builds that make the rare
 * the rule (base/rare.h) the message for it stands in each fiber. In the others it is nothing.
 *
 * On the reactor's thread. What always holds: a fiber is woken once until it runs again, so one
 * message is enough.
 */
#ifndef WEFT_REACTOR_DETOUR_H
#define WEFT_REACTOR_DETOUR_H

#include "base/rare.h"
#include "reactor/inbox.h"

struct weft__fiber;

#ifdef WEFT_RARE

struct weft__detour {
    struct weft__message message;
};

/* Sends the fiber to the ready queue by way of the inbox. */
void weft__detour_take(struct weft__reactor *reactor, struct weft__fiber *fiber);

#else

struct weft__detour {
};

static inline void weft__detour_take(struct weft__reactor *reactor, struct weft__fiber *fiber)
{
    (void)reactor, (void)fiber;
}

#endif

#endif
