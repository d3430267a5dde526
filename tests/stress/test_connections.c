/*
 * A crowd of connections held and served while others come and go: 10,000 held and 1,000 a second
 * for 30 seconds with WEFT_LONG, a smaller crowd without. Every byte is compared, no call may fail,
 * and when the crowd has left the server holds what it held before: descriptors, tasks, requests,
 * timers, buffers. What the held ones feel of the coming and going is printed.
 *
 * The peer is another process, on weft too. It comes from several addresses, because those that
 * hang up first keep their port for a minute.
 */
#include "crowd.h"

#include <netinet/ip.h>

enum {
    SOURCES = 16,         /* addresses the peer comes from, 127.0.0.2 and up */
    CONNECTING_MAX = 256, /* at a time, while the crowd gathers */
    PIECE_SIZE = 2048,
    SIZE_MAX_BYTES = 20000, /* of a message: fits the sockets' buffers both ways */
};

struct plan {
    uint32_t held;
    uint32_t passing;     /* that come and go, in all */
    uint32_t per_second;  /* of these */
    uint32_t passing_max; /* of these, at a time */
    int64_t pause_ns;     /* of one that is held, between its messages */
    int64_t quiet_ns;     /* before the coming and going begins */
};

static struct plan plan_of_the_day(void)
{
    if (test_long() && !CROWD_SANITIZED)
        return (struct plan){10000, 30000, 1000, 2000, 1000000000, 3000000000};
    if (CROWD_SANITIZED)
        return (struct plan){500, 500, 200, 200, 200000000, 200000000};
    return (struct plan){1000, 900, 300, 300, 400000000, 500000000};
}

/* What the peer says at the end. */
struct report {
    uint64_t held;
    uint64_t passed;
    uint64_t silent; /* of them, left without a word; they may go before they are accepted */
    uint64_t messages;
    uint64_t bytes;
    double passing_s;
    struct crowd_times quiet;
    struct crowd_times busy;
};

/* -- the peer -------------------------------------------------------------------------------- */

static struct {
    const char *address;
    struct plan plan;
    struct report report;
    uint32_t connecting;
    uint32_t up;
    uint32_t passing;
    struct crowd_times *times; /* where to: NULL while they gather, then quiet, then busy */
    bool leave;
} peer;

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* A connection from one of our addresses. */
static int come(uint32_t number)
{
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
    const char *colon = strrchr(peer.address, ':');
    int fd, result;

    if (strncmp(peer.address, "unix:", 5) == 0) {
        while ((fd = weft_connect_tcp(peer.address, NULL)) == -EAGAIN) /* its queue is full */
            peer_must(weft_sleep(CROWD_POLL_NS) == 0, "sleep");
        peer_must(fd >= 0, "connection %u: %s", number, strerror(-fd));
        return fd;
    }
    fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    peer_must(fd >= 0, "socket %u: %s", number, strerror(-fd));
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + number % SOURCES);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t)atoi(colon + 1));
    peer_must(weft_setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int)) == 0,
              "IP_BIND_ADDRESS_NO_PORT");
    peer_must(bind(fd, (struct sockaddr *)&from, sizeof from) == 0, "bind: %m");
    result = weft_connect(fd, (struct sockaddr *)&to, sizeof to);
    peer_must(result == 0, "connection %u: %s", number, strerror(-result));
    return fd;
}

/* Mostly small, one in 16 some thousand bytes, one in 256 so large that it goes in many pieces. */
static size_t message_size(uint64_t dice)
{
    size_t most = dice % 256 == 0 ? SIZE_MAX_BYTES : dice % 16 == 0 ? 4096 : 256;

    return 1 + (dice >> 16) % most;
}

/* Sends bytes `at`.. of the connection's own noise and wants the same back. */
static void exchange(int fd, uint64_t seed, uint64_t at, size_t size)
{
    unsigned char piece[PIECE_SIZE];
    ssize_t n;

    for (size_t sent = 0; sent < size; sent += (size_t)n) {
        size_t part = size - sent < sizeof piece ? size - sent : sizeof piece;
        net_fill(piece, part, seed, at + sent);
        n = weft_send_all(fd, piece, part, NULL);
        peer_must(n == (ssize_t)part, "send %llu: %s", (unsigned long long)seed, strerror((int)-n));
    }
    for (size_t got = 0; got < size; got += (size_t)n) {
        size_t part = size - got < sizeof piece ? size - got : sizeof piece;
        n = weft_recv(fd, piece, part, 0);
        peer_must(n > 0, "receive %llu: %zd", (unsigned long long)seed, n);
        for (size_t i = 0; i < (size_t)n; i++)
            peer_must(piece[i] == net_byte(seed, at + got + i), "byte %llu of %llu is wrong",
                      (unsigned long long)(at + got + i), (unsigned long long)seed);
    }
    peer.report.messages++;
    peer.report.bytes += size;
}

