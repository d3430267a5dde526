/*
 * What each call that opens something answers: connections, servers, endpoints, processes. Where
 * nobody is, where somebody is, in time and too late, where there are no descriptors, in a scope
 * that drains, and in a task that is cancelled. Would catch a call that is made of others and loses
 * what one of them says, or leaves half of what it began behind.
 */
#include <sys/resource.h>

#include "errors.h"
#include "support/name.h"
#include "sync.h"

static const struct weft_protocol protocol = {.size = sizeof protocol};
static const struct weft_datagram_protocol datagrams = {.size = sizeof datagrams};
static weft_stream *stream;
static weft_transport *transport;
static weft_server *server;
static weft_endpoint *endpoint;

static int serves(weft_stream *one, void *arg)
{
    (void)one, (void)arg;
    return 0;
}

/* A port of 127.0.0.1 where nobody listens, held by *fd. */
static const char *nobody(int *fd)
{
    static char text[32];
    struct sockaddr_in address = net_loopback(0);

    *fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    ok(*fd);
    same(weft_bind(*fd, (struct sockaddr *)&address, sizeof address), 0);
    snprintf(text, sizeof text, "127.0.0.1:%d", weft_local_port(*fd));
    return text;
}

/* -- connections ------------------------------------------------------------------------------- */

static int connecting_main(void *arg)
{
    char none[128], much[256] = "unix:/tmp/";
    int held;
    const char *text = nobody(&held), *name = own_name("unix:@weft-errors-open");

    (void)arg;
    ALL(-ECONNREFUSED, weft_connect_tcp(text, NULL), weft_open_connection(text, NULL, &stream),
        weft_create_connection(text, &protocol, NULL, NULL, &transport),
        weft_connect_tcp(name, NULL), weft_open_connection(name, NULL, &stream),
        weft_open_unix_connection(name + 5, NULL, &stream),
        weft_create_unix_connection(name + 5, &protocol, NULL, NULL, &transport),
        weft_datagram_socket(NULL, name, NULL),
        weft_create_datagram_endpoint(&endpoint, NULL, name, &datagrams, NULL, NULL));
    snprintf(none, sizeof none, "unix:%s/none", folder_path);
    ALL(-ENOENT, weft_connect_tcp(none, NULL), weft_open_connection(none, NULL, &stream),
        weft_open_unix_connection(none + 5, NULL, &stream),
        weft_create_unix_connection(none + 5, &protocol, NULL, NULL, &transport),
        weft_datagram_socket(NULL, none, NULL),
        weft_create_datagram_endpoint(&endpoint, NULL, none, &datagrams, NULL, NULL));
    memset(much + 10, 'x', sizeof much - 11);
    ALL(-ENAMETOOLONG, weft_connect_tcp(much, NULL), weft_open_connection(much, NULL, &stream),
        weft_open_unix_connection(much + 5, NULL, &stream),
        weft_create_unix_connection(much + 5, &protocol, NULL, NULL, &transport),
        weft_listen_tcp(much, NULL), weft_start_server(&server, much, serves, NULL, NULL),
        weft_start_unix_server(&server, much + 5, serves, NULL, NULL),
        weft_create_server(&server, much, &protocol, NULL, NULL),
        weft_create_unix_server(&server, much + 5, &protocol, NULL, NULL),
        weft_create_datagram_endpoint(&endpoint, much, NULL, &datagrams, NULL, NULL));
    ALL(-EINVAL, weft_connect_tcp("localhost:80", NULL),
        weft_open_connection("localhost:80", NULL, &stream),
        weft_create_connection("localhost:80", &protocol, NULL, NULL, &transport),
        weft_start_server(&server, "localhost:80", serves, NULL, NULL),
        weft_create_server(&server, "localhost:80", &protocol, NULL, NULL));
    return weft_close(held);
}
TEST(connecting)
{
    file_run(connecting_main);
}

/* It waits for room in a queue that is full. */
static int in_time_main(void *arg)
{
    struct weft_connection_opt opt = {.size = sizeof opt};
    char name[sizeof the_address.sun_path + 8];

    (void)arg;
    up_full_listener();
    snprintf(name, sizeof name, "unix:@%s", the_address.sun_path + 1);
    opt.deadline = weft_after_ms(1);
    ALL(-ETIMEDOUT, weft_open_connection(name, &opt, &stream),
        weft_open_unix_connection(name + 5, &opt, &stream),
        weft_create_connection(name, &protocol, NULL, &opt, &transport),
        weft_create_unix_connection(name + 5, &protocol, NULL, &opt, &transport));
    end_listener();
    return 0;
}
TEST(in_time)
{
    net_run(in_time_main);
}

