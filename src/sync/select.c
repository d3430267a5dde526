/*
 * sync/select.c - select. weft/select.h says what it promises, sync/select.h how an object takes
 * part.
 *
 *      poll: is one ready?  --- yes ---> it has won
 *            | none
 *            v
 *      link: put each case into its row, its timer, ...; begin the coroutines
 *            |                        one is ready by now ----> claimed by it
 *            v                                                    |
 *      park until the claim is taken, and who took it has come    |
 *            | (a cancellation takes the claim, too)              |
 *            v                                                    v
 *      leave every row, cancel the coroutines and wait for them; tell the results
 *
 * The claim (task/wake.h) decides, and whoever makes a case ready takes it, under the lock of the
 * case's object. So when a case has won there is no other that was given anything, but for
 * coroutines, which do what they do.
 */
#include <weft/select.h>

#include "base/memory.h"
#include "sync/lock.h"
#include "sync/select.h"
#include "task/coroutine.h"
#include "task/watch.h"

enum { LINKS_IN_FRAME = 8 };

struct select;

struct alarm {
    struct weft__timer timer; /* first */
    struct select *select;
};

/* Where a case waits, if that is in a row or for a time. */
union link {
    struct weft__entry entry; /* its waiter is the first thing in it */
    struct alarm alarm;
};

/* Where the others wait. */
struct watching {
    struct weft__watches all; /* first */
    struct select *select;
};

struct select {
    struct weft__wait wait;
    struct weft__claim claim; /* a link, a watch, or &wait: cancelled */
    bool over;                /* the claim is taken, and nothing is on its way any more */
    struct weft__task *self;
    weft_case *cases;
    uint32_t count;
    uint32_t first;      /* where the search begins */
    uint32_t linked;     /* so many links, from `first` on, are to be undone */
    union link *links;   /* one for each case */
    struct watching *on; /* NULL: nothing is watched, or not yet */
};

static weft_case *case_at(const struct select *select, uint32_t step, uint32_t *index)
{
    *index = (uint32_t)(((uint64_t)select->first + step) % select->count);
    return &select->cases[*index];
}

/* -- the list ------------------------------------------------------------------------------- */

static bool is_watched(const weft_case *one)
{
    return one->kind == WEFT_CASE_AWAIT || one->kind == WEFT_CASE_OPERATION;
}

static bool is_child(const weft_case *one)
{
    return one->kind == WEFT_CASE_OPERATION ||
           (one->kind == WEFT_CASE_AWAIT && weft_is_coroutine(one->awaitable));
}

static int case_check(struct weft__task *self, const weft_case *one)
{
    switch (one->kind) {
    case WEFT_CASE_NEVER:
    case WEFT_CASE_UNTIL:
        return 0;
    case WEFT_CASE_GET:
    case WEFT_CASE_PUT:
        return weft__queue_check(one->object, one->item);
    case WEFT_CASE_LOCK:
        if (one->object && weft__lock_is_mine(one->object, self))
            return weft__misuse(-EDEADLK, "the task holds the lock already");
        break;
    case WEFT_CASE_EVENT:
    case WEFT_CASE_SEMAPHORE:
        break;
    case WEFT_CASE_AWAIT:
        return weft__list_check(self, &one->awaitable, 1, true);
    case WEFT_CASE_OPERATION:
        return one->awaitable.fn ? 0 : weft__misuse(-EINVAL, "an operation that is none");
    default:
        return weft__misuse(-EINVAL, "a case of no kind that there is");
    }
    return one->object ? 0 : weft__misuse(-EINVAL, "a case without its object");
}

static int list_check(struct weft__task *self, const weft_case *cases, uint32_t count, bool wait)
{
    int error = 0;

    for (uint32_t i = 0; i < count && error == 0; i++) {
        error = case_check(self, &cases[i]);
        if (error == 0 && !wait && is_child(&cases[i]))
            error = weft__misuse(-EINVAL, "an operation or a coroutine cannot be tried");
    }
    return error;
}

static void use_coroutines_up(const weft_case *cases, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (cases[i].kind == WEFT_CASE_AWAIT)
            weft__coroutine_used(&cases[i].awaitable);
}

/* -- without waiting ------------------------------------------------------------------------ */

