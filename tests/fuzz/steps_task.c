/*
 * Steps on tasks: spawn, call, join, cancel, sleep; and how a task runs its stretch.
 */
#include "objects.h"
#include "steps.h"

enum { TIMER_SLACK_NS = 8192 }; /* a timer is late by 1,024 ns at most, and the clock costs time */

/* -- bodies ---------------------------------------------------------------------------------- */

size_t arg_fill(struct task_arg *arg, const struct task *task, int choice)
{
    static const uint32_t sizes[] = {8, 24, 200, sizeof *arg};

    arg->task = task_index(task);
    arg->size = sizes[choice % 4];
    for (uint32_t i = 0; i < arg->size - 8; i++)
        arg->filler[i] = (unsigned char)(i * 7 + (uint32_t)arg->task);
    return arg->size;
}

/* The argument is a copy, whole and where it may be used as any type. */
static struct task *task_of(void *memory)
{
    const struct task_arg *arg = memory;

    if ((uintptr_t)memory % 16 != 0)
        broke("an argument at %p", memory);
    for (uint32_t i = 0; i < arg->size - 8; i++)
        if (arg->filler[i] != (unsigned char)(i * 7 + (uint32_t)arg->task))
            broke("the argument of task %d is not what it was", arg->task);
    return &model.tasks[arg->task];
}

void task_drop(void *arg)
{
    struct task *task = task_of(arg);

    if (task->began)
        broke("task %d is dropped, and has begun", task_index(task));
    if (!view_of(task).may)
        broke("task %d is dropped for no known reason", task_index(task));
    task_ended(task, -ECANCELED, true);
}

int task_main(void *arg)
{
    struct task *task = task_of(arg);
    bool left = false;
    int result;

    if (task->began || task->dropped)
        broke("task %d begins again", task_index(task));
    task->began = true;
    task->reactor = (int)weft_reactor_index();
    task->self = weft_current_task();
    model.scopes[task->reactor].scope = weft_root();
    context_check(task);
    result = run_steps(task, program.body[task->body].first, program.body[task->body].count, &left);
    for (int s = task->scope; s != NOBODY; s = model.scopes[s].outer) {
        model.scopes[s].may |= CAUSE(CANCEL); /* left open: cancelled and joined */
        model.scopes[s].closing = true;
    }
    lock_ended(task);
    task_ended(task, result, false);
    return result;
}

/* -- spawning -------------------------------------------------------------------------------- */

struct spawning {
    struct task *task, *child;
    struct scope *scope;
    struct weft_spawn_opt opt;
    bool nowait, create, near;
    int to; /* reactor, or NOBODY */
};

static bool may_be_full(const struct scope *scope)
{
    return scope->max && scope->spawned - scope->ended + 1 > (int)scope->max - scope->waiting;
}

static void check_refused_spawn(const struct spawning *s, int result)
{
    const struct scope *scope = s->scope;
    bool reason = program.faults;

    if (result == -EAGAIN)
        reason |= s->nowait && may_be_full(scope);
    else if (result == -ECANCELED)
        reason |= view_of(s->task).may || view_of_scope(scope, UINT64_MAX).may;
    else if (result == -ESHUTDOWN)
        reason |= view_of_scope(scope, UINT64_MAX).drain_may;
    else if (result == -EPERM)
        reason |= scope->reactor != s->task->reactor;
    else if (result == -ERANGE)
        reason |= s->to >= program.reactors;
    else if (result == -EDEADLK)
        reason |= scope->max == 1 && s->task->home == (int)(scope - model.scopes);
    if (!reason)
        broke("task %d may not spawn into scope %d: %s", task_index(s->task),
              (int)(scope - model.scopes), strerror(-result));
}

/* Room that was handed over counts, though what lies around the scope was cancelled meanwhile. */
static void spawned(const struct spawning *s, const struct call *call)
{
    struct scope *scope = s->scope;
    struct task *child = s->child;

    if (scope->reactor != s->task->reactor || s->to >= program.reactors)
        broke("a spawn that must be refused");
    if (!scope->open)
        broke("a child of a scope that has closed");
    if (scope->draining || scope->must || view_of_scope(scope, call->when).must)
        broke("task %d starts in scope %d, which %s", task_index(child),
              (int)(scope - model.scopes), scope->draining ? "drains" : "is cancelled");
    child->used = true;
    child->home = (int)(scope - model.scopes);
    child->near = s->task->reactor;
    child->remote = !s->near;
    child->reactor = s->to;
    scope->spawned++;
    check_counts(scope);
}

