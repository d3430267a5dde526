/*
 * Debug mode: what is told of slices that are too long and of failures that nobody was told, word
 * by word. Would catch a slice told of another task or place, one that goes on in the loop, a
 * failure told though somebody has it, one that is kept quiet, settings that do not arrive or stay
 * on.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <weft/weft.h>

#include "support/misuse.h"
#include "support/test.h"

#define ok(expression) ck_assert_int_ge((expression), 0)

/* -- what was told: of those that a case looks for, as others may be slow on a busy machine
 * -------- */

static struct {
    const char *name; /* of whom; NULL: callbacks */
    unsigned count;
    struct weft_report latest;
    char text[512];
} told;

static void record(const struct weft_report *report)
{
    if (told.name ? !report->name || strcmp(report->name, told.name) != 0 : report->name != NULL)
        return;
    told.count++;
    told.latest = *report;
    snprintf(told.text, sizeof told.text, "%s", report->text);
}

static void look_for(const char *name)
{
    memset(&told, 0, sizeof told);
    told.name = name;
}

/* A debug build knows places, any other one the function. */
static void check_text(const char *begin, const char *places, const void *code)
{
    char expected[512];

    if (test_misuse_debug())
        snprintf(expected, sizeof expected, "%s%s", begin, places);
    else
        snprintf(expected, sizeof expected, "%s, function 0x%lx", begin, (unsigned long)code);
    ck_assert_str_eq(told.text, expected);
}

enum { SLOW_MS = 20, TAKES_MS = 60 };

/* It blocks its thread; in a simulated world that takes virtual time. */
static void block(void)
{
    struct timespec span = {.tv_nsec = TAKES_MS * 1000000L};

    while (nanosleep(&span, &span) < 0)
        ;
}

static const struct weft_debug_opt debug = {.size = sizeof debug,
                                            .slow_ns = SLOW_MS * INT64_C(1000000),
                                            .hook = record};

/* Without the slices: anybody's may be too long on a busy machine. */
static const struct weft_debug_opt unheard = {.size = sizeof unheard,
                                              .kinds = WEFT_REPORT_UNHEARD,
                                              .hook = record};

static int run_for(weft_task_fn fn, const struct weft_debug_opt *what)
{
    struct weft_run_opt opt = {.size = sizeof opt, .debug = what};

    return weft_run(fn, NULL, 0, &opt);
}
static int run(weft_task_fn fn)
{
    return run_for(fn, &debug);
}

/* -- slices ---------------------------------------------------------------------------------- */

static int came_from, went_to;

static int cruncher(void *arg)
{
    (void)arg;
    came_from = __LINE__ + 1;
    ok(weft_sleep(1));
    block();
    went_to = __LINE__ + 1;
    ok(weft_sleep(1));
    return 0;
}

static void check_slow(const char *whom, const char *places, const void *code)
{
    char begin[256];
    int64_t us = told.latest.span_ns / 1000;

    ck_assert_uint_ge(told.count, 1);
    ck_assert_int_eq(told.latest.kind, WEFT_REPORT_SLOW);
    ck_assert_int_ge(us, SLOW_MS * 1000);
    ck_assert_ptr_eq(told.latest.code, code);
    snprintf(begin, sizeof begin, "weft: slow: %s kept reactor 0 for %lld.%06lld s", whom,
             (long long)(us / 1000000), (long long)(us % 1000000));
    check_text(begin, places, code);
}

static int slow_main(void *arg)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = "cruncher"};
    char places[256];

    (void)arg;
    look_for("cruncher");
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, cruncher, NULL, 0, &opt));
    }
    snprintf(places, sizeof places, ", from %s:%d: weft_sleep to %s:%d: weft_sleep", __FILE__,
             came_from, __FILE__, went_to);
    check_slow("task 2 \"cruncher\"", places, (const void *)(uintptr_t)cruncher);
    ck_assert_uint_eq(told.latest.task.slot != 0, 1);
    return 0;
}
TEST(a_slow_task)
{
    ck_assert_int_eq(run(slow_main), 0);
}

