/*
 * task/task.c - the life of a task: spawn, run, end. It is joined in join.c.
 */
#include "task/task.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "base/option.h"
#include "ring/host.h"
#include "task/binding.h"
#include "task/call.h"
#include "task/coroutine.h"
#include "task/wait.h"

enum { TASKS_MAX_DEFAULT = 1 << 21 };

/* -- records -------------------------------------------------------------------------------- */

/* The record of a slot: the highest bytes of its stack. */
static struct weft__task *record_at(char *top)
{
    return (struct weft__task *)(top - ((sizeof(struct weft__task) + 63) & ~(size_t)63));
}

static bool slot_ever_used(const struct weft__stack_pool *stacks, uint32_t slot)
{
    return slot < weft__stack_slots(stacks) &&
           slot < stacks->class_of[weft__stack_class_index(stacks, slot)].slot_fresh;
}

weft_task weft__task_handle(const struct weft__task *task)
{
    return (weft_task){.slot = (uint64_t)(task->reactor->index + 1) << 32 | task->fiber.slot,
                       .generation = task->generation};
}

/* Read even where the stack is free, and then poisoned or given back to the kernel (reading as 0).
 */
static __attribute__((noinline, no_sanitize_address)) uint64_t generation_of(
    const struct weft__task *task)
{
    return task->generation;
}

struct weft__task *weft__task_find(struct weft__reactor *reactor, weft_task handle, int *error)
{
    uint32_t slot = (uint32_t)handle.slot;
    struct weft__task *task;

    *error = -ESTALE;
    if (!reactor) {
        *error = -EPERM;
        return NULL;
    }
    if (handle.slot >> 32 != (uint64_t)reactor->index + 1) {
        if (handle.slot >> 32 != 0)
            *error = -EXDEV;
        return NULL;
    }
    if (!slot_ever_used(&reactor->stacks, slot))
        return NULL;
    task = record_at(weft__stack_top(&reactor->stacks, slot));
    return handle.generation && generation_of(task) == handle.generation ? task : NULL;
}

int weft__task_not_found(weft_task handle, int error, bool consumed)
{
    if (error == -EPERM)
        return weft__outside();
    if (error == -EXDEV)
        return weft__misuse(error, "the task is another reactor's");
    if (handle.generation == 0)
        return weft__misuse(error, "a handle that was never filled in");
    return consumed ? weft__misuse(error, "a handle that was used up: joined, or its scope closed")
                    : error;
}

/* -- spawning ------------------------------------------------------------------------------- */

int weft__task_body(struct weft__task *self, weft_task_fn fn, void *arg)
{
    int result = fn(arg);

    /* in a child of fork nothing closed them: those in frames that were left are gone */
    if (self->scope && !weft__host_forked())
        weft__scopes_close_all(self);
    if (result >= 0 && self->unread_failure < 0)
        result = self->unread_failure;
    return result;
}

static void wake_joiners(struct weft__task *self)
{
    struct weft__joiner *next;

    for (struct weft__joiner *joiner = self->joiners; joiner; joiner = next) {
        next = joiner->next;
        self->heard = true;
        joiner->result = self->result;
        joiner->done = true;
        if (joiner->consumes)
            self->kept = false;
        if (joiner->ended)
            joiner->ended(joiner);
        else
            weft__wake_now(self->reactor, &joiner->wait); /* not if interrupted: it looks at done */
    }
    self->joiners = NULL;
}

/* Takes the record out of the tree; its stack goes back once nobody stands on it. */
static inline __attribute__((always_inline)) void release(struct weft__task *task)
{
    struct weft__tasks *tasks = weft__tasks_of(task->reactor);

    if (tasks->dead)
        weft__tasks_reap(task->reactor); /* nobody stands on those any more */
    if (__builtin_expect(task->result < 0 && !task->heard, 0))
        weft__task_unheard(task);
    *task->link = task->next;
    if (task->next)
        task->next->link = task->link;
    else
        task->home->children_tail = task->link;
    task->generation = 0;
    task->next = tasks->dead;
    tasks->dead = task;
}

