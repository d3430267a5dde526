/*
 * kernel.c - what stands behind the library's boundary here: memory, bells, a pause in a loop.
 *
 * Compiled with the instrumentation, as it reads what the examined code wrote. A bell is a counter
 * that ringing adds to by release and settling reads by acquire, as a write and a read of an
 * eventfd are ordered by the kernel; the wake-up itself orders nothing, which is less than any
 * kernel gives.
 */
#include "kernel.h"

#include <string.h>

#include "base/memory.h"
#include "explore.h"
#include "reactor/reactor.h"
#include "ring/host.h"
#include "task/future.h"

__thread struct weft__reactor *weft__self; /* nobody's: all threads here are foreign ones */

struct kernel_bell kernel_bells[KERNEL_BELLS_MAX];
static int64_t now; /* passes where somebody waits until a time */

void kernel_reset(void)
{
    now = 0;
    for (int i = 0; i < KERNEL_BELLS_MAX; i++) {
        kernel_bells[i] = (struct kernel_bell){.rung = explore_alloc(sizeof(uint64_t))};
        *kernel_bells[i].rung = 0;
        explore_name(kernel_bells[i].rung, "bell");
    }
}

void kernel_end(void)
{
    for (int i = 0; i < KERNEL_BELLS_MAX; i++)
        explore_free(kernel_bells[i].rung);
}

void weft__bell_ring(struct weft__bell *bell)
{
    int number = bell->eventfd;

    EXPLORE_CHECK(number >= 0 && number < KERNEL_BELLS_MAX); /* it is closed once nobody rings */
    __atomic_fetch_add(kernel_bells[number].rung, 1, __ATOMIC_RELEASE);
}

static bool is_rung(void *arg)
{
    struct kernel_bell *bell = arg;

    return memory_newest(bell->rung) > bell->heard;
}

void kernel_sleep(const struct weft__bell *bell)
{
    explore_wait(is_rung, &kernel_bells[bell->eventfd], "its bell");
    kernel_bells[bell->eventfd].heard = memory_newest(kernel_bells[bell->eventfd].rung);
}

void kernel_settle(struct weft__bell *bell, uint64_t count)
{
    while (__atomic_load_n(kernel_bells[bell->eventfd].rung, __ATOMIC_ACQUIRE) < count)
        explore_relax();
    EXPLORE_CHECK(memory_newest(kernel_bells[bell->eventfd].rung) == count);
    bell->eventfd = -1;
}

static struct { /* looked at by whoever ends: not in the frame of who waits, which is watched */
    const void *word;
    uint32_t value;
} blocked;

static bool is_changed(void *arg)
{
    (void)arg;
    return (uint32_t)memory_newest(blocked.word) != blocked.value;
}

/* A futex: that it ends orders nothing. With a deadline it may be the time that ends it. */
void weft__host_block(const void *word, uint32_t value, int64_t deadline)
{
    blocked.word = word;
    blocked.value = value;
    if (deadline != INT64_MAX && explore_choose(2))
        now = deadline;
    else
        explore_wait(is_changed, NULL, "its word");
}

/* The word may be an address only: it has changed, and who waits there has seen it or will. */
void weft__host_unblock(const void *word)
{
    (void)word;
}

int64_t weft__host_now(void)
{
    return now;
}

void weft__host_relax(void)
{
    explore_relax();
}

bool weft__host_forked(void)
{
    return false;
}

void *weft__alloc(size_t size)
{
    return explore_alloc(size);
}

void *weft__alloc_aligned(size_t alignment, size_t size)
{
    void *block = explore_alloc(size);

    EXPLORE_CHECK((uintptr_t)block % alignment == 0);
    return block;
}

void weft__free(void *block)
{
    explore_free(block);
}

/* Only a reactor's own posts would need it. */
int weft__ready_grow(struct weft__ready *ready)
{
    (void)ready;
    explore_fail("a post from elsewhere meets the ready queue");
}

/* Only a reactor's own thread would ring along. */
int weft__reactor_send(struct weft__reactor *reactor, struct weft_inbox *to,
                       struct weft__message *message)
{
    (void)reactor, (void)to, (void)message;
    explore_fail("a reactor sends, and none runs here");
}

/* Only a task is told of a cause. */
int weft__task_pass_on(struct weft__task *self, int result)
{
    (void)self, (void)result;
    explore_fail("a task is told something, and none runs here");
}

/* Debug mode is off. */
void weft__slice_begin_call(struct weft__reactor *reactor, const void *code,
                            const struct weft_call_site *site)
{
    (void)reactor, (void)code, (void)site;
}

void weft__slice_end(struct weft__reactor *reactor)
{
    (void)reactor;
}

void weft__future_unheard(const struct weft_future *future)
{
    (void)future;
}

uint64_t weft__alloc_count(void)
{
    return 0;
}
