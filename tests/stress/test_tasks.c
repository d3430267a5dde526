/*
 * A million tasks, each on a guarded stack of its own, asleep at once on one reactor and then
 * cancelled in one call (race 52: time linear, no recursion, nothing allocated); with what each
 * costs in resident memory. Under a sanitizer 5,000.
 */
#include "support/test.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <weft/weft.h>

#include "base/memory.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef SANITIZED
enum { TASKS = 5000, MEASURED = 0 };
#else
enum { TASKS = 1000000, MEASURED = 1 };
#endif
#define KIB_PER_TASK_MAX 4.5

static uint64_t cancelled, ran;

static int sleeper(void *arg)
{
    int result = weft_sleep_until(WEFT_NEVER);

    (void)arg;
    cancelled += result == -ECANCELED;
    ran++;
    return result;
}

static double resident_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long total, resident = 0;

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%ld %ld", &total, &resident), 2);
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static int million_main(void *arg)
{
    struct weft_stats stats;
    int64_t begun, parked, cancel_begun;
    double before = resident_kib(), after;
    uint64_t allocations;
    weft_scope scope;

    (void)arg;
    ck_assert_int_eq(weft_scope_open(&scope, NULL), 0);
    begun = weft_now();
    for (int i = 0; i < TASKS; i++) {
        int error = weft_spawn(&scope, sleeper, NULL, 0, NULL);
        if (error < 0)
            ck_abort_msg("spawn %d gave %d", i, error);
    }
    ck_assert_int_eq(weft_yield(), 0); /* all have run and sleep */
    ck_assert_int_eq(weft_sleep(1), 0);
    parked = weft_now();
    ck_assert_int_eq(weft_stats(&stats, sizeof stats), 0);
    ck_assert_uint_eq(stats.tasks_alive, TASKS + 1);
    ck_assert_uint_eq(weft_scope_tasks(&scope), TASKS);
    ck_assert_uint_eq(ran, 0);
    after = resident_kib();
    printf("%d tasks asleep: %.2f KiB each, %.0f ns each to spawn and park\n", TASKS,
           (after - before) / TASKS, (double)(parked - begun) / TASKS);
    if (MEASURED)
        ck_assert_double_le((after - before) / TASKS, KIB_PER_TASK_MAX);

    allocations = weft__alloc_count();
    cancel_begun = weft_now();
    ck_assert_int_eq(weft_scope_cancel(&scope), 1);
    ck_assert_uint_eq(weft__alloc_count(), allocations);
    printf("cancelled in one call: %.0f ns each", (double)(weft_now() - cancel_begun) / TASKS);
    ck_assert_int_eq(weft_scope_close(&scope), 0);
    printf(", ended: %.0f ns each\n", (double)(weft_now() - cancel_begun) / TASKS);
    ck_assert_uint_eq(cancelled, TASKS);
    ck_assert_uint_eq(ran, TASKS);
    ck_assert_int_eq(weft_stats(&stats, sizeof stats), 0);
    ck_assert_uint_eq(stats.tasks_alive, 1);
    printf("resident afterwards: %.0f KiB more than before\n", resident_kib() - before);
    if (MEASURED) /* the memory is given back, though nothing more is spawned */
        ck_assert_double_le(resident_kib() - before, (after - before) / 4);
    return 0;
}
TEST(a_million_asleep)
{
    ck_assert_int_eq(weft_run(million_main, NULL, 0, NULL), 0);
}

/* Race 47: a stop with 10,000 tasks in every state. */
static int in_some_state(void *arg)
{
    int i = *(int *)arg;

    switch (i % 6) {
    case 0:
        return weft_sleep_until(WEFT_NEVER);
    case 1:
        return weft_sleep((int64_t)(i % 50) * 100000);
    case 2:
        while (weft_yield() == 0)
            continue;
        return -ECANCELED;
    case 3:
        WEFT_SCOPE(s) {
            int inner = 0;
            (void)!weft_spawn(&s, in_some_state, &inner, sizeof inner, NULL);
        }
        return 0;
    case 4:
        WEFT_SHIELD(weft_after_ms(1 + i % 20))
            (void)weft_sleep_until(WEFT_NEVER);
        return 0;
    default:
        return 0; /* has not run when the stop comes, or ends at once */
    }
}
static int every_state_main(void *arg)
{
    int count = MEASURED ? 10000 : 1000;

    for (int i = 0; i < count; i++)
        ck_assert_int_eq(weft_create_task(in_some_state, &i, sizeof i, NULL), 0);
    for (int i = 0; i < *(int *)arg; i++)
        weft_yield();
    return count;
}
TEST(end_with_tasks_in_every_state)
{
    for (int turns = 0; turns < 6; turns++)
        ck_assert_int_gt(weft_run(every_state_main, &turns, sizeof turns, NULL), 0);
}

TEST_MAIN("stress.tasks", 600, a_million_asleep, end_with_tasks_in_every_state)
