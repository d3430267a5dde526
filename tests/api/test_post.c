/*
 * weft/post.h: references, posting and its errors, order, slots, signals, cancelling and stopping
 * from other threads, and what becomes of posts at a stop.
 */
#include "support/test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <weft/weft.h>

#define RUN_OPT(...) (&(struct weft_run_opt){.size = sizeof(struct weft_run_opt), __VA_ARGS__})

static int run(weft_task_fn fn)
{
    return weft_run(fn, NULL, 0, NULL);
}

static weft_inbox *inbox;
static atomic_int ran, dropped;
static void add(void *arg)
{
    (void)arg;
    atomic_fetch_add(&ran, 1);
}
static void drop(void *arg)
{
    (void)arg;
    atomic_fetch_add(&dropped, 1);
}
static void wait_for(atomic_int *counter, int value)
{
    while (atomic_load(counter) < value)
        ck_assert_int_eq(weft_sleep(100000), 0);
}
static void start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
    ck_assert_int_eq(pthread_create(thread, NULL, fn, arg), 0);
}

/* -- references and arguments ------------------------------------------------------------------ */

static int keep_inbox(void *arg)
{
    weft_inbox *zero = weft_inbox_get(0);

    (void)arg;
    inbox = weft_inbox_here();
    ck_assert_ptr_eq(inbox, zero);
    ck_assert_ptr_null(weft_inbox_get(1));
    ck_assert_ptr_eq(weft_inbox_retain(inbox), inbox);
    weft_inbox_put(inbox);
    weft_inbox_put(zero);
    return 0;
}
TEST(after_the_end)
{
    struct weft_post_slot slot = WEFT_POST_SLOT_INIT(add, NULL), empty = {0};
    weft_task none = {0, 0};
    struct weft_stats stats;

    ck_assert_ptr_null(weft_inbox_here());
    ck_assert_ptr_null(weft_inbox_get(0));
    ck_assert_ptr_null(weft_inbox_retain(NULL));
    weft_inbox_put(NULL);
    ck_assert_int_eq(run(keep_inbox), 0);
    ck_assert_int_eq(weft_post(inbox, add, NULL, drop), -ESHUTDOWN);
    ck_assert_int_eq(weft_post_try(inbox, add, NULL, drop), -ESHUTDOWN);
    ck_assert_int_eq(weft_post_slot(inbox, &slot), -ESHUTDOWN);
    ck_assert_int_eq(weft_post_slot(inbox, &slot), -ESHUTDOWN); /* not busy */
    ck_assert_int_eq(weft_post_signal(inbox, &slot), -ESHUTDOWN);
    ck_assert_int_eq(weft_cancel_post(inbox, none), -ESHUTDOWN);
    ck_assert_int_eq(weft_stop_post(inbox), -ESHUTDOWN);
    ck_assert_int_eq(weft_stop_post(inbox), -ESHUTDOWN);
    ck_assert_int_eq(weft_stats_read(inbox, &stats, sizeof stats), -ESHUTDOWN);
    ck_assert_int_eq(weft_post(NULL, add, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_post(inbox, NULL, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_post_try(NULL, add, NULL, NULL), -EINVAL);
    ck_assert_int_eq(weft_post_slot(inbox, NULL), -EINVAL);
    ck_assert_int_eq(weft_post_slot(NULL, &slot), -EINVAL);
    ck_assert_int_eq(weft_post_slot(inbox, &empty), -EINVAL);
    ck_assert_int_eq(weft_cancel_post(NULL, none), -EINVAL);
    ck_assert_int_eq(weft_stop_post(NULL), -EINVAL);
    weft_inbox_put(inbox);
    ck_assert_int_eq(atomic_load(&ran) + atomic_load(&dropped), 0);
}

/* -- from another thread: all run, in each thread's order ---------------------------------------
 */

enum { THREADS = 4, POSTS = 2000 };
struct sequence {
    int thread, number;
};
static struct sequence sequences[THREADS][POSTS];
static int seen[THREADS];
static void check_order(void *arg)
{
    struct sequence *s = arg;

    ck_assert_int_eq(s->number, seen[s->thread]);
    seen[s->thread]++;
    ck_assert_int_eq(weft_yield(), -EPERM); /* callbacks do not suspend */
    atomic_fetch_add(&ran, 1);
}
static void *posts(void *arg)
{
    int thread = (int)(intptr_t)arg;

    for (int i = 0; i < POSTS; i++) {
        sequences[thread][i] = (struct sequence){thread, i};
        ck_assert_int_eq((i % 2 ? weft_post : weft_post_try)(inbox, check_order,
                                                             &sequences[thread][i], drop),
                         0);
    }
    return NULL;
}
static int threads_main(void *arg)
{
    pthread_t threads[THREADS];

    (void)arg;
    inbox = weft_inbox_here();
    for (int i = 0; i < THREADS; i++)
        start(&threads[i], posts, (void *)(intptr_t)i);
    wait_for(&ran, THREADS * POSTS);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    weft_inbox_put(inbox);
    return 0;
}
TEST(from_other_threads)
{
    ck_assert_int_eq(run(threads_main), 0);
    ck_assert_int_eq(atomic_load(&ran), THREADS * POSTS);
    ck_assert_int_eq(atomic_load(&dropped), 0);
}

/* -- from the reactor itself, and what callbacks may do ------------------------------------------
 */

static int spawned(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_sleep(1000), 0);
    atomic_fetch_add(&ran, 1);
    return 0;
}
static void spawns(void *arg)
{
    weft_scope *own = arg;

    ck_assert_int_eq(weft_spawn_nowait(weft_root(), spawned, NULL, 0, NULL), 0);
    ck_assert_int_eq(weft_spawn_nowait(own, spawned, NULL, 0, NULL), -EPERM);
    ck_assert_int_eq(weft_spawn_nowait(NULL, spawned, NULL, 0, NULL), -EINVAL);
    ck_assert_int_eq(weft_spawn(weft_root(), spawned, NULL, 0, NULL), -EPERM);
}
static char order[8];
static void note(void *arg)
{
    order[atomic_fetch_add(&dropped, 1)] = *(char *)arg;
}
static int note_task(void *arg)
{
    note(arg);
    return 0;
}
static int own_main(void *arg)
{
    (void)arg;
    inbox = weft_inbox_here();
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_post(inbox, spawns, &s, NULL), 0);
        wait_for(&ran, 1);
        /* a post from the reactor's own thread joins the ready queue */
        ck_assert_int_eq(weft_spawn(&s, note_task, "a", 2, NULL), 0);
        ck_assert_int_eq(weft_post(inbox, note, "b", NULL), 0);
        ck_assert_int_eq(weft_spawn(&s, note_task, "c", 2, NULL), 0);
        ck_assert_int_eq(weft_yield(), 0);
        ck_assert_str_eq(order, "abc");
    }
    weft_inbox_put(inbox);
    return 0;
}
TEST(from_the_reactor_itself)
{
    ck_assert_int_eq(run(own_main), 0);
}

