/*
 * reactor/reactor_open.c - putting a reactor together, taking it apart, and its slow corners:
 * sending to another one.
 */
#include <string.h>

#include "base/memory.h"
#include "base/rare.h"
#include "reactor/reactor.h"

enum {
    SQ_ENTRIES = 512,
    CQ_ENTRIES = 16384,
    BUDGET = 256,
};

static bool running(void *arg, uint32_t *slot)
{
    const struct weft__reactor *reactor = arg;

    if (!reactor->current)
        return false;
    *slot = reactor->current->slot;
    return true;
}

static int open_stacks(struct weft__reactor *reactor, const struct weft__reactor_opt *opt)
{
    struct weft__stack_pool_opt stacks = {.count_max[1] = opt->tasks_max};
    int error = weft__stack_pool_open(&reactor->stacks, &stacks);

    if (error < 0)
        return error;
    error = weft__overflow_thread_begin(&reactor->overflow_thread);
    if (error < 0) {
        weft__stack_pool_close(&reactor->stacks);
        return error;
    }
    reactor->overflow_watch = (struct weft__overflow_watch){.pool = &reactor->stacks,
                                                            .describe = opt->describe,
                                                            .running = running,
                                                            .arg = reactor};
    weft__overflow_watch(&reactor->overflow_watch);
    return 0;
}

static void close_stacks(struct weft__reactor *reactor)
{
    weft__overflow_unwatch(&reactor->overflow_watch);
    weft__overflow_thread_end(&reactor->overflow_thread);
}

static int open_ring(struct weft__reactor *reactor, const struct weft__reactor_opt *opt)
{
    struct weft__ring_opt ring = {
        .sq_entries = weft__rare_size(opt->sq_entries ? opt->sq_entries : SQ_ENTRIES, 1),
        .cq_entries = weft__rare_size(opt->cq_entries ? opt->cq_entries : CQ_ENTRIES, 1),
        .error_text = opt->error_text,
        .error_text_size = opt->error_text_size,
        .owner = {&reactor->stats.switches, opt->describe_waits, reactor},
    };

    return weft__ring_open(&reactor->ring, &ring);
}

static int open_inbox(struct weft__reactor *reactor, const struct weft__reactor_opt *opt)
{
    int error;

    reactor->inbox = weft__inbox_new(reactor, opt->index, opt->runtime);
    if (!reactor->inbox)
        return -ENOMEM;
    error = weft__bell_open(&reactor->inbox->bell, &reactor->ring, WEFT__TOKEN_BELL);
    if (error < 0)
        weft__inbox_release(reactor->inbox);
    return error;
}

/* For builds in which it is random, see base/rare.h. */
static void mix_ready(struct weft__ready *ready)
{
    uint64_t seed = 0;

    (void)weft__host_entropy(&seed, sizeof seed);
    weft__rare_seed(&ready->dice, seed);
}

int weft__reactor_open(struct weft__reactor *reactor, const struct weft__reactor_opt *opt)
{
    int error;

    memset(reactor, 0, sizeof *reactor);
    reactor->index = opt->index;
    reactor->runtime = opt->runtime;
    reactor->budget_max = opt->budget ? opt->budget : BUDGET;
    if (weft__rare(WEFT__RARE_YIELD))
        reactor->budget_max = 1;
    reactor->errno_place = &errno;
    reactor->look.allowed = opt->look;
    reactor->stats.version = WEFT_STATS_VERSION;
    weft__timers_open(&reactor->timers, weft__host_now());
    error = weft__ready_open(&reactor->ready);
    if (error < 0)
        return error;
    if (weft__rare(WEFT__RARE_ORDER))
        mix_ready(&reactor->ready);
    error = weft__ops_open(&reactor->ops, &reactor->timers);
    if (error < 0)
        goto no_ops;
    error = open_ring(reactor, opt);
    if (error < 0)
        goto no_ring;
    error = open_inbox(reactor, opt);
    if (error < 0)
        goto no_inbox;
    error = open_stacks(reactor, opt);
    if (error < 0)
        goto no_stacks;
    weft__context_adopt(&reactor->loop);
    weft__self = reactor;
    return 0;

no_stacks:
    weft__inbox_close(reactor->inbox);
    weft__bell_close(&reactor->inbox->bell);
    weft__inbox_release(reactor->inbox);
no_inbox:
    weft__ring_close(&reactor->ring);
no_ring:
    weft__ops_close(&reactor->ops);
no_ops:
    weft__ready_close(&reactor->ready);
    return error;
}

void weft__reactor_drop_callbacks(struct weft__reactor *reactor)
{
    struct weft__ready *ready = &reactor->ready;
    uint32_t tail = ready->tail; /* those asked for meanwhile are not dropped */

    for (uint32_t place = ready->head; place != tail; place++) {
        uintptr_t *entry = &ready->entries[place & ready->mask];
        struct weft__callback *callback = *entry & WEFT__READY_CALLBACK
                                              ? (struct weft__callback *)(*entry & ~(uintptr_t)1)
                                              : NULL;
        if (!callback)
            continue;
        *entry = WEFT__READY_CALLBACK;
        WEFT__COUNT(reactor, posts_dropped);
        callback->drop(callback);
    }
}

