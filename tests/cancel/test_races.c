/*
 * The races of cancellation, as far as tasks, timers, calls and plain operations go, each ten
 * thousand times on the real ring (fewer under a sanitizer, and never longer than a time limit):
 * whatever comes first, the outcome is one of those allowed, nothing is lost and nothing hangs. The
 * numbers are those of the list that the design keeps.
 */
#include "support/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

#include "base/memory.h"
#include "ring/request.h"
#include "task/operation.h"
#include "task/task.h"

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

/* A plain operation: a read from a pipe. What was read is counted. */
static int fds[2];
static int read_byte(void)
{
    struct weft__operation operation;
    struct weft__task *self;
    struct weft__sqe *sqe;
    char byte = 0;
    int error = weft__enter(&self);

    if (error < 0)
        return error;
    sqe = weft__operation_begin(self, &operation, "read", fds[0]);
    if (!sqe)
        return weft__operation_error(self);
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_READ,
                              .fd = fds[0],
                              .offset = UINT64_MAX,
                              .address = (uint64_t)(uintptr_t)&byte,
                              .length = 1};
    error = weft__operation_wait(self, &operation, sqe);
    ck_assert(error != 1 || byte == 'x');
    return error;
}
static int reader(void *arg)
{
    (void)arg;
    return read_byte();
}
static void write_byte(void)
{
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
}

/* 2 to 10: cancelled before, at and after the completion, in one batch with it and in others; a
   second request while the first is under way. A byte taken is a byte reported. */
static int operation_main(void *arg)
{
    int taken = 0, written = 0, cancelled = 0;

    (void)arg;
    ck_assert_int_eq(pipe(fds), 0);
    FOR_RUNS(i)
    {
        int result = 0;
        weft_task task;
        WEFT_SCOPE(s) {
            ck_assert_int_eq(weft_spawn(&s, reader, NULL, 0, OPT(.task = &task)), 0);
            yield_some(2);
            uint32_t what = random_below(4);
            for (uint32_t step = 0; step < 2; step++) {
                if ((what ^ step) & 1) {
                    write_byte();
                    written++;
                } else {
                    ck_assert_int_ge(weft_cancel(task), 0);
                    if (what & 2)
                        ck_assert_int_ge(weft_cancel(task), 0);
                }
                yield_some(3);
            }
            ck_assert_int_eq(weft_join(task, &result), 0);
        }
        ck_assert(result == 1 || result == -ECANCELED);
        taken += result == 1;
        cancelled += result == -ECANCELED;
        if (result != 1) { /* it is still there */
            ck_assert_int_eq(read_byte(), 1);
            taken++;
        }
        ck_assert_int_eq(taken, written);
    }
    ck_assert_int_gt(cancelled, 0);
    ck_assert_int_lt(cancelled, written);
    close(fds[0]);
    close(fds[1]);
    return 0;
}
TEST(operation_and_cancel_2_to_10)
{
    ck_assert_int_eq(main_with(operation_main, 1), 0);
}

/* 22: a deadline and the completion at the same time: the result wins, and an edge that was not
   delivered says nothing. 23: deadlines at zero distance, in the past, and never. */
static int write_at(void *arg)
{
    ck_assert_int_eq(weft_sleep_until(*(int64_t *)arg), 0);
    write_byte();
    return 0;
}
static int timeout_main(void *arg)
{
    int wins = 0, losses = 0;

    (void)arg;
    ck_assert_int_eq(pipe(fds), 0);
    FOR_RUNS(i)
    {
        int64_t due = weft_after_us(1 + random_below(30));
        weft_scope s;
        int result, edge;
        WEFT_SCOPE(outer) {
            ck_assert_int_eq(weft_spawn(&outer, write_at, &due, sizeof due, NULL), 0);
            if (random_below(2))
                weft_yield();
            ck_assert_int_eq(
                weft_scope_open(&s,
                                &(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt),
                                                         .deadline = due + random_below(20000)}),
                0);
            result = read_byte();
            edge = weft_scope_close(&s);
            ck_assert(result == 1 || result == -ECANCELED);
            ck_assert_int_eq(edge, result == 1 ? 0 : -ETIMEDOUT);
            wins += result == 1;
            losses += result != 1;
            if (result != 1)
                ck_assert_int_eq(read_byte(), 1);
        }
    }
    ck_assert_int_gt(wins + losses, 0);
    for (int i = 0; i < 3; i++) {
        static const int64_t deadlines[] = {1, 0, WEFT_NEVER};
        weft_scope s;
        ck_assert_int_eq(weft_scope_open(&s, &(struct weft_scope_opt){.size = sizeof(
                                                                          struct weft_scope_opt),
                                                                      .deadline = deadlines[i]}),
                         0);
        ck_assert_int_eq(weft_sleep(1000), i ? 0 : -ECANCELED);
        ck_assert_int_eq(weft_scope_close(&s), i ? 0 : -ETIMEDOUT);
    }
    close(fds[0]);
    close(fds[1]);
    return 0;
}
TEST(timeout_and_completion_22_23)
{
    ck_assert_int_eq(main_with(timeout_main, 1), 0);
}

