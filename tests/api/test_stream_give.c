/*
 * Giving a view away: weft_stream_give and weft_stream_drain, and what writing, shutting down and
 * closing do about what was given. Catches bytes that overtake one another or are lost at a close,
 * a buffer reused while the kernel sends from it, a giver left waiting for ever, an error unsaid.
 */
#include "support/misuse.h"
#include "support/stream.h"

/* What the peer sends next, as a view of at least `size` bytes. */
static const char *view(struct stream_pair *pair, const char *text, size_t size)
{
    const void *data;
    size_t got = 0;

    ck_assert_int_eq(weft_send_all(pair->fd, text, size, NULL), (ssize_t)size);
    ck_assert_int_eq(weft_stream_peek(pair->stream, &data, &got, 0), 1);
    while (got < size) { /* it came in pieces: they are put behind one another */
        ok(weft_stream_consume(pair->stream, 0));
        ok(weft_sleep(1000000));
        ck_assert_int_eq(weft_stream_peek(pair->stream, &data, &got, 0), 1);
    }
    return data;
}

/* All of a view, parts of one, and what is written or ended afterwards: in that order. */
static int main_order(void *arg)
{
    struct stream_pair a;
    char byte;

    (void)arg;
    stream_pair_open(&a, NULL);
    for (int i = 0; i < 40; i++) { /* far enough for the ring to hold the file */
        view(&a, "whole", 5);
        ck_assert_int_eq(weft_stream_give(a.stream, a.stream, 5), 5);
        ck_assert_int_eq(weft_stream_consume(a.stream, 0), -EINVAL); /* the view has ended */
        net_hear(a.fd, "whole", 5);
    }
    view(&a, "abcdefgh", 8);
    ck_assert_int_eq(weft_stream_give(a.stream, a.stream, 2), 2);
    for (const char *rest = "cdefgh"; *rest; rest += 2) {
        const void *data;
        size_t size;
        ck_assert_int_eq(weft_stream_peek(a.stream, &data, &size, 0), 1);
        ck_assert_mem_eq(data, rest, 2);
        ck_assert_int_eq(weft_stream_give(a.stream, a.stream, 2), 2);
    }
    ck_assert_int_eq(weft_stream_write(a.stream, "IJ", 2, NULL), 2);
    net_hear(a.fd, "abcdefghIJ", 10);

    view(&a, "last", 4);
    ck_assert_int_eq(weft_stream_give(a.stream, a.stream, 4), 4);
    ok(weft_stream_shutdown(a.stream));
    net_hear(a.fd, "last", 4);
    ck_assert_int_eq(weft_recv(a.fd, &byte, 1, 0), 0);
    stream_pair_close(&a);
    return 0;
}

TEST(in_order)
{
    net_run(main_order);
}

/* As a proxy does: from one stream to the other, the first closed while the kernel still sends. */
static int main_between(void *arg)
{
    struct stream_pair a, b;

    (void)arg;
    stream_pair_open(&a, NULL);
    stream_pair_open(&b, NULL);
    for (int i = 0; i < 100; i++) {
        view(&a, "to the other", 12);
        ck_assert_int_eq(weft_stream_give(b.stream, a.stream, 6), 6);
        ck_assert_int_eq(weft_stream_read(a.stream, (char[6]){0}, 6, 0), 6);
        net_hear(b.fd, "to the", 6);
    }
    view(&a, "farewell", 8);
    ck_assert_int_eq(weft_stream_give(b.stream, a.stream, 8), 8);
    stream_pair_close(&a);
    ok(weft_stream_drain(b.stream));
    net_hear(b.fd, "farewell", 8);
    stream_pair_close(&b);
    return 0;
}

TEST(between_two)
{
    net_run(main_between);
}

static int writes(const struct weft_task_info *info, void *context)
{
    (void)context;
    return info->waits_for && strcmp(info->waits_for, "write") == 0;
}

static int writes_much(void *arg)
{
    static const char much[64 << 20]; /* more than any connection holds */

    ck_assert_int_eq(weft_stream_write(arg, much, sizeof much, NULL), -ECANCELED);
    return 0;
}

