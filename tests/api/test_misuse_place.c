/*
 * Where a misused call stands, and what happens by default. Would catch the place of an earlier
 * call shown for a later one: after it has returned, while its task is parked, when an argument of
 * the call was itself a call that gave way; and a default hook that does not stop the program.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

#include "support/misuse.h"
#include "support/test.h"

#define ok(expression) ck_assert_int_ge((expression), 0)

static const weft_task nobody;

/* A name in parentheses is the function itself: its place is not noted. */
static void check_no_place(void)
{
    unsigned before = test_misuses();

    ck_assert_int_eq((weft_stop_post)(NULL), -EINVAL);
    test_misuse_check(before, NULL, 0, NULL, -EINVAL, "no inbox");
}

static int returned_main(void *arg)
{
    (void)arg;
    ok(weft_sleep(0));
    ck_assert_int_eq(weft_cancel(weft_current_task()), 1);
    ck_assert_int_eq(weft_uncancel(), 0);
    check_no_place();
    return 0;
}
TEST(a_call_that_has_returned)
{
    ck_assert_int_eq(weft_run(returned_main, NULL, 0, NULL), 0);
}

static int joins(void *task)
{
    return weft_join(*(weft_task *)task, NULL);
}
static int waits(void *arg)
{
    (void)arg;
    return weft_sleep(WEFT_NEVER);
}
/* The first thing they do, straight after the switch from a task that is in the middle of a call.
 */
static int checks(void *arg)
{
    (void)arg;
    check_no_place();
    return 0;
}
static void checks_too(void *arg)
{
    check_no_place();
    *(bool *)arg = true;
}
static int parked_main(void *arg)
{
    weft_task sleeper;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &sleeper};
    weft_inbox *inbox = weft_inbox_here();
    bool called = false;

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, waits, NULL, 0, &opt));
        ok(weft_spawn(&s, joins, &sleeper, sizeof sleeper, NULL));
        ok(weft_spawn(&s, checks, NULL, 0, NULL));
        ok(weft_yield());
        ok(weft_post(inbox, checks_too, &called, NULL));
        while (!called)
            ok(weft_yield());
        ok(weft_call_on_big_stack(checks, NULL));
        check_no_place();
        weft_scope_cancel(&s);
    }
    weft_inbox_put(inbox);
    return 0;
}
TEST(a_call_whose_task_is_parked)
{
    ck_assert_int_eq(weft_run(parked_main, NULL, 0, NULL), 0);
}

/* Runs while the main task evaluates an argument, and makes the same call. */
static int cancels_nobody(void *line)
{
    ck_misuse(weft_cancel(nobody), -ESTALE, "weft_cancel", "never filled in");
    *(int *)line = 1;
    return 0;
}
static int argument_main(void *arg)
{
    int ran = 0, *it = &ran;
    unsigned others = test_misuse_debug() ? 1 : 0, before = test_misuses();
    int error;

    (void)arg;
    ok(weft_create_task(cancels_nobody, it, 0, NULL));
    error = weft_cancel(weft_yield() == 0 ? nobody : weft_current_task());
    test_misuse_check(before + others, __FILE__, __LINE__ - 1, "weft_cancel", -ESTALE, "never");
    ck_assert_int_eq(error, -ESTALE);
    ck_assert_int_eq(ran, 1);
    return 0;
}
TEST(an_argument_that_gives_way)
{
    ck_assert_int_eq(weft_run(argument_main, NULL, 0, NULL), 0);
}

static int inside(const struct weft_task_info *info, void *calls)
{
    (void)info;
    ck_misuse(weft_trace(3), -EINVAL, "weft_trace", "power of two");
    check_no_place();
    return ++*(int *)calls, 0;
}
static void at_the_end(void *calls)
{
    check_no_place();
    ck_misuse(weft_trace(5), -EINVAL, "weft_trace", "power of two");
    ++*(int *)calls;
}
static int nested_main(void *arg)
{
    weft_scope scope;
    int calls = 0;

    (void)arg;
    ck_assert_int_eq(weft_tasks_each(inside, &calls), 0);
    ok(weft_scope_open(&scope, NULL));
    ok(weft_scope_defer(&scope, at_the_end, &calls));
    ok(weft_scope_close(&scope));
    ck_assert_int_eq(calls, 2);
    return 0;
}
TEST(a_call_inside_a_call)
{
    ck_assert_int_eq(weft_run(nested_main, NULL, 0, NULL), 0);
}

