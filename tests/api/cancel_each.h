/*
 * A table of waits, each cancelled before it began, in flight, completed and not yet seen, and from
 * another core; and in a scope whose deadline has passed, or passes while it waits. What must hold
 * for each: a wait that was cancelled has had no effect, and what it waited for is there for the
 * next one; what had happened before the cancellation is the result, and the cancellation shows at
 * the next call. A deadline is a cancellation with a name, which the edge of its scope turns into
 * -ETIMEDOUT if anything was cut.
 *
 * test_cancel_each.c has the waits of tasks for one another, test_cancel_each_io.c those for the
 * kernel.
 */
#ifndef WEFT_TESTS_API_CANCEL_EACH_H
#define WEFT_TESTS_API_CANCEL_EACH_H

#include "sync.h"

enum {
    OWNS = 1, /* cancelled, it cancels what it waits for: set up again after that */
    LATE = 2, /* completing takes a while: the cancellation may come first */
    RUNS = 4, /* once a thread has begun it cannot be cancelled, and its result is the answer */
};

struct kind {
    const char *name;
    void (*set_up)(void);
    int (*wait)(void);      /* the call; in a task of its own */
    void (*complete)(void); /* makes it end; NULL: only time does */
    void (*finish)(void);
    int value; /* what it answers then */
    int traits;
};

struct table {
    const struct kind *kinds;
    int count;
    enum when { BEFORE, IN_FLIGHT, COMPLETED, FROM_ELSEWHERE, TOO_LATE, TIMED_OUT } when;
};

/* A wait: of which kind, and the scope with a deadline around it, or NULL. */
struct wait {
    const struct kind *kind;
    weft_scope *around;
    int64_t deadline;
};

static inline void nothing(void)
{
}

static int waits_in_time(const struct wait *wait)
{
    struct weft_scope_opt opt = {.size = sizeof opt, .deadline = wait->deadline};
    int result;

    is(weft_scope_open(wait->around, &opt), 0);
    result = wait->kind->wait();
    if (result == -ECANCELED)
        is(weft_cause(), WEFT_CAUSE_DEADLINE);
    is(weft_scope_close(wait->around), result == -ECANCELED ? -ETIMEDOUT : 0);
    return result;
}

static int waits(void *arg)
{
    const struct wait *wait = arg;
    int result;

    if (wait->around)
        return waits_in_time(wait);
    result = wait->kind->wait();

    if (result == -ECANCELED)
        is(weft_cause(), WEFT_CAUSE_CANCEL);
    else if (weft_cancelled())
        is(weft_yield(), -ECANCELED); /* pending, not eaten */
    return result;
}

/* Not parked, and not ended. */
static bool is_runnable(weft_task task)
{
    const char *state = sync_waits_for(task);

    return strcmp(state, "ready") == 0 || strcmp(state, "running") == 0;
}

static weft_task start(weft_scope *scope, struct wait wait, bool parked)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task, .name = wait.kind->name};

    is(weft_spawn(scope, waits, &wait, sizeof wait, &opt), 0);
    while (parked && is_runnable(task))
        is(weft_yield(), 0);
    for (int i = 0; parked && i < 5; i++) /* calls that take several steps to get there */
        is(weft_yield(), 0);
    return task;
}

/* Whoever comes next has what the cancelled one did not take. */
static void and_the_next(weft_scope *scope, const struct kind *kind)
{
    weft_task task;

    if (kind->traits & OWNS) {
        kind->finish();
        kind->set_up();
    }
    if (!kind->complete)
        return;
    task = start(scope, (struct wait){.kind = kind}, true);
    kind->complete();
    is(sync_result(task), kind->value);
}

struct there {
    weft_inbox *inbox;
    weft_task task;
};
static int cancels_from_there(void *arg)
{
    const struct there *there = arg;

    return weft_cancel_post(there->inbox, there->task);
}
static void cancel_from_there(weft_task task)
{
    struct there there = {weft_inbox_here(), task};

    is(weft_call(1, cancels_from_there, &there, sizeof there), 0);
    weft_inbox_put(there.inbox);
}

/* What a thread does may be done by now, and its scope be closed. */
static void in_time_or_late(int result, const struct kind *kind)
{
    if (result != -EINVAL || !(kind->traits & RUNS))
        is(result, 0);
}

static void one(const struct kind *kind, enum when when)
{
    weft_scope scope, around;
    struct wait wait = {.kind = kind};
    weft_task task;
    int result;

    if (when == TOO_LATE || when == TIMED_OUT) {
        wait.around = &around;
        wait.deadline = when == TOO_LATE ? 1 : WEFT_NEVER;
    }

    is(weft_scope_open(&scope, &(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt),
                                                        .on_error = WEFT_KEEP_GOING}),
       0);
    kind->set_up();
    task = start(&scope, wait, when != BEFORE && when != TOO_LATE);
    if (when == COMPLETED)
        kind->complete();
    if (when == FROM_ELSEWHERE)
        cancel_from_there(task);
    else if (when == TIMED_OUT)
        in_time_or_late(weft_scope_reschedule(&around, weft_now()), kind);
    else if (when != TOO_LATE)
        ck_assert_int_ge(weft_cancel(task), 0);
    if (kind->traits & RUNS && when != COMPLETED)
        kind->complete();
    result = sync_result(task);
    if (when == COMPLETED ? result != kind->value && !(kind->traits & LATE && result == -ECANCELED)
                          : result != -ECANCELED && !(kind->traits & RUNS && result == kind->value))
        ck_abort_msg("%s gave %d", kind->name, result);
    if (when != COMPLETED || result == -ECANCELED)
        and_the_next(&scope, kind);
    kind->finish();
    is(weft_scope_close(&scope), 0);
}

static int each_main(void *arg)
{
    const struct table *table = arg;

    for (int i = 0; i < table->count; i++)
        if (table->when != COMPLETED || table->kinds[i].complete)
            one(&table->kinds[i], table->when);
    return 0;
}

/* With objects of either kind, if that makes a difference. */
static void run_table(const struct kind *all, int count, int object_kinds, enum when when)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};
    struct table table = {all, count, when};

    for (int kind = 0; kind < object_kinds; kind++) {
        of_shared_kind = kind != 0;
        is(weft_run(each_main, &table, 0, &opt), 0);
    }
}

/* The cases of a file: its table, and how many kinds of objects there are to try it with. */
#define AT_EACH_MOMENT(kinds, object_kinds)                                                        \
    static void run_each(enum when when)                                                           \
    {                                                                                              \
        run_table(kinds, sizeof kinds / sizeof kinds[0], object_kinds, when);                      \
    }                                                                                              \
    THE_MOMENTS

/* The same, where a file's own run_each goes through its table. */
#define THE_MOMENTS                                                                                \
    TEST(before)                                                                                   \
    {                                                                                              \
        run_each(BEFORE);                                                                          \
    }                                                                                              \
    TEST(in_flight)                                                                                \
    {                                                                                              \
        run_each(IN_FLIGHT);                                                                       \
    }                                                                                              \
    TEST(completed_and_not_seen)                                                                   \
    {                                                                                              \
        run_each(COMPLETED);                                                                       \
    }                                                                                              \
    TEST(from_another_core)                                                                        \
    {                                                                                              \
        run_each(FROM_ELSEWHERE);                                                                  \
    }                                                                                              \
    TEST(too_late)                                                                                 \
    {                                                                                              \
        run_each(TOO_LATE);                                                                        \
    }                                                                                              \
    TEST(timed_out)                                                                                \
    {                                                                                              \
        run_each(TIMED_OUT);                                                                       \
    }

#endif
