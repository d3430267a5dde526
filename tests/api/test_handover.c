/*
 * Listening sockets that come from elsewhere: those the process was started with, and those that
 * one server hands to the next while clients go on connecting. Would catch a client that is refused
 * or reset on the way, and a socket that is left open or closed too early. Hand-overs that come to
 * nothing: test_handover_edges.c.
 */
#include <stdatomic.h>

#include "handover.h"

/* -- sockets that the process was started with --------------------------------------------------
 */

static void environment(const char *pid, const char *fds, const char *names)
{
    const char *const words[][2] = {{"LISTEN_PID", pid},
                                    {"LISTEN_FDS", fds},
                                    {"LISTEN_FDNAMES", names}};

    for (int i = 0; i < 3; i++)
        if (words[i][1])
            setenv(words[i][0], words[i][1], 1);
        else
            unsetenv(words[i][0]);
}

enum { MANY = 8 };

/* Of several listeners, the first of two with numbers that follow one another. */
static int two_in_a_row(int listeners[MANY])
{
    int found = -1, port;

    for (int i = 0; i < MANY; i++)
        listeners[i] = net_listen(&port);
    for (int i = 0; i < MANY; i++)
        for (int j = 0; j < MANY; j++)
            if (listeners[j] == listeners[i] + 1)
                found = listeners[i];
    ck_assert_int_ge(found, 0);
    return found;
}

static int main_listen_fds(void *arg)
{
    struct weft_handed fds[3] = {{.fd = -1}, {.fd = -1}, {.fd = -1}};
    struct weft_listen_fds_opt opt = {.size = sizeof opt};
    char self[24], other[24];
    int listeners[MANY];

    (void)arg;
    snprintf(self, sizeof self, "%d", (int)getpid());
    snprintf(other, sizeof other, "%d", (int)getpid() + 1);
    opt.first = two_in_a_row(listeners);
    environment(NULL, NULL, NULL);
    ck_assert_int_eq(weft_listen_fds(fds, 3, NULL), 0);
    environment(other, "2", "a:b");
    ck_assert_int_eq(weft_listen_fds(fds, 3, &opt), 0);
    environment(NULL, "2", "a:b");
    ck_assert_int_eq(weft_listen_fds(fds, 3, &opt), 0);
    environment(self, "2", "only");
    ck_assert_int_eq(weft_listen_fds(fds, 3, &opt), -EINVAL);
    environment(self, "two", NULL);
    ck_assert_int_eq(weft_listen_fds(fds, 3, &opt), -EINVAL);
    environment(self, "2147483647", NULL); /* more than there are numbers */
    ck_assert_int_eq(weft_listen_fds(fds, 3, &opt), -EINVAL);
    environment(self, "100000", NULL);
    ck_assert_int_eq(weft_listen_fds(fds, 3, &opt), -EBADF);
    ck_assert_int_eq(fds[0].fd, -1); /* so far nothing was told */
    environment(self, "2", "web:admin");
    ck_assert_int_eq(weft_listen_fds(NULL, 0, &opt), 2);
    ck_assert_int_eq(weft_listen_fds(fds, 1, &opt), 2);
    ck_assert_int_eq(fds[0].fd, opt.first);
    ck_assert_str_eq(fds[0].name, "web");
    ck_assert_int_eq(fds[1].fd, -1);
    ck_assert_ptr_nonnull(getenv("LISTEN_PID"));
    opt.clear = true;
    ck_assert_int_eq(weft_listen_fds(fds, 3, &opt), 2);
    ck_assert_int_eq(fds[1].fd, opt.first + 1);
    ck_assert_str_eq(fds[1].name, "admin");
    ck_assert_ptr_null(getenv("LISTEN_PID"));
    ck_assert_ptr_null(getenv("LISTEN_FDS"));
    ck_assert_ptr_null(getenv("LISTEN_FDNAMES"));
    ck_assert_int_eq(weft_listen_fds(fds, 3, &opt), 0);
    environment(NULL, "1", NULL);
    opt.any_process = true;
    ck_assert_int_eq(weft_listen_fds(fds, 3, &opt), 1);
    ck_assert_str_eq(fds[0].name, "unknown");
    opt.first = -1;
    ck_misuse(weft_listen_fds(fds, 3, &opt), -EINVAL, "weft_listen_fds", "negative");
    ck_misuse(weft_listen_fds(NULL, 1, NULL), -EINVAL, "weft_listen_fds", "nowhere");
    opt.size = 1;
    ck_misuse(weft_listen_fds(fds, 3, &opt), -EINVAL, "weft_listen_fds", "");
    for (int i = 0; i < MANY; i++)
        ok(weft_close(listeners[i]));
    return 0;
}
TEST(started_with_sockets)
{
    net_run(main_listen_fds);
    ck_misuse(weft_listen_fds(NULL, 0, NULL), -EPERM, "weft_listen_fds", "");
}

