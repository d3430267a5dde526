/*
 * Sockets for who waits by himself: calls that answer at once, in tasks and callbacks, and a close
 * that nobody waits for. Catches one that waits, one that goes past a call that has the descriptor,
 * a number that is given out while a poll on it has yet to end, and one that is never given back.
 */
#include <fcntl.h>
#include <poll.h>

#include "support/file.h"
#include "support/misuse.h"
#include "support/name.h"
#include "support/net.h"

#define same(a, b) ck_assert_int_eq((a), (b))
#define MS INT64_C(1000000)

/* Each misuse is on one line. */
static const char socket_[] = "weft_socket_nowait", connect_[] = "weft_connect_nowait";
static const char recvfrom_[] = "weft_recvfrom_nowait", sendto_[] = "weft_sendto_nowait";
static const char close_[] = "weft_close_nowait";

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
    struct sockaddr_in to = net_loopback(asker->to);

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
    int fd = net_udp();

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
    struct sockaddr_in to = net_loopback(port);
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

    listener = net_nobody(SOCK_STREAM, &port);
    fd = weft_socket_nowait(AF_INET, SOCK_STREAM, 0);
    same(begins(fd, port), -ECONNREFUSED);
    same(weft_close(listener), 0);
    return weft_close_nowait(fd);
}
TEST(connections)
{
    net_run(main_connects);
}

/* -- nobody there ------------------------------------------------------------------------------ */

/* A datagram that finds nobody: told when `fd` is ready, by the next call, and once. */
static void finds_nobody(int fd)
{
    same(weft_sendto_nowait(fd, "a", 1, 0, NULL, 0), 1);
    while (!(weft_poll(fd, POLLIN) & POLLERR))
        same(weft_yield(), 0);
}

