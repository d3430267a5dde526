/*
 * Memory the ring holds by itself, where the kernel may not hold it: masked off it is refused and
 * used as it is; over RLIMIT_MEMLOCK it is refused and asked for again. What the kernel answers
 * otherwise is in tests/contract/memory.c. Would catch a refusal that is taken for success, and
 * pages that stay held, and counted, when all was let go.
 */
#include "support/test.h"

#include "ring/ring.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SIZE = 1 << 20 };

static struct weft__ring ring;
static char memory[SIZE] __attribute__((aligned(4096)));

static void set_up(void)
{
    struct weft__ring_opt opt = {.sq_entries = 8};
    ck_assert_int_eq(weft__ring_open(&ring, &opt), 0);
}

/* This process's own, who runs the tests may be root: looked at when the ring is opened. */
static void drop_the_capability(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    ck_assert_int_eq(syscall(SYS_capget, &header, data), 0);
    data[CAP_TO_INDEX(CAP_IPC_LOCK)].effective &= ~(uint32_t)CAP_TO_MASK(CAP_IPC_LOCK);
    ck_assert_int_eq(syscall(SYS_capset, &header, data), 0);
}

TEST(masked_off_it_is_refused)
{
    ck_assert_int_eq(setenv("WEFT_RING_MASK", "fixed_buffers", 1), 0);
    set_up();
    ck_assert_int_eq(ring.features & WEFT__FEATURE_FIXED_BUFFERS, 0);
    ck_assert_int_eq(weft__ring_memory_hold(&ring, 0, memory, SIZE), -ENOTSUP);
    weft__ring_memory_let_go(&ring);
    weft__ring_close(&ring);
}

TEST(more_than_may_be_locked)
{
    drop_the_capability();
    set_up();
    ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){0, 0}), 0);
    if (ring.features & WEFT__FEATURE_FIXED_BUFFERS) {
        ck_assert_int_eq(weft__ring_memory_hold(&ring, 0, memory, SIZE), -ENOMEM);
        ck_assert_int_eq(weft__ring_memory_hold(&ring, 1, memory, SIZE), -ENOMEM);
    }
    weft__ring_memory_let_go(&ring);
    weft__ring_close(&ring);
}

TEST_MAIN("ring/memory", 20, masked_off_it_is_refused, more_than_may_be_locked)
