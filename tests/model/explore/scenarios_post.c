/*
 * scenarios_post.c - src/runtime/post.c: posts that bring their memory, and posts that do not.
 *
 * A slot may be posted again as soon as its function is called, by that function or by whoever else
 * shares it. So the word `busy` alone keeps two posts of one slot apart.
 */
#include <errno.h>
#include <string.h>
#include <weft/post.h>

#include "explore.h"
#include "kernel.h"
#include "reactor/inbox.h"
#include "reactor/reactor.h"

static struct {
    uint32_t posted, busy, refused, ran, dropped;
} seen;
static struct weft_inbox *inbox;
static struct weft__reactor *the_reactor;
static struct weft_post_slot *slot;
static uint64_t *word; /* plain: written by who posts, read by what runs */

static void count_run(void *arg)
{
    EXPLORE_CHECK(arg == word && *word == 7);
    seen.ran++;
}
static void count_drop(void *arg)
{
    EXPLORE_CHECK(arg == word && *word == 7);
    seen.dropped++;
}

static void open_inbox(uint32_t references)
{
    memset(&seen, 0, sizeof seen);
    kernel_reset();
    the_reactor = explore_alloc(sizeof *the_reactor);
    the_reactor->stats.callbacks = 0;
    inbox = weft__inbox_new(the_reactor, 0, NULL);
    inbox->bell.eventfd = 0;
    for (uint32_t i = 0; i < references; i++)
        weft_inbox_retain(inbox);
    word = explore_alloc(sizeof *word);
    *word = 7;
    slot = explore_alloc(sizeof *slot);
    *slot = (struct weft_post_slot)WEFT_POST_SLOT_INIT(count_run, word);
    slot->drop = count_drop;
    explore_name(&inbox->head, "head");
    explore_name(&inbox->references, "references");
    explore_name(&slot->busy, "busy");
    explore_name(&the_reactor->stats.callbacks, "callbacks");
}

static void turn(void)
{
    if (!weft__inbox_any(inbox) && weft__inbox_sleep(inbox)) {
        if (explore_choose(2) == 0) /* both happen: the last turns are not for waiting */
            explore_step("a sleep that ends by itself");
        else
            kernel_sleep(&inbox->bell);
        weft__inbox_wake(inbox);
    }
    weft__inbox_run(inbox, the_reactor, 1024);
}

static void close_inbox(void)
{
    atomic_store_explicit(&inbox->winding, true, memory_order_relaxed);
    weft__inbox_close(inbox);
    kernel_settle(&inbox->bell, inbox->bells_owed);
    explore_free(the_reactor);
    weft_inbox_put(inbox);
}

static void note(int result)
{
    if (result == 0)
        seen.posted++;
    else if (result == -EBUSY)
        seen.busy++;
    else if (result == -ESHUTDOWN)
        seen.refused++;
    else
        explore_fail("a post says %d", result);
}

static void end(void)
{
    EXPLORE_CHECK(seen.ran + seen.dropped == seen.posted);
    explore_free(slot);
    explore_free(word);
    kernel_end();
}

/* -- one slot, several who post it ------------------------------------------------------------- */

static void posts_slot(void)
{
    note(weft_post_slot(inbox, slot));
    note(weft_post_signal(inbox, slot));
    weft_inbox_put(inbox);
}
static void posts_slot_once(void)
{
    note(weft_post_slot(inbox, slot));
    weft_inbox_put(inbox);
}
static void two_turns(void)
{
    turn();
    weft__inbox_run(inbox, the_reactor, 1024);
    close_inbox();
}
static void open_for_two(void)
{
    open_inbox(2);
}
static void slot_end(void)
{
    EXPLORE_CHECK(seen.posted + seen.busy + seen.refused == 3);
    EXPLORE_CHECK(slot->busy == 0);
    end();
}
static const struct explore_scenario one_slot = {
    .name = "one-slot-two-posters",
    .says = "what was posted runs or is dropped once; what was busy does not",
    .set_up = open_for_two,
    .check = slot_end,
    .threads = {{"reactor", two_turns}, {"poster 1", posts_slot}, {"poster 2", posts_slot_once}}};

/* -- a slot whose words are written anew once it is known to have run ----------------------------
 */

static uint32_t again;
static void posts_again(void *arg)
{
    count_run(arg);
    again++;
    slot->fn = count_run; /* ours until it is posted: it has run */
    note(weft_post_signal(inbox, slot));
}
static void open_for_again(void)
{
    open_inbox(1);
    again = 0;
    slot->fn = posts_again;
}
static void again_end(void)
{
    EXPLORE_CHECK(seen.posted + seen.busy + seen.refused == 1 + again);
    end();
}
static void three_turns(void)
{
    turn();
    turn();
    close_inbox();
}
static void post_once_then_put(void)
{
    note(weft_post_slot(inbox, slot));
    weft_inbox_put(inbox);
}
static const struct explore_scenario posted_again = {.name = "slot-posted-by-its-own-function",
                                                     .says =
                                                         "a slot is free when its function runs",
                                                     .set_up = open_for_again,
                                                     .check = again_end,
                                                     .threads = {{"reactor", three_turns},
                                                                 {"poster", post_once_then_put}}};

