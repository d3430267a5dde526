/*
 * What a process is given, looked at by real programs: the shell and its kin. Not in a simulated
 * world. Catches a descriptor that is inherited by mistake, a signal blocked or ignored in the
 * child, a group that goes on after its end, and options that do nothing.
 */
#include <pthread.h>
#include <sys/stat.h>

#include "api/process.h"

/* What a program says, as a string: good until the next. */
static const char *says_by(const char *const arguments[], const struct weft_process_opt *given)
{
    static char text[1024];
    struct weft_process_opt opt =
        given ? *given : (struct weft_process_opt){.size = sizeof(struct weft_process_opt)};
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

static const char *says(const char *command, const struct weft_process_opt *opt)
{
    return says_by((const char *const[]){"/bin/sh", "-c", command, NULL}, opt);
}

/* Not by the shell, which unblocks what is blocked. */
static const char *const grep_signals[] = {"grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status",
                                           NULL};

static int main_shell(void *arg)
{
    struct weft_process_status status;
    weft_process *process = NULL;

    (void)arg;
    ck_assert_str_eq(says("echo $((6 * 7))", NULL), "42\n");
    same(weft_create_subprocess_shell("exit 3", NULL, &process), 0);
    same(weft_process_wait(process, &status), 0);
    same(status.code, 3);
    same(weft_process_close(process), 0);
    same(weft_create_subprocess_shell("kill -SEGV $$", OPT(.err = WEFT_DEVNULL), &process), 0);
    same(weft_process_wait(process, &status), 0);
    same(status.signal, SIGSEGV);
    same(status.code, -1);
    return weft_process_close(process);
}

TEST(shell)
{
    run(main_shell);
}

/* Found along PATH, ours or that of the environment it is given. */
static int main_path(void *arg)
{
    const char *const nowhere[] = {"HOME=/", "PATH=/nowhere::/nor/here", NULL};
    const char *const empty[] = {NULL};
    const char *const program[] = {"true", NULL};
    weft_process *process = start(program, NULL);
    struct weft_process_status status;

    (void)arg;
    same(weft_process_wait(process, &status), 0);
    same(status.code, 0);
    same(weft_process_close(process), 0);
    same(weft_create_subprocess_exec(program, OPT(.environment = nowhere), &process), -ENOENT);
    process = start(program, OPT(.environment = empty));
    return weft_process_close(process);
}

TEST(found_along_the_path)
{
    run(main_path);
}

static int main_descriptors(void *arg)
{
    int fds[2];

    (void)arg;
    /* ours, and not close-on-exec */
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_str_eq(says("ls /proc/self/fd", NULL), "0\n1\n2\n3\n"); /* 3 is the folder it lists */
    ck_assert_str_eq(says("ls /proc/self/fd",
                          OPT(.fd_count = 2,
                              .fds = (struct weft_process_fd[]){{fds[0], 4}, {fds[1], 3}})),
                     "0\n1\n2\n3\n4\n5\n");
    /* places exchanged: each is copied before either is written over */
    ck_assert_str_eq(says("echo a >&2; echo b", OPT(.err = WEFT_STDOUT)), "a\nb\n");
    close(fds[0]);
    close(fds[1]);
    return 0;
}

TEST(descriptors)
{
    run(main_descriptors);
}

/* Whatever the thread that starts it blocks, and though weft ignores SIGPIPE. */
static int main_signals(void *arg)
{
    const char *text = says_by(grep_signals, NULL);
    unsigned long long blocked = 1, ignored = 1;

    (void)arg;
    same(sscanf(text, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
    ck_assert(blocked == 0);
    ck_assert((ignored & 1ull << (SIGPIPE - 1)) == 0);
    ck_assert((ignored & 1ull << (SIGWINCH - 1)) != 0);
    return 0;
}

TEST(signals_as_before)
{
    signal(SIGWINCH, SIG_IGN); /* what the program ignores itself stays so */
    run(main_signals);
    signal(SIGWINCH, SIG_DFL);
}

static int main_blocked(void *arg)
{
    (void)arg;
    ck_assert_ptr_nonnull(strstr(says_by(grep_signals, NULL), "0000000000000200")); /* USR1 */
    return 0;
}

TEST(blocked_before)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    run(main_blocked);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void expect_ignored(const char *text, int number, bool expected)
{
    unsigned long long blocked, ignored;

    same(sscanf(text, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
    ck_assert_msg(((ignored & 1ull << (number - 1)) != 0) == expected, "signal %d: %s", number,
                  text);
}

/* Ignored when the runtime began, as by nohup, and taken by it since; and some that were not. */
static int main_nohup(void *arg)
{
    const int numbers[] = {SIGHUP, SIGUSR1};
    weft_signals *signals;
    const char *text;

    (void)arg;
    same(weft_signals_open(numbers, 2, &signals), 0);
    signal(SIGALRM, SIG_DFL); /* as the program has it now */
    signal(SIGVTALRM, SIG_IGN);
    text = says_by(grep_signals, NULL);
    expect_ignored(text, SIGHUP, true);
    expect_ignored(text, SIGINT, true);
    expect_ignored(text, SIGUSR2, true);
    expect_ignored(text, SIGPIPE, true);
    expect_ignored(text, SIGVTALRM, true);
    expect_ignored(text, SIGUSR1, false);
    expect_ignored(text, SIGTERM, false);
    expect_ignored(text, SIGALRM, false);
    expect_ignored(text, SIGQUIT, false);
    return weft_signals_close(signals);
}

TEST(ignored_before)
{
    static const int ignored[] = {SIGHUP, SIGINT, SIGUSR2, SIGPIPE, SIGALRM};
    struct weft_run_opt opt = {.size = sizeof opt, .stop_on_sigterm = true, .dump_signal = SIGUSR2};

    signal(SIGTERM, SIG_DFL);
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
    same(weft_run(main_nohup, NULL, 0, &opt), 0);
    same(child_count(), 0);
}

static int main_directory(void *arg)
{
    weft_process *process = NULL;
    const char *const arguments[] = {"/bin/true", NULL};

    (void)arg;
    ck_assert_str_eq(says("pwd", OPT(.directory = "/usr")), "/usr\n");
    same(weft_create_subprocess_exec(arguments, OPT(.directory = "/no/where"), &process), -ENOENT);
    same(weft_create_subprocess_exec(arguments, OPT(.directory = "/etc/passwd"), &process),
         -ENOTDIR);
    return 0;
}

TEST(directory)
{
    run(main_directory);
}

static int main_limits(void *arg)
{
    struct weft_process_limit limits[] = {{RLIMIT_NOFILE, {77, 88}}, {RLIMIT_CORE, {0, 0}}};
    weft_process *process = NULL;

    (void)arg;
    ck_assert_str_eq(says("ulimit -n; ulimit -H -n", OPT(.limits = limits, .limit_count = 2)),
                     "77\n88\n");
    limits[0].resource = 999;
    same(weft_create_subprocess_shell("true", OPT(.limits = limits, .limit_count = 1), &process),
         -EINVAL);
    return 0;
}

TEST(limits)
{
    run(main_limits);
}

/* Process, group and session, as /proc says. */
static void places(const struct weft_process_opt *opt, int *pid, int *group, int *session)
{
    same(sscanf(says("cut -d' ' -f1,5,6 /proc/$$/stat", opt), "%d %d %d", pid, group, session), 3);
}

static int main_groups(void *arg)
{
    weft_process *leader = start(CHILD_ARGS("sleep"), NULL), *other;
    int pid, group, session;
    struct weft_process_status status;

    (void)arg;
    places(NULL, &pid, &group, &session);
    same(group, pid);
    same(session, getsid(0));
    places(OPT(.group = WEFT_GROUP_SAME), &pid, &group, &session);
    same(group, getpgrp());
    places(OPT(.session = true), &pid, &group, &session);
    same(group, pid);
    same(session, pid);
    places(OPT(.group = weft_process_pid(leader)), &pid, &group, &session);
    same(group, weft_process_pid(leader));

    other = start(CHILD_ARGS("sleep"), OPT(.group = weft_process_pid(leader)));
    same(weft_process_signal_group(other, SIGHUP), 0); /* both */
    same(weft_process_wait(other, &status), 0);
    same(status.signal, SIGHUP);
    same(weft_process_wait(leader, &status), 0);
    same(status.signal, SIGHUP);
    same(weft_process_close(other), 0);
    same(weft_process_close(leader), 0);

    other = start(CHILD_ARGS("sleep"), OPT(.group = WEFT_GROUP_SAME));
    same(weft_process_signal_group(other, SIGHUP), -ENOTSUP);
    same(weft_process_close(other), 0);                          /* it alone: we live */
    other = start(CHILD_ARGS("sleep"), OPT(.group = getpgrp())); /* ours, by its number */
    same(weft_process_signal_group(other, 0), -ENOTSUP);
    return weft_process_close(other);
}

TEST(groups)
{
    run(main_groups);
}

static bool is_gone(int pid)
{
    char path[64], state = 'Z';
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    file = fopen(path, "re");
    if (!file)
        return true;
    ck_assert_int_eq(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
    fclose(file);
    return state == 'Z'; /* of somebody else's, who will wait for it */
}

/* What it has started itself ends with it: by a cancellation, and by a close. */
static int main_family(void *arg)
{
    const char *const stubborn = "trap '' TERM; sleep 1000 & echo $!; wait";
    const char *const plain = "sleep 1000 & echo $!; wait";

    (void)arg;
    for (int i = 0; i < 4; i++) {
        weft_process *process = NULL;
        char line[32] = "";
        WEFT_SCOPE(s) {
            same(weft_create_subprocess_shell(i & 1 ? stubborn : plain,
                                              OPT(.out = WEFT_PIPE, .grace_ns = 50 * MS), &process),
                 0);
            ok(weft_stream_read(weft_process_stdout(process), line, sizeof line - 1, 0));
            ck_assert_int_gt(atoi(line), 1);
            if (i < 2)
                same(weft_scope_cancel(&s), 1);
            else
                same(weft_process_close(process), 0);
        }
        if (i < 2)
            same(weft_process_close(process), 0);
        while (!is_gone(atoi(line)))
            same(weft_sleep(MS), 0);
    }
    return 0;
}

TEST(its_children_end_with_it)
{
    run(main_family);
}

static int main_not_a_program(void *arg)
{
    const char *path = arg;
    const char *const arguments[] = {path, NULL};
    weft_process *process = NULL;

    same(weft_create_subprocess_exec(arguments, NULL, &process), -ENOEXEC);
    return 0;
}

TEST(not_a_program)
{
    char path[] = "/tmp/weft-process-test.XXXXXX";
    int fd = mkstemp(path);

    ok(fd);
    same(fchmod(fd, 0700), 0);
    same(write(fd, "no program\n", 11), 11);
    close(fd);
    same(weft_run(main_not_a_program, path, 0, NULL), 0);
    unlink(path);
    same(child_count(), 0);
}

/* Where SIGCHLD is ignored the kernel keeps no zombie: then nobody knows how it ended. */
static int main_ignored(void *arg)
{
    weft_process *process = start(CHILD_ARGS("exit", "5"), NULL);

    (void)arg;
    same(weft_process_wait(process, NULL), -ECHILD);
    same(weft_process_poll(process, NULL), -ECHILD);
    same(weft_process_kill(process), -ESRCH);
    return weft_process_close(process);
}

TEST(sigchld_ignored)
{
    signal(SIGCHLD, SIG_IGN);
    run(main_ignored);
    signal(SIGCHLD, SIG_DFL);
}

/* There, too, and not told yet: its number is free, and so is that of its group as far as we know,
   though here it is not. */
static int main_gone(void *arg)
{
    weft_process *process = NULL;
    char line[32] = "";
    int pid, other;

    (void)arg;
    same(weft_create_subprocess_shell("trap '' HUP; sleep 1000 & echo $!; read x",
                                      OPT(.in = WEFT_PIPE, .out = WEFT_PIPE), &process),
         0);
    pid = weft_process_pid(process);
    ok(weft_stream_read(weft_process_stdout(process), line, sizeof line - 1, 0));
    other = atoi(line);
    ck_assert_int_gt(other, 1);
    same(weft_process_kill(process), 0);
    while (kill(pid, 0) == 0) /* and we do not go to the ring meanwhile */
        ;
    same(weft_process_poll(process, NULL), 0);
    same(weft_process_signal_group(process, SIGHUP), -ESRCH);
    same(weft_process_wait(process, NULL), -ECHILD);
    same(kill(other, SIGKILL), 0);
    return weft_process_close(process);
}

TEST(gone_and_not_told)
{
    signal(SIGCHLD, SIG_IGN);
    run(main_gone);
    signal(SIGCHLD, SIG_DFL);
}

static int main_many(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s, .max_tasks = 8)
        for (int i = 0; i < 100; i++) {
            weft_process *process = start(CHILD_ARGS("exit", "0"), OPT(.in = WEFT_PIPE));
            if (i % 2)
                same(weft_process_close(process), 0);
        }
    return 0; /* fifty handles are left to the run */
}

TEST(many)
{
    run(main_many);
}

/* -- terminals -----------------------------------------------------------------------------------
 */

static int main_terminal(void *arg)
{
    weft_process *process = NULL;
    struct weft_process_status status;
    struct weft_process_output output = {.limit = 1000};
    weft_stream *terminal;
    char byte;

    (void)arg;
    same(weft_create_subprocess_shell(
             "test -t 0 && test -t 1 && test -t 2 && stty size && read x && echo got $x; exit 4",
             OPT(.pty = true, .rows = 50), &process),
         0);
    terminal = weft_process_stdin(process);
    ck_assert_ptr_nonnull(terminal);
    ck_assert_ptr_eq(terminal, weft_process_stdout(process));
    ck_assert_ptr_eq(terminal, weft_process_stderr(process));
    expect(terminal, "50 80\r\n");
    same(weft_stream_write(terminal, "it\n", 3, NULL), 3);
    expect(terminal, "it\r\ngot it\r\n"); /* the terminal's echo, and the answer */
    same(weft_stream_read(terminal, &byte, 1, 0), 0);
    same(weft_stream_shutdown(terminal), -ENOTSOCK);
    same(weft_process_wait(process, &status), 0);
    same(status.code, 4);
    same(weft_process_close(process), 0);

    same(weft_create_subprocess_shell("stty size", OPT(.pty = true, .columns = 50), &process), 0);
    expect(weft_process_stdout(process), "24 50\r\n");
    same(weft_process_close(process), 0);

    /* it hangs up when we go, and a shell ends of that */
    same(weft_create_subprocess_shell("read x", OPT(.pty = true), &process), 0);
    same(weft_process_close_stdin(process), 0);
    ck_assert_ptr_null(weft_process_stdout(process));
    same(weft_process_wait(process, NULL), 0);
    same(weft_process_close(process), 0);

    same(weft_create_subprocess_shell("read x; echo $x", OPT(.pty = true), &process), 0);
    same(weft_process_communicate(process, "y\n", 2, &output, NULL), 0);
    ck_assert_str_eq(output.out, "y\r\ny\r\n");
    weft_process_output_free(&output);
    return weft_process_close(process);
}

TEST(terminal)
{
    run(main_terminal);
}

TEST_MAIN("process_options", 60, shell, found_along_the_path, descriptors, signals_as_before,
          blocked_before, ignored_before, directory, limits, groups, its_children_end_with_it,
          not_a_program, sigchld_ignored, gone_and_not_told, many, terminal)
