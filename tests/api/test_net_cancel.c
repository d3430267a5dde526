/*
 * Calls that are cut short: cancelled, timed out, closed under, or met by a second caller. Catches
 * descriptors that leak, bytes that were moved and not reported, and a cancel that hits a stranger.
 */
#include "support/net.h"

struct call {
    int fd;
    ssize_t result;
    size_t done;
    size_t size;
    char *buffer;
    int flags;
};

static int run_recv(void *arg)
{
    struct call *call = arg;

    call->result = weft_recv(call->fd, call->buffer, call->size, call->flags);
    return 0;
}

static int run_recv_exactly(void *arg)
{
    struct call *call = arg;

    call->result = weft_recv_exactly(call->fd, call->buffer, call->size, &call->done);
    return 0;
}

static int run_send_all(void *arg)
{
    struct call *call = arg;

    call->result = weft_send_all(call->fd, call->buffer, call->size, &call->done);
    return 0;
}

/* Long enough for what was sent to be there, and taken. */
#define ARRIVED_NS 50000000

static void cancel_call_after(weft_task_fn fn, struct call *call, int turns, int64_t turn_ns)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, fn, call, 0, &opt));
        for (int i = 0; i < turns; i++)
            ok(weft_sleep(turn_ns));
        ok(weft_cancel(task));
        ok(weft_join(task, NULL));
    }
}

/* Starts the call, lets `turns` pass, cancels it and waits for its end. */
static void cancel_call(weft_task_fn fn, struct call *call, int turns)
{
    cancel_call_after(fn, call, turns, 1000);
}

/* After a cancelled receive the stream goes on where it was. */
static int main_recv(void *arg)
{
    int here, there;
    char buffer[16] = "";
    struct call call = {.buffer = buffer, .size = sizeof buffer};

    (void)arg;
    net_pair(&here, &there);
    call.fd = there;
    for (int turns = 0; turns < 5; turns++) {
        cancel_call(run_recv, &call, turns);
        ck_assert_int_eq(call.result, -ECANCELED);
        ck_assert_int_eq(weft_send_all(here, "abc", 3, NULL), 3);
        ck_assert_int_eq(weft_recv_exactly(there, buffer, 3, NULL), 3);
        ck_assert_mem_eq(buffer, "abc", 3);
    }
    ok(weft_close(here));
    return weft_close(there);
}

TEST(cancelled_recv)
{
    net_run(main_recv);
}

/* Bytes that came before the cancel are the result; the cancellation stays for the next call. */
static int recv_then_next(void *arg)
{
    struct call *call = arg;
    char byte;

    run_recv(call);
    ck_assert_int_eq(weft_recv(call->fd, &byte, 1, 0), -ECANCELED);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_CANCEL);
    return 0;
}

static int main_partial(void *arg)
{
    int here, there;
    char buffer[100];
    struct call call = {.buffer = buffer, .size = sizeof buffer, .flags = MSG_WAITALL};

    (void)arg;
    net_pair(&here, &there);
    call.fd = there;
    ck_assert_int_eq(weft_send_all(here, "0123456789", 10, NULL), 10);
    cancel_call_after(recv_then_next, &call, 1, ARRIVED_NS);
    ck_assert_int_eq(call.result, 10);
    ck_assert_mem_eq(buffer, "0123456789", 10);

    ck_assert_int_eq(weft_send_all(here, "0123456789", 10, NULL), 10);
    cancel_call_after(run_recv_exactly, &call, 1, ARRIVED_NS);
    ck_assert_int_eq(call.result, -ECANCELED);
    ck_assert_uint_eq(call.done, 10);
    ck_assert_mem_eq(buffer, "0123456789", 10);

    ck_assert_int_eq(weft_send_all(here, "tail", 4, NULL), 4);
    ok(weft_close(here));
    ck_assert_int_eq(weft_recv_exactly(there, buffer, sizeof buffer, &call.done), -ENODATA);
    ck_assert_uint_eq(call.done, 4);
    ck_assert_mem_eq(buffer, "tail", 4);
    return weft_close(there);
}

TEST(partial_results)
{
    net_run(main_partial);
}

enum { MUCH = 32 << 20 };

/* A send that filled the pipe: exactly the bytes it reports arrive, and the next one follows them.
 */
