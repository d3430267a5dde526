/*
 * Starting a run when something it needs is refused: the k-th call of the boundary before main
 * begins, or the k-th part of a reactor, fails, for every k, with every error that is legal for it;
 * and by the knobs of a plan, any number at once.
 *
 * Would catch: an error of start-up that is not the one documented, or not the one met; a ring, a
 * thread, a bell, a descriptor, memory or a mapping left behind by a run that never began; a run
 * that fails for want of something it can do without; another one that cannot begin after it.
 */
#include <stdlib.h>

#include "io/io.h"
#include "ring/host.h"
#include "ring/ring.h"
#include "sim/world.h"
#include "simulate.h"
#include "task/task.h"

enum { RESULT = 7, REACTORS = 3, SEEDS = 400 };

/* -- where it fails (the linker leads these calls here) ------------------------------------------
 */

static struct {
    uint32_t at, which; /* the call to fail, from 1; the number of the error among its own */
    uint32_t calls;     /* so far, before main began */
    uint32_t errors;    /* that the call at `at` may have */
    int error;          /* it was failed with; 0: none was */
    bool needed;        /* nothing can be done without it */
    bool begun;         /* main has */
} now;

/* The error to fail this call with, or 0. `errors` ends with 0. */
static int refusal(const int *errors, bool needed)
{
    uint32_t count = 0;

    if (now.begun || ++now.calls != now.at)
        return 0;
    while (errors[count])
        count++;
    now.errors = count;
    now.needed = needed;
    return now.error = errors[now.which];
}

#define WRAPPED(type, name, needed, failure, arguments, passed, ...)                               \
    type __real_##name arguments;                                                                  \
    type __wrap_##name arguments;                                                                  \
    type __wrap_##name arguments                                                                   \
    {                                                                                              \
        static const int errors[] = {__VA_ARGS__, 0};                                              \
        int error = refusal(errors, needed);                                                       \
        (void)error;                                                                               \
        return now.error && error ? failure : __real_##name passed;                                \
    }

WRAPPED(int, weft__ring_open, true, error,
        (struct weft__ring * ring, const struct weft__ring_opt *opt), (ring, opt), -ENOMEM, -EMFILE,
        -ENFILE, -EPERM, -ENOSYS, -EAGAIN, -EINVAL)
WRAPPED(int, weft__bell_open, true, error,
        (struct weft__bell * bell, struct weft__ring *ring, uint64_t token), (bell, ring, token),
        -EMFILE, -ENFILE, -ENOMEM)
WRAPPED(int, weft__host_thread_start, true, error,
        (struct weft__thread * *thread, void *(*fn)(void *), void *arg, const char *name),
        (thread, fn, arg, name), -EAGAIN)
WRAPPED(void *, weft__host_reserve, true, NULL, (size_t size), (size), -ENOMEM)
WRAPPED(int, weft__host_pin, false, error, (int cpu), (cpu), -EINVAL, -ESRCH)
WRAPPED(int, weft__buffer_ring_open, false, error,
        (struct weft__ring * ring, struct weft__buffer_ring *buffers, uint16_t group,
         uint32_t count),
        (ring, buffers, group, count), -ENOMEM)

/* What a reactor is put together from, besides. */
WRAPPED(int, weft__stack_pool_open, true, error,
        (struct weft__stack_pool * pool, const struct weft__stack_pool_opt *opt), (pool, opt),
        -ENOMEM)
WRAPPED(int, weft__overflow_thread_begin, true, error, (struct weft__overflow_thread * thread),
        (thread), -ENOMEM)
WRAPPED(int, weft__ready_open, true, error, (struct weft__ready * ready), (ready), -ENOMEM)
WRAPPED(int, weft__ops_open, true, error, (struct weft__ops * ops, struct weft__timers *timers),
        (ops, timers), -ENOMEM)
WRAPPED(int, weft__tasks_open, true, error,
        (struct weft__reactor * reactor, uint64_t generation_first, uint32_t alive_max),
        (reactor, generation_first, alive_max), -ENOMEM)
WRAPPED(int, weft__io_open, true, error, (struct weft__reactor * reactor), (reactor), -ENOMEM)

/* -- one start -----------------------------------------------------------------------------------
 */

static int main_task(void *arg)
{
    (void)arg;
    now.begun = true;
    return RESULT;
}

struct start {
    uint32_t reactors;
    int result, again;
    char error_text[256];
};

static int start(void *arg)
{
    struct start *start = arg;
    struct weft_run_opt opt = {.size = sizeof opt,
                               .reactors = start->reactors,
                               .stop_on_sigterm = start->reactors > 1,
                               .error_text = start->error_text,
                               .error_text_size = sizeof start->error_text};

    start->result = weft_run(main_task, NULL, 0, &opt);
    ck_assert_ptr_null(weft__self);
    ck_assert_uint_eq(weft__sim_world->fds_open, 0);
    for (const struct weft__sim_thread *t = weft__sim_world->threads; t; t = t->next)
        ck_assert_ptr_eq(t, weft__sim_world->running); /* every other was joined */
    ck_assert_ptr_null(weft__sim_world->rings);
    now.begun = true; /* nothing fails any more */
    start->again = weft_run(main_task, NULL, 0, &opt);
    return 0;
}

