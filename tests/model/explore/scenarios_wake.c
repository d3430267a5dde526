/*
 * scenarios_wake.c - src/task/wake.c: waiters that are woken from other threads, and that leave.
 *
 * The object is a heap of permits under a locked word, as in tests/unit/task/test_wake.c. Who waits
 * has its waiter in memory of its own that is freed the moment it goes on, as a frame is: whoever
 * touches it later is caught. A permit that is handed over comes with a gift, written in plain
 * memory.
 */
#include <string.h>

#include "explore.h"
#include "kernel.h"
#include "reactor/reactor.h"
#include "task/wake.h"

enum { HOMES_MAX = 2, GIFT = 7 };

struct frame {
    struct weft__waiter waiter;
    struct weft__wait wait;
    uint64_t gift;
};

struct heap {
    _Atomic(uint64_t) word; /* the lock, and above it how many permits lie here */
    struct weft__waiters waiters;
};

/* A reactor whose one task waits once. */
struct home {
    struct weft__reactor *reactor;
    struct weft_inbox *inbox;
};
static struct weft__reactor reactors[HOMES_MAX]; /* only asked where its inbox is */
static struct home homes[HOMES_MAX];
static struct heap *heap;
static uint32_t home_count, waiter_count, given, got,
    left; /* outside of watched memory: they order nothing */

static void set_up(uint32_t count)
{
    given = got = left = 0;
    home_count = waiter_count = count;
    kernel_reset();
    heap = explore_alloc(sizeof *heap);
    memset(heap, 0, sizeof *heap);
    explore_name(&heap->word, "word");
    for (uint32_t i = 0; i < count; i++) {
        homes[i].reactor = &reactors[i];
        homes[i].inbox = weft__inbox_new(homes[i].reactor, i, NULL);
        homes[i].inbox->bell.eventfd = (int)i;
        homes[i].reactor->inbox = homes[i].inbox;
        explore_name(&homes[i].inbox->head, "head");
    }
}
static void set_up_one(void)
{
    set_up(1);
}
static void set_up_two(void)
{
    set_up(1);
    waiter_count = 2;
}

static void check(void)
{
    EXPLORE_CHECK(!heap->waiters.first && !heap->waiters.last);
    EXPLORE_CHECK(given == got + (uint32_t)(heap->word >> 1)); /* none lost, none made */
    EXPLORE_CHECK((heap->word & WEFT__WORD_LOCKED) == 0);
    EXPLORE_CHECK(got + left == waiter_count);
    for (uint32_t i = 0; i < home_count; i++)
        weft__inbox_release(homes[i].inbox);
    explore_free(heap);
    kernel_end();
}

/* -- who gives --------------------------------------------------------------------------------- */

static void give(void)
{
    uint64_t value = weft__word_lock(&heap->word);
    struct weft__waiter *waiter = weft__waiters_take(&heap->waiters);

    given++;
    weft__word_unlock(&heap->word, waiter ? value : value + 2);
    if (!waiter)
        return;
    ((struct frame *)waiter)->gift = GIFT;
    weft__waiter_wake(waiter);
}
/* A permit for everybody, at once, as by a future that is settled. */
static void release_all(void)
{
    uint64_t value = weft__word_lock(&heap->word) + 2 * waiter_count;
    struct weft__waiter *chain = weft__waiters_take_all(&heap->waiters);

    given += waiter_count;
    for (struct weft__waiter *waiter = chain; waiter; waiter = waiter->next, value -= 2)
        ((struct frame *)waiter)->gift = GIFT;
    weft__word_unlock(&heap->word, value);
    weft__waiters_wake(chain);
}

/* -- who waits --------------------------------------------------------------------------------- */

static bool leave(struct frame *frame)
{
    uint64_t value = weft__word_lock(&heap->word);
    bool was_queued = weft__waiters_leave(&heap->waiters, &frame->waiter);

    weft__word_unlock(&heap->word, value);
    return was_queued;
}

static void turn(struct home *home)
{
    if (!weft__inbox_any(home->inbox) && weft__inbox_sleep(home->inbox)) {
        kernel_sleep(&home->inbox->bell);
        weft__inbox_wake(home->inbox);
    }
    weft__inbox_run(home->inbox, home->reactor, 1024);
}

/* Queued, or the permit is here already. */
static bool begin(struct home *home, struct frame *frame)
{
    uint64_t value;

    weft__self = home->reactor; /* for the one call that asks; nobody else runs within it */
    frame->wait = (struct weft__wait){.what = "permit", .fd = -1};
    weft__waiter_init(&frame->waiter, &frame->wait);
    weft__self = NULL;
    value = weft__word_lock(&heap->word);
    if (value > 0) {
        weft__word_unlock(&heap->word, value - 2);
        return false;
    }
    weft__waiters_put(&heap->waiters, &frame->waiter);
    weft__word_unlock(&heap->word, value);
    return true;
}