static int main_send(void *arg)
{
    int here, there;
    struct call call = {.buffer = malloc(MUCH), .size = MUCH};
    size_t received = 0, total;
    unsigned char piece[16384];
    ssize_t n;

    (void)arg;
    net_fill((unsigned char *)call.buffer, MUCH, 1, 0);
    net_pair(&here, &there);
    call.fd = here;
    cancel_call(run_send_all, &call, 20);
    ck_assert_int_eq(call.result, -ECANCELED);
    ck_assert_uint_gt(call.done, 0);
    ck_assert_uint_lt(call.done, MUCH);
    total = call.done;
    while (received < total) {
        n = weft_recv(there, piece, sizeof piece, 0);
        ck_assert_int_gt(n, 0);
        net_check(piece, (size_t)n, 1, received);
        received += (size_t)n;
    }
    ck_assert_uint_eq(received, total);
    ck_assert_int_eq(weft_send_all(here, "end", 3, NULL), 3);
    ck_assert_int_eq(weft_recv_exactly(there, piece, 3, NULL), 3);
    ck_assert_mem_eq(piece, "end", 3);
    free(call.buffer);
    ok(weft_close(here));
    return weft_close(there);
}

TEST(cancelled_send)
{
    net_run(main_send);
}

/* A listener whose queue is full answers nobody: connecting to it waits. */
static int full_listener(struct sockaddr_in *address, int *fillers, int count)
{
    socklen_t length = sizeof *address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *address = net_loopback(0);
    ok(bind(listener, (struct sockaddr *)address, sizeof *address));
    ok(listen(listener, 0));
    getsockname(listener, (struct sockaddr *)address, &length);
    for (int i = 0; i < count; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(fillers[i], (struct sockaddr *)address, sizeof *address);
    }
    return listener;
}

static int run_connect_tcp(void *arg)
{
    struct call *call = arg;

    call->result = weft_connect_tcp(call->buffer, NULL);
    return 0;
}

static int main_connect(void *arg)
{
    struct sockaddr_in address;
    int fillers[8], listener = full_listener(&address, fillers, 8);
    char text[64], byte;
    struct call call = {.buffer = text};

    (void)arg;
    sprintf(text, "127.0.0.1:%d", ntohs(address.sin_port));
    int before = test_descriptors();
    for (int i = 0; i < 10; i++) {
        cancel_call(run_connect_tcp, &call, i);
        ck_assert_int_eq(call.result, -ECANCELED);
        ck_assert_int_eq(test_descriptors(), before);
    }

    int fd = -1;
    uint64_t asked;
    do { /* again, where its time was over before the kernel was asked */
        if (fd >= 0)
            ok(weft_close(fd));
        fd = weft_socket(AF_INET, SOCK_STREAM, 0);
        ok(fd);
        asked = net_stats().sqes;
        ck_assert_int_eq(weft_connect_until(fd, (struct sockaddr *)&address, sizeof address,
                                            weft_after_ms(30)),
                         -ETIMEDOUT);
        ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DEADLINE);
    } while (net_stats().sqes == asked);
    /* and then it is good for nothing but closing */
    ck_assert_int_eq(weft_connect(fd, (struct sockaddr *)&address, sizeof address), -ENOTCONN);
    ck_assert_int_eq(weft_recv(fd, &byte, 1, 0), -ENOTCONN);
    ck_assert_int_eq(weft_send(fd, &byte, 1, 0), -ENOTCONN);
    ck_assert_int_eq(weft_close(fd), 0);
    for (int i = 0; i < 8; i++)
        close(fillers[i]);
    close(listener);

    int port, nobody = net_nobody(SOCK_STREAM, &port);
    address = net_loopback(port);
    fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(weft_connect(fd, (struct sockaddr *)&address, sizeof address), -ECONNREFUSED);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_NONE);
    ck_assert_int_eq(weft_send(fd, &byte, 1, 0), -ENOTCONN);
    ok(weft_close(nobody));
    return weft_close(fd);
}

TEST(connect_cut_short)
{
    net_run(main_connect);
}

