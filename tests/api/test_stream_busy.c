/*
 * A stream written to often: from some write on the ring holds its file by itself. Closing it, or
 * aborting it, must be seen by the peer at once all the same. And one read from often, in small
 * pieces. Would catch a file that is let go only when the ring closes, and a reader that keeps the
 * reactor for itself.
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
        ck_assert_int_eq(weft_recv_until(there, &byte, 1, 0, weft_after_ms(60000)), 0);
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
        ck_assert_int_eq(weft_recv_until(there, &byte, 1, 0, weft_after_ms(60000)), -ECONNRESET);
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

/* Bytes that are there already are answered without a wait, but not for ever: others have their
   turn meanwhile. */
enum { HELD = 2000 };

static int run_along(void *arg)
{
    for (int *times = *(int **)arg; *times >= 0; ++*times)
        ok(weft_yield());
    return 0;
}

static void read_one(weft_stream *stream)
{
    char byte;

    ck_assert_int_eq(weft_stream_read(stream, &byte, 1, 0), 1);
}

static void peek_one(weft_stream *stream)
{
    const void *data;
    size_t size;

    ck_assert_int_eq(weft_stream_peek(stream, &data, &size, 0), 1);
    ck_assert_int_eq(weft_stream_consume(stream, 1), 0);
}

static int main_shares(void *arg)
{
    void (*const takes[])(weft_stream *) = {read_one, peek_one};
    char bytes[HELD] = {0};
    weft_stream *stream;
    int here, there;

    (void)arg;
    net_pair(&here, &there);
    ok(weft_stream_open(here, NULL, &stream));
    for (size_t i = 0; i < sizeof takes / sizeof takes[0]; i++) {
        int times = 0, *place = &times;
        ck_assert_int_eq(weft_send_all(there, bytes, HELD, NULL), HELD);
        takes[i](stream);
        ok(weft_sleep(20000000)); /* the rest is there, as a rule */
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, run_along, &place, sizeof place, NULL));
            for (int j = 1; j < HELD; j++)
                takes[i](stream);
            ck_assert_int_ge(times, HELD / 256 - 1); /* the budget of a turn is 256 */
            times = -1000000;
        }
    }
    ok(weft_stream_close(stream));
    return weft_close(there);
}

TEST(what_is_held_is_not_taken_in_one_turn)
{
    net_run(main_shares);
}

TEST_MAIN("stream_busy", 60, what_is_held_is_not_taken_in_one_turn, closing_a_busy_stream_is_seen,
          aborting_a_busy_stream_is_seen)
