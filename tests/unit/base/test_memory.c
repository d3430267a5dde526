/*
 * base/memory: would catch wrong counts, lost overflow checks, an allocator that is not asked or is
 * taken for another, a block lost or counted where it gave none, and a failure hook that fails
 * another allocation than the one it was told to.
 */
#include "base/memory.h"
#include "support/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <weft/runtime.h>

TEST(counts_blocks_and_bytes)
{
    uint64_t made = weft__alloc_count();
    void *a = weft__alloc(100), *b = weft__calloc(3, 7);

    ck_assert_uint_eq(weft__alloc_live(), 2);
    ck_assert_uint_eq(weft__alloc_live_bytes(), 121);
    weft__free(a);
    ck_assert_uint_eq(weft__alloc_live(), 1);
    ck_assert_uint_eq(weft__alloc_live_bytes(), 21);
    weft__free(b);
    weft__free(NULL);
    ck_assert_uint_eq(weft__alloc_live(), 0);
    ck_assert_uint_eq(weft__alloc_live_bytes(), 0);
    ck_assert_uint_eq(weft__alloc_count() - made, 2);
}

TEST(gives_aligned_and_zeroed_memory)
{
    unsigned char *zeroed = weft__calloc(1000, 1), zeroes[1000] = {0};
    void *nothing = weft__alloc(0);

    ck_assert_uint_eq((uintptr_t)zeroed % _Alignof(max_align_t), 0);
    ck_assert_mem_eq(zeroed, zeroes, sizeof zeroes);
    ck_assert_ptr_nonnull(nothing);
    weft__free(nothing);
    weft__free(zeroed);
}

TEST(realloc_keeps_contents_and_counts)
{
    char *text = weft__realloc(NULL, 6);

    strcpy(text, "weft!");
    text = weft__realloc(text, 100000);
    ck_assert_str_eq(text, "weft!");
    ck_assert_uint_eq(weft__alloc_live(), 1);
    ck_assert_uint_eq(weft__alloc_live_bytes(), 100000);
    weft__free(text);
}

