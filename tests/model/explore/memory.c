/*
 * memory.c - what loads may see, and which plain accesses race.
 *
 * An atomic place keeps all its stores, in the order of their modifications. A thread's view says
 * of each place the oldest store it may still read, and of each thread how much of it has happened
 * before. A store by release carries its thread's view along; whoever reads it by acquire takes
 * that view over. A read-modify-write reads the newest store and passes the view on that it carried
 * (the release sequence of C++20). Sequentially consistent accesses have one order, that of
 * execution: such a load sees at least the latest such store to its place. Fences are those of C11.
 *
 * Two limits. A plain store goes to the end of its place's order: nothing is lost by that where all
 * stores but a thread's own are read-modify-writes, as in the code examined. And a load does not
 * see a store that has not been executed yet, so programs that are wrong only by speculation are
 * not found.
 *
 * Plain memory is watched in cells of four bytes: who wrote last and who has read since, each with
 * that thread's clock. An access that the other one does not happen before is a race. Freeing is a
 * write after which nobody may come.
 */
#include "explore.h"

#include <string.h>

enum {
    ARENA_SIZE = 32768,
    CELL = 4,
    CELLS = ARENA_SIZE / CELL,
    LOCATIONS_MAX = 24,
    STORES_MAX = 64,
    THREADS = EXPLORE_THREADS_MAX,
};

struct view {
    uint16_t clock[THREADS];       /* how much of each thread has happened before */
    uint8_t oldest[LOCATIONS_MAX]; /* of each place: the oldest store that may be read */
};

struct store {
    uint64_t value;
    struct view view; /* what reading it by acquire makes seen */
};

struct location {
    const volatile void *address;
    uint32_t size;
    uint32_t count;
    struct store stores[STORES_MAX];
};

struct thread {
    struct view now;
    struct view acquired; /* what an acquire fence would make seen */
    struct view released; /* what relaxed stores carry: since the last release fence */
    uint8_t last;         /* location loaded last */
    uint8_t newer_than;   /* of that: the next load must see more than this one, if it is not 255 */
};

struct cell {
    uint32_t execution; /* what it says is of this one */
    uint16_t written_at;
    uint8_t written_by;
    uint8_t block;
    uint16_t read_at[THREADS];
    uint16_t atomic_read_at[THREADS];
    uint16_t atomic_write_at[THREADS];
};

static _Alignas(4096) unsigned char arena[ARENA_SIZE];
static uint32_t arena_used;
static uint32_t execution; /* counts them */
static struct cell cells[CELLS];
static uint8_t location_of[CELLS]; /* index + 1 */
static struct location locations[LOCATIONS_MAX];
static uint32_t location_count;
static struct thread threads[THREADS];
static struct view total; /* `oldest` only: what the one order has come to */
static struct block {
    uint32_t at, size;
    uint16_t given_at;
    uint8_t given_by;
    bool live;
} blocks[64];
static uint32_t block_count;
static const char *names[CELLS];

static void view_join(struct view *into, const struct view *from)
{
    for (uint32_t i = 0; i < THREADS; i++)
        if (into->clock[i] < from->clock[i])
            into->clock[i] = from->clock[i];
    for (uint32_t i = 0; i < location_count; i++)
        if (into->oldest[i] < from->oldest[i])
            into->oldest[i] = from->oldest[i];
}

static struct thread *me(void)
{
    return &threads[explore_running];
}

void memory_reset(void)
{
    uint32_t used = (arena_used + CELL - 1) / CELL;

    memset(arena, 0xa5, arena_used);
    memset(location_of, 0, used);
    memset(threads, 0, sizeof threads);
    memset(&total, 0, sizeof total);
    for (uint32_t i = 0; i < THREADS; i++) {
        threads[i].now.clock[i] = 1;
        threads[i].newer_than = UINT8_MAX;
    }
    arena_used = location_count = block_count = 0;
    execution++; /* the cells forget */
}

void memory_start(uint32_t thread)
{
    view_join(&threads[thread].now, &me()->now);
    me()->now.clock[explore_running]++;
}

void memory_join(uint32_t thread)
{
    view_join(&me()->now, &threads[thread].now);
}

