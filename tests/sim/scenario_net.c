/*
 * The scenarios with connections; scenario.h says by which rules.
 */
#include "scenario.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct ledger ledger;

enum { CHUNK = 700, CHUNKS = 3, ARG_MAX = 64 };

/* -- the ledger ------------------------------------------------------------------------------- */

struct job {
    weft_task_fn fn;
    char arg[ARG_MAX];
};

static int run_job(void *arg)
{
    struct job *job = arg;
    int result;

    ledger.begun++;
    result = job->fn(job->arg);
    ledger.ended++;
    ledger.failed += result < 0;
    return result;
}

int scenario_spawn(weft_scope *scope, weft_task_fn fn, const void *arg, size_t size, int reactor)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .reactor = reactor};
    struct job job = {.fn = fn};
    int error;

    memcpy(job.arg, arg, size);
    ledger.spawned++;
    error = weft_spawn(scope, run_job, &job, sizeof job, &opt);
    ledger.spawned -= error < 0;
    return error;
}

unsigned char scenario_byte(int way, uint64_t at)
{
    return (unsigned char)((at + (uint64_t)way * 77) * 131 + at / 251);
}

void scenario_fill(int way, char *bytes, size_t size)
{
    struct way *w = &ledger.ways[way];

    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)scenario_byte(way, w->sent + i);
    w->offered = w->sent + size;
}

static void check(int way, const void *data, size_t size, uint64_t *at, uint64_t limit)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < size; i++, ++*at)
        if (bytes[i] != scenario_byte(way, *at))
            scenario_failed("byte %llu of way %d is wrong", (unsigned long long)*at, way);
    if (*at > limit)
        scenario_failed("way %d: %llu bytes of %llu", way, (unsigned long long)*at,
                        (unsigned long long)limit);
}

void scenario_received(int way, const void *data, size_t size)
{
    check(way, data, size, &ledger.ways[way].received, ledger.ways[way].offered);
}

static ssize_t settle(int way, ssize_t result, size_t done)
{
    struct way *w = &ledger.ways[way];

    w->sent += done;
    if (w->sent > w->offered)
        scenario_failed("way %d: more was sent than there is", way);
    w->offered = w->sent;
    return result;
}

ssize_t scenario_send(int fd, int way, size_t size)
{
    char bytes[CHUNK];
    size_t done = 0;
    ssize_t result;

    scenario_fill(way, bytes, size);
    result = weft_send_all(fd, bytes, size, &done);
    return settle(way, result, done);
}

ssize_t scenario_write(weft_stream *stream, int way, size_t size)
{
    char bytes[CHUNK];
    size_t done = 0;
    ssize_t result;

    scenario_fill(way, bytes, size);
    result = weft_stream_write(stream, bytes, size, &done);
    return settle(way, result, done);
}

ssize_t scenario_write_file(int fd, int way, size_t size)
{
    char bytes[CHUNK];
    size_t done = 0;
    ssize_t result;

    scenario_fill(way, bytes, size);
    result = weft_write_all(fd, bytes, size, &done);
    return settle(way, result, done);
}

ssize_t scenario_recv_echo(int fd, int way, size_t size)
{
    char bytes[CHUNK];
    size_t done = 0;
    ssize_t result = weft_recv_exactly(fd, bytes, size, &done);
    struct way *w = &ledger.ways[way];

    check(way, bytes, done, &w->echoed, w->unseen ? w->sent : w->received);
    if (w->unseen)
        w->received = w->echoed;
    return result;
}

int scenario_connect(int port)
{
    char address[32];

    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    return weft_connect_tcp(address, NULL);
}

/* -- clients ---------------------------------------------------------------------------------- */

struct client {
    int port, way;
};

/* Sends its bytes in chunks, each of which has to come back, and closes. */
static int client(void *arg)
{
    struct client *client = arg;
    int fd = scenario_connect(client->port);
    ssize_t n = fd;

    if (fd < 0)
        return fd;
    for (int i = 0; i < CHUNKS && n >= 0; i++) {
        n = scenario_send(fd, client->way, CHUNK);
        if (n >= 0)
            n = scenario_recv_echo(fd, client->way, CHUNK);
    }
    weft_close(fd);
    return n < 0 ? (int)n : 0;
}

int scenario_spawn_client(weft_scope *scope, int port, int way)
{
    return scenario_spawn(scope, client, &(struct client){port, way}, sizeof(struct client), 0);
}

/* -- servers ---------------------------------------------------------------------------------- */

struct conversation {
    int fd, way, port;
};

