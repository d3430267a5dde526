/*
 * Echo, to the byte: over IPv4, IPv6 and Unix sockets, random data in random pieces, many
 * conversations at once; and what one message costs, by counts. Catches lost, doubled, reordered
 * and foreign bytes.
 */
#include "support/net.h"

enum { PIECE_MAX = 100000, STREAM_SIZE = 3000000, CLIENTS = 8 };

static int conversation(void *arg)
{
    int fd = *(int *)arg;
    char line[16384];
    ssize_t n;

    while ((n = weft_recv(fd, line, sizeof line, WEFT_IDLE)) > 0)
        if ((n = weft_send_all(fd, line, (size_t)n, NULL)) < 0)
            break;
    weft_close(fd);
    return n < 0 ? (int)n : 0;
}

static int server(void *arg)
{
    int listener = *(int *)arg, fd;

    WEFT_SCOPE(s) {
        while ((fd = weft_accept(listener, NULL, NULL, 0)) >= 0)
            ok(weft_spawn(&s, conversation, &fd, sizeof fd, NULL));
    }
    return fd == -ESHUTDOWN || fd == -ECANCELED ? 0 : fd;
}

struct client {
    char address[128];
    uint64_t seed;
    size_t size;
};

struct half {
    int fd;
    uint64_t seed;
    size_t size;
};

static int sender(void *arg)
{
    struct half *half = arg;
    unsigned char *piece = malloc(PIECE_MAX);
    size_t sent = 0, done;

    while (sent < half->size) {
        size_t size =
            1 + (size_t)net_byte(half->seed, sent) * net_byte(~half->seed, sent) % (PIECE_MAX - 1);
        if (size > half->size - sent)
            size = half->size - sent;
        net_fill(piece, size, half->seed, sent);
        ck_assert_int_eq(weft_send_all(half->fd, piece, size, &done), (ssize_t)size);
        ck_assert_uint_eq(done, size);
        sent += size;
    }
    free(piece);
    return weft_shutdown(half->fd, SHUT_WR);
}

static int client(void *arg)
{
    struct client *c = arg;
    struct half half = {.seed = c->seed, .size = c->size};
    unsigned char *piece = malloc(PIECE_MAX);
    size_t received = 0;
    ssize_t n;

    half.fd = weft_connect_tcp(c->address, NULL);
    ok(half.fd);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, sender, &half, 0, NULL));
        while ((n = weft_recv(half.fd, piece, PIECE_MAX, 0)) > 0) {
            net_check(piece, (size_t)n, c->seed, received);
            received += (size_t)n;
        }
    }
    ck_assert_int_eq(n, 0);
    ck_assert_uint_eq(received, c->size);
    free(piece);
    return weft_close(half.fd);
}

static int echo_on(const char *address)
{
    struct client c = {.size = STREAM_SIZE};
    int listener = weft_listen_tcp(address, NULL);

    ok(listener);
    strcpy(c.address, address);
    if (strstr(address, ":0"))
        sprintf(c.address + strlen(address) - 1, "%d", weft_local_port(listener));
    WEFT_SCOPE(all) {
        ok(weft_spawn(&all, server, &listener, sizeof listener, NULL));
        WEFT_SCOPE(clients) {
            for (c.seed = 1; c.seed <= CLIENTS; c.seed++)
                ok(weft_spawn(&clients, client, &c, sizeof c, NULL));
        }
        weft_scope_cancel(&all);
    }
    return weft_close(listener);
}

static int main_v4(void *arg)
{
    (void)arg;
    return echo_on("127.0.0.1:0");
}

static int main_v6(void *arg)
{
    (void)arg;
    return echo_on("[::1]:0");
}

static int main_unix(void *arg)
{
    char address[64];

    (void)arg;
    sprintf(address, "unix:/tmp/weft-echo-%d", getpid());
    ck_assert_int_eq(echo_on(address), 0);
    return unlink(address + 5);
}

static int main_abstract(void *arg)
{
    char address[64];

    (void)arg;
    sprintf(address, "unix:@weft-echo-%d", getpid());
    return echo_on(address);
}

TEST(ipv4)
{
    net_run(main_v4);
}

TEST(ipv6)
{
    net_run(main_v6);
}

TEST(unix_path)
{
    net_run(main_unix);
}

TEST(unix_abstract)
{
    net_run(main_abstract);
}

/* -- what a message costs ------------------------------------------------------------------- */

enum { MESSAGES = 1000 };

static int echo_messages(void *arg)
{
    int fd = *(int *)arg;
    char line[64];
    ssize_t n;

    while ((n = weft_recv(fd, line, sizeof line, WEFT_IDLE)) > 0)
        ck_assert_int_eq(weft_send_all(fd, line, (size_t)n, NULL), n);
    return 0;
}

/* Two requests a message on either side: the receive and the send. No allocation. */
static int main_costs(void *arg)
{
    int here, there;
    char line[64] = "";
    struct weft_stats before, after;

    (void)arg;
    net_pair(&here, &there);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, echo_messages, &there, sizeof there, NULL));
        before = net_stats();
        for (int i = 0; i < MESSAGES; i++) {
            ck_assert_int_eq(weft_send_all(here, line, sizeof line, NULL), sizeof line);
            ck_assert_int_eq(weft_recv_exactly(here, line, sizeof line, NULL), sizeof line);
        }
        after = net_stats();
        ck_assert_int_eq(weft_shutdown(here, SHUT_WR), 0);
    }
    if (!net_is_rough())
        ck_assert_uint_le(after.sqes - before.sqes, 4 * MESSAGES + 8);
    if (!net_is_rough())
        ck_assert_uint_le(after.enters - before.enters, after.turns - before.turns);
    ck_assert_uint_eq(after.allocations, before.allocations);
    ck_assert_uint_eq(after.timers_armed, before.timers_armed);
    ck_assert_int_eq(weft_close(here), 0);
    return weft_close(there);
}

TEST(costs_of_a_message)
{
    net_run(main_costs);
}

TEST_MAIN("net_echo", 60, ipv4, ipv6, unix_path, unix_abstract, costs_of_a_message)
