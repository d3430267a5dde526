/* histogram.c - see histogram.h. */
#include "histogram.h"

enum { STEPS = 1 << HISTOGRAM_BITS };

/* A value below 2 * STEPS has a slot of its own; above, slots double in width with each doubling:
   the leading bit says which doubling, the bits after it which step. */
static uint32_t slot_of(uint64_t value)
{
    uint32_t shift, slot;

    if (value < STEPS)
        return (uint32_t)value;
    shift = 63 - (uint32_t)__builtin_clzll(value) - HISTOGRAM_BITS;
    slot = shift * STEPS + (uint32_t)(value >> shift);
    return slot < HISTOGRAM_SLOTS ? slot : HISTOGRAM_SLOTS - 1;
}

/* The largest value of a slot. */
static uint64_t end_of(uint32_t slot)
{
    uint32_t shift = slot < 2 * STEPS ? 0 : slot / STEPS - 1;

    return ((uint64_t)(slot - shift * STEPS + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->count++;
    histogram->slots[slot_of(value)]++;
    if (value > histogram->max)
        histogram->max = value;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    into->count += from->count;
    if (from->max > into->max)
        into->max = from->max;
    for (uint32_t i = 0; i < HISTOGRAM_SLOTS; i++)
        into->slots[i] += from->slots[i];
}

uint64_t histogram_quantile(const struct histogram *histogram, double quantile)
{
    double wanted = quantile * (double)histogram->count;
    uint64_t seen = 0;

    for (uint32_t i = 0; i < HISTOGRAM_SLOTS; i++) {
        seen += histogram->slots[i];
        if (seen > 0 && (double)seen >= wanted)
            return end_of(i) < histogram->max ? end_of(i) : histogram->max;
    }
    return 0;
}
