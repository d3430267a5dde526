/*
 * cancel.c - checks: a cancel ends the one request it names, and only that request's own last
 * completion says how it ended.
 */
#include "contract.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { OP = 1000, OTHER = 1001, CANCEL = 1002, GROUP = 1 };

/* A receive that waits, on the second end of a fresh pair. */
static struct weft__ring *waiting_receive(struct contract *c, int pair[2], char *byte)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);

    contract_pair(c, ring, AF_INET, pair);
    CONTRACT_ASK(c, ring, OP, recv, pair[1], byte, 1, 0, 0);
    contract_submit(c, ring);
    return ring;
}

static void say_cancel(struct contract *c, struct weft__ring *ring, uint64_t target)
{
    int32_t answer;

    if (contract_cancel(c, ring, target, &answer))
        contract_say(c, "cancel silent");
    else
        contract_say_result(c, "cancel", answer);
}

static void ends_a_receive(struct contract *c)
{
    int pair[2];
    char byte;
    struct weft__ring *ring = waiting_receive(c, pair, &byte);

    say_cancel(c, ring, OP);
    contract_say_result(c, "recv", contract_wait(c, ring, OP).result);
}

static void names_one_of_two(struct contract *c)
{
    int pair[2], second[2];
    char byte, another;
    struct weft__ring *ring = waiting_receive(c, pair, &byte);

    contract_pair(c, ring, AF_INET, second);
    CONTRACT_ASK(c, ring, OTHER, recv, second[1], &another, 1, 0, 0);
    contract_submit(c, ring);
    say_cancel(c, ring, OP);
    contract_say_result(c, "it", contract_wait(c, ring, OP).result);
    contract_send(c, ring, second[0], "x", 1);
    contract_say_result(c, "the other", contract_wait(c, ring, OTHER).result);
}

static void the_whole_name_counts(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    const uint64_t older = UINT64_C(1) << 32 | 5, newer = UINT64_C(2) << 32 | 5;
    int pair[2];
    char byte;

    contract_pair(c, ring, AF_INET, pair);
    CONTRACT_ASK(c, ring, newer, recv, pair[1], &byte, 1, 0, 0);
    contract_submit(c, ring);
    say_cancel(c, ring, older);
    contract_send(c, ring, pair[0], "x", 1);
    contract_say_result(c, "recv", contract_wait(c, ring, newer).result);
    CONTRACT_ASK(c, ring, newer, recv, pair[1], &byte, 1, 0, 0);
    contract_submit(c, ring);
    say_cancel(c, ring, newer);
    contract_say_result(c, "recv", contract_wait(c, ring, newer).result);
}

static void of_nothing(struct contract *c)
{
    say_cancel(c, contract_ring(c, 0, 0), OP);
}

static void after_the_end(struct contract *c)
{
    int pair[2];
    char byte = 0;
    struct weft__ring *ring = waiting_receive(c, pair, &byte);

    contract_send(c, ring, pair[0], "x", 1);
    contract_enter(c, ring, 1, contract_late()); /* the completion is there now, unread */
    say_cancel(c, ring, OP);
    contract_say_result(c, "recv", contract_wait(c, ring, OP).result);
}

/* The byte arrives, and before the ring is entered again the cancel is on its way. Either the
   receive reports it or the socket still has it. */
static void as_the_bytes_arrive(struct contract *c)
{
    int pair[2];
    char byte = 0, again = 0;
    struct weft__ring *ring = waiting_receive(c, pair, &byte), *other = contract_ring(c, 0, 0);
    int32_t result;

    contract_send(c, other, pair[0], "x", 1);
    CONTRACT_ASK(c, ring, CANCEL, cancel, OP);
    result = contract_wait(c, ring, OP).result;
    if (result == -ECANCELED)
        contract_recv(c, ring, pair[1], &again, 1);
    contract_say(c, "%s", byte == 'x' || again == 'x' ? "not lost" : "lost");
    contract_say(c, "%s", result == 1 || result == -ECANCELED ? "told which" : "told wrong");
}

