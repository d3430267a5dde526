/*
 * reactor/trim.h - giving the memory of free stacks back when a reactor has nothing to do.
 *
 * The pool keeps some for the next burst. A reactor that goes to sleep with free stacks that hold
 * memory sets a timer; when it fires and no task has ended since, the memory goes, a little
 * at a time. So a busy server pays nothing, and an idle one ends with no timer and little memory.
 */
#ifndef WEFT_REACTOR_TRIM_H
#define WEFT_REACTOR_TRIM_H

#include <stdbool.h>
#include <stdint.h>

#include "reactor/timer.h"

struct weft__reactor;

struct weft__trim {
    struct weft__timer timer;
    uint64_t ended; /* tasks ended when it was last looked */
    bool done;      /* nothing is left to be given back since then */
};

enum {
    WEFT__TRIM_AFTER_NS = 1000000000, /* in which no task ended */
    WEFT__TRIM_BYTES_MIN = 1 << 20,   /* not worth a timer below this */
    WEFT__TRIM_AT_ONCE = 256,         /* stacks; about a microsecond each */
};

/* Before a visit to the kernel that may be a sleep. */
void weft__trim_before_sleep(struct weft__reactor *reactor);

#endif
