/*
 * weft_stream_splice: every byte once and in order, whether it was held, in the socket or in the
 * pipe; waits that are ended by a cancel, a drain or a close of either stream. Catches bytes that
 * overtake those held already or stay behind in the pipe, a stream that never receives again
 * afterwards, one freed under a task that waits in the call, a pipe left open.
 */
#include <sys/resource.h>

#include "support/misuse.h"
#include "support/stream.h"

#define OPT(...) (&(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt), __VA_ARGS__})
#define MS INT64_C(1000000)
#define WRONG(call, words) ck_misuse(call, -EINVAL, "weft_stream_splice", words) /* in one line */

enum { MUCH = 300001, PIECE = 1 << 18 };

/* -- all of it --------------------------------------------------------------------------------- */

static int feeds(void *arg)
{
    unsigned char bytes[10000];
    int fd = *(int *)arg;

    for (size_t at = 0; at < MUCH;) {
        size_t n = MUCH - at < sizeof bytes ? MUCH - at : sizeof bytes;
        net_fill(bytes, n, 3, at);
        ck_assert_int_eq(weft_send_all(fd, bytes, n, NULL), (ssize_t)n);
        at += n;
    }
    return weft_shutdown(fd, SHUT_WR);
}

static int checks(void *arg)
{
    unsigned char bytes[7777];
    int fd = *(int *)arg;
    size_t at = 0;
    ssize_t n;

    while ((n = weft_recv(fd, bytes, sizeof bytes, 0)) > 0) {
        net_check(bytes, (size_t)n, 3, at);
        at += (size_t)n;
    }
    ck_assert_int_eq(n, 0);
    ck_assert_uint_eq(at, MUCH);
    return 0;
}

/* By turns: peeked at and given, spliced, read and written. */
static int by_turns(weft_stream *to, weft_stream *from)
{
    size_t total = 0, size;
    const void *data;
    char bytes[999];
    ssize_t n = 1;

    for (unsigned turn = 0; n > 0; turn++) {
        if (turn % 16 < 12) {
            n = weft_stream_splice(to, from, turn % 2 ? PIECE : 5000, 0);
        } else if (turn % 16 < 14) {
            n = weft_stream_peek(from, &data, &size, 0);
            if (n > 0)
                n = weft_stream_give(to, from, size);
        } else {
            n = weft_stream_read(from, bytes, sizeof bytes, 0);
            if (n > 0)
                n = weft_stream_write(to, bytes, (size_t)n, NULL);
        }
        ok(n);
        total += (size_t)n;
    }
    ck_assert_uint_eq(total, MUCH);
    ck_assert_int_eq(weft_stream_splice(to, from, 1, 0), 0); /* the end, still */
    return weft_stream_shutdown(to);
}

static int main_all(void *arg)
{
    struct stream_pair a, b;

    (void)arg;
    stream_pair_open(&a, NULL);
    stream_pair_open(&b, NULL);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, feeds, &a.fd, 0, NULL));
        ok(weft_spawn(&s, checks, &b.fd, 0, NULL));
        ok(by_turns(b.stream, a.stream));
    }
    stream_pair_close(&a);
    stream_pair_close(&b);

    stream_pair_open(&a, NULL); /* and back to where it came from */
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, feeds, &a.fd, 0, NULL));
        ok(weft_spawn(&s, checks, &a.fd, 0, NULL));
        ok(by_turns(a.stream, a.stream));
    }
    stream_pair_close(&a);
    return 0;
}

TEST(every_byte)
{
    net_run(main_all);
}

/* What is held, and what was given, come before what is in the socket. */
static int main_held(void *arg)
{
    struct stream_pair a, b;
    const void *data;
    size_t size, got = 3;

    (void)arg;
    stream_pair_open(&a, NULL);
    stream_pair_open(&b, NULL);
    for (int i = 0; i < 30; i++) {
        ck_assert_int_eq(weft_send_all(a.fd, "abcdefgh", 8, NULL), 8);
        ck_assert_int_eq(weft_stream_peek(a.stream, &data, &size, 0), 1);
        got = size < 3 ? size : 3;
        ck_assert_int_eq(weft_stream_give(b.stream, a.stream, got), (ssize_t)got);
        while (got < 8) {
            ssize_t n = weft_stream_splice(b.stream, a.stream, got < 5 ? 2 : PIECE, 0);
            ok(n);
            got += (size_t)n;
        }
        net_hear(b.fd, "abcdefgh", 8);
    }
    ck_assert_int_eq(weft_stream_write(b.stream, "end", 3, NULL), 3);
    net_hear(b.fd, "end", 3);
    stream_pair_close(&a);
    stream_pair_close(&b);
    return 0;
}

TEST(held_first)
{
    net_run(main_held);
}

/* -- waits that are ended ---------------------------------------------------------------------- */