static void a_receive_that_has_some(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    char bytes[100];
    int pair[2];

    contract_pair(c, ring, AF_UNIX, pair);
    CONTRACT_ASK(c, ring, OP, recv, pair[1], bytes, sizeof bytes, MSG_WAITALL, 0);
    contract_submit(c, ring);
    contract_send(c, ring, pair[0], "0123456789", 10);
    contract_need(c, contract_silent(c, ring, OP), "the receive goes on after 10 bytes");
    say_cancel(c, ring, OP);
    contract_say_result(c, "recv", contract_wait(c, ring, OP).result);
}

/* A send of more than fits, half done: the count it ends with is what the peer gets. */
static void a_send_that_did_some(struct contract *c)
{
    static char bytes[8 << 20];
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int pair[2], small = 65536;
    size_t came;
    int32_t sent;

    contract_pair(c, ring, AF_INET, pair);
    weft__host_setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    CONTRACT_ASK(c, ring, OP, send, pair[0], bytes, sizeof bytes, MSG_NOSIGNAL | MSG_WAITALL);
    contract_need(c, contract_silent(c, ring, OP), "8 MiB do not fit");
    say_cancel(c, ring, OP);
    sent = contract_wait(c, ring, OP).result;
    weft__host_shutdown(pair[0], SHUT_WR);
    came = contract_drain(c, ring, pair[1]);
    contract_say(c, "%s",
                 sent <= 0              ? "no count"
                 : (size_t)sent == came ? "the count is right"
                                        : "the count is wrong");
}

static void in_one_batch(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int pair[2];
    char byte;

    contract_pair(c, ring, AF_INET, pair);
    CONTRACT_ASK(c, ring, OP, recv, pair[1], &byte, 1, 0, 0);
    CONTRACT_ASK(c, ring, CANCEL, cancel, OP);
    contract_say_result(c, "recv", contract_wait(c, ring, OP).result);
    contract_say(c, "cancel %s", contract_silent(c, ring, CANCEL) ? "silent" : "answered");
}

static void before_its_target(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int pair[2];
    char byte;

    contract_pair(c, ring, AF_INET, pair);
    CONTRACT_ASK(c, ring, CANCEL, cancel, OP);
    CONTRACT_ASK(c, ring, OP, recv, pair[1], &byte, 1, 0, 0);
    contract_say_result(c, "cancel", contract_wait(c, ring, CANCEL).result);
    contract_send(c, ring, pair[0], "x", 1);
    contract_say_result(c, "recv", contract_wait(c, ring, OP).result);
}

static void twice(struct contract *c)
{
    int pair[2];
    char byte;
    struct weft__ring *ring = waiting_receive(c, pair, &byte);

    CONTRACT_ASK(c, ring, CANCEL, cancel, OP);
    CONTRACT_ASK(c, ring, CANCEL, cancel, OP);
    contract_say_result(c, "recv", contract_wait(c, ring, OP).result);
    contract_say(c, "%s", contract_silent(c, ring, OP) ? "once" : "twice");
}

static void the_socket_stays_good(struct contract *c)
{
    int pair[2];
    char byte = 0;
    struct weft__ring *ring = waiting_receive(c, pair, &byte);

    say_cancel(c, ring, OP);
    contract_wait(c, ring, OP);
    contract_send(c, ring, pair[0], "y", 1);
    contract_say_result(c, "recv", contract_recv(c, ring, pair[1], &byte, 1));
    contract_say(c, "%c", byte);
}

static void the_other_side_goes_on(struct contract *c)
{
    int pair[2];
    char byte = 0, far = 0;
    struct weft__ring *ring = waiting_receive(c, pair, &byte);

    CONTRACT_ASK(c, ring, CANCEL, cancel, OP);
    CONTRACT_ASK(c, ring, OTHER, send, pair[1], "z", 1, MSG_NOSIGNAL);
    contract_wait(c, ring, OP);
    contract_say_result(c, "send", contract_wait(c, ring, OTHER).result);
    contract_recv(c, ring, pair[0], &far, 1);
    contract_say(c, "%c", far);
}

