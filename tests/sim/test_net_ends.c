/*
 * How a connection ends, seen from either side: half-close, full close, reset, data that nobody
 * read, and what poll, receive, send and SO_ERROR then say, how often. Catches a simulated kernel
 * that reports an error twice, loses bytes before it, or hides the end.
 */
#include "net_behaviour.h"

enum { GONE = POLLIN | POLLOUT | POLLHUP | POLLRDHUP };

BEHAVIOUR_OF(bytes_go_both_ways, ALL)
{
    struct ends ends = pair_of(k, family);
    char bytes[16];

    same(k->poll(ends.here), POLLOUT);
    same(k->recv(ends.here, bytes, sizeof bytes, 0), -EAGAIN);
    same(k->recv(ends.here, bytes, 0, 0), -EAGAIN);
    carry(k, ends.here, ends.there, "there");
    carry(k, ends.there, ends.here, "and back");
    same(k->send(ends.here, bytes, 0, 0), 0);
    same(k->poll(ends.there), POLLOUT);
    part(k, ends);
}

BEHAVIOUR_OF(peeking_and_dropping, ALL)
{
    struct ends ends = pair_of(k, family);
    char bytes[16] = "";

    same(k->send(ends.here, "abcdef", 6, 0), 6);
    do
        ck_assert_int_ne(k->await(ends.there, POLLIN) & POLLIN, 0);
    while (k->recv(ends.there, bytes, 6, MSG_PEEK) < 6 && k->settle());
    ck_assert_mem_eq(bytes, "abcdef", 6);
    same(k->recv(ends.there, bytes, 2, 0), 2);
    same(k->recv(ends.there, bytes, sizeof bytes, MSG_PEEK), 4);
    ck_assert_mem_eq(bytes, "cdef", 4);
    if (family != UNIX) {
        same(k->recv(ends.there, NULL, 3, MSG_TRUNC), 3);
        same(k->recv(ends.there, bytes, sizeof bytes, 0), 1);
        same(bytes[0], 'f');
        same(k->recv(ends.there, bytes, 1, MSG_OOB), -EINVAL);
    }
    part(k, ends);
}

BEHAVIOUR_OF(half_close, ALL)
{
    struct ends ends = pair_of(k, family);
    char bytes[16];

    same(k->send(ends.here, "last", 4, 0), 4);
    same(k->shutdown(ends.here, SHUT_WR), 0);
    same(k->send(ends.here, "x", 1, 0), -EPIPE);
    same(k->await(ends.there, POLLRDHUP), POLLIN | POLLOUT | POLLRDHUP);
    same(k->recv(ends.there, bytes, sizeof bytes, 0), 4);
    same(k->recv(ends.there, bytes, sizeof bytes, 0), 0);
    same(k->recv(ends.there, bytes, sizeof bytes, 0), 0);
    same(k->poll(ends.there), POLLIN | POLLOUT | POLLRDHUP);
    same(k->poll(ends.here), POLLOUT);
    carry(k, ends.there, ends.here, "still");
    same(k->shutdown(ends.here, SHUT_WR), 0); /* again does no harm */
    same(k->shutdown(ends.there, SHUT_WR), 0);
    same(k->await(ends.here, POLLHUP), GONE);
    same(k->await(ends.there, POLLHUP), GONE);
    same(k->recv(ends.here, bytes, 1, 0), 0);
    same(k->send(ends.there, "x", 1, 0), -EPIPE);
    same(option_of(k, ends.here, SOL_SOCKET, SO_ERROR), 0);
    same(k->shutdown(ends.here, SHUT_WR), family == UNIX ? 0 : -ENOTCONN);
    part(k, ends);
}

BEHAVIOUR_OF(own_reading_shut, ALL)
{
    struct ends ends = pair_of(k, family);
    char bytes[16];

    same(k->shutdown(ends.here, SHUT_RD), 0);
    same(k->poll(ends.here), POLLIN | POLLOUT | POLLRDHUP);
    same(k->recv(ends.here, bytes, 1, 0), 0);
    if (family == UNIX) {
        same(k->send(ends.there, "x", 1, 0), -EPIPE);
        same(k->poll(ends.there), POLLOUT);
    } else { /* what comes all the same can be read */
        same(k->send(ends.there, "x", 1, 0), 1);
        while (k->recv(ends.here, bytes, 1, 0) == 0)
            ok(k->settle());
        same(bytes[0], 'x');
    }
    carry(k, ends.here, ends.there, "the other way");
    part(k, ends);
}