void weft__task_release(struct weft__task *task)
{
    release(task);
}

/* The first function on a task's stack; `arg` is its record. Returns who goes on. */
static struct weft__context *task_main(void *arg)
{
    struct weft__task *self = arg;
    struct weft__reactor *reactor = self->reactor;

    if (self->visible && self->drop) {
        self->drop(self->arg);
        self->delivered = true;
        self->result = -ECANCELED;
    } else {
        self->result = weft__task_body(self, self->fn, self->arg);
    }
    if (__builtin_expect(self->bindings != NULL, 0))
        weft__bindings_put(self->bindings);
    if (__builtin_expect(self->holds != NULL, 0))
        weft__holds_abandon(&self->holds);
    weft__coroutines_end(self);
    self->ended = true;
    WEFT__TRACE(reactor, WEFT_TRACE_END, self->fiber.slot, self->result);
    WEFT__COUNT(reactor, tasks_ended);
    weft__ready_release(&reactor->ready);
    wake_joiners(self);
    weft__scope_child_ended(self->home, self);
    if (!self->kept)
        release(self);
    return weft__fiber_end(reactor);
}

void weft__tasks_reap(struct weft__reactor *reactor)
{
    struct weft__tasks *tasks = weft__tasks_of(reactor);
    struct weft__task *next;

    for (struct weft__task *task = tasks->dead; task; task = next) {
        uint32_t slot = task->fiber.slot;
        next = task->next;
        weft__context_drop(&task->fiber.context);
        weft__stack_give(&reactor->stacks, slot);
    }
    tasks->dead = NULL;
}

static void adopt(struct weft__scope *home, struct weft__task *task)
{
    task->home = home;
    task->next = NULL;
    task->link = home->children_tail;
    *home->children_tail = task;
    home->children_tail = &task->next;
    home->alive++;
}

static void record_init(struct weft__task *task, struct weft__reactor *reactor, weft_task_fn fn,
                        const struct weft_spawn_opt *opt)
{
    const struct weft__task *spawner = (const struct weft__task *)reactor->current;

    task->fiber.wait = NULL;
    task->fiber.beside = NULL;
    task->fiber.saved_errno = 0;
    task->fiber.since_turn = reactor->turn;
    WEFT__NOTE_NONE(task->fiber.left_at);
    task->reactor = reactor;
    task->generation = ++weft__tasks_of(reactor)->generation;
    task->scope = NULL;
    task->fn = fn;
    task->drop = opt ? opt->drop : NULL;
    task->name = opt && opt->name ? opt->name : "task";
    task->bindings = spawner ? weft__bindings_retain(spawner->bindings) : NULL;
    task->joiners = NULL;
    task->joins = NULL;
    task->watches = NULL;
    task->asked_by = NULL;
    task->search = 0;
    task->holds = NULL;
    task->result = 0;
    task->unread_failure = 0;
    task->requests = 0;
    task->inherited = 0;
    task->visible = 0;
    task->cause = 0;
    task->draining = false;
    task->inherited_hard = false;
    task->told_to_drain = false;
    task->shielded_at_home = false;
    task->refused_from_home = false;
    task->ended = false;
    task->kept = opt && opt->task;
    task->stays = 0;
    task->delivered = false;
    task->heard = false;
    task->loose = false;
    WEFT__NOTE(task->made_at);
}

/* Can nothing be seen from inside the scope? What its owner sees from its innermost scope includes
   all that lies around that scope; when in doubt, no. */
static bool scope_is_clean(const struct weft__scope *scope)
{
    const struct weft__task *owner = scope->owner;

    if (!owner)
        return !scope->cause && !scope->draining;
    return owner->scope == scope && !owner->visible && !owner->draining;
}

