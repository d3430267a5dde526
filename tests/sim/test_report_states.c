/*
 * The report of a world that goes on and on: what it says of tasks and scopes in every state, and
 * of more of them than anybody wants to read. Would catch: a state, a cause or a holder that is not
 * told or is another's, a tree that ends where scopes are nested, and a report without an end.
 */
#include "report.h"

static int spins(void *arg)
{
    (void)arg;
    while (weft_yield() != -EPROTO)
        continue;
    return 0;
}

static int sleeps(void *arg)
{
    (void)arg;
    return weft_sleep(INT64_C(3600000000000));
}

static int ended(void *arg)
{
    (void)arg;
    return -EPROTO;
}

static int in_many_states(void *arg)
{
    weft_task kept;

    (void)arg;
    WEFT_SCOPE(s, .name = "states", .on_error = WEFT_KEEP_GOING,
               .deadline = weft_after_ms(7200000)) {
        ok(weft_spawn(&s, ended, NULL, 0, SPAWN(.name = "ended", .task = &kept)));
        ok(weft_spawn(&s, sleeps, NULL, 0, SPAWN(.name = "sleeps")));
        ok(weft_yield());
        ok(weft_scope_drain(&s, weft_after_ms(3600000), WEFT_NEVER));
    }
    return 0;
}

static int states_and_a_spin(void *arg)
{
    ok(weft_spawn(weft_root(), spins, NULL, 0, SPAWN(.name = "spins")));
    return in_many_states(arg);
}

TEST(one_that_spins_while_others_wait)
{
    struct world world = {.seed = 1, .plan = "calm", .task = states_and_a_spin, .steps_max = 20000};

    report_check(&world, -ETIMEDOUT,
                 "weft-sim: the run took more steps than it may (steps_max)\n"
                 "  thread 1 \"main\" runs\n"
                 "    reactor 0, in turn #\n"
                 "      scope \"root\": 2 tasks\n"
                 "        task 1 \"main\": drain of scope \"states\" with 1 child, since turn #\n"
                 "          scope \"states\": 1 task, its deadline in # s, drains\n"
                 "            task 3 \"ended\": has ended with -71, and nobody has joined it\n"
                 "            task 4 \"sleeps\": sleep, for another # s, since turn #\n"
                 "        task 2 \"spins\": is ready\n");
}

/* -- cancelled, shielded, and waiting for another reactor's -------------------------------------
 */

static weft_lock lock = WEFT_LOCK_SHARED_INIT;

static int holds_the_lock(void *arg)
{
    (void)arg;
    WEFT_LOCKED(&lock)
    ok(weft_sleep(INT64_C(3600000000000)));
    return 0;
}

static int wants_the_lock(void *arg)
{
    (void)arg;
    return weft_lock_acquire(&lock);
}

static int shielded(void *arg)
{
    (void)arg;
    WEFT_SHIELD(weft_after_ms(7200000))
        ok(weft_sleep(INT64_C(3600000000000)));
    return 0;
}

/* Three scopes deep, and cancelled: it waits for who sees no cancellation. */
static int deep(void *arg)
{
    (void)arg;
    WEFT_SCOPE(a, .name = "a")
        WEFT_SCOPE(b, .name = "b")
            WEFT_SCOPE(c, .name = "c")
                ok(weft_spawn(&c, shielded, NULL, 0, SPAWN(.name = "shielded")));
    return 0;
}

static int on_two_reactors(void *arg)
{
    weft_task task;

    (void)arg;
    ok(weft_spawn(weft_root(), holds_the_lock, NULL, 0,
                  SPAWN(.name = "holds", .reactor = WEFT_ON(1))));
    ok(weft_sleep(1000000));
    ok(weft_spawn(weft_root(), wants_the_lock, NULL, 0, SPAWN(.name = "wants")));
    ok(weft_spawn(weft_root(), deep, NULL, 0, SPAWN(.name = "deep", .task = &task)));
    ok(weft_yield());
    ok(weft_cancel(task));
    ok(weft_spawn(weft_root(), spins, NULL, 0, SPAWN(.name = "spins")));
    return weft_sleep(WEFT_NEVER);
}

TEST(cancelled_shielded_and_waiting_for_another_reactor)
{
    struct world world = {.seed = 1,
                          .plan = "calm",
                          .task = on_two_reactors,
                          .steps_max = 20000,
                          .run = {.reactors = 2}};

    report_check(
        &world, -ETIMEDOUT,
        "weft-sim: the run took more steps than it may (steps_max)\n"
        "  thread 1 \"main\" runs\n"
        "    reactor 0, in turn #\n"
        "      scope \"root\": 5 tasks\n"
        "        task 1 \"main\": sleep for ever, since turn #\n"
        "        task 2 \"holds\": call to reactor 1, for task 1 \"holds\" there, since turn #\n"
        "        task 3 \"wants\": lock held by task 1 \"holds\" of reactor 1, since turn #\n"
        "        task 4 \"deep\": close of scope \"c\" with 1 child, since turn #, cancelled\n"
        "          scope \"a\": 0 tasks\n"
        "          scope \"b\": 0 tasks\n"
        "          scope \"c\": 1 task\n"
        "            task 5 \"shielded\": sleep, for another # s, since turn #\n"
        "              scope \"shield\": 0 tasks, a shield for another # s\n"
        "        task 6 \"spins\": is ready\n"
        "  thread 2 \"weft-1\" waits for a completion (2), since # s\n"
        "    reactor 1, in turn #\n"
        "      scope \"root\": 1 task\n"
        "        task 1 \"holds\": sleep, for another # s, since turn #\n");
}

/* -- too many ------------------------------------------------------------------------------------
 */

static int listens(void *arg)
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL);

    (void)arg;
    ok(listener);
    return weft_accept(listener, NULL, NULL, 0);
}

enum { MANY = 1000 };

static int many(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        for (int i = 0; i < MANY; i++)
            ok(weft_spawn(&s, listens, NULL, 0, NULL));
    }
    return 0;
}

TEST(of_many_tasks_the_first_are_told_and_how_to_see_it_again)
{
    static struct world world = {.seed = 1, .plan = "calm", .task = many, .fails = true};

    ck_assert_int_eq(world_run_apart(&world), -EDEADLK);
    ck_assert_ptr_nonnull(strstr(world.report, " more tasks and scopes\n"));
    ck_assert_ptr_nonnull(strstr(world.report, " more requests\n"));
    ck_assert_ptr_nonnull(strstr(world.report, "WEFT_SIM_SEED=1 WEFT_SIM_PLAN='calm'"));
}

TEST_MAIN("sim/report_states", 60, one_that_spins_while_others_wait,
          cancelled_shielded_and_waiting_for_another_reactor,
          of_many_tasks_the_first_are_told_and_how_to_see_it_again)
