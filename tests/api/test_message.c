/*
 * Messages: datagrams of UDP and of Unix sockets, packets in order, and descriptors that are
 * passed. Catches a message cut or joined to another, a wrong sender, a descriptor that leaks when
 * there is no room for it or nobody takes it, and one that the receiver cannot use.
 */
#include <limits.h>

#include "support/name.h"
#include "support/net.h"

/* -- UDP -------------------------------------------------------------------------------------- */

static int main_udp(void *arg)
{
    enum { MOST = 65507 };
    static unsigned char bytes[MOST + 1], got[MOST + 1];
    static const size_t sizes[] = {5, 0, 1, 1500, MOST};
    int a = net_udp(), b = net_udp();
    struct sockaddr_in to = net_loopback(weft_local_port(b)), from, none;
    socklen_t length = sizeof from;

    (void)arg;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        net_fill(bytes, sizes[i], i, 0);
        ck_assert_int_eq(weft_sendto(a, bytes, sizes[i], 0, (struct sockaddr *)&to, sizeof to),
                         (ssize_t)sizes[i]);
        length = sizeof from;
        memset(&from, 0, sizeof from);
        ck_assert_int_eq(weft_recvfrom(b, got, sizeof got, 0, (struct sockaddr *)&from, &length),
                         (ssize_t)sizes[i]);
        net_check(got, sizes[i], i, 0);
        ck_assert_uint_eq(length, sizeof from);
        ck_assert_int_eq(ntohs(from.sin_port), weft_local_port(a));
        ck_assert_uint_eq(from.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    }
    ck_assert_int_eq(weft_sendto(a, bytes, MOST + 1, 0, (struct sockaddr *)&to, sizeof to),
                     -EMSGSIZE);

    /* the rest of one is lost, and the next is whole; its length can be asked for */
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(weft_sendto(a, "0123456789", 10, 0, (struct sockaddr *)&to, sizeof to),
                         10);
    struct iovec vector = {got, 4};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    ck_assert_int_eq(weft_recvmsg(b, &message, 0), 4);
    ck_assert_int_eq(message.msg_flags & MSG_TRUNC, MSG_TRUNC);
    ck_assert_int_eq(weft_recvfrom(b, got, 4, MSG_TRUNC | MSG_PEEK, NULL, NULL), 10);
    ck_assert_int_eq(weft_recvfrom(b, got, 4, MSG_TRUNC, NULL, NULL), 10);
    ck_assert_int_eq(weft_recvfrom(b, got, 100, 0, NULL, NULL), 10);
    ck_assert_mem_eq(got, "0123456789", 10);
    ck_assert_int_eq(weft_recvfrom(b, got, 100, MSG_DONTWAIT, NULL, NULL), -EAGAIN);

    /* to where it is connected; from nobody else */
    ck_assert_int_eq(weft_sendto(a, "x", 1, 0, NULL, 0), -EDESTADDRREQ);
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%d", weft_local_port(b));
    int c = weft_datagram_socket(NULL, address, NULL);
    ok(c);
    ok(weft_getpeername(c, (struct sockaddr *)&from, &length));
    ck_assert_int_eq(ntohs(from.sin_port), weft_local_port(b));
    ck_assert_int_eq(weft_sendto(c, "mine", 4, 0, NULL, 0), 4);
    length = sizeof from;
    ck_assert_int_eq(weft_recvfrom(b, got, 100, 0, (struct sockaddr *)&from, &length), 4);
    none = net_loopback(weft_local_port(c));
    ck_assert_int_eq(weft_sendto(a, "stranger", 8, 0, (struct sockaddr *)&none, sizeof none), 8);
    ck_assert_int_eq(weft_sendto(b, "answer", 6, 0, (struct sockaddr *)&from, length), 6);
    ck_assert_int_eq(weft_recv(c, got, 100, 0), 6);
    ck_assert_mem_eq(got, "answer", 6);
    ok(weft_close(a));
    ok(weft_close(b));
    return weft_close(c);
}

TEST(udp)
{
    net_run(main_udp);
}

/* Told by the next call that nobody was there, once. */
static int main_refused(void *arg)
{
    int port, nobody = net_nobody(SOCK_DGRAM, &port), b;
    char address[32], byte;

    (void)arg;
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    b = weft_datagram_socket(NULL, address, NULL);
    ok(b);
    ck_assert_int_eq(weft_sendto(b, "x", 1, 0, NULL, 0), 1);
    ck_assert_int_eq(weft_recvfrom(b, &byte, 1, 0, NULL, NULL), -ECONNREFUSED);
    ck_assert_int_eq(weft_recvfrom(b, &byte, 1, MSG_DONTWAIT, NULL, NULL), -EAGAIN);
    ok(weft_close(nobody));
    return weft_close(b);
}

