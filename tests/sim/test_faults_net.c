/*
 * The same as test_faults.c, of a program of servers on two reactors, protocols, endpoints and
 * descriptors that are passed: with its k-th allocation failing, for every k, and with its k-th
 * descriptor refused. And single requests that fail.
 *
 * Would catch an error that is lost or told as another one, a connection or a datagram that is
 * waited for in vain, and a descriptor or an allocation that stays behind.
 */
#include "faults.h"

#include <netinet/in.h>

#include "support/server.h"

/* -- servers ----------------------------------------------------------------------------------- */

/* Into the outbox as well. */
static int answers(weft_stream *stream, void *arg)
{
    ssize_t n = weft_stream_write_nowait(stream, "x", 1);

    (void)arg;
    if (n > 0)
        n = weft_stream_write_nowait(stream, "y", 1);
    return n < 0 ? (int)n : weft_stream_drain(stream);
}

static int ask(const weft_server *server)
{
    char bytes[2];
    ssize_t n;
    int fd = weft_connect_tcp(server_address(server), NULL);

    if (fd < 0)
        return fd;
    n = weft_recv_exactly(fd, bytes, sizeof bytes, NULL);
    weft_close(fd);
    return n == -ENODATA || n == -ECONNRESET ? -ENOMEM : n < 0 ? (int)n : 0;
}

static int use_server(void)
{
    const struct weft_server_opt opt = {.size = sizeof opt, .every_reactor = true};
    weft_server *server;
    int closed, error = weft_start_server(&server, "127.0.0.1:0", answers, NULL, &opt);

    if (error < 0)
        return error;
    for (int i = 0; i < 8 && error == 0; i++) /* on both */
        error = ask(server);
    closed = weft_server_close(server); /* says what ended it, if something did */
    return closed < 0 ? closed : error;
}

/* -- protocols --------------------------------------------------------------------------------- */

static struct {
    int received, lost, error;
    bool paused;
} told;

static void greets(weft_transport *transport, void *self)
{
    (void)self;
    if (weft_transport_write(transport, "x", 1) < 0)
        (void)weft_transport_abort(transport);
}

static void echoes(weft_transport *transport, const void *data, size_t size, void *self)
{
    (void)self;
    if (weft_transport_write(transport, data, size) < 0)
        (void)weft_transport_abort(transport);
}

static void hears(weft_transport *transport, const void *data, size_t size, void *self)
{
    (void)data;
    (void)self;
    told.received += (int)size;
    (void)weft_transport_close(transport);
}

static void goes(weft_transport *transport, int error, void *self)
{
    (void)transport;
    (void)self;
    told.lost++;
    told.error = error;
}

static void pauses(weft_transport *transport, void *self)
{
    (void)transport;
    (void)self;
    told.paused = true;
}

static void resumes(weft_transport *transport, void *self)
{
    (void)transport;
    (void)self;
    ck_abort_msg("resumed, after an error");
}

static const struct weft_protocol echo = {.size = sizeof echo, .data_received = echoes};
static const struct weft_protocol client = {.size = sizeof client,
                                            .connection_made = greets,
                                            .data_received = hears,
                                            .connection_lost = goes,
                                            .pause_writing = pauses,
                                            .resume_writing = resumes};

/* Who cannot be served for want of memory is closed. */
static int use_protocol(void)
{
    weft_server *server;
    weft_transport *transport;
    int closed, error = weft_create_server(&server, "127.0.0.1:0", &echo, NULL, NULL);

    if (error < 0)
        return error;
    memset(&told, 0, sizeof told);
    error = weft_create_connection(server_address(server), &client, NULL, NULL, &transport);
    while (error == 0 && !told.lost)
        ok(weft_sleep(1000000));
    if (error == 0 && told.received != 1)
        error = -ENOMEM;
    closed = weft_server_close(server);
    return closed < 0 ? closed : error;
}

/* -- endpoints --------------------------------------------------------------------------------- */

static void came(weft_endpoint *endpoint, const void *data, size_t size, int flags,
                 const struct sockaddr *from, socklen_t length, void *self)
{
    (void)endpoint, (void)data, (void)flags, (void)from, (void)length, (void)self;
    told.received += (int)size;
}

static void failed(weft_endpoint *endpoint, int error, void *self)
{
    (void)endpoint, (void)self;
    told.error = error;
}

static void went(weft_endpoint *endpoint, int error, void *self)
{
    (void)endpoint, (void)self;
    told.lost++;
    if (error < 0)
        told.error = error;
}