/* What was written is not behind what is given, while it lasts. */
static int main_written(void *arg)
{
    struct weft_spawn_opt handle = {.size = sizeof handle};
    struct stream_pair a, b;
    weft_task task;

    (void)arg;
    handle.task = &task;
    stream_pair_open(&a, NULL);
    stream_pair_open(&b, NULL);
    view(&a, "abc", 3);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, writes_much, b.stream, 0, &handle));
        while (weft_tasks_each(writes, NULL) != 1)
            ok(weft_yield());
        ck_misuse(weft_stream_give(b.stream, a.stream, 3), -EBUSY, "weft_stream_give", "writes");
        ok(weft_cancel(task));
        ok(weft_join(task, NULL));
    }
    ok(weft_stream_consume(a.stream, 3)); /* it was still lent */
    ok(weft_stream_abort(b.stream));
    ok(weft_close(b.fd));
    stream_pair_close(&a);
    return 0;
}

TEST(another_task_writes)
{
    net_run(main_written);
}

static int main_arguments(void *arg)
{
    struct stream_pair a;

    (void)arg;
    stream_pair_open(&a, NULL);
    ck_assert_int_eq(weft_stream_give(a.stream, a.stream, 0), -EINVAL); /* nothing is lent */
    ck_assert_int_eq(weft_stream_give(NULL, a.stream, 0), -EINVAL);
    ck_assert_int_eq(weft_stream_give(a.stream, NULL, 0), -EINVAL);
    ck_assert_int_eq(weft_stream_drain(NULL), -EINVAL);
    ck_assert_int_eq(weft_stream_drain(a.stream), 0);
    view(&a, "abc", 3);
    ck_assert_int_eq(weft_stream_give(a.stream, a.stream, 4), -EINVAL);
    ck_assert_int_eq(weft_stream_give(a.stream, a.stream, 0), 0);
    ck_assert_int_eq(weft_stream_consume(a.stream, 0), -EINVAL); /* of nothing, but it has ended */
    ck_assert_int_eq(weft_stream_read(a.stream, (char[3]){0}, 3, 0), 3);
    stream_pair_close(&a);
    return 0;
}

TEST(arguments)
{
    net_run(main_arguments);
}

/* -- a peer that does not read ---------------------------------------------------------------- */

struct giver {
    weft_stream *to;
    struct stream_pair *from;
    ssize_t result;
    size_t given;
};

static char bulk[16384];

/* Fills `to` until a call has to wait, which is then interrupted. */
static int give_for_ever(void *arg)
{
    struct giver *giver = arg;
    const void *data;
    size_t size;
    int peeked = 0;

    while (giver->given < 64 << 20) {
        peeked = weft_stream_peek(giver->from->stream, &data, &size, 0);
        if (peeked <= 0)
            break;
        giver->result = weft_stream_give(giver->to, giver->from->stream, size);
        if (giver->result < 0)
            return 0;
        giver->given += (size_t)giver->result;
    }
    giver->result = peeked;
    return 0;
}

static int feed(void *arg)
{
    struct stream_pair *pair = arg;

    while (weft_send_all(pair->fd, bulk, sizeof bulk, NULL) > 0)
        ;
    return 0;
}

/* Runs until the giver waits; then `end` is called while it does. */
static ssize_t stuck(struct stream_pair *from, struct stream_pair *to,
                     void (*end)(struct stream_pair *, struct stream_pair *), bool cancel)
{
    struct giver giver = {.to = to->stream, .from = from};
    weft_task task, feeder;
    struct weft_spawn_opt handle = {.size = sizeof handle, .task = &task},
                          fed = {.size = sizeof fed, .task = &feeder};

    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        size_t before = 0;
        ok(weft_spawn(&s, feed, from, 0, &fed));
        ok(weft_spawn(&s, give_for_ever, &giver, 0, &handle));
        do { /* the peer's buffers fill for a while yet, when it first waits */
            before = giver.given;
            ok(weft_sleep(30000000));
        } while (giver.given != before || weft_tasks_each(writes, NULL) != 1);
        ck_assert_int_eq(weft_stream_write(to->stream, "x", 1, NULL), -EBUSY);
        ck_assert_int_eq(weft_stream_drain(to->stream), -EBUSY);
        ck_assert_int_eq(weft_stream_shutdown(to->stream), -EBUSY);
        if (cancel)
            ok(weft_cancel(task));
        else
            end(from, to);
        ok(weft_join(task, NULL));
        ok(weft_cancel(feeder));
        ok(weft_join(feeder, NULL));
    }
    return giver.result;
}

static void close_target(struct stream_pair *from, struct stream_pair *to)
{
    (void)from;
    ck_no_misuse(weft_stream_close(to->stream), 0); /* though another task waits to write */
}

static void abort_target(struct stream_pair *from, struct stream_pair *to)
{
    (void)from;
    ok(weft_stream_abort(to->stream));
}

