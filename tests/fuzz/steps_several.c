/*
 * Steps that wait for several things at once, or for one with a limit: gather, race, wait,
 * as_completed, wait_for. The things are futures, tasks, and coroutines that sleep and return.
 *
 * The laws: what is told of each thing is what came of it; who owns what it waits for returns when
 * all of it has ended, and who does not cancels nothing; the first error is the one that is
 * returned, the first to end the one that wins; a value wins over a limit; so many have ended as
 * were to be waited for, unless the limit passed.
 */
#include "futures.h"

enum { ITEMS_MAX = 3, REFUSED_AT_ONCE = 1 };
#define UNTOLD INT64_MIN

struct coroutine {
    uint8_t span;
    int value;
    bool stubborn; /* says so even if its sleep was cut short */
    int begun, ended, result;
    bool refused; /* it was */
    uint64_t ended_when;
};

enum kind_of_item { FUTURE, TASK, COROUTINE };

struct item {
    enum kind_of_item kind;
    bool shielded;
    bool had_ended;  /* before the call, for certain */
    unsigned resets; /* of the future, before the call */
    struct cell *cell;
    struct task *task;
    struct coroutine coroutine;
};

struct several {
    struct task *task;
    struct item items[ITEMS_MAX];
    weft_awaitable list[ITEMS_MAX];
    int64_t results[ITEMS_MAX];
    uint32_t count;
    bool owns, has_tasks, any_ended, all_ended;
};

static int sleeps_and_returns(void *arg)
{
    struct coroutine *own = arg;
    int result;

    own->begun++;
    result = weft_sleep(span_of(own->span) / 8);
    own->refused = result < 0;
    own->result = result < 0 && !own->stubborn ? result : own->value;
    own->ended++;
    own->ended_when = ++model.events;
    return own->result;
}

/* -- the list -------------------------------------------------------------------------------- */

/*
 * A task that is waited for here by its handle, which nobody uses up meanwhile. A younger one: who
 * has to cancel it waits for its end, whatever comes, as it does for its children's, and a circle
 * of those that goes through two reactors is the program's own fault.
 */
static struct task *pick_child(const struct task *self, uint8_t choice)
{
    struct task *task = pick_task(choice);

    if (!task || task <= self || !task->has_handle || task->home == NOBODY ||
        task->near != reactor_here() || task->consumed || task->in_joins > 0)
        return NULL;
    return task;
}

static weft_awaitable awaitable_of(struct item *item)
{
    weft_awaitable made = item->kind == FUTURE ? weft_of_future(item->cell->future)
                          : item->kind == TASK ? weft_of_task(item->task->handle)
                                               : weft_coro(sleeps_and_returns, &item->coroutine, 0);

    return item->shielded ? weft_shield(made) : made;
}

static void add(struct several *s, uint8_t choice, bool coroutines)
{
    static const int values[] = {0, 3, 70000, 9, -EPROTO, 5, -ENOENT, 11};
    struct item *item = &s->items[s->count];

    *item = (struct item){.kind = (enum kind_of_item)(choice % 4), .shielded = choice % 16 >= 12};
    if (item->kind == FUTURE)
        item->cell = cell_pick(choice / 4);
    if (item->kind == TASK)
        item->task = pick_child(s->task, choice / 4);
    if (item->kind > COROUTINE || (item->kind != COROUTINE && !item->cell && !item->task))
        item->kind = COROUTINE;
    if (item->kind == COROUTINE) {
        if (!coroutines)
            return;
        item->shielded = false;
        item->coroutine = (struct coroutine){.span = choice / 8 * 5, .value = values[choice / 32]};
        item->coroutine.stubborn = choice % 8 == 6;
    }
    if (item->kind == FUTURE) {
        cell_refresh(item->cell);
        item->had_ended = item->cell->settled;
    } else if (item->kind == TASK) {
        item->had_ended = item->task->end_known;
        s->has_tasks = true;
    }
    s->any_ended |= item->had_ended || item->kind == TASK;
    s->all_ended &= item->had_ended;
    s->results[s->count] = UNTOLD;
    s->count++;
}

