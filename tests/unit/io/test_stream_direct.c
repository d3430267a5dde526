/*
 * What an armed receive ends for: a reader that receives into its own memory, and larger buffers.
 * Would catch a reader that never gets its turn, or one that a close leaves waiting, a receive that
 * goes on filling buffers too small or too large for what comes, and an end that is said once and
 * then forgotten.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/fd.h"
#include "io/stream.h"
#include "support/net.h"

enum { SIZE = 65536 };

struct reader {
    weft_stream *stream;
    ssize_t result;
};

static int read_large(void *arg)
{
    struct reader *reader = arg;
    char *memory = malloc(SIZE);

    ck_assert_ptr_nonnull(memory);
    reader->result = weft_stream_read(reader->stream, memory, SIZE, 0);
    free(memory);
    return 0;
}

/* The stream has seen many large pieces: as append() notes them. */
static void open_for_direct(weft_stream **stream, int *there)
{
    int here;

    net_pair(&here, there);
    ok(weft_stream_open(here, NULL, stream));
    ok(weft_yield());
    (*stream)->large = UINT8_MAX;
}

static void until_direct(const weft_stream *stream)
{
    while (!stream->direct)
        ok(weft_sleep(1000));
    ck_assert(!weft__op_in_flight(&stream->receive));
}

static int main_close(void *arg)
{
    struct reader reader = {0};
    int there;

    (void)arg;
    open_for_direct(&reader.stream, &there);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, read_large, &reader, 0, NULL));
        until_direct(reader.stream);
        ok(weft_stream_close(reader.stream));
    }
    ck_assert_int_eq(reader.result, -ECANCELED);
    return weft_close(there);
}

TEST(close_under_a_reader_that_receives)
{
    net_run(main_close);
}

static int main_cancel(void *arg)
{
    struct reader reader = {0};
    struct weft_spawn_opt opt = {.size = sizeof opt};
    weft_task task;
    int there;
    char byte;

    (void)arg;
    opt.task = &task;
    open_for_direct(&reader.stream, &there);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, read_large, &reader, 0, &opt));
        until_direct(reader.stream);
        ok(weft_cancel(task));
        ok(weft_join(task, NULL));
    }
    ck_assert_int_eq(reader.result, -ECANCELED);
    ok(weft_send_all(there, "x", 1, NULL));
    ck_assert_int_eq(weft_stream_read(reader.stream, &byte, 1, 0), 1); /* armed again */
    ok(weft_stream_close(reader.stream));
    return weft_close(there);
}

TEST(a_cancelled_one_leaves_the_stream_as_it_was)
{
    net_run(main_cancel);
}

/* Each piece fills several buffers; the next size is to be had by the receive that is armed, and
   not only by one that will be some day. */
static int main_follows(void *arg)
{
    static char bytes[16384];
    weft_stream *stream;
    int here, there;

    (void)arg;
    net_pair(&here, &there);
    ok(weft_stream_open(here, NULL, &stream));
    for (int i = 0; i < 50 && stream->armed_class == 0; i++) {
        ok(weft_send_all(there, bytes, sizeof bytes, NULL));
        for (size_t done = 0; done < sizeof bytes; done += 4096)
            ok(weft_stream_read_exactly(stream, bytes + done, 4096, NULL));
    }
    ck_assert_uint_gt(stream->armed_class, 0);
    ok(weft_stream_close(stream));
    return weft_close(there);
}

TEST(buffers_follow_the_traffic)
{
    net_run(main_follows);
}

/* Cancelled before the armed receive has ended for it: nothing of its own is under way yet. */
static int main_cancel_early(void *arg)
{
    struct reader reader = {0};
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
    int there;
    char byte;

    (void)arg;
    open_for_direct(&reader.stream, &there);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, read_large, &reader, 0, &opt));
        ok(weft_yield());
        ck_assert_ptr_null(reader.stream->direct);
        ok(weft_cancel(task));
        ok(weft_join(task, NULL));
    }
    ck_assert_int_eq(reader.result, -ECANCELED);
    ok(weft_send_all(there, "x", 1, NULL));
    ck_assert_int_eq(weft_stream_read(reader.stream, &byte, 1, 0), 1);
    ok(weft_stream_close(reader.stream));
    return weft_close(there);
}

TEST(cancelled_before_its_turn)
{
    net_run(main_cancel_early);
}