static void an_accept(struct contract *c, bool multishot)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct contract_address address;
    int listener = contract_listener(c, AF_INET, 8, &address);
    struct weft__cqe cqe;

    CONTRACT_ASK(c, ring, OP, accept, listener, SOCK_CLOEXEC, multishot);
    contract_submit(c, ring);
    say_cancel(c, ring, OP);
    cqe = contract_wait(c, ring, OP);
    contract_say_result(c, "accept", cqe.result);
    contract_say(c, "%s", contract_more(cqe));
    contract_connect(c, ring, contract_socket(c, AF_INET), &address.storage, address.length);
    contract_say(c, "%s", contract_accept(c, ring, listener) >= 0 ? "the next works" : "no next");
}

static void a_single_accept(struct contract *c)
{
    an_accept(c, false);
}

static void an_armed_accept(struct contract *c)
{
    an_accept(c, true);
}

/* Connections came and were not read: the cancel takes none of them back. */
static void an_accept_that_has_some(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0), *other = contract_ring(c, 0, 0);
    struct contract_address address;
    int listener = contract_listener(c, AF_INET, 8, &address);
    uint32_t accepted = 0;
    struct weft__cqe cqe;
    bool ended = false;

    CONTRACT_ASK(c, ring, OP, accept, listener, SOCK_CLOEXEC, true);
    contract_submit(c, ring);
    for (int i = 0; i < 3; i++)
        contract_connect(c, other, contract_socket(c, AF_INET), &address.storage, address.length);
    CONTRACT_ASK(c, ring, CANCEL, cancel, OP);
    while (!ended && contract_next(c, ring, OP, contract_late(), &cqe)) {
        accepted += contract_keep(c, cqe.result) >= 0;
        ended = !(cqe.flags & WEFT__CQE_MORE);
    }
    for (; accepted < 3 && contract_accept(c, ring, listener) >= 0;)
        accepted++;
    contract_say(c, "%s, %u of 3", ended ? "ended" : "not ended", accepted);
}

static void an_armed_receive(struct contract *c)
{
    static char memory[4 * 16];
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__cqe cqe;
    int pair[2];

    contract_pair(c, ring, AF_INET, pair);
    contract_buffers(c, ring, GROUP, 4, memory, 16, 4);
    CONTRACT_ASK(c, ring, OP, recv_multishot, pair[1], GROUP, 0);
    contract_submit(c, ring);
    say_cancel(c, ring, OP);
    cqe = contract_wait(c, ring, OP);
    contract_say_result(c, "recv", cqe.result);
    contract_say(c, "%s", contract_more(cqe));
    contract_say(c, "%s", cqe.flags & WEFT__CQE_BUFFER ? "with a buffer" : "no buffer");
}

/* As above with bytes there: what was received is reported before the end, or stays. */
static void an_armed_receive_that_has_some(struct contract *c)
{
    static char memory[4 * 16];
    struct weft__ring *ring = contract_ring(c, 0, 0), *other = contract_ring(c, 0, 0);
    char byte = 0;
    struct weft__cqe cqe;
    bool ended = false;
    int pair[2];

    contract_pair(c, other, AF_INET, pair);
    contract_buffers(c, ring, GROUP, 4, memory, 16, 4);
    CONTRACT_ASK(c, ring, OP, recv_multishot, pair[1], GROUP, 0);
    contract_submit(c, ring);
    contract_send(c, other, pair[0], "x", 1);
    CONTRACT_ASK(c, ring, CANCEL, cancel, OP);
    while (!ended && contract_next(c, ring, OP, contract_late(), &cqe)) {
        if (cqe.flags & WEFT__CQE_BUFFER && cqe.result == 1)
            byte = memory[contract_buffer_id(cqe) * 16];
        ended = !(cqe.flags & WEFT__CQE_MORE);
    }
    if (!byte)
        contract_recv(c, ring, pair[1], &byte, 1);
    contract_say(c, "%s, %s", ended ? "ended" : "not ended", byte == 'x' ? "not lost" : "lost");
}

