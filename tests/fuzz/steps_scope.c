/*
 * Steps on scopes: open, close, cancel, reschedule, drain, shield, clean up, leave; and the walk
 * through a stretch, since a block of steps may stand in a WEFT_SCOPE.
 */
#include "steps.h"

static bool may_pick(const struct scope *scope, const struct task *task, bool mine, bool any)
{
    if (!scope->open || scope->closing || !scope->scope)
        return false;
    if (mine)
        return scope->owner == task_index(task);
    return any || scope->reactor == task->reactor;
}

struct scope *pick_scope(const struct task *task, uint8_t choice, bool mine, bool any)
{
    int own = model.scope_count - program.reactors;

    for (int i = 0; i < own; i++) { /* roots are not picked by this */
        struct scope *scope = &model.scopes[program.reactors + (choice / 8 + i) % own];
        if (may_pick(scope, task, mine, any))
            return scope;
    }
    return NULL;
}

/* -- opening and closing --------------------------------------------------------------------- */

static int64_t deadline_of(uint8_t choice)
{
    if (choice % 4 < 2)
        return choice % 8 == 0 ? 1 : 0; /* "at once", or none */
    return weft_after_ns(span_of(choice / 4));
}

static uint32_t limit_of(uint8_t choice)
{
    return choice % 3 == 0 ? 1 + choice / 3 % 3 : 0;
}

/* Room in the model for one more, and for those of clean-up actions. */
static bool room(void)
{
    return model.scope_count + DEFERS_MAX < SCOPES_MAX;
}

/* A deadline that had passed when it was set. */
static void set_deadline(struct scope *scope, int64_t deadline, int64_t before)
{
    scope->deadline = deadline ? deadline : WEFT_NEVER;
    if (scope->deadline <= before && !scope->shield)
        scope_cancelled(scope, WEFT_CAUSE_DEADLINE);
}

int step_open(struct task *task, const struct step *step)
{
    struct weft_scope_opt opt = {.size = sizeof opt,
                                 .on_error = step->a % 2 ? WEFT_KEEP_GOING : WEFT_FAIL_FAST,
                                 .deadline = deadline_of(step->b),
                                 .max_tasks = limit_of(step->c)};
    int64_t before = weft_now();
    struct scope *scope;
    int result;

    if (!room())
        return 0;
    scope = &model.scopes[scope_new(task, step->a % 2 == 0, false, WEFT_NEVER, opt.max_tasks)];
    result = weft_scope_open(scope->scope, &opt);
    if (result < 0)
        broke("a scope cannot be opened: %d", result);
    set_deadline(scope, opt.deadline, before);
    return 0;
}

int step_shield(struct task *task, const struct step *step)
{
    int64_t deadline = weft_after_ns(span_of(step->a));
    struct scope *scope;
    int result;

    if (!room())
        return 0;
    scope = &model.scopes[scope_new(task, false, true, deadline, 0)];
    result = weft_shield_open(scope->scope, deadline);
    if (result < 0)
        broke("a shield cannot be opened: %d", result);
    return 0;
}

/* May be closed and rescheduled by steps: not a block's, which closes itself, and not the outermost
   one of the main task, by whose deadline everything ends. */
static bool is_plain(const struct scope *scope)
{
    return scope->scope == &scope->memory && scope != &model.scopes[program.reactors];
}

int step_close_scope(struct task *task, const struct step *step)
{
    struct scope *scope = task->scope == NOBODY ? NULL : &model.scopes[task->scope];
    int result;

    (void)step;
    if (!scope || !is_plain(scope))
        return 0;
    errno_mark(task);
    result = weft_scope_close(scope->scope);
    errno_check(task);
    scope_closed(task, result);
    return result;
}

/* -- asking and changing --------------------------------------------------------------------- */

