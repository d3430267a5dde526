/*
 * What futures and waiting for several cost, in counts that no noisy machine can change. Catches an
 * allocation or a visit to the kernel on the way from settling to the task that waits.
 */
#include <weft/weft.h>

#include "base/memory.h"
#include "support/net.h"

/* Answered at once, a call gives way when the turn's budget is used up, 256. */
enum { TIMES = 1000, GIVEN_WAY = TIMES / 256 + 1 };
static struct weft_stats before, after;
static uint64_t allocations;
static void begin(void)
{
    ck_assert_int_eq(weft_stats(&before, sizeof before), 0);
    allocations = weft__alloc_count();
}
static void end(const char *what, uint64_t most)
{
    uint64_t made = weft__alloc_count() - allocations;

    ck_assert_int_eq(weft_stats(&after, sizeof after), 0);
    ck_assert_msg(made == 0, "%s: %d allocations", what, (int)made);
    /* a turn visits the kernel once, with or without anything to ask; a call never does */
    ck_assert_msg(after.enters - before.enters <= after.turns - before.turns + 1, "%s: enters",
                  what);
    ck_assert_uint_le(after.sqes - before.sqes, 0);
    ck_assert_msg(after.switches - before.switches <= most, "%s: %d switches", what,
                  (int)(after.switches - before.switches));
}

static weft_future *future;
static bool over;
static int settles(void *arg)
{
    (void)arg;
    while (!over) {
        ok(weft_future_set_result(future, 1));
        ok(weft_yield());
    }
    return 0;
}
static int main_counts(void *arg)
{
    int64_t result, r[2];

    (void)arg;
    ok(weft_future_create(&future, NULL));
    for (int round = 0; round < 2; round++) { /* the first warms up */
        begin();
        for (int i = 0; i < TIMES; i++) {
            ok(weft_future_set_result(future, i));
            ok(weft_future_await(future, &result));
            ok(weft_future_reset(future));
        }
        end("settled before", GIVEN_WAY);
        over = false;
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, settles, NULL, 0, NULL));
            begin();
            for (int i = 0; i < TIMES; i++) {
                ok(weft_future_await(future, &result));
                ok(weft_future_reset(future));
            }
            if (round)
                end("handed over", 2 * TIMES + TIMES / 10);
            over = true;
        }
        if (!weft_future_done(future))
            ok(weft_future_set_result(future, 1));
        begin();
        for (int i = 0; i < TIMES; i++) {
            ok(weft_gather(WEFT_LIST(weft_of_future(future), weft_of_future(future)), r, 0));
            ok(weft_race(WEFT_LIST(weft_of_future(future), weft_of_future(future)), r));
            ok(weft_wait_for(weft_of_future(future), r, 1));
        }
        end("settled, and several", 3 * GIVEN_WAY);
        ok(weft_future_reset(future));
    }
    weft_future_put(future);
    return 0;
}
TEST(counts)
{
    net_run(main_counts);
}

TEST_MAIN("future_counts", 60, counts)
