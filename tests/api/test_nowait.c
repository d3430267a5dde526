/*
 * Sockets for who waits by himself: calls that answer at once, in tasks and callbacks, and a close
 * that nobody waits for. Catches one that waits, one that goes past a call that has the descriptor,
 * a number that is given out while a poll on it has yet to end, and one that is never given back.
 */
#include <fcntl.h>
#include <poll.h>

#include "support/misuse.h"
#include "support/net.h"

#define same(a, b) ck_assert_int_eq((a), (b))
#define MS INT64_C(1000000)

/* Each misuse is on one line. */
static const char socket_[] = "weft_socket_nowait", connect_[] = "weft_connect_nowait";
static const char recvfrom_[] = "weft_recvfrom_nowait", sendto_[] = "weft_sendto_nowait";
static const char close_[] = "weft_close_nowait";

static struct sockaddr_in at(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int udp(void)
{
    int fd = weft_datagram_socket("127.0.0.1:0", NULL, NULL);

    ok(fd);
    return fd;
}

/* -- in callbacks ------------------------------------------------------------------------------ */

struct asker {
    weft_event done;
    int to; /* the port */
    int fd;
    ssize_t early, sent, came, again;
    struct sockaddr_in from;
    char bytes[16];
};

static void on_answer(int fd, int events, void *arg)
{
    struct asker *asker = arg;
    socklen_t length = sizeof asker->from;

    (void)events;
    asker->came = weft_recvfrom_nowait(fd, asker->bytes, sizeof asker->bytes, 0,
                                       (struct sockaddr *)&asker->from, &length);
    asker->again = weft_recvfrom_nowait(fd, asker->bytes + 8, 8, 0, NULL, NULL);
    same(weft_close_nowait(fd), 0); /* within its own reader */
    same(weft_close_nowait(fd), -EALREADY);
    ok(weft_event_set(&asker->done));
}

static void asks(void *arg)
{
    struct asker *asker = arg;
    struct sockaddr_in to = at(asker->to);

    asker->fd = weft_socket_nowait(AF_INET, SOCK_DGRAM, 0);
    ok(asker->fd);
    same(weft_connect_nowait(asker->fd, (struct sockaddr *)&to, sizeof to), 0);
    asker->early = weft_recvfrom_nowait(asker->fd, asker->bytes, 1, 0, NULL, NULL);
    asker->sent = weft_sendto_nowait(asker->fd, "who?", 4, 0, NULL, 0);
    same(weft_add_reader(asker->fd, on_answer, asker), 0);
}

static int main_callbacks(void *arg)
{
    struct asker asker = {.done = WEFT_EVENT_INIT};
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    char bytes[16];
    int fd = udp();

    (void)arg;
    asker.to = weft_local_port(fd);
    same(weft_call_soon(asks, &asker, NULL), 0);
    same(weft_recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &length), 4);
    same(weft_sendto_nowait(fd, "me", 2, 0, (struct sockaddr *)&from, length), 2);
    same(weft_event_wait(&asker.done), 0);
    same(asker.early, -EAGAIN);
    same(asker.sent, 4);
    same(asker.came, 2);
    same(memcmp(asker.bytes, "me", 2), 0);
    same(ntohs(asker.from.sin_port), asker.to);
    same(asker.again, -EAGAIN);
    return weft_close(fd);
}
TEST(asks_and_is_told_in_callbacks)
{
    net_run(main_callbacks);
}

/* -- connections ------------------------------------------------------------------------------- */

/* 0, or what became of it. */
static int begins(int fd, int port)
{
    struct sockaddr_in to = at(port);
    int result = weft_connect_nowait(fd, (struct sockaddr *)&to, sizeof to);
    char byte;

    if (result != -EINPROGRESS)
        return result;
    ok(weft_poll(fd, POLLOUT));
    result = (int)weft_recvfrom_nowait(fd, &byte, 1, 0, NULL, NULL);
    return result == -EAGAIN ? 0 : result;
}

static int main_connects(void *arg)
{
    char bytes[8];
    int port, there, listener = net_listen(&port);
    int fd = weft_socket_nowait(AF_INET, SOCK_STREAM, 0);
    size_t sent = 0;

    (void)arg;
    ok(fd);
    same(begins(fd, port), 0);
    there = weft_accept(listener, NULL, NULL, 0);
    ok(there);
    while (sent < 5) { /* perhaps in pieces */
        ssize_t n = weft_sendto_nowait(fd, &"hello"[sent], 5 - sent, 0, NULL, 0);
        ck_assert_int_gt(n, 0);
        sent += (size_t)n;
    }
    same(weft_recv_exactly(there, bytes, 5, NULL), 5);
    same(memcmp(bytes, "hello", 5), 0);
    same(weft_close(there), 0);
    ok(weft_poll(fd, POLLIN));
    same(weft_recvfrom_nowait(fd, bytes, 8, 0, NULL, NULL), 0); /* the end */
    same(weft_close_nowait(fd), 0);
    same(weft_close(listener), 0);

    fd = weft_socket_nowait(AF_INET, SOCK_STREAM, 0);
    same(begins(fd, port), -ECONNREFUSED);
    return weft_close_nowait(fd);
}
TEST(connections)
{
    net_run(main_connects);
}

/* -- closing ----------------------------------------------------------------------------------- */

static void never(int fd, int events, void *arg)
{
    (void)fd, (void)events, (void)arg;
    ck_abort_msg("called");
}

