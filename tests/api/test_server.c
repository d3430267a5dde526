/*
 * Servers and connections as streams: weft_start_server and weft_open_connection. Catches a
 * connection that is counted twice or not at all, a limit that is not kept, a drain that cuts who
 * could have finished or waits for who does not, a server that leaves a task, a descriptor or a
 * listener behind, and one connection that disturbs another.
 */
#include <stdatomic.h>

#include "support/name.h"
#include "support/server.h"

static void say(weft_stream *stream, const char *text)
{
    ck_assert_int_eq(weft_stream_write(stream, text, strlen(text), NULL), (ssize_t)strlen(text));
}

static void hear(weft_stream *stream, const char *text)
{
    char line[64];

    ck_assert_int_eq(weft_stream_read_line(stream, line, sizeof line, 0), (ssize_t)strlen(text));
    ck_assert_str_eq(line, text);
}

/* The peer has closed, in order or not. */
static void hear_end(weft_stream *stream)
{
    char byte;
    ssize_t n = weft_stream_read(stream, &byte, 1, 0);

    ck_assert(n == 0 || n == -ECONNRESET);
    ok(weft_stream_close(stream));
}

/* Echoes lines; "fail" and "stop" end it; "hold" is told, and keeps it until it is cancelled;
   "work" is told, and echoed 20 ms later. */
static int echo(weft_stream *stream, void *arg)
{
    char line[64];
    ssize_t n;

    (void)arg;
    while ((n = weft_stream_read_line(stream, line, sizeof line, WEFT_IDLE)) > 0) {
        if (strcmp(line, "fail\n") == 0)
            return -EPROTO;
        if (strcmp(line, "stop\n") == 0)
            return 0;
        if (strcmp(line, "hold\n") == 0 || strcmp(line, "work\n") == 0)
            say(stream, "begun\n");
        if (strcmp(line, "hold\n") == 0)
            return weft_sleep(INT64_C(3600000000000));
        if (strcmp(line, "work\n") == 0)
            ok(weft_sleep(20000000));
        n = weft_stream_write(stream, line, (size_t)n, NULL);
        if (n < 0)
            break;
    }
    return n == -ENODATA ? 0 : (int)n;
}

/* Sends it, and waits until it is being worked on. */
static void begin(weft_stream *stream, const char *text)
{
    say(stream, text);
    hear(stream, "begun\n");
}

static int main_serve(void *arg)
{
    weft_server *server;
    enum { PEERS = 20 };
    weft_stream *peers[PEERS];

    (void)arg;
    ok(weft_start_server(&server, "127.0.0.1:0", echo, NULL, NULL));
    ck_assert_int_eq(weft_server_serving(server), 1);
    for (int i = 0; i < PEERS; i++)
        peers[i] = server_connect(server);
    for (int i = 0; i < PEERS; i++) {
        say(peers[i], "hello\n");
        hear(peers[i], "hello\n");
    }
    ck_assert_uint_eq(server_counts(server).active, PEERS);
    say(peers[0], "fail\n");
    say(peers[1], "stop\n");
    hear_end(peers[0]);
    hear_end(peers[1]);
    ok(weft_stream_close(peers[2]));
    server_until_active(server, PEERS - 3);
    ck_assert_uint_eq(server_counts(server).failed, 1);
    ck_assert_uint_eq(server_counts(server).finished, 2);
    for (int i = 3; i < PEERS; i++) { /* the others have not noticed */
        say(peers[i], "still there\n");
        hear(peers[i], "still there\n");
    }
    ok(weft_server_close(server));
    for (int i = 3; i < PEERS; i++)
        hear_end(peers[i]);
    return 0;
}

TEST(serves)
{
    net_run(main_serve);
}

/* Drains: `holding` of `count` are cut, the others end by themselves before. False when others were
   cut too, which is to be tried again with more time: the machine may have stood still. */
