/*
 * Out of descriptors: what a listener does with those who come. By default they wait, and accepting
 * goes on as soon as one is closed; with turn_away they see an end at once, and the descriptor kept
 * in reserve for that is there whenever it is needed, and counted. Catches a pause that only its
 * timer ends, peers left hanging, a reserve that is lost or leaks, and a loop that spins.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/memory.h"
#include "io/accept.h"
#include "io/io.h"
#include "reactor/reactor.h"
#include "support/net.h"

enum { ROOM = 5, HELD_MAX = 100 };

/* -- the peers: a process of their own, for they need descriptors -------------------------------
 */

struct tally {
    int served; /* got a byte */
    int ended;  /* were hung up on */
};

struct peers {
    pid_t pid;
    int fd; /* commands and tallies */
};

/* One after the other: connects, and waits for a byte or the end. Those served stay connected. */
static struct tally come(int port, int count)
{
    struct tally tally = {0, 0};

    for (int i = 0; i < count; i++) {
        int fd = net_plain_connect(port);
        char byte;
        if (read(fd, &byte, 1) == 1)
            tally.served++;
        else
            tally.ended++;
    }
    return tally;
}

static void peers_main(int port, int fd)
{
    int count;

    while (read(fd, &count, sizeof count) == sizeof count) {
        struct tally tally = come(port, count);
        if (write(fd, &tally, sizeof tally) != sizeof tally)
            _exit(1);
    }
    _exit(0);
}

static struct peers peers_start(int port)
{
    struct peers peers;
    int fds[2];

    ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    peers.pid = fork();
    ok(peers.pid);
    if (peers.pid == 0) {
        close(fds[0]);
        peers_main(port, fds[1]);
    }
    close(fds[1]);
    peers.fd = fds[0];
    return peers;
}

static void peers_ask(struct peers *peers, int count)
{
    ck_assert_int_eq(weft_send_all(peers->fd, &count, sizeof count, NULL), sizeof count);
}

static struct tally peers_answer(struct peers *peers)
{
    struct tally tally;

    ck_assert_int_eq(weft_recv_exactly(peers->fd, &tally, sizeof tally, NULL), sizeof tally);
    return tally;
}

static void peers_come(struct peers *peers, int count, int served)
{
    struct tally tally;

    peers_ask(peers, count);
    tally = peers_answer(peers);
    ck_assert_int_eq(tally.served, served);
    ck_assert_int_eq(tally.ended, count - served);
}

static void peers_end(struct peers *peers)
{
    int status;

    ok(weft_close(peers->fd));
    ck_assert_int_eq(waitpid(peers->pid, &status, 0), peers->pid);
    ck_assert_int_eq(status, 0);
}

/* -- the server: greets each connection with a byte and keeps it --------------------------------
 */

struct server {
    int listener;
    int port;
    int held[HELD_MAX];
    int count;
};

static int serve(void *arg)
{
    struct server *server = arg;
    int fd;

    while ((fd = weft_accept(server->listener, NULL, NULL, 0)) >= 0) {
        ck_assert_int_lt(server->count, HELD_MAX);
        server->held[server->count++] = fd;
        ck_assert_int_eq(weft_send_all(fd, "y", 1, NULL), 1);
    }
    return 0;
}

static void hang_up(struct server *server, int count)
{
    while (count-- > 0)
        ok(weft_close(server->held[--server->count]));
}

/* The limit under which `count` more descriptors can be opened, whatever numbers are in use. */
static rlim_t limit_for(int count)
{
    int fds[ROOM], last = -1;

    ck_assert_int_le(count, ROOM);
    for (int i = 0; i < count; i++)
        ok(last = fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC));
    for (int i = 0; i < count; i++)
        close(fds[i]);
    return (rlim_t)last + 1;
}

static void limit_to(rlim_t count)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = count;
    ok(setrlimit(RLIMIT_NOFILE, &limit));
}

