/*
 * Endpoints: datagrams told to callbacks. Catches one told twice or never, one lost at a close, an
 * end that is not told or told with the wrong reason, and an endpoint left behind.
 */
#include "support/name.h"
#include "support/net.h"

struct shared {
    int made, received, failed, lost;
    int error; /* that connection_lost told, or error_received */
    size_t bytes;
    weft_endpoint *latest;
    bool echoes;
};

static void made(weft_endpoint *endpoint, void *self)
{
    struct shared *shared = weft_endpoint_arg(endpoint);

    ck_assert_ptr_eq(self, weft_endpoint_state(endpoint));
    ck_assert_int_eq(++*(int *)self, 1);
    ck_assert_int_eq(weft_sleep(1), -EPERM);
    shared->made++;
    shared->latest = endpoint;
}

static void received(weft_endpoint *endpoint, const void *data, size_t size, int flags,
                     const struct sockaddr *from, socklen_t length, void *self)
{
    struct shared *shared = weft_endpoint_arg(endpoint);

    ck_assert_int_eq(*(int *)self, 1);
    ck_assert_int_eq(flags, 0);
    shared->received++;
    shared->bytes += size;
    if (shared->echoes)
        ck_assert_int_eq(weft_endpoint_sendto(endpoint, data, size, from, length), (ssize_t)size);
}

static void failed(weft_endpoint *endpoint, int error, void *self)
{
    struct shared *shared = weft_endpoint_arg(endpoint);

    (void)self;
    shared->failed++;
    shared->error = error;
}

static void lost(weft_endpoint *endpoint, int error, void *self)
{
    struct shared *shared = weft_endpoint_arg(endpoint);

    ck_assert_int_eq(++*(int *)self, 2);
    ck_assert_int_eq(weft_endpoint_sendto(endpoint, "x", 1, NULL, 0), -EPIPE);
    shared->lost++;
    shared->error = error;
    shared->latest = NULL;
}

static const struct weft_datagram_protocol protocol = {.size = sizeof protocol,
                                                       .state_size = sizeof(int),
                                                       .connection_made = made,
                                                       .datagram_received = received,
                                                       .error_received = failed,
                                                       .connection_lost = lost};

static weft_endpoint *open_one(struct shared *shared, const char *local, const char *remote)
{
    weft_endpoint *endpoint = NULL;

    ok(weft_create_datagram_endpoint(&endpoint, local, remote, &protocol, shared, NULL));
    ck_assert_int_eq(shared->made, 0); /* nothing is told from inside the call */
    while (shared->made == 0)
        ok(weft_sleep(100000));
    return endpoint;
}

static void until(const int *number, int value)
{
    while (*number < value)
        ok(weft_sleep(100000));
}

static int main_echo(void *arg)
{
    struct shared shared = {.echoes = true};
    weft_endpoint *endpoint = open_one(&shared, "127.0.0.1:0", NULL);
    int fd = weft_datagram_socket("127.0.0.1:0", NULL, NULL);
    struct sockaddr_in to;
    socklen_t length = sizeof to;
    unsigned char bytes[2000], back[2000];

    (void)arg;
    ok(fd);
    ok(weft_getsockname(weft_endpoint_fd(endpoint), (struct sockaddr *)&to, &length));
    for (int i = 0; i < 50; i++) {
        size_t size = (size_t)(i * 37 % 2000);
        net_fill(bytes, size, (uint64_t)i, 0);
        ck_assert_int_eq(weft_sendto(fd, bytes, size, 0, (struct sockaddr *)&to, length),
                         (ssize_t)size);
        ck_assert_int_eq(weft_recvfrom(fd, back, sizeof back, 0, NULL, NULL), (ssize_t)size);
        net_check(back, size, (uint64_t)i, 0);
    }
    ck_assert_int_eq(shared.received, 50);

    /* what waits to be sent goes before the end */
    ok(weft_getsockname(fd, (struct sockaddr *)&to, &length));
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(weft_endpoint_sendto(endpoint, "bye", 3, (struct sockaddr *)&to, length),
                         3);
    ok(weft_endpoint_close(endpoint));
    ok(weft_endpoint_close(endpoint));
    ck_assert_int_eq(weft_endpoint_sendto(endpoint, "x", 1, NULL, 0), -EPIPE);
    ck_assert_int_eq(shared.lost, 0);
    until(&shared.lost, 1);
    ck_assert_int_eq(shared.error, 0);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(weft_recvfrom(fd, back, sizeof back, 0, NULL, NULL), 3);
    return weft_close(fd);
}

