/*
 * task/cancel.c - how a cancellation reaches those it is meant for.
 *
 * The cause is written where it arose (a scope, or a task's count of requests), then everybody
 * below is visited once and recomputes what it sees. The visit walks the tree by its own links: no
 * recursion, no memory, time linear in what is below.
 */
#include <errno.h>

#include "task/task.h"

struct weft__scope *weft__scope_around(const struct weft__scope *scope)
{
    if (scope->outer)
        return scope->outer;
    return scope->owner ? scope->owner->home : NULL;
}

/* -- what a task sees ----------------------------------------------------------------------- */

struct view {
    enum weft_cause cause;
    bool hard; /* some cause on the way goes through shields */
    bool draining;
    bool hidden; /* a shield lies on the way, here or at home */
};

/* The cause that lies between a task's own scopes and its home. Requests made of an ancestor are
   not passed on from here: weft_cancel wrote them into `inherited` of those below. No request goes
   through a shield. */
static enum weft_cause base_cause(const struct weft__task *task, const struct weft__task *viewer,
                                  bool hidden)
{
    if (task == viewer && task->requests && !hidden)
        return WEFT_CAUSE_CANCEL;
    return (enum weft_cause)task->inherited;
}

/* Does that cause reach who looks from below? */
static bool base_reaches(const struct weft__task *task, const struct weft__task *viewer,
                         bool hidden)
{
    return base_cause(task, viewer, hidden) && (!hidden || task->inherited_hard);
}

static void look_at(struct view *view, enum weft_cause cause, bool hard, bool hidden)
{
    if (cause && !view->cause && (hard || !hidden))
        view->cause = cause;
    view->hard |= cause && hard;
}

/* What lies between a task's own scopes and its home. */
static void look_at_base(struct view *view, const struct weft__task *task,
                         const struct weft__task *viewer, bool hidden)
{
    look_at(view, base_cause(task, viewer, hidden), task->inherited_hard, hidden);
    view->draining |= task->told_to_drain;
}

/* What `task` sees; the requests made of it itself count if it is also the viewer. */
static struct view look_up(const struct weft__task *task, const struct weft__task *viewer)
{
    const struct weft__scope *scope = task->scope ? task->scope : task->home;
    struct view view = {.cause = WEFT_CAUSE_NONE};
    bool hidden = false;

    if (!task->scope) {
        look_at_base(&view, task, viewer, hidden);
        hidden |= task->shielded_at_home;
    }
    for (; scope; scope = weft__scope_around(scope)) {
        look_at(&view, (enum weft_cause)scope->cause, scope->hard, hidden);
        view.draining |= scope->draining;
        hidden |= scope->shield;
        if (!scope->outer && scope->owner) {
            look_at_base(&view, scope->owner, viewer, hidden);
            hidden |= scope->owner->shielded_at_home;
        }
    }
    view.hidden = hidden;
    return view;
}

static void interrupt(struct weft__task *task)
{
    struct weft__wait *wait = task->fiber.wait;

    if (!wait || !wait->interrupt || wait->interrupted)
        return;
    wait->interrupted = true;
    wait->interrupt(wait);
}

void weft__task_refresh(struct weft__task *task)
{
    struct view view;

    if (task->ended)
        return;
    view = look_up(task, task);
    task->draining = view.draining;
    task->visible = (uint8_t)view.cause;
    if (view.cause) {
        WEFT__TRACE(task->reactor, WEFT_TRACE_CANCEL, task->fiber.slot, view.cause);
        interrupt(task);
    } else if (view.draining && task->fiber.wait && task->fiber.wait->idle) {
        interrupt(task);
    }
}

/* -- the walk ------------------------------------------------------------------------------- */

/* The first child in `scope` or the ones around it that the same task has open, short of `end`. */
static struct weft__task *first_child(struct weft__scope *scope, const struct weft__scope *end)
{
    for (; scope != end; scope = scope->outer)
        if (scope->children)
            return scope->children;
    return NULL;
}

/*
 * Everybody below the scopes that `top` has open, from its innermost out to but excluding `end`;
 * for the root of a reactor, top is NULL and `innermost` the root. After `task` comes its first
 * child, else its next sibling, else what follows the task or the scope it is in.
 */
