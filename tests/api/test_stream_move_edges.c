/*
 * Streams that do not move between reactors, or not at once: refused, in the way of another call,
 * or closed meanwhile. Would catch a stream that two reactors have, one that is lost with what was
 * refused, one that takes the descriptor of somebody else, and a close that leaves something.
 */
#include "stream_move.h"
#include "support/misuse.h"

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

TEST_MAIN("api.stream_move_edges", 60, refused, another_call_in_its_place,
          used_by_another_meanwhile, closed_meanwhile, closed_meanwhile_with_given, closed_before,
          a_server_keeps_its_own, closed_under_it, closed_twice_under_it)