static int main_until(void *arg)
{
    int here, there;
    char byte, *much = calloc(1, MUCH);
    size_t done;

    (void)arg;
    net_pair(&here, &there);
    ck_assert_int_eq(weft_recv_until(here, &byte, 1, 0, weft_after_ms(10)), -ETIMEDOUT);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DEADLINE);
    ck_assert_int_eq(weft_recv_until(here, &byte, 1, 0, 0), -ETIMEDOUT);
    ck_assert_int_eq(weft_recv_until(here, &byte, 1, 0, -5), -ETIMEDOUT);
    ck_assert_int_eq(weft_send_until(here, "a", 1, 0, weft_after_ms(60000)), 1);
    ck_assert_int_eq(weft_recv_until(there, &byte, 1, 0, WEFT_NEVER), 1);
    do /* again, where its time was over before it had begun */
        ck_assert_int_eq(weft_send_all_until(here, much, MUCH, &done, weft_after_ms(30)),
                         -ETIMEDOUT);
    while (done == 0);
    ck_assert_uint_lt(done, MUCH);
    ck_assert_uint_eq(net_stats().timers_alive, 0);
    free(much);
    ok(weft_close(here));
    return weft_close(there);
}

TEST(until)
{
    net_run(main_until);
}

/* A cancel from outside comes through a call's own limit: as what it is, and only once. */
static int run_limited(void *arg)
{
    int fd = *(int *)arg;
    char byte;

    ck_assert_int_eq(weft_recv_until(fd, &byte, 1, 0, weft_after_ms(3600000)), -ECANCELED);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_CANCEL);
    ck_assert_int_eq(weft_recv_until(fd, &byte, 1, 0, weft_after_ms(3600000)), -ECANCELED);
    ck_assert_int_eq(weft_uncancel(), 0);
    ck_assert_int_eq(weft_recv_until(fd, &byte, 1, 0, weft_after_ms(1)), -ETIMEDOUT);
    return 0;
}

static int main_limited(void *arg)
{
    struct weft_spawn_opt opt = {.size = sizeof opt};
    weft_task task;
    int here, there;

    (void)arg;
    opt.task = &task;
    net_pair(&here, &there);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, run_limited, &here, sizeof here, &opt));
        ok(weft_sleep(1000));
        ok(weft_cancel(task));
    }
    ok(weft_close(here));
    return weft_close(there);
}

TEST(cancelled_within_a_limit)
{
    net_run(main_limited);
}

/* A receive that is cut short costs two requests, itself and its cancel, and no allocation. */
static int main_costs(void *arg)
{
    int here, there;
    char byte;
    struct weft_stats before, after;

    (void)arg;
    net_pair(&here, &there);
    before = net_stats();
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(weft_recv_until(here, &byte, 1, 0, weft_after_us(100)), -ETIMEDOUT);
    after = net_stats();
    ck_assert_uint_eq(after.allocations, before.allocations);
    ck_assert_uint_le(after.sqes - before.sqes, 200);
    ck_assert_uint_le(after.cancels_sent - before.cancels_sent, 100);
    /* one more: a turn is counted at its beginning, what it entered at its end */
    ck_assert_uint_le(after.enters - before.enters, after.turns - before.turns + 1);
    ok(weft_close(here));
    return weft_close(there);
}

TEST(costs_of_a_cancel)
{
    net_run(main_costs);
}

/* -- closing under a call ------------------------------------------------------------------- */

static int main_close(void *arg)
{
    int here, there;
    char buffer[16];
    struct call in = {.buffer = buffer, .size = sizeof buffer};
    struct call out = {.buffer = calloc(1, MUCH), .size = MUCH};

    (void)arg;
    for (int turns = 0; turns < 5; turns++) {
        net_pair(&here, &there);
        in.fd = out.fd = here;
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, run_recv, &in, 0, NULL));
            ok(weft_spawn(&s, run_send_all, &out, 0, NULL));
            for (int i = 0; i < turns; i++)
                ok(weft_sleep(100000));
            ok(weft_yield());
            ck_assert_int_eq(weft_recv(here, buffer, 1, 0), -EBUSY);
            ck_assert_int_eq(weft_send(here, buffer, 1, 0), -EBUSY);
            ck_assert_int_eq(weft_fd_move(here), -EBUSY);
            ck_assert_int_eq(weft_close(here), 0);
        }
        ck_assert_int_eq(in.result, -ECANCELED);
        ck_assert_int_eq(out.result, -ECANCELED);
        ck_assert_int_eq(weft_recv(here, buffer, 1, 0), -EBADF);
        ck_assert_int_eq(weft_close(here), -EBADF);
        ok(weft_close(there));
    }
    free(out.buffer);
    return 0;
}

