/*
 * Splices from a connection with a byte sent out of band, before which the kernel's own splice
 * stops and says "nothing" or "the end"; and with an error queue that nobody reads, which is as
 * ready for ever. Catches bytes that are taken for the end of the stream or never seen, a loop that
 * never sleeps (its turns are counted), and a byte behind that one that is lost when the call is
 * ended just then. On the real kernel: the simulated one sends nothing out of band.
 */
#include <errno.h>
#include <linux/net_tstamp.h>
#include <poll.h>
#include <unistd.h>

#include "support/gift.h"
#include "support/server.h"

enum { MANY = 1 << 16, PIECES = 20, MOST_TURNS = 100 };

static void say(int fd, const char *bytes, int flags)
{
    ck_assert_int_eq(weft_send(fd, bytes, strlen(bytes), flags), (ssize_t)strlen(bytes));
}

/* What is in the buffer then: `size` bytes, and no more. */
static void expect(int fd, const char *bytes, size_t size)
{
    char got[64];

    ck_assert_int_eq(weft_read_exactly(fd, got, size, NULL), (ssize_t)size);
    ck_assert_mem_eq(got, bytes, size);
}

/* Others wait, and nothing happens: a loop that never sleeps takes thousands of turns meanwhile. */
static void expect_quiet(void)
{
    uint64_t before;

    ok(weft_sleep(1000000));
    before = net_stats().turns;
    for (int i = 0; i < 10; i++)
        ok(weft_sleep(1000000));
    ck_assert_uint_lt(net_stats().turns - before, MOST_TURNS);
}

/* The socket has an error queue that holds something, for good: the times at which it sent. */
static void have_errors_queued(int fd)
{
    int flags = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY;
    struct pollfd look = {.fd = fd};

    ok(weft_setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags));
    ck_assert_int_eq(send(fd, "t", 1, 0), 1); /* the writer's side may be a splice's */
    ck_assert_int_eq(poll(&look, 1, -1), 1);  /* by an error */
    flags = 0;
    ok(weft_setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags));
}

/* -- streams ----------------------------------------------------------------------------------- */

static struct flow {
    int in, out; /* the peers' ends */
    weft_stream *from, *to;
    ssize_t result;
    size_t moved;
} flow;

static void open_streams(void)
{
    int from, to;

    net_pair(&flow.in, &from);
    gift_pair(&to, &flow.out, GIFT_SMALL, GIFT_SMALL);
    ok(weft_stream_open(from, NULL, &flow.from));
    ok(weft_stream_open(to, NULL, &flow.to));
    flow.moved = 0;
    flow.result = 1;
}

static void close_streams(void)
{
    ok(weft_stream_close(flow.from));
    ok(weft_stream_close(flow.to));
    ok(weft_close(flow.in));
    ok(weft_close(flow.out));
}

static int moves(void *arg)
{
    (void)arg;
    while ((flow.result = weft_stream_splice(flow.to, flow.from, MANY, 0)) > 0)
        flow.moved += (size_t)flow.result;
    return (int)flow.result;
}

/* It moves something first, so that nothing is armed which would receive what comes. */
static void warm_up(struct weft_scope *scope)
{
    ok(weft_spawn(scope, moves, NULL, 0, NULL));
    ok(weft_sleep(1000000));
    say(flow.in, "first", 0);
    expect(flow.out, "first", 5);
}

/* before: what comes ahead of the byte; the end comes at once or after a while. */
static void move_urgent(const char *before, bool ends_at_once)
{
    open_streams();
    WEFT_SCOPE(s) {
        warm_up(&s);
        if (*before)
            say(flow.in, before, 0);
        say(flow.in, "!", MSG_OOB);
        say(flow.in, "after", 0);
        if (!ends_at_once) {
            expect(flow.out, before, strlen(before));
            expect(flow.out, "after", 5);
            expect_quiet();
            say(flow.in, "at last", 0);
        }
        ok(weft_shutdown(flow.in, SHUT_WR));
    }
    ck_assert_int_eq(flow.result, 0);
    ck_assert_uint_eq(flow.moved, 10 + strlen(before) + (ends_at_once ? 0 : 7));
    if (ends_at_once)
        expect(flow.out, before, strlen(before));
    expect(flow.out, ends_at_once ? "after" : "at last", ends_at_once ? 5 : 7);
    close_streams();
}

static int main_stream_ends(void *arg)
{
    (void)arg;
    move_urgent("before", true);
    move_urgent("", true);
    return 0;
}

TEST(a_stream_ends_after_it)
{
    net_run(main_stream_ends);
}

static int main_stream_goes_on(void *arg)
{
    (void)arg;
    move_urgent("before", false);
    move_urgent("", false);
    return 0;
}

