/*
 * scenarios_inbox.c - src/reactor/inbox.c and its callers' ways, under every order of events.
 *
 * The reactor does what visit_kernel and shut_door of src/reactor do with the inbox, in their
 * order; producers do what weft_post and the runtime do. What a message carries is plain memory,
 * written by who pushes and read by who runs it, so an order that is missing shows as a race.
 */
#include <errno.h>
#include <string.h>
#include <weft/stats.h>

#include "explore.h"
#include "kernel.h"
#include "reactor/inbox.h"
#include "reactor/reactor.h"

enum { MESSAGES_MAX = 6, FILLED = 7 };

struct letter {
    struct weft__message message;
    uint64_t payload;
};

/* What happened; kept outside of watched memory, so that it orders nothing. */
static struct {
    uint32_t pushed, refused, ran, dropped, bells, sleeps;
    uint32_t fate[MESSAGES_MAX]; /* times run, dropped or refused */
    uint32_t last_ran[3];        /* by producer: how many of its own, for their order */
} seen;
static struct weft_inbox *inbox;
static struct letter *letters[MESSAGES_MAX];
static struct weft__reactor *the_reactor;
static uint32_t per_producer, expected;
static bool counted;      /* each producer holds a reference; else the inbox outlives them all */
static uint32_t own_ends; /* so many sleeps may end by themselves, as by a timer or a completion */

static uint32_t number_of(const struct weft__message *message)
{
    uint32_t i = 0;

    while (i < MESSAGES_MAX && &letters[i]->message != message)
        i++;
    EXPLORE_CHECK(i < MESSAGES_MAX);
    return i;
}

/* A letter's end, whoever brings it about: it is read whole, and freed. */
static uint32_t end_letter(struct weft__message *message)
{
    struct letter *letter = (struct letter *)message;
    uint32_t number = number_of(message);

    EXPLORE_CHECK(letter->payload == FILLED);
    EXPLORE_CHECK(seen.fate[number]++ == 0);
    explore_free(letter);
    return number;
}

static void run(struct weft__message *message, struct weft__reactor *reactor)
{
    uint32_t number = end_letter(message), producer = number / per_producer;

    (void)reactor;
    EXPLORE_CHECK(seen.last_ran[producer] == number % per_producer); /* in the order pushed */
    seen.last_ran[producer]++;
    seen.ran++;
}

static void drop(struct weft__message *message)
{
    end_letter(message);
    seen.dropped++;
}

/* -- the sides ----------------------------------------------------------------------------------
 */

static void open_inbox(uint32_t producers, uint32_t messages)
{
    memset(&seen, 0, sizeof seen);
    memset(letters, 0, sizeof letters);
    kernel_reset();
    per_producer = messages;
    expected = producers * messages;
    the_reactor = explore_alloc(sizeof *the_reactor);
    the_reactor->stats.turns = 0;
    inbox = weft__inbox_new(the_reactor, 0, NULL);
    inbox->bell.eventfd = 0;
    explore_name(&inbox->head, "head");
    explore_name(&inbox->references, "references");
    explore_name(&inbox->visitors, "visitors");
    counted = false;
    own_ends = 0;
    for (uint32_t i = 0; i < expected; i++)
        letters[i] = explore_alloc(sizeof **letters);
}

/* A producer that holds a reference is done with the inbox when it gives it back. */
static void produce(uint32_t producer)
{
    for (uint32_t i = 0; i < per_producer; i++) {
        uint32_t number = producer * per_producer + i;
        struct letter *letter = letters[number];

        *letter = (struct letter){.message = {.run = run, .drop = drop}, .payload = FILLED};
        if (weft__inbox_send(inbox, &letter->message) == 0) {
            seen.pushed++;
            continue;
        }
        EXPLORE_CHECK(letter->message.run == run); /* ours again */
        end_letter(&letter->message);
        seen.refused++;
    }
    if (counted)
        weft__inbox_release(inbox);
}
static void produce_0(void)
{
    produce(0);
}
static void produce_1(void)
{
    produce(1);
}
static void produce_2(void)
{
    produce(2);
}

/* One turn: visit_kernel, then the messages. */
static void turn(bool wait)
{
    if (wait && !weft__inbox_any(inbox) && weft__inbox_sleep(inbox)) {
        seen.sleeps++;
        if (own_ends > 0 && explore_choose(2) == 1) {
            own_ends--;
            explore_step("a sleep that ends by itself");
        } else {
            kernel_sleep(&inbox->bell);
        }
        weft__inbox_wake(inbox);
    }
    weft__inbox_run(inbox, the_reactor, 1024);
}

/* shut_door, and the end of the reactor's memory. */
static void close_inbox(void)
{
    weft__inbox_close(inbox);
    kernel_settle(&inbox->bell, inbox->bells_owed);
    explore_free(the_reactor);
    if (counted)
        weft__inbox_release(inbox);
}

static void reactor_until_all_ran(void)
{
    while (seen.ran < expected)
        turn(true);
    EXPLORE_CHECK(inbox->bells_owed <= seen.sleeps);
    close_inbox();
}
static void reactor_one_turn(void)
{
    turn(true);
    close_inbox();
}
static void reactor_closes(void)
{
    turn(false);
    close_inbox();
}

static void all_settled(void)
{
    EXPLORE_CHECK(seen.pushed + seen.refused == expected);
    EXPLORE_CHECK(seen.ran + seen.dropped == seen.pushed);
    for (uint32_t i = 0; i < expected; i++)
        EXPLORE_CHECK(seen.fate[i] == 1);
    if (!counted)
        weft__inbox_release(inbox);
    kernel_end();
}
static void all_ran(void)
{
    EXPLORE_CHECK(seen.ran == expected);
    all_settled();
}

