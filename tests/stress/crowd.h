/*
 * What the tests with crowds of connections share: an echo server for every reactor that counts
 * what it did, a peer in a process of its own, and a histogram.
 *
 * The server runs in the case's process, whose descriptors the fixture counts. The peer is forked
 * before weft_run, reports over a socket pair and never uses Check: it says on stderr what is wrong
 * and exits with 1, which the server's side then sees.
 */
#ifndef WEFT_TESTS_STRESS_CROWD_H
#define WEFT_TESTS_STRESS_CROWD_H

#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "io/buffers.h"
#include "reactor/reactor.h"
#include "support/net.h"

#if defined(__SANITIZE_ADDRESS__)
#define CROWD_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define CROWD_SANITIZED 1
#endif
#endif
#ifndef CROWD_SANITIZED
#define CROWD_SANITIZED 0
#endif

enum { CROWD_POLL_NS = 1000000, CROWD_REACTORS_MAX = 2 };

static inline void crowd_need_descriptors(rlim_t count)
{
    struct rlimit limit;

    ok(getrlimit(RLIMIT_NOFILE, &limit));
    ck_assert_msg(limit.rlim_max >= count, "%llu descriptors are needed, the limit is %llu",
                  (unsigned long long)count, (unsigned long long)limit.rlim_max);
    limit.rlim_cur = limit.rlim_max;
    ok(setrlimit(RLIMIT_NOFILE, &limit));
}

/* -- the peer's process ---------------------------------------------------------------------- */

#define peer_must(condition, ...)                                                                  \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: the peer: ", __FILE__, __LINE__);                              \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

struct crowd_peer {
    pid_t pid;
    int control; /* a stream socket to it */
};

/* In the peer's process `run` is called with the other end, and its result is the exit code. */
static inline struct crowd_peer crowd_fork(int (*run)(int control, const void *context),
                                           const void *context)
{
    int ends[2];
    struct crowd_peer peer;

    ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    peer.pid = fork();
    ok(peer.pid);
    if (peer.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        _exit(run(ends[1], context));
    }
    close(ends[1]);
    peer.control = ends[0];
    return peer;
}

/* After weft_run, or where the reactor may wait. */
static inline void crowd_join(struct crowd_peer *peer)
{
    int status;

    ck_assert_int_eq(close(peer->control), 0);
    ck_assert_int_eq(waitpid(peer->pid, &status, 0), peer->pid);
    ck_assert_int_eq(status, 0);
}

/* Both sides of the control socket: a word at a time, in step. The peer's side blocks. */
static inline void peer_tell(int control, int word)
{
    peer_must(write(control, &word, sizeof word) == sizeof word, "telling %d: %m", word);
}

static inline int peer_hear(int control)
{
    int word = 0;

    peer_must(read(control, &word, sizeof word) == sizeof word, "hearing: %m");
    return word;
}

static inline void crowd_tell(const struct crowd_peer *peer, int word)
{
    ck_assert_int_eq(weft_send_all(peer->control, &word, sizeof word, NULL), sizeof word);
}

static inline int crowd_hear(const struct crowd_peer *peer)
{
    int word = 0;

    ck_assert_msg(weft_recv_exactly(peer->control, &word, sizeof word, NULL) == sizeof word,
                  "the peer has failed and said why");
    return word;
}

/* -- the server ------------------------------------------------------------------------------ */

struct crowd_server {
    char address[64];
    bool streams;
    bool shared_port;            /* a listener per reactor */
    _Atomic(uint32_t) listening; /* reactors */
    _Atomic(uint64_t) accepted;
    _Atomic(uint64_t) alive; /* conversations */
    _Atomic(uint64_t) alive_max;
    _Atomic(uint64_t) resets; /* conversations that the peer's reset ended */
    _Atomic(uint64_t) bytes;  /* sent back */
    _Atomic(uint64_t) errors; /* conversations that ended in another way */
    _Atomic(int) last_error;
};

struct crowd_connection {
    struct crowd_server *server;
    int fd;
};

