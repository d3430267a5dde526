/*
 * The ready queue: first in, first out, across growth and across the wrap of its counters; room is
 * reserved before it is needed, so that a push never fails.
 */
#include "support/test.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "reactor/ready.h"

enum { FIBERS = 5000 };
static struct weft__fiber fibers[FIBERS];
static struct weft__callback callbacks[FIBERS];

static uint64_t seed = 7;
static uint32_t random_below(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

TEST(first_in_first_out)
{
    struct weft__ready ready;
    uint32_t in = 0, out = 0;

    for (int i = 0; i < FIBERS; i++) /* what is popped ahead of time is fetched: give it a place */
        fibers[i].context.sp = (void *)&fibers[i];
    ck_assert_int_eq(weft__ready_open(&ready), 0);
    ready.head = ready.tail = UINT32_MAX - 1000; /* the counters wrap on the way */
    for (int step = 0; step < 200000; step++) {
        if (random_below(100) < (step / 20000 % 2 ? 40u : 60u) && in - out < FIBERS) {
            uint32_t i = in++ % FIBERS;
            ck_assert_int_eq(weft__ready_reserve(&ready), 0);
            if (i % 3)
                weft__ready_push(&ready, &fibers[i]);
            else
                weft__ready_push_callback(&ready, &callbacks[i]);
        } else if (in != out) {
            uint32_t i = out++ % FIBERS;
            uintptr_t wanted =
                i % 3 ? (uintptr_t)&fibers[i] : (uintptr_t)&callbacks[i] | WEFT__READY_CALLBACK;
            ck_assert_uint_eq(weft__ready_peek(&ready), wanted);
            ck_assert_uint_eq(weft__ready_pop(&ready), wanted);
            weft__ready_release(&ready);
        }
        ck_assert_uint_eq(weft__ready_count(&ready), in - out);
        ck_assert_uint_ge((uint64_t)ready.mask + 1, weft__ready_count(&ready));
        ck_assert_uint_ge((uint64_t)ready.mask + 1, ready.reserved);
    }
    weft__ready_close(&ready);
}

TEST(no_memory)
{
    struct weft__ready ready;
    int reserved = 0;

    weft__alloc_fail_after(1);
    ck_assert_int_eq(weft__ready_open(&ready), -ENOMEM);
    ck_assert_int_eq(weft__ready_open(&ready), 0);
    weft__alloc_fail_after(1);
    while (weft__ready_reserve(&ready) == 0)
        reserved++;
    ck_assert_int_eq(reserved, (int)ready.mask + 1); /* and nothing before that allocates */
    for (int i = 0; i < reserved; i++)
        weft__ready_push(&ready, &fibers[i]);
    ck_assert_int_eq(weft__ready_reserve(&ready), 0); /* now there is memory */
    weft__ready_push(&ready, &fibers[reserved]);
    for (int i = 0; i <= reserved; i++)
        ck_assert_uint_eq(weft__ready_pop(&ready), (uintptr_t)&fibers[i]);
    weft__ready_close(&ready);
}

/* Catches: an entry forgotten in a wrong place, once the queue has grown or its counters wrapped.
 */
TEST(forgotten_where_it_stands)
{
    enum { COUNT = 600 };
    struct weft__ready ready;
    uint32_t places[COUNT];

    ck_assert_int_eq(weft__ready_open(&ready), 0);
    ready.head = ready.tail = UINT32_MAX - 100;
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(weft__ready_reserve(&ready), 0);
        places[i] = ready.tail;
        weft__ready_push_callback(&ready, &callbacks[i]);
    }
    for (int i = 0; i < COUNT; i += 3)
        weft__ready_forget(&ready, places[i], &callbacks[i]);
    for (int i = 0; i < COUNT; i++)
        ck_assert_uint_eq(weft__ready_pop(&ready),
                          i % 3 == 0 ? WEFT__READY_CALLBACK
                                     : (uintptr_t)&callbacks[i] | WEFT__READY_CALLBACK);
    weft__ready_close(&ready);
}

TEST_MAIN("reactor.ready", 20, first_in_first_out, no_memory, forgotten_where_it_stands)