TEST(a_stream_goes_on_after_it)
{
    net_run(main_stream_goes_on);
}

/* Nothing but that byte, for the time being. */
static int main_stream_alone(void *arg)
{
    (void)arg;
    open_streams();
    WEFT_SCOPE(s) {
        warm_up(&s);
        say(flow.in, "!", MSG_OOB);
        expect_quiet();
        say(flow.in, "after", 0);
        expect(flow.out, "after", 5);
        ok(weft_shutdown(flow.in, SHUT_WR));
    }
    ck_assert_int_eq(flow.result, 0);
    close_streams();
    return 0;
}

TEST(nothing_else_comes)
{
    net_run(main_stream_alone);
}

static int pours(void *arg)
{
    static unsigned char bytes[MANY];

    (void)arg;
    for (int i = 0; i < PIECES; i++)
        ck_assert_int_eq(weft_send_all(flow.in, bytes, sizeof bytes, NULL), MANY);
    return weft_shutdown(flow.in, SHUT_WR);
}

/* Both have errors queued: the one that nothing comes from, the other that takes no more. */
static int main_stream_errors(void *arg)
{
    static char bytes[MANY];

    (void)arg;
    open_streams();
    WEFT_SCOPE(s) {
        size_t before;
        warm_up(&s);
        have_errors_queued(weft_stream_fd(flow.from));
        have_errors_queued(weft_stream_fd(flow.to));
        expect(flow.out, "t", 1);
        expect_quiet();
        ok(weft_spawn(&s, pours, NULL, 0, NULL));
        do {
            before = flow.moved;
            for (int i = 0; i < 20; i++)
                ok(weft_sleep(1000000));
        } while (flow.moved != before);
        ck_assert_uint_lt(before, PIECES * MANY);
        expect_quiet();
        for (int i = 0; i < PIECES; i++)
            ck_assert_int_eq(weft_recv_exactly(flow.out, bytes, MANY, NULL), MANY);
    }
    ck_assert_int_eq(flow.result, 0);
    ck_assert_uint_eq(flow.moved, 5 + PIECES * MANY);
    ck_assert_int_eq(weft_recv(flow.in, bytes, 1, 0), 1);
    close_streams();
    return 0;
}

TEST(errors_that_nobody_takes)
{
    net_run(main_stream_errors);
}

/* -- a socket and a pipe ----------------------------------------------------------------------- */

static struct plain {
    int peer, in, pipe[2];
    ssize_t result;
    size_t moved;
} plain;

static int moves_plainly(void *arg)
{
    (void)arg;
    while ((plain.result = weft_splice(plain.in, NULL, plain.pipe[1], NULL, MANY, 0)) > 0)
        plain.moved += (size_t)plain.result;
    return (int)plain.result;
}

static int main_plain(void *arg)
{
    (void)arg;
    for (int at_once = 0; at_once < 2; at_once++) {
        net_pair(&plain.peer, &plain.in);
        ok(weft_pipe(plain.pipe, 0));
        plain.moved = 0;
        WEFT_SCOPE(s) {
            say(plain.peer, "before", 0);
            say(plain.peer, "!", MSG_OOB);
            say(plain.peer, "after", 0);
            if (at_once)
                ok(weft_shutdown(plain.peer, SHUT_WR));
            ok(weft_spawn(&s, moves_plainly, NULL, 0, NULL));
            expect(plain.pipe[0], "beforeafter", 11);
            if (!at_once) {
                expect_quiet();
                have_errors_queued(plain.in);
                expect_quiet();
                say(plain.peer, "at last", 0);
                expect(plain.pipe[0], "at last", 7);
                ok(weft_shutdown(plain.peer, SHUT_WR));
            }
        }
        ck_assert_int_eq(plain.result, 0);
        ck_assert_uint_eq(plain.moved, at_once ? 11 : 18);
        ok(weft_close(plain.peer));
        ok(weft_close(plain.in));
        ok(weft_close(plain.pipe[0]));
        ok(weft_close(plain.pipe[1]));
    }
    return 0;
}

TEST(into_a_pipe)
{
    net_run(main_plain);
}

/* -- by a call that does not wait -------------------------------------------------------------- */

/* Asks until there is something. */
static ssize_t splice_now(void)
{
    ssize_t n;

    while ((n = weft_splice(plain.in, NULL, plain.pipe[1], NULL, MANY, SPLICE_F_NONBLOCK)) ==
           -EAGAIN)
        ok(weft_sleep(1000000));
    return n;
}