/* -- servers and clients ------------------------------------------------------------------------
 */

struct restart {
    int ends[2], port;
    bool every;
    weft_server *old, *new;
    atomic_bool over;
    int served[2]; /* by the old and by the new one */
};

static weft_server *start(bool every, const int *fds, uint32_t count, const char *word)
{
    struct weft_server_opt opt = {.size = sizeof opt,
                                  .every_reactor = every,
                                  .fds = fds,
                                  .fd_count = count,
                                  .serve_first = true};
    weft_server *server;

    ok(weft_start_server(&server, fds ? NULL : "127.0.0.1:0", answer, (void *)(uintptr_t)word,
                         &opt));
    return server;
}

static int successor(void *arg)
{
    struct restart *restart = arg;
    int fds[MANY];
    uint32_t count = MANY;

    ok(weft_take_over(restart->ends[1], fds, &count));
    restart->new = start(restart->every, fds, count, "new\n");
    ck_assert_int_eq(weft_server_port(restart->new), restart->port);
    return weft_take_over_done(restart->ends[1]);
}

/* One after the other, as fast as they are served. None may be refused, none reset. */
static int clients(void *arg)
{
    struct restart *restart = arg;

    while (!atomic_load(&restart->over)) {
        weft_stream *stream = connect_to(restart->port);
        ask(stream, "hello\n");
        restart->served[answered(stream)]++;
        ok(weft_stream_close(stream));
    }
    return 0;
}

static void hand_over(struct restart *restart, weft_scope *scope)
{
    int fds[MANY], count = weft_server_listeners(restart->old, fds, MANY);
    struct weft_server_counts counts;

    ck_assert_int_eq(count, restart->every ? (int)weft_reactors() : 1);
    ok(weft_spawn(scope, successor, restart, 0, NULL));
    ok(weft_hand_over(restart->ends[0], fds, (uint32_t)count));
    ck_assert_int_eq(weft_server_retire(restart->old, weft_after_ms(60000), WEFT_NEVER), 0);
    counts = server_counts(restart->old);
    ck_assert_uint_eq(counts.refused + counts.cut + counts.failed + counts.active, 0);
    ck_assert_int_eq(weft_server_listeners(restart->old, fds, MANY), -ENOTCONN);
    ok(weft_server_close(restart->old));
}

