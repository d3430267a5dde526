/*
 * What holds of a reactor whenever it visits the kernel, whatever the test is about: the linker
 * leads each visit here first (tests/CMakeLists.txt). Everything is worked out anew from the
 * structures themselves and compared with what they keep: lists with their back links, tails and
 * counts, what each task sees with the causes around it, who waits with what there is to wait for.
 *
 * What does not hold is printed, and the process aborts. Called on the reactor's own thread; looks
 * at nothing that other threads write. A walk over much is made more seldom, so that a test does
 * not take twice as long for it.
 */
#include <string.h>

#include "io/buffers.h"
#include "io/io.h"
#include "reactor/reactor.h"
#include "support/invariants.h"
#include "sync/wait_queue.h"
#include "task/task.h"

enum { DEPTH_MAX = 100, WALKED_PER_VISIT = 64, SLACK_NS = 2048 };

/* What a walk has come upon. */
struct count {
    uint64_t all;      /* things looked at */
    uint32_t runnable; /* tasks that do not wait */
    bool whole;        /* nothing was left out */
};

/* -- requests -------------------------------------------------------------------------------- */

static void check_slots(const struct weft__reactor *reactor, struct count *count)
{
    const struct weft__ops *ops = &reactor->ops;
    uint32_t in_flight = 0, vacant = 0;

    for (uint32_t i = 0; i < ops->capacity; i++) {
        const struct weft__op_slot *slot = &ops->slots[i];
        in_flight += slot->op != NULL;
        if (slot->generation == 0 || slot->generation > WEFT__GENERATION_MAX)
            broken(reactor, "slot %u is of generation %u", i, slot->generation);
        if (slot->op && slot->op->id != ((uint64_t)slot->generation << 32 | i))
            broken(reactor, "slot %u holds an operation that is somewhere else", i);
    }
    for (uint32_t i = ops->free; i != UINT32_MAX && vacant <= ops->capacity; vacant++) {
        if (i >= ops->capacity || ops->slots[i].op)
            broken(reactor, "slot %u is free and taken", i);
        i = ops->slots[i].next_free;
    }
    if (in_flight != ops->in_flight || vacant + in_flight != ops->capacity)
        broken(reactor, "%u operations in flight (%u), %u slots free, of %u", in_flight,
               ops->in_flight, vacant, ops->capacity);
    count->all += ops->capacity;
}

/* A list of operations whose cancel is to be sent. Returns where its tail is. */
static struct weft__op *const *check_cancels(const struct weft__reactor *reactor,
                                             struct weft__op *const *first, int level)
{
    struct weft__op *const *link = first;

    for (const struct weft__op *op = *first; op; op = op->cancel_next) {
        if (op->cancel_link != link)
            broken(reactor, "an operation's cancel is not where it is linked");
        if (op->id == 0 || !op->cancel_asked)
            broken(reactor, "a cancel is to be sent of an operation that %s",
                   op->id ? "nobody cancelled" : "has ended");
        if (op->cancel_waits != (level >= 0) || (level >= 0 && op->cancel_level != level))
            broken(reactor, "a cancel of level %d is in the list of level %d", op->cancel_level,
                   level);
        link = &op->cancel_next;
    }
    return link;
}

static void check_requests(const struct weft__reactor *reactor, struct count *count)
{
    const struct weft__ops *ops = &reactor->ops;

    check_slots(reactor, count);
    if (check_cancels(reactor, &ops->cancels, -1) != ops->cancels_tail)
        broken(reactor, "the list of cancels ends somewhere else");
    for (int level = 0; level < WEFT__CANCEL_LEVELS; level++) {
        const struct weft__cancel_again *again = &ops->again[level];
        (void)check_cancels(reactor, &again->first, level);
        if (weft__timer_armed(&again->timer) != (again->first != NULL))
            broken(reactor, "cancels of level %d are %sto be sent again, and its timer is%s armed",
                   level, again->first ? "" : "not ", again->first ? " not" : "");
    }
}

/* -- timers ---------------------------------------------------------------------------------- */