/* From its begin to its end: no call of it is known. */
static int crunches_only(void *arg)
{
    (void)arg;
    block();
    return 0;
}
static int whole_main(void *arg)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = "whole"};
    struct weft_report report;

    (void)arg;
    look_for("whole");
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, crunches_only, NULL, 0, &opt));
    }
    report = told.latest;
    ck_assert_ptr_null(report.file);
    ck_assert_ptr_eq(report.code, (const void *)(uintptr_t)crunches_only);
    ck_assert_ptr_nonnull(strstr(told.text, "weft: slow: task 2 \"whole\" kept reactor 0 for "));
    return 0;
}
TEST(a_slow_task_without_a_call)
{
    ck_assert_int_eq(run(whole_main), 0);
}

/* On the loop's stack for a task, which is the one who is slow. */
static int errand(void *arg)
{
    (void)arg;
    block();
    return 0;
}
static int errand_body(void *arg)
{
    (void)arg;
    ok(weft_call_on_big_stack(errand, NULL));
    ok(weft_sleep(1));
    return 0;
}
static int errand_main(void *arg)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = "errand"};

    (void)arg;
    look_for("errand");
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, errand_body, NULL, 0, &opt));
    }
    ck_assert_uint_ge(told.count, 1);
    ck_assert_ptr_eq(told.latest.code, (const void *)(uintptr_t)errand_body);
    return 0;
}
TEST(a_slow_errand)
{
    ck_assert_int_eq(run(errand_main), 0);
}

static void blocks_and_sets(void *arg)
{
    block();
    ok(weft_future_set_result(arg, 0));
}
static void blocks_when_done(weft_future *future, void *arg)
{
    (void)future;
    block();
    *(bool *)arg = true;
}

static int callbacks_main(void *arg)
{
    const void *code = (const void *)(uintptr_t)blocks_and_sets;
    weft_inbox *inbox = weft_inbox_here();
    weft_future *future;
    char places[256];
    bool called = false;
    int line;

    (void)arg;
    ok(weft_future_create(&future, NULL));
    look_for(NULL);
    line = __LINE__ + 1;
    ok(weft_call_soon(blocks_and_sets, future, NULL));
    ok(weft_future_await(future, NULL));
    snprintf(places, sizeof places, ", asked for at %s:%d: weft_call_soon, _later or _at", __FILE__,
             line);
    check_slow("a callback", places, code);

    ok(weft_future_reset(future));
    look_for(NULL);
    line = __LINE__ + 1;
    ok(weft_post(inbox, blocks_and_sets, future, NULL));
    ok(weft_future_await(future, NULL));
    snprintf(places, sizeof places, ", asked for at %s:%d: weft_post", __FILE__, line);
    check_slow("a callback", places, code);

    look_for(NULL);
    ok(weft_future_add_done(future, blocks_when_done, &called));
    while (!called)
        ok(weft_yield());
    ck_assert_uint_eq(told.count, 1);
    ck_assert_ptr_eq(told.latest.code, (const void *)(uintptr_t)blocks_when_done);
    weft_future_put(future);
    weft_inbox_put(inbox);
    return 0;
}
TEST(slow_callbacks)
{
    ck_assert_int_eq(run(callbacks_main), 0);
}

/* Turned on in the middle of a slice it is measured from there, and turned off it is silent. */
static int switched_main(void *arg)
{
    struct weft_debug_opt opt = debug;

    (void)arg;
    look_for("main");
    block();
    ck_assert(!weft_get_debug());
    opt.slow_ns = INT64_C(3600000000000);
    ok(weft_set_debug(&opt));
    ck_assert(weft_get_debug());
    block();
    ok(weft_yield());
    ok(weft_sleep(1));
    ck_assert_uint_eq(told.count, 0);
    ok(weft_set_debug(&debug));
    block();
    ok(weft_sleep(1));
    ck_assert_uint_ge(told.count, 1);
    ck_assert_int_ge(told.latest.span_ns, SLOW_MS * INT64_C(1000000));
    ok(weft_set_debug(NULL));
    ck_assert(!weft_get_debug());
    told.count = 0;
    block();
    ok(weft_sleep(1));
    ck_assert_uint_eq(told.count, 0);
    return 0;
}
TEST(switched_on_and_off)
{
    ck_assert_int_eq(weft_run(switched_main, NULL, 0, NULL), 0);
}

