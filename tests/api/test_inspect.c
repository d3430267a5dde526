/*
 * What a server does right now, asked from inside and by a signal, word by word but for turns and
 * addresses. Would catch a task left out or shown elsewhere, one who asks shown as waiting, a stack
 * that is another's, a signal that finds one reactor only, or is not answered while a task
 * computes.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

#include "printed.h"
#include "support/frames.h"
#include "support/misuse.h"
#include "support/test.h"

#define ok(expression) ck_assert_int_ge((expression), 0)

/* -- what was written ------------------------------------------------------------------------ */

/* Lines of stacks go, and turns are all alike. */
static void normalize(char *text)
{
    char *to = text;

    for (char *line = text, *next; *line; line = next) {
        next = strchr(line, '\n');
        next = next ? next + 1 : line + strlen(line);
        if (line[strspn(line, " ")] == '#')
            continue;
        while (line < next) {
            *to++ = *line++;
            if (to - text >= 5 && memcmp(to - 5, "turn ", 5) == 0) {
                line += strspn(line, "0123456789"); /* first: it may stand where N goes */
                *to++ = 'N';
            }
        }
    }
    *to = '\0';
}

static void check_file(int fd, const char *expected)
{
    char text[PRINTED_SIZE];

    printed_read(fd, text);
    normalize(text);
    ck_assert_str_eq(text, expected);
}

/* A line that a debug build adds. */
static const char *at(char *line, int indent, int number, const char *call)
{
    line[0] = '\0';
    if (test_misuse_debug())
        snprintf(line, 256, "%*sat %s:%d: %s\n", indent, "", __FILE__, number, call);
    return line;
}

/* -- the tree -------------------------------------------------------------------------------- */

static weft_lock lock = WEFT_LOCK_INIT;
static const void *sleeper_returns; /* to whom it would */
static volatile int returned;
static int sleep_line, join_line, lock_line;

static NOINLINE int sleeps(void)
{
    sleeper_returns = __builtin_return_address(0);
    sleep_line = __LINE__ + 1;
    int result = weft_sleep(WEFT_NEVER);
    returned++; /* no call is the last thing here, or it would leave no frame */
    return result;
}
static int sleeper(void *arg)
{
    (void)arg;
    int result = sleeps();
    returned++;
    return result;
}
static int joiner(void *task)
{
    join_line = __LINE__ + 1;
    return weft_await(*(weft_task *)task, NULL);
}
static int locker(void *arg)
{
    (void)arg;
    lock_line = __LINE__ + 1;
    return weft_lock_acquire(&lock);
}

/* The three wait when this returns. */
static weft_task begin_three(weft_scope *scope)
{
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = "sleeper", .task = &task};
    struct weft_spawn_opt others = {.size = sizeof others, .name = "joiner"};

    ok(weft_lock_acquire(&lock));
    ok(weft_spawn(scope, sleeper, NULL, 0, &opt));
    ok(weft_spawn(scope, joiner, &task, sizeof task, &others));
    others.name = "locker";
    ok(weft_spawn(scope, locker, NULL, 0, &others));
    for (int i = 0; i < 10; i++)
        ok(weft_yield());
    return task;
}

static void expect_three(char *expected, const char *first, const char *runs, const char *at_main)
{
    char lines[3][256];

    snprintf(expected, PRINTED_SIZE,
             "%sreactor 0, in turn N\n"
             "  scope \"root\": 1 task\n"
             "    task 1 \"main\": %s\n%s"
             "      scope \"three\": 3 tasks\n"
             "        task 2 \"sleeper\": sleep for ever, since turn N\n%s"
             "        task 3 \"joiner\": join of task 2 \"sleeper\", since turn N\n%s"
             "        task 4 \"locker\": lock held by task 1 \"main\", since turn N\n%s",
             first, runs, at_main, at(lines[0], 10, sleep_line, "weft_sleep"),
             at(lines[1], 10, join_line, "weft_await"),
             at(lines[2], 10, lock_line, "weft_lock_acquire"));
}

