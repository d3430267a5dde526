/*
 * Processes: what they return, what ends them, who is told, and that none stays behind: after each
 * case there is no child, and no descriptor more than before. Catches a zombie, an end not told to
 * all who wait, a signal that goes to a stranger or to nobody, a scope that outlives its process,
 * and a start that fails and leaves something.
 */
#include "api/process.h"
#include "support/misuse.h"

/* -- ends ---------------------------------------------------------------------------------------
 */

static int main_codes(void *arg)
{
    static const char *const codes[] = {"0", "1", "42", "255"};
    struct weft_process_status status;

    (void)arg;
    for (size_t i = 0; i < 4; i++) {
        weft_process *process = start(CHILD_ARGS("exit", codes[i]), NULL);
        status = (struct weft_process_status){.code = -7, .signal = 3};
        same(weft_process_wait(process, &status), 0);
        same(status.code, atoi(codes[i]));
        same(status.signal, 0);
        ck_assert(!status.core_dumped);
        same(weft_process_wait(process, NULL), 0); /* again, and not looked at */
        same(weft_process_poll(process, &status), 1);
        same(weft_process_kill(process), -ESRCH);
        same(weft_process_signal_group(process, SIGTERM), -ESRCH);
        ck_assert_int_gt(weft_process_pid(process), 0);
        ck_assert_ptr_null(weft_process_stdin(process));
        same(weft_process_close(process), 0);
    }
    return 0;
}

TEST(codes)
{
    run(main_codes);
}

static int main_signals(void *arg)
{
    static const int numbers[] = {SIGTERM, SIGKILL, SIGHUP, SIGUSR1};
    struct weft_process_status status;

    (void)arg;
    for (size_t i = 0; i < 4; i++) {
        weft_process *process = start(CHILD_ARGS("sleep"), NULL);
        same(weft_process_poll(process, &status), 0);
        same(weft_process_send_signal(process, 0), 0);
        same(weft_process_send_signal(process, 65), -EINVAL);
        if (i == 0)
            same(weft_process_terminate(process), 0);
        else if (i == 1)
            same(weft_process_kill(process), 0);
        else
            same(weft_process_signal_group(process, numbers[i]), 0);
        same(weft_process_wait(process, &status), 0);
        same(status.code, -1);
        same(status.signal, numbers[i]);
        same(weft_process_close(process), 0);
    }
    return 0;
}

TEST(ended_by_signals)
{
    run(main_signals);
}

/* -- starts that fail ---------------------------------------------------------------------------
 */

static int descriptors(void)
{
    DIR *all = opendir("/proc/self/fd");
    int count = 0;

    while (readdir(all))
        count++;
    closedir(all);
    return count;
}

static int main_fails(void *arg)
{
    const char *const nowhere[] = {"/no/such/program", NULL};
    const char *const unknown[] = {"no-such-program-anywhere", NULL};
    const char *const nothing[] = {"", NULL};
    const char *const forbidden[] = {child_is_simulated() ? "/not-to-be-run" : "/etc/passwd", NULL};
    weft_process *process = (weft_process *)&nowhere;
    int before;

    (void)arg;
    same(weft_create_subprocess_exec(nowhere, NULL, &process), -ENOENT); /* there is a worker now */
    before = descriptors();
    for (int i = 0; i < 2; i++) {
        const struct weft_process_opt *opt =
            i ? OPT(.in = WEFT_PIPE, .out = WEFT_PIPE, .err = WEFT_PIPE) : NULL;
        same(weft_create_subprocess_exec(nowhere, opt, &process), -ENOENT);
        same(weft_create_subprocess_exec(unknown, opt, &process), -ENOENT);
        same(weft_create_subprocess_exec(nothing, opt, &process), -ENOENT);
        same(weft_create_subprocess_exec(forbidden, opt, &process), -EACCES);
    }
    same(weft_create_subprocess_exec(nowhere, OPT(.in = WEFT_FD(9999)), &process), -EBADF);
    ck_assert_ptr_eq(process, &nowhere); /* untouched */
    same(descriptors(), before);
    return 0;
}

TEST(starts_that_fail)
{
    run(main_fails);
}