static int hold(void *arg)
{
    uint32_t number = *(uint32_t *)arg;
    uint64_t at = 0, dice = number;
    int fd = come(number);

    peer.connecting--;
    peer.up++;
    while (!peer.leave) {
        size_t size = message_size(dice = mix(dice + 1));
        int64_t begun = weft_now();
        exchange(fd, number, at, size);
        if (peer.times)
            crowd_time(peer.times, weft_now() - begun);
        at += size;
        /* spread over the pause, or they would all speak at once */
        peer_must(weft_sleep(peer.plan.pause_ns / 2 +
                             (int64_t)(dice % (uint64_t)peer.plan.pause_ns)) == 0,
                  "sleep");
    }
    peer_must(weft_close(fd) == 0, "close");
    return 0;
}

static void leave(int fd, uint32_t how)
{
    struct weft_socket_opt reset = {.size = sizeof reset, .reset_on_close = true};
    char byte;

    if (how == 1)
        peer_must(weft_socket_set(fd, &reset) == 0, "reset_on_close");
    if (how == 2) {
        peer_must(weft_shutdown(fd, SHUT_WR) == 0, "shutdown");
        peer_must(weft_recv(fd, &byte, 1, 0) == 0, "no end");
    }
    peer_must(weft_close(fd) == 0, "close");
}

static int pass(void *arg)
{
    uint32_t number = *(uint32_t *)arg, rounds = number % 4;
    uint64_t at = 0, seed = UINT64_C(1) << 32 | number;
    int fd = come(number);

    peer.report.silent += rounds == 0;
    for (uint32_t i = 0; i < rounds; i++) {
        size_t size = message_size(mix(seed + i));
        exchange(fd, seed, at, size);
        at += size;
    }
    leave(fd, number / 4 % 3);
    peer.report.passed++;
    return 0;
}

static void gather(weft_scope *scope)
{
    for (uint32_t i = 0; i < peer.plan.held; i++) {
        while (peer.connecting >= CONNECTING_MAX)
            peer_must(weft_sleep(CROWD_POLL_NS) == 0, "sleep");
        peer.connecting++;
        peer_must(weft_spawn(scope, hold, &i, sizeof i, NULL) == 0, "spawn");
    }
    while (peer.up < peer.plan.held)
        peer_must(weft_sleep(CROWD_POLL_NS) == 0, "sleep");
}

/* Each at its time, however late the ones before are, up to `passing_max` at once. */
static void come_and_go(void)
{
    int64_t begun = weft_now();

    WEFT_SCOPE(scope, .max_tasks = peer.plan.passing_max) {
        for (uint32_t i = 0; i < peer.plan.passing; i++) {
            peer_must(weft_sleep_until(begun + i * (INT64_C(1000000000) / peer.plan.per_second)) ==
                          0,
                      "sleep");
            peer_must(weft_spawn(&scope, pass, &i, sizeof i, NULL) == 0, "spawn");
        }
    }
    peer.report.passing_s = (double)(weft_now() - begun) / 1e9;
}

static int peer_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(held) {
        gather(&held);
        peer.times = &peer.report.quiet;
        peer_must(weft_sleep(peer.plan.quiet_ns) == 0, "sleep");
        peer.times = &peer.report.busy;
        come_and_go();
        peer.report.held = peer.up;
        peer.leave = true;
    }
    return 0;
}

static int peer_run(int control, const void *context)
{
    char address[64];
    int result, before = test_descriptors();

    peer.plan = *(const struct plan *)context;
    for (size_t i = 0; i < sizeof address; i++)
        if (read(control, &address[i], 1) != 1)
            return 2;
    peer.address = address;
    result = weft_run(peer_main, NULL, 0, NULL);
    peer_must(result == 0, "weft_run: %s", strerror(-result));
    peer_must(test_descriptors() == before, "%d descriptors, %d before", test_descriptors(),
              before);
    peer_must(test_live_allocations() == 0, "%zu allocations", test_live_allocations());
    peer_must(write(control, &peer.report, sizeof peer.report) == sizeof peer.report, "report");
    return 0;
}

/* -- the server ------------------------------------------------------------------------------ */

struct kind {
    const char *name;
    bool local;
    bool streams;
    uint32_t reactors;
};