static int echo_plain(void *arg)
{
    struct conversation *c = arg;
    char bytes[512];
    ssize_t n;

    while ((n = weft_recv(c->fd, bytes, sizeof bytes, WEFT_IDLE)) > 0) {
        scenario_received(c->way, bytes, (size_t)n);
        if ((n = weft_send_all(c->fd, bytes, (size_t)n, NULL)) < 0)
            break;
    }
    weft_close(c->fd);
    return (int)n;
}

static int open_stream(int fd, weft_stream **stream)
{
    int error = weft_stream_open(fd, NULL, stream);

    if (error < 0)
        weft_close(fd);
    return error;
}

static int echo_write(void *arg)
{
    struct conversation *c = arg;
    weft_stream *stream;
    const void *data;
    size_t size;
    ssize_t n = open_stream(c->fd, &stream);

    if (n < 0)
        return (int)n;
    while ((n = weft_stream_peek(stream, &data, &size, WEFT_IDLE)) > 0) {
        scenario_received(c->way, data, size);
        n = weft_stream_write(stream, data, size, NULL);
        weft_stream_consume(stream, size);
        if (n < 0)
            break;
    }
    weft_stream_close(stream);
    return (int)n;
}

/* From one stream to another, or back to itself, without a copy. `way` < 0: not written down. */
static ssize_t pump(weft_stream *to, weft_stream *from, int way)
{
    const void *data;
    size_t size;
    ssize_t n;

    while ((n = weft_stream_peek(from, &data, &size, WEFT_IDLE)) > 0) {
        if (way >= 0)
            scenario_received(way, data, size);
        n = weft_stream_give(to, from, size);
        if (n < 0)
            break;
    }
    return n;
}

static int echo_give(void *arg)
{
    struct conversation *c = arg;
    weft_stream *stream;
    ssize_t n = open_stream(c->fd, &stream);

    if (n < 0)
        return (int)n;
    n = pump(stream, stream, c->way);
    weft_stream_close(stream);
    return (int)n;
}

/* Through the kernel: nobody looks at them here. */
static int echo_splice(void *arg)
{
    struct conversation *c = arg;
    weft_stream *stream;
    ssize_t n = open_stream(c->fd, &stream);

    if (n < 0)
        return (int)n;
    ledger.ways[c->way].unseen = true;
    do
        n = weft_stream_splice(stream, stream, CHUNK, WEFT_IDLE);
    while (n > 0);
    weft_stream_close(stream);
    return (int)n;
}

struct direction {
    weft_stream *to, *from;
};

static int pump_task(void *arg)
{
    struct direction *direction = arg;
    ssize_t n = pump(direction->to, direction->from, -1);

    if (n == 0)
        n = weft_stream_shutdown(direction->to);
    return (int)n;
}

/* Between its client and the echo server behind it, one task for each direction. */
static int proxy(void *arg)
{
    struct conversation *c = arg;
    weft_stream *front = NULL, *back = NULL;
    int error = open_stream(c->fd, &front), fd;

    if (error < 0)
        return error;
    fd = error = scenario_connect(c->port);
    if (error >= 0)
        error = open_stream(fd, &back);
    if (error >= 0) {
        struct direction there = {back, front}, again = {front, back};
        weft_scope s;
        error = weft_scope_open(&s, NULL);
        if (error == 0) {
            error = scenario_spawn(&s, pump_task, &there, sizeof there, 0);
            if (error == 0)
                error = scenario_spawn(&s, pump_task, &again, sizeof again, 0);
            if (error < 0 || weft_scope_tasks(&s) < 2)
                weft_scope_cancel(&s);
            while (error == 0 && weft_scope_tasks(&s) == 2)
                error = weft_sleep(1000000);
            if (error < 0)
                weft_scope_cancel(&s);
            else if (weft_scope_tasks(&s) == 1) { /* the other has that long to see the end */
                error = weft_sleep(50000000);
                weft_scope_cancel(&s);
            }
            fd = weft_scope_close(&s);
            error = error < 0 ? error : fd;
        }
    }
    weft_stream_close(back);
    weft_stream_close(front);
    return error;
}

struct server {
    int listener;
    weft_task_fn fn;
    int port; /* of whoever is behind it */
    int max_tasks;
};

