/*
 * What a server does right now, asked from inside, word by word but for turns and addresses. Would
 * catch a task left out or shown elsewhere, one who asks shown as waiting, and a stack that is
 * another's. Asked by a signal: test_inspect_signal.c.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>

#include "inspect.h"

static void check_file(int fd, const char *expected)
{
    char text[PRINTED_SIZE];

    printed_read(fd, text);
    normalize(text);
    ck_assert_str_eq(text, expected);
}

static void print_callback(void *called)
{
    ok(weft_print_tasks(fd_out, 0));
    atomic_store((atomic_bool *)called, true);
}

static int tree_main(void *arg)
{
    char expected[PRINTED_SIZE];
    atomic_bool called = false;

    (void)arg;
    WEFT_SCOPE(s, .name = "three") {
        (void)begin_three(&s);
        ok(weft_print_tasks(fd_out, 0));
        expect_three(expected, "", "runs", "");
        check_file(fd_out, expected);

        ok(ftruncate(fd_out, 0));
        ok(lseek(fd_out, 0, SEEK_SET));
        ok(weft_print_tasks(fd_out, WEFT_PRINT_STACKS));
        check_file(fd_out, expected);

        ok(ftruncate(fd_out, 0));
        ok(lseek(fd_out, 0, SEEK_SET));
        ok(weft_call_soon(print_callback, &called, NULL));
        while (!atomic_load(&called))
            ok(weft_yield());
        expect_three(expected, "", "is ready", "");
        check_file(fd_out, expected);
        weft_lock_release(&lock);
        weft_scope_cancel(&s);
    }
    return 0;
}
TEST(the_tree)
{
    fd_out = printed_new();
    ok(weft_run(tree_main, NULL, 0, NULL));
    ok(close(fd_out));
}

/* Many lines, deep and long. */
enum { DEPTH = 280 };

static int deep(void *arg)
{
    int depth = *(int *)arg - 1;

    if (depth == 0)
        return weft_print_tasks(fd_out, 0);
    WEFT_SCOPE(s, .name = "a scope with a name that is long enough to fill a line of its own") {
        ok(weft_spawn(&s, deep, &depth, sizeof depth, NULL));
    }
    return 0;
}
TEST(a_deep_tree)
{
    char text[PRINTED_SIZE];
    int depth = DEPTH;
    unsigned lines = 0, width = 0, width_max = 0;

    fd_out = printed_new();
    ok(weft_run(deep, &depth, sizeof depth, NULL));
    for (ssize_t n, at = 0; (n = pread(fd_out, text, sizeof text, at)) > 0; at += n)
        for (ssize_t i = 0; i < n; i++) {
            width = text[i] == '\n' ? 0 : width + 1;
            width_max = width > width_max ? width : width_max;
            lines += text[i] == '\n';
        }
    ck_assert_uint_eq(lines, 2 + DEPTH + DEPTH - 1);
    ck_assert_uint_le(width_max, 1024 + 320); /* an indent that is limited, and a line */
    ok(close(fd_out));
}

/* -- stacks ---------------------------------------------------------------------------------- */

static NOINLINE int own_stack(const void **frames, const void **returns)
{
    int count = weft_task_stack(weft_current_task(), frames, 32);

    *returns = __builtin_return_address(0);
    return count;
}
static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static bool has(const void *const *frames, int count, const void *frame)
{
    for (int i = 0; i < count; i++)
        if (frames[i] == frame)
            return true;
    return false;
}

static int stacks_main(void *arg)
{
    const void *frames[32], *returns;
    weft_task sleeping, fresh;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &fresh};
    char text[PRINTED_SIZE], number[32];
    int count;

    (void)arg;
    WEFT_SCOPE(s, .name = "three") {
        sleeping = begin_three(&s);
        count = weft_task_stack(sleeping, frames, 32);
        ck_assert_int_ge(count, 3);
        ck_assert(has(frames, count, sleeper_returns));
        ck_assert_int_eq(weft_task_stack(sleeping, frames, 2), 2);
        ck_assert_int_eq(weft_task_stack(sleeping, frames, 0), 0);
        ok(weft_print_tasks(fd_out, WEFT_PRINT_STACKS));
        printed_read(fd_out, text);
        snprintf(number, sizeof number, " 0x%lx ", (unsigned long)sleeper_returns);
        ck_assert_ptr_nonnull(strstr(text, number));

        count = own_stack(frames, &returns);
        ck_assert_int_ge(count, 2);
        ck_assert_ptr_eq(frames[1], returns);
        ck_assert(!has(frames, count, sleeper_returns));

        ok(weft_spawn(&s, nothing, NULL, 0, &opt));
        ck_assert_int_eq(weft_task_stack(fresh, frames, 32), 0);
        ok(weft_yield());
        ck_assert_int_eq(weft_task_stack(fresh, frames, 32), 0); /* it has ended */
        ok(weft_join(fresh, NULL));
        ck_no_misuse(weft_task_stack(fresh, frames, 32), -ESTALE);
        weft_lock_release(&lock);
        weft_scope_cancel(&s);
    }
    return 0;
}
TEST(stacks)
{
    fd_out = printed_new();
    ok(weft_run(stacks_main, NULL, 0, NULL));
    ok(close(fd_out));
}

