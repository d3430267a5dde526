/*
 * scenarios_litmus.c - small programs whose outcomes C11 settles: the explorer is tested on them
 * before it is believed. Half of them are wrong, and it must find that; the others are the same
 * with the order put right, and it must find nothing.
 *
 * The last are the classic protocol of a queue and a sleeping flag, with a fence on each side, and
 * with either fence left out: what the one word of the inbox was chosen to do without
 * (docs/decisions/0001).
 */
#include <stdatomic.h>

#include "explore.h"

struct shared {
    _Atomic(int) x, y, z;
    int data, more;
};
static struct shared *shared;
static int seen[4];

static void set_up(void)
{
    shared = explore_alloc(sizeof *shared);
    atomic_init(&shared->x, 0);
    atomic_init(&shared->y, 0);
    atomic_init(&shared->z, 0);
    shared->data = shared->more = 0;
    explore_name(&shared->x, "x");
    explore_name(&shared->y, "y");
    explore_name(&shared->z, "z");
    seen[0] = seen[1] = seen[2] = seen[3] = -1;
}
static void tear_down(void)
{
    explore_free(shared);
}

#define SET(place, order) atomic_store_explicit(&shared->place, 1, memory_order_##order)
#define GET(place, order) atomic_load_explicit(&shared->place, memory_order_##order)

/* -- a message: data, then a flag ----------------------------------------------------------------
 */
static void tell_release(void)
{
    shared->data = 7;
    SET(x, release);
}
static void tell_relaxed(void)
{
    shared->data = 7;
    SET(x, relaxed);
}
static void tell_fence(void)
{
    shared->data = 7;
    atomic_thread_fence(memory_order_release);
    SET(x, relaxed);
}
static void hear_acquire(void)
{
    if (GET(x, acquire))
        EXPLORE_CHECK(shared->data == 7);
}
static void hear_relaxed(void)
{
    if (GET(x, relaxed))
        EXPLORE_CHECK(shared->data == 7);
}
static void hear_fence(void)
{
    if (!GET(x, relaxed))
        return;
    atomic_thread_fence(memory_order_acquire);
    EXPLORE_CHECK(shared->data == 7);
}
/* The flag goes on through somebody else's read-modify-write, or through a store of his. */
static void pass_on(void)
{
    if (GET(x, relaxed) == 1)
        atomic_fetch_add_explicit(&shared->x, 1, memory_order_relaxed);
}
static void overwrite(void)
{
    if (GET(x, relaxed) == 1)
        atomic_store_explicit(&shared->x, 2, memory_order_relaxed);
}
static void hear_second(void)
{
    if (GET(x, acquire) == 2)
        EXPLORE_CHECK(shared->data == 7);
}

/* -- two flags: each sets its own and looks at the other's ---------------------------------------
 */
#define EACH_WAY(name, order_store, order_load)                                                    \
    static void first_##name(void)                                                                 \
    {                                                                                              \
        SET(x, order_store);                                                                       \
        seen[0] = GET(y, order_load);                                                              \
    }                                                                                              \
    static void second_##name(void)                                                                \
    {                                                                                              \
        SET(y, order_store);                                                                       \
        seen[1] = GET(x, order_load);                                                              \
    }
EACH_WAY(total, seq_cst, seq_cst)
EACH_WAY(ordered, release, acquire)
EACH_WAY(half, seq_cst, acquire)
static void one_must_see(void)
{
    EXPLORE_CHECK(seen[0] || seen[1]);
    tear_down();
}

/* -- two writers, two readers who must agree on their order --------------------------------------
 */
#define READERS(name, order)                                                                       \
    static void reads_xy_##name(void)                                                              \
    {                                                                                              \
        seen[0] = GET(x, order);                                                                   \
        seen[1] = GET(y, order);                                                                   \
    }                                                                                              \
    static void reads_yx_##name(void)                                                              \
    {                                                                                              \
        seen[2] = GET(y, order);                                                                   \
        seen[3] = GET(x, order);                                                                   \
    }
READERS(total, seq_cst)
READERS(ordered, acquire)
static void sets_x(void)
{
    SET(x, seq_cst);
}
static void sets_y(void)
{
    SET(y, seq_cst);
}
static void readers_agree(void)
{
    EXPLORE_CHECK(!(seen[0] == 1 && seen[1] == 0 && seen[2] == 1 && seen[3] == 0));
    tear_down();
}

/* -- one place never goes back -------------------------------------------------------------------
 */
static void reads_twice(void)
{
    int first = GET(x, relaxed);

    EXPLORE_CHECK(GET(x, relaxed) >= first);
}
static void counts_up(void)
{
    for (int i = 1; i <= 3; i++)
        atomic_store_explicit(&shared->x, i, memory_order_relaxed);
}
static void adds(void)
{
    atomic_fetch_add_explicit(&shared->x, 1, memory_order_relaxed);
}
static void adds_in_two_steps(void)
{
    atomic_store_explicit(&shared->x, GET(x, relaxed) + 1, memory_order_relaxed);
}
static void both_counted(void)
{
    EXPLORE_CHECK(atomic_load(&shared->x) == 2);
    tear_down();
}

/* -- a loop that waits, and what is freed ---------------------------------------------------------
 */
static void waits(void)
{
    while (!GET(x, acquire))
        explore_relax();
    EXPLORE_CHECK(shared->data == 7);
}
static void waits_for_nobody(void)
{
    while (!GET(z, acquire))
        explore_relax();
}
static void *block;
static void set_up_block(void)
{
    set_up();
    block = explore_alloc(64);
}
static void frees_last_acq_rel(void)
{
    (void)*(volatile int *)block;
    if (atomic_fetch_add_explicit(&shared->x, 1, memory_order_acq_rel) == 1)
        explore_free(block);
}
static void frees_last_release(void)
{
    (void)*(volatile int *)block;
    if (atomic_fetch_add_explicit(&shared->x, 1, memory_order_release) == 1)
        explore_free(block);
}