/* Cancelled when the armed receive has ended, and before the reader ran: it has been woken, and
   goes on to a receive of its own, which nobody would interrupt any more. Would catch a hang. */
static int main_cancel_between(void *arg)
{
    struct reader reader = {0};
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
    int there;

    (void)arg;
    open_for_direct(&reader.stream, &there);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, read_large, &reader, 0, &opt));
        ok(weft_yield());
        while (
            weft__op_in_flight(&reader.stream->receive)) /* stands before the reader in the queue */
            ok(weft_yield());
        ok(weft_cancel(task));
        ok(weft_join(task, NULL));
    }
    ck_assert_int_eq(reader.result, -ECANCELED);
    ok(weft_stream_close(reader.stream));
    return weft_close(there);
}

TEST(cancelled_between_its_two_waits)
{
    net_run(main_cancel_between);
}

/* What ended it is said to whoever reads next as well. */
static void check_end(bool reset, int expected)
{
    struct reader reader = {0};
    int there;
    char byte;

    open_for_direct(&reader.stream, &there);
    if (reset)
        ok(weft_socket_set(there, &(struct weft_socket_opt){.size = sizeof(struct weft_socket_opt),
                                                            .reset_on_close = true}));
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, read_large, &reader, 0, NULL));
        until_direct(reader.stream);
        ok(weft_close(there));
    }
    ck_assert_int_eq(reader.result, expected);
    ck_assert_int_eq(weft_stream_read(reader.stream, &byte, 1, 0), expected);
    ok(weft_stream_close(reader.stream));
}

static int main_ends(void *arg)
{
    (void)arg;
    check_end(false, 0);
    check_end(true, -ECONNRESET);
    return 0;
}

TEST(an_end_or_a_reset_is_said_again)
{
    net_run(main_ends);
}

/* Its descriptor is closed by close(2), or what comes to the same, and the number another's. Would
   catch a receive that goes on where no call can end it, and so a hang. */
static int main_lost(void *arg)
{
    struct reader reader = {0};
    int there, number, another;

    (void)arg;
    another = eventfd(0, EFD_CLOEXEC);
    ck_assert_int_ge(another, 0);
    open_for_direct(&reader.stream, &there);
    number = weft_stream_fd(reader.stream);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, read_large, &reader, 0, NULL));
        until_direct(reader.stream);
        ck_assert_int_eq(dup3(another, number, O_CLOEXEC), number);
        ok(weft__fd_adopt(reader.stream->io, number)); /* as a call does that has opened it */
    }
    ck_assert_int_eq(reader.result, -EBADF);
    ck_assert_int_eq(weft_stream_close(reader.stream), -EBADF);
    ok(weft_close(number));
    ok(weft_close(another));
    return weft_close(there);
}

TEST(lost_under_a_reader_that_receives)
{
    net_run(main_lost);
}

/* Pieces that an eighth of a buffer would have held, one at a time: smaller buffers again. */
static int main_small(void *arg)
{
    static char much[SIZE];
    weft_stream *stream;
    int here, there;

    (void)arg;
    net_pair(&here, &there);
    ok(weft_stream_open(here, NULL, &stream));
    for (int i = 0; i < 100 && stream->class == 0; i++) {
        ok(weft_send_all(there, much, sizeof much, NULL));
        ck_assert_int_eq(weft_stream_read_exactly(stream, much, sizeof much, NULL), sizeof much);
    }
    ck_assert_uint_gt(stream->class, 0);
    for (int i = 0; i < 200 && stream->class > 0; i++) {
        ok(weft_send_all(there, "x", 1, NULL));
        ck_assert_int_eq(weft_stream_read(stream, much, 1, 0), 1);
    }
    ck_assert_uint_eq(stream->class, 0);
    ok(weft_stream_close(stream));
    return weft_close(there);
}

TEST(small_pieces_make_small_buffers)
{
    net_run(main_small);
}

TEST_MAIN("io.stream_direct", 10, close_under_a_reader_that_receives,
          a_cancelled_one_leaves_the_stream_as_it_was, buffers_follow_the_traffic,
          cancelled_before_its_turn, cancelled_between_its_two_waits,
          an_end_or_a_reset_is_said_again, lost_under_a_reader_that_receives,
          small_pieces_make_small_buffers)