/* -- sleep and bell -------------------------------------------------------------------------------
 */

static void two_by_one(void)
{
    open_inbox(2, 1);
}
static void two_by_one_own_end(void)
{
    open_inbox(2, 1);
    own_ends = 1;
}
static void two_by_two(void)
{
    open_inbox(2, 2);
}
static void three_by_one(void)
{
    open_inbox(3, 1);
}
static const struct explore_scenario wakes_once = {
    .name = "two-producers",
    .says = "each message is run, whole and in order; no sleep lasts for ever",
    .set_up = two_by_one,
    .check = all_ran,
    .threads = {{"reactor", reactor_until_all_ran},
                {"producer 1", produce_0},
                {"producer 2", produce_1}}};
static const struct explore_scenario wakes_for_two = {.name = "two-producers-two-messages",
                                                      .says = "the same with two messages each",
                                                      .set_up = two_by_two,
                                                      .check = all_ran,
                                                      .stale = 1,
                                                      .threads = {{"reactor",
                                                                   reactor_until_all_ran},
                                                                  {"producer 1", produce_0},
                                                                  {"producer 2", produce_1}}};
static const struct explore_scenario wakes_for_three = {.name = "three-producers",
                                                        .says = "the same with three",
                                                        .set_up = three_by_one,
                                                        .check = all_ran,
                                                        .stale = 1,
                                                        .threads = {{"reactor",
                                                                     reactor_until_all_ran},
                                                                    {"producer 1", produce_0},
                                                                    {"producer 2", produce_1},
                                                                    {"producer 3", produce_2}}};

static const struct explore_scenario ends_by_itself = {
    .name = "sleep-that-ends-by-itself",
    .says = "a timer may end the sleep as well: bells owed are the bells that ring",
    .set_up = two_by_one_own_end,
    .check = all_ran,
    .threads = {{"reactor", reactor_until_all_ran},
                {"producer 1", produce_0},
                {"producer 2", produce_1}}};

/* -- closing --------------------------------------------------------------------------------------
 */

/* References are taken by a thread that has one: before the others start. */
static void open_for(uint32_t producers, uint32_t messages)
{
    open_inbox(producers, messages);
    counted = true;
    for (uint32_t i = 0; i < producers; i++)
        weft__inbox_retain(inbox);
}
static void close_on_two(void)
{
    open_for(2, 2);
}
static void close_on_two_after_a_sleep(void)
{
    open_for(2, 1);
    own_ends = 1;
}
static const struct explore_scenario closing = {
    .name = "closing",
    .says = "run, dropped or refused, exactly once; the last reference frees",
    .set_up = close_on_two,
    .check = all_settled,
    .threads = {{"reactor", reactor_closes}, {"producer 1", produce_0}, {"producer 2", produce_1}}};
static const struct explore_scenario closing_after_sleep = {
    .name = "closing-after-a-sleep",
    .says = "the same when it slept before, and the bell still rings",
    .set_up = close_on_two_after_a_sleep,
    .check = all_settled,
    .threads = {{"reactor", reactor_one_turn},
                {"producer 1", produce_0},
                {"producer 2", produce_1}}};

/* -- references
 * ------------------------------------------------------------------------------------ */

static void keeps_and_shares(void)
{
    weft__inbox_retain(inbox); /* as weft_inbox_retain: for somebody else, here itself again */
    (void)weft__inbox_waiting(inbox);
    if (weft__inbox_closed(inbox))
        EXPLORE_CHECK(!weft__inbox_visit(inbox)); /* closed stays closed */
    weft__inbox_release(inbox);
    weft__inbox_release(inbox);
}
static void open_for_keepers(void)
{
    open_for(2, 0);
}
static void nothing_left(void)
{
    kernel_end();
}
static const struct explore_scenario references = {
    .name = "references",
    .says = "whoever holds one finds it; the last one out frees it",
    .set_up = open_for_keepers,
    .check = nothing_left,
    .threads = {{"reactor", reactor_closes},
                {"keeper 1", keeps_and_shares},
                {"keeper 2", keeps_and_shares}}};

/* -- visitors
 * --------------------------------------------------------------------------------------- */

/* weft_stats_read, of the first few counters. The reactor counts meanwhile, and closes. */
static void visits(void)
{
    struct weft_stats stats;
    int error = weft_stats_read(inbox, &stats, 2 * sizeof(uint64_t));

    EXPLORE_CHECK(error == 0 || error == -ESHUTDOWN);
    if (error == 0)
        EXPLORE_CHECK(stats.turns <= 2);
    weft__inbox_release(inbox);
}
static void reactor_counts(void)
{
    WEFT__COUNT(the_reactor, turns);
    turn(false);
    WEFT__COUNT(the_reactor, turns);
    close_inbox();
}
static void open_for_visitors(void)
{
    open_for(2, 0);
    the_reactor->stats.version = 1;
}
static const struct explore_scenario visitors = {
    .name = "visitors",
    .says = "who looks at the counters finds them, or is told that it is over",
    .set_up = open_for_visitors,
    .check = nothing_left,
    .threads = {{"reactor", reactor_counts}, {"visitor 1", visits}, {"visitor 2", visits}}};

const struct explore_scenario *const explore_scenarios_inbox[] = {
    &wakes_once,     &wakes_for_two, &wakes_for_three,
    &ends_by_itself, &closing,       &closing_after_sleep,
    &references,     &visitors,      NULL};
