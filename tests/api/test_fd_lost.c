/*
 * A descriptor that tasks use, closed by close(2), and its number given to another here. Catches a
 * weft_close that waits for ever since the record that it is woken by has begun anew, or that
 * closes another's, and calls that go on with another's descriptor, or are ended with it.
 */
#include <fcntl.h>

#include "support/file.h"
#include "support/lost.h"
#include "support/misuse.h"
#include "support/net.h"

/* -- while it is being closed -------------------------------------------------------------------
 */

static int receives(int fd)
{
    char byte;

    return (int)weft_recv(fd, &byte, 1, 0);
}

static int writes(int fd)
{
    return (int)weft_write(fd, "x", 1);
}

static int polls(int fd)
{
    return weft_poll(fd, POLLIN);
}

static int accepts(int fd)
{
    return weft_accept(fd, NULL, NULL, 0);
}

static int (*const calls[])(int fd) = {receives, writes, polls, accepts};
enum { CALLS = sizeof calls / sizeof calls[0] };

static char much[8 << 20];

struct user {
    int (*call)(int fd);
    int fd, result;
    bool ended;
};

static int uses(void *arg)
{
    struct user *user = arg;

    user->result = user->call(user->fd);
    user->ended = true;
    return 0;
}

static int closes(void *arg)
{
    struct user *user = arg;
    unsigned before = test_misuses();

    user->result = weft_close(user->fd);
    user->ended = true;
    if (user->result == -EBADF)
        test_misuse_check(before, NULL, 0, NULL, -EBADF, "closed meanwhile");
    return 0;
}

static int waits_to_close(const struct weft_task_info *info, void *fd)
{
    return info->fd == *(int *)fd && info->waits_for && strcmp(info->waits_for, "close") == 0;
}

static int waits_in_call(const struct weft_task_info *info, void *fd)
{
    return info->fd == *(int *)fd && info->waits_for != NULL;
}

/* The number becomes another's when the one who closes it waits for the others. */
static void lose_under(struct user *users, int count, int fd)
{
    struct user closer = {.fd = fd, .result = 1};

    WEFT_SCOPE(s) {
        for (int i = 0; i < count; i++) {
            users[i].fd = fd;
            ok(weft_spawn(&s, uses, &users[i], 0, NULL));
        }
        while (weft_tasks_each(waits_in_call, &fd) == 0)
            ok(weft_yield());
        ok(weft_sleep(1000000)); /* the kernel has them by then */
        ok(weft_spawn(&s, closes, &closer, 0, NULL));
        while (!closer.ended && weft_tasks_each(waits_to_close, &fd) == 0)
            ok(weft_yield());
        ck_assert(!closer.ended);
        lost_to(-1, fd);
    }
    ck_assert_int_eq(closer.result, -EBADF);
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(users[i].result, -ECANCELED);
    lost_back_from(-1);
}

/* The writing end of a pipe that is full. */
static void full_pipe(int *fd, int *there)
{
    int ends[2], size;

    ok(weft_pipe(ends, 0));
    size = fcntl(ends[1], F_GETPIPE_SZ);
    ck_assert_int_le(size, sizeof much);
    ck_assert_int_eq(weft_write_all(ends[1], much, (size_t)size, NULL), size);
    *fd = ends[1];
    *there = ends[0];
}

static int main_closed(void *arg)
{
    (void)arg;
    for (int i = 0; i < CALLS; i++) {
        struct user user = {.call = calls[i]};
        int fd, there = -1, port;

        if (calls[i] == accepts)
            fd = net_listen(&port);
        else if (calls[i] == writes)
            full_pipe(&fd, &there);
        else
            net_pair(&fd, &there);
        lose_under(&user, 1, fd);
        if (there >= 0)
            ok(weft_close(there));
    }
    return 0;
}

TEST(while_it_is_closed)
{
    net_run(main_closed);
}

/* Whoever ends first does not make the close look at what the others have left. */
static int main_closed_under_many(void *arg)
{
    struct user users[] = {{.call = receives}, {.call = polls}, {.call = polls}};
    int here, there;

    (void)arg;
    net_pair(&here, &there);
    lose_under(users, 3, here);
    return weft_close(there);
}

TEST(while_it_is_closed_under_many)
{
    net_run(main_closed_under_many);
}

/* -- between two requests of a call ------------------------------------------------------------
 */

static size_t moved;

static int receives_all(int fd)
{
    char bytes[4];

    return (int)weft_recv_exactly(fd, bytes, sizeof bytes, &moved);
}