static int fd_out;

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

/* -- on a signal ----------------------------------------------------------------------------- */

static _Atomic(int) old_calls;

static void old_handler(int number)
{
    (void)number;
    atomic_fetch_add(&old_calls, 1);
}

static int signal_main(void *arg)
{
    char expected[PRINTED_SIZE], line[256];
    int sleep_at;

    (void)arg;
    WEFT_SCOPE(s, .name = "three") {
        (void)begin_three(&s);
        ck_assert_int_eq(raise(SIGUSR1), 0);
        sleep_at = __LINE__ + 1;
        ok(weft_sleep(20000000)); /* the loop's turn: it tells */
        expect_three(expected, "reactor 0 runs task 1 \"main\", in turn N\n",
                     "sleep, for another S, since turn N", at(line, 6, sleep_at, "weft_sleep"));
        weft_lock_release(&lock);
        weft_scope_cancel(&s);
    }
    {
        char text[PRINTED_SIZE], *span;
        printed_read(fd_out, text);
        ck_assert_ptr_nonnull(strstr(text, "\n  #0 0x")); /* where it ran */
        normalize(text);
        span = strstr(text, "another ") + 8;
        memmove(span + 1, strchr(span, ','), strlen(strchr(span, ',')) + 1);
        *span = 'S';
        ck_assert_str_eq(text, expected);
    }
    ck_assert_int_eq(atomic_load(&old_calls), 1);
    return 0;
}
TEST(a_signal)
{
    struct sigaction action = {.sa_handler = old_handler};
    struct weft_run_opt opt = {.size = sizeof opt, .dump_signal = SIGUSR1};

    opt.dump_fd = fd_out = printed_new();
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    ok(weft_run(signal_main, NULL, 0, &opt));
    ok(close(fd_out));
}

/* Between two runs of a loop it waits for the next one; afterwards the signal is whose it was. */
static int turn_main(void *arg)
{
    (void)arg;
    return weft_sleep(1000000);
}
TEST(a_signal_between_two_runs)
{
    struct sigaction action = {.sa_handler = old_handler};
    struct weft_run_opt opt = {.size = sizeof opt, .dump_signal = SIGUSR1};
    char text[PRINTED_SIZE];
    weft_loop *loop;

    opt.dump_fd = fd_out = printed_new();
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    ok(weft_loop_new(&loop, &opt));
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ck_assert_int_eq(raise(SIGUSR1), 0); /* answered together */
    printed_read(fd_out, text);
    ck_assert_str_eq(text, "");
    ok(weft_loop_run(loop, turn_main, NULL, 0));
    printed_read(fd_out, text);
    ck_assert_ptr_nonnull(strstr(text, "reactor 0, in turn "));
    ck_assert_ptr_null(strstr(strstr(text, "reactor 0, in turn ") + 1, "reactor 0, in turn "));
    ok(weft_loop_close(loop));
    ck_assert_int_eq(atomic_load(&old_calls), 2);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ck_assert_int_eq(atomic_load(&old_calls), 3);
    ck_assert_int_eq(sigaction(SIGUSR1, NULL, &action), 0);
    ck_assert_ptr_eq((void *)(uintptr_t)action.sa_handler, (void *)(uintptr_t)old_handler);
    ok(close(fd_out));
}

/* A task that computes and gives way to nobody, on another thread than the one the signal finds. */
static atomic_bool spins, enough;

