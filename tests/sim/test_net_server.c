/*
 * A server on the simulated network: an echo in tasks, clients in tasks, and peers that drip,
 * reset, vanish, never read, come and leave, on networks from calm to broken. Catches a
 * conversation that never ends, one that others wait for, bytes that change on their way, a
 * descriptor lost when things go wrong, and a run that its seed does not repeat.
 */
#include "simulate.h"
#include "support/net.h"

enum { CLIENTS = 6, MESSAGE = 20000, IDLE_MS = 3000 };

static struct {
    int conversations, finished, clients_served, clients_failed;
} seen;

static int converse(void *arg)
{
    int fd = *(int *)arg;
    char piece[3000];
    ssize_t n;

    seen.conversations++;
    while ((n = weft_recv_until(fd, piece, sizeof piece, 0, weft_after_ms(IDLE_MS))) > 0) {
        n = weft_send_all_until(fd, piece, (size_t)n, NULL, weft_after_ms(IDLE_MS));
        if (n < 0)
            break;
    }
    ok(weft_close(fd));
    seen.finished++;
    return 0;
}

static int take_all(void *arg)
{
    int listener = *(int *)arg, fd;

    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        while ((fd = weft_accept(listener, NULL, NULL, 0)) >= 0 || fd == -ENOMEM)
            if (fd >= 0 && weft_spawn(&s, converse, &fd, sizeof fd, NULL) < 0)
                ok(weft_close(fd));
    }
    return 0;
}

/* What comes back is what was sent, as far as it comes. */
static bool echo_is_right(int fd, uint64_t seed)
{
    unsigned char *bytes = malloc(MESSAGE);
    size_t done = 0;

    net_fill(bytes, MESSAGE, seed, 0);
    ssize_t n = weft_send_all_until(fd, bytes, MESSAGE, NULL, weft_after_ms(IDLE_MS));
    memset(bytes, 0, MESSAGE);
    while (n > 0 && done < MESSAGE) {
        n = weft_recv_until(fd, bytes + done, MESSAGE - done, 0, weft_after_ms(IDLE_MS));
        done += n > 0 ? (size_t)n : 0;
    }
    net_check(bytes, done, seed, 0);
    free(bytes);
    return done == MESSAGE;
}

static int ask(void *arg)
{
    int fd = weft_connect_tcp("127.0.0.1:7000", NULL);

    if (fd >= 0 && echo_is_right(fd, *(uint64_t *)arg))
        seen.clients_served++;
    else
        seen.clients_failed++;
    return fd >= 0 ? weft_close(fd) : 0;
}

static int serve(void *arg)
{
    int listener = weft_listen_tcp("127.0.0.1:7000", NULL);

    (void)arg;
    if (listener < 0) /* for want of memory, or descriptors */
        return 0;
    WEFT_SCOPE(all, .on_error = WEFT_KEEP_GOING) {
        (void)!weft_spawn(&all, take_all, &listener, sizeof listener, NULL);
        WEFT_SCOPE(clients, .on_error = WEFT_KEEP_GOING) {
            for (uint64_t i = 1; i <= CLIENTS; i++)
                if (weft_spawn(&clients, ask, &i, sizeof i, NULL) < 0)
                    seen.clients_failed++;
        }
        (void)!weft_sleep(INT64_C(8000000000));
        weft_scope_cancel(&all);
    }
    return weft_close(listener);
}

static int with_peers(void *arg)
{
    static const char *const scripts[] = {
        "127.0.0.1:7000 x10 every 3ms after 1ms: send 5000; read 5000",
        "127.0.0.1:7000 x5 every 20ms after 1ms: send 100; reset",
        "127.0.0.1:7000 x10 every 1ms after 1ms:",
        "127.0.0.1:7000 x3 after 1ms: drip 40 3ms; half; read",
        "127.0.0.1:7000 x3 after 50ms: send 200000; hold",
        "127.0.0.1:7000 x3 after 5ms: send 700; wait 1ms; vanish",
        "127.0.0.1:7000 x2 after 1ms: hold",
    };

    seen.conversations = seen.finished = seen.clients_served = seen.clients_failed = 0;
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++)
        ck_assert_int_eq(weft_sim_peer(scripts[i]), 0);
    return world_main(arg);
}

