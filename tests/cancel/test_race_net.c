/*
 * Races of cancellation on connections: accepting, connecting, sending, streams and their buffers.
 * The numbers are those of the list; race.h says how they are run.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "race.h"

static void reset_on_close(int fd)
{
    const struct weft_socket_opt opt = {.size = sizeof opt, .reset_on_close = true};

    race_is(weft_socket_set(fd, &opt), 0);
}

static struct sockaddr_in listen_here(int *listener)
{
    struct sockaddr_in address = {.sin_family = AF_INET};

    *listener = weft_listen_tcp("127.0.0.1:0", NULL);
    race_ok(*listener);
    address.sin_port = htons((uint16_t)weft_local_port(*listener));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

struct call {
    int fd;
    struct sockaddr_in address;
    int result;
    int then;
    weft_task task;
};

static int accepts(void *arg)
{
    struct call *call = arg;

    call->result = weft_accept(call->fd, NULL, NULL, 0);
    call->then = weft_yield();
    return 0;
}

static int connects(void *arg)
{
    struct call *call = arg;

    call->fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    race_ok(call->fd);
    reset_on_close(call->fd);
    call->result = weft_connect(call->fd, (struct sockaddr *)&call->address, sizeof call->address);
    call->then = weft_yield();
    return 0;
}

static void begin(weft_scope *scope, weft_task_fn fn, struct call *call)
{
    race_is(weft_spawn(scope, fn, call, 0, RACE_OPT(.task = &call->task)), 0);
}

/* 15: a connection is accepted and the accept cancelled: it is the caller's, or the next one's, or
   closed with the listener; the number of descriptors says so. Would catch one that is dropped. */
static int body_15(void *arg)
{
    struct call call = {0}, peer = {0};
    int fd;

    (void)arg;
    peer.address = listen_here(&call.fd);
    WEFT_SCOPE(s) {
        uint32_t cancel_first = race_pick(2);
        begin(&s, accepts, &call);
        race_yields(1);
        for (uint32_t step = 0; step < 2; step++) {
            if (step == cancel_first)
                begin(&s, connects, &peer);
            else
                race_ok(weft_cancel(call.task));
            if (step == 0)
                race_yields(cancel_first ? 1 : 9);
        }
    }
    race_is(peer.result, 0);
    ck_assert(call.result >= 0 || call.result == -ECANCELED);
    race_saw(call.result >= 0);
    if (call.result < 0 && race_pick(2)) {
        call.result = weft_accept(call.fd, NULL, NULL, 0); /* it was not lost */
        race_ok(call.result);
    }
    fd = call.result;
    if (fd >= 0)
        race_is(weft_close(fd), 0);
    race_is(weft_close(call.fd), 0);
    race_is(weft_close(peer.fd), 0);
    return 0;
}
TEST(race_15)
{
    race_each(.body = body_15, .orders = true, .outcomes = 2);
}

/* 16, as far as there is: a socket made by a call that is then cancelled is closed by it. */
static int connects_by_name(void *arg)
{
    struct call *call = arg;
    char text[32];

    snprintf(text, sizeof text, "127.0.0.1:%d", ntohs(call->address.sin_port));
    call->result = weft_connect_tcp(text, NULL);
    if (call->result >= 0) {
        reset_on_close(call->result);
        race_is(weft_close(call->result), 0);
    }
    return 0;
}
static int body_16(void *arg)
{
    struct call call = {0};
    int listener;

    (void)arg;
    call.address = listen_here(&listener);
    WEFT_SCOPE(s) {
        begin(&s, connects_by_name, &call);
        race_yields(3);
        race_ok(weft_cancel(call.task));
    }
    ck_assert(call.result >= 0 || call.result == -ECANCELED);
    race_saw(call.result >= 0);
    race_is(weft_close(listener), 0);
    return 0;
}
TEST(race_16)
{
    race_each(.body = body_16, .orders = true, .outcomes = 2);
}

/* 17: the listener is closed, its task cancelled, or left alone, while connections come: each of
   them is delivered or closed. Would catch completions of an accept that nobody looks at. */
