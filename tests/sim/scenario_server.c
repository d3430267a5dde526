/*
 * The scenario of servers: one with a limit, whose listener goes to a successor over a Unix socket
 * while clients come; scenario.h says by which rules.
 */
#include "scenario.h"

#include <string.h>

enum { CLIENTS = 2, PATIENCE_MS = 20000 };

/* Whose bytes they are the first one says. */
static int way_of(unsigned char first)
{
    int way = 0;

    while (way < WAYS - 1 && (scenario_byte(way, 0) != first || ledger.ways[way].received > 0))
        way++;
    return way;
}

static int echoes(weft_stream *stream, void *arg)
{
    const void *data;
    size_t size;
    int way = -1;
    ssize_t n;

    (void)arg;
    while ((n = weft_stream_peek(stream, &data, &size, WEFT_IDLE)) > 0) {
        way = way < 0 ? way_of(*(const unsigned char *)data) : way;
        scenario_received(way, data, size);
        n = weft_stream_write(stream, data, size, NULL);
        weft_stream_consume(stream, size);
        if (n < 0)
            break;
    }
    return (int)n;
}

/* Stopped in the way `stop` does it; everybody who came is counted in one place. */
static int end_server(weft_server *server, int (*stop)(weft_server *, int64_t, int64_t))
{
    struct weft_server_counts counts;
    int cut = stop(server, weft_after_ms(300), weft_after_ms(400));

    if (weft_server_counts(server, &counts, sizeof counts) < 0 || counts.active > 0 ||
        (cut >= 0 && (uint64_t)cut > counts.cut))
        scenario_failed("%d were cut, %llu active", cut, (unsigned long long)counts.active);
    return weft_server_close(server);
}

/* -- the successor -------------------------------------------------------------------------------
 */

static struct {
    int ends[2]; /* of the channel: the old one's, the new one's */
    int port;
    weft_event enough;
} meeting;

static int take_over(weft_server **server)
{
    struct weft_server_opt opt = {.size = sizeof opt, .fd_count = 1};
    int fd = -1, error;
    uint32_t count = 1;

    error = weft_take_over(meeting.ends[1], &fd, &count);
    if (error < 0)
        return error;
    opt.fds = &fd;
    error = weft_start_server(server, NULL, echoes, NULL, &opt);
    if (error < 0) {
        weft_close(fd);
        return error;
    }
    error = weft_take_over_done(meeting.ends[1]);
    if (error < 0)
        (void)end_server(*server, weft_server_drain);
    return error;
}

static int succeeds(void)
{
    weft_server *server;
    int error = take_over(&server), closed;

    if (error < 0)
        return error;
    error = weft_event_wait(&meeting.enough);
    closed = end_server(server, weft_server_drain);
    return error < 0 ? error : closed;
}

/* -- who was there before ------------------------------------------------------------------------
 */

static int asks_all(int first)
{
    weft_scope s;
    int error =
        weft_scope_open(&s, &(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt)});
    int closed;

    if (error < 0)
        return error;
    for (int i = 0; i < CLIENTS && error == 0; i++)
        error = scenario_spawn_client(&s, meeting.port, first + i);
    closed = weft_scope_close(&s);
    return error < 0 ? error : closed;
}

static int precedes(void)
{
    const struct weft_server_opt opt = {.size = sizeof opt,
                                        .connections_max = 1,
                                        .connection_ns = INT64_C(30000000000),
                                        .connection_bytes = 100000};
    weft_server *server;
    int error = weft_start_server(&server, "127.0.0.1:0", echoes, NULL, &opt), fd, closed;

    if (error < 0)
        return error;
    meeting.port = weft_server_port(server);
    error = asks_all(0);
    if (error == 0 && weft_server_listeners(server, &fd, 1) == 1)
        error = weft_hand_over(meeting.ends[0], &fd, 1);
    closed = end_server(server, error == 0 ? weft_server_retire : weft_server_drain);
    if (error == 0)
        error = asks_all(CLIENTS);
    (void)weft_event_set(&meeting.enough);
    return error < 0 ? error : closed;
}

/* Who ends badly leaves the other nothing to wait for. */
static int serves(void *arg)
{
    int error = *(int *)arg ? succeeds() : precedes();

    if (error < 0)
        (void)weft_scope_cancel(ledger.scope);
    return error;
}

/* A Unix socket with both ends here. */
static int open_channel(int ends[2])
{
    int listener = weft_listen_tcp("unix:@meeting", NULL), error = listener;

    ends[0] = ends[1] = -1;
    if (error >= 0)
        error = ends[0] = weft_connect_tcp("unix:@meeting", NULL);
    if (error >= 0)
        error = ends[1] = weft_accept_until(listener, NULL, NULL, 0, weft_after_ms(PATIENCE_MS));
    if (listener >= 0)
        weft_close(listener);
    return error < 0 ? error : 0;
}

int scenario_servers_main(void *arg)
{
    const int who[] = {0, 1};
    int error;

    (void)arg;
    memset(&meeting, 0, sizeof meeting);
    error = open_channel(meeting.ends);
    if (error == 0)
        error = scenario_side_by_side(serves, who, sizeof who[0], 2);
    for (int i = 0; i < 2; i++)
        if (meeting.ends[i] >= 0)
            weft_close(meeting.ends[i]);
    return error;
}
