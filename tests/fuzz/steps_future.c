/*
 * Steps on futures: made, settled, awaited, taken, reset, let go of; callbacks when they are done.
 * Waiting for several things at once is in steps_several.c.
 *
 * The laws: settled once, and everybody is told the same; who waits is woken; a value that has a
 * destructor is taken once or destroyed once; a callback runs once, after it was settled, where it
 * was asked for.
 */
#include "futures.h"

enum { VALUES_MAX = 256, CALLBACKS_MAX = 48 };

static struct cell cells[CELLS_MAX];
static int cell_count;

/* Values are numbers of this table, of those that somebody must destroy. */
static struct value {
    bool set;
    int taken, dropped;
} values[VALUES_MAX];
static int value_count;

static struct callback {
    struct cell *cell;
    int reactor;
    int64_t added_at;
    int ran;
    bool off; /* removed, or the future went first */
} callbacks[CALLBACKS_MAX];
static int callback_count;

static void destroyed(int64_t number)
{
    if (number < 0 || number >= value_count || !values[number].set)
        broke("value %lld is destroyed, and there is none", (long long)number);
    values[number].dropped++;
    if (values[number].dropped + values[number].taken > 1)
        broke("value %lld is destroyed, and was %s", (long long)number,
              values[number].taken ? "taken" : "destroyed");
}

void futures_reset(void)
{
    memset(cells, 0, sizeof cells);
    memset(values, 0, sizeof values);
    memset(callbacks, 0, sizeof callbacks);
    cell_count = value_count = callback_count = 0;
}

/* -- what is known of one -------------------------------------------------------------------- */

static void settled(struct cell *cell, int64_t result)
{
    cell->settled = true;
    cell->result = result;
    cell->settled_when = ++model.events;
    cell->settled_at = weft_now();
    cell->settled_by = reactor_here();
    object_opens(&cell->object, true);
}

static void check_callbacks(const struct cell *cell)
{
    int64_t late = weft_now() - SOON_NS;

    if (!cell->settled || cell->settled_at > late || program.faults || model.main_over ||
        model.stopped_at != WEFT_NEVER)
        return;
    for (int i = 0; i < callback_count; i++)
        if (callbacks[i].cell == cell && !callbacks[i].off && !callbacks[i].ran &&
            callbacks[i].added_at < late)
            broke("a future is settled, and its callback %d has not run", i);
}

void cell_refresh(struct cell *cell)
{
    int64_t result = 1;
    int error = weft_future_result(cell->future, &result);

    if (!cell->settled && error == 0 && cell->may_be_cancelled && result == -ECANCELED)
        settled(cell, result);
    if (error != (cell->settled ? 0 : -EAGAIN) || (cell->settled && result != cell->result) ||
        weft_future_done(cell->future) != cell->settled)
        broke("future %d is %s, %lld, and says %d, %lld", (int)(cell - cells),
              cell->settled ? "settled" : "pending", (long long)cell->result, error,
              (long long)result);
    check_callbacks(cell);
}

struct cell *cell_pick(uint8_t choice)
{
    for (int i = 0; i < cell_count; i++) {
        struct cell *cell = &cells[(choice + i) % cell_count];
        if (cell->used)
            return cell;
    }
    return NULL;
}

/* -- making and settling --------------------------------------------------------------------- */

static int make(const struct step *step)
{
    struct cell *cell = &cells[cell_count];
    struct weft_future_opt opt = {.size = sizeof opt, .name = "a future of a program"};
    int result;

    if (cell_count == CELLS_MAX)
        return 0;
    *cell = (struct cell){.drops = step->b % 2};
    if (cell->drops)
        opt.drop = destroyed;
    result = weft_future_create(&cell->future, step->b % 4 ? &opt : NULL);
    cell->drops &= step->b % 4 != 0;
    if (result < 0 && !program.faults)
        broke("a future cannot be made: %d", result);
    if (result < 0)
        return result;
    object_init(&cell->object, "future", true);
    cell->used = true;
    cell_count++;
    return 0;
}

static int64_t value_new(const struct cell *cell)
{
    if (value_count == VALUES_MAX)
        return -1;
    values[value_count].set = cell->drops;
    return value_count++;
}