/* Nobody takes the connections of a listener whose queue is full: one more waits. */
static int waiting_connect(struct contract *c, struct weft__ring *ring,
                           struct contract_address *address)
{
    contract_listener(c, AF_INET, 0, address);
    for (int i = 0; i < 8; i++) {
        int fd = contract_socket(c, AF_INET);
        struct weft__cqe cqe;
        CONTRACT_ASK(c, ring, OP, connect, fd, &address->storage, address->length);
        if (!contract_next(c, ring, OP, weft__host_now() + 200000000, &cqe))
            return fd;
    }
    contract_trouble(c, "every connect succeeded");
    return -1;
}

static void a_connect(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct contract_address address;

    waiting_connect(c, ring, &address);
    say_cancel(c, ring, OP);
    contract_say_result(c, "connect", contract_wait(c, ring, OP).result);
}

static void a_connect_poisons(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct contract_address address;
    int fd = waiting_connect(c, ring, &address);
    int32_t answer;

    contract_cancel(c, ring, OP, &answer);
    contract_wait(c, ring, OP);
    contract_say_result(c, "again",
                        contract_connect(c, ring, fd, &address.storage, address.length));
}

static void a_bell(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__cqe cqe;

    contract_bell(c, ring, OP);
    contract_submit(c, ring);
    say_cancel(c, ring, OP);
    cqe = contract_wait(c, ring, OP);
    contract_say_result(c, "bell", cqe.result);
    contract_say(c, "%s", contract_more(cqe));
}

static void many_at_once(struct contract *c)
{
    enum { COUNT = 200 };
    struct weft__ring *ring = contract_ring(c, 16, 512);
    static char bytes[COUNT];
    uint32_t ended = 0;
    int pair[2];

    contract_pair(c, ring, AF_INET, pair);
    for (uint64_t i = 0; i < COUNT; i++)
        CONTRACT_ASK(c, ring, OP + i, recv, pair[1], &bytes[i], 1, 0, WEFT__RECV_POLL_FIRST);
    contract_submit(c, ring);
    for (uint64_t i = 0; i < COUNT; i++)
        CONTRACT_ASK(c, ring, CANCEL + COUNT, cancel, OP + i);
    contract_submit(c, ring);
    for (uint64_t i = 0; i < COUNT; i++)
        ended += contract_wait(c, ring, OP + i).result == -ECANCELED;
    contract_say(c, "%u of 200", ended);
}

#define OPERATION "src/reactor/op.h, the life of an operation"
#define MULTISHOT (WEFT__FEATURE_RECV_MULTISHOT | WEFT__FEATURE_BUFFER_RING)