/* One word of 128 KiB, with its end, is more than the kernel takes; of less it takes some. */
static int main_long_words(void *arg)
{
    enum { WORD = 131072 };
    char *word = malloc(WORD + 1);
    const char *const arguments[] = {CHILD, CHILD_MARK, "exit", "0", word, NULL};
    const char *const environment[] = {word, NULL};
    weft_process *process = NULL;

    (void)arg;
    memset(word, 'w', WORD);
    word[WORD] = 0;
    same(weft_create_subprocess_exec(arguments, NULL, &process), -E2BIG);
    same(weft_create_subprocess_exec(CHILD_ARGS("exit", "0"), OPT(.environment = environment),
                                     &process),
         -E2BIG);
    ck_assert_ptr_null(process);
    word[WORD - 1] = 0;
    process = start(arguments, NULL);
    same(weft_process_wait(process, NULL), 0);
    free(word);
    return weft_process_close(process);
}

TEST(words_that_are_too_long)
{
    run(main_long_words);
}

static int main_misuse(void *arg)
{
    const char *const nothing[] = {NULL};
    const char *const something[] = {CHILD, NULL};
    const struct weft_process_fd low = {.from = 0, .to = 2}, high = {.from = 0, .to = 128},
                                 none = {.from = -1, .to = 5}, twice[] = {{0, 5}, {1, 5}};
    weft_process *process = NULL;

    (void)arg;
    same(weft_create_subprocess_exec(NULL, NULL, &process), -EINVAL);
    same(weft_create_subprocess_exec(nothing, NULL, &process), -EINVAL);
    same(weft_create_subprocess_exec(something, NULL, NULL), -EINVAL);
    same(weft_create_subprocess_shell(NULL, NULL, &process), -EINVAL);
    same(weft_create_subprocess_exec(something, OPT(.in = WEFT_STDOUT), &process), -EINVAL);
    same(weft_create_subprocess_exec(something, OPT(.out = 7), &process), -EINVAL);
    same(weft_create_subprocess_exec(something, OPT(.err = -1), &process), -EINVAL);
    same(weft_create_subprocess_exec(something, OPT(.pty = true, .in = WEFT_PIPE), &process),
         -EINVAL);
    same(weft_create_subprocess_exec(something, OPT(.fds = &low, .fd_count = 1), &process),
         -EINVAL);
    same(weft_create_subprocess_exec(something, OPT(.fds = &high, .fd_count = 1), &process),
         -EINVAL);
    same(weft_create_subprocess_exec(something, OPT(.fds = &none, .fd_count = 1), &process),
         -EINVAL);
    same(weft_create_subprocess_exec(something, OPT(.fds = twice, .fd_count = 65), &process),
         -EINVAL);
    same(weft_create_subprocess_exec(something, OPT(.fds = twice, .fd_count = 2), &process),
         -EINVAL);
    same(weft_create_subprocess_exec(something, OPT(.fd_count = 1), &process), -EINVAL);
    same(weft_create_subprocess_exec(something, OPT(.limit_count = 1), &process), -EINVAL);
    same(weft_create_subprocess_exec(something, OPT(.limit_count = 17), &process), -EINVAL);
    same(weft_create_subprocess_exec(something, OPT(.group = -2), &process), -EINVAL);
    same(weft_process_wait(NULL, NULL), -EINVAL);
    same(weft_process_poll(NULL, NULL), -EINVAL);
    same(weft_process_kill(NULL), -EINVAL);
    same(weft_process_signal_group(NULL, 1), -EINVAL);
    same(weft_process_pid(NULL), -EINVAL);
    same(weft_process_close_stdin(NULL), -EINVAL);
    same(weft_process_communicate(NULL, NULL, 0, NULL, NULL), -EINVAL);
    ck_assert_ptr_null(weft_process_stdin(NULL));
    ck_assert_ptr_null(weft_process_stdout(NULL));
    ck_assert_ptr_null(weft_process_stderr(NULL));
    same(weft_process_close(NULL), 0);
    weft_process_output_free(NULL);
    return 0;
}

TEST(misuse)
{
    run(main_misuse);
    same(weft_create_subprocess_exec(NULL, NULL, NULL), -EPERM);
    same(weft_process_wait(NULL, NULL), -EPERM);
    same(weft_process_close(NULL), -EPERM);
}

/* -- waiting ------------------------------------------------------------------------------------
 */

/* Tasks that are about to make their call: in builds with WEFT_RARE a yield may bring anybody. */
static int at_it;

static void until_at_it(int count)
{
    while (at_it < count)
        same(weft_yield(), 0);
    at_it = 0;
}

static int ended_for;
static int waits(void *arg)
{
    struct weft_process_status status;
    int error;

    at_it++;
    error = weft_process_wait(*(weft_process **)arg, &status);
    if (error == 0) {
        ck_assert(status.code == 7 || status.signal == SIGPIPE); /* "bye" to a closed pipe */
        ended_for++;
    }
    return error;
}