enum settling { SETTLE_VALUE, SETTLE_ERROR, SETTLE_CANCEL };

static int settle(struct cell *cell, enum settling way)
{
    static const int errors[] = {-EPROTO, -ENOENT, -EILSEQ};
    int64_t result = way == SETTLE_CANCEL  ? -ECANCELED
                     : way == SETTLE_ERROR ? errors[model.events % 3]
                                           : value_new(cell);
    bool first = !cell->settled;
    int said;

    if (way == SETTLE_VALUE && result < 0)
        return 0;
    if (first) {
        waiters_granted(&cell->object, -1);
        settled(cell, result); /* who waits may be back before this call is */
    }
    cell->busy++;
    said = way == SETTLE_VALUE   ? weft_future_set_result(cell->future, result)
           : way == SETTLE_ERROR ? weft_future_set_error(cell->future, (int)result)
                                 : weft_future_cancel(cell->future);
    cell->busy--;
    if (way == SETTLE_CANCEL ? said != first : said != (first ? 0 : -EINVAL))
        broke("future %d is %s, and settled: %d", (int)(cell - cells),
              first ? "pending" : "settled", said);
    if (!first && way == SETTLE_VALUE)
        values[result].set = false; /* still ours */
    return said;
}

static int take(struct cell *cell)
{
    int64_t value = -1;
    int result = weft_future_take(cell->future, &value);
    int due = !cell->settled     ? -EAGAIN
              : cell->taken      ? -EALREADY
              : cell->result < 0 ? (int)cell->result
                                 : 0;

    if (result != due || (result == 0 && value != cell->result))
        broke("future %d, which has %lld, is taken: %d, %lld", (int)(cell - cells),
              (long long)cell->result, result, (long long)value);
    if (result != 0)
        return result;
    cell->taken = true;
    values[value].taken += values[value].set;
    return result;
}

static void callbacks_off(const struct cell *cell)
{
    for (int i = 0; i < callback_count; i++)
        if (callbacks[i].cell == cell && !callbacks[i].ran && !cell->settled)
            callbacks[i].off = true;
}

static bool callbacks_pending(const struct cell *cell)
{
    for (int i = 0; i < callback_count; i++)
        if (callbacks[i].cell == cell && !callbacks[i].ran && !callbacks[i].off)
            return true;
    return false;
}

static int reset(struct cell *cell)
{
    struct waiters waiters = waiters_of(&cell->object, -1);
    bool alone = waiters.all == 0 && cell->busy == 0 && !callbacks_pending(cell);
    bool owes = cell->drops && cell->settled && cell->result >= 0 && !cell->taken;
    int64_t was = cell->result;
    int result = weft_future_reset(cell->future);

    if (alone && (result == 0) != cell->settled)
        broke("future %d is reset: %d", (int)(cell - cells), result);
    if ((result != 0 && result != -EBUSY) || (result == 0 && (!cell->settled || waiters.sure > 0)))
        broke("future %d is reset: %d", (int)(cell - cells), result);
    if (result != 0)
        return result;
    if (owes && values[was].dropped != 1)
        broke("future %d was reset, and what it had was not destroyed", (int)(cell - cells));
    cell->settled = cell->taken = false;
    cell->may_be_cancelled = false;
    cell->resets++;
    object_opens(&cell->object, false);
    return result;
}

/* Those who wait keep it for themselves; those who have only begun to do not. */
static int let_go(struct cell *cell)
{
    struct waiters waiters = waiters_of(&cell->object, -1);

    if (cell->busy > 0 || waiters.sure < waiters.all)
        return 0;
    cell_refresh(cell);
    callbacks_off(cell);
    cell->used = false;
    weft_future_put(cell->future);
    return 0;
}

/* -- callbacks ------------------------------------------------------------------------------- */

