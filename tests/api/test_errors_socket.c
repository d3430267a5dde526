/*
 * Errors that the manual pages list of calls on sockets: each call, made on what is closed or is no
 * socket, and on sockets that are not connected, listen, or are of another kind; on another
 * reactor's, and outside of a task. Would catch an error that is told as another, a call that waits
 * where it should refuse, and a simulated network that answers otherwise than the machine's.
 *
 * Not here: what the machine is short of, and what the way to a peer brings: sim/errors_each.
 */
#include "errors.h"
#include "sync.h"

static char bytes[64];
static struct iovec vector = {bytes, 8};
static int released;

static void release(void *arg)
{
    (void)arg;
    released++;
}

/* -- the calls --------------------------------------------------------------------------------- */

static int64_t receives(int fd)
{
    return weft_recv(fd, bytes, 8, 0);
}
static int64_t receives_until(int fd)
{
    return weft_recv_until(fd, bytes, 8, 0, weft_after_ns(HOUR));
}
static int64_t receives_exactly(int fd)
{
    return weft_recv_exactly(fd, bytes, 8, NULL);
}
static int64_t receives_from(int fd)
{
    struct sockaddr_storage from;
    socklen_t length = sizeof from;

    return weft_recvfrom(fd, bytes, 8, 0, (struct sockaddr *)&from, &length);
}
static int64_t receives_message(int fd)
{
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};

    return weft_recvmsg(fd, &message, 0);
}
static int64_t receives_segments(int fd)
{
    uint32_t segment;

    return weft_recv_segments(fd, bytes, 8, &segment, 0, NULL, NULL);
}
static int64_t receives_fds(int fd)
{
    uint32_t count = 1;
    int one;

    return weft_recv_fds(fd, bytes, 8, &one, &count);
}
static int64_t receives_now(int fd)
{
    return weft_recvfrom_nowait(fd, bytes, 8, 0, NULL, NULL);
}
static int64_t sends(int fd)
{
    return weft_send(fd, bytes, 8, 0);
}
static int64_t sends_until(int fd)
{
    return weft_send_until(fd, bytes, 8, 0, weft_after_ns(HOUR));
}
static int64_t sends_all(int fd)
{
    return weft_send_all(fd, bytes, 8, NULL);
}
static int64_t sends_all_until(int fd)
{
    return weft_send_all_until(fd, bytes, 8, NULL, weft_after_ns(HOUR));
}
static int64_t gives(int fd)
{
    int before = released;
    int64_t result = weft_send_give(fd, bytes, 8, NULL, release, NULL);

    same(released, before + 1);
    return result;
}
static int64_t gives_until(int fd)
{
    int before = released;
    int64_t result = weft_send_give_until(fd, bytes, 8, NULL, release, NULL, weft_after_ns(HOUR));

    same(released, before + 1);
    return result;
}
static int64_t sends_to(int fd)
{
    return weft_sendto(fd, bytes, 8, 0, NULL, 0);
}
static int64_t sends_message(int fd)
{
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};

    return weft_sendmsg(fd, &message, 0);
}
static int64_t sends_segments(int fd)
{
    return weft_send_segments(fd, bytes, 8, 4, NULL, 0, NULL);
}
static int64_t sends_fds(int fd)
{
    return weft_send_fds(fd, bytes, 8, &fd, 1);
}
static int64_t sends_now(int fd)
{
    return weft_sendto_nowait(fd, bytes, 8, 0, NULL, 0);
}
static int64_t accepts(int fd)
{
    return weft_accept(fd, NULL, NULL, 0);
}
static int64_t accepts_until(int fd)
{
    return weft_accept_until(fd, NULL, NULL, 0, weft_after_ns(HOUR));
}
static int64_t shuts(int fd)
{
    return weft_shutdown(fd, SHUT_RDWR);
}
static int64_t listens(int fd)
{
    return weft_listen(fd, 1);
}
static int64_t names_itself(int fd)
{
    struct sockaddr_storage name;
    socklen_t length = sizeof name;

    return weft_getsockname(fd, (struct sockaddr *)&name, &length);
}
static int64_t names_peer(int fd)
{
    struct sockaddr_storage name;
    socklen_t length = sizeof name;

    return weft_getpeername(fd, (struct sockaddr *)&name, &length);
}
static int64_t names_port(int fd)
{
    return weft_local_port(fd);
}
static int64_t sets(int fd)
{
    return weft_setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, sizeof(int));
}
static int64_t sets_unknown(int fd)
{
    return weft_setsockopt(fd, SOL_SOCKET, 9999, &(int){1}, sizeof(int));
}
static int64_t gets(int fd)
{
    int value;
    socklen_t length = sizeof value;

    return weft_getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &length);
}
static int64_t gets_unknown(int fd)
{
    int value;
    socklen_t length = sizeof value;

    return weft_getsockopt(fd, SOL_SOCKET, 9999, &value, &length);
}
static int64_t sets_by_name(int fd)
{
    return weft_socket_set(fd, &(struct weft_socket_opt){.size = sizeof(struct weft_socket_opt)});
}
static int64_t gets_by_name(int fd)
{
    return weft_socket_get(fd, &(struct weft_socket_opt){.size = sizeof(struct weft_socket_opt)});
}
static int64_t hands_over(int fd)
{
    return weft_hand_over_until(fd, &the_listener, 1, weft_after_ns(HOUR));
}
static int64_t takes_over(int fd)
{
    uint32_t count = 1;
    int one;

    return weft_take_over(fd, &one, &count);
}

