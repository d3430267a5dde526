/*
 * runtime/waits.c - who waits for what; waits.h says for whom.
 *
 * No recursion and no memory: it may run on the stack of a task, and trees may be deep.
 */
#include "runtime/waits.h"

#include <stdio.h>

#include "sync/lock.h"
#include "task/call.h"
#include "task/task.h"
#include "task/wait.h"
#include "task/watch.h"

enum { TEXT = 320 };

/* A line that is being written. */
struct line {
    size_t length;
    char text[TEXT];
};

static __attribute__((format(printf, 2, 3))) void put(struct line *line, const char *format, ...)
{
    size_t room = sizeof line->text - line->length;
    __builtin_va_list arguments;
    int length;

    __builtin_va_start(arguments, format);
    length = vsnprintf(line->text + line->length, room, format, arguments);
    __builtin_va_end(arguments);
    if (length > 0)
        line->length += (size_t)length < room ? (size_t)length : room - 1;
}

static void put_cause(struct line *line, uint8_t cause)
{
    static const char *const causes[] = {[WEFT_CAUSE_CANCEL] = "cancelled",
                                         [WEFT_CAUSE_DEADLINE] = "its deadline passed",
                                         [WEFT_CAUSE_SIBLING] = "a sibling failed",
                                         [WEFT_CAUSE_DRAIN] = "cancelled by a drain",
                                         [WEFT_CAUSE_STOP] = "cancelled by the stop"};

    if (cause > 0 && cause < sizeof causes / sizeof causes[0])
        put(line, ", %s", causes[cause]);
}

static void put_task(struct line *line, const struct weft__task *task)
{
    put(line, "task %llu \"%s\"", (unsigned long long)weft__task_number(task), task->name);
}

static void put_scope(struct line *line, const struct weft__scope *scope)
{
    if (scope->name)
        put(line, "scope \"%s\"", scope->name);
    else
        put(line, "scope");
}

static void put_span(struct line *line, int64_t span_ns)
{
    int64_t ns = span_ns > 0 ? span_ns : 0;

    put(line, "%lld.%06lld s", (long long)(ns / 1000000000), (long long)(ns % 1000000000 / 1000));
}

/* -- what a task waits for ----------------------------------------------------------------------
 */

/* The scope of its own for whose children the task waits. */
static struct weft__scope *closed_by(const struct weft__task *task)
{
    struct weft__scope *scope = task->scope;

    while (scope && scope->closer != task->fiber.wait)
        scope = scope->outer;
    return scope;
}

static void put_end_of_sleep(struct line *line, const struct weft__describer *to,
                             int64_t deadline_ns)
{
    put(line, deadline_ns == WEFT_NEVER ? " for ever" : ", for another ");
    if (deadline_ns != WEFT_NEVER)
        put_span(line, deadline_ns - to->now_ns);
}

static void put_call(struct line *line, struct weft__describer *to, const struct weft__task *task)
{
    const struct weft__task *called;
    uint32_t index;

    if (!weft__call_of(task->fiber.wait, &index, to->live ? NULL : &called))
        return;
    put(line, " to reactor %u", index);
    if (to->live || !called)
        return; /* not ours to look at; or not begun there, or over */
    put(line, ", for ");
    put_task(line, called);
    put(line, " there");
    to->waits(to, task, called);
}

/* A lock is waited for as whoever holds it. */
static void put_lock(struct line *line, struct weft__describer *to, const struct weft__task *task)
{
    const struct weft__task *holder = weft__lock_holder(task->fiber.wait, to->live);

    put(line, "lock");
    if (!holder)
        return; /* it is being handed over; or held by who knows whom */
    put(line, " held by ");
    put_task(line, holder);
    if (holder->reactor != task->reactor)
        put(line, " of reactor %u", holder->reactor->index);
    to->waits(to, task, holder);
}

/* The first of several tasks, and how many more; all of them are told to the describer. */
static void put_several(struct line *line, struct weft__describer *to,
                        const struct weft__task *task)
{
    const struct weft__watches *all = task->watches;
    uint32_t tasks = 0;

    for (uint32_t i = 0; i < all->count; i++) {
        const struct weft__watch *watch = &all->watch[i];
        if (watch->state != WEFT__WATCH_ON || watch->future)
            continue;
        if (tasks++ == 0) {
            put(line, all->wanted < all->count ? " of the first of " : " of ");
            put_task(line, watch->task);
        }
        to->waits(to, task, watch->task);
    }
    if (tasks > 1)
        put(line, " and %u more", tasks - 1);
}

static void put_wait(struct line *line, struct weft__describer *to, const struct weft__task *task)
{
    const struct weft__wait *wait = task->fiber.wait;
    const struct weft__scope *scope = closed_by(task);
    const struct weft__room_waiter *waiter = (const struct weft__room_waiter *)wait;

    if (scope) {
        put(line, "%s of ", wait->what == weft__waits_closing ? "close" : wait->what);
        put_scope(line, scope);
        put(line, " with %u %s", scope->alive, scope->alive == 1 ? "child" : "children");
        to->waits(to, task, scope);
    } else if (task->joins) {
        put(line, "join of ");
        put_task(line, task->joins);
        to->waits(to, task, task->joins);
    } else if (wait->what == weft__waits_room) {
        put(line, "room in ");
        put_scope(line, waiter->scope);
        put(line, ", which has %u of %u", waiter->scope->alive, waiter->scope->alive_max);
        to->waits(to, task, waiter->scope);
    } else if (wait->what == weft__waits_lock) {
        put_lock(line, to, task);
    } else {
        put(line, "%s", wait->what);
        if (wait->what == weft__waits_sleep)
            put_end_of_sleep(line, to, ((const struct weft__sleep *)wait)->deadline_ns);
        if (task->watches)
            put_several(line, to, task);
        else
            put_call(line, to, task);
    }
    if (wait->fd >= 0)
        put(line, " on descriptor %d", wait->fd);
    put(line, ", since turn %llu", (unsigned long long)task->fiber.since_turn);
}