/* A hook runs in nobody's name: what suspends is refused, whoever was about to run goes on. */
static unsigned refusals;

static void suspends(const struct weft_report *report)
{
    if (strcmp(report->name ? report->name : "", "cruncher") != 0)
        return;
    refusals += weft_yield() == -EPERM;
    told.count++;
}
static int hook_main(void *arg)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = "cruncher"};

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, cruncher, NULL, 0, &opt));
    }
    ck_assert_uint_ge(refusals, 1);
    ck_assert_uint_eq(refusals, told.count);
    return 0;
}
TEST(a_hook_that_suspends)
{
    struct weft_debug_opt own = debug;
    struct weft_run_opt opt = {.size = sizeof opt, .debug = &own};

    own.hook = suspends;
    ck_assert_int_eq(weft_run(hook_main, NULL, 0, &opt), 0);
}

/* -- failures -------------------------------------------------------------------------------- */

static int fails(void *arg)
{
    (void)arg;
    return -EIO;
}
static int is_cancelled(void *arg)
{
    (void)arg;
    return weft_sleep(WEFT_NEVER);
}

static void check_unheard(const char *begin, const char *made, int line, const char *function)
{
    char expected[512];

    ck_assert_uint_eq(told.count, 1);
    ck_assert_int_eq(told.latest.kind, WEFT_REPORT_UNHEARD);
    ck_assert_int_eq(told.latest.error, -EIO);
    if (test_misuse_debug())
        snprintf(expected, sizeof expected, "%s, and nobody asked: %s %s:%d: %s", begin, made,
                 __FILE__, line, function);
    else
        snprintf(expected, sizeof expected, "%s, and nobody asked: %s at a place not noted", begin,
                 made);
    ck_assert_str_eq(told.text, expected);
}

/* In the root nobody asks; with a handle somebody may until the end of the run. */
static int forgotten_line, kept_line;

static int forgotten_main(void *arg)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = "x"};
    weft_task task, cancelled;
    int result;

    (void)arg;
    look_for("x");
    forgotten_line = __LINE__ + 1;
    ok(weft_create_task(fails, NULL, 0, &opt));
    ok(weft_yield());
    check_unheard("weft: unheard: task 2 \"x\" ended with -EIO", "spawned", forgotten_line,
                  "weft_create_task");
    ck_assert_ptr_eq(told.latest.code, (const void *)(uintptr_t)fails);

    opt.task = &task;
    look_for("x");
    ok(weft_create_task(fails, NULL, 0, &opt));
    ok(weft_join(task, &result)); /* while it lives */
    ok(weft_create_task(fails, NULL, 0, &opt));
    ok(weft_yield());
    ok(weft_join(task, &result)); /* when it has ended */
    ok(weft_create_task(fails, NULL, 0, &opt));
    ok(weft_yield());
    ck_assert_int_eq(weft_await_any(weft_of_task(task), NULL), 0);
    ok(weft_join(task, NULL));
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, fails, NULL, 0, &opt));
        ok(weft_yield());
        ck_assert_int_eq(weft_scope_error(&s), -EIO); /* the scope's to tell */
    }
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        ok(weft_spawn(&s, fails, NULL, 0, &opt));
        ok(weft_yield());
        ck_assert_int_eq(weft_scope_error(&s), -EIO);
    }
    opt.task = NULL;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        ok(weft_spawn(&s, fails, NULL, 0, &opt)); /* whoever has the scope may still ask it */
        ok(weft_yield());
    }
    opt.task = &cancelled;
    ok(weft_create_task(is_cancelled, NULL, 0, &opt));
    ok(weft_yield());
    ck_assert_int_eq(weft_cancel(cancelled), 1);
    ok(weft_yield());
    ck_assert_uint_eq(told.count, 0); /* all of these were heard, or have not failed */

    look_for("kept");
    opt = (struct weft_spawn_opt){.size = sizeof opt, .name = "kept", .task = &task};
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        kept_line = __LINE__ + 1;
        ok(weft_spawn(&s, fails, NULL, 0, &opt));
    }
    ck_assert_uint_eq(told.count, 1);
    look_for("kept");
    kept_line = __LINE__ + 1;
    ok(weft_create_task(fails, NULL, 0, &opt));
    ok(weft_yield());
    ck_assert_uint_eq(told.count, 0);
    return -EIO; /* which weft_run gives */
}
TEST(tasks_that_failed)
{
    ck_assert_int_eq(run_for(forgotten_main, &unheard), -EIO);
    ck_assert_uint_eq(told.count, 1);
    ck_assert_ptr_nonnull(strstr(told.text, "\"kept\" ended with -EIO, and nobody asked"));
    if (test_misuse_debug())
        ck_assert_int_eq(told.latest.line, kept_line);
}

