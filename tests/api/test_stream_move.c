/*
 * Streams that move between reactors while bytes flow, both ways. Would catch a byte that is lost,
 * doubled or out of order on the way, an end or an error that is not told on the other side, memory
 * of one reactor's pool that another gives back, and a stream that two reactors have.
 */
#include "support/misuse.h"
#include "support/net.h"

static void run_on_two(weft_task_fn fn)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    ck_assert_int_eq(weft_run(fn, NULL, 0, &opt), 0);
}

/* The task on that reactor, to its end. */
static void on(int reactor, weft_task_fn fn, void *arg)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .reactor = WEFT_ON(reactor)};

    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, fn, arg, 0, &opt));
    }
}

static weft_stream *stream_of(int fd)
{
    weft_stream *stream;

    ok(weft_stream_open(fd, NULL, &stream));
    return stream;
}

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

/* A stream with more given to it, from the buffers of another one, than goes at once. */
struct given {
    int here, there, source, size;
    weft_stream *stream, *giver;
};
static void give_much(struct given *given)
{
    const struct weft_socket_opt small = {.size = sizeof small, .send_buffer_size = 4096};
    static unsigned char bytes[20000];
    const void *view;
    size_t seen;
    int from;

    net_pair(&given->here, &given->there);
    net_pair(&from, &given->source);
    ok(weft_socket_set(given->here, &small));
    given->stream = stream_of(given->here);
    given->giver = stream_of(from);
    net_fill(bytes, sizeof bytes, 7, 0);
    ok(weft_send_all(given->source, bytes, 20000, NULL));
    for (int i = 0; i < 2; i++) { /* the second may wait for the first, as long as that takes */
        ck_assert_int_eq(weft_stream_peek(given->giver, &view, &seen, 0), 1);
        seen = i == 0 ? seen : seen / 2;
        ck_assert_int_eq(weft_stream_give(given->stream, given->giver, seen), (ssize_t)seen);
        given->size += (int)seen;
    }
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

/* -- refused ------------------------------------------------------------------------------------
 */

static int reads_one(void *arg)
{
    weft_stream *stream = arg;
    char byte = 0;

    ck_assert_int_eq(weft_stream_read(stream, &byte, 1, 0), 1);
    ck_assert_int_eq(byte, 'x');
    return 0;
}

static int detaches(void *arg)
{
    return weft_stream_detach(arg) == -ECANCELED ? 0 : -EINVAL;
}

static int main_refused(void *arg)
{
    struct weft_spawn_opt far = {.size = sizeof far, .reactor = WEFT_ON(1)};
    int here, there, near, peer, pipes[2];
    weft_stream *stream, *pipe, *other;
    const void *view;
    char bytes[8] = "";
    size_t seen;

    (void)arg, (void)far;
    net_pair(&here, &there);
    stream = stream_of(here);
    ck_misuse(weft_stream_detach(NULL), -EINVAL, "weft_stream_detach", "no stream");
    ck_misuse(weft_stream_attach(NULL), -EINVAL, "weft_stream_attach", "no stream");
    ck_misuse(weft_stream_attach(stream), -EINVAL, "weft_stream_attach", "not detached");
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, reads_one, stream, 0, NULL));
        ok(weft_yield());
        ck_misuse(weft_stream_detach(stream), -EBUSY, "weft_stream_detach", "has the stream");
        ok(weft_send_all(there, "xyz", 3, NULL));
    }
    ok(weft_stream_peek(stream, &view, &seen, 0));
    ck_misuse(weft_stream_detach(stream), -EBUSY, "weft_stream_detach", "has the stream");
    ok(weft_stream_consume(stream, 0));
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        ok(weft_spawn(&s, detaches, stream, 0, NULL));
        weft_scope_cancel(&s);
    }
    ok(weft_stream_read_exactly(stream, bytes, 2, NULL)); /* nothing came of all that */
    ck_assert_mem_eq(bytes, "yz", 2);
    ok(weft_stream_detach(stream));
    ck_misuse(weft_stream_read(stream, bytes, 1, 0), -EXDEV, "weft_stream_read", "reactor");
    ck_misuse(weft_stream_write(stream, bytes, 1, NULL), -EXDEV, "weft_stream_write", "reactor");
    ck_misuse(weft_stream_detach(stream), -EXDEV, "weft_stream_detach", "reactor");
    net_pair(&near, &peer);
    other = stream_of(near);
    ck_misuse(weft_stream_give(other, stream, 1), -EXDEV, "weft_stream_give", "reactor");
    ck_misuse(weft_stream_splice(stream, other, 1, 0), -EXDEV, "weft_stream_splice", "reactor");
    ok(weft_stream_close(other));
    ok(weft_close(peer));
    ck_assert_int_eq(weft_recv(weft_stream_fd(stream), bytes, 1, MSG_DONTWAIT), -EAGAIN);
    ok(weft_stream_close(stream)); /* here, where it was detached from */
    ck_assert_int_eq(weft_recv(there, bytes, 1, 0), 0);
    ok(weft_close(there));
    ok(weft_pipe(pipes, 0));
    pipe = stream_of(pipes[1]);
    ok(weft_stream_shutdown(pipe));
    ck_assert_int_eq(weft_stream_detach(pipe), -ENOTCONN);
    ok(weft_stream_close(pipe));
    return weft_close(pipes[0]);
}
TEST(refused)
{
    run_on_two(main_refused);
    ck_misuse(weft_stream_attach(NULL), -EPERM, "weft_stream_attach", "");
}