static int spawn(struct spawning *s, int arg_choice)
{
    struct task_arg arg;
    size_t size = arg_fill(&arg, s->child, arg_choice);
    struct call call = call_begin(s->task);
    struct view place;
    int result;

    context_inherit(s->child, s->task);
    s->scope->waiting += !s->nowait;
    result = s->create   ? weft_create_task(task_main, &arg, size, &s->opt)
             : s->nowait ? weft_spawn_nowait(s->scope->scope, task_main, &arg, size, &s->opt)
                         : weft_spawn(s->scope->scope, task_main, &arg, size, &s->opt);
    s->scope->waiting -= !s->nowait;
    call_end(&call, result, NOT_MINE);
    place = view_of_scope(s->scope, UINT64_MAX);
    check_soon(s->task, place.must ? place.must_since : WEFT_NEVER, call.begun);
    s->child->asked = false;
    if (result == 0)
        spawned(s, &call);
    else
        check_refused_spawn(s, result);
    return result;
}

/* Where a child may be put: see the names in program.c. */
static struct scope *place_of(const struct task *task, uint8_t where)
{
    int own = task->scope;

    switch (where % 8) {
    case 3:
        return pick_scope(task, where, true, false);
    case 4:
        return pick_scope(task, where, false, false);
    case 5:
        return &model.scopes[task->reactor];
    case 7:
        return pick_scope(task, where, false, true);
    default:
        return &model.scopes[own != NOBODY ? own : task->reactor];
    }
}

static void choose_reactor(struct spawning *s, const struct step *step)
{
    s->to = s->task->reactor;
    s->near = true;
    if (step->b / 8 % 4 == 1) {
        s->to = step->c % (program.reactors + (step->c % 16 == 0));
        s->opt.reactor = WEFT_ON(s->to);
        s->near = s->to == s->task->reactor;
    } else if (step->b / 8 % 4 == 2) {
        s->to = program.reactors > 1 ? NOBODY : 0;
        s->opt.reactor = WEFT_LEAST_LOADED;
        s->near = program.reactors == 1;
    }
}

int step_spawn(struct task *task, const struct step *step)
{
    static const size_t stacks[] = {0, 0, 60000, 200000};
    struct spawning s = {.task = task, .opt = {.size = sizeof s.opt}};

    s.scope = place_of(task, step->b);
    s.child = s.scope ? task_new(step->a % program.bodies) : NULL;
    if (!s.child)
        return 0;
    choose_reactor(&s, step);
    s.nowait = step->b & 0x80;
    s.create = step->b % 8 == 6 && !s.nowait;
    s.child->has_handle = step->b & 0x20;
    s.child->has_drop = step->b & 0x40;
    if (s.child->has_handle)
        s.opt.task = &s.child->handle;
    if (s.child->has_drop)
        s.opt.drop = task_drop;
    s.opt.stack_size = stacks[step->c / 16 % 4];
    return spawn(&s, step->c / 64);
}

int step_call(struct task *task, const struct step *step)
{
    int to = step->b % (program.reactors + (step->b % 16 == 0)), result;
    struct task *child = task_new(step->a % program.bodies);
    struct task_arg arg;
    size_t size;
    struct call call;

    if (!child)
        return 0;
    child->asked = false;
    child->used = child->remote = true;
    child->caller = task_index(task);
    child->near = task->reactor;
    child->reactor = to;
    size = arg_fill(&arg, child, step->c);
    context_inherit(child, task);
    call = call_begin(task);
    result = weft_call((uint32_t)to, task_main, &arg, size);
    call_end(&call, result, NOT_MINE | SLOW | (call.before ? PLAIN : SETTLED));
    if (weft_cancelled() || result == -ESHUTDOWN)
        call_cut(task); /* through the one called */
    if (child->began && !child->returned)
        broke("a call has returned, and its task %d has not", task_index(child));
    if (child->began && (call.before || !task_may_result(child, result)))
        broke("a call came to %d, and its task to %d", result, child->value);
    if (!child->began && result != -ECANCELED && result != -ESHUTDOWN && !program.faults &&
        !(result == -ERANGE && to >= program.reactors))
        broke("a call came to %d, and ran nothing", result);
    return result;
}

/* -- handles --------------------------------------------------------------------------------- */