static const struct weft_datagram_protocol datagrams = {.size = sizeof datagrams,
                                                        .datagram_received = came,
                                                        .error_received = failed,
                                                        .connection_lost = went};

/* To itself. */
static ssize_t send_one(weft_endpoint *endpoint)
{
    struct sockaddr_in to;
    socklen_t length = sizeof to;
    int error = weft_getsockname(weft_endpoint_fd(endpoint), (struct sockaddr *)&to, &length);

    return error < 0 ? error
                     : weft_endpoint_sendto(endpoint, "x", 1, (struct sockaddr *)&to, length);
}

static int use_endpoint(void)
{
    weft_endpoint *endpoint;
    ssize_t n;
    int error;

    memset(&told, 0, sizeof told);
    error = weft_create_datagram_endpoint(&endpoint, "127.0.0.1:0", NULL, &datagrams, NULL, NULL);
    if (error < 0)
        return error;
    n = send_one(endpoint);
    while (n > 0 && !told.received && !told.lost && !told.error)
        ok(weft_sleep(1000000));
    if (!told.lost)
        ok(weft_endpoint_close(endpoint));
    while (!told.lost)
        ok(weft_sleep(1000000));
    return n < 0 ? (int)n : told.error;
}

/* -- descriptors that are passed --------------------------------------------------------------- */

static int pass(const int ends[2])
{
    int pipe[2], got[2];
    uint32_t count = 2;
    char byte;
    ssize_t n = weft_pipe(pipe, 0);

    if (n < 0)
        return (int)n;
    n = weft_send_fds(ends[0], "x", 1, pipe, 2);
    weft_close(pipe[0]);
    weft_close(pipe[1]);
    spared = false;
    if (n > 0)
        n = weft_recv_fds(ends[1], &byte, 1, got, &count);
    spared = true;
    for (uint32_t i = 0; i < count && n > 0; i++)
        weft_close(got[i]);
    ck_assert(n < 0 || count == 2);
    return n < 0 ? (int)n : 0;
}

static int use_fds(void)
{
    int ends[2], error = 0, listener = weft_listen_tcp("unix:@faults", NULL);

    if (listener < 0)
        return listener;
    ends[0] = weft_connect_tcp("unix:@faults", NULL);
    if (ends[0] < 0) {
        weft_close(listener);
        return ends[0];
    }
    ends[1] = weft_accept(listener, NULL, NULL, 0);
    error = ends[1] < 0 ? ends[1] : pass(ends);
    if (ends[1] >= 0)
        weft_close(ends[1]);
    weft_close(ends[0]);
    weft_close(listener);
    return error;
}

static const struct faults_part parts[] = {FAULTS_PART(use_server), FAULTS_PART(use_protocol),
                                           FAULTS_PART(use_endpoint), FAULTS_PART(use_fds)};
enum { PARTS = sizeof parts / sizeof parts[0] };

static int everything(void *arg)
{
    int error = 0;

    (void)arg;
    for (size_t i = 0; i < PARTS && error >= 0; i++)
        error = parts[i].run();
    return error;
}

/* -- again and again --------------------------------------------------------------------------- */

static int again_and_again(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < PARTS; i++)
        faults_within(&parts[i]);
    return 0;
}

TEST(nothing_is_left_meanwhile)
{
    struct world world = {.plan = "calm",
                          .seed = 1,
                          .task = again_and_again,
                          .run = {.reactors = 2}};

    spared = true;
    ck_assert_int_eq(world_run(&world), 0);
}

static int on_two(void)
{
    const struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    return weft_run(everything, NULL, 0, &opt);
}

/* Who accepts passes over what he has no number for, so it is only now and then that one is
   refused. */
static const struct faults faults = {.program = on_two, .spared = true};

TEST(every_allocation_fails_once)
{
    faults_of_allocations(&faults);
}

TEST(every_descriptor_is_refused_once)
{
    ck_assert_uint_eq(faults_of_descriptors(&faults), 2);
}

/* -- requests that fail ------------------------------------------------------------------------ */

static void run_with(const char *plan, weft_task_fn fn)
{
    struct world world = {.seed = 1, .plan = plan, .task = fn};

    ck_assert_int_eq(world_run(&world), 0);
}

