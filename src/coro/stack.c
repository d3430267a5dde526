/*
 * stack.c: the cold half of the stack pool: reserving, opening slots, guards, giving memory back.
 *
 * Owned by the pool's thread, see stack.h. One thing here outlives a pool: the budget of guards
 * made by mprotect, which is the process's.
 *
 * Guards. MADV_GUARD_INSTALL (6.13) puts a marker into the page table: no further mapping, and it
 * survives MADV_DONTNEED. Without it each guard splits the mapping in three, and at
 * vm.max_map_count malloc and pthread_create fail in the whole process; so the pools of a process
 * stop together at 0.4 guards per permitted mapping, which is 0.8 of them.
 */
#define _GNU_SOURCE

#include "coro/stack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/arch.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum {
    SLOTS_MIN = 16,       /* of a class, however small the address space */
    OPEN_BYTES = 2 << 20, /* what a class grows by: what one page of page table maps */
    COOL_BATCH = 64,      /* stacks given back at a time */
    SAMPLE_EVERY = 1024,  /* gives between two looks at how deep stacks are used */
    HOT_BYTES_DEFAULT = 16 << 20,
    MAP_COUNT_DEFAULT = 65530, /* vm.max_map_count where it cannot be read */
};

static const size_t class_sizes[WEFT__STACK_CLASSES] = {WEFT__STACK_SIZE_0, WEFT__STACK_SIZE_1,
                                                        WEFT__STACK_SIZE_2, WEFT__STACK_SIZE_3};

static const uint32_t counts_default[WEFT__STACK_CLASSES] = {1u << 20, 1u << 21, 1u << 15,
                                                             1u << 12};

/* Shadow memory is proportional to address space. */
static const uint32_t counts_cramped[WEFT__STACK_CLASSES] = {1u << 12, 1u << 15, 1u << 9, 1u << 7};

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t round_up(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

/* ---- the budget of guards made by mprotect ------------------------------------------------ */

/* Read once; two threads that race here read the same. Relaxed: it guards no other memory. */
static _Atomic uint32_t guard_budget;
static _Atomic uint32_t guards_made;

static uint32_t guard_budget_read(void)
{
    char text[32] = "";
    long count = MAP_COUNT_DEFAULT;
    int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        if (read(fd, text, sizeof text - 1) > 0 && atol(text) > 0)
            count = atol(text);
        close(fd);
    }
    return (uint32_t)(count / 5 * 2);
}

static bool guard_budget_take(void)
{
    uint32_t budget = atomic_load_explicit(&guard_budget, memory_order_relaxed);

    if (!budget) {
        budget = guard_budget_read();
        atomic_store_explicit(&guard_budget, budget, memory_order_relaxed);
    }
    if (atomic_fetch_add_explicit(&guards_made, 1, memory_order_relaxed) < budget)
        return true;
    atomic_fetch_sub_explicit(&guards_made, 1, memory_order_relaxed);
    return false;
}

static void guard_budget_return(uint32_t count)
{
    atomic_fetch_sub_explicit(&guards_made, count, memory_order_relaxed);
}

/* ---- open and close ----------------------------------------------------------------------- */

static size_t class_span(const struct weft__stack_pool *pool, unsigned index, uint32_t count)
{
    return count * (round_up(class_sizes[index], page_size()) + pool->guard_size);
}

static size_t slab_span(const struct weft__stack_pool *pool, const uint32_t *counts)
{
    size_t size = 0;

    for (unsigned i = 0; i < WEFT__STACK_CLASSES; i++)
        size += class_span(pool, i, counts[i]);
    return size;
}

/* Whether there was anything left to halve. */
static bool counts_halve(uint32_t *counts)
{
    bool changed = false;

    for (unsigned i = 0; i < WEFT__STACK_CLASSES; i++)
        if (counts[i] / 2 >= SLOTS_MIN) {
            counts[i] /= 2;
            changed = true;
        }
    return changed;
}