struct walk {
    struct weft__task *top;
    struct weft__scope *innermost;
    struct weft__scope *end;
};

static struct weft__task *walk_first(const struct walk *walk)
{
    return first_child(walk->innermost, walk->end);
}

static struct weft__task *walk_next(const struct walk *walk, struct weft__task *task)
{
    struct weft__task *found = first_child(task->scope, NULL);

    while (!found) {
        struct weft__task *parent = task->home->owner;
        if (task->next)
            return task->next;
        found = first_child(task->home->outer, parent == walk->top ? walk->end : NULL);
        if (!found && parent == walk->top)
            return NULL;
        task = parent;
    }
    return found;
}

static struct walk walk_of_scope(struct weft__scope *scope)
{
    if (!scope->owner)
        return (struct walk){NULL, scope, NULL};
    return (struct walk){scope->owner, scope->owner->scope, scope->outer};
}

static void refresh_all(const struct walk *walk)
{
    if (walk->top)
        weft__task_refresh(walk->top);
    for (struct weft__task *t = walk_first(walk); t; t = walk_next(walk, t))
        weft__task_refresh(t);
}

int weft__scope_each(struct weft__scope *scope, int (*fn)(struct weft__task *task, void *context),
                     void *context)
{
    struct walk walk = walk_of_scope(scope);
    int stop = 0;

    for (struct weft__task *t = walk_first(&walk); t && !stop; t = walk_next(&walk, t))
        stop = fn(t, context);
    return stop;
}

/* -- causes --------------------------------------------------------------------------------- */

void weft__scope_refresh(struct weft__scope *scope)
{
    struct walk walk = walk_of_scope(scope);

    refresh_all(&walk);
}

int weft__scope_cancel(struct weft__scope *scope, enum weft_cause cause, bool hard)
{
    if (scope->cause && (scope->hard || !hard))
        return 0;
    if (!scope->cause)
        scope->cause = (uint8_t)cause;
    scope->hard = hard;
    weft__scope_refresh(scope);
    weft__scope_turn_away(scope);
    return 1;
}

void weft__scope_drain_begin(struct weft__scope *scope)
{
    scope->draining = true;
    weft__scope_refresh(scope);
    weft__scope_turn_away(scope);
}

struct weft__outlook weft__task_outlook(const struct weft__task *task, bool stands_in)
{
    struct view view = look_up(task, stands_in ? NULL : task);

    return (struct weft__outlook){.cause = (uint8_t)view.cause,
                                  .hard = view.hard,
                                  .draining = view.draining,
                                  .shielded = view.hidden,
                                  .requests = stands_in ? task->requests : 0};
}

void weft__task_look_from(struct weft__task *task, const struct weft__outlook *outlook)
{
    struct walk walk = {task, task->scope, NULL};

    task->inherited = outlook->cause;
    task->inherited_hard = outlook->hard;
    task->told_to_drain = outlook->draining;
    task->shielded_at_home = outlook->shielded;
    refresh_all(&walk);
}

bool weft__scope_refuses_new(const struct weft__scope *scope, const struct weft__task *self)
{
    if (scope->draining)
        return true;
    if (!scope->owner || !scope->owner->draining || self->draining)
        return false; /* nothing drains here; or it does, and who is inside may go on */
    for (; scope; scope = weft__scope_around(scope))
        if (scope->draining || (scope->owner && scope->owner->told_to_drain))
            return true;
    return false;
}

enum weft_cause weft__scope_cause(const struct weft__scope *scope)
{
    bool hidden = false;

    for (; scope; scope = weft__scope_around(scope)) {
        if (scope->cause && (scope->hard || !hidden))
            return (enum weft_cause)scope->cause;
        hidden |= scope->shield;
        if (!scope->outer && scope->owner && base_reaches(scope->owner, scope->owner, hidden))
            return base_cause(scope->owner, scope->owner, hidden);
        if (!scope->outer && scope->owner)
            hidden |= scope->owner->shielded_at_home;
    }
    return WEFT_CAUSE_NONE;
}

/* Writes the requests made of `task` into the children of its scopes, but for those that a shield
   hides: the outermost one hides all that is inside it. */
