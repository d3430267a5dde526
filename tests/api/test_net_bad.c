/*
 * Bad input to the socket calls: each gets its exact error, nothing is left behind, and what else
 * the server does goes on.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "support/net.h"

/* Carries a byte over a connection of its own: the rest goes on. */
static void rest_goes_on(int here, int there)
{
    char byte = 'x';

    ck_assert_int_eq(weft_send_all(here, &byte, 1, NULL), 1);
    byte = 0;
    ck_assert_int_eq(weft_recv(there, &byte, 1, 0), 1);
    ck_assert_int_eq(byte, 'x');
}

static int main_addresses(void *arg)
{
    static const char *const bad[] = {"",      "7000", "127.0.0.1:65536", "localhost:1",
                                      "[::1]", "unix:"};
    char longest[200] = "unix:/";
    int before = test_descriptors();

    (void)arg;
    memset(longest + 6, 'a', 150);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(weft_listen_tcp(bad[i], NULL), -EINVAL);
        ck_assert_int_eq(weft_connect_tcp(bad[i], NULL), -EINVAL);
    }
    ck_assert_int_eq(weft_listen_tcp(NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_connect_tcp(NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_connect_tcp(":7000", NULL), -EINVAL); /* connect needs a host */
    ck_assert_int_eq(weft_listen_tcp(longest, NULL), -ENAMETOOLONG);
    ck_assert_int_eq(weft_connect_tcp(longest, NULL), -ENAMETOOLONG);
    ck_assert_int_eq(weft_listen_tcp("203.0.113.77:0", NULL), -EADDRNOTAVAIL);
    ck_assert_int_eq(weft_connect_tcp("unix:/nonexistent/socket", NULL), -ENOENT);
    ck_assert_int_eq(test_descriptors(), before);
    return 0;
}

TEST(unparsable_addresses)
{
    net_run(main_addresses);
}

static int main_in_use(void *arg)
{
    char address[64];
    int here, there, port, listener = net_listen(&port);

    (void)arg;
    net_pair(&here, &there);
    sprintf(address, "127.0.0.1:%d", port);
    int before = test_descriptors();
    ck_assert_int_eq(weft_listen_tcp(address, NULL), -EADDRINUSE);
    ck_assert_int_eq(test_descriptors(), before);
    rest_goes_on(here, there);

    int client = weft_connect_tcp(address, NULL), connection = weft_accept(listener, NULL, NULL, 0);
    ok(client);
    ok(connection);
    rest_goes_on(client, connection);
    int all[] = {client, connection, listener, here, there};
    for (int i = 0; i < 5; i++)
        ok(weft_close(all[i]));

    /* once free, it may be had; and two may share it if both say so */
    struct weft_listen_opt opt = {.size = sizeof opt, .reuse_port = true};
    int first = weft_listen_tcp(address, &opt), second = weft_listen_tcp(address, &opt);
    ok(first);
    ok(second);
    ok(weft_close(first));
    return weft_close(second);
}

TEST(port_in_use)
{
    net_run(main_in_use);
}

static int occupied(void *arg)
{
    weft_sleep(50000000);
    return close(*(int *)arg);
}

/* The owner goes away within the second: the call succeeds. */
static int main_in_use_for_a_moment(void *arg)
{
    struct sockaddr_in address = net_loopback(0);
    socklen_t length = sizeof address;
    int listener = -1, plain = socket(AF_INET, SOCK_STREAM, 0);
    char text[64];

    (void)arg;
    ck_assert_int_eq(bind(plain, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(plain, 1), 0);
    getsockname(plain, (struct sockaddr *)&address, &length);
    sprintf(text, "127.0.0.1:%d", ntohs(address.sin_port));
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, occupied, &plain, sizeof plain, NULL));
        listener = weft_listen_tcp(text, NULL);
    }
    ok(listener);
    return weft_close(listener);
}

TEST(port_in_use_for_a_moment)
{
    net_run(main_in_use_for_a_moment);
}

static int main_stale_unix(void *arg)
{
    char address[64];
    struct stat status;

    (void)arg;
    sprintf(address, "unix:/tmp/weft-stale-%d", getpid());
    struct weft_listen_opt opt = {.size = sizeof opt, .mode = 0600};
    int listener = weft_listen_tcp(address, &opt);
    ok(listener);
    ok(stat(address + 5, &status));
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    ck_assert_int_eq(weft_listen_tcp(address, NULL), -EADDRINUSE); /* it is alive */
    ok(weft_close(listener));
    listener = weft_listen_tcp(address, NULL); /* it is not */
    ok(listener);
    ok(weft_close(listener));
    ok(unlink(address + 5));

    int file = open(address + 5, O_CREAT | O_WRONLY | O_CLOEXEC, 0600); /* nobody's to remove */
    ok(file);
    close(file);
    ck_assert_int_eq(weft_listen_tcp(address, NULL), -EADDRINUSE);
    return unlink(address + 5);
}

TEST(stale_unix_socket)
{
    net_run(main_stale_unix);
}

