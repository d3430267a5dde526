/*
 * A view given away, seen from inside: when no request is to be had for it, when the send ends
 * short, when its buffer has as many users as it can count, and that the last user gives it back.
 * Catches a view that is never sent, bytes sent twice, left out or overwritten, a count that wraps.
 */
#include "base/memory.h"
#include "io/buffers.h"
#include "io/stream.h"
#include "reactor/reactor.h"
#include "support/net.h"

struct pair {
    int fd;
    weft_stream *stream;
};

static void open_pair(struct pair *pair)
{
    int there;

    net_pair(&pair->fd, &there);
    ck_assert_int_eq(weft_stream_open(there, NULL, &pair->stream), 0);
}

static size_t view(struct pair *pair, const char *text)
{
    const void *data;
    size_t size;

    ck_assert_int_eq(weft_send_all(pair->fd, text, strlen(text), NULL), (ssize_t)strlen(text));
    ck_assert_int_eq(weft_stream_peek(pair->stream, &data, &size, 0), 1);
    return size;
}

static void expect(struct pair *pair, const char *text)
{
    char buffer[64];
    size_t size = strlen(text);

    ck_assert_int_eq(weft_recv_exactly(pair->fd, buffer, size, NULL), (ssize_t)size);
    ck_assert_mem_eq(buffer, text, size);
}

static void close_pair(struct pair *pair)
{
    ok(weft_stream_close(pair->stream));
    ok(weft_close(pair->fd));
}

/* Gives all of the view while no operation can be begun: no slot is free, and there is no memory
   for more. */
static void give_without_request(struct pair *pair, size_t size)
{
    struct weft__ops *ops = &weft__self->ops;
    uint32_t free = ops->free;

    ops->free = UINT32_MAX;
    weft__alloc_fail_after(1);
    ck_assert_int_eq(weft_stream_give(pair->stream, pair->stream, size), (ssize_t)size);
    weft__alloc_fail_after(0);
    ops->free = free;
    ck_assert(!weft__op_in_flight(&pair->stream->give));
    ck_assert_ptr_nonnull(pair->stream->given);
}

static int main_no_request(void *arg)
{
    struct pair pair;

    (void)arg;
    open_pair(&pair);
    give_without_request(&pair, view(&pair, "a little later"));
    expect(&pair, "a little later");
    ok(weft_stream_drain(pair.stream));
    ck_assert_uint_eq(weft__buffers_held(weft__self), 0);

    give_without_request(&pair, view(&pair, "before the end")); /* closing waits for it, too */
    ok(weft_stream_close(pair.stream));
    expect(&pair, "before the end");
    ok(weft_close(pair.fd));

    open_pair(&pair);
    give_without_request(&pair, view(&pair, "never"));
    ok(weft_stream_abort(pair.stream)); /* nothing is in flight, and the buffer comes back */
    ck_assert_uint_eq(weft__buffers_held(weft__self), 0);
    return weft_close(pair.fd);
}

TEST(no_request_to_be_had)
{
    net_run(main_no_request);
}

/* The kernel may send less than asked even so: the rest follows, from where it stopped. */
static int main_short(void *arg)
{
    struct pair pair;
    struct weft_stream *stream;
    size_t size;

    (void)arg;
    open_pair(&pair);
    stream = pair.stream;
    size = view(&pair, "0123456789");
    ck_assert_uint_eq(size, 10);
    give_without_request(&pair, size);
    ck_assert_int_eq(weft_send(weft_stream_fd(stream), "0123", 4, 0), -EBUSY); /* the stream's */
    ck_assert_int_eq(send(stream->fd, "0123", 4, MSG_NOSIGNAL), 4);
    stream->give.complete(&stream->give, 4, 0); /* as a completion of it would */
    ok(weft_stream_drain(stream));
    expect(&pair, "0123456789");
    close_pair(&pair);
    return 0;
}

TEST(sent_in_part)
{
    net_run(main_short);
}

/* Without a pool a stream fills one buffer again and again, but none that is still being sent. */
static int main_plain(void *arg)
{
    struct pair pair;
    const void *data;
    size_t size;

    (void)arg;
    open_pair(&pair);
    give_without_request(&pair, view(&pair, "what was given"));
    ck_assert_ptr_ne(pair.stream->filling, pair.stream->given);
    ck_assert_int_eq(weft_send_all(pair.fd, "THE NEXT THING", 14, NULL), 14);
    ck_assert_int_eq(weft_stream_peek(pair.stream, &data, &size, 0), 1);
    ok(weft_stream_consume(pair.stream, 0));
    expect(&pair, "what was given");
    close_pair(&pair);
    return 0;
}

TEST(given_without_a_pool)
{
    setenv("WEFT_RING_MASK", "buffer_ring", 1);
    net_run(main_plain);
}

static int main_users(void *arg)
{
    struct pair pair;
    struct weft__buffer *buffer;
    size_t size;

    (void)arg;
    open_pair(&pair);
    size = view(&pair, "much in demand");
    buffer = pair.stream->head;
    ck_assert_uint_eq(buffer->users, 1);
    buffer->users = UINT16_MAX;
    ck_assert_int_eq(weft_stream_give(pair.stream, pair.stream, size), -ENOBUFS);
    buffer->users = 1;
    ck_assert_int_eq(weft_stream_give(pair.stream, pair.stream, 4), 4); /* it is still lent */
    ck_assert_uint_eq(buffer->users, 2);
    ok(weft_stream_drain(pair.stream));
    ck_assert_uint_eq(buffer->users, 1);
    ck_assert_uint_eq(weft__buffers_held(weft__self), 1);
    ck_assert_int_eq(weft_stream_read(pair.stream, (char[16]){0}, 16, 0), (ssize_t)size - 4);
    ck_assert_uint_eq(weft__buffers_held(weft__self), 0);
    expect(&pair, "much");
    close_pair(&pair);
    return 0;
}

TEST(users_of_a_buffer)
{
    net_run(main_users);
}

/* A write that waited for what was given, and was cancelled when that had been sent and before it
   ran: nothing of its own goes out. Would catch a send that nobody can interrupt any more. */
static int writes(void *arg)
{
    size_t done = 1;
    ssize_t result = weft_stream_write(arg, "too late", 8, &done);

    ck_assert_int_eq(done, 0);
    return (int)result;
}

static int main_cancelled_between(void *arg)
{
    struct pair pair;
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
    int result = 0;
    char byte;

    (void)arg;
    open_pair(&pair);
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_stream_give(pair.stream, pair.stream, view(&pair, "given")), 5);
        ok(weft_spawn(&s, writes, pair.stream, 0, &opt));
        ok(weft_yield());
        while (pair.stream->given) /* stands before the writer in the queue */
            ok(weft_yield());
        ck_assert_int_eq(weft_cancel(task), 1);
        ok(weft_join(task, &result));
    }
    ck_assert_int_eq(result, -ECANCELED);
    expect(&pair, "given");
    ck_assert_int_eq(weft_recv(pair.fd, &byte, 1, MSG_DONTWAIT), -EAGAIN);
    close_pair(&pair);
    return 0;
}

TEST(cancelled_between_two_waits)
{
    net_run(main_cancelled_between);
}

TEST_MAIN("io.stream_give", 30, no_request_to_be_had, sent_in_part, given_without_a_pool,
          users_of_a_buffer, cancelled_between_two_waits)
