/*
 * Servers, and transports and endpoints with them, at their edges: calls from where they may not be
 * made, options of every kind, handlers that end in odd ways, protocols drained. Catches a
 * connection counted in the wrong place, an error of a connect that leaves its descriptor open, and
 * an object that another thread can take apart.
 */
#include "support/server.h"

/* -- from where they may not be called -------------------------------------------------------- */

struct things {
    weft_server *server;
    weft_transport *transport;
    weft_endpoint *endpoint;
    weft_stream *stream;
    int fd;
};

static const struct weft_protocol nothing = {.size = sizeof nothing};
static const struct weft_datagram_protocol no_datagrams = {.size = sizeof no_datagrams};

static int serve_nothing(weft_stream *stream, void *arg)
{
    (void)stream;
    (void)arg;
    return 0;
}

/* What any call on them answers, of those that look where they are. */
static void all_answer(const struct things *things, int error)
{
    struct weft_server_counts counts;

    ck_assert_int_eq(weft_server_port(things->server), error);
    ck_assert_int_eq(weft_server_serving(things->server), error);
    ck_assert_int_eq(weft_server_counts(things->server, &counts, sizeof counts), error);
    ck_assert_int_eq(weft_server_close(things->server), error);
    ck_assert_int_eq(weft_transport_write(things->transport, "x", 1), error);
    ck_assert_int_eq(weft_transport_close(things->transport), error);
    ck_assert_int_eq(weft_endpoint_sendto(things->endpoint, "x", 1, NULL, 0), error);
    ck_assert_int_eq(weft_endpoint_close(things->endpoint), error);
    ck_assert_int_eq(weft_stream_write_nowait(things->stream, "x", 1), error);
    ck_assert_int_eq(weft_stream_set_write_limits(things->stream, 2, 1), error);
}

/* On the loop, and outside: no task. */
static void no_task(const struct things *things)
{
    struct weft_connection_opt late = {.size = sizeof late, .deadline = 1};
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    weft_transport *transport;
    weft_stream *stream;
    weft_server *server;
    char byte;

    ck_assert_int_eq(weft_server_close(things->server), -EPERM);
    ck_assert_int_eq(weft_server_drain(things->server, 1, 1), -EPERM);
    ck_assert_int_eq(weft_start_server(&server, "127.0.0.1:0", serve_nothing, NULL, NULL), -EPERM);
    ck_assert_int_eq(weft_transport_open(things->fd, &nothing, NULL, NULL, &transport), -EPERM);
    ck_assert_int_eq(weft_open_connection("127.0.0.1:1", &late, &stream), -EPERM);
    ck_assert_int_eq(weft_datagram_socket("127.0.0.1:0", NULL, NULL), -EPERM);
    ck_assert_int_eq(weft_sendto(things->fd, "x", 1, 0, NULL, 0), -EPERM);
    ck_assert_int_eq(weft_recvfrom(things->fd, &byte, 1, 0, NULL, NULL), -EPERM);
    ck_assert_int_eq(weft_bind(things->fd, (struct sockaddr *)&address, length), -EPERM);
    ck_assert_int_eq(weft_listen(things->fd, 1), -EPERM);
    ck_assert_int_eq(weft_getsockname(things->fd, (struct sockaddr *)&address, &length), -EPERM);
    ck_assert_int_eq(weft_getpeername(things->fd, (struct sockaddr *)&address, &length), -EPERM);
}

static void *outside(void *arg)
{
    const struct things *things = arg;
    struct weft_stream_info info;

    all_answer(things, -EPERM);
    no_task(things);
    ck_assert_int_eq(weft_stream_get_extra_info(things->stream, &info, sizeof info), -EPERM);
    return NULL;
}

static int elsewhere(void *arg)
{
    all_answer(*(struct things **)arg, -EXDEV);
    return 0;
}

static bool called;

static void on_the_loop(void *arg)
{
    no_task(arg);
    called = true;
}

static int main_places(void *arg)
{
    struct things things, *pointer = &things;
    pthread_t thread;
    int fds[2], there;

    (void)arg;
    ok(weft_start_server(&things.server, "127.0.0.1:0", serve_nothing, NULL, NULL));
    net_pair(&fds[0], &there);
    ok(weft_transport_open(there, &nothing, NULL, NULL, &things.transport));
    net_pair(&fds[1], &there);
    ok(weft_stream_open(there, NULL, &things.stream));
    ok(weft_create_datagram_endpoint(&things.endpoint, "127.0.0.1:0", NULL, &no_datagrams, NULL,
                                     NULL));
    things.fd = fds[0];
    ok(weft_call(1, elsewhere, &pointer, sizeof pointer));
    ck_assert_int_eq(pthread_create(&thread, NULL, outside, &things), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ok(weft_call_soon(on_the_loop, &things, NULL));
    while (!called) /* who is asked first need not be first */
        ok(weft_yield());
    ok(weft_endpoint_close(things.endpoint)); /* nothing has come of all that */
    ok(weft_transport_close(things.transport));
    ok(weft_stream_close(things.stream));
    net_hear_end(fds[0]);
    net_hear_end(fds[1]);
    return weft_server_close(things.server);
}

TEST(called_where_they_may_not_be)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2, .no_pinning = true};

    ck_assert_int_eq(weft_run(main_places, NULL, 0, &opt), 0);
}

