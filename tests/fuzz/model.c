/*
 * The laws of tasks and scopes; fuzz.h says which.
 */
#include "fuzz.h"

struct model model;

int task_index(const struct task *task)
{
    return (int)(task - model.tasks);
}

/* -- calls ----------------------------------------------------------------------------------- */

enum { ERRNO_BASE = 1000 };

void errno_mark(const struct task *task)
{
    errno = ERRNO_BASE + task_index(task);
}

void errno_check(const struct task *task)
{
    if (errno != ERRNO_BASE + task_index(task))
        broke("task %d has another's errno, %d", task_index(task), errno);
}

struct call call_begin(struct task *task)
{
    struct call call = {.task = task, .when = ++model.events};
    struct view view = view_of(task);

    call.before = weft_cancelled();
    call.drained = weft_draining();
    if (call.before && !(view.may & (1u << call.before)))
        broke("task %d is cancelled with cause %d for no known reason (%#x)", task_index(task),
              call.before, view.may);
    if (view.must && !call.before)
        broke("task %d does not see that it is cancelled (%#x)", task_index(task), view.may);
    if (!program.faults && !call.before && view.far_since < weft_now() - SOON_NS)
        broke("task %d has not heard of its cancellation", task_index(task));
    if (call.drained && !view.drain_may)
        broke("task %d sees a drain where there is none", task_index(task));
    if (view.drain_must && !call.drained)
        broke("task %d does not see the drain", task_index(task));
    call.begun = weft_now();
    errno_mark(task);
    return call;
}

/* Somebody was refused in there: the scopes from this one on outwards, of `t` and of those around
   it, hear of that. */
static void refused_inside(int scope, const struct task *t)
{
    while (t) {
        for (; scope != NOBODY; scope = model.scopes[scope].outer)
            model.scopes[scope].refusals++;
        if (t->caller != NOBODY) {
            t = &model.tasks[t->caller];
            scope = t->scope;
        } else {
            scope = t->home;
            t = model.scopes[scope].owner == NOBODY ? NULL
                                                    : &model.tasks[model.scopes[scope].owner];
        }
    }
}

static void note_refusal(struct task *task)
{
    task->refusals++;
    refused_inside(task->scope, task);
}

/* It may have been, and have come back with something else to say. */
void call_cut(struct task *task)
{
    note_refusal(task);
    task->refusals--;
    task->may_be_refused = true;
}

static void check_refused(const struct call *call, int flags)
{
    struct task *task = call->task;
    struct view view = view_of(task);
    unsigned cause = 1u << weft_cause();
    bool elsewhere = flags & (UNDER | NOT_MINE);

    if (elsewhere && (!call->before || (flags & SETTLED && weft_cause() == WEFT_CAUSE_NONE))) {
        if (weft_cancelled())
            call_cut(task);
        return;
    }
    if (weft_cause() == WEFT_CAUSE_NONE && program.faults && !call->before)
        return; /* the kernel did, for reasons of its own */
    if (weft_cause() == WEFT_CAUSE_NONE && flags & NOT_MINE && flags & SETTLED)
        return; /* what is waited for came to that, before */
    if (!(view.may & cause))
        broke("task %d was refused with cause %d for no known reason (%#x)", task_index(task),
              (int)weft_cause(), view.may);
    note_refusal(task);
    if (call->before)
        (void)view_look(task->scope, task, call->when, true);
}

void check_soon(const struct task *task, int64_t told, int64_t begun)
{
    int64_t since = told > begun ? told : begun;

    if (!program.faults && weft_now() - SOON_NS > since)
        broke("task %d was told to end its wait, and took %lld ns", task_index(task),
              (long long)(weft_now() - since));
}

/* In a world that is slow, but no worse, a wait ends soon after it was told to. */
static void check_prompt(const struct call *call, int flags)
{
    struct view view = view_of(call->task);
    int64_t told = WEFT_NEVER;

    if (view.must)
        told = view.must_since;
    if (view.far_since < told)
        told = view.far_since;
    if (view.drain_must && flags & IDLE && view.drain_since < told)
        told = view.drain_since;
    check_soon(call->task, told, call->begun);
}

int64_t call_end(const struct call *call, int64_t result, int flags)
{
    struct task *task = call->task;

    errno_check(task);
    if (!(flags & SLOW))
        check_prompt(call, flags);
    if (call->before && !(flags & SETTLED) && result != -ECANCELED)
        broke("task %d is cancelled, and its call came to %lld", task_index(task),
              (long long)result);
    if (result == -ECANCELED)
        check_refused(call, flags);
    if (result == -ETIMEDOUT && weft_cause() == WEFT_CAUSE_DEADLINE)
        call_cut(task); /* by what lies around it, too, for all we know */
    if (result == -ESHUTDOWN && flags & IDLE) {
        if (weft_cause() != WEFT_CAUSE_DRAIN || !view_of(task).drain_may)
            broke("task %d: an idle wait ended in no drain", task_index(task));
        note_refusal(task);
    }
    return result;
}

/* -- tasks ----------------------------------------------------------------------------------- */

