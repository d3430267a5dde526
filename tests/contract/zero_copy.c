/*
 * zero_copy.c - checks: sends from where the memory lies, and when it is given back.
 */
#include "contract.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { SEND = 100, BIG = 1 << 20 };

#define ROAD "src/io/give.c"

static char big[BIG];

static void say_first(struct contract *c, struct weft__cqe cqe)
{
    contract_say_result(c, "send", cqe.result);
    contract_say(c, "%s",
                 cqe.flags & WEFT__CQE_NOTIFICATION ? "a notification"
                 : cqe.flags & WEFT__CQE_MORE       ? "more"
                                                    : "no more");
}

static void say_second(struct contract *c, struct weft__cqe cqe)
{
    contract_say(c, "%s", cqe.flags & WEFT__CQE_NOTIFICATION ? "given back" : "no notification");
    contract_say(c, "%s", cqe.flags & WEFT__CQE_MORE ? "more" : "no more");
}

static void over_tcp(struct contract *c)
{
    int pair[2] = {-1, -1};
    struct weft__ring *ring = contract_ring(c, 0, 0);
    char got[3];

    contract_pair(c, ring, AF_INET, pair);
    CONTRACT_ASK(c, ring, SEND, send_zc, pair[0], big, 3, MSG_NOSIGNAL);
    say_first(c, contract_wait(c, ring, SEND));
    contract_say_result(c, "came", contract_recv(c, ring, pair[1], got, 3));
    say_second(c, contract_wait(c, ring, SEND));
}

static void over_a_local_socket(struct contract *c)
{
    int pair[2] = {-1, -1};
    struct weft__ring *ring = contract_ring(c, 0, 0);

    contract_pair(c, ring, AF_UNIX, pair);
    CONTRACT_ASK(c, ring, SEND, send_zc, pair[0], big, 3, MSG_NOSIGNAL);
    say_first(c, contract_wait(c, ring, SEND));
    say_second(c, contract_wait(c, ring, SEND));
}

/* A peer that reads nothing: the send is cancelled under way, and the memory is still the kernel's.
   Only a reset, or the peer, gives it back. */
static void cancelled_then_reset(struct contract *c)
{
    int pair[2] = {-1, -1}, answer = 0, small = 65536;
    struct weft__ring *ring = contract_ring(c, 0, 0);
    struct weft__cqe first;

    contract_pair(c, ring, AF_INET, pair);
    weft__host_setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    weft__host_setsockopt(pair[1], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    CONTRACT_ASK(c, ring, SEND, send_zc, pair[0], big, BIG, MSG_NOSIGNAL | MSG_WAITALL);
    contract_need(c, contract_silent(c, ring, SEND), "1 MiB does not fit");
    contract_say(c, "%s", contract_cancel(c, ring, SEND, &answer) ? "cancelled" : "not cancelled");
    first = contract_wait(c, ring, SEND);
    contract_say(c, "%s", first.result > 0 && first.result < BIG ? "part" : "all or nothing");
    contract_say(c, "%s", first.flags & WEFT__CQE_MORE ? "more" : "no more");
    contract_reset_on_close(c, pair[0]);
    contract_drop(c, pair[0]);
    say_second(c, contract_wait(c, ring, SEND));
}

const struct contract_check contract_zero_copy[] = {
    {"zero-copy/over-tcp",
     "A send without a copy completes twice: when it has its result, and when the memory is free.",
     ROAD,
     over_tcp,
     WEFT__FEATURE_SEND_ZC,
     {ANSWER("send 3, more, came 3, given back, no more")}},
    {"zero-copy/over-a-local-socket",
     "Where there is none it sends nothing, and the memory is given back as ever.",
     ROAD,
     over_a_local_socket,
     WEFT__FEATURE_SEND_ZC,
     {ANSWER("send -ENOTSUP, more, given back, no more")}},
    {"zero-copy/cancelled-then-reset",
     "A cancel tells what was sent; the memory comes back at the latest when the connection ends.",
     ROAD,
     cancelled_then_reset,
     WEFT__FEATURE_SEND_ZC,
     {ANSWER("cancelled, part, more, given back, no more")}},
    {0},
};