static void is_done(weft_future *future, void *arg)
{
    struct callback *callback = arg;

    if (callback->off || callback->ran++)
        broke("callback %d runs, and was %s", (int)(callback - callbacks),
              callback->off ? "removed" : "run");
    if (!weft_future_done(future) ||
        (!callback->cell->settled && !callback->cell->may_be_cancelled))
        broke("callback %d runs, and its future is pending", (int)(callback - callbacks));
    if (reactor_here() != callback->reactor)
        broke("callback %d runs on reactor %d", (int)(callback - callbacks), reactor_here());
}

static int add_callback(struct cell *cell)
{
    struct callback *callback = &callbacks[callback_count];
    int result;

    if (callback_count == CALLBACKS_MAX)
        return 0;
    *callback = (struct callback){.cell = cell, .reactor = reactor_here(), .added_at = weft_now()};
    result = weft_future_add_done(cell->future, is_done, callback);
    if (result < 0 && !program.faults)
        broke("a callback is refused: %d", result);
    if (result == 0)
        callback_count++;
    return result;
}

static int remove_callback(struct cell *cell, uint8_t choice)
{
    struct callback *callback = callback_count ? &callbacks[choice % callback_count] : NULL;
    bool there;
    int result;

    if (!callback || callback->cell != cell || !cell->used)
        return 0;
    cell_refresh(cell);
    there =
        !cell->settled && !callback->off && !callback->ran && callback->reactor == reactor_here();
    result = weft_future_remove_done(cell->future, is_done, callback);
    if (result != there)
        broke("callback %d is removed: %d", (int)(callback - callbacks), result);
    callback->off |= result == 1;
    return result;
}

/* -- steps ----------------------------------------------------------------------------------- */

int step_future(struct task *task, const struct step *step)
{
    struct cell *cell = cell_pick(step->b);
    int what = step->a % 16;

    (void)task;
    if (what < 3 || !cell)
        return make(step);
    cell_refresh(cell);
    switch (what) {
    case 3:
    case 4:
    case 5:
    case 6:
        return settle(cell, SETTLE_VALUE);
    case 7:
        return settle(cell, SETTLE_ERROR);
    case 8:
        return settle(cell, SETTLE_CANCEL);
    case 9:
        return take(cell);
    case 10:
        return reset(cell);
    case 11:
    case 12:
        return add_callback(cell);
    case 13:
        return remove_callback(cell, step->c);
    case 14:
        return let_go(cell);
    default:
        return weft_future_done(cell->future);
    }
}

int step_await(struct task *task, const struct step *step)
{
    struct cell *cell = cell_pick(step->a);
    int64_t deadline = how_of(step->b) == WAITS_UNTIL ? until_of(step->c) : WEFT_NEVER, value = 1;
    unsigned resets;
    bool before;
    struct wait *wait;
    int result;

    if (!cell)
        return 0;
    cell_refresh(cell);
    before = cell->settled;
    resets = cell->resets;
    wait = wait_begin(task, &cell->object, 0, deadline);
    wait->flags = before ? SETTLED : PLAIN;
    result = deadline == WEFT_NEVER ? weft_future_await(cell->future, &value)
                                    : weft_future_await_until(cell->future, &value, deadline);
    if (result == 0 && !cell->settled && cell->may_be_cancelled && value == -ECANCELED)
        settled(cell, value);
    result = wait_end(wait, result, 0);
    if (cell->resets != resets) /* it had its answer, and then gave way */
        return result;
    if (before && result != 0 && deadline == WEFT_NEVER)
        broke("future %d is settled, and task %d is told %d", (int)(cell - cells), task_index(task),
              result);
    if (result == 0 && (!cell->settled || value != cell->result))
        broke("future %d has %lld, and task %d is told %lld", (int)(cell - cells),
              (long long)(cell->settled ? cell->result : 0), task_index(task), (long long)value);
    return result;
}

void futures_check_end(void)
{
    for (int i = 0; i < cell_count; i++)
        if (cells[i].used) {
            cell_refresh(&cells[i]);
            callbacks_off(&cells[i]);
            cells[i].used = false;
            weft_future_put(cells[i].future);
        }
    for (int i = 0; i < value_count; i++)
        if (values[i].set && values[i].taken + values[i].dropped != 1)
            broke("value %d was taken %d times, and destroyed %d times", i, values[i].taken,
                  values[i].dropped);
}