static int main_waiting(void *arg)
{
    weft_process *process = start(CHILD_ARGS("polite"), OPT(.out = WEFT_PIPE));
    struct weft_spawn_opt opt = {.size = sizeof opt};
    weft_task task;
    int result = 0;

    (void)arg;
    opt.task = &task;
    expect_line(process, "ready\n");
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        same(weft_spawn(&s, waits, &process, sizeof process, &opt), 0);
        for (int i = 0; i < 3; i++)
            same(weft_spawn(&s, waits, &process, sizeof process, NULL), 0);
        same(weft_yield(), 0);
        same(weft_cancel(task), 1); /* one gives up, and the process does not mind */
        same(weft_join(task, &result), 0);
        same(result, -ECANCELED);
        same(weft_process_poll(process, NULL), 0);
        same(weft_process_terminate(process), 0);
    }
    same(ended_for, 3);
    expect_line(process, "bye\n");
    return weft_process_close(process);
}

TEST(many_wait)
{
    run(main_waiting);
}

struct leaver {
    weft_process *process;
    weft_event *begun;
    bool polite;
};

static int waits_for_leaver(void *arg)
{
    const struct leaver *leaver = arg;
    struct weft_process_status status;

    (void)weft_event_set(leaver->begun);
    same(weft_process_wait(leaver->process, &status), 0);
    if (leaver->polite)
        ck_assert(status.code == 7 || status.signal == SIGPIPE);
    else
        same(status.signal, SIGKILL);
    return 0;
}

/* Closing while others wait: they are answered first. */
static int main_closing(void *arg)
{
    weft_process *process = start(CHILD_ARGS("polite"), OPT(.out = WEFT_PIPE, .err = WEFT_STDOUT));

    (void)arg;
    expect_line(process, "ready\n");
    ended_for = 0;
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, waits, &process, sizeof process, NULL), 0);
        until_at_it(1);
        for (int i = 0; i < 20; i++) /* the wait itself may give way as it begins */
            same(weft_yield(), 0);
        same(weft_process_close(process), 0);
    }
    same(ended_for, 1);
    return 0;
}

TEST(closed_while_others_wait)
{
    run(main_closing);
}

static int closes(void *arg)
{
    at_it++;
    return weft_process_close(*(weft_process **)arg);
}

/* One closes it, which takes the grace; another comes meanwhile, and is told. */
static int main_twice(void *arg)
{
    weft_process *process =
        start(CHILD_ARGS("stubborn"), OPT(.out = WEFT_PIPE, .grace_ns = 20 * MS));

    (void)arg;
    expect_line(process, "ready\n");
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, closes, &process, sizeof process, NULL), 0);
        until_at_it(1);
        same(weft_process_close(process), -EALREADY);
        same(weft_process_wait(process, NULL), -EBADF);
    }
    return 0;
}

TEST(closed_twice)
{
    run(main_twice);
}

/* One that leads its group and leaves it, alone or with another who stays: it is asked to end, and
   if it will not it is ended. */
static void leaves(bool polite, bool alone)
{
    weft_event begun = WEFT_EVENT_INIT;
    struct leaver leaver = {.polite = polite, .begun = &begun};
    struct weft_process_status status;
    weft_process *other = NULL;

    leaver.process =
        start(CHILD_ARGS(polite ? "polite-leaver" : "stubborn-leaver"),
              OPT(.in = WEFT_PIPE, .out = WEFT_PIPE, .grace_ns = polite ? 3600000 * MS : 20 * MS));
    if (!alone)
        other = start(CHILD_ARGS("sleep"), OPT(.group = weft_process_pid(leaver.process)));
    same(weft_stream_write(weft_process_stdin(leaver.process), "x", 1, NULL), 1);
    expect_line(leaver.process, "ready\n");
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, waits_for_leaver, &leaver, sizeof leaver, NULL), 0);
        same(weft_event_wait(&begun), 0);
        same(weft_process_close(leaver.process), 0);
    }
    if (!other)
        return;
    same(weft_process_wait(other, &status), 0); /* it was of the group to the end */
    ck_assert(status.signal == SIGTERM || status.signal == SIGKILL);
    same(weft_process_close(other), 0);
}

static int main_leavers(void *arg)
{
    (void)arg;
    for (int i = 0; i < 4; i++)
        leaves(i & 1, i & 2);
    return 0;
}

TEST(leaves_its_group)
{
    run(main_leavers);
}

