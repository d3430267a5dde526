/*
 * Errors that the headers promise of connections, servers, hand-overs and streams, and that no
 * other test asks for. Would catch one that is told as another, a call that waits where it should
 * refuse, and a simulated kernel that answers otherwise than the machine's.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "errors.h"
#include "sync.h"

#define same(a, b) ck_assert_int_eq((a), (b))

static const struct weft_run_opt two = {.size = sizeof two, .reactors = 2};

static void until_it_waits(weft_task task)
{
    while (strcmp(sync_waits_for(task), "ready") == 0)
        same(weft_yield(), 0);
}

/* -- sockets ----------------------------------------------------------------------------------- */

static int connects(void *arg)
{
    return weft_connect(*(int *)arg, (struct sockaddr *)&the_address, the_length);
}

/* One connects, and another one would with the same descriptor. */
static int connecting_main(void *arg)
{
    int fd = weft_socket(AF_UNIX, SOCK_STREAM, 0);

    (void)arg;
    ok(fd);
    up_full_listener();
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        weft_task task;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
        ok(weft_spawn(&s, connects, &fd, sizeof fd, &opt));
        until_it_waits(task);
        same(weft_connect_until(fd, (struct sockaddr *)&the_address, the_length,
                                weft_after_ns(HOUR)),
             -EBUSY);
        same(weft_cancel(task), 1);
        same(sync_result(task), -ECANCELED);
    }
    same(weft_close(fd), 0);
    end_listener();
    return 0;
}
TEST(connecting)
{
    same(weft_run(connecting_main, NULL, 0, NULL), 0);
}

/* It closes with bytes unread, which is a reset: told once, and then that nobody is there. */
static int sending_main(void *arg)
{
    int here, there;

    (void)arg;
    net_pair(&here, &there);
    same(weft_send_all(here, "unread", 6, NULL), 6);
    ok(weft_poll(there, POLLIN));
    same(weft_close(there), 0);
    while (!(weft_poll(here, POLLIN) & POLLERR))
        same(weft_yield(), 0);
    same(weft_send_until(here, "x", 1, 0, weft_after_ns(HOUR)), -ECONNRESET);
    same(weft_send_until(here, "x", 1, 0, weft_after_ns(HOUR)), -EPIPE);
    return weft_close(here);
}
TEST(sending)
{
    same(weft_run(sending_main, NULL, 0, NULL), 0);
}

/* Nowhere to send to; not given away, as nobody is to be told when it is free again. */
static int nowhere_main(void *arg)
{
    int fd = weft_socket(AF_UNIX, SOCK_DGRAM, 0);

    (void)arg;
    ok(fd);
    same(weft_sendto(fd, "x", 1, 0, NULL, 0), -ENOTCONN);
    same(weft_close(fd), 0);
    up_pair();
    same(weft_send_give_until(ends[0], "x", 1, NULL, NULL, NULL, weft_after_ns(HOUR)), -EINVAL);
    end_pair();
    return 0;
}
TEST(nowhere)
{
    same(weft_run(nowhere_main, NULL, 0, NULL), 0);
}

static int resets_main(void *arg)
{
    char bytes[8];
    struct iovec vector = {bytes, sizeof bytes};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    weft_stream *stream;
    int fd = net_reset_one();

    (void)arg;
    same(weft_recvmsg(fd, &message, 0), -ECONNRESET);
    same(weft_close(fd), 0);
    same(weft_stream_open(net_reset_one(), NULL, &stream), 0);
    same(weft_stream_read_until(stream, "\n", 1, bytes, sizeof bytes, 0), -ECONNRESET);
    return weft_stream_close(stream);
}
TEST(resets)
{
    same(weft_run(resets_main, NULL, 0, NULL), 0);
}

/* To all at once, which a socket has to be allowed first. */
static int broadcasting_main(void *arg)
{
    (void)arg;
    same(weft_datagram_socket(NULL, "127.255.255.255:9", NULL), -EACCES);
    return 0;
}
TEST(broadcasting)
{
    same(weft_run(broadcasting_main, NULL, 0, NULL), 0);
}

/* -- servers ----------------------------------------------------------------------------------- */

static weft_event held, let_go;

/* Is cancelled, and takes its time. */
static int holds(weft_stream *stream, void *arg)
{
    char byte;

    (void)arg;
    same(weft_event_set(&held), 1);
    (void)weft_stream_read(stream, &byte, 1, 0);
    WEFT_SHIELD(weft_after_ns(HOUR)) {
        same(weft_event_wait(&let_go), 0);
    }
    return 0;
}

static int closes(void *arg)
{
    return weft_server_close(*(weft_server **)arg);
}

