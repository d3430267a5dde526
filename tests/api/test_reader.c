/*
 * weft_add_reader and weft_add_writer: called as long as the descriptor is ready, and never once
 * they are removed. Catches a call after the removal, one that is missed because something was left
 * unread, a poll that outlives the descriptor or the run, and a number that stays claimed.
 */
#include <fcntl.h>

#include "support/misuse.h"
#include "support/net.h"

#define same(a, b) ck_assert_int_eq((a), (b))
#define MS INT64_C(1000000)

struct seen {
    weft_event event; /* set by each call */
    int calls;
    int events; /* of the latest */
    int fd;
    bool removes; /* itself, from within */
    int read_max; /* so many bytes a call; 0: none */
    int total;
};

static void on_reader(int fd, int events, void *arg)
{
    struct seen *seen = arg;
    char bytes[64];

    seen->calls++;
    seen->events = events;
    seen->fd = fd;
    if (seen->read_max && events > 0) {
        ssize_t n = read(fd, bytes, (size_t)seen->read_max);
        if (n > 0)
            seen->total += (int)n;
    }
    if (seen->removes)
        same(weft_remove_reader(fd), 1);
    (void)weft_event_set(&seen->event);
}

static void wait_for_total(struct seen *seen, int total)
{
    while (seen->total < total) {
        ok(weft_event_clear(&seen->event));
        ok(weft_event_wait(&seen->event));
    }
}

