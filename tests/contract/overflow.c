/*
 * overflow.c - checks: more completions than fit are kept, told of, and none is lost.
 */
#include "contract.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { NOP = 1000, ACCEPT = 101, RECV = 102, BELL = 103, GROUP = 1 };

/* Submits `count` NOPs, named from `first` on, without reading anything. */
static void flood(struct contract *c, struct weft__ring *ring, uint64_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        CONTRACT_ASK(c, ring, first + i, nop);
    if (!c->trouble[0] && weft__ring_queued(ring) == ring->sq_entries) {
        contract_take(c, ring); /* makes room, which submits what is there */
        ring->sq_tail--;        /* and is not used */
    }
}

static void loses_nothing(struct contract *c)
{
    enum { TOTAL = 640 };
    struct weft__ring *ring = contract_ring(c, 16, 64);
    uint32_t once = 0;

    flood(c, ring, NOP, TOTAL);
    for (int turn = 0; turn < 100; turn++) {
        contract_here(c, ring, NOP);
        contract_submit(c, ring);
    }
    for (uint64_t i = 0; i < TOTAL; i++)
        once += contract_here(c, ring, NOP + i) == 1;
    contract_say(c, "%u of 640 came once", once);
}

static void is_told(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 16, 16);

    flood(c, ring, NOP, 32);
    contract_say(c, "%s", weft__ring_pending(ring) ? "told" : "not told");
    for (int turn = 0; turn < 10; turn++) {
        contract_here(c, ring, NOP);
        contract_submit(c, ring);
    }
    contract_say(c, "%s afterwards", weft__ring_pending(ring) ? "still told" : "nothing");
    contract_say(c, "%s", ring->counts.overflows > 0 ? "counted" : "not counted");
}

/* The kept ones find no room: nothing new is begun, and the enter has not slept. */
static void refuses_more_work(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 16, 16);
    int64_t begin_ns = weft__host_now();
    int error;

    flood(c, ring, NOP, 48);
    CONTRACT_ASK(c, ring, NOP, nop);
    if (c->trouble[0])
        return;
    error = weft__ring_enter(ring, 17, begin_ns + INT64_C(3600000000000));
    contract_say_result(c, "enter", error);
    contract_say(c, "%u still queued", weft__ring_queued(ring));
}

static void goes_on_after_reading(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 16, 16);
    uint32_t came;

    flood(c, ring, NOP, 48);
    CONTRACT_ASK(c, ring, RECV, nop);
    for (int turn = 0; turn < 10; turn++) {
        contract_here(c, ring, NOP);
        contract_submit(c, ring);
    }
    came = contract_here(c, ring, RECV);
    contract_say(c, "%u queued, %u done", weft__ring_queued(ring), came);
}

/* While more completions are kept than fit, a receive ends: its result must be among them. */
static void keeps_results(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 16, 16), *other = contract_ring(c, 0, 0);
    char bytes[4] = "";
    int pair[2];

    contract_pair(c, other, AF_INET, pair);
    CONTRACT_ASK(c, ring, RECV, recv, pair[1], bytes, 3, 0, 0);
    contract_submit(c, ring);
    contract_send(c, other, pair[0], "abc", 3);
    flood(c, ring, NOP, 32);
    contract_say_result(c, "recv", contract_wait(c, ring, RECV).result);
    contract_say(c, "%s", bytes);
}

/* Connections come while there is no room: with accepting begun again wherever it ended, each is
   there in the end. */
static void accepts_are_not_lost(struct contract *c)
{
    enum { CONNECTIONS = 12 };
    struct weft__ring *ring = contract_ring(c, 16, 16), *other = contract_ring(c, 0, 0);
    struct contract_address address;
    int listener = contract_listener(c, AF_INET, 32, &address);
    uint32_t accepted = 0;
    struct weft__cqe cqe;

    CONTRACT_ASK(c, ring, ACCEPT, accept, listener, SOCK_CLOEXEC, true);
    contract_submit(c, ring);
    flood(c, ring, NOP, 16);
    for (int i = 0; i < CONNECTIONS; i++)
        contract_connect(c, other, contract_socket(c, AF_INET), &address.storage, address.length);
    contract_enter(c, ring, 1, contract_soon());
    while (accepted < CONNECTIONS && contract_next(c, ring, ACCEPT, contract_late(), &cqe)) {
        accepted += contract_keep(c, cqe.result) >= 0;
        if (cqe.flags & WEFT__CQE_MORE)
            continue;
        CONTRACT_ASK(c, ring, ACCEPT, accept, listener, SOCK_CLOEXEC, true);
    }
    contract_say(c, "%u of 12", accepted);
}

/* What the armed accept does when its completions find no room. */
static void what_becomes_of_an_armed_accept(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 16, 16), *other = contract_ring(c, 0, 0);
    struct contract_address address;
    int listener = contract_listener(c, AF_INET, 32, &address);
    bool ended = false;
    struct weft__cqe cqe;

    CONTRACT_ASK(c, ring, ACCEPT, accept, listener, SOCK_CLOEXEC, true);
    contract_submit(c, ring);
    flood(c, ring, NOP, 16);
    for (int i = 0; i < 4; i++) {
        contract_connect(c, other, contract_socket(c, AF_INET), &address.storage, address.length);
        if (!c->trouble[0])
            weft__ring_enter(ring, 0, 0);
    }
    for (int i = 0; i < 4 && !ended && contract_next(c, ring, ACCEPT, contract_late(), &cqe); i++) {
        contract_keep(c, cqe.result);
        ended |= !(cqe.flags & WEFT__CQE_MORE);
    }
    contract_say(c, "%s", ended ? "ends" : "stays armed");
}

