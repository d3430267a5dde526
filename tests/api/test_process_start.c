/*
 * The start of a process, which runs on memory of ours until it is the program: with the ring's
 * help (a word that the kernel clears), and without (a worker that stands still), and where clone3
 * is forbidden. Catches a start that is told before it has come to anything, one child's error told
 * of another, our descriptors closed with the child's or kept by it, a handler of ours that runs
 * there, a child that is pinned as its maker is, and a start that holds up other tasks.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "api/process.h"

/* Where the kernel clears the word, and where a worker waits. */
static void run_both(weft_task_fn fn)
{
    run(fn);
    same(setenv("WEFT_RING_MASK", "futex", 1), 0);
    run(fn);
    same(unsetenv("WEFT_RING_MASK"), 0);
}

static bool said; /* the starter has been told */

/* What a program says, as a string: good until the next. */
static const char *says(const char *const arguments[], const struct weft_process_opt *given)
{
    static char text[4096];
    struct weft_process_opt opt = *given;
    struct weft_process_output output = {.limit = sizeof text - 1};
    weft_process *process = NULL;

    opt.out = WEFT_PIPE;
    same(weft_create_subprocess_exec(arguments, &opt, &process), 0);
    same(weft_process_communicate(process, NULL, 0, &output, NULL), 0);
    snprintf(text, sizeof text, "%s", output.out);
    weft_process_output_free(&output);
    same(weft_process_close(process), 0);
    return text;
}

/* -- many at once --------------------------------------------------------------------------------
 */

enum { STARTERS = 12, STARTS = 4 };

/* Every third starts what is not there. Each is told of its own. */
static int starts_some(void *arg)
{
    const char *const nowhere[] = {"/no/such/program", NULL};
    struct weft_process_status status;
    int which = *(int *)arg;
    char code[8];

    snprintf(code, sizeof code, "%d", which);
    for (int i = 0; i < STARTS; i++) {
        weft_process *process = NULL;
        if (which % 3 == 0) {
            same(weft_create_subprocess_exec(nowhere, OPT(.out = WEFT_PIPE), &process), -ENOENT);
            ck_assert_ptr_null(process);
            continue;
        }
        process = start(CHILD_ARGS("exit", code), OPT(.out = WEFT_PIPE));
        same(weft_process_wait(process, &status), 0);
        same(status.code, which);
        same(weft_process_close(process), 0);
    }
    return 0;
}

static int main_at_once(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s)
        for (int i = 0; i < STARTERS; i++)
            same(weft_spawn(&s, starts_some, &i, sizeof i, NULL), 0);
    return 0;
}

TEST(many_at_once)
{
    run_both(main_at_once);
}

/* -- cancelled, in every moment -------------------------------------------------------------------
 */

static int starts_one(void *arg)
{
    weft_process *process = NULL;
    int error = weft_create_subprocess_exec(CHILD_ARGS("sleep"), NULL, &process);

    (void)arg;
    if (error == 0) {
        same(weft_process_wait(process, NULL), -ECANCELED);
        same(weft_process_close(process), 0);
    }
    return error;
}

/* After so many turns: before the start, in it, behind it. Nothing stays, whatever it was. */
static int main_cancelled(void *arg)
{
    (void)arg;
    for (int turns = 0; turns < 12; turns++)
        WEFT_SCOPE(s) {
            same(weft_spawn(&s, starts_one, NULL, 0, NULL), 0);
            for (int i = 0; i < turns; i++)
                same(weft_yield(), 0);
            ok(weft_scope_cancel(&s));
        }
    return 0;
}

TEST(cancelled_at_any_time)
{
    run_both(main_cancelled);
}

/* A deadline that is over, and one that falls into the start. */
static int main_deadlines(void *arg)
{
    (void)arg;
    for (int64_t span_ns = 0; span_ns < 2 * MS; span_ns += MS / 4) {
        struct weft_scope_opt opt = {.size = sizeof opt, .deadline = weft_after_ns(span_ns)};
        weft_scope scope;

        same(weft_scope_open(&scope, &opt), 0);
        (void)starts_one(NULL);
        same(weft_scope_close(&scope), -ETIMEDOUT);
    }
    return 0;
}

