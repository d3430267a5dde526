/*
 * The simulated world: what runs in it, its time, its determinism, and how it ends.
 *
 * Would catch: a run that depends on anything but its seed and plan; a clock that is the machine's;
 * a deadlock that hangs the test instead of failing it; a run that cannot be left.
 */
#include "simulate.h"

#define HOUR_NS INT64_C(3600000000000)

static int sleep_an_hour(void *arg)
{
    (void)arg;
    return weft_sleep_until(weft_after_ms(3600000));
}

TEST(a_sleep_of_an_hour_takes_no_time_and_an_hour_passes)
{
    struct world world = {.seed = 1, .plan = "calm", .task = sleep_an_hour};

    ck_assert_int_eq(world_run(&world), 0);
    ck_assert_int_ge(world.result.time_ns, HOUR_NS);
    ck_assert_int_lt(world.result.time_ns, HOUR_NS + HOUR_NS / 1000);
    ck_assert_uint_lt(world.result.steps, 1000);
}

static int give_result(void *arg)
{
    return *(int *)arg;
}

TEST(the_result_is_that_of_the_function)
{
    struct world world = {.seed = 1};
    int result = 42;

    ck_assert_int_eq(world_run_fn(&world, give_result, &result), 42);
    result = -EPROTO;
    world.fails = true;
    ck_assert_int_eq(world_run_fn(&world, give_result, &result), -EPROTO);
    ck_assert_ptr_nonnull(strstr(world.report, "WEFT_SIM_SEED=1 "));
}

/* -- several reactors ------------------------------------------------------------------------ */

static int add_here(void *arg)
{
    int *sum = *(int **)arg;

    for (int i = 0; i < 20; i++) {
        *sum += 1; /* one thread: no race */
        weft_sleep_until(weft_after_ms(i % 3));
    }
    return 0;
}

static int threads_before;

static int on_all(void *arg)
{
    int sum = 0, *place = &sum;

    (void)arg;
    if (threads_before)
        ck_assert_int_eq(test_threads(), threads_before);
    WEFT_SCOPE(s, .on_error = WEFT_FAIL_FAST) {
        for (uint32_t i = 0; i < weft_reactors() * 4; i++) {
            struct weft_spawn_opt opt = {.size = sizeof opt, .reactor = WEFT_ON(i % 4)};
            ok(weft_spawn(&s, add_here, &place, sizeof place, &opt));
        }
    }
    return sum == 4 * 4 * 20 ? 0 : -EPROTO;
}

static struct weft_sim_result run_on_four(uint64_t seed, const char *plan)
{
    struct world world = {.seed = seed, .plan = plan, .task = on_all, .run = {.reactors = 4}};

    ck_assert_int_eq(world_run(&world), 0);
    return world.result;
}

TEST(reactors_run_interleaved_on_one_thread)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        threads_before = test_threads();
        run_on_four(seed, "rough");
    }
    run_on_four(1, "calm");
}

TEST(the_same_seed_gives_the_same_run_and_others_differ)
{
    uint64_t hashes[8];

    for (uint64_t seed = 0; seed < 8; seed++) {
        struct weft_sim_result first = run_on_four(seed, "rough");
        struct weft_sim_result again = run_on_four(seed, "rough");

        ck_assert_uint_eq(first.hash, again.hash);
        ck_assert_uint_eq(first.steps, again.steps);
        ck_assert_int_eq(first.time_ns, again.time_ns);
        hashes[seed] = first.hash;
        for (uint64_t other = 0; other < seed; other++)
            ck_assert_uint_ne(hashes[other], first.hash);
    }
}

/* -- how it ends ------------------------------------------------------------------------------ */

static int wait_for_a_connection(void *arg)
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL);

    (void)arg;
    ok(listener);
    return weft_accept(listener, NULL, NULL, 0);
}

TEST(a_deadlock_is_reported_as_who_waits_for_what)
{
    struct world world = {.seed = 7, .plan = "calm", .task = wait_for_a_connection, .fails = true};

    ck_assert_int_eq(world_run_apart(&world), -EDEADLK);
    ck_assert_ptr_nonnull(strstr(world.report, "deadlock"));
    ck_assert_ptr_nonnull(strstr(world.report, "thread 1 \"main\" waits for a completion"));
    ck_assert_ptr_nonnull(strstr(world.report, "task \"main\": accept on descriptor "));
    ck_assert_ptr_nonnull(strstr(world.report, "accept on tcp"));
    ck_assert_ptr_nonnull(strstr(world.report, "WEFT_SIM_SEED=7 WEFT_SIM_PLAN='calm'"));
}

static int never_end(void *arg)
{
    (void)arg;
    for (;;)
        weft_sleep(1);
    return 0;
}

TEST(a_run_without_end_is_ended)
{
    struct world world = {
        .seed = 7, .plan = "calm", .task = never_end, .steps_max = 1000, .fails = true};

    /* a sleeper makes no step: it is the events that are too many */
    ck_assert_int_eq(world_run_apart(&world), -ETIMEDOUT);
    ck_assert_ptr_nonnull(strstr(world.report, "events"));
}

static int run_inside(void *arg)
{
    (void)arg;
    return weft_sim_run(NULL, give_result, NULL, NULL);
}

TEST(a_run_within_a_run_and_a_plan_that_is_not_understood_are_refused)
{
    static const char *const plans[] = {"sideways",       "op.short",
                                        "op.short=2/1",   "op.short=x",
                                        "op.nothing=1",   "recv#0=reset",
                                        "recv#1=EWHAT",   "net.latency=2ms..1ms",
                                        "recv#1@4x=reset"};
    struct world world = {.seed = 1, .fails = true};

    ck_assert_int_eq(world_run_fn(&world, run_inside, NULL), -EBUSY);
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        world.plan = plans[i];
        ck_assert_int_eq(world_run_fn(&world, run_inside, NULL), -EINVAL);
    }
    ck_assert_int_eq(weft_sim_run(NULL, NULL, NULL, NULL), -EINVAL);
    ck_assert_uint_eq(weft_sim_seed(), 0);
    ck_assert_int_eq(weft_sim_time(), 0);
}

TEST(a_plan_is_printed_so_that_it_can_be_read_again)
{
    const char *plan = "calm op.short=1/8 op.late_time=1us..2ms recv#3@tcp=reset send#1=ENOMEM";
    char text[4096], again[4096];

    ck_assert_int_lt(weft_sim_plan_text(plan, text, sizeof text), (int)sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "op.short=125000 "));
    ck_assert_ptr_nonnull(strstr(text, "op.late_time=1000..2000000 "));
    ck_assert_ptr_nonnull(strstr(text, " recv#3@tcp=reset send#1=ENOMEM"));
    ck_assert_int_lt(weft_sim_plan_text(text, again, sizeof again), (int)sizeof again);
    ck_assert_str_eq(text, again);
    ck_assert_int_eq(weft_sim_plan_text("sideways", text, sizeof text), -EINVAL);
}

TEST_MAIN("sim/world", 60, a_sleep_of_an_hour_takes_no_time_and_an_hour_passes,
          the_result_is_that_of_the_function, reactors_run_interleaved_on_one_thread,
          the_same_seed_gives_the_same_run_and_others_differ,
          a_deadlock_is_reported_as_who_waits_for_what, a_run_without_end_is_ended,
          a_run_within_a_run_and_a_plan_that_is_not_understood_are_refused,
          a_plan_is_printed_so_that_it_can_be_read_again)
