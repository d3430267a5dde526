/*
 * Talking to processes: through their streams, and all at once. Catches a deadlock of two that each
 * wait for the other to read, output that is cut or mixed, an end of input that the process never
 * sees, and memory or descriptors that stay after whatever went wrong.
 */
#include "api/process.h"

static char byte_at(size_t at)
{
    return (char)('a' + at * 2654435761u % 26);
}

/* -- streams ------------------------------------------------------------------------------------
 */

static int main_streams(void *arg)
{
    weft_process *process = start(CHILD_ARGS("cat"), OPT(PIPES));
    struct weft_process_status status;
    char text[8] = "";

    (void)arg;
    for (int i = 0; i < 3; i++) {
        same(weft_stream_write(weft_process_stdin(process), "hello\n", 6, NULL), 6);
        expect_line(process, "hello\n");
    }
    for (int i = 0; i < 3; i++) { /* they are the process's, which closes them here */
        weft_stream *streams[] = {weft_process_stdin(process), weft_process_stdout(process),
                                  weft_process_stderr(process)};
        same(weft_stream_detach(streams[i]), -EBUSY);
    }
    same(weft_process_close_stdin(process), 0);
    ck_assert_ptr_null(weft_process_stdin(process));
    same(weft_process_close_stdin(process), 0);
    same(weft_stream_read(weft_process_stdout(process), text, sizeof text, 0), 0);
    same(weft_stream_read(weft_process_stderr(process), text, sizeof text, 0), 0);
    same(weft_process_wait(process, &status), 0);
    same(status.code, 0);
    return weft_process_close(process);
}

TEST(streams)
{
    run(main_streams);
}

static int main_shutdown(void *arg)
{
    weft_process *process = start(CHILD_ARGS("cat"), OPT(PIPES));

    (void)arg;
    same(weft_stream_write(weft_process_stdin(process), "end", 3, NULL), 3);
    same(weft_stream_shutdown(weft_process_stdin(process)), 0);
    expect_line(process, "end");
    same(weft_process_wait(process, NULL), 0);
    return weft_process_close(process);
}

TEST(end_of_input)
{
    run(main_shutdown);
}

/* -- all at once --------------------------------------------------------------------------------
 */

static int main_cat(void *arg)
{
    static const size_t sizes[] = {0, 1, 4096, 300000};

    (void)arg;
    for (size_t i = 0; i < 4; i++) {
        weft_process *process = start(CHILD_ARGS("cat"), OPT(PIPES));
        struct weft_process_output output = {.limit = 0};
        struct weft_process_status status = {.code = 9};
        char *input = malloc(sizes[i] + 1);

        for (size_t at = 0; at < sizes[i]; at++)
            input[at] = byte_at(at);
        same(weft_process_communicate(process, input, sizes[i], &output, &status), 0);
        same(status.code, 0);
        ck_assert_uint_eq(output.out_size, sizes[i]);
        ck_assert_uint_eq(output.err_size, 0);
        ck_assert(memcmp(output.out, input, sizes[i]) == 0);
        same(output.out[sizes[i]], '\0');
        ck_assert_str_eq(output.err, "");
        weft_process_output_free(&output);
        ck_assert_ptr_null(output.out);
        free(input);
        same(weft_process_close(process), 0);
    }
    return 0;
}

TEST(all_of_it)
{
    run(main_cat);
}

/* More than the pipes hold, on both outputs, before it reads; and more input than a pipe holds. */
static int main_spam(void *arg)
{
    weft_process *process = start(CHILD_ARGS("spam", "150000"), OPT(PIPES));
    struct weft_process_output output = {.limit = 0};
    struct weft_process_status status;
    char *input = calloc(1, 200000);

    (void)arg;
    same(weft_process_communicate(process, input, 200000, &output, &status), 0);
    free(input);
    same(status.code, 0);
    ck_assert_uint_eq(output.out_size, 150000);
    ck_assert_uint_eq(output.err_size, 150000);
    weft_process_output_free(&output);
    same(weft_process_close(process), 0);

    process = start(CHILD_ARGS("spam", "100000"), OPT(PIPES)); /* thrown away */
    same(weft_process_communicate(process, NULL, 0, NULL, NULL), 0);
    return weft_process_close(process);
}

TEST(no_deadlock)
{
    run(main_spam);
}