/* Whoever comes, until drained. Way 0, 1, ... in the order of their coming: the client tells. */
static int server(void *arg)
{
    struct server *server = arg;
    int fd = -ECANCELED, error = 0;
    weft_scope s;

    error = weft_scope_open(&s, &(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt),
                                                         .on_error = WEFT_KEEP_GOING,
                                                         .max_tasks = (uint32_t)server->max_tasks});
    while (error == 0 && (fd = weft_accept(server->listener, NULL, NULL, 0)) >= 0) {
        struct conversation c = {.fd = fd, .port = server->port};
        char first;
        /* the first byte says whose it is, and stays */
        ssize_t n = server->port ? 1 : weft_recv(fd, &first, 1, MSG_PEEK);
        for (c.way = 0; n == 1 && !server->port && c.way < WAYS; c.way++)
            if (scenario_byte(c.way, 0) == (unsigned char)first && ledger.ways[c.way].offered &&
                ledger.ways[c.way].received == 0)
                break;
        if (n != 1 || scenario_spawn(&s, server->fn, &c, sizeof c, 0) < 0)
            weft_close(fd);
    }
    weft_close(server->listener);
    error = weft_scope_close(&s);
    return fd == -ESHUTDOWN || error < 0 ? error : fd;
}

/* A server (two for the proxy) and its clients, side by side; then the server is drained. */
static int serve(weft_task_fn fn, int clients, int max_tasks, bool behind)
{
    struct server servers[2] = {{.fn = behind ? proxy : fn, .max_tasks = max_tasks}, {.fn = fn}};
    int error = 0, closed;
    weft_scope s, c;

    error = weft_scope_open(&s, &(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt),
                                                         .on_error = WEFT_KEEP_GOING});
    if (error < 0)
        return error;
    ledger.scope = &s;
    for (int i = behind; i >= 0 && error == 0; i--) {
        servers[i].listener = weft_listen_tcp("127.0.0.1:0", NULL);
        if (servers[i].listener < 0) {
            error = servers[i].listener;
            break;
        }
        servers[0].port = i ? weft_local_port(servers[1].listener) : servers[0].port;
        closed = weft_local_port(servers[i].listener);
        error = scenario_spawn(&s, server, &servers[i], sizeof servers[i], 0);
        if (error < 0)
            weft_close(servers[i].listener);
        else
            error = i ? 0 : closed;
    }
    if (error > 0) {
        int port = error;
        /* a server without descriptors, or one that cannot send, says nothing: they give up */
        error = weft_scope_open(&c, &(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt),
                                                             .deadline = weft_after_ms(20000)});
        for (int i = 0; i < clients && error == 0; i++)
            error = scenario_spawn_client(&c, port, i);
        closed = weft_scope_close(&c);
        error = error < 0 ? error : closed;
    }
    weft_scope_drain(&s, weft_after_ms(400), weft_after_ms(500));
    ledger.whole = error == 0 && weft_scope_errors(&s, NULL, 0) == 0 && !weft_cancelled();
    ledger.scope = NULL;
    closed = weft_scope_close(&s);
    ledger.whole &= closed == 0;
    return error < 0 ? error : closed;
}

static int main_echo_plain(void *arg)
{
    (void)arg;
    return serve(echo_plain, 2, 0, false);
}

static int main_echo_write(void *arg)
{
    (void)arg;
    return serve(echo_write, 2, 0, false);
}

static int main_echo_give(void *arg)
{
    (void)arg;
    return serve(echo_give, 2, 0, false);
}

static int main_echo_splice(void *arg)
{
    (void)arg;
    return serve(echo_splice, 2, 0, false);
}

static int main_proxy(void *arg)
{
    (void)arg;
    return serve(echo_give, 1, 0, true);
}

static int main_limit(void *arg)
{
    (void)arg;
    return serve(echo_plain, 3, 1, false);
}

const struct scenario scenarios[] = {
    {"echo_plain", main_echo_plain, 1},
    {"echo_write", main_echo_write, 1},
    {"echo_give", main_echo_give, 1},
    {"echo_splice", main_echo_splice, 1},
    {"proxy", main_proxy, 1},
    {"limit", main_limit, 1},
    {"deadlines", scenario_deadlines_main, 1},
    {"nested", scenario_nested_main, 1},
    {"remote", scenario_remote_main, 2},
    {"posts", scenario_posts_main, 1},
    {"stop", scenario_stop_main, 2},
    {"files", scenario_files_main, 1},
    {"pipe", scenario_pipe_main, 1},
    {"process", scenario_process_main, 1},
    {"sync", scenario_sync_main, 1},
    {"datagrams", scenario_datagrams_main, 1},
    {"endpoints", scenario_endpoints_main, 1},
    {"transports", scenario_transports_main, 1},
    {"servers", scenario_servers_main, 1},
    {"copies", scenario_copies_main, 1},
    {"several", scenario_several_main, 1},
};
const int scenario_count = sizeof scenarios / sizeof scenarios[0];
