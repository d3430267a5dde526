/*
 * reactor/look.c - looking before sleeping; look.h gives the rule.
 */
#include "reactor/look.h"

#include "reactor/reactor.h"

enum { GLANCES_PER_CLOCK = 16 };

static bool something_came(struct weft__reactor *reactor)
{
    return weft__inbox_any(reactor->inbox) || weft__ring_pending(&reactor->ring);
}

static void learn_gap(struct weft__look *look, int64_t gap_ns)
{
    look->gap_ns += (gap_ns - look->gap_ns) / 4;
}

/* Looks until something comes, a sleep would have been cheaper, or `deadline_ns`. */
static bool look_until(struct weft__reactor *reactor, int64_t deadline_ns)
{
    for (;;) {
        for (int i = 0; i < GLANCES_PER_CLOCK; i++) {
            if (something_came(reactor))
                return true;
            weft__host_relax();
        }
        if (weft__host_now() >= deadline_ns)
            return false;
    }
}

bool weft__look(struct weft__reactor *reactor, int64_t deadline_ns)
{
    struct weft__look *look = &reactor->look;
    int64_t now_ns;
    uint32_t head;
    bool found;

    if (!look->allowed)
        return false;
    now_ns = weft__host_now();
    if (look->busy_since_ns) {
        look->credit_ns += (now_ns - look->busy_since_ns) / 20;
        if (look->credit_ns > WEFT__LOOK_CREDIT_MAX_NS)
            look->credit_ns = WEFT__LOOK_CREDIT_MAX_NS;
    }
    look->busy_since_ns = 0;
    look->dry_since_ns = now_ns;
    if (look->disappointed || look->gap_ns > WEFT__LOOK_SLEEP_COST_NS ||
        look->credit_ns < WEFT__LOOK_SLEEP_COST_NS)
        return false; /* the sleep submits what is queued: one visit to the kernel */
    if (weft__ring_queued(&reactor->ring) &&
        (weft__ring_enter(&reactor->ring, 0, 0) < 0 || weft__ring_ready(&reactor->ring, &head) > 0))
        return true; /* what came of it may be all there is to look for */
    WEFT__COUNT(reactor, looks);
    found = look_until(reactor, now_ns + WEFT__LOOK_SLEEP_COST_NS < deadline_ns
                                    ? now_ns + WEFT__LOOK_SLEEP_COST_NS
                                    : deadline_ns);
    if (found) {
        WEFT__COUNT(reactor, looks_hit);
        look->busy_since_ns = weft__host_now();
        learn_gap(look, look->busy_since_ns - now_ns);
        return true;
    }
    look->disappointed = true;
    look->credit_ns -= weft__host_now() - now_ns;
    return false;
}

void weft__look_woken(struct weft__reactor *reactor)
{
    struct weft__look *look = &reactor->look;

    if (!look->allowed)
        return;
    look->busy_since_ns = weft__host_now();
    learn_gap(look, look->busy_since_ns - look->dry_since_ns);
    look->disappointed = false;
}
