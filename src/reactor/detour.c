/*
 * reactor/detour.c - detour.h says what for. Empty in a plain build.
 */
#include "reactor/detour.h"

#ifdef WEFT_RARE

#include "reactor/reactor.h"

static void arrive(struct weft__message *message, struct weft__reactor *reactor)
{
    struct weft__detour *detour = (struct weft__detour *)message;

    _Static_assert(offsetof(struct weft__detour, message) == 0, "cast above");
    weft__ready_push(&reactor->ready,
                     (struct weft__fiber *)((char *)detour - offsetof(struct weft__fiber, detour)));
}

void weft__detour_take(struct weft__reactor *reactor, struct weft__fiber *fiber)
{
    fiber->detour.message = (struct weft__message){.run = arrive};
    if (weft__inbox_send(reactor->inbox, &fiber->detour.message) < 0)
        weft__ready_push(&reactor->ready, fiber); /* closed: nobody runs any more */
}

#endif