static int connects(void *arg)
{
    return weft_connect(*(int *)arg, (struct sockaddr *)&the_address, the_length);
}

/* Who does not wait for it; and beside one who does, who has the descriptor for that. */
static int at_once_main(void *arg)
{
    int fd = weft_socket(AF_UNIX, SOCK_STREAM, 0);
    int other = weft_socket_nowait(AF_UNIX, SOCK_STREAM, 0);
    const struct sockaddr *to = (struct sockaddr *)&the_address;

    (void)arg;
    ok(fd);
    ok(other);
    up_full_listener();
    same(weft_connect_nowait(other, to, the_length), -EAGAIN);
    same(weft_connect(other, to, the_length), -EAGAIN); /* nor by a request, of such a socket */
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        weft_task task;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
        ok(weft_spawn(&s, connects, &fd, sizeof fd, &opt));
        while (strcmp(sync_waits_for(task), "ready") == 0)
            same(weft_yield(), 0);
        ALL(-EBUSY, weft_connect_nowait(fd, to, the_length), weft_connect(fd, to, the_length),
            weft_sendto_nowait(fd, "x", 1, 0, NULL, 0), weft_send(fd, "x", 1, 0));
        same(weft_cancel(task), 1);
        same(sync_result(task), -ECANCELED);
    }
    same(weft_close(fd), 0);
    same(weft_close(other), 0);
    end_listener();
    return 0;
}
TEST(at_once)
{
    net_run(at_once_main);
}

/* -- servers and endpoints --------------------------------------------------------------------- */

static int addresses_main(void *arg)
{
    const char *name = own_name("unix:@weft-errors-taken"), *away = "203.0.113.1:0";
    int port, listener = net_listen(&port), there = weft_listen_tcp(name, NULL), udp = net_udp();
    char taken[32], udp_taken[32];

    (void)arg;
    ok(there);
    snprintf(taken, sizeof taken, "127.0.0.1:%d", port);
    snprintf(udp_taken, sizeof udp_taken, "127.0.0.1:%d", weft_local_port(udp));
    ALL(-EADDRINUSE, weft_start_server(&server, taken, serves, NULL, NULL),
        weft_create_server(&server, taken, &protocol, NULL, NULL),
        weft_start_unix_server(&server, name + 5, serves, NULL, NULL),
        weft_create_unix_server(&server, name + 5, &protocol, NULL, NULL),
        weft_create_datagram_endpoint(&endpoint, udp_taken, NULL, &datagrams, NULL, NULL));
    ALL(-EADDRNOTAVAIL, weft_listen_tcp(away, NULL),
        weft_start_server(&server, away, serves, NULL, NULL),
        weft_create_server(&server, away, &protocol, NULL, NULL),
        weft_create_datagram_endpoint(&endpoint, away, NULL, &datagrams, NULL, NULL));
    same(weft_close(udp), 0);
    same(weft_close(there), 0);
    return weft_close(listener);
}
TEST(addresses)
{
    net_run(addresses_main);
}

/* Nothing new begins there. */
static int drained_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        same(weft_scope_drain(&s, weft_after_ns(HOUR), weft_after_ns(HOUR)), 0);
        ALL(-ESHUTDOWN, weft_start_server(&server, "127.0.0.1:0", serves, NULL, NULL),
            weft_create_server(&server, "127.0.0.1:0", &protocol, NULL, NULL),
            weft_create_datagram_endpoint(&endpoint, "127.0.0.1:0", NULL, &datagrams, NULL, NULL));
    }
    return 0;
}
TEST(drained)
{
    net_run(drained_main);
}

/* -- descriptors that somebody has ------------------------------------------------------------- */

static int receives(void *arg)
{
    char byte;

    return weft_recv(*(int *)arg, &byte, 1, 0) == 1 ? 0 : -EPROTO;
}

static int opens_there(void *arg)
{
    int fd = *(int *)arg;

    ALL(-EXDEV, weft_transport_open(fd, &protocol, NULL, NULL, &transport),
        weft_stream_open(fd, NULL, &stream), weft_fd_move(fd));
    return 0;
}

static int taken_main(void *arg)
{
    int here, there;

    (void)arg;
    net_pair(&here, &there);
    same(weft_call(1, opens_there, &here, sizeof here), 0);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, receives, &here, sizeof here, NULL));
        same(weft_yield(), 0);
        ALL(-EBUSY, weft_transport_open(here, &protocol, NULL, NULL, &transport),
            weft_stream_open(here, NULL, &stream), weft_fd_move(here));
        same(weft_send(there, "x", 1, 0), 1);
    }
    same(weft_close(there), 0);
    return weft_close(here);
}
TEST(taken)
{
    const struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    same(weft_run(taken_main, NULL, 0, &opt), 0);
}

