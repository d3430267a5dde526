/*
 * Listeners: the queue and its limit, closing and draining one, cancelled accepts, and that no
 * accepted descriptor is ever lost. Catches leaks of connections nobody took, and a listener that
 * swallows more than it should.
 */
#include <fcntl.h>
#include <poll.h>

#include "support/net.h"

enum { WAITING_MAX = 64 };

static void settle(void)
{
    for (int i = 0; i < 20; i++)
        ok(weft_sleep(2000000));
}

/* Connects `count` plain sockets; the kernel completes them into the listener's backlog. */
static void connect_many(int *fds, int count, int port)
{
    for (int i = 0; i < count; i++)
        fds[i] = net_plain_connect(port);
}

static void close_many(int *fds, int count)
{
    for (int i = 0; i < count; i++)
        close(fds[i]);
}

/* A burst larger than the limit that comes while connections wait: accepting pauses at 64. */
static int main_limit(void *arg)
{
    int port, fds[300], taken[301], listener = net_listen(&port);

    (void)arg;
    connect_many(fds, 1, port);
    taken[0] = weft_accept(listener, NULL, NULL, 0); /* arms */
    ok(taken[0]);
    int before = test_descriptors();
    for (int i = 1; i < 300; i++) { /* as they come, a few at a time */
        connect_many(fds + i, 1, port);
        if (i % 5 == 0)
            ok(weft_sleep(500000));
    }
    settle();
    ck_assert_int_le(test_descriptors() - before - 299, WAITING_MAX + 5);

    /* taken down to 20 it goes on by itself, one at a time now, up to the limit and not beyond */
    int first = 1, waiting = (int)net_stats().accepts - 1;
    for (; waiting > 20; waiting--, first++) {
        taken[first] = weft_accept(listener, NULL, NULL, 0);
        ok(taken[first]);
    }
    settle();
    ck_assert_int_eq((int)net_stats().accepts - first, WAITING_MAX);
    for (int i = first; i < 300; i++) {
        taken[i] = weft_accept(listener, NULL, NULL, 0);
        ok(taken[i]);
    }
    ck_assert_uint_eq(net_stats().accepts, 300);
    for (int i = 0; i < 300; i++)
        ok(weft_close(taken[i]));
    close_many(fds, 300);
    return weft_close(listener);
}

TEST(at_most_64_wait)
{
    net_run(main_limit);
}

TEST(at_most_64_wait_without_multishot)
{
    setenv("WEFT_RING_MASK", "accept_multishot", 1);
    net_run(main_limit);
}

/* All at once, more than the limit: none is lost, all are served in order. */
static int main_burst(void *arg)
{
    int port, fds[500], listener = net_listen(&port);

    (void)arg;
    connect_many(fds, 500, port);
    for (int i = 0; i < 500; i++) {
        char byte = (char)i, got = (char)~i;
        int connection = weft_accept(listener, NULL, NULL, 0);
        ok(connection);
        ck_assert_int_eq(weft_send_all(connection, &byte, 1, NULL), 1);
        ck_assert_int_eq(read(fds[i], &got, 1), 1);
        ck_assert_int_eq(got, byte);
        ok(weft_close(connection));
    }
    close_many(fds, 500);
    return weft_close(listener);
}

TEST(a_burst)
{
    net_run(main_burst);
}

/* True when the peer of this plain socket has closed or reset it. */
static bool peer_is_gone(int fd)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    char byte;

    return poll(&poller, 1, 1000) == 1 && read(fd, &byte, 1) <= 0;
}

/* The fixture counts descriptors: those accepted and not taken must be closed too. */
static int main_close_with_queue(void *arg)
{
    int port, fds[20], listener = net_listen(&port);

    (void)arg;
    connect_many(fds, 20, port);
    int first = weft_accept(listener, NULL, NULL, 0);
    ok(first);
    settle();
    ok(weft_close(listener));
    for (int i = 1; i < 20; i++)
        ck_assert_msg(peer_is_gone(fds[i]), "connection %d", i);
    close_many(fds, 20);
    return weft_close(first);
}

TEST(close_closes_those_that_wait)
{
    net_run(main_close_with_queue);
}