static int main_nobody(void *arg)
{
    int held = net_udp(), fd = weft_socket_nowait(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = net_loopback(weft_local_port(held)), other = net_loopback(9);
    char byte;

    (void)arg;
    same(weft_connect_nowait(fd, (struct sockaddr *)&to, sizeof to), 0);
    same(weft_connect(held, (struct sockaddr *)&other, sizeof other), 0); /* hears that one alone */
    finds_nobody(fd);
    same(weft_recvfrom_nowait(fd, &byte, 1, 0, NULL, NULL), -ECONNREFUSED);
    same(weft_recvfrom_nowait(fd, &byte, 1, 0, NULL, NULL), -EAGAIN);
    finds_nobody(fd);
    same(weft_sendto_nowait(fd, "a", 1, 0, NULL, 0), -ECONNREFUSED);
    same(weft_close_nowait(held), 0);
    return weft_close_nowait(fd);
}
TEST(nobody_has_the_port)
{
    net_run(main_nobody);
}

/* Of Unix sockets the call itself says so. */
static int main_gone(void *arg)
{
    const char *name = own_name("unix:@weft-nowait");
    int there = weft_datagram_socket(name, NULL, NULL);
    int fd = weft_datagram_socket(NULL, name, NULL);
    int other = weft_socket_nowait(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un to;
    socklen_t length = sizeof to;

    (void)arg;
    ok(fd);
    same(weft_getpeername(fd, (struct sockaddr *)&to, &length), 0);
    same(weft_close(there), 0);
    same(weft_sendto_nowait(fd, "a", 1, 0, NULL, 0), -ECONNREFUSED);
    same(weft_sendto_nowait(fd, "a", 1, 0, NULL, 0), -ENOTCONN); /* it is connected no more */
    same(weft_sendto_nowait(fd, "a", 1, 0, (struct sockaddr *)&to, length), -ECONNREFUSED);
    same(weft_connect_nowait(other, (struct sockaddr *)&to, length), -ECONNREFUSED);
    same(weft_close_nowait(other), 0);
    return weft_close_nowait(fd);
}
TEST(nobody_has_the_name)
{
    net_run(main_gone);
}

/* By its peer; and a second time. */
static int main_connected(void *arg)
{
    int here = net_reset_one(), there, port;
    struct sockaddr_in to;

    (void)arg;
    same(weft_recvfrom_nowait(here, &(char){0}, 1, 0, NULL, NULL), -ECONNRESET);
    same(weft_sendto_nowait(here, "a", 1, 0, NULL, 0), -EPIPE);
    same(weft_close_nowait(here), 0);
    here = weft_socket_nowait(AF_INET, SOCK_STREAM, 0);
    there = net_listen(&port);
    to = net_loopback(port);
    same(begins(here, port), 0);
    same(weft_connect_nowait(here, (struct sockaddr *)&to, sizeof to), 0); /* told once */
    same(weft_connect_nowait(here, (struct sockaddr *)&to, sizeof to), -EISCONN);
    same(weft_close_nowait(there), 0);
    return weft_close_nowait(here);
}
TEST(connected_and_reset)
{
    net_run(main_connected);
}

/* -- closing ----------------------------------------------------------------------------------- */

static void never(int fd, int events, void *arg)
{
    (void)fd, (void)events, (void)arg;
    ck_abort_msg("called");
}

enum closing { A_READER, BOTH, REMOVED, WAYS };

static int main_closes(void *arg)
{
    (void)arg;
    for (int way = 0; way < WAYS; way++) {
        int fd = net_udp(), next;
        same(weft_add_reader(fd, never, NULL), 0);
        if (way == BOTH)
            same(weft_add_writer(fd, never, NULL), 0);
        else
            same(weft_yield(), 0); /* the kernel has been asked */
        if (way == REMOVED)
            same(weft_remove_reader(fd), 1);
        same(weft_close_nowait(fd), 0);
        same(weft_close_nowait(fd), -EALREADY);
        same(weft_close(fd), -EALREADY);
        ck_assert_int_ne((next = net_udp()), fd); /* the number is taken */
        same(weft_close(next), 0);
        do { /* and then it is not */
            same(weft_sleep(MS), 0);
            next = net_udp();
            same(weft_close(next), 0);
        } while (next != fd);
    }
    return 0;
}
TEST(closed_when_the_last_poll_has_ended)
{
    net_run(main_closes);
}

/* Its connection came to nothing, so that it can only be closed: in this way, too. */
static int main_refused_before(void *arg)
{
    int port, nobody = net_nobody(SOCK_STREAM, &port), fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = net_loopback(port);
    char byte;

    (void)arg;
    ok(fd);
    same(weft_connect(fd, (struct sockaddr *)&to, sizeof to), -ECONNREFUSED);
    same(weft_recvfrom_nowait(fd, &byte, 1, 0, NULL, NULL), -ENOTCONN);
    same(weft_sendto_nowait(fd, "a", 1, 0, NULL, 0), -ENOTCONN);
    same(weft_connect_nowait(fd, (struct sockaddr *)&to, sizeof to), -ENOTCONN);
    same(weft_close_nowait(fd), 0);
    ck_misuse(weft_close_nowait(fd), -EBADF, close_, "closed twice");
    same(weft_close(nobody), 0);
    return 0;
}
TEST(closed_after_a_refusal)
{
    net_run(main_refused_before);
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
    int fd = net_udp(), heard = 0;
    struct sockaddr_in to = net_loopback(weft_local_port(fd));
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

/* Who polls another descriptor is not in the way of this one. */
static int main_polled(void *arg)
{
    int fd = net_udp(), other = net_udp(), watched = net_udp();
    struct sockaddr_in to = net_loopback(weft_local_port(fd)),
                       other_to = net_loopback(weft_local_port(other));

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, polls, &fd, sizeof fd, NULL));
        ok(weft_spawn(&s, polls, &other, sizeof other, NULL));
        same(weft_yield(), 0);
        same(weft_close_nowait(fd), -EBUSY);
        same(weft_close_nowait(other), -EBUSY);
        same(weft_add_reader(watched, never, NULL), 0);
        same(weft_close_nowait(watched), 0);
        same(weft_sendto_nowait(fd, "a", 1, 0, (struct sockaddr *)&to, sizeof to), 1);
        same(weft_sendto_nowait(fd, "a", 1, 0, (struct sockaddr *)&other_to, sizeof other_to), 1);
    }
    same(weft_close_nowait(other), 0);
    return weft_close_nowait(fd);
}
TEST(others_wait_in_calls)
{
    net_run(main_polled);
}