TEST(a_call_of_several_lines)
{
    unsigned before = test_misuses();
    int first = __LINE__ + 1;
    int error = weft_join(nobody,
                          /* of which one is named */
                          NULL);

    ck_assert_int_eq(error, -EPERM);
    ck_assert_uint_eq(test_misuses(), before + test_misuse_debug());
    if (test_misuse_debug()) {
        ck_assert_int_ge(test_misuse_latest().line, first);
        ck_assert_int_le(test_misuse_latest().line, first + 2);
    }
}

TEST(the_address_of_a_function)
{
    int (*yield)(void) = weft_yield;
    int (*const table[])(int64_t) = {weft_sleep, &weft_sleep_until};

    ck_assert_int_eq(yield(), -EPERM);
    ck_assert_int_eq(table[0](1), -EPERM);
    ck_assert_int_eq(table[1](1), -EPERM);
    ck_assert_uint_eq(test_misuses(), test_misuse_debug() ? 3 : 0);
}

static void *foreign(void *arg)
{
    ck_misuse(weft_stop_post(NULL), -EINVAL, "weft_stop_post", "no inbox");
    return arg;
}
TEST(another_thread)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, foreign, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(test_misuses(), 0); /* each thread has its own */
}

static int answer_in_handler;
static void on_signal(int number)
{
    (void)number;
    answer_in_handler = weft_post_signal(NULL, NULL);
}
enum { HANDLER_LINE = __LINE__ - 2 };
TEST(a_signal_handler)
{
    struct sigaction action = {.sa_handler = on_signal};

    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    raise(SIGUSR1);
    ck_assert_int_eq(answer_in_handler, -EINVAL);
    test_misuse_check(0, __FILE__, HANDLER_LINE, "weft_post_signal", -EINVAL, "no inbox");
    ck_misuse(weft_yield(), -EPERM, "weft_yield", "outside");
}

/* -- the hook ------------------------------------------------------------------------------ */

static void spoils_errno(const struct weft_misuse *misuse)
{
    (void)misuse;
    errno = EDOM;
}
TEST(the_hook_of_the_process)
{
    weft_misuse_hook *first = weft_misuse_hook_set(spoils_errno);

    ck_assert(first != NULL); /* the harness's */
    errno = 5;
    ck_assert_int_eq(weft_yield(), -EPERM);
    ck_assert_int_eq(errno, 5);
    ck_assert_uint_eq(test_misuses(), 0);
    ck_assert(weft_misuse_hook_set(NULL) == spoils_errno);
    ck_assert(weft_misuse_hook_set(first) == NULL);
    ck_misuse(weft_yield(), -EPERM, "weft_yield", "outside");
}

/* Calls fn in a child with the hook that is there by default, and gives what the child wrote to its
   standard error and how it ended. */
static int with_default_hook(void (*fn)(void), char *text, size_t size)
{
    int ends[2], status;
    size_t length = 0;
    ssize_t n;
    pid_t child;

    ck_assert_int_eq(pipe(ends), 0);
    child = fork();
    ok(child);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        weft_misuse_hook_set(NULL);
        fn();
        test_save_coverage();
        _exit(0);
    }
    close(ends[1]);
    while (length < size - 1 && (n = read(ends[0], text + length, size - 1 - length)) > 0)
        length += (size_t)n;
    text[length] = '\0';
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

static void check_end(int status, const char *text, const char *expected)
{
    if (!test_misuse_debug()) {
        ck_assert_int_eq(status, 0);
        ck_assert_str_eq(text, "");
        return;
    }
    ck_assert_str_eq(text, expected);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGABRT);
}

