/*
 * The end of a run in which one reactor is late: it has a bell for another one among its requests,
 * and is kept from its next visit to the kernel while the other one wakes by itself and is done.
 * Would catch a reactor that closes its bell while it is still to be rung: then the request may hit
 * a stranger that has the number by then. The simulated kernel tells; a real one only rarely does.
 */
#include "support/net.h"

#include <time.h>

enum { LEADER, LATE, SOON, REACTORS };

#define AFTER_MS(ms) (begin_ns + (ms)*INT64_C(1000000))
static int64_t begin_ns;

static void pause_ms(int ms)
{
    struct timespec time = {.tv_nsec = ms * 1000000};

    nanosleep(&time, NULL);
}

/* A callback that keeps its reactor for as long. */
static void hold_up(void *arg)
{
    pause_ms(*(int *)arg);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Shielded: the run is ending around it. */
static int stay_until(void *arg)
{
    WEFT_SHIELD(weft_after_ms(60000))
        ok(weft_sleep_until(AFTER_MS(*(int *)arg)));
    return 0;
}

/* Refused there, where everything has been cancelled; the answer is what the bell is for. */
static int call_the_late_one(void *arg)
{
    WEFT_SHIELD(weft_after_ms(60000)) {
        int result;
        ok(weft_sleep_until(AFTER_MS(*(int *)arg)));
        result = weft_call(LATE, nothing, NULL, 0);
        ck_assert(result == 0 || result == -ECANCELED || result == -ESHUTDOWN);
    }
    return 0;
}

static int plant(void *arg)
{
    int calls_ms = 10, wakes_ms = 70;

    (void)arg;
    ok(weft_create_task(call_the_late_one, &calls_ms, sizeof calls_ms, NULL));
    return weft_create_task(stay_until, &wakes_ms, sizeof wakes_ms, NULL);
}

/* From outside, so that it stands in the inbox behind the call. */
static void *hold_up_again(void *arg)
{
    static int ms = 60;

    pause_ms(20);
    (void)!weft_post(arg, hold_up, &ms, NULL); /* refused when it is over already */
    weft_inbox_put(arg);
    return NULL;
}

static pthread_t thread;

static int main_ends(void *arg)
{
    static int ms = 50;
    weft_inbox *late = weft_inbox_get(LATE);
    int last_ms = 75;

    (void)arg;
    begin_ns = weft_now();
    ok(weft_create_task(stay_until, &last_ms, sizeof last_ms, NULL));
    ok(weft_call(SOON, plant, NULL, 0));
    ok(weft_post(late, hold_up, &ms, NULL));
    ck_assert_int_eq(pthread_create(&thread, NULL, hold_up_again, late), 0);
    return 0;
}

TEST(a_bell_on_its_way)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = REACTORS, .cancel_ns = 120000000000};

    ck_assert_int_eq(weft_run(main_ends, NULL, 0, &opt), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

TEST_MAIN("runtime_end", 30, a_bell_on_its_way)
