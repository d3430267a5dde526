/*
 * The calls of a stream: views, who may call what when, cancellation, closing under others, bad
 * arguments. Catches a view that moves, a reader left waiting for ever, bytes lost to a cancel.
 */
#include "support/net.h"

static void stream_pair(int *here, weft_stream **stream)
{
    int there;

    net_pair(here, &there);
    ck_assert_int_eq(weft_stream_open(there, NULL, stream), 0);
    ck_assert_int_eq(weft_stream_fd(*stream), there);
}

static void settle(void)
{
    for (int i = 0; i < 5; i++)
        ok(weft_sleep(1000000));
}

static int main_views(void *arg)
{
    int fd;
    weft_stream *stream;
    const char *data;
    const void *other;
    size_t size, size2;
    char byte;

    (void)arg;
    stream_pair(&fd, &stream);
    ck_assert_int_eq(weft_stream_consume(stream, 0), -EINVAL);
    ck_assert_int_eq(weft_send_all(fd, "abcdef", 6, NULL), 6);
    settle(); /* small pieces are put together */
    ck_assert_int_eq(weft_stream_peek(stream, (const void **)&data, &size, 0), 1);
    ck_assert_uint_eq(size, 6);
    ck_assert_mem_eq(data, "abcdef", 6);
    ck_assert_int_eq(weft_stream_peek(stream, &other, &size2, 0), -EBUSY);
    ck_assert_int_eq(weft_stream_read(stream, &byte, 1, 0), -EBUSY);
    ck_assert_int_eq(weft_stream_read_exactly(stream, &byte, 1, NULL), -EBUSY);
    ck_assert_int_eq(weft_stream_consume(stream, 7), -EINVAL);

    /* what comes meanwhile does not disturb the view, and it may be sent from */
    ck_assert_int_eq(weft_send_all(fd, "ghi", 3, NULL), 3);
    settle();
    ck_assert_mem_eq(data, "abcdef", 6);
    ck_assert_int_eq(weft_stream_write(stream, data, 6, NULL), 6);
    ck_assert_int_eq(weft_stream_consume(stream, 2), 0);
    ck_assert_int_eq(weft_stream_consume(stream, 0), -EINVAL);

    char rest[8];
    ck_assert_int_eq(weft_stream_read_exactly(stream, rest, 7, NULL), 7);
    ck_assert_mem_eq(rest, "cdefghi", 7);
    ck_assert_int_eq(weft_recv_exactly(fd, rest, 6, NULL), 6);
    ck_assert_mem_eq(rest, "abcdef", 6);

    ok(weft_close(fd));
    ck_assert_int_eq(weft_stream_peek(stream, &other, &size2, 0), 0);
    return weft_stream_close(stream);
}

TEST(views)
{
    net_run(main_views);
}

static int main_arguments(void *arg)
{
    int fd, there;
    weft_stream *stream = NULL, *second;
    char byte;
    const void *data;
    size_t size;
    struct weft_stream_opt large = {.size = sizeof large, .buffer_size = 65537},
                           wrong = {.size = 3};

    (void)arg;
    net_pair(&fd, &there);
    ck_assert_int_eq(weft_stream_open(there, &large, &stream), -EINVAL);
    ck_assert_int_eq(weft_stream_open(there, &wrong, &stream), -EINVAL);
    ck_assert_int_eq(weft_stream_open(there, NULL, NULL), -EINVAL);
    ck_assert_ptr_null(stream);
    int datagrams = weft_socket(AF_INET, SOCK_DGRAM, 0);
    if (datagrams != -ESOCKTNOSUPPORT) { /* the simulated kernel has none */
        ck_assert_int_eq(weft_stream_open(datagrams, NULL, &stream), -EINVAL);
        ok(weft_close(datagrams));
    }
    ok(weft_stream_open(there, NULL, &stream));
    ck_assert_int_eq(weft_stream_open(there, NULL, &second), -EBUSY);
    ck_assert_int_eq(weft_stream_fd(NULL), -EINVAL);
    ck_assert_int_eq(weft_stream_read(NULL, &byte, 1, 0), -EINVAL);
    ck_assert_int_eq(weft_stream_read(stream, NULL, 1, 0), -EFAULT);
    ck_assert_int_eq(weft_stream_read(stream, &byte, 1, MSG_PEEK), -EINVAL);
    ck_assert_int_eq(weft_stream_read(stream, NULL, 0, 0), 0);
    ck_assert_int_eq(weft_stream_read_exactly(stream, NULL, 0, NULL), 0);
    ck_assert_int_eq(weft_stream_peek(stream, NULL, &size, 0), -EINVAL);
    ck_assert_int_eq(weft_stream_peek(stream, &data, NULL, 0), -EINVAL);
    ck_assert_int_eq(weft_stream_consume(NULL, 0), -EINVAL);
    ck_assert_int_eq(weft_stream_write(NULL, &byte, 1, NULL), -EINVAL);
    ck_assert_int_eq(weft_stream_write(stream, NULL, 1, NULL), -EFAULT);
    ck_assert_int_eq(weft_stream_write(stream, NULL, 0, NULL), 0);
    ck_assert_int_eq(weft_stream_shutdown(NULL), -EINVAL);
    ck_assert_int_eq(weft_stream_close(NULL), 0);
    ck_assert_int_eq(weft_stream_abort(NULL), 0);
    ok(weft_stream_close(stream));

    /* not connected: opened, and the first read says so */
    int unconnected = weft_socket(AF_INET, SOCK_STREAM, 0);
    ok(weft_stream_open(unconnected, NULL, &stream));
    ck_assert_int_eq(weft_stream_read(stream, &byte, 1, 0), -ENOTCONN);
    ok(weft_stream_close(stream));
    return weft_close(fd);
}

