/*
 * A view given away, seen from inside: when no request is to be had for it, when the send ends
 * short, when its buffer has as many users as it can count, that the last user gives it back, and
 * what is kept of many that have sent, and what the giver is known to touch next. Catches a view
 * that is never sent, bytes sent twice, left out or overwritten, a count that wraps, what was sent
 * with left lying about, and a fetch ahead of nothing, or of what another task had given to.
 */
#include "base/memory.h"
#include "io/buffers.h"
#include "io/stream.h"
#include "reactor/reactor.h"
#include "support/gift.h"
#include "support/stream.h"

static size_t view(struct stream_pair *pair, const char *text)
{
    const void *data;
    size_t size;

    ck_assert_int_eq(weft_send_all(pair->fd, text, strlen(text), NULL), (ssize_t)strlen(text));
    ck_assert_int_eq(weft_stream_peek(pair->stream, &data, &size, 0), 1);
    return size;
}

static void expect(struct stream_pair *pair, const char *text)
{
    net_hear(pair->fd, text, strlen(text));
}

/* Gives all of the view while no operation can be begun: no slot is free, there is no room for
   more, and no memory for that. */
static void give_without_request(struct stream_pair *pair, size_t size)
{
    struct weft__ops *ops = &weft__self->ops;
    uint32_t free = ops->free, room = ops->room;

    ops->free = UINT32_MAX;
    ops->room = ops->capacity;
    weft__alloc_fail_after(weft__io_of(weft__self)->sendings ? 1 : 2); /* the first is for one */
    ck_assert_int_eq(weft_stream_give(pair->stream, pair->stream, size), (ssize_t)size);
    weft__alloc_fail_after(0);
    ops->free = free;
    ops->room = room;
    ck_assert(!weft__op_in_flight(&pair->stream->sending->op));
    ck_assert_ptr_nonnull(pair->stream->sending->given);
}

static int main_no_request(void *arg)
{
    struct stream_pair pair;

    (void)arg;
    stream_pair_open(&pair, NULL);
    give_without_request(&pair, view(&pair, "a little later"));
    expect(&pair, "a little later");
    ok(weft_stream_drain(pair.stream));
    ck_assert_uint_eq(weft__buffers_held(weft__self), 0);

    give_without_request(&pair, view(&pair, "before the end")); /* closing waits for it, too */
    ok(weft_stream_close(pair.stream));
    expect(&pair, "before the end");
    ok(weft_close(pair.fd));

    stream_pair_open(&pair, NULL);
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
    struct stream_pair pair;
    struct weft_stream *stream;
    size_t size;

    (void)arg;
    stream_pair_open(&pair, NULL);
    stream = pair.stream;
    size = view(&pair, "0123456789");
    ck_assert_uint_eq(size, 10);
    give_without_request(&pair, size);
    ck_assert_int_eq(weft_send(weft_stream_fd(stream), "0123", 4, 0), -EBUSY); /* the stream's */
    ck_assert_int_eq(send(stream->fd, "0123", 4, MSG_NOSIGNAL), 4);
    stream->sending->op.complete(&stream->sending->op, 4, 0); /* as a completion of it would */
    ok(weft_stream_drain(stream));
    expect(&pair, "0123456789");
    stream_pair_close(&pair);
    return 0;
}

TEST(sent_in_part)
{
    net_run(main_short);
}

/* Without a pool a stream fills one buffer again and again, but none that is still being sent. */
static int main_plain(void *arg)
{
    struct stream_pair pair;
    const void *data;
    size_t size;

    (void)arg;
    stream_pair_open(&pair, NULL);
    give_without_request(&pair, view(&pair, "what was given"));
    ck_assert_ptr_ne(pair.stream->filling, pair.stream->sending->given);
    ck_assert_int_eq(weft_send_all(pair.fd, "THE NEXT THING", 14, NULL), 14);
    ck_assert_int_eq(weft_stream_peek(pair.stream, &data, &size, 0), 1);
    ok(weft_stream_consume(pair.stream, 0));
    expect(&pair, "what was given");
    stream_pair_close(&pair);
    return 0;
}

TEST(given_without_a_pool)
{
    setenv("WEFT_RING_MASK", "buffer_ring", 1);
    net_run(main_plain);
}

static int main_users(void *arg)
{
    struct stream_pair pair;
    struct weft__buffer *buffer;
    const void *data;
    size_t size;

    (void)arg;
    stream_pair_open(&pair, NULL);
    size = view(&pair, "much in demand");
    buffer = pair.stream->head;
    ck_assert_uint_eq(buffer->users, 1);
    buffer->users = UINT16_MAX;
    ck_assert_int_eq(weft_stream_give(pair.stream, pair.stream, size), -ENOBUFS);
    ok(weft_stream_consume(pair.stream, 0)); /* a splice, too */
    ck_assert_int_eq(weft_stream_splice(pair.stream, pair.stream, 4, 0), -ENOBUFS);
    buffer->users = 1;
    ck_assert_ptr_null(weft__io_of(weft__self)->sendings);
    weft__alloc_fail_after(1);
    ck_assert_int_eq(weft_stream_splice(pair.stream, pair.stream, 4, 0), -ENOMEM);
    weft__alloc_fail_after(0);
    ck_assert_int_eq(weft_stream_peek(pair.stream, &data, &size, 0), 1); /* all is there still */
    ck_assert_int_eq(weft_stream_give(pair.stream, pair.stream, 4), 4);  /* it is still lent */
    ck_assert_uint_eq(buffer->users, 2);
    ok(weft_stream_drain(pair.stream));
    ck_assert_uint_eq(buffer->users, 1);
    ck_assert_uint_eq(weft__buffers_held(weft__self), 1);
    ck_assert_int_eq(weft_stream_read(pair.stream, (char[16]){0}, 16, 0), (ssize_t)size - 4);
    ck_assert_uint_eq(weft__buffers_held(weft__self), 0);
    expect(&pair, "much");
    stream_pair_close(&pair);
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
    struct stream_pair pair;
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
    int result = 0;
    char byte;

    (void)arg;
    stream_pair_open(&pair, NULL);
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_stream_give(pair.stream, pair.stream, view(&pair, "given")), 5);
        ok(weft_spawn(&s, writes, pair.stream, 0, &opt));
        ok(weft_yield());
        while (pair.stream->sending) /* stands before the writer in the queue */
            ok(weft_yield());
        ck_assert_int_eq(weft_cancel(task), 1);
        ok(weft_join(task, &result));
    }
    ck_assert_int_eq(result, -ECANCELED);
    expect(&pair, "given");
    ck_assert_int_eq(weft_recv(pair.fd, &byte, 1, MSG_DONTWAIT), -EAGAIN);
    stream_pair_close(&pair);
    return 0;
}

