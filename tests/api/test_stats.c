/*
 * weft/stats.h: counters read here and from another thread, the list of tasks, the trace.
 */
#include "support/test.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <weft/weft.h>

static int run(weft_task_fn fn)
{
    return weft_run(fn, NULL, 0, NULL);
}

static weft_inbox *inbox;
static int sleeper(void *arg)
{
    (void)arg;
    return weft_sleep_until(WEFT_NEVER);
}

/* -- counters -------------------------------------------------------------------------------- */

static int has_read;
static void *reads(void *arg)
{
    struct weft_stats stats;
    uint64_t turns = 0;

    (void)arg;
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(weft_stats_read(inbox, &stats, sizeof stats), 0);
        ck_assert_uint_eq(stats.version, WEFT_STATS_VERSION);
        ck_assert_uint_ge(stats.turns, turns);
        turns = stats.turns;
    }
    __atomic_store_n(&has_read, 1, __ATOMIC_RELAXED);
    while (weft_stats_read(inbox, &stats, sizeof stats) == 0) /* right through the stop */
        continue;
    ck_assert_int_eq(weft_stats_read(inbox, &stats, sizeof stats), -ESHUTDOWN);
    return NULL;
}
static pthread_t reader;
static int counters_main(void *arg)
{
    struct weft_stats a, b;

    (void)arg;
    inbox = weft_inbox_here();
    ck_assert_int_eq(pthread_create(&reader, NULL, reads, NULL), 0);
    ck_assert_int_eq(weft_stats(&a, sizeof a), 0);
    ck_assert_uint_eq(a.version, WEFT_STATS_VERSION);
    ck_assert_uint_eq(a.tasks_alive, 1);
    WEFT_SCOPE(s) {
        for (int i = 0; i < 10; i++)
            ck_assert_int_eq(weft_spawn(&s, sleeper, NULL, 0, NULL), 0);
        for (int i = 0; i < 7; i++)
            ck_assert_int_eq(weft_sleep(1000), 0);
        ck_assert_int_eq(weft_stats(&b, sizeof b), 0);
        ck_assert_uint_eq(b.tasks_started, a.tasks_started + 10);
        ck_assert_uint_eq(b.tasks_alive, 11);
        ck_assert_uint_eq(b.timers_armed, a.timers_armed + 7);
        ck_assert_uint_eq(b.timers_fired, a.timers_fired + 7);
        ck_assert_uint_ge(b.switches, a.switches + 17);
        ck_assert_uint_gt(b.turns, a.turns);
        ck_assert_uint_eq(b.timers_alive, 0);
        weft_scope_cancel(&s);
    }
    ck_assert_int_eq(weft_stats(&b, sizeof b), 0);
    ck_assert_uint_eq(b.tasks_ended, 10);
    ck_assert_uint_eq(b.tasks_alive, 1);
    ck_assert_uint_eq(b.tasks_alive_max, 11);
    ck_assert_uint_le(b.bells, b.sleeps);
    ck_assert_int_eq(weft_stats(NULL, sizeof b), -EINVAL);
    ck_assert_int_eq(weft_stats(&b, sizeof b + 8), -EINVAL);
    ck_assert_int_eq(weft_stats(&b, 12), -EINVAL);
    b.switches = 77;
    ck_assert_int_eq(weft_stats(&b, 16), 0); /* an older, shorter struct */
    ck_assert_uint_eq(b.switches, 77);
    while (!__atomic_load_n(&has_read, __ATOMIC_RELAXED))
        ck_assert_int_eq(weft_sleep(10000), 0);
    return 0;
}
TEST(counters)
{
    struct weft_stats stats;

    ck_assert_int_eq(weft_stats(&stats, sizeof stats), -EPERM);
    ck_assert_int_eq(weft_stats_read(NULL, &stats, sizeof stats), -EINVAL);
    ck_assert_int_eq(run(counters_main), 0);
    pthread_join(reader, NULL);
    weft_inbox_put(inbox);
}

/* -- tasks ------------------------------------------------------------------------------------ */