TEST(deadlines)
{
    run_both(main_deadlines);
}

/* -- descriptors ---------------------------------------------------------------------------------
 */

static int main_descriptors(void *arg)
{
    const char *const list[] = {"ls", "/proc/self/fd", NULL};
    const struct weft_process_fd given = {.from = 301, .to = 4};
    int fds[2];

    (void)arg;
    same(pipe(fds), 0);
    same(dup2(fds[0], 300), 300); /* below, among and above those named; none close-on-exec */
    same(dup2(fds[1], 301), 301);
    same(dup2(fds[1], 302), 302);
    ck_assert_str_eq(says(list, OPT(.in = WEFT_DEVNULL)), "0\n1\n2\n3\n"); /* 3 is the folder */
    ck_assert_str_eq(says(list, OPT(.fds = &given, .fd_count = 1)), "0\n1\n2\n3\n4\n");
    for (int fd = 300; fd <= 302; fd++) {
        same(fcntl(fd, F_GETFD), 0); /* open here, and as they were */
        same(close(fd), 0);
    }
    same(write(fds[1], "x", 1), 1);
    close(fds[0]);
    close(fds[1]);
    return 0;
}

TEST(descriptors_of_its_own)
{
    run_both(main_descriptors);
}

/* -- where it may run ----------------------------------------------------------------------------
 */

static const char *const grep_cpus[] = {"grep", "Cpus_allowed:", "/proc/self/status", NULL};

static int compares_cpus(void *arg)
{
    ck_assert_str_eq(says(grep_cpus, OPT(.in = WEFT_DEVNULL)), *(const char **)arg);
    return 0;
}

/* On a reactor that is pinned, and on another. */
static int main_cpus(void *arg)
{
    int error = compares_cpus(arg);

    return error < 0 ? error : weft_call(1, compares_cpus, arg, sizeof(char *));
}

TEST(not_pinned)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};
    char before[4096] = "", *text = before;
    FILE *status = fopen("/proc/self/status", "re");

    ck_assert_ptr_nonnull(status);
    while (strncmp(before, "Cpus_allowed:", 13) != 0)
        ck_assert_ptr_nonnull(fgets(before, sizeof before, status));
    fclose(status);
    for (int i = 0; i < 2; i++) {
        same(weft_run(main_cpus, &text, sizeof text, &opt), 0);
        same(setenv("WEFT_RING_MASK", "futex", 1), 0);
    }
    same(unsetenv("WEFT_RING_MASK"), 0);
}

/* -- signals -------------------------------------------------------------------------------------
 */

static atomic_int parent, strangers;
static atomic_bool enough;

/* In the child it would be run on our memory. */
static void notes_who(int number)
{
    (void)number;
    if ((int)syscall(SYS_getpid) != atomic_load(&parent))
        atomic_fetch_add(&strangers, 1);
}

static void *signals_the_group(void *arg)
{
    (void)arg;
    while (!atomic_load(&enough))
        kill(0, SIGUSR1);
    return NULL;
}

/* Those that are in our group are hit, and end of it: as programs, or a moment before they are. */
static int main_handlers(void *arg)
{
    struct weft_process_status status;

    (void)arg;
    for (int i = 0; i < 20; i++) {
        weft_process *process =
            start((const char *const[]){"/bin/sleep", "1000", NULL}, OPT(.group = WEFT_GROUP_SAME));
        same(weft_process_wait(process, &status), 0);
        same(status.signal, SIGUSR1);
        same(weft_process_close(process), 0);
    }
    return 0;
}