/* In a network of its own, where ports below 1024 are privileged whatever the machine's setting. */
static int main_privileged(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_listen_tcp("0.0.0.0:80", NULL), -EACCES);
    int listener = weft_listen_tcp("0.0.0.0:0", NULL);
    ok(listener);
    return weft_close(listener);
}

TEST(privileged_port)
{
    if (geteuid() == 0) {
        ok(unshare(CLONE_NEWNET));
        ok(setgid(65534));
        ok(setuid(65534));
    }
    net_run(main_privileged);
}

static int main_arguments(void *arg)
{
    struct weft_socket_opt wrong = {.size = 1},
                           negative = {.size = sizeof negative, .send_buffer_size = -1};
    struct weft_listen_opt backlog = {.size = sizeof backlog, .backlog = -1};
    struct sockaddr_in address = {.sin_family = AF_INET};
    int here, there, port, listener = net_listen(&port);
    char byte = 0;
    size_t done = 7;

    (void)arg;
    net_pair(&here, &there);
    ck_assert_int_eq(weft_recv(here, NULL, 1, 0), -EFAULT);
    ck_assert_int_eq(weft_send(here, NULL, 1, 0), -EFAULT);
    ck_assert_int_eq(weft_send_all(here, NULL, 1, &done), -EFAULT);
    ck_assert_uint_eq(done, 0);
    ck_assert_int_eq(weft_send_all(here, NULL, 0, NULL), 0);
    ck_assert_int_eq(weft_recv_exactly(here, NULL, 0, NULL), 0);
    ck_assert_int_eq(weft_recv(here, &byte, 1, 1 << 30 | MSG_ERRQUEUE), -EINVAL);
    ck_assert_int_eq(weft_send(here, &byte, 1, MSG_ZEROCOPY), -EINVAL);
    ck_assert_int_eq(weft_send(here, &byte, 1, WEFT_IDLE), -EINVAL);
    ck_assert_int_eq(weft_recv(here, &byte, 1, MSG_DONTWAIT), -EAGAIN);
    ck_assert_int_eq(weft_connect(here, NULL, 0), -EFAULT);
    ck_assert_int_eq(weft_connect(here, (struct sockaddr *)&address, sizeof address), -EISCONN);
    ck_assert_int_eq(weft_shutdown(here, 99), -EINVAL);
    ck_assert_int_eq(weft_accept(here, NULL, NULL, 0), -EINVAL); /* not a listener */
    ck_assert_int_eq(weft_accept(listener, (struct sockaddr *)&address, NULL, 0), -EINVAL);
    ck_assert_int_eq(weft_accept(listener, NULL, NULL, 1), -EINVAL);
    int unconnected = weft_socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(weft_shutdown(unconnected, SHUT_WR), -ENOTCONN);
    ok(weft_close(unconnected));
    ck_assert_int_eq(weft_socket(AF_INET, 99, 0), -EINVAL);
    ck_assert_int_eq(weft_socket(999, SOCK_STREAM, 0), -EAFNOSUPPORT);
    ck_assert_int_eq(weft_socket_set(here, &wrong), -EINVAL);
    ck_assert_int_eq(weft_socket_set(here, &negative), -EINVAL);
    ck_assert_int_eq(weft_connect_tcp("127.0.0.1:1", &negative), -EINVAL);
    ck_assert_int_eq(weft_listen_tcp("127.0.0.1:0", &backlog), -EINVAL);
    rest_goes_on(here, there);
    rest_goes_on(there, here);
    ok(weft_close(here));
    ok(weft_close(there));
    return weft_close(listener);
}

TEST(arguments)
{
    net_run(main_arguments);
}

static int main_descriptors(void *arg)
{
    static const int bad[] = {-1, INT32_MIN, INT32_MAX, 900000, 1000};
    char byte = 0;
    struct sockaddr_in address = {.sin_family = AF_INET};
    weft_stream *stream = NULL;

    (void)arg;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(weft_recv(bad[i], &byte, 1, 0), -EBADF);
        ck_assert_int_eq(weft_send(bad[i], &byte, 1, 0), -EBADF);
        ck_assert_int_eq(weft_accept(bad[i], NULL, NULL, 0), -EBADF);
        ck_assert_int_eq(weft_connect(bad[i], (struct sockaddr *)&address, sizeof address), -EBADF);
        ck_assert_int_eq(weft_shutdown(bad[i], SHUT_WR), -EBADF);
        ck_assert_int_eq(weft_close(bad[i]), -EBADF);
        ck_assert_int_eq(weft_fd_move(bad[i]), -EBADF);
        ck_assert_int_eq(weft_local_port(bad[i]), -EBADF);
        ck_assert_int_eq(weft_setsockopt(bad[i], SOL_SOCKET, SO_KEEPALIVE, &(int){1}, 4), -EBADF);
        ck_assert_int_eq(weft_stream_open(bad[i], NULL, &stream), -EBADF);
    }
    ck_assert_ptr_null(stream);

    int file = open("/dev/null", O_RDWR | O_CLOEXEC);
    ck_assert_int_eq(weft_recv(file, &byte, 1, 0), -ENOTSOCK);
    ck_assert_int_eq(weft_send(file, &byte, 1, 0), -ENOTSOCK);
    ck_assert_int_eq(weft_accept(file, NULL, NULL, 0), -ENOTSOCK);
    ck_assert_int_eq(weft_stream_open(file, NULL, &stream), -EINVAL);
    ck_assert_int_eq(weft_close(file), 0); /* any descriptor may be closed */
    return 0;
}

