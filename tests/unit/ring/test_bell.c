/*
 * Bells: a sleeper wakes for each way of ringing, nothing rings that was not rung, and a bell whose
 * ring is gone hurts nobody. Would catch a lost wake-up of the kernel's making and a poll that ends
 * unnoticed.
 */
#include "support/test.h"

#include "ring/host.h"
#include "ring/request.h"
#include "ring/ring.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { TOKEN = 0xbe11, SENT = 0x5e47, RINGS = 100000, SLEEPS = 2000 };

static struct weft__ring ring;
static struct weft__bell bell;
static uint32_t armed_again; /* times heard() had to */

static void open_both(uint32_t cq_entries)
{
    struct weft__ring_opt opt = {.sq_entries = 16, .cq_entries = cq_entries};
    ck_assert_int_eq(weft__ring_open(&ring, &opt), 0);
    ck_assert_int_eq(weft__bell_open(&bell, &ring, TOKEN), 0);
    ck_assert_int_eq(weft__ring_enter(&ring, 0, INT64_MAX), 0);
}

static void close_both(void)
{
    weft__ring_close(&ring);
    weft__bell_close(&bell);
}

/* Reads all completions; how many were the bell's. Arms it again when it says so. */
static uint32_t heard(void)
{
    uint32_t head, count = 0;
    bool over = false;
    for (uint32_t ready = weft__ring_ready(&ring, &head); ready > 0; ready--, head++) {
        const struct weft__cqe *cqe = &ring.cqes[head & ring.cq_mask];
        ck_assert_uint_eq(cqe->user_data, TOKEN);
        ck_assert_int_gt(cqe->result, 0);
        over |= !(cqe->flags & WEFT__CQE_MORE);
        count++;
    }
    weft__ring_seen(&ring, head);
    armed_again += over;
    if (over)
        ck_assert_int_eq(weft__bell_rearm(&bell, &ring), 0);
    return count;
}

static bool silent(void)
{
    ck_assert_int_eq(weft__ring_enter(&ring, 1, weft__host_now() + 5000000), 0);
    return heard() == 0;
}

/* --- from any thread ---------------------------------------------------------------------------
 */

static atomic_uint slept, rung; /* sleeps begun, and rings made for them */

static void *ring_each_sleep(void *unused)
{
    for (unsigned i = 1; i <= SLEEPS; i++) {
        while (atomic_load(&slept) < i)
            sched_yield();
        atomic_store(&rung, i);
        weft__bell_ring(&bell);
    }
    return unused;
}

/* One ring for each sleep, at any moment of falling asleep: the sleep ends, without a time limit.
 */
TEST(each_sleep_is_ended_by_its_ring)
{
    pthread_t other;
    uint32_t count = 0;
    open_both(0);
    ck_assert_int_eq(pthread_create(&other, NULL, ring_each_sleep, NULL), 0);
    for (unsigned i = 1; i <= SLEEPS; i++) {
        atomic_store(&slept, i);
        uint32_t got;
        do {
            ck_assert_int_eq(weft__ring_enter(&ring, 1, INT64_MAX), 0);
            count += got = heard();
        } while (got == 0);
        ck_assert_uint_eq(atomic_load(&rung), i);
    }
    pthread_join(other, NULL);
    ck_assert_uint_eq(count, SLEEPS);
    ck_assert(silent());
    close_both();
}

static void *ring_often(void *unused)
{
    for (int i = 0; i < RINGS; i++)
        weft__bell_ring(&bell);
    atomic_store(&rung, 1);
    return unused;
}

/* 10^5 rings without pause: at most as many completions, at least one after the last ring. */
TEST(many_rings_are_at_most_as_many_completions)
{
    pthread_t other;
    uint32_t count = 0;
    open_both(0);
    ck_assert_int_eq(pthread_create(&other, NULL, ring_often, NULL), 0);
    while (!atomic_load(&rung)) {
        ck_assert_int_eq(weft__ring_enter(&ring, 1, weft__host_now() + 10000000), 0);
        count += heard();
    }
    pthread_join(other, NULL);
    ck_assert_int_eq(weft__ring_enter(&ring, 0, INT64_MAX), 0);
    count += heard();
    ck_assert_uint_ge(count, 1);
    ck_assert_uint_le(count, RINGS);
    ck_assert(silent());
    weft__bell_ring(&bell);
    ck_assert(!silent());
    close_both();
}

