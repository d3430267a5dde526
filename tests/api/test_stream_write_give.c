/*
 * Memory that is given to a stream to be sent: weft_stream_write_give. Catches memory released
 * before the kernel has let go of it, twice, or never, whichever way the call, the task, the
 * stream and the run end, here or on another reactor; bytes that are lost, or overtake others.
 */
#include "support/gift.h"
#include "support/stream.h"

/* A stream, and its peer, which does not hold a large gift. */
static weft_stream *narrow_stream(int *peer)
{
    int fd;

    gift_narrow_pair(&fd, peer);
    return stream_of(fd);
}

enum { HELD = 100000 }; /* bytes that a stream takes at once, ... */

/* ... and the peer does not: until it reads, most of them are with the kernel. */
static weft_stream *held_stream(int *peer)
{
    int fd;

    gift_pair(&fd, peer, 2 * HELD, GIFT_SMALL);
    return stream_of(fd);
}

static ssize_t give(weft_stream *stream, struct gift *gift, size_t *done)
{
    return weft_stream_write_give(stream, gift->bytes, gift->size, done, gift_release, gift);
}

/* -- what arrives -------------------------------------------------------------------------------
 */

static void pass(weft_stream *stream, int to, size_t size, uint64_t seed)
{
    struct gift gift;
    size_t done = 1;

    gift_wrap(&gift, size, seed);
    WEFT_SCOPE(s) {
        struct gift_taker taker = {to, size, seed};
        ok(weft_spawn(&s, gift_take, &taker, sizeof taker, NULL));
        ck_assert_int_eq(give(stream, &gift, &done), (ssize_t)size);
        ck_assert_uint_eq(done, size);
    }
    gift_wait(&gift);
}

static int main_sizes(void *arg)
{
    static const size_t sizes[] = {1, 4096, 65537, 200000};
    uint64_t before = net_stats().zero_copy_sends;

    (void)arg;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int fd, peer;
        weft_stream *stream;
        net_pair(&fd, &peer);
        stream = stream_of(fd);
        pass(stream, peer, sizes[i], i);
        pass(stream, peer, sizes[i], i + 100); /* whatever was learned of the connection */
        ok(weft_stream_close(stream));
        ok(weft_close(peer));
    }
    return net_stats().zero_copy_sends > before ? 1 : 0;
}

TEST(all_arrives_and_is_released)
{
    gift_run_uncopied(main_sizes);
}

TEST(never)
{
    gift_run(main_sizes, WEFT_ZERO_COPY_NEVER);
}

/* Behind what was written without waiting, and before what comes next. */
static int main_in_order(void *arg)
{
    enum { PART = 30000 };
    static unsigned char bytes[3 * PART];
    struct gift gift;
    int peer;
    weft_stream *stream = narrow_stream(&peer);

    (void)arg;
    net_fill(bytes, sizeof bytes, 3, 0);
    gift_wrap(&gift, PART, 0);
    memcpy(gift.bytes, bytes + PART, PART);
    WEFT_SCOPE(s) {
        struct gift_taker taker = {peer, sizeof bytes, 3};
        ok(weft_stream_write_nowait(stream, bytes, PART));
        ok(weft_spawn(&s, gift_take, &taker, sizeof taker, NULL));
        ck_assert_int_eq(give(stream, &gift, NULL), PART);
        ok(weft_stream_write(stream, bytes + 2 * PART, PART, NULL));
    }
    gift_wait(&gift);
    ok(weft_stream_close(stream));
    return weft_close(peer);
}

TEST(in_order)
{
    gift_run(main_in_order, 1);
}

/* A pipe takes copies. */
static int main_pipe(void *arg)
{
    struct gift gift;
    int ends[2];
    char got[10];
    weft_stream *stream;

    (void)arg;
    ok(weft_pipe(ends, 0));
    stream = stream_of(ends[1]);
    gift_wrap(&gift, sizeof got, 1);
    ck_assert_int_eq(give(stream, &gift, NULL), sizeof got);
    ck_assert_int_eq(gift.released, 1);
    ck_assert_int_eq(weft_read(ends[0], got, sizeof got), sizeof got);
    net_check((unsigned char *)got, sizeof got, 1, 0);
    ok(weft_stream_close(stream));
    return weft_close(ends[0]);
}

TEST(into_a_pipe)
{
    gift_run(main_pipe, 1);
}

