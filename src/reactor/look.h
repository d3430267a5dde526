/*
 * reactor/look.h - looking before sleeping: when it pays, and for how long.
 *
 * Going to sleep and being woken costs several microseconds; when work keeps coming sooner than
 * that, a short look at the inbox and at the ring's flag is cheaper. The rule: look only while the
 * recent gaps between running dry and new work were shorter than a sleep costs; never when another
 * reactor shares the CPU; looks that found nothing may cost at most 5 % of the busy time; and after
 * one of those, not again until something came.
 *
 * Two reactors that sleep between their messages each see long gaps, because each waits for the
 * other to wake up. So now and then a look is longer, an exploration: when it finds that the answer
 * comes once one of the two stays awake, gaps turn out short, and both look from then on. It is
 * charged whenever a sleep would have been cheaper, and made ever more rarely while it leads to
 * nothing.
 */
#ifndef WEFT_REACTOR_LOOK_H
#define WEFT_REACTOR_LOOK_H

#include <stdbool.h>
#include <stdint.h>

struct weft__look {
    bool allowed;      /* false: never */
    bool disappointed; /* the last look found nothing, and nothing has come since */
    int64_t gap_ns;    /* recent gaps, smoothed: follows shorter ones at once, longer ones slowly */
    int64_t credit_ns; /* what fruitless looks may still cost */
    int64_t busy_since_ns; /* 0: not known */
    int64_t dry_since_ns;  /* 0: this sleep is not measured */
    uint32_t unmeasured; /* sleeps still to be passed over: while gaps are long, few are measured */
    uint32_t explore_in; /* sleeps until the next exploration */
    uint32_t explore_every; /* grows while they find nothing */
};

enum {
    WEFT__LOOK_SLEEP_COST_NS = 5000,   /* a sleep and a wake-up */
    WEFT__LOOK_EXPLORE_NS = 50000,     /* as long as another reactor may take to wake and answer */
    WEFT__LOOK_CREDIT_MAX_NS = 400000, /* credit does not pile up beyond this */
    WEFT__LOOK_MEASURED_EVERY = 4,     /* sleeps, while gaps are longer than that */
    WEFT__LOOK_EXPLORE_EVERY = 64,     /* sleeps, at first */
    WEFT__LOOK_EXPLORE_EVERY_MAX = 65536,
};

struct weft__reactor;

/* Before a sleep, nothing being ready. True: something came, or may have; do not sleep. */
bool weft__look(struct weft__reactor *reactor, int64_t deadline_ns);
/* After a sleep. */
void weft__look_woken(struct weft__reactor *reactor);

#endif
