/*
 * A stream that cannot be packed, for want of memory, stays where it is and goes on. Would catch
 * bytes lost by a move that failed half-way, and a receive or a send that is not begun again.
 */
#include "base/memory.h"
#include "support/net.h"

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
    net_pair(&here, &there);
    ok(weft_stream_open(here, NULL, &stream));
    ck_assert_int_eq(weft_stream_write_nowait(stream, bytes, OUT), OUT);
    ok(weft_send_all(there, "to be kept", 10, NULL));
    ok(weft_stream_read_exactly(stream, text, 3, NULL));
    ck_assert_int_ge(detach_at_last(stream), 1);
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

TEST_MAIN("unit.io.stream_move", 30, no_memory_for_what_is_held)
