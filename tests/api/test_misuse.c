/*
 * Every call that is a mistake of the program, one line each: the error it answers, that nothing
 * changed, and in a debug build that the hook was called once with this file, this line, the
 * call's name and what is wrong; in a release build that it was not. And beside them what looks
 * like a mistake and is none. Would catch a refusal that reports nothing, or twice, or in another's
 * name, and a legitimate answer that kills a debug build.
 */
#include <fcntl.h>

#include "api/wrong.h"

static char memory[64];
static void callback(void *arg)
{
    (void)arg;
}
static int task(void *arg)
{
    (void)arg;
    return 0;
}

/* -- from the wrong place -------------------------------------------------------------------- */

static int one_more(const struct weft_task_info *info, void *context)
{
    (void)info;
    return ++*(int *)context, 0;
}

/* Each call that only a task may make, made outside of one. `words` say where that is. */
static void suspending_calls(const char *words)
{
    static const struct sockaddr_in to = {.sin_family = AF_INET};
    const struct sockaddr *address = (const struct sockaddr *)&to;
    weft_scope scope;
    weft_scope *root = weft_root() ? weft_root() : &scope;
    weft_stream *stream;
    const void *data;
    size_t size;

    ck_misuse(weft_yield(), -EPERM, "weft_yield", words);
    ck_misuse(weft_sleep(1), -EPERM, "weft_sleep", words);
    ck_misuse(weft_sleep_until(1), -EPERM, "weft_sleep_until", words);
    ck_misuse(weft_spawn(root, task, NULL, 0, NULL), -EPERM, "weft_spawn", words);
    ck_misuse(weft_create_task(task, NULL, 0, NULL), -EPERM, "weft_create_task", words);
    ck_misuse(weft_join((weft_task){1, 1}, NULL), -EPERM, "weft_join", words);
    ck_misuse(weft_await((weft_task){1, 1}, NULL), -EPERM, "weft_await", words);
    ck_misuse(weft_uncancel(), -EPERM, "weft_uncancel", words);
    ck_misuse(weft_call(0, task, NULL, 0), -EPERM, "weft_call", words);
    ck_misuse(weft_call_on_big_stack(task, NULL), -EPERM, "weft_call_on_big_stack", words);
    ck_misuse(weft_stop(), -EPERM, "weft_stop", words);
    ck_misuse(weft_scope_open(&scope, NULL), -EPERM, "weft_scope_open", words);
    ck_misuse(weft_shield_open(&scope, 1), -EPERM, "weft_shield_open", words);
    ck_misuse(weft_listen_tcp("127.0.0.1:0", NULL), -EPERM, "weft_listen_tcp", words);
    ck_misuse(weft_local_port(0), -EPERM, "weft_local_port", words);
    ck_misuse(weft_accept(0, NULL, NULL, 0), -EPERM, "weft_accept", words);
    ck_misuse(weft_socket(AF_INET, SOCK_STREAM, 0), -EPERM, "weft_socket", words);
    ck_misuse(weft_connect(0, address, sizeof to), -EPERM, "weft_connect", words);
    ck_misuse(weft_connect_until(0, address, sizeof to, 1), -EPERM, "weft_connect_until", words);
    ck_misuse(weft_connect_tcp("127.0.0.1:9", NULL), -EPERM, "weft_connect_tcp", words);
    ck_misuse(weft_recv(0, memory, 1, 0), -EPERM, "weft_recv", words);
    ck_misuse(weft_recv_until(0, memory, 1, 0, 1), -EPERM, "weft_recv_until", words);
    ck_misuse(weft_recv_exactly(0, memory, 1, NULL), -EPERM, "weft_recv_exactly", words);
    ck_misuse(weft_send(0, memory, 1, 0), -EPERM, "weft_send", words);
    ck_misuse(weft_send_until(0, memory, 1, 0, 1), -EPERM, "weft_send_until", words);
    ck_misuse(weft_send_all(0, memory, 1, NULL), -EPERM, "weft_send_all", words);
    ck_misuse(weft_send_all_until(0, memory, 1, NULL, 1), -EPERM, "weft_send_all_until", words);
    ck_misuse(weft_shutdown(0, SHUT_WR), -EPERM, "weft_shutdown", words);
    ck_misuse(weft_close(0), -EPERM, "weft_close", words);
    ck_misuse(weft_setsockopt(0, 0, 0, memory, 1), -EPERM, "weft_setsockopt", words);
    ck_misuse(weft_getsockopt(0, 0, 0, memory, &(socklen_t){1}), -EPERM, "weft_getsockopt", words);
    ck_misuse(weft_socket_set(0, NULL), -EPERM, "weft_socket_set", words);
    ck_misuse(weft_fd_move(0), -EPERM, "weft_fd_move", words);
    ck_misuse(weft_stream_open(0, NULL, &stream), -EPERM, "weft_stream_open", words);
    ck_misuse(weft_stream_read(0, memory, 1, 0), -EPERM, "weft_stream_read", words);
    ck_misuse(weft_stream_peek(0, &data, &size, 0), -EPERM, "weft_stream_peek", words);
    ck_misuse(weft_stream_write(0, memory, 1, 0), -EPERM, "weft_stream_write", words);
    ck_misuse(weft_stream_give(0, 0, 1), -EPERM, "weft_stream_give", words);
    ck_misuse(weft_stream_splice(0, 0, 1, 0), -EPERM, "weft_stream_splice", words);
    ck_misuse(weft_stream_drain(0), -EPERM, "weft_stream_drain", words);
    ck_misuse(weft_stream_shutdown(0), -EPERM, "weft_stream_shutdown", words);
    ck_misuse(weft_stream_close(0), -EPERM, "weft_stream_close", words);
    ck_misuse(weft_stream_abort(0), -EPERM, "weft_stream_abort", words);
    ck_assert_int_ge(fcntl(0, F_GETFD), 0); /* closed by none of these */
}