static int body_17(void *arg)
{
    enum { PEERS = 5 };
    struct call call = {0}, peers[PEERS] = {{0}};
    int fds[PEERS] = {0}, taken = 0;
    uint32_t what = race_pick(3);

    (void)arg;
    peers[0].address = listen_here(&call.fd);
    WEFT_SCOPE(s) {
        begin(&s, accepts, &call);
        for (int i = 0; i < PEERS; i++) {
            peers[i].address = peers[0].address;
            begin(&s, connects, &peers[i]);
        }
        race_yields(4);
        if (what)
            race_ok(weft_cancel(call.task));
        race_is(weft_join(call.task, NULL), 0);
        if (what == 2)
            race_is(weft_close(call.fd), 0);
        if (what != 2)
            for (int n = (int)race_pick(PEERS); taken < n; taken++)
                race_ok(fds[taken] = weft_accept(call.fd, NULL, NULL, 0));
    }
    ck_assert(call.result >= 0 || call.result == -ECANCELED);
    if (what != 2)
        race_is(weft_close(call.fd), 0);
    if (call.result >= 0)
        race_is(weft_close(call.result), 0);
    while (taken > 0)
        race_is(weft_close(fds[--taken]), 0);
    for (int i = 0; i < PEERS; i++) {
        char byte;
        if (peers[i].result == 0) { /* whoever got through sees the end of it */
            ssize_t n = weft_recv(peers[i].fd, &byte, 1, 0);
            ck_assert(n == 0 || n == -ECONNRESET);
        } else {
            ck_assert(peers[i].result == -ECONNREFUSED || peers[i].result == -ECONNRESET);
        }
        race_is(weft_close(peers[i].fd), 0);
    }
    return 0;
}
TEST(race_17)
{
    race_each(.body = body_17);
}

/* -- streams ---------------------------------------------------------------------------------- */

struct reading {
    weft_stream *stream;
    char bytes[4096];
    ssize_t result;
    int then;
    weft_task task;
};

static int reads(void *arg)
{
    struct reading *reading = arg;

    reading->result = weft_stream_read(reading->stream, reading->bytes, sizeof reading->bytes, 0);
    reading->then = weft_yield();
    return 0;
}

static void fill(char *bytes, size_t size, size_t from)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)((from + i) * 131 + (from + i) / 253);
}

static void same(const char *bytes, size_t size, size_t from)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != (char)((from + i) * 131 + (from + i) / 253))
            ck_abort_msg("byte %zu is wrong", from + i);
}

static void open_stream(int fds[2], weft_stream **stream)
{
    race_pair(fds);
    race_is(weft_stream_open(fds[0], NULL, stream), 0);
}

static void send_from(int fd, size_t *at, size_t size)
{
    char bytes[8192];

    fill(bytes, size, *at);
    race_is(weft_send_all(fd, bytes, size, NULL), (ssize_t)size);
    *at += size;
}

/* 18: the stream's reader is cancelled, or the stream closed or aborted, with buffers in the
   completions: each comes back, and what is read next is what comes next. */
static int body_18(void *arg)
{
    struct reading reading = {0};
    size_t sent = 0, read = 0;
    int fds[2];

    (void)arg;
    open_stream(fds, &reading.stream);
    WEFT_SCOPE(s) {
        race_is(weft_spawn(&s, reads, &reading, 0, RACE_OPT(.task = &reading.task)), 0);
        race_yields(2);
        send_from(fds[1], &sent, 1 + race_pick(8) * 1000);
        race_yields(2);
        race_ok(weft_cancel(reading.task));
    }
    ck_assert(reading.result > 0 || reading.result == -ECANCELED);
    race_saw(reading.result > 0);
    if (reading.result > 0)
        same(reading.bytes, read = (size_t)reading.result, 0);
    send_from(fds[1], &sent, 1000);
    if (race_pick(3)) /* else it is closed with all of that unread */
        while (read < sent) {
            ssize_t n = weft_stream_read(reading.stream, reading.bytes, sizeof reading.bytes, 0);
            ck_assert_int_gt(n, 0);
            same(reading.bytes, (size_t)n, read);
            read += (size_t)n;
        }
    race_yields(2);
    race_is(race_pick(2) ? weft_stream_close(reading.stream) : weft_stream_abort(reading.stream),
            0);
    race_is(weft_close(fds[1]), 0);
    return 0;
}
TEST(race_18)
{
    race_each(.body = body_18, .outcomes = 2);
}

/* -- sending ---------------------------------------------------------------------------------- */

enum { MUCH = 3 << 20 };
struct sending {
    int fd;
    ssize_t result;
    size_t done;
    weft_task task;
};
static char *much;
static int sends(void *arg)
{
    struct sending *sending = arg;

    sending->result = weft_send_all(sending->fd, much, MUCH, &sending->done);
    return 0;
}

/* 19: a send that has moved a part is cancelled: the count is exact, and the next send follows it.
   Would catch bytes that are sent twice, or reported and not sent. */
