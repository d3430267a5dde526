/*
 * Errors that the headers promise and that a machine gives only when it is full, or badly
 * connected, or another user's: each is told as it is, leaves nothing open, and the call made again
 * does what it is for. Would catch an error that is taken for another one on its way, and a call
 * that leaves a descriptor or a process behind when the second of its steps is refused.
 */
#include <signal.h>
#include <sys/socket.h>

#include "io/stream.h"
#include "ring/host.h"
#include "sim/world.h"
#include "support/net.h"

#undef ok
#include "simulate.h"

#define same(a, b) ck_assert_int_eq((a), (b))

/* From now on it comes true always, or never. */
static void set(enum weft__sim_knob knob, bool on)
{
    struct weft__sim_setting *setting = &weft__sim_world->plan.knobs[knob];

    setting->low = setting->high = on ? WEFT__SIM_ODDS : 0;
}

static void in_world(const char *plan, weft_task_fn fn)
{
    struct world world = {.seed = 1, .plan = plan, .task = fn};

    same(world_run(&world), 0);
    ck_assert_int_eq((int)world.result.faults, 0); /* none that was drawn */
}

static int exits(weft_sim_process *process, int argc, char **argv)
{
    (void)process, (void)argc, (void)argv;
    return 0;
}

static int sleeps(weft_sim_process *process, int argc, char **argv)
{
    (void)argc, (void)argv;
    return weft_sim_process_sleep(process, INT64_MAX) < 0;
}

static int starts(const char *path, weft_process **process)
{
    const char *const arguments[] = {path, NULL};
    const struct weft_process_opt opt = {.size = sizeof opt, .out = WEFT_PIPE};

    same(weft_sim_program("/bin/exits", exits), 0);
    same(weft_sim_program("/bin/sleeps", sleeps), 0);
    return weft_create_subprocess_exec(arguments, &opt, process);
}

/* -- a machine that has no more descriptors -----------------------------------------------------
 */

static void said(const char *what, int64_t result, int wanted)
{
    ck_assert_msg(result == wanted, "%s: %d instead of %d", what, (int)result, wanted);
}

static const int number = SIGUSR1;
static weft_stream *streams[2];
static int file, plain[2], fds[2];

/* Whatever makes one: each is an error now, and what it says. */
static void all_say(int wanted)
{
    weft_process *process;
    weft_signals *signals;
    weft_watch *watch;
    weft_file *object;
    off_t at = 0;

    said("pipe", weft_pipe(fds, 0), wanted);
    said("socket", weft_socket(AF_INET, SOCK_STREAM, 0), wanted);
    said("socket now", weft_socket_nowait(AF_INET, SOCK_STREAM, 0), wanted);
    said("datagrams", weft_datagram_socket("127.0.0.1:0", NULL, NULL), wanted);
    said("listen", weft_listen_tcp("127.0.0.1:0", NULL), wanted);
    said("connect", weft_connect_tcp("127.0.0.1:9", NULL), wanted);
    said("open", weft_open("/tmp", O_RDONLY | O_DIRECTORY, 0), wanted);
    said("file", weft_file_open("/tmp/a", O_RDONLY, 0, NULL, &object), wanted);
    said("watch", weft_watch_open(&watch), wanted);
    said("signals", weft_signals_open(&number, 1, &signals), wanted);
    said("process", starts("/bin/exits", &process), wanted);
    said("splice", weft_stream_splice(streams[0], streams[1], 1, 0), wanted);
    said("sendfile", weft_sendfile(plain[0], file, &at, 1), wanted);
}

/* And have it, when there is room again. */
static void all_are_had(void)
{
    weft_process *process;
    weft_signals *signals;
    weft_watch *watch;

    same(weft_pipe(fds, 0), 0);
    same(weft_close(fds[0]), 0);
    same(weft_close(fds[1]), 0);
    same(weft_watch_open(&watch), 0);
    same(weft_watch_close(watch), 0);
    same(weft_signals_open(&number, 1, &signals), 0);
    same(weft_signals_close(signals), 0);
    same(starts("/bin/exits", &process), 0);
    same(weft_process_close(process), 0);
}

