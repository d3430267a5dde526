/*
 * weft/scope.h, drains: what ends, what goes on, what is cut, and the same across reactors.
 */
#include <sys/socket.h>

#include "scope.h"

static int finish_by_itself(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_sleep(2000000), 0);
    ck_assert(weft_draining());
    count++;
    return 0;
}
static int drain_inside(void *arg)
{
    (void)arg;
    while (!weft_draining())
        ck_assert_int_eq(weft_yield(), 0);
    WEFT_SCOPE(own) /* what is under way may still spawn */
        spawn_value(&own, give_back, 1);
    return 0;
}
static int hold_shielded(void *arg)
{
    (void)arg;
    WEFT_SHIELD(weft_after_ms(60000)) {
        if (weft_sleep_until(WEFT_NEVER) < 0)
            count++;
        ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DRAIN);
    }
    return 0;
}
static int drain_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        spawn_value(&s, finish_by_itself, 0);
        spawn_value(&s, drain_inside, 0);
        weft_yield();
        ck_assert_int_eq(weft_scope_drain(&s, WEFT_NEVER, WEFT_NEVER), 0);
        ck_assert_int_eq(count, 1);
        ck_assert_int_eq(weft_spawn(&s, give_back, &count, sizeof count, NULL), -ESHUTDOWN);
        ck_assert(weft_draining());
    }
    ck_assert(!weft_draining());
    count = 0;
    WEFT_SCOPE(t) {
        for (int i = 0; i < 10; i++)
            spawn_value(&t, sleeper, 0);
        spawn_value(&t, hold_shielded, 0);
        weft_yield();
        ck_assert_int_eq(weft_scope_drain(&t, weft_after_ms(3), weft_after_ms(6)), 11);
        ck_assert_int_eq(count, 11);
        ck_assert_uint_eq(weft_scope_errors(&t, NULL, 0), 0);
    }
    WEFT_SCOPE(u)
        ck_assert_int_eq(weft_scope_drain(&u, 1, 1), 0);
    ck_assert_int_eq(weft_scope_drain(weft_root(), 1, 1), -EPERM);
    return 0;
}
TEST(draining)
{
    ck_assert(!weft_draining());
    ck_assert_int_eq(run(drain_main), 0);
}

/* Waits idly on a socket of its own until the drain ends that; in a child too, which sees the same.
 */
static int idle_there(void *arg)
{
    int ends[2], depth = *(int *)arg - 1;
    char byte;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    WEFT_SCOPE(own) {
        if (depth > 0)
            spawn_value(&own, idle_there, depth);
        __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
        ck_assert_int_eq(weft_recv(ends[0], &byte, 1, WEFT_IDLE), -ESHUTDOWN);
        ck_assert_int_eq(weft_cause(), WEFT_CAUSE_DRAIN);
        ck_assert(weft_draining());
        ck_assert_int_eq(weft_sleep(1000000), 0); /* what is under way goes on */
        spawn_value(&own, give_back, 1);          /* and may still spawn */
    }
    ck_assert_int_eq(weft_close(ends[0]), 0);
    ck_assert_int_eq(weft_close(ends[1]), 0);
    __atomic_sub_fetch(&count, 1, __ATOMIC_RELAXED);
    return 0;
}
static int calls_idle_there(void *arg)
{
    return weft_call(2, idle_there, arg, sizeof(int));
}
static int calls_when_draining(void *arg)
{
    int one = 1;

    (void)arg;
    while (!weft_draining())
        ck_assert_int_eq(weft_yield(), 0);
    return weft_call(1, idle_there, &one, sizeof one);
}
static int stays_there(void *arg)
{
    __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
    ck_assert_int_eq(weft_sleep_until(WEFT_NEVER), -ECANCELED);
    ck_assert_int_eq(weft_draining(), *(int *)arg);
    __atomic_sub_fetch(&count, 1, __ATOMIC_RELAXED);
    return 0;
}
static void spawn_on(weft_scope *scope, int reactor, weft_task_fn fn, int value)
{
    ck_assert_int_eq(weft_spawn(scope, fn, &value, sizeof value, OPT(.reactor = WEFT_ON(reactor))),
                     0);
}
static void wait_for_count(int value)
{
    while (__atomic_load_n(&count, __ATOMIC_RELAXED) != value)
        ck_assert_int_eq(weft_sleep(100000), 0);
}
static int drain_reactors_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        for (int reactor = 0; reactor < 3; reactor++)
            spawn_on(&s, reactor, idle_there, 3);
        spawn_value(&s, calls_idle_there, 2);
        spawn_value(&s, calls_when_draining, 0);
        wait_for_count(11);
        ck_assert_int_eq(weft_scope_drain(&s, WEFT_NEVER, WEFT_NEVER), 0);
        ck_assert_int_eq(count, 0);
    }
    WEFT_SCOPE(t) { /* a cancellation still follows where the drain was of no use */
        for (int reactor = 0; reactor < 3; reactor++)
            spawn_on(&t, reactor, stays_there, 1);
        wait_for_count(3);
        ck_assert_int_eq(weft_scope_drain(&t, weft_after_ms(3), WEFT_NEVER), 3);
        ck_assert_int_eq(count, 0);
    }
    WEFT_SCOPE(u) { /* who was not drained does not take the cancellation for a drain */
        spawn_on(&u, 1, stays_there, 0);
        wait_for_count(1);
        ck_assert_int_eq(weft_scope_cancel(&u), 1);
    }
    return 0;
}
TEST(draining_across_reactors)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 3};

    ck_assert_int_eq(weft_run(drain_reactors_main, NULL, 0, &opt), 0);
}

TEST_MAIN("api.scope_drain", 30, draining, draining_across_reactors)