static bool cuts_only(weft_server *server, uint64_t holding, uint64_t count, int64_t soft_ms,
                      int64_t hard_ms)
{
    int cut = weft_server_drain(server, weft_after_ms(soft_ms), weft_after_ms(hard_ms));
    struct weft_server_counts counts = server_counts(server);

    ck_assert_int_ge(cut, (int)holding);
    ck_assert_uint_eq(counts.cut, (uint64_t)cut);
    ck_assert_uint_eq(counts.finished, count - (uint64_t)cut);
    if (soft_ms >= 30000)
        ck_assert_int_eq(cut, (int)holding);
    return cut == (int)holding;
}

/* Idle ones go at once, those at work finish, those that hold are cut at the soft deadline. */
static int main_drain(void *arg)
{
    int64_t soft_ms = 50;
    weft_server *server;

    (void)arg;
    for (int holds = 0; holds < 2;) {
        ok(weft_start_server(&server, "127.0.0.1:0", echo, NULL, NULL));
        weft_stream *idle = server_connect(server), *works = server_connect(server),
                    *held = server_connect(server);
        say(idle, "x\n");
        hear(idle, "x\n");
        if (!holds)
            begin(works, "work\n");
        begin(held, holds ? "hold\n" : "work\n");
        bool drained = cuts_only(server, (uint64_t)holds, 3, holds ? soft_ms : 50000, 60000);
        ck_assert_int_eq(weft_server_serving(server), 0);
        ck_assert_int_eq(weft_server_port(server), -ENOTCONN);
        ck_assert_uint_eq(server_counts(server).active, 0);
        if (!holds)
            hear(works, "work\n");
        hear_end(works);
        hear_end(idle);
        if (!holds)
            hear(held, "work\n");
        hear_end(held);
        ck_assert_int_eq(weft_server_drain(server, 1, 1), 0); /* again: nothing is left */
        ck_assert_int_eq(weft_server_wait(server), 0);
        ok(weft_server_close(server));
        holds += drained;
        soft_ms *= 1 + 3 * !drained;
    }
    return 0;
}

TEST(drains)
{
    net_run(main_drain);
}

/* A drain asked for before the server's task has run, and one that is itself cancelled. */
static int drain_it(void *arg)
{
    ck_assert_int_ge(weft_server_drain(*(weft_server **)arg, WEFT_NEVER, WEFT_NEVER), 0);
    return 0;
}

static int main_drain_cut(void *arg)
{
    weft_server *server;
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    (void)arg;
    ok(weft_start_server(&server, "127.0.0.1:0", echo, NULL, NULL));
    ck_assert_int_eq(weft_server_drain(server, weft_after_ms(60000), weft_after_ms(60000)), 0);
    ok(weft_server_close(server));

    ok(weft_start_server(&server, "127.0.0.1:0", echo, NULL, NULL));
    weft_stream *held = server_connect(server);
    begin(held, "hold\n");
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, drain_it, &server, sizeof server, &opt));
        ok(weft_sleep(5000000));
        ck_assert_uint_eq(server_counts(server).active, 1);
        ok(weft_cancel(task));
        ok(weft_join(task, NULL));
    }
    ck_assert_uint_eq(server_counts(server).active, 0);
    ck_assert_uint_eq(server_counts(server).cut, 1);
    hear_end(held);
    ok(weft_server_close(server));

    /* closed before it has run */
    ok(weft_start_server(&server, "127.0.0.1:0", echo, NULL, NULL));
    return weft_server_close(server);
}

TEST(drain_early_and_cancelled)
{
    net_run(main_drain_cut);
}

/* -- limits ----------------------------------------------------------------------------------- */

