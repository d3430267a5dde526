/*
 * Everything that can befall a server of connections, at random and for long: ten minutes with
 * WEFT_LONG, some seconds without. The server is stopped and started again and again, by a drain, a
 * cancellation, weft_stop or by its main task's end, on one reactor or two, with a listener that
 * survives or a new one; each conversation is held in one of several ways. The peers, in another
 * process, connect, talk, hang up, reset, read slowly, wait with deadlines of a millisecond, and
 * are cancelled in the middle.
 *
 * What must hold: every byte that comes back is the right one; a call fails only in the ways that
 * what happened allows; every conversation that began is counted once at its end; after each run
 * the process has the descriptors and the allocations it had before.
 */
#include "crowd.h"

enum {
    WORKERS = CROWD_SANITIZED ? 20 : 100, /* peers at a time */
    SOAK_LONG_S = 600,
    SOAK_S = 5,
    PEER_RUN_MS = 15000, /* the peers' process starts again, too */
    LARGE = 200000,      /* bytes of a large message: more than the sockets hold */
    LATER_MAX = 20000,   /* bytes not read yet when more is sent: less than they hold */
};

static uint64_t random_state = 1;

/* Below `most`. Of the calling thread's reactors any: what matters is that it is anything. */
static uint64_t dice(uint64_t most)
{
    uint64_t x = __atomic_add_fetch(&random_state, UINT64_C(0x9e3779b97f4a7c15), __ATOMIC_RELAXED);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (x ^ x >> 31) % most;
}

static int64_t within_ms(uint64_t most)
{
    return weft_now() + (int64_t)dice(most * 1000000);
}

struct soak {
    char tcp[64];
    char local[64];
    int64_t end;
};

/* -- the server's conversations -------------------------------------------------------------- */

enum ending { BY_DRAIN, BY_CANCEL, BY_STOP, BY_RETURN, ENDINGS };

static struct {
    const struct soak *soak;
    enum ending ending;
    int listener; /* of the Unix socket, when it survived the last run; else -1 */
    bool keep;    /* it is to survive this one */
    _Atomic(uint64_t) accepted, begun, ended, dropped, bytes, timeouts;
    uint64_t runs[ENDINGS];
} server = {.listener = -1};

static bool is_expected(ssize_t error)
{
    return error == -ECONNRESET || error == -EPIPE || error == -ECANCELED || error == -ESHUTDOWN ||
           error == -ETIMEDOUT;
}

static ssize_t send_back(int fd, const void *bytes, ssize_t size)
{
    if (size > 0)
        atomic_fetch_add_explicit(&server.bytes, (uint64_t)size, memory_order_relaxed);
    return size > 0 ? weft_send_all(fd, bytes, (size_t)size, NULL) : size;
}

static ssize_t echo(int fd)
{
    char piece[4096];
    ssize_t n;

    while ((n = send_back(fd, piece, weft_recv(fd, piece, sizeof piece, WEFT_IDLE))) > 0)
        ;
    return n;
}

/* Gives up waiting every few milliseconds, and tries again. */
static ssize_t echo_impatiently(int fd)
{
    char piece[4096];
    ssize_t n;

    do {
        n = weft_recv_until(fd, piece, sizeof piece, WEFT_IDLE, within_ms(3));
        if (n == -ETIMEDOUT)
            atomic_fetch_add(&server.timeouts, 1);
        else
            n = send_back(fd, piece, n);
    } while (n > 0 || n == -ETIMEDOUT);
    return n;
}

static ssize_t echo_slowly(int fd)
{
    char piece[16384];
    ssize_t n;

    do {
        n = weft_sleep((int64_t)dice(3000000));
        if (n == 0)
            n = send_back(fd, piece, weft_recv(fd, piece, sizeof piece, WEFT_IDLE));
    } while (n > 0);
    return n;
}

/* Cut by a deadline in the middle of whatever it does. */
static ssize_t echo_for_a_while(int fd)
{
    struct weft_scope_opt opt = {.size = sizeof opt, .deadline = within_ms(100)};
    weft_scope scope;
    ssize_t n;
    int edge;

    ck_assert_int_eq(weft_scope_open(&scope, &opt), 0);
    n = echo(fd);
    edge = weft_scope_close(&scope);
    ck_assert_msg(edge == 0 || edge == -ETIMEDOUT || edge == -ECANCELED, "the edge said %d", edge);
    ck_assert(n != -ECANCELED || edge < 0);
    return n;
}

