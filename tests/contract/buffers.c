/*
 * buffers.c - checks: rings of buffers from which the kernel picks, and receives that stay armed.
 */
#include "contract.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { RECV = 100, OTHER = 101, GROUP = 7, COUNT = 4, SIZE = 16 };

struct setting {
    struct weft__ring *ring;
    struct weft__buffer_ring *buffers;
    int near, far;
};

static char memory[64][SIZE];

static struct setting setting_of(struct contract *c, int family, uint32_t offered)
{
    struct setting s = {.ring = contract_ring(c, 0, 0), .near = -1, .far = -1};
    int pair[2] = {-1, -1};

    contract_pair(c, s.ring, family, pair);
    s.buffers = contract_buffers(c, s.ring, GROUP, COUNT, memory, SIZE, offered);
    s.near = pair[1];
    s.far = pair[0];
    return s;
}

static struct setting setting(struct contract *c, uint32_t offered)
{
    return setting_of(c, AF_INET, offered);
}

static void offer(struct contract *c, struct setting s, uint16_t id)
{
    if (c->trouble[0])
        return;
    weft__buffer_ring_add(s.buffers, memory[id], SIZE, id);
    weft__buffer_ring_publish(s.buffers);
}

/* Says what a completion brought: the text, the end or an error, and what its flags add. */
static void say_piece(struct contract *c, struct weft__cqe cqe)
{
    if (cqe.result > 0 && cqe.flags & WEFT__CQE_BUFFER)
        contract_say(c, "\"%.*s\"", cqe.result, memory[contract_buffer_id(cqe) % 64]);
    else
        contract_say_result(c, cqe.flags & WEFT__CQE_BUFFER ? "with a buffer" : "no buffer",
                            cqe.result);
    if (!(cqe.flags & WEFT__CQE_MORE))
        contract_say(c, "the last");
}

static void sizes(struct contract *c)
{
    static const uint32_t wrong[] = {0, 3, 65536, 1u << 31};
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__buffer_ring buffers;
    int refused = 0;

    for (int i = 0; i < 4; i++)
        refused += weft__buffer_ring_open(ring, &buffers, GROUP, wrong[i]) == -EINVAL;
    contract_say(c, "%d of 4 refused", refused);
}

static void those_of_the_pool(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);

    contract_buffers(c, ring, 1, 4096, NULL, 0, 0);
    contract_buffers(c, ring, 2, 512, NULL, 0, 0);
    contract_buffers(c, ring, 3, 256, NULL, 0, 0);
    contract_say(c, "three at once");
}

static void closed_and_opened_again(struct contract *c)
{
    struct setting s = setting(c, 1);
    struct contract_ring *own = (struct contract_ring *)s.ring;

    for (int i = 0; i < 3 && !c->trouble[0]; i++) {
        weft__buffer_ring_close(s.ring, &own->groups[--own->group_count]);
        s.buffers = contract_buffers(c, s.ring, GROUP, COUNT, memory, SIZE, 1);
    }
    CONTRACT_ASK(c, s.ring, RECV, recv_multishot, s.near, GROUP, 0);
    contract_send(c, s.ring, s.far, "abc", 3);
    say_piece(c, contract_wait(c, s.ring, RECV));
}

static void pieces(struct contract *c)
{
    struct setting s = setting(c, 3);

    CONTRACT_ASK(c, s.ring, RECV, recv_multishot, s.near, GROUP, 0);
    contract_send(c, s.ring, s.far, "ab", 2);
    say_piece(c, contract_wait(c, s.ring, RECV));
    contract_send(c, s.ring, s.far, "cd", 2);
    say_piece(c, contract_wait(c, s.ring, RECV));
}

static void what_is_there_already(struct contract *c)
{
    struct setting s = setting(c, 3);

    contract_send(c, s.ring, s.far, "ab", 2);
    CONTRACT_ASK(c, s.ring, RECV, recv_multishot, s.near, GROUP, 0);
    say_piece(c, contract_wait(c, s.ring, RECV));
}

