/*
 * kernel.h - the kernel of the explorer, as its scenarios see it: kernel.c tells how little it
 * orders.
 */
#ifndef EXPLORE_KERNEL_H
#define EXPLORE_KERNEL_H

#include <stdint.h>

#include "ring/ring.h"

enum { KERNEL_BELLS_MAX = 2 };
struct kernel_bell {
    uint64_t *rung; /* in watched memory */
    uint64_t heard; /* the sleeper's */
};
extern struct kernel_bell kernel_bells[KERNEL_BELLS_MAX];

void kernel_reset(void);                          /* in set_up: bells nobody has rung, time 0 */
void kernel_end(void);                            /* in check */
void kernel_sleep(const struct weft__bell *bell); /* until it has been rung since the last time */
/* Waits until it has been rung `count` times in its life, and closes it. */
void kernel_settle(struct weft__bell *bell, uint64_t count);

#endif
