/*
 * task/scope.c - scopes: opening, closing, what their edges say, drain, shields, clean-up actions.
 */
#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "base/option.h"
#include "task/call.h"
#include "task/task.h"
#include "task/wait.h"

#define DEFER_BOUND_NS INT64_C(10000000000)

static struct weft__scope *inside(const weft_scope *scope)
{
    return (struct weft__scope *)(uintptr_t)scope;
}

/* The scope, if it is open and of the calling reactor. NULL: *error says why not. */
static struct weft__scope *scope_here(const weft_scope *public_scope, int *error)
{
    struct weft__scope *scope = inside(public_scope);

    if (!scope || scope->state != WEFT__SCOPE_OPEN) {
        *error = weft__misuse(-EINVAL, "the scope is NULL, or not open");
        return NULL;
    }
    if (scope->reactor != weft__self) {
        *error = weft__misuse(-EPERM, "the scope is another reactor's");
        return NULL;
    }
    return scope;
}

/* -- opening -------------------------------------------------------------------------------- */

static void pass_deadline(struct weft__scope *scope)
{
    weft__timer_disarm(&scope->reactor->timers, &scope->timer);
    scope->deadline_fired = true;
    if (scope->shield)
        weft__scope_unshield(scope);
    else
        weft__scope_cancel(scope, WEFT_CAUSE_DEADLINE, false);
}

/* Of the scopes further out, its task's and those this one is in, too, that were due no later,
   though their timers have yet to fire: or an edge in here would speak of a time that is not over
   further out. */
static void deadline_passed(struct weft__scope *scope)
{
    struct weft__scope *outer = scope;

    while ((outer = weft__scope_around(outer)))
        if (outer->deadline_ns <= scope->deadline_ns && weft__timer_armed(&outer->timer))
            pass_deadline(outer);
    pass_deadline(scope);
}

static void timer_fired(struct weft__timer *timer)
{
    deadline_passed((struct weft__scope *)((char *)timer - offsetof(struct weft__scope, timer)));
}

void weft__scope_init(struct weft__scope *scope, struct weft__reactor *reactor,
                      struct weft__task *owner)
{
    memset(scope, 0, sizeof *scope);
    scope->state = WEFT__SCOPE_OPEN;
    scope->owner = owner;
    scope->reactor = reactor;
    scope->children_tail = &scope->children;
    scope->room_tail = &scope->room;
    scope->deadline_ns = WEFT_NEVER;
    scope->timer.fire = timer_fired;
    if (owner) {
        scope->outer = owner->scope;
        owner->scope = scope;
    }
}

static void set_deadline(struct weft__scope *scope, int64_t deadline_ns)
{
    struct weft__reactor *reactor = scope->reactor;

    weft__timer_disarm(&reactor->timers, &scope->timer);
    scope->deadline_ns = deadline_ns;
    if (deadline_ns == WEFT_NEVER)
        return;
    if (deadline_ns <= weft__host_now()) {
        deadline_passed(scope);
        return;
    }
    WEFT__COUNT(reactor, timers_armed);
    weft__timer_arm(&reactor->timers, &scope->timer, deadline_ns);
}

/* May the task open it? One that it has open would lose what it holds, and be its own outer one. */
static int check_opening(const struct weft__scope *scope, const struct weft__task *self)
{
    if (!self)
        return weft__outside();
    for (const struct weft__scope *open = self->scope; open; open = open->outer)
        if (open == scope)
            return weft__misuse(-EINVAL, "the scope is open already");
    return 0;
}

int weft_scope_open(weft_scope *public_scope, const struct weft_scope_opt *opt)
{
    struct weft__scope *scope = inside(public_scope);
    struct weft__task *self = weft__task_self();
    struct weft_scope_opt own;
    int error;

    if (opt && opt->size != sizeof *opt) {
        if (weft__option_copy(&own, sizeof own, opt) < 0)
            return -EINVAL;
        opt = &own;
    }
    if (!scope || (opt && (opt->deadline < 0 || (unsigned)opt->on_error > WEFT_KEEP_GOING)))
        return weft__misuse(-EINVAL, "no scope, or options out of range");
    error = check_opening(scope, self);
    if (error < 0)
        return error;
    weft__scope_init(scope, self->reactor, self);
    if (opt) {
        scope->on_error = (uint8_t)opt->on_error;
        scope->alive_max = opt->max_tasks;
        scope->name = opt->name;
        if (opt->deadline)
            set_deadline(scope, opt->deadline);
    }
    return 0;
}