static void begin(struct several *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        struct item *item = &s->items[i];
        bool may_cancel = s->owns && !item->shielded;
        s->list[i] = awaitable_of(item);
        if (item->kind == FUTURE) {
            item->cell->busy++;
            item->resets = item->cell->resets;
            item->cell->may_be_cancelled |= may_cancel;
        } else if (item->kind == TASK) {
            item->task->asked_to_end |= may_cancel;
            item->task->owned += may_cancel;
        }
    }
    model.gathering++;
}

/* -- what is told ---------------------------------------------------------------------------- */

static bool has_ended(const struct item *item)
{
    const struct task *task = item->task;

    switch (item->kind) {
    case FUTURE:
        return item->cell->settled;
    case TASK:
        return task->returned || task->dropped || (task->remote && !task->began);
    default:
        return item->coroutine.ended == 1;
    }
}

static bool may_be(const struct item *item, int64_t result)
{
    switch (item->kind) {
    case FUTURE:
        return result == item->cell->result;
    case TASK:
        return task_may_result(item->task, (int)result);
    default:
        return result == item->coroutine.result;
    }
}

/* Whoever waits holds it; but a call that has its answer may give way before it returns. */
static bool was_reset(const struct item *item)
{
    return item->kind == FUTURE && item->cell->resets != item->resets;
}

static void check_told(const struct several *s, uint32_t i)
{
    const struct item *item = &s->items[i];
    int64_t result = s->results[i];
    bool given_up = s->owns && item->shielded && result == -ECANCELED;
    bool never_began = item->kind == COROUTINE && item->coroutine.begun == 0 && result < 0;

    if (result == UNTOLD || given_up || never_began || was_reset(item))
        return;
    if (!has_ended(item))
        broke("task %d is told %lld of thing %u, which has not ended", task_index(s->task),
              (long long)result, i);
    if (!may_be(item, result))
        broke("task %d is told %lld of thing %u, and something else came of it",
              task_index(s->task), (long long)result, i);
}

/* The call is over: what it owned has ended, what it spawned as well. */
static void end(struct several *s)
{
    bool refused = false;

    model.gathering--;
    for (uint32_t i = 0; i < s->count; i++) {
        struct item *item = &s->items[i];
        if (item->kind == FUTURE) {
            item->cell->busy--;
            cell_refresh(item->cell);
        }
        if (item->kind == TASK)
            item->task->owned -= s->owns && !item->shielded;
        if (item->kind == COROUTINE && item->coroutine.begun != item->coroutine.ended)
            broke("task %d goes on, and a coroutine of its has not ended", task_index(s->task));
        if (item->kind == COROUTINE && item->coroutine.begun > 1)
            broke("a coroutine ran %d times", item->coroutine.begun);
        refused |= item->coroutine.refused;
        check_told(s, i);
    }
    if (refused)
        call_cut(s->task);
}

static int call_flags(const struct several *s)
{
    return NOT_MINE | (s->has_tasks ? SLOW : PLAIN) |
           (s->any_ended || s->count == 0 ? SETTLED : PLAIN);
}

static bool list_is_bad(const struct several *s, int result)
{
    return s->has_tasks && (result == -ESTALE || result == -EDEADLK);
}

static bool was_told(const struct several *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (s->results[i] != UNTOLD)
            return true;
    return false;
}

static int failures(const struct several *s)
{
    int count = 0;

    for (uint32_t i = 0; i < s->count; i++)
        count += s->results[i] < 0;
    return count;
}

/* Of coroutines it is known which ended first. */
static bool ended_before(const struct several *s, uint32_t one, uint32_t other)
{
    return s->items[one].kind == COROUTINE && s->items[other].kind == COROUTINE &&
           s->items[one].coroutine.ended && s->items[other].coroutine.ended &&
           s->items[one].coroutine.ended_when < s->items[other].coroutine.ended_when;
}

/* -- gather and race ------------------------------------------------------------------------- */

static bool is_first_error(const struct several *s, int result)
{
    for (uint32_t i = 0; i < s->count; i++) {
        bool first = s->results[i] == result;
        for (uint32_t k = 0; k < s->count; k++)
            first &= s->results[k] >= 0 || !ended_before(s, k, i);
        if (first)
            return true;
    }
    return false;
}