/* -- slots and signals ------------------------------------------------------------------------- */

static struct weft_post_slot slot = WEFT_POST_SLOT_INIT(add, NULL);
static void on_signal(int number)
{
    (void)number;
    (void)weft_post_signal(inbox, &slot);
}
static void *raises(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        int before = atomic_load(&ran);
        pthread_kill(pthread_self(), SIGUSR1);
        while (atomic_load(&ran) == before)
            continue;
    }
    return NULL;
}
static weft_task asleep;
static void add_and_end(void *arg)
{
    add(arg);
    if (atomic_load(&ran) == 50)
        (void)weft_cancel(asleep);
}
static struct weft_post_slot last_slot = WEFT_POST_SLOT_INIT(add_and_end, NULL);
static void on_signal_in_a_sleep(int number)
{
    (void)number;
    (void)weft_post_signal(inbox, &last_slot);
}
/* One after the other: each finds the reactor on its way to sleep, or asleep. */
static void *disturbs(void *arg)
{
    for (int i = 0; i < 50; i++) {
        struct timespec pause = {.tv_nsec = 20000 * (i % 10)};
        (void)nanosleep(&pause, NULL);
        pthread_kill(*(pthread_t *)arg, SIGUSR1);
        while (atomic_load(&ran) == i)
            (void)nanosleep(&(struct timespec){.tv_nsec = 10000}, NULL);
    }
    return NULL;
}
static int sleeping_main(void *arg)
{
    pthread_t thread, self = pthread_self();

    (void)arg;
    inbox = weft_inbox_here();
    asleep = weft_current_task();
    signal(SIGUSR1, on_signal_in_a_sleep);
    start(&thread, disturbs, &self);
    ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    pthread_join(thread, NULL);
    ck_assert_int_eq(atomic_load(&ran), 50);
    ck_assert_int_eq(weft_uncancel(), 0);
    weft_inbox_put(inbox);
    return 0;
}
/* Would catch a handler that runs when the reactor next has something else to do, or never. */
TEST(a_signal_in_a_sleep)
{
    ck_assert_int_eq(run(sleeping_main), 0);
}