TEST(outside_of_a_task)
{
    struct weft_stats stats;
    struct weft_trace_event event;
    weft_scope scope;
    int count = 0;

    suspending_calls("outside of a task");
    ck_misuse(weft_spawn_nowait(&scope, task, NULL, 0, NULL), -EPERM, "weft_spawn_nowait", "outs");
    ck_misuse(weft_cancel((weft_task){1, 1}), -EPERM, "weft_cancel", "outside of a task");
    ck_misuse(weft_stats(&stats, sizeof stats), -EPERM, "weft_stats", "outside of a task");
    ck_misuse(weft_tasks_each(one_more, &count), -EPERM, "weft_tasks_each", "outside of a task");
    ck_misuse(weft_trace(1), -EPERM, "weft_trace", "outside of a task");
    ck_misuse(weft_trace_read(&event, 1), -EPERM, "weft_trace_read", "outside of a task");
    ck_misuse(weft_features(memory, sizeof memory), -EPERM, "weft_features", "outside of a task");
    ck_assert_int_eq(count, 0);
}

static void wrong_calls_in_a_callback(void *done)
{
    struct weft_spawn_opt on = {.size = sizeof on, .reactor = WEFT_ON(0)};
    weft_scope *root = weft_root();

    suspending_calls("in a callback");
    WRONG(weft_spawn_nowait(root, NULL, NULL, 0, NULL), -EINVAL, "weft_spawn_nowait", "no funct");
    WRONG(weft_spawn_nowait(root, task, NULL, 0, &on), -EPERM, "weft_spawn_nowait", "a callback");
    *(bool *)done = true;
}
static int errand(void *done)
{
    wrong_calls_in_a_callback(done);
    return 5;
}
static int main_of_callbacks(void *arg)
{
    bool posted = false, called = false;
    weft_inbox *inbox = weft_inbox_here();

    (void)arg;
    ck_assert_int_eq(weft_post(inbox, wrong_calls_in_a_callback, &posted, NULL), 0);
    while (!posted)
        ok(weft_yield());
    ck_assert_int_eq(weft_call_on_big_stack(errand, &called), 5);
    ck_assert(called);
    weft_inbox_put(inbox);
    return 0;
}
TEST(in_a_callback)
{
    net_run(main_of_callbacks);
}

