/*
 * scenarios_future.c - src/task/future.c: settling, waiting, leaving and letting go.
 *
 * Who settles writes something in plain memory before, and who has the result reads it. What a
 * future's value stands for is destroyed once, by whoever lets go of it last.
 */
#include <errno.h>
#include <string.h>

#include "explore.h"
#include "kernel.h"
#include "reactor/reactor.h"
#include "task/future.h"

enum { VALUE = 7 };

struct frame {
    struct weft__waiter waiter;
    struct weft__wait wait;
};
static struct weft__reactor the_reactor; /* only asked where its inbox is */
static struct weft_inbox *inbox;
static weft_future *future;
static uint64_t *word;                                /* plain: written by who settles */
static uint32_t settled, refused, got, left, dropped; /* outside: they order nothing */

static void drop(int64_t value)
{
    EXPLORE_CHECK(value == VALUE && *word == VALUE);
    dropped++;
}

static void set_up(void)
{
    struct weft_future_opt opt = {.size = sizeof opt, .drop = drop};

    settled = refused = got = left = dropped = 0;
    kernel_reset();
    inbox = weft__inbox_new(&the_reactor, 0, NULL);
    inbox->bell.eventfd = 0;
    the_reactor.inbox = inbox;
    word = explore_alloc(sizeof *word);
    *word = 0;
    EXPLORE_CHECK(weft_future_create(&future, &opt) == 0);
    explore_name(&inbox->head, "head");
    explore_name(&future->word, "word");
    explore_name(&future->references, "references");
}
static void check(void)
{
    EXPLORE_CHECK(settled == 1);
    EXPLORE_CHECK(got + left == 1);
    weft__inbox_release(inbox);
    explore_free(word);
    kernel_end();
}

static void *held(void)
{
    weft_future_retain(future);
    return future;
}

/* -- who settles --------------------------------------------------------------------------------
 */

static void settles(void)
{
    *word = VALUE;
    EXPLORE_CHECK(weft_future_set_result(future, VALUE) == 0);
    settled++;
    weft_future_put(future);
}
static void cancels(void)
{
    int result = weft_future_cancel(future);

    settled += result == 1;
    refused += result == 0;
    weft_future_put(future);
}
static void settles_too(void)
{
    int result = weft_future_set_error(future, -EIO);

    settled += result == 0;
    refused += result == -EINVAL;
    weft_future_put(future);
}

/* -- who waits ----------------------------------------------------------------------------------
 */

static void saw(int64_t result)
{
    if (result == VALUE)
        EXPLORE_CHECK(*word == VALUE);
    else
        EXPLORE_CHECK(result == -EIO || result == -ECANCELED);
    got++;
}

static void turn(void)
{
    if (!weft__inbox_any(inbox) && weft__inbox_sleep(inbox)) {
        kernel_sleep(&inbox->bell);
        weft__inbox_wake(inbox);
    }
    weft__inbox_run(inbox, &the_reactor, 1024);
}

/* weft_future_await, with the loop's part in it. */
static void waits(void)
{
    struct frame *frame = explore_alloc(sizeof *frame);
    int64_t result;

    weft__self = &the_reactor; /* for the one call that asks; nobody else runs within it */
    frame->wait = (struct weft__wait){.what = "future", .fd = -1};
    weft__waiter_init(&frame->waiter, &frame->wait);
    weft__self = NULL;
    if (weft__future_peek(future, &result)) {
        saw(result);
    } else if (!weft__future_enter(future, &frame->waiter)) {
        EXPLORE_CHECK(weft__future_peek(future, &result));
        saw(result);
    } else if (explore_choose(2) && weft__future_leave(future, &frame->waiter)) {
        left++;
    } else {
        while (!frame->waiter.arrived)
            turn();
        saw(frame->waiter.value);
    }
    explore_free(frame);
    weft_future_put(future);
    weft__inbox_close(inbox);
    kernel_settle(&inbox->bell, inbox->bells_owed);
}

static void set_up_one(void)
{
    set_up();
    held();
}
static void check_dropped(void)
{
    check();
    EXPLORE_CHECK(dropped == 1); /* looked at, but not taken */
}
static const struct explore_scenario one_settles = {
    .name = "future-settled",
    .says = "the result is had with all that came before it; its value goes with the last",
    .set_up = set_up_one,
    .check = check_dropped,
    .threads = {{"home", waits}, {"settler", settles}}};