/* With an address of IPv4, of a port where nobody is. */
static struct sockaddr_in nobody = {.sin_family = AF_INET};

static int64_t connects(int fd)
{
    return weft_connect(fd, (struct sockaddr *)&nobody, sizeof nobody);
}
static int64_t connects_until(int fd)
{
    return weft_connect_until(fd, (struct sockaddr *)&nobody, sizeof nobody, weft_after_ns(HOUR));
}
static int64_t binds(int fd)
{
    return weft_bind(fd, (struct sockaddr *)&nobody, sizeof nobody);
}

/* -- what they are made on --------------------------------------------------------------------- */

enum what { CLOSED, FILE_, PIPE, TCP, LISTENER, UDP, UNIX, WHATS };

static struct errors_kind kinds[WHATS] = {
    {.name = "a closed one"},    {.name = "a file"},           {.name = "a pipe"},
    {.name = "a socket of TCP"}, {.name = "one that listens"}, {.name = "one of UDP"},
    {.name = "a Unix socket"},
};

enum { N = -ENOTSOCK, C = -ENOTCONN, I = -EINVAL, P = -EPIPE };

/* No socket is connected; the one that listens has the address `nobody`. */
static const struct errors_call calls[] = {
    {"recv", receives, {B, N, N, C, C, FINE, I}},
    {"recv_until", receives_until, {B, N, N, C, C, FINE, I}},
    {"recv_exactly", receives_exactly, {B, N, N, C, C, FINE, I}},
    {"recvfrom", receives_from, {B, N, N, C, C, FINE, I}},
    {"recvmsg", receives_message, {B, N, N, C, C, FINE, I}},
    {"recv_segments", receives_segments, {B, N, N, C, C, FINE, I}},
    {"recv_fds", receives_fds, {B, N, N, C, C, FINE, I}},
    {"recvfrom_nowait", receives_now, {B, N, N, C, C, -EAGAIN, I}},
    {"send", sends, {B, N, N, P, P, -EDESTADDRREQ, C}},
    {"send_until", sends_until, {B, N, N, P, P, -EDESTADDRREQ, C}},
    {"send_all", sends_all, {B, N, N, P, P, -EDESTADDRREQ, C}},
    {"send_all_until", sends_all_until, {B, N, N, P, P, -EDESTADDRREQ, C}},
    {"send_give", gives, {B, N, N, P, P, -EDESTADDRREQ, C}},
    {"send_give_until", gives_until, {B, N, N, P, P, -EDESTADDRREQ, C}},
    {"sendto", sends_to, {B, N, N, P, P, -EDESTADDRREQ, C}},
    {"sendmsg", sends_message, {B, N, N, P, P, -EDESTADDRREQ, C}},
    {"send_segments", sends_segments, {B, N, N, P, P, -EDESTADDRREQ, C}},
    {"send_fds", sends_fds, {B, N, N, P, P, -EDESTADDRREQ, C}},
    {"sendto_nowait", sends_now, {B, N, N, P, P, -EDESTADDRREQ, C}},
    {"accept", accepts, {B, N, N, I, FINE, I, I}},
    {"accept_until", accepts_until, {B, N, N, I, FINE, I, I}},
    {"connect", connects, {B, N, N, FINE, -EISCONN, FINE, I}},
    {"connect_until", connects_until, {B, N, N, FINE, -EISCONN, FINE, I}},
    {"bind", binds, {B, N, N, -EADDRINUSE, I, FINE, I, ANYWHERE}},
    {"listen", listens, {B, N, N, FINE, FINE, -EOPNOTSUPP, I, ANYWHERE}},
    {"getsockname", names_itself, {B, N, N, FINE, FINE, FINE, FINE, ANYWHERE}},
    {"getpeername", names_peer, {B, N, N, C, C, C, C, ANYWHERE}},
    {"local_port", names_port, {B, N, N, FINE, FINE, FINE, -EAFNOSUPPORT, ANYWHERE}},
    {"setsockopt", sets, {B, N, N, FINE, FINE, FINE, FINE, ANYWHERE}},
    {"setsockopt of none",
     sets_unknown,
     {B, N, N, -ENOPROTOOPT, -ENOPROTOOPT, -ENOPROTOOPT, -ENOPROTOOPT, ANYWHERE}},
    {"getsockopt", gets, {B, N, N, FINE, FINE, FINE, FINE, ANYWHERE}},
    {"getsockopt of none",
     gets_unknown,
     {B, N, N, -ENOPROTOOPT, -ENOPROTOOPT, -ENOPROTOOPT, -ENOPROTOOPT, ANYWHERE}},
    {"socket_set", sets_by_name, {B, N, N, FINE, FINE, FINE, FINE, ANYWHERE}},
    {"socket_get", gets_by_name, {B, N, N, FINE, FINE, FINE, FINE, ANYWHERE}},
    {"hand_over", hands_over, {B, N, N, P, P, -EDESTADDRREQ, C}},
    {"take_over", takes_over, {B, N, N, C, C, FINE, I}},
    {"shutdown", shuts, {B, N, N, C, FINE, C, FINE}}, /* last: it ends what is none */
};
enum { CALLS = sizeof calls / sizeof calls[0] };