static void check_timers(const struct weft__reactor *reactor, struct count *count)
{
    const struct weft__timers *timers = &reactor->timers;
    int64_t first = INT64_MAX, next;
    struct weft__timer *const *tail = &timers->due;
    uint64_t armed = 0;

    for (const struct weft__timer *t = timers->due; t; t = t->next, armed++) {
        if (t->link != tail)
            broken(reactor, "a timer that is due is not where it is linked");
        tail = &t->next;
    }
    if (armed > 0 && timers->due_tail != tail)
        broken(reactor, "the timers that are due end somewhere else");
    for (uint32_t i = 0; i < WEFT__TIMER_LEVELS * WEFT__TIMER_SLOTS; i++) {
        const struct weft__timer *t = timers->lists[i / WEFT__TIMER_SLOTS][i % WEFT__TIMER_SLOTS];
        bool marked = timers->maps[i / WEFT__TIMER_SLOTS] >> i % WEFT__TIMER_SLOTS & 1;
        if (marked != (t != NULL))
            broken(reactor, "list %u of the timers is %s, and marked otherwise", i,
                   t ? "not empty" : "empty");
        for (; t; t = t->next, armed++) {
            if (*t->link != t)
                broken(reactor, "a timer is not where it is linked");
            first = t->due_ns < first ? t->due_ns : first;
        }
    }
    if (armed != timers->alive)
        broken(reactor, "%llu timers are armed, and %llu are counted", (unsigned long long)armed,
               (unsigned long long)timers->alive);
    next = weft__timers_next((struct weft__timers *)timers); /* which remembers what it finds */
    if (first < (int64_t)(timers->tick << WEFT__TIMER_TICK_SHIFT)) /* armed when it was due */
        first = (int64_t)(timers->tick << WEFT__TIMER_TICK_SHIFT);
    if (first < INT64_MAX - SLACK_NS && next > first + SLACK_NS)
        broken(reactor, "a timer is due at %lld, and will be looked at at %lld", (long long)first,
               (long long)next);
    count->all += armed + WEFT__TIMER_LEVELS;
}

/* -- the tree -------------------------------------------------------------------------------- */

struct view {
    uint8_t cause;
    bool may_drain;
    bool drains; /* and the task is to have been told */
};

static void look(struct view *view, uint8_t cause, bool hard, bool hidden)
{
    if (cause && !view->cause && (hard || !hidden))
        view->cause = cause;
}

/* What lies between a task's own scopes and its home. */
static void look_at_base(struct view *view, const struct weft__task *task, bool mine, bool hidden)
{
    if (mine && task->requests && !hidden)
        look(view, WEFT_CAUSE_CANCEL, false, false);
    else
        look(view, task->inherited, task->inherited_hard, hidden);
    view->drains |= task->told_to_drain;
}

/* What a task sees of the causes around it: task.h says by which rule. */
static struct view view_of(const struct weft__task *viewer)
{
    const struct weft__scope *scope = viewer->scope;
    struct view view = {0, false, false};
    bool hidden = false;

    if (!scope) {
        look_at_base(&view, viewer, true, false);
        hidden = viewer->shielded_at_home;
        scope = viewer->home;
    }
    while (scope) {
        look(&view, scope->cause, scope->hard, hidden);
        /* a root that is cancelled drains besides, so that nothing begins in it any more */
        view.may_drain |= scope->draining;
        view.drains |= scope->draining && (scope->owner || !scope->cause);
        hidden |= scope->shield;
        if (scope->outer || !scope->owner) {
            scope = scope->outer;
            continue;
        }
        look_at_base(&view, scope->owner, scope->owner == viewer, hidden);
        hidden |= scope->owner->shielded_at_home;
        scope = scope->owner->home;
    }
    return view;
}

static const char *name_of(const struct weft__task *task)
{
    return task->name ? task->name : "task";
}

/* Who is cancelled and may be interrupted has been; who idles in a drain too. */
static void check_wait(const struct weft__reactor *reactor, const struct weft__task *task)
{
    const struct weft__wait *wait = task->fiber.wait;

    if (!wait->interrupt || wait->interrupted || strcmp(wait->what, "call") == 0)
        return; /* a call is told of each piece of news, and waits on */
    if (task->visible)
        broken(reactor, "task \"%s\" is cancelled (%u) and waits for %s", name_of(task),
               task->visible, wait->what);
    if (task->draining && wait->idle)
        broken(reactor, "task \"%s\" idles in a drain", name_of(task));
}

