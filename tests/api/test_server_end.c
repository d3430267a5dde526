/*
 * The end of a server that others look at meanwhile, and of connections that would not end. Catches
 * a server that is freed under those who wait for it, one that is closed twice, a limit of bytes
 * that ends with the handler and not with the tasks it leaves behind, a connection that is kept
 * beyond its limits by a peer that does not read, and a stream that a handler closed being used, or
 * freed, once more.
 */
#include "support/server.h"

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
        weft_stream *peer = server_connect(server);
        while (server_counts(server).active == 0)
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
    weft_stream *peer = server_connect(server);
    (void)weft_stream_write(peer, bytes, sizeof bytes, NULL);
    (void)weft_stream_shutdown(peer);
    while (server_counts(server).finished + server_counts(server).over_bytes == 0)
        ok(weft_sleep(1000000));
    ck_assert_uint_eq(server_counts(server).over_bytes, 1);
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
        weft_stream *peer = server_connect(server);
        do {
            ok(weft_sleep(10000000));
            counts = server_counts(server);
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

/* -- closed by the handler ----------------------------------------------------------------------
 */

struct early {
    bool aborts;
    bool views; /* a view is lent; else another task is reading */
    uint64_t limit;
};

static void expect_closed(weft_stream *stream)
{
    struct weft_stream_info info;
    char byte = 'x';

    ck_assert_int_eq(weft_stream_read(stream, &byte, 1, 0), -EBADF);
    ck_assert_int_eq(weft_stream_write(stream, &byte, 1, NULL), -EBADF);
    ck_assert_int_eq(weft_stream_write_nowait(stream, &byte, 1), -EBADF);
    ck_assert_int_eq(weft_stream_write_pending(stream), -EBADF);
    ck_assert_int_eq(weft_stream_drain(stream), -EBADF);
    ck_assert_int_eq(weft_stream_consume(stream, 0), -EBADF);
    ck_assert_int_eq(weft_stream_shutdown(stream), -EBADF);
    ck_assert_int_eq(weft_stream_detach(stream), -EBADF);
    ck_assert_int_eq(weft_stream_get_extra_info(stream, &info, sizeof info), -EBADF);
    ck_assert_int_eq(weft_stream_fd(stream), -1);
    ck_assert_int_eq(weft_stream_close(stream), -EBADF);
    ck_assert_int_eq(weft_stream_abort(stream), -EBADF);
}

struct reader {
    weft_stream *stream;
    bool *begun;
};

static int read_until_closed(void *arg)
{
    weft_stream *stream = ((struct reader *)arg)->stream;
    char byte;

    *((struct reader *)arg)->begun = true;
    ck_assert_int_eq(weft_stream_read(stream, &byte, 1, 0), -ECANCELED);
    ok(weft_sleep(1000000)); /* it is closed by then, or being closed */
    ck_assert_int_eq(weft_stream_read(stream, &byte, 1, 0), -EBADF);
    return 0;
}

static int close_early(weft_stream *stream, void *arg)
{
    const struct early *early = arg;
    const void *data;
    size_t size;
    bool begun = false;
    struct reader reader = {stream, &begun};
    char byte;

    if (early->views) {
        ck_assert_int_eq(weft_stream_peek(stream, &data, &size, 0), 1);
    } else {
        ck_assert_int_eq(weft_stream_read(stream, &byte, 1, 0), 1);
        ok(weft_create_task(read_until_closed, &reader, sizeof reader, NULL));
        while (!begun)
            ok(weft_yield());
    }
    ck_assert_int_eq(weft_stream_write_nowait(stream, "bye", 3), 3);
    ck_assert_int_eq(early->aborts ? weft_stream_abort(stream) : weft_stream_close(stream), 0);
    expect_closed(stream);
    return 0;
}

static void expect_bye(weft_stream *peer, bool aborted)
{
    char text[8];

    ck_assert_int_eq(weft_stream_write(peer, "x", 1, NULL), 1);
    if (!aborted) {
        ck_assert_int_eq(weft_stream_read_exactly(peer, text, 3, NULL), 3);
        ck_assert_int_eq(weft_stream_read(peer, text, sizeof text, 0), 0);
    } else {
        while (weft_stream_read(peer, text, sizeof text, 0) > 0)
            continue;
    }
    ok(weft_stream_close(peer));
}

static int main_early(void *arg)
{
    (void)arg;
    for (int i = 0; i < 8; i++) {
        struct early early = {i & 1, i & 2, i & 4 ? 1000 : 0};
        struct weft_server_opt opt = {.size = sizeof opt, .connection_bytes = early.limit};
        weft_server *server;
        ok(weft_start_server(&server, "127.0.0.1:0", close_early, &early, &opt));
        for (int j = 0; j < 2; j++)
            expect_bye(server_connect(server), early.aborts);
        while (server_counts(server).finished < 2)
            ok(weft_sleep(1000000));
        ck_assert_uint_eq(server_counts(server).active, 0);
        ok(weft_server_close(server));
    }
    return 0;
}

TEST(a_handler_that_closes)
{
    net_run(main_early);
}

static int close_it(void *arg)
{
    return weft_stream_close(*(weft_stream **)arg);
}

/* More than a peer takes that does not read is to be sent, while a task in another scope closes. */
static int leave_the_close(weft_stream *stream, void *arg)
{
    static char bytes[1 << 20];
    ssize_t pending = 0;

    while (pending < (ssize_t)(8 * sizeof bytes)) {
        ok(weft_stream_write_nowait(stream, bytes, sizeof bytes));
        ok(weft_sleep(1000000));
        ok(pending = weft_stream_write_pending(stream));
    }
    ok(weft_spawn(arg, close_it, &stream, sizeof stream, NULL));
    while (weft_stream_write_pending(stream) != -EBADF)
        ok(weft_yield());
    return 0;
}

static int main_left_close(void *arg)
{
    weft_server *server;

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_start_server(&server, "127.0.0.1:0", leave_the_close, &s, NULL));
        weft_stream *peer = server_connect(server);
        while (server_counts(server).finished == 0)
            ok(weft_sleep(1000000));
        ok(weft_server_close(server));
        ok(weft_stream_abort(peer)); /* and so the close has an end */
    }
    return 0;
}

TEST(a_close_that_outlives_the_handler)
{
    net_run(main_left_close);
}

TEST_MAIN("server end", 30, closed_while_others_wait, bytes_of_tasks_left_behind_count,
          a_peer_that_does_not_read, a_handler_that_closes, a_close_that_outlives_the_handler)
