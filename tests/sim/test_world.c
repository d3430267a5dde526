/*
 * The simulated world: what runs in it, its time, its determinism, and how it ends.
 *
 * Would catch: a run that depends on anything but its seed and plan; a clock that is the machine's;
 * a deadlock that hangs the test instead of failing it; a run that cannot be left.
 */
#include "sim/sim.h"
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
    ck_assert_ptr_nonnull(strstr(world.report, "task 1 \"main\": accept on descriptor "));
    ck_assert_ptr_nonnull(strstr(world.report, ", tcp 3 (127.0.0.1:"));
    ck_assert_ptr_nonnull(strstr(world.report, "WEFT_SIM_SEED=7 WEFT_SIM_PLAN='calm'"));
}

/* Something of the world's own that happens for ever, while nobody is woken. */
static void again(struct weft__sim *sim, struct weft__sim_event *event)
{
    weft__sim_at(sim, weft__sim_now(sim) + 1, event);
}

static int waits_beside_it(void *arg)
{
    static struct weft__sim_event event = {.fire = again};

    weft__sim_at(weft__sim_here(), 0, &event);
    return wait_for_a_connection(arg);
}

TEST(a_run_without_end_is_ended)
{
    struct world world = {
        .seed = 7, .plan = "calm", .task = waits_beside_it, .steps_max = 1000, .fails = true};

    ck_assert_int_eq(world_run_apart(&world), -ETIMEDOUT);
    ck_assert_ptr_nonnull(strstr(world.report, "more events fired"));
}

/* Spins that end only when the kernel does something about it. */
static int only_yields(void *arg)
{
    (void)arg;
    while (weft_yield() == 0)
        continue;
    return 0;
}

static int two_yield(void *arg)
{
    ok(weft_spawn(weft_root(), only_yields, NULL, 0, NULL));
    return only_yields(arg);
}

static int only_looks_at_the_clock(void *arg)
{
    (void)arg;
    while (weft_now() > 0)
        continue;
    return 0;
}

/* Answered without suspending, again and again: a byte that is looked at and not taken. */
static int only_peeks(void *arg)
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL), fd;
    const void *data;
    weft_stream *stream;
    size_t size;
    char address[40];

    (void)arg;
    snprintf(address, sizeof address, "127.0.0.1:%d", weft_local_port(listener));
    fd = weft_connect_tcp(address, NULL);
    ok(weft_stream_open(weft_accept(listener, NULL, NULL, 0), NULL, &stream));
    ok(weft_send_all(fd, "x", 1, NULL));
    while (weft_stream_peek(stream, &data, &size, 0) == 1)
        (void)weft_stream_consume(stream, 0);
    return 0;
}

TEST(a_task_that_spins_is_ended)
{
    static const struct {
        weft_task_fn task;
        const char *because;
    } spins[] = {
        {only_yields, "steps"},
        {two_yield, "steps"},
        {only_looks_at_the_clock, "calls"},
        {only_peeks, "steps"},
    };

    for (size_t i = 0; i < sizeof spins / sizeof spins[0]; i++) {
        struct world world = {
            .seed = 3, .plan = "calm", .task = spins[i].task, .steps_max = 3000, .fails = true};

        ck_assert_int_eq(world_run_apart(&world), -ETIMEDOUT);
        ck_assert_ptr_nonnull(strstr(world.report, spins[i].because));
        ck_assert_ptr_nonnull(strstr(world.report, "steps_max"));
        ck_assert_uint_lt(world.result.steps, 4000);
    }
}

static int yields(void *arg)
{
    for (int i = *(int *)arg; i > 0; i--)
        weft_yield();
    return 0;
}

static int two_take_turns(void *arg)
{
    int each = *(int *)arg;

    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, yields, &each, sizeof each, NULL));
        ok(weft_spawn(&s, yields, &each, sizeof each, NULL));
    }
    return 0;
}

static int run_two(void *arg)
{
    return weft_run(two_take_turns, arg, sizeof(int), NULL);
}

TEST(each_switch_between_tasks_is_a_step)
{
    uint64_t steps[2];

    for (int i = 0; i < 2; i++) {
        struct world world = {.seed = 5, .plan = "calm"};
        int each = i ? 1500 : 500;

        ck_assert_int_eq(world_run_fn(&world, run_two, &each), 0);
        steps[i] = world.result.steps;
    }
    ck_assert_uint_ge(steps[1] - steps[0], 2000);
    ck_assert_uint_lt(steps[1] - steps[0], 2020);
}

static int run_inside(void *arg)
{
    (void)arg;
    return weft_sim_run(NULL, give_result, NULL, NULL);
}

TEST(a_run_within_a_run_and_a_plan_that_is_not_understood_are_refused)
{
    static const char *const plans[] = {"sideways", "op.short", "op.short=2/1", "op.short=x",
                                        "op.nothing=1", "recv#0=reset", "recv#1=EWHAT",
                                        "net.latency=2ms..1ms", "recv#1@4x=reset",
                                        /* so much that it wraps round to some odds */
                                        "op.short=922337203685478%",
                                        "op.short=9223372036854775807/9223372036854775807"};
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
          a_task_that_spins_is_ended, each_switch_between_tasks_is_a_step,
          a_run_within_a_run_and_a_plan_that_is_not_understood_are_refused,
          a_plan_is_printed_so_that_it_can_be_read_again)