/* Closed in order, all read: the other end is told, may send once, and learns of it. */
BEHAVIOUR_OF(close_in_order, ALL)
{
    struct ends ends = pair_of(k, family);
    char bytes[16];

    same(k->send(ends.here, "bye", 3, 0), 3);
    same(k->close(ends.here), 0);
    same(k->await(ends.there, POLLRDHUP), family == UNIX ? GONE : POLLIN | POLLOUT | POLLRDHUP);
    same(k->recv(ends.there, bytes, sizeof bytes, 0), 3);
    same(k->recv(ends.there, bytes, sizeof bytes, 0), 0);
    if (family == UNIX) {
        same(k->send(ends.there, "x", 1, 0), -EPIPE);
        same(k->poll(ends.there), GONE);
    } else {
        same(k->send(ends.there, "x", 1, 0), 1);
        same(k->await(ends.there, POLLERR), GONE | POLLERR);
        same(k->recv(ends.there, bytes, 1, 0), 0); /* the end was seen: no error here */
        same(k->poll(ends.there), GONE | POLLERR);
        same(k->send(ends.there, "x", 1, 0), -EPIPE);
        same(k->poll(ends.there), GONE);
    }
    same(k->send(ends.there, "x", 1, 0), -EPIPE);
    same(k->close(ends.there), 0);
}

/* A reset: bytes before it can be read, the error comes once, then the end. */
BEHAVIOUR_OF(reset_after_bytes, TCP)
{
    struct ends ends = pair_of(k, family);
    char bytes[16];

    same(k->send(ends.here, "half", 4, 0), 4);
    ck_assert_int_ne(k->await(ends.there, POLLIN) & POLLIN, 0);
    ok(k->settle());
    reset(k, ends.here);
    same(k->await(ends.there, POLLERR), GONE | POLLERR);
    same(k->recv(ends.there, bytes, sizeof bytes, 0), 4);
    same(k->recv(ends.there, bytes, sizeof bytes, 0), -ECONNRESET);
    same(k->recv(ends.there, bytes, sizeof bytes, 0), 0);
    same(k->send(ends.there, "x", 1, 0), -EPIPE);
    same(k->poll(ends.there), GONE);
    same(k->shutdown(ends.there, SHUT_WR), -ENOTCONN);
    same(k->close(ends.there), 0);
}

BEHAVIOUR_OF(reset_shown_to_a_sender, TCP)
{
    struct ends ends = pair_of(k, family);
    char byte;

    reset(k, ends.here);
    same(k->await(ends.there, POLLERR), GONE | POLLERR);
    same(k->send(ends.there, "x", 1, 0), -ECONNRESET);
    same(k->send(ends.there, "x", 1, 0), -EPIPE);
    same(k->recv(ends.there, &byte, 1, 0), 0);
    same(k->close(ends.there), 0);
}

BEHAVIOUR_OF(reset_taken_by_so_error, TCP)
{
    struct ends ends = pair_of(k, family);
    char byte;

    reset(k, ends.here);
    same(k->await(ends.there, POLLERR), GONE | POLLERR);
    same(option_of(k, ends.there, SOL_SOCKET, SO_ERROR), ECONNRESET);
    same(option_of(k, ends.there, SOL_SOCKET, SO_ERROR), 0);
    same(k->poll(ends.there), GONE);
    same(k->recv(ends.there, &byte, 1, 0), 0);
    same(k->close(ends.there), 0);
}

/* Linger on a Unix socket changes nothing. */
BEHAVIOUR_OF(no_reset_by_linger, UNIX)
{
    struct ends ends = pair_of(k, family);
    char byte;

    reset(k, ends.here);
    same(k->await(ends.there, POLLRDHUP), GONE);
    same(k->recv(ends.there, &byte, 1, 0), 0);
    same(k->close(ends.there), 0);
}

/* Closing with bytes unread resets. */
BEHAVIOUR_OF(close_with_unread, ALL)
{
    struct ends ends = pair_of(k, family);
    char bytes[16];

    same(k->send(ends.here, "mine", 4, 0), 4);
    same(k->send(ends.there, "unread", 6, 0), 6);
    ck_assert_int_ne(k->await(ends.here, POLLIN) & POLLIN, 0);
    ck_assert_int_ne(k->await(ends.there, POLLIN) & POLLIN, 0);
    ok(k->settle());
    same(k->close(ends.here), 0);
    same(k->await(ends.there, POLLERR), GONE | POLLERR);
    same(k->recv(ends.there, bytes, sizeof bytes, 0), 4);
    same(k->recv(ends.there, bytes, sizeof bytes, 0), -ECONNRESET);
    same(k->recv(ends.there, bytes, sizeof bytes, 0), 0);
    same(k->send(ends.there, "x", 1, 0), -EPIPE);
    same(k->close(ends.there), 0);
}

/* Both close at once, all read. */
BEHAVIOUR_OF(close_both, ALL)
{
    struct ends ends = pair_of(k, family);

    carry(k, ends.here, ends.there, "done");
    part(k, ends);
}

