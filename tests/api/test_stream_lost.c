/*
 * A stream's descriptor that was closed by close(2), and its number given to another: here, or on
 * another reactor. Catches a stream that closes, shuts down, resets or writes to what is another's
 * by now, or keeps the file that it had, one whose close waits for ever since the record that it is
 * woken by has begun anew, a transport that is told of no end and found by no drain, and one that
 * the end of the run forgets.
 */
#include <fcntl.h>
#include <poll.h>

#include "support/lost.h"
#include "support/server.h"
#include "support/stream.h"

enum { MUCH = 8 << 20, WRITES = 20 };

static void run(weft_task_fn fn, int where)
{
    ck_assert_int_eq(weft_run(fn, &where, sizeof where,
                              &(struct weft_run_opt){.size = sizeof(struct weft_run_opt),
                                                     .reactors = 2}),
                     0);
}

/* -- streams ----------------------------------------------------------------------------------- */

/* The peer is told: what the stream had in flight has ended. */
static void peer_is_told(int there)
{
    static char bytes[1 << 16];
    ssize_t n;

    while ((n = weft_recv(there, bytes, sizeof bytes, 0)) > 0)
        continue;
    ck_assert(n == 0 || n == -ECONNRESET);
}

static int main_closed(void *arg)
{
    int where = *(int *)arg;

    for (int aborts = 0; aborts < 2; aborts++) {
        int here, there;
        weft_stream *stream;

        net_pair(&here, &there);
        stream = stream_of(here);
        for (int i = 0; i < WRITES; i++) /* after some the ring holds the file */
            ck_assert_int_eq(weft_stream_write(stream, "a", 1, NULL), 1);
        lost_to(where, here);
        if (where == 0) {
            char byte;
            ck_assert_int_eq(weft_stream_read(stream, &byte, 1, 0), -EBADF);
            ck_assert_int_eq(weft_stream_write(stream, "a", 1, NULL), -EBADF);
            ck_assert_int_eq(weft_stream_write_nowait(stream, "a", 1), -EBADF);
            ck_assert_int_eq(weft_stream_drain(stream), -EBADF);
        }
        ck_assert_int_eq(weft_stream_shutdown(stream), -EBADF);
        ck_assert_int_eq(weft_stream_detach(stream), -EBADF);
        ck_assert_int_eq(aborts ? weft_stream_abort(stream) : weft_stream_close(stream), -EBADF);
        lost_back_from(where);
        peer_is_told(there);
        ck_assert_int_eq(weft_close(there), 0);
    }
    return 0;
}

TEST(closed)
{
    for (int where = 0; where < 2; where++)
        run(main_closed, where);
}

/* Before anybody closes the stream: its receive, which was armed, keeps the file no longer. */
static int main_alone(void *arg)
{
    int where = *(int *)arg, here, there;
    weft_stream *stream;

    net_pair(&here, &there);
    stream = stream_of(here);
    ok(weft_sleep(1000000)); /* the kernel has it by then */
    lost_to(where, here);
    peer_is_told(there);
    ck_assert_int_eq(weft_stream_close(stream), -EBADF);
    lost_back_from(where);
    return weft_close(there);
}

TEST(lets_go_at_once)
{
    run(main_alone, 0);
}

struct user {
    weft_stream *stream;
    char *bytes;
    ssize_t result;
};

static int reads(void *arg)
{
    struct user *user = arg;
    char byte;

    user->result = weft_stream_read(user->stream, &byte, 1, 0);
    return 0;
}

static int writes(void *arg)
{
    struct user *user = arg;

    user->result = weft_stream_write(user->stream, user->bytes, MUCH, NULL);
    return 0;
}

/* Tasks are in it when it is lost, and when it is closed. */
static int main_used(void *arg)
{
    int where = *(int *)arg, here, there;
    struct user reader, writer;
    char *bytes = calloc(1, MUCH);

    ck_assert_ptr_nonnull(bytes);
    net_pair(&here, &there);
    reader = writer = (struct user){.stream = stream_of(here), .bytes = bytes};
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, reads, &reader, 0, NULL));
        ok(weft_spawn(&s, writes, &writer, 0, NULL)); /* more than the peer's system takes */
        for (int i = 0; i < 10; i++)
            ok(weft_sleep(1000000));
        lost_to(where, here);
        if (where == 1)
            ck_assert_int_eq(weft_stream_close(reader.stream), -EBADF);
    }
    ck_assert_int_eq(reader.result, where == 1 ? -ECANCELED : -EBADF);
    ck_assert_int_eq(writer.result, where == 1 ? -ECANCELED : -EBADF);
    if (where == 0)
        ck_assert_int_eq(weft_stream_close(reader.stream), -EBADF);
    lost_back_from(where);
    peer_is_told(there);
    free(bytes);
    return weft_close(there);
}

