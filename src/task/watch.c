/*
 * task/watch.c - waiting for several things at once; watch.h draws a watch's life.
 */
#include "task/watch.h"

#include <errno.h>

#include "base/memory.h"
#include "task/coroutine.h"

/* -- lists ---------------------------------------------------------------------------------- */

static int task_check(struct weft__task *self, weft_task handle, uint32_t *search)
{
    int error;
    struct weft__task *task = weft__task_find(self->reactor, handle, &error);

    if (!task)
        return weft__task_not_found(handle, error, true);
    if (!task->ended && weft__task_would_deadlock_in(self, task, search))
        return weft__task_deadlock(self, task);
    return 0;
}

static int awaitable_check(struct weft__task *self, const weft_awaitable *awaitable,
                           bool coroutines, uint32_t *search)
{
    switch (awaitable->kind) {
    case WEFT_AWAITABLE_TASK:
        return task_check(self, awaitable->task, search);
    case WEFT_AWAITABLE_FUTURE:
        if (awaitable->future)
            return 0;
        return weft__misuse(-EINVAL, "no future");
    case WEFT_AWAITABLE_COROUTINE:
        if (coroutines && !awaitable->shielded)
            return 0;
        return weft__misuse(-EINVAL, "a coroutine, where only tasks and futures may be");
    default:
        return weft__misuse(-EINVAL, "an awaitable that is none");
    }
}

int weft__list_check(struct weft__task *self, const weft_awaitable *list, uint32_t count,
                     bool coroutines)
{
    int error = count == 0 || list ? 0 : weft__misuse(-EINVAL, "no list");
    uint32_t search = 0;

    for (uint32_t i = 0; i < count && error == 0; i++)
        error = awaitable_check(self, &list[i], coroutines, &search);
    return error;
}

bool weft__awaitable_peek(struct weft__task *self, const weft_awaitable *awaitable, int64_t *result)
{
    struct weft__task *task;
    int error;

    if (awaitable->kind == WEFT_AWAITABLE_FUTURE)
        return weft__future_look(awaitable->future, result);
    if (awaitable->kind == WEFT_AWAITABLE_COROUTINE)
        return false;
    task = weft__task_find(self->reactor, awaitable->task, &error);
    if (!task->ended)
        return false;
    *result = task->result;
    task->heard = true;
    return true;
}

uint32_t weft__list_settled(struct weft__task *self, const weft_awaitable *list, uint32_t count)
{
    uint32_t settled = 0;
    int64_t result;

    for (uint32_t i = 0; i < count; i++)
        settled += weft__awaitable_peek(self, &list[i], &result);
    return settled;
}

/* -- one watch ------------------------------------------------------------------------------ */

static void watch_done(struct weft__watch *watch, int64_t result)
{
    struct weft__watches *all = watch->all;

    watch->state = WEFT__WATCH_DONE;
    watch->result = result;
    *all->done_tail = watch;
    all->done_tail = &watch->next_done;
    all->done++;
    if (result < 0 && all->first_error == 0)
        all->first_error = result;
    if (all->on_done)
        all->on_done(all, watch);
    if (weft__watches_enough(all))
        weft__wake_now(weft__self, &all->wait);
}

static void task_ended(struct weft__joiner *joiner)
{
    watch_done((struct weft__watch *)joiner, joiner->result);
}

static void future_settled(struct weft__message *message, struct weft__reactor *reactor)
{
    struct weft__watch *watch = (struct weft__watch *)message;

    (void)reactor;
    watch_done(watch, watch->waiter.value);
}

static void watch_task(struct weft__watch *watch, struct weft__task *self, weft_task handle)
{
    int error;
    struct weft__task *task = weft__task_find(self->reactor, handle, &error);

    if (task->ended) {
        task->heard = true;
        watch_done(watch, task->result);
        return;
    }
    watch->state = WEFT__WATCH_ON;
    watch->task = task;
    watch->joiner = (struct weft__joiner){.ended = task_ended};
    weft__joiner_link(task, &watch->joiner);
}

static void watch_future(struct weft__watch *watch, struct weft_future *future)
{
    watch->future = weft_future_retain(future);
    weft__waiter_init(&watch->waiter, &watch->all->wait);
    watch->waiter.message.run = future_settled;
    watch->waiter.claim = watch->all->claim;
    watch->state = WEFT__WATCH_ON;
    if (!weft__future_enter(future, &watch->waiter))
        watch_done(watch, future->result);
}

static void watch_coroutine(struct weft__watch *watch, struct weft__task *self,
                            const weft_awaitable *coroutine)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = "coroutine", .task = &task};
    int error;

    weft__coroutine_used(coroutine);
    error = weft__task_start(self->reactor, (struct weft__scope *)&watch->all->scope, coroutine->fn,
                             coroutine->arg, coroutine->arg_size, &opt);
    watch->spawned = error == 0;
    if (error < 0)
        watch_done(watch, error);
    else
        watch_task(watch, self, task);
}