static int receives_what_comes(int fd)
{
    char bytes[4];
    ssize_t n = weft_recv(fd, bytes, sizeof bytes, MSG_WAITALL);

    moved = n > 0 ? (size_t)n : 0;
    return -EBADF; /* is for the next call, who is another */
}

static int reads_all(int fd)
{
    char bytes[4];

    return (int)weft_read_exactly(fd, bytes, sizeof bytes, &moved);
}

/* That a look was had: with its time over from the first there is none, and the turn is the same.
 */
static bool nothing_is_left(int fd)
{
    uint64_t turns = net_stats().turns;

    return weft_poll_until(fd, POLLIN, weft_after_ns(1000000)) == -ETIMEDOUT &&
           net_stats().turns > turns;
}

/* It has received something, waits for more, and is another's when that comes. */
static void lose_between(int (*fn)(int fd))
{
    struct user user = {.call = fn};
    int there;

    moved = 0;
    if (fn == reads_all) {
        int ends[2];
        ok(weft_pipe(ends, 0));
        user.fd = ends[0];
        there = ends[1];
    } else {
        net_pair(&user.fd, &there);
    }
    WEFT_SCOPE(s) {
        int fd = user.fd;
        ok(weft_write_all(there, "a", 1, NULL));
        ok(weft_spawn(&s, uses, &user, 0, NULL));
        while (weft_tasks_each(waits_in_call, &fd) == 0)
            ok(weft_yield());
        while (!nothing_is_left(fd))
            ok(weft_yield()); /* it has been taken */
        ok(weft_sleep(1000000));
        lost_to(-1, fd);
        ck_assert(!user.ended);
        ok(weft_write_all(there, "b", 1, NULL));
    }
    ck_assert_int_eq(user.result, -EBADF);
    ck_assert_uint_eq(moved, 2);
    lost_back_from(-1);
    ok(weft_close(there));
}

static int main_between(void *arg)
{
    (void)arg;
    lose_between(receives_all);
    lose_between(receives_what_comes);
    lose_between(reads_all);
    return 0;
}

TEST(between_two_requests)
{
    net_run(main_between);
}

static int sends_much(int fd)
{
    int result = (int)weft_send_all(fd, much, sizeof much, &moved);

    ck_assert_int_lt(result, 0);
    return result == -EBADF ? -ECANCELED : result; /* some of it had been sent */
}

/* What was sent when the close came is not all: the rest is not sent to another. */
static int main_sending(void *arg)
{
    struct user user = {.call = sends_much};
    int here, there;

    (void)arg;
    net_pair(&here, &there);
    lose_under(&user, 1, here);
    ck_assert_uint_gt(moved, 0);
    return weft_close(there);
}

TEST(while_it_is_closed_under_a_sender)
{
    net_run(main_sending);
}

/* -- between a wait and a direct call ------------------------------------------------------------
 */

/* To a socket, at once; no call here gives way. */
static void lose_to_socket(int fd, int type)
{
    int sockets[LOST_PIPES], count = 0;

    ck_assert_int_eq(close(fd), 0);
    do {
        ck_assert_int_lt(count, LOST_PIPES);
        sockets[count] = weft_socket_nowait(AF_INET, type, 0);
        ok(sockets[count]);
    } while (sockets[count++] != fd);
    for (int i = 0; i < count - 1; i++)
        ok(weft_close_nowait(sockets[i]));
}

static int source, target;

static int splices(int fd)
{
    (void)fd;
    return (int)weft_splice(source, NULL, target, NULL, 4, 0);
}

static int sends_file(int fd)
{
    off_t offset = 0;

    (void)fd;
    return (int)weft_sendfile(target, source, &offset, 4);
}

static void tell_of_bytes(int there)
{
    ck_assert_int_eq(send(there, "abcd", 4, 0), 4);
}

static void tell_of_the_end(int there)
{
    ck_assert_int_eq(close(there), 0);
}

/* It has been told that its wait at that one is over, and has not come to run. tell NULL: of what
   was there already. */
static void lose_when_told(int fd, int (*fn)(int fd), int waits_at, void (*tell)(int), int there)
{
    struct user user = {.call = fn};

    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, uses, &user, 0, NULL));
        while (!user.ended && weft_tasks_each(waits_in_call, &waits_at) == 0)
            ok(weft_yield());
        if (tell) {
            ok(weft_sleep(1000000));
            tell(there);
        }
        while (weft_tasks_each(waits_in_call, &waits_at) != 0)
            ok(weft_yield());
        ck_assert(!user.ended);
        lose_to_socket(fd, SOCK_STREAM);
    }
    ck_assert_int_eq(user.result, -EBADF);
    ok(weft_close(fd));
}