TEST(under_its_users)
{
    for (int where = 0; where < 2; where++)
        run(main_used, where);
}

/* One waits for a full pipe, and has written nothing. */
static int main_waiting(void *arg)
{
    int where = *(int *)arg, ends[2], size;
    struct user writer = {.bytes = calloc(1, MUCH)};
    size_t done;

    ck_assert_ptr_nonnull(writer.bytes);
    ok(weft_pipe(ends, 0));
    size = fcntl(ends[1], F_GETPIPE_SZ);
    ok(size);
    ck_assert_int_eq(weft_write_all(ends[1], writer.bytes, (size_t)size, NULL), size);
    writer.stream = stream_of(ends[1]);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, writes, &writer, 0, NULL));
        for (int i = 0; i < 10; i++)
            ok(weft_sleep(1000000));
        lost_to(where, ends[1]);
    }
    ck_assert_int_eq(writer.result, -EBADF);
    ck_assert_int_eq(weft_stream_close(writer.stream), -EBADF);
    lost_back_from(where);
    ck_assert_int_eq(weft_read_exactly(ends[0], writer.bytes, MUCH, &done), -ENODATA);
    ck_assert_uint_eq(done, size);
    free(writer.bytes);
    return weft_close(ends[0]);
}

TEST(under_one_who_waits_to_write)
{
    run(main_waiting, 0);
}

/* Closes it behind the stream, and its number is the writing end of a pipe that is made at once:
   what is lower is taken but for one, which the other end gets. No call here gives way. */
static void lose_to_writing_end(int fd, int next[2])
{
    int lower[LOST_LOWER], count = 0;

    do {
        ck_assert_int_lt(count, LOST_LOWER);
        lower[count] = dup(STDERR_FILENO);
        ok(lower[count]);
    } while (lower[count++] < fd);
    ck_assert_int_ge(count, 2);
    ck_assert_int_eq(close(lower[count - 1]), 0);
    ck_assert_int_eq(close(lower[count - 2]), 0);
    ck_assert_int_eq(close(fd), 0);
    ok(weft_pipe(next, 0));
    ck_assert_int_eq(next[1], fd);
    for (int i = 0; i < count - 2; i++)
        ck_assert_int_eq(close(lower[i]), 0);
}

/* Nothing was written into it. */
static void was_left_alone(int next[2])
{
    ck_assert_int_eq(weft_poll_until(next[0], POLLIN, weft_after_ns(10000000)), -ETIMEDOUT);
    for (int i = 0; i < 2; i++)
        ok(weft_close(next[i]));
}

/* -- while it is being closed --------------------------------------------------------------------
 */

static int closes(void *arg)
{
    struct user *user = arg;

    user->result = weft_stream_close(user->stream);
    return 0;
}

static int is_closing(const struct weft_task_info *info, void *context)
{
    (void)context;
    return info->waits_for && strcmp(info->waits_for, "close") == 0;
}

/* What it has in flight is called off, and meanwhile the number becomes another's, who keeps it. */
static int main_closing(void *arg)
{
    int here, there;
    struct user user = {.result = 1};

    (void)arg;
    net_pair(&here, &there);
    user.stream = stream_of(here);
    ok(weft_sleep(1000000)); /* the kernel has its receive by then */
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, closes, &user, 0, NULL));
        while (user.result == 1 && weft_tasks_each(is_closing, NULL) != 1)
            ok(weft_yield());
        ck_assert_int_eq(user.result, 1);
        lost_to(-1, here);
    }
    ck_assert_int_eq(user.result, -EBADF);
    lost_back_from(-1);
    peer_is_told(there);
    return weft_close(there);
}

TEST(while_it_closes)
{
    run(main_closing, 0);
}

/* -- while it is being detached ------------------------------------------------------------------
 */

static int leaves(void *arg)
{
    struct user *user = arg;

    user->result = weft_stream_detach(user->stream);
    return 0;
}

static int is_leaving(const struct weft_task_info *info, void *context)
{
    (void)context;
    return info->waits_for && strcmp(info->waits_for, "detach") == 0;
}

/* A pipe that is full, and more than it takes given to be written. */
static weft_stream *full_pipe(int ends[2], const char *bytes)
{
    weft_stream *stream;

    ok(weft_pipe(ends, 0));
    stream = stream_of(ends[1]);
    ck_assert_int_eq(weft_stream_write_nowait(stream, bytes, MUCH), MUCH);
    for (int i = 0; i < 10; i++)
        ok(weft_sleep(1000000)); /* the kernel has it by then */
    return stream;
}