TEST(echo)
{
    net_run(main_echo);
}

/* Nobody there: told, and it goes on; sends that cannot be are told as well. */
static int main_errors(void *arg)
{
    struct shared shared = {.made = 0};
    int port, fd = net_nobody(SOCK_DGRAM, &port);
    struct sockaddr_in nowhere = net_loopback(0);
    char address[32];

    (void)arg;
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    weft_endpoint *endpoint = open_one(&shared, NULL, address);
    ck_assert_int_eq(weft_endpoint_sendto(endpoint, "x", 1, NULL, 0), 1);
    until(&shared.failed, 1);
    ck_assert_int_eq(shared.error, -ECONNREFUSED);
    ck_assert_int_eq(weft_endpoint_sendto(endpoint, "x", 1, (struct sockaddr *)&nowhere,
                                          sizeof nowhere),
                     1);
    until(&shared.failed, 2);
    ck_assert_int_eq(shared.error, -EINVAL);
    ck_assert_int_eq(shared.lost, 0);
    ok(weft_endpoint_close(endpoint));
    until(&shared.lost, 1);
    return weft_close(fd);
}

TEST(errors_are_told)
{
    net_run(main_errors);
}

/* By the scope around it: drained it ends in order, cancelled it says so; and with the run. */
static struct shared at_end;

static int main_scope(void *arg)
{
    (void)arg;
    for (int cancel = 0; cancel < 2; cancel++) {
        struct shared shared = {.made = 0};
        WEFT_SCOPE(s) {
            (void)open_one(&shared, "127.0.0.1:0", NULL);
            if (cancel)
                ok(weft_scope_cancel(&s));
            else
                ck_assert_int_eq(weft_scope_drain(&s, weft_after_ms(50000), weft_after_ms(60000)),
                                 0);
        }
        ck_assert_int_eq(shared.lost, 1);
        ck_assert_int_eq(shared.error, cancel ? -ECANCELED : 0);
    }
    (void)open_one(&at_end, own_name("unix:@weft-test-endpoint"), NULL);
    return 0;
}

TEST(ends_with_its_scope)
{
    net_run(main_scope);
    ck_assert_int_eq(at_end.lost, 1);
    ck_assert_int_eq(at_end.error, -ECANCELED);
}

static int main_arguments(void *arg)
{
    static const struct weft_datagram_protocol nothing = {.size = sizeof nothing};
    struct weft_datagram_protocol bad = protocol;
    static unsigned char large[65537];
    weft_endpoint *endpoint = NULL;

    (void)arg;
    bad.size = 1;
    ck_assert_int_eq(weft_create_datagram_endpoint(NULL, "127.0.0.1:0", NULL, NULL, NULL, NULL),
                     -EINVAL);
    ck_assert_int_eq(weft_create_datagram_endpoint(NULL, "127.0.0.1:0", NULL, &bad, NULL, NULL),
                     -EINVAL);
    ck_assert_int_eq(weft_create_datagram_endpoint(NULL, NULL, NULL, &protocol, NULL, NULL),
                     -EINVAL);
    ck_assert_int_eq(weft_endpoint_sendto(NULL, "x", 1, NULL, 0), -EINVAL);
    ck_assert_int_eq(weft_endpoint_close(NULL), -EINVAL);
    ck_assert_int_eq(weft_endpoint_fd(NULL), -EINVAL);
    ck_assert_ptr_null(weft_endpoint_state(NULL));
    ck_assert_ptr_null(weft_endpoint_arg(NULL));
    ok(weft_create_datagram_endpoint(&endpoint, "127.0.0.1:0", NULL, &nothing, NULL, NULL));
    ck_assert_int_eq(weft_endpoint_sendto(endpoint, NULL, 1, NULL, 0), -EINVAL);
    ck_assert_int_eq(weft_endpoint_sendto(endpoint, large, sizeof large, NULL, 0), -EMSGSIZE);
    ssize_t n = 0;
    int sent = 0;
    for (; n >= 0 && sent < 1000; sent++) /* bounded: nothing is sent before we give way */
        n = weft_endpoint_sendto(endpoint, large, 60000, NULL, 0);
    ck_assert_int_eq(n, -ENOBUFS);
    ck_assert_int_le(sent, 19);
    return weft_endpoint_close(endpoint);
}

TEST(arguments)
{
    net_run(main_arguments);
}

TEST_MAIN("endpoint", 30, echo, errors_are_told, ends_with_its_scope, arguments)