static void check_gather(const struct several *s, const struct call *call, int result, bool keeps)
{
    bool cancelled = call->before || weft_cancelled() || s->task->asked_to_end;

    if (result >= 0 && result != failures(s))
        broke("a gather came to %d, and %d failed", result, failures(s));
    if (result > 0 && !keeps)
        broke("a gather came to %d, and keeps nothing", result);
    if (program.faults)
        return;
    for (uint32_t i = 0; keeps && !cancelled && i < s->count; i++)
        if (s->items[i].kind == COROUTINE && s->items[i].coroutine.refused)
            broke("a gather that keeps going cut a coroutine short");
    if (result >= 0)
        return;
    if (!was_told(s) ? !(result == -ECANCELED && cancelled)
        : cancelled  ? result == -ECANCELED && failures(s) == 0
                     : keeps)
        broke("a gather came to %s, and %d of %u failed", strerror(-result), failures(s), s->count);
    if (!cancelled && !is_first_error(s, result))
        broke("a gather came to %s, and that was not the first error", strerror(-result));
}

static int gather(struct several *s, const struct step *step)
{
    bool keeps = step->c & 0x20;
    struct call call = call_begin(s->task);
    int result;

    s->owns = true;
    begin(s);
    result = weft_gather(s->list, s->count, s->results, keeps ? WEFT_GATHER_KEEP : 0);
    end(s);
    call_end(&call, result, call_flags(s) | (s->all_ended ? SETTLED : PLAIN));
    if (s->all_ended && result == -ECANCELED && !was_told(s))
        broke("all has ended, and a gather is refused");
    if (!list_is_bad(s, result))
        check_gather(s, &call, result, keeps);
    return result;
}

static int race(struct several *s)
{
    struct call call = call_begin(s->task);
    int result;

    s->owns = true;
    begin(s);
    result = weft_race(s->list, s->count, s->results);
    end(s);
    call_end(&call, result, call_flags(s));
    if (list_is_bad(s, result) || program.faults)
        return result;
    if (s->count == 0 ? result != -EINVAL : result >= (int)s->count)
        broke("a race of %u came to %d", s->count, result);
    if (result < 0 && s->count > 0 && result != -ECANCELED)
        broke("a race came to %s", strerror(-result));
    if (result >= 0 && s->results[result] == UNTOLD)
        broke("a race is won by %d, of whom nothing is told", result);
    if (result == -ECANCELED && was_told(s) && failures(s) < (int)s->count)
        broke("a race has no winner, and %d did not fail", (int)s->count - failures(s));
    for (uint32_t i = 0; result >= 0 && !call.before && !weft_cancelled() && i < s->count; i++)
        if (ended_before(s, i, (uint32_t)result))
            broke("a race is won by %d, and %u was first", result, i);
    return result;
}

/* -- wait ------------------------------------------------------------------------------------ */

static int wait(struct several *s, const struct step *step)
{
    enum weft_wait_until until = (enum weft_wait_until)(step->c % 3);
    int64_t deadline = step->c & 0x40 ? until_of(step->c / 4) : WEFT_NEVER;
    bool done[ITEMS_MAX] = {false}, late, failed = false;
    struct call call = call_begin(s->task);
    int result, count = 0;

    begin(s);
    result = weft_wait(s->list, s->count, done, until, deadline);
    end(s);
    call_end(&call, result, call_flags(s) | (s->any_ended ? SETTLED : PLAIN));
    if (list_is_bad(s, result) || program.faults || result == -ECANCELED)
        return result;
    if (s->count == 0 ? result != -EINVAL : result < 0)
        broke("a wait for %u came to %d", s->count, result);
    late = weft_now() >= deadline;
    for (uint32_t i = 0; i < s->count; i++) {
        const struct item *item = &s->items[i];
        count += done[i];
        if (!was_reset(item) && (done[i] ? !has_ended(item) : item->had_ended))
            broke("task %d is told that thing %u has%s ended", task_index(s->task), i,
                  done[i] ? "" : " not");
        failed |= done[i] && (item->kind == FUTURE ? item->cell->result < 0 : true);
    }
    if (s->count > 0 && count != result)
        broke("a wait came to %d, and tells of %d", result, count);
    if (s->count > 0 && !late && count < (int)s->count &&
        (until == WEFT_ALL || count == 0 || (until == WEFT_FIRST_ERROR && !failed)))
        broke("a wait ended with %d of %u", count, s->count);
    return result;
}