/* -- runs and posts --------------------------------------------------------------------------- */

static void *no_alloc(size_t size, void *context)
{
    (void)size, (void)context;
    return NULL;
}
static int run_inside(void *arg)
{
    (void)arg;
    WRONG(weft_run(task, NULL, 0, NULL), -EDEADLK, "weft_run", "a run inside a run");
    return 0;
}
TEST(runs)
{
    struct weft_allocator halves = {.alloc = no_alloc};
    struct weft_run_opt sizeless = {.reactors = 1};
    struct weft_run_opt many = {.size = sizeof many, .reactors = WEFT_REACTORS_MAX + 1};
    struct weft_run_opt half = {.size = sizeof half, .allocator = &halves};

    ck_misuse(weft_run(NULL, NULL, 0, NULL), -EINVAL, "weft_run", "no function");
    ck_misuse(weft_run(task, NULL, 8, NULL), -EINVAL, "weft_run", "no argument");
    ck_misuse(weft_run(task, memory, 1025, NULL), -E2BIG, "weft_run", "ARG_SIZE_MAX");
    ck_misuse(weft_run(task, NULL, 0, &sizeless), -EINVAL, "weft_run", "size was not set");
    ck_misuse(weft_run(task, NULL, 0, &many), -EINVAL, "weft_run", "REACTORS_MAX");
    ck_misuse(weft_run(task, NULL, 0, &half), -EINVAL, "weft_run", "allocator");
    net_run(run_inside);
}

static int posts_main(void *arg)
{
    static struct weft_post_slot slot = WEFT_POST_SLOT_INIT(callback, NULL);
    static struct weft_post_slot no_function;
    weft_inbox *inbox = weft_inbox_here();
    struct weft_stats stats;

    (void)arg;
    WRONG(weft_post(NULL, callback, NULL, NULL), -EINVAL, "weft_post", "no inbox");
    WRONG(weft_post(inbox, NULL, NULL, NULL), -EINVAL, "weft_post", "no function");
    WRONG(weft_post_try(NULL, callback, NULL, NULL), -EINVAL, "weft_post_try", "no inbox");
    WRONG(weft_post_slot(NULL, &slot), -EINVAL, "weft_post_slot", "no inbox");
    WRONG(weft_post_slot(inbox, NULL), -EINVAL, "weft_post_slot", "no slot");
    WRONG(weft_post_signal(inbox, &no_function), -EINVAL, "weft_post_signal", "no function");
    WRONG(weft_cancel_post(NULL, weft_current_task()), -EINVAL, "weft_cancel_post", "no inbox");
    WRONG(weft_stop_post(NULL), -EINVAL, "weft_stop_post", "no inbox");
    WRONG(weft_stats_read(NULL, &stats, sizeof stats), -EINVAL, "weft_stats_read", "no inbox");
    /* a post that is under way says so to those who post it again: none */
    ck_no_misuse(weft_post_slot(inbox, &slot), 0);
    ck_no_misuse(weft_post_slot(inbox, &slot), -EBUSY);
    ok(weft_yield());
    /* NULL is an answer and taken for one: none */
    ck_assert_ptr_null(weft_inbox_get(77));
    weft_inbox_put(NULL);
    ck_assert_ptr_null(weft_inbox_retain(NULL));
    weft_inbox_put(inbox);
    return 0;
}
TEST(posts)
{
    net_run(posts_main);
}

static int stats_main(void *arg)
{
    struct weft_stats stats;
    struct weft_trace_event event;

    (void)arg;
    WRONG(weft_stats(NULL, sizeof stats), -EINVAL, "weft_stats", "no memory");
    WRONG(weft_stats(&stats, sizeof stats + 8), -EINVAL, "weft_stats", "size");
    WRONG(weft_tasks_each(NULL, NULL), -EINVAL, "weft_tasks_each", "no function");
    WRONG(weft_trace(3), -EINVAL, "weft_trace", "power of two");
    WRONG(weft_trace_read(&event, 1), -EINVAL, "weft_trace_read", "no trace");
    return 0;
}
TEST(statistics)
{
    net_run(stats_main);
}