/* Pieces come one by one while there is no room; in the end all are there, in their order. */
static void multishot_bytes_keep_their_order(struct contract *c)
{
    enum { COUNT = 64, SIZE = 16, PIECES = 24 };
    static char memory[COUNT * SIZE];
    struct weft__ring *ring = contract_ring(c, 16, 16), *other = contract_ring(c, 0, 0);
    char received[PIECES + 1] = "";
    uint32_t count = 0;
    struct weft__cqe cqe;
    int pair[2];

    contract_pair(c, other, AF_INET, pair);
    contract_buffers(c, ring, GROUP, COUNT, memory, SIZE, COUNT);
    CONTRACT_ASK(c, ring, RECV, recv_multishot, pair[1], GROUP, 0);
    contract_submit(c, ring);
    flood(c, ring, NOP, 16);
    for (int i = 0; i < PIECES && !c->trouble[0]; i++) {
        contract_send(c, other, pair[0], &"abcdefghijklmnopqrstuvwx"[i], 1);
        weft__ring_enter(ring, 0, 0); /* reads nothing; may say that it takes nothing new */
    }
    while (count < PIECES && contract_next(c, ring, RECV, contract_late(), &cqe)) {
        for (int i = 0; i < cqe.result && count < PIECES; i++)
            received[count++] = memory[contract_buffer_id(cqe) * SIZE + (uint32_t)i];
        if (cqe.flags & WEFT__CQE_MORE)
            continue;
        CONTRACT_ASK(c, ring, RECV, recv_multishot, pair[1], GROUP, 0);
    }
    contract_say(c, "%s",
                 strcmp(received, "abcdefghijklmnopqrstuvwx") == 0 ? "in order" : received);
}

static void the_bell_is_armed_again(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 16, 16);
    struct weft__bell *bell = contract_bell(c, ring, BELL);
    struct weft__cqe cqe;
    bool ended = false;

    contract_submit(c, ring);
    flood(c, ring, NOP, 16);
    for (int i = 0; i < 5 && !c->trouble[0]; i++) {
        weft__bell_ring(bell);
        flood(c, ring, NOP, 16);
        weft__ring_enter(ring, 0, 0);
    }
    while (contract_next(c, ring, BELL, contract_soon(), &cqe))
        ended |= !(cqe.flags & WEFT__CQE_MORE);
    if (ended && !c->trouble[0])
        weft__bell_rearm(bell, ring);
    contract_submit(c, ring);
    while (contract_next(c, ring, BELL, contract_soon(), &cqe))
        continue;
    weft__bell_ring(bell);
    contract_say(c, "%s", contract_silent(c, ring, BELL) ? "deaf" : "heard");
}

const struct contract_check contract_overflow[] = {
    {"overflow/loses-nothing",
     "Completions that do not fit are kept, and each comes once.",
     "src/ring/uring_enter.c, flush_overflow",
     loses_nothing,
     0,
     {ANSWER("640 of 640 came once")}},
    {"overflow/is-told",
     "A flag says that completions are kept, until they are not.",
     "src/ring/uring_enter.c, overflown",
     is_told,
     0,
     {ANSWER("told, nothing afterwards, counted")}},
    {"overflow/refuses-more-work",
     "With no room for what is kept an enter submits nothing, says so, and does not sleep.",
     "src/ring/uring_enter.c, weft__ring_enter",
     refuses_more_work,
     0,
     {ANSWER("enter -EBUSY, 1 still queued")}},
    {"overflow/goes-on-after-reading",
     "What was refused is submitted once there is room.",
     "src/reactor/reactor.c, reap",
     goes_on_after_reading,
     0,
     {ANSWER("0 queued, 1 done")}},
    {"overflow/keeps-results",
     "The result of a receive outlives an overflow, as do its bytes.",
     "src/reactor/op.h, an operation ends by its own final completion",
     keeps_results,
     0,
     {ANSWER("recv 3, abc")}},
    {"overflow/accepts-are-not-lost",
     "An overflow may end an armed accept; armed again, it finds every connection.",
     "src/io/accept.c, settle",
     accepts_are_not_lost,
     WEFT__FEATURE_ACCEPT_MULTISHOT,
     {ANSWER("12 of 12")}},
    {"overflow/what-becomes-of-an-armed-accept",
     "Whether an armed accept ends is told by its completions, and by nothing else.",
     "src/io/accept.c, completed",
     what_becomes_of_an_armed_accept,
     WEFT__FEATURE_ACCEPT_MULTISHOT,
     {ANSWER("ends")}},
    {"overflow/multishot-bytes-keep-their-order",
     "An overflow may end an armed receive; the bytes come all the same, in order.",
     "src/io/stream_receive.c, settle",
     multishot_bytes_keep_their_order,
     WEFT__FEATURE_RECV_MULTISHOT | WEFT__FEATURE_BUFFER_RING,
     {ANSWER("in order")}},
    {"overflow/the-bell-is-armed-again",
     "An overflow may end the bell's poll; it says so, and arming it again mends it.",
     "src/reactor/reactor.c, special_completion",
     the_bell_is_armed_again,
     0,
     {ANSWER("heard")}},
    {0},
};