static void set_up(void)
{
    socklen_t length = sizeof nobody;
    int pipes[2];

    nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    nobody.sin_port = 0;
    kinds[FILE_].fd = file_new("file");
    same(weft_pipe(pipes, 0), 0);
    kinds[PIPE].fd = pipes[0];
    others[1] = pipes[1];
    kinds[TCP].fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    kinds[LISTENER].fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    kinds[UDP].fd = weft_socket(AF_INET, SOCK_DGRAM, 0);
    kinds[UNIX].fd = weft_socket(AF_UNIX, SOCK_STREAM, 0);
    kinds[CLOSED].fd = weft_socket(AF_INET, SOCK_DGRAM, 0);
    for (int what = 0; what < WHATS; what++)
        ok(kinds[what].fd);
    same(weft_close(kinds[CLOSED].fd), 0);
    same(weft_bind(kinds[LISTENER].fd, (struct sockaddr *)&nobody, sizeof nobody), 0);
    same(weft_listen(kinds[LISTENER].fd, 1), 0);
    same(weft_getsockname(kinds[LISTENER].fd, (struct sockaddr *)&nobody, &length), 0);
    the_listener = kinds[LISTENER].fd;
}

static void take_down(void)
{
    for (int what = CLOSED + 1; what < WHATS; what++)
        same(weft_close(kinds[what].fd), 0);
    same(weft_close(others[1]), 0);
}

static int each_main(void *arg)
{
    int wrong = 0;

    (void)arg;
    set_up();
    for (size_t i = 0; i < CALLS; i++)
        wrong += errors_wrong(&calls[i], kinds, WHATS);
    same(wrong, 0);
    take_down();
    return 0;
}
TEST(each_of_each)
{
    file_run(each_main);
}

static int elsewhere(void *arg)
{
    int accepted = 0;

    (void)arg;
    for (size_t i = 0; i < CALLS; i++)
        accepted += errors_accepted(&calls[i], kinds, WHATS);
    return accepted;
}
static int others_main(void *arg)
{
    (void)arg;
    set_up();
    same(weft_call(1, elsewhere, NULL, 0), 0);
    take_down();
    return 0;
}
TEST(another_reactors)
{
    file_run_two(others_main);
}

TEST(outside)
{
    for (size_t i = 0; i < CALLS; i++)
        ck_assert_msg(calls[i].call(0) == -EPERM, "%s", calls[i].name);
}

/* -- addresses --------------------------------------------------------------------------------- */

static const struct sockaddr_in6 of_six = {.sin6_family = AF_INET6};
static const struct sockaddr_in away = {.sin_family = AF_INET,
                                        .sin_addr.s_addr = 0x017100cb}; /* 203.0.113.1 */

/* One that can be used again: what was wrong is the call, and nothing was tried. */
static int connect_wrongly(int fd, const void *address, socklen_t length)
{
    int plainly = weft_connect(fd, address, length);

    same(weft_connect_until(fd, address, length, weft_after_ns(HOUR)), plainly);
    return plainly;
}

