/*
 * sim/trouble.c - what a try of a request meets besides what it would: by the rules of the plan, in
 * their order, or drawn.
 *
 * What always holds: an error given here has had no effect, but that of a close, which has closed,
 * and that of a sync, which has lost bytes; what breaks something is the object's own doing, and
 * the try then meets what has come of it.
 */
#include <errno.h>
#include <string.h>

#include "sim/disk.h"
#include "sim/legal.h"
#include "sim/ring_core.h"
#include "sim/world.h"

static bool matches(const struct weft__sim_rule *rule, uint8_t opcode,
                    const struct weft__sim_file *file)
{
    return rule->opcode == opcode && (!rule->serial || (file && file->serial == rule->serial)) &&
           (!rule->kind[0] || (file && strcmp(file->ops->kind, rule->kind) == 0));
}

static struct weft__sim_rule *rule_due(struct weft__sim *sim, uint8_t opcode,
                                       const struct weft__sim_file *file)
{
    struct weft__sim_plan *plan = &sim->plan;

    for (uint32_t i = 0; i < plan->rule_count; i++)
        if (plan->rules[i].seen + 1 == plan->rules[i].nth && matches(&plan->rules[i], opcode, file))
            return &plan->rules[i];
    return NULL;
}

static void count_one(struct weft__sim *sim, uint8_t opcode, const struct weft__sim_file *file)
{
    struct weft__sim_plan *plan = &sim->plan;

    for (uint32_t i = 0; i < plan->rule_count; i++)
        plan->rules[i].seen += matches(&plan->rules[i], opcode, file);
}

/* A close holds no file: it finds what has the number, and counts when it is tried, since
   afterwards nothing has. */
static const struct weft__sim_file *made_on(const struct weft__sim_request *request)
{
    return request->sqe.opcode == WEFT__OP_CLOSE
               ? weft__sim_fd_file(request->ring->sim, request->sqe.fd)
               : request->file;
}

void weft__sim_count_result(struct weft__sim_request *request)
{
    if (request->sqe.opcode != WEFT__OP_CLOSE)
        count_one(request->ring->sim, request->sqe.opcode, request->file);
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

int32_t weft__sim_errno_of(struct weft__sim_request *request)
{
    const struct weft__sim_legal *row = weft__sim_legal_for(request);

    return row ? -row->errors[weft__sim_pick(request->ring->sim, &request->dice, WEFT__SIM_ERRNO,
                                             weft__sim_legal_count(row))]
               : 0;
}

/* What the error of a request comes to. A number is free whatever its close says (close(2)): to
   close it again might hit a stranger's. A sync that could not write has bytes to forget. */
static int32_t fails_with(struct weft__sim_request *request, int32_t error)
{
    struct weft__sim *sim = request->ring->sim;
    bool loses = error == -EIO || error == -ENOSPC || error == -EDQUOT;
    int closed;

    if (request->sqe.opcode == WEFT__OP_CLOSE) {
        closed = weft__sim_fd_close(sim, request->sqe.fd);
        return closed < 0 ? closed : error;
    }
    if (request->sqe.opcode == WEFT__OP_FSYNC && loses && weft__sim_inode_behind(request->file))
        return weft__sim_file_sync(sim, request->file, error);
    return error;
}

int32_t weft__sim_draw_trouble(struct weft__sim_request *request, uint32_t *limit, bool *postponed)
{
    struct weft__sim *sim = request->ring->sim;
    struct weft__sim_rule *rule =
        sim->plan.rule_count ? rule_due(sim, request->sqe.opcode, made_on(request)) : NULL;
    int32_t error = 0;

    if (request->sqe.opcode == WEFT__OP_CLOSE)
        count_one(sim, WEFT__OP_CLOSE, made_on(request));
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
            if (rule->outcome == -EAGAIN) /* no result yet, where there is something to wait for */
                weft__sim_count_result(request);
            return fails_with(request, rule->outcome);
        }
    }
    if (weft__sim_chance(sim, &request->dice, WEFT__SIM_RESET))
        break_object(request);
    if (weft__sim_chance(sim, &request->dice, WEFT__SIM_ERRNO))
        error = weft__sim_errno_of(request);
    return error < 0 ? fails_with(request, error) : 0;
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

/* -- of a call that a worker makes ------------------------------------------------------------- */

static uint32_t some_bytes(struct weft__sim *sim)
{
    return 1 + (uint32_t)(weft__sim_draw(sim, &sim->running->dice, WEFT__SIM_SHORT) >> 40) % 1024;
}

/* A worker that hangs comes back all the same: nobody could ever end it. */
static int by_rule(struct weft__sim *sim, int outcome, uint32_t *length)
{
    if (outcome == WEFT__SIM_OUTCOME_SHORT)
        *length = 1;
    else if (outcome > 0)
        weft__sim_park_until(sim, "the disk", 0,
                             sim->now_ns +
                                 weft__sim_span(sim, &sim->running->dice, WEFT__SIM_DISK_STUCK_NS));
    return outcome < 0 ? outcome : 0;
}

int weft__sim_call_trouble(struct weft__sim *sim, uint8_t call, const struct weft__sim_file *file,
                           uint32_t *length)
{
    const struct weft__sim_legal *row = weft__sim_legal_of(call, WEFT__SIM_FOR_ANY);
    const struct weft__sim_dice *dice = &sim->running->dice;
    struct weft__sim_rule *rule = rule_due(sim, call, file);

    count_one(sim, call, file);
    if (rule)
        return by_rule(sim, rule->outcome, length);
    if (weft__sim_chance(sim, dice, WEFT__SIM_DISK_STUCK))
        (void)by_rule(sim, WEFT__SIM_OUTCOME_STUCK, length);
    if (*length > 1 && weft__sim_chance(sim, dice, WEFT__SIM_SHORT))
        *length = some_bytes(sim) < *length ? some_bytes(sim) : *length;
    return weft__sim_chance(sim, dice, WEFT__SIM_ERRNO)
               ? -row->errors[weft__sim_pick(sim, dice, WEFT__SIM_ERRNO,
                                             weft__sim_legal_count(row))]
               : 0;
}