TEST(close_under_recv_and_send)
{
    net_run(main_close);
}

struct dial {
    int fd, result; /* 1: under way */
    struct sockaddr_in to;
};

static int run_connect(void *arg)
{
    struct dial *dial = arg;

    dial->result = weft_connect(dial->fd, (struct sockaddr *)&dial->to, sizeof dial->to);
    return 0;
}

/* It is not connected, and will not be: whatever of it the kernel has by then. */
static int main_close_connecting(void *arg)
{
    struct dial dial;
    int fillers[8], listener = full_listener(&dial.to, fillers, 8);
    char byte;

    (void)arg;
    for (int turns = 0; turns < 5; turns++) {
        dial.fd = weft_socket(AF_INET, SOCK_STREAM, 0);
        dial.result = 1;
        ok(dial.fd);
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, run_connect, &dial, 0, NULL));
            for (int i = 0; i < turns; i++)
                ok(weft_sleep(100000));
            ok(weft_yield());
            ck_assert_int_eq(dial.result, 1);
            ck_assert_int_eq(weft_close(dial.fd), 0);
        }
        ck_assert_int_eq(dial.result, -ECANCELED);
        ck_assert_int_eq(weft_recv(dial.fd, &byte, 1, 0), -EBADF);
    }
    for (int i = 0; i < 8; i++)
        close(fillers[i]);
    close(listener);
    return 0;
}

TEST(closed_while_it_connects)
{
    net_run(main_close_connecting);
}

static bool somebody_came(int listener)
{
    struct pollfd asked = {.fd = listener, .events = POLLIN};

    return poll(&asked, 1, 0) == 1;
}

/* Closes it as soon as a listener has the connection, from which nobody accepts. Was the call under
   way? */
static bool close_when_connected(struct dial *dial)
{
    int port, listener = net_listen(&port);
    bool under_way = false;

    dial->to.sin_port = htons((uint16_t)port);
    dial->fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    dial->result = 1;
    ok(dial->fd);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, run_connect, dial, 0, NULL));
        while (!somebody_came(listener))
            ok(weft_yield());
        under_way = dial->result == 1;
        ck_assert_int_eq(weft_close(dial->fd), 0);
    }
    ok(weft_close(listener));
    return under_way;
}

/* The kernel has connected it, and its task has yet to hear of that. */
static int main_close_connected(void *arg)
{
    struct dial dial = {.to = net_loopback(0)};
    int tries = 0;
    bool under_way;

    (void)arg;
    do {
        under_way = close_when_connected(&dial);
        ck_assert_int_eq(dial.result, under_way ? -ECANCELED : 0);
    } while (!under_way && ++tries < 100);
    ck_assert(under_way);
    return 0;
}

TEST(closed_when_connected)
{
    net_run(main_close_connected);
}

static int close_it(void *arg)
{
    struct call *call = arg;

    call->result = weft_close(call->fd);
    return 0;
}

static int main_close_twice(void *arg)
{
    int here, there;
    char byte;
    struct call in = {.buffer = &byte, .size = 1}, first = {0}, second = {0};

    (void)arg;
    net_pair(&here, &there);
    in.fd = first.fd = second.fd = here;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, run_recv, &in, 0, NULL));
        ok(weft_spawn(&s, close_it, &first, 0, NULL));
        ok(weft_spawn(&s, close_it, &second, 0, NULL));
    }
    ck_assert_int_eq(first.result, 0);
    ck_assert_int_eq(second.result, -EALREADY);
    return weft_close(there);
}

TEST(close_twice)
{
    net_run(main_close_twice);
}

/* Closing finishes in a task that is cancelled. */
static int close_cancelled(void *arg)
{
    struct call *call = arg;
    char byte;

    ck_assert_int_eq(weft_recv(call->fd, &byte, 1, 0), -ECANCELED);
    ck_assert_int_eq(weft_send(call->fd, &byte, 1, 0), -ECANCELED);
    ck_assert_int_eq(weft_shutdown(call->fd, SHUT_WR), -ECANCELED);
    call->result = weft_close(call->fd);
    return 0;
}

static int main_close_cancelled(void *arg)
{
    int here, there;
    char byte;
    struct call call = {.result = -1};

    (void)arg;
    net_pair(&here, &there);
    call.fd = here;
    cancel_call(close_cancelled, &call, 1);
    ck_assert_int_eq(call.result, 0);
    ck_assert_int_eq(weft_recv(there, &byte, 1, 0), 0);
    return weft_close(there);
}

