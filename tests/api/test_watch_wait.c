/*
 * Who waits for what happens to files. Catches a record that goes to the wrong one, or is lost
 * between the kernel and a task, above all with a cancellation; a waiter that sleeps on beside a
 * record, and a close that leaves one.
 */
#include "watch.h"

enum { WAITERS = 5 };

static int told, refused;

static int waits(void *arg)
{
    struct weft_watch_event event;
    int result = weft_watch_next(watch, &event, 0);

    (void)arg;
    if (result == 0)
        told |= 1 << (event.name[0] - '0');
    else
        refused += result == -ECANCELED;
    return 0;
}

static void make(int number)
{
    const char name[] = {(char)('0' + number), '\0'};

    same(weft_mkdirat(folder, name, 0700), 0);
}

static void add_created(void)
{
    ck_assert_int_gt(weft_watch_add(watch, folder_path, WEFT_WATCH_CREATED), 0);
}

static int main_each(void *arg)
{
    (void)arg;
    told = 0;
    begin();
    add_created();
    WEFT_SCOPE(s) {
        for (int i = 0; i < WAITERS; i++)
            same(weft_spawn(&s, waits, NULL, 0, NULL), 0);
        same(weft_sleep(1000000), 0);
        for (int i = 0; i < WAITERS; i++)
            make(i);
    } /* each had one */
    same(told, (1 << WAITERS) - 1);
    end();
    return 0;
}

TEST(each_waiter_has_one)
{
    run(main_each);
}

/* Cancelled at any moment: who was told has it, who was not leaves it to the next. */
static int main_cancelled(void *arg)
{
    (void)arg;
    for (int after = 0; after < 12; after++) {
        char name[] = "0";
        struct weft_spawn_opt opt = {.size = sizeof opt};
        weft_task task;

        told = refused = 0;
        begin();
        add_created();
        opt.task = &task;
        WEFT_SCOPE(s) {
            same(weft_spawn(&s, waits, NULL, 0, &opt), 0);
            if (after & 1)
                same(weft_yield(), 0);
            make(0);
            make(1);
            for (int i = 0; i < after / 2; i++)
                same(weft_yield(), 0);
            (void)weft_cancel(task);
            same(weft_join(task, NULL), 0);
        }
        same(refused, told == 0);
        ck_assert(told == 0 || told == 1);
        for (int i = told ? 1 : 0; i < 2; i++) {
            struct weft_watch_event event;
            same(weft_watch_next(watch, &event, 0), 0);
            same(event.name[0] - '0', i);
        }
        end();
        for (; name[0] < '2'; name[0]++)
            same(weft_unlinkat(folder, name, AT_REMOVEDIR), 0);
    }
    return 0;
}

TEST(a_cancel_loses_nothing)
{
    run(main_cancelled);
}

static int adds(void *arg)
{
    int result = weft_watch_add(watch, folder_path, WEFT_WATCH_ALL);

    (void)arg;
    ck_assert(result > 0 || result == -ECANCELED || result == -EBADF);
    return 0;
}

static int closes_again(void *arg)
{
    (void)arg;
    same(weft_watch_close(watch), -EALREADY);
    return 0;
}

/* Runs while the close waits for the kernel. */
static int comes_late(void *arg)
{
    (void)arg;
    same(weft_watch_add(watch, folder_path, WEFT_WATCH_ALL), -ECANCELED);
    same(weft_watch_remove(watch, 1), -EINVAL);
    same(weft_watch_next(watch, NULL, 0), -ECANCELED);
    return 0;
}

static int main_closed(void *arg)
{
    (void)arg;
    told = refused = 0;
    begin();
    add_created();
    WEFT_SCOPE(s) {
        for (int i = 0; i < WAITERS; i++)
            same(weft_spawn(&s, waits, NULL, 0, NULL), 0);
        same(weft_sleep(1000000), 0);
        same(weft_spawn(&s, closes_again, NULL, 0, NULL), 0); /* runs while we wait for them */
        end();
    }
    same(refused, WAITERS);
    begin();
    WEFT_SCOPE(s) { /* under way when it is closed, or not begun */
        same(weft_spawn(&s, adds, NULL, 0, NULL), 0);
        same(weft_yield(), 0);
        same(weft_watch_close(watch), 0);
    }
    begin();
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, comes_late, NULL, 0, NULL), 0);
        same(weft_watch_close(watch), 0);
    }
    return 0;
}

TEST(a_close_ends_all)
{
    run(main_closed);
}

static bool begun;

static int begins_to_wait(void *arg)
{
    (void)arg;
    begun = true;
    same(weft_watch_next(watch, NULL, 0), -ECANCELED);
    same(weft_cause(), WEFT_CAUSE_NONE);
    return 0;
}

static int does_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int closes_on_it(void *arg)
{
    while (!begun)
        same(weft_yield(), 0);
    for (int i = 0; i < *(int *)arg; i++) /* calls that do not wait, but may give way */
        same(weft_create_task(does_nothing, NULL, 0, NULL), 0);
    return weft_watch_close(watch);
}

/* Closed by who sees that somebody is about to wait, where each call of that may give way first. */
static int main_begun(void *arg)
{
    (void)arg;
    for (int after = 0; after < 4; after++) {
        begin();
        begun = false;
        WEFT_SCOPE(s) {
            same(weft_spawn(&s, begins_to_wait, NULL, 0, NULL), 0);
            same(weft_spawn(&s, closes_on_it, &after, sizeof after, NULL), 0);
        }
    }
    return 0;
}

TEST(closed_as_a_wait_begins)
{
    run(main_begun);
}

/* Several at once, each with its own, closed in any order. */
static int main_several(void *arg)
{
    static const int order[] = {1, 2, 0};
    weft_watch *all[3];
    struct weft_watch_event event;

    (void)arg;
    for (int i = 0; i < 3; i++) {
        begin();
        add_created();
        all[i] = watch;
    }
    make(0);
    for (int i = 0; i < 3; i++) {
        same(weft_watch_next(all[i], &event, 0), 0);
        ck_assert_str_eq(event.name, "0");
    }
    for (int i = 0; i < 3; i++)
        same(weft_watch_close(all[order[i]]), 0);
    return 0;
}

TEST(several)
{
    run(main_several);
}

/* Left open, with something that nobody took: closed by the end of the run. */
static int main_left(void *arg)
{
    (void)arg;
    begin();
    add_created();
    make(0);
    return 0;
}

TEST(left_open)
{
    run(main_left);
}

static int waits_idly(void *arg)
{
    (void)arg;
    return weft_watch_next(watch, NULL, WEFT_IDLE) == -ESHUTDOWN ? 0 : -EPROTO;
}

static int main_drained(void *arg)
{
    (void)arg;
    begin();
    add_created();
    WEFT_SCOPE(s) {
        for (int i = 0; i < WAITERS; i++)
            same(weft_spawn(&s, waits_idly, NULL, 0, NULL), 0);
        same(weft_sleep(1000000), 0);
        same(weft_scope_drain(&s, WEFT_NEVER, WEFT_NEVER), 0);
    }
    make(0);
    same(weft_watch_next(watch, NULL, 0), 0);
    end();
    return 0;
}

TEST(a_drain_ends_the_idle)
{
    run(main_drained);
}

TEST_MAIN("watch_wait", 60, each_waiter_has_one, a_cancel_loses_nothing, a_close_ends_all,
          closed_as_a_wait_begins, several, left_open, a_drain_ends_the_idle)