struct mover {
    struct stream_pair *to, *from;
    ssize_t result;
    size_t moved;
};

static int moves(void *arg)
{
    struct mover *mover = arg;

    while ((mover->result =
                weft_stream_splice(mover->to->stream, mover->from->stream, PIECE, WEFT_IDLE)) > 0)
        mover->moved += (size_t)mover->result;
    return mover->result == 0 ? weft_stream_shutdown(mover->to->stream) : 0;
}

enum ending { CANCEL, CLOSE_SOURCE, CLOSE_TARGET, ABORT_TARGET, ENDINGS };

/* Ends the wait, and one of the streams with it. */
static void end_wait(enum ending ending, struct stream_pair *from, struct stream_pair *to,
                     weft_task task)
{
    if (ending == CANCEL)
        ok(weft_cancel(task));
    else if (ending == CLOSE_SOURCE)
        ok(weft_stream_close(from->stream));
    else
        ok((ending == CLOSE_TARGET ? weft_stream_close : weft_stream_abort)(to->stream));
    if (ending == CLOSE_SOURCE)
        from->stream = NULL;
    else if (ending != CANCEL)
        to->stream = NULL;
}

static int waits_for(const struct weft_task_info *info, void *what)
{
    return info->waits_for && strcmp(info->waits_for, what) == 0;
}

static bool somebody_waits_for(char *what)
{
    return weft_tasks_each(waits_for, what) == 1;
}

/* The armed receive is about to end; it has, and the call is to go on; nothing else happens. */
enum moment { EARLY, BETWEEN, LATE, MOMENTS };

static void wait_until(enum moment moment)
{
    while (!somebody_waits_for("read") && !somebody_waits_for("poll"))
        ok(weft_yield());
    while (moment == BETWEEN && somebody_waits_for("read"))
        ok(weft_yield());
    if (moment == LATE)
        ok(weft_sleep(5 * MS));
}

/* Nothing comes: nothing is taken, and both are as good as before. */
static void end_without_bytes(enum moment moment)
{
    for (enum ending ending = 0; ending < ENDINGS; ending++) {
        struct stream_pair a, b;
        struct mover mover = {.to = &b, .from = &a};
        weft_task task;
        stream_pair_open(&a, NULL);
        stream_pair_open(&b, NULL);
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, moves, &mover, 0, OPT(.task = &task)));
            wait_until(moment);
            ck_assert_int_eq(weft_stream_write(b.stream, "x", 1, NULL), -EBUSY);
            ck_assert_int_eq(weft_stream_read(a.stream, (char[1]){0}, 1, 0), -EBUSY);
            end_wait(ending, &a, &b, task);
            ok(weft_join(task, NULL));
        }
        ck_assert_int_eq(mover.result, -ECANCELED);
        if (ending == CANCEL) {
            ck_assert_int_eq(weft_send_all(a.fd, "there", 5, NULL), 5);
            ck_assert_int_eq(weft_stream_read_exactly(a.stream, (char[5]){0}, 5, NULL), 5);
            ck_assert_int_eq(weft_stream_write(b.stream, "here", 4, NULL), 4);
            net_hear(b.fd, "here", 4);
        }
        stream_pair_close(&a);
        stream_pair_close(&b);
    }
}

static int main_nothing_comes(void *arg)
{
    (void)arg;
    for (enum moment moment = 0; moment < MOMENTS; moment++)
        end_without_bytes(moment);
    return 0;
}

TEST(nothing_comes)
{
    net_run(main_nothing_comes);
}

static int pours(void *arg)
{
    static char bulk[16384];
    int fd = *(int *)arg;

    while (weft_send_all(fd, bulk, sizeof bulk, NULL) > 0)
        ;
    return 0;
}

static int polls(const struct weft_task_info *info, void *fd)
{
    return info->fd == *(int *)fd && info->waits_for && strcmp(info->waits_for, "poll") == 0;
}

/* Until the mover has bytes in its pipe and the socket takes no more of them, now and later. */
static void wait_until_stuck(const struct mover *mover)
{
    int fd = weft_stream_fd(mover->to->stream);

    for (int looks = 0; looks < 4; looks++) {
        size_t before = mover->moved;
        ok(weft_sleep(30 * MS));
        if (mover->moved != before || weft_tasks_each(polls, &fd) != 1)
            looks = 0;
    }
}

/* Nothing is left of what went before in a pipe that is lent again. The mover waits already when
   the first byte is sent, so it goes through a pipe. */
