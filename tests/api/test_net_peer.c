/*
 * Peers that misbehave: plain blocking sockets that reset in the middle of a message, never read,
 * send a byte at a time, close one half. Each time the exact error, and an echo beside it goes on.
 */
#include <time.h>

#include "support/net.h"

struct peer {
    int port;
    int (*play)(int fd);
    pthread_t thread;
};

static void *peer_main(void *arg)
{
    struct peer *peer = arg;
    int fd = net_plain_connect(peer->port);

    if (peer->play(fd) == 0)
        close(fd);
    return NULL;
}

/* A connection whose other end is played by a thread. */
static int meet(struct peer *peer, int (*play)(int))
{
    int connection, listener = net_listen(&peer->port);

    peer->play = play;
    ck_assert_int_eq(pthread_create(&peer->thread, NULL, peer_main, peer), 0);
    connection = weft_accept(listener, NULL, NULL, 0);
    ok(connection);
    ok(weft_close(listener));
    return connection;
}

static void part(struct peer *peer)
{
    pthread_join(peer->thread, NULL);
}

/* An echo that runs beside, one byte back and forth until told to stop; counts its rounds. */
struct beside {
    int here, there;
    bool stop;
    long rounds;
};

static int beside_echo(void *arg)
{
    struct beside *beside = arg;
    char byte;

    while (weft_recv(beside->there, &byte, 1, 0) == 1)
        ck_assert_int_eq(weft_send_all(beside->there, &byte, 1, NULL), 1);
    return 0;
}

static int beside_ask(void *arg)
{
    struct beside *beside = arg;
    char byte = 'b';

    for (; !beside->stop; beside->rounds++) {
        ck_assert_int_eq(weft_send_all(beside->here, &byte, 1, NULL), 1);
        ck_assert_int_eq(weft_recv(beside->here, &byte, 1, 0), 1);
    }
    return weft_shutdown(beside->here, SHUT_WR);
}

static int with_echo_beside(int (*body)(void))
{
    struct beside beside = {0};
    int result = 0;

    net_pair(&beside.here, &beside.there);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, beside_echo, &beside, 0, NULL));
        ok(weft_spawn(&s, beside_ask, &beside, 0, NULL));
        result = body();
        long rounds = beside.rounds; /* the rest goes on */
        while (beside.rounds < rounds + 10)
            ok(weft_sleep(100000));
        beside.stop = true;
    }
    ok(weft_close(beside.here));
    ok(weft_close(beside.there));
    return result;
}

/* -- resets --------------------------------------------------------------------------------- */

static int reset_midway(int fd)
{
    if (write(fd, "half", 4) != 4)
        abort();
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    net_plain_reset(fd);
    return 1;
}

static int body_reset_recv(void)
{
    struct peer peer;
    char buffer[8];
    size_t done;
    int fd = meet(&peer, reset_midway);

    ck_assert_int_eq(weft_recv_exactly(fd, buffer, sizeof buffer, &done), -ECONNRESET);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_NONE);
    ck_assert_uint_eq(done, 4);
    ck_assert_mem_eq(buffer, "half", 4);
    ck_assert_int_eq(weft_send(fd, buffer, 1, 0), -EPIPE); /* and no SIGPIPE */
    ck_assert_int_eq(weft_recv(fd, buffer, 1, 0), 0);
    part(&peer);
    return weft_close(fd);
}

/* With MSG_WAITALL: the bytes first, the error with the next call. */
static int body_reset_waitall(void)
{
    struct peer peer;
    char buffer[8];
    int fd = meet(&peer, reset_midway);

    ck_assert_int_eq(weft_recv(fd, buffer, sizeof buffer, MSG_WAITALL), 4);
    ck_assert_int_eq(weft_recv(fd, buffer, sizeof buffer, 0), -ECONNRESET);
    ck_assert_int_eq(weft_recv(fd, buffer, sizeof buffer, 0), 0);
    part(&peer);
    return weft_close(fd);
}

/* The kernel says such an error once. Whoever receives next is told, in whatever way and wherever;
   else a reset would look like the end of the stream. */