/* 10 kB of known bytes through 4 buffers of 16, each offered again when it was read. */
static void recycled_in_order(struct contract *c)
{
    enum { TOTAL = 10000, PIECE = 200 };
    struct setting s = setting(c, COUNT);
    size_t sent = 0, received = 0, wrong = 0;
    struct weft__cqe cqe;

    CONTRACT_ASK(c, s.ring, RECV, recv_multishot, s.near, GROUP, 0);
    while (received < TOTAL && !c->trouble[0]) {
        if (sent == received) {
            char piece[PIECE];
            for (size_t i = 0; i < PIECE; i++)
                piece[i] = (char)((sent + i) * 7 / 3);
            contract_send(c, s.ring, s.far, piece, PIECE);
            sent += PIECE;
        }
        cqe = contract_wait(c, s.ring, RECV);
        if (cqe.flags & WEFT__CQE_BUFFER) {
            for (int i = 0; i < cqe.result; i++, received++)
                wrong += memory[contract_buffer_id(cqe) % 64][i] != (char)(received * 7 / 3);
            offer(c, s, (uint16_t)contract_buffer_id(cqe));
        }
        if (!(cqe.flags & WEFT__CQE_MORE))
            CONTRACT_ASK(c, s.ring, RECV, recv_multishot, s.near, GROUP, 0);
    }
    contract_say(c, "%zu bytes, %zu wrong", received, wrong);
}

static void more_than_a_buffer(struct contract *c)
{
    struct setting s = setting(c, 3);

    CONTRACT_ASK(c, s.ring, RECV, recv_multishot, s.near, GROUP, 0);
    contract_send(c, s.ring, s.far, "0123456789abcdefGHI", 19);
    say_piece(c, contract_wait(c, s.ring, RECV));
    say_piece(c, contract_wait(c, s.ring, RECV));
}

static void the_end(struct contract *c)
{
    struct setting s = setting(c, 3);

    CONTRACT_ASK(c, s.ring, RECV, recv_multishot, s.near, GROUP, 0);
    contract_submit(c, s.ring);
    contract_drop(c, s.far);
    say_piece(c, contract_wait(c, s.ring, RECV));
    CONTRACT_ASK(c, s.ring, RECV, recv_multishot, s.near, GROUP, 0);
    say_piece(c, contract_wait(c, s.ring, RECV));
}

/* The end, of whatever kind, was there before the receive: nothing will happen any more. (One that
   is armed to wait first overlooks it, see decision 64.) */
static void say_bytes_and_end(struct contract *c, struct setting s, bool reset)
{
    struct weft__cqe cqe;

    contract_send(c, s.ring, s.far, "ab", 2);
    if (reset)
        contract_reset_on_close(c, s.far);
    contract_drop(c, s.far);
    CONTRACT_ASK(c, s.ring, RECV, recv_multishot, s.near, GROUP, 0);
    cqe = contract_wait(c, s.ring, RECV);
    say_piece(c, cqe);
    if (cqe.flags & WEFT__CQE_MORE)
        say_piece(c, contract_wait(c, s.ring, RECV));
}

static void bytes_before_the_end(struct contract *c)
{
    say_bytes_and_end(c, setting(c, 3), false);
}

static void bytes_before_a_reset(struct contract *c)
{
    say_bytes_and_end(c, setting(c, 3), true);
}

static void bytes_before_the_end_of_a_unix_one(struct contract *c)
{
    say_bytes_and_end(c, setting_of(c, AF_UNIX, 3), false);
}

static void a_reset(struct contract *c)
{
    struct setting s = setting(c, 3);

    CONTRACT_ASK(c, s.ring, RECV, recv_multishot, s.near, GROUP, 0);
    contract_submit(c, s.ring);
    contract_reset_on_close(c, s.far);
    contract_drop(c, s.far);
    say_piece(c, contract_wait(c, s.ring, RECV));
}

/* Arming on an empty ring may be answered at once or when bytes come: both are a pause. */
static void none_at_first(struct contract *c)
{
    struct setting s = setting(c, 0);
    struct weft__cqe cqe;

    CONTRACT_ASK(c, s.ring, RECV, recv_multishot, s.near, GROUP, 0);
    if (contract_next(c, s.ring, RECV, contract_soon(), &cqe)) {
        contract_say(c, "told at once");
    } else {
        contract_send(c, s.ring, s.far, "ab", 2);
        contract_say(c, "told when bytes come");
        cqe = contract_wait(c, s.ring, RECV);
    }
    say_piece(c, cqe);
}

static void a_pause(struct contract *c)
{
    struct setting s = setting(c, 1);
    struct weft__cqe cqe;

    CONTRACT_ASK(c, s.ring, RECV, recv_multishot, s.near, GROUP, 0);
    contract_send(c, s.ring, s.far, "ab", 2);
    cqe = contract_wait(c, s.ring, RECV);
    contract_send(c, s.ring, s.far, "cd", 2);
    if (cqe.flags & WEFT__CQE_MORE)
        cqe = contract_wait(c, s.ring, RECV);
    say_piece(c, cqe);
    offer(c, s, 2);
    CONTRACT_ASK(c, s.ring, RECV, recv_multishot, s.near, GROUP, 0);
    cqe = contract_wait(c, s.ring, RECV);
    contract_say(c, "then %.*s", cqe.result > 0 ? cqe.result : 0,
                 memory[contract_buffer_id(cqe) % 64]);
}