static int main_limit(void *arg)
{
    weft_process *process = start(CHILD_ARGS("spam", "100000"), OPT(PIPES));
    struct weft_process_output output = {.limit = 1500};

    (void)arg;
    same(weft_process_communicate(process, NULL, 0, &output, NULL), -EMSGSIZE);
    ck_assert_uint_le(output.out_size, 1500);
    ck_assert_uint_le(output.err_size, 1500);
    ck_assert(output.out_size == 1500 || output.err_size == 1500);
    weft_process_output_free(&output);
    return weft_process_close(process); /* it runs still, and is ended */
}

TEST(limit)
{
    run(main_limit);
}

static int main_no_input(void *arg)
{
    weft_process *process = start(CHILD_ARGS("cat"), OPT(PIPES));

    (void)arg;
    same(weft_process_communicate(process, NULL, 1, NULL, NULL), -EFAULT);
    same(weft_process_communicate(process, NULL, 0, NULL, NULL), 0);
    return weft_process_close(process);
}

TEST(no_input)
{
    run(main_no_input);
}

/* That nobody reads the input is no error. */
static int main_unread(void *arg)
{
    weft_process *process = start(CHILD_ARGS("never-reads"), OPT(PIPES));
    struct weft_process_output output = {.limit = 0};
    struct weft_process_status status;
    char *input = calloc(1, 200000);

    (void)arg;
    same(weft_process_communicate(process, input, 200000, &output, &status), 0);
    free(input);
    same(status.code, 0);
    ck_assert_str_eq(output.out, "closed\n");
    weft_process_output_free(&output);
    return weft_process_close(process);
}

TEST(input_unread)
{
    run(main_unread);
}

static int communicates(void *arg)
{
    struct weft_process_output output = {.limit = 0};
    int error = weft_process_communicate(*(weft_process **)arg, "x", 1, &output, NULL);

    weft_process_output_free(&output);
    return error;
}

static int main_cancelled(void *arg)
{
    weft_process *process = start(CHILD_ARGS("polite"), OPT(PIPES));
    struct weft_spawn_opt opt = {.size = sizeof opt};
    int result = 0;
    weft_task task;

    (void)arg;
    opt.task = &task;
    expect_line(process, "ready\n");
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        same(weft_spawn(&s, communicates, &process, sizeof process, &opt), 0);
        for (int i = 0; i < 3; i++)
            same(weft_yield(), 0);
        same(weft_cancel(task), 1);
        same(weft_join(task, &result), 0);
    }
    same(result, -ECANCELED);
    same(weft_process_poll(process, NULL), 0); /* the process minds not */
    same(weft_process_terminate(process), 0);
    expect_line(process, "bye\n");
    same(weft_process_wait(process, NULL), 0);
    return weft_process_close(process);
}

TEST(cancelled)
{
    run(main_cancelled);
}

/* Closed under who talks to it: that one is told, and comes back first. */
static int main_closed(void *arg)
{
    weft_process *process = start(CHILD_ARGS("sleep"), OPT(PIPES));
    struct weft_spawn_opt opt = {.size = sizeof opt};
    int result = 0;
    weft_task task;

    (void)arg;
    opt.task = &task;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        same(weft_spawn(&s, communicates, &process, sizeof process, &opt), 0);
        for (int i = 0; i < 3; i++)
            same(weft_yield(), 0);
        same(weft_process_close(process), 0);
        same(weft_join(task, &result), 0);
    }
    ck_assert(result == -ECANCELED || result == -EBADF);
    return 0;
}

TEST(closed)
{
    run(main_closed);
}

/* -- closed before those who listen have run ----------------------------------------------------
 */

static int communicate(void *arg)
{
    int result = weft_process_communicate(*(weft_process **)arg, NULL, 0, NULL, NULL);

    ck_assert(result == -EBADF || result == 0); /* who runs first is not said */
    return 0;
}

/* It is in its call, and its listeners are ready behind who closes; the streams have ended, so that
   closing one frees it at once. */
static int main_closed_first(void *arg)
{
    weft_process *process = start(CHILD_ARGS("exit", "0"), OPT(PIPES));

    (void)arg;
    same(weft_process_wait(process, NULL), 0);
    ok(weft_sleep(10 * MS));
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, communicate, &process, sizeof process, NULL));
        ok(weft_yield());
        same(weft_process_close(process), 0);
    }
    return 0;
}

TEST(closed_before_it_listens)
{
    run(main_closed_first);
}

/* -- its streams closed as any other -----------------------------------------------------------
 */

static int end_by(weft_stream *stream, int how)
{
    return how ? weft_stream_abort(stream) : weft_stream_close(stream);
}

