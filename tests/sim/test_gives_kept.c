/*
 * A connection that is closed while the kernel has not let go of what was given to it: one
 * descriptor keeps it, however much was given, as long as anything is left, and for a minute at the
 * most; none where none is to be had. Catches a descriptor for each send, one that goes with the
 * send that had it, one that stays for as long as the peer likes, and a limit on one that there is
 * not. Time is the simulated kernel's.
 */
#include "simulate.h"

#include <sys/un.h>

#include "io/give.h"
#include "reactor/reactor.h"
#include "sim/world.h"
#include "support/gift.h"

enum { GIFTS = 4, SIZE = 20000, KEPT_S = 60 };
#define SECOND INT64_C(1000000000)

static struct gift gifts[GIFTS];

static int released(void)
{
    int count = 0;

    for (int i = 0; i < GIFTS; i++)
        count += gifts[i].released;
    return count;
}

/* Descriptors that keep a connection. */
static int kept(void)
{
    int count = 0;

    for (const struct weft__give *give = weft__io_of(weft__self)->gives; give; give = give->next)
        count += give->copy >= 0;
    return count;
}

/* Gives to both of two connections by turns. */
static void give(int fds[2], int peers[2])
{
    for (int i = 0; i < 2; i++)
        net_pair(&fds[i], &peers[i]);
    for (int i = 0; i < GIFTS; i++) {
        gift_wrap(&gifts[i], SIZE, (uint64_t)i);
        ck_assert_int_eq(weft_send_give(fds[i % 2], gifts[i].bytes, SIZE, NULL, gift_release,
                                        &gifts[i]),
                         SIZE);
    }
    ck_assert_int_eq(kept(), 0);
}

static int (*close_it)(int fd) = weft_close;

static void give_and_close(int peers[2])
{
    int fds[2];

    give(fds, peers);
    for (int i = 0; i < 2; i++)
        ok(close_it(fds[i]));
}

/* Connections that something is left of: even gifts are the one's, odd ones the other's. */
static int waiting(void)
{
    int left[2] = {0, 0};

    for (int i = 0; i < GIFTS; i++)
        left[i % 2] |= !gifts[i].released;
    return left[0] + left[1];
}

static int main_kept(void *arg)
{
    int peers[2];

    (void)arg;
    give_and_close(peers);
    ck_assert_int_eq(released(), 0);
    for (int seconds = 0; released() < GIFTS; seconds++) {
        ck_assert_int_lt(seconds, KEPT_S);
        ck_assert_int_eq(kept(), waiting());
        ok(weft_sleep(SECOND));
    }
    ck_assert_int_eq(kept(), 0);
    ok(weft_close(peers[0]));
    return weft_close(peers[1]);
}

static void keeps(int (*by)(int fd))
{
    close_it = by;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world world = {.seed = seed,
                              .plan = "calm zc.notify_time=2s..50s",
                              .task = main_kept,
                              .run = {.zero_copy_min = 1}};
        ck_assert_int_eq(world_run(&world), 0);
    }
}

TEST(one_keeps_a_connection)
{
    keeps(weft_close);
}

TEST(closed_by_who_does_not_wait)
{
    keeps(weft_close_nowait);
}

/* No descriptor is to be had for it: then the connection is closed as any is, and all arrives. */
static int main_none_left(void *arg)
{
    struct weft__sim *sim = weft__sim_world;
    uint32_t most = sim->fds_max;
    uint64_t timers;
    int fds[2], peers[2];

    (void)arg;
    give(fds, peers);
    timers = weft__self->timers.alive;
    sim->fds_max = sim->fds_open;
    ok(weft_close_nowait(fds[0]));
    sim->fds_max = sim->fds_open;
    ok(weft_close(fds[1]));
    sim->fds_max = most;
    ck_assert_int_eq(kept(), 0);
    ck_assert_uint_eq(weft__self->timers.alive, timers); /* nor is there anything to be limited */
    for (int i = 0; i < 2; i++) {
        static unsigned char bytes[SIZE];
        for (int gift = i; gift < GIFTS; gift += 2) {
            ck_assert_int_eq(weft_recv_exactly(peers[i], bytes, SIZE, NULL), SIZE);
            net_check(bytes, SIZE, (uint64_t)gift, 0);
        }
        ck_assert_int_eq(weft_recv(peers[i], bytes, 1, 0), 0);
        ok(weft_close(peers[i]));
    }
    for (int i = 0; i < GIFTS; i++)
        gift_wait(&gifts[i]);
    return 0;
}

