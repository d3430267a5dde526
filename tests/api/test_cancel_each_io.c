/*
 * Every wait for the kernel, cancelled at each moment: cancel_each.h. Would catch bytes,
 * connections and signals that are lost with a cancelled wait, one that is not ended, and one whose
 * descriptor, stream or process is of no use to who comes next.
 *
 * Not here: weft_close, weft_stream_close, weft_process_close and weft_signals_close, which nothing
 * cancels. What moves several pieces and counts them (the _all and _exactly forms, sendfile) has
 * had an effect when it is cancelled: net_cancel, stream_write, splice. What is done by a disk or a
 * worker of the pool (files, starting a program, names) runs to its end: file_cancel, process,
 * names. Datagrams are sent at once or refused. Servers wait for tasks: server. Of "completed and
 * not yet seen" each cell is here, but the kernel may be late with it: then the cancellation won.
 */
#include "cancel_each.h"

#include "blocked.h"

static int wait_select(weft_case one)
{
    weft_case cases[] = {weft_case_until(WEFT_NEVER), one};
    int won = weft_select(cases, 2, 0);

    return won == 1 ? (int)cases[1].result : won;
}

/* -- bytes to come ---------------------------------------------------------------------------- */

static int wait_recv(void)
{
    char byte = 0;

    return (int)weft_recv(ends[1], &byte, 1, 0);
}
static int wait_recv_until(void)
{
    char byte = 0;

    return (int)weft_recv_until(ends[1], &byte, 1, 0, weft_after_ns(HOUR));
}
static int wait_recv_exactly(void)
{
    char byte = 0;

    return (int)weft_recv_exactly(ends[1], &byte, 1, NULL);
}
static int wait_recvfrom(void)
{
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    char byte = 0;

    return (int)weft_recvfrom(ends[1], &byte, 1, 0, (struct sockaddr *)&from, &length);
}
static int wait_recvmsg(void)
{
    char byte = 0;
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};

    return (int)weft_recvmsg(ends[1], &message, 0);
}
static int wait_recv_fds(void)
{
    uint32_t count = 1;
    char byte = 0;
    int fd;

    return (int)weft_recv_fds(ends[1], &byte, 1, &fd, &count);
}
static int wait_read(void)
{
    char byte = 0;

    return (int)weft_read(ends[0], &byte, 1);
}
static int wait_poll(void)
{
    return weft_poll(ends[1], POLLIN);
}
static int wait_poll_until(void)
{
    return weft_poll_until(ends[1], POLLIN, weft_after_ns(HOUR));
}
static int wait_select_recv(void)
{
    char byte = 0;

    return wait_select(weft_case_recv(ends[1], &byte, 1, 0));
}

/* -- room to come ----------------------------------------------------------------------------- */

static int wait_send(void)
{
    return (int)weft_send(ends[0], "x", 1, 0);
}
static int wait_send_until(void)
{
    return (int)weft_send_until(ends[0], "x", 1, 0, weft_after_ns(HOUR));
}
static int wait_send_all(void)
{
    return (int)weft_send_all(ends[0], "x", 1, NULL);
}
static int wait_sendmsg(void)
{
    struct iovec vector = {"x", 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};

    return (int)weft_sendmsg(ends[0], &message, 0);
}
static int wait_write(void)
{
    return (int)weft_write(ends[1], "x", 1);
}
static int wait_poll_out(void)
{
    return weft_poll(ends[0], POLLOUT);
}
static int wait_select_send(void)
{
    return wait_select(weft_case_send(ends[0], "x", 1, 0));
}

/* -- from pipe to pipe ------------------------------------------------------------------------ */

static int wait_splice(void)
{
    return (int)weft_splice(ends[0], NULL, others[1], NULL, 1, 0);
}
static int wait_tee(void)
{
    return (int)weft_tee(ends[0], others[1], 1, 0);
}

/* -- connections ------------------------------------------------------------------------------ */

