/*
 * task/cycle.c - who could never end, if a task waited for another.
 *
 * The search goes from the task that is about to wait, `self`, to those that wait for it, and on to
 * those that wait for them: all that might be stuck, if self never goes on. Each of them counts for
 * how many of those it waits. Then those are let go that need none of them,
 *
 *      one that waits for some of several, when enough others are left;
 *      one that has a deadline, and waits for some of several, or for the children of a scope,
 *
 * and those that waited for nobody but them, and so on. Who is left is stuck: each waits for others
 * who are, be it in a join, for the next value of a generator, for several, or for the children of
 * a scope that it closes. If what self is to wait for is among them, self would wait for itself.
 * So is whoever has a scope open around self: he ends after it. Until then he may go on, though,
 * and give a value to who asks, unless he waits for the end of those below him.
 *
 * Whoever waits for something else (a future, a lock, a time, a descriptor) is not found, so the
 * search may miss a circle, and refuses nothing that could go on.
 *
 * No memory and no recursion: a stamp, a count and three links in each record, each task visited
 * once; nobody, in the usual case. On the tasks' own reactor.
 */
#include "task/watch.h"

#include <errno.h>

#include "base/line.h"
#include "task/wait.h"

/* In search_count: it is stuck whatever others do; it is let go. */
enum { FORCED = UINT32_MAX, FREE = UINT32_MAX - 1 };

struct search {
    struct weft__task *first; /* all that were found, in that order, by search_next */
    struct weft__task *last;
    struct weft__task *freed; /* let go, and who waits for them not yet told: by search_freed */
    uint32_t stamp;
};

static bool found(const struct search *search, const struct weft__task *task)
{
    return task->search == search->stamp;
}

static bool is_stuck(const struct search *search, const struct weft__task *task)
{
    return found(search, task) && task->search_count != FREE;
}

/* -- who waits for whom ---------------------------------------------------------------------- */

/* The task parked there, or NULL: one that was woken waits for nobody, though it has not run yet.
 */
static struct weft__task *parked_on(const struct weft__wait *wait)
{
    struct weft__fiber *fiber = wait->fiber;

    return fiber && fiber->wait == wait ? (struct weft__task *)fiber : NULL;
}

static struct weft__task *waits_on(struct weft__joiner *joiner)
{
    /* of a select: not before all that it waits for is the end of these */
    return parked_on(joiner->ended ? &((struct weft__watch *)joiner)->all->wait : &joiner->wait);
}

/* The body of a generator, and who waits for its next value. */
static struct weft__task *asker_of(const struct weft__task *task)
{
    struct weft__task *asker = task->asked_by;

    return asker && asker->fiber.wait && asker->joins == task ? asker : NULL;
}

static bool closes(const struct weft__task *task)
{
    return task->fiber.wait && task->fiber.wait->what == weft__waits_closing;
}

/* Who has the scope open that it is in, and waits for it among its children. */
static struct weft__task *closer_of(const struct weft__task *task)
{
    struct weft__task *owner = task->home->owner;

    if (task->loose)
        return NULL;
    return owner && closes(owner) && owner->fiber.wait == task->home->closer ? owner : NULL;
}

/* Of those above self: does it wait for the one below it, through which it was found, to end? Or
   for the next value of self, which is as far away. */
static bool awaits_below(const struct search *search, const struct weft__task *task)
{
    const struct weft__task *below = task->search_because;

    if (closer_of(below) == task)
        return true;
    return task->fiber.wait && task->joins == below &&
           (below == search->first || asker_of(below) != task);
}

/* It never ends if self does not go on: but does it not go on until then, either? */
static bool gives_nothing(const struct search *search, const struct weft__task *task)
{
    return task == search->first || task->search_count != FORCED || awaits_below(search, task);
}

/* Calls fn for each that waits for `task`; as often as it does. */
static void each_waiter(struct search *search, struct weft__task *task,
                        void (*fn)(struct search *search, struct weft__task *waiter,
                                   struct weft__task *task))
{
    struct weft__task *asker = gives_nothing(search, task) ? asker_of(task) : NULL;
    struct weft__task *closer = closer_of(task), *waiter;

    for (struct weft__joiner *joiner = task->joiners; joiner; joiner = joiner->next)
        if ((waiter = waits_on(joiner)))
            fn(search, waiter, task);
    if (asker)
        fn(search, asker, task);
    if (closer)
        fn(search, closer, task);
}

/* -- finding --------------------------------------------------------------------------------- */

static void add(struct search *search, struct weft__task *task, struct weft__task *because,
                uint32_t count)
{
    task->search = search->stamp;
    task->search_count = count;
    task->search_because = because;
    task->search_next = NULL;
    if (search->last)
        search->last->search_next = task;
    else
        search->first = task;
    search->last = task;
}

static void find(struct search *search, struct weft__task *waiter, struct weft__task *task)
{
    if (!found(search, waiter))
        add(search, waiter, task, 1);
    else if (waiter->search_count != FORCED)
        waiter->search_count++;
}

/* -- letting go ------------------------------------------------------------------------------- */

/* Will something end its wait in time? A shield's deadline counts, since nobody knows. */
static bool has_deadline(const struct weft__task *task)
{
    const struct weft__scope *scope = task->scope ? task->scope : task->home;

    while (scope) {
        if (scope->deadline_ns != WEFT_NEVER && !scope->deadline_fired)
            return true;
        if (scope->outer)
            scope = scope->outer;
        else
            scope = scope->owner ? scope->owner->home : NULL;
    }
    return false;
}