static int main_full(void *arg)
{
    static const enum weft__sim_knob knobs[] = {WEFT__SIM_FD_NONE, WEFT__SIM_FD_FULL};
    static const int errors[] = {-EMFILE, -ENFILE};
    int ends[2];

    (void)arg;
    file = weft_open("/tmp/a", O_RDWR | O_CREAT, 0600);
    ok(file);
    same(weft_write(file, "x", 1), 1);
    net_pair(&plain[0], &plain[1]);
    net_pair(&ends[0], &ends[1]);
    for (int i = 0; i < 2; i++)
        same(weft_stream_open(ends[i], NULL, &streams[i]), 0);
    for (int i = 0; i < 2; i++) {
        uint32_t open = weft__sim_world->fds_open;
        set(knobs[i], true);
        all_say(errors[i]);
        set(knobs[i], false);
        ck_assert_uint_eq(weft__sim_world->fds_open, open);
        all_are_had();
    }
    for (int i = 0; i < 2; i++) {
        same(weft_stream_abort(streams[i]), 0);
        same(weft_close(plain[i]), 0);
    }
    return weft_close(file);
}
TEST(no_descriptors)
{
    in_world("calm", main_full);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Not even for the run itself. */
TEST(no_run)
{
    int came[2] = {0, 0};

    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct world world = {.seed = seed, .plan = "calm bell.open=always", .task = nothing};
        int error;
        world.fails = true;
        error = world_run(&world);
        ck_assert(error == -EMFILE || error == -ENFILE || error == -ENOMEM);
        came[0] += error == -EMFILE;
        came[1] += error == -ENFILE;
    }
    ck_assert(came[0] > 0 && came[1] > 0);
}

/* A loop in a simulated world is in none of another kind. */
static int world_of_a_loop(void *arg)
{
    weft_loop *loop;

    (void)arg;
    same(weft_loop_new(&loop, NULL), 0);
    same(weft_loop_fd(loop), -ENOTSUP);
    return weft_loop_close(loop);
}
TEST(no_other_loop)
{
    struct world world = {.seed = 1, .plan = "calm"};

    same(world_run_fn(&world, world_of_a_loop, NULL), 0);
}

/* -- a machine that has no memory ---------------------------------------------------------------
 */

static int no_buffers; /* how often that was said */

/* For a call that the kernel answers at once. */
static int main_direct(void *arg)
{
    struct sockaddr_in to = net_loopback(9);
    int said, fd = weft_socket_nowait(AF_INET, SOCK_DGRAM, 0);
    char byte;

    (void)arg;
    set(WEFT__SIM_HOST_ERRNO, true);
    same(weft_socket(AF_INET, SOCK_STREAM, 0), -ENOMEM);
    same(weft_socket_nowait(AF_INET, SOCK_STREAM, 0), -ENOMEM);
    same(weft_datagram_socket("127.0.0.1:0", NULL, NULL), -ENOMEM);
    same(weft_bind(fd, (struct sockaddr *)&to, sizeof to), -ENOMEM);
    same(weft_connect_nowait(fd, (struct sockaddr *)&to, sizeof to), -ENOMEM);
    same(weft_recvfrom_nowait(fd, &byte, 1, 0, NULL, NULL), -ENOMEM);
    said = (int)weft_sendto_nowait(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to);
    ck_assert(said == -ENOMEM || said == -ENOBUFS);
    no_buffers += said == -ENOBUFS;
    set(WEFT__SIM_HOST_ERRNO, false);
    same(weft_connect_nowait(fd, (struct sockaddr *)&to, sizeof to), 0);
    same(weft_recvfrom_nowait(fd, &byte, 1, 0, NULL, NULL), -EAGAIN);
    same(weft_sendto_nowait(fd, "x", 1, 0, NULL, 0), 1);
    return weft_close_nowait(fd);
}
TEST(direct_calls)
{
    no_buffers = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world world = {.seed = seed, .plan = "calm", .task = main_direct};
        same(world_run(&world), 0);
    }
    ck_assert(no_buffers > 0 && no_buffers < 20);
}

/* -- networks ---------------------------------------------------------------------------------- */

static int serves(weft_stream *stream, void *arg)
{
    (void)stream, (void)arg;
    return 0;
}

/* There is nobody else in this world; ports below 1024 are not for everybody. */
static int main_network(void *arg)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(80)};
    const struct sockaddr *far = (const struct sockaddr *)&address;
    struct iovec vector = {"x", 1};
    struct msghdr message = {.msg_name = &address,
                             .msg_namelen = sizeof address,
                             .msg_iov = &vector,
                             .msg_iovlen = 1};
    weft_server *server;
    int fd;

    (void)arg;
    same(inet_pton(AF_INET, "198.51.100.7", &address.sin_addr), 1);
    fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    ok(fd);
    same(weft_connect(fd, far, sizeof address), -ENETUNREACH);
    same(weft_close(fd), 0);
    fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    ok(fd);
    same(weft_connect_until(fd, far, sizeof address, weft_after_ms(1000)), -ENETUNREACH);
    same(weft_cause(), WEFT_CAUSE_NONE);
    same(weft_close(fd), 0);
    fd = weft_socket(AF_INET, SOCK_DGRAM, 0);
    ok(fd);
    same(weft_sendto(fd, "x", 1, 0, far, sizeof address), -ENETUNREACH);
    same(weft_sendmsg(fd, &message, 0), -ENETUNREACH);
    same(weft_close(fd), 0);
    same(weft_datagram_socket("127.0.0.1:80", NULL, NULL), -EACCES);
    fd = weft_socket(AF_INET, SOCK_STREAM, 0);
    ok(fd);
    same(inet_pton(AF_INET, "127.0.0.1", &address.sin_addr), 1);
    same(weft_bind(fd, far, sizeof address), -EACCES);
    same(weft_close(fd), 0);
    same(weft_start_server(&server, "127.0.0.1:80", serves, NULL, NULL), -EACCES);
    same(weft_datagram_socket(NULL, "198.51.100.7:80", NULL), -ENETUNREACH);
    return 0;
}
TEST(network)
{
    in_world("calm", main_network);
}