static int addresses_main(void *arg)
{
    int tcp = weft_socket(AF_INET, SOCK_STREAM, 0), udp = weft_socket(AF_INET, SOCK_DGRAM, 0);
    int other = weft_socket(AF_INET, SOCK_STREAM, 0);
    socklen_t length = sizeof nobody;

    (void)arg;
    nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    nobody.sin_port = 0;
    same(connect_wrongly(tcp, &of_six, sizeof of_six), -EAFNOSUPPORT);
    same(connect_wrongly(tcp, &nobody, 8), -EINVAL);
    same(connect_wrongly(tcp, NULL, sizeof nobody), -EFAULT);
    same(weft_bind(tcp, (struct sockaddr *)&of_six, sizeof of_six), -EAFNOSUPPORT);
    same(weft_bind(tcp, (struct sockaddr *)&away, sizeof away), -EADDRNOTAVAIL);
    same(weft_bind(tcp, (struct sockaddr *)&nobody, 8), -EINVAL);
    same(weft_bind(tcp, NULL, sizeof nobody), -EFAULT);
    same(weft_bind(tcp, (struct sockaddr *)&nobody, sizeof nobody), 0);
    same(weft_bind(tcp, (struct sockaddr *)&nobody, sizeof nobody), -EINVAL);
    same(weft_getsockname(tcp, (struct sockaddr *)&nobody, &length), 0);
    same(weft_getsockname(tcp, NULL, &length), -EFAULT);
    same(weft_getpeername(tcp, (struct sockaddr *)&nobody, NULL), -EFAULT);
    same(weft_listen(tcp, 1), 0);
    same(weft_read(tcp, bytes, 1), -ENOTCONN); /* and this takes it for no connection */
    same(weft_recv(tcp, bytes, 1, 0), -ENOTCONN);
    same(weft_read(tcp, bytes, 1), -ENOTCONN);
    same(weft_bind(other, (struct sockaddr *)&nobody, sizeof nobody), -EADDRINUSE);
    same(weft_sendto(udp, bytes, 8, 0, (struct sockaddr *)&of_six, sizeof of_six), -EAFNOSUPPORT);
    same(weft_sendto(udp, bytes, 8, 0, (struct sockaddr *)&nobody, 8), -EINVAL);
    same(weft_setsockopt(udp, SOL_SOCKET, SO_KEEPALIVE, NULL, sizeof(int)), -EFAULT);
    same(weft_setsockopt(udp, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, 1), -EINVAL);
    same(weft_getsockopt(udp, SOL_SOCKET, SO_KEEPALIVE, NULL, &length), -EFAULT);
    same(weft_shutdown(tcp, 17), -EINVAL);
    same(weft_socket(AF_INET, 77, 0), -EINVAL);
    same(weft_socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), -EPROTONOSUPPORT);
    same(weft_close(tcp), 0);
    same(weft_close(udp), 0);
    return weft_close(other);
}
TEST(addresses)
{
    file_run(addresses_main);
}

static int connect_to(int type, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int result, fd = weft_socket(AF_UNIX, type, 0);

    ok(fd);
    snprintf(address.sun_path, sizeof address.sun_path, "%.60s/%.40s", folder_path, name);
    result = weft_connect(fd, (struct sockaddr *)&address, sizeof address);
    same(weft_close(fd), 0);
    return result;
}

static int bind_to(int fd, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof address.sun_path, "%.60s/%.40s", folder_path, name);
    return weft_bind(fd, (struct sockaddr *)&address, sizeof address);
}

static int unix_main(void *arg)
{
    int fd = weft_socket(AF_UNIX, SOCK_STREAM, 0), other = weft_socket(AF_UNIX, SOCK_STREAM, 0);

    (void)arg;
    same(connect_to(SOCK_STREAM, "nobody"), -ENOENT);
    same(bind_to(fd, "socket"), 0);
    same(bind_to(fd, "another"), -EINVAL);
    same(bind_to(other, "socket"), -EADDRINUSE);
    same(connect_to(SOCK_STREAM, "socket"), -ECONNREFUSED); /* it does not listen yet */
    same(connect_to(SOCK_DGRAM, "socket"), -EPROTOTYPE);
    same(weft_listen(fd, 1), 0);
    same(connect_to(SOCK_SEQPACKET, "socket"), -EPROTOTYPE);
    same(connect_to(SOCK_STREAM, "socket"), 0);
    same(weft_close(other), 0);
    return weft_close(fd);
}
TEST(unix_names)
{
    file_run(unix_main);
}