struct scene {
    const struct kind *kind;
    struct plan plan;
    struct crowd_peer peer;
    struct report report;
    struct crowd_server server;
};

static void hear_report(struct scene *scene)
{
    ssize_t n = weft_recv_exactly(scene->peer.control, &scene->report, sizeof scene->report, NULL);

    ck_assert_msg(n == sizeof scene->report, "the peer has failed and said why");
}

static void check(struct scene *scene)
{
    const struct report *report = &scene->report;
    uint64_t total = scene->plan.held + scene->plan.passing;

    crowd_assert_clean(&scene->server);
    ck_assert_uint_eq(report->held, scene->plan.held);
    ck_assert_uint_eq(report->passed, scene->plan.passing);
    ck_assert_uint_gt(report->quiet.count, 0);
    ck_assert_uint_gt(report->busy.count, 0);
    ck_assert_uint_eq(scene->server.bytes, report->bytes);
    ck_assert_uint_ge(scene->server.alive_max, scene->plan.held);
    ck_assert_uint_le(scene->server.accepted, total);
    ck_assert_uint_ge(scene->server.accepted, total - report->silent);
}

static void print(const struct scene *scene)
{
    const struct report *report = &scene->report;

    printf("%s: %llu held, %llu came and went at %.0f a second, %llu messages right; "
           "microseconds p50/p99/max: quiet %.0f/%.0f/%.0f, busy %.0f/%.0f/%.0f\n",
           scene->kind->name, (unsigned long long)report->held, (unsigned long long)report->passed,
           (double)report->passed / report->passing_s, (unsigned long long)report->messages,
           crowd_quantile_us(&report->quiet, 0.5), crowd_quantile_us(&report->quiet, 0.99),
           (double)report->quiet.max / 1e3, crowd_quantile_us(&report->busy, 0.5),
           crowd_quantile_us(&report->busy, 0.99), (double)report->busy.max / 1e3);
}

static int server_main(void *arg)
{
    struct scene *scene = arg;
    struct crowd_holdings before[CROWD_REACTORS_MAX];
    int descriptors = test_descriptors();
    size_t held;

    crowd_name(&scene->server, scene->kind->local);
    crowd_count(before);
    WEFT_SCOPE(all) {
        crowd_start(&all, &scene->server);
        ck_assert_int_eq(weft_send_all(scene->peer.control, scene->server.address,
                                       sizeof scene->server.address, NULL),
                         sizeof scene->server.address);
        while (atomic_load(&scene->server.accepted) < scene->plan.held)
            ok(weft_sleep(CROWD_POLL_NS)); /* a peer that fails ends the wait by the time limit */
        ck_assert_int_ge(test_descriptors() - descriptors, (int)scene->plan.held);
        held = test_live_allocations();
        hear_report(scene);
        crowd_settle(&scene->server, scene->plan.held + scene->plan.passing);
        ck_assert_uint_le(test_live_allocations(), held + 64);
        ck_assert_int_eq(weft_scope_drain(&all, weft_after_ms(30000), weft_after_ms(40000)), 0);
    }
    check(scene);
    crowd_compare(before);
    ck_assert_int_eq(test_descriptors(), descriptors);
    print(scene);
    return 0;
}

static void act(const struct kind *kind)
{
    static struct scene scene;
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = kind->reactors};

    scene = (struct scene){.kind = kind, .plan = plan_of_the_day()};
    scene.server.streams = kind->streams;
    crowd_need_descriptors(scene.plan.held + scene.plan.passing_max + 1000);
    scene.peer = crowd_fork(peer_run, &scene.plan);
    ck_assert_int_eq(weft_run(server_main, &scene, 0, &opt), 0);
    crowd_join(&scene.peer);
}

TEST(over_tcp)
{
    act(&(struct kind){"TCP", .reactors = 1});
}

TEST(over_tcp_in_streams)
{
    act(&(struct kind){"TCP, streams", .streams = true, .reactors = 1});
}

TEST(over_tcp_on_two_reactors)
{
    act(&(struct kind){"TCP, streams, 2 reactors", .streams = true, .reactors = 2});
}

TEST(over_unix_sockets)
{
    act(&(struct kind){"Unix", .local = true, .reactors = 1});
}

TEST(over_unix_sockets_in_streams)
{
    act(&(struct kind){"Unix, streams", .local = true, .streams = true, .reactors = 1});
}

TEST_MAIN("stress.connections", 240, over_tcp, over_tcp_in_streams, over_tcp_on_two_reactors,
          over_unix_sockets, over_unix_sockets_in_streams)