/* Follows from two counters; weft__reactor_count publishes it once a turn. */
static uint64_t tasks_alive(const struct weft__reactor *reactor)
{
    return reactor->stats.tasks_started - reactor->stats.tasks_ended;
}

static void count_start(struct weft__reactor *reactor)
{
    uint64_t alive;

    WEFT__COUNT(reactor, tasks_started);
    alive = tasks_alive(reactor);
    if (alive > reactor->stats.tasks_alive_max)
        WEFT__COUNT(reactor, tasks_alive_max);
}

int weft__task_start(struct weft__reactor *reactor, struct weft__scope *home, weft_task_fn fn,
                     const void *arg, size_t size, const struct weft_spawn_opt *opt)
{
    struct weft__stack stack;
    struct weft__task *task;
    char *low_end;
    int error;

    if (weft__tasks_of(reactor)->dead)
        weft__tasks_reap(reactor);
    if (__builtin_expect(tasks_alive(reactor) >= weft__tasks_of(reactor)->alive_max, 0))
        return -EAGAIN;
    error = weft__ready_reserve(&reactor->ready);
    if (error < 0)
        return error;
    error = weft__stack_take(&reactor->stacks, opt ? opt->stack_size : 0, &stack);
    if (error < 0) {
        weft__ready_release(&reactor->ready);
        return error == -E2BIG ? weft__misuse(error, "a stack larger than there are") : error;
    }
    if (__builtin_expect(reactor->stacks.valgrind_ids != NULL, 0))
        weft__san_stack_reuse(stack.low, stack.top);
    task = record_at(stack.top);
    record_init(task, reactor, fn, opt);
    task->fiber.slot = stack.slot;
    low_end = (char *)task - ((size + 15) & ~(size_t)15);
    task->arg = (void *)(uintptr_t)arg;
    if (size) {
        memcpy(low_end, arg, size);
        task->arg = low_end;
    }
    adopt(home, task);
    weft__context_start(&task->fiber.context, stack.low, low_end, task_main, task);
    if (!scope_is_clean(home))
        weft__task_refresh(task);
    weft__tasks_of(reactor)->newest = task;
    weft__ready_push(&reactor->ready, &task->fiber);
    count_start(reactor);
    WEFT__TRACE(reactor, WEFT_TRACE_SPAWN, stack.slot, 0);
    if (opt && opt->task)
        *opt->task = weft__task_handle(task);
    return 0;
}

static int spawn_arguments(weft_scope *scope, weft_task_fn fn, const void *arg, size_t size)
{
    if (!scope || !fn || (size && !arg))
        return weft__misuse(-EINVAL, "no scope, no function, or no argument of that size");
    if (size > WEFT_ARG_SIZE_MAX)
        return weft__misuse(-E2BIG, "an argument of more than WEFT_ARG_SIZE_MAX bytes");
    return 0;
}

/* Options as old as the library are used where they stand. */
static inline bool of_other_age(const struct weft_spawn_opt *opt)
{
    return __builtin_expect(opt && opt->size != sizeof *opt, 0);
}

/* Not for anything around the task itself, so there may be nothing that it sees. */
static int refuse_spawn(struct weft__task *self, enum weft_cause cause, int error)
{
    self->cause = (uint8_t)cause;
    return error;
}

/* May the task spawn into the scope now? */
static int scope_admits(struct weft__task *self, struct weft__scope *scope)
{
    if (scope->state != WEFT__SCOPE_OPEN)
        return weft__misuse(-EINVAL, "the scope is not open");
    if (scope->reactor != self->reactor)
        return weft__misuse(-EPERM, "the scope is another reactor's");
    if (scope->cause)
        return refuse_spawn(self, (enum weft_cause)scope->cause, -ECANCELED);
    if (scope != self->scope && weft__scope_cause(scope))
        return refuse_spawn(self, weft__scope_cause(scope), -ECANCELED);
    if (weft__scope_refuses_new(scope, self))
        return refuse_spawn(self, WEFT_CAUSE_DRAIN, -ESHUTDOWN);
    return 0;
}