static int closing_main(void *arg)
{
    weft_server *server;
    char address[32];
    int fd;

    (void)arg;
    held = let_go = (weft_event)WEFT_EVENT_INIT;
    same(weft_start_server(&server, "127.0.0.1:0", holds, NULL, NULL), 0);
    snprintf(address, sizeof address, "127.0.0.1:%d", weft_server_port(server));
    fd = weft_connect_tcp(address, NULL);
    ok(fd);
    same(weft_event_wait(&held), 0);
    WEFT_SCOPE(s) {
        weft_task task;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
        ok(weft_spawn(&s, closes, &server, sizeof server, &opt));
        until_it_waits(task);
        same(weft_server_close(server), -EALREADY);
        ok(weft_event_set(&let_go));
        same(sync_result(task), 0);
    }
    return weft_close(fd);
}
TEST(closing)
{
    same(weft_run(closing_main, NULL, 0, NULL), 0);
}

static int serves(weft_stream *stream, void *arg)
{
    (void)stream, (void)arg;
    return 0;
}

static int starts_by(int fd)
{
    struct weft_server_opt opt = {.size = sizeof opt, .fds = &fd, .fd_count = 1};
    weft_server *server;
    int error = weft_start_server(&server, NULL, serves, NULL, &opt);

    return error < 0 ? error : weft_server_close(server);
}

static int starts_there(void *arg)
{
    same(starts_by(*(int *)arg), -EXDEV);
    return 0;
}

static int waits_for_one(void *arg)
{
    return weft_accept(*(int *)arg, NULL, NULL, 0);
}

/* With a socket that another reactor has; that somebody accepts from. */
static int given_main(void *arg)
{
    int port, fd = net_listen(&port);

    (void)arg;
    same(weft_call(1, starts_there, &fd, sizeof fd), 0);
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        weft_task task;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
        ok(weft_spawn(&s, waits_for_one, &fd, sizeof fd, &opt));
        until_it_waits(task);
        same(starts_by(fd), -EBUSY);
        same(weft_cancel(task), 1);
        same(sync_result(task), -ECANCELED);
    }
    return weft_close(fd); /* the caller's still */
}
TEST(given)
{
    same(weft_run(given_main, NULL, 0, &two), 0);
}

static int no_room_main(void *arg)
{
    struct weft_connection_opt opt = {.size = sizeof opt};
    weft_stream *stream;
    char name[sizeof the_address.sun_path];

    (void)arg;
    up_full_listener();
    the_length = sizeof the_address.sun_family + 1 + strlen(the_address.sun_path + 1);
    end_listener(); /* its name, without the zero bytes behind it */
    the_listener = weft_socket(AF_UNIX, SOCK_STREAM, 0);
    ok(the_listener);
    same(weft_bind(the_listener, (struct sockaddr *)&the_address, the_length), 0);
    same(weft_listen(the_listener, 0), 0);
    same(weft_close(connect_there()), 0);
    snprintf(name, sizeof name, "@%.80s", the_address.sun_path + 1);
    opt.deadline = weft_after_ms(1);
    same(weft_open_unix_connection(name, &opt, &stream), -ETIMEDOUT);
    end_listener();
    return 0;
}
TEST(no_room)
{
    same(weft_run(no_room_main, NULL, 0, NULL), 0);
}

/* -- handing over ------------------------------------------------------------------------------ */

static void up_packets(void)
{
    same(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
}

static int hands(void *arg)
{
    return weft_hand_over(ends[0], arg, 1);
}
static int hands_until(void *arg)
{
    return weft_hand_over_until(ends[0], arg, 1, weft_after_ns(HOUR));
}

/* Its successor says that (NULL: nothing), and is gone. What the call answers. */
static int hands_to_one_that_says(weft_task_fn fn, const char *text)
{
    int port, listener = net_listen(&port), fds[1], result = 0;
    uint32_t count = 1;
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    up_pair();
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        ok(weft_spawn(&s, fn, &listener, sizeof listener, &opt));
        same(weft_take_over(ends[1], fds, &count), 0);
        same(weft_close(fds[0]), 0);
        if (text)
            ok(weft_send_all(ends[1], text, strlen(text), NULL));
        same(weft_shutdown(ends[1], SHUT_WR), 0);
        result = sync_result(task);
    }
    end_pair();
    same(weft_close(listener), 0);
    return result;
}

static int handing_main(void *arg)
{
    static const weft_task_fn both[] = {hands, hands_until};
    int none = 0;

    (void)arg;
    for (int i = 0; i < 2; i++) {
        same(hands_to_one_that_says(both[i], NULL), -ENODATA);
        same(hands_to_one_that_says(both[i], "pardon?"), -EPROTO);
    }
    up_pair();
    same(weft_hand_over_until(ends[0], &none, 0, weft_after_ns(HOUR)), -EINVAL);
    end_pair();
    return 0;
}
TEST(handing)
{
    same(weft_run(handing_main, NULL, 0, NULL), 0);
}

