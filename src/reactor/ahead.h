/*
 * reactor/ahead.h - what a batch of completions will touch, fetched before it is needed.
 *
 * A completion leads to an operation, to the wait of the task that is parked on it, to the task's
 * record and to the top of its stack, and to what the task said it would touch besides: each found
 * in the one before. With a hundred connections few of them are in the cache, since the kernel's
 * share of a message goes through it in between, and with a thousand none; one after the other they
 * take longer than all the rest of a turn. In steps over the whole batch they take about as long as
 * four. With few operations in flight all is in the cache anyway and nothing is done.
 *
 * On the loop. Reads nothing that could be freed: every operation in a slot is in flight, and its
 * waiter, if it has one, is parked, or has given way on its way there. What a task said it would
 * touch may be gone: it is fetched, and never read.
 */
#ifndef WEFT_REACTOR_AHEAD_H
#define WEFT_REACTOR_AHEAD_H

#include <stdint.h>

struct weft__reactor;

enum {
    WEFT__AHEAD_IN_FLIGHT_MIN = 96, /* fewer stay in the cache from one message to the next */
    WEFT__AHEAD_BATCH = 32,
};

/* The completions [head, head + count) of the ring are about to be handed to their operations;
   count: WEFT__AHEAD_BATCH or less. */
void weft__ahead(struct weft__reactor *reactor, uint32_t head, uint32_t count);

#endif