static void *reserve(size_t size, int protection)
{
    void *p = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

/* Reserves the slab, halving counts until it fits, and once more where it did not fit at once, so
 * that the rest of the process has some address space too. */
static int slab_reserve(struct weft__stack_pool *pool, uint32_t *counts)
{
    bool halved = false;

    for (;;) {
        pool->slab_size = slab_span(pool, counts);
        pool->slab = reserve(pool->slab_size, PROT_NONE);
        if (pool->slab)
            break;
        int rc = -errno;
        if (!counts_halve(counts))
            return rc;
        halved = true;
    }
    if (halved && counts_halve(counts)) {
        size_t size = slab_span(pool, counts);
        munmap(pool->slab + size, pool->slab_size - size);
        pool->slab_size = size;
    }
    /* A huge page would back 30 stacks that each need one small page. */
    madvise(pool->slab, pool->slab_size, MADV_NOHUGEPAGE);
    /* Who writes a core by looking at /proc/PID/maps, as gdb's gcore does, would write 150 GiB. */
    madvise(pool->slab, pool->slab_size, MADV_DONTDUMP);
    return 0;
}

static void classes_lay_out(struct weft__stack_pool *pool, const uint32_t *counts)
{
    char *base = pool->slab;
    uint32_t *array = pool->free_arrays;
    uint32_t slot = 0;

    for (unsigned i = 0; i < WEFT__STACK_CLASSES; i++) {
        struct weft__stack_class *c = &pool->class_of[i];

        c->size = (uint32_t)round_up(class_sizes[i], page_size());
        c->stride = c->size + pool->guard_size;
        c->low_bias = (char *)((uintptr_t)base - slot * c->stride);
        c->slot_first = c->slot_fresh = c->slot_ready = slot;
        c->slot_end = slot + counts[i];
        c->free = array;
        c->free_hot_max = COOL_BATCH;
        c->touched_bytes = (uint32_t)page_size();
        c->sample_in = SAMPLE_EVERY;
        base += class_span(pool, i, counts[i]);
        array += counts[i];
        slot += counts[i];
    }
    pool->slot_count = slot;
}

static void counts_choose(uint32_t *counts, const struct weft__stack_pool_opt *opt)
{
    const uint32_t *usual = weft__san_is_cramped() ? counts_cramped : counts_default;

    for (unsigned i = 0; i < WEFT__STACK_CLASSES; i++)
        counts[i] = opt && opt->count_max[i] ? opt->count_max[i] : usual[i];
}

/* Tries on the lowest guard there is, in place: it stays right whatever the answer. */
static bool guard_install_probe(struct weft__stack_pool *pool)
{
    return madvise(pool->slab, pool->guard_size, MADV_GUARD_INSTALL) == 0;
}

int weft__stack_pool_open(struct weft__stack_pool *pool, const struct weft__stack_pool_opt *opt)
{
    uint32_t counts[WEFT__STACK_CLASSES];
    size_t guard_pages = round_up(WEFT__ARCH_GUARD_SIZE, page_size()) / page_size();
    int rc;

    memset(pool, 0, sizeof *pool);
    counts_choose(counts, opt);
    /* An odd number of pages, so that the step between stacks is odd too: see stack.h. */
    pool->guard_size = (guard_pages | 1) * page_size();
    pool->hot_bytes_max = opt && opt->hot_bytes_max ? opt->hot_bytes_max : HOT_BYTES_DEFAULT;
    rc = slab_reserve(pool, counts);
    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < WEFT__STACK_CLASSES; i++)
        pool->free_arrays_size += counts[i] * sizeof *pool->free_arrays;
    pool->free_arrays = reserve(pool->free_arrays_size, PROT_READ | PROT_WRITE);
    if (pool->free_arrays && weft__san_on_valgrind())
        pool->valgrind_ids = reserve(pool->free_arrays_size, PROT_READ | PROT_WRITE);
    if (!pool->free_arrays || (weft__san_on_valgrind() && !pool->valgrind_ids)) {
        rc = -errno;
        weft__stack_pool_close(pool);
        return rc;
    }
    classes_lay_out(pool, counts);
    pool->guard_install = !(opt && opt->mask_guard_install) && guard_install_probe(pool);
    return 0;
}