TEST(cancelled_between_two_waits)
{
    net_run(main_cancelled_between);
}

/* What very many streams have sent with is kept for the next to send, but not all of it, and the
   rest is freed. As if one stream were all of them. Would catch that it is only forgotten. */
enum { SENDINGS = 3000 };

static int main_many(void *arg)
{
    static struct weft__sending *sendings[SENDINGS];
    struct weft__io *io = weft__io_of(weft__self);
    size_t live, kept = 0;
    struct stream_pair pair;

    (void)arg;
    stream_pair_open(&pair, NULL);
    live = test_live_allocations();
    for (int i = 0; i < SENDINGS; i++) {
        ok(weft__stream_begin_sending(pair.stream));
        sendings[i] = pair.stream->sending;
    }
    ck_assert_uint_eq(test_live_allocations() - live, SENDINGS);
    for (int i = 0; i < SENDINGS; i++) {
        pair.stream->sending = sendings[i];
        weft__stream_go_on(pair.stream); /* nothing is queued */
        ck_assert_ptr_null(pair.stream->sending);
    }
    for (struct weft__sending *aside = io->sendings; aside; aside = aside->next)
        kept++;
    ck_assert_uint_eq(kept, io->sendings_count);
    ck_assert(0 < kept && kept < SENDINGS);
    ck_assert_uint_eq(test_live_allocations() - live, kept);
    stream_pair_close(&pair);
    return 0;
}

TEST(kept_for_the_next)
{
    net_run(main_many);
}

/* Memory that is given, and none for what stands for it until the kernel lets go: it is copied. */
static int main_copied(void *arg)
{
    struct gift gift;
    char got[5000];
    int here, there;

    (void)arg;
    net_pair(&here, &there);
    gift_wrap(&gift, sizeof got, 1);
    weft__alloc_fail_after(1);
    ck_assert_int_eq(weft_send_give(here, gift.bytes, sizeof got, NULL, gift_release, &gift),
                     sizeof got);
    weft__alloc_fail_after(0);
    ck_assert_int_eq(gift.released, 1);
    ck_assert_int_eq(weft_recv_exactly(there, got, sizeof got, NULL), sizeof got);
    net_check((unsigned char *)got, sizeof got, 1, 0);
    ok(weft_close(here));
    return weft_close(there);
}
TEST(given_without_memory)
{
    gift_run(main_copied, 1);
    setenv("WEFT_RING_MASK", "send_zc", 1); /* nor a kernel that can */
    gift_run(main_copied, 1);
}

static const void *beside(void)
{
    return weft__self->current->beside;
}

static int fresh_task(void *arg)
{
    (void)arg;
    ck_assert_ptr_null(beside());
    return 0;
}

/* Gives from the one to the other; its record is another's next. */
static int giver(void *arg)
{
    struct stream_pair *pairs = *(struct stream_pair **)arg;

    ck_assert_ptr_null(beside());
    ck_assert_int_eq(weft_stream_give(pairs[1].stream, pairs[0].stream, view(&pairs[0], "on")), 2);
    ck_assert_ptr_eq(beside(), pairs[1].stream);
    expect(&pairs[1], "on");
    ck_assert_int_eq(weft_stream_give(pairs[0].stream, pairs[1].stream, view(&pairs[1], "back")),
                     4);
    ck_assert_ptr_eq(beside(), pairs[0].stream);
    expect(&pairs[0], "back");
    return 0;
}

static int main_beside(void *arg)
{
    struct stream_pair pairs[2], *both = pairs;

    (void)arg;
    stream_pair_open(&pairs[0], NULL);
    stream_pair_open(&pairs[1], NULL);
    WEFT_SCOPE(s, .max_tasks = 1) {
        ok(weft_spawn(&s, giver, &both, sizeof both, NULL));
        ok(weft_spawn(&s, fresh_task, NULL, 0, NULL)); /* once that has ended: on its stack */
    }
    stream_pair_close(&pairs[0]);
    stream_pair_close(&pairs[1]);
    return 0;
}
TEST(whom_a_task_gave_to_is_remembered)
{
    net_run(main_beside);
}

TEST_MAIN("io.stream_give", 30, no_request_to_be_had, sent_in_part, given_without_a_pool,
          users_of_a_buffer, cancelled_between_two_waits, kept_for_the_next, given_without_memory,
          whom_a_task_gave_to_is_remembered)
