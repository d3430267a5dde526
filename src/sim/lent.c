/*
 * sim/lent.c - the kernel owns what it was lent until the completion says otherwise.
 *
 * Memory to be written is poisoned under the address sanitizer: who reads it early is reported at
 * that instruction, and a frame that ended early has taken the poison with it, which is seen when
 * it is given back. Memory to be read may be read by others too; of that a print is taken, which
 * must be the same in the end. What was hidden before, by the library, is hidden afterwards.
 */
#include "sim/lent.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "coro/sanitize.h"

enum { PRINT_MAX = 512 }; /* bytes at either end: a reused buffer differs at once or hardly ever */

#ifdef WEFT__SAN_ADDRESS

/* Whole granules of the sanitizer's within the memory: parts of one cannot be poisoned. */
static bool poison_holds(const unsigned char *memory, size_t size)
{
    uintptr_t from = ((uintptr_t)memory + 7) & ~(uintptr_t)7;
    uintptr_t to = ((uintptr_t)memory + size) & ~(uintptr_t)7;

    for (; from < to; from += 8)
        if (!__asan_address_is_poisoned((void *)from))
            return false;
    return true;
}

/* What the sanitizer's shadow says of memory that a program has hidden by itself, as the library
   does with buffers that are nobody's to look at just now. */
enum { HIDDEN_BY_PROGRAM = 0xf7, GRANULE = 8 };

/* Whether somebody has hidden it. False in *whole: it is not memory of anybody's. */
static __attribute__((no_sanitize_address)) bool is_hidden(void *memory, size_t size, bool *whole)
{
    uintptr_t first = (uintptr_t)__asan_region_is_poisoned(memory, size);
    size_t scale, offset;
    unsigned char mark;

    *whole = true;
    if (!first)
        return false;
    __asan_get_shadow_mapping(&scale, &offset);
    mark = *(const unsigned char *)((first >> scale) + offset);
    *whole = mark == HIDDEN_BY_PROGRAM || mark < GRANULE;
    return true;
}

#else

static bool is_hidden(void *memory, size_t size, bool *whole)
{
    (void)memory, (void)size;
    *whole = true;
    return false;
}

static bool poison_holds(const unsigned char *memory, size_t size)
{
    (void)memory, (void)size;
    return true;
}

#endif

static uint64_t print_of(const unsigned char *memory, size_t size, uint64_t print)
{
    uint64_t word;

    for (; size >= sizeof word; size -= sizeof word, memory += sizeof word) {
        memcpy(&word, memory, sizeof word);
        print = (print ^ word) * UINT64_C(0x9fb21c651e98df25);
        print ^= print >> 32;
    }
    for (; size > 0; size--)
        print = (print ^ *memory++) * UINT64_C(0x100000001b3);
    return print;
}

static uint64_t print_lent(const struct weft__sim_lent *lent)
{
    size_t part = lent->size < PRINT_MAX ? lent->size : PRINT_MAX;
    uint64_t print = print_of(lent->memory, part, lent->size);

    return print_of(lent->memory + lent->size - part, part, print);
}

bool weft__sim_lend(struct weft__sim_lent *lent, void *memory, size_t size, bool to_write)
{
    bool whole = true;

    *lent = (struct weft__sim_lent){.memory = memory, .to_write = to_write};
    if (size > 0)
        lent->hidden = is_hidden(memory, size, &whole);
    if (!whole)
        return false;
    lent->size = size;
    if (size > 0 && !to_write) {
        weft__sim_lent_open(lent);
        lent->print = print_lent(lent);
    }
    weft__sim_lent_shut(lent);
    return true;
}

void weft__sim_lent_open(const struct weft__sim_lent *lent)
{
    if ((lent->to_write || lent->hidden) && lent->size)
        weft__san_unpoison(lent->memory, lent->size);
}

void weft__sim_lent_shut(const struct weft__sim_lent *lent)
{
    if ((lent->to_write || lent->hidden) && lent->size)
        weft__san_poison(lent->memory, lent->size);
}

bool weft__sim_give_back(struct weft__sim_lent *lent)
{
    bool held = true;

    if (lent->size == 0)
        return true;
    if (lent->to_write && !lent->hidden)
        held = poison_holds(lent->memory, lent->size);
    weft__sim_lent_open(lent);
    if (!lent->to_write)
        held = lent->print == print_lent(lent);
    if (lent->hidden)
        weft__sim_lent_shut(lent);
    lent->size = 0;
    return held;
}

/* -- memory that is none ------------------------------------------------------------------------
 */

enum { PAGE = 4096, PAGES_KNOWN = 1024 };

/* Pages that were there when last asked about, by their low bits: number times two, and one more
   when it may be written too. */
static __thread uintptr_t known[PAGES_KNOWN];

void weft__sim_forget_pages(void)
{
    memset(known, 0, sizeof known);
}

/* Has the kernel bring the page in, which changes nothing; if that cannot be, for whatever reason,
   has it copy a byte of it to us and back. Where that call does not exist, all memory is taken to
   be there. */
static bool ask(uintptr_t address, bool to_write)
{
    void *page = (void *)(address / PAGE * PAGE);
    unsigned char byte;
    struct iovec here = {&byte, 1}, there = {(void *)address, 1};

    if (madvise(page, PAGE, to_write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ) == 0)
        return true;
    if (process_vm_readv(getpid(), &here, 1, &there, 1, 0) != 1)
        return errno != EFAULT;
    return !to_write || process_vm_writev(getpid(), &here, 1, &there, 1, 0) == 1 || errno != EFAULT;
}

static bool page_is_there(uintptr_t address, bool to_write)
{
    uintptr_t page = address / PAGE, *slot = &known[page % PAGES_KNOWN];

    if (page == 0) /* also what an empty slot says */
        return false;
    if (*slot / 2 == page && (!to_write || *slot % 2))
        return true;
    if (!ask(address, to_write))
        return false;
    *slot = page * 2 + to_write;
    return true;
}

bool weft__sim_is_there(void *memory, size_t size, bool to_write)
{
    uintptr_t from = (uintptr_t)memory, to = from + size;

    for (; from < to; from = (from / PAGE + 1) * PAGE)
        if (!page_is_there(from, to_write))
            return false;
    return true;
}