/* -- one after the other --------------------------------------------------------------------- */

static int next_of(struct several *s, weft_completed *each, int64_t deadline, bool *told)
{
    uint32_t index = ITEMS_MAX;
    int64_t value = UNTOLD;
    struct call call = call_begin(s->task);
    int result = weft_completed_next(each, &index, &value, deadline);

    call_end(&call, result, call_flags(s) | SETTLED);
    if (result == -ETIMEDOUT && weft_now() < deadline)
        broke("task %d is told that it is late", task_index(s->task));
    if (result != 1)
        return result;
    if (index >= s->count || told[index])
        broke("task %d is told of thing %u again", task_index(s->task), index);
    told[index] = true;
    s->results[index] = value;
    if (s->items[index].kind == FUTURE)
        cell_refresh(s->items[index].cell);
    check_told(s, index);
    return result;
}

static int one_by_one(struct several *s, const struct step *step)
{
    int64_t deadline = step->c & 0x40 ? until_of(step->c / 4) : WEFT_NEVER;
    bool told[ITEMS_MAX] = {false};
    weft_completed *each = NULL;
    struct call call = call_begin(s->task);
    int result, count = 0;

    begin(s);
    result = weft_as_completed(&each, s->list, s->count);
    call_end(&call, result, call_flags(s) | SETTLED);
    if (result < 0) {
        end(s);
        return result;
    }
    while ((result = next_of(s, each, deadline, told)) == 1)
        count++;
    if (result == 0 && count != (int)s->count)
        broke("task %d is told of %d things, and there are %u", task_index(s->task), count,
              s->count);
    (void)weft_completed_close(each);
    end(s);
    return result;
}

/* -- with a limit ---------------------------------------------------------------------------- */

static int wait_for(struct several *s, const struct step *step)
{
    const struct item *item = &s->items[0];
    int64_t deadline = step->c & 0x40 ? until_of(step->c / 4) : WEFT_NEVER;
    struct call call = call_begin(s->task);
    int result;

    s->count = 1;
    s->owns = true;
    begin(s);
    result = weft_wait_for(s->list[0], &s->results[0], deadline);
    if (result != 0)
        s->results[0] = UNTOLD;
    end(s);
    call_end(&call, result, call_flags(s) | SETTLED);
    if (list_is_bad(s, result) || program.faults)
        return result;
    if (result == -ETIMEDOUT && weft_now() < deadline)
        broke("task %d is told that it is late", task_index(s->task));
    if (result != 0 && result != -ETIMEDOUT && result != -ECANCELED)
        broke("a wait for one thing came to %s", strerror(-result));
    if (result != 0 && item->had_ended && !was_reset(item) && !item->shielded)
        broke("what is waited for has ended, and task %d is told %s", task_index(s->task),
              strerror(-result));
    if (result != 0 && item->kind == COROUTINE && item->coroutine.ended &&
        item->coroutine.result != -ECANCELED)
        broke("a coroutine came to %d, and the wait for it to %s", item->coroutine.result,
              strerror(-result));
    return result;
}

enum { GATHER = 4, RACE = 7, WAIT = 10, ONE_BY_ONE = 12, WAIT_FOR = 16 };

int step_several(struct task *task, const struct step *step)
{
    struct several s = {.task = task, .all_ended = true};
    int what = step->a % WAIT_FOR,
        count = step->a / 16 % 16 == 0 ? 0 : 1 + step->a / 16 % ITEMS_MAX;
    bool coroutines = what < RACE || what >= WAIT;

    if (what >= ONE_BY_ONE)
        count = 1;
    for (int i = 0; i < count; i++)
        add(&s, (uint8_t)(step->b + i * (step->c | 1)), coroutines);
    if (what >= ONE_BY_ONE && s.count == 0)
        return 0;
    return what < GATHER       ? gather(&s, step)
           : what < RACE       ? race(&s)
           : what < WAIT       ? wait(&s, step)
           : what < ONE_BY_ONE ? one_by_one(&s, step)
                               : wait_for(&s, step);
}