int weft_shield_open(weft_scope *public_scope, int64_t deadline)
{
    struct weft__scope *scope = inside(public_scope);
    struct weft__task *self = weft__task_self();
    int error;

    if (!scope || deadline <= 0 || deadline == WEFT_NEVER)
        return weft__misuse(-EINVAL, "no scope, or a shield without a deadline");
    error = check_opening(scope, self);
    if (error < 0)
        return error;
    weft__scope_init(scope, self->reactor, self);
    scope->on_error = WEFT_KEEP_GOING;
    scope->shield = true;
    scope->name = "shield";
    set_deadline(scope, deadline);
    weft__task_refresh(self);
    return 0;
}

/* -- children ------------------------------------------------------------------------------- */

bool weft__task_failed(const struct weft__task *child)
{
    if (weft__task_is_called(child))
        return false;
    return !(child->delivered && (child->result == -ECANCELED || child->result == -ESHUTDOWN));
}

static void note_failure(struct weft__scope *scope, int32_t result)
{
    scope->failures++;
    memmove(scope->latest + 1, scope->latest, sizeof scope->latest - sizeof scope->latest[0]);
    scope->latest[0] = result;
    if (!scope->error)
        scope->error = result;
    if (scope->on_error == WEFT_FAIL_FAST)
        weft__scope_cancel(scope, WEFT_CAUSE_SIBLING, false);
}

static void serve_one(struct weft__scope *scope)
{
    struct weft__room_waiter *waiter = scope->room;

    scope->room = waiter->next;
    if (scope->room)
        scope->room->link = &scope->room;
    else
        scope->room_tail = &scope->room;
    waiter->served = true;
    scope->room_served++;
    weft__wake_now(scope->reactor, &waiter->wait); /* not if interrupted: it runs in any case */
}

void weft__scope_turn_away(struct weft__scope *scope)
{
    while (scope->room)
        serve_one(scope);
}

/* Nobody is in the scope, and nobody about to be. */
static bool is_empty(const struct weft__scope *scope)
{
    return scope->alive == 0 && scope->room_served == 0;
}

/* Nobody but generators: who would ask them has ended. */
static bool is_quiet(const struct weft__scope *scope)
{
    return scope->alive == scope->generators && scope->room_served == 0;
}

void weft__scope_serve_room(struct weft__scope *scope)
{
    while (scope->room && scope->alive + scope->room_served < scope->alive_max)
        serve_one(scope);
    if (is_quiet(scope) && scope->closer)
        weft__wake_now(scope->reactor, scope->closer);
}

void weft__scope_child_ended(struct weft__scope *scope, struct weft__task *child)
{
    scope->alive--;
    if (child->result < 0 && weft__task_failed(child))
        note_failure(scope, child->result);
    weft__scope_serve_room(scope);
    if (scope->alive == 0 && !scope->owner && weft__tasks_of(scope->reactor)->on_root_empty)
        weft__tasks_of(scope->reactor)->on_root_empty(scope->reactor);
}

/* Waits, uninterruptibly, for the last child that is no generator. 0, or -ETIME when `deadline_ns`
   came first. */
static int wait_for_children(struct weft__scope *scope, struct weft__task *self, const char *what,
                             int64_t deadline_ns)
{
    int result = 0;

    while (!is_quiet(scope) && result == 0) {
        struct weft__wait wait = {.what = what, .fd = -1};
        scope->closer = &wait;
        result = weft__wait_for_wake_until(self, &wait, false, deadline_ns);
        scope->closer = NULL;
    }
    return is_quiet(scope) ? 0 : result;
}

/* -- closing -------------------------------------------------------------------------------- */

static void run_defers(struct weft__scope *scope)
{
    while (scope->defers) {
        struct weft__defer *defer = scope->defers;
        struct weft_scope shield;

        scope->defers = defer->next;
        if (weft_shield_open(&shield, weft_after_ns(DEFER_BOUND_NS)) == 0) {
            weft__call_site_forget(); /* what fn calls is not where the scope closes */
            defer->fn(defer->arg);
            weft_scope_close(&shield);
        }
        weft__free(defer);
    }
}

