/*
 * submission.c - checks: requests go out in order, none is lost, and a bad one hurts no other.
 */
#include "contract.h"

#include <sys/socket.h>

enum { FIRST = 100, BAD = 55 };

static void come_back_in_order(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 64, 0);
    uint32_t head, ready, right = 0;

    for (uint64_t i = 0; i < 64; i++)
        CONTRACT_ASK(c, ring, FIRST + i, nop);
    contract_submit(c, ring);
    ready = weft__ring_ready(ring, &head);
    for (uint32_t i = 0; i < ready; i++)
        right += ring->cqes[(head + i) & ring->cq_mask].user_data == FIRST + i;
    contract_say(c, "%u of %u in order", right, ready);
}

static void one_call_for_a_batch(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 32, 0);

    for (uint64_t i = 0; i < 32; i++)
        CONTRACT_ASK(c, ring, FIRST, nop);
    contract_enter(c, ring, 32, INT64_MAX);
    contract_say(c, "%llu calls for %u completions, %u left",
                 (unsigned long long)ring->counts.enters, contract_here(c, ring, FIRST),
                 weft__ring_queued(ring));
}

static void an_idle_enter(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);

    contract_submit(c, ring);
    contract_say(c, "%llu calls", (unsigned long long)ring->counts.enters);
}

static void a_full_queue(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 8, 256);

    for (uint64_t i = 0; i < 100; i++)
        CONTRACT_ASK(c, ring, FIRST, nop);
    contract_enter(c, ring, 100, INT64_MAX);
    contract_say(c, "%u came, %llu times full, %llu requests", contract_here(c, ring, FIRST),
                 (unsigned long long)ring->counts.sq_full, (unsigned long long)ring->counts.sqes);
}

/* A receive whose bytes are there waits to be fetched; making room must not fetch it. */
static void making_room_fetches_nothing(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 8, 64), *other = contract_ring(c, 0, 0);
    int pair[2];
    char byte;
    uint32_t head;

    contract_pair(c, other, AF_UNIX, pair); /* which delivers within the send */
    CONTRACT_ASK(c, ring, FIRST, recv, pair[1], &byte, 1, 0, 0);
    contract_submit(c, ring);
    contract_send(c, other, pair[0], "x", 1);
    for (uint64_t i = 0; i < 9; i++) { /* one more than there is room for */
        CONTRACT_ASK(c, ring, FIRST + 1, nop);
        ring->sqes[(ring->sq_tail - 1) & ring->sq_mask].flags = WEFT__SQE_SKIP_SUCCESS;
    }
    contract_say(c, "%u after making room", weft__ring_ready(ring, &head));
    contract_submit(c, ring);
    contract_say(c, "%u after an enter", weft__ring_ready(ring, &head));
}

static void a_bad_one_stops_nothing(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);

    CONTRACT_ASK(c, ring, FIRST, nop);
    CONTRACT_ASK(c, ring, BAD, nop);
    ring->sqes[(ring->sq_tail - 1) & ring->sq_mask].opcode = 250;
    CONTRACT_ASK(c, ring, FIRST, nop);
    contract_enter(c, ring, 3, INT64_MAX);
    contract_say(c, "%llu call", (unsigned long long)ring->counts.enters);
    contract_say(c, "%u good", contract_here(c, ring, FIRST));
    contract_say_result(c, "bad", contract_wait(c, ring, BAD).result);
}

/* Which of the two comes first is nobody's business above: completions are looked up by name. */
static void where_a_bad_one_comes(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    uint32_t head, ready;

    CONTRACT_ASK(c, ring, FIRST, nop);
    CONTRACT_ASK(c, ring, BAD, nop);
    ring->sqes[(ring->sq_tail - 1) & ring->sq_mask].opcode = 250;
    contract_enter(c, ring, 2, INT64_MAX);
    ready = weft__ring_ready(ring, &head);
    contract_say(c, "%s",
                 ready < 2                                           ? "not there"
                 : ring->cqes[head & ring->cq_mask].user_data == BAD ? "before its elders"
                                                                     : "in its place");
}

static void a_bad_descriptor(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = contract_socket(c, AF_INET);

    contract_drop(c, fd);
    contract_say_result(c, "send", contract_send(c, ring, fd, "x", 1));
    contract_say_result(c, "send to -1", contract_send(c, ring, -1, "x", 1));
}

static void slots_are_free_after_an_enter(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 8, 0);
    int pair[2];
    char byte = 0;

    contract_pair(c, ring, AF_INET, pair);
    CONTRACT_ASK(c, ring, FIRST, recv, pair[1], &byte, 1, 0, 0);
    contract_submit(c, ring);
    for (int i = 0; i < 16; i++) /* the slot of the receive is written over, twice */
        CONTRACT_ASK(c, ring, FIRST + 1, nop);
    contract_submit(c, ring);
    contract_send(c, ring, pair[0], "x", 1);
    contract_say_result(c, "recv", contract_wait(c, ring, FIRST).result);
    contract_say(c, "%c", byte);
}

static void success_may_be_silent(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);

    CONTRACT_ASK(c, ring, FIRST, nop);
    ring->sqes[(ring->sq_tail - 1) & ring->sq_mask].flags = WEFT__SQE_SKIP_SUCCESS;
    contract_submit(c, ring);
    contract_say(c, "%s", contract_silent(c, ring, FIRST) ? "silent" : "a completion");
}

static void failure_is_never_silent(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = contract_socket(c, AF_INET);

    contract_drop(c, fd);
    CONTRACT_ASK(c, ring, FIRST, send, fd, "x", 1, MSG_NOSIGNAL);
    ring->sqes[(ring->sq_tail - 1) & ring->sq_mask].flags = WEFT__SQE_SKIP_SUCCESS;
    contract_say_result(c, "send", contract_wait(c, ring, FIRST).result);
}