/* How many more have to be done. */
static uint32_t needed_of(const struct weft__watches *all)
{
    return all->wanted > all->done ? all->wanted - all->done : 0;
}

/* Do too few remain when `stuck` of them never end? */
static bool too_few(const struct weft__watches *all, uint32_t stuck, const struct weft__task *task)
{
    uint32_t left = all->count - all->done;
    uint32_t needed = needed_of(all);

    return left - stuck < needed && (needed == left || !has_deadline(task));
}

static bool goes_on(const struct weft__task *task)
{
    if (task->watches)
        return !too_few(task->watches, task->search_count, task);
    return task->search_count == 0 || (closes(task) && has_deadline(task));
}

static void let_go_if(struct search *search, struct weft__task *task)
{
    if (task->search_count == FORCED || task->search_count == FREE || !goes_on(task))
        return;
    task->search_count = FREE;
    task->search_freed = search->freed;
    search->freed = task;
}

/* `task` was let go. */
static void tell(struct search *search, struct weft__task *waiter, struct weft__task *task)
{
    (void)task;
    if (waiter->search_count != FORCED && waiter->search_count != FREE)
        waiter->search_count--;
    let_go_if(search, waiter);
}

static struct search search_from(struct weft__task *self)
{
    struct search search = {.stamp = ++weft__tasks_of(self->reactor)->searches};

    add(&search, self, NULL, FORCED);
    for (struct weft__task *task = self; task->home->owner; task = task->home->owner)
        add(&search, task->home->owner, task, FORCED);
    for (struct weft__task *task = search.first; task; task = task->search_next)
        each_waiter(&search, task, find);
    for (struct weft__task *task = search.first; task; task = task->search_next)
        let_go_if(&search, task);
    while (search.freed) {
        struct weft__task *task = search.freed;
        search.freed = task->search_freed;
        each_waiter(&search, task, tell);
    }
    return search;
}

/* -- what is asked ---------------------------------------------------------------------------- */

/* An ancestor cannot end before us: it closes the scope we are in. So it has one open, which most
   of those that are joined have not. */
static bool is_self_or_above(const struct weft__task *task, const struct weft__task *self)
{
    if (task == self || !task->scope)
        return task == self;
    for (; self; self = self->home->owner)
        if (task == self)
            return true;
    return false;
}

/* Else it waits for no task, and there is nothing to search. */
static bool may_be_stuck(const struct weft__task *task, const struct weft__task *self)
{
    if (task->fiber.wait && (task->joins || task->watches || closes(task)))
        return true;
    return is_self_or_above(task, self);
}

bool weft__task_would_deadlock(struct weft__task *self, struct weft__task *task)
{
    uint32_t search = 0;

    return weft__task_would_deadlock_in(self, task, &search);
}

bool weft__task_would_deadlock_in(struct weft__task *self, struct weft__task *task, uint32_t *stamp)
{
    struct search search = {.stamp = *stamp};

    if (!may_be_stuck(task, self))
        return false;
    if (!search.stamp)
        search = search_from(self);
    *stamp = search.stamp;
    return is_stuck(&search, task);
}

bool weft__task_gives_nothing(struct weft__task *self, struct weft__task *task)
{
    struct search search;

    if (!may_be_stuck(task, self))
        return false;
    search = search_from(self);
    return is_stuck(&search, task) && gives_nothing(&search, task);
}

/* Is it, being watched, one that may yet be done? The search is made once, for the first that needs
 * it. */
static bool is_free(const struct weft__watch *watch, struct weft__task *self, struct search *search)
{
    if (watch->future || !may_be_stuck(watch->task, self))
        return true;
    if (!search->stamp)
        *search = search_from(self);
    return !is_stuck(search, watch->task);
}

/* Looks no further than to as many as are needed: who takes one result after the other asks this
   for each of them. */
struct weft__task *weft__watches_deadlock(struct weft__watches *all, struct weft__task *self)
{
    struct weft__task *any = NULL;
    struct search search = {0};
    uint32_t stuck = 0, can_end = 0;

    while (all->past < all->count && all->watch[all->past].state == WEFT__WATCH_DONE)
        all->past++;
    for (uint32_t i = all->past; i < all->count; i++) {
        if (can_end >= needed_of(all))
            return NULL;
        if (all->watch[i].state == WEFT__WATCH_DONE)
            continue;
        if (is_free(&all->watch[i], self, &search)) {
            can_end++;
        } else {
            any = all->watch[i].task;
            stuck++;
        }
    }
    return stuck && too_few(all, stuck, self) ? any : NULL;
}

/* -- what is said ------------------------------------------------------------------------------ */

#ifdef WEFT_DEBUG

/* The circle, in the order of waiting; the next one on this thread overwrites it. */
static const char *circle(const struct weft__task *self, const struct weft__task *task)
{
    static __thread struct weft__line line __attribute__((tls_model("initial-exec")));

    weft__line_begin(&line);
    weft__line_put(&line, "the task would wait for itself: ");
    weft__task_put(&line, self);
    for (; task && task != self; task = task->search_because) {
        weft__line_put(&line, " -> ");
        weft__task_put(&line, task);
    }
    weft__line_put(&line, " -> ");
    weft__task_put(&line, self);
    return line.text;
}

#else

static const char *circle(const struct weft__task *self, const struct weft__task *task)
{
    (void)self, (void)task;
    return "";
}

#endif

int weft__task_deadlock(const struct weft__task *self, const struct weft__task *task)
{
    return weft__misuse(-EDEADLK, circle(self, task));
}