/* -- the classic protocol: queue and flag ---------------------------------------------------------
 */
static bool awake(void *arg)
{
    (void)arg;
    return memory_newest(&shared->z) & 1;
}
static void consumer(bool fence)
{
    SET(y, relaxed); /* asleep */
    if (fence)
        atomic_thread_fence(memory_order_seq_cst);
    if (!GET(x, relaxed)) /* nothing in the queue */
        explore_wait(awake, NULL, "its bell");
}
static void producer(bool fence)
{
    SET(x, relaxed); /* pushed */
    if (fence)
        atomic_thread_fence(memory_order_seq_cst);
    if (GET(y, relaxed)) /* it sleeps: ring */
        SET(z, relaxed);
}
static void consumer_fenced(void)
{
    consumer(true);
}
static void consumer_bare(void)
{
    consumer(false);
}
static void producer_fenced(void)
{
    producer(true);
}
static void producer_bare(void)
{
    producer(false);
}

#define LITMUS(id, text, wrong, check_fn, ...)                                                     \
    static const struct explore_scenario id = {.name = "litmus-" #id,                              \
                                               .says = text,                                       \
                                               .set_up = set_up,                                   \
                                               .check = check_fn,                                  \
                                               .must_fail = wrong,                                 \
                                               .threads = {__VA_ARGS__}};

LITMUS(message, "release and acquire order the data", false, tear_down, {"tells", tell_release},
       {"hears", hear_acquire})
LITMUS(message_relaxed_store, "no release", true, tear_down, {"tells", tell_relaxed},
       {"hears", hear_acquire})
LITMUS(message_relaxed_load, "no acquire", true, tear_down, {"tells", tell_release},
       {"hears", hear_relaxed})
LITMUS(message_fences, "fences order the data", false, tear_down, {"tells", tell_fence},
       {"hears", hear_fence})
LITMUS(message_passed_on, "a read-modify-write hands a release on", false, tear_down,
       {"tells", tell_release}, {"passes", pass_on}, {"hears", hear_second})
LITMUS(message_overwritten, "a store does not", true, tear_down, {"tells", tell_release},
       {"writes", overwrite}, {"hears", hear_second})
LITMUS(flags, "sequentially consistent: one of two sees the other", false, one_must_see,
       {"first", first_total}, {"second", second_total})
LITMUS(flags_acquire, "acquire and release: neither may", true, one_must_see,
       {"first", first_ordered}, {"second", second_ordered})
LITMUS(flags_half, "one half is not enough", true, one_must_see, {"first", first_half},
       {"second", second_half})
LITMUS(readers, "sequentially consistent: readers agree", false, readers_agree, {"sets x", sets_x},
       {"sets y", sets_y}, {"reads x y", reads_xy_total}, {"reads y x", reads_yx_total})
LITMUS(readers_acquire, "acquire: they need not", true, readers_agree, {"sets x", sets_x},
       {"sets y", sets_y}, {"reads x y", reads_xy_ordered}, {"reads y x", reads_yx_ordered})
LITMUS(coherence, "one place never goes back", false, tear_down, {"counts", counts_up},
       {"reads", reads_twice})
LITMUS(additions, "a read-modify-write loses nothing", false, both_counted, {"one", adds},
       {"two", adds})
LITMUS(additions_torn, "a load and a store do", true, both_counted, {"one", adds_in_two_steps},
       {"two", adds_in_two_steps})
LITMUS(loop, "a loop sees it in the end", false, tear_down, {"tells", tell_release},
       {"waits", waits})
LITMUS(loop_for_nobody, "a loop that nobody ends is found", true, tear_down, {"adds", adds},
       {"waits", waits_for_nobody})
LITMUS(two_words, "queue and flag, a fence each", false, tear_down, {"consumer", consumer_fenced},
       {"producer", producer_fenced})
LITMUS(two_words_no_consumer_fence, "without the consumer's", true, tear_down,
       {"consumer", consumer_bare}, {"producer", producer_fenced})
LITMUS(two_words_no_producer_fence, "without the producer's", true, tear_down,
       {"consumer", consumer_fenced}, {"producer", producer_bare})

static const struct explore_scenario last_frees = {.name = "litmus-last_frees",
                                                   .says = "acq_rel: the last one may free",
                                                   .set_up = set_up_block,
                                                   .check = tear_down,
                                                   .threads = {{"one", frees_last_acq_rel},
                                                               {"two", frees_last_acq_rel}}};
static const struct explore_scenario last_frees_release = {
    .name = "litmus-last_frees_release",
    .says = "release alone: the other may still be reading",
    .set_up = set_up_block,
    .check = tear_down,
    .must_fail = true,
    .threads = {{"one", frees_last_release}, {"two", frees_last_release}}};

const struct explore_scenario *const explore_scenarios_litmus[] = {&message,
                                                                   &message_relaxed_store,
                                                                   &message_relaxed_load,
                                                                   &message_fences,
                                                                   &message_passed_on,
                                                                   &message_overwritten,
                                                                   &flags,
                                                                   &flags_acquire,
                                                                   &flags_half,
                                                                   &readers,
                                                                   &readers_acquire,
                                                                   &coherence,
                                                                   &additions,
                                                                   &additions_torn,
                                                                   &loop,
                                                                   &loop_for_nobody,
                                                                   &two_words,
                                                                   &two_words_no_consumer_fence,
                                                                   &two_words_no_producer_fence,
                                                                   &last_frees,
                                                                   &last_frees_release,
                                                                   NULL};
