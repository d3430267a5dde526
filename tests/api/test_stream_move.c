/*
 * Streams that move between reactors while bytes flow, both ways. Would catch a byte that is lost,
 * doubled or out of order on the way, an end or an error that is not told on the other side, and
 * memory of one reactor's pool that another gives back.
 */
#include "stream_move.h"

/* -- bytes that flow ----------------------------------------------------------------------------
 */

enum { LEGS = 8, READ_SIZE = 1250, ALL = LEGS * 2 * READ_SIZE };

struct trip {
    weft_stream *stream;
    uint64_t read, written;
    int leg;
};

static void check(const unsigned char *bytes, size_t size, uint64_t from)
{
    for (size_t i = 0; i < size; i++)
        ck_assert_uint_eq(bytes[i], net_byte(7, from + i));
}

/* Some bytes read, of which the last stay in the stream; and as many written, not all waited for.
 */
static int leg(void *arg)
{
    struct trip *trip = arg;
    unsigned char bytes[READ_SIZE];
    const void *view;
    size_t seen;

    ok(weft_stream_attach(trip->stream));
    ok(weft_stream_read_exactly(trip->stream, bytes, READ_SIZE, NULL));
    check(bytes, READ_SIZE, trip->read);
    trip->read += READ_SIZE;
    if (trip->leg % 3 == 0) { /* looked at, and partly put back */
        ok(weft_stream_peek(trip->stream, &view, &seen, 0));
        check(view, seen / 2, trip->read);
        ok(weft_stream_consume(trip->stream, seen / 2));
        trip->read += seen / 2;
    }
    for (int i = 0; i < 2; i++) {
        net_fill(bytes, READ_SIZE, 7, trip->written);
        if (i == 0)
            ok(weft_stream_write(trip->stream, bytes, READ_SIZE, NULL));
        else
            ok(weft_stream_write_nowait(trip->stream, bytes, READ_SIZE));
        trip->written += READ_SIZE;
    }
    trip->leg++;
    return weft_stream_detach(trip->stream);
}

static int sends_all(void *arg)
{
    unsigned char bytes[1000];
    int fd = *(int *)arg;

    for (uint64_t sent = 0; sent < ALL; sent += sizeof bytes) {
        net_fill(bytes, sizeof bytes, 7, sent);
        ok(weft_send_all(fd, bytes, sizeof bytes, NULL));
    }
    return 0;
}

static int hears_all(void *arg)
{
    unsigned char bytes[1000];
    int fd = *(int *)arg;

    for (uint64_t heard = 0; heard < ALL; heard += sizeof bytes) {
        ok(weft_recv_exactly(fd, bytes, sizeof bytes, NULL));
        check(bytes, sizeof bytes, heard);
    }
    return 0;
}

static int rest_of(void *arg)
{
    struct trip *trip = arg;
    unsigned char bytes[READ_SIZE];
    ssize_t n;

    ok(weft_stream_attach(trip->stream));
    for (; trip->read < ALL; trip->read += (uint64_t)n) {
        n = weft_stream_read(trip->stream, bytes, READ_SIZE, 0);
        ck_assert_int_gt(n, 0);
        check(bytes, (size_t)n, trip->read);
    }
    return weft_stream_close(trip->stream);
}

static int main_flow(void *arg)
{
    struct trip trip = {.leg = 0};
    int here, there;

    (void)arg;
    net_pair(&here, &there);
    trip.stream = stream_of(here);
    ok(weft_stream_detach(trip.stream));
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, sends_all, &there, sizeof there, NULL));
        ok(weft_spawn(&s, hears_all, &there, sizeof there, NULL));
        for (int i = 0; i < LEGS; i++)
            on(1 - i % 2, leg, &trip);
        on(1, rest_of, &trip);
    }
    return weft_close(there);
}
TEST(bytes_flow_meanwhile)
{
    run_on_two(main_flow);
}

/* -- what is on the way out ---------------------------------------------------------------------
 */

static int attach_and_close(void *arg)
{
    weft_stream *stream = arg;

    ok(weft_stream_attach(stream));
    return weft_stream_close(stream); /* which sends what is left */
}

static int reads_to_the_end(void *arg)
{
    const int *what = arg;
    unsigned char bytes[1000];
    uint64_t heard = 0;
    ssize_t n;

    while ((n = weft_recv(what[0], bytes, sizeof bytes, 0)) > 0) {
        check(bytes, (size_t)n, heard);
        heard += (uint64_t)n;
    }
    ck_assert_int_eq(n, 0);
    ck_assert_uint_eq(heard, (uint64_t)what[1]);
    return 0;
}

/* More than the peer takes before it reads: part of it is in flight, the rest queued. */
static int main_queued(void *arg)
{
    enum { PIECE = 30000, PIECES = 6 };
    static unsigned char bytes[PIECE];
    const struct weft_socket_opt small = {.size = sizeof small, .send_buffer_size = 8192};
    int here, there;
    weft_stream *stream;

    (void)arg;
    net_pair(&here, &there);
    ok(weft_socket_set(here, &small));
    stream = stream_of(here);
    for (int i = 0; i < PIECES; i++) {
        net_fill(bytes, PIECE, 7, (uint64_t)i * PIECE);
        ck_assert_int_eq(weft_stream_write_nowait(stream, bytes, PIECE), PIECE);
    }
    ok(weft_sleep(1000000));
    ok(weft_stream_detach(stream));
    WEFT_SCOPE(s) {
        int what[2] = {there, PIECE * PIECES};
        ok(weft_spawn(&s, reads_to_the_end, what, sizeof what, NULL));
        on(1, attach_and_close, stream);
    }
    return weft_close(there);
}
TEST(what_was_queued_is_sent)
{
    run_on_two(main_queued);
}