static int then_close(int fd)
{
    return fd < 0 ? fd : weft_close(fd);
}
static int wait_accept(void)
{
    return then_close(weft_accept(the_listener, NULL, NULL, 0));
}
static int wait_accept_until(void)
{
    return then_close(weft_accept_until(the_listener, NULL, NULL, 0, weft_after_ns(HOUR)));
}
static int wait_select_accept(void)
{
    int fd = wait_select(weft_case_accept(the_listener, 0));

    return then_close(fd);
}
static int connects(int (*connect_it)(int fd))
{
    int fd = weft_socket(AF_UNIX, SOCK_STREAM, 0), result;

    ok(fd);
    result = connect_it(fd);
    is(weft_close(fd), 0);
    return result;
}
static int plainly(int fd)
{
    return weft_connect(fd, (struct sockaddr *)&the_address, the_length);
}
static int until(int fd)
{
    return weft_connect_until(fd, (struct sockaddr *)&the_address, the_length, weft_after_ns(HOUR));
}
static int by_select(int fd)
{
    return wait_select(weft_case_connect(fd, (struct sockaddr *)&the_address, the_length));
}
static int wait_connect(void)
{
    return connects(plainly);
}
static int wait_connect_until(void)
{
    return connects(until);
}
static int wait_select_connect(void)
{
    return connects(by_select);
}
/* "unix:@name"; from 5 on the path. */
static char *address_there(void)
{
    static char text[sizeof the_address.sun_path + 6];

    snprintf(text, sizeof text, "unix:@%.100s", the_address.sun_path + 1);
    return text;
}
static int wait_connect_tcp(void)
{
    return then_close(weft_connect_tcp(address_there(), NULL));
}
static int then_close_stream(int error, weft_stream *stream)
{
    return error < 0 ? error : weft_stream_close(stream);
}
static int wait_open_connection(void)
{
    weft_stream *stream;
    int error = weft_open_connection(address_there(), NULL, &stream);

    return then_close_stream(error, stream);
}
static int wait_open_connection_until(void)
{
    struct weft_connection_opt opt = {.size = sizeof opt, .deadline = weft_after_ns(HOUR)};
    weft_stream *stream;
    int error = weft_open_connection(address_there(), &opt, &stream);

    return then_close_stream(error, stream);
}
static int wait_open_unix_connection(void)
{
    weft_stream *stream;
    int error = weft_open_unix_connection(address_there() + 5, NULL, &stream);

    return then_close_stream(error, stream);
}

/* -- streams ---------------------------------------------------------------------------------- */

static int wait_stream_read(void)
{
    char byte = 0;

    return (int)weft_stream_read(the_stream, &byte, 1, 0);
}
static int wait_stream_until(void)
{
    char byte = 0;

    return (int)weft_stream_read_until_time(the_stream, &byte, 1, 0, weft_after_ns(HOUR));
}
static int wait_stream_exactly(void)
{
    char byte = 0;

    return (int)weft_stream_read_exactly(the_stream, &byte, 1, NULL);
}
static int wait_line(void)
{
    char line[8] = "";
    int result = (int)weft_stream_read_line(the_stream, line, sizeof line, 0);

    ck_assert_str_eq(line, result == 2 ? "x\n" : "");
    return result;
}
static int wait_peek(void)
{
    const void *data;
    size_t size = 0;
    int result = weft_stream_peek(the_stream, &data, &size, 0);

    if (result == 1)
        is(weft_stream_consume(the_stream, 1), 0);
    return result;
}
static int wait_select_stream(void)
{
    char byte = 0;

    return wait_select(weft_case_stream_read(the_stream, &byte, 1, 0));
}
static int wait_stream_write(void)
{
    return (int)weft_stream_write(the_stream, "x", 1, NULL);
}
static int wait_drain(void)
{
    return weft_stream_drain(the_stream);
}

/* -- processes, signals ----------------------------------------------------------------------- */

static int wait_process(void)
{
    struct weft_process_status status = {0};
    int result = weft_process_wait(the_process, &status);

    return result == 0 ? status.signal : result;
}
static int wait_communicate(void)
{
    struct weft_process_output output = {.limit = 0};
    struct weft_process_status status = {0};
    int result = weft_process_communicate(the_process, NULL, 0, &output, &status);

    is(weft_process_output_free(&output), 0);
    return result == 0 ? status.signal : result;
}
static int wait_select_process(void)
{
    struct weft_process_status status = {0};
    int result = wait_select(weft_case_process(the_process, &status));

    return result == 0 ? status.signal : result;
}
static int wait_signals(void)
{
    return weft_signals_wait(the_signals, NULL);
}
static int wait_signal(void)
{
    return weft_signal_wait(SIGUSR1, NULL);
}
static int wait_select_signals(void)
{
    return wait_select(weft_case_signals(the_signals, NULL));
}

/* -- what happens to files -------------------------------------------------------------------- */

static int wait_watch(void)
{
    return weft_watch_next(the_watch, NULL, 0);
}
static int wait_select_watch(void)
{
    return wait_select(weft_case_watch(the_watch, NULL, 0));
}

/* -- the table -------------------------------------------------------------------------------- */

