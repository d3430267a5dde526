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

const struct explore_scenario *const explore_scenarios_wake[] = {&given_to_one, &all_released,
                                                                 NULL};
