/*
 * Steps on what the loop calls later, on calls made by other threads, and on context variables.
 *
 * The laws: of each callback exactly one comes true, it runs or it is dropped, on its reactor, not
 * before its time, nor long after; those asked for at once in the order asked. A function given to
 * a thread is called if the call says so, and only then. A task has the values it set, else those
 * its spawner had when it spawned it.
 */
#include "steps.h"

enum { CALLBACKS_MAX = 64, VARS = 3 };

static struct later {
    weft_handle handle;
    bool asked, cancelled;
    int reactor, ran, dropped;
    int64_t due, asked_at;
    uint64_t order; /* of those called as soon as possible; 0: another */
} laters[CALLBACKS_MAX];
static int later_count;
static uint64_t last_soon[REACTORS_MAX];

static bool all_goes_well(void)
{
    return !program.faults && !model.main_over && model.stopped_at == WEFT_NEVER;
}

static void comes(void *arg)
{
    struct later *later = arg;
    int index = (int)(later - laters);

    if (later->ran++ || later->dropped || later->cancelled)
        broke("callback %d runs, and has %s", index, later->ran > 1 ? "run" : "been taken back");
    if (reactor_here() != later->reactor || weft_current_task().slot != 0)
        broke("callback %d runs on reactor %d, or in a task", index, reactor_here());
    if (weft_now() < later->due)
        broke("callback %d runs too early", index);
    if (all_goes_well() && later->due != 0 && weft_now() - SOON_NS > later->due &&
        weft_now() - SOON_NS > later->asked_at)
        broke("callback %d runs %lld ns late", index, (long long)(weft_now() - later->due));
    if (later->order && later->order < last_soon[later->reactor])
        broke("callback %d runs out of order", index);
    if (later->order)
        last_soon[later->reactor] = later->order;
}

static void does_not_come(void *arg)
{
    struct later *later = arg;

    if (later->ran || later->dropped++)
        broke("callback %d is dropped, and has %s", (int)(later - laters),
              later->ran ? "run" : "been dropped");
    if (!later->cancelled && all_goes_well())
        broke("callback %d is dropped, and nothing stops", (int)(later - laters));
}

enum { SOON, LATER, AT, LATER_WAYS };

int step_later(struct task *task, const struct step *step)
{
    struct later *later = &laters[later_count];
    struct weft_call_opt opt = {.size = sizeof opt, .drop = does_not_come};
    int64_t ns = span_of(step->b);
    int way = step->a % LATER_WAYS, result;

    if (later_count == CALLBACKS_MAX)
        return 0;
    *later = (struct later){.reactor = task->reactor,
                            .asked_at = weft_now(),
                            .due = way == SOON ? 0 : weft_after_ns(ns)};
    opt.handle = step->c % 4 ? &later->handle : NULL;
    if (way == SOON)
        later->order = ++model.events;
    later->asked = opt.handle != NULL;
    result = way == SOON    ? weft_call_soon(comes, later, &opt)
             : way == LATER ? weft_call_later(ns, comes, later, &opt)
                            : weft_call_at(later->due, comes, later, &opt);
    if (result < 0 && all_goes_well())
        broke("a callback is refused: %d", result);
    if (result == 0)
        later_count++;
    return result;
}

int step_take_back(struct task *task, const struct step *step)
{
    struct later *later = later_count ? &laters[step->a % later_count] : NULL;
    bool waits, here;
    int result;

    if (!later || !later->asked)
        return 0;
    here = later->reactor == task->reactor;
    waits = !later->ran && !later->dropped && !later->cancelled;
    if (here && waits)
        later->cancelled = true; /* it is dropped within the call */
    result = weft_handle_cancel(&later->handle);
    if (result != (!waits ? 0 : here ? 1 : -EPERM))
        broke("callback %d is taken back: %d", (int)(later - laters), result);
    if (here && waits && later->dropped != 1)
        broke("callback %d was taken back, and not dropped", (int)(later - laters));
    return result;
}

/* -- other threads --------------------------------------------------------------------------- */

static int on_a_thread(void *arg)
{
    int *calls = arg;

    return 5 + (*calls)++;
}

int step_thread(struct task *task, const struct step *step)
{
    int calls = 0;
    struct call call = call_begin(task);
    int result = weft_to_thread(on_a_thread, &calls);

    (void)step;
    call_end(&call, result, SLOW | PLAIN);
    if (calls != (result == 5) || (result != 5 && result != -ECANCELED && !program.faults))
        broke("task %d has a function called by a thread: %d, and it was called %d times",
              task_index(task), result, calls);
    return result;
}

/* -- context variables ----------------------------------------------------------------------- */

static char values[64];
static const weft_context_var vars[VARS] = {WEFT_CONTEXT_VAR("one", NULL),
                                            WEFT_CONTEXT_VAR("two", &values[1]),
                                            WEFT_CONTEXT_VAR("three", &values[2])};

void context_inherit(struct task *child, const struct task *parent)
{
    memcpy(child->vars, parent->vars, sizeof child->vars);
}

void context_check(const struct task *task)
{
    for (int i = 0; i < VARS; i++) {
        void *wanted = task->vars[i] ? &values[task->vars[i]] : vars[i].fallback;
        if (weft_context_get(&vars[i]) != wanted)
            broke("task %d has another value of variable %d than it was given", task_index(task),
                  i);
    }
}

int step_context(struct task *task, const struct step *step)
{
    int which = step->a % VARS, value = 1 + step->b % 63, before = task->vars[which], result;
    weft_context_token token;

    context_check(task);
    result = weft_context_set(&vars[which], &values[value], &token);
    if (result < 0 && !program.faults)
        broke("task %d cannot set a variable: %d", task_index(task), result);
    if (result < 0)
        return result;
    task->vars[which] = value;
    context_check(task);
    if (step->c % 2) {
        result = weft_context_reset(&token);
        if (result < 0 && !program.faults)
            broke("task %d cannot reset a variable: %d", task_index(task), result);
        if (result == 0)
            task->vars[which] = before;
        context_check(task);
    }
    return result;
}

/* -- the end --------------------------------------------------------------------------------- */

void callbacks_reset(void)
{
    memset(laters, 0, sizeof laters);
    memset(last_soon, 0, sizeof last_soon);
    later_count = 0;
}

void callbacks_check_end(void)
{
    for (int i = 0; i < later_count; i++)
        if (laters[i].ran + laters[i].dropped != 1)
            broke("callback %d ran %d times, and was dropped %d times", i, laters[i].ran,
                  laters[i].dropped);
}