static struct weft_sim_result run(uint64_t seed, const char *plan)
{
    struct world world = {.seed = seed, .plan = plan, .task = serve};

    ck_assert_int_eq(world_run_fn(&world, with_peers, &world), 0);
    ck_assert_int_eq(seen.conversations, seen.finished);
    return world.result;
}

static uint64_t seeds(void)
{
    return test_long() ? 5000 : 100;
}

TEST(a_calm_network)
{
    run(1, "calm");
    ck_assert_int_eq(seen.clients_served, CLIENTS);
    ck_assert_int_eq(seen.conversations, CLIENTS + 36);
}

TEST(rough_networks)
{
    for (uint64_t seed = 1; seed <= seeds(); seed++) {
        run(seed, "rough");
        ck_assert_int_eq(seen.clients_served, CLIENTS);
        ck_assert_int_ge(seen.conversations, CLIENTS + 30);
    }
}

TEST(broken_networks)
{
    int served = 0, failed = 0;

    for (uint64_t seed = 1; seed <= seeds(); seed++) {
        run(seed, seed % 2 ? "broken" : "broken net.break=1/4 net.silence=1/8 net.lost=2%");
        served += seen.clients_served;
        failed += seen.clients_failed;
    }
    ck_assert_int_gt(served, failed);
    ck_assert_int_gt(failed, 0); /* or nothing was broken */
}

TEST(the_same_again)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct weft_sim_result first = run(seed, "broken"), second;
        void *shift = malloc(4096 * seed);
        int fd = dup(1);
        second = run(seed, "broken");
        ck_assert_uint_eq(first.hash, second.hash);
        ck_assert_uint_eq(first.steps, second.steps);
        ck_assert_int_eq(first.time_ns, second.time_ns);
        close(fd);
        free(shift);
    }
}

/* -- a narrow backlog -------------------------------------------------------------------------- */

enum { NARROW = 12 };

static int come_and_wait(void *arg)
{
    char byte = 0;
    int fd = weft_connect_tcp(arg, NULL);

    ok(fd);
    ck_assert_int_eq(weft_recv(fd, &byte, 1, 0), 1);
    return weft_close(fd);
}

/* More come than may wait, and who accepts is slow: all are served. */
static int narrow(void *arg)
{
    const struct weft_listen_opt opt = {.size = sizeof opt, .backlog = 1};
    int listener = weft_listen_tcp(arg, &opt), fd;

    ok(listener);
    WEFT_SCOPE(s) {
        for (int i = 0; i < NARROW; i++)
            ok(weft_spawn(&s, come_and_wait, arg, 0, NULL));
        for (int i = 0; i < NARROW; i++) {
            ok(weft_sleep(50000000));
            ok(fd = weft_accept(listener, NULL, NULL, 0));
            ck_assert_int_eq(weft_send_all(fd, "x", 1, NULL), 1);
            ok(weft_close(fd));
        }
    }
    return weft_close(listener);
}

static int narrow_all(void *arg)
{
    static char addresses[][32] = {"127.0.0.1:7002", "[::1]:7002", "unix:@narrow", "unix:/narrow"};

    (void)arg;
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++)
        ck_assert_int_eq(narrow(addresses[i]), 0);
    return 0;
}

TEST(a_narrow_backlog)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world world = {.seed = seed,
                              .plan = seed % 2 ? "rough" : "calm",
                              .task = narrow_all};

        ck_assert_int_eq(world_run(&world), 0);
    }
}

/* -- slow ones among them -----------------------------------------------------------------------
 */

enum { SLOW = 400, ROUNDS = 300 };

static int slow;           /* peers of that kind */
static int64_t slowest_ns; /* answer */