/* A call has the descriptor where the stream comes to: it waits until that has ended. */
static int hears_one(void *arg)
{
    char byte = 0;

    ck_assert_int_eq(weft_recv(*(int *)arg, &byte, 1, 0), 1);
    return 0;
}

static int hears(const struct weft_task_info *info, void *context)
{
    (void)context;
    return info->waits_for && strcmp(info->waits_for, "recv") == 0;
}

static int main_in_its_place(void *arg)
{
    int here, there;
    weft_stream *stream;

    (void)arg;
    net_pair(&here, &there);
    stream = stream_of(here);
    ok(weft_stream_detach(stream));
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, hears_one, &here, sizeof here, NULL));
        while (weft_tasks_each(hears, NULL) != 1)
            ok(weft_yield());
        ck_misuse(weft_stream_attach(stream), -EBUSY, "weft_stream_attach", "");
        ok(weft_send_all(there, "z", 1, NULL));
    }
    ok(weft_stream_attach(stream));
    ok(weft_stream_close(stream));
    return weft_close(there);
}
TEST(another_call_in_its_place)
{
    net_run(main_in_its_place);
}

/* Another reactor has used the descriptor: the stream waits, whole, until it lets go. */
static int uses(void *arg)
{
    char byte;

    ck_assert_int_eq(weft_recv(*(int *)arg, &byte, 1, MSG_DONTWAIT), -EAGAIN);
    return 0;
}

static int moves_on(void *arg)
{
    return weft_fd_move(*(int *)arg);
}

static int main_used(void *arg)
{
    int here, there;
    weft_stream *stream;
    char byte;

    (void)arg;
    net_pair(&here, &there);
    stream = stream_of(here);
    ok(weft_stream_detach(stream));
    on(1, uses, &here);
    ck_misuse(weft_stream_attach(stream), -EXDEV, "weft_stream_attach", "another reactor's");
    ck_assert_int_eq(weft_stream_close(stream), -EXDEV);
    on(1, moves_on, &here);
    ok(weft_send_all(there, "x", 1, NULL));
    ok(weft_stream_attach(stream));
    ck_assert_int_eq(weft_stream_read(stream, &byte, 1, 0), 1);
    ok(weft_stream_close(stream));
    return weft_close(there);
}
TEST(used_by_another_meanwhile)
{
    run_on_two(main_used);
}

/* Pipes, one of which has an end with that number. */
enum { PIPES = 64 };
static int one_with(int fd, int pipes[PIPES][2])
{
    for (int i = 0; i < PIPES; i++) {
        ok(weft_pipe(pipes[i], 0));
        if (pipes[i][0] == fd || pipes[i][1] == fd)
            return i;
    }
    ck_abort_msg("the number is not given out again");
}

/* It was closed by close(2), which does nothing to a simulated one, before the stream was nobody's:
   so it never was any file. */
static int main_never(void *arg)
{
    int here, there, error;
    weft_stream *stream;

    (void)arg;
    net_pair(&here, &there);
    stream = stream_of(here);
    if (close(here) == 0) {
        error = weft_stream_detach(stream);
        ck_assert(error == 0 || error == -EBADF); /* a debug build sees it */
        if (error == 0)
            ck_assert_int_eq(weft_stream_attach(stream), -EBADF);
        ck_assert_int_eq(weft_stream_close(stream), -EBADF);
    } else {
        ok(weft_stream_close(stream));
    }
    return weft_close(there);
}

/* The descriptor was closed while the stream was nobody's; with `again` its number is another
   pipe's by now, which keeps it. */
static int main_gone(void *arg)
{
    bool again = *(bool *)arg;
    int here, there, pipes[PIPES][2], last = -1;
    weft_stream *stream;
    char byte;

    net_pair(&here, &there);
    stream = stream_of(here);
    ck_assert_int_eq(weft_stream_write_nowait(stream, "xyz", 3), 3);
    ok(weft_send_all(there, "abc", 3, NULL));
    ok(weft_stream_read_exactly(stream, &byte, 1, NULL));
    ok(weft_stream_detach(stream));
    ok(weft_close(here));
    if (again)
        last = one_with(here, pipes);
    ck_assert_int_eq(weft_stream_attach(stream), -EBADF);
    ck_assert_int_eq(weft_stream_close(stream), -EBADF);
    if (again) {
        ok(weft_write_all(pipes[last][1], "x", 1, NULL));
        ok(weft_read_exactly(pipes[last][0], &byte, 1, NULL));
    }
    for (; last >= 0; last--) {
        ok(weft_close(pipes[last][0]));
        ok(weft_close(pipes[last][1]));
    }
    return weft_close(there);
}
TEST(closed_meanwhile)
{
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(weft_run(main_gone, &(bool){i}, sizeof(bool), NULL), 0);
}