/* A thread of its own waits, some time or for as long as it takes; what is written of it while it
   waits is in its frame. */
static void waits_there(void)
{
    int64_t result, deadline = explore_choose(2) ? INT64_MAX : 1;
    int error = weft_future_wait(future, &result, deadline);

    EXPLORE_CHECK(error == 0 || (error == -ETIMEDOUT && deadline == 1));
    if (error == 0)
        saw(result);
    else
        left++;
}
static void thread_waits(void)
{
    explore_in_watched_frames(waits_there);
    weft_future_put(future);
}
static const struct explore_scenario thread_wakes = {
    .name = "future-wakes-a-thread",
    .says = "a thread that waits has the result with all that came before it, and its frame to "
            "itself afterwards",
    .set_up = set_up_one,
    .check = check_dropped,
    .threads = {{"waiter", thread_waits}, {"settler", settles}}};

static void set_up_two(void)
{
    set_up();
    held();
    held();
}
static void check_two(void)
{
    EXPLORE_CHECK(refused == 1);
    check();
}
static const struct explore_scenario two_settle = {.name = "future-settled-twice",
                                                   .says = "one settles, the other is told so",
                                                   .set_up = set_up_two,
                                                   .check = check_two,
                                                   .stale = 1,
                                                   .threads = {{"home", waits},
                                                               {"settler", settles_too},
                                                               {"canceller", cancels}}};

/* -- taking -------------------------------------------------------------------------------------
 */

static void takes(void)
{
    int64_t value = 0;
    int result = weft_future_take(future, &value);

    EXPLORE_CHECK(result == 0 || result == -EAGAIN || result == -EALREADY);
    if (result == 0) {
        EXPLORE_CHECK(value == VALUE && *word == VALUE);
        got++;
    }
    weft_future_put(future);
}
static void check_taken(void)
{
    EXPLORE_CHECK(settled == 1 && got + dropped == 1);
    weft__inbox_release(inbox);
    explore_free(word);
    kernel_end();
}
static const struct explore_scenario two_take = {.name = "future-taken-twice",
                                                 .says = "a value is one taker's, or is destroyed",
                                                 .set_up = set_up_two,
                                                 .check = check_taken,
                                                 .stale = 1,
                                                 .threads = {{"settler", settles},
                                                             {"taker 1", takes},
                                                             {"taker 2", takes}}};

/* -- again --------------------------------------------------------------------------------------
 */

static uint64_t expected; /* in *word, once the others have let go */
static void lets_go(void)
{
    *word = expected; /* the last use that this thread makes of it */
    weft_future_put(future);
}
static void resets(void)
{
    EXPLORE_CHECK(weft_future_set_error(future, -EIO) == 0);
    if (weft_future_reset(future) == 0)
        EXPLORE_CHECK(*word == expected && !weft_future_done(future));
    settled++;
    weft_future_put(future);
}
static void check_reset(void)
{
    EXPLORE_CHECK(settled == 1 && dropped == 0);
    weft__inbox_release(inbox);
    explore_free(word);
    kernel_end();
}
static void set_up_reset(void)
{
    set_up_one();
    expected = VALUE;
}
static void set_up_keepers(void)
{
    set_up_two();
    expected = 0;
}
static const struct explore_scenario reset = {
    .name = "future-reset",
    .says = "who has the only reference sees what the others did before they let go",
    .set_up = set_up_reset,
    .check = check_reset,
    .threads = {{"resetter", resets}, {"other", lets_go}}};

static void keeps(void)
{
    weft_future_put(held());
    weft_future_put(future);
}
static const struct explore_scenario keepers = {
    .name = "future-references",
    .says = "whoever holds one finds it; the last one out frees it",
    .set_up = set_up_keepers,
    .check = check_reset,
    .stale = 1,
    .threads = {{"settler", resets}, {"keeper 1", keeps}, {"keeper 2", keeps}}};

const struct explore_scenario *const explore_scenarios_future[] = {&one_settles, &thread_wakes,
                                                                   &two_settle,  &two_take,
                                                                   &reset,       &keepers,
                                                                   NULL};
