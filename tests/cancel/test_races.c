/*
 * What the races of test_race_*.c do not have: many tasks that do anything to each other, drawn at
 * random and thousands of times on the real ring, and runs that another thread stops at any moment.
 * Whatever comes first, the outcome is one of those allowed, nothing is lost and nothing hangs. The
 * numbers are those of the list that the design keeps.
 */
#include "support/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <weft/weft.h>

#define OPT(...) (&(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt), __VA_ARGS__})
#define RUNS 10000
#define LIMIT_MS 8000

/* RUNS times, or until the time is up; never fewer than 100. */
#define FOR_RUNS(i)                                                                                \
    for (int64_t until_ = weft_after_ms(LIMIT_MS), i = 0;                                          \
         i < (test_long() ? 100 * RUNS : RUNS) && (i < 100 || weft_now() < until_); i++)

static int main_with(weft_task_fn fn, uint32_t reactors)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = reactors};

    return weft_run(fn, NULL, 0, &opt);
}
static _Thread_local uint64_t seed = 88172645463325252u; /* tasks of two reactors draw */
static uint32_t random_below(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed % n);
}
static void yield_some(uint32_t most)
{
    for (uint32_t n = random_below(most + 1); n > 0; n--)
        (void)weft_yield();
}

static weft_inbox *inbox;
static int short_life(void *arg)
{
    int yields = *(int *)arg;

    while (yields-- > 0)
        if (weft_yield() < 0)
            return -ECANCELED;
    return 1;
}

/* 41, 43: several await a task that ends or is cancelled, some of them cancelled at the same time,
   some of them in a cycle. */
static weft_task crowd[6];
static int awaits(void *arg)
{
    int on = *(int *)arg, result = 0, error;

    yield_some(2);
    error = weft_await(crowd[on], &result);
    return error < 0 ? error : 0;
}
static int crowd_main(void *arg)
{
    (void)arg;
    FOR_RUNS(i)
    {
        WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
            int yields = (int)random_below(5), results[6];
            ck_assert_int_eq(weft_spawn(&s, short_life, &yields, sizeof yields,
                                        OPT(.task = &crowd[0])),
                             0);
            for (int k = 1; k < 6; k++) {
                int on = (int)random_below(6);
                ck_assert_int_eq(weft_spawn(&s, awaits, &on, sizeof on, OPT(.task = &crowd[k])), 0);
            }
            for (int k = 0; k < 6; k++) {
                if (random_below(3) == 0)
                    ck_assert_int_ge(weft_cancel(crowd[random_below(6)]), 0);
                yield_some(1);
            }
            for (int k = 0; k < 6; k++) {
                ck_assert_int_eq(weft_join(crowd[k], &results[k]), 0); /* nobody hangs */
                ck_assert(results[k] == 1 || results[k] == 0 || results[k] == -ECANCELED ||
                          results[k] == -EDEADLK || results[k] == -ESTALE);
            }
        }
    }
    return 0;
}
TEST(joins_and_cycles_41_43)
{
    ck_assert_int_eq(main_with(crowd_main, 1), 0);
}

/* 33, 49, 50: children that cancel their parent's scope, fail, spawn siblings, are shielded.
   Whatever happens the scope closes and counts. */
