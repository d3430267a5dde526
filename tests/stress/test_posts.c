/*
 * Three foreign threads post to one reactor: 10^6 posts, 10^8 with WEFT_LONG. None is lost, none
 * comes twice, each thread's come in its order; a sleep costs at most one bell, and a post by slot
 * allocates nothing. The posters pause now and then, so that the reactor sleeps often.
 */
#include "support/test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <weft/weft.h>

#include "base/memory.h"

enum { PRODUCERS = 3, SLOTS = 256 };

static weft_inbox *inbox;
static uint64_t posts_each;
static struct {
    _Alignas(128) struct weft_post_slot slots[SLOTS];
    uint64_t posted;                     /* the producer's */
    _Alignas(128) _Atomic(uint64_t) ran; /* the reactor's */
} producers[PRODUCERS];

static _Thread_local struct {
    uint64_t expected[PRODUCERS];
} reader;

/* The argument says which producer; the slot's place in the array which post it was. */
static void run_post(void *arg)
{
    uintptr_t value = (uintptr_t)arg;
    unsigned producer = value % PRODUCERS;
    uint64_t number = value / PRODUCERS;

    if (number != reader.expected[producer]++)
        ck_abort_msg("post %llu of thread %u came as number %llu", (unsigned long long)number,
                     producer, (unsigned long long)reader.expected[producer] - 1);
    atomic_store_explicit(&producers[producer].ran, number + 1, memory_order_release);
}

static void *produce(void *arg)
{
    unsigned self = (unsigned)(uintptr_t)arg;
    uint64_t pause_at = 1000 + self;

    for (uint64_t i = 0; i < posts_each; i++) {
        struct weft_post_slot *slot = &producers[self].slots[i % SLOTS];
        while (i >= SLOTS &&
               atomic_load_explicit(&producers[self].ran, memory_order_acquire) <= i - SLOTS)
            sched_yield(); /* its last post has not been run */
        slot->fn = run_post;
        slot->arg = (void *)(uintptr_t)(i * PRODUCERS + self);
        if (weft_post_slot(inbox, slot) != 0)
            ck_abort_msg("post %llu was refused", (unsigned long long)i);
        if (i == pause_at) {
            nanosleep(&(struct timespec){0, 20000}, NULL);
            pause_at += 1000 + i % 97;
        }
    }
    return NULL;
}

static int storm_main(void *arg)
{
    pthread_t threads[PRODUCERS];
    struct weft_stats before, after;
    uint64_t allocations;

    (void)arg;
    inbox = weft_inbox_here();
    ck_assert_int_eq(weft_stats(&before, sizeof before), 0);
    allocations = weft__alloc_count();
    for (unsigned i = 0; i < PRODUCERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, produce, (void *)(uintptr_t)i), 0);
    for (unsigned i = 0; i < PRODUCERS; i++)
        while (reader.expected[i] < posts_each)
            ck_assert_int_eq(weft_sleep(5000000), 0);
    for (unsigned i = 0; i < PRODUCERS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(weft__alloc_count(), allocations);
    ck_assert_int_eq(weft_sleep(1000000), 0); /* any that came twice would come now */
    ck_assert_int_eq(weft_stats(&after, sizeof after), 0);
    for (unsigned i = 0; i < PRODUCERS; i++)
        ck_assert_uint_eq(reader.expected[i], posts_each);
    ck_assert_uint_eq(after.posts - before.posts, PRODUCERS * posts_each);
    ck_assert_uint_le(after.bells - before.bells, after.sleeps - before.sleeps);
    printf("posts %llu, sleeps %llu, bells %llu, looks %llu of which found %llu\n",
           (unsigned long long)(after.posts - before.posts),
           (unsigned long long)(after.sleeps - before.sleeps),
           (unsigned long long)(after.bells - before.bells),
           (unsigned long long)(after.looks - before.looks),
           (unsigned long long)(after.looks_hit - before.looks_hit));
    weft_inbox_put(inbox);
    return 0;
}

static void storm(bool no_look)
{
    struct weft_run_opt opt = {.size = sizeof opt, .no_look = no_look};

    posts_each = (test_long() ? 100000000u : 1000000u) / PRODUCERS;
    ck_assert_int_eq(weft_run(storm_main, NULL, 0, &opt), 0);
}
TEST(three_threads)
{
    storm(false);
}
TEST(three_threads_without_looking)
{
    storm(true);
}

/* Between two reactors, both ways at once: calls, which are messages there and back. */
static int one(void *arg)
{
    return *(int *)arg + 1;
}
static int calls(void *arg)
{
    int other = *(int *)arg;

    for (int i = 0; i < 2000; i++)
        if (weft_call((uint32_t)other, one, &i, sizeof i) != i + 1)
            ck_abort_msg("call %d came back wrong", i);
    return 0;
}
static int pingpong_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s)
        for (int i = 0; i < 20; i++) {
            int other = 1 - i % 2;
            ck_assert_int_eq(weft_spawn(&s, calls, &other, sizeof other,
                                        &(struct weft_spawn_opt){.size =
                                                                     sizeof(struct weft_spawn_opt),
                                                                 .reactor = WEFT_ON(i % 2)}),
                             0);
        }
    return 0;
}
TEST(calls_both_ways)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    ck_assert_int_eq(weft_run(pingpong_main, NULL, 0, &opt), 0);
}

TEST_MAIN("stress.posts", 280, three_threads, three_threads_without_looking, calls_both_ways)