/* Its number becomes the writing end of another pipe, into which nothing of its may go. */
static int main_leaving(void *arg)
{
    int ends[2], next[2], lower = dup(STDERR_FILENO);
    struct user user = {.result = 1};
    char *bytes = calloc(1, MUCH);

    (void)arg;
    ck_assert_ptr_nonnull(bytes);
    user.stream = full_pipe(ends, bytes);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, leaves, &user, 0, NULL));
        while (user.result == 1 && weft_tasks_each(is_leaving, NULL) != 1)
            ok(weft_yield());
        ck_assert_int_eq(user.result, 1);
        ck_assert_int_eq(close(lower), 0);
        lose_to_writing_end(ends[1], next);
    }
    ck_assert_int_eq(user.result, -EBADF);
    was_left_alone(next);
    ck_assert_int_eq(weft_stream_close(user.stream), -EBADF);
    free(bytes);
    return weft_close(ends[0]);
}

TEST(while_it_leaves)
{
    run(main_leaving, 0);
}

static void never(int fd, int events, void *arg)
{
    (void)fd, (void)events, (void)arg;
    ck_abort_msg("called");
}

/* All that it waits for is the end of a reader that was there before; its record is another's by
   then, and tells it no more. */
static int main_leaving_a_reader(void *arg)
{
    int ends[2], next[2], lower = dup(STDERR_FILENO);
    struct user user = {.result = 1};

    (void)arg;
    ok(weft_pipe(ends, 0));
    ok(weft_add_reader(ends[1], never, NULL));
    ok(weft_sleep(1000000));
    ck_assert_int_eq(weft_remove_reader(ends[1]), 1);
    user.stream = stream_of(ends[1]);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, leaves, &user, 0, NULL));
        while (user.result == 1 && weft_tasks_each(is_leaving, NULL) != 1)
            ok(weft_yield());
        ck_assert_int_eq(close(lower), 0);
        lose_to_writing_end(ends[1], next);
    }
    ck_assert_int_le(user.result, 0);
    was_left_alone(next);
    if (user.result == 0)
        user.result = weft_stream_attach(user.stream);
    ck_assert_int_eq(user.result, -EBADF);
    ck_assert_int_eq(weft_stream_close(user.stream), -EBADF);
    return weft_close(ends[0]);
}

TEST(while_it_leaves_a_reader)
{
    run(main_leaving_a_reader, 0);
}

/* -- while it is spliced to ----------------------------------------------------------------------
 */

struct splice {
    weft_stream *to, *from;
    ssize_t result;
};

static int splices(void *arg)
{
    struct splice *splice = arg;

    splice->result = weft_stream_splice(splice->to, splice->from, 4, 0);
    return 0;
}

static int ends_its_receive(const struct weft_task_info *info, void *context)
{
    (void)context;
    return info->waits_for && strcmp(info->waits_for, "read") == 0;
}

/* Lost when the receive of the other has ended, and before the call goes on; there is something to
   move by then. */
static int main_spliced(void *arg)
{
    int lower = dup(STDERR_FILENO), to, to_peer, from, from_peer, next[2];
    struct splice splice = {.result = 1};

    (void)arg;
    net_pair(&to, &to_peer);
    net_pair(&from, &from_peer);
    splice.to = stream_of(to);
    splice.from = stream_of(from);
    ok(weft_sleep(1000000));
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, splices, &splice, 0, NULL));
        ok(weft_yield());
        while (weft_tasks_each(ends_its_receive, NULL) == 1)
            ok(weft_yield());
        ck_assert_int_eq(splice.result, 1);
        ck_assert_int_eq(send(from_peer, "abcd", 4, 0), 4);
        ck_assert_int_eq(close(lower), 0);
        lose_to_writing_end(to, next);
    }
    ck_assert_int_eq(splice.result, -EBADF);
    was_left_alone(next);
    ck_assert_int_eq(weft_stream_close(splice.to), -EBADF);
    ok(weft_stream_close(splice.from));
    ok(weft_close(from_peer));
    return weft_close(to_peer);
}

TEST(while_it_is_spliced_to)
{
    run(main_spliced, 0);
}

static int polls(const struct weft_task_info *info, void *fd)
{
    return info->fd == *(int *)fd && info->waits_for && strcmp(info->waits_for, "poll") == 0;
}

/* Either end, while the call waits for bytes; when nobody here has seen that, some come. They stay
   where they are. */
static void lose_under_a_splice(int where, bool target)
{
    int to, to_peer, from, from_peer;
    struct splice splice = {.result = 1};

    net_pair(&to, &to_peer);
    net_pair(&from, &from_peer);
    splice.to = stream_of(to);
    splice.from = stream_of(from);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, splices, &splice, 0, NULL));
        while (weft_tasks_each(polls, &from) != 1)
            ok(weft_yield());
        ok(weft_sleep(1000000)); /* the kernel has it by then */
        lost_to(where, target ? to : from);
        if (where == 1)
            ok(weft_send_all(from_peer, "abcd", 4, NULL));
    }
    ck_assert_int_eq(splice.result, -EBADF);
    if (where == 1 && target)
        ck_assert_int_eq(weft_stream_read_exactly(splice.from, (char[4]){0}, 4, NULL), 4);
    ck_assert_int_eq(weft_stream_close(splice.to), target ? -EBADF : 0);
    ck_assert_int_eq(weft_stream_close(splice.from), target ? 0 : -EBADF);
    lost_back_from(where);
    ok(weft_close(from_peer));
    ok(weft_close(to_peer));
}