static inline ssize_t crowd_echo_plain(struct crowd_server *server, int fd)
{
    char piece[4096];
    ssize_t n;

    while ((n = weft_recv(fd, piece, sizeof piece, WEFT_IDLE)) > 0) {
        n = weft_send_all(fd, piece, (size_t)n, NULL);
        if (n < 0)
            break;
        atomic_fetch_add_explicit(&server->bytes, (uint64_t)n, memory_order_relaxed);
    }
    ck_assert_int_eq(weft_close(fd), 0);
    return n;
}

static inline ssize_t crowd_echo_stream(struct crowd_server *server, int fd)
{
    weft_stream *stream;
    const void *data;
    size_t size;
    ssize_t n;

    ck_assert_int_eq(weft_stream_open(fd, NULL, &stream), 0);
    while ((n = weft_stream_peek(stream, &data, &size, WEFT_IDLE)) > 0) {
        n = weft_stream_write(stream, data, size, NULL);
        if (n < 0)
            break;
        ck_assert_int_eq(weft_stream_consume(stream, size), 0);
        atomic_fetch_add_explicit(&server->bytes, size, memory_order_relaxed);
    }
    ck_assert_int_eq(weft_stream_close(stream), 0);
    return n;
}

static inline int crowd_converse(void *arg)
{
    struct crowd_connection *connection = arg;
    struct crowd_server *server = connection->server;
    ssize_t n = server->streams ? crowd_echo_stream(server, connection->fd)
                                : crowd_echo_plain(server, connection->fd);

    if (n == -ECONNRESET || n == -EPIPE) {
        atomic_fetch_add(&server->resets, 1);
    } else if (n < 0) {
        atomic_fetch_add(&server->errors, 1);
        atomic_store(&server->last_error, (int)n);
    }
    atomic_fetch_sub(&server->alive, 1);
    return 0;
}

static inline void crowd_count_up(struct crowd_server *server)
{
    uint64_t alive = atomic_fetch_add(&server->alive, 1) + 1;
    uint64_t most = atomic_load(&server->alive_max);

    while (alive > most && !atomic_compare_exchange_weak(&server->alive_max, &most, alive))
        continue;
    atomic_fetch_add(&server->accepted, 1);
}

/* Serves on the calling reactor until it is drained. */
static inline int crowd_serve(void *arg)
{
    struct crowd_server *server = *(struct crowd_server **)arg;
    struct weft_listen_opt opt = {.size = sizeof opt, .reuse_port = server->shared_port};
    struct crowd_connection connection = {.server = server};
    int listener = weft_listen_tcp(server->address, &opt);

    ck_assert_msg(listener >= 0, "%s: %s", server->address, strerror(-listener));
    atomic_fetch_add(&server->listening, 1);
    WEFT_SCOPE(conversations) {
        while ((connection.fd = weft_accept(listener, NULL, NULL, 0)) >= 0) {
            crowd_count_up(server);
            ok(weft_spawn(&conversations, crowd_converse, &connection, sizeof connection, NULL));
        }
        ck_assert_int_eq(connection.fd, -ESHUTDOWN);
    }
    return weft_close(listener);
}

/* Gives `server` an address nobody has. */
static inline void crowd_name(struct crowd_server *server, bool local)
{
    static int number;
    int port, listener;

    if (local) {
        snprintf(server->address, sizeof server->address, "unix:@weft-crowd-%d-%d", (int)getpid(),
                 number++);
        return;
    }
    listener = net_listen(&port);
    ok(weft_close(listener));
    snprintf(server->address, sizeof server->address, "127.0.0.1:%d", port);
}

/* What a reactor holds. */
struct crowd_holdings {
    uint64_t tasks, ops, timers, buffers;
};

static inline int crowd_look(void *arg)
{
    struct crowd_holdings *holdings = *(struct crowd_holdings **)arg;
    struct weft_stats stats = net_stats();

    holdings->tasks = stats.tasks_alive;
    holdings->ops = stats.ops_in_flight;
    /* the one that gives memory back comes when it likes */
    holdings->timers = stats.timers_alive - weft__timer_armed(&weft__self->trim.timer);
    holdings->buffers = weft__buffers_held(weft__self);
    ck_assert_uint_eq(stats.unknown_completions, 0);
    return 0;
}

