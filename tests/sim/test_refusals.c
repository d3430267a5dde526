/*
 * Each call that the library makes of its host and its ring, refused: the first, the second, and so
 * on, until there is no such call. The program opens, connects, accepts, moves bytes and closes
 * with every option there is, on two reactors.
 *
 * What it would catch: an error that is lost or told as another one; a descriptor, an allocation or
 * a mapping that stays behind; a run that does not end. Where the library can do without what was
 * refused, the run may succeed.
 *
 * What fails is printed as the name of the call and its number.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <weft/sim.h>
#include <weft/weft.h>

#include "base/memory.h"
#include "coro/overflow.h"
#include "ring/host.h"
#include "ring/ring.h"
#include "sim/world.h"
#include "support/test.h"

/* -- where the refusals are put in (the linker leads these calls here) ---------------------------
 */

/* `told`: whoever asked for it is to get this very error. */
#define CALLS(CALL)                                                                                \
    CALL(bind, weft__host_bind, true, (int fd, const struct sockaddr *address, socklen_t length),  \
         (fd, address, length), EACCES)                                                            \
    CALL(listen, weft__host_listen, true, (int fd, int backlog), (fd, backlog), ENOBUFS)           \
    CALL(getsockname, weft__host_getsockname, true,                                                \
         (int fd, struct sockaddr *address, socklen_t *length), (fd, address, length), ENOBUFS)    \
    CALL(getpeername, weft__host_getpeername, false,                                               \
         (int fd, struct sockaddr *address, socklen_t *length), (fd, address, length), ENOTCONN)   \
    CALL(setsockopt, weft__host_setsockopt, false,                                                 \
         (int fd, int level, int option, const void *value, socklen_t length),                     \
         (fd, level, option, value, length), ENOPROTOOPT)                                          \
    CALL(getsockopt, weft__host_getsockopt, false,                                                 \
         (int fd, int level, int option, void *value, socklen_t *length),                          \
         (fd, level, option, value, length), ENOPROTOOPT)                                          \
    CALL(fcntl, weft__host_fcntl, false, (int fd, int command, long argument),                     \
         (fd, command, argument), EACCES)                                                          \
    CALL(chmod, weft__host_chmod, true, (const char *path, uint32_t mode), (path, mode), EPERM)    \
    CALL(shutdown, weft__host_shutdown, true, (int fd, int how), (fd, how), ENOTCONN)              \
    CALL(ring, weft__ring_open, true,                                                              \
         (struct weft__ring * ring, const struct weft__ring_opt *opt), (ring, opt), EPERM)         \
    CALL(bell, weft__bell_open, true,                                                              \
         (struct weft__bell * bell, struct weft__ring * ring, uint64_t token),                     \
         (bell, ring, token), ENFILE)                                                              \
    CALL(buffers, weft__buffer_ring_open, false,                                                   \
         (struct weft__ring * ring, struct weft__buffer_ring * buffers, uint16_t group,            \
          uint32_t count),                                                                         \
         (ring, buffers, group, count), ENOMEM)                                                    \
    CALL(file, weft__ring_file_hold, false, (struct weft__ring * ring, int fd), (ring, fd),        \
         ENFILE)                                                                                   \
    CALL(memory, weft__ring_memory_hold, false,                                                    \
         (struct weft__ring * ring, uint32_t index, void *memory, size_t size),                    \
         (ring, index, memory, size), ENOMEM)                                                      \
    CALL(handlers, weft__overflow_install, true, (void), (), EPERM)                                \
    CALL(signal_stack, weft__overflow_thread_begin, true, (struct weft__overflow_thread * thread), \
         (thread), ENOMEM)                                                                         \
    CALL(stack, weft__stack_take_fresh, true,                                                      \
         (struct weft__stack_pool * pool, unsigned index, uint32_t *slot), (pool, index, slot),    \
         ENOMEM)                                                                                   \
    CALL(stacks, weft__stack_pool_open, true,                                                      \
         (struct weft__stack_pool * pool, const struct weft__stack_pool_opt *opt), (pool, opt),    \
         ENOMEM)

#define NUMBER(name, ...) CALL_##name,
enum call {
    CALLS(NUMBER) CALL_socket,
    CALL_thread,
    CALL_worker,
    CALL_COUNT,
    ALLOCATION = CALL_COUNT,
    RESERVATION,
    KINDS
};

#define ENTRY(name, function, told, parameters, arguments, error) {#name, told, -(error)},
static const struct {
    const char *name;
    bool told;
    int error;
} calls[KINDS] = {CALLS(ENTRY){"socket", true, -EMFILE},
                  {"thread", true, -EAGAIN},
                  {"worker", false, -EAGAIN},
                  {"allocation", false, -ENOMEM},
                  {"reservation", false, -ENOMEM}};