/* -- tasks ----------------------------------------------------------------------------------- */

static int joins_its_parent(void *parent)
{
    weft_task handle = *(weft_task *)parent;

    WRONG(weft_await(handle, NULL), -EDEADLK, "weft_await", "wait for itself");
    return 0;
}
static int handle_elsewhere(void *handle)
{
    WRONG(weft_cancel(*(weft_task *)handle), -EXDEV, "weft_cancel", "another reactor");
    WRONG(weft_join(*(weft_task *)handle, NULL), -EXDEV, "weft_join", "another reactor");
    return 0;
}

static void handles(void)
{
    weft_task self = weft_current_task(), child = {0, 0}, unjoined = {0, 0};
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &child};
    int result = 77;

    WRONG(weft_join(child, &result), -ESTALE, "weft_join", "never filled in");
    WRONG(weft_await(child, &result), -ESTALE, "weft_await", "never filled in");
    WRONG(weft_cancel(child), -ESTALE, "weft_cancel", "never filled in");
    WRONG(weft_join(self, &result), -EDEADLK, "weft_join", "wait for itself");
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, task, NULL, 0, &opt));
        opt.task = &unjoined;
        ok(weft_spawn(&s, task, NULL, 0, &opt));
        ok(weft_join(child, NULL));
        WRONG(weft_join(child, &result), -ESTALE, "weft_join", "used up");
        /* one that has just ended may still be cancelled: none */
        ck_no_misuse(weft_cancel(unjoined), 0);
        ok(weft_spawn(&s, joins_its_parent, &self, sizeof self, NULL));
    }
    WRONG(weft_join(unjoined, &result), -ESTALE, "weft_join", "used up");
    /* whether a task is still there nobody can know who only names it: none */
    ck_no_misuse(weft_cancel(unjoined), -ESTALE);
    ck_no_misuse(weft_await(unjoined, &result), -ESTALE);
    ck_assert_int_eq(result, 77);
    /* what made it cancelled nobody can know for sure: none */
    ck_no_misuse(weft_uncancel(), -EINVAL);
}

static void spawns(void)
{
    weft_scope closed = {{0}};
    struct weft_spawn_opt sizeless = {.name = "x"};
    struct weft_spawn_opt large = {.size = sizeof large, .stack_size = 2 << 20};
    struct weft_spawn_opt far = {.size = sizeof far, .reactor = WEFT_ON(77)};
    struct weft_spawn_opt far_large = {sizeof far, .reactor = WEFT_ON(1), .stack_size = 2 << 20};

    WRONG(weft_spawn(NULL, task, NULL, 0, NULL), -EINVAL, "weft_spawn", "no scope");
    WRONG(weft_spawn(weft_root(), NULL, NULL, 0, NULL), -EINVAL, "weft_spawn", "no function");
    WRONG(weft_spawn(weft_root(), task, NULL, 1, NULL), -EINVAL, "weft_spawn", "no argument");
    WRONG(weft_spawn(weft_root(), task, memory, 1025, NULL), -E2BIG, "weft_spawn", "ARG_SIZE_MAX");
    WRONG(weft_spawn(&closed, task, NULL, 0, NULL), -EINVAL, "weft_spawn", "not open");
    WRONG(weft_spawn(weft_root(), task, NULL, 0, &sizeless), -EINVAL, "weft_spawn", "size");
    WRONG(weft_spawn_nowait(weft_root(), task, 0, 0, &large), -E2BIG, "weft_spawn_nowait", "stack");
    WRONG(weft_spawn(weft_root(), task, NULL, 0, &far_large), -E2BIG, "weft_spawn", "a stack");
    WRONG(weft_create_task(NULL, NULL, 0, NULL), -EINVAL, "weft_create_task", "no function");
    WRONG(weft_call(0, NULL, NULL, 0), -EINVAL, "weft_call", "no function");
    WRONG(weft_call(0, task, memory, 1025), -E2BIG, "weft_call", "ARG_SIZE_MAX");
    WRONG(weft_call_on_big_stack(NULL, NULL), -EINVAL, "weft_call_on_big_stack", "no function");
    /* whether there is one more reactor may be asked: none */
    ck_no_misuse(weft_spawn(weft_root(), task, NULL, 0, &far), -ERANGE);
    ck_no_misuse(weft_call(77, task, NULL, 0), -ERANGE);
}

