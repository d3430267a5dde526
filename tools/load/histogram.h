/*
 * histogram.h - latencies in log-linear slots: 64 steps to each doubling, so a value is kept to
 * 1.6 %, in a fixed 26 KiB whatever comes. Written by one thread; merged after it has ended.
 */
#ifndef WEFT_LOAD_HISTOGRAM_H
#define WEFT_LOAD_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BITS = 6, HISTOGRAM_SLOTS = (1 << HISTOGRAM_BITS) * 52 };

struct histogram {
    uint64_t count;
    uint64_t max; /* exact */
    uint64_t slots[HISTOGRAM_SLOTS];
};

void histogram_add(struct histogram *histogram, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The least value that `quantile` (0 to 1) of the samples do not exceed, rounded up to the end of
   its slot, never beyond the maximum; 0 when there are none. */
uint64_t histogram_quantile(const struct histogram *histogram, double quantile);

#endif