/* Beyond the limit they wait, in order; or they are refused. */
static int main_most(void *arg)
{
    weft_server *server;
    struct weft_server_opt opt = {.size = sizeof opt, .connections_max = 2};
    weft_stream *peers[4];

    (void)arg;
    for (int refuse = 0; refuse < 2; refuse++) {
        opt.refuse = refuse;
        ok(weft_start_server(&server, "127.0.0.1:0", echo, NULL, &opt));
        for (int i = 0; i < 4; i++) {
            peers[i] = server_connect(server);
            if (i < 2) {
                say(peers[i], "in\n");
                hear(peers[i], "in\n");
            }
        }
        if (refuse) {
            hear_end(peers[2]);
            hear_end(peers[3]);
            while (server_counts(server).refused != 2)
                ok(weft_sleep(1000000));
            say(peers[0], "stop\n");
            hear_end(peers[0]);
            server_until_active(server, 1);
            peers[2] = server_connect(server);
            say(peers[2], "in\n");
            hear(peers[2], "in\n");
            ok(weft_stream_close(peers[2]));
            ok(weft_stream_close(peers[1]));
        } else {
            say(peers[2], "later\n");
            for (int i = 0; i < 10; i++) {
                ok(weft_sleep(1000000));
                ck_assert_uint_le(server_counts(server).active, 2);
            }
            say(peers[0], "stop\n");
            hear_end(peers[0]);
            hear(peers[2], "later\n");
            ck_assert_uint_le(server_counts(server).active, 2);
            /* the fourth still waits for room when the server drains: it is not kept by that */
            ck_assert_int_eq(weft_server_drain(server, weft_after_ms(60000), weft_after_ms(60000)),
                             0);
            for (int i = 1; i < 4; i++)
                hear_end(peers[i]);
            ck_assert_uint_eq(server_counts(server).finished, 3);
        }
        ok(weft_server_close(server));
    }
    return 0;
}

TEST(at_most_so_many)
{
    net_run(main_most);
}

/* Reads all that comes, or writes for ever. */
static int swallow(weft_stream *stream, void *arg)
{
    static char bytes[65536];
    ssize_t n;

    do
        n = *(int *)arg ? weft_stream_write(stream, bytes, 1000, NULL)
                        : weft_stream_read(stream, bytes, sizeof bytes, 0);
    while (n > 0);
    return (int)n;
}

static int main_budget(void *arg)
{
    weft_server *server;
    struct weft_server_opt in_time = {.size = sizeof in_time, .connection_ns = 20000000},
                           in_bytes = {.size = sizeof in_bytes, .connection_bytes = 100000};
    static char bytes[50000];

    (void)arg;
    ok(weft_start_server(&server, "127.0.0.1:0", echo, NULL, &in_time));
    weft_stream *quick = server_connect(server), *slow = server_connect(server);
    (void)weft_stream_write(quick, "stop\n", 5, NULL);
    hear_end(slow);
    hear_end(quick);
    server_until_active(server, 0);
    /* the quick one has gone by itself, unless the machine was very slow */
    ck_assert_uint_ge(server_counts(server).over_time, 1);
    ck_assert_uint_eq(server_counts(server).over_time + server_counts(server).finished, 2);
    ok(weft_server_close(server));

    for (int writes = 0; writes < 2; writes++) {
        uint64_t received = 0;
        ok(weft_start_server(&server, "127.0.0.1:0", swallow, &writes, &in_bytes));
        if (!writes) { /* one that keeps to it, twice half of what is allowed */
            weft_stream *good = server_connect(server);
            for (int i = 0; i < 2; i++)
                ck_assert_int_eq(weft_stream_write(good, bytes, sizeof bytes, NULL), sizeof bytes);
            ok(weft_stream_shutdown(good));
            hear_end(good);
        }
        weft_stream *greedy = server_connect(server);
        ssize_t n = 1;
        while (n > 0) {
            n = writes ? weft_stream_read(greedy, bytes, sizeof bytes, 0)
                       : weft_stream_write(greedy, bytes, sizeof bytes, NULL);
            received += n > 0 ? (uint64_t)n : 0;
        }
        if (writes)
            ck_assert_uint_le(received, 101000);
        hear_end(greedy);
        server_until_active(server, 0);
        ck_assert_uint_eq(server_counts(server).over_bytes, 1);
        ck_assert_uint_eq(server_counts(server).finished, !writes);
        ok(weft_server_close(server));
    }
    return 0;
}

TEST(budgets)
{
    net_run(main_budget);
}

/* -- whose it is ------------------------------------------------------------------------------ */