/* The end of its input; then the rest of what there is, but for where errors go. */
static void close_its_streams(weft_process *process, int how)
{
    weft_stream *in = weft_process_stdin(process), *out = weft_process_stdout(process);
    char text[8] = "";

    same(end_by(in, how), 0);
    ck_assert_ptr_null(weft_process_stdin(process));
    same(weft_stream_write(in, "x", 1, NULL), -EBADF);
    same(end_by(in, how), -EBADF);
    same(weft_process_close_stdin(process), 0);
    same(weft_stream_read(out, text, sizeof text, 0), 0);
    same(end_by(out, how), 0);
    ck_assert_ptr_null(weft_process_stdout(process));
    same(weft_stream_read(out, text, sizeof text, 0), -EBADF);
}

static int main_stream_closed(void *arg)
{
    (void)arg;
    for (int how = 0; how < 4; how++) {
        weft_process *process = start(CHILD_ARGS("cat"), OPT(PIPES));
        struct weft_process_output output = {.limit = 0};
        ok(weft_stream_write(weft_process_stdin(process), "hello\n", 6, NULL));
        expect_line(process, "hello\n");
        close_its_streams(process, how & 1);
        same(weft_process_communicate(process, "lost", 4, &output, NULL), 0);
        ck_assert_ptr_null(output.out);
        same(output.err_size, 0);
        same(weft_process_output_free(&output), 0);
        if (how < 2) /* else that is left to the end of the run */
            same(weft_process_close(process), 0);
    }
    return 0;
}

TEST(stream_closed)
{
    run(main_stream_closed);
}

static int main_terminal_closed(void *arg)
{
    weft_process *process = start(CHILD_ARGS("cat"), OPT(.pty = true));

    (void)arg;
    same(weft_stream_close(weft_process_stdout(process)), 0);
    ck_assert_ptr_null(weft_process_stdin(process));
    ck_assert_ptr_null(weft_process_stderr(process));
    return weft_process_close(process);
}

TEST(terminal_closed)
{
    run(main_terminal_closed);
}

static int close_it(void *arg)
{
    ok(weft_stream_close(*(weft_stream **)arg));
    return 0;
}

/* More than a pipe holds is to be sent before, and nobody reads it: both are at it. */
static int main_closed_twice(void *arg)
{
    static const char much[300000];
    weft_process *process = start(CHILD_ARGS("sleep"), OPT(.in = WEFT_PIPE, .grace_ns = -1));
    weft_stream *in = weft_process_stdin(process);

    (void)arg;
    same(weft_stream_write_nowait(in, much, sizeof much), sizeof much);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, close_it, &in, sizeof in, NULL));
        ok(weft_sleep(MS));
        ck_assert_ptr_null(weft_process_stdin(process));
        same(weft_process_close(process), 0);
    }
    return 0;
}

TEST(closed_while_it_is_closed)
{
    run(main_closed_twice);
}

/* -- one into another ---------------------------------------------------------------------------
 */

/* `left | right`, by a pipe of ours: what right says. *first is how left ended. */
static int main_pipeline(const char *const left[], const char *const right[], size_t size,
                         struct weft_process_status *first)
{
    struct weft_process_output output = {.limit = 1 << 20};
    struct weft_process_status last;
    weft_process *writes, *reads;
    int ends[2];

    same(weft_pipe(ends, 0), 0);
    writes = start(left, OPT(.in = WEFT_DEVNULL, .out = WEFT_FD(ends[1]), .err = WEFT_DEVNULL));
    same(weft_close(ends[1]), 0);
    reads = start(right, OPT(.in = WEFT_FD(ends[0]), .out = WEFT_PIPE));
    same(weft_close(ends[0]), 0);
    same(weft_process_communicate(reads, NULL, 0, &output, &last),
         0); /* ends: nobody else writes */
    same(last.code, 0);
    ck_assert_uint_eq(output.out_size, size);
    weft_process_output_free(&output);
    same(weft_process_wait(writes, first), 0);
    same(weft_process_close(reads), 0);
    return weft_process_close(writes);
}

/* More than a pipe holds, so that both run at a time. */
static int main_through(void *arg)
{
    struct weft_process_status status;

    (void)arg;
    same(main_pipeline(CHILD_ARGS("spam", "300000"), CHILD_ARGS("cat"), 300000, &status), 0);
    same(status.code, 0);
    return 0;
}

/* The one that reads ends before all is written, and the other is told. */
static int main_nobody_reads(void *arg)
{
    struct weft_process_status status;

    (void)arg;
    same(main_pipeline(CHILD_ARGS("spam", "300000"), CHILD_ARGS("say", "enough", ""), 6, &status),
         0);
    ck_assert(status.code == 2 || status.signal == SIGPIPE);
    return 0;
}