static int tasks_main(void *arg)
{
    weft_task self = weft_current_task();

    (void)arg;
    handles();
    spawns();
    ok(weft_call(1, handle_elsewhere, &self, sizeof self));
    return 0;
}
TEST(tasks)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    ck_assert_int_eq(weft_run(tasks_main, NULL, 0, &opt), 0);
}

/* -- scopes ---------------------------------------------------------------------------------- */

static int scope_of_another_task(void *arg)
{
    weft_scope *scope = *(weft_scope **)arg;

    WRONG(weft_scope_close(scope), -EPERM, "weft_scope_close", "innermost");
    WRONG(weft_scope_drain(scope, 1, 1), -EPERM, "weft_scope_drain", "another task");
    WRONG(weft_scope_defer(scope, callback, NULL), -EPERM, "weft_scope_defer", "another task");
    return 0;
}
static int scope_of_another_reactor(void *arg)
{
    weft_scope *scope = *(weft_scope **)arg;

    WRONG(weft_spawn(scope, task, NULL, 0, NULL), -EPERM, "weft_spawn", "another reactor");
    WRONG(weft_scope_cancel(scope), -EPERM, "weft_scope_cancel", "another reactor");
    WRONG(weft_scope_error(scope), -EPERM, "weft_scope_error", "another reactor");
    WRONG(weft_scope_reschedule(scope, 1), -EPERM, "weft_scope_reschedule", "another reactor");
    return 0;
}

static void closed_scopes(void)
{
    weft_scope closed;
    unsigned before;
    int error = 77;

    memset(&closed, 0, sizeof closed);
    WRONG(weft_scope_error(&closed), -EINVAL, "weft_scope_error", "not open");
    WRONG(weft_scope_cancel(&closed), -EINVAL, "weft_scope_cancel", "not open");
    WRONG(weft_scope_reschedule(&closed, 1), -EINVAL, "weft_scope_reschedule", "not open");
    WRONG(weft_scope_drain(&closed, 1, 1), -EINVAL, "weft_scope_drain", "not open");
    WRONG(weft_scope_defer(&closed, callback, NULL), -EINVAL, "weft_scope_defer", "not open");
    WRONG(weft_scope_error(NULL), -EINVAL, "weft_scope_error", "NULL");
    WRONG(weft_scope_close(NULL), -EINVAL, "weft_scope_close", "no scope");
    ck_no_misuse(weft_scope_close(&closed), 0); /* closed already: none */
    /* those that answer a count tell the hook all the same */
    before = test_misuses();
    ck_assert_uint_eq(weft_scope_errors(&closed, &error, 1), 0);
    test_misuse_check(before, __FILE__, __LINE__ - 1, "weft_scope_errors", -EINVAL, "not open");
    before = test_misuses();
    ck_assert_uint_eq(weft_scope_tasks(NULL), 0);
    test_misuse_check(before, __FILE__, __LINE__ - 1, "weft_scope_tasks", -EINVAL, "NULL");
    ck_assert_int_eq(error, 77);
}