TEST(nobody_there)
{
    net_run(main_refused);
}

struct call {
    int fd, flags;
    ssize_t result;
};

static int receive_one(void *arg)
{
    struct call *call = arg;
    char bytes[16];

    call->result = weft_recvfrom(call->fd, bytes, sizeof bytes, call->flags, NULL, NULL);
    return 0;
}

/* Cancelled, drained and closed while it waits; busy for a second one; nothing is lost by it. */
static int main_waits(void *arg)
{
    struct call call = {.fd = net_udp()};
    int a = net_udp();
    struct sockaddr_in to = net_loopback(weft_local_port(call.fd));
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
    char bytes[16];

    (void)arg;
    for (int end = 0; end < 3; end++) {
        call.flags = end == 1 ? WEFT_IDLE : 0;
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, receive_one, &call, 0, &opt));
            ok(weft_sleep(2000000));
            ck_assert_int_eq(weft_recvfrom(call.fd, bytes, 16, 0, NULL, NULL), -EBUSY);
            if (end == 0)
                ok(weft_cancel(task));
            else if (end == 1)
                ck_assert_int_eq(weft_scope_drain(&s, weft_after_ms(60000), weft_after_ms(60000)),
                                 0);
            else
                ok(weft_close(call.fd));
            ok(weft_join(task, NULL));
        }
        ck_assert_int_eq(call.result, end == 1 ? -ESHUTDOWN : -ECANCELED);
        if (end == 2)
            break;
        ck_assert_int_eq(weft_sendto(a, "kept", 4, 0, (struct sockaddr *)&to, sizeof to), 4);
        ck_assert_int_eq(weft_recvfrom(call.fd, bytes, 16, 0, NULL, NULL), 4);
    }
    return weft_close(a);
}

TEST(waiting_is_ended)
{
    net_run(main_waits);
}

/* From several places, and into several. */
static int main_vectors(void *arg)
{
    int a = net_udp(), b = net_udp();
    struct sockaddr_in to = net_loopback(weft_local_port(b)), from;
    struct iovec out[3] = {{"ab", 2}, {NULL, 0}, {"cdefg", 5}};
    char first[3], second[10];
    struct iovec in[2] = {{first, 3}, {second, 10}};
    struct msghdr sent = {.msg_name = &to,
                          .msg_namelen = sizeof to,
                          .msg_iov = out,
                          .msg_iovlen = 3};
    struct msghdr got = {.msg_name = &from,
                         .msg_namelen = sizeof from,
                         .msg_iov = in,
                         .msg_iovlen = 2};

    (void)arg;
    ck_assert_int_eq(weft_sendmsg(a, &sent, 0), 7);
    ck_assert_int_eq(weft_recvmsg(b, &got, 0), 7);
    ck_assert_mem_eq(first, "abc", 3);
    ck_assert_mem_eq(second, "defg", 4);
    ck_assert_uint_eq(got.msg_namelen, sizeof from);
    ck_assert_int_eq(ntohs(from.sin_port), weft_local_port(a));
    ck_assert_uint_eq(got.msg_controllen, 0);
    ok(weft_close(a));
    return weft_close(b);
}

TEST(in_pieces)
{
    net_run(main_vectors);
}

/* -- Unix sockets ----------------------------------------------------------------------------- */