BEHAVIOUR_OF(shut_both_ways, ALL)
{
    struct ends ends = pair_of(k, family);
    char byte;

    same(k->shutdown(ends.here, SHUT_RDWR), 0);
    same(k->poll(ends.here), GONE);
    same(k->recv(ends.here, &byte, 1, 0), 0);
    same(k->send(ends.here, &byte, 1, 0), -EPIPE);
    same(k->await(ends.there, POLLRDHUP), family == UNIX ? GONE : POLLIN | POLLOUT | POLLRDHUP);
    part(k, ends);
}

/* A listener that closes takes those in its queue with it. */
BEHAVIOUR_OF(listener_closed, ALL)
{
    int listener = listener_of(k, family, 8);
    int waiting = connected_to(k, family, listener);
    char byte;

    ck_assert_int_ne(k->await(listener, POLLIN) & POLLIN, 0);
    same(k->close(listener), 0);
    same(k->await(waiting, POLLERR), GONE | POLLERR);
    same(k->recv(waiting, &byte, 1, 0), -ECONNRESET);
    same(k->recv(waiting, &byte, 1, 0), 0);
    same(k->close(waiting), 0);
}

/* Connections made and left, or reset, before they were accepted: they can be accepted. */
BEHAVIOUR_OF(left_before_accepted, ALL)
{
    int listener = listener_of(k, family, 8);
    int left = connected_to(k, family, listener);
    char bytes[8];

    same(k->send(left, "hi", 2, 0), 2);
    same(k->close(left), 0);
    int there = accept_from(k, listener);
    same(k->await(there, POLLRDHUP), family == UNIX ? GONE : POLLIN | POLLOUT | POLLRDHUP);
    same(k->recv(there, bytes, sizeof bytes, 0), 2);
    same(k->recv(there, bytes, sizeof bytes, 0), 0);
    same(k->close(there), 0);
    if (family != UNIX) {
        left = connected_to(k, family, listener);
        ck_assert_int_ne(k->await(listener, POLLIN) & POLLIN, 0);
        reset(k, left);
        ok(k->settle());
        there = accept_from(k, listener);
        same(k->await(there, POLLERR), GONE | POLLERR);
        same(k->recv(there, bytes, sizeof bytes, 0), -ECONNRESET);
        same(k->close(there), 0);
    }
    same(k->close(listener), 0);
}

/* A sender whose peer never reads fills both buffers, and goes on when they are emptied. */
BEHAVIOUR_OF(full_and_emptied, ALL)
{
    struct ends ends = pair_of(k, family);
    static unsigned char piece[40000];
    uint64_t sent = 0, got = 0, wrong = 0;
    int n, shown;

    do {
        for (;; sent += (uint64_t)n) {
            for (size_t i = 0; i < sizeof piece; i++)
                piece[i] = (unsigned char)((sent + i) * 7 >> 3);
            n = k->send(ends.here, piece, sizeof piece, 0);
            if (n < 0)
                break;
            ck_assert_int_gt(n, 0);
        }
        same(n, -EAGAIN);
    } while (k->settle() && (shown = k->poll(ends.here)) & POLLOUT);
    same(shown, 0);
    same(k->shutdown(ends.here, SHUT_WR), 0); /* after what is under way */
    do {
        ck_assert_int_ne(k->await(ends.there, POLLIN) & POLLIN, 0);
        n = k->recv(ends.there, piece, 1 + got % sizeof piece, 0);
        for (int i = 0; i < n; i++, got++)
            wrong += piece[i] != (unsigned char)(got * 7 >> 3);
    } while (n > 0);
    ck_assert_uint_eq(wrong, 0);
    same(n, 0);
    ck_assert_uint_eq(got, sent);
    part(k, ends);
}

BEHAVIOUR_OF(room_again, ALL)
{
    struct ends ends = pair_of(k, family);
    static char piece[40000];
    int shown;

    do
        while (k->send(ends.here, piece, sizeof piece, 0) > 0)
            ;
    while (k->settle() && (shown = k->poll(ends.here)) & POLLOUT);
    same(shown, 0);
    while (!(k->poll(ends.here) & POLLOUT)) {
        ok(k->recv(ends.there, piece, sizeof piece, 0));
        ok(k->settle());
    }
    ck_assert_int_gt(k->send(ends.here, piece, sizeof piece, 0), 0);
    part(k, ends);
}

TEST_MAIN("sim_net_ends", 60, BOTH(bytes_go_both_ways), BOTH(peeking_and_dropping),
          BOTH(half_close), BOTH(own_reading_shut), BOTH(close_in_order), BOTH(reset_after_bytes),
          BOTH(reset_shown_to_a_sender), BOTH(reset_taken_by_so_error), BOTH(no_reset_by_linger),
          BOTH(close_with_unread), BOTH(close_both), BOTH(shut_both_ways), BOTH(listener_closed),
          BOTH(left_before_accepted), BOTH(full_and_emptied), BOTH(room_again))