/* -- pieces of the tree -------------------------------------------------------------------------
 */

static void tell_task(struct weft__describer *to, uint32_t depth, const struct weft__task *task)
{
    struct line line = {.length = 0};

    put_task(&line, task);
    put(&line, ": ");
    if (task->ended)
        put(&line, "has ended with %d, and nobody has joined it", task->result);
    else if (task->fiber.wait)
        put_wait(&line, to, task);
    else
        put(&line,
            task->reactor->current == &task->fiber || to->asker == task ? "runs" : "is ready");
    put_cause(&line, task->ended ? 0 : task->visible);
    to->piece(to, depth, task, line.text);
    if (to->below && !task->ended) /* its stack may be another's */
        to->below(to, depth, task);
}

static void tell_scope(struct weft__describer *to, uint32_t depth, const struct weft__scope *scope)
{
    struct line line = {.length = 0};

    put_scope(&line, scope);
    put(&line, ": %u %s", scope->alive, scope->alive == 1 ? "task" : "tasks");
    if (scope->alive_max)
        put(&line, ", at most %u", scope->alive_max);
    if (scope->deadline_ns != WEFT_NEVER && !scope->deadline_fired) {
        put(&line, scope->shield ? ", a shield for another " : ", its deadline in ");
        put_span(&line, scope->deadline_ns - to->now_ns);
    }
    if (scope->draining)
        put(&line, ", drains");
    put_cause(&line, scope->cause);
    to->piece(to, depth, scope, line.text);
    for (const struct weft__task *child = scope->children; child; child = child->next)
        if (!child->ended)
            to->waits(to, scope, child);
}

/* -- the tree -----------------------------------------------------------------------------------
 */

/* Of a task that has scopes. */
static const struct weft__scope *outermost(const struct weft__task *task)
{
    const struct weft__scope *scope = task->scope;

    while (scope->outer)
        scope = scope->outer;
    return scope;
}

/* The owner's next scope inwards. */
static const struct weft__scope *inwards(const struct weft__scope *scope)
{
    const struct weft__scope *inner = scope->owner ? scope->owner->scope : NULL;

    if (inner == scope)
        return NULL;
    while (inner && inner->outer != scope)
        inner = inner->outer;
    return inner;
}

void weft__describe_waits(void *arg, struct weft__describer *to)
{
    struct weft__reactor *reactor = arg;
    const struct weft__scope *scope;
    const struct weft__task *task;
    struct line line = {.length = 0};
    uint32_t depth = 1;

    put(&line, "reactor %u, in turn %llu", reactor->index, (unsigned long long)reactor->turn);
    to->piece(to, 0, reactor, line.text);
    if (!reactor->tasks)
        return; /* it is being opened, or closed */
    scope = weft__root(reactor);
    tell_scope(to, depth, scope);
    task = scope->children;
    for (depth++;;) {
        while (
            !task) { /* all of the scope has been told: on with its owner's next, or behind him */
            const struct weft__scope *next = inwards(scope);
            depth--;
            if (next) {
                tell_scope(to, depth++, next);
                task = next->children;
                scope = next;
                continue;
            }
            if (!scope->owner)
                return;
            depth--;
            task = scope->owner->next;
            scope = scope->owner->home;
        }
        tell_task(to, depth, task);
        if (task->scope) {
            scope = outermost(task);
            tell_scope(to, depth + 1, scope);
            depth += 2;
            task = scope->children;
        } else {
            task = task->next;
        }
    }
}

/* -- circles ------------------------------------------------------------------------------------
 */

/* The task without which it cannot go on, on the same reactor. Of several, the first. */
static struct weft__task *waited_for(const struct weft__task *task)
{
    const struct weft__wait *wait = task->fiber.wait;
    const struct weft__watches *all = task->watches;

    if (!wait || task->joins)
        return wait ? task->joins : NULL;
    for (uint32_t i = 0; all && all->wanted == all->count && i < all->count; i++)
        if (all->watch[i].state == WEFT__WATCH_ON && !all->watch[i].future)
            return all->watch[i].task;
    if (wait->what != weft__waits_lock)
        return NULL;
    return (struct weft__task *)(uintptr_t)weft__lock_holder(wait, true); /* of a local lock */
}

/* Looks along who waits for whom, until it comes to nobody or to one that was looked at. */
static int look_along(struct weft__task *task, void *context)
{
    struct weft__circles *circles = context;
    uint32_t *searches = &weft__tasks_of(task->reactor)->searches;
    uint32_t mine = ++*searches;

    while (task && !(task->search >= circles->first && task->search <= mine)) {
        task->search = mine;
        task = waited_for(task);
    }
    if (task && task->search == mine)
        circles->tell(circles, task);
    return 0;
}

void weft__circles_find(struct weft__reactor *reactor, struct weft__circles *circles)
{
    circles->first = weft__tasks_of(reactor)->searches + 1;
    (void)weft__scope_each(weft__root(reactor), look_along, circles);
}

void weft__circle_put(struct weft__line *line, const struct weft__task *task)
{
    const struct weft__task *next = task;

    weft__line_put(line, "a cycle: ");
    do {
        weft__task_put(line, next);
        weft__line_put(line, " -> ");
        next = waited_for(next);
    } while (next != task); /* it is one: look_along has come back to the task */
    weft__task_put(line, task);
}
