/*
 * sim/dice.c - draws; sim.h says what they depend on.
 *
 * What always holds: a draw changes nothing, so the order of draws means nothing. Arithmetic is on
 * integers alone, so every machine draws alike.
 */
#include "sim/world.h"

/* The finalizer of splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators,
   2014): every bit of the input moves every bit of the output. */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

struct weft__sim_dice weft__sim_dice(enum weft__sim_who who, uint64_t serial)
{
    return (struct weft__sim_dice){.key = mix(serial << 4 | (uint64_t)who), .step = 0};
}

void weft__sim_plan_seed(struct weft__sim_plan *plan, uint64_t seed)
{
    plan->seed = seed;
    for (size_t i = 0; i < WEFT__SIM_KNOB_COUNT; i++)
        plan->knobs[i].mixed = mix(seed ^ plan->knobs[i].key);
}

uint64_t weft__sim_draw(struct weft__sim *sim, const struct weft__sim_dice *dice,
                        enum weft__sim_knob knob)
{
    return mix(mix(sim->plan.knobs[knob].mixed ^ dice->key) + dice->step);
}

bool weft__sim_chance(struct weft__sim *sim, const struct weft__sim_dice *dice,
                      enum weft__sim_knob knob)
{
    int64_t odds = sim->plan.knobs[knob].low;
    bool came_true;

    if (odds <= 0 || odds >= WEFT__SIM_ODDS)
        return odds > 0;
    /* the upper half times the odds: no bias worth naming, and no division */
    came_true = (weft__sim_draw(sim, dice, knob) >> 32) * WEFT__SIM_ODDS >> 32 < (uint64_t)odds;
    if (came_true) {
        sim->faults++;
        sim->came_true[knob]++;
    }
    return came_true;
}

uint64_t weft__sim_pick(struct weft__sim *sim, const struct weft__sim_dice *dice,
                        enum weft__sim_knob knob, uint64_t count)
{
    return weft__sim_draw(sim, dice, knob) % count;
}

int64_t weft__sim_most(const struct weft__sim *sim, enum weft__sim_knob knob)
{
    return sim->plan.knobs[knob].high;
}

/* Even in the logarithm: first how many bits above the lower bound, then which number of that many
   bits. So microseconds are drawn as often as milliseconds. */
int64_t weft__sim_span(struct weft__sim *sim, const struct weft__sim_dice *dice,
                       enum weft__sim_knob knob)
{
    const struct weft__sim_setting *setting = &sim->plan.knobs[knob];
    uint64_t width = (uint64_t)(setting->high - setting->low), bits, drawn;

    if (width == 0)
        return setting->low;
    drawn = weft__sim_draw(sim, dice, knob);
    bits = 1 + drawn % (64 - (uint64_t)__builtin_clzll(width));
    drawn = (drawn >> 8) & ((UINT64_C(1) << bits) - 1);
    return setting->low + (int64_t)(drawn % (width + 1));
}