int step_scope_cancel(struct task *task, const struct step *step)
{
    struct scope *scope = pick_scope(task, step->a, step->b % 2, step->b % 16 == 0);
    bool here = scope && scope->reactor == task->reactor;
    int result;

    if (!scope)
        return 0;
    result = weft_scope_cancel(scope->scope);
    if ((result == -EPERM) == here || (result == 1 && scope->must) || result < -EPERM)
        broke("cancelling scope %d: %d", (int)(scope - model.scopes), result);
    if (result == 0 && !scope->may && weft_now() < scope->deadline && !scope->draining)
        broke("scope %d is cancelled already, for no known reason", (int)(scope - model.scopes));
    if (result == 1)
        scope_cancelled(scope, WEFT_CAUSE_CANCEL);
    return result;
}

int step_reschedule(struct task *task, const struct step *step)
{
    struct scope *scope = pick_scope(task, step->a, step->a % 2, false);
    int64_t deadline, before, was;
    int result;

    if (!scope || !is_plain(scope))
        return 0;
    deadline = scope->shield || step->b % 4 ? weft_after_ns(span_of(step->b / 4)) : WEFT_NEVER;
    before = weft_now();
    was = scope->deadline;
    result = weft_scope_reschedule(scope->scope, deadline);
    if (result == -EALREADY ? before < was : result != 0)
        broke("scope %d cannot be rescheduled: %d", (int)(scope - model.scopes), result);
    if (result == 0)
        set_deadline(scope, deadline, before);
    return result;
}

int step_errors(struct task *task, const struct step *step)
{
    struct scope *scope = pick_scope(task, step->a, step->a % 2, false);
    int errors[4], first;
    uint32_t count;

    if (!scope)
        return 0;
    check_counts(scope);
    count = weft_scope_errors(scope->scope, errors, 4);
    first = weft_scope_error(scope->scope);
    if (scope->blurred ? count < (uint32_t)scope->errors : count != (uint32_t)scope->errors)
        broke("scope %d counts %u failures, %d are known", (int)(scope - model.scopes), count,
              scope->errors);
    if (!scope->blurred && first != (scope->errors ? scope->first_error : 0))
        broke("scope %d's first failure is %d", (int)(scope - model.scopes), first);
    for (uint32_t i = 0; !scope->blurred && i < count && i < 4; i++)
        if (errors[i] != scope->latest[i])
            broke("scope %d says that failure %u, counted from the latest, was %d, and it was %d",
                  (int)(scope - model.scopes), i, errors[i], scope->latest[i]);
    if (count == 1 && errors[0] != first)
        broke("scope %d's only failure is %d, and the first %d", (int)(scope - model.scopes),
              errors[0], first);
    return first;
}

int step_drain(struct task *task, const struct step *step)
{
    struct scope *scope = pick_scope(task, step->a, true, false);
    int64_t soft = weft_after_ns(span_of(step->b)), hard = soft + span_of(step->c), now;
    int result;

    if (!scope)
        return 0;
    if (!scope->draining)
        scope->drain_at = weft_now();
    scope->draining = true;
    scope->soft = scope->soft < soft ? scope->soft : soft;
    scope->hard = scope->hard < hard ? scope->hard : hard;
    result = weft_scope_drain(scope->scope, soft, hard);
    now = weft_now();
    if (result < 0 || result > scope->spawned || (result > 0 && now < scope->soft))
        broke("a drain came to %d, %lld ns after its soft deadline", result,
              (long long)(now - scope->soft));
    for (int i = 0; i < model.task_count; i++) {
        const struct task *child = &model.tasks[i];
        if (child->used && child->home == (int)(scope - model.scopes) &&
            (child->began ? !child->returned : !child->dropped && !child->remote))
            broke("a drain has ended, and task %d has not", i);
    }
    if (weft_scope_tasks(scope->scope) != 0)
        broke("a drain has ended, and %u children have not", weft_scope_tasks(scope->scope));
    return result;
}

/* -- clean-up actions ------------------------------------------------------------------------ */

enum { DEFER_BOUND_MS = 10000 - 1 };