/* What was given and not sent goes with the stream. */
static int main_gone_with_given(void *arg)
{
    struct given given = {.size = 0};

    (void)arg;
    give_much(&given);
    ok(weft_stream_detach(given.stream));
    ok(weft_stream_abort(given.giver));
    ok(weft_close(given.here));
    ck_assert_int_eq(weft_stream_close(given.stream), -EBADF);
    ok(weft_close(given.source));
    return weft_close(given.there);
}
TEST(closed_meanwhile_with_given)
{
    net_run(main_gone_with_given);
}

TEST(closed_before)
{
    ck_assert_int_eq(weft_run(main_never, NULL, 0, NULL), 0);
}

static int moves_itself(weft_stream *stream, void *arg)
{
    *(int *)arg = weft_stream_detach(stream);
    return 0;
}

static int main_of_a_server(void *arg)
{
    weft_server *server;
    weft_stream *stream;
    char address[32], byte;
    int result = 0;

    (void)arg;
    ok(weft_start_server(&server, "127.0.0.1:0", moves_itself, &result, NULL));
    snprintf(address, sizeof address, "127.0.0.1:%d", weft_server_port(server));
    ok(weft_open_connection(address, NULL, &stream));
    ck_assert_int_eq(weft_stream_read(stream, &byte, 1, 0), 0);
    ck_assert_int_eq(result, -EBUSY);
    ok(weft_stream_close(stream));
    return weft_server_close(server);
}
TEST(a_server_keeps_its_own)
{
    net_run(main_of_a_server);
}

/* -- closed while it is being detached ----------------------------------------------------------
 */

static struct both {
    weft_stream *stream;
    int detached, closed;
    bool ended, closing;
} both;

static int leaves(void *arg)
{
    (void)arg;
    both.detached = weft_stream_detach(both.stream);
    both.ended = true;
    return 0;
}

static int is_leaving(const struct weft_task_info *info, void *context)
{
    (void)context;
    return info->waits_for && strcmp(info->waits_for, "detach") == 0;
}

/* Until it waits for what is in flight, or is over that already. */
static bool begin_leaving(weft_scope *scope, weft_stream *stream)
{
    both = (struct both){.stream = stream, .closed = 1};
    ok(weft_spawn(scope, leaves, NULL, 0, NULL));
    while (!both.ended && weft_tasks_each(is_leaving, NULL) != 1)
        ok(weft_yield());
    return !both.ended;
}

static int closes(void *arg)
{
    (void)arg;
    both.closing = true;
    both.closed = weft_stream_close(both.stream);
    return 0;
}

/* Whoever closes it does, and the other is told. What was written before is sent. */
static int main_closed_under(void *arg)
{
    char bytes[5];
    int here, there;
    weft_stream *stream;
    bool under = false;

    (void)arg;
    net_pair(&here, &there);
    stream = stream_of(here);
    ok(weft_stream_write_nowait(stream, "after", 5));
    WEFT_SCOPE(s) {
        under = begin_leaving(&s, stream);
        ok(weft_stream_close(stream));
    }
    ck_assert_int_eq(both.detached, under ? -ECANCELED : 0);
    ok(weft_recv_exactly(there, bytes, 5, NULL));
    ck_assert_mem_eq(bytes, "after", 5);
    ck_assert_int_eq(weft_recv(there, bytes, 1, 0), 0);
    return weft_close(there);
}
TEST(closed_under_it)
{
    net_run(main_closed_under);
}

/* One of two who close it does. */
static int main_closed_twice(void *arg)
{
    char byte;
    int here, there;

    (void)arg;
    net_pair(&here, &there);
    WEFT_SCOPE(s) {
        (void)begin_leaving(&s, stream_of(here));
        ok(weft_spawn(&s, closes, NULL, 0, NULL));
        while (!both.closing)
            ok(weft_yield());
        if (!both.ended)
            ck_assert_int_eq(weft_stream_close(both.stream), -EALREADY);
    }
    ck_assert_int_eq(both.closed, 0);
    ck_assert_int_eq(weft_recv(there, &byte, 1, 0), 0);
    return weft_close(there);
}
TEST(closed_twice_under_it)
{
    net_run(main_closed_twice);
}

TEST_MAIN("api.stream_move", 60, bytes_flow_meanwhile, what_was_queued_is_sent,
          what_was_given_is_sent, part_of_a_buffer_is_sent, the_end_goes_along, an_error_goes_along,
          refused, another_call_in_its_place, used_by_another_meanwhile, closed_meanwhile,
          closed_meanwhile_with_given, closed_before, a_server_keeps_its_own, closed_under_it,
          closed_twice_under_it)