/* What closing and abandoning share. After this nobody outside can reach the reactor. */
static void shut_door(struct weft__reactor *reactor)
{
    bool settled;

    WEFT__COUNT_BY(reactor, posts_dropped, weft__inbox_close(reactor->inbox));
    weft__reactor_drop_callbacks(reactor);
    weft__observe_end(reactor);
    close_stacks(reactor);
    /* whoever ended a sleep of ours rings once: the bell is closed after the last of them. Other
       reactors, who may ring along with their own requests, have all stopped sending by now. */
    settled = weft__bell_settle(&reactor->inbox->bell,
                                reactor->inbox->bells_owed -
                                    atomic_load_explicit(&reactor->inbox->rung_along,
                                                         memory_order_relaxed));
    weft__ring_close(&reactor->ring);
    if (settled)
        weft__bell_close(&reactor->inbox->bell);
    else /* leaked with its bell: who has yet to ring names it */
        weft__inbox_retain(reactor->inbox);
    weft__inbox_release(reactor->inbox);
    weft__context_drop(&reactor->loop);
    weft__self = NULL;
}

void weft__reactor_close(struct weft__reactor *reactor)
{
    shut_door(reactor);
    weft__stack_pool_close(&reactor->stacks);
    weft__ops_close(&reactor->ops);
    weft__ready_close(&reactor->ready);
    weft__free(reactor->trace);
}

void weft__reactor_abandon(struct weft__reactor *reactor)
{
    /* leaked, like the frames of its tasks: waiters in them that stand in queues name it still */
    weft__inbox_retain(reactor->inbox);
    shut_door(reactor);
}

/* Does it belong to a reactor of the same runtime? Another one's may close before our next visit to
   the kernel, and a loop may not visit for long. */
static bool is_peer(const struct weft__reactor *reactor, const struct weft_inbox *to)
{
    const struct weft__peers *peers = reactor->peers;

    return peers && to->index < peers->count && peers->inboxes[to->index] == to;
}

/* Rings through our own ring: the request rides along with the visit to the kernel that is about to
   come anyway. False: that cannot be, or would come too late. */
static bool ring_along(struct weft__reactor *reactor, struct weft_inbox *to)
{
    struct weft__sqe *sqe;

    if (!is_peer(reactor, to) || to->index >= 1u << WEFT__TOKEN_SHIFT ||
        weft__ready_count(&reactor->ready) > 0 ||
        !(reactor->ring.features & WEFT__FEATURE_MSG_RING) || to->bell.ring_fd < 0)
        return false;
    sqe = weft__ring_take(&reactor->ring);
    if (!sqe)
        return false;
    if (!weft__bell_prepare(&to->bell, &reactor->ring, sqe)) {
        weft__request_nop(sqe);
        sqe->flags = WEFT__SQE_SKIP_SUCCESS;
        sqe->user_data = WEFT__TOKEN_NONE;
        return false;
    }
    sqe->user_data = (uint64_t)WEFT__TOKEN_RANG << WEFT__TOKEN_SHIFT | to->index;
    atomic_fetch_add_explicit(&to->rung_along, 1, memory_order_relaxed);
    return true;
}

int weft__reactor_send(struct weft__reactor *reactor, struct weft_inbox *to,
                       struct weft__message *message)
{
    bool wake;
    int error = weft__inbox_push(to, message, &wake);

    if (error == 0 && wake && !ring_along(reactor, to))
        weft__bell_ring(&to->bell);
    return error;
}

void weft__reactor_ring_again(struct weft__reactor *reactor, const struct weft__cqe *cqe)
{
    uint32_t index = (uint32_t)cqe->user_data & ((1u << WEFT__TOKEN_SHIFT) - 1);
    struct weft_inbox *to;

    if (cqe->result >= 0 || !reactor->peers || index >= reactor->peers->count)
        return;
    to = reactor->peers->inboxes[index];
    if (!weft__inbox_visit(to))
        return; /* it woke for another reason and has closed: the bell's number is anybody's */
    /* it did not ride along after all: who closes that bell waits for this ring of it */
    atomic_fetch_sub_explicit(&to->rung_along, 1, memory_order_relaxed);
    weft__bell_ring(&to->bell);
    weft__inbox_visit_end(to);
}

#define COPY(reactor, to, from)                                                                    \
    __atomic_store_n(&(reactor)->stats.to, (reactor)->ring.counts.from, __ATOMIC_RELAXED)

void weft__reactor_count(struct weft__reactor *reactor)
{
    COPY(reactor, enters, enters);
    COPY(reactor, enters_waiting, enters_waiting);
    COPY(reactor, sqes, sqes);
    COPY(reactor, sq_full, sq_full);
    COPY(reactor, cq_overflows, overflows);
    __atomic_store_n(&reactor->stats.turns, reactor->turn, __ATOMIC_RELAXED);
    __atomic_store_n(&reactor->stats.tasks_alive,
                     reactor->stats.tasks_started - reactor->stats.tasks_ended, __ATOMIC_RELAXED);
    __atomic_store_n(&reactor->stats.ops_in_flight, reactor->ops.in_flight, __ATOMIC_RELAXED);
    __atomic_store_n(&reactor->stats.timers_alive, reactor->timers.alive, __ATOMIC_RELAXED);
}
