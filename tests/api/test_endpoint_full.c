/*
 * Endpoints whose peers do not read: what waits to be sent stays within its limit, however small
 * the datagrams are, and of several peers the others are not kept waiting.
 */
#include "support/name.h"
#include "support/net.h"

struct counts {
    int made, failed, lost;
    int error;
};

static void made(weft_endpoint *endpoint, void *self)
{
    (void)self;
    ((struct counts *)weft_endpoint_arg(endpoint))->made++;
}

static void failed(weft_endpoint *endpoint, int error, void *self)
{
    struct counts *counts = weft_endpoint_arg(endpoint);

    (void)self;
    counts->failed++;
    counts->error = error;
}

static void lost(weft_endpoint *endpoint, int error, void *self)
{
    (void)self, (void)error;
    ((struct counts *)weft_endpoint_arg(endpoint))->lost++;
}

static const struct weft_datagram_protocol protocol = {.size = sizeof protocol,
                                                       .connection_made = made,
                                                       .error_received = failed,
                                                       .connection_lost = lost};

static weft_endpoint *open_one(struct counts *counts, const char *local, const char *remote)
{
    weft_endpoint *endpoint;

    ok(weft_create_datagram_endpoint(&endpoint, local, remote, &protocol, counts, NULL));
    while (counts->made == 0)
        ok(weft_sleep(100000));
    return endpoint;
}

static void close_one(weft_endpoint *endpoint, const struct counts *counts)
{
    ok(weft_endpoint_close(endpoint));
    while (counts->lost == 0)
        ok(weft_sleep(100000));
}

/* Nothing is sent while this task runs on: what is taken is what waits. */
static int main_tiny(void *arg)
{
    (void)arg;
    for (size_t size = 0; size < 2; size++) {
        struct counts counts = {.made = 0};
        weft_endpoint *endpoint = open_one(&counts, "127.0.0.1:0", NULL);
        struct sockaddr_in to;
        socklen_t length = sizeof to;
        ssize_t n = 0;
        int taken = -1;
        ok(weft_getsockname(weft_endpoint_fd(endpoint), (struct sockaddr *)&to, &length));
        for (; n >= 0 && taken < 100000; taken++)
            n = weft_endpoint_sendto(endpoint, "x", size, (struct sockaddr *)&to, length);
        ck_assert_int_eq(n, -ENOBUFS);
        ck_assert_int_gt(taken, 1000);
        ck_assert_int_lt(taken, 10000);
        close_one(endpoint, &counts);
    }
    return 0;
}
TEST(tiny_datagrams_count)
{
    net_run(main_tiny);
}

static socklen_t name_of(int fd, struct sockaddr_un *name)
{
    socklen_t length = sizeof *name;

    ok(weft_getsockname(fd, (struct sockaddr *)name, &length));
    return length;
}

/* One reads nothing; the other gets what it is sent, and the first keeps what it had room for. */
static int main_others(void *arg)
{
    enum { MANY = 200, SIZE = 4000 };
    static char bytes[SIZE];
    struct counts counts = {.made = 0};
    weft_endpoint *endpoint = open_one(&counts, own_name("unix:@weft-endpoint-full"), NULL);
    int deaf = weft_datagram_socket(own_name("unix:@weft-endpoint-deaf"), NULL, NULL);
    int other = weft_datagram_socket(own_name("unix:@weft-endpoint-other"), NULL, NULL);
    struct sockaddr_un to_deaf, to_other;
    socklen_t deaf_length, other_length;
    int got = 0;

    (void)arg;
    ok(deaf);
    ok(other);
    deaf_length = name_of(deaf, &to_deaf);
    other_length = name_of(other, &to_other);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(weft_endpoint_sendto(endpoint, bytes, SIZE, (struct sockaddr *)&to_deaf,
                                              deaf_length),
                         SIZE);
    ck_assert_int_eq(weft_endpoint_sendto(endpoint, "hello", 5, (struct sockaddr *)&to_other,
                                          other_length),
                     5);
    ck_assert_int_eq(weft_recvfrom(other, bytes, SIZE, 0, NULL, NULL), 5);
    ck_assert_int_gt(counts.failed, 0);
    ck_assert_int_eq(counts.error, -EAGAIN);
    close_one(endpoint, &counts);
    while (weft_recvfrom(deaf, bytes, SIZE, MSG_DONTWAIT, NULL, NULL) == SIZE)
        got++;
    ck_assert_int_eq(got + counts.failed, MANY);
    ok(weft_close(other));
    return weft_close(deaf);
}
TEST(others_do_not_wait)
{
    net_run(main_others);
}

/* The only one, by being connected to it, is waited for: nothing is lost. */
static int main_single(void *arg)
{
    enum { MANY = 200, SIZE = 4000 };
    static char bytes[SIZE];
    struct counts counts = {.made = 0};
    int slow = weft_datagram_socket(own_name("unix:@weft-endpoint-slow"), NULL, NULL);
    weft_endpoint *endpoint = open_one(&counts, NULL, own_name("unix:@weft-endpoint-slow"));

    (void)arg;
    ok(slow);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(weft_endpoint_sendto(endpoint, bytes, SIZE, NULL, 0), SIZE);
    ok(weft_sleep(2000000));
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(weft_recvfrom(slow, bytes, SIZE, 0, NULL, NULL), SIZE);
    ck_assert_int_eq(counts.failed, 0);
    close_one(endpoint, &counts);
    return weft_close(slow);
}
TEST(a_single_one_is_waited_for)
{
    net_run(main_single);
}

TEST_MAIN("endpoint_full", 30, tiny_datagrams_count, others_do_not_wait, a_single_one_is_waited_for)