static uint64_t row_length(const struct weft__reactor *reactor, const struct weft__row *row)
{
    struct weft__waiter *const *link = &row->waiters.first;
    uint64_t length = 0;

    for (; *link; link = &(*link)->next)
        length++;
    if (length != row->count)
        broken(reactor, "%llu tasks wait in a row that counts %llu", (unsigned long long)length,
               (unsigned long long)row->count);
    return length;
}

/* Of an object that is this reactor's alone. */
static void check_object(const struct weft__reactor *reactor, const struct weft__task *task)
{
    const struct weft__wait *wait = task->fiber.wait;
    const struct weft__entry *entry =
        (const struct weft__entry *)((const char *)wait - offsetof(struct weft__entry, wait));
    bool permit = strcmp(wait->what, "semaphore") == 0, event = strcmp(wait->what, "event") == 0;

    if (!permit && !event && strcmp(wait->what, "barrier") != 0 &&
        strcmp(wait->what, "condition") != 0)
        return;
    if (entry->task != task || !entry->object || weft__object_shared(entry->object))
        return;
    (void)row_length(reactor, entry->row);
    if (entry->fate == WEFT__QUEUED && (permit || event) && weft__object_value(entry->object))
        broken(reactor, "task \"%s\" waits for what is there (%s)", name_of(task), wait->what);
}

static void check_scope(const struct weft__reactor *reactor, const struct weft__scope *scope,
                        const struct weft__task *owner, int depth, struct count *count);

static void check_task(const struct weft__reactor *reactor, const struct weft__task *task,
                       int depth, struct count *count)
{
    struct view view;
    struct weft__joiner *const *link = &task->joiners;

    count->all++;
    if (task->generation == 0 || task->reactor != reactor)
        broken(reactor, "a task that is gone is still somebody's child");
    for (; *link; link = &(*link)->next)
        if ((*link)->link != link)
            broken(reactor, "who joins task \"%s\" is not where it is linked", name_of(task));
    if (task->ended)
        return;
    view = view_of(task);
    if (task->visible != view.cause ||
        (task->draining ? !view.may_drain && !view.drains : view.drains && !view.cause))
        broken(reactor, "task \"%s\" sees cause %u%s, and should see cause %u%s", name_of(task),
               task->visible, task->draining ? " and a drain" : "", view.cause,
               view.drains ? " and a drain" : "");
    count->runnable += task->fiber.wait == NULL;
    if (task->fiber.wait) {
        check_wait(reactor, task);
        check_object(reactor, task);
    }
    for (const struct weft__scope *scope = task->scope; scope; scope = scope->outer)
        check_scope(reactor, scope, task, depth + 1, count);
}

static void check_room(const struct weft__reactor *reactor, const struct weft__scope *scope)
{
    struct weft__room_waiter *const *link = &scope->room;

    for (; *link; link = &(*link)->next)
        if ((*link)->link != link || (*link)->served || (*link)->scope != scope)
            broken(reactor, "who waits for room in a scope is not where it is linked");
    if (scope->room && scope->room_tail != link)
        broken(reactor, "those who wait for room in a scope end somewhere else");
    if (scope->room && scope->alive + scope->room_served < scope->alive_max && !scope->cause &&
        !scope->draining)
        broken(reactor, "a task waits for room in a scope with %u of %u", scope->alive,
               scope->alive_max);
}

static void check_scope(const struct weft__reactor *reactor, const struct weft__scope *scope,
                        const struct weft__task *owner, int depth, struct count *count)
{
    struct weft__task *const *link = &scope->children;
    uint32_t alive = 0;

    count->all++;
    if (depth > DEPTH_MAX || scope->state != WEFT__SCOPE_OPEN) {
        count->whole = false;
        return;
    }
    if (scope->owner != owner || scope->reactor != reactor)
        broken(reactor, "a scope is open in a task that does not own it");
    for (; *link; link = &(*link)->next) {
        if ((*link)->link != link || (*link)->home != scope)
            broken(reactor, "a child is not where it is linked");
        alive += !(*link)->ended;
        check_task(reactor, *link, depth, count);
    }
    if (alive != scope->alive || scope->children_tail != link)
        broken(reactor, "a scope has %u children, and counts %u", alive, scope->alive);
    /* one who was given room begins a child yet, or says that it does not */
    if (scope->closer && alive == 0 && scope->room_served == 0 &&
        scope->closer->fiber->wait == scope->closer)
        broken(reactor, "a scope's children have ended, and its owner waits for them");
    check_room(reactor, scope);
}

