/*
 * proxy: a TCP proxy that touches no byte of what comes in large pieces.
 *
 *     proxy [-n CONNECTIONS] [-i SECONDS] LISTEN TARGET
 *         -n   so many at one time; the next wait to be accepted; 1000
 *         -i   a connection that is silent for so long, both ways, is closed; 300
 *
 * A connection is a task with two ways, each a task. What fits into a few KiB is received and sent,
 * one request of the ring each. Once more than that comes at a time the way is given a pipe: from a
 * socket into the pipe, from the pipe into the other socket, in the kernel; until what comes is
 * small again. A way that comes to the end of what there is passes the end on and is over; the
 * other goes on. An error of either ends both. A slow reader fills the pipe, and so stops the
 * sender.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

enum {
    PIECE = 1 << 16,    /* of what is spliced */
    SMALL = 1 << 13,    /* so much, and no more, is copied */
    SMALL_IN_A_ROW = 8, /* and copying is gone back to */
    CONNECT_NS = 1000000000
};

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
    int pipe[2]; /* -1 until there is more to move than is copied */
    bool large;  /* is spliced */
    int small;   /* pieces in a row that need not have been */
};

/* A wait of this way is over because nothing came. Has the other way been silent, too? */
static bool silent(const struct way *way, int64_t silent_until)
{
    return way->connection->touched_ns + proxy.idle_ns <= silent_until;
}

/* Bytes into the pipe, which is empty. How many; 0 at the end; -ETIMEDOUT nothing came for too
   long, -ESHUTDOWN the proxy stops, and nothing is under way here. */
static ssize_t take(const struct way *way)
{
    for (;;) {
        ssize_t n = weft_splice(way->from, NULL, way->pipe[1], NULL, PIECE,
                                SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        int64_t silent_until = way->connection->touched_ns + proxy.idle_ns;
        int error;

        if (n != -EAGAIN)
            return n;
        error = weft_poll_until(way->from, POLLIN | WEFT_IDLE, silent_until);
        if (error < 0 && (error != -ETIMEDOUT || silent(way, silent_until)))
            return error;
    }
}

static ssize_t give(const struct way *way, ssize_t size)
{
    while (size > 0) {
        ssize_t n = weft_splice(way->pipe[0], NULL, way->to, NULL, (size_t)size, SPLICE_F_MOVE);

        if (n < 0)
            return n;
        size -= n;
    }
    return 0;
}

static void moved(struct way *way, ssize_t size)
{
    way->connection->touched_ns = weft_now();
    proxy.bytes += (uint64_t)size;
}

/* One piece from socket to socket. How much; 0 at the end; as above. */
static ssize_t splice_piece(struct way *way)
{
    ssize_t n, error = 0;

    if (way->pipe[0] < 0)
        error = weft_pipe(way->pipe, 0);
    if (error < 0)
        return error;
    n = take(way);
    if (n <= 0)
        return n;
    moved(way, n);
    way->small = n > SMALL ? 0 : way->small + 1;
    way->large = way->small < SMALL_IN_A_ROW;
    error = give(way, n);
    return error < 0 ? error : n;
}

static ssize_t copy_piece(struct way *way)
{
    char piece[SMALL];
    int64_t silent_until;
    ssize_t n;

    do { /* the socket may have an ETIMEDOUT of its own, once: of a peer that is gone */
        silent_until = way->connection->touched_ns + proxy.idle_ns;
        n = weft_recv_until(way->from, piece, sizeof piece, WEFT_IDLE, silent_until);
    } while (n == -ETIMEDOUT && weft_now() >= silent_until && !silent(way, silent_until));
    if (n <= 0)
        return n;
    moved(way, n);
    way->large = n == sizeof piece; /* there may be more */
    way->small = 0;
    return weft_send_all(way->to, piece, (size_t)n, NULL);
}

static int one_way(void *arg)
{
    struct way *way = arg;
    ssize_t n;

    do
        n = way->large ? splice_piece(way) : copy_piece(way);
    while (n > 0);
    if (n == 0 && (n = weft_shutdown(way->to, SHUT_WR)) == -ENOTCONN)
        n = 0; /* it was closed already */
    if (way->pipe[0] >= 0) {
        weft_close(way->pipe[0]);
        weft_close(way->pipe[1]);
    }
    return (int)n;
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
        struct way there = {.connection = &connection,
                            .from = connection.client,
                            .to = connection.server,
                            .pipe = {-1, -1}};
        struct way back = {.connection = &connection,
                           .from = connection.server,
                           .to = connection.client,
                           .pipe = {-1, -1}};
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