/* Of a group that it had joined and left nothing is known: it may be anybody's by now. */
static int main_left(void *arg)
{
    weft_process *leader = start(CHILD_ARGS("sleep"), NULL), *other;

    (void)arg;
    other = start(CHILD_ARGS("stubborn-leaver"),
                  OPT(.group = weft_process_pid(leader), .in = WEFT_PIPE, .out = WEFT_PIPE));
    same(weft_process_signal_group(other, 0), 0);
    same(weft_stream_write(weft_process_stdin(other), "x", 1, NULL), 1);
    expect_line(other, "ready\n");
    same(weft_process_signal_group(other, SIGKILL), -ESRCH);
    same(weft_process_poll(leader, NULL), 0);
    same(weft_process_kill(other), 0);
    same(weft_process_close(other), 0);
    same(weft_process_signal_group(leader, SIGKILL), 0);
    return weft_process_close(leader);
}

TEST(has_left_a_group)
{
    run(main_left);
}

/* -- scopes -------------------------------------------------------------------------------------
 */

/* A scope that falls off its end waits for its processes; one that is cancelled ends them. */
static int main_scopes(void *arg)
{
    struct weft_process_status status;
    weft_process *process = NULL;

    (void)arg;
    WEFT_SCOPE(s) {
        process = start(CHILD_ARGS("exit", "3"), NULL);
        same(weft_scope_tasks(&s), 1);
    }
    same(weft_process_poll(process, &status), 1);
    same(status.code, 3);
    same(weft_process_close(process), 0);

    WEFT_SCOPE(s) {
        process = start(CHILD_ARGS("polite"), OPT(.out = WEFT_PIPE));
        expect_line(process, "ready\n");
        same(weft_scope_cancel(&s), 1);
    }
    same(weft_process_poll(process, &status), 1);
    same(status.code, 7); /* it was asked first, and had the time */
    same(weft_process_close(process), 0);

    WEFT_SCOPE(s) {
        process = start(CHILD_ARGS("polite"), OPT(.out = WEFT_PIPE, .grace_ns = INT64_MAX));
        expect_line(process, "ready\n");
        same(weft_scope_cancel(&s), 1);
    }
    same(weft_process_poll(process, &status), 1);
    same(status.code, 7); /* it has all the time there is */
    same(weft_process_close(process), 0);

    WEFT_SCOPE(s) {
        process = start(CHILD_ARGS("stubborn"), OPT(.out = WEFT_PIPE, .grace_ns = 20 * MS));
        expect_line(process, "ready\n");
        same(weft_scope_cancel(&s), 1);
    }
    same(weft_process_poll(process, &status), 1);
    same(status.signal, SIGKILL);
    same(weft_process_close(process), 0);

    process = start(CHILD_ARGS("stubborn"), OPT(.out = WEFT_PIPE, .grace_ns = 20 * MS));
    expect_line(process, "ready\n");
    same(weft_process_close(process), 0); /* by us, and nothing is cancelled */

    WEFT_SCOPE(s) {
        process = start(CHILD_ARGS("polite"), OPT(.out = WEFT_PIPE, .grace_ns = -1));
        expect_line(process, "ready\n");
        same(weft_scope_cancel(&s), 1);
    }
    same(weft_process_poll(process, &status), 1);
    same(status.signal, SIGKILL);
    return weft_process_close(process);
}

TEST(scopes)
{
    run(main_scopes);
}

static int starts_one(void *arg)
{
    (void)arg;
    (void)start(CHILD_ARGS("sleep"), NULL); /* and forgets it */
    return 0;
}

/* A deadline is the scope's answer; and those in the root scope, their handles forgotten, end with
   the run. */
static int main_deadline(void *arg)
{
    struct weft_scope_opt opt = {.size = sizeof opt, .deadline = weft_after_ms(30)};
    weft_process *process = NULL;
    weft_scope scope;

    (void)arg;
    same(weft_scope_open(&scope, &opt), 0);
    if (weft_create_subprocess_exec(CHILD_ARGS("sleep"), NULL, &process) < 0)
        process = NULL;
    same(weft_scope_close(&scope), -ETIMEDOUT);
    if (process)
        same(weft_process_close(process), 0);
    return 0;
}

TEST(deadline)
{
    run(main_deadline);
}

static int main_forgotten(void *arg)
{
    (void)arg;
    child_ready();
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, starts_one, NULL, 0, NULL), 0);
        same(weft_spawn(&s, starts_one, NULL, 0, NULL), 0);
    }
    (void)start(CHILD_ARGS("cat"), OPT(.in = WEFT_PIPE, .out = WEFT_PIPE));
    return 0;
}

