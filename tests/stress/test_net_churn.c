/*
 * 10,000 connections opened and dropped: one after the other in a hundred threads of conversation,
 * each ending in one of the ways a connection can end; and all at once by a process that dies. The
 * server goes on, and everything it took is given back (the fixture counts).
 */
#include <sys/resource.h>
#include <sys/wait.h>

#include "io/buffers.h"
#include "reactor/reactor.h"
#include "support/net.h"

enum { CONNECTIONS = 10000, TASKS = 100 };

struct server {
    int listener;
    int served;
    bool streams;
};

static int on_descriptor(int fd)
{
    char line[512];
    ssize_t n;

    while ((n = weft_recv(fd, line, sizeof line, WEFT_IDLE)) > 0)
        if ((n = weft_send_all(fd, line, (size_t)n, NULL)) < 0)
            break;
    return weft_close(fd);
}

static int on_stream(int fd)
{
    weft_stream *stream;
    const void *data;
    size_t size;

    ok(weft_stream_open(fd, NULL, &stream));
    while (weft_stream_peek(stream, &data, &size, WEFT_IDLE) > 0)
        if (weft_stream_write(stream, data, size, NULL) < 0 ||
            weft_stream_consume(stream, size) < 0)
            break;
    return weft_stream_close(stream);
}

static int descriptor_task(void *arg)
{
    return on_descriptor(*(int *)arg);
}

static int stream_task(void *arg)
{
    return on_stream(*(int *)arg);
}

static int serve(void *arg)
{
    struct server *server = arg;
    int fd;

    WEFT_SCOPE(s) {
        while ((fd = weft_accept(server->listener, NULL, NULL, 0)) >= 0) {
            server->served++;
            ok(weft_spawn(&s, server->streams ? stream_task : descriptor_task, &fd, sizeof fd,
                          NULL));
        }
        ck_assert_int_eq(fd, -ESHUTDOWN);
    }
    return 0;
}

/* -- one after the other -------------------------------------------------------------------- */

struct client {
    char address[32];
    int number;
};

static void finish(int fd, int how)
{
    char line[64] = "a line";
    struct weft_socket_opt reset = {.size = sizeof reset, .reset_on_close = true};

    if (how % 2) { /* a conversation first */
        ck_assert_int_eq(weft_send_all(fd, line, sizeof line, NULL), sizeof line);
        ck_assert_int_eq(weft_recv_exactly(fd, line, sizeof line, NULL), sizeof line);
    }
    if (how % 3 == 0) /* half a conversation */
        ck_assert_int_eq(weft_send_all(fd, line, sizeof line, NULL), sizeof line);
    if (how % 5 == 0)
        ok(weft_shutdown(fd, SHUT_WR));
    if (how % 7 < 3)
        ok(weft_socket_set(fd, &reset));
    ok(weft_close(fd));
}

static int client_task(void *arg)
{
    struct client *client = arg;

    for (int i = 0; i < CONNECTIONS / TASKS; i++) {
        int fd = weft_connect_tcp(client->address, NULL);
        ok(fd);
        finish(fd, client->number + i);
    }
    return 0;
}

static int main_churn(void *arg)
{
    int port;
    struct server server = {.streams = arg != NULL, .listener = net_listen(&port)};
    struct client client = {.number = 0};

    sprintf(client.address, "127.0.0.1:%d", port);
    WEFT_SCOPE(all) {
        ok(weft_spawn(&all, serve, &server, 0, NULL));
        WEFT_SCOPE(clients) {
            for (; client.number < TASKS; client.number++)
                ok(weft_spawn(&clients, client_task, &client, sizeof client, NULL));
        }
        while (server.served < CONNECTIONS) /* the last resets may be in the kernel's queue */
            ok(weft_sleep(1000000));
        ok(weft_scope_drain(&all, weft_after_ms(5000), weft_after_ms(6000)));
    }
    ck_assert_int_eq(server.served, CONNECTIONS);
    ck_assert_uint_eq(net_stats().tasks_alive, 1);
    ck_assert_uint_eq(weft__buffers_held(weft__self), 0);
    return weft_close(server.listener);
}

TEST(ten_thousand_conversations)
{
    net_run(main_churn);
}

TEST(ten_thousand_streams)
{
    ck_assert_int_eq(weft_run(main_churn, "streams", 0, NULL), 0);
}

/* -- all at once ---------------------------------------------------------------------------- */

/* Holds them all, says something on each, and dies when told to. */
static void crowd(int port, int go)
{
    char byte = 'c';
    int *fds = malloc(CONNECTIONS * sizeof *fds);

    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = net_plain_connect(port);
        if (write(fds[i], &byte, 1) != 1)
            _exit(1);
    }
    for (int i = 0; i < CONNECTIONS; i++)
        if (read(fds[i], &byte, 1) != 1)
            _exit(2);
    if (read(go, &byte, 1) != 1)
        _exit(3);
    for (int i = 0; i < CONNECTIONS; i += 2)
        if (write(fds[i], &byte, 1) != 1) /* unread answers: half of them end by a reset */
            _exit(4);
    _exit(0);
}

static int main_at_once(void *arg)
{
    int port, go[2], status, before = test_descriptors();
    struct server server = {.streams = arg != NULL, .listener = net_listen(&port)};
    struct rlimit limit;
    char address[32], byte = 'x';

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ok(setrlimit(RLIMIT_NOFILE, &limit));
    ok(pipe(go));
    pid_t pid = fork();
    ok(pid);
    if (pid == 0)
        crowd(port, go[0]);
    WEFT_SCOPE(all) {
        ok(weft_spawn(&all, serve, &server, 0, NULL));
        while (server.served < CONNECTIONS)
            ok(weft_sleep(1000000));
        ck_assert_int_ge(test_descriptors() - before, CONNECTIONS);
        ck_assert_int_eq(write(go[1], &byte, 1), 1);
        while (net_stats().tasks_alive > 2)
            ok(weft_sleep(1000000));
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);

        sprintf(address, "127.0.0.1:%d", port); /* it goes on */
        int fd = weft_connect_tcp(address, NULL);
        ok(fd);
        finish(fd, 1);
        ok(weft_scope_drain(&all, weft_after_ms(5000), weft_after_ms(6000)));
    }
    ck_assert_uint_eq(weft__buffers_held(weft__self), 0);
    close(go[0]);
    close(go[1]);
    ok(weft_close(server.listener));
    ck_assert_int_eq(test_descriptors(), before);
    return 0;
}

TEST(ten_thousand_at_once)
{
    net_run(main_at_once);
}

TEST(ten_thousand_streams_at_once)
{
    ck_assert_int_eq(weft_run(main_at_once, "streams", 0, NULL), 0);
}

TEST_MAIN("net_churn", 120, ten_thousand_conversations, ten_thousand_streams, ten_thousand_at_once,
          ten_thousand_streams_at_once)