static weft_future *failed(const char *name)
{
    struct weft_future_opt opt = {.size = sizeof opt, .name = name};
    weft_future *future;

    ok(weft_future_create(&future, &opt));
    ok(weft_future_set_error(future, -EIO));
    return future;
}

static int awaits(void *future)
{
    int64_t result;

    ok(weft_future_await(future, &result));
    return 0;
}
static void is_told(weft_future *future, void *arg)
{
    (void)future;
    *(bool *)arg = true;
}

static int futures_main(void *arg)
{
    struct weft_future_opt opt = {.size = sizeof opt, .name = "f"};
    weft_future *future;
    weft_awaitable awaitable;
    int64_t result;
    bool done = false;
    int line;

    (void)arg;
    look_for("f");
    line = __LINE__ + 1;
    ok(weft_future_create(&future, &opt));
    ok(weft_future_set_error(future, -EIO));
    ck_assert(weft_future_done(future)); /* only whether */
    weft_future_put(future);
    check_unheard("weft: unheard: future \"f\" failed with -EIO", "made", line,
                  "weft_future_create");
    ck_assert_ptr_null(told.latest.code);

    look_for("f");
    future = failed("f");
    ok(weft_future_add_done(future, is_told, &done)); /* which does not look */
    while (!done)
        ok(weft_yield());
    ok(weft_future_reset(future));
    ck_assert_uint_eq(told.count, 1);
    ok(weft_future_set_error(future, -ECANCELED)); /* no failure */
    weft_future_put(future);
    ck_assert_uint_eq(told.count, 1);

    look_for("f");
    future = failed("f");
    ok(weft_future_result(future, NULL));
    weft_future_put(future);
    future = failed("f");
    ck_assert_int_eq(weft_future_take(future, &result), -EIO);
    weft_future_put(future);
    future = failed("f");
    ok(weft_future_await(future, &result));
    weft_future_put(future);
    future = failed("f");
    awaitable = weft_of_future(future);
    ck_assert_int_eq(weft_gather(&awaitable, 1, &result, 0), -EIO);
    weft_future_put(future);
    ok(weft_future_create(&future, &opt));
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, awaits, future, 0, NULL));
        ok(weft_yield());
        ok(weft_future_set_error(future, -EIO)); /* to somebody who waits */
    }
    weft_future_put(future);
    ck_assert_uint_eq(told.count, 0);
    return 0;
}
TEST(futures_that_failed)
{
    ck_assert_int_eq(run(futures_main), 0);
}

/* -- asking for it --------------------------------------------------------------------------- */

static int drops_a_failure(void *arg)
{
    (void)arg;
    weft_future_put(failed("f"));
    return weft_get_debug();
}