static int waitall_was_reset(struct peer *peer)
{
    char buffer[8];
    int fd = meet(peer, reset_midway);

    ck_assert_int_eq(weft_recv(fd, buffer, sizeof buffer, MSG_WAITALL), 4);
    return fd;
}

static int told_by_move(void *arg)
{
    char buffer[8];

    ck_assert_int_eq(weft_recv(*(int *)arg, buffer, sizeof buffer, 0), -ECONNRESET);
    ck_assert_int_eq(weft_recv(*(int *)arg, buffer, sizeof buffer, 0), 0);
    return weft_close(*(int *)arg);
}

static int body_told_otherwise(void)
{
    struct peer peer;
    char buffer[8];
    weft_stream *stream;
    int fd = waitall_was_reset(&peer);

    ok(weft_stream_open(fd, NULL, &stream));
    ck_assert_int_eq(weft_stream_read(stream, buffer, sizeof buffer, 0), -ECONNRESET);
    ok(weft_stream_close(stream));
    part(&peer);

    fd = waitall_was_reset(&peer);
    ck_assert_int_eq(weft_read(fd, buffer, sizeof buffer), -ECONNRESET);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_NONE);
    ck_assert_int_eq(weft_read(fd, buffer, sizeof buffer), 0);
    ok(weft_close(fd));
    part(&peer);

    fd = waitall_was_reset(&peer);
    ck_assert_int_eq(weft_recvfrom(fd, buffer, sizeof buffer, 0, NULL, NULL), -ECONNRESET);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_NONE);
    ck_assert_int_eq(weft_recvfrom(fd, buffer, sizeof buffer, 0, NULL, NULL), 0);
    ok(weft_close(fd));
    part(&peer);

    fd = waitall_was_reset(&peer);
    ck_assert_int_eq(weft_recvfrom_nowait(fd, buffer, sizeof buffer, 0, NULL, NULL), -ECONNRESET);
    ck_assert_int_eq(weft_recvfrom_nowait(fd, buffer, sizeof buffer, 0, NULL, NULL), 0);
    ok(weft_close(fd));
    part(&peer);

    fd = waitall_was_reset(&peer);
    ok(weft_fd_move(fd));
    ok(weft_call(1, told_by_move, &fd, sizeof fd));
    part(&peer);
    return 0;
}

static int body_reset_stream(void)
{
    struct peer peer;
    char buffer[8];
    size_t done;
    weft_stream *stream;
    const void *data;

    ok(weft_stream_open(meet(&peer, reset_midway), NULL, &stream));
    ok(weft_sleep(40000000)); /* the error is there before the bytes are read */
    ck_assert_int_eq(weft_stream_read(stream, buffer, 1, 0), 1);
    ck_assert_int_eq(weft_stream_read_exactly(stream, buffer, sizeof buffer, &done), -ECONNRESET);
    ck_assert_uint_eq(done, 3);
    ck_assert_mem_eq(buffer, "alf", 3);
    ck_assert_int_eq(weft_stream_read(stream, buffer, 1, 0), -ECONNRESET);
    ck_assert_int_eq(weft_stream_peek(stream, &data, &done, 0), -ECONNRESET);
    ck_assert_int_eq(weft_stream_write(stream, buffer, 1, NULL), -EPIPE);
    part(&peer);
    return weft_stream_close(stream);
}

enum { MUCH = 32 << 20 };

static int body_reset_send(void)
{
    struct peer peer;
    char *much = calloc(1, MUCH);
    size_t done;
    int fd = meet(&peer, reset_midway);
    ssize_t result = weft_send_all(fd, much, MUCH, &done);

    ck_assert_msg(result == -ECONNRESET || result == -EPIPE, "%zd", result);
    ck_assert_uint_lt(done, MUCH);
    free(much);
    part(&peer);
    return weft_close(fd);
}

/* One call with MSG_WAITALL: the count, and then the trouble. The kernel keeps a reset that it met
   behind the first bytes to itself, and says -EPIPE of the next; never is it silent. */