static int slots_main(void *arg)
{
    pthread_t thread;

    (void)arg;
    inbox = weft_inbox_here();
    ck_assert_int_eq(weft_post_slot(inbox, &slot), 0);
    ck_assert_int_eq(weft_post_slot(inbox, &slot), -EBUSY);
    wait_for(&ran, 1);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(weft_post_slot(inbox, &slot), 0);
        wait_for(&ran, i + 2);
    }
    ck_assert_int_eq(atomic_load(&ran), 101);
    signal(SIGUSR1, on_signal);
    start(&thread, raises, NULL);
    wait_for(&ran, 201);
    pthread_join(thread, NULL);
    weft_inbox_put(inbox);
    return 0;
}
TEST(slots_and_signals)
{
    ck_assert_int_eq(run(slots_main), 0);
    ck_assert_int_eq(atomic_load(&ran), 201);
}

/* -- a soft limit ---------------------------------------------------------------------------------
 */

static atomic_int go;
static void *overfills(void *arg)
{
    int taken = 0;

    (void)arg;
    while (weft_post_try(inbox, add, NULL, drop) == 0)
        taken++;
    ck_assert_int_eq(weft_post_try(inbox, add, NULL, drop), -EAGAIN);
    ck_assert_int_eq(weft_post(inbox, add, NULL, drop), 0); /* has no limit */
    ck_assert_int_ge(taken, 65000);
    ck_assert_int_le(taken, 65537);
    atomic_store(&go, taken + 1);
    return NULL;
}
static int limit_main(void *arg)
{
    pthread_t thread;

    (void)arg;
    inbox = weft_inbox_here();
    start(&thread, overfills, NULL);
    while (atomic_load(&go) == 0) /* the reactor does not look meanwhile */
        continue;
    pthread_join(thread, NULL);
    wait_for(&ran, atomic_load(&go));
    weft_inbox_put(inbox);
    return 0;
}
TEST(soft_limit)
{
    ck_assert_int_eq(run(limit_main), 0);
    ck_assert_int_eq(atomic_load(&ran), atomic_load(&go));
    ck_assert_int_eq(atomic_load(&dropped), 0);
}

/* -- cancelling from another thread, also just as the task ends (race 45)
 * --------------------------- */

static weft_task target;
static int sleeper(void *arg)
{
    (void)arg;
    return weft_sleep_until(WEFT_NEVER);
}
static void *cancels(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_cancel_post(inbox, target), 0);
    return NULL;
}
static int cancel_main(void *arg)
{
    pthread_t thread;
    int result;

    (void)arg;
    inbox = weft_inbox_here();
    WEFT_SCOPE(s) {
        ck_assert_int_eq(weft_spawn(&s, sleeper, NULL, 0,
                                    &(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt),
                                                             .task = &target}),
                         0);
        start(&thread, cancels, NULL);
        ck_assert_int_eq(weft_await(target, &result), 0);
        ck_assert_int_eq(result, -ECANCELED);
        pthread_join(thread, NULL);
        start(&thread, cancels, NULL); /* it has ended: nothing happens */
        pthread_join(thread, NULL);
        ck_assert_int_eq(weft_join(target, &result), 0);
        start(&thread, cancels, NULL); /* consumed: nothing happens, not to its successor either */
        pthread_join(thread, NULL);
        ck_assert_int_eq(weft_sleep(1000000), 0);
    }
    weft_inbox_put(inbox);
    return 0;
}
TEST(cancelling_from_another_thread)
{
    ck_assert_int_eq(run(cancel_main), 0);
}