static void moves_afresh(void)
{
    struct stream_pair a, b;
    struct mover mover = {.to = &b, .from = &a};

    stream_pair_open(&a, NULL);
    stream_pair_open(&b, NULL);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, moves, &mover, 0, NULL));
        ok(weft_sleep(5 * MS));
        for (int i = 0; i < 5; i++) {
            ck_assert_int_eq(weft_send_all(a.fd, "afresh", 6, NULL), 6);
            net_hear(b.fd, "afresh", 6);
        }
        ok(weft_shutdown(a.fd, SHUT_WR));
    }
    ck_assert_int_eq(mover.result, 0);
    ck_assert_uint_eq(mover.moved, 30);
    stream_pair_close(&a);
    stream_pair_close(&b);
}

/* Nobody reads what is moved: bytes stay in the pipe, and what writes afterwards is told. */
static int main_nobody_reads(void *arg)
{
    (void)arg;
    for (enum ending ending = 0; ending < ENDINGS; ending++) {
        struct stream_pair a, b;
        struct mover mover = {.to = &b, .from = &a};
        weft_task task, source;
        stream_pair_open(&a, NULL);
        stream_pair_open(&b, NULL);
        WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
            ok(weft_spawn(&s, pours, &a.fd, 0, OPT(.task = &source)));
            ok(weft_spawn(&s, moves, &mover, 0, OPT(.task = &task)));
            wait_until_stuck(&mover);
            end_wait(ending, &a, &b, task);
            ok(weft_join(task, NULL));
            ok(weft_cancel(source));
            ok(weft_join(source, NULL));
        }
        ck_assert_int_eq(mover.result, -ECANCELED);
        if (b.stream) {
            ck_assert_int_eq(weft_stream_write(b.stream, "x", 1, NULL), -ECANCELED);
            ck_assert_int_eq(weft_stream_splice(b.stream, b.stream, 1, 0), -ECANCELED);
        }
        ok(weft_stream_abort(a.stream));
        ok(weft_stream_abort(b.stream));
        ok(weft_close(a.fd));
        ok(weft_close(b.fd));
        moves_afresh();
    }
    return 0;
}

TEST(nobody_reads)
{
    net_run(main_nobody_reads);
}

/* More than anybody takes, given before. */
static void *write_much(weft_stream *stream)
{
    enum { SIZE = 8 << 20 };
    char *much = calloc(1, SIZE);

    ck_assert_ptr_nonnull(much);
    ck_assert_int_eq(weft_stream_write_nowait(stream, much, SIZE), SIZE);
    return much;
}

/* Its turn does not come: nothing is taken. */
static int main_turn(void *arg)
{
    (void)arg;
    for (enum ending ending = 0; ending < ENDINGS; ending++) {
        struct stream_pair a, b;
        struct mover mover = {.to = &b, .from = &a};
        weft_task task;
        void *much;
        stream_pair_open(&a, NULL);
        stream_pair_open(&b, NULL);
        much = write_much(b.stream);
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, moves, &mover, 0, OPT(.task = &task)));
            while (!somebody_waits_for("write"))
                ok(weft_yield());
            ck_assert_int_eq(weft_send_all(a.fd, "there", 5, NULL), 5);
            end_wait(ending, &a, &b, task);
            ok(weft_join(task, NULL));
        }
        ck_assert_int_eq(mover.result, -ECANCELED);
        ck_assert_uint_eq(mover.moved, 0);
        if (a.stream)
            ck_assert_int_eq(weft_stream_read_exactly(a.stream, (char[5]){0}, 5, NULL), 5);
        ok(weft_stream_abort(b.stream));
        b.stream = NULL;
        stream_pair_close(&a);
        stream_pair_close(&b);
        free(much);
    }
    return 0;
}

TEST(its_turn_does_not_come)
{
    net_run(main_turn);
}

static int splices_once(void *arg)
{
    struct mover *mover = arg;

    mover->result = weft_stream_splice(mover->to->stream, mover->from->stream, PIECE, WEFT_IDLE);
    return 0;
}

/* A drain ends the wait for more. */
static int main_drain(void *arg)
{
    struct stream_pair a, b;
    struct mover second = {.to = &b, .from = &a};

    (void)arg;
    stream_pair_open(&a, NULL);
    stream_pair_open(&b, NULL);
    ck_assert_int_eq(weft_send_all(a.fd, "x", 1, NULL), 1);
    ck_assert_int_eq(weft_stream_splice(b.stream, a.stream, PIECE, WEFT_IDLE), 1);
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        ok(weft_spawn(&s, splices_once, &second, 0, NULL));
        ok(weft_sleep(5 * MS));
        ok(weft_scope_drain(&s, weft_after_ms(10000), weft_after_ms(20000)));
    }
    ck_assert_int_eq(second.result, -ESHUTDOWN);
    stream_pair_close(&a);
    stream_pair_close(&b);
    return 0;
}

TEST(drained)
{
    net_run(main_drain);
}

/* -- errors ------------------------------------------------------------------------------------ */