static void misuse(void)
{
    (void)weft_yield();
}
enum { MISUSE_LINE = __LINE__ - 2 };

static void unnoted_misuse(void)
{
    (void)(weft_yield)();
}

static int on_a_small_stack(void *arg)
{
    (void)arg;
    return weft_stats(NULL, 0);
}
enum { SMALL_LINE = __LINE__ - 2 };
static int small_main(void *arg)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .stack_size = 1};

    (void)arg;
    if (weft_create_task(on_a_small_stack, NULL, 0, &opt) < 0)
        _exit(1);
    return weft_yield();
}
static void misuse_on_a_small_stack(void)
{
    (void)weft_run(small_main, NULL, 0, NULL);
}

/* A task's handle in the hands of another reactor's thread. */
static int cancels(void *handle)
{
    return weft_cancel(*(weft_task *)handle);
}
enum { WRONG_THREAD_LINE = __LINE__ - 2 };
static int wrong_thread_main(void *arg)
{
    weft_task self = weft_current_task();

    (void)arg;
    return weft_call(1, cancels, &self, sizeof self);
}
static void misuse_on_the_wrong_thread(void)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    (void)weft_run(wrong_thread_main, NULL, 0, &opt);
}

static int forgets_main(void *arg)
{
    (void)arg;
    (void)weft_coro(forgets_main, NULL, 0);
    return 0;
}
enum { NEVER_AWAITED_LINE = __LINE__ - 3 };
static void misuse_of_a_coroutine(void)
{
    (void)weft_run(forgets_main, NULL, 0, NULL);
}

static int suspends_main(void *arg)
{
    (void)arg;
    WEFT_NO_SUSPEND {
        (void)weft_yield();
    }
    return 0;
}
enum { NO_SUSPEND_LINE = __LINE__ - 4 };
static void misuse_of_a_region(void)
{
    (void)weft_run(suspends_main, NULL, 0, NULL);
}

static void expect_line(void (*fn)(void), const char *place, const char *words)
{
    char text[512], expected[512];
    int status = with_default_hook(fn, text, sizeof text);

    snprintf(expected, sizeof expected, "weft: misuse: %s: %s\n", place, words);
    check_end(status, text, expected);
}

TEST(by_default_it_says_so_and_aborts)
{
    char place[256];

    snprintf(place, sizeof place, "%s:%d: weft_yield", __FILE__, MISUSE_LINE);
    expect_line(misuse, place, "called outside of a task (-EPERM)");
    expect_line(unnoted_misuse, "at a place not noted", "called outside of a task (-EPERM)");
    snprintf(place, sizeof place, "%s:%d: weft_stats", __FILE__, SMALL_LINE);
    expect_line(misuse_on_a_small_stack, place, "no memory, or not of that size (-EINVAL)");
}

/* What asyncio's debug mode knows of mistakes, word by word. */
TEST(the_words)
{
    char place[256];

    snprintf(place, sizeof place, "%s:%d: weft_cancel", __FILE__, WRONG_THREAD_LINE);
    expect_line(misuse_on_the_wrong_thread, place, "the task is another reactor's (-EXDEV)");
    snprintf(place, sizeof place, "%s:%d: weft_coro", __FILE__, NEVER_AWAITED_LINE);
    expect_line(misuse_of_a_coroutine, place,
                "the coroutine made here was never awaited (-EINVAL)");
    snprintf(place, sizeof place, "%s:%d: weft_yield", __FILE__, NO_SUSPEND_LINE);
    expect_line(misuse_of_a_region, place, "may suspend, in a region where nothing may (-EPERM)");
}

TEST_MAIN("misuse_place", 20, a_call_that_has_returned, a_call_whose_task_is_parked,
          an_argument_that_gives_way, a_call_inside_a_call, a_call_of_several_lines,
          the_address_of_a_function, another_thread, a_signal_handler, the_hook_of_the_process,
          by_default_it_says_so_and_aborts, the_words)
