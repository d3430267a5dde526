/*
 * Operations that have to wait: for each a set-up in which it does, what ends the wait, and what
 * takes it all down again. Shared by those who cancel such waits and those who select over them.
 * On one reactor, one set-up at a time. Ending a wait twice does no harm.
 */
#ifndef WEFT_TESTS_API_BLOCKED_H
#define WEFT_TESTS_API_BLOCKED_H

#include <fcntl.h>
#include <signal.h>

#include "support/child.h"
#include "support/net.h"

#define blocked_is(expression, value) ck_assert_int_eq((expression), (value))

static int ends[2], others[2]; /* of a pair of sockets, or of a pipe; and of another one */
static int the_listener;
static struct sockaddr_un the_address;
static socklen_t the_length;
static weft_stream *the_stream;
static weft_process *the_process;
static weft_signals *the_signals;
static weft_watch *the_watch;

/* -- bytes to come ---------------------------------------------------------------------------- */

static inline void up_pair(void)
{
    blocked_is(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}
/* A byte for who reads ends[1]. */
static inline void complete_bytes(void)
{
    blocked_is(weft_send(ends[0], "x", 1, 0), 1);
}
static inline void complete_line(void)
{
    blocked_is(weft_send_all(ends[0], "x\n", 2, NULL), 2);
}
static inline void end_pair(void)
{
    blocked_is(weft_close(ends[0]), 0);
    blocked_is(weft_close(ends[1]), 0);
}

/* Reads from ends[0], writes to ends[1]. */
static inline void up_pipe(void)
{
    blocked_is(weft_pipe(ends, 0), 0);
}
static inline void complete_pipe(void)
{
    blocked_is(weft_write(ends[1], "x", 1), 1);
}
static inline void up_pipes(void)
{
    up_pipe();
    blocked_is(weft_pipe(others, 0), 0);
}
static inline void end_pipes(void)
{
    end_pair();
    blocked_is(weft_close(others[0]), 0);
    blocked_is(weft_close(others[1]), 0);
}

/* UDP, from ends[0] to ends[1]. */
static inline void up_datagrams(void)
{
    char text[32];

    ends[1] = weft_datagram_socket("127.0.0.1:0", NULL, NULL);
    ok(ends[1]);
    snprintf(text, sizeof text, "127.0.0.1:%d", weft_local_port(ends[1]));
    ends[0] = weft_datagram_socket(NULL, text, NULL);
    ok(ends[0]);
}

/* -- room to come ----------------------------------------------------------------------------- */

/* Until no more goes; a rough kernel says so too early. */
static inline void fill_socket(int fd)
{
    static char bytes[1 << 14];

    do {
        while (weft_send(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
            ;
        if (net_is_rough())
            blocked_is(weft_sleep(INT64_C(2000000000)), 0);
    } while (weft_send(fd, bytes, 1, MSG_DONTWAIT) > 0);
}
/* ends[0] takes nothing more. */
static inline void up_full_pair(void)
{
    up_pair();
    fill_socket(ends[0]);
}
static inline void complete_room(void)
{
    static char bytes[1 << 14];

    while (weft_recv(ends[1], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
}
/* Now, without waiting: not a matter of how busy the machine is. */
static inline bool is_ready(int fd, short events)
{
    struct pollfd one = {.fd = fd, .events = events};

    return poll(&one, 1, 0) == 1 && one.revents & events;
}
/* What goes within a moment. */
static inline ssize_t write_soon(const void *bytes, size_t size)
{
    weft_scope scope;
    ssize_t n;

    blocked_is(weft_timeout(&scope, net_is_rough() ? INT64_C(2000000000) : 1000000), 0);
    n = weft_write(ends[1], bytes, size);
    (void)weft_scope_close(&scope);
    return n;
}
/* Up to PIPE_BUF bytes go as long as it is said to be writable; then what a page may have left. */
static inline void up_full_pipe(void)
{
    static const char bytes[4096];

    up_pipe();
    while (is_ready(ends[1], POLLOUT))
        ok(weft_write(ends[1], bytes, sizeof bytes));
    while (write_soon(bytes, 1) > 0)
        ;
}
static inline void complete_pipe_room(void)
{
    static char bytes[1 << 14];

    while (is_ready(ends[0], POLLIN))
        ok(weft_read(ends[0], bytes, sizeof bytes));
}

/* -- connections ------------------------------------------------------------------------------ */

static inline void up_listener(void)
{
    static int count;

    the_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(the_address.sun_path + 1, sizeof the_address.sun_path - 1, "weft-blocked-%d-%d",
             (int)getpid(), count++);
    the_length = (socklen_t)(sizeof the_address.sun_family + 1 + strlen(the_address.sun_path + 1));
    the_listener = weft_socket(AF_UNIX, SOCK_STREAM, 0);
    ok(the_listener);
    blocked_is(weft_bind(the_listener, (struct sockaddr *)&the_address, the_length), 0);
    blocked_is(weft_listen(the_listener, 0), 0);
}
static inline int connect_there(void)
{
    int fd = weft_socket(AF_UNIX, SOCK_STREAM, 0);

    ok(fd);
    blocked_is(weft_connect(fd, (struct sockaddr *)&the_address, the_length), 0);
    return fd;
}
/* Somebody comes, and goes. */
static inline void complete_accept(void)
{
    blocked_is(weft_close(connect_there()), 0);
}
/* Its queue is full: who connects waits for room. */
static inline void up_full_listener(void)
{
    up_listener();
    blocked_is(weft_close(connect_there()), 0);
}
static inline void complete_connect(void)
{
    int fd = weft_accept(the_listener, NULL, NULL, 0);

    ok(fd);
    blocked_is(weft_close(fd), 0);
}
static inline void end_listener(void)
{
    blocked_is(weft_close(the_listener), 0);
}

/* -- streams ---------------------------------------------------------------------------------- */

/* On ends[1], to be read from. */
static inline void up_stream(void)
{
    up_pair();
    blocked_is(weft_stream_open(ends[1], NULL, &the_stream), 0);
}
static inline void end_stream(void)
{
    blocked_is(weft_stream_abort(the_stream), 0);
    blocked_is(weft_close(ends[0]), 0);
}
/* On ends[0], which takes nothing more. */
static inline void up_full_stream(void)
{
    up_full_pair();
    blocked_is(weft_stream_open(ends[0], NULL, &the_stream), 0);
}
static inline void end_full_stream(void)
{
    blocked_is(weft_stream_abort(the_stream), 0);
    blocked_is(weft_close(ends[1]), 0);
}
static inline void up_pending_stream(void)
{
    up_full_stream();
    blocked_is(weft_stream_write_nowait(the_stream, "pending", 7), 7);
}

/* -- processes, signals ----------------------------------------------------------------------- */

static inline void up_process(void)
{
    struct weft_process_opt opt = {.size = sizeof opt, .out = WEFT_PIPE};

    child_ready();
    blocked_is(weft_create_subprocess_exec(CHILD_ARGS("sleep"), &opt, &the_process), 0);
}
static inline void complete_process(void)
{
    int result = weft_process_kill(the_process);

    ck_assert(result == 0 || result == -ESRCH);
}
static inline void end_process(void)
{
    complete_process();
    blocked_is(weft_process_close(the_process), 0);
}

/* Where weft-sim is linked, and nowhere else. */
extern __typeof__(weft_sim_signal) weft_sim_signal __attribute__((weak));

static inline void up_signals(void)
{
    static const int number = SIGUSR1;

    blocked_is(weft_signals_open(&number, 1, &the_signals), 0);
}
static inline void complete_signals(void)
{
    blocked_is(weft_sim_signal ? weft_sim_signal(SIGUSR1, 0) : kill(getpid(), SIGUSR1), 0);
}
static inline void end_signals(void)
{
    blocked_is(weft_signals_close(the_signals), 0);
}

/* -- what happens to files -------------------------------------------------------------------- */

static inline const char *in_watched(const char *name)
{
    static char path[64];

    snprintf(path, sizeof path, "/tmp/weft-blocked.%d%s", (int)getpid(), name);
    return path;
}
/* Of a directory that is empty. */
static inline void up_watch(void)
{
    blocked_is(weft_mkdirat(AT_FDCWD, in_watched(""), 0700), 0);
    blocked_is(weft_watch_open(&the_watch), 0);
    ck_assert_int_gt(weft_watch_add(the_watch, in_watched(""), WEFT_WATCH_CREATED), 0);
}
/* Something comes, is told, and goes. */
static inline void complete_watch(void)
{
    blocked_is(weft_mkdirat(AT_FDCWD, in_watched("/x"), 0700), 0);
    blocked_is(weft_unlinkat(AT_FDCWD, in_watched("/x"), AT_REMOVEDIR), 0);
}
static inline void end_watch(void)
{
    blocked_is(weft_watch_close(the_watch), 0);
    blocked_is(weft_unlinkat(AT_FDCWD, in_watched(""), AT_REMOVEDIR), 0);
}

#endif