/* -- plain accesses --------------------------------------------------------------------------- */

static bool watched(const volatile void *address)
{
    return (uintptr_t)address - (uintptr_t)arena < ARENA_SIZE;
}

static uint32_t offset_of(const volatile void *address)
{
    return (uint32_t)((uintptr_t)address - (uintptr_t)arena);
}

/* Has this not happened before what the running thread does now? */
static bool unordered(uint32_t thread, uint32_t clock)
{
    return thread != explore_running && me()->now.clock[thread] < clock;
}

static bool any_unordered(const uint16_t *clocks)
{
    for (uint32_t i = 0; i < THREADS; i++)
        if (unordered(i, clocks[i]))
            return true;
    return false;
}

/* The cell of an address, which must be of a block that is alive. */
static struct cell *cell_at(uint32_t at, const char *what)
{
    struct cell *cell = &cells[at / CELL];

    if (cell->execution != execution) {
        memset(cell, 0, sizeof *cell);
        cell->execution = execution;
        while (cell->block < block_count &&
               (at & ~(CELL - 1u)) - blocks[cell->block].at >= blocks[cell->block].size)
            cell->block++;
        cell->written_by = blocks[cell->block].given_by;
        cell->written_at = blocks[cell->block].given_at;
    }
    if (cell->block == block_count)
        explore_fail("%s of memory +%u that nobody was given", what, at);
    if (!blocks[cell->block].live)
        explore_fail("%s of memory +%u after it was freed", what, at);
    return cell;
}

static void race(uint32_t at, const char *what, const char *with)
{
    explore_fail("race at +%u: %s, and %s, have no order", at, what, with);
}

static void plain_read(struct cell *cell, uint32_t at)
{
    if (unordered(cell->written_by, cell->written_at))
        race(at, "a read", "a write before it");
    if (any_unordered(cell->atomic_write_at))
        race(at, "a plain read", "an atomic write before it");
    cell->read_at[explore_running] = me()->now.clock[explore_running];
}

static void plain_write(struct cell *cell, uint32_t at, const char *what)
{
    if (unordered(cell->written_by, cell->written_at))
        race(at, what, "a write before it");
    if (any_unordered(cell->read_at))
        race(at, what, "a read before it");
    if (any_unordered(cell->atomic_read_at) || any_unordered(cell->atomic_write_at))
        race(at, what, "an atomic access before it");
    cell->written_by = (uint8_t)explore_running;
    cell->written_at = me()->now.clock[explore_running];
}

void memory_plain(const volatile void *address, size_t size, bool write)
{
    if (!watched(address))
        return;
    for (uint32_t at = offset_of(address) & ~(CELL - 1u); at < offset_of(address) + size;
         at += CELL)
        if (write)
            plain_write(cell_at(at, "a write"), at, "a write");
        else
            plain_read(cell_at(at, "a read"), at);
}

/* -- memory given out ------------------------------------------------------------------------- */

void *explore_alloc(size_t size)
{
    uint32_t at = (arena_used + 127) & ~127u; /* a line of its own, as inboxes want */

    if (at + size > ARENA_SIZE || block_count == sizeof blocks / sizeof *blocks)
        explore_fail("the arena is too small");
    blocks[block_count++] = (struct block){.at = at,
                                           .size = (uint32_t)size,
                                           .given_at = me()->now.clock[explore_running],
                                           .given_by = (uint8_t)explore_running,
                                           .live = true};
    arena_used = at + (uint32_t)size;
    return arena + at;
}

void explore_free(void *block)
{
    uint32_t i = 0;

    if (!block)
        return;
    explore_trace("free +%u", offset_of(block));
    while (i < block_count && blocks[i].at != offset_of(block))
        i++;
    if (i == block_count)
        explore_fail("free of what was never given out");
    if (!blocks[i].live)
        explore_fail("freed twice");
    if (unordered(blocks[i].given_by, blocks[i].given_at))
        race(blocks[i].at, "a free", "what gave it out");
    for (uint32_t at = blocks[i].at; at < blocks[i].at + blocks[i].size; at += CELL)
        if (cells[at / CELL].execution == execution) /* it was touched */
            plain_write(&cells[at / CELL], at, "a free");
    blocks[i].live = false;
}

