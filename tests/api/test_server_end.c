/*
 * The end of a server that others look at meanwhile, and of connections that would not end. Catches
 * a server that is freed under those who wait for it, one that is closed twice, a limit of bytes
 * that ends with the handler and not with the tasks it leaves behind, and a connection that is kept
 * beyond its limits by a peer that does not read.
 */
#include "support/net.h"

/* -- waited for, drained and closed by several ------------------------------------------------- */

static weft_event may_end;

/* Is cut when it may be, and not before. */
static int lingers(weft_stream *stream, void *arg)
{
    (void)stream;
    (void)arg;
    WEFT_SHIELD(WEFT_NEVER - 1)
        ok(weft_event_wait(&may_end));
    return weft_sleep(INT64_C(3600000000000));
}

static struct weft_server_counts counts_of(weft_server *server)
{
    struct weft_server_counts counts;

    ok(weft_server_counts(server, &counts, sizeof counts));
    return counts;
}

enum { WAITS, DRAINS, CLOSES, WAYS };

struct watcher {
    weft_server *server;
    int way;
    int result;
    bool done;
};

static int watch(void *arg)
{
    struct watcher *watcher = arg;

    if (watcher->way == WAITS)
        watcher->result = weft_server_wait(watcher->server);
    else if (watcher->way == DRAINS)
        watcher->result = weft_server_drain(watcher->server, WEFT_NEVER, WEFT_NEVER);
    else
        watcher->result = weft_server_close(watcher->server);
    watcher->done = true;
    return 0;
}

static weft_stream *connect_to(weft_server *server)
{
    char address[64];
    weft_stream *stream;

    snprintf(address, sizeof address, "127.0.0.1:%d", weft_server_port(server));
    ck_assert_int_eq(weft_open_connection(address, NULL, &stream), 0);
    return stream;
}

/* All are in their calls when the server ends: they are told of it, and it lives until they have
   looked; who closes first has closed it. */
static void watch_all(struct watcher watchers[], int count, weft_server *server, int way)
{
    WEFT_SCOPE(s) {
        for (int i = 0; i < count; i++) {
            bool closes = i == count - 1 || way == CLOSES;
            watchers[i] = (struct watcher){.server = server, .way = closes ? CLOSES : way};
            if (way == WAYS)
                watchers[i].way = i % WAYS;
            ok(weft_spawn(&s, watch, &watchers[i], 0, NULL));
            ok(weft_sleep(1000000));
        }
        ok(weft_event_set(&may_end));
    }
}

static int main_watched(void *arg)
{
    enum { COUNT = 6 };

    (void)arg;
    for (int way = 0; way <= WAYS; way++) { /* the last: all ways at once */
        struct watcher watchers[COUNT];
        weft_server *server;
        int closed = 0;

        ok(weft_event_clear(&may_end));
        ok(weft_start_server(&server, "127.0.0.1:0", lingers, NULL, NULL));
        weft_stream *peer = connect_to(server);
        while (counts_of(server).active == 0)
            ok(weft_sleep(1000000));
        watch_all(watchers, COUNT, server, way);
        for (int i = 0; i < COUNT; i++) {
            ck_assert(watchers[i].done);
            if (watchers[i].way == WAITS)
                ck_assert_int_eq(watchers[i].result, -ECANCELED);
            else if (watchers[i].way == DRAINS)
                ck_assert_int_eq(watchers[i].result, 1);
            else if (watchers[i].result == 0)
                closed++;
            else
                ck_assert_int_eq(watchers[i].result, -EALREADY);
        }
        ck_assert_int_eq(closed, 1);
        ok(weft_stream_close(peer));
    }
    return 0;
}

TEST(closed_while_others_wait)
{
    net_run(main_watched);
}

/* -- limits after the handler ------------------------------------------------------------------ */

static int read_to_end(void *arg)
{
    weft_stream *stream = *(weft_stream **)arg;
    char bytes[64];
    ssize_t n;

    while ((n = weft_stream_read(stream, bytes, sizeof bytes, 0)) > 0)
        continue;
    return (int)n;
}

/* Leaves the reading to a task of its own. */
static int leave_it(weft_stream *stream, void *arg)
{
    (void)arg;
    return weft_create_task(read_to_end, &stream, sizeof stream, NULL);
}

static int main_left(void *arg)
{
    struct weft_server_opt opt = {.size = sizeof opt, .connection_bytes = 1000};
    static char bytes[5000];
    weft_server *server;

    (void)arg;
    ok(weft_start_server(&server, "127.0.0.1:0", leave_it, NULL, &opt));
    weft_stream *peer = connect_to(server);
    (void)weft_stream_write(peer, bytes, sizeof bytes, NULL);
    (void)weft_stream_shutdown(peer);
    while (counts_of(server).finished + counts_of(server).over_bytes == 0)
        ok(weft_sleep(1000000));
    ck_assert_uint_eq(counts_of(server).over_bytes, 1);
    ok(weft_stream_close(peer));
    return weft_server_close(server);
}

TEST(bytes_of_tasks_left_behind_count)
{
    net_run(main_left);
}

/* Returns when the peer does not take any more, and what was written then is left to the close; or
   waits to be cut, if so many bytes are too many. The first of them fit into any buffer. */
static int write_much(weft_stream *stream, void *arg)
{
    enum { PIECE = 1 << 18 };
    static char bytes[PIECE];
    bool stays = ((struct weft_server_opt *)arg)->connection_bytes > 0;
    ssize_t pending = weft_stream_write_nowait(stream, bytes, 1000);

    while (pending >= 0 && pending < 8 * PIECE) {
        if (weft_stream_write_nowait(stream, bytes, sizeof bytes) < 0)
            return -EPIPE;
        if (weft_sleep(1000000) < 0)
            return -ECANCELED;
        pending = weft_stream_write_pending(stream);
    }
    return pending < 0 || !stays ? (int)pending : weft_sleep(INT64_C(3600000000000));
}

/* Over its time while it closes; before; over its bytes. */
static int main_unread(void *arg)
{
    struct weft_server_opt limits[] = {
        {.size = sizeof *limits, .connection_ns = 300000000},
        {.size = sizeof *limits, .connection_ns = 1},
        {.size = sizeof *limits, .connection_bytes = 100},
    };

    (void)arg;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        weft_server *server;
        struct weft_server_counts counts;
        ok(weft_start_server(&server, "127.0.0.1:0", write_much, &limits[i], &limits[i]));
        weft_stream *peer = connect_to(server);
        do {
            ok(weft_sleep(10000000));
            counts = counts_of(server);
        } while (counts.finished + counts.over_time + counts.over_bytes == 0);
        ck_assert_uint_eq(counts.active, 0);
        if (i == 1)
            ck_assert_uint_eq(counts.over_time, 1);
        if (i == 2)
            ck_assert_uint_eq(counts.over_bytes, 1);
        ok(weft_stream_close(peer));
        ok(weft_server_close(server));
    }
    return 0;
}

TEST(a_peer_that_does_not_read)
{
    net_run(main_unread);
}

TEST_MAIN("server end", 30, closed_while_others_wait, bytes_of_tasks_left_behind_count,
          a_peer_that_does_not_read)