static struct start run_start(uint32_t reactors, uint64_t seed, const char *plan)
{
    size_t allocations = test_live_allocations(), mapped = test_mapped_bytes();
    struct start made = {.reactors = reactors};
    struct world world = {.seed = seed, .plan = plan};

    ck_assert_int_eq(world_run_fn(&world, start, &made), 0);
    ck_assert_uint_eq(test_live_allocations(), allocations);
    ck_assert_uint_eq(test_mapped_bytes(), mapped);
    return made;
}

static void fail_each_call(uint32_t reactors, const char *plan)
{
    uint32_t failed = 0;

    for (uint32_t at = 1;; at++) {
        uint32_t errors = 1;
        for (uint32_t which = 0; which < errors; which++) {
            struct start made;
            memset(&now, 0, sizeof now);
            now.at = at;
            now.which = which;
            made = run_start(reactors, at, plan);
            ck_assert_int_eq(made.again, RESULT);
            if (!now.error) { /* there is no k-th call */
                ck_assert_int_eq(made.result, RESULT);
                ck_assert_uint_ge(failed, 3 * reactors);
                return;
            }
            errors = now.errors;
            failed++;
            ck_assert_msg(made.result == (now.needed ? now.error : RESULT),
                          "call %u of %u reactors fails with %s, and the run gives %d", at,
                          reactors, strerror(-now.error), made.result);
        }
    }
}

TEST(every_call_fails_with_every_error)
{
    for (uint32_t reactors = 1; reactors <= REACTORS; reactors++) {
        fail_each_call(reactors, "calm");
        fail_each_call(reactors, "rough");
    }
}

/* -- by the plan ---------------------------------------------------------------------------------
 */

static const int documented[] = {-ENOMEM, -EMFILE, -ENFILE, -EPERM, -ENOSYS, -EAGAIN};
enum { DOCUMENTED = sizeof documented / sizeof documented[0] };

static int number_of(int error)
{
    int i = 0;

    while (i < DOCUMENTED && documented[i] != error)
        i++;
    ck_assert_msg(i < DOCUMENTED, "a start fails with %s", strerror(-error));
    return i;
}

TEST(a_plan_that_refuses_rings_has_every_documented_error_with_its_reason)
{
    int seen[DOCUMENTED] = {0};

    for (uint64_t seed = 1; seed <= SEEDS / 4; seed++) {
        struct start made;
        now.begun = true;
        made = run_start(1, seed, "calm ring.open=always");
        seen[number_of(made.result)]++;
        ck_assert_ptr_nonnull(strstr(made.error_text, "ring.open"));
        ck_assert_int_lt(made.again, 0);
    }
    for (int i = 0; i < DOCUMENTED; i++)
        ck_assert_int_gt(seen[i], 0);
}

TEST(a_start_among_many_refusals_is_whole_or_nothing)
{
    int whole = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct start made;
        now.begun = true;
        made = run_start(1 + (uint32_t)seed % REACTORS, seed,
                         "rough ring.open=1/6 bell.open=1/6 thread.none=1/6 bell.copy=1/2 "
                         "ring.lacks=1/2 buffers.open=1/2 file.hold=1/2");
        whole += made.result == RESULT;
        if (made.result != RESULT)
            (void)number_of(made.result);
    }
    ck_assert_int_gt(whole, SEEDS / 8);
    ck_assert_int_lt(whole, SEEDS * 7 / 8);
}

/* What can be done without is done without: nothing fails. */
static int over_a_stream(void *arg)
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL), fd;
    weft_stream *stream = NULL;
    char address[40], bytes[5];

    (void)arg;
    snprintf(address, sizeof address, "127.0.0.1:%d", weft_local_port(listener));
    fd = weft_connect_tcp(address, NULL);
    ok(fd);
    ok(weft_stream_open(weft_accept(listener, NULL, NULL, 0), NULL, &stream));
    for (int i = 0; i < 20; i++) {
        ok(weft_send_all(fd, "hello", 5, NULL));
        ck_assert_int_eq((int)weft_stream_read_exactly(stream, bytes, 5, NULL), 5);
        ck_assert_int_eq((int)weft_stream_write(stream, bytes, 5, NULL), 5);
        ck_assert_int_eq((int)weft_recv_exactly(fd, bytes, 5, NULL), 5);
        ck_assert_int_eq(memcmp(bytes, "hello", 5), 0);
    }
    ok(weft_stream_close(stream));
    ok(weft_close(fd));
    return weft_close(listener);
}

TEST(what_is_optional_may_be_missing)
{
    now.begun = true;
    for (uint64_t seed = 1; seed <= SEEDS / 4; seed++) {
        struct world world = {.seed = seed,
                              .plan = "rough ring.lacks=always bell.copy=always file.hold=1/2",
                              .task = over_a_stream,
                              .run = {.reactors = 1 + (uint32_t)seed % REACTORS}};
        ck_assert_int_eq(world_run(&world), 0);
    }
}

TEST_MAIN("sim/start", 120, every_call_fails_with_every_error,
          a_plan_that_refuses_rings_has_every_documented_error_with_its_reason,
          a_start_among_many_refusals_is_whole_or_nothing, what_is_optional_may_be_missing)
