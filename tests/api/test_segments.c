/*
 * Datagrams of one size, many by one call: cut up when they leave, joined when they come. Would
 * catch a datagram that is cut in the wrong place, lost or sent twice between two requests, a count
 * that is none of whole datagrams, several told as one, and a way that is not given up for another.
 */
#include <netinet/udp.h>

#include "support/misuse.h"
#include "support/name.h"
#include "support/net.h"

enum { SEGMENT = 100, MANY = 70, LAST = 37, ALL = MANY * SEGMENT + LAST };
enum { PASSES_PIDFD = 76 }; /* Linux 6.5 */

static int udp_here(const struct weft_socket_opt *opt)
{
    int fd = weft_datagram_socket("127.0.0.1:0", NULL, opt);

    ok(fd);
    return fd;
}

/* Each datagram begins with its number, which the rest of it follows from. */
static void fill(unsigned char bytes[ALL])
{
    for (int i = 0; i <= MANY; i++) {
        size_t size = i < MANY ? SEGMENT : LAST;
        net_fill(bytes + i * SEGMENT, size, (uint64_t)i, 0);
        bytes[i * SEGMENT] = (unsigned char)i;
    }
}

/* Which one it is; it must be whole. In any order: on the way one may overtake another. */
static void note(const unsigned char *bytes, size_t size, int seen[MANY + 1])
{
    unsigned char expected[SEGMENT];
    int i = bytes[0];

    ck_assert_int_le(i, MANY);
    ck_assert_uint_eq(size, i < MANY ? SEGMENT : LAST);
    net_fill(expected, size, (uint64_t)i, 0);
    ck_assert_mem_eq(bytes + 1, expected + 1, size - 1);
    seen[i]++;
}

static void hear_all(int fd)
{
    unsigned char bytes[2 * SEGMENT];
    int seen[MANY + 1] = {0};

    for (int i = 0; i <= MANY; i++) {
        ssize_t n = weft_recv(fd, bytes, sizeof bytes, 0);
        ck_assert_int_gt(n, 0);
        note(bytes, (size_t)n, seen);
    }
    for (int i = 0; i <= MANY; i++)
        ck_assert_int_eq(seen[i], 1);
}

/* -- sending ------------------------------------------------------------------------------------
 */

static int main_send(void *arg)
{
    static unsigned char bytes[ALL];
    int here = udp_here(NULL), there = udp_here(NULL), one = 1;
    struct sockaddr_in to = net_loopback(weft_local_port(there));
    size_t done = 0;

    (void)arg;
    fill(bytes);
    for (int way = 0; way < 3; way++) {
        const struct sockaddr *address = way == 1 ? NULL : (struct sockaddr *)&to;
        if (way == 1)
            ok(weft_connect(here, (struct sockaddr *)&to, sizeof to));
        if (way == 2) /* without sums the kernel refuses to cut it up: one by one, then */
            ok(weft_setsockopt(here, SOL_SOCKET, SO_NO_CHECK, &one, sizeof one));
        uint64_t before = net_stats().sqes;
        ck_assert_int_eq(weft_send_segments(here, bytes, ALL, SEGMENT, address, sizeof to, &done),
                         ALL);
        if (!net_is_rough() && way < 2) /* 64 by one, the others by a second */
            ck_assert_uint_le(net_stats().sqes - before, 4);
        ck_assert_uint_eq(done, ALL);
        hear_all(there);
    }
    ck_assert_int_eq(weft_recv(there, bytes, 1, MSG_DONTWAIT), -EAGAIN); /* and nothing else */
    ok(weft_close(here));
    return weft_close(there);
}
TEST(cut_up_when_they_leave)
{
    net_run(main_send);
}