static int main_errors(void *arg)
{
    struct stream_pair a, b;
    int ends[2];
    weft_stream *pipe;
    ssize_t n;

    (void)arg;
    stream_pair_open(&a, NULL);
    stream_pair_open(&b, NULL);
    ok(weft_pipe(ends, 0));
    ok(weft_stream_open(ends[0], NULL, &pipe));
    WRONG(weft_stream_splice(b.stream, a.stream, 0, 0), "nothing to move");
    WRONG(weft_stream_splice(NULL, a.stream, 1, 0), "no stream");
    WRONG(weft_stream_splice(b.stream, NULL, 1, 0), "no stream");
    WRONG(weft_stream_splice(b.stream, pipe, 1, 0), "a pipe");
    WRONG(weft_stream_splice(pipe, a.stream, 1, 0), "a pipe");
    WRONG(weft_stream_splice(b.stream, a.stream, 1, MSG_PEEK), "flags");
    ok(weft_stream_close(pipe));
    ok(weft_close(ends[1]));

    /* a source that is reset, once before and once after it is spliced */
    for (int i = 0; i < 2; i++) {
        if (i == 1) {
            ck_assert_int_eq(weft_send_all(a.fd, "x", 1, NULL), 1);
            ck_assert_int_eq(weft_stream_splice(b.stream, a.stream, PIECE, 0), 1);
        }
        ok(weft_socket_set(a.fd, &(struct weft_socket_opt){.size = sizeof(struct weft_socket_opt),
                                                           .reset_on_close = true}));
        ok(weft_close(a.fd));
        for (int again = 0; again < 2; again++)
            ck_assert_int_eq(weft_stream_splice(b.stream, a.stream, PIECE, 0), -ECONNRESET);
        ok(weft_stream_close(a.stream));
        stream_pair_open(&a, NULL);
    }

    /* a target that has gone */
    ok(weft_stream_shutdown(b.stream));
    ck_assert_int_eq(weft_send_all(a.fd, "lost", 4, NULL), 4);
    for (int again = 0; again < 2; again++) {
        while ((n = weft_stream_splice(b.stream, a.stream, PIECE, 0)) > 0)
            ck_assert_int_eq(weft_send_all(a.fd, "more", 4, NULL), 4);
        ck_assert_int_eq(n, -EPIPE);
    }
    stream_pair_close(&a);
    stream_pair_close(&b);
    return 0;
}

TEST(errors)
{
    net_run(main_errors);
}

/* No descriptor is to be had for a pipe: nothing is taken, and it works as soon as there is one. */
static int main_no_pipe(void *arg)
{
    struct stream_pair a, b;
    struct rlimit limit, none;

    (void)arg;
    stream_pair_open(&a, NULL);
    stream_pair_open(&b, NULL);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 3; /* taken by standard input, output and errors */
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(weft_stream_splice(b.stream, a.stream, PIECE, 0), -EMFILE);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(weft_send_all(a.fd, "later", 5, NULL), 5);
    for (size_t moved = 0; moved < 5;) {
        ssize_t n = weft_stream_splice(b.stream, a.stream, PIECE, 0);
        ok(n);
        moved += (size_t)n;
    }
    net_hear(b.fd, "later", 5);
    stream_pair_close(&a);
    stream_pair_close(&b);
    return 0;
}

TEST(no_pipe)
{
    net_run(main_no_pipe);
}

/* Not much is under way there while nobody reads. */
static void narrow(const struct stream_pair *pair)
{
    struct weft_socket_opt opt = {.size = sizeof opt, .send_buffer_size = 16384};

    ok(weft_socket_set(weft_stream_fd(pair->stream), &opt));
}

/* More pipes than are kept: all wait for readers at one time, and then for bytes. */
static int main_many(void *arg)
{
    enum { MANY = 10 };
    struct stream_pair a[MANY], b[MANY];
    struct mover movers[MANY];

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        for (int i = 0; i < MANY; i++) {
            stream_pair_open(&a[i], NULL);
            stream_pair_open(&b[i], NULL);
            narrow(&b[i]);
            movers[i] = (struct mover){.to = &b[i], .from = &a[i]};
            ok(weft_spawn(&s, feeds, &a[i].fd, 0, NULL));
            ok(weft_spawn(&s, moves, &movers[i], 0, NULL));
        }
        ok(weft_sleep(50 * MS));
        for (int i = 0; i < MANY; i++)
            ok(weft_spawn(&s, checks, &b[i].fd, 0, NULL));
    }
    for (int i = 0; i < MANY; i++) {
        ck_assert_uint_eq(movers[i].moved, MUCH);
        stream_pair_close(&a[i]);
        stream_pair_close(&b[i]);
    }
    return 0;
}

TEST(more_than_are_kept)
{
    net_run(main_many);
}

TEST_MAIN("stream_splice", 30, every_byte, held_first, nothing_comes, nobody_reads,
          its_turn_does_not_come, drained, errors, no_pipe, more_than_are_kept)