struct task *task_new(int body)
{
    for (int i = 0; i < TASKS_MAX; i++) {
        struct task *task = &model.tasks[i];
        if (task->used || task->asked)
            continue;
        *task = (struct task){.asked = true,
                              .body = body,
                              .home = NOBODY,
                              .caller = NOBODY,
                              .scope = NOBODY,
                              .joins = NOBODY,
                              .dies_with = NOBODY};
        if (i >= model.task_count)
            model.task_count = i + 1;
        return task;
    }
    return NULL;
}

bool task_may_result(const struct task *task, int result)
{
    if (!task->returned && !task->dropped) /* never ran: what the other reactor answered */
        return task->remote && !task->began && result < 0;
    if (result == task->value)
        return true;
    if (task->value < 0 || !task->blurred || result >= 0)
        return false;
    if (result == -ETIMEDOUT)
        return true;
    for (int i = 0; i < model.task_count; i++) {
        const struct task *child = &model.tasks[i];
        if (child->used && child->home != NOBODY && child != task &&
            model.scopes[child->home].owner == task_index(task) && task_may_result(child, result))
            return true;
    }
    return false;
}

/* Told to end, and ended so: no failure. */
static bool excused(const struct task *task, bool maybe)
{
    if (task->value != -ECANCELED && task->value != -ESHUTDOWN)
        return false;
    return task->dropped || task->refusals > 0 || (maybe && task->may_be_refused);
}

static void child_failed(struct scope *home, int value)
{
    if (home->errors++ == 0)
        home->first_error = value;
    memmove(home->latest + 1, home->latest, sizeof home->latest - sizeof home->latest[0]);
    home->latest[0] = value;
    if (home->fail_fast)
        scope_cancelled(home, WEFT_CAUSE_SIBLING);
}

/* Its end is a message away, or comes after scopes that it left open, or its result is not known.
 */
static void child_ends_some_time(struct scope *home, const struct task *task)
{
    home->blurred = true;
    if (home->fail_fast && (task->blurred || task->value < 0))
        home->may |= CAUSE(SIBLING);
}

void task_ended(struct task *task, int value, bool dropped)
{
    bool open = task->scope != NOBODY;
    struct scope *home = task->home == NOBODY ? NULL : &model.scopes[task->home];

    if (task->returned || task->dropped)
        broke("task %d has ended twice", task_index(task));
    task->returned = !dropped;
    task->dropped = dropped;
    task->value = value;
    task->blurred |= open;
    if (!home)
        return;
    if (open || task->remote) {
        home->unsure++;
        child_ends_some_time(home, task);
        return;
    }
    task->end_known = true;
    home->ended++;
    if ((value >= 0 && task->blurred) ||
        (value < 0 && excused(task, true) && !excused(task, false)))
        child_ends_some_time(home, task);
    else if (value < 0 && !excused(task, false))
        child_failed(home, value);
}

void task_requested(struct task *task)
{
    bool hidden = false;
    int64_t now = weft_now();

    task->was_requested = true;
    if (task->requests++ == 0) {
        task->requested_at = now;
        task->requested_when = ++model.events;
    }
    for (int s = task->scope; s != NOBODY; s = model.scopes[s].outer) {
        hidden = false;
        for (int out = s; out != NOBODY; out = model.scopes[out].outer)
            hidden |= model.scopes[out].shield;
        for (int i = 0; i < model.task_count; i++) {
            struct task *child = &model.tasks[i];
            if (!child->used || child->home != s || child->returned || child->dropped)
                continue;
            if (child->remote) {
                child->asked_to_end |= !hidden;
            } else if (!hidden && !child->inherited_must) {
                child->inherited_may = child->inherited_must = true;
                child->inherited_at = now;
                child->inherited_when = ++model.events;
            }
        }
    }
}

/* -- scopes ---------------------------------------------------------------------------------- */

int scope_new(struct task *owner, bool fail_fast, bool shield, int64_t deadline, uint32_t max)
{
    int index = model.scope_count++;
    struct scope *scope = &model.scopes[index];

    scope->used = scope->open = true;
    scope->scope = &scope->memory;
    scope->owner = owner ? task_index(owner) : NOBODY;
    scope->outer = owner ? owner->scope : NOBODY;
    scope->reactor = owner ? owner->reactor : index;
    scope->fail_fast = fail_fast;
    scope->shield = shield;
    scope->deadline = deadline;
    scope->max = max;
    scope->soft = scope->hard = WEFT_NEVER;
    if (owner)
        owner->scope = index;
    return index;
}

void scope_cancelled(struct scope *scope, enum weft_cause cause)
{
    bool hard;

    if (!scope_causes(scope, weft_now(), &hard))
        scope->first = 1u << cause;
    scope->may |= 1u << cause;
    if (scope->must)
        return;
    scope->must = true;
    scope->must_at = weft_now();
    scope->must_when = ++model.events;
}