static int body_reset_send_waitall(void)
{
    struct peer peer;
    char *much = calloc(1, MUCH);
    int fd = meet(&peer, reset_midway);
    ssize_t sent = weft_send(fd, much, MUCH, MSG_WAITALL), then;

    if (sent >= 0) {
        ck_assert_int_lt(sent, MUCH);
        then = weft_send(fd, much, 1, 0);
        ck_assert_msg(then == -ECONNRESET || then == -EPIPE, "%zd", then);
    }
    free(much);
    part(&peer);
    return weft_close(fd);
}

static int main_reset(void *arg)
{
    (void)arg;
    ok(with_echo_beside(body_reset_recv));
    ok(with_echo_beside(body_reset_waitall));
    ok(with_echo_beside(body_reset_stream));
    ok(body_reset_send_waitall());
    return with_echo_beside(body_reset_send);
}

TEST(resets_midway)
{
    net_run(main_reset);
}

static int main_told_otherwise(void *arg)
{
    (void)arg;
    return body_told_otherwise();
}

TEST(a_reset_is_told_to_whoever_receives_next)
{
    const struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    ck_assert_int_eq(weft_run(main_told_otherwise, NULL, 0, &opt), 0);
}

/* -- never reads ---------------------------------------------------------------------------- */

static int peer_may_go[2];

static int never_read(int fd)
{
    char byte;

    (void)fd;
    return read(peer_may_go[0], &byte, 1) == 1 ? 0 : 1;
}

/* Only the deadline ends the send; nothing is allocated for what cannot be sent. */
static int body_never_reads(void)
{
    struct peer peer;
    char *much = calloc(1, MUCH);
    size_t done;
    int fd = meet(&peer, never_read);
    struct weft_stats before = net_stats();

    do { /* again, where its time was over before it had begun */
        ck_assert_int_eq(weft_send_all_until(fd, much, MUCH, &done, weft_after_ms(100)),
                         -ETIMEDOUT);
        ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DEADLINE);
    } while (done == 0);
    ck_assert_uint_lt(done, MUCH);
    ssize_t n;
    while ((n = weft_send(fd, much, MUCH, MSG_DONTWAIT)) > 0)
        ; /* the kernel had a little room yet */
    ck_assert_int_eq(n, -EAGAIN);
    ck_assert_uint_eq(net_stats().allocations, before.allocations);
    free(much);
    struct weft_socket_opt opt = {.size = sizeof opt, .reset_on_close = true};
    ok(weft_socket_set(fd, &opt));
    ok(weft_close(fd));
    ck_assert_int_eq(write(peer_may_go[1], "x", 1), 1);
    part(&peer);
    return 0;
}

static int body_never_reads_stream(void)
{
    struct peer peer;
    char *much = calloc(1, MUCH);
    size_t done = 0;
    ssize_t result = 0;
    weft_stream *stream;
    weft_scope scope;

    ok(weft_stream_open(meet(&peer, never_read), NULL, &stream));
    do { /* again, where its time was over before it had begun */
        ok(weft_timeout(&scope, 100000000));
        result = weft_stream_write(stream, much, MUCH, &done);
        ck_assert_int_eq(weft_scope_close(&scope), -ETIMEDOUT);
        ck_assert_int_eq(result, -ECANCELED);
    } while (done == 0);
    ck_assert_uint_lt(done, MUCH);
    free(much);
    ok(weft_stream_abort(stream));
    ck_assert_int_eq(write(peer_may_go[1], "x", 1), 1);
    part(&peer);
    return 0;
}

static int main_never_reads(void *arg)
{
    (void)arg;
    ok(pipe(peer_may_go));
    ok(with_echo_beside(body_never_reads));
    ok(with_echo_beside(body_never_reads_stream));
    close(peer_may_go[0]);
    return close(peer_may_go[1]);
}

TEST(never_reads)
{
    net_run(main_never_reads);
}

/* -- a byte at a time ----------------------------------------------------------------------- */

enum { DRIPS = 3000 };

static int drip(int fd)
{
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    for (int i = 0; i < DRIPS; i++) {
        unsigned char byte = net_byte(9, (uint64_t)i);
        if (write(fd, &byte, 1) != 1)
            abort();
    }
    return 0;
}