const struct contract_check contract_cancelling[] = {
    {"cancel/ends-a-receive",
     "A waiting receive ends, and a cancel that succeeded is silent.",
     OPERATION,
     ends_a_receive,
     0,
     {ANSWER("cancel silent, recv -ECANCELED")}},
    {"cancel/names-one-of-two",
     "The request that is named ends; another one lives on.",
     OPERATION,
     names_one_of_two,
     0,
     {ANSWER("cancel silent, it -ECANCELED, the other 1")}},
    {"cancel/the-whole-name-counts",
     "A cancel for an older generation of a slot hits nobody.",
     "src/reactor/op.h, user_data",
     the_whole_name_counts,
     0,
     {ANSWER("cancel -ENOENT, recv 1, cancel silent, recv -ECANCELED")}},
    {"cancel/of-nothing",
     "A cancel that finds nothing says so under its own name.",
     "src/reactor/reactor.c, special_completion",
     of_nothing,
     0,
     {ANSWER("cancel -ENOENT")}},
    {"cancel/after-the-end",
     "A request that has completed keeps its result.",
     "src/task/operation.c, weft__operation_interrupt",
     after_the_end,
     0,
     {ANSWER("cancel -ENOENT, recv 1")}},
    {"cancel/as-the-bytes-arrive",
     "Bytes that arrive with the cancel are reported, or stay.",
     "src/task/operation.c, weft__operation_interrupt",
     as_the_bytes_arrive,
     0,
     {ANSWER("not lost, told which")}},
    {"cancel/a-receive-that-has-some",
     "A receive that had got some bytes reports how many.",
     "<weft/net.h>, weft_recv",
     a_receive_that_has_some,
     0,
     {ANSWER("cancel silent, recv 10")}},
    {"cancel/a-send-that-did-some",
     "A send that had sent some bytes reports exactly how many.",
     "src/io/transfer.h, weft__send_pieces",
     a_send_that_did_some,
     0,
     {ANSWER("cancel silent, the count is right")}},
    {"cancel/in-one-batch",
     "A request may be cancelled in the batch that begins it.",
     "src/reactor/op.c, weft__ops_flush_cancels",
     in_one_batch,
     0,
     {ANSWER("recv -ECANCELED, cancel silent")}},
    {"cancel/before-its-target",
     "A cancel does not reach a request behind it in the batch.",
     "src/reactor/op.c, weft__op_cancel",
     before_its_target,
     0,
     {ANSWER("cancel -ENOENT, recv 1")}},
    {"cancel/twice",
     "However often it is cancelled, a request ends once.",
     OPERATION,
     twice,
     0,
     {ANSWER("recv -ECANCELED, once")}},
    {"cancel/the-socket-stays-good",
     "After a cancelled receive the next one gets what comes.",
     "<weft/net.h>, weft_recv",
     the_socket_stays_good,
     0,
     {ANSWER("cancel silent, recv 1, y")}},
    {"cancel/the-other-side-goes-on",
     "Cancelling the reader leaves the writer alone.",
     "src/io/fd.h, two sides",
     the_other_side_goes_on,
     0,
     {ANSWER("send 1, z")}},
    {"cancel/a-single-accept",
     "A cancelled accept leaves the listener good.",
     "src/io/accept.c, weft__acceptor_close",
     a_single_accept,
     0,
     {ANSWER("cancel silent, accept -ECANCELED, the last, the next works")}},
    {"cancel/an-armed-accept",
     "An armed accept ends with one completion that says so.",
     "src/io/accept.c, completed",
     an_armed_accept,
     WEFT__FEATURE_ACCEPT_MULTISHOT,
     {ANSWER("cancel silent, accept -ECANCELED, the last, the next works")}},
    {"cancel/an-accept-that-has-some",
     "Connections accepted before the cancel are all delivered.",
     "src/io/accept.c, completed",
     an_accept_that_has_some,
     WEFT__FEATURE_ACCEPT_MULTISHOT,
     {ANSWER("ended, 3 of 3")}},
    {"cancel/an-armed-receive",
     "An armed receive ends with one completion, and takes no buffer.",
     "src/io/stream_receive.c, change_class",
     an_armed_receive,
     MULTISHOT,
     {ANSWER("cancel silent, recv -ECANCELED, the last, no buffer")}},
    {"cancel/an-armed-receive-that-has-some",
     "Bytes that came before are reported, or stay.",
     "src/io/stream_receive.c, received",
     an_armed_receive_that_has_some,
     MULTISHOT,
     {ANSWER("ended, not lost")}},
    {"cancel/a-connect",
     "A connect that waits for its peer ends.",
     "src/io/socket.c, connect_once",
     a_connect,
     0,
     {ANSWER("cancel silent, connect -ECANCELED")}},
    {"cancel/a-connect-poisons",
     "After a cancelled connect the socket is of no more use.",
     "src/io/socket.c, connect_once",
     a_connect_poisons,
     0,
     {ANSWER("again -EALREADY")}},
    {"cancel/a-bell",
     "The bell's poll is a request like any other.",
     "src/ring/ring.h, bells",
     a_bell,
     0,
     {ANSWER("cancel silent, bell -ECANCELED, the last")}},
    {"cancel/many-at-once",
     "Hundreds of cancels in a few batches each find their own.",
     "src/reactor/op.c, weft__ops_flush_cancels",
     many_at_once,
     0,
     {ANSWER("200 of 200")}},
    {0},
};
