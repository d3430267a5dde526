/*
 * Memory that is given to be sent: weft_send_give, weft_send_give_until, .zero_copy_min. Catches
 * memory released before the kernel has let go of it, twice, or never, whichever way the call, the
 * task, the descriptor and the run end; bytes that are lost or wrong; a notification that comes
 * when its descriptor is another's already.
 */
#include "support/gift.h"

/* One gift, all of which arrives. */
static void pass(int from, int to, size_t size, uint64_t seed)
{
    struct gift gift;
    size_t done = 1;

    gift_wrap(&gift, size, seed);
    WEFT_SCOPE(s) {
        struct gift_taker taker = {to, size, seed};
        ok(weft_spawn(&s, gift_take, &taker, sizeof taker, NULL));
        ck_assert_int_eq(weft_send_give(from, gift.bytes, size, &done, gift_release, &gift),
                         (ssize_t)size);
        ck_assert_uint_eq(done, size);
    }
    gift_wait(&gift);
}

static int main_sizes(void *arg)
{
    static const size_t sizes[] = {1, 4095, 4096, 65537, 200000};
    uint64_t before = net_stats().zero_copy_sends;

    (void)arg;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int a, b;
        net_pair(&a, &b);
        pass(a, b, sizes[i], i);
        pass(b, a, sizes[i], i + 100);
        pass(a, b, 100, i + 200); /* the same connection, whatever was learned of it */
        ok(weft_close(a));
        ok(weft_close(b));
    }
    return net_stats().zero_copy_sends > before ? 1 : 0;
}

TEST(all_arrives_and_is_released)
{
    gift_run_uncopied(main_sizes);
}

TEST(never)
{
    gift_run(main_sizes, WEFT_ZERO_COPY_NEVER);
}

/* As this machine is. */
TEST(measured)
{
    ok(gift_result(main_sizes, 0));
    ok(gift_result(main_sizes, 0)); /* once in a process; what it was is known */
    ok(gift_result(main_sizes, WEFT_ZERO_COPY_MEASURE));
}

TEST(measured_first)
{
    ok(gift_result(main_sizes, WEFT_ZERO_COPY_MEASURE));
    ok(gift_result(main_sizes, 0));
}

/* Released, whatever is wrong with the call; with it, when no request was made. */
static int main_refused(void *arg)
{
    struct gift gift;
    int a, b;
    size_t done = 1;

    (void)arg;
    net_pair(&a, &b);
    gift_wrap(&gift, 10, 1);
    ck_assert_int_eq(weft_send_give(a, gift.bytes, 10, NULL, NULL, &gift), -EINVAL);
    ck_assert_int_eq(gift.released, 0);
    ck_assert_int_eq(weft_send_give(9999, gift.bytes, 10, &done, gift_release, &gift), -EBADF);
    gift_wait(&gift); /* a request may have been made, to learn it */
    ck_assert_uint_eq(done, 0);
    gift_wrap(&gift, 10, 1);
    ck_assert_int_eq(weft_send_give(a, NULL, 10, NULL, gift_release, &gift), -EFAULT);
    ck_assert_int_eq(gift.released, 1);
    gift_wrap(&gift, 10, 1);
    ck_assert_int_eq(weft_send_give(a, gift.bytes, 0, NULL, gift_release, &gift), 0);
    ck_assert_int_eq(gift.released, 1);
    gift_wrap(&gift, 10, 1);
    ck_assert_int_eq(weft_send_give(a, NULL, 0, NULL, gift_release, &gift), 0);
    ck_assert_int_eq(gift.released, 1);
    ok(weft_shutdown(a, SHUT_WR));
    gift_wrap(&gift, 70000, 1);
    ck_assert_int_eq(weft_send_give(a, gift.bytes, gift.size, &done, gift_release, &gift), -EPIPE);
    ck_assert_uint_eq(done, 0);
    gift_wait(&gift);
    ok(weft_close(a));
    ok(weft_close(b));
    return 0;
}

TEST(refused)
{
    gift_run(main_refused, 1);
}