static void class_forget(struct weft__stack_pool *pool, struct weft__stack_class *c)
{
    for (uint32_t slot = c->slot_first; slot < c->slot_ready; slot++) {
        weft__san_unpoison(weft__stack_class_low(pool, c, slot), c->size);
        if (pool->valgrind_ids)
            weft__san_stack_deregister(pool->valgrind_ids[slot]);
    }
}

void weft__stack_pool_close(struct weft__stack_pool *pool)
{
    for (unsigned i = 0; i < WEFT__STACK_CLASSES && pool->free_arrays; i++)
        class_forget(pool, &pool->class_of[i]);
    guard_budget_return(pool->guard_count);
    if (pool->valgrind_ids)
        munmap(pool->valgrind_ids, pool->free_arrays_size);
    if (pool->free_arrays)
        munmap(pool->free_arrays, pool->free_arrays_size);
    if (pool->slab)
        munmap(pool->slab, pool->slab_size);
    memset(pool, 0, sizeof *pool);
}

/* ---- slots handed out for the first time -------------------------------------------------- */

/* Makes a piece of the reservation memory, and part of cores. */
static int slab_open(char *low, size_t size)
{
    if (mprotect(low, size, PROT_READ | PROT_WRITE))
        return -ENOMEM;
    madvise(low, size, MADV_DODUMP);
    return 0;
}

/* Opens the next slot alone: its guard is what stays closed below it. */
static int open_by_mprotect(struct weft__stack_pool *pool, struct weft__stack_class *c)
{
    if (!guard_budget_take())
        return -EAGAIN;
    if (slab_open(weft__stack_class_low(pool, c, c->slot_ready), c->size) < 0) {
        guard_budget_return(1);
        return -ENOMEM;
    }
    pool->guard_count++;
    c->slot_ready++;
    return 0;
}

/* Opens about 2 MiB of slots and marks their guards. Where not even one guard can be marked, most
 * likely because the process was locked into memory meanwhile, goes over to mprotect for good. */
static int open_by_guard_install(struct weft__stack_pool *pool, struct weft__stack_class *c)
{
    size_t count = OPEN_BYTES / c->stride;
    char *low = weft__stack_class_low(pool, c, c->slot_ready) - pool->guard_size;
    uint32_t ready = c->slot_ready;

    _Static_assert(OPEN_BYTES / 2 >= WEFT__STACK_SIZE_3, "one of the largest at least");
    if (count > c->slot_end - c->slot_ready)
        count = c->slot_end - c->slot_ready;
    if (slab_open(low, count * c->stride) < 0)
        return -ENOMEM;
    for (; count && !madvise(low, pool->guard_size, MADV_GUARD_INSTALL); count--, low += c->stride)
        c->slot_ready++;
    if (!count)
        return 0;
    int rc = -errno;
    mprotect(low, count * c->stride, PROT_NONE);
    if (c->slot_ready > ready)
        return 0;
    if (rc != -EINVAL)
        return -ENOMEM;
    pool->guard_install = false;
    return open_by_mprotect(pool, c);
}

static int open_more(struct weft__stack_pool *pool, struct weft__stack_class *c)
{
    uint32_t slot = c->slot_ready;
    int rc;

    if (slot == c->slot_end)
        return -ENOMEM;
    rc = pool->guard_install ? open_by_guard_install(pool, c) : open_by_mprotect(pool, c);
    for (; pool->valgrind_ids && slot < c->slot_ready; slot++) {
        char *low = weft__stack_class_low(pool, c, slot);
        pool->valgrind_ids[slot] = weft__san_stack_register(low, low + c->size);
    }
    return rc;
}

/* ---- builds in which no stack is used twice, while there are others ----------------------- */

static bool prefers_fresh(const struct weft__stack_class *c)
{
    return weft__rare(WEFT__RARE_STACK) && c->slot_fresh < c->slot_end;
}

