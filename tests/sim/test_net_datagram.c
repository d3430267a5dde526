/*
 * What befalls datagrams of UDP on the simulated network: some are lost, some come twice, later
 * ones overtake earlier ones; a seed means the same of it every time. Catches a knob without an
 * effect, a datagram that was never sent, one that is changed on its way, and a full socket that
 * blocks.
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "simulate.h"

enum { COUNT = 400, SIZE = 100 };

struct seen {
    uint32_t times[COUNT];
    uint32_t received, lost, twice, overtaken;
    uint64_t order; /* a hash of the order they came in */
};
static struct seen seen;

static int udp_pair(int fds[2], struct sockaddr_in *to)
{
    socklen_t length = sizeof *to;

    fds[0] = weft_datagram_socket("127.0.0.1:0", NULL, NULL);
    fds[1] = weft_datagram_socket("127.0.0.1:0", NULL, NULL);
    ok(fds[0]);
    ok(fds[1]);
    return weft_getsockname(fds[1], (struct sockaddr *)to, &length);
}

static void close_both(const int fds[2])
{
    ok(weft_close(fds[0]));
    ok(weft_close(fds[1]));
}

static void note(const unsigned char *bytes, ssize_t size, uint32_t *latest)
{
    uint32_t number;

    ck_assert_int_eq(size, SIZE);
    memcpy(&number, bytes, sizeof number);
    ck_assert_uint_lt(number, COUNT);
    for (size_t i = sizeof number; i < SIZE; i++)
        ck_assert_uint_eq(bytes[i], (unsigned char)(number + i));
    seen.times[number]++;
    seen.received++;
    seen.overtaken += number < *latest;
    *latest = number;
    seen.order = (seen.order ^ number) * UINT64_C(0x100000001b3);
}

static int talk(void *arg)
{
    unsigned char bytes[SIZE];
    struct sockaddr_in to;
    uint32_t latest = 0;
    int fds[2];
    ssize_t n;

    (void)arg;
    ok(udp_pair(fds, &to));
    for (uint32_t number = 0; number < COUNT; number++) {
        memcpy(bytes, &number, sizeof number);
        for (size_t i = sizeof number; i < SIZE; i++)
            bytes[i] = (unsigned char)(number + i);
        ck_assert_int_eq(weft_sendto(fds[0], bytes, SIZE, 0, (struct sockaddr *)&to, sizeof to),
                         SIZE);
        if (number % 50 == 49)
            ok(weft_sleep(1000000));
        while ((n = weft_recvfrom(fds[1], bytes, SIZE, MSG_DONTWAIT, NULL, NULL)) >= 0)
            note(bytes, n, &latest);
        ck_assert_int_eq(n, -EAGAIN);
    }
    ok(weft_sleep(INT64_C(1000000000)));
    while ((n = weft_recvfrom(fds[1], bytes, SIZE, MSG_DONTWAIT, NULL, NULL)) >= 0)
        note(bytes, n, &latest);
    for (uint32_t number = 0; number < COUNT; number++) {
        seen.lost += seen.times[number] == 0;
        seen.twice += seen.times[number] == 2;
        ck_assert_uint_le(seen.times[number], 2);
    }
    close_both(fds);
    return 0;
}

static void run(const char *plan, uint64_t seed)
{
    static struct world world;

    memset(&seen, 0, sizeof seen);
    world = (struct world){.seed = seed, .plan = plan, .task = talk};
    ck_assert_int_eq(world_run(&world), 0);
}

TEST(calm_ones_come_once_and_in_order)
{
    run("calm", 1);
    ck_assert_uint_eq(seen.received, COUNT);
    ck_assert_uint_eq(seen.overtaken, 0);
}

TEST(lost)
{
    run("calm net.datagram_lost=1/5", 2);
    ck_assert_uint_ge(seen.lost, COUNT / 10);
    ck_assert_uint_le(seen.lost, COUNT / 3);
    ck_assert_uint_eq(seen.twice, 0);
}

TEST(twice)
{
    run("calm net.datagram_twice=1/5", 3);
    ck_assert_uint_eq(seen.lost, 0);
    ck_assert_uint_ge(seen.twice, COUNT / 10);
}

TEST(overtaken)
{
    run("calm net.latency=0..5ms", 4);
    ck_assert_uint_eq(seen.received, COUNT);
    ck_assert_uint_ge(seen.overtaken, COUNT / 10);
}

TEST(the_same_every_time)
{
    static const char plan[] =
        "rough net.datagram_lost=1/10 net.datagram_twice=1/10 net.latency=0..5ms";
    struct seen first;

    run(plan, 5);
    first = seen;
    run(plan, 5);
    ck_assert_mem_eq(&first, &seen, sizeof first);
    run(plan, 6);
    ck_assert_uint_ne(first.order, seen.order);
}

/* Nobody reads: what does not fit is lost, and the sender goes on. */
static int flood(void *arg)
{
    static unsigned char bytes[10000];
    struct sockaddr_in to;
    int fds[2], got = 0;

    (void)arg;
    ok(udp_pair(fds, &to));
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(weft_sendto(fds[0], bytes, sizeof bytes, 0, (struct sockaddr *)&to,
                                     sizeof to),
                         sizeof bytes);
    ok(weft_sleep(1000000));
    while (weft_recvfrom(fds[1], bytes, sizeof bytes, MSG_DONTWAIT, NULL, NULL) > 0)
        got++;
    ck_assert_int_gt(got, 5);
    ck_assert_int_lt(got, 100);
    close_both(fds);
    return 0;
}

TEST(full)
{
    static struct world world = {.seed = 1, .plan = "calm", .task = flood};

    ck_assert_int_eq(world_run(&world), 0);
}

TEST_MAIN("net_datagram", 30, calm_ones_come_once_and_in_order, lost, twice, overtaken,
          the_same_every_time, full)