/* In a shield of the library's own. */
static void cleans_up(void *arg)
{
    struct defer *defer = arg;
    struct scope *scope = &model.scopes[defer->scope];
    struct task *task = &model.tasks[defer->task];
    int shield;

    while (task->scope != defer->scope) /* left open inside: closed by now */
        scope_closed(task, NO_RESULT);
    if (defer->ran++ || defer->position != --scope->defer_count)
        broke("clean-up action %d of scope %d runs out of order", defer->position, defer->scope);
    /* while one of them waits there may come new children */
    for (int i = 0; i < model.task_count && !scope->cleaning; i++)
        if (model.tasks[i].used && model.tasks[i].home == defer->scope && model.tasks[i].began &&
            !model.tasks[i].returned)
            broke("scope %d cleans up, and its child %d has not ended", defer->scope, i);
    scope->cleaning = true;
    shield = scope_new(task, false, true, weft_after_ms(DEFER_BOUND_MS), 0);
    model.scopes[shield].scope = NULL;
    if (defer->sleeps) {
        struct call call = call_begin(task);
        call_end(&call, weft_sleep(50000), PLAIN);
    }
    task->scope = model.scopes[shield].outer;
    model.scopes[shield].open = false;
}

int step_defer(struct task *task, const struct step *step)
{
    struct defer *defer = &model.defers[model.defer_count];
    struct scope *scope = task->scope == NOBODY ? NULL : &model.scopes[task->scope];
    int result;

    if (!scope || !scope->scope || scope->defer_count == 4 || model.defer_count == DEFERS_MAX)
        return 0;
    *defer = (struct defer){.task = task_index(task),
                            .scope = task->scope,
                            .position = scope->defer_count,
                            .sleeps = step->a % 2};
    result = weft_scope_defer(scope->scope, cleans_up, defer);
    if (result < 0)
        broke("a clean-up action is refused: %d", result);
    model.defer_count++;
    scope->defer_count++;
    return 0;
}

/* -- blocks and bodies ----------------------------------------------------------------------- */

static int returned(const struct task *task, const struct step *step)
{
    static const int values[] = {0, 7, 100000, -EPROTO, -ENOENT, -EILSEQ, -ECANCELED, -ESHUTDOWN};

    if (step->b % 2)
        return task->last;
    return values[step->a % 8];
}

/* Inside of WEFT_SCOPE; `return` leaves it early, which cancels and joins. */
static int block_body(struct task *task, const struct step *step, int index, int first, int count,
                      bool *left)
{
    struct scope *scope = &model.scopes[index];
    int64_t deadline = deadline_of(step->b), before = weft_now();

    WEFT_SCOPE(s, .on_error = scope->fail_fast ? WEFT_FAIL_FAST : WEFT_KEEP_GOING,
               .deadline = deadline, .max_tasks = scope->max) {
        int result;
        scope->scope = &s;
        set_deadline(scope, deadline, before);
        result = run_steps(task, first, count, left);
        for (int i = task->scope; i != scope->outer; i = model.scopes[i].outer) {
            model.scopes[i].closing = true;
            if (*left || task->scope != index)
                model.scopes[i].may |= CAUSE(CANCEL);
        }
        if (*left)
            return result;
    }
    return 0;
}

static int block(struct task *task, const struct step *step, int first, int count, bool *left)
{
    int index = scope_new(task, step->c % 2 == 0, false, WEFT_NEVER, limit_of(step->c / 2));
    int outer = model.scopes[index].outer, result;

    task->depth++;
    model.scopes[index].scope = NULL; /* not yet */
    result = block_body(task, step, index, first, count, left);
    while (task->scope != outer)
        scope_closed(task, NO_RESULT);
    task->depth--;
    return result;
}

/* Runs steps of a stretch; *left: one of them returned from the body, with this value. */
int run_steps(struct task *task, int first, int count, bool *left)
{
    int result = 0;

    for (int i = first; i < first + count && !*left; i++) {
        const struct step *step = &program.steps[i];
        task->at = i;
        steps_run++;
        if (step->kind == KIND_RETURN) {
            *left = true;
            return returned(task, step);
        }
        if (step->kind == KIND_BLOCK) {
            int inside = step->a % 6;
            if (inside > first + count - 1 - i)
                inside = first + count - 1 - i;
            if (task->depth == BLOCKS_MAX || !room())
                continue;
            result = block(task, step, i + 1, inside, left);
            i += inside;
        } else if (kinds[step->kind].run) {
            task->last = kinds[step->kind].run(task, step);
        }
    }
    return result;
}