/* -- options ---------------------------------------------------------------------------------- */

static void refused(const struct weft_server_opt *opt, const char *address)
{
    weft_server *server = NULL;

    ck_assert_int_eq(weft_start_server(&server, address, serve_nothing, NULL, opt), -EINVAL);
    ck_assert_ptr_null(server);
}

static int main_options(void *arg)
{
    struct weft_listen_opt older = {.size = offsetof(struct weft_listen_opt, turn_away)},
                           full = {.size = sizeof full}, sizeless = {.backlog = 1};
    struct weft_stream_opt large = {.size = sizeof large, .buffer_size = 1 << 20},
                           no_size = {.held_max = 1};
    struct weft_server_opt opt = {.size = sizeof opt, .name = "somebody", .listen = &older};
    struct weft_connection_opt to = {.size = sizeof to, .stream = &large};
    struct weft_protocol bad = nothing;
    struct weft_server_counts counts;
    weft_server *server;
    weft_stream *stream;

    (void)arg;
    ok(weft_start_server(&server, "127.0.0.1:0", serve_nothing, NULL, &opt));
    ck_assert_int_eq(weft_server_counts(NULL, &counts, sizeof counts), -EINVAL);
    opt.listen = &full;
    ck_assert_int_eq(weft_start_server(&server, server_address(server), serve_nothing, NULL, &opt),
                     -EADDRINUSE);
    opt.listen = &sizeless;
    refused(&opt, "127.0.0.1:0");
    opt = (struct weft_server_opt){.size = sizeof opt, .stream = &no_size};
    refused(&opt, "127.0.0.1:0");
    opt = (struct weft_server_opt){.size = 1};
    refused(&opt, "127.0.0.1:0");
    opt = (struct weft_server_opt){.size = sizeof opt, .every_reactor = true};
    refused(&opt, NULL);

    /* the connection is there when the stream, or the transport, is refused */
    bad.size = 1;
    ck_assert_int_eq(weft_open_connection(server_address(server), &to, &stream), -EINVAL);
    ck_assert_int_eq(weft_create_connection(server_address(server), &nothing, NULL, &to, NULL),
                     -EINVAL);
    ck_assert_int_eq(weft_create_connection(server_address(server), &bad, NULL, NULL, NULL),
                     -EINVAL);
    to.size = 2;
    ck_assert_int_eq(weft_open_connection(server_address(server), &to, &stream), -EINVAL);
    return weft_server_close(server);
}

TEST(options)
{
    net_run(main_options);
}

static int main_arguments(void *arg)
{
    struct weft_protocol state = {.size = sizeof state, .state_size = SIZE_MAX / 2};
    struct weft_datagram_protocol states = {.size = sizeof states, .state_size = SIZE_MAX / 2};
    struct sockaddr_storage address = {.ss_family = AF_INET};
    weft_endpoint *endpoint;
    weft_transport *transport;
    int pipe[2], fd, there;

    (void)arg;
    ok(weft_pipe(pipe, 0));
    ck_assert_int_eq(weft_transport_open(pipe[0], &nothing, NULL, NULL, NULL), -EINVAL);
    ok(weft_close(pipe[0]));
    ok(weft_close(pipe[1]));
    net_pair(&fd, &there);
    ck_assert_int_eq(weft_transport_open(there, &state, NULL, NULL, NULL), -EINVAL);
    ok(weft_transport_open(there, &nothing, NULL, NULL, NULL));
    ok(weft_close(fd)); /* nobody but the peer can end it */

    net_pair(&fd, &there);
    ok(weft_transport_open(there, &nothing, NULL, NULL, &transport));
    ok(weft_transport_abort(transport));
    ck_assert_int_eq(weft_transport_is_closing(transport), 1);
    ck_assert_int_eq(weft_transport_write(transport, "x", 1), -EPIPE);
    net_hear_end(fd);

    ck_assert_int_eq(weft_create_datagram_endpoint(&endpoint, "127.0.0.1:0", NULL, &states, NULL,
                                                   NULL),
                     -EINVAL);
    ok(weft_create_datagram_endpoint(NULL, "127.0.0.1:0", NULL, &no_datagrams, NULL, NULL));
    ok(weft_create_datagram_endpoint(&endpoint, "127.0.0.1:0", NULL, &no_datagrams, NULL, NULL));
    ck_assert_int_eq(weft_endpoint_sendto(endpoint, "x", 1, (struct sockaddr *)&address,
                                          sizeof address + 1),
                     -EINVAL);
    ck_assert_int_eq(weft_endpoint_sendto(endpoint, NULL, 0, NULL, 0), 0); /* to nowhere */
    return weft_endpoint_close(endpoint);
}