static void unpublished_ones_are_not_there(struct contract *c)
{
    struct setting s = setting(c, 0);
    struct weft__cqe cqe;

    if (c->trouble[0])
        return;
    weft__buffer_ring_add(s.buffers, memory[1], SIZE, 1);
    contract_send(c, s.ring, s.far, "ab", 2);
    CONTRACT_ASK(c, s.ring, RECV, recv_multishot, s.near, GROUP, 0);
    cqe = contract_wait(c, s.ring, RECV);
    contract_say_result(c, "before", cqe.result);
    weft__buffer_ring_publish(s.buffers);
    CONTRACT_ASK(c, s.ring, RECV, recv_multishot, s.near, GROUP, 0);
    contract_say_result(c, "after", contract_wait(c, s.ring, RECV).result);
}

static void names_of_buffers(struct contract *c)
{
    struct setting s = setting(c, 0);
    static char last[SIZE];
    struct weft__cqe cqe;

    if (c->trouble[0])
        return;
    weft__buffer_ring_add(s.buffers, last, SIZE, 4095);
    weft__buffer_ring_publish(s.buffers);
    contract_send(c, s.ring, s.far, "ab", 2);
    CONTRACT_ASK(c, s.ring, RECV, recv_multishot, s.near, GROUP, 0);
    cqe = contract_wait(c, s.ring, RECV);
    contract_say(c, "%u, %s", contract_buffer_id(cqe), last);
}

static void each_to_one(struct contract *c)
{
    struct setting s = setting(c, 2);
    int pair[2] = {-1, -1};
    struct weft__cqe one, two;

    contract_pair(c, s.ring, AF_INET, pair);
    CONTRACT_ASK(c, s.ring, RECV, recv_multishot, s.near, GROUP, 0);
    CONTRACT_ASK(c, s.ring, OTHER, recv_multishot, pair[1], GROUP, 0);
    contract_submit(c, s.ring);
    contract_send(c, s.ring, s.far, "a", 1);
    contract_send(c, s.ring, pair[0], "b", 1);
    one = contract_wait(c, s.ring, RECV);
    two = contract_wait(c, s.ring, OTHER);
    contract_say(c, "%s", contract_buffer_id(one) != contract_buffer_id(two) ? "two" : "the same");
    contract_say(c, "%c and %c", memory[contract_buffer_id(one) % 64][0],
                 memory[contract_buffer_id(two) % 64][0]);
}

static void a_cancel_keeps_none(struct contract *c)
{
    struct setting s = setting(c, COUNT);
    int32_t answer;
    unsigned count = 0;

    for (int i = 0; i < 5; i++) {
        CONTRACT_ASK(c, s.ring, RECV, recv_multishot, s.near, GROUP, 0);
        contract_submit(c, s.ring);
        contract_cancel(c, s.ring, RECV, &answer);
        contract_wait(c, s.ring, RECV);
    }
    CONTRACT_ASK(c, s.ring, RECV, recv_multishot, s.near, GROUP, 0);
    for (int i = 0; i < COUNT; i++) {
        contract_send(c, s.ring, s.far, "x", 1);
        struct weft__cqe cqe = contract_wait(c, s.ring, RECV);
        count += cqe.result == 1 && cqe.flags & WEFT__CQE_BUFFER;
        if (!(cqe.flags & WEFT__CQE_MORE))
            CONTRACT_ASK(c, s.ring, RECV, recv_multishot, s.near, GROUP, 0);
    }
    contract_say(c, "%u of %u still there", count, COUNT);
}

static void a_single_receive(struct contract *c)
{
    struct setting s = setting(c, 2);

    CONTRACT_ASK(c, s.ring, RECV, recv_select, s.near, GROUP, SIZE, WEFT__RECV_POLL_FIRST);
    contract_send(c, s.ring, s.far, "ab", 2);
    say_piece(c, contract_wait(c, s.ring, RECV));
    contract_send(c, s.ring, s.far, "cd", 2);
    contract_say(c, "%s", contract_silent(c, s.ring, RECV) ? "and it was" : "another");
}