/* Of an earlier datagram: told, and the endpoint goes on. */
static int goes_on(void *arg)
{
    weft_endpoint *endpoint;

    (void)arg;
    memset(&told, 0, sizeof told);
    ok(weft_create_datagram_endpoint(&endpoint, "127.0.0.1:0", NULL, &datagrams, NULL, NULL));
    ok(weft_sleep(1000000));
    ck_assert_int_lt(told.error, 0);
    ck_assert_int_eq(told.lost, 0);
    ck_assert_int_eq(send_one(endpoint), 1);
    while (!told.received)
        ok(weft_sleep(1000000));
    ok(weft_endpoint_close(endpoint));
    while (!told.lost)
        ok(weft_sleep(1000000));
    return 0;
}

static int is_lost(void *arg)
{
    (void)arg;
    ck_assert_int_eq(use_endpoint(), -EIO);
    return 0;
}

/* One that came, and a close in the same turn: it is told of no more. */
static int closes_at_once(void *arg)
{
    weft_endpoint *endpoint;
    struct sockaddr_in to;
    socklen_t length = sizeof to;
    int fd = weft_datagram_socket("127.0.0.1:0", NULL, NULL);

    (void)arg;
    memset(&told, 0, sizeof told);
    ok(fd);
    ok(weft_create_datagram_endpoint(&endpoint, "127.0.0.1:0", NULL, &datagrams, NULL, NULL));
    ok(weft_getsockname(weft_endpoint_fd(endpoint), (struct sockaddr *)&to, &length));
    ok(weft_sleep(1000000));
    ck_assert_int_eq(weft_sendto(fd, "x", 1, 0, (struct sockaddr *)&to, length), 1);
    ck_assert_int_eq(told.received, 0);
    ok(weft_endpoint_close(endpoint));
    while (!told.lost)
        ok(weft_sleep(1000000));
    ck_assert_int_eq(told.received, 0);
    ck_assert_int_eq(told.error, 0);
    return weft_close(fd);
}

TEST(receives_of_an_endpoint)
{
    run_with("calm recvmsg#1=EHOSTUNREACH", goes_on);
    run_with("calm recvmsg#1=ENETUNREACH", goes_on);
    run_with("calm recvmsg#1=EMSGSIZE", goes_on);
    run_with("calm recvmsg#1=EINTR", goes_on);
    run_with("calm recvmsg#1=ENOMEM", goes_on);
    run_with("calm recvmsg#1=EIO", is_lost);
    run_with("calm net.latency=0", closes_at_once);
}

static void connect_both(int fds[2])
{
    int listener = weft_listen_tcp("127.0.0.1:7000", NULL);

    ok(listener);
    ok(fds[0] = weft_connect_tcp("127.0.0.1:7000", NULL));
    ok(fds[1] = weft_accept(listener, NULL, NULL, 0));
    ok(weft_close(listener));
}

/* What was written cannot be sent: that ends it, and nothing is resumed. */
static int cannot_send(void *arg)
{
    for (int full = 0; full < 2; full++) {
        weft_transport *transport;
        int fds[2];

        connect_both(fds);
        memset(&told, 0, sizeof told);
        ok(weft_transport_open(fds[0], &client, NULL, NULL, &transport));
        if (full)
            ok(weft_transport_set_write_limits(transport, 0, 0));
        while (!told.lost)
            ok(weft_sleep(1000000));
        ck_assert_int_eq(told.error, -ECONNRESET);
        ck_assert_int_eq(told.paused, full);
        ok(weft_close(fds[1]));
    }
    (void)arg;
    return 0;
}

TEST(sends_of_a_transport)
{
    run_with("calm send#1=ECONNRESET send#2=ECONNRESET", cannot_send);
}

/* A receive in pieces met want of memory behind the first: that says nothing of the connection. */
static int trouble_of_memory(void *arg)
{
    weft_stream *stream;
    char bytes[4];
    int fds[2];

    (void)arg;
    connect_both(fds);
    ck_assert_int_eq(weft_send_all(fds[1], "ab", 2, NULL), 2);
    ck_assert_int_eq(weft_recv(fds[0], bytes, 4, MSG_WAITALL), 1);
    ok(weft_stream_open(fds[0], NULL, &stream));
    ck_assert_int_eq(weft_send_all(fds[1], "cd", 2, NULL), 2);
    ck_assert_int_eq(weft_stream_read_exactly(stream, bytes, 3, NULL), 3);
    ck_assert_mem_eq(bytes, "bcd", 3);
    ok(weft_close(fds[1]));
    return weft_stream_close(stream);
}