/* A view given away is sent from another stream's buffer, which stays behind. */
static int main_given(void *arg)
{
    struct given given = {.size = 0};

    (void)arg;
    give_much(&given);
    ok(weft_stream_detach(given.stream));
    ok(weft_stream_abort(given.giver));
    WEFT_SCOPE(s) {
        int what[2] = {given.there, given.size};
        ok(weft_spawn(&s, reads_to_the_end, what, sizeof what, NULL));
        on(1, attach_and_close, given.stream);
    }
    ok(weft_close(given.source));
    return weft_close(given.there);
}
TEST(what_was_given_is_sent)
{
    run_on_two(main_given);
}

/* So is one whose giver holds the rest of the buffer, and what is before that no more. */
static int main_given_part(void *arg)
{
    enum { GIVEN = 60000 };
    const struct weft_socket_opt small = {.size = sizeof small, .send_buffer_size = 4096};
    const struct weft_socket_opt narrow = {.size = sizeof narrow, .receive_buffer_size = 4096};
    const struct weft_stream_opt large = {.size = sizeof large, .buffer_size = 65536};
    static unsigned char bytes[GIVEN];
    int here, there, from, source;
    weft_stream *stream, *giver;
    const void *view;
    size_t seen;
    uint64_t filled = 0;
    ssize_t n;

    (void)arg;
    net_pair(&here, &there);
    net_pair(&from, &source);
    ok(weft_socket_set(here, &small));
    ok(weft_socket_set(there, &narrow));
    do { /* until the peer, who reads later, takes no more */
        net_fill(bytes, GIVEN, 7, filled);
        n = weft_send(here, bytes, GIVEN, MSG_DONTWAIT);
        filled += n > 0 ? (uint64_t)n : 0;
    } while (n > 0);
    stream = stream_of(here);
    ok(weft_stream_open(from, &large, &giver));
    ok(weft_send_all(source, bytes, GIVEN, NULL));
    ck_assert_int_eq(weft_stream_peek(giver, &view, &seen, 0), 1);
    ck_assert_int_eq(weft_stream_give(stream, giver, --seen), (ssize_t)seen);
    ck_assert_int_gt(weft_stream_write_pending(stream), 0);
    ok(weft_stream_detach(stream));
    ok(weft_stream_abort(giver));
    WEFT_SCOPE(s) {
        int what[2] = {there, (int)(filled + seen)};
        ok(weft_spawn(&s, reads_to_the_end, what, sizeof what, NULL));
        on(1, attach_and_close, stream);
    }
    ok(weft_close(source));
    return weft_close(there);
}
TEST(part_of_a_buffer_is_sent)
{
    run_on_two(main_given_part);
}

/* -- ends ---------------------------------------------------------------------------------------
 */

static int reads_the_end(void *arg)
{
    weft_stream *stream = arg;
    char bytes[8] = "";

    ok(weft_stream_attach(stream));
    ck_assert_int_eq(weft_stream_read_exactly(stream, bytes, 4, NULL), 4);
    ck_assert_mem_eq(bytes, "tail", 4);
    ck_assert_int_eq(weft_stream_read(stream, bytes, 4, 0), 0);
    ck_assert_int_eq(weft_stream_at_eof(stream), 1);
    ok(weft_stream_write(stream, "ok", 2, NULL)); /* the other way goes on */
    return weft_stream_close(stream);
}

static int main_ended(void *arg)
{
    char bytes[8] = "";

    (void)arg;
    for (int late = 0; late < 2; late++) { /* the end before the move, and after it */
        int here, there;
        weft_stream *stream;
        net_pair(&here, &there);
        stream = stream_of(here);
        ok(weft_send_all(there, "headtail", 8, NULL));
        if (!late)
            ok(weft_shutdown(there, SHUT_WR));
        ok(weft_stream_read_exactly(stream, bytes, 4, NULL));
        if (!late)
            ok(weft_sleep(1000000));
        ok(weft_stream_detach(stream));
        if (late)
            ok(weft_shutdown(there, SHUT_WR));
        on(1, reads_the_end, stream);
        ok(weft_recv_exactly(there, bytes, 2, NULL));
        ok(weft_close(there));
    }
    return 0;
}
TEST(the_end_goes_along)
{
    run_on_two(main_ended);
}

static int reads_a_reset(void *arg)
{
    weft_stream *stream = arg;
    char byte;

    ok(weft_stream_attach(stream));
    ck_assert_int_eq(weft_stream_read(stream, &byte, 1, 0), -ECONNRESET);
    return weft_stream_close(stream);
}

static int main_reset(void *arg)
{
    struct weft_socket_opt reset = {.size = sizeof reset, .reset_on_close = true};
    int here, there;
    weft_stream *stream;

    (void)arg;
    net_pair(&here, &there);
    stream = stream_of(here);
    ok(weft_socket_set(there, &reset));
    ok(weft_close(there));
    ok(weft_sleep(1000000)); /* the stream has met it: nobody else is told again */
    ok(weft_stream_detach(stream));
    on(1, reads_a_reset, stream);
    return 0;
}
TEST(an_error_goes_along)
{
    run_on_two(main_reset);
}

TEST_MAIN("api.stream_move", 60, bytes_flow_meanwhile, what_was_queued_is_sent,
          what_was_given_is_sent, part_of_a_buffer_is_sent, the_end_goes_along, an_error_goes_along)