enum { HANDED = 4 };

static int hands_many(void *arg)
{
    const int *fd = arg, fds[HANDED] = {*fd, *fd, *fd, *fd};

    return weft_hand_over(ends[0], fds, HANDED);
}

/* There are no descriptors for them. */
static int taking_main(void *arg)
{
    int port, listener = net_listen(&port), fds[HANDED] = {-1};
    struct rlimit limit, low;
    uint32_t count = HANDED;

    (void)arg;
    up_pair();
    same(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = 3;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        weft_task task = sync_start(&s, hands_many, listener);
        until_it_waits(task);
        same(setrlimit(RLIMIT_NOFILE, &low), 0);
        same(weft_take_over(ends[1], fds, &count), -EMFILE);
        same(setrlimit(RLIMIT_NOFILE, &limit), 0);
        same((int)count, 0);
        same(fds[0], -1);
        same(weft_cancel(task), 1);
        same(sync_result(task), -ECANCELED);
    }
    end_pair();
    return weft_close(listener);
}
TEST(taking)
{
    same(weft_run(taking_main, NULL, 0, NULL), 0);
}

/* Who handed over has gone, and has not read all that it was told. */
static int too_late_main(void *arg)
{
    int port, listener = net_listen(&port), fds[1];
    uint32_t count = 1;

    (void)arg;
    up_packets();
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        weft_task task;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
        ok(weft_spawn(&s, hands, &listener, sizeof listener, &opt));
        same(weft_take_over(ends[1], fds, &count), 0);
        same(weft_cancel(task), 1);
        same(sync_result(task), -ECANCELED);
    }
    same(weft_send(ends[1], "unread", 6, 0), 6);
    same(weft_close(ends[0]), 0);
    while (!(weft_poll(ends[1], POLLIN) & POLLHUP))
        same(weft_yield(), 0);
    same(weft_take_over_done(ends[1]), -ECONNRESET);
    same(weft_close(ends[1]), 0);
    same(weft_close(fds[0]), 0);
    return weft_close(listener);
}
TEST(too_late)
{
    same(weft_run(too_late_main, NULL, 0, NULL), 0);
}

/* -- streams ----------------------------------------------------------------------------------- */

static int closes_stream(void *arg)
{
    (void)arg;
    return weft_stream_close(the_stream);
}

static int aborts_stream(void *arg)
{
    (void)arg;
    same(weft_stream_abort(the_stream), -EXDEV);
    return 0;
}

/* Of another reactor; while it is being closed, which waits for what was given. */
static int aborting_main(void *arg)
{
    char bytes[1];

    (void)arg;
    up_pending_stream();
    same(weft_call(1, aborts_stream, NULL, 0), 0);
    WEFT_SCOPE(s) {
        weft_task task;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
        ok(weft_spawn(&s, closes_stream, NULL, 0, &opt));
        until_it_waits(task);
        same(weft_stream_abort(the_stream), -EALREADY);
        same(weft_stream_close(the_stream), -EALREADY);
        same(weft_cancel(task), 1); /* which ends its wait */
        same(sync_result(task), 0);
    }
    ok(weft_recv(ends[1], bytes, 1, 0));
    return weft_close(ends[1]);
}
TEST(aborting)
{
    same(weft_run(aborting_main, NULL, 0, &two), 0);
}

/* It is closed by another task meanwhile. */
static int splicing_main(void *arg)
{
    (void)arg;
    up_pending_stream();
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        weft_task task;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
        ok(weft_spawn(&s, closes_stream, NULL, 0, &opt));
        until_it_waits(task);
        same(weft_stream_splice(the_stream, the_stream, 1, 0), -EBADF);
        same(weft_cancel(task), 1);
        same(sync_result(task), 0);
    }
    same(weft_close(ends[1]), 0);
    return 0;
}
TEST(splicing)
{
    same(weft_run(splicing_main, NULL, 0, NULL), 0);
}

/* -- what no call knows, and none can do without ------------------------------------------------
 */

enum { UNKNOWN = 1 << 29 };