/* And what else there is on a disk. */
static int on_disk_main(void *arg)
{
    int fd = weft_socket(AF_UNIX, SOCK_STREAM, 0);

    (void)arg;
    file_put("file", "");
    same(weft_symlinkat("round", folder, "round"), 0);
    same(connect_to(SOCK_STREAM, "file"), -ECONNREFUSED);
    same(connect_to(SOCK_STREAM, "file/x"), -ENOTDIR);
    same(connect_to(SOCK_STREAM, "round"), -ELOOP);
    same(bind_to(fd, "nobody/x"), -ENOENT);
    same(bind_to(fd, "file/x"), -ENOTDIR);
    same(bind_to(fd, "round/x"), -ELOOP);
    same(bind_to(fd, "file"), -EADDRINUSE);
    return weft_close(fd);
}
TEST(unix_names_on_a_disk)
{
    file_run(on_disk_main);
}

/* One that is connected: by whichever call, once more, or to somebody else. */
static int connected_main(void *arg)
{
    struct sockaddr_un there = {.sun_family = AF_UNIX, .sun_path = "x"};
    int here, peer, udp = weft_datagram_socket("127.0.0.1:0", NULL, NULL);
    struct msghdr message = {.msg_name = &there,
                             .msg_namelen = sizeof there,
                             .msg_iov = &vector,
                             .msg_iovlen = 1};
    static char much[1 << 17];
    socklen_t length = sizeof nobody;

    (void)arg;
    net_pair(&here, &peer);
    same(connects(here), -EISCONN);
    same(connects_until(here), -EISCONN);
    same(weft_listen(here, 1), -EINVAL);
    same(weft_close(here), 0);
    same(weft_close(peer), 0);
    up_pair();
    same(weft_sendto(ends[0], bytes, 8, 0, (struct sockaddr *)&there, sizeof there), -EISCONN);
    same(weft_sendmsg(ends[0], &message, 0), -EISCONN);
    end_pair();
    same(weft_getsockname(udp, (struct sockaddr *)&nobody, &length), 0);
    same(weft_sendto(udp, much, sizeof much, 0, (struct sockaddr *)&nobody, sizeof nobody),
         -EMSGSIZE);
    vector = (struct iovec){much, sizeof much};
    message.msg_name = &nobody;
    message.msg_namelen = sizeof nobody;
    same(weft_sendmsg(udp, &message, 0), -EMSGSIZE);
    vector = (struct iovec){bytes, 8};
    same(weft_connect(udp, (struct sockaddr *)&nobody, sizeof nobody), 0);
    same(weft_send(udp, much, sizeof much, 0), -EMSGSIZE);
    same(weft_send_until(udp, much, sizeof much, 0, weft_after_ns(HOUR)), -EMSGSIZE);
    same(weft_send_all(udp, much, sizeof much, NULL), -EMSGSIZE);
    same(weft_send_all_until(udp, much, sizeof much, NULL, weft_after_ns(HOUR)), -EMSGSIZE);
    same(weft_send_give(udp, much, sizeof much, NULL, release, NULL), -EMSGSIZE);
    return weft_close(udp);
}
TEST(connected)
{
    file_run(connected_main);
}

/* Now, or not at all; of each that is told so. */
static int not_now_main(void *arg)
{
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    uint32_t segment;

    (void)arg;
    up_full_pair();
    same(weft_recv(ends[0], bytes, 8, MSG_DONTWAIT), -EAGAIN);
    same(weft_recvfrom(ends[0], bytes, 8, MSG_DONTWAIT, NULL, NULL), -EAGAIN);
    same(weft_recvmsg(ends[0], &message, MSG_DONTWAIT), -EAGAIN);
    same(weft_recv_segments(ends[0], bytes, 8, &segment, MSG_DONTWAIT, NULL, NULL), -EAGAIN);
    same(weft_send(ends[0], bytes, 1, MSG_DONTWAIT), -EAGAIN);
    same(weft_send_until(ends[0], bytes, 1, MSG_DONTWAIT, weft_after_ns(HOUR)), -EAGAIN);
    same(weft_sendto(ends[0], bytes, 1, MSG_DONTWAIT, NULL, 0), -EAGAIN);
    same(weft_sendmsg(ends[0], &message, MSG_DONTWAIT), -EAGAIN);
    same(weft_sendto_nowait(ends[0], bytes, 1, 0, NULL, 0), -EAGAIN);
    end_pair();
    return 0;
}
TEST(not_now)
{
    file_run(not_now_main);
}

TEST_MAIN("errors_socket", 60, each_of_each, another_reactors, outside, addresses, unix_names,
          unix_names_on_a_disk, connected, not_now)
