/*
 * reactor/reactor.c - the loop.
 *
 * One turn, in order: one visit to the kernel, which submits what the last turn gathered, sleeps if
 * there is nothing else to do, and brings completions; messages from other threads; timers that are
 * due; then everything that is ready. So a turn ends with all that could be done done; but a turn
 * that finds more completions at hand than one visit brings leaves the rest to the next.
 */
#include "reactor/reactor.h"

#include <string.h>

#include "reactor/ahead.h"

enum {
    MESSAGES_PER_TURN = 1024,
    TIMERS_PER_TURN = 1024,
    BATCH = 64,
};

static void run_callback(struct weft__reactor *reactor, struct weft__callback *callback)
{
    weft__ready_release(&reactor->ready);
    if (!callback)
        return; /* cancelled */
    WEFT__COUNT(reactor, callbacks);
    callback->run(callback);
}

static void run_errand(struct weft__reactor *reactor)
{
    struct weft__errand *errand = reactor->errand;

    reactor->errand = NULL;
    errand->result = errand->fn(errand->arg);
    reactor->current = errand->fiber;
    *reactor->errno_place = errand->fiber->saved_errno;
    weft__context_switch(&reactor->loop, &errand->fiber->context);
}

/* Runs what is ready, until the queue is empty or the turn's budget is spent. Fibers switch
   directly to one another; they come back here when there is no next one. */
static void run_ready(struct weft__reactor *reactor)
{
    while (reactor->budget > 0 && weft__ready_count(&reactor->ready) > 0 && !reactor->frozen) {
        uintptr_t entry = weft__ready_pop(&reactor->ready);
        reactor->budget--;
        if (entry & WEFT__READY_CALLBACK) {
            run_callback(reactor, (struct weft__callback *)(entry & ~(uintptr_t)1));
            continue;
        }
        struct weft__fiber *fiber = (struct weft__fiber *)entry;
        weft__reactor_resumes(reactor, fiber);
        weft__context_switch(&reactor->loop, &fiber->context);
        while (reactor->errand)
            run_errand(reactor);
        weft__slice_over(reactor);
    }
}

/* A completion that is not an operation's. */
static void special_completion(struct weft__reactor *reactor, const struct weft__cqe *cqe)
{
    switch (cqe->user_data) {
    case WEFT__TOKEN_BELL:
        WEFT__COUNT(reactor, bells);
        reactor->bell_unarmed |= !(cqe->flags & WEFT__CQE_MORE);
        break;
    case WEFT__TOKEN_NONE:
        break;
    default:
        if (cqe->user_data >> WEFT__TOKEN_SHIFT == WEFT__TOKEN_RANG)
            weft__reactor_ring_again(reactor, cqe);
        else
            WEFT__COUNT(reactor, unknown_completions);
    }
}

static void reap(struct weft__reactor *reactor)
{
    uint32_t batch = weft__rare_size(WEFT__AHEAD_BATCH, 1);
    bool cold = reactor->ops.in_flight >= weft__rare_size(WEFT__AHEAD_IN_FLIGHT_MIN, 0);
    uint32_t head, count;

    while ((count = weft__ring_ready(&reactor->ring, &head)) > 0) {
        if (cold) {
            count = count < batch ? count : batch;
            weft__ahead(reactor, head, count);
        }
        for (uint32_t i = 0; i < count; i++) {
            const struct weft__cqe *cqe = &reactor->ring.cqes[(head + i) & reactor->ring.cq_mask];
            if (cqe->user_data <= UINT32_MAX)
                special_completion(reactor, cqe);
            else if (!weft__op_complete(reactor, cqe) &&
                     !weft__op_cancel_answered(&reactor->ops, cqe))
                WEFT__COUNT(reactor, unknown_completions);
        }
        weft__ring_seen(&reactor->ring, head + count);
        WEFT__COUNT_BY(reactor, cqes, count);
    }
}

static bool work_waits(struct weft__reactor *reactor)
{
    return (weft__ready_count(&reactor->ready) > 0 && !reactor->frozen) ||
           weft__inbox_any(reactor->inbox) || reactor->done ||
           reactor->ops.cancels; /* there was no request to be had for them */
}

/* One visit to the kernel. Sleeping is announced first, so that whoever pushes from then on rings.
 */