static void splice_all(const char *bytes)
{
    size_t size = strlen(bytes);

    for (size_t moved = 0; moved < size;) {
        ssize_t n = splice_now();
        ck_assert_int_gt(n, 0);
        moved += (size_t)n;
    }
    expect(plain.pipe[0], bytes, size);
}

static int main_at_once(void *arg)
{
    (void)arg;
    net_pair(&plain.peer, &plain.in);
    ok(weft_pipe(plain.pipe, 0));
    say(plain.peer, "before", 0);
    say(plain.peer, "!", MSG_OOB);
    say(plain.peer, "after", 0);
    splice_all("beforeafter");
    ck_assert_int_eq(weft_splice(plain.in, NULL, plain.pipe[1], NULL, MANY, SPLICE_F_NONBLOCK),
                     -EAGAIN);
    ok(weft_shutdown(plain.peer, SHUT_WR));
    ck_assert_int_eq(splice_now(), 0);
    ok(weft_close(plain.peer));
    ok(weft_close(plain.in));
    ok(weft_close(plain.pipe[0]));
    return weft_close(plain.pipe[1]);
}

TEST(without_waiting)
{
    net_run(main_at_once);
}

/* There is no room for what comes behind the byte: none of it is taken. */
static int main_full(void *arg)
{
    static char bytes[MANY];
    ssize_t n, room = 0;

    (void)arg;
    net_pair(&plain.peer, &plain.in);
    ok(weft_pipe(plain.pipe, O_NONBLOCK));
    while ((n = write(plain.pipe[1], bytes, sizeof bytes)) > 0)
        room += n;
    ck_assert_int_eq(errno, EAGAIN);
    say(plain.peer, "!", MSG_OOB);
    say(plain.peer, "after", 0);
    ok(weft_poll(plain.in, POLLIN));
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(weft_splice(plain.in, NULL, plain.pipe[1], NULL, MANY, SPLICE_F_NONBLOCK),
                         -EAGAIN);
    for (; room > 0; room -= n)
        ok(n = weft_read(plain.pipe[0], bytes, sizeof bytes));
    splice_all("after");
    ok(weft_close(plain.peer));
    ok(weft_close(plain.in));
    ok(weft_close(plain.pipe[0]));
    return weft_close(plain.pipe[1]);
}

TEST(without_room)
{
    net_run(main_full);
}

/* -- ended between a wait and the next step ------------------------------------------------------
 */

enum end { CANCELLED, OUT_CLOSED, IN_CLOSED, ENDS };

static int polls(const struct weft_task_info *info, void *fd)
{
    return info->fd == *(int *)fd && info->waits_for && strcmp(info->waits_for, "poll") == 0;
}

static bool is_polled(int fd)
{
    return weft_tasks_each(polls, &fd) == 1;
}

/* Comes while the call waits, and the wait ends by that; the call has not gone on. */
static void come_under_its_wait(int peer, int fd)
{
    while (!is_polled(fd))
        ok(weft_yield());
    ck_assert_int_eq(send(peer, "!", 1, MSG_OOB), 1);
    ck_assert_int_eq(send(peer, "after", 5, 0), 5);
    while (is_polled(fd))
        ok(weft_yield());
}

static int moves_once(void *arg)
{
    (void)arg;
    flow.result = weft_stream_splice(flow.to, flow.from, MANY, 0);
    return 0;
}

static void end_stream_move(weft_task task, enum end end)
{
    if (end == CANCELLED)
        ok(weft_cancel(task));
    else
        ok(weft_stream_close(end == IN_CLOSED ? flow.from : flow.to));
    if (end == IN_CLOSED)
        flow.from = NULL;
    if (end == OUT_CLOSED)
        flow.to = NULL;
}

/* What came is there to be read. */
static int main_stream_ended(void *arg)
{
    (void)arg;
    for (enum end end = 0; end < ENDS; end++) {
        weft_task task;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
        char got[6] = "";
        open_streams();
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, moves_once, NULL, 0, &opt));
            come_under_its_wait(flow.in, weft_stream_fd(flow.from));
            ck_assert_int_eq(flow.result, 1);
            end_stream_move(task, end);
            ok(weft_join(task, NULL));
        }
        ck_assert_int_eq(flow.result, -ECANCELED);
        if (end != IN_CLOSED) {
            ck_assert_int_eq(weft_stream_read_exactly(flow.from, got, 5, NULL), 5);
            ck_assert_str_eq(got, "after");
        }
        close_streams();
    }
    return 0;
}

TEST(a_stream_is_ended_before_it)
{
    net_run(main_stream_ended);
}

static int moves_plainly_once(void *arg)
{
    (void)arg;
    plain.result = weft_splice(plain.in, NULL, plain.pipe[1], NULL, MANY, 0);
    return 0;
}