TEST(arguments)
{
    net_run(main_arguments);
}

struct call {
    weft_stream *stream;
    ssize_t result;
    size_t done;
    char buffer[64];
    int flags;
};

static int run_read(void *arg)
{
    struct call *call = arg;

    call->result = weft_stream_read(call->stream, call->buffer, sizeof call->buffer, call->flags);
    return 0;
}

static int run_exactly(void *arg)
{
    struct call *call = arg;

    call->result = weft_stream_read_exactly(call->stream, call->buffer, 60, &call->done);
    return 0;
}

enum { MUCH = 32 << 20 };
static char much[MUCH];

static int run_write(void *arg)
{
    struct call *call = arg;

    call->result = weft_stream_write(call->stream, much, MUCH, &call->done);
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

static void cancel_call(weft_task_fn fn, struct call *call, int turns)
{
    cancel_call_after(fn, call, turns, 1000);
}

/* A cancelled reader takes nothing, or says how much it took. */
static int main_cancel(void *arg)
{
    int fd;
    struct call call = {0};

    (void)arg;
    stream_pair(&fd, &call.stream);
    for (int turns = 0; turns < 5; turns++) {
        cancel_call(run_read, &call, turns);
        ck_assert_int_eq(call.result, -ECANCELED);
        ck_assert_int_eq(weft_send_all(fd, "123", 3, NULL), 3);
        ck_assert_int_eq(weft_stream_read_exactly(call.stream, call.buffer, 3, NULL), 3);
        ck_assert_mem_eq(call.buffer, "123", 3);
    }
    ck_assert_int_eq(weft_send_all(fd, "0123456789", 10, NULL), 10);
    cancel_call_after(run_exactly, &call, 1, ARRIVED_NS);
    ck_assert_int_eq(call.result, -ECANCELED);
    ck_assert_uint_eq(call.done, 10);
    ck_assert_mem_eq(call.buffer, "0123456789", 10);

    ck_assert_int_eq(weft_stream_read_until_time(call.stream, call.buffer, 1, 0, weft_after_ms(5)),
                     -ETIMEDOUT);
    ck_assert_int_eq(weft_stream_read_until_time(call.stream, call.buffer, 1, 0, 0), -ETIMEDOUT);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DEADLINE);
    ck_assert_int_eq(weft_send_all(fd, "x", 1, NULL), 1);
    ck_assert_int_eq(weft_stream_read_until_time(call.stream, call.buffer, 1, 0, WEFT_NEVER), 1);

    /* a cancelled writer says how much it wrote, and that is what arrives */
    cancel_call_after(run_write, &call, 1, ARRIVED_NS);
    ck_assert_int_eq(call.result, -ECANCELED);
    ck_assert_uint_gt(call.done, 0);
    ck_assert_uint_lt(call.done, MUCH);
    size_t received = 0;
    while (received < call.done) {
        ssize_t n = weft_recv(fd, call.buffer, sizeof call.buffer, 0);
        ck_assert_int_gt(n, 0);
        received += (size_t)n;
        if (call.done - received > 100000) { /* no need to look at each */
            static char piece[65536];
            n = weft_recv(fd, piece, sizeof piece, 0);
            ck_assert_int_gt(n, 0);
            received += (size_t)n;
        }
    }
    ck_assert_uint_eq(received, call.done);
    ck_assert_int_eq(weft_stream_write(call.stream, "end", 3, NULL), 3);
    ck_assert_int_eq(weft_recv_exactly(fd, call.buffer, 3, NULL), 3);
    ck_assert_mem_eq(call.buffer, "end", 3);
    ok(weft_close(fd));
    return weft_stream_close(call.stream);
}

