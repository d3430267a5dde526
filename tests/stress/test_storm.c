/*
 * A server under those who mean it no good: 10,000 connections opened and dropped without a word,
 * half of them by a reset; peers that never read; and too few descriptors, in peace and in a storm.
 * Meanwhile a probe talks to the server and gets every byte back. Spinning would show in the counts
 * of turns, pauses and errors: nothing here is decided by the clock.
 */
#include "crowd.h"

#include <fcntl.h>
#include <poll.h>

enum {
    STORM = CROWD_SANITIZED ? 1000 : 10000,
    PROBE_SIZE = 64,
    NEVER_READ = 8,            /* peers that do not read */
    NEVER_READ_MAX = 32 << 20, /* bytes each may send until it is stuck */
    LIMIT = 200,               /* descriptors */
    CALLERS = 300,             /* that want one */
    LIMITED_STORM = STORM / 5,
};

/* -- the probe ------------------------------------------------------------------------------- */

struct probe {
    const char *address;
    uint64_t rounds;
    bool stop;
};

static int probe_main(void *arg)
{
    struct probe *probe = *(struct probe **)arg;
    unsigned char bytes[PROBE_SIZE];
    int fd = weft_connect_tcp(probe->address, NULL);

    ok(fd);
    for (; !probe->stop; probe->rounds++) {
        net_fill(bytes, sizeof bytes, 1, probe->rounds * PROBE_SIZE);
        ck_assert_int_eq(weft_send_all(fd, bytes, sizeof bytes, NULL), PROBE_SIZE);
        ck_assert_int_eq(weft_recv_exactly(fd, bytes, sizeof bytes, NULL), PROBE_SIZE);
        net_check(bytes, sizeof bytes, 1, probe->rounds * PROBE_SIZE);
        ck_assert_int_eq(weft_sleep(CROWD_POLL_NS), 0);
    }
    return weft_close(fd);
}

/* The server has answered so often since now. */
static void probe_answers(const struct probe *probe, uint64_t rounds)
{
    uint64_t from = probe->rounds;

    while (probe->rounds < from + rounds)
        ok(weft_sleep(CROWD_POLL_NS));
}

/* -- every scene ----------------------------------------------------------------------------- */

struct scene {
    struct crowd_peer peer;
    struct crowd_server server;
    struct probe probe;
    uint64_t polls; /* of the waits below: each costs the loop a turn or two */
    void (*play)(struct scene *scene);
};

/* Waits until so many have been accepted, and so many of them are still there. */
static void await(struct scene *scene, uint64_t accepted, uint64_t alive)
{
    while (atomic_load(&scene->server.accepted) < accepted ||
           atomic_load(&scene->server.alive) > alive) {
        ok(weft_sleep(CROWD_POLL_NS));
        scene->polls++;
    }
    ck_assert_uint_eq(atomic_load(&scene->server.accepted), accepted);
    ck_assert_uint_eq(atomic_load(&scene->server.alive), alive);
}

static int scene_main(void *arg)
{
    struct scene *scene = arg;
    struct probe *probe = &scene->probe;
    struct crowd_holdings before[CROWD_REACTORS_MAX];
    int descriptors = test_descriptors();

    crowd_count(before);
    crowd_name(&scene->server, false);
    probe->address = scene->server.address;
    WEFT_SCOPE(all) {
        crowd_start(&all, &scene->server);
        WEFT_SCOPE(probes) {
            ok(weft_spawn(&probes, probe_main, &probe, sizeof probe, NULL));
            probe_answers(probe, 1);
            crowd_tell(&scene->peer, atoi(strrchr(probe->address, ':') + 1));
            scene->play(scene);
            probe_answers(probe, 10);
            probe->stop = true;
        }
        crowd_settle(&scene->server, scene->server.accepted);
        ck_assert_int_eq(weft_scope_drain(&all, weft_after_ms(30000), weft_after_ms(40000)), 0);
    }
    crowd_assert_clean(&scene->server);
    crowd_compare(before);
    ck_assert_int_eq(test_descriptors(), descriptors);
    return 0;
}