static void end_plain_move(weft_task task, enum end end)
{
    if (end == CANCELLED) {
        ok(weft_cancel(task));
        return;
    }
    ok(weft_close(end == IN_CLOSED ? plain.in : plain.pipe[1]));
    if (end == IN_CLOSED)
        plain.in = -1;
    else
        plain.pipe[1] = -1;
}

static int main_plain_ended(void *arg)
{
    (void)arg;
    for (enum end end = 0; end < ENDS; end++) {
        weft_task task;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
        net_pair(&plain.peer, &plain.in);
        ok(weft_pipe(plain.pipe, 0));
        plain.result = 1;
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, moves_plainly_once, NULL, 0, &opt));
            come_under_its_wait(plain.peer, plain.in);
            ok(weft_yield()); /* it goes on to wait for room, of which there is some */
            while (is_polled(plain.pipe[1]))
                ok(weft_yield());
            ck_assert_int_eq(plain.result, 1);
            end_plain_move(task, end);
            ok(weft_join(task, NULL));
        }
        ck_assert_int_eq(plain.result, -ECANCELED);
        if (end != IN_CLOSED)
            expect(plain.in, "after", 5);
        ok(weft_close(plain.peer));
        ok(weft_close(plain.pipe[0]));
        ok(end == IN_CLOSED ? 0 : weft_close(plain.in));
        ok(end == OUT_CLOSED ? 0 : weft_close(plain.pipe[1]));
    }
    return 0;
}

TEST(a_pipe_is_ended_before_it)
{
    net_run(main_plain_ended);
}

/* -- the bytes of a connection are counted -------------------------------------------------------
 */

static int moves_from(weft_stream *stream, void *arg)
{
    (void)arg;
    flow.from = stream;
    return moves(NULL) < 0;
}

static int moves_to(weft_stream *stream, void *arg)
{
    (void)arg;
    flow.to = stream;
    return moves(NULL) < 0;
}

/* Ten bytes are allowed. The peer's end of a connection of its. */
static int open_server(weft_connection_fn handler, weft_server **server)
{
    struct weft_server_opt opt = {.size = sizeof opt, .connection_bytes = 10};

    flow.moved = 0;
    ok(weft_start_server(server, "127.0.0.1:0", handler, NULL, &opt));
    return server_dial(*server);
}

/* It has had ten bytes: the eleventh is one too many. */
static void have_one_more(weft_server *server)
{
    ck_assert_uint_eq(server_counts(server).active, 1);
    say(flow.in, "x", 0);
    ok(weft_shutdown(flow.in, SHUT_WR));
    while (server_counts(server).active > 0)
        ok(weft_sleep(1000000));
    ck_assert_uint_eq(server_counts(server).over_bytes, 1);
    ok(weft_server_close(server));
    ok(weft_close(flow.in));
    ok(weft_close(flow.out));
}

/* Those behind it, too. */
static int main_counted(void *arg)
{
    weft_server *server;
    int to;

    (void)arg;
    net_pair(&to, &flow.out);
    ok(weft_stream_open(to, NULL, &flow.to));
    flow.in = open_server(moves_from, &server);
    say(flow.in, "first", 0);
    expect(flow.out, "first", 5);
    come_under_its_wait(flow.in, weft_stream_fd(flow.from));
    expect(flow.out, "after", 5);
    have_one_more(server);
    return weft_stream_close(flow.to);
}

TEST(counted_as_they_come)
{
    net_run(main_counted);
}

/* The one too many is not sent. */
static int main_counted_out(void *arg)
{
    weft_server *server;
    int from;

    (void)arg;
    net_pair(&flow.in, &from);
    ok(weft_stream_open(from, NULL, &flow.from));
    flow.out = open_server(moves_to, &server);
    for (int i = 0; i < 2; i++) {
        while (!is_polled(from))
            ok(weft_yield());
        say(flow.in, "bytes", 0);
        expect(flow.out, "bytes", 5);
    }
    while (!is_polled(from))
        ok(weft_yield());
    have_one_more(server);
    ck_assert_int_eq(flow.result, -EDQUOT);
    ck_assert_uint_eq(flow.moved, 10);
    return weft_stream_close(flow.from);
}

TEST(counted_as_they_go)
{
    net_run(main_counted_out);
}

TEST_MAIN("splice_urgent", 30, a_stream_ends_after_it, a_stream_goes_on_after_it,
          nothing_else_comes, errors_that_nobody_takes, into_a_pipe, without_waiting, without_room,
          a_stream_is_ended_before_it, a_pipe_is_ended_before_it, counted_as_they_come,
          counted_as_they_go)
