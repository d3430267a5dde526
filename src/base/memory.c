/*
 * Allocation with counters; see memory.h for who may call what. Each block is preceded by a header
 * with its size, so that bytes can be counted whatever allocator is behind, and with its distance
 * from what that allocator gave, so that aligned blocks are freed like any other:
 *
 *     raw                        block
 *     |  padding  |  struct header  |  size bytes ...
 *     |<-------- offset ----------->|
 */
#include "base/memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <weft/runtime.h>

struct header {
    size_t size;   /* bytes asked for */
    size_t offset; /* from what the allocator gave to the block */
};

_Static_assert(sizeof(struct header) % _Alignof(max_align_t) == 0,
               "a block is aligned as what precedes it");

static void *malloc_alloc(size_t size, void *context)
{
    (void)context;
    return malloc(size);
}

static void *malloc_realloc(void *memory, size_t size, void *context)
{
    (void)context;
    return realloc(memory, size);
}

static void malloc_free(void *memory, void *context)
{
    (void)context;
    free(memory);
}

static const struct weft_allocator with_malloc = {malloc_alloc, malloc_realloc, malloc_free, NULL};

/* Written only while nothing is allocated, so plain. */
static struct weft_allocator allocator = {malloc_alloc, malloc_realloc, malloc_free, NULL};

/*
 * Relaxed everywhere: these are figures, nothing is published through them. They share a line with
 * each other and with nothing else.
 */
static struct {
    _Alignas(64) atomic_size_t blocks;
    atomic_size_t bytes;
    atomic_uint_fast64_t made;
} live;

/* Countdown to the failure asked for, 0 when none is; read on each allocation, written by tests. */
static atomic_uint_fast64_t fail_after;

/* True when this allocation is the one that was to fail. */
static bool fails_now(void)
{
    uint_fast64_t left = atomic_load_explicit(&fail_after, memory_order_relaxed);

    while (left > 0)
        if (atomic_compare_exchange_weak_explicit(&fail_after, &left, left - 1,
                                                  memory_order_relaxed, memory_order_relaxed))
            return left == 1;
    return false;
}

static struct header *header_of(void *block)
{
    return (struct header *)block - 1;
}

static void count_in(size_t size)
{
    atomic_fetch_add_explicit(&live.blocks, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&live.bytes, size, memory_order_relaxed);
    atomic_fetch_add_explicit(&live.made, 1, memory_order_relaxed);
}

static void count_out(size_t size)
{
    atomic_fetch_sub_explicit(&live.blocks, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&live.bytes, size, memory_order_relaxed);
}

/* Writes the header of the block at `raw + offset` and counts it. */
static void *dress(void *raw, size_t offset, size_t size)
{
    void *block = (char *)raw + offset;

    *header_of(block) = (struct header){.size = size, .offset = offset};
    count_in(size);
    return block;
}

void *weft__alloc(size_t size)
{
    size_t whole;
    void *raw;

    if (fails_now() || __builtin_add_overflow(size, sizeof(struct header), &whole))
        return NULL;
    raw = allocator.alloc(whole, allocator.context);
    return raw ? dress(raw, sizeof(struct header), size) : NULL;
}

void *weft__alloc_aligned(size_t alignment, size_t size)
{
    size_t whole, offset;
    void *raw;

    if (alignment == 0 || (alignment & (alignment - 1)) || alignment > WEFT__ALIGN_MAX)
        return NULL;
    if (alignment < sizeof(struct header))
        alignment = sizeof(struct header);
    if (fails_now() || __builtin_add_overflow(size, alignment + sizeof(struct header), &whole))
        return NULL;
    raw = allocator.alloc(whole, allocator.context);
    if (!raw)
        return NULL;
    offset = -((uintptr_t)raw + sizeof(struct header)) & (alignment - 1);
    return dress(raw, offset + sizeof(struct header), size);
}

void *weft__calloc(size_t count, size_t size)
{
    size_t total;
    void *block;

    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    block = weft__alloc(total);
    return block ? memset(block, 0, total) : NULL;
}

void *weft__realloc(void *block, size_t size)
{
    size_t whole, old_size;
    void *raw;

    if (!block)
        return weft__alloc(size);
    if (header_of(block)->offset != sizeof(struct header))
        return NULL; /* aligned by its own measure: the allocator would not keep it */
    if (fails_now() || __builtin_add_overflow(size, sizeof(struct header), &whole))
        return NULL;
    old_size = header_of(block)->size;
    raw = allocator.realloc(header_of(block), whole, allocator.context);
    if (!raw)
        return NULL;
    count_out(old_size);
    return dress(raw, sizeof(struct header), size);
}

void weft__free(void *block)
{
    if (!block)
        return;
    count_out(header_of(block)->size);
    allocator.free((char *)block - header_of(block)->offset, allocator.context);
}

size_t weft__alloc_live(void)
{
    return atomic_load_explicit(&live.blocks, memory_order_relaxed);
}

size_t weft__alloc_live_bytes(void)
{
    return atomic_load_explicit(&live.bytes, memory_order_relaxed);
}

uint64_t weft__alloc_count(void)
{
    return atomic_load_explicit(&live.made, memory_order_relaxed);
}

static bool same(const struct weft_allocator *a, const struct weft_allocator *b)
{
    return a->alloc == b->alloc && a->realloc == b->realloc && a->free == b->free &&
           a->context == b->context;
}

int weft__allocator_set(const struct weft_allocator *wanted)
{
    if (!wanted)
        wanted = &with_malloc;
    if (!wanted->alloc || !wanted->realloc || !wanted->free)
        return -EINVAL;
    if (same(wanted, &allocator))
        return 0; /* a second runtime with the first one's allocator */
    if (weft__alloc_live() > 0)
        return -EBUSY;
    allocator = *wanted;
    return 0;
}

void weft__alloc_fail_after(uint64_t n)
{
    atomic_store_explicit(&fail_after, n, memory_order_relaxed);
}
