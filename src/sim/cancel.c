/*
 * sim/cancel.c - ASYNC_CANCEL: an answer, an end of the operation, and an order of the two, any of
 * which says nothing about the others.
 *
 * What always holds: an operation that a cancel has found (and, by the plan, not missed) ends soon,
 * by its own result if the case drawn spares it and there is one to be had, else by the code of the
 * case. A caller who relies on anything more relies on luck.
 */
#include <errno.h>

#include "sim/ring_core.h"

enum { ERESTARTSYS_LEAKED = 512, CASES = 12 };

/* The kernel's ways. The first is what a calm one does. */
static const struct {
    int32_t answer;
    bool spared; /* tried once more, for a result of its own */
    int32_t end_code;
} cases[CASES] = {
    {0, false, -ECANCELED},      {-EALREADY, true, -ECANCELED},
    {-EALREADY, true, -EINTR},   {-EALREADY, true, -ERESTARTSYS_LEAKED},
    {-ENOENT, true, -ECANCELED}, {0, true, -ECANCELED},
    {-EALREADY, false, -EINTR},  {-ENOENT, false, -ECANCELED},
    {0, true, -EINTR},           {0, true, -ERESTARTSYS_LEAKED},
    {-ENOENT, true, -EINTR},     {-ENOENT, true, -ERESTARTSYS_LEAKED},
};

/* Each case as often as any other. */
static uint64_t draw_case(struct weft__sim *sim, const struct weft__sim_dice *dice)
{
    const struct weft__sim_setting *setting = &sim->plan.knobs[WEFT__SIM_CANCEL_CASE];
    uint64_t count = (uint64_t)(setting->high - setting->low) + 1;

    return ((uint64_t)setting->low + weft__sim_pick(sim, dice, WEFT__SIM_CANCEL_CASE, count)) %
           CASES;
}

static int32_t answer_of(const struct weft__sim_request *target, uint64_t drawn)
{
    bool too_late = target->ended || target->state == WEFT__SIM_WORK;

    if (!too_late)
        return cases[drawn].answer;
    return cases[drawn].answer == -ENOENT ? -ENOENT : -EALREADY;
}

/* Has it end at its next try, which is brought about now or soon. */
static void doom(struct weft__sim_request *target, uint64_t drawn, bool now)
{
    struct weft__sim *sim = target->ring->sim;

    if (!target->cancelled) {
        target->cancelled = true;
        target->spared = cases[drawn].spared || target->state == WEFT__SIM_WORK;
        target->end_code = cases[drawn].end_code;
    }
    if (target->state == WEFT__SIM_WORK || target->ended)
        return; /* it is on its way */
    weft__sim_wait_no_more(&target->waiter);
    weft__sim_take_back(sim, &target->event);
    if (now)
        weft__sim_try(target);
    else
        weft__sim_work_at(target,
                          sim->now_ns + weft__sim_span(sim, &target->dice, WEFT__SIM_CANCEL_NS));
}

void weft__sim_cancel(struct weft__sim_ring *ring, struct weft__sim_request *canceller)
{
    struct weft__sim *sim = ring->sim;
    struct weft__sim_request *target = weft__sim_find(ring, canceller->sqe.address);
    uint64_t drawn;
    int32_t answer;

    if (!target) {
        weft__sim_finish(canceller, -ENOENT, 0);
        return;
    }
    weft__sim_step(&target->dice);
    if (weft__sim_chance(sim, &target->dice, WEFT__SIM_CANCEL_MISSED)) {
        weft__sim_finish(canceller, -ENOENT, 0); /* as of what is in none of the kernel's tables */
        return;
    }
    drawn = draw_case(sim, &target->dice);
    if (target->stuck) { /* a worker has been sent a signal; or, again, no table knows of it */
        weft__sim_finish(canceller, drawn % 2 ? -ENOENT : -EALREADY, 0);
        return;
    }
    answer = answer_of(target, drawn);
    weft__sim_note(sim, WEFT__SIM_NOTE_CANCEL, target->serial, (int64_t)drawn);
    if (weft__sim_chance(sim, &target->dice, WEFT__SIM_CANCEL_FIRST)) {
        weft__sim_finish(canceller, answer, 0);
        doom(target, drawn, false);
    } else {
        doom(target, drawn, true);
        weft__sim_finish(canceller, answer, 0);
    }
}
