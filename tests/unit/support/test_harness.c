/*
 * The harness tested by itself: each case runs one case of the program broken.c and looks at its
 * exit code and at what it says. Would catch a harness that lets a failure, a leak or a hang
 * through.
 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef BROKEN_PROGRAM
#error "the build says where broken.c's program is"
#endif

static char output[65536];

static void child(const char *case_name, const char *fork_mode, int out)
{
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    setenv("CK_RUN_CASE", case_name, 1);
    if (fork_mode)
        setenv("CK_FORK", fork_mode, 1);
    execl(BROKEN_PROGRAM, BROKEN_PROGRAM, (char *)NULL);
    _exit(127);
}

/* Runs one case of the broken program; gives its exit code, its words are in `output`. */
static int run(const char *case_name, const char *fork_mode)
{
    int out[2], status;
    size_t length = 0;
    ssize_t n;
    pid_t pid;

    ck_assert_int_eq(pipe(out), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        child(case_name, fork_mode, out[1]);
    close(out[1]);
    while ((n = read(out[0], output + length, sizeof output - 1 - length)) > 0)
        length += (size_t)n;
    output[length] = 0;
    close(out[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status), "the program died of signal %d:\n%s", WTERMSIG(status),
                  output);
    return WEXITSTATUS(status);
}

static void must_fail(const char *case_name, const char *words)
{
    int code = run(case_name, NULL);

    ck_assert_msg(code == TEST_EXIT_FAILED, "%s: exit code %d\n%s", case_name, code, output);
    ck_assert_msg(strstr(output, words), "%s: no '%s' in\n%s", case_name, words, output);
}

/* One that never ends: any limit will do, and 1.5 s is less than 6, or 24 with a sanitizer. */
static void must_expire(const char *case_name)
{
    setenv("CK_TIMEOUT_MULTIPLIER", "0.25", 1);
    must_fail(case_name, "Test timeout expired");
}

TEST(a_sound_case_passes)
{
    int code = run("fine", NULL);

    ck_assert_msg(code == TEST_EXIT_PASSED, "exit code %d\n%s", code, output);
}

TEST(a_failed_assertion_fails)
{
    must_fail("fails_an_assertion", "Assertion '1 + 1 == 3' failed");
}

TEST(a_failed_assertion_on_another_stack_fails)
{
    must_fail("fails_on_another_stack", "\"another\" == \"stack\"");
}

TEST(a_leaked_descriptor_fails)
{
    must_fail("leaks_a_descriptor", "open descriptors");
}

TEST(a_descriptor_lost_fails)
{
    must_fail("closes_a_descriptor_of_another", "open descriptors");
}

TEST(a_leaked_allocation_fails)
{
    must_fail("leaks_an_allocation", "live library allocations");
}

TEST(a_leaked_mapping_fails)
{
    must_fail("leaks_a_mapping", "mapped memory");
}

TEST(a_leaked_thread_fails)
{
    must_fail("leaks_a_thread", "threads");
}

TEST(a_hang_fails)
{
    must_expire("hangs");
}

TEST(a_spin_fails)
{
    must_expire("spins");
}

TEST(a_crash_fails)
{
    must_fail("crashes", "signal 6");
}

TEST(an_early_exit_fails)
{
    must_fail("leaves_early", "Early exit");
}

TEST(no_fork_is_refused)
{
    ck_assert_int_eq(run("fine", "no"), TEST_EXIT_NO_FORK);
}

TEST(nothing_run_is_not_success)
{
    ck_assert_int_eq(run("no_such_case", NULL), TEST_EXIT_NOTHING_RAN);
}

TEST_MAIN("harness", 30, a_sound_case_passes, a_failed_assertion_fails,
          a_failed_assertion_on_another_stack_fails, a_leaked_descriptor_fails,
          a_descriptor_lost_fails, a_leaked_allocation_fails, a_leaked_mapping_fails,
          a_leaked_thread_fails, a_hang_fails, a_spin_fails, a_crash_fails, an_early_exit_fails,
          no_fork_is_refused, nothing_run_is_not_success)