static ssize_t stream_views(weft_stream *stream)
{
    const void *data;
    size_t size;
    ssize_t n;

    while ((n = weft_stream_peek(stream, &data, &size, WEFT_IDLE)) > 0) {
        atomic_fetch_add_explicit(&server.bytes, size, memory_order_relaxed);
        n = weft_stream_write(stream, data, size, NULL);
        ck_assert_int_eq(weft_stream_consume(stream, size), 0);
        if (n < 0 || (dice(8) == 0 && (n = weft_sleep((int64_t)dice(3000000))) < 0))
            break;
    }
    return n;
}

static ssize_t stream_reads(weft_stream *stream)
{
    char piece[4096];
    ssize_t n;

    do {
        n = weft_stream_read_until_time(stream, piece, 1 + dice(sizeof piece), WEFT_IDLE,
                                        within_ms(3));
        if (n > 0) {
            atomic_fetch_add_explicit(&server.bytes, (uint64_t)n, memory_order_relaxed);
            n = weft_stream_write(stream, piece, (size_t)n, NULL);
        }
    } while (n > 0 || n == -ETIMEDOUT);
    return n;
}

static ssize_t stream_conversation(int fd)
{
    struct weft_stream_opt opt = {.size = sizeof opt, .held_max = dice(2) ? 0 : 8192};
    weft_stream *stream;
    ssize_t n;

    ck_assert_int_eq(weft_stream_open(fd, &opt, &stream), 0);
    n = dice(2) ? stream_views(stream) : stream_reads(stream);
    ck_assert_int_eq(dice(4) ? weft_stream_close(stream) : weft_stream_abort(stream), 0);
    return n;
}

static int converse(void *arg)
{
    static ssize_t (*const ways[])(int) = {echo, echo_impatiently, echo_slowly, echo_for_a_while};
    uint64_t way = dice(2 * sizeof ways / sizeof *ways);
    int fd = *(int *)arg;
    ssize_t n;

    atomic_fetch_add(&server.begun, 1);
    if (way < sizeof ways / sizeof *ways) {
        n = ways[way](fd);
        ck_assert_int_eq(weft_close(fd), 0);
    } else {
        n = stream_conversation(fd);
    }
    ck_assert_msg(n == 0 || is_expected(n), "way %d ended with %zd", (int)way, n);
    atomic_fetch_add(&server.ended, 1);
    return 0;
}

/* Cancelled before it began. */
static void drop_connection(void *arg)
{
    ck_assert_int_eq(close(*(int *)arg), 0);
    atomic_fetch_add(&server.dropped, 1);
}

/* -- the server ------------------------------------------------------------------------------ */

static void take_all(int listener, bool spread)
{
    int fd;

    WEFT_SCOPE(conversations, .on_error = WEFT_KEEP_GOING) {
        struct weft_spawn_opt opt = {.size = sizeof opt, .drop = drop_connection};
        while ((fd = weft_accept(listener, NULL, NULL, 0)) >= 0) {
            atomic_fetch_add(&server.accepted, 1);
            ck_assert_int_eq(weft_fd_move(fd), 0);
            if (spread)
                opt.reactor = WEFT_ON((int)dice(weft_reactors()));
            int error = weft_spawn(&conversations, converse, &fd, sizeof fd, &opt);
            if (error < 0) {
                ck_assert_msg(is_expected(error), "spawn: %d", error);
                drop_connection(&fd);
            }
        }
        ck_assert_msg(is_expected(fd), "accept: %d", fd);
    }
}

static int take_tcp(void *arg)
{
    struct weft_listen_opt opt = {.size = sizeof opt, .reuse_port = true};
    int listener = weft_listen_tcp(server.soak->tcp, &opt);

    (void)arg;
    if (is_expected(listener))
        return 0;
    ok(listener);
    take_all(listener, false);
    return weft_close(listener);
}

static int take_local(void *arg)
{
    int listener = server.listener;

    (void)arg;
    if (listener < 0)
        listener = weft_listen_tcp(server.soak->local, NULL);
    if (is_expected(listener))
        return 0;
    ok(listener);
    server.listener = -1;
    take_all(listener, true);
    if (server.keep)
        server.listener = listener;
    else
        ck_assert_int_eq(weft_close(listener), 0);
    return 0;
}

static void spawn_all(weft_scope *scope)
{
    struct weft_spawn_opt opt = {.size = sizeof opt};

    ok(weft_spawn(scope, take_local, NULL, 0, NULL));
    for (uint32_t i = 0; i < weft_reactors(); i++) {
        opt.reactor = WEFT_ON((int)i);
        ok(weft_spawn(scope, take_tcp, NULL, 0, &opt));
    }
}

