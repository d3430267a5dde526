/*
 * runtime/loop.h - a runtime of one reactor that its thread turns when it wants; see weft/loop.h.
 *
 * Between two turns weft__self is not the loop's reactor, so that other code may run on the thread,
 * other loops included; every call here makes it the current one meanwhile.
 */
#ifndef WEFT_RUNTIME_LOOP_H
#define WEFT_RUNTIME_LOOP_H

#include <weft/loop.h>

#include "runtime/runtime.h"

struct weft_loop {
    struct weft__runtime *runtime;
    const void *thread;         /* its maker */
    struct weft__callback stop; /* stands in the ready queue where a run is to end */
    bool stops;                 /* it does */
    bool running;
    bool signals; /* somebody else sleeps in its place, on weft_loop_fd */
    bool asleep;  /* that was announced to those who post */
};

static inline struct weft__reactor *weft__loop_reactor(const struct weft_loop *loop)
{
    return &loop->runtime->members[0]->reactor;
}

#endif