/* Unix sockets know nothing of it, and would send all as one. */
static int main_unix(void *arg)
{
    static unsigned char bytes[ALL];
    int one = 1, there = weft_datagram_socket(own_name("unix:@weft-segments"), NULL, NULL);
    int here = weft_datagram_socket(NULL, own_name("unix:@weft-segments"), NULL);

    (void)arg;
    ok(there);
    ok(here);
    fill(bytes);
    for (int i = 0; i < 5; i++) {
        int seen[MANY + 1] = {0};
        unsigned char got[2 * SEGMENT];
        ck_assert_int_eq(weft_send_segments(here, bytes, 2 * SEGMENT, SEGMENT, NULL, 0, NULL),
                         2 * SEGMENT);
        for (int j = 0; j < 2; j++) {
            ssize_t n = weft_recv(there, got, sizeof got, 0);
            ck_assert_int_eq(n, SEGMENT);
            note(got, (size_t)n, seen);
        }
    }
    /* what else comes along is closed: there would be two descriptors more at the end */
    int sent[2] = {here, there};
    unsigned char byte;
    uint32_t segment = 0;
    ck_assert_int_eq(weft_send_fds(here, "x", 1, sent, 2), 1);
    ck_assert_int_eq(weft_recv_segments(there, &byte, 1, &segment, 0, NULL, NULL), 1);
    ck_assert_uint_eq(segment, 1);
    /* and so is who sent it, named by a descriptor where the kernel has that, by a number or not */
    (void)weft_setsockopt(there, SOL_SOCKET, SO_PASSCRED, &one, sizeof one);
    (void)weft_setsockopt(there, SOL_SOCKET, PASSES_PIDFD, &one, sizeof one);
    ck_assert_int_eq(weft_send(here, "yz", 2, 0), 2);
    ck_assert_int_eq(weft_recv_segments(there, bytes, 2, &segment, 0, NULL, NULL), 2);
    ck_assert_uint_eq(segment, 2);
    ok(weft_close(here));
    return weft_close(there);
}
TEST(where_there_is_no_such_thing)
{
    net_run(main_unix);
}

/* -- receiving ----------------------------------------------------------------------------------
 */

static int main_join(void *arg)
{
    static unsigned char bytes[ALL], got[65535];
    const struct weft_socket_opt join = {.size = sizeof join, .join_datagrams = true};
    struct weft_socket_opt back = {.size = sizeof back};
    int here = udp_here(NULL), there = udp_here(&join), seen[MANY + 1] = {0}, messages = 0, one = 1;
    struct sockaddr_in to = net_loopback(weft_local_port(there)), from = {.sin_family = 0};
    socklen_t length = sizeof from;
    uint32_t segment = 0;

    (void)arg;
    /* its stamps come before the length; the simulated kernel has none */
    (void)weft_setsockopt(there, SOL_SOCKET, SO_TIMESTAMP, &one, sizeof one);
    (void)weft_setsockopt(there, IPPROTO_IP, IP_RECVTTL, &one, sizeof one);
    fill(bytes);
    ok(weft_socket_get(there, &back));
    ck_assert(back.join_datagrams);
    ck_assert_int_eq(weft_send_segments(here, bytes, ALL, SEGMENT, (struct sockaddr *)&to,
                                        sizeof to, NULL),
                     ALL);
    ok(weft_sleep(1000000));
    for (int heard = 0; heard <= MANY; messages++) {
        ssize_t n = weft_recv_segments(there, got, sizeof got, &segment, 0,
                                       (struct sockaddr *)&from, &length);
        ck_assert_int_gt(n, 0);
        ck_assert_uint_gt(segment, 0);
        ck_assert_int_eq(ntohs(from.sin_port), weft_local_port(here));
        for (size_t at = 0; at < (size_t)n; at += segment, heard++)
            note(got + at, (size_t)n - at < segment ? (size_t)n - at : segment, seen);
    }
    for (int i = 0; i <= MANY; i++)
        ck_assert_int_eq(seen[i], 1);
    if (!net_is_rough())
        ck_assert_int_lt(messages, MANY); /* some came together */
    /* one alone is told as one */
    ck_assert_int_eq(weft_sendto(here, bytes, 50, 0, (struct sockaddr *)&to, sizeof to), 50);
    ck_assert_int_eq(weft_recv_segments(there, got, sizeof got, &segment, 0, NULL, NULL), 50);
    ck_assert_uint_eq(segment, 50);
    /* more than there is room for: what came of it is a part of one */
    ck_assert_int_eq(weft_send_segments(here, bytes, 2 * SEGMENT, SEGMENT, (struct sockaddr *)&to,
                                        sizeof to, NULL),
                     2 * SEGMENT);
    ck_assert_int_eq(weft_recv_segments(there, got, 50, &segment, 0, NULL, NULL), 50);
    ck_assert_uint_eq(segment, 50);
    ok(weft_close(here));
    return weft_close(there);
}
TEST(joined_when_they_come)
{
    net_run(main_join);
}