static void a_single_receive_without(struct contract *c)
{
    struct setting s = setting(c, 0);
    struct weft__cqe cqe;

    contract_send(c, s.ring, s.far, "ab", 2);
    CONTRACT_ASK(c, s.ring, RECV, recv_select, s.near, GROUP, SIZE, WEFT__RECV_POLL_FIRST);
    say_piece(c, contract_wait(c, s.ring, RECV));
    offer(c, s, 1);
    CONTRACT_ASK(c, s.ring, RECV, recv_select, s.near, GROUP, SIZE, WEFT__RECV_POLL_FIRST);
    cqe = contract_wait(c, s.ring, RECV);
    contract_say_result(c, "then", cqe.result);
}

static void a_single_end(struct contract *c)
{
    struct setting s = setting(c, 1);
    struct weft__cqe cqe;

    contract_drop(c, s.far);
    CONTRACT_ASK(c, s.ring, RECV, recv_select, s.near, GROUP, SIZE, WEFT__RECV_POLL_FIRST);
    cqe = contract_wait(c, s.ring, RECV);
    contract_say_result(c, "the end", cqe.result);
    contract_say(c, "%s", contract_more(cqe));
}

static void sizes_side_by_side(struct contract *c)
{
    struct setting s = setting(c, 1);
    static char large[256];
    int pair[2] = {-1, -1};

    contract_pair(c, s.ring, AF_INET, pair);
    contract_buffers(c, s.ring, GROUP + 1, 1, large, sizeof large, 1);
    contract_send(c, s.ring, s.far, "0123456789abcdefGHI", 19);
    contract_send(c, s.ring, pair[0], "0123456789abcdefGHI", 19);
    CONTRACT_ASK(c, s.ring, RECV, recv_multishot, s.near, GROUP, 0);
    CONTRACT_ASK(c, s.ring, OTHER, recv_multishot, pair[1], GROUP + 1, 0);
    contract_say_result(c, "small", contract_wait(c, s.ring, RECV).result);
    contract_say_result(c, "large", contract_wait(c, s.ring, OTHER).result);
}

static void no_such_group(struct contract *c)
{
    struct setting s = setting(c, 0);

    contract_send(c, s.ring, s.far, "ab", 2);
    CONTRACT_ASK(c, s.ring, RECV, recv_multishot, s.near, GROUP + 1, 0);
    contract_say_result(c, "recv", contract_wait(c, s.ring, RECV).result);
}

static void memory_that_is_none(struct contract *c)
{
    struct setting s = setting(c, 0);
    void *nowhere = weft__host_reserve(65536);
    char text[3] = "";
    struct weft__cqe cqe;

    weft__host_unreserve(nowhere, 65536);
    if (c->trouble[0])
        return;
    weft__buffer_ring_add(s.buffers, nowhere, SIZE, 1);
    weft__buffer_ring_publish(s.buffers);
    contract_send(c, s.ring, s.far, "ab", 2);
    CONTRACT_ASK(c, s.ring, RECV, recv_multishot, s.near, GROUP, 0);
    cqe = contract_wait(c, s.ring, RECV);
    contract_say_result(c, "recv", cqe.result);
    contract_say(c, "%s", contract_more(cqe));
    contract_recv(c, s.ring, s.near, text, 2);
    contract_say(c, "then %s", text);
}

#define POOL WEFT__FEATURE_BUFFER_RING
#define ARMED (WEFT__FEATURE_BUFFER_RING | WEFT__FEATURE_RECV_MULTISHOT)
#define RECEIVED "src/io/stream_receive.c, received"