/* Has the number given out again, which close(2) has freed. */
static void take_again(int number)
{
    int others[64], count = 0, fd;

    while ((fd = net_udp()) != number) {
        ck_assert_int_lt(count, 64);
        others[count++] = fd;
    }
    while (count > 0)
        same(weft_close(others[--count]), 0);
}

static int polls_for_ever(void *arg)
{
    return weft_poll(*(int *)arg, POLLIN);
}

/* Who waits on it waits for the file that was closed: not for this one. */
static int main_closed_behind(void *arg)
{
    int fd = net_udp();

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        ok(weft_spawn(&s, polls_for_ever, &fd, sizeof fd, NULL));
        same(weft_yield(), 0);
        same(close(fd), 0);
        take_again(fd);
        same(weft_add_reader(fd, never, NULL), 0);
        same(weft_close_nowait(fd), 0);
        ok(weft_scope_cancel(&s));
    }
    return 0;
}
TEST(closed_behind_who_waits)
{
    net_run(main_closed_behind);
}

/* -- things that have descriptors, and close them ------------------------------------------------
 */

static int main_streams(void *arg)
{
    int here, there;
    char byte = 'a';
    weft_stream *stream;

    (void)arg;
    net_pair(&here, &there);
    same(weft_stream_open(here, NULL, &stream), 0);
    ck_misuse(weft_close_nowait(here), -EBUSY, close_, "stream");
    ck_misuse(weft_recvfrom_nowait(here, &byte, 1, 0, NULL, NULL), -EBUSY, recvfrom_, "stream");
    ck_misuse(weft_sendto_nowait(here, &byte, 1, 0, NULL, 0), -EBUSY, sendto_, "stream");
    same(weft_stream_write(stream, &byte, 1, NULL), 1);
    same(weft_recv(there, &byte, 1, 0), 1);
    same(weft_stream_close(stream), 0);
    same(weft_recv(there, &byte, 1, 0), 0);
    return weft_close_nowait(there);
}
TEST(a_stream)
{
    net_run(main_streams);
}

/* Between two calls, too: it takes what comes. */
static int main_acceptor(void *arg)
{
    int port, listener = net_listen(&port);

    (void)arg;
    for (int i = 0; i < 2; i++) {
        int fd = weft_socket_nowait(AF_INET, SOCK_STREAM, 0), there;
        ok(fd);
        same(begins(fd, port), 0);
        there = weft_accept(listener, NULL, NULL, 0);
        ok(there);
        ck_misuse(weft_close_nowait(listener), -EBUSY, close_, "another call");
        same(weft_close_nowait(fd), 0);
        same(weft_close_nowait(there), 0);
    }
    same(weft_close(listener), 0);
    listener = net_listen(&port);
    return weft_close_nowait(listener); /* from which nobody has accepted */
}
TEST(a_listener)
{
    net_run(main_acceptor);
}

static int main_file(void *arg)
{
    int fd = file_new("a");
    weft_file *file;

    (void)arg;
    same(weft_file_from_fd(fd, NULL, &file), 0);
    ck_misuse(weft_close_nowait(fd), -EBUSY, close_, "a file object");
    same(weft_file_write(file, "abc", 3, NULL), 3);
    same(weft_file_close(file), 0);
    ck_assert_str_eq(file_text("a"), "abc");
    fd = weft_openat(folder, "a", O_RDONLY, 0);
    ok(fd);
    return weft_close_nowait(fd);
}
TEST(a_file)
{
    file_run(main_file);
}

/* -- wrong calls ------------------------------------------------------------------------------- */

