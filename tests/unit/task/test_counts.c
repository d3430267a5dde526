/*
 * What the hot paths cost, in counts that no noisy machine can change: allocations and visits to
 * the kernel. And the record of a task against the page it shares with the parked frames.
 */
#include "support/test.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>
#include <weft/weft.h>

#include "base/memory.h"
#include "task/operation.h"
#include "task/task.h"

enum { TIMES = 2000 };
#define OPT(...) (&(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt), __VA_ARGS__})

static struct weft_stats before, after;
static uint64_t allocations;
static void begin(void)
{
    ck_assert_int_eq(weft_stats(&before, sizeof before), 0);
    allocations = weft__alloc_count();
}
/* Nothing was allocated since begin(), and a turn visited the kernel at most once. */
static void end(const char *what)
{
    uint64_t made = weft__alloc_count() - allocations;

    ck_assert_int_eq(weft_stats(&after, sizeof after), 0);
    ck_assert_msg(made == 0, "%s: %d allocations", what, (int)made);
    ck_assert_msg(after.enters - before.enters <= after.turns - before.turns + 1,
                  "%s: %d enters in %d turns", what, (int)(after.enters - before.enters),
                  (int)(after.turns - before.turns));
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}
static int yields(void *arg)
{
    (void)arg;
    for (int i = 0; i < TIMES; i++)
        if (weft_yield() < 0)
            return -ECANCELED;
    return 0;
}
static void add(void *arg)
{
    ++*(int *)arg;
}
static int sleeper(void *arg)
{
    (void)arg;
    return weft_sleep_until(WEFT_NEVER);
}
static int operate(void)
{
    struct weft__operation operation;
    struct weft__task *self;
    struct weft__sqe *sqe;
    int error = weft__enter(&self);

    if (error < 0)
        return error;
    sqe = weft__operation_begin(self, &operation, "nop", -1);
    if (!sqe)
        return weft__operation_error(self);
    *sqe = (struct weft__sqe){.opcode = WEFT__OP_NOP, .fd = -1};
    return weft__operation_wait(self, &operation, sqe);
}
static int operates(void *arg)
{
    (void)arg;
    for (int i = 0; i < TIMES / 10; i++)
        if (operate() < 0)
            return -EIO;
    return 0;
}

static int counts_main(void *arg)
{
    int ran = 0;
    struct weft_post_slot slot = WEFT_POST_SLOT_INIT(add, &ran);
    weft_inbox *inbox = weft_inbox_here();

    (void)arg;
    for (int round = 0; round < 2; round++) { /* the first warms up */
        WEFT_SCOPE(s) {
            for (int i = 0; i < 3; i++)
                ck_assert_int_eq(weft_spawn(&s, yields, NULL, 0, NULL), 0);
            begin();
            ck_assert_int_eq(yields(NULL), 0);
        }
        if (round)
            end("yield");
        if (round) /* many turns, and none of them had anything to ask of the kernel */
            ck_assert_uint_le(after.enters - before.enters, 2);
        begin();
        for (int i = 0; i < TIMES / 10; i++)
            ck_assert_int_eq(weft_sleep(1000), 0);
        if (round)
            end("sleep");
        begin();
        WEFT_SCOPE(s)
            for (int i = 0; i < TIMES; i++) {
                weft_task task;
                if (weft_spawn(&s, nothing, NULL, 0, OPT(.task = &task)) < 0 ||
                    weft_join(task, NULL) < 0)
                    ck_abort();
            }
        if (round)
            end("spawn and join");
        begin();
        for (int i = 0; i < TIMES / 10; i++)
            WEFT_SCOPE(s, .deadline = weft_after_ms(1000)) {
                weft_task task;
                ck_assert_int_eq(weft_spawn(&s, sleeper, NULL, 0, OPT(.task = &task)), 0);
                ck_assert_int_eq(weft_yield(), 0);
                ck_assert_int_eq(weft_cancel(task), 1);
            }
        if (round)
            end("scope with a deadline, cancel");
        begin();
        for (int i = 0; i < TIMES / 10; i++) {
            int seen = ran;
            ck_assert_int_eq(weft_post_slot(inbox, &slot), 0);
            while (ran == seen)
                ck_assert_int_eq(weft_yield(), 0);
        }
        if (round)
            end("post by slot");
        begin();
        ck_assert_int_eq(operates(NULL), 0);
        if (round) {
            end("operation");
            ck_assert_uint_eq(after.sqes - before.sqes, TIMES / 10);
            ck_assert_uint_eq(after.cqes - before.cqes, TIMES / 10);
        }
        begin();
        WEFT_SCOPE(s)
            for (int i = 0; i < 50; i++)
                ck_assert_int_eq(weft_spawn(&s, operates, NULL, 0, NULL), 0);
        if (round) { /* fifty at a time ride in one visit */
            end("operations together");
            ck_assert_uint_le(after.enters - before.enters, (TIMES / 10) * 3);
        }
    }
    weft_inbox_put(inbox);
    return 0;
}
TEST(allocations_and_enters)
{
    struct weft_run_opt opt = {.size = sizeof opt, .no_look = true};

    ck_assert_int_eq(weft_run(counts_main, NULL, 0, &opt), 0);
}

/* Calls between reactors allocate nothing on either side once both are warm. */
static int calls_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(weft_call(1, nothing, NULL, 0), 0);
    allocations = weft__alloc_count();
    for (int i = 0; i < TIMES; i++)
        if (weft_call(1, nothing, &i, sizeof i) != 0)
            ck_abort();
    ck_assert_uint_eq(weft__alloc_count(), allocations);
    return 0;
}
TEST(calls)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    ck_assert_int_eq(weft_run(calls_main, NULL, 0, &opt), 0);
}

/* An idle reactor is not woken. */
static int idle_main(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_sleep(1000000), 0);
    ck_assert_int_eq(weft_stats(&before, sizeof before), 0);
    ck_assert_int_eq(weft_sleep(300000000), 0);
    ck_assert_int_eq(weft_stats(&after, sizeof after), 0);
    ck_assert_uint_le(after.turns - before.turns, 3);
    return 0;
}
TEST(idle)
{
    ck_assert_int_eq(weft_run(idle_main, NULL, 0, NULL), 0);
}

/* Requests beyond the queue's length are submitted early, and that is counted: it would be zero if
   only those were that found no room at all. */
static int crowd_main(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_stats(&before, sizeof before), 0);
    WEFT_SCOPE(s)
        for (int i = 0; i < 64; i++)
            ck_assert_int_eq(weft_spawn(&s, operates, NULL, 0, NULL), 0);
    ck_assert_int_eq(weft_stats(&after, sizeof after), 0);
    ck_assert_uint_gt(after.sq_full, before.sq_full);
    return 0;
}
TEST(a_full_queue_is_counted)
{
    struct weft_run_opt opt = {.size = sizeof opt, .ring_entries = 8};

    ck_assert_int_eq(weft_run(crowd_main, NULL, 0, &opt), 0);
}

TEST_MAIN("task.counts", 60, allocations_and_enters, calls, idle, a_full_queue_is_counted)