/* -- a stop
 * ----------------------------------------------------------------------------------------- */

static void *stops(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_stop_post(inbox), 0);
    ck_assert_int_eq(weft_stop_post(inbox), 0); /* twice is as good as once */
    return NULL;
}
static int stop_main(void *arg)
{
    pthread_t thread;
    int result;

    (void)arg;
    inbox = weft_inbox_get(1);
    start(&thread, stops, NULL);
    while (!weft_draining())
        ck_assert_int_eq(weft_sleep(100000), 0);
    result = weft_sleep_until(WEFT_NEVER);
    ck_assert_int_eq(weft_cause(), WEFT_CAUSE_STOP);
    pthread_join(thread, NULL);
    weft_inbox_put(inbox);
    return result;
}
TEST(stopping_from_another_thread)
{
    ck_assert_int_eq(weft_run(stop_main, NULL, 0, RUN_OPT(.reactors = 2, .drain_ns = 1000000)),
                     -ECANCELED);
}

/* Race 48: while 64 threads post. Each post is refused, run or dropped, exactly once. */
enum { STORMERS = 64 };
static atomic_int accepted, refused;
static void *storms(void *arg)
{
    int error;

    (void)arg;
    /* with the soft limit: without it the backlog of 64 threads against one is without limit too */
    while ((error = weft_post_try(inbox, add, NULL, drop)) == 0 || error == -EAGAIN) {
        atomic_fetch_add(&accepted, error == 0);
        if (error < 0)
            nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    ck_assert_int_eq(error, -ESHUTDOWN);
    atomic_fetch_add(&refused, 1);
    return NULL;
}
static pthread_t stormers[STORMERS];
static int storm_main(void *arg)
{
    (void)arg;
    inbox = weft_inbox_get(weft_reactors() - 1);
    for (int i = 0; i < STORMERS; i++)
        start(&stormers[i], storms, NULL);
    wait_for(&ran, 1000);
    return 0;
}
TEST(stop_while_64_threads_post)
{
    for (uint32_t reactors = 1; reactors <= 2; reactors++) {
        ck_assert_int_eq(weft_run(storm_main, NULL, 0, RUN_OPT(.reactors = reactors)), 0);
        for (int i = 0; i < STORMERS; i++)
            pthread_join(stormers[i], NULL);
        weft_inbox_put(inbox);
        ck_assert_int_eq(atomic_load(&ran) + atomic_load(&dropped), atomic_load(&accepted));
        ck_assert_int_eq(atomic_load(&refused), STORMERS);
        atomic_store(&refused, 0);
        atomic_store(&ran, 0);
        atomic_store(&dropped, 0);
        atomic_store(&accepted, 0);
    }
}

/* Callbacks and drop functions that post again are refused in the end, and do not go on for ever.
 */
static weft_inbox *closing;
static void drop_again(void *arg)
{
    int error = weft_post(closing, add, arg, drop_again);

    ck_assert(error == 0 || error == -ESHUTDOWN);
    if (error < 0)
        drop(arg);
}
static int post_late(void *arg)
{
    (void)arg;
    return weft_post(closing, add, NULL, drop_again);
}
static void post_in_turn(void *arg)
{
    int *left = arg, error;

    if (--*left == 0)
        return;
    error = weft_post(closing, post_in_turn, left, drop_again);
    ck_assert(error == 0 || error == -ESHUTDOWN);
    if (error < 0)
        drop(NULL);
}
static int drop_main(void *arg)
{
    static int left = 100000;

    (void)arg;
    closing = weft_inbox_here();
    ck_assert_int_eq(weft_post(closing, post_in_turn, &left, drop_again), 0);
    return post_late(NULL);
}
TEST(drop_functions_that_post)
{
    ck_assert_int_eq(run(drop_main), 0);
    weft_inbox_put(closing);
    ck_assert_int_eq(atomic_load(&dropped), 1);
}

TEST_MAIN("api.post", 60, after_the_end, from_other_threads, from_the_reactor_itself,
          slots_and_signals, a_signal_in_a_sleep, soft_limit, cancelling_from_another_thread,
          stopping_from_another_thread, stop_while_64_threads_post, drop_functions_that_post)
