/*
 * Misused calls on descriptors and streams, one line each, as in test_misuse.c: what they answer,
 * that nothing changed, and that the hook of a debug build was told once, of this line. And beside
 * them what the network, a user or a race may bring about, of which it must not be told. Would
 * catch a refusal that is silent, and a debug build that a peer can kill.
 */
#include "api/wrong.h"

static char memory[64];

/* -- descriptors ----------------------------------------------------------------------------- */

static void bad_arguments(int fd)
{
    struct weft_listen_opt queue = {.size = sizeof queue, .backlog = -1};
    struct weft_listen_opt mode = {.size = sizeof mode, .mode = 010000};
    struct weft_socket_opt room = {.size = sizeof room, .receive_buffer_size = -1};
    struct weft_socket_opt sizeless = {.nagle = true};
    struct sockaddr_in from;
    int64_t late = weft_after_ms(60000);

    WRONG(weft_recv(fd, NULL, 1, 0), -EFAULT, "weft_recv", "NULL for memory");
    WRONG(weft_recv(fd, memory, 1, MSG_ERRQUEUE), -EINVAL, "weft_recv", "flags");
    WRONG(weft_recv_exactly(fd, NULL, 1, NULL), -EFAULT, "weft_recv_exactly", "NULL for memory");
    WRONG(weft_send(fd, NULL, 1, 0), -EFAULT, "weft_send", "NULL for memory");
    WRONG(weft_send(fd, memory, 1, WEFT_IDLE), -EINVAL, "weft_send", "flags");
    WRONG(weft_send_all(fd, NULL, 1, NULL), -EFAULT, "weft_send_all", "NULL for memory");
    WRONG(weft_connect(fd, NULL, 0), -EFAULT, "weft_connect", "no address");
    WRONG(weft_accept(fd, NULL, NULL, 1), -EINVAL, "weft_accept", "flags");
    WRONG(weft_accept(fd, (struct sockaddr *)&from, NULL, 0), -EINVAL, "weft_accept", "length");
    WRONG(weft_listen_tcp(NULL, NULL), -EINVAL, "weft_listen_tcp", "no address");
    WRONG(weft_listen_tcp(":0", &queue), -EINVAL, "weft_listen_tcp", "range");
    WRONG(weft_listen_tcp(":0", &mode), -EINVAL, "weft_listen_tcp", "range");
    WRONG(weft_connect_tcp(NULL, NULL), -EINVAL, "weft_connect_tcp", "no address");
    WRONG(weft_socket_set(fd, &room), -EINVAL, "weft_socket_set", "range");
    WRONG(weft_socket_set(fd, &sizeless), -EINVAL, "weft_socket_set", "size");
    /* an inner call of a twin is told of in the twin's name, and once */
    ck_misuse(weft_recv_until(fd, NULL, 1, 0, late), -EFAULT, "weft_recv_until", "NULL");
    ck_misuse(weft_send_all_until(fd, NULL, 1, 0, late), -EFAULT, "weft_send_all_until", "NULL");
}

/* Data, the network, a race: what a program may run into by no fault of its own. */
static void no_mistakes(void)
{
    int fd;

    ck_no_misuse(weft_listen_tcp("nonsense", NULL), -EINVAL);
    ck_no_misuse(weft_listen_tcp("999.0.0.1:70000", NULL), -EINVAL);
    ck_no_misuse(weft_connect_tcp("", NULL), -EINVAL);
    ck_no_misuse(weft_connect_tcp(":80", NULL), -EINVAL);
    ck_no_misuse(weft_close(-1), -EBADF);
    ck_no_misuse(weft_recv(1000, memory, 1, 0), -EBADF); /* closed by another task, perhaps */
    ck_no_misuse(weft_socket(-7, 0, 0), -EAFNOSUPPORT);
    fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    ok(fd);
    ck_no_misuse(weft_accept(fd, NULL, NULL, 0), -EINVAL); /* the kernel's word */
    ck_no_misuse(weft_recv(fd, memory, 1, 0), -ENOTCONN);
    ck_no_misuse(weft_setsockopt(fd, SOL_SOCKET, 9999, memory, 4), -ENOPROTOOPT);
    ok(weft_close(fd));
}