TEST(cancelled)
{
    net_run(main_cancel);
}

static int main_close_under(void *arg)
{
    int fd;
    char byte;

    (void)arg;
    for (int turns = 0; turns < 6; turns++) {
        struct call in = {0}, out = {0};
        stream_pair(&fd, &in.stream);
        out.stream = in.stream;
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, run_read, &in, 0, NULL));
            ok(weft_spawn(&s, run_write, &out, 0, NULL));
            ok(weft_yield());
            for (int i = 0; i < turns; i++)
                ok(weft_sleep(100000));
            ck_assert_int_eq(weft_stream_read(in.stream, &byte, 1, 0), -EBUSY);
            ck_assert_int_eq(weft_stream_write(in.stream, &byte, 1, NULL), -EBUSY);
            ck_assert_int_eq(weft_stream_shutdown(in.stream), -EBUSY);
            ok(weft_stream_close(in.stream));
        }
        ck_assert_int_eq(in.result, -ECANCELED);
        ck_assert_int_eq(out.result, -ECANCELED);
        ok(weft_close(fd));
    }
    return 0;
}

TEST(close_under_read_and_write)
{
    net_run(main_close_under);
}

static int close_it(void *arg)
{
    struct call *call = arg;

    call->result = weft_stream_close(call->stream);
    return 0;
}

/* While another closes it. */
static int looks(void *arg)
{
    weft_stream *stream = *(weft_stream **)arg;
    struct weft_stream_info info;

    ck_assert_int_eq(weft_stream_get_extra_info(stream, &info, sizeof info), -EBADF);
    ck_assert_int_eq(weft_stream_write_nowait(stream, "x", 1), -EBADF);
    return 0;
}

static int main_close_cancelled(void *arg)
{
    int fd;
    char byte;
    struct call call = {.result = -1}, second = {0};

    (void)arg;
    stream_pair(&fd, &call.stream);
    cancel_call(close_it, &call, 0);
    ck_assert_int_eq(call.result, 0);
    ck_assert_int_eq(weft_recv(fd, &byte, 1, 0), 0);
    ok(weft_close(fd));

    struct call in = {0};
    stream_pair(&fd, &in.stream);
    call.stream = second.stream = in.stream;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, run_read, &in, 0, NULL));
        ok(weft_spawn(&s, close_it, &call, 0, NULL));
        ok(weft_spawn(&s, close_it, &second, 0, NULL));
        ok(weft_spawn(&s, looks, &in.stream, sizeof in.stream, NULL));
    }
    ck_assert_int_eq(call.result, 0);
    ck_assert_int_eq(second.result, -EALREADY);
    ck_assert_int_eq(in.result, -ECANCELED);
    return weft_close(fd);
}

TEST(close_while_cancelled_and_twice)
{
    net_run(main_close_cancelled);
}

/* A drain ends an idle read and no other. */
static int drained(void *arg)
{
    struct call *call = arg;
    ssize_t n;

    while ((n = weft_stream_read(call->stream, call->buffer, 4, WEFT_IDLE)) > 0)
        call->done += (size_t)n;
    call->result = n;
    return 0;
}

static int main_drain(void *arg)
{
    int idle_fd, busy_fd;
    struct call idle = {0}, busy = {0};

    (void)arg;
    stream_pair(&idle_fd, &idle.stream);
    stream_pair(&busy_fd, &busy.stream);
    ck_assert_int_eq(weft_send_all(idle_fd, "abcdef", 6, NULL), 6);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, drained, &idle, 0, NULL));
        ok(weft_spawn(&s, run_exactly, &busy, 0, NULL));
        settle();
        ck_assert_int_eq(weft_scope_drain(&s, weft_after_ms(500), weft_after_ms(60000)), 1);
    }
    ck_assert_int_eq(idle.result, -ESHUTDOWN);
    ck_assert_uint_eq(idle.done, 6);
    ck_assert_int_eq(busy.result, -ECANCELED);
    ok(weft_stream_close(idle.stream));
    ok(weft_stream_close(busy.stream));
    ok(weft_close(idle_fd));
    return weft_close(busy_fd);
}

TEST(drain)
{
    net_run(main_drain);
}

TEST_MAIN("stream_calls", 30, views, arguments, cancelled, close_under_read_and_write,
          close_while_cancelled_and_twice, drain)
