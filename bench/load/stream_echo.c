/* weft-stream-echo: the echo server on streams.
 *
 * weft-stream-echo ADDRESS:PORT|unix:PATH [REACTORS]. A receive stays armed on each connection, the
 * buffer it filled is lent to us and given away to be sent: no byte is copied in user space, an
 * idle connection holds no buffer, and the task waits for the next message, not for the end of a
 * send.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "counted.h"

static int conversation(void *arg)
{
    uint64_t *messages = counted_messages();
    int fd = *(int *)arg;
    weft_stream *stream;
    const void *data;
    size_t size;

    if (weft_stream_open(fd, NULL, &stream) < 0)
        return weft_close(fd);
    while (weft_stream_peek(stream, &data, &size, WEFT_IDLE) > 0) {
        if (weft_stream_give(stream, stream, size) < 0)
            break;
        ++*messages;
    }
    return weft_stream_close(stream);
}

/* As in the documentation's echo: one listener on each reactor, and each starts the next. */
static int server(void *address)
{
    struct weft_listen_opt shared = {.size = sizeof shared, .reuse_port = weft_reactors() > 1};
    struct weft_spawn_opt next = {.size = sizeof next,
                                  .reactor = WEFT_ON(weft_reactor_index() + 1)};
    int fd, listener = weft_listen_tcp(address, &shared);

    if (listener < 0)
        return listener;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        if (weft_spawn(&s, server, address, 0, &next) < 0) {
            printf("listening on %s\n", (char *)address);
            fflush(stdout);
        }
        while ((fd = weft_accept(listener, NULL, NULL, 0)) >= 0)
            if (weft_spawn(&s, conversation, &fd, sizeof fd, NULL) < 0)
                weft_close(fd);
    }
    return weft_close(listener);
}

int main(int argc, char **argv)
{
    char why[512] = "";
    struct weft_run_opt opt = {.size = sizeof opt,
                               .stop_on_sigterm = true,
                               .reactors = 1,
                               .error_text = why,
                               .error_text_size = sizeof why};

    if (argc < 2) {
        fputs("usage: weft-stream-echo ADDRESS:PORT|unix:PATH [REACTORS]\n", stderr);
        return 2;
    }
    if (argc > 2 && strncmp(argv[1], "unix:", 5) != 0) /* a Unix socket has one listener */
        opt.reactors = (uint32_t)atoi(argv[2]);
    int result = counted_run("weft-stream-echo", server, argv[1], 0, &opt);
    if (result < 0)
        fprintf(stderr, "weft-stream-echo: %s: %s\n", argv[1], why[0] ? why : strerror(-result));
    return result < 0;
}