/* What the edge says: a failure, else that something inside was cut, and by whom. -ECANCELED counts
   as having told the task: a task that ends for that reason has not failed. */
static int edge_result(const struct weft__scope *scope, struct weft__task *self)
{
    if (scope->error && scope->on_error == WEFT_FAIL_FAST)
        return weft__task_pass_on(self, scope->error);
    if (!scope->delivered)
        return 0;
    if (scope->cause == WEFT_CAUSE_DEADLINE) {
        self->cause = WEFT_CAUSE_DEADLINE;
        return -ETIMEDOUT;
    }
    if (scope->cause || scope->shield)
        return 0;
    self->delivered = true;
    self->cause = self->visible ? self->visible : WEFT_CAUSE_CANCEL;
    return -ECANCELED;
}

/* A deadline that has passed, though its timer has yet to fire: one further out, due at the same
   time, was the last that this turn had room for. */
static void settle_deadline(struct weft__scope *scope)
{
    if (!scope->delivered || scope->shield || !weft__timer_armed(&scope->timer) ||
        scope->deadline_ns > weft__host_now())
        return;
    deadline_passed(scope);
}

/* Inline, so that a backtrace shows the call that waits. */
static inline __attribute__((always_inline)) int close_scope(struct weft__scope *scope,
                                                             struct weft__task *self)
{
    do { /* clean-up actions may spawn */
        wait_for_children(scope, self, weft__waits_closing, WEFT_NEVER);
        weft__holds_abandon(&scope->holds);
        if (is_empty(scope))
            run_defers(scope);
    } while (!is_empty(scope)); /* what they hold is in the shields they run in */
    settle_deadline(scope);
    weft__timer_disarm(&scope->reactor->timers, &scope->timer);
    while (scope->children)
        weft__task_release(scope->children);
    scope->state = 0;
    self->scope = scope->outer;
    if (self->visible || self->draining || scope->shield)
        weft__task_refresh(self);
    return edge_result(scope, self);
}

static inline __attribute__((always_inline)) int close_public(weft_scope *public_scope, bool spends)
{
    struct weft__scope *scope = inside(public_scope);
    struct weft__task *self = weft__task_self();

    if (!scope)
        return weft__misuse(-EINVAL, "no scope");
    if (scope->state != WEFT__SCOPE_OPEN)
        return 0;
    if (!self)
        return weft__outside();
    if (self->scope != scope)
        return weft__misuse(-EPERM, "not the innermost open scope of the task");
    weft__enter_release(self);
    weft__give_way(self);
    if (spends)
        weft__spend(self);
    return close_scope(scope, self);
}

int weft__scope_close(weft_scope *scope)
{
    return close_public(scope, false);
}

/* Of a scope with nobody in it this is answered at once; it gives way while the scope is open,
   since others may have hold of it. */
int weft_scope_close(weft_scope *scope)
{
    return close_public(scope, true);
}

/* A close that nobody reads the result of: a failure not yet taken notice of becomes the task's. */
static void close_implicitly(struct weft__scope *scope, struct weft__task *self)
{
    bool read = scope->error_read;
    int result = close_scope(scope, self);

    if (result < 0 && result != -ECANCELED && !read && !self->unread_failure)
        self->unread_failure = result;
}

void weft__scopes_close_all(struct weft__task *self)
{
    while (self->scope) {
        weft__scope_cancel(self->scope, WEFT_CAUSE_CANCEL, false);
        close_implicitly(self->scope, self);
    }
}

/* What the macros run on: the scope, or NULL; then there is no body, and the task's result says
 * why. */
static weft_scope *entered(weft_scope *scope, int error)
{
    if (error == 0)
        return scope;
    inside(scope)->state = 0;
    if (weft__task_self())
        weft__task_self()->unread_failure = error;
    return NULL;
}

weft_scope *weft_scope_enter_(weft_scope *scope, const struct weft_scope_opt *opt)
{
    return entered(scope, weft_scope_open(scope, opt));
}

weft_scope *weft_shield_enter_(weft_scope *scope, int64_t deadline)
{
    return entered(scope, weft_shield_open(scope, deadline));
}

