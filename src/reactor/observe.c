/*
 * reactor/observe.c - the trace, and slices; observe.h says what they are.
 */
#include "reactor/observe.h"

#include "arch/dispatch.h"
#include "coro/blocking.h"
#include "reactor/reactor.h"

/* -- slices ---------------------------------------------------------------------------------- */

static void end_at(struct weft__reactor *reactor, int64_t now_ns)
{
    struct weft__slice *slice = &reactor->slice;
    struct weft__fiber *current = reactor->current;
    int64_t span_ns = now_ns - slice->begun_ns;
    bool ran = slice->begun_ns != 0;

    if (reactor->observed & WEFT__OBSERVE_CALLS)
        weft__dispatch_select(false);
    slice->begun_ns = 0;
    if (!ran || span_ns < slice->slow_ns || !reactor->on_slow)
        return;
    if (slice->fiber)
        slice->to = WEFT__NOTE_OF(slice->fiber->left_at);
    reactor->current = NULL; /* whoever is told runs in nobody's name, and may not suspend */
    reactor->on_slow(reactor, slice, span_ns);
    reactor->current = current;
}

static void begin_at(struct weft__reactor *reactor, int64_t now_ns, struct weft__fiber *fiber)
{
    reactor->slice.begun_ns = now_ns;
    reactor->slice.fiber = fiber;
    reactor->slice.ended = false;
    if (reactor->observed & WEFT__OBSERVE_CALLS)
        weft__dispatch_select(true);
}

static void begin_task(struct weft__reactor *reactor, struct weft__fiber *fiber)
{
    end_at(reactor, weft__host_now());
    reactor->slice.from = WEFT__NOTE_OF(fiber->left_at);
    begin_at(reactor, weft__host_now(), fiber); /* without what the telling took */
}

void weft__slice_begin_call(struct weft__reactor *reactor, const void *code,
                            const struct weft_call_site *site)
{
    reactor->slice.from = site ? *site : (struct weft_call_site){NULL, NULL, 0};
    reactor->slice.code = code;
    begin_at(reactor, weft__host_now(), NULL);
}

void weft__slice_end(struct weft__reactor *reactor)
{
    end_at(reactor, weft__host_now());
}

/* In a signal handler, in the middle of a slice. */
static void trapped(const struct weft__trap *trap)
{
    struct weft__reactor *reactor = weft__self;

    if (reactor && reactor->on_call)
        reactor->on_call(reactor, trap);
}

void weft__observe_end(struct weft__reactor *reactor)
{
    if (reactor->observed & WEFT__OBSERVE_CALLS)
        weft__dispatch_end();
    reactor->observed = 0;
}

static void see_calls(struct weft__reactor *reactor, bool wanted)
{
    bool seen = reactor->observed & WEFT__OBSERVE_CALLS;

    if (seen && !wanted) {
        weft__dispatch_end();
        reactor->observed &= (uint8_t)~WEFT__OBSERVE_CALLS;
    } else if (wanted && !seen && weft__blocking_probe() == 0 &&
               weft__dispatch_begin(trapped) == 0) {
        reactor->observed |= WEFT__OBSERVE_CALLS;
    }
}

void weft__observe_refresh(struct weft__reactor *reactor)
{
    struct weft__slice *slice = &reactor->slice;
    bool slow = weft__debug_wants(WEFT_REPORT_SLOW);

    /* acquire: pairs with the release in weft__debug_set; what was set before it is seen */
    slice->version = atomic_load_explicit(&weft__debug.version, memory_order_acquire);
    slice->slow_ns =
        slow ? atomic_load_explicit(&weft__debug.slow_ns, memory_order_relaxed) : INT64_MAX;
    slice->begun_ns = 0;
    reactor->observed &= (uint8_t)~WEFT__OBSERVE_SLICES;
    see_calls(reactor, weft__debug_wants(WEFT_REPORT_BLOCKING));
    if (!slow && !(reactor->observed & WEFT__OBSERVE_CALLS))
        return;
    reactor->observed |= WEFT__OBSERVE_SLICES;
    if (reactor->current)
        begin_task(reactor, reactor->current);
}

/* -- what happens ---------------------------------------------------------------------------- */

static void trace_add(struct weft__reactor *reactor, enum weft_trace_kind kind, uint64_t slot,
                      int32_t value)
{
    reactor->trace[reactor->trace_count++ & reactor->trace_mask] = (struct weft_trace_event){
        .turn = reactor->turn, .task = slot, .kind = (uint32_t)kind, .value = value};
}

void weft__observe(struct weft__reactor *reactor, enum weft_trace_kind kind, uint64_t slot,
                   int32_t value)
{
    if (reactor->observed & WEFT__OBSERVE_TRACE)
        trace_add(reactor, kind, slot, value);
    if (!(reactor->observed & WEFT__OBSERVE_SLICES))
        return;
    if (kind == WEFT_TRACE_RUN) {
        begin_task(reactor, reactor->current);
    } else if (kind == WEFT_TRACE_END) {
        reactor->slice.ended = true;
        weft__slice_end(reactor);
    }
}