/* -- who is to run --------------------------------------------------------------------------- */

static void check_ready(const struct weft__reactor *reactor, const struct count *count)
{
    const struct weft__ready *ready = &reactor->ready;
    uint32_t fibers = 0;

    for (uint32_t i = ready->head; i != ready->tail; i++) {
        uintptr_t entry = ready->entries[i & ready->mask];
        if (entry & WEFT__READY_CALLBACK)
            continue;
        fibers++;
        if (((const struct weft__fiber *)entry)->wait)
            broken(reactor, "a task is ready to run, and waits for %s",
                   ((const struct weft__fiber *)entry)->wait->what);
    }
    if (weft__ready_count(ready) > ready->reserved)
        broken(reactor, "%u are ready, and there is room for %u", weft__ready_count(ready),
               ready->reserved);
    if (count->whole && !reactor->errand && !weft__rare(WEFT__RARE_INBOX) &&
        fibers != count->runnable)
        broken(reactor, "%u tasks wait for nothing, and %u are ready", count->runnable, fibers);
}

/* -- buffers --------------------------------------------------------------------------------- */

static void check_buffers(const struct weft__reactor *reactor, const struct weft__buffers *buffers,
                          struct count *count)
{
    uint32_t held = 0;

    for (int class = 0; class < WEFT__BUFFER_CLASSES; class ++) {
        const struct weft__buffer_group *group = &buffers->groups[class];
        struct weft__starved *const *link = &group->starved;
        uint32_t spare = 0;
        for (const struct weft__buffer *b = group->spare; b && spare <= group->opened; b = b->next)
            spare++;
        for (; *link; link = &(*link)->next)
            if ((*link)->link != link)
                broken(reactor, "who waits for a buffer is not where it is linked");
        if (group->starved && group->starved_tail != link)
            broken(reactor, "those who wait for a buffer end somewhere else");
        if (spare + group->offered > group->opened)
            broken(reactor, "%u buffers are spare and %u offered, of %u", spare, group->offered,
                   group->opened);
        held += group->opened - spare - group->offered;
        count->all += spare;
    }
    if (held != buffers->held)
        broken(reactor, "%u buffers are held, and %u are counted", held, buffers->held);
}

/* -- all of it ------------------------------------------------------------------------------- */

static __thread uint64_t visits_to_skip;

void test_invariants(void)
{
    const struct weft__reactor *reactor = weft__self;
    struct count count = {.whole = true};

    if (!reactor || reactor->frozen || (visits_to_skip > 0 && visits_to_skip-- > 0))
        return;
    check_requests(reactor, &count);
    check_timers(reactor, &count);
    if (reactor->tasks && !reactor->current) {
        const struct weft__tasks *tasks = weft__tasks_of(reactor);
        check_scope(reactor, &tasks->root, NULL, 0, &count);
        if (tasks->root.alive == 0 && tasks->stand_ins > 0)
            broken(reactor, "%llu children are elsewhere, and there is nobody to have them",
                   (unsigned long long)tasks->stand_ins);
        check_ready(reactor, &count);
    }
    if (reactor->io && weft__io_of(reactor)->buffers)
        check_buffers(reactor, weft__io_of(reactor)->buffers, &count);
    visits_to_skip = count.all / WALKED_PER_VISIT;
}

int __real_weft__ring_enter(struct weft__ring *ring, uint32_t wait_count, int64_t deadline_ns);
int __wrap_weft__ring_enter(struct weft__ring *ring, uint32_t wait_count, int64_t deadline_ns);
int __wrap_weft__ring_enter(struct weft__ring *ring, uint32_t wait_count, int64_t deadline_ns)
{
    test_invariants();
    return __real_weft__ring_enter(ring, wait_count, deadline_ns);
}