TEST(arguments)
{
    net_run(main_arguments);
}

/* -- handlers --------------------------------------------------------------------------------- */

static int fails_later(void *arg)
{
    (void)arg;
    ok(weft_sleep(1000000));
    return -ETIMEDOUT;
}

enum way { DRAINED_BY_ITSELF, TASK_TIMES_OUT, WRITES };

static int in_some_way(weft_stream *stream, void *arg)
{
    static char bytes[10000];
    ssize_t n = 0;

    switch (*(enum way *)arg) {
    case DRAINED_BY_ITSELF:
        return -ESHUTDOWN; /* nobody drains */
    case TASK_TIMES_OUT:
        return weft_create_task(fails_later, NULL, 0, NULL);
    case WRITES: /* waiting and not, until nobody is there */
        while (n >= 0) {
            n = weft_stream_write_nowait(stream, bytes, 100);
            if (n >= 0)
                n = weft_stream_write(stream, bytes, sizeof bytes, NULL);
        }
    }
    return (int)n;
}

static int main_handlers(void *arg)
{
    struct weft_server_opt opt = {.size = sizeof opt,
                                  .connection_ns = INT64_C(3600000000000),
                                  .connection_bytes = UINT64_C(1) << 40};
    weft_server *server;
    enum way way;
    char byte;

    (void)arg;
    ok(weft_start_server(&server, "127.0.0.1:0", in_some_way, &way, &opt));
    for (way = DRAINED_BY_ITSELF; way <= WRITES; way++) {
        int fd = server_dial(server);
        if (way == WRITES) {
            ck_assert_int_eq(weft_recv(fd, &byte, 1, 0), 1);
            ok(weft_close(fd));
        } else {
            net_hear_end(fd);
        }
        while (server_counts(server).failed <= (uint64_t)way)
            ok(weft_sleep(1000000));
        ck_assert_uint_eq(server_counts(server).failed, (uint64_t)way + 1);
    }
    ck_assert_uint_eq(server_counts(server).active, 0);
    return weft_server_close(server);
}

TEST(handlers_that_fail)
{
    net_run(main_handlers);
}

/* -- protocols, drained ----------------------------------------------------------------------- */

/* The first that is told aborts the other, which is to be told as well, and no more of that. */
static struct {
    weft_transport *one[2], *first;
    weft_server *server;
    int made, told, lost;
} both;

static void both_made(weft_transport *transport, void *self)
{
    (void)self;
    both.one[both.made++] = transport;
}

static void both_told(weft_transport *transport, void *self)
{
    (void)self;
    both.told++;
    both.first = transport;
    ck_assert_int_eq(weft_server_serving(both.server), 0);
    ck_assert_int_eq(weft_server_port(both.server), -ENOTCONN);
    ok(weft_transport_abort(both.one[transport == both.one[0]]));
    ok(weft_transport_close(transport));
}

static void both_lost(weft_transport *transport, int error, void *self)
{
    (void)self;
    ck_assert_int_eq(error, transport == both.first ? 0 : -ECONNABORTED);
    both.lost++;
}

static int main_both(void *arg)
{
    static const struct weft_protocol protocol = {.size = sizeof protocol,
                                                  .connection_made = both_made,
                                                  .draining = both_told,
                                                  .connection_lost = both_lost};
    int fds[2];

    (void)arg;
    ok(weft_create_server(&both.server, "127.0.0.1:0", &protocol, NULL, NULL));
    for (int i = 0; i < 2; i++) {
        fds[i] = server_dial(both.server);
        while (both.made <= i)
            ok(weft_sleep(1000000));
    }
    ck_assert_int_eq(weft_server_drain(both.server, weft_after_ms(60000), weft_after_ms(60000)), 0);
    ck_assert_int_eq(both.told, 1);
    ck_assert_int_eq(both.lost, 2);
    net_hear_end(fds[0]);
    net_hear_end(fds[1]);
    return weft_server_close(both.server);
}

TEST(aborted_when_it_was_to_be_drained)
{
    net_run(main_both);
}

/* A scope around the server drains it: its times hold, the server has none of its own. */
static int main_scope(void *arg)
{
    weft_server *server = NULL;
    int fd = -1;

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_create_server(&server, "127.0.0.1:0", &nothing, NULL, NULL));
        fd = server_dial(server);
        while (server_counts(server).active != 1)
            ok(weft_sleep(1000000));
        ck_assert_int_eq(weft_scope_drain(&s, weft_after_ms(60000), weft_after_ms(60000)), 0);
    }
    ck_assert_uint_eq(server_counts(server).finished, 1);
    net_hear_end(fd);
    return weft_server_close(server);
}

