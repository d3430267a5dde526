/*
 * proxy: a TCP proxy that copies no byte, and sees none of what comes in large pieces.
 *
 *     proxy [-n CONNECTIONS] [-i SECONDS] LISTEN TARGET
 *         -n   so many at one time; the next wait to be accepted; 1000
 *         -i   a connection that is silent for so long, both ways, is closed; 300
 *
 * A connection is two streams and two ways between them, each a task. What is small is given from
 * one stream to the other, out of the buffer it was received into. Once it comes in large pieces
 * the way is spliced: from socket to socket in the kernel; until what comes is small again. A way
 * that comes to the end of what there is passes the end on and is over; the other goes on. An error
 * of either ends both. A slow reader holds one piece up, and so stops the sender.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

enum {
    PIECE = 1 << 18,    /* of what is spliced, at most */
    LARGE = 1 << 14,    /* so much in one buffer, and it is spliced from then on */
    SMALL = 1 << 13,    /* so little, */
    SMALL_IN_A_ROW = 8, /* so often, and it is not */
    CONNECT_S = 10      /* a first segment that is lost is sent again after 1, 3 and 7 seconds */
};

static struct {
    const char *listen, *target;
    uint32_t connections_max;
    int64_t idle_ns;
    uint64_t connections, failed, bytes;
} proxy = {.connections_max = 1000, .idle_ns = INT64_C(300000000000)};

struct connection {
    weft_stream *client, *server;
    weft_scope ways;
    int64_t limit_ns; /* when they are over, unless something comes */
};

struct way {
    struct connection *connection;
    weft_stream *from, *to;
    int64_t limit_ns; /* no later than the connection's, which lies on another stack */
    int small; /* pieces in a row that need not have been spliced; SMALL_IN_A_ROW: is not spliced */
};

/* A deadline that is moved for each piece is one more thing to do for each: it is set too late by
   an eighth, and moved no more often than that. */
static int64_t limit(int64_t silent_until)
{
    return silent_until + proxy.idle_ns / 8;
}

static void moved(struct way *way, ssize_t size)
{
    struct connection *connection = way->connection;
    int64_t silent_until = weft_after_ns(proxy.idle_ns);

    proxy.bytes += (uint64_t)size;
    if (silent_until <= way->limit_ns)
        return;
    if (silent_until > connection->limit_ns) {
        connection->limit_ns = limit(silent_until);
        weft_scope_reschedule(&connection->ways, connection->limit_ns);
    }
    way->limit_ns = connection->limit_ns;
}

/* One piece from stream to stream. How much; 0 at the end; or an error: -ESHUTDOWN the proxy stops,
   and nothing is under way here. */
static ssize_t splice_piece(struct way *way)
{
    ssize_t n = weft_stream_splice(way->to, way->from, PIECE, WEFT_IDLE);

    way->small = n > SMALL ? 0 : way->small + 1;
    return n;
}

static ssize_t give_piece(struct way *way)
{
    const void *bytes;
    size_t size;
    int error = weft_stream_peek(way->from, &bytes, &size, WEFT_IDLE);

    if (error <= 0)
        return error;
    if (size >= LARGE)
        way->small = 0;
    return weft_stream_give(way->to, way->from, size);
}

static int one_way(void *arg)
{
    struct way *way = arg;
    ssize_t n;

    while ((n = way->small < SMALL_IN_A_ROW ? splice_piece(way) : give_piece(way)) > 0)
        moved(way, n);
    if (n == 0 && (n = weft_stream_shutdown(way->to)) == -ENOTCONN)
        n = 0; /* it was closed already */
    return (int)n;
}

static int connect_to_target(void)
{
    weft_scope limit;
    const struct weft_scope_opt opt = {.size = sizeof opt,
                                       .deadline = weft_after_ms(CONNECT_S * 1000)};
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

/* Until both ways are over. 0, or what ended them: -ETIMEDOUT nothing came for too long. */
static int both_ways(struct connection *connection)
{
    struct way there = {connection, connection->client, connection->server, 0, SMALL_IN_A_ROW};
    struct way back = {connection, connection->server, connection->client, 0, SMALL_IN_A_ROW};
    weft_scope *ways = &connection->ways;
    struct weft_scope_opt opt = {.size = sizeof opt};
    int error;

    opt.deadline = connection->limit_ns = limit(weft_after_ns(proxy.idle_ns));
    error = weft_scope_open(ways, &opt);
    if (error < 0)
        return error;
    error = weft_spawn(ways, one_way, &there, sizeof there, NULL);
    if (error == 0)
        error = weft_spawn(ways, one_way, &back, sizeof back, NULL);
    if (error < 0)
        weft_scope_cancel(ways);
    return weft_scope_close(ways);
}

/* The descriptor is the stream's, or closed. */
static int open_stream(int fd, weft_stream **stream)
{
    int error = weft_stream_open(fd, NULL, stream);

    if (error < 0)
        weft_close(fd);
    return error;
}

static int converse(void *arg)
{
    struct connection connection = {.client = NULL};
    int error = open_stream(*(int *)arg, &connection.client);

    if (error < 0)
        return 0;
    error = connect_to_target();
    if (error >= 0)
        error = open_stream(error, &connection.server);
    if (error == 0)
        error = both_ways(&connection);
    if (error < 0)
        proxy.failed++;
    /* nobody is to take a failure for a proper end */
    (error < 0 ? weft_stream_abort : weft_stream_close)(connection.client);
    (error < 0 ? weft_stream_abort : weft_stream_close)(connection.server);
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

static int usage(void)
{
    fprintf(stderr, "usage: proxy [-n CONNECTIONS] [-i SECONDS] LISTEN TARGET\n");
    return 2;
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
            return usage();
    }
    if (argc - optind != 2 || proxy.connections_max == 0 || proxy.idle_ns <= 0)
        return usage();
    proxy.listen = argv[optind];
    proxy.target = argv[optind + 1];
    result = weft_run(serve, NULL, 0, &opt);
    if (result < 0)
        fprintf(stderr, "proxy: %s\n", why[0] ? why : strerror(-result));
    return result < 0;
}