/* clang-format off */
static const struct kind kinds[] = {
    {"recv", up_pair, wait_recv, complete_bytes, end_pair, 1, LATE},
    {"recv_until", up_pair, wait_recv_until, complete_bytes, end_pair, 1, LATE},
    {"recv_exactly", up_pair, wait_recv_exactly, complete_bytes, end_pair, 1, LATE},
    {"recvfrom", up_datagrams, wait_recvfrom, complete_bytes, end_pair, 1, LATE},
    {"recvmsg", up_datagrams, wait_recvmsg, complete_bytes, end_pair, 1, LATE},
    {"recv_fds", up_pair, wait_recv_fds, complete_bytes, end_pair, 1, LATE},
    {"read_pipe", up_pipe, wait_read, complete_pipe, end_pair, 1, LATE},
    {"poll", up_pair, wait_poll, complete_bytes, end_pair, POLLIN, LATE},
    {"poll_until", up_pair, wait_poll_until, complete_bytes, end_pair, POLLIN, LATE},
    {"select_recv", up_pair, wait_select_recv, complete_bytes, end_pair, 1, LATE},
    {"send", up_full_pair, wait_send, complete_room, end_pair, 1, LATE},
    {"send_until", up_full_pair, wait_send_until, complete_room, end_pair, 1, LATE},
    {"send_all", up_full_pair, wait_send_all, complete_room, end_pair, 1, LATE},
    {"sendmsg", up_full_pair, wait_sendmsg, complete_room, end_pair, 1, LATE},
    {"write_pipe", up_full_pipe, wait_write, complete_pipe_room, end_pair, 1, LATE},
    {"poll_out", up_full_pair, wait_poll_out, complete_room, end_pair, POLLOUT, LATE},
    {"select_send", up_full_pair, wait_select_send, complete_room, end_pair, 1, LATE},
    {"splice", up_pipes, wait_splice, complete_pipe, end_pipes, 1, LATE},
    {"tee", up_pipes, wait_tee, complete_pipe, end_pipes, 1, LATE},
    {"accept", up_listener, wait_accept, complete_accept, end_listener, 0, LATE},
    {"accept_until", up_listener, wait_accept_until, complete_accept, end_listener, 0, LATE},
    {"select_accept", up_listener, wait_select_accept, complete_accept, end_listener, 0, LATE},
    {"connect", up_full_listener, wait_connect, complete_connect, end_listener, 0, LATE},
    {"connect_until", up_full_listener, wait_connect_until, complete_connect,
     end_listener, 0, LATE},
    {"select_connect", up_full_listener, wait_select_connect, complete_connect,
     end_listener, 0, LATE},
    {"connect_tcp", up_full_listener, wait_connect_tcp, complete_connect, end_listener, 0, LATE},
    {"open_connection", up_full_listener, wait_open_connection, complete_connect,
     end_listener, 0, LATE},
    {"open_connection_until", up_full_listener, wait_open_connection_until, complete_connect,
     end_listener, 0, LATE},
    {"open_unix_connection", up_full_listener, wait_open_unix_connection, complete_connect,
     end_listener, 0, LATE},
    {"stream_read", up_stream, wait_stream_read, complete_bytes, end_stream, 1, LATE},
    {"stream_read_until_time", up_stream, wait_stream_until, complete_bytes, end_stream, 1, LATE},
    {"stream_read_exactly", up_stream, wait_stream_exactly, complete_bytes, end_stream, 1, LATE},
    {"stream_read_line", up_stream, wait_line, complete_line, end_stream, 2, LATE},
    {"stream_peek", up_stream, wait_peek, complete_bytes, end_stream, 1, LATE},
    {"select_stream", up_stream, wait_select_stream, complete_bytes, end_stream, 1, LATE},
    {"stream_write", up_full_stream, wait_stream_write, complete_room, end_full_stream, 1, LATE},
    {"stream_drain", up_pending_stream, wait_drain, complete_room, end_full_stream, 0, LATE},
    {"process", up_process, wait_process, complete_process, end_process, SIGKILL, LATE},
    {"communicate", up_process, wait_communicate, complete_process, end_process, SIGKILL, LATE},
    {"select_process", up_process, wait_select_process, complete_process,
     end_process, SIGKILL, LATE},
    {"signals", up_signals, wait_signals, complete_signals, end_signals, SIGUSR1, LATE},
    {"signal", nothing, wait_signal, complete_signals, nothing, SIGUSR1, LATE},
    {"select_signals", up_signals, wait_select_signals, complete_signals,
     end_signals, SIGUSR1, LATE},
    {"watch", up_watch, wait_watch, complete_watch, end_watch, 0, LATE},
    {"select_watch", up_watch, wait_select_watch, complete_watch, end_watch, 0, LATE},
};
/* clang-format on */
AT_EACH_MOMENT(kinds, 1)

TEST_MAIN("cancel_each_io", 60, before, in_flight, completed_and_not_seen, from_another_core,
          too_late, timed_out)