TEST(bad_descriptors)
{
    net_run(main_descriptors);
}

TEST(outside_a_task)
{
    char byte;
    weft_stream *stream;

    ck_assert_int_eq(weft_recv(0, &byte, 1, 0), -EPERM);
    ck_assert_int_eq(weft_send(0, &byte, 1, 0), -EPERM);
    ck_assert_int_eq(weft_recv_until(0, &byte, 1, 0, 1), -EPERM);
    ck_assert_int_eq(weft_accept(0, NULL, NULL, 0), -EPERM);
    ck_assert_int_eq(weft_accept_until(0, NULL, NULL, 0, WEFT_NEVER), -EPERM);
    ck_assert_int_eq(weft_socket(AF_INET, SOCK_STREAM, 0), -EPERM);
    ck_assert_int_eq(weft_listen_tcp("127.0.0.1:0", NULL), -EPERM);
    ck_assert_int_eq(weft_connect_tcp("127.0.0.1:1", NULL), -EPERM);
    ck_assert_int_eq(weft_close(0), -EPERM);
    ck_assert_int_eq(weft_shutdown(0, SHUT_WR), -EPERM);
    ck_assert_int_eq(weft_fd_move(0), -EPERM);
    ck_assert_int_eq(weft_local_port(0), -EPERM);
    ck_assert_int_eq(weft_stream_open(0, NULL, &stream), -EPERM);
    ck_assert_int_eq(weft_stream_close(NULL), -EPERM);
}

/* -- no descriptors left -------------------------------------------------------------------- */

enum { CROWD = 40, ROOM = 10 };

/* A process of its own, so that its descriptors are not ours. */
static pid_t crowd(int port)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    int fds[CROWD];
    for (int i = 0; i < CROWD; i++)
        fds[i] = net_plain_connect(port);
    for (int i = 0; i < CROWD; i++) { /* each answers one byte with one byte */
        char byte;
        if (read(fds[i], &byte, 1) != 1 || write(fds[i], &byte, 1) != 1)
            _exit(1);
    }
    _exit(0);
}

static int serve_one(int connection)
{
    char byte = 'y';

    ck_assert_int_eq(weft_send_all(connection, &byte, 1, NULL), 1);
    ck_assert_int_eq(weft_recv_exactly(connection, &byte, 1, NULL), 1);
    return weft_close(connection);
}

static int lowest_free(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    close(fd);
    return fd;
}

struct starving {
    int listener;
    int fds[CROWD];
    int count;
};

static int take_all(void *arg)
{
    struct starving *s = arg;
    int fd;

    while (s->count < CROWD && (fd = weft_accept(s->listener, NULL, NULL, 0)) >= 0)
        s->fds[s->count++] = fd;
    return 0;
}

static int main_no_descriptors(void *arg)
{
    struct rlimit limit, low;
    struct starving s = {.listener = *(int *)arg};
    int here, there;

    net_pair(&here, &there);
    getrlimit(RLIMIT_NOFILE, &limit);
    low = limit;
    low.rlim_cur = (rlim_t)lowest_free() + ROOM;
    ok(setrlimit(RLIMIT_NOFILE, &low));
    WEFT_SCOPE(scope) {
        ok(weft_spawn(&scope, take_all, &s, 0, NULL));
        while (net_stats().accept_backoffs < 2)
            ok(weft_sleep(1000000));
        ck_assert_int_le(s.count, ROOM);
        ck_assert_int_gt(s.count, 0);
        struct weft_stats before = net_stats();
        ok(weft_sleep(300000000));
        struct weft_stats after = net_stats();
        ck_assert_uint_le(after.turns - before.turns, 100); /* it does not spin */
        ck_assert_uint_eq(after.accepts, before.accepts);
        rest_goes_on(here, there);
        ck_assert_int_eq(weft_socket(AF_INET, SOCK_STREAM, 0), -EMFILE);
        ok(setrlimit(RLIMIT_NOFILE, &limit));
    } /* it recovers by itself */
    ck_assert_int_eq(s.count, CROWD);
    for (int i = 0; i < CROWD; i++)
        ok(serve_one(s.fds[i]));
    ok(weft_close(here));
    return weft_close(there);
}

static int main_starving(void *arg)
{
    int port, status, listener = net_listen(&port);

    (void)arg;
    pid_t pid = crowd(port);
    ok(pid);
    ok(main_no_descriptors(&listener));
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    return weft_close(listener);
}

TEST(no_descriptors_left)
{
    net_run(main_starving);
}

TEST_MAIN("net_bad", 30, unparsable_addresses, port_in_use, port_in_use_for_a_moment,
          stale_unix_socket, privileged_port, arguments, bad_descriptors, outside_a_task,
          no_descriptors_left)