/* -- every reactor --------------------------------------------------------------------------- */

static int count_one(const struct weft_task_info *info, void *context)
{
    unsigned *counts = context;

    counts[info->reactor] += strcmp(info->name, "worker") == 0;
    return 0;
}
static int stop_at_once(const struct weft_task_info *info, void *context)
{
    (void)info;
    ++*(unsigned *)context;
    return 7;
}
static int worker(void *arg)
{
    (void)arg;
    return weft_sleep(WEFT_NEVER);
}
static int spawns_worker(void *arg)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = "worker"};

    (void)arg;
    return weft_spawn(weft_root(), worker, NULL, 0, &opt);
}

static int all_main(void *arg)
{
    unsigned counts[3] = {0}, calls = 0;
    char text[PRINTED_SIZE];

    (void)arg;
    for (uint32_t i = 0; i < 3; i++)
        ok(weft_call(i, spawns_worker, NULL, 0));
    ok(weft_all_tasks_each(count_one, counts));
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(counts[i], 1);
    ck_assert_int_eq(weft_all_tasks_each(stop_at_once, &calls), 7);
    ck_assert_uint_eq(calls, 1);
    ok(weft_print_all_tasks(fd_out, 0));
    printed_read(fd_out, text);
    ck_assert_ptr_nonnull(strstr(text, "reactor 0, in turn "));
    ck_assert_ptr_nonnull(strstr(text, "reactor 1, in turn "));
    ck_assert_ptr_nonnull(strstr(text, "reactor 2, in turn "));
    ok(weft_cancel(weft_current_task()));
    ck_assert_int_eq(weft_print_all_tasks(fd_out, 0), -ECANCELED);
    return 0;
}
TEST(every_reactor)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 3};

    fd_out = printed_new();
    ok(weft_run(all_main, NULL, 0, &opt));
    ok(close(fd_out));
}

/* A call to another reactor and a shared lock are told without looking at what is theirs. */
static weft_lock shared = WEFT_LOCK_SHARED_INIT;
static weft_future *go_on;

static atomic_bool is_there;

static int waits_there(void *arg)
{
    (void)arg;
    atomic_store(&is_there, true);
    return weft_future_await(go_on, NULL);
}
static int calls(void *arg)
{
    (void)arg;
    return weft_call(1, waits_there, NULL, 0);
}
static int locks(void *arg)
{
    (void)arg;
    ok(weft_lock_acquire(&shared));
    return weft_lock_release(&shared);
}
static int elsewhere_main(void *arg)
{
    char text[PRINTED_SIZE];

    (void)arg;
    ok(weft_future_create(&go_on, NULL));
    ok(weft_lock_acquire(&shared));
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, calls, NULL, 0, NULL));
        ok(weft_spawn(&s, locks, NULL, 0, NULL));
        while (!atomic_load(&is_there))
            ok(weft_yield());
        for (int i = 0; i < 10; i++)
            ok(weft_yield());
        ok(weft_print_tasks(fd_out, 0));
        ok(weft_future_set_result(go_on, 0));
        ok(weft_lock_release(&shared));
    }
    weft_future_put(go_on);
    printed_read(fd_out, text);
    normalize(text);
    ck_assert_ptr_nonnull(strstr(text, "task 2 \"task\": call to reactor 1, since turn N\n"));
    ck_assert_ptr_nonnull(strstr(text, "task 3 \"task\": lock, since turn N\n"));
    return 0;
}
TEST(what_is_another_reactors)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    fd_out = printed_new();
    ok(weft_run(elsewhere_main, NULL, 0, &opt));
    ok(close(fd_out));
}