static void pass_requests_on(struct weft__task *task)
{
    struct walk walk = {task, task->scope, NULL};
    struct weft__scope *shield = NULL;
    bool hidden = false;

    for (struct weft__scope *scope = task->scope; scope; scope = scope->outer)
        if (scope->shield)
            shield = scope;
    for (struct weft__scope *scope = task->scope; scope; scope = scope->outer) {
        hidden = shield != NULL;
        if (scope == shield)
            shield = NULL;
        for (struct weft__task *child = scope->children; child && !hidden; child = child->next)
            if (!child->inherited)
                child->inherited = WEFT_CAUSE_CANCEL;
    }
    refresh_all(&walk);
}

int weft__task_cancel(struct weft__task *task)
{
    task->requests++;
    pass_requests_on(task);
    return 1;
}

void weft__scope_unshield(struct weft__scope *scope)
{
    scope->shield = false;
    if (scope->owner->requests)
        pass_requests_on(scope->owner);
    else
        weft__scope_refresh(scope);
}

int weft_cancel(weft_task handle)
{
    int error;
    struct weft__task *task = weft__task_find(weft__self, handle, &error);

    if (!task)
        return weft__task_not_found(handle, error, false);
    return task->ended ? 0 : weft__task_cancel(task);
}

int weft_uncancel(void)
{
    struct weft__task *self = weft__task_self();

    if (!self)
        return weft__outside();
    if (self->requests == 0)
        return -EINVAL; /* no mistake: who asked for the cancellation cannot be told for sure */
    self->requests--;
    weft__task_refresh(self);
    return (int)self->requests;
}

/* -- being told ----------------------------------------------------------------------------- */

/* Does a cause at `task` reach `viewer`, who was refused something: one passed down to it, or,
   written into those below, requests made of it itself? */
static bool reaches(const struct weft__task *task, const struct weft__task *viewer, bool hidden)
{
    return base_reaches(task, viewer, hidden) || (task->requests && !hidden);
}

/* Marks the scopes between the task and the outermost cause it can see: something in them was cut.
   Likewise tasks that see what somebody sees on another reactor, whose scopes go on there. */
static void mark_delivered(struct weft__task *self)
{
    struct weft__scope *scope = self->scope ? self->scope : self->home, *marked = scope;
    bool hidden = false, found = false;

    if (!self->scope) {
        self->refused_from_home |= self->inherited != 0;
        hidden = self->shielded_at_home;
    }
    for (; scope; scope = weft__scope_around(scope)) {
        found = scope->cause && (scope->hard || !hidden);
        hidden |= scope->shield;
        if (!scope->outer && scope->owner && reaches(scope->owner, self, hidden)) {
            found = true;
            scope->owner->refused_from_home |= scope->owner->inherited != 0;
        }
        if (!scope->outer && scope->owner)
            hidden |= scope->owner->shielded_at_home;
        for (; found && marked != weft__scope_around(scope); marked = weft__scope_around(marked))
            marked->delivered = true;
    }
}

int weft__task_note_refusal(struct weft__task *self)
{
    self->cause = self->visible;
    self->delivered = true;
    mark_delivered(self);
    return -ECANCELED;
}

int weft__task_refuse(struct weft__task *self)
{
    int error = weft__task_note_refusal(self);

    weft__reactor_spend(self->reactor); /* so that a task that ignores this starves nobody */
    return error;
}

int weft__task_refuse_entry(struct weft__task *self)
{
    if (self->stays)
        return weft__misuse(-EPERM, "may suspend, in a region where nothing may");
    return weft__task_refuse(self);
}

int weft__task_refuse_idle(struct weft__task *self)
{
    self->cause = WEFT_CAUSE_DRAIN;
    self->delivered = true;
    weft__reactor_spend(self->reactor);
    return -ESHUTDOWN;
}

int weft__task_pass_on(struct weft__task *self, int result)
{
    if (result == -ECANCELED || result == -ETIMEDOUT || result == -ESHUTDOWN)
        self->cause = WEFT_CAUSE_NONE;
    return result;
}

int weft_cancelled(void)
{
    struct weft__task *self = weft__task_self();

    return self ? self->visible : 0;
}

enum weft_cause weft_cause(void)
{
    struct weft__task *self = weft__task_self();

    return self ? (enum weft_cause)self->cause : WEFT_CAUSE_NONE;
}

bool weft_draining(void)
{
    struct weft__task *self = weft__task_self();

    return self && self->draining;
}
