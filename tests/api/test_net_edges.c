/*
 * The edges of the socket calls: options that must arrive at the socket, receives that want all and
 * get less, and calls turned away before they began. Would catch an option that is lost, bytes or
 * an error that are, and a count that is left as the caller had it.
 */
#include <fcntl.h>

#include "support/misuse.h"
#include "support/net.h"

static bool lingers(int fd)
{
    struct linger linger = {.l_onoff = 0};
    socklen_t length = sizeof linger;

    ok(weft_getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &length));
    return linger.l_onoff != 0 || linger.l_linger != 0;
}

static int main_options(void *arg)
{
    const struct weft_socket_opt all = {.size = sizeof all,
                                        .nagle = true,
                                        .keepalive = true,
                                        .reset_on_close = true,
                                        .receive_buffer_size = 30000,
                                        .send_buffer_size = 20000,
                                        .user_timeout_ms = 7000};
    char address[32];
    int port, listener = net_listen(&port), with, without, local;

    (void)arg;
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    with = weft_connect_tcp(address, &all);
    without = weft_connect_tcp(address, NULL);
    ok(with);
    ok(without);
    ck_assert_int_ne(net_option(with, SOL_SOCKET, SO_KEEPALIVE), 0);
    ck_assert_int_eq(net_option(without, SOL_SOCKET, SO_KEEPALIVE), 0);
    ck_assert_int_eq(net_option(with, IPPROTO_TCP, TCP_NODELAY), 0);
    ck_assert_int_ne(net_option(without, IPPROTO_TCP, TCP_NODELAY), 0);
    ck_assert_int_eq(net_option(with, IPPROTO_TCP, TCP_USER_TIMEOUT), 7000);
    ck_assert_int_eq(net_option(without, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
    ck_assert_int_eq(net_option(with, SOL_SOCKET, SO_RCVBUF), 60000); /* Linux doubles it */
    ck_assert_int_eq(net_option(with, SOL_SOCKET, SO_SNDBUF), 40000);
    ck_assert(lingers(with) && !lingers(without));
    local = weft_socket(AF_UNIX, SOCK_STREAM, 0); /* has none of TCP's */
    ok(weft_socket_set(local, &all));
    ck_assert_int_ne(net_option(local, SOL_SOCKET, SO_KEEPALIVE), 0);
    ok(weft_close(local));
    ok(weft_close(with));
    ok(weft_close(without));
    return weft_close(listener);
}
TEST(options_arrive)
{
    net_run(main_options);
}

/* -- wanting all --------------------------------------------------------------------------------
 */

static int main_wait_for_all(void *arg)
{
    int here, there;
    char bytes[8] = "";
    size_t done = 99;

    (void)arg;
    net_pair(&here, &there);
    ck_assert_int_eq(weft_recv_until(here, bytes, 4, MSG_WAITALL, weft_after_ms(2)), -ETIMEDOUT);
    ok(weft_send_all(there, "abc", 3, NULL));
    /* a look takes what is there, and takes nothing away */
    ssize_t seen = weft_recv(here, bytes, 8, MSG_PEEK | MSG_WAITALL);
    ck_assert(seen >= 1 && seen <= 3);
    ck_assert_mem_eq(bytes, "abc", (size_t)seen);
    ck_assert_int_eq(weft_recv(here, bytes, 3, MSG_WAITALL), 3);
    ok(weft_shutdown(there, SHUT_WR));
    ck_assert_int_eq(weft_recv(here, bytes, 4, MSG_WAITALL), 0);
    ck_assert_int_eq(weft_recv_exactly(here, bytes, 4, &done), -ENODATA);
    ck_assert_uint_eq(done, 0);
    ok(weft_close(here));
    return weft_close(there);
}
TEST(all_that_never_comes)
{
    net_run(main_wait_for_all);
}

/* The bytes first, then why there were no more, whichever call asks. */
static int main_reset(void *arg)
{
    int port, listener = net_listen(&port), plain = net_plain_connect(port), fd;
    char bytes[8];
    size_t done = 99;
    ssize_t n;

    (void)arg;
    fd = weft_accept(listener, NULL, NULL, 0);
    ok(fd);
    ck_assert_int_eq(send(plain, "ab", 2, 0), 2);
    ck_assert_int_eq(weft_recv(fd, bytes, 1, 0), 1); /* they have arrived */
    net_plain_reset(plain);
    n = weft_recv(fd, bytes, 8, MSG_WAITALL);
    if (n != -ECONNRESET) { /* the reset may overtake the byte */
        ck_assert_int_eq(n, 1);
        ck_assert_int_eq(weft_recv_exactly(fd, bytes, 0, &done), 0); /* asks for nothing */
        ck_assert_int_eq(weft_recv_exactly(fd, bytes, 8, &done), -ECONNRESET);
        ck_assert_uint_eq(done, 0);
    }
    ok(weft_close(fd));
    return weft_close(listener);
}
TEST(a_reset_in_the_middle_of_all)
{
    net_run(main_reset);
}

/* Where there are messages, all is one of them. Not on the simulated kernel: it has streams only.
 */
static int main_messages(void *arg)
{
    int ends[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);
    char bytes[8];

    (void)arg;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
    ck_assert_int_eq(weft_send(ends[0], "ab", 2, 0), 2);
    ck_assert_int_eq(weft_recv(ends[1], bytes, sizeof bytes, MSG_WAITALL), 2);
    ck_assert_int_eq(weft_accept(ends[1], NULL, NULL, 0), -EINVAL); /* as of any that listens not */
    ok(weft_close(ends[0]));
    ok(weft_close(ends[1]));
    ck_assert_int_eq(weft_recv(null, bytes, 1, MSG_WAITALL), -ENOTSOCK);
    return weft_close(null);
}
TEST(all_of_a_message)
{
    net_run(main_messages);
}

/* -- turned away --------------------------------------------------------------------------------
 */

static int main_no_descriptor(void *arg)
{
    size_t done = 99;
    char bytes[4] = "";

    (void)arg;
    ck_assert_int_eq(weft_recv_exactly(-1, bytes, 4, &done), -EBADF);
    ck_assert_uint_eq(done, 0);
    done = 99;
    ck_assert_int_eq(weft_send_all(-1, bytes, 4, &done), -EBADF);
    ck_assert_uint_eq(done, 0);
    return 0;
}
TEST(no_descriptor)
{
    net_run(main_no_descriptor);
}

static int receive_one(void *arg)
{
    char byte;

    return (int)weft_recv(*(int *)arg, &byte, 1, 0);
}

/* One reader at a time, whatever it is that reads; and who connects takes both sides. */
static int main_busy(void *arg)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int here, there;

    (void)arg;
    net_pair(&here, &there);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, receive_one, &here, sizeof here, NULL));
        ok(weft_yield());
        ck_assert_int_eq(weft_accept(here, NULL, NULL, 0), -EBUSY);
        ck_assert_int_eq(weft_connect(here, (struct sockaddr *)&address, sizeof address), -EBUSY);
        ck_assert_int_eq(weft_fd_move(here), -EBUSY);
        ok(weft_send_all(there, "x", 1, NULL));
    }
    ok(weft_close(here));
    return weft_close(there);
}
TEST(a_reader_in_the_way)
{
    net_run(main_busy);
}

