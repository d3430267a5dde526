/*
 * Races across threads: cancels, calls and posts from elsewhere, and the end of a run, with many
 * tasks or with work under way. The numbers are those of the list; race.h says how they are run.
 */
#include "race.h"

#define HOUR INT64_C(3600000000000)

static struct {
    weft_inbox *inbox;
    weft_task target;
    bool ready;
    int ran, dropped, accepted;
} foreign;

static void *cancels_from_outside(void *arg)
{
    (void)arg;
    for (uint32_t n = race_pick(6); n > 0; n--)
        race_pause();
    race_is(weft_cancel_post(foreign.inbox, foreign.target), 0);
    return NULL;
}
static int lives_shortly(void *arg)
{
    (void)arg;
    for (int i = 0; i < 4; i++)
        if (weft_sleep(500) < 0)
            return -ECANCELED;
    return 1;
}
static int bystands(void *arg)
{
    (void)arg;
    for (int i = 0; i < 6; i++)
        race_is(weft_sleep(3000), 0);
    return 0;
}

/* 45: cancelled from another thread just as it ends, and its record is another's. Would catch a
   request that hits whoever has the record now. */
static int body_45(void *arg)
{
    struct race_thread *thread = NULL;
    int result;

    (void)arg;
    foreign.inbox = weft_inbox_here();
    WEFT_SCOPE(s) {
        race_is(weft_spawn(&s, lives_shortly, NULL, 0, RACE_OPT(.task = &foreign.target)), 0);
        thread = race_thread_start(cancels_from_outside, NULL);
        race_yields(2);
        race_is(weft_join(foreign.target, &result), 0);
        ck_assert(result == 1 || result == -ECANCELED);
        race_saw(result == 1);
        for (int i = 0; i < 3; i++)
            race_is(weft_spawn(&s, bystands, NULL, 0, NULL), 0);
        race_is(weft_cancel(foreign.target), -ESTALE); /* nor does one from here */
    }
    race_thread_join(thread);
    race_is(weft_sleep(1000), 0); /* a message that came late */
    weft_inbox_put(foreign.inbox);
    return 0;
}
TEST(race_45)
{
    race_each(.body = body_45, .outcomes = 2, .part = 2);
}

/* 46, for calls: the far end ends and the caller is cancelled at once: its result, or it was
   refused; its end was awaited in any case. */
static int far_alive;
static int far_end(void *arg)
{
    int how = *(int *)arg, result = how;

    __atomic_fetch_add(&far_alive, 1, __ATOMIC_SEQ_CST);
    if (how > 1)
        result = weft_sleep(how * 2000) < 0 ? -ECANCELED : how;
    else if (how > 0)
        result = weft_yield() < 0 ? -ECANCELED : how;
    __atomic_fetch_sub(&far_alive, 1, __ATOMIC_SEQ_CST);
    return result;
}
static int calls(void *arg)
{
    return weft_call(1, far_end, arg, sizeof(int));
}
static int body_46(void *arg)
{
    weft_task tasks[4];
    int how[4], result;

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        for (int k = 0; k < 4; k++) {
            how[k] = (int)race_pick(6);
            race_is(weft_spawn(&s, k % 2 ? calls : far_end, &how[k], sizeof how[k],
                               RACE_OPT(.task = &tasks[k], .reactor = k % 2 ? 0 : WEFT_ON(1))),
                    0);
        }
        if (race_pick(2))
            race_is(weft_sleep(race_pick(20) * 1000), 0);
        race_yields(3);
        for (int k = 0; k < 4; k++)
            if (race_pick(2))
                race_ok(weft_cancel(tasks[k]));
        for (int k = 0; k < 4; k++) {
            race_is(weft_join(tasks[k], &result), 0);
            ck_assert(result == how[k] || result == -ECANCELED);
            race_saw(result == how[k]);
        }
    }
    race_is(__atomic_load_n(&far_alive, __ATOMIC_SEQ_CST), 0);
    return 0;
}
TEST(race_46)
{
    race_each(.body = body_46, .reactors = 2, .outcomes = 2);
}

