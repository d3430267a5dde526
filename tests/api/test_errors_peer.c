/*
 * What each call answers on a connection whose peer has reset it or ended it, that was ended here,
 * and that never came to be. Would catch an error that one call of many tells as another, takes for
 * the end of the stream or keeps to itself, and a descriptor of no use that some call still uses.
 */
#include "support/file.h"
#include "support/stream.h"

#define same(a, b) ck_assert_int_eq((a), (b))
#define HOUR INT64_C(3600000000000)

static char bytes[8];
static struct iovec vector = {bytes, 4};
static int released;

static void release(void *arg)
{
    (void)arg;
    released++;
}

/* -- the calls --------------------------------------------------------------------------------- */

#define CALL(name, expression)                                                                     \
    static int64_t name(int fd)                                                                    \
    {                                                                                              \
        return (expression);                                                                       \
    }

CALL(recv_, weft_recv(fd, bytes, 4, 0))
CALL(recv_until, weft_recv_until(fd, bytes, 4, 0, weft_after_ns(HOUR)))
CALL(recv_exactly, weft_recv_exactly(fd, bytes, 4, NULL))
CALL(recvfrom_, weft_recvfrom(fd, bytes, 4, 0, NULL, NULL))
CALL(recvfrom_nowait, weft_recvfrom_nowait(fd, bytes, 4, 0, NULL, NULL))
CALL(read_, weft_read(fd, bytes, 4))
CALL(readv_, weft_readv(fd, &vector, 1))
CALL(read_exactly, weft_read_exactly(fd, bytes, 4, NULL))
CALL(readv_exactly, weft_readv_exactly(fd, &vector, 1, NULL))
CALL(send_, weft_send(fd, bytes, 4, 0))
CALL(send_until, weft_send_until(fd, bytes, 4, 0, weft_after_ns(HOUR)))
CALL(send_all, weft_send_all(fd, bytes, 4, NULL))
CALL(send_all_until, weft_send_all_until(fd, bytes, 4, NULL, weft_after_ns(HOUR)))
CALL(send_give, weft_send_give(fd, bytes, 4, NULL, release, NULL))
CALL(send_give_until, weft_send_give_until(fd, bytes, 4, NULL, release, NULL, weft_after_ns(HOUR)))
CALL(sendto_, weft_sendto(fd, bytes, 4, 0, NULL, 0))
CALL(sendto_nowait, weft_sendto_nowait(fd, bytes, 4, 0, NULL, 0))
CALL(write_, weft_write(fd, bytes, 4))
CALL(writev_, weft_writev(fd, &vector, 1))
CALL(write_all, weft_write_all(fd, bytes, 4, NULL))
CALL(writev_all, weft_writev_all(fd, &vector, 1, NULL))
CALL(accept_, weft_accept(fd, NULL, NULL, 0))
CALL(accept_until, weft_accept_until(fd, NULL, NULL, 0, weft_after_ns(HOUR)))
CALL(poll_, weft_poll(fd, POLLIN))
CALL(poll_until, weft_poll_until(fd, POLLIN, weft_after_ns(HOUR)))
CALL(fd_move, weft_fd_move(fd))

static int64_t recvmsg_(int fd)
{
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};

    return weft_recvmsg(fd, &message, 0);
}
static int64_t recv_segments(int fd)
{
    uint32_t segment;

    return weft_recv_segments(fd, bytes, 4, &segment, 0, NULL, NULL);
}
static int64_t sendmsg_(int fd)
{
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};

    return weft_sendmsg(fd, &message, 0);
}

static struct sockaddr_in nobody;

static int64_t connect_(int fd)
{
    return weft_connect(fd, (struct sockaddr *)&nobody, sizeof nobody);
}
static int64_t connect_until(int fd)
{
    return weft_connect_until(fd, (struct sockaddr *)&nobody, sizeof nobody, weft_after_ns(HOUR));
}
static int64_t connect_nowait(int fd)
{
    return weft_connect_nowait(fd, (struct sockaddr *)&nobody, sizeof nobody);
}
static int64_t stream_open(int fd)
{
    weft_stream *stream;

    return weft_stream_open(fd, NULL, &stream);
}
static int64_t transport_open(int fd)
{
    static const struct weft_protocol protocol = {.size = sizeof protocol};

    return weft_transport_open(fd, &protocol, NULL, NULL, NULL);
}
static void ready(int fd, int events, void *arg)
{
    (void)fd, (void)events, (void)arg;
}
CALL(add_reader, weft_add_reader(fd, ready, NULL))
CALL(add_writer, weft_add_writer(fd, ready, NULL))