struct tree {
    weft_scope *scope;
    int depth;
};
static int alive_nodes;
static int node(void *arg)
{
    struct tree *tree = arg;
    int result = 0;

    alive_nodes++;
    for (int step = 0; step < 3 && result >= 0; step++) {
        switch (random_below(12)) {
        case 0:
            (void)weft_scope_cancel(tree->scope);
            break;
        case 1:
            result = -EIO;
            break;
        case 2: {
            struct tree sibling = {tree->scope, 0};
            int error = tree->depth > 0
                            ? weft_spawn_nowait(tree->scope, node, &sibling, sizeof sibling, NULL)
                            : 0;
            ck_assert(error == 0 || error == -ECANCELED || error == -ESHUTDOWN || error == -EAGAIN);
            break;
        }
        case 3:
            WEFT_SHIELD(weft_after_us(random_below(50)))
                (void)weft_sleep(1000 * random_below(30));
            break;
        case 4:
            result = weft_sleep(random_below(20000));
            break;
        case 5:
            (void)weft_cancel(weft_current_task());
            break;
        case 6:
            (void)weft_uncancel();
            break;
        case 7: {
            if (tree->depth == 0)
                break;
            weft_scope inner;
            struct tree below = {&inner, tree->depth - 1};
            struct weft_scope_opt opt = {.size = sizeof opt,
                                         .max_tasks = random_below(3),
                                         .deadline =
                                             random_below(2) ? weft_after_us(random_below(50)) : 0,
                                         .on_error = (enum weft_on_error)random_below(2)};
            ck_assert_int_eq(weft_scope_open(&inner, &opt), 0);
            for (uint32_t n = random_below(4); n > 0; n--)
                (void)!weft_spawn(&inner, node, &below, sizeof below, NULL);
            if (random_below(4) == 0)
                (void)weft_scope_drain(&inner, weft_after_us(random_below(40)),
                                       weft_after_us(random_below(80)));
            (void)weft_scope_close(&inner);
            break;
        }
        default:
            if (weft_yield() < 0)
                result = -ECANCELED;
        }
    }
    alive_nodes--;
    return result;
}
static int trees_main(void *arg)
{
    struct weft_stats stats;

    (void)arg;
    FOR_RUNS(i)
    {
        weft_scope s;
        struct tree tree = {&s, 3};
        ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
        for (int k = 0; k < 4; k++) {
            int error = weft_spawn(&s, node, &tree, sizeof tree, NULL);
            ck_assert(error == 0 || error == -ECANCELED);
        }
        yield_some(4);
        if (random_below(3) == 0)
            weft_scope_cancel(&s);
        (void)weft_scope_close(&s);
        ck_assert_int_eq(alive_nodes, 0);
        ck_assert_int_eq(weft_cancelled(), 0);
        ck_assert_int_eq(weft_stats(&stats, sizeof stats), 0);
        ck_assert_uint_eq(stats.tasks_alive, 1);
        ck_assert_uint_eq(stats.timers_alive, 0);
    }
    return 0;
}
TEST(random_trees_33_49_50)
{
    ck_assert_int_eq(main_with(trees_main, 1), 0);
}

/* 47, 48: whole runs that end, or are stopped by another thread, at any moment. */
static int busy(void *arg)
{
    (void)arg;
    for (;;) {
        int error = random_below(2) ? weft_yield() : weft_sleep(random_below(20000));
        if (error < 0)
            return error;
    }
}
static atomic_bool may_stop;
static void *stops(void *arg)
{
    (void)arg;
    while (!atomic_load(&may_stop))
        continue;
    for (uint32_t spins = *(uint32_t *)arg; spins > 0; spins--)
        __asm__ volatile("");
    ck_assert(weft_stop_post(inbox) == 0 || true);
    return NULL;
}
static int stopped_main(void *arg)
{
    (void)arg;
    inbox = weft_inbox_get(random_below(weft_reactors()));
    for (int i = 0; i < 20; i++)
        (void)!weft_create_task(busy, NULL, 0, OPT(.reactor = WEFT_LEAST_LOADED));
    atomic_store(&may_stop, true);
    yield_some(40);
    return 3;
}
TEST(runs_that_are_stopped_47_48)
{
    for (int i = 0; i < (test_long() ? 10000 : 150); i++) {
        struct weft_run_opt opt = {.size = sizeof opt,
                                   .reactors = 1 + random_below(2),
                                   .drain_ns = 1 + random_below(200000)};
        uint32_t spins = random_below(200000);
        pthread_t thread;
        atomic_store(&may_stop, false);
        ck_assert_int_eq(pthread_create(&thread, NULL, stops, &spins), 0);
        ck_assert_int_eq(weft_run(stopped_main, NULL, 0, &opt), 3);
        pthread_join(thread, NULL);
        weft_inbox_put(inbox);
    }
}

TEST_MAIN("cancel.races", 120, joins_and_cycles_41_43, random_trees_33_49_50,
          runs_that_are_stopped_47_48)