/* weft__waiter_wait, with the loop's part in it. */
static void wait_at(struct home *home, bool may_leave)
{
    struct frame *frame = explore_alloc(sizeof *frame);

    if (!begin(home, frame)) {
        got++;
    } else if (may_leave && leave(frame)) {
        left++;
    } else {
        while (!frame->waiter.arrived)
            turn(home);
        EXPLORE_CHECK(frame->gift == GIFT);
        got++;
    }
    explore_free(frame);
    weft__inbox_close(home->inbox);
    kernel_settle(&home->inbox->bell, home->inbox->bells_owed);
}
static void waits_or_leaves(void)
{
    wait_at(&homes[0], explore_choose(2) == 1);
}
/* Two tasks of one reactor; each is gone as soon as it has what it waits for. */
static void two_wait(void)
{
    struct home *home = &homes[0];
    struct frame *frames[2];
    uint32_t waiting = 0;

    for (int i = 0; i < 2; i++) {
        frames[i] = explore_alloc(sizeof *frames[i]);
        if (begin(home, frames[i])) {
            waiting++;
            continue;
        }
        got++;
        explore_free(frames[i]);
        frames[i] = NULL;
    }
    if (frames[1] && leave(frames[1])) {
        left++;
        waiting--;
        explore_free(frames[1]);
        frames[1] = NULL;
    }
    while (waiting > 0) {
        turn(home);
        for (int i = 0; i < 2; i++)
            if (frames[i] && frames[i]->waiter.arrived) {
                EXPLORE_CHECK(frames[i]->gift == GIFT);
                got++;
                waiting--;
                explore_free(frames[i]);
                frames[i] = NULL;
            }
    }
    weft__inbox_close(home->inbox);
    kernel_settle(&home->inbox->bell, home->inbox->bells_owed);
}

/* -- one who waits at two objects and is to have one thing ------------------------------------- */

/* As a select does: two waiters, and a claim that they share. */
struct selector {
    struct weft__claim claim;
    struct frame frames[2];
};
static struct heap *pair[2];

static void set_up_pair(void)
{
    set_up(1);
    for (int i = 0; i < 2; i++) {
        pair[i] = explore_alloc(sizeof *pair[i]);
        memset(pair[i], 0, sizeof *pair[i]);
        explore_name(&pair[i]->word, i ? "word 2" : "word 1");
    }
}
static void check_pair(void)
{
    uint32_t lie = (uint32_t)(pair[0]->word >> 1) + (uint32_t)(pair[1]->word >> 1);

    EXPLORE_CHECK(given == 2 && got + left == 1);
    EXPLORE_CHECK(lie == given - got); /* the one it did not get is there */
    for (int i = 0; i < 2; i++) {
        EXPLORE_CHECK(!pair[i]->waiters.first);
        explore_free(pair[i]);
    }
    got = 1, given = 1, left = 0; /* the rest is as for one that waits once */
    heap->word = 0;
    check();
}

/* Who finds it claimed leaves it out, and the permit lies here. */
static void give_at(struct heap *one)
{
    uint64_t value = weft__word_lock(&one->word);
    struct weft__waiter *waiter = weft__waiters_take(&one->waiters);

    if (waiter && !weft__waiter_claim(waiter))
        waiter = NULL;
    weft__word_unlock(&one->word, waiter ? value : value + 2);
    if (!waiter)
        return;
    ((struct frame *)waiter)->gift = GIFT;
    weft__waiter_wake(waiter);
}
static void give_first(void)
{
    give_at(pair[0]);
    given++;
}
static void give_second(void)
{
    give_at(pair[1]);
    given++;
}

/* True: a permit lay there, and is its own. */
static bool link_at(struct heap *one, struct selector *selector, struct frame *frame)
{
    uint64_t value;
    bool taken = false;

    weft__self = homes[0].reactor; /* as in begin() */
    weft__waiter_init(&frame->waiter, &frame->wait);
    weft__self = NULL;
    frame->waiter.claim = &selector->claim;
    value = weft__word_lock(&one->word);
    if (value == 0)
        weft__waiters_put(&one->waiters, &frame->waiter);
    else
        taken = weft__waiter_claim(&frame->waiter);
    weft__word_unlock(&one->word, taken ? value - 2 : value);
    return taken;
}
static void leave_at(struct heap *one, struct frame *frame)
{
    uint64_t value = weft__word_lock(&one->word);

    weft__waiters_leave(&one->waiters, &frame->waiter);
    weft__word_unlock(&one->word, value);
}
static void selects(void)
{
    struct selector *selector = explore_alloc(sizeof *selector);
    struct frame *frames = selector->frames;
    uint32_t linked = 0;
    bool taken = false;

    memset(selector, 0, sizeof *selector);
    while (linked < 2 && !taken && !weft__claim_taken(&selector->claim)) {
        taken = link_at(pair[linked], selector, &frames[linked]);
        linked++;
    }
    if (!taken && explore_choose(2) && weft__claim_take(&selector->claim, selector)) {
        left++; /* cancelled */
    } else {
        while (!taken && !frames[0].waiter.arrived && !frames[1].waiter.arrived)
            turn(&homes[0]);
        EXPLORE_CHECK(taken || frames[frames[1].waiter.arrived].gift == GIFT);
        got++;
    }
    for (uint32_t i = 0; i < linked; i++)
        leave_at(pair[i], &frames[i]);
    explore_free(selector);
    weft__inbox_close(homes[0].inbox);
    kernel_settle(&homes[0].inbox->bell, homes[0].inbox->bells_owed);
}

static const struct explore_scenario given_to_one = {
    .name = "wake-two-givers",
    .says = "a permit is in the heap or in a hand; who left is not touched",
    .set_up = set_up_one,
    .check = check,
    .stale = 1,
    .threads = {{"home", waits_or_leaves}, {"giver 1", give}, {"giver 2", give}}};
static const struct explore_scenario all_released = {
    .name = "wake-all",
    .says = "a chain is walked while those who were woken go",
    .set_up = set_up_two,
    .check = check,
    .threads = {{"home", two_wait}, {"giver", release_all}}};

static const struct explore_scenario claimed = {
    .name = "wake-selects",
    .says = "one of two permits is given, and the other one is there",
    .stale = 1,
    .set_up = set_up_pair,
    .check = check_pair,
    .threads = {{"home", selects}, {"giver 1", give_first}, {"giver 2", give_second}}};

const struct explore_scenario *const explore_scenarios_wake[] = {&given_to_one, &all_released,
                                                                 &claimed, NULL};