/* Waits until there is room, and has it then: 0. */
static int wait_for_room(struct weft__task *self, struct weft__scope *scope)
{
    struct weft__room_waiter waiter = {.wait = {.what = weft__waits_room, .fd = -1},
                                       .scope = scope,
                                       .link = scope->room_tail};
    int result;

    if (scope->alive == 1 && self->home == scope)
        return weft__misuse(-EDEADLK, "the scope is full, and its only task is the caller");
    *scope->room_tail = &waiter;
    scope->room_tail = &waiter.next;
    result = weft__wait_for_done(self, &waiter.wait, &waiter.served);
    if (waiter.served) {
        scope->room_served--;
    } else {
        *waiter.link = waiter.next;
        if (waiter.next)
            waiter.next->link = waiter.link;
        else
            scope->room_tail = waiter.link;
    }
    return result;
}

/* weft__enter, but a call that may not wait does not give way either. */
static int enter_spawn(struct weft__task **self, bool wait)
{
    if (wait)
        return weft__enter(self);
    *self = weft__task_self();
    if (!*self)
        return weft__outside();
    return (*self)->visible ? weft__task_note_refusal(*self) : 0;
}

static int spawn_admitted(struct weft__task *self, struct weft__scope *scope, weft_task_fn fn,
                          const void *arg, size_t size, const struct weft_spawn_opt *opt)
{
    self->reactor->budget--; /* spent, but without giving way: the child runs later */
    if (opt && opt->reactor != 0)
        return weft__spawn_remote(self, scope, fn, arg, size, opt);
    return weft__task_start(self->reactor, scope, fn, arg, size, opt);
}

/* The scope has a limit. Those who wait for room come before us; who leaves the room it was given
   unused passes it on. */
static int spawn_limited(struct weft__task *self, struct weft__scope *scope, weft_task_fn fn,
                         const void *arg, size_t size, const struct weft_spawn_opt *opt, bool wait)
{
    bool waited = false;
    int error = 0;

    while (error == 0 && scope->alive + (waited ? 0 : scope->room_served) >= scope->alive_max) {
        if (!wait)
            return -EAGAIN;
        waited = true;
        error = wait_for_room(self, scope);
        if (error == 0)
            error = scope_admits(self, scope);
    }
    if (error == 0)
        error = spawn_admitted(self, scope, fn, arg, size, opt);
    if (error < 0 && waited)
        weft__scope_serve_room(scope);
    return error;
}

static int spawn(weft_scope *public_scope, weft_task_fn fn, const void *arg, size_t size,
                 const struct weft_spawn_opt *opt, bool wait)
{
    struct weft__scope *scope = (struct weft__scope *)public_scope;
    struct weft__task *self;
    int error = spawn_arguments(public_scope, fn, arg, size);

    if (error == 0)
        error = enter_spawn(&self, wait);
    if (error == 0)
        error = scope_admits(self, scope);
    if (error < 0)
        return error;
    if (scope->alive_max)
        return spawn_limited(self, scope, fn, arg, size, opt, wait);
    return spawn_admitted(self, scope, fn, arg, size, opt);
}

/* The options of a program older or younger than the library, in its own terms. */
static __attribute__((noinline)) int spawn_with_copy(weft_scope *scope, weft_task_fn fn,
                                                     const void *arg, size_t size,
                                                     const struct weft_spawn_opt *opt, bool wait)
{
    struct weft_spawn_opt own;
    int error = weft__option_copy(&own, sizeof own, opt);

    if (error < 0)
        return error;
    return wait ? weft_spawn(scope, fn, arg, size, &own)
                : weft_spawn_nowait(scope, fn, arg, size, &own);
}