/* Released with the call, when no request was made. */
static int main_refused(void *arg)
{
    struct gift gift;
    int peer;
    size_t done = 1;
    weft_stream *stream = narrow_stream(&peer);

    (void)arg;
    gift_wrap(&gift, 10, 1);
    ck_assert_int_eq(weft_stream_write_give(stream, gift.bytes, 10, NULL, NULL, &gift), -EINVAL);
    ck_assert_int_eq(gift.released, 0);
    ck_assert_int_eq(give(NULL, &gift, &done), -EINVAL);
    ck_assert_int_eq(gift.released, 1);
    ck_assert_uint_eq(done, 0);
    gift_wrap(&gift, 10, 1);
    ck_assert_int_eq(weft_stream_write_give(stream, NULL, 10, NULL, gift_release, &gift), -EFAULT);
    ck_assert_int_eq(gift.released, 1);
    gift_wrap(&gift, 1, 1);
    ck_assert_int_eq(weft_stream_write_give(stream, gift.bytes, 0, NULL, gift_release, &gift), 0);
    gift_wait(&gift);
    gift_wrap(&gift, 1, 1);
    ck_assert_int_eq(weft_stream_write_give(stream, NULL, 0, NULL, gift_release, &gift), 0);
    gift_wait(&gift);
    ok(weft_stream_shutdown(stream));
    gift_wrap(&gift, 70000, 1);
    ck_assert_int_eq(give(stream, &gift, &done), -EPIPE);
    ck_assert_uint_eq(done, 0);
    gift_wait(&gift);
    ok(weft_stream_close(stream));
    return weft_close(peer);
}

TEST(refused)
{
    gift_run(main_refused, 1);
}

/* -- ends under the call ------------------------------------------------------------------------
 */

struct given {
    weft_stream *stream;
    struct gift gift;
    ssize_t result;
    size_t done;
};

static int gives(void *arg)
{
    struct given *given = arg;

    given->result = give(given->stream, &given->gift, &given->done);
    return 0;
}

/* Begins one that is more than the connection holds, and has it under way. */
static weft_task start(struct weft_scope *scope, struct given *given)
{
    struct weft_spawn_opt opt = {.size = sizeof opt};
    weft_task task;
    uint64_t turns = net_stats().turns;

    gift_wrap(&given->gift, GIFT_LARGE, 7);
    opt.task = &task;
    ok(weft_spawn(scope, gives, given, 0, &opt));
    while (net_stats().turns < turns + 3)
        ok(weft_sleep(1000000));
    return task;
}

static int main_cancelled(void *arg)
{
    struct given given;
    int peer;

    (void)arg;
    given.stream = narrow_stream(&peer);
    WEFT_SCOPE(s) {
        weft_task task = start(&s, &given);
        struct gift other;
        gift_wrap(&other, 10, 1);
        ck_assert_int_eq(give(given.stream, &other, NULL), -EBUSY);
        ck_assert_int_eq(other.released, 1);
        ok(weft_cancel(task));
        ok(weft_join(task, NULL));
    }
    ck_assert_int_eq(given.result, -ECANCELED);
    ck_assert_uint_lt(given.done, GIFT_LARGE);
    ok(weft_stream_close(given.stream)); /* what was taken is sent all the same */
    gift_take_rest(peer, 7, given.done);
    gift_wait(&given.gift);
    return weft_close(peer);
}

TEST(cancelled)
{
    gift_run(main_cancelled, 1);
}

static int main_closed(void *arg)
{
    struct given given;
    int peer;

    (void)arg;
    given.stream = narrow_stream(&peer);
    WEFT_SCOPE(s) {
        weft_task task = start(&s, &given);
        ok(weft_stream_close(given.stream));
        ok(weft_join(task, NULL));
    }
    ck_assert_int_eq(given.result, -ECANCELED);
    gift_take_rest(peer, 7, given.done);
    gift_wait(&given.gift);
    return weft_close(peer);
}

TEST(closed)
{
    gift_run(main_closed, 1);
}