static struct {
    enum call refused;
    unsigned at; /* 0: none */
    unsigned counts[KINDS];
} now;

static bool no_v6;

static bool refuses(enum call call)
{
    return ++now.counts[call] == now.at && call == now.refused;
}

/* The one with a second way to fail. */
int __real_weft__host_socket(int domain, int type, int protocol);
int __wrap_weft__host_socket(int domain, int type, int protocol);
int __wrap_weft__host_socket(int domain, int type, int protocol)
{
    if (no_v6 && domain == AF_INET6)
        return -EAFNOSUPPORT;
    return refuses(CALL_socket) ? calls[CALL_socket].error
                                : __real_weft__host_socket(domain, type, protocol);
}

/* Threads of reactors, and those of pools, which can do without. */
int __real_weft__host_thread_start(struct weft__thread **thread, void *(*fn)(void *), void *arg,
                                   const char *name);
int __wrap_weft__host_thread_start(struct weft__thread **thread, void *(*fn)(void *), void *arg,
                                   const char *name);
int __wrap_weft__host_thread_start(struct weft__thread **thread, void *(*fn)(void *), void *arg,
                                   const char *name)
{
    enum call call = strcmp(name, "weft-io") == 0 ? CALL_worker : CALL_thread;

    return refuses(call) ? calls[call].error
                         : __real_weft__host_thread_start(thread, fn, arg, name);
}

