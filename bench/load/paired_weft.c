/*
 * paired_weft: weft's own servers for `paired`.
 *
 *   weft          the documentation's echo: a task each, weft_recv and weft_send_all
 *   weft-write    a stream each, the view it lends is sent from, and the send waited for
 *   weft-stream   the tuned one: the view is given away
 *
 * Each is a loop, turned by serve until the kernel has taken what was to be
 * echoed.
 */
#include <errno.h>
#include <stdlib.h>
#include <weft/net.h>
#include <weft/stream.h>

#include "paired.h"
#include "runtime/loop.h"

struct server {
    weft_loop *loop;
    size_t size;
};

enum { BUFFER_SIZE = 4096, BUFFER_SIZE_LARGE = 65536 };

static int echo(int fd, char *buffer, size_t size)
{
    ssize_t n;

    while ((n = weft_recv(fd, buffer, size, WEFT_IDLE)) > 0)
        if (weft_send_all(fd, buffer, (size_t)n, NULL) < 0)
            break;
    return weft_close(fd);
}

static int plain(void *arg)
{
    char buffer[BUFFER_SIZE];

    return echo(*(int *)arg, buffer, sizeof buffer);
}

static int plain_large(void *arg)
{
    char *buffer = malloc(BUFFER_SIZE_LARGE);
    int result = buffer ? echo(*(int *)arg, buffer, BUFFER_SIZE_LARGE) : -ENOMEM;

    free(buffer);
    return result;
}

static int written(void *arg)
{
    int fd = *(int *)arg;
    weft_stream *stream;
    const void *data;
    size_t size;

    if (weft_stream_open(fd, NULL, &stream) < 0)
        return weft_close(fd);
    while (weft_stream_peek(stream, &data, &size, WEFT_IDLE) > 0) {
        if (weft_stream_write(stream, data, size, NULL) < 0)
            break;
        weft_stream_consume(stream, size);
    }
    return weft_stream_close(stream);
}

static int given(void *arg)
{
    int fd = *(int *)arg;
    weft_stream *stream;
    const void *data;
    size_t size;

    if (weft_stream_open(fd, NULL, &stream) < 0)
        return weft_close(fd);
    while (weft_stream_peek(stream, &data, &size, WEFT_IDLE) > 0)
        if (weft_stream_give(stream, stream, size) < 0)
            break;
    return weft_stream_close(stream);
}

static void server_close(struct variant *variant)
{
    struct server *server = variant->state;

    (void)weft_loop_close(server->loop);
    free(server);
}

static int server_open(struct variant *variant, const struct paired_setup *setup, weft_task_fn fn)
{
    static const struct weft_run_opt opt = {.size = sizeof opt,
                                            .cancel_ns = 1000000000,
                                            .no_pinning = true};
    struct server *server = calloc(1, sizeof *server);
    int error = server ? weft_loop_new(&server->loop, &opt) : -ENOMEM;

    if (error < 0) {
        free(server);
        return error;
    }
    server->size = setup->size;
    variant->state = server;
    for (unsigned i = 0; i < setup->count && error == 0; i++) {
        int fd = setup->fds[i];
        error = weft_loop_create_task(server->loop, fn, &fd, sizeof fd, NULL);
    }
    for (int i = 0; i < 8; i++) /* let each arm its first receive */
        (void)weft_loop_step(server->loop, false);
    if (error < 0)
        server_close(variant);
    return error;
}

static int open_plain(struct variant *variant, const struct paired_setup *setup)
{
    return server_open(variant, setup, setup->size > BUFFER_SIZE ? plain_large : plain);
}

static int open_written(struct variant *variant, const struct paired_setup *setup)
{
    return server_open(variant, setup, written);
}

static int open_given(struct variant *variant, const struct paired_setup *setup)
{
    return server_open(variant, setup, given);
}

static int serve(struct variant *variant, unsigned messages)
{
    struct server *server = variant->state;
    const struct weft_stats *stats = &weft__loop_reactor(server->loop)->stats;
    uint64_t before = stats->enters, end = stats->bytes_sent + messages * (uint64_t)server->size;
    uint64_t turns = 0;

    while (stats->bytes_sent < end && turns++ < 1000000)
        (void)weft_loop_step(server->loop, true);
    variant->enters += stats->enters - before;
    return stats->bytes_sent < end ? -ETIME : 0;
}

unsigned paired_weft_variants(struct variant *into, unsigned room)
{
    static const struct variant variants[] = {
        {.name = "weft", .open = open_plain, .serve = serve, .close = server_close},
        {.name = "weft-write", .open = open_written, .serve = serve, .close = server_close},
        {.name = "weft-stream", .open = open_given, .serve = serve, .close = server_close},
    };
    unsigned count = sizeof variants / sizeof variants[0];

    for (unsigned i = 0; i < count && i < room; i++)
        into[i] = variants[i];
    return count < room ? count : room;
}
