/*
 * reactor/look.h - looking before sleeping: when it pays, and for how long.
 *
 * Going to sleep and being woken costs several microseconds; when work keeps coming sooner than
 * that, a short look at the inbox and at the ring's flag is cheaper. The rule: look only while the
 * recent gaps between running dry and new work were shorter than a sleep costs; never when another
 * reactor shares the CPU; looks that found nothing may cost at most 5 % of the busy time; and after
 * one of those, not again until something came.
 */
#ifndef WEFT_REACTOR_LOOK_H
#define WEFT_REACTOR_LOOK_H

#include <stdbool.h>
#include <stdint.h>

struct weft__look {
    bool allowed;          /* false: never */
    bool disappointed;     /* the last look found nothing, and nothing has come since */
    int64_t gap_ns;        /* recent gaps, smoothed */
    int64_t credit_ns;     /* what fruitless looks may still cost */
    int64_t busy_since_ns; /* 0: not known */
    int64_t dry_since_ns;  /* 0: this sleep is not measured */
    uint32_t unmeasured; /* sleeps still to be passed over: while gaps are long, few are measured */
};

enum {
    WEFT__LOOK_SLEEP_COST_NS = 5000,  /* a sleep and a wake-up */
    WEFT__LOOK_CREDIT_MAX_NS = 50000, /* credit does not pile up beyond ten looks */
    WEFT__LOOK_MEASURED_EVERY = 16,   /* sleeps, while gaps are longer than that */
};

struct weft__reactor;

/* Before a sleep, nothing being ready. True: something came, or may have; do not sleep. */
bool weft__look(struct weft__reactor *reactor, int64_t deadline_ns);
/* After a sleep. */
void weft__look_woken(struct weft__reactor *reactor);

#endif
