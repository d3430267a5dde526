/*
 * What programs linked with the static library count: the library's own allocations, and the
 * address space it maps (stack slabs, buffers, reservations). The linker turns every mmap and
 * munmap of such a program into the ones here (--wrap, see tests/CMakeLists.txt); those made inside
 * shared libraries stay as they are, so what malloc and threads map does not disturb the count.
 */
#include "base/memory.h"
#include "support/test.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * Weak, because a program linked without --wrap has no such names; it never comes here either, and
 * its count stays 0.
 */
void *__real_mmap(void *, size_t, int, int, int, off_t) __attribute__((weak));
int __real_munmap(void *, size_t) __attribute__((weak));
void *__wrap_mmap(void *, size_t, int, int, int, off_t);
int __wrap_munmap(void *, size_t);

static atomic_size_t mapped;
static atomic_uint fail_after; /* countdown to the mapping that is to fail; 0: none */

void test_map_fail_after(unsigned n)
{
    atomic_store(&fail_after, n);
}

static int fails_now(void)
{
    unsigned left = atomic_load(&fail_after);

    while (left > 0)
        if (atomic_compare_exchange_weak(&fail_after, &left, left - 1))
            return left == 1;
    return 0;
}

static size_t whole_pages(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (size + page - 1) / page * page;
}

/* MAP_FIXED puts new memory in the place of old: nothing is added. */
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *memory;

    if (fails_now()) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    memory = __real_mmap(at, size, protection, flags, fd, offset);
    if (memory != MAP_FAILED && !(flags & MAP_FIXED))
        atomic_fetch_add_explicit(&mapped, whole_pages(size), memory_order_relaxed);
    return memory;
}

int __wrap_munmap(void *memory, size_t size)
{
    int error = __real_munmap(memory, size);

    if (error == 0)
        atomic_fetch_sub_explicit(&mapped, whole_pages(size), memory_order_relaxed);
    return error;
}

size_t test_live_allocations(void)
{
    return weft__alloc_live();
}

size_t test_mapped_bytes(void)
{
    return atomic_load_explicit(&mapped, memory_order_relaxed);
}