/* -- no descriptors ---------------------------------------------------------------------------- */

static void told(const struct weft_signal *signal, void *arg)
{
    (void)signal, (void)arg;
}

static int none_main(void *arg)
{
    struct rlimit limit, low;
    int fds[16], count = 0;

    (void)arg;
    same(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = 3;
    same(setrlimit(RLIMIT_NOFILE, &low), 0);
    while ((fds[count] = weft_socket(AF_INET, SOCK_STREAM, 0)) >= 0) /* some may be in store */
        ck_assert_int_lt(++count, 16);
    ALL(-EMFILE, weft_connect_tcp("127.0.0.1:9", NULL),
        weft_open_connection("127.0.0.1:9", NULL, &stream),
        weft_create_connection("127.0.0.1:9", &protocol, NULL, NULL, &transport),
        weft_start_server(&server, "127.0.0.1:0", serves, NULL, NULL),
        weft_create_server(&server, "127.0.0.1:0", &protocol, NULL, NULL),
        weft_create_datagram_endpoint(&endpoint, "127.0.0.1:0", NULL, &datagrams, NULL, NULL),
        weft_signal_wait(SIGUSR1, NULL), weft_add_signal_handler(SIGUSR1, told, NULL));
    same(setrlimit(RLIMIT_NOFILE, &limit), 0);
    same(weft_remove_signal_handler(SIGUSR1), 0);
    while (count > 0)
        same(weft_close(fds[--count]), 0);
    return 0;
}
TEST(no_descriptors)
{
    net_run(none_main);
}

/* -- cancelled --------------------------------------------------------------------------------- */

/* Whatever it is, it is not begun. */
static int begins_nothing(void *arg)
{
    static const char *const arguments[] = {"/bin/true", NULL};
    const int fd = *(int *)arg;
    uint32_t count = 1, other = 1;
    weft_process *process;
    weft_file *file;
    char byte;

    ALL(-ECANCELED, weft_connect_tcp("127.0.0.1:9", NULL), weft_listen_tcp("127.0.0.1:0", NULL),
        weft_open_connection("127.0.0.1:9", NULL, &stream),
        weft_open_unix_connection("@nobody", NULL, &stream),
        weft_create_connection("127.0.0.1:9", &protocol, NULL, NULL, &transport),
        weft_create_unix_connection("@nobody", &protocol, NULL, NULL, &transport),
        weft_start_server(&server, "127.0.0.1:0", serves, NULL, NULL),
        weft_start_unix_server(&server, "@nobody", serves, NULL, NULL),
        weft_create_server(&server, "127.0.0.1:0", &protocol, NULL, NULL),
        weft_create_unix_server(&server, "@nobody", &protocol, NULL, NULL),
        weft_create_datagram_endpoint(&endpoint, "127.0.0.1:0", NULL, &datagrams, NULL, NULL),
        weft_datagram_socket("127.0.0.1:0", NULL, NULL),
        weft_create_subprocess_exec(arguments, NULL, &process),
        weft_create_subprocess_shell("true", NULL, &process), weft_signal_wait(SIGUSR1, NULL),
        weft_open("/tmp", O_RDONLY, 0), weft_file_open("/tmp", O_RDONLY, 0, NULL, &file),
        weft_hand_over(fd, &fd, 1), weft_hand_over_until(fd, &fd, 1, WEFT_NEVER),
        weft_take_over(fd, &(int){0}, &count), weft_send_fds(fd, "x", 1, &fd, 1),
        weft_recv_fds(fd, &byte, 1, &(int){0}, &other), weft_shutdown(fd, SHUT_WR),
        weft_sendfile(fd, fd, NULL, 1), weft_splice(fd, NULL, fd, NULL, 1, 0),
        weft_tee(fd, fd, 1, 0));
    return 0;
}

static int cancelled_main(void *arg)
{
    (void)arg;
    up_pair();
    WEFT_SCOPE(s) {
        weft_task task;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
        ok(weft_spawn(&s, begins_nothing, &ends[0], sizeof ends[0], &opt));
        same(weft_cancel(task), 1);
        same(sync_result(task), 0);
    }
    end_pair();
    return 0;
}
TEST(cancelled)
{
    child_ready();
    net_run(cancelled_main);
}

TEST_MAIN("errors_open", 60, connecting, in_time, at_once, addresses, drained, taken,
          no_descriptors, cancelled)
