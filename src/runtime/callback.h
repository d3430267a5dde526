/*
 * runtime/callback.h - a callback that was asked for and has not run.
 *
 *              call_soon                         popped
 *      IDLE -----------------------> READY -----------------> IDLE, fn
 *       | \                          ^   \  cancel, stop
 *       |  \ call_later   time comes |    `-----------------> IDLE, drop
 *       |   `-----------> ARMED -----'
 *       |                   \        cancel, stop
 *       `--------------------`------------------------------> IDLE, drop
 *
 * It lies in the caller's handle, or in memory of its own that goes when it becomes idle. Touched
 * on its reactor only. READY: the ready queue holds a pointer to it, at `place`. ARMED: its timer
 * is armed, and it is on its reactor's list, for the stop. Both: room in the ready queue is
 * reserved, so that the step to READY cannot fail.
 */
#ifndef WEFT_RUNTIME_CALLBACK_H
#define WEFT_RUNTIME_CALLBACK_H

#include <weft/callback.h>

#include "reactor/reactor.h"

enum weft__handle_state { WEFT__HANDLE_IDLE, WEFT__HANDLE_ARMED, WEFT__HANDLE_READY };

struct weft__handle {
    struct weft__callback callback; /* first: the ready queue's pointer is ours */
    struct weft__timer timer;
    struct weft__handle *next; /* among the armed of the reactor */
    struct weft__handle **link;
    struct weft__reactor *reactor;
    void (*fn)(void *arg);
    void (*drop)(void *arg);
    void *arg;
    uint32_t place; /* in the ready queue */
    uint8_t state;  /* enum weft__handle_state */
    bool cancelled;
    bool allocated;
    const char *site_file; /* where it was asked for; NULL: not known */
    int site_line;
};
_Static_assert(sizeof(struct weft__handle) <= sizeof(weft_handle), "reserved room");

struct weft__member;

/* Drops those whose time has not come: the reactor stops. */
void weft__callbacks_drop(struct weft__member *member);

#endif