TEST(close_while_cancelled)
{
    net_run(main_close_cancelled);
}

/* The close itself cannot be cut short: nothing is asked of the kernel that might leave it open. */
static int only_close(void *arg)
{
    struct call *call = arg;

    call->result = weft_close(call->fd);
    return 0;
}

static int main_close_stands(void *arg)
{
    struct call call = {.result = -1};
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
    uint64_t cancels;
    int there;

    (void)arg;
    net_pair(&call.fd, &there);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, only_close, &call, 0, &opt));
        ok(weft_yield()); /* it waits for the kernel, which has not been asked yet */
        cancels = net_stats().cancels_sent;
        ok(weft_cancel(task));
        ok(weft_join(task, NULL));
        ck_assert_uint_eq(net_stats().cancels_sent, cancels);
    }
    ck_assert_int_eq(call.result, 0);
    return weft_close(there);
}

TEST(close_then_cancelled)
{
    net_run(main_close_stands);
}

/* -- other reactors ------------------------------------------------------------------------- */

static int use_elsewhere(void *arg)
{
    int fd = *(int *)arg;
    char byte;
    weft_stream *stream;

    ck_assert_int_eq(weft_recv(fd, &byte, 1, MSG_DONTWAIT), -EXDEV);
    ck_assert_int_eq(weft_send(fd, &byte, 1, 0), -EXDEV);
    ck_assert_int_eq(weft_close(fd), -EXDEV);
    ck_assert_int_eq(weft_shutdown(fd, SHUT_WR), -EXDEV);
    ck_assert_int_eq(weft_fd_move(fd), -EXDEV);
    ck_assert_int_eq(weft_accept(fd, NULL, NULL, 0), -EXDEV);
    ck_assert_int_eq(weft_stream_open(fd, NULL, &stream), -EXDEV);
    return 0;
}

static int take_over(void *arg)
{
    int fd = *(int *)arg;
    char byte = 'm';

    ck_assert_int_eq(weft_send_all(fd, &byte, 1, NULL), 1);
    return weft_close(fd);
}

static int use_stream_elsewhere(void *arg)
{
    weft_stream *stream = arg;
    char byte;
    const void *data;
    size_t size;

    ck_assert_int_eq(weft_stream_read(stream, &byte, 1, 0), -EXDEV);
    ck_assert_int_eq(weft_stream_write(stream, &byte, 1, NULL), -EXDEV);
    ck_assert_int_eq(weft_stream_peek(stream, &data, &size, 0), -EXDEV);
    ck_assert_int_eq(weft_stream_consume(stream, 0), -EXDEV);
    ck_assert_int_eq(weft_stream_close(stream), -EXDEV);
    return 0;
}

static int main_elsewhere(void *arg)
{
    int here, there;
    char byte;
    weft_stream *stream;

    (void)arg;
    net_pair(&here, &there);
    ck_assert_int_eq(weft_call(1, use_elsewhere, &here, sizeof here), 0);
    ok(weft_stream_open(there, NULL, &stream));
    ck_assert_int_eq(weft_call(1, use_stream_elsewhere, stream, 0), 0);
    ck_assert_int_eq(weft_fd_move(there), -EBUSY);
    ck_assert_int_eq(weft_close(there), -EBUSY);
    ck_assert_int_eq(weft_recv(there, &byte, 1, 0), -EBUSY);
    ck_assert_int_eq(weft_fd_move(here), 0);
    ck_assert_int_eq(weft_call(1, take_over, &here, sizeof here), 0);
    ck_assert_int_eq(weft_stream_read(stream, &byte, 1, 0), 1);
    ck_assert_int_eq(byte, 'm');
    ck_assert_int_eq(weft_stream_read(stream, &byte, 1, 0), 0);
    return weft_stream_close(stream);
}

TEST(other_reactors)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    ck_assert_int_eq(weft_run(main_elsewhere, NULL, 0, &opt), 0);
}

TEST_MAIN("net_cancel", 30, cancelled_recv, partial_results, cancelled_send, connect_cut_short,
          until, cancelled_within_a_limit, costs_of_a_cancel, close_under_recv_and_send,
          closed_while_it_connects, closed_when_connected, close_twice, close_while_cancelled,
          close_then_cancelled, other_reactors)