static int main_wrong(void *arg)
{
    struct sockaddr_in to = net_loopback(9);
    struct sockaddr *from = (struct sockaddr *)&to;
    const struct sockaddr *address = from;
    int fd = net_udp(), ends[2];
    char byte;

    (void)arg;
    same(weft_recvfrom_nowait(fd, &byte, 1, 0, NULL, NULL), -EAGAIN); /* of one made to wait, too */
    ck_misuse(weft_connect_nowait(fd, NULL, 0), -EFAULT, connect_, "address");
    ck_misuse(weft_connect_nowait(fd, address, sizeof to), -EINVAL, connect_, "SOCK_NONBLOCK");
    ck_misuse(weft_recvfrom_nowait(fd, NULL, 1, 0, NULL, NULL), -EFAULT, recvfrom_, "memory");
    ck_misuse(weft_recvfrom_nowait(fd, &byte, 1, 0, from, NULL), -EFAULT, recvfrom_, "memory");
    ck_misuse(weft_recvfrom_nowait(fd, &byte, 1, MSG_OOB, NULL, NULL), -EINVAL, recvfrom_, "flags");
    ck_misuse(weft_sendto_nowait(fd, NULL, 1, 0, NULL, 0), -EFAULT, sendto_, "memory");
    ck_misuse(weft_sendto_nowait(fd, "a", 1, MSG_OOB, NULL, 0), -EINVAL, sendto_, "flags");
    same(weft_close_nowait(fd), 0);
    ck_misuse(weft_close_nowait(fd), -EBADF, close_, "closed twice");
    same(weft_close_nowait(-1), -EBADF);
    ck_misuse(weft_recvfrom_nowait(-1, &byte, 1, 0, NULL, NULL), -EBADF, recvfrom_, "negative");
    ck_misuse(weft_sendto_nowait(-1, "a", 1, 0, NULL, 0), -EBADF, sendto_, "negative");
    ck_misuse(weft_connect_nowait(-1, address, sizeof to), -EBADF, connect_, "negative");
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

/* No bytes take no memory. */
static int main_nothing(void *arg)
{
    int fd = net_udp();
    struct sockaddr_in to = net_loopback(weft_local_port(fd));
    ssize_t n;

    (void)arg;
    same(weft_sendto_nowait(fd, NULL, 0, 0, (struct sockaddr *)&to, sizeof to), 0);
    while ((n = weft_recvfrom_nowait(fd, NULL, 0, 0, NULL, NULL)) == -EAGAIN)
        ok(weft_sleep(MS));
    same(n, 0);
    same(weft_recvfrom_nowait(fd, NULL, 0, 0, NULL, NULL), -EAGAIN); /* it was one */
    return weft_close_nowait(fd);
}
TEST(nothing)
{
    net_run(main_nothing);
}

/* -- another reactor's ------------------------------------------------------------------------- */

static int elsewhere(void *arg)
{
    struct sockaddr_in to = net_loopback(9);
    const struct sockaddr *address = (struct sockaddr *)&to;
    int fd = *(int *)arg;
    char byte;

    ck_misuse(weft_recvfrom_nowait(fd, &byte, 1, 0, NULL, NULL), -EXDEV, recvfrom_, "another");
    ck_misuse(weft_sendto_nowait(fd, "a", 1, 0, NULL, 0), -EXDEV, sendto_, "another");
    ck_misuse(weft_connect_nowait(fd, address, sizeof to), -EXDEV, connect_, "another");
    ck_misuse(weft_close_nowait(fd), -EXDEV, close_, "another");
    return 0;
}

static int main_elsewhere(void *arg)
{
    int fd = net_udp();
    char byte;

    (void)arg;
    ok(weft_call(1, elsewhere, &fd, sizeof fd));
    same(weft_recvfrom_nowait(fd, &byte, 1, 0, NULL, NULL), -EAGAIN);
    return weft_close_nowait(fd);
}
TEST(of_another_reactor)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    same(weft_run(main_elsewhere, NULL, 0, &opt), 0);
}

TEST_MAIN("nowait", 60, asks_and_is_told_in_callbacks, connections, nobody_has_the_port,
          nobody_has_the_name, connected_and_reset, closed_when_the_last_poll_has_ended,
          closed_after_a_refusal, somebody_else_has_it, others_wait_in_calls,
          closed_behind_who_waits, a_stream, a_listener, a_file, refused, nothing,
          of_another_reactor)