struct seen {
    int count, sleeping, joining, running, ready;
};
static weft_task sleeping;
static int look(const struct weft_task_info *info, void *context)
{
    struct seen *seen = context;

    ck_assert_uint_eq(info->size, sizeof *info);
    ck_assert_uint_eq(info->reactor, 0);
    ck_assert_int_eq(info->fd, -1);
    ck_assert_uint_ge(info->stack_size, 16384);
    seen->count++;
    if (strcmp(info->waits_for, "sleep") == 0) {
        seen->sleeping++;
        ck_assert_str_eq(info->name, "sleeps");
        ck_assert_ptr_eq((void *)info->fn, (void *)sleeper);
        ck_assert_uint_eq(info->task.generation, sleeping.generation);
        ck_assert_uint_eq(info->task.slot, sleeping.slot);
    }
    seen->joining += strcmp(info->waits_for, "join") == 0;
    seen->running += strcmp(info->waits_for, "running") == 0;
    seen->ready += strcmp(info->waits_for, "ready") == 0;
    return 0;
}
static int stop_at_two(const struct weft_task_info *info, void *context)
{
    (void)info;
    return ++*(int *)context == 2 ? 42 : 0;
}
static int joins(void *arg)
{
    (void)arg;
    return weft_await(sleeping, NULL);
}
static int tasks_main(void *arg)
{
    struct seen seen = {0};
    weft_task ended;
    int count = 0;

    (void)arg;
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, sleeper, NULL, 0,
                                    &(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt),
                                                             .task = &sleeping,
                                                             .name = "sleeps"}),
                         0);
        weft_yield();
        ck_assert_int_eq(weft_spawn(&s, joins, NULL, 0,
                                    &(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt),
                                                             .task = &ended}),
                         0);
        weft_yield();
        ck_assert_int_eq(weft_spawn(&s, joins, NULL, 0, NULL), 0);
        ck_assert_int_eq(weft_tasks_each(look, &seen), 0);
        ck_assert_int_eq(seen.count, 4);
        ck_assert_int_eq(seen.sleeping, 1);
        ck_assert_int_eq(seen.joining, 1);
        ck_assert_int_eq(seen.running, 1);
        ck_assert_int_eq(seen.ready, 1);
        ck_assert_int_eq(weft_tasks_each(stop_at_two, &count), 42);
        ck_assert_int_eq(weft_tasks_each(NULL, NULL), -EINVAL);
        ck_assert_int_eq(weft_cancel(sleeping), 1);
        ck_assert_int_eq(weft_await(ended, NULL), 0);
        seen.count = 0;
        weft_yield();
        ck_assert_int_eq(weft_tasks_each(look, &seen), 0);
        ck_assert_int_eq(seen.count, 1); /* those ended and kept are none */
    }
    return 0;
}
TEST(tasks)
{
    struct seen seen = {0};

    ck_assert_int_eq(weft_tasks_each(look, &seen), -EPERM);
    ck_assert_int_eq(run(tasks_main), 0);
}

/* -- the trace -------------------------------------------------------------------------------- */

static int trace_main(void *arg)
{
    struct weft_trace_event events[256], few[4];
    int counts[8] = {0}, n;

    (void)arg;
    ck_assert_int_eq(weft_trace_read(events, 256), -EINVAL); /* not started */
    ck_assert_int_eq(weft_trace(3), -EINVAL);
    ck_assert_int_eq(weft_trace(256), 0);
    ck_assert_int_eq(weft_trace_read(NULL, 1), -EINVAL);
    WEFT_SCOPE(s) {
        weft_task task;
        ck_assert_int_eq(weft_spawn(&s, sleeper, NULL, 0,
                                    &(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt),
                                                             .task = &task}),
                         0);
        ck_assert_int_eq(weft_sleep(1000), 0);
        ck_assert_int_eq(weft_cancel(task), 1);
        ck_assert_int_eq(weft_join(task, NULL), 0);
    }
    n = weft_trace_read(events, 256);
    ck_assert_int_gt(n, 0);
    ck_assert_int_le(n, 256);
    for (int i = 0; i < n; i++) {
        counts[events[i].kind]++;
        ck_assert(i == 0 || events[i].turn >= events[i - 1].turn); /* oldest first */
        if (events[i].kind == WEFT_TRACE_END)
            ck_assert_int_eq(events[i].value, -ECANCELED);
        if (events[i].kind == WEFT_TRACE_CANCEL)
            ck_assert_int_eq(events[i].value, WEFT_CAUSE_CANCEL);
    }
    ck_assert_int_eq(counts[WEFT_TRACE_SPAWN], 1);
    ck_assert_int_eq(counts[WEFT_TRACE_END], 1);
    ck_assert_int_eq(counts[WEFT_TRACE_CANCEL], 1);
    ck_assert_int_ge(counts[WEFT_TRACE_PARK], 3);
    ck_assert_int_ge(counts[WEFT_TRACE_RUN], 3);
    ck_assert_int_ge(counts[WEFT_TRACE_TURN], 1);
    ck_assert_int_eq(weft_trace_read(few, 4), 4); /* the latest */
    ck_assert_int_eq(memcmp(few, &events[n - 4], sizeof few), 0);
    ck_assert_int_eq(weft_trace(2), 0); /* it wraps */
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(weft_sleep(1000), 0);
    ck_assert_int_eq(weft_trace_read(events, 256), 2);
    ck_assert_int_eq(weft_trace(0), 0);
    ck_assert_int_eq(weft_trace(256), 0); /* left on at the end: no leak */
    return 0;
}
TEST(trace)
{
    ck_assert_int_eq(weft_trace(16), -EPERM);
    ck_assert_int_eq(weft_trace_read(NULL, 0), -EPERM);
    ck_assert_int_eq(run(trace_main), 0);
}

TEST_MAIN("api.stats", 30, counters, tasks, trace)