TEST(aligned_blocks_of_every_power)
{
    const size_t wrong[] = {0, 3, 48, 2 * WEFT__ALIGN_MAX, SIZE_MAX};

    for (size_t alignment = 1; alignment <= WEFT__ALIGN_MAX; alignment *= 2) {
        char *block = weft__alloc_aligned(alignment, 33);

        ck_assert_uint_eq((uintptr_t)block % alignment, 0);
        memset(block, 0x5a, 33);
        weft__free(block);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_ptr_null(weft__alloc_aligned(wrong[i], 1));
}

TEST(a_block_with_padding_is_not_reallocated)
{
    char *block = weft__alloc_aligned(4096, 10);

    ck_assert_ptr_null(weft__realloc(block, 20));
    ck_assert_uint_eq(weft__alloc_live_bytes(), 10);
    weft__free(block);
}

TEST(sizes_that_overflow_give_null)
{
    volatile size_t most = SIZE_MAX, half = SIZE_MAX / 2;
    void *block = weft__alloc(8);

    ck_assert_ptr_null(weft__alloc(most));
    ck_assert_ptr_null(weft__alloc_aligned(64, most - 64));
    ck_assert_ptr_null(weft__calloc(half, 3));
    ck_assert_ptr_null(weft__realloc(block, most));
    ck_assert_uint_eq(weft__alloc_live(), 1);
    weft__free(block);
}

TEST(the_nth_allocation_fails_once)
{
    void *a, *b, *c;

    weft__alloc_fail_after(2);
    a = weft__alloc(1);
    b = weft__alloc(1);
    c = weft__alloc(1);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_null(b);
    ck_assert_ptr_nonnull(c);

    weft__alloc_fail_after(1);
    ck_assert_ptr_null(weft__realloc(a, 50));
    weft__alloc_fail_after(1);
    ck_assert_ptr_null(weft__calloc(1, 1));
    weft__alloc_fail_after(1);
    ck_assert_ptr_null(weft__alloc_aligned(64, 1));
    weft__alloc_fail_after(1);
    weft__alloc_fail_after(0);
    b = weft__alloc(1);
    ck_assert_ptr_nonnull(b);
    weft__free(a);
    weft__free(b);
    weft__free(c);
}

struct calls {
    int alloc, realloc, free;
};

static void *counting_alloc(size_t size, void *context)
{
    ((struct calls *)context)->alloc++;
    return malloc(size);
}

static void *counting_realloc(void *memory, size_t size, void *context)
{
    ((struct calls *)context)->realloc++;
    return realloc(memory, size);
}

static void counting_free(void *memory, void *context)
{
    ((struct calls *)context)->free++;
    free(memory);
}

static void *refusing_alloc(size_t size, void *context)
{
    (void)size, (void)context;
    return NULL;
}

static void *refusing_realloc(void *memory, size_t size, void *context)
{
    (void)memory, (void)size, (void)context;
    return NULL;
}

static void forgetting_free(void *memory, void *context)
{
    (void)memory, (void)context;
}

TEST(the_users_allocator_is_asked)
{
    struct calls calls = {0, 0, 0};
    struct weft_allocator own = {counting_alloc, counting_realloc, counting_free, &calls};
    void *block;

    ck_assert_int_eq(weft__allocator_set(&own), 0);
    block = weft__realloc(weft__alloc(10), 20);
    ck_assert_int_eq(weft__allocator_set(NULL), -EBUSY);
    ck_assert_int_eq(weft__allocator_set(&own), 0);
    weft__free(block);
    ck_assert_int_eq(weft__allocator_set(NULL), 0);
    weft__free(weft__alloc(1));
    ck_assert_int_eq(calls.alloc, 1);
    ck_assert_int_eq(calls.realloc, 1);
    ck_assert_int_eq(calls.free, 1);
}

TEST(an_incomplete_allocator_is_refused)
{
    struct calls calls = {0, 0, 0};
    struct weft_allocator own = {counting_alloc, counting_realloc, counting_free, &calls};
    struct weft_allocator lacking[] = {own, own, own};

    lacking[0].alloc = NULL;
    lacking[1].realloc = NULL;
    lacking[2].free = NULL;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(weft__allocator_set(&lacking[i]), -EINVAL);
    weft__free(weft__alloc(1));
    ck_assert_int_eq(calls.alloc, 0);
}

/* One that differs from the present one in anything is another one, and not taken meanwhile. */
TEST(an_allocator_is_known_by_all_its_parts)
{
    struct calls calls = {0, 0, 0}, others = {0, 0, 0};
    struct weft_allocator own = {counting_alloc, counting_realloc, counting_free, &calls};
    struct weft_allocator other[] = {own, own, own, own};
    void *block;

    other[0].alloc = refusing_alloc;
    other[1].realloc = refusing_realloc;
    other[2].free = forgetting_free;
    other[3].context = &others;
    ck_assert_int_eq(weft__allocator_set(&own), 0);
    block = weft__alloc(1);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(weft__allocator_set(&other[i]), -EBUSY);
    weft__free(block);
    ck_assert_int_eq(calls.free, 1);
    ck_assert_int_eq(weft__allocator_set(NULL), 0);
}

/* Nothing is counted that was not given, and a block that could not grow is still there. */
TEST(an_allocator_that_gives_nothing)
{
    struct calls calls = {0, 0, 0};
    struct weft_allocator none = {refusing_alloc, refusing_realloc, counting_free, &calls};
    struct weft_allocator rigid = {counting_alloc, refusing_realloc, counting_free, &calls};
    void *block;

    ck_assert_int_eq(weft__allocator_set(&none), 0);
    ck_assert_ptr_null(weft__alloc(1));
    ck_assert_ptr_null(weft__alloc_aligned(64, 1));
    ck_assert_ptr_null(weft__calloc(1, 1));
    ck_assert_uint_eq(weft__alloc_live(), 0);

    ck_assert_int_eq(weft__allocator_set(&rigid), 0);
    block = weft__alloc(10);
    ck_assert_ptr_null(weft__realloc(block, 20));
    ck_assert_uint_eq(weft__alloc_live_bytes(), 10);
    weft__free(block);
    ck_assert_int_eq(calls.free, 1);
    ck_assert_int_eq(weft__allocator_set(NULL), 0);
}

static void *churn(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20000; i++) {
        void *block = weft__alloc(64);

        weft__free(weft__realloc(block, 128));
    }
    return NULL;
}

TEST(threads_lose_no_count)
{
    pthread_t threads[4];
    uint64_t made = weft__alloc_count();

    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, churn, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(weft__alloc_live(), 0);
    ck_assert_uint_eq(weft__alloc_live_bytes(), 0);
    ck_assert_uint_eq(weft__alloc_count() - made, 4 * 20000 * 2);
}

TEST_MAIN("memory", 30, counts_blocks_and_bytes, gives_aligned_and_zeroed_memory,
          realloc_keeps_contents_and_counts, aligned_blocks_of_every_power,
          a_block_with_padding_is_not_reallocated, sizes_that_overflow_give_null,
          the_nth_allocation_fails_once, the_users_allocator_is_asked,
          an_incomplete_allocator_is_refused, an_allocator_is_known_by_all_its_parts,
          an_allocator_that_gives_nothing, threads_lose_no_count)