static int main_closes(void *arg)
{
    (void)arg;
    for (int both = 0; both < 2; both++) {
        int fd = udp(), next;
        same(weft_add_reader(fd, never, NULL), 0);
        if (both)
            same(weft_add_writer(fd, never, NULL), 0);
        if (!both)
            same(weft_yield(), 0); /* the kernel has been asked */
        same(weft_close_nowait(fd), 0);
        same(weft_close_nowait(fd), -EALREADY);
        same(weft_close(fd), -EALREADY);
        ck_assert_int_ne((next = udp()), fd); /* the number is taken */
        same(weft_close(next), 0);
        do { /* and then it is not */
            same(weft_sleep(MS), 0);
            next = udp();
            same(weft_close(next), 0);
        } while (next != fd);
    }
    return 0;
}
TEST(closed_when_the_last_poll_has_ended)
{
    net_run(main_closes);
}

/* -- refused ----------------------------------------------------------------------------------- */

static int receives(void *arg)
{
    char byte;

    return weft_recv(*(int *)arg, &byte, 1, 0) == 1 ? 0 : -EIO;
}
static int polls(void *arg)
{
    return weft_poll(*(int *)arg, POLLIN) == POLLIN ? 0 : -EIO;
}

static void hears(int fd, int events, void *arg)
{
    (void)events;
    (*(int *)arg)++;
    same(weft_remove_reader(fd), 1);
}

static int main_busy(void *arg)
{
    int fd = udp(), heard = 0;
    struct sockaddr_in to = at(weft_local_port(fd));
    char byte;

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, receives, &fd, sizeof fd, NULL));
        same(weft_yield(), 0);
        ck_misuse(weft_recvfrom_nowait(fd, &byte, 1, 0, NULL, NULL), -EBUSY, recvfrom_, "has");
        ck_misuse(weft_close_nowait(fd), -EBUSY, close_, "another call");
        same(weft_sendto_nowait(fd, "a", 1, 0, (struct sockaddr *)&to, sizeof to), 1);
    }
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, polls, &fd, sizeof fd, NULL));
        same(weft_add_reader(fd, hears, &heard), 0);
        same(weft_yield(), 0);
        same(weft_close_nowait(fd), -EBUSY);
        same(weft_sendto_nowait(fd, "a", 1, 0, (struct sockaddr *)&to, sizeof to), 1);
        while (heard == 0) /* it is there as before */
            ok(weft_sleep(MS));
    }
    return weft_close_nowait(fd);
}
TEST(somebody_else_has_it)
{
    net_run(main_busy);
}

static int main_wrong(void *arg)
{
    struct sockaddr_in to = at(9);
    const struct sockaddr *address = (struct sockaddr *)&to;
    int fd = udp(), ends[2];
    char byte;

    (void)arg;
    same(weft_recvfrom_nowait(fd, &byte, 1, 0, NULL, NULL), -EAGAIN); /* of one made to wait, too */
    ck_misuse(weft_connect_nowait(fd, NULL, 0), -EFAULT, connect_, "address");
    ck_misuse(weft_connect_nowait(fd, address, sizeof to), -EINVAL, connect_, "SOCK_NONBLOCK");
    ck_misuse(weft_recvfrom_nowait(fd, NULL, 1, 0, NULL, NULL), -EFAULT, recvfrom_, "memory");
    ck_misuse(weft_recvfrom_nowait(fd, &byte, 1, MSG_OOB, NULL, NULL), -EINVAL, recvfrom_, "flags");
    ck_misuse(weft_sendto_nowait(fd, NULL, 1, 0, NULL, 0), -EFAULT, sendto_, "memory");
    ck_misuse(weft_sendto_nowait(fd, "a", 1, MSG_OOB, NULL, 0), -EINVAL, sendto_, "flags");
    same(weft_close_nowait(fd), 0);
    ck_misuse(weft_close_nowait(fd), -EBADF, close_, "closed twice");
    same(weft_close_nowait(-1), -EBADF);
    same(weft_recvfrom_nowait(fd, &byte, 1, 0, NULL, NULL), -EBADF);
    same(weft_sendto_nowait(fd, "a", 1, 0, NULL, 0), -EBADF);
    same(weft_connect_nowait(fd, address, sizeof to), -EBADF);
    same(weft_pipe(ends, O_NONBLOCK), 0);
    same(weft_recvfrom_nowait(ends[0], &byte, 1, 0, NULL, NULL), -ENOTSOCK);
    same(weft_sendto_nowait(ends[1], "a", 1, 0, NULL, 0), -ENOTSOCK);
    same(weft_connect_nowait(ends[1], address, sizeof to), -ENOTSOCK);
    same(weft_close_nowait(ends[0]), 0);
    return weft_close_nowait(ends[1]);
}
TEST(refused)
{
    char byte;

    net_run(main_wrong);
    ck_misuse(weft_socket_nowait(AF_INET, SOCK_DGRAM, 0), -EPERM, socket_, "");
    ck_misuse(weft_connect_nowait(0, NULL, 0), -EPERM, connect_, "");
    ck_misuse(weft_recvfrom_nowait(0, &byte, 1, 0, NULL, NULL), -EPERM, recvfrom_, "");
    ck_misuse(weft_sendto_nowait(0, "a", 1, 0, NULL, 0), -EPERM, sendto_, "");
    ck_misuse(weft_close_nowait(0), -EPERM, close_, "");
}

TEST_MAIN("nowait", 60, asks_and_is_told_in_callbacks, connections,
          closed_when_the_last_poll_has_ended, somebody_else_has_it, refused)