struct task *pick_task(uint8_t choice)
{
    for (int i = 0; i < model.task_count; i++) {
        struct task *task = &model.tasks[(choice + i) % model.task_count];
        if (task->used && (task->has_handle || task->began))
            return task;
    }
    return NULL;
}

/* The handle that the spawn gave, if one was asked for, else the task's own. Of one on another
   reactor the first names who stands in for it here. */
weft_task handle_of(const struct task *task, bool *of_stand_in)
{
    *of_stand_in = task->has_handle && task->home != NOBODY;
    return *of_stand_in ? task->handle : task->self;
}

struct handle {
    weft_task value;
    bool stands_in;
    int reactor;  /* of who it names */
    bool ended;   /* for certain */
    bool may_end; /* it may have, by now */
    bool stale;   /* for certain */
    bool kept;    /* until it is joined or its scope closed */
    bool orphan;  /* its scope was left open and closes some time, or it is joined now */
};

static struct handle handle(const struct task *target)
{
    struct handle handle;

    handle.value = handle_of(target, &handle.stands_in);
    handle.reactor = handle.stands_in ? target->near : target->reactor;
    handle.kept = handle.stands_in;
    handle.orphan = target->home != NOBODY && model.scopes[target->home].closing;
    handle.orphan |= target->in_joins > 0;
    handle.ended = target->end_known;
    handle.may_end = target->returned || target->dropped || (target->remote && !target->began);
    handle.stale = target->consumed || (handle.ended && !handle.kept);
    return handle;
}

static void check_handle(const struct task *task, const struct handle *handle, int result)
{
    bool far = handle->reactor != task->reactor;

    if ((result == -EXDEV) != far)
        broke("a handle of reactor %d on reactor %d: %d", handle->reactor, task->reactor, result);
    if (result == -ESTALE && !handle->stale && !handle->orphan &&
        (handle->kept || !handle->may_end))
        broke("a handle went stale too early");
    if (!far && handle->stale && result != -ESTALE)
        broke("a handle that is used up answers %d", result);
}

/* -- joining --------------------------------------------------------------------------------- */

/* Does `target` wait, by joins, for the task or for one that it is a descendant of? */
static bool waits_for(const struct task *target, const struct task *task, bool local)
{
    for (int hops = 0; target && hops < TASKS_MAX; hops++) {
        for (const struct task *a = task; a;) {
            const struct scope *home = a->home == NOBODY ? NULL : &model.scopes[a->home];
            if (a == target)
                return true;
            if (local && a->remote)
                break;
            a = a->caller != NOBODY             ? &model.tasks[a->caller]
                : home && home->owner != NOBODY ? &model.tasks[home->owner]
                                                : NULL;
        }
        target = !local && target->joins != NOBODY ? &model.tasks[target->joins] : NULL;
    }
    return false;
}

/* Somebody may wait for the children of a scope, which the model does not follow. */
static bool someone_closes(void)
{
    for (int i = 0; i < SCOPES_MAX; i++)
        if (model.scopes[i].used && model.scopes[i].closing)
            return true;
    return false;
}

static void joined(struct task *target, int value, bool consumes)
{
    if (!target->returned && !target->dropped && !(target->remote && !target->began))
        broke("task %d is joined, and has not ended", task_index(target));
    if (!task_may_result(target, value))
        broke("task %d is joined with %d, and came to %d", task_index(target), value,
              target->value);
    if (!target->end_known && target->home != NOBODY && target->has_handle) {
        target->end_known = true;
        model.scopes[target->home].ended++;
        if (target->returned || (target->dropped && target->remote))
            model.scopes[target->home].unsure--;
    }
    target->consumed |= consumes;
}