static inline void crowd_count(struct crowd_holdings holdings[CROWD_REACTORS_MAX])
{
    for (uint32_t i = 0; i < weft_reactors(); i++) {
        struct crowd_holdings *slot = &holdings[i];
        ck_assert_int_eq(weft_call(i, crowd_look, &slot, sizeof slot), 0);
    }
}

static inline void crowd_compare(const struct crowd_holdings before[CROWD_REACTORS_MAX])
{
    struct crowd_holdings after[CROWD_REACTORS_MAX];

    crowd_count(after);
    for (uint32_t i = 0; i < weft_reactors(); i++) {
        ck_assert_uint_eq(after[i].tasks, before[i].tasks);
        ck_assert_uint_eq(after[i].ops, before[i].ops);
        ck_assert_uint_eq(after[i].timers, before[i].timers);
        ck_assert_uint_eq(after[i].buffers, before[i].buffers);
    }
}

/* The server on every reactor, in `scope`; returns when all listen. */
static inline void crowd_start(weft_scope *scope, struct crowd_server *server)
{
    server->shared_port = weft_reactors() > 1;
    for (uint32_t i = 0; i < weft_reactors(); i++) {
        struct weft_spawn_opt opt = {sizeof opt, .reactor = WEFT_ON((int)i)};
        ok(weft_spawn(scope, crowd_serve, &server, sizeof server, &opt));
    }
    while (atomic_load(&server->listening) < weft_reactors())
        ok(weft_sleep(CROWD_POLL_NS));
}

/* Waits until every connection that the kernel holds has been accepted and has ended. */
static inline void crowd_settle(struct crowd_server *server, uint64_t accepted)
{
    int64_t give_up = weft_after_ms(60000);

    while ((atomic_load(&server->accepted) < accepted || atomic_load(&server->alive) > 0) &&
           weft_now() < give_up)
        ok(weft_sleep(CROWD_POLL_NS));
}

static inline void crowd_assert_clean(struct crowd_server *server)
{
    ck_assert_uint_eq(atomic_load(&server->alive), 0);
    ck_assert_msg(atomic_load(&server->errors) == 0, "%llu conversations failed, the last with %s",
                  (unsigned long long)atomic_load(&server->errors),
                  strerror(-atomic_load(&server->last_error)));
}

/* -- a histogram of times -------------------------------------------------------------------- */

enum { CROWD_SUB_BITS = 5, CROWD_SUBS = 1 << CROWD_SUB_BITS, CROWD_BUCKETS = 64 * CROWD_SUBS };

struct crowd_times {
    uint64_t counts[CROWD_BUCKETS];
    uint64_t count;
    uint64_t max;
};

/* Log-linear: 32 steps for each power of two, an error of 3 %. */
static inline unsigned crowd_bucket(uint64_t ns)
{
    unsigned shift;

    if (ns < CROWD_SUBS)
        return (unsigned)ns;
    shift = 63u - (unsigned)__builtin_clzll(ns) - CROWD_SUB_BITS;
    return (shift + 1) * CROWD_SUBS + (unsigned)(ns >> shift) - CROWD_SUBS;
}

static inline void crowd_time(struct crowd_times *times, int64_t ns)
{
    uint64_t value = ns > 0 ? (uint64_t)ns : 0;

    times->counts[crowd_bucket(value)]++;
    times->count++;
    if (value > times->max)
        times->max = value;
}

/* The `share` quantile in microseconds, the upper edge of its bucket. */
static inline double crowd_quantile_us(const struct crowd_times *times, double share)
{
    uint64_t rank = (uint64_t)((double)times->count * share), seen = 0;

    for (unsigned i = 0; i < CROWD_BUCKETS; i++) {
        unsigned shift = i < CROWD_SUBS ? 0 : i / CROWD_SUBS - 1;
        uint64_t edge = i < CROWD_SUBS ? i : (uint64_t)(i % CROWD_SUBS + CROWD_SUBS + 1) << shift;
        seen += times->counts[i];
        if (seen > rank)
            return (double)(edge < times->max ? edge : times->max) / 1e3;
    }
    return (double)times->max / 1e3;
}

#endif