/* 47: a run is stopped with tasks in every state: all of them end, and each once. */
enum { MANY = 60, VERY_MANY = 10000 };
static int begun, over, count_47;
static int in_some_state(void *arg)
{
    int kind = *(int *)arg, result = 0;
    char byte;

    __atomic_fetch_add(&begun, 1, __ATOMIC_RELAXED);
    switch (kind) {
    case 0:
        result = weft_sleep(HOUR);
        break;
    case 1:
        while (result == 0)
            result = weft_yield();
        break;
    case 2: {
        int listener = weft_listen_tcp("127.0.0.1:0", NULL);
        if (listener < 0) {
            race_is(result = listener, -ECANCELED);
            break;
        }
        result = weft_accept(listener, NULL, NULL, 0);
        ck_assert(result == -ESHUTDOWN || result == -ECANCELED);
        race_is(weft_close(listener), 0);
        break;
    }
    case 3: {
        int fds[2];
        WEFT_SHIELD(weft_after_ms(1))
            race_pair(fds);
        result = (int)weft_recv(fds[0], &byte, 1, 0);
        race_is(weft_close(fds[0]), 0);
        race_is(weft_close(fds[1]), 0);
        break;
    }
    case 4:
        WEFT_SHIELD(weft_after_us(100))
            (void)weft_sleep(90000);
        break;
    case 5:
        WEFT_SCOPE(s) {
            int asleep = 0;
            (void)!weft_spawn(&s, in_some_state, &asleep, sizeof asleep, NULL);
        }
        break;
    default:
        break;
    }
    __atomic_fetch_add(&over, 1, __ATOMIC_RELAXED);
    return result;
}
static int stopped_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < count_47; i++) {
        int kind = count_47 > MANY ? i % 2 : (int)race_pick(6);
        if (count_47 <= MANY && kind == 3)
            kind = 0;
        (void)!weft_create_task(in_some_state, &kind, sizeof kind,
                                RACE_OPT(.reactor = WEFT_LEAST_LOADED));
    }
    race_yields(10);
    race_is(weft_stop(), 0);
    return 4;
}
static int run_47(void)
{
    struct weft_run_opt opt = {.size = sizeof opt,
                               .reactors = 1 + race_pick(2),
                               .drain_ns = 1 + race_pick(200000),
                               .cancel_ns = HOUR};

    begun = over = 0;
    count_47 = MANY;
    race_is(weft_run(stopped_main, NULL, 0, &opt), 4);
    race_is(begun, over);
    return 0;
}
TEST(race_47)
{
    race_each(.run = run_47, .part = 4);
}
static int run_47_many(void)
{
    struct weft_run_opt opt = {.size = sizeof opt, .drain_ns = 1000, .cancel_ns = HOUR};

    begun = over = 0;
    count_47 = VERY_MANY;
    race_is(weft_run(stopped_main, NULL, 0, &opt), 4);
    race_is(begun, over);
    return 0;
}
TEST(race_47_many)
{
    race_each(.run = run_47_many, .part = 1000);
}

/* 48: a run is stopped while another thread posts: each post is run, dropped or refused. Would
   catch one that is lost, or both run and dropped. */
static void post_runs(void *arg)
{
    (void)arg;
    __atomic_fetch_add(&foreign.ran, 1, __ATOMIC_SEQ_CST);
}
static void post_drops(void *arg)
{
    (void)arg;
    __atomic_fetch_add(&foreign.dropped, 1, __ATOMIC_SEQ_CST);
}
static void *posts(void *arg)
{
    weft_inbox *inbox = arg;
    int error = 0;

    for (int i = 0; i < 200 && error == 0; i++) {
        error = race_pick(2) ? weft_post(inbox, post_runs, NULL, post_drops)
                             : weft_post_try(inbox, post_runs, NULL, post_drops);
        ck_assert(error == 0 || error == -ESHUTDOWN);
        foreign.accepted += error == 0;
        race_pause();
    }
    race_saw(error == -ESHUTDOWN);
    weft_inbox_put(inbox);
    return NULL;
}
static struct race_thread *poster;
static int posted_main(void *arg)
{
    (void)arg;
    poster = race_thread_start(posts, weft_inbox_get(race_pick(weft_reactors())));
    for (int i = 0; i < 3; i++) {
        int kind = (int)race_pick(2);
        (void)!weft_create_task(in_some_state, &kind, sizeof kind,
                                RACE_OPT(.reactor = WEFT_LEAST_LOADED));
    }
    race_is(weft_sleep(1 + race_pick(40) * 1000), 0);
    return race_pick(2) ? weft_stop() : 0;
}
static int run_48(void)
{
    struct weft_run_opt opt = {.size = sizeof opt,
                               .reactors = 1 + race_pick(2),
                               .drain_ns = 1 + race_pick(20000)};

    foreign.ran = foreign.dropped = foreign.accepted = 0;
    race_is(weft_run(posted_main, NULL, 0, &opt), 0);
    race_thread_join(poster);
    race_is(foreign.ran + foreign.dropped, foreign.accepted);
    return 0;
}
TEST(race_48)
{
    race_each(.run = run_48, .outcomes = 2, .part = 4);
}

/* 52: very many tasks are cancelled by one call: each is visited a fixed number of times, so it
   ends in so many switches. Would catch a walk that recurses, or one per task of them all. */
static int sleeps_long(void *arg)
{
    (void)arg;
    return weft_sleep(HOUR);
}
static int body_52(void *arg)
{
    enum { COUNT = 20000 };
    struct weft_stats before, after;

    (void)arg;
    WEFT_SCOPE(s) {
        for (int i = 0; i < COUNT; i++)
            race_is(weft_spawn(&s, sleeps_long, NULL, 0, NULL), 0);
        race_is(weft_yield(), 0);
        race_is(weft_stats(&before, sizeof before), 0);
        race_is(weft_scope_cancel(&s), 1);
    }
    race_is(weft_stats(&after, sizeof after), 0);
    ck_assert_uint_le(after.switches - before.switches, COUNT + COUNT / 50);
    ck_assert_uint_eq(after.allocations, before.allocations);
    return 0;
}
static int run_52(void) /* afterwards a timer waits to give memory back: not race_main's to judge */
{
    return weft_run(body_52, NULL, 0, NULL);
}
TEST(race_52)
{
    race_each(.run = run_52, .part = 1000);
}

TEST_MAIN("race_run", 3600, race_45, race_46, race_47, race_47_many, race_48, race_52)