static int negative_descriptors(void)
{
    static const struct sockaddr_in to = {.sin_family = AF_INET};

    WRONG(weft_recv(-EMFILE, memory, 1, 0), -EBADF, "weft_recv", "negative");
    WRONG(weft_send(-EMFILE, memory, 1, 0), -EBADF, "weft_send", "negative");
    WRONG(weft_accept(-EMFILE, NULL, NULL, 0), -EBADF, "weft_accept", "negative");
    WRONG(weft_shutdown(-1, SHUT_WR), -EBADF, "weft_shutdown", "negative");
    WRONG(weft_fd_move(-1), -EBADF, "weft_fd_move", "negative");
    WRONG(weft_connect(-1, (const struct sockaddr *)&to, sizeof to), -EBADF, "weft_connect", "neg");
    return 0;
}

static int receives(void *arg)
{
    char byte;

    return (int)weft_recv(*(int *)arg, &byte, 1, 0);
}
static int accepts(void *arg)
{
    return weft_accept(*(int *)arg, NULL, NULL, 0) == -ECANCELED ? 0 : 1;
}
static int uses_anothers(void *arg)
{
    int fd = *(int *)arg;

    WRONG(weft_recv(fd, memory, 1, 0), -EXDEV, "weft_recv", "another reactor");
    WRONG(weft_close(fd), -EXDEV, "weft_close", "another reactor");
    WRONG(weft_fd_move(fd), -EXDEV, "weft_fd_move", "another reactor");
    return 0;
}

static void second_users(int here, int there)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    const struct sockaddr *address = (const struct sockaddr *)&to;
    int port, listener = net_listen(&port);

    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, receives, &here, sizeof here, NULL));
        ok(weft_spawn(&s, accepts, &listener, sizeof listener, NULL));
        ok(weft_yield());
        WRONG(weft_recv(here, memory, 1, 0), -EBUSY, "weft_recv", "another call");
        WRONG(weft_connect(here, address, sizeof to), -EBUSY, "weft_connect", "another call");
        WRONG(weft_accept(listener, NULL, NULL, 0), -EBUSY, "weft_accept", "another call");
        ck_no_misuse(weft_fd_move(here), -EBUSY); /* it may be asked until it is free: none */
        ok(weft_call(1, uses_anothers, &here, sizeof here));
        ok(weft_send(there, "x", 1, 0));
        ok(weft_close(listener));
    }
}

static int descriptors_main(void *arg)
{
    int here, there;

    (void)arg;
    no_mistakes();
    negative_descriptors();
    net_pair(&here, &there);
    bad_arguments(here);
    second_users(here, there);
    ok(weft_close(here));
    WRONG(weft_close(here), -EBADF, "weft_close", "closed twice");
    ok(close(there)); /* behind the library's back */
    WRONG(weft_recv(there, memory, 1, 0), -EBADF, "weft_recv", "not by weft_close");
    return 0;
}
TEST(descriptors)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    ck_assert_int_eq(weft_run(descriptors_main, NULL, 0, &opt), 0);
}

/* -- streams --------------------------------------------------------------------------------- */