#ifdef WEFT_RARE
/* Read it may be: a handle of a task that is gone leads there, and finds nothing. With the guard,
 * so that neighbours become one mapping again. */
void weft__stack_retire(struct weft__stack_pool *pool, unsigned index)
{
    struct weft__stack_class *c = &pool->class_of[index];
    char *low = weft__stack_class_low(pool, c, c->free[c->free_count - 1]);
    size_t guard_size = pool->guard_install ? pool->guard_size : 0;

    madvise(low, c->size, MADV_DONTNEED);
    mprotect(low - guard_size, c->size + guard_size, PROT_READ);
    c->cold_count = c->free_count;
}
#endif

static int revive(struct weft__stack_pool *pool, struct weft__stack_class *c, uint32_t slot)
{
    return mprotect(weft__stack_class_low(pool, c, slot), c->size, PROT_READ | PROT_WRITE) ? -ENOMEM
                                                                                           : 0;
}

/* A slot for weft__stack_take when no free one holds memory: a cold one, else a new one. */
int weft__stack_take_fresh(struct weft__stack_pool *pool, unsigned index, uint32_t *slot)
{
    struct weft__stack_class *c = &pool->class_of[index];

    if (c->free_count && !prefers_fresh(c)) {
        /* It will come back with memory: the same number of free slots then means more of that. */
        c->free_hot_max -= c->free_hot_max > COOL_BATCH;
        c->cold_count = --c->free_count;
        *slot = c->free[c->free_count];
        return weft__rare(WEFT__RARE_STACK) ? revive(pool, c, *slot) : 0;
    }
    if (c->slot_fresh == c->slot_ready) {
        int rc = open_more(pool, c);
        if (rc < 0)
            return rc;
    }
    *slot = c->slot_fresh++;
    return 0;
}

/* ---- giving memory back ------------------------------------------------------------------- */

size_t weft__stack_hot_bytes(const struct weft__stack_pool *pool)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < WEFT__STACK_CLASSES; i++) {
        const struct weft__stack_class *c = &pool->class_of[i];
        bytes += (size_t)(c->free_count - c->cold_count) * c->touched_bytes;
    }
    return bytes;
}

static struct weft__stack_class *hottest(struct weft__stack_pool *pool)
{
    struct weft__stack_class *best = NULL;
    size_t best_bytes = 0;

    for (unsigned i = 0; i < WEFT__STACK_CLASSES; i++) {
        struct weft__stack_class *c = &pool->class_of[i];
        size_t bytes = (size_t)(c->free_count - c->cold_count) * c->touched_bytes;
        if (bytes > best_bytes) {
            best = c;
            best_bytes = bytes;
        }
    }
    return best;
}

static int slot_order(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Gives back the memory of up to `count` free stacks of a class, the longest unused first.
 * Neighbours go in one call; guards between them stay. Memory locked by mlockall is refused by
 * the kernel and stays, which is what mlockall is for. */
static uint32_t cool(struct weft__stack_pool *pool, struct weft__stack_class *c, uint32_t count)
{
    uint32_t slots[COOL_BATCH];
    uint32_t hot = c->free_count - c->cold_count;

    if (count > hot)
        count = hot;
    if (count > COOL_BATCH)
        count = COOL_BATCH;
    memcpy(slots, c->free + c->cold_count, count * sizeof *slots);
    qsort(slots, count, sizeof *slots, slot_order);
    for (uint32_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && slots[end] == slots[end - 1] + 1; end++)
            ;
        madvise(weft__stack_class_low(pool, c, slots[i]), (end - i) * c->stride - pool->guard_size,
                MADV_DONTNEED);
    }
    c->cold_count += count;
    return count;
}

/* A class with every slot free and cold starts over: its array of free slots, four bytes for each
 * slot of the largest burst, holds memory too. */