/* By a stream, made for it, which takes the descriptor. */
static int64_t by_stream(int fd, int64_t (*call)(weft_stream *stream))
{
    weft_stream *stream = stream_of(fd);
    int64_t result = call(stream);

    same(weft_stream_abort(stream), 0);
    return result;
}
#define BY_STREAM(name, expression)                                                                \
    static int64_t name##_of(weft_stream *stream)                                                  \
    {                                                                                              \
        return (expression);                                                                       \
    }                                                                                              \
    static int64_t name(int fd)                                                                    \
    {                                                                                              \
        return by_stream(fd, name##_of);                                                           \
    }

BY_STREAM(stream_read, weft_stream_read(stream, bytes, 4, 0))
BY_STREAM(stream_read_until_time,
          weft_stream_read_until_time(stream, bytes, 4, 0, weft_after_ns(HOUR)))
BY_STREAM(stream_read_exactly, weft_stream_read_exactly(stream, bytes, 4, NULL))
BY_STREAM(stream_read_until, weft_stream_read_until(stream, "x", 1, bytes, 4, 0))
BY_STREAM(stream_read_line, weft_stream_read_line(stream, bytes, 4, 0))
BY_STREAM(stream_peek, weft_stream_peek(stream, &(const void *){NULL}, &(size_t){0}, 0))
BY_STREAM(stream_splice, weft_stream_splice(stream, stream, 4, 0))
BY_STREAM(stream_write, weft_stream_write(stream, bytes, 4, NULL))
BY_STREAM(stream_writev, weft_stream_writev(stream, &vector, 1, NULL))
BY_STREAM(stream_write_give, weft_stream_write_give(stream, bytes, 4, NULL, release, NULL))

/* -- each of them ------------------------------------------------------------------------------ */

struct row {
    const char *name;
    int64_t (*call)(int fd);
    int wanted;
    bool takes; /* the descriptor, and closes it */
};
#define ROW(name, wanted)                                                                          \
    {                                                                                              \
#name, name, wanted, false                                                                 \
    }
#define STREAM(name, wanted)                                                                       \
    {                                                                                              \
#name, name, wanted, true                                                                  \
    }

static int ask(const struct row *rows, size_t count, int (*make)(void))
{
    int wrong = 0;

    for (size_t i = 0; i < count; i++) {
        int fd = make(), result = (int)rows[i].call(fd);
        if (result != rows[i].wanted && ++wrong)
            fprintf(stderr, "%s: %d instead of %d\n", rows[i].name, result, rows[i].wanted);
        if (!rows[i].takes)
            same(weft_close(fd), 0);
    }
    return wrong;
}
#define ASK(rows, make) ask(rows, sizeof rows / sizeof rows[0], make)

/* -- reset by its peer ------------------------------------------------------------------------- */

enum { R = -ECONNRESET };

static const struct row of_reset[] = {
    ROW(recv_, R),
    ROW(recv_until, R),
    ROW(recv_exactly, R),
    ROW(recvfrom_, R),
    ROW(recvmsg_, R),
    ROW(recv_segments, R),
    ROW(recvfrom_nowait, R),
    ROW(read_, R),
    ROW(readv_, R),
    ROW(read_exactly, R),
    ROW(readv_exactly, R),
    ROW(send_, R),
    ROW(send_until, R),
    ROW(send_all, R),
    ROW(send_all_until, R),
    ROW(send_give, R),
    ROW(send_give_until, R),
    ROW(sendto_, R),
    ROW(sendmsg_, R),
    ROW(sendto_nowait, R),
    ROW(write_, R),
    ROW(writev_, R),
    ROW(write_all, R),
    ROW(writev_all, R),
    STREAM(stream_read, R),
    STREAM(stream_read_until_time, R),
    STREAM(stream_read_exactly, R),
    STREAM(stream_read_until, R),
    STREAM(stream_read_line, R),
    STREAM(stream_peek, R),
    STREAM(stream_splice, R),
};

static int main_reset(void *arg)
{
    (void)arg;
    same(ASK(of_reset, net_reset_one), 0);
    return 0;
}
TEST(reset)
{
    net_run(main_reset);
}

/* -- ended by its peer ------------------------------------------------------------------------- */

static int peer = -1;

/* The peer says no more, but would hear. */
static int ended_one(void)
{
    int fd;

    if (peer >= 0)
        same(weft_close(peer), 0);
    net_pair(&fd, &peer);
    same(weft_shutdown(peer, SHUT_WR), 0);
    ok(weft_poll(fd, POLLIN));
    return fd;
}

enum { D = -ENODATA };

static const struct row of_ended[] = {
    ROW(recv_, 0),
    ROW(recv_until, 0),
    ROW(recv_exactly, D),
    ROW(recvfrom_, 0),
    ROW(recvmsg_, 0),
    ROW(recv_segments, 0),
    ROW(recvfrom_nowait, 0),
    ROW(read_, 0),
    ROW(readv_, 0),
    ROW(read_exactly, D),
    ROW(readv_exactly, D),
    ROW(send_all, 4),
    STREAM(stream_read, 0),
    STREAM(stream_read_until_time, 0),
    STREAM(stream_read_exactly, D),
    STREAM(stream_read_until, D),
    STREAM(stream_read_line, D),
    STREAM(stream_peek, 0),
    STREAM(stream_splice, 0),
    STREAM(stream_write, 4),
};

static int main_ended(void *arg)
{
    (void)arg;
    same(ASK(of_ended, ended_one), 0);
    return weft_close(peer);
}
TEST(ended)
{
    net_run(main_ended);
}

/* -- ended here -------------------------------------------------------------------------------- */

static int shut_one(void)
{
    int fd;

    if (peer >= 0)
        same(weft_close(peer), 0);
    net_pair(&fd, &peer);
    same(weft_shutdown(fd, SHUT_WR), 0);
    return fd;
}

enum { P = -EPIPE };

static const struct row of_shut[] = {
    ROW(send_, P),
    ROW(send_until, P),
    ROW(send_all, P),
    ROW(send_all_until, P),
    ROW(send_give, P),
    ROW(send_give_until, P),
    ROW(sendto_, P),
    ROW(sendmsg_, P),
    ROW(sendto_nowait, P),
    ROW(write_, P),
    ROW(writev_, P),
    ROW(write_all, P),
    ROW(writev_all, P),
    STREAM(stream_write, P),
    STREAM(stream_writev, P),
    STREAM(stream_write_give, P),
};

static int main_shut(void *arg)
{
    (void)arg;
    same(ASK(of_shut, shut_one), 0);
    return weft_close(peer);
}
TEST(shut)
{
    net_run(main_shut);
    same(released, 3); /* all that was given */
}

/* Nobody reads from the pipe, or has the other socket. */
static int main_unread(void *arg)
{
    int from[2], to[2], pair[2], file = file_new("file");

    (void)arg;
    same(weft_write_all(file, "text", 4, NULL), 4);
    same(weft_pipe(from, 0), 0);
    same(weft_pipe(to, 0), 0);
    same(weft_close(to[0]), 0);
    same(weft_write(from[1], "x", 1), 1);
    same(weft_tee(from[0], to[1], 1, 0), -EPIPE);
    same(weft_splice(from[0], NULL, to[1], NULL, 1, 0), -EPIPE);
    same(weft_sendfile(to[1], file, &(off_t){0}, 4), -EPIPE);
    same(weft_read(from[0], bytes, 1), 1); /* nothing was taken */
    same(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    same(weft_close(pair[1]), 0);
    same(weft_send_fds(pair[0], "x", 1, &file, 1), -EPIPE);
    same(weft_hand_over(pair[0], &file, 1), -EPIPE);
    same(weft_hand_over_until(pair[0], &file, 1, weft_after_ns(HOUR)), -EPIPE);
    same(weft_close(pair[0]), 0);
    same(weft_close(from[0]), 0);
    same(weft_close(from[1]), 0);
    same(weft_close(to[1]), 0);
    return weft_close(file);
}
TEST(unread)
{
    file_run(main_unread);
}

/* -- never there ------------------------------------------------------------------------------- */

/* Its connect was refused. */
static int refused_one(void)
{
    int fd = weft_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    ok(fd);
    same(weft_connect(fd, (struct sockaddr *)&nobody, sizeof nobody), -ECONNREFUSED);
    return fd;
}

enum { C = -ENOTCONN };

static const struct row of_refused[] = {
    ROW(recv_, C),           ROW(recv_until, C),    ROW(recv_exactly, C),    ROW(recvfrom_, C),
    ROW(recvmsg_, C),        ROW(recv_segments, C), ROW(recvfrom_nowait, C), ROW(read_, C),
    ROW(readv_, C),          ROW(read_exactly, C),  ROW(readv_exactly, C),   ROW(send_, C),
    ROW(send_until, C),      ROW(send_all, C),      ROW(send_all_until, C),  ROW(send_give, C),
    ROW(send_give_until, C), ROW(sendto_, C),       ROW(sendmsg_, C),        ROW(sendto_nowait, C),
    ROW(write_, C),          ROW(writev_, C),       ROW(write_all, C),       ROW(writev_all, C),
    ROW(accept_, C),         ROW(accept_until, C),  ROW(connect_, C),        ROW(connect_until, C),
    ROW(connect_nowait, C),  ROW(stream_open, C),   ROW(transport_open, C),  ROW(fd_move, C),
    ROW(poll_, C),           ROW(poll_until, C),    ROW(add_reader, C),      ROW(add_writer, C),
};

static int main_refused(void *arg)
{
    int held = weft_socket(AF_INET, SOCK_STREAM, 0);
    socklen_t length = sizeof nobody;

    (void)arg;
    ok(held);
    nobody = net_loopback(0);
    same(weft_bind(held, (struct sockaddr *)&nobody, sizeof nobody), 0);
    same(weft_getsockname(held, (struct sockaddr *)&nobody, &length), 0);
    same(ASK(of_refused, refused_one), 0);
    return weft_close(held);
}
TEST(refused)
{
    net_run(main_refused);
}

TEST_MAIN("errors_peer", 60, reset, ended, shut, unread, refused)
