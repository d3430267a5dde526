/*
 * What a process is given, and says of it: streams and descriptors, an environment, a directory,
 * limits, a group, a session, a terminal. Catches an option that does nothing, or something else,
 * and one that is wrong and not refused. With real programs: api/process_options.
 */
#include "api/process.h"

static void expect_output(const char *const arguments[], const struct weft_process_opt *opt,
                          const char *out, const char *err)
{
    weft_process *process = start(arguments, opt);
    struct weft_process_output output = {.limit = 0};

    same(weft_process_communicate(process, NULL, 0, &output, NULL), 0);
    ck_assert_str_eq(output.out, out);
    if (err)
        ck_assert_str_eq(output.err, err);
    else
        ck_assert_ptr_null(output.err);
    weft_process_output_free(&output);
    same(weft_process_close(process), 0);
}

static int main_given(void *arg)
{
    const char *const environment[] = {"ONE=1", "TWO=zwei", NULL};
    char text[16] = "";
    int fds[2];

    (void)arg;
    expect_output(CHILD_ARGS("say", "out", "err"), OPT(PIPES), "out", "err");
    expect_output(CHILD_ARGS("say", "out", "err"), OPT(.out = WEFT_PIPE, .err = WEFT_STDOUT),
                  "outerr", NULL);
    expect_output(CHILD_ARGS("say", "out", "err"),
                  OPT(.in = WEFT_DEVNULL, .out = WEFT_PIPE, .err = WEFT_STDOUT), "outerr", NULL);
    expect_output(CHILD_ARGS("say", "out", "err"), OPT(.out = WEFT_PIPE, .err = WEFT_DEVNULL),
                  "out", NULL);
    expect_output(CHILD_ARGS("cat"), OPT(.in = WEFT_DEVNULL, .out = WEFT_PIPE), "", NULL);
    expect_output(CHILD_ARGS("env", "TWO"), OPT(.out = WEFT_PIPE, .environment = environment),
                  "zwei", NULL);
    expect_output(CHILD_ARGS("env", "HOME"), OPT(.out = WEFT_PIPE, .environment = environment),
                  "(none)", NULL);

    /* a descriptor of ours as its stdin, and as its number 7 */
    for (int i = 0; i < 2; i++) {
        same(weft_pipe(fds, 0), 0);
        same(weft_write(fds[1], "through", 7), 7);
        same(weft_close(fds[1]), 0);
        if (i == 0)
            expect_output(CHILD_ARGS("cat"), OPT(.in = WEFT_FD(fds[0]), .out = WEFT_PIPE),
                          "through", NULL);
        else
            expect_output(CHILD_ARGS("cat", "7"),
                          OPT(.out = WEFT_PIPE, .fd_count = 1,
                              .fds = &(struct weft_process_fd){.from = fds[0], .to = 7}),
                          "through", NULL);
        same(weft_read(fds[0], text, sizeof text), 0); /* still ours */
        same(weft_close(fds[0]), 0);
    }
    return 0;
}

TEST(what_it_is_given)
{
    run(main_given);
}

static const char *says(const struct weft_process_opt *given, const char *what, const char *value)
{
    static char text[256];
    struct weft_process_opt opt = *given;
    struct weft_process_output output = {.limit = sizeof text - 1};
    weft_process *process;

    opt.out = WEFT_PIPE;
    process = start(CHILD_ARGS(what, value), &opt);
    same(weft_process_communicate(process, NULL, 0, &output, NULL), 0);
    snprintf(text, sizeof text, "%s", output.out);
    weft_process_output_free(&output);
    same(weft_process_close(process), 0);
    return text;
}

static int main_directory(void *arg)
{
    weft_process *process = NULL;
    char path[64];
    int fd;

    (void)arg;
    snprintf(path, sizeof path, "/tmp/weft-process-%d", (int)getpid());
    fd = weft_open(path, O_CREAT | O_RDWR, 0600);
    ok(fd);
    same(weft_close(fd), 0);
    ck_assert_str_eq(says(OPT(.directory = "/tmp"), "directory", ""), "/tmp");
    ck_assert_str_eq(says(OPT(.directory = "/"), "directory", ""), "/");
    same(weft_create_subprocess_exec(CHILD_ARGS("sleep"), OPT(.directory = "/no/where"), &process),
         -ENOENT);
    same(weft_create_subprocess_exec(CHILD_ARGS("sleep"), OPT(.directory = "/no"), &process),
         -ENOENT);
    same(weft_create_subprocess_exec(CHILD_ARGS("sleep"), OPT(.directory = ""), &process), -ENOENT);
    same(weft_create_subprocess_exec(CHILD_ARGS("sleep"), OPT(.directory = path), &process),
         -ENOTDIR);
    return weft_unlinkat(AT_FDCWD, path, 0);
}

TEST(directory)
{
    run(main_directory);
}

