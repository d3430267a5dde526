/*
 * Signals where the kernel has no memory to wait for them with, or interrupts the wait. Catches one
 * that is lost so, a wait that ends with an error that is no reason to, and a close that goes on
 * before those who wait have left.
 */
#include <poll.h>
#include <signal.h>

#include "sim/simulate.h"

#define same(a, b) ck_assert_int_eq((a), (b))

static int result;

static int waits(void *arg)
{
    result = weft_signals_wait(*(weft_signals **)arg, NULL);
    return 0;
}

static weft_signals *take(void)
{
    const int number = SIGUSR1;
    weft_signals *signals = NULL;

    same(weft_signals_open(&number, 1, &signals), 0);
    return signals;
}

static int main_told(void *arg)
{
    weft_signals *signals = take();

    (void)arg;
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, waits, &signals, sizeof signals, NULL), 0);
        same(weft_sleep(1000), 0);
        same(weft_sim_signal(SIGUSR1, 0), 0);
    }
    same(result, SIGUSR1);
    return weft_signals_close(signals);
}

TEST(told_all_the_same)
{
    static const char *const plans[] = {
        "calm poll#1@signalfd=ENOMEM", "calm poll#1@signalfd=EINTR",
        "calm poll#1@signalfd=ENOMEM poll#2@signalfd=ENOMEM poll#3@signalfd=EINTR"};

    for (int i = 0; i < 3; i++) {
        struct world world = {.plan = plans[i], .task = main_told};
        same(world_run(&world), 0);
    }
}

/* Closed so long after the wait began: while it waits, or while it gives way. */
static int64_t span_ns;

static int main_closed(void *arg)
{
    weft_signals *signals = take();

    (void)arg;
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, waits, &signals, sizeof signals, NULL), 0);
        same(weft_sleep(span_ns), 0);
        same(weft_signals_close(signals), 0);
    }
    same(result, -ECANCELED);
    return 0;
}

TEST(closed_meanwhile)
{
    char plan[512] = "calm";

    for (int i = 1; i <= 8; i++)
        snprintf(plan + strlen(plan), sizeof plan - strlen(plan), " poll#%d@signalfd=ENOMEM", i);
    for (span_ns = 100; span_ns <= 20000; span_ns += 100) {
        struct world world = {.plan = plan, .task = main_closed};
        same(world_run(&world), 0);
    }
}

TEST_MAIN("sim/signal", 30, told_all_the_same, closed_meanwhile)