/* How long a run lasts. */
static void let_it_run(void)
{
    int64_t until = within_ms(test_long() ? 5000 : 800);
    int result = weft_sleep_until(until < server.soak->end ? until : server.soak->end);

    ck_assert_int_eq(result, 0);
}

static int server_main(void *arg)
{
    (void)arg;
    if (server.ending == BY_RETURN) {
        spawn_all(weft_root());
        let_it_run();
        return 0;
    }
    WEFT_SCOPE(scope, .on_error = WEFT_KEEP_GOING) {
        spawn_all(&scope);
        let_it_run();
        if (server.ending == BY_STOP)
            ck_assert_int_eq(weft_stop(), 0);
        else if (server.ending == BY_DRAIN)
            ok(weft_scope_drain(&scope, within_ms(200), weft_after_ms(30000)));
        else
            ok(weft_scope_cancel(&scope));
    }
    ck_assert_uint_eq(net_stats().unknown_completions, 0);
    return 0;
}

static void serve_once(uint64_t number)
{
    struct weft_run_opt opt = {.size = sizeof opt,
                               .reactors = 1 + (uint32_t)dice(2),
                               .budget = dice(4) ? 0 : 1,
                               .drain_ns = (int64_t)dice(200000000),
                               .cancel_ns = INT64_C(60000000000)};
    int kept = server.listener >= 0, descriptors = test_descriptors() - kept;
    size_t allocations = test_live_allocations();

    server.ending = (enum ending)(number % ENDINGS);
    server.keep = dice(4) > 0;
    ck_assert_int_eq(weft_run(server_main, NULL, 0, &opt), 0);
    server.runs[server.ending]++;
    ck_assert_uint_eq(server.begun, server.ended);
    ck_assert_uint_eq(server.accepted, server.ended + server.dropped);
    ck_assert_int_eq(test_descriptors() - (server.listener >= 0), descriptors);
    ck_assert_uint_eq(test_live_allocations(), allocations);
}

/* -- the peers ------------------------------------------------------------------------------- */

enum outcome { COMPLETE, CUT, REFUSED, CANCELLED, OUTCOMES };

static struct {
    const struct soak *soak;
    int64_t until; /* of this run */
    struct tally {
        uint64_t begun, outcomes[OUTCOMES];
        uint64_t answered; /* conversations in which a byte came back */
        uint64_t bytes, timeouts, resets, half_closed, large, runs;
    } tally;
} peers;

/* One conversation; what is sent and received is the noise of its seed. */
struct talk {
    int fd;
    uint64_t seed, sent, received;
    int error; /* what ended it too early */
};

static bool gone_wrong(struct talk *talk, ssize_t result)
{
    if (result == -ETIMEDOUT && weft_cause() == WEFT_CAUSE_DEADLINE) {
        peers.tally.timeouts++;
        return false; /* of a call of its own: go on */
    }
    if (result < 0) {
        peer_must(is_expected(result), "a call gave %zd", result);
        if (!talk->error)
            talk->error = (int)result;
    }
    return result < 0;
}

/* Sends `size` bytes; with deadlines that may cut it anywhere and then says how far it came. */
static void say(struct talk *talk, size_t size)
{
    unsigned char piece[4096];

    while (size > 0 && !talk->error) {
        size_t part = size < sizeof piece ? size : sizeof piece, done = 0;
        ssize_t n;
        net_fill(piece, part, talk->seed, talk->sent);
        if (dice(2))
            n = weft_send_all(talk->fd, piece, part, &done);
        else
            n = weft_send_all_until(talk->fd, piece, part, &done, within_ms(2));
        peer_must(n < 0 || done == part, "%zd, but %zu of %zu done", n, done, part);
        talk->sent += done;
        size -= done;
        gone_wrong(talk, n);
    }
}

/* Takes what comes, until `until` bytes have come in all, and compares. */
static void hear(struct talk *talk, uint64_t until)
{
    unsigned char piece[4096];

    while (talk->received < until && !talk->error) {
        size_t part =
            until - talk->received < sizeof piece ? (size_t)(until - talk->received) : sizeof piece;
        ssize_t n = dice(2) ? weft_recv(talk->fd, piece, part, 0)
                            : weft_recv_until(talk->fd, piece, part, 0, within_ms(2));
        if (n == 0)
            talk->error = -ENODATA;
        if (n <= 0) {
            gone_wrong(talk, n);
            continue;
        }
        for (size_t i = 0; i < (size_t)n; i++)
            peer_must(piece[i] == net_byte(talk->seed, talk->received + i), "byte %llu is wrong",
                      (unsigned long long)(talk->received + i));
        talk->received += (size_t)n;
        peers.tally.bytes += (size_t)n;
        if (dice(32) == 0)
            gone_wrong(talk, weft_sleep((int64_t)dice(3000000)));
    }
}