static int stream_elsewhere(void *arg)
{
    weft_stream *stream = *(weft_stream **)arg, *own;
    int here, there;

    net_pair(&here, &there);
    ok(weft_stream_open(here, NULL, &own));
    WRONG(weft_stream_give(own, stream, 1), -EXDEV, "weft_stream_give", "another reactor");
    WRONG(weft_stream_give(stream, own, 1), -EXDEV, "weft_stream_give", "another reactor");
    WRONG(weft_stream_splice(own, stream, 1, 0), -EXDEV, "weft_stream_splice", "another reactor");
    WRONG(weft_stream_splice(stream, own, 1, 0), -EXDEV, "weft_stream_splice", "another reactor");
    ok(weft_stream_close(own));
    ok(weft_close(there));
    WRONG(weft_stream_read(stream, memory, 1, 0), -EXDEV, "weft_stream_read", "another reactor");
    WRONG(weft_stream_write(stream, "x", 1, NULL), -EXDEV, "weft_stream_write", "another reactor");
    WRONG(weft_stream_consume(stream, 0), -EXDEV, "weft_stream_consume", "another reactor");
    WRONG(weft_stream_close(stream), -EXDEV, "weft_stream_close", "another reactor");
    return 0;
}
static int reads(void *stream)
{
    return (int)weft_stream_read(*(weft_stream **)stream, memory, 1, 0);
}
static int writes_much(void *stream)
{
    static char much[1 << 20];
    ssize_t result;

    /* more than the kernel takes, since nobody reads: it is under way until the stream closes */
    do
        result = weft_stream_write(*(weft_stream **)stream, much, sizeof much, NULL);
    while (result > 0);
    return result == -ECANCELED ? 0 : (int)result;
}

static void no_stream(void)
{
    const void *data;
    size_t size;

    WRONG(weft_stream_read(NULL, memory, 1, 0), -EINVAL, "weft_stream_read", "no stream");
    WRONG(weft_stream_read(NULL, memory, 1, WEFT_IDLE), -EINVAL, "weft_stream_read", "no stream");
    WRONG(weft_stream_read_exactly(NULL, memory, 1, 0), -EINVAL, "weft_stream_read_exactly", "no");
    WRONG(weft_stream_peek(NULL, &data, &size, 0), -EINVAL, "weft_stream_peek", "no stream");
    WRONG(weft_stream_consume(NULL, 1), -EINVAL, "weft_stream_consume", "no stream");
    WRONG(weft_stream_write(NULL, "x", 1, NULL), -EINVAL, "weft_stream_write", "no stream");
    WRONG(weft_stream_give(NULL, NULL, 1), -EINVAL, "weft_stream_give", "no stream");
    WRONG(weft_stream_drain(NULL), -EINVAL, "weft_stream_drain", "no stream");
    WRONG(weft_stream_shutdown(NULL), -EINVAL, "weft_stream_shutdown", "no stream");
    WRONG(weft_stream_fd(NULL), -EINVAL, "weft_stream_fd", "no stream");
    /* clean-up code may have none to close: none */
    ck_no_misuse(weft_stream_close(NULL), 0);
    ck_no_misuse(weft_stream_abort(NULL), 0);
}

static void stream_arguments(weft_stream *stream)
{
    int64_t late = weft_after_ms(60000);
    unsigned before;
    const void *data;
    size_t size;
    ssize_t answer;

    WRONG(weft_stream_read(stream, NULL, 1, 0), -EFAULT, "weft_stream_read", "NULL for memory");
    WRONG(weft_stream_read(stream, memory, 1, MSG_PEEK), -EINVAL, "weft_stream_read", "flags");
    before = test_misuses();
    answer = weft_stream_read_until_time(stream, NULL, 1, 0, late);
    test_misuse_check(before, __FILE__, __LINE__ - 1, "weft_stream_read_until_time", -EFAULT, "");
    ck_assert_int_eq((int)answer, -EFAULT);
    WRONG(weft_stream_read_exactly(stream, 0, 1, 0), -EFAULT, "weft_stream_read_exactly", "NULL");
    WRONG(weft_stream_peek(stream, NULL, &size, 0), -EINVAL, "weft_stream_peek", "nowhere");
    WRONG(weft_stream_peek(stream, &data, NULL, 0), -EINVAL, "weft_stream_peek", "nowhere");
    WRONG(weft_stream_write(stream, NULL, 1, NULL), -EFAULT, "weft_stream_write", "NULL");
    WRONG(weft_stream_consume(stream, 0), -EINVAL, "weft_stream_consume", "no view");
    WRONG(weft_stream_give(stream, stream, 1), -EINVAL, "weft_stream_give", "no view");
    WRONG(weft_stream_give(stream, NULL, 1), -EINVAL, "weft_stream_give", "no stream");
}