/* Is it ready? Then it has its result. 1; 0; a mistake. */
static int try_case(struct weft__task *self, weft_case *one)
{
    int result = -EAGAIN;

    switch (one->kind) {
    case WEFT_CASE_GET:
        result = weft_queue_get_nowait(one->object, one->item);
        break;
    case WEFT_CASE_PUT:
        result = weft_queue_put_nowait(one->object, one->item);
        break;
    case WEFT_CASE_LOCK:
        result = weft_lock_acquire_nowait(one->object);
        break;
    case WEFT_CASE_SEMAPHORE:
        result = weft_semaphore_acquire_nowait(one->object);
        break;
    case WEFT_CASE_EVENT:
        one->result = 0;
        return weft__event_try(one->object);
    case WEFT_CASE_UNTIL:
        one->result = 0;
        return one->deadline <= weft__host_now();
    case WEFT_CASE_AWAIT:
        return weft__awaitable_peek(self, &one->awaitable, &one->result);
    default:
        return 0;
    }
    one->result = result;
    return result == -EPERM ? result : result != -EAGAIN;
}

/* A case has won. If its result is that of a call refused, that was not for this task's sake. */
static int win(const struct select *select, int index)
{
    int64_t result = select->cases[index].result;

    if (result < 0)
        (void)weft__task_pass_on(select->self, (int)result);
    return index;
}

/* The index of the first that is ready; -EAGAIN; a mistake. */
static int poll_cases(const struct select *select)
{
    int result = 0;
    uint32_t index = 0;

    for (uint32_t step = 0; step < select->count && result == 0; step++) {
        weft_case *one = case_at(select, step, &index);
        result = try_case(select->self, one);
        if (result <= 0)
            one->result = -ECANCELED;
    }
    if (result == 0)
        return -EAGAIN;
    return result < 0 ? result : win(select, (int)index);
}

/* -- waiting -------------------------------------------------------------------------------- */

#define SELECT_OF(pointer) ((struct select *)((char *)(pointer)-offsetof(struct select, wait)))

static void end(struct select *select)
{
    select->over = true;
    weft__wake_now(select->self->reactor, &select->wait);
}

static void interrupted(struct weft__wait *wait)
{
    if (weft__claim_take(&SELECT_OF(wait)->claim, wait))
        end(SELECT_OF(wait));
}

static void rang(struct weft__timer *timer)
{
    struct select *select = ((struct alarm *)timer)->select;

    if (weft__claim_take(&select->claim, timer))
        end(select);
}

/* A case was granted what it waits for, and so has claimed. */
static void granted(struct weft__message *message, struct weft__reactor *reactor)
{
    struct weft__waiter *waiter = (struct weft__waiter *)message;

    (void)reactor;
    waiter->arrived = true;
    end(SELECT_OF(waiter->wait));
}

/* A task has ended; or a future was settled, which has claimed there if it could. */
static void watched(struct weft__watches *all, struct weft__watch *watch)
{
    struct select *select = ((struct watching *)all)->select;

    if (weft__claim_take(&select->claim, watch) ||
        weft__claim_taken(&select->claim) == (const void *)watch)
        end(select);
}

/* Puts one where it waits. 1: it was ready, and has won; 0; a mistake. */
static int link_case(struct select *select, const weft_case *one, union link *link)
{
    if (one->kind == WEFT_CASE_UNTIL) {
        link->alarm = (struct alarm){.timer = {.fire = rang}, .select = select};
        if (one->deadline != WEFT_NEVER) {
            WEFT__COUNT(select->self->reactor, timers_armed);
            weft__timer_arm(&select->self->reactor->timers, &link->alarm.timer, one->deadline);
        }
        return 0;
    }
    link->entry = (struct weft__entry){.task = select->self, .item = one->item};
    weft__waiter_init(&link->entry.waiter, &select->wait);
    link->entry.waiter.message.run = granted;
    link->entry.waiter.claim = &select->claim;
    switch (one->kind) {
    case WEFT_CASE_GET:
        return weft__queue_link_get(one->object, &link->entry);
    case WEFT_CASE_PUT:
        return weft__queue_link_put(one->object, &link->entry);
    case WEFT_CASE_LOCK:
        return weft__lock_link(one->object, &link->entry);
    case WEFT_CASE_SEMAPHORE:
        return weft__semaphore_link(one->object, &link->entry);
    default:
        return weft__event_link(one->object, &link->entry);
    }
}

static bool is_linked(const weft_case *one)
{
    return one->kind != WEFT_CASE_NEVER && !is_watched(one);
}