static int flags_main(void *arg)
{
    char b[8] = "";
    struct iovec vector = {b, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    uint32_t segment;
    int fd;

    (void)arg;
    up_pair();
    fd = ends[0];
    ALL(-EINVAL, weft_recv(fd, b, 1, UNKNOWN), weft_recv_until(fd, b, 1, UNKNOWN, WEFT_NEVER),
        weft_recvfrom(fd, b, 1, UNKNOWN, NULL, NULL), weft_recvmsg(fd, &message, UNKNOWN),
        weft_recv_segments(fd, b, 1, &segment, UNKNOWN, NULL, NULL), weft_send(fd, b, 1, UNKNOWN),
        weft_send_until(fd, b, 1, UNKNOWN, WEFT_NEVER), weft_sendto(fd, b, 1, UNKNOWN, NULL, 0),
        weft_sendmsg(fd, &message, UNKNOWN), weft_accept(fd, NULL, NULL, UNKNOWN),
        weft_accept_until(fd, NULL, NULL, UNKNOWN, WEFT_NEVER), weft_poll(fd, UNKNOWN),
        weft_poll_until(fd, UNKNOWN, WEFT_NEVER),
        weft_recvfrom_nowait(fd, b, 1, UNKNOWN, NULL, NULL),
        weft_sendto_nowait(fd, b, 1, UNKNOWN, NULL, 0), weft_add_reader(fd, NULL, NULL),
        weft_add_writer(fd, NULL, NULL), weft_socket(AF_UNIX, 77, 0),
        weft_socket_nowait(AF_UNIX, 77, 0));
    end_pair();
    return 0;
}
TEST(flags)
{
    same(weft_run(flags_main, NULL, 0, NULL), 0);
}

static void nobody_is_told(void *arg)
{
    (void)arg;
}

static int memory_main(void *arg)
{
    uint32_t segment, count = 1;
    int fd;

    (void)arg;
    up_pair();
    fd = ends[0];
    ALL(-EFAULT, weft_recv(fd, NULL, 1, 0), weft_recv_until(fd, NULL, 1, 0, WEFT_NEVER),
        weft_recv_exactly(fd, NULL, 1, NULL), weft_recvfrom(fd, NULL, 1, 0, NULL, NULL),
        weft_recvmsg(fd, NULL, 0), weft_recv_segments(fd, NULL, 1, &segment, 0, NULL, NULL),
        weft_recv_fds(fd, NULL, 1, &(int){0}, &count), weft_send(fd, NULL, 1, 0),
        weft_send_until(fd, NULL, 1, 0, WEFT_NEVER), weft_send_all(fd, NULL, 1, NULL),
        weft_send_all_until(fd, NULL, 1, NULL, WEFT_NEVER),
        weft_send_give(fd, NULL, 1, NULL, nobody_is_told, NULL),
        weft_send_give_until(fd, NULL, 1, NULL, nobody_is_told, NULL, WEFT_NEVER),
        weft_sendto(fd, NULL, 1, 0, NULL, 0), weft_sendmsg(fd, NULL, 0),
        weft_send_segments(fd, NULL, 1, 1, NULL, 0, NULL), weft_send_fds(fd, NULL, 1, &fd, 1),
        weft_recvfrom_nowait(fd, NULL, 1, 0, NULL, NULL),
        weft_sendto_nowait(fd, NULL, 1, 0, NULL, 0), weft_read(fd, NULL, 1),
        weft_write(fd, NULL, 1), weft_read_exactly(fd, NULL, 1, NULL),
        weft_write_all(fd, NULL, 1, NULL));
    end_pair();
    return 0;
}
TEST(memory)
{
    same(weft_run(memory_main, NULL, 0, NULL), 0);
}

static int streams_main(void *arg)
{
    char b[8];
    const void *data;
    weft_stream *stream;
    size_t size;

    (void)arg;
    up_pair();
    same(weft_stream_open(ends[0], NULL, &stream), 0);
    ALL(-EINVAL, weft_stream_read(stream, b, 1, UNKNOWN),
        weft_stream_read_until_time(stream, b, 1, UNKNOWN, WEFT_NEVER),
        weft_stream_read_until(stream, "x", 1, b, 1, UNKNOWN),
        weft_stream_read_line(stream, b, 8, UNKNOWN),
        weft_stream_peek(stream, &data, &size, UNKNOWN),
        weft_stream_splice(stream, stream, 1, UNKNOWN));
    ALL(-EFAULT, weft_stream_read(stream, NULL, 1, 0),
        weft_stream_read_until_time(stream, NULL, 1, 0, WEFT_NEVER),
        weft_stream_read_exactly(stream, NULL, 1, NULL),
        weft_stream_read_until(stream, "x", 1, NULL, 1, 0),
        weft_stream_read_line(stream, NULL, 8, 0), weft_stream_write(stream, NULL, 1, NULL),
        weft_stream_writev(stream, NULL, 1, NULL),
        weft_stream_write_give(stream, NULL, 1, NULL, nobody_is_told, NULL),
        weft_stream_write_nowait(stream, NULL, 1));
    same(weft_stream_close(stream), 0);
    return weft_close(ends[1]);
}
TEST(streams)
{
    same(weft_run(streams_main, NULL, 0, NULL), 0);
}

TEST_MAIN("errors_net", 60, connecting, sending, nowhere, resets, broadcasting, closing, given,
          no_room, handing, taking, too_late, aborting, splicing, flags, memory, streams)
