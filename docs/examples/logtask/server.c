/* An echo server: a task for each connection, and a line in the log for each thing that happens. */
#include "server.h"

struct conversation {
    struct log *log;
    int fd, number;
};

static int converse(void *arg)
{
    struct conversation *with = arg;
    char text[1024];
    size_t bytes = 0;
    ssize_t n;

    log_line(with->log, "connection %d: begins", with->number);
    while ((n = weft_recv(with->fd, text, sizeof text, WEFT_IDLE)) > 0) {
        bytes += (size_t)n;
        log_line(with->log, "connection %d: %zd bytes", with->number, n);
        if ((n = weft_send_all(with->fd, text, (size_t)n, NULL)) < 0)
            break;
    }
    log_line(with->log, "connection %d: ends after %zu bytes", with->number, bytes);
    weft_close(with->fd);
    return 0;
}

/* Returns when the listener says that it is over, and all conversations are. */
static int accept_all(int listener, struct log *log)
{
    struct conversation with = {log, -1, 0};

    WEFT_SCOPE(conversations, .on_error = WEFT_KEEP_GOING, .max_tasks = 1000) {
        while ((with.fd = weft_accept(listener, NULL, NULL, 0)) >= 0) {
            with.number++;
            if (weft_spawn(&conversations, converse, &with, sizeof with, NULL) < 0)
                weft_close(with.fd);
        }
    }
    return 0;
}

int serve(void *arg)
{
    struct server *server = *(struct server **)arg;
    int listener = weft_listen_tcp(server->address, NULL), error = listener;

    if (listener < 0)
        return listener;
    WEFT_SCOPE(logging, .on_error = WEFT_KEEP_GOING) {
        error = log_open(&server->log, &logging, server->path, server->complain);
        if (error == 0) {
            error = accept_all(listener, &server->log);
            log_close(&server->log);
        }
    }
    weft_close(listener);
    return error;
}