static int main_unix(void *arg)
{
    int a = weft_datagram_socket(own_name("unix:@weft-message-a"), NULL, NULL);
    int b = weft_datagram_socket(own_name("unix:@weft-message-b"), own_name("unix:@weft-message-a"),
                                 NULL);
    const char *name = own_name("@weft-message-b");
    struct sockaddr_un from;
    socklen_t length = sizeof from;
    char bytes[32];

    (void)arg;
    ok(a);
    ok(b);
    ck_assert_int_eq(weft_datagram_socket(NULL, own_name("unix:@weft-message-none"), NULL),
                     -ECONNREFUSED);
    ck_assert_int_eq(weft_sendto(b, "one", 3, 0, NULL, 0), 3);
    ck_assert_int_eq(weft_sendto(b, "", 0, 0, NULL, 0), 0);
    ck_assert_int_eq(weft_sendto(b, "three", 5, 0, NULL, 0), 5);
    ck_assert_int_eq(weft_recvfrom(a, bytes, 32, 0, (struct sockaddr *)&from, &length), 3);
    ck_assert_uint_eq(length, sizeof(sa_family_t) + strlen(name));
    ck_assert_mem_eq(from.sun_path + 1, name + 1, strlen(name) - 1);
    ck_assert_int_eq(weft_recvfrom(a, bytes, 32, 0, NULL, NULL), 0);
    ck_assert_int_eq(weft_recvfrom(a, bytes, 32, 0, NULL, NULL), 5);
    ck_assert_mem_eq(bytes, "three", 5);
    ck_assert_int_eq(weft_sendto(a, "back", 4, 0, (struct sockaddr *)&from, length), 4);
    ck_assert_int_eq(weft_recvfrom(b, bytes, 32, 0, NULL, NULL), 4);
    ok(weft_close(a));
    a = weft_datagram_socket(own_name("unix:@weft-message-a"), NULL, NULL); /* another */
    ok(a);
    ck_assert_int_eq(weft_sendto(b, "lost", 4, 0, NULL, 0), -ECONNREFUSED);
    ck_assert_int_eq(weft_sendto(b, "lost", 4, 0, NULL, 0), -ENOTCONN); /* any more */
    ck_assert_int_eq(weft_recvfrom(a, bytes, 32, MSG_DONTWAIT, NULL, NULL), -EAGAIN);
    ok(weft_close(a));
    return weft_close(b);
}

TEST(unix_datagrams)
{
    net_run(main_unix);
}

/* Both ends of a connection of that type between Unix sockets. */
static void unix_pair(int type, int ends[2])
{
    const char *name = own_name("@weft-message-pair");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = (socklen_t)(sizeof(sa_family_t) + strlen(name));
    int listener = weft_socket(AF_UNIX, type, 0);

    memcpy(address.sun_path + 1, name + 1, strlen(name) - 1); /* a 0 for the @ */
    ok(listener);
    ok(weft_bind(listener, (struct sockaddr *)&address, length));
    ok(weft_listen(listener, 5));
    ends[0] = weft_socket(AF_UNIX, type, 0);
    ok(ends[0]);
    ok(weft_connect(ends[0], (struct sockaddr *)&address, length));
    ends[1] = weft_accept(listener, NULL, NULL, 0);
    ok(ends[1]);
    ok(weft_close(listener));
}

static int main_packets(void *arg)
{
    int ends[2];
    char bytes[32];

    (void)arg;
    unix_pair(SOCK_SEQPACKET, ends);
    ck_assert_int_eq(weft_send(ends[0], "first", 5, 0), 5);
    ck_assert_int_eq(weft_send(ends[0], "second", 6, 0), 6);
    ck_assert_int_eq(weft_send(ends[0], "third", 5, 0), 5);
    ck_assert_int_eq(weft_recv(ends[1], bytes, 32, 0), 5);
    ck_assert_int_eq(weft_recv(ends[1], bytes, 2, 0), 2);
    ck_assert_int_eq(weft_recv(ends[1], bytes, 32, 0), 5);
    ck_assert_mem_eq(bytes, "third", 5);
    ok(weft_close(ends[0]));
    ck_assert_int_eq(weft_recv(ends[1], bytes, 32, 0), 0);
    return weft_close(ends[1]);
}

TEST(packets)
{
    net_run(main_packets);
}

/* -- descriptors ------------------------------------------------------------------------------ */

/* A pipe's end that was passed works, both here and there, over each kind of Unix socket. */
static int main_rights(void *arg)
{
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};

    (void)arg;
    for (int i = 0; i < 2; i++) {
        int ends[2], pipe[2], got[4];
        uint32_t count = 4;
        char bytes[16];
        unix_pair(types[i], ends);
        ok(weft_pipe(pipe, 0));
        ck_assert_int_eq(weft_send_all(ends[0], "before", 6, NULL), 6);
        if (types[i] == SOCK_SEQPACKET)
            ck_assert_int_eq(weft_recv(ends[1], bytes, 6, 0), 6);
        else
            ck_assert_int_eq(weft_recv_exactly(ends[1], bytes, 6, NULL), 6);
        ck_assert_int_eq(weft_send_fds(ends[0], "fds", 3, (int[]){pipe[1], pipe[0]}, 2), 3);
        ck_assert_int_eq(weft_send(ends[0], "after", 5, 0), 5);
        ck_assert_int_eq(weft_recv_fds(ends[1], bytes, 16, got, &count), 3);
        ck_assert_mem_eq(bytes, "fds", 3);
        ck_assert_uint_eq(count, 2);
        ck_assert_int_gt(got[0], 2);
        ck_assert_int_ne(got[0], pipe[1]);
        ok(weft_close(pipe[1]));
        ok(weft_close(pipe[0]));
        ck_assert_int_eq(weft_write(got[0], "through", 7), 7);
        ck_assert_int_eq(weft_read(got[1], bytes, 16), 7);
        ck_assert_mem_eq(bytes, "through", 7);
        count = 4;
        ck_assert_int_eq(weft_recv_fds(ends[1], bytes, 16, got + 2, (uint32_t[]){2}), 5);
        ok(weft_close(got[0]));
        ok(weft_close(got[1]));
        ok(weft_close(ends[0]));
        ck_assert_int_eq(weft_recv_fds(ends[1], bytes, 16, got, &count), 0);
        ck_assert_uint_eq(count, 0);
        ok(weft_close(ends[1]));
    }
    return 0;
}