static void close_source(struct stream_pair *from, struct stream_pair *to)
{
    (void)to;
    ok(weft_stream_close(from->stream));
}

/* Whoever gives waits as long as the one before has not been sent; closing either end, or a
   cancellation, ends that, and both ends are as good as before. */
static int main_stuck_each(void *arg)
{
    struct stream_pair a, b;

    (void)arg;
    stream_pair_open(&a, NULL);
    stream_pair_open(&b, NULL);
    ck_assert_int_eq(stuck(&a, &b, close_target, false), -ECANCELED);
    ok(weft_stream_close(a.stream));
    ok(weft_close(a.fd));
    ok(weft_close(b.fd));

    stream_pair_open(&a, NULL);
    stream_pair_open(&b, NULL);
    ck_assert_int_eq(stuck(&a, &b, abort_target, false), -ECANCELED);
    ok(weft_stream_close(a.stream));
    ok(weft_close(a.fd));
    ok(weft_close(b.fd));

    stream_pair_open(&a, NULL);
    stream_pair_open(&b, NULL);
    ck_assert_int_eq(stuck(&a, &b, close_source, false), -EBADF);
    ok(weft_stream_abort(b.stream));
    ok(weft_close(a.fd));
    ok(weft_close(b.fd));

    stream_pair_open(&a, NULL);
    stream_pair_open(&b, NULL);
    ck_assert_int_eq(stuck(&a, &b, NULL, true), -ECANCELED);
    ok(weft_stream_abort(b.stream));
    stream_pair_close(&a);
    ok(weft_close(b.fd));
    return 0;
}

TEST(waits_for_the_one_before)
{
    net_run(main_stuck_each);
}

/* -- the end ---------------------------------------------------------------------------------- */

static int main_close(void *arg)
{
    struct stream_pair a;
    char byte;

    (void)arg;
    for (int i = 0; i < 20; i++) {
        stream_pair_open(&a, NULL);
        view(&a, "not lost", 8);
        ck_assert_int_eq(weft_stream_give(a.stream, a.stream, 8), 8);
        ok(weft_stream_close(a.stream)); /* the request has not even been submitted */
        net_hear(a.fd, "not lost", 8);
        ck_assert_int_eq(weft_recv(a.fd, &byte, 1, 0), 0);
        ok(weft_close(a.fd));
    }
    return 0;
}

TEST(closing_sends_what_was_given)
{
    net_run(main_close);
}

struct closer {
    weft_stream *stream;
    int result;
};

static int close_it(void *arg)
{
    struct closer *closer = arg;

    closer->result = weft_stream_close(closer->stream);
    return 0;
}

/* Gives until the socket takes no more for so long: something given stands, and nobody waits for
   it. What was sent is given before more is, so it is the giving that is clogged, and not the
   sending. */
static void fill(struct stream_pair *pair, int64_t patience_ms)
{
    const void *data;
    size_t size, given = sizeof bulk;

    for (;; given += size) {
        struct weft_scope scope;
        ssize_t n;
        if (given == sizeof bulk) {
            ck_assert_int_eq(weft_send_all(pair->fd, bulk, sizeof bulk, NULL), sizeof bulk);
            given = 0;
        }
        ck_assert_int_eq(weft_stream_peek(pair->stream, &data, &size, 0), 1);
        ok(weft_scope_open(&scope,
                           &(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt),
                                                    .deadline = weft_after_ms(patience_ms)}));
        n = weft_stream_give(pair->stream, pair->stream, size);
        if (weft_scope_close(&scope) == -ETIMEDOUT) {
            ck_assert_int_eq(n, -ECANCELED);
            return;
        }
        ck_assert_int_eq(n, (ssize_t)size);
    }
}

/* Closing does wait for a peer that does not read, but not against a cancellation or a deadline,
   and meanwhile the stream is closed to others. Aborting waits for nothing. */