static int accept_once(void *arg)
{
    return weft_accept(*(int *)arg, NULL, NULL, 0);
}

static int main_close_under_accept(void *arg)
{
    int result = 0, port, listener = net_listen(&port);
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        ok(weft_spawn(&s, accept_once, &listener, sizeof listener, &opt));
        settle();
        ck_assert_int_eq(weft_accept(listener, NULL, NULL, 0), -EBUSY);
        ck_assert_int_eq(weft_fd_move(listener), -EBUSY);
        ok(weft_close(listener));
        ok(weft_join(task, &result));
    }
    ck_assert_int_eq(result, -ECANCELED);
    ck_assert_int_eq(weft_accept(listener, NULL, NULL, 0), -EBADF);
    return 0;
}

TEST(close_under_accept)
{
    net_run(main_close_under_accept);
}

/* A cancelled accept takes nothing: what came meanwhile is there for the next. */
static int main_cancelled(void *arg)
{
    int result, port, fds[3] = {-1, -1, -1}, listener = net_listen(&port);
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    (void)arg;
    for (int round = 0; round < 200; round++) {
        WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
            ok(weft_spawn(&s, accept_once, &listener, sizeof listener, &opt));
            if (round % 3)
                ok(weft_yield());
            connect_many(fds, 1, port);
            for (int i = 0; i < round % 4; i++)
                ok(weft_yield());
            ck_assert_int_ge(weft_cancel(task), 0);
            ok(weft_join(task, &result));
        }
        if (result == -ECANCELED)
            result = weft_accept(listener, NULL, NULL, 0);
        ok(result);
        ok(weft_close(result));
        close_many(fds, 1);
    }
    ck_assert_uint_eq(net_stats().accepts, 200);
    return weft_close(listener);
}

TEST(cancelled_accept_loses_nothing)
{
    net_run(main_cancelled);
}

/* The listener is left open and armed, connections waiting in it, when the run ends. */
static int main_left_open(void *arg)
{
    int *listener = arg, port, fds[5];

    *listener = net_listen(&port);
    connect_many(fds, 5, port);
    int connection = weft_accept(*listener, NULL, NULL, 0);
    ok(connection);
    settle();
    close_many(fds, 5);
    return weft_close(connection);
}

static int main_found_open(void *arg)
{
    int *listener = arg, port = weft_local_port(*listener);
    int fd = net_plain_connect(port), connection = weft_accept(*listener, NULL, NULL, 0);

    ok(connection);
    close(fd);
    ok(weft_close(connection));
    return weft_close(*listener);
}

TEST(left_open_at_the_end_of_a_run)
{
    int listener = -1;

    ck_assert_int_eq(weft_run(main_left_open, &listener, 0, NULL), 0);
    ck_assert_int_eq(weft_run(main_found_open, &listener, 0, NULL), 0);
}

/* A drain ends the wait, but not before the connections that wait have been taken. */
static int take_until_drained(void *arg)
{
    int *p = arg, fd;

    while ((fd = weft_accept(p[0], NULL, NULL, 0)) >= 0) {
        p[1]++;
        ok(weft_close(fd));
        ok(weft_sleep(1000000));
    }
    ck_assert_int_eq(fd, -ESHUTDOWN);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DRAIN);
    return 0;
}

static int main_drain(void *arg)
{
    int port, fds[10], p[2] = {net_listen(&port), 0};

    (void)arg;
    connect_many(fds, 10, port);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, take_until_drained, p, 0, NULL));
        while (p[1] == 0)
            ok(weft_yield());
        settle();
        ck_assert_int_eq(weft_scope_drain(&s, weft_after_ms(60000), weft_after_ms(60000)), 0);
    }
    ck_assert_int_eq(p[1], 10);
    close_many(fds, 10);
    return weft_close(p[0]);
}

TEST(drain)
{
    net_run(main_drain);
}

