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
    if (gap_ns < look->gap_ns)
        look->gap_ns = gap_ns;
    else
        look->gap_ns += (gap_ns - look->gap_ns) / 32; /* one stumble does not end a conversation */
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

/* Running dry: earns credit for the time since the last wake-up, if that is known. */
static void run_dry(struct weft__look *look, int64_t now_ns)
{
    if (look->busy_since_ns)
        look->credit_ns += (now_ns - look->busy_since_ns) / 20;
    if (look->credit_ns > WEFT__LOOK_CREDIT_MAX_NS)
        look->credit_ns = WEFT__LOOK_CREDIT_MAX_NS;
    look->busy_since_ns = 0;
    look->dry_since_ns = now_ns;
}

static bool look_pays(const struct weft__look *look)
{
    return !look->disappointed && look->gap_ns <= WEFT__LOOK_SLEEP_COST_NS &&
           look->credit_ns >= WEFT__LOOK_SLEEP_COST_NS;
}

static bool exploration_due(struct weft__look *look)
{
    if (look->explore_every == 0)
        look->explore_every = look->explore_in = WEFT__LOOK_EXPLORE_EVERY;
    if (look->explore_in > 0)
        look->explore_in--;
    return look->explore_in == 0;
}

/* Notes what a look of `spent_ns` came to. An exploration that led to short gaps is soon repeated.
 */
static void settle(struct weft__look *look, int64_t spent_ns, bool found, bool explored)
{
    bool worth = found && spent_ns <= WEFT__LOOK_SLEEP_COST_NS;

    if (!worth)
        look->credit_ns -= spent_ns;
    look->disappointed = !found;
    if (!explored)
        return;
    if (worth)
        look->explore_every = WEFT__LOOK_EXPLORE_EVERY;
    else if (look->explore_every < WEFT__LOOK_EXPLORE_EVERY_MAX)
        look->explore_every *= 2;
    /* found, though late: the other one is awake now, and may answer sooner the next time */
    look->explore_in = found && !worth ? 1 : look->explore_every;
}

bool weft__look(struct weft__reactor *reactor, int64_t deadline_ns)
{
    struct weft__look *look = &reactor->look;
    bool explore, found;
    int64_t end_ns;

    if (!look->allowed)
        return false;
    look->dry_since_ns = 0;
    explore = exploration_due(look) && look->credit_ns >= WEFT__LOOK_EXPLORE_NS;
    if (look->unmeasured > 0 && !explore) {
        look->unmeasured--;
        return false;
    }
    if (!explore && weft__ring_queued(&reactor->ring) > 0 && look_pays(look))
        return true; /* submit in this turn, look in the next: its results may be all there is */
    run_dry(look, weft__host_now());
    if (look->gap_ns > WEFT__LOOK_SLEEP_COST_NS)
        look->unmeasured = WEFT__LOOK_MEASURED_EVERY - 1;
    explore &= !look_pays(look);
    if (!explore && !look_pays(look))
        return false;
    if (weft__ring_queued(&reactor->ring) > 0)
        return true; /* the same, before an exploration or with credit just earned */
    WEFT__COUNT(reactor, looks);
    end_ns = look->dry_since_ns + (explore ? WEFT__LOOK_EXPLORE_NS : WEFT__LOOK_SLEEP_COST_NS);
    found = look_until(reactor, end_ns < deadline_ns ? end_ns : deadline_ns);
    look->busy_since_ns = weft__host_now();
    settle(look, look->busy_since_ns - look->dry_since_ns, found, explore);
    if (!found) {
        look->busy_since_ns = 0;
        return false;
    }
    WEFT__COUNT(reactor, looks_hit);
    learn_gap(look, look->busy_since_ns - look->dry_since_ns);
    look->dry_since_ns = 0;
    return true;
}

void weft__look_woken(struct weft__reactor *reactor)
{
    struct weft__look *look = &reactor->look;

    look->disappointed = false;
    if (!look->allowed || !look->dry_since_ns)
        return;
    look->busy_since_ns = weft__host_now();
    learn_gap(look, look->busy_since_ns - look->dry_since_ns);
}