static int main_told(void *arg)
{
    int from, to;

    (void)arg;
    for (int lost = 0; lost < 2; lost++) {
        int ends[2];
        net_pair(&source, &from);
        ok(weft_pipe(ends, 0));
        target = ends[1];
        lose_when_told(lost ? source : target, splices, source, tell_of_bytes, from);
        ok(weft_close(lost ? target : source));
        ok(weft_close(from));
        ok(weft_close(ends[0]));
    }
    net_pair(&source, &from);
    full_pipe(&target, &to);
    ok(weft_send_all(from, "abcd", 4, NULL));
    lose_when_told(target, splices, target, tell_of_the_end, to);
    ok(weft_close(source));
    ok(weft_close(from));
    source = weft_openat(folder, "sent", O_RDWR | O_CREAT, 0600);
    ok(source);
    ck_assert_int_eq(weft_pwrite(source, "abcd", 4, 0), 4);
    net_pair(&target, &to);
    lose_when_told(target, sends_file, source, NULL, to);
    ok(weft_close(source));
    return weft_close(to);
}

TEST(between_a_wait_and_a_direct_call)
{
    weft_task_fn fn = main_told;

    ck_assert_int_eq(weft_run(file_main, &fn, sizeof fn, NULL), 0);
}

/* -- readers ------------------------------------------------------------------------------------
 */

static int told, told_of, next_told;

static void is_told(int fd, int events, void *arg)
{
    (void)fd, (void)arg;
    told++;
    told_of = events;
}

static void tells_next(int fd, int events, void *arg)
{
    (void)arg;
    ck_assert_int_ne(events & POLLIN, 0);
    next_told++;
    ck_assert_int_eq(weft_remove_reader(fd), 1);
}

/* Of what comes at the file that had the number before it is told nothing but that. */
static int main_reader(void *arg)
{
    int here, there;

    (void)arg;
    net_pair(&here, &there);
    ok(weft_add_reader(here, is_told, NULL));
    ok(weft_sleep(1000000));
    lost_to(-1, here);
    ok(weft_send_all(there, "x", 1, NULL));
    while (told == 0)
        ok(weft_sleep(1000000));
    ok(weft_sleep(1000000));
    ck_assert_int_eq(told, 1);
    ck_assert_int_eq(told_of, -EBADF);
    ck_assert_int_eq(weft_remove_reader(here), 0);
    lost_back_from(-1);
    return weft_close(there);
}

TEST(reader)
{
    net_run(main_reader);
}

static int peer;

static void loses_its_own(int fd, int events, void *arg)
{
    is_told(fd, events, arg);
    if (told == 1)
        lose_to_socket(fd, SOCK_DGRAM); /* to which nothing comes */
}

/* It is not asked again for what another has. */
static int main_reader_called(void *arg)
{
    int here;

    (void)arg;
    net_pair(&here, &peer);
    ok(weft_add_reader(here, loses_its_own, NULL));
    ok(weft_send_all(peer, "x", 1, NULL));
    while (told < 2)
        ok(weft_sleep(1000000));
    ck_assert_int_eq(told_of, -EBADF);
    ok(weft_close(here));
    return weft_close(peer);
}

TEST(reader_that_is_called)
{
    net_run(main_reader_called);
}

/* The next is told by his own. */
static int main_next_reader(void *arg)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int here, there, next, port, listener = net_listen(&port);

    (void)arg;
    net_pair(&here, &there);
    ok(weft_add_reader(here, is_told, NULL));
    ok(weft_sleep(1000000));
    lose_to_socket(here, SOCK_STREAM);
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ok(weft_connect(here, (struct sockaddr *)&address, sizeof address));
    next = weft_accept(listener, NULL, NULL, 0);
    ok(next);
    ok(weft_add_reader(here, tells_next, NULL));
    ok(weft_send_all(next, "x", 1, NULL));
    while (next_told == 0)
        ok(weft_sleep(1000000));
    ok(weft_send_all(there, "x", 1, NULL));
    for (int i = 0; i < 10; i++)
        ok(weft_sleep(1000000));
    ck_assert_int_eq(told, 0);
    ck_assert_int_eq(next_told, 1);
    ok(weft_close(here));
    ok(weft_close(next));
    ok(weft_close(listener));
    return weft_close(there);
}

TEST(reader_of_the_next)
{
    net_run(main_next_reader);
}