static int body_19(void *arg)
{
    struct sending sending = {0};
    static char bytes[65536];
    char next[1000];
    size_t got = 0;
    int fds[2], size = 1 << 16;
    ssize_t n;

    (void)arg;
    much = malloc(MUCH);
    fill(much, MUCH, 0);
    race_pair(fds);
    race_is(weft_setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    race_is(weft_setsockopt(fds[1], SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
    sending.fd = fds[0];
    WEFT_SCOPE(s) {
        race_is(weft_spawn(&s, sends, &sending, 0, RACE_OPT(.task = &sending.task)), 0);
        race_yields(3);
        for (uint32_t reads_first = race_pick(3); reads_first > 0; reads_first--) {
            n = weft_recv(fds[1], bytes, sizeof bytes, 0);
            ck_assert_int_gt(n, 0);
            same(bytes, (size_t)n, got);
            got += (size_t)n;
        }
        race_ok(weft_cancel(sending.task));
    }
    race_is(sending.result, -ECANCELED);
    ck_assert_uint_lt(sending.done, MUCH);
    race_saw(sending.done > 0);
    while (got < sending.done) {
        n = weft_recv(fds[1], bytes, sizeof bytes, 0);
        ck_assert_int_gt(n, 0);
        same(bytes, (size_t)n, got);
        got += (size_t)n;
    }
    ck_assert_uint_eq(got, sending.done);
    fill(next, sizeof next, got);
    race_is(weft_send_all(fds[0], next, sizeof next, NULL), sizeof next);
    race_is(weft_recv_exactly(fds[1], bytes, sizeof next, NULL), sizeof next);
    same(bytes, sizeof next, got);
    race_is(weft_close(fds[0]), 0);
    race_is(weft_close(fds[1]), 0);
    free(much);
    return 0;
}
TEST(race_19)
{
    race_each(.body = body_19, .part = 4,
              .plan = "net.rate=100000000..10000000000 net.segment=4096..65536");
}

/* 20: a connect is cancelled: it is done, and the descriptor connected, or it is not, and the
   descriptor of no use but for closing. Would catch a half-made connection that is used again. */
static int body_20(void *arg)
{
    struct call call = {0};
    weft_stream *stream;
    bool under_way = false;
    char byte = 'x';
    int listener, fd;

    (void)arg;
    call.address = listen_here(&listener);
    WEFT_SCOPE(s) {
        begin(&s, connects, &call);
        race_yields(3);
        under_way = race_state(call.task) && strcmp(race_state(call.task), "connect") == 0;
        race_ok(weft_cancel(call.task));
    }
    if (call.result == 0) {
        race_saw(0);
        fd = weft_accept(listener, NULL, NULL, 0);
        race_ok(fd);
        race_is(weft_send(call.fd, &byte, 1, 0), 1);
        race_is(weft_recv(fd, &byte, 1, 0), 1);
        race_is(weft_close(fd), 0);
    } else {
        race_is(call.result, -ECANCELED);
        race_is(call.then, -ECANCELED);
    }
    if (call.result < 0 && under_way) {
        race_saw(1);
        race_is(weft_send(call.fd, &byte, 1, 0), -ENOTCONN);
        race_is(weft_recv(call.fd, &byte, 1, 0), -ENOTCONN);
        race_is(weft_connect(call.fd, (struct sockaddr *)&call.address, sizeof call.address),
                -ENOTCONN);
        race_is(weft_stream_open(call.fd, NULL, &stream), -ENOTCONN);
    }
    race_is(weft_close(call.fd), 0);
    race_is(weft_close(listener), 0);
    return 0;
}
TEST(race_20)
{
    race_each(.body = body_20, .orders = true, .outcomes = 2);
}

/* -- 21 --------------------------------------------------------------------------------------- */

struct echo {
    weft_stream *stream;
    int fd;
    size_t given;
    weft_task task;
};
static int gives(void *arg)
{
    struct echo *echo = arg;
    const void *data;
    size_t size;
    int more;

    while ((more = weft_stream_peek(echo->stream, &data, &size, 0)) > 0) {
        ssize_t n = weft_stream_give(echo->stream, echo->stream, size);
        if (n < 0) {
            race_is(weft_stream_consume(echo->stream, 0), 0); /* it is still lent */
            return (int)n;
        }
        race_is(n, (ssize_t)size);
        echo->given += size;
    }
    return more;
}

static int hears(void *arg)
{
    struct echo *peer = arg; /* what it was given is what it got */
    char bytes[4096];
    ssize_t n;

    while ((n = weft_recv(peer->fd, bytes, sizeof bytes, 0)) > 0) {
        same(bytes, (size_t)n, peer->given);
        peer->given += (size_t)n;
    }
    ck_assert(n == 0 || n == -ECONNRESET); /* an unread rest makes the close a reset */
    return 0;
}

/* 21, as far as there is: what was given away is sent from where it lies, also when the giver is
   cancelled, until the kernel is done with it. Would catch a buffer that goes back to the pool
   while it is being sent: what is received next would lie in it. */
static int body_21(void *arg)
{
    struct echo echo = {0}, peer = {0};
    size_t sent = 0;
    int fds[2], result;

    (void)arg;
    open_stream(fds, &echo.stream);
    peer.fd = fds[1];
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        race_is(weft_spawn(&s, hears, &peer, 0, NULL), 0);
        race_is(weft_spawn(&s, gives, &echo, 0, RACE_OPT(.task = &echo.task)), 0);
        for (uint32_t n = 1 + race_pick(4); n > 0; n--) {
            send_from(fds[1], &sent, 1 + race_pick(8) * 900);
            race_yields(2);
        }
        race_ok(weft_cancel(echo.task));
        race_is(weft_join(echo.task, &result), 0);
        race_is(result, -ECANCELED);
        send_from(fds[1], &sent, 4000); /* into whatever buffers are free */
        race_yields(2);
        race_is(weft_stream_close(echo.stream), 0);
    }
    ck_assert_uint_le(peer.given, echo.given);
    race_saw(echo.given > 0);
    race_is(weft_close(fds[1]), 0);
    return 0;
}
TEST(race_21)
{
    race_each(.body = body_21, .outcomes = 2);
}

/* 53: the reader is cancelled while its stream pauses for want of buffers. Would catch a stream
   that never resumes, one that is resumed after its end, and buffers that are gone. */
static int body_53(void *arg)
{
    struct reading reading = {0};
    size_t sent = 0, read = 0;
    int fds[2];

    (void)arg;
    open_stream(fds, &reading.stream);
    for (int round = 0; round < 3; round++) {
        WEFT_SCOPE(s) {
            race_is(weft_spawn(&s, reads, &reading, 0, RACE_OPT(.task = &reading.task)), 0);
            race_yields(2);
            send_from(fds[1], &sent, 1 + race_pick(8) * 1000);
            race_yields(3);
            race_ok(weft_cancel(reading.task));
        }
        ck_assert(reading.result > 0 || reading.result == -ECANCELED);
        if (reading.result > 0)
            same(reading.bytes, (size_t)reading.result, read);
        read += reading.result > 0 ? (size_t)reading.result : 0;
    }
    if (race_pick(2))
        while (read < sent) {
            ssize_t n = weft_stream_read(reading.stream, reading.bytes, sizeof reading.bytes, 0);
            ck_assert_int_gt(n, 0);
            same(reading.bytes, (size_t)n, read);
            read += (size_t)n;
        }
    race_is(weft_stream_close(reading.stream), 0);
    race_is(weft_close(fds[1]), 0);
    return 0;
}
TEST(race_53)
{
    race_each(.body = body_53, .plan = "buffers.none=1/2 multishot.end=1/4");
}

/* -- 55 --------------------------------------------------------------------------------------- */

struct broken {
    int fd;
    ssize_t first, second;
    int refused;
    weft_task task;
};
static int reads_broken(void *arg)
{
    struct broken *broken = arg;
    char byte;

    broken->first = weft_recv(broken->fd, &byte, 1, 0);
    broken->refused = weft_cancelled();
    if (broken->refused)
        race_is(weft_uncancel(), 0);
    broken->second = weft_recv(broken->fd, &byte, 1, 0);
    return 0;
}

/* 55: the peer resets and the reader is cancelled: one of the two is told, the other is not lost.
   Would catch a reset that is told as a cancellation and never again. */
static int body_55(void *arg)
{
    struct broken broken = {0};
    int fds[2];

    (void)arg;
    race_pair(fds);
    broken.fd = fds[0];
    WEFT_SCOPE(s) {
        uint32_t cancel_first = race_pick(2);
        race_is(weft_spawn(&s, reads_broken, &broken, 0, RACE_OPT(.task = &broken.task)), 0);
        ck_assert(race_until(broken.task, "recv"));
        for (uint32_t step = 0; step < 2; step++) {
            if (step == cancel_first)
                race_is(weft_close(fds[1]), 0);
            else
                race_ok(weft_cancel(broken.task));
            race_yields(2);
        }
    }
    if (broken.first == -ECANCELED) {
        ck_assert(broken.refused != 0);
        ck_assert(broken.second == -ECONNRESET);
        race_saw(0);
    } else {
        race_is(broken.first, -ECONNRESET);
        ck_assert(broken.second == 0 || broken.second == -ECANCELED);
        race_saw(1);
    }
    race_is(weft_close(fds[0]), 0);
    return 0;
}
TEST(race_55)
{
    race_each(.body = body_55, .orders = true, .outcomes = 2);
}

TEST_MAIN("race_net", 3600, race_15, race_16, race_17, race_18, race_19, race_20, race_21, race_53,
          race_55)
