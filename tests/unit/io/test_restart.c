/*
 * A restart: two processes, the second started with nothing but the end of a socket, and clients of
 * a third that connect all the while. Would catch a client that is refused or reset between the
 * two, which one process alone cannot show: there the sockets never close.
 */
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "support/net.h"

enum { CLIENTS = 4, BEFORE = 25, AFTER = 25 }; /* connections of each client */

/* -- the processes ------------------------------------------------------------------------------
 */

static int answer(weft_stream *stream, void *arg)
{
    char line[64];
    ssize_t n = weft_stream_read_line(stream, line, sizeof line, WEFT_IDLE);

    if (n > 0)
        n = weft_stream_write(stream, arg, strlen(arg), NULL);
    return n < 0 ? (int)n : 0;
}

static int serve(weft_server **server, const int *fds, uint32_t count, const char *word)
{
    struct weft_server_opt opt = {.size = sizeof opt,
                                  .fds = fds,
                                  .fd_count = count,
                                  .serve_first = true};

    return weft_start_server(server, NULL, answer, (void *)(uintptr_t)word, &opt);
}

/* Started as by a supervisor, with the listener as descriptor 3. Hands over when it is told to. */
static int old_main(void *arg)
{
    struct weft_listen_fds_opt opt = {.size = sizeof opt, .clear = true};
    struct weft_server_counts counts;
    struct weft_handed handed;
    weft_server *server;
    int channel = *(int *)arg, fds[1];
    char go;

    if (weft_listen_fds(&handed, 1, &opt) != 1 || strcmp(handed.name, "web") != 0)
        return -ENOENT;
    if (serve(&server, &handed.fd, 1, "old\n") < 0 || weft_recv(channel, &go, 1, 0) != 1)
        return -EINVAL;
    if (weft_server_listeners(server, fds, 1) != 1 || weft_hand_over(channel, fds, 1) < 0)
        return -EPROTO;
    if (weft_server_retire(server, weft_after_ms(60000), WEFT_NEVER) != 0)
        return -ETIMEDOUT;
    weft_server_counts(server, &counts, sizeof counts);
    weft_server_close(server);
    weft_close(channel);
    return counts.refused + counts.cut + counts.failed == 0 ? 0 : -EIO;
}

/* Takes over, and serves until the other end of ends[1] is closed. */
static int new_main(void *arg)
{
    const int *ends = arg;
    int channel = ends[0], fds[1];
    weft_server *server;
    uint32_t count = 1;
    char go;

    if (weft_take_over(channel, fds, &count) < 0 || serve(&server, fds, count, "new\n") < 0 ||
        weft_take_over_done(channel) < 0)
        return -EPROTO;
    (void)weft_recv(ends[1], &go, 1, 0);
    weft_server_drain(server, weft_after_ms(60000), WEFT_NEVER);
    weft_server_close(server);
    weft_close(ends[1]);
    return weft_close(channel);
}

/* What the parent has: each child closes what is not its own, as exec would have. */
struct plan {
    int listener, channel[2], until[2];
};

static void leave(int result)
{
    test_save_coverage();
    _exit(result == 0 ? 0 : 1);
}

static pid_t start_old(const struct plan *plan)
{
    pid_t pid = fork();
    char self[24];
    int channel;

    if (pid != 0)
        return pid;
    close(plan->channel[1]);
    close(plan->until[0]);
    close(plan->until[1]);
    snprintf(self, sizeof self, "%d", (int)getpid());
    setenv("LISTEN_PID", self, 1);
    setenv("LISTEN_FDS", "1", 1);
    setenv("LISTEN_FDNAMES", "web", 1);
    channel = fcntl(plan->channel[0], F_DUPFD_CLOEXEC, 20);
    close(plan->channel[0]);
    if (plan->listener != 3 && (dup2(plan->listener, 3) < 0 || close(plan->listener) < 0))
        _exit(2);
    leave(weft_run(old_main, &channel, sizeof channel, NULL));
    return 0;
}