/* 27: nested deadlines at the same time, or nearly: the outer's is never eaten by the inner. */
static int nested_main(void *arg)
{
    (void)arg;
    FOR_RUNS(i)
    {
        int64_t due = weft_after_us(random_below(20));
        weft_scope outer, inner;
        int edge;
        ck_assert_int_eq(
            weft_scope_open(&outer, &(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt),
                                                             .deadline = due}),
            0);
        ck_assert_int_eq(
            weft_scope_open(&inner,
                            &(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt),
                                                     .deadline = due - 2000 + random_below(4000)}),
            0);
        ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
        edge = weft_scope_close(&inner);
        ck_assert(edge == -ETIMEDOUT || edge == -ECANCELED);
        ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED); /* until the outer's is due */
        ck_assert_int_eq(weft_scope_close(&outer), -ETIMEDOUT);
        ck_assert_int_eq(weft_cancelled(), 0);
    }
    return 0;
}
TEST(nested_deadlines_27)
{
    ck_assert_int_eq(main_with(nested_main, 1), 0);
}

/* 1, 42, 45: cancel messages of another thread that meet the task before it runs, asleep, at its
   end, and after that, when its record is another's. */
static weft_inbox *inbox;
static _Atomic(uint64_t) target_slot, target_generation;
static atomic_bool over;
static void *cancels(void *arg)
{
    uint64_t last = 0;

    (void)arg;
    while (!atomic_load(&over)) {
        uint64_t generation = atomic_load(&target_generation);
        weft_task task = {atomic_load(&target_slot), generation};
        if (generation == last)
            continue;
        last = generation;
        ck_assert_int_eq(weft_cancel_post(inbox, task), 0);
    }
    return NULL;
}
static int short_life(void *arg)
{
    int yields = *(int *)arg;

    while (yields-- > 0)
        if (weft_yield() < 0)
            return -ECANCELED;
    return 1;
}
static int bystander(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(weft_yield(), 0); /* never hit by what was meant for another */
    return 0;
}
static int foreign_main(void *arg)
{
    int ended = 0;
    pthread_t thread;

    (void)arg;
    inbox = weft_inbox_here();
    ck_assert_int_eq(pthread_create(&thread, NULL, cancels, NULL), 0);
    FOR_RUNS(i)
    {
        int yields = (int)random_below(8), result;
        weft_task task;
        WEFT_SCOPE(s) {
            ck_assert_int_eq(weft_spawn(&s, short_life, &yields, sizeof yields, OPT(.task = &task)),
                             0);
            atomic_store(&target_slot, task.slot);
            atomic_store(&target_generation, task.generation);
            ck_assert_int_eq(weft_join(task, &result), 0);
            ck_assert(result == 1 || result == -ECANCELED);
            ended += result == 1;
            ck_assert_int_eq(weft_spawn(&s, bystander, NULL, 0, NULL), 0); /* in its place */
        }
    }
    ck_assert_int_gt(ended, 0);
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    weft_inbox_put(inbox);
    return 0;
}
TEST(foreign_cancel_at_the_end_45)
{
    ck_assert_int_eq(main_with(foreign_main, 1), 0);
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

/* 46 for calls: the far end ends and the caller is cancelled at once; the far end fails, is told,
   or was never started. */
static atomic_int far_alive;
static int far_end(void *arg)
{
    int how = *(int *)arg, result = how;

    atomic_fetch_add(&far_alive, 1);
    if (how > 2)
        result = weft_sleep((how - 2) * 3000) < 0 ? -ECANCELED : how;
    else if (how > 0)
        result = weft_yield() < 0 ? -ECANCELED : how;
    atomic_fetch_sub(&far_alive, 1);
    return result;
}
static int caller(void *arg)
{
    return weft_call(1, far_end, arg, sizeof(int));
}
static int calls_main(void *arg)
{
    int ended = 0, cancelled = 0;

    (void)arg;
    FOR_RUNS(i)
    {
        weft_task tasks[4];
        WEFT_SCOPE(s) {
            int how[4], result;
            for (int k = 0; k < 4; k++) {
                how[k] = (int)random_below(8);
                ck_assert_int_eq(weft_spawn(&s, k % 2 ? caller : far_end, &how[k], sizeof how[k],
                                            OPT(.task = &tasks[k],
                                                .reactor = k % 2 ? 0 : WEFT_ON(1))),
                                 0);
            }
            for (uint32_t spins = random_below(600); spins > 0; spins--)
                __asm__ volatile("");
            yield_some(3);
            for (int k = 0; k < 4; k++)
                if (random_below(2))
                    ck_assert_int_ge(weft_cancel(tasks[k]), 0);
            for (int k = 0; k < 4; k++) {
                ck_assert_int_eq(weft_join(tasks[k], &result), 0);
                ck_assert(result == how[k] || result == -ECANCELED);
                ended += result == how[k];
                cancelled += result != how[k];
            }
        }
        ck_assert_int_eq(atomic_load(&far_alive), 0); /* its end was awaited */
    }
    ck_assert_int_gt(ended, 0);
    ck_assert_int_gt(cancelled, 0);
    return 0;
}
TEST(calls_46)
{
    ck_assert_int_eq(main_with(calls_main, 2), 0);
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

/* 51: a deadline shortened, extended and taken away while it fires. */
static int moved_main(void *arg)
{
    (void)arg;
    FOR_RUNS(i)
    {
        weft_scope s;
        int moved = 0, result = 0;
        ck_assert_int_eq(
            weft_scope_open(&s,
                            &(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt),
                                                     .deadline = weft_after_us(random_below(20))}),
            0);
        while (moved == 0 && result == 0) {
            result = weft_sleep(random_below(4000));
            moved =
                weft_scope_reschedule(&s, random_below(4) ? weft_after_us(random_below(10)) : 1);
        }
        ck_assert(moved == 0 || moved == -EALREADY);
        if (result == 0)
            result = weft_yield();
        ck_assert_int_eq(result, -ECANCELED);
        ck_assert_int_eq(weft_scope_close(&s), -ETIMEDOUT);
    }
    return 0;
}
TEST(deadline_moved_while_it_fires_51)
{
    ck_assert_int_eq(main_with(moved_main, 1), 0);
}

/* 56: the cancel path allocates nothing. */
static int nothing_left_main(void *arg)
{
    uint64_t allocations;

    (void)arg;
    ck_assert_int_eq(pipe(fds), 0);
    FOR_RUNS(i)
    {
        weft_task task, waiting;
        weft_scope s;
        ck_assert_int_eq(weft_scope_open(&s, NULL), 0);
        ck_assert_int_eq(weft_spawn(&s, reader, NULL, 0, OPT(.task = &task)), 0);
        crowd[0] = task;
        int on = 0;
        ck_assert_int_eq(weft_spawn(&s, awaits, &on, sizeof on, OPT(.task = &waiting)), 0);
        yield_some(2);
        allocations = weft__alloc_count();
        ck_assert_int_eq(weft_cancel(task), 1);
        ck_assert_int_ge(weft_scope_cancel(&s), 0);
        (void)weft_scope_close(&s);
        ck_assert_uint_eq(weft__alloc_count(), allocations);
    }
    close(fds[0]);
    close(fds[1]);
    return 0;
}
TEST(cancelling_allocates_nothing_56)
{
    ck_assert_int_eq(main_with(nothing_left_main, 1), 0);
}

TEST_MAIN("cancel.races", 120, operation_and_cancel_2_to_10, timeout_and_completion_22_23,
          nested_deadlines_27, foreign_cancel_at_the_end_45, joins_and_cycles_41_43,
          random_trees_33_49_50, calls_46, runs_that_are_stopped_47_48,
          deadline_moved_while_it_fires_51, cancelling_allocates_nothing_56)