TEST(descriptors_are_passed)
{
    net_run(main_rights);
}

/* Those there is no room for, those that nobody asks for, and those that are never received are
   closed: the pipe's other end sees it. */
static int main_rights_lost(void *arg)
{
    (void)arg;
    for (int way = 0; way < 3; way++) {
        int ends[2], pipe[2], got[2];
        uint32_t count = 1;
        char bytes[16];
        unix_pair(SOCK_STREAM, ends);
        ok(weft_pipe(pipe, 0));
        ck_assert_int_eq(weft_send_fds(ends[0], "x", 1, (int[]){ends[0], pipe[1]}, 2), 1);
        ok(weft_close(pipe[1]));
        if (way == 0) {
            struct iovec vector = {bytes, 16};
            union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
            } control;
            struct msghdr message = {.msg_iov = &vector,
                                     .msg_iovlen = 1,
                                     .msg_control = control.bytes,
                                     .msg_controllen = CMSG_LEN(sizeof(int))};
            ck_assert_int_eq(weft_recvmsg(ends[1], &message, 0), 1);
            ck_assert_int_eq(message.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
            ck_assert_uint_eq(control.header.cmsg_len, CMSG_LEN(sizeof(int)));
            memcpy(got, CMSG_DATA(&control.header), sizeof(int));
            ok(weft_close(got[0]));
        } else if (way == 1) {
            ck_assert_int_eq(weft_recv(ends[1], bytes, 16, 0), 1);
        }
        (void)count;
        ok(weft_close(ends[0]));
        ok(weft_close(ends[1]));
        ck_assert_int_eq(weft_read(pipe[0], bytes, 1), 0);
        ok(weft_close(pipe[0]));
    }
    return 0;
}

TEST(descriptors_are_lost)
{
    net_run(main_rights_lost);
}

/* What else comes beside the bytes is passed over, where there is such a thing: the time of a
   datagram, and where it went. */
static int main_beside(void *arg)
{
    int a = net_udp(), b = net_udp(), one = 1;
    bool has = weft_setsockopt(b, SOL_SOCKET, SO_TIMESTAMP, &one, sizeof one) == 0 &&
               weft_setsockopt(b, IPPROTO_IP, IP_PKTINFO, &one, sizeof one) == 0;
    struct sockaddr_in to = net_loopback(weft_local_port(b));
    union {
        struct cmsghdr header;
        char bytes[512];
    } control;
    char byte;
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};

    (void)arg;
    ck_assert_int_eq(weft_sendto(a, "x", 1, 0, (struct sockaddr *)&to, sizeof to), 1);
    ck_assert_int_eq(weft_recvmsg(b, &message, 0), 1);
    ck_assert(!has == (message.msg_controllen == 0));
    ok(weft_close(a));
    return weft_close(b);
}

TEST(what_else_comes_beside)
{
    net_run(main_beside);
}