static int link_cases(struct select *select)
{
    int result = 0;
    uint32_t index;

    while (result == 0 && select->linked < select->count && !weft__claim_taken(&select->claim)) {
        const weft_case *one = case_at(select, select->linked, &index);
        if (is_linked(one))
            result = link_case(select, one, &select->links[index]);
        if (result >= 0)
            select->linked++;
    }
    if (result > 0)
        select->over = true;
    return result;
}

/* Takes each out of where it waits, and the winner's result. */
static void unlink_cases(struct select *select)
{
    uint32_t index;

    for (uint32_t step = 0; step < select->linked; step++) {
        weft_case *one = case_at(select, step, &index);
        union link *link = &select->links[index];
        if (!is_linked(one))
            continue;
        if (one->kind == WEFT_CASE_UNTIL)
            weft__timer_disarm(&select->self->reactor->timers, &link->alarm.timer);
        else if (link->entry.object && link->entry.fate != WEFT__GRANTED) /* else it may be gone */
            weft__entry_leave(&link->entry);
    }
}

/* -- tasks, futures and coroutines ---------------------------------------------------------- */

static void watch_case(struct select *select, uint32_t index, weft_case *one)
{
    weft_awaitable operation = {.kind = WEFT_AWAITABLE_COROUTINE,
                                .fn = one->awaitable.fn,
                                .arg = one};

    if (one->kind != WEFT_CASE_OPERATION)
        operation = one->awaitable;
    operation.ticket = 0; /* it was used up when the list was taken */
    weft__watches_add(&select->on->all, index, select->self, &operation);
}

/* 0, or -ENOMEM, and then none is watched. */
static int watch_cases(struct select *select, struct watching *on)
{
    uint32_t count = 0, place = 0, index;
    bool scoped = false;
    int error;

    for (uint32_t i = 0; i < select->count; i++) {
        count += is_watched(&select->cases[i]);
        scoped |= is_child(&select->cases[i]);
    }
    error = weft__watches_open(&on->all, count, scoped, "select");
    if (error < 0)
        return error;
    select->on = on;
    on->select = select;
    on->all.claim = &select->claim;
    on->all.on_done = watched;
    for (uint32_t step = 0; step < select->count; step++) {
        weft_case *one = case_at(select, step, &index);
        if (is_watched(one))
            watch_case(select, place++, one);
    }
    return 0;
}

/* Lets go of tasks and futures, cancels what are children, and waits for them. The index of a child
   that ended with a value, if it is to win; else -1. */
static int unwatch_cases(struct select *select)
{
    struct weft__watches *all = &select->on->all;
    uint32_t place = 0, index;
    int won = -1;

    for (uint32_t i = 0; i < all->count; i++)
        all->watch[i].shielded = !all->watch[i].spawned;
    weft__watches_cancel(all, select->self,
                         select->self->visible ? (enum weft_cause)select->self->visible
                                               : WEFT_CAUSE_CANCEL);
    for (uint32_t step = 0; step < select->count; step++) {
        weft_case *one = case_at(select, step, &index);
        const struct weft__watch *watch;
        if (!is_watched(one))
            continue;
        watch = &all->watch[place++];
        one->result = watch->result;
        if (won < 0 && watch->spawned && watch->result >= 0)
            won = (int)index;
        if (weft__claim_taken(&select->claim) == (const void *)watch)
            select->claim.by = one;
    }
    weft__watches_end(all);
    return won;
}

/* -- all of it ------------------------------------------------------------------------------ */

static void park(struct select *select)
{
    while (!select->over)
        weft__fiber_park(select->self->reactor, &select->wait);
}

/* The index of the case that has claimed, with its result; -1: none. */
static int winner(struct select *select)
{
    const void *by = weft__claim_taken(&select->claim);

    for (uint32_t i = 0; i < select->count; i++) {
        weft_case *one = &select->cases[i];
        union link *link = &select->links[i];
        if (by == (const void *)one)
            return (int)i;
        if (by != (const void *)link)
            continue;
        one->result = 0;
        if (one->kind == WEFT_CASE_LOCK && link->entry.fate == WEFT__GRANTED)
            one->result = weft__lock_linked(one->object, &link->entry);
        else if (one->kind != WEFT_CASE_UNTIL)
            one->result = link->entry.result;
        return (int)i;
    }
    return -1;
}