/* Where there is no such send: a copy, and the release with the call. */
static int main_unix(void *arg)
{
    struct gift gift;
    int pair[2];
    char got[10];

    (void)arg;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    for (int i = 0; i < 2; i++) {
        gift_wrap(&gift, 10, 1);
        ck_assert_int_eq(weft_send_give(pair[0], gift.bytes, 10, NULL, gift_release, &gift), 10);
        ck_assert_int_eq(weft_recv_exactly(pair[1], got, 10, NULL), 10);
        net_check((unsigned char *)got, 10, 1, 0);
        gift_wait(&gift);
    }
    ok(weft_close(pair[0]));
    ok(weft_close(pair[1]));
    return 0;
}

TEST(another_way_to_the_peer)
{
    gift_run(main_unix, 1);
}

/* -- ends ------------------------------------------------------------------------------------ */

struct given {
    int fd;
    struct gift *gift;
    ssize_t result;
    size_t done;
};

/* More than a connection holds, so that it waits. */
static int give(void *arg)
{
    struct given *given = *(struct given **)arg;

    given->result = weft_send_give(given->fd, given->gift->bytes, given->gift->size, &given->done,
                                   gift_release, given->gift);
    return 0;
}

/* Begins one and has it under way. */
static weft_task start(struct weft_scope *scope, struct given *given)
{
    struct weft_spawn_opt opt = {.size = sizeof opt};
    weft_task task;
    uint64_t bytes = net_stats().turns;

    opt.task = &task;
    ok(weft_spawn(scope, give, &given, sizeof given, &opt));
    while (net_stats().turns < bytes + 3)
        ok(weft_sleep(1000000));
    return task;
}

static void cut_off(int (*close_it)(int fd))
{
    struct gift gift, other;
    struct given given = {.gift = &gift};
    int peer;

    gift_narrow_pair(&given.fd, &peer);
    gift_wrap(&gift, GIFT_LARGE, 7);
    WEFT_SCOPE(s) {
        weft_task task = start(&s, &given);
        gift_wrap(&other, 1, 1);
        ck_assert_int_eq(weft_send_give(given.fd, other.bytes, 1, NULL, gift_release, &other),
                         -EBUSY);
        ck_assert_int_eq(other.released, 1);
        ok(weft_cancel(task));
        ok(weft_join(task, NULL));
    }
    ck_assert_int_eq(given.result, -ECANCELED);
    ck_assert_uint_lt(given.done, GIFT_LARGE);
    ok(close_it(given.fd)); /* what was taken is sent all the same, from where it lies */
    gift_take_rest(peer, 7, given.done);
    gift_wait(&gift);
    ok(weft_close(peer));
}

static int main_cancelled(void *arg)
{
    (void)arg;
    cut_off(weft_close);
    cut_off(weft_close_nowait);
    return 0;
}

TEST(cancelled_under_way)
{
    gift_run(main_cancelled, 1);
}

static int cancelled_from_the_first(void *arg)
{
    struct given *given = *(struct given **)arg;
    struct gift gift;
    size_t done = 1;

    given->result = weft_send_give(given->fd, given->gift->bytes, given->gift->size, &given->done,
                                   gift_release, given->gift);
    ck_assert_int_eq(given->gift->released, 1);
    gift_wrap(&gift, 1, 1);
    ck_assert_int_eq(weft_send_give_until(given->fd, gift.bytes, 1, &done, gift_release, &gift,
                                          weft_after_ms(60000)),
                     -ECANCELED);
    ck_assert_int_eq(gift.released, 1);
    ck_assert_uint_eq(done, 0);
    ck_assert_int_eq(weft_send_give_until(given->fd, "x", 1, NULL, NULL, NULL, WEFT_NEVER),
                     -ECANCELED); /* there is nobody to be told */
    return 0;
}

