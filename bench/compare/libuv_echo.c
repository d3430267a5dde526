/* libuv-echo: the echo server on libuv. `libuv-echo ADDRESS:PORT|unix:PATH`.
 *
 * One buffer serves all reads: what was read is sent before the next read asks for room. Sends go
 * by uv_try_write, which needs no request and no turn of the loop; only what the peer will not take
 * now is copied, and the connection is not read from until that has gone.
 */
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "tally.h"

union connection {
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

/* What could not be sent at once, on its way. */
struct rest {
    uv_write_t request;
    size_t length;
    char bytes[];
};

static struct engine_counters counters;
static bool is_unix;
static char buffer[PEER_BUFFER_BYTES];

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buf);

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(buffer, sizeof buffer);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void end(uv_stream_t *stream, bool failed)
{
    counters.errors += failed;
    if (!uv_is_closing((uv_handle_t *)stream))
        uv_close((uv_handle_t *)stream, on_closed);
}

static void on_written(uv_write_t *request, int status)
{
    struct rest *rest = request->data;
    if (status == 0)
        counters.bytes += rest->length;
    if (status < 0 || uv_read_start(request->handle, on_alloc, on_read) < 0)
        end(request->handle, true);
    free(rest);
}

static void send_later(uv_stream_t *stream, const char *bytes, size_t length)
{
    struct rest *rest = malloc(sizeof *rest + length);
    if (!rest) {
        end(stream, true);
        return;
    }
    rest->length = length;
    rest->request.data = rest;
    memcpy(rest->bytes, bytes, length);
    uv_buf_t buf = uv_buf_init(rest->bytes, (unsigned)length);
    uv_read_stop(stream);
    if (uv_write(&rest->request, stream, &buf, 1, on_written) < 0) {
        free(rest);
        end(stream, true);
    }
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buf)
{
    if (length == 0)
        return;
    if (length < 0) {
        end(stream, length != UV_EOF);
        return;
    }
    counters.messages++;
    uv_buf_t out = uv_buf_init(buf->base, (unsigned)length);
    int sent = uv_try_write(stream, &out, 1);
    if (sent == UV_EAGAIN)
        sent = 0;
    if (sent < 0) {
        end(stream, true);
        return;
    }
    counters.bytes += (uint64_t)sent;
    if (sent < length)
        send_later(stream, buf->base + sent, (size_t)(length - sent));
}

static int init(uv_loop_t *loop, union connection *c)
{
    return is_unix ? uv_pipe_init(loop, &c->pipe, 0) : uv_tcp_init(loop, &c->tcp);
}

static void on_connection(uv_stream_t *listener, int status)
{
    union connection *c = status == 0 ? malloc(sizeof *c) : NULL;
    if (!c || init(listener->loop, c) < 0) {
        free(c);
        return;
    }
    counters.connections++;
    if (uv_accept(listener, &c->stream) < 0 || uv_read_start(&c->stream, on_alloc, on_read) < 0)
        end(&c->stream, true);
}

static void on_signal(uv_signal_t *handle, int number)
{
    if (number == SIGUSR1)
        tally_print("libuv-echo", &counters);
    else
        uv_stop(handle->loop);
}

static void watch(uv_loop_t *loop, uv_signal_t *handle, int number)
{
    uv_signal_init(loop, handle);
    uv_signal_start(handle, on_signal, number);
}

static void close_each(uv_handle_t *handle, void *listener)
{
    bool ours = handle == listener || handle->type == UV_SIGNAL;
    if (!uv_is_closing(handle))
        uv_close(handle, ours ? NULL : on_closed);
}

int main(int argc, char **argv)
{
    struct address address;
    int fd = tally_listen(argc, argv, &address);
    is_unix = address.is_unix;

    uv_loop_t *loop = uv_default_loop();
    union connection listener;
    uv_signal_t signals[3];
    init(loop, &listener);
    int error = is_unix ? uv_pipe_open(&listener.pipe, fd) : uv_tcp_open(&listener.tcp, fd);
    if (error == 0)
        error = uv_listen(&listener.stream, PEER_BACKLOG, on_connection);
    if (error < 0) {
        fprintf(stderr, "libuv-echo: %s: %s\n", argv[1], uv_strerror(error));
        return 1;
    }
    watch(loop, &signals[0], SIGTERM);
    watch(loop, &signals[1], SIGINT);
    watch(loop, &signals[2], SIGUSR1);
    tally_ready(argv[1]);
    uv_run(loop, UV_RUN_DEFAULT);

    tally_print("libuv-echo", &counters);
    uv_walk(loop, close_each, &listener);
    uv_run(loop, UV_RUN_DEFAULT);
    return uv_loop_close(loop) < 0;
}