static int main_splice_waits(void *arg)
{
    int where = *(int *)arg;

    lose_under_a_splice(where, false);
    lose_under_a_splice(where, true);
    return 0;
}

TEST(while_a_splice_waits)
{
    for (int where = 0; where < 2; where++)
        run(main_splice_waits, where);
}

/* Before the call: it takes nothing out of what has the number now. */
static int main_splice_after(void *arg)
{
    int where = *(int *)arg, to, to_peer, from, from_peer;
    struct splice splice;

    net_pair(&to, &to_peer);
    net_pair(&from, &from_peer);
    splice = (struct splice){.to = stream_of(to), .from = stream_of(from)};
    ok(weft_sleep(1000000)); /* the kernel has its receive by then */
    lost_to(where, from);
    ck_assert_int_eq(splices(&splice), 0);
    ck_assert_int_eq(splice.result, -EBADF);
    ck_assert_int_eq(weft_stream_close(splice.from), -EBADF);
    lost_back_from(where);
    ok(weft_stream_close(splice.to));
    ok(weft_close(from_peer));
    return weft_close(to_peer);
}

TEST(before_a_splice)
{
    for (int where = 0; where < 2; where++)
        run(main_splice_after, where);
}

/* The end of the run finds it all the same. */
static int main_left(void *arg)
{
    int where = *(int *)arg, here, there;

    net_pair(&here, &there);
    (void)stream_of(here);
    lost_to(where, here);
    lost_back_from(where);
    return weft_close(there);
}

TEST(left_open)
{
    for (int where = 0; where < 2; where++)
        run(main_left, where);
}

/* -- transports -------------------------------------------------------------------------------- */

static struct {
    int fd, made, lost, error;
    weft_transport *transport;
} told;

static void made(weft_transport *transport, void *self)
{
    struct weft_stream_info info;

    (void)self;
    ok(weft_transport_get_extra_info(transport, &info, sizeof info));
    told.fd = info.fd;
    told.transport = transport;
    told.made++;
}

static void lost(weft_transport *transport, int error, void *self)
{
    (void)transport;
    (void)self;
    told.error = error;
    told.lost++;
}

static const struct weft_protocol protocol = {.size = sizeof protocol,
                                              .connection_made = made,
                                              .connection_lost = lost};

static void until(const int *count)
{
    while (*count == 0)
        ok(weft_sleep(1000000));
}

static int main_transport(void *arg)
{
    int where = *(int *)arg, here, there;

    memset(&told, 0, sizeof told);
    net_pair(&here, &there);
    ok(weft_transport_open(here, &protocol, NULL, NULL, NULL));
    until(&told.made);
    lost_to(where, here);
    if (where == 1) { /* nobody has seen that here */
        ok(weft_transport_write_eof(told.transport));
        ok(weft_transport_abort(told.transport));
    }
    until(&told.lost);
    ck_assert_int_eq(told.error, where == 1 ? -ECONNABORTED : -EBADF);
    lost_back_from(where);
    peer_is_told(there);
    ck_assert_int_eq(told.lost, 1);
    return weft_close(there);
}

TEST(transport)
{
    for (int where = 0; where < 2; where++)
        run(main_transport, where);
}

/* Its drain, and its end, find the connection, and nobody else. */
static int main_server(void *arg)
{
    int where = *(int *)arg;
    weft_server *server;
    weft_stream *peer;

    memset(&told, 0, sizeof told);
    ok(weft_create_server(&server, "127.0.0.1:0", &protocol, NULL, NULL));
    peer = server_connect(server);
    until(&told.made);
    lost_to(where, told.fd);
    ok(weft_server_drain(server, weft_after_ns(1000000), weft_after_ns(1000000)));
    ck_assert_int_eq(told.lost, 1);
    ck_assert_uint_eq(server_counts(server).active, 0);
    ok(weft_server_close(server));
    lost_back_from(where);
    return weft_stream_close(peer);
}

TEST(server_that_drains)
{
    for (int where = 0; where < 2; where++)
        run(main_server, where);
}

TEST_MAIN("stream_lost", 30, closed, lets_go_at_once, under_its_users, under_one_who_waits_to_write,
          while_it_closes, while_it_leaves, while_it_leaves_a_reader, while_it_is_spliced_to,
          while_a_splice_waits, before_a_splice, left_open, transport, server_that_drains)