static pid_t start_new(const struct plan *plan)
{
    int ends[2] = {plan->channel[1], plan->until[1]};
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    close(plan->listener);
    close(plan->channel[0]);
    close(plan->until[0]);
    leave(weft_run(new_main, ends, sizeof ends, NULL));
    return 0;
}

/* -- the clients --------------------------------------------------------------------------------
 */

struct client {
    pthread_t thread;
    int port, count;
    int refused, reset, served[2];
};

static void one(struct client *client)
{
    struct sockaddr_in address = net_loopback(client->port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char line[4] = "";

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        client->refused++;
    else if (send(fd, "hello\n", 6, MSG_NOSIGNAL) != 6 || recv(fd, line, 4, MSG_WAITALL) != 4)
        client->reset++;
    else
        client->served[line[0] == 'n']++;
    close(fd);
}

static void *connects(void *arg)
{
    struct client *client = arg;

    for (int i = 0; i < client->count; i++)
        one(client);
    return NULL;
}

static void begin(struct client clients[CLIENTS], int port, int count)
{
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.port = port, .count = count};
        ck_assert_int_eq(pthread_create(&clients[i].thread, NULL, connects, &clients[i]), 0);
    }
}

static struct client end(struct client clients[CLIENTS])
{
    struct client all = {.port = 0};

    for (int i = 0; i < CLIENTS; i++) {
        ck_assert_int_eq(pthread_join(clients[i].thread, NULL), 0);
        all.refused += clients[i].refused;
        all.reset += clients[i].reset;
        all.served[0] += clients[i].served[0];
        all.served[1] += clients[i].served[1];
    }
    return all;
}

/* -- the test -----------------------------------------------------------------------------------
 */

/* A network of its own, if that may be had: else the machine's loopback, which others use. */
static void own_network(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd;

    if (unshare(CLONE_NEWNET) < 0)
        return;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ok(ioctl(fd, SIOCSIFFLAGS, &request));
    close(fd);
}

static int listener_on(int *port)
{
    struct sockaddr_in address = net_loopback(0);
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ok(bind(fd, (struct sockaddr *)&address, length));
    ok(listen(fd, 512));
    ok(getsockname(fd, (struct sockaddr *)&address, &length));
    *port = ntohs(address.sin_port);
    return fd;
}

static void ends_well(pid_t pid)
{
    int status = -1;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
}

TEST(across_processes)
{
    struct client clients[CLIENTS], all;
    struct plan plan;
    int port, keep;
    pid_t old, new;

    own_network();
    plan.listener = listener_on(&port);
    ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, plan.channel));
    ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, plan.until));
    new = start_new(&plan);
    old = start_old(&plan);
    keep = plan.channel[1];
    close(plan.listener); /* theirs alone from now on */
    close(plan.channel[0]);
    close(plan.until[1]);
    begin(clients, port, BEFORE);
    all = end(clients);
    ck_assert_int_eq(all.refused, 0);
    ck_assert_int_eq(all.reset, 0);
    ck_assert_int_eq(all.served[0], CLIENTS * BEFORE);
    begin(clients, port, AFTER);
    ck_assert_int_eq(send(keep, "g", 1, MSG_NOSIGNAL),
                     1); /* to the old one, in the new one's place */
    close(keep);
    ends_well(old); /* which it does while they go on */
    all = end(clients);
    ck_assert_int_eq(all.refused, 0);
    ck_assert_int_eq(all.reset, 0);
    ck_assert_int_eq(all.served[0] + all.served[1], CLIENTS * AFTER);
    begin(clients, port, BEFORE); /* by now there is the new one alone */
    all = end(clients);
    ck_assert_int_eq(all.refused + all.reset, 0);
    ck_assert_int_eq(all.served[1], CLIENTS * BEFORE);
    close(plan.until[0]);
    ends_well(new);
}

TEST_MAIN("unit.io.restart", 60, across_processes)