int weft_spawn(weft_scope *scope, weft_task_fn fn, const void *arg, size_t arg_size,
               const struct weft_spawn_opt *opt)
{
    if (of_other_age(opt))
        return spawn_with_copy(scope, fn, arg, arg_size, opt, true);
    return spawn(scope, fn, arg, arg_size, opt, true);
}

/* Callbacks, which run outside any task, may spawn into the root. */
static int spawn_from_callback(weft_scope *public_scope, weft_task_fn fn, const void *arg,
                               size_t size, const struct weft_spawn_opt *opt)
{
    struct weft__reactor *reactor = weft__self;
    struct weft__scope *scope = (struct weft__scope *)public_scope;
    int error = spawn_arguments(public_scope, fn, arg, size);

    if (error < 0)
        return error;
    if (scope != weft__root(reactor) || (opt && opt->reactor != 0))
        return weft__misuse(-EPERM, "a callback may spawn into the root of its own reactor only");
    if (scope->cause)
        return -ECANCELED;
    if (scope->draining)
        return -ESHUTDOWN;
    return weft__task_start(reactor, scope, fn, arg, size, opt);
}

int weft_spawn_nowait(weft_scope *scope, weft_task_fn fn, const void *arg, size_t arg_size,
                      const struct weft_spawn_opt *opt)
{
    if (of_other_age(opt))
        return spawn_with_copy(scope, fn, arg, arg_size, opt, false);
    if (weft__self && !weft__self->current)
        return spawn_from_callback(scope, fn, arg, arg_size, opt);
    return spawn(scope, fn, arg, arg_size, opt, false);
}

int weft_create_task(weft_task_fn fn, const void *arg, size_t arg_size,
                     const struct weft_spawn_opt *opt)
{
    struct weft__task *self = weft__task_self();

    if (!self)
        return weft__outside();
    return weft_spawn((weft_scope *)(self->scope ? self->scope : weft__root(self->reactor)), fn,
                      arg, arg_size, opt);
}

void weft__task_describe(const struct weft__task *task, struct weft_task_info *info)
{
    const struct weft__wait *wait = task->fiber.wait;

    *info = (struct weft_task_info){
        .size = sizeof *info,
        .task = weft__task_handle(task),
        .name = task->name,
        .fn = task->fn,
        .waits_for = wait                                     ? wait->what
                     : task->reactor->current == &task->fiber ? "running"
                     : task->ended                            ? "ended"
                                                              : "ready",
        .fd = wait ? wait->fd : -1,
        .cause = task->visible,
        .reactor = task->reactor->index,
        .since_turn = task->fiber.since_turn,
        .stack_size = weft__stack_size(&task->reactor->stacks, task->fiber.slot),
    };
}

int weft__tasks_open(struct weft__reactor *reactor, uint64_t generation_first, uint32_t alive_max)
{
    struct weft__tasks *tasks = weft__calloc(1, sizeof *tasks);

    if (!tasks)
        return -ENOMEM;
    tasks->generation = generation_first;
    tasks->id = generation_first + reactor->index + 1;
    tasks->alive_max = alive_max ? alive_max : TASKS_MAX_DEFAULT;
    reactor->tasks = tasks;
    weft__scope_init(&tasks->root, reactor, NULL);
    tasks->root.on_error = WEFT_KEEP_GOING;
    tasks->root.name = "root";
    weft__roll_enter(tasks);
    return 0;
}

void weft__tasks_close(struct weft__reactor *reactor)
{
    for (const struct weft__task *task = weft__root(reactor)->children; task; task = task->next)
        if (task->result < 0 && !task->heard) /* all have ended, these with a handle */
            weft__task_unheard(task);
    weft__tasks_reap(reactor);
    weft__roll_leave(weft__tasks_of(reactor));
    weft__free(weft__tasks_of(reactor)->neighbours);
    weft__free(reactor->tasks);
    reactor->tasks = NULL;
}