#define WRAPPER(name, function, told, parameters, arguments, error)                                \
    int __real_##function parameters;                                                              \
    int __wrap_##function parameters;                                                              \
    int __wrap_##function parameters                                                               \
    {                                                                                              \
        return refuses(CALL_##name) ? -(error) : __real_##function arguments;                      \
    }
CALLS(WRAPPER)

void *__real_weft__host_reserve(size_t size);
void *__wrap_weft__host_reserve(size_t size);
void *__wrap_weft__host_reserve(size_t size)
{
    return refuses(RESERVATION) ? NULL : __real_weft__host_reserve(size);
}

/* -- the program ---------------------------------------------------------------------------------
 */

static int listen_and_close(const char *address, const struct weft_listen_opt *opt)
{
    int fd = weft_listen_tcp(address, opt);

    if (strncmp(address, "unix:", 5) == 0) /* there is a file if there was a socket */
        ck_assert_int_eq(weft__host_unlink(address + 5), fd < 0 ? -ENOENT : 0);
    return fd < 0 ? fd : weft_close(fd);
}

static int connect_with_everything(int port)
{
    const struct weft_socket_opt opt = {.size = sizeof opt,
                                        .keepalive = true,
                                        .reset_on_close = true,
                                        .receive_buffer_size = 65536,
                                        .send_buffer_size = 65536,
                                        .user_timeout_ms = 60000};
    char address[32];

    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    return weft_connect_tcp(address, &opt);
}

/* Who comes and cannot be dressed as asked for is passed over: then nobody else comes. */
static int accept_with_everything(int listener)
{
    const struct weft_scope_opt limit = {.size = sizeof limit, .deadline = weft_after_ms(1000)};
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    weft_scope scope;
    int fd, error = weft_scope_open(&scope, &limit);

    if (error < 0)
        return error;
    fd = weft_accept(listener, (struct sockaddr *)&address, &length, SOCK_NONBLOCK);
    error = weft_scope_close(&scope);
    if (fd >= 0 && error < 0)
        weft_close(fd);
    return error < 0 ? error : fd;
}

static int send_and_receive(int from, int to)
{
    char bytes[64] = "twice the same";
    ssize_t n = weft_send_all(from, bytes, sizeof bytes, NULL);

    if (n >= 0)
        n = weft_recv(to, bytes, sizeof bytes / 2, MSG_WAITALL);
    if (n >= 0)
        n = weft_recv_exactly(to, bytes, sizeof bytes / 2, NULL);
    return n < 0 ? (int)n : 0;
}

static ssize_t peek_and_give(weft_stream *stream, size_t size)
{
    ssize_t n = 0;

    for (size_t given = 0, seen = 0; given < size && n >= 0; given += seen) {
        const void *data;
        n = weft_stream_peek(stream, &data, &seen, 0);
        if (n > 0)
            n = weft_stream_give(stream, stream, seen);
    }
    return n;
}

/* There and back, often enough for the ring to hold the file; then both ways are ended. */
static int use_stream(weft_stream *stream, int peer)
{
    char bytes[64] = "";
    ssize_t n = 0;

    for (int i = 0; i < 20 && n >= 0; i++) {
        n = weft_send_all(peer, bytes, sizeof bytes, NULL);
        if (n >= 0 && i == 3)
            n = peek_and_give(stream, sizeof bytes);
        else if (n >= 0)
            n = weft_stream_read_exactly(stream, bytes, sizeof bytes, NULL);
        if (n >= 0 && i != 3)
            n = weft_stream_write(stream, bytes, sizeof bytes, NULL);
        if (n >= 0)
            n = weft_recv_exactly(peer, bytes, sizeof bytes, NULL);
    }
    if (n >= 0)
        n = weft_shutdown(peer, SHUT_WR);
    if (n >= 0)
        n = weft_stream_read(stream, bytes, sizeof bytes, 0);
    return n < 0 ? (int)n : weft_stream_shutdown(stream);
}

static int stream_and_close(int fd, int peer)
{
    weft_stream *stream;
    int result = weft_stream_open(fd, NULL, &stream);

    if (result < 0) {
        weft_close(fd);
        return result;
    }
    result = use_stream(stream, peer);
    weft_stream_close(stream);
    return result;
}

static int connection(int listener, int port)
{
    int here = connect_with_everything(port), there, result;

    if (here < 0)
        return here;
    there = accept_with_everything(listener);
    result = there;
    if (result >= 0)
        result = weft_socket_set(there, NULL);
    if (result >= 0)
        result = send_and_receive(here, there);
    if (result >= 0)
        result = stream_and_close(there, here);
    else if (there >= 0)
        weft_close(there);
    weft_close(here);
    return result;
}

/* Of the pool, and more than it has in one piece. */
static int take_file_memory(void)
{
    void *memory = NULL, *more = NULL;
    int result = weft_file_memory_take(1, &memory);

    if (result >= 0)
        result = weft_file_memory_take(3 << 20, &more);
    weft_file_memory_put(more);
    weft_file_memory_put(memory);
    return result;
}

static void callback(void *arg)
{
    (void)arg;
}

/* What is kept for later: callbacks, posts, a trace. */
static int keep_small_things(void)
{
    weft_inbox *inbox = weft_inbox_here();
    int result = weft_trace(16);

    if (result >= 0)
        result = weft_call_soon(callback, NULL, NULL);
    if (result >= 0)
        result = weft_call_later(1000, callback, NULL, NULL);
    if (result >= 0)
        result = weft_post(inbox, callback, NULL, NULL);
    if (result >= 0)
        result = weft_cancel_post(inbox, (weft_task){0, 0});
    weft_inbox_put(inbox);
    return result;
}

static int yields(void *arg)
{
    (void)arg;
    return weft_yield();
}

/* More than the ready queue has room for at first. */
static int ready_a_crowd(void)
{
    weft_scope scope;
    int error, result = weft_scope_open(&scope, NULL);

    for (int i = 0; i < 300 && result >= 0; i++)
        result = weft_spawn(&scope, yields, NULL, 0, NULL);
    error = weft_scope_close(&scope);
    return result < 0 ? result : error;
}

static int everything(void *arg)
{
    const struct weft_listen_opt v6 = {.size = sizeof v6, .reuse_port = true, .v6_only = true};
    const struct weft_listen_opt local = {.size = sizeof local, .mode = 0600};
    const struct weft_listen_opt v4 = {.size = sizeof v4, .backlog = 5, .turn_away = true};
    int listener, port, result = listen_and_close("[::1]:0", &v6);

    (void)arg;
    if (result >= 0)
        result = ready_a_crowd();
    if (result >= 0)
        result = keep_small_things();
    if (result >= 0)
        result = take_file_memory();
    if (result >= 0)
        result = listen_and_close("unix:/run/everything", &local);
    if (result < 0)
        return result;
    listener = weft_listen_tcp("127.0.0.1:0", &v4);
    if (listener < 0)
        return listener;
    port = weft_local_port(listener);
    result = port < 0 ? port : connection(listener, port);
    weft_close(listener);
    return result;
}

static int on_both(void *arg)
{
    int result = everything(arg);

    return result < 0 ? result : weft_call(1, everything, NULL, 0);
}

/* -- one run -------------------------------------------------------------------------------------
 */

static int result_of_run;

static int run_on_two(void)
{
    const struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    return weft_run(on_both, NULL, 0, &opt);
}

static int turn_loop(weft_loop *loop)
{
    int result = weft_loop_create_task(loop, yields, NULL, 0, NULL);

    if (result >= 0)
        result = weft_loop_call_soon(loop, callback, NULL, NULL);
    if (result >= 0)
        result = weft_loop_call_later(loop, 1000, callback, NULL, NULL);
    return result < 0 ? result : weft_loop_run(loop, everything, NULL, 0);
}

static int run_in_loop(void)
{
    char why[100] = "";
    const struct weft_run_opt opt = {.size = sizeof opt,
                                     .stop_on_sigterm = true,
                                     .error_text = why,
                                     .error_text_size = sizeof why};
    weft_loop *loop;
    int error, result = weft_loop_new(&loop, &opt);

    if (result < 0)
        return result;
    result = turn_loop(loop);
    error = weft_loop_close(loop);
    return result < 0 ? result : error;
}

static int (*program)(void);

static int in_world(void *arg)
{
    (void)arg;
    result_of_run = program();
    ck_assert_uint_eq(weft__sim_world->fds_open, 0);
    return 0;
}

static void run(const char *plan, enum call refused, unsigned at)
{
    const struct weft_sim_opt opt = {.size = sizeof opt, .seed = 1, .plan = plan};
    size_t allocations = test_live_allocations(), mapped = test_mapped_bytes();

    memset(&now, 0, sizeof now);
    now.refused = refused;
    now.at = at;
    result_of_run = 1;
    if (refused == ALLOCATION)
        weft__alloc_fail_after(at);
    ck_assert_int_eq(weft_sim_run(&opt, in_world, NULL, NULL), 0);
    weft__alloc_fail_after(0);
    ck_assert_uint_eq(test_live_allocations(), allocations);
    ck_assert_uint_eq(test_mapped_bytes(), mapped);
}

static void check_result(enum call refused, unsigned at)
{
    int error = calls[refused].error;
    bool right = result_of_run == error;

    if (refused ==
        CALL_getsockopt) /* who cannot say that it is a stream socket is none, or a pipe */
        right |= result_of_run == -EINVAL || result_of_run == -ENOTSOCK;
    if (!calls[refused].told)
        right |= result_of_run >= 0 || result_of_run == -ETIMEDOUT;
    if (!right)
        ck_abort_msg("%s number %u: the run came to %s", calls[refused].name, at,
                     result_of_run < 0 ? strerror(-result_of_run) : "a good end");
}

/* Each call of a kind refused, until there is none. Some call there must be. */
static void refuse_each(enum call kind, const char *plan, unsigned count)
{
    ck_assert_uint_gt(count, 0);
    for (unsigned at = 1; at <= count; at++) {
        run(plan, kind, at);
        check_result(kind, at);
    }
}

static const char *const plans[] = {"calm net.latency=0", "rough net.lost=0 net.latency=0"};

static void refuse_all(void)
{
    for (int p = 0; p < 2; p++) {
        unsigned counts[KINDS];

        run(plans[p], KINDS, 0);
        ck_assert_int_ge(result_of_run, 0);
        memcpy(counts, now.counts, sizeof counts);
        for (enum call kind = 0; kind < CALL_COUNT; kind++)
            if (kind != CALL_thread || program == run_on_two)
                refuse_each(kind, plans[p], counts[kind]);
        refuse_each(RESERVATION, plans[p], counts[RESERVATION]);
    }
}

static void refuse_allocations(void)
{
    uint64_t before = weft__alloc_count();

    run(plans[0], KINDS, 0);
    refuse_each(ALLOCATION, plans[0], (unsigned)(weft__alloc_count() - before));
}

TEST(calls_of_a_run)
{
    program = run_on_two;
    refuse_all();
}

TEST(allocations_of_a_run)
{
    program = run_on_two;
    refuse_allocations();
}

TEST(calls_of_a_loop)
{
    program = run_in_loop;
    refuse_all();
}

TEST(allocations_of_a_loop)
{
    program = run_in_loop;
    refuse_allocations();
}

/* -- a system without IPv6
 * ------------------------------------------------------------------------- */

/* Every address there is are those of IPv4 then; one of IPv6 is refused. */
static int listen_without_v6(void *arg)
{
    int listener, fd;
    char address[32];

    (void)arg;
    ck_assert_int_eq(weft_listen_tcp("[::1]:0", NULL), -EAFNOSUPPORT);
    listener = weft_listen_tcp(":0", NULL);
    ck_assert_int_ge(listener, 0);
    snprintf(address, sizeof address, "127.0.0.1:%d", weft_local_port(listener));
    fd = weft_connect_tcp(address, NULL);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(weft_close(fd), 0);
    return weft_close(listener);
}

static int run_without_v6(void)
{
    no_v6 = true;
    return weft_run(listen_without_v6, NULL, 0, NULL);
}

TEST(without_ipv6)
{
    program = run_without_v6;
    run(plans[0], KINDS, 0);
    ck_assert_int_eq(result_of_run, 0);
}

TEST_MAIN("sim/refusals", 300, calls_of_a_run, allocations_of_a_run, calls_of_a_loop,
          allocations_of_a_loop, without_ipv6)