const char *memory_left(void)
{
    for (uint32_t i = 0; i < block_count; i++)
        if (blocks[i].live)
            return "memory was not freed";
    return NULL;
}

/* -- atomic accesses -------------------------------------------------------------------------- */

static uint64_t value_at(const volatile void *address, size_t size)
{
    uint64_t value = 0;

    memcpy(&value, (const void *)address, size); /* little-endian: the low bytes */
    return value;
}

static uint32_t location_at(const volatile void *address, size_t size)
{
    struct location *location;
    uint32_t index;

    if (!watched(address))
        explore_fail("an atomic access outside of watched memory");
    index = location_of[offset_of(address) / CELL];
    if (index)
        return index - 1;
    index = location_count++;
    if (index == LOCATIONS_MAX)
        explore_fail("too many atomic places");
    location_of[offset_of(address) / CELL] = (uint8_t)(index + 1);
    location = &locations[index];
    location->address = address;
    location->size = (uint32_t)size;
    location->count = 1;
    location->stores[0].value = value_at(address, size); /* plain: the cell says who may see it */
    memset(&location->stores[0].view, 0, sizeof(struct view));
    return index;
}

void explore_name(const volatile void *address, const char *name)
{
    if (watched(address))
        names[offset_of(address) / CELL] = name;
}

static void say(const char *what, const struct location *location, uint64_t value, uint32_t age,
                uint32_t order)
{
    if (explore_tracing)
        explore_trace("%-5s %s%s%s%s +%u: 0x%llx%s", what,
                      order & EXPLORE_ACQUIRE ? "acquire " : "",
                      order & EXPLORE_RELEASE ? "release " : "",
                      order & EXPLORE_TOTAL ? "total " : "",
                      names[offset_of(location->address) / CELL]
                          ? names[offset_of(location->address) / CELL]
                          : "",
                      offset_of(location->address), (unsigned long long)value,
                      age ? " (not the newest)" : "");
}

static void touch(const volatile void *address, bool write)
{
    uint32_t at = offset_of(address);
    struct cell *cell = cell_at(at, "an atomic access");

    if (unordered(cell->written_by, cell->written_at))
        race(at, "an atomic access", "a plain write before it");
    if (write && any_unordered(cell->read_at))
        race(at, "an atomic write", "a plain read before it");
    (write ? cell->atomic_write_at : cell->atomic_read_at)[explore_running] =
        me()->now.clock[explore_running];
}

static uint32_t oldest_allowed(uint32_t index, uint32_t order)
{
    uint32_t oldest = me()->now.oldest[index];

    if (order & EXPLORE_TOTAL && oldest < total.oldest[index])
        oldest = total.oldest[index];
    if (me()->newer_than != UINT8_MAX && me()->last == index && oldest <= me()->newer_than)
        oldest = me()->newer_than + 1u;
    return oldest;
}

static uint64_t read_store(uint32_t index, uint32_t which, uint32_t order, const char *what)
{
    struct location *location = &locations[index];
    struct store *store = &location->stores[which];

    me()->now.oldest[index] = (uint8_t)which;
    me()->last = (uint8_t)index;
    me()->newer_than = UINT8_MAX;
    view_join(&me()->acquired, &store->view);
    if (order & EXPLORE_ACQUIRE)
        view_join(&me()->now, &store->view);
    touch(location->address, false);
    say(what, location, store->value, location->count - 1 - which, order);
    return store->value;
}

/* Appends a store; `carried` is the view handed on from the store it replaced, or NULL. */
static void append(uint32_t index, uint64_t value, uint32_t order, const struct view *carried)
{
    struct location *location = &locations[index];
    uint32_t which = location->count++;
    struct store *store = &location->stores[which];

    if (which + 1 >= STORES_MAX)
        explore_fail("too many stores to one place");
    touch(location->address, true);
    me()->now.oldest[index] = (uint8_t)which;
    if (order & EXPLORE_TOTAL)
        total.oldest[index] = (uint8_t)which;
    store->value = value;
    store->view = order & EXPLORE_RELEASE ? me()->now : me()->released;
    if (carried)
        view_join(&store->view, carried);
    if (store->view.oldest[index] < which)
        store->view.oldest[index] = (uint8_t)which;
    me()->now.clock[explore_running]++;
    memcpy((void *)location->address, &value, location->size);
}