TEST(rings_before_the_first_enter_count)
{
    struct weft__ring_opt opt = {.sq_entries = 16};
    ck_assert_int_eq(weft__ring_open(&ring, &opt), 0);
    ck_assert_int_eq(weft__bell_open(&bell, &ring, TOKEN), 0);
    weft__bell_ring(&bell);
    ck_assert_int_eq(weft__ring_enter(&ring, 1, INT64_MAX), 0);
    ck_assert_uint_eq(heard(), 1);
    close_both();
}

/* A counter that can go no higher has been rung: not an error, and errno stays the interrupted
 * code's. */
TEST(a_full_counter_is_no_trouble)
{
    const uint64_t most = UINT64_MAX - 1;
    open_both(0);
    ck_assert_int_eq(write(bell.eventfd, &most, sizeof most), sizeof most);
    ck_assert(!silent());
    errno = ENOTTY;
    weft__bell_ring(&bell);
    ck_assert_int_eq(errno, ENOTTY);
    close_both();
}

/* Closing waits for rings that are known to be under way, however late, and no longer than that. */
TEST(settling_waits_for_the_last_ring)
{
    pthread_t other;
    open_both(0);
    ck_assert(weft__bell_settle(&bell, 0));
    ck_assert_int_eq(pthread_create(&other, NULL, ring_often, NULL), 0);
    ck_assert(weft__bell_settle(&bell, RINGS));
    pthread_join(other, NULL);
    weft__bell_ring(&bell);
    ck_assert(!weft__bell_settle(&bell, 2));
    close_both();
}

static void ring_in_handler(int number)
{
    (void)number;
    int saved = errno;
    errno = ENOTTY;
    weft__bell_ring(&bell);
    if (errno != ENOTTY)
        abort();
    errno = saved;
}

TEST(a_signal_handler_may_ring)
{
    struct sigaction action = {.sa_handler = ring_in_handler};
    struct itimerval timer = {.it_value = {.tv_usec = 20000}};
    open_both(0);
    ck_assert_int_eq(weft__host_signal_action(SIGALRM, &action, NULL), 0);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);
    while (heard() == 0)
        ck_assert_int_eq(weft__ring_enter(&ring, 1, INT64_MAX), 0);
    close_both();
}

/* An overflow ends the armed poll: the completion without MORE comes, and arming again mends it. */
TEST(the_bell_survives_an_overflow)
{
    open_both(16);
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 15; i++) {
            struct weft__sqe *sqe = weft__ring_take(&ring);
            ck_assert_ptr_nonnull(sqe);
            weft__request_nop(sqe);
            sqe->user_data = 1;
        }
        weft__bell_ring(&bell);
        weft__ring_enter(&ring, 0, INT64_MAX);
    }
    uint32_t bells = 0;
    for (int quiet = 0; quiet < 3;) {
        uint32_t head, ready = weft__ring_ready(&ring, &head);
        bool over = false;
        for (uint32_t i = 0; i < ready; i++, head++) {
            const struct weft__cqe *cqe = &ring.cqes[head & ring.cq_mask];
            bells += cqe->user_data == TOKEN;
            over |= cqe->user_data == TOKEN && !(cqe->flags & WEFT__CQE_MORE);
        }
        weft__ring_seen(&ring, head);
        if (over)
            ck_assert_int_eq(weft__bell_rearm(&bell, &ring), 0);
        weft__ring_enter(&ring, 0, INT64_MAX);
        quiet = ready > 0 ? 0 : quiet + 1;
    }
    ck_assert_uint_gt(ring.counts.overflows, 0);
    ck_assert_uint_gt(bells, 0);
    ck_assert(silent());
    weft__bell_ring(&bell);
    ck_assert(!silent());
    close_both();
}

/* --- by message from another ring --------------------------------------------------------------
 */

static bool kernel_sends_messages(void)
{
    struct utsname name;
    int major = 0, minor = 0;
    ck_assert_int_eq(uname(&name), 0);
    ck_assert_int_eq(sscanf(name.release, "%d.%d", &major, &minor), 2);
    return major > 6 || (major == 6 && minor >= 3);
}

/* Before 6.3 a message cannot say that the bell stays armed, so there bells go by eventfd alone;
   and nowhere else, or one that says the wrong thing would go unnoticed. */
static bool no_messages(void)
{
    struct weft__sqe sqe = {.user_data = 5};
    if (ring.features & WEFT__FEATURE_MSG_RING)
        return false;
    ck_assert(!kernel_sends_messages() || getenv("WEFT_RING_MASK"));
    ck_assert_int_eq(bell.ring_fd, -1);
    ck_assert(!weft__bell_prepare(&bell, &ring, &sqe));
    ck_assert_uint_eq(sqe.user_data, 5);
    close_both();
    return true;
}