static void names_come_back_whole(struct contract *c)
{
    static const uint64_t names[] = {0,          1,
                                     UINT32_MAX, UINT64_C(1) << 32,
                                     INT64_MAX,  UINT64_C(0xfedcba9876543210),
                                     UINT64_MAX};
    struct weft__ring *ring = contract_ring(c, 0, 0);
    unsigned right = 0;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        CONTRACT_ASK(c, ring, names[i], nop);
    contract_submit(c, ring);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        right += contract_here(c, ring, names[i]) == 1;
    contract_say(c, "%u of 7", right);
}

/* Ten times more waiting requests than completions would fit. */
static void more_in_flight_than_fits(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 16, 16);
    static char bytes[160];
    int pair[2];

    contract_pair(c, ring, AF_INET, pair);
    for (int i = 0; i < 160; i++)
        CONTRACT_ASK(c, ring, FIRST + (uint64_t)i, recv, pair[1], &bytes[i], 1, 0,
                     WEFT__RECV_POLL_FIRST);
    contract_submit(c, ring);
    contract_say(c, "%u refused", weft__ring_queued(ring));
    contract_say(c, "%llu overflows", (unsigned long long)ring->counts.overflows);
}

static void memory_is_read_when_it_runs(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    char out[2] = "ab", in[3] = "";
    int pair[2];

    contract_pair(c, ring, AF_INET, pair);
    contract_send(c, ring, pair[0], out, 2);
    out[0] = out[1] = 'z'; /* the send has completed: the kernel has the bytes */
    contract_recv(c, ring, pair[1], in, 2);
    contract_say(c, "%s", in);
}

const struct contract_check contract_submission[] = {
    {"submission/come-back-in-order",
     "Requests are looked at in the order they were taken.",
     "src/ring/ring.h, a request taken is submitted in the order taken",
     come_back_in_order,
     0,
     {ANSWER("64 of 64 in order")}},
    {"submission/one-call-for-a-batch",
     "Submitting a batch and waiting for it is one system call.",
     "src/reactor/reactor.c, visit_kernel",
     one_call_for_a_batch,
     0,
     {ANSWER("1 calls for 32 completions, 0 left")}},
    {"submission/an-idle-enter",
     "With the flag, an enter that has nothing to do makes no call.",
     "src/ring/uring_enter.c, weft__ring_enter",
     an_idle_enter,
     0,
     {ANSWER("0 calls", .with = WEFT__FEATURE_TASKRUN_FLAG),
      ANSWER("1 calls", .without = WEFT__FEATURE_TASKRUN_FLAG)}},
    {"submission/a-full-queue",
     "A full queue submits itself, and nothing is lost.",
     "src/ring/uring_enter.c, weft__ring_take_slow",
     a_full_queue,
     0,
     {ANSWER("100 came, 12 times full, 100 requests")}},
    {"submission/making-room-fetches-nothing",
     "Taking a request brings no completions while its taker is in the middle of something.",
     "src/ring/uring_enter.c, weft__ring_take_slow",
     making_room_fetches_nothing,
     0,
     {ANSWER("0 after making room, 1 after an enter")}},
    {"submission/a-bad-one-stops-nothing",
     "A request the kernel rejects is answered, and those behind it run in the same call.",
     "src/ring/uring_open.c, SUBMIT_ALL",
     a_bad_one_stops_nothing,
     0,
     {ANSWER("1 call, 2 good, bad -EINVAL")}},
    {"submission/where-a-bad-one-comes",
     "Completions come in any order: they are looked up by name.",
     "src/reactor/reactor.h, weft__op_complete",
     where_a_bad_one_comes,
     0,
     {ANSWER("in its place", .since = CONTRACT_KERNEL(6, 2)),
      ANSWER("before its elders", .before = CONTRACT_KERNEL(6, 18), .whose = CONTRACT_REAL)}},
    {"submission/a-bad-descriptor",
     "A request on a closed descriptor completes with -EBADF.",
     "src/io/transfer.c, end",
     a_bad_descriptor,
     0,
     {ANSWER("send -EBADF, send to -1 -EBADF")}},
    {"submission/slots-are-free-after-an-enter",
     "What was in a slot is the kernel's own once an enter took it.",
     "src/ring/ring.h, weft__ring_take",
     slots_are_free_after_an_enter,
     0,
     {ANSWER("recv 1, x")}},
    {"submission/success-may-be-silent",
     "A request may ask to complete only if it fails.",
     "src/ring/request.h, weft__request_cancel",
     success_may_be_silent,
     0,
     {ANSWER("silent")}},
    {"submission/failure-is-never-silent",
     "Such a request completes all the same when it fails.",
     "src/reactor/reactor_open.c, weft__reactor_ring_again",
     failure_is_never_silent,
     0,
     {ANSWER("send -EBADF")}},
    {"submission/names-come-back-whole",
     "All 64 bits of user_data come back.",
     "src/reactor/reactor.h, weft__op_complete",
     names_come_back_whole,
     0,
     {ANSWER("7 of 7")}},
    {"submission/more-in-flight-than-fits",
     "More requests may wait than completions fit: the queue is no limit on tasks.",
     "docs/decisions/0008-completions-unbounded.md",
     more_in_flight_than_fits,
     0,
     {ANSWER("0 refused, 0 overflows")}},
    {"submission/memory-is-free-after-the-completion",
     "Once a send has completed its bytes may be written over: the peer gets the old ones.",
     "src/io/transfer.c, weft_send",
     memory_is_read_when_it_runs,
     0,
     {ANSWER("ab")}},
    {0},
};