static void start_over(struct weft__stack_class *c)
{
    if (!c->free_count || c->cold_count < c->slot_fresh - c->slot_first ||
        weft__rare(WEFT__RARE_STACK))
        return;
    /* Only whole pages: the next class's array begins in the middle of one. */
    uintptr_t begin = round_up((uintptr_t)c->free, page_size());
    uintptr_t end = (uintptr_t)(c->free + c->free_count) / page_size() * page_size();
    if (begin < end)
        madvise((void *)begin, end - begin, MADV_DONTNEED);
    c->free_count = c->cold_count = 0;
    c->free_hot_max = COOL_BATCH;
    c->slot_fresh = c->slot_first;
}

uint32_t weft__stack_pool_trim(struct weft__stack_pool *pool, uint32_t count_max)
{
    uint32_t done = 0;

    while (done < count_max) {
        struct weft__stack_class *c = hottest(pool);
        if (!c)
            break;
        uint32_t count = cool(pool, c, count_max - done);
        c->free_hot_max += count;
        done += count;
    }
    for (unsigned i = 0; i < WEFT__STACK_CLASSES && done < count_max; i++)
        start_over(&pool->class_of[i]);
    return done;
}

/* Bytes of the slot's stack that are backed by memory. */
static size_t resident_bytes(const struct weft__stack_pool *pool, const struct weft__stack_class *c,
                             uint32_t slot, unsigned char *pages)
{
    size_t count = c->size / page_size(), resident = 0;

    if (mincore(weft__stack_class_low(pool, c, slot), c->size, pages))
        return 0;
    for (size_t i = 0; i < count; i++)
        resident += pages[i] & 1;
    return resident * page_size();
}

/* Moves the estimate an eighth of the way to what the stack just given holds. */
static void sample(struct weft__stack_pool *pool, struct weft__stack_class *c)
{
    unsigned char pages[WEFT__STACK_SIZE_3 / 4096];
    size_t bytes = resident_bytes(pool, c, c->free[c->free_count - 1], pages);

    c->sample_in = SAMPLE_EVERY;
    c->touched_bytes += (uint32_t)(bytes / 8) - c->touched_bytes / 8;
    if (c->touched_bytes < page_size())
        c->touched_bytes = (uint32_t)page_size();
}

/*
 * A give that found a limit reached. While free stacks hold less than they may, the class is
 * granted a quarter of what is left until the next look; then COOL_BATCH of the fullest class are
 * cooled for COOL_BATCH given. A load that comes and goes by less than hot_bytes_max takes from
 * the hot end and gives back to it, so it comes here once and never again.
 */
void weft__stack_give_slow(struct weft__stack_pool *pool, unsigned index)
{
    struct weft__stack_class *c = &pool->class_of[index];

    if (c->sample_in == 0)
        sample(pool, c);
    size_t bytes = weft__stack_hot_bytes(pool);
    if (bytes > pool->hot_bytes_max)
        cool(pool, hottest(pool), COOL_BATCH);
    if (c->free_count < c->free_hot_max)
        return;
    size_t left = bytes < pool->hot_bytes_max ? pool->hot_bytes_max - bytes : 0;
    size_t grant = left / WEFT__STACK_CLASSES / c->touched_bytes;
    c->free_hot_max = c->free_count + (uint32_t)(grant > COOL_BATCH ? grant : COOL_BATCH);
}

/* ---- looking at stacks -------------------------------------------------------------------- */

bool weft__stack_slot_of(const struct weft__stack_pool *pool, const void *addr, uint32_t *slot,
                         bool *in_guard)
{
    uintptr_t a = (uintptr_t)addr, slab = (uintptr_t)pool->slab;

    if (a - slab >= pool->slab_size) /* an address below wraps round */
        return false;
    /* the classes fill the slab: it lies in one of them */
    for (const struct weft__stack_class *c = pool->class_of;; c++) {
        uintptr_t offset = a - ((uintptr_t)c->low_bias + c->slot_first * c->stride);

        if (offset / c->stride >= c->slot_end - c->slot_first)
            continue;
        *slot = c->slot_first + (uint32_t)(offset / c->stride);
        *in_guard = offset % c->stride < pool->guard_size;
        return *slot < c->slot_ready;
    }
}