TEST(drained_by_the_scope_around_it)
{
    net_run(main_scope);
}

/* -- endpoints --------------------------------------------------------------------------------- */

/* What nobody wants to be told of. */
static int main_untold(void *arg)
{
    struct sockaddr_in to;
    socklen_t length = sizeof to;
    weft_endpoint *endpoint;
    int fd = weft_datagram_socket("127.0.0.1:0", NULL, NULL);

    (void)arg;
    ok(fd);
    ok(weft_create_datagram_endpoint(&endpoint, "127.0.0.1:0", NULL, &no_datagrams, NULL, NULL));
    ok(weft_getsockname(weft_endpoint_fd(endpoint), (struct sockaddr *)&to, &length));
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(weft_sendto(fd, "x", 1, 0, (struct sockaddr *)&to, length), 1);
        ok(weft_sleep(1000000));
    }
    ok(weft_endpoint_close(endpoint));
    return weft_close(fd);
}

TEST(datagrams_that_nobody_wants)
{
    net_run(main_untold);
}

/* -- waited for -------------------------------------------------------------------------------- */

static int waits(void *arg)
{
    return weft_server_wait(*(weft_server **)arg);
}

/* Who waits for its end may be cancelled, and the server goes on. */
static int main_waits(void *arg)
{
    weft_server *server;
    weft_task task;
    const struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
    int result = 0;

    (void)arg;
    ok(weft_start_server(&server, "127.0.0.1:0", serve_nothing, NULL, NULL));
    ok(weft_create_task(waits, &server, sizeof server, &opt));
    ok(weft_yield());
    ok(weft_cancel(task));
    (void)!weft_join(task, &result);
    ck_assert_int_eq(result, -ECANCELED);
    ck_assert_int_eq(weft_server_serving(server), 1);
    return weft_server_close(server);
}

TEST(a_wait_is_cancelled)
{
    net_run(main_waits);
}

/* -- ended before they have begun ----------------------------------------------------------------
 */

static int main_early(void *arg)
{
    const struct weft_server_opt opt = {.size = sizeof opt, .every_reactor = true};
    weft_server *server;

    (void)arg;
    for (int drains = 0; drains < 2; drains++) {
        ok(weft_start_server(&server, "127.0.0.1:0", serve_nothing, NULL, &opt));
        if (drains)
            ck_assert_int_eq(weft_server_drain(server, weft_after_ms(60000), weft_after_ms(60000)),
                             0);
        ck_assert_int_eq(weft_server_close(server), 0);
    }
    return 0;
}

TEST(ended_before_it_runs)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 3, .no_pinning = true};

    ck_assert_int_eq(weft_run(main_early, NULL, 0, &opt), 0);
}

static int lost_with;

static void lost(weft_endpoint *endpoint, int error, void *self)
{
    (void)endpoint;
    (void)self;
    lost_with = error;
}

/* No room for the tasks of a server, of an endpoint; or for its second. */
static int main_no_tasks(void *arg)
{
    static const struct weft_datagram_protocol protocol = {.size = sizeof protocol,
                                                           .connection_lost = lost};
    weft_endpoint *endpoint;
    weft_server *server;

    if (*(int *)arg == 1) {
        ck_assert_int_eq(weft_start_server(&server, "127.0.0.1:0", serve_nothing, NULL, NULL),
                         -EAGAIN);
        ck_assert_int_eq(weft_create_datagram_endpoint(&endpoint, "127.0.0.1:0", NULL, &protocol,
                                                       NULL, NULL),
                         -EAGAIN);
        return 0;
    }
    lost_with = 0;
    ok(weft_create_datagram_endpoint(&endpoint, "127.0.0.1:0", NULL, &protocol, NULL, NULL));
    while (lost_with == 0)
        ok(weft_sleep(1000000));
    ck_assert_int_eq(lost_with, -EAGAIN);
    return 0;
}

TEST(no_room_for_tasks)
{
    for (int most = 1; most <= 2; most++) {
        struct weft_run_opt opt = {.size = sizeof opt, .tasks_max = (uint32_t)most};
        ck_assert_int_eq(weft_run(main_no_tasks, &most, sizeof most, &opt), 0);
    }
}

TEST_MAIN("server_edges", 60, called_where_they_may_not_be, options, arguments, handlers_that_fail,
          aborted_when_it_was_to_be_drained, drained_by_the_scope_around_it,
          datagrams_that_nobody_wants, a_wait_is_cancelled, ended_before_it_runs, no_room_for_tasks)