/* Bytes are there: a view is taken, and used wrongly. */
static void views(weft_stream *stream)
{
    const void *data;
    size_t size;

    ck_assert_int_eq(weft_stream_peek(stream, &data, &size, 0), 1);
    WRONG(weft_stream_peek(stream, &data, &size, 0), -EBUSY, "weft_stream_peek", "not put back");
    WRONG(weft_stream_read(stream, memory, 1, 0), -EBUSY, "weft_stream_read", "not put back");
    WRONG(weft_stream_consume(stream, size + 1), -EINVAL, "weft_stream_consume", "not so long");
    WRONG(weft_stream_give(stream, stream, size + 1), -EINVAL, "weft_stream_give", "not so long");
    ck_no_misuse(weft_stream_consume(stream, size), 0);
}

/* Bytes are there once more, and nobody reads at the other end. */
static void stream_users(weft_stream *stream)
{
    const void *data;
    size_t size;

    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_stream_peek(stream, &data, &size, 0), 1);
        ok(weft_spawn(&s, writes_much, &stream, sizeof stream, NULL));
        ok(weft_yield());
        WRONG(weft_stream_give(stream, stream, 1), -EBUSY, "weft_stream_give", "another task writ");
        ok(weft_stream_consume(stream, size));
        ok(weft_spawn(&s, reads, &stream, sizeof stream, NULL));
        ok(weft_yield());
        WRONG(weft_stream_read(stream, memory, 1, 0), -EBUSY, "weft_stream_read", "another task");
        WRONG(weft_stream_write(stream, "x", 1, NULL), -EBUSY, "weft_stream_write", "another task");
        WRONG(weft_stream_shutdown(stream), -EBUSY, "weft_stream_shutdown", "another task writes");
        WRONG(weft_stream_drain(stream), -EBUSY, "weft_stream_drain", "another task writes");
        ok(weft_call(1, stream_elsewhere, &stream, sizeof stream));
        weft_scope_cancel(&s);
    }
}

static int streams_main(void *arg)
{
    struct weft_stream_opt large = {.size = sizeof large, .buffer_size = 65537};
    weft_stream *stream = NULL, *second = NULL;
    int here, there, packets;

    (void)arg;
    no_stream();
    net_pair(&here, &there);
    WRONG(weft_stream_open(here, NULL, NULL), -EINVAL, "weft_stream_open", "nowhere to put");
    WRONG(weft_stream_open(here, &large, &stream), -EINVAL, "weft_stream_open", "range");
    WRONG(weft_stream_open(-5, NULL, &stream), -EBADF, "weft_stream_open", "negative");
    ck_assert_ptr_null(stream);
    packets = weft_socket(AF_INET, SOCK_DGRAM, 0);
    ok(packets);
    ck_no_misuse(weft_stream_open(packets, NULL, &second), -EINVAL); /* given by others: none */
    ok(weft_close(packets));
    ok(weft_stream_open(here, NULL, &stream));
    WRONG(weft_stream_open(here, NULL, &second), -EBUSY, "weft_stream_open", "a stream, has");
    WRONG(weft_recv(here, memory, 1, 0), -EBUSY, "weft_recv", "a stream, has");
    WRONG(weft_close(here), -EBUSY, "weft_close", "close the stream");
    ck_assert_ptr_null(second);
    stream_arguments(stream);
    ok(weft_send(there, "hello", 5, 0));
    views(stream);
    ok(weft_send(there, "hello", 5, 0));
    stream_users(stream);
    ok(weft_stream_abort(stream));
    ok(weft_close(there));
    return 0;
}
TEST(streams)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    ck_assert_int_eq(weft_run(streams_main, NULL, 0, &opt), 0);
}

TEST_MAIN("misuse_io", 20, descriptors, streams)