static int main_dressed(void *arg)
{
    struct sockaddr_in address, own;
    socklen_t length = sizeof address, own_length = sizeof own;
    int value = 0, port, listener = net_listen(&port), fd = net_plain_connect(port);

    (void)arg;
    int connection = weft_accept(listener, (struct sockaddr *)&address, &length, SOCK_NONBLOCK);
    ok(connection);
    ck_assert_uint_eq(length, sizeof address);
    getsockname(fd, (struct sockaddr *)&own, &own_length);
    ck_assert_int_eq(address.sin_port, own.sin_port);
    ck_assert(fcntl(connection, F_GETFL) & O_NONBLOCK);
    ck_assert(fcntl(connection, F_GETFD) & FD_CLOEXEC);
    length = sizeof value;
    ok(weft_getsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &value, &length));
    ck_assert_int_eq(value, 1); /* inherited from the listener */

    /* a non-blocking descriptor waits all the same */
    char byte = 0;
    ck_assert_int_eq(weft_recv_until(connection, &byte, 1, 0, weft_after_ms(30)), -ETIMEDOUT);
    ck_assert_int_eq(write(fd, "z", 1), 1);
    ck_assert_int_eq(weft_recv(connection, &byte, 1, 0), 1);
    ck_assert_int_eq(byte, 'z');
    close(fd);
    ok(weft_close(connection));
    return weft_close(listener);
}

TEST(what_an_accepted_descriptor_is)
{
    net_run(main_dressed);
}

static int connect_later(void *arg)
{
    ok(weft_sleep(20000000));
    *(int *)arg = net_plain_connect(*(int *)arg);
    return 0;
}

/* A listener that somebody else made, blocking or not: socket activation. */
static int main_foreign(void *arg)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int value = 0, p;

    (void)arg;
    for (int type = SOCK_STREAM; type >= 0;
         type = type & SOCK_NONBLOCK ? -1 : type | SOCK_NONBLOCK) {
        int listener = socket(AF_INET, type | SOCK_CLOEXEC, 0);
        address = (struct sockaddr_in){.sin_family = AF_INET};
        ok(bind(listener, (struct sockaddr *)&address, sizeof address));
        ok(listen(listener, 10));
        length = sizeof address;
        getsockname(listener, (struct sockaddr *)&address, &length);
        WEFT_SCOPE(s) {
            p = ntohs(address.sin_port);
            ok(weft_spawn(&s, connect_later, &p, 0, NULL));
            struct weft_stats before = net_stats();
            int connection = weft_accept(listener, NULL, NULL, 0);
            ok(connection);
            ck_assert_uint_le(net_stats().turns - before.turns, 20);
            ck_assert_uint_eq(net_stats().accept_errors, before.accept_errors);
            length = sizeof value;
            ok(weft_getsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &value, &length));
            ck_assert_int_eq(value, 1);
            ok(weft_close(connection));
        }
        close(p);
        ok(weft_close(listener));
    }
    return 0;
}

TEST(a_foreign_listener)
{
    net_run(main_foreign);
}

enum { COUNTED = 60 };

/* Accepting costs no request beyond the armed one, closing costs one; neither allocates. */
static int main_costs(void *arg)
{
    int port, fds[COUNTED], listener = net_listen(&port);

    (void)arg;
    connect_many(fds, 1, port);
    ok(weft_close(weft_accept(listener, NULL, NULL, 0)));
    close(fds[0]);
    struct weft_stats before = net_stats();
    connect_many(fds, COUNTED, port);
    for (int i = 0; i < COUNTED; i++)
        ok(weft_close(weft_accept(listener, NULL, NULL, 0)));
    struct weft_stats after = net_stats();
    ck_assert_uint_eq(after.allocations, before.allocations);
    ck_assert_uint_eq(after.accepts - before.accepts, COUNTED);
    if (net_has("accept_multishot") && !net_is_rough())
        ck_assert_uint_le(after.sqes - before.sqes, COUNTED + 1);
    if (!net_is_rough())
        ck_assert_uint_le(after.enters - before.enters, after.turns - before.turns);
    close_many(fds, COUNTED);
    return weft_close(listener);
}

TEST(costs_of_a_connection)
{
    net_run(main_costs);
}

TEST_MAIN("net_accept", 30, costs_of_a_connection, at_most_64_wait,
          at_most_64_wait_without_multishot, a_burst, close_closes_those_that_wait,
          close_under_accept, cancelled_accept_loses_nothing, left_open_at_the_end_of_a_run, drain,
          what_an_accepted_descriptor_is, a_foreign_listener)
