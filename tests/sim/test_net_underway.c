/*
 * What is still under way when a connection ends: bytes not yet read, not yet sent, sent to who
 * does not want them; and what names and options are worth afterwards. Catches a simulated kernel
 * that drops bytes which Linux delivers, or delivers what Linux drops.
 */
#include "net_behaviour.h"

enum { GONE = POLLIN | POLLOUT | POLLHUP | POLLRDHUP };

static char piece[60000];

/* Sends until nothing more is taken; how much that was. */
static int64_t fill(const struct net_kernel *k, int fd)
{
    int64_t sent = 0;

    do
        for (int n; (n = k->send(fd, piece, sizeof piece, 0)) > 0;)
            sent += n;
    while (k->settle() && k->poll(fd) & POLLOUT);
    return sent;
}

/* Reads to the end or an error, which is the result; *got grows. */
static int read_on(const struct net_kernel *k, int fd, int64_t *got)
{
    for (;;) {
        ck_assert_int_ne(k->await(fd, POLLIN) & POLLIN, 0);
        int n = k->recv(fd, piece, sizeof piece, 0);
        if (n <= 0)
            return n;
        *got += n;
    }
}

/* Closed with much to send: all of it comes, and then the end. */
BEHAVIOUR_OF(close_after_much, ALL)
{
    struct ends ends = pair_of(k, family);
    int64_t sent = fill(k, ends.here), got = 0;

    same(k->close(ends.here), 0);
    same(read_on(k, ends.there, &got), 0);
    ck_assert_int_eq(got, sent);
    same(k->close(ends.there), 0);
}

/* Reset with much to send: what had arrived can be read, the rest is lost. */
BEHAVIOUR_OF(reset_after_much, TCP)
{
    struct ends ends = pair_of(k, family);
    int64_t sent = fill(k, ends.here), got = 0;

    reset(k, ends.here);
    ck_assert_int_ne(k->await(ends.there, POLLERR) & POLLERR, 0);
    same(read_on(k, ends.there, &got), -ECONNRESET);
    ck_assert_int_gt(got, 0);
    ck_assert_int_lt(got, sent);
    same(k->recv(ends.there, piece, 1, 0), 0);
    same(k->close(ends.there), 0);
}

/* Who sends to one that has shut both ways is told; before, it may take it for a half-close. */
BEHAVIOUR_OF(sent_to_who_shut_both, ALL)
{
    struct ends ends = pair_of(k, family);

    same(k->shutdown(ends.here, SHUT_RDWR), 0);
    ck_assert_int_ne(k->await(ends.there, POLLRDHUP) & POLLRDHUP, 0);
    if (family == UNIX) {
        same(k->send(ends.there, "x", 1, 0), -EPIPE);
    } else {
        same(k->send(ends.there, "x", 1, 0), 1);
        same(k->await(ends.there, POLLERR), GONE | POLLERR);
        same(k->send(ends.there, "x", 1, 0), -EPIPE);
    }
    same(k->recv(ends.there, piece, 1, 0), 0);
    same(k->recv(ends.here, piece, 1, 0), family == UNIX ? 0 : -ECONNRESET);
    part(k, ends);
}

/* A reset by the one that had the other's end already. */
BEHAVIOUR_OF(reset_after_the_end, TCP)
{
    struct ends ends = pair_of(k, family);

    same(k->shutdown(ends.there, SHUT_WR), 0);
    ck_assert_int_ne(k->await(ends.here, POLLRDHUP) & POLLRDHUP, 0);
    reset(k, ends.here);
    same(k->await(ends.there, POLLERR), GONE | POLLERR);
    same(k->recv(ends.there, piece, 1, 0), -ECONNRESET);
    same(k->close(ends.there), 0);
}