TEST(one_into_another)
{
    run(main_through);
    run(main_nobody_reads);
}

/* -- a flood of signals --------------------------------------------------------------------------
 */

enum { FLOOD = 10000, REAPED = 50 };

/* Where weft-sim is linked, and nowhere else. */
extern __typeof__(weft_sim_signal) weft_sim_signal __attribute__((weak));

static int told_of[32];

static void tells(const struct weft_signal *signal, void *arg)
{
    (void)arg;
    told_of[signal->number]++;
}

static void raise_here(int number)
{
    same(weft_sim_signal ? weft_sim_signal(number, 0) : kill(getpid(), number), 0);
}

static int floods(void *arg)
{
    const volatile bool *over = arg;

    for (int i = 0; i < FLOOD || !*over; i++) {
        raise_here(SIGCHLD);
        if (i == FLOOD / 2)
            raise_here(SIGTERM);
        if (i % 100 == 0)
            same(weft_sleep(100000), 0);
    }
    return 0;
}

/* Each child is reaped, with its code; the one SIGTERM is told; no call says -EINTR. */
static int main_flood(void *arg)
{
    bool over = false;

    (void)arg;
    memset(told_of, 0, sizeof told_of);
    same(weft_add_signal_handler(SIGCHLD, tells, NULL), 0);
    same(weft_add_signal_handler(SIGTERM, tells, NULL), 0);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, floods, &over, 0, NULL));
        for (int i = 1; i <= REAPED; i++) {
            struct weft_process_status status;
            char code[16];
            weft_process *process;

            snprintf(code, sizeof code, "%d", i);
            process = start(CHILD_ARGS("exit", code), NULL);
            same(weft_process_wait(process, &status), 0);
            same(status.code, i);
            same(status.signal, 0);
            same(weft_process_close(process), 0);
        }
        over = true;
    }
    while (told_of[SIGTERM] == 0 || told_of[SIGCHLD] == 0)
        same(weft_sleep(100000), 0);
    same(told_of[SIGTERM], 1);
    same(weft_remove_signal_handler(SIGCHLD), 1);
    return weft_remove_signal_handler(SIGTERM) - 1;
}

TEST(reaped_in_a_flood)
{
    run(main_flood);
}

/* -- by a shell ---------------------------------------------------------------------------------
 */

/* As much of one as is needed here: `exec PROGRAM WORD...`, where PROGRAM is the child. */
static int plain_shell(weft_sim_process *process, int argc, char **argv)
{
    char line[256], *words[8], *rest = line, *word;
    int count = 0;

    if (argc != 3 || strcmp(argv[1], "-c") != 0 || strncmp(argv[2], "exec ", 5) != 0)
        return 127;
    snprintf(line, sizeof line, "%s", argv[2] + 5);
    while (count < 8 && (word = strtok_r(rest, " ", &rest)))
        words[count++] = word;
    return child_sim_main(process, count, words);
}

static int main_shell(void *arg)
{
    char path[128] = CHILD, line[256];
    struct weft_process_output output = {.limit = 0};
    struct weft_process_status status;
    weft_process *process = NULL;

    (void)arg;
    if (child_is_simulated())
        weft_sim_program("/bin/sh", plain_shell);
    else /* where the child is, which is the shell's /proc/self/exe no more */
        ck_assert_int_gt(readlink(CHILD, path, sizeof path - 1), 0);
    snprintf(line, sizeof line, "exec %s " CHILD_MARK " say out err", path);
    same(weft_create_subprocess_shell(line, OPT(PIPES), &process), 0);
    ck_assert_ptr_nonnull(process);
    same(weft_process_communicate(process, NULL, 0, &output, &status), 0);
    same(status.code, 0);
    ck_assert_str_eq(output.out, "out");
    ck_assert_str_eq(output.err, "err");
    weft_process_output_free(&output);
    same(weft_process_close(process), 0);

    snprintf(line, sizeof line, "exec %s " CHILD_MARK " exit 7", path);
    same(weft_create_subprocess_shell(line, NULL, &process), 0);
    same(weft_process_wait(process, &status), 0);
    same(status.code, 7);
    return weft_process_close(process);
}

TEST(by_a_shell)
{
    run(main_shell);
}

TEST_MAIN("process_talk", 60, streams, stream_closed, terminal_closed, closed_while_it_is_closed,
          end_of_input, all_of_it, no_deadlock, limit, no_input, input_unread, cancelled, closed,
          closed_before_it_listens, one_into_another, by_a_shell, reaped_in_a_flood)
