/*
 * proxy: a TCP proxy that never touches a byte.
 *
 *     proxy [-n CONNECTIONS] [-i SECONDS] LISTEN TARGET
 *         -n   so many at one time; the next wait to be accepted; 1000
 *         -i   a connection that is silent for so long, both ways, is closed; 300
 *
 * A connection is a task with two ways, each a task with a pipe: from a socket into the pipe, from
 * the pipe into the other socket, in the kernel. A way that comes to the end of what there is
 * passes the end on and is over; the other goes on. An error of either ends both. A slow reader
 * fills the pipe, and so stops the sender.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

enum { PIECE = 1 << 16, CONNECT_NS = 1000000000 };

static struct {
    const char *listen, *target;
    uint32_t connections_max;
    int64_t idle_ns;
    uint64_t connections, failed, bytes;
} proxy = {.connections_max = 1000, .idle_ns = INT64_C(300000000000)};

struct connection {
    int client, server;
    int64_t touched_ns; /* when the latest bytes came, either way */
};

struct way {
    struct connection *connection;
    int from, to;
};

/* Bytes into the pipe, which is empty. How many; 0 at the end; -ETIMEDOUT nothing came for too
   long, -ESHUTDOWN the proxy stops, and nothing is under way here. */
static ssize_t take(const struct way *way, int pipe)
{
    struct connection *connection = way->connection;

    for (;;) {
        ssize_t n =
            weft_splice(way->from, NULL, pipe, NULL, PIECE, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        int64_t silent_until = connection->touched_ns + proxy.idle_ns;
        int error;

        if (n != -EAGAIN)
            return n;
        error = weft_poll_until(way->from, POLLIN | WEFT_IDLE, silent_until);
        if (error == -ETIMEDOUT && connection->touched_ns + proxy.idle_ns > silent_until)
            continue; /* the other way was not silent */
        if (error < 0)
            return error;
    }
}

static ssize_t give(const struct way *way, int pipe, ssize_t size)
{
    while (size > 0) {
        ssize_t n = weft_splice(pipe, NULL, way->to, NULL, (size_t)size, SPLICE_F_MOVE);

        if (n < 0)
            return n;
        size -= n;
    }
    return 0;
}

static int one_way(void *arg)
{
    struct way *way = arg;
    int pipe[2], error = weft_pipe(pipe, 0);
    ssize_t n = 1;

    if (error < 0)
        return error;
    while (error == 0 && (n = take(way, pipe[1])) > 0) {
        way->connection->touched_ns = weft_now();
        proxy.bytes += (uint64_t)n;
        error = (int)give(way, pipe[0], n);
    }
    if (error == 0 && n == 0)
        error = weft_shutdown(way->to, SHUT_WR);
    weft_close(pipe[0]);
    weft_close(pipe[1]);
    return n < 0 ? (int)n : error == -ENOTCONN ? 0 : error; /* it was closed already */
}

static int connect_to_target(void)
{
    weft_scope limit;
    const struct weft_scope_opt opt = {.size = sizeof opt, .deadline = weft_after_ns(CONNECT_NS)};
    int fd, error = weft_scope_open(&limit, &opt);

    if (error < 0)
        return error;
    fd = weft_connect_tcp(proxy.target, NULL);
    error = weft_scope_close(&limit);
    if (error < 0 && fd >= 0) {
        weft_close(fd);
        return error;
    }
    return fd;
}

static int converse(void *arg)
{
    struct connection connection = {.client = *(int *)arg, .server = connect_to_target()};
    int error = connection.server < 0 ? connection.server : 0;

    connection.touched_ns = weft_now();
    if (error == 0) {
        struct way there = {&connection, connection.client, connection.server};
        struct way back = {&connection, connection.server, connection.client};
        weft_scope ways;

        error = weft_scope_open(&ways, NULL);
        if (error == 0) {
            error = weft_spawn(&ways, one_way, &there, sizeof there, NULL);
            if (error == 0)
                error = weft_spawn(&ways, one_way, &back, sizeof back, NULL);
            if (error < 0)
                weft_scope_cancel(&ways);
            error = weft_scope_close(&ways);
        }
    }
    if (error < 0) { /* the peers are not to take it for a proper end */
        proxy.failed++;
        weft_socket_set(connection.client,
                        &(struct weft_socket_opt){.size = sizeof(struct weft_socket_opt),
                                                  .reset_on_close = true});
    }
    weft_close(connection.client);
    if (connection.server >= 0)
        weft_close(connection.server);
    return 0;
}

static int serve(void *arg)
{
    int listener = weft_listen_tcp(proxy.listen, NULL), fd = 0;

    (void)arg;
    if (listener < 0)
        return listener;
    printf("proxy: port %d, to %s\n", weft_local_port(listener), proxy.target);
    fflush(stdout);
    WEFT_SCOPE(connections, .on_error = WEFT_KEEP_GOING, .max_tasks = proxy.connections_max) {
        while ((fd = weft_accept(listener, NULL, NULL, 0)) >= 0) {
            proxy.connections++;
            if (weft_spawn(&connections, converse, &fd, sizeof fd, NULL) < 0)
                weft_close(fd);
        }
        weft_scope_drain(&connections, weft_after_ms(2000), weft_after_ms(3000));
    }
    weft_close(listener);
    printf("proxy: %llu connections, %llu failed, %llu bytes\n",
           (unsigned long long)proxy.connections, (unsigned long long)proxy.failed,
           (unsigned long long)proxy.bytes);
    return fd == -ESHUTDOWN || fd == -ECANCELED ? 0 : fd;
}

int main(int argc, char **argv)
{
    char why[512] = "";
    struct weft_run_opt opt = {.size = sizeof opt,
                               .stop_on_sigterm = true,
                               .error_text = why,
                               .error_text_size = sizeof why};
    int option, result;

    while ((option = getopt(argc, argv, "n:i:")) != -1) {
        if (option == 'n')
            proxy.connections_max = (uint32_t)atoi(optarg);
        else if (option == 'i')
            proxy.idle_ns = (int64_t)(atof(optarg) * 1e9);
        else
            return 2;
    }
    if (argc - optind != 2 || proxy.connections_max == 0 || proxy.idle_ns <= 0) {
        fprintf(stderr, "usage: proxy [-n CONNECTIONS] [-i SECONDS] LISTEN TARGET\n");
        return 2;
    }
    proxy.listen = argv[optind];
    proxy.target = argv[optind + 1];
    result = weft_run(serve, NULL, 0, &opt);
    if (result < 0)
        fprintf(stderr, "proxy: %s\n", why[0] ? why : strerror(-result));
    return result < 0;
}
