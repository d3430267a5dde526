/*
 * struct weft_socket_opt: that each option arrives, and reads back; that a zero changes nothing;
 * that a refusal names its option, and those before it are set; what is passed over; and what a
 * listener's connections have of it. Would catch an option that is lost, set on the wrong level, or
 * refused under another's name, and Nagle's algorithm turned off where it was asked for.
 */
#include <errno.h>

#include "support/misuse.h"
#include "support/net.h"

static const struct weft_socket_opt most = {.size = sizeof most,
                                            .nagle = true,
                                            .keepalive = true,
                                            .reset_on_close = true,
                                            .receive_buffer_size = 30000,
                                            .send_buffer_size = 20000,
                                            .user_timeout_ms = 7000,
                                            .reuse_address = true,
                                            .reuse_port = true,
                                            .traffic_class = 0xb8,
                                            .priority = 3,
                                            .keepalive_idle_s = 11,
                                            .keepalive_interval_s = 12,
                                            .keepalive_count = 13};

static struct weft_socket_opt all_of(int fd)
{
    struct weft_socket_opt opt = {.size = sizeof opt};

    ok(weft_socket_get(fd, &opt));
    return opt;
}

/* -- every option -------------------------------------------------------------------------------
 */

/* Asked for one by one, so that setting and reading back cannot be wrong in the same way. */
static void check_arrived(int fd)
{
    ck_assert_int_eq(net_option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
    ck_assert_int_eq(net_option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    ck_assert_int_eq(net_option(fd, SOL_SOCKET, SO_RCVBUF), 60000);
    ck_assert_int_eq(net_option(fd, SOL_SOCKET, SO_SNDBUF), 40000);
    ck_assert_int_eq(net_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 7000);
    ck_assert_int_eq(net_option(fd, SOL_SOCKET, SO_REUSEADDR), 1);
    ck_assert_int_eq(net_option(fd, SOL_SOCKET, SO_REUSEPORT), 1);
    ck_assert_int_eq(net_option(fd, IPPROTO_IP, IP_TOS), 0xb8);
    ck_assert_int_eq(net_option(fd, SOL_SOCKET, SO_PRIORITY), 3);
    ck_assert_int_eq(net_option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 11);
    ck_assert_int_eq(net_option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 12);
    ck_assert_int_eq(net_option(fd, IPPROTO_TCP, TCP_KEEPCNT), 13);
}

static void check_read_back(const struct weft_socket_opt *got)
{
    ck_assert(got->nagle && got->keepalive && got->reset_on_close);
    ck_assert(got->reuse_address && got->reuse_port);
    ck_assert_int_eq(got->receive_buffer_size, 60000);
    ck_assert_int_eq(got->send_buffer_size, 40000);
    ck_assert_uint_eq(got->user_timeout_ms, 7000);
    ck_assert_uint_eq(got->traffic_class, 0xb8);
    ck_assert_int_eq(got->priority, 3);
    ck_assert_uint_eq(got->keepalive_idle_s, 11);
    ck_assert_uint_eq(got->keepalive_interval_s, 12);
    ck_assert_uint_eq(got->keepalive_count, 13);
}

static int main_each(void *arg)
{
    struct weft_socket_opt nothing = {.size = sizeof nothing, .nagle = true}, before, after;
    int domains[] = {AF_INET, AF_INET6};

    (void)arg;
    for (int i = 0; i < 2; i++) {
        int fd = weft_socket(domains[i], SOCK_STREAM, 0);
        ok(fd);
        before = all_of(fd);
        ck_assert(before.nagle && !before.keepalive && !before.reset_on_close && !before.v6_only);
        ck_assert_int_eq(before.priority, 0);
        ok(weft_socket_set(fd, &most));
        check_arrived(fd);
        before = all_of(fd);
        check_read_back(&before);
        ok(weft_socket_set(fd, &nothing));
        after = all_of(fd);
        ck_assert_mem_eq(&before, &after, sizeof before);
        ok(weft_socket_set(fd, NULL)); /* but for this one, which a zero turns off */
        ck_assert_int_eq(net_option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
        ck_assert(!all_of(fd).nagle);
        ok(weft_close(fd));
    }
    return 0;
}
TEST(each_arrives_and_reads_back)
{
    net_run(main_each);
}

static int main_v6(void *arg)
{
    struct weft_socket_opt only = {.size = sizeof only, .v6_only = true, .traffic_class = 0x28};
    int fd = weft_socket(AF_INET6, SOCK_STREAM, 0);

    (void)arg;
    ok(fd);
    ok(weft_socket_set(fd, &only));
    ck_assert_int_eq(net_option(fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
    ck_assert_int_eq(net_option(fd, IPPROTO_IPV6, IPV6_TCLASS), 0x28);
    ck_assert(all_of(fd).v6_only);
    return weft_close(fd);
}
TEST(of_ipv6)
{
    net_run(main_v6);
}

/* What such a socket does not have is passed over, and reads as zero. */
static int main_others(void *arg)
{
    struct weft_socket_opt all = most, got;
    int local = weft_socket(AF_UNIX, SOCK_STREAM, 0), udp = weft_socket(AF_INET, SOCK_DGRAM, 0);

    (void)arg;
    all.v6_only = true;
    all.fast_open = 3;
    ok(weft_socket_set(local, &all));
    got = all_of(local);
    ck_assert(got.keepalive && got.reset_on_close && got.reuse_address && got.priority == 3);
    ck_assert(!got.nagle && !got.reuse_port && got.traffic_class == 0 && got.fast_open == 0);
    ok(weft_socket_set(udp, &all));
    got = all_of(udp);
    ck_assert(got.reuse_port && got.traffic_class == 0xb8 && got.priority == 3);
    ck_assert(!got.nagle && got.user_timeout_ms == 0 && got.keepalive_idle_s == 0 && !got.v6_only);
    ok(weft_close(udp));
    return weft_close(local);
}
TEST(passed_over_where_there_is_none)
{
    net_run(main_others);
}

/* -- refused ------------------------------------------------------------------------------------
 */

static void refuses(int fd, struct weft_socket_opt opt, int error, const char *name)
{
    const char *refused = "nothing";

    opt.size = sizeof opt;
    ck_assert_int_eq(weft_socket_set(fd, &opt), error); /* nowhere to tell it */
    opt.refused = &refused;
    ck_assert_int_eq(weft_socket_set(fd, &opt), error);
    ck_assert_str_eq(refused, name);
}

static int main_refused(void *arg)
{
    const char *refused = "nothing";
    struct weft_socket_opt good = {.size = sizeof good, .refused = &refused};
    int fd = weft_socket(AF_INET6, SOCK_STREAM, 0), here, there;

    (void)arg;
    ok(fd);
    refuses(fd, (struct weft_socket_opt){.user_timeout_ms = UINT32_MAX}, -EINVAL,
            "TCP_USER_TIMEOUT");
    refuses(fd, (struct weft_socket_opt){.keepalive_idle_s = 32768}, -EINVAL, "TCP_KEEPIDLE");
    refuses(fd, (struct weft_socket_opt){.keepalive_interval_s = 32768}, -EINVAL, "TCP_KEEPINTVL");
    refuses(fd, (struct weft_socket_opt){.keepalive_count = 128}, -EINVAL, "TCP_KEEPCNT");
    refuses(fd, (struct weft_socket_opt){.priority = 7}, -EPERM, "SO_PRIORITY");
    /* what stands before it is set, what stands behind it is not */
    ck_assert(!all_of(fd).keepalive);
    refuses(fd, (struct weft_socket_opt){.keepalive = true, .keepalive_count = 128, .fast_open = 3},
            -EINVAL, "TCP_KEEPCNT");
    ck_assert(all_of(fd).keepalive && all_of(fd).fast_open == 0);
    ok(weft_socket_set(fd, &good));
    ck_assert_str_eq(refused, "nothing");
    ok(weft_bind(fd, (struct sockaddr *)&(struct sockaddr_in6){.sin6_family = AF_INET6},
                 sizeof(struct sockaddr_in6)));
    refuses(fd, (struct weft_socket_opt){.v6_only = true}, -EINVAL, "IPV6_V6ONLY");
    ok(weft_close(fd));
    net_pair(&here, &there);
    refuses(here, (struct weft_socket_opt){.fast_open = 3}, -EINVAL, "TCP_FASTOPEN");
    ok(weft_close(there));
    return weft_close(here);
}
TEST(refusals_are_named)
{
    if (geteuid() == 0) { /* who may administer the network may have any priority */
        ok(setgid(65534));
        ok(setuid(65534));
    }
    net_run(main_refused);
}

static int nothing(weft_stream *stream, void *arg)
{
    (void)stream, (void)arg;
    return 0;
}

/* By whichever call: the error is the call's, the name where it was asked for, and nothing is left
   open (which the harness counts). */
static int main_by_others(void *arg)
{
    const char *refused = NULL;
    struct weft_socket_opt bad = {.size = sizeof bad, .keepalive_count = 1000, .refused = &refused};
    struct weft_listen_opt listen = {.size = sizeof listen, .socket = &bad};
    struct weft_connection_opt connection = {.size = sizeof connection, .socket = &bad};
    struct weft_server_opt server_opt = {.size = sizeof server_opt, .listen = &listen};
    struct weft_socket_opt sizeless = {.nagle = true};
    weft_server *server;
    weft_stream *stream;
    char address[32];
    int port, listener = net_listen(&port);

    (void)arg;
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
#define REFUSED(call)                                                                              \
    ck_assert_int_eq(call, -EINVAL);                                                               \
    ck_assert_str_eq(refused, "TCP_KEEPCNT");                                                      \
    refused = NULL
    REFUSED(weft_connect_tcp(address, &bad));
    REFUSED(weft_open_connection(address, &connection, &stream));
    REFUSED(weft_listen_tcp("127.0.0.1:0", &listen));
    REFUSED(weft_start_server(&server, "127.0.0.1:0", nothing, NULL, &server_opt));
    listen.socket = &sizeless;
    ck_assert_int_eq(weft_listen_tcp("127.0.0.1:0", &listen), -EINVAL);
    return weft_close(listener);
}
TEST(refused_in_other_calls)
{
    net_run(main_by_others);
}

/* -- of a listener ------------------------------------------------------------------------------
 */

/* What an accepted connection of this listener has. */
static struct weft_socket_opt of_connection(int listener)
{
    struct weft_socket_opt got;
    char address[32];
    int here, there;

    snprintf(address, sizeof address, "127.0.0.1:%d", weft_local_port(listener));
    here = weft_connect_tcp(address, NULL);
    ok(here);
    there = weft_accept(listener, NULL, NULL, 0);
    ok(there);
    got = all_of(there);
    ok(weft_close(here));
    ok(weft_close(there));
    return got;
}

static int main_inherited(void *arg)
{
    struct weft_socket_opt socket = most;
    struct weft_listen_opt opt = {.size = sizeof opt, .socket = &socket};
    struct weft_socket_opt got;
    int listener;

    (void)arg;
    socket.reset_on_close = false;
    socket.fast_open = 3;
    listener = weft_listen_tcp("127.0.0.1:0", &opt);
    ok(listener);
    ck_assert_uint_eq(all_of(listener).fast_open, 3);
    for (int i = 0; i < 2; i++) { /* and once more: it is not set anew in between */
        got = of_connection(listener);
        ck_assert(got.nagle && got.keepalive && got.traffic_class == 0xb8);
        ck_assert_uint_eq(got.user_timeout_ms, 7000);
        ck_assert_uint_eq(got.keepalive_idle_s, 11);
        ck_assert_int_eq(got.receive_buffer_size, 60000);
    }
    ok(weft_close(listener));
    listener = weft_listen_tcp("127.0.0.1:0", NULL);
    got = of_connection(listener);
    ck_assert(!got.nagle && !got.keepalive);
    return weft_close(listener);
}
TEST(connections_inherit)
{
    net_run(main_inherited);
}

/* A number that was such a listener's is another's later: it has the defaults. */
static int main_reused(void *arg)
{
    struct weft_socket_opt nagle = {.size = sizeof nagle, .nagle = true};
    struct weft_listen_opt opt = {.size = sizeof opt, .socket = &nagle};
    int with = weft_listen_tcp("127.0.0.1:0", &opt), without;

    (void)arg;
    ok(with);
    ok(weft_fd_move(with));     /* it keeps it, though it was handed over */
    for (int i = 0; i < 2; i++) /* the first may have come before anybody took it */
        ck_assert(of_connection(with).nagle);
    ok(weft_close(with));
    without = weft_listen_tcp("127.0.0.1:0", NULL);
    ck_assert(!of_connection(without).nagle);
    return weft_close(without);
}
TEST(kept_by_the_listener_alone)
{
    net_run(main_reused);
}

static int main_listen_v6(void *arg)
{
    struct weft_socket_opt only = {.size = sizeof only, .v6_only = true};
    struct weft_listen_opt opt = {.size = sizeof opt, .socket = &only};
    int listener = weft_listen_tcp(":0", &opt);

    (void)arg;
    ok(listener);
    ck_assert(all_of(listener).v6_only);
    ok(weft_close(listener));
    listener = weft_listen_tcp(":0", NULL);
    ck_assert(!all_of(listener).v6_only);
    return weft_close(listener);
}
TEST(listening_on_ipv6)
{
    net_run(main_listen_v6);
}

/* -- reading back, wrongly ----------------------------------------------------------------------
 */

static int main_wrong(void *arg)
{
    struct weft_socket_opt opt = {.size = 0}, negative = {.size = sizeof negative, .priority = -1};
    const struct linger linger = {.l_onoff = 1, .l_linger = 1};
    unsigned char beyond[offsetof(struct weft_socket_opt, reuse_address) + 8];
    int fd = weft_socket(AF_INET, SOCK_STREAM, 0), pipes[2];
    size_t older = offsetof(struct weft_socket_opt, reuse_address);

    (void)arg;
    /* who was compiled before the last of the options keeps where it wants the refused one's name
     */
    const char *refused = NULL;
    struct weft_socket_opt before = {.size = offsetof(struct weft_socket_opt, join_datagrams),
                                     .refused = &refused};
    ok(weft_socket_get(fd, &before));
    ck_assert_ptr_eq(before.refused, &refused);
    ck_misuse(weft_socket_get(fd, NULL), -EFAULT, "weft_socket_get", "options");
    ck_misuse(weft_socket_get(fd, &opt), -EINVAL, "weft_socket_get", "size");
    opt.size = sizeof opt + 1;
    ck_misuse(weft_socket_get(fd, &opt), -EINVAL, "weft_socket_get", "size");
    ck_misuse(weft_socket_set(fd, &negative), -EINVAL, "weft_socket_set", "range");
    opt.size = sizeof opt;
    ok(weft_pipe(pipes, 0));
    ck_assert_int_eq(weft_socket_get(pipes[0], &opt), -ENOTSOCK);
    ck_assert_int_eq(weft_socket_set(pipes[0], &opt), -ENOTSOCK);
    ok(weft_close(pipes[0]));
    ok(weft_close(pipes[1]));
    ck_assert_int_eq(weft_socket_get(pipes[0], &opt), -EBADF);
    ck_assert_int_eq(weft_socket_set(pipes[0], &opt), -EBADF);
    /* an older program has room for less */
    memset(beyond, 0x5a, sizeof beyond);
    memcpy(beyond, &older, sizeof older);
    ok(weft_socket_set(fd, &most));
    ok(weft_socket_get(fd, (struct weft_socket_opt *)(void *)beyond));
    for (size_t i = older; i < sizeof beyond; i++)
        ck_assert_uint_eq(beyond[i], 0x5a);
    memcpy(&opt, beyond, older);
    ck_assert_uint_eq(opt.user_timeout_ms, 7000);
    /* to linger for a time is no reset */
    ok(weft_setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    ck_assert(!all_of(fd).reset_on_close);
    return weft_close(fd);
}
TEST(reading_back_wrongly)
{
    net_run(main_wrong);
    struct weft_socket_opt opt = {.size = sizeof opt};
    ck_misuse(weft_socket_get(0, &opt), -EPERM, "weft_socket_get", "");
}

TEST_MAIN("api.socket_option", 20, each_arrives_and_reads_back, of_ipv6,
          passed_over_where_there_is_none, refusals_are_named, refused_in_other_calls,
          connections_inherit, kept_by_the_listener_alone, listening_on_ipv6, reading_back_wrongly)