static int talk(void *arg)
{
    int fd = weft_connect_tcp("127.0.0.1:7000", NULL);
    char piece[100] = {0};

    (void)arg;
    ok(fd);
    for (int i = 0; i < ROUNDS; i++) {
        int64_t begun_ns = weft_now();

        ck_assert_int_eq(weft_send_all(fd, piece, sizeof piece, NULL), (int)sizeof piece);
        ck_assert_int_eq(weft_recv_exactly(fd, piece, sizeof piece, NULL), (int)sizeof piece);
        if (weft_now() - begun_ns > slowest_ns)
            slowest_ns = weft_now() - begun_ns;
        ok(weft_sleep(INT64_C(100000000)));
    }
    return weft_close(fd);
}

/* Half a minute of talk, in virtual time, beside those that send a byte now and then, until then or
   until the time for a byte is over. */
static int talk_among(void *arg)
{
    int listener = weft_listen_tcp("127.0.0.1:7000", NULL);

    (void)arg;
    ok(listener);
    seen.conversations = seen.finished = 0;
    WEFT_SCOPE(all, .on_error = WEFT_KEEP_GOING) {
        ok(weft_spawn(&all, take_all, &listener, sizeof listener, NULL));
        ok(weft_sleep(INT64_C(2000000000)));
        ck_assert_int_eq(seen.conversations - seen.finished, slow);
        WEFT_SCOPE(one)
            ok(weft_spawn(&one, talk, NULL, 0, NULL));
        ck_assert_int_eq(seen.conversations, slow + 1);
        ck_assert_int_eq(seen.finished, slow / 2); /* the slower half: each at its deadline */
        weft_scope_cancel(&all);
    }
    return weft_close(listener);
}

static int with_slow(void *arg)
{
    if (slow > 0) {
        ck_assert_int_eq(weft_sim_peer("127.0.0.1:7000 x200 every 1ms: drip 100 1s; hold"), 0);
        ck_assert_int_eq(weft_sim_peer("127.0.0.1:7000 x200 every 1ms: drip 100 10s; hold"), 0);
    }
    return world_main(arg);
}

TEST(slow_ones_cost_the_others_nothing)
{
    int64_t alone_ns = 0;

    for (slow = 0; slow <= SLOW; slow += SLOW) {
        struct world world = {.seed = 1, .plan = "calm net.latency=1ms", .task = talk_among};

        slowest_ns = 0;
        ck_assert_int_eq(world_run_fn(&world, with_slow, &world), 0);
        if (slow == 0)
            alone_ns = slowest_ns;
    }
    ck_assert_int_ge(alone_ns, 2000000); /* there and back */
    ck_assert_int_le(slowest_ns, alone_ns + alone_ns / 20);
}

/* -- a server elsewhere ------------------------------------------------------------------------ */

static int dial(void *arg)
{
    char bytes[16];
    size_t done = 0;
    int fd = weft_connect_tcp("198.51.100.7:80", NULL);

    (void)arg;
    ok(fd);
    ck_assert_int_eq(weft_send_all(fd, "question", 8, NULL), 8);
    ck_assert_int_eq(weft_recv_exactly(fd, bytes, sizeof bytes, &done), -ENODATA);
    ck_assert_uint_eq(done, 6);
    ck_assert_mem_eq(bytes, "answer", 6);
    ok(weft_close(fd));
    ck_assert_int_eq(weft_connect_tcp("198.51.100.8:80", NULL), -ENETUNREACH);
    return 0;
}

static int with_server(void *arg)
{
    ck_assert_int_eq(weft_sim_peer("listen 198.51.100.7:80: read 8; send 'answer'"), 0);
    ck_assert_int_eq(weft_sim_peer("nonsense"), -EINVAL);
    return world_main(arg);
}

TEST(a_server_elsewhere)
{
    struct world world = {.seed = 3, .plan = "rough", .task = dial};

    ck_assert_int_eq(weft_sim_peer("127.0.0.1:1:"), -EPERM);
    ck_assert_int_eq(world_run_fn(&world, with_server, &world), 0);
}

TEST_MAIN("sim_net_server", 120, a_calm_network, rough_networks, broken_networks, the_same_again,
          a_narrow_backlog, slow_ones_cost_the_others_nothing, a_server_elsewhere)