static void run_with_handlers(void)
{
    struct sigaction action = {.sa_handler = notes_who, .sa_flags = SA_RESTART};
    pthread_t thread;

    same(setpgid(0, 0), 0);
    atomic_store(&parent, getpid());
    atomic_store(&enough, false);
    same(sigaction(SIGUSR1, &action, NULL), 0);
    same(pthread_create(&thread, NULL, signals_the_group, NULL), 0);
    run(main_handlers);
    atomic_store(&enough, true);
    same(pthread_join(thread, NULL), 0);
    same(atomic_load(&strangers), 0);
}

TEST(no_handler_of_ours)
{
    run_with_handlers();
}

/* -- what the kernel refuses ---------------------------------------------------------------------
 */

static int starts(const char *const arguments[], const struct weft_process_opt *opt)
{
    weft_process *process = NULL;
    int error = weft_create_subprocess_exec(arguments, opt, &process);

    ck_assert_ptr_null(process);
    return error;
}

/* A group that is there, and none of our session's; one that was, and is gone. */
static int main_group(void *arg)
{
    weft_process *process = start(CHILD_ARGS("exit", "0"), OPT(.session = true));
    int pid = weft_process_pid(process);

    (void)arg;
    same(starts(CHILD_ARGS("exit", "0"), OPT(.group = pid)), -EPERM);
    same(weft_process_wait(process, NULL), 0);
    same(starts(CHILD_ARGS("exit", "0"), OPT(.group = pid)), -EPERM);
    return weft_process_close(process);
}

TEST(group_of_strangers)
{
    run_both(main_group);
}

static char long_word[1 << 18]; /* more than one argument may have */