static int main_arguments(void *arg)
{
    int fd = net_udp(), one = 1;
    uint32_t none = 0, count = 1;
    struct msghdr message = {.msg_iovlen = 1}, none_at_all = {.msg_iovlen = 0};
    struct weft_socket_opt room = {.size = sizeof room, .receive_buffer_size = -1};
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    char byte = 0, taken[32];

    (void)arg;
    ck_assert_int_eq(weft_datagram_socket(NULL, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_datagram_socket("nowhere", NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_datagram_socket(NULL, ":7", NULL), -EINVAL);
    ck_assert_int_eq(weft_datagram_socket("127.0.0.1:0", "[::1]:7", NULL), -EINVAL);
    ck_assert_int_eq(weft_datagram_socket("127.0.0.1:0", NULL, &room), -EINVAL);
    snprintf(taken, sizeof taken, "127.0.0.1:%d", weft_local_port(fd));
    ck_assert_int_eq(weft_datagram_socket(taken, "127.0.0.1:7", NULL), -EADDRINUSE);
    ck_assert_int_eq(weft_sendto(fd, NULL, 1, 0, NULL, 0), -EFAULT);
    ck_assert_int_eq(weft_sendto(fd, NULL, 0, 0, NULL, 0), -EDESTADDRREQ);
    ck_assert_int_eq(weft_sendto(fd, &byte, 1, MSG_TRUNC, NULL, 0), -EINVAL);
    ck_assert_int_eq(weft_sendmsg(fd, NULL, 0), -EFAULT);
    ck_assert_int_eq(weft_sendmsg(fd, &message, 0), -EFAULT);
    ck_assert_int_eq(weft_recvmsg(fd, NULL, 0), -EFAULT);
    ck_assert_int_eq(weft_recvmsg(fd, &message, MSG_MORE), -EINVAL);
    message = (struct msghdr){.msg_iov = &(struct iovec){0}, .msg_iovlen = IOV_MAX + 1};
    ck_assert_int_eq(weft_sendmsg(fd, &message, 0), -EMSGSIZE);
    ck_assert_int_eq(weft_sendmsg(-1, &none_at_all, 0), -EBADF);
    ck_assert_int_eq(weft_sendmsg(1000, &none_at_all, 0), -EBADF); /* the kernel says so */
    ck_assert_int_eq(weft_recvmsg(1000, &none_at_all, 0), -EBADF);
    message = (struct msghdr){.msg_controllen = 1};
    ck_assert_int_eq(weft_recvmsg(fd, &message, 0), -EFAULT);
    ck_assert_int_eq(weft_recvfrom(fd, NULL, 1, 0, NULL, NULL), -EFAULT);
    ck_assert_int_eq(weft_recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&address, NULL), -EFAULT);
    ck_assert_int_eq(weft_recvfrom(fd, NULL, 0, MSG_DONTWAIT, NULL, NULL), -EAGAIN);
    ck_assert_int_eq(weft_send_fds(fd, &byte, 1, &one, 0), -EINVAL);
    ck_assert_int_eq(weft_send_fds(fd, NULL, 1, &one, 1), -EFAULT);
    ck_assert_int_eq(weft_send_fds(-1, NULL, 0, &one, 1), -EBADF);
    ck_assert_int_eq(weft_recv_fds(fd, &byte, 1, &one, NULL), -EFAULT);
    ck_assert_int_eq(weft_recv_fds(fd, NULL, 1, &one, &count), -EFAULT);
    ck_assert_int_eq(weft_recv_fds(-1, NULL, 0, &one, &count), -EBADF);
    count = WEFT_FDS_MAX + 1;
    ck_assert_int_eq(weft_recv_fds(fd, &byte, 1, &one, &count), -EINVAL);
    count = 1;
    ck_assert_int_eq(weft_send_fds(fd, &byte, 1, &one, WEFT_FDS_MAX + 1), -EINVAL);
    ck_assert_int_eq(weft_send_fds(fd, &byte, 1, NULL, 1), -EFAULT);
    ck_assert_int_eq(weft_recv_fds(fd, &byte, 1, NULL, &count), -EFAULT);
    ck_assert_int_eq(weft_recv_fds(fd, &byte, 1, &one, &none), -EINVAL);
    ck_assert_int_eq(weft_bind(fd, NULL, 0), -EFAULT);
    ck_assert_int_eq(weft_getsockname(fd, NULL, &length), -EFAULT);
    ck_assert_int_eq(weft_getsockname(fd, (struct sockaddr *)&address, NULL), -EFAULT);
    ck_assert_int_eq(weft_getpeername(fd, NULL, &length), -EFAULT);
    ck_assert_int_eq(weft_getpeername(fd, (struct sockaddr *)&address, NULL), -EFAULT);
    ck_assert_int_eq(weft_getpeername(fd, (struct sockaddr *)&address, &length), -ENOTCONN);
    ok(weft_getsockname(fd, (struct sockaddr *)&address, &length));
    ck_assert_int_eq(ntohs(address.sin_port), weft_local_port(fd));
    ck_assert_int_eq(weft_bind(fd, (struct sockaddr *)&address, length), -EINVAL);
    ck_assert_int_eq(weft_listen(fd, 1), -EOPNOTSUPP);
    return weft_close(fd);
}

TEST(arguments)
{
    net_run(main_arguments);
}

TEST_MAIN("message", 30, udp, nobody_there, waiting_is_ended, in_pieces, unix_datagrams, packets,
          descriptors_are_passed, descriptors_are_lost, what_else_comes_beside, arguments)
