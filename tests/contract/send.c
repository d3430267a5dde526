/*
 * send.c - checks: how much of a send went out, in which order, and what stops it.
 */
#include "contract.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { SEND = 100, BIG = 4 << 20 };

static char big[BIG];

static struct weft__ring *connected(struct contract *c, int family, int pair[2])
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int small = 65536;

    pair[0] = pair[1] = -1;
    contract_pair(c, ring, family, pair);
    weft__host_setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    return ring;
}

static void a_small_one(struct contract *c)
{
    int pair[2];
    struct weft__ring *ring = connected(c, AF_INET, pair);

    CONTRACT_ASK(c, ring, SEND, send, pair[0], "abc", 3, MSG_NOSIGNAL);
    contract_say_result(c, "send", contract_wait(c, ring, SEND).result);
}

/* A receiver that takes everything, and the send that waits for it. */
static void all_of_a_big_one(struct contract *c, int family)
{
    int pair[2];
    struct weft__ring *ring = connected(c, family, pair);
    static char piece[65536];
    size_t came = 0;
    int32_t n = 1;

    CONTRACT_ASK(c, ring, SEND, send, pair[0], big, BIG, MSG_NOSIGNAL | MSG_WAITALL);
    contract_need(c, contract_silent(c, ring, SEND), "4 MiB do not fit");
    while (came < BIG && n > 0) {
        n = contract_recv(c, ring, pair[1], piece, sizeof piece);
        came += n > 0 ? (size_t)n : 0;
    }
    contract_say(c, "%s", contract_wait(c, ring, SEND).result == BIG ? "all, in one" : "part");
    contract_say(c, "%s", came == BIG ? "all came" : "part came");
}

static void all_over_tcp(struct contract *c)
{
    all_of_a_big_one(c, AF_INET);
}

static void all_over_a_local_socket(struct contract *c)
{
    all_of_a_big_one(c, AF_UNIX);
}

static void part_of_a_big_one(struct contract *c)
{
    int pair[2];
    struct weft__ring *ring = connected(c, AF_INET, pair);
    int32_t sent;

    CONTRACT_ASK(c, ring, SEND, send, pair[0], big, BIG, MSG_NOSIGNAL | MSG_DONTWAIT);
    sent = contract_wait(c, ring, SEND).result;
    contract_say(c, "%s", sent == BIG ? "all" : sent > 0 ? "part" : "nothing");
    weft__host_shutdown(pair[0], SHUT_WR);
    contract_say(c, "%s",
                 contract_drain(c, ring, pair[1]) == (size_t)(sent > 0 ? sent : 0) ? "as many came"
                                                                                   : "others came");
}

/* Full is full for Unix sockets; over TCP acknowledgements under way may make room once more. */
static void a_full_socket(struct contract *c)
{
    int pair[2];
    struct weft__ring *ring = connected(c, AF_UNIX, pair);

    contract_fill(c, ring, pair[0]);
    CONTRACT_ASK(c, ring, SEND, send, pair[0], "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    contract_say_result(c, "not waiting", contract_wait(c, ring, SEND).result);
    CONTRACT_ASK(c, ring, SEND, send, pair[0], "x", 1, MSG_NOSIGNAL);
    contract_say(c, "%s", contract_silent(c, ring, SEND) ? "else it waits" : "else it ends");
}

static void room_ends_the_wait(struct contract *c)
{
    int pair[2];
    struct weft__ring *ring = connected(c, AF_UNIX, pair);
    size_t full = contract_fill(c, ring, pair[0]), came = 0;
    static char piece[65536];

    CONTRACT_ASK(c, ring, SEND, send, pair[0], "x", 1, MSG_NOSIGNAL);
    contract_submit(c, ring);
    while (came < full && !c->trouble[0]) {
        int32_t n = contract_recv(c, ring, pair[1], piece, sizeof piece);
        came += n > 0 ? (size_t)n : full;
    }
    contract_say_result(c, "send", contract_wait(c, ring, SEND).result);
}

static void one_after_the_other(struct contract *c)
{
    int pair[2];
    struct weft__ring *ring = connected(c, AF_INET, pair);
    char text[7] = "";

    for (int i = 0; i < 3; i++)
        contract_send(c, ring, pair[0], &"abcdef"[2 * i], 2);
    for (int n = 0, got; n < 6; n += got)
        if ((got = contract_recv(c, ring, pair[1], text + n, (size_t)(6 - n))) <= 0)
            break;
    contract_say(c, "%s", text);
}

static void nothing(struct contract *c)
{
    int pair[2];
    struct weft__ring *ring = connected(c, AF_INET, pair);

    CONTRACT_ASK(c, ring, SEND, send, pair[0], "", 0, MSG_NOSIGNAL);
    contract_say_result(c, "send", contract_wait(c, ring, SEND).result);
}

/* Whether the process lives on is part of the answer: SIGPIPE would end it. */
static void to_a_peer_that_left(struct contract *c, int family)
{
    int pair[2];
    struct weft__ring *ring = connected(c, family, pair);
    char byte;
    int32_t result = 0;

    contract_drop(c, pair[1]);
    for (int i = 0; i < 100 && result >= 0 && !c->trouble[0]; i++) {
        result = contract_send(c, ring, pair[0], "x", 1);
        if (result >= 0) /* the peer's answer is on its way, and shows here */
            contract_recv(c, ring, pair[0], &byte, 1);
    }
    contract_say_result(c, "send", result);
}

static void tcp_peer_that_left(struct contract *c)
{
    to_a_peer_that_left(c, AF_INET);
}

static void local_peer_that_left(struct contract *c)
{
    to_a_peer_that_left(c, AF_UNIX);
}

static void after_shutting_down(struct contract *c)
{
    int pair[2];
    struct weft__ring *ring = connected(c, AF_INET, pair);

    weft__host_shutdown(pair[0], SHUT_WR);
    contract_say_result(c, "send", contract_send(c, ring, pair[0], "x", 1));
}

static void shut_down_under_it(struct contract *c)
{
    int pair[2];
    struct weft__ring *ring = connected(c, AF_UNIX, pair);

    contract_fill(c, ring, pair[0]);
    CONTRACT_ASK(c, ring, SEND, send, pair[0], "x", 1, MSG_NOSIGNAL);
    contract_submit(c, ring);
    weft__host_shutdown(pair[0], SHUT_RDWR);
    contract_say_result(c, "send", contract_wait(c, ring, SEND).result);
}

static void a_reset_while_waiting(struct contract *c)
{
    int pair[2];
    struct weft__ring *ring = connected(c, AF_INET, pair);

    CONTRACT_ASK(c, ring, SEND, send, pair[0], big, BIG, MSG_NOSIGNAL | MSG_WAITALL);
    contract_need(c, contract_silent(c, ring, SEND), "4 MiB do not fit");
    contract_drop(c, pair[1]); /* with bytes unread, which resets the connection */
    contract_say(c, "%s", contract_wait(c, ring, SEND).result < BIG ? "ends" : "goes through");
    contract_say(c, "%s", contract_send(c, ring, pair[0], "x", 1) < 0 ? "then an error" : "then 1");
}

static void memory_that_is_none(struct contract *c)
{
    int pair[2];
    struct weft__ring *ring = connected(c, AF_INET, pair);
    char *nowhere = weft__host_reserve(65536), byte = 0;

    weft__host_unreserve(nowhere, 65536);
    CONTRACT_ASK(c, ring, SEND, send, pair[0], nowhere, 16, MSG_NOSIGNAL);
    contract_say_result(c, "send", contract_wait(c, ring, SEND).result);
    contract_say_result(c, "then", contract_send(c, ring, pair[0], "x", 1));
    contract_recv(c, ring, pair[1], &byte, 1);
    contract_say(c, "%c", byte);
}

static void not_connected(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);

    contract_say_result(c, "tcp", contract_send(c, ring, contract_socket(c, AF_INET), "x", 1));
    contract_say_result(c, "local", contract_send(c, ring, contract_socket(c, AF_UNIX), "x", 1));
}