weft_scope *weft_scope_fall_(weft_scope *public_scope)
{
    struct weft__scope *scope = inside(public_scope);
    struct weft__task *self = weft__task_self();

    if (scope->state == WEFT__SCOPE_OPEN && self && self->scope == scope)
        close_implicitly(scope, self);
    return NULL;
}

void weft_scope_leave_(weft_scope *public_scope)
{
    struct weft__scope *scope = inside(public_scope);
    struct weft__task *self = weft__task_self();

    if (scope->state != WEFT__SCOPE_OPEN || !self)
        return;
    while (self->scope && scope->state == WEFT__SCOPE_OPEN) { /* those opened inside, left too */
        weft__scope_cancel(self->scope, WEFT_CAUSE_CANCEL, false);
        close_implicitly(self->scope, self);
    }
}

/* -- asking and changing -------------------------------------------------------------------- */

int weft_scope_error(weft_scope *public_scope)
{
    int error;
    struct weft__scope *scope = scope_here(public_scope, &error);

    if (!scope)
        return error;
    scope->error_read = true;
    return scope->error;
}

uint32_t weft_scope_errors(weft_scope *public_scope, int *errors, uint32_t count_max)
{
    int error;
    struct weft__scope *scope = scope_here(public_scope, &error);

    if (!scope)
        return 0;
    scope->error_read = true;
    for (uint32_t i = 0; i < count_max && i < scope->failures && i < 4; i++)
        errors[i] = scope->latest[i];
    return scope->failures;
}

uint32_t weft_scope_tasks(const weft_scope *public_scope)
{
    int error;
    const struct weft__scope *scope = scope_here(public_scope, &error);

    return scope ? scope->alive : 0;
}

int weft_scope_cancel(weft_scope *public_scope)
{
    int error;
    struct weft__scope *scope = scope_here(public_scope, &error);

    return scope ? weft__scope_cancel(scope, WEFT_CAUSE_CANCEL, false) : error;
}

int weft_scope_reschedule(weft_scope *public_scope, int64_t deadline)
{
    int error;
    struct weft__scope *scope = scope_here(public_scope, &error);

    if (!scope)
        return error;
    if (deadline <= 0)
        return weft__misuse(-EINVAL, "a deadline of 0 or less");
    if (scope->deadline_fired)
        return -EALREADY;
    if (scope->shield && deadline == WEFT_NEVER)
        return weft__misuse(-EINVAL, "a shield without a deadline");
    set_deadline(scope, deadline);
    return 0;
}

int weft_scope_drain(weft_scope *public_scope, int64_t soft, int64_t hard)
{
    int error;
    struct weft__scope *scope = scope_here(public_scope, &error);
    struct weft__task *self = weft__task_self();
    uint32_t cut = 0;

    if (!scope)
        return error;
    if (!self)
        return weft__outside();
    if (scope->owner != self)
        return weft__misuse(-EPERM, "another task opened the scope");
    weft__enter_release(self);
    weft__scope_drain_begin(scope);
    if (wait_for_children(scope, self, "drain", soft) < 0) {
        cut = scope->alive;
        weft__scope_cancel(scope, WEFT_CAUSE_DRAIN, false);
        if (wait_for_children(scope, self, "drain", hard) < 0) {
            weft__scope_cancel(scope, WEFT_CAUSE_DRAIN, true);
            wait_for_children(scope, self, "drain", WEFT_NEVER);
        }
    }
    return (int)cut;
}

int weft_scope_defer(weft_scope *public_scope, void (*fn)(void *), void *arg)
{
    int error;
    struct weft__scope *scope = scope_here(public_scope, &error);
    struct weft__defer *defer;

    if (!scope)
        return error;
    if (!fn)
        return weft__misuse(-EINVAL, "no function");
    if (!scope->owner || scope->owner != weft__task_self())
        return weft__misuse(-EPERM, "another task opened the scope");
    defer = weft__alloc(sizeof *defer);
    if (!defer)
        return -ENOMEM;
    *defer = (struct weft__defer){.next = scope->defers, .fn = fn, .arg = arg};
    scope->defers = defer;
    return 0;
}

weft_scope *weft_root(void)
{
    struct weft__reactor *reactor = weft__self;

    return reactor && reactor->tasks ? (weft_scope *)weft__root(reactor) : NULL;
}
