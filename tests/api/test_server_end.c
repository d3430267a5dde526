/*
 * The end of a server that others look at meanwhile, and of connections that would not end. Catches
 * a server that is freed under those who wait for it, and one that is closed twice.
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
        struct weft_server_counts counts;
        weft_server *server;
        int closed = 0;

        ok(weft_event_clear(&may_end));
        ok(weft_start_server(&server, "127.0.0.1:0", lingers, NULL, NULL));
        weft_stream *peer = connect_to(server);
        do {
            ok(weft_sleep(1000000));
            ok(weft_server_counts(server, &counts, sizeof counts));
        } while (counts.active == 0);
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

TEST_MAIN("server end", 60, closed_while_others_wait)