static int say_large(void *arg)
{
    say(*(struct talk **)arg, LARGE);
    return 0;
}

/* One task writes while this one reads: more than fits in between, and a slow reader. */
static void say_and_hear_large(struct talk *talk)
{
    uint64_t until = talk->sent + LARGE;

    peers.tally.large++;
    WEFT_SCOPE(scope) {
        if (weft_spawn(&scope, say_large, &talk, sizeof talk, NULL) == 0)
            hear(talk, until);
        else
            talk->error = -ECANCELED;
        if (talk->error)
            weft_scope_cancel(&scope);
    }
}

/* The rest after our end: all of it, then the end, unless the server cuts it. */
static void half_close(struct talk *talk)
{
    char byte;
    ssize_t n;

    peers.tally.half_closed++;
    if (gone_wrong(talk, weft_shutdown(talk->fd, SHUT_WR) == -ENOTCONN ? -EPIPE : 0))
        return;
    hear(talk, talk->sent);
    if (talk->error)
        return;
    n = weft_recv(talk->fd, &byte, 1, 0);
    peer_must(n <= 0, "more came back than was sent");
    gone_wrong(talk, n);
}

static void converse_with(struct talk *talk)
{
    for (uint64_t rounds = dice(8); rounds > 0 && !talk->error; rounds--) {
        if (dice(16) == 0) {
            say_and_hear_large(talk);
        } else {
            say(talk, 1 + (size_t)dice(dice(8) ? 200 : 20000));
            if (dice(4) || talk->sent - talk->received > LATER_MAX) /* else later */
                hear(talk, talk->sent);
        }
    }
    if (!talk->error && dice(4) == 0)
        half_close(talk);
    else if (!talk->error && dice(2))
        hear(talk, talk->sent);
}

static int reach(void)
{
    const char *address = dice(2) ? peers.soak->tcp : peers.soak->local;
    int fd = weft_connect_tcp(address, NULL);

    peer_must(fd >= 0 || is_expected(fd) || fd == -ECONNREFUSED ||
                  fd == -EAGAIN /* its queue is full */ ||
                  fd == -EADDRNOTAVAIL /* every port rests */,
              "connect: %d", fd);
    return fd;
}

static enum outcome outcome_of(int error)
{
    return error == 0 ? COMPLETE : error == -ECANCELED ? CANCELLED : CUT;
}

static int talk_once(void *arg)
{
    struct weft_socket_opt reset = {.size = sizeof reset, .reset_on_close = true};
    struct talk talk = {.seed = peers.tally.begun++};
    enum outcome outcome = REFUSED;

    (void)arg;
    talk.fd = reach();
    if (talk.fd == -ECANCELED)
        outcome = CANCELLED;
    if (talk.fd >= 0) {
        converse_with(&talk);
        outcome = outcome_of(talk.error);
        peers.tally.answered += talk.received > 0;
        if (dice(4) == 0) {
            peers.tally.resets++;
            peer_must(weft_socket_set(talk.fd, &reset) == 0, "reset_on_close");
        }
        peer_must(weft_close(talk.fd) == 0, "close");
    }
    peers.tally.outcomes[outcome]++;
    if (outcome == REFUSED) /* nobody is there just now */
        (void)weft_sleep((int64_t)dice(5000000));
    return 0;
}

/* Spawned, and after some milliseconds cancelled. */
static void talk_until_cancelled(void)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};

    WEFT_SCOPE(scope) {
        peer_must(weft_spawn(&scope, talk_once, NULL, 0, &opt) == 0, "spawn");
        peer_must(weft_sleep((int64_t)dice(20000000)) == 0, "sleep");
        peer_must(weft_cancel(task) >= 0, "cancel");
        peer_must(weft_join(task, NULL) == 0, "join");
    }
}

static void talk_for_a_while(void)
{
    struct weft_scope_opt opt = {.size = sizeof opt, .deadline = within_ms(50)};
    weft_scope scope;
    int edge;

    peer_must(weft_scope_open(&scope, &opt) == 0, "open");
    talk_once(NULL);
    edge = weft_scope_close(&scope);
    peer_must(edge == 0 || edge == -ETIMEDOUT, "the edge said %d", edge);
}

static int worker(void *arg)
{
    (void)arg;
    while (weft_now() < peers.until) {
        switch (dice(8)) {
        case 0:
            talk_until_cancelled();
            break;
        case 1:
            talk_for_a_while();
            break;
        default:
            talk_once(NULL);
        }
    }
    return 0;
}