/* -- who has ended --------------------------------------------------------------------------- */

static atomic_bool napped;

static NOINLINE int naps(void *ns)
{
    int result = weft_sleep(*(int64_t *)ns);
    atomic_store(&napped, true);
    return result;
}
static int ended_main(void *arg)
{
    int64_t soon = 1, never = WEFT_NEVER;
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = "ended", .task = &task};
    struct weft_spawn_opt others = {.size = sizeof others, .name = "sleeper"};
    char text[PRINTED_SIZE], *line;

    (void)arg;
    fd_out = printed_new();
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, naps, &soon, sizeof soon, &opt));
        while (!atomic_load(&napped))
            ok(weft_yield());
        ok(weft_yield());
        ok(weft_spawn(&s, naps, &never, sizeof never, &others)); /* on the stack that is free */
        ok(weft_yield());
        ok(weft_print_tasks(fd_out, WEFT_PRINT_STACKS));
        weft_scope_cancel(&s);
    }
    printed_read(fd_out, text);
    line = strstr(text, "\"ended\": has ended with 0");
    ck_assert_ptr_nonnull(line);
    line = strchr(line, '\n') + 1;
    line += strspn(line, " ");
    ck_assert_msg(*line != '#', "a stack that is another's by now: %s", text);
    ok(close(fd_out));
    return 0;
}
/* The stack of a task that has ended is another's. */
TEST(no_stack_of_who_has_ended)
{
    ok(weft_run(ended_main, NULL, 0, NULL));
}

/* -- mistakes -------------------------------------------------------------------------------- */

static int foreign_stack(void *task)
{
    const void *frames[4];

    ck_misuse(weft_task_stack(*(weft_task *)task, frames, 4), -EXDEV, "weft_task_stack", "another");
    return 0;
}
static int mistakes_main(void *arg)
{
    const void *frames[4];
    weft_task self = weft_current_task();

    (void)arg;
    ck_misuse(weft_print_tasks(-1, 0), -EINVAL, "weft_print_tasks", "no descriptor");
    ck_misuse(weft_print_tasks(2, 8), -EINVAL, "weft_print_tasks", "flags");
    ck_misuse(weft_print_all_tasks(-1, 0), -EINVAL, "weft_print_all_tasks", "no descriptor");
    ck_misuse(weft_all_tasks_each(NULL, NULL), -EINVAL, "weft_all_tasks_each", "no function");
    ck_misuse(weft_task_stack(self, NULL, 4), -EINVAL, "weft_task_stack", "no room");
    ck_misuse(weft_task_stack((weft_task){0, 0}, frames, 4), -ESTALE, "weft_task_stack", "filled");
    ck_no_misuse(weft_print_tasks(1000000, 0), -EBADF);
    ok(weft_call(1, foreign_stack, &self, sizeof self));
    return 0;
}
TEST(mistakes)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};
    const void *frames[4];

    ok(weft_run(mistakes_main, NULL, 0, &opt));
    ck_misuse(weft_print_tasks(2, 0), -EPERM, "weft_print_tasks", "outside");
    ck_misuse(weft_print_all_tasks(2, 0), -EPERM, "weft_print_all_tasks", "outside");
    ck_misuse(weft_task_stack((weft_task){1, 1}, frames, 4), -EPERM, "weft_task_stack", "outside");
    opt = (struct weft_run_opt){.size = sizeof opt, .dump_signal = 4711};
    ck_misuse(weft_run(nothing, NULL, 0, &opt), -EINVAL, "weft_run", "signal");
    opt.dump_signal = -1;
    ck_misuse(weft_run(nothing, NULL, 0, &opt), -EINVAL, "weft_run", "signal");
    opt = (struct weft_run_opt){.size = sizeof opt, .dump_signal = SIGUSR1, .dump_fd = -1};
    ck_misuse(weft_run(nothing, NULL, 0, &opt), -EINVAL, "weft_run", "no descriptor");
    opt = (struct weft_run_opt){.size = sizeof opt, .dump_signal = SIGKILL};
    ck_assert_int_eq(weft_run(nothing, NULL, 0, &opt), -EINVAL);
    opt.dump_signal = 33; /* the C library's own */
    ck_assert_int_eq(weft_run(nothing, NULL, 0, &opt), -EINVAL);
}

TEST_MAIN("inspect", 30, the_tree, a_deep_tree, stacks, every_reactor, what_is_another_reactors,
          no_stack_of_who_has_ended, mistakes)