static void scope_options(void)
{
    weft_scope scope;
    struct weft_scope_opt sizeless = {.deadline = 1};
    struct {
        struct weft_scope_opt opt;
        uint64_t asked; /* of a library younger than this one */
    } younger = {{.size = sizeof younger}, 1};
    struct weft_scope_opt early = {.size = sizeof early, .deadline = -1};
    struct weft_scope_opt kind = {.size = sizeof kind, .on_error = (enum weft_on_error)9};

    WRONG(weft_scope_open(NULL, NULL), -EINVAL, "weft_scope_open", "no scope");
    WRONG(weft_scope_open(&scope, &sizeless), -EINVAL, "weft_scope_open", "size");
    WRONG(weft_scope_open(&scope, &younger.opt), -EINVAL, "weft_scope_open", "does not know");
    WRONG(weft_scope_open(&scope, &early), -EINVAL, "weft_scope_open", "range");
    WRONG(weft_scope_open(&scope, &kind), -EINVAL, "weft_scope_open", "range");
    WRONG(weft_shield_open(&scope, WEFT_NEVER), -EINVAL, "weft_shield_open", "without a deadline");
    WRONG(weft_shield_open(&scope, 0), -EINVAL, "weft_shield_open", "without a deadline");
}

static int scopes_main(void *arg)
{
    weft_scope outer, inner, shield, *it = &outer;

    (void)arg;
    scope_options();
    closed_scopes();
    ok(weft_scope_open(&outer, NULL));
    ok(weft_scope_open(&inner, NULL));
    WRONG(weft_scope_close(&outer), -EPERM, "weft_scope_close", "innermost");
    WRONG(weft_scope_reschedule(&outer, 0), -EINVAL, "weft_scope_reschedule", "deadline of 0");
    WRONG(weft_scope_defer(&inner, NULL, NULL), -EINVAL, "weft_scope_defer", "no function");
    ok(weft_scope_close(&inner));
    ok(weft_spawn(&outer, scope_of_another_task, &it, sizeof it, NULL));
    ok(weft_yield());
    ok(weft_call(1, scope_of_another_reactor, &it, sizeof it));
    ok(weft_shield_open(&shield, weft_after_ms(60000)));
    WRONG(weft_scope_reschedule(&shield, WEFT_NEVER), -EINVAL, "weft_scope_reschedule", "shield");
    ok(weft_scope_close(&shield));
    ck_no_misuse(weft_scope_reschedule(&outer, 1), 0);
    ck_no_misuse(weft_scope_reschedule(&outer, WEFT_NEVER), -EALREADY); /* it was later: none */
    ck_no_misuse(weft_yield(), -ECANCELED);
    ck_assert_int_eq(weft_scope_close(&outer), -ETIMEDOUT);
    return 0;
}
TEST(scopes)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    ck_assert_int_eq(weft_run(scopes_main, NULL, 0, &opt), 0);
}

/* Opened by the macros, outside of a task: there is no body, and the line is that of the macro. */
TEST(scopes_of_the_macros)
{
    unsigned before = test_misuses();

    WEFT_SCOPE(s)
        ck_abort_msg("a scope outside of a task");
    test_misuse_check(before, __FILE__, __LINE__ - 2, "weft_scope_enter_", -EPERM, "outside");
    before = test_misuses();
    WEFT_SHIELD(weft_after_ms(1))
        ck_abort_msg("a shield outside of a task");
    test_misuse_check(before, __FILE__, __LINE__ - 2, "weft_shield_enter_", -EPERM, "outside");
}

static int spawns_into_its_own(void *arg)
{
    weft_scope *home = *(weft_scope **)arg;

    WRONG(weft_spawn(home, task, NULL, 0, NULL), -EDEADLK, "weft_spawn", "the scope is full");
    ck_no_misuse(weft_spawn_nowait(home, task, NULL, 0, NULL), -EAGAIN);
    return 0;
}
static int full_main(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s, .max_tasks = 1) {
        weft_scope *it = &s;
        ok(weft_spawn(&s, spawns_into_its_own, &it, sizeof it, NULL));
    }
    return 0;
}
TEST(a_full_scope)
{
    net_run(full_main);
}

TEST_MAIN("misuse", 20, outside_of_a_task, in_a_callback, runs, posts, statistics, tasks, scopes,
          scopes_of_the_macros, a_full_scope)
