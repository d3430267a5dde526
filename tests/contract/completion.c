/*
 * completion.c - checks: completions come when asked for, are whole, and the wait ends in time.
 */
#include "contract.h"

#include <sys/socket.h>

enum { RECV = 100, NOP = 101, HOUR_S = 3600 };
#define SECOND_NS INT64_C(1000000000)

/* A receive whose byte has arrived, sent through another ring; `ring` was not entered since. Over a
   Unix socket, which delivers within the send. */
static void ready_receive(struct contract *c, struct weft__ring *ring, struct weft__ring *other,
                          int pair[2], char *byte)
{
    contract_pair(c, other, AF_UNIX, pair);
    CONTRACT_ASK(c, ring, RECV, recv, pair[1], byte, 1, 0, 0);
    contract_submit(c, ring);
    contract_send(c, other, pair[0], "x", 1);
}

static void only_when_asked_for(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0), *other = contract_ring(c, 0, 0);
    int pair[2];
    char byte;

    ready_receive(c, ring, other, pair, &byte);
    contract_say(c, "%u seen before an enter", contract_here(c, ring, RECV));
    contract_submit(c, ring);
    contract_say(c, "%u after", contract_here(c, ring, RECV));
}

static void told_without_a_call(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0), *other = contract_ring(c, 0, 0);
    int pair[2];
    char byte;
    uint64_t calls;

    ready_receive(c, ring, other, pair, &byte);
    calls = ring->counts.enters;
    contract_say(c, "%s", weft__ring_pending(ring) ? "pending" : "not told");
    contract_say(c, "%llu calls", (unsigned long long)(ring->counts.enters - calls));
    contract_wait(c, ring, RECV);
    contract_say(c, "%s", weft__ring_pending(ring) ? "still pending" : "then nothing");
}

static void not_pending_while_nothing_came(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int pair[2];
    char byte;

    contract_pair(c, ring, AF_INET, pair);
    CONTRACT_ASK(c, ring, RECV, recv, pair[1], &byte, 1, 0, 0);
    contract_submit(c, ring);
    contract_say(c, "%s", weft__ring_pending(ring) ? "pending" : "nothing");
}

static void waits_for_as_many(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int64_t deadline_ns = contract_soon();

    CONTRACT_ASK(c, ring, NOP, nop);
    contract_enter(c, ring, 2, deadline_ns);
    contract_say(c, "%s", weft__host_now() >= deadline_ns ? "until the deadline" : "too short");
    contract_say(c, "%u there", contract_here(c, ring, NOP));
}

static void unread_ones_count(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int64_t begin_ns;
    uint32_t head;

    CONTRACT_ASK(c, ring, NOP, nop);
    contract_submit(c, ring);
    begin_ns = weft__host_now();
    contract_enter(c, ring, 1, begin_ns + HOUR_S * SECOND_NS);
    contract_say(c, "%s, %u there",
                 weft__host_now() - begin_ns < HOUR_S / 2 * SECOND_NS ? "at once" : "an hour",
                 weft__ring_ready(ring, &head));
}

static void a_deadline_is_never_early(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int early = 0;

    for (int i = 0; i < 50; i++) {
        int64_t deadline_ns = weft__host_now() + i * 10007;
        contract_enter(c, ring, 1, deadline_ns);
        early += weft__host_now() < deadline_ns;
    }
    contract_say(c, "%d of 50", early);
}

static void the_past_returns_at_once(struct contract *c)
{
    static const int64_t past[] = {1, 0, -1, INT64_MIN};
    struct weft__ring *ring = contract_ring(c, 0, 0);
    uint32_t seen = 0;

    for (int i = 0; i < 4; i++) {
        CONTRACT_ASK(c, ring, NOP, nop);
        contract_enter(c, ring, 100, past[i]);
    }
    seen = contract_here(c, ring, NOP);
    contract_say(c, "%u of 4 done", seen);
}

static void the_far_future_is_no_past(struct contract *c)
{
    static const int64_t far[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX / 2};
    struct weft__ring *ring = contract_ring(c, 0, 0);

    for (int i = 0; i < 3; i++) {
        CONTRACT_ASK(c, ring, NOP, nop);
        contract_enter(c, ring, 1, far[i]);
        contract_wait(c, ring, NOP);
    }
    contract_say(c, "%llu waiting enters", (unsigned long long)ring->counts.enters_waiting);
}

/* The peer's byte is sent before the sleep, by a ring of its own: the sleep has to see it. */
static void a_completion_ends_the_wait(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0), *other = contract_ring(c, 0, 0);
    int64_t begin_ns = weft__host_now();
    int pair[2];
    char byte;

    ready_receive(c, ring, other, pair, &byte);
    contract_enter(c, ring, 1, begin_ns + HOUR_S * SECOND_NS);
    contract_say(c, "%u there, %s", contract_here(c, ring, RECV),
                 weft__host_now() - begin_ns < HOUR_S / 2 * SECOND_NS ? "at once" : "an hour");
}

static void slots_are_used_again(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 16, 32);
    uint32_t right = 0;

    for (uint64_t i = 0; i < 320; i++) {
        CONTRACT_ASK(c, ring, i, nop);
        right += contract_wait(c, ring, i).user_data == i;
    }
    contract_say(c, "%u of 320, %llu overflows", right, (unsigned long long)ring->counts.overflows);
}

static void unread_ones_stay(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    uint32_t head, ready;

    CONTRACT_ASK(c, ring, NOP, nop);
    CONTRACT_ASK(c, ring, NOP + 1, nop);
    contract_submit(c, ring);
    for (int i = 0; i < 5; i++)
        contract_enter(c, ring, 1, contract_soon());
    ready = weft__ring_ready(ring, &head);
    contract_say(c, "%u", ready);
    for (uint32_t i = 0; i < ready; i++)
        contract_say(c, "%llu",
                     (unsigned long long)ring->cqes[(head + i) & ring->cq_mask].user_data);
}