/* -- and closed by the next ---------------------------------------------------------------------
 */

/* Of a pipe there is nothing of that kind. */
static int polls_for_ever(int fd)
{
    return weft_poll(fd, POLLPRI);
}

/* Who waited on the file that had the number before goes on waiting there. */
static int main_closed_by_the_next(void *arg)
{
    struct user user = {.call = polls}, next = {.call = polls_for_ever};
    int here, there;

    (void)arg;
    net_pair(&here, &there);
    user.fd = next.fd = here;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, uses, &user, 0, NULL));
        while (weft_tasks_each(waits_in_call, &here) == 0)
            ok(weft_yield());
        ok(weft_sleep(1000000));
        lost_to(-1, here);
        ok(weft_spawn(&s, uses, &next, 0, NULL));
        ok(weft_sleep(1000000));
        ok(weft_close(here));
        ok(weft_yield());
        ck_assert_int_eq(next.result, -ECANCELED);
        ck_assert(!user.ended);
        ok(weft_send_all(there, "x", 1, NULL));
    }
    ck_assert_int_eq(user.result, POLLIN);
    ck_assert_int_eq(lost_taken_count, 1);
    ok(weft_close(lost_taken[0][lost_taken[0][0] == here]));
    return weft_close(there);
}

TEST(closed_by_the_next)
{
    net_run(main_closed_by_the_next);
}

/* -- listeners ----------------------------------------------------------------------------------
 */

static int connected_to(int port)
{
    struct sockaddr_in address = net_loopback(port);
    int fd = weft_socket(AF_INET, SOCK_STREAM, 0);

    ok(fd);
    ok(weft_connect(fd, (struct sockaddr *)&address, sizeof address));
    return fd;
}

/* Once the kernel has been asked for what a task waits for. */
static void lose_while_it_accepts(int listener)
{
    while (weft_tasks_each(waits_in_call, &listener) == 0)
        ok(weft_yield());
    ok(weft_sleep(1000000));
    lose_to_socket(listener, SOCK_STREAM);
}

static void listen_there(int fd)
{
    struct sockaddr_in any = net_loopback(0);

    ok(weft_bind(fd, (struct sockaddr *)&any, sizeof any));
    ok(weft_listen(fd, 8));
}

/* Who waits has the next that comes to the one that was closed, for which the kernel has been asked
   already. It is not asked for any of those who come to the one that has the number then. */
static int main_listener(void *arg)
{
    struct user user = {.call = accepts};
    int port, first = -1, second, came, listener = net_listen(&port);

    (void)arg;
    user.fd = listener;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, uses, &user, 0, NULL));
        lose_while_it_accepts(listener);
        listen_there(listener);
        first = connected_to(port);
    }
    ok(user.result);
    second = connected_to(weft_local_port(listener));
    came = weft_accept(listener, NULL, NULL, 0);
    ok(came);
    ok(weft_send_all(second, "x", 1, NULL));
    net_hear(came, "x", 1);
    ok(weft_close(user.result));
    ok(weft_close(came));
    ok(weft_close(first));
    ok(weft_close(second));
    return weft_close(listener);
}

/* The kernel lets go of it as soon as nothing is asked of it any more; who comes before that is
   told then. */
static void until_refused(int port)
{
    struct sockaddr_in address = net_loopback(port);
    int error;

    do {
        int fd = weft_socket(AF_INET, SOCK_STREAM, 0);
        ok(fd);
        error = weft_connect(fd, (struct sockaddr *)&address, sizeof address);
        if (error == 0)
            net_hear_end(fd);
        else
            ok(weft_close(fd));
        ck_assert(error == 0 || error == -ECONNREFUSED || error == -ECONNRESET);
    } while (error != -ECONNREFUSED);
}

/* Nobody can take what comes to it: who has connected is told, and nobody connects any more. */
static int main_listener_alone(void *arg)
{
    int port, first, second, came, listener = net_listen(&port);

    (void)arg;
    first = connected_to(port);
    came = weft_accept(listener, NULL, NULL, 0);
    ok(came);
    second = connected_to(port);
    ok(weft_sleep(1000000));
    lose_to_socket(listener, SOCK_STREAM);
    net_hear_end(second);
    until_refused(port);
    ok(weft_send_all(first, "x", 1, NULL)); /* who was taken stays */
    net_hear(came, "x", 1);
    ok(weft_close(came));
    ok(weft_close(first));
    return weft_close(listener);
}