/* -- all of them ---------------------------------------------------------------------------- */

static bool has_coroutine(const weft_awaitable *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (list[i].kind == WEFT_AWAITABLE_COROUTINE)
            return true;
    return false;
}

int weft__watches_open(struct weft__watches *all, uint32_t count, bool scoped, const char *what)
{
    struct weft_scope_opt opt = {.size = sizeof opt, .on_error = WEFT_KEEP_GOING, .name = what};
    int error = 0;

    all->wait = (struct weft__wait){.what = what, .fd = -1};
    all->watch = all->in_frame;
    all->count = all->wanted = count;
    all->done = all->past = 0;
    all->error_is_enough = false;
    all->first_error = 0;
    all->claim = NULL;
    all->on_done = NULL;
    all->first_done = NULL;
    all->done_tail = &all->first_done;
    if (count > WEFT__WATCHES_IN_FRAME)
        all->watch = weft__calloc(count, sizeof *all->watch);
    if (!all->watch)
        return -ENOMEM;
    if (scoped)
        error = weft_scope_open(&all->scope, &opt);
    all->scoped = scoped && error == 0;
    return error;
}

void weft__watches_add(struct weft__watches *all, uint32_t index, struct weft__task *self,
                       const weft_awaitable *awaitable)
{
    struct weft__watch *watch = &all->watch[index];

    *watch = (struct weft__watch){.all = all, .shielded = awaitable->shielded};
    if (awaitable->kind == WEFT_AWAITABLE_FUTURE)
        watch_future(watch, awaitable->future);
    else if (awaitable->kind == WEFT_AWAITABLE_TASK)
        watch_task(watch, self, awaitable->task);
    else
        watch_coroutine(watch, self, awaitable);
}

int weft__watches_begin(struct weft__watches *all, struct weft__task *self,
                        const weft_awaitable *list, uint32_t count, const char *what)
{
    int error = weft__watches_open(all, count, has_coroutine(list, count), what);

    for (uint32_t i = 0; i < count && error == 0; i++)
        weft__watches_add(all, i, self, &list[i]);
    return error;
}

int weft__watches_check(struct weft__watches *all, struct weft__task *self)
{
    const struct weft__task *stuck = weft__watches_deadlock(all, self);

    return stuck ? weft__task_deadlock(self, stuck) : 0;
}

bool weft__watches_wait(struct weft__watches *all, struct weft__task *self, bool interruptible)
{
    while (!weft__watches_enough(all)) {
        if (interruptible && self->visible)
            return false;
        all->wait.interrupt = interruptible ? weft__wait_interrupt : NULL;
        self->watches = all;
        weft__fiber_park(self->reactor, &all->wait);
        self->watches = NULL;
    }
    return true;
}

static void wait_for_all(struct weft__watches *all, struct weft__task *self)
{
    all->wanted = all->count;
    all->error_is_enough = false;
    (void)weft__watches_wait(all, self, false);
}

/* Takes it out, unless it is being woken: then it will be done. */
static void leave(struct weft__watch *watch)
{
    if (!watch->future)
        weft__joiner_unlink(&watch->joiner);
    else if (!weft__future_leave(watch->future, &watch->waiter))
        return;
    watch_done(watch, -ECANCELED);
}

static void cancel(struct weft__watch *watch)
{
    if (watch->shielded)
        leave(watch);
    else if (watch->future)
        (void)weft__future_settle(watch->future, -ECANCELED);
    else if (!watch->spawned)
        (void)weft__task_cancel(watch->task);
}

void weft__watches_cancel(struct weft__watches *all, struct weft__task *self, enum weft_cause cause)
{
    if (all->scoped)
        weft__scope_cancel((struct weft__scope *)&all->scope, cause, false);
    for (uint32_t i = 0; i < all->count; i++)
        if (all->watch[i].state == WEFT__WATCH_ON)
            cancel(&all->watch[i]);
    wait_for_all(all, self);
}

void weft__watches_leave(struct weft__watches *all, struct weft__task *self)
{
    for (uint32_t i = 0; i < all->count; i++)
        if (all->watch[i].state == WEFT__WATCH_ON)
            leave(&all->watch[i]);
    wait_for_all(all, self);
}

void weft__watches_end(struct weft__watches *all)
{
    for (uint32_t i = 0; i < all->count; i++)
        weft_future_put(all->watch[i].future);
    if (all->scoped)
        (void)weft__scope_close(&all->scope); /* what it says, we have said */
    if (all->watch != all->in_frame)
        weft__free(all->watch);
}