/* A pipe whose ends do not block, made behind weft's back. */
static void plain_pipe(int fds[2])
{
    same(pipe(fds), 0);
    same(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    same(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
}

/* -- as long as it is ready -------------------------------------------------------------------- */

static int main_level(void *arg)
{
    struct seen seen = {.event = WEFT_EVENT_INIT, .read_max = 2};
    int fds[2];

    (void)arg;
    plain_pipe(fds);
    same(weft_add_reader(fds[0], on_reader, &seen), 0);
    ok(weft_sleep(2 * MS));
    same(seen.calls, 0);
    same(write(fds[1], "abcdefg", 7), 7);
    wait_for_total(&seen, 7); /* two at a time: what is left is told again */
    ck_assert_int_ge(seen.calls, 4);
    same(seen.events, POLLIN);
    same(seen.fd, fds[0]);
    same(write(fds[1], "h", 1), 1);
    wait_for_total(&seen, 8);
    ok(close(fds[1]));
    while (!(seen.events & POLLHUP))
        ok(weft_yield());
    same(weft_remove_reader(fds[0]), 1);
    same(weft_remove_reader(fds[0]), 0);
    return close(fds[0]);
}
TEST(told_while_it_is_ready)
{
    net_run(main_level);
}

/* -- removed ----------------------------------------------------------------------------------- */

struct pair {
    struct seen seen;
    struct pair *other;
};
static void removes_other(int fd, int events, void *arg)
{
    struct pair *pair = arg;

    (void)events;
    pair->seen.calls++;
    same(weft_remove_reader(pair->other->seen.fd), 1);
    same(weft_remove_reader(fd), 1);
}

/* Two are ready in one turn; the first to be called removes the other. And a task that comes before
   both. */
static int main_removed(void *arg)
{
    int fds[2][2];

    (void)arg;
    plain_pipe(fds[0]);
    plain_pipe(fds[1]);
    for (int round = 0; round < 20; round++) {
        struct pair a = {.seen.fd = fds[0][0]}, b = {.seen.fd = fds[1][0], .other = &a};
        struct seen none = {.event = WEFT_EVENT_INIT};

        a.other = &b;
        same(weft_add_reader(fds[0][0], removes_other, &a), 0);
        same(weft_add_reader(fds[1][0], removes_other, &b), 0);
        if (round == 0) {
            same(write(fds[0][1], "x", 1), 1);
            same(write(fds[1][1], "x", 1), 1);
        }
        while (a.seen.calls + b.seen.calls == 0)
            ok(weft_yield());
        ok(weft_sleep(MS / 10));
        same(a.seen.calls + b.seen.calls, 1);

        same(weft_add_reader(fds[0][0], on_reader, &none), 0);
        for (int i = 0; i < round % 5; i++)
            if (none.calls == 0)
                ok(weft_yield());
        same(weft_remove_reader(fds[0][0]), 1);
        none.calls = 0;
        ok(weft_sleep(MS / 10));
        same(none.calls, 0);
    }
    for (int i = 0; i < 4; i++)
        ok(close(fds[i / 2][i % 2]));
    return 0;
}
TEST(never_called_once_removed)
{
    net_run(main_removed);
}

static void on_second(int fd, int events, void *arg)
{
    (void)fd, (void)events;
    *(int *)arg += 1;
}
/* From within: removing itself, putting another in its place, being added anew. */
static void on_first(int fd, int events, void *arg)
{
    (void)events;
    same(weft_remove_reader(fd), 1);
    same(weft_add_reader(fd, on_second, arg), 0);
}
static int main_within(void *arg)
{
    struct seen seen = {.event = WEFT_EVENT_INIT, .removes = true};
    int second = 0, fds[2];

    (void)arg;
    plain_pipe(fds);
    same(write(fds[1], "x", 1), 1);
    same(weft_add_reader(fds[0], on_reader, &seen), 0);
    ok(weft_event_wait(&seen.event));
    ok(weft_sleep(MS));
    same(seen.calls, 1);
    same(weft_remove_reader(fds[0]), 0);

    seen.removes = false;
    same(weft_add_reader(fds[0], on_reader, &seen), 0);
    same(weft_add_reader(fds[0], on_first, &second), 0); /* in its place */
    while (second == 0)
        ok(weft_yield());
    same(seen.calls, 1);
    same(weft_remove_reader(fds[0]), 1);
    ok(close(fds[0]));
    return close(fds[1]);
}
TEST(from_within)
{
    net_run(main_within);
}

/* -- readers and writers, with others ---------------------------------------------------------- */

static void on_writer(int fd, int events, void *arg)
{
    struct seen *seen = arg;

    seen->calls++;
    seen->events = events;
    same(weft_remove_writer(fd), 1);
    (void)weft_event_set(&seen->event);
}

/* One descriptor read and written by callbacks, polled by a task; a writer hears of room, and not
   of what the peer has ended. */
static int main_both(void *arg)
{
    struct seen reader = {.event = WEFT_EVENT_INIT, .read_max = 64},
                writer = {.event = WEFT_EVENT_INIT};
    static char much[1 << 16];
    uint64_t cqes;
    int here, there;

    (void)arg;
    net_pair(&here, &there);
    same(weft_add_reader(here, on_reader, &reader), 0);
    same(weft_add_writer(here, on_writer, &writer), 0);
    ok(weft_event_wait(&writer.event));
    same(writer.events, POLLOUT);
    same(weft_send_all(there, "abc", 3, NULL), 3);
    wait_for_total(&reader, 3);
    same(weft_remove_reader(here), 1);

    net_fill_up(here);
    ok(weft_shutdown(there, SHUT_WR));
    same(weft_poll(here, POLLIN | POLLRDHUP) & POLLRDHUP, POLLRDHUP);
    writer.calls = 0;
    same(weft_add_writer(here, on_writer, &writer), 0);
    cqes = net_stats().cqes;
    ok(weft_sleep(10 * MS));
    same(writer.calls, 0);
    ck_assert_uint_lt(net_stats().cqes - cqes, 20); /* nor does it spin */
    while (writer.calls == 0)
        (void)weft_recv_until(there, much, sizeof much, 0, weft_after_ms(5));
    ck_assert_int_ne(writer.events & POLLOUT, 0);
    same(weft_remove_writer(here), 0);

    net_fill_up(here);
    same(weft_add_writer(here, on_writer, &writer), 0);
    ok(weft_sleep(5 * MS)); /* closed while it listens for changes */
    ok(weft_close(here));
    return weft_close(there);
}
TEST(both_sides)
{
    net_run(main_both);
}

/* Many, and early ones go on when later ones need a larger table. */
enum { MANY = 50 };
static int main_many(void *arg)
{
    static int fds[MANY][2];
    struct seen seen = {.event = WEFT_EVENT_INIT, .read_max = 1};

    (void)arg;
    for (int i = 0; i < MANY; i++) {
        plain_pipe(fds[i]);
        same(weft_add_reader(fds[i][0], on_reader, &seen), 0);
    }
    ck_assert_int_gt(fds[MANY - 1][0], 64);
    for (int i = 0; i < MANY; i++)
        same(write(fds[i][1], "x", 1), 1);
    wait_for_total(&seen, MANY);
    for (int i = 0; i < MANY; i++) {
        same(weft_remove_reader(fds[i][0]), 1);
        ok(close(fds[i][0]));
        ok(close(fds[i][1]));
    }
    return 0;
}
TEST(many)
{
    net_run(main_many);
}

/* What a receive has met beyond its bytes is told to the next, though a reader came and went. */
static int main_trouble(void *arg)
{
    struct seen seen = {.event = WEFT_EVENT_INIT};
    char bytes[8];
    int fds[2];

    (void)arg;
    same(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    same(weft_add_reader(fds[0], on_reader, &seen), 0);
    same(send(fds[0], "unread", 6, 0), 6);
    same(send(fds[1], "abc", 3, 0), 3);
    ok(close(fds[1]));
    same(weft_recv(fds[0], bytes, sizeof bytes, MSG_WAITALL), 3);
    same(weft_remove_reader(fds[0]), 1);
    ok(weft_sleep(5 * MS)); /* it is gone altogether */
    same(weft_recv(fds[0], bytes, sizeof bytes, 0), -ECONNRESET);
    same(weft_recv(fds[0], bytes, sizeof bytes, 0), 0);
    return weft_close(fds[0]);
}
TEST(trouble_is_kept)
{
    net_run(main_trouble);
}

/* -- the descriptor ends ----------------------------------------------------------------------- */

/* Closing removes both, armed or ready; a number used again begins anew. */
static int main_closed(void *arg)
{
    struct seen seen = {.event = WEFT_EVENT_INIT};
    int fds[2];

    (void)arg;
    for (int turns = 0; turns < 6; turns++) {
        same(weft_pipe(fds, O_NONBLOCK), 0);
        same(weft_add_reader(fds[0], on_reader, &seen), 0);
        same(weft_fd_move(fds[0]), -EBUSY);
        if (turns % 2)
            same(weft_write(fds[1], "x", 1), 1);
        for (int i = 0; i < turns; i++)
            ok(weft_yield());
        ok(weft_close(fds[0]));
        seen.calls = 0;
        ok(weft_close(fds[1]));
        ok(weft_yield());
        same(seen.calls, 0);
        same(weft_remove_reader(fds[0]), 0);
    }
    return 0;
}
TEST(closed_under_it)
{
    net_run(main_closed);
}

/* A library that closes its own, and gets the number again at once: first here, then elsewhere. */
static int adds_there(void *arg)
{
    struct seen seen = {.event = WEFT_EVENT_INIT};
    int fd = *(int *)arg;

    same(weft_add_writer(fd, on_writer, &seen), 0);
    ok(weft_event_wait(&seen.event));
    return seen.events;
}
static int main_behind(void *arg)
{
    int fds[2], events;

    (void)arg;
    for (int i = 0; i < 20; i++) {
        struct seen seen = {.event = WEFT_EVENT_INIT, .removes = true};

        plain_pipe(fds);
        same(weft_add_reader(fds[0], on_reader, &seen), 0);
        if (i % 3 == 0)
            ok(weft_yield());
        if (i % 2 == 0) {
            same(weft_remove_reader(fds[0]), 1);
        } else {
            same(write(fds[1], "x", 1), 1);
            ok(weft_event_wait(&seen.event));
            same(seen.events, POLLIN);
        }
        ok(close(fds[0]));
        ok(close(fds[1]));
    }
    ok(weft_sleep(5 * MS)); /* what was asked of the kernel has ended */
    plain_pipe(fds);
    same(weft_call(1, adds_there, &fds[1], sizeof fds[1]), POLLOUT);
    while ((events = weft_poll(fds[1], POLLOUT)) == -EXDEV) /* the other one's, yet */
        ok(weft_sleep(MS));
    same(events, POLLOUT);
    ok(close(fds[0]));
    return close(fds[1]);
}
TEST(closed_behind_our_back)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    same(weft_run(main_behind, NULL, 0, &opt), 0);
}

/* -- the end of the reactor -------------------------------------------------------------------- */

static int still_called;
static void counts_on(int fd, int events, void *arg)
{
    (void)fd, (void)events;
    same(*(int *)arg, 7);
    still_called++;
}
static int leaves_them(void *arg)
{
    static int seven = 7;
    int *fds = arg;

    plain_pipe(fds);
    plain_pipe(fds + 2);
    same(weft_add_reader(fds[0], counts_on, &seven), 0);
    same(weft_add_writer(fds[1], counts_on, &seven), 0); /* ready in every turn */
    same(weft_add_reader(fds[2], counts_on, &seven), 0);
    same(write(fds[3], "x", 1), 1);
    while (still_called < 3)
        ok(weft_yield());
    return 0;
}
static void close_all(int fds[4])
{
    for (int i = 0; i < 4; i++)
        ok(close(fds[i]));
}
/* Who asks for one at the very end is refused. */
static int asked;
static void asks_at_the_end(void *arg)
{
    asked = weft_add_reader(*(int *)arg, on_reader, NULL);
}
static void never(void *arg)
{
    (void)arg;
}
static int leaves_one_who_asks(void *arg)
{
    struct weft_call_opt opt = {.size = sizeof opt, .drop = asks_at_the_end};

    same(weft_call_later(60000 * MS, never, arg, &opt), 0);
    return 0;
}
TEST(asked_for_at_the_end)
{
    int fds[2];

    plain_pipe(fds);
    asked = 0;
    same(weft_run(leaves_one_who_asks, fds, 0, NULL), 0);
    same(asked, -ESHUTDOWN);
    ok(close(fds[0]));
    ok(close(fds[1]));
}

TEST(left_behind)
{
    int fds[4] = {-1, -1, -1, -1};
    weft_loop *loop = NULL;

    still_called = 0;
    same(weft_run(leaves_them, fds, 0, NULL), 0);
    close_all(fds);

    still_called = 0;
    same(weft_loop_new(&loop, NULL), 0);
    same(weft_loop_run(loop, leaves_them, fds, 0), 0);
    same(weft_loop_close(loop), 0); /* with one in the ready queue */
    close_all(fds);
}

/* -- refused ----------------------------------------------------------------------------------- */

static int main_refused(void *arg)
{
    struct seen seen = {.event = WEFT_EVENT_INIT};
    int here, there, port, fd;
    weft_stream *stream;

    (void)arg;
    ck_misuse(weft_add_reader(-1, on_reader, &seen), -EBADF, "weft_add_reader", "negative");
    ck_misuse(weft_add_writer(0, NULL, &seen), -EINVAL, "weft_add_writer", "function");
    same(weft_remove_reader(-1), 0);
    same(weft_remove_writer(1 << 20), 0);
    net_pair(&here, &there);
    ok(weft_stream_open(here, NULL, &stream));
    ck_misuse(weft_add_reader(here, on_reader, &seen), -EBUSY, "weft_add_reader", "stream");
    ok(weft_stream_close(stream));
    ok(weft_close(there));

    fd = net_listen(&port); /* closed behind our back: the last call says so */
    (void)port;
    ok(weft_close(fd));
    if (!test_misuse_debug()) {
        same(weft_add_reader(fd, on_reader, &seen), 0);
        ok(weft_event_wait(&seen.event));
        same(seen.events, -EBADF);
        same(weft_remove_reader(fd), 0);
    } else {
        same(weft_add_reader(fd, on_reader, &seen), -EBADF);
    }
    return 0;
}
TEST(refused)
{
    ck_misuse(weft_add_reader(0, on_reader, NULL), -EPERM, "weft_add_reader", "");
    ck_misuse(weft_remove_writer(0), -EPERM, "weft_remove_writer", "");
    net_run(main_refused);
}

/* A stream would take what it is called for; once it is removed, its poll harms nobody, and a
   stream that moves waits for the end of that. */
static int main_stream(void *arg)
{
    struct seen seen = {.calls = 0};
    weft_stream *stream;
    int here, there;

    (void)arg;
    net_pair(&here, &there);
    same(weft_add_reader(here, on_reader, &seen), 0);
    ck_misuse(weft_stream_open(here, NULL, &stream), -EBUSY, "weft_stream_open", "uses");
    same(weft_remove_reader(here), 1);
    same(weft_stream_open(here, NULL, &stream), 0);
    same(weft_stream_detach(stream), 0);
    same(weft_stream_attach(stream), 0);
    same(weft_stream_close(stream), 0);
    same(seen.calls, 0);
    return weft_close(there);
}
TEST(no_stream_meanwhile)
{
    net_run(main_stream);
}

TEST_MAIN("reader", 60, told_while_it_is_ready, never_called_once_removed, from_within, both_sides,
          many, trouble_is_kept, closed_under_it, closed_behind_our_back, asked_for_at_the_end,
          left_behind, refused, no_stream_meanwhile)