static int body_drip(void)
{
    struct peer peer;
    unsigned char buffer[DRIPS + 1];
    size_t done;
    int fd = meet(&peer, drip);

    ck_assert_int_eq(weft_recv_exactly(fd, buffer, sizeof buffer, &done), -ENODATA);
    ck_assert_uint_eq(done, DRIPS);
    net_check(buffer, DRIPS, 9, 0);
    part(&peer);
    return weft_close(fd);
}

static int body_drip_stream(void)
{
    struct peer peer;
    unsigned char buffer[DRIPS + 1];
    size_t done;
    weft_stream *stream;

    ok(weft_stream_open(meet(&peer, drip), NULL, &stream));
    ok(weft_sleep(30000000)); /* the reader lags */
    ck_assert_int_eq(weft_stream_read_exactly(stream, buffer, sizeof buffer, &done), -ENODATA);
    ck_assert_uint_eq(done, DRIPS);
    net_check(buffer, DRIPS, 9, 0);
    part(&peer);
    return weft_stream_close(stream);
}

static int main_drip(void *arg)
{
    (void)arg;
    ok(with_echo_beside(body_drip));
    return with_echo_beside(body_drip_stream);
}

TEST(a_byte_at_a_time)
{
    net_run(main_drip);
}

/* -- half-close ----------------------------------------------------------------------------- */

static int half_close(int fd)
{
    char buffer[16];
    size_t got = 0;
    ssize_t n;

    if (write(fd, "question", 8) != 8 || shutdown(fd, SHUT_WR) < 0)
        abort();
    while ((n = read(fd, buffer + got, sizeof buffer - got)) > 0)
        got += (size_t)n;
    if (n < 0 || got != 6 || memcmp(buffer, "answer", 6) != 0)
        abort();
    return 0;
}

static int body_half_close(void)
{
    struct peer peer;
    char buffer[16];
    int fd = meet(&peer, half_close);

    ck_assert_int_eq(weft_recv_exactly(fd, buffer, 8, NULL), 8);
    ck_assert_int_eq(weft_recv(fd, buffer, 1, 0), 0);
    ck_assert_int_eq(weft_recv(fd, buffer, 1, 0), 0);
    ck_assert_int_eq(weft_send_all(fd, "answer", 6, NULL), 6);
    ok(weft_close(fd));
    part(&peer);
    return 0;
}

static int body_half_close_stream(void)
{
    struct peer peer;
    char buffer[16];
    weft_stream *stream;

    ok(weft_stream_open(meet(&peer, half_close), NULL, &stream));
    ck_assert_int_eq(weft_stream_read_exactly(stream, buffer, 8, NULL), 8);
    ck_assert_int_eq(weft_stream_read(stream, buffer, 1, 0), 0);
    ck_assert_int_eq(weft_stream_write(stream, "answer", 6, NULL), 6);
    ok(weft_stream_close(stream));
    part(&peer);
    return 0;
}

static int main_half_close(void *arg)
{
    (void)arg;
    ok(with_echo_beside(body_half_close));
    return with_echo_beside(body_half_close_stream);
}

TEST(closes_one_half)
{
    net_run(main_half_close);
}

/* A stream that is aborted resets its peer; not before that has its connection, which a connect
   that is late to return would not be given. */
static int expect_reset(int fd)
{
    char byte = 'x';

    if (write(fd, &byte, 1) != 1)
        abort();
    if (read(fd, &byte, 1) != -1 || errno != ECONNRESET)
        abort();
    return 0;
}

static int main_abort(void *arg)
{
    struct peer peer;
    weft_stream *stream;
    char byte;

    (void)arg;
    ok(weft_stream_open(meet(&peer, expect_reset), NULL, &stream));
    ck_assert_int_eq(weft_stream_read(stream, &byte, 1, 0), 1);
    ok(weft_stream_abort(stream));
    part(&peer);
    return 0;
}

TEST(abort_resets)
{
    net_run(main_abort);
}

TEST_MAIN("net_peer", 30, resets_midway, a_reset_is_told_to_whoever_receives_next, never_reads,
          a_byte_at_a_time, closes_one_half, abort_resets)