/* The end that closed later: nothing of it stays, the port is free at once. */
BEHAVIOUR(closed_second)
{
    union net_address address;
    socklen_t length;
    int listener = listener_of(k, family, 2), port = port_of(k, listener), tries;
    int here = connected_to(k, family, listener), there = accept_from(k, listener);

    same(k->close(listener), 0);
    same(k->close(here), 0);
    ck_assert_int_ne(k->await(there, POLLRDHUP) & POLLRDHUP, 0);
    same(k->close(there), 0);
    listener = stream_socket(k, family);
    length = loopback(&address, family, port);
    /* at once is when the other end has said that it knows: on a busy machine that takes a while */
    for (tries = 0; tries < 500 && k->bind(listener, &address.any, length) < 0; tries++)
        ok(k->settle());
    ck_assert_int_lt(tries, 500);
    same(k->close(listener), 0);
}

/* Names stay as long as a connection is one. */
BEHAVIOUR_OF(names_afterwards, ALL)
{
    struct ends ends = pair_of(k, family);
    union net_address address;
    socklen_t length = sizeof address;

    same(k->shutdown(ends.here, SHUT_WR), 0);
    same(k->getpeername(ends.here, &address.any, &length), 0);
    ck_assert_int_ne(k->await(ends.there, POLLRDHUP) & POLLRDHUP, 0);
    same(k->shutdown(ends.there, SHUT_WR), 0);
    ck_assert_int_ne(k->await(ends.here, POLLHUP) & POLLHUP, 0);
    length = sizeof address;
    same(k->getpeername(ends.here, &address.any, &length), family == UNIX ? 0 : -ENOTCONN);
    same(k->getsockname(ends.here, &address.any, &length), 0);
    same(k->close(ends.there), 0);
    length = sizeof address;
    same(k->getpeername(ends.here, &address.any, &length), family == UNIX ? 0 : -ENOTCONN);
    same(k->close(ends.here), 0);
}

/* An error once taken is gone for every way of asking. */
BEHAVIOUR_OF(one_error_for_all, TCP)
{
    struct ends ends = pair_of(k, family);

    reset(k, ends.here);
    ck_assert_int_ne(k->await(ends.there, POLLERR) & POLLERR, 0);
    same(k->recv(ends.there, piece, 1, MSG_PEEK), -ECONNRESET);
    same(k->recv(ends.there, piece, 1, 0), 0);
    same(option_of(k, ends.there, SOL_SOCKET, SO_ERROR), 0);
    same(k->send(ends.there, piece, 0, 0), -EPIPE);
    same(connect_to(k, ends.there, ends.there), -EISCONN);
    same(k->listen(ends.there, 1), -EINVAL);
    same(k->close(ends.there), 0);
}

/* Both sides send much at once, and read it. */
BEHAVIOUR_OF(both_ways_at_once, ALL)
{
    struct ends ends = pair_of(k, family);
    int64_t sent[2], got[2] = {0, 0};

    sent[0] = fill(k, ends.here);
    sent[1] = fill(k, ends.there);
    same(k->shutdown(ends.here, SHUT_WR), 0);
    same(k->shutdown(ends.there, SHUT_WR), 0);
    same(read_on(k, ends.there, &got[0]), 0);
    same(read_on(k, ends.here, &got[1]), 0);
    ck_assert_int_eq(sent[0], got[0]);
    ck_assert_int_eq(sent[1], got[1]);
    part(k, ends);
}

/* Half of it read, then closed: the sender is reset, however much it had yet to send. */
BEHAVIOUR_OF(closed_by_the_reader, ALL)
{
    struct ends ends = pair_of(k, family);

    fill(k, ends.here);
    ck_assert_int_gt(k->recv(ends.there, piece, 1000, 0), 0);
    same(k->close(ends.there), 0);
    same(k->await(ends.here, POLLERR), GONE | POLLERR);
    same(k->send(ends.here, "x", 1, 0), family == UNIX ? -EPIPE : -ECONNRESET);
    same(k->send(ends.here, "x", 1, 0), -EPIPE);
    same(k->recv(ends.here, piece, 1, 0), family == UNIX ? -ECONNRESET : 0);
    same(k->close(ends.here), 0);
}

TEST_MAIN("sim_net_underway", 60, BOTH(close_after_much), BOTH(reset_after_much),
          BOTH(sent_to_who_shut_both), BOTH(reset_after_the_end), BOTH(closed_second),
          BOTH(names_afterwards), BOTH(one_error_for_all), BOTH(both_ways_at_once),
          BOTH(closed_by_the_reader))