static NOINLINE int spinner(void *arg)
{
    (void)arg;
    atomic_store(&spins, true);
    while (!atomic_load(&enough))
        ;
    return 0;
}
static int stuck_main(void *arg)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .name = "spinner", .reactor = WEFT_ON(1)};
    char text[PRINTED_SIZE];

    (void)arg;
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, spinner, NULL, 0, &opt));
        while (!atomic_load(&spins))
            ok(weft_yield());
        ck_assert_int_eq(raise(SIGUSR1), 0);
        do {
            ok(weft_sleep(1000000));
            printed_read(fd_out, text);
        } while (!strstr(text, "reactor 1 runs task ") || !strstr(text, "reactor 0, in turn "));
        ck_assert_ptr_null(strstr(text, "reactor 1, in turn "));
        atomic_store(&enough, true);
    }
    do {
        ok(weft_sleep(1000000));
        printed_read(fd_out, text);
    } while (!strstr(text, "reactor 1, in turn "));
    ck_assert_ptr_nonnull(strstr(text, "\"spinner\", in turn "));
    return 0;
}
TEST(a_reactor_that_is_stuck)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2, .dump_signal = SIGUSR1};

    opt.dump_fd = fd_out = printed_new();
    ok(weft_run(stuck_main, NULL, 0, &opt));
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

/* -- whose the signal is --------------------------------------------------------------------- */

static void check_is_old(void)
{
    struct sigaction now;

    ck_assert_int_eq(sigaction(SIGUSR1, NULL, &now), 0);
    ck_assert_ptr_eq((void *)(uintptr_t)now.sa_handler, (void *)(uintptr_t)old_handler);
}

static void unheard(const struct weft_signal *signal, void *arg)
{
    (void)signal;
    (void)arg;
}
static int claims_main(void *arg)
{
    (void)arg;
    return weft_add_signal_handler(SIGUSR1, unheard, NULL);
}
/* Claimed on top of the dump, until the end: last in, first out, or the dump's handler stays. */
TEST(a_signal_that_is_claimed_as_well)
{
    struct sigaction action = {.sa_handler = old_handler};
    struct weft_run_opt opt = {.size = sizeof opt, .dump_signal = SIGUSR1};

    opt.dump_fd = fd_out = printed_new();
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    for (int i = 0; i < 2; i++) {
        ok(weft_run(claims_main, NULL, 0, &opt));
        check_is_old();
    }
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ck_assert_int_eq(atomic_load(&old_calls), 1);
    ok(close(fd_out));
}

static struct sigaction below;
static int chained;

static void chain(int number, siginfo_t *info, void *frame)
{
    chained++;
    below.sa_sigaction(number, info, frame);
}
static int chain_main(void *arg)
{
    struct sigaction action = {.sa_sigaction = chain, .sa_flags = SA_SIGINFO};
    char text[PRINTED_SIZE];

    (void)arg;
    if (!chained)
        ck_assert_int_eq(sigaction(SIGUSR1, &action, &below), 0);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    printed_read(fd_out, text);
    ck_assert_ptr_nonnull(strstr(text, "reactor 0 runs task 1 \"main\""));
    return 0;
}
/* Somebody's own handler, put in place during a run, that calls ours: both stay, and the next run
   does not call itself without end. */
TEST(a_handler_on_top)
{
    struct sigaction action = {.sa_handler = old_handler}, now;
    struct weft_run_opt opt = {.size = sizeof opt, .dump_signal = SIGUSR1};

    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    for (int i = 0; i < 2; i++) {
        opt.dump_fd = fd_out = printed_new();
        ok(weft_run(chain_main, NULL, 0, &opt));
        ck_assert_int_eq(sigaction(SIGUSR1, NULL, &now), 0);
        ck_assert_ptr_eq((void *)(uintptr_t)now.sa_sigaction, (void *)(uintptr_t)chain);
        ck_assert_int_eq(raise(SIGUSR1), 0); /* nobody listens: to the one below ours */
        ck_assert_int_eq(chained, 2 * i + 2);
        ck_assert_int_eq(atomic_load(&old_calls), 2 * i + 2);
        ok(close(fd_out));
    }
    /* taken away again, ours is found as it was left */
    ck_assert_int_eq(sigaction(SIGUSR1, &below, NULL), 0);
    opt.dump_fd = fd_out = printed_new();
    ok(weft_run(claims_main, NULL, 0, &opt));
    check_is_old();
    ok(close(fd_out));
}