const struct contract_check contract_buffering[] = {
    {"buffers/sizes",
     "A count that is no power of two, or too large, is refused.",
     "src/ring/ring.h, weft__buffer_ring_open",
     sizes,
     POOL,
     {ANSWER("4 of 4 refused")}},
    {"buffers/those-of-the-pool",
     "The rings of all three sizes of buffer can be had.",
     "src/io/buffers.c, counts",
     those_of_the_pool,
     POOL,
     {ANSWER("three at once")}},
    {"buffers/closed-and-opened-again",
     "A group that was closed can be opened again.",
     "src/io/buffers.c, weft__buffers_free",
     closed_and_opened_again,
     ARMED,
     {ANSWER("\"abc\"")}},
    {"buffers/pieces",
     "Each piece comes with a buffer, and the receive stays armed.",
     RECEIVED,
     pieces,
     ARMED,
     {ANSWER("\"ab\", \"cd\"")}},
    {"buffers/what-is-there-already",
     "Armed, it finds what is there.",
     "src/io/stream_receive.c, arm_from_pool",
     what_is_there_already,
     ARMED,
     {ANSWER("\"ab\"")}},
    {"buffers/recycled-in-order",
     "Bytes come whole and in order through buffers offered again.",
     "src/io/buffers.c, weft__buffers_give",
     recycled_in_order,
     ARMED,
     {ANSWER("10000 bytes, 0 wrong")}},
    {"buffers/more-than-a-buffer",
     "What does not fit one buffer goes on in the next.",
     RECEIVED,
     more_than_a_buffer,
     ARMED,
     {ANSWER("\"0123456789abcdef\", \"GHI\"")}},
    {"buffers/the-end",
     "The end is 0, without a buffer, and the last; armed again, the same.",
     RECEIVED,
     the_end,
     ARMED,
     {ANSWER("no buffer 0, the last, no buffer 0, the last")}},
    {"buffers/bytes-before-the-end",
     "The bytes before the end come first.",
     RECEIVED,
     bytes_before_the_end,
     ARMED,
     {ANSWER("\"ab\", no buffer 0, the last")}},
    {"buffers/bytes-before-a-reset",
     "Bytes that have come before a reset come first.",
     RECEIVED,
     bytes_before_a_reset,
     ARMED,
     {ANSWER("\"ab\", no buffer -ECONNRESET, the last")}},
    {"buffers/bytes-before-the-end-of-a-unix-one",
     "The same of a Unix socket.",
     RECEIVED,
     bytes_before_the_end_of_a_unix_one,
     ARMED,
     {ANSWER("\"ab\", no buffer 0, the last")}},
    {"buffers/a-reset",
     "A reset ends the receive.",
     RECEIVED,
     a_reset,
     ARMED,
     {ANSWER("no buffer -ECONNRESET, the last")}},
    {"buffers/none-at-first",
     "Without a buffer the receive ends with -ENOBUFS: a pause.",
     "src/io/stream_receive.c, settle",
     none_at_first,
     ARMED,
     {ANSWER("told when bytes come, no buffer -ENOBUFS, the last"),
      ANSWER("told at once, no buffer -ENOBUFS, the last")}},
    {"buffers/a-pause",
     "Out of buffers the bytes stay, and come when there is one.",
     "src/io/stream_receive.c, starve",
     a_pause,
     ARMED,
     {ANSWER("no buffer -ENOBUFS, the last, then cd")}},
    {"buffers/unpublished-ones-are-not-there",
     "A buffer counts from when it is published.",
     "src/ring/ring.h, weft__buffer_ring_publish",
     unpublished_ones_are_not_there,
     ARMED,
     {ANSWER("before -ENOBUFS, after 2")}},
    {"buffers/names",
     "A completion names the buffer as it was offered.",
     "src/io/buffers.c, weft__buffers_take",
     names_of_buffers,
     ARMED,
     {ANSWER("4095, ab")}},
    {"buffers/each-to-one",
     "A buffer is given to one receive, until it is offered again.",
     "src/io/buffers.h, the life of a buffer",
     each_to_one,
     ARMED,
     {ANSWER("two, a and b")}},
    {"buffers/a-cancel-keeps-none",
     "A cancelled receive keeps no buffer.",
     "src/io/buffers.c, offered",
     a_cancel_keeps_none,
     ARMED,
     {ANSWER("4 of 4 still there")}},
    {"buffers/a-single-receive",
     "A receive that is not armed takes one buffer, once.",
     "src/io/stream_receive.c, arm_from_pool",
     a_single_receive,
     POOL,
     {ANSWER("\"ab\", the last, and it was")}},
    {"buffers/a-single-receive-without",
     "Without a buffer it says so, and the bytes stay.",
     "src/io/stream_receive.c, settle",
     a_single_receive_without,
     POOL,
     {ANSWER("no buffer -ENOBUFS, the last, then 2")}},
    {"buffers/a-single-end",
     "It reads the end as 0.",
     RECEIVED,
     a_single_end,
     POOL,
     {ANSWER("the end 0, the last")}},
    {"buffers/sizes-side-by-side",
     "A group's buffers bound a piece, whatever other groups have.",
     "src/io/stream_receive.c, change_class",
     sizes_side_by_side,
     ARMED,
     {ANSWER("small 16, large 19")}},
    {"buffers/no-such-group",
     "A group that was never opened has no buffers.",
     "src/io/stream_receive.c, settle",
     no_such_group,
     ARMED,
     {ANSWER("recv -ENOBUFS")}},
    {"buffers/memory-that-is-none",
     "Memory that is none is an error, and costs no byte.",
     RECEIVED,
     memory_that_is_none,
     ARMED,
     {ANSWER("recv -EFAULT, the last, then ab")}},
    {0},
};