static int visit_kernel(struct weft__reactor *reactor, bool wait)
{
    int64_t deadline_ns;
    int result;

    if (wait)
        weft__trim_before_sleep(reactor);
    deadline_ns = weft__timers_next(&reactor->timers);
    weft__ops_flush_cancels(reactor);
    if (__builtin_expect(reactor->bell_unarmed, 0)) {
        reactor->bell_unarmed = weft__bell_rearm(&reactor->inbox->bell, &reactor->ring) < 0;
        wait &= !reactor->bell_unarmed; /* nobody could wake us */
    }
    wait = wait && deadline_ns > 0 && !work_waits(reactor) && !weft__look(reactor, deadline_ns) &&
           weft__inbox_sleep(reactor->inbox);
    if (wait) {
        WEFT__COUNT(reactor, sleeps);
        result = weft__ring_enter(&reactor->ring, 1, deadline_ns);
        weft__inbox_wake(reactor->inbox);
        weft__look_woken(reactor);
    } else {
        result = weft__ring_enter(&reactor->ring, 0, 0);
    }
    return result;
}

/*
 * The kernel hands over some twenty completions a visit, or as many as are waited for, and says by
 * a flag that it has more. Then the batch is completed, by turns that do nothing else, before any
 * of it is run: the code of a receive stays in the cache from one to the next, and so does that of
 * a send. Not a large batch, whose data would not stay.
 */
static bool more_at_hand(struct weft__reactor *reactor)
{
    uint32_t head, unread = weft__ring_ready(&reactor->ring, &head);

    if (!weft__ring_more(&reactor->ring) || unread >= weft__rare_size(BATCH, 1) ||
        unread >= reactor->ring.cq_entries / 2 || reactor->fetches == WEFT__FETCHES_MAX)
        return false;
    reactor->fetches++;
    return true;
}

/* At least one completion is there besides the unread, so this does not sleep; the deadline, long
   passed, is for the case that it was none after all. */
static int fetch_more(struct weft__reactor *reactor)
{
    uint32_t head;

    return weft__ring_enter(&reactor->ring, weft__ring_ready(&reactor->ring, &head) + 1, 1);
}

/* One visit to the kernel. True: the batch is complete, and has been handed out. */
static bool take_batch(struct weft__reactor *reactor, bool wait)
{
    int result = reactor->fetches > 0 ? fetch_more(reactor) : visit_kernel(reactor, wait);

    if (__builtin_expect(result == -EBADR, 0))
        reactor->on_fatal(reactor, "the kernel lost a completion");
    if (more_at_hand(reactor))
        return false;
    reactor->fetches = 0;
    reap(reactor);
    weft__reactor_count(reactor);
    return true;
}

void weft__reactor_turn(struct weft__reactor *reactor, bool wait)
{
    weft__call_site_forget(); /* weft_run's, or of who embeds us */
    reactor->turn++;
    /* relaxed: what came with the settings is fetched by who copies them */
    if (__builtin_expect(reactor->slice.version !=
                             atomic_load_explicit(&weft__debug.version, memory_order_relaxed),
                         0))
        weft__observe_refresh(reactor);
    reactor->budget = (int32_t)reactor->budget_max;
    WEFT__TRACE(reactor, WEFT_TRACE_TURN, 0, 0);
    if (!take_batch(reactor, wait))
        return;
    WEFT__COUNT_BY(reactor, posts,
                   weft__inbox_run(reactor->inbox, reactor, weft__rare_size(MESSAGES_PER_TURN, 1)));
    if (reactor->timers.alive)
        WEFT__COUNT_BY(reactor, timers_fired,
                       weft__timers_run(&reactor->timers, weft__host_now(),
                                        weft__rare_size(TIMERS_PER_TURN, 1)));
    run_ready(reactor);
}

void weft__reactor_run(struct weft__reactor *reactor)
{
    while (!reactor->done && !weft__host_forked()) /* a child of fork must not touch the ring */
        weft__reactor_turn(reactor, true);
}

void weft__fiber_yield_rarely(struct weft__reactor *reactor)
{
    weft__fiber_yield(reactor);
}

void weft__fiber_errand(struct weft__reactor *reactor, struct weft__errand *errand)
{
    weft__call_site_forget();
    errand->fiber = reactor->current;
    errand->fiber->saved_errno = *reactor->errno_place;
    reactor->errand = errand;
    reactor->current = NULL;
    weft__context_switch(&errand->fiber->context, &reactor->loop);
}

struct weft__context *weft__fiber_end(struct weft__reactor *reactor)
{
    struct weft__fiber *next = weft__reactor_next(reactor);

    reactor->current = NULL;
    if (!next)
        return &reactor->loop;
    weft__reactor_resumes(reactor, next);
    return &next->context;
}
