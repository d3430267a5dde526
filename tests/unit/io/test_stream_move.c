/*
 * A stream that cannot be packed, for want of memory, stays where it is and goes on. Would catch
 * bytes lost by a move that failed half-way, a receive or a send that is not begun again, and a
 * descriptor that stays with the reactor that had no memory for the stream.
 */
#include "base/memory.h"
#include "support/gift.h"

enum { TRIES = 40, OUT = 300000 };

static int hears(void *arg)
{
    char bytes[4096];
    uint64_t heard = 0;
    ssize_t n;

    while ((n = weft_recv(*(int *)arg, bytes, sizeof bytes, 0)) > 0)
        heard += (uint64_t)n;
    ck_assert_uint_eq(heard, OUT);
    return 0;
}

/* Detaches, with each allocation of it failing in turn, until it succeeds. How often it failed. */
static int detach_at_last(weft_stream *stream)
{
    for (int fail = 0; fail < TRIES; fail++) {
        int error;
        weft__alloc_fail_after(fail + 1);
        error = weft_stream_detach(stream);
        weft__alloc_fail_after(0);
        if (error == 0)
            return fail;
        ck_assert_int_eq(error, -ENOMEM);
        ck_assert_int_eq(weft_stream_write_nowait(stream, "", 0), 0); /* it is as it was */
    }
    return -1;
}

static int main_no_memory(void *arg)
{
    static char bytes[OUT];
    char text[16] = "";
    int here, there;
    weft_stream *stream;

    (void)arg;
    gift_narrow_pair(&here, &there); /* most of it is still to be sent */
    ok(weft_stream_open(here, NULL, &stream));
    ck_assert_int_eq(weft_stream_write_nowait(stream, bytes, OUT), OUT);
    ok(weft_send_all(there, "to be kept", 10, NULL));
    ok(weft_stream_read_exactly(stream, text, 3, NULL));
    ck_assert_int_ge(detach_at_last(stream), 2); /* for what is held, for what is given */
    ok(weft_stream_attach(stream));
    ok(weft_stream_read_exactly(stream, text + 3, 7, NULL));
    ck_assert_str_eq(text, "to be kept");
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, hears, &there, sizeof there, NULL));
        ok(weft_stream_close(stream));
    }
    return weft_close(there);
}
TEST(no_memory_for_what_is_held)
{
    net_run(main_no_memory);
}

static int syncs(void *arg)
{
    ck_assert_int_eq(weft_fsync(*(int *)arg), -EINVAL); /* but the kernel is asked */
    return 0;
}

static int detaches(void *arg)
{
    ck_assert_int_eq(weft_stream_detach(arg), -EBUSY);
    return 0;
}

/* A call beside the stream has a request under way, not even submitted: it cannot be left behind.
 */
static int main_beside(void *arg)
{
    int here, there;
    weft_stream *stream;
    char byte = 0;

    (void)arg;
    net_pair(&here, &there);
    ok(weft_stream_open(here, NULL, &stream));
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, syncs, &here, sizeof here, NULL));
        ok(weft_spawn(&s, detaches, stream, 0, NULL)); /* next, in the same turn */
    }
    ok(weft_send_all(there, "x", 1, NULL));
    ck_assert_int_eq(weft_stream_read(stream, &byte, 1, 0), 1); /* it goes on */
    ck_assert_int_eq(byte, 'x');
    ok(weft_stream_close(stream));
    return weft_close(there);
}
TEST(a_call_beside_it)
{
    net_run(main_beside);
}

/* A reactor that has had no stream so far makes its pool of buffers first. */
static int attach_in_vain(void *arg)
{
    int error;

    weft__alloc_fail_after(1);
    error = weft_stream_attach(arg);
    weft__alloc_fail_after(0);
    ck_assert_int_eq(error, -ENOMEM);
    return 0;
}

static int main_no_pool(void *arg)
{
    struct weft_spawn_opt far = {.size = sizeof far, .reactor = WEFT_ON(1)};
    int here, there;
    weft_stream *stream;
    char byte;

    (void)arg;
    net_pair(&here, &there);
    ok(weft_stream_open(here, NULL, &stream));
    ok(weft_stream_detach(stream));
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, attach_in_vain, stream, 0, &far));
    }
    ok(weft_stream_attach(stream)); /* the other has not kept the descriptor */
    ok(weft_send_all(there, "x", 1, NULL));
    ck_assert_int_eq(weft_stream_read(stream, &byte, 1, 0), 1);
    ok(weft_stream_close(stream));
    return weft_close(there);
}
TEST(no_memory_where_it_goes)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    ck_assert_int_eq(weft_run(main_no_pool, NULL, 0, &opt), 0);
}

static int close_without_memory(void *arg)
{
    int error;

    weft__alloc_fail_after(1);
    error = weft_stream_close(arg);
    weft__alloc_fail_after(0);
    ck_assert_int_eq(error, 0);
    return 0;
}

static int abort_without_memory(void *arg)
{
    int error;

    weft__alloc_fail_after(1);
    error = weft_stream_abort(arg);
    weft__alloc_fail_after(0);
    ck_assert_int_eq(error, 0);
    return 0;
}

/* Where there is no pool of buffers, and none can be made, a detached stream can be closed all the
   same, and what was written is sent. */
static int main_close(void *arg)
{
    struct weft_spawn_opt far = {.size = sizeof far, .reactor = WEFT_ON(1)};
    const bool *abort = arg;
    int here, there;
    weft_stream *stream;
    char bytes[8] = "";

    net_pair(&here, &there);
    ok(weft_stream_open(here, NULL, &stream));
    ck_assert_int_eq(weft_stream_write_nowait(stream, "all", 3), 3);
    ok(weft_stream_detach(stream));
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, *abort ? abort_without_memory : close_without_memory, stream, 0, &far));
    }
    if (!*abort) {
        ok(weft_recv_exactly(there, bytes, 3, NULL));
        ck_assert_str_eq(bytes, "all");
        ck_assert_int_eq(weft_recv(there, bytes, 1, 0), 0);
    }
    return weft_close(there);
}
TEST(no_memory_to_close_it)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(weft_run(main_close, &(bool){i}, sizeof(bool), &opt), 0);
}

TEST_MAIN("unit.io.stream_move", 30, no_memory_for_what_is_held, a_call_beside_it,
          no_memory_where_it_goes, no_memory_to_close_it)