static int raises_main(void *arg)
{
    (void)arg;
    return raise(SIGUSR1);
}
static void *raises_there(void *arg)
{
    const struct weft_run_opt *opt = arg;

    ok(weft_run(raises_main, NULL, 0, opt));
    return NULL;
}
static void expect_told(int fd, bool told)
{
    char text[PRINTED_SIZE];

    printed_read(fd, text);
    ck_assert(!strstr(text, "reactor 0, in turn ") == !told);
}
/* Two loops of one thread get what another thread's handler sends on as one: the old handler is
   called once, for each signal that somebody sent, and every loop tells. */
TEST(two_loops_on_a_thread)
{
    struct sigaction action = {.sa_handler = old_handler};
    struct weft_run_opt opt = {.size = sizeof opt, .dump_signal = SIGUSR1};
    weft_loop *loops[2];
    pthread_t thread;
    int fds[3];

    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    for (int i = 0; i < 3; i++)
        fds[i] = printed_new();
    for (int i = 0; i < 2; i++) {
        opt.dump_fd = fds[i];
        ok(weft_loop_new(&loops[i], &opt));
    }
    opt.dump_fd = fds[2];
    ck_assert_int_eq(pthread_create(&thread, NULL, raises_there, &opt), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(atomic_load(&old_calls), 1);
    for (int i = 0; i < 2; i++) {
        expect_told(fds[i], false);
        ok(weft_loop_run(loops[i], turn_main, NULL, 0));
        expect_told(fds[i], true);
        ok(ftruncate(fds[i], 0));
        ok((int)lseek(fds[i], 0, SEEK_SET));
    }
    ok(weft_loop_run(loops[0], raises_main, NULL, 0)); /* a new one is taken for a new one */
    ck_assert_int_eq(atomic_load(&old_calls), 2);
    ok(weft_loop_run(loops[1], turn_main, NULL, 0));
    expect_told(fds[1], true);
    for (int i = 0; i < 2; i++)
        ok(weft_loop_close(loops[i]));
    check_is_old();
    for (int i = 0; i < 3; i++)
        ok(close(fds[i]));
}

static void raise_in_a_child(void)
{
    int status;
    pid_t child = fork();

    ok(child);
    if (child == 0) {
        (void)raise(SIGUSR1);
        _exit(atomic_load(&old_calls));
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(WEXITSTATUS(status), 1);
}
static int forks_main(void *arg)
{
    (void)arg;
    raise_in_a_child();
    ok(weft_sleep(1000000));
    expect_told(fd_out, false);
    return 0;
}
/* In a child of fork nobody listens any more: it must not write, nor ring its parent's bells. */
TEST(a_signal_in_a_forked_child)
{
    struct sigaction action = {.sa_handler = old_handler};
    struct weft_run_opt opt = {.size = sizeof opt, .dump_signal = SIGUSR1};
    struct pollfd waits = {.events = POLLIN};
    weft_loop *loop;

    opt.dump_fd = fd_out = printed_new();
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    ok(weft_loop_new(&loop, &opt));
    ok(weft_loop_run(loop, forks_main, NULL, 0));
    waits.fd = weft_loop_fd(loop); /* none in a simulated world */
    ck_assert_int_gt(weft_loop_step(loop, false), 0);
    ck_assert_int_eq(poll(&waits, 1, 0), 0);
    raise_in_a_child();
    ck_assert_int_eq(poll(&waits, 1, 0), 0);
    ok(weft_loop_close(loop));
    ok(close(fd_out));
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
          a_signal, a_signal_between_two_runs, a_reactor_that_is_stuck, no_stack_of_who_has_ended,
          a_signal_that_is_claimed_as_well, a_handler_on_top, two_loops_on_a_thread,
          a_signal_in_a_forked_child, mistakes)
