/*
 * sim/trouble.c - what a try of a request meets besides what it would: by the rules of the plan, in
 * their order, or drawn.
 *
 * What always holds: an error given here has had no effect; what breaks something is the object's
 * own doing, and the try then meets what has come of it.
 */
#include <errno.h>
#include <string.h>

#include "sim/disk.h"
#include "sim/ring_core.h"

static bool matches(const struct weft__sim_rule *rule, const struct weft__sim_request *request)
{
    const struct weft__sim_file *file = request->file;

    return rule->opcode == request->sqe.opcode &&
           (!rule->serial || (file && file->serial == rule->serial)) &&
           (!rule->kind[0] || (file && strcmp(file->ops->kind, rule->kind) == 0));
}

static struct weft__sim_rule *rule_due(struct weft__sim_request *request)
{
    struct weft__sim_plan *plan = &request->ring->sim->plan;

    for (uint32_t i = 0; i < plan->rule_count; i++)
        if (plan->rules[i].seen + 1 == plan->rules[i].nth && matches(&plan->rules[i], request))
            return &plan->rules[i];
    return NULL;
}

void weft__sim_count_result(struct weft__sim_request *request)
{
    struct weft__sim_plan *plan = &request->ring->sim->plan;

    for (uint32_t i = 0; i < plan->rule_count; i++)
        plan->rules[i].seen += matches(&plan->rules[i], request);
}

static void break_object(struct weft__sim_request *request)
{
    struct weft__sim *sim = request->ring->sim;

    if (!request->file || !request->file->ops->fault)
        return;
    weft__sim_note(sim, WEFT__SIM_NOTE_FAULT, request->file->serial, -ECONNRESET);
    request->file->ops->fault(sim, request->file, -ECONNRESET);
}

/* Files open before are dead by themselves; nothing is opened, and nobody connected to. */
static int32_t without_power(const struct weft__sim_request *request)
{
    if (weft__sim_names_files(request->sqe.opcode))
        return -EIO;
    return request->sqe.opcode == WEFT__OP_CONNECT ? -ENETDOWN : 0;
}

int32_t weft__sim_draw_trouble(struct weft__sim_request *request, uint32_t *limit, bool *postponed)
{
    struct weft__sim *sim = request->ring->sim;
    struct weft__sim_rule *rule = sim->plan.rule_count ? rule_due(request) : NULL;

    if (sim->disk->off && without_power(request) < 0)
        return without_power(request);
    if (rule) {
        switch (rule->outcome) {
        case WEFT__SIM_OUTCOME_RESET:
            break_object(request);
            return 0;
        case WEFT__SIM_OUTCOME_SHORT:
            *limit = 1;
            return 0;
        case WEFT__SIM_OUTCOME_HANG:
            weft__sim_count_result(request);
            request->state = WEFT__SIM_HANGS;
            *postponed = true;
            return 0;
        case WEFT__SIM_OUTCOME_LATE:
            weft__sim_count_result(request);
            weft__sim_work_at(request, sim->now_ns + weft__sim_span(sim, &request->dice,
                                                                    WEFT__SIM_MUCH_LATER_NS));
            *postponed = true;
            return 0;
        case WEFT__SIM_OUTCOME_STUCK:
            weft__sim_count_result(request);
            weft__sim_stick(request);
            *postponed = true;
            return 0;
        default:
            return request->sqe.opcode == WEFT__OP_FSYNC && weft__sim_inode_behind(request->file)
                       ? weft__sim_file_sync(sim, request->file, rule->outcome)
                       : rule->outcome;
        }
    }
    if (weft__sim_chance(sim, &request->dice, WEFT__SIM_RESET))
        break_object(request);
    if (weft__sim_chance(sim, &request->dice, WEFT__SIM_ERRNO))
        return weft__sim_errno_of(request);
    return 0;
}

uint32_t weft__sim_draw_limit(struct weft__sim_request *request)
{
    struct weft__sim *sim = request->ring->sim;
    uint32_t length = request->sqe.length ? request->sqe.length - request->done : UINT32_MAX;

    if (!weft__sim_moves_bytes(request->sqe.opcode) || length <= 1 ||
        (request->file && request->file->ops->whole) ||
        !weft__sim_chance(sim, &request->dice, WEFT__SIM_SHORT))
        return UINT32_MAX;
    /* of the first bytes in the logarithm, so that one byte is as likely as half of them */
    return 1 + (uint32_t)(weft__sim_draw(sim, &request->dice, WEFT__SIM_SHORT) >> 40) % 1024;
}
