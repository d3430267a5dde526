/*
 * More waits for the kernel and for others, cancelled at each moment: cancel_each.h. Would catch a
 * wake-up, a child's end, a listener or bytes that are lost with a cancelled wait, and one whose
 * word, server or channel is of no use to who comes next.
 *
 * Not here: weft_hand_over and weft_server_drain, which have had an effect when they are cancelled:
 * handover, server. A server that closes is waited for to its end. Children that somebody else has
 * started are not to be had on both kernels: waitid.
 */
#include <linux/futex.h>

#include "blocked.h"
#include "cancel_each.h"

/* -- bytes and room to come -------------------------------------------------------------------- */

static int wait_readv(void)
{
    char byte = 0;

    return (int)weft_readv(ends[0], &(struct iovec){&byte, 1}, 1);
}
static int wait_read_exactly(void)
{
    char byte = 0;

    return (int)weft_read_exactly(ends[0], &byte, 1, NULL);
}
static int wait_writev(void)
{
    return (int)weft_writev(ends[1], &(struct iovec){"x", 1}, 1);
}
static int wait_write_all(void)
{
    return (int)weft_write_all(ends[1], "x", 1, NULL);
}
static int wait_readv_exactly(void)
{
    char byte = 0;

    return (int)weft_readv_exactly(ends[0], &(struct iovec){&byte, 1}, 1, NULL);
}
static int wait_writev_all(void)
{
    return (int)weft_writev_all(ends[1], &(struct iovec){"x", 1}, 1, NULL);
}
static int wait_sendto(void)
{
    return (int)weft_sendto(ends[0], "x", 1, 0, NULL, 0);
}
static int wait_send_fds(void)
{
    return (int)weft_send_fds(ends[0], "x", 1, &ends[1], 1);
}
static int wait_stream_until(void)
{
    char line[8];

    return (int)weft_stream_read_until(the_stream, "\n", 1, line, sizeof line, 0);
}
static int wait_stream_writev(void)
{
    return (int)weft_stream_writev(the_stream, &(struct iovec){"x", 1}, 1, NULL);
}
static int wait_segments(void)
{
    uint32_t segment = 0;
    char bytes[64];
    int result = (int)weft_recv_segments(ends[1], bytes, sizeof bytes, &segment, 0, NULL, NULL);

    is((int)segment, result < 0 ? 0 : result);
    return result;
}

/* -- a word of memory -------------------------------------------------------------------------- */

static uint32_t word;

static int wait_futex(void)
{
    return weft_futex_wait(&word, 0, FUTEX_PRIVATE_FLAG);
}
static int wait_futex_until(void)
{
    return weft_futex_wait_until(&word, 0, FUTEX_PRIVATE_FLAG, weft_after_ns(HOUR));
}
/* Where a thread waits in the task's place it may not be there yet. */
static void complete_futex(void)
{
    while (weft_futex_wake(&word, 1, FUTEX_PRIVATE_FLAG) == 0)
        is(weft_sleep(100000), 0);
}

/* -- servers ----------------------------------------------------------------------------------- */

static weft_server *the_server;

static int nobody_comes(weft_stream *stream, void *arg)
{
    (void)stream;
    (void)arg;
    return 0;
}
static void up_server(void)
{
    is(weft_start_server(&the_server, "127.0.0.1:0", nobody_comes, NULL, NULL), 0);
}
static int wait_server(void)
{
    return weft_server_wait(the_server);
}
static void complete_server(void)
{
    is(weft_server_drain(the_server, weft_after_ns(HOUR), WEFT_NEVER), 0);
}
static void end_server(void)
{
    is(weft_server_close(the_server), 0);
}

/* -- a listener that is handed over ------------------------------------------------------------ */

static void up_channel(void)
{
    up_listener();
    up_pair();
}
static int wait_take_over(void)
{
    uint32_t count = 1;
    int fd, result = weft_take_over(ends[1], &fd, &count);

    if (result == 0)
        is(weft_close(fd), 0);
    return result;
}
/* Nobody says that it serves: ends with the channel, or because an earlier one still waits. */
static int hands_over(void *arg)
{
    (void)arg;
    ck_assert_int_lt(weft_hand_over(ends[0], &the_listener, 1), 0);
    return 0;
}
static void complete_take_over(void)
{
    is(weft_spawn(weft_root(), hands_over, NULL, 0, NULL), 0);
    for (int i = 0; i < 5; i++)
        is(weft_yield(), 0);
}
static void end_channel(void)
{
    end_pair();
    end_listener();
}

/* -- bytes of a file --------------------------------------------------------------------------- */

static void up_files(void)
{
    char path[64];

    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "/tmp/weft-copied.%d.%d", (int)getpid(), i);
        ends[i] = weft_openat(AT_FDCWD, path, O_RDWR | O_CREAT, 0600);
        ck_assert_int_ge(ends[i], 0);
        is(weft_unlinkat(AT_FDCWD, path, 0), 0);
    }
    is((int)weft_pwrite_all(ends[0], "bytes", 5, 0, NULL), 5);
}
/* All of them or some; the offsets say how many. */
static int wait_copy(void)
{
    off_t in = 0, out = 0;
    int result = (int)weft_copy_file_range(ends[0], &in, ends[1], &out, 5, 0);

    is((int)in, result > 0 ? result : 0);
    is((int)out, (int)in);
    return result > 0 ? 1 : result;
}

/* -- the table --------------------------------------------------------------------------------- */

static const struct kind kinds[] = {
    {"readv", up_pipe, wait_readv, complete_pipe, end_pair, 1, LATE},
    {"read_exactly", up_pipe, wait_read_exactly, complete_pipe, end_pair, 1, LATE},
    {"writev", up_full_pipe, wait_writev, complete_pipe_room, end_pair, 1, LATE},
    {"write_all", up_full_pipe, wait_write_all, complete_pipe_room, end_pair, 1, LATE},
    {"readv_exactly", up_pipe, wait_readv_exactly, complete_pipe, end_pair, 1, LATE},
    {"writev_all", up_full_pipe, wait_writev_all, complete_pipe_room, end_pair, 1, LATE},
    {"sendto", up_full_pair, wait_sendto, complete_room, end_pair, 1, LATE},
    {"send_fds", up_full_pair, wait_send_fds, complete_room, end_pair, 1, LATE},
    {"stream_read_until", up_stream, wait_stream_until, complete_line, end_stream, 2, LATE},
    {"stream_writev", up_full_stream, wait_stream_writev, complete_room, end_full_stream, 1, LATE},
    {"recv_segments", up_datagrams, wait_segments, complete_bytes, end_pair, 1, LATE},
    {"copy_file_range", up_files, wait_copy, nothing, end_pair, 1, LATE | RUNS},
    {"futex_wait", nothing, wait_futex, complete_futex, nothing, 0, LATE},
    {"futex_wait_until", nothing, wait_futex_until, complete_futex, nothing, 0, LATE},
    {"server_wait", up_server, wait_server, complete_server, end_server, 0, LATE},
    {"take_over", up_channel, wait_take_over, complete_take_over, end_channel, 0, LATE},
};

AT_EACH_MOMENT(kinds, 1)

TEST_MAIN("cancel_each_more", 60, before, in_flight, completed_and_not_seen, from_another_core,
          too_late, timed_out)