static int main_restart(void *arg)
{
    struct restart restart = {.every = weft_reactors() > 1};
    weft_scope scope;

    (void)arg;
    ok(weft_scope_open(&scope, NULL));
    channel(restart.ends);
    restart.old = start(restart.every, NULL, 0, "old\n");
    restart.port = weft_server_port(restart.old);
    for (int i = 0; i < 4; i++)
        ok(weft_spawn(&scope, clients, &restart, 0, NULL));
    while (restart.served[0] < 20)
        ok(weft_sleep(1000000));
    hand_over(&restart, &scope);
    while (restart.served[1] < 20)
        ok(weft_sleep(1000000));
    atomic_store(&restart.over, true);
    ok(weft_scope_close(&scope));
    ok(weft_server_close(restart.new));
    ok(weft_close(restart.ends[0]));
    return weft_close(restart.ends[1]);
}
TEST(nobody_is_refused)
{
    net_run(main_restart);
}
TEST(nobody_is_refused_by_two_reactors)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    ck_assert_int_eq(weft_run(main_restart, NULL, 0, &opt), 0);
}

/* Those the old one had accepted beyond its limit are its own to serve; who connected and has said
   nothing so far is served, too. */
static int main_accepted(void *arg)
{
    struct weft_server_opt opt = {.size = sizeof opt, .connections_max = 1, .serve_first = true};
    struct restart restart = {.every = false};
    weft_stream *held, *more[MANY];
    weft_scope scope;
    int fds[1], from_old = 0;

    (void)arg;
    ok(weft_scope_open(&scope, NULL));
    channel(restart.ends);
    ok(weft_start_server(&restart.old, "127.0.0.1:0", answer, "old\n", &opt));
    restart.port = weft_server_port(restart.old);
    held = connect_to(restart.port);
    ask(held, "hello\n");
    ck_assert_int_eq(answered(held), 0);
    for (int i = 0; i < MANY; i++)
        more[i] = connect_to(restart.port);
    ok(weft_sleep(1000000));
    ask(held, "hold\n");
    ck_assert_int_eq(weft_server_listeners(restart.old, fds, 1), 1);
    ok(weft_spawn(&scope, successor, &restart, 0, NULL));
    ok(weft_hand_over(restart.ends[0], fds, 1));
    WEFT_SCOPE(s) {
        int asked = 0;
        for (int i = 0; i < MANY; i++, asked++)
            ask(more[i], "hello\n");
        ck_assert_int_eq(weft_server_retire(restart.old, weft_after_ms(60000), WEFT_NEVER), 0);
        ck_assert_int_eq(asked, MANY);
    }
    ck_assert_uint_eq(server_counts(restart.old).refused, 0);
    ck_assert_int_eq(answered(held), 0);
    ok(weft_stream_close(held));
    for (int i = 0; i < MANY; i++) {
        from_old += answered(more[i]) == 0;
        ok(weft_stream_close(more[i]));
    }
    if (!net_is_rough())
        ck_assert_int_gt(from_old, 0); /* it had accepted more than it served: one at least */
    ok(weft_scope_close(&scope));
    ok(weft_server_close(restart.old));
    ok(weft_server_close(restart.new));
    ok(weft_close(restart.ends[0]));
    return weft_close(restart.ends[1]);
}
TEST(accepted_and_not_yet_served)
{
    net_run(main_accepted);
}

static int one_more(void *arg)
{
    char address[64], bytes[8];
    int fd;

    snprintf(address, sizeof address, "127.0.0.1:%d", *(int *)arg);
    fd = weft_connect_tcp(address, NULL);
    if (fd < 0)
        return 0; /* nobody listens any more */
    (void)weft_send(fd, "hello\n", 6, 0);
    while (weft_recv(fd, bytes, sizeof bytes, 0) > 0)
        ;
    return weft_close(fd);
}

/* One that is full closes who comes beyond that, until it retires: in one of these turns it has
   just accepted, and not looked at it. Tried until somebody came at that moment. */
