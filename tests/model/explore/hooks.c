/*
 * hooks.c - what the compiler's thread instrumentation calls: each access of the code examined.
 *
 * The names and signatures are those of the sanitizer's interface, which gcc and clang share
 * (compiler-rt, tsan_interface_atomic.h). Each atomic access is one step of its thread; a plain one
 * is checked on the spot. The caller's address says which place in the code it is.
 */
#include "explore.h"

enum { RELAXED, CONSUME, ACQUIRE, RELEASE, ACQ_REL, SEQ_CST }; /* as the compilers count orders */
enum kind { LOAD = EXPLORE_ACQUIRE, STORE = EXPLORE_RELEASE, MODIFY = LOAD | STORE };

struct explore_site explore_sites[EXPLORE_SITES_MAX];
uint32_t explore_site_count;
uint64_t explore_reaching;
uint32_t explore_mutated;
enum explore_weakening explore_mutation;

static uint32_t order_of(int order, enum kind kind)
{
    switch (order) {
    case RELAXED:
        return 0;
    case CONSUME:
    case ACQUIRE:
        return EXPLORE_ACQUIRE;
    case RELEASE:
        return EXPLORE_RELEASE;
    case ACQ_REL:
        return EXPLORE_ACQUIRE | EXPLORE_RELEASE;
    default:
        return kind | EXPLORE_TOTAL;
    }
}

static struct explore_site *site_of(uintptr_t address, const char *operation, uint32_t order,
                                    enum kind kind)
{
    struct explore_site *site = explore_sites;

    while (site < explore_sites + explore_site_count && site->address != address)
        site++;
    if (site == explore_sites + EXPLORE_SITES_MAX)
        explore_fail("too many atomic places");
    if (site == explore_sites + explore_site_count) {
        explore_site_count++;
        *site = (struct explore_site){.address = address,
                                      .operation = operation,
                                      .order = order,
                                      .modifies = kind == MODIFY};
    }
    site->reaching |= explore_reaching;
    return site;
}

static bool mutated(const struct explore_site *site)
{
    return explore_mutated && site->place == explore_mutated;
}

/* The order in effect at a place, which may be the one made weaker now. */
static uint32_t weakened(const struct explore_site *site, uint32_t order)
{
    if (!mutated(site))
        return order;
    switch (explore_mutation) {
    case EXPLORE_NO_ACQUIRE:
        return order & ~(uint32_t)EXPLORE_ACQUIRE;
    case EXPLORE_NO_RELEASE:
        return order & ~(uint32_t)EXPLORE_RELEASE;
    case EXPLORE_NO_TOTAL:
        return order & ~(uint32_t)EXPLORE_TOTAL;
    default:
        return order;
    }
}

static bool torn(const struct explore_site *site)
{
    return mutated(site) && explore_mutation == EXPLORE_TORN;
}

static uint64_t put(uint64_t old, uint64_t operand)
{
    (void)old;
    return operand;
}
static uint64_t add(uint64_t old, uint64_t operand)
{
    return old + operand;
}
static uint64_t subtract(uint64_t old, uint64_t operand)
{
    return old - operand;
}
static uint64_t and (uint64_t old, uint64_t operand)
{
    return old & operand;
}
static uint64_t or (uint64_t old, uint64_t operand)
{
    return old | operand;
}

static uint64_t load(const volatile void *place, size_t size, int order, uintptr_t from)
{
    uint32_t parts = order_of(order, LOAD);
    const struct explore_site *site = site_of(from, "load", parts, LOAD);

    explore_step("a load");
    return memory_load(place, size, weakened(site, parts), false);
}

static void store(volatile void *place, size_t size, uint64_t value, int order, uintptr_t from)
{
    uint32_t parts = order_of(order, STORE);
    const struct explore_site *site = site_of(from, "store", parts, STORE);

    explore_step("a store");
    memory_store(place, size, value, weakened(site, parts));
}

static uint64_t modify(volatile void *place, size_t size, uint64_t operand, int order,
                       uint64_t (*change)(uint64_t, uint64_t), const char *name, uintptr_t from)
{
    uint32_t parts = order_of(order, MODIFY);
    const struct explore_site *site = site_of(from, name, parts, MODIFY);
    uint64_t old;

    parts = weakened(site, parts);
    explore_step(name);
    if (!torn(site))
        return memory_modify(place, size, parts, change, operand);
    old = memory_load(place, size, parts, true);
    explore_step("the store of a torn access");
    memory_store(place, size, change(old, operand), parts);
    return old;
}

static bool swap(volatile void *place, size_t size, uint64_t *expected, uint64_t desired,
                 int success, int failure, bool weak, uintptr_t from)
{
    uint32_t parts = order_of(success, MODIFY), failing = order_of(failure, LOAD);
    const struct explore_site *site = site_of(from, "swap", parts, MODIFY);
    uint64_t seen;

    parts = weakened(site, parts);
    failing = weakened(site, failing);
    explore_step("a swap");
    if (!torn(site))
        return memory_swap(place, size, expected, desired, parts, failing, weak);
    seen = memory_load(place, size, parts, true);
    if (seen != *expected) {
        *expected = seen;
        return false;
    }
    explore_step("the store of a torn swap");
    memory_store(place, size, desired, parts);
    return true;
}

#define FROM ((uintptr_t)__builtin_return_address(0))