/* More descriptors of this user's on their way than he may have open: none is sent. */
static int main_many_references(void *arg)
{
    int ends[2], got[1] = {-1};
    uint32_t count = 1;
    char byte;

    (void)arg;
    net_pair(&ends[0], &ends[1]);
    same(weft_sendmsg(ends[0],
                      &(struct msghdr){.msg_iov = &(struct iovec){"x", 1}, .msg_iovlen = 1}, 0),
         -ETOOMANYREFS);
    same(weft_send_all(ends[0], "y", 1, NULL), 1);
    same(weft_recv_fds(ends[1], &byte, 1, got, &count), 1);
    same(byte, 'y');
    same((int)count, 0);
    same(weft_close(ends[0]), 0);
    return weft_close(ends[1]);
}
TEST(many_references)
{
    in_world("calm sendmsg#1=ETOOMANYREFS", main_many_references);
}

/* Closed by close(2), and its number another listener's, while who accepts from it pauses for want
   of a descriptor: that one is not asked when the pause is over. */
static int accepts_nothing(void *arg)
{
    same(weft_accept(*(int *)arg, NULL, NULL, 0), -EBADF);
    return 0;
}

/* By a socket. */
static void take_number(int fd)
{
    int others[1024], count = 0;

    do {
        ck_assert_int_lt(count, 1024);
        others[count] = weft_socket_nowait(AF_INET, SOCK_STREAM, 0);
        ok(others[count]);
    } while (others[count++] != fd);
    for (int i = 0; i < count - 1; i++)
        same(weft_close_nowait(others[i]), 0);
}

static int main_lost_in_a_pause(void *arg)
{
    struct sockaddr_in address = net_loopback(0);
    int port, peer = -1, came = -1, listener = net_listen(&port);

    (void)arg;
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, accepts_nothing, &listener, sizeof listener, NULL), 0);
        while (net_stats().accept_backoffs == 0)
            same(weft_yield(), 0);
        weft__host_close(listener);
        take_number(listener);
        same(weft_bind(listener, (struct sockaddr *)&address, sizeof address), 0);
        same(weft_listen(listener, 8), 0);
        address = net_loopback(weft_local_port(listener));
        peer = weft_socket(AF_INET, SOCK_STREAM, 0);
        ok(peer);
        same(weft_connect(peer, (struct sockaddr *)&address, sizeof address), 0);
        came = weft_accept(listener, NULL, NULL, 0);
        ok(came);
    }
    same(weft_close(came), 0);
    same(weft_close(peer), 0);
    return weft_close(listener);
}
TEST(lost_in_a_pause)
{
    in_world("calm accept#1=EMFILE", main_lost_in_a_pause);
}

/* The linker leads these calls here (extra.cmake). What one of the options answers; 0: what it
 * would.
 */
static int told_of_option;

int __real_weft__host_setsockopt(int fd, int level, int option, const void *value,
                                 socklen_t length);
int __wrap_weft__host_setsockopt(int fd, int level, int option, const void *value,
                                 socklen_t length);
int __wrap_weft__host_setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
    if (told_of_option < 0 && level == IPPROTO_TCP && option == TCP_USER_TIMEOUT)
        return told_of_option;
    return __real_weft__host_setsockopt(fd, level, option, value, length);
}

static int main_options(void *arg)
{
    const char *refused = NULL;
    struct weft_socket_opt opt = {.size = sizeof opt,
                                  .keepalive_idle_s = 10,
                                  .user_timeout_ms = 1000,
                                  .refused = &refused};
    int fd = weft_socket(AF_INET, SOCK_STREAM, 0);

    (void)arg;
    ok(fd);
    for (int i = 0; i < 2; i++) {
        told_of_option = i ? -ENOMEM : -ENOPROTOOPT; /* which this kernel does not know */
        refused = NULL;
        same(weft_socket_set(fd, &opt), told_of_option);
        ck_assert_str_eq(refused, "TCP_USER_TIMEOUT");
    }
    told_of_option = 0;
    same(weft_socket_set(fd, &opt), 0);
    return weft_close(fd);
}
TEST(options)
{
    in_world("calm", main_options);
}