static rlim_t limit_now(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

/* Counting takes one more. */
static int descriptors(void)
{
    rlim_t limit = limit_now();
    int count;

    limit_to(limit + 100);
    count = test_descriptors();
    limit_to(limit);
    return count;
}

static void open_server(struct server *server, bool turn_away)
{
    struct weft_listen_opt opt = {.size = sizeof opt, .turn_away = turn_away};

    *server = (struct server){.listener = weft_listen_tcp("127.0.0.1:0", &opt)};
    ok(server->listener);
    server->port = weft_local_port(server->listener);
}

/* The conversation of a test: a server whose process has room for ROOM more descriptors. */
static int scene(bool turn_away, void (*act)(struct server *server, struct peers *peers))
{
    rlim_t limit = limit_now();
    struct server server;
    struct peers peers;

    open_server(&server, turn_away);
    peers = peers_start(server.port);
    WEFT_SCOPE(scope, .on_error = WEFT_KEEP_GOING) {
        limit_to(limit_for(ROOM));
        ok(weft_spawn(&scope, serve, &server, 0, NULL));
        act(&server, &peers);
        limit_to(limit);
        weft_scope_cancel(&scope);
    }
    hang_up(&server, server.count);
    ok(weft_close(server.listener));
    ck_assert_uint_eq(weft__io_of(weft__self)->accepts_starved, 0);
    peers_end(&peers);
    return 0;
}

/* -- turning away -------------------------------------------------------------------------------
 */

static void act_turn_away(struct server *server, struct peers *peers)
{
    struct weft_stats before = net_stats(), after;

    peers_come(peers, 30, ROOM);
    after = net_stats();
    ck_assert_uint_eq(after.accepts, ROOM);
    ck_assert_uint_eq(after.accepts_turned_away, 30 - ROOM);
    ck_assert_uint_eq(after.accept_backoffs, 0);
    ck_assert_uint_eq(after.accept_errors, 1);
    ck_assert_uint_le(after.turns - before.turns, 30 * 8 + 50);

    ok(weft_sleep(100000000)); /* nobody comes: nothing is done */
    ck_assert_uint_le(net_stats().turns - after.turns, 5);

    hang_up(server, 2); /* room is noticed by the next that come */
    peers_come(peers, 5, 2);
    ck_assert_uint_eq(net_stats().accepts_turned_away, 30 - ROOM + 3);
    limit_to(limit_now() + 10);
    peers_come(peers, 4, 4);
    ck_assert_uint_eq(net_stats().accepts, ROOM + 2 + 4);
}

static int main_turn_away(void *arg)
{
    (void)arg;
    return scene(true, act_turn_away);
}

TEST(turned_away)
{
    net_run(main_turn_away);
}

TEST(turned_away_without_multishot)
{
    setenv("WEFT_RING_MASK", "accept_multishot", 1);
    net_run(main_turn_away);
}

/* Even the reserve's place cannot be had: it pauses, and has a reserve again afterwards. */
static void act_lose_reserve(struct server *server, struct peers *peers)
{
    /* what is armed keeps the limit before: until it ends, which is at once without multishot */
    int served = net_has("accept_multishot") ? ROOM : 3;
    rlim_t limit = limit_now();
    struct tally tally;
    int before;

    peers_come(peers, 2, 2);
    before = test_descriptors();
    limit_to(4);
    peers_ask(peers, ROOM);
    while (net_stats().accept_backoffs < 3)
        ok(weft_sleep(1000000));
    ck_assert_int_eq(server->count, served);
    ck_assert_int_eq(descriptors(), before + served - 2 - 1);
    limit_to(limit);
    tally = peers_answer(peers);
    ck_assert_int_eq(tally.served, ROOM - 2);
    ck_assert_int_eq(tally.ended, 2);
    ck_assert_int_eq(descriptors(), before + ROOM - 2);
    peers_come(peers, 2, 0);
}

static int main_lose_reserve(void *arg)
{
    (void)arg;
    return scene(true, act_lose_reserve);
}

TEST(a_reserve_lost_is_had_again)
{
    net_run(main_lose_reserve);
}

/* Closed while it watches for somebody: nothing is left behind (the fixture counts). */
static void act_close_watching(struct server *server, struct peers *peers)
{
    peers_come(peers, ROOM + 1, ROOM);
    ok(weft_close(server->listener));
    ck_assert_uint_eq(weft__io_of(weft__self)->accepts_starved, 0);
}

static int close_scene(void (*act)(struct server *server, struct peers *peers))
{
    rlim_t limit = limit_now();
    struct server server;
    struct peers peers;

    open_server(&server, true);
    peers = peers_start(server.port);
    WEFT_SCOPE(scope, .on_error = WEFT_KEEP_GOING) {
        limit_to(limit_for(ROOM));
        ok(weft_spawn(&scope, serve, &server, 0, NULL));
        act(&server, &peers);
    }
    limit_to(limit);
    hang_up(&server, server.count);
    peers_end(&peers);
    return 0;
}

/* Somebody comes as it closes: nobody is accepted any more, whom the close would have to wait for.
 */
static int somebody_comes(void *arg)
{
    struct weft__acceptor *acceptor = *(struct weft__acceptor **)arg;

    ck_assert_int_eq(acceptor->error, -ECANCELED);
    ck_assert(weft__op_complete(weft__self, &(struct weft__cqe){.user_data = acceptor->op.id,
                                                                .result = POLLIN}));
    return 0;
}

static void act_close_met(struct server *server, struct peers *peers)
{
    struct weft__acceptor *acceptor = weft__io_of(weft__self)->acceptors;

    peers_come(peers, ROOM + 1, ROOM);
    ck_assert(weft__op_in_flight(&acceptor->op));
    ok(weft_create_task(somebody_comes, &acceptor, sizeof acceptor, NULL));
    ok(weft_close(server->listener));
}

static int main_close_watching(void *arg)
{
    (void)arg;
    return close_scene(act_close_watching);
}

static int main_close_met(void *arg)
{
    (void)arg;
    return close_scene(act_close_met);
}

TEST(closed_while_it_watches)
{
    net_run(main_close_watching);
}

TEST(closed_while_somebody_comes)
{
    net_run(main_close_met);
}

/* The reserve is a descriptor of the listener's: counted, closed with it, and it does not move. */
static int main_reserve(void *arg)
{
    struct weft_listen_opt opt = {.size = sizeof opt, .turn_away = true};
    int listener, before = test_descriptors();
    rlim_t limit = limit_now();

    listener = weft_listen_tcp("127.0.0.1:0", &opt);
    ok(listener);
    ck_assert_int_eq(test_descriptors(), before + 2);
    ck_assert_int_eq(weft_fd_move(listener), -EBUSY);
    ok(weft_close(listener));
    ck_assert_int_eq(test_descriptors(), before);

    limit_to(limit_for(1));
    ck_assert_int_eq(weft_listen_tcp("127.0.0.1:0", &opt), -EMFILE);
    limit_to(limit);
    ck_assert_int_eq(test_descriptors(), before);
    *(int *)arg = weft_listen_tcp("127.0.0.1:0", &opt); /* left open when the run ends */
    ok(*(int *)arg);
    return 0;
}

TEST(the_reserve_is_counted)
{
    int listener = -1, *place = &listener, before = test_descriptors();

    ck_assert_int_eq(weft_run(main_reserve, place, 0, NULL), 0);
    ck_assert_int_eq(test_descriptors(), before + 1);
    close(listener);
}

/* Whatever allocation fails: nothing stays open, the reserve least of all. */
static int main_no_memory(void *arg)
{
    struct weft_listen_opt opt = {.size = sizeof opt, .turn_away = true};
    int listener = -ENOMEM, before = test_descriptors();

    (void)arg;
    for (uint64_t n = 1; listener < 0; n++) {
        weft__alloc_fail_after(n);
        listener = weft_listen_tcp("127.0.0.1:0", &opt);
        weft__alloc_fail_after(0);
        ck_assert(listener >= 0 || listener == -ENOMEM);
        ck_assert_int_eq(test_descriptors(), before + (listener >= 0 ? 2 : 0));
    }
    return weft_close(listener);
}

TEST(no_memory_for_who_turns_away)
{
    net_run(main_no_memory);
}

/* -- waiting, the default ------------------------------------------------------------------------
 */

/* A pause of half a second is under way; a close ends it before its timer does. Should the machine
   stall for as long, that says nothing, and is tried again. */
static void act_pause(struct server *server, struct peers *peers)
{
    peers_ask(peers, ROOM + 3); /* one after the other: each waits until it is served */
    for (bool seen = false; !seen;) {
        int count = server->count < ROOM ? ROOM : server->count;
        struct weft_stats before;
        int64_t start;
        for (uint64_t until = net_stats().accept_backoffs + 8; net_stats().accept_backoffs < until;)
            ok(weft_sleep(1000000));
        ck_assert_int_eq(server->count, count);
        start = weft_now();
        before = net_stats();
        hang_up(server, 1);
        while (server->count < count)
            ok(weft_yield());
        seen = weft_now() - start < 250000000;
        if (seen)
            ck_assert_uint_eq(net_stats().timers_fired, before.timers_fired);
    }
    limit_to(limit_now() + 10);
    ck_assert_int_eq(peers_answer(peers).served, ROOM + 3);
    ck_assert_uint_eq(net_stats().accepts_turned_away, 0);
}

static int main_pause(void *arg)
{
    (void)arg;
    return scene(false, act_pause);
}

TEST(a_close_ends_the_pause)
{
    net_run(main_pause);
}

/* A request keeps the limit that held when it was armed. */
static int main_armed_before(void *arg)
{
    rlim_t limit = limit_now();
    int port, fd, connection, listener = net_listen(&port);

    (void)arg;
    fd = net_plain_connect(port); /* arms */
    connection = weft_accept(listener, NULL, NULL, 0);
    ok(connection);
    close(fd);
    ok(weft_close(connection));
    fd = net_plain_connect(port);
    limit_to(4);
    connection = weft_accept(listener, NULL, NULL, 0);
    limit_to(limit);
    ok(connection);
    close(fd);
    ok(weft_close(connection));
    return weft_close(listener);
}

TEST(the_limit_is_that_of_the_arming)
{
    net_run(main_armed_before);
}

TEST_MAIN("io.accept_full", 30, turned_away, turned_away_without_multishot,
          a_reserve_lost_is_had_again, closed_while_it_watches, closed_while_somebody_comes,
          the_reserve_is_counted, no_memory_for_who_turns_away, a_close_ends_the_pause,
          the_limit_is_that_of_the_arming)