static int main_cancelled_before(void *arg)
{
    struct gift gift;
    struct given given = {.gift = &gift};
    struct given *passed = &given;
    int peer;

    (void)arg;
    gift_narrow_pair(&given.fd, &peer);
    gift_wrap(&gift, GIFT_LARGE, 7);
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        ok(weft_spawn(&s, cancelled_from_the_first, &passed, sizeof passed, NULL));
        ok(weft_scope_cancel(&s));
    }
    ck_assert_int_eq(given.result, -ECANCELED);
    ck_assert_uint_eq(given.done, 0);
    ok(weft_close(given.fd));
    gift_take_rest(peer, 7, 0);
    ok(weft_close(peer));
    return 0;
}

TEST(cancelled_before)
{
    gift_run(main_cancelled_before, 1);
}

static int main_deadline(void *arg)
{
    struct gift gift;
    int a, b;
    size_t done;

    (void)arg;
    gift_narrow_pair(&a, &b);
    gift_wrap(&gift, GIFT_LARGE, 8);
    ck_assert_int_eq(weft_send_give_until(a, gift.bytes, GIFT_LARGE, &done, gift_release, &gift,
                                          weft_after_ms(5)),
                     -ETIMEDOUT);
    ck_assert_uint_lt(done, GIFT_LARGE);
    ok(weft_close(a));
    gift_take_rest(b, 8, done);
    gift_wait(&gift);
    ok(weft_close(b));
    return 0;
}

TEST(deadline)
{
    gift_run(main_deadline, 1);
}

/* The descriptor is closed under the call, and its number is another's by the notification. */
static int main_closed(void *arg)
{
    struct gift gift;
    struct given given = {.gift = &gift};
    int peer, next, other;

    (void)arg;
    gift_narrow_pair(&given.fd, &peer);
    gift_wrap(&gift, GIFT_LARGE, 9);
    WEFT_SCOPE(s) {
        weft_task task = start(&s, &given);
        ok(weft_close(given.fd));
        ok(weft_join(task, NULL));
    }
    ck_assert_int_eq(given.result, -ECANCELED);
    net_pair(&next, &other);
    pass(next, other, 65536, 3);
    gift_take_rest(peer, 9, given.done);
    gift_wait(&gift);
    pass(other, next, 65536, 4);
    ok(weft_close(next));
    ok(weft_close(other));
    ok(weft_close(peer));
    return 0;
}

TEST(closed_under_the_call)
{
    gift_run(main_closed, 1);
}

/* By either end. Nobody acknowledges anything any more, and it is released all the same. */
static int main_reset(void *arg)
{
    for (int ours = 0; ours < 2; ours++) {
        struct linger linger = {.l_onoff = 1};
        struct gift gift;
        struct given given = {.gift = &gift};
        int peer;

        (void)arg;
        gift_narrow_pair(&given.fd, &peer);
        gift_wrap(&gift, GIFT_LARGE, 9);
        ok(weft_setsockopt(ours ? given.fd : peer, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
        WEFT_SCOPE(s) {
            weft_task task = start(&s, &given);
            ok(weft_close(ours ? given.fd : peer));
            ok(weft_join(task, NULL));
        }
        ck_assert_int_lt(given.result, 0);
        gift_wait(&gift);
        ok(weft_close(ours ? peer : given.fd));
    }
    return 0;
}

TEST(reset)
{
    gift_run(main_reset, 1);
}

/* -- the end of the run ------------------------------------------------------------------------
 */

static struct gift last;
static int last_peer;

static int main_leaves(void *arg)
{
    int here;

    (void)arg;
    net_pair(&here, &last_peer);
    gift_wrap(&last, 65536, 5);
    ck_assert_int_eq(weft_send_give(here, last.bytes, last.size, NULL, gift_release, &last), 65536);
    ok(weft_close(here));
    gift_take_rest(last_peer, 5, 65536);
    return weft_close(last_peer);
}

/* Without waiting for it. */
TEST(the_run_waits)
{
    gift_run(main_leaves, 1);
    ck_assert_int_eq(last.released, 1);
}

TEST_MAIN("send_give", 60, all_arrives_and_is_released, never, measured, measured_first, refused,
          another_way_to_the_peer, cancelled_under_way, cancelled_before, deadline,
          closed_under_the_call, reset, the_run_waits)