/* As many send from one buffer as can be counted: nothing is given, and the view is lent still. */
static int main_shared_buffer(void *arg)
{
    weft_stream *stream;
    struct weft__buffer *head;
    const void *data;
    uint16_t users;
    size_t size;
    int ends[2];

    (void)arg;
    net_pair(&ends[0], &ends[1]);
    same(weft_stream_open(ends[0], NULL, &stream), 0);
    same(weft_send_all(ends[1], "x", 1, NULL), 1);
    same(weft_stream_peek(stream, &data, &size, 0), 1);
    head = stream->head;
    users = head->users;
    head->users = UINT16_MAX;
    same(weft_stream_give(stream, stream, 1), -ENOBUFS);
    head->users = users;
    same(weft_stream_consume(stream, 0), 0);
    head->users = UINT16_MAX;
    same(weft_stream_splice(stream, stream, 1, 0), -ENOBUFS);
    head->users = users;
    same(weft_stream_splice(stream, stream, 1, 0), 1);
    same(weft_stream_close(stream), 0);
    return weft_close(ends[1]);
}
TEST(shared_buffer)
{
    in_world("calm", main_shared_buffer);
}

/* -- processes --------------------------------------------------------------------------------- */

/* It has another user's rights: signals are refused, and it goes on. */
static int main_foreign(void *arg)
{
    weft_process *process;

    (void)arg;
    same(starts("/bin/sleeps", &process), 0);
    set(WEFT__SIM_PROCESS_FOREIGN, true);
    same(weft_process_send_signal(process, SIGTERM), -EPERM);
    same(weft_process_terminate(process), -EPERM);
    same(weft_process_kill(process), -EPERM);
    same(weft_process_signal_group(process, SIGTERM), -EPERM);
    set(WEFT__SIM_PROCESS_FOREIGN, false);
    same(weft_process_poll(process, NULL), 0);
    same(weft_process_kill(process), 0);
    same(weft_process_wait(process, NULL), 0);
    return weft_process_close(process);
}
TEST(foreign)
{
    in_world("calm", main_foreign);
}

/* None to be had: no more processes, no memory; and nothing is left of it. */
static int main_none(void *arg)
{
    weft_process *process;
    uint32_t open = weft__sim_world->fds_open;
    int error;

    (void)arg;
    set(WEFT__SIM_PROCESS_NONE, true);
    error = starts("/bin/exits", &process);
    set(WEFT__SIM_PROCESS_NONE, false);
    ck_assert_uint_eq(weft__sim_world->fds_open, open);
    same(weft_sim_processes(), 0);
    same(starts("/bin/exits", &process), 0);
    same(weft_process_close(process), 0);
    return error;
}
TEST(none)
{
    int again = 0, memory = 0;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world world = {.seed = seed, .plan = "calm", .task = main_none, .fails = true};
        int error = world_run(&world);
        again += error == -EAGAIN;
        memory += error == -ENOMEM;
    }
    same(again + memory, 20);
    ck_assert(again > 0 && memory > 0);
}

/* Somebody waits for any child, and is told of its end before us. */
static int waits_for_any(void *arg)
{
    (void)arg;
    return weft_waitid(P_ALL, 0, NULL, WEXITED);
}
static int main_taken(void *arg)
{
    struct weft_process_output output = {.limit = 0};
    struct weft_process_status status;
    weft_process *other, *process;

    (void)arg;
    same(starts("/bin/sleeps", &other), 0);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, waits_for_any, NULL, 0, NULL));
        ok(weft_sleep(1000000));
        same(starts("/bin/exits", &process), 0);
        same(weft_process_communicate(process, NULL, 0, &output, NULL), -ECHILD);
        same(weft_process_output_free(&output), 0);
        same(weft_process_wait(process, &status), -ECHILD); /* nobody knows how, from then on */
        same(weft_process_poll(process, &status), -ECHILD);
        same(weft_waitid(P_PID, weft_process_pid(process), NULL, WEXITED), -ECHILD);
        same(weft_process_close(process), 0);
    }
    same(weft_process_kill(other), 0);
    return weft_process_close(other);
}
TEST(taken)
{
    in_world("calm", main_taken);
}

TEST_MAIN("sim/errors", 60, no_descriptors, no_run, no_other_loop, direct_calls, network,
          many_references, lost_in_a_pause, options, shared_buffer, foreign, none, taken)