static int main_limits(void *arg)
{
    struct weft_process_limit limits[] = {{RLIMIT_NOFILE, {77, 88}}, {RLIMIT_CORE, {0, 0}}};
    weft_process *process = NULL;
    char number[16];

    (void)arg;
    snprintf(number, sizeof number, "%d", RLIMIT_NOFILE);
    ck_assert_str_eq(says(OPT(.limits = limits, .limit_count = 2), "limit", number), "77 88");
    snprintf(number, sizeof number, "%d", RLIMIT_CORE);
    ck_assert_str_eq(says(OPT(.limits = limits, .limit_count = 2), "limit", number), "0 0");
    limits[0].limit.rlim_cur = 99; /* above the other */
    same(weft_create_subprocess_exec(CHILD_ARGS("sleep"), OPT(.limits = limits, .limit_count = 1),
                                     &process),
         -EINVAL);
    limits[0].resource = 999;
    same(weft_create_subprocess_exec(CHILD_ARGS("sleep"), OPT(.limits = limits, .limit_count = 1),
                                     &process),
         -EINVAL);
    return 0;
}

TEST(limits)
{
    run(main_limits);
}

struct ids {
    int own, group, session;
};

static struct ids ids_of(const struct weft_process_opt *opt)
{
    struct ids ids;

    same(sscanf(says(opt, "ids", ""), "%d %d %d", &ids.own, &ids.group, &ids.session), 3);
    return ids;
}

static int main_places(void *arg)
{
    weft_process *leader = start(CHILD_ARGS("sleep"), NULL),
                 *far = start(CHILD_ARGS("sleep"), OPT(.session = true)), *process = NULL;
    struct ids plain = ids_of(OPT(.group = 0)), with_us = ids_of(OPT(.group = WEFT_GROUP_SAME)),
               apart = ids_of(OPT(.session = true)),
               joined = ids_of(OPT(.group = weft_process_pid(leader)));

    (void)arg;
    same(plain.group, plain.own);
    ck_assert_int_ne(plain.session, plain.own);
    ck_assert_int_ne(with_us.group, with_us.own);
    same(with_us.session, plain.session);
    same(apart.group, apart.own);
    same(apart.session, apart.own);
    same(joined.group, weft_process_pid(leader));
    same(joined.session, plain.session);
    same(weft_create_subprocess_exec(CHILD_ARGS("sleep"), OPT(.group = weft_process_pid(far)),
                                     &process),
         -EPERM); /* of another session */
    same(weft_process_close(far), 0);
    return weft_process_close(leader);
}

TEST(groups_and_sessions)
{
    run(main_places);
}

static weft_process *on_terminal(const char *what, const char *shows)
{
    weft_process *process = start(CHILD_ARGS(what), OPT(.pty = true, .rows = 50));

    ck_assert_ptr_nonnull(weft_process_stdin(process));
    ck_assert_ptr_eq(weft_process_stdin(process), weft_process_stdout(process));
    ck_assert_ptr_eq(weft_process_stdin(process), weft_process_stderr(process));
    expect(weft_process_stdout(process), shows);
    return process;
}

/* What a terminal does by itself: the echo, lines, the end of the input; and it hangs up. */
static int main_terminal(void *arg)
{
    weft_process *process = on_terminal("terminal", "50 80\r\n");
    struct weft_process_status status;
    char byte;

    (void)arg;
    same(weft_stream_write(weft_process_stdin(process), "it\r", 3, NULL), 3);
    expect(weft_process_stdout(process), "it\r\ngot it\r\n");
    same(weft_stream_write(weft_process_stdin(process), "x\004", 2, NULL), 2);
    expect(weft_process_stdout(process), "xgot x");
    same(weft_stream_write(weft_process_stdin(process), "\004", 1, NULL), 1);
    same(weft_stream_read(weft_process_stdout(process), &byte, 1, 0), 0);
    same(weft_process_wait(process, &status), 0);
    same(status.code, 4);
    same(weft_process_close(process), 0);

    process = on_terminal("terminal", "50 80\r\n");
    same(weft_stream_write(weft_process_stdin(process), "lost\003", 5, NULL), 5);
    same(weft_process_wait(process, &status), 0);
    same(status.signal, SIGINT);
    same(weft_process_close(process), 0);

    process = on_terminal("terminal", "50 80\r\n");
    same(weft_process_close_stdin(process), 0);
    ck_assert_ptr_null(weft_process_stdout(process));
    same(weft_process_wait(process, &status), 0);
    /* its read may end before the signal is there: an error, or the end */
    ck_assert(status.signal == SIGHUP || status.code == 3 || status.code == 4);
    return weft_process_close(process);
}

TEST(terminal)
{
    run(main_terminal);
}

/* Many at once, each with three pipes. */
static int talks(void *arg)
{
    (void)arg;
    expect_output(CHILD_ARGS("say", "out", "err"), OPT(PIPES), "out", "err");
    return 0;
}

static int main_many(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s)
        for (int i = 0; i < 12; i++)
            same(weft_spawn(&s, talks, NULL, 0, NULL), 0);
    return 0;
}

TEST(many)
{
    run(main_many);
}

TEST_MAIN("process_given", 60, what_it_is_given, directory, limits, groups_and_sessions, terminal,
          many)
