/*
 * reactor/inbox.c - the channel; inbox.h states the promise and why it holds.
 */
#include "reactor/inbox.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "ring/host.h"

enum {
    EMPTY = 0,
    SLEEPING = 1,
    CLOSED = 2
}; /* in the pointer's place; messages are aligned to 8 */
#define COUNT_SHIFT 48
#define COUNT_MAX UINT64_C(0xffff)
#define POINTER_MASK ((UINT64_C(1) << COUNT_SHIFT) - 1)

static struct weft__message *message_of(uint64_t word)
{
    uint64_t pointer = word & POINTER_MASK;
    return pointer > CLOSED ? (struct weft__message *)(uintptr_t)pointer : NULL;
}

struct weft_inbox *weft__inbox_new(struct weft__reactor *reactor, uint32_t index, void *runtime)
{
    struct weft_inbox *inbox = weft__alloc_aligned(WEFT__LINE, sizeof *inbox);

    if (!inbox)
        return NULL;
    memset(inbox, 0, sizeof *inbox);
    inbox->bell.eventfd = -1;
    inbox->bell.ring_fd = -1;
    inbox->reactor = reactor;
    inbox->runtime = runtime;
    inbox->index = index;
    atomic_init(&inbox->references, 1);
    atomic_init(&inbox->head, EMPTY);
    return inbox;
}

void weft__inbox_retain(struct weft_inbox *inbox)
{
    atomic_fetch_add_explicit(&inbox->references, 1, memory_order_relaxed);
}

void weft__inbox_release(struct weft_inbox *inbox)
{
    /* release: our use of it comes before its end; acquire: so does everyone else's */
    if (atomic_fetch_sub_explicit(&inbox->references, 1, memory_order_acq_rel) == 1)
        weft__free(inbox);
}

int weft__inbox_push(struct weft_inbox *inbox, struct weft__message *message, bool *wake)
{
    uint64_t old = atomic_load_explicit(&inbox->head, memory_order_relaxed);
    uint64_t count, new;

    do {
        if (old == CLOSED)
            return -ESHUTDOWN;
        message->next = message_of(old);
        count = old >> COUNT_SHIFT;
        count += count < COUNT_MAX;
        new = count << COUNT_SHIFT | (uint64_t)(uintptr_t)message;
        /* release: pairs with the acquire in take(): the message is seen whole by who runs it */
    } while (!atomic_compare_exchange_weak_explicit(&inbox->head, &old, new, memory_order_release,
                                                    memory_order_relaxed));
    *wake = old == SLEEPING;
    return 0;
}

int weft__inbox_send(struct weft_inbox *inbox, struct weft__message *message)
{
    bool wake;
    int error = weft__inbox_push(inbox, message, &wake);

    if (error == 0 && wake)
        weft__bell_ring(&inbox->bell);
    return error;
}

uint32_t weft__inbox_waiting(struct weft_inbox *inbox)
{
    return (uint32_t)(atomic_load_explicit(&inbox->head, memory_order_relaxed) >> COUNT_SHIFT);
}

bool weft__inbox_closed(struct weft_inbox *inbox)
{
    /* relaxed: who asks does not go on to read what was written before the close */
    return atomic_load_explicit(&inbox->head, memory_order_relaxed) == CLOSED;
}

bool weft__inbox_visit(struct weft_inbox *inbox)
{
    atomic_fetch_add(&inbox->visitors, 1);
    if (atomic_load(&inbox->head) != CLOSED)
        return true;
    weft__inbox_visit_end(inbox);
    return false;
}

void weft__inbox_visit_end(struct weft_inbox *inbox)
{
    /* release: what was looked at is read before weft__inbox_close sees that nobody is there */
    atomic_fetch_sub_explicit(&inbox->visitors, 1, memory_order_release);
}

/* Takes all that was pushed and appends nothing: the batch is empty. Leaves `mark` in its place. */
static uint64_t take(struct weft_inbox *inbox, uint64_t mark)
{
    /* acquire: pairs with the release in weft__inbox_push; sequentially consistent: a visitor that
       does not see CLOSED has been seen by weft__inbox_close */
    uint64_t word = atomic_exchange_explicit(&inbox->head, mark, memory_order_seq_cst);
    struct weft__message *newest = message_of(word), *oldest = NULL;

    while (newest) {
        struct weft__message *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    inbox->batch = oldest;
    return word;
}

bool weft__inbox_any(struct weft_inbox *inbox)
{
    return inbox->batch || atomic_load_explicit(&inbox->head, memory_order_relaxed) != EMPTY;
}

uint32_t weft__inbox_run(struct weft_inbox *inbox, struct weft__reactor *reactor,
                         uint32_t count_max)
{
    uint32_t count = 0;

    /* looked at before it is exchanged: an idle line stays shared */
    if (!inbox->batch && weft__inbox_any(inbox))
        take(inbox, EMPTY);
    while (inbox->batch && count < count_max) {
        struct weft__message *message = inbox->batch;
        inbox->batch = message->next; /* first: running it may free it */
        message->run(message, reactor);
        count++;
    }
    return count;
}

bool weft__inbox_sleep(struct weft_inbox *inbox)
{
    uint64_t empty = EMPTY;

    if (inbox->batch)
        return false;
    if (!atomic_compare_exchange_strong_explicit(&inbox->head, &empty, SLEEPING,
                                                 memory_order_relaxed, memory_order_relaxed))
        return false;
    inbox->sleeps++;
    return true;
}

bool weft__inbox_wake(struct weft_inbox *inbox)
{
    bool rung = take(inbox, EMPTY) != SLEEPING;

    inbox->bells_owed += rung;
    return rung;
}

uint32_t weft__inbox_close(struct weft_inbox *inbox)
{
    struct weft__message *left = inbox->batch, *next;
    uint32_t count = 0;

    for (int round = 0; round < 2; round++) { /* the batch, then what was pushed since */
        for (; left; left = next, count++) {
            next = left->next;
            if (left->drop)
                left->drop(left);
        }
        inbox->batch = NULL;
        if (round == 0)
            take(inbox, CLOSED);
        left = inbox->batch;
    }
    inbox->batch = NULL;
    while (atomic_load(&inbox->visitors) > 0) /* a look at some counters: it is over soon */
        weft__host_relax();
    return count;
}