TEST(want_of_memory_is_not_the_connections)
{
    run_with("calm recv#1=short recv#2=ENOMEM", trouble_of_memory);
}

/* -- listeners that cannot be -------------------------------------------------------------------
 */

enum { REACTORS = 3 };

/* Descriptors for all but one, and then for all: each time the server is there, or nothing of it.
 */
static int few_descriptors(void *arg)
{
    const struct weft_server_opt opt = {.size = sizeof opt, .every_reactor = true};
    int fds[100], count = 0;
    weft_server *server;

    (void)arg;
    while ((fds[count] = weft_datagram_socket("127.0.0.1:0", NULL, NULL)) >= 0)
        count++;
    ck_assert_int_eq(fds[count], -EMFILE);
    ck_assert_int_gt(count, REACTORS);
    for (int room = 0; room < REACTORS; room++) {
        ck_assert_int_eq(weft_start_server(&server, "127.0.0.1:0", answers, NULL, &opt), -EMFILE);
        ok(weft_close(fds[--count]));
    }
    ok(weft_start_server(&server, "127.0.0.1:0", answers, NULL, &opt));
    while (count > 0)
        ok(weft_close(fds[--count]));
    ok(ask(server));
    return weft_server_close(server);
}

static int run_on_three(void *arg)
{
    const struct weft_run_opt opt = {.size = sizeof opt, .reactors = REACTORS};

    return weft_run((weft_task_fn)arg, NULL, 0, &opt);
}

TEST(descriptors_for_some_listeners)
{
    const struct weft_sim_opt opt = {.size = sizeof opt, .plan = "calm", .fds_max = 90};

    ck_assert_int_eq(weft_sim_run(&opt, run_on_three, few_descriptors, NULL), 0);
}

/* A listener that fails ends the server, wherever it is, and the server says why. */
static int one_fails(void *arg)
{
    const struct weft_server_opt opt = {.size = sizeof opt, .every_reactor = true};
    weft_server *server;
    char address[40];

    (void)arg;
    ok(weft_start_server(&server, "127.0.0.1:0", answers, NULL, &opt));
    snprintf(address, sizeof address, "%s", server_address(server));
    while (weft_server_serving(server) == 1) {
        int fd = weft_connect_tcp(address, NULL);
        if (fd >= 0)
            ok(weft_close(fd));
        ok(weft_sleep(1000000));
    }
    ck_assert_int_eq(weft_server_wait(server), -EINVAL);
    ck_assert_int_eq(weft_server_close(server), -EINVAL);
    return 0;
}

TEST(a_listener_fails)
{
    char plan[40];

    for (int which = 1; which <= 8; which++) {
        const struct weft_sim_opt opt = {.size = sizeof opt, .plan = plan};
        snprintf(plan, sizeof plan, "calm accept#%d=EINVAL", which);
        ck_assert_int_eq(weft_sim_run(&opt, run_on_three, one_fails, NULL), 0);
    }
}

/* Reads until it is cut. */
static int listens_on(weft_stream *stream, void *arg)
{
    char byte;
    ssize_t n = weft_stream_read(stream, &byte, 1, 0);

    *(int *)arg = (int)n;
    return (int)n;
}

/* Those that are served when a listener fails are cut: nobody would ever end them. */
static int one_is_served(void *arg)
{
    weft_server *server;
    char byte;
    int fd, end = 1;

    (void)arg;
    ok(weft_start_server(&server, "127.0.0.1:0", listens_on, &end, NULL));
    fd = weft_connect_tcp(server_address(server), NULL);
    ok(fd);
    ck_assert_int_eq(weft_server_wait(server), -EINVAL);
    ck_assert_int_eq(end, -ECANCELED);
    ck_assert_int_eq(weft_recv(fd, &byte, 1, 0), 0);
    ok(weft_close(fd));
    ck_assert_int_eq(weft_server_close(server), -EINVAL);
    return 0;
}

TEST(a_listener_fails_while_it_serves)
{
    run_with("calm accept#2=EINVAL", one_is_served);
}

TEST_MAIN("sim/faults_net", 60, nothing_is_left_meanwhile, every_allocation_fails_once,
          every_descriptor_is_refused_once, receives_of_an_endpoint, sends_of_a_transport,
          want_of_memory_is_not_the_connections, descriptors_for_some_listeners, a_listener_fails,
          a_listener_fails_while_it_serves)
