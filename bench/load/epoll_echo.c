/* epoll-echo: the echo server on epoll, one epoll and one listener for each thread. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "epoll_engine.h"

static struct epoll_options chosen;

struct epoll_server {
    struct epoll_engine *engine;
    int stop;
};

static int set_option(const char *text)
{
    uint64_t value;
    if (strcmp(text, "edge") == 0 || strcmp(text, "level") == 0)
        chosen.edge = text[0] == 'e';
    else if (strcmp(text, "read-write") == 0 || strcmp(text, "recv-send") == 0)
        chosen.plain_io = strcmp(text, "read-write") == 0;
    else if (strncmp(text, "buffer=", 7) == 0 && parse_number(text + 7, 64, 1 << 20, &value))
        chosen.buffer_size = (unsigned)value;
    else if (strncmp(text, "batch=", 6) == 0 && parse_number(text + 6, 1, 65536, &value))
        chosen.batch = (unsigned)value;
    else
        return -EINVAL;
    return 0;
}

static void close_server(void *argument)
{
    struct epoll_server *server = argument;
    epoll_engine_close(server->engine);
    free(server);
}

static void *open_server(int listener, int stop, int *error)
{
    struct epoll_server *server = malloc(sizeof *server);
    *error = -ENOMEM;
    if (!server)
        return NULL;
    server->stop = stop;
    server->engine = epoll_engine_open(&chosen, error);
    if (server->engine)
        *error = epoll_engine_listen(server->engine, listener);
    if (!*error)
        *error = epoll_engine_watch(server->engine, stop);
    if (!*error)
        return server;
    close_server(server);
    return NULL;
}

static int run_server(void *argument)
{
    struct epoll_server *server = argument;
    while (!epoll_engine_signalled(server->engine)) {
        int n = epoll_engine_turn(server->engine, -1);
        if (n < 0)
            return n;
    }
    return epoll_engine_watch(server->engine, server->stop);
}

static const struct engine_counters *server_counters(const void *argument)
{
    const struct epoll_server *server = argument;
    return epoll_engine_counters(server->engine);
}

int main(int argc, char **argv)
{
    static const struct server_kind kind = {
        .program = "epoll-echo",
        .options_help = "edge|level recv-send|read-write buffer=BYTES batch=EVENTS",
        .option = set_option,
        .open = open_server,
        .run = run_server,
        .close = close_server,
        .counters = server_counters,
    };
    epoll_options_best(&chosen);
    signal(SIGPIPE, SIG_IGN); /* write(2) has no MSG_NOSIGNAL */
    return server_main(argc, argv, &kind);
}