static int main_refusing(void *arg)
{
    struct weft_server_opt opt = {.size = sizeof opt,
                                  .connections_max = 1,
                                  .refuse = true,
                                  .serve_first = true};
    uint64_t served = 0;

    (void)arg;
    for (int n = 0; n < 12 || (served == 0 && !net_is_rough()); n++) {
        int turns = n % 12;
        weft_stream *held;
        weft_server *server;
        int port;
        ok(weft_start_server(&server, "127.0.0.1:0", answer, "old\n", &opt));
        port = weft_server_port(server);
        held = connect_to(port);
        ask(held, "hello\n");
        ck_assert_int_eq(answered(held), 0);
        WEFT_SCOPE(s) {
            struct weft_server_counts counts;
            uint64_t refused; /* with those that are being closed for it */
            ok(weft_spawn(&s, one_more, &port, sizeof port, NULL));
            for (int i = 0; i < turns; i++)
                ok(weft_yield());
            counts = server_counts(server);
            refused = counts.refused + counts.active - 1;
            ck_assert_int_eq(weft_server_retire(server, weft_after_ms(60000), WEFT_NEVER), 0);
            ck_assert_uint_eq(server_counts(server).refused, refused);
            served += server_counts(server).finished - 1;
        }
        ok(weft_stream_close(held));
        ok(weft_server_close(server));
    }
    return 0;
}
TEST(full_and_just_accepted)
{
    /* a turn for each yield */
    struct weft_run_opt opt = {.size = sizeof opt, .budget = 1};

    ck_assert_int_eq(weft_run(main_refusing, NULL, 0, &opt), 0);
}

/* -- first messages -----------------------------------------------------------------------------
 */

static int drain_it(void *arg)
{
    return weft_server_drain(*(weft_server **)arg, weft_after_ms(60000), WEFT_NEVER);
}

struct spoken {
    bool within, drained; /* a line; and told so */
};

static void said(weft_transport *transport, const void *data, size_t size, void *self)
{
    struct spoken *spoken = self;

    spoken->within = ((const char *)data)[size - 1] != '\n';
    if (!spoken->within)
        ok(weft_transport_write(transport, "old\n", 4));
    if (!spoken->within && spoken->drained)
        weft_transport_close(transport);
}

static void drains(weft_transport *transport, void *self)
{
    struct spoken *spoken = self;

    spoken->drained = true;
    if (!spoken->within)
        weft_transport_close(transport);
}

/* In a drain a peer that has said nothing yet may say its first message, and is answered. */
static int main_first(void *arg)
{
    static const struct weft_protocol protocol = {.size = sizeof protocol,
                                                  .state_size = sizeof(struct spoken),
                                                  .data_received = said,
                                                  .draining = drains};
    struct weft_server_opt opt = {.size = sizeof opt, .serve_first = true};
    weft_stream *silent, *spoken;
    weft_server *server;
    char byte;

    (void)arg;
    for (int by = 0; by < 2; by++) {
        if (by == 0)
            ok(weft_start_server(&server, "127.0.0.1:0", answer, "old\n", &opt));
        else
            ok(weft_create_server(&server, "127.0.0.1:0", &protocol, NULL, &opt));
        silent = connect_to(weft_server_port(server));
        spoken = connect_to(weft_server_port(server));
        ask(spoken, "hello\n");
        (void)answered(spoken);
        while (server_counts(server).active < 2)
            ok(weft_sleep(1000000));
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, drain_it, &server, sizeof server, NULL));
            ck_assert_int_eq(weft_stream_read(spoken, &byte, 1, 0), 0); /* the drain is there */
            ask(silent, "hello\n");
            ck_assert_int_eq(answered(silent), 0);
            ck_assert_int_eq(weft_stream_read(silent, &byte, 1, 0), 0);
        }
        ck_assert_uint_eq(server_counts(server).finished, 2);
        ok(weft_stream_close(silent));
        ok(weft_stream_close(spoken));
        ok(weft_server_close(server));
    }
    return 0;
}
TEST(the_first_message_is_answered)
{
    net_run(main_first);
}

TEST_MAIN("api.handover", 60, started_with_sockets, nobody_is_refused,
          nobody_is_refused_by_two_reactors, accepted_and_not_yet_served, full_and_just_accepted,
          the_first_message_is_answered)