#define CALL "src/io/transfer.h, weft__send_once"

const struct contract_check contract_sending[] = {
    {"send/a-small-one", "What fits is sent whole.", CALL, a_small_one, 0, {ANSWER("send 3")}},
    {"send/all-over-tcp",
     "With MSG_WAITALL one request sends all of what does not fit.",
     "src/io/transfer.h, weft__send_pieces",
     all_over_tcp,
     0,
     {ANSWER("all, in one, all came")}},
    {"send/all-over-a-local-socket",
     "The same over Unix sockets.",
     "src/io/transfer.h, weft__send_pieces",
     all_over_a_local_socket,
     0,
     {ANSWER("all, in one, all came")}},
    {"send/part-of-a-big-one",
     "A send that does not wait says how much it sent.",
     "<weft/net.h>, weft_send",
     part_of_a_big_one,
     0,
     {ANSWER("part, as many came")}},
    {"send/a-full-socket",
     "A send that finds no room waits, or says so if it may not.",
     CALL,
     a_full_socket,
     0,
     {ANSWER("not waiting -EAGAIN, else it waits")}},
    {"send/room-ends-the-wait",
     "It goes on when the peer has read.",
     CALL,
     room_ends_the_wait,
     0,
     {ANSWER("send 1")}},
    {"send/one-after-the-other",
     "Sends made one after the other keep their order.",
     CALL,
     one_after_the_other,
     0,
     {ANSWER("abcdef")}},
    {"send/nothing", "A send of 0 bytes is done at once.", CALL, nothing, 0, {ANSWER("send 0")}},
    {"send/to-a-tcp-peer-that-left",
     "A peer that left is an error and no signal.",
     "src/io/transfer.h, MSG_NOSIGNAL",
     tcp_peer_that_left,
     0,
     {ANSWER("send -EPIPE")}},
    {"send/to-a-local-peer-that-left",
     "The same over Unix sockets.",
     "src/io/transfer.h, MSG_NOSIGNAL",
     local_peer_that_left,
     0,
     {ANSWER("send -EPIPE")}},
    {"send/after-shutting-down",
     "Nothing goes out after the own end was shut down.",
     "<weft/net.h>, weft_shutdown",
     after_shutting_down,
     0,
     {ANSWER("send -EPIPE")}},
    {"send/shut-down-under-it",
     "Shutting a socket down ends a send that waits on it.",
     "<weft/net.h>, weft_shutdown",
     shut_down_under_it,
     0,
     {ANSWER("send -EPIPE")}},
    {"send/a-reset-while-waiting",
     "A send that waits is ended by a reset, and the next one says so.",
     CALL,
     a_reset_while_waiting,
     0,
     {ANSWER("ends, then an error")}},
    {"send/memory-that-is-none",
     "Memory that is none is an error, and sends no byte.",
     "<weft/net.h>, -EFAULT",
     memory_that_is_none,
     0,
     {ANSWER("send -EFAULT, then 1, x")}},
    {"send/not-connected",
     "A socket without a peer says so.",
     "<weft/net.h>, errors",
     not_connected,
     0,
     {ANSWER("tcp -EPIPE, local -ENOTCONN")}},
    {0},
};
