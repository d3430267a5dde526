/*
 * What a task sees of cancellations and drains: for certain, and perhaps.
 *
 * It is worked out anew each time, by walking up from the task; nothing is kept that could be out
 * of date.
 */
#include "fuzz.h"

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When the roots are cancelled, at the earliest. */
static int64_t stop_from(void)
{
    int64_t drained =
        model.stopped_at == WEFT_NEVER ? WEFT_NEVER : model.stopped_at + program.drain_ns;

    return earlier(drained, model.main_over_at);
}

/* What the scope may be cancelled with, by itself; *hard: and maybe through shields. */
unsigned scope_causes(const struct scope *scope, int64_t now, bool *hard)
{
    unsigned may = scope->may;

    *hard = scope->draining && now >= scope->hard;
    if (scope->owner == NOBODY && now >= stop_from()) {
        may |= CAUSE(STOP);
        *hard = now >= stop_from() + program.cancel_ns / 2;
    }
    if (!scope->shield && now >= scope->deadline)
        may |= CAUSE(DEADLINE);
    if (scope->draining && now >= scope->soft)
        may |= CAUSE(DRAIN);
    return scope->first ? scope->first : may;
}

/* How far the walk has come, and what can be seen from below there. */
struct walk {
    struct view *view;
    int64_t now;
    uint64_t until;   /* events after this one do not count for certain */
    bool sure;        /* no message lies between */
    bool hidden_must; /* a shield does */
    bool hidden_may;  /* ... that may have been taken away */
    unsigned beyond;  /* causes met behind a message: the first stands there for all of them, and */
    bool beyond_hard; /* ... goes through shields if one of them does */
    bool cut;         /* mark scopes that something certain further out has cut */
    int passed[SCOPES_MAX];
    int passed_count;
};

static void sees(struct walk *walk, unsigned may, bool hard)
{
    if (!walk->hidden_must || hard)
        walk->view->may |= may;
    if (walk->sure)
        return;
    walk->beyond |= may;
    walk->beyond_hard |= may && hard;
    if (walk->beyond_hard)
        walk->view->may |= walk->beyond;
}

static void sees_surely(struct walk *walk, int64_t since, uint64_t when)
{
    if (walk->hidden_may || when > walk->until)
        return;
    if (!walk->sure) {
        walk->view->far_since = earlier(walk->view->far_since, since);
        return;
    }
    if (!walk->view->must || since < walk->view->must_since)
        walk->view->must_since = since;
    walk->view->must = true;
    for (int i = 0; walk->cut && i < walk->passed_count; i++)
        model.scopes[walk->passed[i]].cut = true;
}

static void look_at_scope(struct walk *walk, int index)
{
    const struct scope *scope = &model.scopes[index];
    bool hard, root = scope->owner == NOBODY;
    unsigned may = scope_causes(scope, walk->now, &hard);

    sees(walk, may, hard);
    if (scope->must)
        sees_surely(walk, scope->must_at, scope->must_when);
    walk->view->drain_may |= scope->draining;
    if (root)
        walk->view->drain_may |= model.stopped_at != WEFT_NEVER || model.main_over;
    if (scope->draining && walk->sure) {
        walk->view->drain_must = true;
        walk->view->drain_since = earlier(walk->view->drain_since, scope->drain_at);
    }
    if (walk->sure && !walk->hidden_may && !scope->shield && scope->deadline <= walk->now)
        walk->view->due_since = earlier(walk->view->due_since, scope->deadline);
    if (scope->shield) {
        walk->hidden_may = true;
        walk->hidden_must |= walk->now < scope->deadline;
    }
    walk->passed[walk->passed_count++] = index;
}

/* Is what goes on in the root over there hidden by a shield at home? */
static bool shielded_at_home(const struct task *task, int64_t now)
{
    int scope = task->caller != NOBODY ? model.tasks[task->caller].scope : task->home;

    while (scope != NOBODY) {
        const struct task *owner = NULL;
        for (; scope != NOBODY; scope = model.scopes[scope].outer) {
            if (model.scopes[scope].shield && now < model.scopes[scope].deadline)
                return true;
            owner = model.scopes[scope].owner == NOBODY ? NULL
                                                        : &model.tasks[model.scopes[scope].owner];
        }
        scope = !owner                    ? NOBODY
                : owner->caller != NOBODY ? model.tasks[owner->caller].scope
                                          : owner->home;
    }
    return false;
}

/* Between a task's own scopes and its home: requests. Those made of an ancestor were written into
   its children at once, or, of those in a shield, when that was taken away. */
static void look_at_base(struct walk *walk, const struct task *task, const struct task *viewer)
{
    bool mine = task == viewer, hidden;

    if ((mine && task->requests > 0) || task->asked_to_end || task->inherited_may ||
        (!mine && task->was_requested && walk->hidden_may))
        sees(walk, CAUSE(CANCEL), false);
    if (mine && task->requests > 0)
        sees_surely(walk, task->requested_at, task->requested_when);
    if (task->inherited_must)
        sees_surely(walk, task->inherited_at, task->inherited_when);
    if (!task->remote)
        return;
    if (mine && task->told_at && !walk->hidden_may)
        walk->view->far_since = earlier(walk->view->far_since, task->told_at);
    /* the root there, where it stands as well; while it is not known which, any */
    hidden = walk->hidden_must;
    walk->hidden_must |= task->began && shielded_at_home(task, walk->now);
    look_at_scope(walk, task->reactor == NOBODY ? 0 : task->reactor);
    walk->hidden_must = hidden;
    walk->passed_count--;
    walk->sure = false;
}

static void walk_up(struct walk *walk, int scope, const struct task *task,
                    const struct task *viewer)
{
    for (;;) {
        for (; scope != NOBODY; scope = model.scopes[scope].outer)
            look_at_scope(walk, scope);
        if (!task)
            return;
        look_at_base(walk, task, viewer);
        if (task->caller != NOBODY) {
            task = viewer = &model.tasks[task->caller];
            scope = task->scope;
        } else {
            scope = task->home;
            task = model.scopes[scope].owner == NOBODY ? NULL
                                                       : &model.tasks[model.scopes[scope].owner];
        }
    }
}

struct view view_look(int scope, const struct task *task, uint64_t until, bool cut)
{
    struct view view = {.due_since = WEFT_NEVER,
                        .far_since = WEFT_NEVER,
                        .drain_since = WEFT_NEVER};
    struct walk walk = {.view = &view, .now = weft_now(), .until = until, .sure = true, .cut = cut};

    walk_up(&walk, scope, task, task);
    return view;
}

struct view view_of(const struct task *task)
{
    return view_look(task->scope, task, UINT64_MAX, false);
}

struct view view_of_scope(const struct scope *scope, uint64_t until)
{
    const struct task *owner = scope->owner == NOBODY ? NULL : &model.tasks[scope->owner];

    return view_look((int)(scope - model.scopes), owner, until, false);
}