TEST(off_unless_asked_for)
{
    look_for("f");
    ck_assert_int_eq(weft_run(drops_a_failure, NULL, 0, NULL), 0);
    ck_assert_int_eq(run(drops_a_failure), 1);
    ck_assert_uint_eq(told.count, 1);
    ck_assert_int_eq(weft_run(drops_a_failure, NULL, 0, NULL), 0); /* and over with the run */
    ck_assert_uint_eq(told.count, 1);
}

/* One kind alone. */
TEST(kinds)
{
    struct weft_debug_opt own = debug;
    struct weft_run_opt opt = {.size = sizeof opt, .debug = &own};

    look_for("f");
    own.kinds = WEFT_REPORT_SLOW;
    ck_assert_int_eq(weft_run(drops_a_failure, NULL, 0, &opt), 1);
    ck_assert_uint_eq(told.count, 0);
    own.kinds = WEFT_REPORT_UNHEARD;
    ck_assert_int_eq(weft_run(drops_a_failure, NULL, 0, &opt), 1);
    ck_assert_uint_eq(told.count, 1);
}

TEST(settings_that_are_none)
{
    struct weft_debug_opt own = debug;
    struct weft_run_opt opt = {.size = sizeof opt, .debug = &own};
    weft_loop *loop;

    own.slow_ns = -1;
    ck_misuse(weft_set_debug(&own), -EINVAL, "weft_set_debug", "span");
    ck_misuse(weft_run(drops_a_failure, NULL, 0, &opt), -EINVAL, "weft_run", "span");
    ck_misuse(weft_loop_new(&loop, &opt), -EINVAL, "weft_loop_new", "span");
    own = debug;
    own.kinds = 1u << 30;
    ck_misuse(weft_set_debug(&own), -EINVAL, "weft_set_debug", "reports");
    own.size = 0;
    ck_misuse(weft_set_debug(&own), -EINVAL, "weft_set_debug", "size");
    ck_assert(!weft_get_debug());
}

/* By the environment alone, one line to standard error. */
static int fd_error(void)
{
    FILE *file = tmpfile();
    int fd;

    ck_assert_ptr_nonnull(file);
    fd = dup2(fileno(file), STDERR_FILENO);
    fclose(file);
    return fd;
}

static void check_error_text(int saved, const char *expected)
{
    char text[1024] = "";
    ssize_t n = pread(STDERR_FILENO, text, sizeof text - 1, 0);

    ok(dup2(saved, STDERR_FILENO));
    ok(close(saved));
    ck_assert_int_ge((int)n, 0);
    ck_assert_str_eq(text, expected);
}

static int made_at;

static int drops_here(void *arg)
{
    weft_future *future;

    (void)arg;
    made_at = __LINE__ + 1;
    ok(weft_future_create(&future, NULL));
    ok(weft_future_set_error(future, -EIO));
    weft_future_put(future);
    return weft_get_debug();
}

TEST(by_the_environment)
{
    char expected[256], place[128];
    int saved = dup(STDERR_FILENO);

    ok(setenv("WEFT_DEBUG", "unheard", 1));
    ok(fd_error());
    ck_assert_int_eq(weft_run(drops_here, NULL, 0, NULL), 1);
    snprintf(place, sizeof place, "%s:%d: weft_future_create", __FILE__, made_at);
    snprintf(expected, sizeof expected,
             "weft: unheard: future \"future\" failed with -EIO, and nobody asked: made %s\n",
             test_misuse_debug() ? place : "at a place not noted");
    check_error_text(saved, expected);
}

/* What the program says wins. */
TEST(the_program_wins)
{
    ok(setenv("WEFT_DEBUG", "1", 1));
    ok(weft_set_debug(NULL));
    ck_assert_int_eq(weft_run(drops_here, NULL, 0, NULL), 0);
}

TEST_MAIN("debug", 30, a_slow_task, a_slow_task_without_a_call, a_slow_errand, slow_callbacks,
          switched_on_and_off, a_hook_that_suspends, tasks_that_failed, futures_that_failed,
          off_unless_asked_for, kinds, settings_that_are_none, by_the_environment, the_program_wins)