TEST(forgotten)
{
    same(weft_run(main_forgotten, NULL, 0, NULL), 0);
    same(child_count(), 0);
}

/* A process counts as a task of its scope: so many run at once, and no more. */
static int main_bounded(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s, .max_tasks = 2) {
        weft_process *processes[6];
        for (int i = 0; i < 6; i++) {
            processes[i] = start(CHILD_ARGS("exit", "0"), NULL);
            ck_assert_int_le((int)weft_scope_tasks(&s), 2);
            ck_assert_int_le(child_count(), 2);
        }
        for (int i = 0; i < 6; i++)
            same(weft_process_close(processes[i]), 0);
    }
    return 0;
}

TEST(bounded)
{
    run(main_bounded);
}

/* Who is cancelled starts nothing. */
static int main_cancelled(void *arg)
{
    weft_process *process = NULL;

    (void)arg;
    WEFT_SCOPE(s) {
        same(weft_scope_cancel(&s), 1);
        same(weft_create_subprocess_exec(CHILD_ARGS("sleep"), NULL, &process), -ECANCELED);
        ck_assert_ptr_null(process);
    }
    same(weft_cancel(weft_current_task()), 1);
    same(weft_create_subprocess_exec(CHILD_ARGS("sleep"), NULL, &process), -ECANCELED);
    same(weft_uncancel(), 0);
    return 0;
}

TEST(cancelled_before)
{
    run(main_cancelled);
}

static int cancels(void *arg)
{
    return weft_scope_cancel(*(weft_scope **)arg);
}

/* Cancelled while it starts: it is handed over all the same, or nothing was begun, and it ends. */
static int main_while(void *arg)
{
    (void)arg;
    WEFT_SCOPE(s) {
        weft_process *process = NULL;
        weft_scope *scope = &s;
        int error;

        same(weft_spawn(weft_root(), cancels, &scope, sizeof scope, NULL), 0);
        error = weft_create_subprocess_exec(CHILD_ARGS("sleep"), NULL, &process);
        if (error == 0) {
            same(weft_process_wait(process, NULL), -ECANCELED);
            same(weft_process_close(process), 0);
        } else {
            same(error, -ECANCELED);
        }
    }
    return 0;
}

TEST(cancelled_while_it_starts)
{
    run(main_while);
}

/* Cancelled while its scope has no place for one more: nothing stays of what was prepared. */
static int main_no_place(void *arg)
{
    weft_process *process = NULL, *other = NULL;

    (void)arg;
    WEFT_SCOPE(s, .max_tasks = 1) {
        weft_scope *scope = &s;

        process = start(CHILD_ARGS("sleep"), NULL);
        same(weft_spawn(weft_root(), cancels, &scope, sizeof scope, NULL), 0);
        same(weft_create_subprocess_exec(CHILD_ARGS("sleep"), OPT(.in = WEFT_PIPE), &other),
             -ECANCELED);
        ck_assert_ptr_null(other);
    }
    return weft_process_close(process);
}

TEST(cancelled_before_there_is_a_place)
{
    run(main_no_place);
}

/* -- another reactor -----------------------------------------------------------------------------
 */

static int from_elsewhere(void *arg)
{
    weft_process *process = *(weft_process **)arg;

    same(weft_process_wait(process, NULL), -EXDEV);
    same(weft_process_kill(process), -EXDEV);
    same(weft_process_close(process), -EXDEV);
    process = start(CHILD_ARGS("exit", "5"), NULL); /* one of its own */
    same(weft_process_wait(process, NULL), 0);
    return weft_process_close(process);
}

static int main_reactors(void *arg)
{
    weft_process *process;

    (void)arg;
    child_ready();
    process = start(CHILD_ARGS("sleep"), NULL);
    same(weft_call(1, from_elsewhere, &process, sizeof process), 0);
    same(weft_process_poll(process, NULL), 0);
    return weft_process_close(process);
}

TEST(two_reactors)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    same(weft_run(main_reactors, NULL, 0, &opt), 0);
    same(child_count(), 0);
}

TEST_MAIN("process", 60, codes, ended_by_signals, starts_that_fail, words_that_are_too_long, misuse,
          many_wait, closed_while_others_wait, closed_twice, leaves_its_group, has_left_a_group,
          scopes, deadline, forgotten, bounded, cancelled_before, cancelled_while_it_starts,
          cancelled_before_there_is_a_place, two_reactors)