uint64_t memory_load(const volatile void *address, size_t size, uint32_t order, bool newest)
{
    uint32_t index = location_at(address, size), last, oldest, age = 0;

    last = locations[index].count - 1;
    oldest = oldest_allowed(index, order);
    if (!newest && last > oldest && explore_may_be_stale())
        age = explore_choose(last - oldest + 1);
    if (age > 0)
        explore_was_stale();
    return read_store(index, last - age, order, "load");
}

void memory_store(volatile void *address, size_t size, uint64_t value, uint32_t order)
{
    uint32_t index = location_at(address, size);

    append(index, value, order, NULL);
    say("store", &locations[index], value, 0, order);
}

uint64_t memory_modify(volatile void *address, size_t size, uint32_t order,
                       uint64_t (*change)(uint64_t old, uint64_t operand), uint64_t operand)
{
    uint32_t index = location_at(address, size), newest = locations[index].count - 1;
    uint64_t mask = size < 8 ? (UINT64_C(1) << size * 8) - 1 : UINT64_MAX;
    uint64_t old = read_store(index, newest, order, "takes"), new = change(old, operand) & mask;

    append(index, new, order, &locations[index].stores[newest].view);
    say("puts", &locations[index], new, 0, order);
    return old;
}

/* What a failing exchange has read: by a weak one, anything; by a strong one, not what it expected.
 */
static bool swap_fails(uint32_t index, uint64_t *expected, uint32_t order, bool must)
{
    struct location *location = &locations[index];
    uint32_t candidates[STORES_MAX], count = 0, pick;

    for (uint32_t i = location->count; i-- > oldest_allowed(index, order);)
        if (location->stores[i].value != *expected &&
            (i == location->count - 1 || explore_may_be_stale()))
            candidates[count++] = i;
    if (count == 0)
        return false;
    pick = explore_choose(count + !must);
    if (pick == 0 && !must)
        return false;
    pick -= !must;
    if (candidates[pick] != location->count - 1)
        explore_was_stale();
    *expected = read_store(index, candidates[pick], order, "sees");
    return true;
}

bool memory_swap(volatile void *address, size_t size, uint64_t *expected, uint64_t desired,
                 uint32_t success, uint32_t failure, bool weak)
{
    uint32_t index = location_at(address, size), newest = locations[index].count - 1;
    struct location *location = &locations[index];

    if (location->stores[newest].value != *expected)
        return !swap_fails(index, expected, failure, true);
    if (weak && explore_may_be_spurious() && explore_choose(2) == 1) {
        explore_was_spurious();
        read_store(index, newest, failure, "sees");
        return false;
    }
    if (swap_fails(index, expected, failure, false))
        return false;
    read_store(index, newest, success, "takes");
    append(index, desired, success, &location->stores[newest].view);
    say("puts", location, desired, 0, success);
    return true;
}

void memory_fence(uint32_t order)
{
    if (order & EXPLORE_ACQUIRE)
        view_join(&me()->now, &me()->acquired);
    if (order & EXPLORE_TOTAL) {
        view_join(&me()->now, &total);
        view_join(&total, &me()->now);
        memset(total.clock, 0, sizeof total.clock);
    }
    if (order & EXPLORE_RELEASE)
        me()->released = me()->now;
    me()->now.clock[explore_running]++;
    explore_trace("fence");
}

uint64_t memory_newest(const volatile void *address)
{
    uint32_t index = location_of[offset_of(address) / CELL];

    return index ? locations[index - 1].stores[locations[index - 1].count - 1].value
                 : value_at(address, 8);
}

bool memory_newer(uint32_t thread)
{
    const struct thread *it = &threads[thread];

    return locations[it->last].count - 1 > it->now.oldest[it->last];
}

void memory_must_be_newer(void)
{
    me()->newer_than = me()->now.oldest[me()->last];
}