int step_join(struct task *task, const struct step *step)
{
    struct task *target = pick_task(step->a);
    bool consumes = step->b % 2 == 0, deadlock;
    struct handle named;
    struct call call;
    int result, value = 0;

    if (!target)
        return 0;
    named = handle(target);
    deadlock = !named.stale && !named.may_end && waits_for(target, task, true) &&
               (!target->remote || task == target);
    call = call_begin(task);
    task->joins = task_index(target);
    target->in_joins += consumes;
    result = (consumes ? weft_join : weft_await)(named.value, &value);
    task->joins = NOBODY;
    target->in_joins -= consumes;
    call_end(&call, result,
             named.may_end || named.stale || result == -EXDEV || result == -ESTALE ? SETTLED
                                                                                   : PLAIN);
    if (named.ended && !named.stale && result == -ECANCELED)
        broke("task %d has ended, and a join was refused", task_index(target));
    if (result == -EDEADLK && !waits_for(target, task, false) && model.gathering == 0 &&
        !someone_closes())
        broke("task %d would not wait for itself", task_index(task));
    if (deadlock && !call.before && result != -EDEADLK && result != -EXDEV)
        broke("task %d waits for itself: %d", task_index(task), result);
    if (result != 0 && result != -ECANCELED && result != -EDEADLK && result != -ESTALE &&
        result != -EXDEV)
        broke("a join came to %d", result);
    if (result == 0 && named.stale)
        broke("a handle was joined twice");
    if (result == 0)
        joined(target, value, consumes);
    else if (result == -ESTALE || result == -EXDEV) {
        struct handle now = handle(target);
        check_handle(task, &now, result);
    }
    return result == 0 ? value : result;
}

int step_cancel(struct task *task, const struct step *step)
{
    struct task *target = pick_task(step->a);
    struct handle named;
    int result;

    if (!target)
        return 0;
    named = handle(target);
    result = weft_cancel(named.value);
    check_handle(task, &named, result);
    if (result == 0 && !named.may_end)
        broke("task %d goes on, and cannot be cancelled", task_index(target));
    if (result == 1 && named.ended)
        broke("task %d has ended, and can be cancelled", task_index(target));
    if (result == 1 && named.stands_in && target->remote) {
        target->asked_to_end = true;
        target->told_at = target->told_at ? target->told_at : weft_now();
    } else if (result == 1) {
        task_requested(target);
    }
    return result;
}

int step_uncancel(struct task *task, const struct step *step)
{
    bool exact = !task->asked_to_end;
    int result;

    (void)step;
    if (task->owned > 0)
        return 0; /* who waits for its end may wait for ever, and rightly so */
    result = weft_uncancel();
    if (exact && result != (task->requests > 0 ? task->requests - 1 : -EINVAL))
        broke("task %d had %d requests, and one taken back leaves %d", task_index(task),
              task->requests, result);
    if (!exact && task->requests > 0 && result < task->requests - 1)
        broke("task %d had %d requests at least, and one taken back leaves %d", task_index(task),
              task->requests, result);
    task->uncancelled |= result >= 0;
    task->told_at = 0;
    task->requests = result > 0 ? result : 0;
    return result;
}

/* -- time ------------------------------------------------------------------------------------ */

/* It came back through the ready queue: what was ready when it began has run. */
static void passed(const struct task *task, const struct call *call)
{
    if (call->when > model.passed[task->reactor])
        model.passed[task->reactor] = call->when;
}

static int sleep_until(struct task *task, int64_t deadline, int64_t ns)
{
    bool waits = deadline - weft_now() > TIMER_SLACK_NS; /* it will, and not just give way */
    struct call call = call_begin(task);
    int result = ns >= 0 ? weft_sleep(ns) : weft_sleep_until(deadline);
    struct view view;

    call_end(&call, result, PLAIN);
    if (result != 0)
        return result;
    passed(task, &call);
    if (weft_now() < deadline)
        broke("task %d slept too short", task_index(task));
    if (!waits || (program.faults && weft_now() > deadline + TIMER_SLACK_NS))
        return 0; /* or the clock has jumped, maybe before the sleep began */
    view = view_of(task);
    if (view.must && view.must_since < deadline - TIMER_SLACK_NS)
        broke("task %d slept through a cancellation", task_index(task));
    if (view.due_since < deadline - TIMER_SLACK_NS)
        broke("task %d slept through a deadline", task_index(task));
    return 0;
}

int step_sleep(struct task *task, const struct step *step)
{
    int64_t ns = span_of(step->a);

    return sleep_until(task, weft_after_ns(ns), ns);
}

int step_sleep_until(struct task *task, const struct step *step)
{
    return sleep_until(task, weft_after_ns(span_of(step->a) - 1000), -1);
}

int step_yield(struct task *task, const struct step *step)
{
    struct call call = call_begin(task);
    int result = (int)call_end(&call, weft_yield(), PLAIN);

    (void)step;
    if (result == 0)
        passed(task, &call);
    return result;
}

int step_stop(struct task *task, const struct step *step)
{
    int result = weft_stop();

    (void)task;
    (void)step;
    if (model.stopped_at == WEFT_NEVER)
        model.stopped_at = weft_now();
    return result;
}