/* One set for each width. */
#define HOOKS(bits)                                                                                \
    typedef uint##bits##_t u##bits;                                                                \
    u##bits __tsan_atomic##bits##_load(const volatile u##bits *place, int order);                  \
    u##bits __tsan_atomic##bits##_load(const volatile u##bits *place, int order)                   \
    {                                                                                              \
        return (u##bits)load(place, bits / 8, order, FROM);                                        \
    }                                                                                              \
    void __tsan_atomic##bits##_store(volatile u##bits *place, u##bits value, int order);           \
    void __tsan_atomic##bits##_store(volatile u##bits *place, u##bits value, int order)            \
    {                                                                                              \
        store(place, bits / 8, value, order, FROM);                                                \
    }                                                                                              \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile u##bits *place, u##bits *expected,  \
                                                      u##bits desired, int success, int failure);  \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile u##bits *place, u##bits *expected,  \
                                                      u##bits desired, int success, int failure)   \
    {                                                                                              \
        uint64_t seen = *expected;                                                                 \
        bool done = swap(place, bits / 8, &seen, desired, success, failure, false, FROM);          \
        *expected = (u##bits)seen;                                                                 \
        return done;                                                                               \
    }                                                                                              \
    int __tsan_atomic##bits##_compare_exchange_weak(volatile u##bits *place, u##bits *expected,    \
                                                    u##bits desired, int success, int failure);    \
    int __tsan_atomic##bits##_compare_exchange_weak(volatile u##bits *place, u##bits *expected,    \
                                                    u##bits desired, int success, int failure)     \
    {                                                                                              \
        uint64_t seen = *expected;                                                                 \
        bool done = swap(place, bits / 8, &seen, desired, success, failure, true, FROM);           \
        *expected = (u##bits)seen;                                                                 \
        return done;                                                                               \
    }                                                                                              \
    /* clang's form, which does not say whether it is a weak one */                                \
    u##bits __tsan_atomic##bits##_compare_exchange_val(volatile u##bits *place, u##bits expected,  \
                                                       u##bits desired, int success, int failure); \
    u##bits __tsan_atomic##bits##_compare_exchange_val(volatile u##bits *place, u##bits expected,  \
                                                       u##bits desired, int success, int failure)  \
    {                                                                                              \
        uint64_t seen = expected;                                                                  \
        (void)swap(place, bits / 8, &seen, desired, success, failure, false, FROM);                \
        return (u##bits)seen;                                                                      \
    }                                                                                              \
    MODIFY_HOOK(bits, exchange, put)                                                               \
    MODIFY_HOOK(bits, fetch_add, add)                                                              \
    MODIFY_HOOK(bits, fetch_sub, subtract)                                                         \
    MODIFY_HOOK(bits, fetch_and, and)                                                              \
    MODIFY_HOOK(bits, fetch_or, or)

#define MODIFY_HOOK(bits, name, change)                                                            \
    u##bits __tsan_atomic##bits##_##name(volatile u##bits *place, u##bits operand, int order);     \
    u##bits __tsan_atomic##bits##_##name(volatile u##bits *place, u##bits operand, int order)      \
    {                                                                                              \
        return (u##bits)modify(place, bits / 8, operand, order, change, #name, FROM);              \
    }

HOOKS(8)
HOOKS(16)
HOOKS(32)
HOOKS(64)

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order)
{
    uint32_t parts = order_of(order, MODIFY);
    const struct explore_site *site = site_of(FROM, "fence", parts, LOAD);

    explore_step("a fence");
    memory_fence(weakened(site, parts));
}

#define PLAIN_HOOK(name, size, write)                                                              \
    void __tsan_##name(void *address);                                                             \
    void __tsan_##name(void *address)                                                              \
    {                                                                                              \
        memory_plain(address, size, write);                                                        \
    }

PLAIN_HOOK(read1, 1, false)
PLAIN_HOOK(read2, 2, false)
PLAIN_HOOK(read4, 4, false)
PLAIN_HOOK(read8, 8, false)
PLAIN_HOOK(read16, 16, false)
PLAIN_HOOK(write1, 1, true)
PLAIN_HOOK(write2, 2, true)
PLAIN_HOOK(write4, 4, true)
PLAIN_HOOK(write8, 8, true)
PLAIN_HOOK(write16, 16, true)
PLAIN_HOOK(unaligned_read2, 2, false)
PLAIN_HOOK(unaligned_read4, 4, false)
PLAIN_HOOK(unaligned_read8, 8, false)
PLAIN_HOOK(unaligned_read16, 16, false)
PLAIN_HOOK(unaligned_write2, 2, true)
PLAIN_HOOK(unaligned_write4, 4, true)
PLAIN_HOOK(unaligned_write8, 8, true)
PLAIN_HOOK(unaligned_write16, 16, true)

void __tsan_read_range(void *address, size_t size);
void __tsan_read_range(void *address, size_t size)
{
    memory_plain(address, size, false);
}

void __tsan_write_range(void *address, size_t size);
void __tsan_write_range(void *address, size_t size)
{
    memory_plain(address, size, true);
}

/* Nothing to do with these. */
void __tsan_init(void);
void __tsan_init(void)
{
}
void __tsan_func_entry(void *from);
void __tsan_func_entry(void *from)
{
    (void)from;
}
void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}