struct sender {
    unsigned count;           /* messages to send, waiting for as many sleeps */
    struct weft__cqe failure; /* what came back, user_data 0: nothing */
};

static void *send_messages(void *argument)
{
    struct sender *sender = argument;
    struct weft__ring mine;
    struct weft__ring_opt opt = {.sq_entries = 8};
    if (weft__ring_open(&mine, &opt) < 0)
        abort();
    for (unsigned i = 1; i <= sender->count; i++) {
        while (atomic_load(&slept) < i)
            sched_yield();
        atomic_store(&rung, i);
        struct weft__sqe *sqe = weft__ring_take(&mine);
        if (!weft__bell_prepare(&bell, &mine, sqe))
            abort();
        sqe->user_data = SENT;
        weft__ring_enter(&mine, 0, INT64_MAX);
    }
    uint32_t head;
    weft__ring_enter(&mine, 1, weft__host_now() + 5000000);
    if (weft__ring_ready(&mine, &head) > 0)
        sender->failure = mine.cqes[head & mine.cq_mask];
    weft__ring_close(&mine);
    return NULL;
}

TEST(each_sleep_is_ended_by_its_message)
{
    pthread_t other;
    struct sender sender = {.count = SLEEPS};
    uint32_t count = 0;
    open_both(0);
    if (no_messages())
        return;
    ck_assert_int_eq(pthread_create(&other, NULL, send_messages, &sender), 0);
    for (unsigned i = 1; i <= SLEEPS; i++) {
        atomic_store(&slept, i);
        uint32_t got;
        do {
            ck_assert_int_eq(weft__ring_enter(&ring, 1, INT64_MAX), 0);
            count += got = heard();
        } while (got == 0);
        ck_assert_uint_eq(atomic_load(&rung), i);
    }
    pthread_join(other, NULL);
    ck_assert_uint_eq(count, SLEEPS);
    ck_assert_uint_eq(sender.failure.user_data, 0); /* success is silent at the sender */
    ck_assert_uint_eq(armed_again, 0);
    close_both();
}

/* Messages to a ring that is closed: no stranger gets them, nobody crashes. */
TEST(a_message_to_a_closed_ring_hits_nobody)
{
    pthread_t other;
    struct sender sender = {.count = 1};
    open_both(0);
    if (no_messages())
        return;
    weft__ring_close(&ring);
    struct weft__ring_opt opt = {.sq_entries = 16};
    ck_assert_int_eq(weft__ring_open(&ring, &opt), 0); /* takes the number that became free */
    atomic_store(&slept, 1);
    ck_assert_int_eq(pthread_create(&other, NULL, send_messages, &sender), 0);
    pthread_join(other, NULL);
    weft__bell_ring(&bell);
    ck_assert_int_eq(weft__ring_enter(&ring, 1, weft__host_now() + 5000000), 0);
    uint32_t head;
    ck_assert_uint_eq(weft__ring_ready(&ring, &head), 0);
    close_both();
}

/* A message that cannot be delivered comes back to its sender under the name the sender gave it. */
TEST(a_failed_message_comes_back)
{
    pthread_t other;
    struct sender sender = {.count = 1};
    open_both(0);
    if (no_messages())
        return;
    struct weft__bell real = bell;
    bell.ring_fd = bell.eventfd; /* a descriptor, and no ring */
    atomic_store(&slept, 1);
    ck_assert_int_eq(pthread_create(&other, NULL, send_messages, &sender), 0);
    pthread_join(other, NULL);
    ck_assert_uint_eq(sender.failure.user_data, SENT);
    ck_assert_int_lt(sender.failure.result, 0);
    bell = real;
    ck_assert(silent());
    close_both();
}

TEST(masked_messages_leave_the_eventfd)
{
    struct weft__sqe sqe = {.user_data = 5};
    setenv("WEFT_RING_MASK", "msg_ring", 1);
    open_both(0);
    ck_assert(!weft__bell_prepare(&bell, &ring, &sqe));
    weft__bell_ring(&bell);
    ck_assert(!silent());
    ck_assert(no_messages());
}

TEST_MAIN("bell", 60, each_sleep_is_ended_by_its_ring, many_rings_are_at_most_as_many_completions,
          rings_before_the_first_enter_count, a_full_counter_is_no_trouble,
          settling_waits_for_the_last_ring, a_signal_handler_may_ring,
          the_bell_survives_an_overflow, each_sleep_is_ended_by_its_message,
          a_message_to_a_closed_ring_hits_nobody, a_failed_message_comes_back,
          masked_messages_leave_the_eventfd)