static void a_nop_carries_no_flags(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__cqe cqe;

    CONTRACT_ASK(c, ring, NOP, nop);
    cqe = contract_wait(c, ring, NOP);
    contract_say(c, "%d, flags %u", cqe.result, cqe.flags);
}

static void single_requests_complete_once(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int pair[2];
    char bytes[4];
    struct weft__cqe cqe;

    contract_pair(c, ring, AF_INET, pair);
    CONTRACT_ASK(c, ring, RECV, recv, pair[1], bytes, 4, 0, 0);
    contract_send(c, ring, pair[0], "ab", 2);
    cqe = contract_wait(c, ring, RECV);
    contract_say(c, "%s", contract_more(cqe));
    contract_send(c, ring, pair[0], "cd", 2);
    contract_say(c, "%s", contract_silent(c, ring, RECV) ? "and it was" : "and another came");
}

static void a_wait_for_nothing_fetches(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0), *other = contract_ring(c, 0, 0);
    int pair[2];
    char byte;

    ready_receive(c, ring, other, pair, &byte);
    contract_enter(c, ring, 0, INT64_MAX);
    contract_say(c, "%u fetched", contract_here(c, ring, RECV));
}

static void waiting_is_counted(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);

    contract_enter(c, ring, 1, contract_soon());
    CONTRACT_ASK(c, ring, NOP, nop);
    contract_submit(c, ring);
    contract_say(c, "%llu waiting of %llu", (unsigned long long)ring->counts.enters_waiting,
                 (unsigned long long)ring->counts.enters);
}

const struct contract_check contract_completion[] = {
    {"completion/only-when-asked-for",
     "Completions appear in an enter and at no other time, so a turn is orderly.",
     "src/reactor/reactor.c, visit_kernel",
     only_when_asked_for,
     0,
     {ANSWER("0 seen before an enter, 1 after")}},
    {"completion/told-without-a-call",
     "A flag says, without a call, that completions wait.",
     "src/reactor/look.c, something_came",
     told_without_a_call,
     0,
     {ANSWER("pending, 0 calls, then nothing", .with = WEFT__FEATURE_TASKRUN_FLAG),
      ANSWER("not told, 0 calls, then nothing", .without = WEFT__FEATURE_TASKRUN_FLAG)}},
    {"completion/not-pending-while-nothing-came",
     "The flag is not raised by a request that waits.",
     "src/ring/uring_enter.c, weft__ring_enter",
     not_pending_while_nothing_came,
     0,
     {ANSWER("nothing")}},
    {"completion/waits-for-as-many",
     "A wait for two does not end with one before its deadline.",
     "src/ring/ring.h, weft__ring_enter",
     waits_for_as_many,
     0,
     {ANSWER("until the deadline, 1 there")}},
    {"completion/unread-ones-count",
     "Completions not yet read count towards the wait.",
     "src/ring/ring.h, weft__ring_enter",
     unread_ones_count,
     0,
     {ANSWER("at once, 1 there")}},
    {"completion/a-deadline-is-never-early",
     "A wait with nothing to come lasts to its deadline.",
     "src/reactor/timer.h, a timer is never early",
     a_deadline_is_never_early,
     0,
     {ANSWER("0 of 50")}},
    {"completion/the-past-returns-at-once",
     "A deadline in the past submits and fetches, and does not sleep.",
     "src/ring/uring_enter.c, limit_set",
     the_past_returns_at_once,
     0,
     {ANSWER("4 of 4 done")}},
    {"completion/the-far-future-is-no-past",
     "The largest deadlines are taken for what they are.",
     "src/reactor/timer.c, weft__timers_next",
     the_far_future_is_no_past,
     0,
     {ANSWER("3 waiting enters")}},
    {"completion/a-completion-ends-the-wait",
     "What arrived just before a sleep ends it.",
     "src/reactor/reactor.c, visit_kernel",
     a_completion_ends_the_wait,
     0,
     {ANSWER("1 there, at once")}},
    {"completion/slots-are-used-again",
     "Read completions make room for as many more, for ever.",
     "src/ring/ring.h, weft__ring_seen",
     slots_are_used_again,
     0,
     {ANSWER("320 of 320, 0 overflows")}},
    {"completion/unread-ones-stay",
     "What was not marked as read stays where it is.",
     "src/ring/ring.h, weft__ring_ready",
     unread_ones_stay,
     0,
     {ANSWER("2, 101, 102")}},
    {"completion/a-nop-carries-no-flags",
     "Where nothing is to be said the flags are 0.",
     "src/task/operation.c, weft__operation_completed",
     a_nop_carries_no_flags,
     0,
     {ANSWER("0, flags 0")}},
    {"completion/single-requests-complete-once",
     "A request made once completes once.",
     "src/reactor/op.h, the life of an operation",
     single_requests_complete_once,
     0,
     {ANSWER("the last, and it was")}},
    {"completion/a-wait-for-nothing-fetches",
     "An enter that does not wait brings what is there.",
     "src/reactor/reactor.c, visit_kernel",
     a_wait_for_nothing_fetches,
     0,
     {ANSWER("1 fetched")}},
    {"completion/waiting-is-counted",
     "Enters that may sleep are counted apart.",
     "<weft/stats.h>, enters_waiting",
     waiting_is_counted,
     0,
     {ANSWER("1 waiting of 2")}},
    {0},
};