/* -- refused ------------------------------------------------------------------------------------
 */

static int sends(void *arg)
{
    size_t done = 7;

    ck_assert_int_eq(weft_send_segments(*(int *)arg, "abcd", 4, 2, NULL, 0, &done), -ECANCELED);
    ck_assert_uint_eq(done, 0);
    return 0;
}

static int main_wrong(void *arg)
{
    static char bytes[2 * UINT16_MAX];
    struct sockaddr_in nowhere = {.sin_family = AF_UNIX}, to;
    int here = udp_here(NULL), pipes[2];
    uint32_t segment = 5;
    size_t done = 7;
    char byte;

    (void)arg;
    to = net_loopback(weft_local_port(here));
    ck_misuse(weft_send_segments(here, "", 1, 0, 0, 0, &done), -EINVAL, "weft_send_segments", "");
    ck_assert_uint_eq(done, 0);
    ck_misuse(weft_send_segments(here, 0, 1, 1, NULL, 0, 0), -EFAULT, "weft_send_segments", "");
    ck_assert_int_eq(weft_send_segments(here, NULL, 0, 1, NULL, 0, &done), 0);
    ck_assert_int_eq(weft_send_segments(here, "abcd", 4, 2, NULL, 0, &done), -EDESTADDRREQ);
    ck_assert_int_lt(weft_send_segments(here, "abcd", 4, 2, (struct sockaddr *)&nowhere,
                                        sizeof nowhere, &done),
                     0);
    ck_assert_int_eq(weft_send_segments(9999, "abcd", 4, 2, NULL, 0, &done), -EBADF);
    ok(weft_pipe(pipes, 0));
    ck_assert_int_eq(weft_send_segments(pipes[1], "abcd", 4, 2, NULL, 0, &done), -ENOTSOCK);
    ok(weft_close(pipes[0]));
    ok(weft_close(pipes[1]));
    ck_assert_int_eq(weft_recv_segments(here, NULL, 1, &segment, 0, NULL, NULL), -EFAULT);
    ck_assert_int_eq(weft_recv_segments(here, &byte, 1, NULL, 0, NULL, NULL), -EFAULT);
    ck_assert_int_eq(weft_recv_segments(here, &byte, 1, &segment, 0, (struct sockaddr *)&to, NULL),
                     -EFAULT);
    ck_assert_int_eq(weft_recv_segments(here, NULL, 0, &segment, MSG_DONTWAIT, NULL, NULL),
                     -EAGAIN);
    ck_assert_int_eq(weft_send_segments(here, bytes, sizeof bytes, UINT16_MAX,
                                        (struct sockaddr *)&to, sizeof to, &done),
                     -EMSGSIZE); /* each is longer than a datagram may be */
    ck_assert_uint_eq(done, 0);
    ck_assert_int_eq(weft_recv_segments(here, &byte, 1, &segment, MSG_DONTWAIT, NULL, NULL),
                     -EAGAIN);
    ck_assert_uint_eq(segment, 5);
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        ok(weft_spawn(&s, sends, &here, sizeof here, NULL));
        weft_scope_cancel(&s);
    }
    weft_scope limit;
    const struct weft_scope_opt soon = {.size = sizeof soon, .deadline = weft_after_ms(2)};
    ok(weft_scope_open(&limit, &soon));
    ck_assert_int_eq(weft_recv_segments(here, &byte, 1, &segment, 0, NULL, NULL), -ECANCELED);
    ck_assert_int_eq(weft_scope_close(&limit), -ETIMEDOUT);
    return weft_close(here);
}
TEST(refused)
{
    net_run(main_wrong);
    ck_misuse(weft_send_segments(0, "", 1, 1, NULL, 0, NULL), -EPERM, "weft_send_segments", "");
}

TEST_MAIN("api.segments", 20, cut_up_when_they_leave, where_there_is_no_such_thing,
          joined_when_they_come, refused)