static int main_clogged(void *arg)
{
    struct stream_pair a, b;
    struct closer closer = {.result = 0};
    struct weft_spawn_opt handle = {.size = sizeof handle};
    weft_task task;
    char byte;

    (void)arg;
    handle.task = &task;
    stream_pair_open(&b, NULL);
    WEFT_SCOPE(s) {
        for (int64_t patience_ms = 100; closer.result == 0; patience_ms *= 4) {
            ck_assert_int_lt(patience_ms,
                             10000); /* the machine may have stood still, not so long */
            stream_pair_open(&a, NULL);
            fill(&a, patience_ms);
            closer = (struct closer){.stream = a.stream, .result = 1};
            ok(weft_spawn(&s, close_it, &closer, 0, &handle));
            ok(weft_sleep(20000000));
            if (closer.result == 0) /* it has not waited */
                ok(weft_close(a.fd));
        }
        ck_assert_int_eq(closer.result, 1);
        ck_assert_int_eq(weft_stream_write(a.stream, &byte, 1, NULL), -EBADF);
        ck_assert_int_eq(weft_stream_write_nowait(a.stream, &byte, 1), -EBADF);
        ck_assert_int_eq(weft_stream_read(a.stream, &byte, 1, 0), -EBADF);
        ck_assert_int_eq(weft_stream_close(a.stream), -EALREADY);
        ck_assert_int_eq(weft_stream_splice(a.stream, b.stream, 1, 0), -EBADF);
        ok(weft_cancel(task));
        ok(weft_join(task, NULL));
    }
    ck_assert_int_eq(closer.result, 0);
    ok(weft_close(a.fd));

    stream_pair_open(&a, NULL);
    fill(&a, 100);
    ok(weft_stream_abort(a.stream));
    ok(weft_close(a.fd));
    stream_pair_close(&b);
    return 0;
}

TEST(closing_a_clogged_one)
{
    net_run(main_clogged);
}

/* A run that ends with something given in flight takes it back from the kernel first. */
static int main_leaves(void *arg)
{
    struct stream_pair a;

    stream_pair_open(&a, NULL);
    fill(&a, 100);
    *(int *)arg = a.fd;
    return 0;
}

TEST(run_ends)
{
    int fd = -1;

    ck_assert_int_eq(weft_run(main_leaves, &fd, 0, NULL), 0);
    ck_assert_int_eq(close(fd), 0);
}

/* -- errors ----------------------------------------------------------------------------------- */

/* What could not be sent is said by every later call of the writer's side; the view stays lent. */
static int main_errors(void *arg)
{
    struct stream_pair a, b;
    struct linger reset = {.l_onoff = 1};
    const char *data;
    size_t left = 17;
    ssize_t n = 0;

    (void)arg;
    stream_pair_open(&a, NULL);
    stream_pair_open(&b, NULL);
    ck_assert_int_eq(weft_setsockopt(b.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    ok(weft_close(b.fd));
    data = view(&a, "nobody reads this", 17);
    while (left > 1 && n >= 0) {
        const void *rest;
        n = weft_stream_give(b.stream, a.stream, 1);
        if (n < 0)
            break;
        left--;
        ck_assert_int_eq(weft_stream_peek(a.stream, &rest, &(size_t){0}, 0), 1);
        data = rest;
    }
    ck_assert_msg(n == -EPIPE || n == -ECONNRESET, "%zd", n);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_NONE);
    ck_assert_int_eq(weft_stream_drain(b.stream), (int)n);
    ck_assert_int_eq(weft_stream_write(b.stream, "x", 1, NULL), n);
    ck_assert_int_eq(weft_stream_shutdown(b.stream), (int)n);
    ck_assert_int_eq(*data, "nobody reads this"[17 - left]);
    ok(weft_stream_consume(a.stream, 0)); /* still lent */
    ok(weft_stream_close(b.stream));
    stream_pair_close(&a);
    return 0;
}

TEST(errors)
{
    net_run(main_errors);
}

/* A given message costs one request, no allocation, and one switch to the task. */
static int main_counts(void *arg)
{
    enum { MESSAGES = 200 };
    struct stream_pair a;
    struct weft_stats before, after;

    (void)arg;
    stream_pair_open(&a, NULL);
    for (int i = 0; i < 2 * MESSAGES; i++) {
        if (i == MESSAGES)
            ok(weft_stats(&before, sizeof before));
        view(&a, "message", 7);
        ck_assert_int_eq(weft_stream_give(a.stream, a.stream, 7), 7);
        net_hear(a.fd, "message", 7);
    }
    ok(weft_stats(&after, sizeof after));
    /* of the peer: a send and a receive; of the stream: a send, where its receive stays armed */
    if (!net_is_rough())
        ck_assert_uint_le(after.sqes - before.sqes,
                          3 * MESSAGES + MESSAGES / 10 + (after.recv_rearms - before.recv_rearms));
    stream_pair_close(&a);
    return 0;
}

TEST(counts)
{
    net_run(main_counts);
}

TEST_MAIN("stream_give", 30, in_order, between_two, another_task_writes, arguments,
          waits_for_the_one_before, closing_sends_what_was_given, closing_a_clogged_one, run_ends,
          errors, counts)