/* The scope around it ends it, by a drain, by a cancellation; the object can be closed after. */
static int main_scope(void *arg)
{
    weft_server *server;

    (void)arg;
    for (int cancel = 0; cancel < 2; cancel++) {
        weft_stream *idle = NULL;
        WEFT_SCOPE(s) {
            ok(weft_start_server(&server, "127.0.0.1:0", echo, NULL, NULL));
            idle = server_connect(server);
            say(idle, "x\n");
            hear(idle, "x\n");
            if (cancel)
                ok(weft_scope_cancel(&s));
            else
                ck_assert_int_eq(weft_scope_drain(&s, weft_after_ms(60000), weft_after_ms(60000)),
                                 0);
        }
        hear_end(idle);
        ck_assert_uint_eq(cancel ? server_counts(server).cut : server_counts(server).finished, 1);
        ck_assert_int_eq(weft_server_serving(server), 0);
        ok(weft_server_close(server));
    }
    /* forgotten, with a connection open: it ends with the run */
    ok(weft_start_server(&server, "127.0.0.1:0", echo, NULL, NULL));
    weft_stream *left = server_connect(server);
    say(left, "x\n");
    hear(left, "x\n");
    return 0;
}

TEST(ends_with_its_scope)
{
    net_run(main_scope);
}

/* A handler may not wait for the end of its own server, which waits for it. */
static int waits_for_itself(weft_stream *stream, void *arg)
{
    weft_server *server = *(weft_server **)arg;

    (void)stream;
    ck_assert_int_eq(weft_server_wait(server), -EDEADLK);
    ck_assert_int_eq(weft_server_close(server), -EDEADLK);
    ck_assert_int_eq(weft_server_drain(server, 1, 1), -EDEADLK);
    return 0;
}

static int main_itself(void *arg)
{
    weft_server *server;

    (void)arg;
    ok(weft_start_server(&server, "127.0.0.1:0", waits_for_itself, &server, NULL));
    hear_end(server_connect(server));
    server_until_active(server, 0);
    ck_assert_uint_eq(server_counts(server).finished, 1);
    return weft_server_close(server);
}

TEST(waits_not_for_itself)
{
    net_run(main_itself);
}

/* -- on every reactor ------------------------------------------------------------------------- */

static _Atomic(uint32_t) served_on;

static int where(weft_stream *stream, void *arg)
{
    (void)arg;
    atomic_fetch_or_explicit(&served_on, 1u << weft_reactor_index(), memory_order_relaxed);
    return echo(stream, NULL);
}

static int main_everywhere(void *arg)
{
    struct weft_server_opt opt = {.size = sizeof opt, .every_reactor = true};
    weft_server *server;
    enum { PEERS = 40 };
    weft_stream *peers[PEERS];
    int64_t soft_ms = 30;

    (void)arg;
    for (int end = 0; end < 2;) {
        bool ended = true;
        ok(weft_start_server(&server, "127.0.0.1:0", where, NULL, &opt));
        for (int i = 0; i < PEERS; i++) {
            peers[i] = server_connect(server);
            say(peers[i], "x\n");
            hear(peers[i], "x\n");
        }
        ck_assert_uint_eq(server_counts(server).active, PEERS);
        ck_assert_uint_eq(atomic_load_explicit(&served_on, memory_order_relaxed), 3);
        if (end == 0) {
            for (int i = 0; i < 3; i++)
                begin(peers[i], "hold\n");
            ended = cuts_only(server, 3, PEERS, soft_ms, 2 * soft_ms);
            soft_ms *= 4;
        } else {
            ok(weft_server_close(server));
        }
        for (int i = 0; i < PEERS; i++)
            hear_end(peers[i]);
        if (end == 0)
            ok(weft_server_close(server));
        end += ended;
    }
    return 0;
}

TEST(on_every_reactor)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2, .no_pinning = true};

    ck_assert_int_eq(weft_run(main_everywhere, NULL, 0, &opt), 0);
}

/* -- Unix sockets, arguments ------------------------------------------------------------------ */