/* Nor once who waited has had the next, or has left. */
static int main_listener_left(void *arg)
{
    for (int cancelled = 0; cancelled < 2; cancelled++) {
        struct user user = {.call = accepts};
        int port, first = -1;
        weft_task task;

        (void)arg;
        user.fd = net_listen(&port);
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, uses, &user, 0,
                          &(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt),
                                                   .task = &task}));
            lose_while_it_accepts(user.fd);
            if (cancelled)
                ck_assert_int_eq(weft_cancel(task), 1);
            else
                first = connected_to(port);
        }
        until_refused(port);
        ck_assert(cancelled ? user.result == -ECANCELED : user.result >= 0);
        if (!cancelled) {
            ok(weft_close(user.result));
            ok(weft_close(first));
        }
        ok(weft_close(user.fd));
    }
    return 0;
}

static int accepts_and_asks(int fd)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;

    return weft_accept(fd, (struct sockaddr *)&address, &length, 0);
}

/* Who waited goes without: the one that came was reset, and has no address any more. Unless the
   reset is on its way yet, as it may be through a simulated network. */
static int main_listener_reset(void *arg)
{
    struct user user = {.call = accepts_and_asks};
    int port, listener = net_listen(&port);

    (void)arg;
    user.fd = listener;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, uses, &user, 0, NULL));
        lose_while_it_accepts(listener);
        net_plain_reset(net_plain_connect(port));
    }
    ck_assert(user.result == -EBADF || user.result >= 0);
    if (user.result >= 0)
        ok(weft_close(user.result));
    until_refused(port);
    return weft_close(listener);
}

static int serves(weft_stream *stream, void *arg)
{
    (void)stream;
    (void)arg;
    return 0;
}

/* A server has its listener for itself: it ends when that is another's, and does not close it. */
static int main_listener_of_a_server(void *arg)
{
    struct sockaddr_in any = net_loopback(0);
    weft_server *server;
    int fd;

    (void)arg;
    ok(weft_start_server(&server, "127.0.0.1:0", serves, NULL, NULL));
    ck_assert_int_eq(weft_server_listeners(server, &fd, 1), 1);
    lose_while_it_accepts(fd);
    net_hear_end(connected_to(weft_server_port(server)));
    ck_assert_int_eq(weft_server_wait(server), -EBADF);
    ck_assert_int_eq(weft_server_close(server), -EBADF);
    ok(weft_bind(fd, (struct sockaddr *)&any, sizeof any));
    return weft_close(fd);
}

/* And one that retires admits the rest of its own connections, and none of those that came to who
   has the number, and wait there. */
static int main_listener_that_retires(void *arg)
{
    weft_server *server;
    int fd, clients[2], came[2];

    (void)arg;
    ok(weft_start_server(&server, "127.0.0.1:0", serves, NULL, NULL));
    ck_assert_int_eq(weft_server_listeners(server, &fd, 1), 1);
    lose_while_it_accepts(fd);
    listen_there(fd);
    for (int i = 0; i < 2; i++) {
        clients[i] = connected_to(weft_local_port(fd));
        if (i == 0) {
            came[i] = weft_accept(fd, NULL, NULL, 0);
            ok(came[i]);
        }
    }
    ok(weft_sleep(1000000)); /* the second is accepted, and nobody takes it yet */
    (void)weft_server_retire(server, weft_after_ms(1000), weft_after_ms(2000));
    (void)weft_server_close(server);
    came[1] = weft_accept(fd, NULL, NULL, 0);
    ok(came[1]);
    for (int i = 0; i < 2; i++) {
        ok(weft_send_all(clients[i], "x", 1, NULL));
        net_hear(came[i], "x", 1);
        ok(weft_close(came[i]));
        ok(weft_close(clients[i]));
    }
    return weft_close(fd);
}

TEST(listener_that_retires)
{
    net_run(main_listener_that_retires);
}

TEST(listener_of_a_server)
{
    net_run(main_listener_of_a_server);
}

TEST(listener_of_nobody)
{
    net_run(main_listener_reset);
    net_run(main_listener_alone);
    net_run(main_listener_left);
}

TEST(listener)
{
    net_run(main_listener);
    setenv("WEFT_RING_MASK", "accept_multishot", 1); /* asked anew for each of them */
    net_run(main_listener);
}

TEST_MAIN("fd_lost", 30, while_it_is_closed, while_it_is_closed_under_many, between_two_requests,
          between_a_wait_and_a_direct_call, while_it_is_closed_under_a_sender, reader,
          reader_that_is_called, reader_of_the_next, closed_by_the_next, listener,
          listener_of_nobody, listener_of_a_server, listener_that_retires)