/* descriptors_max: the limit for the server, 0: as many as can be had. Lowered before anything is
   armed, for a request keeps the limit it was made with. */
static void act(void (*play)(struct scene *scene), bool streams, rlim_t descriptors_max,
                int (*run)(int control, const void *context))
{
    static struct scene scene;
    struct rlimit limit;

    scene = (struct scene){.play = play, .server.streams = streams};
    crowd_need_descriptors(STORM + 1000);
    scene.peer = crowd_fork(run, NULL);
    ok(getrlimit(RLIMIT_NOFILE, &limit));
    if (descriptors_max)
        limit.rlim_cur = descriptors_max;
    ok(setrlimit(RLIMIT_NOFILE, &limit));
    ck_assert_int_eq(weft_run(scene_main, &scene, 0, NULL), 0);
    crowd_join(&scene.peer);
}

/* In the peer's process. */
static int call(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    peer_must(fd >= 0, "socket: %m");
    peer_must(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connect: %m");
    return fd;
}

static void hang_up(int fd, bool reset)
{
    if (reset)
        net_plain_reset(fd);
    else
        close(fd);
}

/* -- opened and dropped ---------------------------------------------------------------------- */

/* First so many that are all there at once and all go at once; then as many, each gone as soon as
   it has come. */
static int storm_peer(int control, const void *context)
{
    int *fds = malloc(STORM * sizeof *fds), port = peer_hear(control);

    (void)context;
    for (int i = 0; i < STORM; i++)
        fds[i] = call(port);
    peer_tell(control, STORM);
    peer_must(peer_hear(control) == 1, "out of step");
    for (int i = 0; i < STORM; i++)
        hang_up(fds[i], i % 2);
    free(fds);
    peer_must(peer_hear(control) == 2, "out of step");
    for (int i = 0; i < STORM; i++)
        hang_up(call(port), i % 2);
    peer_tell(control, STORM);
    return 0;
}

static void storm(struct scene *scene)
{
    ck_assert_int_eq(crowd_hear(&scene->peer), STORM);
    await(scene, STORM + 1, STORM + 1);
    probe_answers(&scene->probe, 10);
    crowd_tell(&scene->peer, 1);
    await(scene, STORM + 1, 1);
    ck_assert_uint_eq(scene->server.resets, STORM / 2);
    crowd_tell(&scene->peer, 2);
    ck_assert_int_eq(crowd_hear(&scene->peer), STORM);
    await(scene, 2 * STORM + 1, 1);
    ck_assert_uint_eq(scene->server.resets, STORM);
    ck_assert_uint_eq(net_stats().accept_errors, 0);
    /* nothing but the probe's, whose last round may be under way */
    ck_assert_uint_ge(scene->server.bytes, scene->probe.rounds * PROBE_SIZE);
    ck_assert_uint_le(scene->server.bytes, (scene->probe.rounds + 1) * PROBE_SIZE);
}

TEST(opened_and_dropped)
{
    act(storm, false, 0, storm_peer);
}

TEST(opened_and_dropped_streams)
{
    act(storm, true, 0, storm_peer);
}

/* -- peers that never read ------------------------------------------------------------------- */

struct glutton {
    int fd;
    uint64_t sent, received;
};

/* Sends until nothing more goes. */
static bool feed(struct glutton *glutton, uint64_t seed)
{
    unsigned char bytes[16384];
    ssize_t n;

    net_fill(bytes, sizeof bytes, seed, glutton->sent);
    n = send(glutton->fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) {
        peer_must(errno == EAGAIN, "send: %m");
        return false;
    }
    glutton->sent += (uint64_t)n;
    peer_must(glutton->sent < NEVER_READ_MAX, "never stuck");
    return true;
}

/* Feeds them all until a word comes. */
static void feed_all(struct glutton *gluttons, int control)
{
    struct pollfd fds[NEVER_READ + 1] = {{.fd = control, .events = POLLIN}};

    for (int i = 0; i < NEVER_READ; i++)
        fds[i + 1] = (struct pollfd){.fd = gluttons[i].fd, .events = POLLOUT};
    do {
        peer_must(poll(fds, NEVER_READ + 1, -1) > 0, "poll: %m");
        for (int i = 0; i < NEVER_READ; i++)
            if (fds[i + 1].revents)
                feed(&gluttons[i], (uint64_t)i);
    } while (!fds[0].revents);
}

/* Reads to the end what was sent, and compares. */
static void digest(struct glutton *glutton, uint64_t seed)
{
    unsigned char bytes[16384];
    ssize_t n;

    shutdown(glutton->fd, SHUT_WR);
    while ((n = read(glutton->fd, bytes, sizeof bytes)) > 0) {
        for (size_t i = 0; i < (size_t)n; i++)
            peer_must(bytes[i] == net_byte(seed, glutton->received + i), "byte %llu is wrong",
                      (unsigned long long)(glutton->received + i));
        glutton->received += (uint64_t)n;
    }
    peer_must(n == 0, "read: %m");
    peer_must(glutton->received == glutton->sent, "%llu sent, %llu came back",
              (unsigned long long)glutton->sent, (unsigned long long)glutton->received);
    close(glutton->fd);
}

static int glutton_peer(int control, const void *context)
{
    struct glutton gluttons[NEVER_READ] = {{0}};
    int port = peer_hear(control);

    (void)context;
    for (int i = 0; i < NEVER_READ; i++)
        gluttons[i].fd = call(port);
    feed_all(gluttons, control);
    peer_must(peer_hear(control) == 1, "out of step");
    for (int i = 0; i < NEVER_READ; i++)
        if (i % 2)
            digest(&gluttons[i], (uint64_t)i);
        else
            net_plain_reset(gluttons[i].fd);
    peer_tell(control, 1);
    return 0;
}

/* Nothing has gone either way for 100 looks, while the probe was answered. */
static void await_standstill(struct scene *scene)
{
    uint64_t before, after = 0;

    do {
        before = after;
        probe_answers(&scene->probe, 100);
        after = scene->server.bytes - scene->probe.rounds * PROBE_SIZE;
    } while (after - before > PROBE_SIZE || after < NEVER_READ);
}

static void never_read(struct scene *scene)
{
    uint64_t held_max = (uint64_t)NEVER_READ * (256 + 64) * 1024 / 4096;

    await_standstill(scene);
    ck_assert_uint_eq(scene->server.alive, NEVER_READ + 1);
    probe_answers(&scene->probe, 100);
    ck_assert_uint_eq(scene->server.alive, NEVER_READ + 1);
    ck_assert_uint_le(weft__buffers_held(weft__self), held_max);
    crowd_tell(&scene->peer, 1);
    ck_assert_int_eq(crowd_hear(&scene->peer), 1);
    await(scene, NEVER_READ + 1, 1);
    ck_assert_uint_eq(scene->server.resets, NEVER_READ / 2);
}

TEST(peers_that_never_read)
{
    act(never_read, false, 0, glutton_peer);
}

TEST(peers_that_never_read_streams)
{
    act(never_read, true, 0, glutton_peer);
}

/* -- too few descriptors --------------------------------------------------------------------- */

/* More callers than there are descriptors; those who got one leave; then a storm. */
static int caller_peer(int control, const void *context)
{
    int fds[CALLERS], port = peer_hear(control), served;

    (void)context;
    for (int i = 0; i < CALLERS; i++)
        fds[i] = call(port);
    peer_tell(control, CALLERS);
    served = peer_hear(control);
    for (int i = 0; i < served; i++)
        hang_up(fds[i], i % 2);
    peer_must(peer_hear(control) == 1, "out of step");
    for (int i = 0; i < LIMITED_STORM; i++)
        hang_up(call(port), i % 2);
    peer_tell(control, LIMITED_STORM);
    peer_must(peer_hear(control) == 2, "out of step");
    for (int i = served; i < CALLERS; i++)
        hang_up(fds[i], i % 2);
    return 0;
}

/* What the loop did since `before` must be the work of those who had something to do. */
struct effort {
    struct weft_stats stats;
    uint64_t polls, rounds, accepted;
};

static struct effort effort(const struct scene *scene)
{
    return (struct effort){net_stats(), scene->polls, scene->probe.rounds, scene->server.accepted};
}

static void assert_no_spinning(const struct scene *scene, const struct effort *before)
{
    struct effort now = effort(scene);
    uint64_t pauses = now.stats.accept_backoffs - before->stats.accept_backoffs;
    uint64_t polls = now.polls - before->polls, rounds = now.rounds - before->rounds;
    uint64_t accepted = now.accepted - before->accepted;
    uint64_t due = 4 * polls + 12 * rounds + 12 * accepted + 100;

    /* a pause is at least ten polls long, or ended by a close and then by somebody's being accepted
     */
    ck_assert_uint_le(pauses, polls + rounds + accepted + 10);
    ck_assert_uint_le(now.stats.turns - before->stats.turns, due);
    ck_assert_uint_eq(now.stats.accept_errors - before->stats.accept_errors, pauses);
}

static void await_pauses(struct scene *scene, uint64_t count)
{
    while (net_stats().accept_backoffs < count) {
        ok(weft_sleep(CROWD_POLL_NS));
        scene->polls++;
    }
}

static void few_descriptors(struct scene *scene)
{
    struct effort before = effort(scene);
    uint64_t served;
    int64_t freed;

    ck_assert_int_eq(crowd_hear(&scene->peer), CALLERS);
    await_pauses(scene, 6); /* 10, 20, 40, 80, 160 ms */
    served = scene->server.alive - 1;
    ck_assert_uint_gt(served, LIMIT / 2);
    ck_assert_uint_lt(served, LIMIT);
    assert_no_spinning(scene, &before);
    probe_answers(&scene->probe, 10); /* who has a connection is served */
    await_pauses(scene, 7);
    ck_assert_uint_eq(scene->server.alive - 1, served);
    assert_no_spinning(scene, &before);

    before = effort(scene);
    freed = weft_now();
    crowd_tell(&scene->peer, (int)served);
    await(scene, CALLERS + 1, CALLERS - served + 1);
    printf("%llu descriptors freed, %llu callers served after %.0f ms and %llu pauses\n",
           (unsigned long long)served, (unsigned long long)(CALLERS - served),
           (double)(weft_now() - freed) / 1e6,
           (unsigned long long)(net_stats().accept_backoffs - before.stats.accept_backoffs));
    assert_no_spinning(scene, &before);
    /* one may have been under way, and one may follow each of those that left one by one */
    ck_assert_uint_le(net_stats().accept_backoffs - before.stats.accept_backoffs,
                      20 + CALLERS - served);

    before = effort(scene);
    crowd_tell(&scene->peer, 1);
    ck_assert_int_eq(crowd_hear(&scene->peer), LIMITED_STORM);
    await(scene, CALLERS + LIMITED_STORM + 1, CALLERS - served + 1);
    assert_no_spinning(scene, &before);
    crowd_tell(&scene->peer, 2);
    await(scene, CALLERS + LIMITED_STORM + 1, 1);
}

TEST(few_descriptors_in_a_storm)
{
    act(few_descriptors, false, LIMIT, caller_peer);
}

TEST(few_descriptors_in_a_storm_of_streams)
{
    act(few_descriptors, true, LIMIT, caller_peer);
}

TEST_MAIN("stress.storm", 120, opened_and_dropped, opened_and_dropped_streams,
          peers_that_never_read, peers_that_never_read_streams, few_descriptors_in_a_storm,
          few_descriptors_in_a_storm_of_streams)