static int peers_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(scope)
        for (int i = 0; i < WORKERS; i++)
            peer_must(weft_spawn(&scope, worker, NULL, 0, NULL) == 0, "spawn");
    return 0;
}

static int peers_run(int control, const void *context)
{
    int descriptors = test_descriptors();

    peers.soak = context;
    random_state = 2;
    while (weft_now() < peers.soak->end) {
        peers.until = weft_after_ms(PEER_RUN_MS);
        if (peers.until > peers.soak->end)
            peers.until = peers.soak->end;
        int result = weft_run(peers_main, NULL, 0, NULL);
        peer_must(result == 0, "weft_run: %s", strerror(-result));
        peer_must(test_descriptors() == descriptors, "%d descriptors, %d before",
                  test_descriptors(), descriptors);
        peer_must(test_live_allocations() == 0, "%zu allocations", test_live_allocations());
        peers.tally.runs++;
    }
    peer_must(write(control, &peers.tally, sizeof peers.tally) == sizeof peers.tally, "report");
    return 0;
}

/* -- both ------------------------------------------------------------------------------------ */

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ok(fd);
    ok(bind(fd, (struct sockaddr *)&address, sizeof address));
    ok(getsockname(fd, (struct sockaddr *)&address, &length));
    close(fd);
    return ntohs(address.sin_port);
}

static struct tally hear_tally(const struct crowd_peer *peer)
{
    struct tally tally = {0};

    ck_assert_msg(read(peer->control, &tally, sizeof tally) == sizeof tally,
                  "the peer has failed and said why");
    return tally;
}

static void print(const struct tally *tally)
{
    printf("server: %llu runs ended by a drain, %llu by cancelling, %llu by a stop, %llu by main's "
           "return; %llu conversations, %llu dropped before they began, %llu bytes\n",
           (unsigned long long)server.runs[BY_DRAIN], (unsigned long long)server.runs[BY_CANCEL],
           (unsigned long long)server.runs[BY_STOP], (unsigned long long)server.runs[BY_RETURN],
           (unsigned long long)server.ended, (unsigned long long)server.dropped,
           (unsigned long long)server.bytes);
    printf("peers: %llu runs, %llu conversations: %llu complete, %llu cut, %llu refused, %llu "
           "cancelled; %llu resets, %llu half closed, %llu large, %llu deadlines; %llu bytes "
           "right\n",
           (unsigned long long)tally->runs, (unsigned long long)tally->begun,
           (unsigned long long)tally->outcomes[COMPLETE], (unsigned long long)tally->outcomes[CUT],
           (unsigned long long)tally->outcomes[REFUSED],
           (unsigned long long)tally->outcomes[CANCELLED], (unsigned long long)tally->resets,
           (unsigned long long)tally->half_closed, (unsigned long long)tally->large,
           (unsigned long long)tally->timeouts, (unsigned long long)tally->bytes);
}

static void check(const struct tally *tally)
{
    uint64_t sum = 0;

    for (int i = 0; i < OUTCOMES; i++)
        sum += tally->outcomes[i];
    ck_assert_uint_eq(sum, tally->begun);
    ck_assert_uint_gt(tally->outcomes[COMPLETE], 0);
    ck_assert_uint_gt(tally->bytes, 0);
    ck_assert_uint_le(tally->bytes, server.bytes);
    ck_assert_uint_le(server.accepted, tally->begun);
    ck_assert_uint_ge(server.ended, tally->answered);
}

TEST(everything_at_random)
{
    static struct soak soak;
    struct crowd_server names = {.streams = false};
    struct crowd_peer peer;
    struct tally tally;

    crowd_need_descriptors(WORKERS * 4 + 100);
    crowd_name(&names, true);
    strcpy(soak.local, names.address);
    snprintf(soak.tcp, sizeof soak.tcp, "127.0.0.1:%d", free_port());
    soak.end = weft_after_ms((test_long() ? SOAK_LONG_S : SOAK_S) * INT64_C(1000));
    server.soak = &soak;
    peer = crowd_fork(peers_run, &soak);
    for (uint64_t number = 0; weft_now() < soak.end || number < ENDINGS; number++)
        serve_once(number);
    if (server.listener >= 0)
        close(server.listener); /* whoever waits in its queue is told */
    tally = hear_tally(&peer);
    crowd_join(&peer);
    print(&tally);
    check(&tally);
}

TEST_MAIN("stress.soak", 720, everything_at_random)