static int main_unix(void *arg)
{
    weft_server *server;
    weft_stream *stream;
    char path[200];

    (void)arg;
    ok(weft_start_unix_server(&server, own_name("@weft-test-server"), echo, NULL, NULL));
    ck_assert_int_eq(weft_server_port(server), -EAFNOSUPPORT);
    ok(weft_open_unix_connection(own_name("@weft-test-server"), NULL, &stream));
    say(stream, "by name\n");
    hear(stream, "by name\n");
    ok(weft_stream_close(stream));
    ok(weft_server_close(server));
    ck_assert_int_eq(weft_open_unix_connection(own_name("@weft-test-server"), NULL, &stream),
                     -ECONNREFUSED);
    memset(path, 'p', sizeof path);
    path[199] = '\0';
    ck_assert_int_eq(weft_start_unix_server(&server, path, echo, NULL, NULL), -ENAMETOOLONG);
    ck_assert_int_eq(weft_open_unix_connection(path, NULL, &stream), -ENAMETOOLONG);
    ck_assert_int_eq(weft_open_unix_connection(NULL, NULL, &stream), -EINVAL);
    return 0;
}

TEST(unix_server)
{
    net_run(main_unix);
}

static int main_arguments(void *arg)
{
    weft_server *server = NULL, *second;
    weft_stream *stream = NULL;
    struct weft_server_counts counts;
    struct weft_listen_opt turns_away = {.size = sizeof turns_away, .turn_away = true};
    struct weft_server_opt opt = {.size = sizeof opt, .connection_ns = -1};
    struct weft_connection_opt late = {.size = sizeof late, .deadline = 1};
    char address[64];

    (void)arg;
    ck_assert_int_eq(weft_start_server(NULL, "127.0.0.1:0", echo, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_start_server(&server, "127.0.0.1:0", NULL, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_start_server(&server, "nowhere", echo, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_start_server(&server, "127.0.0.1:0", echo, NULL, &opt), -EINVAL);
    opt = (struct weft_server_opt){.size = sizeof opt, .stack_size = (1 << 20) + 1};
    ck_assert_int_eq(weft_start_server(&server, "127.0.0.1:0", echo, NULL, &opt), -E2BIG);
    opt =
        (struct weft_server_opt){.size = sizeof opt, .every_reactor = true, .listen = &turns_away};
    ck_assert_int_eq(weft_start_server(&server, "127.0.0.1:0", echo, NULL, &opt), -EINVAL);
    opt.listen = NULL;
    ck_assert_int_eq(weft_start_unix_server(&server, "@x", echo, NULL, &opt), -EINVAL);
    ck_assert_ptr_null(server);
    ck_assert_int_eq(weft_server_close(NULL), 0);
    ck_assert_int_eq(weft_server_wait(NULL), -EINVAL);
    ck_assert_int_eq(weft_server_drain(NULL, 1, 1), -EINVAL);
    ck_assert_int_eq(weft_server_port(NULL), -EINVAL);
    ck_assert_int_eq(weft_server_serving(NULL), -EINVAL);

    ok(weft_start_server(&server, "127.0.0.1:0", echo, NULL, NULL));
    snprintf(address, sizeof address, "127.0.0.1:%d", weft_server_port(server));
    ck_assert_int_eq(weft_start_server(&second, address, echo, NULL, NULL), -EADDRINUSE);
    ck_assert_int_eq(weft_server_counts(server, NULL, sizeof counts), -EINVAL);
    ck_assert_int_eq(weft_server_counts(server, &counts, 0), -EINVAL);
    ck_assert_int_eq(weft_server_counts(server, &counts, sizeof counts + 1), -EINVAL);
    ck_assert_int_eq(weft_open_connection(address, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_open_connection("nowhere", NULL, &stream), -EINVAL);
    ck_assert_int_eq(weft_open_connection(address, &late, &stream), -ETIMEDOUT);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DEADLINE);
    late.deadline = weft_after_ms(60000);
    ok(weft_open_connection(address, &late, &stream));
    ok(weft_stream_close(stream));
    return weft_server_close(server);
}

TEST(arguments)
{
    net_run(main_arguments);
}

TEST_MAIN("server", 60, serves, drains, drain_early_and_cancelled, at_most_so_many, budgets,
          ends_with_its_scope, waits_not_for_itself, on_every_reactor, unix_server, arguments)
