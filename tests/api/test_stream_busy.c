/*
 * A stream written to often: from some write on the ring holds its file by itself. Closing it, or
 * aborting it, must be seen by the peer at once all the same. Would catch a file that is let go
 * only when the ring closes.
 */
#include "support/net.h"

enum { MESSAGES = 40 };

static void converse(weft_stream *stream, int peer)
{
    char byte;

    for (int i = 0; i < MESSAGES; i++) {
        ck_assert_int_eq(weft_stream_write(stream, "x", 1, NULL), 1);
        ck_assert_int_eq(weft_recv(peer, &byte, 1, 0), 1);
        ck_assert_int_eq(byte, 'x');
    }
}

static int close_is_seen(void *arg)
{
    weft_stream *stream;
    int here, there;
    char byte;

    (void)arg;
    for (int round = 0; round < 100; round++) {
        net_pair(&here, &there);
        ok(weft_stream_open(here, NULL, &stream));
        converse(stream, there);
        ok(weft_stream_close(stream));
        ck_assert_int_eq(weft_recv_until(there, &byte, 1, 0, weft_after_ms(10000)), 0);
        ok(weft_close(there));
    }
    return 0;
}

static int abort_is_seen(void *arg)
{
    weft_stream *stream;
    int here, there;
    char byte;

    (void)arg;
    for (int round = 0; round < 100; round++) {
        net_pair(&here, &there);
        ok(weft_stream_open(here, NULL, &stream));
        converse(stream, there);
        ok(weft_stream_abort(stream));
        ck_assert_int_eq(weft_recv_until(there, &byte, 1, 0, weft_after_ms(10000)), -ECONNRESET);
        ok(weft_close(there));
    }
    return 0;
}

TEST(closing_a_busy_stream_is_seen)
{
    net_run(close_is_seen);
}

TEST(aborting_a_busy_stream_is_seen)
{
    net_run(abort_is_seen);
}

TEST_MAIN("stream_busy", 60, closing_a_busy_stream_is_seen, aborting_a_busy_stream_is_seen)