/* By either end: the peer need not read for the memory to come back. */
static int main_reset(void *arg)
{
    (void)arg;
    for (int ours = 0; ours < 2; ours++) {
        struct linger linger = {.l_onoff = 1};
        struct given given;
        int peer;
        given.stream = narrow_stream(&peer);
        ok(weft_setsockopt(peer, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
        WEFT_SCOPE(s) {
            weft_task task = start(&s, &given);
            ok(ours ? weft_stream_abort(given.stream) : weft_close(peer));
            ok(weft_join(task, NULL));
        }
        ck_assert_int_lt(given.result, 0);
        gift_wait(&given.gift);
        ok(ours ? weft_close(peer) : weft_stream_close(given.stream));
    }
    return 0;
}

TEST(reset)
{
    gift_run(main_reset, 1);
}

/* -- ends after the call ------------------------------------------------------------------------
 */

static int main_aborted_later(void *arg)
{
    struct gift gift;
    int peer;
    weft_stream *stream = held_stream(&peer);

    (void)arg;
    gift_wrap(&gift, HELD, 5);
    ck_assert_int_eq(give(stream, &gift, NULL), HELD);
    ok(weft_stream_abort(stream));
    gift_wait(&gift);
    return weft_close(peer);
}

TEST(aborted_later)
{
    gift_run(main_aborted_later, 1);
}

/* Two of them, of one connection; whoever asked it to linger for a time wants no reset. */
static int main_closed_later(void *arg)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 1};
    struct gift gift, second;
    int peer;
    weft_stream *stream = held_stream(&peer);

    (void)arg;
    ok(weft_setsockopt(weft_stream_fd(stream), SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    gift_wrap(&gift, HELD / 2, 5);
    gift_wrap(&second, HELD / 2, 6);
    ck_assert_int_eq(give(stream, &gift, NULL), HELD / 2);
    ck_assert_int_eq(give(stream, &second, NULL), HELD / 2);
    ok(weft_stream_close(stream));
    struct gift_taker first = {peer, HELD / 2, 5};
    ok(gift_take(&first)); /* from where it lies, though the stream is gone */
    gift_take_rest(peer, 6, HELD / 2);
    gift_wait(&gift);
    gift_wait(&second);
    return weft_close(peer);
}

TEST(closed_later)
{
    gift_run(main_closed_later, 1);
}

static struct gift last;
static int last_peer;

/* Nobody reads: the connections are reset when the run has waited for a while. */
static int main_leaves(void *arg)
{
    weft_stream *stream = held_stream(&last_peer);

    (void)arg;
    gift_wrap(&last, HELD, 5);
    ck_assert_int_eq(give(stream, &last, NULL), HELD);
    return weft_stream_close(stream);
}

static int main_leaves_open(void *arg)
{
    (void)arg;
    gift_wrap(&last, HELD, 5);
    ck_assert_int_eq(give(held_stream(&last_peer), &last, NULL), HELD);
    return 0;
}

TEST(the_run_resets)
{
    gift_run(main_leaves, 1);
    ck_assert_int_eq(last.released, 1);
    ck_assert_int_eq(close(last_peer), 0);
}

TEST(the_run_aborts)
{
    gift_run(main_leaves_open, 1);
    ck_assert_int_eq(last.released, 1);
    ck_assert_int_eq(close(last_peer), 0);
}

/* -- on another reactor -------------------------------------------------------------------------
 */

struct move {
    weft_stream *stream;
    struct gift gift;
    bool abort;
};

/* One more from there, which is released there. */
static int goes_on(void *arg)
{
    struct move *move = arg;

    ok(weft_stream_attach(move->stream));
    if (move->abort)
        return weft_stream_abort(move->stream);
    gift_wrap(&move->gift, HELD, 6);
    ck_assert_int_eq(give(move->stream, &move->gift, NULL), HELD);
    ok(weft_stream_close(move->stream));
    gift_wait(&move->gift);
    ck_assert_uint_eq(move->gift.reactor, weft_reactor_index());
    return 0;
}

static int main_moved(void *arg)
{
    struct weft_spawn_opt there = {.size = sizeof there, .reactor = WEFT_ON(1)};

    for (int abort = 0; abort < 2; abort++) {
        struct move move = {.abort = abort};
        struct gift gift;
        int peer;
        move.stream = held_stream(&peer);
        gift_wrap(&gift, HELD, 5);
        ck_assert_int_eq(give(move.stream, &gift, NULL), HELD);
        ok(weft_stream_detach(move.stream));
        WEFT_SCOPE(s) {
            struct gift_taker first = {peer, HELD, 5};
            ok(weft_spawn(&s, goes_on, &move, 0, &there));
            if (!abort) {
                ok(gift_take(&first));
                gift_take_rest(peer, 6, HELD);
            }
        }
        gift_wait(&gift);
        ck_assert_uint_eq(gift.reactor, weft_reactor_index());
        ok(weft_close(peer));
    }
    (void)arg;
    return 0;
}

TEST(moved)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2, .zero_copy_min = 1};

    ck_assert_int_eq(weft_run(main_moved, NULL, 0, &opt), 0);
}

TEST_MAIN("stream_write_give", 60, all_arrives_and_is_released, never, in_order, into_a_pipe,
          refused, cancelled, closed, reset, aborted_later, closed_later, the_run_resets,
          the_run_aborts, moved)