static int port_in_use;

static int listen_there_too(void *arg)
{
    char address[32];

    (void)arg;
    snprintf(address, sizeof address, "127.0.0.1:%d", port_in_use);
    return weft_listen_tcp(address, NULL);
}

/* Who waits for an address to be free does not wait on when cancelled, and leaves no socket. */
static int main_address_in_use(void *arg)
{
    int listener = net_listen(&port_in_use), result;
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    (void)arg;
    ok(weft_create_task(listen_there_too, NULL, 0, &opt));
    ok(weft_sleep(1000000));
    ok(weft_cancel(task));
    ok(weft_join(task, &result));
    ck_assert_int_eq(result, -ECANCELED);
    return weft_close(listener);
}
TEST(cancelled_while_the_address_is_in_use)
{
    net_run(main_address_in_use);
}

/* Permissions are for files: an abstract name has none, and a mode does it no harm. */
static int main_abstract(void *arg)
{
    const struct weft_listen_opt opt = {.size = sizeof opt, .mode = 0600};
    char name[64];
    int listener, fd;

    (void)arg;
    snprintf(name, sizeof name, "unix:@weft-edges-%d", (int)getpid());
    listener = weft_listen_tcp(name, &opt);
    ok(listener);
    fd = weft_connect_tcp(name, NULL);
    ok(fd);
    ok(weft_close(fd));
    return weft_close(listener);
}
TEST(an_abstract_name_with_a_mode)
{
    net_run(main_abstract);
}

/* Not a task: nothing is looked at, not even what the call is given. */
TEST(outside_of_a_task)
{
    weft_stream *nowhere = (weft_stream *)&port_in_use;
    char byte;

    ck_assert_int_eq(weft_stream_consume(nowhere, 0), -EPERM);
    ck_assert_int_eq(weft_stream_read_until_time(nowhere, &byte, 1, 0, WEFT_NEVER), -EPERM);
    ck_assert_int_eq(weft_recv_until(0, &byte, 1, 0, WEFT_NEVER), -EPERM);
    ck_assert_int_eq(weft_send_until(0, &byte, 1, 0, WEFT_NEVER), -EPERM);
    ck_assert_int_eq(weft_send_all_until(0, &byte, 1, NULL, WEFT_NEVER), -EPERM);
}

/* A callback stands on the loop's stack: it closes nobody's scope. */
static void close_scope(void *scope)
{
    ck_assert_int_eq(weft_scope_close(scope), -EPERM);
    ck_assert_int_eq(weft_scope_drain(scope, WEFT_NEVER, WEFT_NEVER), -EPERM);
}

static int main_callback(void *arg)
{
    weft_scope scope;

    (void)arg;
    ok(weft_scope_open(&scope, NULL));
    ok(weft_call_soon(close_scope, &scope, NULL));
    ok(weft_yield());
    return weft_scope_close(&scope);
}
TEST(in_a_callback)
{
    net_run(main_callback);
}

/* What an older program finds, and what its calls pass through, whatever the library was built as.
 */
TEST(names_that_programs_count_on)
{
    struct weft_call_site site = {"file", "function", 7};

    ck_assert_str_eq(weft_version(), WEFT_VERSION_STRING);
    if (!test_misuse_debug())
        ck_assert_int_eq(weft_call_site_set_(site).line, 7);
}

TEST_MAIN("api.net_edges", 30, options_arrive, all_that_never_comes, a_reset_in_the_middle_of_all,
          all_of_a_message, no_descriptor, a_reader_in_the_way,
          cancelled_while_the_address_is_in_use, an_abstract_name_with_a_mode, outside_of_a_task,
          in_a_callback, names_that_programs_count_on)