/* -- one slot at two reactors ------------------------------------------------------------------
 */

static struct weft_inbox *second;
static struct weft__reactor *second_reactor;
enum { ON_SECOND = 2 }; /* the number of its thread */

/* Who is run there has the slot for itself: it is not posted again. */
static void runs_here_or_there(void *arg)
{
    count_run(arg);
    if (explore_running == ON_SECOND)
        slot->fn = count_run;
}
static void open_two(void)
{
    open_inbox(1);
    slot->fn = runs_here_or_there;
    second_reactor = explore_alloc(sizeof *second_reactor);
    second_reactor->stats.callbacks = 0;
    second = weft__inbox_new(second_reactor, 1, NULL);
    second->bell.eventfd = 1;
    weft_inbox_retain(second);
}
static void first_runs(void)
{
    weft__inbox_run(inbox, the_reactor, 1024);
    close_inbox();
}
static void second_runs(void)
{
    weft__inbox_run(second, second_reactor, 1024);
    weft__inbox_close(second);
    kernel_settle(&second->bell, second->bells_owed);
    explore_free(second_reactor);
    weft_inbox_put(second);
}
static void posts_here_then_there(void)
{
    note(weft_post_slot(inbox, slot));
    note(weft_post_slot(second, slot));
    weft_inbox_put(inbox);
    weft_inbox_put(second);
}
static void two_end(void)
{
    EXPLORE_CHECK(seen.posted + seen.busy + seen.refused == 2);
    end();
}
static const struct explore_scenario two_reactors = {
    .name = "slot-at-two-reactors",
    .says = "a slot that is not busy any more is not read any more",
    .set_up = open_two,
    .check = two_end,
    .threads = {{"first", first_runs}, {"second", second_runs}, {"poster", posts_here_then_there}}};

/* -- posts without memory of their own ------------------------------------------------------------
 */

static void posts(void)
{
    note(weft_post(inbox, count_run, word, count_drop));
    note(weft_post_try(inbox, count_run, word, count_drop));
    weft_inbox_put(inbox);
}
static void posts_once(void)
{
    note(weft_post(inbox, count_run, word, count_drop));
    weft_inbox_put(inbox);
}
static void posts_end(void)
{
    EXPLORE_CHECK(seen.posted + seen.refused == 3 && seen.busy == 0);
    end();
}
static const struct explore_scenario plain_posts = {
    .name = "posts-against-a-close",
    .says = "a post's memory is freed by whoever ends it, once",
    .set_up = open_for_two,
    .check = posts_end,
    .stale = 1,
    .threads = {{"reactor", two_turns}, {"poster 1", posts}, {"poster 2", posts_once}}};

/* -- a stop asked for twice
 * ------------------------------------------------------------------------ */

static void stop_run(struct weft__message *message, struct weft__reactor *reactor)
{
    EXPLORE_CHECK(message == &inbox->stop && reactor == the_reactor);
    seen.ran++;
}
static void stop_drop(struct weft__message *message)
{
    (void)message;
    seen.dropped++;
}
static void open_for_stops(void)
{
    open_inbox(2);
    inbox->stop = (struct weft__message){.run = stop_run, .drop = stop_drop};
    explore_name(&inbox->stop_sent, "stop_sent");
}
static void stops(void)
{
    note(weft_stop_post(inbox));
    weft_inbox_put(inbox);
}
static void stops_end(void)
{
    EXPLORE_CHECK(seen.ran + seen.dropped <= 1);
    /* if it was too late for the first, the second may hear so, or that it is being seen to */
    EXPLORE_CHECK(seen.refused > 0 || seen.ran + seen.dropped == 1);
    EXPLORE_CHECK(seen.posted + seen.refused == 2);
    seen.posted = seen.ran + seen.dropped; /* two who asked, one who was heard */
    end();
}
static const struct explore_scenario stopped_twice = {.name = "stop-from-two-threads",
                                                      .says = "one message, pushed once",
                                                      .set_up = open_for_stops,
                                                      .check = stops_end,
                                                      .threads = {{"reactor", two_turns},
                                                                  {"stopper 1", stops},
                                                                  {"stopper 2", stops}}};

const struct explore_scenario *const explore_scenarios_post[] = {&one_slot,      &posted_again,
                                                                 &two_reactors,  &plain_posts,
                                                                 &stopped_twice, NULL};