void check_counts(const struct scope *scope)
{
    int most = scope->spawned - scope->ended, least = most - scope->unsure, alive;

    if (scope->owner == NOBODY)
        return; /* a root, where also those are that run for somebody elsewhere */
    for (int i = 0; i < model.task_count; i++) {
        const struct task *child = &model.tasks[i];
        least -= child->used && child->home == scope - model.scopes && child->remote &&
                 !child->began && !child->dropped && !child->end_known; /* refused over there */
    }
    alive = (int)weft_scope_tasks(scope->scope);
    if (alive < least || alive > most)
        broke("scope %d has %d children, and should have %d to %d", (int)(scope - model.scopes),
              alive, least, most);
    if (scope->max && alive > (int)scope->max)
        broke("scope %d has %d children, at most %u", (int)(scope - model.scopes), alive,
              scope->max);
}

static void check_all_ended(int index)
{
    for (int i = 0; i < model.task_count; i++) {
        struct task *child = &model.tasks[i];
        if (!child->used || child->home != index)
            continue;
        if (child->began ? !child->returned : !child->dropped && !child->remote)
            broke("scope %d has closed, and its child %d has not ended", index, i);
        if (!child->began && child->remote)
            refused_inside(index, &model.tasks[model.scopes[index].owner]); /* on its way */
        child->end_known = true;
        child->consumed = true; /* its handle is stale */
    }
    for (int i = 0; i < model.defer_count; i++)
        if (model.defers[i].scope == index && !model.defers[i].ran)
            broke("scope %d has closed, and its clean-up action %d has not run", index, i);
}

static bool a_child_may_result(int index, int result)
{
    for (int i = 0; i < model.task_count; i++) {
        const struct task *child = &model.tasks[i];
        if (child->used && child->home == index && task_may_result(child, result) &&
            !excused(child, false))
            return true;
    }
    return false;
}

static void check_edge(const struct scope *scope, struct task *task, int result)
{
    int index = (int)(scope - model.scopes);
    bool hard;
    unsigned own = scope_causes(scope, weft_now(), &hard);
    struct view outer = view_look(scope->outer, task, UINT64_MAX, false);
    bool allowed = scope->fail_fast && result < 0 && a_child_may_result(index, result);

    if (scope->fail_fast && scope->errors > 0 && !scope->blurred && result != scope->first_error)
        broke("scope %d closed with %d; its first failure was %d", index, result,
              scope->first_error);
    if (result == -ETIMEDOUT)
        allowed |= own & CAUSE(DEADLINE) && scope->refusals > 0;
    if (result == -ECANCELED)
        allowed |= (outer.may || task->uncancelled) && scope->refusals > 0 &&
                   (!scope->shield || weft_now() >= scope->deadline);
    if (result == 0) {
        allowed = !(scope->fail_fast && scope->errors > 0);
        if (scope->cut && !own && !scope->shield)
            broke("scope %d closed with 0: a cancellation from further out was eaten", index);
    }
    if (!allowed)
        broke("scope %d closed with %d: own causes %#x, outer %#x, %d refused inside, %d failed",
              index, result, own, outer.may, scope->refusals, scope->errors);
}

void scope_closed(struct task *task, int result)
{
    int index = task->scope;
    struct scope *scope = &model.scopes[index];

    check_all_ended(index);
    scope->open = false;
    if (result != NO_RESULT)
        check_edge(scope, task, result);
    else
        task->blurred |= scope->errors > 0 || scope->blurred || scope->deadline != WEFT_NEVER;
    task->scope = scope->outer;
    if (result != -ECANCELED)
        return;
    if (!scope->fail_fast || !a_child_may_result(index, result))
        task->refusals++; /* told so by the edge */
    else if (scope->blurred)
        task->may_be_refused = true;
}

/* -- the end --------------------------------------------------------------------------------- */

void model_reset(void)
{
    int tasks = model.task_count, scopes = model.scope_count;

    memset(model.tasks, 0, (size_t)tasks * sizeof model.tasks[0]);
    memset(model.scopes, 0, (size_t)scopes * sizeof model.scopes[0]);
    memset(&model.ends, 0, sizeof model - offsetof(struct model, ends));
    model.stopped_at = model.main_over_at = WEFT_NEVER;
    for (int i = 0; i < program.reactors; i++)
        scope_new(NULL, false, false, WEFT_NEVER, 0);
}

void model_check_end(void)
{
    for (int i = 0; i < model.task_count; i++) {
        const struct task *task = &model.tasks[i];
        if (task->used && task->began != task->returned)
            broke("task %d has begun and not returned", i);
        if (task->used && !task->returned && !task->dropped && (!task->remote || task->has_drop))
            broke("task %d was taken, and neither run nor dropped", i);
    }
    for (int i = 0; i < model.post_count; i++) {
        const struct post *post = &model.posts[i];
        if (post->ran + post->dropped != post->taken)
            broke("post %d: taken %d, ran %d, dropped %d times", i, post->taken, post->ran,
                  post->dropped);
    }
    for (int i = 0; i < model.defer_count; i++)
        if (model.defers[i].ran != 1)
            broke("clean-up action %d ran %d times", i, model.defers[i].ran);
    if (!model.returned)
        broke("the run has not returned");
}