static int refuse(struct weft__task *self)
{
    return self->visible ? weft__task_refuse(self) : weft__task_refuse_idle(self);
}

/* What came of it, once the claim is taken. `error`: a mistake, or no memory, found meanwhile. */
static int conclude(struct select *select, int error)
{
    int child = -1, won;

    unlink_cases(select);
    if (select->on)
        child = unwatch_cases(select);
    won = winner(select);
    if (won >= 0)
        return win(select, won);
    if (error < 0)
        return error;
    return child >= 0 ? child : refuse(select->self);
}

static int wait_for_first(struct select *select, struct watching *on)
{
    int error = link_cases(select);

    if (error == 0 && on && !weft__claim_taken(&select->claim))
        error = watch_cases(select, on);
    if (error < 0 && weft__claim_take(&select->claim, &select->wait))
        select->over = true;
    park(select);
    return conclude(select, error);
}

static int wait_with(struct select *select, union link *in_frame, struct watching *on)
{
    int result;

    select->links = in_frame;
    if (select->count > LINKS_IN_FRAME)
        select->links = weft__calloc(select->count, sizeof *select->links);
    if (!select->links)
        return -ENOMEM;
    result = wait_for_first(select, on);
    if (select->links != in_frame)
        weft__free(select->links);
    return result;
}

/* Apart, for their frames: nothing is larger than it need be. */
static __attribute__((noinline)) int wait_plainly(const struct select *polled)
{
    struct select select = *polled;
    union link in_frame[LINKS_IN_FRAME];

    return wait_with(&select, in_frame, NULL);
}

static __attribute__((noinline)) int wait_watching(const struct select *polled)
{
    struct select select = *polled;
    union link in_frame[LINKS_IN_FRAME];
    struct watching on;

    return wait_with(&select, in_frame, &on);
}

static bool any_watched(const struct select *select)
{
    for (uint32_t i = 0; i < select->count; i++)
        if (is_watched(&select->cases[i]))
            return true;
    return false;
}

/* Where a fair search begins: the draws of a reactor, always the same row of them. */
static uint32_t draw(struct weft__task *self, uint32_t count)
{
    struct weft__tasks *tasks = weft__tasks_of(self->reactor);

    tasks->draws = tasks->draws * UINT32_C(1664525) + UINT32_C(1013904223);
    return (tasks->draws >> 8) % count;
}

/* And no case has happened yet, whatever comes of the call. */
static int arguments(weft_case *cases, uint32_t count, uint32_t flags, uint32_t known)
{
    if (!cases || count == 0 || count > INT32_MAX)
        return weft__misuse(-EINVAL, "no cases, or too many");
    for (uint32_t i = 0; i < count; i++)
        cases[i].result = -ECANCELED;
    return flags & ~known ? weft__misuse(-EINVAL, "flags that there are not") : 0;
}

int weft_select(weft_case *cases, uint32_t count, uint32_t flags)
{
    struct select select = {.cases = cases, .count = count};
    int result = arguments(cases, count, flags, WEFT_SELECT_FAIR | WEFT_IDLE);

    if (result == 0)
        result = weft__sync_begin(&select.self); /* first: handles may run out meanwhile */
    if (result == 0 && (flags & WEFT_IDLE) && select.self->draining)
        result = weft__task_refuse_idle(select.self);
    if (result == 0)
        result = list_check(select.self, cases, count, true);
    if (result < 0)
        return result;
    use_coroutines_up(cases, count);
    if (flags & WEFT_SELECT_FAIR)
        select.first = draw(select.self, count);
    result = poll_cases(&select);
    if (result != -EAGAIN)
        return result;
    select.wait = (struct weft__wait){.what = "select", .fd = -1};
    select.wait.idle = flags & WEFT_IDLE;
    select.wait.interrupt = interrupted;
    return any_watched(&select) ? wait_watching(&select) : wait_plainly(&select);
}

int weft_select_nowait(weft_case *cases, uint32_t count, uint32_t flags)
{
    struct select select = {.cases = cases, .count = count, .self = weft__task_self()};
    int result = arguments(cases, count, flags, WEFT_SELECT_FAIR);

    if (result == 0 && !select.self)
        result = weft__outside();
    if (result == 0)
        result = list_check(select.self, cases, count, false);
    if (result < 0)
        return result;
    if (flags & WEFT_SELECT_FAIR)
        select.first = draw(select.self, count);
    return poll_cases(&select);
}