static int main_refused(void *arg)
{
    const char *const many[] = {CHILD, long_word, NULL};
    const struct weft_process_limit none = {RLIMIT_NOFILE, {10, 5}};
    struct rlimit before, limit;
    int first_free = dup(0);

    (void)arg;
    memset(long_word, 'x', sizeof long_word - 1);
    same(starts(many, NULL), -E2BIG);
    same(starts(CHILD_ARGS("exit", "0"), OPT(.limits = &none, .limit_count = 1)), -EINVAL);
    same(close(first_free), 0);
    same(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = (struct rlimit){(rlim_t)first_free, before.rlim_max};
    same(setrlimit(RLIMIT_NOFILE, &limit), 0); /* none is left, for its own either */
    same(starts(CHILD_ARGS("exit", "0"), NULL), -EMFILE);
    same(starts(CHILD_ARGS("exit", "0"), OPT(.out = WEFT_PIPE)), -EMFILE);
    same(setrlimit(RLIMIT_NOFILE, &before), 0);
    return 0;
}

TEST(refused)
{
    run_both(main_refused);
}

/* -- no descriptors but the lowest three --------------------------------------------------------
 */

enum { LOWEST = 3, TRIES = 1000 };

/* Closes those of the lowest three that `which` says, and lets there be no others. */
static void take_all_but(unsigned which, int copies[LOWEST], struct rlimit *before)
{
    struct rlimit limit;
    int first_free;

    for (int fd = 0; fd < LOWEST; fd++)
        ok(copies[fd] = fcntl(fd, F_DUPFD_CLOEXEC, LOWEST));
    ok(first_free = fcntl(0, F_DUPFD_CLOEXEC, LOWEST));
    same(close(first_free), 0);
    same(getrlimit(RLIMIT_NOFILE, before), 0);
    limit = (struct rlimit){(rlim_t)first_free, before->rlim_max};
    same(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int fd = 0; fd < LOWEST; fd++)
        if (which & 1U << fd)
            same(close(fd), 0);
}

static void give_back(const int copies[LOWEST], const struct rlimit *before)
{
    for (int fd = 0; fd < LOWEST; fd++) {
        same(dup2(copies[fd], fd), fd);
        same(close(copies[fd]), 0);
    }
    same(setrlimit(RLIMIT_NOFILE, before), 0);
}

static int main_lowest(void *arg)
{
    struct rlimit before;
    int copies[LOWEST], error;

    (void)arg;
    for (unsigned which = 1; which < 1U << LOWEST; which++) {
        take_all_but(which, copies, &before);
        error = starts(CHILD_ARGS("exit", "0"), NULL);
        for (int fd = 0; fd < LOWEST; fd++) /* and none of them has stayed */
            if (which & 1U << fd)
                same(fcntl(fd, F_GETFD), -1);
        give_back(copies, &before);
        same(error, -EMFILE);
    }
    return 0;
}

static int starts_without_room(void *arg)
{
    (void)arg;
    same(starts(CHILD_ARGS("exit", "0"), NULL), -EMFILE);
    said = true;
    return 0;
}

static int look_for_process(const struct weft_task_info *info, void *context)
{
    *(bool *)context |= info->waits_for && strcmp(info->waits_for, "process") == 0;
    return 0;
}

/* The end of a child that may not stay is waited for while others run. */
static int main_meanwhile(void *arg)
{
    struct rlimit before;
    int copies[LOWEST];
    char features[512];
    bool found = false;

    (void)arg;
    ok(weft_features(features, sizeof features));
    if (!strstr(features, "futex"))
        return 0; /* a worker waits */
    take_all_but(1, copies, &before);
    for (int i = 0; i < TRIES && !found; i++)
        WEFT_SCOPE(s) {
            said = false;
            same(weft_spawn(&s, starts_without_room, NULL, 0, NULL), 0);
            while (!said) {
                weft_tasks_each(look_for_process, &found);
                same(weft_yield(), 0);
            }
        }
    give_back(copies, &before);
    ck_assert(found);
    return 0;
}

TEST(no_room_but_the_lowest)
{
    run_both(main_lowest);
    run(main_meanwhile);
}

/* -- clone3 forbidden ----------------------------------------------------------------------------
 */

/* As filters do that are older than it: the C library goes on with clone, and so do we. */
static void forbid_clone3(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};

    same(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    same(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

TEST(without_clone3)
{
    forbid_clone3();
    run_both(main_at_once);
    run_both(main_descriptors);
    run_with_handlers();
}

/* -- the environment ------------------------------------------------------------------------- */

enum { LATER = 200 };

static int starts_env(void *arg)
{
    (void)arg;
    ck_assert_str_eq(says(CHILD_ARGS("env", "WEFT_TEST_OURS"), OPT(.err = WEFT_DEVNULL)), "yes");
    said = true;
    return 0;
}

static int look_for_exec(const struct weft_task_info *info, void *context)
{
    *(bool *)context |= info->waits_for && strcmp(info->waits_for, "exec") == 0;
    return 0;
}

static void change_environment(void)
{
    char name[40];

    same(unsetenv("WEFT_TEST_OURS"), 0);
    for (int i = 0; i < LATER; i++) {
        snprintf(name, sizeof name, "WEFT_TEST_%d", i);
        same(setenv(name, "too late", 1), 0);
    }
}

/* While the other waits for its child to begin it shrinks, and grows, and moves. The child is given
   what it was at the call. */
static int main_changed(void *arg)
{
    bool found = false;

    (void)arg;
    said = false;
    same(setenv("WEFT_TEST_OURS", "yes", 1), 0);
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, starts_env, NULL, 0, NULL), 0);
        while (!found && !said) {
            same(weft_yield(), 0);
            weft_tasks_each(look_for_exec, &found);
        }
        change_environment();
    }
    return 0;
}
TEST(environment_of_the_call)
{
    run_both(main_changed);
}

/* There may be none at all: then the program has none, either. */
static int main_none(void *arg)
{
    (void)arg;
    ck_assert_str_eq(says(CHILD_ARGS("env", "PATH"), OPT(.err = WEFT_DEVNULL)), "(none)");
    return 0;
}
TEST(no_environment)
{
    same(clearenv(), 0);
    ck_assert_ptr_null(environ);
    run(main_none);
}

TEST_MAIN("process_start", 60, many_at_once, cancelled_at_any_time, deadlines,
          descriptors_of_its_own, not_pinned, no_handler_of_ours, group_of_strangers, refused,
          without_clone3, environment_of_the_call, no_environment, no_room_but_the_lowest)
