/*
 * The library's memory: every allocation of weft goes through here, so that a user can bring an
 * allocator, tests can see leaks and provoke failures, and counts can be shown.
 *
 * Owner: the process. Any thread may allocate and free; setting the allocator is for the time when
 * no runtime is alive. What always holds: the counters are one shared cache line that every
 * allocation writes, which is right only because the hot paths (an operation, a switch, a post, a
 * timer) do not allocate: what they need is in the caller's frame or in a pool made beforehand.
 * Whoever allocates per operation has broken a promise, and the tests that count allocations
 * show it.
 */
#ifndef WEFT_BASE_MEMORY_H
#define WEFT_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

struct weft_allocator; /* public, described in <weft/runtime.h> */

/*
 * All give memory aligned for any type, or NULL. weft__calloc gives zeroed memory, NULL when
 * count * size overflows. weft__realloc(NULL, n) allocates; on NULL the old block is untouched.
 * weft__free(NULL) does nothing. A size of 0 gives a block that can be freed.
 */
void *weft__alloc(size_t size) __attribute__((malloc, alloc_size(1), warn_unused_result));
void *weft__calloc(size_t count, size_t size)
    __attribute__((malloc, alloc_size(1, 2), warn_unused_result));
void *weft__realloc(void *block, size_t size) __attribute__((alloc_size(2), warn_unused_result));
void weft__free(void *block);

/*
 * A block on a boundary of its own: alignment is a power of two, at most WEFT__ALIGN_MAX. NULL
 * else. Freed by weft__free; not for weft__realloc, which keeps only the usual alignment.
 */
#define WEFT__ALIGN_MAX 4096u
void *weft__alloc_aligned(size_t alignment, size_t size)
    __attribute__((malloc, alloc_align(1), alloc_size(2), warn_unused_result));

/* Blocks and bytes allocated and not yet freed; the bytes are those asked for. */
size_t weft__alloc_live(void);
size_t weft__alloc_live_bytes(void);

/* Allocations made since the process began, freed or not: what "allocates nothing" is checked with.
 */
uint64_t weft__alloc_count(void);

/*
 * Sets the functions behind all of this; NULL means malloc's. 0, -EINVAL when one is missing,
 * -EBUSY while blocks of the present allocator are alive (they would be freed by a stranger).
 */
int weft__allocator_set(const struct weft_allocator *allocator);

/*
 * For tests: the n-th allocation from now (1 is the next one) fails, once; 0 takes it back. A
 * reallocation counts as one.
 */
void weft__alloc_fail_after(uint64_t n);

#endif
