/* bare-echo: the echo server on a bare ring, one ring and one listener for each thread.
 *
 * Options are those of bare_options_set.
 */
#include <errno.h>
#include <stdlib.h>

#include "bare_engine.h"

static struct bare_options chosen;

struct bare_server {
    struct bare_engine *engine;
    int stop;
};

static int set_option(const char *text)
{
    return bare_options_set(&chosen, text) ? 0 : -EINVAL;
}

static void *open_server(int listener, int stop, int *error)
{
    struct bare_server *server = malloc(sizeof *server);
    *error = -ENOMEM;
    if (!server)
        return NULL;
    server->engine = bare_engine_open(&chosen, error);
    if (!server->engine) {
        free(server);
        return NULL;
    }
    server->stop = stop;
    bare_engine_listen(server->engine, listener);
    bare_engine_watch(server->engine, stop);
    return server;
}

static int run_server(void *argument)
{
    struct bare_server *server = argument;
    while (!bare_engine_signalled(server->engine)) {
        int error = bare_engine_turn(server->engine);
        if (error)
            return error;
    }
    bare_engine_watch(server->engine, server->stop);
    return 0;
}

static void close_server(void *argument)
{
    struct bare_server *server = argument;
    bare_engine_close(server->engine);
    free(server);
}

static const struct engine_counters *server_counters(const void *argument)
{
    const struct bare_server *server = argument;
    return bare_engine_counters(server->engine);
}

int main(int argc, char **argv)
{
    static const struct server_kind kind = {
        .program = "bare-echo",
        .options_help = "multishot|single poll-first|try-first defer|plain no-sqarray|sqarray "
                        "registered|unregistered direct|no-direct match|no-match "
                        "buffer=BYTES buffers=COUNT batch=COUNT",
        .option = set_option,
        .open = open_server,
        .run = run_server,
        .close = close_server,
        .counters = server_counters,
    };
    bare_options_best(&chosen);
    return server_main(argc, argv, &kind);
}