TEST(no_descriptor_for_it)
{
    struct world world = {.seed = 1,
                          .plan = "calm zc.notify_time=2s..50s",
                          .task = main_none_left,
                          .run = {.zero_copy_min = 1}};

    ck_assert_int_eq(world_run(&world), 0);
}

static int main_not_for_ever(void *arg)
{
    int peers[2];

    (void)arg;
    give_and_close(peers);
    ok(weft_sleep((KEPT_S - 1) * SECOND));
    ck_assert_int_eq(kept(), 2);
    ok(weft_sleep(2 * SECOND));
    ck_assert_int_eq(kept(), 0);
    ck_assert_int_eq(released(), 0);
    while (released() < GIFTS)
        ok(weft_sleep(SECOND));
    ok(weft_close(peers[0]));
    return weft_close(peers[1]);
}

TEST(not_for_ever)
{
    struct world world = {.seed = 1,
                          .plan = "calm zc.notify_time=300s..400s",
                          .task = main_not_for_ever,
                          .run = {.zero_copy_min = 1}};

    ck_assert_int_eq(world_run(&world), 0);
}

/* Both ends of a channel that passes descriptors. */
static void channel(int ends[2])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "@weft-gives"};
    int listener = weft_socket(AF_UNIX, SOCK_STREAM, 0);

    address.sun_path[0] = '\0';
    ok(listener);
    ok(weft_bind(listener, (struct sockaddr *)&address, sizeof address));
    ok(weft_listen(listener, 1));
    ends[0] = weft_socket(AF_UNIX, SOCK_STREAM, 0);
    ok(ends[0]);
    ok(weft_connect(ends[0], (struct sockaddr *)&address, sizeof address));
    ends[1] = weft_accept(listener, NULL, NULL, 0);
    ok(ends[1]);
    ok(weft_close(listener));
}

/* Passed to somebody else, who goes on with it behind what was given. */
static int main_passed(void *arg)
{
    static char bytes[SIZE + 4];
    int pair[2], fd, peer, other;
    uint32_t count = 1;

    (void)arg;
    net_pair(&fd, &peer);
    channel(pair);
    gift_wrap(&gifts[0], SIZE, 0);
    ck_assert_int_eq(weft_send_give(fd, gifts[0].bytes, SIZE, NULL, gift_release, &gifts[0]), SIZE);
    ck_assert_int_eq(weft_send_fds(pair[0], "f", 1, &fd, 1), 1);
    ok(weft_close(fd));
    ck_assert_int_eq(kept(), 0);
    ck_assert_int_eq(weft_recv_fds(pair[1], bytes, 1, &other, &count), 1);
    ck_assert_int_eq(gifts[0].released, 0);
    ck_assert_int_eq(weft_send_all(other, "more", 4, NULL), 4);
    ck_assert_int_eq(weft_recv_exactly(peer, bytes, sizeof bytes, NULL), sizeof bytes);
    ck_assert_mem_eq(bytes + SIZE, "more", 4);
    gift_wait(&gifts[0]);
    ok(weft_close(other));
    ok(weft_close(pair[0]));
    ok(weft_close(pair[1]));
    return weft_close(peer);
}

TEST(passed_and_closed)
{
    struct world world = {.seed = 1,
                          .plan = "calm zc.notify_time=2s..50s",
                          .task = main_passed,
                          .run = {.zero_copy_min = 1}};

    ck_assert_int_eq(world_run(&world), 0);
}

/* The limit goes along with the descriptor. */
static int main_handed_on(void *arg)
{
    int peers[2];

    (void)arg;
    give_and_close(peers);
    for (int seconds = 0; seconds < KEPT_S - 1; seconds++) {
        ck_assert_int_eq(kept(), waiting());
        ok(weft_sleep(SECOND));
    }
    ok(weft_sleep(2 * SECOND));
    ck_assert_int_eq(kept(), 0);
    while (released() < GIFTS)
        ok(weft_sleep(SECOND));
    ok(weft_close(peers[0]));
    return weft_close(peers[1]);
}

TEST(the_limit_goes_along)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world world = {.seed = seed,
                              .plan = "calm zc.notify_time=2s..150s",
                              .task = main_handed_on,
                              .run = {.zero_copy_min = 1}};
        ck_assert_int_eq(world_run(&world), 0);
    }
}

TEST_MAIN("sim/gives_kept", 60, one_keeps_a_connection, closed_by_who_does_not_wait,
          no_descriptor_for_it, not_for_ever, passed_and_closed, the_limit_goes_along)
